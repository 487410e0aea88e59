/* SPDX-License-Identifier: Apache-2.0 */
/* deployment_status.c - status and conditions of a Deployment, from its ReplicaSets as they are. */
#include "controller/deployment.h"
#include "schema/typed.h"

struct conditions {
    struct apps_deployment_condition *v;
    size_t n;
    const struct view *view;
};

static const struct apps_deployment_condition *condition_find(const struct apps_deployment *d,
                                                              struct str type)
{
    for (size_t i = 0; i < d->status.conditions.n; i++) {
        if (str_eq(d->status.conditions.v[i].type, type))
            return &d->status.conditions.v[i];
    }
    return NULL;
}

static struct time_value now_of(const struct view *v)
{
    return time_from_ns(v->now_ns / 1000000000 * 1000000000);
}

/* Sets a condition. Equal status and reason keep it as it is, unless @touch: then its update time
 * is now. */
static void condition_set(struct conditions *c, const char *type, const char *status,
                          const char *reason, struct str message, bool touch)
{
    struct apps_deployment_condition *at = NULL;

    for (size_t i = 0; i < c->n; i++) {
        if (str_eqz(c->v[i].type, type))
            at = &c->v[i];
    }
    if (at && !touch && str_eqz(at->status, status) && str_eqz(at->reason, reason))
        return;
    if (!at) {
        at = &c->v[c->n++];
        *at = (struct apps_deployment_condition){.type = str_from(type),
                                                 .last_transition_time = now_of(c->view)};
    }
    if (!str_eqz(at->status, status))
        at->last_transition_time = now_of(c->view);
    at->status = str_from(status);
    at->reason = str_from(reason);
    at->message = message;
    at->last_update_time = now_of(c->view);
}

static void condition_remove(struct conditions *c, struct str type)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!str_eq(c->v[i].type, type))
            continue;
        memmove(&c->v[i], &c->v[i + 1], (c->n - i - 1) * sizeof(c->v[0]));
        c->n--;
        return;
    }
}

static void sum_up(const struct dep *dep, struct apps_deployment_status *st)
{
    int32_t *terminating = arena_new(dep->v->arena, int32_t);

    *st = (struct apps_deployment_status){.observed_generation = dep->d->metadata.generation,
                                          .collision_count = dep->d->status.collision_count,
                                          .updated_replicas =
                                              dep->new_set ? dep->new_set->set->status.replicas : 0,
                                          .terminating_replicas = terminating};
    for (size_t i = 0; i < dep->n; i++) {
        const struct apps_replica_set_status *s = &dep->sets[i].set->status;

        st->replicas += s->replicas;
        st->ready_replicas += s->ready_replicas;
        st->available_replicas += s->available_replicas;
        *terminating += s->terminating_replicas ? *s->terminating_replicas : 0;
    }
    st->unavailable_replicas = MAX(0, total_replicas(dep) - st->available_replicas);
}

static bool complete(const struct dep *dep, const struct apps_deployment_status *st)
{
    return st->updated_replicas == dep->replicas && st->replicas == dep->replicas &&
           st->available_replicas == dep->replicas &&
           st->observed_generation >= dep->d->metadata.generation;
}

/* Something moved forward since the last status. */
static bool progressing(const struct dep *dep, const struct apps_deployment_status *st)
{
    const struct apps_deployment_status *old = &dep->d->status;

    return st->updated_replicas > old->updated_replicas ||
           st->replicas - st->updated_replicas < old->replicas - old->updated_replicas ||
           st->ready_replicas > old->ready_replicas ||
           st->available_replicas > old->available_replicas;
}

/* Milliseconds until the deadline; 0: it has passed; -1: there is none. */
static int64_t deadline_left_ms(const struct dep *dep, const struct apps_deployment_condition *c)
{
    const int32_t *sec = dep->d->spec.progress_deadline_seconds;
    int64_t due_ns;

    if (!sec || *sec == INT32_MAX || !c || !str_eq(c->status, STR("True")) ||
        str_eq(c->reason, STR("NewReplicaSetAvailable")))
        return -1;
    due_ns = time_ns(c->last_update_time) + (int64_t)*sec * 1000000000;
    return due_ns <= dep->v->now_ns ? 0 : (due_ns - dep->v->now_ns) / 1000000 + 1;
}

static void set_progressing(const struct dep *dep, const struct apps_deployment_status *st,
                            struct conditions *c, struct plan *plan)
{
    const struct apps_deployment_condition *old = condition_find(dep->d, STR("Progressing"));
    struct arena *a = dep->v->arena;
    struct str name = dep->new_set ? dep->new_set->object->name : STR_NULL;
    int64_t left;

