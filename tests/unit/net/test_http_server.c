/* test_http_server.c - the server over HTTP/1.1, plain and by TLS, with real sockets. */
#include "fixture.h"
#include "net/http_server_internal.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct fixture fixture_of(struct tls_context *tls)
{
    return (struct fixture){.opts = {.tls = tls, .body_max = 100000}};
}

static int ask(struct client *c, const char *request, struct arena *a, struct str *ret_head,
               struct str *ret_body)
{
    client_puts(c, request);
    return client_response(c, strncmp(request, "HEAD", 4) == 0, a, ret_head, ret_body);
}

static void test_keeps_the_connection(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body), 200);
        assert_str_equal(body, "hello");
        assert_str_equal(head_value(head, "content-type"), "text/plain");
        assert_int_equal(head_value(head, "date").len, HTTP_DATE_BYTES - 1);
        assert_null(head_value(head, "connection").p);
    }
    assert_int_equal(ask(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body), 200);
    assert_str_equal(head_value(head, "content-length"), "5");
    assert_int_equal(ask(&c, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body), 204);
    assert_null(head_value(head, "content-length").p);
    assert_int_equal(ask(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &a,
                         &head, &body), 200);
    assert_str_equal(head_value(head, "connection"), "close");
    assert_true(client_sees_end(&c));
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_request_reaches_the_handler(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    assert_int_equal(ask(&c, "DELETE /no HTTP/1.1\r\nHost: h:1\r\n\r\n", &a, &head, &body), 404);
    assert_int_equal(ask(&c, "GET /query?x=%20 HTTP/1.1\r\nHost: h:1\r\n\r\n", &a, &head, &body),
                     200);
    assert_str_equal(body, "GET\n/query\nx=%20\nh:1\n");
    assert_int_equal(ask(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: x/y\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                         &a, &head, &body), 200);
    assert_str_equal(body, "abcde");
    assert_str_equal(head_value(head, "x-method"), "POST");
    assert_str_equal(head_value(head, "x-type"), "x/y");
    assert_null(head_value(head, "x-bad").p);
    assert_null(head_value(head, "set-cookie").p);
    assert_str_equal(head_value(head, "content-length"), "5");
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void check_letters(struct str s, size_t n)
{
    assert_int_equal(s.len, n);
    for (size_t i = 0; i < n; i++)
        if (s.p[i] < 'a' || s.p[i] > 'z')
            fail_msg("byte %zu is %d", i, s.p[i]);
}

static void test_sources_are_pulled(void **state)
{
    static const size_t sizes[] = {0, 1, 16375, 16384, 100000, 3000000};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        auto_arena a = {0};
        char *rq = arena_printf(&a, "GET /stream/%zu HTTP/1.1\r\nHost: a\r\n\r\n", sizes[i]);

        assert_int_equal(ask(&c, rq, &a, &head, &body), 200);
        assert_str_equal(head_value(head, "transfer-encoding"), "chunked");
        check_letters(body, sizes[i]);
        rq = arena_printf(&a, "GET /sized/%zu HTTP/1.1\r\nHost: a\r\n\r\n", sizes[i]);
        assert_int_equal(ask(&c, rq, &a, &head, &body), 200);
        check_letters(body, sizes[i]);
    }
    wait_for(&f.n_closed_sources, 2 * (int)ARRAY_LEN(sizes));
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_http10_gets_the_end_of_the_connection(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    assert_int_equal(ask(&c, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &a, &head,
                         &body), 200);
    assert_str_equal(head_value(head, "connection"), "keep-alive");
    assert_int_equal(ask(&c, "GET /stream/1000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &a,
                         &head, &body), 200);
    assert_str_equal(head_value(head, "connection"), "close");
    assert_null(head_value(head, "transfer-encoding").p);
    check_letters(body, 1000);
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_waiting_source_goes_on(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    assert_int_equal(ask(&c, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body), 200);
    assert_str_equal(body, "ab");
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_puts(&c, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
                    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
                    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nt");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 200);
    assert_str_equal(body, "ab");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 200);
    assert_str_equal(body, "one");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 200);
    assert_str_equal(body, "hello");
    client_puts(&c, "wo");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 200);
    assert_str_equal(body, "two");
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_many_pipelined_requests_are_not_lost(void **state)
{
    auto_arena a = {0};
    auto_buf all = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str body;

    (void)state;
    for (int i = 0; i < 5000; i++) /* more than is read ahead */
        buf_printf(&all, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n%06d", i);
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_send(&c, all.p, all.len);
    for (int i = 0; i < 5000; i++) {
        char want[16];

        (void)snprintf(want, sizeof(want), "%06d", i);
        assert_int_equal(client_response(&c, false, &a, NULL, &body), 200);
        assert_str_equal(body, want);
    }
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_expect_continue_is_answered(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_puts(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                    "Content-Length: 2\r\n\r\n");
    while (c.in.len < 25)
        assert_true(client_read(&c));
    assert_str_equal(buf_view(&c.in), "HTTP/1.1 100 Continue\r\n\r\n");
    buf_reset(&c.in);
    client_puts(&c, "hi");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 200);
    assert_str_equal(body, "hi");
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_too_large_gets_a_status(void **state)
{
    auto_arena a = {0};
    struct fixture f = {.opts = {.body_max = 0}};
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    assert_int_equal(ask(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n\r\n",
                         &a, &head, &body), 413);
    assert_str_equal(body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                           "\"Failure\",\"message\":\"Request entity too large: limit is 3145728\","
                           "\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n");
    assert_str_equal(head_value(head, "connection"), "close");
    assert_true(client_sees_end(&c));
    client_close(&c);
    assert_int_equal(atomic_load(&f.n_requests), 0);
    fixture_stop(&f, 1000);
}

static void test_malformed_requests_end_the_connection(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nnonsense", 400},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct fixture f = fixture_of(NULL);
        struct client c;
        struct str head, body;

        fixture_start(&f);
        client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
        client_puts(&c, cases[i].text);
        assert_int_equal(client_response(&c, false, &a, &head, &body), cases[i].status);
        assert_str_equal(head_value(head, "content-type"), "text/plain; charset=utf-8");
        assert_true(client_sees_end(&c));
        client_close(&c);
        assert_int_equal(atomic_load(&f.n_requests), 0);
        fixture_stop(&f, 1000);
    }
}

static void test_cut_answers_do_not_look_whole(void **state)
{
    static const char *const paths[] = {"/short", "/error"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        auto_arena a = {0};
        struct fixture f = fixture_of(NULL);
        struct client c;

        fixture_start(&f);
        client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
        client_puts(&c, arena_printf(&a, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]));
        while (client_read(&c))
            ;
        assert_int_equal(str_find(buf_view(&c.in), STR("0\r\n\r\n")), -1);
        wait_for(&f.n_closed_sources, 1);
        client_close(&c);
        fixture_stop(&f, 1000);
    }
}

static void test_handler_hears_of_a_peer_that_left(void **state)
{
    struct fixture f = fixture_of(NULL);
    struct client c;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_puts(&c, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&f.n_requests, 1);
    client_close(&c);
    wait_for(&f.n_aborted, 1);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_puts(&c, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    while (str_find(buf_view(&c.in), STR("1\r\na\r\n")) < 0 &&
           str_find(buf_view(&c.in), STR("0001\r\na\r\n")) < 0)
        assert_true(client_read(&c));
    client_close(&c);
    wait_for(&f.n_closed_sources, 1);
    fixture_stop(&f, 1000);
}

static void test_timeouts(void **state)
{
    auto_arena a = {0};
    struct fixture f = {.opts = {.idle_timeout_ms = 60, .head_timeout_ms = 60}};
    struct client c;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL); /* nothing at all */
    assert_true(client_sees_end(&c));
    client_close(&c);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL); /* half a head */
    client_puts(&c, "GET /hello HTTP/1.1\r\n");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 408);
    client_close(&c);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL); /* half a body */
    client_puts(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    assert_int_equal(client_response(&c, false, &a, &head, &body), 408);
    client_close(&c);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL); /* idle between requests */
    assert_int_equal(ask(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body), 200);
    assert_true(client_sees_end(&c));
    client_close(&c);
    fixture_stop(&f, 1000);
}

