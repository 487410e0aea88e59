/* lmdb_wal.c - the log in front of LMDB's trees: what makes a batch durable with one write and one
 * sync.
 *
 * A batch is one frame, appended at a multiple of FRAME_ALIGN bytes and synced: then it is
 * committed. Its changes stand in an LMDB transaction that stays open over many batches, and ends
 * at a checkpoint, when the log has grown long: the log is empty then, and is written over from its
 * start. A crash loses the transaction; the log has it again.
 *
 * Frames of before a checkpoint are told from those after it by a salt that the checkpoint draws
 * and keeps in LMDB's state record: both change in one LMDB commit. No client knows the salt, so no
 * value can look like a frame.
 *
 *     frame:  u32 checksum of all that follows, u32 operations, u64 salt, u64 number since the
 *             checkpoint, i64 ceiling, u32 payload bytes, u32 zero, payload, zeros to FRAME_ALIGN
 *     operation: i64 revision (0: a note), i64 lease, u32 value length, u16 key length, u8 flags,
 *             u8 zero, key, value; of a restored key: i64 create revision and i64 version come
 *             before the key
 */
#include "base/random.h"
#include "store/lmdb_internal.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
    FRAME_ALIGN = 512, /* a torn sector holds no other batch */
    FRAME_HEADER_BYTES = 40,
    OP_HEADER_BYTES = 24,
    OP_RESTORED_BYTES = 16,
    OP_DELETED = 1,
    OP_RESTORED = 2,
    DIRECT_ALIGN = 4096,        /* of memory, for writes past the kernel's cache */
    DIRECT_FIRST_BYTES = 16 << 10,
    DIRECT_BYTES = 2 << 20, /* of a frame at most */
    /* The file grows by at least so much, and doubles, zeros: later syncs write no metadata. */
    CHUNK_BYTES = 256 << 10,
    GROW_MAX_BYTES = 8 << 20,
};

static int fail_errno(struct engine_lmdb *e, const char *what, struct err *err)
{
    return err_new(err, ERR_IO, "store in %s: %s its log: %s", e->dir, what, strerror(errno));
}

