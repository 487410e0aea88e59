/* test_store_etcd.c - the store over a real etcd: what every store must do, and what is its own.
 * Skipped where etcd is not installed. */
#include "conformance.h"
#include "over_etcd.h"

static void on_etcd(void (*test)(struct fixture *f))
{
    struct over o;

    if (!etcd_installed())
        skip();
    setup(&o);
    test(&o.f);
    teardown(&o);
}

static void test_expectations_are_checked(void **state)
{
    (void)state;
    on_etcd(expectations);
}

static void test_several_operations_happen_together_or_not(void **state)
{
    (void)state;
    on_etcd(several_ops);
}

static void test_cursor_inside_a_revision(void **state)
{
    (void)state;
    on_etcd(inside_a_revision);
}

static void test_cursor_sees_each_event_once_in_order(void **state)
{
    (void)state;
    on_etcd(watches);
}

static void test_cursor_of_a_quiet_resource_follows_the_store(void **state)
{
    (void)state;
    on_etcd(quiet_resource);
}

static void test_snapshots_stay_as_they_were(void **state)
{
    (void)state;
    on_etcd(snapshots);
}

static void test_snapshot_at_equals_the_recorded_history(void **state)
{
    (void)state;
    on_etcd(recorded_history);
}


static void put_ctl(const struct over *o, const char *key, const char *value)
{
    char command[512], out[64];

    (void)snprintf(command, sizeof(command), "put %s '%s'", key, value);
    (void)etcdctl(&o->etcd, command, out, sizeof(out));
    assert_string_equal(out, "OK\n");
}

static void test_keys_and_values_are_laid_out_as_upstreams(void **state)
{
    static const char want[] = "k8s\0\n\17\n\2v1\22\tConfigMap\22";
    struct over o;
    char out[600];
    size_t n;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    assert_int_equal(put(o.f.st, o.f.loop, "a", "1"), 2);
    n = etcdctl(&o.etcd, "get --print-value-only /registry/configmaps/n/a", out, sizeof(out));
    assert_true(n > sizeof(want));
    assert_memory_equal(out, want, sizeof(want) - 1);
    assert_memory_equal(out + n - 5, "\32\0\"\0\n", 5); /* encoding and type, both empty */
    o.f.st = store_close(o.f.st);
    o.f.st = open_at(&o.etcd, &(struct etcd_like){.prefix = "other/place/"});
    assert_null(find(o.f.st, "a"));
    assert_int_equal(put(o.f.st, o.f.loop, "b", "2"), 3);
    (void)etcdctl(&o.etcd, "get --keys-only --prefix /", out, sizeof(out));
    assert_string_equal(out, "/other/place/configmaps/n/b\n\n/registry/configmaps/n/a\n\n");
    teardown(&o);
}

static void test_what_others_write_is_read(void **state)
{
    struct over o;
    struct object *got;
    struct watch_cursor w;
    struct event ev;
    struct err err = {0};
    char out[64];

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    assert_ok(watch_open(store_cache(o.f.st, CONFIGMAPS), 1, &w, &err), &err);
    put_ctl(&o, "/registry/configmaps/n/a",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\","
            "\"namespace\":\"n\",\"labels\":{\"v\":\"7\"}}}");
    put_ctl(&o, "/registry/configmaps/n/odd", "nonsense");
    put_ctl(&o, "/registry/configmaps/n/b",
            "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"}}");
    put_ctl(&o, "/somewhere/else", "x");
    assert_int_equal(fresh(o.f.st, o.f.loop), 1);
    assert_int_equal(store_revision(o.f.st), 5);
    got = find(o.f.st, "a");
    assert_string_equal(value_of(got), "7");
    assert_int_equal(got->revision, 2);
    assert_str_equal(got->json, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\","
                                "\"resourceVersion\":\"2\",\"labels\":{\"v\":\"7\"}}}");
    object_unref(got);
    assert_null(find(o.f.st, "odd"));
    assert_null(find(o.f.st, "b"));
    assert_int_equal(put_if(o.f.st, o.f.loop, "odd", "1", STORE_ABSENT), ERR_EXISTS);
    put_ctl(&o, "/registry/configmaps/n/a", "nonsense"); /* no object any more */
    (void)etcdctl(&o.etcd, "del /registry/configmaps/n/b", out, sizeof(out));
    assert_int_equal(fresh(o.f.st, o.f.loop), 1);
    assert_int_equal(watch_next(store_cache(o.f.st, CONFIGMAPS), &w, &ev, &err), 1);
    assert_int_equal(ev.type, EVENT_ADDED);
    assert_int_equal(watch_next(store_cache(o.f.st, CONFIGMAPS), &w, &ev, &err), 1);
    assert_int_equal(ev.type, EVENT_DELETED);
    assert_int_equal(ev.revision, 6);
    assert_int_equal(watch_next(store_cache(o.f.st, CONFIGMAPS), &w, &ev, &err), 0);
    assert_int_equal(w.revision, 7);
    watch_close(&w);
    teardown(&o);
}

