/* SPDX-License-Identifier: Apache-2.0 */
/* The names of https://github.com/kubernetes/dns/blob/master/docs/specification.md */
#include "objects.h"

#include "base/buf.h"
#include "dns/zone.h"

#define META(name) "'metadata':{'name':'" name "','namespace':'default','resourceVersion':'1'}"
#define SERVICE(name, spec) "{" META(name) ",'spec':{" spec "}}"

struct fixture {
    struct omap services, endpoints;
    struct zone zone;
    struct arena arena;
    struct answer answer;
};

static void service(struct fixture *f, const char *json)
{
    objects_put(&f->services, &res_core_services, json);
}

static int setup(void **state)
{
    struct fixture *f = xnew(struct fixture);

    omap_init(&f->services, &object_omap_ops);
    omap_init(&f->endpoints, &object_omap_ops);
    f->zone = (struct zone){STR("cluster.local"), &f->services, &f->endpoints};
    service(f, SERVICE("web", "'type':'ClusterIP','clusterIP':'10.96.0.20','ports':["
                              "{'name':'http','port':80},"
                              "{'name':'dns','protocol':'UDP','port':53},{'port':9}]"));
    service(f, SERVICE("db", "'type':'ClusterIP','clusterIP':'None','ports':["
                             "{'name':'sql','protocol':'TCP','port':5432}]"));
    service(f, SERVICE("idle", "'type':'ClusterIP','clusterIP':'None'"));
    service(f, SERVICE("out", "'type':'ExternalName','externalName':'example.com'"));
    service(f, SERVICE("dotted", "'type':'ExternalName','externalName':'example.org.'"));
    service(f, SERVICE("six", "'type':'ClusterIP','clusterIP':'fd00::1'"));
    objects_put(&f->endpoints, &res_core_endpoints,
                "{" META("db") ",'subsets':[{'addresses':[{'ip':'10.244.0.5','hostname':'db-0'},"
                "{'ip':'10.244.0.6'},{'ip':'fd00::5','hostname':'db-6'}],"
                "'notReadyAddresses':[{'ip':'10.244.0.9','hostname':'db-9'}],"
                "'ports':[{'name':'sql','port':15432,'protocol':'TCP'}]}]}");
    objects_put(&f->endpoints, &res_core_endpoints,
                "{" META("idle") ",'subsets':[{'notReadyAddresses':[{'ip':'10.244.0.7'}]}]}");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_deinit(&f->arena);
    omap_deinit(&f->services);
    omap_deinit(&f->endpoints);
    free(f);
    return 0;
}

static void ask(struct fixture *f, const char *name, enum record_type type)
{
    zone_answer(&f->zone, str_from(name), type, &f->arena, &f->answer);
}

/* Asks, and compares all records, a line each: "TYPE owner data", "+" before additional ones. */
static void expect(struct fixture *f, const char *name, enum record_type type, const char *want)
{
    static const char *const names[] = {"A", "SRV", "PTR", "CNAME", "TXT", "SOA", "NS"};
    auto_buf b = {0};

    ask(f, name, type);
    assert_int_equal(f->answer.outcome, ZONE_FOUND);
    for (size_t i = 0; i < f->answer.n; i++) {
        const struct record *r = &f->answer.records[i];

        buf_printf(&b, "%s%s %.*s %.*s\n", r->additional ? "+" : "", names[r->type],
                   STR_ARG(r->owner), STR_ARG(r->data));
    }
    assert_string_equal(buf_cstr(&b), want);
}

static void expect_missing(struct fixture *f, const char *name, enum record_type type)
{
    ask(f, name, type);
    assert_int_equal(f->answer.outcome, ZONE_NO_SUCH_NAME);
    assert_int_equal(f->answer.n, 0);
}

static void expect_other(struct fixture *f, const char *name, enum record_type type)
{
    ask(f, name, type);
    assert_int_equal(f->answer.outcome, ZONE_NOT_OURS);
}

static void test_cluster_ip_is_the_address(void **state)
{
    struct fixture *f = *state;

    expect(f, "web.default.svc.cluster.local", RECORD_A,
           "A web.default.svc.cluster.local. 10.96.0.20\n");
    expect(f, "six.default.svc.cluster.local", RECORD_A, ""); /* no IPv4 address */
}

static void test_headless_has_the_ready_addresses(void **state)
{
    struct fixture *f = *state;

    expect(f, "db.default.svc.cluster.local", RECORD_A,
           "A db.default.svc.cluster.local. 10.244.0.5\n"
           "A db.default.svc.cluster.local. 10.244.0.6\n");
    expect_missing(f, "idle.default.svc.cluster.local", RECORD_A);
}

