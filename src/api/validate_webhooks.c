/* SPDX-License-Identifier: Apache-2.0 */
/* validate_webhooks.c - how webhook configurations are checked, and the rules that admission
 * policies share with them. Layer: api. */
#include "api/validate_admission.h"
#include "schema/format.h"

enum { CONDITIONS_MAX = 64, TIMEOUT_MAX_SEC = 30, NAME_PARTS_MIN = 3 };

#define URL_FORM "; desired format: https://host[/path]"

/* ---- rules ---- */

/* "*" stands alone. */
static void check_wildcard(struct field_errors *errs, const struct path *p,
                           const struct string_list *v, const char *what)
{
    if (v->n > 1 && has_string(v, "*"))
        err_invalid(errs, p, strings_doc(v, errs->arena),
                    "if '*' is present, must not specify other %s", what);
}

struct seen_resources {
    struct map all_of;   /* x of "x/" "*" */
    struct map any_with; /* y of "*" "/y" */
    bool plain;          /* the last name without a subresource was no "*" */
};

static void check_subresource(struct field_errors *errs, struct seen_resources *seen,
                              const struct path *p, struct str text)
{
    struct str sub, res = str_cut(text, '/', &sub);

    if (!sub.p) {
        seen->plain = !str_eqz(text, "*");
        return;
    }
    if (map_find(&seen->all_of, res))
        err_invalid(errs, p, doc_string(text), "if '%.*s/*' is present, must not specify %.*s",
                    STR_ARG(res), STR_ARG(text));
    if (map_find(&seen->any_with, sub))
        err_invalid(errs, p, doc_string(text), "if '*/%.*s' is present, must not specify %.*s",
                    STR_ARG(sub), STR_ARG(text));
    if (str_eqz(sub, "*"))
        map_set(&seen->all_of, res, seen);
    if (str_eqz(res, "*"))
        map_set(&seen->any_with, sub, seen);
}

static void check_resources(struct field_errors *errs, const struct path *p,
                            const struct string_list *v)
{
    struct seen_resources seen = {0};

    if (!v->n)
        err_required(errs, p, "");
    for (size_t i = 0; i < v->n; i++) {
        check_given(errs, AT_INDEX(p, i), v->v[i]);
        if (v->v[i].len)
            check_subresource(errs, &seen, AT_INDEX(p, i), v->v[i]);
    }
    if (v->n > 1 && has_string(v, "*/*"))
        err_invalid(errs, p, strings_doc(v, errs->arena),
                    "if '*/*' is present, must not specify other resources");
    if (seen.plain && has_string(v, "*"))
        err_invalid(errs, p, strings_doc(v, errs->arena),
                    "if '*' is present, must not specify other resources without subresources");
    map_deinit(&seen.all_of);
    map_deinit(&seen.any_with);
}

void check_admission_rule(struct field_errors *errs, const struct path *p,
                          const struct admissionregistration_rule_with_operations *r)
{
    static const char *const operations[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL};
    static const char *const scopes[] = {"*", "Cluster", "Namespaced", NULL};

    if (!r->operations.n)
        err_required(errs, AT(p, "operations"), "");
    check_wildcard(errs, AT(p, "operations"), &r->operations, "operations");
    for (size_t i = 0; i < r->operations.n; i++)
        check_one_of(errs, AT_INDEX(AT(p, "operations"), i), r->operations.v[i], operations);
    if (!r->api_groups.n)
        err_required(errs, AT(p, "apiGroups"), "");
    check_wildcard(errs, AT(p, "apiGroups"), &r->api_groups, "API groups");
    if (!r->api_versions.n)
        err_required(errs, AT(p, "apiVersions"), "");
    check_wildcard(errs, AT(p, "apiVersions"), &r->api_versions, "API versions");
    for (size_t i = 0; i < r->api_versions.n; i++)
        check_given(errs, AT_INDEX(AT(p, "apiVersions"), i), r->api_versions.v[i]);
    check_resources(errs, AT(p, "resources"), &r->resources);
    if (r->scope)
        check_one_of(errs, AT(p, "scope"), *r->scope, scopes);
}

void check_match_conditions(struct field_errors *errs, const struct path *p,
                            const struct admissionregistration_match_condition *v, size_t n)
{
    auto_map names = {0};

    if (n > CONDITIONS_MAX)
        err_too_many(errs, p, n, CONDITIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT_INDEX(p, i);

        check_given(errs, AT(at, "expression"), str_trim(v[i].expression));
        check_named(errs, AT(at, "name"), v[i].name, format_qualified_name);
        if (v[i].name.len)
            check_unique(errs, &names, AT(at, "name"), v[i].name);
    }
}

