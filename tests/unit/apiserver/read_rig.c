/* read_rig.c - see read_rig.h. */
#include "read_rig.h"
#include "apiserver/documents.h"
#include "apiserver/watcher.h"
#include "net/websocket.h"
#include "schema/typed.h"

/* ---- what this server has, and what it lacks ---- */

const struct apiserver_part apiserver_parts[] = {
    {"metrics", metrics_start, NULL, metrics_free},
    {"watches", watch_hubs_start, NULL, watch_hubs_free},
    {"discovery", discovery_start, NULL, discovery_free},
    {"in-process calls", inproc_server_start, inproc_server_stop, inproc_server_free},
    {NULL, NULL, NULL, NULL},
};
const struct subresource_handler subresource_handlers[] = {{.plural = NULL}};
const struct subresource_handler ephemeral_handlers[] = {{.plural = NULL}};

enum stage_result stage_authenticate(struct request *rq)
{
    rq->user.name = STR("tester");
    return STAGE_NEXT;
}
enum stage_result stage_authorize(struct request *rq)
{
    if (str_eqz(rq->user.name, "nobody"))
        return request_failf(rq, ERR_FORBIDDEN, "nobody may do nothing");
    return STAGE_NEXT;
}
static enum stage_result refuse(struct request *rq)
{
    return request_failf(rq, ERR_NOT_ALLOWED, "this server only reads");
}
enum stage_result stage_create(struct request *rq) { return refuse(rq); }
enum stage_result stage_update(struct request *rq) { return refuse(rq); }
enum stage_result stage_patch(struct request *rq) { return refuse(rq); }
enum stage_result stage_delete(struct request *rq) { return refuse(rq); }
enum stage_result stage_deletecollection(struct request *rq) { return refuse(rq); }
enum stage_result stage_openid_configuration(struct request *rq) { return refuse(rq); }
enum stage_result stage_openid_jwks(struct request *rq) { return refuse(rq); }

/* ---- the exchange ---- */

static void keep_headers(struct http_exchange *x, const struct http_header *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&x->headers, "%.*s: %.*s\n", STR_ARG(h[i].name), STR_ARG(h[i].value));
}

static void start_answer(struct http_exchange *x, int status, const char *type)
{
    assert_int_equal(x->status, 0);
    x->status = status;
    x->type = type ? xstrdup(type) : NULL;
}

void http_respond(struct http_exchange *x, int status, const char *type, struct str body,
                  const struct http_header *extra, size_t n_extra)
{
    start_answer(x, status, type);
    keep_headers(x, extra, n_extra);
    x->length = (int64_t)body.len;
    buf_str(&x->body, body);
    x->ended = true;
}

void http_respond_source(struct http_exchange *x, int status, const char *type,
                         int64_t content_length, struct http_source src,
                         const struct http_header *extra, size_t n_extra)
{
    start_answer(x, status, type);
    keep_headers(x, extra, n_extra);
    x->length = content_length;
    x->source = src;
    x->has_source = true;
}

void http_resume(struct http_exchange *x)
{
    assert_true(x->waiting);
    x->resumed = true;
}

