/* inproc.c - calls into the pipeline from other loops of the process: carried over, run as that
 * user from authorization on, and answered with shared records.
 *
 * Between the two loops goes one struct, `carrier`: it is the call's `priv` on the caller's side
 * and outlives the call, so that a cancel and an answer that cross each other on their way are
 * harmless. Members are the main API loop's, but for those marked otherwise.
 */
#include "apiserver/inproc_internal.h"
#include "apiserver/watcher.h"

struct carrier {
    struct ref ref;            /* one until on_done has run, and one for each message under way */
    struct apiserver *as;
    struct inproc_call *call;  /* the caller's again once on_done has been posted */
    struct request *rq;        /* NULL: not started, or answered */
    struct watcher *watcher;
    bool batch_out;            /* the receiver has not taken the last batch yet */
    char *json;                /* answer_json */
};
struct batch { /* of watch events, on its way to the receiver */
    struct carrier *carrier;
    struct inproc_call *call;
    size_t n;
    struct inproc_event events[INPROC_EVENTS_MAX];
};

int inproc_server_start(struct apiserver *as, struct err *err)
{
    (void)as;
    (void)err;
    return 0;
}

/* The pipeline cancels what runs; what comes later is refused in server_start(). */
void inproc_server_stop(struct apiserver *as)
{
    (void)as;
}

void inproc_server_free(struct apiserver *as)
{
    (void)as;
}

static void carrier_unref(struct carrier *c)
{
    if (!ref_put(&c->ref))
        return;
    free(c->json);
    free(c);
}

/* ---- answers ---- */

static void caller_done(void *arg)
{
    struct carrier *c = arg;
    struct inproc_call *call = c->call;

    call->on_done(call); /* the call's memory may be gone now */
    carrier_unref(c);
}

/* From here on the call belongs to its own loop again. */
static void post_done(struct carrier *c)
{
    c->rq = NULL;
    c->watcher = watcher_free(c->watcher);
    loop_post(c->call->loop, caller_done, c);
}

/* The carrier of @rq if it is not answered yet: then it is now, with @status and @code. */
static struct carrier *answer(struct request *rq, int status, int code)
{
    struct carrier *c;

    if (rq->finished) /* the call may be gone */
        return NULL;
    c = rq->inproc->priv;
    c->call->http_status = status;
    c->call->code = code;
    request_mark_finished(rq, status);
    return c;
}

void inproc_answer_object(struct request *rq, int status, struct object *o)
{
    struct carrier *c = answer(rq, status, 0);

    if (!c) {
        (void)object_unref(o);
        return;
    }
    c->call->object = o;
    post_done(c);
}

void inproc_answer_list(struct request *rq, struct object **objects, size_t n, int64_t revision)
{
    struct carrier *c = answer(rq, 200, 0);

    if (!c) {
        for (size_t i = 0; i < n; i++)
            (void)object_unref(objects[i]);
        free(objects);
        return;
    }
    c->call->objects = objects;
    c->call->n_objects = n;
    c->call->list_revision = revision;
    post_done(c);
}

void inproc_answer_json(struct request *rq, int status, struct str json)
{
    struct carrier *c = answer(rq, status, 0);

    if (!c)
        return;
    c->json = xmemdupz(json.p ? json.p : "", json.len);
    c->call->answer_json = (struct str){c->json, json.len};
    post_done(c);
}

void inproc_answer_status(struct request *rq, int status, int code, const struct meta_status *st)
{
    struct carrier *c = answer(rq, status, code);

    if (!c)
        return;
    if (code)
        (void)err_new(&c->call->err, code, "%.*s", STR_ARG(st->message));
    post_done(c);
}

/* ---- the request ---- */

static struct string_list groups_of(const struct inproc_call *call, struct arena *a)
{
    struct string_list list = {0};
    size_t n = 0;

    while (call->groups && call->groups[n])
        n++;
    list.v = arena_calloc(a, n + 1, sizeof(*list.v));
    for (; list.n < n; list.n++)
        list.v[list.n] = str_dup(a, str_from(call->groups[list.n]));
    list.v[list.n++] = STR("system:authenticated");
    return list;
}

/* The last word of "system:kube-scheduler": what managedFields shows. */
static struct str manager_of(struct str user)
{
    return str_sub(user, (size_t)(str_rfind_char(user, ':') + 1), user.len);
}

