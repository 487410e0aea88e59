/* SPDX-License-Identifier: Apache-2.0 */
/* node_conditions.c - what the node says of itself: pressures, readiness, capacity, identity. Pure
 * but for the agent's own memory. */
#include "kubelet/node_agent.h"

enum {
    DISK_LOW_PERCENT = 10,
    INODES_LOW_PERCENT = 5,
    PODS_DEFAULT = 110,
};
#define MEMORY_RESERVE_BYTES (INT64_C(100) << 20) /* the hard eviction threshold */
#define PRESSURE_LASTS_NS (INT64_C(300) * 1000000000)
#define KUBELET_VERSION "v1.36.2+skiff"

int64_t node_memory_bytes(const struct kubelet *kl)
{
    return kl->node_agent ? kl->node_agent->host.memory_bytes : 0;
}

static bool disk_low(const struct node_host *h)
{
    return (h->disk_bytes > 0 &&
            h->disk_available_bytes < h->disk_bytes / 100 * DISK_LOW_PERCENT) ||
           (h->inodes > 0 && h->inodes_free < h->inodes / 100 * INODES_LOW_PERCENT);
}

static void set(struct node_condition_state *c, bool value, int64_t now_ns)
{
    if (!c->known || c->value != value)
        c->changed = time_from_ns(now_ns - now_ns % 1000000000);
    c->known = true;
    c->value = value;
}

static void set_pressure(struct node_condition_state *c, bool seen, int64_t now_ns)
{
    if (seen)
        c->pressed_ns = now_ns;
    set(c, c->pressed_ns != 0 && now_ns - c->pressed_ns < PRESSURE_LASTS_NS, now_ns);
}

void node_conditions_update(struct node_agent *na, const char *ready_text, int64_t now_ns)
{
    const struct node_host *h = &na->host;

    set_pressure(&na->conditions[NODE_MEMORY_PRESSURE],
                 h->memory_bytes > 0 && h->memory_available_bytes < MEMORY_RESERVE_BYTES, now_ns);
    set_pressure(&na->conditions[NODE_DISK_PRESSURE], disk_low(h), now_ns);
    set_pressure(&na->conditions[NODE_PID_PRESSURE], h->pids_max > 0 && h->pids >= h->pids_max,
                 now_ns);
    set(&na->conditions[NODE_READY], !ready_text, now_ns);
    na->not_ready = ready_text;
}

struct words {
    const char *type, *reason[2], *message[2]; /* for False, for True */
};
static const struct words words[] = {
    [NODE_MEMORY_PRESSURE] = {"MemoryPressure",
                              {"KubeletHasSufficientMemory", "KubeletHasInsufficientMemory"},
                              {"kubelet has sufficient memory available",
                               "kubelet has insufficient memory available"}},
    [NODE_DISK_PRESSURE] = {"DiskPressure",
                            {"KubeletHasNoDiskPressure", "KubeletHasDiskPressure"},
                            {"kubelet has no disk pressure", "kubelet has disk pressure"}},
    [NODE_PID_PRESSURE] = {"PIDPressure",
                           {"KubeletHasSufficientPID", "KubeletHasInsufficientPID"},
                           {"kubelet has sufficient PID available",
                            "kubelet has insufficient PID available"}},
    [NODE_READY] = {"Ready",
                    {"KubeletNotReady", "KubeletReady"},
                    {NULL, "kubelet is posting ready status"}},
};

static void make_conditions(const struct node_agent *na, struct arena *a,
                            struct core_node_status *s)
{
    s->conditions.v = arena_calloc(a, NODE_CONDITION__N, sizeof(*s->conditions.v));
    s->conditions.n = NODE_CONDITION__N;
    for (size_t i = 0; i < NODE_CONDITION__N; i++) {
        const struct node_condition_state *c = &na->conditions[i];
        struct core_node_condition *out = &s->conditions.v[i];
        const char *message = words[i].message[c->value];

        if (!message)
            message = na->not_ready ? na->not_ready : "";
        out->type = str_from(words[i].type);
        out->status = c->value ? STR("True") : STR("False");
        out->reason = str_from(words[i].reason[c->value]);
        out->message = str_from(message);
        out->last_transition_time = c->changed;
    }
}

