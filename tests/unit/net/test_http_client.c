/* test_http_client.c - the HTTP client against a scripted server (what goes over the wire) and
 * against our own server (many connections, TLS, WebSocket). */
#include "test.h"

#include "net/fake_http.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "net/websocket.h"

struct fix {
    struct loop *loop;
    struct fake_http server;
    struct http_client *client;
    unsigned n_open;
};
struct result {
    struct fix *f;
    struct http_call *call;
    int status, n_heads, n_done, n_pieces;
    struct buf head, body;
    struct err err; /* code 0: well */
    bool cancel_at_head, cancel_at_data, pause_at_data, free_at_head, free_at_data, free_at_done;
    bool paused;
    struct timer resume;
};

static void on_resume(struct timer *t)
{
    struct result *r = container_of(t, struct result, resume);

    r->paused = false;
    http_call_pause(r->call, false);
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct result *r = arg;

    r->n_heads++;
    r->status = status;
    for (size_t i = 0; i < n; i++)
        buf_printf(&r->head, "%.*s=%.*s;", STR_ARG(headers[i].name), STR_ARG(headers[i].value));
    if (r->cancel_at_head)
        http_call_cancel(r->call);
    if (r->free_at_head)
        r->f->client = http_client_free(r->f->client);
}

static void on_data(void *arg, struct str piece)
{
    struct result *r = arg;

    assert_false(r->paused);
    r->n_pieces++;
    buf_str(&r->body, piece);
    if (r->pause_at_data) {
        r->paused = true;
        http_call_pause(r->call, true);
        timer_init(&r->resume, r->f->loop, on_resume);
        timer_start(&r->resume, 3, 0);
    }
    if (r->cancel_at_data)
        http_call_cancel(r->call);
    if (r->free_at_data)
        r->f->client = http_client_free(r->f->client);
}

static void on_done(void *arg, const struct err *err)
{
    struct result *r = arg;

    r->n_done++;
    timer_stop(&r->resume);
    if (err)
        r->err = *err;
    if (r->free_at_done)
        r->f->client = http_client_free(r->f->client);
    if (--r->f->n_open == 0)
        loop_stop(r->f->loop);
}

static void result_deinit(struct result *r)
{
    buf_deinit(&r->head);
    buf_deinit(&r->body);
}
#define auto_result scope_cleanup(result_deinit) struct result

static void start(struct fix *f, struct result *r, const char *method, const char *target,
                  const char *body, uint32_t timeout_ms, uint32_t head_timeout_ms)
{
    static const struct http_header headers[] = {{STR_INIT("X-Test"), STR_INIT("yes")}};
    struct http_client_request rq = {
        .method = method, .target = str_from(target), .headers = headers, .n_headers = 1,
        .body = str_from(body), .timeout_ms = timeout_ms, .head_timeout_ms = head_timeout_ms,
        .on_head = on_head, .on_data = on_data, .on_done = on_done, .arg = r};

    r->f = f;
    f->n_open++;
    r->call = http_client_send(f->client, &rq);
    assert_int_equal(r->n_done, 0);
}

static void get(struct fix *f, struct result *r, const char *target)
{
    start(f, r, "GET", target, NULL, 20000, 0);
    loop_run(f->loop);
    assert_int_equal(r->n_done, 1);
}

static void setup(struct fix *f, const struct fake_step *steps, size_t n)
{
    struct http_client_opts opts = {.unix_socket = true};

    *f = (struct fix){.loop = loop_new("test")};
    fake_http_start(&f->server, steps, n);
    opts.host = f->server.socket;
    f->client = http_client_new(f->loop, &opts);
}

static void end_client(struct fix *f)
{
    f->client = http_client_free(f->client);
    loop_run(f->loop); /* until the connections have closed */
    f->loop = loop_free(f->loop);
}

static void teardown(struct fix *f)
{
    end_client(f);
    fake_http_stop(&f->server);
    buf_deinit(&f->server.log);
}

#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\nX-Empty:\r\n\r\nhello"

static void test_request_and_response_on_the_wire(void **state)
{
    static const struct fake_step steps[] = {{OK_5}, {"HTTP/1.1 204 No Content\r\n\r\n"}};
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    get(&f, &a, "/a?b=c");
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.status, 200);
    assert_str_equal(buf_view(&a.head), "content-length=5;x-a=b;x-empty=;");
    assert_str_equal(buf_view(&a.body), "hello");
    start(&f, &b, "POST", "/p", "body", 0, 0);
    loop_run(f.loop);
    assert_int_equal(b.err.code, 0);
    assert_int_equal(b.status, 204);
    end_client(&f);
    fake_http_stop(&f.server);
    assert_str_equal(buf_view(&f.server.log),
                     "GET /a?b=c HTTP/1.1\r\nX-Test: yes\r\nHost: localhost\r\n\r\n"
                     "POST /p HTTP/1.1\r\nX-Test: yes\r\nHost: localhost\r\n"
                     "Content-Length: 4\r\n\r\nbody");
    assert_int_equal(f.server.n_connections, 1);
    buf_deinit(&f.server.log);
}

