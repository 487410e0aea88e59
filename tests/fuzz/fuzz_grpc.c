/* fuzz_grpc.c - gRPC's frames in pieces, and etcd's requests in them, to a whole server over a
 * store in memory.
 *
 * An input is calls one after the other: a byte that chooses the method, a byte for the size of
 * pieces, two of a length, and so many bytes of the call's body. Each call must come to its end. */
#include "etcd/etcd.h"
#include "fuzz.h"
#include "net/http_server_internal.h"
#include <stdlib.h>

enum { CALLS_MAX = 64, HEAD_BYTES = 4 };

static const char *const methods[] = {
    "/etcdserverpb.KV/Range",
    "/etcdserverpb.KV/Put",
    "/etcdserverpb.KV/DeleteRange",
    "/etcdserverpb.KV/Txn",
    "/etcdserverpb.KV/Compact",
    "/etcdserverpb.Watch/Watch",
    "/etcdserverpb.Lease/LeaseGrant",
    "/etcdserverpb.Lease/LeaseRevoke",
    "/etcdserverpb.Lease/LeaseKeepAlive",
    "/etcdserverpb.Lease/LeaseTimeToLive",
    "/etcdserverpb.Lease/LeaseLeases",
    "/etcdserverpb.Cluster/MemberList",
    "/etcdserverpb.Cluster/MemberAdd",
    "/etcdserverpb.Maintenance/Alarm",
    "/etcdserverpb.Maintenance/Status",
    "/etcdserverpb.Maintenance/Defragment",
    "/etcdserverpb.Maintenance/Hash",
    "/etcdserverpb.Maintenance/HashKV",
    "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.Maintenance/MoveLeader",
    "/etcdserverpb.Auth/AuthStatus",
    "/etcdserverpb.Auth/Authenticate",
    "/none/None",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
};

struct server {
    struct loop *loop;
    struct store *store;
    struct etcd *etcd;
    bool ready, stopped;
};
struct call {
    struct http_exchange x; /* freed by its end */
    struct server *s;
    bool *over;
};

/* ---- an exchange without a connection ---- */

/* Reads what is there of the answer, as a connection would in its turn. */
static void drain(struct call *c)
{
    bool *over = c->over;
    char bytes[4096];
    long n;

    if (!c->x.answered)
        return;
    do
        n = c->x.src.read(c->x.src.arg, bytes, sizeof(bytes));
    while (n > 0);
    if (n == HTTP_READ_ERROR)
        abort();
    if (n == HTTP_READ_WAIT)
        return;
    *over = true;
    http_exchange_done(&c->x);
}

static void on_news(struct http_exchange *x)
{
    loop_stop(((struct call *)(void *)x)->s->loop);
}

static void on_respond(struct http_exchange *x, const struct http_answer *answer)
{
    if (answer->status != 200)
        abort(); /* gRPC tells its errors in trailers */
    on_news(x);
}

static const struct http_exchange_ops ops = {.respond = on_respond, .resume = on_news};

static void run_call(struct server *s, const char *method, size_t piece, const uint8_t *p, size_t n)
{
    static const struct http_header headers[] = {
        {STR_INIT("content-type"), STR_INIT("application/grpc")},
        {STR_INIT("grpc-timeout"), STR_INIT("5m")}, /* of streams that do not end by themselves */
    };
    bool endless = str_has_suffix(str_from(method), STR("/Watch"));
    struct http_handler h = etcd_handler(s->etcd);
    struct call *c = xnew(struct call);
    bool over = false;

    c->s = s;
    c->over = &over;
    c->x.ops = &ops;
    c->x.loop = s->loop;
    c->x.streams = c->x.handed = true;
    c->x.rq = (struct http_request){.method = STR("POST"),
                                    .target = str_from(method),
                                    .path = str_from(method),
                                    .headers = headers,
                                    .n_headers = endless ? 2 : 1,
                                    .version = 2};
    if (!h.wants_stream(h.arg, &c->x.rq))
        abort();
    h.on_request(h.arg, &c->x, &c->x.rq);
    drain(c);
    for (size_t at = 0; at < n && !over; at += piece) {
        http_exchange_body(&c->x, p + at, MIN(piece, n - at));
        drain(c);
    }
    if (!over)
        http_exchange_body_end(&c->x);
    while (!over) {
        drain(c);
        if (!over)
            loop_run(s->loop);
    }
}

/* ---- the server ---- */

static void on_ready(void *arg, const struct err *err)
{
    struct server *s = arg;

    if (err)
        abort();
    s->ready = true;
    loop_stop(s->loop);
}

static void on_stopped(void *arg)
{
    struct server *s = arg;

    s->stopped = true;
    loop_stop(s->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_opts opts = {.history_ms = UINT32_MAX, .engine = engine_memory_new()};
    struct server s = {.loop = loop_new("fuzz")};
    struct etcd_config config = {.loop = s.loop, .request_max_bytes = 4096};
    struct err err = {0};

    if (store_open(&opts, NULL, 0, &s.store, &err) < 0)
        abort();
    loop_hold(s.loop, true);
    config.store = s.store;
    s.etcd = etcd_new(&config, on_ready, &s);
    while (!s.ready)
        loop_run(s.loop);
    for (size_t at = 0, i = 0; size - at >= HEAD_BYTES && i < CALLS_MAX; i++) {
        const uint8_t *head = data + at;
        size_t n = (size_t)head[2] << 8 | head[3];

        at += HEAD_BYTES;
        n = MIN(n, size - at);
        run_call(&s, methods[head[0] % ARRAY_LEN(methods)], (size_t)head[1] + 1, data + at, n);
        at += n;
    }
    etcd_stop(s.etcd, on_stopped, &s);
    while (!s.stopped)
        loop_run(s.loop);
    s.etcd = etcd_free(s.etcd);
    s.store = store_close(s.store);
    loop_hold(s.loop, false);
    loop_run(s.loop);
    s.loop = loop_free(s.loop);
    return 0;
}
