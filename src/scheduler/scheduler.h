/* scheduler.h - assigns pods to nodes. Layer: scheduler. Threads: its loop. */
#pragma once
#include "client/client.h"

struct scheduler;
/** Starts on the loop of @c (borrowed; user system:kube-scheduler). */
struct scheduler *scheduler_new(struct client *c);
struct scheduler *scheduler_free(struct scheduler *s); /** NULL is a no-op; returns NULL. */
