/* lmdb_compact.c - forgets old history, a slice at a time.
 *
 * A record names the record it replaced (older). So whoever walks the records up to the compacted
 * revision finds what to delete: what each replaced, and each deletion itself, with its key's entry
 * if nothing came after. What is alive stays where it is.
 *
 * All this happens within the transaction that holds what the log has, and is durable with its next
 * checkpoint, which says how far the walk came: so it needs no commits of its own, and when the
 * transaction is lost it is only done again.
 */
#include "store/lmdb_internal.h"

enum {
    SLICE = 512,        /* records a call, or twice as many as the last batch had, */
    SLICE_MAX = 16384,  /* up to so many; a revision is not split */
    SWEPT_MAX = 4096,   /* then a checkpoint: the transaction's pages stand in memory */
};

struct slice {
    VEC(struct rev_at) dead;    /* records to delete */
    VEC(struct str) tombstones; /* keys whose entry goes if it still is the deletion */
    VEC(struct rev_at) tombstone_at;
    struct arena arena;
    int64_t scanned;
    size_t n, max; /* records: looked at, and where it ends */
};

static void slice_deinit(struct slice *s)
{
    vec_deinit(&s->dead);
    vec_deinit(&s->tombstones);
    vec_deinit(&s->tombstone_at);
    arena_deinit(&s->arena);
}

/* More than the last batch wrote: with a slice a batch the end is reached, whatever the load. */
static size_t slice_max(const struct engine_lmdb *e)
{
    return MIN(MAX(2 * e->written, (size_t)SLICE), (size_t)SLICE_MAX);
}

/* Notes what may go because of the record at @at. */
static void slice_note(struct engine_lmdb *e, struct slice *s, struct rev_at at, struct str bytes,
                       int64_t compacted)
{
    struct record rec;

    /* A damaged record is left alone: what it replaced stays too. Whoever reads it is told. */
    if (record_read(&e->crc, at, bytes, &rec, NULL) < 0)
        return;
    if (rec.older.revision)
        vec_push(&s->dead, rec.older);
    if (!rec.deleted || at.revision >= compacted)
        return;
    vec_push(&s->dead, at);
    vec_push(&s->tombstones, str_dup(&s->arena, rec.key));
    vec_push(&s->tombstone_at, at);
}

static int slice_collect(struct engine_lmdb *e, MDB_txn *txn, struct slice *s, int64_t compacted)
{
    unsigned char start[REV_KEY_BYTES];
    MDB_val k = {sizeof(start), start}, v;
    MDB_cursor *c;
    bool full = false;
    int rc = mdb_cursor_open(txn, e->rev, &c);

    if (rc)
        return rc;
    rev_key_write((struct rev_at){s->scanned, 0}, start);
    rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    for (; rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        struct rev_at at;

        if (!rev_key_read(val_str(&k), &at)) {
            rc = MDB_CORRUPTED;
            break;
        }
        if (at.revision > compacted)
            break;
        full = s->n >= s->max && at.revision != s->scanned;
        if (full)
            break;
        s->n++;
        s->scanned = at.revision;
        slice_note(e, s, at, val_str(&v), compacted);
    }
    /* At the end: from the compacted revision on again next time, for its deletions. */
    s->scanned = full ? s->scanned + 1 : compacted;
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int slice_delete(struct engine_lmdb *e, MDB_txn *txn, const struct slice *s)
{
    for (size_t i = 0; i < s->tombstones.n; i++) {
        MDB_val k = val_of(s->tombstones.v[i]), v;
        struct entry en;
        int rc = mdb_get(txn, e->key, &k, &v);

        if (rc == 0 && entry_read(&e->crc, s->tombstones.v[i], val_str(&v), &en) && en.deleted &&
            en.at.revision == s->tombstone_at.v[i].revision &&
            en.at.sub == s->tombstone_at.v[i].sub)
            rc = mdb_del(txn, e->key, &k, NULL);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
    }
    for (size_t i = 0; i < s->dead.n; i++) {
        unsigned char place[REV_KEY_BYTES];
        MDB_val k = {sizeof(place), place};
        int rc;

        rev_key_write(s->dead.v[i], place);
        rc = mdb_del(txn, e->rev, &k, NULL);
        if (rc && rc != MDB_NOTFOUND) /* not there: an earlier slice took it */
            return rc;
    }
    return 0;
}

/* One slice, within the transaction. An LMDB code: after an error there may be no going on with
 * it. */
static int compact_slice(struct engine_lmdb *e)
{
    struct slice s = {.scanned = e->scanned, .max = slice_max(e)};
    int rc = slice_collect(e, e->txn, &s, e->state.compacted);

    if (!rc)
        rc = slice_delete(e, e->txn, &s);
    if (!rc) {
        e->scanned = s.scanned;
        e->swept += s.n;
        e->written = 0;
    }
    slice_deinit(&s);
    return rc;
}

/* Slices in a larger map as need be. */
static int compact_in_txn(struct engine_lmdb *e, struct err *err)
{
    int r, rc;

    do {
        r = lmdb_txn_open(e, err);
        rc = r < 0 ? 0 : compact_slice(e);
        if (rc)
            lmdb_txn_drop(e);
        if (rc == MDB_MAP_FULL)
            r = lmdb_grow(e, err);
    } while (rc == MDB_MAP_FULL && r == 0);
    return rc && r == 0 ? lmdb_fail(e, rc, "compact", err) : r;
}

int lmdb_compact(struct engine *base, int64_t revision, bool *ret_more, struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    int64_t to = MAX(e->state.compacted, revision);
    int r = 0;

    assert(e->ops.n == e->ops_done);
    if (revision > e->current)
        return err_new(err, ERR_TIMEOUT, "revision %lld is in the future (%lld)",
                       (long long)revision, (long long)e->current);
    if (to > e->state.compacted || e->scanned < to) {
        e->state.compacted = to;
        r = compact_in_txn(e, err);
    }
    if (r == 0 && e->swept >= SWEPT_MAX)
        r = lmdb_checkpoint(e, &e->state, err);
    if (r == 0)
        *ret_more = e->scanned < to;
    return r;
}
