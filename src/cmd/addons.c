/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/addons.h"

#include "base/log.h"
#include "schema/typed.h"

enum { RETRY_MS = 1000, DNS_PORT = 53 };
#define NS "kube-system"
#define NAME "kube-dns"

struct addons {
    struct addons_opts opts;
    struct arena arena; /* of the objects */
    struct timer retry;
    unsigned step;      /* objects that are as they shall be */
    bool busy, freed;
};
struct wanted {
    const struct resource *res;
    const void *(*make)(struct addons *a);
};

static void set_meta(struct addons *a, struct meta_object_meta *m)
{
    m->name = STR(NAME);
    m->namespace = STR(NS);
    string_map_set(&a->arena, &m->labels, STR("k8s-app"), STR(NAME));
    string_map_set(&a->arena, &m->labels, STR("kubernetes.io/cluster-service"), STR("true"));
    string_map_set(&a->arena, &m->labels, STR("kubernetes.io/name"), STR("CoreDNS"));
}

static const void *make_service(struct addons *a)
{
    struct core_service *s = arena_new(&a->arena, struct core_service);

    set_meta(a, &s->metadata);
    s->spec.cluster_ip = str_from(a->opts.dns_service_ip);
    s->spec.ports.v = arena_calloc(&a->arena, 2, sizeof(*s->spec.ports.v));
    s->spec.ports.n = 2;
    s->spec.ports.v[0] = (struct core_service_port){
        .name = STR("dns"), .protocol = STR("UDP"), .port = DNS_PORT,
        .target_port = {.kind = INT_OR_STRING_INT, .i = a->opts.dns_port}};
    s->spec.ports.v[1] = (struct core_service_port){
        .name = STR("dns-tcp"), .protocol = STR("TCP"), .port = DNS_PORT,
        .target_port = {.kind = INT_OR_STRING_INT, .i = a->opts.dns_port}};
    return s;
}

static const void *make_endpoints(struct addons *a)
{
    struct core_endpoints *e = arena_new(&a->arena, struct core_endpoints);
    struct core_endpoint_subset *s = arena_new(&a->arena, struct core_endpoint_subset);

    set_meta(a, &e->metadata);
    /* The slice is written beside it: mirroring would make a second one. */
    string_map_set(&a->arena, &e->metadata.labels, STR("endpointslice.kubernetes.io/skip-mirror"),
                   STR("true"));
    e->subsets.v = s;
    e->subsets.n = 1;
    s->addresses.v = arena_calloc(&a->arena, 1, sizeof(*s->addresses.v));
    s->addresses.n = 1;
    s->addresses.v[0].ip = str_from(a->opts.dns_address);
    s->ports.v = arena_calloc(&a->arena, 2, sizeof(*s->ports.v));
    s->ports.n = 2;
    s->ports.v[0] = (struct core_endpoint_port){
        .name = STR("dns"), .port = a->opts.dns_port, .protocol = STR("UDP")};
    s->ports.v[1] = (struct core_endpoint_port){
        .name = STR("dns-tcp"), .port = a->opts.dns_port, .protocol = STR("TCP")};
    return e;
}

static const void *make_slice(struct addons *a)
{
    struct arena *m = &a->arena;
    struct discovery_endpoint_slice *s = arena_new(m, struct discovery_endpoint_slice);
    static const char *const names[] = {"dns", "dns-tcp"}, *const protocols[] = {"UDP", "TCP"};

    set_meta(a, &s->metadata);
    string_map_set(m, &s->metadata.labels, STR("kubernetes.io/service-name"), STR(NAME));
    string_map_set(m, &s->metadata.labels, STR("endpointslice.kubernetes.io/managed-by"),
                   STR("skiff"));
    s->address_type = STR("IPv4");
    s->endpoints.v = arena_calloc(m, 1, sizeof(*s->endpoints.v));
    s->endpoints.n = 1;
    s->endpoints.v[0].addresses.v = arena_box(m, str_from(a->opts.dns_address));
    s->endpoints.v[0].addresses.n = 1;
    s->endpoints.v[0].conditions.ready = arena_box(m, (bool)true);
    s->ports.v = arena_calloc(m, 2, sizeof(*s->ports.v));
    s->ports.n = 2;
    for (size_t i = 0; i < 2; i++) {
        s->ports.v[i].name = arena_box(m, str_from(names[i]));
        s->ports.v[i].protocol = arena_box(m, str_from(protocols[i]));
        s->ports.v[i].port = arena_box(m, (int32_t)a->opts.dns_port);
    }
    return s;
}

static const struct wanted wanted[] = {
    {&res_core_services, make_service},
    {&res_core_endpoints, make_endpoints},
    {&res_discovery_endpointslices, make_slice},
};

static void next(struct addons *a);

static void release(struct addons *a)
{
    if (!a->freed || a->busy)
        return;
    arena_deinit(&a->arena);
    free(a);
}

/* Ends a call: goes on with the next object, or tries this one again in a while. */
static void turn(struct addons *a, bool ok)
{
    a->busy = false;
    if (a->freed) {
        release(a);
        return;
    }
    if (!ok) {
        timer_start(&a->retry, RETRY_MS, 0);
        return;
    }
    a->step++;
    next(a);
}

static void on_updated(void *arg, const struct client_result *r)
{
    if (r->code < 0 && r->code != ERR_CANCELED)
        LOG_WARN("addons", "%s not written: %s", NAME, r->err->msg);
    turn(arg, r->code == 0);
}

/* A Service keeps its address; where it leads may have changed with this machine's address. */
static void on_created(void *arg, const struct client_result *r)
{
    struct addons *a = arg;
    const struct wanted *w = &wanted[a->step];

    if (r->code == ERR_EXISTS && w->res != &res_core_services && !a->freed) {
        client_update(a->opts.client, w->res, STR(NS), STR(NAME), w->make(a), NULL, on_updated, a);
        return;
    }
    if (r->code < 0 && r->code != ERR_EXISTS && r->code != ERR_INVALID && r->code != ERR_CANCELED)
        LOG_WARN("addons", "%s %s not made: %s", w->res->singular, NAME, r->err->msg);
    turn(a, r->code == 0 || r->code == ERR_EXISTS);
}

static void next(struct addons *a)
{
    if (a->step == ARRAY_LEN(wanted))
        return;
    a->busy = true;
    client_create(a->opts.client, wanted[a->step].res, STR(NS), STR_NULL, NULL,
                  wanted[a->step].make(a), NULL, on_created, a);
}

static void on_retry(struct timer *t)
{
    next(container_of(t, struct addons, retry));
}

struct addons *addons_start(const struct addons_opts *opts)
{
    struct addons *a = xnew(struct addons);

    a->opts = *opts;
    timer_init(&a->retry, client_loop(opts->client), on_retry);
    next(a);
    return a;
}

struct addons *addons_stop(struct addons *a)
{
    if (!a)
        return NULL;
    timer_stop(&a->retry);
    a->freed = true;
    release(a);
    return NULL;
}
