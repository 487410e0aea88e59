/* watcher.c - one watch as a cursor, and the hubs that wake the watches of a loop. */
#include "apiserver/watcher.h"
#include "apiserver/frames.h"
#include "apiserver/select.h"
#include "base/queue.h"

const char *const watch_type_names[] = {
    [WATCH_TYPE_ADDED] = "ADDED",
    [WATCH_TYPE_MODIFIED] = "MODIFIED",
    [WATCH_TYPE_DELETED] = "DELETED",
    [WATCH_TYPE_BOOKMARK] = "BOOKMARK",
};

struct watch_feed { /* the watches of one resource on one loop; lives while there is one */
    struct watch_feed *next;
    struct watch_hub *hub;
    struct cache *cache;
    struct subscription *sub;
    struct watcher *first;
    struct watcher *waking; /* the one to wake next; who ends meanwhile moves it on */
    bool awake;             /* feed_wake() runs: it frees the feed at its end */
};
struct watch_hub { /* of one loop, which alone touches its feeds */
    struct watch_hub *next;
    struct watch_hubs *hubs;
    struct loop *loop;
    struct watch_feed *feeds;
};
struct watch_hubs {
    struct mutex *lock; /* guards `first`: loops appear in any order */
    struct watch_hub *first;
    atomic_uint n_watchers;
    atomic_uint_fast64_t n_events;
};
struct watcher {
    struct watcher *prev, *next; /* of the feed */
    struct watch_feed *feed;
    struct loop *loop;
    struct watcher_opts opts;
    struct object_filter filter;
    bool any_key; /* the prefix is that of the whole resource */
    struct watch_cursor cursor;
    struct snapshot *state; /* what is left of the initial state; NULL: handed out */
    struct omap_iter at;
    bool initial_end_due, bookmark_due, stopped;
    struct timer timer;
    uint64_t deadline_ms, bookmark_ms; /* loop time; bookmark_ms 0: none wanted */
};

/* ---- hubs ---- */

int watch_hubs_start(struct apiserver *as, struct err *err)
{
    (void)err;
    as->watch_hubs = xnew(struct watch_hubs);
    as->watch_hubs->lock = mutex_new();
    return 0;
}

void watch_hubs_free(struct apiserver *as)
{
    struct watch_hubs *hubs = as->watch_hubs;

    if (!hubs)
        return;
    while (hubs->first) {
        struct watch_hub *hub = hubs->first;

        assert(!hub->feeds);
        hubs->first = hub->next;
        free(hub);
    }
    hubs->lock = mutex_free(hubs->lock);
    free(hubs);
    as->watch_hubs = NULL;
}

unsigned watch_count(const struct apiserver *as)
{
    return atomic_load(&as->watch_hubs->n_watchers);
}

uint64_t watch_events_total(const struct apiserver *as)
{
    return atomic_load(&as->watch_hubs->n_events);
}

static struct watch_hub *hub_of(struct watch_hubs *hubs, struct loop *loop)
{
    struct watch_hub *hub;

    mutex_lock(hubs->lock);
    for (hub = hubs->first; hub && hub->loop != loop; hub = hub->next)
        ;
    if (!hub) {
        hub = xnew(struct watch_hub);
        hub->hubs = hubs;
        hub->loop = loop;
        hub->next = hubs->first;
        hubs->first = hub;
    }
    mutex_unlock(hubs->lock);
    return hub;
}

static void feed_free_if_empty(struct watch_feed *feed)
{
    struct watch_feed **at = &feed->hub->feeds;

    if (feed->first || feed->awake)
        return;
    while (*at != feed)
        at = &(*at)->next;
    *at = feed->next;
    feed->sub = subscription_free(feed->sub);
    free(feed);
}

static void feed_wake(void *arg)
{
    struct watch_feed *feed = arg;

    feed->awake = true;
    feed->waking = feed->first;
    while (feed->waking) {
        struct watcher *w = feed->waking;

        feed->waking = w->next;
        w->opts.on_wake(w->opts.arg);
    }
    feed->awake = false;
    feed_free_if_empty(feed);
}

static void feed_join(struct watch_hub *hub, struct watcher *w)
{
    struct watch_feed *feed = hub->feeds;

    while (feed && feed->cache != w->opts.cache)
        feed = feed->next;
    if (!feed) {
        feed = xnew(struct watch_feed);
        feed->hub = hub;
        feed->cache = w->opts.cache;
        feed->sub = cache_subscribe(feed->cache, hub->loop, feed_wake, feed);
        feed->next = hub->feeds;
        hub->feeds = feed;
    }
    w->feed = feed;
    w->next = feed->first;
    if (w->next)
        w->next->prev = w;
    feed->first = w;
}

