/* test_grpc_wire.c - the gRPC server by nghttp2 as the client: what ours never does. */
#include "grpc_fixture.h"
#include "net/conn.h"
#include <nghttp2/nghttp2.h>

struct raw {
    struct fix *f;
    struct conn_env *env;
    struct conn *conn;
    nghttp2_session *session;
    struct str upload;
    bool ended;            /* the upload is all of the request */
    struct buf head, body; /* "name: value\n" lines */
    uint32_t code;
    bool stream_closed, conn_closed;
    size_t stop_at;        /* the loop stops when the body has so many bytes */
};

static int raw_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
                      size_t n, const uint8_t *value, size_t m, uint8_t flags, void *arg)
{
    struct raw *r = arg;

    (void)s;
    (void)frame;
    (void)flags;
    buf_printf(&r->head, "%.*s: %.*s\n", (int)n, (const char *)name, (int)m, (const char *)value);
    return 0;
}

static int raw_body(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                    void *arg)
{
    struct raw *r = arg;

    (void)s;
    (void)flags;
    (void)id;
    buf_append(&r->body, p, n);
    if (r->stop_at && r->body.len >= r->stop_at)
        loop_stop(r->f->loop);
    return 0;
}

static int raw_stream_closed(nghttp2_session *s, int32_t id, uint32_t code, void *arg)
{
    struct raw *r = arg;

    (void)s;
    (void)id;
    r->stream_closed = true;
    r->code = code;
    loop_stop(r->f->loop);
    return 0;
}

static void raw_send(void *arg)
{
    struct raw *r = arg;
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(r->session, &p)) > 0)
        conn_write(r->conn, p, (size_t)n);
}

static void raw_data(void *arg, const char *p, size_t n)
{
    struct raw *r = arg;

    assert_int_equal(nghttp2_session_mem_recv(r->session, (const uint8_t *)p, n), n);
    raw_send(r);
}

static void raw_closed(void *arg, const struct err *err)
{
    struct raw *r = arg;

    (void)err;
    r->conn_closed = true;
    loop_stop(r->f->loop);
}

static ssize_t raw_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t cap, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct raw *r = arg;
    size_t n = MIN(cap, r->upload.len);

    (void)s;
    (void)id;
    (void)source;
    if (n > 0)
        memcpy(buf, r->upload.p, n);
    r->upload = str_sub(r->upload, n, r->upload.len);
    if (r->upload.len == 0 && r->ended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n == 0 && !r->ended ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

/* Connects and sends one request; a window that only raw_open_window() opens. */
static void raw_start(struct raw *r, struct fix *f, const char *method, const char *path,
                      const char *type, const char *timeout)
{
    nghttp2_nv head[] = {nv(":method", method), nv(":scheme", "http"),  nv(":path", path),
                         nv(":authority", "x"), nv("content-type", type), nv("te", "trailers"),
                         nv("grpc-timeout", timeout ? timeout : "1H")};
    struct conn_connect_opts opts = {.host = "127.0.0.1", .port = http_server_port(f->http)};
    struct conn_handler h = {.on_open = raw_send, .on_data = raw_data, .on_closed = raw_closed,
                             .arg = r};
    nghttp2_data_provider body = {.read_callback = raw_read};
    nghttp2_session_callbacks *cb;
    nghttp2_option *opt;

    r->f = f;
    r->env = conn_env_new(f->loop);
    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    assert_int_equal(nghttp2_option_new(&opt), 0);
    nghttp2_option_set_no_auto_window_update(opt, 1);
    nghttp2_session_callbacks_set_on_header_callback(cb, raw_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, raw_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, raw_stream_closed);
    assert_int_equal(nghttp2_session_client_new2(&r->session, cb, r, opt), 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(opt);
    assert_int_equal(nghttp2_submit_settings(r->session, 0, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_request(r->session, NULL, head, ARRAY_LEN(head), &body, NULL),
                     1);
    r->conn = conn_connect(r->env, &opts, &h);
}

static void raw_stop(struct raw *r)
{
    if (!r->conn_closed)
        conn_close(r->conn);
    while (!r->conn_closed)
        loop_run(r->f->loop);
    nghttp2_session_del(r->session);
    conn_env_unref(r->env);
    buf_deinit(&r->head);
    buf_deinit(&r->body);
}

static void raw_call(struct raw *r, struct fix *f, const char *path, const char *type,
                     struct str upload)
{
    *r = (struct raw){.upload = upload, .ended = true};
    raw_start(r, f, "POST", path, type, NULL);
    loop_run(f->loop);
    assert_true(r->stream_closed);
}

#define assert_has(b, text) assert_true(str_find(buf_view(b), STR(text)) >= 0)

static void test_odd_requests_are_refused(void **state)
{
    static const struct {
        const char *type, *want;
        struct str upload;
    } rows[] = {
        {"application/grpc", "grpc-status: 0\n", STR_INIT("\0\0\0\0\1x")},
        {"application/grpc+proto", "grpc-status: 0\n", STR_INIT("\0\0\0\0\0")},
        {"application/grpc;x=y", "grpc-status: 0\n", STR_INIT("")},
        {"application/grpc+json", ":status: 415\n", STR_INIT("\0\0\0\0\0")},
        {"application/grpc-web", ":status: 404\n", STR_INIT("\0\0\0\0\0")},
        {"application/grpc", "grpc-status: 12\n", STR_INIT("\1\0\0\0\1x")},
        {"application/grpc", "grpc-status: 13\n", STR_INIT("\0\0\0\0\2x")},
        {"application/grpc", "grpc-status: 13\n", STR_INIT("\0\0")},
        {"application/grpc", "grpc-status: 8\n", STR_INIT("\0\xff\xff\xff\xff")},
    };
    struct fix f = {0};

    (void)state;
    setup(&f, false);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw r;

        raw_call(&r, &f, "/t/Echo", rows[i].type, rows[i].upload);
        if (str_find(buf_view(&r.head), str_from(rows[i].want)) < 0)
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&r.head)));
        assert_int_equal(r.code, NGHTTP2_NO_ERROR);
        raw_stop(&r);
    }
    teardown(&f);
}