static void put32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static void put64(unsigned char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const unsigned char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t get64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static size_t aligned(size_t n)
{
    return (n + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

/* ---- writing ---- */

void wal_op_add(struct engine_lmdb *e, const struct record *r, struct batch_op *ret_op)
{
    unsigned char header[OP_HEADER_BYTES + OP_RESTORED_BYTES] = {0};
    size_t header_bytes = OP_HEADER_BYTES + (r->version ? OP_RESTORED_BYTES : 0);
    static const unsigned char frame[FRAME_HEADER_BYTES];

    if (e->ops.n == e->ops_done) { /* the first of its frame */
        e->log.len = e->log_done;
        buf_append(&e->log, frame, sizeof(frame));
    }
    put64(header, (uint64_t)r->at.revision);
    put64(header + 8, (uint64_t)r->lease);
    put32(header + 16, (uint32_t)r->value.len);
    header[20] = (unsigned char)r->key.len;
    header[21] = (unsigned char)(r->key.len >> 8);
    header[22] = r->version ? OP_RESTORED : r->deleted ? OP_DELETED : 0;
    put64(header + OP_HEADER_BYTES, (uint64_t)r->create);
    put64(header + OP_HEADER_BYTES + 8, (uint64_t)r->version);
    buf_append(&e->log, header, header_bytes);
    *ret_op = (struct batch_op){.revision = r->at.revision,
                                .lease = r->lease,
                                .create = r->create,
                                .version = r->version,
                                .start = e->log.len - header_bytes,
                                .key_at = e->log.len,
                                .key_len = r->key.len,
                                .value_at = e->log.len + r->key.len,
                                .value_len = r->value.len,
                                .deleted = r->deleted};
    buf_str(&e->log, r->key);
    buf_str(&e->log, r->value);
}

void wal_op_drop(struct engine_lmdb *e, const struct batch_op *op)
{
    e->log.len = op->start;
}

void wal_batch_drop(struct engine_lmdb *e)
{
    e->ops.n = e->ops_done;
    e->log.len = e->log_done;
}

static void direct_release(struct engine_lmdb *e)
{
    free(e->direct);
    e->direct = NULL;
    e->direct_cap = 0;
}

static void direct_close(struct engine_lmdb *e)
{
    if (e->direct_fd >= 0)
        (void)close(e->direct_fd);
    e->direct_fd = -1;
    direct_release(e);
}

/* Aligned memory with the @n bytes at @p. */
static const char *direct_copy(struct engine_lmdb *e, const char *p, size_t n)
{
    size_t cap = MAX(e->direct_cap, (size_t)DIRECT_FIRST_BYTES);

    while (cap < n)
        cap *= 2;
    if (cap > e->direct_cap) {
        direct_release(e);
        e->direct = xaligned(DIRECT_ALIGN, cap);
        e->direct_cap = cap;
    }
    return memcpy(e->direct, p, n);
}

void wal_reset(struct engine_lmdb *e)
{
    e->ops_done = 0;
    e->log_done = 0;
    e->frames = 0;
    wal_batch_drop(e);
}

void wal_release(struct engine_lmdb *e)
{
    assert(!e->ops.n);
    buf_deinit(&e->log);
    vec_deinit(&e->ops);
    direct_release(e);
}

void wal_shorten(struct engine_lmdb *e)
{
    if (!e->log_done && e->wal_bytes > WAL_CHECKPOINT_BYTES &&
        ftruncate(e->wal_fd, WAL_CHECKPOINT_BYTES) == 0)
        e->wal_bytes = WAL_CHECKPOINT_BYTES;
}

static int write_at(struct engine_lmdb *e, const char *p, size_t n, size_t at, struct err *err)
{
    while (n) {
        ssize_t done = pwrite(e->wal_fd, p, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done ? errno : ENOSPC;
            return fail_errno(e, "write", err);
        }
        p += done;
        at += (size_t)done;
        n -= (size_t)done;
    }
    return 0;
}

/* Writes a frame, whose place and length are whole sectors, past the kernel's cache: a page there
 * is found, copied to, marked and written back, and nobody reads it. Where the file system or the
 * disk knows no other way, through it. */
static int write_frame(struct engine_lmdb *e, const char *p, size_t n, size_t at, struct err *err)
{
    ssize_t done = 0;

    if (e->direct_fd >= 0 && n <= DIRECT_BYTES) {
        done = pwrite(e->direct_fd, direct_copy(e, p, n), n, (off_t)at);
        if (done < 0 && errno == EINVAL)
            direct_close(e);
        else if (done < 0 && errno != EINTR)
            return fail_errno(e, "write", err);
        done = MAX(done, 0);
    }
    return write_at(e, p + done, n - (size_t)done, at + (size_t)done, err);
}

/* Makes the file reach to @end, rounded up to chunks. */
static int extend(struct engine_lmdb *e, size_t end, struct err *err)
{
    auto_buf zeros = {0};

    if (end <= e->wal_bytes)
        return 0;
    end = MAX(end, e->wal_bytes + MIN(e->wal_bytes, (size_t)GROW_MAX_BYTES));
    end = (end + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
    memset(buf_reserve(&zeros, CHUNK_BYTES), 0, CHUNK_BYTES);
    while (e->wal_bytes < end) {
        int r = write_at(e, zeros.p, CHUNK_BYTES, e->wal_bytes, err);

        if (r < 0)
            return r;
        e->wal_bytes += CHUNK_BYTES;
    }
    return 0;
}

int wal_commit(struct engine_lmdb *e, int64_t ceiling, struct err *err)
{
    size_t start = e->log_done, bytes = e->log.len - start, padded = aligned(bytes);
    unsigned char *h;
    int r;

    memset(buf_reserve(&e->log, padded - bytes), 0, padded - bytes);
    h = (unsigned char *)e->log.p + start;
    put32(h + 4, (uint32_t)(e->ops.n - e->ops_done));
    put64(h + 8, e->state.salt);
    put64(h + 16, e->frames);
    put64(h + 24, (uint64_t)ceiling);
    put32(h + 32, (uint32_t)(bytes - FRAME_HEADER_BYTES));
    put32(h + 36, 0);
    put32(h, crc32c_add(&e->crc, 0, (struct str){(char *)h + 4, bytes - 4}));
    r = extend(e, start + padded, err);
    if (r == 0)
        r = write_frame(e, (const char *)h, padded, start, err);
    if (r == 0 && fdatasync(e->wal_fd))
        r = fail_errno(e, "sync", err);
    if (r < 0) { /* the next frame goes there; should the end come first, none is better */
        static const char none[FRAME_HEADER_BYTES];

        (void)write_at(e, none, sizeof(none), start, NULL);
        return r;
    }
    e->log.len = start + padded;
    e->log_done = e->log.len;
    e->ops_done = e->ops.n;
    e->frames++;
    return 0;
}

uint64_t wal_new_salt(void)
{
    return random_u64(random_kernel());
}

/* ---- reading ---- */

struct frame {
    uint32_t ops, payload;
    uint64_t number;
    int64_t ceiling;
    size_t bytes; /* in the file */
};

/* True if a frame of this salt begins at @at of @log. */
static bool frame_read(const struct engine_lmdb *e, struct str log, size_t at, struct frame *ret_f)
{
    struct str rest = str_sub(log, at, log.len);
    const unsigned char *h = (const unsigned char *)rest.p;

    if (rest.len < FRAME_HEADER_BYTES || get64(h + 8) != e->state.salt)
        return false;
    *ret_f = (struct frame){.ops = get32(h + 4),
                            .number = get64(h + 16),
                            .ceiling = (int64_t)get64(h + 24),
                            .payload = get32(h + 32)};
    if (ret_f->payload > rest.len - FRAME_HEADER_BYTES)
        return false;
    ret_f->bytes = aligned(FRAME_HEADER_BYTES + (size_t)ret_f->payload);
    return get32(h) ==
           crc32c_add(&e->crc, 0,
                      str_sub(rest, 4, FRAME_HEADER_BYTES - 4 + (size_t)ret_f->payload));
}

static int damaged(struct engine_lmdb *e, size_t at, struct err *err)
{
    return err_new(err, ERR_PARSE, "store in %s: its log is damaged at byte %zu", e->dir, at);
}

/* The operation at @at of the log, before @end. False when there is none. */
static bool op_read(const struct engine_lmdb *e, size_t at, size_t end, struct batch_op *ret_op)
{
    const unsigned char *h = (const unsigned char *)e->log.p + at;
    struct batch_op op = {.start = at, .key_at = at + OP_HEADER_BYTES};

    if (end - at < OP_HEADER_BYTES || (h[22] != 0 && h[22] != OP_DELETED && h[22] != OP_RESTORED))
        return false;
    op.revision = (int64_t)get64(h);
    op.lease = (int64_t)get64(h + 8);
    op.value_len = get32(h + 16);
    op.key_len = (size_t)h[20] | (size_t)h[21] << 8;
    op.deleted = h[22] == OP_DELETED;
    if (h[22] == OP_RESTORED) {
        if (end - op.key_at < OP_RESTORED_BYTES)
            return false;
        op.create = (int64_t)get64(h + OP_HEADER_BYTES);
        op.version = (int64_t)get64(h + OP_HEADER_BYTES + 8);
        op.key_at += OP_RESTORED_BYTES;
    }
    op.value_at = op.key_at + op.key_len;
    *ret_op = op;
    return op.value_at <= end && op.value_len <= end - op.value_at;
}

static int frame_take(struct engine_lmdb *e, size_t at, const struct frame *f, struct err *err)
{
    size_t end = at + FRAME_HEADER_BYTES + f->payload, p = at + FRAME_HEADER_BYTES;
    int64_t last = e->log_revision;

    for (uint32_t i = 0; i < f->ops; i++) {
        struct batch_op op;

        if (!op_read(e, p, end, &op) || (op.revision && op.revision < last))
            return damaged(e, p, err);
        p = op.value_at + op.value_len;
        vec_push(&e->ops, op);
        last = MAX(last, op.revision);
    }
    e->log_revision = last;
    e->state.ceiling = MAX(e->state.ceiling, f->ceiling);
    return p == end ? 0 : damaged(e, p, err);
}

/* A frame that follows what cannot be read: something acknowledged is missing. A frame that was
 * being written when the end came is followed by none. */
static int check_tail(struct engine_lmdb *e, size_t at, struct err *err)
{
    struct frame f;

    for (size_t i = at; i < e->log.len; i += FRAME_ALIGN)
        if (frame_read(e, buf_view(&e->log), i, &f) && f.number > e->frames)
            return damaged(e, at, err);
    return 0;
}

static int read_file(struct engine_lmdb *e, struct err *err)
{
    struct stat st;

    if (fstat(e->wal_fd, &st))
        return fail_errno(e, "read", err);
    e->wal_bytes = (size_t)st.st_size;
    while (e->log.len < e->wal_bytes) {
        size_t want = MIN(e->wal_bytes - e->log.len, (size_t)CHUNK_BYTES);
        ssize_t n = pread(e->wal_fd, buf_reserve(&e->log, want), want, (off_t)e->log.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(e, "read", err);
        if (n == 0)
            break;
        e->log.len += (size_t)n;
    }
    return 0;
}

int wal_open(struct engine_lmdb *e, struct err *err)
{
    auto_arena a = {0};
    const char *path = arena_printf(&a, "%s/wal", e->dir);
    struct frame f;
    size_t at = 0;
    int r;

    e->wal_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (e->wal_fd < 0)
        return fail_errno(e, "open", err);
    e->direct_fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
    r = read_file(e, err);
    while (r == 0 && frame_read(e, buf_view(&e->log), at, &f) && f.number == e->frames) {
        r = frame_take(e, at, &f, err);
        at += f.bytes;
        e->frames++;
    }
    if (r == 0)
        r = check_tail(e, at, err);
    if (r < 0)
        return r;
    e->log.len = MIN(e->log.len, at);
    e->log_done = e->log.len;
    e->ops_done = e->ops.n;
    return 0;
}

void wal_close(struct engine_lmdb *e)
{
    direct_close(e);
    if (e->wal_fd >= 0)
        (void)close(e->wal_fd);
    e->wal_fd = -1;
}
