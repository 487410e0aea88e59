/* test_connect.c - streams through the API server to a kubelet, over real sockets: logs and exec.
 */
#include "test.h"
#include <stdio.h>

#include "api/api.h"
#include "apiserver/apiserver.h"
#include "base/buf.h"
#include "net/conn.h"
#include "net/http_client_internal.h"
#include "net/http_server_internal.h"
#include "net/tunnel.h"
#include "net/websocket.h"
#include "store/engine.h"

enum { LOG_BYTES = 3 * 1024 * 1024, PIECE = 64 * 1024, PIECES = 60, DEADLINE_MS = 20000 };
#define PODS "/api/v1/namespaces/default/pods"

struct rig {
    struct loop *loop;
    struct store *store;
    struct apiserver *as;
    struct http_server *api, *kubelet;
    struct http_client *client;
    struct timer poll;
    bool (*until)(struct rig *r);
    uint64_t deadline_ms;
    /* what the kubelet was asked, and does */
    struct buf asked;
    size_t log_sent;
    bool refuse;
    struct websocket *kubelet_ws;
    struct conn *kubelet_conn; /* switched to SPDY */
    struct http_conn *kubelet_hc;
    bool kubelet_closed;
    /* the last answer */
    int status;
    struct buf body;
    bool done;
    /* the client's WebSocket */
    struct websocket *ws;
    struct conn *conn; /* switched to SPDY */
    size_t n_received, n_sent;
    bool ws_done, ws_closed, stopped;
    unsigned n_closed;
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

/* ---- the kubelet ---- */

static long log_read(void *arg, char *p, size_t cap)
{
    struct rig *r = arg;
    size_t n = MIN(cap, LOG_BYTES - r->log_sent);

    memset(p, 'x', n);
    r->log_sent += n;
    return n > 0 ? (long)n : HTTP_READ_END;
}

static void echo(void *arg, struct str data, bool binary)
{
    struct rig *r = arg;

    (void)websocket_send(r->kubelet_ws, data, binary);
}

static void kubelet_closed(void *arg)
{
    struct rig *r = arg;

    r->kubelet_ws = NULL;
    r->kubelet_closed = true;
}

static void spdy_echo(void *arg, const char *p, size_t n)
{
    conn_write(((struct rig *)arg)->kubelet_conn, p, n);
}

static void spdy_closed(void *arg, const struct err *err)
{
    struct rig *r = arg;

    r->kubelet_conn = NULL;
    r->kubelet_closed = true;
    http_conn_gone(r->kubelet_hc);
}

/* Switches to the last version that is offered, and echoes bytes. */
static void spdy_accept(struct rig *r, struct http_exchange *x, const struct http_request *rq)
{
    struct conn_handler h = {.on_data = spdy_echo, .on_closed = spdy_closed, .arg = r};
    struct str version = STR("");
    auto_buf head = {0}, early = {0};

    for (size_t i = 0; i < rq->n_headers; i++)
        if (str_eqz(rq->headers[i].name, "x-stream-protocol-version"))
            version = rq->headers[i].value;
    buf_printf(&head,
               "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
               "X-Stream-Protocol-Version: %.*s\r\n\r\n",
               STR_ARG(version));
    r->kubelet_hc = x->hc;
    r->kubelet_conn = x->ops->upgrade(x, buf_view(&head), &early);
    assert_non_null(r->kubelet_conn);
    conn_set_handler(r->kubelet_conn, &h);
    x->answered = true;
    http_exchange_done(x);
}

static void on_kubelet_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct rig *r = arg;

    buf_reset(&r->asked);
    buf_str(&r->asked, rq->target);
    if (r->refuse) {
        http_respond(x, 400, "text/plain", STR("container \"c\" is waiting to start\n"), NULL, 0);
    } else if (tunnel_requested(rq, STR("SPDY/3.1"))) {
        spdy_accept(r, x, rq);
    } else if (websocket_requested(rq)) {
        struct websocket_handler h = {.on_message = echo, .on_closed = kubelet_closed, .arg = r};
        struct str *protocols;
        size_t n = websocket_protocols(rq, http_arena(x), &protocols);

        r->kubelet_ws = websocket_accept(x, n ? protocols[n - 1] : STR_NULL, &h);
    } else {
        r->log_sent = 0;
        http_respond_source(x, 200, "text/plain", -1, (struct http_source){log_read, NULL, r}, NULL,
                            0);
    }
}

/* ---- the cluster ---- */

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    ((struct rig *)arg)->status = status;
}

static void on_data(void *arg, struct str piece)
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

