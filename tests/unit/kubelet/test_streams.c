/* test_streams.c - streams of clients that speak SPDY through the kubelet's server, over real
 * sockets: the runtime is a gRPC server and a streaming server that echoes. */
#include "test.h"

#include "kubelet/server_stream.h"
#include "net/conn.h"
#include "net/fake_grpc.h"
#include "net/http_client_internal.h"
#include "net/http_server_internal.h"
#include "net/tunnel.h"
#include <stdio.h>

enum { DEADLINE_MS = 20000, MUCH = 8 * 1024 * 1024, PIECE = 16 * 1024 };

struct rig {
    struct loop *loop;
    struct kubelet *kl;
    struct kpod pod;
    char sandbox[3];
    struct stream_target target;
    struct fake_grpc grpc;
    struct http_server *kubelet, *streaming;
    struct http_client *client;
    struct timer poll;
    bool (*until)(struct rig *r);
    uint64_t deadline_ms;
    /* the runtime */
    char url[64];      /* its answer; "": an error */
    char asked[256];   /* written by the runtime's thread before it answers */
    bool refuse;       /* its streaming server does not switch */
    struct buf streamed;
    struct conn *far;
    struct http_conn *far_hc;
    /* the client */
    struct conn *near;
    bool done;
    int status;
    struct buf body;
    size_t n_sent, n_received;
    unsigned n_servers_closed;
};

static void on_poll(struct timer *t)
{
    struct rig *r = container_of(t, struct rig, poll);

    if (r->until(r) || loop_now_ms(r->loop) > r->deadline_ms)
        loop_stop(r->loop);
}

static void wait_until(struct rig *r, bool (*until)(struct rig *r))
{
    r->until = until;
    r->deadline_ms = loop_now_ms(r->loop) + DEADLINE_MS;
    timer_start(&r->poll, 0, 1);
    loop_run(r->loop);
    timer_stop(&r->poll);
    assert_true(until(r));
}

/* ---- the runtime ---- */

static void note_exec(struct rig *r, const struct fake_call *c)
{
    struct str bytes = fake_request(c);
    Runtime__V1__ExecRequest *rq =
        runtime__v1__exec_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.p);
    int n = snprintf(r->asked, sizeof(r->asked), "%s %d%d%d%d", rq->container_id, rq->stdin,
                     rq->stdout, rq->stderr, rq->tty);

    for (size_t i = 0; i < rq->n_cmd; i++)
        n += snprintf(r->asked + n, sizeof(r->asked) - (size_t)n, " '%s'", rq->cmd[i]);
    runtime__v1__exec_request__free_unpacked(rq, NULL);
}

/* On the thread of the runtime. */
static void on_call(void *arg, struct fake_call *c)
{
    struct rig *r = arg;
    Runtime__V1__ExecResponse rs = RUNTIME__V1__EXEC_RESPONSE__INIT; /* as the others' */
    auto_arena a = {0};
    struct str s;

    if (strcmp(c->path, "/runtime.v1.RuntimeService/Exec") == 0)
        note_exec(r, c);
    else
        (void)snprintf(r->asked, sizeof(r->asked), "%s", strrchr(c->path, '/') + 1);
    if (!r->url[0]) {
        c->trailers_only = true;
        c->grpc_status = "5";
        c->grpc_message = "no such container";
        return;
    }
    rs.url = r->url;
    s = cri_pack(&a, &rs.base);
    fake_message(c, s.p, s.len);
}

static void far_data(void *arg, const char *p, size_t n)
{
    conn_write(((struct rig *)arg)->far, p, n);
}

static void far_closed(void *arg, const struct err *err)
{
    struct rig *r = arg;

    r->far = NULL;
    http_conn_gone(r->far_hc);
}

