/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/framework.h"

static const struct core_node_affinity *affinity_of(const struct pod_info *pod)
{
    return pod->pod->spec.affinity ? pod->pod->spec.affinity->node_affinity : NULL;
}

static bool selector_matches(const struct core_node_selector *s, const struct core_node *n)
{
    for (size_t i = 0; i < s->node_selector_terms.n; i++) {
        if (node_term_matches(&s->node_selector_terms.v[i], n))
            return true;
    }
    return false;
}

static bool matches(const struct pod_info *pod, const struct core_node *n)
{
    const struct string_map *m = &pod->pod->spec.node_selector;
    const struct core_node_affinity *a = affinity_of(pod);

    for (size_t i = 0; i < m->n; i++) {
        struct str value = string_map_get(&n->metadata.labels, m->v[i].key);

        if (!value.p || !str_eq(value, m->v[i].value))
            return false;
    }
    return !a || !a->required_during_scheduling_ignored_during_execution ||
           selector_matches(a->required_during_scheduling_ignored_during_execution, n);
}

static void filter(const struct pod_info *pod, const struct node_info *n, struct filter_result *r)
{
    if (!matches(pod, n->node))
        filter_reject(r, FILTER_UNRESOLVABLE, "node(s) didn't match Pod's node affinity/selector");
}

static int64_t score(const struct pod_info *pod, const struct node_info *n, size_t n_nodes)
{
    const struct core_node_affinity *a = affinity_of(pod);
    int64_t sum = 0;

    (void)n_nodes;
    for (size_t i = 0; a && i < a->preferred_during_scheduling_ignored_during_execution.n; i++) {
        const struct core_preferred_scheduling_term *t =
            &a->preferred_during_scheduling_ignored_during_execution.v[i];

        if (t->weight != 0 && node_term_matches(&t->preference, n->node))
            sum += t->weight;
    }
    return sum;
}

static void normalize(int64_t *scores, size_t n)
{
    normalize_by_max(scores, n, false);
}

const struct plugin plugin_node_affinity = {
    .name = "NodeAffinity",
    .filter = filter,
    .score = score,
    .normalize = normalize,
    .weight = 2,
    .retry_on = CHANGE_NODE_ADDED | CHANGE_NODE_LABELS,
};
