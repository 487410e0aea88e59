/* SPDX-License-Identifier: Apache-2.0 */
/* validate_flowcontrol.c - how FlowSchemas and PriorityLevelConfigurations are checked.
 * Layer: api. */
#include "api/validate_other.h"
#include "codec/json.h"
#include "schema/format.h"

enum { PRECEDENCE_MAX = 10000, QUEUES_MAX = 10000000, HASH_BITS_MAX = 60, PERCENT_MAX = 100 };
#define HANDS_MAX ((unsigned __int128)1 << HASH_BITS_MAX)

/* ---- FlowSchema ---- */

/* "*" stands alone. Returns whether it is there. */
static bool check_wildcard(struct field_errors *errs, const struct path *p,
                           const struct string_list *v, const char *what)
{
    bool all = has_string(v, "*");

    if (v->n > 1 && all)
        err_invalid(errs, p, strings_doc(v, errs->arena),
                    "if '*' is present, must not specify other %s", what);
    return all;
}

static void check_verbs(struct field_errors *errs, const struct path *p,
                        const struct string_list *v)
{
    static const char *const verbs[] = {"create", "delete", "deletecollection", "get",   "list",
                                        "patch",  "proxy",  "update",           "watch", NULL};

    if (!v->n) {
        err_required(errs, p, "verbs must contain at least one value");
        return;
    }
    if (check_wildcard(errs, p, v, "verbs"))
        return;
    for (size_t i = 0; i < v->n; i++) {
        auto_buf given = {0};
        struct doc list;

        if (one_of(v->v[i], verbs))
            continue;
        list = strings_doc(v, errs->arena);
        json_write(&given, &list);
        err_add(errs, FIELD_ERROR_NOT_SUPPORTED, p,
                "Unsupported value: %.*s: supported values: \"create\", \"delete\", "
                "\"deletecollection\", \"get\", \"list\", \"patch\", \"proxy\", \"update\", "
                "\"watch\"",
                STR_ARG(buf_view(&given)));
        return;
    }
}

static const char *url_error(struct str url)
{
    long star = str_find_char(url, '*');

    if (str_empty(url))
        return "must not be empty";
    if (str_eqz(url, "/"))
        return NULL;
    if (url.p[0] != '/')
        return "must start with slash";
    if (str_find_char(url, ' ') >= 0)
        return "must not contain white-space";
    if (str_find(url, STR("//")) >= 0)
        return "must not contain double slash";
    if (star >= 0 && ((size_t)star + 1 != url.len || !str_has_suffix(url, STR("/*"))))
        return "wildcard can only do suffix matching";
    return NULL;
}

static void check_url_rule(struct field_errors *errs, const struct path *p,
                           const struct flowcontrol_non_resource_policy_rule *r)
{
    const struct path *at = AT(p, "nonResourceURLs");

    check_verbs(errs, AT(p, "verbs"), &r->verbs);
    if (!r->non_resource_urls.n)
        err_required(errs, at, "nonResourceURLs must contain at least one value");
    if (check_wildcard(errs, at, &r->non_resource_urls, "non-resource URLs"))
        return;
    for (size_t i = 0; i < r->non_resource_urls.n; i++)
        check_why(errs, AT_INDEX(at, i), r->non_resource_urls.v[i],
                  url_error(r->non_resource_urls.v[i]));
}

static void check_namespaces(struct field_errors *errs, const struct path *p,
                             const struct flowcontrol_resource_policy_rule *r)
{
    if (!r->namespaces.n && !r->cluster_scope)
        err_required(errs, p,
                     "resource rules that are not cluster scoped must supply at least one "
                     "namespace");
    if (check_wildcard(errs, p, &r->namespaces, "namespaces"))
        return;
    for (size_t i = 0; i < r->namespaces.n; i++) {
        const char *why = format_dns_label(r->namespaces.v[i]);

        if (why)
            err_invalid(errs, AT_INDEX(p, i), doc_string(r->namespaces.v[i]),
                        "each member of this list must be '*' or a DNS-1123 label; %s", why);
    }
}

static void check_resource_rule(struct field_errors *errs, const struct path *p,
                                const struct flowcontrol_resource_policy_rule *r)
{
    check_verbs(errs, AT(p, "verbs"), &r->verbs);
    if (!r->api_groups.n)
        err_required(errs, AT(p, "apiGroups"), "resource rules must supply at least one api group");
    (void)check_wildcard(errs, AT(p, "apiGroups"), &r->api_groups, "api groups");
    if (!r->resources.n)
        err_required(errs, AT(p, "resources"), "resource rules must supply at least one resource");
    (void)check_wildcard(errs, AT(p, "resources"), &r->resources, "resources");
    check_namespaces(errs, AT(p, "namespaces"), r);
}

static void check_service_account(struct field_errors *errs, const struct path *p,
                                  const struct flowcontrol_service_account_subject *s)
{
    check_given(errs, AT(p, "name"), s->name);
    if (!str_eqz(s->name, "*"))
        check_if_set(errs, AT(p, "name"), s->name, format_dns_subdomain);
    if (str_empty(s->namespace))
        err_required(errs, AT(p, "namespace"), "must specify namespace for service account");
    else
        check_why(errs, AT(p, "namespace"), s->namespace, format_dns_label(s->namespace));
}

