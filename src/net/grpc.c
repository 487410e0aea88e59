/* grpc.c - see grpc.h: clients, calls, messages and statuses. The connection is in grpc_link.c. */
#include "net/grpc_internal.h"
#include <assert.h>
#include <stdarg.h>

static void on_kick(struct timer *t)
{
    grpc_deliver(container_of(t, struct grpc_client, kick));
}

/* "unix:///path", "unix:/path", "host:port", "[address]:port"; what is not understood is a host
 * without a port, which fails to connect with a text that shows it. */
static void parse_target(struct grpc_client *c, struct str target)
{
    long colon = str_rfind_char(target, ':');
    struct str host = target;
    uint64_t port = 0;

    if (str_has_prefix(target, STR("unix:"))) {
        host = str_sub(target, 5, target.len);
        if (str_has_prefix(host, STR("//")))
            host = str_sub(host, 2, host.len);
        c->unix_socket = true;
    } else if (colon >= 0 &&
               str_to_u64(str_sub(target, (size_t)colon + 1, target.len), &port) &&
               port <= UINT16_MAX) {
        host = str_sub(target, 0, (size_t)colon);
        c->port = (uint16_t)port;
    }
    if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 2);
    c->host = xmemdupz(host.p, host.len);
}

struct grpc_client *grpc_client_new(struct loop *l, const char *target, size_t message_max)
{
    struct grpc_client *c = xnew(struct grpc_client);

    c->loop = l;
    c->env = conn_env_new(l);
    c->target = xstrdup(target);
    parse_target(c, str_from(c->target));
    c->authority = c->unix_socket ? "localhost" : c->target;
    c->message_max = message_max;
    c->backoff_max_ms = GRPC_BACKOFF_MAX_MS;
    timer_init(&c->kick, l, on_kick);
    return c;
}

struct grpc_client *grpc_client_new_tls(struct loop *l, const char *target,
                                        struct tls_context *tls, const char *server_name,
                                        size_t message_max)
{
    struct grpc_client *c = grpc_client_new(l, target, message_max);

    assert(tls && !c->unix_socket);
    c->tls = tls;
    c->server_name = server_name ? xstrdup(server_name) : NULL;
    return c;
}

void grpc_client_set_backoff(struct grpc_client *c, uint32_t max_ms)
{
    c->backoff_max_ms = max_ms;
}

static void client_destroy(struct grpc_client *c)
{
    timer_stop(&c->kick);
    conn_env_unref(c->env);
    vec_deinit(&c->ready);
    free(c->server_name);
    free(c->host);
    free(c->target);
    free(c);
}

static void call_free(struct grpc_call *call)
{
    timer_stop(&call->deadline);
    buf_deinit(&call->out);
    buf_deinit(&call->in);
    buf_deinit(&call->message);
    buf_deinit(&call->text);
    arena_deinit(&call->arena);
    free(call);
}

/* Tells the end of a call, which is then gone. The client may be, too. */
static void call_finish(struct grpc_call *call)
{
    struct grpc_client *c = call->client;

    assert(call->ended && !call->link);
    timer_stop(&call->deadline);
    if (call->prev)
        call->prev->next = call->next;
    else
        c->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    for (size_t i = 0; call->ready && i < c->ready.n; i++) {
        if (c->ready.v[i] == call) {
            vec_remove(&c->ready, i);
            break;
        }
    }
    call->on_done(call->arg, call->status, buf_view(&call->text));
    call_free(call);
}

struct grpc_client *grpc_client_free(struct grpc_client *c)
{
    if (!c)
        return NULL;
    assert(!c->freed);
    c->freed = true;
    while (c->calls) {
        struct grpc_call *call = c->calls;

        if (!call->ended || call->in.len > 0) { /* not all of it was told */
            call->ended = false;
            grpc_call_end(call, GRPC_CANCELLED, "the client ends");
        }
        call_finish(call);
    }
    grpc_link_drop_all(c);
    if (!c->delivering)
        client_destroy(c);
    return NULL;
}

void grpc_call_ready(struct grpc_call *call)
{
    struct grpc_client *c = call->client;

    if (call->ready)
        return;
    call->ready = true;
    vec_push(&c->ready, call);
    if (!timer_active(&c->kick))
        timer_start(&c->kick, 0, 0);
}