static void test_two_stores_share_an_etcd(void **state)
{
    struct over o;
    struct store *other;
    struct object *got;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    other = open_at(&o.etcd, NULL);
    for (int i = 0; i < 50; i++) {
        char value[16];
        int64_t rev;

        (void)snprintf(value, sizeof(value), "%d", i);
        rev = put(o.f.st, o.f.loop, "a", value);
        assert_int_equal(rev, 2 + 2 * i);
        assert_int_equal(fresh(other, o.f.loop), 1);
        got = find(other, "a");
        assert_int_equal(got->revision, rev);
        assert_string_equal(value_of(got), value);
        object_unref(got);
        assert_int_equal(put_if(other, o.f.loop, "a", "other", rev), rev + 1);
        assert_int_equal(put_if(o.f.st, o.f.loop, "a", "late", rev), ERR_CONFLICT);
        got = find(o.f.st, "a"); /* whoever lost knows against what */
        assert_int_equal(got->revision, rev + 1);
        object_unref(got);
    }
    other = store_close(other);
    teardown(&o);
}

static void test_reopen_reads_many_pages(void **state)
{
    enum { N = 2500 };
    struct over o;
    struct snapshot *s;
    struct one *all;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    all = xcalloc(N, sizeof(*all));
    for (int i = 0; i < N; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "k%04d", i);
        one_init(&all[i], STORE_PUT, CONFIGMAPS, name, "1", STORE_ABSENT);
        all[i].txn.loop = o.f.loop;
        all[i].txn.arg = &all[i];
        all[i].txn.ops = &all[i].op;
        store_commit(o.f.st, &all[i].txn);
    }
    for (int i = 0; i < N; i++) {
        while (!all[i].done)
            loop_run(o.f.loop);
        assert_int_equal(all[i].txn.code, 0);
    }
    o.f.st = store_close(o.f.st);
    o.f.st = open_at(&o.etcd, NULL);
    s = cache_snapshot(store_cache(o.f.st, CONFIGMAPS));
    assert_int_equal(s->revision, N + 1);
    assert_int_equal(s->objects.n, N);
    snapshot_unref(s);
    free(all);
    teardown(&o);
}

static void test_long_transactions_go_in_pieces(void **state)
{
    enum { N = 150 };
    struct over o;
    struct store_op ops[N];
    struct store_txn txn = {.ops = ops, .n = N, .on_done = many_done};
    struct snapshot *s;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    txn.loop = o.f.loop;
    for (int i = 0; i < N; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "k%d", i);
        ops[i] = (struct store_op){.kind = STORE_PUT,
                                   .res = CONFIGMAPS,
                                   .object = object_of(CONFIGMAPS, name, "1"),
                                   .expect_revision = STORE_ABSENT};
    }
    store_commit(o.f.st, &txn);
    loop_run(o.f.loop);
    assert_int_equal(txn.code, 0);
    assert_int_equal(txn.revision, 4);
    s = cache_snapshot(store_cache(o.f.st, CONFIGMAPS));
    assert_int_equal(s->objects.n, N);
    snapshot_unref(s);
    teardown(&o);
}

