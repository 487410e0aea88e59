/* delete.c - DELETE: an object goes at once, or, when finalizers or a grace period hold it back, is
 * marked and goes with the write that lets go of it (update.c). */
#include "apiserver/continue_token.h"
#include "apiserver/select.h"
#include "apiserver/write.h"
#include "schema/typed.h"

enum { DELETE_ATTEMPTS_MAX = 64 };

struct deleting {        /* kept in rq->state */
    stage_fn answer;     /* NULL: the usual one */
    bool removed;        /* gone, not only marked */
    bool ignore_missing; /* of a collection: somebody else was faster */
    bool admit;          /* a DELETE of its own, not a part of something that was admitted */
    bool with_ops;       /* the caller gave operations, which a commit uses up */
};
enum plan { PLAN_KEEP, PLAN_MARK, PLAN_REMOVE };

/* ---- what is to be done ---- */

static enum stage_result check_preconditions(struct request *rq)
{
    const struct meta_object_meta *m = metadata_of(rq->res->type, rq->old_typed);
    const struct delete_options *o = &rq->del;

    if (o->uid.p && !str_eq(o->uid, m->uid))
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "the UID in the precondition (%.*s) does not match the UID in "
                                   "record (%.*s). The object might have been deleted and then "
                                   "recreated",
                                   STR_ARG(o->uid), STR_ARG(m->uid));
    if (o->resource_version.p && !str_eq(o->resource_version, m->resource_version))
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name,
                                   "the ResourceVersion in the precondition (%.*s) does not match "
                                   "the ResourceVersion in record (%.*s). The object might have "
                                   "been modified",
                                   STR_ARG(o->resource_version), STR_ARG(m->resource_version));
    return STAGE_NEXT;
}

static void mark(struct request *rq, struct meta_object_meta *m, int64_t grace)
{
    struct time_value now = time_from_ns(loop_wall_ns(rq->loop));

    if (!m->deletion_timestamp.set && m->generation > 0)
        m->generation++;
    now.nsec = 0;
    now.sec += grace;
    m->deletion_timestamp = now;
    m->deletion_grace_period_seconds = arena_new(rq->arena, int64_t);
    *m->deletion_grace_period_seconds = grace;
}

static int64_t pod_grace(const struct request *rq, const struct core_pod *pod)
{
    const int64_t *own = pod->spec.termination_grace_period_seconds;
    int64_t grace = rq->del.grace_sec >= 0 ? rq->del.grace_sec : own ? *own : 0;

    if (str_empty(pod->spec.node_name) || str_eqz(pod->status.phase, "Failed") ||
        str_eqz(pod->status.phase, "Succeeded"))
        return 0;
    return grace < 0 ? 1 : grace;
}

/* Marks a pod for its graceful end. PLAN_REMOVE when it may go now, but for finalizers. */
static enum plan plan_pod(struct request *rq, struct meta_object_meta *m)
{
    int64_t grace, was;

    if (m->deletion_timestamp.set) {
        if (!m->deletion_grace_period_seconds)
            return PLAN_REMOVE;
        was = *m->deletion_grace_period_seconds;
        grace = rq->del.grace_sec;
        if (grace < 0 || grace >= was)
            return PLAN_KEEP; /* under way; it may only be hurried */
        m->deletion_timestamp.sec += grace - was;
        m->deletion_grace_period_seconds = arena_new(rq->arena, int64_t);
        *m->deletion_grace_period_seconds = grace;
    } else {
        grace = pod_grace(rq, rq->obj);
        mark(rq, m, grace);
    }
    return grace > 0 ? PLAN_MARK : PLAN_REMOVE;
}

static bool collected(const struct resource *res)
{
    return res != &res_core_events && res != &res_events_events;
}

static bool has_finalizer(const struct meta_object_meta *m, struct str name)
{
    for (size_t i = 0; i < m->finalizers.n; i++) {
        if (str_eq(m->finalizers.v[i], name))
            return true;
    }
    return false;
}

/* The finalizer of the garbage collector that the policy asks for, "" for none. */
static struct str wanted_finalizer(const struct request *rq, const struct meta_object_meta *m)
{
    switch (rq->del.propagation) {
    case PROPAGATE_ORPHAN:
        return STR("orphan");
    case PROPAGATE_FOREGROUND:
        return STR("foregroundDeletion");
    case PROPAGATE_BACKGROUND:
        return STR("");
    case PROPAGATE_UNSET:
        break;
    }
    if (has_finalizer(m, STR("orphan")))
        return STR("orphan");
    if (has_finalizer(m, STR("foregroundDeletion")))
        return STR("foregroundDeletion");
    if ((rq->res->flags & RESOURCE_DEFAULT_ORPHAN) || rq->res == &res_batch_jobs ||
        rq->res == &res_core_replicationcontrollers)
        return STR("orphan");
    return STR("");
}

