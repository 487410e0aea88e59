/* SPDX-License-Identifier: Apache-2.0 */
/* pod_spec.c - what several layers ask of a pod's spec. Layer: api. */
#include "api/pod_spec.h"

/* Requests and limits of one resource, summed over the containers. */
struct qos_sum {
    struct quantity request, limit;
};

static void add_positive(struct quantity *sum, const struct quantity_map *m, struct str name)
{
    struct quantity q = quantity_map_get(m, name);

    if (q.set && quantity_sign(q) > 0)
        *sum = sum->set ? quantity_add(*sum, q) : q;
}

static bool has_positive(const struct quantity_map *m, struct str name)
{
    struct quantity q = quantity_map_get(m, name);

    return q.set && quantity_sign(q) > 0;
}

static void add_resources(const struct core_resource_requirements *r, struct qos_sum *cpu,
                          struct qos_sum *memory, bool *all_limited)
{
    add_positive(&cpu->request, &r->requests, STR("cpu"));
    add_positive(&memory->request, &r->requests, STR("memory"));
    add_positive(&cpu->limit, &r->limits, STR("cpu"));
    add_positive(&memory->limit, &r->limits, STR("memory"));
    if (!has_positive(&r->limits, STR("cpu")) || !has_positive(&r->limits, STR("memory")))
        *all_limited = false;
}

static bool same(const struct qos_sum *s)
{
    return s->request.set == s->limit.set && quantity_cmp(s->request, s->limit) == 0;
}

struct str pod_qos_class(const struct core_pod_spec *spec)
{
    struct qos_sum cpu = {0}, memory = {0};
    bool all_limited = true;

    if (spec->resources) {
        add_resources(spec->resources, &cpu, &memory, &all_limited);
    } else {
        for (size_t i = 0; i < spec->containers.n; i++)
            add_resources(&spec->containers.v[i].resources, &cpu, &memory, &all_limited);
        for (size_t i = 0; i < spec->init_containers.n; i++)
            add_resources(&spec->init_containers.v[i].resources, &cpu, &memory, &all_limited);
    }
    if (!cpu.request.set && !cpu.limit.set && !memory.request.set && !memory.limit.set)
        return STR("BestEffort");
    return all_limited && same(&cpu) && same(&memory) ? STR("Guaranteed") : STR("Burstable");
}

const struct core_pod_condition *pod_condition(const struct core_pod *pod, const char *type)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++) {
        if (str_eqz(pod->status.conditions.v[i].type, type))
            return &pod->status.conditions.v[i];
    }
    return NULL;
}

bool pod_condition_true(const struct core_pod *pod, const char *type)
{
    const struct core_pod_condition *c = pod_condition(pod, type);

    return c && str_eqz(c->status, "True");
}

bool pod_container_is_sidecar(const struct core_container *c)
{
    return c->restart_policy && str_eqz(*c->restart_policy, "Always");
}
