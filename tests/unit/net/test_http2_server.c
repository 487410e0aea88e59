/* test_http2_server.c - the server over HTTP/2, by a client on nghttp2. */
#include "fixture.h"
#include <nghttp2/nghttp2.h>

#define STREAMS 128

struct answer {
    int status;
    struct buf head, body; /* "name: value\n" lines */
    bool closed;
    uint32_t code;         /* of the end */
};
struct h2client {
    struct client c;
    nghttp2_session *session;
    struct answer answers[STREAMS]; /* by (stream id - 1) / 2 */
    struct str upload;              /* body of the next request */
    bool goaway;
    uint32_t goaway_code;
    int n_frames;
};

static struct answer *answer_of(struct h2client *h, int32_t id)
{
    assert_in_range(id, 1, 2 * STREAMS - 1);
    return &h->answers[(id - 1) / 2];
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct answer *a = answer_of(arg, frame->hd.stream_id);

    (void)s;
    (void)flags;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        a->status = atoi((const char *)value);
    buf_printf(&a->head, "%.*s: %.*s\n", (int)name_len, (const char *)name, (int)value_len,
               (const char *)value);
    return 0;
}

static int on_body(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    (void)s;
    (void)flags;
    buf_append(&answer_of(arg, id)->body, p, n);
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *arg)
{
    struct answer *a = answer_of(arg, id);

    (void)s;
    a->closed = true;
    a->code = code;
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    struct h2client *h = arg;

    (void)s;
    h->n_frames++;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h->goaway = true;
        h->goaway_code = frame->goaway.error_code;
    }
    return 0;
}

static ssize_t upload(nghttp2_session *s, int32_t id, uint8_t *buf, size_t cap, uint32_t *flags,
                      nghttp2_data_source *source, void *arg)
{
    struct str *left = source->ptr;
    size_t n = MIN(cap, left->len);

    (void)s;
    (void)id;
    (void)arg;
    if (n)
        memcpy(buf, left->p, n);
    *left = str_sub(*left, n, left->len);
    if (left->len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void flush(struct h2client *h)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(h->session, &p)) > 0)
        client_send(&h->c, p, (size_t)n);
    assert_int_equal(n, 0);
}

static void h2_open(struct h2client *h, const struct fixture *f, const struct pki *pki)
{
    nghttp2_session_callbacks *cb;

    *h = (struct h2client){0};
    client_open(&h->c, f, pki, pki ? "\x02h2" : NULL, STR_NULL, STR_NULL);
    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    assert_int_equal(nghttp2_session_client_new(&h->session, cb, h), 0);
    nghttp2_session_callbacks_del(cb);
    assert_int_equal(nghttp2_submit_settings(h->session, 0, NULL, 0), 0);
    flush(h);
}