static void test_a_killed_etcd_loses_nothing_acknowledged(void **state)
{
    enum { N = 600 };
    struct over o;
    int n_good = 0, n_bad = 0;
    bool good[N];

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    for (int i = 0; i < N; i++) {
        char name[16];
        int64_t r;

        (void)snprintf(name, sizeof(name), "k%d", i);
        if (i == 200 || i == 400) {
            etcd_proc_kill(&o.etcd);
            assert_true(put(o.f.st, o.f.loop, "x", "1") < 0);
            assert_true(fresh(o.f.st, o.f.loop) < 0);
            assert_false(store_healthy(o.f.st));
            etcd_proc_run(&o.etcd);
        }
        r = put_if(o.f.st, o.f.loop, name, "1", STORE_ABSENT);
        good[i] = r > 0;
        n_good += r > 0;
        if (r < 0) {
            assert_true(r == ERR_UNAVAILABLE || r == ERR_TIMEOUT || r == ERR_IO);
            n_bad++;
            (void)usleep(20000);
        }
    }
    assert_true(n_good > 200 && n_bad < 300);
    for (int i = 0; i < 100 && fresh(o.f.st, o.f.loop) < 0; i++)
        (void)usleep(100000);
    assert_true(store_healthy(o.f.st));
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < N; i++) {
            struct object *got;
            char name[16];

            (void)snprintf(name, sizeof(name), "k%d", i);
            got = find(o.f.st, name);
            assert_true(got || !good[i]);
            object_unref(got);
        }
        o.f.st = store_close(o.f.st);
        o.f.st = open_at(&o.etcd, NULL);
    }
    teardown(&o);
}

static void test_a_restored_etcd_is_noticed(void **state)
{
    struct over o;
    char path[64];

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    put(o.f.st, o.f.loop, "a", "1");
    put(o.f.st, o.f.loop, "a", "2");
    assert_int_equal(fresh(o.f.st, o.f.loop), 1);
    etcd_proc_kill(&o.etcd);
    (void)snprintf(path, sizeof(path), "%s/data", o.etcd.dir);
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    etcd_proc_run(&o.etcd);
    for (int i = 0; i < 200 && fresh(o.f.st, o.f.loop) == ERR_UNAVAILABLE; i++)
        (void)usleep(50000);
    assert_int_equal(fresh(o.f.st, o.f.loop), ERR_INTERNAL);
    assert_false(store_healthy(o.f.st));
    teardown(&o);
}

static void story(struct cache *c, struct watch_cursor *w, struct buf *out)
{
    struct event ev;
    struct err err = {0};
    int r;

    while ((r = watch_next(c, w, &ev, &err)) == 1)
        buf_printf(out, "%d %.*s@%lld %s\n", (int)ev.type, STR_ARG(ev.object->name),
                   (long long)ev.revision, value_of(ev.object));
    assert_int_equal(r, 0);
}

/* Random writes by two stores, while etcd is killed now and then: both tell the same story, and
 * what it leads to is what etcd has. */
static void test_two_stores_tell_the_same_story(void **state)
{
    enum { N = 500, KEYS = 15 };
    struct over o;
    struct store *st[2];
    struct watch_cursor w[2];
    struct random_seeded rnd;
    struct snapshot *s[3];
    struct buf tale[2] = {0}, b[3] = {0};
    struct err err = {0};
    int n_good = 0;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    random_seeded_init(&rnd, 11);
    st[0] = o.f.st;
    st[1] = open_at(&o.etcd, NULL);
    for (int i = 0; i < 2; i++)
        assert_ok(watch_open(store_cache(st[i], CONFIGMAPS), 1, &w[i], &err), &err);
    for (int i = 0; i < N; i++) {
        struct store *by = st[random_below(&rnd.base, 2)];
        char name[8], value[16];
        int64_t r;

        if (i % 170 == 150) {
            etcd_proc_kill(&o.etcd);
            (void)put(by, o.f.loop, "down", "1");
            etcd_proc_run(&o.etcd);
        }
        (void)snprintf(name, sizeof(name), "k%d", (int)random_below(&rnd.base, KEYS));
        (void)snprintf(value, sizeof(value), "%d", i);
        r = random_below(&rnd.base, 3) ? put(by, o.f.loop, name, value)
                                       : delete_if(by, o.f.loop, name, STORE_ANY);
        n_good += r > 0;
        if (r == ERR_UNAVAILABLE || r == ERR_IO || r == ERR_TIMEOUT)
            (void)usleep(20000);
    }
    assert_true(n_good > 100);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 200 && fresh(st[i], o.f.loop) < 0; k++)
            (void)usleep(50000);
        story(store_cache(st[i], CONFIGMAPS), &w[i], &tale[i]);
        watch_close(&w[i]);
        s[i] = cache_snapshot(store_cache(st[i], CONFIGMAPS));
    }
    assert_str_equal(buf_view(&tale[0]), buf_cstr(&tale[1]));
    store_close(st[1]);
    st[1] = open_at(&o.etcd, NULL);
    s[2] = cache_snapshot(store_cache(st[1], CONFIGMAPS));
    for (int i = 0; i < 3; i++) {
        print_objects(s[i], &b[i]);
        snapshot_unref(s[i]);
    }
    assert_string_equal(buf_cstr(&b[0]), buf_cstr(&b[2]));
    assert_string_equal(buf_cstr(&b[1]), buf_cstr(&b[2]));
    for (int i = 0; i < 3; i++)
        buf_deinit(&b[i]);
    for (int i = 0; i < 2; i++)
        buf_deinit(&tale[i]);
    store_close(st[1]);
    teardown(&o);
}