    if (!dep->d->spec.progress_deadline_seconds ||
        *dep->d->spec.progress_deadline_seconds == INT32_MAX) {
        condition_remove(c, STR("Progressing"));
        return;
    }
    if (dep->d->spec.paused) {
        condition_set(c, "Progressing", "Unknown", "DeploymentPaused", STR("Deployment is paused"),
                      false);
        return;
    }
    if (old && str_eq(old->reason, STR("DeploymentPaused")))
        condition_set(c, "Progressing", "Unknown", "DeploymentResumed",
                      STR("Deployment is resumed"), false);
    if (!dep->new_set) {
        if (dep->v->last_error.len > 0)
            condition_set(c, "Progressing", "False", "ReplicaSetCreateError",
                          str_printf(a, "Failed to create new replica set: %.*s",
                                     STR_ARG(dep->v->last_error)),
                          false);
        return;
    }
    if (complete(dep, st)) {
        condition_set(
            c, "Progressing", "True", "NewReplicaSetAvailable",
            str_printf(a, "ReplicaSet \"%.*s\" has successfully progressed.", STR_ARG(name)),
            false);
        return;
    }
    if (progressing(dep, st)) {
        condition_set(c, "Progressing", "True", "ReplicaSetUpdated",
                      str_printf(a, "ReplicaSet \"%.*s\" is progressing.", STR_ARG(name)), true);
        plan_requeue(plan, (uint64_t)*dep->d->spec.progress_deadline_seconds * 1000);
        return;
    }
    if (!old || str_eq(old->reason, STR("NewReplicaSetAvailable")) ||
        str_eq(old->reason, STR("DeploymentResumed")))
        condition_set(c, "Progressing", "True", old ? "ReplicaSetUpdated" : "NewReplicaSetCreated",
                      old ? str_printf(a, "ReplicaSet \"%.*s\" is progressing.", STR_ARG(name))
                          : str_printf(a, "Created new replica set \"%.*s\"", STR_ARG(name)),
                      true);
    left = deadline_left_ms(dep, old);
    if (left == 0)
        condition_set(
            c, "Progressing", "False", "ProgressDeadlineExceeded",
            str_printf(a, "ReplicaSet \"%.*s\" has timed out progressing.", STR_ARG(name)), false);
    else if (left > 0)
        plan_requeue(plan, (uint64_t)left);
}

static void set_available(const struct dep *dep, const struct apps_deployment_status *st,
                          struct conditions *c)
{
    if (st->available_replicas >= dep->replicas - dep->max_unavailable)
        condition_set(c, "Available", "True", "MinimumReplicasAvailable",
                      STR("Deployment has minimum availability."), false);
    else
        condition_set(c, "Available", "False", "MinimumReplicasUnavailable",
                      STR("Deployment does not have minimum availability."), false);
}

static void set_replica_failure(const struct dep *dep, struct conditions *c)
{
    for (size_t i = dep->n; i-- > 0;) {
        const struct apps_replica_set_status *s = &dep->sets[i].set->status;

        for (size_t k = 0; k < s->conditions.n; k++) {
            if (!str_eq(s->conditions.v[k].type, STR("ReplicaFailure")))
                continue;
            condition_set(c, "ReplicaFailure", "True",
                          str_dupz(dep->v->arena, s->conditions.v[k].reason),
                          s->conditions.v[k].message, false);
            return;
        }
    }
    condition_remove(c, STR("ReplicaFailure"));
}

void plan_deployment_status(struct dep *dep, struct plan *plan)
{
    struct apps_deployment *d = arena_new(dep->v->arena, struct apps_deployment);
    struct conditions c = {.view = dep->v, .n = dep->d->status.conditions.n};
    struct plan_op op = {.kind = PLAN_UPDATE_STATUS,
                         .res = &res_apps_deployments,
                         .ns = dep->object->ns,
                         .name = dep->object->name,
                         .obj = d,
                         .ignore_missing = true};

    *d = *dep->d;
    sum_up(dep, &d->status);
    c.v = arena_calloc(dep->v->arena, c.n + 4, sizeof(*c.v));
    if (c.n > 0)
        memcpy(c.v, dep->d->status.conditions.v, c.n * sizeof(*c.v));
    set_available(dep, &d->status, &c);
    set_progressing(dep, &d->status, &c, plan);
    set_replica_failure(dep, &c);
    d->status.conditions.v = c.v;
    d->status.conditions.n = c.n;
    /* A name that is taken by a set with another template: the hash takes another turn. */
    if (!dep->new_set && !dep->d->spec.paused &&
        str_find(dep->v->last_error, STR("already exists")) >= 0) {
        int32_t *count = arena_new(dep->v->arena, int32_t);

        *count = (d->status.collision_count ? *d->status.collision_count : 0) + 1;
        d->status.collision_count = count;
        dep->collided = true;
    }
    if (!typed_equal(&type_apps_deployment_status, &d->status, &dep->d->status))
        plan_add(plan, &op);
}
