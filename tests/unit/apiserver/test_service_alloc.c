/* test_service_alloc.c - addresses and node ports of Services. */
#include "apiserver/address.h"
#include "server.h"

#define SERVICES "/api/v1/namespaces/default/services"

static struct reply *make(struct server *s, const char *name, const char *spec)
{
    return server_post(
        s, SERVICES,
        arena_printf(&s->arena, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s}}", name, spec));
}

static struct str spec_of(struct server *s, const struct reply *r, const char *path)
{
    struct doc d = reply_doc(s, r);
    const struct doc *m = doc_path(&d, path);

    return m ? json_to_str(&s->arena, m) : STR("absent");
}

static int ip_status(struct server *s, const char *ip)
{
    return server_get(s, arena_printf(&s->arena, "/apis/networking.k8s.io/v1/ipaddresses/%s", ip))
        ->status;
}

#define PORT "\"ports\":[{\"port\":80}]"

static void test_cluster_ip_is_given_and_taken_back(void **state)
{
    struct server s;
    struct reply *r;
    const char *ip;
    struct cidr range;
    struct address a;
    uint64_t at;
    struct err err = {0};

    server_start(&s);
    r = make(&s, "a", PORT);
    assert_int_equal(r->status, 201);
    ip = reply_str(&s, r, "spec.clusterIP");
    assert_ok(cidr_parse(STR("10.96.0.0/16"), &range, &err), &err);
    assert_true(address_parse(str_from(ip), &a));
    assert_true(cidr_holds(&range, a, &at));
    assert_true(at >= 256); /* above the band for those who ask */
    assert_str_equal(spec_of(&s, r, "spec.clusterIPs"), arena_printf(&s.arena, "[\"%s\"]", ip));
    assert_str_equal(spec_of(&s, r, "spec.ipFamilies"), "[\"IPv4\"]");
    assert_str_equal(spec_of(&s, r, "spec.ipFamilyPolicy"), "\"SingleStack\"");
    assert_int_equal(ip_status(&s, ip), 200);
    assert_int_equal(server_delete(&s, SERVICES "/a")->status, 200);
    assert_int_equal(ip_status(&s, ip), 404);
    server_stop(&s);
}

static void test_given_ip_is_exclusive(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    assert_int_equal(make(&s, "a", PORT ",\"clusterIP\":\"10.96.0.10\"")->status, 201);
    r = make(&s, "b", PORT ",\"clusterIP\":\"10.96.0.10\"");
    assert_int_equal(r->status, 422);
    assert_string_equal(
        reply_str(&s, r, "message"),
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: "
        "[\"10.96.0.10\"]: failed to allocate IP 10.96.0.10: provided IP is already "
        "allocated");
    r = make(&s, "b", PORT ",\"clusterIP\":\"10.1.0.10\"");
    assert_string_equal(reply_str(&s, r, "message"),
                        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: "
                        "[\"10.1.0.10\"]: failed to allocate IP 10.1.0.10: the provided network "
                        "does not match the current range");
    assert_int_equal(server_delete(&s, SERVICES "/a")->status, 200);
    assert_int_equal(make(&s, "b", PORT ",\"clusterIP\":\"10.96.0.10\"")->status, 201);
    server_stop(&s);
}

static void test_headless_and_external(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = make(&s, "h", PORT ",\"clusterIP\":\"None\",\"selector\":{\"a\":\"b\"}");
    assert_int_equal(r->status, 201);
    assert_str_equal(spec_of(&s, r, "spec.clusterIPs"), "[\"None\"]");
    assert_str_equal(spec_of(&s, r, "spec.ipFamilies"), "[\"IPv4\"]");
    r = make(&s, "b", PORT ",\"clusterIP\":\"None\"");
    assert_str_equal(spec_of(&s, r, "spec.ipFamilies"), "[\"IPv4\",\"IPv6\"]");
    assert_str_equal(spec_of(&s, r, "spec.ipFamilyPolicy"), "\"RequireDualStack\"");
    r = make(&s, "e", "\"type\":\"ExternalName\",\"externalName\":\"x.example\"");
    assert_int_equal(r->status, 201);
    assert_str_equal(spec_of(&s, r, "spec.clusterIP"), "absent");
    assert_str_equal(spec_of(&s, r, "spec.ipFamilies"), "absent");
    r = make(&s, "d", PORT ",\"ipFamilyPolicy\":\"RequireDualStack\"");
    assert_int_equal(r->status, 422);
    r = make(&s, "d", PORT ",\"ipFamilies\":[\"IPv6\"]");
    assert_string_equal(
        reply_str(&s, r, "message"),
        "Service \"d\" is invalid: spec.ipFamilies[0]: Invalid value: \"IPv6\": not "
        "configured on this cluster");
    server_stop(&s);
}

