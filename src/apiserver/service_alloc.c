/* SPDX-License-Identifier: Apache-2.0 */
/* service_alloc.c - gives Services their addresses and node ports, and takes them back. */
#include "apiserver/service_alloc.h"
#include "apiserver/write.h"
#include "base/random.h"

enum { IP_TRIES_RANDOM = 64, RANGES_MAX = 16 };

int service_alloc_start(struct apiserver *as, struct err *err)
{
    struct service_alloc *s = xnew(struct service_alloc);
    int r;

    as->service_alloc = s;
    s->lock = mutex_new();
    s->port_min = as->opts.node_port_min ? as->opts.node_port_min : NODE_PORT_MIN;
    s->port_max = as->opts.node_port_max ? as->opts.node_port_max : NODE_PORT_MAX;
    if (s->port_max < s->port_min)
        return err_new(err, ERR_INVALID, "the range of node ports is empty");
    r = cidr_parse(str_from(as->opts.service_cidr), &s->range, err);
    return r < 0 ? err_wrap(err, r, "service CIDR") : 0;
}

void service_alloc_free(struct apiserver *as)
{
    struct service_alloc *s = as->service_alloc;

    if (!s)
        return;
    while (s->reserved) {
        struct port_reservation *r = s->reserved;

        s->reserved = r->next;
        free(r->owner);
        free(r);
    }
    s->lock = mutex_free(s->lock);
    free(s);
    as->service_alloc = NULL;
}

const struct cidr *service_alloc_range(const struct service_alloc *s)
{
    return &s->range;
}

struct networking_ip_address *service_ip_object(struct arena *a, struct address ip, struct str ns,
                                                struct str name)
{
    struct networking_ip_address *o = arena_new(a, struct networking_ip_address);

    o->metadata.name = address_str(ip, a);
    string_map_set(a, &o->metadata.labels, STR("ipaddress.kubernetes.io/ip-family"),
                   address_family(ip));
    string_map_set(a, &o->metadata.labels, STR("ipaddress.kubernetes.io/managed-by"),
                   STR("ipallocator.k8s.io"));
    o->spec.parent_ref = arena_new(a, struct networking_parent_reference);
    o->spec.parent_ref->resource = STR("services");
    o->spec.parent_ref->namespace = ns;
    o->spec.parent_ref->name = name;
    return o;
}

/* One Service on its way to an allocation. */
struct alloc {
    struct request *rq;
    struct core_service *svc;
    const struct core_service *old; /* NULL on create */
    struct cidr ranges[RANGES_MAX];
    size_t n_ranges;
    struct field_errors errs;
    struct service_ports ports;
    bool ports_open;
    const char *full; /* what has no more to give; NULL: nothing */
};

static bool is_type(const struct core_service *s, const char *type)
{
    return str_eqz(s->spec.type, type);
}

static bool headless(const struct core_service *s)
{
    return str_eqz(s->spec.cluster_ip, "None") ||
           (s->spec.cluster_ips.n > 0 && str_eqz(s->spec.cluster_ips.v[0], "None"));
}

static bool needs_ip(const struct core_service *s)
{
    return !is_type(s, "ExternalName") && !headless(s);
}

static bool needs_port(const struct core_service *s)
{
    return is_type(s, "NodePort") || is_type(s, "LoadBalancer");
}

static bool gets_port(const struct core_service *s)
{
    return is_type(s, "NodePort") ||
           (is_type(s, "LoadBalancer") && (!s->spec.allocate_load_balancer_node_ports ||
                                           *s->spec.allocate_load_balancer_node_ports));
}

static bool needs_health_port(const struct core_service *s)
{
    return is_type(s, "LoadBalancer") && str_eqz(s->spec.external_traffic_policy, "Local");
}

static bool listed(const struct string_list *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i], s))
            return true;
    return false;
}

