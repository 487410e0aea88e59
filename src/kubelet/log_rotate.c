/* SPDX-License-Identifier: Apache-2.0 */
/* log_rotate.c - keeps the logs of running containers small: a full file is renamed, the runtime
 * opens a new one, the oldest goes. What the containers of a node can make it store is bounded. */
#include "kubelet/pod_internal.h"

#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
    CHECK_MS = 10000,
    FILES_MAX = 5, /* of one attempt, the one being written included */
    NAME_MAX_LEN = 255,
};
#define LOG_BYTES_MAX ((off_t)10 << 20)

struct one { /* a log to look at */
    char *path;
    char *id;
    bool rotated;
};
struct round { /* one look at all logs; holds a reference to the kubelet */
    struct kubelet *kl;
    VEC(struct one) all;
    struct time_value now;
};
struct log_rotator {
    struct kubelet *kl;
    struct timer tick;
    bool busy;
};

/* Removes the oldest of "<name>.*" in @dir until one more fits; names sort by age. */
static void make_room(const char *dir, const char *name)
{
    size_t len = strlen(name);

    for (;;) {
        char oldest[NAME_MAX_LEN + 1] = "";
        auto_arena a = {0};
        struct dirent *e;
        unsigned n = 0;
        DIR *d = opendir(dir);

        while (d && (e = readdir(d))) {
            if (strncmp(e->d_name, name, len) != 0 || e->d_name[len] != '.')
                continue;
            n++;
            if (!*oldest || strcmp(e->d_name, oldest) < 0)
                memcpy(oldest, e->d_name, strlen(e->d_name) + 1);
        }
        if (d)
            (void)closedir(d);
        if (n < FILES_MAX - 1 || unlink(arena_printf(&a, "%s/%s", dir, oldest)) < 0)
            return;
    }
}

/* "20060102-150405" of an instant. */
static void stamp(struct arena *a, struct time_value t, char **ret)
{
    auto_buf text = {0};
    char *out = arena_alloc(a, 16);
    const char *p;

    time_write(&text, t); /* 2006-01-02T15:04:05Z */
    p = buf_cstr(&text);
    (void)snprintf(out, 16, "%.4s%.2s%.2s-%.2s%.2s%.2s", p, p + 5, p + 8, p + 11, p + 14, p + 17);
    *ret = out;
}

static void look(void *arg)
{
    struct round *r = arg;

    for (size_t i = 0; i < r->all.n; i++) {
        struct one *o = &r->all.v[i];
        auto_arena a = {0};
        char *slash, *when;
        struct stat st;

        if (lstat(o->path, &st) < 0) {
            o->rotated = errno == ENOENT; /* renamed before, and then not opened anew */
            continue;
        }
        if (!S_ISREG(st.st_mode) || st.st_size < LOG_BYTES_MAX)
            continue;
        stamp(&a, r->now, &when);
        slash = strrchr(o->path, '/');
        make_room(arena_printf(&a, "%.*s", (int)(slash - o->path), o->path), slash + 1);
        o->rotated = rename(o->path, arena_printf(&a, "%s.%s", o->path, when)) == 0;
    }
}

static void on_reopened(void *arg, enum grpc_status status, struct str why,
                        const ProtobufCMessage *response)
{
    (void)response;
    if (status != GRPC_OK) /* it goes on writing the renamed file; the next round asks again */
        LOG_DEBUG("kubelet", "a log was not reopened: %.*s", STR_ARG(why));
    kubelet_unref(arg);
}

static void looked(void *arg)
{
    struct round *r = arg;
    struct kubelet *kl = r->kl;

    for (size_t i = 0; i < r->all.n; i++) {
        struct one *o = &r->all.v[i];
        Runtime__V1__ReopenContainerLogRequest rq = RUNTIME__V1__REOPEN_CONTAINER_LOG_REQUEST__INIT;

        rq.container_id = o->id;
        if (o->rotated && !kl->stopping)
            cri_call(kl->cri, CRI_REOPEN_CONTAINER_LOG, &rq.base, CRI_TIMEOUT_DEFAULT, on_reopened,
                     kubelet_ref(kl));
        free(o->path);
        free(o->id);
    }
    if (!kl->stopping)
        kl->logs->busy = false;
    vec_deinit(&r->all);
    free(r);
    kubelet_unref(kl);
}

static void on_tick(struct timer *t)
{
    struct log_rotator *lr = container_of(t, struct log_rotator, tick);
    struct kubelet *kl = lr->kl;
    struct round *r;
    struct str uid;
    void *value;

    if (lr->busy)
        return;
    r = xnew(struct round);
    r->kl = kubelet_ref(kl);
    r->now = time_from_ns(loop_wall_ns(kl->loop));
    for (size_t it = 0; map_next(&kl->by_uid, &it, &uid, &value);) {
        struct kpod *kp = value;

        for (size_t i = 0; i < kp->containers.n; i++) {
            struct kcontainer *kc = kp->containers.v[i];
            auto_arena a = {0};
            struct one o = {0};

            if (kc->cur.state != KRUN_RUNNING)
                continue;
            o.path = xstrdup(arena_printf(&a, "%s/%s/%u.log", kpod_log_dir(kp, &a), kc->name,
                                          kc->cur.attempt));
            o.id = xstrdup(kc->cur.id);
            vec_push(&r->all, o);
        }
    }
    lr->busy = true;
    loop_work(kl->loop, look, looked, r);
}

struct log_rotator *log_rotator_new(struct kubelet *kl)
{
    struct log_rotator *lr = xnew(struct log_rotator);

    lr->kl = kl;
    timer_init(&lr->tick, kl->loop, on_tick);
    timer_start(&lr->tick, CHECK_MS, CHECK_MS);
    return lr;
}

struct log_rotator *log_rotator_free(struct log_rotator *lr)
{
    if (lr)
        timer_stop(&lr->tick);
    free(lr);
    return NULL;
}
