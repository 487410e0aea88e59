/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone.h"

#include <arpa/inet.h>

struct lookup {
    const struct zone *zone;
    struct arena *arena;
    struct answer *answer;
    enum record_type type;
    struct str name;
};

static void add(struct lookup *l, enum record_type type, struct str owner, struct str data,
                bool additional)
{
    struct answer *a = l->answer;

    if (a->n == ZONE_RECORDS_MAX)
        return;
    if ((a->n & (a->n - 1)) == 0) /* full: room for twice as many */
        a->records = arena_grow(l->arena, a->records, a->n, a->n ? a->n * 2 : 1,
                                sizeof(*a->records));
    a->records[a->n++] = (struct record){type, owner, data, additional};
}

static struct object *find(const struct omap *m, const struct resource *res, struct str ns,
                           struct str name)
{
    auto_arena a = {0};

    return omap_find(m, resource_key(res, ns, name, &a));
}

/* Takes the last label off @rest. */
static struct str pop_label(struct str *rest)
{
    long dot = str_rfind_char(*rest, '.');
    struct str label = str_sub(*rest, (size_t)(dot + 1), rest->len);

    *rest = dot < 0 ? STR_NULL : str_sub(*rest, 0, (size_t)dot);
    return label;
}

/* The label of an endpoint: its hostname, or its address with dashes. */
static struct str endpoint_label(const struct core_endpoint_address *e, struct arena *a)
{
    char *text;

    if (e->hostname.len > 0)
        return e->hostname;
    text = str_dupz(a, e->ip);
    for (char *p = text; *p; p++)
        *p = *p == '.' || *p == ':' ? '-' : *p;
    return str_from(text);
}

static bool headless(const struct core_service *s)
{
    return str_eq(s->spec.cluster_ip, STR("None"));
}

static bool is_ipv4(struct str ip)
{
    return ip.len > 0 && str_find_char(ip, ':') < 0;
}

typedef void (*endpoint_fn)(struct lookup *l, const struct core_endpoint_subset *s,
                            const struct core_endpoint_address *e, struct str base);

static void each_endpoint(struct lookup *l, const struct object *svc, struct str base,
                          endpoint_fn fn)
{
    const struct object *o = find(l->zone->endpoints, &res_core_endpoints, svc->ns, svc->name);
    const struct core_endpoints *ep = o ? OBJECT_AS(core_endpoints, o) : NULL;

    for (size_t i = 0; ep && i < ep->subsets.n; i++) {
        const struct core_endpoint_subset *s = &ep->subsets.v[i];

        for (size_t k = 0; k < s->addresses.n; k++)
            fn(l, s, &s->addresses.v[k], base);
    }
}

static void add_endpoint_a(struct lookup *l, const struct core_endpoint_subset *s,
                           const struct core_endpoint_address *e, struct str base)
{
    (void)s;
    if (is_ipv4(e->ip))
        add(l, RECORD_A, base, e->ip, false);
}

static bool has_endpoints(const struct lookup *l, const struct object *svc)
{
    const struct object *o = find(l->zone->endpoints, &res_core_endpoints, svc->ns, svc->name);
    const struct core_endpoints *ep = o ? OBJECT_AS(core_endpoints, o) : NULL;

    for (size_t i = 0; ep && i < ep->subsets.n; i++) {
        if (ep->subsets.v[i].addresses.n > 0)
            return true;
    }
    return false;
}

/* "name.ns.svc": addresses, or the name that it stands for. False: a headless Service without any
 * endpoint, whose name is not there, says the specification. */
static bool answer_service(struct lookup *l, const struct object *o, struct str fqdn)
{
    const struct core_service *s = OBJECT_AS(core_service, o);
    struct str external = s->spec.external_name;

    if (str_eq(s->spec.type, STR("ExternalName"))) {
        if (str_has_suffix(external, STR(".")))
            external.len--;
        add(l, RECORD_CNAME, fqdn, str_printf(l->arena, "%.*s.", STR_ARG(external)), false);
        return true;
    }
    if (headless(s)) {
        if (l->type == RECORD_A)
            each_endpoint(l, o, fqdn, add_endpoint_a);
        return has_endpoints(l, o);
    }
    if (l->type == RECORD_A && is_ipv4(s->spec.cluster_ip))
        add(l, RECORD_A, fqdn, s->spec.cluster_ip, false);
    return true;
}

struct srv_wanted { /* port and protocol of an SRV question; kept beside the lookup */
    struct lookup l;
    struct str port, protocol; /* without underscores */
    struct str service; /* "name.ns.svc.domain." */
};

static bool protocol_matches(struct str want, struct str have)
{
    return str_ieq(want, have.len > 0 ? have : STR("TCP"));
}

