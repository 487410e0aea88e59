/* Tests of the store's promises, one client at a time. */
#include "conformance.h"
#include "store/store_internal.h"

static void on_both(void (*test)(struct fixture *f))
{
    for (int lmdb = 0; lmdb < 2; lmdb++) {
        struct fixture f;

        fixture_init(&f, lmdb, NULL);
        test(&f);
        fixture_deinit(&f);
    }
}

static void on_disk(void (*test)(struct fixture *f))
{
    struct fixture f;

    fixture_init(&f, true, NULL);
    test(&f);
    fixture_deinit(&f);
}

static void test_expectations_are_checked(void **state)
{
    (void)state;
    on_both(expectations);
}

static void test_cursor_inside_a_revision(void **state)
{
    (void)state;
    on_both(inside_a_revision);
}

static void test_several_operations_happen_together_or_not(void **state)
{
    (void)state;
    on_both(several_ops);
}

static void test_reopen_finds_everything(void **state)
{
    (void)state;
    on_disk(reopens);
}

static void test_cursor_sees_each_event_once_in_order(void **state)
{
    (void)state;
    on_both(watches);
}

static void test_cursor_of_a_quiet_resource_follows_the_store(void **state)
{
    (void)state;
    on_both(quiet_resource);
}

static void test_cursor_that_falls_off_expires(void **state)
{
    struct fixture f;
    struct store_opts opts = {.journal_max = 8};
    struct cache *c;
    struct watch_cursor slow, fast, w;
    struct event ev;
    struct snapshot *s;
    struct err err = {0};

    (void)state;
    fixture_init(&f, false, &opts);
    c = store_cache(f.st, CONFIGMAPS);
    assert_ok(watch_open(c, 1, &slow, &err), &err);
    assert_ok(watch_open(c, 1, &fast, &err), &err);
    put(f.st, f.loop, "a", "1");
    assert_int_equal(watch_next(c, &slow, &ev, &err), 1);
    for (int i = 0; i < 20; i++) {
        put(f.st, f.loop, "a", "2");
        assert_int_equal(watch_next(c, &fast, &ev, &err), 1);
        assert_int_equal(ev.revision, 2 + i);
    }
    assert_int_equal(watch_next(c, &slow, &ev, &err), ERR_EXPIRED);
    assert_non_null(strstr(err.msg, "too old resource version: 2 ("));
    assert_int_equal(watch_open(c, 5, &w, &err), ERR_EXPIRED);
    assert_int_equal(cache_snapshot_at(c, 5, &s, &err), ERR_EXPIRED);
    assert_ok(watch_open(c, 21, &w, &err), &err);
    assert_int_equal(watch_next(c, &w, &ev, &err), 1);
    assert_int_equal(ev.revision, 22);
    watch_close(&w);
    watch_close(&slow);
    watch_close(&fast);
    fixture_deinit(&f);
}

static size_t journal_bytes(struct cache *c)
{
    struct journal_view *v = journal_view_get(&c->journal);
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++)
        for (uint32_t k = 0; k < journal_chunk_n(v->chunks[i]); k++)
            n += v->chunks[i]->events[k].event.object->json.len;
    (void)journal_view_unref(v);
    return n;
}

/* Few large objects that change quickly do not fill the memory; who keeps up misses nothing. */
static void test_journal_is_bounded_in_bytes(void **state)
{
    enum { VALUE = 10000, LIMIT = 64 * VALUE, WRITES = 400 };
    struct store_opts opts = {.history_bytes = 2 * LIMIT};
    char *value = xcalloc(1, VALUE + 1);
    struct watch_cursor slow, fast;
    struct err err = {0};
    struct fixture f;
    struct event ev;
    struct cache *c;

    (void)state;
    memset(value, 'x', VALUE);
    fixture_init(&f, false, &opts);
    c = store_cache(f.st, CONFIGMAPS);
    assert_ok(watch_open(c, 1, &slow, &err), &err);
    assert_ok(watch_open(c, 1, &fast, &err), &err);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(put(f.st, f.loop, "a", value), 2 + i);
        assert_int_equal(watch_next(c, &fast, &ev, &err), 1);
        assert_int_equal(ev.revision, 2 + i);
        assert_int_equal(watch_next(c, &fast, &ev, &err), 0);
    }
    assert_in_range(journal_bytes(c), LIMIT / 2, LIMIT);
    assert_int_equal(watch_next(c, &slow, &ev, &err), ERR_EXPIRED);
    watch_close(&slow);
    watch_close(&fast);
    assert_ok(watch_open(c, 1 + WRITES - 30, &slow, &err), &err);
    for (int i = WRITES - 30; i < WRITES; i++) { /* through several chunks */
        assert_int_equal(watch_next(c, &slow, &ev, &err), 1);
        assert_int_equal(ev.revision, 2 + i);
    }
    assert_int_equal(watch_next(c, &slow, &ev, &err), 0);
    watch_close(&slow);
    fixture_deinit(&f);
    free(value);
}

