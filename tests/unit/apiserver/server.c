/* server.c - see server.h. The server half of net/http.h is wrapped by the linker (--wrap): there
 * are no sockets. */
#include "server.h"

#include "net/crypto.h"
#include "net/tls.h"
#include "store/engine.h"

enum { STEPS_MAX = 200000, READY_STEPS_MAX = 2000000 };

struct http_exchange {
    struct server *server;
    struct arena arena;
    struct http_request rq;
    struct reply *reply;
    struct http_source source;
    bool aborted, posted; /* posted: a read is on its way, and frees the exchange when aborted */
    void (*on_abort)(void *arg);
    void *abort_arg;
};

struct arena *__wrap_http_arena(struct http_exchange *x);
struct loop *__wrap_http_loop(struct http_exchange *x);
void __wrap_http_on_abort(struct http_exchange *x, void (*fn)(void *arg), void *arg);
void __wrap_http_respond(struct http_exchange *x, int status, const char *type, struct str body,
                         const struct http_header *extra, size_t n_extra);
void __wrap_http_respond_source(struct http_exchange *x, int status, const char *type,
                                int64_t content_length, struct http_source src,
                                const struct http_header *extra, size_t n_extra);
void __wrap_http_resume(struct http_exchange *x);

struct arena *__wrap_http_arena(struct http_exchange *x)
{
    return &x->arena;
}

struct loop *__wrap_http_loop(struct http_exchange *x)
{
    return x->server->loop;
}

void __wrap_http_on_abort(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_abort = fn;
    x->abort_arg = arg;
}

static void take_head(struct http_exchange *x, int status, const char *type,
                      const struct http_header *extra, size_t n)
{
    struct reply *r = x->reply;
    struct arena *a = &x->server->arena;

    assert_int_equal(r->status, 0);
    r->status = status;
    r->type = str_dup(a, str_from(type));
    r->headers = arena_calloc(a, n, sizeof(*r->headers));
    r->n_headers = n;
    for (size_t i = 0; i < n; i++)
        r->headers[i] =
            (struct http_header){str_dup(a, extra[i].name), str_dup(a, extra[i].value)};
}

static void exchange_free(struct http_exchange *x)
{
    arena_deinit(&x->arena);
    free(x);
}

void __wrap_http_respond(struct http_exchange *x, int status, const char *type, struct str body,
                  const struct http_header *extra, size_t n_extra)
{
    take_head(x, status, type, extra, n_extra);
    x->reply->body = str_dup(&x->server->arena, body);
    x->reply->ended = true;
    if (!x->aborted)
        exchange_free(x);
}

static void read_source(void *arg)
{
    struct http_exchange *x = arg;
    char piece[4096];
    auto_buf all = {0};
    long n;

    x->posted = false;
    if (x->aborted) {
        exchange_free(x);
        return;
    }
    buf_str(&all, x->reply->body);
    while ((n = x->source.read(x->source.arg, piece, sizeof(piece))) > 0)
        buf_append(&all, piece, (size_t)n);
    x->reply->body = str_dup(&x->server->arena, buf_view(&all));
    if (n == HTTP_READ_WAIT)
        return;
    x->reply->ended = true;
    if (x->source.close)
        x->source.close(x->source.arg);
    exchange_free(x);
}

void __wrap_http_respond_source(struct http_exchange *x, int status, const char *type,
                         int64_t content_length, struct http_source src,
                         const struct http_header *extra, size_t n_extra)
{
    (void)content_length;
    take_head(x, status, type, extra, n_extra);
    x->source = src;
    __wrap_http_resume(x);
}

void __wrap_http_resume(struct http_exchange *x)
{
    if (x->posted)
        return;
    x->posted = true;
    loop_post(x->server->loop, read_source, x);
}