static void push(struct arena *a, struct string_list *l, struct str s)
{
    l->v = arena_grow(a, l->v, l->n, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = s;
}

/* The ranges that are in use: of all ServiceCIDRs, or the server's own while there is none. */
static void find_ranges(struct alloc *al)
{
    struct apiserver *as = al->rq->as;
    struct snapshot *s = cache_snapshot(store_cache(as->store, &res_networking_servicecidrs));
    struct omap_iter it;
    const struct object *o;

    omap_seek(&s->objects, STR_NULL, &it);
    while ((o = omap_next(&it))) {
        const struct networking_service_cidr *c = OBJECT_AS(networking_service_cidr, o);

        if (c->metadata.deletion_timestamp.set)
            continue;
        for (size_t i = 0; i < c->spec.cidrs.n && al->n_ranges < RANGES_MAX; i++)
            if (cidr_parse(c->spec.cidrs.v[i], &al->ranges[al->n_ranges], NULL) == 0)
                al->n_ranges++;
    }
    snapshot_unref(s);
    if (al->n_ranges == 0)
        al->ranges[al->n_ranges++] = as->service_alloc->range;
}

static bool family_served(const struct alloc *al, struct str family)
{
    for (size_t i = 0; i < al->n_ranges; i++)
        if (str_eq(address_family(al->ranges[i].base), family))
            return true;
    return false;
}

static struct str default_family(const struct alloc *al)
{
    return address_family(al->rq->as->service_alloc->range.base);
}

static struct str other_family(struct str family)
{
    return str_eqz(family, "IPv4") ? STR("IPv6") : STR("IPv4");
}

static void set_policy(struct alloc *al, struct str policy)
{
    al->svc->spec.ip_family_policy = arena_new(al->rq->arena, struct str);
    *al->svc->spec.ip_family_policy = policy;
}

/* ipFamilies and ipFamilyPolicy, from the addresses given and from what the cluster has. */
static void default_families(struct alloc *al)
{
    struct core_service_spec *s = &al->svc->spec;
    struct path spec = path_field(NULL, "spec"), families = path_field(&spec, "ipFamilies");
    struct path policy = path_field(&spec, "ipFamilyPolicy");
    bool bare = headless(al->svc) && s->selector.n == 0; /* endpoints of any family */
    bool dual = family_served(al, STR("IPv4")) && family_served(al, STR("IPv6"));
    struct address ip;
    bool single;

    if (!s->ip_family_policy)
        set_policy(al, bare || s->ip_families.n == 2 || s->cluster_ips.n == 2
                           ? STR("RequireDualStack")
                           : STR("SingleStack"));
    single = str_eqz(*s->ip_family_policy, "SingleStack");
    for (size_t i = 0; i < s->ip_families.n && !bare; i++) {
        struct path at = path_index(&families, i);

        if (!family_served(al, s->ip_families.v[i]))
            err_invalid(&al->errs, &at, doc_string(s->ip_families.v[i]),
                        "not configured on this cluster");
    }
    if (str_eqz(*s->ip_family_policy, "RequireDualStack") && !dual && !bare)
        err_invalid(&al->errs, &policy, doc_string(*s->ip_family_policy),
                    "this cluster is not configured for dual-stack services");
    for (size_t i = s->ip_families.n; i < s->cluster_ips.n; i++)
        if (address_parse(s->cluster_ips.v[i], &ip))
            push(al->rq->arena, &s->ip_families, address_family(ip));
    if (s->ip_families.n == 0)
        push(al->rq->arena, &s->ip_families, default_family(al));
    if (s->ip_families.n == 1 && !single && (dual || bare))
        push(al->rq->arena, &s->ip_families, other_family(s->ip_families.v[0]));
}

static struct object *find_ip(struct alloc *al, struct str ip)
{
    const struct resource *res = &res_networking_ipaddresses;

    return cache_find(store_cache(al->rq->as->store, res),
                      resource_key(res, STR(""), ip, al->rq->arena));
}

static bool ip_free(struct alloc *al, struct str ip)
{
    struct object *o = find_ip(al, ip);

    object_unref(o);
    return o == NULL;
}

/* Adds the object that says who has the address to the transaction. */
static void hold_ip(struct alloc *al, struct address ip)
{
    struct request *rq = al->rq;
    struct networking_ip_address *o =
        service_ip_object(rq->arena, ip, al->svc->metadata.namespace, al->svc->metadata.name);
    char *uid = arena_alloc(rq->arena, 37);

    random_uuid(loop_random(rq->loop), uid);
    o->metadata.uid = (struct str){uid, 36};
    o->metadata.creation_timestamp = time_from_ns(loop_wall_ns(rq->loop));
    o->metadata.creation_timestamp.nsec = 0;
    commit_add(rq, (struct store_op){.kind = STORE_PUT,
                                     .res = &res_networking_ipaddresses,
                                     .object = object_new(&res_networking_ipaddresses, o),
                                     .expect_revision = STORE_ABSENT});
}

static void drop_ip(struct alloc *al, struct str ip)
{
    struct address addr;
    struct object *o =
        address_parse(ip, &addr) ? find_ip(al, address_str(addr, al->rq->arena)) : NULL;
    const struct networking_parent_reference *p;
    const struct core_service *s = al->old ? al->old : al->svc;

    if (!o)
        return;
    p = OBJECT_AS(networking_ip_address, o)->spec.parent_ref;
    /* One that another Service holds is not ours to give back. */
    if (p && str_eqz(p->resource, "services") && str_eq(p->namespace, s->metadata.namespace) &&
        str_eq(p->name, s->metadata.name))
        commit_add(al->rq, (struct store_op){.kind = STORE_DELETE,
                                             .res = &res_networking_ipaddresses,
                                             .key = str_dup(al->rq->arena, o->key),
                                             .expect_revision = o->revision});
    object_unref(o);
}

static void refuse_ip(struct alloc *al, struct str ip, const char *why)
{
    struct path spec = path_field(NULL, "spec"), ips = path_field(&spec, "clusterIPs");
    struct doc list = doc_array();

    for (size_t i = 0; i < al->svc->spec.cluster_ips.n; i++)
        doc_append(al->rq->arena, &list, doc_string(al->svc->spec.cluster_ips.v[i]));
    err_invalid(&al->errs, &ips, list, "failed to allocate IP %.*s: %s", STR_ARG(ip), why);
}

static void take_given_ip(struct alloc *al, struct str ip)
{
    struct address a;

    if (!address_parse(ip, &a))
        return; /* validation says what is wrong with it */
    for (size_t i = 0; i < al->n_ranges; i++) {
        if (!cidr_holds(&al->ranges[i], a, NULL))
            continue;
        if (!ip_free(al, address_str(a, al->rq->arena)))
            refuse_ip(al, ip, "provided IP is already allocated");
        else
            hold_ip(al, a);
        return;
    }
    refuse_ip(al, ip, "the provided network does not match the current range");
}

/* A free address of @range between places [from, to), found at random and else in order. */
static bool pick_between(struct alloc *al, const struct cidr *range, uint64_t from, uint64_t to,
                         struct address *ret_ip)
{
    struct random *r = loop_random(al->rq->loop);
    uint64_t start;

    if (from >= to)
        return false;
    for (unsigned i = 0; i < IP_TRIES_RANDOM; i++) {
        *ret_ip = cidr_at(range, from + random_below(r, to - from));
        if (ip_free(al, address_str(*ret_ip, al->rq->arena)))
            return true;
    }
    start = random_below(r, to - from);
    for (uint64_t i = 0; i < MIN(to - from, UINT64_C(1) << 16); i++) {
        *ret_ip = cidr_at(range, from + (start + i) % (to - from));
        if (ip_free(al, address_str(*ret_ip, al->rq->arena)))
            return true;
    }
    return false;
}

static struct str take_any_ip(struct alloc *al, struct str family)
{
    for (size_t i = 0; i < al->n_ranges; i++) {
        const struct cidr *range = &al->ranges[i];
        uint64_t size = cidr_usable(range);
        uint64_t lower = size <= 16 ? 0 : MIN(MAX(UINT64_C(16), size / 16), UINT64_C(256));
        struct address ip;

        if (!str_eq(address_family(range->base), family))
            continue;
        /* The lower band is left to those who ask for an address, until the rest is full. */
        if (pick_between(al, range, lower, size, &ip) || pick_between(al, range, 0, lower, &ip)) {
            hold_ip(al, ip);
            return address_str(ip, al->rq->arena);
        }
    }
    al->full = "serviceIP";
    return STR_NULL;
}

/* Given addresses are taken unless @old has them; missing ones are found. */
static void allocate_ips(struct alloc *al)
{
    struct core_service_spec *s = &al->svc->spec;
    static const struct string_list none;
    const struct string_list *old =
        al->old && needs_ip(al->old) ? &al->old->spec.cluster_ips : &none;

    if (!needs_ip(al->svc))
        return;
    for (size_t i = 0; i < s->cluster_ips.n; i++)
        if (!listed(old, s->cluster_ips.v[i]))
            take_given_ip(al, s->cluster_ips.v[i]);
    while (s->cluster_ips.n < s->ip_families.n && al->errs.n == 0 && !al->full) {
        struct str ip = take_any_ip(al, s->ip_families.v[s->cluster_ips.n]);

        if (ip.p)
            push(al->rq->arena, &s->cluster_ips, ip);
    }
    if (s->cluster_ips.n > 0)
        s->cluster_ip = s->cluster_ips.v[0];
}

static void release_ips(struct alloc *al, const struct core_service *from,
                        const struct core_service *kept)
{
    static const struct string_list none;
    const struct string_list *keep = kept && needs_ip(kept) ? &kept->spec.cluster_ips : &none;

    if (!needs_ip(from))
        return;
    for (size_t i = 0; i < from->spec.cluster_ips.n; i++)
        if (!listed(keep, from->spec.cluster_ips.v[i]))
            drop_ip(al, from->spec.cluster_ips.v[i]);
}

/* The node port that another port of the Service with that number has. */
static int32_t shared_port(const struct core_service *s, size_t at)
{
    const struct core_service_port *p = &s->spec.ports.v[at];

    for (size_t i = 0; i < s->spec.ports.n; i++) {
        const struct core_service_port *q = &s->spec.ports.v[i];

        if (i != at && q->port == p->port && q->node_port && !str_eq(q->protocol, p->protocol))
            return q->node_port;
    }
    return 0;
}

static bool has_port(const struct core_service *s, size_t n, int32_t port)
{
    for (size_t i = 0; s && i < MIN(n, s->spec.ports.n); i++)
        if (s->spec.ports.v[i].node_port == port)
            return true;
    return false;
}

static bool take_port(struct alloc *al, const struct path *at, int32_t port, int32_t *ret_port)
{
    struct service_alloc *s = al->rq->as->service_alloc;

    if (!al->ports_open) {
        al->ports = service_ports_open(al->rq, al->svc->metadata.namespace, al->svc->metadata.name);
        al->ports_open = true;
    }
    if (port && !service_port_valid(s, port)) {
        err_invalid(&al->errs, at, doc_int(port),
                    "provided port is not in the valid range. The range of valid ports is %u-%u",
                    s->port_min, s->port_max);
        return false;
    }
    if (service_port_take(&al->ports, port, ret_port))
        return true;
    if (port)
        err_invalid(&al->errs, at, doc_int(port), "provided port is already allocated");
    else
        al->full = "nodePort";
    return false;
}

static void allocate_ports(struct alloc *al)
{
    struct core_service_spec *s = &al->svc->spec;
    struct path spec = path_field(NULL, "spec"), ports = path_field(&spec, "ports");
    struct path health = path_field(&spec, "healthCheckNodePort");

    for (size_t i = 0; needs_port(al->svc) && i < s->ports.n && !al->full; i++) {
        struct path item = path_index(&ports, i), at = path_field(&item, "nodePort");
        struct core_service_port *p = &s->ports.v[i];

        if (!p->node_port && !gets_port(al->svc))
            continue;
        if (!p->node_port)
            p->node_port = shared_port(al->svc, i);
        if (p->node_port &&
            (has_port(al->old, SIZE_MAX, p->node_port) || has_port(al->svc, i, p->node_port)))
            continue; /* its own already */
        (void)take_port(al, &at, p->node_port, &p->node_port);
    }
    if (needs_health_port(al->svc) && !al->full &&
        !(al->old && s->health_check_node_port &&
          al->old->spec.health_check_node_port == s->health_check_node_port))
        (void)take_port(al, &health, s->health_check_node_port, &s->health_check_node_port);
}

static enum stage_result finish(struct alloc *al)
{
    struct str name = al->svc->metadata.name;

    if (al->errs.n > 0)
        return request_fail_invalid(al->rq, "", "Service", name, &al->errs);
    if (al->full)
        return request_failf(al->rq, ERR_INTERNAL,
                             "failed to allocate a %s for Service \"%.*s\": range is full",
                             al->full, STR_ARG(name));
    return STAGE_NEXT;
}

static void normalize(struct alloc *al)
{
    struct core_service_spec *s = &al->svc->spec;

    if (!str_empty(s->cluster_ip) && s->cluster_ips.n == 0)
        push(al->rq->arena, &s->cluster_ips, s->cluster_ip);
}

/* True if the client itself asked for the address. */
static bool asked_for(const struct request *rq, struct str ip)
{
    const struct core_service *given = rq->inproc_typed;

    if (given)
        return str_eq(given->spec.cluster_ip, ip);
    return str_find(rq->body, ip) >= 0;
}

enum stage_result service_alloc_create(struct request *rq)
{
    struct alloc al = {.rq = rq, .svc = rq->obj, .errs = {.arena = rq->arena}};

    if (is_type(al.svc, "ExternalName"))
        return STAGE_NEXT;
    /* Somebody was quicker with the address that was picked before: pick again. */
    if (rq->attempt > 0 && !str_empty(al.svc->spec.cluster_ip) &&
        !asked_for(rq, al.svc->spec.cluster_ip)) {
        al.svc->spec.cluster_ip = STR_NULL;
        al.svc->spec.cluster_ips = (struct string_list){0};
    }
    find_ranges(&al);
    normalize(&al);
    default_families(&al);
    if (al.errs.n == 0)
        allocate_ips(&al);
    if (al.errs.n == 0)
        allocate_ports(&al);
    return finish(&al);
}

static bool same_list(const struct string_list *x, const struct string_list *y)
{
    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!str_eq(x->v[i], y->v[i]))
            return false;
    return true;
}

