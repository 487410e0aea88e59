/* grpc_link.c - see grpc_internal.h: the HTTP/2 connection of a gRPC client (RFC 9113 by nghttp2).
 *
 * A client has one connection for new calls; it is made when a call needs it. After a GOAWAY it
 * only finishes what it has, beside its successor. */
#include "net/grpc_internal.h"
#include <stdio.h>

static struct str bytes_view(const uint8_t *p, size_t n)
{
    return (struct str){(const char *)p, n};
}

/* Sends what nghttp2 has, as long as the connection takes it. */
static void link_send(struct grpc_link *link)
{
    const uint8_t *p;
    long n = 0;

    while (conn_pending(link->conn) < CONN_PENDING_HIGH) {
        n = nghttp2_session_mem_send(link->session, &p);
        if (n <= 0)
            break;
        conn_write(link->conn, p, (size_t)n);
    }
    if (n < 0) {
        (void)snprintf(link->why, sizeof(link->why), "HTTP/2: %s", nghttp2_strerror((int)n));
        conn_abort(link->conn);
    } else if (!nghttp2_session_want_read(link->session) &&
               !nghttp2_session_want_write(link->session)) {
        conn_close(link->conn);
    }
}

static void link_free(struct grpc_link *link)
{
    nghttp2_session_del(link->session);
    free(link);
}

/* Takes the connection out of its client, which connects anew for the next call. */
static void link_unlink(struct grpc_link *link)
{
    struct grpc_client *c = link->client;

    for (struct grpc_link **at = &c->links; *at; at = &(*at)->next) {
        if (*at == link) {
            *at = link->next;
            break;
        }
    }
    if (c->link == link)
        c->link = NULL;
    link->client = NULL;
}

void grpc_link_drop_all(struct grpc_client *c)
{
    while (c->links) {
        struct grpc_link *link = c->links;

        link_unlink(link);
        conn_close(link->conn); /* on_closed frees it; what resets streams still leaves */
    }
}

static void back_off(struct grpc_client *c, const struct err *err)
{
    c->backoff_ms = MIN(MAX(c->backoff_ms * 2, GRPC_BACKOFF_MIN_MS), c->backoff_max_ms);
    c->retry_at_ms = loop_now_ms(c->loop) + c->backoff_ms;
    c->last = *err;
}

static void on_conn_closed(void *arg, const struct err *err)
{
    struct grpc_link *link = arg;
    struct grpc_client *c = link->client;
    struct err why = {0};

    if (!c) {
        link_free(link);
        return;
    }
    (void)err_new(&why, ERR_UNAVAILABLE, "%s: %s", c->target,
                  link->why[0] ? link->why : err ? err->msg : "the connection was closed");
    link_unlink(link);
    if (!link->ready)
        back_off(c, &why);
    for (struct grpc_call *call = c->calls; call; call = call->next) {
        if (call->link == link) {
            call->link = NULL; /* its stream ends with the session */
            grpc_call_end(call, GRPC_UNAVAILABLE, "%s", why.msg);
        }
    }
    link_free(link);
    grpc_deliver(c);
}

static void on_conn_data(void *arg, const char *p, size_t n)
{
    struct grpc_link *link = arg;
    struct grpc_client *c = link->client;
    long r;

    if (!c)
        return;
    r = nghttp2_session_mem_recv(link->session, (const uint8_t *)p, n);
    if (r < 0) {
        (void)snprintf(link->why, sizeof(link->why), "HTTP/2: %s", nghttp2_strerror((int)r));
        link_send(link); /* nghttp2's GOAWAY */
        conn_close(link->conn);
    } else {
        link_send(link);
    }
    grpc_deliver(c);
}

static void on_conn_writable(void *arg)
{
    struct grpc_link *link = arg;

    if (link->client)
        link_send(link);
}

static void on_conn_open(void *arg)
{
    struct grpc_link *link = arg;

    if (link->client && link->client->tls && !str_eqz(conn_alpn(link->conn), "h2")) {
        (void)snprintf(link->why, sizeof(link->why), "the server does not offer HTTP/2");
        conn_close(link->conn);
        return;
    }
    on_conn_writable(link);
}

