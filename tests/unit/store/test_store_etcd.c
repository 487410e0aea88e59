/* test_store_etcd.c - the store over a real etcd: what every store must do, and what is its own.
 * Skipped where etcd is not installed. */
#include "conformance.h"
#include "etcd_proc.h"

struct over {
    struct etcd_proc etcd;
    struct fixture f;
};

static struct store *open_at(const struct etcd_proc *e, const char *prefix)
{
    const char *endpoints[] = {e->client_url};
    const struct resource *res[] = {CONFIGMAPS, SECRETS};
    struct etcd_opts etcd = {.endpoints = endpoints, .n_endpoints = 1, .prefix = prefix};
    struct store_opts opts = {.etcd = &etcd};
    struct err err = {0};
    struct store *st;

    assert_ok(store_open(&opts, res, ARRAY_LEN(res), &st, &err), &err);
    return st;
}

static void setup(struct over *o)
{
    *o = (struct over){0};
    etcd_proc_start(&o->etcd);
    o->f.loop = loop_new("test");
    loop_hold(o->f.loop, true);
    o->f.st = open_at(&o->etcd, NULL);
}

static void teardown(struct over *o)
{
    o->f.st = store_close(o->f.st);
    o->f.loop = loop_free(o->f.loop);
    etcd_proc_stop(&o->etcd);
}

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
