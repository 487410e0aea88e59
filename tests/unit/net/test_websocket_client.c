/* test_websocket_client.c - websocket_connect() against our own server and against scripted
 * answers to the handshake. */
#include "test.h"

#include "net/fake_http.h"
#include "net/websocket.h"

struct fix {
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct websocket *near, *far;
    struct buf log;
    int status, code;
    unsigned n_opened, n_closed;
};

static void far_message(void *arg, struct str data, bool binary)
{
    struct fix *f = arg;

    buf_printf(&f->log, "far %.*s;", STR_ARG(str_sub(data, 0, 20)));
    (void)websocket_send(f->far, data, binary);
}

static void far_closed(void *arg)
{
    struct fix *f = arg;

    f->far = NULL;
    if (++f->n_closed == 2)
        loop_stop(f->loop);
}

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct fix *f = arg;
    struct websocket_handler h = {.on_message = far_message, .on_closed = far_closed, .arg = f};
    struct str *offered;
    size_t n = websocket_protocols(rq, http_arena(x), &offered);

    if (!websocket_requested(rq) || str_eqz(rq->path, "/refused")) {
        http_respond(x, 403, "text/plain", STR("no"), NULL, 0);
        return;
    }
    f->far = websocket_accept(x, n > 1 ? offered[1] : STR_NULL, &h);
    (void)websocket_send(f->far, STR("welcome"), false);
}

static void near_message(void *arg, struct str data, bool binary)
{
    struct fix *f = arg;

    buf_printf(&f->log, "near %.*s %zu %d;", STR_ARG(str_sub(data, 0, 20)), data.len, binary);
    if (str_eqz(data, "welcome"))
        (void)websocket_send(f->near, STR("ping"), true);
    else
        websocket_close(f->near, 1000);
}

static void near_closed(void *arg)
{
    struct fix *f = arg;

    f->near = NULL;
    if (++f->n_closed == 2)
        loop_stop(f->loop);
}

static void on_open(void *arg, struct websocket *w, int status, struct str protocol,
                    const struct err *err)
{
    struct fix *f = arg;

    f->n_opened++;
    f->near = w;
    f->status = status;
    f->code = err ? err->code : 0;
    assert_int_equal(w != NULL, err == NULL);
    buf_printf(&f->log, "open %.*s;", STR_ARG(protocol));
    if (!w)
        loop_stop(f->loop);
}

static void connect_to(struct fix *f, const char *target, const char *const *protocols)
{
    struct http_client_request rq = {.target = str_from(target), .arg = f};
    struct websocket_handler h = {
        .on_message = near_message, .on_closed = near_closed, .arg = f};

    websocket_connect(f->client, &rq, protocols, &h, on_open);
    assert_int_equal(f->n_opened, 0);
}

static void setup(struct fix *f)
{
    struct http_server_opts server = {.address = "127.0.0.1", .handler = {on_request, f}};
    struct http_client_opts client = {.host = "127.0.0.1"};
    struct err err = {0};

    *f = (struct fix){.loop = loop_new("test")};
    assert_ok(http_server_new(f->loop, &server, &f->server, &err), &err);
    client.port = http_server_port(f->server);
    f->client = http_client_new(f->loop, &client);
}

static void teardown(struct fix *f)
{
    f->client = http_client_free(f->client);
    if (f->server)
        http_server_close(f->server, 0, NULL, NULL);
    loop_run(f->loop);
    f->loop = loop_free(f->loop);
    buf_deinit(&f->log);
}

static void test_messages_go_both_ways(void **state)
{
    static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    struct fix f;

    (void)state;
    setup(&f);
    connect_to(&f, "/exec?command=ls", protocols);
    loop_run(f.loop);
    assert_int_equal(f.status, 101);
    assert_str_equal(buf_view(&f.log), "open v4.channel.k8s.io;near welcome 7 0;far ping;"
                                       "near ping 4 1;");
    assert_null(f.near);
    assert_null(f.far);
    teardown(&f);
}

static void test_refusal_gives_the_status(void **state)
{
    struct fix f;

    (void)state;
    setup(&f);
    connect_to(&f, "/refused", NULL);
    loop_run(f.loop);
    assert_int_equal(f.status, 403);
    assert_int_equal(f.code, ERR_FORBIDDEN);
    teardown(&f);
}

static void test_freeing_the_client_ends_the_handshake(void **state)
{
    struct fix f;

    (void)state;
    setup(&f);
    connect_to(&f, "/", NULL);
    f.client = http_client_free(f.client);
    assert_int_equal(f.n_opened, 1);
    assert_int_equal(f.code, ERR_CANCELED);
    teardown(&f);
}

static void test_wrong_handshakes_fail(void **state)
{
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
    static const struct fake_step steps[] = {
        {SWITCH "Upgrade: spdy/3.1\r\n\r\n"},
        {SWITCH "Upgrade: websocket\r\n\r\n"},
        {SWITCH "Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct fix f = {.loop = loop_new("test")};
        struct http_client_opts client = {.unix_socket = true};
        struct fake_http server;

        fake_http_start(&server, &steps[i], 1);
        client.host = server.socket;
        f.client = http_client_new(f.loop, &client);
        connect_to(&f, "/", NULL);
        loop_run(f.loop);
        assert_int_equal(f.n_opened, 1);
        assert_int_equal(f.code, ERR_PARSE);
        teardown(&f);
        fake_http_stop(&server);
        buf_deinit(&server.log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_go_both_ways),
        cmocka_unit_test(test_refusal_gives_the_status),
        cmocka_unit_test(test_freeing_the_client_ends_the_handshake),
        cmocka_unit_test(test_wrong_handshakes_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