static void test_snapshots_stay_as_they_were(void **state)
{
    (void)state;
    on_both(snapshots);
}

static void test_snapshot_at_equals_the_recorded_history(void **state)
{
    (void)state;
    on_both(recorded_history);
}

static void test_damaged_object_stops_open_by_name(void **state)
{
    struct place p;
    const struct resource *res[] = {CONFIGMAPS};
    struct store_opts opts = {0};
    struct store *st = NULL;
    struct err err = {0};

    (void)state;
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/registry/configmaps/n/bad", "{\"metadata\":");
    must_commit(p.e);
    opts.engine = p.e;
    p.e = NULL;
    assert_int_equal(store_open(&opts, res, 1, &st, &err), ERR_PARSE);
    assert_non_null(strstr(err.msg, "/registry/configmaps/n/bad"));
    place_deinit(&p);
}

static void test_lazy_writes_share_a_commit(void **state)
{
    struct fixture f;
    struct store_opts opts = {.lazy_max_ms = 3600000};
    struct store_stats s;

    (void)state;
    fixture_init(&f, true, &opts);
    for (int i = 0; i < 50; i++)
        assert_int_equal(put_lazy(f.st, f.loop, "beat", "1"), 2 + i);
    store_stats(f.st, &s);
    assert_int_equal(s.commits, 0);
    assert_int_equal(s.lazy_txns, 50);
    assert_int_equal(store_revision(f.st), 51);
    put(f.st, f.loop, "a", "1");
    store_stats(f.st, &s);
    assert_int_equal(s.commits, 1);
    assert_int_equal(s.txns, 51);
    assert_true(s.size_bytes > 0);
    fixture_deinit(&f);
}

static void test_lazy_writes_reach_the_disk_in_time(void **state)
{
    struct fixture f;
    struct store_opts opts = {.lazy_max_ms = 20};
    struct store_stats s = {0};
    struct object *o;

    (void)state;
    fixture_init(&f, true, &opts);
    put_lazy(f.st, f.loop, "beat", "1");
    for (int i = 0; i < 1000 && !s.commits; i++) {
        (void)usleep(5000);
        store_stats(f.st, &s);
    }
    assert_int_equal(s.commits, 1);
    f.st = store_close(f.st);
    fixture_open(&f, &opts);
    o = find(f.st, "beat");
    assert_int_equal(o->revision, 2);
    object_unref(o);
    fixture_deinit(&f);
}

static void test_too_many_waiting_lazy_writes_force_a_commit(void **state)
{
    struct fixture f;
    struct store_opts opts = {.lazy_max_ms = 3600000};
    struct store_stats s;

    (void)state;
    fixture_init(&f, false, &opts);
    for (int i = 0; i < 1100; i++)
        put_lazy(f.st, f.loop, "beat", "1");
    store_stats(f.st, &s);
    assert_int_equal(s.commits, 1);
    fixture_deinit(&f);
}

static void test_large_waiting_lazy_writes_force_a_commit(void **state)
{
    enum { VALUE = 1 << 20 };
    struct store_opts opts = {.lazy_max_ms = 3600000};
    char *value = xcalloc(1, VALUE + 1);
    struct store_stats s;
    struct fixture f;

    (void)state;
    memset(value, 'x', VALUE);
    fixture_init(&f, false, &opts);
    for (int i = 0; i < 9; i++) {
        put_lazy(f.st, f.loop, "beat", value);
        store_stats(f.st, &s);
        assert_int_equal(s.commits, i == 8); /* 8 MB wait before */
    }
    for (int i = 0; i < 5; i++)
        put_lazy(f.st, f.loop, "beat", value);
    store_stats(f.st, &s);
    assert_int_equal(s.commits, 1); /* none of them waits any more */
    fixture_deinit(&f);
    free(value);
}

