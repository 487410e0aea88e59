/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client_inproc.h"

#include "apiserver/inproc.h"
#include "client/transport.h"

enum { ALIVE_MS = 24 * 60 * 60 * 1000 };

struct inproc_client {
    struct client base;
    struct apiserver *as;
    struct str user;
    const char *const *groups;
    unsigned watches; /* still known to the server: the client lives on until they have ended */
    bool destroyed;
    struct timer alive; /* keeps the loop running while the server may still post answers to it */
};
struct inproc_watch {
    struct client_watch base;
    struct inproc_call call;
    struct watch_opts opts; /* strings in arena */
    struct arena arena;
    bool freed; /* the owner has let go: nothing is told any more */
    bool ended;
};

static void client_release(struct inproc_client *c)
{
    if (!c->destroyed || c->watches > 0)
        return;
    timer_stop(&c->alive);
    free(c);
}

static void on_alive(struct timer *t)
{
    (void)t;
}

static void fill(struct inproc_call *call, struct inproc_client *c, enum verb verb,
                 const struct resource *res)
{
    call->verb = verb;
    call->res = res;
    call->user = c->user;
    call->groups = c->groups;
    call->loop = c->base.loop;
    call->revision = -1;
    call->grace_sec = -1;
    call->sub = "";
}

static void on_done(struct inproc_call *ic)
{
    struct transport_call *call = ic->arg;
    struct client_result r = {.code = ic->code,
                              .http_status = ic->http_status,
                              .err = &ic->err,
                              .object = ic->object,
                              .objects = ic->objects,
                              .n_objects = ic->n_objects,
                              .revision = ic->list_revision,
                              .json = ic->answer_json};
    struct object *object = ic->object, **objects = ic->objects;
    size_t n = ic->n_objects;

    transport_done(call, &r); /* frees call and, with its arena, ic */
    object_unref(object);
    for (size_t i = 0; i < n; i++)
        object_unref(objects[i]);
    free(objects);
}

static void start(struct client *base, struct transport_call *call)
{
    struct inproc_client *c = container_of(base, struct inproc_client, base);
    struct inproc_call *ic = arena_new(&call->arena, struct inproc_call);
    int64_t revision;

    fill(ic, c, call->verb, call->res);
    ic->sub = call->opts.sub ? call->opts.sub : "";
    ic->ns = call->ns;
    ic->name = call->name;
    ic->body_type = call->body_type;
    ic->body = call->body;
    ic->patch_type = str_from(call->patch_type);
    ic->patch = call->patch;
    ic->label_selector = str_from(call->opts.label_selector);
    ic->field_selector = str_from(call->opts.field_selector);
    ic->propagation = str_from(call->opts.propagation);
    ic->uid_precondition = call->opts.uid_precondition;
    ic->rv_precondition = call->opts.rv_precondition;
    ic->grace_sec = call->opts.grace_sec_plus1 - 1;
    if (call->opts.resource_version && str_to_i64(str_from(call->opts.resource_version), &revision))
        ic->revision = revision;
    ic->on_done = on_done;
    ic->arg = call;
    call->priv = ic;
    inproc_start(c->as, ic);
}

static void cancel(struct client *base, struct transport_call *call)
{
    struct inproc_client *c = container_of(base, struct inproc_client, base);

    inproc_cancel(c->as, call->priv);
}

static void deliver(struct inproc_watch *w, const struct inproc_event *ie)
{
    static const enum watch_event_type types[] = {
        [INPROC_ADDED] = WATCH_ADDED,
        [INPROC_MODIFIED] = WATCH_MODIFIED,
        [INPROC_DELETED] = WATCH_DELETED,
        [INPROC_BOOKMARK] = WATCH_BOOKMARK,
    };
    struct watch_event ev = {.type = types[ie->type],
                             .object = ie->object,
                             .revision = ie->revision,
                             .initial_end = ie->initial_end};

    w->opts.on_event(w->opts.arg, &ev);
}

static void on_events(struct inproc_call *call, struct inproc_event *events, size_t n)
{
    struct inproc_watch *w = call->arg;

    for (size_t i = 0; i < n; i++) {
        if (!w->freed)
            deliver(w, &events[i]);
        object_unref(events[i].object);
    }
}

static void watch_release(struct inproc_watch *w)
{
    struct inproc_client *c = container_of(w->base.client, struct inproc_client, base);

    arena_deinit(&w->arena);
    free(w);
    c->watches--;
    client_release(c);
}

static void on_watch_done(struct inproc_call *call)
{
    struct inproc_watch *w = call->arg;

    w->ended = true;
    if (w->freed) {
        watch_release(w);
        return;
    }
    w->opts.on_end(w->opts.arg, call->code, &call->err);
}

static struct client_watch *watch(struct client *base, const struct resource *res,
                                  const struct watch_opts *opts)
{
    struct inproc_client *c = container_of(base, struct inproc_client, base);
    struct inproc_watch *w = xnew(struct inproc_watch);

    w->base.client = base;
    w->opts = *opts;
    fill(&w->call, c, VERB_WATCH, res);
    w->call.ns = str_dup(&w->arena, opts->ns);
    if (opts->label_selector)
        w->call.label_selector = str_from(arena_strdup(&w->arena, opts->label_selector));
    if (opts->field_selector)
        w->call.field_selector = str_from(arena_strdup(&w->arena, opts->field_selector));
    w->call.revision = opts->initial_events ? -1 : opts->revision;
    w->call.send_initial_events = opts->initial_events;
    w->call.on_events = on_events;
    w->call.on_done = on_watch_done;
    w->call.arg = w;
    c->watches++;
    inproc_start(c->as, &w->call);
    return &w->base;
}

static void watch_free(struct client_watch *base)
{
    struct inproc_watch *w = container_of(base, struct inproc_watch, base);
    struct inproc_client *c = container_of(base->client, struct inproc_client, base);

    assert(!w->freed);
    w->freed = true;
    if (w->ended)
        watch_release(w);
    else
        inproc_cancel(c->as, &w->call);
}

static void destroy(struct client *base)
{
    struct inproc_client *c = container_of(base, struct inproc_client, base);

    c->destroyed = true;
    client_release(c);
}

static const struct transport_ops inproc_ops = {
    .start = start,
    .cancel = cancel,
    .watch = watch,
    .watch_free = watch_free,
    .destroy = destroy,
};

struct client *client_inproc_new(struct apiserver *as, struct loop *l, const char *user,
                                 const char *const *groups)
{
    struct inproc_client *c = xcalloc(1, sizeof(*c) + strlen(user) + 1);
    char *copy = (char *)(c + 1);

    memcpy(copy, user, strlen(user) + 1);
    c->base.ops = &inproc_ops;
    c->base.loop = l;
    c->as = as;
    c->user = str_from(copy);
    c->groups = groups;
    timer_init(&c->alive, l, on_alive);
    timer_start(&c->alive, ALIVE_MS, ALIVE_MS);
    return &c->base;
}