static void add_endpoint_srv(struct lookup *l, const struct core_endpoint_subset *s,
                             const struct core_endpoint_address *e, struct str owner)
{
    struct srv_wanted *w = container_of(l, struct srv_wanted, l);
    struct str target = str_printf(l->arena, "%.*s.%.*s", STR_ARG(endpoint_label(e, l->arena)),
                                   STR_ARG(w->service));

    for (size_t i = 0; i < s->ports.n; i++) {
        if (!str_ieq(s->ports.v[i].name, w->port) ||
            !protocol_matches(w->protocol, s->ports.v[i].protocol))
            continue;
        add(l, RECORD_SRV, owner,
            str_printf(l->arena, "0 100 %d %.*s", s->ports.v[i].port, STR_ARG(target)), false);
        if (is_ipv4(e->ip))
            add(l, RECORD_A, target, e->ip, true);
    }
}

/* "_port._proto.name.ns.svc". False if there is no such port. */
static bool answer_port(struct lookup *l, const struct object *o, struct str port,
                        struct str protocol, struct str fqdn, struct str service)
{
    const struct core_service *s = OBJECT_AS(core_service, o);
    struct srv_wanted w = {*l, str_sub(port, 1, port.len), str_sub(protocol, 1, protocol.len),
                           service};
    bool found = false;

    for (size_t i = 0; i < s->spec.ports.n; i++) {
        const struct core_service_port *p = &s->spec.ports.v[i];

        if (!str_ieq(p->name, w.port) || !protocol_matches(w.protocol, p->protocol))
            continue;
        found = true;
        if (l->type != RECORD_SRV || headless(s))
            continue;
        add(l, RECORD_SRV, fqdn,
            str_printf(l->arena, "0 100 %d %.*s", p->port, STR_ARG(service)), false);
        if (is_ipv4(s->spec.cluster_ip))
            add(l, RECORD_A, service, s->spec.cluster_ip, true);
    }
    if (found && l->type == RECORD_SRV && headless(s))
        each_endpoint(&w.l, o, fqdn, add_endpoint_srv);
    return found;
}

/* "host.name.ns.svc" of a headless Service. */
static bool answer_endpoint(struct lookup *l, const struct object *svc, struct str label,
                            struct str fqdn)
{
    const struct object *o = find(l->zone->endpoints, &res_core_endpoints, svc->ns, svc->name);
    const struct core_endpoints *ep = o ? OBJECT_AS(core_endpoints, o) : NULL;
    bool found = false;

    for (size_t i = 0; ep && i < ep->subsets.n; i++) {
        const struct core_endpoint_subset *s = &ep->subsets.v[i];

        for (size_t k = 0; k < s->addresses.n; k++) {
            if (!str_ieq(endpoint_label(&s->addresses.v[k], l->arena), label))
                continue;
            found = true;
            if (l->type == RECORD_A)
                add_endpoint_a(l, s, &s->addresses.v[k], fqdn);
        }
    }
    return found;
}

static bool namespace_known(const struct lookup *l, struct str ns)
{
    auto_arena a = {0};
    struct str prefix = resource_key(&res_core_services, ns, STR_NULL, &a);

    return omap_count_prefix(l->zone->services, prefix) > 0;
}

/* What stands before ".svc.domain"; each form of the specification in turn. False: no such name. */
static bool answer_svc(struct lookup *l, struct str rest, struct str fqdn)
{
    struct str ns = pop_label(&rest), name, label;
    const struct object *o;
    struct str service;

    if (rest.len == 0)
        return namespace_known(l, ns);
    name = pop_label(&rest);
    o = find(l->zone->services, &res_core_services, ns, name);
    if (!o)
        return false;
    if (rest.len == 0)
        return answer_service(l, o, fqdn);
    service = str_printf(l->arena, "%.*s.%.*s.svc.%.*s.", STR_ARG(name), STR_ARG(ns),
                         STR_ARG(l->zone->domain));
    label = pop_label(&rest);
    if (rest.len > 0)
        return label.len > 1 && label.p[0] == '_' && rest.len > 1 && rest.p[0] == '_' &&
               str_find_char(rest, '.') < 0 && answer_port(l, o, rest, label, fqdn, service);
    return headless(OBJECT_AS(core_service, o)) && answer_endpoint(l, o, label, fqdn);
}

/* "10-244-0-5.ns.pod.domain" is that address, without asking whether such a pod is there. */
static bool answer_pod(struct lookup *l, struct str rest, struct str fqdn)
{
    struct str ns = pop_label(&rest);
    struct in_addr ignored;
    char *ip;

    if (rest.len == 0 || ns.len == 0 || str_find_char(rest, '.') >= 0)
        return false;
    ip = str_dupz(l->arena, rest);
    for (char *p = ip; *p; p++)
        *p = *p == '-' ? '.' : *p;
    if (inet_pton(AF_INET, ip, &ignored) != 1)
        return false;
    if (l->type == RECORD_A)
        add(l, RECORD_A, fqdn, str_from(ip), false);
    return true;
}

