/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_api.h"

#include <stdio.h>

#include "base/omap.h"
#include "base/vec.h"
#include "schema/patch.h"
#include "schema/typed.h"

struct fault {
    enum verb verb;
    const struct resource *res;
    unsigned n;
    int code;
    const char *msg;
};
struct queued { /* an event on its way to a watch */
    enum watch_event_type type;
    struct object *object;
    int64_t revision;
    bool initial_end;
};
struct fake_watch {
    struct client_watch base;
    struct fake *fake;
    const struct resource *res;
    struct watch_opts opts;
    struct timer timer;
    VEC(struct queued) queue;
    int end_code;
    bool ended;
    struct fake_watch *next;
};
struct fake {
    struct loop *loop;
    struct omap objects; /* of all resources, by store key */
    int64_t revision;
    unsigned n_uids, n_names;
    struct fake_watch *watches;
    VEC(struct fault) faults;
    VEC(char *) log;
    bool held, stalled;
    const struct resource *held_only; /* its watches are, or NULL */
    char text[2048];
};
struct fake_client {
    struct client base;
    struct fake *fake;
};
struct pending { /* a call on its way; in the call's arena */
    struct timer timer;
    struct transport_call *call;
    bool canceled;
};

static uint64_t delay_ms(struct fake *f, uint64_t max)
{
    return 1 + random_below(loop_random(f->loop), max);
}

static bool is_held(const struct fake_watch *w)
{
    return w->fake->held || w->fake->held_only == w->res;
}

static void send_event(struct fake *f, enum watch_event_type type, struct object *o)
{
    for (struct fake_watch *w = f->watches; w; w = w->next) {
        struct queued q = {type, o, o->revision, false};

        if (w->res != o->res || w->ended || (w->opts.ns.len > 0 && !str_eq(w->opts.ns, o->ns)))
            continue;
        object_ref(o);
        vec_push(&w->queue, q);
        if (!is_held(w) && !timer_active(&w->timer))
            timer_start(&w->timer, delay_ms(f, 10), 0);
    }
}

static struct meta_object_meta *meta_of(const struct resource *res, void *obj)
{
    return (void *)((char *)obj + res->type->metadata_offset);
}

/* Stores @obj as the next revision of its object, or removes it for good. */
static struct object *commit(struct fake *f, const struct resource *res, void *obj, bool remove)
{
    struct object *o, *old;
    int64_t created, version;

    meta_of(res, obj)->resource_version = STR_NULL;
    o = object_new(res, obj);
    old = omap_find(&f->objects, o->key);
    f->revision++;
    created = old ? old->create_revision : f->revision;
    version = old ? old->version + 1 : 1;
    object_publish(o, f->revision, created, version);
    if (remove)
        (void)omap_remove(&f->objects, o->key);
    else
        (void)omap_put(&f->objects, o);
    send_event(f, remove ? WATCH_DELETED : old ? WATCH_MODIFIED : WATCH_ADDED, o);
    return o;
}

static void *parse(const struct resource *res, struct str json, struct arena *a)
{
    void *obj = NULL;
    struct err err = {0};

    if (typed_from_json(res->type, json, a, &obj, &err) < 0) {
        (void)fprintf(stderr, "fake: %s\n%.*s\n", err.msg, STR_ARG(json));
        abort();
    }
    return obj;
}

static struct time_value now_of(const struct fake *f)
{
    return time_from_ns(loop_wall_ns(f->loop) / 1000000000 * 1000000000);
}

static void fill_new(struct fake *f, struct meta_object_meta *meta, struct arena *a)
{
    if (meta->uid.len == 0)
        meta->uid = str_printf(a, "uid-%u", ++f->n_uids);
    if (!meta->creation_timestamp.set)
        meta->creation_timestamp = now_of(f);
    if (meta->generation == 0)
        meta->generation = 1;
}

static struct object *find(struct fake *f, const struct resource *res, struct str ns,
                           struct str name)
{
    auto_arena a = {0};

    return omap_find(&f->objects, resource_key(res, ns, name, &a));
}

