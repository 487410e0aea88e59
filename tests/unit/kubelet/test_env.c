/* SPDX-License-Identifier: Apache-2.0 */
/* test_env.c - environments: expansion, services, order, downward fields, DNS. */
#include "kubelet/pod_config.h"
#include "schema/typed.h"
#include "test.h"

static const struct core_pod *pod_of(struct arena *a, const char *json)
{
    struct err err = {0};
    void *obj;

    assert_ok(typed_from_json(&type_core_pod, str_from(json), a, &obj, &err), &err);
    return obj;
}

static void test_expand_replaces_known_names_only(void **state)
{
    static const struct {
        const char *text, *expanded;
    } cases[] = {
        {"plain", "plain"},         {"$(A)", "1"},          {"x$(A)y$(B)z", "x1ytwoz"},
        {"$$(A)", "$(A)"},          {"$$$(A)", "$1"},       {"$(NOPE)", "$(NOPE)"},
        {"$(A", "$(A"},             {"$A", "$A"},           {"a$", "a$"},
        {"$()", "$()"},             {"$(SVC)", "s"},        {"", ""},
        {"$$$$", "$$"},             {"$(EMPTY)|", "|"},
    };
    struct env first = {0}, second = {0};
    auto_arena a = {0};

    (void)state;
    env_set(&first, STR("A"), STR("1"));
    env_set(&first, STR("B"), STR("two"));
    env_set(&first, STR("EMPTY"), STR(""));
    env_set(&second, STR("SVC"), STR("s"));
    env_set(&second, STR("A"), STR("not this"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_str_equal(env_expand(&first, &second, str_from(cases[i].text), &a, NULL),
                         cases[i].expanded);
    env_deinit(&first);
    env_deinit(&second);
}

static void test_expand_reports_missing_names(void **state)
{
    struct env e = {0};
    bool missing = false;
    auto_arena a = {0};

    (void)state;
    env_set(&e, STR("A"), STR("1"));
    (void)env_expand(&e, NULL, STR("$(A)"), &a, &missing);
    assert_false(missing);
    (void)env_expand(&e, NULL, STR("$(B)"), &a, &missing);
    assert_true(missing);
    env_deinit(&e);
}

static void test_service_variables_are_upstreams(void **state)
{
    static const char *const expected[][2] = {
        {"MY_SVC_SERVICE_HOST", "10.0.0.7"},
        {"MY_SVC_SERVICE_PORT", "80"},
        {"MY_SVC_SERVICE_PORT_WEB", "80"},
        {"MY_SVC_PORT", "tcp://10.0.0.7:80"},
        {"MY_SVC_PORT_80_TCP", "tcp://10.0.0.7:80"},
        {"MY_SVC_PORT_80_TCP_PROTO", "tcp"},
        {"MY_SVC_PORT_80_TCP_PORT", "80"},
        {"MY_SVC_PORT_80_TCP_ADDR", "10.0.0.7"},
        {"MY_SVC_PORT_53_UDP", "udp://10.0.0.7:53"},
        {"MY_SVC_PORT_53_UDP_PROTO", "udp"},
        {"MY_SVC_PORT_53_UDP_PORT", "53"},
        {"MY_SVC_PORT_53_UDP_ADDR", "10.0.0.7"},
    };
    auto_arena a = {0};
    struct env e = {0};
    struct err err = {0};
    void *svc;

    (void)state;
    assert_ok(typed_from_json(&type_core_service,
                              STR("{\"metadata\":{\"name\":\"my-svc\"},\"spec\":{\"clusterIP\":"
                                  "\"10.0.0.7\",\"ports\":[{\"name\":\"web\",\"port\":80,"
                                  "\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}}"),
                              &a, &svc, &err),
              &err);
    env_add_service(&e, svc, &a);
    assert_int_equal(e.list.n, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_str_equal(env_get(&e, str_from(expected[i][0])), expected[i][1]);
    env_deinit(&e);
}

static void test_headless_services_have_no_variables(void **state)
{
    auto_arena a = {0};
    struct env e = {0};
    struct err err = {0};
    void *svc;

    (void)state;
    assert_ok(typed_from_json(&type_core_service,
                              STR("{\"metadata\":{\"name\":\"h\"},\"spec\":{\"clusterIP\":\"None\","
                                  "\"ports\":[{\"port\":80}]}}"),
                              &a, &svc, &err),
              &err);
    env_add_service(&e, svc, &a);
    assert_int_equal(e.list.n, 0);
    env_deinit(&e);
}

static const char env_pod[] =
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u1\","
    "\"labels\":{\"a\":\"1\",\"b\":\"say \\\"x\\\"\"}},"
    "\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\","
    "\"resources\":{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"64Mi\"}},\"env\":["
    "{\"name\":\"A\",\"value\":\"x\"},{\"name\":\"B\",\"value\":\"$(A)$(S_SERVICE_HOST)\"},"
    "{\"name\":\"S_PORT\",\"value\":\"mine\"},"
    "{\"name\":\"LABEL\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['a']\"}}},"
    "{\"name\":\"NONE\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['z']\"}}},"
    "{\"name\":\"NODE\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.nodeName\"}}},"
    "{\"name\":\"CPU\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},"
    "{\"name\":\"CPUM\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\","
    "\"divisor\":\"1m\"}}},"
    "{\"name\":\"MEM\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\","
    "\"divisor\":\"1Mi\"}}},"
    "{\"name\":\"A\",\"value\":\"again\"}]}]}}";

static void test_env_order_and_sources(void **state)
{
    static const char *const expected[][2] = {
        {"A", "again"},   {"B", "x10.0.0.1"}, {"S_PORT", "mine"},
        {"LABEL", "1"},   {"NONE", ""},       {"NODE", "n1"},
        {"CPU", "2"},     {"CPUM", "1500"},   {"MEM", "64"},
        {"S_SERVICE_HOST", "10.0.0.1"},
    };
    auto_arena a = {0};
    const struct core_pod *pod = pod_of(&a, env_pod);
    struct downward_source s = {.pod = pod};
    struct env e = {0}, services = {0};
    struct refs refs = {.arena = &a};
    struct err err = {0};

    (void)state;
    env_set(&services, STR("S_SERVICE_HOST"), STR("10.0.0.1"));
    env_set(&services, STR("S_PORT"), STR("tcp://10.0.0.1:80"));
    assert_ok(env_make(&s, &pod->spec.containers.v[0], &refs, &services, &a, &e, &err), &err);
    assert_int_equal(e.list.n, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_str_equal(env_get(&e, str_from(expected[i][0])), expected[i][1]);
    env_deinit(&e);
    env_deinit(&services);
}

static void add_config_map(struct refs *refs, const char *name, const char *json)
{
    struct err err = {0};
    struct named *r;

    refs_add(refs, REF_CONFIG_MAP, str_from(name));
    r = refs->list.v[refs->list.n - 1];
    r->code = ERR_NOT_FOUND;
    r->message = str_printf(refs->arena, "configmap \"%s\" not found", name);
    if (json) {
        assert_ok(object_from_wire(&res_core_configmaps, str_from(json), &r->object, &err), &err);
        r->code = 0;
    }
}

static int make_with(const char *container, struct refs *refs, struct arena *a, struct env *e,
                     struct err *err)
{
    const struct core_pod *pod =
        pod_of(a, arena_printf(a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},"
                                  "\"spec\":{\"containers\":[%s]}}",
                               container));
    struct downward_source s = {.pod = pod};
    struct env services = {0};

    return env_make(&s, &pod->spec.containers.v[0], refs, &services, a, e, err);
}

static void test_env_of_config_maps(void **state)
{
    auto_arena a = {0};
    struct env e = {0};
    struct refs refs = {.arena = &a};
    struct err err = {0};

    (void)state;
    add_config_map(&refs, "cm",
                   "{\"metadata\":{\"name\":\"cm\",\"namespace\":\"ns\",\"resourceVersion\":\"1\"},"
                   "\"data\":{\"k\":\"v\",\"bad=name\":\"x\"}}");
    add_config_map(&refs, "gone", NULL);
    assert_ok(make_with("{\"name\":\"c\",\"envFrom\":[{\"prefix\":\"P_\","
                        "\"configMapRef\":{\"name\":\"cm\"}},{\"configMapRef\":{"
                        "\"name\":\"gone\",\"optional\":true}}],"
                        "\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":"
                        "\"cm\",\"key\":\"k\"}}},{\"name\":\"O\",\"valueFrom\":{"
                        "\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"no\","
                        "\"optional\":true}}}]}",
                        &refs, &a, &e, &err),
              &err);
    assert_int_equal(e.list.n, 2);
    assert_str_equal(env_get(&e, STR("P_k")), "v");
    assert_str_equal(env_get(&e, STR("X")), "v");
    env_deinit(&e);
    assert_int_equal(make_with("{\"name\":\"c\",\"env\":[{\"name\":\"X\",\"valueFrom\":{"
                               "\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"no\"}}}]}",
                               &refs, &a, &e, &err),
                     ERR_NOT_FOUND);
    assert_string_equal(err.msg, "couldn't find key no in ConfigMap ns/cm");
    assert_int_equal(make_with("{\"name\":\"c\",\"envFrom\":[{\"configMapRef\":{\"name\":"
                               "\"gone\"}}]}",
                               &refs, &a, &e, &err),
                     ERR_NOT_FOUND);
    assert_string_equal(err.msg, "configmap \"gone\" not found");
    env_deinit(&e);
    refs_deinit(&refs);
}

static void test_downward_labels_are_quoted_lines(void **state)
{
    auto_arena a = {0};
    struct downward_source s = {.pod = pod_of(&a, env_pod)};
    struct err err = {0};
    struct str value;

    (void)state;
    assert_ok(downward_field(&s, STR("metadata.labels"), &a, &value, &err), &err);
    assert_str_equal(value, "a=\"1\"\nb=\"say \\\"x\\\"\"");
    assert_int_equal(downward_field(&s, STR("spec.secret"), &a, &value, &err), ERR_INVALID);
}

static void check_dns(const char *spec, const char *servers, const char *searches,
                      const char *options)
{
    auto_arena a = {0};
    struct buf b[3] = {{0}};
    struct resolv_conf rc = {0};
    const struct core_pod *pod = pod_of(
        &a, arena_printf(&a, "{\"metadata\":{\"namespace\":\"ns\"},\"spec\":{%s}}", spec));

    pod_dns(pod, "10.96.0.10", "cluster.local",
            STR("# x\nnameserver 192.0.2.1\nsearch example.org\noptions timeout:1\n"), &a, &rc);
    for (size_t i = 0; i < rc.servers.n; i++)
        buf_printf(&b[0], "%s ", rc.servers.v[i]);
    for (size_t i = 0; i < rc.searches.n; i++)
        buf_printf(&b[1], "%s ", rc.searches.v[i]);
    for (size_t i = 0; i < rc.options.n; i++)
        buf_printf(&b[2], "%s ", rc.options.v[i]);
    assert_string_equal(buf_cstr(&b[0]), servers);
    assert_string_equal(buf_cstr(&b[1]), searches);
    assert_string_equal(buf_cstr(&b[2]), options);
    for (size_t i = 0; i < 3; i++)
        buf_deinit(&b[i]);
    resolv_conf_deinit(&rc);
}

static void test_dns_follows_the_policy(void **state)
{
    (void)state;
    check_dns("\"dnsPolicy\":\"ClusterFirst\"", "10.96.0.10 ",
              "ns.svc.cluster.local svc.cluster.local cluster.local example.org ", "ndots:5 ");
    check_dns("\"dnsPolicy\":\"ClusterFirst\",\"hostNetwork\":true", "192.0.2.1 ", "example.org ",
              "timeout:1 ");
    check_dns("\"dnsPolicy\":\"Default\"", "192.0.2.1 ", "example.org ", "timeout:1 ");
    check_dns("\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\"],\"searches\":"
              "[\"x.y\"],\"options\":[{\"name\":\"ndots\",\"value\":\"2\"},{\"name\":\"edns0\"}]}",
              "1.1.1.1 ", "x.y ", "ndots:2 edns0 ");
    check_dns("\"dnsPolicy\":\"ClusterFirst\",\"dnsConfig\":{\"options\":[{\"name\":\"ndots\","
              "\"value\":\"2\"}]}",
              "10.96.0.10 ",
              "ns.svc.cluster.local svc.cluster.local cluster.local example.org ", "ndots:2 ");
}

static void test_resolv_conf_of_the_node_is_the_one_given(void **state)
{
    static const struct str given = {"nameserver 192.0.2.7\n", 21};
    char path[] = "/tmp/skiff-test-resolv-XXXXXX";
    auto_arena a = {0};
    struct err err = {0};
    struct str text;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, given.p, given.len), given.len);
    assert_int_equal(close(fd), 0);
    assert_ok(host_resolv_conf(path, &a, &text, &err), &err);
    assert_str_equal(text, "nameserver 192.0.2.7\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(host_resolv_conf(path, &a, &text, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, path));
    assert_ok(host_resolv_conf(NULL, &a, &text, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand_replaces_known_names_only),
        cmocka_unit_test(test_expand_reports_missing_names),
        cmocka_unit_test(test_service_variables_are_upstreams),
        cmocka_unit_test(test_headless_services_have_no_variables),
        cmocka_unit_test(test_env_order_and_sources),
        cmocka_unit_test(test_env_of_config_maps),
        cmocka_unit_test(test_downward_labels_are_quoted_lines),
        cmocka_unit_test(test_dns_follows_the_policy),
        cmocka_unit_test(test_resolv_conf_of_the_node_is_the_one_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
