/* SPDX-License-Identifier: Apache-2.0 */
/* test_logs.c - logs as clients ask for them, and the frames of streams. */
#include "kubelet/log_file.h"
#include "kubelet/spdy.h"
#include "test.h"

#include <stdio.h>

static const char text[] = "2026-01-01T00:00:01.5Z stdout F one\n"
                           "2026-01-01T00:00:02Z stderr P tw\n"
                           "2026-01-01T00:00:02Z stderr F o\n"
                           "garbage\n"
                           "2026-01-01T00:00:03Z stdout F \n"
                           "2026-01-01T00:00:04Z stdout F four words of it\n";

static void check_feed(const struct log_options *o, const char *expected)
{
    for (size_t step = 1; step <= sizeof(text); step += 7) { /* pieces of every length */
        struct log_reader rd = {.options = *o};
        auto_buf out = {0};
        struct str rest = {text, sizeof(text) - 1};

        while (rest.len > 0) {
            log_reader_feed(&rd, str_sub(rest, 0, step), &out);
            rest = str_sub(rest, step, rest.len);
        }
        assert_string_equal(buf_cstr(&out), expected);
        log_reader_deinit(&rd);
    }
}
static const struct log_options all = {.tail_lines = -1, .limit_bytes = -1};

static void test_frames_are_taken_off(void **state)
{
    struct log_options o = all;

    (void)state;
    check_feed(&o, "one\ntwo\n\nfour words of it\n");
    o.timestamps = true;
    check_feed(&o, "2026-01-01T00:00:01.5Z one\n2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z \n"
                   "2026-01-01T00:00:04Z four words of it\n");
}

static void test_options_choose(void **state)
{
    struct log_options o = all;

    (void)state;
    o.since_ns = INT64_C(1767225603) * 1000000000; /* 2026-01-01T00:00:03Z */
    check_feed(&o, "\nfour words of it\n");
    o = all;
    o.stream = STR("stderr");
    check_feed(&o, "two\n");
    o = all;
    o.limit_bytes = 6;
    check_feed(&o, "one\ntw");
    o.limit_bytes = 0;
    check_feed(&o, "");
}

static void test_line_parse(void **state)
{
    struct log_line l;

    (void)state;
    assert_true(log_line_parse(STR("2026-01-01T00:00:01Z stdout P:x a b"), &l));
    assert_true(l.partial);
    assert_str_equal(l.content, "a b");
    assert_false(log_line_parse(STR("2026-01-01T00:00:01Z stdout F"), &l));
    assert_false(log_line_parse(STR("now stdout F x"), &l));
    assert_false(log_line_parse(STR(""), &l));
}

static void check_tail(const char *path, int64_t lines, const char *expected)
{
    struct log_reader rd = {.path = path, .options = all};
    auto_buf out = {0};
    struct err err = {0};
    bool end = false;

    rd.options.tail_lines = lines;
    while (!end)
        assert_ok(log_reader_next(&rd, &out, &end, &err), &err);
    assert_string_equal(buf_cstr(&out), expected);
    log_reader_deinit(&rd);
}

static void test_tail_counts_lines_of_the_file(void **state)
{
    char path[] = "/tmp/test_logs.XXXXXX";
    int fd = mkstemp(path);
    struct log_reader rd = {.path = "/nonexistent/0.log", .options = all};
    auto_buf out = {0};
    struct err err = {0};
    bool end;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    check_tail(path, 0, "");
    check_tail(path, 1, "four words of it\n");
    check_tail(path, 2, "\nfour words of it\n");
    check_tail(path, 100, "one\ntwo\n\nfour words of it\n");
    check_tail(path, -1, "one\ntwo\n\nfour words of it\n");
    (void)unlink(path);
    assert_int_equal(log_reader_next(&rd, &out, &end, &err), ERR_NOT_FOUND);
    log_reader_deinit(&rd);
}

static void on_event(void *arg, const struct spdy_event *e)
{
    buf_printf(arg, "%u:%.*s%s ", e->stream, STR_ARG(e->data), e->end ? "!" : "");
}

static void test_spdy_round_trip(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        struct spdy_reader r = {0};
        struct spdy_writer w = {0};
        auto_buf bytes = {0}, seen = {0}, reply = {0};
        struct str rest;

        spdy_open_stream(&w, 1, STR("streamtype"), STR("error"), &bytes);
        spdy_write_data(1, STR("a"), false, &bytes);
        buf_append(&bytes, "\x80\x03\0\6\0\0\0\4\0\0\0\7", 12); /* a ping */
        spdy_write_data(3, STR(""), true, &bytes);
        buf_append(&bytes, "\x80\x03\0\7\0\0\0\10\0\0\0\0\0\0\0\0", 16); /* goodbye */
        for (rest = buf_view(&bytes); rest.len > 0; rest = str_sub(rest, step, rest.len))
            assert_true(spdy_read(&r, str_sub(rest, 0, step), on_event, &seen, &reply));
        assert_string_equal(buf_cstr(&seen), "1:a 3:! 0:! ");
        assert_int_equal(reply.len, 12);
        assert_memory_equal(reply.p, "\x80\x03\0\6\0\0\0\4\0\0\0\7", 12);
    }
}

static void test_spdy_refuses_other_protocols(void **state)
{
    struct spdy_reader r = {0};
    auto_buf seen = {0}, reply = {0};

    (void)state;
    assert_false(spdy_read(&r, STR("\xff\xff garbage"), on_event, &seen, &reply));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_taken_off),
        cmocka_unit_test(test_options_choose),
        cmocka_unit_test(test_line_parse),
        cmocka_unit_test(test_tail_counts_lines_of_the_file),
        cmocka_unit_test(test_spdy_round_trip),
        cmocka_unit_test(test_spdy_refuses_other_protocols),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