/* What the update leaves out and both states have comes from the stored one. */
static void patch_from_old(struct core_service *now, const struct core_service *old)
{
    if (needs_ip(old) && needs_ip(now)) {
        if (str_empty(now->spec.cluster_ip) && now->spec.cluster_ips.n == 0)
            now->spec.cluster_ip = old->spec.cluster_ip;
        if (now->spec.cluster_ips.n == 0 && str_eq(now->spec.cluster_ip, old->spec.cluster_ip))
            now->spec.cluster_ips = old->spec.cluster_ips;
    }
    if (needs_port(old) && needs_port(now)) {
        for (size_t i = 0; i < now->spec.ports.n; i++) {
            struct core_service_port *p = &now->spec.ports.v[i];

            for (size_t j = 0; j < old->spec.ports.n && !p->node_port; j++) {
                const struct core_service_port *q = &old->spec.ports.v[j];

                if (str_eq(q->name, p->name) && !has_port(now, SIZE_MAX, q->node_port))
                    p->node_port = q->node_port;
            }
        }
    }
    if (needs_health_port(old) && needs_health_port(now) && !now->spec.health_check_node_port)
        now->spec.health_check_node_port = old->spec.health_check_node_port;
    if (!is_type(now, "ExternalName") && !is_type(old, "ExternalName")) {
        if (now->spec.ip_families.n == 0)
            now->spec.ip_families = old->spec.ip_families;
        if (!now->spec.ip_family_policy)
            now->spec.ip_family_policy = old->spec.ip_family_policy;
    }
}

