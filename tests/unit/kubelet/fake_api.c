/* fake_api.c - an API of memory behind client.h: pods, events, secrets, one node. */
#include "fake_node.h"

#include "client/transport.h"
#include "schema/patch.h"
#include "schema/typed.h"

struct fake_watch {
    struct client_watch base;
    struct fake_client *client;
    const struct resource *res;
    struct watch_opts opts;
    struct timer begin;
    struct fake_watch *next;
};
struct fake_client {
    struct client base;
    struct fake_node *node;
    struct fake_watch *watches;
};
struct pending {
    struct timer timer;
    struct transport_call *call;
    struct pending *next;
};

static struct fake_client *client_of(struct fake_node *f)
{
    return (struct fake_client *)(void *)f->client;
}

static void tell(struct fake_node *f, enum watch_event_type type, struct object *o)
{
    for (struct fake_watch *w = client_of(f)->watches; w; w = w->next) {
        struct watch_event ev = {.type = type, .object = o, .revision = o->revision};

        if (w->res == o->res && !timer_active(&w->begin))
            w->opts.on_event(w->opts.arg, &ev);
    }
}

static size_t find(const struct fake_node *f, const struct resource *res, struct str name)
{
    for (size_t i = 0; i < f->objects.n; i++) {
        if (f->objects.v[i]->res == res && str_eq(f->objects.v[i]->name, name))
            return i;
    }
    return f->objects.n;
}

static void store(struct fake_node *f, const struct resource *res, const void *typed)
{
    struct object *o = object_new(res, typed);
    size_t at = find(f, res, o->name);

    f->revision++;
    object_publish(o, f->revision, f->revision, 1);
    if (at < f->objects.n) {
        object_unref(f->objects.v[at]);
        f->objects.v[at] = o;
        tell(f, WATCH_MODIFIED, o);
    } else {
        vec_push(&f->objects, o);
        tell(f, WATCH_ADDED, o);
    }
}

void fake_pod(struct fake_node *f, const char *json)
{
    auto_arena a = {0};
    struct err err = {0};
    struct core_pod *pod;
    void *obj;

    assert_ok(typed_from_json(&type_core_pod, str_from(json), &a, &obj, &err), &err);
    typed_default(&type_core_pod, obj, &a);
    pod = obj;
    if (str_empty(pod->metadata.name))
        pod->metadata.name = STR("p");
    if (str_empty(pod->metadata.uid))
        pod->metadata.uid = STR("u1");
    pod->metadata.namespace = STR("ns");
    pod->metadata.generation = 1;
    pod->spec.node_name = STR("n1");
    store(f, &res_core_pods, pod);
}

static void patch_stored(struct fake_node *f, size_t at, struct str json)
{
    const struct resource *res = f->objects.v[at]->res;
    struct doc doc, patch;
    auto_arena a = {0};
    struct err err = {0};
    void *obj = arena_alloc(&a, res->type->size);

    doc = typed_to_doc(res->type, object_typed(f->objects.v[at]), &a);
    assert_ok(json_parse(json, &a, &patch, NULL, &err), &err);
    assert_ok(patch_strategic(&a, res->type, &doc, &patch, &err), &err);
    assert_ok(typed_from_doc(res->type, &doc, &a, obj, &err), &err);
    store(f, res, obj);
}

void fake_patch(struct fake_node *f, const char *name, const char *json)
{
    size_t at = find(f, &res_core_pods, str_from(name));

    assert_true(at < f->objects.n);
    patch_stored(f, at, str_from(json));
}

void fake_delete(struct fake_node *f, const char *name, int64_t grace_sec)
{
    char json[200];

    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
                   "\"deletionGracePeriodSeconds\":%lld}}",
                   (long long)grace_sec);
    fake_patch(f, name, json);
}

static void take_away(struct fake_node *f, size_t at)
{
    struct object *o = f->objects.v[at];

    vec_remove(&f->objects, at);
    tell(f, WATCH_DELETED, o);
    object_unref(o);
}

void fake_remove(struct fake_node *f, const char *name)
{
    size_t at = find(f, &res_core_pods, str_from(name));

    assert_true(at < f->objects.n);
    take_away(f, at);
}

const struct core_pod *fake_get(struct fake_node *f, const char *name)
{
    size_t at = find(f, &res_core_pods, str_from(name));

    return at < f->objects.n ? OBJECT_AS(core_pod, f->objects.v[at]) : NULL;
}

