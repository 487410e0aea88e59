/* SPDX-License-Identifier: Apache-2.0 */
/* stream_websocket.c - exec, attach, port-forward: the caller's WebSocket, joined to a connection
 * to the runtime's streaming server.
 *
 * The runtime is spoken to in SPDY: one stream each for error, stdin, stdout, stderr, resize; a
 * port-forward's bytes, which are SPDY already, pass through. Nothing is joined before the runtime
 * has switched protocols. Whoever cannot take more makes the other side wait. */
#include "kubelet/server_stream.h"
#include "kubelet/spdy.h"
#include "net/conn.h"
#include "net/tunnel.h"
#include "net/websocket.h"

enum {
    HEAD_MAX = 8 * 1024,
    OPEN_TIMEOUT_MS = 10000,
    CHANNEL_STDIN = 0,
    CHANNEL_ERROR = 3,
    CHANNEL_RESIZE = 4,
    CHANNELS = 5,
    CHANNEL_CLOSE = 255, /* v5: the next byte names a channel that ends */
    CLOSE_NORMAL = 1000,
};
#define TUNNEL_PROTOCOL "SPDY/3.1+portforward.k8s.io"

struct bridge {
    struct kubelet *kl;
    struct kpod *pod; /* references */
    struct server_request *s; /* until answered; in the exchange's arena */
    struct arena arena;
    bool tunnel;
    struct str protocol; /* chosen for the caller */
    bool want[CHANNELS];
    uint32_t streams[CHANNELS]; /* SPDY's numbers; 0: none */
    bool stdin_ended;
    char *path; /* at the runtime */
    struct conn_env *env;
    struct conn *far;       /* NULL once it is closed */
    struct websocket *near; /* NULL before it opens and after it closed */
    bool gone;              /* the caller went away before it was answered */
    bool open;              /* the runtime has switched */
    struct buf head;        /* of the runtime's answer */
    struct spdy_reader reader;
    struct spdy_writer writer;
};

static void release(void *arg)
{
    struct bridge *b = arg;

    b->env = conn_env_unref(b->env);
    buf_deinit(&b->head);
    arena_deinit(&b->arena);
    kpod_unref(b->pod);
    kubelet_unref(b->kl);
    free(b);
}

static void maybe_release(struct bridge *b)
{
    if (!b->s && !b->far && !b->near)
        loop_post(b->kl->loop, release, b);
}

static void refuse(struct bridge *b, int status, const char *why)
{
    struct server_request *s = b->s;

    b->s = NULL;
    if (s) {
        http_on_abort(s->x, NULL, NULL);
        server_refuse(s, status, "%s", why);
    }
    if (b->far)
        conn_abort(b->far);
    maybe_release(b);
}

/* ---- the caller's side ---- */

static void send_far(struct bridge *b, const struct buf *bytes)
{
    conn_write(b->far, bytes->p, bytes->len);
    if (conn_pending(b->far) > CONN_PENDING_HIGH && b->near)
        websocket_pause(b->near, true);
}

static void on_near_message(void *arg, struct str data, bool binary)
{
    struct bridge *b = arg;
    auto_buf out = {0};
    unsigned channel;

    if (!b->far || data.len == 0)
        return;
    if (b->tunnel) {
        buf_str(&out, data);
        send_far(b, &out);
        return;
    }
    channel = (unsigned char)data.p[0];
    data = str_sub(data, 1, data.len);
    if (channel == CHANNEL_CLOSE && data.len > 0 && data.p[0] == CHANNEL_STDIN) {
        if (b->streams[CHANNEL_STDIN] && !b->stdin_ended)
            spdy_write_data(b->streams[CHANNEL_STDIN], STR(""), true, &out);
        b->stdin_ended = true;
    } else if ((channel == CHANNEL_STDIN && !b->stdin_ended) || channel == CHANNEL_RESIZE) {
        if (b->streams[channel] && data.len > 0)
            spdy_write_data(b->streams[channel], data, false, &out);
    }
    if (out.len > 0)
        send_far(b, &out);
}

static void on_near_drain(void *arg)
{
    struct bridge *b = arg;

    if (b->far)
        conn_pause(b->far, false);
}

static void on_near_closed(void *arg)
{
    struct bridge *b = arg;

    b->near = NULL;
    if (b->far)
        conn_close(b->far);
    maybe_release(b);
}

static void send_near(struct bridge *b, struct str data)
{
    if (b->near && !websocket_send(b->near, data, true) && b->far)
        conn_pause(b->far, true);
}

/* ---- the runtime's side ---- */

static void on_spdy(void *arg, const struct spdy_event *e)
{
    struct bridge *b = arg;
    auto_buf out = {0};

    for (size_t i = 1; i <= CHANNEL_ERROR && e->data.len > 0; i++) {
        if (b->streams[i] != e->stream)
            continue;
        buf_putc(&out, (char)i);
        buf_str(&out, e->data);
        send_near(b, buf_view(&out));
    }
    /* What the command ended with has been said: nothing follows it. */
    if (e->end && (e->stream == 0 || e->stream == b->streams[CHANNEL_ERROR]) && b->far)
        conn_close(b->far);
}

/* Opens the streams, in the order that upstream's clients do. */
static void open_streams(struct bridge *b)
{
    static const struct {
        unsigned channel;
        struct str name;
    } order[] = {{CHANNEL_ERROR, STR_INIT("error")},
                 {CHANNEL_STDIN, STR_INIT("stdin")},
                 {1, STR_INIT("stdout")},
                 {2, STR_INIT("stderr")},
                 {CHANNEL_RESIZE, STR_INIT("resize")}};
    auto_buf out = {0};
    uint32_t next = 1;

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!b->want[order[i].channel])
            continue;
        b->streams[order[i].channel] = next;
        spdy_open_stream(&b->writer, next, STR("streamtype"), order[i].name, &out);
        next += 2;
    }
    send_far(b, &out);
}