/* nghttp2's side. User data of a stream is its call, until the call is detached. */

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

    if (call && frame->hd.type == NGHTTP2_HEADERS)
        grpc_call_header(call, bytes_view(name, name_len), bytes_view(value, value_len));
    return 0;
}

static int on_data_chunk(nghttp2_session *s, uint8_t flags, int32_t stream_id, const uint8_t *p,
                         size_t n, void *arg)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(s, stream_id);

    if (call)
        grpc_call_take(call, p, n);
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    struct grpc_link *link = arg;
    struct grpc_call *call;

    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        link->ready = true;
        link->client->backoff_ms = 0;
        break;
    case NGHTTP2_GOAWAY: /* what it will not serve comes back as REFUSED_STREAM */
        if (link->client->link == link)
            link->client->link = NULL;
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        call = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
        if (call && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
            call->answered = true;
            grpc_call_response_end(call);
        }
        break;
    default:
        break;
    }
    return 0;
}

/* A stream that the peer did not look at may be tried again, once. It is done from the loop, on
 * another connection if this one goes away. */
static void refused(struct grpc_call *call, const char *why)
{
    call->link = NULL;
    if (call->retried || call->http_status != 0) {
        grpc_call_end(call, GRPC_UNAVAILABLE, "%s: %s", call->client->target, why);
        return;
    }
    call->retried = true;
    grpc_link_submit(call);
}

static enum grpc_status status_of_reset(uint32_t code)
{
    switch (code) {
    case NGHTTP2_CANCEL:
        return GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

static int on_stream_close(nghttp2_session *s, int32_t stream_id, uint32_t code, void *arg)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(s, stream_id);

    if (!call)
        return 0;
    if (code == NGHTTP2_REFUSED_STREAM) {
        refused(call, "the stream was refused");
        return 0;
    }
    call->link = NULL;
    grpc_call_end(call, status_of_reset(code), "the stream was reset: %s",
                  nghttp2_http2_strerror(code));
    return 0;
}

static int on_frame_not_sent(nghttp2_session *s, const nghttp2_frame *frame, int code, void *arg)
{
    struct grpc_link *link = arg;

    if (frame->hd.type != NGHTTP2_HEADERS || !link->client)
        return 0;
    for (struct grpc_call *call = link->client->calls; call; call = call->next) {
        if (call->link == link && call->stream_id == frame->hd.stream_id) {
            refused(call, nghttp2_strerror(code));
            break;
        }
    }
    return 0;
}

static ssize_t read_request(nghttp2_session *s, int32_t stream_id, uint8_t *to, size_t cap,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(s, stream_id);
    size_t n;

    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* detached: the stream is reset */
    n = MIN(cap, call->out.len - call->out_at);
    if (n == 0 && !call->half_closed) {
        call->waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0)
        memcpy(to, call->out.p + call->out_at, n);
    call->out_at += n;
    if (call->out_at == call->out.len && call->half_closed)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->http_status != 0 && !call->half_closed) {
        buf_consume(&call->out, call->out_at); /* it will not be tried again */
        call->out_at = 0;
    }
    return (ssize_t)n;
}

static nghttp2_session *session_new(struct grpc_link *link)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW},
    };
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_session *s = NULL;

    if (nghttp2_session_callbacks_new(&cb) == 0) {
        nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_sent);
        if (nghttp2_session_client_new(&s, cb, link) != 0)
            s = NULL;
        nghttp2_session_callbacks_del(cb);
    }
    if (!s || nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
        nghttp2_session_set_local_window_size(s, NGHTTP2_FLAG_NONE, 0, GRPC_LINK_WINDOW) != 0)
        abort(); /* out of memory: nothing else makes these fail */
    return s;
}

static struct grpc_link *link_open(struct grpc_client *c)
{
    struct grpc_link *link = xnew(struct grpc_link);
    struct conn_connect_opts opts = {.host = c->host, .port = c->port,
                                     .unix_socket = c->unix_socket, .tls = c->tls,
                                     .server_name = c->server_name, .alpn = "h2"};
    struct conn_handler h = {
        .on_open = on_conn_open, .on_data = on_conn_data, .on_writable = on_conn_writable,
        .on_closed = on_conn_closed, .arg = link};

