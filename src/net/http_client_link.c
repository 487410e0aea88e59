/* http_client_link.c - see http_client_internal.h: one connection of an HTTP client, and the
 * responses on it, by http_parser. */
#include "net/http_client_internal.h"
#include <assert.h>
#include <ctype.h>

static void link_free(struct http_link *link)
{
    timer_stop(&link->resume);
    buf_deinit(&link->held);
    buf_deinit(&link->head);
    vec_deinit(&link->ends);
    arena_deinit(&link->arena);
    free(link);
}

/* Takes it out of the pool; nobody but its connection knows it then. */
static void link_unlink(struct http_link *link)
{
    struct http_client *c = link->client;

    if (!c)
        return;
    for (size_t i = 0; i < c->links.n; i++) {
        if (c->links.v[i] == link) {
            vec_swap_remove(&c->links, i);
            break;
        }
    }
    for (size_t i = 0; i < c->idle.n; i++) {
        if (c->idle.v[i] == link) {
            vec_remove(&c->idle, i);
            break;
        }
    }
    link->client = NULL;
    timer_stop(&link->resume);
}

void http_link_drop(struct http_link *link)
{
    struct http_call *call = link->call;

    assert(!call);
    link_unlink(link);
    if (link->conn)
        conn_abort(link->conn);
}

/* ---- the parser: a call's callbacks may end it, and even free the client ---- */

static int on_begin(http_parser *p)
{
    struct http_link *link = p->data;

    buf_reset(&link->head);
    vec_clear(&link->ends);
    arena_deinit(&link->arena);
    link->headers = NULL;
    link->n_headers = 0;
    link->in_value = false;
    link->interim = false;
    return 0;
}

/* Names and values come in pieces; @value tells which. */
static int on_piece(struct http_link *link, bool value, const char *s, size_t n)
{
    bool first = link->ends.n == 0 || link->in_value != value;

    if (first) {
        if (link->ends.n >= 2 * HTTP_CLIENT_HEADERS_MAX)
            return 1;
        vec_push(&link->ends, link->head.len);
        link->in_value = value;
    }
    buf_append(&link->head, s, n);
    link->ends.v[link->ends.n - 1] = link->head.len;
    return 0;
}

static int on_field(http_parser *p, const char *s, size_t n)
{
    return on_piece(p->data, false, s, n);
}

static int on_value(http_parser *p, const char *s, size_t n)
{
    return on_piece(p->data, true, s, n);
}

static void make_headers(struct http_link *link)
{
    size_t n = link->ends.n / 2, at = 0;
    char *text = arena_memdupz(&link->arena, link->head.p ? link->head.p : "", link->head.len);

    link->headers = arena_calloc(&link->arena, n, sizeof(*link->headers));
    link->n_headers = n;
    for (size_t i = 0; i < n; i++) {
        size_t name_end = link->ends.v[2 * i], value_end = link->ends.v[2 * i + 1];

        for (size_t k = at; k < name_end; k++)
            text[k] = (char)tolower((unsigned char)text[k]);
        link->headers[i].name = (struct str){text + at, name_end - at};
        link->headers[i].value = str_trim((struct str){text + name_end, value_end - name_end});
        at = value_end;
    }
}

static int on_head_complete(http_parser *p)
{
    struct http_link *link = p->data;
    struct http_call *call = link->call;
    bool skip_body;

    if (!call)
        return -1; /* ended while the head came in */
    if (p->status_code < 200 && p->status_code != 101) {
        link->interim = true;
        return 0;
    }
    make_headers(link);
    call->got_head = true;
    timer_stop(&call->head);
    skip_body = call->head_only;
    if (p->status_code == 101)
        return call->on_upgraded && p->upgrade ? 2 : -1; /* 101 that nobody asked for */
    if (call->on_head)
        call->on_head(call->arg, p->status_code, link->headers, link->n_headers);
    if (link->call != call)
        return -1; /* ended by the callback */
    return skip_body ? 1 : 0;
}

static int on_body(http_parser *p, const char *s, size_t n)
{
    struct http_link *link = p->data;
    struct http_call *call = link->call;

    if (!call)
        return -1;
    if (call->on_data)
        call->on_data(call->arg, (struct str){s, n});
    if (link->call != call)
        return -1;
    if (call->paused)
        http_parser_pause(p, 1);
    return 0;
}

static int on_complete(http_parser *p)
{
    struct http_link *link = p->data;

    if (link->interim)
        return 0; /* 100 and the like: the answer proper follows */
    link->complete = true;
    link->keep = http_should_keep_alive(p);
    http_parser_pause(p, 1);
    return 0;
}

/* ---- what came ---- */

static void fail_call(struct http_link *link, int code, const char *why)
{
    struct http_client *c = link->client;
    struct http_call *call = link->call;
    struct err err = {0};

    if (!call)
        return;
    (void)err_new(&err, code, "%s: %s", c->host, why);
    http_call_end(call, &err);
}

/* The response is whole: the call is over, the connection idle or done with. */
static void response_complete(struct http_link *link, bool clean)
{
    struct http_client *c = link->client;
    struct http_call *call = link->call;
    bool keep = clean && link->keep;

    link->n_served++;
    if (call)
        http_call_end(call, NULL);
    if (keep && conn_is_open(link->conn)) {
        vec_push(&c->idle, link);
        conn_pause(link->conn, false);
        conn_deadline(link->conn, HTTP_CLIENT_IDLE_MS);
    } else {
        http_link_drop(link);
    }
}

static void upgraded(struct http_link *link, struct str early)
{
    struct http_call *call = link->call;
    http_upgraded on_upgraded = call->on_upgraded;
    void *arg = call->arg;
    struct conn *conn = link->conn;

    link->call = NULL;
    call->link = NULL;
    http_call_drop(call);
    link_unlink(link);
    link->conn = NULL;
    conn_set_handler(conn, NULL); /* until the taker sets its own */
    on_upgraded(arg, conn, early, link->headers, link->n_headers);
    link_free(link);
}

