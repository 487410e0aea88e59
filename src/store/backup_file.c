/* backup_file.c - blocks, and what is in them. */
#include "store/backup_file.h"

#include "net/crypto.h"
#include <endian.h>

enum {
    MAGIC_BYTES = 16,
    FRAME_BYTES = 8,
    HEAD_BYTES = 17,
    RECORD_BYTES = 37, /* and key and value */
    END_BYTES = 41,
    FORMAT = 1,
    BLOCK_HEAD = 1,
    BLOCK_RECORD = 2,
    BLOCK_END = 3,
};

static const char magic[8] = {'S', 'K', 'I', 'F', 'F', 'B', 'A', 'K'};

static void put32(struct buf *b, uint32_t v)
{
    v = htole32(v);
    buf_append(b, &v, sizeof(v));
}

static void put64(struct buf *b, uint64_t v)
{
    v = htole64(v);
    buf_append(b, &v, sizeof(v));
}

static uint32_t get32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t get64(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static int64_t get_i64(const char *p)
{
    return (int64_t)get64(p);
}

/* ---- writing ---- */

/* Leaves room for length and checksum; returns where the block is. */
static size_t block_open(struct buf *out, char type)
{
    size_t at = out->len;

    put64(out, 0);
    buf_putc(out, type);
    return at;
}

static void block_close(const struct backup_writer *w, struct buf *out, size_t at)
{
    char *p = out->p + at;
    uint32_t n = htole32((uint32_t)(out->len - at - FRAME_BYTES)), crc;

    memcpy(p, &n, sizeof(n));
    crc = crc32c_add(&w->crc, 0, (struct str){p, sizeof(n)});
    crc = crc32c_add(&w->crc, crc, (struct str){p + FRAME_BYTES, le32toh(n)});
    crc = htole32(crc);
    memcpy(p + sizeof(n), &crc, sizeof(crc));
}

void backup_begin(struct backup_writer *w, int64_t revision, int64_t time_ns, struct buf *out)
{
    size_t start = out->len, at;

    *w = (struct backup_writer){.sha = digest_new()};
    crc32c_init(&w->crc);
    buf_append(out, magic, sizeof(magic));
    put32(out, FORMAT);
    put32(out, 0);
    at = block_open(out, BLOCK_HEAD);
    put64(out, (uint64_t)revision);
    put64(out, (uint64_t)time_ns);
    block_close(w, out, at);
    digest_add(w->sha, (struct str){out->p + start, out->len - start});
}

void backup_record(struct backup_writer *w, const struct raw_kv *kv, struct buf *out)
{
    size_t at = block_open(out, BLOCK_RECORD);

    put64(out, (uint64_t)kv->create_revision);
    put64(out, (uint64_t)kv->mod_revision);
    put64(out, (uint64_t)kv->version);
    put64(out, (uint64_t)kv->lease);
    put32(out, (uint32_t)kv->key.len);
    buf_str(out, kv->key);
    buf_str(out, kv->value);
    block_close(w, out, at);
    digest_add(w->sha, (struct str){out->p + at, out->len - at});
    w->records++;
}

void backup_end(struct backup_writer *w, struct buf *out)
{
    size_t at = block_open(out, BLOCK_END);
    uint8_t sum[32];

    digest_sum(w->sha, sum);
    put64(out, w->records);
    buf_append(out, sum, sizeof(sum));
    block_close(w, out, at);
}

void backup_writer_deinit(struct backup_writer *w)
{
    w->sha = digest_free(w->sha);
}

/* ---- reading ---- */

void backup_reader_init(struct backup_reader *r)
{
    crc32c_init(&r->crc);
    r->sha = digest_new();
}

void backup_reader_deinit(struct backup_reader *r)
{
    r->sha = digest_free(r->sha);
    buf_deinit(&r->buf);
    buf_deinit(&r->last_key);
}

static bool sum_good(const struct crc32c *c, struct str block)
{
    uint32_t crc = crc32c_add(c, 0, str_sub(block, 0, 4));

    return get32(block.p + 4) == crc32c_add(c, crc, str_sub(block, FRAME_BYTES, block.len));
}

int backup_record_read(const struct crc32c *crc, struct str block, struct raw_kv *ret_kv,
                       struct err *err)
{
    const char *p = block.p + FRAME_BYTES;
    uint32_t key_len;

    if (block.len < FRAME_BYTES + RECORD_BYTES || get32(block.p) != block.len - FRAME_BYTES ||
        p[0] != BLOCK_RECORD || !sum_good(crc, block))
        return err_new(err, ERR_PARSE, "damaged record");
    key_len = get32(p + 33);
    if (key_len < 1 || key_len > ENGINE_KEY_MAX ||
        key_len > block.len - FRAME_BYTES - RECORD_BYTES)
        return err_new(err, ERR_PARSE, "a record with a key of %u bytes", key_len);
    *ret_kv = (struct raw_kv){.create_revision = get_i64(p + 1),
                              .mod_revision = get_i64(p + 9),
                              .version = get_i64(p + 17),
                              .lease = get_i64(p + 25),
                              .key = str_sub(block, FRAME_BYTES + RECORD_BYTES, key_len),
                              .value = str_sub(block, FRAME_BYTES + RECORD_BYTES + key_len,
                                               block.len)};
    return 0;
}

static int take_record(struct backup_reader *r, struct str block, struct err *err)
{
    struct raw_kv kv;
    int code = backup_record_read(&r->crc, block, &kv, err);

    if (code < 0)
        return code;
    if (kv.create_revision < 1 || kv.create_revision > kv.mod_revision ||
        kv.mod_revision > r->revision || kv.version < 1)
        return err_new(err, ERR_PARSE, "a record with impossible revisions");
    if (r->records && str_cmp(buf_view(&r->last_key), kv.key) >= 0)
        return err_new(err, ERR_PARSE, "a record that is out of order");
    buf_reset(&r->last_key);
    buf_str(&r->last_key, kv.key);
    r->records++;
    return r->on_record ? r->on_record(r->arg, &kv, r->bytes, err) : 0;
}

static int take_end(struct backup_reader *r, struct str payload, struct err *err)
{
    digest_sum(r->sha, r->sha256);
    if (payload.len != END_BYTES || get64(payload.p + 1) != r->records)
        return err_new(err, ERR_PARSE, "the end does not count the records that are there");
    if (memcmp(payload.p + 9, r->sha256, sizeof(r->sha256)) != 0)
        return err_new(err, ERR_PARSE, "the SHA-256 of the file is another");
    r->end = true;
    return 0;
}

static int take_block(struct backup_reader *r, struct str block, struct err *err)
{
    struct str payload = str_sub(block, FRAME_BYTES, block.len);

    if (!sum_good(&r->crc, block))
        return err_new(err, ERR_PARSE, "a damaged block");
    if (payload.p[0] == BLOCK_HEAD && !r->head && payload.len == HEAD_BYTES) {
        r->head = true;
        r->revision = get_i64(payload.p + 1);
        r->time_ns = get_i64(payload.p + 9);
        if (r->revision >= 0 && r->revision < INT64_MAX / 2)
            return 0;
        return err_new(err, ERR_PARSE, "an impossible revision");
    }
    if (payload.p[0] == BLOCK_RECORD && r->head)
        return take_record(r, block, err);
    if (payload.p[0] == BLOCK_END && r->head)
        return take_end(r, payload, err);
    return err_new(err, ERR_PARSE, "a block that does not belong there");
}

/* What @rest begins with: its length in @ret_n, 0 while it is not whole. */
static int take(struct backup_reader *r, struct str rest, size_t *ret_n, struct err *err)
{
    uint32_t n;
    int code;

    *ret_n = 0;
    if (r->end && rest.len)
        return err_new(err, ERR_PARSE, "bytes behind the end");
    if (!r->magic) {
        if (rest.len < MAGIC_BYTES)
            return 0;
        if (memcmp(rest.p, magic, sizeof(magic)) != 0)
            return err_new(err, ERR_PARSE, "no snapshot of skiff");
        if (get32(rest.p + 8) != FORMAT || get32(rest.p + 12) != 0)
            return err_new(err, ERR_PARSE, "a format that is not known: %u", get32(rest.p + 8));
        r->magic = true;
        *ret_n = MAGIC_BYTES;
    } else {
        if (rest.len < FRAME_BYTES)
            return 0;
        n = get32(rest.p);
        if (n < 1 || n > BACKUP_BLOCK_MAX)
            return err_new(err, ERR_PARSE, "a block of %u bytes", n);
        if (rest.len - FRAME_BYTES < n)
            return 0;
        code = take_block(r, str_sub(rest, 0, FRAME_BYTES + n), err);
        if (code)
            return code;
        *ret_n = FRAME_BYTES + n;
    }
    digest_add(r->sha, str_sub(rest, 0, *ret_n));
    return 0;
}

int backup_feed(struct backup_reader *r, struct str piece, struct err *err)
{
    size_t at = 0, n = 1;
    int code = 0;

    buf_str(&r->buf, piece);
    while (n && code == 0) {
        code = take(r, str_sub(buf_view(&r->buf), at, r->buf.len), &n, err);
        if (code == 0) {
            at += n;
            r->bytes += n;
        }
    }
    buf_consume(&r->buf, at);
    if (code < 0)
        return err_wrap(err, code, "at byte %llu", (unsigned long long)r->bytes);
    return code;
}

int backup_finish(const struct backup_reader *r, struct err *err)
{
    if (r->end && !r->buf.len)
        return 0;
    return err_new(err, ERR_PARSE, "at byte %llu: the file ends too early",
                   (unsigned long long)(r->bytes + r->buf.len));
}
