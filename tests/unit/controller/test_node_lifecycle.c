/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that go silent, taints, the pods on them: node-lifecycle, taint-eviction and pod-gc. */
#include "rig.h"

static void put_node(struct rig *r, const char *name, const char *zone, const char *ready)
{
    rig_put(r, &res_core_nodes,
            "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"topology.kubernetes.io/zone\":\"%s\"}},"
            "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\",\"reason\":\"r\"},"
            "{\"type\":\"MemoryPressure\",\"status\":\"False\"},"
            "{\"type\":\"DiskPressure\",\"status\":\"False\"},"
            "{\"type\":\"PIDPressure\",\"status\":\"False\"}]}}",
            name, zone, ready);
}

static void put_lease(struct rig *r, const char *name)
{
    rig_put(r, &res_coordination_leases,
            "{\"metadata\":{\"namespace\":\"kube-node-lease\",\"name\":\"%s\"},\"spec\":{}}", name);
}

/* As a kubelet renews its Lease. */
static void beat(struct rig *r, const char *name)
{
    auto_arena a = {0};

    fake_edit(r->api, &res_coordination_leases, "kube-node-lease", name,
              arena_printf(&a, "{\"spec\":{\"leaseTransitions\":%llu}}",
                           (unsigned long long)(loop_now_ms(r->loop) % 1000000)));
}

static void put_pod(struct rig *r, const char *name, const char *node, const char *spec)
{
    rig_put(r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\"},\"spec\":{\"nodeName\":"
            "\"%s\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]%s},\"status\":{\"phase\":"
            "\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
            name, node, spec);
}

static const struct core_node *node(struct rig *r, const char *name)
{
    return OBJECT_AS(core_node, fake_find(r->api, &res_core_nodes, NULL, name));
}

/* "key:effect,..." of the node's taints. */
static const char *taints(struct rig *r, const char *name, struct arena *a)
{
    const struct core_node *n = node(r, name);
    auto_buf b = {0};

    for (size_t i = 0; i < n->spec.taints.n; i++) {
        struct str key = n->spec.taints.v[i].key, rest;

        (void)str_cut(key, '/', &rest);
        buf_printf(&b, "%s%.*s:%.*s", i ? "," : "", STR_ARG(rest),
                   STR_ARG(n->spec.taints.v[i].effect));
    }
    return arena_strdup(a, buf_cstr(&b));
}

static const struct core_node_condition *condition(struct rig *r, const char *name,
                                                   const char *type)
{
    const struct core_node *n = node(r, name);

    for (size_t i = 0; i < n->status.conditions.n; i++) {
        if (str_eqz(n->status.conditions.v[i].type, type))
            return &n->status.conditions.v[i];
    }
    fail_msg("no condition %s", type);
    return NULL;
}