static void put(struct arena *a, void *map, struct str key, int64_t v, enum quantity_format f)
{
    quantity_map_set(a, map, key, quantity_from_i64(v, f));
}

static void make_resources(const struct node_agent *na, struct arena *a, void *map, bool reserve)
{
    const struct node_host *h = &na->host;
    int64_t disk = reserve ? h->disk_bytes / 100 * (100 - DISK_LOW_PERCENT) : h->disk_bytes;
    int64_t memory = h->memory_bytes - (reserve ? MEMORY_RESERVE_BYTES : 0);
    uint32_t pods = na->kl->opts.max_pods ? na->kl->opts.max_pods : PODS_DEFAULT;

    put(a, map, STR("cpu"), h->cpus, QUANTITY_DECIMAL_SI);
    put(a, map, STR("ephemeral-storage"), disk / 1024 * 1024,
        reserve ? QUANTITY_DECIMAL_SI : QUANTITY_BINARY_SI);
    if (h->hugepages_1g)
        put(a, map, STR("hugepages-1Gi"), h->hugepages_1g_bytes, QUANTITY_BINARY_SI);
    if (h->hugepages_2m)
        put(a, map, STR("hugepages-2Mi"), h->hugepages_2m_bytes, QUANTITY_BINARY_SI);
    put(a, map, STR("memory"), MAX(memory, 0), QUANTITY_BINARY_SI);
    put(a, map, STR("pods"), pods, QUANTITY_DECIMAL_SI);
}

static void make_info(const struct node_agent *na, struct arena *a, struct core_node_status *s)
{
    const struct node_host *h = &na->host;
    const struct kubelet *kl = na->kl;

    s->node_info = (struct core_node_system_info){
        .machine_id = str_from(h->machine_id),
        .system_uuid = str_from(h->system_uuid),
        .boot_id = str_from(h->boot_id),
        .kernel_version = str_from(h->kernel),
        .os_image = str_from(h->os_image),
        .container_runtime_version =
            kl->runtime_name ? str_printf(a, "%s://%s", kl->runtime_name,
                                          kl->runtime_version ? kl->runtime_version : "")
                             : STR(""),
        .kubelet_version = STR(KUBELET_VERSION),
        .operating_system = STR("linux"),
        .architecture = str_from(h->arch),
    };
    s->daemon_endpoints.kubelet_endpoint.port = kl->opts.port;
}

void node_status_make(const struct node_agent *na, struct arena *a, struct core_node_status *ret_s)
{
    struct core_node_status *s = ret_s;

    *s = (struct core_node_status){0};
    make_resources(na, a, &s->capacity, false);
    make_resources(na, a, &s->allocatable, true);
    make_conditions(na, a, s);
    s->addresses.v = arena_calloc(a, 2, sizeof(*s->addresses.v));
    s->addresses.v[0] =
        (struct core_node_address){STR("InternalIP"), str_from(na->kl->opts.node_ip)};
    s->addresses.v[1] =
        (struct core_node_address){STR("Hostname"), str_from(na->kl->opts.node_name)};
    s->addresses.n = 2;
    make_info(na, a, s);
    s->images.v = arena_calloc(a, na->n_images + 1, sizeof(*s->images.v));
    for (size_t i = 0; i < na->n_images; i++) {
        s->images.v[i].names.v = na->images[i].names;
        s->images.v[i].names.n = na->images[i].n_names;
        s->images.v[i].size_bytes = na->images[i].bytes;
    }
    s->images.n = na->n_images;
}

bool node_allocatable(const struct kubelet *kl, struct str name, struct quantity *ret_q)
{
    struct quantity_map map = {0};
    struct quantity q;
    auto_arena a = {0};

    if (!kl->node_agent || kl->node_agent->host.memory_bytes == 0)
        return false;
    make_resources(kl->node_agent, &a, &map, true);
    q = quantity_map_get(&map, name);
    if (q.set)
        *ret_q = q;
    return q.set;
}
