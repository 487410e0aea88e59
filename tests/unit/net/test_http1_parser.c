/* test_http1_parser.c - requests of HTTP/1 from bytes, in one piece and byte by byte. */
#include "net/http1_parser.h"
#include "test.h"

struct reader {
    struct http1_parser p;
    struct arena arena;
    struct http_request rq;
    struct buf body;
    size_t used;
};

static void reader_init(struct reader *r, size_t body_max)
{
    *r = (struct reader){.body.limit_bytes = body_max};
    http1_parser_init(&r->p, body_max);
    http1_parser_start(&r->p, &r->arena, &r->rq, &r->body);
}

static void reader_deinit(struct reader *r)
{
    http1_parser_deinit(&r->p);
    buf_deinit(&r->body);
    arena_deinit(&r->arena);
}

/* Feeds @text in pieces of @piece bytes until a request, an error or the end. */
static enum http1_event feed(struct reader *r, struct str text, size_t piece)
{
    enum http1_event e = HTTP1_MORE;

    r->used = 0;
    while (r->used < text.len && (e == HTTP1_MORE || e == HTTP1_HEAD)) {
        struct str s = str_sub(text, r->used, piece);
        size_t used;

        e = http1_parse(&r->p, s.p, s.len, &used);
        r->used += used;
    }
    return e;
}

static const char get[] = "GET /api/v1/pods?watch=1&a=b#frag HTTP/1.1\r\nHost: example:1\r\n"
                          "Accept:  application/json \r\nX-Empty:\r\n\r\n";

static void test_get_is_split_into_its_parts(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(get); piece += piece < 3 ? 1 : 20) {
        struct reader r;

        reader_init(&r, 100);
        assert_int_equal(feed(&r, str_from(get), piece), HTTP1_REQUEST);
        assert_int_equal(r.used, strlen(get));
        assert_str_equal(r.rq.method, "GET");
        assert_str_equal(r.rq.target, "/api/v1/pods?watch=1&a=b#frag");
        assert_str_equal(r.rq.path, "/api/v1/pods");
        assert_str_equal(r.rq.query, "watch=1&a=b");
        assert_str_equal(r.rq.host, "example:1");
        assert_int_equal(r.rq.n_headers, 3);
        assert_str_equal(r.rq.headers[1].name, "accept");
        assert_str_equal(http_header_find(&r.rq, "accept"), "application/json");
        assert_str_equal(http_header_find(&r.rq, "x-empty"), "");
        assert_null(http_header_find(&r.rq, "x-none").p);
        assert_true(r.p.keep_alive);
        reader_deinit(&r);
    }
}

struct body_case {
    const char *text;
    enum http1_event event;
    const char *body; /* of a request */
};
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
static const struct body_case bodies[] = {
    {POST "Content-Length: 5\r\n\r\nhello", HTTP1_REQUEST, "hello"},
    {POST "Content-Length: 0\r\n\r\n", HTTP1_REQUEST, ""},
    {POST "\r\n", HTTP1_REQUEST, ""},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\n", HTTP1_REQUEST, "hello"},
    {CHUNKED "2\r\nhe\r\n00003;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n", HTTP1_REQUEST, "hello"},
    {CHUNKED "a\r\n0123456789\r\n0\r\n\r\n", HTTP1_REQUEST, "0123456789"},
    {CHUNKED "0\r\n\r\n", HTTP1_REQUEST, ""},
    /* what two readers could understand differently */
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HTTP1_BAD, NULL},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", HTTP1_BAD, NULL},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", HTTP1_BAD, NULL},
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", HTTP1_BAD, NULL},
    {POST "Content-Length: +5\r\n\r\nhello", HTTP1_BAD, NULL},
    {POST "Content-Length: 5,5\r\n\r\nhello", HTTP1_BAD, NULL},
    {POST "Content-Length: 99999999999999999999\r\n\r\n", HTTP1_BAD, NULL},
    {POST "Content-Length : 5\r\n\r\nhello", HTTP1_BAD, NULL},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP1_CODING, NULL},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_CODING, NULL},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", HTTP1_CODING, NULL},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HTTP1_BAD, NULL},
    {CHUNKED "5\r\nhelloX\r\n0\r\n\r\n", HTTP1_BAD, NULL},
    {CHUNKED "5\nhello\r\n0\r\n\r\n", HTTP1_BAD, NULL},
    {CHUNKED "5\r\nhello\n0\r\n\r\n", HTTP1_BAD, NULL},
    {CHUNKED "\r\n", HTTP1_BAD, NULL},
    {CHUNKED "-1\r\n", HTTP1_BAD, NULL},
    {CHUNKED "0x5\r\n", HTTP1_BAD, NULL},
    {CHUNKED "5;\n\r\nhello", HTTP1_BAD, NULL},
    {CHUNKED "0000000000000005\r\nhello\r\n", HTTP1_BAD, NULL},
    {CHUNKED "0\r\nA: b\nC: d\r\n\r\n", HTTP1_BAD, NULL},
    /* limits: bodies of 16 bytes here */
    {POST "Content-Length: 17\r\n\r\n", HTTP1_TOO_LARGE, NULL},
    {CHUNKED "11\r\n", HTTP1_TOO_LARGE, NULL},
    {CHUNKED "9\r\n123456789\r\n8\r\n", HTTP1_TOO_LARGE, NULL},
    {CHUNKED "fffffffffffffff\r\n", HTTP1_TOO_LARGE, NULL},
    /* heads */
    {"GET / HTTP/1.1\r\n\r\n", HTTP1_BAD, NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HTTP1_BAD, NULL},
    {"GET / HTTP/1.0\r\n\r\n", HTTP1_REQUEST, ""},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", HTTP1_VERSION, NULL},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", HTTP1_VERSION, NULL},
    {"GET /\r\n\r\n", HTTP1_VERSION, NULL},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP1_BAD, NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n", HTTP1_BAD, NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n", HTTP1_BAD, NULL},
    {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", HTTP1_BAD, NULL},
    {"\x16\x03\x01\x02\r\n\r\n", HTTP1_BAD, NULL},
};

