/* raw.c - transactions on keys and values as bytes.
 *
 * A raw transaction takes its turn among the others of a batch and writes through it: so what it
 * changes under a resource's prefix is in that resource's cache and journal, and all is taken back
 * when the commit fails.
 */
#include "store/raw.h"
#include "base/map.h"
#include "store/store_internal.h"

#define NOTE_COMPACT STR("store/compact")

struct raw {
    struct store *store;
    struct store_txn *txn;
    int64_t revision;   /* before it */
    bool wrote;         /* a key */
    struct map deleted; /* keys */
};

static struct raw_txn *raw_of(const struct store_txn *txn)
{
    return container_of(txn, struct raw_txn, base);
}

static void raw_done(struct store_txn *base)
{
    struct raw_txn *txn = raw_of(base);

    base->removed = object_unref(base->removed);
    txn->code = base->code;
    txn->revision = base->revision;
    txn->err = &base->err;
    txn->on_done(txn);
}

void raw_commit(struct store *st, struct raw_txn *txn)
{
    txn->op = (struct store_op){.kind = STORE_RAW};
    txn->defragment = txn->stands = false;
    txn->base = (struct store_txn){.ops = &txn->op, .n = 1, .loop = txn->loop, .on_done = raw_done};
    if (st->remote)
        txn_refuse(&txn->base, ERR_NOT_ALLOWED, "the store is an external etcd");
    else
        store_commit(st, &txn->base);
}

size_t raw_bytes(const struct store_txn *txn)
{
    return raw_of(txn)->bytes;
}

int raw_run(struct store *st, struct store_txn *txn)
{
    struct raw_txn *rt = raw_of(txn);
    struct raw raw = {.store = st, .txn = txn, .revision = st->revision};
    bool clean = !st->batch.dirty;
    int r;

    if (st->lazy.n)
        batch_open_engine(st);
    if (st->batch.code)
        return 0; /* all fail alike */
    r = rt->run(&raw, rt->arg, &txn->err);
    if (r < 0 && raw.wrote && !st->batch.code) { /* half done: none of the batch is */
        st->batch.code = r;
        st->batch.err = txn->err;
    }
    rt->stands = clean && !st->batch.dirty;
    txn->revision = st->revision;
    map_deinit(&raw.deleted);
    return r;
}

/* ---- reads ---- */

int64_t raw_revision(const struct raw *raw)
{
    return raw->revision;
}

int64_t raw_compacted(const struct raw *raw)
{
    const struct store *st = raw->store;
    int64_t current, compacted;

    st->engine->ops->revisions(st->engine, &current, &compacted);
    compacted = MAX(compacted, st->compact_to);
    return MAX(compacted, st->batch.compact_to);
}

uint64_t raw_size_bytes(const struct raw *raw)
{
    return raw->store->engine->ops->size_bytes(raw->store->engine);
}

uint64_t raw_used_bytes(const struct raw *raw)
{
    return raw->store->engine->ops->used_bytes(raw->store->engine);
}

static struct raw_kv kv_of(const struct engine_kv *kv)
{
    return (struct raw_kv){.key = kv->key,
                           .value = kv->value,
                           .create_revision = kv->create_revision,
                           .mod_revision = kv->mod_revision,
                           .version = kv->version,
                           .lease = kv->lease,
                           .sub = kv->sub,
                           .deleted = kv->deleted};
}

int raw_get(struct raw *raw, struct str key, struct raw_kv *ret_kv, struct err *err)
{
    struct engine *e = raw->store->engine;
    struct engine_kv kv;
    int r = e->ops->get(e, key, &kv, err);

    if (r == 0)
        *ret_kv = kv_of(&kv);
    return r;
}

struct walk {
    int (*each)(void *arg, const struct raw_kv *kv);
    void *arg;
};

static int walk_one(void *arg, const struct engine_kv *ekv)
{
    struct walk *w = arg;
    struct raw_kv kv = kv_of(ekv);

    return w->each(w->arg, &kv);
}

static int compacted_away(const struct raw *raw, int64_t revision, struct err *err)
{
    if (revision >= raw_compacted(raw))
        return 0;
    return err_new(err, ERR_EXPIRED, "revision %lld has been compacted (%lld)", (long long)revision,
                   (long long)raw_compacted(raw));
}

int raw_range(struct raw *raw, struct str from, struct str end, int64_t revision,
              int (*each)(void *arg, const struct raw_kv *kv), void *arg, struct err *err)
{
    struct engine *e = raw->store->engine;
    struct walk w = {each, arg};
    int r = revision ? compacted_away(raw, revision, err) : 0;

    return r < 0 ? r : e->ops->range(e, from, end, revision, walk_one, &w, err);
}

