/* SPDX-License-Identifier: Apache-2.0 */
/* container_end.c - what is left of a container: its exit, last words, log, record. */
#include "kubelet/pod_internal.h"

#include "base/log.h"

enum {
    MESSAGE_MAX = 4096,
    MESSAGES_OF_POD_MAX = 12288,
    LOG_MESSAGE_MAX = 2048,
    LOG_MESSAGE_LINES = 80,
    LOG_READ_MAX = 64 * 1024,
};

/* The content of a CRI log line: what follows time, stream and tag. False if it is none. */
static bool log_line(struct str line, struct str *ret_content, bool *ret_full)
{
    struct str rest, tag;

    (void)str_cut(line, ' ', &rest);
    (void)str_cut(rest, ' ', &rest);
    tag = str_cut(rest, ' ', &rest);
    if (!rest.p)
        return false;
    *ret_content = rest;
    *ret_full = str_has_prefix(tag, STR("F"));
    return true;
}

/* The last lines of the log, without their frames. */
static struct str log_end(const char *path, struct arena *a)
{
    struct str all = host_read(path, LOG_READ_MAX, true, a), line, content;
    struct buf out = {0};
    size_t lines = 0, skip;
    struct str result;
    bool full;

    for (size_t i = 0; i < all.len; i++)
        lines += all.p[i] == '\n';
    skip = lines > LOG_MESSAGE_LINES ? lines - LOG_MESSAGE_LINES : 0;
    while (all.p && all.len > 0) {
        line = str_cut(all, '\n', &all);
        if (skip > 0) {
            skip--;
        } else if (log_line(line, &content, &full)) {
            buf_str(&out, content);
            if (full)
                buf_putc(&out, '\n');
        }
    }
    if (out.len > LOG_MESSAGE_MAX)
        buf_consume(&out, out.len - LOG_MESSAGE_MAX);
    result = str_dup(a, buf_view(&out));
    buf_deinit(&out);
    return result;
}

struct str termination_message(const struct message_source *src, struct arena *a)
{
    struct str s = STR_NULL;

    if (src->file)
        s = host_read(src->file, src->max_bytes, false, a);
    if (str_empty(s) && src->log)
        s = log_end(src->log, a);
    return s;
}

struct ending { /* an exit whose message is being read; holds a reference to the pod */
    struct kcontainer *kc;
    struct arena arena;
    struct message_source source;
    int32_t exit_code;
    int64_t finished_ns;
    const char *reason;
    struct str message, read;
};

static void read_message(void *arg)
{
    struct ending *e = arg;

    e->read = termination_message(&e->source, &e->arena);
}

static void message_read(void *arg)
{
    struct ending *e = arg;
    struct kcontainer *kc = e->kc;
    struct kpod *kp = kc->pod;
    struct krun *r = &kc->cur;

    r->state = KRUN_EXITED;
    r->exit_code = e->exit_code;
    r->finished_ns = e->finished_ns;
    set_string(&r->reason, str_from(e->reason));
    set_string(&r->message, str_empty(e->read) ? e->message : e->read);
    set_string(&kc->kill_message, STR_NULL);
    kc->exiting = false;
    kc->started = kc->ready = false;
    arena_deinit(&e->arena);
    free(e);
    kpod_kick(kp);
    kpod_unref(kp);
}

void container_exited(struct kcontainer *kc, int32_t exit_code, int64_t finished_ns,
                      const char *reason, struct str message)
{
    const struct core_container *c = kcontainer_spec(kc);
    struct kpod *kp = kc->pod;
    struct ending *e;

    if (kc->exiting || kc->cur.state == KRUN_EXITED || kc->cur.state == KRUN_NONE)
        return;
    kc->exiting = true;
    probes_stop(kc);
    e = xnew(struct ending);
    kpod_ref(kp);
    e->kc = kc;
    e->exit_code = exit_code;
    e->finished_ns = finished_ns ? finished_ns : loop_wall_ns(kp->kl->loop);
    if (!reason || !*reason)
        reason = kc->oom ? "OOMKilled" : exit_code == 0 ? "Completed" : "Error";
    e->reason = arena_strdup(&e->arena, reason);
    e->message = str_dup(&e->arena, message);
    e->source.file = kcontainer_message_file(kc, kc->cur.attempt, &e->arena);
    e->source.max_bytes = MIN(MESSAGE_MAX, MESSAGES_OF_POD_MAX / MAX(kp->containers.n, 1));
    if (c && exit_code != 0 &&
        str_eq(c->termination_message_policy, STR("FallbackToLogsOnError")))
        e->source.log = arena_printf(&e->arena, "%s/%s/%u.log", kpod_log_dir(kp, &e->arena),
                                     kc->name, kc->cur.attempt);
    loop_work(kp->kl->loop, read_message, message_read, e);
}

void krun_set_status(struct krun *run, const Runtime__V1__ContainerStatus *st)
{
    const char *image = st->image ? st->image->image : "";

    run->created_ns = st->created_at;
    if (st->started_at > 0)
        run->started_ns = st->started_at;
    if (!str_has_prefix(str_from(image), STR("sha256:")))
        set_string(&run->image, str_from(image));
    set_string(&run->image_id, str_from(*st->image_ref ? st->image_ref : st->image_id));
}

struct discard { /* a container on its way out of the runtime */
    struct kubelet *kl;
    struct arena arena;
    const char *log, *link;
};

static void remove_log(void *arg)
{
    struct discard *d = arg;

    host_unlink(d->link);
    host_unlink_log(d->log);
}

static void log_removed(void *arg)
{
    struct discard *d = arg;

    kubelet_unref(d->kl);
    arena_deinit(&d->arena);
    free(d);
}

static void on_removed(void *arg, enum grpc_status status, struct str why,
                       const ProtobufCMessage *response)
{
    struct discard *d = arg;

    (void)response;
    if (status != GRPC_OK && status != GRPC_NOT_FOUND) {
        /* The next sweep finds it in the runtime and removes it. */
        LOG_DEBUG("kubelet", "a container could not be removed: %.*s", STR_ARG(why));
        log_removed(d);
        return;
    }
    loop_work(d->kl->loop, remove_log, log_removed, d);
}

void container_discard(struct kcontainer *kc, struct krun *run)
{
    struct kpod *kp = kc->pod;
    struct discard *d;

    if (run->id) {
        d = xnew(struct discard);
        d->kl = kubelet_ref(kp->kl);
        d->log = arena_printf(&d->arena, "%s/%s/%u.log", kpod_log_dir(kp, &d->arena), kc->name,
                              run->attempt);
        d->link = arena_printf(&d->arena, "%s/%s_%s_%s-%s.log", kp->kl->opts.containers_log_dir,
                               kp->name, kp->ns, kc->name, run->id);
        cri_remove_container(kp->kl->cri, run->id, on_removed, d);
    }
    krun_deinit(run);
}

void container_rotate(struct kcontainer *kc)
{
    container_discard(kc, &kc->last);
    kc->last = kc->cur;
    kc->cur = (struct krun){0};
}
