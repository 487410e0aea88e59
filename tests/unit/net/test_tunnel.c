/* test_tunnel.c - an upgrade through a server in the middle: client, middle and far server on one
 * loop, over real sockets. */
#include "test.h"

#include "net/conn.h"
#include "net/http_client_internal.h"
#include "net/http_server_internal.h"
#include "net/tunnel.h"

enum { DEADLINE_MS = 20000, MUCH = 48 * 1024 * 1024, PIECE = 16 * 1024 };

struct rig {
    struct loop *loop;
    struct http_server *middle, *far_server;
    struct http_client *client, *to_far;
    struct timer poll;
    bool (*until)(struct rig *r);
    uint64_t deadline_ms;
    struct conn *near, *far; /* once upgraded, until closed */
    struct http_conn *far_hc;
    struct buf got_near, got_far, head;
    size_t n_near, n_far; /* received */
    size_t n_sent;        /* by whoever pumps */
    size_t n_sent_before, to_send;
    uint64_t since_ms; /* nothing was sent */
    bool far_ends;      /* after what it has to send */
    int code;           /* of the dial */
    int client_status;
    struct buf body;
    bool dialed, done, joined, near_eof;
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

static void pump(struct rig *r, struct conn *c)
{
    static const char piece[PIECE];

    while (r->n_sent < r->to_send && conn_pending(c) < CONN_PENDING_HIGH) {
        conn_write(c, piece, PIECE);
        r->n_sent += PIECE;
    }
}

/* ---- the far server: takes every upgrade, and greets behind its head ---- */

static void far_data(void *arg, const char *p, size_t n)
{
    struct rig *r = arg;

    r->n_far += n;
    if (r->n_far <= 1000)
        buf_append(&r->got_far, p, n);
}

static void far_writable(void *arg)
{
    struct rig *r = arg;

    pump(r, r->far);
    if (r->far_ends && r->n_sent >= r->to_send)
        conn_close(r->far);
}

static void far_closed(void *arg, const struct err *err)
{
    struct rig *r = arg;

    r->far = NULL;
    http_conn_gone(r->far_hc);
}

static void far_upgrade(struct rig *r, struct http_exchange *x, const char *protocol)
{
    struct conn_handler h = {
        .on_data = far_data, .on_writable = far_writable, .on_closed = far_closed, .arg = r};
    auto_buf head = {0}, early = {0};

    buf_printf(&head,
               "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
               "X-Stream-Protocol-Version: v4\r\n\r\nhello",
               protocol);
    r->far_hc = x->hc;
    r->far = x->ops->upgrade(x, buf_view(&head), &early);
    assert_non_null(r->far);
    buf_append(&r->got_far, early.p, early.len);
    r->n_far += early.len;
    conn_set_handler(r->far, &h);
    x->answered = true;
    http_exchange_done(x);
}

static void on_far_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    static char big[TUNNEL_REFUSAL_MAX + 1];
    struct rig *r = arg;

    assert_true(tunnel_requested(rq, STR("spdy/3.1")));
    buf_printf(&r->head, "%.*s %.*s %.*s", STR_ARG(rq->method), STR_ARG(rq->target),
               STR_ARG(http_header_find(rq, "x-version")));
    if (str_eqz(rq->path, "/refused"))
        http_respond(x, 404, "text/plain", STR("no such pod"), NULL, 0);
    else if (str_eqz(rq->path, "/big"))
        http_respond(x, 404, "text/plain", (struct str){big, sizeof(big)}, NULL, 0);
    else
        far_upgrade(r, x, str_eqz(rq->path, "/other") ? "other" : "SPDY/3.1");
}

/* ---- the middle ---- */

static void on_dialed(void *arg, struct tunnel *t, const struct tunnel_refusal *why)
{
    struct http_exchange *x = arg;
    struct rig *r = http_server_options(x->hc->server)->handler.arg;

    r->dialed = true;
    if (t) {
        r->joined = tunnel_join(t, x);
        return;
    }
    r->code = why->err ? why->err->code : 0;
    http_respond(x, why->status ? why->status : 500, why->type, why->body, NULL, 0);
}

static void on_middle_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct rig *r = arg;
    struct http_header version = {STR("X-Version"), STR("v4, v3")};
    struct http_client_request call = {
        .method = "POST", .target = rq->target, .headers = &version, .n_headers = 1, .arg = x};

    tunnel_dial(r->to_far, &call, STR("SPDY/3.1"), on_dialed);
    assert_false(r->dialed);
}

/* ---- the client ---- */

static void near_data(void *arg, const char *p, size_t n)
{
    struct rig *r = arg;

    r->n_near += n;
    if (r->n_near <= 1000)
        buf_append(&r->got_near, p, n);
}