static const struct http_header headers[] = {
    {STR_INIT("authorization"), STR_INIT("Bearer t")},
    {STR_INIT("content-type"), STR_INIT("application/json")}};

static void call(struct rig *r, const char *method, const char *target, const char *body)
{
    struct http_client_request rq = {.method = method,
                                     .target = str_from(target),
                                     .headers = headers,
                                     .n_headers = 2,
                                     .body = str_from(body),
                                     .on_head = on_head,
                                     .on_data = on_data,
                                     .on_done = on_done,
                                     .arg = r};

    r->done = false;
    r->status = 0;
    buf_reset(&r->body);
    http_client_send(r->client, &rq);
    wait_until(r, is_done);
}

static bool is_ready(struct rig *r)
{
    return apiserver_ready(r->as);
}

static void listen_on(struct rig *r, struct http_handler h, struct http_server **ret_s)
{
    struct http_server_opts opts = {.address = "127.0.0.1", .handler = h};
    struct err err = {0};

    assert_ok(http_server_new(r->loop, &opts, ret_s, &err), &err);
}

static void make_objects(struct rig *r)
{
    char text[512];

    call(r, "POST", "/api/v1/namespaces/default/serviceaccounts",
         "{\"metadata\":{\"name\":\"default\"}}");
    assert_int_equal(r->status, 201);
    call(r, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}");
    assert_int_equal(r->status, 201);
    (void)snprintf(text, sizeof(text),
                   "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":"
                   "\"Hostname\",\"address\":\"nowhere\"},"
                   "{\"type\":\"InternalIP\",\"address\":\"127.0.0.1\"}],\"daemonEndpoints\":{"
                   "\"kubeletEndpoint\":{\"Port\":%u}}}}",
                   http_server_port(r->kubelet));
    call(r, "PUT", "/api/v1/nodes/n1/status", text);
    assert_int_equal(r->status, 200);
    call(r, "POST", PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":["
         "{\"name\":\"c\",\"image\":\"i\"}]}}");
    assert_int_equal(r->status, 201);
}

static void rig_start(struct rig *r)
{
    struct apiserver_opts opts = {.advertise_address = "127.0.0.1",
                                  .secure_port = 6443,
                                  .service_cidr = "10.96.0.0/16",
                                  .token_issuer = "https://issuer",
                                  .static_tokens = STR("t,admin,1,system:masters\nl,looker,2\n")};
    struct store_opts store = {.engine = engine_memory_new()};
    struct http_client_opts client = {.host = "127.0.0.1"};
    struct http_handler kubelet = {on_kubelet_request, r};
    struct err err = {0};

    *r = (struct rig){.loop = loop_new("test")};
    timer_init(&r->poll, r->loop, on_poll);
    store.loop = r->loop;
    assert_ok(store_open(&store, api_resources, api_n_resources, &r->store, &err), &err);
    opts.store = r->store;
    opts.loop = r->loop;
    assert_ok(apiserver_new(&opts, &r->as, &err), &err);
    listen_on(r, apiserver_handler(r->as), &r->api);
    listen_on(r, kubelet, &r->kubelet);
    client.port = http_server_port(r->api);
    r->client = http_client_new(r->loop, &client);
    wait_until(r, is_ready);
    make_objects(r);
}

static void on_stopped(void *arg)
{
    ((struct rig *)arg)->stopped = true;
}

static void on_server_closed(void *arg)
{
    ((struct rig *)arg)->n_closed++;
}

static bool is_stopped(struct rig *r)
{
    return r->stopped;
}

static bool are_closed(struct rig *r)
{
    return r->n_closed == 2;
}

static void rig_stop(struct rig *r)
{
    r->client = http_client_free(r->client);
    apiserver_stop(r->as, on_stopped, r);
    wait_until(r, is_stopped);
    http_server_close(r->api, 100, on_server_closed, r);
    http_server_close(r->kubelet, 100, on_server_closed, r);
    wait_until(r, are_closed);
    r->as = apiserver_free(r->as);
    r->store = store_close(r->store);
    loop_run(r->loop); /* what the closed handles still have to say */
    r->loop = loop_free(r->loop);
    buf_deinit(&r->asked);
    buf_deinit(&r->body);
}

/* ---- tests ---- */

