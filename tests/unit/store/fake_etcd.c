/* fake_etcd.c - see fake_etcd.h. */
#include "fake_etcd.h"
#include "base/buf.h"
#include "net/grpc_server.h"
#include "net/http.h"
#include "store/etcd.pb-c.h"
#include "test.h"
#include <unistd.h>

struct fake_watch {
    struct fake_etcd *f;
    struct grpc_server_call *call;
    int64_t next; /* 0: is shown nothing */
};

static struct str fake_dup(struct str s)
{
    return (struct str){xmemdupz(s.p, s.len), s.len};
}

static struct str fake_str(ProtobufCBinaryData b)
{
    return (struct str){(const char *)b.data, b.len};
}

static ProtobufCBinaryData fake_bytes(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.p};
}

static struct fake_change *fake_find(struct fake_etcd *f, struct str key)
{
    for (size_t i = f->changes.n; i > 0; i--)
        if (f->changes.v[i - 1].newest && str_eq(f->changes.v[i - 1].key, key))
            return &f->changes.v[i - 1];
    return NULL;
}

void fake_change(struct fake_etcd *f, struct str key, struct str value, bool deleted,
                 int64_t revision)
{
    struct fake_change *was = fake_find(f, key);
    struct fake_change c = {fake_dup(key), fake_dup(value), revision, revision, 1,
                            deleted,       !deleted};

    if (was) {
        c.create = was->create;
        c.version = was->version + 1;
        was->newest = false;
    }
    vec_push(&f->changes, c);
}

static Etcdserverpb__ResponseHeader *fake_header(struct fake_etcd *f, struct arena *a)
{
    Etcdserverpb__ResponseHeader *h = arena_new(a, Etcdserverpb__ResponseHeader);

    etcdserverpb__response_header__init(h);
    h->cluster_id = atomic_load(&f->cluster_id);
    h->revision = atomic_load(&f->revision);
    return h;
}

static Mvccpb__KeyValue *fake_kv(const struct fake_change *c, struct arena *a)
{
    Mvccpb__KeyValue *kv = arena_new(a, Mvccpb__KeyValue);

    mvccpb__key_value__init(kv);
    kv->key = fake_bytes(c->key);
    kv->mod_revision = c->revision;
    if (c->deleted)
        return kv;
    kv->value = fake_bytes(c->value);
    kv->create_revision = c->create;
    kv->version = c->version;
    return kv;
}

static void fake_send(struct grpc_server_call *call, const ProtobufCMessage *m)
{
    auto_buf b = {0};

    b.len = protobuf_c_message_pack(
        m, (uint8_t *)buf_reserve(&b, protobuf_c_message_get_packed_size(m)));
    grpc_server_send(call, b.len ? buf_view(&b) : STR(""));
}

/* ---- watches ---- */

/* What @w has not seen, revision by revision, each in fragments. */
static void fake_feed(struct fake_watch *w)
{
    struct fake_etcd *f = w->f;
    unsigned split = atomic_load(&f->split);

    for (size_t i = 0, to; w->next > 0 && i < f->changes.n; i = to) {
        struct fake_change *c = f->changes.v;
        size_t end = i;

        while (end < f->changes.n && c[end].revision == c[i].revision)
            end++;
        to = end;
        if (c[i].revision < w->next)
            continue;
        for (size_t from = i; from < end;) {
            Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;
            auto_arena a = {0};
            size_t n = split ? MIN(split, end - from) : end - from;

            rs.header = fake_header(f, &a);
            rs.events = arena_calloc(&a, n, sizeof(*rs.events));
            for (size_t k = 0; k < n; k++) {
                rs.events[k] = arena_new(&a, Mvccpb__Event);
                mvccpb__event__init(rs.events[k]);
                rs.events[k]->type = c[from + k].deleted ? MVCCPB__EVENT__EVENT_TYPE__DELETE
                                                         : MVCCPB__EVENT__EVENT_TYPE__PUT;
                rs.events[k]->kv = fake_kv(&c[from + k], &a);
            }
            rs.n_events = n;
            from += n;
            rs.fragment = from < end;
            fake_send(w->call, &rs.base);
        }
        w->next = c[i].revision + 1;
    }
}

