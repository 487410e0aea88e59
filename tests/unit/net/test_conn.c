/* test_conn.c - connections on both sides of one loop: TCP, Unix sockets, TLS, their ends. */
#include "net/conn.h"
#include "fixture.h"
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

struct side {
    struct world *w;
    struct conn *c;
    struct buf got;
    int n_open, n_eof, n_closed, n_timeout;
    bool clean;
    struct err err; /* of the end */
    bool echo, paused, close_at_eof;
};
struct world {
    struct loop *loop;
    struct conn_env *env;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    struct timer limit;
    struct tls_context *server_tls;
    struct side client, server;
    struct side *stop_at; /* whose end stops the loop */
    size_t want;          /* bytes at the client: then it closes */
    uint16_t port;
    bool timed_out;
};

static void on_open(void *arg)
{
    ((struct side *)arg)->n_open++;
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct side *s = arg;

    assert_int_equal(s->n_open, 1);
    buf_append(&s->got, p, n);
    if (s->echo)
        conn_write(s->c, p, n);
    if (s == &s->w->client && s->w->want && s->got.len >= s->w->want)
        conn_close(s->c);
}

static void on_eof(void *arg, bool clean)
{
    struct side *s = arg;

    s->n_eof++;
    s->clean = clean;
    conn_close(s->c);
}

static void on_timeout(void *arg)
{
    struct side *s = arg;

    s->n_timeout++;
    conn_abort(s->c);
}

static void on_closed(void *arg, const struct err *err)
{
    struct side *s = arg;

    s->n_closed++;
    s->c = NULL;
    if (err)
        s->err = *err;
    if (s->w->stop_at == s)
        loop_stop(s->w->loop);
}

static struct conn_handler handler_of(struct side *s)
{
    return (struct conn_handler){.on_open = on_open,
                                 .on_data = on_data,
                                 .on_eof = on_eof,
                                 .on_timeout = on_timeout,
                                 .on_closed = on_closed,
                                 .arg = s};
}

static void on_connection(uv_stream_t *l, int status)
{
    struct world *w = l->data;
    struct conn_accept_opts opts = {.tls = w->server_tls};
    struct conn_handler h = handler_of(&w->server);
    struct err err = {0};

    assert_int_equal(status, 0);
    assert_ok(conn_accept(w->env, l, &opts, &h, &w->server.c, &err), &err);
}

static void on_limit(struct timer *t)
{
    struct world *w = container_of(t, struct world, limit);

    w->timed_out = true;
    loop_stop(w->loop);
}

static void world_init(struct world *w, struct tls_context *server_tls)
{
    struct sockaddr_in at;
    int len = sizeof(at);

    (void)signal(SIGPIPE, SIG_IGN);
    *w = (struct world){.loop = loop_new("test"), .server_tls = server_tls};
    w->env = conn_env_new(w->loop);
    w->client.w = w->server.w = w;
    w->stop_at = &w->client;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(uv_tcp_init(loop_uv(w->loop), &w->tcp), 0);
    assert_int_equal(uv_tcp_bind(&w->tcp, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_tcp_getsockname(&w->tcp, (struct sockaddr *)&at, &len), 0);
    w->port = ntohs(at.sin_port);
    w->tcp.data = w;
    assert_int_equal(uv_listen((uv_stream_t *)&w->tcp, 10, on_connection), 0);
    timer_init(&w->limit, w->loop, on_limit);
    timer_start(&w->limit, 5000, 0);
}

static void dial(struct world *w, struct conn_connect_opts opts)
{
    struct conn_handler h = handler_of(&w->client);

    opts.host = opts.host ? opts.host : "127.0.0.1";
    opts.port = opts.port ? opts.port : w->port;
    w->client.c = conn_connect(w->env, &opts, &h);
    assert_int_equal(w->client.n_open + w->client.n_closed, 0); /* never from inside */
}

static void world_run(struct world *w)
{
    loop_run(w->loop);
    assert_false(w->timed_out);
}

static void world_deinit(struct world *w)
{
    if (w->client.c)
        conn_abort(w->client.c);
    if (w->server.c)
        conn_abort(w->server.c);
    uv_close((uv_handle_t *)&w->tcp, NULL);
    timer_stop(&w->limit);
    w->env = conn_env_unref(w->env);
    w->loop = loop_free(w->loop);
    assert_true(w->client.n_closed <= 1);
    assert_true(w->server.n_closed <= 1);
    buf_deinit(&w->client.got);
    buf_deinit(&w->server.got);
}

static void test_plain_echo(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){0});
    w.server.echo = true;
    w.want = 5;
    conn_write(w.client.c, "hello", 5); /* before it is open */
    w.stop_at = &w.server;
    world_run(&w);
    assert_str_equal(buf_view(&w.client.got), "hello");
    assert_int_equal(w.server.n_eof, 1);
    assert_true(w.server.clean);
    assert_int_equal(w.server.err.code, 0);
    world_deinit(&w);
}