void http_on_abort(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_abort = fn;
    x->abort_arg = arg;
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

struct loop *http_loop(struct http_exchange *x)
{
    return x->rig->loop;
}

static void close_source(struct http_exchange *x)
{
    if (!x->has_source)
        return;
    x->has_source = false;
    x->source.close(x->source.arg);
}

/* ---- a WebSocket that takes everything at once ---- */

struct websocket {
    struct http_exchange *x;
    struct websocket_handler h;
};

bool websocket_requested(const struct http_request *rq)
{
    return rq && str_eqz(http_header_find(rq, "upgrade"), "websocket");
}

struct websocket *websocket_accept(struct http_exchange *x, struct str protocol,
                                   const struct websocket_handler *h)
{
    struct websocket *ws = xnew(struct websocket);

    assert_int_equal(protocol.len, 0);
    start_answer(x, 101, NULL);
    ws->x = x;
    ws->h = *h;
    x->ws = ws;
    return ws;
}

bool websocket_send(struct websocket *ws, struct str data, bool binary)
{
    for (size_t i = 0; binary && i < data.len; i++)
        buf_printf(&ws->x->body, "%02x", (unsigned)(unsigned char)data.p[i]);
    if (!binary)
        buf_str(&ws->x->body, data);
    return true;
}

static void ws_gone(void *arg)
{
    struct websocket *ws = arg;

    ws->x->ws = NULL;
    ws->x->ended = true;
    ws->h.on_closed(ws->h.arg);
    free(ws);
}

void websocket_close(struct websocket *ws, int code)
{
    assert_int_equal(code, 1000);
    loop_post(ws->x->rig->loop, ws_gone, ws);
}

const char *rig_pull(struct http_exchange *x)
{
    size_t cap = x->step ? x->step : 65536;
    long n;

    assert_int_not_equal(x->status, 0);
    if (x->waiting && !x->resumed)
        return buf_cstr(&x->body);
    x->waiting = x->resumed = false;
    while (x->has_source && !x->waiting) {
        n = x->source.read(x->source.arg, buf_reserve(&x->body, cap), cap);
        assert_int_not_equal(n, HTTP_READ_ERROR);
        if (n > 0) {
            assert_true((size_t)n <= cap);
            x->body.len += (size_t)n;
        } else if (n == HTTP_READ_WAIT) {
            x->waiting = true;
        } else {
            x->ended = true;
            close_source(x);
        }
    }
    return buf_cstr(&x->body);
}

const char *rig_more(struct http_exchange *x, uint64_t ms)
{
    buf_reset(&x->body);
    sim_run_for(x->rig->sim, ms);
    return rig_pull(x);
}

void rig_close(struct http_exchange *x)
{
    if (x->on_abort)
        x->on_abort(x->abort_arg);
    close_source(x);
    if (x->ws)
        loop_post(x->rig->loop, ws_gone, x->ws);
    sim_run_for(x->rig->sim, 10);
    free(x->type);
    buf_deinit(&x->headers);
    buf_deinit(&x->body);
    arena_deinit(&x->arena);
    free(x);
}

char *rig_header(const struct http_exchange *x, const char *name)
{
    struct str rest = buf_view(&x->headers);

    while (rest.len) {
        struct str value, line = str_cut(rest, '\n', &rest);
        struct str key = str_cut(line, ':', &value);

        if (str_ieq(key, str_from(name)))
            return xmemdupz(str_trim(value).p, str_trim(value).len);
    }
    return NULL;
}

struct http_exchange *rig_get(struct rig *r, const char *target, const char *const *headers)
{
    struct http_exchange *x = xnew(struct http_exchange);
    struct http_handler h = apiserver_handler(r->as);
    struct str query, path = str_cut(str_from(target), '?', &query);
    struct http_header *list = arena_calloc(&x->arena, 16, sizeof(*list));
    size_t n = 0;

    x->rig = r;
    for (; headers && headers[2 * n]; n++)
        list[n] = (struct http_header){str_from(headers[2 * n]), str_from(headers[2 * n + 1])};
    x->head = (struct http_request){.method = STR("GET"),
                                    .target = str_from(target),
                                    .path = path,
                                    .query = query,
                                    .host = STR("test"),
                                    .headers = list,
                                    .n_headers = n,
                                    .version = 2};
    h.on_request(h.arg, x, &x->head);
    sim_run_for(r->sim, 5);
    return x;
}

void rig_expect(struct rig *r, const char *target, const char *accept, int status,
                const char *body)
{
    const char *headers[] = {accept ? "accept" : NULL, accept, NULL};
    struct http_exchange *x = rig_get(r, target, headers);

    assert_int_not_equal(x->status, 0);
    assert_string_equal(rig_pull(x), body);
    assert_int_equal(x->status, status);
    assert_true(x->ended);
    if (x->length >= 0)
        assert_int_equal(x->length, x->body.len);
    rig_close(x);
}

/* ---- the server ---- */

struct rig *rig_new(void)
{
    struct rig *r = xnew(struct rig);
    struct store_opts so = {.engine = engine_memory_new()};
    struct apiserver_opts ao = {.advertise_address = "10.0.0.1", .secure_port = 6443};
    struct err err = {0};

    r->sim = sim_new(7);
    r->loop = sim_loop(r->sim, "api");
    so.loop = r->loop;
    so.clock = loop_clock(r->loop);
    assert_ok(store_open(&so, api_resources, api_n_resources, &r->store, &err), &err);
    ao.store = r->store;
    ao.loop = r->loop;
    assert_ok(apiserver_new(&ao, &r->as, &err), &err);
    return r;
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void rig_free(struct rig *r)
{
    bool stopped = false;

    apiserver_stop(r->as, on_stopped, &stopped);
    sim_run_for(r->sim, 1000);
    assert_true(stopped);
    r->as = apiserver_free(r->as);
    r->store = store_close(r->store);
    r->sim = sim_free(r->sim);
    free(r);
}

static void on_txn(struct store_txn *txn)
{
    *(bool *)txn->arg = true;
}

static int64_t commit(struct rig *r, struct store_op *op)
{
    bool done = false;
    struct store_txn txn = {
        .ops = op, .n = 1, .loop = r->loop, .on_done = on_txn, .arg = &done};

    store_commit(r->store, &txn);
    for (int i = 0; i < 1000 && !done; i++)
        sim_run_for(r->sim, 1);
    assert_true(done);
    assert_int_equal(txn.code, 0);
    (void)object_unref(txn.removed);
    (void)object_unref(txn.current);
    return txn.revision;
}

int64_t rig_put(struct rig *r, const struct resource *res, const char *json)
{
    auto_arena a = {0};
    struct err err = {0};
    struct store_op op = {.kind = STORE_PUT, .res = res, .expect_revision = STORE_ANY};
    void *obj;

    assert_ok(typed_from_json(res->type, str_from(json), &a, &obj, &err), &err);
    op.object = object_new(res, obj);
    return commit(r, &op);
}

int64_t rig_remove(struct rig *r, const char *key)
{
    const struct resource *res = NULL;
    struct store_op op = {
        .kind = STORE_DELETE, .key = str_from(key), .expect_revision = STORE_ANY};

    for (size_t i = 0; i < api_n_resources && !res; i++)
        if (api_resources[i]->storage == api_resources[i] && api_resources[i]->store_prefix[0] &&
            str_has_prefix(str_from(key), str_from(api_resources[i]->store_prefix)))
            res = api_resources[i];
    op.res = res;
    return commit(r, &op);
}