static void test_response_in_pieces_of_one_byte(void **state)
{
    static const struct fake_step steps[] = {
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n", .piece = 1},
        {OK_5}};
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    get(&f, &a, "/");
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.n_heads, 1);
    assert_str_equal(buf_view(&a.body), "hello world");
    get(&f, &b, "/");
    assert_str_equal(buf_view(&b.body), "hello");
    assert_int_equal(f.server.n_connections, 1);
    teardown(&f);
}

static void test_body_until_the_end_of_the_connection(void **state)
{
    static const struct fake_step steps[] = {
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", .close = true}, {OK_5}};
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    get(&f, &a, "/");
    assert_int_equal(a.err.code, 0);
    assert_str_equal(buf_view(&a.body), "until the end");
    get(&f, &b, "/");
    assert_int_equal(b.err.code, 0);
    assert_int_equal(f.server.n_connections, 2);
    teardown(&f);
}

static void test_head_and_connection_close(void **state)
{
    static const struct fake_step steps[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"},
        {"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"}};
    struct fix f;
    auto_result a = {0}, b = {0}, c = {0};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    start(&f, &a, "HEAD", "/", NULL, 0, 0);
    loop_run(f.loop);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.body.len, 0);
    get(&f, &b, "/");
    assert_str_equal(buf_view(&b.body), "hi");
    get(&f, &c, "/"); /* a redirect is an answer like another */
    assert_int_equal(c.status, 301);
    assert_int_equal(f.server.n_connections, 2);
    teardown(&f);
}

static void test_broken_answers_fail(void **state)
{
    static const struct {
        struct fake_step step;
        int code;
    } rows[] = {
        {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", .close = true}, ERR_EOF},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", .close = true}, ERR_EOF},
        {{"HTTP/1.1 200 OK\r\nContent-Le", .close = true}, ERR_EOF},
        {{"", .close = true}, ERR_EOF},
        {{"SSH-2.0-OpenSSH\r\n\r\n"}, ERR_PARSE},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"}, ERR_PARSE},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}, ERR_PARSE},
        {{"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"}, ERR_PARSE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fix f;
        auto_result a = {0};

        setup(&f, &rows[i].step, 1);
        get(&f, &a, "/");
        assert_int_equal(a.err.code, rows[i].code);
        assert_non_null(strstr(a.err.msg, f.server.socket));
        teardown(&f);
    }
}

static void test_bytes_behind_an_answer_end_the_connection(void **state)
{
    static const struct fake_step steps[] = {
        {OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"}, {OK_5}};
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    get(&f, &a, "/");
    assert_str_equal(buf_view(&a.body), "hello");
    get(&f, &b, "/");
    assert_str_equal(buf_view(&b.body), "hello");
    assert_int_equal(f.server.n_connections, 2);
    teardown(&f);
}

static void test_kept_connection_that_died_is_retried_for_idempotent_requests(void **state)
{
    static const struct fake_step steps[] = {{OK_5}, {"", .close = true}, {OK_5},
                                             {"", .close = true}};
    struct fix f;
    auto_result a = {0}, b = {0}, c = {0};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    get(&f, &a, "/1");
    get(&f, &b, "/2"); /* the server closes at the request; a second try is answered */
    assert_int_equal(b.err.code, 0);
    assert_str_equal(buf_view(&b.body), "hello");
    start(&f, &c, "POST", "/3", "x", 0, 0); /* may have been done: it is not repeated */
    loop_run(f.loop);
    assert_true(c.err.code == ERR_EOF || c.err.code == ERR_IO);
    assert_int_equal(f.server.n_connections, 2);
    teardown(&f);
}

static void test_timeouts(void **state)
{
    static const struct fake_step none[] = {{NULL}};
    static const struct fake_step half[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}};
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, none, 1);
    start(&f, &a, "GET", "/", NULL, 0, 30);
    loop_run(f.loop);
    assert_int_equal(a.err.code, ERR_TIMEOUT);
    assert_non_null(strstr(a.err.msg, "no answer within 30 ms"));
    teardown(&f);
    setup(&f, half, 1);
    start(&f, &b, "GET", "/", NULL, 100, 0);
    loop_run(f.loop);
    assert_int_equal(b.err.code, ERR_TIMEOUT);
    assert_non_null(strstr(b.err.msg, "no complete answer within 100 ms"));
    assert_str_equal(buf_view(&b.body), "half");
    teardown(&f);
}