static void test_names_are_resolved(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){.host = "localhost"}); /* may try ::1 first */
    w.server.echo = true;
    w.want = 1;
    conn_write(w.client.c, "x", 1);
    world_run(&w);
    assert_int_equal(w.client.err.code, 0);
    assert_str_equal(buf_view(&w.client.got), "x");
    world_deinit(&w);
}

static void test_failures_to_connect_are_told(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){.port = 1});
    world_run(&w);
    assert_int_equal(w.client.err.code, ERR_IO);
    assert_string_equal(w.client.err.msg, "connect to 127.0.0.1: connection refused");
    assert_int_equal(w.client.n_open, 0);
    world_deinit(&w);
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){.host = "no such name", .port = 1});
    world_run(&w);
    assert_int_equal(w.client.err.code, ERR_IO);
    world_deinit(&w);
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){.host = "/no/such/socket", .unix_socket = true});
    world_run(&w);
    assert_string_equal(w.client.err.msg, "connect to /no/such/socket: no such file or directory");
    world_deinit(&w);
}

static void test_long_socket_paths_are_refused(void **state)
{
    struct world w;
    char path[200];

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){.host = path, .unix_socket = true});
    world_run(&w);
    assert_int_equal(w.client.err.code, ERR_IO);
    world_deinit(&w);
}

static void test_abort_while_connecting(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct world w;

        world_init(&w, NULL);
        dial(&w, (struct conn_connect_opts){.host = hosts[i]});
        conn_abort(w.client.c);
        conn_abort(w.client.c);
        assert_int_equal(w.client.n_closed, 0);
        world_run(&w);
        assert_int_equal(w.client.n_closed, 1);
        assert_int_equal(w.client.err.code, 0);
        world_deinit(&w);
    }
}

static void test_unix_sockets(void **state)
{
    struct world w;
    auto_arena a = {0};
    char dir[] = "/tmp/test_conn.XXXXXX";
    char *path;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = arena_printf(&a, "%s/s", dir);
    world_init(&w, NULL);
    assert_int_equal(uv_pipe_init(loop_uv(w.loop), &w.pipe, 0), 0);
    assert_int_equal(uv_pipe_bind(&w.pipe, path), 0);
    w.pipe.data = &w;
    assert_int_equal(uv_listen((uv_stream_t *)&w.pipe, 10, on_connection), 0);
    dial(&w, (struct conn_connect_opts){.host = path, .unix_socket = true});
    w.server.echo = true;
    w.want = 3;
    conn_write(w.client.c, "abc", 3);
    world_run(&w);
    assert_str_equal(buf_view(&w.client.got), "abc");
    uv_close((uv_handle_t *)&w.pipe, NULL);
    world_deinit(&w);
    assert_int_equal(rmdir(dir), 0);
}

struct tls_case {
    const char *server_name;
    bool trusted, insecure;
    int code;
};

static void test_tls_checks_the_servers_name(void **state)
{
    static const struct tls_case cases[] = {
        {NULL, true, false, 0}, /* 127.0.0.1, by its address */
        {"localhost", true, false, 0},
        {"example.org", true, false, ERR_UNAUTHORIZED},
        {"10.0.0.1", true, false, ERR_UNAUTHORIZED},
        {"server", true, false, ERR_UNAUTHORIZED}, /* the common name does not count */
        {"localhost", false, false, ERR_UNAUTHORIZED},
        {"example.org", false, true, 0},
    };
    struct tls_context *server, *client;
    struct pki p;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, p.ca, &server, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct tls_case *t = &cases[i];
        struct world w;

        assert_ok(tls_client_context(t->trusted ? p.ca : p.stranger_cert, p.client_cert,
                                     p.client_key, t->insecure, &client, &err), &err);
        world_init(&w, server);
        dial(&w, (struct conn_connect_opts){
                     .tls = client, .server_name = t->server_name, .alpn = "h2"});
        w.server.echo = true;
        w.want = 100000;
        for (int k = 0; k < 100000; k++)
            conn_write(w.client.c, "x", 1);
        world_run(&w);
        if (w.client.err.code != t->code)
            fail_msg("case %zu: %d %s", i, w.client.err.code, w.client.err.msg);
        assert_int_equal(w.client.got.len, t->code ? 0 : 100000);
        assert_int_equal(w.client.n_open, t->code ? 0 : 1);
        world_deinit(&w);
        client = tls_context_free(client);
    }
    server = tls_context_free(server);
    pki_deinit(&p);
}

