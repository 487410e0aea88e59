/* SPDX-License-Identifier: Apache-2.0 */
/* validate_affinity.c - where pods may and should run. Layer: api. */
#include "api/validate.h"
#include "schema/format.h"

/* ---- nodes ---- */

static void check_requirement(struct field_errors *errs, const struct path *at,
                              const struct core_node_selector_requirement *r)
{
    if (str_eqz(r->operator, "In") || str_eqz(r->operator, "NotIn")) {
        if (!r->values.n)
            err_required(errs, AT(at, "values"),
                         "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_eqz(r->operator, "Exists") || str_eqz(r->operator, "DoesNotExist")) {
        if (r->values.n)
            err_forbidden(errs, AT(at, "values"),
                          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (str_eqz(r->operator, "Gt") || str_eqz(r->operator, "Lt")) {
        if (r->values.n != 1)
            err_required(errs, AT(at, "values"),
                         "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        check_why(errs, AT(at, "operator"), r->operator, "not a valid selector operator");
    }
    check_why(errs, AT(at, "key"), r->key, format_qualified_name(r->key));
}

static void check_field_requirement(struct field_errors *errs, const struct path *at,
                                    const struct core_node_selector_requirement *r)
{
    static const char *const operators[] = {"In", "NotIn", NULL};

    if (!one_of(r->operator, operators))
        check_why(errs, AT(at, "operator"), r->operator, "not a valid selector operator");
    else if (r->values.n != 1)
        err_required(errs, AT(at, "values"),
                     "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                     "selector");
    if (!str_eqz(r->key, "metadata.name"))
        check_why(errs, AT(at, "key"), r->key, "not a valid field selector key");
    else
        for (size_t i = 0; i < r->values.n; i++)
            check_why(errs, AT_INDEX(AT(at, "values"), i), r->values.v[i],
                      format_dns_subdomain(r->values.v[i]));
}

static void check_node_term(struct field_errors *errs, const struct path *at,
                            const struct core_node_selector_term *t)
{
    for (size_t i = 0; i < t->match_expressions.n; i++)
        check_requirement(errs, AT_INDEX(AT(at, "matchExpressions"), i),
                          &t->match_expressions.v[i]);
    for (size_t i = 0; i < t->match_fields.n; i++)
        check_field_requirement(errs, AT_INDEX(AT(at, "matchFields"), i), &t->match_fields.v[i]);
}

void check_node_selector(struct field_errors *errs, const struct path *at,
                         const struct core_node_selector *s)
{
    const struct path *terms = AT(at, "nodeSelectorTerms");

    if (!s->node_selector_terms.n)
        err_required(errs, terms, "must have at least one node selector term");
    for (size_t i = 0; i < s->node_selector_terms.n; i++)
        check_node_term(errs, AT_INDEX(terms, i), &s->node_selector_terms.v[i]);
}

static void check_weight(struct field_errors *errs, const struct path *at, int32_t weight)
{
    if (weight <= 0 || weight > 100)
        err_invalid(errs, AT(at, "weight"), doc_int(weight), "must be in the range 1-100");
}

static void check_node_affinity(struct field_errors *errs, const struct path *at,
                                const struct core_node_affinity *a)
{
    const struct path *preferred = AT(at, "preferredDuringSchedulingIgnoredDuringExecution");

    if (a->required_during_scheduling_ignored_during_execution)
        check_node_selector(errs, AT(at, "requiredDuringSchedulingIgnoredDuringExecution"),
                            a->required_during_scheduling_ignored_during_execution);
    for (size_t i = 0; i < a->preferred_during_scheduling_ignored_during_execution.n; i++) {
        const struct core_preferred_scheduling_term *t =
            &a->preferred_during_scheduling_ignored_during_execution.v[i];

        check_weight(errs, AT_INDEX(preferred, i), t->weight);
        check_node_term(errs, AT(AT_INDEX(preferred, i), "preference"), &t->preference);
    }
}

/* ---- other pods ---- */

static void check_label_keys(struct field_errors *errs, const struct path *at,
                             const struct string_list *keys, const struct meta_label_selector *s)
{
    if (keys->n && !s)
        err_forbidden(errs, at, "must not be specified when labelSelector is not set");
    for (size_t i = 0; i < keys->n; i++)
        check_why(errs, AT_INDEX(at, i), keys->v[i], format_qualified_name(keys->v[i]));
}

static bool list_has(const struct string_list *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->v[i], s))
            return true;
    }
    return false;
}

static void check_pod_term(struct field_errors *errs, const struct path *at,
                           const struct core_pod_affinity_term *t)
{
    check_selector(errs, AT(at, "labelSelector"), t->label_selector);
    check_selector(errs, AT(at, "namespaceSelector"), t->namespace_selector);
    for (size_t i = 0; i < t->namespaces.n; i++)
        check_why(errs, AT(at, "namespace"), t->namespaces.v[i],
                  format_dns_label(t->namespaces.v[i]));
    check_label_keys(errs, AT(at, "matchLabelKeys"), &t->match_label_keys, t->label_selector);
    check_label_keys(errs, AT(at, "mismatchLabelKeys"), &t->mismatch_label_keys, t->label_selector);
    for (size_t i = 0; i < t->match_label_keys.n && i < FIELD_ERRORS_MAX; i++) {
        if (list_has(&t->mismatch_label_keys, t->match_label_keys.v[i]))
            check_why(errs, AT_INDEX(AT(at, "matchLabelKeys"), i), t->match_label_keys.v[i],
                      "exists in both matchLabelKeys and mismatchLabelKeys");
    }
    if (str_empty(t->topology_key))
        err_required(errs, AT(at, "topologyKey"), "can not be empty");
    else
        check_why(errs, AT(at, "topologyKey"), t->topology_key,
                  format_qualified_name(t->topology_key));
}

static void check_pod_terms(struct field_errors *errs, const struct path *at,
                            const struct core_pod_affinity_term *required, size_t n_required,
                            const struct core_weighted_pod_affinity_term *preferred,
                            size_t n_preferred)
{
    for (size_t i = 0; i < n_required; i++)
        check_pod_term(errs, AT_INDEX(AT(at, "requiredDuringSchedulingIgnoredDuringExecution"), i),
                       &required[i]);
    for (size_t i = 0; i < n_preferred; i++) {
        const struct path *p =
            AT_INDEX(AT(at, "preferredDuringSchedulingIgnoredDuringExecution"), i);

        check_weight(errs, p, preferred[i].weight);
        check_pod_term(errs, AT(p, "podAffinityTerm"), &preferred[i].pod_affinity_term);
    }
}

void check_affinity(struct field_errors *errs, const struct path *at, const struct core_affinity *a)
{
    const struct core_pod_affinity *with = a ? a->pod_affinity : NULL;
    const struct core_pod_anti_affinity *against = a ? a->pod_anti_affinity : NULL;

    if (a && a->node_affinity)
        check_node_affinity(errs, AT(at, "nodeAffinity"), a->node_affinity);
    if (with)
        check_pod_terms(errs, AT(at, "podAffinity"),
                        with->required_during_scheduling_ignored_during_execution.v,
                        with->required_during_scheduling_ignored_during_execution.n,
                        with->preferred_during_scheduling_ignored_during_execution.v,
                        with->preferred_during_scheduling_ignored_during_execution.n);
    if (against)
        check_pod_terms(errs, AT(at, "podAntiAffinity"),
                        against->required_during_scheduling_ignored_during_execution.v,
                        against->required_during_scheduling_ignored_during_execution.n,
                        against->preferred_during_scheduling_ignored_during_execution.v,
                        against->preferred_during_scheduling_ignored_during_execution.n);
}

/* ---- tolerations, spreading ---- */

void check_tolerations(struct field_errors *errs, const struct path *at,
                       const struct core_toleration *v, size_t n)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};

    for (size_t i = 0; i < n; i++) {
        const struct core_toleration *t = &v[i];
        const struct path *p = AT_INDEX(at, i);

        check_if_set(errs, AT(p, "key"), t->key, format_qualified_name);
        if (str_empty(t->key) && !str_eqz(t->operator, "Exists"))
            check_why(errs, AT(p, "operator"), t->operator,
                      "operator must be Exists when `key` is empty, which means \"match all "
                      "values and all keys\"");
        if (t->toleration_seconds && !str_eqz(t->effect, "NoExecute"))
            check_why(errs, AT(p, "effect"), t->effect,
                      "effect must be 'NoExecute' when `tolerationSeconds` is set");
        if (str_empty(t->operator) || str_eqz(t->operator, "Equal"))
            check_why(errs, AT(p, "operator"), t->value, format_label_value(t->value));
        else if (!str_eqz(t->operator, "Exists"))
            err_not_supported(errs, AT(p, "operator"), t->operator, operators);
        else if (t->value.len)
            check_why(errs, AT(p, "operator"), t->value,
                      "value must be empty when `operator` is 'Exists'");
        if (t->effect.len)
            check_one_of(errs, AT(p, "effect"), t->effect, effects);
    }
}

