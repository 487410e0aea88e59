/* SPDX-License-Identifier: Apache-2.0 */
#include "client/informer.h"

#include "base/log.h"
#include "base/vec.h"

enum { RETRY_MIN_MS = 50, RETRY_MAX_MS = 30000 };

struct waiter {
    void (*fn)(void *arg);
    void *arg;
};
struct informer {
    struct informers *factory;
    const struct resource *res;
    struct arena arena; /* of the strings */
    struct str ns;
    const char *labels, *fields;
    struct omap objects;
    VEC(struct informer_handler) handlers;
    struct client_watch *watch;
    struct timer retry;
    uint32_t retry_ms;
    int64_t revision;  /* of the last event or bookmark */
    bool synced;       /* the first full state has been handed out */
    bool replacing;    /* between the start of a watch with initial events and their end */
    struct omap fresh; /* while replacing: what has been named so far */
    struct timer late; /* runs on_add of handlers that came after the sync */
    size_t n_told;     /* handlers that have been told all objects */
};
struct informers {
    struct client *client;
    VEC(struct informer *) all;
    VEC(struct waiter) waiters;
    struct timer check;
};

static void start_watch(struct informer *i);

static void tell_add(struct informer *i, struct object *o)
{
    for (size_t k = 0; k < i->n_told; k++) {
        if (i->handlers.v[k].on_add)
            i->handlers.v[k].on_add(i->handlers.v[k].arg, o);
    }
}

static void tell_update(struct informer *i, struct object *old, struct object *o)
{
    for (size_t k = 0; k < i->n_told; k++) {
        if (i->handlers.v[k].on_update)
            i->handlers.v[k].on_update(i->handlers.v[k].arg, old, o);
    }
}

static void tell_delete(struct informer *i, struct object *o)
{
    for (size_t k = 0; k < i->n_told; k++) {
        if (i->handlers.v[k].on_delete)
            i->handlers.v[k].on_delete(i->handlers.v[k].arg, o);
    }
}

static void apply_put(struct informer *i, struct object *o)
{
    struct object *old = omap_find(&i->objects, o->key);

    if (old && old->revision == o->revision)
        return; /* known: a watch that began anew names everything again */
    if (old)
        object_ref(old);
    (void)omap_put(&i->objects, o);
    if (old)
        tell_update(i, old, o);
    else
        tell_add(i, o);
    object_unref(old);
}

static void apply_delete(struct informer *i, struct object *o)
{
    if (!omap_remove(&i->objects, o->key))
        return;
    tell_delete(i, o);
}

/* The initial events are complete: what was not named is gone. */
static void end_replace(struct informer *i)
{
    struct omap before = omap_snapshot(&i->objects);
    struct omap_iter it;

    omap_seek(&before, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
        if (!omap_find(&i->fresh, o->key))
            apply_delete(i, o);
    }
    omap_deinit(&before);
    omap_deinit(&i->fresh);
    omap_init(&i->fresh, &object_omap_ops);
    i->replacing = false;
}

static void check_waiters(struct timer *t)
{
    struct informers *f = container_of(t, struct informers, check);

    if (!informers_synced(f))
        return;
    while (f->waiters.n > 0) {
        struct waiter w = f->waiters.v[0];

        vec_remove(&f->waiters, 0);
        w.fn(w.arg);
    }
}

static void on_event(void *arg, const struct watch_event *ev)
{
    struct informer *i = arg;

    i->retry_ms = 0;
    /* First, since handlers may ask how far the cache is. Initial events come in no order of
     * revisions: until their end the cache is not as far as any of them. */
    if (ev->revision > i->revision && (!i->replacing || ev->initial_end))
        i->revision = ev->revision;
    switch (ev->type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED:
        if (i->replacing)
            (void)omap_put(&i->fresh, ev->object);
        apply_put(i, ev->object);
        return;
    case WATCH_DELETED:
        if (i->replacing)
            (void)omap_remove(&i->fresh, ev->object->key);
        apply_delete(i, ev->object);
        return;
    case WATCH_BOOKMARK:
        if (!ev->initial_end)
            return;
        end_replace(i);
        i->synced = true;
        timer_start(&i->factory->check, 0, 0);
        return;
    }
}

static void on_end(void *arg, int code, const struct err *err)
{
    struct informer *i = arg;

    i->watch = client_watch_free(i->watch);
    if (code != 0)
        LOG_DEBUG("informer", "watch of %s ended: %s", i->res->plural, err->msg);
    if (code == ERR_EXPIRED || i->replacing)
        i->revision = 0; /* start over with the full state */
    i->retry_ms = code == 0     ? RETRY_MIN_MS
                  : i->retry_ms ? MIN(i->retry_ms * 2, RETRY_MAX_MS)
                                : RETRY_MIN_MS;
    timer_start(&i->retry, i->retry_ms, 0);
}

