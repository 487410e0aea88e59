/* SPDX-License-Identifier: Apache-2.0 */
/* replicaset.c - keeps the wanted number of pods of a ReplicaSet alive.
 *
 * Cheapest victims first when there are too many; see victim_cmp(). Pods that match the selector
 * and have no controller are adopted; owned pods that stopped matching are released. */
#include "controller/common.h"
#include "schema/selector.h"
#include "schema/typed.h"

enum { BURST_MAX = 500 };

struct candidate {
    const struct object *object;
    const struct core_pod *pod;
    int64_t deletion_cost;
    uint32_t neighbours; /* active pods of the same owner on its node */
    bool ready;
    int64_t now_sec;
};
struct rs {
    const struct object *object;
    const struct apps_replica_set *set;
    struct selector selector;
    VEC(struct candidate) active;
    uint32_t terminating;
};

static void pod_keys(const struct view *v, const struct object *o,
                     void (*add)(void *arg, struct str key), void *arg)
{
    struct informer_iter it;

    if (controller_of(object_meta_in(o, v->arena))) {
        add_controller_key(o, "ReplicaSet", add, arg);
        return;
    }
    /* An orphan: every set of the namespace whose selector matches may adopt it. */
    for (struct object *s = view_first(v, &res_apps_replicasets, o->ns, &it); s;
         s = informer_next(&it)) {
        const struct apps_replica_set *set = OBJECT_AS(apps_replica_set, s);
        struct selector selector;
        struct err err = {0};

        if (selector_from_label_selector(set->spec.selector, v->arena, &selector, &err) == 0 &&
            selector.n > 0 && selector_match_labels(&selector, o))
            add(arg, join_key(s->ns, s->name, v->arena));
    }
}

/* Ages are compared by powers of two: nearly equal ages count as equal. */
static int age_bucket(int64_t age_sec)
{
    int bucket = 0;

    for (; age_sec > 0; age_sec >>= 1)
        bucket++;
    return bucket;
}

static int phase_rank(struct str phase)
{
    if (str_eq(phase, STR("Running")))
        return 2;
    return str_eq(phase, STR("Unknown")) ? 1 : 0;
}

/* Younger (by bucket) first; the uid decides between equals, at random but always the same way. */
static int age_cmp(const struct candidate *a, struct time_value ta, const struct candidate *b,
                   struct time_value tb)
{
    int ba = age_bucket(a->now_sec - ta.sec), bb = age_bucket(b->now_sec - tb.sec);

    if (ba != bb)
        return ba < bb ? -1 : 1;
    return str_cmp(a->object->uid, b->object->uid);
}

/* Sorts what is cheapest to lose to the front. */
static int victim_cmp(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    bool assigned_a = a->pod->spec.node_name.len > 0, assigned_b = b->pod->spec.node_name.len > 0;
    int rank_a = phase_rank(a->pod->status.phase), rank_b = phase_rank(b->pod->status.phase);
    int32_t restarts_a = pod_max_restarts(a->pod), restarts_b = pod_max_restarts(b->pod);

    if (assigned_a != assigned_b)
        return assigned_a ? 1 : -1;
    if (rank_a != rank_b)
        return rank_a - rank_b;
    if (a->ready != b->ready)
        return a->ready ? 1 : -1;
    if (a->deletion_cost != b->deletion_cost)
        return a->deletion_cost < b->deletion_cost ? -1 : 1;
    if (a->neighbours != b->neighbours)
        return a->neighbours > b->neighbours ? -1 : 1;
    if (a->ready && b->ready) {
        struct time_value sa = pod_ready_since(a->pod), sb = pod_ready_since(b->pod);

        if (time_cmp(sa, sb) != 0)
            return age_cmp(a, sa, b, sb);
    }
    if (restarts_a != restarts_b)
        return restarts_a > restarts_b ? -1 : 1;
    return age_cmp(a, a->pod->metadata.creation_timestamp, b, b->pod->metadata.creation_timestamp);
}