/* Gives bytes (none: the end of the stream) to the parser and acts on where it stands. */
static void feed(struct http_link *link, const char *p, size_t n, bool end)
{
    static const http_parser_settings settings = {
        .on_message_begin = on_begin, .on_header_field = on_field, .on_header_value = on_value,
        .on_headers_complete = on_head_complete, .on_body = on_body,
        .on_message_complete = on_complete,
    };
    enum http_errno e;
    size_t taken;

    taken = http_parser_execute(&link->parser, &settings, p, n);
    e = HTTP_PARSER_ERRNO(&link->parser);
    if (!link->client)
        return; /* dropped by a callback */
    if (e == HPE_PAUSED)
        http_parser_pause(&link->parser, 0);
    if (link->complete && link->parser.status_code == 101) {
        upgraded(link, (struct str){p + taken, n - taken});
    } else if (link->complete) {
        response_complete(link, !end && taken == n);
    } else if (e == HPE_PAUSED) {
        if (taken < n)
            buf_append(&link->held, p + taken, n - taken);
    } else if (!end && (e != HPE_OK || taken < n)) { /* an end too soon is on_eof's to tell */
        fail_call(link, ERR_PARSE, link->parser.status_code == 101
                                       ? "it switched to a protocol that was not asked for"
                                       : http_errno_description(e));
        if (link->client)
            http_link_drop(link);
    }
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct http_link *link = arg;

    if (!link->client)
        return;
    link->got_bytes = true;
    if (!link->call) { /* bytes that nobody asked for: the next answer could be forged */
        http_link_drop(link);
        return;
    }
    if (link->call->paused || link->held.len > 0) {
        conn_pause(link->conn, link->call->paused); /* it may have been opening until now */
        buf_append(&link->held, p, n);
        return;
    }
    feed(link, p, n, false);
}

void http_link_pause(struct http_link *link, bool pause)
{
    conn_pause(link->conn, pause);
    if (pause)
        timer_stop(&link->resume);
    else if (link->held.len > 0 || link->eof)
        timer_start(&link->resume, 0, 0);
}

/* True if the server closed a kept-alive connection before it saw the request, so that nothing is
 * lost by asking again. */
static bool may_retry(const struct http_link *link)
{
    const struct http_call *call = link->call;

    return call && call->idempotent && !call->retried && link->n_served > 0 && !link->got_bytes;
}

static void retry(struct http_link *link)
{
    struct http_call *call = link->call;

    link->call = NULL;
    http_client_retry(call);
}

static void on_eof(void *arg, bool clean)
{
    struct http_link *link = arg;

    if (!link->client)
        return;
    if (link->call && (link->call->paused || link->held.len > 0)) {
        link->eof = true; /* after what is held */
        link->eof_clean = clean;
        return;
    }
    if (link->call && may_retry(link)) {
        retry(link);
    } else if (link->call && clean && link->got_bytes) {
        feed(link, NULL, 0, true); /* a body without a length ends so */
    }
    if (link->client)
        fail_call(link, ERR_EOF, "the server closed the connection before its answer was complete");
    if (link->client)
        http_link_drop(link);
}

static void on_resume(struct timer *t)
{
    struct http_link *link = container_of(t, struct http_link, resume);
    struct buf bytes = link->held;

    link->held = (struct buf){0};
    if (bytes.len == 0) {
        on_eof(link, link->eof_clean);
        return;
    }
    if (link->eof)
        timer_start(&link->resume, 0, 0); /* the end has its own turn; dropping stops it */
    feed(link, bytes.p, bytes.len, false);
    buf_deinit(&bytes);
}

static void on_closed(void *arg, const struct err *err)
{
    struct http_link *link = arg;
    struct http_client *c = link->client;
    struct err why = err ? *err : (struct err){.code = ERR_EOF, .msg = "the connection is closed"};

    link->conn = NULL;
    if (c) {
        if (link->call && may_retry(link)) {
            retry(link);
        } else if (link->call) {
            (void)err_wrap(&why, why.code, "%s", c->host);
            link->complete = true; /* nothing of it is left to cut */
            http_call_end(link->call, &why);
        }
        link_unlink(link);
    }
    link_free(link);
}

static void on_idle_timeout(void *arg)
{
    struct http_link *link = arg;

    if (link->client && !link->call)
        http_link_drop(link);
}

struct http_link *http_link_open(struct http_client *c)
{
    struct http_link *link = xnew(struct http_link);
    struct conn_connect_opts opts = {
        .host = c->host, .port = c->port, .unix_socket = c->unix_socket, .tls = c->tls,
        .server_name = c->server_name, .open_timeout_ms = c->connect_timeout_ms};
    struct conn_handler h = {.on_data = on_data, .on_eof = on_eof, .on_closed = on_closed,
                             .on_timeout = on_idle_timeout, .arg = link};

    link->client = c;
    timer_init(&link->resume, c->loop, on_resume);
    link->conn = conn_connect(c->env, &opts, &h);
    vec_push(&c->links, link);
    return link;
}

void http_link_send(struct http_link *link, struct http_call *call)
{
    assert(!link->call && !call->link);
    link->call = call;
    call->link = link;
    link->complete = link->got_bytes = false;
    http_parser_init(&link->parser, HTTP_RESPONSE);
    link->parser.data = link;
    if (link->n_served > 0)
        conn_deadline(link->conn, 0);
    if (call->paused)
        conn_pause(link->conn, true);
    conn_write(link->conn, call->out.p, call->out.len);
}
