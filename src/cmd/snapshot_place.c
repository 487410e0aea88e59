/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/snapshot_place.h"

#include "base/vec.h"
#include "cmd/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int snapshot_place_open(const char *where, const struct s3_flags *s3, const atomic_bool *cancel,
                        struct snapshot_place *ret_p, struct err *err)
{
    struct snapshot_place *p = ret_p;
    int r;

    *p = (struct snapshot_place){.where = where};
    if (!s3_url_is(where))
        return *where ? 0 : err_new(err, ERR_INVALID, "a folder without a name");
    r = s3_url_parse(where, &p->arena, &p->url, err);
    if (r == 0)
        r = s3_flags_open(s3, p->url.bucket, cancel, &p->s3, err);
    return r < 0 ? err_wrap(err, r, "%.200s", where) : 0;
}

void snapshot_place_close(struct snapshot_place *p)
{
    p->s3 = s3_free(p->s3);
    arena_deinit(&p->arena);
}

/* ---- a folder ---- */

static int by_name(const void *a, const void *b)
{
    const struct snapshot_file *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int read_folder(DIR *d, struct arena *a, struct snapshot_files *out, struct err *err)
{
    struct dirent *e;

    while ((errno = 0, e = readdir(d)) != NULL) {
        struct snapshot_file f = {0};
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone since */
        if (out->n == S3_OBJECTS_MAX)
            return err_new(err, ERR_TOO_LARGE, "more than %d files", S3_OBJECTS_MAX);
        f.name = arena_strdup(a, e->d_name);
        f.regular = S_ISREG(st.st_mode);
        f.bytes = f.regular ? (uint64_t)st.st_size : 0;
        vec_push(out, f);
    }
    return errno ? err_new(err, ERR_IO, "read folder: %s", strerror(errno)) : 0;
}

static int list_folder(const char *dir, struct arena *a, struct snapshot_files *out,
                       struct err *err)
{
    DIR *d = opendir(dir);
    int r;

    if (!d)
        return err_new(err, ERR_IO, "open folder %s: %s", dir, strerror(errno));
    r = read_folder(d, a, out, err);
    (void)closedir(d);
    return r < 0 ? err_wrap(err, r, "%s", dir) : 0;
}

/* ---- S3 ---- */

static const char *key_of(const struct snapshot_place *p, struct arena *a, const char *name)
{
    return *p->url.key ? arena_printf(a, "%s/%s", p->url.key, name) : arena_strdup(a, name);
}

static int list_s3(struct snapshot_place *p, struct arena *a, struct snapshot_files *out,
                   struct err *err)
{
    const char *prefix = key_of(p, a, "");
    struct s3_objects o = {0};
    int r = s3_list(p->s3, prefix, a, &o, err);

    for (size_t i = 0; i < o.n && r == 0; i++) {
        struct snapshot_file f = {.bytes = o.v[i].bytes, .regular = true};

        if (strncmp(o.v[i].key, prefix, strlen(prefix)) != 0)
            return err_new(err, ERR_PARSE, "%s: S3 lists what was not asked for", p->where);
        f.name = o.v[i].key + strlen(prefix);
        if (*f.name) /* that of the prefix itself stands for a folder */
            vec_push(out, f);
    }
    return r;
}

/* ---- both ---- */

int snapshot_place_list(struct snapshot_place *p, struct arena *a, struct snapshot_files *ret,
                        struct err *err)
{
    struct snapshot_files files = {0};
    int r = p->s3 ? list_s3(p, a, &files, err) : list_folder(p->where, a, &files, err);

    if (r < 0) {
        vec_deinit(&files);
        return r;
    }
    if (files.n)
        qsort(files.v, files.n, sizeof(files.v[0]), by_name);
    *ret = files;
    return 0;
}

int snapshot_place_put(struct snapshot_place *p, const char *path, int fd, const char *name,
                       struct err *err)
{
    auto_arena a = {0};

    if (p->s3)
        return s3_put(p->s3, key_of(p, &a, name), fd, err);
    return file_rename(path, arena_printf(&a, "%s/%s", p->where, name), err);
}

int snapshot_place_remove(struct snapshot_place *p, const char *name, struct err *err)
{
    auto_arena a = {0};
    const char *path;

    if (p->s3)
        return s3_delete(p->s3, key_of(p, &a, name), err);
    path = arena_printf(&a, "%s/%s", p->where, name);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_new(err, ERR_IO, "remove %s: %s", path, strerror(errno));
    return 0;
}

static int fetch(struct s3 *s3, const char *key, const char *tmp, int *ret_fd, struct err *err)
{
    int fd, r = snapshot_temporary(tmp, &fd, err);

    if (r < 0)
        return r;
    r = s3_get(s3, key, fd, S3_PUT_BYTES_MAX, err);
    if (r < 0)
        (void)close(fd);
    else
        *ret_fd = fd;
    return r;
}

int snapshot_place_get(struct snapshot_place *p, const char *name, const char *tmp, int *ret_fd,
                       struct err *err)
{
    auto_arena a = {0};
    struct stat st;
    int fd;

    if (p->s3)
        return fetch(p->s3, key_of(p, &a, name), tmp, ret_fd, err);
    fd = open(arena_printf(&a, "%s/%s", p->where, name),
              O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_new(err, errno == ELOOP ? ERR_INVALID : ERR_IO, "%s", strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return err_new(err, ERR_INVALID, "no regular file");
    }
    *ret_fd = fd;
    return 0;
}

/* ---- single objects ---- */

int snapshot_temporary(const char *dir, int *ret_fd, struct err *err)
{
    auto_arena a = {0};
    char *path = arena_printf(&a, "%s/skiff-snapshot.XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC); /* 0600 */

    if (fd < 0)
        return err_new(err, ERR_IO, "a temporary file in %s: %s", dir, strerror(errno));
    if (unlink(path) < 0) {
        (void)close(fd);
        return err_new(err, ERR_IO, "remove %s: %s", path, strerror(errno));
    }
    *ret_fd = fd;
    return 0;
}

const char *snapshot_tmpdir(void)
{
    const char *dir = getenv("TMPDIR");

    return dir && *dir ? dir : "/tmp";
}

static int open_object(const char *url, const struct s3_flags *s3, struct snapshot_place *p,
                       struct err *err)
{
    int r = snapshot_place_open(url, s3, NULL, p, err);

    if (r == 0 && !*p->url.key)
        r = err_new(err, ERR_BAD_REQUEST, "%s names no object: s3://BUCKET/KEY", url);
    return r;
}

int snapshot_fetch(const char *url, const struct s3_flags *s3, int fd, struct err *err)
{
    struct snapshot_place p;
    int r = open_object(url, s3, &p, err);

    if (r == 0)
        r = s3_get(p.s3, p.url.key, fd, S3_PUT_BYTES_MAX, err);
    snapshot_place_close(&p);
    return r;
}

int snapshot_store(const char *url, const struct s3_flags *s3, int fd, struct err *err)
{
    struct snapshot_place p;
    int r = open_object(url, s3, &p, err);

    if (r == 0)
        r = s3_put(p.s3, p.url.key, fd, err);
    snapshot_place_close(&p);
    return r;
}
