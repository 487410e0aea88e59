/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "proxy/nft_rules.h"

static struct endpoint two[] = {{STR_INIT("10.244.0.5"), 8080, true},
                                {STR_INIT("10.244.0.6"), 8080, false}};
static struct frontend cluster[] = {{FRONTEND_CLUSTER_IP, STR_INIT("10.96.0.20"), 80, false}};
static struct frontend with_port[] = {
    {FRONTEND_CLUSTER_IP, STR_INIT("10.96.0.20"), 80, false},
    {FRONTEND_NODE_PORT, {NULL, 0}, 30080, true},
};

static struct service_rules web(struct frontend *f, size_t n_f, struct endpoint *e, size_t n_e,
                                uint32_t affinity)
{
    return (struct service_rules){.id = STR("default/web:http/tcp/80"),
                                  .protocol = "tcp",
                                  .frontends = f,
                                  .n_frontends = n_f,
                                  .endpoints = e,
                                  .n_endpoints = n_e,
                                  .affinity_sec = affinity};
}

static void build(struct service_rules *r, struct nft_state *s)
{
    struct model m = {.v = r, .n = 1};

    nft_state_build(&m, s);
}

static const char *chain_with_prefix(const struct nft_state *s, const char *prefix)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(&s->chains, &it, &key, &value);) {
        if (str_has_prefix(key, str_from(prefix)))
            return value;
    }
    return NULL;
}

static void test_cluster_ip_goes_to_every_endpoint(void **state)
{
    struct service_rules r = web(cluster, 1, two, 2, 0);
    struct nft_state s;
    const char *svc;

    (void)state;
    build(&r, &s);
    assert_int_equal(s.chains.n, 3); /* the service and two endpoints */
    assert_int_equal(s.elements.n, 1);
    svc = chain_with_prefix(&s, "svc-");
    assert_non_null(svc);
    assert_non_null(strstr(svc, "ip saddr != @pod_networks jump mark-masquerade\n"));
    assert_non_null(strstr(svc, "numgen random mod 2 vmap { 0 : goto ep-"));
    assert_non_null(map_find(&s.elements, STR("service_ips 10.96.0.20 . tcp . 80")));
    nft_state_deinit(&s);
}

static void test_without_endpoints_connections_are_refused(void **state)
{
    struct service_rules r = web(cluster, 1, NULL, 0, 0);
    struct nft_state s;

    (void)state;
    build(&r, &s);
    assert_int_equal(s.chains.n, 0);
    assert_string_equal(map_find(&s.elements, STR("no_endpoints 10.96.0.20 . tcp . 80")),
                        "goto reject-it");
    nft_state_deinit(&s);
}

static void test_local_policy_takes_only_this_nodes_endpoints(void **state)
{
    struct service_rules r = web(with_port, 2, two, 2, 0);
    struct service_rules remote = web(with_port, 2, two + 1, 1, 0);
    struct nft_state s;
    const char *ext;

    (void)state;
    build(&r, &s);
    ext = chain_with_prefix(&s, "ext-");
    assert_non_null(ext);
    assert_null(strstr(ext, "mark-masquerade")); /* the source address is kept */
    assert_non_null(strstr(ext, "numgen random mod 1"));
    nft_state_deinit(&s);
    build(&remote, &s);
    assert_string_equal(map_find(&s.elements, STR("no_endpoint_ports tcp . 30080")), "drop");
    nft_state_deinit(&s);
}

static void test_affinity_remembers_the_client(void **state)
{
    struct service_rules r = web(cluster, 1, two, 2, 10800);
    struct nft_state s;

    (void)state;
    build(&r, &s);
    assert_int_equal(s.sets.n, 2);
    assert_non_null(strstr(chain_with_prefix(&s, "ep-"), "update @aff-"));
    nft_state_deinit(&s);
}

static void test_equal_states_need_no_commands(void **state)
{
    struct service_rules r = web(with_port, 2, two, 2, 60);
    struct nft_state a, b;
    auto_buf out = {0};

    (void)state;
    build(&r, &a);
    build(&r, &b);
    nft_write_diff(&a, &b, &out);
    assert_int_equal(out.len, 0);
    nft_state_deinit(&a);
    nft_state_deinit(&b);
}

static void test_an_endpoint_that_goes_changes_only_what_names_it(void **state)
{
    struct service_rules before = web(cluster, 1, two, 2, 0), after = web(cluster, 1, two, 1, 0);
    struct nft_state a, b;
    auto_buf out = {0};
    const char *text;

    (void)state;
    build(&before, &a);
    build(&after, &b);
    nft_write_diff(&a, &b, &out);
    text = buf_cstr(&out);
    assert_non_null(strstr(text, "flush chain ip skiff svc-"));
    assert_non_null(strstr(text, "numgen random mod 1 vmap { 0 : goto ep-"));
    assert_non_null(strstr(text, "delete chain ip skiff ep-"));
    assert_null(strstr(text, "element")); /* the address still leads to the same chain */
    nft_state_deinit(&a);
    nft_state_deinit(&b);
}

static void test_foreign_sources_are_dropped_before_the_load_balancer(void **state)
{
    struct frontend lb[] = {{FRONTEND_CLUSTER_IP, STR_INIT("10.96.0.20"), 80, false, false},
                            {FRONTEND_EXTERNAL_IP, STR_INIT("203.0.113.5"), 80, false, true}};
    struct service_rules r = web(lb, 2, two, 2, 0);
    struct nft_state s;

    (void)state;
    build(&r, &s);
    assert_null(chain_with_prefix(&s, "fw-"));
    nft_state_deinit(&s);
    r.sources = STR("198.51.100.0/24, 10.0.0.0/8");
    build(&r, &s);
    assert_string_equal(chain_with_prefix(&s, "fw-"),
                        "ip saddr != { 198.51.100.0/24, 10.0.0.0/8 } drop\n");
    assert_non_null(map_find(&s.elements, STR("firewall_ips 203.0.113.5 . tcp . 80")));
    assert_null(map_find(&s.elements, STR("firewall_ips 10.96.0.20 . tcp . 80")));
    nft_state_deinit(&s);
}

static void test_pods_are_masqueraded_outside_their_network(void **state)
{
    struct nft_state s = {0};
    auto_buf out = {0};

    (void)state;
    nft_write_full(&s, "10.244.0.0/24", &out);
    assert_non_null(strstr(buf_cstr(&out), "elements = { 10.244.0.0/24 }"));
    assert_non_null(strstr(buf_cstr(&out), "ip saddr @pod_networks ip daddr != @pod_networks "
                                           "ip daddr != 224.0.0.0/4 masquerade\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_ip_goes_to_every_endpoint),
        cmocka_unit_test(test_without_endpoints_connections_are_refused),
        cmocka_unit_test(test_local_policy_takes_only_this_nodes_endpoints),
        cmocka_unit_test(test_affinity_remembers_the_client),
        cmocka_unit_test(test_foreign_sources_are_dropped_before_the_load_balancer),
        cmocka_unit_test(test_pods_are_masqueraded_outside_their_network),
        cmocka_unit_test(test_equal_states_need_no_commands),
        cmocka_unit_test(test_an_endpoint_that_goes_changes_only_what_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