static void feed_leave(struct watcher *w)
{
    struct watch_feed *feed = w->feed;

    if (feed->waking == w)
        feed->waking = w->next;
    if (w->prev)
        w->prev->next = w->next;
    else
        feed->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    feed_free_if_empty(feed);
}

/* ---- time ---- */

static void plan_bookmark(struct watcher *w)
{
    uint64_t now = loop_now_ms(w->loop), spread = WATCH_BOOKMARK_MS / 10;
    uint64_t last = w->deadline_ms - MIN(w->deadline_ms - now, (uint64_t)WATCH_BOOKMARK_EARLY_MS);

    if (!w->opts.bookmarks)
        return;
    w->bookmark_ms = now + WATCH_BOOKMARK_MS + random_below(loop_random(w->loop), spread);
    if (now < last)
        w->bookmark_ms = MIN(w->bookmark_ms, last);
    else
        w->bookmark_ms = 0; /* the last one has been sent */
}

static void plan_timer(struct watcher *w)
{
    uint64_t now = loop_now_ms(w->loop), due = w->deadline_ms;

    if (w->bookmark_ms)
        due = MIN(due, w->bookmark_ms);
    timer_start(&w->timer, due > now ? due - now : 0, 0);
}

static void on_timer(struct timer *t)
{
    struct watcher *w = container_of(t, struct watcher, timer);
    uint64_t now = loop_now_ms(w->loop);

    if (now >= w->deadline_ms) {
        watcher_stop(w);
        return;
    }
    if (w->bookmark_ms && now >= w->bookmark_ms) {
        w->bookmark_due = true;
        plan_bookmark(w);
    }
    plan_timer(w);
    if (w->bookmark_due)
        w->opts.on_wake(w->opts.arg);
}

/* ---- life ---- */

static int open_cursor(struct watcher *w, struct err *err)
{
    struct watcher_opts *o = &w->opts;
    struct snapshot *s;
    int r;

    if (o->revision > 0 && !o->from_now)
        return watch_open(o->cache, o->revision, &w->cursor, err);
    s = cache_snapshot(o->cache);
    r = watch_open(o->cache, s->revision, &w->cursor, err);
    if (r < 0 || o->from_now) {
        (void)snapshot_unref(s);
        return r;
    }
    w->state = s;
    omap_seek(&s->objects, o->prefix, &w->at);
    return 0;
}

int watcher_new(struct apiserver *as, struct loop *loop, const struct watcher_opts *opts,
                struct watcher **ret_w, struct err *err)
{
    struct watcher *w = xnew(struct watcher);
    int64_t sec = opts->timeout_sec;
    int r;

    loop_assert(loop);
    w->opts = *opts;
    object_filter_init(&w->filter, opts->res, opts->labels, opts->fields);
    w->any_key = str_eqz(opts->prefix, opts->res->storage->store_prefix);
    w->loop = loop;
    w->initial_end_due = opts->initial_end;
    r = open_cursor(w, err);
    if (r < 0) {
        free(w);
        return r;
    }
    if (sec <= 0)
        sec = WATCH_TIMEOUT_MIN_SEC +
              (int64_t)random_below(loop_random(loop), WATCH_TIMEOUT_MIN_SEC);
    sec = MIN(sec, INT32_MAX);
    w->deadline_ms = loop_now_ms(loop) + (uint64_t)sec * 1000;
    timer_init(&w->timer, loop, on_timer);
    plan_bookmark(w);
    plan_timer(w);
    feed_join(hub_of(as->watch_hubs, loop), w);
    (void)atomic_fetch_add(&as->watch_hubs->n_watchers, 1);
    *ret_w = w;
    return 0;
}

struct watcher *watcher_free(struct watcher *w)
{
    if (!w)
        return NULL;
    (void)atomic_fetch_sub(&w->feed->hub->hubs->n_watchers, 1);
    timer_stop(&w->timer);
    watch_close(&w->cursor);
    (void)snapshot_unref(w->state);
    feed_leave(w);
    free(w);
    return NULL;
}

void watcher_stop(struct watcher *w)
{
    w->stopped = true;
    timer_stop(&w->timer);
    w->opts.on_wake(w->opts.arg);
}

/* ---- items ---- */

static bool key_selected(const struct watcher *w, const struct object *o)
{
    return w->any_key || str_has_prefix(o->key, w->opts.prefix);
}

static bool selected(const struct watcher *w, struct object *o)
{
    return object_filter_match(&w->filter, o);
}