static void h2_close(struct h2client *h)
{
    nghttp2_session_del(h->session);
    client_close(&h->c);
    for (size_t i = 0; i < STREAMS; i++) {
        buf_deinit(&h->answers[i].head);
        buf_deinit(&h->answers[i].body);
    }
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static int32_t submit(struct h2client *h, const char *method, const char *path)
{
    nghttp2_nv head[] = {nv(":method", method), nv(":scheme", "https"), nv(":path", path),
                         nv(":authority", "host:1"), nv("content-type", "x/y")};
    nghttp2_data_provider body = {.source.ptr = &h->upload, .read_callback = upload};
    int32_t id = nghttp2_submit_request(h->session, NULL, head, ARRAY_LEN(head),
                                        h->upload.p ? &body : NULL, NULL);

    assert_true(id > 0);
    return id;
}

/* Reads once; false at the end of the connection. */
static bool step(struct h2client *h)
{
    ssize_t n;

    flush(h);
    if (!client_read(&h->c))
        return false;
    n = nghttp2_session_mem_recv(h->session, (const uint8_t *)h->c.in.p, h->c.in.len);
    assert_int_equal(n, h->c.in.len);
    buf_reset(&h->c.in);
    flush(h);
    return true;
}

static struct answer *wait_answer(struct h2client *h, int32_t id)
{
    struct answer *a = answer_of(h, id);

    while (!a->closed)
        assert_true(step(h));
    return a;
}

static struct str value(const struct answer *a, const char *name)
{
    return head_value(buf_view(&a->head), name);
}

static void check_basics(struct h2client *h)
{
    struct answer *a = wait_answer(h, submit(h, "GET", "/hello"));

    assert_int_equal(a->status, 200);
    assert_int_equal(a->code, NGHTTP2_NO_ERROR);
    assert_str_equal(buf_view(&a->body), "hello");
    assert_str_equal(value(a, "content-length"), "5");
    assert_str_equal(value(a, "content-type"), "text/plain");
    assert_int_equal(value(a, "date").len, 29);
    a = wait_answer(h, submit(h, "HEAD", "/hello"));
    assert_int_equal(a->status, 200);
    assert_int_equal(a->body.len, 0);
    a = wait_answer(h, submit(h, "GET", "/none"));
    assert_int_equal(a->status, 204);
    a = wait_answer(h, submit(h, "GET", "/query?a=b"));
    assert_str_equal(buf_view(&a->body), "GET\n/query\na=b\nhost:1\n");
    a = wait_answer(h, submit(h, "GET", "nonsense"));
    assert_int_equal(a->status, 0);
    assert_int_equal(a->code, NGHTTP2_PROTOCOL_ERROR);
}

static void test_by_prior_knowledge(void **state)
{
    struct fixture f = {0};
    struct h2client h;

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    check_basics(&h);
    h2_close(&h);
    fixture_stop(&f, 1000);
}

static void test_by_tls(void **state)
{
    struct tls_context *tls;
    struct fixture f = {0};
    struct h2client h;
    struct pki p;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, p.ca, &tls, &err), &err);
    f.opts.tls = tls;
    fixture_start(&f);
    h2_open(&h, &f, &p);
    check_basics(&h);
    h2_close(&h);
    fixture_stop(&f, 1000);
    tls = tls_context_free(tls);
    pki_deinit(&p);
}

static void test_bodies_of_all_sizes(void **state)
{
    static const char *const paths[] = {"/stream/0", "/stream/1",     "/stream/16375",
                                        "/sized/0",  "/sized/100000", "/stream/3000000"};
    static const size_t sizes[] = {0, 1, 16375, 0, 100000, 3000000};
    struct fixture f = {0};
    struct h2client h;
    int32_t ids[ARRAY_LEN(paths)];

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) /* all at once */
        ids[i] = submit(&h, "GET", paths[i]);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct answer *a = wait_answer(&h, ids[i]);

        assert_int_equal(a->code, NGHTTP2_NO_ERROR);
        assert_int_equal(a->body.len, sizes[i]);
        for (size_t k = 0; k < a->body.len; k++)
            if (a->body.p[k] < 'a' || a->body.p[k] > 'z')
                fail_msg("byte %zu is %d", k, a->body.p[k]);
    }
    wait_for(&f.n_closed_sources, (int)ARRAY_LEN(paths));
    h2_close(&h);
    fixture_stop(&f, 1000);
}

static void test_uploads(void **state)
{
    static char big[3 * 1024 * 1024 + 1];
    struct fixture f = {0};
    struct h2client h;
    struct answer *a;

    (void)state;
    memset(big, 'u', sizeof(big));
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    h.upload = (struct str){big, sizeof(big) - 1};
    a = wait_answer(&h, submit(&h, "POST", "/echo"));
    assert_int_equal(a->status, 200);
    assert_int_equal(a->body.len, sizeof(big) - 1);
    assert_str_equal(value(a, "x-method"), "POST");
    assert_str_equal(value(a, "x-type"), "x/y");
    assert_null(value(a, "x-bad").p);
    h.upload = (struct str){big, sizeof(big)};
    a = wait_answer(&h, submit(&h, "POST", "/echo"));
    assert_int_equal(a->status, 413);
    assert_int_equal(a->code, NGHTTP2_NO_ERROR);
    assert_true(str_find(buf_view(&a->body), STR("\"code\":413")) > 0);
    h.upload = STR("");
    a = wait_answer(&h, submit(&h, "POST", "/echo"));
    assert_int_equal(a->status, 200);
    assert_int_equal(atomic_load(&f.n_requests), 2);
    h2_close(&h);
    fixture_stop(&f, 1000);
}

