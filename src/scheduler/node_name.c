/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/framework.h"

static void filter(const struct pod_info *pod, const struct node_info *n, struct filter_result *r)
{
    if (pod->pod->spec.node_name.len > 0 && !str_eq(pod->pod->spec.node_name, n->object->name))
        filter_reject(r, FILTER_UNRESOLVABLE, "node(s) didn't match the requested node name");
}

const struct plugin plugin_node_name = {
    .name = "NodeName", .filter = filter, .retry_on = CHANGE_NODE_ADDED};
