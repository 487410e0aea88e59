/* SPDX-License-Identifier: Apache-2.0 */
/* cgroups.c - the cgroups of pods: made, filled in, removed; version 1, hybrid and 2.
 *
 * With version 1 every hierarchy under /sys/fs/cgroup has the same tree of folders. What runs in a
 * pod's cgroup is put there by the runtime. */
#include "base/log.h"
#include "kubelet/files.h"
#include "kubelet/pod_config.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
enum {
    HIERARCHIES_MAX = 32,
    FILE_MAX = 64 * 1024,
    REMOVE_TRIES = 50,
    REMOVE_RETRY_MS = 20,
    KILL_DEPTH_MAX = 8,
};

struct cgroups {
    bool unified; /* version 2 alone */
    struct arena arena;
    const char *roots[HIERARCHIES_MAX]; /* mount points, where pods' folders are */
    size_t n_roots;
    const char *hybrid; /* version 2 beside version 1: it has folders, but no controllers */
};

static bool has_file(const char *dir, const char *name)
{
    auto_arena a = {0};

    return access(arena_printf(&a, "%s/%s", dir, name), F_OK) == 0;
}

static void find_hierarchies(struct cgroups *cg)
{
    DIR *d;
    struct dirent *e;
    struct stat st;

    cg->unified = has_file(CGROUP_ROOT, "cgroup.controllers");
    if (cg->unified) {
        cg->roots[cg->n_roots++] = CGROUP_ROOT;
        return;
    }
    d = opendir(CGROUP_ROOT);
    while (d && (e = readdir(d)) && cg->n_roots < HIERARCHIES_MAX) {
        char *path = arena_printf(&cg->arena, CGROUP_ROOT "/%s", e->d_name);

        /* "cpu,cpuacct" may have links named after its parts. */
        if (e->d_name[0] == '.' || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
            !has_file(path, "cgroup.procs"))
            continue;
        if (has_file(path, "cgroup.controllers"))
            cg->hybrid = path;
        else
            cg->roots[cg->n_roots++] = path;
    }
    if (d)
        (void)closedir(d);
}

/* Writes a number unless the file is not there (another controller's folder). */
static int put(const char *dir, const char *file, const char *text, struct err *err)
{
    auto_arena a = {0};

    if (!has_file(dir, file))
        return 0;
    return kfile_set(arena_printf(&a, "%s/%s", dir, file), text, err);
}

/* A cpuset has no CPUs at first, and takes no process then: the parent's are given on. */
static int inherit_cpuset(const char *dir, struct err *err)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(files) && r == 0; i++) {
        auto_arena a = {0};
        struct str own, above;

        if (!has_file(dir, files[i]))
            continue;
        r = kfile_read(arena_printf(&a, "%s/%s", dir, files[i]), FILE_MAX, &a, &own, err);
        if (r == 0 && str_empty(str_trim(own))) {
            r = kfile_read(arena_printf(&a, "%s/../%s", dir, files[i]), FILE_MAX, &a, &above, err);
            if (r == 0)
                r = put(dir, files[i], str_dupz(&a, str_trim(above)), err);
        }
    }
    return r;
}

/* Version 2: what is to be limited below @dir must be allowed in @dir. */
static int allow_controllers(const char *dir, struct err *err)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct str have, name;
    int r = kfile_read(arena_printf(&a, "%s/cgroup.controllers", dir), FILE_MAX, &a, &have, err);

    if (r < 0)
        return r;
    for (have = str_trim(have); have.p && have.len > 0;) {
        name = str_cut(have, ' ', &have);
        buf_printf(&b, "%s+%.*s", b.len > 0 ? " " : "", STR_ARG(name));
    }
    return b.len > 0 ? put(dir, "cgroup.subtree_control", buf_cstr(&b), err) : 0;
}