/* Copies member @name of @from to @to, both structs of @type. */
static void copy_member(const struct type *type, void *to, const void *from, const char *name)
{
    const struct field *f = type_field(type, str_from(name));

    if (f)
        memcpy(field_ptr(f, to), field_ptr(f, from),
               f->card == CARD_ONE   ? field_elem_size(f)
               : f->card == CARD_PTR ? sizeof(void *)
                                     : sizeof(struct any_list));
}

/* True when nothing holds a deleted object any more. */
static bool may_go(const struct resource *res, void *obj)
{
    const struct meta_object_meta *meta = meta_of(res, obj);

    if (!meta->deletion_timestamp.set || meta->finalizers.n > 0)
        return false;
    if (res == &res_core_namespaces)
        return ((struct core_namespace *)obj)->spec.finalizers.n == 0;
    return !meta->deletion_grace_period_seconds || *meta->deletion_grace_period_seconds == 0;
}

/* Writes @obj over @old with what a client may not change kept. */
static struct object *replace(struct fake *f, struct object *old, void *obj, const char *sub,
                              struct arena *a)
{
    const struct resource *res = old->res;
    void *was = typed_clone(res->type, object_typed(old), a, true);
    struct meta_object_meta *meta = meta_of(res, obj), *before = meta_of(res, was);

    if (sub && strcmp(sub, "status") == 0) {
        copy_member(res->type, was, obj, "status");
        before->annotations = meta->annotations; /* as the server does */
        obj = was;
        meta = before;
    } else if (sub && strcmp(sub, "finalize") == 0) {
        ((struct core_namespace *)was)->spec.finalizers =
            ((struct core_namespace *)obj)->spec.finalizers;
        obj = was;
        meta = before;
    } else {
        meta->uid = before->uid;
        meta->creation_timestamp = before->creation_timestamp;
        meta->deletion_timestamp = before->deletion_timestamp;
        meta->deletion_grace_period_seconds = before->deletion_grace_period_seconds;
        if (res->flags & RESOURCE_STATUS)
            copy_member(res->type, obj, was, "status");
    }
    meta->resource_version = before->resource_version;
    meta->generation = before->generation;
    if (typed_equal(res->type, obj, was) && obj != was)
        return object_ref(old);
    if (!sub && res->generation_paths)
        meta->generation++; /* also for changes of metadata: nobody here minds */
    return commit(f, res, obj, may_go(res, obj));
}

static int create(struct fake *f, struct transport_call *call, struct object **ret_o,
                  struct err *err)
{
    void *obj = typed_clone(call->res->type, call->body, &call->arena, true);
    struct meta_object_meta *meta = meta_of(call->res, obj);

    if (meta->name.len == 0)
        meta->name =
            str_printf(&call->arena, "%.*s%05u", STR_ARG(meta->generate_name), ++f->n_names);
    if (meta->namespace.len == 0)
        meta->namespace = call->ns;
    if (find(f, call->res, call->ns, meta->name))
        return err_new(err, ERR_EXISTS, "%s \"%.*s\" already exists", call->res->plural,
                       STR_ARG(meta->name));
    meta->uid = STR_NULL;
    meta->creation_timestamp = (struct time_value){0};
    typed_default(call->res->type, obj, &call->arena);
    fill_new(f, meta, &call->arena);
    *ret_o = commit(f, call->res, obj, false);
    return 0;
}

static int check_revision(const struct object *old, struct str rv, struct str uid, struct err *err)
{
    int64_t revision;

    if (uid.len > 0 && !str_eq(uid, old->uid))
        return err_new(err, ERR_CONFLICT,
                       "Precondition failed: UID in precondition: %.*s, UID in "
                       "object meta: %.*s",
                       STR_ARG(uid), STR_ARG(old->uid));
    if (rv.len > 0 && (!str_to_i64(rv, &revision) || revision != old->revision))
        return err_new(err, ERR_CONFLICT,
                       "the object has been modified; please apply your changes "
                       "to the latest version and try again");
    return 0;
}

static int update(struct fake *f, struct transport_call *call, struct object *old,
                  struct object **ret_o, struct err *err)
{
    void *obj = typed_clone(call->res->type, call->body, &call->arena, true);
    int r = check_revision(old, meta_of(call->res, obj)->resource_version, STR_NULL, err);

