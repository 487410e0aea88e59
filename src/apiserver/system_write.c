/* SPDX-License-Identifier: Apache-2.0 */
/* system_write.c - transactions of the server itself. See system_write.h. */
#include "apiserver/system_write.h"
#include "base/random.h"
#include "base/vec.h"

struct system_write {
    struct apiserver *as;
    struct arena arena;
    struct store_txn txn;
    VEC(struct store_op) ops;
    void (*on_done)(void *arg, int code, const struct err *err);
    void *arg;
};

struct system_write *system_write_new(struct apiserver *as)
{
    struct system_write *w = xnew(struct system_write);

    w->as = as;
    return w;
}

struct arena *system_write_arena(struct system_write *w)
{
    return &w->arena;
}

size_t system_write_n(const struct system_write *w)
{
    return w->ops.n;
}

void system_write_put(struct system_write *w, const struct resource *res, void *typed,
                      int64_t expect)
{
    struct meta_object_meta *m = (void *)((char *)typed + res->type->metadata_offset);
    struct store_op op = {.kind = STORE_PUT, .res = res, .expect_revision = expect};

    if (expect == STORE_ABSENT) {
        char *uid = arena_alloc(&w->arena, 37);

        random_uuid(loop_random(w->as->loop), uid);
        m->uid = (struct str){uid, 36};
        m->creation_timestamp = time_from_ns(loop_wall_ns(w->as->loop));
        m->creation_timestamp.nsec = 0;
    }
    op.object = object_new(res, typed);
    vec_push(&w->ops, op);
}

void system_write_delete(struct system_write *w, const struct resource *res, struct str ns,
                         struct str name, int64_t expect)
{
    struct store_op op = {.kind = STORE_DELETE, .res = res, .expect_revision = expect};

    op.key = resource_key(res, ns, name, &w->arena);
    vec_push(&w->ops, op);
}

static void release(struct system_write *w)
{
    vec_deinit(&w->ops);
    arena_deinit(&w->arena);
    free(w);
}

static void on_committed(struct store_txn *txn)
{
    struct system_write *w = txn->arg;

    object_unref(txn->current);
    object_unref(txn->removed);
    w->on_done(w->arg, txn->code, &txn->err);
    release(w);
}

void system_write_commit(struct system_write *w,
                         void (*on_done)(void *arg, int code, const struct err *err), void *arg)
{
    w->on_done = on_done;
    w->arg = arg;
    w->txn = (struct store_txn){
        .ops = w->ops.v, .n = w->ops.n, .loop = w->as->loop, .on_done = on_committed, .arg = w};
    store_commit(w->as->store, &w->txn);
}

void system_write_drop(struct system_write *w)
{
    for (size_t i = 0; i < w->ops.n; i++)
        object_unref(w->ops.v[i].object);
    release(w);
}
