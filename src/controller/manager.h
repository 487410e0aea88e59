/* manager.h - runs the controllers: each with its own identity, all on one loop.
 * Layer: controller. Threads: its loop. */
#pragma once
#include "client/client.h"

struct controllers;
struct controllers_opts {
    struct loop *loop;
    /* Makes a client on @loop as @user of @groups (NULL-terminated, static); controllers_free()
     * frees it. */
    struct client *(*client_for)(void *arg, struct loop *loop, const char *user,
                                 const char *const *groups);
    void *arg;
    struct str ca_pem;              /* published as ConfigMap kube-root-ca.crt */
    uint32_t node_monitor_grace_ms; /* 0: 50000, after this without a heartbeat a node is Unknown */
    bool leader_elect;    /* wait for the Lease kube-system/kube-controller-manager first */
    const char *identity; /* of the Lease */
};
struct controllers *
controllers_new(const struct controllers_opts *opts); /** Starts all controllers. */
struct controllers *
controllers_free(struct controllers *c); /** Stops all. NULL is a no-op; returns NULL. */
