/* Odd requests, one by one, to Debian's etcd and to ours: codes and texts are the same, and what
 * streams of watches say. Skipped, and counted as such, where no etcd is installed. */
#include "../store/etcd_proc.h"
#include "etcd_calls.h"

struct sides {
    struct fixture f; /* ours */
    struct etcd_proc theirs;
    struct grpc_client *client[2]; /* ours, theirs */
};

static void sides_open(struct sides *s)
{
    struct timer tick;
    struct rpc rpc = {.status = GRPC_UNAVAILABLE};

    setup(&s->f, true, (struct etcd_config){0});
    etcd_proc_start(&s->theirs);
    s->client[0] = s->f.ours.client;
    s->client[1] = grpc_client_new(s->f.loop, s->theirs.client_url + strlen("http://"), 64 << 20);
    timer_init(&tick, s->f.loop, on_tick);
    for (int i = 0; i < 600 && rpc.status != GRPC_OK; i++) {
        Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;

        rq.key = bytes_of("x");
        timer_start(&tick, 50, 0);
        loop_run(s->f.loop);
        (void)rpc_call(&rpc, s->f.loop, s->client[1], "/etcdserverpb.KV/Range", &rq, NULL);
    }
    assert_int_equal(rpc.status, GRPC_OK);
}

static void sides_close(struct sides *s)
{
    s->client[1] = grpc_client_free(s->client[1]);
    etcd_proc_stop(&s->theirs);
    teardown(&s->f);
}

/* Both say the same of @request: a code and, if it is refused, a text. Answers of gRPC's own
 * services are the same, too. */
static void same(struct sides *s, const char *method, struct str request)
{
    struct rpc rpc[2];

    for (int i = 0; i < 2; i++) {
        rpc_start(&rpc[i], s->f.loop, s->client[i], method, request);
        wait_for(s->f.loop, &rpc[i].done);
    }
    if (str_has_prefix(str_from(method), STR("/grpc.")))
        assert_true(str_eq(buf_view(&rpc[0].answer), buf_view(&rpc[1].answer)));
    buf_deinit(&rpc[0].answer);
    buf_deinit(&rpc[1].answer);
    if (rpc[0].status != rpc[1].status || strcmp(rpc[0].text, rpc[1].text) != 0)
        fail_msg("%s of %zu bytes: ours %d %s, theirs %d %s", method, request.len, rpc[0].status,
                 rpc[0].text, rpc[1].status, rpc[1].text);
}

#define MINUS_1 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"