/* The member of a subject's kind is there, and no other. */
static void check_subject(struct field_errors *errs, const struct path *p,
                          const struct flowcontrol_subject *s)
{
    static const char *const kinds[] = {"Group", "ServiceAccount", "User", NULL};
    const struct {
        const char *kind, *field;
        bool set;
    } members[] = {{"ServiceAccount", "serviceAccount", s->service_account != NULL},
                   {"User", "user", s->user != NULL},
                   {"Group", "group", s->group != NULL}};

    if (!one_of(s->kind, kinds)) {
        err_not_supported(errs, AT(p, "kind"), s->kind, kinds);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct path *at = AT(p, members[i].field);

        if (!str_eqz(s->kind, members[i].kind))
            continue;
        if (!members[i].set)
            err_add(errs, FIELD_ERROR_REQUIRED, at,
                    "Required value: %s is required when subject kind is '%s'", members[i].field,
                    members[i].kind);
        else if (s->service_account && i == 0)
            check_service_account(errs, at, s->service_account);
        else
            check_given(errs, AT(at, "name"), i == 1 ? s->user->name : s->group->name);
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (members[i].set && !str_eqz(s->kind, members[i].kind))
            err_forbidden(errs, AT(p, members[i].field),
                          "%s is forbidden when subject kind is not '%s'", members[i].field,
                          members[i].kind);
    }
}

static void check_flow_rule(struct field_errors *errs, const struct path *p,
                            const struct flowcontrol_policy_rules_with_subjects *r)
{
    if (!r->subjects.n)
        err_required(errs, AT(p, "subjects"), "subjects must contain at least one value");
    for (size_t i = 0; i < r->subjects.n; i++)
        check_subject(errs, AT_INDEX(AT(p, "subjects"), i), &r->subjects.v[i]);
    if (!r->resource_rules.n && !r->non_resource_rules.n)
        err_required(errs, p,
                     "at least one of resourceRules and nonResourceRules has to be non-empty");
    for (size_t i = 0; i < r->resource_rules.n; i++)
        check_resource_rule(errs, AT_INDEX(AT(p, "resourceRules"), i), &r->resource_rules.v[i]);
    for (size_t i = 0; i < r->non_resource_rules.n; i++)
        check_url_rule(errs, AT_INDEX(AT(p, "nonResourceRules"), i), &r->non_resource_rules.v[i]);
}

static void check_precedence(struct field_errors *errs, const struct path *p,
                             const struct flowcontrol_flow_schema *o)
{
    int32_t v = o->spec.matching_precedence;

    if (v <= 0)
        err_invalid(errs, p, doc_int(v), "must be a positive value");
    if (v > PRECEDENCE_MAX)
        err_invalid(errs, p, doc_int(v), "must not be greater than %d", PRECEDENCE_MAX);
    if (v == 1 && !str_eqz(o->metadata.name, "exempt"))
        err_invalid(errs, p, doc_int(v),
                    "only the schema named 'exempt' may have matchingPrecedence 1");
}

static void validate_flowschema(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const methods[] = {"ByNamespace", "ByUser", NULL};
    const struct flowcontrol_flow_schema *o = obj;
    const struct path *p = AT(NULL, "spec");
    const struct path *level = AT(AT(p, "priorityLevelConfiguration"), "name");
    struct str name = o->spec.priority_level_configuration.name;

    (void)old;
    check_precedence(errs, AT(p, "matchingPrecedence"), o);
    if (o->spec.distinguisher_method)
        check_one_of(errs, AT(AT(p, "distinguisherMethod"), "type"),
                     o->spec.distinguisher_method->type, methods);
    if (str_empty(name))
        err_required(errs, level, "must reference a priority level");
    else
        check_why(errs, level, name, format_dns_subdomain(name));
    for (size_t i = 0; i < o->spec.rules.n; i++)
        check_flow_rule(errs, AT_INDEX(AT(p, "rules"), i), &o->spec.rules.v[i]);
}

static void check_flow_condition(struct field_errors *errs, struct map *seen, const struct path *p,
                                 struct str type)
{
    check_unique(errs, seen, AT(p, "type"), type);
    if (str_empty(type))
        err_required(errs, AT(p, "type"), "must not be empty");
}

static void validate_flowschema_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct flowcontrol_flow_schema *o = obj;
    const struct path *p = AT(AT(NULL, "status"), "conditions");
    auto_map seen = {0};

    (void)old;
    for (size_t i = 0; i < o->status.conditions.n; i++)
        check_flow_condition(errs, &seen, AT_INDEX(p, i), o->status.conditions.v[i].type);
}

const struct strategy strategy_flowschemas = {
    .validate = validate_flowschema,
    .validate_status = validate_flowschema_status,
};

/* ---- PriorityLevelConfiguration ---- */