    if (r < 0)
        return r;
    *ret_o = replace(f, old, obj, call->opts.sub, &call->arena);
    return 0;
}

static void *patched(const struct object *old, const char *patch_type, struct str text,
                     struct arena *a, struct err *err)
{
    auto_buf json = {0};
    struct doc d, patch;
    void *obj = arena_alloc(a, old->res->type->size);
    int r;

    object_write_json(old, &json);
    r = json_parse(str_dup(a, buf_view(&json)), a, &d, NULL, err);
    if (r == 0)
        r = json_parse(text, a, &patch, NULL, err);
    if (r == 0)
        r = strcmp(patch_type, CLIENT_STRATEGIC_PATCH) == 0
                ? patch_strategic(a, old->res->type, &d, &patch, err)
                : patch_merge(a, &d, &patch, err);
    if (r == 0)
        r = typed_from_doc(old->res->type, &d, a, obj, err);
    if (r < 0)
        return NULL;
    typed_default(old->res->type, obj, a);
    return obj;
}

static int patch_object(struct fake *f, struct transport_call *call, struct object *old,
                        struct object **ret_o, struct err *err)
{
    void *obj = patched(old, call->patch_type, call->patch, &call->arena, err);
    int r;

    if (!obj)
        return err->code ? err->code : ERR_BAD_REQUEST;
    r = check_revision(old, meta_of(call->res, obj)->resource_version, meta_of(call->res, obj)->uid,
                       err);
    if (r < 0)
        return r;
    *ret_o = replace(f, old, obj, call->opts.sub, &call->arena);
    return 0;
}

static void add_finalizer(struct meta_object_meta *meta, struct str name, struct arena *a)
{
    for (size_t i = 0; i < meta->finalizers.n; i++) {
        if (str_eq(meta->finalizers.v[i], name))
            return;
    }
    meta->finalizers.v = arena_grow(a, meta->finalizers.v, meta->finalizers.n,
                                    meta->finalizers.n + 1, sizeof(struct str));
    meta->finalizers.v[meta->finalizers.n++] = name;
}

static int delete_object(struct fake *f, struct object *old, const struct client_opts *opts,
                         struct err *err)
{
    auto_arena a = {0};
    const struct resource *res = old->res;
    void *obj = typed_clone(res->type, object_typed(old), &a, true);
    struct meta_object_meta *meta = meta_of(res, obj);
    bool first = !meta->deletion_timestamp.set;
    int64_t grace = 0;
    int r = check_revision(old, opts->rv_precondition, opts->uid_precondition, err);

    if (r < 0)
        return r;
    if (opts->propagation && strcmp(opts->propagation, "Foreground") == 0)
        add_finalizer(meta, STR("foregroundDeletion"), &a);
    if (opts->propagation && strcmp(opts->propagation, "Orphan") == 0)
        add_finalizer(meta, STR("orphan"), &a);
    if (res == &res_core_pods && ((struct core_pod *)obj)->spec.node_name.len > 0)
        grace = opts->grace_sec_plus1 > 0 ? opts->grace_sec_plus1 - 1 : 30;
    if (first)
        meta->deletion_timestamp = now_of(f);
    meta->deletion_grace_period_seconds = arena_box(&a, grace);
    if (res == &res_core_namespaces)
        ((struct core_namespace *)obj)->status.phase = STR("Terminating");
    if (!may_go(res, obj) && !first && typed_equal(res->type, obj, object_typed(old)))
        return 0;
    object_unref(commit(f, res, obj, may_go(res, obj)));
    return 0;
}

static void delete_collection(struct fake *f, const struct transport_call *call)
{
    struct omap all = omap_snapshot(&f->objects);
    struct omap_iter it;
    struct err err = {0};

    omap_seek(&all, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
        if (o->res == call->res && str_eq(o->ns, call->ns))
            (void)delete_object(f, o, &call->opts, &err);
    }
    omap_deinit(&all);
}

static int list(struct fake *f, struct transport_call *call, struct client_result *r)
{
    struct object **all = arena_calloc(&call->arena, f->objects.n + 1, sizeof(struct object *));
    struct omap_iter it;

    omap_seek(&f->objects, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
        if (o->res == call->res && (call->ns.len == 0 || str_eq(o->ns, call->ns)))
            all[r->n_objects++] = object_ref(o);
    }
    r->objects = all;
    r->revision = f->revision;
    return 0;
}