/* While the store cannot see it, etcd changes and forgets: the store reads all anew. */
static void test_who_missed_history_begins_anew(void **state)
{
    struct over o;
    struct etcd_proc hidden;
    struct cache *c;
    struct watch_cursor now, old;
    struct event ev;
    struct err err = {0};
    char out[200];
    struct snapshot *s;
    auto_buf text = {0};

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    c = store_cache(o.f.st, CONFIGMAPS);
    put(o.f.st, o.f.loop, "same", "1");
    put(o.f.st, o.f.loop, "changed", "1");
    put(o.f.st, o.f.loop, "gone", "1");
    assert_ok(watch_open(c, 4, &now, &err), &err);
    assert_ok(watch_open(c, 3, &old, &err), &err);
    etcd_proc_kill(&o.etcd);
    hidden = o.etcd;
    (void)snprintf(hidden.client_url, sizeof(hidden.client_url), "http://127.0.0.1:%u",
                   free_port());
    etcd_proc_run(&hidden);
    (void)etcdctl(&hidden, "del /registry/configmaps/n/gone", out, sizeof(out));
    put_ctl(&(struct over){.etcd = hidden}, "/registry/configmaps/n/changed",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"changed\","
            "\"namespace\":\"n\",\"labels\":{\"v\":\"2\"}}}");
    put_ctl(&(struct over){.etcd = hidden}, "/registry/configmaps/n/new",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"new\","
            "\"namespace\":\"n\",\"labels\":{\"v\":\"3\"}}}");
    put_ctl(&(struct over){.etcd = hidden}, "/elsewhere", "x");
    (void)etcdctl(&hidden, "compact 8", out, sizeof(out));
    etcd_proc_kill(&hidden);
    etcd_proc_run(&o.etcd);
    for (int i = 0; i < 200 && fresh(o.f.st, o.f.loop) < 0; i++)
        (void)usleep(50000);
    /* That "gone" went at revision 5 nobody can know, nor what else there was in between. */
    assert_int_equal(watch_next(c, &now, &ev, &err), ERR_EXPIRED);
    assert_int_equal(watch_next(c, &old, &ev, &err), ERR_EXPIRED);
    watch_close(&now);
    watch_close(&old);
    assert_int_equal(watch_open(c, 7, &now, &err), ERR_EXPIRED);
    assert_int_equal(cache_snapshot_at(c, 7, &s, &err), ERR_EXPIRED);
    assert_ok(watch_open(c, 8, &now, &err), &err);
    s = cache_snapshot(c);
    print_objects(s, &text);
    assert_int_equal(s->revision, 8);
    assert_string_equal(buf_cstr(&text), "changed=2@6 new=3@7 same=1@2 ");
    (void)snapshot_unref(s);
    assert_int_equal(put_if(o.f.st, o.f.loop, "same", "2", 2), 9);
    expect_event(c, &now, EVENT_MODIFIED, 9, "2", "1");
    assert_int_equal(watch_next(c, &now, &ev, &err), 0);
    watch_close(&now);
    teardown(&o);
}

