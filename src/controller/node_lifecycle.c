/* SPDX-License-Identifier: Apache-2.0 */
/* node_lifecycle.c - notices nodes that have gone silent, and taints nodes by their conditions.
 *
 * A kubelet's heartbeat is its Lease; how long that has not changed is measured by this process's
 * own clock. NoExecute taints, which cost pods, are put on few nodes at a time, and on none while
 * no node at all is ready: then it is more likely this process that is cut off. */
#include "controller/common.h"
#include "controller/node_taints.h"
#include "schema/typed.h"

enum {
    STARTUP_GRACE_MS = 60000,
    EVICT_EVERY_MS = 10000,       /* a node of a zone: 0.1 a second */
    EVICT_EVERY_SLOW_MS = 100000, /* in a large zone in which most nodes are not ready */
    LARGE_ZONE = 50,
};
#define LEASES "kube-node-lease"

static void lease_keys(const struct view *v, const struct object *o,
                       void (*add)(void *arg, struct str key), void *arg)
{
    (void)v;
    if (str_eqz(o->ns, LEASES))
        add(arg, o->name);
}

/* A pod that is still called ready on a node that is silent. */
static void pod_keys(const struct view *v, const struct object *o,
                     void (*add)(void *arg, struct str key), void *arg)
{
    struct str name = object_field(o, STR("spec.nodeName"));
    const struct object *node = name.len > 0 ? view_find(v, &res_core_nodes, STR_NULL, name) : NULL;

    if (node && str_eqz(node_ready_status(OBJECT_AS(core_node, node)), "Unknown") &&
        pod_is_ready(OBJECT_AS(core_pod, o)))
        add(arg, name);
}

static struct time_value now_of(const struct view *v)
{
    return time_from_ns(v->now_ns / 1000000000 * 1000000000);
}

/* Milliseconds since the last sign of life. */
static uint64_t silence_ms(const struct view *v, const struct object *node)
{
    const struct object *lease = view_find(v, &res_coordination_leases, STR(LEASES), node->name);
    uint64_t ms = view_age_ms(v, node);

    return lease ? MIN(ms, view_age_ms(v, lease)) : ms;
}

/* Sets the four conditions of kubelets to Unknown. */
static void set_unknown(const struct view *v, struct core_node *node)
{
    static const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
    size_t n = node->status.conditions.n;
    struct core_node_condition *c = arena_calloc(v->arena, n + ARRAY_LEN(types), sizeof(*c));

    if (n > 0)
        memcpy(c, node->status.conditions.v, n * sizeof(*c));
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        struct core_node_condition *at = NULL;

        for (size_t i = 0; i < n && !at; i++)
            at = str_eqz(c[i].type, types[t]) ? &c[i] : NULL;
        if (!at) {
            at = &c[n++];
            *at = (struct core_node_condition){.type = str_from(types[t]),
                                               .reason = STR("NodeStatusNeverUpdated"),
                                               .message = STR("Kubelet never posted node status."),
                                               .last_heartbeat_time =
                                                   node->metadata.creation_timestamp};
        } else if (str_eqz(at->status, "Unknown")) {
            continue;
        } else {
            at->reason = STR("NodeStatusUnknown");
            at->message = STR("Kubelet stopped posting node status.");
        }
        at->status = STR("Unknown");
        at->last_transition_time = now_of(v);
    }
    node->status.conditions.v = c;
    node->status.conditions.n = n;
}

/* Plans the status of a node that is silent. True if it has to change. */
static bool plan_silence(const struct view *v, const struct object *o, struct plan *plan)
{
    const struct core_node *now = OBJECT_AS(core_node, o);
    struct str ready = node_ready_status(now);
    uint64_t grace_ms = ready.len > 0 ? v->node_monitor_grace_ms : STARTUP_GRACE_MS;
    uint64_t silent_ms = silence_ms(v, o);
    struct core_node *node;

    if (str_eqz(ready, "Unknown"))
        return false;
    if (silent_ms < grace_ms) {
        plan_requeue(plan, grace_ms - silent_ms);
        return false;
    }
    node = arena_new(v->arena, struct core_node);
    *node = *now;
    set_unknown(v, node);
    struct plan_op op = {.kind = PLAN_UPDATE_STATUS,
                         .res = &res_core_nodes,
                         .name = o->name,
                         .obj = node,
                         .ignore_missing = true};
    if (str_eqz(ready, "True")) {
        op.event_on = o;
        op.ok_reason = "NodeNotReady";
        op.ok_text =
            arena_printf(v->arena, "Node %.*s status is now: NodeNotReady", STR_ARG(o->name));
    }
    plan_add(plan, &op);
    return true;
}

struct zones { /* how the nodes are, in the zone of one node and in all */
    struct str zone;
    unsigned ready, not_ready; /* of the zone */
    unsigned all_ready;
    uint64_t wait_ms; /* until the zone may lose another node; 0: now */
    bool turn;        /* no node before this one waits for the same */
};

static struct str zone_of(const struct view *v, const struct object *o)
{
    return str_printf(v->arena, "%.*s:%.*s",
                      STR_ARG(object_label(o, STR("topology.kubernetes.io/region"))),
                      STR_ARG(object_label(o, STR("topology.kubernetes.io/zone"))));
}