static void test_response_head_and_trailers(void **state)
{
    struct fix f = {0};
    struct raw r;

    (void)state;
    setup(&f, false);
    raw_call(&r, &f, "/t/Fail", "application/grpc", STR("\0\0\0\0\1x"));
    assert_has(&r.head, ":status: 200\n");
    assert_has(&r.head, "content-type: application/grpc\n");
    assert_has(&r.head, "grpc-accept-encoding: identity\n");
    assert_has(&r.head, "grpc-status: 5\ngrpc-message: no \"%C3%A4\" in 100%25%0A\n");
    assert_true(str_find(buf_view(&r.head), STR("content-length")) < 0);
    raw_stop(&r);
    teardown(&f);
}

static void test_malformed_timeouts_and_methods(void **state)
{
    static const struct {
        const char *method, *timeout, *want;
    } rows[] = {
        {"POST", "1", "grpc-status: 13\n"},          {"POST", "123456789S", "grpc-status: 13\n"},
        {"POST", "5x", "grpc-status: 13\n"},         {"POST", "10m", "grpc-status: 4\n"},
        {"POST", "1000000n", "grpc-status: 4\n"},    {"POST", "2000u", "grpc-status: 4\n"},
        {"PUT", "1S", ":status: 405\n"},
    };
    struct fix f = {0};

    (void)state;
    setup(&f, false);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw r = {.ended = true};

        raw_start(&r, &f, rows[i].method, "/t/Hang", "application/grpc", rows[i].timeout);
        while (!r.stream_closed)
            loop_run(f.loop);
        if (str_find(buf_view(&r.head), str_from(rows[i].want)) < 0)
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&r.head)));
        raw_stop(&r);
    }
    teardown(&f);
}

static void test_slow_reader_holds_only_itself_back(void **state)
{
    struct fix f = {0};
    struct raw r = {.upload = STR("\0\0\0\0\1x"), .ended = true, .stop_at = 65535};
    auto_result a = {0};

    (void)state;
    setup(&f, false);
    raw_start(&r, &f, "POST", "/t/Flood", "application/grpc", NULL);
    loop_run(f.loop); /* the window that HTTP/2 begins with is full */
    assert_int_equal(r.body.len, 65535);
    call(&f, &a, "/t/Echo", STR("x"));
    assert_int_equal(a.status, GRPC_OK);
    assert_int_equal(r.body.len, 65535);
    assert_in_range(f.pending_max, 200000, 200000 + FLOOD_PIECE + 5);
    r.stop_at = 0;
    while (!r.stream_closed) { /* now it reads on */
        (void)nghttp2_session_consume(r.session, 1, r.body.len);
        r.f->pending_max = MAX(r.f->pending_max, r.body.len);
        buf_reset(&r.body);
        raw_send(&r);
        turn(&f);
    }
    assert_has(&r.head, "grpc-status: 0\n");
    raw_stop(&r);
    teardown(&f);
}