static size_t prefix_length(const uint8_t *p)
{
    return (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
}

/* The next whole message at *@at of what came in: a copy, since the callback may cancel. */
static bool next_message(const struct grpc_call *call, size_t *at, struct str *ret_m)
{
    const uint8_t *p = (const uint8_t *)call->in.p + *at;
    size_t have = call->in.len - *at, n;

    if (have < GRPC_PREFIX_BYTES)
        return false;
    n = prefix_length(p);
    if (have - GRPC_PREFIX_BYTES < n)
        return false;
    *ret_m = (struct str){xmemdupz(p + GRPC_PREFIX_BYTES, n), n};
    *at += GRPC_PREFIX_BYTES + n;
    return true;
}

static void call_deliver(struct grpc_call *call)
{
    struct grpc_client *c = call->client;
    size_t at = 0;
    struct str m;

    while (next_message(call, &at, &m)) {
        if (call->on_message)
            call->on_message(call->arg, m);
        free((void *)(uintptr_t)m.p);
        if (c->freed)
            return; /* and the call with it */
        if (call->in.len == 0) /* canceled */
            at = 0;
    }
    buf_consume(&call->in, at);
    if (call->ended)
        call_finish(call);
}

void grpc_deliver(struct grpc_client *c)
{
    if (c->delivering)
        return; /* a callback below us; its loop goes on with what is new */
    c->delivering = true;
    while (!c->freed && c->ready.n > 0) {
        struct grpc_call *call = c->ready.v[0];

        vec_remove(&c->ready, 0);
        call->ready = false;
        call_deliver(call);
    }
    c->delivering = false;
    if (c->freed)
        client_destroy(c);
}

void grpc_call_end(struct grpc_call *call, enum grpc_status status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (call->ended)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* truncation is fine: it is for people */
    va_end(args);
    buf_reset(&call->text);
    buf_puts(&call->text, text);
    call->ended = true;
    call->status = status;
    timer_stop(&call->deadline);
    grpc_link_detach(call);
    if (!call->client->freed)
        grpc_call_ready(call);
}

/* https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
static enum grpc_status status_of_http(int http)
{
    switch (http) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

/* True if the bytes that came in end within a message. */
static bool in_is_torn(const struct grpc_call *call)
{
    size_t at = 0;

    while (call->in.len - at >= GRPC_PREFIX_BYTES) {
        const uint8_t *p = (const uint8_t *)call->in.p + at;
        size_t n = prefix_length(p);

        if (call->in.len - at - GRPC_PREFIX_BYTES < n)
            return true;
        at += GRPC_PREFIX_BYTES + n;
    }
    return call->in.len != at;
}

void grpc_call_response_end(struct grpc_call *call)
{
    if (call->grpc_status >= 0) {
        if (call->grpc_status == GRPC_OK && in_is_torn(call)) {
            grpc_call_end(call, GRPC_INTERNAL, "the stream ended within a message");
            return;
        }
        grpc_call_end(call, (enum grpc_status)call->grpc_status, "%.*s",
                      STR_ARG(buf_view(&call->message)));
        if (call->message.len > 0) { /* the whole of it, which the line above may cut */
            buf_reset(&call->text);
            buf_str(&call->text, buf_view(&call->message));
        }
    } else if (call->http_status != 200) {
        grpc_call_end(call, status_of_http(call->http_status), "HTTP status %d",
                      call->http_status);
    } else if (!call->is_grpc) {
        grpc_call_end(call, GRPC_UNKNOWN, "the answer is not gRPC");
    } else {
        grpc_call_end(call, GRPC_INTERNAL, "the stream ended without a status");
    }
}

/* Looks at the prefix of each message that came in; ends the call at one that is not wanted. */
static void check_prefixes(struct grpc_call *call)
{
    size_t at = 0;

    while (call->in.len - at >= GRPC_PREFIX_BYTES) {
        const uint8_t *p = (const uint8_t *)call->in.p + at;
        size_t n = prefix_length(p);

        if (p[0] != 0 || n > call->client->message_max) {
            if (p[0] != 0)
                grpc_call_end(call, GRPC_INTERNAL, "a compressed message, which was not offered");
            else
                grpc_call_end(call, GRPC_RESOURCE_EXHAUSTED,
                              "a message of %zu bytes is over the limit of %zu", n,
                              call->client->message_max);
            call->in.len = at; /* what came before it is still delivered */
            return;
        }
        if (call->in.len - at - GRPC_PREFIX_BYTES < n)
            break;
        at += GRPC_PREFIX_BYTES + n;
    }
    if (at > 0)
        grpc_call_ready(call);
}

void grpc_call_take(struct grpc_call *call, const uint8_t *p, size_t n)
{
    if (call->ended || call->http_status != 200 || !call->is_grpc)
        return; /* the body of an HTTP error says nothing to us */
    buf_append(&call->in, p, n);
    check_prefixes(call);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decodes a grpc-message; what is not a valid escape stays, as the protocol asks. */
static void decode_text(struct str s, struct buf *out)
{
    s = str_sub(s, 0, GRPC_TEXT_MAX);
    buf_reset(out);
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '%' && s.len - i > 2 && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
            buf_putc(out, (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2])));
            i += 2;
        } else {
            buf_putc(out, s.p[i]);
        }
    }
}

