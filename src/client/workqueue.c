/* SPDX-License-Identifier: Apache-2.0 */
#include "client/workqueue.h"

#include "base/map.h"

#include <assert.h>

enum item_state { ITEM_WAITING, ITEM_READY, ITEM_ACTIVE };
struct item {
    struct timer timer; /* of WAITING */
    struct workqueue *wq;
    struct item *next; /* in the ready list */
    enum item_state state;
    bool dirty; /* added while active */
    uint64_t dirty_delay_ms;
    unsigned failures;
    size_t len;
    char key[];
};
struct workqueue {
    struct loop *loop;
    struct workqueue_opts opts;
    struct map items; /* all that are waiting, ready, active, or have failed */
    struct item *head, *tail;
    size_t n_ready, n_waiting;
    struct timer kick; /* calls on_ready from the loop, not from inside workqueue_add() */
};

static void on_kick(struct timer *t)
{
    struct workqueue *wq = container_of(t, struct workqueue, kick);

    if (wq->head)
        wq->opts.on_ready(wq->opts.arg);
}

static void make_ready(struct item *it)
{
    struct workqueue *wq = it->wq;

    it->state = ITEM_READY;
    it->next = NULL;
    if (wq->tail)
        wq->tail->next = it;
    else
        wq->head = it;
    wq->tail = it;
    wq->n_ready++;
    if (!timer_active(&wq->kick))
        timer_start(&wq->kick, 0, 0);
}

static void on_due(struct timer *t)
{
    struct item *it = container_of(t, struct item, timer);

    it->wq->n_waiting--;
    make_ready(it);
}

static void make_wait(struct item *it, uint64_t delay_ms)
{
    it->state = ITEM_WAITING;
    it->wq->n_waiting++;
    timer_start(&it->timer, delay_ms, 0);
}

struct workqueue *workqueue_new(struct loop *l, const struct workqueue_opts *opts)
{
    struct workqueue *wq = xnew(struct workqueue);

    wq->loop = l;
    wq->opts = *opts;
    if (wq->opts.backoff_min_ms == 0)
        wq->opts.backoff_min_ms = 5;
    if (wq->opts.backoff_max_ms == 0)
        wq->opts.backoff_max_ms = 1000000;
    timer_init(&wq->kick, l, on_kick);
    return wq;
}

struct workqueue *workqueue_free(struct workqueue *wq)
{
    struct str key;
    void *value;

    if (!wq)
        return NULL;
    for (size_t it = 0; map_next(&wq->items, &it, &key, &value);) {
        timer_stop(&((struct item *)value)->timer);
        free(value);
    }
    map_deinit(&wq->items);
    timer_stop(&wq->kick);
    free(wq);
    return NULL;
}

static struct item *item_new(struct workqueue *wq, struct str key)
{
    struct item *it = xcalloc(1, sizeof(*it) + key.len + 1);

    it->wq = wq;
    it->len = key.len;
    memcpy(it->key, key.p, key.len);
    timer_init(&it->timer, wq->loop, on_due);
    map_set(&wq->items, key, it);
    return it;
}

void workqueue_add(struct workqueue *wq, struct str key, uint64_t delay_ms)
{
    struct item *it = map_find(&wq->items, key);

    loop_assert(wq->loop);
    if (!it) {
        it = item_new(wq, key);
    } else if (it->state == ITEM_ACTIVE) {
        if (!it->dirty || delay_ms < it->dirty_delay_ms)
            it->dirty_delay_ms = delay_ms;
        it->dirty = true;
        return;
    } else if (it->state == ITEM_READY) {
        return;
    } else if (timer_active(&it->timer)) {
        if (it->timer.due_ms <= loop_now_ms(wq->loop) + delay_ms)
            return;
        timer_stop(&it->timer);
        wq->n_waiting--;
    }
    if (delay_ms > 0)
        make_wait(it, delay_ms);
    else
        make_ready(it);
}

struct str workqueue_take(struct workqueue *wq)
{
    struct item *it = wq->head;

    if (!it)
        return STR_NULL;
    wq->head = it->next;
    if (!wq->head)
        wq->tail = NULL;
    wq->n_ready--;
    it->next = NULL;
    it->state = ITEM_ACTIVE;
    return (struct str){it->key, it->len};
}

static uint64_t backoff_ms(const struct workqueue *wq, unsigned failures)
{
    uint64_t ms = wq->opts.backoff_min_ms;

    for (unsigned i = 1; i < failures && ms < wq->opts.backoff_max_ms; i++)
        ms *= 2;
    return MIN(ms, wq->opts.backoff_max_ms);
}

void workqueue_defer(struct workqueue *wq, struct str key, uint64_t delay_ms)
{
    struct item *it = map_find(&wq->items, key);

    assert(it && it->state == ITEM_ACTIVE);
    it->dirty = false;
    it->dirty_delay_ms = 0;
    make_wait(it, delay_ms);
}

void workqueue_done(struct workqueue *wq, struct str key, bool ok)
{
    struct item *it = map_find(&wq->items, key);
    uint64_t retry_ms;

    assert(it && it->state == ITEM_ACTIVE);
    it->failures = ok ? 0 : it->failures + 1;
    retry_ms = ok ? 0 : backoff_ms(wq, it->failures);
    if (it->dirty) {
        /* A change may be what makes a failed key succeed, but a key that fails at once each
         * time must not spin: it keeps its back-off. */
        uint64_t delay_ms = ok ? it->dirty_delay_ms : MIN(retry_ms, MAX(it->dirty_delay_ms, 5));

        it->dirty = false;
        it->dirty_delay_ms = 0;
        if (delay_ms > 0)
            make_wait(it, delay_ms);
        else
            make_ready(it);
        return;
    }
    if (!ok) {
        make_wait(it, retry_ms);
        return;
    }
    map_remove(&wq->items, key);
    free(it);
}

unsigned workqueue_failures(const struct workqueue *wq, struct str key)
{
    const struct item *it = map_find(&wq->items, key);

    return it ? it->failures : 0;
}

size_t workqueue_len(const struct workqueue *wq)
{
    return wq->n_ready + wq->n_waiting;
}
