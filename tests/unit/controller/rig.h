/* rig.h - controllers at work against the fake API, under virtual time. */
#pragma once
#include "controller/driver.h"
#include "fake_api.h"
#include "test.h"

enum { RIG_CONTROLLERS_MAX = 8 };
struct rig {
    struct sim *sim;
    struct loop *loop;
    struct fake *api;
    struct client *watcher;
    struct informers *informers;
    struct controllers_opts opts;
    struct client *clients[RIG_CONTROLLERS_MAX];
    struct driver *drivers[RIG_CONTROLLERS_MAX];
    size_t n;
};
/** An empty API on a sim of @seed. */
void rig_init(struct rig *r, uint64_t seed);
/** Starts the driver of @c. */
void rig_add(struct rig *r, const struct controller *c);
void rig_run(struct rig *r, uint64_t ms); /** Lets virtual time pass. */
void rig_deinit(struct rig *r);           /** Stops and frees all. */

/** Puts an object made by printf. */
void rig_put(struct rig *r, const struct resource *res, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Sets the status of pod default/@name: phase and whether it is ready. */
void rig_pod_status(struct rig *r, const char *name, const char *phase, bool ready);
/** Makes all pods Running and ready, as kubelets would, and deletes those that wait for them. */
void rig_play_kubelet(struct rig *r);

extern const struct controller deployment_controller, endpoints_controller,
    endpointslice_controller, gc_controller, namespace_controller, node_lifecycle_controller,
    pod_gc_controller, replicaset_controller, serviceaccount_controller, rootca_controller,
    taint_eviction_controller;
