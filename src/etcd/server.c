/* server.c - start and stop, the table of methods, calls with one request and one answer. */
#include "base/random.h"
#include "etcd/etcd_internal.h"

#define NOTE_ID "etcd/id/"
enum {
    QUOTA_BYTES_GIB = 2,
    REQUEST_MAX_BYTES = 3 << 19, /* 1.5 MiB */
    TXN_OPS_MAX = 128,
    PROGRESS_MS = 600000,
};

/* ---- what calls share ---- */

void etcd_busy(struct etcd *e)
{
    e->busy++;
}

void etcd_idle(struct etcd *e)
{
    assert(e->busy > 0);
    if (--e->busy || !e->stopping)
        return;
    e->on_stopped(e->stopped_arg);
}

Etcdserverpb__ResponseHeader *etcd_header(const struct etcd *e, struct arena *a, int64_t revision)
{
    Etcdserverpb__ResponseHeader *h =
        pb_new(a, Etcdserverpb__ResponseHeader, etcdserverpb__response_header__init);

    h->cluster_id = e->id.cluster;
    h->member_id = e->id.member;
    h->raft_term = e->id.term;
    h->revision = revision;
    return h;
}

void etcd_send(struct grpc_server_call *gc, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    char small[512];
    auto_buf b = {0};
    char *p;

    if (!grpc_server_may_send(gc, n))
        return;
    p = n <= sizeof(small) ? small : buf_reserve(&b, n);
    (void)protobuf_c_message_pack(m, (uint8_t *)p);
    grpc_server_send(gc, (struct str){p, n});
}

static void end_refused(struct grpc_server_call *gc, enum etcd_refusal why)
{
    grpc_server_call_end(gc, etcd_refusal_status(why), "%s", etcd_refusal_text(why));
}

void etcd_end(struct grpc_server_call *gc, int code, const struct err *err)
{
    switch (code) {
    case 0:
        grpc_server_call_end(gc, GRPC_OK, "%s", "");
        break;
    case ERR_EXPIRED:
        end_refused(gc, REFUSE_COMPACTED);
        break;
    case ERR_TIMEOUT:
        end_refused(gc, REFUSE_FUTURE_REV);
        break;
    case ERR_TOO_MANY:
        end_refused(gc, REFUSE_TOO_MANY_REQUESTS);
        break;
    case ERR_UNAVAILABLE:
        end_refused(gc, REFUSE_STOPPED);
        break;
    case ERR_TOO_LARGE:
    case ERR_BAD_REQUEST:
        grpc_server_call_end(gc, GRPC_INVALID_ARGUMENT, "etcdserver: %s", err->msg);
        break;
    case ERR_IO: /* nothing was written: it may be tried again */
        grpc_server_call_end(gc, GRPC_UNAVAILABLE, "etcdserver: %s", err->msg);
        break;
    default:
        grpc_server_call_end(gc, GRPC_INTERNAL, "etcdserver: %s", err->msg);
        break;
    }
}

int call_refuse(struct call *c, enum etcd_refusal why)
{
    c->refusal = why;
    return why ? ERR_BAD_REQUEST : 0;
}

static void call_free_if_over(struct call *c)
{
    if (c->gc || c->running || c->held)
        return;
    arena_deinit(&c->arena);
    free(c);
}

struct any_response { /* every answer begins so */
    ProtobufCMessage base;
    Etcdserverpb__ResponseHeader *header;
};

void call_answer(struct call *c)
{
    struct any_response *rs = (struct any_response *)(void *)c->rs;

    if (c->held) {
        c->held = false;
        etcd_idle(c->e);
    }
    if (c->gc) {
        rs->header->cluster_id = c->e->id.cluster;
        rs->header->member_id = c->e->id.member;
        rs->header->raft_term = c->e->id.term;
        etcd_send(c->gc, c->rs);
        grpc_server_call_end(c->gc, GRPC_OK, "%s", "");
    }
    call_free_if_over(c);
}

/* ---- the alarm that a refused write raises ---- */

struct raise {
    struct raw_txn txn;
    struct etcd *e;
};

static int raise_run(struct raw *raw, void *arg, struct err *err)
{
    const struct raise *r = arg;

    return alarm_raise(r->e, raw, err);
}

