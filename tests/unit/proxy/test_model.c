/* SPDX-License-Identifier: Apache-2.0 */
#include "objects.h"

#include "base/buf.h"
#include "proxy/model.h"

#define SERVICE(name, labels, spec)                                                        \
    "{'metadata':{'name':'" name "','namespace':'default','resourceVersion':'1','labels':{" \
    labels "}},'spec':{" spec "}"
#define WEB(more)                                                                     \
    SERVICE("web", "", "'type':'ClusterIP','clusterIP':'10.96.0.20',"                 \
                       "'ports':[{'name':'http','protocol':'TCP','port':80}]" more) "}"
#define SLICE(name, service, ports, endpoints)                                          \
    "{'metadata':{'name':'" name "','namespace':'default','resourceVersion':'1','labels':" \
    "{'kubernetes.io/service-name':'" service "'}},'addressType':'IPv4',"               \
    "'ports':[" ports "],'endpoints':[" endpoints "]}"
#define HTTP "{'name':'http','protocol':'TCP','port':8080}"

static const struct model_node here = {"n1", "192.0.2.1"};

struct fixture {
    struct omap services, slices;
    struct model model;
};

static int setup(void **state)
{
    struct fixture *f = xnew(struct fixture);

    omap_init(&f->services, &object_omap_ops);
    omap_init(&f->slices, &object_omap_ops);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_deinit(&f->model);
    omap_deinit(&f->services);
    omap_deinit(&f->slices);
    free(f);
    return 0;
}

static void service(struct fixture *f, const char *json)
{
    objects_put(&f->services, &res_core_services, json);
}

static void slice(struct fixture *f, const char *json)
{
    objects_put(&f->slices, &res_discovery_endpointslices, json);
}

static void write_rules(const struct service_rules *r, struct buf *b)
{
    static const char *const kinds[] = {"cluster", "external", "node"};

    buf_printf(b, "%.*s", STR_ARG(r->id));
    if (r->affinity_sec)
        buf_printf(b, " affinity=%u", r->affinity_sec);
    for (size_t i = 0; i < r->n_frontends; i++) {
        const struct frontend *f = &r->frontends[i];

        buf_printf(b, " %s=%.*s:%u%s", kinds[f->kind], STR_ARG(f->ip), f->port,
                   f->local_only ? "/local" : "");
    }
    if (r->sources.p)
        buf_printf(b, " from %.*s", STR_ARG(r->sources));
    buf_puts(b, " ->");
    for (size_t i = 0; i < r->n_endpoints; i++) {
        const struct endpoint *e = &r->endpoints[i];

        buf_printf(b, " %.*s:%u%s", STR_ARG(e->ip), e->port, e->local ? "/here" : "");
    }
    buf_putc(b, '\n');
}

/* Builds for node "n1", and compares the whole model, a line each Service port. */
static void expect(struct fixture *f, const char *want)
{
    auto_buf b = {0};

    model_deinit(&f->model);
    model_build(&f->services, &f->slices, &here, &f->model);
    for (size_t i = 0; i < f->model.n; i++)
        write_rules(&f->model.v[i], &b);
    assert_string_equal(buf_cstr(&b), want);
}

#define WEB_IS "default/web:http/tcp/80 cluster=10.96.0.20:80"

static void test_ready_endpoints_are_taken(void **state)
{
    struct fixture *f = *state;

    expect(f, "");
    service(f, WEB(""));
    expect(f, WEB_IS " ->\n");
    slice(f, SLICE("web-1", "web", HTTP,
                   "{'addresses':['10.244.0.6'],'conditions':{'ready':true},'nodeName':'n2'},"
                   "{'addresses':['10.244.0.5'],'conditions':{},'nodeName':'n1'},"
                   "{'addresses':['10.244.0.7'],'conditions':{'ready':false}},"
                   "{'addresses':['10.244.0.8'],'conditions':"
                   "{'ready':false,'serving':true,'terminating':true}},"
                   "{'addresses':[]}"));
    expect(f, WEB_IS " -> 10.244.0.5:8080/here 10.244.0.6:8080\n"); /* no condition: ready */
}

static void test_terminating_ones_serve_when_none_is_ready(void **state)
{
    struct fixture *f = *state;

    service(f, WEB(""));
    slice(f, SLICE("web-1", "web", HTTP,
                   "{'addresses':['10.244.0.5'],'conditions':"
                   "{'ready':false,'serving':true,'terminating':true}},"
                   "{'addresses':['10.244.0.6'],'conditions':"
                   "{'ready':false,'serving':false,'terminating':true}},"
                   "{'addresses':['10.244.0.7'],'conditions':{'ready':false,'serving':true}},"
                   "{'addresses':['10.244.0.8'],'conditions':{'ready':false,'terminating':true}}"));
    expect(f, WEB_IS " -> 10.244.0.5:8080\n");
    slice(f, SLICE("web-2", "web", HTTP, "{'addresses':['10.244.0.9']}"));
    expect(f, WEB_IS " -> 10.244.0.9:8080\n"); /* a ready one in another slice */
}

