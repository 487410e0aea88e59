/* feed.c - reads changes for all watches together.
 *
 * One reading at a time, from where some watch stands: in turns that of the watch that is farthest
 * behind, and of the one that is farthest ahead. Whoever stands at or behind the place read from
 * gets its part. So those that are up to date do not wait for one that begins in the past, and many
 * cost one reading.
 */
#include "etcd/etcd_internal.h"

enum { READ_EVENTS = 1000, READ_BYTES = 1 << 20, RETRY_MS = 100 };

struct feed {
    struct etcd *e;
    struct subscription *sub;
    VEC(struct watch *) watches;
    struct raw_txn txn;
    struct timer retry;
    bool running, stopped, behind, want_prev;
    /* of the reading under way: */
    int64_t from, upto, compacted;
    struct arena arena;
    VEC(struct feed_event) events;
    size_t bytes;
};

static int event_one(void *arg, const struct raw_kv *kv)
{
    struct feed *f = arg;
    struct feed_event ev = {.revision = kv->mod_revision, .deleted = kv->deleted};
    int64_t last = f->events.n ? f->events.v[f->events.n - 1].revision : 0;
    Mvccpb__KeyValue *m;

    if ((f->events.n >= READ_EVENTS || f->bytes >= READ_BYTES) && kv->mod_revision != last) {
        f->upto = last; /* whole revisions only */
        return 1;
    }
    if (kv->deleted) {
        m = pb_new(&f->arena, Mvccpb__KeyValue, mvccpb__key_value__init);
        m->key = pb_of(str_dup(&f->arena, kv->key));
        m->mod_revision = kv->mod_revision;
    } else {
        m = kv_message(kv, false, &f->arena);
    }
    ev.key = pb_str(m->key);
    ev.plain = pb_new(&f->arena, Mvccpb__Event, mvccpb__event__init);
    ev.plain->type =
        kv->deleted ? MVCCPB__EVENT__EVENT_TYPE__DELETE : MVCCPB__EVENT__EVENT_TYPE__PUT;
    ev.plain->kv = m;
    f->bytes += kv->key.len + kv->value.len;
    vec_push(&f->events, ev);
    return 0;
}

struct before {
    Mvccpb__KeyValue *kv;
    struct arena *a;
};

static int before_one(void *arg, const struct raw_kv *kv)
{
    struct before *b = arg;

    b->kv = kv_message(kv, false, b->a);
    return 1;
}

/* What the key was before, if that is still known. Its bytes are added to *@bytes. */
static int find_before(struct feed *f, struct raw *raw, struct feed_event *ev, size_t *bytes,
                       struct err *err)
{
    struct before b = {.a = &f->arena};
    struct str end = {arena_memdupz(&f->arena, ev->key.p, ev->key.len), ev->key.len + 1};
    int r = 0;

    if (!ev->plain->kv->version || ev->plain->kv->version > 1)
        r = raw_range(raw, ev->key, end, ev->revision - 1, before_one, &b, err);
    if (r < 0 && r != ERR_EXPIRED)
        return r;
    ev->with_prev = pb_new(&f->arena, Mvccpb__Event, mvccpb__event__init);
    *ev->with_prev = *ev->plain;
    ev->with_prev->prev_kv = b.kv;
    *bytes += b.kv ? b.kv->key.len + b.kv->value.len : 0;
    return 0;
}

/* For all that was read, or as much as is enough for once. */
static int find_all_before(struct feed *f, struct raw *raw, struct err *err)
{
    struct feed_event *ev = f->events.v;
    size_t bytes = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < f->events.n; i++) {
        if (bytes >= READ_BYTES && ev[i].revision != ev[i - 1].revision) {
            f->events.n = i;
            f->upto = ev[i - 1].revision;
            break;
        }
        r = find_before(f, raw, &ev[i], &bytes, err);
    }
    return r;
}

