/* grpc_server.c - see grpc_server.h.
 *
 * A call lives as long as the source of its exchange's answer: the exchange closes that once, when
 * all is sent or the peer is gone. The handlers may be told of the end before (a deadline, the
 * server's end); what is queued still leaves then. */
#include "net/grpc_server.h"
#include "base/buf.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    PREFIX_BYTES = 5, /* a flag and the length, before each message */
    TEXT_MAX = 1024,  /* of a status */
    COMPACT_BYTES = 64 * 1024, /* sent bytes that are kept before the queue is moved up */
};

struct grpc_server {
    const struct grpc_method *methods;
    size_t n_methods;
    void *service;
    size_t message_max;
    struct grpc_server_call *calls; /* whose on_closed is due */
};
struct grpc_server_call {
    struct grpc_server *server; /* NULL: on_closed has been called */
    struct grpc_server_call *prev, *next;
    struct http_exchange *x;
    const struct http_request *rq;
    struct grpc_call_handlers on;
    struct buf in; /* bytes of messages not handed over yet */
    size_t held;   /* bytes that came and were not given back to the window */
    struct buf out;
    size_t out_at;
    struct timer deadline, kick;
    size_t drained_bytes;
    void (*on_drained)(void *arg);
    void *drained_arg;
    bool half_closed, half_told; /* by the peer */
    bool responded;              /* the answer is under way */
    bool ended;                  /* its status is known */
    enum grpc_status status;
    struct buf text; /* percent-encoded */
};

static void on_source_close(void *arg);

struct grpc_server *grpc_server_new(const struct grpc_method *methods, size_t n, void *service,
                                    size_t message_max)
{
    struct grpc_server *s = xnew(struct grpc_server);

    *s = (struct grpc_server){
        .methods = methods, .n_methods = n, .service = service, .message_max = message_max};
    return s;
}

/* ---- the end ---- */

static void tell_closed(struct grpc_server_call *call)
{
    struct grpc_server *s = call->server;

    if (!s)
        return;
    if (call->prev)
        call->prev->next = call->next;
    else
        s->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->server = NULL;
    call->on_drained = NULL;
    timer_stop(&call->deadline);
    if (call->on.on_closed)
        call->on.on_closed(call->on.arg, call);
}

struct grpc_server *grpc_server_free(struct grpc_server *s)
{
    if (!s)
        return NULL;
    while (s->calls) {
        struct grpc_server_call *call = s->calls;

        grpc_server_call_end(call, GRPC_UNAVAILABLE, "the server ends");
        tell_closed(call);
    }
    free(s);
    return NULL;
}

static void on_source_close(void *arg)
{
    struct grpc_server_call *call = arg;

    call->ended = true;
    timer_stop(&call->kick);
    tell_closed(call);
    buf_deinit(&call->in);
    buf_deinit(&call->out);
    buf_deinit(&call->text); /* the call itself is the exchange's, which ends after this */
}

/* ---- answers ---- */

size_t grpc_server_pending(const struct grpc_server_call *call)
{
    return call->out.len - call->out_at;
}

static void set_trailers(struct grpc_server_call *call)
{
    unsigned code = (unsigned)call->status; /* of one or two digits */
    char digits[2] = {(char)('0' + code / 10), (char)('0' + code % 10)};
    struct http_header t[2] = {{STR_INIT("grpc-status"), STR_NULL},
                               {STR_INIT("grpc-message"), buf_view(&call->text)}};

    assert(code < 100);
    t[0].value = str_sub((struct str){digits, 2}, code < 10, 2);
    http_set_trailers(call->x, t, call->text.len > 0 ? 2 : 1);
}

/* Whether the kick has something to do. */
static bool kick_is_due(const struct grpc_server_call *call)
{
    size_t pending = grpc_server_pending(call);

    return (call->on_drained && pending < call->drained_bytes) ||
           (!call->ended && call->held > 0 && pending <= GRPC_SERVER_PENDING_MAX);
}

static long source_read(void *arg, char *p, size_t cap)
{
    struct grpc_server_call *call = arg;
    size_t n = MIN(cap, grpc_server_pending(call));

    if (n == 0 && !call->ended)
        return HTTP_READ_WAIT;
    if (n == 0) {
        set_trailers(call);
        return HTTP_READ_END;
    }
    memcpy(p, call->out.p + call->out_at, n);
    call->out_at += n;
    if (call->out_at == call->out.len) {
        buf_reset(&call->out);
        call->out_at = 0;
    } else if (call->out_at > COMPACT_BYTES && call->out_at > call->out.len / 2) {
        buf_consume(&call->out, call->out_at);
        call->out_at = 0;
    }
    if (kick_is_due(call) && !timer_active(&call->kick))
        timer_start(&call->kick, 0, 0); /* no handler runs inside the connection's turn */
    return (long)n;
}

/* There is something to send. The call may be gone afterwards if its peer is. */
static void wake(struct grpc_server_call *call)
{
    static const struct http_header extra[] = {
        {STR_INIT("grpc-accept-encoding"), STR_INIT("identity")}};
    struct http_source src = {.read = source_read, .close = on_source_close, .arg = call};

    if (call->responded) {
        http_resume(call->x);
        return;
    }
    call->responded = true;
    http_respond_source(call->x, 200, "application/grpc", -1, src, extra, ARRAY_LEN(extra));
}

