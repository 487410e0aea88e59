/* test_grpc_server.c - the gRPC server by our client, plain and over TLS. */
#include "grpc_fixture.h"

static void check_basics(struct fix *f)
{
    auto_result a = {0}, b = {0}, c = {0}, d = {0};

    call(f, &a, "/t/Echo", STR("hello"));
    assert_int_equal(a.status, GRPC_OK);
    assert_string_equal(a.text, "");
    assert_str_equal(buf_view(&a.messages), "hello|");
    call(f, &b, "/t/Count", STR("2000"));
    assert_int_equal(b.status, GRPC_OK);
    assert_int_equal(b.n_messages, 2000);
    assert_int_equal(b.bytes, 2 * 999 * 500);
    call(f, &c, "/t/Fail", STR("x"));
    assert_int_equal(c.status, GRPC_NOT_FOUND);
    assert_string_equal(c.text, "no \"\xc3\xa4\" in 100%\n");
    call(f, &d, "/t/None", STR("x"));
    assert_int_equal(d.status, GRPC_UNIMPLEMENTED);
    assert_string_equal(d.text, "unknown method None for service t");
}

static void test_calls_plain_and_tls(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct fix f = {0};

        setup(&f, tls != 0);
        check_basics(&f);
        teardown(&f);
    }
}

static void test_requests_handed_over_whole_work_too(void **state)
{
    struct fix f = {.plain_h2_body = true};

    (void)state;
    setup(&f, false);
    check_basics(&f);
    teardown(&f);
}

static void test_bidi_answers_before_the_half_close(void **state)
{
    struct fix f = {0};
    auto_result a = {.reply = "two", .close_at_message = true};

    (void)state;
    setup(&f, false);
    start(&f, &a, "/t/Echo", STR_NULL, true, 20000);
    grpc_call_send(a.call, STR("one"));
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_OK);
    assert_str_equal(buf_view(&a.messages), "one|two|");
    assert_int_equal(f.n_half_closed, 1);
    teardown(&f);
}

static void test_early_end_stops_a_client_that_still_sends(void **state)
{
    struct fix f = {0};
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, false);
    start(&f, &a, "/t/Early", STR("one"), true, 20000);
    grpc_call_send(a.call, STR("two"));
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_ABORTED);
    assert_string_equal(a.text, "enough");
    assert_str_equal(buf_view(&a.messages), "one|");
    call(&f, &b, "/t/Echo", STR("x"));
    assert_int_equal(b.status, GRPC_OK);
    teardown(&f);
}

static void test_cancel_and_deadline_close_the_call(void **state)
{
    struct fix f = {0};
    auto_result a = {0}, b = {0}, c = {0};

    (void)state;
    setup(&f, false);
    call(&f, &a, "/t/Echo", STR("x"));
    start(&f, &b, "/t/Hang", STR("x"), true, 0);
    start(&f, &c, "/t/Hang", STR("x"), false, 50);
    while (f.n_started < 3)
        turn(&f);
    grpc_call_cancel(b.call);
    wait_closed(&f, 3);
    while (f.n_open > 0)
        loop_run(f.loop);
    assert_int_equal(b.status, GRPC_CANCELLED);
    assert_int_equal(c.status, GRPC_DEADLINE_EXCEEDED);
    teardown(&f);
}

/* Frames of 16 KB that begin and end within messages, and within their heads. */
static void test_messages_begin_and_end_anywhere_in_frames(void **state)
{
    static const char piece[300] = "begins";
    struct fix f = {0};
    auto_result a = {0};
    auto_buf want = {0};

    (void)state;
    setup(&f, false);
    start(&f, &a, "/t/Echo", STR_NULL, true, 20000);
    for (size_t i = 0; i < 1500; i++) {
        struct str m = {piece, i % sizeof(piece)};

        grpc_call_send(a.call, m);
        buf_str(&want, m);
        buf_putc(&want, '|');
    }
    grpc_call_half_close(a.call);
    loop_run(f.loop);
    assert_int_equal(a.status, GRPC_OK);
    assert_true(str_eq(buf_view(&a.messages), buf_view(&want)));
    teardown(&f);
}