static void test_pause_holds_the_body_back(void **state)
{
    static const struct fake_step steps[] = {
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz"},
        {"HTTP/1.1 200 OK\r\n\r\ntail", .close = true}};
    struct fix f;
    auto_result a = {.pause_at_data = true}, b = {.pause_at_data = true},
                c = {.pause_at_data = true};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    get(&f, &a, "/");
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.n_pieces, 4);
    assert_str_equal(buf_view(&a.body), "abcd");
    get(&f, &b, "/");
    assert_int_equal(b.err.code, 0);
    assert_str_equal(buf_view(&b.body), "xyz");
    get(&f, &c, "/");
    assert_int_equal(c.err.code, 0);
    assert_str_equal(buf_view(&c.body), "tail");
    assert_int_equal(f.server.n_connections, 1);
    teardown(&f);
}

static void test_cancel(void **state)
{
    static const struct fake_step steps[] = {{OK_5}, {OK_5}, {OK_5}};
    struct fix f;
    auto_result a = {0}, b = {.cancel_at_head = true}, c = {.cancel_at_data = true};

    (void)state;
    setup(&f, steps, ARRAY_LEN(steps));
    start(&f, &a, "GET", "/", NULL, 0, 0);
    http_call_cancel(a.call);
    assert_int_equal(a.n_done, 0);
    loop_run(f.loop);
    assert_int_equal(a.err.code, ERR_CANCELED);
    assert_int_equal(a.n_heads, 0);
    get(&f, &b, "/");
    assert_int_equal(b.err.code, ERR_CANCELED);
    assert_int_equal(b.n_pieces, 0);
    get(&f, &c, "/");
    assert_int_equal(c.err.code, ERR_CANCELED);
    assert_int_equal(c.n_pieces, 1);
    teardown(&f);
}

static void test_client_may_be_freed_in_any_callback(void **state)
{
    static const struct fake_step steps[] = {{OK_5}};

    (void)state;
    for (int at = 0; at < 3; at++) {
        struct fix f;
        auto_result a = {.free_at_head = at == 0, .free_at_data = at == 1, .free_at_done = at == 2};

        setup(&f, steps, 1);
        get(&f, &a, "/");
        assert_int_equal(a.err.code, at == 2 ? 0 : ERR_CANCELED);
        assert_null(f.client);
        teardown(&f);
    }
}

static void test_requests_that_would_smuggle_are_refused(void **state)
{
    static const char *const targets[] = {"/a b", "/a\r\nX: y", "", "noslash"};
    static const struct http_header bad[] = {{STR_INIT("X"), STR_INIT("a\r\nY: b")}};
    struct fix f;
    auto_result b = {0};
    struct http_client_request rq = {.method = "GET", .target = STR("/"), .headers = bad,
                                     .n_headers = 1, .on_done = on_done, .arg = &b};

    (void)state;
    setup(&f, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        auto_result a = {0};

        get(&f, &a, targets[i]);
        assert_int_equal(a.err.code, ERR_BAD_REQUEST);
    }
    b.f = &f;
    f.n_open = 1;
    (void)http_client_send(f.client, &rq);
    loop_run(f.loop);
    assert_int_equal(b.err.code, ERR_BAD_REQUEST);
    teardown(&f);
}

static void test_no_server(void **state)
{
    struct fix f = {.loop = loop_new("test")};
    struct http_client_opts opts = {.host = "/tmp/skiff-http-none/s", .unix_socket = true};
    auto_result a = {0};

    (void)state;
    f.client = http_client_new(f.loop, &opts);
    get(&f, &a, "/");
    assert_true(a.err.code < 0);
    assert_non_null(strstr(a.err.msg, "no such file"));
    end_client(&f);
}

/* ---- against our own server ---- */

struct own {
    struct fix f;
    struct http_server *server;
    struct tls_context *server_tls, *client_tls;
    struct arena arena;
    unsigned n_seen, n_held, held_max;
    struct http_exchange *held[8];
};

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct own *o = arg;

    o->n_seen++;
    if (!str_eqz(rq->path, "/held")) {
        http_respond(x, 200, "text/plain", rq->body.len > 0 ? rq->body : rq->path, NULL, 0);
        return;
    }
    o->held[o->n_held++] = x; /* answered when there are as many as shall be */
    if (o->n_held < o->held_max)
        return;
    for (unsigned i = 0; i < o->n_held; i++)
        http_respond(o->held[i], 200, NULL, STR("held"), NULL, 0);
    o->n_held = 0;
}

