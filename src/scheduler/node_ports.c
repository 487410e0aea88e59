/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/framework.h"

static bool any_address(struct str ip)
{
    return ip.len == 0 || str_eq(ip, STR("0.0.0.0")) || str_eq(ip, STR("::"));
}

static bool conflict(const struct host_port *a, const struct host_port *b)
{
    return a->port == b->port && str_eq(a->protocol, b->protocol) &&
           (any_address(a->ip) || any_address(b->ip) || str_eq(a->ip, b->ip));
}

static bool taken(const struct host_port *want, const struct node_info *n)
{
    for (size_t i = 0; i < n->pods.n; i++) {
        const struct pod_info *p = n->pods.v[i];

        for (size_t k = 0; k < p->n_ports; k++) {
            if (conflict(want, &p->ports[k]))
                return true;
        }
    }
    return false;
}

static void filter(const struct pod_info *pod, const struct node_info *n, struct filter_result *r)
{
    for (size_t i = 0; i < pod->n_ports; i++) {
        if (!taken(&pod->ports[i], n))
            continue;
        filter_reject(r, FILTER_UNSCHEDULABLE,
                      "node(s) didn't have free ports for the requested pod ports");
        return;
    }
}

const struct plugin plugin_node_ports = {
    .name = "NodePorts",
    .filter = filter,
    .retry_on = CHANGE_NODE_ADDED | CHANGE_POD_GONE,
};