static void test_slices_are_joined_without_doubles(void **state)
{
    struct fixture *f = *state;

    service(f, WEB(""));
    slice(f, SLICE("web-1", "web", HTTP, "{'addresses':['10.244.0.5']},"
                                         "{'addresses':['10.244.0.6']}"));
    slice(f, SLICE("web-2", "web", HTTP, "{'addresses':['10.244.0.5']},"
                                         "{'addresses':['10.244.0.4']}"));
    slice(f, SLICE("other", "other", HTTP, "{'addresses':['10.244.0.9']}"));
    objects_put(&f->slices, &res_discovery_endpointslices,
                "{'metadata':{'name':'web-1','namespace':'zone','resourceVersion':'1','labels':"
                "{'kubernetes.io/service-name':'web'}},'addressType':'IPv4','ports':[" HTTP "],"
                "'endpoints':[{'addresses':['10.244.9.9']}]}");
    objects_put(&f->slices, &res_discovery_endpointslices,
                "{'metadata':{'name':'web-6','namespace':'default','resourceVersion':'1','labels':"
                "{'kubernetes.io/service-name':'web'}},'addressType':'IPv6','ports':[" HTTP "],"
                "'endpoints':[{'addresses':['fd00::5']}]}");
    expect(f, WEB_IS " -> 10.244.0.4:8080 10.244.0.5:8080 10.244.0.6:8080\n");
}

static void test_ports_are_matched_by_name(void **state)
{
    struct fixture *f = *state;

    service(f, SERVICE("a", "", "'clusterIP':'10.96.0.1','ports':["
                                "{'name':'http','port':80,'targetPort':'web'},"
                                "{'name':'dns','protocol':'UDP','port':53},"
                                "{'name':'sig','protocol':'SCTP','port':9},"
                                "{'name':'gone','port':1}]") "}");
    slice(f, SLICE("a-1", "a",
                   HTTP ",{'name':'dns','protocol':'UDP','port':5353},{'name':'sig','port':99},"
                        "{'name':'none'}", "{'addresses':['10.244.0.5']}"));
    service(f, SERVICE("b", "", "'clusterIP':'10.96.0.2','ports':[{'port':80}]") "}");
    slice(f, SLICE("b-1", "b", "{'name':'','port':8081}", "{'addresses':['10.244.0.6']}"));
    slice(f, SLICE("b-2", "b", "{'port':8082}", "{'addresses':['10.244.0.6']}"));
    expect(f, "default/a:http/tcp/80 cluster=10.96.0.1:80 -> 10.244.0.5:8080\n"
              "default/a:dns/udp/53 cluster=10.96.0.1:53 -> 10.244.0.5:5353\n"
              "default/a:sig/sctp/9 cluster=10.96.0.1:9 -> 10.244.0.5:99\n"
              "default/a:gone/tcp/1 cluster=10.96.0.1:1 ->\n"
              "default/b:/tcp/80 cluster=10.96.0.2:80 -> 10.244.0.6:8081 10.244.0.6:8082\n");
}

static void test_frontends_and_their_policies(void **state)
{
    struct fixture *f = *state;

    service(f, SERVICE("web", "",
                       "'type':'LoadBalancer','clusterIP':'10.96.0.20','externalTrafficPolicy':"
                       "'Local','externalIPs':['192.0.2.1','fd00::9'],"
                       "'ports':[{'name':'http','port':80,'nodePort':30080}]")
                   ",'status':{'loadBalancer':{'ingress':[{'ip':'198.51.100.7'},"
                   "{'hostname':'lb.example.com'},{'ip':'198.51.100.8','ipMode':'Proxy'},"
                   "{'ip':'198.51.100.9','ipMode':'VIP'}]}}}");
    expect(f, WEB_IS " external=192.0.2.1:80/local external=198.51.100.7:80/local "
                     "external=198.51.100.9:80/local node=:30080/local ->\n");
    service(f, WEB(",'internalTrafficPolicy':'Local'"));
    expect(f, WEB_IS "/local ->\n");
    service(f, WEB(",'internalTrafficPolicy':'Cluster','externalTrafficPolicy':'Cluster',"
                   "'externalIPs':['192.0.2.1']"));
    expect(f, WEB_IS " external=192.0.2.1:80 ->\n");
}

