/* SPDX-License-Identifier: Apache-2.0 */
/* deployment.c - rolls a Deployment's template out over ReplicaSets, one step a plan.
 *
 * Each plan changes as little as one step needs - create the new set, scale it up, scale old ones
 * down - and the next plan goes on from what came of it. */
#include "controller/deployment.h"
#include "schema/typed.h"

enum { HISTORY_TEXT_MAX = 2000 };

static void set_keys(const struct view *v, const struct object *o,
                     void (*add)(void *arg, struct str key), void *arg)
{
    struct informer_iter it;

    if (controller_of(object_meta(o))) {
        add_controller_key(o, "Deployment", add, arg);
        return;
    }
    for (struct object *d = view_first(v, &res_apps_deployments, o->ns, &it); d;
         d = informer_next(&it)) {
        struct selector selector;
        struct err err = {0};

        if (selector_from_label_selector(OBJECT_AS(apps_deployment, d)->spec.selector, v->arena,
                                         &selector, &err) == 0 &&
            selector.n > 0 && selector_match_labels(&selector, o))
            add(arg, join_key(d->ns, d->name, v->arena));
    }
}

/* Recreate waits for the last pod of the old sets: pods lead to their set's Deployment. */
static void pod_keys(const struct view *v, const struct object *o,
                     void (*add)(void *arg, struct str key), void *arg)
{
    const struct meta_owner_reference *r = controller_of(object_meta_in(o, v->arena));
    struct object *set;

    if (!r || !str_eq(r->kind, STR("ReplicaSet")) || pod_is_active(OBJECT_AS(core_pod, o)))
        return;
    set = view_find(v, &res_apps_replicasets, o->ns, r->name);
    if (set)
        add_controller_key(set, "Deployment", add, arg);
}

static int64_t revision_of(const struct apps_replica_set *set)
{
    int64_t n = 0;

    (void)str_to_i64(string_map_get(&set->metadata.annotations, STR(ANN_REVISION)), &n);
    return n;
}

static int by_creation(const void *va, const void *vb)
{
    const struct dep_set *a = va, *b = vb;
    int c = time_cmp(a->set->metadata.creation_timestamp, b->set->metadata.creation_timestamp);

    return c ? c : str_cmp(a->object->name, b->object->name);
}

static void collect(struct dep *dep, struct plan *plan)
{
    const struct view *v = dep->v;
    struct informer_iter it;
    size_t cap = 0;

    for (struct object *o = view_first(v, &res_apps_replicasets, dep->object->ns, &it); o;
         o = informer_next(&it)) {
        const struct apps_replica_set *set = OBJECT_AS(apps_replica_set, o);
        bool owned = controlled_by(&set->metadata, dep->object->uid);
        bool matches = selector_match_labels(&dep->selector, o);

        if (!matches ||
            (!owned && (controller_of(&set->metadata) || dep->d->metadata.deletion_timestamp.set)))
            continue;
        if (!owned) {
            struct plan_op op = {.kind = PLAN_PATCH,
                                 .res = &res_apps_replicasets,
                                 .ns = o->ns,
                                 .name = o->name,
                                 .patch_type = CLIENT_STRATEGIC_PATCH,
                                 .patch = adopt_patch(dep->object, o->uid, v->arena),
                                 .ignore_missing = true};

            plan_add(plan, &op);
            continue; /* counted once it is ours */
        }
        if (dep->n == cap) {
            dep->sets =
                arena_grow(v->arena, dep->sets, dep->n, cap ? cap * 2 : 8, sizeof(*dep->sets));
            cap = cap ? cap * 2 : 8;
        }
        dep->sets[dep->n++] =
            (struct dep_set){.object = o,
                             .set = set,
                             .revision = revision_of(set),
                             .replicas = set->spec.replicas ? *set->spec.replicas : 1};
    }
    if (dep->n > 1)
        qsort(dep->sets, dep->n, sizeof(*dep->sets), by_creation);
    for (size_t i = 0; i < dep->n && !dep->new_set; i++) {
        if (template_equal(&dep->sets[i].set->spec.template, &dep->d->spec.template, v->arena))
            dep->new_set = &dep->sets[i];
    }
}