static void test_objects_with_a_ttl_hang_on_shared_leases(void **state)
{
    struct over o;
    char out[300], lease[20] = "", command[60];

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    assert_true(store_has_ttl(o.f.st));
    for (int i = 0; i < 3; i++) {
        struct one one;
        char name[8];

        (void)snprintf(name, sizeof(name), "k%d", i);
        one_init(&one, STORE_PUT, CONFIGMAPS, name, "1", STORE_ABSENT);
        one.op.ttl_sec = 3600;
        assert_int_equal(one_run(&one, o.f.st, o.f.loop), 0);
    }
    put(o.f.st, o.f.loop, "stays", "1");
    (void)etcdctl(&o.etcd, "lease list", out, sizeof(out));
    assert_memory_equal(out, "found 1 leases\n", 15);
    assert_int_equal(sscanf(out + 15, "%19s", lease), 1);
    (void)snprintf(command, sizeof(command), "lease timetolive --keys %s", lease);
    (void)etcdctl(&o.etcd, command, out, sizeof(out));
    assert_non_null(strstr(out, "granted with TTL(3660s)"));
    for (int i = 0; i < 3; i++) {
        char key[40];

        (void)snprintf(key, sizeof(key), "/registry/configmaps/n/k%d", i);
        assert_non_null(strstr(out, key));
    }
    assert_null(strstr(out, "stays"));
    teardown(&o);
}

static void test_one_of_several_forgets_old_history(void **state)
{
    struct over o;
    struct etcd_like like = {.compact_ms = 300};
    struct store *other;
    struct store_stats s, t;
    char out[64], command[80];

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    o.f.st = store_close(o.f.st);
    o.f.st = open_at(&o.etcd, &like);
    other = open_at(&o.etcd, &like);
    for (int i = 0; i < 200; i++) {
        put(o.f.st, o.f.loop, "a", "1");
        store_stats(o.f.st, &s);
        store_stats(other, &t);
        if (MAX(s.compacted, t.compacted) > 5)
            break;
        (void)usleep(50000);
    }
    assert_true(MAX(s.compacted, t.compacted) > 5);
    (void)snprintf(command, sizeof(command), "get a --rev=%lld >/dev/null 2>&1; echo $?",
                   (long long)MAX(s.compacted, t.compacted) - 1);
    (void)etcdctl(&o.etcd, command, out, sizeof(out));
    assert_string_equal(out, "1\n"); /* it is as they say: forgotten */
    (void)etcdctl(&o.etcd, "get compact_rev_key --print-value-only", out, sizeof(out));
    assert_true(atoi(out) > 0);
    assert_int_equal(fresh(other, o.f.loop), 1);
    other = store_close(other);
    teardown(&o);
}

static void test_resources_come_and_go(void **state)
{
    struct over o;
    struct one one;
    struct object *got;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    put(o.f.st, o.f.loop, "a", "1");
    for (int i = 0; i < 3; i++) {
        one_init(&one, STORE_DROP, CONFIGMAPS, "x", NULL, STORE_ANY);
        assert_int_equal(one_run(&one, o.f.st, o.f.loop), 0);
        assert_null(store_cache(o.f.st, CONFIGMAPS));
        one_init(&one, STORE_ADOPT, CONFIGMAPS, "x", NULL, STORE_ANY);
        assert_int_equal(one_run(&one, o.f.st, o.f.loop), 0);
        got = find(o.f.st, "a");
        assert_int_equal(got->revision, 2 + i);
        object_unref(got);
        assert_int_equal(put(o.f.st, o.f.loop, "a", "2"), 3 + i);
    }
    teardown(&o);
}

static void print_cache(struct store *st, struct buf *out)
{
    struct snapshot *s = cache_snapshot(store_cache(st, CONFIGMAPS));

    buf_reset(out);
    print_objects(s, out);
    (void)snapshot_unref(s);
}

enum { MANY = 2500 }; /* several pages */

static void put_many(struct store *st, struct loop *loop)
{
    struct store_op *ops = xcalloc(MANY, sizeof(*ops));
    struct one one = {.txn = {.ops = ops, .n = MANY, .loop = loop, .on_done = one_done}};

    for (size_t i = 0; i < MANY; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "m%zu", i);
        ops[i] = (struct store_op){STORE_PUT, CONFIGMAPS, object_of(CONFIGMAPS, name, "0"),
                                   STR_NULL, STORE_ANY, 0};
    }
    one.txn.arg = &one;
    store_commit(st, &one.txn);
    while (!one.done)
        loop_run(loop);
    assert_int_equal(one.txn.code, 0);
    free(ops);
}

