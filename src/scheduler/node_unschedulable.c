/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/framework.h"

static void filter(const struct pod_info *pod, const struct node_info *n, struct filter_result *r)
{
    static const struct core_taint taint = {.key = STR_INIT("node.kubernetes.io/unschedulable"),
                                            .effect = STR_INIT("NoSchedule")};

    if (n->node->spec.unschedulable && !pod_tolerates(pod->pod, &taint))
        filter_reject(r, FILTER_UNRESOLVABLE, "node(s) were unschedulable");
}

const struct plugin plugin_node_unschedulable = {
    .name = "NodeUnschedulable",
    .filter = filter,
    .retry_on = CHANGE_NODE_ADDED | CHANGE_NODE_TAINTS,
};
