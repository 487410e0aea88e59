/* SPDX-License-Identifier: Apache-2.0 */
/* sub_eviction.c - POST pods/<name>/eviction: deletes a pod if its disruption budget allows it.
 *
 * The budget's count goes down in the transaction that marks the pod, so that no two evictions use
 * the same allowance. */
#include "apiserver/write.h"
#include "schema/selector.h"
#include "schema/typed.h"

enum { DISRUPTED_PODS_MAX = 2000 };

struct disrupted_map { /* layout of map<string,time> */
    struct disrupted {
        struct str key;
        struct time_value value;
    } * v;
    size_t n;
};

static enum stage_result too_many(struct request *rq, int32_t retry_sec, struct str cause)
{
    struct meta_status st = {
        .status = STR("Failure"),
        .reason = STR("TooManyRequests"),
        .message = STR("Cannot evict pod as it would violate the pod's disruption budget."),
        .code = 429};
    struct meta_status_cause *c = arena_new(rq->arena, struct meta_status_cause);

    *c = (struct meta_status_cause){.reason = STR("DisruptionBudget"), .message = cause};
    st.details = arena_new(rq->arena, struct meta_status_details);
    st.details->causes.v = c;
    st.details->causes.n = 1;
    st.details->retry_after_seconds = retry_sec;
    return status_send(rq, ERR_TOO_MANY, &st);
}

static bool needs_budget(const struct core_pod *pod)
{
    return !pod->metadata.deletion_timestamp.set && !str_eqz(pod->status.phase, "Pending") &&
           !str_eqz(pod->status.phase, "Succeeded") && !str_eqz(pod->status.phase, "Failed");
}

static bool is_ready(const struct core_pod *pod)
{
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        if (str_eqz(pod->status.conditions.v[i].type, "Ready"))
            return str_eqz(pod->status.conditions.v[i].status, "True");
    return false;
}

/* The budgets that select the pod: how many, and a reference to the first. */
static size_t find_budgets(struct request *rq, const struct object *pod, struct object **ret_o)
{
    const struct resource *res = &res_policy_poddisruptionbudgets;
    struct snapshot *s = cache_snapshot(store_cache(rq->as->store, res));
    struct str prefix = resource_key(res, rq->ns, STR(""), rq->arena);
    struct omap_iter it;
    struct object *o;
    size_t n = 0;

    *ret_o = NULL;
    omap_seek(&s->objects, prefix, &it);
    while ((o = omap_next(&it)) && str_has_prefix(o->key, prefix)) {
        const struct policy_pod_disruption_budget *b = OBJECT_AS(policy_pod_disruption_budget, o);
        struct selector sel;

        if (selector_from_label_selector(b->spec.selector, rq->arena, &sel, NULL) < 0 ||
            !selector_match_labels(&sel, pod))
            continue;
        if (n++ == 0)
            *ret_o = object_ref(o);
    }
    snapshot_unref(s);
    return n;
}

/* Adds one allowance less to the transaction. */
static void use_allowance(struct request *rq, const struct object *o)
{
    const struct policy_pod_disruption_budget *old = OBJECT_AS(policy_pod_disruption_budget, o);
    struct policy_pod_disruption_budget now = *old;
    const struct disrupted_map *was = (const void *)&old->status.disrupted_pods;
    struct disrupted_map *map = (void *)&now.status.disrupted_pods;
    struct time_value at = time_from_ns(loop_wall_ns(rq->loop));
    size_t i = 0;

    at.nsec = 0;
    map->v = arena_calloc(rq->arena, was->n + 1, sizeof(*map->v));
    map->n = 0;
    for (; i < was->n && str_cmp(was->v[i].key, rq->name) < 0; i++)
        map->v[map->n++] = was->v[i];
    map->v[map->n++] = (struct disrupted){rq->name, at};
    for (; i < was->n; i++)
        if (!str_eq(was->v[i].key, rq->name))
            map->v[map->n++] = was->v[i];
    now.status.disruptions_allowed--;
    commit_add(rq, (struct store_op){.kind = STORE_PUT,
                                     .res = &res_policy_poddisruptionbudgets,
                                     .object = object_new(&res_policy_poddisruptionbudgets, &now),
                                     .expect_revision = o->revision});
}

