/* The server over sockets: what lives through a restart, what ends by itself, watches, limits. */
#include "etcd_calls.h"
#include <malloc.h>

static void grant(struct fixture *f, int64_t id, int64_t ttl_sec)
{
    Etcdserverpb__LeaseGrantRequest rq = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;

    rq.id = id;
    rq.ttl = ttl_sec;
    drop(call(f, "/etcdserverpb.Lease/LeaseGrant", &rq,
              &etcdserverpb__lease_grant_response__descriptor));
}

static Etcdserverpb__LeaseTimeToLiveResponse *time_to_live(struct fixture *f, int64_t id)
{
    Etcdserverpb__LeaseTimeToLiveRequest rq = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;

    rq.id = id;
    rq.keys = true;
    return call(f, "/etcdserverpb.Lease/LeaseTimeToLive", &rq,
                &etcdserverpb__lease_time_to_live_response__descriptor);
}

static void test_leases_and_identity_live_through_a_restart(void **state)
{
    struct fixture f;
    Etcdserverpb__LeaseTimeToLiveResponse *before, *after;

    (void)state;
    setup(&f, true, (struct etcd_config){0});
    grant(&f, 7, 1000);
    (void)put(&f, "with", "1", 7);
    (void)put(&f, "moved", "1", 7);
    (void)put(&f, "moved", "2", 0); /* has the lease no more */
    before = time_to_live(&f, 7);
    wait_ms(&f, 1100);
    ours_close(&f.ours);
    ours_open(&f.ours, (struct etcd_config){0});
    after = time_to_live(&f, 7);
    assert_int_equal(after->grantedttl, 1000);
    assert_in_range(after->ttl, 999, 1000); /* all of it again */
    assert_int_equal(after->n_keys, 1);
    assert_memory_equal(after->keys[0].data, "with", 4);
    assert_true(before->header->cluster_id == after->header->cluster_id);
    assert_true(before->header->member_id == after->header->member_id);
    assert_int_equal(before->header->raft_term, 2);
    assert_int_equal(after->header->raft_term, 3);
    assert_int_equal(after->header->revision, 4);
    drop(before);
    drop(after);
    teardown(&f);
}

static void test_a_lease_ends_and_takes_its_keys(void **state)
{
    struct fixture f;
    Etcdserverpb__LeaseTimeToLiveResponse *rs;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    grant(&f, 1, 1); /* of which the server makes the least it gives: 2 s */
    (void)put(&f, "short", "1", 1);
    (void)put(&f, "stays", "1", 0);
    assert_int_equal(count(&f, "short"), 1);
    while (count(&f, "short"))
        wait_ms(&f, 20);
    assert_int_equal(count(&f, "stays"), 1);
    rs = time_to_live(&f, 1);
    assert_int_equal(rs->ttl, -1);
    assert_int_equal(rs->header->revision, 4); /* put, put, the deletion */
    drop(rs);
    teardown(&f);
}

static void test_requests_have_limits(void **state)
{
    struct fixture f;
    char big[4001] = {0}, key[513] = {0};
    Etcdserverpb__PutRequest rq;

    (void)state;
    setup(&f, false, (struct etcd_config){.request_max_bytes = 3000});
    memset(big, 'v', sizeof(big) - 1);
    memset(key, 'k', 512);
    rq = put_of("k", big, 0);
    check_refused(&f, "/etcdserverpb.KV/Put", &rq, GRPC_INVALID_ARGUMENT,
                  "etcdserver: request is too large");
    rq = put_of(key, "v", 0);
    check_refused(&f, "/etcdserverpb.KV/Put", &rq, GRPC_INVALID_ARGUMENT,
                  "etcdserver: a key has 1 to 511 bytes, not 512");
    check_refused(&f, "/etcdserverpb.KV/Nothing", &rq, GRPC_UNIMPLEMENTED,
                  "unknown method Nothing for service etcdserverpb.KV");
    assert_int_equal(put(&f, key + 1, "v", 0), 2);
    teardown(&f);
}

