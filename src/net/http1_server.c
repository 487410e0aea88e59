/* http1_server.c - HTTP/1 on a server's connection: one request after another.
 *
 * What comes behind a request that is being answered waits, at most REST_MAX bytes of it; so
 * pipelined requests are answered in order. Heads are written when the handler answers, bodies
 * are pulled at the connection's turn. */
#include "net/http1_parser.h"
#include "net/http_server_internal.h"
#include <assert.h>
#include <stdio.h>

#define REST_MAX (64 * 1024) /* read ahead behind an open request; then reading pauses */
#define CHUNK_HEAD 6         /* "4000\r\n" */
#define CHUNK_TAIL 2

enum body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };

struct h1_exchange {
    struct http_exchange x;
    struct h1 *h1; /* NULL: upgraded or gone */
};
struct h1 {
    struct http_conn *hc;
    struct conn *conn;
    struct http1_parser parser;
    struct h1_exchange *cur; /* being read, or handed over */
    struct buf rest;
    bool handed;   /* cur is with the handler, or its answer under way */
    bool started;  /* the answer's head has been written */
    bool last;     /* the connection ends with the current answer */
    bool broken;   /* closing: input is of no interest any more */
    enum body body;
    uint64_t left; /* of a body of known length */
};

static void input(struct h1 *h, const char *p, size_t n);
static const struct http_exchange_ops exchange_ops;

static uint32_t idle_ms(const struct h1 *h)
{
    return http_server_options(h->hc->server)->idle_timeout_ms;
}

static void expect_request(struct h1 *h)
{
    h->cur = xnew(struct h1_exchange);
    h->cur->h1 = h;
    http_exchange_init(&h->cur->x, h->hc, &exchange_ops);
    http1_parser_start(&h->parser, &h->cur->x.arena, &h->cur->x.rq, &h->cur->x.body);
    h->handed = h->started = false;
    conn_deadline(h->conn, idle_ms(h));
}

/* ---- answers ---- */

static const char *status_text(int status)
{
    const char *text = http_status_str((enum http_status)status);

    return text[0] == '<' ? "Status" : text; /* "<unknown>" */
}

static void put_head(struct h1 *h, const struct http_answer *a, struct buf *out)
{
    bool http10 = h->parser.hp.http_minor == 0;

    buf_printf(out, "HTTP/1.1 %d %s\r\n", a->status, status_text(a->status));
    for (size_t i = 0; i < a->n_extra; i++) {
        if (!http_header_sendable(&a->extra[i]))
            continue;
        buf_str(out, a->extra[i].name);
        buf_puts(out, ": ");
        buf_str(out, a->extra[i].value);
        buf_puts(out, "\r\n");
    }
    if (a->type)
        buf_printf(out, "content-type: %s\r\n", a->type);
    buf_puts(out, "date: ");
    buf_str(out, http_server_date(h->hc->server));
    buf_puts(out, "\r\n");
    if (h->body == BODY_CHUNKED)
        buf_puts(out, "transfer-encoding: chunked\r\n");
    else if (a->content_length >= 0 && a->status >= 200 && a->status != 204)
        buf_printf(out, "content-length: %lld\r\n", (long long)a->content_length);
    if (h->last)
        buf_puts(out, "connection: close\r\n");
    else if (http10)
        buf_puts(out, "connection: keep-alive\r\n");
    buf_puts(out, "\r\n");
}

static void choose_body(struct h1 *h, const struct http_answer *a)
{
    bool head_only = str_eq(h->cur->x.rq.method, STR("HEAD"));

    h->left = 0;
    if (head_only || a->status < 200 || a->status == 204 || a->status == 304) {
        h->body = BODY_NONE;
    } else if (a->content_length >= 0) {
        h->body = BODY_LENGTH;
        h->left = (uint64_t)a->content_length;
    } else if (h->parser.hp.http_minor > 0) {
        h->body = BODY_CHUNKED;
    } else {
        h->body = BODY_TO_END;
        h->last = true;
    }
}

static void op_respond(struct http_exchange *x, const struct http_answer *a)
{
    struct h1 *h = container_of(x, struct h1_exchange, x)->h1;
    auto_buf head = {0};

    assert(h && h->cur && &h->cur->x == x);
    if (http_server_draining(h->hc->server))
        h->last = true;
    choose_body(h, a);
    put_head(h, a, &head);
    conn_write(h->conn, head.p, head.len);
    h->started = true;
    conn_wake(h->conn);
}

