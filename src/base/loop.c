/* loop.c - the common part of all loops: timers in a binary heap, and dispatch. */
#include "base/loop_internal.h"
#include <assert.h>
#include <stdlib.h>

void loop_run(struct loop *l)
{
    l->ops->run(l);
}

void loop_stop(struct loop *l)
{
    l->ops->stop(l);
}

void loop_hold(struct loop *l, bool hold)
{
    loop_assert(l);
    l->ops->hold(l, hold);
}

struct loop *loop_free(struct loop *l)
{
    if (!l)
        return NULL;
    loop_assert(l);
    l->ops->destroy(l);
    return NULL;
}

void loop_assert(const struct loop *l)
{
    l->ops->assert_on(l);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return l->ops->uv(l);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return l->ops->now_ms(l);
}

int64_t loop_wall_ns(const struct loop *l)
{
    return l->clock->wall_ns(l->clock);
}

const struct clock *loop_clock(const struct loop *l)
{
    return l->clock;
}

struct random *loop_random(struct loop *l)
{
    return l->random;
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    l->ops->post(l, fn, arg);
}

void loop_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    loop_assert(l);
    l->ops->work(l, work, done, arg);
}

bool loop_posts_push(struct loop_posts *list, void (*fn)(void *arg), void *arg)
{
    struct loop_post *p = xnew(struct loop_post);
    bool was_empty = !list->head;

    p->fn = fn;
    p->arg = arg;
    if (was_empty)
        list->head = p;
    else
        list->tail->next = p;
    list->tail = p;
    return was_empty;
}

bool loop_posts_run_one(struct loop_posts *list)
{
    struct loop_post *p = list->head;

    if (!p)
        return false;
    list->head = p->next;
    p->fn(p->arg);
    free(p);
    return true;
}

void loop_posts_drop(struct loop_posts *list)
{
    struct loop_post *p = list->head, *next;

    for (; p; p = next) {
        next = p->next;
        free(p);
    }
    *list = (struct loop_posts){0};
}

/* The heap: timer->at is its place in the heap, counted from 1; the parent of i is i / 2. */

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->start < b->start);
}

static void heap_set(struct loop *l, size_t at, struct timer *t)
{
    l->heap.v[at - 1] = t;
    t->at = (uint32_t)at;
}

static void sift_up(struct loop *l, size_t at, struct timer *t)
{
    for (; at > 1 && earlier(t, l->heap.v[at / 2 - 1]); at /= 2)
        heap_set(l, at, l->heap.v[at / 2 - 1]);
    heap_set(l, at, t);
}

static void sift_down(struct loop *l, size_t at, struct timer *t)
{
    for (;;) {
        size_t child = at * 2;

        if (child > l->heap.n)
            break;
        if (child < l->heap.n && earlier(l->heap.v[child], l->heap.v[child - 1]))
            child++;
        if (!earlier(l->heap.v[child - 1], t))
            break;
        heap_set(l, at, l->heap.v[child - 1]);
        at = child;
    }
    heap_set(l, at, t);
}

static void heap_insert(struct loop *l, struct timer *t)
{
    assert(l->heap.n < UINT32_MAX);
    t->start = l->n_started++;
    vec_push(&l->heap, t);
    sift_up(l, l->heap.n, t);
}

static void heap_remove(struct loop *l, struct timer *t)
{
    size_t at = t->at;
    struct timer *last = vec_pop(&l->heap);

    assert(at >= 1 && at <= l->heap.n + 1 && (last == t || l->heap.v[at - 1] == t));
    t->at = 0;
    if (last == t)
        return;
    if (at > 1 && earlier(last, l->heap.v[at / 2 - 1]))
        sift_up(l, at, last);
    else
        sift_down(l, at, last);
}

void loop_drop_timers(struct loop *l)
{
    for (size_t i = 0; i < l->heap.n; i++)
        l->heap.v[i]->at = 0;
    vec_deinit(&l->heap);
}

struct timer *loop_first_timer(const struct loop *l)
{
    return l->heap.n ? l->heap.v[0] : NULL;
}

bool loop_run_timer(struct loop *l, uint64_t now_ms, uint64_t end)
{
    struct timer *t = loop_first_timer(l);

    if (!t || t->due_ms > now_ms || t->start >= end)
        return false;
    heap_remove(l, t);
    if (t->every_ms) {
        t->due_ms += t->every_ms;
        if (t->due_ms <= now_ms)
            t->due_ms = now_ms + t->every_ms; /* late by more than a period: no burst */
        heap_insert(l, t);
    }
    t->on_timer(t); /* may stop, start or free @t */
    return true;
}

void timer_init(struct timer *t, struct loop *l, void (*on_timer)(struct timer *t))
{
    *t = (struct timer){.loop = l, .on_timer = on_timer};
}

void timer_start(struct timer *t, uint64_t delay_ms, uint64_t every_ms)
{
    struct loop *l = t->loop;
    struct timer *first = loop_first_timer(l);
    uint64_t due_before = first ? first->due_ms : UINT64_MAX;

    loop_assert(l);
    if (t->at)
        heap_remove(l, t);
    if (__builtin_add_overflow(loop_now_ms(l), delay_ms, &t->due_ms))
        t->due_ms = UINT64_MAX;
    t->every_ms = every_ms;
    heap_insert(l, t);
    if (!first || loop_first_timer(l)->due_ms != due_before)
        l->ops->rearm(l);
}

void timer_stop(struct timer *t)
{
    struct loop *l = t->loop;
    bool was_first;

    if (!t->at)
        return;
    loop_assert(l);
    was_first = t->at == 1;
    heap_remove(l, t);
    if (was_first)
        l->ops->rearm(l);
}
