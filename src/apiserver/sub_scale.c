/* SPDX-License-Identifier: Apache-2.0 */
/* sub_scale.c - <workload>/<name>/scale: the number of replicas, seen as a Scale. */
#include "apiserver/write.h"
#include "schema/patch.h"
#include "schema/selector.h"
#include "schema/typed.h"

static const struct scalable { /* where a workload keeps what a Scale shows */
    const struct resource *res;
    size_t metadata, replicas, status_replicas, selector; /* offsets */
    bool map_selector; /* a plain map instead of a LabelSelector */
} scalables[] = {
    {&res_apps_deployments, offsetof(struct apps_deployment, metadata),
     offsetof(struct apps_deployment, spec.replicas),
     offsetof(struct apps_deployment, status.replicas),
     offsetof(struct apps_deployment, spec.selector), false},
    {&res_apps_replicasets, offsetof(struct apps_replica_set, metadata),
     offsetof(struct apps_replica_set, spec.replicas),
     offsetof(struct apps_replica_set, status.replicas),
     offsetof(struct apps_replica_set, spec.selector), false},
    {&res_apps_statefulsets, offsetof(struct apps_stateful_set, metadata),
     offsetof(struct apps_stateful_set, spec.replicas),
     offsetof(struct apps_stateful_set, status.replicas),
     offsetof(struct apps_stateful_set, spec.selector), false},
    {&res_core_replicationcontrollers, offsetof(struct core_replication_controller, metadata),
     offsetof(struct core_replication_controller, spec.replicas),
     offsetof(struct core_replication_controller, status.replicas),
     offsetof(struct core_replication_controller, spec.selector), true},
};

static const struct scalable *scalable_of(const struct request *rq)
{
    for (size_t i = 0; i < ARRAY_LEN(scalables); i++)
        if (scalables[i].res == rq->res)
            return &scalables[i];
    return NULL;
}

#define AT(obj, offset, type) ((type *)(void *)((char *)(obj) + (offset)))

static struct str selector_text(struct request *rq, const struct scalable *s, const void *obj)
{
    auto_buf t = {0};
    struct selector sel = {0};

    if (s->map_selector)
        sel = selector_from_map(AT(obj, s->selector, const struct string_map), rq->arena);
    else if (selector_from_label_selector(*AT(obj, s->selector, struct meta_label_selector *const),
                                          rq->arena, &sel, NULL) < 0)
        return STR("");
    selector_write(&sel, &t);
    return str_dup(rq->arena, buf_view(&t));
}

static void make_scale(struct request *rq, const void *obj, struct autoscaling_scale *out)
{
    const struct scalable *s = scalable_of(rq);
    const struct meta_object_meta *m = AT(obj, s->metadata, const struct meta_object_meta);
    const int32_t *replicas = *AT(obj, s->replicas, int32_t *const);

    memset(out, 0, sizeof(*out));
    out->kind = STR("Scale");
    out->api_version = STR("autoscaling/v1");
    out->metadata.name = m->name;
    out->metadata.namespace = m->namespace;
    out->metadata.uid = m->uid;
    out->metadata.resource_version = m->resource_version;
    out->metadata.creation_timestamp = m->creation_timestamp;
    out->spec.replicas = replicas ? *replicas : 0;
    out->status.replicas = *AT(obj, s->status_replicas, const int32_t);
    out->status.selector = selector_text(rq, s, obj);
}

static enum stage_result answer(struct request *rq)
{
    struct autoscaling_scale scale;

    make_scale(rq, rq->result ? object_typed(rq->result) : rq->obj, &scale);
    return request_answer_typed(rq, 200, &type_autoscaling_scale, &scale);
}

static enum stage_result get(struct request *rq)
{
    struct autoscaling_scale scale;
    struct object *o;
    const void *obj = stored_find(rq, rq->res, rq->ns, rq->name, &o);
    enum stage_result r;

    if (!obj)
        return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
    make_scale(rq, obj, &scale);
    r = request_answer_typed(rq, 200, &type_autoscaling_scale, &scale);
    object_unref(o);
    return r;
}

