/* cache.c - what readers see of one resource: snapshots, cursors, subscriptions. */
#include "store/store_internal.h"

static void snapshot_ref_op(void *v)
{
    ref_get(&((struct snapshot *)v)->ref);
}

static void snapshot_unref_op(void *v)
{
    (void)snapshot_unref(v);
}

struct snapshot *snapshot_unref(struct snapshot *s)
{
    if (!s || !ref_put(&s->ref))
        return NULL;
    omap_deinit(&s->objects);
    free(s);
    return NULL;
}

struct snapshot *snapshot_new(const struct omap *objects, int64_t revision)
{
    struct snapshot *s = xnew(struct snapshot);

    ref_init(&s->ref);
    s->objects = omap_snapshot(objects);
    s->revision = revision;
    return s;
}

static int64_t published(const struct cache *c)
{
    return atomic_load_explicit(&c->store->published, memory_order_acquire);
}

void cache_init(struct cache *c, struct store *st, const struct resource *res)
{
    c->store = st;
    c->res = res;
    omap_init(&c->objects, &object_omap_ops);
    journal_init(&c->journal, published(c), st->opts.journal_max, store_journal_bytes(st));
    c->current = cell_new(snapshot_ref_op, snapshot_unref_op);
    c->subs_mutex = mutex_new();
}

void cache_deinit(struct cache *c)
{
    assert(c->subs.n == 0);
    vec_deinit(&c->subs);
    vec_deinit(&c->pending);
    c->subs_mutex = mutex_free(c->subs_mutex);
    c->current = cell_free(c->current);
    journal_deinit(&c->journal);
    omap_deinit(&c->objects);
}

void cache_publish(struct cache *c, int64_t revision)
{
    cell_set(c->current, snapshot_new(&c->objects, revision));
}

void cache_rollback(struct cache *c)
{
    struct snapshot *s = cell_get(c->current);

    omap_deinit(&c->objects);
    c->objects = omap_snapshot(&s->objects);
    (void)snapshot_unref(s);
}

struct object *cache_find(struct cache *c, struct str key)
{
    struct snapshot *s = cell_get(c->current);
    struct object *o = omap_find(&s->objects, key);

    if (o)
        (void)object_ref(o);
    (void)snapshot_unref(s);
    return o;
}

struct snapshot *cache_snapshot(struct cache *c)
{
    /* In this order: what was published by then is in the snapshot. It may hold more. */
    int64_t revision = published(c);
    struct snapshot *s = cell_get(c->current), *newer;

    if (s->revision >= revision)
        return s;
    newer = snapshot_new(&s->objects, revision);
    (void)snapshot_unref(s);
    return newer;
}

static void event_undo(struct omap *objects, const struct event *ev)
{
    if (ev->type == EVENT_ADDED)
        (void)omap_remove(objects, ev->object->key);
    else
        (void)omap_put(objects, ev->prev);
}

/* Takes back, newest first, what happened in (@to, @from]. */
static void undo(struct omap *objects, const struct journal_view *v, int64_t from, int64_t to)
{
    for (size_t i = v->n; i > 0; i--) {
        const struct journal_chunk *c = v->chunks[i - 1];

        for (uint32_t k = journal_chunk_n(c); k > 0; k--) {
            const struct event *ev = &c->events[k - 1].event;

            if (ev->revision <= to)
                return;
            if (ev->revision <= from)
                event_undo(objects, ev);
        }
    }
}

static int too_old(struct err *err, int64_t revision, int64_t floor)
{
    return err_new(err, ERR_EXPIRED, "too old resource version: %lld (%lld)",
                   (long long)revision, (long long)floor);
}

int cache_snapshot_at(struct cache *c, int64_t revision, struct snapshot **ret_s,
                      struct err *err)
{
    struct snapshot *now = cache_snapshot(c), *then;
    struct journal_view *v = journal_view_get(&c->journal); /* after it: has all its events */
    int r = 0;

    if (revision > now->revision) {
        r = err_new(err, ERR_TIMEOUT, "Too large resource version: %lld, current: %lld",
                    (long long)revision, (long long)now->revision);
    } else if (revision < v->floor) {
        r = too_old(err, revision, v->floor);
    } else {
        then = snapshot_new(&now->objects, revision);
        undo(&then->objects, v, now->revision, revision);
        *ret_s = then;
    }
    (void)journal_view_unref(v);
    (void)snapshot_unref(now);
    return r;
}

