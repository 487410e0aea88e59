/* SPDX-License-Identifier: Apache-2.0 */
/* server_logs.c - a container's log, as it is asked for, piece by piece; followed while it runs. */
#include "codec/timefmt.h"
#include "kubelet/log_file.h"
#include "kubelet/server.h"

enum { FOLLOW_MS = 100 };

struct log_stream {
    struct kpod *pod; /* a reference */
    struct http_exchange *x;
    struct arena arena;
    char *container, *id;
    struct log_reader reader;
    struct buf out;
    size_t sent; /* of out */
    struct timer timer;
    bool follow, last_look, busy, waiting, closed, end, at_end;
    int code;
    struct err err;
};

static void stream_free(struct log_stream *ls)
{
    timer_stop(&ls->timer);
    log_reader_deinit(&ls->reader);
    buf_deinit(&ls->out);
    arena_deinit(&ls->arena);
    kpod_unref(ls->pod);
    free(ls);
}

static void read_piece(void *arg)
{
    struct log_stream *ls = arg;

    ls->code = log_reader_next(&ls->reader, &ls->out, &ls->at_end, &ls->err);
}

static bool still_runs(const struct log_stream *ls)
{
    const struct kcontainer *kc = kpod_container(ls->pod, str_from(ls->container));

    return !ls->pod->kl->stopping && kc && kc->cur.id && strcmp(kc->cur.id, ls->id) == 0 &&
           kc->cur.state == KRUN_RUNNING && !kc->exiting;
}

static void look(struct log_stream *ls);

static void piece_read(void *arg)
{
    struct log_stream *ls = arg;

    ls->busy = false;
    if (ls->closed) {
        stream_free(ls);
        return;
    }
    if (ls->code < 0) {
        if (ls->reader.written == 0)
            buf_printf(&ls->out, "unable to retrieve container logs for containerd://%s", ls->id);
        ls->end = true;
    } else if (ls->at_end && ls->out.len == ls->sent) {
        if (!ls->follow || ls->reader.full || ls->last_look) {
            ls->end = true;
        } else { /* what was written before it ended is still read */
            ls->last_look = !still_runs(ls);
            timer_start(&ls->timer, ls->last_look ? 0 : FOLLOW_MS, 0);
            return;
        }
    } else if (ls->out.len == ls->sent) { /* lines that nobody asked for */
        look(ls);
        return;
    }
    if (ls->waiting) {
        ls->waiting = false;
        http_resume(ls->x);
    }
}

static void look(struct log_stream *ls)
{
    ls->busy = true;
    loop_work(ls->pod->kl->loop, read_piece, piece_read, ls);
}

static void on_timer(struct timer *t)
{
    look(container_of(t, struct log_stream, timer));
}

static long on_read(void *arg, char *p, size_t cap)
{
    struct log_stream *ls = arg;
    size_t n;

    if (ls->busy || timer_active(&ls->timer)) {
        ls->waiting = true;
        return HTTP_READ_WAIT;
    }
    n = MIN(cap, ls->out.len - ls->sent);
    if (n > 0) {
        memcpy(p, ls->out.p + ls->sent, n);
        ls->sent += n;
        return (long)n;
    }
    if (ls->end)
        return HTTP_READ_END;
    buf_reset(&ls->out);
    ls->sent = 0;
    ls->waiting = true;
    look(ls);
    return HTTP_READ_WAIT;
}

static void on_close(void *arg)
{
    struct log_stream *ls = arg;

    ls->closed = true;
    timer_stop(&ls->timer);
    if (!ls->busy)
        stream_free(ls);
}

static bool number(struct server_request *s, const char *name, int64_t *ret_v)
{
    struct str v = server_param(s, name);

    if (!v.p)
        return true;
    return str_to_i64(v, ret_v) && *ret_v >= 0;
}

static bool options_of(struct server_request *s, struct log_options *o)
{
    struct str since = server_param(s, "sinceTime"), stream = server_param(s, "stream");
    int64_t seconds = -1;
    struct time_value t;
    struct err err = {0};

    *o = (struct log_options){.tail_lines = -1, .limit_bytes = -1};
    o->timestamps = server_param_set(s, "timestamps");
    if (!number(s, "tailLines", &o->tail_lines) || !number(s, "limitBytes", &o->limit_bytes) ||
        !number(s, "sinceSeconds", &seconds))
        return false;
    if (since.p) {
        if (time_parse(since, &t, &err) < 0)
            return false;
        o->since_ns = time_ns(t);
    }
    if (seconds >= 0)
        o->since_ns = loop_wall_ns(s->kl->loop) - MIN(seconds, INT32_MAX) * 1000000000;
    if (str_eq(stream, STR("Stdout")))
        o->stream = STR("stdout");
    else if (str_eq(stream, STR("Stderr")))
        o->stream = STR("stderr");
    return true;
}

/* The attempt whose log it is; NULL: answered already. */
static const struct krun *find_run(struct server_request *s, const struct kcontainer *kc)
{
    bool previous = server_param_set(s, "previous");
    const struct krun *run = previous ? &kc->last : &kc->cur;

    if (run->id && run->state != KRUN_CREATED)
        return run;
    if (previous)
        server_refuse(s, 400, "previous terminated container \"%s\" in pod \"%s\" not found",
                      kc->name, kc->pod->name);
    else
        server_refuse(s, 400, "container \"%s\" in pod \"%s\" is waiting to start: %s", kc->name,
                      kc->pod->name,
                      kc->waiting_reason ? kc->waiting_reason
                      : kc->kind == KC_MAIN && !kc->pod->initialized ? "PodInitializing"
                                                                     : "ContainerCreating");
    return NULL;
}

void server_logs(struct server_request *s)
{
    struct kcontainer *kc = server_container(s);
    const struct krun *run = kc ? find_run(s, kc) : NULL;
    struct log_options options;
    struct log_stream *ls;

    if (!run)
        return;
    if (!options_of(s, &options)) {
        server_refuse(s, 400, "bad log options");
        return;
    }
    ls = xnew(struct log_stream);
    ls->pod = kpod_ref(kc->pod);
    ls->x = s->x;
    ls->container = arena_strdup(&ls->arena, kc->name);
    ls->id = arena_strdup(&ls->arena, run->id);
    ls->follow = server_param_set(s, "follow") && !server_param_set(s, "previous");
    ls->reader.options = options;
    ls->reader.path = arena_printf(&ls->arena, "%s/%s/%u.log", kpod_log_dir(kc->pod, &ls->arena),
                                   kc->name, run->attempt);
    timer_init(&ls->timer, s->kl->loop, on_timer);
    http_respond_source(s->x, 200, "text/plain", -1, (struct http_source){on_read, on_close, ls},
                        NULL, 0);
}
