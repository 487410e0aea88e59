/* engine_lmdb.c - the engine on disk: reads, the open batch, commit.
 *
 * Changes go into an LMDB write transaction and into the log (lmdb_wal.c). A commit makes the log
 * durable; the transaction stays open until the next checkpoint. The log's part since then is also
 * kept in memory: when a batch is given up, or the map turns out too small, the transaction is
 * dropped, the map doubled, and what the log has done again. So there is no limit in advance, and
 * the map of a small store stays small.
 */
#include "store/lmdb_internal.h"
#include <errno.h>
#include <sys/stat.h>

enum {
    RELEASE_BYTES = 4 << 20, /* values read before their pages are given back */
    REST_BYTES = 256 << 10,  /* a log that is not worth a checkpoint for its memory's sake */
    /* After a storm the log may not grow for hours: a small batch then ends the transaction, whose
     * pages compaction has in memory. */
    QUIET_SWEPT = 512,
    QUIET_OPS = 8,
};

int lmdb_fail(struct engine_lmdb *e, int rc, const char *what, struct err *err)
{
    if (rc == MDB_PANIC)
        e->broken = e->unsure = true;
    return err_new(err, ERR_IO, "store in %s: %s: %s", e->dir, what, mdb_strerror(rc));
}

int lmdb_grow(struct engine_lmdb *e, struct err *err)
{
    MDB_envinfo info;
    int rc = mdb_env_info(e->env, &info);

    assert(!e->txn);
    if (!rc)
        rc = mdb_env_set_mapsize(e->env, info.me_mapsize * 2);
    e->broken |= rc != 0; /* there is no map now: reopened at the next use */
    return rc ? lmdb_fail(e, rc, "grow the map", err) : 0;
}

int lmdb_read_begin(struct engine_lmdb *e, MDB_txn **ret_txn, struct err *err)
{
    int rc, r = lmdb_ready(e, err);

    if (r < 0)
        return r;
    if (!e->txn) {
        rc = mdb_txn_renew(e->read);
        if (rc)
            return lmdb_fail(e, rc, "begin to read", err);
    }
    *ret_txn = e->txn ? e->txn : e->read;
    return 0;
}

void lmdb_read_end(struct engine_lmdb *e)
{
    if (!e->txn)
        mdb_txn_reset(e->read);
}

void lmdb_release_pages(struct engine_lmdb *e)
{
    MDB_envinfo info;

    if (e->broken || e->txn || e->read_bytes < RELEASE_BYTES)
        return;
    e->read_bytes = 0;
    if (mdb_env_info(e->env, &info) == 0 && mdb_env_set_mapsize(e->env, info.me_mapsize))
        e->broken = true; /* as in lmdb_grow() */
}

static struct engine_kv kv_of(const struct record *r)
{
    return (struct engine_kv){.key = r->key,
                              .value = r->value,
                              .mod_revision = r->at.revision,
                              .create_revision = r->create,
                              .version = r->version,
                              .lease = r->lease,
                              .sub = r->at.sub,
                              .deleted = r->deleted};
}

static int64_t newest(const struct engine_lmdb *e)
{
    return e->txn && e->last.revision ? e->last.revision : e->current;
}

static void lmdb_revisions(struct engine *base, int64_t *ret_current, int64_t *ret_compacted)
{
    *ret_current = lmdb_of(base)->current;
    *ret_compacted = lmdb_of(base)->state.compacted;
}

static int damaged_entry(struct str key, struct err *err)
{
    return err_new(err, ERR_PARSE, "damaged entry of %.*s", STR_ARG(key));
}

/* The record that @en, the entry of @key, speaks of; both must agree. */
static int entry_record(struct engine_lmdb *e, MDB_txn *txn, struct str key,
                        const struct entry *en, struct record *ret_r, struct err *err)
{
    int r = record_load(e, txn, en->at, ret_r, err);

    if (r == ERR_NOT_FOUND)
        return damaged_entry(key, err);
    if (r == 0 && (!str_eq(ret_r->key, key) || ret_r->version != en->version ||
                   ret_r->deleted != en->deleted || ret_r->create != en->create))
        return damaged_entry(key, err);
    return r;
}

