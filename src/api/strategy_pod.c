/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_pod.c - how pods and pod templates are made and changed. Layer: api. */
#include "api/pod_spec.h"
#include "api/validate.h"
#include "schema/typed.h"

/* ---- matchLabelKeys: the values of the pod's own labels, written into the selectors ---- */

static bool has_requirement(const struct meta_label_selector *s, struct str key, const char *op,
                            struct str value)
{
    for (size_t i = 0; i < s->match_expressions.n; i++) {
        const struct meta_label_selector_requirement *r = &s->match_expressions.v[i];

        if (str_eq(r->key, key) && str_eqz(r->operator, op) && r->values.n == 1 &&
            str_eq(r->values.v[0], value))
            return true;
    }
    return false;
}

static void add_requirement(struct meta_label_selector *s, struct str key, const char *op,
                            struct str value, struct arena *a)
{
    struct meta_label_selector_requirement *r;
    size_t n = s->match_expressions.n;

    s->match_expressions.v = arena_grow(a, s->match_expressions.v, n, n + 1, sizeof(*r));
    r = &s->match_expressions.v[n];
    *r = (struct meta_label_selector_requirement){.key = key, .operator= str_from(op)};
    r->values.v = arena_box(a, value);
    r->values.n = 1;
    s->match_expressions.n = n + 1;
}

static void add_label_keys(struct meta_label_selector *s, const struct str *keys, size_t n_keys,
                           const char *op, const struct string_map *labels, struct arena *a)
{
    for (size_t i = 0; s && i < n_keys; i++) {
        struct str value = string_map_get(labels, keys[i]);

        /* The write may be tried again with the same object: once is enough. */
        if (value.p && !has_requirement(s, keys[i], op, value))
            add_requirement(s, keys[i], op, value, a);
    }
}

static void add_term_keys(struct core_pod_affinity_term *t, const struct string_map *labels,
                          struct arena *a)
{
    add_label_keys(t->label_selector, t->match_label_keys.v, t->match_label_keys.n, "In", labels,
                   a);
    add_label_keys(t->label_selector, t->mismatch_label_keys.v, t->mismatch_label_keys.n, "NotIn",
                   labels, a);
}

static void add_affinity_keys(struct core_affinity *aff, const struct string_map *labels,
                              struct arena *a)
{
    struct core_pod_affinity *with = aff->pod_affinity;
    struct core_pod_anti_affinity *against = aff->pod_anti_affinity;

    for (size_t i = 0; with && i < with->required_during_scheduling_ignored_during_execution.n; i++)
        add_term_keys(&with->required_during_scheduling_ignored_during_execution.v[i], labels, a);
    for (size_t i = 0; with && i < with->preferred_during_scheduling_ignored_during_execution.n;
         i++)
        add_term_keys(
            &with->preferred_during_scheduling_ignored_during_execution.v[i].pod_affinity_term,
            labels, a);
    for (size_t i = 0;
         against && i < against->required_during_scheduling_ignored_during_execution.n; i++)
        add_term_keys(&against->required_during_scheduling_ignored_during_execution.v[i], labels,
                      a);
    for (size_t i = 0;
         against && i < against->preferred_during_scheduling_ignored_during_execution.n; i++)
        add_term_keys(
            &against->preferred_during_scheduling_ignored_during_execution.v[i].pod_affinity_term,
            labels, a);
}

/* ---- pods ---- */

static void prepare_create(void *obj, struct arena *a)
{
    struct core_pod *pod = obj;
    struct core_pod_condition *c;

    pod->metadata.generation = 1;
    pod->status =
        (struct core_pod_status){.phase = STR("Pending"), .qos_class = pod_qos_class(&pod->spec)};
    if (pod->spec.scheduling_gates.n) {
        c = arena_new(a, struct core_pod_condition);
        c->type = STR("PodScheduled");
        c->status = STR("False");
        c->reason = STR("SchedulingGated");
        c->message = STR("Scheduling is blocked due to non-empty scheduling gates");
        pod->status.conditions.v = c;
        pod->status.conditions.n = 1;
    }
    if (pod->spec.affinity)
        add_affinity_keys(pod->spec.affinity, &pod->metadata.labels, a);
    for (size_t i = 0; i < pod->spec.topology_spread_constraints.n; i++) {
        struct core_topology_spread_constraint *t = &pod->spec.topology_spread_constraints.v[i];

        add_label_keys(t->label_selector, t->match_label_keys.v, t->match_label_keys.n, "In",
                       &pod->metadata.labels, a);
    }
}

static void prepare_status(void *obj, const void *old, struct arena *a)
{
    struct core_pod *pod = obj;
    const struct core_pod *was = old;

    (void)a;
    if (str_empty(pod->status.qos_class))
        pod->status.qos_class = was->status.qos_class;
}

const struct strategy strategy_pods = {
    .prepare_create = prepare_create,
    .prepare_status = prepare_status,
    .validate = validate_pod,
    .validate_status = validate_pod_status,
};
const struct strategy strategy_podtemplates = {.validate = validate_podtemplate};
