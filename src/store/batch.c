/* batch.c - one batch of transactions, from their expectations to their answers.
 *
 * Changes are applied to the working indexes, which nobody else sees. A commit that fails is undone
 * by going back to the published indexes. Lazy writes were published before: they wait in
 * st->lazy until a commit has taken them.
 */
#include "store/store_internal.h"

/* ---- answers ---- */

static void txn_run_done(void *arg)
{
    struct store_txn *txn = arg;

    while (txn) {
        struct store_txn *next = txn->next;

        txn->on_done(txn); /* it may be gone afterwards */
        txn = next;
    }
}

static void txn_drop_objects(struct store_txn *txn)
{
    for (size_t i = 0; i < txn->n; i++)
        if (txn->ops[i].kind == STORE_PUT)
            txn->ops[i].object = object_unref(txn->ops[i].object);
}

void txn_reset(struct store_txn *txn)
{
    txn->code = 0;
    txn->failed_op = 0;
    txn->current = txn->removed = NULL;
    txn->revision = 0;
    txn->err.code = txn->err.line = 0; /* not the whole text */
    txn->err.file = NULL;
    txn->err.msg[0] = '\0';
    txn->next = NULL;
}

void txn_answer(struct store_txn *txn)
{
    txn_drop_objects(txn);
    loop_post(txn->loop, txn_run_done, txn);
}

void txn_refuse(struct store_txn *txn, int code, const char *why)
{
    txn_reset(txn);
    txn->code = err_new(&txn->err, code, "%s", why);
    txn_answer(txn);
}

static void txn_fail_io(struct store_txn *txn, const struct err *err)
{
    txn->current = object_unref(txn->current);
    txn->removed = object_unref(txn->removed);
    txn->revision = 0;
    txn->failed_op = 0;
    txn->code = ERR_IO;
    txn->err = *err;
}

/* One post for all answers of a loop. */
static void answer(struct batch *b)
{
    for (size_t i = 0; i < b->txns.n; i++) {
        struct store_txn *first = b->txns.v[i], *last = first;

        if (!first)
            continue;
        for (size_t k = i + 1; k < b->txns.n; k++) {
            struct store_txn *txn = b->txns.v[k];

            if (!txn || txn->loop != first->loop)
                continue;
            last->next = txn;
            last = txn;
            b->txns.v[k] = NULL;
        }
        loop_post(first->loop, txn_run_done, first);
    }
    vec_clear(&b->txns);
}

/* ---- expectations ---- */

static struct str op_key(const struct store_op *op)
{
    return op->kind == STORE_PUT ? op->object->key : op->key;
}

static bool op_writes(const struct store_op *op)
{
    return op->kind == STORE_PUT || op->kind == STORE_DELETE;
}

static int op_check(const struct store_op *op, const struct object *now, struct err *err)
{
    struct str key = op_key(op);

    if (key.len == 0 || key.len > ENGINE_KEY_MAX)
        return err_new(err, ERR_TOO_LARGE, "a key has 1 to %d bytes, not %zu", ENGINE_KEY_MAX,
                       key.len);
    if (op->expect_revision == STORE_ABSENT && now)
        return err_new(err, ERR_EXISTS, "%.*s exists already", STR_ARG(key));
    if (!now && (op->expect_revision > 0 || op->kind == STORE_DELETE))
        return err_new(err, ERR_NOT_FOUND, "%.*s does not exist", STR_ARG(key));
    if (op->expect_revision > 0 && now->revision != op->expect_revision)
        return err_new(err, ERR_CONFLICT, "%.*s is at revision %lld, not %lld", STR_ARG(key),
                       (long long)now->revision, (long long)op->expect_revision);
    return 0;
}

int txn_check_distinct(const struct store_txn *txn, size_t at, struct err *err)
{
    for (size_t i = 0; i < at; i++)
        if (op_writes(&txn->ops[i]) && op_writes(&txn->ops[at]) &&
            str_eq(op_key(&txn->ops[i]), op_key(&txn->ops[at])))
            return err_new(err, ERR_BAD_REQUEST, "%.*s is written twice",
                           STR_ARG(op_key(&txn->ops[i])));
    return 0;
}

