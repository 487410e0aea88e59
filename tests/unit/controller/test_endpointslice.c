/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlices, and their older form. */
#include "rig.h"

static void put_service(struct rig *r, const char *spec)
{
    rig_put(r, &res_core_services,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\",\"uid\":\"svc\",\"labels\":{"
            "\"team\":\"a\"}},\"spec\":{\"selector\":{\"app\":\"web\"},%s}}",
            spec);
}
#define PORT_80                                                                                    \
    "\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":8080}]"

static void put_pod(struct rig *r, const char *name, int ip, bool ready, const char *spec)
{
    rig_put(r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\",\"uid\":\"u-%s\",\"labels\":{"
            "\"app\":\"web\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\","
            "\"image\":\"i\"}]%s},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.1.%d.%d\","
            "\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
            name, name, spec, ip / 250, ip % 250 + 1, ready ? "True" : "False");
}

static const struct discovery_endpoint_slice *slice(struct rig *r, size_t i)
{
    struct object *o = fake_nth(r->api, &res_discovery_endpointslices, i);

    assert_non_null(o);
    return OBJECT_AS(discovery_endpoint_slice, o);
}

static size_t n_slices(struct rig *r)
{
    return fake_count(r->api, &res_discovery_endpointslices);
}

static size_t n_endpoints(struct rig *r)
{
    size_t n = 0;

    for (size_t i = 0; i < n_slices(r); i++)
        n += slice(r, i)->endpoints.n;
    return n;
}

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_put(r, &res_core_nodes,
            "{\"metadata\":{\"name\":\"n1\",\"labels\":{"
            "\"topology.kubernetes.io/zone\":\"z1\"}}}");
    rig_add(r, &endpointslice_controller);
    rig_add(r, &endpoints_controller);
}

