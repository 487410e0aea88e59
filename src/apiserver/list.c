/* list.c - all objects that a request means, from one snapshot, written while the peer reads them.
 *
 * Which snapshot is read follows the table of resourceVersion and resourceVersionMatch
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list).
 * A chunk of a list is counted before its first byte leaves, since the token stands in front of
 * the items.
 */
#include "apiserver/continue_token.h"
#include "apiserver/filters.h"
#include "apiserver/frames.h"
#include "apiserver/fresh.h"
#include "apiserver/inproc_internal.h"
#include "apiserver/respond.h"
#include "apiserver/select.h"

enum { PB_TURN_ITEMS = 256 };
struct listing { /* what is read, and where it stands; {0} before listing_open() */
    struct request *rq;
    struct snapshot *snap;
    struct omap_iter at;
    struct str prefix;
    struct object_filter filter;
    struct object *only;  /* the selector names one object: just this one, a reference */
    bool by_name, ended;
    int64_t left;         /* items still to give; -1: all */
    struct list_meta meta;
};
struct list_source {
    struct listing list;
    struct view view;
    struct pieces pieces;
    struct buf scratch;
    struct object *shown; /* the item in pieces, when it is not the stored record */
    enum { LIST_HEAD, LIST_FIRST, LIST_ITEMS, LIST_TAIL, LIST_END } phase;
};

/* ---- reading ---- */

static void listing_close(struct listing *l)
{
    l->snap = snapshot_unref(l->snap);
    l->only = object_unref(l->only);
}

static struct object *next_stored(struct listing *l)
{
    struct object *o;

    if (l->by_name) {
        o = l->ended ? NULL : l->only;
        l->ended = true;
        return o;
    }
    o = omap_next(&l->at);
    return o && str_has_prefix(o->key, l->prefix) ? o : NULL;
}

/* The next object that matches (borrowed), or NULL. */
static struct object *listing_next(struct listing *l)
{
    struct object *o;

    if (l->left == 0)
        return NULL;
    while ((o = next_stored(l))) {
        if (!object_filter_match(&l->filter, o))
            continue;
        l->left -= l->left > 0;
        return o;
    }
    return NULL;
}

static bool selects(const struct selector *s)
{
    return s->n > 0 || s->nothing;
}

/* Counts the chunk of at most @limit items that starts here: sets what its metadata says. */
static void measure_chunk(struct listing *l, int64_t limit)
{
    struct listing ahead = *l;
    const struct list_options *lo = &l->rq->list;
    struct continue_token token = {.revision = l->meta.revision};
    struct object *o, *last = NULL;
    int64_t rest = 0;

    ahead.left = limit;
    while ((o = listing_next(&ahead)))
        last = o;
    l->left = limit;
    if (ahead.left > 0 || !last || !next_stored(&ahead))
        return;
    for (rest = 1; next_stored(&ahead); rest++)
        ;
    token.start = str_sub(last->key, l->prefix.len, last->key.len);
    token.start = (struct str){arena_memdupz(l->rq->arena, token.start.p, token.start.len),
                               token.start.len + 1}; /* the first key behind the last one */
    l->meta.next = continue_encode(&token, l->rq->arena);
    if (!selects(&lo->labels) && !selects(&lo->fields))
        l->meta.remaining = rest;
}

static struct str join(struct arena *a, struct str x, struct str y) /* may hold NULs */
{
    char *p = arena_alloc(a, x.len + y.len + 1);

    memcpy(p, x.p, x.len);
    if (y.len)
        memcpy(p + x.len, y.p, y.len);
    return (struct str){p, x.len + y.len};
}

/* A field selector that names the object makes the list a look-up. */
static bool open_by_name(struct listing *l)
{
    struct request *rq = l->rq;
    struct str name = selector_required(&rq->list.fields, STR("metadata.name"));
    struct object *o;

    if (!name.p || (resource_namespaced(rq->res) && rq->ns.len == 0))
        return false;
    o = omap_find(&l->snap->objects, join(rq->arena, l->prefix, name));
    l->only = o ? object_ref(o) : NULL;
    l->by_name = true;
    return true;
}