static int txn_check(struct store *st, struct store_txn *txn)
{
    for (size_t i = 0; i < txn->n; i++) {
        const struct store_op *op = &txn->ops[i];
        struct cache *c = store_find_cache(st, op->res);
        struct object *now;
        int r;

        txn->failed_op = i;
        if (!c || op->kind == STORE_ADOPT || op->kind == STORE_DROP)
            return err_new(&txn->err, ERR_INTERNAL, "the store does not keep %s",
                           op->res->plural);
        now = omap_find(&c->objects, op_key(op));
        r = op_check(op, now, &txn->err);
        if (r == 0)
            r = txn_check_distinct(txn, i, &txn->err);
        if (r < 0) {
            txn->current = now ? object_ref(now) : NULL;
            return r;
        }
    }
    txn->failed_op = 0;
    return 0;
}

/* ---- changes ---- */

static int batch_fail(struct batch *b, int code, const struct err *err)
{
    b->code = code;
    b->err = *err;
    return code;
}

void batch_open_engine(struct store *st)
{
    struct batch *b = &st->batch;
    const struct engine_ops *ops = st->engine->ops;

    if (b->sync)
        return;
    b->sync = true;
    for (size_t i = 0; i < st->lazy.n && !b->code; i++) {
        const struct lazy_write *w = st->lazy.v[i];
        struct err err = {0};
        int r = w->deleted ? ops->remove(st->engine, w->revision, w->key, &err)
                           : ops->put(st->engine, w->revision, w->key, w->value, 0, &err);

        if (r < 0)
            (void)batch_fail(b, r, &err);
    }
}

static void lazy_keep(struct store *st, int64_t revision, struct str key, struct str value,
                      bool deleted)
{
    struct lazy_write *w = xcalloc(1, sizeof(*w) + key.len + value.len);
    char *bytes = (char *)(w + 1);

    memcpy(bytes, key.p, key.len);
    if (value.len)
        memcpy(bytes + key.len, value.p, value.len);
    w->revision = revision;
    w->key = (struct str){bytes, key.len};
    w->value = (struct str){bytes + key.len, value.len};
    w->deleted = deleted;
    vec_push(&st->lazy, w);
    st->lazy_bytes += key.len + value.len;
    if (!st->lazy_due_ms)
        st->lazy_due_ms = store_now_ms(st) + st->opts.lazy_max_ms;
}

int batch_write(struct store *st, int64_t revision, struct str key, struct str value,
                int64_t lease, bool deleted)
{
    struct batch *b = &st->batch;
    const struct engine_ops *ops = st->engine->ops;
    struct err err = {0};
    int r;

    st->written_bytes += key.len + value.len;
    if (!b->durable) {
        lazy_keep(st, revision, key, value, deleted);
        return 0;
    }
    if (!b->sync)
        batch_open_engine(st);
    if (b->code)
        return b->code;
    r = deleted ? ops->remove(st->engine, revision, key, &err)
                : ops->put(st->engine, revision, key, value, lease, &err);
    return r < 0 ? batch_fail(b, r, &err) : 0;
}

static void note_event(struct store *st, struct cache *c, const struct event *ev)
{
    vec_push(&c->pending, *ev);
    if (c->touched)
        return;
    c->touched = true;
    vec_push(&st->batch.touched, c);
}

int batch_put(struct store *st, struct cache *c, struct store_op *op, int64_t revision,
              int64_t lease)
{
    struct object *o = op->object, *prev = omap_find(&c->objects, o->key);
    struct event ev = {.type = prev ? EVENT_MODIFIED : EVENT_ADDED, .revision = revision};
    int r = batch_write(st, revision, o->key, object_stored_json(o), lease, false);

    if (r < 0)
        return r;
    object_publish(o, revision, prev ? prev->create_revision : revision,
                   prev ? prev->version + 1 : 1);
    ev.object = steal(op->object);
    ev.prev = prev ? object_ref(prev) : NULL;
    (void)omap_put(&c->objects, o);
    note_event(st, c, &ev);
    return 0;
}

int batch_delete(struct store *st, struct cache *c, struct store_txn *txn, struct str key,
                 int64_t revision)
{
    struct object *victim = omap_find(&c->objects, key);
    struct event ev = {.type = EVENT_DELETED, .revision = revision};
    int r = batch_write(st, revision, key, STR_NULL, 0, true);

    if (r < 0)
        return r;
    ev.object = object_with_revision(victim, revision);
    ev.prev = object_ref(victim);
    (void)omap_remove(&c->objects, key);
    (void)object_unref(txn->removed);
    txn->removed = object_ref(ev.object);
    note_event(st, c, &ev);
    return 0;
}