static uint64_t alarm_of(struct fixture *f, Etcdserverpb__AlarmRequest__AlarmAction action)
{
    Etcdserverpb__AlarmRequest rq = ETCDSERVERPB__ALARM_REQUEST__INIT;
    Etcdserverpb__AlarmResponse *rs;
    uint64_t n;

    rq.action = action;
    rs = call(f, "/etcdserverpb.Maintenance/Alarm", &rq, &etcdserverpb__alarm_response__descriptor);
    n = rs->n_alarms;
    drop(rs);
    return n;
}

static void test_a_full_store_raises_an_alarm_and_takes_deletions(void **state)
{
    static const char no_space[] = "etcdserver: mvcc: database space exceeded";
    struct fixture f;
    Etcdserverpb__DeleteRangeRequest del = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    Etcdserverpb__PutRequest rq;
    auto_buf big = {0};

    (void)state;
    for (int i = 0; i < 200000; i++)
        buf_putc(&big, 'v');
    setup(&f, false, (struct etcd_config){.quota_bytes = 150000});
    assert_int_equal(put(&f, "a", "1", 0), 2);
    rq = put_of("big", buf_cstr(&big), 0);
    check_refused(&f, "/etcdserverpb.KV/Put", &rq, GRPC_RESOURCE_EXHAUSTED, no_space);
    while (!alarm_of(&f, ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET))
        ;
    rq = put_of("small", "1", 0);
    check_refused(&f, "/etcdserverpb.KV/Put", &rq, GRPC_RESOURCE_EXHAUSTED, no_space);
    del.key = bytes_of("a");
    drop(call(&f, "/etcdserverpb.KV/DeleteRange", &del,
              &etcdserverpb__delete_range_response__descriptor));
    assert_int_equal(alarm_of(&f, ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE), 1);
    assert_int_equal(alarm_of(&f, ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET), 0);
    assert_int_equal(put(&f, "small", "1", 0), 4);
    teardown(&f);
}

static void test_history_is_compacted_by_its_age(void **state)
{
    struct fixture f;
    Etcdserverpb__CompactionRequest rq = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    struct store_stats s;

    (void)state;
    setup(&f, false, (struct etcd_config){.compact_keep_ms = 100});
    for (int i = 0; i < 5; i++)
        (void)put(&f, "a", "1", 0);
    do { /* what is older than 100 ms goes */
        wait_ms(&f, 10);
        store_stats(f.ours.store, &s);
    } while (s.compacted < 6);
    rq.revision = 6;
    check_refused(&f, "/etcdserverpb.KV/Compact", &rq, GRPC_OUT_OF_RANGE,
                  "etcdserver: mvcc: required revision has been compacted");
    teardown(&f);
}

/* ---- watches ---- */

enum { WATCH_MAX_MS = 20000 };
struct watching {
    struct fixture *f;
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
    buf_printf(&w->seen, "%lld%s%s%s@%lld", (long long)rs->watch_id, rs->created ? "+" : "",
               rs->canceled ? "-" : "", rs->fragment ? "/" : "", (long long)rs->header->revision);
    if (rs->canceled && rs->compact_revision)
        buf_printf(&w->seen, "<%lld", (long long)rs->compact_revision);
    if (*rs->cancel_reason)
        buf_printf(&w->seen, "(%s)", rs->cancel_reason);
    for (size_t i = 0; i < rs->n_events; i++)
        buf_printf(&w->seen, ",%.*s%s", (int)rs->events[i]->kv->key.len,
                   (char *)rs->events[i]->kv->key.data, rs->events[i]->prev_kv ? "'" : "");
    buf_putc(&w->seen, ' ');
    etcdserverpb__watch_response__free_unpacked(rs, NULL);
    loop_stop(w->f->loop);
}

static void watch_done(void *arg, enum grpc_status status, struct str text)
{
    struct watching *w = arg;

    (void)status;
    (void)text;
    w->done = true;
    loop_stop(w->f->loop);
}

static void watch_start(struct watching *w, struct fixture *f)
{
    struct grpc_call_opts opts = {.method = "/etcdserverpb.Watch/Watch",
                                  .client_streams = true,
                                  .on_message = watch_message,
                                  .on_done = watch_done,
                                  .arg = w};

    *w = (struct watching){.f = f};
    w->call = grpc_call_start(f->ours.client, &opts);
}

