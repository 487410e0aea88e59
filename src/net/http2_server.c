/* http2_server.c - HTTP/2 on a server's connection, by nghttp2.
 *
 * nghttp2 is asked for frames at the connection's turn only, and only while the connection has
 * not much pending. The bodies' bytes are read from their sources straight into the connection's
 * buffer: in read_body() behind a gap, into which send_body() writes the frame's head. */
#include "net/http_server_internal.h"
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

enum {
    STREAMS_MAX = 100,            /* open at once */
    STREAM_WINDOW = 1024 * 1024,
    CONN_WINDOW = 4 * 1024 * 1024,
    BODIES_MAX = 32 * 1024 * 1024, /* bytes of request bodies that one connection makes us hold */
    DROP_MAX = 16 * 1024 * 1024,   /* of a refused body, before its stream is reset */
    FRAME_HEAD = 9,
    CUTS_BURST = 1000, /* streams cut short, by either side, that a peer may have at once... */
    CUTS_PER_SEC = 50, /* ...and for good: opening and resetting quickly is an attack */
};

struct h2_stream {
    struct http_exchange x;
    struct h2 *h2; /* NULL: gone */
    struct h2_stream *prev, *next;
    int32_t id;
    size_t head_bytes, n_cap, dropped_bytes;
    struct http_header *headers;
    int64_t left; /* of the answer's body; -1: unknown */
    bool head_too_large;
    bool reading; /* the request is not whole yet, and not refused */
    bool counted; /* in n_unended */
    bool waiting; /* for http_resume() */
    bool ended;   /* the peer has sent all */
    bool sent;    /* we have */
};
struct h2 {
    struct http_conn *hc;
    struct conn *conn;
    nghttp2_session *session;
    struct h2_stream *streams; /* open ones */
    unsigned n_streams;
    unsigned n_unended;   /* of them: the peer has not sent all, and should get on */
    size_t body_bytes;    /* of all requests */
    size_t turn_bytes;    /* that may still be sent in this turn */
    char *gap;            /* between read_body() and send_body() */
    unsigned n_cuts;      /* streams cut short lately */
    uint64_t cuts_ms;     /* loop time up to which n_cuts has been paid off */
    bool draining, broken, calm;
};

static const struct http_exchange_ops exchange_ops;

static void die(struct h2 *h)
{
    h->broken = true;
    conn_abort(h->conn);
}

static void set_deadline(struct h2 *h)
{
    const struct http_server_opts *o = http_server_options(h->hc->server);

    /* An open stream may be a watch: the peer's silence means nothing then, and TCP's keep-alive
     * finds out about a peer that has gone. But a request must get on. */
    bool watched = h->n_streams == 0 || h->n_unended > 0;

    conn_deadline(h->conn, watched ? o->idle_timeout_ms : 0);
}

/* ---- requests ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = xnew(struct h2_stream);
    s->h2 = h;
    s->id = frame->hd.stream_id;
    http_exchange_init(&s->x, h->hc, &exchange_ops);
    s->x.rq.version = 2;
    s->reading = s->counted = true;
    s->next = h->streams;
    if (h->streams)
        h->streams->prev = s;
    h->streams = s;
    h->n_streams++;
    h->n_unended++;
    set_deadline(h);
    return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static void add_header(struct h2_stream *s, struct str name, struct str value)
{
    struct http_request *rq = &s->x.rq;

    if (rq->n_headers == s->n_cap) {
        s->n_cap = s->n_cap ? s->n_cap * 2 : 12;
        s->headers = arena_grow(&s->x.arena, s->headers, rq->n_headers, s->n_cap,
                                sizeof(*s->headers));
        rq->headers = s->headers;
    }
    s->headers[rq->n_headers++] = (struct http_header){name, value};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str n = {(const char *)name, name_len}, v = {(const char *)value, value_len};
    struct http_request *rq;

    (void)flags;
    (void)arg;
    if (!s || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers say nothing that we need */
    rq = &s->x.rq;
    s->head_bytes += name_len + value_len + 32;
    if (s->head_bytes > HTTP_HEAD_MAX || rq->n_headers >= HTTP_HEADERS_MAX)
        s->head_too_large = true;
    if (s->head_too_large)
        return 0;
    v = str_dup(&s->x.arena, v);
    if (str_eq(n, STR(":method")))
        rq->method = v;
    else if (str_eq(n, STR(":path")))
        rq->target = v;
    else if (str_eq(n, STR(":authority")))
        rq->host = v;
    else if (n.len > 0 && n.p[0] != ':')
        add_header(s, str_dup(&s->x.arena, n), v);
    return 0;
}