static void test_endpoints_by_hostname_or_address(void **state)
{
    struct fixture *f = *state;

    expect(f, "db-0.db.default.svc.cluster.local", RECORD_A,
           "A db-0.db.default.svc.cluster.local. 10.244.0.5\n");
    expect(f, "10-244-0-6.db.default.svc.cluster.local", RECORD_A,
           "A 10-244-0-6.db.default.svc.cluster.local. 10.244.0.6\n");
    expect(f, "db-6.db.default.svc.cluster.local", RECORD_A, "");   /* IPv6 only */
    expect(f, "db-0.db.default.svc.cluster.local", RECORD_TXT, "");
    expect_missing(f, "db-9.db.default.svc.cluster.local", RECORD_A); /* not ready */
    expect_missing(f, "db-1.db.default.svc.cluster.local", RECORD_A);
    expect_missing(f, "10-244-0-5.db.default.svc.cluster.local", RECORD_A); /* has a hostname */
    expect_missing(f, "db-0.web.default.svc.cluster.local", RECORD_A);      /* not headless */
    expect_missing(f, "a.db-0.db.default.svc.cluster.local", RECORD_A);
}

static void test_srv_of_a_cluster_ip(void **state)
{
    struct fixture *f = *state;

    expect(f, "_http._tcp.web.default.svc.cluster.local", RECORD_SRV,
           "SRV _http._tcp.web.default.svc.cluster.local. "
           "0 100 80 web.default.svc.cluster.local.\n"
           "+A web.default.svc.cluster.local. 10.96.0.20\n");
    expect(f, "_dns._udp.web.default.svc.cluster.local", RECORD_SRV,
           "SRV _dns._udp.web.default.svc.cluster.local. "
           "0 100 53 web.default.svc.cluster.local.\n"
           "+A web.default.svc.cluster.local. 10.96.0.20\n");
    expect(f, "_http._tcp.web.default.svc.cluster.local", RECORD_A, "");
    expect_missing(f, "_dns._tcp.web.default.svc.cluster.local", RECORD_SRV);
    expect_missing(f, "_none._tcp.web.default.svc.cluster.local", RECORD_SRV);
    expect_missing(f, "_._tcp.web.default.svc.cluster.local", RECORD_SRV); /* no name to ask by */
    expect_missing(f, "http._tcp.web.default.svc.cluster.local", RECORD_SRV);
    expect_missing(f, "_a._http._tcp.web.default.svc.cluster.local", RECORD_SRV);
}

static void test_srv_of_a_headless_service(void **state)
{
    struct fixture *f = *state;

    expect(f, "_sql._tcp.db.default.svc.cluster.local", RECORD_SRV,
           "SRV _sql._tcp.db.default.svc.cluster.local. "
           "0 100 15432 db-0.db.default.svc.cluster.local.\n"
           "+A db-0.db.default.svc.cluster.local. 10.244.0.5\n"
           "SRV _sql._tcp.db.default.svc.cluster.local. "
           "0 100 15432 10-244-0-6.db.default.svc.cluster.local.\n"
           "+A 10-244-0-6.db.default.svc.cluster.local. 10.244.0.6\n"
           "SRV _sql._tcp.db.default.svc.cluster.local. "
           "0 100 15432 db-6.db.default.svc.cluster.local.\n");
}

static void test_external_name_is_an_alias(void **state)
{
    struct fixture *f = *state;
    const char *want = "CNAME out.default.svc.cluster.local. example.com.\n";

    expect(f, "out.default.svc.cluster.local", RECORD_CNAME, want);
    expect(f, "out.default.svc.cluster.local", RECORD_A, want); /* whatever is asked */
    expect(f, "dotted.default.svc.cluster.local", RECORD_A,
           "CNAME dotted.default.svc.cluster.local. example.org.\n");
}

static void test_pod_names_are_their_address(void **state)
{
    struct fixture *f = *state;

    expect(f, "10-244-0-5.default.pod.cluster.local", RECORD_A,
           "A 10-244-0-5.default.pod.cluster.local. 10.244.0.5\n");
    expect(f, "10-244-0-5.default.pod.cluster.local", RECORD_TXT, "");
    expect_missing(f, "10-244-0.default.pod.cluster.local", RECORD_A);
    expect_missing(f, "10-244-0-256.default.pod.cluster.local", RECORD_A);
    expect_missing(f, "default.pod.cluster.local", RECORD_A);
    expect_missing(f, "a.10-244-0-5.default.pod.cluster.local", RECORD_A);
}