/* A body that comes while nobody takes it yet, and more of it than the window. */
static void test_streaming_bodies_and_trailers(void **state)
{
    static char big[3000000];
    struct fixture f = {0};
    struct h2client h;
    struct answer *a;
    int32_t id;

    (void)state;
    memset(big, 'x', sizeof(big));
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    h.upload = (struct str){big, sizeof(big)};
    a = wait_answer(&h, submit(&h, "POST", "/late"));
    assert_int_equal(a->status, 200);
    assert_int_equal(a->body.len, sizeof(big));
    assert_memory_equal(a->body.p, big, sizeof(big));
    assert_str_equal(value(a, "x-n"), "3000000");
    assert_null(value(a, "content-length").p);
    h.upload = STR("");
    a = wait_answer(&h, submit(&h, "POST", "/late"));
    assert_int_equal(a->status, 200);
    assert_str_equal(value(a, "x-n"), "0");
    h.upload = (struct str){big, sizeof(big)};
    id = submit(&h, "POST", "/late");
    flush(&h);
    assert_int_equal(nghttp2_submit_rst_stream(h.session, 0, id, NGHTTP2_CANCEL), 0);
    flush(&h);
    wait_for(&f.n_aborted, 1);
    wait_for(&f.n_closed_sources, 3);
    h2_close(&h);
    fixture_stop(&f, 1000);
}

static void test_waiting_and_failing_sources(void **state)
{
    struct fixture f = {0};
    struct h2client h;
    struct answer *a;
    int32_t first, second, third, fourth;

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    first = submit(&h, "GET", "/wait");
    second = submit(&h, "GET", "/hello");
    third = submit(&h, "GET", "/short");
    fourth = submit(&h, "GET", "/error");
    a = wait_answer(&h, second);
    assert_int_equal(a->status, 200);
    a = wait_answer(&h, first);
    assert_str_equal(buf_view(&a->body), "ab");
    assert_int_equal(wait_answer(&h, third)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(wait_answer(&h, fourth)->code, NGHTTP2_INTERNAL_ERROR);
    wait_for(&f.n_closed_sources, 3);
    h2_close(&h);
    fixture_stop(&f, 1000);
}

static void test_handler_hears_of_resets_and_ends(void **state)
{
    struct fixture f = {0};
    struct h2client h;
    int32_t hang, watch;

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    hang = submit(&h, "GET", "/hang");
    watch = submit(&h, "GET", "/watch");
    while (answer_of(&h, watch)->body.len == 0)
        assert_true(step(&h));
    assert_int_equal(nghttp2_submit_rst_stream(h.session, 0, hang, NGHTTP2_CANCEL), 0);
    assert_int_equal(nghttp2_submit_rst_stream(h.session, 0, watch, NGHTTP2_NO_ERROR), 0);
    flush(&h);
    wait_for(&f.n_aborted, 1);
    wait_for(&f.n_closed_sources, 1);
    (void)submit(&h, "GET", "/hang");
    watch = submit(&h, "GET", "/watch");
    while (answer_of(&h, watch)->body.len == 0)
        assert_true(step(&h));
    h2_close(&h);
    wait_for(&f.n_aborted, 2);
    wait_for(&f.n_closed_sources, 2);
    fixture_stop(&f, 1000);
}

static void test_slow_reader_holds_up_only_itself(void **state)
{
    struct fixture f = {0};
    struct h2client slow, quick;

    (void)state;
    fixture_start(&f);
    h2_open(&slow, &f, NULL);
    assert_int_equal(nghttp2_session_set_local_window_size(slow.session, 0, 0, 1 << 30), 0);
    (void)submit(&slow, "GET", "/stream/60000000");
    flush(&slow);
    wait_for(&f.n_requests, 1);
    h2_open(&quick, &f, NULL);
    assert_int_equal(wait_answer(&quick, submit(&quick, "GET", "/hello"))->status, 200);
    h2_close(&quick);
    h2_close(&slow);
    wait_for(&f.n_closed_sources, 1);
    fixture_stop(&f, 1000);
}

static void test_rapid_resets_end_the_connection(void **state)
{
    struct fixture f = {0};
    struct h2client h;
    struct buf frames = {0};
    nghttp2_hd_deflater *deflater;
    nghttp2_nv head[] = {nv(":method", "GET"), nv(":scheme", "http"), nv(":path", "/hang"),
                         nv(":authority", "a")};
    uint8_t block[256];
    ssize_t len;

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    assert_int_equal(nghttp2_hd_deflate_new(&deflater, 0), 0); /* no table: one block fits all */
    len = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), head, ARRAY_LEN(head));
    assert_true(len > 0);
    nghttp2_hd_deflate_del(deflater);
    for (int i = 0; i < 3000; i++) {
        int id = 2 * i + 1;
        char hd[9] = {0, 0, (char)len, NGHTTP2_HEADERS, 5, 0, 0, (char)(id >> 8), (char)id};
        char rst[13] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, (char)(id >> 8), (char)id,
                        0, 0, 0, NGHTTP2_CANCEL};

        buf_append(&frames, hd, sizeof(hd));
        buf_append(&frames, block, (size_t)len);
        buf_append(&frames, rst, sizeof(rst));
    }
    client_send(&h.c, frames.p, frames.len);
    buf_deinit(&frames);
    while (!h.goaway && step(&h))
        ;
    assert_true(h.goaway);
    assert_int_equal(h.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_in_range(atomic_load(&f.n_requests), 1000, 1200);
    h2_close(&h);
    fixture_stop(&f, 1000);
    assert_int_equal(atomic_load(&f.n_aborted), atomic_load(&f.n_requests));
}

