/* SPDX-License-Identifier: Apache-2.0 */
/* node_agent.h - what the files that stand for the node share.
 * Layer: kubelet. Threads: its loop. */
#pragma once
#include "codec/timefmt.h"
#include "kubelet/node_host.h"
#include "kubelet/pod_config.h"

enum node_condition { NODE_MEMORY_PRESSURE, NODE_DISK_PRESSURE, NODE_PID_PRESSURE, NODE_READY,
                      NODE_CONDITION__N };
struct node_condition_state {
    bool known, value;
    struct time_value changed;
    int64_t pressed_ns; /* when the pressure was last seen */
};
struct node_image {
    struct str *names;
    size_t n_names;
    int64_t bytes;
};
struct node_agent {
    struct kubelet *kl; /* a reference */
    bool stopped;       /* freed when nothing is under way */
    unsigned busy;
    struct timer status_timer, lease_timer;
    struct arena host_arena;
    struct node_host host; /* {0} until first read */
    bool registered;
    struct str node_uid;   /* on the heap */
    struct node_condition_state conditions[NODE_CONDITION__N];
    const char *not_ready; /* what is missing, in the round's arena */
    struct round *round;   /* under way */
    char *last_status;     /* as last written, but for the times */
    int64_t last_write_ns;
    bool images_asked;
    int64_t images_ns; /* when they were listed */
    struct arena images_arena;
    struct node_image *images;
    size_t n_images;
};
/** Something under way has ended: frees the agent if it was stopped meanwhile (true then). */
bool node_agent_done(struct node_agent *na);
/** Starts to keep the node's Lease. */
void node_lease_start(struct node_agent *na);
/** The node's status but for the times, in @a. */
void node_status_make(const struct node_agent *na, struct arena *a, struct core_node_status *ret_s);
/** Decides the conditions from what is known. @ready_text NULL: ready, else why not. */
void node_conditions_update(struct node_agent *na, const char *ready_text, int64_t now_ns);
