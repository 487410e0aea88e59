/* test_adoption.c - another kubelet finds what the one before it left running. */
#include "fake_node.h"

#define ONE "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}"

static void begin(struct fake_node *f, const char *json)
{
    fake_start(f);
    fake_pod(f, json);
    fake_run(f, 500);
}

static void test_what_runs_is_not_touched(void **state)
{
    struct fake_node *f = *state;
    const struct fake_container *c;
    unsigned patches;

    begin(f, ONE);
    c = fake_container(f, "c");
    patches = f->patches;
    fake_restart(f);
    fake_run(f, 60000);
    assert_ptr_equal(fake_container(f, "c"), c);
    assert_int_equal(c->state, RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING);
    assert_int_equal(f->runs, 1);
    assert_int_equal(f->stops, 0);
    assert_int_equal(f->patches, patches); /* nothing changed: nothing is written */
    assert_int_equal(f->probe_starts, 2);
    assert_int_equal(f->setups, 2);
    assert_str_equal(fake_get(f, "p")->status.pod_ip, "10.0.0.1");
    assert_str_equal(fake_condition(fake_get(f, "p"), "Ready")->status, "True");
}

static void test_init_containers_do_not_run_again(void **state)
{
    struct fake_node *f = *state;

    begin(f, "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"image\":\"i:1\"}],"
             "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}");
    fake_exit(f, fake_container(f, "a"), 0);
    fake_run(f, 200);
    fake_restart(f);
    fake_run(f, 1000);
    assert_int_equal(fake_containers(f), 2);
    assert_int_equal(fake_running(f), 1);
    assert_str_equal(fake_get(f, "p")->status.phase, "Running");
}

static void test_exit_meanwhile_is_found(void **state)
{
    struct fake_node *f = *state;

    begin(f, ONE);
    f->kl = kubelet_free(f->kl);
    fake_exit(f, fake_container(f, "c"), 5);
    fake_run(f, 1000);
    fake_start(f);
    fake_run(f, 1000);
    assert_int_equal(fake_status(fake_get(f, "p"), "c")->restart_count, 1);
    assert_int_equal(fake_status(fake_get(f, "p"), "c")->last_state.terminated->exit_code, 5);
    assert_non_null(fake_status(fake_get(f, "p"), "c")->state.running);
}

static void test_deletion_meanwhile_is_carried_out(void **state)
{
    struct fake_node *f = *state;

    begin(f, ONE);
    f->kl = kubelet_free(f->kl);
    fake_delete(f, "p", 30);
    fake_start(f);
    fake_run(f, 1000);
    assert_null(fake_get(f, "p"));
    assert_int_equal(fake_containers(f), 0);
    assert_int_equal(fake_sandboxes(f), 0);
    assert_int_equal(f->teardowns, 1);
}

static void test_pod_without_object_is_removed(void **state)
{
    struct fake_node *f = *state;

    begin(f, ONE);
    f->kl = kubelet_free(f->kl);
    fake_remove(f, "p");
    fake_start(f);
    fake_run(f, 2000);
    assert_int_equal(f->stops, 1);
    assert_int_equal(f->last_grace_sec, 30);
    assert_int_equal(fake_containers(f), 0);
    assert_int_equal(fake_sandboxes(f), 0);
    assert_int_equal(f->teardowns, 1);
    assert_int_equal(f->kl->by_uid.n, 0);
}

static void test_finished_pod_stays_finished(void **state)
{
    struct fake_node *f = *state;

    begin(f, "{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\","
             "\"image\":\"i:1\"}]}}");
    fake_exit(f, fake_container(f, "c"), 0);
    fake_run(f, 500);
    assert_str_equal(fake_get(f, "p")->status.phase, "Succeeded");
    fake_restart(f);
    fake_run(f, 60000);
    assert_str_equal(fake_get(f, "p")->status.phase, "Succeeded");
    assert_int_equal(f->runs, 1);
    assert_int_equal(fake_containers(f), 1);
    assert_str_equal(fake_status(fake_get(f, "p"), "c")->state.terminated->reason, "Completed");
}

static void test_nothing_happens_while_the_runtime_is_down(void **state)
{
    struct fake_node *f = *state;

    begin(f, ONE);
    f->kl = kubelet_free(f->kl);
    f->down = true;
    fake_start(f);
    fake_run(f, 10000);
    assert_false(f->kl->adopted);
    f->down = false;
    fake_run(f, 2000);
    assert_true(f->kl->adopted);
    assert_int_equal(f->runs, 1);
    assert_int_equal(fake_running(f), 1);
}

static void test_stop_amid_work_leaks_nothing(void **state)
{
    struct fake_node *f = *state;

    fake_start(f);
    fake_pod(f, ONE);
    for (int i = 0; i < 60; i++) {
        fake_run(f, 1);
        f->kl = kubelet_free(f->kl);
        fake_run(f, (uint64_t)i % 7);
        fake_start(f);
        if (i == 30)
            fake_delete(f, "p", 1);
        fake_run(f, (uint64_t)i);
    }
    fake_run(f, 60000);
    assert_null(fake_get(f, "p"));
    fake_run(f, 200000); /* strays are removed once they are old enough */
    assert_int_equal(fake_running(f), 0);
    assert_int_equal(fake_sandboxes(f), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_runs_is_not_touched),
        T(test_init_containers_do_not_run_again),
        T(test_exit_meanwhile_is_found),
        T(test_deletion_meanwhile_is_carried_out),
        T(test_pod_without_object_is_removed),
        T(test_finished_pod_stays_finished),
        T(test_nothing_happens_while_the_runtime_is_down),
        T(test_stop_amid_work_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
