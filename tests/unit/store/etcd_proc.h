/* etcd_proc.h - a real etcd for tests: one member, on free ports and a folder of its own. */
#pragma once
#include "test.h"
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct etcd_proc {
    char dir[40], client_url[64], peer_url[64];
    pid_t pid; /* 0: not running */
};

static inline bool etcd_installed(void)
{
    return system("command -v etcd >/dev/null 2>&1") == 0;
}

static inline uint16_t free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(sa.sin_port);
}

/* Starts it, anew over the same data after etcd_proc_kill(). The store waits until it answers. */
static inline void etcd_proc_run(struct etcd_proc *e)
{
    char cluster[80], log[64];

    (void)snprintf(cluster, sizeof(cluster), "default=%s", e->peer_url);
    (void)snprintf(log, sizeof(log), "%s/log", e->dir);
    e->pid = fork();
    assert_true(e->pid >= 0);
    if (e->pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        char data[64];

        (void)snprintf(data, sizeof(data), "%s/data", e->dir);
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
        (void)execlp("etcd", "etcd", "--data-dir", data, "--listen-client-urls", e->client_url,
                     "--advertise-client-urls", e->client_url, "--listen-peer-urls", e->peer_url,
                     "--initial-advertise-peer-urls", e->peer_url, "--initial-cluster", cluster,
                     "--logger", "zap", (char *)NULL);
        _exit(127);
    }
}

static inline void etcd_proc_start(struct etcd_proc *e)
{
    *e = (struct etcd_proc){.dir = "/tmp/skiff-etcd-XXXXXX"};
    (void)signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(e->dir));
    (void)snprintf(e->client_url, sizeof(e->client_url), "http://127.0.0.1:%u", free_port());
    (void)snprintf(e->peer_url, sizeof(e->peer_url), "http://127.0.0.1:%u", free_port());
    etcd_proc_run(e);
}

static inline void etcd_proc_kill(struct etcd_proc *e)
{
    if (e->pid) {
        (void)kill(e->pid, SIGKILL);
        assert_int_equal(waitpid(e->pid, NULL, 0), e->pid);
    }
    e->pid = 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void etcd_proc_stop(struct etcd_proc *e)
{
    etcd_proc_kill(e);
    assert_int_equal(nftw(e->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Runs etcdctl, or a pipe of commands that begins with it; fails the test if that fails. Its output
 * in @out, which is NUL-terminated. */
static inline size_t etcdctl(const struct etcd_proc *e, const char *args, char *out, size_t cap)
{
    char command[1024];
    size_t n;
    FILE *f;

    (void)snprintf(command, sizeof(command), "ETCDCTL_API=3 etcdctl --endpoints=%s %s",
                   e->client_url, args);
    f = popen(command, "r");
    assert_non_null(f);
    n = fread(out, 1, cap - 1, f);
    out[n] = '\0';
    assert_int_equal(pclose(f), 0);
    return n;
}