static void look_around(const struct view *v, const struct object *me, struct zones *z)
{
    struct informer_iter it;
    int64_t last_ns = 0, next_ns;
    uint64_t every_ms = EVICT_EVERY_MS;

    *z = (struct zones){.zone = zone_of(v, me), .turn = true};
    for (struct object *o = view_first(v, &res_core_nodes, STR_NULL, &it); o;
         o = informer_next(&it)) {
        const struct core_node *node = OBJECT_AS(core_node, o);
        bool ready = str_eqz(node_ready_status(node), "True");
        const struct core_taint *t = node_own_no_execute(node);

        z->all_ready += ready;
        if (!str_eq(zone_of(v, o), z->zone))
            continue;
        z->ready += ready;
        z->not_ready += !ready;
        if (t && t->time_added.set)
            last_ns = MAX(last_ns, time_ns(t->time_added));
        if (!ready && !t && str_cmp(o->name, me->name) < 0)
            z->turn = false;
    }
    if (z->not_ready > 2 && z->not_ready * 100 >= (z->ready + z->not_ready) * 55)
        every_ms = z->ready + z->not_ready > LARGE_ZONE ? EVICT_EVERY_SLOW_MS : 0;
    if (z->ready == 0)
        every_ms = EVICT_EVERY_MS;
    next_ns = last_ns + (int64_t)every_ms * 1000000;
    if (every_ms == 0)
        z->wait_ms = UINT64_MAX; /* most nodes of a small zone: none until some are back */
    else if (last_ns > 0 && next_ns > v->now_ns)
        z->wait_ms = (uint64_t)(next_ns - v->now_ns) / 1000000 + 1;
}

/* Whether the node may have a NoExecute taint of ours now. */
static bool may_evict(const struct view *v, const struct object *o, struct plan *plan)
{
    struct zones z;

    look_around(v, o, &z);
    if (z.all_ready == 0)
        return false; /* also takes it off those that have it */
    if (node_own_no_execute(OBJECT_AS(core_node, o)))
        return true;
    if (z.wait_ms == 0 && z.turn)
        return true;
    plan_requeue(plan, z.wait_ms == 0 ? 1000 : MIN(z.wait_ms, (uint64_t)EVICT_EVERY_MS));
    return false;
}

static void plan_taints(const struct view *v, const struct object *o, struct plan *plan)
{
    const struct core_node *now = OBJECT_AS(core_node, o);
    bool evict = !str_eqz(node_ready_status(now), "True") && may_evict(v, o, plan);
    struct core_node *node = node_with_taints(now, evict, now_of(v), v->arena);
    struct plan_op op = {.kind = PLAN_UPDATE,
                         .res = &res_core_nodes,
                         .name = o->name,
                         .obj = node,
                         .ignore_missing = true};

    if (!typed_equal(&type_core_node, node, now))
        plan_add(plan, &op);
}

/* Pods of a silent node serve nobody, and their kubelet cannot say so. (One that speaks and says
 * that the node is not ready tells of its pods itself.) */
static void plan_pods(const struct view *v, const struct object *node, struct plan *plan)
{
    struct informer_iter it;
    struct str now = time_str(v->arena, now_of(v));

    for (struct object *o = view_first(v, &res_core_pods, STR_NULL, &it); o;
         o = informer_next(&it)) {
        struct plan_op op = {.kind = PLAN_PATCH,
                             .res = &res_core_pods,
                             .ns = o->ns,
                             .name = o->name,
                             .sub = "status",
                             .patch_type = CLIENT_STRATEGIC_PATCH,
                             .ignore_missing = true,
                             .event_on = o};

        if (!str_eq(object_field(o, STR("spec.nodeName")), node->name) ||
            !pod_is_ready(OBJECT_AS(core_pod, o)))
            continue;
        op.patch = str_printf(v->arena,
                              "{\"metadata\":{\"uid\":\"%.*s\"},\"status\":{\"conditions\":[{"
                              "\"type\":\"Ready\",\"status\":\"False\","
                              "\"lastTransitionTime\":\"%.*s\"}]}}",
                              STR_ARG(o->uid), STR_ARG(now));
        plan_event(plan, o, "Warning", "NodeNotReady", "Node is not ready");
        plan_add(plan, &op);
    }
}

static int plan_node(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    const struct object *o = view_find(v, &res_core_nodes, STR_NULL, key);

    (void)err;
    if (!o || object_meta(o)->deletion_timestamp.set)
        return 0;
    if (plan_silence(v, o, plan))
        return 0; /* taints follow from the status, once it is there */
    plan_taints(v, o, plan);
    if (str_eqz(node_ready_status(OBJECT_AS(core_node, o)), "Unknown"))
        plan_pods(v, o, plan);
    return 0;
}

static const struct watch_rule watches[] = {
    {.res = &res_core_nodes, .track_age = true},
    {.res = &res_coordination_leases, .track_age = true, .keys = lease_keys},
    {.res = &res_core_pods, .keys = pod_keys},
    {0},
};
const struct controller node_lifecycle_controller = {
    .name = "node-lifecycle",
    .identity = "node-controller",
    .event_component = "node-controller",
    .watches = watches,
    .plan = plan_node,
};
