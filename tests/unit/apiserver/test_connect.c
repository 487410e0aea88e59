/* test_connect.c - streams through the API server to a kubelet, over real sockets: logs and exec.
 */
#include "test.h"
#include <stdio.h>

#include "api/api.h"
#include "apiserver/apiserver.h"
#include "base/buf.h"
#include "net/http_client.h"
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
    bool kubelet_closed;
    /* the last answer */
    int status;
    struct buf body;
    bool done;
    /* the client's WebSocket */
    struct websocket *ws;
    struct str protocol;
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

static void on_kubelet_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct rig *r = arg;

    buf_reset(&r->asked);
    buf_str(&r->asked, rq->target);
    if (r->refuse) {
        http_respond(x, 400, "text/plain", STR("container \"c\" is waiting to start\n"), NULL, 0);
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
                                  .static_tokens = STR("t,admin,1,system:masters\n")};
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
        cmocka_unit_test(test_proxy_passes_requests_on),
        cmocka_unit_test(test_proxy_refuses_what_is_no_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
