/* tunnel.c - see tunnel.h. */
#include "net/tunnel.h"
#include "net/conn.h"
#include "net/http_client_internal.h"
#include "net/http_server_internal.h"

enum { ANSWER_TIMEOUT_MS = 30000 };

struct end { /* one of the two sides */
    struct tunnel *tunnel;
    struct end *other;
    struct conn *conn; /* NULL before it is joined and after it closed */
    bool held;         /* is not read until the other side drains */
};
struct tunnel {
    struct end near, far;
    struct http_conn *hc; /* of the near side */
    bool consumed;        /* joined, or closed by its owner: goes with its connections */
    struct buf head;      /* of our answer to the near side */
    struct buf early;     /* what came behind the head of the far side */
};
struct dial {
    void (*on_open)(void *arg, struct tunnel *t, const struct tunnel_refusal *why);
    void *arg;
    struct arena arena;
    struct str protocol;
    struct http_call *call;
    int status;
    const char *type;
    struct buf body;
    bool too_large;
};

/* ---- bytes ---- */

static void maybe_free(struct tunnel *t)
{
    if (!t->consumed || t->near.conn || t->far.conn)
        return;
    buf_deinit(&t->head);
    buf_deinit(&t->early);
    free(t);
}

static void hand_on(struct end *to, const char *p, size_t n)
{
    struct end *from = to->other;

    conn_write(to->conn, p, n);
    if (conn_pending(to->conn) > CONN_PENDING_HIGH && from->conn && !from->held) {
        from->held = true;
        conn_pause(from->conn, true);
    }
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct end *e = arg;
    struct tunnel *t = e->tunnel;

    if (!t->near.conn) {
        if (!t->consumed)
            buf_append(&t->early, p, n); /* the last of what was read before the pause */
        return;
    }
    conn_deadline(t->near.conn, TUNNEL_IDLE_MS);
    if (e->other->conn)
        hand_on(e->other, p, n);
}

static void on_writable(void *arg)
{
    struct end *e = arg;

    if (e->other->held && e->other->conn) {
        e->other->held = false;
        conn_pause(e->other->conn, false);
    }
}

/* One side sends no more: all that it sent has been handed on, and leaves before the other ends. */
static void on_eof(void *arg, bool clean)
{
    struct end *e = arg;

    (void)clean;
    conn_close(e->conn);
    if (e->other->conn)
        conn_close(e->other->conn);
}

static void on_timeout(void *arg)
{
    on_eof(arg, true);
}

static void on_closed(void *arg, const struct err *err)
{
    struct end *e = arg;
    struct tunnel *t = e->tunnel;

    (void)err; /* to the other side an end is an end */
    e->conn = NULL;
    if (e->other->conn)
        conn_close(e->other->conn);
    if (e == &t->near)
        http_conn_gone(t->hc);
    maybe_free(t);
}

static void take(struct end *e, struct conn *c)
{
    struct conn_handler h = {.on_data = on_data,
                             .on_writable = on_writable,
                             .on_eof = on_eof,
                             .on_timeout = on_timeout,
                             .on_closed = on_closed,
                             .arg = e};

    e->conn = c;
    conn_set_handler(c, &h);
    conn_deadline(c, 0);
    conn_patience(c, TUNNEL_IDLE_MS);
}

/* ---- the far side ---- */

static void finish(struct dial *d, struct tunnel *t, const struct err *err)
{
    struct tunnel_refusal why = {
        .status = err ? 0 : d->status, .type = d->type, .body = buf_view(&d->body), .err = err};

    d->on_open(d->arg, t, t ? NULL : &why);
    buf_deinit(&d->body);
    arena_deinit(&d->arena);
    free(d);
}

static void write_head(struct tunnel *t, struct str protocol, const struct http_header *headers,
                       size_t n)
{
    buf_printf(&t->head,
               "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %.*s\r\n",
               STR_ARG(protocol));
    for (size_t i = 0; i < n; i++) {
        if (!http_header_sendable(&headers[i]))
            continue;
        buf_str(&t->head, headers[i].name);
        buf_puts(&t->head, ": ");
        buf_str(&t->head, headers[i].value);
        buf_puts(&t->head, "\r\n");
    }
    buf_puts(&t->head, "\r\n");
}