static void test_key_that_no_engine_takes_is_refused_alone(void **state)
{
    struct fixture f;
    struct one o;
    char name[ENGINE_KEY_MAX + 10];

    (void)state;
    fixture_init(&f, true, NULL);
    memset(name, 'k', sizeof(name));
    one_init(&o, STORE_DELETE, CONFIGMAPS, "a", NULL, STORE_ANY);
    o.op.key = (struct str){name, sizeof(name)};
    assert_int_equal(one_run(&o, f.st, f.loop), ERR_TOO_LARGE);
    assert_int_equal(put(f.st, f.loop, "a", "1"), 2);
    fixture_deinit(&f);
}

static int resource_op(struct fixture *f, enum store_op_kind kind, const struct resource *res)
{
    struct one o;

    one_init(&o, STORE_CHECK, res, "", NULL, STORE_ANY);
    o.op.kind = kind;
    return one_run(&o, f->st, f->loop);
}

static void test_resources_come_and_go(void **state)
{
    const struct resource *pods = &res_core_pods;
    struct resource copies[300];
    struct fixture f;
    struct one o;
    struct object *got;

    (void)state;
    fixture_init(&f, true, NULL);
    assert_null(store_cache(f.st, pods));
    one_init(&o, STORE_DELETE, pods, "p", NULL, STORE_ANY);
    assert_int_equal(one_run(&o, f.st, f.loop), ERR_INTERNAL);
    assert_int_equal(put(f.st, f.loop, "a", "1"), 2);
    assert_int_equal(put_lazy(f.st, f.loop, "b", "1"), 3);
    assert_int_equal(resource_op(&f, STORE_DROP, CONFIGMAPS), 0);
    assert_null(store_cache(f.st, CONFIGMAPS));
    assert_int_equal(resource_op(&f, STORE_ADOPT, CONFIGMAPS), 0);
    assert_int_equal(resource_op(&f, STORE_ADOPT, CONFIGMAPS), 0);
    got = find(f.st, "a");
    assert_int_equal(got->revision, 2);
    object_unref(got);
    got = find(f.st, "b");
    assert_int_equal(got->revision, 3);
    object_unref(got);
    assert_int_equal(put(f.st, f.loop, "b", "2"), 4);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
            copies[i] = *pods;
            copies[i].storage = NULL;
            assert_int_equal(resource_op(&f, STORE_ADOPT, &copies[i]), 0);
        }
        for (size_t i = 0; i < ARRAY_LEN(copies); i++)
            assert_non_null(store_cache(f.st, &copies[i]));
        for (size_t i = 0; i < ARRAY_LEN(copies); i++)
            assert_int_equal(resource_op(&f, STORE_DROP, &copies[(i * 7) % ARRAY_LEN(copies)]), 0);
        for (size_t i = 0; i < ARRAY_LEN(copies); i++)
            assert_null(store_cache(f.st, &copies[i]));
    }
    assert_non_null(store_cache(f.st, CONFIGMAPS));
    assert_non_null(store_cache(f.st, SECRETS));
    fixture_deinit(&f);
}

static void test_too_many_waiting_transactions_are_refused(void **state)
{
    enum { N = 64 };
    struct fixture f;
    struct store_opts opts = {.txns_max = 1};
    struct one o[N];
    int refused = 0, done = 0;

    (void)state;
    fixture_init(&f, true, &opts);
    for (int i = 0; i < N; i++) {
        one_init(&o[i], STORE_PUT, CONFIGMAPS, "a", "1", STORE_ANY);
        o[i].txn.loop = f.loop;
        o[i].txn.arg = &o[i];
        o[i].txn.ops = &o[i].op;
        store_commit(f.st, &o[i].txn);
    }
    for (int i = 0; i < N; i++) {
        while (!o[i].done)
            loop_run(f.loop);
        refused += o[i].txn.code == ERR_TOO_MANY;
        done += o[i].txn.code == 0;
    }
    assert_int_equal(refused + done, N);
    assert_true(refused > 0 && done > 0);
    fixture_deinit(&f);
}

struct waker {
    struct store *st;
    struct loop *loop;
    struct watch_cursor w;
    int runs, events;
};

static void on_grown(void *arg)
{
    struct waker *k = arg;
    struct event ev;
    struct err err = {0};

    k->runs++;
    while (watch_next(store_cache(k->st, CONFIGMAPS), &k->w, &ev, &err) == 1)
        k->events++;
    loop_stop(k->loop);
}