static void test_session_affinity(void **state)
{
    struct fixture *f = *state;

    service(f, WEB(",'sessionAffinity':'None'"));
    expect(f, WEB_IS " ->\n");
    service(f, WEB(",'sessionAffinity':'ClientIP'"));
    expect(f, "default/web:http/tcp/80 affinity=10800 cluster=10.96.0.20:80 ->\n");
    service(f, WEB(",'sessionAffinity':'ClientIP','sessionAffinityConfig':"
                   "{'clientIP':{'timeoutSeconds':60}}"));
    expect(f, "default/web:http/tcp/80 affinity=60 cluster=10.96.0.20:80 ->\n");
}

static void test_some_services_are_left_out(void **state)
{
    struct fixture *f = *state;

    service(f, SERVICE("headless", "", "'clusterIP':'None','ports':[{'port':80}]") "}");
    service(f, SERVICE("new", "", "'ports':[{'port':80}]") "}");
    service(f, SERVICE("six", "", "'clusterIP':'fd00::1','ports':[{'port':80}]") "}");
    service(f, SERVICE("out", "", "'type':'ExternalName','clusterIP':'10.96.0.3',"
                                  "'externalName':'a.b','ports':[{'port':80}]") "}");
    service(f, SERVICE("theirs", "'service.kubernetes.io/service-proxy-name':'mesh'",
                       "'clusterIP':'10.96.0.4','ports':[{'port':80}]") "}");
    service(f, SERVICE("theirs-too", "'service.kubernetes.io/service-proxy-name':''",
                       "'clusterIP':'10.96.0.5','ports':[{'port':80}]") "}");
    expect(f, "");
}

static void test_many_services_and_endpoints(void **state)
{
    struct fixture *f = *state;
    auto_buf b = {0};

    for (int i = 0; i < 100; i++) {
        buf_reset(&b);
        buf_printf(&b, SERVICE("s%d", "", "'clusterIP':'10.96.1.%d','ports':[{'port':80}]") "}", i,
                   i);
        service(f, buf_cstr(&b));
    }
    buf_reset(&b);
    buf_puts(&b, "{'addresses':['10.0.0.0']}");
    for (int i = 1; i < 300; i++)
        buf_printf(&b, ",{'addresses':['10.0.%d.%d']}", i / 256, i % 256);
    {
        auto_buf s = {0};

        buf_printf(&s, SLICE("s7-1", "s7", "{'port':1}", "%s"), buf_cstr(&b));
        slice(f, buf_cstr(&s));
    }
    model_build(&f->services, &f->slices, &here, &f->model);
    assert_int_equal(f->model.n, 100);
    for (size_t i = 0; i < f->model.n; i++) {
        const struct service_rules *r = &f->model.v[i];

        assert_int_equal(r->n_frontends, 1);
        assert_int_equal(r->n_endpoints, str_eqz(r->id, "default/s7:/tcp/80") ? 300 : 0);
    }
}

#define LB(ranges)                                                                             \
    SERVICE("lb", "", "'type':'LoadBalancer','clusterIP':'10.96.0.21','loadBalancerSourceRanges':" \
                      "[" ranges "],'ports':[{'protocol':'UDP','port':53}]")                   \
    ",'status':{'loadBalancer':{'ingress':[{'ip':'203.0.113.5'}]}}}"
#define LB_IS "default/lb:/udp/53 cluster=10.96.0.21:53 external=203.0.113.5:53"

static void test_source_ranges_of_a_load_balancer(void **state)
{
    struct fixture *f = *state;

    service(f, LB(""));
    expect(f, LB_IS " ->\n");
    assert_false(f->model.v[0].frontends[0].load_balancer);
    assert_true(f->model.v[0].frontends[1].load_balancer);
    service(f, LB("'198.51.100.77/24',' 10.0.0.0/8 ','2001:db8::/32'"));
    expect(f, LB_IS " from 198.51.100.0/24, 10.0.0.0/8 ->\n");
    service(f, LB("'2001:db8::/32'")); /* none of this family: no filter */
    expect(f, LB_IS " ->\n");
    service(f, LB("'192.0.2.0/24'")); /* this node may: so may what comes back as the VIP */
    expect(f, LB_IS " from 192.0.2.0/24, 203.0.113.5 ->\n");
    service(f, LB("'0.0.0.0/0'"));
    expect(f, LB_IS " from 0.0.0.0/0, 203.0.113.5 ->\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_ready_endpoints_are_taken),
        T(test_terminating_ones_serve_when_none_is_ready),
        T(test_slices_are_joined_without_doubles),
        T(test_ports_are_matched_by_name),
        T(test_frontends_and_their_policies),
        T(test_session_affinity),
        T(test_source_ranges_of_a_load_balancer),
        T(test_some_services_are_left_out),
        T(test_many_services_and_endpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