static int feed_run(struct raw *raw, void *arg, struct err *err)
{
    struct feed *f = arg;
    int r;

    f->upto = store_revision(f->e->config.store);
    f->compacted = raw_compacted(raw);
    f->from = MAX(f->from, f->compacted); /* who wants what was before ends */
    r = raw_changes(raw, f->from, f->upto, event_one, f, err);
    if (r >= 0 && f->want_prev)
        r = find_all_before(f, raw, err);
    return MIN(r, 0);
}

static void hand_out(struct feed *f)
{
    for (size_t i = f->watches.n; i > 0; i--) {
        struct watch *w = f->watches.v[i - 1];

        if (w->next < f->compacted && w->next <= f->upto)
            watch_compacted(w, f->compacted);
        else if (w->next >= f->from && w->next <= f->upto && watch_open_for_more(w) &&
                 (f->want_prev || !w->prev_kv)) /* one that came meanwhile has its turn later */
            watch_give(w, f->events.v, f->events.n, f->upto);
    }
    for (size_t i = 0; i < f->watches.n; i++)
        watch_after(f->watches.v[i]);
}

static void feed_done(struct raw_txn *txn)
{
    struct feed *f = txn->arg;

    f->running = false;
    if (!f->stopped && txn->code == 0)
        hand_out(f);
    vec_clear(&f->events);
    arena_deinit(&f->arena);
    if (!f->stopped && txn->code == 0)
        feed_wake(f); /* what has come meanwhile */
    else if (!f->stopped)
        timer_start(&f->retry, RETRY_MS, 0);
    etcd_idle(f->e);
}

/* Where to read from; 0: nowhere. */
static int64_t choose(struct feed *f)
{
    int64_t revision = store_revision(f->e->config.store), low = 0, high = 0;

    f->want_prev = false;
    for (size_t i = 0; i < f->watches.n; i++) {
        const struct watch *w = f->watches.v[i];

        if (w->next > revision || !watch_open_for_more(w))
            continue;
        low = low ? MIN(low, w->next) : w->next;
        high = MAX(high, w->next);
        f->want_prev |= w->prev_kv;
    }
    f->behind = !f->behind;
    return f->behind ? low : high;
}

void feed_wake(struct feed *f)
{
    if (f->running || f->stopped || timer_active(&f->retry))
        return;
    f->from = choose(f);
    if (!f->from)
        return;
    f->running = true;
    f->bytes = 0;
    f->txn = (struct raw_txn){
        .run = feed_run, .loop = f->e->config.loop, .on_done = feed_done, .arg = f};
    etcd_busy(f->e);
    raw_commit(f->e->config.store, &f->txn);
}

static void on_retry(struct timer *t)
{
    feed_wake(container_of(t, struct feed, retry));
}

static void on_grown(void *arg)
{
    feed_wake(arg);
}

struct feed *feed_new(struct etcd *e)
{
    struct feed *f = xnew(struct feed);

    f->e = e;
    timer_init(&f->retry, e->config.loop, on_retry);
    f->sub = raw_subscribe(e->config.store, e->config.loop, on_grown, f);
    return f;
}

void feed_stop(struct feed *f)
{
    f->stopped = true;
    timer_stop(&f->retry);
    f->sub = subscription_free(f->sub);
}

struct feed *feed_free(struct feed *f)
{
    if (!f)
        return NULL;
    f->sub = subscription_free(f->sub);
    assert(!f->running);
    vec_deinit(&f->watches);
    vec_deinit(&f->events);
    free(f);
    return NULL;
}

void feed_add(struct feed *f, struct watch *w)
{
    w->place = f->watches.n;
    vec_push(&f->watches, w);
    if (w->next <= store_revision(f->e->config.store))
        feed_wake(f);
}

void feed_remove(struct feed *f, struct watch *w)
{
    assert(f->watches.v[w->place] == w);
    vec_swap_remove(&f->watches, w->place);
    if (w->place < f->watches.n)
        f->watches.v[w->place]->place = w->place;
}