int raw_count(struct raw *raw, struct str from, struct str end, int64_t revision, int64_t *ret_n,
              struct err *err)
{
    struct engine *e = raw->store->engine;
    int r = revision ? compacted_away(raw, revision, err) : 0;

    return r < 0 ? r : e->ops->count(e, from, end, revision, ret_n, err);
}

int raw_hold(struct raw *raw, uint64_t max_ms, struct raw_hold **ret_h, struct err *err)
{
    struct store *st = raw->store;
    uint64_t now = store_now_ms(st);
    struct raw_hold *h;

    (void)upkeep_held(st, now);
    if (st->holds.n >= STORE_HOLDS)
        return err_new(err, ERR_TOO_MANY, "%d readers hold history back already", STORE_HOLDS);
    h = xnew(struct raw_hold);
    ref_init(&h->ref);
    ref_get(&h->ref);
    h->revision = raw->revision;
    h->until_ms = now + max_ms;
    vec_push(&st->holds, h);
    *ret_h = h;
    return 0;
}

/* Not raw_range(): the revision may be compacted away for everybody else. */
int raw_range_held(struct raw *raw, const struct raw_hold *h, struct str from,
                   int (*each)(void *arg, const struct raw_kv *kv), void *arg, struct err *err)
{
    struct engine *e = raw->store->engine;
    struct walk w = {each, arg};

    if (store_now_ms(raw->store) >= h->until_ms)
        return err_new(err, ERR_EXPIRED, "history was held back for too long");
    return e->ops->range(e, from, STR_NULL, h->revision, walk_one, &w, err);
}

struct raw_hold *raw_hold_end(struct raw_hold *h)
{
    if (h) {
        atomic_store(&h->ended, true);
        raw_hold_unref(h);
    }
    return NULL;
}

void raw_hold_unref(struct raw_hold *h)
{
    if (ref_put(&h->ref))
        free(h);
}

int raw_changes(struct raw *raw, int64_t from, int64_t to,
                int (*each)(void *arg, const struct raw_kv *kv), void *arg, struct err *err)
{
    struct engine *e = raw->store->engine;
    int64_t published = atomic_load_explicit(&raw->store->published, memory_order_relaxed);
    struct walk w = {each, arg};
    int r = compacted_away(raw, from, err);

    return r < 0 ? r : e->ops->changes(e, from, MIN(to, published), walk_one, &w, err);
}

/* ---- writes ---- */

/* The cache of the resource whose key @key is, or NULL. */
static struct cache *cache_of_key(struct store *st, struct str key)
{
    struct cache *best = NULL;
    size_t best_len = 0;

    for (size_t i = 0; i < st->caches.n; i++) {
        struct str prefix = str_from(st->caches.v[i]->res->store_prefix);

        if (prefix.len > best_len && str_has_prefix(key, prefix)) {
            best = st->caches.v[i];
            best_len = prefix.len;
        }
    }
    return best;
}

static int make_object(const struct cache *c, struct str key, struct str value,
                       struct object **ret_o, struct err *err)
{
    return object_from_stored(c->res, key, value, ret_o, err) < 0
               ? err_wrap(err, ERR_BAD_REQUEST, "no object of %s", c->res->plural)
               : 0;
}

static int key_check(struct str key, struct err *err)
{
    if (key.len > 0 && key.len <= ENGINE_KEY_MAX)
        return 0;
    return err_new(err, ERR_TOO_LARGE, "a key has 1 to %d bytes, not %zu", ENGINE_KEY_MAX, key.len);
}

int raw_may_put(struct raw *raw, struct str key, struct str value, struct err *err)
{
    const struct cache *c = cache_of_key(raw->store, key);
    struct object *o;
    int r = key_check(key, err);

    if (r < 0 || !c)
        return r;
    r = make_object(c, key, value, &o, err);
    if (r == 0)
        (void)object_unref(o);
    return r;
}

/* The revision of this transaction's writes. */
static int64_t write_revision(struct raw *raw)
{
    raw->wrote = true;
    raw->store->batch.dirty = true;
    raw->store->revision = raw->revision + 1;
    return raw->revision + 1;
}

