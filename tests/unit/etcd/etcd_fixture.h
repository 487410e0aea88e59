/* etcd_fixture.h - our etcd server in this process, on a free port, and calls to any etcd. */
#pragma once
#include "../store/engines.h"
#include "etcd/etcd.h"
#include "net/grpc.h"
#include "store/etcd.pb-c.h"
#include "test.h"

struct ours {
    struct loop *loop; /* borrowed */
    struct place place;
    struct store *store;
    struct etcd *etcd;
    struct http_server *http;
    struct grpc_client *client;
    bool ready, stopped, closed;
};

static inline void ours_ready(void *arg, const struct err *err)
{
    struct ours *o = arg;

    assert_null(err);
    o->ready = true;
    loop_stop(o->loop);
}

static inline void ours_stopped(void *arg)
{
    struct ours *o = arg;

    o->stopped = true;
    loop_stop(o->loop);
}

static inline void ours_closed(void *arg)
{
    struct ours *o = arg;

    o->closed = true;
    loop_stop(o->loop);
}

static inline void wait_for(struct loop *loop, const bool *flag)
{
    while (!*flag)
        loop_run(loop);
}

/* Opens the server over what o->place holds; @config's store and loop are set here. */
static inline void ours_open(struct ours *o, struct etcd_config config)
{
    struct store_opts opts = {.history_ms = UINT32_MAX};
    struct http_server_opts http = {.address = "127.0.0.1"};
    struct err err = {0};
    char target[40];

    place_open(&o->place);
    opts.engine = o->place.e;
    o->place.e = NULL; /* the store's now */
    assert_ok(store_open(&opts, NULL, 0, &o->store, &err), &err);
    config.store = o->store;
    config.loop = o->loop;
    o->ready = o->stopped = o->closed = false;
    o->etcd = etcd_new(&config, ours_ready, o);
    wait_for(o->loop, &o->ready);
    http.handler = etcd_handler(o->etcd);
    assert_ok(http_server_new(o->loop, &http, &o->http, &err), &err);
    (void)snprintf(target, sizeof(target), "127.0.0.1:%u", http_server_port(o->http));
    o->client = grpc_client_new(o->loop, target, 64 << 20);
}

/* Stops the server; it may have been stopped before. */
static inline void ours_stop(struct ours *o)
{
    if (!o->stopped)
        etcd_stop(o->etcd, ours_stopped, o);
    wait_for(o->loop, &o->stopped);
}

static inline void ours_close(struct ours *o)
{
    o->client = grpc_client_free(o->client);
    ours_stop(o);
    http_server_close(o->http, 0, ours_closed, o);
    wait_for(o->loop, &o->closed);
    o->etcd = etcd_free(o->etcd);
    o->store = store_close(o->store);
}

/* ---- one call ---- */

struct rpc {
    struct loop *loop;
    enum grpc_status status;
    char text[256];
    struct buf answer;
    bool done;
};

static inline void rpc_message(void *arg, struct str message)
{
    buf_str(&((struct rpc *)arg)->answer, message);
}

static inline void rpc_done(void *arg, enum grpc_status status, struct str text)
{
    struct rpc *r = arg;

    r->status = status;
    (void)snprintf(r->text, sizeof(r->text), "%.*s", STR_ARG(text));
    r->done = true;
    loop_stop(r->loop);
}

static inline void rpc_start(struct rpc *r, struct loop *loop, struct grpc_client *client,
                             const char *method, struct str request)
{
    struct grpc_call_opts opts = {.method = method,
                                  .request = request.p ? request : STR(""),
                                  .timeout_ms = 20000,
                                  .on_message = rpc_message,
                                  .on_done = rpc_done,
                                  .arg = r};

    *r = (struct rpc){.loop = loop};
    (void)grpc_call_start(client, &opts);
}

static inline struct str pack(const void *message, struct buf *b)
{
    size_t n = protobuf_c_message_get_packed_size(message);

    buf_reset(b);
    (void)protobuf_c_message_pack(message, (uint8_t *)buf_reserve(b, n + 1));
    b->len = n;
    return buf_view(b);
}

/* Calls and waits. The answer is decoded as @type (NULL: not) and the caller's. */
static inline ProtobufCMessage *rpc_call(struct rpc *r, struct loop *loop,
                                         struct grpc_client *client, const char *method,
                                         const void *request,
                                         const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = NULL;
    auto_buf b = {0};

    rpc_start(r, loop, client, method, pack(request, &b));
    wait_for(loop, &r->done);
    if (r->status == GRPC_OK && type) {
        m = protobuf_c_message_unpack(type, NULL, r->answer.len, (const uint8_t *)r->answer.p);
        assert_non_null(m);
    }
    buf_deinit(&r->answer);
    return m;
}

static inline ProtobufCBinaryData bytes_of(const char *z)
{
    return (ProtobufCBinaryData){strlen(z), (uint8_t *)(uintptr_t)z};
}