bool grpc_server_may_send(struct grpc_server_call *call, size_t bytes)
{
    if (bytes <= INT32_MAX)
        return true;
    grpc_server_call_end(call, GRPC_RESOURCE_EXHAUSTED,
                         "grpc: trying to send message larger than max (%zu vs. %d)", bytes,
                         INT32_MAX);
    return false;
}

void grpc_server_send(struct grpc_server_call *call, struct str message)
{
    uint8_t prefix[PREFIX_BYTES] = {0};

    if (call->ended || !grpc_server_may_send(call, message.len))
        return;
    for (int i = 0; i < 4; i++)
        prefix[1 + i] = (uint8_t)(message.len >> (24 - 8 * i));
    buf_append(&call->out, prefix, sizeof(prefix));
    buf_str(&call->out, message);
    wake(call);
}

static void encode_text(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p < ' ' || *p > '~' || *p == '%')
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
        else
            buf_putc(out, *p);
    }
}

void grpc_server_call_end(struct grpc_server_call *call, enum grpc_status status, const char *fmt,
                          ...)
{
    char text[TEXT_MAX];
    va_list args;

    if (call->ended)
        return;
    if (status != GRPC_OK) {
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args); /* truncation is fine: it is for people */
        va_end(args);
        encode_text(&call->text, text);
    }
    call->status = status;
    call->ended = true;
    timer_stop(&call->deadline);
    wake(call);
}

void grpc_server_on_drained(struct grpc_server_call *call, size_t bytes, void (*fn)(void *arg),
                            void *arg)
{
    call->drained_bytes = bytes;
    call->on_drained = fn;
    call->drained_arg = arg;
    if (kick_is_due(call) && !timer_active(&call->kick))
        timer_start(&call->kick, 0, 0);
}

/* ---- requests ---- */

/* The next whole message at *@at of @bytes; false if there is none, or none is wanted. */
static bool next_message(struct grpc_server_call *call, struct str bytes, size_t *at,
                         struct str *ret_m)
{
    size_t have = bytes.len - *at, n;
    const uint8_t *p;

    if (call->ended || grpc_server_pending(call) > GRPC_SERVER_PENDING_MAX || have < PREFIX_BYTES)
        return false;
    p = (const uint8_t *)bytes.p + *at;
    n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] != 0) {
        grpc_server_call_end(call, GRPC_UNIMPLEMENTED, "compressed messages are not supported");
        return false;
    }
    if (n > call->server->message_max) {
        grpc_server_call_end(call, GRPC_RESOURCE_EXHAUSTED,
                             "grpc: received message larger than max (%zu vs. %zu)", n,
                             call->server->message_max);
        return false;
    }
    if (have - PREFIX_BYTES < n)
        return false;
    *ret_m = (struct str){(const char *)p + PREFIX_BYTES, n};
    *at += PREFIX_BYTES + n;
    return true;
}

static void end_of_input(struct grpc_server_call *call)
{
    call->half_told = true;
    if (call->in.len > 0)
        grpc_server_call_end(call, GRPC_INTERNAL, "the stream ended within a message");
    else if (call->on.on_half_close)
        call->on.on_half_close(call->on.arg, call);
}

/* Hands over what is there, as far as the answers are not too many, and opens the window. */
static void process(struct grpc_server_call *call)
{
    size_t at = 0, held;
    struct str m;

    while (next_message(call, buf_view(&call->in), &at, &m))
        call->on.on_message(call->on.arg, call, m);
    if (call->ended) {
        buf_deinit(&call->in); /* the rest is for nobody, and its window stays closed */
        return;
    }
    buf_consume(&call->in, at);
    if (grpc_server_pending(call) > GRPC_SERVER_PENDING_MAX)
        return; /* the kick goes on */
    held = call->held;
    call->held = 0;
    http_body_taken(call->x, held);
    if (call->half_closed && !call->half_told)
        end_of_input(call);
}

static void on_kick(struct timer *t)
{
    struct grpc_server_call *call = container_of(t, struct grpc_server_call, kick);
    void (*fn)(void *arg) = call->on_drained;

    if (fn && grpc_server_pending(call) < call->drained_bytes) {
        call->on_drained = NULL;
        fn(call->drained_arg);
    }
    if (!call->ended)
        process(call);
}

static void on_body(void *arg, struct str piece)
{
    struct grpc_server_call *call = arg;
    size_t at = 0;
    struct str m;

    if (call->ended)
        return;
    call->held += piece.len;
    while (call->in.len == 0 && next_message(call, piece, &at, &m))
        call->on.on_message(call->on.arg, call, m); /* whole in this piece: not copied */
    if (!call->ended)
        buf_str(&call->in, str_sub(piece, at, piece.len));
    process(call);
}

static void on_body_end(void *arg)
{
    struct grpc_server_call *call = arg;

    call->half_closed = true;
    call->held++; /* so that a kick comes for it, if answers are in the way */
    if (!call->ended)
        process(call);
}