static struct str int_text(struct arena *a, int64_t n)
{
    return str_printf(a, "%lld", (long long)n);
}

static bool own_annotation(struct str key)
{
    static const char *const own[] = {ANN_REVISION,
                                      ANN_HISTORY,
                                      ANN_DESIRED,
                                      ANN_MAX,
                                      "deprecated.deployment.rollback.to",
                                      "kubectl.kubernetes.io/last-applied-configuration"};

    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (str_eqz(key, own[i]))
            return true;
    }
    return false;
}

/* The set's annotations as they shall be: the Deployment's, the revision, the sizes. */
static struct string_map set_annotations(struct dep *dep, const struct string_map *now,
                                         int64_t revision, struct arena *a)
{
    struct string_map m = {0};
    int64_t was = 0;

    for (size_t i = 0; now && i < now->n; i++)
        string_map_set(a, &m, now->v[i].key, now->v[i].value);
    for (size_t i = 0; i < dep->d->metadata.annotations.n; i++) {
        const struct string_pair *p = &dep->d->metadata.annotations.v[i];

        if (!own_annotation(p->key))
            string_map_set(a, &m, p->key, p->value);
    }
    (void)str_to_i64(string_map_get(&m, STR(ANN_REVISION)), &was);
    if (was < revision) {
        struct str history = string_map_get(&m, STR(ANN_HISTORY));

        if (was > 0 && history.len < HISTORY_TEXT_MAX)
            string_map_set(a, &m, STR(ANN_HISTORY),
                           history.len > 0
                               ? str_printf(a, "%.*s,%lld", STR_ARG(history), (long long)was)
                               : int_text(a, was));
        string_map_set(a, &m, STR(ANN_REVISION), int_text(a, revision));
    }
    return m;
}

static void set_sizes(struct dep *dep, struct string_map *m, struct arena *a)
{
    string_map_set(a, m, STR(ANN_DESIRED), int_text(a, dep->replicas));
    string_map_set(a, m, STR(ANN_MAX), int_text(a, dep->replicas + dep->max_surge));
}

void plan_scale(struct dep *dep, struct dep_set *s, int32_t replicas, struct plan *plan)
{
    struct arena *a = dep->v->arena;
    struct apps_replica_set *set = arena_new(a, struct apps_replica_set);
    int32_t *n = arena_new(a, int32_t);
    int32_t before = s->set->spec.replicas ? *s->set->spec.replicas : 1;
    struct plan_op op = {.kind = PLAN_UPDATE,
                         .res = &res_apps_replicasets,
                         .ns = s->object->ns,
                         .name = s->object->name,
                         .obj = set};

    *set = *s->set;
    *n = replicas;
    set->spec.replicas = n;
    set->metadata.annotations = copy_map(&s->set->metadata.annotations, a);
    set_sizes(dep, &set->metadata.annotations, a);
    s->replicas = replicas;
    if (typed_equal(&type_apps_replica_set, set, s->set))
        return;
    if (replicas != before) {
        op.event_on = dep->object;
        op.ok_reason = "ScalingReplicaSet";
        op.ok_text = arena_printf(a, "Scaled %s replica set %.*s from %d to %d",
                                  replicas > before ? "up" : "down", STR_ARG(s->object->name),
                                  before, replicas);
    }
    plan_add(plan, &op);
}

static int64_t next_revision(const struct dep *dep)
{
    int64_t max = 0;

    for (size_t i = 0; i < dep->n; i++) {
        if (&dep->sets[i] != dep->new_set)
            max = MAX(max, dep->sets[i].revision);
    }
    return max + 1;
}

/* The Deployment carries the revision of its new set. After all else: the status has been written
 * then, so this write is of an old revision unless nothing else was to be done; it comes with the
 * next plan. */
static void plan_own_revision(struct dep *dep, int64_t revision, struct plan *plan)
{
    struct arena *a = dep->v->arena;
    struct apps_deployment *d;
    struct str text = int_text(a, revision);
    struct plan_op op = {.kind = PLAN_UPDATE_STATUS,
                         .res = &res_apps_deployments,
                         .ns = dep->object->ns,
                         .name = dep->object->name,
                         .ignore_missing = true};

    if (str_eq(string_map_get(&dep->d->metadata.annotations, STR(ANN_REVISION)), text))
        return;
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->ops[i].res == &res_apps_deployments) {
            plan_requeue(plan, 1);
            return; /* two writes of one object would conflict */
        }
    }
    d = arena_new(a, struct apps_deployment);
    *d = *dep->d;
    d->metadata.annotations = copy_map(&dep->d->metadata.annotations, a);
    string_map_set(a, &d->metadata.annotations, STR(ANN_REVISION), text);
    op.obj = d;
    plan_add(plan, &op);
}