/* Puts the cursor on the first event after what it has returned. */
static int cursor_seek(struct cache *c, struct watch_cursor *w, struct err *err)
{
    struct journal_view *v = journal_view_get(&c->journal);
    int r = 0;

    w->chunk = journal_chunk_unref(w->chunk);
    if (w->revision < v->floor)
        r = too_old(err, w->revision, v->floor);
    else
        w->chunk = journal_seek(v, w->revision, &w->at);
    (void)journal_view_unref(v);
    return r;
}

/* From the end of a full chunk to the next, if there is one. */
static void cursor_hop(struct cache *c, struct watch_cursor *w)
{
    struct journal_view *v = journal_view_get(&c->journal);
    struct journal_chunk *next = journal_next(v, w->chunk->seq);

    if (next) {
        (void)journal_chunk_unref(w->chunk);
        w->chunk = next;
        w->at = 0;
    }
    (void)journal_view_unref(v);
}

int watch_open(struct cache *c, int64_t from_revision, struct watch_cursor *ret_w,
               struct err *err)
{
    struct watch_cursor w = {.revision = from_revision};
    int r = cursor_seek(c, &w, err);

    if (r == 0)
        *ret_w = w;
    return r;
}

/* The event under the cursor, or NULL at the end of what is known. */
static const struct journal_event *cursor_event(struct cache *c, struct watch_cursor *w)
{
    if (!w->chunk)
        return NULL;
    if (w->at == atomic_load_explicit(&w->chunk->cap, memory_order_relaxed))
        cursor_hop(c, w);
    return w->at < journal_chunk_n(w->chunk) ? &w->chunk->events[w->at] : NULL;
}

int watch_next(struct cache *c, struct watch_cursor *w, struct event *ret_ev, struct err *err)
{
    int64_t upto = published(c); /* first: all events up to it are in the journal */
    const struct journal_event *je;
    int r;

    if (!w->chunk || atomic_load_explicit(&w->chunk->dead, memory_order_acquire)) {
        r = cursor_seek(c, w, err);
        if (r < 0)
            return r;
    }
    while ((je = cursor_event(c, w)) && je->event.revision <= upto) {
        w->at++;
        if (je->event.revision <= w->revision)
            continue; /* a cursor that was opened in the future */
        /* Part of a revision does not count: who resumes there must see all of it. */
        w->revision = je->ends ? je->event.revision : je->event.revision - 1;
        *ret_ev = je->event;
        return 1;
    }
    w->revision = MAX(w->revision, upto);
    return 0;
}

void watch_close(struct watch_cursor *w)
{
    w->chunk = journal_chunk_unref(w->chunk);
    w->at = 0;
}

static void subscription_unref(struct subscription *s)
{
    if (ref_put(&s->ref))
        free(s);
}

static void subscription_run(void *arg)
{
    struct subscription *s = arg;

    /* Before fn() reads: what is published from here on queues another run. An exchange, so
     * that what the publisher did before it found the flag set is seen here. */
    (void)atomic_exchange(&s->queued, false);
    if (!s->ended)
        s->fn(s->arg);
    subscription_unref(s);
}

void cache_wake(struct cache *c)
{
    mutex_lock(c->subs_mutex);
    for (size_t i = 0; i < c->subs.n; i++) {
        struct subscription *s = c->subs.v[i];

        if (atomic_exchange(&s->queued, true))
            continue;
        ref_get(&s->ref);
        loop_post(s->loop, subscription_run, s);
    }
    mutex_unlock(c->subs_mutex);
}

struct subscription *cache_subscribe(struct cache *c, struct loop *loop, void (*fn)(void *arg),
                                     void *arg)
{
    struct subscription *s = xnew(struct subscription);

    ref_init(&s->ref);
    s->cache = c;
    s->loop = loop;
    s->fn = fn;
    s->arg = arg;
    mutex_lock(c->subs_mutex);
    vec_push(&c->subs, s);
    mutex_unlock(c->subs_mutex);
    return s;
}

struct subscription *subscription_free(struct subscription *s)
{
    struct cache *c;

    if (!s)
        return NULL;
    c = s->cache;
    mutex_lock(c->subs_mutex);
    for (size_t i = 0; i < c->subs.n; i++)
        if (c->subs.v[i] == s) {
            vec_swap_remove(&c->subs, i);
            break;
        }
    mutex_unlock(c->subs_mutex);
    s->ended = true;
    subscription_unref(s);
    return NULL;
}