/* The peer may take its time with the rest of this request, or there is none. */
static void uncount(struct h2_stream *s)
{
    s->h2->n_unended -= s->counted;
    s->counted = false;
}

static void note_ended(struct h2_stream *s)
{
    uncount(s);
    s->ended = true;
}

static void respond_early(struct h2_stream *s, int status, const char *text)
{
    s->reading = false;
    http_respond(&s->x, status, "text/plain; charset=utf-8", str_from(text), NULL, 0);
}

static void dispatch(struct h2_stream *s)
{
    if (s->x.streams)
        http_exchange_body_end(&s->x);
    if (!s->reading)
        return; /* refused before its end, or handed over already */
    s->reading = false;
    s->x.rq.body = buf_view(&s->x.body);
    http_exchange_hand_over(&s->x);
}

/* True if the handler wants @s now; it has it then. */
static bool dispatch_head(struct h2_stream *s, bool ended)
{
    const struct http_handler *h = &http_server_options(s->h2->hc->server)->handler;

    if (!h->wants_stream || !h->wants_stream(h->arg, &s->x.rq))
        return false;
    s->reading = false;
    s->x.streams = true;
    s->x.body_end = ended;
    s->x.body.limit_bytes = 0; /* its window bounds it */
    s->x.rq.body = STR("");
    uncount(s);
    http_exchange_hand_over(&s->x);
    return true;
}

/* The head is there: hand it over, refuse it, or ask for the rest. */
static void on_head(struct h2 *h, struct h2_stream *s, bool ended)
{
    struct http_request *rq = &s->x.rq;

    if (s->head_too_large) {
        respond_early(s, 431, "431 Request Header Fields Too Large");
        return;
    }
    if (!rq->host.p)
        rq->host = http_header_find(rq, "host");
    if (!rq->method.p || !http_request_set_target(rq, rq->target)) {
        respond_early(s, 400, "400 Bad Request");
        return;
    }
    if (dispatch_head(s, ended))
        return;
    if (ended) {
        dispatch(s);
    } else if (str_ieq(http_header_find(rq, "expect"), STR("100-continue"))) {
        static const nghttp2_nv status = {.name = (uint8_t *)":status",
                                          .value = (uint8_t *)"100",
                                          .namelen = 7,
                                          .valuelen = 3};

        if (nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, s->id, NULL, &status, 1, NULL) !=
            0)
            die(h);
    }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s;
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s)
        return 0;
    if (ended)
        note_ended(s);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        on_head(h, s, ended);
    } else if (ended) {
        dispatch(s);
    }
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    if (s && s->x.streams) { /* its own window opens as the handler takes what came */
        http_exchange_body(&s->x, p, n);
        return nghttp2_session_consume_connection(session, n);
    }
    if (nghttp2_session_consume(session, id, n) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!s)
        return 0;
    if (!s->reading) { /* refused: reset at once, some clients would not see the answer */
        s->dropped_bytes += n;
        return s->dropped_bytes > DROP_MAX
                   ? nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR)
                   : 0;
    }
    buf_append(&s->x.body, p, n);
    if (s->x.body.overflow) {
        s->reading = false;
        http_exchange_too_large(&s->x);
        return 0;
    }
    h->body_bytes += n;
    if (h->body_bytes <= BODIES_MAX)
        return 0;
    s->reading = false;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* Takes @s out of its connection and ends the exchange. */
static void stream_end(struct h2_stream *s)
{
    struct h2 *h = s->h2;

    note_ended(s);
    if (!s->x.streams)
        h->body_bytes -= MIN(h->body_bytes, s->x.body.len);
    h->n_streams--;
    if (s->prev)
        s->prev->next = s->next;
    else
        h->streams = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->h2 = NULL;
    set_deadline(h);
    if (s->sent)
        http_exchange_done(&s->x);
    else
        http_exchange_abort(&s->x);
}

/* Counts a stream cut short; false if there are too many. */
static bool cut_allowed(struct h2 *h)
{
    uint64_t now = loop_now_ms(conn_loop(h->conn)), paid = (now - h->cuts_ms) * CUTS_PER_SEC / 1000;

    if (paid > 0) {
        h->n_cuts -= (unsigned)MIN(paid, h->n_cuts);
        h->cuts_ms = now;
    }
    h->calm = ++h->n_cuts > CUTS_BURST;
    return !h->calm;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    bool sent;

    (void)code;
    if (!s)
        return 0;
    sent = s->sent;
    (void)nghttp2_session_set_stream_user_data(session, id, NULL);
    stream_end(s);
    if (h->draining)
        conn_wake(h->conn);
    return sent || cut_allowed(h) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_stream *s;

    (void)arg;
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s)
        return 0;
    s->sent = true;
    if (s->x.streams && !s->ended) /* nobody wants the rest of the request */
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    return 0;
}