/* The peer went away; the source is closed right after this, if there is one. */
static void on_abort(void *arg)
{
    struct grpc_server_call *call = arg;

    call->ended = true;
    if (!call->responded)
        wake(call);
}

static void on_deadline(struct timer *t)
{
    struct grpc_server_call *call = container_of(t, struct grpc_server_call, deadline);

    grpc_server_call_end(call, GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
    tell_closed(call);
}

/* TimeoutValue of the protocol: at most 8 digits and a unit. False if it is none. */
static bool parse_timeout(struct str s, uint64_t *ret_ms)
{
    uint64_t v;

    if (s.len < 2 || s.len > 9 || !str_to_u64(str_sub(s, 0, s.len - 1), &v))
        return false;
    switch (s.p[s.len - 1]) {
    case 'H':
        *ret_ms = v * 3600 * 1000;
        return true;
    case 'M':
        *ret_ms = v * 60 * 1000;
        return true;
    case 'S':
        *ret_ms = v * 1000;
        return true;
    case 'm':
        *ret_ms = v;
        return true;
    case 'u':
        *ret_ms = (v + 999) / 1000;
        return true;
    case 'n':
        *ret_ms = (v + 999999) / 1000000;
        return true;
    default:
        return false;
    }
}

bool grpc_server_is_call(const struct http_request *rq)
{
    static const struct str prefix = STR_INIT("application/grpc");
    struct str type = http_header_find(rq, "content-type");

    if (!str_has_prefix(type, prefix))
        return false;
    return type.len == prefix.len || type.p[prefix.len] == '+' || type.p[prefix.len] == ';';
}

/* True if @rq is not for gRPC after all; it has been answered then. */
static bool refuse(struct http_exchange *x, const struct http_request *rq)
{
    struct str type = http_header_find(rq, "content-type");
    int status = 0;

    if (rq->version != 2)
        status = 505;
    else if (!str_eqz(rq->method, "POST"))
        status = 405;
    else if (str_has_prefix(type, STR("application/grpc+")) &&
             !str_eqz(type, "application/grpc+proto"))
        status = 415;
    if (status)
        http_respond(x, status, "text/plain; charset=utf-8",
                     status == 505   ? STR("gRPC needs HTTP/2")
                     : status == 405 ? STR("gRPC needs POST")
                                     : STR("only application/grpc and application/grpc+proto"),
                     NULL, 0);
    return status != 0;
}

/* Tells whether the whole service is unknown or only the method, in grpc-go's words. */
static void end_unknown(struct grpc_server_call *call)
{
    const struct grpc_server *s = call->server;
    struct str path = call->rq->path, method;
    long slash = str_rfind_char(path, '/');
    struct str prefix = str_sub(path, 0, slash < 0 ? 0 : (size_t)slash + 1);
    struct str service = str_sub(prefix, 1, prefix.len < 2 ? 0 : prefix.len - 2);

    for (size_t i = 0; i < s->n_methods && service.len > 0; i++) {
        if (!str_has_prefix(str_from(s->methods[i].path), prefix))
            continue;
        method = str_sub(path, prefix.len, path.len);
        grpc_server_call_end(call, GRPC_UNIMPLEMENTED, "unknown method %.*s for service %.*s",
                             STR_ARG(method), STR_ARG(service));
        return;
    }
    grpc_server_call_end(call, GRPC_UNIMPLEMENTED, "unknown service %.*s", STR_ARG(service));
}

static void start(struct grpc_server_call *call)
{
    const struct grpc_server *s = call->server;
    struct str timeout = http_header_find(call->rq, "grpc-timeout");
    uint64_t ms = 0;

    if (timeout.p && !parse_timeout(timeout, &ms)) {
        grpc_server_call_end(call, GRPC_INTERNAL, "malformed grpc-timeout");
        return;
    }
    if (timeout.p)
        timer_start(&call->deadline, ms, 0);
    for (size_t i = 0; i < s->n_methods; i++) {
        if (str_eqz(call->rq->path, s->methods[i].path)) {
            s->methods[i].on_start(s->service, call);
            return;
        }
    }
    end_unknown(call);
}

void grpc_server_request(struct grpc_server *s, struct http_exchange *x,
                         const struct http_request *rq)
{
    struct grpc_server_call *call;
    struct http_body_handler body = {.on_data = on_body, .on_end = on_body_end};

    if (refuse(x, rq))
        return;
    call = arena_new(http_arena(x), struct grpc_server_call);
    call->server = s;
    call->x = x;
    call->rq = rq;
    timer_init(&call->deadline, http_loop(x), on_deadline);
    timer_init(&call->kick, http_loop(x), on_kick);
    call->next = s->calls;
    if (s->calls)
        s->calls->prev = call;
    s->calls = call;
    http_on_abort(x, on_abort, call);
    start(call);
    assert(call->ended || call->on.on_message);
    body.arg = call;
    http_on_body(x, &body);
}

/* ---- what a service asks ---- */

void grpc_server_call_on(struct grpc_server_call *call, const struct grpc_call_handlers *h)
{
    call->on = *h;
}
