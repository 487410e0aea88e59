/* remote_call.c - etcd's endpoints and calls to them. One endpoint is used for everything, until a
 * call to it fails: then the next. A client connects, and again after a break, by itself.
 *
 * Each answer tells of which cluster it is. One of another cluster than that from which everything
 * was read is no answer, and its endpoint has failed; what changes something is not even sent to an
 * endpoint that has not told yet. */
#include "store/remote.h"

#define MESSAGE_MAX INT32_MAX /* etcd bounds what is written; what is read has our own limits */

struct rpc {
    struct remote *r;
    struct rpc *next; /* in waiting */
    size_t at;
    const char *method;
    struct buf request;
    uint64_t until_ms;
    uint32_t tries; /* endpoints that did not tell of which cluster they are */
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
    r->endpoints[at].known = false;
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

static void rpc_end(struct rpc *c, const void *answer, enum grpc_status status, struct str text)
{
    c->fn(c->arg, answer, status, text);
    if (c->answer)
        protobuf_c_message_free_unpacked(c->answer, NULL);
    buf_deinit(&c->request);
    free(c);
}

bool remote_same_cluster(struct remote *r, size_t at, const Etcdserverpb__ResponseHeader *h)
{
    if (!r->cluster_id)
        r->cluster_id = h->cluster_id;
    r->endpoints[at].known = h->cluster_id == r->cluster_id;
    return r->endpoints[at].known;
}

static const Etcdserverpb__ResponseHeader *header_of(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "header");

    return *(Etcdserverpb__ResponseHeader *const *)(const void *)((const char *)m + f->offset);
}

static void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct rpc *c = arg;

    if (status == GRPC_OK && (!c->answer || !header_of(c->answer))) {
        status = GRPC_INTERNAL;
        text = STR("the answer of etcd cannot be read");
    } else if (status == GRPC_OK && !remote_same_cluster(c->r, c->at, header_of(c->answer))) {
        status = GRPC_UNAVAILABLE;
        text = STR(REMOTE_OTHER_CLUSTER);
    }
    if (status == GRPC_UNAVAILABLE || status == GRPC_DEADLINE_EXCEEDED)
        remote_endpoint_failed(c->r, c->at, status == GRPC_DEADLINE_EXCEEDED, text);
    else if (status != GRPC_CANCELLED)
        remote_answered(c->r);
    rpc_end(c, status == GRPC_OK ? c->answer : NULL, status, text);
}

static void rpc_start(struct rpc *c)
{
    uint64_t now = remote_now_ms(c->r);
    struct grpc_call_opts opts = {.method = c->method,
                                  .timeout_ms = (uint32_t)(c->until_ms - MIN(now, c->until_ms - 1)),
                                  .request = c->request.len ? buf_view(&c->request) : STR(""),
                                  .on_message = on_message,
                                  .on_done = on_done,
                                  .arg = c};

    (void)grpc_call_start(remote_client(c->r, &c->at), &opts);
}

/* ---- of which cluster is it? ---- */

static void dispatch(struct rpc *c);

/* What was waiting goes on: to the endpoint if it is a good one, else to the next, unless all of
 * them were tried. Nothing of it was sent. */
static void on_checked(void *arg, const void *answer, enum grpc_status status, struct str text)
{
    struct remote *r = arg;
    struct rpc *c = steal(r->waiting);
    uint64_t now = remote_now_ms(r);

    r->checking = false;
    while (c) {
        struct rpc *next = c->next;

        if (now >= c->until_ms)
            rpc_end(c, NULL, GRPC_DEADLINE_EXCEEDED, STR("not sent: no endpoint was ready"));
        else if (answer || (!r->ended && ++c->tries < r->n_endpoints))
            dispatch(c);
        else
            rpc_end(c, NULL, status, text);
        c = next;
    }
}

static void check(struct remote *r)
{
    r->checking = true;
    remote_ask(r, on_checked, r);
}

static void dispatch(struct rpc *c)
{
    struct remote *r = c->r;
    bool reads = c->type == &etcdserverpb__range_response__descriptor;

    if (reads || r->endpoints[r->at].known) {
        rpc_start(c);
        return;
    }
    c->next = r->waiting;
    r->waiting = c;
    if (!r->checking)
        check(r);
}

void remote_call(struct remote *r, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *answer, remote_done fn, void *arg)
{
    struct rpc *c = xnew(struct rpc);
    size_t n = protobuf_c_message_get_packed_size(request);

    *c = (struct rpc){.r = r, .method = method, .type = answer, .fn = fn, .arg = arg};
    c->until_ms = remote_now_ms(r) + REMOTE_CALL_MS;
    c->request.len = protobuf_c_message_pack(request, (uint8_t *)buf_reserve(&c->request, n));
    dispatch(c);
}

void remote_ask(struct remote *r, remote_done fn, void *arg)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;

    rq.key = pb_bytes(STR(REMOTE_COMPACT_KEY));
    rq.count_only = true;
    remote_call(r, "/etcdserverpb.KV/Range", &rq.base, &etcdserverpb__range_response__descriptor,
                fn, arg);
}

int remote_error(struct err *err, enum grpc_status status, struct str text)
{
    int code = ERR_IO;

    if (status == GRPC_CANCELLED)
        text = STR("the connection was given up, since it did not answer");
    if (status == GRPC_UNAVAILABLE || status == GRPC_CANCELLED)
        code = ERR_UNAVAILABLE;
    else if (status == GRPC_DEADLINE_EXCEEDED)
        code = ERR_TIMEOUT;
    return err_new(err, code, "etcd: %.*s", STR_ARG(text));
}
