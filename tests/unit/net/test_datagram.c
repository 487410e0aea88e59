/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "net/conn.h"
#include "net/datagram.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

struct peer { /* a TCP client */
    struct fixture *f;
    struct conn *conn;
    struct buf in;
    bool open, ended;
};
struct fixture {
    struct loop *loop;
    struct conn_env *env; /* of the clients */
    struct datagram_socket *server, *client;
    struct timer limit;
    struct buf seen; /* by the server, a line each message */
    unsigned n_seen, n_answered, n_open, n_ended;
    const unsigned *watched; /* the loop stops when this one is stop_at */
    unsigned stop_at;
    bool close_in_message, silent;
    struct datagram_peer last;
    struct buf answer;
    struct peer peers[DATAGRAM_STREAMS_MAX + 2];
};

static void count(struct fixture *f, unsigned *counter)
{
    if (++*counter == f->stop_at && counter == f->watched)
        loop_stop(f->loop);
}

static void on_server(void *arg, const struct datagram_peer *from, struct str message)
{
    struct fixture *f = arg;

    f->last = *from;
    buf_str(&f->seen, message);
    buf_putc(&f->seen, '\n');
    if (f->close_in_message)
        f->server = datagram_close(f->server);
    else if (!f->silent)
        datagram_send(f->server, from, message);
    count(f, &f->n_seen);
}

static void on_client(void *arg, const struct datagram_peer *from, struct str message)
{
    struct fixture *f = arg;

    (void)from;
    buf_str(&f->answer, message);
    count(f, &f->n_answered);
}

static void on_limit(struct timer *t)
{
    loop_stop(t->loop);
}

