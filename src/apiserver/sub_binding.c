/* SPDX-License-Identifier: Apache-2.0 */
/* sub_binding.c - POST pods/<name>/binding and bindings: a pod gets its node. */
#include "apiserver/admit.h"
#include "apiserver/write.h"

static enum stage_result refuse(struct request *rq, const char *why, ...) PRINTF_LIKE(2, 3);

/* 409 on "pods/binding", as upstream calls it. */
static enum stage_result refuse(struct request *rq, const char *why, ...)
{
    struct resource res = res_core_pods;
    const char *text;
    va_list args;

    va_start(args, why);
    text = arena_vprintf(rq->arena, NULL, why, args);
    va_end(args);
    res.plural = "pods/binding";
    return request_fail_object(rq, ERR_CONFLICT, &res, rq->name, "%s", text);
}

static enum stage_result check(struct request *rq, const struct core_binding *b)
{
    static const char *const kinds[] = {"Node", "<empty>", NULL};
    struct field_errors errs = {.arena = rq->arena};
    struct path target = path_field(NULL, "target");
    struct path kind = path_field(&target, "kind"), name = path_field(&target, "name");

    if (!str_empty(b->target.kind) && !str_eqz(b->target.kind, "Node"))
        err_not_supported(&errs, &kind, b->target.kind, kinds);
    if (str_empty(b->target.name))
        err_required(&errs, &name, "");
    if (errs.n > 0)
        return request_fail_invalid(rq, "", "Binding", b->metadata.name, &errs);
    return STAGE_NEXT;
}

static void copy_map(struct arena *a, struct string_map *to, const struct string_map *from)
{
    for (size_t i = 0; i < from->n; i++)
        string_map_set(a, to, from->v[i].key, from->v[i].value);
}

static void set_scheduled(struct request *rq, struct core_pod *pod)
{
    struct time_value now = time_from_ns(loop_wall_ns(rq->loop));
    struct core_pod_condition *c = NULL;

    now.nsec = 0;
    for (size_t i = 0; i < pod->status.conditions.n; i++)
        if (str_eqz(pod->status.conditions.v[i].type, "PodScheduled"))
            c = &pod->status.conditions.v[i];
    if (!c) {
        pod->status.conditions.v =
            arena_grow(rq->arena, pod->status.conditions.v, pod->status.conditions.n,
                       pod->status.conditions.n + 1, sizeof(*pod->status.conditions.v));
        c = &pod->status.conditions.v[pod->status.conditions.n++];
    }
    *c = (struct core_pod_condition){.type = STR("PodScheduled"),
                                     .status = STR("True"),
                                     .observed_generation = pod->metadata.generation,
                                     .last_transition_time = now};
    pod->status.nominated_node_name = STR_NULL;
}

static enum stage_result apply(struct request *rq)
{
    struct core_pod *pod = rq->obj;
    struct core_binding *b;
    void *body;
    enum stage_result r = decode_body(rq, &type_core_binding, &body);

    if (r == STAGE_NEXT)
        r = check(rq, body);
    if (r != STAGE_NEXT)
        return r;
    b = body;
    if (!str_empty(b->metadata.uid) && !str_eq(b->metadata.uid, pod->metadata.uid))
        return refuse(rq,
                      "Precondition failed: UID in precondition: %.*s, UID in object meta: %.*s",
                      STR_ARG(b->metadata.uid), STR_ARG(pod->metadata.uid));
    if (!str_empty(b->metadata.resource_version) &&
        !str_eq(b->metadata.resource_version, pod->metadata.resource_version))
        return refuse(rq,
                      "Precondition failed: ResourceVersion in precondition: %.*s, ResourceVersion "
                      "in object meta: %.*s",
                      STR_ARG(b->metadata.resource_version),
                      STR_ARG(pod->metadata.resource_version));
    if (pod->metadata.deletion_timestamp.set)
        return refuse(rq, "pod %.*s is being deleted, cannot be assigned to a host",
                      STR_ARG(rq->name));
    if (!str_empty(pod->spec.node_name))
        return refuse(rq, "pod %.*s is already assigned to node \"%.*s\"", STR_ARG(rq->name),
                      STR_ARG(pod->spec.node_name));
    if (pod->spec.scheduling_gates.n > 0)
        return refuse(rq, "pod %.*s has non-empty .spec.schedulingGates", STR_ARG(rq->name));
    pod->spec.node_name = b->target.name;
    copy_map(rq->arena, &pod->metadata.annotations, &b->metadata.annotations);
    copy_map(rq->arena, &pod->metadata.labels, &b->metadata.labels);
    admit_copy_topology(rq, pod);
    set_scheduled(rq, pod);
    return STAGE_NEXT;
}

static enum stage_result answer(struct request *rq)
{
    struct meta_status st = {
        .kind = STR("Status"), .api_version = STR("v1"), .status = STR("Success"), .code = 201};

    return request_answer_typed(rq, 201, &type_meta_status, &st);
}

enum stage_result stage_pod_binding(struct request *rq)
{
    static const struct change binding = {apply, answer, false};
    struct core_binding *b;
    void *body;
    enum stage_result r = decode_body(rq, &type_core_binding, &body);

    if (r != STAGE_NEXT)
        return r;
    b = body;
    r = metadata_check_namespace(rq, &b->metadata);
    if (r != STAGE_NEXT)
        return r;
    if (rq->res == &res_core_bindings)
        rq->name = b->metadata.name;
    else if (!str_empty(b->metadata.name) && !str_eq(b->metadata.name, rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "name in URL does not match name in Binding object");
    rq->res = &res_core_pods;
    return change_object(rq, &binding);
}
