/* SPDX-License-Identifier: Apache-2.0 */
/* pod_info.c - what a pod asks for: the sum of its containers and sidecars, or what its init
 * containers need at most while they run one after another, whichever is more; plus the runtime's
 * overhead. */
#include "scheduler/cluster.h"

/* What scoring takes a container that asks for nothing to use. */
static const int64_t default_milli_cpu = 100, default_memory = 200 * 1024 * 1024;

struct sum {
    struct arena *arena;
    int64_t milli_cpu, memory, ephemeral, scoring_cpu, scoring_memory;
    struct amount *others;
    size_t n_others;
};

static void add_other(struct sum *s, struct str name, int64_t value)
{
    for (size_t i = 0; i < s->n_others; i++) {
        if (str_eq(s->others[i].name, name)) {
            s->others[i].value += value;
            return;
        }
    }
    s->others = arena_grow(s->arena, s->others, s->n_others, s->n_others + 1, sizeof(*s->others));
    s->others[s->n_others++] = (struct amount){name, value};
}

static void add_quantity(struct sum *s, struct str name, struct quantity q)
{
    if (str_eq(name, STR("cpu")))
        s->milli_cpu += quantity_milli(q);
    else if (str_eq(name, STR("memory")))
        s->memory += quantity_value(q);
    else if (str_eq(name, STR("ephemeral-storage")))
        s->ephemeral += quantity_value(q);
    else
        add_other(s, name, quantity_value(q));
}

static void add_requirements(struct sum *s, const struct core_resource_requirements *r)
{
    int64_t cpu = s->milli_cpu, memory = s->memory;

    for (size_t i = 0; i < r->requests.n; i++)
        add_quantity(s, r->requests.v[i].key, r->requests.v[i].value);
    s->scoring_cpu += s->milli_cpu > cpu ? s->milli_cpu - cpu : default_milli_cpu;
    s->scoring_memory += s->memory > memory ? s->memory - memory : default_memory;
}

static void take_max(struct sum *s, const struct sum *o)
{
    s->milli_cpu = MAX(s->milli_cpu, o->milli_cpu);
    s->memory = MAX(s->memory, o->memory);
    s->ephemeral = MAX(s->ephemeral, o->ephemeral);
    s->scoring_cpu = MAX(s->scoring_cpu, o->scoring_cpu);
    s->scoring_memory = MAX(s->scoring_memory, o->scoring_memory);
    for (size_t i = 0; i < o->n_others; i++) {
        int64_t have = 0;

        for (size_t k = 0; k < s->n_others; k++) {
            if (str_eq(s->others[k].name, o->others[i].name))
                have = s->others[k].value;
        }
        if (o->others[i].value > have)
            add_other(s, o->others[i].name, o->others[i].value - have);
    }
}

static bool is_sidecar(const struct core_container *c)
{
    return c->restart_policy && str_eq(*c->restart_policy, STR("Always"));
}

static struct sum copy_of(const struct sum *s)
{
    struct sum c = *s;

    c.others = arena_calloc(s->arena, s->n_others + 1, sizeof(*c.others));
    if (s->n_others > 0)
        memcpy(c.others, s->others, s->n_others * sizeof(*c.others));
    return c;
}

/* What is asked for the pod as a whole counts instead of the sum of its containers. */
static void override(struct sum *s, const struct core_resource_requirements *r)
{
    for (size_t i = 0; r && i < r->requests.n; i++) {
        struct str name = r->requests.v[i].key;
        struct quantity q = r->requests.v[i].value;

        if (str_eq(name, STR("cpu"))) {
            s->milli_cpu = s->scoring_cpu = quantity_milli(q);
        } else if (str_eq(name, STR("memory"))) {
            s->memory = s->scoring_memory = quantity_value(q);
        } else if (str_has_prefix(name, STR("hugepages-"))) {
            add_other(s, name, 0);
            for (size_t k = 0; k < s->n_others; k++) {
                if (str_eq(s->others[k].name, name))
                    s->others[k].value = quantity_value(q);
            }
        }
    }
}