/* What @key was at @revision (0: newest): 1 with @ret_r, 0 when it did not exist. */
static int record_at(struct engine_lmdb *e, MDB_txn *txn, struct str key, struct str entry_bytes,
                     int64_t revision, struct record *ret_r, struct err *err)
{
    struct entry en;
    struct rev_at at;
    int r;

    if (!entry_read(&e->crc, key, entry_bytes, &en))
        return damaged_entry(key, err);
    if (!revision || en.at.revision <= revision) {
        if (en.deleted)
            return 0;
        r = entry_record(e, txn, key, &en, ret_r, err);
        return r < 0 ? r : 1;
    }
    for (at = en.at; at.revision; at = ret_r->older) {
        r = record_load(e, txn, at, ret_r, err);
        if (r == ERR_NOT_FOUND && at.revision < e->state.compacted)
            return 0; /* a deletion that was compacted away */
        if (r == ERR_NOT_FOUND)
            return damaged_entry(key, err);
        if (r < 0)
            return r;
        if (at.revision <= revision)
            return !ret_r->deleted;
        if (ret_r->older.revision > at.revision)
            return damaged_entry(key, err); /* it would never end */
    }
    return 0;
}

static int check_revision(struct engine_lmdb *e, int64_t revision, struct err *err)
{
    if (revision < e->state.compacted)
        return err_new(err, ERR_EXPIRED, "revision %lld has been compacted (%lld)",
                       (long long)revision, (long long)e->state.compacted);
    if (revision > newest(e))
        return err_new(err, ERR_TIMEOUT, "revision %lld is in the future (%lld)",
                       (long long)revision, (long long)newest(e));
    return 0;
}

struct entries { /* a walk over the table of keys */
    struct engine_lmdb *e;
    MDB_txn *txn;
    int64_t revision;
    int (*each)(struct entries *w, struct str key, struct str entry, struct err *err);
    int (*each_kv)(void *arg, const struct engine_kv *kv); /* range() */
    void *arg;
    int64_t n; /* count() */
};

static int entries_in(struct entries *w, struct str start, struct str end, struct err *err)
{
    MDB_val k = val_of(start), v;
    MDB_cursor *c;
    int r = 0, rc = mdb_cursor_open(w->txn, w->e->key, &c);

    if (rc)
        return lmdb_fail(w->e, rc, "read", err);
    /* A start longer than any key: LMDB would refuse it. */
    if (start.len > ENGINE_KEY_MAX)
        k.mv_size = ENGINE_KEY_MAX;
    rc = mdb_cursor_get(c, &k, &v, start.len ? MDB_SET_RANGE : MDB_FIRST);
    for (; rc == 0 && r == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (str_cmp(val_str(&k), start) < 0)
            continue;
        if (end.len && str_cmp(val_str(&k), end) >= 0)
            break;
        r = w->each(w, val_str(&k), val_str(&v), err);
    }
    mdb_cursor_close(c);
    if (r == 0 && rc && rc != MDB_NOTFOUND)
        return lmdb_fail(w->e, rc, "read", err);
    return r;
}

static int entries_walk(struct entries *w, struct str from, struct str end, struct err *err)
{
    int r = w->revision ? check_revision(w->e, w->revision, err) : 0;

    if (r == 0)
        r = lmdb_read_begin(w->e, &w->txn, err);
    if (r < 0)
        return r;
    r = entries_in(w, from, end, err);
    lmdb_read_end(w->e);
    lmdb_release_pages(w->e);
    return r;
}

static int range_one(struct entries *w, struct str key, struct str entry, struct err *err)
{
    struct record rec;
    struct engine_kv kv;
    int r = record_at(w->e, w->txn, key, entry, w->revision, &rec, err);

    if (r <= 0)
        return r;
    kv = kv_of(&rec);
    return w->each_kv(w->arg, &kv);
}

static int lmdb_range(struct engine *base, struct str from, struct str end, int64_t revision,
                      int (*each)(void *arg, const struct engine_kv *kv), void *arg,
                      struct err *err)
{
    struct entries w = {.e = lmdb_of(base),
                        .revision = revision,
                        .each = range_one,
                        .each_kv = each,
                        .arg = arg};

    return entries_walk(&w, from, end, err);
}

/* Most entries tell by themselves whether their key was there. */
static int count_one(struct entries *w, struct str key, struct str bytes, struct err *err)
{
    struct record rec;
    struct entry en;
    int r;

    if (!entry_read(&w->e->crc, key, bytes, &en))
        return damaged_entry(key, err);
    if (!w->revision || en.at.revision <= w->revision)
        r = !en.deleted;
    else if (!en.deleted && en.create <= w->revision)
        r = 1; /* ever since */
    else
        r = record_at(w->e, w->txn, key, bytes, w->revision, &rec, err);
    w->n += r > 0;
    return MIN(r, 0);
}