static const struct {
    const char *method;
    struct str request;
} odd_requests[] = {
    {"KV/Put", STR_INIT("")},
    {"KV/Put", STR_INIT("\x0a\x01q\x30\x01")},           /* ignore_value of a new key */
    {"KV/Put", STR_INIT("\x0a\x01q\x38\x01")},           /* ignore_lease of a new key */
    {"KV/Put", STR_INIT("\x0a\x01q\x12\x01v\x30\x01")},  /* ignore_value, and a value */
    {"KV/Put", STR_INIT("\x0a\x01q\x18\x01\x38\x01")},   /* ignore_lease, and a lease */
    {"KV/Put", STR_INIT("\x0a\x01q\x18\x63\x30\x01")},   /* new key, and no such lease */
    {"KV/Put", STR_INIT("\x0a\x01q\x18\x63")},           /* no such lease */
    {"KV/Put", STR_INIT("\x0a\x01k\x12\x01v\x72\x01x")}, /* a field of later versions */
    {"KV/Put", STR_INIT("\x0a\x01k\x12\x01v")},
    {"KV/Put", STR_INIT("\x0a\x01k\x12\x01w")},
    {"KV/Range", STR_INIT("")},
    {"KV/Range", STR_INIT("\x0a\x01k\x18" MINUS_1)}, /* limit */
    {"KV/Range", STR_INIT("\x0a\x01k\x20\x63")},     /* in the future */
    {"KV/Range", STR_INIT("\x0a\x01k\x20" MINUS_1)},
    {"KV/Range", STR_INIT("\x0a\x01m\x12\x01k\x20\x63")}, /* empty, in the future */
    {"KV/DeleteRange", STR_INIT("")},
    {"KV/Compact", STR_INIT("\x08" MINUS_1)},
    {"KV/Compact", STR_INIT("\x08\x63")},
    {"KV/Compact", STR_INIT("\x08\x03\x10\x01")},
    {"KV/Compact", STR_INIT("\x08\x03")},
    {"KV/Compact", STR_INIT("")},
    {"KV/Range", STR_INIT("\x0a\x01k\x20\x02")}, /* compacted */
    {"KV/Range", STR_INIT("\x0a\x01m\x12\x01k\x20\x02")},
    {"KV/Txn", STR_INIT("")},
    {"KV/Txn", STR_INIT("\x0a\x00")},                          /* a comparison of no key */
    {"KV/Txn", STR_INIT("\x12\x00")},                          /* an empty operation */
    {"KV/Txn", STR_INIT("\x1a\x00")},                          /* the same, never done */
    {"KV/Txn", STR_INIT("\x12\x02\x0a\x00")},                  /* a range of no key */
    {"KV/Txn", STR_INIT("\x12\x02\x12\x00")},                  /* a put of no key */
    {"KV/Txn", STR_INIT("\x12\x02\x1a\x00")},                  /* a deletion of no key */
    {"KV/Txn", STR_INIT("\x12\x02\x22\x00")},                  /* a transaction of nothing */
    {"KV/Txn", STR_INIT("\x12\x07\x0a\x05\x0a\x01k\x20\x63")}, /* a range in the future */
    {"KV/Txn", STR_INIT("\x12\x07\x0a\x05\x0a\x01k\x20\x02")}, /* a compacted one */
    {"KV/Txn", STR_INIT("\x1a\x07\x0a\x05\x0a\x01k\x20\x63")}, /* not done */
    {"KV/Txn", STR_INIT("\x12\x07\x12\x05\x0a\x01q\x18\x63")}, /* no such lease */
    {"KV/Txn", STR_INIT("\x12\x09\x12\x07\x0a\x01q\x18\x63\x30\x01")}, /* nor such a key */
    {"Lease/LeaseGrant", STR_INIT("\x08\x00\x10\x05")},
    {"Lease/LeaseGrant", STR_INIT("\x08\x05\x10\x05")}, /* is there */
    {"Lease/LeaseGrant", STR_INIT("\x08" MINUS_1 "\x10\x06")},
    {"Lease/LeaseGrant", STR_INIT("\x08\x05\x10" MINUS_1)},
    {"Lease/LeaseGrant", STR_INIT("\x08\x81\xb4\xc4\xc3\x21\x10\x07")}, /* 9000000001 s */
    {"Lease/LeaseGrant", STR_INIT("\x08\x80\xb4\xc4\xc3\x21\x10\x07")}, /* 9000000000 s */
    {"Lease/LeaseRevoke", STR_INIT("")},
    {"Lease/LeaseRevoke", STR_INIT("\x08\x63")},
    {"Lease/LeaseTimeToLive", STR_INIT("")},
    {"Lease/LeaseTimeToLive", STR_INIT("\x08\x63\x10\x01")},
    {"Maintenance/HashKV", STR_INIT("\x08\x63")},
    {"Maintenance/HashKV", STR_INIT("\x08\x02")},
    {"Maintenance/MoveLeader", STR_INIT("\x08\x63")},
    {"Cluster/MemberRemove", STR_INIT("\x08\x63")},
    {"Cluster/MemberPromote", STR_INIT("\x08\x63")},
    {"Auth/AuthEnable", STR_INIT("")},
    {"Auth/AuthDisable", STR_INIT("")},
    {"Auth/Authenticate", STR_INIT("")},
    {"KV/Nothing", STR_INIT("")},
    {"Nothing/Range", STR_INIT("")},
    {"/grpc.health.v1.Health/Check", STR_INIT("")},
    {"/grpc.health.v1.Health/Check", STR_INIT("\x0a\x01k")},
};

