/* lmdb_compact.c - forgets old history, a slice at a time.
 *
 * A record names the record it replaced (older). So whoever walks the records up to the compacted
 * revision finds what to delete: what each replaced, and each deletion itself, with its key's entry
 * if nothing came after. What is alive stays where it is. The state record keeps how far the walk
 * came.
 */
#include "store/lmdb_internal.h"

enum { SLICE = 512 }; /* records a call; a revision is not split */

struct slice {
    VEC(struct rev_at) dead;    /* records to delete */
    VEC(struct str) tombstones; /* keys whose entry goes if it still is the deletion */
    VEC(struct rev_at) tombstone_at;
    struct arena arena;
    int64_t scanned;
};

static void slice_deinit(struct slice *s)
{
    vec_deinit(&s->dead);
    vec_deinit(&s->tombstones);
    vec_deinit(&s->tombstone_at);
    arena_deinit(&s->arena);
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
    size_t n = 0;
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
        full = n >= SLICE && at.revision != s->scanned;
        if (full)
            break;
        n++;
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

        if (rc == 0 && entry_read(val_str(&v), &en) && en.deleted &&
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

/* One transaction. An LMDB code. */
static int compact_slice(struct engine_lmdb *e, struct engine_state *state)
{
    struct slice s = {.scanned = state->scanned};
    MDB_txn *txn;
    int rc = mdb_txn_begin(e->env, NULL, 0, &txn);

    if (rc)
        return rc;
    rc = slice_collect(e, txn, &s, state->compacted);
    if (!rc)
        rc = slice_delete(e, txn, &s);
    state->scanned = s.scanned;
    if (!rc)
        rc = lmdb_state_write(e, txn, state);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    slice_deinit(&s);
    return rc;
}

int lmdb_compact(struct engine *base, int64_t revision, bool *ret_more, struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    struct engine_state s;
    int r = 0, rc;

    assert(e->ops.n == e->ops_done);
    if (revision > e->current)
        return err_new(err, ERR_TIMEOUT, "revision %lld is in the future (%lld)",
                       (long long)revision, (long long)e->current);
    if (e->ops.n)
        r = lmdb_checkpoint(e, &e->state, err);
    else if (e->broken)
        r = lmdb_revive(e, err);
    if (e->txn) /* of nothing but a deletion of what was not there */
        lmdb_txn_drop(e);
    while (r == 0) {
        s = e->state;
        s.compacted = MAX(s.compacted, revision);
        if (s.compacted == e->state.compacted && s.scanned >= s.compacted) {
            *ret_more = false;
            return 0;
        }
        rc = compact_slice(e, &s);
        if (rc == MDB_MAP_FULL) {
            r = lmdb_grow(e, err);
            continue;
        }
        if (rc)
            return lmdb_fail(e, rc, "compact", err);
        e->state = s;
        *ret_more = s.scanned < s.compacted;
        return 0;
    }
    return r;
}