static void on_streaming(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct rig *r = arg;
    struct conn_handler h = {.on_data = far_data, .on_closed = far_closed, .arg = r};
    auto_buf early = {0};

    buf_reset(&r->streamed);
    buf_printf(&r->streamed, "%.*s %.*s", STR_ARG(rq->method), STR_ARG(rq->target));
    for (size_t i = 0; i < rq->n_headers; i++)
        if (str_eqz(rq->headers[i].name, "x-stream-protocol-version"))
            buf_printf(&r->streamed, " %.*s", STR_ARG(rq->headers[i].value));
    assert_true(tunnel_requested(rq, STR("SPDY/3.1")));
    if (r->refuse) {
        http_respond(x, 403, "text/plain", STR("no version in common"), NULL, 0);
        return;
    }
    r->far_hc = x->hc;
    r->far = x->ops->upgrade(x,
                             STR("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                 "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4\r\n\r\n"),
                             &early);
    conn_set_handler(r->far, &h);
    x->answered = true;
    http_exchange_done(x);
}

/* ---- the kubelet ---- */

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct rig *r = arg;
    struct server_request *s = arena_new(http_arena(x), struct server_request);
    struct err err = {0};

    s->kl = r->kl;
    s->x = x;
    s->rq = rq;
    assert_ok(http_query_parse(rq->query, http_arena(x), &s->params, &s->n_params, &err), &err);
    server_stream_spdy(s, &r->target);
}

/* ---- the client ---- */

static void near_data(void *arg, const char *p, size_t n)
{
    ((struct rig *)arg)->n_received += n;
}

static void pump(void *arg)
{
    static const char piece[PIECE];
    struct rig *r = arg;

    while (r->n_sent < MUCH && conn_pending(r->near) < CONN_PENDING_HIGH) {
        conn_write(r->near, piece, PIECE);
        r->n_sent += PIECE;
    }
}

static void near_closed(void *arg, const struct err *err)
{
    ((struct rig *)arg)->near = NULL;
}

static void on_switched(void *arg, struct conn *conn, struct str early,
                        const struct http_header *headers, size_t n)
{
    struct rig *r = arg;
    struct conn_handler h = {
        .on_data = near_data, .on_writable = pump, .on_closed = near_closed, .arg = r};

    r->near = conn;
    r->done = true;
    conn_set_handler(conn, &h);
    for (size_t i = 0; i < n; i++)
        if (str_eqz(headers[i].name, "x-stream-protocol-version"))
            buf_str(&r->body, headers[i].value);
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    ((struct rig *)arg)->status = status;
}

static void on_body(void *arg, struct str piece)
{
    buf_str(&((struct rig *)arg)->body, piece);
}

static void on_done(void *arg, const struct err *err)
{
    ((struct rig *)arg)->done = true;
}

static bool is_done(struct rig *r)
{
    return r->done;
}

static void open_stream(struct rig *r, const char *target)
{
    static const struct http_header headers[] = {
        {STR_INIT("Connection"), STR_INIT("Upgrade")},
        {STR_INIT("Upgrade"), STR_INIT("SPDY/3.1")},
        {STR_INIT("X-Stream-Protocol-Version"), STR_INIT("v5")},
        {STR_INIT("X-Stream-Protocol-Version"), STR_INIT("v4")}};
    struct http_client_request rq = {.method = "GET",
                                     .target = str_from(target),
                                     .headers = headers,
                                     .n_headers = ARRAY_LEN(headers),
                                     .on_head = on_head,
                                     .on_data = on_body,
                                     .on_done = on_done,
                                     .arg = r};

    r->done = false;
    r->status = 0;
    r->n_sent = r->n_received = 0;
    buf_reset(&r->body);
    (void)http_client_upgrade(r->client, &rq, on_switched);
    wait_until(r, is_done);
}

/* ---- all of it ---- */

static void start(struct rig *r)
{
    struct http_server_opts kubelet = {.address = "127.0.0.1", .handler = {on_request, r}};
    struct http_server_opts streaming = {.address = "127.0.0.1", .handler = {on_streaming, r}};
    struct http_client_opts client = {.host = "127.0.0.1"};
    struct err err = {0};

    *r = (struct rig){.loop = loop_new("test")};
    timer_init(&r->poll, r->loop, on_poll);
    fake_start(&r->grpc, on_call, r);
    r->kl = xnew(struct kubelet);
    r->kl->refs = 1;
    r->kl->loop = r->loop;
    r->kl->cri = cri_new(r->loop, r->grpc.target);
    memcpy(r->sandbox, "s1", 3);
    r->pod.sandbox.id = r->sandbox;
    r->target = (struct stream_target){.pod = &r->pod, .container_id = "c1"};
    assert_ok(http_server_new(r->loop, &kubelet, &r->kubelet, &err), &err);
    assert_ok(http_server_new(r->loop, &streaming, &r->streaming, &err), &err);
    client.port = http_server_port(r->kubelet);
    r->client = http_client_new(r->loop, &client);
    (void)snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%u/exec/token",
                   http_server_port(r->streaming));
}

