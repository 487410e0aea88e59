/* queue.h - pods that wait for a node: ready ones by priority, those in back-off, those that fit
 * nowhere now.
 *
 * A pod that was rejected comes back when a change of a kind that a rejecting plugin named happens,
 * or after five minutes anyway; then its back-off must have passed. Layer: scheduler. Threads: its
 * loop. */
#pragma once
#include "base/loop.h"
#include "scheduler/framework.h"

struct pod_queue;
/** @on_ready runs from the loop when pods are ready. */
struct pod_queue *pod_queue_new(struct loop *l, void (*on_ready)(void *arg), void *arg);
struct pod_queue *pod_queue_free(struct pod_queue *q); /** NULL is a no-op; returns NULL. */
/** Adds @o, or renews what is known of it; a pod that waits for changes is tried again. */
void pod_queue_put(struct pod_queue *q, struct object *o);
/** Renews what is known of a pod whose status alone changed: no reason to try it again. */
void pod_queue_refresh(struct pod_queue *q, struct object *o);
void pod_queue_remove(struct pod_queue *q, struct str uid); /** Forgets a pod; absent is fine. */
/** Takes the first ready pod (a reference to its object), or NULL. It stays known until put back,
 * or done. */
struct object *pod_queue_take(struct pod_queue *q);
/** The pod was rejected: it waits for @changes (cluster_change bits); 0: only for its back-off (an
 * error). */
void pod_queue_rejected(struct pod_queue *q, struct object *o, unsigned changes);
/** The pod has a node. */
void pod_queue_done(struct pod_queue *q, struct str uid);
/** The cluster changed: pods that wait for one of @changes are tried again. */
void pod_queue_changed(struct pod_queue *q, unsigned changes);
