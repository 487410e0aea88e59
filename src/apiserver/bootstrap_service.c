/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap_service.c - the range of Services, and the Service through which pods reach the API. */
#include "apiserver/address.h"
#include "apiserver/bootstrap.h"
#include "apiserver/service_alloc.h"

#define NAME      STR("kubernetes")
#define NAMESPACE STR("default")

static struct str *boxed(struct arena *a, struct str s)
{
    struct str *p = arena_new(a, struct str);

    *p = s;
    return p;
}

static struct string_list listed(struct arena *a, struct str s)
{
    return (struct string_list){boxed(a, s), 1};
}

static void ensure_range(struct apiserver *as, struct system_write *w)
{
    struct arena *a = system_write_arena(w);
    struct networking_service_cidr *c = arena_new(a, struct networking_service_cidr);
    struct meta_condition *ready = arena_new(a, struct meta_condition);

    c->metadata.name = NAME;
    c->metadata.finalizers = listed(a, STR("networking.k8s.io/service-cidr-finalizer"));
    c->spec.cidrs = listed(a, str_from(as->opts.service_cidr));
    ready->type = STR("Ready");
    ready->status = STR("True");
    ready->message = STR("Kubernetes default Service CIDR is ready");
    ready->last_transition_time = time_from_ns(loop_wall_ns(as->loop));
    ready->last_transition_time.nsec = 0;
    c->status.conditions.v = ready;
    c->status.conditions.n = 1;
    bootstrap_ensure(as, w, &res_networking_servicecidrs, c);
}

static void ensure_service(struct apiserver *as, struct system_write *w, struct address ip)
{
    struct arena *a = system_write_arena(w);
    struct core_service *s = arena_new(a, struct core_service);
    struct core_service_port *port = arena_new(a, struct core_service_port);
    struct str text = address_str(ip, a);

    s->metadata.name = NAME;
    s->metadata.namespace = NAMESPACE;
    string_map_set(a, &s->metadata.labels, STR("component"), STR("apiserver"));
    string_map_set(a, &s->metadata.labels, STR("provider"), STR("kubernetes"));
    port->name = STR("https");
    port->protocol = STR("TCP");
    port->port = 443;
    port->target_port.kind = INT_OR_STRING_INT;
    port->target_port.i = as->opts.secure_port;
    s->spec.ports.v = port;
    s->spec.ports.n = 1;
    s->spec.cluster_ip = text;
    s->spec.cluster_ips = listed(a, text);
    s->spec.type = STR("ClusterIP");
    s->spec.session_affinity = STR("None");
    s->spec.ip_families = listed(a, address_family(ip));
    s->spec.ip_family_policy = boxed(a, STR("SingleStack"));
    s->spec.internal_traffic_policy = boxed(a, STR("Cluster"));
    bootstrap_ensure(as, w, &res_core_services, s);
    bootstrap_ensure(as, w, &res_networking_ipaddresses, service_ip_object(a, ip, NAMESPACE, NAME));
}

static bool endpoints_right(const struct core_endpoints *e, const struct str *ips, size_t n,
                            int32_t port)
{
    const struct core_endpoint_subset *s = e->subsets.v;

    if (e->subsets.n != 1 || s->addresses.n != n || s->ports.n != 1 || s->ports.v->port != port)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(s->addresses.v[i].ip, ips[i]))
            return false;
    return true;
}

