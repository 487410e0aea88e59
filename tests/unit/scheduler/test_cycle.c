/* SPDX-License-Identifier: Apache-2.0 */
/* One cycle, and the scheduler as a whole on the API in memory. */
#include "scheduler/cycle.h"

#include "fake_api.h"
#include "objects.h"
#include "scheduler/scheduler.h"
#include "test.h"

#define ASKS(cpu)                                                                                  \
    "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}}]"
#define TAINT "\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]"

static void check(const struct cluster *c, const char *spec, const char *want_node,
                  const char *want_message, unsigned want_retry)
{
    struct random_seeded rnd;
    auto_arena a = {0};
    struct object *o = make_pod("p", spec);
    struct pod_info *pod = pod_info_new(o);
    struct cycle_result r;
    size_t start = 0;

    random_seeded_init(&rnd, 1);
    cycle_run(c, pod, &rnd.base, &start, &a, &r);
    if (want_node) {
        assert_non_null(r.node);
        assert_str_equal(r.node->object->name, want_node);
    } else {
        assert_null(r.node);
        assert_str_equal(r.message, want_message);
        assert_int_equal(r.retry_on, want_retry);
    }
    pod_info_free(pod);
    object_unref(o);
}

static void the_message_tells_of_all_nodes(void **state)
{
    struct cluster c = {0};
    const unsigned fit =
        CHANGE_NODE_ADDED | CHANGE_NODE_ALLOCATABLE | CHANGE_POD_GONE | CHANGE_POD_SELF;

    (void)state;
    check(&c, ASKS("1"), NULL, "no nodes available to schedule pods", CHANGE_NODE_ADDED);
    add_node(&c, "n1", "", TAINT);
    add_node(&c, "n2", "", "");
    add_node(&c, "n3", "", TAINT);
    run_pod(&c, "a", "n2", ASKS("3"));
    check(&c, ASKS("2"), NULL,
          "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). "
          "preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, "
          "2 Preemption is not helpful for scheduling.",
          fit | CHANGE_NODE_TAINTS);
    check(&c, ASKS("2") ",\"preemptionPolicy\":\"Never\"", NULL,
          "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). "
          "preemption: not eligible due to preemptionPolicy=Never.",
          fit | CHANGE_NODE_TAINTS);
    check(&c, ASKS("1"), "n2", NULL, 0);
    cluster_deinit(&c);
}

static void the_emptiest_node_wins(void **state)
{
    struct cluster c = {0};

    (void)state;
    add_node(&c, "n1", "", "");
    add_node(&c, "n2", "\"disk\":\"ssd\"", "");
    add_node(&c, "n3", "", "");
    run_pod(&c, "a", "n1", ASKS("1"));
    run_pod(&c, "b", "n2", ASKS("2"));
    check(&c, ASKS("1"), "n3", NULL, 0);
    check(&c,
          ASKS("1") ",\"affinity\":{\"nodeAffinity\":{"
                    "\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,"
                    "\"preference\":{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":"
                    "\"Exists\"}]}}]}}",
          "n2", NULL, 0);
    cluster_deinit(&c);
}

static void enough_is_a_falling_share(void **state)
{
    (void)state;
    assert_int_equal(cycle_enough(10), 10);
    assert_int_equal(cycle_enough(99), 99);
    assert_int_equal(cycle_enough(100), 100);
    assert_int_equal(cycle_enough(1000), 420);
    assert_int_equal(cycle_enough(5000), 500);
    assert_int_equal(cycle_enough(20000), 1000);
}

struct rig {
    struct sim *sim;
    struct loop *loop;
    struct fake *api;
    struct client *client;
    struct scheduler *scheduler;
};

static void put_pod(struct rig *r, const char *name, const char *cpu)
{
    auto_arena a = {0};

    fake_put(r->api, &res_core_pods,
             arena_printf(&a,
                          "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\"},\"spec\":{"
                          "\"schedulerName\":\"default-scheduler\",\"containers\":[{\"name\":\"c\","
                          "\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}",
                          name, cpu));
}

static void put_node(struct rig *r, const char *name)
{
    auto_arena a = {0};

    fake_put(r->api, &res_core_nodes,
             arena_printf(&a,
                          "{\"metadata\":{\"name\":\"%s\"},\"status\":{\"allocatable\":{\"cpu\":"
                          "\"4\",\"memory\":\"8Gi\",\"pods\":\"110\"}}}",
                          name));
}

static void begin(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.sim = sim_new(seed)};
    r->loop = sim_loop(r->sim, "l");
    r->api = fake_new(r->loop);
    r->client = fake_client(r->api);
    r->scheduler = scheduler_new(r->client);
}

static void end(struct rig *r)
{
    scheduler_free(r->scheduler);
    client_free(r->client);
    sim_run_for(r->sim, 1000);
    fake_free(r->api);
    sim_free(r->sim);
}

static const struct core_pod *pod(struct rig *r, const char *name)
{
    return OBJECT_AS(core_pod, fake_find(r->api, &res_core_pods, "default", name));
}

