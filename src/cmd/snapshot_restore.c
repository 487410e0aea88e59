/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_restore.c - a new store from a snapshot's file.
 *
 * The engine wants revisions that rise, and the file is in order of keys: the first pass, which
 * verifies, notes where each record is; they are then written in order of their mod revision, with
 * all else that the file has. Then
 * the revision jumps ahead, and history before that is forgotten, so that nobody who knew what was
 * written after the snapshot mistakes a new revision for one of those.
 */
#include "base/vec.h"
#include "cmd/files.h"
#include "cmd/snapshot.h"
#include "cmd/snapshot_pki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { REVISIONS_MARGIN = 1000000, BATCH_BYTES = 4 << 20, FRAME_BYTES = 8 };
struct place {
    uint64_t offset;
    int64_t revision;
};
struct restore {
    VEC(struct place) places;       /* of records */
    VEC(uint64_t) notes, pki_files; /* offsets */
    struct crc32c crc;
    struct buf block;
    int fd;
};

static int note_place(void *arg, const struct raw_kv *kv, uint64_t offset, struct err *err)
{
    struct restore *s = arg;
    struct place p = {offset, kv->mod_revision};

    (void)err;
    vec_push(&s->places, p);
    return 0;
}

static int note_note(void *arg, struct str name, struct str value, uint64_t offset, struct err *err)
{
    struct restore *s = arg;

    (void)name;
    (void)value;
    (void)err;
    vec_push(&s->notes, offset);
    return 0;
}

static int note_pki_file(void *arg, const struct backup_pki_file *f, uint64_t offset,
                         struct err *err)
{
    struct restore *s = arg;

    (void)f;
    (void)err;
    vec_push(&s->pki_files, offset);
    return 0;
}

static int by_revision(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->revision != y->revision)
        return x->revision < y->revision ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int read_at(int fd, char *p, size_t n, uint64_t offset, struct err *err)
{
    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t)offset);

        if (got <= 0)
            return err_new(err, ERR_IO, "read: %s", got ? strerror(errno) : "the file has changed");
        p += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

/* Reads the block at @offset into s->block. */
static int load_block(struct restore *s, uint64_t offset, struct err *err)
{
    unsigned char length[4];
    size_t n;
    int r = read_at(s->fd, (char *)length, sizeof(length), offset, err);

    if (r < 0)
        return r;
    n = FRAME_BYTES + ((size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 |
                       (size_t)length[3] << 24);
    if (n > FRAME_BYTES + (size_t)BACKUP_BLOCK_MAX)
        return err_new(err, ERR_IO, "the file has changed");
    buf_reset(&s->block);
    r = read_at(s->fd, buf_reserve(&s->block, n), n, offset, err);
    s->block.len = n;
    return r;
}

static int put_note(struct restore *s, struct engine *e, uint64_t offset, struct err *err)
{
    struct str name, value;
    int r = load_block(s, offset, err);

    if (r == 0)
        r = backup_note_read(&s->crc, buf_view(&s->block), &name, &value, err);
    return r < 0 ? r : e->ops->note(e, name, value, err);
}

static int put_record(struct restore *s, struct engine *e, uint64_t offset, struct err *err)
{
    struct raw_kv kv;
    int r = load_block(s, offset, err);

    if (r == 0)
        r = backup_record_read(&s->crc, buf_view(&s->block), &kv, err);
    if (r < 0)
        return r;
    return e->ops->restore(e,
                           &(struct engine_kv){.key = kv.key,
                                               .value = kv.value,
                                               .create_revision = kv.create_revision,
                                               .mod_revision = kv.mod_revision,
                                               .version = kv.version,
                                               .lease = kv.lease},
                           err);
}

static int put_pki(struct restore *s, const char *data_dir, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < s->pki_files.n && r == 0; i++) {
        struct backup_pki_file f;

        r = load_block(s, s->pki_files.v[i], err);
        if (r == 0)
            r = backup_pki_file_read(&s->crc, buf_view(&s->block), &f, err);
        if (r == 0)
            r = snapshot_put_pki(data_dir, &f, err);
    }
    return r;
}

