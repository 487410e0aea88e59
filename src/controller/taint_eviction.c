/* SPDX-License-Identifier: Apache-2.0 */
/* taint_eviction.c - deletes pods from nodes whose NoExecute taints they do not tolerate, or no
 * longer. */
#include "controller/common.h"
#include "controller/node_taints.h"

static bool has_no_execute(const struct object *node)
{
    const struct core_node *n = OBJECT_AS(core_node, node);

    for (size_t i = 0; i < n->spec.taints.n; i++) {
        if (str_eqz(n->spec.taints.v[i].effect, "NoExecute"))
            return true;
    }
    return false;
}

static void pod_keys(const struct view *v, const struct object *o,
                     void (*add)(void *arg, struct str key), void *arg)
{
    struct str name = object_field(o, STR("spec.nodeName"));
    const struct object *node = name.len > 0 ? view_find(v, &res_core_nodes, STR_NULL, name) : NULL;

    if (node && has_no_execute(node))
        add(arg, join_key(o->ns, o->name, v->arena));
}

static void node_keys(const struct view *v, const struct object *node,
                      void (*add)(void *arg, struct str key), void *arg)
{
    struct informer_iter it;

    if (!has_no_execute(node))
        return;
    for (struct object *o = view_first(v, &res_core_pods, STR_NULL, &it); o;
         o = informer_next(&it)) {
        if (str_eq(object_field(o, STR("spec.nodeName")), node->name))
            add(arg, join_key(o->ns, o->name, v->arena));
    }
}

/* When @pod came to its node. */
static struct time_value bound_since(const struct core_pod *pod)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++) {
        if (str_eqz(pod->status.conditions.v[i].type, "PodScheduled"))
            return pod->status.conditions.v[i].last_transition_time;
    }
    return pod->metadata.creation_timestamp;
}

/* When @pod has to go because of the taints of @node; INT64_MAX: never. */
static int64_t due_ns(const struct core_pod *pod, const struct core_node *node, int64_t now_ns)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < node->spec.taints.n; i++) {
        const struct core_taint *t = &node->spec.taints.v[i];
        int64_t since, sec;

        if (!str_eqz(t->effect, "NoExecute"))
            continue;
        if (!taint_tolerated(t, pod, &sec))
            return now_ns;
        if (sec == INT64_MAX)
            continue;
        if (sec <= 0)
            return now_ns;
        /* A taint without a time has just come: it will get one. */
        since = t->time_added.set ? MAX(time_ns(t->time_added), time_ns(bound_since(pod))) : now_ns;
        if (sec < (INT64_MAX - since) / 1000000000)
            due = MIN(due, since + sec * 1000000000);
    }
    return due;
}

static void plan_eviction(const struct view *v, const struct object *o, struct plan *plan)
{
    struct str now = time_str(v->arena, time_from_ns(v->now_ns));
    struct plan_op op = {.kind = PLAN_PATCH,
                         .res = &res_core_pods,
                         .ns = o->ns,
                         .name = o->name,
                         .sub = "status",
                         .patch_type = CLIENT_STRATEGIC_PATCH,
                         .ignore_missing = true};

    op.patch = str_printf(v->arena,
                          "{\"metadata\":{\"uid\":\"%.*s\"},\"status\":{\"conditions\":[{"
                          "\"type\":\"DisruptionTarget\",\"status\":\"True\","
                          "\"reason\":\"DeletionByTaintManager\","
                          "\"message\":\"Taint manager: deleting due to NoExecute taint\","
                          "\"lastTransitionTime\":\"%.*s\"}]}}",
                          STR_ARG(o->uid), STR_ARG(now));
    plan_event(plan, o, "Normal", "TaintManagerEviction", "Marking for deletion Pod %.*s/%.*s",
               STR_ARG(o->ns), STR_ARG(o->name));
    plan_add(plan, &op);
    plan_barrier(plan);
    op = (struct plan_op){.kind = PLAN_DELETE,
                          .res = &res_core_pods,
                          .ns = o->ns,
                          .name = o->name,
                          .uid = o->uid,
                          .ignore_missing = true};
    plan_add(plan, &op);
}

static int plan_pod(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    const struct object *o, *node;
    const struct core_pod *pod;
    struct str ns, name;
    int64_t due;

    (void)err;
    split_key(key, &ns, &name);
    o = view_find(v, &res_core_pods, ns, name);
    if (!o)
        return 0;
    pod = OBJECT_AS(core_pod, o);
    if (pod->metadata.deletion_timestamp.set || pod->spec.node_name.len == 0)
        return 0;
    node = view_find(v, &res_core_nodes, STR_NULL, pod->spec.node_name);
    if (!node)
        return 0;
    due = due_ns(pod, OBJECT_AS(core_node, node), v->now_ns);
    if (due <= v->now_ns)
        plan_eviction(v, o, plan);
    else if (due != INT64_MAX)
        plan_requeue(plan, (uint64_t)(due - v->now_ns) / 1000000 + 1);
    return 0;
}

static const struct watch_rule watches[] = {
    {.res = &res_core_pods, .keys = pod_keys},
    {.res = &res_core_nodes, .keys = node_keys},
    {0},
};
const struct controller taint_eviction_controller = {
    .name = "taint-eviction",
    .identity = "node-controller",
    .event_component = "taint-eviction-controller",
    .watches = watches,
    .plan = plan_pod,
};