void server_start(struct server *s)
{
    struct apiserver_opts opts = {.advertise_address = "192.168.1.5",
                                  .secure_port = 6443,
                                  .service_cidr = "10.96.0.0/16",
                                  .token_issuer = "https://kubernetes.default.svc.cluster.local",
                                  .static_tokens = STR("admintoken,admin,1,\"system:masters\"\n"),
                                  .anonymous_auth = true};
    struct store_opts store = {0};
    struct err err = {0};
    struct str pem;

    *s = (struct server){.sim = sim_new(1)};
    assert_ok(cert_new_key(&s->arena, &pem, &err), &err);
    assert_ok(jwt_key_load(pem, &s->token_key, &err), &err);
    opts.token_key = s->token_key;
    s->loop = sim_loop(s->sim, "api");
    store.engine = engine_memory_new();
    store.loop = s->loop;
    store.clock = loop_clock(s->loop);
    assert_ok(store_open(&store, api_resources, api_n_resources, &s->store, &err), &err);
    opts.store = s->store;
    opts.loop = s->loop;
    assert_ok(apiserver_new(&opts, &s->as, &err), &err);
    for (int i = 0; i < READY_STEPS_MAX && !apiserver_ready(s->as); i++)
        (void)sim_step(s->sim);
    assert_true(apiserver_ready(s->as));
    /* A controller's work that pods cannot do without. */
    assert_int_equal(server_post(s, "/api/v1/namespaces/default/serviceaccounts",
                                 "{\"metadata\":{\"name\":\"default\"}}")
                         ->status,
                     201);
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void server_stop(struct server *s)
{
    bool stopped = false;

    apiserver_stop(s->as, on_stopped, &stopped);
    for (int i = 0; i < STEPS_MAX && !stopped; i++)
        (void)sim_step(s->sim);
    assert_true(stopped);
    s->as = apiserver_free(s->as);
    s->store = store_close(s->store);
    s->sim = sim_free(s->sim);
    s->token_key = jwt_key_free(s->token_key);
    arena_deinit(&s->arena);
}

static void split_target(struct http_request *rq)
{
    rq->path = str_cut(rq->target, '?', &rq->query);
    if (!rq->query.p)
        rq->query = STR("");
}

static void add_header(struct http_exchange *x, const char *name, const char *value)
{
    struct http_header *h = (struct http_header *)(uintptr_t)x->rq.headers;

    if (value)
        h[x->rq.n_headers++] = (struct http_header){str_from(name), str_from(value)};
}

static void abort_exchange(struct http_exchange *x)
{
    x->aborted = true;
    if (x->on_abort)
        x->on_abort(x->abort_arg);
    if (x->source.close)
        x->source.close(x->source.arg);
    if (!x->posted)
        exchange_free(x);
}

struct reply *server_call(struct server *s, const struct call *c)
{
    struct http_exchange *x = xnew(struct http_exchange);
    struct reply *r = arena_new(&s->arena, struct reply);
    struct http_handler h = apiserver_handler(s->as);

    x->server = s;
    x->reply = r;
    x->rq.method = str_from(c->method);
    x->rq.target = str_from(c->target);
    split_target(&x->rq);
    x->rq.headers = arena_calloc(&x->arena, 12, sizeof(struct http_header));
    if (c->peer)
        x->rq.peer = *c->peer;
    else if (!c->bearer)
        add_header(x, "authorization", "Bearer admintoken");
    else if (*c->bearer)
        add_header(x, "authorization", arena_printf(&x->arena, "Bearer %s", c->bearer));
    add_header(x, "impersonate-user", c->as_user);
    for (size_t i = 0; i < ARRAY_LEN(c->as_groups); i++)
        add_header(x, "impersonate-group", c->as_groups[i]);
    add_header(x, "content-type", c->type);
    add_header(x, "accept", c->accept);
    add_header(x, "user-agent", c->agent);
    x->rq.body = str_dup(&x->arena, c->body ? str_from(c->body) : c->bytes);
    x->rq.version = 2;
    h.on_request(h.arg, x, &x->rq);
    if (c->dont_wait)
        return r;
    for (uint64_t i = 0; i < STEPS_MAX && !r->ended; i++) {
        if (c->abort_after_steps && i == c->abort_after_steps) {
            abort_exchange(x);
            break;
        }
        (void)sim_step(s->sim);
    }
    return r;
}

struct reply *server_get(struct server *s, const char *target)
{
    return server_call(s, &(struct call){.method = "GET", .target = target});
}

struct reply *server_delete(struct server *s, const char *target)
{
    return server_call(s, &(struct call){.method = "DELETE", .target = target});
}

struct reply *server_post(struct server *s, const char *target, const char *json)
{
    return server_call(s, &(struct call){.method = "POST",
                                         .target = target,
                                         .type = "application/json",
                                         .body = json});
}

struct reply *server_put(struct server *s, const char *target, const char *json)
{
    return server_call(s, &(struct call){.method = "PUT",
                                         .target = target,
                                         .type = "application/json",
                                         .body = json});
}

struct reply *server_patch(struct server *s, const char *target, const char *form,
                           const char *json)
{
    const char *type = strcmp(form, "json") == 0    ? "application/json-patch+json"
                       : strcmp(form, "merge") == 0 ? "application/merge-patch+json"
                                                    : "application/strategic-merge-patch+json";

    return server_call(
        s, &(struct call){.method = "PATCH", .target = target, .type = type, .body = json});
}

struct str reply_header(const struct reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (str_ieq(r->headers[i].name, str_from(name)))
            return r->headers[i].value;
    }
    return STR_NULL;
}

struct doc reply_doc(struct server *s, const struct reply *r)
{
    struct err err = {0};
    struct doc d;

    assert_ok(json_parse(r->body, &s->arena, &d, NULL, &err), &err);
    return d;
}

const char *reply_str(struct server *s, const struct reply *r, const char *path)
{
    struct doc d = reply_doc(s, r);

    return str_dupz(&s->arena, doc_path_str(&d, path));
}

int64_t reply_int(struct server *s, const struct reply *r, const char *path)
{
    struct doc d = reply_doc(s, r);

    return doc_path_int(&d, path, -1);
}