static void on_retry(struct timer *t)
{
    start_watch(container_of(t, struct informer, retry));
}

static void start_watch(struct informer *i)
{
    struct watch_opts opts = {.ns = i->ns,
                              .label_selector = i->labels,
                              .field_selector = i->fields,
                              .revision = i->revision,
                              .initial_events = i->revision == 0,
                              .on_event = on_event,
                              .on_end = on_end,
                              .arg = i};

    if (opts.initial_events) {
        i->replacing = true;
        omap_deinit(&i->fresh);
        omap_init(&i->fresh, &object_omap_ops);
    }
    i->watch = client_watch(i->factory->client, i->res, &opts);
}

/* Handlers that were added later are told of what is known, from the loop. */
static void on_late(struct timer *t)
{
    struct informer *i = container_of(t, struct informer, late);

    while (i->n_told < i->handlers.n) {
        struct informer_handler h = i->handlers.v[i->n_told++];
        struct omap now = omap_snapshot(&i->objects);
        struct omap_iter it;

        omap_seek(&now, STR_NULL, &it);
        for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
            if (h.on_add)
                h.on_add(h.arg, o);
        }
        omap_deinit(&now);
    }
}

struct informers *informers_new(struct client *c)
{
    struct informers *f = xnew(struct informers);

    f->client = c;
    timer_init(&f->check, client_loop(c), check_waiters);
    return f;
}

static void informer_free(struct informer *i)
{
    i->watch = client_watch_free(i->watch);
    timer_stop(&i->retry);
    timer_stop(&i->late);
    omap_deinit(&i->objects);
    omap_deinit(&i->fresh);
    vec_deinit(&i->handlers);
    arena_deinit(&i->arena);
    free(i);
}

struct informers *informers_free(struct informers *f)
{
    if (!f)
        return NULL;
    for (size_t k = 0; k < f->all.n; k++)
        informer_free(f->all.v[k]);
    vec_deinit(&f->all);
    vec_deinit(&f->waiters);
    timer_stop(&f->check);
    free(f);
    return NULL;
}

static bool same(const char *a, const char *b)
{
    return str_eq(str_from(a), str_from(b));
}

struct informer *informers_get(struct informers *f, const struct resource *res, struct str ns,
                               const char *label_selector, const char *field_selector)
{
    struct informer *i;

    for (size_t k = 0; k < f->all.n; k++) {
        i = f->all.v[k];
        if (i->res == res && str_eq(i->ns, ns) && same(i->labels, label_selector) &&
            same(i->fields, field_selector))
            return i;
    }
    i = xnew(struct informer);
    i->factory = f;
    i->res = res;
    i->ns = str_dup(&i->arena, ns);
    i->labels = label_selector ? arena_strdup(&i->arena, label_selector) : NULL;
    i->fields = field_selector ? arena_strdup(&i->arena, field_selector) : NULL;
    omap_init(&i->objects, &object_omap_ops);
    omap_init(&i->fresh, &object_omap_ops);
    timer_init(&i->retry, client_loop(f->client), on_retry);
    timer_init(&i->late, client_loop(f->client), on_late);
    vec_push(&f->all, i);
    start_watch(i);
    return i;
}

void informer_add_handler(struct informer *i, const struct informer_handler *h)
{
    vec_push(&i->handlers, *h);
    timer_start(&i->late, 0, 0);
}

bool informer_synced(const struct informer *i)
{
    return i->synced && i->n_told == i->handlers.n;
}

int64_t informer_revision(const struct informer *i)
{
    return i->revision;
}

bool informers_synced(const struct informers *f)
{
    for (size_t k = 0; k < f->all.n; k++) {
        if (!f->all.v[k]->synced)
            return false;
    }
    return true;
}

void informers_on_synced(struct informers *f, void (*fn)(void *arg), void *arg)
{
    struct waiter w = {fn, arg};

    vec_push(&f->waiters, w);
    timer_start(&f->check, 0, 0);
}

/* Objects are indexed by store key, which a client can make from the resource. */
struct object *informer_find(const struct informer *i, struct str ns, struct str name)
{
    stack_arena(a, 1024);

    return omap_find(&i->objects, resource_key(i->res, ns, name, &a));
}

const struct omap *informer_objects(const struct informer *i)
{
    return &i->objects;
}

struct object *informer_first(const struct informer *i, struct str ns, struct informer_iter *it)
{
    auto_arena a = {0};

    it->ns = ns;
    if (ns.len == 0) {
        omap_seek(&i->objects, STR_NULL, &it->it);
    } else {
        omap_seek(&i->objects, resource_key(i->res, ns, STR_NULL, &a), &it->it);
    }
    return informer_next(it);
}

struct object *informer_next(struct informer_iter *it)
{
    struct object *o = omap_next(&it->it);

    if (!o || it->ns.len == 0 || str_eq(o->ns, it->ns))
        return o;
    return NULL;
}