static void count_neighbours(struct rs *rs)
{
    for (size_t i = 0; i < rs->active.n; i++) {
        struct candidate *c = &rs->active.v[i];

        if (c->pod->spec.node_name.len == 0)
            continue;
        for (size_t k = 0; k < rs->active.n; k++)
            c->neighbours += str_eq(rs->active.v[k].pod->spec.node_name, c->pod->spec.node_name);
    }
}

/* Takes @pod into the set's account; plans adoption and release. */
static void consider(const struct view *v, struct rs *rs, struct object *o, struct plan *plan)
{
    const struct core_pod *pod = OBJECT_AS(core_pod, o);
    bool owned = controlled_by(&pod->metadata, rs->object->uid);
    bool matches = selector_match_labels(&rs->selector, o);
    bool deleting = rs->set->metadata.deletion_timestamp.set;
    struct plan_op op = {.kind = PLAN_PATCH,
                         .res = &res_core_pods,
                         .ns = o->ns,
                         .name = o->name,
                         .patch_type = "application/strategic-merge-patch+json",
                         .ignore_missing = true};

    if (owned && pod->metadata.deletion_timestamp.set && matches)
        rs->terminating++;
    if (owned && !matches) {
        op.patch = release_patch(rs->object, o->uid, v->arena);
        plan_add(plan, &op);
        return;
    }
    if (!matches || (!owned && controller_of(&pod->metadata)) || !pod_is_active(pod))
        return;
    if (!owned) {
        if (deleting)
            return;
        op.patch = adopt_patch(rs->object, o->uid, v->arena);
        plan_add(plan, &op);
    }
    struct candidate c = {
        .object = o, .pod = pod, .ready = pod_is_ready(pod), .now_sec = v->now_ns / 1000000000};

    (void)str_to_i64(string_map_get(&pod->metadata.annotations,
                                    STR("controller.kubernetes.io/pod-deletion-cost")),
                     &c.deletion_cost);
    vec_push(&rs->active, c);
}

static void plan_creates(const struct view *v, struct rs *rs, uint32_t n, struct plan *plan)
{
    const struct core_pod *pod = pod_from_template(&rs->set->spec.template, rs->object, v->arena);
    struct plan_op op = {.kind = PLAN_CREATE,
                         .res = &res_core_pods,
                         .ns = rs->object->ns,
                         .obj = pod,
                         .event_on = rs->object,
                         .ok_reason = "SuccessfulCreate",
                         .ok_text = "Created pod: {name}",
                         .fail_reason = "FailedCreate",
                         .fail_text = "Error creating: {error}"};

    for (uint32_t i = 0; i < MIN(n, BURST_MAX); i++)
        plan_add(plan, &op);
}

static void plan_deletes(struct rs *rs, uint32_t n, struct plan *plan)
{
    struct plan_op op = {.kind = PLAN_DELETE,
                         .res = &res_core_pods,
                         .ns = rs->object->ns,
                         .ignore_missing = true,
                         .event_on = rs->object,
                         .ok_reason = "SuccessfulDelete",
                         .ok_text = "Deleted pod: {name}",
                         .fail_reason = "FailedDelete",
                         .fail_text = "Error deleting: {error}"};

    count_neighbours(rs);
    qsort(rs->active.v, rs->active.n, sizeof(rs->active.v[0]), victim_cmp);
    for (uint32_t i = 0; i < MIN(n, BURST_MAX); i++) {
        op.name = rs->active.v[i].object->name;
        op.uid = rs->active.v[i].object->uid;
        plan_add(plan, &op);
    }
}

/* Condition ReplicaFailure tells why the last plan failed, and goes when one succeeds. */
static void set_failure(const struct view *v, const struct rs *rs, bool too_few,
                        struct apps_replica_set_status *st)
{
    size_t n = 0;
    struct apps_replica_set_condition *conditions =
        arena_calloc(v->arena, st->conditions.n + 1, sizeof(*conditions));
    const struct apps_replica_set_condition *old = NULL;