static void a_pod_gets_its_node(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 1);
    put_node(&r, "n1");
    put_pod(&r, "a", "1");
    sim_run_for(r.sim, 1000);
    assert_str_equal(pod(&r, "a")->spec.node_name, "n1");
    assert_int_equal(fake_calls(r.api, "create pods/binding default/a"), 1);
    assert_string_equal(fake_event_text(r.api, "Scheduled"),
                        "Successfully assigned default/a to n1");
    end(&r);
}

static void a_pod_that_fits_nowhere_says_why_and_waits(void **state)
{
    struct rig r;
    static const char *const text =
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
        "preemption victims found for incoming pod.";

    (void)state;
    begin(&r, 2);
    put_node(&r, "n1");
    put_pod(&r, "a", "3");
    sim_run_for(r.sim, 1000);
    put_pod(&r, "b", "2");
    sim_run_for(r.sim, 20000);
    assert_int_equal(pod(&r, "b")->spec.node_name.len, 0);
    assert_int_equal(pod(&r, "b")->status.conditions.n, 1);
    assert_str_equal(pod(&r, "b")->status.conditions.v[0].type, "PodScheduled");
    assert_str_equal(pod(&r, "b")->status.conditions.v[0].reason, "Unschedulable");
    assert_str_equal(pod(&r, "b")->status.conditions.v[0].message, text);
    assert_string_equal(fake_event_text(r.api, "FailedScheduling"), text);
    assert_int_equal(fake_events(r.api, "FailedScheduling"), 1); /* its own report wakes it not */
    sim_run_for(r.sim, 310000);
    assert_int_equal(fake_events(r.api, "FailedScheduling"), 2); /* tried again after all */
    assert_int_equal(fake_calls(r.api, "patch pods/status default/b"), 1);
    fake_remove(r.api, &res_core_pods, "default", "a");
    sim_run_for(r.sim, 12000);
    assert_str_equal(pod(&r, "b")->spec.node_name, "n1");
    end(&r);
}

static void no_node_is_given_away_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig r;
        int on[3] = {0}, waiting = 0;

        begin(&r, seed);
        put_node(&r, "n0");
        put_node(&r, "n1");
        put_node(&r, "n2");
        fake_fail(r.api, VERB_CREATE, &res_core_pods, 3, ERR_INTERNAL, "no luck");
        for (int i = 0; i < 14; i++) {
            auto_arena a = {0};

            put_pod(&r, arena_printf(&a, "p%d", i), "1");
            if (i == 7)
                fake_end_watches(r.api, ERR_EXPIRED);
            sim_run_for(r.sim, seed);
        }
        sim_run_for(r.sim, 60000);
        for (int i = 0; i < 14; i++) {
            auto_arena a = {0};
            struct str node = pod(&r, arena_printf(&a, "p%d", i))->spec.node_name;

            if (node.len == 0)
                waiting++;
            else
                on[node.p[1] - '0']++;
        }
        assert_int_equal(waiting, 2);
        assert_true(on[0] == 4 && on[1] == 4 && on[2] == 4);
        end(&r);
    }
}

static void others_pods_are_left_alone(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 4);
    put_node(&r, "n1");
    fake_put(r.api, &res_core_pods,
             "{\"metadata\":{\"namespace\":\"default\",\"name\":\"other\"},\"spec\":{"
             "\"schedulerName\":\"mine\",\"containers\":[]}}");
    fake_put(r.api, &res_core_pods,
             "{\"metadata\":{\"namespace\":\"default\",\"name\":\"gated\"},\"spec\":{"
             "\"schedulingGates\":[{\"name\":\"g\"}],\"containers\":[]}}");
    fake_put(r.api, &res_core_pods,
             "{\"metadata\":{\"namespace\":\"default\",\"name\":\"failed\"},\"spec\":{"
             "\"containers\":[]},\"status\":{\"phase\":\"Failed\"}}");
    sim_run_for(r.sim, 20000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    fake_edit(r.api, &res_core_pods, "default", "gated",
              "{\"metadata\":{\"generation\":2},\"spec\":{\"schedulingGates\":null}}");
    sim_run_for(r.sim, 1000);
    assert_str_equal(pod(&r, "gated")->spec.node_name, "n1");
    end(&r);
}

static void stopping_while_it_binds_is_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig r;

        begin(&r, seed);
        put_node(&r, "n1");
        for (int i = 0; i < 4; i++) {
            auto_arena a = {0};

            put_pod(&r, arena_printf(&a, "p%d", i), "1");
        }
        sim_run_for(r.sim, seed);
        end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_message_tells_of_all_nodes),
        cmocka_unit_test(the_emptiest_node_wins),
        cmocka_unit_test(enough_is_a_falling_share),
        cmocka_unit_test(a_pod_gets_its_node),
        cmocka_unit_test(a_pod_that_fits_nowhere_says_why_and_waits),
        cmocka_unit_test(no_node_is_given_away_twice),
        cmocka_unit_test(others_pods_are_left_alone),
        cmocka_unit_test(stopping_while_it_binds_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