static void raise_done(struct raw_txn *txn) /* a failure: the next refusal tries again */
{
    struct raise *r = txn->arg;

    etcd_idle(r->e);
    free(r);
}

static void raise_post(struct etcd *e)
{
    struct raise *r = xnew(struct raise);

    r->e = e;
    r->txn =
        (struct raw_txn){.run = raise_run, .loop = e->config.loop, .on_done = raise_done, .arg = r};
    etcd_busy(e);
    raw_commit(e->config.store, &r->txn);
}

/* ---- unary calls ---- */

static void call_finish(struct call *c)
{
    if (c->unary->done)
        c->unary->done(c);
    if (c->held)
        etcd_busy(c->e);
    else
        call_answer(c);
}

static void call_fail(struct call *c, int code, const struct err *err)
{
    if (c->refusal == REFUSE_NO_SPACE && c->number)
        raise_post(c->e);
    if (c->gc && c->refusal)
        end_refused(c->gc, c->refusal);
    else if (c->gc)
        etcd_end(c->gc, code, err);
    call_free_if_over(c);
}

static int call_run(struct raw *raw, void *arg, struct err *err)
{
    struct call *c = arg;

    return c->unary->run(raw, c, err);
}

static void call_done(struct raw_txn *txn)
{
    struct call *c = txn->arg;
    struct etcd *e = c->e;

    c->running = false;
    if (txn->code)
        call_fail(c, txn->code, txn->err);
    else
        call_finish(c);
    etcd_idle(e);
}