    for (size_t i = 0; i < rs->set->status.conditions.n; i++) {
        const struct apps_replica_set_condition *c = &rs->set->status.conditions.v[i];

        if (str_eq(c->type, STR("ReplicaFailure")))
            old = c;
        else
            conditions[n++] = *c;
    }
    if (v->last_error.len > 0) {
        struct str reason = too_few ? STR("FailedCreate") : STR("FailedDelete");

        conditions[n++] = (struct apps_replica_set_condition){
            .type = STR("ReplicaFailure"),
            .status = STR("True"),
            .last_transition_time =
                old ? old->last_transition_time : time_from_ns(v->now_ns / 1000000000 * 1000000000),
            .reason = reason,
            .message = v->last_error};
    }
    st->conditions.v = conditions;
    st->conditions.n = n;
}

static void plan_status(const struct view *v, struct rs *rs, int64_t wanted, struct plan *plan)
{
    struct apps_replica_set *set = arena_new(v->arena, struct apps_replica_set);
    struct apps_replica_set_status *st = &set->status;
    int32_t *terminating = arena_new(v->arena, int32_t);
    struct selector labels = selector_from_map(&rs->set->spec.template.metadata.labels, v->arena);
    struct plan_op op = {.kind = PLAN_UPDATE_STATUS,
                         .res = &res_apps_replicasets,
                         .ns = rs->object->ns,
                         .name = rs->object->name,
                         .obj = set,
                         .ignore_missing = true};

    *set = *rs->set;
    *terminating = (int32_t)rs->terminating;
    st->replicas = (int32_t)rs->active.n;
    st->fully_labeled_replicas = st->ready_replicas = st->available_replicas = 0;
    st->terminating_replicas = terminating;
    st->observed_generation = rs->set->metadata.generation;
    for (size_t i = 0; i < rs->active.n; i++) {
        const struct candidate *c = &rs->active.v[i];
        uint64_t wait_ms = 0;

        st->fully_labeled_replicas += selector_match_map(&labels, &c->pod->metadata.labels);
        st->ready_replicas += c->ready;
        st->available_replicas +=
            pod_is_available(c->pod, rs->set->spec.min_ready_seconds, v->now_ns, &wait_ms);
        if (wait_ms > 0)
            plan_requeue(plan, wait_ms);
    }
    set_failure(v, rs, wanted > (int64_t)rs->active.n, st);
    if (!typed_equal(&type_apps_replica_set_status, st, &rs->set->status))
        plan_add(plan, &op);
}

static int plan_set(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct rs rs = {0};
    struct str ns, name;
    struct informer_iter it;
    int64_t wanted, have;
    int r;

    split_key(key, &ns, &name);
    rs.object = view_find(v, &res_apps_replicasets, ns, name);
    if (!rs.object)
        return 0;
    rs.set = OBJECT_AS(apps_replica_set, rs.object);
    r = selector_from_label_selector(rs.set->spec.selector, v->arena, &rs.selector, err);
    if (r < 0)
        return err_wrap(err, r, "selector");
    for (struct object *o = view_first(v, &res_core_pods, ns, &it); o; o = informer_next(&it))
        consider(v, &rs, o, plan);
    wanted = rs.set->spec.replicas ? *rs.set->spec.replicas : 1;
    have = (int64_t)rs.active.n;
    /* The status of what is there now comes first: the next plan tells of what this one does. */
    plan_status(v, &rs, wanted, plan);
    if (!rs.set->metadata.deletion_timestamp.set) {
        if (have < wanted)
            plan_creates(v, &rs, (uint32_t)(wanted - have), plan);
        else if (have > wanted)
            plan_deletes(&rs, (uint32_t)(have - wanted), plan);
    }
    vec_deinit(&rs.active);
    return 0;
}

static const struct watch_rule watches[] = {
    {.res = &res_apps_replicasets},
    {.res = &res_core_pods, .keys = pod_keys},
    {0},
};
const struct controller replicaset_controller = {
    .name = "replicaset",
    .identity = "replicaset-controller",
    .event_component = "replicaset-controller",
    .watches = watches,
    .plan = plan_set,
};
