/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/model.h"

#include "base/buf.h"

#include <arpa/inet.h>

struct builder {
    struct model *model;
    const struct omap *slices;
    const struct model_node *node;
    size_t cap;
};

static bool ipv4(struct str s)
{
    return s.len > 0 && str_find_char(s, ':') < 0;
}

static const char *protocol_of(struct str p)
{
    if (str_eq(p, STR("UDP")))
        return "udp";
    return str_eq(p, STR("SCTP")) ? "sctp" : "tcp";
}

static bool is_true(const bool *b, bool otherwise)
{
    return b ? *b : otherwise;
}

static void add_endpoint(struct builder *b, struct service_rules *r, struct endpoint e)
{
    size_t n = r->n_endpoints;

    if ((n & (n - 1)) == 0) /* full: room for twice as many */
        r->endpoints = arena_grow(&b->model->arena, r->endpoints, n, n ? n * 2 : 1,
                                  sizeof(*r->endpoints));
    r->endpoints[r->n_endpoints++] = e;
}

/* Endpoints of one slice for the port named as the Service's. @terminating: those that still
 * serve. */
static void take_slice(struct builder *b, const struct discovery_endpoint_slice *s,
                       const struct core_service_port *sp, bool terminating,
                       struct service_rules *r)
{
    int32_t port = 0;

    if (!str_eq(s->address_type, STR("IPv4")))
        return;
    for (size_t i = 0; i < s->ports.n; i++) {
        const struct discovery_endpoint_port *p = &s->ports.v[i];

        if (p->port && str_eq(p->name ? *p->name : STR_NULL, sp->name))
            port = *p->port;
    }
    if (port <= 0 || port > UINT16_MAX)
        return;
    for (size_t i = 0; i < s->endpoints.n; i++) {
        const struct discovery_endpoint *e = &s->endpoints.v[i];
        bool ready = is_true(e->conditions.ready, true);
        bool dying = is_true(e->conditions.terminating, false) &&
                     is_true(e->conditions.serving, ready);

        if (e->addresses.n == 0 || !ipv4(e->addresses.v[0]) || !(terminating ? dying : ready))
            continue;
        add_endpoint(b, r, (struct endpoint){
            .ip = str_dup(&b->model->arena, e->addresses.v[0]),
            .port = (uint16_t)port,
            .local = e->node_name && str_eqz(*e->node_name, b->node->name)});
    }
}

static int by_address(const void *va, const void *vb)
{
    const struct endpoint *a = va, *b = vb;
    int c = str_cmp(a->ip, b->ip);

    return c ? c : (int)a->port - (int)b->port;
}

static void sort_unique(struct service_rules *r)
{
    size_t n = 0;

    if (r->n_endpoints == 0)
        return;
    qsort(r->endpoints, r->n_endpoints, sizeof(*r->endpoints), by_address);
    for (size_t i = 0; i < r->n_endpoints; i++) {
        if (n == 0 || by_address(&r->endpoints[n - 1], &r->endpoints[i]) != 0)
            r->endpoints[n++] = r->endpoints[i];
    }
    r->n_endpoints = n;
}

static void fill_endpoints(struct builder *b, const struct object *svc,
                           const struct core_service_port *sp, struct service_rules *r)
{
    auto_arena a = {0};
    struct str prefix = resource_key(&res_discovery_endpointslices, svc->ns, STR_NULL, &a);

    for (int pass = 0; pass < 2 && r->n_endpoints == 0; pass++) {
        struct omap_iter it;

        omap_seek(b->slices, prefix, &it);
        for (struct object *o = omap_next(&it); o && str_eq(o->ns, svc->ns); o = omap_next(&it)) {
            if (str_eq(object_label(o, STR("kubernetes.io/service-name")), svc->name))
                take_slice(b, OBJECT_AS(discovery_endpoint_slice, o), sp, pass == 1, r);
        }
    }
    sort_unique(r);
}

static void add_frontend(struct builder *b, struct service_rules *r, struct frontend f)
{
    r->frontends = arena_grow(&b->model->arena, r->frontends, r->n_frontends, r->n_frontends + 1,
                              sizeof(*r->frontends));
    r->frontends[r->n_frontends++] = f;
}

static void fill_frontends(struct builder *b, const struct core_service *s,
                           const struct core_service_port *sp, struct service_rules *r)
{
    struct arena *a = &b->model->arena;
    bool external_local = str_eq(s->spec.external_traffic_policy, STR("Local"));
    bool internal_local =
        s->spec.internal_traffic_policy && str_eq(*s->spec.internal_traffic_policy, STR("Local"));
    uint16_t port = (uint16_t)sp->port;

    add_frontend(b, r, (struct frontend){FRONTEND_CLUSTER_IP, str_dup(a, s->spec.cluster_ip), port,
                                         internal_local});
    for (size_t i = 0; i < s->spec.external_ips.n; i++) {
        if (ipv4(s->spec.external_ips.v[i]))
            add_frontend(b, r, (struct frontend){FRONTEND_EXTERNAL_IP,
                                                 str_dup(a, s->spec.external_ips.v[i]), port,
                                                 external_local});
    }
    for (size_t i = 0; i < s->status.load_balancer.ingress.n; i++) {
        const struct core_load_balancer_ingress *in = &s->status.load_balancer.ingress.v[i];
        struct str ip = in->ip;

        /* "Proxy": traffic shall pass through the load balancer, so it is not caught here. */
        if (ipv4(ip) && !(in->ip_mode && str_eq(*in->ip_mode, STR("Proxy"))))
            add_frontend(b, r, (struct frontend){FRONTEND_EXTERNAL_IP, str_dup(a, ip), port,
                                                 external_local, true});
    }
    if (sp->node_port > 0)
        add_frontend(b, r, (struct frontend){FRONTEND_NODE_PORT, STR_NULL,
                                             (uint16_t)sp->node_port, external_local});
}

