/* SPDX-License-Identifier: Apache-2.0 */
/* actions.h - what probes and hooks do: a command in the container, a request, a connection.
 *
 * Layer: kubelet. Threads: its loop. Every action ends by itself within its timeout. */
#pragma once
#include "kubelet/kubelet_internal.h"

enum action_verdict {
    ACTION_SUCCESS,
    ACTION_WARNING, /* success, with something to say */
    ACTION_FAILURE,
    ACTION_ERROR, /* it could not be carried out */
};
/* @output is borrowed. */
typedef void (*action_done)(void *arg, enum action_verdict verdict, struct str output);
struct action;
struct action_target { /* of a container; views */
    struct kcontainer *kc;
    uint32_t timeout_ms; /* 0: none */
    bool probe;          /* a probe's headers; else a hook's */
};
/** Runs @command in the container. @done follows, exactly once, unless action_cancel() came. */
struct action *action_exec(const struct action_target *t, const struct string_list *command,
                           action_done done, void *arg);
/** Asks for a page; statuses 200 to 399 are success. Redirects to the same host are followed. */
struct action *action_http(const struct action_target *t, const struct core_http_get_action *get,
                           action_done done, void *arg);
/** Connects. */
struct action *action_tcp(const struct action_target *t, const struct core_tcp_socket_action *tcp,
                          action_done done, void *arg);
/** Asks gRPC's health service. */
struct action *action_grpc(const struct action_target *t, const struct core_grpc_action *g,
                           action_done done, void *arg);
/** Lets go of an action: @done is not called any more. NULL is a no-op; returns NULL. */
struct action *action_cancel(struct action *a);
/** The number of @port, which may be the name of one of @c's ports. ERR_INVALID. */
MUST_USE int action_port(const struct core_container *c, const struct int_or_string *port,
                         uint16_t *ret_port, struct err *err);
