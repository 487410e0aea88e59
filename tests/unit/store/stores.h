/* stores.h - a store in a test: objects, transactions that wait, an engine that fails on demand. */
#pragma once
#include "api/api.h"
#include "base/buf.h"
#include "base/vec.h"
#include "engines.h"
#include "store/store.h"

#define CONFIGMAPS (&res_core_configmaps)
#define SECRETS    (&res_core_secrets)

/* The object of @name in namespace "n", holding @value. */
static inline struct object *object_of(const struct resource *res, const char *name,
                                       const char *value)
{
    auto_arena a = {0};
    struct err err = {0};
    struct object *o;
    struct str json = str_printf(&a,
                                 "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\",\"labels\":"
                                 "{\"v\":\"%s\"}}}",
                                 name, value);
    struct str key = str_printf(&a, "%sn/%s", res->store_prefix, name);

    assert_ok(object_from_stored(res, key, json, &o, &err), &err);
    return o;
}

static inline const char *value_of(const struct object *o)
{
    struct str v = object_label(o, STR("v"));

    return v.p; /* NUL-terminated in the object */
}

struct one { /* a transaction of one operation, and room for its key */
    struct store_txn txn;
    struct store_op op;
    char key[128];
    bool done;
};

static inline void one_done(struct store_txn *txn)
{
    struct one *o = txn->arg;

    o->done = true;
    loop_stop(txn->loop);
}

static inline void one_init(struct one *o, enum store_op_kind kind, const struct resource *res,
                            const char *name, const char *value, int64_t expect)
{
    *o = (struct one){0};
    (void)snprintf(o->key, sizeof(o->key), "%sn/%s", res->store_prefix, name);
    o->op = (struct store_op){.kind = kind, .res = res, .expect_revision = expect};
    if (kind == STORE_PUT)
        o->op.object = object_of(res, name, value);
    else
        o->op.key = str_from(o->key);
    o->txn = (struct store_txn){.ops = &o->op, .n = 1, .on_done = one_done};
    o->txn.arg = o;
}

/* Commits and waits on @loop, which is held and does nothing else. */
static inline int one_run(struct one *o, struct store *st, struct loop *loop)
{
    o->txn.loop = loop;
    o->txn.arg = o;
    o->txn.ops = &o->op;
    store_commit(st, &o->txn);
    while (!o->done)
        loop_run(loop);
    return o->txn.code;
}

static inline void one_deinit(struct one *o)
{
    o->txn.current = object_unref(o->txn.current);
    o->txn.removed = object_unref(o->txn.removed);
}

/* The revision of a successful write, or the code. */
static inline int64_t put_if(struct store *st, struct loop *loop, const char *name,
                             const char *value, int64_t expect)
{
    struct one o;
    int r;

    one_init(&o, STORE_PUT, CONFIGMAPS, name, value, expect);
    r = one_run(&o, st, loop);
    one_deinit(&o);
    return r < 0 ? r : o.txn.revision;
}

static inline int64_t put(struct store *st, struct loop *loop, const char *name, const char *value)
{
    return put_if(st, loop, name, value, STORE_ANY);
}

static inline int64_t put_lazy(struct store *st, struct loop *loop, const char *name,
                               const char *value)
{
    struct one o;
    int r;

    one_init(&o, STORE_PUT, CONFIGMAPS, name, value, STORE_ANY);
    o.txn.lazy = true;
    r = one_run(&o, st, loop);
    one_deinit(&o);
    return r < 0 ? r : o.txn.revision;
}

static inline int64_t delete_if(struct store *st, struct loop *loop, const char *name,
                                int64_t expect)
{
    struct one o;
    int r;

    one_init(&o, STORE_DELETE, CONFIGMAPS, name, NULL, expect);
    r = one_run(&o, st, loop);
    one_deinit(&o);
    return r < 0 ? r : o.txn.revision;
}

static inline struct object *find(struct store *st, const char *name)
{
    char key[128];

    (void)snprintf(key, sizeof(key), "/registry/configmaps/n/%s", name);
    return cache_find(store_cache(st, CONFIGMAPS), str_from(key));
}

/* "name=value@revision " for each object. */
static inline void print_objects(const struct snapshot *s, struct buf *out)
{
    struct omap_iter it;
    struct object *o;

    omap_seek(&s->objects, STR_NULL, &it);
    while ((o = omap_next(&it)))
        buf_printf(out, "%.*s=%s@%lld ", STR_ARG(o->name), value_of(o), (long long)o->revision);
}

