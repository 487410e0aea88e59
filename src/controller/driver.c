/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - from events to keys, from keys to plans, from plans to writes; see controller.h.
 *
 * A key whose last plan wrote something is planned again only when the informers show those writes:
 * each write leaves an expectation (this resource at this revision; this object gone or going). A
 * plan refers to objects of the caches, which may change while it is carried out: the job holds the
 * caches as they were. */
#include "controller/driver.h"

#include "base/log.h"
#include "base/map.h"
#include "base/vec.h"
#include "client/workqueue.h"
#include "controller/execute.h"
#include "controller/owners.h"

enum {
    ACTIVE_MAX = 32,           /* keys whose plans run at the same time */
    EXPECT_RETRY_MS = 500,     /* events normally come first */
    EXPECT_GIVE_UP_MS = 30000, /* a write whose event never came must not stop a key for ever */
    GONE_MAX = 10000           /* missing objects of one resource whose age is kept */
};

struct watched {
    struct driver *driver;
    const struct watch_rule *rule;
    const struct resource *res;
    struct informer *informer;
    struct map ages; /* store key -> struct age, when the rule asks for it */
    size_t n_gone;   /* of them */
    bool asked;      /* by the plan that is being made */
};
struct age {
    uint64_t at_ms; /* of the last change, or of its end */
    bool gone;
};
struct expectation {
    const struct resource *res;
    int64_t revision;         /* > 0: the informer must have come so far */
    struct str ns, name, uid; /* else: this object must be gone or going */
};
struct key_state { /* of a key that has expectations or has failed */
    struct arena arena;
    VEC(struct expectation) expected;
    uint64_t since_ms;
    char *last_error;
};
struct driver {
    const struct controller *controller;
    const struct controllers_opts *manager;
    struct client *client;
    struct loop *loop;
    struct workqueue *queue;
    struct event_recorder *recorder;
    VEC(struct watched *) watched;
    struct map states;
    struct owners owners; /* if the controller asks for it */
    struct job *planning; /* whose plan() is running */
    unsigned active;
    uint64_t since_ms;
    bool synced;
    bool taking; /* take_keys() is at work: plans that end at once must not recurse into it */
    bool freed;  /* ends with the last job */
    struct timer resync;
};
struct job { /* a key at work */
    struct driver *driver;
    struct arena arena;
    struct str key;
    struct plan plan;
    VEC(struct omap) held; /* caches that the plan looked at, as it saw them */
    bool failed;
};

static struct watched *find_watched(const struct driver *d, const struct resource *res)
{
    for (size_t i = 0; i < d->watched.n; i++) {
        if (d->watched.v[i]->res == res)
            return d->watched.v[i];
    }
    return NULL;
}

static struct watched *ask(const struct view *v, const struct resource *res)
{
    struct watched *w = find_watched(v->driver, res);

    assert(w);
    w->asked |= v->driver->planning != NULL;
    return w;
}

struct object *view_find(const struct view *v, const struct resource *res, struct str ns,
                         struct str name)
{
    struct watched *w = ask(v, res);

    return informer_find(w->informer, ns, name);
}

struct object *view_first(const struct view *v, const struct resource *res, struct str ns,
                          struct informer_iter *it)
{
    struct watched *w = ask(v, res);

    return informer_first(w->informer, ns, it);
}

uint64_t view_age_ms(const struct view *v, const struct object *o)
{
    struct watched *w = find_watched(v->driver, o->res);
    const struct age *age = w ? map_find(&w->ages, o->key) : NULL;

    return age && !age->gone ? loop_now_ms(v->driver->loop) - age->at_ms : 0;
}

uint64_t view_gone_ms(const struct view *v, const struct resource *res, struct str ns,
                      struct str name)
{
    struct watched *w = find_watched(v->driver, res);
    const struct age *age;

    assert(w && w->rule->track_age);
    if (informer_find(w->informer, ns, name))
        return 0;
    age = map_find(&w->ages, resource_key(res, ns, name, v->arena));
    return MAX(loop_now_ms(v->driver->loop) - (age ? age->at_ms : v->driver->since_ms), 1);
}

bool view_watches(const struct view *v, const struct resource *res)
{
    return find_watched(v->driver, res);
}

