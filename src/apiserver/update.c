/* update.c - PUT, and the part of every change of a stored object that comes after its new state is
 * known. A write expects the revision it was made from; when another came between, it starts anew
 * unless the client had named the revision itself. */
#include "apiserver/write.h"
#include "schema/typed.h"

#define MODIFIED                                                                                   \
    "the object has been modified; please apply your changes to the latest version and try again"

bool update_read(struct request *rq)
{
    for (size_t i = 0; i < rq->extra_ops.n; i++)
        object_unref(rq->extra_ops.v[i].object);
    vec_clear(&rq->extra_ops);
    object_unref(rq->old);
    rq->old_typed = stored_find(rq, rq->res, rq->ns, rq->name, &rq->old);
    return rq->old != NULL;
}

static enum stage_result fail_uid(struct request *rq, struct str given, struct str stored)
{
    return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                               "StorageError: invalid object, Code: 4, Key: %.*s, "
                               "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID "
                               "in precondition: %.*s, UID in object meta: %.*s",
                               STR_ARG(rq->old->key), STR_ARG(given), STR_ARG(stored));
}

/* The number that a client gave as resourceVersion; 0: none. Upstream has no reason for one that is
 * no number: a plain 500. */
static enum stage_result take_version(struct request *rq, struct str text, int64_t *ret_version)
{
    const char *bad = NULL;

    *ret_version = 0;
    if (text.len)
        bad = options_revision(rq, text, ret_version);
    return bad ? status_fail_plain(rq, 500, bad) : STAGE_NEXT;
}

enum stage_result update_check_version(struct request *rq, bool *ret_given)
{
    const struct resource *res = rq->res;
    struct meta_object_meta *m = metadata_of(res->type, rq->obj);
    struct meta_object_meta *old = metadata_of(res->type, rq->old_typed);
    struct path root = path_field(NULL, "metadata"), p = path_field(&root, "resourceVersion");
    struct field_errors errs = {.arena = rq->arena};
    int64_t version, stored;
    enum stage_result r;

    *ret_given = false;
    if (m->uid.len && !str_eq(m->uid, old->uid))
        return fail_uid(rq, m->uid, old->uid);
    r = take_version(rq, m->resource_version, &version);
    if (r != STAGE_NEXT)
        return r;
    *ret_given = version > 0;
    if (*ret_given && (!str_to_i64(old->resource_version, &stored) || version != stored))
        return request_fail_object(rq, ERR_CONFLICT, res, rq->name, MODIFIED);
    if (*ret_given || !(res->flags & RESOURCE_NEEDS_RESOURCE_VERSION))
        return STAGE_NEXT;
    err_invalid(&errs, &p, doc_int(0), "must be specified for an update");
    return request_fail_invalid(rq, res->group, res->kind, rq->name, &errs);
}

/* ---- the new state ---- */

/* What of its metadata an update may not say: it stays as stored. Of what differs after this,
 * metadata_validate() complains. */
static void keep_metadata(struct request *rq, struct meta_object_meta *m,
                          const struct meta_object_meta *old)
{
    if (str_empty(m->uid))
        m->uid = old->uid;
    m->creation_timestamp = old->creation_timestamp;
    if (old->deletion_timestamp.set)
        m->deletion_timestamp = old->deletion_timestamp;
    if (old->deletion_grace_period_seconds && !m->deletion_grace_period_seconds)
        m->deletion_grace_period_seconds = old->deletion_grace_period_seconds;
    m->self_link = STR_NULL;
    m->generation = old->generation;
    m->managed_fields.v = NULL;
    m->managed_fields.n = 0;
    m->resource_version = old->resource_version;
}

static void prepare(struct request *rq)
{
    const struct resource *res = rq->res;
    const struct strategy *s = res->strategy;
    const struct sub_update *sub = sub_update_find(res, rq->sub);

    if (sub) {
        sub->prepare(rq->obj, rq->old_typed, rq->arena);
        return;
    }
    if (str_eqz(rq->sub, "status")) {
        sub_update_keep_status(res->type, rq->obj, rq->old_typed);
        if (s && s->prepare_status)
            s->prepare_status(rq->obj, rq->old_typed, rq->arena);
        return;
    }
    if (res->flags & RESOURCE_STATUS)
        sub_update_take(res->type, rq->obj, rq->old_typed, STR("status"));
    if (s && s->prepare_update)
        s->prepare_update(rq->obj, rq->old_typed, rq->arena);
}