static void on_upgraded(void *arg, struct conn *conn, struct str early,
                        const struct http_header *headers, size_t n)
{
    struct dial *d = arg;
    struct tunnel *t;
    struct err err = {0};
    bool same = false;

    for (size_t i = 0; i < n; i++)
        same = same || (str_eqz(headers[i].name, "upgrade") &&
                        str_ieq(headers[i].value, d->protocol));
    if (!same) {
        conn_abort(conn);
        (void)err_new(&err, ERR_PARSE, "the server switched to another protocol than %.*s",
                      STR_ARG(d->protocol));
        finish(d, NULL, &err);
        return;
    }
    t = xnew(struct tunnel);
    t->near = (struct end){.tunnel = t, .other = &t->far};
    t->far = (struct end){.tunnel = t, .other = &t->near};
    write_head(t, d->protocol, headers, n);
    buf_str(&t->early, early);
    take(&t->far, conn);
    conn_pause(conn, true); /* until somebody can take it */
    finish(d, t, NULL);
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct dial *d = arg;

    d->status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eqz(headers[i].name, "content-type"))
            d->type = str_dupz(&d->arena, headers[i].value);
}

static void on_body(void *arg, struct str piece)
{
    struct dial *d = arg;

    if (d->too_large)
        return;
    if (piece.len > TUNNEL_REFUSAL_MAX - d->body.len) {
        d->too_large = true;
        http_call_cancel(d->call);
        return;
    }
    buf_str(&d->body, piece);
}

static void on_done(void *arg, const struct err *err)
{
    struct dial *d = arg;
    struct err large = {0};

    if (d->too_large) {
        (void)err_new(&large, ERR_TOO_LARGE, "the server's answer is longer than %d bytes",
                      TUNNEL_REFUSAL_MAX);
        err = &large;
    }
    finish(d, NULL, err);
}

bool tunnel_requested(const struct http_request *rq, struct str protocol)
{
    return rq->version == 11 && http_header_has(rq, "connection", STR("upgrade")) &&
           http_header_has(rq, "upgrade", protocol);
}

void tunnel_dial(struct http_client *c, const struct http_client_request *rq, struct str protocol,
                 void (*on_open)(void *arg, struct tunnel *t, const struct tunnel_refusal *why))
{
    struct dial *d = xnew(struct dial);
    struct http_client_request mine = *rq;
    struct http_header *headers;

    d->on_open = on_open;
    d->arg = rq->arg;
    d->protocol = str_dup(&d->arena, protocol);
    headers = arena_calloc(&d->arena, rq->n_headers + 2, sizeof(*headers));
    for (size_t i = 0; i < rq->n_headers; i++)
        headers[i] = rq->headers[i];
    headers[mine.n_headers++] = (struct http_header){STR("Connection"), STR("Upgrade")};
    headers[mine.n_headers++] = (struct http_header){STR("Upgrade"), d->protocol};
    mine.headers = headers;
    mine.body = STR_NULL;
    mine.timeout_ms = rq->timeout_ms ? rq->timeout_ms : ANSWER_TIMEOUT_MS;
    mine.on_head = on_head;
    mine.on_data = on_body;
    mine.on_done = on_done;
    mine.arg = d;
    d->call = http_client_upgrade(c, &mine, on_upgraded);
}

/* ---- the near side ---- */

bool tunnel_join(struct tunnel *t, struct http_exchange *x)
{
    struct http_conn *hc = x->hc;
    auto_buf early = {0};
    struct conn *c = NULL;

    if (hc && t->far.conn && x->ops->upgrade)
        c = x->ops->upgrade(x, buf_view(&t->head), &early);
    if (!c) {
        tunnel_close(t);
        http_respond(x, 502, NULL, STR(""), NULL, 0);
        return false;
    }
    t->consumed = true;
    t->hc = hc;
    take(&t->near, c);
    conn_deadline(c, TUNNEL_IDLE_MS);
    x->answered = true;
    http_exchange_done(x);
    hand_on(&t->far, early.p, early.len);
    conn_pause(t->far.conn, false);
    hand_on(&t->near, t->early.p, t->early.len);
    buf_deinit(&t->early);
    return true;
}

void tunnel_close(struct tunnel *t)
{
    if (!t)
        return;
    t->consumed = true;
    if (t->far.conn)
        conn_abort(t->far.conn);
    maybe_free(t);
}
