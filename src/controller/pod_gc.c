/* SPDX-License-Identifier: Apache-2.0 */
/* pod_gc.c - deletes pods that nobody else will: those of nodes that are no more, those that were
 * being deleted before they had a node, those of nodes that were shut down, and the oldest finished
 * ones. */
#include "controller/common.h"
#include "controller/node_taints.h"

enum {
    SWEEP_MS = 20000,
    QUARANTINE_MS = 40000, /* a node may come back, under the same name */
    FINISHED_MAX = 12500,
};
#define KEY_FINISHED "finished" /* the sweep over finished pods; the other keys are pods */

static bool finished(const struct object *o)
{
    struct str phase = object_field(o, STR("status.phase"));

    return str_eqz(phase, "Succeeded") || str_eqz(phase, "Failed");
}

/* True for a node that is not ready and marked as out of service. */
static bool out_of_service(const struct object *o)
{
    const struct core_node *node = OBJECT_AS(core_node, o);

    if (str_eqz(node_ready_status(node), "True"))
        return false;
    for (size_t i = 0; i < node->spec.taints.n; i++) {
        if (str_eqz(node->spec.taints.v[i].key, "node.kubernetes.io/out-of-service"))
            return true;
    }
    return false;
}

static void pod_keys(const struct view *v, const struct object *o,
                     void (*add)(void *arg, struct str key), void *arg)
{
    struct str name = object_field(o, STR("spec.nodeName"));
    const struct object *node = name.len > 0 ? view_find(v, &res_core_nodes, STR_NULL, name) : NULL;

    if (finished(o))
        add(arg, STR(KEY_FINISHED));
    if ((name.len > 0 && (!node || out_of_service(node))) ||
        (name.len == 0 && object_meta_in(o, v->arena)->deletion_timestamp.set))
        add(arg, join_key(o->ns, o->name, v->arena));
}

static void node_keys(const struct view *v, const struct object *node,
                      void (*add)(void *arg, struct str key), void *arg)
{
    struct informer_iter it;

    if (view_find(v, &res_core_nodes, STR_NULL, node->name) && !out_of_service(node))
        return;
    for (struct object *o = view_first(v, &res_core_pods, STR_NULL, &it); o;
         o = informer_next(&it)) {
        if (str_eq(object_field(o, STR("spec.nodeName")), node->name))
            add(arg, join_key(o->ns, o->name, v->arena));
    }
}

/* Deletes @o at once, as Failed unless it has ended; with @orphan, a condition says why. */
static void plan_end(const struct view *v, const struct object *o, bool orphan, struct plan *plan)
{
    struct plan_op op = {.kind = PLAN_PATCH,
                         .res = &res_core_pods,
                         .ns = o->ns,
                         .name = o->name,
                         .sub = "status",
                         .patch_type = CLIENT_STRATEGIC_PATCH,
                         .ignore_missing = true};
    struct str condition = STR("");

    if (orphan)
        condition = str_printf(v->arena,
                               ",\"conditions\":[{\"type\":\"DisruptionTarget\","
                               "\"status\":\"True\",\"reason\":\"DeletionByPodGC\","
                               "\"message\":\"PodGC: node no longer exists\","
                               "\"lastTransitionTime\":\"%.*s\"}]",
                               STR_ARG(time_str(v->arena, time_from_ns(v->now_ns))));
    if (!finished(o)) {
        op.patch = str_printf(v->arena,
                              "{\"metadata\":{\"uid\":\"%.*s\"},\"status\":{"
                              "\"phase\":\"Failed\"%.*s}}",
                              STR_ARG(o->uid), STR_ARG(condition));
        plan_add(plan, &op);
        plan_barrier(plan);
    }
    op = (struct plan_op){.kind = PLAN_DELETE,
                          .res = &res_core_pods,
                          .ns = o->ns,
                          .name = o->name,
                          .uid = o->uid,
                          .grace_sec_plus1 = 1,
                          .ignore_missing = true};
    plan_add(plan, &op);
}

static void plan_orphan(const struct view *v, const struct object *o, struct str node,
                        struct plan *plan)
{
    uint64_t gone_ms = view_gone_ms(v, &res_core_nodes, STR_NULL, node);
    struct plan_op op = {.kind = PLAN_CONFIRM_ABSENT, .res = &res_core_nodes, .name = node};

    if (gone_ms < QUARANTINE_MS) {
        plan_requeue(plan, QUARANTINE_MS - gone_ms);
        return;
    }
    plan_add(plan, &op);
    plan_barrier(plan);
    plan_end(v, o, true, plan);
}

struct ended { /* a finished pod */
    const struct object *object;
    bool evicted;
    struct time_value created;
};

static int by_worth(const void *va, const void *vb)
{
    const struct ended *a = va, *b = vb;
    int c = time_cmp(a->created, b->created);

    if (a->evicted != b->evicted)
        return a->evicted ? -1 : 1;
    return c ? c : str_cmp(a->object->key, b->object->key);
}

static void plan_finished(const struct view *v, struct plan *plan)
{
    struct informer_iter it;
    struct ended *all;
    size_t n = 0, cap;

    for (struct object *o = view_first(v, &res_core_pods, STR_NULL, &it); o; o = informer_next(&it))
        n += finished(o);
    if (n <= FINISHED_MAX)
        return;
    cap = n;
    all = arena_calloc(v->arena, cap, sizeof(*all));
    n = 0;
    for (struct object *o = view_first(v, &res_core_pods, STR_NULL, &it); o;
         o = informer_next(&it)) {
        if (finished(o))
            all[n++] = (struct ended){o, str_eqz(OBJECT_AS(core_pod, o)->status.reason, "Evicted"),
                                      object_meta(o)->creation_timestamp};
    }
    qsort(all, n, sizeof(*all), by_worth);
    for (size_t i = 0; i < n - FINISHED_MAX; i++)
        plan_end(v, all[i].object, false, plan);
}

static int plan_pod(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    const struct object *o, *node;
    const struct core_pod *pod;
    struct str ns, name;

    (void)err;
    if (str_eqz(key, KEY_FINISHED)) {
        plan_finished(v, plan);
        return 0;
    }
    split_key(key, &ns, &name);
    o = view_find(v, &res_core_pods, ns, name);
    if (!o)
        return 0;
    pod = OBJECT_AS(core_pod, o);
    if (pod->spec.node_name.len == 0) {
        if (pod->metadata.deletion_timestamp.set)
            plan_end(v, o, false, plan);
        return 0;
    }
    node = view_find(v, &res_core_nodes, STR_NULL, pod->spec.node_name);
    if (!node)
        plan_orphan(v, o, pod->spec.node_name, plan);
    else if (pod->metadata.deletion_timestamp.set && out_of_service(node))
        plan_end(v, o, false, plan);
    return 0;
}

static const struct watch_rule watches[] = {
    {.res = &res_core_pods, .keys = pod_keys},
    {.res = &res_core_nodes, .keys = node_keys, .track_age = true},
    {0},
};
const struct controller pod_gc_controller = {
    .name = "pod-gc",
    .identity = "pod-garbage-collector",
    .event_component = "pod-garbage-collector",
    .watches = watches,
    .plan = plan_pod,
    .resync_ms = SWEEP_MS,
};
