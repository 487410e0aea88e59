/* SPDX-License-Identifier: Apache-2.0 */
/* qos.c - quality of service: classes, shares, quotas, scores, the cgroup of a pod. Pure. */
#include "kubelet/pod_config.h"

#include <math.h>

enum {
    CPU_QUOTA_MIN_US = 1000,
    CPU_WEIGHT_MAX = 10000,
    OOM_GUARANTEED = -997,
    OOM_BEST_EFFORT = 1000,
    OOM_BURSTABLE_MIN = 3, /* above every guaranteed container */
    NODE_CRITICAL_PRIORITY = 2000001000,
};

struct totals {
    bool any, all_limited, equal;
};

static struct quantity limit_of(const struct core_resource_requirements *r, struct str name)
{
    return resource_amount(&r->limits, name);
}

static struct quantity request_of(const struct core_resource_requirements *r, struct str name)
{
    struct quantity q = resource_amount(&r->requests, name);

    return q.set ? q : limit_of(r, name);
}

static void count(struct totals *t, const struct core_resource_requirements *r)
{
    static const struct str names[] = {STR_INIT("cpu"), STR_INIT("memory")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct quantity limit = limit_of(r, names[i]), request = request_of(r, names[i]);

        t->any = t->any || quantity_sign(limit) > 0 || quantity_sign(request) > 0;
        t->all_limited = t->all_limited && quantity_sign(limit) > 0;
        t->equal = t->equal && quantity_cmp(limit, request) == 0;
    }
}

const char *qos_class(const struct core_pod *pod)
{
    struct totals t = {.all_limited = true, .equal = true};
    const struct core_resource_requirements *own = pod->spec.resources;

    if (own && (own->requests.n > 0 || own->limits.n > 0)) {
        count(&t, own);
    } else {
        for (size_t i = 0; i < pod->spec.containers.n; i++)
            count(&t, &pod->spec.containers.v[i].resources);
        for (size_t i = 0; i < pod->spec.init_containers.n; i++)
            count(&t, &pod->spec.init_containers.v[i].resources);
    }
    if (!t.any)
        return "BestEffort";
    return t.all_limited && t.equal ? "Guaranteed" : "Burstable";
}

int64_t cpu_shares(int64_t milli)
{
    int64_t shares = milli >= CPU_SHARES_MAX ? CPU_SHARES_MAX : milli * 1024 / 1000;

    return MIN(MAX(shares, CPU_SHARES_MIN), CPU_SHARES_MAX);
}

int64_t cpu_quota_us(int64_t milli)
{
    if (milli <= 0)
        return 0;
    return MAX(milli > INT64_MAX / CPU_PERIOD_US ? INT64_MAX : milli * CPU_PERIOD_US / 1000,
               CPU_QUOTA_MIN_US);
}

int64_t cpu_weight(int64_t shares)
{
    double l;

    if (shares <= CPU_SHARES_MIN)
        return 1;
    if (shares >= CPU_SHARES_MAX)
        return CPU_WEIGHT_MAX;
    l = log2((double)shares);
    return (int64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

static bool is_sidecar(const struct core_pod *pod, const struct core_container *c)
{
    for (size_t i = 0; i < pod->spec.init_containers.n; i++) {
        if (&pod->spec.init_containers.v[i] == c)
            return c->restart_policy && str_eq(*c->restart_policy, STR("Always"));
    }
    return false;
}

static int64_t burstable_score(const struct core_container *c, int64_t memory_bytes)
{
    __int128 request = quantity_value(request_of(&c->resources, STR("memory")));
    int64_t score = memory_bytes > 0 ? 1000 - (int64_t)(1000 * request / memory_bytes) : 999;

    return MIN(MAX(score, OOM_BURSTABLE_MIN), OOM_BEST_EFFORT - 1);
}

int64_t oom_score_adj(const struct core_pod *pod, const struct core_container *c,
                      int64_t memory_bytes)
{
    const char *class = qos_class(pod);
    int64_t score;

    if (strcmp(class, "Guaranteed") == 0 ||
        (pod->spec.priority && *pod->spec.priority >= NODE_CRITICAL_PRIORITY))
        return OOM_GUARANTEED;
    if (strcmp(class, "BestEffort") == 0)
        return OOM_BEST_EFFORT;
    score = burstable_score(c, memory_bytes);
    if (is_sidecar(pod, c)) { /* it lives as long as what it serves */
        for (size_t i = 0; i < pod->spec.containers.n; i++)
            score = MIN(score, burstable_score(&pod->spec.containers.v[i], memory_bytes));
    }
    return score;
}

struct pod_resources pod_resources_of(const struct core_pod *pod)
{
    struct pod_resources sum = {0}, init = {0};
    bool all_cpu = true, all_memory = true;
    const struct core_resource_requirements *own = pod->spec.resources;

    for (size_t i = 0; i < pod->spec.containers.n + pod->spec.init_containers.n; i++) {
        bool main = i < pod->spec.containers.n;
        const struct core_container *c =
            main ? &pod->spec.containers.v[i]
                 : &pod->spec.init_containers.v[i - pod->spec.containers.n];
        int64_t cpu = quantity_milli(limit_of(&c->resources, STR("cpu")));
        int64_t memory = quantity_value(limit_of(&c->resources, STR("memory")));
        int64_t request = quantity_milli(request_of(&c->resources, STR("cpu")));

        all_cpu = all_cpu && cpu > 0;
        all_memory = all_memory && memory > 0;
        if (main || is_sidecar(pod, c)) {
            sum.cpu_request_milli += request;
            sum.cpu_limit_milli += cpu;
            sum.memory_limit_bytes += memory;
        } else {
            init.cpu_request_milli = MAX(init.cpu_request_milli, request);
            init.cpu_limit_milli = MAX(init.cpu_limit_milli, cpu);
            init.memory_limit_bytes = MAX(init.memory_limit_bytes, memory);
        }
    }
    sum.cpu_request_milli = MAX(sum.cpu_request_milli, init.cpu_request_milli);
    sum.cpu_limit_milli = all_cpu ? MAX(sum.cpu_limit_milli, init.cpu_limit_milli) : 0;
    sum.memory_limit_bytes =
        all_memory ? MAX(sum.memory_limit_bytes, init.memory_limit_bytes) : 0;
    if (own) { /* the pod's own word counts for what it names */
        struct quantity q = request_of(own, STR("cpu"));

        sum.cpu_request_milli = q.set ? quantity_milli(q) : sum.cpu_request_milli;
        q = limit_of(own, STR("cpu"));
        sum.cpu_limit_milli = q.set ? quantity_milli(q) : sum.cpu_limit_milli;
        q = limit_of(own, STR("memory"));
        sum.memory_limit_bytes = q.set ? quantity_value(q) : sum.memory_limit_bytes;
    }
    return sum;
}

char *cgroup_pod_path(const struct core_pod *pod, const char *uid, struct arena *a)
{
    const char *class = qos_class(pod);

    if (strcmp(class, "Guaranteed") == 0)
        return arena_printf(a, CGROUP_PODS "/pod%s", uid);
    return arena_printf(a, CGROUP_PODS "/%s/pod%s",
                        strcmp(class, "Burstable") == 0 ? "burstable" : "besteffort", uid);
}