static void fake_feed_all(struct fake_etcd *f)
{
    for (size_t i = 0; i < f->watches.n; i++)
        fake_feed(f->watches.v[i]);
}

static void fake_on_watch(void *arg, struct grpc_server_call *call, struct str message)
{
    struct fake_watch *w = arg;
    Etcdserverpb__WatchRequest *rq =
        etcdserverpb__watch_request__unpack(NULL, message.len, (const uint8_t *)message.p);
    Etcdserverpb__WatchResponse rs = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    auto_arena a = {0};

    rs.created = true;
    rs.header = fake_header(w->f, &a);
    fake_send(call, &rs.base);
    w->next = rq->create_request->start_revision;
    etcdserverpb__watch_request__free_unpacked(rq, NULL);
    atomic_fetch_add(&w->f->n_watches, 1);
    if (atomic_load(&w->f->hidden) > 0) {
        atomic_fetch_sub(&w->f->hidden, 1);
        w->next = 0;
    }
    fake_feed(w);
}

static void fake_watch_closed(void *arg, struct grpc_server_call *call)
{
    struct fake_watch *w = arg;

    (void)call;
    for (size_t i = 0; i < w->f->watches.n; i++) {
        if (w->f->watches.v[i] == w) {
            vec_remove(&w->f->watches, i);
            break;
        }
    }
    free(w);
}

static void fake_watch_start(void *service, struct grpc_server_call *call)
{
    struct fake_watch *w = xnew(struct fake_watch);
    struct grpc_call_handlers h = {
        .on_message = fake_on_watch, .on_closed = fake_watch_closed, .arg = w};

    w->f = service;
    w->call = call;
    vec_push(&w->f->watches, w);
    grpc_server_call_on(call, &h);
}

/* ---- unary calls ---- */

static int fake_by_key(const void *va, const void *vb)
{
    const struct fake_change *const *a = va, *const *b = vb;

    return str_cmp((*a)->key, (*b)->key);
}

static Etcdserverpb__RangeResponse *
fake_range(struct fake_etcd *f, const Etcdserverpb__RangeRequest *rq, struct arena *a)
{
    Etcdserverpb__RangeResponse *rs = arena_new(a, Etcdserverpb__RangeResponse);
    struct fake_change **found = arena_calloc(a, f->changes.n + 1, sizeof(struct fake_change *));
    struct str from = fake_str(rq->key), end = fake_str(rq->range_end);
    size_t n = 0, bytes = 0;

    etcdserverpb__range_response__init(rs);
    for (size_t i = 0; i < f->changes.n; i++) {
        struct fake_change *c = &f->changes.v[i];

        if (c->newest && (end.len ? str_cmp(c->key, from) >= 0 && str_cmp(c->key, end) < 0
                                  : str_eq(c->key, from)))
            found[n++] = c;
    }
    qsort(found, n, sizeof(found[0]), fake_by_key);
    rs->header = fake_header(f, a);
    rs->count = (int64_t)n;
    if (rq->count_only)
        return rs;
    rs->more = rq->limit > 0 && n > (size_t)rq->limit;
    rs->n_kvs = rs->more ? (size_t)rq->limit : n;
    rs->kvs = arena_calloc(a, rs->n_kvs + 1, sizeof(*rs->kvs));
    for (size_t i = 0; i < rs->n_kvs; i++) {
        rs->kvs[i] = fake_kv(found[i], a);
        bytes += found[i]->value.len;
    }
    if (bytes > atomic_load(&f->page_max))
        atomic_store(&f->page_max, bytes);
    return rs;
}

static void fake_on_range(void *arg, struct grpc_server_call *call, struct str message)
{
    Etcdserverpb__RangeRequest *rq =
        etcdserverpb__range_request__unpack(NULL, message.len, (const uint8_t *)message.p);
    auto_arena a = {0};

    atomic_fetch_add(&((struct fake_etcd *)arg)->n_ranges, 1);
    fake_send(call, &fake_range(arg, rq, &a)->base);
    grpc_server_call_end(call, GRPC_OK, "%s", "");
    etcdserverpb__range_request__free_unpacked(rq, NULL);
}