static void own_certificates(struct own *o, const char *dns)
{
    const char *const names[] = {dns, NULL};
    struct cert_request ca = {.common_name = "ca", .is_ca = true, .lifetime_sec = 3600};
    struct cert_request rq = {.common_name = "server", .dns_names = names, .server = true,
                              .lifetime_sec = 3600};
    struct str ca_key, ca_cert, key, cert;
    struct err err = {0};

    ca.not_before_sec = rq.not_before_sec = loop_wall_ns(o->f.loop) / 1000000000 - 60;
    assert_ok(cert_new_key(&o->arena, &ca_key, &err), &err);
    assert_ok(cert_issue(&ca, ca_key, STR_NULL, STR_NULL, &o->arena, &ca_cert, &err), &err);
    assert_ok(cert_new_key(&o->arena, &key, &err), &err);
    assert_ok(cert_issue(&rq, key, ca_cert, ca_key, &o->arena, &cert, &err), &err);
    assert_ok(tls_server_context(cert, key, STR_NULL, &o->server_tls, &err), &err);
    assert_ok(tls_client_context(ca_cert, STR_NULL, STR_NULL, false, &o->client_tls, &err), &err);
}

static void own_setup(struct own *o, bool tls, const char *server_name, uint32_t connections_max)
{
    struct http_server_opts server = {.address = "127.0.0.1", .handler = {on_request, o}};
    struct http_client_opts client = {.host = "127.0.0.1", .server_name = server_name,
                                      .connections_max = connections_max};
    struct err err = {0};

    *o = (struct own){.f.loop = loop_new("test")};
    if (tls)
        own_certificates(o, "server.test");
    server.tls = o->server_tls;
    assert_ok(http_server_new(o->f.loop, &server, &o->server, &err), &err);
    client.port = http_server_port(o->server);
    client.tls = o->client_tls;
    o->f.client = http_client_new(o->f.loop, &client);
}

static void own_teardown(struct own *o)
{
    o->f.client = http_client_free(o->f.client);
    http_server_close(o->server, 0, NULL, NULL);
    loop_run(o->f.loop);
    o->f.loop = loop_free(o->f.loop);
    o->server_tls = tls_context_free(o->server_tls);
    o->client_tls = tls_context_free(o->client_tls);
    arena_deinit(&o->arena);
}

static void test_pool_is_bounded_and_the_rest_wait_in_line(void **state)
{
    struct own o;
    struct result r[8] = {0};

    (void)state;
    own_setup(&o, false, NULL, 2);
    o.held_max = 2; /* each pair is answered together: with one connection none would be */
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        start(&o.f, &r[i], "GET", "/held", NULL, 5000, 0);
    loop_run(o.f.loop);
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        assert_int_equal(r[i].err.code, 0);
        assert_str_equal(buf_view(&r[i].body), "held");
        result_deinit(&r[i]);
    }
    assert_int_equal(o.n_seen, 8);
    own_teardown(&o);
}

static void test_tls_checks_the_servers_name(void **state)
{
    struct own o;
    auto_result a = {0}, b = {0}, c = {0};

    (void)state;
    own_setup(&o, true, "server.test", 0);
    get(&o.f, &a, "/path");
    assert_string_equal(a.err.msg, "");
    assert_str_equal(buf_view(&a.body), "/path");
    start(&o.f, &c, "POST", "/", "echo", 0, 0);
    loop_run(o.f.loop);
    assert_str_equal(buf_view(&c.body), "echo");
    own_teardown(&o);
    own_setup(&o, true, "other.test", 0);
    get(&o.f, &b, "/path");
    assert_int_equal(b.err.code, ERR_UNAUTHORIZED);
    assert_int_equal(b.n_heads, 0);
    assert_int_equal(o.n_seen, 0);
    own_teardown(&o);
}

static void test_large_body_both_ways(void **state)
{
    enum { N = 2 << 20 };
    struct own o;
    auto_result a = {0};
    auto_free char *body = xcalloc(N + 1, 1);

    (void)state;
    memset(body, 'x', N);
    own_setup(&o, true, "server.test", 0);
    start(&o.f, &a, "PUT", "/", body, 20000, 0);
    loop_run(o.f.loop);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.body.len, N);
    own_teardown(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_response_on_the_wire),
        cmocka_unit_test(test_response_in_pieces_of_one_byte),
        cmocka_unit_test(test_body_until_the_end_of_the_connection),
        cmocka_unit_test(test_head_and_connection_close),
        cmocka_unit_test(test_broken_answers_fail),
        cmocka_unit_test(test_bytes_behind_an_answer_end_the_connection),
        cmocka_unit_test(test_kept_connection_that_died_is_retried_for_idempotent_requests),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_pause_holds_the_body_back),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_client_may_be_freed_in_any_callback),
        cmocka_unit_test(test_requests_that_would_smuggle_are_refused),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_pool_is_bounded_and_the_rest_wait_in_line),
        cmocka_unit_test(test_tls_checks_the_servers_name),
        cmocka_unit_test(test_large_body_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