/* Starts at key @start behind the prefix. Takes over @snap. */
static void listing_open(struct listing *l, struct request *rq, struct snapshot *snap,
                         struct str start, int64_t limit)
{
    *l = (struct listing){.rq = rq, .snap = snap, .left = -1};
    l->meta = (struct list_meta){.revision = snap->revision, .remaining = -1};
    l->prefix = select_prefix(rq->res, rq->ns, rq->arena);
    object_filter_init(&l->filter, rq->res, &rq->list.labels, &rq->list.fields);
    if (open_by_name(l))
        return;
    omap_seek(&snap->objects, join(rq->arena, l->prefix, start), &l->at);
    if (limit > 0)
        measure_chunk(l, limit);
}

/* ---- writing ---- */

/* Puts the next bytes into pieces; false at the end. */
static bool list_step(struct list_source *s)
{
    struct object *o;

    s->shown = object_unref(s->shown);
    switch (s->phase) {
    case LIST_HEAD:
        if (s->view.media != MEDIA_PROTOBUF)
            view_list_head(&s->view, &s->list.meta, &s->scratch);
        pieces_add(&s->pieces, buf_view(&s->scratch)); /* protobuf: made by measure_pb() */
        s->phase = LIST_FIRST;
        return true;
    case LIST_FIRST:
    case LIST_ITEMS:
        o = listing_next(&s->list);
        if (!o) {
            s->phase = LIST_TAIL;
            return list_step(s);
        }
        if (o->res != s->view.res)
            o = s->shown = object_as(o, s->view.res);
        if (s->phase == LIST_ITEMS && s->view.media != MEDIA_PROTOBUF)
            pieces_add(&s->pieces, STR(","));
        view_item(&s->view, o, &s->scratch, &s->pieces);
        s->phase = LIST_ITEMS;
        return true;
    case LIST_TAIL:
        buf_reset(&s->scratch);
        if (s->view.media == MEDIA_PROTOBUF)
            pieces_add(&s->pieces, view_pb_tail());
        else
            view_list_tail(&s->view, &s->scratch);
        pieces_add(&s->pieces, buf_view(&s->scratch));
        s->phase = LIST_END;
        return true;
    case LIST_END:
        break;
    }
    return false;
}

static long list_read(void *arg, char *p, size_t cap)
{
    struct list_source *s = arg;
    size_t n = 0, got;

    while (n < cap) {
        got = pieces_copy(&s->pieces, p + n, cap - n);
        n += got;
        if (got == 0 && !list_step(s))
            break;
    }
    return n ? (long)n : HTTP_READ_END;
}

static void list_close(void *arg)
{
    struct list_source *s = arg;

    listing_close(&s->list);
    buf_deinit(&s->scratch);
    (void)object_unref(s->shown);
    free(s);
}

/* Protobuf says its length first: all items are measured before the first byte leaves, which
 * encodes those that nobody asked for before. In turns, since other requests wait for the loop. */
struct pb_measure {
    struct list_source *source;
    struct listing ahead;
    size_t len;
};

static enum stage_result measure_pb(struct request *rq);

static void on_turn(void *arg)
{
    struct request *rq = arg;
    struct pb_measure *m = rq->state;

    if (rq->finished) /* out of time, or nobody there: it is not run again */
        list_close(m->source);
    request_resume(rq, measure_pb);
}

static enum stage_result measure_pb(struct request *rq)
{
    struct pb_measure *m = rq->state;
    struct list_source *s = m->source;

    for (int i = 0; i < PB_TURN_ITEMS; i++) {
        struct object *o = listing_next(&m->ahead), *shown;

        if (!o) {
            view_pb_head(&s->view, &s->list.meta, m->len, &s->scratch);
            return respond_stream(rq, view_content_type(&s->view, false),
                                  (struct http_source){list_read, list_close, s});
        }
        shown = object_as(o, s->view.res);
        m->len += view_pb_item_len(&s->view, shown);
        (void)object_unref(shown);
    }
    loop_post(rq->loop, on_turn, rq);
    return STAGE_WAIT;
}

static enum stage_result answer_pb(struct request *rq, struct list_source *s)
{
    struct pb_measure *m = arena_new(rq->arena, struct pb_measure);