static enum stage_result check_budget(struct request *rq, const struct core_pod *pod,
                                      const struct object *o)
{
    const struct policy_pod_disruption_budget *b = OBJECT_AS(policy_pod_disruption_budget, o);
    const struct str *policy = b->spec.unhealthy_pod_eviction_policy;
    struct arena *a = rq->arena;

    if (!is_ready(pod)) {
        if (policy && str_eqz(*policy, "AlwaysAllow"))
            return STAGE_NEXT;
        if (b->status.current_healthy >= b->status.desired_healthy && b->status.desired_healthy > 0)
            return STAGE_NEXT;
    }
    if (b->status.observed_generation < b->metadata.generation)
        return too_many(rq, 10,
                        str_printf(a,
                                   "The disruption budget %.*s is still being processed by the "
                                   "server.",
                                   STR_ARG(o->name)));
    if (b->status.disruptions_allowed < 0)
        return request_fail_object(rq, ERR_FORBIDDEN, &res_policy_poddisruptionbudgets, o->name,
                                   "pdb disruptions allowed is negative");
    if (((const struct disrupted_map *)(const void *)&b->status.disrupted_pods)->n >
        DISRUPTED_PODS_MAX)
        return request_fail_object(rq, ERR_FORBIDDEN, &res_policy_poddisruptionbudgets, o->name,
                                   "DisruptedPods map too big - too many evictions not confirmed "
                                   "by PDB controller");
    if (b->status.disruptions_allowed == 0)
        return too_many(rq, 0,
                        str_printf(a,
                                   "The disruption budget %.*s needs %d healthy pods and has %d "
                                   "currently",
                                   STR_ARG(o->name), b->status.desired_healthy,
                                   b->status.current_healthy));
    use_allowance(rq, o);
    return STAGE_NEXT;
}

static void set_condition(struct request *rq, struct core_pod *pod)
{
    struct core_pod_condition *c = NULL;
    struct time_value now = time_from_ns(loop_wall_ns(rq->loop));

    now.nsec = 0;
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        if (str_eqz(pod->status.conditions.v[i].type, "DisruptionTarget"))
            c = &pod->status.conditions.v[i];
    if (!c) {
        pod->status.conditions.v =
            arena_grow(rq->arena, pod->status.conditions.v, pod->status.conditions.n,
                       pod->status.conditions.n + 1, sizeof(*pod->status.conditions.v));
        c = &pod->status.conditions.v[pod->status.conditions.n++];
    }
    *c = (struct core_pod_condition){.type = STR("DisruptionTarget"),
                                     .status = STR("True"),
                                     .observed_generation = pod->metadata.generation,
                                     .last_transition_time = now,
                                     .reason = STR("EvictionByEvictionAPI"),
                                     .message = STR("Eviction API: evicting")};
}

static enum stage_result apply(struct request *rq)
{
    struct core_pod *pod = rq->obj;
    struct object *budget;
    size_t n;
    enum stage_result r;

    if (!str_empty(rq->del.uid) && !str_eq(rq->del.uid, pod->metadata.uid))
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "the UID in the precondition (%.*s) does not match the UID in "
                                   "record (%.*s). The object might have been deleted and then "
                                   "recreated",
                                   STR_ARG(rq->del.uid), STR_ARG(pod->metadata.uid));
    if (!str_empty(rq->del.resource_version) &&
        !str_eq(rq->del.resource_version, pod->metadata.resource_version))
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "the ResourceVersion in the precondition (%.*s) does not match "
                                   "the ResourceVersion in record (%.*s). The object might have "
                                   "been modified",
                                   STR_ARG(rq->del.resource_version),
                                   STR_ARG(pod->metadata.resource_version));
    n = find_budgets(rq, rq->old, &budget);
    if (n > 1)
        r = request_failf(rq, ERR_INTERNAL,
                          "This pod has more than one PodDisruptionBudget, which the eviction "
                          "subresource does not support.");
    else
        r = n == 1 ? check_budget(rq, pod, budget) : STAGE_NEXT;
    object_unref(budget);
    if (r == STAGE_NEXT)
        set_condition(rq, pod);
    return r;
}

static enum stage_result answer(struct request *rq)
{
    struct meta_status st = {
        .kind = STR("Status"), .api_version = STR("v1"), .status = STR("Success"), .code = 201};

    return request_answer_typed(rq, 201, &type_meta_status, &st);
}

/* The pod is marked: now it goes. Our own mark has moved its resourceVersion. */
static enum stage_result then_delete(struct request *rq)
{
    rq->del.resource_version = STR_NULL;
    return delete_object(rq, answer);
}

enum stage_result stage_pod_eviction(struct request *rq)
{
    static const struct change mark = {apply, then_delete, false};
    const struct policy_eviction *ev;
    struct object *o;
    bool budgeted;
    void *body;
    enum stage_result r = decode_body(rq, &type_policy_eviction, &body);

    if (r != STAGE_NEXT)
        return r;
    ev = body;
    if (!str_empty(ev->metadata.name) && !str_eq(ev->metadata.name, rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "name in URL does not match name in Eviction object");
    r = options_take_delete(rq, ev->delete_options);
    if (r != STAGE_NEXT)
        return r;
    o = cache_find(store_cache(rq->as->store, &res_core_pods),
                   resource_key(&res_core_pods, rq->ns, rq->name, rq->arena));
    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
    budgeted = needs_budget(OBJECT_AS(core_pod, o));
    object_unref(o);
    return budgeted ? change_object(rq, &mark) : delete_object(rq, answer);
}