struct reverse {
    struct lookup l;
    struct str ip;
    bool found;
};

static void add_ptr(struct reverse *r, struct str target)
{
    r->found = true;
    if (r->l.type == RECORD_PTR)
        add(&r->l, RECORD_PTR, str_printf(r->l.arena, "%.*s.", STR_ARG(r->l.name)), target, false);
}

static void add_endpoint_ptr(struct lookup *l, const struct core_endpoint_subset *s,
                             const struct core_endpoint_address *e, struct str service)
{
    struct reverse *r = container_of(l, struct reverse, l);

    (void)s;
    if (str_eq(e->ip, r->ip) && e->hostname.len > 0)
        add_ptr(r, str_printf(l->arena, "%.*s.%.*s", STR_ARG(e->hostname), STR_ARG(service)));
}

/* "5.0.96.10.in-addr.arpa": the Service of that address, or the endpoints of headless ones. */
static bool answer_reverse(struct lookup *l, struct str rest)
{
    struct reverse r = {.l = *l};
    struct str parts[4];
    struct omap_iter it;

    for (int i = 0; i < 4; i++) {
        parts[i] = pop_label(&rest);
        if (parts[i].len == 0 || parts[i].len > 3)
            return false;
    }
    if (rest.len > 0)
        return false;
    r.ip = str_printf(l->arena, "%.*s.%.*s.%.*s.%.*s", STR_ARG(parts[0]), STR_ARG(parts[1]),
                      STR_ARG(parts[2]), STR_ARG(parts[3]));
    omap_seek(l->zone->services, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
        const struct core_service *s = OBJECT_AS(core_service, o);
        struct str service = str_printf(l->arena, "%.*s.%.*s.svc.%.*s.", STR_ARG(o->name),
                                        STR_ARG(o->ns), STR_ARG(l->zone->domain));

        if (str_eq(s->spec.cluster_ip, r.ip))
            add_ptr(&r, service);
        else if (headless(s))
            each_endpoint(&r.l, o, service, add_endpoint_ptr);
    }
    return r.found;
}

static void answer_apex(struct lookup *l, struct str fqdn)
{
    if (l->type == RECORD_SOA)
        add(l, RECORD_SOA, fqdn,
            str_printf(l->arena, "ns.dns.%.*s hostmaster.%.*s 1 7200 1800 86400 %d", STR_ARG(fqdn),
                       STR_ARG(fqdn), ZONE_TTL_SEC), false);
    if (l->type == RECORD_NS)
        add(l, RECORD_NS, fqdn, str_printf(l->arena, "ns.dns.%.*s", STR_ARG(fqdn)), false);
}

void zone_answer(const struct zone *z, struct str name, enum record_type type, struct arena *a,
                 struct answer *ret_a)
{
    struct lookup l = {z, a, ret_a, type, name};
    struct str suffix = str_printf(a, ".%.*s", STR_ARG(z->domain));
    struct str fqdn = str_printf(a, "%.*s.", STR_ARG(name)), rest, kind;
    bool found = true;

    *ret_a = (struct answer){.outcome = ZONE_NOT_OURS};
    if (str_has_suffix(name, STR(".in-addr.arpa"))) {
        rest = str_sub(name, 0, name.len - strlen(".in-addr.arpa"));
        if (answer_reverse(&l, rest))
            ret_a->outcome = ZONE_FOUND;
        return; /* addresses that are not ours are asked upstream */
    }
    if (str_eq(name, z->domain)) {
        answer_apex(&l, fqdn);
        ret_a->outcome = ZONE_FOUND;
        return;
    }
    if (!str_has_suffix(name, suffix))
        return;
    rest = str_sub(name, 0, name.len - suffix.len);
    kind = pop_label(&rest);
    if (str_eq(kind, STR("svc")))
        found = rest.len == 0 || answer_svc(&l, rest, fqdn);
    else if (str_eq(kind, STR("pod")))
        found = rest.len == 0 || answer_pod(&l, rest, fqdn);
    else
        found = str_eq(kind, STR("dns-version")) && rest.len == 0;
    if (found && type == RECORD_TXT && str_eq(kind, STR("dns-version")))
        add(&l, RECORD_TXT, fqdn, STR("\"1.1.0\""), false);
    ret_a->outcome = found ? ZONE_FOUND : ZONE_NO_SUCH_NAME;
}
