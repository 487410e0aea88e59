/* watch.c - a watch as the body of an HTTP answer: frames are made when the peer can take them. */
#include "apiserver/frames.h"
#include "apiserver/fresh.h"
#include "apiserver/inproc_internal.h"
#include "apiserver/watcher.h"
#include "net/websocket.h"

struct watch_stream { /* in the request's arena; the request lives until it is closed */
    struct request *rq;
    struct watcher *watcher; /* NULL: ended, pieces may hold a last frame */
    struct view view;
    struct pieces pieces;
    struct buf scratch;
    struct object *shown; /* in pieces; a reference */
    bool waiting;         /* the peer took everything: it has to be resumed */
};

/* Puts the next frame into pieces. 1, 0: nothing yet, -1: the stream is at its end. */
static int watch_step(struct watch_stream *s)
{
    struct watch_item item;
    struct err err = {0};
    int r;

    s->shown = object_unref(s->shown);
    if (!s->watcher)
        return -1;
    r = watcher_next(s->watcher, &item, &err);
    if (r == 0)
        return 0;
    if (r == 1) {
        s->shown = item.object;
        view_event(&s->view, watch_type_names[item.type], s->shown, &s->scratch, &s->pieces);
        return 1;
    }
    s->watcher = watcher_free(s->watcher);
    if (r == ERR_EOF)
        return -1;
    view_error(&s->view, r, err.msg, &s->scratch, &s->pieces);
    return 1;
}

static long watch_read(void *arg, char *p, size_t cap)
{
    struct watch_stream *s = arg;
    size_t n = 0, got;
    int r = 1;

    s->waiting = false;
    while (n < cap && r == 1) {
        got = pieces_copy(&s->pieces, p + n, cap - n);
        n += got;
        if (got == 0)
            r = watch_step(s);
    }
    if (n)
        return (long)n;
    s->waiting = r == 0;
    if (s->waiting)
        buf_deinit(&s->scratch); /* an idle watch holds no memory */
    return r == 0 ? HTTP_READ_WAIT : HTTP_READ_END;
}

static void watch_close_stream(void *arg)
{
    struct watch_stream *s = arg;

    s->waiting = false;
    s->watcher = watcher_free(s->watcher);
    buf_deinit(&s->scratch);
    s->shown = object_unref(s->shown);
}

static void on_wake(void *arg)
{
    struct watch_stream *s = arg;

    /* A connection is touched only when there is something for it. */
    if (!s->waiting || watch_step(s) == 0)
        return;
    s->waiting = false;
    http_resume(s->rq->http);
}

/* The server stops, or the peer is gone. */
static void on_cancel(struct request *rq)
{
    struct watch_stream *s = rq->state;

    if (s->watcher)
        watcher_stop(s->watcher);
}

static enum stage_result watch_http(struct request *rq)
{
    struct watch_stream *s = arena_new(rq->arena, struct watch_stream);
    struct err err = {0};
    int r;

    s->rq = rq;
    view_init(&s->view, rq);
    r = watcher_for_request(rq, on_wake, s, &s->watcher, &err);
    if (r == ERR_EXPIRED)
        view_error(&s->view, r, err.msg, &s->scratch, &s->pieces);
    else if (r < 0)
        return request_fail(rq, &err);
    rq->state = s;
    rq->on_cancel = on_cancel;
    request_send_source(rq, 200, view_content_type(&s->view, true), -1,
                        (struct http_source){watch_read, watch_close_stream, s});
    return STAGE_DONE;
}

enum stage_result stage_watch(struct request *rq)
{
    enum stage_result r;

    if (rq->list.send_initial_events == 1) {
        r = fresh_wait(rq, rq->list.revision, stage_watch);
        if (r != STAGE_NEXT)
            return r;
    }
    if (rq->inproc)
        return inproc_watch(rq);
    return websocket_requested(rq->head) ? watch_websocket(rq) : watch_http(rq);
}
