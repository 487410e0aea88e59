/* commit.c - from a valid state to the store and back. The request's transaction has the object's
 * own write first, then what hooks added, all or none. */
#include "apiserver/event_ttl.h"
#include "apiserver/write.h"
#include "schema/typed.h"

#define MODIFIED                                                                                   \
    "the object has been modified; please apply your changes to the latest version and try again"

void commit_add(struct request *rq, struct store_op op)
{
    vec_push(&rq->extra_ops, op);
}

const void *stored_find(struct request *rq, const struct resource *res, struct str ns,
                        struct str name, struct object **ret_o)
{
    /* A request on a namespace carries its name as namespace, for the authorizers. */
    struct str scope = resource_namespaced(res) ? ns : STR("");
    struct object *o = cache_find(store_cache(rq->as->store, res->storage),
                                  resource_key(res->storage, scope, name, rq->arena));
    void *shown;

    *ret_o = o;
    if (!o)
        return NULL;
    if (res->storage == res)
        return object_typed(o);
    shown = arena_alloc(rq->arena, res->type->size);
    res->from_storage(object_typed(o), shown, rq->arena);
    return shown;
}

static const void *to_storage(struct request *rq)
{
    const struct resource *res = rq->res;
    void *stored;

    if (res->storage == res) {
        stored = rq->obj;
    } else {
        stored = arena_alloc(rq->arena, res->storage->type->size);
        res->to_storage(rq->obj, stored, rq->arena);
    }
    /* What hooks have added may bring more defaults, which other servers set when they read it. */
    if (store_has_peers(rq->as->store))
        typed_default(res->storage->type, stored, rq->arena);
    return stored;
}

static void on_commit(struct store_txn *txn)
{
    struct request *rq = txn->arg;

    object_unref(txn->current);
    txn->current = NULL;
    if (txn->code < 0)
        rq->result = object_unref(rq->result);
    if (txn->removed && txn->code == 0 && !rq->result)
        rq->result = txn->removed;
    else
        object_unref(txn->removed);
    txn->removed = NULL;
    request_resume(rq, rq->next_stage);
}

/* A heartbeat: an update that says of what is stored only that it still is so, or was seen again.
 * After a crash the next one says the same. */
static bool is_repeat(const struct request *rq, const void *now)
{
    const struct resource *res = rq->res->storage;
    const void *old;

    if (!(res->flags & RESOURCE_LAZY) || !rq->old || rq->extra_ops.n)
        return false;
    old = object_typed(rq->old);
    if (res == &res_coordination_leases) {
        const struct coordination_lease *was = old;
        struct coordination_lease is = *(const struct coordination_lease *)now;

        is.kind = was->kind;
        is.api_version = was->api_version;
        is.metadata.resource_version = was->metadata.resource_version;
        is.spec.renew_time = was->spec.renew_time;
        return typed_equal(res->type, was, &is);
    }
    if (res == &res_core_events) {
        const struct core_event *was = old;
        struct core_event is = *(const struct core_event *)now;

        is.kind = was->kind;
        is.api_version = was->api_version;
        is.metadata.resource_version = was->metadata.resource_version;
        is.last_timestamp = was->last_timestamp;
        is.count = was->count;
        is.series = was->series;
        return typed_equal(res->type, was, &is);
    }
    return false;
}

static enum stage_result start(struct request *rq, struct store_op own, bool lazy, stage_fn then)
{
    size_t n = rq->extra_ops.n;
    struct store_op *ops = arena_calloc(rq->arena, n + 1, sizeof(*ops));

    /* The transaction is in order: an own DELETE comes last, so that `removed` is its victim. */
    if (n)
        memcpy(ops + (own.kind == STORE_PUT), rq->extra_ops.v, n * sizeof(*ops));
    ops[own.kind == STORE_PUT ? 0 : n] = own;
    vec_clear(&rq->extra_ops); /* the store takes their objects */
    rq->txn = (struct store_txn){
        .ops = ops, .n = n + 1, .lazy = lazy, .loop = rq->loop, .on_done = on_commit, .arg = rq};
    rq->next_stage = then;
    store_commit(rq->as->store, &rq->txn);
    return STAGE_WAIT;
}

/* What a dry run does instead: nothing, successfully. */
static enum stage_result pretend(struct request *rq, stage_fn then)
{
    for (size_t i = 0; i < rq->extra_ops.n; i++)
        object_unref(rq->extra_ops.v[i].object);
    vec_clear(&rq->extra_ops);
    rq->txn = (struct store_txn){0};
    return then(rq);
}

enum stage_result commit_put(struct request *rq, stage_fn then)
{
    struct store_op own = {.kind = STORE_PUT, .res = rq->res->storage};
    const void *stored;

    rq->result = object_unref(rq->result);
    if (rq->write.dry_run)
        return pretend(rq, then);
    stored = to_storage(rq);
    own.object = object_new(rq->res->storage, stored);
    own.expect_revision = rq->old ? rq->old->revision : STORE_ABSENT;
    if (own.object->json.len > STORED_MAX) {
        object_unref(own.object);
        return status_fail_plain(rq, 500, "etcdserver: request is too large");
    }
    if (own.res == &res_core_events)
        own.ttl_sec = EVENT_TTL_SEC;
    rq->result = object_ref(own.object);
    return start(rq, own, is_repeat(rq, stored), then);
}

enum stage_result commit_delete(struct request *rq, stage_fn then)
{
    struct store_op own = {.kind = STORE_DELETE,
                           .res = rq->res->storage,
                           .key = rq->old->key,
                           .expect_revision = rq->old->revision};

    rq->result = object_unref(rq->result);
    if (rq->write.dry_run)
        return pretend(rq, then);
    return start(rq, own, false, then);
}

enum stage_result commit_answer(struct request *rq, int status)
{
    if (rq->result)
        return request_answer_object(rq, status, rq->result);
    return request_answer_typed(rq, status, rq->res->type, rq->obj);
}

enum stage_result commit_failed(struct request *rq)
{
    switch (rq->txn.code) {
    case ERR_CONFLICT:
        return request_fail_object(rq, ERR_CONFLICT, rq->res, rq->name, MODIFIED);
    case ERR_EXISTS:
    case ERR_NOT_FOUND:
        return request_fail_object(rq, rq->txn.code, rq->res, rq->name, NULL);
    default:
        rq->txn.err.code = rq->txn.code;
        return request_fail(rq, &rq->txn.err);
    }
}
