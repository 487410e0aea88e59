/* cycle.h - chooses a node for one pod: filters, scores, selects. Pure but for the random tie
 * break. Layer: scheduler. Threads: its loop. */
#pragma once
#include "base/random.h"
#include "scheduler/cluster.h"

struct cycle_result {
    const struct node_info *node; /* NULL: none fits */
    struct str message;           /* why not, upstream's text; in the arena given */
    unsigned retry_on;            /* cluster_change bits that may help */
};
/** Finds the best node of @c for @pod. @start: where to begin looking, moved on for the next cycle.
 */
void cycle_run(const struct cluster *c, const struct pod_info *pod, struct random *random,
               size_t *start, struct arena *a, struct cycle_result *ret_r);
/** How many feasible nodes are enough of @n nodes: all below 100, then a falling share, at least
 * 100. */
size_t cycle_enough(size_t n);