static void *alloc_in_arena(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void free_in_arena(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static int call_decode(struct call *c, struct str message)
{
    const struct etcd_config *config = &c->e->config;
    ProtobufCAllocator in_arena = {alloc_in_arena, free_in_arena, &c->arena};

    if (c->unary->writes && message.len > config->request_max_bytes)
        return call_refuse(c, REFUSE_REQUEST_TOO_LARGE);
    if (c->unary == &unary_txn && !txn_depth_ok(message, config->txn_ops_max + 1))
        return call_refuse(c, REFUSE_TOO_MANY_OPS);
    c->rq = protobuf_c_message_unpack(c->unary->request, &in_arena, message.len,
                                      (const uint8_t *)message.p);
    if (!c->rq) {
        grpc_server_call_end(c->gc, GRPC_INTERNAL,
                             "grpc: failed to unmarshal the received message");
        return ERR_PARSE;
    }
    c->txn.bytes = c->unary == &unary_range ? 0 : message.len;
    return c->unary->check ? c->unary->check(c) : 0;
}

static void call_on_message(void *arg, struct grpc_server_call *gc, struct str message)
{
    struct call *c = arg;
    int r;

    if (c->rq) {
        grpc_server_call_end(gc, GRPC_INTERNAL, "grpc: one message expected");
        return;
    }
    c->e->calls++;
    r = call_decode(c, message);
    if (r < 0) {
        if (c->refusal)
            end_refused(gc, c->refusal);
        return;
    }
    if (!c->unary->run) {
        call_finish(c);
        return;
    }
    c->running = true;
    c->txn.run = call_run;
    c->txn.loop = c->e->config.loop;
    c->txn.on_done = call_done;
    c->txn.arg = c;
    etcd_busy(c->e);
    raw_commit(c->e->config.store, &c->txn);
}

static void call_on_half_close(void *arg, struct grpc_server_call *gc)
{
    if (!((struct call *)arg)->rq)
        grpc_server_call_end(gc, GRPC_INTERNAL, "grpc: a message expected");
}

static void call_on_closed(void *arg, struct grpc_server_call *gc)
{
    struct call *c = arg;

    (void)gc;
    c->gc = NULL;
    call_free_if_over(c);
}

static void call_begin(void *service, struct grpc_server_call *gc, const struct unary *u)
{
    struct call *c = xnew(struct call);
    struct grpc_call_handlers h = {.on_message = call_on_message,
                                   .on_half_close = call_on_half_close,
                                   .on_closed = call_on_closed,
                                   .arg = c};

    c->e = service;
    c->gc = gc;
    c->unary = u;
    grpc_server_call_on(gc, &h);
}

/* ---- the methods ---- */

#define UNARIES(X)                                                                                 \
    X(KV, Range, range)                                                                            \
    X(KV, Put, put)                                                                                \
    X(KV, DeleteRange, delete)                                                                     \
    X(KV, Txn, txn)                                                                                \
    X(KV, Compact, compact)                                                                        \
    X(Lease, LeaseGrant, lease_grant)                                                              \
    X(Lease, LeaseRevoke, lease_revoke)                                                            \
    X(Lease, LeaseTimeToLive, lease_ttl)                                                           \
    X(Lease, LeaseLeases, lease_list)                                                              \
    X(Cluster, MemberList, member_list)                                                            \
    X(Cluster, MemberAdd, member_add)                                                              \
    X(Cluster, MemberRemove, member_remove)                                                        \
    X(Cluster, MemberUpdate, member_update)                                                        \
    X(Cluster, MemberPromote, member_promote)                                                      \
    X(Maintenance, Alarm, alarm)                                                                   \
    X(Maintenance, Status, status)                                                                 \
    X(Maintenance, Defragment, defragment)                                                         \
    X(Maintenance, Hash, hash)                                                                     \
    X(Maintenance, HashKV, hash_kv)                                                                \
    X(Maintenance, MoveLeader, move_leader)                                                        \
    X(Maintenance, Downgrade, downgrade)                                                           \
    X(Auth, AuthStatus, auth_status)                                                               \
    X(Auth, AuthEnable, auth_enable)                                                               \
    X(Auth, AuthDisable, auth_disable)                                                             \
    X(Auth, Authenticate, authenticate)

#define X(service, method, name)                                                                   \
    static void name##_begin(void *e, struct grpc_server_call *gc)                                 \
    {                                                                                              \
        call_begin(e, gc, &unary_##name);                                                          \
    }
UNARIES(X)
#undef X

static const struct grpc_method methods[] = {
#define X(service, method, name) {"/etcdserverpb." #service "/" #method, name##_begin},
    UNARIES(X)
#undef X
        {"/etcdserverpb.Watch/Watch", watch_start},
    {"/etcdserverpb.Lease/LeaseKeepAlive", lease_keep_alive},
    {"/etcdserverpb.Maintenance/Snapshot", snapshot_start},
    {"/grpc.health.v1.Health/Check", health_check},
    {"/grpc.health.v1.Health/Watch", health_watch},
};

/* ---- start ---- */

struct start {
    struct raw_txn txn;
    struct etcd *e;
    struct etcd_identity fresh; /* for a store that has none */
};

static int read_id(void *arg, struct str name, struct str value)
{
    struct etcd_identity *id = arg;
    uint64_t v;

    if (!str_to_u64(value, &v))
        return 0;
    if (str_eqz(name, NOTE_ID "cluster"))
        id->cluster = v;
    else if (str_eqz(name, NOTE_ID "member"))
        id->member = v;
    else if (str_eqz(name, NOTE_ID "term"))
        id->term = v;
    return 0;
}

static int write_id(struct raw *raw, const char *name, uint64_t v, struct err *err)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

    return raw_note(raw, str_from(name), (struct str){text, (size_t)n}, err);
}

static int read_lease(void *arg, struct str name, struct str value)
{
    struct etcd *e = arg;
    struct lease l = {0};

    if (lease_note_read(name, value, &l.id, &l.ttl_sec))
        vec_push(&e->loaded, l);
    return 0;
}

static int read_key(void *arg, const struct raw_kv *kv)
{
    struct etcd *e = arg;

    if (kv->lease)
        attached_add(e->attached, kv->lease, kv->key);
    return 0;
}

static int start_run(struct raw *raw, void *arg, struct err *err)
{
    struct start *s = arg;
    struct etcd_identity id = s->fresh;
    struct etcd *e = s->e;
    int r = raw_notes(raw, STR(NOTE_ID), read_id, &id, err);

    id.term++; /* an election: at each start */
    if (r == 0)
        r = raw_notes(raw, STR(NOTE_LEASE), read_lease, e, err);
    if (r == 0)
        r = raw_range(raw, STR(""), STR_NULL, 0, read_key, e, err);
    if (r == 0)
        r = write_id(raw, NOTE_ID "cluster", id.cluster, err);
    if (r == 0)
        r = write_id(raw, NOTE_ID "member", id.member, err);
    if (r == 0)
        r = write_id(raw, NOTE_ID "term", id.term, err);
    if (r == 0)
        e->id = id;
    return r;
}

static void start_done(struct raw_txn *txn)
{
    struct start *s = txn->arg;
    struct etcd *e = s->e;

    for (size_t i = 0; i < e->loaded.n && txn->code == 0; i++)
        lease_add(e, e->loaded.v[i].id, e->loaded.v[i].ttl_sec);
    vec_deinit(&e->loaded);
    if (txn->code == 0 && !e->stopping)
        etcd_compaction_start(e);
    e->on_ready(e->ready_arg, txn->code ? txn->err : NULL);
    free(s);
    etcd_idle(e);
}

static void start(struct etcd *e)
{
    struct start *s = xnew(struct start);
    struct random *random = loop_random(e->config.loop);

    *s = (struct start){.e = e, .fresh = {random_u64(random), random_u64(random), 1}};
    s->txn =
        (struct raw_txn){.run = start_run, .loop = e->config.loop, .on_done = start_done, .arg = s};
    etcd_busy(e);
    raw_commit(e->config.store, &s->txn);
}

static const char *const *copy_list(struct arena *a, const char *const *list, size_t n)
{
    const char **copy = arena_calloc(a, n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, list[i]);
    return copy;
}

struct etcd *etcd_new(const struct etcd_config *config,
                      void (*on_ready)(void *arg, const struct err *err), void *arg)
{
    struct etcd *e = xnew(struct etcd);
    struct etcd_config *c = &e->config;

    *c = *config;
    c->name = arena_strdup(&e->arena, c->name ? c->name : "default");
    c->client_urls = copy_list(&e->arena, c->client_urls, c->n_client_urls);
    c->peer_urls = copy_list(&e->arena, c->peer_urls, c->n_peer_urls);
    if (!c->quota_bytes)
        c->quota_bytes = (uint64_t)QUOTA_BYTES_GIB << 30;
    if (!c->request_max_bytes)
        c->request_max_bytes = REQUEST_MAX_BYTES;
    if (!c->txn_ops_max)
        c->txn_ops_max = TXN_OPS_MAX;
    if (!c->progress_ms)
        c->progress_ms = PROGRESS_MS;
    e->on_ready = on_ready;
    e->ready_arg = arg;
    e->began_ms = loop_now_ms(c->loop);
    e->attached = attached_new();
    e->feed = feed_new(e);
    e->grpc = grpc_server_new(methods, ARRAY_LEN(methods), e,
                              c->request_max_bytes + ETCD_REQUEST_OVERHEAD);
    start(e);
    return e;
}

/* ---- HTTP ---- */

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct etcd *e = arg;

    if (e->grpc && grpc_server_is_call(rq))
        grpc_server_request(e->grpc, x, rq);
    else
        etcd_http(e, x, rq);
}

static bool wants_stream(void *arg, const struct http_request *rq)
{
    return ((struct etcd *)arg)->grpc && grpc_server_is_call(rq);
}

struct http_handler etcd_handler(struct etcd *e)
{
    return (struct http_handler){.on_request = on_request, .arg = e, .wants_stream = wants_stream};
}

static void on_metrics_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    etcd_http(arg, x, rq);
}

struct http_handler etcd_metrics_handler(struct etcd *e)
{
    return (struct http_handler){.on_request = on_metrics_request, .arg = e};
}

/* ---- stop ---- */

void etcd_stop(struct etcd *e, void (*on_stopped)(void *arg), void *arg)
{
    e->on_stopped = on_stopped;
    e->stopped_arg = arg;
    etcd_busy(e);
    timer_stop(&e->compact_timer);
    lease_stop(e);
    e->grpc = grpc_server_free(e->grpc);
    feed_stop(e->feed);
    e->stopping = true;
    etcd_idle(e);
}

struct etcd *etcd_free(struct etcd *e)
{
    if (!e)
        return NULL;
    assert(e->stopping && e->busy == 0);
    e->feed = feed_free(e->feed);
    e->attached = attached_free(e->attached);
    vec_deinit(&e->leases);
    vec_deinit(&e->loaded);
    vec_deinit(&e->samples);
    arena_deinit(&e->arena);
    free(e);
    return NULL;
}
