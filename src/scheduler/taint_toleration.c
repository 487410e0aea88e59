/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/framework.h"

static void filter(const struct pod_info *pod, const struct node_info *n, struct filter_result *r)
{
    for (size_t i = 0; i < n->node->spec.taints.n; i++) {
        const struct core_taint *t = &n->node->spec.taints.v[i];

        if (!str_eq(t->effect, STR("NoSchedule")) && !str_eq(t->effect, STR("NoExecute")))
            continue;
        if (pod_tolerates(pod->pod, t))
            continue;
        filter_reject(r, FILTER_UNRESOLVABLE, "node(s) had untolerated taint(s)");
        return;
    }
}

/* How many PreferNoSchedule taints the pod would have to put up with. */
static int64_t score(const struct pod_info *pod, const struct node_info *n, size_t n_nodes)
{
    int64_t intolerable = 0;

    (void)n_nodes;
    for (size_t i = 0; i < n->node->spec.taints.n; i++) {
        const struct core_taint *t = &n->node->spec.taints.v[i];
        bool tolerated = false;

        if (!str_eq(t->effect, STR("PreferNoSchedule")))
            continue;
        for (size_t k = 0; k < pod->pod->spec.tolerations.n && !tolerated; k++)
            tolerated = tolerates(&pod->pod->spec.tolerations.v[k], t);
        intolerable += !tolerated;
    }
    return intolerable;
}

static void normalize(int64_t *scores, size_t n)
{
    normalize_by_max(scores, n, true);
}

const struct plugin plugin_taint_toleration = {
    .name = "TaintToleration",
    .filter = filter,
    .score = score,
    .normalize = normalize,
    .weight = 3,
    .retry_on = CHANGE_NODE_ADDED | CHANGE_NODE_TAINTS | CHANGE_POD_SELF,
};