/* 0 with what there is of @key, ERR_NOT_FOUND, or ERR_BAD_REQUEST when it was written before. */
static int written_before(struct raw *raw, struct str key, struct err *err)
{
    struct raw_kv kv;
    int r = raw_get(raw, key, &kv, err);

    if (r == 0 ? kv.mod_revision > raw->revision
               : r == ERR_NOT_FOUND && raw->deleted.n && map_find(&raw->deleted, key))
        return err_new(err, ERR_BAD_REQUEST, "%.*s is written twice", STR_ARG(key));
    return r;
}

int raw_put(struct raw *raw, struct str key, struct str value, int64_t lease, struct err *err)
{
    struct store *st = raw->store;
    struct store_op op = {.kind = STORE_PUT};
    struct cache *c = cache_of_key(st, key);
    int r = key_check(key, err);

    if (r == 0 && raw->wrote) /* else it cannot be: what is there need not be read */
        r = written_before(raw, key, err);
    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    if (c) {
        r = make_object(c, key, value, &op.object, err);
        if (r < 0)
            return r;
        r = batch_put(st, c, &op, write_revision(raw), lease);
        op.object = object_unref(op.object);
    } else {
        r = batch_write(st, write_revision(raw), key, value, lease, false);
    }
    return r < 0 ? err_new(err, ERR_IO, "%s", st->batch.err.msg) : 0;
}

int raw_delete(struct raw *raw, struct str key, struct err *err)
{
    struct store *st = raw->store;
    struct cache *c = cache_of_key(st, key);
    int r = written_before(raw, key, err);

    if (r < 0)
        return r;
    (void)map_set(&raw->deleted, key, raw);
    r = c ? batch_delete(st, c, raw->txn, key, write_revision(raw))
          : batch_write(st, write_revision(raw), key, STR_NULL, 0, true);
    return r < 0 ? err_new(err, ERR_IO, "%s", st->batch.err.msg) : 0;
}

/* ---- notes ---- */

int raw_note(struct raw *raw, struct str name, struct str value, struct err *err)
{
    struct store *st = raw->store;
    struct batch *b = &st->batch;
    int r = key_check(name, err);

    if (r < 0)
        return r;
    b->dirty = true;
    batch_open_engine(st);
    if (!b->code)
        b->code = st->engine->ops->note(st->engine, name, value, &b->err);
    return b->code ? err_new(err, ERR_IO, "%s", b->err.msg) : 0;
}

int raw_notes(struct raw *raw, struct str prefix,
              int (*each)(void *arg, struct str name, struct str value), void *arg, struct err *err)
{
    struct engine *e = raw->store->engine;

    return e->ops->notes(e, prefix, each, arg, err);
}

/* ---- compaction ---- */

/* The note tells a later run of it, should this one end before the engine knows. */
int raw_compact(struct raw *raw, int64_t revision, struct err *err)
{
    struct batch *b = &raw->store->batch;
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)revision);
    int r;

    if (revision <= raw_compacted(raw))
        return err_new(err, ERR_EXPIRED, "revision %lld has been compacted (%lld)",
                       (long long)revision, (long long)raw_compacted(raw));
    if (revision > raw->revision)
        return err_new(err, ERR_TIMEOUT, "revision %lld is in the future (%lld)",
                       (long long)revision, (long long)raw->revision);
    r = raw_note(raw, NOTE_COMPACT, (struct str){text, (size_t)n}, err);
    if (r == 0)
        b->compact_to = revision;
    return r;
}

/* The engine may have a batch open now, of others or of lazy writes. */
int raw_defragment(struct raw *raw, struct err *err)
{
    (void)err;
    assert(!raw->wrote);
    raw_of(raw->txn)->defragment = true;
    raw->store->batch.defragment = raw->store->batch.dirty = true;
    return 0;
}

bool raw_is_reader(const struct store_txn *txn)
{
    return !raw_of(txn)->bytes;
}

bool raw_stands(const struct store_txn *txn)
{
    return raw_of(txn)->stands;
}

bool raw_defragments(const struct store_txn *txn)
{
    return raw_of(txn)->defragment;
}

static int resume_one(void *arg, struct str name, struct str value)
{
    struct store *st = arg;
    int64_t revision;

    (void)name;
    if (str_to_i64(value, &revision) && revision <= st->revision)
        upkeep_compact(st, revision);
    return 0;
}

int raw_resume(struct store *st, struct err *err)
{
    return st->engine->ops->notes(st->engine, NOTE_COMPACT, resume_one, st, err);
}

/* ---- news ---- */

struct subscription *raw_subscribe(struct store *st, struct loop *loop, void (*fn)(void *arg),
                                   void *arg)
{
    return cache_subscribe(&st->all, loop, fn, arg);
}