static void test_addresses_have_names(void **state)
{
    struct fixture *f = *state;

    expect(f, "20.0.96.10.in-addr.arpa", RECORD_PTR,
           "PTR 20.0.96.10.in-addr.arpa. web.default.svc.cluster.local.\n");
    expect(f, "5.0.244.10.in-addr.arpa", RECORD_PTR,
           "PTR 5.0.244.10.in-addr.arpa. db-0.db.default.svc.cluster.local.\n");
    expect(f, "20.0.96.10.in-addr.arpa", RECORD_A, "");
    expect_other(f, "6.0.244.10.in-addr.arpa", RECORD_PTR); /* without a hostname */
    expect_other(f, "21.0.96.10.in-addr.arpa", RECORD_PTR);
    expect_other(f, "96.10.in-addr.arpa", RECORD_PTR);
    expect_other(f, "1.20.0.96.10.in-addr.arpa", RECORD_PTR);
    expect_other(f, "in-addr.arpa", RECORD_PTR);
}

static void test_names_above_services_are_there(void **state)
{
    struct fixture *f = *state;

    expect(f, "default.svc.cluster.local", RECORD_A, "");
    expect(f, "svc.cluster.local", RECORD_A, "");
    expect(f, "pod.cluster.local", RECORD_A, "");
    expect(f, "web.default.svc.cluster.local", RECORD_TXT, "");
    expect_missing(f, "nothing.svc.cluster.local", RECORD_A); /* a namespace without Services */
    expect_missing(f, "defaul.svc.cluster.local", RECORD_A);
    expect_missing(f, "none.default.svc.cluster.local", RECORD_A);
    expect_missing(f, "web.other.svc.cluster.local", RECORD_A);
    expect_missing(f, "default.cluster.local", RECORD_A);
    expect_missing(f, "example.com.cluster.local", RECORD_A); /* by a search list */
}

static void test_the_zone_itself(void **state)
{
    struct fixture *f = *state;

    expect(f, "cluster.local", RECORD_SOA,
           "SOA cluster.local. ns.dns.cluster.local. hostmaster.cluster.local. "
           "1 7200 1800 86400 5\n");
    expect(f, "cluster.local", RECORD_NS, "NS cluster.local. ns.dns.cluster.local.\n");
    expect(f, "cluster.local", RECORD_A, "");
    expect(f, "dns-version.cluster.local", RECORD_TXT,
           "TXT dns-version.cluster.local. \"1.1.0\"\n");
    expect(f, "dns-version.cluster.local", RECORD_A, "");
    expect_missing(f, "a.dns-version.cluster.local", RECORD_TXT);
}

static void test_other_domains_are_not_ours(void **state)
{
    struct fixture *f = *state;

    expect_other(f, "example.com", RECORD_A);
    expect_other(f, "", RECORD_NS);
    expect_other(f, "local", RECORD_A);
    expect_other(f, "mycluster.local", RECORD_A);
    expect_other(f, "web.default.svc", RECORD_A);
}

static void test_records_are_bounded(void **state)
{
    struct fixture *f = *state;
    auto_buf b = {0};

    buf_puts(&b, "{" META("db") ",'subsets':[{'addresses':[{'ip':'10.0.0.0'}");
    for (unsigned i = 1; i < ZONE_RECORDS_MAX + 50; i++)
        buf_printf(&b, ",{'ip':'10.0.%u.%u'}", i / 256, i % 256);
    buf_puts(&b, "]}]}");
    objects_put(&f->endpoints, &res_core_endpoints, buf_cstr(&b));
    ask(f, "db.default.svc.cluster.local", RECORD_A);
    assert_int_equal(f->answer.n, ZONE_RECORDS_MAX);
    assert_str_equal(f->answer.records[ZONE_RECORDS_MAX - 1].data, "10.0.1.255");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_cluster_ip_is_the_address),
        T(test_headless_has_the_ready_addresses),
        T(test_endpoints_by_hostname_or_address),
        T(test_srv_of_a_cluster_ip),
        T(test_srv_of_a_headless_service),
        T(test_external_name_is_an_alias),
        T(test_pod_names_are_their_address),
        T(test_addresses_have_names),
        T(test_names_above_services_are_there),
        T(test_the_zone_itself),
        T(test_other_domains_are_not_ours),
        T(test_records_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