static void set_finalizers(struct request *rq, struct meta_object_meta *m)
{
    struct str wanted = wanted_finalizer(rq, m);
    struct string_list list = {arena_calloc(rq->arena, m->finalizers.n + 1, sizeof(struct str)), 0};

    if (!collected(rq->res))
        return;
    for (size_t i = 0; i < m->finalizers.n; i++) {
        struct str f = m->finalizers.v[i];

        if (!str_eqz(f, "orphan") && !str_eqz(f, "foregroundDeletion"))
            list.v[list.n++] = f;
    }
    if (wanted.len)
        list.v[list.n++] = wanted;
    m->finalizers = list;
}

/* A namespace empties first: its own finalizers hold it until the controller is done. */
static enum plan plan_namespace(struct request *rq, struct meta_object_meta *m)
{
    struct core_namespace *ns = rq->obj;

    if (!m->deletion_timestamp.set) {
        struct time_value now = time_from_ns(loop_wall_ns(rq->loop));

        now.nsec = 0;
        m->deletion_timestamp = now;
        ns->status.phase = STR("Terminating");
        return PLAN_MARK;
    }
    return ns->spec.finalizers.n ? PLAN_KEEP : PLAN_REMOVE;
}

static enum plan plan_delete(struct request *rq)
{
    struct meta_object_meta *m = metadata_of(rq->res->type, rq->obj);
    bool pod = rq->res == &res_core_pods;
    enum plan plan = PLAN_REMOVE;

    if (rq->res == &res_core_namespaces)
        plan = plan_namespace(rq, m);
    else if (pod)
        plan = plan_pod(rq, m);
    if (plan != PLAN_REMOVE && !(pod && plan == PLAN_MARK))
        return plan;
    set_finalizers(rq, m);
    if (m->finalizers.n == 0)
        return plan;
    if (!m->deletion_timestamp.set)
        mark(rq, m, 0);
    return typed_equal(rq->res->type, rq->obj, rq->old_typed) ? PLAN_KEEP : PLAN_MARK;
}

/* ---- doing it ---- */

static enum stage_result attempt(struct request *rq);

static enum stage_result usual_answer(struct request *rq, const struct deleting *d)
{
    int status = !d->removed && rq->del.orphan_dependents_false ? 202 : 200;

    if (d->removed && !(rq->res->flags & RESOURCE_RETURNS_DELETED))
        return request_answer_deleted(rq, rq->old);
    if (d->removed && !rq->result)
        return request_answer_object(rq, status, rq->old); /* a dry run */
    return commit_answer(rq, status);
}

static enum stage_result answer(struct request *rq)
{
    const struct deleting *d = rq->state;

    return d->answer ? d->answer(rq) : usual_answer(rq, d);
}

static enum stage_result missing(struct request *rq)
{
    const struct deleting *d = rq->state;

    if (d->ignore_missing)
        return d->answer(rq);
    return request_fail_object(rq, ERR_NOT_FOUND, rq->res, rq->name, NULL);
}

static enum stage_result committed(struct request *rq)
{
    const struct deleting *d = rq->state;
    bool own = rq->txn.code < 0 && rq->txn.ops[rq->txn.failed_op].res == rq->res->storage;

    if (rq->txn.code == 0)
        return answer(rq);
    if (d->with_ops)
        return d->answer(rq);
    if (own && (rq->txn.code == ERR_CONFLICT || rq->txn.code == ERR_NOT_FOUND ||
                rq->txn.code == ERR_EXISTS)) {
        /* Something changed between the look and the commit: look again. */
        if (++rq->attempt < DELETE_ATTEMPTS_MAX)
            return attempt(rq);
    }
    return commit_failed(rq);
}

static enum stage_result remove_now(struct request *rq)
{
    const struct write_hook *hook = write_hook_find(rq->res);
    struct deleting *d = rq->state;
    enum stage_result r = hook && hook->remove ? hook->remove(rq) : STAGE_NEXT;

    if (r != STAGE_NEXT)
        return r;
    d->removed = true;
    return commit_delete(rq, committed);
}

/* Unlike update_read(), leaves the operations alone that came with the request. */
static bool read_again(struct request *rq)
{
    object_unref(rq->old);
    rq->old_typed = stored_find(rq, rq->res, rq->ns, rq->name, &rq->old);
    return rq->old != NULL;
}

static enum stage_result attempt(struct request *rq)
{
    struct deleting *d = rq->state;
    enum stage_result r;
    void *copy;

    d->removed = false;
    if (!read_again(rq))
        return missing(rq);
    r = check_preconditions(rq);
    if (r != STAGE_NEXT)
        return r;
    rq->obj = NULL;
    r = d->admit ? admission_mutate(rq) : STAGE_NEXT;
    if (r == STAGE_NEXT && d->admit)
        r = admission_validate(rq);
    if (r != STAGE_NEXT)
        return r;
    copy = arena_alloc(rq->arena, rq->res->type->size);
    memcpy(copy, rq->old_typed, rq->res->type->size); /* only metadata and a phase change */
    rq->obj = copy;
    switch (plan_delete(rq)) {
    case PLAN_MARK:
        return commit_put(rq, committed);
    case PLAN_REMOVE:
        return remove_now(rq);
    case PLAN_KEEP:
        break;
    }
    object_unref(rq->result);
    rq->result = object_ref(rq->old);
    return answer(rq);
}

