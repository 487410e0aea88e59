/* store.c - the store's life: open and load, its thread or its turns on a loop, close. */
#include "store/remote.h"
#include "store/store_internal.h"

enum {
    LAZY_MAX_MS = 5000,
    HISTORY_MS = 300000,
    JOURNAL_MAX = 65536,
    TXNS_MAX = 4096,
};

uint64_t store_now_ms(const struct store *st)
{
    return st->clock->mono_ns(st->clock) / 1000000 + 1; /* 0 means never */
}

/* ---- the queue ---- */

static size_t txn_bytes(const struct store_txn *txn)
{
    size_t n = 0;

    for (size_t i = 0; i < txn->n; i++)
        if (txn->ops[i].kind == STORE_PUT)
            n += txn->ops[i].object->json.len;
    return txn_is_raw(txn) ? raw_bytes(txn) : n;
}

/* Starts the next batch, of what was taken off the queue or of lazy writes that are due. False
 * when there is neither. */
static bool batch_next(struct store *st)
{
    size_t end = st->taken_at, bytes = 0;

    for (; end < st->n_taken; end++) {
        if (txn_is_of_resource(st->taken[end])) { /* alone */
            end += end == st->taken_at;
            break;
        }
        bytes += txn_bytes(st->taken[end]);
        if (end > st->taken_at && bytes > STORE_BATCH_BYTES)
            break;
    }
    if (end > st->taken_at) {
        batch_begin(st, &st->taken[st->taken_at], end - st->taken_at);
        st->taken_at = end;
        return true;
    }
    if (!st->lazy_due_ms || st->lazy_due_ms > store_now_ms(st))
        return false;
    batch_begin_lazy(st);
    return true;
}

static void take(struct store *st, void *first)
{
    void **to = (void **)st->taken;

    st->taken_at = 0;
    st->n_taken = 0;
    if (first)
        to[st->n_taken++] = first;
    st->n_taken += queue_pop_many(st->queue, to + st->n_taken, STORE_BATCH_TXNS - st->n_taken);
}

static bool all_taken(const struct store *st)
{
    return st->taken_at == st->n_taken;
}

/* ---- as a thread ---- */

static void store_main(void *arg)
{
    struct store *st = arg;

    for (;;) {
        bool more = upkeep_run(st);

        if (all_taken(st)) {
            void *first = queue_pop(st->queue, more ? 0 : upkeep_wait_ms(st));

            if (!first && atomic_load(&st->closing))
                return;
            take(st, first);
        }
        if (batch_next(st)) {
            batch_commit(st);
            batch_finish(st);
        }
    }
}

/* ---- on a loop ---- */

static void turn(struct store *st);

static void link_unref(struct link *l)
{
    if (ref_put(&l->ref))
        free(l);
}

static struct link *link_ref(struct link *l)
{
    ref_get(&l->ref);
    return l;
}

static void on_turn(void *arg)
{
    struct link *l = arg;

    if (l->st) {
        (void)atomic_exchange(&l->st->posted, false);
        turn(l->st);
    }
    link_unref(l);
}

static void turn_post(struct store *st)
{
    if (!atomic_exchange(&st->posted, true))
        loop_post(st->opts.loop, on_turn, link_ref(st->link));
}

static void on_timer(struct timer *t)
{
    turn(container_of(t, struct store, timer));
}

static void commit_work(void *arg)
{
    struct link *l = arg;

    if (l->st)
        batch_commit(l->st);
    l->committed = true;
}

static void commit_done(void *arg)
{
    struct link *l = arg;

    if (l->st) {
        l->st->committing = false;
        batch_finish(l->st);
        turn(l->st);
    }
    link_unref(l);
}

/* Does one batch, and sees to it that there is a next turn when one is needed. */
static void turn(struct store *st)
{
    bool more;
    int64_t wait;

    if (st->committing)
        return;
    more = upkeep_run(st);
    if (all_taken(st))
        take(st, NULL);
    if (batch_next(st)) {
        if (st->batch.sync) {
            st->committing = true;
            st->link->committed = false;
            loop_work(st->opts.loop, commit_work, commit_done, link_ref(st->link));
            return;
        }
        batch_finish(st);
        more = true; /* to see whether there are others */
    }
    wait = more || !all_taken(st) ? 0 : upkeep_wait_ms(st);
    if (wait == 0)
        turn_post(st);
    else if (wait > 0)
        timer_start(&st->timer, (uint64_t)wait, 0);
}

/* ---- open ---- */

void store_free(struct store *st)
{
    while (st->caches.n)
        store_drop(st, st->caches.v[st->caches.n - 1]->res);
    vec_deinit(&st->caches);
    assert(st->all.subs.n == 0);
    vec_deinit(&st->all.subs);
    st->all.subs_mutex = mutex_free(st->all.subs_mutex);
    if (st->engine)
        st->engine->ops->close(st->engine);
    for (size_t i = 0; i < st->lazy.n; i++)
        free(st->lazy.v[i]);
    vec_deinit(&st->lazy);
    for (size_t i = 0; i < st->holds.n; i++)
        raw_hold_unref(st->holds.v[i]);
    vec_deinit(&st->holds);
    vec_deinit(&st->batch.txns);
    vec_deinit(&st->batch.touched);
    st->queue = queue_free(st->queue);
    if (st->link)
        link_unref(st->link);
    free(st);
}