const struct omap *view_dependents(const struct view *v, struct str uid)
{
    const struct omap *m = owners_dependents(&v->driver->owners, uid);
    struct job *j = v->driver->planning;

    assert(v->driver->controller->index_owners);
    if (j && m)
        vec_push(&j->held, omap_snapshot(m));
    return m;
}

bool view_saw_end(const struct view *v, struct str uid)
{
    assert(v->driver->controller->index_owners);
    return owners_saw_end(&v->driver->owners, uid);
}

static void fill_view(struct driver *d, struct arena *a, struct view *v)
{
    *v = (struct view){.driver = d,
                       .now_ns = loop_wall_ns(d->loop),
                       .arena = a,
                       .ca_pem = d->manager->ca_pem,
                       .node_monitor_grace_ms = d->manager->node_monitor_grace_ms};
}

static void add_key(void *arg, struct str key)
{
    struct driver *d = arg;

    workqueue_add(d->queue, key, 0);
}

static void enqueue(struct watched *w, const struct object *o)
{
    struct driver *d = w->driver;
    auto_arena a = {0};
    struct view v;

    if (!w->rule->keys) {
        add_key(d, o->ns.len > 0 ? str_printf(&a, "%.*s/%.*s", STR_ARG(o->ns), STR_ARG(o->name))
                                 : o->name);
        return;
    }
    fill_view(d, &a, &v);
    w->rule->keys(&v, o, add_key, d);
}

static void touch(struct watched *w, const struct object *o)
{
    struct age *age;

    if (!w->rule->track_age)
        return;
    age = map_find(&w->ages, o->key);
    if (!age) {
        age = xnew(struct age);
        (void)map_set(&w->ages, o->key, age);
    }
    w->n_gone -= age->gone;
    *age = (struct age){.at_ms = loop_now_ms(w->driver->loop)};
}

/* Forgets when objects went: they count as missing since this process began to look. */
static void forget_gone(struct watched *w)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(&w->ages, &it, &key, &value);) {
        if (((struct age *)value)->gone)
            free(map_remove(&w->ages, key));
    }
    w->n_gone = 0;
}

static void mark_gone(struct watched *w, const struct object *o)
{
    struct age *age = map_find(&w->ages, o->key);

    if (!age || age->gone)
        return;
    *age = (struct age){loop_now_ms(w->driver->loop), true};
    if (++w->n_gone > GONE_MAX)
        forget_gone(w);
}

static void on_add(void *arg, struct object *o)
{
    struct watched *w = arg;

    touch(w, o);
    if (w->driver->controller->index_owners)
        owners_change(&w->driver->owners, NULL, o);
    enqueue(w, o);
}

static void on_update(void *arg, struct object *old, struct object *o)
{
    struct watched *w = arg;

    touch(w, o);
    if (w->driver->controller->index_owners)
        owners_change(&w->driver->owners, old, o);
    enqueue(w, old);
    enqueue(w, o);
}

static void on_delete(void *arg, struct object *o)
{
    struct watched *w = arg;

    if (w->rule->track_age)
        mark_gone(w, o);
    if (w->driver->controller->index_owners)
        owners_change(&w->driver->owners, o, NULL);
    enqueue(w, o);
}

static void watch_resource(struct driver *d, struct informers *f, const struct resource *res,
                           const struct watch_rule *rule)
{
    struct watched *w = xnew(struct watched);
    struct informer_handler h = {on_add, on_update, on_delete, w};

    w->driver = d;
    w->res = res;
    w->rule = rule;
    w->informer = informers_get(f, res, STR_NULL, NULL, NULL);
    vec_push(&d->watched, w);
    informer_add_handler(w->informer, &h);
}

static struct key_state *state_of(struct driver *d, struct str key)
{
    struct key_state *s = map_find(&d->states, key);

    if (!s) {
        s = xnew(struct key_state);
        (void)map_set(&d->states, key, s);
    }
    return s;
}

static void state_free(struct key_state *s)
{
    vec_deinit(&s->expected);
    arena_deinit(&s->arena);
    free(s->last_error);
    free(s);
}

static void state_drop_if_idle(struct driver *d, struct str key)
{
    struct key_state *s = map_find(&d->states, key);

    if (!s || s->expected.n > 0 || s->last_error)
        return;
    (void)map_remove(&d->states, key);
    state_free(s);
}