static void test_refusals_are_those_of_etcd(void **state)
{
    struct sides s;
    char *large = xcalloc(1, 3 << 20);

    (void)state;
    if (!etcd_installed()) {
        free(large);
        skip();
    }
    sides_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(odd_requests); i++) {
        char method[64];

        (void)snprintf(method, sizeof(method), "%s%s",
                       *odd_requests[i].method == '/' ? "" : "/etcdserverpb.",
                       odd_requests[i].method);
        same(&s, method, odd_requests[i].request);
    }
    memcpy(large, "\x0a\x01q\x12\x80\x80\x68", 7); /* a value of 1.625 MiB */
    same(&s, "/etcdserverpb.KV/Put", (struct str){large, 7 + (0x68 << 14)});
    same(&s, "/etcdserverpb.KV/Put", (struct str){large, 3 << 20});
    sides_close(&s);
    free(large);
}

/* ---- watches ---- */

struct watching {
    struct sides *s;
    struct grpc_call *call;
    struct buf seen;
    bool done;
};

static void watch_message(void *arg, struct str message)
{
    struct watching *w = arg;
    Etcdserverpb__WatchResponse *rs =
        etcdserverpb__watch_response__unpack(NULL, message.len, (const uint8_t *)message.p);

    assert_non_null(rs);
    buf_printf(&w->seen, "%lld%s%s<%lld(%s)", (long long)rs->watch_id, rs->created ? "+" : "",
               rs->canceled ? "-" : "", (long long)rs->compact_revision, rs->cancel_reason);
    for (size_t i = 0; i < rs->n_events; i++)
        buf_printf(&w->seen, ",%.*s@%lld", (int)rs->events[i]->kv->key.len,
                   (char *)rs->events[i]->kv->key.data, (long long)rs->events[i]->kv->mod_revision);
    buf_putc(&w->seen, ' ');
    etcdserverpb__watch_response__free_unpacked(rs, NULL);
    loop_stop(w->s->f.loop);
}

static void watch_done(void *arg, enum grpc_status status, struct str text)
{
    struct watching *w = arg;

    (void)status;
    (void)text;
    w->done = true;
    loop_stop(w->s->f.loop);
}

static void watch_start(struct watching w[2], struct sides *s)
{
    for (int i = 0; i < 2; i++) {
        struct grpc_call_opts opts = {.method = "/etcdserverpb.Watch/Watch",
                                      .client_streams = true,
                                      .on_message = watch_message,
                                      .on_done = watch_done,
                                      .arg = &w[i]};

        w[i] = (struct watching){.s = s};
        w[i].call = grpc_call_start(s->client[i], &opts);
    }
}

static void watch_asks(struct watching w[2], struct str request)
{
    for (int i = 0; i < 2; i++) {
        buf_reset(&w[i].seen);
        if (request.p)
            grpc_call_send(w[i].call, request);
    }
}

/* Waits until both have said as much as @want since they were last asked. */
static void watch_heard(struct watching w[2], const char *want)
{
    for (int i = 0; i < 2; i++) {
        while (w[i].seen.len < strlen(want) && !w[i].done)
            loop_run(w[i].s->f.loop);
        if (!str_eq(buf_view(&w[i].seen), str_from(want)))
            fail_msg("%s: \"%.*s\", not \"%s\"%s", i ? "theirs" : "ours",
                     STR_ARG(buf_view(&w[i].seen)), want, w[i].done ? "; has ended" : "");
    }
}

/* Sends the packed @request to both, and waits as watch_heard(). */
static void watch_says(struct watching w[2], struct str request, const char *want)
{
    watch_asks(w, request);
    watch_heard(w, want);
}

