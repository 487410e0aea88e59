/* workqueue.h - keyed work queue: dedup, per-key backoff, one worker per key.
 *
 * A key is in at most one of: waiting (backoff), ready, active. Adding an active key marks it
 * dirty, and workqueue_done() makes a dirty key ready again, so an event that arrives during a
 * reconcile is never lost.
 *
 * Layer: client. Threads: loop thread. Never blocks. Not here: what to retry.
 */
#pragma once
#include "base/loop.h"
#include "base/str.h"

struct workqueue;
struct workqueue_opts {
    uint32_t backoff_min_ms; /* first retry; doubles up to backoff_max_ms. 0: 5 */
    uint32_t backoff_max_ms; /* 0: 1000000 */
    /* Called from the loop while keys are ready: take, work, done. */
    void (*on_ready)(void *arg);
    void *arg;
};
struct workqueue *workqueue_new(struct loop *l,
                                const struct workqueue_opts *opts); /** An empty queue. */
struct workqueue *workqueue_free(struct workqueue *wq); /** NULL is a no-op. Returns NULL. */
/** Queues @key (copied) to run @delay_ms from now or later; an earlier due time wins. */
void workqueue_add(struct workqueue *wq, struct str key, uint64_t delay_ms);
/** Takes the next ready key (valid until done), or STR_NULL. */
struct str workqueue_take(struct workqueue *wq);
/** Ends the work on @key; with @ok false it returns after its backoff, with true the backoff
 * resets. */
void workqueue_done(struct workqueue *wq, struct str key, bool ok);
/** Puts @key, which was taken but could not be worked on yet, back for @delay_ms or until it is
 * added; its failures still count. */
void workqueue_defer(struct workqueue *wq, struct str key, uint64_t delay_ms);
/** How often @key failed in a row. */
unsigned workqueue_failures(const struct workqueue *wq, struct str key);
size_t workqueue_len(const struct workqueue *wq); /** Ready and waiting keys. */
