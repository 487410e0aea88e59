/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints.c - the older form of EndpointSlices: one Endpoints object a Service, at most 1000
 * addresses. */
#include "controller/service_pods.h"
#include "schema/typed.h"

enum { ADDRESSES_MAX = 1000 };
#define LABEL_MANAGED     "endpoints.kubernetes.io/managed-by"
#define ANN_OVER_CAPACITY "endpoints.kubernetes.io/over-capacity"

static struct core_endpoint_address address_of(const struct view *v, const struct core_service *svc,
                                               const struct service_pod *p)
{
    struct core_endpoint_address e = {.ip = p->pod->status.pod_ip,
                                      .hostname = service_pod_hostname(p, svc),
                                      .target_ref = service_pod_ref(p, v->arena)};

    if (p->pod->spec.node_name.len > 0) {
        e.node_name = arena_new(v->arena, struct str);
        *e.node_name = p->pod->spec.node_name;
    }
    return e;
}

static void fill_ports(const struct view *v, const struct service_pod *p,
                       struct core_endpoint_subset *s)
{
    s->ports.v = arena_calloc(v->arena, p->n_ports + 1, sizeof(*s->ports.v));
    s->ports.n = p->n_ports;
    for (size_t i = 0; i < p->n_ports; i++) {
        s->ports.v[i] = (struct core_endpoint_port){
            .name = p->ports[i].name, .port = p->ports[i].port, .protocol = p->ports[i].protocol};
        if (p->ports[i].app_protocol) {
            s->ports.v[i].app_protocol = arena_new(v->arena, struct str);
            *s->ports.v[i].app_protocol = *p->ports[i].app_protocol;
        }
    }
}

/* One subset for each set of ports; terminating pods are left out, as ever. */
static void fill_subsets(const struct view *v, const struct core_service *svc,
                         struct service_pod *pods, size_t n, struct core_endpoints *e)
{
    bool *done = arena_calloc(v->arena, n + 1, sizeof(bool));

    e->subsets.v = arena_calloc(v->arena, n + 1, sizeof(*e->subsets.v));
    e->subsets.n = 0;
    for (size_t i = 0; i < n; i++) {
        struct core_endpoint_subset *s = &e->subsets.v[e->subsets.n];

        if (done[i] || (pods[i].terminating && !svc->spec.publish_not_ready_addresses))
            continue;
        s->addresses.v = arena_calloc(v->arena, n - i, sizeof(*s->addresses.v));
        s->not_ready_addresses.v = arena_calloc(v->arena, n - i, sizeof(*s->addresses.v));
        for (size_t k = i; k < n; k++) {
            if (done[k] || !service_ports_equal(&pods[i], &pods[k]) ||
                (pods[k].terminating && !svc->spec.publish_not_ready_addresses))
                continue;
            done[k] = true;
            if (pods[k].ready)
                s->addresses.v[s->addresses.n++] = address_of(v, svc, &pods[k]);
            else
                s->not_ready_addresses.v[s->not_ready_addresses.n++] = address_of(v, svc, &pods[k]);
        }
        fill_ports(v, &pods[i], s);
        e->subsets.n++;
    }
}

static int plan_service(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct core_endpoints *e = arena_new(v->arena, struct core_endpoints);
    const struct object *svc_object, *old;
    const struct core_service *svc;
    struct service_pod *pods;
    struct str ns, name;
    size_t n;
    struct plan_op op = {.kind = PLAN_CREATE, .res = &res_core_endpoints, .obj = e};

    (void)err;
    split_key(key, &ns, &name);
    op.ns = ns;
    svc_object = view_find(v, &res_core_services, ns, name);
    old = view_find(v, &res_core_endpoints, ns, name);
    if (!svc_object) {
        if (!old || !str_eq(object_label(old, STR(LABEL_MANAGED)), STR("endpoint-controller")))
            return 0;
        op = (struct plan_op){.kind = PLAN_DELETE,
                              .res = &res_core_endpoints,
                              .ns = ns,
                              .name = name,
                              .uid = old->uid,
                              .ignore_missing = true};
        plan_add(plan, &op);
        return 0;
    }
    svc = OBJECT_AS(core_service, svc_object);
    if (svc->spec.selector.n == 0 || str_eq(svc->spec.type, STR("ExternalName")) ||
        svc->metadata.deletion_timestamp.set)
        return 0;
    if (old)
        *e = *OBJECT_AS(core_endpoints, old);
    pods = service_pods(v, svc_object, &n);
    e->metadata.name = name;
    e->metadata.namespace = ns;
    e->metadata.labels = copy_map(&svc->metadata.labels, v->arena);
    string_map_set(v->arena, &e->metadata.labels, STR(LABEL_MANAGED), STR("endpoint-controller"));
    if (str_eq(svc->spec.cluster_ip, STR("None")))
        string_map_set(v->arena, &e->metadata.labels, STR("service.kubernetes.io/headless"),
                       STR(""));
    e->metadata.annotations = copy_map(&e->metadata.annotations, v->arena);
    if (n > ADDRESSES_MAX)
        string_map_set(v->arena, &e->metadata.annotations, STR(ANN_OVER_CAPACITY),
                       STR("truncated"));
    else
        (void)string_map_remove(&e->metadata.annotations, STR(ANN_OVER_CAPACITY));
    fill_subsets(v, svc, pods, MIN(n, (size_t)ADDRESSES_MAX), e);
    if (old && typed_equal(&type_core_endpoints, e, object_typed(old)))
        return 0;
    if (old) {
        op.kind = PLAN_UPDATE;
        op.name = name;
    }
    plan_add(plan, &op);
    return 0;
}

static const struct watch_rule watches[] = {
    {.res = &res_core_services},
    {.res = &res_core_pods, .keys = service_pod_keys},
    {.res = &res_core_endpoints},
    {0},
};
const struct controller endpoints_controller = {
    .name = "endpoints",
    .identity = "endpoint-controller",
    .event_component = "endpoint-controller",
    .watches = watches,
    .plan = plan_service,
};