static bool txn_writes(const struct store_txn *txn)
{
    for (size_t i = 0; i < txn->n; i++)
        if (op_writes(&txn->ops[i]))
            return true;
    return false;
}

/* What failed may be found after a crash: a revision of it is not shown as another's, as long as
 * those that can be given before the next commit suffice (each of the lazy writes needs one). */
static void skip_failed(struct store *st)
{
    int64_t current, compacted;

    st->engine->ops->revisions(st->engine, &current, &compacted);
    if (st->failed_revision <= current + ENGINE_REVISIONS_AHEAD - STORE_LAZY_PENDING)
        st->revision = MAX(st->revision, st->failed_revision);
}

static void txn_apply(struct store *st, struct store_txn *txn)
{
    int r = 0;

    txn->revision = st->revision;
    if (!txn_writes(txn))
        return;
    if (!st->batch.durable && st->failed_revision > st->revision)
        skip_failed(st);
    txn->revision = ++st->revision;
    st->batch.dirty = true;
    for (size_t i = 0; i < txn->n && r == 0; i++) {
        struct store_op *op = &txn->ops[i];
        struct cache *c = store_find_cache(st, op->res);

        if (op->kind == STORE_PUT)
            r = batch_put(st, c, op, txn->revision, 0);
        else if (op->kind == STORE_DELETE)
            r = batch_delete(st, c, txn, op->key, txn->revision);
    }
}

bool txn_is_of_resource(const struct store_txn *txn)
{
    return txn->n == 1 && (txn->ops[0].kind == STORE_ADOPT || txn->ops[0].kind == STORE_DROP);
}

/* The load sees the open batch; what waits to be written goes there first. */
static int txn_apply_resource(struct store *st, struct store_txn *txn)
{
    const struct store_op *op = &txn->ops[0];

    txn->revision = st->revision;
    if (op->kind == STORE_DROP) {
        store_drop(st, op->res);
        return 0;
    }
    if (st->lazy.n)
        batch_open_engine(st);
    return st->batch.code ? 0 : store_adopt(st, op->res, &txn->err);
}

static void txn_begin(struct store *st, struct store_txn *txn)
{
    struct batch *b = &st->batch;

    txn_reset(txn);
    vec_push(&b->txns, txn);
    if (b->code)
        return; /* all fail alike */
    if (txn_is_of_resource(txn)) {
        txn->code = txn_apply_resource(st, txn);
        return;
    }
    if (txn_is_raw(txn)) {
        txn->code = raw_run(st, txn);
        return;
    }
    txn->code = txn_check(st, txn);
    if (txn->code == 0)
        txn_apply(st, txn);
}

static bool is_reader(const struct store_txn *txn)
{
    return txn_is_raw(txn) && raw_is_reader(txn);
}

void batch_begin(struct store *st, struct store_txn *const *txns, size_t n)
{
    struct batch *b = &st->batch;

    b->durable = st->lazy.n + n > STORE_LAZY_PENDING || st->lazy_bytes >= STORE_LAZY_BYTES;
    for (size_t i = 0; i < n; i++)
        b->durable |= !txns[i]->lazy;
    /* Reads first while the disk fails: what writes takes those with it that run after it. */
    for (size_t i = 0; i < n; i++)
        if (st->writing.told && is_reader(txns[i]))
            txn_begin(st, txns[i]);
    for (size_t i = 0; i < n; i++)
        if (!st->writing.told || !is_reader(txns[i]))
            txn_begin(st, txns[i]);
}

void batch_begin_lazy(struct store *st)
{
    st->batch.durable = true;
    batch_open_engine(st);
}

bool batch_blocks(const struct store *st)
{
    return st->batch.sync || st->batch.defragment;
}

void batch_commit(struct store *st)
{
    struct batch *b = &st->batch;
    struct err err = {0};
    int r = 0;

    if (b->sync && !b->code)
        r = st->engine->ops->commit(st->engine, &err);
    if (r < 0)
        (void)batch_fail(b, r, &err);
    if (b->sync && b->code)
        st->engine->ops->abort(st->engine);
    if (b->defragment && !b->code)
        b->defragment_code = st->engine->ops->defragment(st->engine, &b->defragment_err);
}

/* ---- outcome ---- */

