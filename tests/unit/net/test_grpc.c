/* test_grpc.c - the gRPC client against a small nghttp2 server on a Unix socket. */
#include "test.h"

#include "net/fake_grpc.h"
#include "net/grpc.h"
#include "net/http.h"

#define MESSAGE_MAX 100000

/* What the server does is in the call's path. */
static void handle(void *arg, struct fake_call *c)
{
    static char big[MESSAGE_MAX + 1];
    atomic_int *n_seen = arg;
    int n = ++*n_seen;

    if (strcmp(c->path, "/t/Echo") == 0) {
        fake_message(c, fake_request(c).p, fake_request(c).len);
    } else if (strcmp(c->path, "/t/Headers") == 0) {
        fake_message(c, c->headers.p, c->headers.len);
    } else if (strcmp(c->path, "/t/Stream") == 0) {
        fake_message(c, "one", 3);
        fake_message(c, "", 0);
        fake_message(c, "three", 5);
    } else if (strcmp(c->path, "/t/Many") == 0) {
        for (int i = 0; i < 20000; i++)
            fake_message(c, "0123456789", 10);
    } else if (strcmp(c->path, "/t/Missing") == 0) {
        c->trailers_only = true;
        c->grpc_status = "5";
        c->grpc_message = "no container %22a%C3%A4%22: 100% gone%2";
    } else if (strcmp(c->path, "/t/Http503") == 0) {
        c->http_status = 503;
        c->type = "text/html";
        c->grpc_status = NULL;
        buf_puts(&c->response, "<h1>busy</h1>");
    } else if (strcmp(c->path, "/t/NotGrpc") == 0) {
        c->type = "text/plain";
        c->grpc_status = NULL;
    } else if (strcmp(c->path, "/t/NoStatus") == 0) {
        c->grpc_status = NULL;
        fake_message(c, "x", 1);
    } else if (strcmp(c->path, "/t/Odd") == 0) {
        c->grpc_status = "77";
    } else if (strcmp(c->path, "/t/Torn") == 0) {
        buf_append(&c->response, "\0\0\0\0\5abc", 8);
    } else if (strcmp(c->path, "/t/Compressed") == 0) {
        buf_append(&c->response, "\1\0\0\0\1a", 6);
    } else if (strcmp(c->path, "/t/Full") == 0) {
        fake_message(c, big, MESSAGE_MAX);
    } else if (strcmp(c->path, "/t/TooBig") == 0) {
        fake_message(c, big, MESSAGE_MAX + 1);
    } else if (strcmp(c->path, "/t/Hang") == 0) {
        c->action = FAKE_HANG;
    } else if (strcmp(c->path, "/t/Drop") == 0) {
        c->action = FAKE_DROP;
    } else if (strcmp(c->path, "/t/Refuse") == 0) {
        c->action = FAKE_REFUSE;
    } else if (strcmp(c->path, "/t/RefuseOnce") == 0) {
        c->action = n == 1 ? FAKE_REFUSE : FAKE_ANSWER;
    } else if (strcmp(c->path, "/t/Goaway") == 0) {
        c->action = FAKE_GOAWAY;
    }
}

struct fix {
    struct loop *loop;
    struct fake_grpc server;
    struct grpc_client *client;
    atomic_int n_seen;
    unsigned n_open; /* calls whose end is awaited */
};
struct result {
    struct fix *f;
    struct grpc_call *call;
    unsigned n_messages, n_done;
    struct buf messages; /* each followed by '|' */
    int status;
    char text[300];
    bool cancel_at_message, free_at_message, free_at_done;
};

static void on_message(void *arg, struct str m)
{
    struct result *r = arg;

    assert_int_equal(r->n_done, 0);
    r->n_messages++;
    buf_str(&r->messages, m);
    buf_putc(&r->messages, '|');
    if (r->cancel_at_message)
        grpc_call_cancel(r->call);
    if (r->free_at_message)
        r->f->client = grpc_client_free(r->f->client);
}