static void check_positive(struct field_errors *errs, const struct path *p, int32_t v)
{
    if (v <= 0)
        err_invalid(errs, p, doc_int(v), "must be greater than zero");
}

void check_spread(struct field_errors *errs, const struct path *at,
                  const struct core_pod_spec *spec)
{
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    static const char *const policies[] = {"Honor", "Ignore", NULL};
    auto_map seen = {0};

    for (size_t i = 0; i < spec->topology_spread_constraints.n; i++) {
        const struct core_topology_spread_constraint *t = &spec->topology_spread_constraints.v[i];
        const struct path *p = AT_INDEX(at, i);

        check_positive(errs, AT(p, "maxSkew"), t->max_skew);
        if (str_empty(t->topology_key))
            err_required(errs, AT(p, "topologyKey"), "can not be empty");
        else
            check_why(errs, AT(p, "topologyKey"), t->topology_key,
                      format_qualified_name(t->topology_key));
        check_one_of(errs, AT(p, "whenUnsatisfiable"), t->when_unsatisfiable, actions);
        check_unique(errs, &seen, AT(p, "{topologyKey, whenUnsatisfiable}"),
                     str_printf(errs->arena, "{%.*s, %.*s}", STR_ARG(t->topology_key),
                                STR_ARG(t->when_unsatisfiable)));
        if (t->min_domains) {
            check_positive(errs, AT(p, "minDomains"), *t->min_domains);
            if (!str_eqz(t->when_unsatisfiable, "DoNotSchedule"))
                err_invalid(errs, AT(p, "minDomains"), doc_int(*t->min_domains),
                            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not %.*s",
                            STR_ARG(t->when_unsatisfiable));
        }
        if (t->node_affinity_policy)
            check_one_of(errs, AT(p, "nodeAffinityPolicy"), *t->node_affinity_policy, policies);
        if (t->node_taints_policy)
            check_one_of(errs, AT(p, "nodeTaintsPolicy"), *t->node_taints_policy, policies);
        check_label_keys(errs, AT(p, "matchLabelKeys"), &t->match_label_keys, t->label_selector);
        check_selector(errs, AT(p, "labelSelector"), t->label_selector);
    }
}