static int jump(struct engine *e, int64_t revision, struct err *err)
{
    bool more = true;
    int r = e->ops->put(e, revision, STR("/skiff/restored"), STR("{}"), 0, err);

    if (r == 0)
        r = e->ops->remove(e, revision + 1, STR("/skiff/restored"), err);
    if (r == 0)
        r = e->ops->commit(e, err);
    while (r == 0 && more)
        r = e->ops->compact(e, revision + 1, &more, err);
    return r;
}

static int fill(struct restore *s, struct engine *e, int64_t revision, struct err *err)
{
    size_t batch = 0;
    int r = 0;

    for (size_t i = 0; i < s->notes.n && r == 0; i++)
        r = put_note(s, e, s->notes.v[i], err);
    for (size_t i = 0; i < s->places.n && r == 0; i++) {
        r = put_record(s, e, s->places.v[i].offset, err);
        batch += s->block.len;
        /* What has one revision is in one batch. */
        if (r == 0 && batch >= BATCH_BYTES && i + 1 < s->places.n &&
            s->places.v[i + 1].revision > s->places.v[i].revision) {
            batch = 0;
            r = e->ops->commit(e, err);
        }
    }
    return r < 0 ? r : jump(e, revision + REVISIONS_MARGIN, err);
}

static int make_store(struct restore *s, const char *dir, int64_t revision, struct err *err)
{
    struct engine *e;
    int r = folder_make(dir, 0700, err);

    if (r == 0)
        r = engine_lmdb_open(dir, &e, err);
    if (r < 0)
        return r;
    r = fill(s, e, revision, err);
    e->ops->close(e);
    return r;
}

/* Makes @beside, and sees that there is nothing where it is to go. */
static int make_room(const char *data_dir, const char *beside, struct err *err)
{
    int code;

    if (mkdir(beside, 0700) < 0)
        return errno == EEXIST
                   ? err_new(
                         err, ERR_EXISTS,
                         "%s is there: a restore is making it, or one that did not end has left "
                         "it behind, to be removed",
                         beside)
                   : err_new(err, ERR_IO, "make folder %s: %s", beside, strerror(errno));
    /* It is empty, or not there: rmdir says which. */
    if (rmdir(data_dir) == 0 || errno == ENOENT)
        return 0;
    code = errno == EBUSY
               ? err_new(err, ERR_EXISTS, "%s is a mount point: name a folder in it", data_dir)
           : errno == ENOTDIR
               ? err_new(err, ERR_EXISTS, "%s is no folder (nor may it be a link)", data_dir)
               : err_new(err, ERR_EXISTS, "%s: %s", data_dir, strerror(errno));
    (void)rmdir(beside);
    return code;
}

static int restore_verified(struct restore *s, const char *data_dir, int64_t revision,
                            struct err *err)
{
    auto_arena a = {0};
    const char *beside = arena_printf(&a, "%s.restoring", data_dir);
    int r = make_room(data_dir, beside, err);

    if (r < 0)
        return r;
    r = make_store(s, arena_printf(&a, "%s/store", beside), revision, err);
    if (r == 0)
        r = put_pki(s, beside, err);
    if (r == 0)
        r = folder_sync(beside, err);
    if (r < 0)
        return err_wrap(err, r, "%s, which is left behind", beside);
    return file_rename(beside, data_dir, err);
}

int snapshot_restore(const char *path, const char *data_dir, int64_t *ret_revision,
                     struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC); /* once: another may get this name meanwhile */
    struct restore s = {0};
    struct backup_reader r = {.on_record = note_place,
                              .on_note = note_note,
                              .on_pki_file = note_pki_file,
                              .arg = &s};
    int code;

    backup_reader_init(&r);
    crc32c_init(&s.crc);
    s.fd = fd;
    code = fd < 0 ? err_new(err, ERR_IO, "open: %s", strerror(errno))
                  : snapshot_read_fd(fd, &r, NULL, err);
    if (code < 0)
        code = err_wrap(err, code, "%s", path);
    if (code == 0 && s.places.n)
        qsort(s.places.v, s.places.n, sizeof(s.places.v[0]), by_revision);
    if (code == 0)
        code = restore_verified(&s, data_dir, r.revision, err);
    *ret_revision = r.revision;
    backup_reader_deinit(&r);
    vec_deinit(&s.places);
    vec_deinit(&s.notes);
    vec_deinit(&s.pki_files);
    buf_deinit(&s.block);
    return code;
}