static void test_drain_says_goaway_and_lets_streams_end(void **state)
{
    struct fixture f = {0};
    struct h2client h, idle;
    int32_t id;

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    h2_open(&idle, &f, NULL);
    id = submit(&h, "GET", "/wait");
    flush(&h);
    wait_for(&f.n_requests, 1);
    assert_int_equal(wait_answer(&idle, submit(&idle, "GET", "/hello"))->status, 200);
    fixture_stop(&f, 1000);
    assert_str_equal(buf_view(&wait_answer(&h, id)->body), "ab");
    while (step(&idle))
        ;
    assert_true(h.goaway);
    assert_true(idle.goaway);
    h2_close(&h);
    h2_close(&idle);
}

static void test_stuck_requests_and_idle_connections_end(void **state)
{
    struct fixture f = {.opts = {.idle_timeout_ms = 60}};
    struct h2client h;
    nghttp2_nv head[] = {nv(":method", "POST"), nv(":scheme", "http"), nv(":path", "/echo"),
                         nv(":authority", "a")};

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    assert_int_equal(wait_answer(&h, submit(&h, "GET", "/hello"))->status, 200);
    while (step(&h))
        ;
    assert_true(h.goaway);
    h2_close(&h);
    h2_open(&h, &f, NULL);
    assert_true(nghttp2_submit_headers(h.session, 0, -1, NULL, head, ARRAY_LEN(head), NULL) > 0);
    while (step(&h)) /* the body never comes */
        ;
    h2_close(&h);
    fixture_stop(&f, 1000);
}

static void test_garbage_is_refused(void **state)
{
    struct fixture f = {0};
    struct h2client h;

    (void)state;
    fixture_start(&f);
    h2_open(&h, &f, NULL);
    while (h.n_frames == 0)
        assert_true(step(&h));
    client_send(&h.c, "\0\0\4\x08\0\0\0\0\0\0\0\0\0", 13); /* a window update by nothing */
    while (step(&h))
        ;
    assert_true(h.goaway);
    assert_int_equal(h.goaway_code, NGHTTP2_PROTOCOL_ERROR);
    h2_close(&h);
    fixture_stop(&f, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_prior_knowledge),
        cmocka_unit_test(test_by_tls),
        cmocka_unit_test(test_bodies_of_all_sizes),
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_streaming_bodies_and_trailers),
        cmocka_unit_test(test_waiting_and_failing_sources),
        cmocka_unit_test(test_handler_hears_of_resets_and_ends),
        cmocka_unit_test(test_slow_reader_holds_up_only_itself),
        cmocka_unit_test(test_rapid_resets_end_the_connection),
        cmocka_unit_test(test_drain_says_goaway_and_lets_streams_end),
        cmocka_unit_test(test_stuck_requests_and_idle_connections_end),
        cmocka_unit_test(test_garbage_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