static void create_new_set(struct dep *dep, struct plan *plan)
{
    struct arena *a = dep->v->arena;
    struct apps_replica_set *set = arena_new(a, struct apps_replica_set);
    struct meta_label_selector *selector = arena_new(a, struct meta_label_selector);
    int32_t *n = arena_new(a, int32_t);
    int32_t collisions = dep->d->status.collision_count ? *dep->d->status.collision_count : 0;
    struct str hash = template_hash(&dep->d->spec.template, collisions, a);
    bool rolling = str_eq(dep->d->spec.strategy.type, STR("RollingUpdate"));
    struct meta_owner_reference *ref = arena_new(a, struct meta_owner_reference);
    struct plan_op op = {.kind = PLAN_CREATE,
                         .res = &res_apps_replicasets,
                         .ns = dep->object->ns,
                         .obj = set,
                         .event_on = dep->object,
                         .ok_reason = "ScalingReplicaSet",
                         .fail_reason = "ReplicaSetCreateError",
                         .fail_text = "Failed to create new replica set: {error}"};

    *n = rolling ? rolling_new_size(dep->replicas, dep->max_surge, total_replicas(dep), 0)
                 : dep->replicas;
    *ref = controller_ref(dep->object, a);
    *selector = *dep->d->spec.selector;
    selector->match_labels = copy_map(&dep->d->spec.selector->match_labels, a);
    string_map_set(a, &selector->match_labels, STR(LABEL_HASH), hash);
    set->metadata.name = str_printf(a, "%.*s-%.*s", STR_ARG(dep->object->name), STR_ARG(hash));
    set->metadata.namespace = dep->object->ns;
    set->metadata.owner_references.v = ref;
    set->metadata.owner_references.n = 1;
    set->spec.replicas = n;
    set->spec.min_ready_seconds = dep->d->spec.min_ready_seconds;
    set->spec.selector = selector;
    set->spec.template = dep->d->spec.template;
    set->spec.template.metadata.labels = copy_map(&dep->d->spec.template.metadata.labels, a);
    string_map_set(a, &set->spec.template.metadata.labels, STR(LABEL_HASH), hash);
    set->metadata.labels = set->spec.template.metadata.labels;
    set->metadata.annotations = set_annotations(dep, NULL, next_revision(dep), a);
    set_sizes(dep, &set->metadata.annotations, a);
    op.ok_text =
        arena_printf(a, "Scaled up replica set %.*s from 0 to %d", STR_ARG(set->metadata.name), *n);
    if (*n == 0)
        op.ok_reason = NULL;
    plan_add(plan, &op);
    plan_own_revision(dep, next_revision(dep), plan);
}

/* Brings the annotations and minReadySeconds of the present new set up to date. True if it had to.
 */
static bool refresh_new_set(struct dep *dep, struct plan *plan)
{
    struct arena *a = dep->v->arena;
    struct dep_set *s = dep->new_set;
    struct apps_replica_set *set = arena_new(a, struct apps_replica_set);
    int64_t revision = MAX(next_revision(dep), s->revision);
    struct plan_op op = {.kind = PLAN_UPDATE,
                         .res = &res_apps_replicasets,
                         .ns = s->object->ns,
                         .name = s->object->name,
                         .obj = set};

    *set = *s->set;
    set->metadata.annotations = set_annotations(dep, &s->set->metadata.annotations, revision, a);
    set->spec.min_ready_seconds = dep->d->spec.min_ready_seconds;
    plan_own_revision(dep, revision, plan);
    if (typed_equal(&type_apps_replica_set, set, s->set))
        return false;
    plan_add(plan, &op);
    return true;
}

/* True when the new set has all pods that are wanted, and they are available: the old ones need
 * none. */
