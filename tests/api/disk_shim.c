/* disk_shim.c - preloaded into a server by test_disk.py: a disk that fails or is slow on demand.
 *
 * SKIFF_DISK names a control file, read at each call: "SYNC_ERRNO WRITE_ERRNO SYNC_DELAY_MS NAME",
 * for calls on files of a store whose path ends in NAME ("-": any of them). Each sync of a log
 * appends a byte to the file SKIFF_DISK.syncs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int sync_errno, write_errno, delay_ms;
};

static int ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);

    return n >= m && strcmp(path + n - m, end) == 0;
}

/* What is to happen to calls on @fd; all zero for files that are no store's. */
static struct control control_of(int fd, char *path, size_t size)
{
    struct control c = {0}, none = {0};
    char link[64], text[128] = {0}, name[64] = "-";
    const char *file = getenv("SKIFF_DISK");
    ssize_t n;
    int control;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, size - 1);
    path[n > 0 ? n : 0] = '\0';
    if (!file || !strstr(path, "/data/store/"))
        return none;
    control = open(file, O_RDONLY | O_CLOEXEC);
    if (control < 0)
        return none;
    n = read(control, text, sizeof(text) - 1);
    (void)close(control);
    if (n <= 0 || sscanf(text, "%d %d %d %63s", &c.sync_errno, &c.write_errno, &c.delay_ms,
                         name) != 4)
        return none;
    return strcmp(name, "-") == 0 || ends_with(path, name) ? c : none;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static int on_write(int fd)
{
    char path[512];

    return control_of(fd, path, sizeof(path)).write_errno;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    int error = on_write(fd);

    return error ? fail(error) : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    int error = on_write(fd);

    return error ? fail(error) : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    int error = on_write(fd);

    return error ? fail(error) : syscall(SYS_writev, fd, v, n);
}

static void count_sync(void)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof(path), "%s.syncs", getenv("SKIFF_DISK"));
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)!syscall(SYS_write, fd, ".", 1);
    (void)close(fd);
}

int fdatasync(int fd)
{
    char path[512];
    struct control c = control_of(fd, path, sizeof(path));

    if (c.delay_ms) {
        struct timespec t = {c.delay_ms / 1000, c.delay_ms % 1000 * 1000000L};

        while (nanosleep(&t, &t) && errno == EINTR)
            ;
    }
    if (c.sync_errno)
        return fail(c.sync_errno);
    if (ends_with(path, "/data/store/wal"))
        count_sync();
    return (int)syscall(SYS_fdatasync, fd);
}
