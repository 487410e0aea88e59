/* remote_call.c - etcd's endpoints and calls to them. One endpoint is used for everything, until a
 * call to it fails: then the next. A client connects, and again after a break, by itself. */
#include "store/remote.h"

#define MESSAGE_MAX INT32_MAX /* etcd bounds what is written; what is read has our own limits */

struct rpc {
    struct remote *r;
    size_t at;
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage *answer;
    remote_done fn;
    void *arg;
};

struct grpc_client *remote_client(struct remote *r, size_t *ret_at)
{
    struct remote_endpoint *e = &r->endpoints[r->at];

    *ret_at = r->at;
    if (e->client)
        return e->client;
    e->client = e->tls ? grpc_client_new_tls(r->loop, e->target, r->tls, NULL, MESSAGE_MAX)
                       : grpc_client_new(r->loop, e->target, MESSAGE_MAX);
    grpc_client_set_backoff(e->client, REMOTE_RETRY_MAX_MS);
    return e->client;
}

void remote_refresh(struct timer *t)
{
    struct remote *r = container_of(t, struct remote, refresh);

    for (size_t i = 0; i < r->n_endpoints; i++) {
        if (!r->endpoints[i].stale)
            continue;
        r->endpoints[i].stale = false;
        (void)grpc_client_free(steal(r->endpoints[i].client)); /* its calls end here */
    }
}

void remote_endpoint_failed(struct remote *r, size_t at, bool stuck, struct str why)
{
    if (r->ended)
        return;
    if (atomic_exchange(&r->healthy, false))
        remote_tell(r, false, "etcd failed endpoint=%s error=\"%.*s\"", r->endpoints[at].target,
                 STR_ARG(why));
    if (stuck) {
        r->endpoints[at].stale = true;
        timer_start(&r->refresh, 0, 0);
    }
    if (at != r->at) {
        r->answered_ms = 0; /* what that one's late failure says of the other: it is asked soon */
        return;
    }
    r->at = (r->at + 1) % r->n_endpoints;
    if (r->at != at)
        remote_watch_restart(r);
}

void remote_answered(struct remote *r)
{
    r->answered_ms = remote_now_ms(r);
    if (!atomic_exchange(&r->healthy, true))
        remote_tell(r, true, "etcd answers endpoint=%s", r->endpoints[r->at].target);
}

static void on_message(void *arg, struct str message)
{
    struct rpc *c = arg;

    if (!c->answer)
        c->answer = protobuf_c_message_unpack(c->type, NULL, message.len,
                                              (const uint8_t *)message.p);
}

static void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct rpc *c = arg;

    if (status == GRPC_OK && !c->answer) {
        status = GRPC_INTERNAL;
        text = STR("the answer of etcd cannot be read");
    }
    if (status == GRPC_UNAVAILABLE || status == GRPC_DEADLINE_EXCEEDED)
        remote_endpoint_failed(c->r, c->at, status == GRPC_DEADLINE_EXCEEDED, text);
    else if (status != GRPC_CANCELLED)
        remote_answered(c->r);
    c->fn(c->arg, status == GRPC_OK ? c->answer : NULL, status, text);
    if (c->answer)
        protobuf_c_message_free_unpacked(c->answer, NULL);
    free(c);
}

void remote_call(struct remote *r, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *answer, remote_done fn, void *arg)
{
    struct rpc *c = xnew(struct rpc);
    size_t n = protobuf_c_message_get_packed_size(request);
    struct grpc_call_opts opts = {.method = method,
                                  .timeout_ms = REMOTE_CALL_MS,
                                  .on_message = on_message,
                                  .on_done = on_done,
                                  .arg = c};
    auto_buf out = {0};

    *c = (struct rpc){.r = r, .type = answer, .fn = fn, .arg = arg};
    out.len = protobuf_c_message_pack(request, (uint8_t *)buf_reserve(&out, n));
    opts.request = out.len ? buf_view(&out) : STR("");
    (void)grpc_call_start(remote_client(r, &c->at), &opts);
}

int remote_error(struct err *err, enum grpc_status status, struct str text)
{
    int code = ERR_IO;

    if (status == GRPC_UNAVAILABLE || status == GRPC_CANCELLED)
        code = ERR_UNAVAILABLE;
    else if (status == GRPC_DEADLINE_EXCEEDED)
        code = ERR_TIMEOUT;
    return err_new(err, code, "etcd: %.*s", STR_ARG(text));
}