static bool fake_holds(struct fake_etcd *f, const Etcdserverpb__Compare *c)
{
    struct fake_change *now = fake_find(f, fake_str(c->key));
    int64_t revision = now ? now->revision : 0;

    return c->result == ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER
               ? revision > c->mod_revision
               : revision == c->mod_revision;
}

/* Runs one operation; puts and deletions happen at @revision. */
static Etcdserverpb__ResponseOp *fake_op(struct fake_etcd *f, Etcdserverpb__RequestOp *op,
                                         int64_t revision, struct arena *a)
{
    Etcdserverpb__ResponseOp *rs = arena_new(a, Etcdserverpb__ResponseOp);

    etcdserverpb__response_op__init(rs);
    if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
        fake_change(f, fake_str(op->request_put->key), fake_str(op->request_put->value), false,
                    revision);
        atomic_store(&f->revision, revision);
        rs->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        rs->response_put = arena_new(a, Etcdserverpb__PutResponse);
        etcdserverpb__put_response__init(rs->response_put);
    } else {
        assert_int_equal(op->request_case, ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE);
        rs->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
        rs->response_range = fake_range(f, op->request_range, a);
    }
    return rs;
}

static bool fake_lease_is_lost(struct fake_etcd *f, const Etcdserverpb__TxnRequest *rq)
{
    for (size_t i = 0; i < rq->n_success; i++) {
        Etcdserverpb__RequestOp *op = rq->success[i];

        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT &&
            op->request_put->lease && atomic_load(&f->leases_lost) > 0) {
            atomic_fetch_sub(&f->leases_lost, 1);
            return true;
        }
    }
    return false;
}

static void fake_on_txn(void *arg, struct grpc_server_call *call, struct str message)
{
    struct fake_etcd *f = arg;
    Etcdserverpb__TxnRequest *rq =
        etcdserverpb__txn_request__unpack(NULL, message.len, (const uint8_t *)message.p);
    Etcdserverpb__TxnResponse rs = ETCDSERVERPB__TXN_RESPONSE__INIT;
    int64_t revision = atomic_load(&f->revision) + 1;
    Etcdserverpb__RequestOp **ops;
    auto_arena a = {0};

    atomic_fetch_add(&f->n_txns, 1);
    if (fake_lease_is_lost(f, rq)) {
        grpc_server_call_end(call, GRPC_NOT_FOUND, "etcdserver: requested lease not found");
        etcdserverpb__txn_request__free_unpacked(rq, NULL);
        return;
    }
    rs.succeeded = true;
    for (size_t i = 0; i < rq->n_compare; i++)
        rs.succeeded = rs.succeeded && fake_holds(f, rq->compare[i]);
    ops = rs.succeeded ? rq->success : rq->failure;
    rs.n_responses = rs.succeeded ? rq->n_success : rq->n_failure;
    rs.responses = arena_calloc(&a, rs.n_responses + 1, sizeof(*rs.responses));
    for (size_t i = 0; i < rs.n_responses; i++)
        rs.responses[i] = fake_op(f, ops[i], revision, &a);
    rs.header = fake_header(f, &a);
    fake_send(call, &rs.base);
    grpc_server_call_end(call, GRPC_OK, "%s", "");
    etcdserverpb__txn_request__free_unpacked(rq, NULL);
    fake_feed_all(f);
}

static void fake_on_grant(void *arg, struct grpc_server_call *call, struct str message)
{
    struct fake_etcd *f = arg;
    Etcdserverpb__LeaseGrantResponse rs = ETCDSERVERPB__LEASE_GRANT_RESPONSE__INIT;
    auto_arena a = {0};

    (void)message;
    atomic_fetch_add(&f->n_grants, 1);
    rs.header = fake_header(f, &a);
    rs.id = ++f->leases;
    fake_send(call, &rs.base);
    grpc_server_call_end(call, GRPC_OK, "%s", "");
}

static void fake_closed(void *arg, struct grpc_server_call *call)
{
    (void)arg;
    (void)call;
}

