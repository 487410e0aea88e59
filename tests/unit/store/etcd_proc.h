/* etcd_proc.h - a real etcd for tests: members on free ports and folders of their own. */
#pragma once
#include "base/random.h"
#include "test.h"
#include <ftw.h>
#include <poll.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct etcd_proc {
    char dir[40], client_url[64], peer_url[64], name[16], cluster[300];
    bool tls;  /* with ca.pem, server.pem and server.key in dir; clients show certificates */
    pid_t pid; /* 0: not running */
};

static inline bool etcd_installed(void)
{
    return system("command -v etcd >/dev/null 2>&1") == 0;
}

/* Not of those that the kernel gives to clients: one of them might take it while etcd is down. */
static inline uint16_t free_port(void)
{
    for (;;) {
        uint16_t port = (uint16_t)(20000 + random_u64(random_kernel()) % 12000);
        struct sockaddr_in sa = {.sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool free_now;

        assert_true(fd >= 0);
        free_now = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
        assert_int_equal(close(fd), 0);
        if (free_now)
            return port;
    }
}

/* Starts it, anew over the same data after etcd_proc_kill(). The store waits until it answers. */
static inline void etcd_proc_run(struct etcd_proc *e)
{
    auto_arena a = {0};
    const char *tls = !e->tls ? "" : arena_printf(&a,
        "--client-cert-auth --trusted-ca-file=%s/ca.pem --cert-file=%s/server.pem "
        "--key-file=%s/server.key", e->dir, e->dir, e->dir);
    const char *command = arena_printf(&a,
        "exec etcd --name %s --data-dir %s/data --logger zap --listen-client-urls %s "
        "--advertise-client-urls %s --listen-peer-urls %s --initial-advertise-peer-urls %s "
        "--initial-cluster %s %s >>%s/log 2>&1",
        e->name, e->dir, e->client_url, e->client_url, e->peer_url, e->peer_url, e->cluster, tls,
        e->dir);

    e->pid = fork();
    assert_true(e->pid >= 0);
    if (e->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none behind */
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
}

/* Waits until it does, as its log tells, or has ended. */
static inline bool etcd_proc_serves(const struct etcd_proc *e)
{
    char path[64], log[64 << 10];

    (void)snprintf(path, sizeof(path), "%s/log", e->dir);
    while (waitpid(e->pid, NULL, WNOHANG) == 0) {
        FILE *f = fopen(path, "re");
        size_t n = f ? fread(log, 1, sizeof(log) - 1, f) : 0;

        if (f)
            assert_int_equal(fclose(f), 0);
        log[n] = '\0';
        if (strstr(log, "serving client traffic"))
            return true;
        (void)poll(NULL, 0, 10);
    }
    return false;
}

static inline void etcd_proc_prepare(struct etcd_proc *e, bool tls)
{
    *e = (struct etcd_proc){.dir = "/tmp/skiff-etcd-XXXXXX"};
    (void)signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(e->dir));
    e->tls = tls;
    (void)snprintf(e->client_url, sizeof(e->client_url), "http%s://127.0.0.1:%u", tls ? "s" : "",
                   free_port());
    (void)snprintf(e->peer_url, sizeof(e->peer_url), "http://127.0.0.1:%u", free_port());
    (void)snprintf(e->name, sizeof(e->name), "default");
    (void)snprintf(e->cluster, sizeof(e->cluster), "default=%s", e->peer_url);
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

/* Starts one on ports of its own; on others when somebody took one of them meanwhile. */
static inline void etcd_proc_start(struct etcd_proc *e)
{
    for (int i = 0; i < 5; i++) {
        etcd_proc_prepare(e, false);
        etcd_proc_run(e);
        if (etcd_proc_serves(e))
            return;
        e->pid = 0;
        etcd_proc_stop(e);
    }
    fail_msg("etcd does not start");
}

/* @n members of one cluster. */
static inline void etcd_start_cluster(struct etcd_proc *e, size_t n)
{
    char cluster[300] = "";
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        etcd_proc_prepare(&e[i], false);
        (void)snprintf(e[i].name, sizeof(e[i].name), "m%zu", i);
        at += (size_t)snprintf(cluster + at, sizeof(cluster) - at, "%s%s=%s", i ? "," : "",
                               e[i].name, e[i].peer_url);
        assert_in_range(at, 1, sizeof(cluster) - 1);
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(e[i].cluster, cluster, sizeof(cluster));
        etcd_proc_run(&e[i]);
    }
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