static void a_silent_node_becomes_unknown_after_the_grace(void **state)
{
    struct rig r;
    const struct core_node_condition *c;
    auto_arena a = {0};

    (void)state;
    rig_init(&r, 1);
    put_node(&r, "n1", "z", "True");
    put_node(&r, "n2", "z", "True");
    put_lease(&r, "n1");
    put_lease(&r, "n2");
    put_pod(&r, "p", "n1", "");
    rig_add(&r, &node_lifecycle_controller);
    for (int i = 0; i < 12; i++) {
        rig_run(&r, 10000);
        beat(&r, "n1");
        beat(&r, "n2");
    }
    assert_str_equal(condition(&r, "n1", "Ready")->status, "True");
    assert_int_equal(fake_calls(r.api, ""), 0);
    for (int i = 0; i < 4; i++) {
        rig_run(&r, 10000);
        beat(&r, "n2");
    }
    assert_str_equal(condition(&r, "n1", "Ready")->status, "True");
    for (int i = 0; i < 2; i++) {
        rig_run(&r, 10000);
        beat(&r, "n2");
    }
    c = condition(&r, "n1", "Ready");
    assert_str_equal(c->status, "Unknown");
    assert_str_equal(c->reason, "NodeStatusUnknown");
    assert_str_equal(c->message, "Kubelet stopped posting node status.");
    assert_str_equal(condition(&r, "n1", "MemoryPressure")->status, "Unknown");
    assert_str_equal(condition(&r, "n2", "Ready")->status, "True");
    assert_string_equal(taints(&r, "n1", &a), "unreachable:NoSchedule,unreachable:NoExecute");
    assert_string_equal(taints(&r, "n2", &a), "");
    assert_true(node(&r, "n1")->spec.taints.v[1].time_added.set);
    assert_string_equal(fake_event_text(r.api, "NodeNotReady"), "Node is not ready");
    assert_int_equal(fake_events(r.api, "NodeNotReady"), 2); /* the node's and the pod's */
    assert_str_equal(OBJECT_AS(core_pod, fake_find(r.api, &res_core_pods, "default", "p"))
                         ->status.conditions.v[0]
                         .status,
                     "False");
    /* It comes back. */
    fake_edit(r.api, &res_core_nodes, NULL, "n1",
              "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
    beat(&r, "n1");
    rig_run(&r, 5000);
    assert_string_equal(taints(&r, "n1", &a), "");
    rig_deinit(&r);
}

static void a_node_that_never_spoke_is_unknown(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2);
    rig_put(&r, &res_core_nodes, "{\"metadata\":{\"name\":\"n1\"}}");
    rig_add(&r, &node_lifecycle_controller);
    rig_run(&r, 58000);
    assert_int_equal(node(&r, "n1")->status.conditions.n, 0);
    rig_run(&r, 5000);
    assert_int_equal(node(&r, "n1")->status.conditions.n, 4);
    assert_str_equal(condition(&r, "n1", "Ready")->reason, "NodeStatusNeverUpdated");
    assert_str_equal(condition(&r, "n1", "Ready")->message, "Kubelet never posted node status.");
    rig_deinit(&r);
}

static void conditions_and_cordons_become_taints(void **state)
{
    struct rig r;
    auto_arena a = {0};

    (void)state;
    rig_init(&r, 3);
    put_node(&r, "n1", "z", "True");
    put_node(&r, "n2", "z", "True");
    rig_add(&r, &node_lifecycle_controller);
    fake_edit(r.api, &res_core_nodes, NULL, "n1",
              "{\"spec\":{\"unschedulable\":true,\"taints\":[{\"key\":\"a/mine\",\"effect\":"
              "\"NoSchedule\"}]},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":"
              "\"False\"},{\"type\":\"DiskPressure\",\"status\":\"True\"}]}}");
    rig_run(&r, 5000);
    assert_string_equal(taints(&r, "n1", &a),
                        "mine:NoSchedule,not-ready:NoSchedule,not-ready:NoExecute,"
                        "disk-pressure:NoSchedule,unschedulable:NoSchedule");
    fake_edit(r.api, &res_core_nodes, NULL, "n1",
              "{\"spec\":{\"unschedulable\":null},\"status\":{\"conditions\":[{\"type\":\"Ready\","
              "\"status\":\"True\"}]}}");
    rig_run(&r, 5000);
    assert_string_equal(taints(&r, "n1", &a), "mine:NoSchedule");
    rig_deinit(&r);
}

static size_t evicting(struct rig *r)
{
    struct object *o;
    size_t n = 0;

    for (size_t i = 0; (o = fake_nth(r->api, &res_core_nodes, i)); i++) {
        const struct core_node *x = OBJECT_AS(core_node, o);

        for (size_t k = 0; k < x->spec.taints.n; k++)
            n += str_eqz(x->spec.taints.v[k].effect, "NoExecute");
    }
    return n;
}

