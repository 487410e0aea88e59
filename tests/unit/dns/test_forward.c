/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder, asking servers that are made here. */
#include "test.h"

#include "dns/forward.h"
#include "net/datagram.h"

#include <stdio.h>

/* "web.example. IN A", id 0x1234 */
#define TAIL "\1\0\0\1\0\0\0\0\0\0\3web\7example\0\0\1\0\1"
static const struct str query = STR_INIT("\x12\x34" TAIL);

enum upstream_kind { ANSWERS, WRONG_ID, WRONG_QUESTION, NO_ANSWER_BIT, OTHER_SOURCE, BARE_ERROR };
struct fixture {
    struct loop *loop;
    struct forwarder *forwarder;
    struct datagram_socket *upstream, *other;
    enum upstream_kind kind; /* of the first answer; a right one follows it */
    uint16_t port;
    char path[64];
    struct timer limit;
    unsigned n_asked, n_done, n_wanted;
    uint8_t ids[4][2];
    struct arena arena;
    struct str answer;
};

static void reply(struct fixture *f, const struct datagram_peer *from, struct str q,
                  enum upstream_kind kind)
{
    char *copy = arena_memdupz(&f->arena, q.p, q.len);
    struct str text = {copy, q.len};

    copy[2] = (char)(copy[2] | 0x80);
    copy[3] = (char)(kind == ANSWERS ? 0 : 5); /* so that the wrong ones are told apart */
    if (kind == WRONG_ID)
        copy[0] = (char)(copy[0] ^ 1);
    if (kind == WRONG_QUESTION)
        copy[13] = 'x';
    if (kind == NO_ANSWER_BIT)
        copy[2] = (char)(copy[2] & 0x7f);
    if (kind == BARE_ERROR) {
        copy[5] = 0;
        text.len = 12;
    }
    datagram_send(kind == OTHER_SOURCE ? f->other : f->upstream, from, text);
}

static void on_asked(void *arg, const struct datagram_peer *from, struct str message)
{
    struct fixture *f = arg;

    if (f->n_asked < ARRAY_LEN(f->ids))
        memcpy(f->ids[f->n_asked], message.p, 2);
    f->n_asked++;
    assert_true(message.len == query.len);
    assert_memory_equal(message.p + 2, query.p + 2, query.len - 2);
    reply(f, from, message, f->kind);
    if (f->kind != ANSWERS && f->kind != BARE_ERROR)
        reply(f, from, message, ANSWERS);
}

static void on_nothing(void *arg, const struct datagram_peer *from, struct str message)
{
    (void)arg;
    (void)from;
    (void)message;
}

static void on_done(void *arg, struct str answer)
{
    struct fixture *f = arg;

    f->answer = str_dup(&f->arena, answer);
    if (++f->n_done == f->n_wanted)
        loop_stop(f->loop);
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
    timer_init(&f->limit, f->loop, on_limit);
    assert_ok(datagram_open(f->loop, "127.0.0.1", 0, false, on_asked, f, &f->upstream, &err), &err);
    f->port = datagram_port(f->upstream);
    assert_int_not_equal(f->port, 0);
    assert_ok(datagram_open(f->loop, "127.0.0.1", 0, false, on_nothing, f, &f->other, &err), &err);
    (void)snprintf(f->path, sizeof(f->path), "/tmp/resolv.conf.XXXXXX");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->forwarder = forwarder_free(f->forwarder);
    f->upstream = datagram_close(f->upstream);
    f->other = datagram_close(f->other);
    timer_stop(&f->limit);
    loop_run(f->loop); /* until all handles are closed */
    loop_free(f->loop);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

static void open_with(struct fixture *f, const char *resolv_conf)
{
    auto_fd fd = mkstemp(f->path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, resolv_conf, strlen(resolv_conf)), strlen(resolv_conf));
    f->forwarder = forwarder_new(f->loop, f->path, "127.0.0.3", f->port);
    assert_int_equal(unlink(f->path), 0);
}

/* Asks @n times at once and waits for the answers, at most 8 s. */
static void ask(struct fixture *f, unsigned n)
{
    f->n_done = 0;
    f->n_wanted = n;
    for (unsigned i = 0; i < n; i++)
        forward_query(f->forwarder, query, on_done, f);
    assert_int_equal(f->n_done, 0); /* never from inside */
    timer_start(&f->limit, 8000, 0);
    loop_run(f->loop);
    assert_int_equal(f->n_done, n);
}

