/* backup_file.c - blocks, and what is in them. */
#include "store/backup_file.h"

#include "net/crypto.h"
#include <endian.h>

enum {
    MAGIC_BYTES = 16,
    FRAME_BYTES = 8,
    HEAD_BYTES = 17,
    RECORD_BYTES = 37,  /* and key and value */
    NOTE_BYTES = 5,     /* and name and value */
    PKI_FILE_BYTES = 9, /* and name and bytes */
    END_BYTES = 41,
    FORMAT = 2,
    BLOCK_HEAD = 1,
    BLOCK_RECORD = 2,
    BLOCK_END = 3,
    BLOCK_NOTE = 4,
    BLOCK_PKI_FILE = 5,
};
/* In the order of the blocks: */
enum { AT_MAGIC, AT_HEAD, AT_NOTES, AT_RECORDS, AT_PKI, AT_END };

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

/* ---- what belongs into a backup ---- */

bool backup_has_note(struct str name)
{
    static const char *const of_one_server[] = {"store/", "etcd/id/", "etcd/alarm/"};

    for (size_t i = 0; i < ARRAY_LEN(of_one_server); i++)
        if (str_has_prefix(name, str_from(of_one_server[i])))
            return false;
    return name.len > 0 && name.len <= ENGINE_KEY_MAX;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool backup_name_check(struct str name)
{
    char before = '/';

    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];

        if (before == '/' ? c == '/' || c == '.' || !is_name_char(c) : c != '/' && !is_name_char(c))
            return false;
        before = c;
    }
    return name.len <= BACKUP_FILE_NAME_MAX && before != '/';
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

/* Closes the block at @at and counts it. */
static void block_done(struct backup_writer *w, struct buf *out, size_t at)
{
    block_close(w, out, at);
    digest_add(w->sha, (struct str){out->p + at, out->len - at});
    w->blocks++;
}

void backup_note(struct backup_writer *w, struct str name, struct str value, struct buf *out)
{
    size_t at = block_open(out, BLOCK_NOTE);

    assert(backup_has_note(name));
    put32(out, (uint32_t)name.len);
    buf_str(out, name);
    buf_str(out, value);
    block_done(w, out, at);
}

void backup_pki_file(struct backup_writer *w, const struct backup_pki_file *f, struct buf *out)
{
    size_t at = block_open(out, BLOCK_PKI_FILE);

    assert(backup_name_check(f->name) && f->bytes.len <= BACKUP_FILE_BYTES_MAX);
    put32(out, f->mode);
    put32(out, (uint32_t)f->name.len);
    buf_str(out, f->name);
    buf_str(out, f->bytes);
    block_done(w, out, at);
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
    block_done(w, out, at);
}

void backup_end(struct backup_writer *w, struct buf *out)
{
    size_t at = block_open(out, BLOCK_END);
    uint8_t sum[32];

    digest_sum(w->sha, sum);
    put64(out, w->blocks);
    buf_append(out, sum, sizeof(sum));
    block_close(w, out, at);
}

void backup_continue(struct backup_writer *w, struct backup_reader *r, uint64_t *ret_at)
{
    assert(r->stage == AT_END && r->format == FORMAT);
    *w = (struct backup_writer){.sha = r->sha, .blocks = r->notes + r->records + r->pki_files};
    r->sha = NULL;
    crc32c_init(&w->crc);
    *ret_at = r->end_at;
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
    buf_deinit(&r->last_name);
}

static bool sum_good(const struct crc32c *c, struct str block)
{
    uint32_t crc = crc32c_add(c, 0, str_sub(block, 0, 4));

    return get32(block.p + 4) == crc32c_add(c, crc, str_sub(block, FRAME_BYTES, block.len));
}

/* The payload of @block, which is a whole one of @type with at least @least bytes. */
static int payload_of(const struct crc32c *crc, struct str block, char type, size_t least,
                      struct str *ret_payload, struct err *err)
{
    if (block.len < FRAME_BYTES + least || get32(block.p) != block.len - FRAME_BYTES ||
        block.p[FRAME_BYTES] != type || !sum_good(crc, block))
        return err_new(err, ERR_PARSE, "damaged record");
    *ret_payload = str_sub(block, FRAME_BYTES, block.len);
    return 0;
}