static void on_open_check(void *arg)
{
    struct side *s = arg;

    on_open(arg);
    assert_str_equal(conn_alpn(s->c), "h2");
    assert_true(conn_peer(s->c)->has_cert);
    conn_close(s->c);
}

static void test_alpn_and_peer_are_known_at_open(void **state)
{
    struct tls_context *server, *client;
    struct conn_connect_opts opts;
    struct conn_handler h;
    struct world w;
    struct pki p;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, STR_NULL, &server, &err), &err);
    assert_ok(tls_client_context(p.ca, STR_NULL, STR_NULL, false, &client, &err), &err);
    world_init(&w, server);
    opts = (struct conn_connect_opts){
        .host = "127.0.0.1", .port = w.port, .tls = client, .alpn = "h2"};
    h = handler_of(&w.client);
    h.on_open = on_open_check;
    w.client.c = conn_connect(w.env, &opts, &h);
    w.stop_at = &w.server;
    world_run(&w);
    assert_int_equal(w.client.n_open, 1);
    assert_int_equal(w.server.n_eof, 1);
    assert_true(w.server.clean);
    world_deinit(&w);
    client = tls_context_free(client);
    server = tls_context_free(server);
    pki_deinit(&p);
}

static void on_open_deadline(void *arg)
{
    struct side *s = arg;

    on_open(arg);
    conn_deadline(s->c, 5000);
    conn_deadline(s->c, 30); /* an earlier one counts */
}

static void test_deadlines(void **state)
{
    struct conn_connect_opts opts;
    struct conn_handler h;
    struct world w;
    uint64_t start;

    (void)state;
    world_init(&w, NULL);
    opts = (struct conn_connect_opts){.host = "127.0.0.1", .port = w.port};
    h = handler_of(&w.client);
    h.on_open = on_open_deadline;
    start = loop_now_ms(w.loop);
    w.client.c = conn_connect(w.env, &opts, &h);
    world_run(&w);
    assert_int_equal(w.client.n_timeout, 1);
    assert_in_range(loop_now_ms(w.loop) - start, 30, 2000);
    world_deinit(&w);
}

static void test_silent_server_is_given_up(void **state)
{
    struct tls_context *client;
    struct world w;
    struct err err = {0};

    (void)state;
    assert_ok(tls_client_context(STR_NULL, STR_NULL, STR_NULL, true, &client, &err), &err);
    world_init(&w, NULL); /* which takes the hello for data and says nothing */
    dial(&w, (struct conn_connect_opts){.tls = client, .open_timeout_ms = 50});
    world_run(&w);
    assert_int_equal(w.client.err.code, ERR_TIMEOUT);
    assert_string_equal(w.client.err.msg, "timeout while in the TLS handshake");
    world_deinit(&w);
    client = tls_context_free(client);
}

static void resume(struct timer *t)
{
    struct world *w = container_of(t, struct world, limit);

    assert_true(w->client.got.len < 65536 + 1); /* no more came than was under way */
    conn_pause(w->client.c, false);
    timer_init(&w->limit, w->loop, on_limit);
    timer_start(&w->limit, 5000, 0);
}

static void on_data_pause(void *arg, const char *p, size_t n)
{
    struct side *s = arg;

    if (!s->paused) {
        s->paused = true;
        conn_pause(s->c, true);
        timer_init(&s->w->limit, s->w->loop, resume);
        timer_start(&s->w->limit, 30, 0);
    }
    on_data(arg, p, n);
}

static void pause_case(struct tls_context *server, struct tls_context *client)
{
    static char data[1000000];
    struct conn_connect_opts opts;
    struct conn_handler h;
    struct world w;

    memset(data, 'd', sizeof(data));
    world_init(&w, server);
    opts = (struct conn_connect_opts){.host = "127.0.0.1", .port = w.port, .tls = client};
    h = handler_of(&w.client);
    h.on_data = on_data_pause;
    w.client.c = conn_connect(w.env, &opts, &h);
    w.server.echo = true;
    w.want = sizeof(data);
    conn_write(w.client.c, data, sizeof(data));
    world_run(&w);
    assert_true(w.client.paused);
    assert_int_equal(w.client.got.len, sizeof(data));
    assert_memory_equal(w.client.got.p, data, sizeof(data));
    world_deinit(&w);
}