static void test_node_ports(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;
    int64_t port;

    server_start(&s);
    r = make(&s, "a", PORT ",\"type\":\"NodePort\"");
    assert_int_equal(r->status, 201);
    d = reply_doc(&s, r);
    port = doc_path_int(&doc_path(&d, "spec.ports")->items[0], "nodePort", 0);
    assert_in_range(port, 30086, 32767);
    r = make(&s, "b", "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]");
    assert_int_equal(r->status, 201);
    r = make(&s, "c", "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]");
    assert_int_equal(r->status, 422);
    assert_string_equal(reply_str(&s, r, "message"),
                        "Service \"c\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: "
                        "provided port is already allocated");
    r = make(&s, "c", "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":80}]");
    assert_string_equal(reply_str(&s, r, "message"),
                        "Service \"c\" is invalid: spec.ports[0].nodePort: Invalid value: 80: "
                        "provided port is not in the valid range. The range of valid ports is "
                        "30000-32767");
    /* Free again at once when the Service is gone. */
    assert_int_equal(server_delete(&s, SERVICES "/b")->status, 200);
    r = make(&s, "c", "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]");
    assert_int_equal(r->status, 201);
    server_stop(&s);
}

static void test_protocols_share_a_node_port(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;
    const struct doc *ports;

    server_start(&s);
    r = make(&s, "a",
             "\"type\":\"NodePort\",\"ports\":[{\"name\":\"t\",\"port\":53,\"protocol\":\"TCP\"},"
             "{\"name\":\"u\",\"port\":53,\"protocol\":\"UDP\"},{\"name\":\"x\",\"port\":54}]");
    assert_int_equal(r->status, 201);
    d = reply_doc(&s, r);
    ports = doc_path(&d, "spec.ports");
    assert_int_equal(doc_path_int(&ports->items[0], "nodePort", 0),
                     doc_path_int(&ports->items[1], "nodePort", 1));
    assert_int_not_equal(doc_path_int(&ports->items[0], "nodePort", 0),
                         doc_path_int(&ports->items[2], "nodePort", 0));
    server_stop(&s);
}

static void test_update_keeps_and_type_changes_release(void **state)
{
    struct server s;
    struct reply *r;
    const char *ip;
    struct str ports;

    server_start(&s);
    r = make(&s, "a", PORT ",\"type\":\"NodePort\"");
    ip = reply_str(&s, r, "spec.clusterIP");
    ports = spec_of(&s, r, "spec.ports");
    r = server_put(&s, SERVICES "/a",
                   "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"NodePort\"," PORT "}}");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(&s, r, "spec.clusterIP"), ip);
    assert_true(str_eq(spec_of(&s, r, "spec.ports"), ports));
    r = server_patch(&s, SERVICES "/a", "merge", "{\"spec\":{\"type\":\"ClusterIP\"}}");
    assert_int_equal(r->status, 200);
    assert_str_equal(spec_of(&s, r, "spec.ports"),
                     "[{\"protocol\":\"TCP\",\"port\":80,\"targetPort\":80}]");
    r = server_patch(&s, SERVICES "/a", "merge",
                     "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x.example\"}}");
    assert_int_equal(r->status, 200);
    assert_str_equal(spec_of(&s, r, "spec.clusterIP"), "absent");
    assert_int_equal(ip_status(&s, ip), 404);
    r = server_patch(&s, SERVICES "/a", "merge",
                     "{\"spec\":{\"type\":\"ClusterIP\",\"externalName\":null}}");
    assert_int_equal(r->status, 200);
    assert_int_equal(ip_status(&s, reply_str(&s, r, "spec.clusterIP")), 200);
    server_stop(&s);
}