static void record(struct fake_node *f, const struct core_event *e)
{
    auto_arena a = {0};

    vec_push(&f->events,
             xstrdup(arena_printf(&a, "%.*s: %.*s", STR_ARG(e->reason), STR_ARG(e->message))));
}

static int answer(struct fake_node *f, struct transport_call *c, struct client_result *r)
{
    size_t at = find(f, c->res, c->name);

    if (c->verb == VERB_CREATE && c->res == &res_core_events) {
        record(f, c->body);
        return 0;
    }
    if (c->res == &res_core_events)
        return 0; /* a repeat */
    if (at == f->objects.n)
        return ERR_NOT_FOUND;
    if (c->verb == VERB_PATCH && c->opts.sub) {
        f->patches++;
        if (f->patch_code)
            return f->patch_code;
        assert_string_equal(c->opts.sub, "status");
        patch_stored(f, at, c->patch);
        r->object = f->objects.v[find(f, c->res, c->name)];
        return 0;
    }
    if (c->verb == VERB_DELETE) {
        f->deletes++;
        assert_int_equal(c->opts.grace_sec_plus1, 1);
        if (!str_eq(c->opts.uid_precondition, f->objects.v[at]->uid))
            return ERR_CONFLICT;
        take_away(f, at);
        return 0;
    }
    assert_int_equal(c->verb, VERB_GET);
    r->object = f->objects.v[at];
    return 0;
}

static void on_answer(struct timer *t)
{
    struct pending *p = container_of(t, struct pending, timer);
    struct fake_client *fc = (struct fake_client *)(void *)p->call->client;
    struct err err = {0};
    struct client_result r = {.err = &err};

    r.code = answer(fc->node, p->call, &r);
    if (r.code < 0)
        err_new(&err, r.code, "not today");
    transport_done(p->call, &r);
    free(p);
}

static void op_start(struct client *c, struct transport_call *call)
{
    struct pending *p = xnew(struct pending);

    p->call = call;
    call->priv = p;
    timer_init(&p->timer, c->loop, on_answer);
    timer_start(&p->timer, 1, 0);
}

static void on_cancelled(void *arg)
{
    struct pending *p = arg;
    struct err err = {0};
    struct client_result r = {.code = err_new(&err, ERR_CANCELED, "canceled"), .err = &err};

    transport_done(p->call, &r);
    free(p);
}

static void op_cancel(struct client *c, struct transport_call *call)
{
    struct pending *p = call->priv;

    if (timer_active(&p->timer)) {
        timer_stop(&p->timer);
        loop_post(c->loop, on_cancelled, p);
    }
}

static void on_begin(struct timer *t)
{
    struct fake_watch *w = container_of(t, struct fake_watch, begin);
    struct fake_node *f = w->client->node;
    struct watch_event end = {
        .type = WATCH_BOOKMARK, .revision = f->revision + 1, .initial_end = true};

    for (size_t i = 0; i < f->objects.n; i++) {
        struct watch_event ev = {.type = WATCH_ADDED, .object = f->objects.v[i],
                                 .revision = f->objects.v[i]->revision};

        if (f->objects.v[i]->res == w->res)
            w->opts.on_event(w->opts.arg, &ev);
    }
    w->opts.on_event(w->opts.arg, &end);
}

static struct client_watch *op_watch(struct client *c, const struct resource *res,
                                     const struct watch_opts *opts)
{
    struct fake_client *fc = (struct fake_client *)(void *)c;
    struct fake_watch *w = xnew(struct fake_watch);

    w->base.client = c;
    w->client = fc;
    w->res = res;
    w->opts = *opts;
    w->next = fc->watches;
    fc->watches = w;
    timer_init(&w->begin, c->loop, on_begin);
    timer_start(&w->begin, 1, 0);
    return &w->base;
}

static void op_watch_free(struct client_watch *cw)
{
    struct fake_watch *w = (struct fake_watch *)(void *)cw, **p;

    for (p = &w->client->watches; *p != w; p = &(*p)->next)
        ;
    *p = w->next;
    timer_stop(&w->begin);
    free(w);
}

static void op_destroy(struct client *c)
{
    free(c);
}

static const struct transport_ops ops = {op_start, op_cancel, op_watch, op_watch_free, op_destroy};

struct client *fake_api_new(struct fake_node *f)
{
    struct fake_client *fc = xnew(struct fake_client);

    fc->base.ops = &ops;
    fc->base.loop = f->loop;
    fc->node = f;
    return &fc->base;
}