static void test_pause_holds_bytes_back_and_loses_none(void **state)
{
    struct tls_context *server, *client;
    struct pki p;
    struct err err = {0};

    (void)state;
    pki_make(&p);
    assert_ok(tls_server_context(p.cert, p.key, STR_NULL, &server, &err), &err);
    assert_ok(tls_client_context(p.ca, STR_NULL, STR_NULL, false, &client, &err), &err);
    pause_case(NULL, NULL);
    pause_case(server, client);
    client = tls_context_free(client);
    server = tls_context_free(server);
    pki_deinit(&p);
}

static void on_open_flood(void *arg)
{
    static char data[65536];
    struct side *s = arg;

    on_open(arg);
    for (int i = 0; i < 400; i++) /* more than the kernel takes */
        conn_write(s->c, data, sizeof(data));
    conn_flush(s->c);
    assert_true(conn_pending(s->c) > CONN_PENDING_HIGH);
}

static void on_open_deaf(void *arg)
{
    struct side *s = arg;

    on_open(arg);
    conn_pause(s->c, true);
}

static void on_connection_deaf(uv_stream_t *l, int status)
{
    struct world *w = l->data;
    struct conn_accept_opts opts = {0};
    struct conn_handler h = handler_of(&w->server);

    assert_int_equal(status, 0);
    h.on_open = on_open_deaf;
    assert_int_equal(conn_accept(w->env, l, &opts, &h, &w->server.c, NULL), 0);
}

static void test_peer_that_reads_nothing_is_cut(void **state)
{
    struct conn_connect_opts opts;
    struct conn_handler h;
    struct world w;

    (void)state;
    world_init(&w, NULL);
    w.tcp.connection_cb = on_connection_deaf;
    opts = (struct conn_connect_opts){
        .host = "127.0.0.1", .port = w.port, .write_timeout_ms = 50};
    h = handler_of(&w.client);
    h.on_open = on_open_flood;
    w.client.c = conn_connect(w.env, &opts, &h);
    world_run(&w);
    assert_int_equal(w.client.err.code, ERR_TIMEOUT);
    assert_string_equal(w.client.err.msg, "the peer takes no data");
    world_deinit(&w);
}

static void resume_server(struct timer *t)
{
    struct world *w = container_of(t, struct world, limit);

    assert_int_equal(w->client.n_closed, 0);
    conn_pause(w->server.c, false);
    timer_init(&w->limit, w->loop, on_limit);
    timer_start(&w->limit, 5000, 0);
}

static void on_open_patient(void *arg)
{
    struct side *s = arg;

    on_open_flood(s);
    conn_patience(s->c, 10000);
    conn_close(s->c);
}

static void test_patience_outlasts_a_peer_that_pauses(void **state)
{
    struct conn_connect_opts opts;
    struct conn_handler h;
    struct world w;

    (void)state;
    world_init(&w, NULL);
    w.tcp.connection_cb = on_connection_deaf;
    w.stop_at = &w.server;
    timer_stop(&w.limit);
    timer_init(&w.limit, w.loop, resume_server);
    timer_start(&w.limit, 200, 0);
    opts = (struct conn_connect_opts){
        .host = "127.0.0.1", .port = w.port, .write_timeout_ms = 50};
    h = handler_of(&w.client);
    h.on_open = on_open_patient;
    w.client.c = conn_connect(w.env, &opts, &h);
    world_run(&w);
    assert_int_equal(w.client.err.code, 0);
    assert_int_equal(w.server.got.len, 400 * 65536);
    world_deinit(&w);
}

static void test_handler_taken_off_hears_nothing(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, NULL);
    dial(&w, (struct conn_connect_opts){0});
    conn_set_handler(w.client.c, NULL);
    conn_abort(w.client.c);
    w.client.c = NULL;
    world_deinit(&w);
    assert_int_equal(w.client.n_closed, 0);
}

static void test_no_sockets_in_a_simulation(void **state)
{
    struct sim *s = sim_new(1);

    (void)state;
    assert_null(conn_env_new(sim_loop(s, "l")));
    s = sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_echo),
        cmocka_unit_test(test_names_are_resolved),
        cmocka_unit_test(test_failures_to_connect_are_told),
        cmocka_unit_test(test_long_socket_paths_are_refused),
        cmocka_unit_test(test_abort_while_connecting),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_tls_checks_the_servers_name),
        cmocka_unit_test(test_alpn_and_peer_are_known_at_open),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_silent_server_is_given_up),
        cmocka_unit_test(test_pause_holds_bytes_back_and_loses_none),
        cmocka_unit_test(test_peer_that_reads_nothing_is_cut),
        cmocka_unit_test(test_patience_outlasts_a_peer_that_pauses),
        cmocka_unit_test(test_handler_taken_off_hears_nothing),
        cmocka_unit_test(test_no_sockets_in_a_simulation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