static void on_done(void *arg, enum grpc_status status, struct str text)
{
    struct result *r = arg;

    r->n_done++;
    r->status = (int)status;
    (void)snprintf(r->text, sizeof(r->text), "%.*s", STR_ARG(text));
    if (r->free_at_done)
        r->f->client = grpc_client_free(r->f->client);
    if (--r->f->n_open == 0)
        loop_stop(r->f->loop);
}

static void start(struct fix *f, struct result *r, const char *method, struct str request,
                  uint32_t timeout_ms)
{
    static const struct http_header md[] = {{STR_INIT("x-test"), STR_INIT("yes")}};
    struct grpc_call_opts opts = {.method = method, .request = request, .timeout_ms = timeout_ms,
                                  .metadata = md, .n_metadata = 1, .on_message = on_message,
                                  .on_done = on_done, .arg = r};

    r->f = f;
    f->n_open++;
    r->call = grpc_call_start(f->client, &opts);
    assert_int_equal(r->n_done, 0);
}

static void result_deinit(struct result *r)
{
    buf_deinit(&r->messages);
}
#define auto_result scope_cleanup(result_deinit) struct result

static void call(struct fix *f, struct result *r, const char *method, struct str request)
{
    start(f, r, method, request, 20000);
    loop_run(f->loop);
    assert_int_equal(r->n_done, 1);
}

static void setup(struct fix *f)
{
    *f = (struct fix){.loop = loop_new("test")};
    fake_start(&f->server, handle, &f->n_seen);
    f->client = grpc_client_new(f->loop, f->server.target, MESSAGE_MAX);
}

static void teardown(struct fix *f)
{
    grpc_client_free(f->client);
    loop_run(f->loop); /* until the connections have closed */
    fake_stop(&f->server);
    f->loop = loop_free(f->loop);
}

static void test_unary_echoes(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f);
    call(&f, &a, "/t/Echo", STR("hello"));
    assert_int_equal(a.status, GRPC_OK);
    assert_string_equal(a.text, "");
    assert_str_equal(buf_view(&a.messages), "hello|");
    call(&f, &b, "/t/Echo", STR(""));
    assert_int_equal(b.status, GRPC_OK);
    assert_str_equal(buf_view(&b.messages), "|");
    assert_int_equal(f.server.n_connections, 1);
    assert_int_equal(f.server.n_resets, 0);
    teardown(&f);
}

static void test_request_headers(void **state)
{
    struct fix f;
    auto_result a = {0};
    struct str h;

    (void)state;
    setup(&f);
    call(&f, &a, "/t/Headers", STR("x"));
    h = buf_view(&a.messages);
    assert_true(str_find(h, STR("te: trailers\n")) >= 0);
    assert_true(str_find(h, STR("content-type: application/grpc\n")) >= 0);
    assert_true(str_find(h, STR("grpc-timeout: 20000m\n")) >= 0 ||
                str_find(h, STR("grpc-timeout: 19999m\n")) >= 0);
    assert_true(str_find(h, STR("x-test: yes\n")) >= 0);
    teardown(&f);
}

static void test_server_stream_gives_each_message(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f);
    call(&f, &a, "/t/Stream", STR_NULL);
    assert_int_equal(a.status, GRPC_OK);
    assert_str_equal(buf_view(&a.messages), "one||three|");
    call(&f, &b, "/t/Many", STR_NULL);
    assert_int_equal(b.status, GRPC_OK);
    assert_int_equal(b.n_messages, 20000);
    assert_int_equal(b.messages.len, 20000 * 11);
    teardown(&f);
}

