/* SPDX-License-Identifier: Apache-2.0 */
/* validate_quota.c - limit ranges and resource quotas. Layer: api. */
#include "api/map_fill.h"
#include "api/validate_core.h"
#include "schema/format.h"
#include "schema/typed.h"

/* ---- LimitRange ---- */

static struct str text_of(struct field_errors *errs, struct quantity q)
{
    return quantity_str(errs->arena, q);
}

/* @low, if given, may not be above @high. */
static void check_order(struct field_errors *errs, const struct path *p, struct str name,
                        struct quantity low, struct quantity high, const char *low_word,
                        const char *high_word)
{
    struct str low_text, high_text;

    if (!low.set || !high.set || quantity_cmp(low, high) <= 0)
        return;
    low_text = text_of(errs, low);
    high_text = text_of(errs, high);
    err_invalid(errs, AT_KEY(p, name), doc_string(low_text),
                "%s value %.*s is greater than %s value %.*s", low_word, STR_ARG(low_text),
                high_word, STR_ARG(high_text));
}

static void check_ratio(struct field_errors *errs, const struct path *at, struct str name,
                        struct quantity ratio, struct quantity min, struct quantity max)
{
    const struct path *p = AT_KEY(AT(at, "maxLimitRequestRatio"), name);

    if (!ratio.set)
        return;
    if (quantity_milli(ratio) < 1000)
        err_invalid(errs, p, doc_string(text_of(errs, ratio)), "ratio %.*s is less than 1",
                    STR_ARG(text_of(errs, ratio)));
    if (min.set && max.set && quantity_sign(min) > 0 &&
        (double)quantity_milli(ratio) / 1000 >
            (double)quantity_milli(max) / (double)quantity_milli(min))
        err_invalid(errs, p, doc_string(text_of(errs, ratio)),
                    "ratio %.*s is greater than max/min = %f", STR_ARG(text_of(errs, ratio)),
                    (double)quantity_milli(max) / (double)quantity_milli(min));
}

static void check_item_order(struct field_errors *errs, const struct path *at, struct str name,
                             const struct core_limit_range_item *l)
{
    struct quantity min = quantity_map_find(&l->min, name), max = quantity_map_find(&l->max, name);
    struct quantity def = quantity_map_find(&l->default_, name);
    struct quantity request = quantity_map_find(&l->default_request, name);

    check_order(errs, AT(at, "min"), name, min, max, "min", "max");
    check_order(errs, AT(at, "defaultRequest"), name, min, request, "min", "default request");
    check_order(errs, AT(at, "defaultRequest"), name, request, max, "default request", "max");
    check_order(errs, AT(at, "defaultRequest"), name, request, def, "default request",
                "default limit");
    check_order(errs, AT(at, "default"), name, min, def, "min", "default");
    check_order(errs, AT(at, "default"), name, def, max, "default", "max");
    check_ratio(errs, at, name, quantity_map_find(&l->max_limit_request_ratio, name), min, max);
    if (!resource_overcommits(name) && def.set && request.set && quantity_cmp(def, request) != 0)
        err_invalid(errs, AT(at, "defaultRequest"), doc_string(text_of(errs, request)),
                    "default value %.*s must equal to defaultRequest value %.*s in %.*s",
                    STR_ARG(text_of(errs, def)), STR_ARG(text_of(errs, request)), STR_ARG(name));
}

static void check_limit_names(struct field_errors *errs, const struct path *at, struct str type,
                              const struct quantity_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct path *p = AT_KEY(at, m->v[i].key);

        if (str_eqz(type, "Pod") || str_eqz(type, "Container"))
            check_container_resource_name(errs, p, m->v[i].key);
        else
            check_why(errs, p, m->v[i].key, format_qualified_name(m->v[i].key));
    }
}

