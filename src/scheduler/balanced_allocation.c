/* SPDX-License-Identifier: Apache-2.0 */
/* balanced_allocation.c - prefers nodes on which cpu and memory are used in like shares. */
#include "scheduler/framework.h"

static double share(int64_t used, int64_t allocatable)
{
    double f;

    if (allocatable == 0)
        return 0;
    f = (double)used / (double)allocatable;
    return f > 1 ? 1 : f;
}

/* 100 when both shares are equal; for two values the standard deviation is half their distance. */
static int64_t balance(double a, double b)
{
    double deviation = (a > b ? a - b : b - a) / 2;

    return (int64_t)((1 - deviation) * SCORE_MAX);
}

static int64_t score(const struct pod_info *pod, const struct node_info *n, size_t n_nodes)
{
    const struct resources *have = &n->allocatable, *used = &n->requested;
    int64_t with, without;

    (void)n_nodes;
    if (pod->best_effort)
        return 0;
    with = balance(share(used->milli_cpu + pod->request.milli_cpu, have->milli_cpu),
                   share(used->memory + pod->request.memory, have->memory));
    without = balance(share(used->milli_cpu, have->milli_cpu), share(used->memory, have->memory));
    return SCORE_MAX / 2 + (SCORE_MAX / 2 + with - without) / 2;
}

const struct plugin plugin_balanced_allocation = {
    .name = "NodeResourcesBalancedAllocation", .score = score, .weight = 1};