static void test_subscription_wakes_once_for_many_events(void **state)
{
    struct fixture f;
    struct loop *watcher = loop_new("watcher");
    struct waker k = {.loop = watcher};
    struct subscription *s;
    struct err err = {0};

    (void)state;
    fixture_init(&f, false, NULL);
    k.st = f.st;
    loop_hold(watcher, true);
    assert_ok(watch_open(store_cache(f.st, CONFIGMAPS), 1, &k.w, &err), &err);
    s = cache_subscribe(store_cache(f.st, CONFIGMAPS), watcher, on_grown, &k);
    for (int i = 0; i < 10; i++)
        put(f.st, f.loop, "a", "1");
    loop_run(watcher);
    assert_int_equal(k.runs, 1);
    assert_int_equal(k.events, 10);
    put(f.st, f.loop, "a", "1");
    loop_run(watcher);
    assert_int_equal(k.runs, 2);
    assert_int_equal(k.events, 11);
    put(f.st, f.loop, "a", "1");
    s = subscription_free(s); /* its run is queued already */
    loop_stop(watcher);
    loop_run(watcher);
    assert_int_equal(k.runs, 2);
    watch_close(&k.w);
    fixture_deinit(&f);
    loop_free(watcher);
}

static void test_history_is_forgotten_after_a_while(void **state)
{
    struct fixture f;
    struct store_opts opts = {.history_ms = 50};
    struct store_stats s = {0};
    struct watch_cursor w, idle;
    struct event ev;
    struct err err = {0};
    int64_t last = 0;

    (void)state;
    fixture_init(&f, true, &opts);
    for (int i = 0; i < 300; i++)
        last = put(f.st, f.loop, "a", "1");
    assert_ok(watch_open(store_cache(f.st, CONFIGMAPS), last, &idle, &err), &err);
    for (int i = 0; i < 1000 && s.compacted < last; i++) {
        (void)usleep(5000);
        store_stats(f.st, &s);
    }
    assert_int_equal(s.compacted, last);
    for (int i = 0; i < 1000; i++) {
        (void)usleep(1000);
        if (watch_open(store_cache(f.st, CONFIGMAPS), last - 1, &w, &err) == ERR_EXPIRED)
            break;
        watch_close(&w);
    }
    assert_int_equal(watch_open(store_cache(f.st, CONFIGMAPS), last - 1, &w, &err), ERR_EXPIRED);
    /* Whoever had seen all of it goes on. */
    assert_int_equal(watch_next(store_cache(f.st, CONFIGMAPS), &idle, &ev, &err), 0);
    assert_int_equal(put(f.st, f.loop, "a", "2"), last + 1);
    assert_int_equal(watch_next(store_cache(f.st, CONFIGMAPS), &idle, &ev, &err), 1);
    watch_close(&idle);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectations_are_checked),
        cmocka_unit_test(test_several_operations_happen_together_or_not),
        cmocka_unit_test(test_reopen_finds_everything),
        cmocka_unit_test(test_cursor_sees_each_event_once_in_order),
        cmocka_unit_test(test_cursor_of_a_quiet_resource_follows_the_store),
        cmocka_unit_test(test_cursor_that_falls_off_expires),
        cmocka_unit_test(test_snapshots_stay_as_they_were),
        cmocka_unit_test(test_snapshot_at_equals_the_recorded_history),
        cmocka_unit_test(test_damaged_object_stops_open_by_name),
        cmocka_unit_test(test_journal_is_bounded_in_bytes),
        cmocka_unit_test(test_lazy_writes_share_a_commit),
        cmocka_unit_test(test_lazy_writes_reach_the_disk_in_time),
        cmocka_unit_test(test_too_many_waiting_lazy_writes_force_a_commit),
        cmocka_unit_test(test_large_waiting_lazy_writes_force_a_commit),
        cmocka_unit_test(test_cursor_inside_a_revision),
        cmocka_unit_test(test_key_that_no_engine_takes_is_refused_alone),
        cmocka_unit_test(test_resources_come_and_go),
        cmocka_unit_test(test_too_many_waiting_transactions_are_refused),
        cmocka_unit_test(test_subscription_wakes_once_for_many_events),
        cmocka_unit_test(test_history_is_forgotten_after_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