/* A name of @len bytes at @at of @payload, and what follows it. */
static int split(struct str payload, size_t at, uint32_t len, uint32_t max, struct str *ret_name,
                 struct str *ret_rest, struct err *err)
{
    if (len < 1 || len > max || len > payload.len - at)
        return err_new(err, ERR_PARSE, "a record with a key of %u bytes", len);
    *ret_name = str_sub(payload, at, len);
    *ret_rest = str_sub(payload, at + len, payload.len);
    return 0;
}

int backup_record_read(const struct crc32c *crc, struct str block, struct raw_kv *ret_kv,
                       struct err *err)
{
    struct raw_kv kv;
    struct str p;
    int r = payload_of(crc, block, BLOCK_RECORD, RECORD_BYTES, &p, err);

    if (r < 0)
        return r;
    kv = (struct raw_kv){.create_revision = get_i64(p.p + 1),
                         .mod_revision = get_i64(p.p + 9),
                         .version = get_i64(p.p + 17),
                         .lease = get_i64(p.p + 25)};
    r = split(p, RECORD_BYTES, get32(p.p + 33), ENGINE_KEY_MAX, &kv.key, &kv.value, err);
    if (r == 0)
        *ret_kv = kv;
    return r;
}

int backup_note_read(const struct crc32c *crc, struct str block, struct str *ret_name,
                     struct str *ret_value, struct err *err)
{
    struct str p;
    int r = payload_of(crc, block, BLOCK_NOTE, NOTE_BYTES, &p, err);

    if (r == 0)
        r = split(p, NOTE_BYTES, get32(p.p + 1), ENGINE_KEY_MAX, ret_name, ret_value, err);
    if (r == 0 && !backup_has_note(*ret_name))
        return err_new(err, ERR_PARSE, "a note that is not of a snapshot");
    return r;
}

int backup_pki_file_read(const struct crc32c *crc, struct str block, struct backup_pki_file *ret_f,
                         struct err *err)
{
    struct backup_pki_file f;
    struct str p;
    int r = payload_of(crc, block, BLOCK_PKI_FILE, PKI_FILE_BYTES, &p, err);

    if (r < 0)
        return r;
    f.mode = get32(p.p + 1);
    r = split(p, PKI_FILE_BYTES, get32(p.p + 5), BACKUP_FILE_NAME_MAX, &f.name, &f.bytes, err);
    if (r < 0)
        return r;
    if (!backup_name_check(f.name) || f.bytes.len > BACKUP_FILE_BYTES_MAX ||
        (f.mode != 0600 && f.mode != 0644))
        return err_new(err, ERR_PARSE, "a file of pki with an impossible name, size or mode");
    *ret_f = f;
    return 0;
}

/* The next name of its kind. */
static int in_order(struct backup_reader *r, uint64_t before, struct str name, struct err *err)
{
    if (before && str_cmp(buf_view(&r->last_name), name) >= 0)
        return err_new(err, ERR_PARSE, "a record that is out of order");
    buf_reset(&r->last_name);
    buf_str(&r->last_name, name);
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
    code = in_order(r, r->records++, kv.key, err);
    return code < 0 || !r->on_record ? code : r->on_record(r->arg, &kv, r->bytes, err);
}

static int take_note(struct backup_reader *r, struct str block, struct err *err)
{
    struct str name, value;
    int code = backup_note_read(&r->crc, block, &name, &value, err);

    if (code == 0)
        code = in_order(r, r->notes++, name, err);
    return code < 0 || !r->on_note ? code : r->on_note(r->arg, name, value, r->bytes, err);
}

static int take_pki_file(struct backup_reader *r, struct str block, struct err *err)
{
    struct backup_pki_file f;
    int code = backup_pki_file_read(&r->crc, block, &f, err);

    if (code == 0 && r->pki_files >= BACKUP_FILES_MAX)
        return err_new(err, ERR_PARSE, "more than %d files of pki", BACKUP_FILES_MAX);
    if (code == 0)
        code = in_order(r, r->pki_files++, f.name, err);
    return code < 0 || !r->on_pki_file ? code : r->on_pki_file(r->arg, &f, r->bytes, err);
}