static void fill_write(struct request *rq, const struct inproc_call *call)
{
    rq->write.field_manager = manager_of(rq->user.name);
    rq->inproc_typed = call->body;
    rq->patch_type = str_dup(rq->arena, call->patch_type);
    rq->body = str_dup(rq->arena, call->patch);
    rq->write.force_set = rq->write.force = str_has_prefix(call->patch_type,
                                                           STR("application/apply-patch"));
    rq->del.grace_sec = call->grace_sec;
    if (call->uid_precondition.len)
        rq->del.uid = str_dup(rq->arena, call->uid_precondition);
    if (call->rv_precondition.len)
        rq->del.resource_version = str_dup(rq->arena, call->rv_precondition);
    if (str_eqz(call->propagation, "Orphan"))
        rq->del.propagation = PROPAGATE_ORPHAN;
    else if (str_eqz(call->propagation, "Background"))
        rq->del.propagation = PROPAGATE_BACKGROUND;
    else if (str_eqz(call->propagation, "Foreground"))
        rq->del.propagation = PROPAGATE_FOREGROUND;
}

/* The selectors have been checked: see check_call(). */
static void fill_read(struct request *rq, const struct inproc_call *call)
{
    struct list_options *lo = &rq->list;
    int r;

    lo->revision = call->revision;
    if (call->revision >= 0)
        lo->resource_version = str_printf(rq->arena, "%lld", (long long)call->revision);
    lo->label_text = str_dup(rq->arena, call->label_selector);
    lo->field_text = str_dup(rq->arena, call->field_selector);
    lo->watch = call->verb == VERB_WATCH;
    lo->bookmarks = lo->watch;
    if (lo->watch && call->send_initial_events) {
        lo->send_initial_events = 1;
        lo->match = MATCH_NOT_OLDER;
    }
    r = selector_parse_labels(lo->label_text, rq->arena, &lo->labels, NULL);
    assert(r == 0);
    r = selector_parse_fields(call->res, lo->field_text, rq->arena, &lo->fields, NULL);
    assert(r == 0);
    (void)r;
}

/* Strings are copied: a request may have to wait for a commit after its call was canceled. */
static void fill(struct request *rq, const struct inproc_call *call)
{
    static const char *const methods[VERB__N] = {
        [VERB_GET] = "GET",       [VERB_LIST] = "GET",     [VERB_WATCH] = "GET",
        [VERB_CREATE] = "POST",   [VERB_UPDATE] = "PUT",   [VERB_PATCH] = "PATCH",
        [VERB_DELETE] = "DELETE", [VERB_DELETECOLLECTION] = "DELETE",
    };
    struct arena *a = rq->arena;

    rq->inproc = (struct inproc_call *)(uintptr_t)call;
    rq->method = str_from(methods[call->verb]);
    rq->is_resource = true;
    rq->verb = call->verb;
    rq->verb_name = str_from(verb_names[call->verb]);
    rq->res = call->res;
    rq->api_group = str_from(call->res->group);
    rq->api_version = str_from(call->res->version);
    rq->plural = str_from(call->res->plural);
    rq->sub = call->sub ? str_dup(a, str_from(call->sub)) : STR("");
    if (rq->sub.len)
        rq->subres = resource_subresource(call->res, rq->sub);
    rq->ns = str_dup(a, call->ns);
    rq->name = str_dup(a, call->name);
    rq->user.name = str_dup(a, call->user);
    rq->user.groups = groups_of(call, a);
    fill_read(rq, call);
    fill_write(rq, call);
}

/* What the pipeline would refuse over HTTP before it comes to the verb. */
static int check_call(const struct apiserver *as, const struct inproc_call *call, struct err *err)
{
    struct selector s;
    auto_arena a = {0};
    int r;

    if (atomic_load(&as->stopping))
        return err_new(err, ERR_UNAVAILABLE, "apiserver is shutting down");
    r = selector_parse_labels(call->label_selector, &a, &s, err);
    if (r == 0)
        r = selector_parse_fields(call->res, call->field_selector, &a, &s, err);
    return r;
}

static void server_start(void *arg)
{
    struct carrier *c = arg;
    struct apiserver *as = c->as;
    struct request *rq;
    int r = check_call(as, c->call, &c->call->err);

    if (r < 0) {
        c->call->code = r;
        c->call->http_status = err_http_status(r);
        post_done(c);
        return;
    }
    rq = request_new(as, as->loop);
    c->rq = rq;
    fill(rq, c->call);
    if (c->call->verb != VERB_WATCH)
        request_deadline(rq, as->opts.request_timeout_ms);
    request_start_inproc(rq);
}

void inproc_start(struct apiserver *as, struct inproc_call *call)
{
    struct carrier *c = xnew(struct carrier);

    loop_assert(call->loop);
    ref_init(&c->ref);
    c->as = as;
    c->call = call;
    call->priv = c;
    call->http_status = call->code = 0;
    call->object = NULL;
    call->objects = NULL;
    call->n_objects = 0;
    call->answer_json = STR_NULL;
    loop_post(as->loop, server_start, c);
}