static int lmdb_count(struct engine *base, struct str from, struct str end, int64_t revision,
                      int64_t *ret_n, struct err *err)
{
    struct entries w = {.e = lmdb_of(base), .revision = revision, .each = count_one};
    int r = entries_walk(&w, from, end, err);

    if (r == 0)
        *ret_n = w.n;
    return r;
}

static int lmdb_get(struct engine *base, struct str key, struct engine_kv *ret_kv,
                    struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    MDB_txn *txn;
    MDB_val k = val_of(key), v;
    struct record rec;
    int rc, r;

    if (key.len == 0 || key.len > ENGINE_KEY_MAX)
        return ERR_NOT_FOUND;
    lmdb_release_pages(e);
    r = lmdb_read_begin(e, &txn, err);
    if (r < 0)
        return r;
    rc = mdb_get(txn, e->key, &k, &v);
    if (rc == MDB_NOTFOUND)
        r = ERR_NOT_FOUND;
    else if (rc)
        r = lmdb_fail(e, rc, "read", err);
    else
        r = record_at(e, txn, key, val_str(&v), 0, &rec, err);
    lmdb_read_end(e);
    if (r > 0)
        *ret_kv = kv_of(&rec);
    return r > 0 ? 0 : r < 0 ? r : ERR_NOT_FOUND;
}

static int changes_in(struct engine_lmdb *e, MDB_txn *txn, int64_t from, int64_t to,
                      int (*each)(void *arg, const struct engine_kv *kv), void *arg,
                      struct err *err)
{
    unsigned char start[REV_KEY_BYTES];
    MDB_val k = {sizeof(start), start}, v;
    MDB_cursor *c;
    int r = 0, rc = mdb_cursor_open(txn, e->rev, &c);

    if (rc)
        return lmdb_fail(e, rc, "read", err);
    rev_key_write((struct rev_at){MAX(from, 0), 0}, start);
    rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    for (; rc == 0 && r == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        struct rev_at at;
        struct record rec;
        struct engine_kv kv;

        if (!rev_key_read(val_str(&k), &at)) {
            r = err_new(err, ERR_PARSE, "damaged table of revisions");
            break;
        }
        if (at.revision > to)
            break;
        e->read_bytes += v.mv_size;
        r = record_read(&e->crc, at, val_str(&v), &rec, err);
        if (r < 0)
            break;
        kv = kv_of(&rec);
        r = each(arg, &kv);
    }
    mdb_cursor_close(c);
    if (r == 0 && rc && rc != MDB_NOTFOUND)
        return lmdb_fail(e, rc, "read", err);
    return r;
}

static int lmdb_changes(struct engine *base, int64_t from, int64_t to,
                        int (*each)(void *arg, const struct engine_kv *kv), void *arg,
                        struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    MDB_txn *txn;
    int r;

    if (from < e->state.compacted)
        return err_new(err, ERR_EXPIRED, "revision %lld has been compacted (%lld)",
                       (long long)from, (long long)e->state.compacted);
    r = lmdb_read_begin(e, &txn, err);
    if (r < 0)
        return r;
    r = changes_in(e, txn, from, to, each, arg, err);
    lmdb_read_end(e);
    lmdb_release_pages(e);
    return r;
}

int lmdb_state_write(struct engine_lmdb *e, MDB_txn *txn, const struct engine_state *s)
{
    unsigned char bytes[STATE_BYTES];
    MDB_val k = val_of(STR("state")), v = {sizeof(bytes), bytes};

    state_write(&e->crc, s, bytes);
    return mdb_put(txn, e->meta, &k, &v, 0);
}

/* Opens the write transaction. An LMDB code. */
static int txn_begin(struct engine_lmdb *e)
{
    int rc = mdb_txn_begin(e->env, NULL, 0, &e->txn);

    if (rc) {
        e->txn = NULL; /* LMDB leaves it as it was, but does not promise to */
        return rc;
    }
    rc = mdb_cursor_open(e->txn, e->rev, &e->revs);
    if (!rc)
        rc = mdb_cursor_open(e->txn, e->key, &e->keys);
    return rc;
}

void lmdb_txn_drop(struct engine_lmdb *e)
{
    if (e->txn)
        mdb_txn_abort(e->txn);
    e->txn = NULL;
    e->last = (struct rev_at){0};
    e->scanned = e->state.scanned;
    e->swept = 0;
}

/* Writes one change of a key into the transaction. An LMDB code; MDB_NOTFOUND: nothing to
 * delete; MDB_KEYEXIST: nothing to restore. */