static void few_nodes_at_a_time_lose_their_pods(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 4);
    for (int i = 0; i < 10; i++) {
        auto_arena a = {0};

        put_node(&r, arena_printf(&a, "n%d", i), "z", i < 4 ? "False" : "True");
    }
    rig_add(&r, &node_lifecycle_controller);
    rig_run(&r, 2000);
    assert_int_equal(evicting(&r), 1);
    rig_run(&r, 10000);
    assert_int_equal(evicting(&r), 2);
    rig_run(&r, 10000);
    assert_int_equal(evicting(&r), 3);
    rig_run(&r, 10000);
    assert_int_equal(evicting(&r), 4);
    rig_deinit(&r);
}

static void in_a_small_zone_that_is_mostly_down_none_does(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 5);
    for (int i = 0; i < 5; i++) {
        auto_arena a = {0};

        put_node(&r, arena_printf(&a, "n%d", i), "z", i < 3 ? "False" : "True");
    }
    rig_add(&r, &node_lifecycle_controller);
    rig_run(&r, 30000);
    assert_int_equal(evicting(&r), 0);
    rig_deinit(&r);
}

static void when_no_node_is_ready_none_does(void **state)
{
    struct rig r;
    auto_arena a = {0};

    (void)state;
    rig_init(&r, 6);
    put_node(&r, "n1", "z", "False");
    put_node(&r, "n2", "y", "True");
    rig_add(&r, &node_lifecycle_controller);
    rig_run(&r, 20000);
    assert_int_equal(evicting(&r), 1);
    fake_edit(r.api, &res_core_nodes, NULL, "n2",
              "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
    fake_edit(r.api, &res_core_nodes, NULL, "n1", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
    rig_run(&r, 20000);
    assert_int_equal(evicting(&r), 0);
    assert_string_equal(taints(&r, "n1", &a), "not-ready:NoSchedule");
    rig_deinit(&r);
}

static void pods_leave_by_their_tolerations(void **state)
{
    struct rig r;
    const struct core_pod *p;
    const struct core_pod_condition *p_target;

    (void)state;
    rig_init(&r, 7);
    put_node(&r, "n1", "z", "True");
    put_pod(&r, "plain", "n1", "");
    put_pod(&r, "patient", "n1",
            ",\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","
            "\"tolerationSeconds\":60}]");
    put_pod(&r, "forever", "n1", ",\"tolerations\":[{\"operator\":\"Exists\"}]");
    put_pod(&r, "other", "n1", ",\"tolerations\":[{\"key\":\"k\",\"value\":\"w\"}]");
    rig_add(&r, &node_lifecycle_controller);
    rig_add(&r, &taint_eviction_controller);
    rig_run(&r, 1000);
    assert_int_equal(fake_calls(r.api, "delete"), 0);
    fake_edit(r.api, &res_core_nodes, NULL, "n1",
              "{\"spec\":{\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]}}");
    rig_run(&r, 2000);
    assert_int_equal(fake_calls(r.api, "delete pods default/plain"), 1);
    assert_int_equal(fake_calls(r.api, "delete pods default/other"), 1);
    assert_int_equal(fake_calls(r.api, "delete"), 2);
    p = OBJECT_AS(core_pod, fake_find(r.api, &res_core_pods, "default", "plain"));
    assert_true(p->metadata.deletion_timestamp.set);
    assert_int_equal(p->status.conditions.n, 2);
    p_target = str_eqz(p->status.conditions.v[0].type, "DisruptionTarget")
                   ? &p->status.conditions.v[0]
                   : &p->status.conditions.v[1];
    assert_str_equal(p_target->reason, "DeletionByTaintManager");
    assert_int_equal(fake_events(r.api, "TaintManagerEviction"), 2);
    rig_run(&r, 55000);
    assert_int_equal(fake_calls(r.api, "delete pods default/patient"), 0);
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, "delete pods default/patient"), 1);
    assert_int_equal(fake_calls(r.api, "delete"), 3);
    rig_deinit(&r);
}