/* What another server writes while a resource is read, page by page: nothing of it is missed. */
static void test_writes_while_a_resource_comes_are_not_lost(void **state)
{
    static struct one writes[40];
    struct over o;
    struct one one;
    struct store *other;
    auto_buf ours = {0}, theirs = {0};

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    other = open_at(&o.etcd, NULL);
    put_many(other, o.f.loop);
    for (int round = 0; round < 5; round++) {
        one_init(&one, STORE_DROP, CONFIGMAPS, "x", NULL, STORE_ANY);
        assert_int_equal(one_run(&one, o.f.st, o.f.loop), 0);
        for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
            char name[8], value[16];

            (void)snprintf(name, sizeof(name), "m%zu", i % 8);
            (void)snprintf(value, sizeof(value), "%d-%zu", round, i);
            one_init(&writes[i], STORE_PUT, CONFIGMAPS, name, value, STORE_ANY);
            writes[i].txn.loop = o.f.loop;
            store_commit(other, &writes[i].txn);
        }
        one_init(&one, STORE_ADOPT, CONFIGMAPS, "x", NULL, STORE_ANY);
        assert_int_equal(one_run(&one, o.f.st, o.f.loop), 0);
        for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
            while (!writes[i].done)
                loop_run(o.f.loop);
            assert_int_equal(writes[i].txn.code, 0);
        }
        assert_int_equal(fresh(o.f.st, o.f.loop), 1);
        print_cache(o.f.st, &ours);
        print_cache(other, &theirs);
        assert_string_equal(buf_cstr(&ours), buf_cstr(&theirs));
    }
    (void)store_close(other);
    teardown(&o);
}

static void test_another_endpoint_takes_over(void **state)
{
    struct over o;
    struct etcd_proc nobody = {0};
    struct etcd_like like;

    (void)state;
    if (!etcd_installed())
        skip();
    setup(&o);
    o.f.st = store_close(o.f.st);
    (void)snprintf(nobody.client_url, sizeof(nobody.client_url), "http://127.0.0.1:%u",
                   free_port());
    like = (struct etcd_like){.more_urls = {o.etcd.client_url}};
    o.f.st = open_at(&nobody, &like);
    assert_int_equal(put(o.f.st, o.f.loop, "a", "1"), 2);
    assert_true(store_healthy(o.f.st));
    teardown(&o);
}

static void test_nobody_answers(void **state)
{
    struct etcd_proc nobody = {0};
    struct err err = {0};
    struct store *st;

    (void)state;
    (void)snprintf(nobody.client_url, sizeof(nobody.client_url), "http://127.0.0.1:%u",
                   free_port());
    assert_int_equal(try_open(&nobody, &(struct etcd_like){0}, 300, &st, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "connection refused"));
    (void)snprintf(nobody.client_url, sizeof(nobody.client_url), "https://127.0.0.1:1");
    err = (struct err){0};
    assert_int_equal(try_open(&nobody, &(struct etcd_like){0}, 300, &st, &err), ERR_BAD_REQUEST);
    (void)snprintf(nobody.client_url, sizeof(nobody.client_url), "127.0.0.1");
    err = (struct err){0};
    assert_int_equal(try_open(&nobody, &(struct etcd_like){0}, 300, &st, &err), ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectations_are_checked),
        cmocka_unit_test(test_several_operations_happen_together_or_not),
        cmocka_unit_test(test_cursor_inside_a_revision),
        cmocka_unit_test(test_cursor_sees_each_event_once_in_order),
        cmocka_unit_test(test_cursor_of_a_quiet_resource_follows_the_store),
        cmocka_unit_test(test_snapshots_stay_as_they_were),
        cmocka_unit_test(test_snapshot_at_equals_the_recorded_history),
        cmocka_unit_test(test_keys_and_values_are_laid_out_as_upstreams),
        cmocka_unit_test(test_what_others_write_is_read),
        cmocka_unit_test(test_two_stores_share_an_etcd),
        cmocka_unit_test(test_reopen_reads_many_pages),
        cmocka_unit_test(test_long_transactions_go_in_pieces),
        cmocka_unit_test(test_a_killed_etcd_loses_nothing_acknowledged),
        cmocka_unit_test(test_a_restored_etcd_is_noticed),
        cmocka_unit_test(test_two_stores_tell_the_same_story),
        cmocka_unit_test(test_who_missed_history_begins_anew),
        cmocka_unit_test(test_objects_with_a_ttl_hang_on_shared_leases),
        cmocka_unit_test(test_one_of_several_forgets_old_history),
        cmocka_unit_test(test_resources_come_and_go),
        cmocka_unit_test(test_writes_while_a_resource_comes_are_not_lost),
        cmocka_unit_test(test_another_endpoint_takes_over),
        cmocka_unit_test(test_nobody_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