#define FAKE_UNARY(name, handler)                                                                  \
    static void name(void *service, struct grpc_server_call *call)                                 \
    {                                                                                              \
        struct grpc_call_handlers h = {                                                            \
            .on_message = (handler), .on_closed = fake_closed, .arg = service};                    \
                                                                                                   \
        grpc_server_call_on(call, &h);                                                             \
    }
FAKE_UNARY(fake_range_start, fake_on_range)
FAKE_UNARY(fake_txn_start, fake_on_txn)
FAKE_UNARY(fake_grant_start, fake_on_grant)

/* ---- its life ---- */

static void fake_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    grpc_server_request(((struct fake_etcd *)arg)->server, x, rq);
}

static bool fake_streams(void *arg, const struct http_request *rq)
{
    (void)arg;
    return grpc_server_is_call(rq);
}

static void fake_main(void *arg)
{
    struct fake_etcd *f = arg;

    loop_hold(f->loop, true);
    loop_run(f->loop);
}

static void fake_stop(void *arg)
{
    loop_stop(((struct fake_etcd *)arg)->loop);
}

void fake_etcd_init(struct fake_etcd *f, uint64_t cluster_id, int64_t revision)
{
    static const struct grpc_method methods[] = {
        {"/etcdserverpb.KV/Range", fake_range_start},
        {"/etcdserverpb.KV/Txn", fake_txn_start},
        {"/etcdserverpb.Lease/LeaseGrant", fake_grant_start},
        {"/etcdserverpb.Watch/Watch", fake_watch_start}};
    struct http_server_opts opts = {
        .address = "127.0.0.1",
        .handler = {.on_request = fake_request, .arg = f, .wants_stream = fake_streams}};
    struct err err = {0};

    *f = (struct fake_etcd){0};
    atomic_init(&f->cluster_id, cluster_id);
    atomic_init(&f->revision, revision);
    f->loop = loop_new("fake");
    f->server = grpc_server_new(methods, ARRAY_LEN(methods), f, 4 << 20);
    assert_ok(http_server_new(f->loop, &opts, &f->http, &err), &err);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", http_server_port(f->http));
}

void fake_etcd_start(struct fake_etcd *f)
{
    f->thread = thread_start("fake", fake_main, f);
}

void fake_etcd_stop(struct fake_etcd *f)
{
    loop_post(f->loop, fake_stop, f);
    f->thread = thread_join(f->thread);
    f->server = grpc_server_free(f->server);
    http_server_close(f->http, 0, NULL, NULL);
    loop_hold(f->loop, false);
    loop_run(f->loop);
    f->loop = loop_free(f->loop);
    for (size_t i = 0; i < f->changes.n; i++) {
        free((char *)(uintptr_t)f->changes.v[i].key.p);
        free((char *)(uintptr_t)f->changes.v[i].value.p);
    }
    vec_deinit(&f->changes);
    vec_deinit(&f->watches);
}

struct fake_write { /* of others: configmaps in "n" at one revision */
    struct fake_etcd *f;
    const char *const *names;
    const char *value;
    size_t n;
    atomic_bool done;
};

static void fake_write_run(void *arg)
{
    struct fake_write *w = arg;
    int64_t revision = atomic_load(&w->f->revision) + 1;

    for (size_t i = 0; i < w->n; i++) {
        auto_arena a = {0};

        fake_change(w->f, str_printf(&a, "/registry/configmaps/n/%s", w->names[i]),
                    str_printf(&a,
                               "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{"
                               "\"name\":\"%s\",\"namespace\":\"n\",\"labels\":{\"v\":\"%s\"}}}",
                               w->names[i], w->value),
                    false, revision);
    }
    atomic_store(&w->f->revision, revision);
    fake_feed_all(w->f);
    atomic_store(&w->done, true);
}

void fake_put(struct fake_etcd *f, const char *const *names, size_t n, const char *value)
{
    struct fake_write w = {.f = f, .names = names, .n = n, .value = value};

    loop_post(f->loop, fake_write_run, &w);
    while (!atomic_load(&w.done))
        (void)usleep(1000);
}
