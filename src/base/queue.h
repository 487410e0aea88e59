/* queue.h - bounded queues between threads, and a lock for the few places that need one.
 *
 * Locks live here and nowhere else: components exchange messages and immutable objects.
 * Layer: base. Threads: any.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct queue; /* opaque: many producers, one consumer, FIFO of pointers */
/** A queue of at most @items_max pointers. The caller frees it. */
struct queue *queue_new(size_t items_max);
/** Frees the queue, not what is in it; NULL is a no-op. Returns NULL. */
struct queue *queue_free(struct queue *q);
/** Appends @item (not NULL); false when full or closed. Never blocks. */
MUST_USE bool queue_push(struct queue *q, void *item);
/** Takes the oldest; waits up to @timeout_ms (-1: for ever, 0: not at all); NULL on timeout, or
 *  when closed and empty. */
void *queue_pop(struct queue *q, int64_t timeout_ms);
/** Takes up to @n items without waiting; returns how many. */
size_t queue_pop_many(struct queue *q, void **ret_items, size_t n);
/** Refuses further pushes and wakes the consumer. */
void queue_close(struct queue *q);

/* A pointer cell that one thread publishes and others read: the reader gets its own
 * reference. The critical section is only the count. */
struct cell;
struct cell *cell_new(void (*ref)(void *), void (*unref)(void *)); /** An empty cell. */
struct cell *cell_free(struct cell *c); /** Drops its reference; NULL is a no-op; returns NULL. */
/** Publishes @value (NULL allowed); takes over the caller's reference. */
void cell_set(struct cell *c, void *value);
/** A new reference to the published value, or NULL. */
void *cell_get(struct cell *c);

struct mutex; /* opaque; for base/, and for structures that document why they need it */
struct mutex *mutex_new(void);                /** An unlocked mutex. The caller frees it. */
struct mutex *mutex_free(struct mutex *m);    /** NULL is a no-op. Returns NULL. */
void mutex_lock(struct mutex *m);             /** Waits for @m and takes it; not recursive. */
void mutex_unlock(struct mutex *m);           /** Gives @m back; by the thread that took it. */

struct thread; /* a named thread running @fn(@arg) once */
/** Starts it; aborts if the system has no thread left. */
struct thread *thread_start(const char *name, void (*fn)(void *arg), void *arg);
/** Waits for the end of @t and frees it; NULL is a no-op; returns NULL. */
struct thread *thread_join(struct thread *t);