void grpc_call_header(struct grpc_call *call, struct str name, struct str value)
{
    uint64_t v;

    if (str_eq(name, STR(":status"))) {
        call->http_status = str_to_u64(value, &v) && v < 1000 ? (int)v : 0;
    } else if (str_eq(name, STR("content-type"))) {
        call->is_grpc = str_has_prefix(value, STR("application/grpc"));
    } else if (str_eq(name, STR("grpc-status"))) {
        call->grpc_status = str_to_u64(value, &v) && v <= GRPC_UNAUTHENTICATED ? (int)v
                                                                                : GRPC_UNKNOWN;
    } else if (str_eq(name, STR("grpc-message"))) {
        decode_text(value, &call->message);
    }
}

static void on_deadline(struct timer *t)
{
    struct grpc_call *call = container_of(t, struct grpc_call, deadline);

    grpc_call_end(call, GRPC_DEADLINE_EXCEEDED, "no answer within %u ms", call->timeout_ms);
    grpc_deliver(call->client);
}

static void queue_message(struct grpc_call *call, struct str m)
{
    uint8_t prefix[GRPC_PREFIX_BYTES] = {0};

    assert(m.len <= UINT32_MAX);
    for (int i = 0; i < 4; i++)
        prefix[1 + i] = (uint8_t)(m.len >> (24 - 8 * i));
    buf_append(&call->out, prefix, sizeof(prefix));
    buf_str(&call->out, m);
}

struct grpc_call *grpc_call_start(struct grpc_client *c, const struct grpc_call_opts *opts)
{
    struct grpc_call *call = xnew(struct grpc_call);

    assert(!c->freed);
    call->client = c;
    call->path = arena_strdup(&call->arena, opts->method);
    call->metadata = arena_calloc(&call->arena, opts->n_metadata, sizeof(*call->metadata));
    call->n_metadata = opts->n_metadata;
    for (size_t i = 0; i < opts->n_metadata; i++) {
        call->metadata[i].name = str_dup(&call->arena, opts->metadata[i].name);
        call->metadata[i].value = str_dup(&call->arena, opts->metadata[i].value);
    }
    if (!opts->client_streams || opts->request.p)
        queue_message(call, opts->request);
    call->half_closed = !opts->client_streams;
    call->on_message = opts->on_message;
    call->on_done = opts->on_done;
    call->arg = opts->arg;
    call->grpc_status = -1;
    call->next = c->calls;
    if (c->calls)
        c->calls->prev = call;
    c->calls = call;
    timer_init(&call->deadline, c->loop, on_deadline);
    if (opts->timeout_ms > 0) {
        call->timeout_ms = opts->timeout_ms;
        call->deadline_ms = loop_now_ms(c->loop) + opts->timeout_ms;
        timer_start(&call->deadline, opts->timeout_ms, 0);
    }
    grpc_link_submit(call);
    return call;
}

void grpc_call_cancel(struct grpc_call *call)
{
    if (call->ended)
        call->ended = false; /* its end was not told yet: this one counts */
    buf_reset(&call->in);
    grpc_call_end(call, GRPC_CANCELLED, "canceled");
}

void grpc_call_send(struct grpc_call *call, struct str message)
{
    if (call->ended)
        return;
    assert(!call->half_closed);
    queue_message(call, message);
    grpc_link_resume(call);
}

void grpc_call_half_close(struct grpc_call *call)
{
    if (call->ended || call->half_closed)
        return;
    call->half_closed = true;
    grpc_link_resume(call);
}