static void an_endpoint_says_all_of_its_pod(void **state)
{
    struct rig r;
    const struct discovery_endpoint_slice *s;
    const struct discovery_endpoint *e;
    const struct core_endpoints *old;

    (void)state;
    start(&r, 1);
    put_service(&r, PORT_80);
    put_pod(&r, "a", 1, true, ",\"hostname\":\"h\",\"subdomain\":\"web\"");
    rig_run(&r, 3000);
    assert_int_equal(n_slices(&r), 1);
    s = slice(&r, 0);
    assert_str_equal(s->metadata.generate_name, "web-");
    assert_str_equal(s->address_type, "IPv4");
    assert_str_equal(string_map_get(&s->metadata.labels, STR("kubernetes.io/service-name")), "web");
    assert_str_equal(
        string_map_get(&s->metadata.labels, STR("endpointslice.kubernetes.io/managed-by")),
        "endpointslice-controller.k8s.io");
    assert_str_equal(string_map_get(&s->metadata.labels, STR("team")), "a");
    assert_str_equal(s->metadata.owner_references.v[0].uid, "svc");
    assert_str_equal(s->metadata.owner_references.v[0].kind, "Service");
    assert_int_equal(s->ports.n, 1);
    assert_str_equal(*s->ports.v[0].name, "http");
    assert_str_equal(*s->ports.v[0].protocol, "TCP");
    assert_int_equal(*s->ports.v[0].port, 8080);
    assert_int_equal(s->endpoints.n, 1);
    e = &s->endpoints.v[0];
    assert_str_equal(e->addresses.v[0], "10.1.0.2");
    assert_true(*e->conditions.ready && *e->conditions.serving && !*e->conditions.terminating);
    assert_str_equal(*e->hostname, "h");
    assert_str_equal(*e->node_name, "n1");
    assert_str_equal(*e->zone, "z1");
    assert_str_equal(e->target_ref->kind, "Pod");
    assert_str_equal(e->target_ref->uid, "u-a");
    old = OBJECT_AS(core_endpoints, fake_find(r.api, &res_core_endpoints, "default", "web"));
    assert_int_equal(old->subsets.n, 1);
    assert_str_equal(old->subsets.v[0].addresses.v[0].ip, "10.1.0.2");
    assert_int_equal(old->subsets.v[0].ports.v[0].port, 8080);
    fake_forget_calls(r.api);
    rig_run(&r, 60000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void readiness_and_deletion_show(void **state)
{
    struct rig r;
    const struct discovery_endpoint *e;
    const struct core_endpoints *old;

    (void)state;
    start(&r, 2);
    put_service(&r, PORT_80);
    put_pod(&r, "a", 1, true, "");
    put_pod(&r, "b", 2, false, "");
    rig_run(&r, 3000);
    e = slice(&r, 0)->endpoints.v;
    assert_true(*e[0].conditions.ready);
    assert_false(*e[1].conditions.ready);
    fake_edit(r.api, &res_core_pods, "default", "a",
              "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:01Z\","
              "\"deletionGracePeriodSeconds\":30}}");
    rig_run(&r, 3000);
    e = slice(&r, 0)->endpoints.v;
    assert_false(*e[0].conditions.ready);
    assert_true(*e[0].conditions.serving);
    assert_true(*e[0].conditions.terminating);
    old = OBJECT_AS(core_endpoints, fake_find(r.api, &res_core_endpoints, "default", "web"));
    assert_int_equal(old->subsets.n, 1);
    assert_int_equal(old->subsets.v[0].addresses.n, 0);
    assert_int_equal(old->subsets.v[0].not_ready_addresses.n, 1);
    fake_remove(r.api, &res_core_pods, "default", "a");
    fake_edit(r.api, &res_core_pods, "default", "b", "{\"status\":{\"phase\":\"Failed\"}}");
    rig_run(&r, 3000);
    assert_int_equal(n_slices(&r), 1); /* an empty one says so */
    assert_int_equal(n_endpoints(&r), 0);
    rig_deinit(&r);
}

static void slices_hold_a_hundred_and_are_filled_again(void **state)
{
    struct rig r;
    size_t full = 0;

    (void)state;
    start(&r, 3);
    put_service(&r, PORT_80);
    for (int i = 0; i < 250; i++) {
        auto_arena a = {0};

        put_pod(&r, arena_printf(&a, "p%03d", i), i, true, "");
    }
    rig_run(&r, 10000);
    assert_int_equal(n_endpoints(&r), 250);
    assert_int_equal(n_slices(&r), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(slice(&r, i)->endpoints.n <= 100);
        full += slice(&r, i)->endpoints.n == 100;
    }
    assert_int_equal(full, 2);
    /* One goes, one comes: one slice loses, the fullest that has room gains; none is made. */
    fake_forget_calls(r.api);
    fake_remove(r.api, &res_core_pods, "default", "p000");
    rig_run(&r, 3000);
    put_pod(&r, "q", 260, true, "");
    rig_run(&r, 3000);
    assert_int_equal(n_endpoints(&r), 250);
    assert_int_equal(n_slices(&r), 3);
    assert_int_equal(fake_calls(r.api, "create"), 0);
    assert_int_equal(fake_calls(r.api, "update endpointslices"), 2);
    rig_deinit(&r);
}

static void named_ports_make_slices_of_their_own(void **state)
{
    struct rig r;

    (void)state;
    start(&r, 4);
    put_service(&r, "\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"port\":80,\"targetPort\":\"http\"}]");
    rig_put(&r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"a\",\"labels\":{\"app\":\"web\"}},"
            "\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"name\":\"http\","
            "\"containerPort\":8080}]}]},\"status\":{\"podIP\":\"10.1.0.1\"}}");
    rig_put(&r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"b\",\"labels\":{\"app\":\"web\"}},"
            "\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"name\":\"http\","
            "\"containerPort\":9090}]}]},\"status\":{\"podIP\":\"10.1.0.2\"}}");
    rig_run(&r, 3000);
    assert_int_equal(n_slices(&r), 2);
    assert_int_equal(slice(&r, 0)->endpoints.n, 1);
    assert_int_equal(slice(&r, 1)->endpoints.n, 1);
    assert_int_equal(*slice(&r, 0)->ports.v[0].port + *slice(&r, 1)->ports.v[0].port, 17170);
    assert_int_equal(
        OBJECT_AS(core_endpoints, fake_find(r.api, &res_core_endpoints, "default", "web"))
            ->subsets.n,
        2);
    rig_deinit(&r);
}

static void services_without_a_selector_are_left_alone(void **state)
{
    struct rig r;

    (void)state;
    start(&r, 5);
    rig_put(&r, &res_core_services,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"db\"},"
            "\"spec\":{\"ports\":[{\"port\":1}]}}");
    put_pod(&r, "a", 1, true, "");
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void headless_services_are_marked(void **state)
{
    struct rig r;
    const struct string_map *m;

    (void)state;
    start(&r, 6);
    put_service(&r, "\"clusterIP\":\"None\",\"publishNotReadyAddresses\":true,\"ports\":[]");
    put_pod(&r, "a", 1, false, "");
    rig_run(&r, 3000);
    m = &slice(&r, 0)->metadata.labels;
    assert_non_null(string_map_get(m, STR("service.kubernetes.io/headless")).p);
    assert_true(*slice(&r, 0)->endpoints.v[0].conditions.ready);
    assert_false(*slice(&r, 0)->endpoints.v[0].conditions.serving);
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_says_all_of_its_pod),
        cmocka_unit_test(readiness_and_deletion_show),
        cmocka_unit_test(slices_hold_a_hundred_and_are_filled_again),
        cmocka_unit_test(named_ports_make_slices_of_their_own),
        cmocka_unit_test(services_without_a_selector_are_left_alone),
        cmocka_unit_test(headless_services_are_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
