/* websocket.c - WebSocket on an open connection, and the server's side of the handshake. */
#include "base/random.h"
#include "codec/base64.h"
#include "codec/utf8.h"
#include "net/http_server_internal.h"
#include "net/websocket_frame.h"
#include "net/websocket_internal.h"
#include <openssl/sha.h>

#define SEND_HIGH (1024 * 1024)
#define CLOSE_WAIT_MS 5000 /* for the peer's close frame */
#define CODE_NORMAL 1000
#define CODE_PROTOCOL 1002
#define CODE_NO_STATUS 1005
#define CODE_NOT_UTF8 1007
#define CODE_TOO_LARGE 1009

struct websocket {
    struct conn *conn;
    struct websocket_handler h;
    void (*on_gone)(void *arg);
    void *gone_arg;
    bool client;
    bool close_sent, close_seen, full;
    struct buf in;      /* a frame that is not whole */
    struct buf message; /* of the fragments so far */
    bool in_message, binary;
};

/* ---- sending ---- */

static void send_frame(struct websocket *w, enum websocket_op op, struct str data)
{
    char head[WS_HEAD_MAX];
    uint8_t mask[4];
    size_t done = 0;

    if (w->client) {
        struct random *r = loop_random(conn_loop(w->conn));

        r->fill(r, mask, sizeof(mask));
    }
    conn_write(w->conn, head,
               websocket_frame_head(head, op, data.len, w->client ? mask : NULL));
    while (w->client && done < data.len) {
        size_t cap, n;
        char *to = conn_reserve(w->conn, 1, &cap);

        n = MIN(cap, data.len - done);
        memcpy(to, data.p + done, n);
        websocket_mask(to, n, mask, done);
        conn_commit(w->conn, n);
        done += n;
    }
    if (!w->client)
        conn_write(w->conn, data.p, data.len);
}

bool websocket_send(struct websocket *w, struct str data, bool binary)
{
    if (w->close_sent || !conn_is_open(w->conn))
        return false;
    send_frame(w, binary ? WS_BINARY : WS_TEXT, data);
    w->full = conn_pending(w->conn) > SEND_HIGH;
    return !w->full;
}

void websocket_patience(struct websocket *w, uint32_t ms)
{
    conn_patience(w->conn, ms);
}

static void send_close(struct websocket *w, int code)
{
    char payload[2] = {(char)(code >> 8), (char)code};

    if (w->close_sent)
        return;
    send_frame(w, WS_CLOSE, (struct str){payload, code == CODE_NO_STATUS ? 0 : sizeof(payload)});
    w->close_sent = true;
}

void websocket_pause(struct websocket *w, bool pause)
{
    conn_pause(w->conn, pause);
}

void websocket_close(struct websocket *w, int code)
{
    if (w->close_sent)
        return;
    send_close(w, code);
    if (w->close_seen)
        conn_close(w->conn);
    else
        conn_deadline(w->conn, CLOSE_WAIT_MS);
    conn_pause(w->conn, false); /* or the peer's close would not be seen */
}

/* ---- receiving ---- */

static void fail(struct websocket *w, int code)
{
    send_close(w, code);
    w->close_seen = true; /* nothing that follows is of interest */
    conn_close(w->conn);
}

static void deliver(struct websocket *w, struct str data)
{
    if (!w->binary && !utf8_valid(data)) {
        fail(w, CODE_NOT_UTF8);
        return;
    }
    if (!w->close_sent && w->h.on_message)
        w->h.on_message(w->h.arg, data, w->binary);
}

static void on_data_frame(struct websocket *w, const struct websocket_frame *f)
{
    if ((f->op == WS_CONTINUATION) != w->in_message) {
        fail(w, CODE_PROTOCOL);
        return;
    }
    if (f->op != WS_CONTINUATION)
        w->binary = f->op == WS_BINARY;
    if (f->fin && !w->in_message) {
        deliver(w, f->payload);
        return;
    }
    w->in_message = !f->fin;
    buf_str(&w->message, f->payload);
    if (w->message.overflow) {
        fail(w, CODE_TOO_LARGE);
        return;
    }
    if (f->fin) {
        struct buf whole = w->message;

        w->message = (struct buf){.limit_bytes = WS_FRAME_MAX};
        deliver(w, buf_view(&whole));
        buf_deinit(&whole);
    }
}

static void on_close_frame(struct websocket *w, struct str payload)
{
    const uint8_t *b = (const uint8_t *)payload.p;
    int code = payload.len >= 2 ? b[0] << 8 | b[1] : CODE_NO_STATUS;
    bool ours = code >= CODE_NORMAL && code < 5000 && code != 1004 && code != CODE_NO_STATUS &&
                code != 1006 && code != 1015;

    if (payload.len == 1 || (payload.len >= 2 && !ours))
        code = CODE_PROTOCOL;
    w->close_seen = true;
    send_close(w, code);
    conn_close(w->conn);
}

