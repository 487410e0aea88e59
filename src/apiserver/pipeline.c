/* pipeline.c - the life of a request: it is linked to its loop's shard, runs through the stages,
 * may wait, is answered once, and is freed when nothing can touch it any more: no stage runs or
 * waits, and no source of a body is open.
 */
#include "apiserver/pipeline.h"
#include "apiserver/respond.h"
#include "base/queue.h"

static const stage_fn http_stages[] = {
    stage_route,     stage_authenticate, stage_inflight, stage_authorize,
    stage_negotiate, stage_options,      stage_fresh,    stage_dispatch, NULL,
};
static const stage_fn inproc_stages[] = {stage_authorize, stage_fresh, stage_dispatch, NULL};

static struct live *live_of(const struct request *rq)
{
    return container_of((struct request *)(uintptr_t)rq, struct live, rq);
}

/* ---- shards ---- */

static struct shard *shard_find(struct apiserver *as, const struct loop *loop)
{
    unsigned n = atomic_load_explicit(&as->n_shards, memory_order_acquire);

    for (unsigned i = 0; i < n; i++) {
        if (as->shards[i]->loop == loop)
            return as->shards[i];
    }
    return NULL;
}

static struct shard *shard_get(struct apiserver *as, struct loop *loop)
{
    struct shard *s = shard_find(as, loop);
    unsigned n;

    if (s)
        return s;
    mutex_lock(as->shards_lock);
    s = shard_find(as, loop);
    if (!s) {
        n = atomic_load(&as->n_shards);
        assert(n < SHARDS_MAX);
        s = xnew(struct shard);
        s->as = as;
        s->loop = loop;
        as->shards[n] = s;
        atomic_store_explicit(&as->n_shards, n + 1, memory_order_release);
    }
    mutex_unlock(as->shards_lock);
    return s;
}

static void link_live(struct live *l)
{
    struct shard *s = l->shard;

    l->next = s->first;
    if (s->first)
        s->first->prev = l;
    s->first = l;
    atomic_fetch_add(&s->as->n_live, 1);
}

static void unlink_live(struct live *l)
{
    if (l->prev)
        l->prev->next = l->next;
    else
        l->shard->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    atomic_fetch_sub(&l->shard->as->n_live, 1);
}

/* ---- birth and end ---- */

static void on_deadline(struct timer *t);

struct request *request_new(struct apiserver *as, struct loop *loop)
{
    struct live *l = xnew(struct live);
    struct request *rq = &l->rq;

    loop_assert(loop);
    rq->as = as;
    rq->loop = loop;
    rq->arena = &l->arena;
    rq->received_ns = loop_wall_ns(loop);
    rq->list.revision = -1;
    rq->list.send_initial_events = -1;
    rq->del.grace_sec = -1;
    rq->write.field_validation = FIELDS_WARN;
    l->began_ns = loop_clock(loop)->mono_ns(loop_clock(loop));
    l->shard = shard_get(as, loop);
    timer_init(&l->deadline, loop, on_deadline);
    link_live(l);
    return rq;
}

static void release_extra_ops(struct request *rq)
{
    for (size_t i = 0; i < rq->extra_ops.n; i++)
        object_unref(rq->extra_ops.v[i].object);
    vec_deinit(&rq->extra_ops);
}

static void live_free(struct live *l)
{
    struct request *rq = &l->rq;

    timer_stop(&l->deadline);
    if (l->counted)
        atomic_fetch_sub(l->counted, 1);
    unlink_live(l);
    release_extra_ops(rq);
    object_unref(rq->old);
    object_unref(rq->result);
    for (size_t i = 0; i < l->kept.n; i++)
        object_unref(l->kept.v[i]);
    vec_deinit(&l->kept);
    vec_deinit(&rq->warnings);
    vec_deinit(&rq->headers);
    arena_deinit(&l->arena);
    free(l);
}

struct object *request_keep(struct request *rq, struct object *o)
{
    if (o)
        vec_push(&live_of(rq)->kept, o);
    return o;
}

static void maybe_free(struct live *l)
{
    if (!l->running && !l->waiting && !l->source_open)
        live_free(l);
}

/* Once an answer has left (or can reach nobody), the exchange may be gone at any time. */
static void set_finished(struct live *l, int status)
{
    const struct clock *c = loop_clock(l->rq.loop);

    assert(!l->rq.finished);
    l->rq.finished = true;
    timer_stop(&l->deadline);
    metrics_request_done(&l->rq, status, (int64_t)(c->mono_ns(c) - l->began_ns));
}

