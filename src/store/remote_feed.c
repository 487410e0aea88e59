/* remote_feed.c - what happened in etcd, into indexes and journals; the one place where the
 * revision of a store over etcd moves. */
#include "store/remote.h"

/* ---- which cache ---- */

/* Where @key would stand among the prefixes: behind all that are not after it. */
static size_t kept_place(const struct remote *r, struct str key)
{
    size_t lo = 0, hi = r->kept.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (str_cmp(r->kept.v[mid].prefix, key) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct remote_kept *kept_of(struct remote *r, struct str key)
{
    size_t i = kept_place(r, key);

    return i > 0 && str_has_prefix(key, r->kept.v[i - 1].prefix) ? &r->kept.v[i - 1] : NULL;
}

void remote_keep(struct remote *r, struct cache *c, int64_t since)
{
    struct remote_kept k = {str_from(c->res->store_prefix), c, since};
    size_t i = kept_place(r, k.prefix);

    if (k.prefix.len == 0)
        return; /* computed, never stored */
    vec_push(&r->kept, k);
    memmove(&r->kept.v[i + 1], &r->kept.v[i], (r->kept.n - 1 - i) * sizeof(k));
    r->kept.v[i] = k;
}

void remote_unkeep(struct remote *r, struct cache *c)
{
    for (size_t i = 0; i < r->kept.n; i++) {
        if (r->kept.v[i].cache == c) {
            vec_remove(&r->kept, i);
            return;
        }
    }
}

/* ---- events ---- */

static void note(struct remote *r, struct cache *c, struct event ev)
{
    vec_push(&c->pending, ev);
    if (c->touched)
        return;
    c->touched = true;
    vec_push(&r->st->batch.touched, c);
}

/* Takes over the reference @o. */
static void put(struct remote *r, struct cache *c, struct object *o)
{
    struct object *prev = omap_find(&c->objects, o->key);
    struct event ev = {.type = prev ? EVENT_MODIFIED : EVENT_ADDED, .revision = o->revision};

    ev.object = o;
    ev.prev = prev ? object_ref(prev) : NULL;
    (void)omap_put(&c->objects, o);
    note(r, c, ev);
}

static void take_out(struct remote *r, struct cache *c, struct str key, int64_t revision)
{
    struct object *victim = omap_find(&c->objects, key);
    struct event ev = {.type = EVENT_DELETED, .revision = revision};

    if (!victim)
        return;
    ev.object = object_with_revision(victim, revision);
    ev.prev = object_ref(victim);
    (void)omap_remove(&c->objects, key);
    note(r, c, ev);
}

static void put_kv(struct remote *r, struct cache *c, struct str key, const Mvccpb__KeyValue *kv)
{
    struct object *o = remote_commit_take(r, key, kv->mod_revision);
    struct err err = {0};

    if (o && o->res == c->res) {
        object_publish(o, kv->mod_revision, kv->create_revision, kv->version);
    } else if (remote_object(r, c->res, kv, &o, &err) < 0) {
        remote_tell(r, false, "not shown: %s", err.msg);
        take_out(r, c, key, kv->mod_revision);
        return;
    }
    put(r, c, o);
}

void remote_feed(struct remote *r, const Mvccpb__Event *ev)
{
    auto_arena a = {0};
    struct str key = remote_store_key(r, pb_view(ev->kv->key), &a);
    struct remote_kept *k = kept_of(r, key);

    remote_adopt_feed(r, key, ev);
    if (!k || ev->kv->mod_revision <= k->since)
        return;
    if (ev->type == MVCCPB__EVENT__EVENT_TYPE__DELETE)
        take_out(r, k->cache, key, ev->kv->mod_revision);
    else
        put_kv(r, k->cache, key, ev->kv);
}

void remote_feed_publish(struct remote *r, int64_t revision)
{
    struct store *st = r->st;
    struct batch *b = &st->batch;
    uint64_t now = store_now_ms(st);

    for (size_t i = 0; i < b->touched.n; i++) {
        struct cache *c = b->touched.v[i];

        for (size_t k = 0; k < c->pending.n; k++)
            journal_append(&c->journal, &c->pending.v[k], now);
        journal_publish(&c->journal); /* before the index: whoever has that finds its events */
        cache_publish(c, c->pending.v[c->pending.n - 1].revision);
        vec_clear(&c->pending);
        c->touched = false;
    }
    st->revision = revision;
    atomic_store_explicit(&st->published, revision, memory_order_release);
    for (size_t i = 0; i < b->touched.n; i++)
        cache_wake(b->touched.v[i]);
    vec_clear(&b->touched);
    remote_commit_wake(r);
    remote_fresh_wake(r);
}

/* ---- all was read anew ---- */

/* What happened in between is not known, so nobody may go on from before it: as upstream, who
 * watches is told that history is gone, and reads all anew. */
static void replace(struct cache *c, struct remote_load_one *one, int64_t revision)
{
    journal_forget(&c->journal, revision); /* before the index: see watch_next() */
    omap_deinit(&c->objects);
    c->objects = one->objects;
    omap_init(&one->objects, &object_omap_ops);
    cache_publish(c, revision);
}

static struct remote_load_one *load_of(struct remote_load *l, const struct resource *res)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->of[i].res == res)
            return &l->of[i];
    return NULL;
}

bool remote_feed_covers(const struct remote *r, struct remote_load *l)
{
    for (size_t i = 0; i < r->kept.n; i++) {
        const struct remote_kept *k = &r->kept.v[i];

        if (k->since < l->revision && !load_of(l, k->cache->res))
            return false;
    }
    return true;
}

void remote_feed_load(struct remote *r, struct remote_load *l)
{
    for (size_t i = 0; i < r->kept.n; i++) {
        struct remote_kept *k = &r->kept.v[i];

        if (k->since >= l->revision)
            continue; /* came meanwhile, and is newer */
        replace(k->cache, load_of(l, k->cache->res), l->revision);
        k->since = l->revision;
    }
    remote_adopt_gap(r, l->revision);
    remote_feed_publish(r, MAX(l->revision, remote_position(r)));
    for (size_t i = 0; i < r->kept.n; i++)
        cache_wake(r->kept.v[i].cache);
}