static void watch_send(struct watching *w, Etcdserverpb__WatchRequest__RequestUnionCase kind,
                       void *part)
{
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    auto_buf b = {0};

    rq.request_union_case = kind;
    rq.create_request = part;
    grpc_call_send(w->call, pack(&rq, &b));
}

static void watch_create(struct watching *w, const char *key, int64_t from, bool progress,
                         bool fragment)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;

    c.key = bytes_of(key);
    c.range_end = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) ""};
    c.start_revision = from;
    c.progress_notify = progress;
    c.fragment = fragment;
    watch_send(w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
}

/* Of @key alone. */
static void watch_create_one(struct watching *w, const char *key)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;

    c.key = bytes_of(key);
    watch_send(w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
}

/* Waits until @n bytes have been seen; what is missing does not come for ever. */
static void watch_wait(struct watching *w, size_t n)
{
    struct timer t;

    timer_init(&t, w->f->loop, on_tick);
    timer_start(&t, WATCH_MAX_MS, 0);
    while (w->seen.len < n && timer_active(&t))
        loop_run(w->f->loop);
    timer_stop(&t);
}

/* Waits until what was seen begins so. */
static void watch_sees(struct watching *w, const char *want)
{
    size_t n = strlen(want);

    watch_wait(w, n);
    if (!str_eq(str_sub(buf_view(&w->seen), 0, n), str_from(want)))
        fail_msg("saw %.*s, not %s", STR_ARG(buf_view(&w->seen)), want);
}

static void watch_end(struct watching *w)
{
    grpc_call_cancel(w->call);
    wait_for(w->f->loop, &w->done);
    buf_deinit(&w->seen);
}

static void test_watches_of_a_stream(void **state)
{
    Etcdserverpb__WatchCancelRequest cancel = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;
    Etcdserverpb__WatchProgressRequest progress = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;
    struct fixture f;
    struct watching w;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    (void)put(&f, "a", "1", 0);
    (void)put(&f, "b", "1", 0);
    watch_start(&w, &f);
    watch_create(&w, "a", 2, false, false);
    watch_sees(&w, "0+@3 0@3,a,b ");
    watch_create(&w, "b", 0, false, false);
    watch_sees(&w, "0+@3 0@3,a,b 1+@3 ");
    cancel.watch_id = 0;
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST, &cancel);
    watch_sees(&w, "0+@3 0@3,a,b 1+@3 0-@3 ");
    (void)put(&f, "a", "2", 0);
    (void)put(&f, "c", "1", 0);
    watch_sees(&w, "0+@3 0@3,a,b 1+@3 0-@3 1@5,c ");
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST, &progress);
    watch_sees(&w, "0+@3 0@3,a,b 1+@3 0-@3 1@5,c -1@5 ");
    watch_end(&w);
    teardown(&f);
}

static void compact(struct fixture *f, int64_t revision)
{
    Etcdserverpb__CompactionRequest rq = ETCDSERVERPB__COMPACTION_REQUEST__INIT;

    rq.revision = revision;
    drop(call(f, "/etcdserverpb.KV/Compact", &rq, &etcdserverpb__compaction_response__descriptor));
}

/* The second watch is made while what the first one wants is being looked for. */
static void test_a_watch_of_forgotten_history_takes_no_events_from_others(void **state)
{
    struct fixture f;
    struct watching w;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    for (int i = 0; i < 5; i++)
        (void)put(&f, "a", "1", 0);
    compact(&f, 4);
    watch_start(&w, &f);
    watch_create(&w, "a", 2, false, false);
    watch_create(&w, "a", 5, false, false);
    watch_wait(&w, strlen("0+@6 1+@6 0-@0<4 1@6,a,a "));
    assert_true(str_find(buf_view(&w.seen), STR(" 0-@0<4 ")) > 0);
    assert_true(str_find(buf_view(&w.seen), STR(" 1@6,a,a ")) > 0);
    watch_end(&w);
    teardown(&f);
}