static bool saturated(const struct dep *dep)
{
    const struct dep_set *s = dep->new_set;
    int64_t desired;

    return s && s->replicas == dep->replicas &&
           s->set->status.available_replicas == dep->replicas &&
           str_to_i64(string_map_get(&s->set->metadata.annotations, STR(ANN_DESIRED)), &desired) &&
           desired == dep->replicas;
}

static void plan_scale_event(struct dep *dep, struct plan *plan)
{
    struct dep_set **active = arena_calloc(dep->v->arena, dep->n + 1, sizeof(*active));
    size_t n = 0;

    for (size_t i = 0; i < dep->n; i++) {
        if (dep->sets[i].replicas > 0)
            active[n++] = &dep->sets[i];
    }
    if (n > 1 && saturated(dep)) {
        for (size_t i = 0; i < n; i++)
            plan_scale(dep, active[i], active[i] == dep->new_set ? dep->replicas : 0, plan);
        return;
    }
    if (n <= 1) {
        struct dep_set *only = n == 1 ? active[0] : dep->new_set;

        if (!only && dep->n > 0)
            only = &dep->sets[dep->n - 1];
        if (only)
            plan_scale(dep, only, dep->replicas, plan);
        return;
    }
    if (str_eq(dep->d->spec.strategy.type, STR("RollingUpdate")))
        proportional_scale(dep, active, n);
    for (size_t i = 0; i < n; i++)
        plan_scale(dep, active[i], active[i]->replicas, plan);
}

static int32_t unavailable_of(const struct dep_set *s)
{
    return MAX(0, s->replicas - s->set->status.available_replicas);
}

/* Takes pods from old sets: first those that serve nobody, then as many as availability allows. */
static void plan_scale_down(struct dep *dep, struct plan *plan)
{
    int32_t min_available = dep->replicas - dep->max_unavailable;
    int32_t left =
        rolling_scale_down_max(total_replicas(dep), min_available, unavailable_of(dep->new_set));
    int32_t available = 0, healthy_left;

    for (size_t i = 0; i < dep->n; i++)
        available += dep->sets[i].set->status.available_replicas;
    for (size_t i = 0; i < dep->n && left > 0; i++) {
        struct dep_set *s = &dep->sets[i];
        int32_t n = MIN(left, unavailable_of(s));

        if (s == dep->new_set || n == 0)
            continue;
        s->replicas -= n;
        left -= n;
    }
    healthy_left = MIN(available - min_available, left);
    for (size_t i = 0; i < dep->n && healthy_left > 0; i++) {
        struct dep_set *s = &dep->sets[i];
        int32_t n = MIN(healthy_left, s->replicas);

        if (s == dep->new_set || n == 0)
            continue;
        s->replicas -= n;
        healthy_left -= n;
    }
    for (size_t i = 0; i < dep->n; i++) {
        struct dep_set *s = &dep->sets[i];

        if (s != dep->new_set && s->set->spec.replicas && s->replicas != *s->set->spec.replicas)
            plan_scale(dep, s, s->replicas, plan);
    }
}

static void plan_rolling(struct dep *dep, struct plan *plan)
{
    int32_t size;

    if (!dep->new_set) {
        create_new_set(dep, plan);
        return;
    }
    if (refresh_new_set(dep, plan))
        return;
    size = dep->new_set->replicas > dep->replicas
               ? dep->replicas
               : rolling_new_size(dep->replicas, dep->max_surge, total_replicas(dep),
                                  dep->new_set->replicas);
    if (size != dep->new_set->replicas) {
        plan_scale(dep, dep->new_set, size, plan);
        return;
    }
    plan_scale_down(dep, plan);
}

/* True while pods of old sets may still run. */
static bool old_pods_run(const struct dep *dep)
{
    struct informer_iter it;

    for (struct object *o = view_first(dep->v, &res_core_pods, dep->object->ns, &it); o;
         o = informer_next(&it)) {
        const struct core_pod *pod = OBJECT_AS(core_pod, o);

        if (str_eq(pod->status.phase, STR("Succeeded")) || str_eq(pod->status.phase, STR("Failed")))
            continue;
        for (size_t i = 0; i < dep->n; i++) {
            if (&dep->sets[i] != dep->new_set &&
                controlled_by(&pod->metadata, dep->sets[i].object->uid))
                return true;
        }
    }
    return false;
}

