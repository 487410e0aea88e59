/* SPDX-License-Identifier: Apache-2.0 */
/* server_stream.c - exec, attach, port-forward: the caller's WebSocket, joined to a connection
 * to the runtime's streaming server.
 *
 * The runtime is spoken to in SPDY: one stream each for error, stdin, stdout, stderr, resize; a
 * port-forward's bytes, which are SPDY already, pass through. Nothing is joined before the runtime
 * has switched protocols. Whoever cannot take more makes the other side wait. */
#include "kubelet/server.h"
#include "kubelet/spdy.h"
#include "net/conn.h"
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
    COMMAND_MAX = 1024,
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

/* @url: "http://127.0.0.1:40000/exec/token". */
static void dial(struct bridge *b, struct str url)
{
    struct conn_handler h = {.on_open = on_far_open,
                             .on_data = on_far_data,
                             .on_writable = on_far_writable,
                             .on_closed = on_far_closed,
                             .arg = b};
    struct conn_connect_opts opts = {.open_timeout_ms = OPEN_TIMEOUT_MS};
    struct str rest, host, path;
    int64_t port;
    long colon;

    if (!str_has_prefix(url, STR("http://"))) {
        refuse(b, 500, "the container runtime's streaming address is not supported");
        return;
    }
    host = str_cut(str_sub(url, sizeof("http://") - 1, url.len), '/', &path);
    colon = str_rfind_char(host, ':');
    rest = str_sub(host, (size_t)(colon + 1), host.len);
    if (colon < 0 || !path.p || !str_to_i64(rest, &port) || port < 1 || port > UINT16_MAX) {
        refuse(b, 500, "the container runtime's streaming address is not supported");
        return;
    }
    host = str_sub(host, 0, (size_t)colon);
    if (host.len > 2 && host.p[0] == '[')
        host = str_sub(host, 1, host.len - 2);
    b->path = arena_printf(&b->arena, "/%.*s", STR_ARG(path));
    opts.host = str_dupz(&b->arena, host);
    opts.port = (uint16_t)port;
    b->env = conn_env_new(b->kl->loop);
    b->far = conn_connect(b->env, &opts, &h);
}

static void on_abort(void *arg)
{
    struct bridge *b = arg;

    b->gone = true;
}

/* The answers of Exec, Attach and PortForward are alike: one address. */
static void on_address(void *arg, enum grpc_status status, struct str text,
                       const ProtobufCMessage *response)
{
    struct bridge *b = arg;

    if (b->gone || b->kl->stopping)
        refuse(b, 503, "the kubelet is stopping");
    else if (status != GRPC_OK)
        refuse(b, 500, str_dupz(&b->arena, text));
    else
        dial(b, str_from(((const Runtime__V1__ExecResponse *)(const void *)response)->url));
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

static void ask_exec(struct bridge *b, const char *id, bool attach)
{
    Runtime__V1__ExecRequest exec = RUNTIME__V1__EXEC_REQUEST__INIT;
    Runtime__V1__AttachRequest at = RUNTIME__V1__ATTACH_REQUEST__INIT;
    struct server_request *s = b->s;
    bool tty = server_param_set(s, "tty");

    b->want[CHANNEL_ERROR] = true;
    b->want[CHANNEL_STDIN] = server_param_set(s, "input");
    b->want[1] = server_param_set(s, "output");
    b->want[2] = server_param_set(s, "error") && !tty;
    b->want[CHANNEL_RESIZE] = tty;
    exec.stdin = at.stdin = b->want[CHANNEL_STDIN];
    exec.stdout = at.stdout = b->want[1];
    exec.stderr = at.stderr = b->want[2];
    exec.tty = at.tty = tty;
    if (attach) {
        at.container_id = (char *)(uintptr_t)id;
        cri_call(b->kl->cri, CRI_ATTACH, &at.base, 0, on_address, b);
        return;
    }
    exec.container_id = (char *)(uintptr_t)id;
    exec.cmd = arena_calloc(&b->arena, COMMAND_MAX, sizeof(*exec.cmd));
    for (size_t i = 0; i < s->n_params && exec.n_cmd < COMMAND_MAX; i++) {
        if (str_eq(s->params[i].name, STR("command")))
            exec.cmd[exec.n_cmd++] = str_dupz(&b->arena, s->params[i].value);
    }
    cri_call(b->kl->cri, CRI_EXEC, &exec.base, 0, on_address, b);
}

static void ask_port_forward(struct bridge *b)
{
    Runtime__V1__PortForwardRequest rq = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;

    rq.pod_sandbox_id = b->pod->sandbox.id;
    cri_call(b->kl->cri, CRI_PORT_FORWARD, &rq.base, 0, on_address, b);
}

void server_stream(struct server_request *s)
{
    bool tunnel = str_eq(s->segments[0], STR("portForward"));
    struct kcontainer *kc = tunnel ? NULL : server_container(s);
    struct kpod *kp = tunnel ? kpod_find(s->kl, s->segments[1], s->segments[2]) : NULL;
    struct bridge *b;

    if (!tunnel && !kc)
        return;
    if (kc)
        kp = kc->pod;
    if (tunnel && (!kp || !kp->sandbox.id)) {
        server_refuse(s, 404, "pod does not exist");
        return;
    }
    if (kc && (!kc->cur.id || kc->cur.state != KRUN_RUNNING)) {
        server_refuse(s, 500, "container not found (\"%s\")", kc->name);
        return;
    }
    if (!websocket_requested(s->rq)) {
        server_refuse(s, 400, "Upgrade request required");
        return;
    }
    b = xnew(struct bridge);
    b->kl = kubelet_ref(s->kl);
    b->pod = kpod_ref(kp);
    b->s = s;
    b->tunnel = tunnel;
    if (!choose_protocol(b)) {
        refuse(b, 403, "unable to upgrade: none of the requested protocols is served");
        return;
    }
    http_on_abort(s->x, on_abort, b);
    if (tunnel)
        ask_port_forward(b);
    else
        ask_exec(b, kc->cur.id, str_eq(s->segments[0], STR("attach")));
}