enum stage_result delete_object(struct request *rq, stage_fn then)
{
    struct deleting *d = arena_new(rq->arena, struct deleting);

    d->answer = then;
    d->with_ops = then && rq->extra_ops.n > 0;
    rq->state = d;
    return attempt(rq);
}

enum stage_result stage_delete(struct request *rq)
{
    struct deleting *d = arena_new(rq->arena, struct deleting);

    d->admit = true;
    rq->state = d;
    return attempt(rq);
}

/* ---- collections ---- */

struct collection {
    struct object **items; /* kept by the request */
    size_t n, at;
    int64_t revision;
    struct str next; /* continue token of what was left by limit */
    struct deleting item;
    bool looping, item_done;
};

static enum stage_result collection_run(struct request *rq, struct collection *c);

static enum stage_result on_item(struct request *rq)
{
    struct collection *c = container_of((struct deleting *)rq->state, struct collection, item);

    c->item_done = true;
    return c->looping ? STAGE_DONE : collection_run(rq, c);
}

/* Where the next call goes on: behind the last object of this one. */
static struct str next_token(struct request *rq, const struct collection *c, size_t prefix_len)
{
    const struct object *last = c->items[c->n - 1];
    struct str start = str_sub(last->key, prefix_len, last->key.len);
    struct continue_token t = {.revision = -1}; /* of the newest state: this one is being changed */

    t.start = (struct str){arena_memdupz(rq->arena, start.p, start.len), start.len + 1};
    return continue_encode(&t, rq->arena);
}

/* The selected objects as they are now, at most `limit` of them, from @start
 * behind the prefix on. */
static void collect(struct request *rq, struct collection *c, struct str start)
{
    const struct list_options *o = &rq->list;
    struct snapshot *s = cache_snapshot(store_cache(rq->as->store, rq->res->storage));
    struct str prefix = select_prefix(rq->res, rq->ns, rq->arena);
    struct omap_iter it;
    struct object *obj;
    size_t cap = 0;
    auto_buf from = {0}; /* a start may hold NUL */

    c->revision = s->revision;
    buf_str(&from, prefix);
    buf_str(&from, start);
    omap_seek(&s->objects, buf_view(&from), &it);
    while ((obj = omap_next(&it)) && str_has_prefix(obj->key, prefix)) {
        if (!object_selected(rq->res, &o->labels, &o->fields, obj))
            continue;
        if (o->limit > 0 && c->n == (size_t)o->limit) {
            c->next = next_token(rq, c, prefix.len);
            break;
        }
        if (c->n == cap) {
            cap = cap ? cap * 2 : 16;
            c->items = arena_grow(rq->arena, c->items, c->n, cap, sizeof(*c->items));
        }
        c->items[c->n++] = request_keep(rq, object_ref(obj));
    }
    snapshot_unref(s);
}

/* What was selected, as a list of the kind. */
static enum stage_result answer_collection(struct request *rq, struct collection *c)
{
    const struct resource *res = rq->res;
    const struct type *list_type = api_find_type(str_from(res->group), str_from(res->version),
                                                 str_printf(rq->arena, "%sList", res->kind));
    const struct field *items = type_field(list_type, STR("items"));
    const struct field *meta = type_field(list_type, STR("metadata"));
    char *list = arena_alloc(rq->arena, list_type->size);
    char *v = arena_calloc(rq->arena, MAX(c->n, 1), res->type->size);
    struct meta_list_meta *m = field_ptr(meta, list);
    struct any_list *all = field_ptr(items, list);

    m->resource_version = str_printf(rq->arena, "%lld", (long long)c->revision);
    m->continue_ = c->next;
    all->v = v;
    all->n = c->n;
    for (size_t i = 0; i < c->n; i++) {
        const void *typed = object_typed(c->items[i]);

        if (res->storage == res)
            memcpy(v + i * res->type->size, typed, res->type->size);
        else
            res->from_storage(typed, v + i * res->type->size, rq->arena);
    }
    return request_answer_typed(rq, 200, list_type, list);
}

static enum stage_result collection_run(struct request *rq, struct collection *c)
{
    enum stage_result r;

    while (c->at < c->n) {
        const struct object *o = c->items[c->at++];

        rq->ns = o->ns;
        rq->name = o->name;
        rq->attempt = 0;
        rq->state = &c->item;
        c->item_done = false;
        c->looping = true;
        r = attempt(rq);
        c->looping = false;
        if (r == STAGE_WAIT)
            return r;
        if (!c->item_done)
            return r; /* refused: an error was answered */
    }
    return answer_collection(rq, c);
}

enum stage_result stage_deletecollection(struct request *rq)
{
    struct collection *c = arena_new(rq->arena, struct collection);
    struct continue_token token = {.start = STR("")};
    struct err err = {0};

    if (rq->list.continue_token.len &&
        continue_decode(rq->list.continue_token, rq->arena, &token, &err) < 0)
        return request_fail(rq, &err);
    c->item = (struct deleting){.answer = on_item, .ignore_missing = true, .admit = true};
    collect(rq, c, token.start);
    return collection_run(rq, c);
}