static void test_too_large_messages_end_the_call(void **state)
{
    static char big[MESSAGE_MAX + 1];
    struct fix f = {0};
    auto_result a = {0}, b = {0}, c = {0};

    (void)state;
    setup(&f, false);
    call(&f, &a, "/t/Echo", (struct str){big, MESSAGE_MAX});
    assert_int_equal(a.status, GRPC_OK);
    assert_int_equal(a.bytes, MESSAGE_MAX);
    call(&f, &b, "/t/Echo", (struct str){big, MESSAGE_MAX + 1});
    assert_int_equal(b.status, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(b.text, "grpc: received message larger than max (3000001 vs. 3000000)");
    call(&f, &c, "/t/Echo", STR("x"));
    assert_int_equal(c.status, GRPC_OK);
    teardown(&f);
}

static void test_answers_that_nobody_takes_are_not_sent(void **state)
{
    struct fix f = {0};
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, false);
    call(&f, &a, "/t/Huge", STR("2147483648"));
    assert_int_equal(a.status, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(a.text,
                        "grpc: trying to send message larger than max (2147483648 vs. 2147483647)");
    call(&f, &b, "/t/Huge", STR("8589934592")); /* nor could its length be told */
    assert_int_equal(b.status, GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(a.n_messages + b.n_messages, 0);
    teardown(&f);
}

static void test_many_calls_at_once(void **state)
{
    enum { N = 300 }; /* the server takes 100 at once: the others wait in the client */
    struct result *r = xcalloc(N, sizeof(*r));
    struct fix f = {0};
    char m[N][16];

    (void)state;
    setup(&f, true);
    for (int i = 0; i < N; i++) {
        (void)snprintf(m[i], sizeof(m[i]), "m%d", i);
        start(&f, &r[i], "/t/Echo", str_from(m[i]), i % 2 == 0, 60000);
        if (i % 2 == 0)
            grpc_call_half_close(r[i].call);
    }
    loop_run(f.loop);
    for (int i = 0; i < N; i++) {
        assert_int_equal(r[i].status, GRPC_OK);
        assert_int_equal(r[i].messages.len, strlen(m[i]) + 1);
        assert_memory_equal(r[i].messages.p, m[i], strlen(m[i]));
        result_deinit(&r[i]);
    }
    free(r);
    teardown(&f);
}

static void test_producer_is_told_when_the_queue_drains(void **state)
{
    struct fix f = {0};
    auto_result a = {0};

    (void)state;
    setup(&f, false);
    call(&f, &a, "/t/Flood", STR("x"));
    assert_int_equal(a.status, GRPC_OK);
    assert_true(a.bytes >= FLOOD_BYTES);
    assert_in_range(f.pending_max, 200000, 200000 + FLOOD_PIECE + 5);
    teardown(&f);
}

static void test_server_may_be_freed_in_callbacks(void **state)
{
    (void)state;
    for (int in_closed = 0; in_closed < 2; in_closed++) {
        struct fix f = {0};
        auto_result a = {0}, b = {0};

        setup(&f, false);
        start(&f, &b, "/t/Hang", STR("x"), true, 20000);
        while (f.n_started < 1)
            turn(&f);
        f.free_in_closed = in_closed != 0;
        start(&f, &a, in_closed ? "/t/Echo" : "/t/Free", STR("x"), false, 20000);
        loop_run(f.loop);
        assert_null(f.server);
        assert_int_equal(a.status, in_closed ? GRPC_OK : GRPC_UNAVAILABLE);
        assert_int_equal(b.status, GRPC_UNAVAILABLE);
        assert_string_equal(b.text, "the server ends");
        assert_int_equal(f.n_closed, 2);
        teardown(&f);
    }
}

static void test_connection_loss_closes_all_calls(void **state)
{
    struct fix f = {0};
    auto_result a = {0}, b = {0};

    (void)state;
    setup(&f, false);
    start(&f, &a, "/t/Hang", STR("x"), true, 0);
    start(&f, &b, "/t/Flood", STR("x"), true, 0);
    while (f.n_started < 2)
        turn(&f);
    f.client = grpc_client_free(f.client);
    wait_closed(&f, 2);
    assert_int_equal(a.status, GRPC_CANCELLED);
    teardown(&f);
}

static void test_tls_client_checks_name_and_protocol(void **state)
{
    struct fix f = {0};
    auto_result a = {0};
    struct grpc_client *good;

    (void)state;
    setup(&f, true);
    good = f.client;
    f.client = grpc_client_new_tls(f.loop, f.target, f.client_tls, "elsewhere", MESSAGE_MAX);
    call(&f, &a, "/t/Echo", STR("x"));
    assert_int_equal(a.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(a.text, "TLS: hostname mismatch"));
    assert_int_equal(f.n_started, 0);
    grpc_client_free(f.client);
    f.client = good;
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_plain_and_tls),
        cmocka_unit_test(test_requests_handed_over_whole_work_too),
        cmocka_unit_test(test_bidi_answers_before_the_half_close),
        cmocka_unit_test(test_early_end_stops_a_client_that_still_sends),
        cmocka_unit_test(test_cancel_and_deadline_close_the_call),
        cmocka_unit_test(test_messages_begin_and_end_anywhere_in_frames),
        cmocka_unit_test(test_too_large_messages_end_the_call),
        cmocka_unit_test(test_answers_that_nobody_takes_are_not_sent),
        cmocka_unit_test(test_many_calls_at_once),
        cmocka_unit_test(test_producer_is_told_when_the_queue_drains),
        cmocka_unit_test(test_server_may_be_freed_in_callbacks),
        cmocka_unit_test(test_connection_loss_closes_all_calls),
        cmocka_unit_test(test_tls_client_checks_name_and_protocol),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