static void test_bodies_and_their_borders(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (size_t piece = 1; piece <= 1000; piece += 999) {
            struct reader r;
            enum http1_event e;

            reader_init(&r, 16);
            e = feed(&r, str_from(bodies[i].text), piece);
            if (e != bodies[i].event)
                fail_msg("case %zu in pieces of %zu: event %d, wanted %d", i, piece, (int)e,
                         (int)bodies[i].event);
            if (e == HTTP1_REQUEST)
                assert_str_equal(r.rq.body, bodies[i].body);
            if (e == HTTP1_BAD)
                assert_non_null(r.p.why);
            reader_deinit(&r);
        }
    }
}

static void test_what_follows_a_request_is_left(void **state)
{
    static const char two[] = POST "Content-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost: b\r\n\r\n";
    struct reader r;
    size_t first;

    (void)state;
    reader_init(&r, 16);
    assert_int_equal(feed(&r, str_from(two), 1000), HTTP1_REQUEST);
    first = r.used;
    assert_int_equal(first, strlen(POST "Content-Length: 2\r\n\r\nhi"));
    buf_reset(&r.body);
    r.rq = (struct http_request){0};
    http1_parser_start(&r.p, &r.arena, &r.rq, &r.body);
    assert_int_equal(feed(&r, str_from(two + first), 1000), HTTP1_REQUEST);
    assert_str_equal(r.rq.host, "b");
    assert_str_equal(r.rq.body, "");
    reader_deinit(&r);
}

struct alive_case {
    const char *text;
    bool keep_alive, expect;
};

static void test_connection_and_expect_headers(void **state)
{
    static const struct alive_case cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false, false},
        {"GET / HTTP/1.0\r\n\r\n", false, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false},
        {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", true, true},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader r;

        reader_init(&r, 16);
        assert_int_equal(feed(&r, str_from(cases[i].text), 1000), HTTP1_REQUEST);
        assert_int_equal(r.p.keep_alive, cases[i].keep_alive);
        assert_int_equal(r.p.expect_continue, cases[i].expect);
        reader_deinit(&r);
    }
}

static void test_targets(void **state)
{
    static const struct {
        const char *line, *path, *query, *host; /* path NULL: refused */
    } cases[] = {
        {"GET /", "/", "", "a"},
        {"GET /a%20b?", "/a%20b", "", "a"},
        {"GET /a?b?c", "/a", "b?c", "a"},
        {"GET http://other:80/x?y", "/x", "y", "other:80"},
        {"OPTIONS *", "*", "", "a"},
        {"GET http://other", NULL, NULL, NULL},
        {"GET foo", NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader r;
        struct str text;

        reader_init(&r, 16);
        text = str_printf(&r.arena, "%s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].line);
        if (cases[i].path) {
            assert_int_equal(feed(&r, text, 1000), HTTP1_REQUEST);
            assert_str_equal(r.rq.path, cases[i].path);
            assert_str_equal(r.rq.query, cases[i].query);
            assert_str_equal(r.rq.host, cases[i].host);
        } else {
            assert_int_equal(feed(&r, text, 1000), HTTP1_BAD);
        }
        reader_deinit(&r);
    }
}

static void test_heads_are_bounded(void **state)
{
    struct reader r;
    auto_buf text = {0};

    (void)state;
    http_parser_set_max_header_size(1024 * 1024);
    buf_puts(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 1024 * 1024; i++)
        buf_putc(&text, 'x');
    reader_init(&r, 16);
    assert_int_equal(feed(&r, buf_view(&text), 65536), HTTP1_HEAD_TOO_LARGE);
    reader_deinit(&r);
    buf_reset(&text);
    buf_puts(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 512; i++)
        buf_puts(&text, "X: y\r\n");
    reader_init(&r, 16);
    assert_int_equal(feed(&r, buf_view(&text), 65536), HTTP1_HEAD_TOO_LARGE);
    reader_deinit(&r);
}

static void test_trailers_and_extensions_are_bounded(void **state)
{
    struct reader r;
    auto_buf text = {0};

    (void)state;
    buf_puts(&text, CHUNKED "0\r\n");
    for (int i = 0; i < 20000; i++)
        buf_puts(&text, "X: y\r\n");
    reader_init(&r, 16);
    assert_int_equal(feed(&r, buf_view(&text), 65536), HTTP1_BAD);
    reader_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_is_split_into_its_parts),
        cmocka_unit_test(test_bodies_and_their_borders),
        cmocka_unit_test(test_what_follows_a_request_is_left),
        cmocka_unit_test(test_connection_and_expect_headers),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_heads_are_bounded),
        cmocka_unit_test(test_trailers_and_extensions_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