static int key_apply(struct engine_lmdb *e, const struct batch_op *op)
{
    struct str bytes = buf_view(&e->log);
    struct record r = {.at = {op->revision, 0},
                       .key = str_sub(bytes, op->key_at, op->key_len),
                       .value = str_sub(bytes, op->value_at, op->value_len),
                       .lease = op->lease,
                       .deleted = op->deleted};
    unsigned char place[REV_KEY_BYTES], entry_bytes[ENTRY_BYTES];
    MDB_val k = val_of(r.key), v, rev_k = {sizeof(place), place};
    struct entry en = {.deleted = true};
    int rc = mdb_cursor_get(e->keys, &k, &v, MDB_SET);
    bool known = rc == 0;

    if (rc && rc != MDB_NOTFOUND)
        return rc;
    if (known && !entry_read(&e->crc, r.key, val_str(&v), &en))
        return MDB_CORRUPTED;
    if (op->deleted && en.deleted)
        return MDB_NOTFOUND;
    if (op->version && !en.deleted)
        return MDB_KEYEXIST;
    if (e->last.revision == op->revision)
        r.at.sub = e->last.sub + 1;
    r.older = en.at;
    if (op->version) {
        r.create = op->create;
        r.version = op->version;
    } else if (!op->deleted) {
        r.create = en.deleted ? op->revision : en.create;
        r.version = en.deleted ? 1 : en.version + 1;
    }
    rev_key_write(r.at, place);
    v = (MDB_val){.mv_size = record_size(&r)};
    rc = mdb_cursor_put(e->revs, &rev_k, &v, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return rc;
    record_write(&e->crc, &r, v.mv_data);
    en = (struct entry){r.at, r.create, r.version, r.deleted};
    entry_write(&e->crc, r.key, &en, entry_bytes);
    k = val_of(r.key);
    v = (MDB_val){sizeof(entry_bytes), entry_bytes};
    rc = mdb_cursor_put(e->keys, &k, &v, known ? MDB_CURRENT : 0);
    if (!rc)
        e->last = r.at;
    return rc;
}

static int txn_apply(struct engine_lmdb *e, const struct batch_op *op)
{
    return op->revision ? key_apply(e, op) : note_apply(e, op);
}

static int write_failed(struct engine_lmdb *e, int rc, const struct batch_op *op, struct err *err)
{
    if (rc == MDB_CORRUPTED && op)
        return damaged_entry(str_sub(buf_view(&e->log), op->key_at, op->key_len), err);
    return lmdb_fail(e, rc, "write", err);
}

/* Does all of ops in a new transaction, in a larger map if need be. On an error there is none. */
static int txn_replay(struct engine_lmdb *e, struct err *err)
{
    const struct batch_op *op;
    int r = 0, rc;

    do {
        lmdb_txn_drop(e);
        rc = txn_begin(e);
        op = NULL;
        for (size_t i = 0; i < e->ops.n && !rc; i++) {
            op = &e->ops.v[i];
            rc = txn_apply(e, op);
        }
        if (!rc)
            return 0;
        lmdb_txn_drop(e);
        if (rc == MDB_MAP_FULL)
            r = lmdb_grow(e, err);
    } while (rc == MDB_MAP_FULL && r == 0);
    return r < 0 ? r : write_failed(e, rc, op, err);
}

int lmdb_ready(struct engine_lmdb *e, struct err *err)
{
    for (int tries = 0;; tries++) {
        int r = e->broken ? lmdb_revive(e, err) : 0;

        if (r == 0 && !e->txn && e->ops.n)
            r = txn_replay(e, err);
        if (r == 0 || !e->broken || tries)
            return r;
    }
}

int lmdb_txn_open(struct engine_lmdb *e, struct err *err)
{
    for (int tries = 0;; tries++) {
        int r = lmdb_ready(e, err), rc;

        if (r < 0 || e->txn)
            return r;
        rc = txn_begin(e);
        if (!rc)
            return 0;
        lmdb_txn_drop(e);
        r = lmdb_fail(e, rc, "begin to write", err);
        if (!e->broken || tries)
            return r;
    }
}

static int lmdb_grow_and_replay(struct engine_lmdb *e, struct err *err)
{
    int r;

    lmdb_txn_drop(e);
    r = lmdb_grow(e, err);
    return r < 0 ? r : txn_replay(e, err);
}

static int batch_add(struct engine_lmdb *e, const struct batch_op *op, struct err *err)
{
    struct str key = str_sub(buf_view(&e->log), op->key_at, op->key_len);
    int rc = txn_apply(e, op), r;

    if (rc == MDB_NOTFOUND)
        return err_new(err, ERR_NOT_FOUND, "no key %.*s", STR_ARG(key));
    if (rc == MDB_KEYEXIST)
        return err_new(err, ERR_EXISTS, "%.*s exists already", STR_ARG(key));
    vec_push(&e->ops, *op);
    if (rc == MDB_MAP_FULL)
        return lmdb_grow_and_replay(e, err);
    if (!rc)
        return 0;
    r = write_failed(e, rc, op, err);
    lmdb_txn_drop(e);
    return r;
}

static size_t log_limit(const struct engine_lmdb *e)
{
    uint64_t n = MAX(e->data_bytes / 4, (uint64_t)WAL_CHECKPOINT_BUSY_BYTES);

    return (size_t)MIN(n, (uint64_t)e->checkpoint_bytes);
}

static bool checkpoint_is_due(const struct engine_lmdb *e, uint64_t now_ms)
{
    if (e->log_done >= log_limit(e) || (e->swept >= QUIET_SWEPT && e->written <= QUIET_OPS))
        return true;
    return e->log_done >= WAL_CHECKPOINT_BYTES && now_ms - e->checkpoint_ms >= CHECKPOINT_MS;
}

/* What a storm has left in memory, or in a log that is not so short that it may wait. */
static bool is_fat(const struct engine_lmdb *e)
{
    return e->log_done >= REST_BYTES || e->log.cap > 2 * REST_BYTES;
}

/* The log waits for a checkpoint that does not succeed: it cannot grow for ever. */
static bool log_is_full(const struct engine_lmdb *e)
{
    return e->log_done >= 2 * log_limit(e);
}

/* Sees to it that there is a transaction, before the log has the change for it: this may find that
 * a checkpoint took place. */
static int batch_open(struct engine_lmdb *e, struct err *err)
{
    int r = lmdb_txn_open(e, err);

    if (r < 0 || e->ops.n > e->ops_done || !(e->unsure || log_is_full(e)))
        return r;
    r = lmdb_checkpoint(e, &e->state, err);
    return r < 0 ? r : lmdb_txn_open(e, err);
}

static int key_check(struct str key, size_t value_len, struct err *err)
{
    if (key.len == 0 || key.len > ENGINE_KEY_MAX)
        return err_new(err, ERR_TOO_LARGE, "a key has 1 to %d bytes, not %zu", ENGINE_KEY_MAX,
                       key.len);
    if (value_len > INT32_MAX)
        return err_new(err, ERR_TOO_LARGE, "a value of %zu bytes is too large", value_len);
    return 0;
}

/* Adds a change, or with revision 0 a note, to the open batch. */
static int batch_write(struct engine_lmdb *e, const struct record *rec, struct err *err)
{
    struct batch_op op;
    int r = batch_open(e, err);

    if (r < 0)
        return r;
    wal_op_add(e, rec, &op);
    r = batch_add(e, &op, err);
    if (r == ERR_NOT_FOUND || r == ERR_EXISTS)
        wal_op_drop(e, &op);
    return r;
}

static int lmdb_write(struct engine_lmdb *e, const struct record *rec, struct err *err)
{
    int r = key_check(rec->key, rec->value.len, err);

    if (r < 0)
        return r;
    if (rec->at.revision < newest(e) || rec->at.revision <= e->current)
        return err_new(err, ERR_INTERNAL, "revision %lld after %lld",
                       (long long)rec->at.revision, (long long)newest(e));
    return batch_write(e, rec, err);
}

static int lmdb_put(struct engine *base, int64_t revision, struct str key, struct str value,
                    int64_t lease, struct err *err)
{
    struct record rec = {.at.revision = revision, .key = key, .value = value, .lease = lease};

    return lmdb_write(lmdb_of(base), &rec, err);
}

static int lmdb_remove(struct engine *base, int64_t revision, struct str key, struct err *err)
{
    struct record rec = {.at.revision = revision, .key = key, .deleted = true};

    return lmdb_write(lmdb_of(base), &rec, err);
}

static int lmdb_restore(struct engine *base, const struct engine_kv *kv, struct err *err)
{
    struct record rec = {.at.revision = kv->mod_revision,
                         .key = kv->key,
                         .value = kv->value,
                         .create = kv->create_revision,
                         .version = kv->version,
                         .lease = kv->lease};
    int r = engine_restore_check(kv, err);

    return r < 0 ? r : lmdb_write(lmdb_of(base), &rec, err);
}

static int lmdb_note(struct engine *base, struct str name, struct str value, struct err *err)
{
    struct record rec = {.key = name, .value = value, .deleted = !value.p};
    int r = key_check(name, value.len, err);

    return r < 0 ? r : batch_write(lmdb_of(base), &rec, err);
}

static void lmdb_abort(struct engine *base)
{
    struct engine_lmdb *e = lmdb_of(base);

    if (e->ops.n == e->ops_done)
        return;
    /* Whoever gives a batch up may have shown its revisions already (lazy writes). */
    e->lost = true;
    lmdb_txn_drop(e);
    wal_batch_drop(e);
}

static int lmdb_commit(struct engine *base, struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    int64_t revision, ceiling = e->state.ceiling;
    size_t done = e->ops_done;
    int r;

    if (e->ops.n == done)
        return 0;
    revision = newest(e);
    if (revision + ENGINE_REVISIONS_AHEAD > ceiling)
        ceiling = revision + 2 * ENGINE_REVISIONS_AHEAD;
    r = wal_commit(e, ceiling, err);
    if (r < 0) {
        lmdb_abort(base);
        return r;
    }
    e->written = e->ops.n - done;
    e->current = revision;
    e->state.ceiling = ceiling;
    e->lost = false;
    return 0;
}

static uint64_t lmdb_used_bytes(struct engine *base)
{
    struct engine_lmdb *e = lmdb_of(base);
    const MDB_dbi tables[] = {e->rev, e->key, e->note, e->meta};
    uint64_t pages = 0;
    MDB_stat s = {0};
    MDB_txn *txn;

    if (lmdb_read_begin(e, &txn, NULL) < 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (mdb_stat(txn, tables[i], &s) == 0)
            pages += s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages;
    lmdb_read_end(e);
    return pages * s.ms_psize;
}

/* When a checkpoint does not succeed, the log is longer before the next try. */
static void lmdb_rest(struct engine *base, uint64_t now_ms, bool idle)
{
    struct engine_lmdb *e = lmdb_of(base);
    bool fat = idle && is_fat(e);

    assert(e->ops.n == e->ops_done);
    if (!checkpoint_is_due(e, now_ms) && !fat)
        return;
    /* One that failed has lost the transaction, and another try does all of the log again. */
    if (e->trouble.code && now_ms - e->checkpoint_ms < CHECKPOINT_MS)
        return;
    e->checkpoint_ms = now_ms;
    if (lmdb_checkpoint(e, &e->state, NULL) < 0)
        return;
    e->data_bytes = lmdb_used_bytes(base);
    if (!fat)
        return;
    wal_release(e);
    if (lmdb_revive(e, NULL) == 0) /* LMDB gives its free pages back at its end only */
        mem_trim();
}

static const char *lmdb_trouble(struct engine *base)
{
    const struct engine_lmdb *e = lmdb_of(base);

    return e->trouble.code ? e->trouble.msg : NULL;
}

static uint64_t lmdb_size_bytes(struct engine *base)
{
    struct stat st;
    int fd;

    if (mdb_env_get_fd(lmdb_of(base)->env, &fd) || fstat(fd, &st))
        return 0;
    return (uint64_t)st.st_size + lmdb_of(base)->wal_bytes;
}

static const struct engine_ops lmdb_ops = {
    .name = "lmdb",
    .revisions = lmdb_revisions,
    .range = lmdb_range,
    .count = lmdb_count,
    .get = lmdb_get,
    .changes = lmdb_changes,
    .put = lmdb_put,
    .remove = lmdb_remove,
    .restore = lmdb_restore,
    .note = lmdb_note,
    .notes = lmdb_notes,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .trouble = lmdb_trouble,
    .compact = lmdb_compact,
    .defragment = lmdb_defragment,
    .rest = lmdb_rest,
    .size_bytes = lmdb_size_bytes,
    .used_bytes = lmdb_used_bytes,
    .close = lmdb_close,
};

int engine_lmdb_open(const char *dir, struct engine **ret_e, struct err *err)
{
    struct engine_lmdb *e = xnew(struct engine_lmdb);
    int r;

    e->base.ops = &lmdb_ops;
    r = lmdb_setup(e, dir, err);
    if (r < 0)
        return r;
    e->data_bytes = lmdb_used_bytes(&e->base);
    *ret_e = &e->base;
    return 0;
}