void check_failure_policy(struct field_errors *errs, const struct path *p, const struct str *policy)
{
    static const char *const policies[] = {"Fail", "Ignore", NULL};

    if (policy)
        check_one_of(errs, p, *policy, policies);
}

void check_match_policy(struct field_errors *errs, const struct path *p, const struct str *policy)
{
    static const char *const policies[] = {"Equivalent", "Exact", NULL};

    if (policy)
        check_one_of(errs, p, *policy, policies);
}

void check_reinvocation(struct field_errors *errs, const struct path *p, struct str policy)
{
    static const char *const policies[] = {"IfNeeded", "Never", NULL};

    check_one_of(errs, p, policy, policies);
}

/* ---- whom to call ---- */

static void check_url(struct field_errors *errs, const struct path *p, struct str url)
{
    struct str fragment, query, user = STR_NULL, host = STR_NULL, scheme = STR_NULL;
    struct str rest = str_cut(url, '#', &fragment);
    long at;

    rest = str_cut(rest, '?', &query);
    at = str_find(rest, STR("://"));
    if (at > 0) {
        struct str path;

        scheme = lower_text(errs->arena, str_sub(rest, 0, (size_t)at));
        host = str_cut(str_sub(rest, (size_t)at + 3, SIZE_MAX), '/', &path);
    }
    at = str_rfind_char(host, '@');
    if (at >= 0) {
        user = str_sub(host, 0, (size_t)at);
        host = str_sub(host, (size_t)at + 1, SIZE_MAX);
    }
    if (!str_eqz(scheme, "https"))
        err_invalid(errs, p, doc_string(scheme), "'https' is the only allowed URL scheme" URL_FORM);
    if (str_empty(host))
        err_invalid(errs, p, doc_string(host), "host must be specified" URL_FORM);
    if (user.p)
        err_invalid(errs, p, doc_string(user), "user information is not permitted in the URL");
    if (fragment.len)
        err_invalid(errs, p, doc_string(fragment), "fragments are not permitted in the URL");
    if (query.len)
        err_invalid(errs, p, doc_string(query), "query parameters are not permitted in the URL");
}

static void check_url_path(struct field_errors *errs, const struct path *p, struct str path)
{
    struct str rest;
    int n = 0;

    if (str_empty(path) || str_eqz(path, "/"))
        return;
    if (str_eqz(path, "//")) {
        err_invalid(errs, p, doc_string(path), "segment[0] may not be empty");
        return;
    }
    if (path.p[0] != '/')
        err_invalid(errs, p, doc_string(path), "must start with a '/'");
    rest = str_sub(path, 1, SIZE_MAX);
    if (str_has_suffix(rest, STR("/")))
        rest.len--;
    do {
        struct str segment = str_cut(rest, '/', &rest);
        const char *why = format_dns_subdomain(segment);

        if (!segment.len)
            err_invalid(errs, p, doc_string(path), "segment[%d] may not be empty", n);
        else if (why)
            err_invalid(errs, p, doc_string(path), "segment[%d]: %s", n, why);
        n++;
    } while (rest.p);
}

static void check_client(struct field_errors *errs, const struct path *p,
                         const struct admissionregistration_webhook_client_config *c)
{
    const struct path *at = AT(p, "service");
    int32_t port;

    if (!c->url == !c->service) {
        err_required(errs, p, "exactly one of url or service is required");
    } else if (c->url) {
        check_url(errs, AT(p, "url"), *c->url);
    } else {
        port = c->service->port ? *c->service->port : 0;
        check_given(errs, AT(at, "name"), c->service->name);
        check_given(errs, AT(at, "namespace"), c->service->namespace);
        if (port < 1 || port > UINT16_MAX)
            err_invalid(errs, AT(at, "port"), doc_int(port),
                        "port is not valid: must be between 1 and 65535, inclusive");
        if (c->service->path)
            check_url_path(errs, AT(at, "path"), *c->service->path);
    }
}

/* ---- hooks ---- */

struct hook { /* what hooks of both kinds have */
    struct str name;
    const struct admissionregistration_webhook_client_config *client;
    const struct admissionregistration_rule_with_operations *rules;
    size_t n_rules;
    const struct str *failure_policy, *match_policy, *side_effects, *reinvocation;
    const struct meta_label_selector *namespaces, *objects;
    const int32_t *timeout;
    const struct string_list *versions;
    const struct admissionregistration_match_condition *conditions;
    size_t n_conditions;
};

