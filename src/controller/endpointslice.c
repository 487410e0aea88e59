/* SPDX-License-Identifier: Apache-2.0 */
/* endpointslice.c - the addresses behind each Service, in slices of at most 100.
 *
 * An endpoint stays in the slice where it is; new ones fill the fullest slice that has room; pods
 * whose ports differ (named target ports) go to slices of their own. */
#include "controller/service_pods.h"
#include "schema/typed.h"

enum { ENDPOINTS_MAX = 100 };
#define LABEL_SERVICE "kubernetes.io/service-name"
#define LABEL_MANAGED "endpointslice.kubernetes.io/managed-by"
#define MANAGER       "endpointslice-controller.k8s.io"

struct draft {                   /* a slice as it shall be */
    const struct object *object; /* NULL: new */
    struct discovery_endpoint_slice *slice;
    bool claimed;
};
struct work {
    const struct view *v;
    const struct object *svc_object;
    const struct core_service *svc;
    struct service_pod *pods;
    size_t n_pods;
    bool *placed;
    struct draft *drafts;
    size_t n_drafts, n_existing;
    struct plan *plan;
};

static void slice_keys(const struct view *v, const struct object *o,
                       void (*add)(void *arg, struct str key), void *arg)
{
    struct str name = object_label(o, STR(LABEL_SERVICE));

    if (name.len > 0 && str_eq(object_label(o, STR(LABEL_MANAGED)), STR(MANAGER)))
        add(arg, join_key(o->ns, name, v->arena));
}

static struct discovery_endpoint make_endpoint(const struct work *w, const struct service_pod *p)
{
    struct arena *a = w->v->arena;
    struct discovery_endpoint e = {0};
    struct str hostname = service_pod_hostname(p, w->svc);
    const struct object *node = NULL;
    struct str zone = STR_NULL;

    e.addresses.v = arena_box(a, p->pod->status.pod_ip);
    e.addresses.n = 1;
    e.conditions.ready = arena_box(a, p->ready);
    e.conditions.serving = arena_box(a, p->serving);
    e.conditions.terminating = arena_box(a, p->terminating);
    e.target_ref = service_pod_ref(p, a);
    if (hostname.len > 0)
        e.hostname = arena_box(a, hostname);
    if (p->pod->spec.node_name.len > 0) {
        e.node_name = arena_box(a, p->pod->spec.node_name);
        node = view_find(w->v, &res_core_nodes, STR_NULL, p->pod->spec.node_name);
    }
    if (node)
        zone = object_label(node, STR("topology.kubernetes.io/zone"));
    if (zone.len > 0)
        e.zone = arena_box(a, zone);
    return e;
}

static void fill_ports(const struct work *w, struct discovery_endpoint_slice *s,
                       const struct service_pod *p)
{
    struct arena *a = w->v->arena;

    s->ports.v = arena_calloc(a, p->n_ports + 1, sizeof(*s->ports.v));
    s->ports.n = p->n_ports;
    for (size_t i = 0; i < p->n_ports; i++) {
        struct discovery_endpoint_port *port = &s->ports.v[i];

        port->name = arena_box(a, p->ports[i].name);
        port->protocol = arena_box(a, p->ports[i].protocol);
        port->port = arena_box(a, p->ports[i].port);
        if (p->ports[i].app_protocol)
            port->app_protocol = arena_box(a, *p->ports[i].app_protocol);
    }
}

static bool same_ports(const struct discovery_endpoint_slice *s, const struct service_pod *p)
{
    if (s->ports.n != p->n_ports)
        return false;
    for (size_t i = 0; i < p->n_ports; i++) {
        const struct discovery_endpoint_port *port = &s->ports.v[i];

        if (!port->port || *port->port != p->ports[i].port ||
            !str_eq(port->name ? *port->name : STR_NULL, p->ports[i].name) ||
            !str_eq(port->protocol ? *port->protocol : STR_NULL, p->ports[i].protocol))
            return false;
    }
    return true;
}