void request_mark_finished(struct request *rq, int status)
{
    if (rq->finished)
        return;
    set_finished(live_of(rq), status);
    if (rq->http)
        http_on_abort(rq->http, NULL, NULL);
    rq->http = NULL;
}

/* ---- running ---- */

static void run(struct live *l, stage_fn fn)
{
    enum stage_result r;

    for (;;) {
        l->running = true;
        r = fn(&l->rq);
        l->running = false;
        if (r == STAGE_WAIT) {
            l->waiting = true;
            return;
        }
        l->rq.on_cancel = l->source_open ? l->rq.on_cancel : NULL;
        if (r == STAGE_DONE)
            break;
        fn = l->stages[++l->at];
        assert(fn); /* the last stage never hands on */
    }
    assert(l->rq.finished);
    maybe_free(l);
}

void request_resume(struct request *rq, stage_fn stage)
{
    struct live *l = live_of(rq);

    loop_assert(rq->loop);
    assert(l->waiting && !l->running);
    l->waiting = false;
    if (rq->finished) { /* answered meanwhile: timed out, or the peer is gone */
        maybe_free(l);
        return;
    }
    rq->on_cancel = NULL;
    run(l, stage);
}

/* Tells a stage that waits, or a source, to come to its end. */
static void cancel(struct live *l)
{
    void (*fn)(struct request * rq) = l->rq.on_cancel;

    l->rq.on_cancel = NULL;
    if (fn)
        fn(&l->rq); /* may end the request */
}

static void on_peer_gone(void *arg)
{
    struct live *l = arg;
    struct http_exchange *x = l->rq.http;

    if (!l->rq.finished) {
        set_finished(l, CLIENT_CLOSED_REQUEST);
        l->rq.http = NULL;
        http_respond(x, CLIENT_CLOSED_REQUEST, NULL, STR_NULL, NULL, 0);
    }
    cancel(l);
}

static void on_deadline(struct timer *t)
{
    struct live *l = container_of(t, struct live, deadline);

    if (l->rq.finished)
        return;
    (void)request_failf(&l->rq, ERR_TIMEOUT,
                        "Timeout: request did not complete within the allotted timeout");
    cancel(l);
}

void request_deadline(struct request *rq, uint32_t after_ms)
{
    struct live *l = live_of(rq);

    if (after_ms == 0)
        timer_stop(&l->deadline);
    else
        timer_start(&l->deadline, after_ms, 0);
}

void request_start_inproc(struct request *rq)
{
    struct live *l = live_of(rq);

    l->stages = inproc_stages;
    run(l, l->stages[0]);
}

static void on_request(void *arg, struct http_exchange *x, const struct http_request *head)
{
    struct apiserver *as = arg;
    struct request *rq = request_new(as, http_loop(x));
    struct live *l = live_of(rq);

    rq->http = x;
    rq->head = head;
    rq->method = head->method;
    rq->body = head->body;
    l->stages = http_stages;
    http_on_abort(x, on_peer_gone, l);
    run(l, l->stages[0]);
}

struct http_handler apiserver_handler(struct apiserver *as)
{
    return (struct http_handler){.on_request = on_request, .arg = as};
}

static void shard_cancel(void *arg)
{
    struct shard *s = arg;
    struct live *next;

    for (struct live *l = s->first; l; l = next) {
        next = l->next; /* a request ends only itself */
        cancel(l);
    }
}

void pipeline_stop(struct apiserver *as)
{
    unsigned n = atomic_load_explicit(&as->n_shards, memory_order_acquire);

    for (unsigned i = 0; i < n; i++)
        loop_post(as->shards[i]->loop, shard_cancel, as->shards[i]);
}

/* ---- limits ---- */

