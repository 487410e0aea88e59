/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int kfile_read(const char *path, size_t max, struct arena *a, struct str *ret_text, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    char *p = arena_alloc(a, max + 1);
    size_t len = 0;

    if (fd < 0)
        return err_new(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s: %s", path,
                       strerror(errno));
    for (;;) {
        ssize_t n = read(fd, p + len, max + 1 - len);

        if (n < 0)
            return err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return err_new(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    }
    *ret_text = (struct str){p, len};
    return 0;
}

static bool write_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0)
            return false;
        text = str_sub(text, (size_t)n, text.len);
    }
    return true;
}

int kfile_write(const char *path, struct str text, mode_t mode, struct err *err)
{
    auto_arena a = {0};
    const char *beside = arena_printf(&a, "%s.new", path);
    auto_fd fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 || fchmod(fd, mode) < 0 || !write_all(fd, text) || rename(beside, path) < 0)
        return err_new(err, ERR_IO, "write %s: %s", path, strerror(errno));
    return 0;
}

int kfile_set(const char *path, const char *text, struct err *err)
{
    auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return err_new(err, ERR_IO, "write \"%s\" to %s: %s", text, path, strerror(errno));
    return 0;
}

int kfolder_make(const char *path, mode_t mode, struct err *err)
{
    auto_arena a = {0};
    char *p = arena_strdup(&a, path);

    for (char *s = p + 1; *s; s++) {
        if (*s != '/')
            continue;
        *s = '\0';
        if (mkdir(p, 0755) < 0 && errno != EEXIST)
            return err_new(err, ERR_IO, "make folder %s: %s", p, strerror(errno));
        *s = '/';
    }
    if (mkdir(p, mode) < 0 && errno != EEXIST)
        return err_new(err, ERR_IO, "make folder %s: %s", p, strerror(errno));
    return 0;
}
