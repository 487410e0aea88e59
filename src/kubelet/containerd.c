/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/containerd.h"

#include "base/buf.h"
#include "base/log.h"
#include "kubelet/cri.h"
#include "kubelet/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { ASK_MS = 25, WATCH_MS = 2000, RESTART_MS = 1000, ASK_TIMEOUT_MS = 1000 };

struct containerd {
    struct containerd_opts opts;
    struct arena arena;
    const char *program, *config, *pid_file, *socket, *endpoint;
    pid_t pid;
    struct cri *cri;      /* asks for its version until it answers */
    struct cri_call *ask;
    struct timer timer;
    bool ready;
};
extern char **environ;

static const char *find_program(struct arena *a)
{
    static const char *const dirs[] = {"/usr/local/bin", "/usr/bin", "/usr/local/sbin",
                                       "/usr/sbin"};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        const char *path = arena_printf(a, "%s/containerd", dirs[i]);

        if (access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

static bool apparmor_enabled(void)
{
    auto_arena a = {0};
    struct str text;
    struct err err = {0};

    return kfile_read("/sys/module/apparmor/parameters/enabled", 16, &a, &text, &err) == 0 &&
           text.len > 0 && text.p[0] == 'Y' && access("/usr/sbin/apparmor_parser", X_OK) == 0;
}

/* Version 2 of the file's form: containerd 1.6 to 2.x read it. */
static void write_text(const struct containerd *c, struct buf *b)
{
    const struct containerd_opts *o = &c->opts;

    buf_printf(b, "# Written by skiff at each start.\nversion = 2\nroot = \"%s\"\nstate = \"%s\"\n",
               o->root_dir, o->state_dir);
    buf_printf(b, "[grpc]\n  address = \"%s\"\n[debug]\n  level = \"warn\"\n", c->socket);
    buf_printf(b, "[plugins.\"io.containerd.grpc.v1.cri\"]\n"
                  "  sandbox_image = \"%s\"\n  restrict_oom_score_adj = %s\n"
                  "  disable_apparmor = %s\n  enable_unprivileged_ports = true\n"
                  "  enable_unprivileged_icmp = true\n"
                  "  stream_server_address = \"127.0.0.1\"\n  stream_server_port = \"0\"\n",
               o->pause_image, o->restrict_oom_score_adj ? "true" : "false",
               apparmor_enabled() ? "false" : "true");
    buf_printf(b, "[plugins.\"io.containerd.grpc.v1.cri\".cni]\n"
                  "  bin_dir = \"%s\"\n  conf_dir = \"%s\"\n",
               o->cni_bin_dir, o->cni_conf_dir);
    buf_puts(b, "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
                "  default_runtime_name = \"runc\"\n"
                "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
                "  runtime_type = \"io.containerd.runc.v2\"\n"
                "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
                "  SystemdCgroup = false\n");
}

/* True if @pid is a containerd that runs with our configuration. */
static bool is_ours(const struct containerd *c, pid_t pid)
{
    auto_arena a = {0};
    struct str text;
    struct err err = {0};
    const char *path = arena_printf(&a, "/proc/%d/cmdline", pid);

    return pid > 1 && kfile_read(path, 4096, &a, &text, &err) == 0 &&
           str_find(text, str_from(c->config)) >= 0;
}

static pid_t read_pid(const struct containerd *c)
{
    auto_arena a = {0};
    struct str text;
    struct err err = {0};
    int64_t pid;

    if (kfile_read(c->pid_file, 32, &a, &text, &err) < 0 || !str_to_i64(str_trim(text), &pid))
        return 0;
    return (pid_t)pid;
}

static bool alive(const struct containerd *c)
{
    int status;
    pid_t r;

    if (c->pid <= 0)
        return false;
    r = waitpid(c->pid, &status, WNOHANG);
    if (r == c->pid)
        return false; /* our child has ended */
    return r == 0 || is_ours(c, c->pid);
}

/* Starts the daemon in a session of its own, so that it outlives us. */
static int spawn(struct containerd *c, struct err *err)
{
    char *argv[] = {(char *)c->program, (char *)"--config", (char *)c->config, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    auto_buf text = {0};
    int r;

    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&files, 1, c->opts.log_file,
                                           O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)posix_spawn_file_actions_adddup2(&files, 1, 2);
    (void)posix_spawnattr_init(&attr);
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    r = posix_spawn(&c->pid, c->program, &files, &attr, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attr);
    if (r != 0)
        return err_new(err, ERR_IO, "start %s: %s", c->program, strerror(r));
    buf_printf(&text, "%d\n", c->pid);
    LOG_INFO("containerd", "started pid=%d socket=%s", c->pid, c->socket);
    return kfile_write(c->pid_file, buf_view(&text), 0600, err);
}

static void on_version(void *arg, enum grpc_status status, struct str text,
                       const ProtobufCMessage *response)
{
    struct containerd *c = arg;

    (void)text;
    (void)response;
    c->ask = NULL;
    if (status == GRPC_CANCELLED)
        return;
    if (status != GRPC_OK) {
        timer_start(&c->timer, ASK_MS, 0);
        return;
    }
    c->ready = true;
    timer_start(&c->timer, WATCH_MS, 0);
    LOG_INFO("containerd", "ready pid=%d", c->pid);
    c->opts.on_ready(c->opts.arg);
}

static void ask(struct containerd *c)
{
    Runtime__V1__VersionRequest rq = RUNTIME__V1__VERSION_REQUEST__INIT;

    c->ask = cri_call(c->cri, CRI_VERSION, &rq.base, ASK_TIMEOUT_MS, on_version, c);
}

static void on_timer(struct timer *t)
{
    struct containerd *c = container_of(t, struct containerd, timer);
    struct err err = {0};

    if (alive(c)) {
        if (c->ready)
            timer_start(&c->timer, WATCH_MS, 0);
        else if (!c->ask)
            ask(c);
        return;
    }
    LOG_WARN("containerd", "ended pid=%d, starting it again; see %s", c->pid, c->opts.log_file);
    c->ready = false;
    if (spawn(c, &err) < 0)
        LOG_ERROR("containerd", "%s", err.msg);
    timer_start(&c->timer, RESTART_MS, 0);
}

static int prepare(struct containerd *c, struct err *err)
{
    auto_buf text = {0};
    int r = kfolder_make(c->opts.root_dir, 0711, err);

    if (r == 0)
        r = kfolder_make(c->opts.state_dir, 0711, err);
    if (r < 0)
        return r;
    write_text(c, &text);
    return kfile_write(c->config, buf_view(&text), 0600, err);
}

static void copy_opts(struct containerd *c, const struct containerd_opts *o)
{
    struct arena *a = &c->arena;

    c->opts = *o;
    c->opts.root_dir = arena_strdup(a, o->root_dir);
    c->opts.state_dir = arena_strdup(a, o->state_dir);
    c->opts.cni_conf_dir = arena_strdup(a, o->cni_conf_dir);
    c->opts.cni_bin_dir = arena_strdup(a, o->cni_bin_dir);
    c->opts.pause_image = arena_strdup(a, o->pause_image);
    c->opts.log_file = arena_strdup(a, o->log_file);
    c->config = arena_printf(a, "%s/config.toml", o->root_dir);
    c->pid_file = arena_printf(a, "%s/containerd.pid", o->state_dir);
    c->socket = arena_printf(a, "%s/containerd.sock", o->state_dir);
    c->endpoint = arena_printf(a, "unix://%s", c->socket);
}

int containerd_start(const struct containerd_opts *opts, struct containerd **ret_c,
                     struct err *err)
{
    struct containerd *c = xnew(struct containerd);
    int r;

    copy_opts(c, opts);
    c->program = find_program(&c->arena);
    r = c->program ? prepare(c, err)
                   : err_new(err, ERR_NOT_FOUND,
                             "containerd is not installed (apt-get install containerd); or give "
                             "--container-runtime-endpoint");
    if (r == 0) {
        c->pid = read_pid(c);
        if (is_ours(c, c->pid))
            LOG_INFO("containerd", "adopted pid=%d", c->pid);
        else
            r = spawn(c, err);
    }
    if (r < 0) {
        arena_deinit(&c->arena);
        free(c);
        return r;
    }
    c->cri = cri_new(opts->loop, c->endpoint);
    timer_init(&c->timer, opts->loop, on_timer);
    timer_start(&c->timer, ASK_MS, 0);
    *ret_c = c;
    return 0;
}

const char *containerd_endpoint(const struct containerd *c)
{
    return c->endpoint;
}

struct containerd *containerd_free(struct containerd *c, bool stop)
{
    if (!c)
        return NULL;
    timer_stop(&c->timer);
    c->cri = cri_free(c->cri);
    if (stop && alive(c))
        (void)kill(c->pid, SIGTERM);
    arena_deinit(&c->arena);
    free(c);
    return NULL;
}