/* POST of a Binding: the pod gets its node, once. */
static int bind_pod(struct fake *f, struct transport_call *call, struct object *old,
                    struct err *err)
{
    const struct core_binding *b = call->body;
    struct core_pod *pod;
    int r;

    if (!old)
        return err_new(err, ERR_NOT_FOUND, "pods \"%.*s\" not found", STR_ARG(call->name));
    r = check_revision(old, STR_NULL, b->metadata.uid, err);
    if (r < 0)
        return r;
    pod = typed_clone(&type_core_pod, object_typed(old), &call->arena, true);
    if (pod->spec.node_name.len > 0)
        return err_new(err, ERR_CONFLICT, "pod %.*s is already assigned to node \"%.*s\"",
                       STR_ARG(call->name), STR_ARG(pod->spec.node_name));
    pod->spec.node_name = b->target.name;
    object_unref(commit(f, call->res, pod, false));
    return 0;
}

static int injected(struct fake *f, const struct transport_call *call, struct err *err)
{
    for (size_t i = 0; i < f->faults.n; i++) {
        struct fault *x = &f->faults.v[i];

        if (x->n == 0 || x->verb != call->verb || (x->res && x->res != call->res))
            continue;
        x->n--;
        return err_new(err, x->code, "%s", x->msg);
    }
    return 0;
}

static int perform(struct fake *f, struct transport_call *call, struct client_result *r,
                   struct object **ret_o, struct err *err)
{
    struct object *old = find(f, call->res, call->ns, call->name);
    int code = injected(f, call, err);

    if (code < 0)
        return code;
    switch (call->verb) {
    case VERB_CREATE:
        if (call->opts.sub)
            return bind_pod(f, call, old, err);
        return create(f, call, ret_o, err);
    case VERB_LIST:
        return list(f, call, r);
    case VERB_DELETECOLLECTION:
        delete_collection(f, call);
        return 0;
    default:
        break;
    }
    if (!old)
        return err_new(err, ERR_NOT_FOUND, "%s \"%.*s\" not found", call->res->plural,
                       STR_ARG(call->name));
    if (call->verb == VERB_UPDATE)
        return update(f, call, old, ret_o, err);
    if (call->verb == VERB_PATCH)
        return patch_object(f, call, old, ret_o, err);
    if (call->verb == VERB_DELETE)
        return delete_object(f, old, &call->opts, err);
    *ret_o = object_ref(old);
    return 0;
}

static void note(struct fake *f, const struct transport_call *call)
{
    auto_arena a = {0};

    if (call->res == &res_core_events)
        return;
    vec_push(&f->log, xstrdup(arena_printf(&a, "%s %s%s%s %.*s/%.*s", verb_names[call->verb],
                                           call->res->plural, call->opts.sub ? "/" : "",
                                           call->opts.sub ? call->opts.sub : "", STR_ARG(call->ns),
                                           STR_ARG(call->name))));
}

static void on_call(struct timer *t)
{
    struct pending *p = container_of(t, struct pending, timer);
    struct transport_call *call = p->call;
    struct fake *f = container_of(call->client, struct fake_client, base)->fake;
    struct object *o = NULL, *const * objects;
    struct err err = {0};
    struct client_result r = {.err = &err};
    size_t n;
    auto_arena a = {0};

    if (f->stalled && !p->canceled) {
        timer_start(&p->timer, 10, 0);
        return;
    }
    note(f, call);
    r.code = p->canceled ? err_new(&err, ERR_CANCELED, "canceled") : perform(f, call, &r, &o, &err);
    r.object = o;
    r.http_status = r.code ? err_http_status(r.code) : 200;
    n = r.n_objects;
    objects = arena_grow(&a, r.objects, n, n + 1, sizeof(struct object *));
    transport_done(call, &r);
    object_unref(o);
    for (size_t i = 0; i < n; i++)
        object_unref(objects[i]);
}

static void start(struct client *c, struct transport_call *call)
{
    struct fake *f = container_of(c, struct fake_client, base)->fake;
    struct pending *p = arena_new(&call->arena, struct pending);

    p->call = call;
    call->priv = p;
    timer_init(&p->timer, f->loop, on_call);
    timer_start(&p->timer, delay_ms(f, 5), 0);
}

