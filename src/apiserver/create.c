/* create.c - POST: decode, default, mutate, prepare, validate, admit, commit. */
#include "apiserver/write.h"
#include "schema/typed.h"

struct create {
    bool generated; /* the name is made by the server, and may be made anew */
    unsigned attempts;
    const void *given; /* the object before it was prepared, for another attempt; or NULL */
};

static void put_warning(void *arg, struct str text)
{
    request_warn(arg, text);
}

void write_warnings(struct request *rq)
{
    const struct strategy *s = rq->res->strategy;

    if (s && s->warnings)
        s->warnings(rq->obj, rq->old_typed, put_warning, rq, rq->arena);
}

/* The status of a new object is not its maker's to say, but for nodes, which register themselves.
 */
static void prepare(struct request *rq)
{
    const struct resource *res = rq->res;

    if ((res->flags & RESOURCE_STATUS) && res != &res_core_nodes &&
        type_field(res->type, STR("status")))
        typed_clear(res->type, rq->obj, "status");
    if (res->strategy && res->strategy->prepare_create)
        res->strategy->prepare_create(rq->obj, rq->arena);
}

static enum stage_result validate(struct request *rq)
{
    const struct resource *res = rq->res;
    const struct meta_object_meta *m = metadata_of(res->type, rq->obj);
    struct field_errors errs = {.arena = rq->arena};

    metadata_validate(res, m, NULL, &errs);
    check_typed(res->type, rq->obj, NULL, NULL, &errs);
    if (res->strategy && res->strategy->validate)
        res->strategy->validate(rq->obj, NULL, &errs);
    if (errs.n)
        return request_fail_invalid(rq, res->group, res->kind, m->name, &errs);
    write_warnings(rq);
    return STAGE_NEXT;
}

static enum stage_result attempt(struct request *rq);

/* What preparing and hooks filled in belongs to the attempt that failed: from the start. */
static enum stage_result attempt_again(struct request *rq)
{
    const struct create *c = rq->state;

    rq->obj = typed_clone(rq->res->type, c->given, rq->arena, false);
    return attempt(rq);
}

/* The name is taken: once more with another one, or AlreadyExists. */
static enum stage_result name_taken(struct request *rq)
{
    struct create *c = rq->state;
    struct meta_object_meta *m = metadata_of(rq->res->type, rq->obj);
    struct object *o = NULL;
    bool deleting;

    if (c->generated && ++c->attempts < NAME_ATTEMPTS_MAX) {
        return attempt_again(rq);
    }
    if (c->generated)
        return status_fail_generated(rq, m->name);
    (void)stored_find(rq, rq->res, rq->ns, m->name, &o);
    deleting = o && object_meta(o)->deletion_timestamp.set;
    object_unref(o);
    if (deleting) {
        struct meta_status st = {
            .status = STR("Failure"),
            .message =
                str_printf(rq->arena, "object is being deleted: %.*s \"%.*s\" already exists",
                           STR_ARG(resource_qualified(rq->res, rq->arena)), STR_ARG(m->name)),
            .reason = STR("AlreadyExists"),
            .code = 409};

        st.details = arena_new(rq->arena, struct meta_status_details);
        st.details->name = m->name;
        st.details->group = str_from(rq->res->group);
        st.details->kind = str_from(rq->res->plural);
        return status_send(rq, ERR_EXISTS, &st);
    }
    return request_fail_object(rq, ERR_EXISTS, rq->res, m->name, NULL);
}

static enum stage_result committed(struct request *rq)
{
    if (rq->txn.code == 0)
        return commit_answer(rq, 201);
    if (rq->txn.failed_op == 0 && (rq->txn.code == ERR_EXISTS || rq->txn.code == ERR_CONFLICT))
        return name_taken(rq);
    /* A hook's operation lost a race: allocate anew. */
    if (rq->txn.code == ERR_EXISTS || rq->txn.code == ERR_CONFLICT ||
        rq->txn.code == ERR_NOT_FOUND) {
        if (++rq->attempt < WRITE_ATTEMPTS_MAX)
            return attempt_again(rq);
    }
    return commit_failed(rq);
}

/* A dry run tells of a name that is taken, too. */
static enum stage_result check_absent(struct request *rq, const struct meta_object_meta *m)
{
    struct object *o;

    if (!rq->write.dry_run)
        return STAGE_NEXT;
    (void)stored_find(rq, rq->res, rq->ns, m->name, &o);
    if (!o)
        return STAGE_NEXT;
    object_unref(o);
    return name_taken(rq);
}

static enum stage_result attempt(struct request *rq)
{
    const struct resource *res = rq->res;
    const struct write_hook *hook = write_hook_find(res);
    struct meta_object_meta *m = metadata_of(res->type, rq->obj);
    enum stage_result r;

    for (size_t i = 0; i < rq->extra_ops.n; i++)
        object_unref(rq->extra_ops.v[i].object);
    vec_clear(&rq->extra_ops);
    metadata_init(rq, m);
    rq->name = m->name;
    r = hook && hook->create ? hook->create(rq) : STAGE_NEXT;
    if (r != STAGE_NEXT)
        return r;
    prepare(rq);
    r = validate(rq);
    if (r == STAGE_NEXT)
        r = admission_validate(rq);
    if (r != STAGE_NEXT)
        return r;
    if (m->resource_version.len && !str_eqz(m->resource_version, "0"))
        return status_fail_plain(rq, 500,
                                 "resourceVersion should not be set on objects to be created");
    m->resource_version = STR_NULL;
    r = check_absent(rq, m);
    return r == STAGE_NEXT ? commit_put(rq, committed) : r;
}

enum stage_result create_object(struct request *rq)
{
    struct create *c = arena_new(rq->arena, struct create);
    struct meta_object_meta *m = metadata_of(rq->res->type, rq->obj);
    enum stage_result r;

    rq->state = c;
    c->generated = str_empty(m->name) && m->generate_name.len;
    r = admission_mutate(rq);
    if (r != STAGE_NEXT)
        return r;
    if (c->generated || write_hook_find(rq->res))
        c->given = typed_clone(rq->res->type, rq->obj, rq->arena, false);
    return attempt(rq);
}

enum stage_result stage_create(struct request *rq)
{
    struct meta_object_meta *m;
    enum stage_result r = decode_body(rq, rq->res->type, &rq->obj);

    if (r != STAGE_NEXT)
        return r;
    m = metadata_of(rq->res->type, rq->obj);
    r = metadata_check_namespace(rq, m);
    if (r != STAGE_NEXT)
        return r;
    rq->name = m->name;
    typed_default(rq->res->type, rq->obj, rq->arena);
    return create_object(rq);
}
