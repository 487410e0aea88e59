/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/queue.h"

#include "base/map.h"

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 10000, GIVE_UP_MS = 300000 };
enum state { READY, BACKOFF, PARKED, TAKEN };

struct entry {
    struct timer timer; /* of BACKOFF and PARKED */
    struct pod_queue *queue;
    struct object *object;
    enum state state;
    int32_t priority;
    uint64_t order; /* of arrival in the ready heap */
    size_t at;      /* place in the heap, of READY */
    unsigned attempts;
    unsigned changes; /* of PARKED */
    uint64_t taken;   /* q->seq of TAKEN */
    uint64_t rejected_ms;
};
struct pod_queue {
    struct loop *loop;
    void (*on_ready)(void *arg);
    void *arg;
    struct map entries; /* by uid */
    VEC(struct entry *) heap;
    uint64_t n_ordered;
    uint64_t seq;         /* counts takes */
    uint64_t changed[32]; /* for each bit of cluster_change: q->seq when it last happened */
    struct timer kick;
};

static bool before(const struct entry *a, const struct entry *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return a->order < b->order;
}

static void heap_set(struct pod_queue *q, size_t at, struct entry *e)
{
    q->heap.v[at] = e;
    e->at = at;
}

static void sift_up(struct pod_queue *q, size_t at)
{
    struct entry *e = q->heap.v[at];

    while (at > 0 && before(e, q->heap.v[(at - 1) / 2])) {
        heap_set(q, at, q->heap.v[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(q, at, e);
}

static void sift_down(struct pod_queue *q, size_t at)
{
    struct entry *e = q->heap.v[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= q->heap.n)
            break;
        if (child + 1 < q->heap.n && before(q->heap.v[child + 1], q->heap.v[child]))
            child++;
        if (!before(q->heap.v[child], e))
            break;
        heap_set(q, at, q->heap.v[child]);
        at = child;
    }
    heap_set(q, at, e);
}

static void heap_remove(struct pod_queue *q, struct entry *e)
{
    size_t at = e->at;
    struct entry *last = vec_pop(&q->heap);

    if (last == e)
        return;
    heap_set(q, at, last);
    sift_up(q, at);
    sift_down(q, last->at);
}

static void make_ready(struct entry *e)
{
    struct pod_queue *q = e->queue;

    timer_stop(&e->timer);
    e->state = READY;
    e->order = ++q->n_ordered;
    vec_push(&q->heap, e);
    e->at = q->heap.n - 1;
    sift_up(q, e->at);
    if (!timer_active(&q->kick))
        timer_start(&q->kick, 0, 0);
}

static uint64_t backoff_left_ms(const struct entry *e)
{
    uint64_t now = loop_now_ms(e->queue->loop), ms = BACKOFF_MIN_MS, due;

    for (unsigned i = 1; i < e->attempts && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    due = e->rejected_ms + MIN(ms, BACKOFF_MAX_MS);
    return due > now ? due - now : 0;
}

/* Something may have made room: as soon as its back-off has passed, the pod is tried again. */
static void wake(struct entry *e)
{
    uint64_t left = e->attempts > 0 ? backoff_left_ms(e) : 0;

    if (left == 0) {
        make_ready(e);
        return;
    }
    e->state = BACKOFF;
    timer_start(&e->timer, left, 0);
}

static void on_timer(struct timer *t)
{
    struct entry *e = container_of(t, struct entry, timer);

    if (e->state == PARKED)
        wake(e);
    else
        make_ready(e);
}

static void on_kick(struct timer *t)
{
    struct pod_queue *q = container_of(t, struct pod_queue, kick);

    if (q->heap.n > 0)
        q->on_ready(q->arg);
}

struct pod_queue *pod_queue_new(struct loop *l, void (*on_ready)(void *arg), void *arg)
{
    struct pod_queue *q = xnew(struct pod_queue);

    q->loop = l;
    q->on_ready = on_ready;
    q->arg = arg;
    timer_init(&q->kick, l, on_kick);
    return q;
}

static void entry_free(struct entry *e)
{
    timer_stop(&e->timer);
    object_unref(e->object);
    free(e);
}

struct pod_queue *pod_queue_free(struct pod_queue *q)
{
    struct str uid;
    void *value;

    if (!q)
        return NULL;
    for (size_t it = 0; map_next(&q->entries, &it, &uid, &value);)
        entry_free(value);
    map_deinit(&q->entries);
    vec_deinit(&q->heap);
    timer_stop(&q->kick);
    free(q);
    return NULL;
}

static int32_t priority_of(const struct object *o)
{
    const int32_t *p = OBJECT_AS(core_pod, o)->spec.priority;

    return p ? *p : 0;
}

static void renew(struct entry *e, struct object *o)
{
    object_ref(o);
    object_unref(e->object);
    e->object = o;
}

/* Pods that are being tried may have been looked at too early for @changes. */
static void note_changes(struct pod_queue *q, unsigned changes)
{
    for (unsigned bit = 0; bit < ARRAY_LEN(q->changed); bit++) {
        if (changes & (1u << bit))
            q->changed[bit] = q->seq;
    }
}

static bool missed(const struct entry *e, unsigned changes)
{
    for (unsigned bit = 0; bit < ARRAY_LEN(e->queue->changed); bit++) {
        if ((changes & (1u << bit)) && e->queue->changed[bit] >= e->taken)
            return true;
    }
    return false;
}

void pod_queue_refresh(struct pod_queue *q, struct object *o)
{
    struct entry *e = map_find(&q->entries, o->uid);

    if (e)
        renew(e, o);
}

void pod_queue_put(struct pod_queue *q, struct object *o)
{
    struct entry *e = map_find(&q->entries, o->uid);

    if (!e) {
        e = xnew(struct entry);
        e->queue = q;
        e->object = object_ref(o);
        e->priority = priority_of(o);
        timer_init(&e->timer, q->loop, on_timer);
        (void)map_set(&q->entries, o->uid, e);
        make_ready(e);
        return;
    }
    renew(e, o);
    if (e->state == READY && e->priority != priority_of(o)) {
        heap_remove(q, e);
        e->priority = priority_of(o);
        make_ready(e);
    }
    e->priority = priority_of(o);
    if (e->state == TAKEN)
        note_changes(q, CHANGE_POD_SELF);
    if (e->state == PARKED && (e->changes & CHANGE_POD_SELF))
        wake(e);
}

void pod_queue_remove(struct pod_queue *q, struct str uid)
{
    struct entry *e = map_remove(&q->entries, uid);

    if (!e)
        return;
    if (e->state == READY)
        heap_remove(q, e);
    entry_free(e);
}

struct object *pod_queue_take(struct pod_queue *q)
{
    struct entry *e;

    if (q->heap.n == 0)
        return NULL;
    e = q->heap.v[0];
    heap_remove(q, e);
    e->state = TAKEN;
    e->taken = ++q->seq;
    return object_ref(e->object);
}

void pod_queue_rejected(struct pod_queue *q, struct object *o, unsigned changes)
{
    struct entry *e = map_find(&q->entries, o->uid);

    if (!e || e->state != TAKEN)
        return; /* deleted meanwhile */
    e->attempts++;
    e->rejected_ms = loop_now_ms(q->loop);
    e->changes = changes;
    if (changes == 0 || missed(e, changes)) {
        e->state = BACKOFF;
        timer_start(&e->timer, backoff_left_ms(e), 0);
        return;
    }
    e->state = PARKED;
    timer_start(&e->timer, GIVE_UP_MS, 0);
}

void pod_queue_done(struct pod_queue *q, struct str uid)
{
    pod_queue_remove(q, uid);
}

void pod_queue_changed(struct pod_queue *q, unsigned changes)
{
    VEC(struct entry *) woken = {0};
    struct str uid;
    void *value;

    note_changes(q, changes);
    for (size_t it = 0; map_next(&q->entries, &it, &uid, &value);) {
        struct entry *e = value;

        if (e->state == PARKED && (e->changes & changes))
            vec_push(&woken, e);
    }
    for (size_t i = 0; i < woken.n; i++)
        wake(woken.v[i]);
    vec_deinit(&woken);
}