static void cancel(struct client *c, struct transport_call *call)
{
    struct pending *p = call->priv;

    (void)c;
    p->canceled = true;
    timer_start(&p->timer, 0, 0);
}

static void free_watch(struct client_watch *base)
{
    struct fake_watch *w = container_of(base, struct fake_watch, base);

    for (struct fake_watch **at = &w->fake->watches; *at; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    timer_stop(&w->timer);
    for (size_t i = 0; i < w->queue.n; i++)
        object_unref(w->queue.v[i].object);
    vec_deinit(&w->queue);
    free(w);
}

/* Delivers one event at a time, so that the watch may be freed by any of them. */
static void on_watch(struct timer *t)
{
    struct fake_watch *w = container_of(t, struct fake_watch, timer);
    struct queued q;
    struct watch_event ev;

    if (w->queue.n == 0) {
        if (w->ended) {
            struct err err = {0};

            if (w->end_code)
                (void)err_new(&err, w->end_code, "watch ended");
            w->opts.on_end(w->opts.arg, w->end_code, &err);
        }
        return;
    }
    q = w->queue.v[0];
    vec_remove(&w->queue, 0);
    if (w->queue.n > 0 || w->ended)
        timer_start(&w->timer, 0, 0);
    ev = (struct watch_event){q.type, q.object, q.revision, q.initial_end};
    w->opts.on_event(w->opts.arg, &ev);
    object_unref(q.object);
}

static int by_revision(const void *a, const void *b)
{
    const struct queued *x = a, *y = b;

    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

static struct client_watch *watch(struct client *c, const struct resource *res,
                                  const struct watch_opts *opts)
{
    struct fake *f = container_of(c, struct fake_client, base)->fake;
    struct fake_watch *w = xnew(struct fake_watch);
    struct omap_iter it;

    w->base.client = c;
    w->fake = f;
    w->res = res;
    w->opts = *opts;
    timer_init(&w->timer, f->loop, on_watch);
    omap_seek(&f->objects, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
        struct queued q = {WATCH_ADDED, o, o->revision, false};

        if (o->res != res || (opts->ns.len > 0 && !str_eq(o->ns, opts->ns)) ||
            (!opts->initial_events && o->revision <= opts->revision))
            continue;
        object_ref(o);
        vec_push(&w->queue, q);
    }
    if (!opts->initial_events && w->queue.n > 1)
        qsort(w->queue.v, w->queue.n, sizeof(w->queue.v[0]), by_revision);
    if (opts->initial_events) {
        struct queued q = {WATCH_BOOKMARK, NULL, f->revision, true};

        vec_push(&w->queue, q);
    }
    w->next = f->watches;
    f->watches = w;
    if (!is_held(w) && w->queue.n > 0)
        timer_start(&w->timer, delay_ms(f, 10), 0);
    return &w->base;
}

static void destroy(struct client *c)
{
    free(container_of(c, struct fake_client, base));
}

static const struct transport_ops fake_ops = {start, cancel, watch, free_watch, destroy};

struct client *fake_client(struct fake *f)
{
    struct fake_client *c = xnew(struct fake_client);

    c->base.ops = &fake_ops;
    c->base.loop = f->loop;
    c->fake = f;
    return &c->base;
}

struct fake *fake_new(struct loop *l)
{
    struct fake *f = xnew(struct fake);

    f->loop = l;
    omap_init(&f->objects, &object_omap_ops);
    return f;
}

void fake_free(struct fake *f)
{
    assert(!f->watches);
    fake_forget_calls(f);
    vec_deinit(&f->log);
    vec_deinit(&f->faults);
    omap_deinit(&f->objects);
    free(f);
}

void fake_put(struct fake *f, const struct resource *res, const char *json)
{
    auto_arena a = {0};
    void *obj = parse(res, str_from(json), &a);

    typed_default(res->type, obj, &a);
    fill_new(f, meta_of(res, obj), &a);
    object_unref(commit(f, res, obj, false));
}

void fake_edit(struct fake *f, const struct resource *res, const char *ns, const char *name,
               const char *json)
{
    auto_arena a = {0};
    struct err err = {0};
    struct object *old = find(f, res, str_from(ns), str_from(name));
    void *obj;

    if (!old) {
        (void)fprintf(stderr, "fake: no %s %s/%s\n", res->plural, ns, name);
        abort();
    }
    obj = patched(old, CLIENT_MERGE_PATCH, str_from(json), &a, &err);
    if (!obj) {
        (void)fprintf(stderr, "fake: %s\n", err.msg);
        abort();
    }
    if (res->generation_paths && strstr(json, "\"spec\""))
        meta_of(res, obj)->generation++;
    object_unref(commit(f, res, obj, may_go(res, obj)));
}

void fake_remove(struct fake *f, const struct resource *res, const char *ns, const char *name)
{
    auto_arena a = {0};
    struct object *old = find(f, res, str_from(ns), str_from(name));

    assert(old);
    object_unref(commit(f, res, typed_clone(res->type, object_typed(old), &a, true), true));
}

struct object *fake_find(struct fake *f, const struct resource *res, const char *ns,
                         const char *name)
{
    return find(f, res, str_from(ns), str_from(name));
}

struct object *fake_nth(struct fake *f, const struct resource *res, size_t i)
{
    struct omap_iter it;

    omap_seek(&f->objects, STR_NULL, &it);
    for (struct object *o = omap_next(&it); o; o = omap_next(&it)) {
        if (o->res == res && i-- == 0)
            return o;
    }
    return NULL;
}

size_t fake_count(struct fake *f, const struct resource *res)
{
    return omap_count_prefix(&f->objects, str_from(res->store_prefix));
}

void fake_fail(struct fake *f, enum verb verb, const struct resource *res, unsigned n, int code,
               const char *msg)
{
    struct fault x = {verb, res, n, code, msg};

    vec_push(&f->faults, x);
}

void fake_end_watches(struct fake *f, int code)
{
    for (struct fake_watch *w = f->watches; w; w = w->next) {
        w->ended = true;
        w->end_code = code;
        timer_start(&w->timer, delay_ms(f, 5), 0);
    }
}

void fake_stall(struct fake *f, bool stalled)
{
    f->stalled = stalled;
}

static void hold(struct fake *f)
{
    for (struct fake_watch *w = f->watches; w; w = w->next) {
        if (is_held(w))
            timer_stop(&w->timer);
        else if (w->queue.n > 0)
            timer_start(&w->timer, delay_ms(f, 5), 0);
    }
}

void fake_hold_watches(struct fake *f, bool held)
{
    f->held = held;
    hold(f);
}

void fake_hold_watches_of(struct fake *f, const struct resource *res)
{
    f->held_only = res;
    hold(f);
}

unsigned fake_events(struct fake *f, const char *reason)
{
    struct object *o;
    unsigned n = 0;

    for (size_t i = 0; (o = fake_nth(f, &res_core_events, i)); i++) {
        const struct core_event *e = OBJECT_AS(core_event, o);

        if (str_eqz(e->reason, reason))
            n += (unsigned)e->count;
    }
    return n;
}

const char *fake_event_text(struct fake *f, const char *reason)
{
    struct object *o;
    int64_t newest = 0;

    f->text[0] = '\0';
    for (size_t i = 0; (o = fake_nth(f, &res_core_events, i)); i++) {
        const struct core_event *e = OBJECT_AS(core_event, o);

        if (!str_eqz(e->reason, reason) || o->revision < newest)
            continue;
        newest = o->revision;
        (void)snprintf(f->text, sizeof(f->text), "%.*s", STR_ARG(e->message));
    }
    return f->text;
}

unsigned fake_calls(struct fake *f, const char *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < f->log.n; i++)
        n += strncmp(f->log.v[i], text, strlen(text)) == 0;
    return n;
}

void fake_forget_calls(struct fake *f)
{
    for (size_t i = 0; i < f->log.n; i++)
        free(f->log.v[i]);
    vec_clear(&f->log);
}

void fake_print_calls(struct fake *f)
{
    for (size_t i = 0; i < f->log.n; i++)
        (void)fprintf(stderr, "%s\n", f->log.v[i]);
}