static void test_log_is_passed_on(void **state)
{
    struct rig r;

    rig_start(&r);
    call(&r, "GET", PODS "/p/log?tailLines=5&timestamps=true", "");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, LOG_BYTES);
    assert_str_equal(buf_view(&r.asked), "/containerLogs/default/p/c?timestamps=true&tailLines=5");
    r.refuse = true;
    call(&r, "GET", PODS "/p/log?container=c", "");
    assert_int_equal(r.status, 400);
    assert_true(str_find(buf_view(&r.body),
                         STR("\"message\":\"container \\\"c\\\" is waiting to start\"")) > 0);
    rig_stop(&r);
}

static void ws_message(void *arg, struct str data, bool binary)
{
    struct rig *r = arg;

    assert_true(binary);
    r->n_received += data.len;
}

static void ws_pump(void *arg)
{
    static const char piece[PIECE];
    struct rig *r = arg;

    while (r->n_sent < (size_t)PIECES * PIECE) {
        r->n_sent += PIECE;
        if (!websocket_send(r->ws, (struct str){piece, PIECE}, true))
            return;
    }
}

static void ws_closed(void *arg)
{
    struct rig *r = arg;

    r->ws = NULL;
    r->ws_closed = true;
}

static void ws_open(void *arg, struct websocket *w, int status, struct str protocol,
                    const struct err *err)
{
    struct rig *r = arg;

    r->ws = w;
    r->status = status;
    buf_reset(&r->body);
    buf_str(&r->body, protocol);
    r->ws_done = true;
}

static bool is_open(struct rig *r)
{
    return r->ws_done;
}

static bool all_came_back(struct rig *r)
{
    return r->n_received == (size_t)PIECES * PIECE;
}

static bool both_closed(struct rig *r)
{
    return r->ws_closed && r->kubelet_closed;
}

static void open_exec(struct rig *r)
{
    static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", "unknown",
                                            NULL};
    struct websocket_handler h = {ws_message, ws_pump, ws_closed, r};
    struct http_client_request rq = {
        .method = "GET",
        .target = STR(PODS "/p/exec?command=ls&command=-l%20x&stdin=true&stdout=true"),
        .headers = headers,
        .n_headers = 1,
        .arg = r};

    r->ws_done = r->ws_closed = r->kubelet_closed = false;
    websocket_connect(r->client, &rq, protocols, &h, ws_open);
    wait_until(r, is_open);
}

static void test_exec_joins_two_websockets(void **state)
{
    struct rig r;

    rig_start(&r);
    open_exec(&r);
    assert_int_equal(r.status, 101);
    /* The kubelet chose the last one that both sides know. */
    assert_str_equal(buf_view(&r.body), "v4.channel.k8s.io");
    assert_str_equal(buf_view(&r.asked),
                     "/exec/default/p/c?command=ls&command=-l%20x&input=true&output=true");
    ws_pump(&r);
    wait_until(&r, all_came_back);
    websocket_close(r.ws, 1000);
    wait_until(&r, both_closed);
    rig_stop(&r);
}

static void test_exec_ends_with_the_kubelet(void **state)
{
    struct rig r;

    rig_start(&r);
    open_exec(&r);
    websocket_close(r.kubelet_ws, 1000);
    wait_until(&r, both_closed);
    r.refuse = true;
    open_exec(&r);
    assert_null(r.ws);
    assert_int_equal(r.status, 400); /* as the kubelet says */
    rig_stop(&r);
}

static void conn_data(void *arg, const char *p, size_t n)
{
    ((struct rig *)arg)->n_received += n;
}

static void conn_pump(void *arg)
{
    static const char piece[PIECE];
    struct rig *r = arg;

    while (r->n_sent < (size_t)PIECES * PIECE && conn_pending(r->conn) < CONN_PENDING_HIGH) {
        conn_write(r->conn, piece, PIECE);
        r->n_sent += PIECE;
    }
}

static void conn_closed(void *arg, const struct err *err)
{
    struct rig *r = arg;

    r->conn = NULL;
    r->ws_closed = true;
}

static void on_switched(void *arg, struct conn *conn, struct str early,
                        const struct http_header *head, size_t n)
{
    struct rig *r = arg;
    struct conn_handler h = {.on_data = conn_data,
                             .on_writable = conn_pump,
                             .on_closed = conn_closed,
                             .arg = r};

    r->conn = conn;
    r->done = true;
    r->status = 101;
    conn_set_handler(conn, &h);
    for (size_t i = 0; i < n; i++)
        if (str_eqz(head[i].name, "x-stream-protocol-version"))
            buf_str(&r->body, head[i].value);
}

