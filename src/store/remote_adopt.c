/* remote_adopt.c - resources that come while the store is open. What the watch shows of one while
 * it is read is kept, and done again on top of what was read, where that is older. */
#include "store/remote.h"

struct remote_adopt {
    struct remote_adopt *next; /* in r->adopts */
    struct remote_load load;
    struct remote_load_one one;
    VEC(Mvccpb__Event *) missed; /* events of the resource since the beginning, in order */
    int64_t gap_until; /* events up to there are not in missed: history was gone */
    remote_adopted fn;
    void *arg;
};

static void drop_missed(struct remote_adopt *ad)
{
    for (size_t i = 0; i < ad->missed.n; i++)
        mvccpb__event__free_unpacked(ad->missed.v[i], NULL);
    vec_clear(&ad->missed);
}

void remote_adopt_feed(struct remote *r, struct str key, const Mvccpb__Event *ev)
{
    for (struct remote_adopt *ad = r->adopts; ad; ad = ad->next) {
        auto_buf copy = {0};
        size_t n;

        if (!str_has_prefix(key, str_from(ad->one.res->store_prefix)))
            continue;
        n = mvccpb__event__get_packed_size(ev);
        copy.len = mvccpb__event__pack(ev, (uint8_t *)buf_reserve(&copy, n));
        vec_push(&ad->missed, mvccpb__event__unpack(NULL, copy.len, (const uint8_t *)copy.p));
    }
}

void remote_adopt_gap(struct remote *r, int64_t revision)
{
    for (struct remote_adopt *ad = r->adopts; ad; ad = ad->next)
        ad->gap_until = revision;
}

static void cache_fill(struct remote *r, struct cache *c, struct remote_adopt *ad)
{
    struct remote_load *l = &ad->load;

    cache_init(c, r->st, ad->one.res);
    journal_deinit(&c->journal);
    journal_init(&c->journal, l->revision, r->st->opts.journal_max, store_journal_bytes(r->st));
    omap_deinit(&c->objects);
    c->objects = ad->one.objects;
    omap_init(&ad->one.objects, &object_omap_ops);
    cache_publish(c, l->revision);
    remote_keep(r, c, l->revision);
    for (size_t i = 0; i < ad->missed.n; i++)
        remote_feed(r, ad->missed.v[i]);
    if (c->touched)
        remote_feed_publish(r, remote_position(r));
    store_keep(r->st, c);
}

static void unlink_one(struct remote *r, const struct remote_adopt *ad)
{
    struct remote_adopt **at = &r->adopts;

    while (*at != ad)
        at = &(*at)->next;
    *at = ad->next;
}

static void start(struct remote_adopt *ad);

static void adopt_done(struct remote_load *l, const struct err *err)
{
    struct remote_adopt *ad = container_of(l, struct remote_adopt, load);
    struct remote *r = l->r;

    if (!err && l->revision < ad->gap_until) {
        remote_load_deinit(l);
        start(ad);
        return;
    }
    unlink_one(r, ad);
    if (!err && !store_find_cache(r->st, ad->one.res))
        cache_fill(r, xnew(struct cache), ad);
    ad->fn(ad->arg, MAX(l->revision, 1), err);
    remote_load_deinit(l);
    drop_missed(ad);
    vec_deinit(&ad->missed);
    free(ad);
}

static void start(struct remote_adopt *ad)
{
    struct remote *r = ad->load.r;

    ad->one = (struct remote_load_one){.res = ad->one.res};
    ad->load = (struct remote_load){.r = r, .of = &ad->one, .n = 1, .done = adopt_done};
    ad->load.until_ms = remote_now_ms(r) + REMOTE_CALL_MS;
    remote_load_start(&ad->load);
}

void remote_adopt(struct remote *r, const struct resource *res, remote_adopted fn, void *arg)
{
    struct remote_adopt *ad = xnew(struct remote_adopt);

    ad->one.res = remote_storage(res);
    ad->fn = fn;
    ad->arg = arg;
    ad->next = r->adopts;
    r->adopts = ad;
    ad->load.r = r;
    start(ad);
}