/* ---- answers ---- */

static nghttp2_nv nv(struct str name, struct str value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                        .value = (uint8_t *)(uintptr_t)value.p,
                        .namelen = name.len,
                        .valuelen = value.len};
}

static int submit_trailers(nghttp2_session *session, struct h2_stream *s)
{
    nghttp2_nv *v = arena_calloc(&s->x.arena, s->x.n_trailers, sizeof(*v));

    for (size_t i = 0; i < s->x.n_trailers; i++)
        v[i] = nv(s->x.trailers[i].name, s->x.trailers[i].value);
    return nghttp2_submit_trailer(session, s->id, v, s->x.n_trailers);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t cap,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2 *h = arg;
    struct h2_stream *s = source->ptr;
    const struct http_source *src = &s->x.src;
    long n = 0;

    (void)id;
    (void)buf;
    if (h->turn_bytes == 0 || conn_pending(h->conn) >= CONN_PENDING_HIGH)
        return NGHTTP2_ERR_PAUSE;
    cap = MIN(cap, HTTP_PIECE_BYTES - FRAME_HEAD); /* frame and head fill one TLS record */
    if (s->left >= 0)
        cap = MIN(cap, (size_t)s->left);
    h->gap = conn_reserve(h->conn, HTTP_PIECE_BYTES, NULL);
    if (s->left != 0) {
        n = src->read(src->arg, h->gap + FRAME_HEAD, cap);
        assert(n <= (long)cap);
    }
    if (n == HTTP_READ_WAIT) {
        s->waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n < 0 || (n == 0 && s->left > 0))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s->left > 0)
        s->left -= n;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == 0 || s->left == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->x.n_trailers > 0 && submit_trailers(session, s) == 0)
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    h->turn_bytes -= MIN(h->turn_bytes, (size_t)n);
    return n;
}

static int send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    struct h2 *h = arg;

    (void)session;
    (void)frame;
    (void)source;
    assert(h->gap && frame->data.padlen == 0);
    memcpy(h->gap, head, FRAME_HEAD);
    conn_commit(h->conn, FRAME_HEAD + n);
    h->gap = NULL;
    return 0;
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_memdupz(a, s.p, s.len);

    for (size_t i = 0; i < s.len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] - 'A' + 'a');
    return (struct str){p, s.len};
}

static size_t make_head(struct h2_stream *s, const struct http_answer *a, nghttp2_nv **ret_nv)
{
    struct arena *arena = &s->x.arena;
    nghttp2_nv *v = arena_calloc(arena, a->n_extra + 4, sizeof(*v));
    size_t n = 0;

    v[n++] = nv(STR(":status"), str_i64(arena, a->status));
    v[n++] = nv(STR("date"), http_server_date(s->h2->hc->server));
    if (a->type)
        v[n++] = nv(STR("content-type"), str_from(a->type));
    if (a->content_length >= 0 && a->status != 204)
        v[n++] = nv(STR("content-length"), str_i64(arena, a->content_length));
    for (size_t i = 0; i < a->n_extra; i++)
        if (http_header_sendable(&a->extra[i]))
            v[n++] = nv(lower(arena, a->extra[i].name), a->extra[i].value);
    *ret_nv = v;
    return n;
}

static void op_respond(struct http_exchange *x, const struct http_answer *a)
{
    struct h2_stream *s = container_of(x, struct h2_stream, x);
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    bool no_body = str_eq(x->rq.method, STR("HEAD")) || a->status == 204 || a->status == 304;
    nghttp2_nv *head;
    size_t n = make_head(s, a, &head);

    s->left = a->content_length;
    if (no_body)
        http_exchange_close_source(x);
    if (nghttp2_submit_response(s->h2->session, s->id, head, n,
                                no_body || s->left == 0 ? NULL : &body) != 0)
        die(s->h2);
    conn_wake(s->h2->conn);
}

