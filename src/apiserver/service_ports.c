/* SPDX-License-Identifier: Apache-2.0 */
/* service_ports.c - node ports: what is taken, and reservations. See service_alloc.h. */
#include "apiserver/service_alloc.h"
#include "base/random.h"

bool service_port_valid(const struct service_alloc *s, int32_t port)
{
    return port >= s->port_min && port <= s->port_max;
}

static void mark(struct service_ports *p, int32_t port)
{
    const struct service_alloc *s = p->rq->as->service_alloc;

    if (service_port_valid(s, port))
        p->taken[port - s->port_min] = 1;
}

static void mark_service(struct service_ports *p, const struct core_service *svc)
{
    if (svc->spec.health_check_node_port)
        mark(p, svc->spec.health_check_node_port);
    for (size_t i = 0; i < svc->spec.ports.n; i++)
        if (svc->spec.ports.v[i].node_port)
            mark(p, svc->spec.ports.v[i].node_port);
}

/* Drops what has ended; marks what is reserved for others. Under the lock. */
static void mark_reserved(struct service_ports *p)
{
    struct service_alloc *s = p->rq->as->service_alloc;
    const struct clock *c = loop_clock(p->rq->loop);
    uint64_t now = c->mono_ns(c);

    for (struct port_reservation **at = &s->reserved; *at;) {
        struct port_reservation *r = *at;

        if (r->until_ns <= now) {
            *at = r->next;
            free(r->owner);
            free(r);
            continue;
        }
        if (!str_eqz(p->owner, r->owner))
            mark(p, r->port);
        at = &r->next;
    }
}

struct service_ports service_ports_open(struct request *rq, struct str ns, struct str name)
{
    struct service_alloc *s = rq->as->service_alloc;
    struct service_ports p = {.rq = rq};
    struct snapshot *all;
    struct omap_iter it;
    const struct object *o;

    p.owner = str_printf(rq->arena, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name));
    p.taken = arena_alloc(rq->arena, (size_t)(s->port_max - s->port_min) + 1);
    /* Reservations first: one that ends meanwhile is then seen in the snapshot. */
    mutex_lock(s->lock);
    mark_reserved(&p);
    mutex_unlock(s->lock);
    all = cache_snapshot(store_cache(rq->as->store, &res_core_services));
    omap_seek(&all->objects, STR_NULL, &it);
    while ((o = omap_next(&it)))
        if (!str_eq(o->ns, ns) || !str_eq(o->name, name))
            mark_service(&p, OBJECT_AS(core_service, o));
    snapshot_unref(all);
    return p;
}

/* Under the lock: another request may have reserved it since the ports were opened. */
static bool reserve(struct service_ports *p, int32_t port)
{
    struct service_alloc *s = p->rq->as->service_alloc;
    const struct clock *c = loop_clock(p->rq->loop);
    struct port_reservation *r;

    for (r = s->reserved; r; r = r->next)
        if (r->port == port && !str_eqz(p->owner, r->owner))
            return false;
    for (r = s->reserved; r; r = r->next)
        if (r->port == port)
            break;
    if (!r) {
        r = xnew(struct port_reservation);
        r->port = port;
        r->owner = xmemdupz(p->owner.p, p->owner.len);
        r->next = s->reserved;
        s->reserved = r;
    }
    r->until_ns = c->mono_ns(c) + (uint64_t)PORT_RESERVED_MS * 1000000;
    return true;
}

static bool take_one(struct service_ports *p, int32_t port)
{
    struct service_alloc *s = p->rq->as->service_alloc;
    bool ok;

    if (!service_port_valid(s, port) || p->taken[port - s->port_min])
        return false;
    mutex_lock(s->lock);
    ok = reserve(p, port);
    mutex_unlock(s->lock);
    p->taken[port - s->port_min] = 1;
    return ok;
}

bool service_port_take(struct service_ports *p, int32_t port, int32_t *ret_port)
{
    struct service_alloc *s = p->rq->as->service_alloc;
    uint32_t size = (uint32_t)(s->port_max - s->port_min) + 1, lower, from;

    if (port) {
        *ret_port = port;
        return take_one(p, port);
    }
    /* The lower band is left to those who ask for a port, as long as the rest has one. */
    lower = MIN(MAX(16U, size / 32), 128U);
    if (size <= 16)
        lower = 0;
    from = lower + (uint32_t)random_below(loop_random(p->rq->loop), size - lower);
    for (uint32_t i = 0; i < size; i++) {
        uint32_t at = from + i;

        if (at >= size)
            at = i < size - lower ? lower + (at - size) : size - 1 - i;
        *ret_port = s->port_min + (int32_t)at;
        if (take_one(p, *ret_port))
            return true;
    }
    return false;
}

void service_ports_forget(struct service_alloc *s, struct str ns, struct str name)
{
    mutex_lock(s->lock);
    for (struct port_reservation **at = &s->reserved; *at;) {
        struct port_reservation *r = *at;
        struct str rest, owner_ns = str_cut(str_from(r->owner), '/', &rest);

        if (str_eq(owner_ns, ns) && str_eq(rest, name)) {
            *at = r->next;
            free(r->owner);
            free(r);
        } else {
            at = &r->next;
        }
    }
    mutex_unlock(s->lock);
}
