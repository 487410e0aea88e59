/* SPDX-License-Identifier: Apache-2.0 */
/* admit_priority.c - Priority: what a pod's priority class means, and that one class is the
 * default. */
#include "apiserver/admit.h"

/* The class for pods that name none: of several the one with the lowest value. A reference. */
static struct object *default_class(struct apiserver *as, struct str except)
{
    struct snapshot *s = cache_snapshot(store_cache(as->store, &res_scheduling_priorityclasses));
    struct object *found = NULL;
    struct omap_iter it;
    struct object *o;

    omap_seek(&s->objects, STR_NULL, &it);
    while ((o = omap_next(&it))) {
        const struct scheduling_priority_class *c = OBJECT_AS(scheduling_priority_class, o);

        if (!c->global_default || str_eq(o->name, except))
            continue;
        if (!found || c->value < OBJECT_AS(scheduling_priority_class, found)->value)
            found = o;
    }
    if (found)
        object_ref(found);
    snapshot_unref(s);
    return found;
}

static enum stage_result apply(struct request *rq, struct core_pod *pod,
                               const struct scheduling_priority_class *c)
{
    int32_t value = c ? c->value : 0;
    struct str policy =
        c && c->preemption_policy ? *c->preemption_policy : STR("PreemptLowerPriority");

    if (pod->spec.priority && *pod->spec.priority != value)
        return admit_forbid(
            rq,
            "the integer value of priority (%d) must not be provided in pod spec; "
            "priority admission controller computed %d from the given PriorityClass "
            "name",
            *pod->spec.priority, value);
    if (pod->spec.preemption_policy && !str_eq(*pod->spec.preemption_policy, policy))
        return admit_forbid(rq,
                            "the string value of PreemptionPolicy (%.*s) must not be provided in "
                            "pod spec; priority admission controller computed %.*s from the given "
                            "PriorityClass name",
                            STR_ARG(*pod->spec.preemption_policy), STR_ARG(policy));
    pod->spec.priority = arena_new(rq->arena, int32_t);
    *pod->spec.priority = value;
    pod->spec.preemption_policy = arena_new(rq->arena, struct str);
    *pod->spec.preemption_policy = str_dup(rq->arena, policy);
    return STAGE_NEXT;
}

enum stage_result admit_priority(struct request *rq)
{
    const struct resource *res = &res_scheduling_priorityclasses;
    struct core_pod *pod = rq->obj;
    struct object *o;
    enum stage_result r;

    if (!admit_is(rq, &res_core_pods) || admission_op_of(rq) != ADMIT_CREATE)
        return STAGE_NEXT;
    if (str_empty(pod->spec.priority_class_name)) {
        o = default_class(rq->as, STR_NULL);
        if (o)
            pod->spec.priority_class_name = str_dup(rq->arena, o->name);
    } else {
        o = cache_find(store_cache(rq->as->store, res),
                       resource_key(res, STR(""), pod->spec.priority_class_name, rq->arena));
        if (!o)
            return admit_forbid(rq, "no PriorityClass with name %.*s was found",
                                STR_ARG(pod->spec.priority_class_name));
    }
    r = apply(rq, pod, o ? OBJECT_AS(scheduling_priority_class, o) : NULL);
    object_unref(o);
    return r;
}

enum stage_result admit_priority_class(struct request *rq)
{
    const struct scheduling_priority_class *c = rq->obj;
    struct object *other;
    enum stage_result r = STAGE_NEXT;

    if (!admit_is(rq, &res_scheduling_priorityclasses) || !c->global_default)
        return STAGE_NEXT;
    other = default_class(rq->as, c->metadata.name);
    if (other)
        r = admit_forbid(rq,
                         "PriorityClass %.*s is already marked as default. Only one default can "
                         "exist",
                         STR_ARG(other->name));
    object_unref(other);
    return r;
}