static uint32_t affinity_of(const struct core_service *s)
{
    const struct core_session_affinity_config *c = s->spec.session_affinity_config;

    if (!str_eq(s->spec.session_affinity, STR("ClientIP")))
        return 0;
    return c && c->client_ip && c->client_ip->timeout_seconds
               ? (uint32_t)*c->client_ip->timeout_seconds
               : 10800;
}

/* The bits of an IPv4 network "a.b.c.d/n" that count; false if @cidr is none. */
static bool network_of(struct str cidr, uint32_t *ret_net, uint32_t *ret_mask)
{
    auto_arena a = {0};
    struct str bits, ip = str_cut(str_trim(cidr), '/', &bits);
    struct in_addr addr;
    int64_t n;

    if (inet_pton(AF_INET, str_dupz(&a, ip), &addr) != 1 || !str_to_i64(bits, &n) || n < 0 ||
        n > 32)
        return false;
    *ret_mask = n == 0 ? 0 : UINT32_MAX << (32 - n);
    *ret_net = ntohl(addr.s_addr) & *ret_mask;
    return true;
}

/* Ranges of another family do not count; they are validated by the API. */
static struct str sources_of(struct builder *b, const struct core_service *s)
{
    auto_buf out = {0};
    struct in_addr node;
    bool node_in = false, node_known = inet_pton(AF_INET, b->node->ip, &node) == 1;
    uint32_t net, mask;

    for (size_t i = 0; i < s->spec.load_balancer_source_ranges.n; i++) {
        if (!network_of(s->spec.load_balancer_source_ranges.v[i], &net, &mask))
            continue;
        buf_printf(&out, "%s%u.%u.%u.%u/%d", out.len > 0 ? ", " : "", net >> 24, net >> 16 & 255,
                   net >> 8 & 255, net & 255, __builtin_popcount(mask));
        node_in = node_in || (node_known && (ntohl(node.s_addr) & mask) == net);
    }
    for (size_t i = 0; node_in && i < s->status.load_balancer.ingress.n; i++) {
        if (ipv4(s->status.load_balancer.ingress.v[i].ip))
            buf_printf(&out, ", %.*s", STR_ARG(s->status.load_balancer.ingress.v[i].ip));
    }
    return out.len > 0 ? str_dup(&b->model->arena, buf_view(&out)) : STR_NULL;
}

static bool skipped(const struct object *o, const struct core_service *s)
{
    return !ipv4(s->spec.cluster_ip) || str_eq(s->spec.cluster_ip, STR("None")) ||
           str_eq(s->spec.type, STR("ExternalName")) ||
           object_label(o, STR("service.kubernetes.io/service-proxy-name")).p;
}

static void add_service(struct builder *b, const struct object *o)
{
    const struct core_service *s = OBJECT_AS(core_service, o);
    struct model *m = b->model;

    if (skipped(o, s))
        return;
    for (size_t i = 0; i < s->spec.ports.n; i++) {
        const struct core_service_port *sp = &s->spec.ports.v[i];
        struct service_rules *r;

        if (m->n == b->cap) {
            m->v = arena_grow(&m->arena, m->v, m->n, b->cap ? b->cap * 2 : 64, sizeof(*m->v));
            b->cap = b->cap ? b->cap * 2 : 64;
        }
        r = &m->v[m->n++];
        *r = (struct service_rules){.protocol = protocol_of(sp->protocol),
                                    .affinity_sec = affinity_of(s),
                                    .sources = sources_of(b, s)};
        r->id = str_printf(&m->arena, "%.*s/%.*s:%.*s/%s/%d", STR_ARG(o->ns), STR_ARG(o->name),
                           STR_ARG(sp->name), r->protocol, sp->port);
        fill_frontends(b, s, sp, r);
        fill_endpoints(b, o, sp, r);
    }
}

void model_build(const struct omap *services, const struct omap *slices,
                 const struct model_node *node, struct model *ret_m)
{
    struct builder b = {.model = ret_m, .slices = slices, .node = node};
    struct omap_iter it;

    *ret_m = (struct model){0};
    omap_seek(services, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it))
        add_service(&b, o);
}

void model_deinit(struct model *m)
{
    arena_deinit(&m->arena);
    *m = (struct model){0};
}
