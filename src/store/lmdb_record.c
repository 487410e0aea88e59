/* lmdb_record.c - what the LMDB engine's records look like on disk. */
#include "store/lmdb_internal.h"
#include <endian.h>

enum {
    RECORD_FORMAT = 2,
    FORMAT = 3,        /* of the state, for all that is not a record */
    FORMAT_OLDEST = 2, /* has no restored keys in its log; each open makes it a newer one */
    FLAG_DELETED = 1,
    FLAG_CLEAN = 1,
};

static unsigned char *put32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static unsigned char *put64(unsigned char *p, int64_t v)
{
    uint64_t u = htole64((uint64_t)v);

    memcpy(p, &u, sizeof(u));
    return p + sizeof(u);
}

static const unsigned char *get32(const unsigned char *p, uint32_t *ret_v)
{
    memcpy(ret_v, p, sizeof(*ret_v));
    *ret_v = le32toh(*ret_v);
    return p + sizeof(*ret_v);
}

static const unsigned char *get64(const unsigned char *p, int64_t *ret_v)
{
    uint64_t u;

    memcpy(&u, p, sizeof(u));
    *ret_v = (int64_t)le64toh(u);
    return p + sizeof(u);
}

void rev_key_write(struct rev_at at, unsigned char ret_key[REV_KEY_BYTES])
{
    uint64_t revision = htobe64((uint64_t)at.revision);
    uint32_t sub = htobe32(at.sub);

    memcpy(ret_key, &revision, sizeof(revision));
    memcpy(ret_key + sizeof(revision), &sub, sizeof(sub));
}

bool rev_key_read(struct str bytes, struct rev_at *ret_at)
{
    uint64_t revision;

    if (bytes.len != REV_KEY_BYTES)
        return false;
    memcpy(&revision, bytes.p, sizeof(revision));
    memcpy(&ret_at->sub, bytes.p + sizeof(revision), sizeof(ret_at->sub));
    ret_at->revision = (int64_t)be64toh(revision);
    ret_at->sub = be32toh(ret_at->sub);
    return ret_at->revision > 0;
}

/* header: u32 checksum of all that follows and of the place, u16 key length, u8 format, u8 flags,
 *         i64 create, i64 version, i64 lease, i64 older.revision, u32 older.sub,
 *         u32 value length */
size_t record_size(const struct record *r)
{
    return RECORD_HEADER_BYTES + r->key.len + r->value.len;
}

/* The place is covered too: a record that turns up elsewhere is damage. */
static uint32_t record_crc(const struct crc32c *crc, struct rev_at at, struct str bytes)
{
    unsigned char place[REV_KEY_BYTES];

    rev_key_write(at, place);
    return crc32c_add(crc, crc32c_add(crc, 0, (struct str){(char *)place, sizeof(place)}),
                      str_sub(bytes, sizeof(uint32_t), bytes.len));
}

void record_write(const struct crc32c *crc, const struct record *r, unsigned char *p)
{
    unsigned char *start = p;
    uint32_t sum;

    assert(r->key.len <= ENGINE_KEY_MAX && r->value.len <= UINT32_MAX / 2);
    p += sizeof(sum);
    p = put32(p, (uint32_t)r->key.len | RECORD_FORMAT << 16 |
                     (uint32_t)(r->deleted ? FLAG_DELETED : 0) << 24);
    p = put64(p, r->create);
    p = put64(p, r->version);
    p = put64(p, r->lease);
    p = put64(p, r->older.revision);
    p = put32(p, r->older.sub);
    p = put32(p, (uint32_t)r->value.len);
    memcpy(p, r->key.p, r->key.len);
    if (r->value.len)
        memcpy(p + r->key.len, r->value.p, r->value.len);
    sum = record_crc(crc, r->at, (struct str){(char *)start, record_size(r)});
    put32(start, sum);
}

int record_read(const struct crc32c *crc, struct rev_at at, struct str bytes,
                struct record *ret_r, struct err *err)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    uint32_t sum, word, value_len;
    struct record r = {.at = at};
    struct str rest = str_sub(bytes, RECORD_HEADER_BYTES, bytes.len);

    if (bytes.len < RECORD_HEADER_BYTES)
        return err_new(err, ERR_PARSE, "damaged record at revision %lld: only %zu bytes",
                       (long long)at.revision, bytes.len);
    p = get32(p, &sum);
    p = get32(p, &word);
    p = get64(p, &r.create);
    p = get64(p, &r.version);
    p = get64(p, &r.lease);
    p = get64(p, &r.older.revision);
    p = get32(p, &r.older.sub);
    (void)get32(p, &value_len);
    r.key = str_sub(rest, 0, word & 0xffff);
    r.value = str_sub(rest, r.key.len, rest.len);
    r.deleted = (word >> 24) & FLAG_DELETED;
    if (sum != record_crc(crc, at, bytes) || r.key.len != (word & 0xffff) ||
        r.value.len != value_len)
        return err_new(err, ERR_PARSE, "damaged value of %.*s at revision %lld", STR_ARG(r.key),
                       (long long)at.revision);
    if (((word >> 16) & 0xff) != RECORD_FORMAT)
        return err_new(err, ERR_PARSE, "value of %.*s has the unknown format %u", STR_ARG(r.key),
                       (word >> 16) & 0xff);
    *ret_r = r;
    return 0;
}