static void test_dry_run_takes_nothing(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = server_post(&s, SERVICES "?dryRun=All",
                    "{\"metadata\":{\"name\":\"a\"},\"spec\":{" PORT
                    ",\"clusterIP\":\"10.96.0.20\"}}");
    assert_int_equal(r->status, 201);
    assert_int_equal(ip_status(&s, "10.96.0.20"), 404);
    assert_int_equal(make(&s, "b", PORT ",\"clusterIP\":\"10.96.0.20\"")->status, 201);
    server_stop(&s);
}

static struct reply *start(struct server *s, const char *name, const char *spec)
{
    return server_call(
        s,
        &(struct call){.method = "POST",
                       .target = SERVICES,
                       .type = "application/json",
                       .body = arena_printf(
                           &s->arena, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s}}", name, spec),
                       .dont_wait = true});
}

static void test_two_at_once_get_different_ones(void **state)
{
    struct server s;
    struct reply *a, *b;
    struct doc list;
    const struct doc *items;

    server_start(&s);
    /* The same address: one of them is too late. */
    a = start(&s, "a", PORT ",\"clusterIP\":\"10.96.0.10\"");
    b = start(&s, "b", PORT ",\"clusterIP\":\"10.96.0.10\"");
    sim_run_for(s.sim, 1000);
    assert_int_equal(a->status, 201);
    assert_int_equal(b->status, 422);
    assert_string_equal(
        reply_str(&s, b, "message"),
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: "
        "[\"10.96.0.10\"]: failed to allocate IP 10.96.0.10: provided IP is already "
        "allocated");
    /* The same port likewise; its address is not kept. */
    a = start(&s, "c", "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]");
    b = start(&s, "d", "\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]");
    sim_run_for(s.sim, 1000);
    assert_int_equal(a->status, 201);
    assert_int_equal(b->status, 422);
    list = reply_doc(&s, server_get(&s, "/apis/networking.k8s.io/v1/ipaddresses"));
    items = doc_path(&list, "items");
    assert_int_equal(items->n, 3); /* kubernetes, a, c */
    server_stop(&s);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        uint64_t usable;
        const char *first;
    } cases[] = {
        {"10.96.0.0/16", 65534, "10.96.0.1"},
        {"10.0.0.7/30", 2, "10.0.0.5"},
        {"10.0.0.0/31", 0, NULL},
        {"fd00::/112", 65535, "fd00::1"},
        {"fd00::/64", UINT64_C(1) << 32, "fd00::1"},
    };
    auto_arena a = {0};
    struct err err = {0};
    struct cidr c;
    struct address ip;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_ok(cidr_parse(str_from(cases[i].text), &c, &err), &err);
        assert_true(cidr_usable(&c) == cases[i].usable);
        if (cases[i].first)
            assert_str_equal(address_str(cidr_at(&c, 0), &a), cases[i].first);
    }
    assert_int_equal(cidr_parse(STR("10.0.0.0"), &c, &err), ERR_INVALID);
    assert_int_equal(cidr_parse(STR("10.0.0.0/33"), &c, &err), ERR_INVALID);
    assert_ok(cidr_parse(STR("10.0.0.0/24"), &c, &err), &err);
    assert_true(address_parse(STR("10.0.0.0"), &ip));
    assert_false(cidr_holds(&c, ip, NULL));
    assert_true(address_parse(STR("10.0.0.255"), &ip));
    assert_false(cidr_holds(&c, ip, NULL));
    assert_true(address_parse(STR("10.0.0.254"), &ip));
    assert_true(cidr_holds(&c, ip, NULL));
    assert_false(address_parse(STR("10.0.0"), &ip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_ip_is_given_and_taken_back),
        cmocka_unit_test(test_given_ip_is_exclusive),
        cmocka_unit_test(test_headless_and_external),
        cmocka_unit_test(test_node_ports),
        cmocka_unit_test(test_protocols_share_a_node_port),
        cmocka_unit_test(test_update_keeps_and_type_changes_release),
        cmocka_unit_test(test_dry_run_takes_nothing),
        cmocka_unit_test(test_two_at_once_get_different_ones),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