static void join(struct bridge *b)
{
    struct websocket_handler h = {on_near_message, on_near_drain, on_near_closed, b};
    struct server_request *s = b->s;
    char first = b->want[1] ? 1 : b->want[2] ? 2 : CHANNEL_ERROR;

    b->open = true;
    b->s = NULL;
    if (s) {
        http_on_abort(s->x, NULL, NULL);
        b->near = websocket_accept(s->x, b->protocol, &h);
    }
    if (!b->near) {
        conn_abort(b->far);
        return;
    }
    websocket_patience(b->near, TUNNEL_IDLE_MS);
    if (b->tunnel)
        return;
    open_streams(b);
    send_near(b, (struct str){&first, 1}); /* says that it is connected */
}

static void on_far_data(void *arg, const char *p, size_t n)
{
    struct bridge *b = arg;
    struct str bytes = {p, n};
    auto_buf reply = {0}, kept = {0};
    long end;

    if (!b->open) {
        buf_append(&b->head, p, n);
        end = str_find(buf_view(&b->head), STR("\r\n\r\n"));
        if (end < 0 && b->head.len < HEAD_MAX)
            return;
        if (end < 0 || !str_has_prefix(buf_view(&b->head), STR("HTTP/1.1 101 "))) {
            refuse(b, 500, "the container runtime refused the stream");
            return;
        }
        buf_append(&kept, b->head.p + end + 4, b->head.len - (size_t)end - 4);
        bytes = buf_view(&kept);
        join(b);
    }
    if (b->tunnel) {
        if (bytes.len > 0)
            send_near(b, bytes);
        return;
    }
    if (!spdy_read(&b->reader, bytes, on_spdy, b, &reply))
        conn_abort(b->far);
    else if (reply.len > 0)
        conn_write(b->far, reply.p, reply.len);
}

static void on_far_open(void *arg)
{
    struct bridge *b = arg;
    auto_buf out = {0};

    buf_printf(&out,
               "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
               "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: %s\r\nContent-Length: 0\r\n\r\n",
               b->path, b->tunnel ? "portforward.k8s.io" : "v4.channel.k8s.io");
    conn_write(b->far, out.p, out.len);
}

static void on_far_writable(void *arg)
{
    struct bridge *b = arg;

    if (b->near)
        websocket_pause(b->near, false);
}

static void on_far_closed(void *arg, const struct err *err)
{
    struct bridge *b = arg;

    b->far = NULL;
    if (b->near)
        websocket_close(b->near, CLOSE_NORMAL);
    if (b->s)
        refuse(b, 500, err ? err->msg : "the container runtime closed the stream");
    else
        maybe_release(b);
}

static void dial(struct bridge *b, const struct stream_address *at)
{
    struct conn_handler h = {.on_open = on_far_open,
                             .on_data = on_far_data,
                             .on_writable = on_far_writable,
                             .on_closed = on_far_closed,
                             .arg = b};
    struct conn_connect_opts opts = {
        .host = at->host, .port = at->port, .open_timeout_ms = OPEN_TIMEOUT_MS};

    b->path = arena_strdup(&b->arena, at->path);
    b->env = conn_env_new(b->kl->loop);
    b->far = conn_connect(b->env, &opts, &h);
}

static void on_abort(void *arg)
{
    struct bridge *b = arg;

    b->gone = true;
}

static void on_address(void *arg, const struct stream_address *at, const char *why)
{
    struct bridge *b = arg;

    if (b->gone || b->kl->stopping)
        refuse(b, 503, "the kubelet is stopping");
    else if (!at)
        refuse(b, 500, why);
    else
        dial(b, at);
}

static bool choose_protocol(struct bridge *b)
{
    static const char *const known[] = {"v5.channel.k8s.io", "v4.channel.k8s.io",
                                        "channel.k8s.io"};
    struct str *asked;
    size_t n = websocket_protocols(b->s->rq, http_arena(b->s->x), &asked);

    for (size_t i = 0; i < n && b->tunnel; i++) {
        if (str_eq(asked[i], STR(TUNNEL_PROTOCOL)))
            b->protocol = asked[i];
    }
    for (size_t k = 0; k < ARRAY_LEN(known) && !b->tunnel && !b->protocol.p; k++) {
        for (size_t i = 0; i < n; i++) {
            if (str_eqz(asked[i], known[k]))
                b->protocol = asked[i];
        }
    }
    return b->protocol.p || (n == 0 && !b->tunnel);
}

void server_stream_websocket(struct server_request *s, const struct stream_target *t)
{
    struct bridge *b = xnew(struct bridge);

    b->kl = kubelet_ref(s->kl);
    b->pod = kpod_ref(t->pod);
    b->s = s;
    b->tunnel = !t->container_id;
    b->want[CHANNEL_STDIN] = t->in;
    b->want[1] = t->out;
    b->want[2] = t->err;
    b->want[CHANNEL_ERROR] = !b->tunnel;
    b->want[CHANNEL_RESIZE] = t->tty;
    if (!choose_protocol(b)) {
        refuse(b, 403, "unable to upgrade: none of the requested protocols is served");
        return;
    }
    http_on_abort(s->x, on_abort, b);
    stream_ask(s, t, on_address, b);
}
