/* lmdb_note.c - notes of the LMDB engine: small values by name, without revisions.
 *
 * On disk a note is a checksum of its name and value, and the value.
 */
#include "store/lmdb_internal.h"

enum { SUM_BYTES = 4 };

static void sum_of(const struct engine_lmdb *e, struct str name, struct str value,
                   unsigned char ret_sum[SUM_BYTES])
{
    uint32_t sum = crc32c_add(&e->crc, crc32c_add(&e->crc, 0, name), value);

    for (unsigned i = 0; i < SUM_BYTES; i++)
        ret_sum[i] = (unsigned char)(sum >> (8 * i));
}

static int note_write(struct engine_lmdb *e, MDB_txn *txn, struct str name, struct str value)
{
    MDB_val k = val_of(name), v = {.mv_size = SUM_BYTES + value.len};
    int rc = mdb_put(txn, e->note, &k, &v, MDB_RESERVE);

    if (rc)
        return rc;
    sum_of(e, name, value, v.mv_data);
    if (value.len)
        memcpy((char *)v.mv_data + SUM_BYTES, value.p, value.len);
    return 0;
}

static int note_remove(struct engine_lmdb *e, MDB_txn *txn, struct str name)
{
    MDB_val k = val_of(name);
    int rc = mdb_del(txn, e->note, &k, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

int note_apply(struct engine_lmdb *e, const struct batch_op *op)
{
    struct str bytes = buf_view(&e->log);
    struct str name = str_sub(bytes, op->key_at, op->key_len);

    return op->deleted ? note_remove(e, e->txn, name)
                       : note_write(e, e->txn, name, str_sub(bytes, op->value_at, op->value_len));
}

/* One note from its bytes. */
static int note_give(struct engine_lmdb *e, const MDB_val *k, const MDB_val *v,
                     int (*each)(void *arg, struct str name, struct str value), void *arg,
                     struct err *err)
{
    struct str name = val_str(k), value = str_sub(val_str(v), SUM_BYTES, v->mv_size);
    unsigned char sum[SUM_BYTES];

    sum_of(e, name, value, sum);
    if (v->mv_size < SUM_BYTES || memcmp(sum, v->mv_data, SUM_BYTES) != 0)
        return err_new(err, ERR_PARSE, "damaged note %.*s", STR_ARG(name));
    return each(arg, name, value);
}

static int notes_in(struct engine_lmdb *e, MDB_txn *txn, struct str prefix,
                    int (*each)(void *arg, struct str name, struct str value), void *arg,
                    struct err *err)
{
    MDB_val k = val_of(prefix), v;
    MDB_cursor *c;
    int r = 0, rc = mdb_cursor_open(txn, e->note, &c);

    if (rc)
        return lmdb_fail(e, rc, "read notes", err);
    rc = mdb_cursor_get(c, &k, &v, prefix.len ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == 0 && r == 0 && str_has_prefix(val_str(&k), prefix)) {
        r = note_give(e, &k, &v, each, arg, err);
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    if (r == 0 && rc && rc != MDB_NOTFOUND)
        return lmdb_fail(e, rc, "read notes", err);
    return r;
}

int lmdb_notes(struct engine *base, struct str prefix,
               int (*each)(void *arg, struct str name, struct str value), void *arg,
               struct err *err)
{
    struct engine_lmdb *e = lmdb_of(base);
    MDB_txn *txn;
    int r;

    if (prefix.len > ENGINE_KEY_MAX)
        return 0;
    r = lmdb_read_begin(e, &txn, err);
    if (r < 0)
        return r;
    r = notes_in(e, txn, prefix, each, arg, err);
    lmdb_read_end(e);
    return r;
}