/* As with etcd: who has nothing more to ask may still want to hear. */
static void test_a_watch_goes_on_after_its_peers_last_request(void **state)
{
    struct fixture f;
    struct watching w;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    watch_start(&w, &f);
    watch_create(&w, "a", 0, false, false);
    grpc_call_half_close(w.call);
    watch_sees(&w, "0+@1 ");
    (void)put(&f, "a", "1", 0);
    (void)put(&f, "a", "2", 0);
    watch_sees(&w, "0+@1 0@2,a 0@3,a ");
    assert_false(w.done);
    watch_end(&w);
    teardown(&f);
}

static void test_watches_that_cannot_be(void **state)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    struct fixture f;
    struct watching w;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    watch_start(&w, &f);
    watch_create(&w, "a", -1, false, false);
    c.key = bytes_of("b");
    c.range_end = bytes_of("a");
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
    c.range_end.len = 0;
    c.watch_id = 7;
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
    watch_sees(&w, "-1+-@1(etcdserver: mvcc: required revision has been compacted) "
                   "-1+-@1(mvcc: watcher range is empty) 7+@1 "
                   "-1+-@1(mvcc: duplicate watch ID provided on the WatchStream) ");
    watch_end(&w);
    teardown(&f);
}

/* What keys were before counts for how much is read at once. */
static void test_previous_values_are_read_in_pieces(void **state)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__DeleteRangeRequest del = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    struct fixture f;
    struct watching w;
    auto_buf big = {0};

    (void)state;
    for (int i = 0; i < 400000; i++)
        buf_putc(&big, 'v');
    setup(&f, false, (struct etcd_config){0});
    for (char key[] = "a"; *key < 'e'; ++*key)
        (void)put(&f, key, buf_cstr(&big), 0);
    for (char key[] = "a"; *key < 'e'; ++*key) {
        del.key = bytes_of(key);
        drop(call(&f, "/etcdserverpb.KV/DeleteRange", &del,
                  &etcdserverpb__delete_range_response__descriptor));
    }
    c.key = bytes_of("a");
    c.range_end = bytes_of("z");
    c.start_revision = 6;
    c.prev_kv = true;
    watch_start(&w, &f);
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
    watch_sees(&w, "0+@9 0@8,a',b',c' 0@9,d' ");
    watch_end(&w);
    teardown(&f);
}

/* The second watch is made while the first one's history is being read, without such values. */
static void test_previous_values_are_there_for_who_comes_late(void **state)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    struct fixture f;
    struct watching w;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    (void)put(&f, "a", "1", 0);
    (void)put(&f, "a", "2", 0);
    watch_start(&w, &f);
    watch_create(&w, "a", 2, false, false);
    c.key = bytes_of("a");
    c.start_revision = 2;
    c.prev_kv = true;
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST, &c);
    watch_sees(&w, "0+@3 1+@3 0@3,a,a 1@3,a,a' ");
    watch_end(&w);
    teardown(&f);
}

static void test_progress_is_told_to_quiet_watches(void **state)
{
    struct fixture f;
    struct watching w;

    (void)state;
    setup(&f, false, (struct etcd_config){.progress_ms = 20});
    watch_start(&w, &f);
    watch_create(&w, "a", 0, true, false);
    watch_sees(&w, "0+@1 0@1 0@1 ");
    watch_end(&w);
    teardown(&f);
}

static void test_large_answers_come_in_fragments(void **state)
{
    struct fixture f;
    struct watching w;
    auto_buf big = {0};

    (void)state;
    for (int i = 0; i < 300000; i++)
        buf_putc(&big, 'v');
    setup(&f, false, (struct etcd_config){.request_max_bytes = 400000});
    for (int i = 0; i < 4; i++) /* read at once, since they are history */
        (void)put(&f, "a", buf_cstr(&big), 0);
    watch_start(&w, &f);
    watch_create(&w, "a", 2, false, true);
    watch_sees(&w, "0+@5 0/@5,a,a,a 0@5,a ");
    watch_end(&w);
    teardown(&f);
}

