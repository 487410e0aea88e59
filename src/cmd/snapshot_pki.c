/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_pki.c - certificates and keys into a snapshot's file, and out of it.
 *
 * They take the place of the file's last block, and a new one follows: what the server sent is read
 * again and verified on the way, so the new sum vouches for no more than the old one did.
 */
#include "cmd/snapshot_pki.h"

#include "base/vec.h"
#include "cmd/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- what is there ---- */

struct listing {
    struct arena *arena;
    const char *top;
    VEC(struct str) files;     /* relative names */
    VEC(const char *) folders; /* "" or relative, with a slash at the end */
};

static int list_one(struct listing *l, int dir, const char *folder, const char *entry,
                    struct err *err)
{
    struct str name = str_printf(l->arena, "%s%s", folder, entry);
    struct stat st;

    /* What a replacement that never ended has left behind (file_write()). */
    if (strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0 || str_has_suffix(name, STR(".new")))
        return 0;
    if (fstatat(dir, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_new(err, ERR_IO, "%s/%s: %s", l->top, name.p, strerror(errno));
    if (!backup_name_check(name) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return err_new(err, ERR_NOT_ALLOWED,
                       "%s/%s is no plain file or folder with a plain name: a snapshot cannot "
                       "have it",
                       l->top, name.p);
    if (l->files.n + l->folders.n > BACKUP_FILES_MAX)
        return err_new(err, ERR_TOO_LARGE, "%s has more than %d files", l->top, BACKUP_FILES_MAX);
    if (S_ISREG(st.st_mode))
        vec_push(&l->files, name);
    else
        vec_push(&l->folders, arena_printf(l->arena, "%s/", name.p));
    return 0;
}

static int list_folder(struct listing *l, const char *folder, struct err *err)
{
    const char *path = arena_printf(l->arena, "%s/%s", l->top, folder);
    DIR *d = opendir(path);
    struct dirent *entry;
    int r = 0;

    if (!d)
        return err_new(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s: %s", path,
                       strerror(errno));
    while (r == 0 && (errno = 0, entry = readdir(d)))
        r = list_one(l, dirfd(d), folder, entry->d_name, err);
    if (r == 0 && errno)
        r = err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
    (void)closedir(d);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int list_all(struct listing *l, struct err *err)
{
    int r = 0;

    vec_push(&l->folders, "");
    for (size_t i = 0; i < l->folders.n && r == 0; i++)
        r = list_folder(l, l->folders.v[i], err);
    if (r == 0 && !l->files.n)
        return err_new(err, ERR_NOT_FOUND, "%s is empty", l->top);
    if (r == 0)
        qsort(l->files.v, l->files.n, sizeof(l->files.v[0]), by_name);
    return r;
}

static int load_file(const char *path, struct buf *ret_bytes, uint32_t *ret_mode, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_new(err, ERR_IO, "open %s: %s", path, strerror(errno));
    *ret_mode = st.st_mode & S_IROTH ? 0644 : 0600;
    while (n > 0 && ret_bytes->len <= BACKUP_FILE_BYTES_MAX) {
        n = read(fd, buf_reserve(ret_bytes, 4096), 4096);
        if (n < 0)
            return err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
        ret_bytes->len += (size_t)n;
    }
    if (ret_bytes->len > BACKUP_FILE_BYTES_MAX)
        return err_new(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path,
                       BACKUP_FILE_BYTES_MAX);
    return 0;
}

/* ---- into the file ---- */

static int read_snapshot(int fd, struct backup_reader *r, struct err *err)
{
    char piece[64 * 1024];
    ssize_t n = 1;
    int code = 0;

    for (off_t at = 0; n > 0 && code == 0; at += n) {
        n = pread(fd, piece, sizeof(piece), at);
        if (n < 0)
            return err_new(err, ERR_IO, "read the snapshot: %s", strerror(errno));
        code = backup_feed(r, (struct str){piece, (size_t)n}, err);
    }
    if (code == 0)
        code = backup_finish(r, err);
    if (code == 0 && r->pki_files)
        return err_new(err, ERR_EXISTS, "the snapshot has pki already");
    if (code == 0 && r->format < 2)
        return err_new(err, ERR_NOT_ALLOWED, "the snapshot is of a format without pki");
    return code;
}

static int write_at(int fd, struct buf *b, uint64_t *at, struct err *err)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = pwrite(fd, b->p + done, b->len - done, (off_t)*at);

        if (n < 0)
            return err_new(err, ERR_IO, "write the snapshot: %s", strerror(errno));
        done += (size_t)n;
        *at += (uint64_t)n;
    }
    buf_reset(b);
    return 0;
}

static int write_files(int fd, const struct listing *l, struct backup_writer *w, uint64_t at,
                       struct err *err)
{
    auto_buf out = {0};
    int r = 0;

    for (size_t i = 0; i < l->files.n && r == 0; i++) {
        const char *path = arena_printf(l->arena, "%s/%s", l->top, l->files.v[i].p);
        struct backup_pki_file f = {.name = l->files.v[i]};
        auto_buf bytes = {0};

        r = load_file(path, &bytes, &f.mode, err);
        f.bytes = buf_view(&bytes);
        if (r == 0) {
            backup_pki_file(w, &f, &out);
            r = write_at(fd, &out, &at, err);
        }
    }
    if (r < 0)
        return r;
    backup_end(w, &out);
    r = write_at(fd, &out, &at, err);
    if (r == 0 && fsync(fd) < 0)
        return err_new(err, ERR_IO, "sync the snapshot: %s", strerror(errno));
    return r;
}

int snapshot_add_pki(int fd, const char *data_dir, struct err *err)
{
    auto_arena a = {0};
    struct listing l = {.arena = &a, .top = arena_printf(&a, "%s/pki", data_dir)};
    struct backup_reader reader = {0};
    struct backup_writer w;
    uint64_t at;
    int r = list_all(&l, err);

    backup_reader_init(&reader);
    if (r == 0)
        r = read_snapshot(fd, &reader, err);
    if (r == 0) {
        backup_continue(&w, &reader, &at);
        r = write_files(fd, &l, &w, at, err);
        backup_writer_deinit(&w);
    }
    backup_reader_deinit(&reader);
    vec_deinit(&l.files);
    vec_deinit(&l.folders);
    return r;
}

/* ---- out of it ---- */

static int write_new(const char *path, const struct backup_pki_file *f, struct err *err)
{
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct str rest = f->bytes;

    if (fd < 0)
        return err_new(err, ERR_IO, "create %s: %s", path, strerror(errno));
    while (rest.len > 0) {
        ssize_t n = write(fd, rest.p, rest.len);

        if (n < 0)
            return err_new(err, ERR_IO, "write %s: %s", path, strerror(errno));
        rest = str_sub(rest, (size_t)n, rest.len);
    }
    if (fchmod(fd, f->mode) < 0 || fsync(fd) < 0)
        return err_new(err, ERR_IO, "write %s: %s", path, strerror(errno));
    return 0;
}

int snapshot_put_pki(const char *data_dir, const struct backup_pki_file *f, struct err *err)
{
    auto_arena a = {0};
    const char *path = arena_printf(&a, "%s/pki/%.*s", data_dir, STR_ARG(f->name));
    size_t folder_len = (size_t)(strrchr(path, '/') - path);
    int r;

    if (!backup_name_check(f->name))
        return err_new(err, ERR_PARSE, "a file of pki with an impossible name");
    r = folder_make(arena_printf(&a, "%.*s", (int)folder_len, path), 0700, err);
    if (r == 0)
        r = write_new(path, f, err);
    /* The name of each folder on the way, and of the file. */
    for (size_t at = strlen(data_dir); r == 0 && at <= folder_len; at++)
        if (path[at] == '/')
            r = folder_sync(arena_printf(&a, "%.*s", (int)at, path), err);
    return r;
}