    link->client = c;
    link->session = session_new(link);
    link->conn = conn_connect(c->env, &opts, &h);
    link->next = c->links;
    c->links = link;
    c->link = link;
    return link;
}

/* TimeoutValue of the gRPC protocol: at most 8 digits and a unit. */
static void format_timeout(uint64_t ms, char out[16])
{
    if (ms <= 99999999)
        (void)snprintf(out, 16, "%um", (unsigned)ms);
    else
        (void)snprintf(out, 16, "%uS", (unsigned)((ms + 999) / 1000));
}

static nghttp2_nv header(const char *name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.p, strlen(name),
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* Opens the stream; 0 or nghttp2's error. */
static int submit(struct grpc_link *link, struct grpc_call *call)
{
    struct grpc_client *c = call->client;
    nghttp2_data_provider body = {.read_callback = read_request};
    uint64_t now_ms = loop_now_ms(c->loop);
    auto_arena a = {0};
    nghttp2_nv *nv = arena_calloc(&a, 8 + call->n_metadata, sizeof(*nv));
    char timeout[16];
    size_t n = 0;
    int r;

    nv[n++] = header(":method", STR("POST"));
    nv[n++] = header(":scheme", c->tls ? STR("https") : STR("http"));
    nv[n++] = header(":path", str_from(call->path));
    nv[n++] = header(":authority", str_from(c->authority));
    nv[n++] = header("te", STR("trailers"));
    if (call->deadline_ms > 0) {
        format_timeout(call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 1, timeout);
        nv[n++] = header("grpc-timeout", str_from(timeout));
    }
    nv[n++] = header("content-type", STR("application/grpc"));
    nv[n++] = header("user-agent", STR("skiff/" SKIFF_VERSION));
    for (size_t i = 0; i < call->n_metadata; i++)
        nv[n++] = header(call->metadata[i].name.p, call->metadata[i].value);
    call->out_at = 0;
    call->waiting = false;
    r = nghttp2_submit_request(link->session, NULL, nv, n, &body, call);
    if (r < 0)
        return r;
    call->stream_id = r;
    call->link = link;
    return 0;
}

void grpc_link_submit(struct grpc_call *call)
{
    struct grpc_client *c = call->client;
    int r;

    if (!c->env) {
        grpc_call_end(call, GRPC_UNAVAILABLE, "%s: no sockets in a simulation", c->target);
        return;
    }
    if (!c->link && loop_now_ms(c->loop) < c->retry_at_ms) {
        grpc_call_end(call, GRPC_UNAVAILABLE, "%s", c->last.msg);
        return;
    }
    if (!c->link)
        (void)link_open(c);
    r = submit(c->link, call);
    if (r < 0) { /* stream numbers ran out, or it is about to close: the next has its own */
        c->link = NULL;
        r = submit(link_open(c), call);
    }
    if (r < 0)
        grpc_call_end(call, GRPC_INTERNAL, "HTTP/2: %s", nghttp2_strerror(r));
    else
        conn_wake(call->link->conn); /* sends in this iteration, also from nghttp2's callbacks */
}

void grpc_link_resume(struct grpc_call *call)
{
    if (!call->link || !call->waiting)
        return; /* it is looked at when its turn comes */
    call->waiting = false;
    /* Fails only if the stream is gone already: then its end follows. */
    (void)nghttp2_session_resume_data(call->link->session, call->stream_id);
    conn_wake(call->link->conn);
}

void grpc_link_detach(struct grpc_call *call)
{
    struct grpc_link *link = call->link;

    if (!link)
        return;
    call->link = NULL;
    /* Fails only if the stream is gone already. */
    (void)nghttp2_session_set_stream_user_data(link->session, call->stream_id, NULL);
    if (call->answered && call->half_closed && call->out_at == call->out.len)
        return; /* both sides have ended it */
    if (nghttp2_submit_rst_stream(link->session, NGHTTP2_FLAG_NONE, call->stream_id,
                                  call->answered ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL) == 0)
        conn_wake(link->conn);
}
