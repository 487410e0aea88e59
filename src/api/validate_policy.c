/* SPDX-License-Identifier: Apache-2.0 */
/* validate_policy.c - how PodDisruptionBudgets are checked. Layer: api. */
#include "api/validate_other.h"
#include "schema/typed.h"

enum { ALL_PERCENT = 100 };

static void check_share(struct field_errors *errs, const struct path *p,
                        const struct int_or_string *v)
{
    if (v->kind == INT_OR_STRING_ABSENT)
        return;
    check_amount(errs, p, v);
    if (amount_percent(v) > ALL_PERCENT)
        err_invalid(errs, p, amount_doc(v), "must not be greater than 100%%");
}

/* The spec in the form in which errors show it. */
static struct doc budget_doc(const struct policy_pod_disruption_budget_spec *s, struct arena *a)
{
    struct doc d = doc_object();

    doc_add(a, &d, STR("MinAvailable"), amount_doc(&s->min_available));
    doc_add(a, &d, STR("Selector"),
            s->selector ? typed_to_doc(&type_meta_label_selector, s->selector, a) : doc_null());
    doc_add(a, &d, STR("MaxUnavailable"), amount_doc(&s->max_unavailable));
    doc_add(a, &d, STR("UnhealthyPodEvictionPolicy"),
            s->unhealthy_pod_eviction_policy ? doc_string(*s->unhealthy_pod_eviction_policy)
                                             : doc_null());
    return d;
}

static void validate_budget(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget", NULL};
    const struct policy_pod_disruption_budget_spec *s =
        &((const struct policy_pod_disruption_budget *)obj)->spec;
    const struct path *p = AT(NULL, "spec");

    (void)old;
    if (s->min_available.kind != INT_OR_STRING_ABSENT &&
        s->max_unavailable.kind != INT_OR_STRING_ABSENT)
        err_invalid(errs, p, budget_doc(s, errs->arena),
                    "minAvailable and maxUnavailable cannot be both set");
    check_share(errs, AT(p, "minAvailable"), &s->min_available);
    check_share(errs, AT(p, "maxUnavailable"), &s->max_unavailable);
    check_selector(errs, AT(p, "selector"), s->selector);
    if (s->unhealthy_pod_eviction_policy)
        check_one_of(errs, AT(p, "unhealthyPodEvictionPolicy"), *s->unhealthy_pod_eviction_policy,
                     policies);
}

static void validate_budget_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct policy_pod_disruption_budget_status *s =
        &((const struct policy_pod_disruption_budget *)obj)->status;
    const struct path *p = AT(NULL, "status");

    (void)old;
    check_conditions(errs, AT(p, "conditions"), s->conditions.v, s->conditions.n);
    check_nonneg(errs, AT(p, "podDisruptionsAllowed"), s->disruptions_allowed);
    check_nonneg(errs, AT(p, "currentHealthy"), s->current_healthy);
    check_nonneg(errs, AT(p, "desiredHealthy"), s->desired_healthy);
    check_nonneg(errs, AT(p, "expectedPods"), s->expected_pods);
}

const struct strategy strategy_poddisruptionbudgets = {
    .validate = validate_budget,
    .validate_status = validate_budget_status,
};