static void near_writable(void *arg)
{
    struct rig *r = arg;

    pump(r, r->near);
}

static void near_eof(void *arg, bool clean)
{
    struct rig *r = arg;

    r->near_eof = true;
    conn_close(r->near);
}

static void near_closed(void *arg, const struct err *err)
{
    ((struct rig *)arg)->near = NULL;
}

static void on_upgraded(void *arg, struct conn *conn, struct str early,
                        const struct http_header *headers, size_t n)
{
    struct rig *r = arg;
    struct conn_handler h = {.on_data = near_data,
                             .on_writable = near_writable,
                             .on_eof = near_eof,
                             .on_closed = near_closed,
                             .arg = r};

    r->near = conn;
    r->done = true;
    conn_set_handler(conn, &h);
    near_data(r, early.p, early.len);
    for (size_t i = 0; i < n; i++)
        if (str_eqz(headers[i].name, "x-stream-protocol-version"))
            buf_printf(&r->body, "%.*s", STR_ARG(headers[i].value));
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    ((struct rig *)arg)->client_status = status;
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

static void open_tunnel(struct rig *r, const char *target)
{
    static const struct http_header headers[] = {
        {STR_INIT("Connection"), STR_INIT("keep-alive, upgrade")},
        {STR_INIT("Upgrade"), STR_INIT("spdy/3.1")}};
    struct http_client_request rq = {.method = "POST",
                                     .target = str_from(target),
                                     .headers = headers,
                                     .n_headers = 2,
                                     .on_head = on_head,
                                     .on_data = on_body,
                                     .on_done = on_done,
                                     .arg = r};

    (void)http_client_upgrade(r->client, &rq, on_upgraded);
    wait_until(r, is_done);
}

/* ---- all of it ---- */

static void start(struct rig *r)
{
    struct http_server_opts far_server = {.address = "127.0.0.1", .handler = {on_far_request, r}};
    struct http_server_opts middle = {.address = "127.0.0.1", .handler = {on_middle_request, r}};
    struct http_client_opts client = {.host = "127.0.0.1"};
    struct err err = {0};

    *r = (struct rig){.loop = loop_new("test")};
    timer_init(&r->poll, r->loop, on_poll);
    assert_ok(http_server_new(r->loop, &far_server, &r->far_server, &err), &err);
    assert_ok(http_server_new(r->loop, &middle, &r->middle, &err), &err);
    client.port = http_server_port(r->far_server);
    r->to_far = http_client_new(r->loop, &client);
    client.port = http_server_port(r->middle);
    r->client = http_client_new(r->loop, &client);
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

static void stop(struct rig *r)
{
    if (r->near)
        conn_abort(r->near);
    wait_until(r, both_ended);
    r->client = http_client_free(r->client);
    r->to_far = http_client_free(r->to_far);
    http_server_close(r->middle, 5000, on_server_closed, r);
    http_server_close(r->far_server, 5000, on_server_closed, r);
    wait_until(r, servers_closed); /* nothing of a tunnel is left behind in either */
    loop_run(r->loop);
    r->loop = loop_free(r->loop);
    buf_deinit(&r->got_near);
    buf_deinit(&r->got_far);
    buf_deinit(&r->head);
    buf_deinit(&r->body);
}

static bool greeted(struct rig *r)
{
    return r->got_near.len == 5;
}

static bool far_has_3(struct rig *r)
{
    return r->got_far.len == 3;
}

static void test_bytes_go_both_ways(void **state)
{
    struct rig r;

    start(&r);
    open_tunnel(&r, "/exec/t?x=1");
    assert_non_null(r.near);
    assert_true(r.joined);
    assert_str_equal(buf_view(&r.head), "POST /exec/t?x=1 v4, v3");
    assert_str_equal(buf_view(&r.body), "v4"); /* the version that the far server chose */
    wait_until(&r, greeted);                   /* what came right behind the far head */
    assert_str_equal(buf_view(&r.got_near), "hello");
    conn_write(r.near, "abc", 3);
    wait_until(&r, far_has_3);
    assert_str_equal(buf_view(&r.got_far), "abc");
    stop(&r);
}

static bool far_ended(struct rig *r)
{
    return !r->far;
}

static bool near_ended(struct rig *r)
{
    return !r->near;
}

static void test_the_client_ends(void **state)
{
    struct rig r;

    start(&r);
    open_tunnel(&r, "/exec");
    conn_write(r.near, "abc", 3);
    conn_close(r.near);
    wait_until(&r, far_ended);
    assert_str_equal(buf_view(&r.got_far), "abc");
    stop(&r);
}

static bool stalled(struct rig *r)
{
    if (r->n_sent != r->n_sent_before) {
        r->n_sent_before = r->n_sent;
        r->since_ms = loop_now_ms(r->loop);
    }
    return r->n_sent > 0 && loop_now_ms(r->loop) - r->since_ms > 200;
}

/* A reader that pauses stops the sender behind the middle; all of it comes, also what the far end
 * left behind when it ended. */
static void test_a_paused_reader_gets_all_of_it(void **state)
{
    struct rig r;

    start(&r);
    open_tunnel(&r, "/exec");
    wait_until(&r, greeted);
    conn_pause(r.near, true);
    r.to_send = MUCH;
    r.far_ends = true;
    conn_wake(r.far);
    wait_until(&r, stalled);
    assert_in_range(r.n_sent, PIECE, MUCH / 2);
    conn_pause(r.near, false);
    wait_until(&r, near_ended);
    assert_true(r.near_eof);
    assert_int_equal(r.n_near, 5 + MUCH);
    stop(&r);
}

static bool far_has_all(struct rig *r)
{
    return r->n_far == MUCH;
}

static void test_a_paused_server_gets_all_of_it(void **state)
{
    struct rig r;

    start(&r);
    open_tunnel(&r, "/exec");
    wait_until(&r, greeted);
    conn_pause(r.far, true);
    r.to_send = MUCH;
    conn_wake(r.near);
    wait_until(&r, stalled);
    assert_in_range(r.n_sent, PIECE, MUCH / 2);
    conn_pause(r.far, false);
    wait_until(&r, far_has_all);
    stop(&r);
}

static void test_refusals(void **state)
{
    struct rig r;

    start(&r);
    open_tunnel(&r, "/refused");
    assert_null(r.near);
    assert_int_equal(r.client_status, 404);
    assert_str_equal(buf_view(&r.body), "no such pod");
    assert_int_equal(r.code, 0);
    r.done = r.dialed = false;
    open_tunnel(&r, "/other");
    assert_int_equal(r.client_status, 500);
    assert_int_equal(r.code, ERR_PARSE);
    r.done = r.dialed = false;
    open_tunnel(&r, "/big");
    assert_int_equal(r.client_status, 500);
    assert_int_equal(r.code, ERR_TOO_LARGE);
    stop(&r);
}

static void on_closed_tunnel(void *arg, struct tunnel *t, const struct tunnel_refusal *why)
{
    struct rig *r = arg;

    r->dialed = true;
    assert_non_null(t);
    assert_null(why);
    tunnel_close(t);
}

static void on_canceled(void *arg, struct tunnel *t, const struct tunnel_refusal *why)
{
    struct rig *r = arg;

    r->dialed = true;
    assert_null(t);
    assert_int_equal(why->err->code, ERR_CANCELED);
}

static bool dialed_and_ended(struct rig *r)
{
    return r->dialed && r->head.len > 0 && !r->far;
}

static void test_nobody_to_join(void **state)
{
    struct rig r;
    struct http_client_request call = {.method = "GET", .target = STR("/exec")};

    start(&r);
    call.arg = &r;
    tunnel_dial(r.to_far, &call, STR("SPDY/3.1"), on_closed_tunnel);
    wait_until(&r, dialed_and_ended); /* the far end is told */
    r.dialed = false;
    tunnel_dial(r.to_far, &call, STR("SPDY/3.1"), on_canceled);
    assert_false(r.dialed);
    r.to_far = http_client_free(r.to_far);
    assert_true(r.dialed);
    stop(&r);
}

static void request_is(const char *connection, const char *upgrade, int version, bool expected)
{
    struct http_header h[] = {{STR("connection"), str_from(connection)},
                              {STR("upgrade"), str_from(upgrade)}};
    struct http_request rq = {.headers = h, .n_headers = 2, .version = version};

    assert_int_equal(tunnel_requested(&rq, STR("SPDY/3.1")), expected);
}

static void test_what_asks_for_a_tunnel(void **state)
{
    request_is("Upgrade", "SPDY/3.1", 11, true);
    request_is("close, upgrade", "spdy/3.1", 11, true);
    request_is("Upgrade", "SPDY/3.1", 2, false);
    request_is("Upgrade", "SPDY/3", 11, false);
    request_is("keep-alive", "SPDY/3.1", 11, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_go_both_ways),
        cmocka_unit_test(test_the_client_ends),
        cmocka_unit_test(test_a_paused_reader_gets_all_of_it),
        cmocka_unit_test(test_a_paused_server_gets_all_of_it),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nobody_to_join),
        cmocka_unit_test(test_what_asks_for_a_tunnel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
