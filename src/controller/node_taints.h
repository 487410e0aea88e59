/* node_taints.h - what a node's conditions say, and the taints that follow from them. Pure.
 * Layer: controller. Threads: any. */
#pragma once
#include "controller/controller.h"

/** "True", "False", "Unknown", or STR_NULL without a condition Ready. */
struct str node_ready_status(const struct core_node *node);
/** The NoExecute taint of @node that not being ready gave it, or NULL. */
const struct core_taint *node_own_no_execute(const struct core_node *node);
/** A copy of @node, in @a, whose taints agree with its conditions; with @evict, one that is not
 * ready has the NoExecute taint too. Taints of others stay; NoExecute ones without timeAdded get
 * @now. */
struct core_node *node_with_taints(const struct core_node *node, bool evict, struct time_value now,
                                   struct arena *a);
/** True if @tolerations hold one that tolerates @t; @ret_min_sec (may be NULL): the least
 *  tolerationSeconds of those that do, INT64_MAX if none has any. */
bool taint_tolerated(const struct core_taint *t, const struct core_pod *pod, int64_t *ret_min_sec);