bool request_long_running(const struct request *rq)
{
    static const char *const streams[] = {"attach", "exec", "proxy", "log", "portforward"};

    if (!rq->is_resource)
        return str_eqz(rq->path, "/skiff/v1/snapshot");
    if (rq->verb == VERB_WATCH || str_eqz(rq->verb_name, "proxy"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        if (str_eqz(rq->sub, streams[i]))
            return true;
    }
    return false;
}

static bool changes_something(const struct request *rq)
{
    return !str_eqz(rq->method, "GET") && !str_eqz(rq->method, "HEAD");
}

/* Health checks and administrators pass always: a full server must stay steerable. */
static bool exempt(const struct request *rq)
{
    if (!rq->is_resource)
        return true;
    for (size_t i = 0; i < rq->user.groups.n; i++) {
        if (str_eqz(rq->user.groups.v[i], "system:masters"))
            return true;
    }
    return false;
}

static enum stage_result refuse(struct request *rq, const char *text, const char *retry_after)
{
    struct http_header h = {STR("Retry-After"), str_from(retry_after)};

    vec_push(&rq->headers, h);
    return request_answer_bytes(rq, 429, "text/plain; charset=utf-8", str_from(text));
}

enum stage_result stage_inflight(struct request *rq)
{
    struct apiserver *as = rq->as;
    struct live *l = live_of(rq);
    bool write = changes_something(rq);
    atomic_uint *counter = write ? &as->writing : &as->reading;
    unsigned max = write ? as->opts.inflight_max / 2 : as->opts.inflight_max;

    if (atomic_load(&as->stopping) && rq->is_resource)
        return refuse(rq, "The apiserver is shutting down, please try again later.", "5");
    if (request_long_running(rq))
        return STAGE_NEXT;
    if (atomic_fetch_add(counter, 1) >= max && !exempt(rq)) {
        atomic_fetch_sub(counter, 1);
        return refuse(rq, "Too many requests, please try again later.\n", "1");
    }
    l->counted = counter;
    request_deadline(rq, as->opts.request_timeout_ms);
    return STAGE_NEXT;
}

/* ---- answers ---- */

static void on_source_close(void *arg)
{
    struct live *l = arg;

    l->rq.http = NULL;
    l->rq.on_cancel = NULL;
    if (l->source.close)
        l->source.close(l->source.arg);
    l->source_open = false;
    maybe_free(l);
}

static long on_source_read(void *arg, char *p, size_t cap)
{
    struct live *l = arg;

    return l->source.read(l->source.arg, p, cap);
}

static bool has_header(const struct request *rq, const char *name)
{
    for (size_t i = 0; i < rq->headers.n; i++) {
        if (str_ieq(rq->headers.v[i].name, str_from(name)))
            return true;
    }
    return false;
}

static struct http_header *answer_headers(struct request *rq, size_t *ret_n)
{
    size_t n_warnings = rq->warnings.n, n = 0;
    struct http_header *h = arena_calloc(rq->arena, 2 + n_warnings + rq->headers.n, sizeof(*h));
    struct str audit_id = http_header_find(rq->head, "audit-id");

    if (str_empty(audit_id) || audit_id.len > AUDIT_ID_MAX) {
        char *uuid = arena_alloc(rq->arena, 37);

        random_uuid(loop_random(rq->loop), uuid);
        audit_id = str_from(uuid);
    }
    h[n++] = (struct http_header){STR("Audit-Id"), audit_id};
    if (!has_header(rq, "Cache-Control"))
        h[n++] = (struct http_header){STR("Cache-Control"), STR("no-cache, private")};
    n += warning_headers(rq, h + n);
    for (size_t i = 0; i < rq->headers.n; i++)
        h[n++] = rq->headers.v[i];
    *ret_n = n;
    return h;
}

void request_send(struct request *rq, int status, const char *type, struct str body)
{
    struct live *l = live_of(rq);
    struct http_exchange *x = rq->http;
    struct http_header *headers;
    size_t n;

    if (rq->finished)
        return;
    headers = answer_headers(rq, &n);
    set_finished(l, status);
    http_on_abort(x, NULL, NULL);
    rq->http = NULL;
    http_respond(x, status, type, body, headers, n);
}

void request_send_source(struct request *rq, int status, const char *type, int64_t length,
                         struct http_source src)
{
    struct live *l = live_of(rq);
    struct http_source outer = {on_source_read, on_source_close, l};
    struct http_header *headers;
    size_t n;

    if (rq->finished) {
        if (src.close)
            src.close(src.arg);
        return;
    }
    headers = answer_headers(rq, &n);
    set_finished(l, status);
    l->source = src;
    l->source_open = true;
    http_on_abort(rq->http, NULL, NULL);
    http_respond_source(rq->http, status, type, length, outer, headers, n);
}