static void test_connections_are_bounded(void **state)
{
    auto_arena a = {0};
    struct fixture f = {.opts = {.connections_max = 2}};
    struct client c[3];
    struct str head, body;

    (void)state;
    fixture_start(&f);
    for (int i = 0; i < 2; i++) {
        client_open(&c[i], &f, NULL, NULL, STR_NULL, STR_NULL);
        assert_int_equal(ask(&c[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body),
                         200);
    }
    client_open(&c[2], &f, NULL, NULL, STR_NULL, STR_NULL);
    assert_true(client_sees_end(&c[2]));
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    fixture_stop(&f, 1000);
}

static void test_drain_lets_answers_end_and_cuts_the_rest(void **state)
{
    auto_arena a = {0};
    struct fixture f = fixture_of(NULL);
    struct client idle, slow, hung;
    struct str head, body;

    (void)state;
    fixture_start(&f);
    client_open(&idle, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_open(&slow, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_open(&hung, &f, NULL, NULL, STR_NULL, STR_NULL);
    assert_int_equal(ask(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body), 200);
    client_puts(&slow, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    client_puts(&hung, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&f.n_requests, 3);
    fixture_stop(&f, 300);
    assert_true(client_sees_end(&idle));
    assert_int_equal(client_response(&slow, false, &a, &head, &body), 200);
    assert_str_equal(body, "ab");
    assert_true(client_sees_end(&hung));
    assert_int_equal(atomic_load(&f.n_aborted), 1);
    client_close(&idle);
    client_close(&slow);
    client_close(&hung);
}

static void test_address_in_use_is_told(void **state)
{
    struct fixture f = fixture_of(NULL);
    struct loop *l = loop_new("other");
    struct http_server_opts opts;
    struct http_server *s;
    auto_arena a = {0};
    struct err err = {0};

    (void)state;
    fixture_start(&f);
    opts = f.opts;
    opts.port = f.port;
    assert_int_equal(http_server_new(l, &opts, &s, &err), ERR_IO);
    assert_string_equal(err.msg, arena_printf(&a, "listen on 127.0.0.1:%u: address already in use",
                                              f.port));
    opts.address = "nowhere";
    assert_int_equal(http_server_new(l, &opts, &s, &err), ERR_IO);
    (void)loop_free(l);
    fixture_stop(&f, 1000);
}

/* A killed server leaves its socket behind. */
static void test_a_socket_where_nobody_listens_is_replaced(void **state)
{
    char dir[] = "/tmp/skiff-http-XXXXXX", path[64];
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct fixture f = fixture_of(NULL);
    struct loop *l = loop_new("unix");
    struct http_server_opts opts = {.unix_socket = true, .address = path};
    struct http_server *s, *other;
    struct err err = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    FILE *file;

    (void)state;
    fixture_start(&f);
    opts.handler = f.opts.handler;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/s", dir);
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(close(fd), 0);
    assert_ok(http_server_new(l, &opts, &s, &err), &err);
    assert_int_equal(http_server_new(l, &opts, &other, &err), ERR_IO); /* one listens there */
    assert_non_null(strstr(err.msg, "address already in use"));
    http_server_close(s, 0, NULL, NULL);
    loop_run(l);
    file = fopen(path, "w"); /* what is no socket stays */
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(http_server_new(l, &opts, &s, &err), ERR_IO);
    (void)loop_free(l);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    fixture_stop(&f, 1000);
}

/* ---- TLS ---- */

static void ask_peer(const struct fixture *f, const struct pki *p, struct str cert, struct str key,
                     struct arena *a, struct str *ret_body)
{
    struct client c;
    struct str head;

    client_open(&c, f, p, NULL, cert, key);
    assert_int_equal(ask(&c, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n", a, &head, ret_body), 200);
    client_close(&c);
}

static void test_tls_tells_who_the_peer_is(void **state)
{
    auto_arena a = {0};
    struct tls_context *tls;
    struct fixture f;
    struct pki p;
    struct str body;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, p.ca, &tls, &err), &err);
    f = fixture_of(tls);
    fixture_start(&f);
    ask_peer(&f, &p, STR_NULL, STR_NULL, &a, &body);
    assert_str_equal(body, "cert=0 bad=0 cn= sha256=");
    ask_peer(&f, &p, p.client_cert, p.client_key, &a, &body);
    assert_true(str_has_prefix(body, STR("cert=1 bad=0 cn=alice o=devs o=ops sha256=")));
    assert_int_equal(body.len, strlen("cert=1 bad=0 cn=alice o=devs o=ops sha256=") + 64);
    ask_peer(&f, &p, p.stranger_cert, p.stranger_key, &a, &body);
    assert_str_equal(body, "cert=0 bad=1 cn= sha256=");
    ask_peer(&f, &p, p.cert, p.key, &a, &body); /* a server's certificate is no client's */
    assert_str_equal(body, "cert=0 bad=1 cn= sha256=");
    fixture_stop(&f, 1000);
    tls = tls_context_free(tls);
    pki_deinit(&p);
}

static void see_serial(const struct client *c, uint8_t ret_serial[20])
{
    X509 *x = SSL_get1_peer_certificate(c->ssl);
    const ASN1_INTEGER *n = X509_get0_serialNumber(x);

    memset(ret_serial, 0, 20);
    memcpy(ret_serial, ASN1_STRING_get0_data(n), (size_t)ASN1_STRING_length(n));
    X509_free(x);
}

static void test_certificate_is_renewed_while_running(void **state)
{
    auto_arena a = {0};
    uint8_t first[20], second[20];
    struct tls_context *tls;
    struct fixture f;
    struct client old, new;
    struct pki p, q;
    struct str head, body;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    pki_make(&q);
    assert_ok(tls_server_context(p.cert, p.key, p.ca, &tls, &err), &err);
    f = fixture_of(tls);
    fixture_start(&f);
    client_open(&old, &f, &p, NULL, p.client_cert, p.client_key);
    assert_ok(tls_context_reload(tls, q.cert, q.key, &err), &err); /* from another thread */
    client_open(&new, &f, &q, NULL, p.client_cert, p.client_key);
    see_serial(&old, first);
    see_serial(&new, second);
    assert_memory_not_equal(first, second, sizeof(first));
    for (int i = 0; i < 2; i++) { /* the old connection goes on, the client's CA is the same */
        assert_int_equal(ask(i ? &new : &old, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head,
                             &body), 200);
        assert_true(str_has_prefix(body, STR("cert=1 bad=0 cn=alice ")));
    }
    client_close(&old);
    client_close(&new);
    fixture_stop(&f, 1000);
    tls = tls_context_free(tls);
    pki_deinit(&p);
    pki_deinit(&q);
}

static void test_tls_carries_large_bodies_both_ways(void **state)
{
    auto_arena a = {0};
    auto_buf rq = {0};
    struct tls_context *tls;
    struct fixture f;
    struct client c;
    struct pki p;
    struct str head, body;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, STR_NULL, &tls, &err), &err);
    f = fixture_of(tls);
    fixture_start(&f);
    client_open(&c, &f, &p, "\x08http/1.1", STR_NULL, STR_NULL);
    assert_int_equal(ask(&c, "GET /stream/2000000 HTTP/1.1\r\nHost: a\r\n\r\n", &a, &head, &body),
                     200);
    check_letters(body, 2000000);
    buf_puts(&rq, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 100000; i++)
        buf_putc(&rq, (char)('a' + i % 26));
    client_send(&c, rq.p, rq.len);
    assert_int_equal(client_response(&c, false, &a, &head, &body), 200);
    assert_int_equal(body.len, 100000);
    assert_memory_equal(body.p, rq.p + rq.len - 100000, 100000);
    client_close(&c);
    fixture_stop(&f, 1000);
    tls = tls_context_free(tls);
    pki_deinit(&p);
}

static void test_plain_bytes_to_a_tls_port_do_no_harm(void **state)
{
    auto_arena a = {0};
    struct tls_context *tls;
    struct fixture f;
    struct client c;
    struct pki p;
    struct str body;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, p.ca, &tls, &err), &err);
    f = fixture_of(tls);
    f.opts.head_timeout_ms = 100;
    fixture_start(&f);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL);
    client_puts(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (client_read(&c))
        ;
    client_close(&c);
    client_open(&c, &f, NULL, NULL, STR_NULL, STR_NULL); /* no handshake at all */
    assert_true(client_sees_end(&c));
    client_close(&c);
    ask_peer(&f, &p, STR_NULL, STR_NULL, &a, &body);
    assert_int_equal(atomic_load(&f.n_requests), 1);
    fixture_stop(&f, 1000);
    tls = tls_context_free(tls);
    pki_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_the_connection),
        cmocka_unit_test(test_request_reaches_the_handler),
        cmocka_unit_test(test_sources_are_pulled),
        cmocka_unit_test(test_http10_gets_the_end_of_the_connection),
        cmocka_unit_test(test_waiting_source_goes_on),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_many_pipelined_requests_are_not_lost),
        cmocka_unit_test(test_expect_continue_is_answered),
        cmocka_unit_test(test_too_large_gets_a_status),
        cmocka_unit_test(test_malformed_requests_end_the_connection),
        cmocka_unit_test(test_cut_answers_do_not_look_whole),
        cmocka_unit_test(test_handler_hears_of_a_peer_that_left),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_connections_are_bounded),
        cmocka_unit_test(test_drain_lets_answers_end_and_cuts_the_rest),
        cmocka_unit_test(test_address_in_use_is_told),
        cmocka_unit_test(test_a_socket_where_nobody_listens_is_replaced),
        cmocka_unit_test(test_tls_tells_who_the_peer_is),
        cmocka_unit_test(test_certificate_is_renewed_while_running),
        cmocka_unit_test(test_tls_carries_large_bodies_both_ways),
        cmocka_unit_test(test_plain_bytes_to_a_tls_port_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
