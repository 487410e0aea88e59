/* test_store_etcd_odd.c - the store over etcds that do what a good one does seldom or never: they
 * are of another cluster, were restored, show nothing, lose leases. */
#include "fake_etcd.h"
#include "net/tls.h"
#include "over_etcd.h"

#define KEY(name) "/registry/configmaps/n/" name
#define VALUE(name, v)                                                                             \
    "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name                 \
    "\",\"namespace\":\"n\",\"labels\":{\"v\":\"" v "\"}}}"

static void fake_setup(struct over *o, struct fake_etcd *f, const char *second, const char *third)
{
    struct etcd_like like = {.more_urls = {second, third}};

    *o = (struct over){0};
    (void)snprintf(o->etcd.client_url, sizeof(o->etcd.client_url), "%s", f->url);
    o->f.loop = loop_new("test");
    loop_hold(o->f.loop, true);
    o->f.st = open_at(&o->etcd, &like);
}

static void fake_teardown(struct over *o)
{
    o->f.st = store_close(o->f.st);
    o->f.loop = loop_free(o->f.loop);
}

static void put_in(struct fake_etcd *f, const char *key, const char *value)
{
    atomic_fetch_add(&f->revision, 1);
    fake_change(f, str_from(key), str_from(value), false, atomic_load(&f->revision));
}

static void shows(struct store *st, const char *name, const char *value)
{
    struct object *o = find(st, name);

    if (value) {
        assert_non_null(o);
        assert_string_equal(value_of(o), value);
    } else {
        assert_null(o);
    }
    object_unref(o);
}

/* Waits until @st shows revision @revision. */
static void wait_for_revision(struct store *st, int64_t revision, int seconds)
{
    for (int i = 0; i < seconds * 100 && store_revision(st) < revision; i++)
        (void)usleep(10000);
    assert_true(store_revision(st) >= revision);
}

/* The first endpoint goes away; the second is of a cluster whose revisions are higher: nothing of
 * it is shown, nothing is written there. */
static void test_an_endpoint_of_another_cluster_is_not_used(void **state)
{
    struct fake_etcd ours, other;
    struct over o;

    (void)state;
    fake_etcd_init(&ours, 7, 10);
    fake_etcd_init(&other, 8, 500);
    put_in(&ours, KEY("a"), VALUE("a", "ours"));
    put_in(&other, KEY("a"), VALUE("a", "other"));
    put_in(&other, KEY("b"), VALUE("b", "other"));
    fake_etcd_start(&ours);
    fake_etcd_start(&other);
    fake_setup(&o, &ours, other.url, NULL);
    assert_int_equal(put(o.f.st, o.f.loop, "c", "1"), 12);
    fake_etcd_stop(&ours);
    for (int i = 0; i < 5; i++)
        assert_int_equal(put(o.f.st, o.f.loop, "d", "1"), ERR_UNAVAILABLE);
    assert_int_equal(fresh(o.f.st, o.f.loop), ERR_UNAVAILABLE);
    assert_false(store_healthy(o.f.st));
    assert_int_equal(atomic_load(&other.n_txns), 0);
    assert_int_equal(store_revision(o.f.st), 12);
    shows(o.f.st, "a", "ours");
    shows(o.f.st, "b", NULL);
    atomic_store(&other.cluster_id, 7); /* it was a wrong address: now it is a good one */
    for (int i = 0; i < 100 && fresh(o.f.st, o.f.loop) != 1; i++)
        (void)usleep(10000);
    assert_true(put(o.f.st, o.f.loop, "d", "1") > 500);
    fake_teardown(&o);
    fake_etcd_stop(&other);
}

/* Which endpoint is of another cluster is found out before anything is sent. */
static void test_a_write_goes_past_an_endpoint_of_another_cluster(void **state)
{
    struct fake_etcd ours, other, again;
    struct over o;

    (void)state;
    fake_etcd_init(&ours, 7, 10);
    fake_etcd_init(&other, 8, 500);
    fake_etcd_init(&again, 7, 10);
    fake_etcd_start(&ours);
    fake_etcd_start(&other);
    fake_etcd_start(&again);
    fake_setup(&o, &ours, other.url, again.url);
    fake_etcd_stop(&ours);
    for (int i = 0; i < 500 && atomic_load(&other.n_watches) == 0; i++)
        (void)usleep(1000);
    assert_int_equal(put(o.f.st, o.f.loop, "a", "1"), 11);
    assert_int_equal(atomic_load(&other.n_txns), 0);
    assert_int_equal(atomic_load(&again.n_txns), 1);
    fake_teardown(&o);
    fake_etcd_stop(&other);
    fake_etcd_stop(&again);
}