static void on_frame(struct websocket *w, const struct websocket_frame *f)
{
    switch (f->op) {
    case WS_CONTINUATION:
    case WS_TEXT:
    case WS_BINARY:
        on_data_frame(w, f);
        break;
    case WS_PING:
        if (!w->close_sent && conn_pending(w->conn) <= SEND_HIGH) /* a flood gets no answer */
            send_frame(w, WS_PONG, f->payload);
        break;
    case WS_CLOSE:
        on_close_frame(w, f->payload);
        break;
    case WS_PONG:
        break;
    }
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct websocket *w = arg;
    size_t at = 0;
    long used = 0;

    buf_append(&w->in, p, n);
    while (!w->close_seen && conn_is_open(w->conn)) {
        struct websocket_frame f;
        struct err err = {0};

        used = websocket_frame_read(w->in.p + at, w->in.len - at, !w->client, &f, &err);
        if (used <= 0)
            break;
        at += (size_t)used;
        on_frame(w, &f);
    }
    if (used < 0 && !w->close_seen)
        fail(w, used == ERR_TOO_LARGE ? CODE_TOO_LARGE : CODE_PROTOCOL);
    buf_consume(&w->in, at);
    if (w->in.len == 0)
        buf_deinit(&w->in); /* an idle connection holds nothing */
}

static void on_writable(void *arg)
{
    struct websocket *w = arg;

    if (!w->full || conn_pending(w->conn) > SEND_HIGH / 2)
        return;
    w->full = false;
    if (w->h.on_drain && !w->close_sent)
        w->h.on_drain(w->h.arg);
}

static void on_eof(void *arg, bool clean)
{
    struct websocket *w = arg;

    (void)clean;
    conn_close(w->conn);
}

static void on_timeout(void *arg)
{
    struct websocket *w = arg;

    conn_close(w->conn); /* the peer did not answer our close */
}

static void on_closed(void *arg, const struct err *err)
{
    struct websocket *w = arg;
    void (*gone)(void *a) = w->on_gone;
    void *gone_arg = w->gone_arg;

    (void)err; /* to the handler an end is an end: a close frame may be lost with its connection */
    if (w->h.on_closed)
        w->h.on_closed(w->h.arg);
    buf_deinit(&w->in);
    buf_deinit(&w->message);
    free(w);
    if (gone)
        gone(gone_arg);
}

struct websocket *websocket_start(struct conn *c, bool client, const struct websocket_handler *h,
                                  struct str early, void (*on_gone)(void *arg), void *gone_arg)
{
    struct websocket *w = xnew(struct websocket);
    struct conn_handler handler = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_eof = on_eof,
        .on_timeout = on_timeout,
        .on_closed = on_closed,
        .arg = w,
    };

    w->conn = c;
    w->client = client;
    w->h = *h;
    w->on_gone = on_gone;
    w->gone_arg = gone_arg;
    w->message.limit_bytes = WS_FRAME_MAX;
    conn_set_handler(c, &handler);
    conn_deadline(c, 0);
    if (early.len > 0) {
        buf_str(&w->in, early);
        conn_again(c);
    }
    return w;
}

/* ---- the handshake ---- */

void websocket_accept_key(struct str key, char ret_accept[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
    unsigned char digest[SHA_DIGEST_LENGTH];
    auto_buf text = {0}, out = {0};

    buf_str(&text, key);
    buf_puts(&text, guid);
    (void)SHA1((const unsigned char *)text.p, text.len, digest);
    base64_write(&out, (struct str){(const char *)digest, sizeof(digest)});
    memcpy(ret_accept, buf_cstr(&out), 29);
}

size_t websocket_tokens(struct str value, struct arena *a, struct str **ret_p)
{
    size_t n = 0, cap = 0;
    struct str *list = NULL;

    while (value.len > 0) {
        struct str token = str_trim(str_cut(value, ',', &value));

        if (token.len == 0)
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 4;
            list = arena_grow(a, list, n, cap, sizeof(*list));
        }
        list[n++] = token;
    }
    *ret_p = list;
    return n;
}

bool websocket_requested(const struct http_request *rq)
{
    return rq->version == 11 && str_eq(rq->method, STR("GET")) &&
           http_header_has(rq, "connection", STR("upgrade")) &&
           http_header_has(rq, "upgrade", STR("websocket")) &&
           http_header_find(rq, "sec-websocket-key").len > 0 &&
           str_eq(http_header_find(rq, "sec-websocket-version"), STR("13"));
}

size_t websocket_protocols(const struct http_request *rq, struct arena *a, struct str **ret_p)
{
    auto_buf all = {0};

    for (size_t i = 0; i < rq->n_headers; i++) {
        if (!str_eq(rq->headers[i].name, STR("sec-websocket-protocol")))
            continue;
        buf_str(&all, rq->headers[i].value);
        buf_putc(&all, ',');
    }
    return websocket_tokens(str_dup(a, buf_view(&all)), a, ret_p);
}

struct websocket *websocket_accept(struct http_exchange *x, struct str protocol,
                                   const struct websocket_handler *h)
{
    struct http_conn *hc = x->hc;
    char accept[29];
    auto_buf head = {0}, early = {0};
    struct websocket *w;
    struct conn *c;

    websocket_accept_key(http_header_find(&x->rq, "sec-websocket-key"), accept);
    buf_printf(&head,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n",
               accept);
    if (protocol.len > 0)
        buf_printf(&head, "Sec-WebSocket-Protocol: %.*s\r\n", STR_ARG(protocol));
    buf_puts(&head, "\r\n");
    c = hc && x->ops->upgrade ? x->ops->upgrade(x, buf_view(&head), &early) : NULL;
    if (!c) {
        http_respond(x, 400, NULL, STR(""), NULL, 0);
        return NULL;
    }
    w = websocket_start(c, false, h, buf_view(&early), http_conn_gone, hc);
    x->answered = true;
    http_exchange_done(x);
    return w;
}