static int setup(void **state)
{
    struct fixture *f = xnew(struct fixture);
    struct err err = {0};

    f->loop = loop_new("test");
    f->env = conn_env_new(f->loop);
    timer_init(&f->limit, f->loop, on_limit);
    assert_ok(datagram_open(f->loop, "127.0.0.1", 0, true, on_server, f, &f->server, &err), &err);
    assert_ok(datagram_open(f->loop, NULL, 0, false, on_client, f, &f->client, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    timer_stop(&f->limit);
    f->server = datagram_close(f->server);
    f->client = datagram_close(f->client);
    for (size_t i = 0; i < ARRAY_LEN(f->peers); i++) {
        if (f->peers[i].conn)
            conn_abort(f->peers[i].conn);
    }
    conn_env_unref(f->env);
    loop_run(f->loop); /* until every handle is closed */
    loop_free(f->loop);
    for (size_t i = 0; i < ARRAY_LEN(f->peers); i++)
        buf_deinit(&f->peers[i].in);
    buf_deinit(&f->seen);
    buf_deinit(&f->answer);
    free(f);
    return 0;
}

/* Runs until *@counter is @want, at most 5 s. */
static void run_until(struct fixture *f, const unsigned *counter, unsigned want)
{
    f->watched = counter;
    f->stop_at = want;
    if (*counter < want) {
        timer_start(&f->limit, 5000, 0);
        loop_run(f->loop);
        timer_stop(&f->limit);
    }
    f->watched = NULL;
    assert_int_equal(*counter, want);
}

static void run_for(struct fixture *f, uint64_t ms)
{
    timer_start(&f->limit, ms, 0);
    loop_run(f->loop);
}

static void on_open(void *arg)
{
    struct peer *p = arg;

    p->open = true;
    count(p->f, &p->f->n_open);
}

static void on_data(void *arg, const char *text, size_t n)
{
    struct peer *p = arg;

    buf_append(&p->in, text, n);
    count(p->f, &p->f->n_answered);
}

static void on_closed(void *arg, const struct err *err)
{
    struct peer *p = arg;

    (void)err;
    p->conn = NULL;
    p->ended = true;
    count(p->f, &p->f->n_ended);
}

static struct peer *dial(struct fixture *f, size_t i)
{
    struct peer *p = &f->peers[i];
    struct conn_connect_opts opts = {.host = "127.0.0.1", .port = datagram_port(f->server)};
    struct conn_handler h = {
        .on_open = on_open, .on_data = on_data, .on_closed = on_closed, .arg = p};

    p->f = f;
    p->conn = conn_connect(f->env, &opts, &h);
    return p;
}

static void send_udp(struct fixture *f, struct str message)
{
    struct datagram_peer to;
    struct err err = {0};

    assert_ok(datagram_peer("127.0.0.1", datagram_port(f->server), &to, &err), &err);
    datagram_send(f->client, &to, message);
}

static void test_datagrams_come_back(void **state)
{
    struct fixture *f = *state;
    auto_free char *large = xcalloc(1, 60000);
    struct datagram_peer client;
    struct err err = {0};

    send_udp(f, STR("hello"));
    run_until(f, &f->n_answered, 1);
    assert_str_equal(buf_view(&f->answer), "hello");
    assert_null(f->last.stream);
    assert_ok(datagram_peer("127.0.0.1", datagram_port(f->client), &client, &err), &err);
    assert_true(datagram_peer_equal(&f->last, &client));
    buf_reset(&f->answer);
    memset(large, 'x', 60000);
    send_udp(f, (struct str){large, 60000});
    run_until(f, &f->n_answered, 2);
    assert_int_equal(f->answer.len, 60000);
}

static void test_too_long_is_dropped(void **state)
{
    struct fixture *f = *state;
    auto_free char *large = xcalloc(1, DATAGRAM_MAX + 1);

    send_udp(f, (struct str){large, DATAGRAM_MAX + 1});
    send_udp(f, (struct str){large, DATAGRAM_MAX}); /* more than UDP can carry */
    send_udp(f, STR("after"));
    run_until(f, &f->n_answered, 1);
    assert_str_equal(buf_view(&f->answer), "after");
}

static void test_stream_messages_in_any_pieces(void **state)
{
    static const char bytes[] = "\0\3one\0\0\0\5three";
    struct fixture *f = *state;
    struct peer *p = dial(f, 0);

    run_until(f, &f->n_open, 1);
    for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
        conn_write(p->conn, bytes + i, 1);
        conn_flush(p->conn);
        run_for(f, 1);
    }
    conn_write(p->conn, bytes, sizeof(bytes) - 1); /* and in one */
    run_until(f, &f->n_seen, 6);
    assert_str_equal(buf_view(&f->seen), "one\n\nthree\none\n\nthree\n");
    assert_non_null(f->last.stream);
    run_for(f, 50);
    assert_int_equal(p->in.len, 2 * (sizeof(bytes) - 1));
    assert_memory_equal(p->in.p, bytes, sizeof(bytes) - 1);
}

static void test_longest_stream_messages(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xcalloc(1, DATAGRAM_MAX);
    struct peer *p = dial(f, 0);

    f->silent = true;
    memset(text, 'y', DATAGRAM_MAX);
    for (int i = 0; i < 8; i++) {
        conn_write(p->conn, "\xff\xff", 2);
        conn_write(p->conn, text, DATAGRAM_MAX);
    }
    run_until(f, &f->n_seen, 8);
    assert_int_equal(f->seen.len, 8 * (DATAGRAM_MAX + 1));
}

static void test_answer_to_a_stream_that_has_gone_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct peer *p = dial(f, 0);

    f->silent = true;
    conn_write(p->conn, "\0\1a", 3);
    run_until(f, &f->n_seen, 1);
    conn_abort(p->conn);
    run_until(f, &f->n_ended, 1);
    run_for(f, 50);
    datagram_send(f->server, &f->last, STR("late"));
    p = dial(f, 1); /* may be in the memory of the first; must not get its answers */
    run_until(f, &f->n_open, 2);
    run_for(f, 50);
    datagram_send(f->server, &f->last, STR("late"));
    run_for(f, 50);
    assert_int_equal(p->in.len, 0);
}

static void test_streams_are_limited(void **state)
{
    struct fixture *f = *state;
    unsigned n_alive = 0;

    for (size_t i = 0; i < ARRAY_LEN(f->peers); i++) {
        (void)dial(f, i);
        run_until(f, &f->n_open, (unsigned)i + 1);
    }
    run_until(f, &f->n_ended, 2); /* those too many */
    for (size_t i = 0; i < ARRAY_LEN(f->peers); i++)
        n_alive += !f->peers[i].ended;
    assert_int_equal(n_alive, DATAGRAM_STREAMS_MAX);
    conn_abort(f->peers[0].conn); /* makes room for another */
    run_until(f, &f->n_ended, 3);
    run_for(f, 50);
    (void)dial(f, 0);
    conn_write(f->peers[0].conn, "\0\1a", 3);
    run_until(f, &f->n_seen, 1);
}