/* Its history is another one, but by the time that somebody asks its revision is high enough. */
static void test_a_restored_etcd_stays_noticed(void **state)
{
    const char *names[] = {"a"};
    struct fake_etcd f;
    struct over o;

    (void)state;
    fake_etcd_init(&f, 7, 10);
    put_in(&f, KEY("a"), VALUE("a", "1"));
    put_in(&f, KEY("lost"), VALUE("lost", "1"));
    fake_etcd_start(&f);
    fake_setup(&o, &f, NULL, NULL);
    atomic_store(&f.revision, 5);
    assert_int_equal(fresh(o.f.st, o.f.loop), ERR_INTERNAL);
    for (int i = 0; i < 10; i++)
        fake_put(&f, names, 1, "2");
    assert_true(atomic_load(&f.revision) > store_revision(o.f.st));
    assert_int_equal(fresh(o.f.st, o.f.loop), ERR_INTERNAL);
    assert_int_equal(put(o.f.st, o.f.loop, "a", "3"), ERR_INTERNAL);
    assert_int_equal(atomic_load(&f.n_txns), 0);
    assert_int_equal(store_revision(o.f.st), 12); /* nothing of that history is shown */
    shows(o.f.st, "a", "1");
    assert_false(store_healthy(o.f.st));
    fake_teardown(&o);
    fake_etcd_stop(&f);
}

/* No client asks while its revision is low: the new watch tells. */
static void test_a_watch_notices_that_etcd_was_restored(void **state)
{
    struct fake_etcd f, again;
    struct over o;

    (void)state;
    fake_etcd_init(&f, 7, 10);
    fake_etcd_init(&again, 7, 5);
    put_in(&f, KEY("a"), VALUE("a", "1"));
    fake_etcd_start(&f);
    fake_etcd_start(&again);
    fake_setup(&o, &f, again.url, NULL);
    fake_etcd_stop(&f);
    for (int i = 0; i < 500 && atomic_load(&again.n_ranges) == 0; i++)
        (void)usleep(10000); /* it answers, but ... */
    for (int i = 0; i < 500 && store_healthy(o.f.st); i++)
        (void)usleep(10000);
    assert_int_equal(atomic_load(&again.n_ranges), 1);
    atomic_store(&again.revision, 100);
    assert_int_equal(fresh(o.f.st, o.f.loop), ERR_INTERNAL);
    fake_teardown(&o);
    fake_etcd_stop(&again);
}

/* The connection lives, but watches there show nothing, and no client asks for anything. */
static void test_an_endpoint_that_shows_nothing_is_left(void **state)
{
    const char *names[] = {"a"};
    struct fake_etcd mute, good;
    struct over o;

    (void)state;
    fake_etcd_init(&mute, 7, 10);
    fake_etcd_init(&good, 7, 10);
    atomic_store(&mute.hidden, 1000);
    put_in(&good, KEY("a"), VALUE("a", "1"));
    fake_etcd_start(&mute);
    fake_etcd_start(&good);
    fake_setup(&o, &mute, good.url, NULL);
    for (int i = 0; i < 500 && atomic_load(&mute.n_watches) == 0; i++)
        (void)usleep(10000);
    fake_put(&mute, names, 1, "1");
    wait_for_revision(o.f.st, 11, 20);
    shows(o.f.st, "a", "1");
    assert_int_equal(atomic_load(&mute.n_watches), 1);
    fake_teardown(&o);
    fake_etcd_stop(&mute);
    fake_etcd_stop(&good);
}

static void test_fragments_are_put_together(void **state)
{
    const char *names[] = {"a", "b", "c", "d", "e"};
    struct watch_cursor w;
    struct fake_etcd f;
    struct event ev;
    struct over o;
    struct err err = {0};

    (void)state;
    fake_etcd_init(&f, 7, 10);
    atomic_store(&f.split, 2);
    fake_etcd_start(&f);
    fake_setup(&o, &f, NULL, NULL);
    assert_ok(watch_open(store_cache(o.f.st, CONFIGMAPS), 10, &w, &err), &err);
    for (int i = 0; i < 3; i++)
        fake_put(&f, names, ARRAY_LEN(names), "1");
    wait_for_revision(o.f.st, 13, 5);
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            assert_int_equal(watch_next(store_cache(o.f.st, CONFIGMAPS), &w, &ev, &err), 1);
            assert_int_equal(ev.type, i ? EVENT_MODIFIED : EVENT_ADDED);
            assert_int_equal(ev.revision, 11 + i);
            assert_str_equal(ev.object->name, names[k]);
        }
    }
    assert_int_equal(watch_next(store_cache(o.f.st, CONFIGMAPS), &w, &ev, &err), 0);
    watch_close(&w);
    fake_teardown(&o);
    fake_etcd_stop(&f);
}

static int put_for_an_hour(struct over *o, const char *name)
{
    struct one one;
    int r;

    one_init(&one, STORE_PUT, CONFIGMAPS, name, "1", STORE_ANY);
    one.op.ttl_sec = 3600;
    r = one_run(&one, o->f.st, o->f.loop);
    one_deinit(&one);
    return r;
}