/* Labels and owner that every slice of this Service carries. */
static void fill_meta(const struct work *w, struct discovery_endpoint_slice *s)
{
    struct arena *a = w->v->arena;
    struct meta_owner_reference ref = controller_ref(w->svc_object, a);

    s->metadata.labels = copy_map(&w->svc->metadata.labels, a);
    string_map_set(a, &s->metadata.labels, STR(LABEL_SERVICE), w->svc_object->name);
    string_map_set(a, &s->metadata.labels, STR(LABEL_MANAGED), STR(MANAGER));
    if (str_eq(w->svc->spec.cluster_ip, STR("None")))
        string_map_set(a, &s->metadata.labels, STR("service.kubernetes.io/headless"), STR(""));
    s->metadata.owner_references.v = arena_box(a, ref);
    s->metadata.owner_references.n = 1;
}

static struct draft *add_draft(struct work *w, const struct object *o)
{
    struct arena *a = w->v->arena;
    struct draft *d;

    w->drafts = arena_grow(a, w->drafts, w->n_drafts, w->n_drafts + 1, sizeof(*w->drafts));
    d = &w->drafts[w->n_drafts++];
    *d = (struct draft){.object = o, .slice = arena_new(a, struct discovery_endpoint_slice)};
    if (o) {
        *d->slice = *OBJECT_AS(discovery_endpoint_slice, o);
    } else {
        d->slice->metadata.generate_name = child_prefix(w->svc_object->name, a);
        d->slice->metadata.namespace = w->svc_object->ns;
    }
    d->slice->address_type = STR("IPv4");
    d->slice->endpoints.v = arena_calloc(a, ENDPOINTS_MAX, sizeof(*d->slice->endpoints.v));
    d->slice->endpoints.n = 0;
    fill_meta(w, d->slice);
    return d;
}

static void collect_slices(struct work *w)
{
    struct informer_iter it;

    for (struct object *o = view_first(w->v, &res_discovery_endpointslices, w->svc_object->ns, &it);
         o; o = informer_next(&it)) {
        if (str_eq(object_label(o, STR(LABEL_SERVICE)), w->svc_object->name) &&
            str_eq(object_label(o, STR(LABEL_MANAGED)), STR(MANAGER)) &&
            !object_meta(o)->deletion_timestamp.set)
            (void)add_draft(w, o);
    }
    w->n_existing = w->n_drafts;
}

static struct service_pod *pod_of(const struct work *w, const struct discovery_endpoint *e,
                                  size_t *ret_at)
{
    for (size_t i = 0; e->target_ref && i < w->n_pods; i++) {
        if (str_eq(w->pods[i].object->uid, e->target_ref->uid)) {
            *ret_at = i;
            return &w->pods[i];
        }
    }
    return NULL;
}

/* Endpoints that are still wanted stay where they are. */
static void keep_existing(struct work *w)
{
    for (size_t i = 0; i < w->n_existing; i++) {
        struct draft *d = &w->drafts[i];
        const struct discovery_endpoint_slice *old = OBJECT_AS(discovery_endpoint_slice, d->object);

        for (size_t k = 0; k < old->endpoints.n; k++) {
            size_t at = 0;
            struct service_pod *p = pod_of(w, &old->endpoints.v[k], &at);

            if (!p || w->placed[at] || !same_ports(old, p) ||
                d->slice->endpoints.n == ENDPOINTS_MAX)
                continue;
            d->slice->endpoints.v[d->slice->endpoints.n++] = make_endpoint(w, p);
            d->claimed = w->placed[at] = true;
        }
    }
}

static struct draft *draft_for(struct work *w, const struct service_pod *p)
{
    struct draft *best = NULL;