int record_load(struct engine_lmdb *e, MDB_txn *txn, struct rev_at at, struct record *ret_r,
                struct err *err)
{
    unsigned char place[REV_KEY_BYTES];
    MDB_val k = {sizeof(place), place}, v;
    int rc;

    rev_key_write(at, place);
    rc = mdb_get(txn, e->rev, &k, &v);
    if (rc == MDB_NOTFOUND)
        return ERR_NOT_FOUND;
    if (rc)
        return lmdb_fail(e, rc, "read a record", err);
    e->read_bytes += v.mv_size;
    return record_read(&e->crc, at, val_str(&v), ret_r, err);
}

/* Never 0: entries of before there was a sum have that. */
static uint32_t entry_sum(const struct crc32c *crc, struct str key, const unsigned char *p)
{
    uint32_t sum = crc32c_add(crc, 0, (struct str){(const char *)p, ENTRY_BYTES - sizeof(sum)});

    return MAX(crc32c_add(crc, sum, key), 1u);
}

void entry_write(const struct crc32c *crc, struct str key, const struct entry *en,
                 unsigned char ret_p[ENTRY_BYTES])
{
    unsigned char *p = ret_p;

    p = put64(p, en->at.revision);
    p = put32(p, en->at.sub);
    p = put64(p, en->create);
    p = put64(p, en->version);
    p = put32(p, en->deleted ? FLAG_DELETED : 0);
    put32(p, entry_sum(crc, key, ret_p));
}

bool entry_read(const struct crc32c *crc, struct str key, struct str bytes, struct entry *ret_en)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    uint32_t flags, sum;

    if (bytes.len != ENTRY_BYTES)
        return false;
    p = get64(p, &ret_en->at.revision);
    p = get32(p, &ret_en->at.sub);
    p = get64(p, &ret_en->create);
    p = get64(p, &ret_en->version);
    p = get32(p, &flags);
    (void)get32(p, &sum);
    ret_en->deleted = flags & FLAG_DELETED;
    return ret_en->at.revision > 0 &&
           (!sum || sum == entry_sum(crc, key, (const unsigned char *)bytes.p));
}

void state_write(const struct crc32c *crc, const struct engine_state *s,
                 unsigned char ret_p[STATE_BYTES])
{
    unsigned char *p = ret_p + sizeof(uint32_t);

    p = put32(p, FORMAT);
    p = put32(p, s->clean ? FLAG_CLEAN : 0);
    p = put64(p, s->current);
    p = put64(p, s->ceiling);
    p = put64(p, s->compacted);
    p = put64(p, s->scanned);
    put64(p, (int64_t)s->salt);
    put32(ret_p, crc32c_add(crc, 0, (struct str){(char *)ret_p + 4, STATE_BYTES - 4}));
}

int state_read(const struct crc32c *crc, struct str bytes, struct engine_state *ret_s,
               struct err *err)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    struct engine_state s = {0};
    uint32_t sum, format, flags;
    int64_t salt;

    if (bytes.len != STATE_BYTES)
        return err_new(err, ERR_PARSE, "damaged state record: %zu bytes", bytes.len);
    p = get32(p, &sum);
    p = get32(p, &format);
    p = get32(p, &flags);
    p = get64(p, &s.current);
    p = get64(p, &s.ceiling);
    p = get64(p, &s.compacted);
    p = get64(p, &s.scanned);
    (void)get64(p, &salt);
    s.salt = (uint64_t)salt;
    s.clean = flags & FLAG_CLEAN;
    if (sum != crc32c_add(crc, 0, str_sub(bytes, 4, STATE_BYTES - 4)))
        return err_new(err, ERR_PARSE, "damaged state record");
    if (format < FORMAT_OLDEST || format > FORMAT)
        return err_new(err, ERR_PARSE,
                       "its format is %u, this program's is %d: get the objects with the program "
                       "that wrote them, move the folder away, and apply them again",
                       format, FORMAT);
    *ret_s = s;
    return 0;
}