static void open_spdy(struct rig *r, const char *method, const char *target, struct str token)
{
    const struct http_header asked[] = {
        {STR("Authorization"), token},
        {STR("Connection"), STR("Upgrade")},
        {STR("Upgrade"), STR("SPDY/3.1")},
        {STR("X-Stream-Protocol-Version"), STR("v4.channel.k8s.io")},
        {STR("X-Stream-Protocol-Version"), STR("v3.channel.k8s.io")}};
    struct http_client_request rq = {.method = method,
                                     .target = str_from(target),
                                     .headers = asked,
                                     .n_headers = ARRAY_LEN(asked),
                                     .on_head = on_head,
                                     .on_data = on_data,
                                     .on_done = on_done,
                                     .arg = r};

    r->done = r->ws_closed = r->kubelet_closed = false;
    r->n_received = r->n_sent = 0;
    buf_reset(&r->body);
    http_client_upgrade(r->client, &rq, on_switched);
    wait_until(r, is_done);
}

static void test_spdy_passes_through(void **state)
{
    static const struct {
        const char *method, *target, *asked;
    } cases[] = {
        {"POST", PODS "/p/exec?command=ls&command=-l&stdin=true&tty=true",
         "/exec/default/p/c?command=ls&command=-l&input=true&tty=true"},
        {"GET", PODS "/p/attach?container=c&stdout=true", "/attach/default/p/c?output=true"},
        {"POST", PODS "/p/portforward", "/portForward/default/p"},
    };
    struct rig r;

    rig_start(&r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        open_spdy(&r, cases[i].method, cases[i].target, STR("Bearer t"));
        assert_non_null(r.conn);
        assert_str_equal(buf_view(&r.body), "v3.channel.k8s.io"); /* as the kubelet chose */
        assert_str_equal(buf_view(&r.asked), cases[i].asked);
        conn_pump(&r);
        wait_until(&r, all_came_back);
        conn_close(i > 0 ? r.conn : r.kubelet_conn);
        wait_until(&r, both_closed);
    }
    rig_stop(&r);
}

static void test_spdy_refused(void **state)
{
    struct rig r;

    rig_start(&r);
    r.refuse = true;
    open_spdy(&r, "POST", PODS "/p/exec?command=ls&stdout=1", STR("Bearer t"));
    assert_int_equal(r.status, 400);
    assert_str_equal(buf_view(&r.body), "container \"c\" is waiting to start\n");
    call(&r, "PUT", "/api/v1/nodes/n1/status",
         "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
         "\"address\":\"127.0.0.1\"}],"
         "\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":1}}}}");
    open_spdy(&r, "POST", PODS "/p/exec?command=ls&stdout=1", STR("Bearer t"));
    assert_int_equal(r.status, 500);
    assert_true(str_find(buf_view(&r.body), STR("error dialing backend: ")) > 0);
    rig_stop(&r);
}

/* To look at an exec is not to start one. */
static void test_spdy_needs_the_right_to_create(void **state)
{
    struct rig r;

    rig_start(&r);
    call(&r, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles",
         "{\"metadata\":{\"name\":\"look\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":["
         "\"pods/exec\"],\"verbs\":[\"get\"]}]}");
    assert_int_equal(r.status, 201);
    call(&r, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
         "{\"metadata\":{\"name\":\"look\"},\"roleRef\":{\"apiGroup\":"
         "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"look\"},"
         "\"subjects\":[{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"User\","
         "\"name\":\"looker\"}]}");
    assert_int_equal(r.status, 201);
    open_spdy(&r, "GET", PODS "/p/exec?command=ls&stdout=1", STR("Bearer l"));
    assert_int_equal(r.status, 403);
    assert_true(str_find(buf_view(&r.body), STR("cannot create resource \\\"pods/exec\\\"")) > 0);
    open_spdy(&r, "POST", PODS "/p/exec?command=ls&stdout=1", STR("Bearer l"));
    assert_int_equal(r.status, 403);
    assert_int_equal(r.asked.len, 0); /* the kubelet */
    rig_stop(&r);
}

static void test_proxied_websocket(void **state)
{
    /* The caller's token is not the backend's to see: the last that it is offered is "chat". */
    static const char *const protocols[] = {"chat", "base64url.bearer.authorization.k8s.io.dA",
                                            NULL};
    struct rig r;
    struct websocket_handler h = {ws_message, ws_pump, ws_closed, &r};
    struct http_client_request rq = {.method = "GET",
                                     .target = STR("/api/v1/nodes/n1/proxy/ws?a=b"),
                                     .arg = &r};

    rig_start(&r);
    websocket_connect(r.client, &rq, protocols, &h, ws_open);
    wait_until(&r, is_open);
    assert_int_equal(r.status, 101);
    assert_str_equal(buf_view(&r.body), "chat");
    assert_str_equal(buf_view(&r.asked), "/ws?a=b");
    ws_pump(&r);
    wait_until(&r, all_came_back);
    websocket_close(r.ws, 1000);
    wait_until(&r, both_closed);
    rig_stop(&r);
}

/* Clients that ask for another upgrade read the reason from the answer. */
static void test_exec_refused_says_why(void **state)
{
    struct rig r;

    rig_start(&r);
    r.refuse = true;
    call(&r, "POST", PODS "/p/exec?command=ls&stdout=1", "");
    assert_int_equal(r.status, 400);
    assert_str_equal(buf_view(&r.body), "container \"c\" is waiting to start\n");
    assert_str_equal(buf_view(&r.asked), "/exec/default/p/c?command=ls&output=1");
    call(&r, "POST", PODS "/p/exec?command=ls&stdout=1&container=x", "");
    assert_int_equal(r.status, 400);
    assert_true(str_find(buf_view(&r.body), STR("container x is not valid for pod p")) > 0);
    rig_stop(&r);
}

static void test_exec_to_nobody(void **state)
{
    struct rig r;

    rig_start(&r);
    call(&r, "PUT", "/api/v1/nodes/n1/status",
         "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
         "\"address\":\"127.0.0.1\"}],"
         "\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":1}}}}");
    assert_int_equal(r.status, 200);
    open_exec(&r);
    assert_null(r.ws);
    assert_int_equal(r.status, 500);
    call(&r, "GET", PODS "/p/log", "");
    assert_int_equal(r.status, 500);
    call(&r, "GET", PODS "/p/exec?command=ls&stdout=1", "");
    assert_int_equal(r.status, 500);
    assert_true(str_find(buf_view(&r.body), STR("error dialing backend: ")) > 0);
    rig_stop(&r);
}