static void set_defaults(struct store_opts *o)
{
    if (!o->lazy_max_ms)
        o->lazy_max_ms = LAZY_MAX_MS;
    if (!o->history_ms)
        o->history_ms = HISTORY_MS;
    if (!o->journal_max)
        o->journal_max = JOURNAL_MAX;
    if (!o->txns_max)
        o->txns_max = TXNS_MAX;
}

static void start(struct store *st)
{
    if (!st->opts.loop) {
        st->thread = thread_start("store", store_main, st);
        return;
    }
    st->link = xnew(struct link);
    ref_init(&st->link->ref);
    st->link->st = st;
    timer_init(&st->timer, st->opts.loop, on_timer);
    turn_post(st); /* starts the timer */
}

int store_open(const struct store_opts *opts, const struct resource *const *resources, size_t n,
               struct store **ret_st, struct err *err)
{
    struct store *st = xnew(struct store);
    int64_t compacted;
    int r = 0;

    st->opts = *opts;
    set_defaults(&st->opts);
    st->all.subs_mutex = mutex_new();
    if (opts->etcd) {
        r = remote_open(st, opts->etcd, resources, n, err);
        if (r == 0)
            *ret_st = st;
        return r;
    }
    st->engine = opts->engine;
    st->clock = opts->clock ? opts->clock : opts->loop ? loop_clock(opts->loop) : clock_real();
    st->queue = queue_new(st->opts.txns_max);
    st->engine->ops->revisions(st->engine, &st->revision, &compacted);
    atomic_init(&st->published, st->revision);
    atomic_init(&st->compacted, compacted);
    atomic_init(&st->size_bytes, st->engine->ops->size_bytes(st->engine));
    for (size_t i = 0; i < n && r == 0; i++)
        r = store_adopt(st, resources[i], err);
    if (r == 0)
        r = raw_resume(st, err);
    if (r < 0) {
        store_free(st);
        return r;
    }
    if (st->revision > compacted) /* a former run's history: it ages from now on */
        upkeep_note(st);
    start(st);
    *ret_st = st;
    return 0;
}

/* ---- close ---- */

static void stop_thread(struct store *st)
{
    atomic_store(&st->closing, true);
    queue_close(st->queue);
    st->thread = thread_join(st->thread);
}

static void stop_turns(struct store *st)
{
    timer_stop(&st->timer);
    atomic_store(&st->closing, true);
    queue_close(st->queue);
    st->link->st = NULL; /* what is queued will do nothing */
    if (!st->committing)
        return;
    if (!st->link->committed)
        batch_commit(st);
    batch_finish(st);
}

struct store *store_close(struct store *st)
{
    if (!st)
        return NULL;
    if (st->remote) {
        remote_close(st);
        return NULL;
    }
    if (st->thread)
        stop_thread(st);
    else
        stop_turns(st);
    if (st->lazy_due_ms)
        st->lazy_due_ms = 1; /* now */
    for (;;) {
        if (all_taken(st))
            take(st, NULL);
        if (all_taken(st) && !st->lazy.n)
            break;
        if (!batch_next(st))
            break; /* lazy writes that could not be written: a crash could have lost them too */
        batch_commit(st);
        batch_finish(st);
    }
    store_free(st);
    return NULL;
}

/* ---- any thread ---- */

void store_commit(struct store *st, struct store_txn *txn)
{
    if (st->remote) {
        remote_commit(st->remote, txn);
        return;
    }
    if (!queue_push(st->queue, txn)) {
        if (atomic_load(&st->closing))
            txn_refuse(txn, ERR_UNAVAILABLE, "the store is closing");
        else
            txn_refuse(txn, ERR_TOO_MANY, "too many writes are waiting for the store");
        return;
    }
    if (st->opts.loop)
        turn_post(st);
}

bool store_has_peers(const struct store *st)
{
    return st->remote != NULL;
}

void store_fresh(struct store *st, struct loop *loop, void (*fn)(void *arg, const struct err *err),
                 void *arg)
{
    assert(st->remote);
    remote_fresh(st->remote, loop, fn, arg);
}

bool store_has_ttl(const struct store *st)
{
    return st->remote != NULL;
}

bool store_healthy(const struct store *st)
{
    return !st->remote || remote_healthy(st->remote);
}

int64_t store_revision(const struct store *st)
{
    return atomic_load_explicit(&st->published, memory_order_acquire);
}

void store_stats(struct store *st, struct store_stats *ret_s)
{
    *ret_s = (struct store_stats){
        .commits = atomic_load_explicit(&st->commits, memory_order_relaxed),
        .txns = atomic_load_explicit(&st->n_txns, memory_order_relaxed),
        .lazy_txns = atomic_load_explicit(&st->n_lazy_txns, memory_order_relaxed),
        .size_bytes = atomic_load_explicit(&st->size_bytes, memory_order_relaxed),
        .revision = store_revision(st),
        .compacted = atomic_load_explicit(&st->compacted, memory_order_relaxed),
    };
}
