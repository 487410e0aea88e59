/* pod_visit.h - one way through all containers of a pod, so that no check forgets a list.
 * Layer: api. Threads: any. */
#pragma once
#include "api/types.h"

enum pod_container_list { POD_CONTAINERS, POD_INIT_CONTAINERS, POD_EPHEMERAL_CONTAINERS };
struct pod_container {
    const struct core_container *container; /* ephemeral ones begin with the same members */
    const struct core_ephemeral_container *ephemeral; /* or NULL */
    enum pod_container_list list;
    size_t index; /* in its list */
};
extern const char *const pod_container_lists[]; /* "containers", ... by enum */

/** Steps through init, main and ephemeral containers of @spec: start with *@it = 0; false at the
 *  end. What is found lives as long as @spec. */
bool pod_container_next(const struct core_pod_spec *spec, size_t *it, struct pod_container *ret_c);