static void test_proxy_passes_requests_on(void **state)
{
    struct rig r;

    rig_start(&r);
    call(&r, "GET", "/api/v1/nodes/n1/proxy/logs/x%20y?a=b&timeout=x", "");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, LOG_BYTES);
    assert_str_equal(buf_view(&r.asked), "/logs/x%20y?a=b&timeout=x");
    r.refuse = true;
    call(&r, "POST", "/api/v1/nodes/n1/proxy/run", "no json");
    assert_int_equal(r.status, 400);
    assert_str_equal(buf_view(&r.body), "container \"c\" is waiting to start\n");
    call(&r, "GET", "/api/v1/nodes/n1/proxy", "");
    assert_int_equal(r.status, 301);
    rig_stop(&r);
}

static void expect(struct rig *r, const char *target, int status, const char *message)
{
    call(r, "GET", target, "");
    assert_int_equal(r->status, status);
    if (str_find(buf_view(&r->body), str_from(message)) < 0)
        fail_msg("%s", buf_cstr(&r->body));
}

static void test_proxy_refuses_what_is_no_pod(void **state)
{
    struct rig r;

    rig_start(&r);
    call(&r, "PUT", PODS "/p/status",
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
         "\"image\":\"i\"}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"127.0.0.1\","
         "\"podIPs\":[{\"ip\":\"127.0.0.1\"}]}}");
    assert_int_equal(r.status, 200);
    expect(&r, PODS "/p:80/proxy/", 400, "address not allowed");
    expect(&r, PODS "/p:x/proxy/", 400, "invalid pod request");
    expect(&r, PODS "/ftp:p:1/proxy/", 400, "invalid pod request");
    expect(&r, PODS "/none/proxy/", 404, "pods \\\"none\\\" not found");
    expect(&r, "/api/v1/namespaces/default/services/kubernetes:https/proxy/", 503,
           "no endpoints available for service \\\"kubernetes:https\\\"");
    expect(&r, "/api/v1/namespaces/default/services/kubernetes:99/proxy/", 503,
           "no service port 99 found for service \\\"kubernetes\\\"");
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_is_passed_on),
        cmocka_unit_test(test_exec_joins_two_websockets),
        cmocka_unit_test(test_exec_ends_with_the_kubelet),
        cmocka_unit_test(test_exec_to_nobody),
        cmocka_unit_test(test_exec_refused_says_why),
        cmocka_unit_test(test_spdy_passes_through),
        cmocka_unit_test(test_spdy_refused),
        cmocka_unit_test(test_spdy_needs_the_right_to_create),
        cmocka_unit_test(test_proxied_websocket),
        cmocka_unit_test(test_proxy_passes_requests_on),
        cmocka_unit_test(test_proxy_refuses_what_is_no_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
