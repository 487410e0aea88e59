/* load.c - which resources the store keeps: loading them, finding their caches.
 *
 * The table from resource to cache is read by any thread without a lock: a cache is complete before
 * its place is set, and places are never shifted. It always has empty places, where a search ends.
 */
#include "store/store_internal.h"

static size_t place_of(const struct resource *res)
{
    uint64_t h = (uint64_t)(uintptr_t)res * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(h >> 40) & (STORE_TABLE - 1);
}

static size_t next_place(size_t i)
{
    return (i + 1) & (STORE_TABLE - 1);
}

static const struct resource *storage_of(const struct resource *res)
{
    return res->storage ? res->storage : res;
}

struct cache *store_find_cache(const struct store *st, const struct resource *res)
{
    res = storage_of(res);
    for (size_t i = place_of(res);; i = next_place(i)) {
        struct cache *c = atomic_load_explicit(&st->table[i], memory_order_acquire);

        if (!c || c->res == res)
            return c;
    }
}

struct cache *store_cache(struct store *st, const struct resource *res)
{
    return store_find_cache(st, res);
}

/* Where the cache of @res is, or, without one, where it would go. */
static size_t find_place(struct store *st, const struct resource *res, const struct cache *have)
{
    size_t i = place_of(res);

    for (;; i = next_place(i)) {
        struct cache *c = atomic_load_explicit(&st->table[i], memory_order_relaxed);

        if (c == have || (!have && c == &st->gone))
            return i;
    }
}

static void table_set(struct store *st, size_t i, struct cache *c)
{
    atomic_store_explicit(&st->table[i], c, memory_order_release);
}

/* Gives the place up. Nothing lies behind a place that is followed by an empty one: it, and those
 * given up before it, become empty too, so that searches stay short and always end. */
static void table_clear(struct store *st, size_t i)
{
    table_set(st, i, &st->gone);
    if (atomic_load_explicit(&st->table[next_place(i)], memory_order_relaxed))
        return;
    while (atomic_load_explicit(&st->table[i], memory_order_relaxed) == &st->gone) {
        table_set(st, i, NULL);
        i = (i - 1) & (STORE_TABLE - 1);
    }
}

void store_keep(struct store *st, struct cache *c)
{
    vec_push(&st->caches, c);
    table_set(st, find_place(st, c->res, NULL), c);
}

struct load {
    struct cache *cache;
    struct err *err;
};

static int load_one(void *arg, const struct engine_kv *kv)
{
    struct load *l = arg;
    struct object *o;
    int r = object_from_stored(l->cache->res, kv->key, kv->value, &o, l->err);

    if (r < 0)
        return err_wrap(l->err, ERR_PARSE, "load");
    object_publish(o, kv->mod_revision, kv->create_revision, kv->version);
    (void)omap_put(&l->cache->objects, o);
    (void)object_unref(o);
    return 0;
}

int store_adopt(struct store *st, const struct resource *res, struct err *err)
{
    struct cache *c;
    struct load l = {.err = err};
    struct str prefix;
    auto_arena a = {0};
    int r;

    res = storage_of(res);
    if (store_find_cache(st, res))
        return 0; /* several versions of a resource share one */
    if (st->caches.n >= STORE_RESOURCES_MAX)
        return err_new(err, ERR_TOO_LARGE, "the store keeps at most %d resources",
                       STORE_RESOURCES_MAX);
    l.cache = c = xnew(struct cache);
    cache_init(c, st, res);
    /* What is computed, never stored (reviews, component statuses), has no keys: an empty prefix
     * would mean everyone's. */
    prefix = str_from(res->store_prefix);
    r = str_empty(prefix) ? 0
                          : st->engine->ops->range(st->engine, prefix, str_prefix_end(&a, prefix),
                                                   0, load_one, &l, err);
    if (r < 0) {
        cache_deinit(c);
        free(c);
        return r;
    }
    cache_publish(c, atomic_load_explicit(&st->published, memory_order_relaxed));
    store_keep(st, c);
    return 0;
}

void store_drop(struct store *st, const struct resource *res)
{
    struct cache *c = store_find_cache(st, res);

    if (!c)
        return;
    table_clear(st, find_place(st, c->res, c));
    for (size_t i = 0; i < st->caches.n; i++)
        if (st->caches.v[i] == c) {
            vec_swap_remove(&st->caches, i);
            break;
        }
    cache_deinit(c);
    free(c);
}