static void test_close_ends_streams(void **state)
{
    struct fixture *f = *state;

    (void)dial(f, 0);
    (void)dial(f, 1);
    run_until(f, &f->n_open, 2);
    conn_write(f->peers[0].conn, "\0\5par", 5); /* half a message waits */
    run_for(f, 50);
    f->server = datagram_close(f->server);
    run_until(f, &f->n_ended, 2);
    assert_int_equal(f->n_seen, 0);
}

static void test_close_in_a_message(void **state)
{
    struct fixture *f = *state;

    f->close_in_message = true;
    (void)dial(f, 0);
    conn_write(f->peers[0].conn, "\0\1a\0\1b", 6);
    run_until(f, &f->n_ended, 1);
    assert_str_equal(buf_view(&f->seen), "a\n"); /* no callback follows */
}

static void test_close_in_a_datagram(void **state)
{
    struct fixture *f = *state;

    f->close_in_message = true;
    send_udp(f, STR("a"));
    send_udp(f, STR("b"));
    run_until(f, &f->n_seen, 1);
    run_for(f, 50);
    assert_str_equal(buf_view(&f->seen), "a\n");
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    struct datagram_peer a, b;
    struct datagram_socket *s = NULL;
    struct err err = {0};

    assert_int_equal(datagram_peer("localhost", 53, &a, &err), ERR_BAD_REQUEST);
    assert_int_equal(datagram_open(f->loop, "1.2.3", 0, false, on_client, f, &s, &err),
                     ERR_BAD_REQUEST);
    assert_int_equal(datagram_open(f->loop, "127.0.0.1", datagram_port(f->server), true, on_client,
                                   f, &s, &err), ERR_IO);
    assert_null(s);
    assert_ok(datagram_peer("10.0.0.1", 53, &a, &err), &err);
    assert_ok(datagram_peer("10.0.0.1", 53, &b, &err), &err);
    assert_true(datagram_peer_equal(&a, &b));
    assert_ok(datagram_peer("10.0.0.1", 54, &b, &err), &err);
    assert_false(datagram_peer_equal(&a, &b));
    assert_ok(datagram_peer("10.0.0.2", 53, &b, &err), &err);
    assert_false(datagram_peer_equal(&a, &b));
    assert_ok(datagram_peer("fd00::1", 53, &a, &err), &err);
    assert_false(datagram_peer_equal(&a, &b));
    assert_ok(datagram_peer("fd00::1", 53, &b, &err), &err);
    assert_true(datagram_peer_equal(&a, &b));
    assert_null(datagram_close(NULL));
}

/* A network of its own, where the kernel has two ports to choose from. Returns the one before. */
static int enter_narrow_network(void)
{
    static const char range[] = "40000 40001";
    int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

    assert_true(before >= 0);
    if (unshare(CLONE_NEWNET)) {
        (void)close(before);
        skip(); /* not root */
    }
    fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, range, sizeof(range) - 1), sizeof(range) - 1);
    (void)close(fd);
    return before;
}

static void test_chosen_port_is_free_for_streams_too(void **state)
{
    struct sockaddr_in taken = {.sin_family = AF_INET, .sin_port = htons(40000)};
    struct fixture *f = *state;
    struct err err = {0};
    int before = enter_narrow_network(), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&taken, sizeof(taken)), 0);
    assert_int_equal(listen(fd, 1), 0);
    for (unsigned i = 0; i < 16; i++) {
        struct datagram_socket *s = NULL;

        assert_ok(datagram_open(f->loop, NULL, 0, true, on_server, f, &s, &err), &err);
        assert_int_equal(datagram_port(s), 40001);
        assert_null(datagram_close(s));
    }
    (void)close(fd);
    assert_int_equal(setns(before, CLONE_NEWNET), 0);
    (void)close(before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_datagrams_come_back),
        T(test_too_long_is_dropped),
        T(test_stream_messages_in_any_pieces),
        T(test_longest_stream_messages),
        T(test_answer_to_a_stream_that_has_gone_is_dropped),
        T(test_streams_are_limited),
        T(test_close_ends_streams),
        T(test_close_in_a_message),
        T(test_close_in_a_datagram),
        T(test_addresses),
        T(test_chosen_port_is_free_for_streams_too),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