/* What the type that is left behind had, and the client did not change, goes with it. */
static void drop_for_type(struct core_service *now, const struct core_service *old)
{
    if (is_type(now, "ExternalName") && !is_type(old, "ExternalName")) {
        if (str_eq(now->spec.cluster_ip, old->spec.cluster_ip) &&
            same_list(&now->spec.cluster_ips, &old->spec.cluster_ips)) {
            now->spec.cluster_ip = STR_NULL;
            now->spec.cluster_ips = (struct string_list){0};
        }
        if (same_list(&now->spec.ip_families, &old->spec.ip_families))
            now->spec.ip_families = (struct string_list){0};
        if (now->spec.ip_family_policy && old->spec.ip_family_policy &&
            str_eq(*now->spec.ip_family_policy, *old->spec.ip_family_policy))
            now->spec.ip_family_policy = NULL;
    }
    if (needs_port(old) && !needs_port(now)) {
        for (size_t i = 0; i < now->spec.ports.n; i++)
            if (has_port(old, SIZE_MAX, now->spec.ports.v[i].node_port))
                now->spec.ports.v[i].node_port = 0;
    }
    if (needs_health_port(old) && !needs_health_port(now) &&
        now->spec.health_check_node_port == old->spec.health_check_node_port)
        now->spec.health_check_node_port = 0;
}

