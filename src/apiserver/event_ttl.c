/* event_ttl.c - Events end an hour after they were last written to, so that the store does not grow
 * without bound. Upstream hangs each on a lease of its store; here their own times tell, read
 * from the stored text so that no Event is decoded for it.
 */
#include "apiserver/event_ttl.h"
#include "apiserver/stages.h"
#include "apiserver/system_write.h"

enum {
    SWEEP_MS = 60 * 1000,
    MORE_MS = 100,    /* until the next batch while there is more to remove */
    BATCH_MAX = 500,  /* removals of one transaction */
    TIME_BYTES = 20,  /* of "2006-01-02T15:04:05Z" */
    MICRO_BYTES = 27, /* of "2006-01-02T15:04:05.000000Z" */
};
struct event_ttl {
    struct apiserver *as;
    struct timer timer;
    size_t batch; /* smaller after a transaction lost a race */
    bool writing, freed;
};

static struct time_value time_at(struct str json, struct str member)
{
    struct time_value t = {0};
    struct err err = {0};
    long at = str_find(json, member);
    struct str text;

    if (at < 0)
        return t;
    text = str_sub(json, (size_t)at + member.len, MICRO_BYTES);
    text = str_cut(text, '"', &(struct str){0});
    if (text.len < TIME_BYTES || time_parse(text, &t, &err) < 0)
        return (struct time_value){0};
    return t;
}

int64_t event_last_sec(struct str json)
{
    static const struct str members[] = {
        STR_INIT("\"creationTimestamp\":\""),
        STR_INIT("\"lastTimestamp\":\""),
        STR_INIT("\"eventTime\":\""),
        STR_INIT("\"lastObservedTime\":\""),
    };
    int64_t last = 0;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct time_value t = time_at(json, members[i]);

        if (t.set)
            last = MAX(last, t.sec);
    }
    return last;
}

static void on_removed(void *arg, int code, const struct err *err)
{
    struct event_ttl *e = arg;

    (void)err; /* an Event that changed meanwhile: the next sweep sees it again */
    e->writing = false;
    if (e->freed) {
        free(e);
        return;
    }
    e->batch = code == 0 ? BATCH_MAX : MAX(e->batch / 2, 1);
    if (!atomic_load(&e->as->stopping))
        timer_start(&e->timer, MORE_MS, 0);
}

static void sweep(struct timer *t)
{
    struct event_ttl *e = container_of(t, struct event_ttl, timer);
    struct snapshot *s = cache_snapshot(store_cache(e->as->store, &res_core_events));
    struct system_write *w = system_write_new(e->as);
    int64_t before = loop_wall_ns(e->as->loop) / 1000000000 - EVENT_TTL_SEC;
    struct omap_iter it;
    struct object *o;

    omap_seek(&s->objects, STR_NULL, &it);
    while (system_write_n(w) < e->batch && (o = omap_next(&it))) {
        if (event_last_sec(o->json) < before)
            system_write_delete(w, &res_core_events, o->ns, o->name, o->revision);
    }
    snapshot_unref(s);
    if (system_write_n(w) == 0) {
        system_write_drop(w);
        timer_start(t, SWEEP_MS, 0);
        return;
    }
    e->writing = true;
    system_write_commit(w, on_removed, e);
}

int event_ttl_start(struct apiserver *as, struct err *err)
{
    struct event_ttl *e;

    (void)err;
    if (store_has_ttl(as->store))
        return 0; /* it does this by itself: see commit_put() */
    e = xnew(struct event_ttl);
    e->as = as;
    e->batch = BATCH_MAX;
    as->event_ttl = e;
    timer_init(&e->timer, as->loop, sweep);
    timer_start(&e->timer, SWEEP_MS, 0);
    return 0;
}

void event_ttl_stop(struct apiserver *as)
{
    if (as->event_ttl)
        timer_stop(&as->event_ttl->timer);
}

void event_ttl_free(struct apiserver *as)
{
    struct event_ttl *e = as->event_ttl;

    as->event_ttl = NULL;
    if (!e)
        return;
    timer_stop(&e->timer);
    e->freed = true;
    if (!e->writing)
        free(e); /* else the end of the write does it */
}
