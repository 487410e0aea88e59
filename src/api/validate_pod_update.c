/* SPDX-License-Identifier: Apache-2.0 */
/* validate_pod_update.c - what may change of a pod that is there: little. Layer: api. */
#include "api/validate.h"
#include "schema/typed.h"

#define MUTABLE_FIELDS                                                                             \
    "pod updates may not change fields other than `spec.containers[*].image`,"                     \
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "        \
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set " \
    "to 1 if it was previously negative)"

static void check_deadline(struct field_errors *errs, const struct core_pod_spec *now,
                           const struct core_pod_spec *was)
{
    const struct path *p = AT(AT(NULL, "spec"), "activeDeadlineSeconds");

    if (now->active_deadline_seconds && was->active_deadline_seconds &&
        *now->active_deadline_seconds > *was->active_deadline_seconds)
        err_invalid(errs, p, doc_int(*now->active_deadline_seconds),
                    "must be less than or equal to previous value");
    else if (!now->active_deadline_seconds && was->active_deadline_seconds)
        err_invalid(errs, p, doc_null(), "must not update from a positive integer to nil value");
}

static bool tolerates_the_same(const struct core_toleration *a, const struct core_toleration *b)
{
    return str_eq(a->key, b->key) && str_eq(a->operator, b->operator) &&
           str_eq(a->value, b->value) && str_eq(a->effect, b->effect);
}

/* Tolerations may be added, and their time may change; none may go. */
static void check_added_tolerations(struct field_errors *errs, const struct core_pod_spec *now,
                                    const struct core_pod_spec *was)
{
    auto_map given = {0};

    for (size_t i = 0; i < now->tolerations.n; i++) {
        const struct core_toleration *t = &now->tolerations.v[i];

        (void)map_set(&given,
                      str_printf(errs->arena, "%.*s\n%.*s\n%.*s\n%.*s", STR_ARG(t->key),
                                 STR_ARG(t->operator), STR_ARG(t->value), STR_ARG(t->effect)),
                      &given);
    }
    for (size_t i = 0; i < was->tolerations.n; i++) {
        const struct core_toleration *t = &was->tolerations.v[i];

        if (i < now->tolerations.n && tolerates_the_same(t, &now->tolerations.v[i]))
            continue;
        if (map_find(&given,
                     str_printf(errs->arena, "%.*s\n%.*s\n%.*s\n%.*s", STR_ARG(t->key),
                                STR_ARG(t->operator), STR_ARG(t->value), STR_ARG(t->effect))))
            continue;
        err_forbidden(errs, AT(AT(NULL, "spec"), "tolerations"),
                      "existing toleration can not be modified except its tolerationSeconds");
        return;
    }
}

static void check_removed_gates(struct field_errors *errs, const struct core_pod_spec *now,
                                const struct core_pod_spec *was)
{
    auto_map old = {0};

    for (size_t i = 0; i < was->scheduling_gates.n; i++)
        (void)map_set(&old, was->scheduling_gates.v[i].name, &old);
    for (size_t i = 0; i < now->scheduling_gates.n; i++) {
        struct str name = now->scheduling_gates.v[i].name;

        if (!map_find(&old, name))
            err_forbidden(errs, AT(AT(NULL, "spec"), "schedulingGates"),
                          "only deletion is allowed, but found new scheduling gate '%.*s'",
                          STR_ARG(name));
    }
}

/* A copy of the containers @v with the images of @images. */
static struct core_container *with_images(struct arena *a, const struct core_container *v,
                                          const struct core_container *images, size_t n)
{
    struct core_container *copy = arena_calloc(a, n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++) {
        copy[i] = v[i];
        copy[i].image = images[i].image;
    }
    return copy;
}

/* A pod that is held back may still be steered, to fewer nodes. */
static void allow_steering(struct core_pod_spec *s, const struct core_pod_spec *was,
                           struct arena *a)
{
    const struct string_map *old = &was->node_selector;
    struct core_affinity *copy;

    for (size_t i = 0; i < old->n; i++) {
        struct str v = string_map_get(&s->node_selector, old->v[i].key);

        if (!v.p || !str_eq(v, old->v[i].value))
            return;
    }
    s->node_selector = was->node_selector;
    if (!s->affinity || (was->affinity && was->affinity->node_affinity))
        return;
    copy = arena_box(a, *s->affinity);
    copy->node_affinity = NULL;
    s->affinity = was->affinity || copy->pod_affinity || copy->pod_anti_affinity ? copy : NULL;
}

static void check_mirror(struct field_errors *errs, const struct core_pod *pod,
                         const struct core_pod *old)
{
    static const struct str key = STR_INIT("kubernetes.io/config.mirror");
    struct str now = string_map_get(&pod->metadata.annotations, key);
    struct str was = string_map_get(&old->metadata.annotations, key);
    const struct path *p = AT_KEY(AT(AT(NULL, "metadata"), "annotations"), key);

    if (now.p && !was.p)
        err_forbidden(errs, p, "may not add mirror pod annotation");
    else if (!now.p && was.p)
        err_forbidden(errs, p, "may not remove mirror pod annotation");
    else if (!str_eq(now, was))
        err_forbidden(errs, p, "may not update mirror pod annotation");
}

void check_pod_update(struct field_errors *errs, const struct core_pod *pod,
                      const struct core_pod *old)
{
    const struct core_pod_spec *was = &old->spec;
    const struct path *spec = AT(NULL, "spec");
    struct core_pod_spec s = pod->spec;

    check_mirror(errs, pod, old);
    if (s.containers.n != was->containers.n || s.init_containers.n != was->init_containers.n) {
        err_forbidden(
            errs, AT(spec, s.containers.n != was->containers.n ? "containers" : "initContainers"),
            "pod updates may not add or remove containers");
        return;
    }
    for (size_t i = 0; i < s.containers.n; i++)
        check_given(errs, AT(AT_INDEX(AT(spec, "containers"), i), "image"),
                    str_trim(s.containers.v[i].image));
    check_deadline(errs, &s, was);
    check_added_tolerations(errs, &s, was);
    check_removed_gates(errs, &s, was);
    /* With what may change put back, nothing may be left that did. */
    s.containers.v = with_images(errs->arena, s.containers.v, was->containers.v, s.containers.n);
    s.init_containers.v =
        with_images(errs->arena, s.init_containers.v, was->init_containers.v, s.init_containers.n);
    s.active_deadline_seconds = was->active_deadline_seconds;
    s.tolerations = was->tolerations;
    s.scheduling_gates = was->scheduling_gates;
    if (was->termination_grace_period_seconds && *was->termination_grace_period_seconds < 0 &&
        s.termination_grace_period_seconds && *s.termination_grace_period_seconds == 1)
        s.termination_grace_period_seconds = was->termination_grace_period_seconds;
    if (was->scheduling_gates.n)
        allow_steering(&s, was, errs->arena);
    if (!typed_equal(&type_core_pod_spec, &s, was))
        err_forbidden(errs, spec, MUTABLE_FIELDS);
}