static void op_resume(struct http_exchange *x)
{
    struct h1 *h = container_of(x, struct h1_exchange, x)->h1;

    if (h && h->started)
        conn_wake(h->conn);
}

static void finish(struct h1 *h)
{
    struct h1_exchange *e = h->cur;
    struct buf rest = h->rest;

    h->cur = NULL;
    http_exchange_done(&e->x);
    if (h->last) {
        h->broken = true;
        conn_close(h->conn);
        return;
    }
    h->rest = (struct buf){0};
    expect_request(h);
    conn_pause(h->conn, false);
    input(h, rest.p, rest.len); /* may give the connection away, and free @h */
    buf_deinit(&rest);
}

/* One piece of the body to the connection. Returns its size, or what the source said. */
static long send_piece(struct h1 *h)
{
    const struct http_source *src = &h->cur->x.src;
    size_t head = h->body == BODY_CHUNKED ? CHUNK_HEAD : 0;
    size_t tail = h->body == BODY_CHUNKED ? CHUNK_TAIL : 0;
    char *p = conn_reserve(h->conn, HTTP_PIECE_BYTES, NULL);
    size_t cap = HTTP_PIECE_BYTES - head - tail;
    long n;

    if (h->body == BODY_LENGTH && h->left < cap)
        cap = (size_t)h->left;
    n = src->read(src->arg, p + head, cap);
    if (n <= 0)
        return n;
    assert((size_t)n <= cap);
    if (h->body == BODY_CHUNKED) {
        static const char hex[] = "0123456789abcdef";

        for (int i = 0; i < 4; i++)
            p[i] = hex[(unsigned long)n >> (12 - 4 * i) & 15];
        memcpy(p + 4, "\r\n", 2);
        memcpy(p + head + n, "\r\n", CHUNK_TAIL);
    }
    conn_commit(h->conn, head + (size_t)n + tail);
    h->left -= h->body == BODY_LENGTH ? (uint64_t)n : 0;
    return n;
}

/* True if the body has ended, well or badly. */
static bool body_ended(struct h1 *h, long n)
{
    if (n == HTTP_READ_WAIT)
        return false;
    if (n == HTTP_READ_END && (h->body != BODY_LENGTH || h->left == 0)) {
        if (h->body == BODY_CHUNKED)
            conn_write(h->conn, "0\r\n\r\n", 5);
        finish(h);
        return true;
    }
    conn_abort(h->conn); /* an answer cut short must not look whole */
    return true;
}

static void on_writable(void *state)
{
    struct h1 *h = state;
    size_t sent = 0;
    long n;

    while (h->cur && h->started && conn_is_open(h->conn)) {
        if (h->body == BODY_NONE || (h->body == BODY_LENGTH && h->left == 0)) {
            finish(h);
            return;
        }
        if (conn_pending(h->conn) >= CONN_PENDING_HIGH)
            return; /* on_writable comes again */
        if (sent >= HTTP_TURN_BYTES) {
            conn_wake(h->conn);
            return;
        }
        n = send_piece(h);
        if (n <= 0) {
            (void)body_ended(h, n);
            return;
        }
        sent += (size_t)n;
    }
}

/* ---- errors ---- */

/* Answers a request that could not be read, and ends the connection. */
static void refuse(struct h1 *h, int status, const char *why)
{
    char text[160];
    auto_buf out = {0};
    int n = snprintf(text, sizeof(text), "%d %s%s%s", status, status_text(status),
                     why ? ": " : "", why ? why : "");

    buf_printf(&out, "HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ndate: ", status,
               status_text(status));
    buf_str(&out, http_server_date(h->hc->server));
    buf_printf(&out, "\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s", n, text);
    conn_write(h->conn, out.p, out.len);
    h->broken = true;
    conn_close(h->conn);
}

/* Gives the request to its handler. The connection may be given away in there, and @h freed. */
static void hand_over(struct h1 *h, bool too_large, const char *behind, size_t n)
{
    h->handed = true;
    h->last = too_large || !h->parser.keep_alive;
    conn_deadline(h->conn, 0);
    if (!h->last)
        buf_append(&h->rest, behind, n);
    if (too_large)
        http_exchange_too_large(&h->cur->x);
    else
        http_exchange_hand_over(&h->cur->x);
}

