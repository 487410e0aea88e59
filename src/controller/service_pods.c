/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/service_pods.h"

#include "schema/selector.h"

/* The number of a target port in @pod; 0 if the pod has no port of that name. */
static int32_t find_port(const struct core_pod *pod, const struct core_service_port *sp)
{
    if (sp->target_port.kind == INT_OR_STRING_INT)
        return sp->target_port.i ? sp->target_port.i : sp->port;
    if (sp->target_port.kind != INT_OR_STRING_STRING)
        return sp->port;
    for (size_t i = 0; i < pod->spec.containers.n; i++) {
        const struct core_container *c = &pod->spec.containers.v[i];

        for (size_t k = 0; k < c->ports.n; k++) {
            if (str_eq(c->ports.v[k].name, sp->target_port.s) &&
                str_eq(c->ports.v[k].protocol, sp->protocol))
                return c->ports.v[k].container_port;
        }
    }
    return 0;
}

static void fill_ports(const struct core_service *svc, struct service_pod *p, struct arena *a)
{
    p->ports = arena_calloc(a, svc->spec.ports.n + 1, sizeof(*p->ports));
    for (size_t i = 0; i < svc->spec.ports.n; i++) {
        const struct core_service_port *sp = &svc->spec.ports.v[i];
        int32_t port = find_port(p->pod, sp);

        if (port == 0)
            continue;
        p->ports[p->n_ports++] = (struct service_port){.name = sp->name,
                                                       .protocol = sp->protocol,
                                                       .port = port,
                                                       .app_protocol = sp->app_protocol};
    }
}

static bool counts(const struct core_pod *pod)
{
    return pod->status.pod_ip.len > 0 && !str_eq(pod->status.phase, STR("Succeeded")) &&
           !str_eq(pod->status.phase, STR("Failed"));
}

struct service_pod *service_pods(const struct view *v, const struct object *svc, size_t *ret_n)
{
    const struct core_service *s = OBJECT_AS(core_service, svc);
    struct selector selector = selector_from_map(&s->spec.selector, v->arena);
    struct service_pod *pods = NULL;
    struct informer_iter it;
    size_t n = 0, cap = 0;

    for (struct object *o = view_first(v, &res_core_pods, svc->ns, &it); o;
         o = informer_next(&it)) {
        const struct core_pod *pod = OBJECT_AS(core_pod, o);
        struct service_pod *p;

        if (!selector_match_labels(&selector, o) || !counts(pod))
            continue;
        if (n == cap) {
            pods = arena_grow(v->arena, pods, n, cap ? cap * 2 : 16, sizeof(*pods));
            cap = cap ? cap * 2 : 16;
        }
        p = &pods[n++];
        *p = (struct service_pod){.object = o, .pod = pod};
        p->serving = pod_is_ready(pod);
        p->terminating = pod->metadata.deletion_timestamp.set;
        p->ready = s->spec.publish_not_ready_addresses || (p->serving && !p->terminating);
        fill_ports(s, p, v->arena);
    }
    *ret_n = n;
    return pods;
}

void service_pod_keys(const struct view *v, const struct object *o,
                      void (*add)(void *arg, struct str key), void *arg)
{
    struct informer_iter it;

    for (struct object *svc = view_first(v, &res_core_services, o->ns, &it); svc;
         svc = informer_next(&it)) {
        const struct string_map *m = &OBJECT_AS(core_service, svc)->spec.selector;
        struct selector selector = selector_from_map(m, v->arena);

        if (m->n > 0 && selector_match_labels(&selector, o))
            add(arg, join_key(svc->ns, svc->name, v->arena));
    }
}

struct core_object_reference *service_pod_ref(const struct service_pod *p, struct arena *a)
{
    struct core_object_reference *r = arena_new(a, struct core_object_reference);

    r->kind = STR("Pod");
    r->namespace = p->object->ns;
    r->name = p->object->name;
    r->uid = p->object->uid;
    return r;
}

struct str service_pod_hostname(const struct service_pod *p, const struct core_service *svc)
{
    if (p->pod->spec.hostname.len > 0 && str_eq(p->pod->spec.subdomain, svc->metadata.name))
        return p->pod->spec.hostname;
    return STR_NULL;
}

bool service_ports_equal(const struct service_pod *a, const struct service_pod *b)
{
    if (a->n_ports != b->n_ports)
        return false;
    for (size_t i = 0; i < a->n_ports; i++) {
        if (a->ports[i].port != b->ports[i].port || !str_eq(a->ports[i].name, b->ports[i].name) ||
            !str_eq(a->ports[i].protocol, b->ports[i].protocol))
            return false;
    }
    return true;
}