/* ---- the end before the end ---- */

static void end_now(struct request *rq, int code, const char *text)
{
    struct meta_status st = {.message = str_from(text)};
    void (*fn)(struct request *rq) = rq->on_cancel;

    inproc_answer_status(rq, err_http_status(code), code, &st);
    rq->on_cancel = NULL;
    if (fn)
        fn(rq); /* what waits comes to its end; nobody hears of it any more */
}

static void server_cancel(void *arg)
{
    struct carrier *c = arg;

    if (c->rq)
        end_now(c->rq, ERR_CANCELED, "canceled by its caller");
    carrier_unref(c);
}

void inproc_cancel(struct apiserver *as, struct inproc_call *call)
{
    struct carrier *c = call->priv;

    loop_assert(call->loop);
    ref_get(&c->ref);
    loop_post(as->loop, server_cancel, c);
}

/* ---- watches ---- */

static void pump(struct carrier *c);

static void server_batch_taken(void *arg)
{
    struct carrier *c = arg;

    c->batch_out = false;
    if (c->watcher)
        pump(c);
    carrier_unref(c);
}

/* On the receiver's loop; before caller_done(), which is posted later. */
static void caller_events(void *arg)
{
    struct batch *b = arg;
    struct carrier *c = b->carrier;

    b->call->on_events(b->call, b->events, b->n);
    free(b);
    loop_post(c->as->loop, server_batch_taken, c);
}

static void add_event(struct batch *b, const struct watch_item *item)
{
    struct inproc_event *e = &b->events[b->n++];

    *e = (struct inproc_event){
        .type = item->type == WATCH_TYPE_ADDED      ? INPROC_ADDED
                : item->type == WATCH_TYPE_MODIFIED ? INPROC_MODIFIED
                : item->type == WATCH_TYPE_DELETED  ? INPROC_DELETED
                                                    : INPROC_BOOKMARK,
        .object = item->object,
        .revision = item->revision,
        .initial_end = item->initial_end,
    };
    if (e->type == INPROC_BOOKMARK)
        e->object = object_unref(e->object);
}

static void post_batch(struct carrier *c, struct batch *b)
{
    struct batch *fit = xrealloc(b, offsetof(struct batch, events) + b->n * sizeof(b->events[0]));

    ref_get(&c->ref);
    c->batch_out = true;
    loop_post(fit->call->loop, caller_events, fit);
}

static enum stage_result watch_ended(struct request *rq)
{
    (void)rq; /* answered already */
    return STAGE_DONE;
}

/* Hands on what there is, one batch at a time: the receiver's pace is the watch's. */
static void pump(struct carrier *c)
{
    struct watch_item item;
    struct batch *b = NULL;
    struct err err = {0};
    struct request *rq = c->rq;
    struct meta_status st = {0};
    int r = 1;

    if (c->batch_out)
        return;
    while ((!b || b->n < INPROC_EVENTS_MAX) && (r = watcher_next(c->watcher, &item, &err)) == 1) {
        if (!b) {
            b = xnew(struct batch);
            b->carrier = c;
            b->call = c->call;
        }
        add_event(b, &item);
    }
    if (b)
        post_batch(c, b);
    if (r >= 0)
        return;
    st.message = str_from(err.msg);
    inproc_answer_status(rq, r == ERR_EOF ? 200 : err_http_status(r), r == ERR_EOF ? 0 : r, &st);
    request_resume(rq, watch_ended);
}

static void on_wake(void *arg)
{
    pump(arg);
}

static void first_pump(void *arg)
{
    struct carrier *c = arg;

    if (c->watcher)
        pump(c);
    carrier_unref(c);
}

/* The server stops, or end_now() has answered. */
static void on_watch_cancel(struct request *rq)
{
    struct meta_status st = {.message = STR("apiserver is shutting down")};

    inproc_answer_status(rq, 503, ERR_UNAVAILABLE, &st);
    request_resume(rq, watch_ended);
}

enum stage_result inproc_watch(struct request *rq)
{
    struct carrier *c = rq->inproc->priv;
    struct err err = {0};

    rq->list.timeout_sec = INT32_MAX; /* both ends live in one process */
    if (watcher_for_request(rq, on_wake, c, &c->watcher, &err) < 0)
        return request_fail(rq, &err);
    rq->on_cancel = on_watch_cancel;
    ref_get(&c->ref);
    loop_post(rq->loop, first_pump, c);
    return STAGE_WAIT;
}