/* An engine in front of another: fails when told to, and counts. */
struct faulty {
    struct engine base;
    struct engine *inner;
    atomic_int fail_commits, fail_puts; /* how many from now on */
    atomic_int commits;
};
static inline struct faulty *faulty_of(struct engine *e)
{
    return (struct faulty *)(void *)e;
}
static inline void faulty_revisions(struct engine *e, int64_t *c, int64_t *d)
{
    struct engine *i = faulty_of(e)->inner;
    i->ops->revisions(i, c, d);
}
static inline int faulty_range(struct engine *e, struct str from, struct str end, int64_t rev,
                               int (*each)(void *, const struct engine_kv *), void *arg,
                               struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->range(i, from, end, rev, each, arg, err);
}
static inline bool spend(atomic_int *n)
{
    if (atomic_load(n) <= 0)
        return false;
    atomic_fetch_sub(n, 1);
    return true;
}
static inline int faulty_put(struct engine *e, int64_t rev, struct str key, struct str value,
                             int64_t lease, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->put(i, rev, key, value, lease, err);
}
static inline int faulty_remove(struct engine *e, int64_t rev, struct str key, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->remove(i, rev, key, err);
}
static inline int faulty_get(struct engine *e, struct str key, struct engine_kv *kv,
                             struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->get(i, key, kv, err);
}
static inline int faulty_changes(struct engine *e, int64_t from, int64_t to,
                                 int (*each)(void *, const struct engine_kv *), void *arg,
                                 struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->changes(i, from, to, each, arg, err);
}
static inline int faulty_note(struct engine *e, struct str name, struct str value,
                              struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_puts))
        return err_new(err, ERR_IO, "no space left on device");
    return i->ops->note(i, name, value, err);
}
static inline int faulty_notes(struct engine *e, struct str prefix,
                               int (*each)(void *, struct str, struct str), void *arg,
                               struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->notes(i, prefix, each, arg, err);
}
static inline int faulty_commit(struct engine *e, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    if (spend(&faulty_of(e)->fail_commits)) {
        i->ops->abort(i);
        return err_new(err, ERR_IO, "input/output error");
    }
    atomic_fetch_add(&faulty_of(e)->commits, 1);
    return i->ops->commit(i, err);
}
static inline void faulty_abort(struct engine *e)
{
    struct engine *i = faulty_of(e)->inner;
    i->ops->abort(i);
}
static inline int faulty_compact(struct engine *e, int64_t rev, bool *more, struct err *err)
{
    struct engine *i = faulty_of(e)->inner;
    return i->ops->compact(i, rev, more, err);
}
static inline uint64_t faulty_size(struct engine *e)
{
    return faulty_of(e)->inner->ops->size_bytes(faulty_of(e)->inner);
}
static inline void faulty_close(struct engine *e) /* the inner one lives on: its place closes it */
{
    (void)e;
}
static inline void faulty_init(struct faulty *f, struct engine_ops *ops, struct engine *inner)
{
    *ops = (struct engine_ops){.name = "faulty",
                               .revisions = faulty_revisions,
                               .range = faulty_range,
                               .get = faulty_get,
                               .changes = faulty_changes,
                               .note = faulty_note,
                               .notes = faulty_notes,
                               .put = faulty_put,
                               .remove = faulty_remove,
                               .commit = faulty_commit,
                               .abort = faulty_abort,
                               .compact = faulty_compact,
                               .size_bytes = faulty_size,
                               .close = faulty_close};
    *f = (struct faulty){.base.ops = ops, .inner = inner};
}

static inline struct store *store_on(struct engine *e, const struct store_opts *like)
{
    const struct resource *res[] = {CONFIGMAPS, SECRETS};
    struct store_opts opts = like ? *like : (struct store_opts){0};
    struct err err = {0};
    struct store *st;

    opts.engine = e;
    assert_ok(store_open(&opts, res, ARRAY_LEN(res), &st, &err), &err);
    return st;
}
struct fixture {
    struct place place;
    struct loop *loop;
    struct store *st;
};
static inline void fixture_open(struct fixture *f, const struct store_opts *opts)
{
    place_open(&f->place);
    f->st = store_on(f->place.e, opts);
    f->place.e = NULL; /* the store's now */
}
static inline void fixture_init(struct fixture *f, bool lmdb, const struct store_opts *opts)
{
    place_init(&f->place, lmdb);
    f->loop = loop_new("test");
    loop_hold(f->loop, true);
    fixture_open(f, opts);
}
static inline void fixture_deinit(struct fixture *f)
{
    f->st = store_close(f->st);
    f->loop = loop_free(f->loop);
    place_deinit(&f->place);
}
