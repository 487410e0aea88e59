/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/files.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 4 * 1024 * 1024 };

int file_read(const char *path, struct arena *a, struct str *ret_text, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_buf b = {.limit_bytes = FILE_BYTES_MAX};

    if (fd < 0)
        return err_new(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s: %s", path,
                       strerror(errno));
    /* To its end, not by its size: files of /proc say that they have none. */
    for (;;) {
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n < 0)
            return err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
        if (n == 0)
            break;
        buf_append(&b, piece, (size_t)n);
        if (b.overflow)
            return err_new(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path, FILE_BYTES_MAX);
    }
    *ret_text = str_dup(a, buf_view(&b));
    return 0;
}

static int write_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0)
            return -1;
        text = str_sub(text, (size_t)n, text.len);
    }
    return fsync(fd);
}

int file_write(const char *path, struct str text, mode_t mode, struct err *err)
{
    auto_arena a = {0};
    const char *beside = arena_printf(&a, "%s.new", path);
    auto_fd fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    int code = 0;

    if (fd < 0)
        return err_new(err, ERR_IO, "create %s: %s", beside, strerror(errno));
    if (fchmod(fd, mode) < 0 || write_all(fd, text) < 0)
        code = err_new(err, ERR_IO, "write %s: %s", beside, strerror(errno));
    else if (rename(beside, path) < 0)
        code = err_new(err, ERR_IO, "rename %s: %s", beside, strerror(errno));
    if (code < 0)
        (void)unlink(beside); /* what counts has failed already */
    return code;
}

int file_rename(const char *from, const char *to, struct err *err)
{
    auto_arena a = {0};
    const char *slash = strrchr(to, '/');
    const char *folder = !slash       ? "."
                         : slash == to ? "/"
                                       : arena_printf(&a, "%.*s", (int)(slash - to), to);

    if (rename(from, to) < 0)
        return err_new(err, ERR_IO, "rename %s: %s", from, strerror(errno));
    return folder_sync(folder, err);
}

int folder_sync(const char *path, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return err_new(err, ERR_IO, "sync %s: %s", path, strerror(errno));
    return 0;
}

int folder_make(const char *path, mode_t mode, struct err *err)
{
    auto_arena a = {0};
    char *p = arena_strdup(&a, path);

    for (char *s = p + 1; *s; s++) {
        if (*s != '/')
            continue;
        *s = '\0';
        if (mkdir(p, mode) < 0 && errno != EEXIST)
            return err_new(err, ERR_IO, "make folder %s: %s", p, strerror(errno));
        *s = '/';
    }
    if (mkdir(p, mode) < 0 && errno != EEXIST)
        return err_new(err, ERR_IO, "make folder %s: %s", p, strerror(errno));
    return 0;
}

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}
