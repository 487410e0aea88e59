/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - all controllers: one line each. */
#include "controller/controller.h"

extern const struct controller deployment_controller, endpoints_controller,
    endpointslice_controller, gc_controller, namespace_controller, node_lifecycle_controller,
    pod_gc_controller, replicaset_controller, serviceaccount_controller, rootca_controller,
    taint_eviction_controller;

const struct controller *const controllers_table[] = {
    &serviceaccount_controller,
    &rootca_controller,
    &namespace_controller,
    &replicaset_controller,
    &deployment_controller,
    &endpointslice_controller,
    &endpoints_controller,
    &node_lifecycle_controller,
    &taint_eviction_controller,
    &pod_gc_controller,
    &gc_controller,
    NULL,
};
