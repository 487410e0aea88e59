/* SPDX-License-Identifier: Apache-2.0 */
/* connect_stream.c - exec, attach and port-forward: a WebSocket of the client and one to the
 * kubelet, joined message by message. Whoever cannot take more makes the other side wait. Clients
 * before WebSockets speak SPDY, which goes through as it is. */
#include "apiserver/connect.h"
#include "net/tunnel.h"
#include "net/websocket.h"

enum { PROTOCOLS_MAX = 16, CLOSE_NORMAL = 1000, CLOSE_BAD_GATEWAY = 1011 };

/* The sub-protocols that may be passed through; both sides speak the one the kubelet chooses. */
static const char *const known_protocols[] = {
    "v5.channel.k8s.io", "v4.channel.k8s.io",     "v4.base64.channel.k8s.io",
    "channel.k8s.io",    "base64.channel.k8s.io", "SPDY/3.1+portforward.k8s.io",
};

struct bridge;
struct end { /* one of the two sides */
    struct bridge *bridge;
    struct end *other;
    struct websocket *ws; /* NULL before it opens and after it closed */
    bool held;            /* does not read until the other side drains */
};
struct bridge {
    struct request *rq; /* until the client's side is open */
    struct loop *loop;
    struct http_client *client;
    struct end near, far; /* client, kubelet */
    struct str protocol;  /* in rq's arena */
    struct connect_target target;
    struct str path; /* on the kubelet; in rq's arena */
    int status;      /* of the kubelet's answer, 0: none */
    struct err err;
};

static void release(void *arg)
{
    struct bridge *b = arg;

    b->client = http_client_free(b->client);
    free(b);
}

/* Goes when nothing can call back any more. */
static void maybe_release(struct bridge *b)
{
    if (!b->rq && !b->near.ws && !b->far.ws)
        loop_post(b->loop, release, b);
}

static void on_message(void *arg, struct str data, bool binary)
{
    struct end *e = arg;

    if (!e->other->ws || websocket_send(e->other->ws, data, binary))
        return;
    e->held = true;
    websocket_pause(e->ws, true);
}

static void on_drain(void *arg)
{
    struct end *e = arg;

    if (e->other->held && e->other->ws) {
        e->other->held = false;
        websocket_pause(e->other->ws, false);
    }
}

static void on_closed(void *arg)
{
    struct end *e = arg;
    struct end *other = e->other;

    e->ws = NULL;
    if (other->ws) {
        if (other->held) /* it has to see the peer's goodbye */
            websocket_pause(other->ws, false);
        other->held = false;
        websocket_close(other->ws, CLOSE_NORMAL);
    }
    maybe_release(e->bridge);
}

static struct websocket_handler handler_of(struct end *e)
{
    return (struct websocket_handler){
        .on_message = on_message, .on_drain = on_drain, .on_closed = on_closed, .arg = e};
}

static enum stage_result refuse(struct request *rq)
{
    struct bridge *b = rq->state;
    struct connect_target target = b->target;
    struct str path = b->path;
    bool answered = b->status > 0;
    const char *why = arena_printf(rq->arena, "error dialing backend: %s", b->err.msg);

    b->rq = NULL;
    maybe_release(b);
    return answered ? connect_explain(rq, &target, path) : status_fail_plain(rq, 500, why);
}

static enum stage_result join(struct request *rq)
{
    struct bridge *b = rq->state;
    struct http_exchange *x = rq->http;
    struct websocket_handler h = handler_of(&b->near);
    struct str protocol = b->protocol;

    b->rq = NULL;
    request_mark_finished(rq, 101);
    b->near.ws = websocket_accept(x, protocol, &h);
    if (b->near.ws)
        websocket_patience(b->near.ws, TUNNEL_IDLE_MS);
    else
        websocket_close(b->far.ws, CLOSE_BAD_GATEWAY);
    return STAGE_DONE;
}

static enum stage_result gone(struct request *rq)
{
    return STAGE_DONE; /* never runs: the request is finished */
}

static void on_open(void *arg, struct websocket *w, int status, struct str protocol,
                    const struct err *err)
{
    struct end *e = arg;
    struct bridge *b = e->bridge;
    struct request *rq = b->rq;

    e->ws = w;
    b->status = status;
    if (err)
        b->err = *err;
    if (rq->finished) { /* the client is gone */
        b->rq = NULL;
        if (w)
            websocket_close(w, CLOSE_NORMAL);
        maybe_release(b);
        request_resume(rq, gone);
        return;
    }
    b->protocol = str_dup(rq->arena, protocol);
    request_resume(rq, w ? join : refuse);
}

static struct str stream_target(struct request *rq, const struct connect_target *t)
{
    auto_buf out = {0};
    char sep = '?';