static void ensure_endpoints(struct apiserver *as, struct system_write *w, const struct str *ips,
                             size_t n)
{
    struct arena *a = system_write_arena(w);
    struct object *o = bootstrap_find(as, w, &res_core_endpoints, NAMESPACE, NAME);
    struct core_endpoints *e = arena_new(a, struct core_endpoints);
    struct core_endpoint_subset *s = arena_new(a, struct core_endpoint_subset);

    if (o)
        *e = *OBJECT_AS(core_endpoints, o);
    if (!o || !endpoints_right(e, ips, n, as->opts.secure_port)) {
        e->metadata.name = NAME;
        e->metadata.namespace = NAMESPACE;
        if (!o)
            string_map_set(a, &e->metadata.labels, STR("endpointslice.kubernetes.io/skip-mirror"),
                           STR("true"));
        s->addresses.v = arena_calloc(a, n, sizeof(*s->addresses.v));
        s->addresses.n = n;
        for (size_t i = 0; i < n; i++)
            s->addresses.v[i].ip = ips[i];
        s->ports.v = arena_new(a, struct core_endpoint_port);
        *s->ports.v = (struct core_endpoint_port){
            .name = STR("https"), .port = as->opts.secure_port, .protocol = STR("TCP")};
        s->ports.n = 1;
        e->subsets.v = s;
        e->subsets.n = 1;
        system_write_put(w, &res_core_endpoints, e, o ? o->revision : STORE_ABSENT);
    }
    object_unref(o);
}

static bool slice_right(const struct discovery_endpoint_slice *s, const struct str *ips, size_t n,
                        int32_t port)
{
    if (s->endpoints.n != n || s->ports.n != 1 || !s->ports.v->port || *s->ports.v->port != port)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s->endpoints.v[i].addresses.n != 1 ||
            !str_eq(s->endpoints.v[i].addresses.v[0], ips[i]))
            return false;
    return true;
}

static void ensure_slice(struct apiserver *as, struct system_write *w, const struct str *ips,
                         size_t n, struct str family)
{
    struct arena *a = system_write_arena(w);
    struct object *o = bootstrap_find(as, w, &res_discovery_endpointslices, NAMESPACE, NAME);
    struct discovery_endpoint_slice *s = arena_new(a, struct discovery_endpoint_slice);

    if (o)
        *s = *OBJECT_AS(discovery_endpoint_slice, o);
    if (!o || !slice_right(s, ips, n, as->opts.secure_port)) {
        struct discovery_endpoint *e = arena_calloc(a, n, sizeof(*e));
        struct discovery_endpoint_port *p = arena_new(a, struct discovery_endpoint_port);

        s->metadata.name = NAME;
        s->metadata.namespace = NAMESPACE;
        if (!o) {
            s->metadata.generation = 1;
            string_map_set(a, &s->metadata.labels, STR("kubernetes.io/service-name"), NAME);
        } else {
            s->metadata.generation++;
        }
        s->address_type = family;
        for (size_t i = 0; i < n; i++) {
            e[i].addresses = listed(a, ips[i]);
            e[i].conditions.ready = arena_new(a, bool);
            *e[i].conditions.ready = true;
        }
        s->endpoints.v = e;
        s->endpoints.n = n;
        p->name = boxed(a, STR("https"));
        p->protocol = boxed(a, STR("TCP"));
        p->port = arena_new(a, int32_t);
        *p->port = as->opts.secure_port;
        s->ports.v = p;
        s->ports.n = 1;
        system_write_put(w, &res_discovery_endpointslices, s, o ? o->revision : STORE_ABSENT);
    }
    object_unref(o);
}

void bootstrap_endpoints(struct apiserver *as, struct system_write *w, const struct str *ips,
                         size_t n)
{
    struct address first;

    if (!address_parse(ips[0], &first))
        return; /* no address that clients could use: the Service stays without endpoints */
    ensure_endpoints(as, w, ips, n);
    ensure_slice(as, w, ips, n, address_family(first));
}

void bootstrap_service(struct apiserver *as, struct system_write *w)
{
    const struct cidr *range = service_alloc_range(as->service_alloc);
    struct str ip = str_from(as->opts.advertise_address);

    ensure_range(as, w);
    if (cidr_usable(range) == 0)
        return;
    ensure_service(as, w, cidr_at(range, 0));
    if (!store_has_peers(as->store)) /* else server_leases.c does it for all of them */
        bootstrap_endpoints(as, w, &ip, 1);
}