/* A peer that sends for ever and reads nothing: the server takes about as much as it may queue. */
static void test_sender_that_does_not_read_is_held_back(void **state)
{
    enum { MESSAGE = 100000, N = 100 };
    char *all = xcalloc(N, MESSAGE + 5);
    struct fix f = {0};
    struct raw r = {.ended = true};
    size_t left;

    (void)state;
    for (size_t i = 0; i < N; i++)
        memcpy(all + i * (MESSAGE + 5), "\0\0\1\x86\xa0", 5);
    r.upload = (struct str){all, N * (MESSAGE + 5)};
    setup(&f, false);
    raw_start(&r, &f, "POST", "/t/Echo", "application/grpc", NULL);
    r.stop_at = 65535;
    loop_run(f.loop);
    do { /* until nothing moves */
        auto_result a = {0};

        left = r.upload.len;
        call(&f, &a, "/t/Echo", STR("x"));
        assert_int_equal(a.status, GRPC_OK);
    } while (r.upload.len < left);
    assert_true(left > 0);
    assert_in_range(N * (MESSAGE + 5) - left, GRPC_SERVER_PENDING_MAX,
                    3 * GRPC_SERVER_PENDING_MAX);
    r.stop_at = 0;
    for (size_t taken = 0; !r.stream_closed;) { /* now it reads on */
        (void)nghttp2_session_consume(r.session, 1, r.body.len - taken);
        taken = r.body.len;
        raw_send(&r);
        turn(&f);
    }
    assert_int_equal(r.body.len, N * (MESSAGE + 5));
    assert_has(&r.head, "grpc-status: 0\n");
    raw_stop(&r);
    teardown(&f);
    free(all);
}

static void test_half_sent_request_may_wait_for_long(void **state)
{
    struct fix f = {0};
    struct raw r = {.upload = STR("\0\0\0\0\1x")};

    (void)state;
    setup(&f, false);
    raw_start(&r, &f, "POST", "/t/Echo", "application/grpc", NULL);
    r.stop_at = 6;
    loop_run(f.loop);
    assert_int_equal(r.body.len, 6);
    turn(&f);
    r.ended = true;
    assert_int_equal(nghttp2_session_resume_data(r.session, 1), 0);
    raw_send(&r);
    loop_run(f.loop);
    assert_true(r.stream_closed);
    assert_has(&r.head, "grpc-status: 0\n");
    raw_stop(&r);
    teardown(&f);
}

static void h1_data(void *arg, const char *p, size_t n)
{
    struct raw *r = arg;

    buf_append(&r->body, p, n);
}

static void test_http1_is_refused(void **state)
{
    static const char rq[] = "POST /t/Echo HTTP/1.1\r\nhost: x\r\n"
                             "content-type: application/grpc\r\n"
                             "content-length: 6\r\nconnection: close\r\n\r\n\0\0\0\0\1x";
    struct fix f = {0};
    struct raw r = {.f = &f};
    struct conn_handler h = {.on_data = h1_data, .on_closed = raw_closed, .arg = &r};
    struct conn_connect_opts opts = {.host = "127.0.0.1"};

    (void)state;
    setup(&f, false);
    r.env = conn_env_new(f.loop);
    opts.port = http_server_port(f.http);
    r.conn = conn_connect(r.env, &opts, &h);
    conn_write(r.conn, rq, sizeof(rq) - 1);
    loop_run(f.loop);
    assert_true(str_has_prefix(buf_view(&r.body), STR("HTTP/1.1 505 ")));
    assert_int_equal(f.n_started, 0);
    raw_stop(&r);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_requests_are_refused),
        cmocka_unit_test(test_response_head_and_trailers),
        cmocka_unit_test(test_malformed_timeouts_and_methods),
        cmocka_unit_test(test_slow_reader_holds_only_itself_back),
        cmocka_unit_test(test_sender_that_does_not_read_is_held_back),
        cmocka_unit_test(test_half_sent_request_may_wait_for_long),
        cmocka_unit_test(test_http1_is_refused),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