    for (size_t i = 0; i < w->n_drafts; i++) {
        struct draft *d = &w->drafts[i];

        if (d->slice->endpoints.n == ENDPOINTS_MAX || (d->claimed && !same_ports(d->slice, p)))
            continue;
        if (!d->claimed && !best) {
            best = d; /* an emptied slice may be used again, if none fits better */
        } else if (d->claimed &&
                   (!best || !best->claimed || d->slice->endpoints.n > best->slice->endpoints.n)) {
            best = d;
        }
    }
    if (!best)
        best = add_draft(w, NULL);
    if (!best->claimed) {
        fill_ports(w, best->slice, p);
        best->claimed = true;
    }
    return best;
}

static void plan_drafts(struct work *w)
{
    struct plan_op op = {.res = &res_discovery_endpointslices,
                         .ns = w->svc_object->ns,
                         .event_on = w->svc_object,
                         .fail_reason = "FailedToUpdateEndpointSlices",
                         .fail_text = "Error updating Endpoint Slices for Service: {error}"};
    bool any = false;

    for (size_t i = 0; i < w->n_drafts; i++)
        any |= w->drafts[i].claimed;
    if (!any) {
        /* Without endpoints one empty slice says so. */
        struct draft *d = w->n_drafts > 0 ? &w->drafts[0] : add_draft(w, NULL);

        d->claimed = true;
        d->slice->ports.n = 0;
    }
    for (size_t i = 0; i < w->n_drafts; i++) {
        struct draft *d = &w->drafts[i];

        op.obj = d->slice;
        op.ignore_missing = false;
        if (!d->object) {
            op.kind = PLAN_CREATE;
        } else {
            op.name = d->object->name;
            op.kind = d->claimed ? PLAN_UPDATE : PLAN_DELETE;
            op.uid = d->claimed ? STR_NULL : d->object->uid;
            op.ignore_missing = !d->claimed;
            if (d->claimed &&
                typed_equal(&type_discovery_endpoint_slice, d->slice, object_typed(d->object)))
                continue;
        }
        plan_add(w->plan, &op);
    }
}

static int plan_service(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct work w = {.v = v, .plan = plan};
    struct str ns, name;

    (void)err;
    split_key(key, &ns, &name);
    w.svc_object = view_find(v, &res_core_services, ns, name);
    if (!w.svc_object)
        return 0; /* the slices go with their owner */
    w.svc = OBJECT_AS(core_service, w.svc_object);
    if (w.svc->spec.selector.n == 0 || str_eq(w.svc->spec.type, STR("ExternalName")) ||
        w.svc->metadata.deletion_timestamp.set)
        return 0;
    w.pods = service_pods(v, w.svc_object, &w.n_pods);
    w.placed = arena_calloc(v->arena, w.n_pods + 1, sizeof(bool));
    collect_slices(&w);
    keep_existing(&w);
    for (size_t i = 0; i < w.n_pods; i++) {
        struct draft *d;

        if (w.placed[i])
            continue;
        d = draft_for(&w, &w.pods[i]);
        d->slice->endpoints.v[d->slice->endpoints.n++] = make_endpoint(&w, &w.pods[i]);
    }
    plan_drafts(&w);
    return 0;
}

/* Nodes are only looked at for their zone; a changed zone shows with the next change of a pod. */
static void no_keys(const struct view *v, const struct object *o,
                    void (*add)(void *arg, struct str key), void *arg)
{
    (void)v;
    (void)o;
    (void)add;
    (void)arg;
}

static const struct watch_rule watches[] = {
    {.res = &res_core_services},
    {.res = &res_core_pods, .keys = service_pod_keys},
    {.res = &res_discovery_endpointslices, .keys = slice_keys},
    {.res = &res_core_nodes, .keys = no_keys},
    {0},
};
const struct controller endpointslice_controller = {
    .name = "endpointslice",
    .identity = "endpointslice-controller",
    .event_component = "endpoint-slice-controller",
    .watches = watches,
    .plan = plan_service,
};