static bool fulfilled(struct driver *d, const struct expectation *e)
{
    struct watched *w = find_watched(d, e->res);
    const struct object *o;

    if (!w)
        return true; /* not watched: nothing to wait for */
    if (e->revision > 0)
        return informer_revision(w->informer) >= e->revision;
    o = informer_find(w->informer, e->ns, e->name);
    return !o || !str_eq(o->uid, e->uid) || object_meta(o)->deletion_timestamp.set;
}

/* True when the informers show all that the last plan of @key wrote. */
static bool caught_up(struct driver *d, struct str key)
{
    struct key_state *s = map_find(&d->states, key);

    if (!s || s->expected.n == 0)
        return true;
    for (size_t i = s->expected.n; i-- > 0;) {
        if (fulfilled(d, &s->expected.v[i]))
            vec_swap_remove(&s->expected, i);
    }
    if (s->expected.n > 0 && loop_now_ms(d->loop) - s->since_ms < EXPECT_GIVE_UP_MS)
        return false;
    if (s->expected.n > 0)
        LOG_WARN(d->controller->name, "writes not seen back in %d s, going on key=%.*s",
                 EXPECT_GIVE_UP_MS / 1000, STR_ARG(key));
    vec_clear(&s->expected);
    arena_deinit(&s->arena);
    return true;
}

static void expect(struct job *j, const struct plan_op *op, const struct client_result *r)
{
    struct driver *d = j->driver;
    struct key_state *s = state_of(d, j->key);
    struct expectation e = {.res = op->res};

    if (op->kind == PLAN_DELETE) {
        e.ns = str_dup(&s->arena, op->ns);
        e.name = str_dup(&s->arena, op->name);
        e.uid = str_dup(&s->arena, op->uid);
        if (op->uid.len == 0)
            return;
    } else if (r->object) {
        e.revision = r->object->revision;
    } else {
        return;
    }
    s->since_ms = loop_now_ms(d->loop);
    vec_push(&s->expected, e);
}

static void on_op_done(void *arg, const struct plan_op *op, const struct client_result *r)
{
    struct job *j = arg;
    struct key_state *s;

    if (r->code == 0) {
        expect(j, op, r);
        return;
    }
    if ((r->code == ERR_EXISTS && op->ignore_exists) ||
        (r->code == ERR_NOT_FOUND && op->ignore_missing))
        return;
    j->failed = true;
    /* A conflict only says that the cache was behind: the next plan knows better. */
    if (r->code == ERR_CONFLICT || r->code == ERR_CANCELED)
        return;
    s = state_of(j->driver, j->key);
    free(s->last_error);
    s->last_error = xstrdup(r->err->msg);
    LOG_WARN(j->driver->controller->name, "%s %s key=%.*s: %s", plan_op_name(op->kind),
             op->res->plural, STR_ARG(j->key), r->err->msg);
}

static void take_keys(void *arg);

static void release(struct driver *d);

static void job_free(struct job *j)
{
    struct driver *d = j->driver;

    d->active--;
    for (size_t i = 0; i < j->held.n; i++)
        omap_deinit(&j->held.v[i]);
    vec_deinit(&j->held);
    arena_deinit(&j->arena);
    free(j);
    if (d->freed)
        release(d);
    else
        take_keys(d);
}

static void job_end(struct job *j, bool ok)
{
    struct driver *d = j->driver;
    struct key_state *s = map_find(&d->states, j->key);
    uint64_t requeue_ms = j->plan.requeue_ms;

    if (ok && s) {
        free(s->last_error);
        s->last_error = NULL;
    }
    state_drop_if_idle(d, j->key);
    if (ok && requeue_ms > 0)
        workqueue_add(d->queue, j->key, requeue_ms);
    workqueue_done(d->queue, j->key, ok);
    job_free(j);
}

/* The informers do not show the last plan's writes yet: the key comes again as it was. */
static void job_defer(struct job *j)
{
    workqueue_defer(j->driver->queue, j->key, EXPECT_RETRY_MS);
    job_free(j);
}

static void on_executed(void *arg)
{
    struct job *j = arg;

    job_end(j, !j->failed);
}