static void test_ten_thousand_watches_of_a_stream(void **state)
{
    enum { N = 10000, EACH_MAX = 512 };
    Etcdserverpb__WatchCancelRequest cancel = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;
    struct fixture f;
    struct watching w;
    struct mallinfo2 before, after;
    auto_buf want = {0};
    char key[40];

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    watch_start(&w, &f);
    watch_create(&w, "all", 0, false, false);
    watch_sees(&w, "0+@1 ");
    buf_reset(&w.seen);
    before = mallinfo2();
    for (int i = 1; i <= N; i++) {
        (void)snprintf(key, sizeof(key), "/registry/pods/default/%06d", i);
        watch_create_one(&w, key);
        buf_printf(&want, "%d+@1 ", i);
        if (i % 100 == 0)
            watch_sees(&w, buf_cstr(&want));
    }
    buf_deinit(&w.seen);
    buf_deinit(&want);
    after = mallinfo2(); /* of sanitizers' builds: zeros */
    if (getenv("TEST_VERBOSE"))
        print_message("%zu bytes a watch\n", (after.uordblks - before.uordblks) / N);
    assert_true(after.uordblks - before.uordblks < (size_t)N * EACH_MAX ||
                after.uordblks < before.uordblks);
    /* Each event goes to its own watch; those that are cancelled get none. */
    cancel.watch_id = 7777;
    watch_send(&w, ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST, &cancel);
    watch_sees(&w, "7777-@1 ");
    (void)put(&f, "/registry/pods/default/007777", "v", 0);
    (void)put(&f, "/registry/pods/default/000003", "v", 0);
    (void)put(&f, "/registry/pods/default/010000", "v", 0);
    watch_sees(&w, "7777-@1 3@3,/registry/pods/default/000003 "
                   "10000@4,/registry/pods/default/010000 ");
    watch_end(&w);
    teardown(&f);
}

/* Clients of gRPC try again what is unavailable, and nothing else. */
static void test_a_server_that_stops_is_unavailable(void **state)
{
    struct fixture f;
    Etcdserverpb__PutRequest rq = put_of("a", "1", 0);
    struct rpc rpc;

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    (void)put(&f, "a", "1", 0);
    ours_stop(&f.ours); /* its connections are still there */
    (void)rpc_call(&rpc, f.loop, f.ours.client, "/etcdserverpb.KV/Put", &rq, NULL);
    assert_int_equal(rpc.status, GRPC_UNAVAILABLE);
    teardown(&f);
}

static void test_few_snapshots_are_made_at_once(void **state)
{
    enum { N = 6, AT_ONCE = 4 };
    struct fixture f;
    struct rpc rpc[N];

    (void)state;
    setup(&f, false, (struct etcd_config){0});
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++)
            rpc_start(&rpc[i], f.loop, f.ours.client, "/etcdserverpb.Maintenance/Snapshot",
                      STR_NULL);
        for (int i = 0; i < N; i++) {
            bool ok = i < AT_ONCE;

            wait_for(f.loop, &rpc[i].done);
            assert_string_equal(rpc[i].text, ok ? "" : "etcdserver: too many requests");
            assert_int_equal(rpc[i].status, ok ? GRPC_OK : GRPC_RESOURCE_EXHAUSTED);
            buf_deinit(&rpc[i].answer);
        }
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leases_and_identity_live_through_a_restart),
        cmocka_unit_test(test_a_lease_ends_and_takes_its_keys),
        cmocka_unit_test(test_requests_have_limits),
        cmocka_unit_test(test_a_full_store_raises_an_alarm_and_takes_deletions),
        cmocka_unit_test(test_history_is_compacted_by_its_age),
        cmocka_unit_test(test_watches_of_a_stream),
        cmocka_unit_test(test_a_watch_of_forgotten_history_takes_no_events_from_others),
        cmocka_unit_test(test_a_watch_goes_on_after_its_peers_last_request),
        cmocka_unit_test(test_watches_that_cannot_be),
        cmocka_unit_test(test_previous_values_are_read_in_pieces),
        cmocka_unit_test(test_previous_values_are_there_for_who_comes_late),
        cmocka_unit_test(test_progress_is_told_to_quiet_watches),
        cmocka_unit_test(test_large_answers_come_in_fragments),
        cmocka_unit_test(test_a_server_that_stops_is_unavailable),
        cmocka_unit_test(test_few_snapshots_are_made_at_once),
        cmocka_unit_test(test_ten_thousand_watches_of_a_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