static void expect_answer(struct fixture *f)
{
    assert_int_equal(f->answer.len, query.len);
    assert_memory_equal(f->answer.p, "\x12\x34\x81\0", 4);
    assert_memory_equal(f->answer.p + 4, query.p + 4, query.len - 4);
}

static void test_answer_has_the_id_of_its_question(void **state)
{
    struct fixture *f = *state;

    open_with(f, "# comment\nsearch a b\nnameserver\t127.0.0.1 # words\n");
    ask(f, 3);
    expect_answer(f);
    assert_int_equal(f->n_asked, 3);
    /* Random: that all three agree has a chance of 2^-32. */
    assert_false(memcmp(f->ids[0], f->ids[1], 2) == 0 && memcmp(f->ids[1], f->ids[2], 2) == 0);
}

static void test_wrong_answers_are_ignored(void **state)
{
    static const enum upstream_kind kinds[] = {WRONG_ID, WRONG_QUESTION, NO_ANSWER_BIT,
                                               OTHER_SOURCE};
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.1\n");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        f->kind = kinds[i];
        ask(f, 1);
        expect_answer(f);
    }
}

static void test_error_without_question_is_an_answer(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.1\n");
    f->kind = BARE_ERROR;
    ask(f, 1);
    assert_int_equal(f->answer.len, 12);
    assert_memory_equal(f->answer.p, "\x12\x34\x81\5", 4);
}

static void test_silent_server_is_followed_by_the_next(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.2\nnameserver 127.0.0.3\nnameserver 127.0.0.1");
    ask(f, 1); /* .2 is silent; .3 is left out, or this took twice as long */
    expect_answer(f);
    assert_int_equal(f->n_asked, 1);
}

static void test_no_answer_at_all_is_empty(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.2\n");
    ask(f, 1);
    assert_int_equal(f->answer.len, 0);
}

static void test_no_servers_fail_at_once(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver\nnameservers 127.0.0.1\nnameserver nonsense\nnameserver 127.0.0.3\n");
    ask(f, 2);
    assert_int_equal(f->answer.len, 0);
    f->forwarder = forwarder_free(f->forwarder);
    f->forwarder = forwarder_new(f->loop, "/nonexistent/resolv.conf", NULL, 53);
    ask(f, 1);
    assert_int_equal(f->answer.len, 0);
    assert_int_equal(f->n_asked, 0);
}

static void test_questions_under_way_are_bounded(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.2\n");
    f->n_wanted = 100;
    for (unsigned i = 0; i < FORWARD_MAX + 100; i++)
        forward_query(f->forwarder, query, on_done, f);
    timer_start(&f->limit, 1000, 0);
    loop_run(f->loop);
    assert_int_equal(f->n_done, 100); /* those that were too many; the others wait */
}

static void test_free_answers_what_is_under_way(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.2\n");
    forward_query(f->forwarder, query, on_done, f);
    forward_query(f->forwarder, query, on_done, f);
    f->forwarder = forwarder_free(f->forwarder);
    assert_int_equal(f->n_done, 2);
    assert_int_equal(f->answer.len, 0);
}

static void on_done_free(void *arg, struct str answer)
{
    struct fixture *f = arg;

    on_done(arg, answer);
    f->forwarder = forwarder_free(f->forwarder);
}

static void test_forwarder_may_go_in_an_answer(void **state)
{
    struct fixture *f = *state;

    open_with(f, "nameserver 127.0.0.1\n");
    f->n_wanted = 1;
    forward_query(f->forwarder, query, on_done_free, f);
    timer_start(&f->limit, 8000, 0);
    loop_run(f->loop);
    expect_answer(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_answer_has_the_id_of_its_question),
        T(test_wrong_answers_are_ignored),
        T(test_error_without_question_is_an_answer),
        T(test_silent_server_is_followed_by_the_next),
        T(test_no_answer_at_all_is_empty),
        T(test_no_servers_fail_at_once),
        T(test_questions_under_way_are_bounded),
        T(test_free_answers_what_is_under_way),
        T(test_forwarder_may_go_in_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