    m->source = s;
    m->ahead = s->list;
    rq->state = m;
    return measure_pb(rq);
}

static enum stage_result answer(struct request *rq, struct listing *l)
{
    struct list_source *s = xnew(struct list_source);
    struct http_source src = {list_read, list_close, s};
    const char *type;
    auto_buf json = {0};
    struct buf yaml = {0};
    bool ok;

    s->list = *l;
    view_init(&s->view, rq);
    type = view_content_type(&s->view, false);
    if (s->view.media == MEDIA_PROTOBUF)
        return answer_pb(rq, s);
    if (s->view.media == MEDIA_YAML) {
        ok = source_drain(src, &json);
        assert(ok); /* a list does not wait */
        (void)ok;
        frame_yaml(buf_view(&json), &yaml);
        return respond_stream(rq, type, source_of_buf(&yaml));
    }
    if (rq->pretty && s->view.media == MEDIA_JSON)
        src = filter_indent(src);
    return respond_stream(rq, type, src);
}

static enum stage_result answer_inproc(struct request *rq, struct listing *l)
{
    VEC(struct object *) objects = {0};
    struct object *o;

    while ((o = listing_next(l)))
        vec_push(&objects, object_as(o, rq->res));
    inproc_answer_list(rq, objects.v, objects.n, l->meta.revision);
    listing_close(l);
    return STAGE_DONE;
}

/* ---- which snapshot ---- */

/* A token older than the history: the client may go on without consistency by a new one. */
static enum stage_result fail_token_expired(struct request *rq, struct continue_token token)
{
    struct meta_status st = {.status = STR("Failure"), .reason = STR("Expired"), .code = 410};

    token.revision = -1;
    st.metadata.continue_ = continue_encode(&token, rq->arena);
    st.message = STR(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list.");
    return status_send(rq, ERR_EXPIRED, &st);
}

static enum stage_result finish(struct request *rq, struct snapshot *snap, struct str start,
                                int64_t limit)
{
    struct listing l;

    listing_open(&l, rq, snap, start, limit);
    return rq->inproc ? answer_inproc(rq, &l) : answer(rq, &l);
}

enum stage_result list_snapshot(struct request *rq, struct snapshot *snap)
{
    return finish(rq, snap, STR(""), 0);
}

static enum stage_result list_continued(struct request *rq, struct cache *c)
{
    const struct list_options *lo = &rq->list;
    struct continue_token token;
    struct snapshot *snap;
    struct err err = {0};

    if (continue_decode(lo->continue_token, rq->arena, &token, &err) < 0)
        return request_fail(rq, &err);
    if (token.revision < 0)
        return finish(rq, cache_snapshot(c), token.start, lo->limit);
    switch (cache_snapshot_at(c, token.revision, &snap, &err)) {
    case 0:
        return finish(rq, snap, token.start, lo->limit);
    case ERR_EXPIRED:
        return fail_token_expired(rq, token);
    default: /* a revision from another life of the store */
        return request_fail(rq, &err);
    }
}

static enum stage_result list_exact(struct request *rq, struct cache *c)
{
    struct snapshot *snap;
    struct err err = {0};
    int r = cache_snapshot_at(c, rq->list.revision, &snap, &err);

    if (r == ERR_EXPIRED)
        return request_failf(rq, r, "The resourceVersion for the provided list is too old.");
    if (r < 0)
        return request_fail(rq, &err);
    return finish(rq, snap, STR(""), rq->list.limit);
}

enum stage_result stage_list(struct request *rq)
{
    const struct list_options *lo = &rq->list;
    struct cache *c = store_cache(rq->as->store, rq->res);
    enum stage_result r;

    if (lo->continue_token.len)
        return list_continued(rq, c);
    r = fresh_wait(rq, lo->revision, stage_list);
    if (r != STAGE_NEXT)
        return r;
    if (lo->revision > 0 &&
        (lo->match == MATCH_EXACT || (lo->match == MATCH_UNSET && lo->limit > 0)))
        return list_exact(rq, c);
    /* Version "0" is whatever is at hand, in one piece. */
    return finish(rq, cache_snapshot(c), STR(""), lo->revision == 0 ? 0 : lo->limit);
}