static int take_head(struct backup_reader *r, struct str payload, struct err *err)
{
    if (payload.len != HEAD_BYTES)
        return err_new(err, ERR_PARSE, "a head of %zu bytes", payload.len);
    r->revision = get_i64(payload.p + 1);
    r->time_ns = get_i64(payload.p + 9);
    if (r->revision < 0 || r->revision >= INT64_MAX / 2)
        return err_new(err, ERR_PARSE, "an impossible revision");
    return 0;
}

static int take_end(struct backup_reader *r, struct str payload, struct err *err)
{
    digest_sum(r->sha, r->sha256);
    if (payload.len != END_BYTES || get64(payload.p + 1) != r->notes + r->records + r->pki_files)
        return err_new(err, ERR_PARSE, "the end does not count the records that are there");
    if (memcmp(payload.p + 9, r->sha256, sizeof(r->sha256)) != 0)
        return err_new(err, ERR_PARSE, "the SHA-256 of the file is another");
    r->end_at = r->bytes;
    return 0;
}

static int take_block(struct backup_reader *r, struct str block, struct err *err)
{
    static const struct {
        unsigned stage, format; /* the first that has it */
    } kinds[] = {[BLOCK_HEAD] = {AT_HEAD, 1},
                 [BLOCK_NOTE] = {AT_NOTES, 2},
                 [BLOCK_RECORD] = {AT_RECORDS, 1},
                 [BLOCK_PKI_FILE] = {AT_PKI, 2},
                 [BLOCK_END] = {AT_END, 1}};
    struct str payload = str_sub(block, FRAME_BYTES, block.len);
    unsigned kind = (unsigned char)payload.p[0], stage;

    if (!sum_good(&r->crc, block))
        return err_new(err, ERR_PARSE, "a damaged block");
    stage = kind < ARRAY_LEN(kinds) ? kinds[kind].stage : AT_MAGIC;
    if (stage < r->stage || stage == AT_MAGIC || kinds[kind].format > r->format ||
        (stage == AT_HEAD) != (r->stage == AT_MAGIC))
        return err_new(err, ERR_PARSE, "a block that does not belong there");
    r->stage = stage;
    switch (kind) {
    case BLOCK_HEAD:
        return take_head(r, payload, err);
    case BLOCK_NOTE:
        return take_note(r, block, err);
    case BLOCK_RECORD:
        return take_record(r, block, err);
    case BLOCK_PKI_FILE:
        return take_pki_file(r, block, err);
    default:
        return take_end(r, payload, err);
    }
}

static int take_magic(struct backup_reader *r, struct str bytes, struct err *err)
{
    if (memcmp(bytes.p, magic, sizeof(magic)) != 0)
        return err_new(err, ERR_PARSE, "no snapshot of skiff");
    r->format = get32(bytes.p + 8);
    if (r->format < 1 || r->format > FORMAT || get32(bytes.p + 12) != 0)
        return err_new(err, ERR_PARSE, "a format that is not known: %u", get32(bytes.p + 8));
    return 0;
}

/* What @rest begins with: its length in @ret_n, 0 while it is not whole. */
static int take(struct backup_reader *r, struct str rest, size_t *ret_n, struct err *err)
{
    uint32_t n;
    int code;

    *ret_n = 0;
    if (r->stage == AT_END && rest.len)
        return err_new(err, ERR_PARSE, "bytes behind the end");
    if (!r->bytes) {
        if (rest.len < MAGIC_BYTES)
            return 0;
        *ret_n = MAGIC_BYTES;
        code = take_magic(r, rest, err);
    } else {
        if (rest.len < FRAME_BYTES)
            return 0;
        n = get32(rest.p);
        if (n < 1 || n > BACKUP_BLOCK_MAX)
            return err_new(err, ERR_PARSE, "a block of %u bytes", n);
        if (rest.len - FRAME_BYTES < n)
            return 0;
        *ret_n = FRAME_BYTES + n;
        code = take_block(r, str_sub(rest, 0, FRAME_BYTES + n), err);
    }
    if (code == 0 && r->stage != AT_END)
        digest_add(r->sha, str_sub(rest, 0, *ret_n));
    return code;
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
    if (r->stage == AT_END && !r->buf.len)
        return 0;
    return err_new(err, ERR_PARSE, "at byte %llu: the file ends too early",
                   (unsigned long long)(r->bytes + r->buf.len));
}
