/* watch_websocket.c - a watch as messages of a WebSocket: one event a message. */
#include "apiserver/frames.h"
#include "apiserver/watcher.h"
#include "net/websocket.h"

struct watch_socket { /* in the request's arena; the request waits until the socket is closed */
    struct request *rq;
    struct websocket *ws;
    struct watcher *watcher; /* NULL: ended */
    struct view view;
    bool full; /* the peer is slow: on_drain goes on */
};

static void send_pieces(struct watch_socket *s, struct pieces *p)
{
    bool binary = s->view.media == MEDIA_PROTOBUF;
    struct str message;
    auto_buf out = {0};

    pieces_drain(p, &out);
    message = buf_view(&out);
    if (binary) /* a message has its own length: the frame's stays behind */
        message = str_sub(message, 4, message.len);
    s->full = !websocket_send(s->ws, message, binary);
}

static void finish(struct watch_socket *s)
{
    s->watcher = watcher_free(s->watcher);
    websocket_close(s->ws, 1000);
}

static void pump(struct watch_socket *s)
{
    struct watch_item item;
    struct pieces p = {0};
    struct err err = {0};
    auto_buf scratch = {0};
    int r = 0;

    while (s->watcher && !s->full && (r = watcher_next(s->watcher, &item, &err)) == 1) {
        view_event(&s->view, watch_type_names[item.type], item.object, &scratch, &p);
        send_pieces(s, &p);
        (void)object_unref(item.object);
    }
    if (r >= 0)
        return;
    if (r != ERR_EOF) {
        view_error(&s->view, r, err.msg, &scratch, &p);
        send_pieces(s, &p);
    }
    finish(s);
}

static void on_wake(void *arg)
{
    pump(arg);
}

static void on_message(void *arg, struct str data, bool binary)
{
    (void)arg; /* a watch listens to nobody */
    (void)data;
    (void)binary;
}

static void on_drain(void *arg)
{
    struct watch_socket *s = arg;

    s->full = false;
    pump(s);
}

static enum stage_result ended(struct request *rq)
{
    (void)rq; /* the handshake was the answer */
    return STAGE_DONE;
}

static void on_closed(void *arg)
{
    struct watch_socket *s = arg;

    s->watcher = watcher_free(s->watcher);
    s->rq->on_cancel = NULL;
    request_resume(s->rq, ended);
}

/* The server stops. on_closed() follows. */
static void on_cancel(struct request *rq)
{
    struct watch_socket *s = rq->state;

    if (s->watcher)
        finish(s);
}

enum stage_result watch_websocket(struct request *rq)
{
    struct watch_socket *s = arena_new(rq->arena, struct watch_socket);
    struct websocket_handler h = {on_message, on_drain, on_closed, s};
    struct http_exchange *x = rq->http;
    struct err err = {0};
    int r;

    s->rq = rq;
    view_init(&s->view, rq);
    r = watcher_for_request(rq, on_wake, s, &s->watcher, &err);
    if (r < 0 && r != ERR_EXPIRED)
        return request_fail(rq, &err);
    request_mark_finished(rq, 101);
    s->ws = websocket_accept(x, STR_NULL, &h);
    if (!s->ws) { /* refused with 400 */
        s->watcher = watcher_free(s->watcher);
        return STAGE_DONE;
    }
    rq->state = s;
    rq->on_cancel = on_cancel;
    if (r == ERR_EXPIRED) {
        struct pieces p = {0};
        auto_buf scratch = {0};

        view_error(&s->view, r, err.msg, &scratch, &p);
        send_pieces(s, &p);
        finish(s);
    } else {
        pump(s);
    }
    return STAGE_WAIT;
}