static void publish(struct store *st)
{
    struct batch *b = &st->batch;
    uint64_t now = store_now_ms(st);
    bool grew = atomic_load_explicit(&st->published, memory_order_relaxed) != st->revision;

    for (size_t i = 0; i < b->touched.n; i++) {
        struct cache *c = b->touched.v[i];

        for (size_t k = 0; k < c->pending.n; k++)
            journal_append(&c->journal, &c->pending.v[k], now);
        journal_publish(&c->journal); /* before the index: whoever has that finds its events */
        cache_publish(c, c->pending.v[c->pending.n - 1].revision);
        vec_clear(&c->pending);
    }
    atomic_store_explicit(&st->published, st->revision, memory_order_release);
    for (size_t i = 0; i < b->touched.n; i++)
        cache_wake(b->touched.v[i]);
    if (grew)
        cache_wake(&st->all);
    if (b->compact_to)
        upkeep_compact(st, b->compact_to);
}

static void rollback(struct store *st)
{
    struct batch *b = &st->batch;

    for (size_t i = 0; i < b->touched.n; i++) {
        struct cache *c = b->touched.v[i];

        for (size_t k = 0; k < c->pending.n; k++) {
            (void)object_unref(c->pending.v[k].object);
            (void)object_unref(c->pending.v[k].prev);
        }
        vec_clear(&c->pending);
        cache_rollback(c);
    }
    if (b->sync)
        st->failed_revision = MAX(st->failed_revision, st->revision);
    st->revision = atomic_load_explicit(&st->published, memory_order_relaxed);
    for (size_t i = 0; i < b->txns.n; i++)
        if (!txn_is_raw(b->txns.v[i]) || !raw_stands(b->txns.v[i]))
            txn_fail_io(b->txns.v[i], &b->err);
    if (st->lazy.n) /* they stay published: tried again soon */
        st->lazy_due_ms = store_now_ms(st) + STORE_RETRY_MS;
}

static void defragment_tell(struct batch *b)
{
    for (size_t i = 0; i < b->txns.n; i++) {
        struct store_txn *txn = b->txns.v[i];

        if (txn->code || !txn_is_raw(txn) || !raw_defragments(txn))
            continue;
        txn->code = b->defragment_code;
        txn->err = b->defragment_err;
    }
}

static void lazy_forget(struct store *st)
{
    for (size_t i = 0; i < st->lazy.n; i++)
        free(st->lazy.v[i]);
    vec_clear(&st->lazy);
    st->lazy_bytes = 0;
    st->lazy_due_ms = 0;
}

static void count(struct store *st)
{
    struct batch *b = &st->batch;

    for (size_t i = 0; i < b->txns.n; i++) {
        if (b->txns.v[i]->code)
            continue;
        atomic_fetch_add_explicit(&st->n_txns, 1, memory_order_relaxed);
        if (b->txns.v[i]->lazy)
            atomic_fetch_add_explicit(&st->n_lazy_txns, 1, memory_order_relaxed);
    }
    if (b->code)
        atomic_fetch_add_explicit(&st->failed_commits, 1, memory_order_relaxed);
    if (!batch_blocks(st) || b->code)
        return;
    if (b->sync)
        atomic_fetch_add_explicit(&st->commits, 1, memory_order_relaxed);
    atomic_store_explicit(&st->size_bytes, st->engine->ops->size_bytes(st->engine),
                          memory_order_relaxed);
}

void batch_finish(struct store *st)
{
    struct batch *b = &st->batch;

    if (b->code) {
        rollback(st);
    } else {
        publish(st);
        if (b->sync) {
            lazy_forget(st);
            st->failed_revision = 0;
        }
        upkeep_note(st);
        if (b->defragment)
            defragment_tell(b);
    }
    count(st);
    if (batch_blocks(st))
        store_tell(st, &st->writing, "writing to disk",
                   b->code ? b->err.msg : st->engine->ops->trouble(st->engine));
    for (size_t i = 0; i < b->touched.n; i++)
        b->touched.v[i]->touched = false;
    for (size_t i = 0; i < b->txns.n; i++)
        txn_drop_objects(b->txns.v[i]);
    vec_clear(&b->touched);
    b->durable = b->sync = b->defragment = b->dirty = false;
    b->defragment_err = (struct err){0};
    b->defragment_code = 0;
    b->compact_to = 0;
    b->code = 0;
    answer(b);
}
