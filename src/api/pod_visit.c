/* SPDX-License-Identifier: Apache-2.0 */
/* pod_visit.c - one way through all containers of a pod. Layer: api. */
#include "api/pod_visit.h"

const char *const pod_container_lists[] = {"containers", "initContainers", "ephemeralContainers"};

/* What lets an ephemeral container be read as a container. */
_Static_assert(offsetof(struct core_container, name) ==
                   offsetof(struct core_ephemeral_container, name),
               "containers begin alike");
_Static_assert(offsetof(struct core_container, volume_mounts) ==
                   offsetof(struct core_ephemeral_container, volume_mounts),
               "containers are alike in the middle");
_Static_assert(offsetof(struct core_container, tty) ==
                   offsetof(struct core_ephemeral_container, tty),
               "containers end alike");

bool pod_container_next(const struct core_pod_spec *spec, size_t *it, struct pod_container *ret_c)
{
    size_t i = (*it)++;

    *ret_c = (struct pod_container){.index = i};
    if (i < spec->init_containers.n) {
        ret_c->list = POD_INIT_CONTAINERS;
        ret_c->container = &spec->init_containers.v[i];
        return true;
    }
    i -= spec->init_containers.n;
    ret_c->index = i;
    if (i < spec->containers.n) {
        ret_c->list = POD_CONTAINERS;
        ret_c->container = &spec->containers.v[i];
        return true;
    }
    i -= spec->containers.n;
    ret_c->index = i;
    if (i >= spec->ephemeral_containers.n)
        return false;
    ret_c->list = POD_EPHEMERAL_CONTAINERS;
    ret_c->ephemeral = &spec->ephemeral_containers.v[i];
    ret_c->container = (const struct core_container *)(const void *)ret_c->ephemeral;
    return true;
}