static void op_resume(struct http_exchange *x)
{
    struct h2_stream *s = container_of(x, struct h2_stream, x);

    if (!s->waiting || !s->h2)
        return;
    s->waiting = false;
    (void)nghttp2_session_resume_data(s->h2->session, s->id); /* fails if it is not deferred */
    conn_wake(s->h2->conn);
}

static void op_taken(struct http_exchange *x, size_t n)
{
    struct h2_stream *s = container_of(x, struct h2_stream, x);

    if (!s->h2 || s->ended)
        return;
    if (nghttp2_session_consume_stream(s->h2->session, s->id, n) != 0)
        die(s->h2);
    conn_wake(s->h2->conn);
}

/* ---- the connection ---- */

static void on_writable(void *state)
{
    struct h2 *h = state;
    const uint8_t *p;
    ssize_t n = 0;

    h->turn_bytes = HTTP_TURN_BYTES;
    while (!h->broken && conn_pending(h->conn) < CONN_PENDING_HIGH) {
        n = nghttp2_session_mem_send(h->session, &p);
        if (n <= 0)
            break;
        conn_write(h->conn, p, (size_t)n);
    }
    if (h->broken)
        return;
    if (n < 0) {
        die(h);
    } else if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)) {
        h->broken = true;
        conn_close(h->conn);
    } else if (h->turn_bytes == 0) {
        conn_wake(h->conn); /* others first */
    } else if (h->draining && h->n_streams == 0) {
        h->broken = true;
        conn_close(h->conn);
    }
}

static void on_data(void *state, const char *p, size_t n)
{
    struct h2 *h = state;
    ssize_t r;

    if (h->broken)
        return;
    r = nghttp2_session_mem_recv(h->session, (const uint8_t *)p, n);
    if (r < 0) { /* not the protocol, or out of hand */
        bool calm = h->calm || r == NGHTTP2_ERR_FLOODED;

        (void)nghttp2_session_terminate_session(h->session, calm ? NGHTTP2_ENHANCE_YOUR_CALM
                                                                 : NGHTTP2_PROTOCOL_ERROR);
        on_writable(h);
        if (!h->broken)
            conn_close(h->conn);
        h->broken = true;
        return;
    }
    set_deadline(h);
    conn_wake(h->conn);
}

static void on_eof(void *state)
{
    struct h2 *h = state;

    h->broken = true;
    if (h->n_streams > 0)
        conn_abort(h->conn);
    else
        conn_close(h->conn);
}

static void drain(void *state)
{
    struct h2 *h = state;

    if (h->draining)
        return;
    h->draining = true;
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    conn_wake(h->conn);
}

static void on_closed(void *state)
{
    struct h2 *h = state;

    h->broken = true;
    while (h->streams)
        stream_end(h->streams);
    nghttp2_session_del(h->session); /* does not call on_stream_close */
    free(h);
}

static const struct http_exchange_ops exchange_ops = {
    .respond = op_respond, .resume = op_resume, .taken = op_taken};

static void start_session(struct h2 *h)
{
    const uint32_t streams_max = http_server_options(h->hc->server)->streams_max;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_max ? streams_max : STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    nghttp2_session_callbacks *cb;
    nghttp2_option *opt;

    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&opt) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_body);
    nghttp2_option_set_no_closed_streams(opt, 1);
    nghttp2_option_set_no_auto_window_update(opt, 1); /* on_body() and op_taken() do it */
    if (http_server_options(h->hc->server)->lenient_heads)
        nghttp2_option_set_no_http_messaging(opt, 1); /* on_head() looks at what it needs */
    if (nghttp2_session_server_new2(&h->session, cb, h, opt) != 0)
        abort();
    nghttp2_option_del(opt);
    nghttp2_session_callbacks_del(cb);
    if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW) != 0)
        abort(); /* only for want of memory */
}

static void on_timeout(void *state)
{
    struct h2 *h = state;

    if (h->n_unended > 0)
        die(h); /* requests that do not get on */
    else
        drain(h); /* nothing has happened for long: GOAWAY, then the end */
}

void *http2_server_new(struct http_conn *hc, const struct protocol_ops **ret_ops)
{
    static const struct protocol_ops ops = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_eof = on_eof,
        .on_timeout = on_timeout,
        .on_closed = on_closed,
        .drain = drain,
    };
    struct h2 *h = xnew(struct h2);

    h->hc = hc;
    h->conn = hc->conn;
    h->cuts_ms = loop_now_ms(conn_loop(h->conn));
    start_session(h);
    set_deadline(h);
    conn_wake(h->conn); /* our SETTINGS */
    *ret_ops = &ops;
    return h;
}
