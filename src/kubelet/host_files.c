/* SPDX-License-Identifier: Apache-2.0 */
/* host_files.c - the kubelet's own files on the host: log folders, last words, programs. */
#include "kubelet/pod_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { TREE_DEPTH_MAX = 32, LAST_WORDS_MAX = 300 };

int host_mkdirs(const char *path, unsigned mode, struct err *err)
{
    auto_free char *copy = xstrdup(path);

    for (char *p = copy + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return err_new(err, ERR_IO, "mkdir %s: %s", copy, strerror(errno));
        *p = c;
        if (c == '\0')
            return 0;
    }
}

int host_symlink(const char *target, const char *path, struct err *err)
{
    if (symlink(target, path) == 0)
        return 0;
    if (errno == EEXIST && unlink(path) == 0 && symlink(target, path) == 0)
        return 0;
    return err_new(err, ERR_IO, "symlink %s: %s", path, strerror(errno));
}

void host_unlink(const char *path)
{
    (void)unlink(path); /* not there is as good */
}

void host_unlink_log(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    auto_free char *dir = xmemdupz(path, (size_t)(name - path));
    size_t len = strlen(name);
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, name, len) == 0 && (e->d_name[len] == '\0' || e->d_name[len] == '.'))
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        (void)closedir(d);
}

/* Opens the folder @name of @at if it is one, not a link, and on the device of the tree. */
static DIR *open_below(int at, const char *name, dev_t dev)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    DIR *d;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) < 0 || (dev != 0 && st.st_dev != dev)) {
        (void)close(fd);
        return NULL;
    }
    d = fdopendir(fd);
    if (!d)
        (void)close(fd);
    return d;
}

void host_remove_tree(const char *path)
{
    struct level {
        DIR *dir;
        char name[256];
    } levels[TREE_DEPTH_MAX];
    struct dirent *e;
    struct stat st;
    int depth = 0;

    levels[0].dir = open_below(AT_FDCWD, path, 0);
    if (!levels[0].dir)
        return;
    if (fstat(dirfd(levels[0].dir), &st) < 0)
        st.st_dev = 0;
    while (depth >= 0) {
        struct level *l = &levels[depth];
        DIR *below = NULL;

        e = readdir(l->dir);
        if (!e) {
            (void)closedir(l->dir);
            if (depth-- > 0)
                (void)unlinkat(dirfd(levels[depth].dir), l->name, AT_REMOVEDIR);
            continue;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(l->dir), e->d_name, 0) == 0 || depth + 1 == TREE_DEPTH_MAX)
            continue;
        below = open_below(dirfd(l->dir), e->d_name, st.st_dev);
        if (below) {
            depth++;
            levels[depth].dir = below;
            memcpy(levels[depth].name, e->d_name, sizeof(e->d_name));
        }
    }
    (void)rmdir(path);
}

struct str host_read(const char *path, size_t max, bool tail, struct arena *a)
{
    auto_fd fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *p;
    size_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return STR_NULL;
    if (tail && st.st_size > (off_t)max && lseek(fd, st.st_size - (off_t)max, SEEK_SET) < 0)
        return STR_NULL;
    p = arena_alloc(a, max + 1);
    while (n < max) {
        ssize_t got = read(fd, p + n, max - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return (struct str){p, n};
}

static int memory_file(struct str content)
{
    int fd = memfd_create("skiff", MFD_CLOEXEC);

    for (size_t at = 0; fd >= 0 && at < content.len;) {
        ssize_t n = write(fd, content.p + at, content.len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static int wait_for(pid_t pid, int words, const char *program, struct err *err)
{
    char text[LAST_WORDS_MAX + 1] = "";
    int status;
    ssize_t n;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return err_new(err, ERR_IO, "waiting for %s: %s", program, strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    n = pread(words, text, LAST_WORDS_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    return err_new(err, ERR_IO, "%s failed: %s", program, text);
}

int host_run(const char *const *argv, struct str input, struct err *err)
{
    auto_fd in = memory_file(input);
    auto_fd out = memory_file(STR_NULL);
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int r;

    if (in < 0 || out < 0)
        return err_new(err, ERR_IO, "memfd: %s", strerror(errno));
    if (posix_spawn_file_actions_init(&actions) != 0)
        return err_new(err, ERR_IO, "cannot prepare %s", argv[0]);
    r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    if (r == 0)
        r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return err_new(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(r));
    return wait_for(pid, out, argv[0], err);
}
