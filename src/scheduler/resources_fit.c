/* SPDX-License-Identifier: Apache-2.0 */
/* resources_fit.c - requests must fit into what is left of a node; emptier nodes are better. */
#include "scheduler/framework.h"

static int64_t find_amount(const struct amount *v, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(v[i].name, name))
            return v[i].value;
    }
    return 0;
}

static void check(struct filter_result *r, int64_t want, int64_t allocatable, int64_t used,
                  const char *reason)
{
    if (want > 0 && want > allocatable - used)
        filter_reject(r, want > allocatable ? FILTER_UNRESOLVABLE : FILTER_UNSCHEDULABLE, reason);
}

static void filter(const struct pod_info *pod, const struct node_info *n, struct filter_result *r)
{
    const struct resources *want = &pod->request, *have = &n->allocatable, *used = &n->requested;

    if ((int64_t)n->pods.n + 1 > have->pods)
        filter_reject(r, FILTER_UNSCHEDULABLE, "Too many pods");
    check(r, want->milli_cpu, have->milli_cpu, used->milli_cpu, "Insufficient cpu");
    check(r, want->memory, have->memory, used->memory, "Insufficient memory");
    check(r, want->ephemeral_storage, have->ephemeral_storage, used->ephemeral_storage,
          "Insufficient ephemeral-storage");
    for (size_t i = 0; i < want->n_others; i++) {
        const struct amount *a = &want->others[i];
        int64_t allocatable = find_amount(have->others, have->n_others, a->name);
        int64_t taken = find_amount(n->requested_others.v, n->requested_others.n, a->name);

        if (a->value > allocatable - taken)
            check(r, a->value, allocatable, taken,
                  arena_printf(r->arena, "Insufficient %.*s", STR_ARG(a->name)));
    }
}

/* LeastAllocated: the mean of the free shares of cpu and memory, counting this pod. */
static int64_t score(const struct pod_info *pod, const struct node_info *n, size_t n_nodes)
{
    const int64_t allocatable[] = {n->allocatable.milli_cpu, n->allocatable.memory};
    const int64_t asked[] = {n->scoring_milli_cpu + pod->scoring_milli_cpu,
                             n->scoring_memory + pod->scoring_memory};
    int64_t sum = 0, parts = 0;

    (void)n_nodes;
    for (size_t i = 0; i < ARRAY_LEN(allocatable); i++) {
        if (allocatable[i] == 0)
            continue;
        parts++;
        if (asked[i] <= allocatable[i])
            sum += (allocatable[i] - asked[i]) * SCORE_MAX / allocatable[i];
    }
    return parts > 0 ? sum / parts : 0;
}

const struct plugin plugin_resources_fit = {
    .name = "NodeResourcesFit",
    .filter = filter,
    .score = score,
    .weight = 1,
    .retry_on = CHANGE_NODE_ADDED | CHANGE_NODE_ALLOCATABLE | CHANGE_POD_GONE | CHANGE_POD_SELF,
};