static void on_server_closed(void *arg)
{
    ((struct rig *)arg)->n_servers_closed++;
}

static bool servers_closed(struct rig *r)
{
    return r->n_servers_closed == 2;
}

static bool both_ended(struct rig *r)
{
    return !r->near && !r->far;
}

static bool only_ours(struct rig *r)
{
    return r->kl->refs == 1;
}

static void stop(struct rig *r)
{
    wait_until(r, both_ended);
    wait_until(r, only_ours);
    r->client = http_client_free(r->client);
    r->kl->cri = cri_free(r->kl->cri);
    http_server_close(r->kubelet, 5000, on_server_closed, r);
    http_server_close(r->streaming, 5000, on_server_closed, r);
    wait_until(r, servers_closed);
    loop_run(r->loop);
    kubelet_unref(r->kl);
    r->loop = loop_free(r->loop);
    fake_stop(&r->grpc);
    buf_deinit(&r->body);
    buf_deinit(&r->streamed);
}

static bool all_came_back(struct rig *r)
{
    return r->n_received == MUCH;
}

static void test_exec(void **state)
{
    struct rig r;

    start(&r);
    r.target.in = r.target.out = r.target.tty = true;
    open_stream(&r, "/exec/ns/p/c?command=ls&command=-l%20x&input=1&output=1&tty=1");
    assert_non_null(r.near);
    assert_string_equal(r.asked, "c1 1101 'ls' '-l x'");
    assert_str_equal(buf_view(&r.streamed), "POST /exec/token v5 v4");
    assert_str_equal(buf_view(&r.body), "v4"); /* the runtime chose */
    pump(&r);
    wait_until(&r, all_came_back);
    conn_close(r.near);
    stop(&r);
}

static void test_attach_and_port_forward(void **state)
{
    struct rig r;

    start(&r);
    r.target.attach = true;
    open_stream(&r, "/attach/ns/p/c?output=1");
    assert_non_null(r.near);
    assert_string_equal(r.asked, "Attach");
    conn_close(r.far); /* the container ended */
    wait_until(&r, both_ended);
    r.target = (struct stream_target){.pod = &r.pod};
    open_stream(&r, "/portForward/ns/p");
    assert_non_null(r.near);
    assert_string_equal(r.asked, "PortForward");
    conn_abort(r.near);
    stop(&r);
}

static void refused(struct rig *r, int status, const char *why)
{
    open_stream(r, "/exec/ns/p/c?command=ls&output=1");
    assert_null(r->near);
    assert_int_equal(r->status, status);
    if (str_find(buf_view(&r->body), str_from(why)) < 0)
        fail_msg("%s", buf_cstr(&r->body));
}

static void test_refusals_say_why(void **state)
{
    struct rig r;

    start(&r);
    r.refuse = true;
    refused(&r, 403, "no version in common"); /* the runtime's own words */
    (void)snprintf(r.url, sizeof(r.url), "http://127.0.0.1:1/exec/token");
    refused(&r, 500, "connection refused");
    (void)snprintf(r.url, sizeof(r.url), "https://127.0.0.1:1/exec/token");
    refused(&r, 500, "the container runtime's streaming address is not supported");
    (void)snprintf(r.url, sizeof(r.url), "http://127.0.0.1:70000/exec/token");
    refused(&r, 500, "the container runtime's streaming address is not supported");
    r.url[0] = '\0';
    refused(&r, 500, "no such container");
    r.kl->stopping = true;
    refused(&r, 503, "the kubelet is stopping");
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_attach_and_port_forward),
        cmocka_unit_test(test_refusals_say_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