static void watch_end(struct watching w[2])
{
    for (int i = 0; i < 2; i++) {
        if (!w[i].done)
            grpc_call_cancel(w[i].call);
        wait_for(w[i].s->f.loop, &w[i].done);
        buf_deinit(&w[i].seen);
    }
}

static void put_both(struct sides *s, const char *key)
{
    Etcdserverpb__PutRequest rq = put_of(key, "v", 0);
    auto_buf b = {0};

    same(s, "/etcdserverpb.KV/Put", pack(&rq, &b));
}

static void test_streams_of_watches_are_those_of_etcd(void **state)
{
    struct sides s;
    struct watching w[2];

    (void)state;
    if (!etcd_installed())
        skip();
    sides_open(&s);
    for (int i = 0; i < 4; i++)
        put_both(&s, "k"); /* revisions 2 to 5 */
    same(&s, "/etcdserverpb.KV/Compact", STR("\x08\x04\x10\x01"));
    watch_start(w, &s);
    watch_says(w, STR("\x0a\x05\x0a\x01k\x38\x01"), "1+<0() "); /* an id of its own */
    watch_says(w, STR("\x0a\x05\x0a\x01m\x38\x01"),
               "-1+-<0(mvcc: duplicate watch ID provided on the WatchStream) ");
    watch_says(w, STR("\x0a\x06\x0a\x01m\x12\x01k"), "-1+-<0(mvcc: watcher range is empty) ");
    watch_says(w, STR("\x0a\x06\x0a\x01m\x12\x01m"), "-1+-<0(mvcc: watcher range is empty) ");
    watch_says(w, STR("\x0a\x03\x0a\x01m"), "0+<0() ");
    watch_says(w, STR("\x0a\x03\x0a\x01p"), "2+<0() ");                /* 1 is taken */
    watch_says(w, STR("\x0a\x05\x0a\x01k\x18\x02"), "3+<0() 3-<4() "); /* forgotten */
    watch_says(w, STR("\x0a\x05\x0a\x01k\x18\x05"), "4+<0() 4<0(),k@5 ");
    watch_says(w, STR("\x0a\x05\x0a\x01p\x18\x08"), "5+<0() "); /* in the future */
    watch_asks(w, STR("\x12\x02\x08\x63"));                     /* there is none: no answer */
    watch_says(w, STR("\x12\x02\x08\x04"), "4-<0() ");
    watch_asks(w, STR("\x12\x02\x08\x04"));
    watch_says(w, STR("\x12\x02\x08\x00"), "0-<0() ");
    watch_says(w, STR("\x0a\x07\x0a\x01k\x38\x00\x2a\x00"), "6+<0() "); /* no filters */
    watch_says(w, STR("\x1a\x00"), "-1<0() ");                          /* progress */
    watch_asks(w, STR_NULL);
    put_both(&s, "p");
    watch_heard(w, "2<0(),p@6 ");
    watch_asks(w, STR_NULL);
    put_both(&s, "p");
    watch_heard(w, "2<0(),p@7 ");
    watch_end(w);
    sides_close(&s);
}

static void test_a_half_closed_watch_is_that_of_etcd(void **state)
{
    struct sides s;
    struct watching w[2];

    (void)state;
    if (!etcd_installed())
        skip();
    sides_open(&s);
    watch_start(w, &s);
    watch_says(w, STR("\x0a\x03\x0a\x01k"), "0+<0() ");
    watch_asks(w, STR_NULL);
    for (int i = 0; i < 2; i++)
        grpc_call_half_close(w[i].call);
    put_both(&s, "k");
    watch_heard(w, "0<0(),k@2 ");
    watch_end(w);
    sides_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_are_those_of_etcd),
        cmocka_unit_test(test_streams_of_watches_are_those_of_etcd),
        cmocka_unit_test(test_a_half_closed_watch_is_that_of_etcd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
