/* test_conntrack.c - which UDP flows are stale. */
#include "test.h"

#include "proxy/conntrack.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define SERVICE_IP IP(10, 96, 0, 10)
#define POD_1 IP(10, 244, 0, 5)
#define POD_2 IP(10, 244, 0, 6)

static struct endpoint two[] = {{STR_INIT("10.244.0.5"), 5353, true},
                                {STR_INIT("10.244.0.6"), 5353, false}};
static struct frontend fronts[] = {{FRONTEND_CLUSTER_IP, STR_INIT("10.96.0.10"), 53, false, false},
                                   {FRONTEND_NODE_PORT, {NULL, 0}, 30053, false, false}};

static struct udp_index *index_of(const char *protocol, size_t n_endpoints)
{
    struct service_rules r = {.id = STR("kube-system/dns:/udp/53"),
                              .protocol = protocol,
                              .frontends = fronts,
                              .n_frontends = 2,
                              .endpoints = two,
                              .n_endpoints = n_endpoints};
    static struct service_rules kept;

    kept = r;
    return udp_index_new(&(struct model){.v = &kept, .n = 1});
}

static bool stale(const struct udp_index *x, uint32_t dst, uint16_t port, uint32_t answers,
                  uint16_t answers_port)
{
    return udp_flow_stale(x, &(struct udp_flow){dst, answers, port, answers_port});
}

static void test_flows_to_endpoints_that_went_are_stale(void **state)
{
    struct udp_index *x = index_of("udp", 1);

    (void)state;
    assert_false(stale(x, SERVICE_IP, 53, POD_1, 5353));
    assert_true(stale(x, SERVICE_IP, 53, POD_2, 5353));
    assert_true(stale(x, SERVICE_IP, 53, POD_1, 5354));    /* another port of that pod */
    assert_true(stale(x, SERVICE_IP, 53, SERVICE_IP, 53)); /* of before it had endpoints */
    udp_index_free(x);
}

static void test_foreign_flows_are_left_alone(void **state)
{
    struct udp_index *x = index_of("udp", 1);

    (void)state;
    assert_false(stale(x, SERVICE_IP, 54, POD_2, 5353));
    assert_false(stale(x, IP(8, 8, 8, 8), 53, IP(8, 8, 8, 8), 53));
    assert_false(stale(x, POD_2, 5353, POD_2, 5353)); /* straight to a pod */
    udp_index_free(x);
    x = index_of("tcp", 1);
    assert_false(stale(x, SERVICE_IP, 53, POD_2, 5353));
    udp_index_free(x);
}

static void test_node_ports(void **state)
{
    struct udp_index *x = index_of("udp", 1);

    (void)state;
    assert_false(stale(x, IP(192, 0, 2, 1), 30053, POD_1, 5353));
    assert_true(stale(x, IP(192, 0, 2, 1), 30053, POD_2, 5353));
    /* Not redirected: perhaps another machine's port of that number. */
    assert_false(stale(x, IP(198, 51, 100, 1), 30053, IP(198, 51, 100, 1), 30053));
    udp_index_free(x);
}

static void test_hash_tells_changes(void **state)
{
    struct udp_index *a = index_of("udp", 1), *b = index_of("udp", 1), *c = index_of("udp", 2);

    (void)state;
    assert_true(udp_index_hash(a) == udp_index_hash(b));
    assert_true(udp_index_hash(a) != udp_index_hash(c));
    udp_index_free(a);
    udp_index_free(b);
    udp_index_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows_to_endpoints_that_went_are_stale),
        cmocka_unit_test(test_foreign_flows_are_left_alone),
        cmocka_unit_test(test_node_ports),
        cmocka_unit_test(test_hash_tells_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