/* Takes what @path names from @src into @dst. All but the last word are embedded messages. */
static void take_path(const struct type *type, void *dst, const void *src, struct str path)
{
    struct str rest, word = str_cut(path, '.', &rest);

    while (rest.p) {
        const struct field *f = type_field(type, word);

        assert(f && f->kind == FIELD_MESSAGE && f->card == CARD_ONE);
        dst = field_ptr(f, dst);
        src = field_ptr(f, src);
        type = f->type;
        word = str_cut(rest, '.', &rest);
    }
    sub_update_take(type, dst, src, word);
}

/* The parts of @obj whose changes its generation counts. */
static void *counted(struct request *rq, const void *obj)
{
    const struct resource *res = rq->res;
    void *copy = arena_calloc(rq->arena, 1, res->type->size);

    for (const char *const *p = res->generation_paths; *p; p++)
        take_path(res->type, copy, obj, str_from(*p));
    return copy;
}

/* Status writes do not count, whatever metadata they change. */
static void count_generation(struct request *rq, struct meta_object_meta *m)
{
    if (!rq->res->generation_paths || str_eqz(rq->sub, "status"))
        return;
    if (!typed_equal(rq->res->type, counted(rq, rq->obj), counted(rq, rq->old_typed)))
        m->generation++;
}

static void check_status(struct request *rq, struct field_errors *errs)
{
    const struct field *f = type_field(rq->res->type, STR("status"));
    struct path p = path_field(NULL, "status");

    if (f && f->kind == FIELD_MESSAGE && f->card == CARD_ONE)
        check_typed(f->type, field_ptr(f, rq->obj), field_ptr(f, rq->old_typed), &p, errs);
}

static enum stage_result validate(struct request *rq)
{
    const struct resource *res = rq->res;
    const struct strategy *s = res->strategy;
    const struct meta_object_meta *m = metadata_of(res->type, rq->obj);
    const struct sub_update *sub = sub_update_find(res, rq->sub);
    struct field_errors errs = {.arena = rq->arena};

    metadata_validate(res, m, metadata_of(res->type, rq->old_typed), &errs);
    if (sub) {
        if (sub->validate)
            sub->validate(rq->obj, rq->old_typed, &errs);
    } else if (str_eqz(rq->sub, "status")) {
        check_status(rq, &errs);
        if (s && s->validate_status)
            s->validate_status(rq->obj, rq->old_typed, &errs);
    } else {
        check_typed(res->type, rq->obj, rq->old_typed, NULL, &errs);
        if (s && s->validate)
            s->validate(rq->obj, rq->old_typed, &errs);
    }
    if (errs.n)
        return request_fail_invalid(rq, res->group, res->kind, rq->name, &errs);
    if (str_empty(rq->sub))
        write_warnings(rq);
    return STAGE_NEXT;
}

/* ---- the write ---- */

/* True if nothing holds the object back any more. */
static bool all_finalized(struct request *rq)
{
    const struct meta_object_meta *m = metadata_of(rq->res->type, rq->obj);
    const int64_t *grace = m->deletion_grace_period_seconds;

    if (!m->deletion_timestamp.set || m->finalizers.n || (grace && *grace))
        return false;
    if (rq->res != &res_core_namespaces)
        return true;
    return ((const struct core_namespace *)rq->obj)->spec.finalizers.n == 0;
}

static enum stage_result answer(struct request *rq, const struct update *u)
{
    return u->answer ? u->answer(rq) : commit_answer(rq, 200);
}

static enum stage_result committed(struct request *rq)
{
    const struct update *u = rq->state;