static int give(struct watcher *w, enum watch_type type, struct object *o, int64_t revision,
                struct watch_item *ret_item)
{
    (void)atomic_fetch_add_explicit(&w->feed->hub->hubs->n_events, 1, memory_order_relaxed);
    *ret_item = (struct watch_item){
        .type = type, .object = object_as(o, w->opts.res), .revision = revision};
    return 1;
}

static bool next_of_state(struct watcher *w, struct watch_item *ret_item)
{
    struct object *o;

    if (!w->state)
        return false;
    while ((o = omap_next(&w->at)) && key_selected(w, o))
        if (selected(w, o))
            return give(w, WATCH_TYPE_ADDED, o, o->revision, ret_item);
    w->state = snapshot_unref(w->state);
    return false;
}

/* What @ev is to this watch; 0: nothing. */
static int give_event(struct watcher *w, const struct event *ev, struct watch_item *ret_item)
{
    struct object *last;
    bool now, before;
    int r;

    if (!key_selected(w, ev->object))
        return 0;
    if (ev->type == EVENT_ADDED)
        return selected(w, ev->object)
                   ? give(w, WATCH_TYPE_ADDED, ev->object, ev->revision, ret_item)
                   : 0;
    before = selected(w, ev->prev);
    if (ev->type == EVENT_DELETED)
        return before ? give(w, WATCH_TYPE_DELETED, ev->object, ev->revision, ret_item) : 0;
    now = selected(w, ev->object);
    if (now)
        return give(w, before ? WATCH_TYPE_MODIFIED : WATCH_TYPE_ADDED, ev->object, ev->revision,
                    ret_item);
    if (!before)
        return 0;
    last = object_with_revision(ev->prev, ev->revision); /* the last state that matched */
    r = give(w, WATCH_TYPE_DELETED, last, ev->revision, ret_item);
    (void)object_unref(last);
    return r;
}

/* An object of the kind with nothing but resourceVersion and perhaps the annotation. */
static int give_bookmark(struct watcher *w, bool initial_end, struct watch_item *ret_item)
{
    const struct resource *res = w->opts.res;
    struct string_pair pair = {STR("k8s.io/initial-events-end"), STR("true")};
    auto_arena a = {0};
    char *obj = arena_alloc(&a, res->type->size);
    struct meta_object_meta *meta = (void *)(obj + res->type->metadata_offset);
    struct object *o;

    if (initial_end)
        meta->annotations = (struct string_map){&pair, 1};
    o = object_new(res, obj);
    object_publish(o, MAX(w->cursor.revision, 1), 0, 0);
    *ret_item = (struct watch_item){.type = WATCH_TYPE_BOOKMARK,
                                    .object = o,
                                    .revision = w->cursor.revision,
                                    .initial_end = initial_end};
    return 1;
}

int watcher_next(struct watcher *w, struct watch_item *ret_item, struct err *err)
{
    struct event ev;
    int r;

    if (w->stopped)
        return err_new(err, ERR_EOF, "the watch has ended");
    if (next_of_state(w, ret_item))
        return 1;
    if (w->initial_end_due) { /* at the revision of the state */
        w->initial_end_due = false;
        return give_bookmark(w, true, ret_item);
    }
    while ((r = watch_next(w->opts.cache, &w->cursor, &ev, err)) == 1) {
        r = give_event(w, &ev, ret_item);
        if (r != 0)
            return r;
    }
    if (r < 0)
        return r;
    if (!w->bookmark_due)
        return 0;
    w->bookmark_due = false;
    return give_bookmark(w, false, ret_item);
}

int watcher_for_request(struct request *rq, void (*on_wake)(void *arg), void *arg,
                        struct watcher **ret_w, struct err *err)
{
    const struct list_options *lo = &rq->list;
    bool zero = lo->revision <= 0;
    struct watcher_opts opts = {
        .cache = store_cache(rq->as->store, rq->res),
        .res = rq->res,
        .prefix = select_prefix(rq->res, rq->ns, rq->arena),
        .labels = &lo->labels,
        .fields = &lo->fields,
        .revision = zero || lo->send_initial_events == 1 ? 0 : lo->revision,
        .from_now = zero && lo->send_initial_events == 0,
        .initial_end = lo->send_initial_events == 1 && lo->bookmarks,
        .bookmarks = lo->bookmarks,
        .timeout_sec = lo->timeout_sec,
        .on_wake = on_wake,
        .arg = arg,
    };

    return watcher_new(rq->as, rq->loop, &opts, ret_w, err);
}