static void refuse_event(struct h1 *h, enum http1_event e)
{
    if (e == HTTP1_HEAD_TOO_LARGE)
        refuse(h, 431, NULL);
    else if (e == HTTP1_VERSION)
        refuse(h, 505, NULL);
    else if (e == HTTP1_CODING)
        refuse(h, 501, "unsupported transfer encoding");
    else
        refuse(h, 400, h->parser.why);
}

/* Reads one request; what comes behind it is kept until it has been answered. */
static void input(struct h1 *h, const char *p, size_t n)
{
    const struct http_server_opts *opts = http_server_options(h->hc->server);

    while (n > 0 && !h->handed && !h->broken) {
        bool fresh = !h->parser.started;
        size_t used;
        enum http1_event e = http1_parse(&h->parser, p, n, &used);

        p += used;
        n -= used;
        if (e == HTTP1_REQUEST || e == HTTP1_TOO_LARGE) {
            hand_over(h, e == HTTP1_TOO_LARGE, p, n);
            return;
        }
        if (e != HTTP1_MORE && e != HTTP1_HEAD) {
            refuse_event(h, e);
            return;
        }
        if (e == HTTP1_HEAD && h->parser.expect_continue && n == 0)
            conn_write(h->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        if (h->parser.head_done)
            conn_deadline(h->conn, opts->idle_timeout_ms);
        else if (fresh)
            conn_deadline(h->conn, opts->head_timeout_ms);
    }
    if (n == 0 || h->broken || h->last)
        return; /* nothing behind the last request is served */
    buf_append(&h->rest, p, n);
    if (h->rest.len > REST_MAX)
        conn_pause(h->conn, true);
}

/* ---- the connection ---- */

static void on_data(void *state, const char *p, size_t n)
{
    input(state, p, n);
}

/* The peer sends no more. It may still wait for an answer whose end is known; a watch it has
 * left, as has one who asked and did not wait. */
static void on_eof(void *state)
{
    struct h1 *h = state;

    if (h->started && h->body == BODY_LENGTH)
        h->last = true;
    else if (h->handed)
        conn_abort(h->conn);
    else
        conn_close(h->conn);
}

static void on_timeout(void *state)
{
    struct h1 *h = state;

    if (h->handed)
        return;
    if (h->parser.started)
        refuse(h, 408, NULL);
    else
        conn_close(h->conn);
}

static void on_closed(void *state)
{
    struct h1 *h = state;

    if (h->cur) {
        h->cur->h1 = NULL;
        http_exchange_abort(&h->cur->x);
    }
    http1_parser_deinit(&h->parser);
    buf_deinit(&h->rest);
    free(h);
}

static void drain(void *state)
{
    struct h1 *h = state;

    h->last = true;
    if (!h->handed && !h->parser.started)
        conn_close(h->conn);
}

static struct conn *op_upgrade(struct http_exchange *x, struct str head, struct buf *ret_early)
{
    struct h1 *h = container_of(x, struct h1_exchange, x)->h1;
    struct http_conn *hc;
    struct conn *c;

    if (!h)
        return NULL;
    hc = h->hc;
    c = h->conn;
    conn_write(c, head.p, head.len);
    conn_pause(c, false);
    *ret_early = h->rest;
    container_of(x, struct h1_exchange, x)->h1 = NULL;
    hc->ops = NULL;
    hc->state = NULL;
    hc->upgraded = true;
    http1_parser_deinit(&h->parser);
    free(h);
    return c;
}

static const struct http_exchange_ops exchange_ops = {
    .respond = op_respond,
    .resume = op_resume,
    .upgrade = op_upgrade,
};

void *http1_server_new(struct http_conn *hc, const struct protocol_ops **ret_ops)
{
    static const struct protocol_ops ops = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_eof = on_eof,
        .on_timeout = on_timeout,
        .on_closed = on_closed,
        .drain = drain,
    };
    struct h1 *h = xnew(struct h1);

    h->hc = hc;
    h->conn = hc->conn;
    http1_parser_init(&h->parser, http_server_options(hc->server)->body_max);
    expect_request(h);
    *ret_ops = &ops;
    return h;
}