static void test_ends_carry_status_and_text(void **state)
{
    static const struct {
        const char *method;
        int status;
        const char *text;
        unsigned n_messages;
    } rows[] = {
        {"/t/Missing", GRPC_NOT_FOUND, "no container \"a\xc3\xa4\": 100% gone%2", 0},
        {"/t/Http503", GRPC_UNAVAILABLE, "HTTP status 503", 0},
        {"/t/NotGrpc", GRPC_UNKNOWN, "the answer is not gRPC", 0},
        {"/t/NoStatus", GRPC_INTERNAL, "the stream ended without a status", 1},
        {"/t/Odd", GRPC_UNKNOWN, "", 0},
        {"/t/Torn", GRPC_INTERNAL, "the stream ended within a message", 0},
        {"/t/Compressed", GRPC_INTERNAL, "a compressed message, which was not offered", 0},
        {"/t/Full", GRPC_OK, "", 1},
        {"/t/TooBig", GRPC_RESOURCE_EXHAUSTED,
         "a message of 100001 bytes is over the limit of 100000", 0},
    };
    struct fix f;

    (void)state;
    setup(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_result a = {0};

        call(&f, &a, rows[i].method, STR("x"));
        assert_string_equal(a.text, rows[i].text);
        assert_int_equal(a.status, rows[i].status);
        assert_int_equal(a.n_messages, rows[i].n_messages);
    }
    assert_int_equal(f.server.n_connections, 1);
    teardown(&f);
}

static void test_concurrent_calls_beyond_the_servers_limit(void **state)
{
    enum { N = 50 };
    static char request[N][60000];
    struct result r[N] = {0};
    struct fix f;

    (void)state;
    setup(&f);
    for (int i = 0; i < N; i++) {
        memset(request[i], 'a' + i % 26, sizeof(request[i]));
        start(&f, &r[i], "/t/Echo", (struct str){request[i], sizeof(request[i])}, 20000);
    }
    loop_run(f.loop);
    for (int i = 0; i < N; i++) {
        assert_int_equal(r[i].status, GRPC_OK);
        assert_int_equal(r[i].messages.len, sizeof(request[i]) + 1);
        assert_memory_equal(r[i].messages.p, request[i], sizeof(request[i]));
        result_deinit(&r[i]);
    }
    assert_int_equal(f.server.n_connections, 1);
    teardown(&f);
}

static void test_deadline_ends_a_call_and_resets_its_stream(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f);
    start(&f, &a, "/t/Hang", STR("x"), 50);
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_DEADLINE_EXCEEDED);
    assert_string_equal(a.text, "no answer within 50 ms");
    call(&f, &b, "/t/Echo", STR("y"));
    assert_int_equal(b.status, GRPC_OK);
    assert_int_equal(f.server.n_resets, 1);
    assert_int_equal(f.server.n_connections, 1);
    teardown(&f);
}

static void test_cancel_before_and_within_messages(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {.cancel_at_message = true}, c = {0};

    (void)state;
    setup(&f);
    start(&f, &a, "/t/Echo", STR("x"), 0);
    grpc_call_cancel(a.call);
    assert_int_equal(a.n_done, 0);
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_CANCELLED);
    assert_int_equal(a.n_messages, 0);
    call(&f, &b, "/t/Stream", STR("x"));
    assert_int_equal(b.status, GRPC_CANCELLED);
    assert_int_equal(b.n_messages, 1);
    call(&f, &c, "/t/Echo", STR("x"));
    assert_int_equal(c.status, GRPC_OK);
    teardown(&f);
}

static void test_client_may_be_freed_in_callbacks(void **state)
{
    for (int at = 0; at < 2; at++) {
        struct fix f;
        auto_result a = {.free_at_message = at == 0, .free_at_done = at == 1}, b = {0};

        (void)state;
        setup(&f);
        start(&f, &b, "/t/Hang", STR("x"), 0);
        call(&f, &a, "/t/Stream", STR("x"));
        assert_int_equal(a.status, at == 0 ? GRPC_CANCELLED : GRPC_OK);
        assert_int_equal(a.n_messages, at == 0 ? 1 : 3);
        assert_int_equal(b.n_done, 1);
        assert_int_equal(b.status, GRPC_CANCELLED);
        assert_null(f.client);
        teardown(&f);
    }
}