/* Runs plan() and holds what it looked at for as long as there is something to do. */
static int make_plan(struct job *j, const struct view *v, struct err *err)
{
    struct driver *d = j->driver;
    int r;

    d->planning = j;
    r = d->controller->plan(v, j->key, &j->plan, err);
    d->planning = NULL;
    for (size_t i = 0; i < d->watched.n; i++) {
        struct watched *w = d->watched.v[i];

        if (w->asked && j->plan.n > 0)
            vec_push(&j->held, omap_snapshot(informer_objects(w->informer)));
        w->asked = false;
    }
    return r;
}

static void work(struct driver *d, struct str key)
{
    struct job *j = xnew(struct job);
    const struct key_state *s;
    struct view v;
    struct err err = {0};
    int r;

    d->active++;
    j->driver = d;
    j->key = key;
    j->plan.arena = &j->arena;
    if (!caught_up(d, key)) {
        job_defer(j);
        return;
    }
    fill_view(d, &j->arena, &v);
    s = map_find(&d->states, key);
    v.last_error = str_from(s ? s->last_error : NULL);
    v.failures = workqueue_failures(d->queue, key);
    r = make_plan(j, &v, &err);
    if (r < 0) {
        LOG_WARN(d->controller->name, "plan failed key=%.*s: %s", STR_ARG(key), err.msg);
        job_end(j, false);
        return;
    }
    execute_plan(d->client, d->recorder, &j->plan, on_op_done, on_executed, j);
}

static void take_keys(void *arg)
{
    struct driver *d = arg;

    if (d->taking)
        return;
    d->taking = true;
    while (d->synced && d->active < ACTIVE_MAX) {
        struct str key = workqueue_take(d->queue);

        if (!key.p)
            break;
        work(d, key);
    }
    d->taking = false;
}

static void on_synced(void *arg)
{
    struct driver *d = arg;

    LOG_DEBUG(d->controller->name, "synced keys=%zu", workqueue_len(d->queue));
    d->synced = true;
    take_keys(d);
}

static void on_resync(struct timer *t)
{
    struct driver *d = container_of(t, struct driver, resync);
    struct informer_iter it;
    struct watched *own = d->watched.v[0];

    for (struct object *o = informer_first(own->informer, STR_NULL, &it); o; o = informer_next(&it))
        enqueue(own, o);
}

static void watch_everything(struct driver *d, struct informers *f)
{
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *res = api_resources[i];

        if ((res->verbs & VERB_BIT(VERB_WATCH)) && res->storage == res && !find_watched(d, res))
            watch_resource(d, f, res, d->controller->everything);
    }
}

struct driver *driver_new(const struct driver_opts *opts)
{
    struct driver *d = xnew(struct driver);
    struct workqueue_opts queue = {.on_ready = take_keys, .arg = d};

    d->controller = opts->controller;
    d->manager = opts->manager;
    d->client = opts->client;
    d->loop = client_loop(opts->client);
    d->queue = workqueue_new(d->loop, &queue);
    d->since_ms = loop_now_ms(d->loop);
    d->recorder = event_recorder_new(opts->client, opts->controller->event_component, "");
    for (const struct watch_rule *w = opts->controller->watches; w->res; w++)
        watch_resource(d, opts->informers, w->res, w);
    if (opts->controller->everything)
        watch_everything(d, opts->informers);
    informers_on_synced(opts->informers, on_synced, d);
    timer_init(&d->resync, d->loop, on_resync);
    if (opts->controller->resync_ms > 0)
        timer_start(&d->resync, opts->controller->resync_ms, opts->controller->resync_ms);
    return d;
}

static void watched_free(struct watched *w)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(&w->ages, &it, &key, &value);)
        free(value);
    map_deinit(&w->ages);
    free(w);
}

static void release(struct driver *d)
{
    struct str key;
    void *value;

    if (d->active > 0)
        return;
    d->recorder = event_recorder_free(d->recorder);
    d->queue = workqueue_free(d->queue);
    for (size_t it = 0; map_next(&d->states, &it, &key, &value);)
        state_free(value);
    map_deinit(&d->states);
    owners_deinit(&d->owners);
    for (size_t i = 0; i < d->watched.n; i++)
        watched_free(d->watched.v[i]);
    vec_deinit(&d->watched);
    free(d);
}

struct driver *driver_free(struct driver *d)
{
    if (!d)
        return NULL;
    timer_stop(&d->resync);
    d->synced = false;
    d->freed = true;
    release(d);
    return NULL;
}