    if (rq->txn.code == 0)
        return answer(rq, u);
    if (rq->txn.code == ERR_CONFLICT || rq->txn.code == ERR_EXISTS ||
        rq->txn.code == ERR_NOT_FOUND) {
        bool own = rq->txn.ops[rq->txn.failed_op].res == rq->res->storage;

        if ((u->retry || !own) && ++rq->attempt < WRITE_ATTEMPTS_MAX)
            return u->again(rq);
        if (!own)
            rq->txn.code = ERR_CONFLICT;
    }
    return commit_failed(rq);
}

enum stage_result update_commit(struct request *rq, const struct update *u)
{
    const struct write_hook *hook = write_hook_find(rq->res);
    struct update *copy = arena_new(rq->arena, struct update);
    enum stage_result r;

    *copy = *u;
    rq->state = copy;
    if (all_finalized(rq)) {
        r = hook && hook->remove ? hook->remove(rq) : STAGE_NEXT;
        return r == STAGE_NEXT ? commit_delete(rq, committed) : r;
    }
    if (rq->extra_ops.n == 0 && !rq->old->outdated &&
        typed_equal(rq->res->type, rq->obj, rq->old_typed)) {
        object_unref(rq->result);
        rq->result = object_ref(rq->old); /* nothing changed: nothing is written */
        return answer(rq, u);
    }
    return commit_put(rq, committed);
}

enum stage_result update_object(struct request *rq, const struct update *u)
{
    const struct write_hook *hook = write_hook_find(rq->res);
    const struct type *type = rq->res->type;
    struct meta_object_meta *m = metadata_of(type, rq->obj);
    const struct meta_object_meta *old = metadata_of(type, rq->old_typed);
    stage_fn run = !hook ? NULL : str_empty(rq->sub) ? hook->update : hook->subresource;
    enum stage_result r = STAGE_NEXT;

    if (run)
        r = run(rq);
    if (r != STAGE_NEXT)
        return r;
    prepare(rq);
    keep_metadata(rq, m, old);
    count_generation(rq, m);
    r = validate(rq);
    if (r == STAGE_NEXT)
        r = admission_validate(rq);
    return r == STAGE_NEXT ? update_commit(rq, u) : r;
}

/* ---- PUT ---- */

static enum stage_result check_names(struct request *rq, struct meta_object_meta *m)
{
    if (str_empty(m->name))
        return request_failf(rq, ERR_BAD_REQUEST, "name must be provided");
    if (!str_eq(m->name, rq->name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "the name of the object (%.*s) does not match the name on the URL "
                             "(%.*s)",
                             STR_ARG(m->name), STR_ARG(rq->name));
    if (resource_namespaced(rq->res) && m->namespace.len && !str_eq(m->namespace, rq->ns))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "the namespace of the object (%.*s) does not match the namespace on "
                             "the request (%.*s)",
                             STR_ARG(m->namespace), STR_ARG(rq->ns));
    return metadata_check_namespace(rq, m);
}

static enum stage_result create_missing(struct request *rq)
{
    struct meta_object_meta *m = metadata_of(rq->res->type, rq->obj);
    int64_t version;

    if (!(rq->res->flags & RESOURCE_CREATE_ON_UPDATE) || rq->sub.len)
        return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
    if (m->uid.len)
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "uid mismatch: the provided object specified uid %.*s, and no "
                                   "existing object was found",
                                   STR_ARG(m->uid));
    if (take_version(rq, m->resource_version, &version) != STAGE_NEXT)
        return STAGE_DONE;
    m->resource_version = STR_NULL;
    return create_object(rq);
}

enum stage_result stage_update(struct request *rq)
{
    struct update u = {.again = stage_update};
    const struct type *type = rq->res->type;
    bool given = false;
    enum stage_result r = decode_body(rq, type, &rq->obj);

    if (r == STAGE_NEXT)
        r = check_names(rq, metadata_of(type, rq->obj));
    if (r != STAGE_NEXT)
        return r;
    typed_default(type, rq->obj, rq->arena);
    if (!update_read(rq))
        return create_missing(rq);
    r = admission_mutate(rq);
    if (r == STAGE_NEXT)
        r = update_check_version(rq, &given);
    u.retry = !given;
    return r == STAGE_NEXT ? update_object(rq, &u) : r;
}
