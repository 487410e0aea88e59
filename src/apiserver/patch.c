/* patch.c - PATCH: the stored object as a document, changed by the patch, is the new state. */
#include "schema/patch.h"
#include "apiserver/write.h"
#include "schema/typed.h"

static enum stage_result fail_patch(struct request *rq, const struct err *err)
{
    struct meta_status st = {.status = STR("Failure"),
                             .message =
                                 STR("the server rejected our request due to an error in our "
                                     "request"),
                             .reason = STR("Invalid"),
                             .code = 422};

    if (err->code != ERR_INVALID)
        return request_fail(rq, err);
    st.details = arena_new(rq->arena, struct meta_status_details);
    return status_send(rq, ERR_INVALID, &st);
}

/* The stored object as the URL's version shows it. */
static struct doc stored_doc(struct request *rq)
{
    const struct resource *res = rq->res;
    struct doc d = typed_to_doc(res->type, rq->old_typed, rq->arena);

    doc_set(rq->arena, &d, STR("kind"), doc_string(str_from(res->kind)));
    doc_set(rq->arena, &d, STR("apiVersion"), doc_string(resource_api_version(res, rq->arena)));
    return d;
}

static int apply(struct request *rq, struct doc *d, struct err *err)
{
    struct doc patch = rq->body_doc;

    if (str_eqz(rq->patch_type, "application/json-patch+json"))
        return patch_json(rq->arena, d, &patch, err);
    if (str_eqz(rq->patch_type, "application/merge-patch+json"))
        return patch_merge(rq->arena, d, &patch, err);
    if (str_eqz(rq->patch_type, "application/strategic-merge-patch+json"))
        return patch_strategic(rq->arena, rq->res->type, d, &patch, err);
    return err_new(err, ERR_MEDIA_TYPE, "patches of type \"%.*s\" are not known",
                   STR_ARG(rq->patch_type)); /* only calls in the process come here with one */
}

/* Upstream blames the patch for a result that is no object of the kind. */
static enum stage_result fail_result(struct request *rq, const struct doc *d, const char *why)
{
    struct field_errors errs = {.arena = rq->arena};
    struct path p = path_field(NULL, "patch");
    bool strategic = str_eqz(rq->patch_type, "application/strategic-merge-patch+json");

    err_invalid(&errs, &p, doc_string(json_to_str(rq->arena, strategic ? &rq->body_doc : d)), "%s",
                why);
    return request_fail_invalid(rq, "", "", STR(""), &errs);
}

static enum stage_result check_result(struct request *rq, const struct doc *d)
{
    struct string_list texts = {0};
    auto_buf all = {0};

    if (rq->write.field_validation == FIELDS_IGNORE)
        return STAGE_NEXT;
    check_fields(rq->res->type, d, NULL, rq->arena, &texts);
    if (texts.n == 0)
        return STAGE_NEXT;
    for (size_t i = 0; i < texts.n; i++) {
        if (rq->write.field_validation == FIELDS_WARN)
            request_warn(rq, texts.v[i]);
        buf_puts(&all, i ? ", " : "strict decoding error: ");
        buf_str(&all, texts.v[i]);
    }
    return rq->write.field_validation == FIELDS_WARN ? STAGE_NEXT
                                                     : fail_result(rq, d, buf_cstr(&all));
}

/* rq->obj from the patched document. */
static enum stage_result take_result(struct request *rq, struct doc *d)
{
    const struct type *type = rq->res->type;
    void *obj = arena_alloc(rq->arena, type->size);
    struct err err = {0};
    enum stage_result r = decode_kind(rq, type, d);

    if (r == STAGE_NEXT)
        r = check_result(rq, d);
    if (r != STAGE_NEXT)
        return r;
    if (typed_from_doc(type, d, rq->arena, obj, &err) < 0)
        return fail_result(rq, d, err.msg);
    typed_clear(type, obj, "kind"); /* the frame's, not the object's */
    typed_clear(type, obj, "apiVersion");
    typed_drop_gated(type, obj);
    typed_default(type, obj, rq->arena);
    rq->obj = obj;
    return metadata_check_namespace(rq, metadata_of(type, obj));
}

static enum stage_result attempt(struct request *rq)
{
    struct update u = {.again = attempt};
    struct err err = {0};
    struct doc d;
    struct str stored, given;
    bool named;
    enum stage_result r;

    if (!update_read(rq))
        return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
    d = stored_doc(rq);
    if (apply(rq, &d, &err) < 0)
        return fail_patch(rq, &err);
    r = take_result(rq, &d);
    if (r == STAGE_NEXT)
        r = admission_mutate(rq);
    if (r != STAGE_NEXT)
        return r;
    stored = metadata_of(rq->res->type, rq->old_typed)->resource_version;
    given = metadata_of(rq->res->type, rq->obj)->resource_version;
    r = update_check_version(rq, &named);
    /* A patch that leaves the version alone means whatever is there; one that names it is tried
     * again too, and then found to differ. */
    u.retry = !named || str_eq(stored, given);
    return r == STAGE_NEXT ? update_object(rq, &u) : r;
}

enum stage_result stage_patch(struct request *rq)
{
    struct err err = {0};

    if (json_parse(rq->body, rq->arena, &rq->body_doc, NULL, &err) < 0)
        return request_fail(rq, &err);
    return attempt(rq);
}