/* Somebody revoked it, or etcd's clock went on while we stood still: another one serves. */
static void test_a_lease_that_is_gone_is_replaced(void **state)
{
    struct fake_etcd f;
    struct over o;

    (void)state;
    fake_etcd_init(&f, 7, 10);
    fake_etcd_start(&f);
    fake_setup(&o, &f, NULL, NULL);
    assert_int_equal(put_for_an_hour(&o, "a"), 0);
    assert_int_equal(put_for_an_hour(&o, "b"), 0);
    assert_int_equal(atomic_load(&f.n_grants), 1);
    atomic_store(&f.leases_lost, 1);
    assert_int_equal(put_for_an_hour(&o, "c"), 0);
    assert_int_equal(atomic_load(&f.n_grants), 2);
    assert_int_equal(put_for_an_hour(&o, "d"), 0);
    assert_int_equal(atomic_load(&f.n_grants), 2);
    assert_int_equal(atomic_load(&f.n_txns), 5);
    atomic_store(&f.leases_lost, 2); /* not for ever */
    assert_int_equal(put_for_an_hour(&o, "e"), ERR_IO);
    fake_teardown(&o);
    fake_etcd_stop(&f);
}

static void test_pages_of_large_values_are_short(void **state)
{
    enum { N = 150, SIZE = 256 << 10 };
    struct fake_etcd f;
    struct over o;
    struct snapshot *s;
    auto_buf value = {0};

    (void)state;
    fake_etcd_init(&f, 7, 10);
    for (int i = 0; i < N; i++) {
        char key[64];

        buf_reset(&value);
        buf_printf(&value,
                   "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
                   "\"k%03d\",\"namespace\":\"n\",\"labels\":{\"v\":\"1\"}}}%*s",
                   i, SIZE, "");
        (void)snprintf(key, sizeof(key), KEY("k%03d"), i);
        put_in(&f, key, buf_cstr(&value));
    }
    fake_etcd_start(&f);
    fake_setup(&o, &f, NULL, NULL);
    s = cache_snapshot(store_cache(o.f.st, CONFIGMAPS));
    assert_int_equal(s->objects.n, N);
    snapshot_unref(s);
    fake_teardown(&o);
    fake_etcd_stop(&f);
    assert_true(atomic_load(&f.page_max) < (size_t)70 * SIZE);
}

static void test_an_empty_prefix_puts_nothing_before_keys(void **state)
{
    struct etcd_like like = {.prefix = "/"};
    struct fake_etcd f;
    struct over o;

    (void)state;
    fake_etcd_init(&f, 7, 10);
    put_in(&f, "/configmaps/n/a", VALUE("a", "1"));
    fake_etcd_start(&f);
    fake_setup(&o, &f, NULL, NULL);
    o.f.st = store_close(o.f.st);
    o.f.st = open_at(&o.etcd, &like);
    shows(o.f.st, "a", "1");
    assert_int_equal(put(o.f.st, o.f.loop, "a", "2"), 12);
    shows(o.f.st, "a", "2");
    fake_teardown(&o);
    assert_int_equal(f.changes.v[1].version, 2);
    assert_str_equal(f.changes.v[1].key, "/configmaps/n/a");
    fake_etcd_stop(&f);
}

static void test_endpoints_are_all_secure_or_none(void **state)
{
    struct etcd_proc e = {.client_url = "https://127.0.0.1:1"};
    struct etcd_like like = {.more_urls = {"127.0.0.1:2"}};
    struct store *st;
    struct err err = {0};

    (void)state;
    assert_ok(tls_client_context(STR(""), STR(""), STR(""), false, &like.tls, &err), &err);
    assert_int_equal(try_open(&e, &like, 300, &st, &err), ERR_BAD_REQUEST);
    assert_string_equal(err.msg,
                        "etcd: https://127.0.0.1:1 and 127.0.0.1:2: all are https, or none is");
    tls_context_free(like.tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_endpoint_of_another_cluster_is_not_used),
        cmocka_unit_test(test_a_write_goes_past_an_endpoint_of_another_cluster),
        cmocka_unit_test(test_a_restored_etcd_stays_noticed),
        cmocka_unit_test(test_a_watch_notices_that_etcd_was_restored),
        cmocka_unit_test(test_an_endpoint_that_shows_nothing_is_left),
        cmocka_unit_test(test_fragments_are_put_together),
        cmocka_unit_test(test_a_lease_that_is_gone_is_replaced),
        cmocka_unit_test(test_pages_of_large_values_are_short),
        cmocka_unit_test(test_an_empty_prefix_puts_nothing_before_keys),
        cmocka_unit_test(test_endpoints_are_all_secure_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