static int make(const struct cgroups *cg, const char *path, bool leaf, struct err *err)
{
    for (size_t i = 0; i < cg->n_roots; i++) {
        auto_arena a = {0};
        const char *dir = arena_printf(&a, "%s%s", cg->roots[i], path);
        int r = 0;

        if (mkdir(dir, 0755) < 0 && errno != EEXIST)
            return err_new(err, ERR_IO, "make cgroup %s: %s", dir, strerror(errno));
        if (!cg->unified)
            r = inherit_cpuset(dir, err);
        else if (!leaf)
            r = allow_controllers(dir, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int limit(const struct cgroups *cg, const char *path, const struct pod_resources *res,
                 struct err *err)
{
    auto_arena a = {0};
    int64_t shares = cpu_shares(res->cpu_request_milli);
    long long quota = cpu_quota_us(res->cpu_limit_milli), memory = res->memory_limit_bytes;
    const char *v1[][2] = {
        {"cpu.shares", arena_printf(&a, "%lld", (long long)shares)},
        {"cpu.cfs_period_us", arena_printf(&a, "%d", CPU_PERIOD_US)},
        {"cpu.cfs_quota_us", arena_printf(&a, "%lld", quota > 0 ? quota : -1)},
        {"memory.limit_in_bytes", arena_printf(&a, "%lld", memory > 0 ? memory : -1)},
    };
    const char *v2[][2] = {
        {"cpu.weight", arena_printf(&a, "%lld", (long long)cpu_weight(shares))},
        {"cpu.max", quota > 0 ? arena_printf(&a, "%lld %d", quota, CPU_PERIOD_US)
                              : arena_printf(&a, "max %d", CPU_PERIOD_US)},
        {"memory.max", memory > 0 ? arena_printf(&a, "%lld", memory) : "max"},
    };
    int r = 0;

    for (size_t i = 0; i < cg->n_roots && r == 0; i++) {
        const char *dir = arena_printf(&a, "%s%s", cg->roots[i], path);

        for (size_t k = 0; k < ARRAY_LEN(v1) && !cg->unified && r == 0; k++)
            r = put(dir, v1[k][0], v1[k][1], err);
        for (size_t k = 0; k < ARRAY_LEN(v2) && cg->unified && r == 0; k++)
            r = put(dir, v2[k][0], v2[k][1], err);
    }
    return r;
}

static int make_classes(const struct cgroups *cg, struct err *err)
{
    struct pod_resources best_effort = {0};
    int r = make(cg, CGROUP_SKIFF, false, err);

    if (r == 0)
        r = make(cg, CGROUP_PODS, false, err);
    if (r == 0)
        r = make(cg, CGROUP_PODS "/burstable", false, err);
    if (r == 0)
        r = make(cg, CGROUP_PODS "/besteffort", false, err);
    if (r == 0)
        r = limit(cg, CGROUP_PODS "/besteffort", &best_effort, err);
    return r;
}

int cgroups_start(struct kubelet *kl, struct err *err)
{
    struct cgroups *cg = xnew(struct cgroups);
    int r = 0;

    find_hierarchies(cg);
    if (cg->unified)
        r = allow_controllers(CGROUP_ROOT, err);
    if (cg->n_roots == 0)
        r = err_new(err, ERR_IO, "no cgroup hierarchy is mounted under " CGROUP_ROOT);
    if (r == 0)
        r = make_classes(cg, err);
    if (r < 0) {
        arena_deinit(&cg->arena);
        free(cg);
        return r;
    }
    kl->cgroups = cg;
    return 0;
}

void cgroups_stop(struct kubelet *kl)
{
    if (!kl->cgroups)
        return;
    arena_deinit(&kl->cgroups->arena);
    free(kl->cgroups);
    kl->cgroups = NULL;
}

struct job { /* work on one pod's cgroup; has its own list of hierarchies: it may outlive kl's */
    struct kubelet *kl;
    struct cgroups cg;
    struct arena arena;
    const char *path;
    const char *uid;
    struct pod_resources res;
    struct pod_resources burstable; /* all pods of that class together */
    bool busy;                      /* some cgroup could not be removed yet */
    unsigned tries;
    struct timer again;
    int code;
    struct err err;
    kpod_done done;
    void *arg;
};

static struct job *job_new(struct kubelet *kl, kpod_done done, void *arg)
{
    struct job *j = xnew(struct job);

    j->kl = kubelet_ref(kl);
    j->done = done;
    j->arg = arg;
    if (!kl->cgroups) {
        j->code = err_new(&j->err, ERR_IO, "the node's cgroups could not be made");
        return j;
    }
    j->cg = *kl->cgroups;
    j->cg.arena = (struct arena){0};
    for (size_t i = 0; i < j->cg.n_roots; i++)
        j->cg.roots[i] = arena_strdup(&j->arena, j->cg.roots[i]);
    if (j->cg.hybrid)
        j->cg.hybrid = arena_strdup(&j->arena, j->cg.hybrid);
    return j;
}

static void job_end(void *arg)
{
    struct job *j = arg;

    j->done(j->arg, j->code, &j->err);
    kubelet_unref(j->kl);
    arena_deinit(&j->arena);
    free(j);
}

static struct pod_resources burstable_total(const struct kubelet *kl)
{
    struct pod_resources sum = {0};
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        const struct kpod *kp = value;

        if (kp->pod && kp->phase < KPOD_CLEAN && strcmp(qos_class(kp->pod), "Burstable") == 0)
            sum.cpu_request_milli += pod_resources_of(kp->pod).cpu_request_milli;
    }
    return sum;
}

static void ensure(void *arg)
{
    struct job *j = arg;

    if (j->code < 0)
        return;
    j->code = make(&j->cg, j->path, true, &j->err);
    if (j->code < 0 && make_classes(&j->cg, &j->err) == 0) /* someone tidied them away */
        j->code = make(&j->cg, j->path, true, &j->err);
    if (j->code == 0)
        j->code = limit(&j->cg, j->path, &j->res, &j->err);
    if (j->code == 0)
        j->code = limit(&j->cg, CGROUP_PODS "/burstable", &j->burstable, &j->err);
}

void cgroup_pod_ensure(struct kpod *kp, kpod_done done, void *arg)
{
    struct job *j = job_new(kp->kl, done, arg);

    j->path = cgroup_pod_path(kp->pod, kp->uid, &j->arena);
    j->res = pod_resources_of(kp->pod);
    j->burstable = burstable_total(kp->kl);
    loop_work(kp->kl->loop, ensure, job_end, j);
}

static void kill_all(const char *dir)
{
    auto_arena a = {0};
    struct str text, line;
    struct err err = {0};
    int64_t pid;

    if (put(dir, "cgroup.kill", "1", &err) == 0 && has_file(dir, "cgroup.kill"))
        return;
    if (kfile_read(arena_printf(&a, "%s/cgroup.procs", dir), FILE_MAX, &a, &text, &err) < 0)
        return;
    while (text.p && text.len > 0) {
        line = str_cut(text, '\n', &text);
        if (str_to_i64(line, &pid) && pid > 1)
            (void)kill((pid_t)pid, SIGKILL);
    }
}

/* Removes @dir and what is below it, killing what runs there. True once it is not there. */
static bool remove_tree(const char *dir, unsigned depth)
{
    auto_arena a = {0};
    struct dirent *e;
    DIR *d;

    if (rmdir(dir) == 0 || errno == ENOENT)
        return true;
    if (depth >= KILL_DEPTH_MAX)
        return false;
    kill_all(dir);
    d = opendir(dir);
    while (d && (e = readdir(d))) {
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            (void)remove_tree(arena_printf(&a, "%s/%s", dir, e->d_name), depth + 1);
    }
    if (d)
        (void)closedir(d);
    return rmdir(dir) == 0 || errno == ENOENT;
}

static void remove_all(void *arg)
{
    static const char *const classes[] = {"", "/burstable", "/besteffort"};
    struct job *j = arg;

    j->busy = false;
    if (j->code < 0)
        return;
    for (size_t i = 0; i <= j->cg.n_roots; i++) {
        const char *root = i < j->cg.n_roots ? j->cg.roots[i] : j->cg.hybrid;

        for (size_t k = 0; root && k < ARRAY_LEN(classes); k++) {
            auto_arena a = {0};
            const char *dir =
                arena_printf(&a, "%s" CGROUP_PODS "%s/pod%s", root, classes[k], j->uid);

            if (!remove_tree(dir, 0))
                j->busy = true;
        }
    }
}

static void on_again(struct timer *t);

static void removed(void *arg)
{
    struct job *j = arg;

    if (j->busy && ++j->tries < REMOVE_TRIES && !j->kl->stopping) {
        timer_start(&j->again, REMOVE_RETRY_MS, 0);
        return;
    }
    if (j->busy)
        j->code = err_new(&j->err, ERR_IO, "the cgroup of pod %s is still in use", j->uid);
    job_end(j);
}

static void on_again(struct timer *t)
{
    struct job *j = container_of(t, struct job, again);

    loop_work(j->kl->loop, remove_all, removed, j);
}

void cgroup_pod_remove(struct kubelet *kl, const char *uid, kpod_done done, void *arg)
{
    struct job *j = job_new(kl, done, arg);

    j->uid = arena_strdup(&j->arena, uid);
    timer_init(&j->again, kl->loop, on_again);
    loop_work(kl->loop, remove_all, removed, j);
}