static void a_taint_that_goes_in_time_costs_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 8);
    put_node(&r, "n1", "z", "True");
    put_pod(&r, "patient", "n1",
            ",\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\",\"tolerationSeconds\":60}]");
    rig_add(&r, &taint_eviction_controller);
    fake_edit(r.api, &res_core_nodes, NULL, "n1",
              "{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\",\"timeAdded\":"
              "\"2026-01-01T00:00:00Z\"}]}}");
    rig_run(&r, 50000);
    fake_edit(r.api, &res_core_nodes, NULL, "n1", "{\"spec\":{\"taints\":null}}");
    rig_run(&r, 60000);
    assert_int_equal(fake_calls(r.api, "delete"), 0);
    rig_deinit(&r);
}

static void pods_of_nodes_that_are_gone_end(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 9);
    put_node(&r, "n1", "z", "True");
    put_node(&r, "n2", "z", "True");
    put_pod(&r, "a", "n1", "");
    put_pod(&r, "b", "n2", "");
    rig_add(&r, &pod_gc_controller);
    rig_run(&r, 50000);
    fake_remove(r.api, &res_core_nodes, NULL, "n1");
    rig_run(&r, 38000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_run(&r, 4000);
    assert_int_equal(fake_calls(r.api, "get nodes /n1"), 1);
    assert_int_equal(fake_calls(r.api, "patch pods/status default/a"), 1);
    assert_null(fake_find(r.api, &res_core_pods, "default", "a"));
    assert_non_null(fake_find(r.api, &res_core_pods, "default", "b"));
    rig_deinit(&r);
}

static void a_node_that_comes_back_keeps_its_pods(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 10);
    put_node(&r, "n1", "z", "True");
    put_pod(&r, "a", "n1", "");
    rig_add(&r, &pod_gc_controller);
    rig_run(&r, 1000);
    fake_remove(r.api, &res_core_nodes, NULL, "n1");
    rig_run(&r, 20000);
    put_node(&r, "n1", "z", "True");
    rig_run(&r, 120000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void pods_that_wait_for_nobody_end(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 11);
    put_node(&r, "n1", "z", "False");
    put_pod(&r, "unscheduled", "", "");
    put_pod(&r, "shut-down", "n1", "");
    put_pod(&r, "running", "n1", "");
    rig_add(&r, &pod_gc_controller);
    fake_edit(r.api, &res_core_pods, "default", "unscheduled",
              "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:01Z\","
              "\"deletionGracePeriodSeconds\":30}}");
    fake_edit(r.api, &res_core_pods, "default", "shut-down",
              "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:01Z\","
              "\"deletionGracePeriodSeconds\":30}}");
    rig_run(&r, 5000);
    assert_null(fake_find(r.api, &res_core_pods, "default", "unscheduled"));
    assert_non_null(fake_find(r.api, &res_core_pods, "default", "shut-down"));
    fake_edit(r.api, &res_core_nodes, NULL, "n1",
              "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/out-of-service\",\"effect\":"
              "\"NoExecute\"}]}}");
    rig_run(&r, 5000);
    assert_null(fake_find(r.api, &res_core_pods, "default", "shut-down"));
    assert_non_null(fake_find(r.api, &res_core_pods, "default", "running"));
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_node_becomes_unknown_after_the_grace),
        cmocka_unit_test(a_node_that_never_spoke_is_unknown),
        cmocka_unit_test(conditions_and_cordons_become_taints),
        cmocka_unit_test(few_nodes_at_a_time_lose_their_pods),
        cmocka_unit_test(in_a_small_zone_that_is_mostly_down_none_does),
        cmocka_unit_test(when_no_node_is_ready_none_does),
        cmocka_unit_test(pods_leave_by_their_tolerations),
        cmocka_unit_test(a_taint_that_goes_in_time_costs_nothing),
        cmocka_unit_test(pods_of_nodes_that_are_gone_end),
        cmocka_unit_test(a_node_that_comes_back_keeps_its_pods),
        cmocka_unit_test(pods_that_wait_for_nobody_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