static enum stage_result fail_patch(struct request *rq, const struct err *err)
{
    struct meta_status st = {
        .status = STR("Failure"),
        .message = STR("the server rejected our request due to an error in our request"),
        .reason = STR("Invalid"),
        .code = 422};

    if (err->code != ERR_INVALID)
        return request_fail(rq, err);
    st.details = arena_new(rq->arena, struct meta_status_details);
    return status_send(rq, ERR_INVALID, &st);
}

/* The Scale that the patch makes of the present one. */
static enum stage_result patched(struct request *rq, struct autoscaling_scale *scale)
{
    struct arena *a = rq->arena;
    struct doc d = typed_to_doc(&type_autoscaling_scale, scale, a), patch;
    struct err err = {0};
    int r = json_parse(rq->body, a, &patch, NULL, &err);

    if (r == 0 && str_eqz(rq->patch_type, "application/json-patch+json"))
        r = patch_json(a, &d, &patch, &err);
    else if (r == 0 && str_eqz(rq->patch_type, "application/merge-patch+json"))
        r = patch_merge(a, &d, &patch, &err);
    else if (r == 0)
        r = patch_strategic(a, &type_autoscaling_scale, &d, &patch, &err);
    if (r < 0)
        return fail_patch(rq, &err);
    memset(scale, 0, sizeof(*scale));
    if (typed_from_doc(&type_autoscaling_scale, &d, a, scale, &err) < 0)
        return request_fail(rq, &err);
    return STAGE_NEXT;
}

static enum stage_result check(struct request *rq, const struct autoscaling_scale *scale,
                               const struct meta_object_meta *m)
{
    struct field_errors errs = {.arena = rq->arena};
    struct path spec = path_field(NULL, "spec"), at = path_field(&spec, "replicas");

    if (!str_empty(scale->metadata.name) && !str_eq(scale->metadata.name, rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "the name of the object (%.*s) does not match the name on the URL "
                             "(%.*s)",
                             STR_ARG(scale->metadata.name), STR_ARG(rq->name));
    if (!str_empty(scale->metadata.namespace) && !str_eq(scale->metadata.namespace, rq->ns))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "the namespace of the provided object does not match the namespace "
                             "sent on the request");
    if (scale->spec.replicas < 0) {
        err_invalid(&errs, &at, doc_int(scale->spec.replicas),
                    "must be greater than or equal to 0");
        return request_fail_invalid(rq, "autoscaling", "Scale", rq->name, &errs);
    }
    if (!str_empty(scale->metadata.uid) && !str_eq(scale->metadata.uid, m->uid))
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "Precondition failed: UID in precondition: %.*s, UID in object "
                                   "meta: %.*s",
                                   STR_ARG(scale->metadata.uid), STR_ARG(m->uid));
    if (!str_empty(scale->metadata.resource_version) &&
        !str_eq(scale->metadata.resource_version, m->resource_version))
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "the object has been modified; please apply your changes to the "
                                   "latest version and try again");
    return STAGE_NEXT;
}

static enum stage_result apply(struct request *rq)
{
    const struct scalable *s = scalable_of(rq);
    const struct meta_object_meta *m = AT(rq->obj, s->metadata, const struct meta_object_meta);
    struct autoscaling_scale scale;
    int32_t **replicas = AT(rq->obj, s->replicas, int32_t *);
    enum stage_result r;

    if (rq->verb == VERB_PATCH) {
        make_scale(rq, rq->obj, &scale);
        r = patched(rq, &scale);
    } else {
        void *body;

        r = decode_body(rq, &type_autoscaling_scale, &body);
        if (r == STAGE_NEXT)
            scale = *(struct autoscaling_scale *)body;
    }
    if (r == STAGE_NEXT)
        r = check(rq, &scale, m);
    if (r != STAGE_NEXT)
        return r;
    *replicas = arena_new(rq->arena, int32_t);
    **replicas = scale.spec.replicas;
    return STAGE_NEXT;
}

enum stage_result stage_scale(struct request *rq)
{
    static const struct change change = {apply, answer, true};

    if (!scalable_of(rq))
        return status_fail_unrouted(rq, 404);
    return rq->verb == VERB_GET ? get(rq) : change_object(rq, &change);
}