static void test_reconnects_after_a_lost_connection(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0}, c = {0};

    (void)state;
    setup(&f);
    call(&f, &a, "/t/Echo", STR("x"));
    call(&f, &b, "/t/Drop", STR("x"));
    assert_int_equal(b.status, GRPC_UNAVAILABLE);
    call(&f, &c, "/t/Echo", STR("x"));
    assert_int_equal(c.status, GRPC_OK);
    assert_int_equal(f.server.n_connections, 2);
    teardown(&f);
}

static void test_goaway_moves_new_calls_to_a_new_connection(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f);
    call(&f, &a, "/t/Goaway", STR("x"));
    assert_int_equal(a.status, GRPC_OK);
    call(&f, &b, "/t/Echo", STR("x"));
    assert_int_equal(b.status, GRPC_OK);
    assert_int_equal(f.server.n_connections, 2);
    teardown(&f);
}

static void test_refused_stream_is_tried_once_more(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f);
    call(&f, &a, "/t/RefuseOnce", STR("x"));
    assert_int_equal(a.status, GRPC_OK);
    assert_int_equal(f.n_seen, 2);
    call(&f, &b, "/t/Refuse", STR("x"));
    assert_int_equal(b.status, GRPC_UNAVAILABLE);
    assert_int_equal(f.n_seen, 4);
    teardown(&f);
}

static void stop_loop(struct timer *t)
{
    loop_stop(t->loop);
}

static void test_no_server_is_unavailable_and_backs_off(void **state)
{
    struct fix f = {.loop = loop_new("test")};
    auto_result a = {0}, b = {0}, c = {0};
    struct timer wait;

    (void)state;
    f.client = grpc_client_new(f.loop, "unix:///tmp/skiff-grpc-none/s", MESSAGE_MAX);
    call(&f, &a, "/t/Echo", STR("x"));
    assert_int_equal(a.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(a.text, "unix:///tmp/skiff-grpc-none/s: "));
    assert_non_null(strstr(a.text, "no such file"));
    call(&f, &b, "/t/Echo", STR("x")); /* at once, with the same text: no attempt was made */
    assert_int_equal(b.status, GRPC_UNAVAILABLE);
    assert_string_equal(b.text, a.text);
    timer_init(&wait, f.loop, stop_loop);
    timer_start(&wait, 150, 0);
    loop_run(f.loop);
    call(&f, &c, "/t/Echo", STR("x"));
    assert_int_equal(c.status, GRPC_UNAVAILABLE);
    f.client = grpc_client_free(f.client);
    loop_run(f.loop);
    f.loop = loop_free(f.loop);
}

static void test_free_cancels_what_is_under_way(void **state)
{
    struct fix f;
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f);
    start(&f, &a, "/t/Hang", STR("x"), 1000);
    start(&f, &b, "/t/Hang", STR("x"), 0);
    f.client = grpc_client_free(f.client);
    assert_int_equal(a.n_done, 1);
    assert_int_equal(a.status, GRPC_CANCELLED);
    assert_int_equal(b.n_done, 1);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_echoes),
        cmocka_unit_test(test_request_headers),
        cmocka_unit_test(test_server_stream_gives_each_message),
        cmocka_unit_test(test_ends_carry_status_and_text),
        cmocka_unit_test(test_concurrent_calls_beyond_the_servers_limit),
        cmocka_unit_test(test_deadline_ends_a_call_and_resets_its_stream),
        cmocka_unit_test(test_cancel_before_and_within_messages),
        cmocka_unit_test(test_client_may_be_freed_in_callbacks),
        cmocka_unit_test(test_reconnects_after_a_lost_connection),
        cmocka_unit_test(test_goaway_moves_new_calls_to_a_new_connection),
        cmocka_unit_test(test_refused_stream_is_tried_once_more),
        cmocka_unit_test(test_no_server_is_unavailable_and_backs_off),
        cmocka_unit_test(test_free_cancels_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