static struct sum total_of(const struct core_pod_spec *spec, struct arena *a)
{
    struct sum total = {.arena = a}, sidecars = {.arena = a}, most = {.arena = a};

    for (size_t i = 0; i < spec->containers.n; i++)
        add_requirements(&total, &spec->containers.v[i].resources);
    for (size_t i = 0; i < spec->init_containers.n; i++) {
        const struct core_container *c = &spec->init_containers.v[i];
        struct sum now;

        if (is_sidecar(c)) {
            add_requirements(&total, &c->resources);
            add_requirements(&sidecars, &c->resources);
            now = copy_of(&sidecars);
        } else {
            now = copy_of(&sidecars);
            add_requirements(&now, &c->resources);
        }
        take_max(&most, &now);
    }
    take_max(&total, &most);
    override(&total, spec->resources);
    for (size_t i = 0; i < spec->overhead.n; i++) {
        add_quantity(&total, spec->overhead.v[i].key, spec->overhead.v[i].value);
        if (str_eq(spec->overhead.v[i].key, STR("cpu")))
            total.scoring_cpu += quantity_milli(spec->overhead.v[i].value);
        if (str_eq(spec->overhead.v[i].key, STR("memory")))
            total.scoring_memory += quantity_value(spec->overhead.v[i].value);
    }
    return total;
}

static void add_ports(struct pod_info *p, const struct core_container *c)
{
    struct host_port *ports = (struct host_port *)p->ports;

    for (size_t k = 0; k < c->ports.n; k++) {
        const struct core_container_port *cp = &c->ports.v[k];

        if (cp->host_port <= 0)
            continue;
        ports = arena_grow(&p->arena, ports, p->n_ports, p->n_ports + 1, sizeof(*ports));
        ports[p->n_ports++] = (struct host_port){
            cp->host_ip, cp->protocol.len > 0 ? cp->protocol : STR("TCP"), cp->host_port};
    }
    p->ports = ports;
}

static void collect_ports(struct pod_info *p)
{
    const struct core_pod_spec *spec = &p->pod->spec;

    for (size_t i = 0; i < spec->containers.n; i++)
        add_ports(p, &spec->containers.v[i]);
    for (size_t i = 0; i < spec->init_containers.n; i++) {
        if (is_sidecar(&spec->init_containers.v[i]))
            add_ports(p, &spec->init_containers.v[i]);
    }
}

static bool asks_nothing(const struct core_pod_spec *spec)
{
    if (spec->resources && (spec->resources->requests.n > 0 || spec->resources->limits.n > 0))
        return false;
    for (size_t i = 0; i < spec->containers.n; i++) {
        if (spec->containers.v[i].resources.requests.n > 0 ||
            spec->containers.v[i].resources.limits.n > 0)
            return false;
    }
    for (size_t i = 0; i < spec->init_containers.n; i++) {
        if (spec->init_containers.v[i].resources.requests.n > 0 ||
            spec->init_containers.v[i].resources.limits.n > 0)
            return false;
    }
    return true;
}

struct pod_info *pod_info_new(struct object *o)
{
    struct pod_info *p = xnew(struct pod_info);
    struct sum total;

    p->object = object_ref(o);
    p->pod = OBJECT_AS(core_pod, o);
    total = total_of(&p->pod->spec, &p->arena);
    p->request = (struct resources){.milli_cpu = total.milli_cpu,
                                    .memory = total.memory,
                                    .ephemeral_storage = total.ephemeral,
                                    .pods = 1,
                                    .others = total.others,
                                    .n_others = total.n_others};
    p->scoring_milli_cpu = total.scoring_cpu;
    p->scoring_memory = total.scoring_memory;
    p->priority = p->pod->spec.priority ? *p->pod->spec.priority : 0;
    p->best_effort = asks_nothing(&p->pod->spec);
    collect_ports(p);
    return p;
}

struct pod_info *pod_info_free(struct pod_info *p)
{
    if (!p)
        return NULL;
    object_unref(p->object);
    arena_deinit(&p->arena);
    free(p);
    return NULL;
}