static void check_limit(struct field_errors *errs, const struct path *at,
                        const struct core_limit_range_item *l)
{
    const struct quantity_map *const maps[] = {&l->max, &l->min, &l->default_, &l->default_request,
                                               &l->max_limit_request_ratio};
    static const char *const names[] = {"max", "min", "default", "defaultRequest",
                                        "maxLimitRequestRatio"};
    auto_map done = {0};

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        if (str_eqz(l->type, "Pod") && (i == 2 || i == 3) && maps[i]->n) {
            err_forbidden(errs, AT(at, names[i]), "may not be specified when `type` is 'Pod'");
            continue;
        }
        check_limit_names(errs, AT(at, names[i]), l->type, maps[i]);
    }
    if (str_eqz(l->type, "PersistentVolumeClaim") &&
        !quantity_map_find(&l->min, STR("storage")).set &&
        !quantity_map_find(&l->max, STR("storage")).set)
        err_required(errs, at,
                     "either minimum or maximum storage value is required, but neither "
                     "was provided");
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        for (size_t k = 0; k < maps[i]->n; k++) {
            if (!map_set(&done, maps[i]->v[k].key, &done))
                check_item_order(errs, at, maps[i]->v[k].key, l);
        }
    }
}

void validate_limitrange(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const types[] = {"Container", "Pod", "PersistentVolumeClaim", NULL};
    const struct core_limit_range *r = obj;
    const struct path *list = AT(AT(NULL, "spec"), "limits");
    auto_map seen = {0};

    (void)old;
    for (size_t i = 0; i < r->spec.limits.n; i++) {
        const struct core_limit_range_item *l = &r->spec.limits.v[i];
        const struct path *at = AT_INDEX(list, i);
        const char *why = one_of(l->type, types) ? NULL : format_qualified_name(l->type);

        if (!why && !one_of(l->type, types) && str_find_char(l->type, '/') < 0)
            why = "must be a standard limit type or fully qualified";
        check_why(errs, AT(at, "type"), l->type, why);
        check_unique(errs, &seen, AT(at, "type"), l->type);
        check_limit(errs, at, l);
    }
}

/* ---- ResourceQuota ---- */

static const char *const scopes[] = {"Terminating",
                                     "NotTerminating",
                                     "BestEffort",
                                     "NotBestEffort",
                                     "PriorityClass",
                                     "CrossNamespacePodAffinity",
                                     "VolumeAttributesClass",
                                     NULL};

static void check_quota_name(struct field_errors *errs, const struct path *p, struct str name)
{
    const char *why = format_qualified_name(name);

    if (why)
        check_why(errs, p, name, why);
    else if (str_find_char(name, '/') < 0 && !resource_of_quotas(name) &&
             !str_has_prefix(name, STR("hugepages-")) &&
             !str_has_prefix(name, STR("requests.hugepages-")))
        check_why(errs, p, name, "must be a standard resource for quota");
}

static void check_quota_amounts(struct field_errors *errs, const struct path *at,
                                const struct quantity_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct path *p = AT_KEY(at, m->v[i].key);

        check_quota_name(errs, p, m->v[i].key);
        check_quantity(errs, p, m->v[i].key, m->v[i].value);
        if (str_has_prefix(m->v[i].key, STR("count/")) && !quantity_is_integer(m->v[i].value))
            check_why(errs, p, text_of(errs, m->v[i].value), "must be an integer");
    }
}

/* Scopes that look at how pods run can count nothing else but pods and what they compute with. */
static bool scope_counts(struct str scope, struct str name)
{
    static const char *const pods[] = {"pods", NULL};
    static const char *const computing[] = {
        "pods",       "cpu",           "memory", "requests.cpu", "requests.memory",
        "limits.cpu", "limits.memory", NULL};

    if (str_eqz(scope, "BestEffort"))
        return one_of(name, pods);
    if (str_eqz(scope, "Terminating") || str_eqz(scope, "NotTerminating") ||
        str_eqz(scope, "NotBestEffort"))
        return one_of(name, computing);
    return true;
}

