/* etcd_calls.h - our server alone with its client, and calls that tests make often. */
#pragma once
#include "etcd_fixture.h"

struct fixture {
    struct loop *loop;
    struct ours ours;
};

static inline void setup(struct fixture *f, bool lmdb, struct etcd_config config)
{
    *f = (struct fixture){.loop = loop_new("etcd")};
    loop_hold(f->loop, true);
    f->ours.loop = f->loop;
    place_init(&f->ours.place, lmdb);
    ours_open(&f->ours, config);
}

static inline void teardown(struct fixture *f)
{
    ours_close(&f->ours);
    loop_hold(f->loop, false);
    loop_run(f->loop);
    f->loop = loop_free(f->loop);
    place_deinit(&f->ours.place);
}

/* Calls; fails the test if that does. */
static inline void *call(struct fixture *f, const char *method, const void *request,
                         const ProtobufCMessageDescriptor *type)
{
    struct rpc rpc;
    void *m = rpc_call(&rpc, f->loop, f->ours.client, method, request, type);

    assert_string_equal(rpc.text, "");
    assert_int_equal(rpc.status, GRPC_OK);
    return m;
}

static inline void check_refused(struct fixture *f, const char *method, const void *request,
                                 enum grpc_status status, const char *text)
{
    struct rpc rpc;

    (void)rpc_call(&rpc, f->loop, f->ours.client, method, request, NULL);
    assert_string_equal(rpc.text, text);
    assert_int_equal(rpc.status, status);
}

static inline void drop(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static inline Etcdserverpb__PutRequest put_of(const char *key, const char *value, int64_t lease)
{
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;

    rq.key = bytes_of(key);
    rq.value = bytes_of(value);
    rq.lease = lease;
    return rq;
}

static inline int64_t put(struct fixture *f, const char *key, const char *value, int64_t lease)
{
    Etcdserverpb__PutRequest rq = put_of(key, value, lease);
    Etcdserverpb__PutResponse *rs =
        call(f, "/etcdserverpb.KV/Put", &rq, &etcdserverpb__put_response__descriptor);
    int64_t revision = rs->header->revision;

    drop(rs);
    return revision;
}

static inline int64_t count(struct fixture *f, const char *key)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RangeResponse *rs;
    int64_t n;

    rq.key = bytes_of(key);
    rs = call(f, "/etcdserverpb.KV/Range", &rq, &etcdserverpb__range_response__descriptor);
    n = rs->count;
    drop(rs);
    return n;
}

static inline void on_tick(struct timer *t)
{
    loop_stop(t->loop);
}

static inline void wait_ms(struct fixture *f, uint64_t ms)
{
    struct timer t;

    timer_init(&t, f->loop, on_tick);
    timer_start(&t, ms, 0);
    while (timer_active(&t))
        loop_run(f->loop);
}
