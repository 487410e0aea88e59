/* stores.h - a store in a test: objects, transactions that wait. */
#pragma once
#include "api/api.h"
#include "base/buf.h"
#include "base/vec.h"
#include "faulty.h"
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