static void plan_recreate(struct dep *dep, struct plan *plan)
{
    bool scaled = false;

    for (size_t i = 0; i < dep->n; i++) {
        if (&dep->sets[i] == dep->new_set || dep->sets[i].replicas == 0)
            continue;
        plan_scale(dep, &dep->sets[i], 0, plan);
        scaled = true;
    }
    if (scaled || old_pods_run(dep))
        return;
    if (!dep->new_set)
        create_new_set(dep, plan);
    else if (!refresh_new_set(dep, plan) && dep->new_set->replicas != dep->replicas)
        plan_scale(dep, dep->new_set, dep->replicas, plan);
}

static int by_revision(const void *va, const void *vb)
{
    const struct dep_set *a = *(struct dep_set *const *)va, *b = *(struct dep_set *const *)vb;

    return a->revision < b->revision ? -1 : a->revision > b->revision;
}

static void plan_cleanup(struct dep *dep, struct plan *plan)
{
    int32_t limit =
        dep->d->spec.revision_history_limit ? *dep->d->spec.revision_history_limit : INT32_MAX;
    struct dep_set **old = arena_calloc(dep->v->arena, dep->n + 1, sizeof(*old));
    size_t n = 0;

    for (size_t i = 0; i < dep->n; i++) {
        const struct apps_replica_set *set = dep->sets[i].set;

        if (&dep->sets[i] != dep->new_set && dep->sets[i].replicas == 0 &&
            set->status.replicas == 0 && !set->metadata.deletion_timestamp.set &&
            set->status.observed_generation >= set->metadata.generation)
            old[n++] = &dep->sets[i];
    }
    if ((int64_t)n <= limit)
        return;
    qsort(old, n, sizeof(*old), by_revision);
    for (size_t i = 0; i < n - (size_t)limit; i++) {
        struct plan_op op = {.kind = PLAN_DELETE,
                             .res = &res_apps_replicasets,
                             .ns = old[i]->object->ns,
                             .name = old[i]->object->name,
                             .uid = old[i]->object->uid,
                             .ignore_missing = true};

        plan_add(plan, &op);
    }
}

static int plan_deployment(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct dep dep = {.v = v};
    struct str ns, name;
    int r;

    split_key(key, &ns, &name);
    dep.object = view_find(v, &res_apps_deployments, ns, name);
    if (!dep.object)
        return 0;
    dep.d = OBJECT_AS(apps_deployment, dep.object);
    r = selector_from_label_selector(dep.d->spec.selector, v->arena, &dep.selector, err);
    if (r < 0)
        return err_wrap(err, r, "selector");
    if (dep.selector.n == 0) {
        plan_event(plan, dep.object, "Warning", "SelectingAll",
                   "This deployment is selecting all pods. A non-empty selector is required.");
        return 0;
    }
    dep.replicas = dep.d->spec.replicas ? *dep.d->spec.replicas : 1;
    rolling_bounds(dep.d, dep.replicas, &dep.max_surge, &dep.max_unavailable);
    collect(&dep, plan);
    plan_deployment_status(&dep, plan);
    if (dep.d->metadata.deletion_timestamp.set || dep.collided)
        return 0;
    if (dep.d->spec.paused || scaling_event(&dep)) {
        plan_scale_event(&dep, plan);
    } else if (str_eq(dep.d->spec.strategy.type, STR("Recreate"))) {
        plan_recreate(&dep, plan);
    } else {
        plan_rolling(&dep, plan);
    }
    if (!dep.d->spec.paused && dep.new_set &&
        dep.new_set->set->status.available_replicas >= dep.replicas)
        plan_cleanup(&dep, plan);
    return 0;
}

static const struct watch_rule watches[] = {
    {.res = &res_apps_deployments},
    {.res = &res_apps_replicasets, .keys = set_keys},
    {.res = &res_core_pods, .keys = pod_keys},
    {0},
};
const struct controller deployment_controller = {
    .name = "deployment",
    .identity = "deployment-controller",
    .event_component = "deployment-controller",
    .watches = watches,
    .plan = plan_deployment,
};