static void check_hook_name(struct field_errors *errs, const struct path *p, struct str name)
{
    const char *why = format_dns_subdomain(name);
    size_t n_parts = 1;

    for (size_t i = 0; i < name.len; i++)
        n_parts += name.p[i] == '.';
    if (str_empty(name))
        err_required(errs, p, "");
    else if (why)
        check_why(errs, p, name, why);
    else if (n_parts < NAME_PARTS_MIN)
        err_invalid(errs, p, doc_string(name),
                    "should be a domain with at least three segments separated by dots");
}

static void check_side_effects(struct field_errors *errs, const struct path *p,
                               const struct str *effects)
{
    static const char *const allowed[] = {"None", "NoneOnDryRun", NULL};

    if (effects)
        check_one_of(errs, p, *effects, allowed);
    else
        err_required(errs, p, "must specify one of None, NoneOnDryRun");
}

static void check_versions(struct field_errors *errs, const struct path *p,
                           const struct string_list *v)
{
    auto_map seen = {0};

    if (!v->n) {
        err_required(errs, p, "must specify one of v1, v1beta1");
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        if (map_set(&seen, v->v[i], &seen))
            err_invalid(errs, AT_INDEX(p, i), doc_string(v->v[i]), "duplicate version");
        else
            check_why(errs, AT_INDEX(p, i), v->v[i], format_dns1035_label(v->v[i]));
    }
    if (!has_string(v, "v1") && !has_string(v, "v1beta1"))
        err_invalid(errs, p, strings_doc(v, errs->arena),
                    "must include at least one of v1, v1beta1");
}

static void check_hook(struct field_errors *errs, const struct path *p, const struct hook *h,
                       struct map *names)
{
    check_hook_name(errs, AT(p, "name"), h->name);
    for (size_t i = 0; i < h->n_rules; i++)
        check_admission_rule(errs, AT_INDEX(AT(p, "rules"), i), &h->rules[i]);
    check_failure_policy(errs, AT(p, "failurePolicy"), h->failure_policy);
    check_match_policy(errs, AT(p, "matchPolicy"), h->match_policy);
    check_side_effects(errs, AT(p, "sideEffects"), h->side_effects);
    if (h->timeout && (*h->timeout < 1 || *h->timeout > TIMEOUT_MAX_SEC))
        err_invalid(errs, AT(p, "timeoutSeconds"), doc_int(*h->timeout),
                    "the timeout value must be between 1 and 30 seconds");
    check_selector(errs, AT(p, "namespaceSelector"), h->namespaces);
    check_selector(errs, AT(p, "objectSelector"), h->objects);
    if (h->reinvocation)
        check_reinvocation(errs, AT(p, "reinvocationPolicy"), *h->reinvocation);
    check_client(errs, AT(p, "clientConfig"), h->client);
    check_match_conditions(errs, AT(p, "matchConditions"), h->conditions, h->n_conditions);
    check_versions(errs, AT(p, "admissionReviewVersions"), h->versions);
    if (h->name.len)
        check_unique(errs, names, AT(p, "name"), h->name);
}

/* The members of struct hook that both kinds of webhooks have, under the same names. */
#define HOOK_PARTS(w)                                                                              \
    .name = (w)->name, .client = &(w)->client_config, .rules = (w)->rules.v,                       \
    .n_rules = (w)->rules.n, .failure_policy = (w)->failure_policy,                                \
    .match_policy = (w)->match_policy, .side_effects = (w)->side_effects,                          \
    .namespaces = (w)->namespace_selector, .objects = (w)->object_selector,                        \
    .timeout = (w)->timeout_seconds, .versions = &(w)->admission_review_versions,                  \
    .conditions = (w)->match_conditions.v, .n_conditions = (w)->match_conditions.n

static void validate_validating(const void *obj, const void *old, struct field_errors *errs)
{
    const struct admissionregistration_validating_webhook_configuration *c = obj;
    auto_map names = {0};

    (void)old;
    for (size_t i = 0; i < c->webhooks.n; i++) {
        struct hook h = {HOOK_PARTS(&c->webhooks.v[i])};

        check_hook(errs, AT_INDEX(AT(NULL, "webhooks"), i), &h, &names);
    }
}

static void validate_mutating(const void *obj, const void *old, struct field_errors *errs)
{
    const struct admissionregistration_mutating_webhook_configuration *c = obj;
    auto_map names = {0};

    (void)old;
    for (size_t i = 0; i < c->webhooks.n; i++) {
        struct hook h = {HOOK_PARTS(&c->webhooks.v[i])};

        h.reinvocation = c->webhooks.v[i].reinvocation_policy;
        check_hook(errs, AT_INDEX(AT(NULL, "webhooks"), i), &h, &names);
    }
}

const struct strategy strategy_validatingwebhookconfigurations = {.validate = validate_validating};
const struct strategy strategy_mutatingwebhookconfigurations = {.validate = validate_mutating};