/* One stack instead of two gives the second address back; two ask for another one. */
static void follow_policy(struct alloc *al)
{
    struct core_service_spec *s = &al->svc->spec;

    if (s->ip_family_policy && str_eqz(*s->ip_family_policy, "SingleStack")) {
        s->ip_families.n = MIN(s->ip_families.n, (size_t)1);
        s->cluster_ips.n = MIN(s->cluster_ips.n, (size_t)1);
    }
}

enum stage_result service_alloc_update(struct request *rq)
{
    struct alloc al = {
        .rq = rq, .svc = rq->obj, .old = rq->old_typed, .errs = {.arena = rq->arena}};

    find_ranges(&al);
    drop_for_type(al.svc, al.old);
    patch_from_old(al.svc, al.old);
    if (is_type(al.svc, "ExternalName")) {
        release_ips(&al, al.old, al.svc);
        return STAGE_NEXT;
    }
    normalize(&al);
    follow_policy(&al);
    default_families(&al);
    if (al.errs.n == 0)
        allocate_ips(&al);
    if (al.errs.n == 0)
        allocate_ports(&al);
    if (al.errs.n == 0 && !al.full)
        release_ips(&al, al.old, al.svc);
    return finish(&al);
}

enum stage_result service_alloc_remove(struct request *rq)
{
    struct alloc al = {.rq = rq, .old = rq->old_typed};

    release_ips(&al, al.old, NULL);
    service_ports_forget(rq->as->service_alloc, al.old->metadata.namespace, al.old->metadata.name);
    return STAGE_NEXT;
}
