/* queue.c - bounded queues, published cells, mutexes and threads. */
#include "base/queue.h"
#include "base/clock.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void must(int code, const char *what)
{
    if (code == 0)
        return;
    (void)fprintf(stderr, "skiff: %s: %s\n", what, strerror(code));
    abort();
}

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    void **items; /* a ring of cap places, which grows up to items_max */
    size_t cap, items_max, head, n;
    bool closed;
};

struct queue *queue_new(size_t items_max)
{
    struct queue *q = xnew(struct queue);
    pthread_condattr_t attr;

    assert(items_max > 0);
    q->items_max = items_max;
    must(pthread_mutex_init(&q->mutex, NULL), "mutex");
    must(pthread_condattr_init(&attr), "condition");
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "condition");
    must(pthread_cond_init(&q->filled, &attr), "condition");
    must(pthread_condattr_destroy(&attr), "condition");
    return q;
}

struct queue *queue_free(struct queue *q)
{
    if (!q)
        return NULL;
    must(pthread_cond_destroy(&q->filled), "condition");
    must(pthread_mutex_destroy(&q->mutex), "mutex");
    free(q->items);
    free(q);
    return NULL;
}

static void ring_grow(struct queue *q)
{
    size_t cap = MIN(MAX(q->cap * 2, (size_t)16), q->items_max);
    void **items = xcalloc(cap, sizeof(*items));

    for (size_t i = 0; i < q->n; i++)
        items[i] = q->items[(q->head + i) % q->cap];
    free(q->items);
    q->items = items;
    q->cap = cap;
    q->head = 0;
}

bool queue_push(struct queue *q, void *item)
{
    bool ok, first;

    assert(item);
    must(pthread_mutex_lock(&q->mutex), "mutex");
    ok = !q->closed && q->n < q->items_max;
    first = ok && q->n == 0;
    if (ok) {
        if (q->n == q->cap)
            ring_grow(q);
        q->items[(q->head + q->n++) % q->cap] = item;
    }
    must(pthread_mutex_unlock(&q->mutex), "mutex");
    if (first) /* after the unlock: who is woken would run into the mutex at once */
        must(pthread_cond_signal(&q->filled), "condition");
    return ok;
}

static void *take(struct queue *q)
{
    void *item = q->items[q->head];

    q->head = (q->head + 1) % q->cap;
    q->n--;
    return item;
}

static struct timespec deadline(int64_t timeout_ms)
{
    uint64_t at = clock_real()->mono_ns(clock_real());

    if (timeout_ms > 0) {
        int64_t ms = MIN(timeout_ms, INT64_MAX / 4000000);

        at += (uint64_t)ms * 1000000;
    }
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000),
                             .tv_nsec = (long)(at % 1000000000)};
}

void *queue_pop(struct queue *q, int64_t timeout_ms)
{
    struct timespec until = deadline(timeout_ms);
    void *item = NULL;
    int r = timeout_ms == 0 ? ETIMEDOUT : 0;

    must(pthread_mutex_lock(&q->mutex), "mutex");
    while (q->n == 0 && !q->closed && r == 0)
        r = timeout_ms < 0 ? pthread_cond_wait(&q->filled, &q->mutex)
                           : pthread_cond_timedwait(&q->filled, &q->mutex, &until);
    if (r != ETIMEDOUT)
        must(r, "condition");
    if (q->n > 0)
        item = take(q);
    must(pthread_mutex_unlock(&q->mutex), "mutex");
    return item;
}

size_t queue_pop_many(struct queue *q, void **ret_items, size_t n)
{
    size_t got = 0;

    must(pthread_mutex_lock(&q->mutex), "mutex");
    while (got < n && q->n > 0)
        ret_items[got++] = take(q);
    must(pthread_mutex_unlock(&q->mutex), "mutex");
    return got;
}

void queue_close(struct queue *q)
{
    must(pthread_mutex_lock(&q->mutex), "mutex");
    q->closed = true;
    must(pthread_cond_broadcast(&q->filled), "condition");
    must(pthread_mutex_unlock(&q->mutex), "mutex");
}

struct mutex {
    pthread_mutex_t m;
};

struct mutex *mutex_new(void)
{
    struct mutex *m = xnew(struct mutex);

    must(pthread_mutex_init(&m->m, NULL), "mutex");
    return m;
}

struct mutex *mutex_free(struct mutex *m)
{
    if (!m)
        return NULL;
    must(pthread_mutex_destroy(&m->m), "mutex");
    free(m);
    return NULL;
}

void mutex_lock(struct mutex *m)
{
    must(pthread_mutex_lock(&m->m), "mutex");
}

void mutex_unlock(struct mutex *m)
{
    must(pthread_mutex_unlock(&m->m), "mutex");
}

struct cell {
    struct mutex *mutex;
    void (*ref)(void *);
    void (*unref)(void *);
    void *value;
};

struct cell *cell_new(void (*ref)(void *), void (*unref)(void *))
{
    struct cell *c = xnew(struct cell);

    c->mutex = mutex_new();
    c->ref = ref;
    c->unref = unref;
    return c;
}

struct cell *cell_free(struct cell *c)
{
    if (!c)
        return NULL;
    if (c->value)
        c->unref(c->value);
    c->mutex = mutex_free(c->mutex);
    free(c);
    return NULL;
}

void cell_set(struct cell *c, void *value)
{
    void *former;

    mutex_lock(c->mutex);
    former = c->value;
    c->value = value;
    mutex_unlock(c->mutex);
    if (former)
        c->unref(former); /* outside the lock: it may free a lot */
}

void *cell_get(struct cell *c)
{
    void *value;

    mutex_lock(c->mutex);
    value = c->value;
    if (value)
        c->ref(value);
    mutex_unlock(c->mutex);
    return value;
}

struct thread {
    pthread_t id;
    char name[16]; /* the kernel's limit */
    void (*fn)(void *arg);
    void *arg;
};

static void *thread_main(void *arg)
{
    struct thread *t = arg;

    must(pthread_setname_np(pthread_self(), t->name), "thread name");
    t->fn(t->arg);
    return NULL;
}

struct thread *thread_start(const char *name, void (*fn)(void *arg), void *arg)
{
    struct thread *t = xnew(struct thread);

    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    t->fn = fn;
    t->arg = arg;
    must(pthread_create(&t->id, NULL, thread_main, t), "thread");
    return t;
}

struct thread *thread_join(struct thread *t)
{
    if (!t)
        return NULL;
    must(pthread_join(t->id, NULL), "thread");
    free(t);
    return NULL;
}