    if (str_eqz(rq->sub, "portforward")) {
        buf_puts(&out, "/portForward/");
        http_escape(&out, t->ns);
        buf_putc(&out, '/');
        http_escape(&out, t->pod);
        connect_copy_param(rq, &out, &sep, "ports", "port");
        connect_copy_param(rq, &out, &sep, "port", "port");
        return str_dup(rq->arena, buf_view(&out));
    }
    buf_printf(&out, "/%.*s/", STR_ARG(rq->sub));
    http_escape(&out, t->ns);
    buf_putc(&out, '/');
    http_escape(&out, t->pod);
    buf_putc(&out, '/');
    http_escape(&out, t->container);
    if (str_eqz(rq->sub, "exec"))
        connect_copy_param(rq, &out, &sep, "command", "command");
    connect_copy_param(rq, &out, &sep, "stdin", "input");
    connect_copy_param(rq, &out, &sep, "stdout", "output");
    connect_copy_param(rq, &out, &sep, "stderr", "error");
    connect_copy_param(rq, &out, &sep, "tty", "tty");
    return str_dup(rq->arena, buf_view(&out));
}

/* The dial ends at once: on_open() is told so from within. */
static void on_cancel(struct request *rq)
{
    struct bridge *b = rq->state;

    b->client = http_client_free(b->client);
}

static size_t offered(struct request *rq, const char **ret_list, bool *ret_any)
{
    struct str *asked;
    size_t n_asked = websocket_protocols(rq->head, rq->arena, &asked), n = 0;

    *ret_any = n_asked > 0;
    for (size_t i = 0; i < n_asked && n < PROTOCOLS_MAX; i++)
        for (size_t j = 0; j < ARRAY_LEN(known_protocols); j++)
            if (str_eqz(asked[i], known_protocols[j]))
                ret_list[n++] = known_protocols[j];
    ret_list[n] = NULL;
    return n;
}

static enum stage_result check_streams(struct request *rq)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    bool any = false;

    if (str_eqz(rq->sub, "portforward"))
        return STAGE_NEXT;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str v = request_param(rq, names[i]);

        any = any || str_eqz(v, "true") || str_eqz(v, "1");
    }
    if (!any)
        return request_failf(rq, ERR_BAD_REQUEST,
                             "you must specify at least 1 of stdin, stdout, stderr");
    if (str_eqz(rq->sub, "exec") && !request_param(rq, "command").p)
        return request_failf(rq, ERR_BAD_REQUEST, "you must specify at least 1 command");
    return STAGE_NEXT;
}

/* The versions that the client offers go along: the runtime chooses. */
static enum stage_result open_spdy(struct request *rq, const struct connect_target *t)
{
    struct http_header versions[PROTOCOLS_MAX];
    struct http_client_request call = {.method = str_dupz(rq->arena, rq->method),
                                       .target = stream_target(rq, t),
                                       .headers = versions};

    for (size_t i = 0; i < rq->head->n_headers && call.n_headers < PROTOCOLS_MAX; i++)
        if (str_eqz(rq->head->headers[i].name, "x-stream-protocol-version"))
            versions[call.n_headers++] = rq->head->headers[i];
    return connect_tunnel(rq, connect_client(rq, t), NULL, &call, STR("SPDY/3.1"));
}

static enum stage_result open_stream(struct request *rq)
{
    const char *protocols[PROTOCOLS_MAX + 1];
    struct connect_target t;
    struct http_client_request call = {.method = "GET"};
    struct websocket_handler h;
    struct bridge *b;
    bool any;
    enum stage_result r;

    r = check_streams(rq);
    if (r == STAGE_NEXT)
        r = connect_find(rq, &t);
    if (r != STAGE_NEXT)
        return r;
    if (!t.host)
        return request_failf(rq, ERR_BAD_REQUEST, "pod %.*s does not have a host assigned",
                             STR_ARG(rq->name));
    if (!rq->http)
        return request_failf(rq, ERR_BAD_REQUEST, "Upgrade request required");
    if (tunnel_requested(rq->head, STR("SPDY/3.1")))
        return open_spdy(rq, &t);
    if (!websocket_requested(rq->head))
        return connect_explain(rq, &t, stream_target(rq, &t));
    if (offered(rq, protocols, &any) == 0 && any)
        return request_failf(rq, ERR_FORBIDDEN,
                             "unable to upgrade: none of the requested protocols is served");
    b = xnew(struct bridge);
    b->rq = rq;
    b->loop = rq->loop;
    b->near = (struct end){.bridge = b, .other = &b->far};
    b->far = (struct end){.bridge = b, .other = &b->near};
    b->client = connect_client(rq, &t);
    b->target = t;
    b->path = stream_target(rq, &t);
    call.target = b->path;
    h = handler_of(&b->far);
    call.arg = &b->far;
    rq->state = b;
    rq->on_cancel = on_cancel;
    websocket_connect(b->client, &call, protocols, &h, on_open);
    return STAGE_WAIT;
}

enum stage_result stage_pod_exec(struct request *rq)
{
    return open_stream(rq);
}

enum stage_result stage_pod_attach(struct request *rq)
{
    return open_stream(rq);
}

enum stage_result stage_pod_portforward(struct request *rq)
{
    return open_stream(rq);
}