static bool has_scope(const struct core_resource_quota_spec *s, const char *scope)
{
    for (size_t i = 0; i < s->scopes.n; i++) {
        if (str_eqz(s->scopes.v[i], scope))
            return true;
    }
    return false;
}

static struct doc scopes_doc(struct field_errors *errs, const struct core_resource_quota_spec *s)
{
    struct doc d = doc_array();

    for (size_t i = 0; i < s->scopes.n; i++)
        doc_append(errs->arena, &d, doc_string(s->scopes.v[i]));
    return d;
}

static void check_scopes(struct field_errors *errs, const struct path *at,
                         const struct core_resource_quota_spec *s)
{
    for (size_t i = 0; i < s->scopes.n && errs->n < FIELD_ERRORS_MAX; i++) {
        if (!one_of(s->scopes.v[i], scopes))
            err_invalid(errs, at, scopes_doc(errs, s), "unsupported scope");
    }
    for (size_t i = 0; scopes[i]; i++) {
        bool counts = true;

        if (!has_scope(s, scopes[i]))
            continue;
        for (size_t k = 0; k < s->hard.n && counts; k++)
            counts = !resource_of_quotas(s->hard.v[k].key) ||
                     scope_counts(str_from(scopes[i]), s->hard.v[k].key);
        if (!counts)
            err_invalid(errs, at, scopes_doc(errs, s), "unsupported scope applied to resource");
    }
    if ((has_scope(s, "BestEffort") && has_scope(s, "NotBestEffort")) ||
        (has_scope(s, "Terminating") && has_scope(s, "NotTerminating")))
        err_invalid(errs, at, scopes_doc(errs, s), "conflicting scopes");
}

static void check_scope_selector(struct field_errors *errs, const struct path *at,
                                 const struct core_scope_selector *s)
{
    static const char *const plain[] = {
        "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity",
        NULL};
    static const char *const with_values[] = {"In", "NotIn", NULL};
    static const char *const without[] = {"Exists", "DoesNotExist", NULL};

    for (size_t i = 0; s && i < s->match_expressions.n; i++) {
        const struct core_scoped_resource_selector_requirement *r = &s->match_expressions.v[i];
        const struct path *p = AT(at, "matchExpressions");

        if (!one_of(r->scope_name, scopes))
            check_why(errs, AT(p, "scopeName"), r->scope_name, "unsupported scope");
        if (one_of(r->scope_name, plain) && !str_eqz(r->operator, "Exists"))
            check_why(errs, AT(p, "operator"), r->operator,
                      "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                      "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                      "ResourceQuotaScopeNotBestEffort or "
                      "ResourceQuotaScopeCrossNamespacePodAffinity");
        if (one_of(r->operator, with_values) && !r->values.n)
            err_required(errs, AT(p, "values"),
                         "must be at least one value when `operator` is 'In' or 'NotIn' for scope "
                         "selector");
        else if (one_of(r->operator, without) && r->values.n)
            err_invalid(errs, AT(p, "values"), doc_array(),
                        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
                        "selector");
        else if (!one_of(r->operator, with_values) && !one_of(r->operator, without))
            check_why(errs, AT(p, "operator"), r->operator, "not a valid selector operator");
    }
}

void validate_quota(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_resource_quota_spec *s = &((const struct core_resource_quota *)obj)->spec;
    const struct path *spec = AT(NULL, "spec");
    const struct core_resource_quota_spec *was;
    bool same;

    check_quota_amounts(errs, AT(spec, "hard"), &s->hard);
    check_scopes(errs, AT(spec, "scopes"), s);
    check_scope_selector(errs, AT(spec, "scopeSelector"), s->scope_selector);
    if (!old)
        return;
    was = &((const struct core_resource_quota *)old)->spec;
    same = s->scopes.n == was->scopes.n;
    for (size_t i = 0; same && scopes[i]; i++)
        same = has_scope(s, scopes[i]) == has_scope(was, scopes[i]);
    check_same(errs, AT(spec, "scopes"), same, scopes_doc(errs, s));
}