/* True if dealing @hand of @deck queues takes more bits than a flow's hash has. */
static bool too_many_hands(int32_t deck, int32_t hand)
{
    unsigned __int128 product = 1;

    for (int32_t i = 0; i < hand && product <= HANDS_MAX && deck > 1; i++)
        product *= (unsigned)deck;
    return product > HANDS_MAX;
}

static void check_queuing(struct field_errors *errs, const struct path *p,
                          const struct flowcontrol_queuing_configuration *q)
{
    if (q->queue_length_limit <= 0)
        err_invalid(errs, AT(p, "queueLengthLimit"), doc_int(q->queue_length_limit),
                    "must be positive");
    if (q->queues <= 0)
        err_invalid(errs, AT(p, "queues"), doc_int(q->queues), "must be positive");
    else if (q->queues > QUEUES_MAX)
        err_invalid(errs, AT(p, "queues"), doc_int(q->queues), "must not be greater than %d",
                    QUEUES_MAX);
    if (q->hand_size <= 0)
        err_invalid(errs, AT(p, "handSize"), doc_int(q->hand_size), "must be positive");
    else if (q->hand_size > q->queues)
        err_invalid(errs, AT(p, "handSize"), doc_int(q->hand_size),
                    "should not be greater than queues (%d)", q->queues);
    else if (too_many_hands(q->queues, q->hand_size))
        err_invalid(errs, AT(p, "handSize"), doc_int(q->hand_size),
                    "required entropy bits of deckSize %d and handSize %d should not be greater "
                    "than %d",
                    q->queues, q->hand_size, HASH_BITS_MAX);
}

static void check_response(struct field_errors *errs, const struct path *p,
                           const struct flowcontrol_limit_response *r)
{
    static const char *const types[] = {"Queue", "Reject", NULL};
    const struct path *at = AT(p, "queuing");

    if (str_eqz(r->type, "Reject")) {
        if (r->queuing)
            err_forbidden(errs, at, "must be nil if limited.limitResponse.type is not Limited");
    } else if (str_eqz(r->type, "Queue")) {
        if (r->queuing)
            check_queuing(errs, at, r->queuing);
        else
            err_required(errs, at, "must not be empty if limited.limitResponse.type is Limited");
    } else {
        err_not_supported(errs, AT(p, "type"), r->type, types);
    }
}

static void check_shares(struct field_errors *errs, const struct path *p, const int32_t *shares,
                         const int32_t *lendable)
{
    if (shares && *shares < 0)
        err_invalid(errs, AT(p, "nominalConcurrencyShares"), doc_int(*shares),
                    "must be a non-negative integer");
    if (lendable)
        check_range_of(errs, AT(p, "lendablePercent"), *lendable, 0, PERCENT_MAX);
}

static void check_limited(struct field_errors *errs, const struct path *p,
                          const struct flowcontrol_limited_priority_level_configuration *l)
{
    check_shares(errs, p, l->nominal_concurrency_shares, NULL);
    check_response(errs, AT(p, "limitResponse"), &l->limit_response);
    check_shares(errs, p, NULL, l->lendable_percent);
    if (l->borrowing_limit_percent && *l->borrowing_limit_percent < 0)
        err_invalid(errs, AT(p, "borrowingLimitPercent"), doc_int(*l->borrowing_limit_percent),
                    "if specified, must be a non-negative integer");
}

static void validate_level(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const types[] = {"Exempt", "Limited", NULL};
    const struct flowcontrol_priority_level_configuration *o = obj;
    const struct flowcontrol_priority_level_configuration_spec *s = &o->spec;
    const struct path *p = AT(NULL, "spec");
    bool exempt = str_eqz(s->type, "Exempt");

    (void)old;
    if (str_eqz(o->metadata.name, "exempt") != exempt)
        err_invalid(errs, AT(p, "type"), doc_string(s->type),
                    "type must be 'Exempt' if and only if name is 'exempt'");
    check_one_of(errs, AT(p, "type"), s->type, types);
    if (exempt) {
        if (s->limited)
            err_forbidden(errs, AT(p, "limited"), "must be nil if the type is not Limited");
        if (s->exempt)
            check_shares(errs, AT(p, "exempt"), s->exempt->nominal_concurrency_shares,
                         s->exempt->lendable_percent);
    } else if (str_eqz(s->type, "Limited")) {
        if (s->exempt)
            err_forbidden(errs, AT(p, "exempt"), "must be nil if the type is Limited");
        if (s->limited)
            check_limited(errs, AT(p, "limited"), s->limited);
        else
            err_required(errs, AT(p, "limited"), "must not be empty when type is Limited");
    }
}

static void validate_level_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct flowcontrol_priority_level_configuration *o = obj;
    const struct path *p = AT(AT(NULL, "status"), "conditions");
    auto_map seen = {0};

    (void)old;
    for (size_t i = 0; i < o->status.conditions.n; i++)
        check_flow_condition(errs, &seen, AT_INDEX(p, i), o->status.conditions.v[i].type);
}

const struct strategy strategy_prioritylevelconfigurations = {
    .validate = validate_level,
    .validate_status = validate_level_status,
};
