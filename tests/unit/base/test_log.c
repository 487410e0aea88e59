/* test_log.c - log lines, read back from standard error. */
#include "base/buf.h"
#include "base/log.h"
#include "test.h"
#include <unistd.h>

/* Standard error goes to a pipe between the two; what was written comes back in @out. */
static int capture_start(int pipe_fds[2])
{
    int saved = dup(STDERR_FILENO);

    assert_true(saved >= 0);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(pipe_fds[1]), 0);
    return saved;
}

static void capture_end(int saved, int read_fd, struct buf *out)
{
    ssize_t n;

    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    while ((n = read(read_fd, buf_reserve(out, 4096), 4096)) > 0)
        out->len += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(close(read_fd), 0);
}

static void test_one_line(void **state)
{
    auto_buf out = {0};
    int fds[2], saved = capture_start(fds);
    int y, mo, d, h, mi, s, ms, end = 0;

    LOG_INFO("server", "listening port=%d", 6443);
    capture_end(saved, fds[0], &out);
    assert_int_equal(sscanf(buf_cstr(&out), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &y, &mo, &d, &h, &mi,
                            &s, &ms, &end),
                     7);
    assert_int_equal(end, 24);
    assert_in_range(y, 2020, 9999);
    assert_string_equal(buf_cstr(&out) + end, " I server listening port=6443\n");
}

static void test_control_characters_are_escaped(void **state)
{
    auto_buf out = {0};
    int fds[2], saved = capture_start(fds);

    LOG_WARN("api", "user=%s", "a\nE forged\r\t\x1b[31m\x7f\xc3\xa4");
    capture_end(saved, fds[0], &out);
    assert_string_equal(buf_cstr(&out) + 24,
                        " W api user=a\\nE forged\\r\\t\\x1b[31m\\x7f\xc3\xa4\n");
}

static void test_levels(void **state)
{
    auto_buf out = {0};
    int fds[2], saved = capture_start(fds);

    LOG_DEBUG("x", "hidden");
    log_set_level(LOG_LEVEL_ERROR);
    LOG_WARN("x", "hidden");
    assert_false(log_enabled(LOG_LEVEL_WARN));
    log_set_level(LOG_LEVEL_DEBUG);
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
    LOG_DEBUG("x", "shown");
    log_set_level(LOG_LEVEL_INFO);
    capture_end(saved, fds[0], &out);
    assert_string_equal(buf_cstr(&out) + 24, " D x shown\n");
}

static void test_long_lines_are_cut_but_end(void **state)
{
    auto_buf out = {0};
    int fds[2], saved = capture_start(fds);

    LOG_ERROR("x", "%02000d", 0);
    LOG_ERROR("x", "%0100000d", 0);
    capture_end(saved, fds[0], &out);
    assert_int_equal(str_find_char(buf_view(&out), '\n'), 24 + 5 + 2000);
    buf_consume(&out, 24 + 5 + 2000 + 1);
    assert_in_range(out.len, 16000, 17000);
    assert_int_equal(str_find_char(buf_view(&out), '\n'), out.len - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_control_characters_are_escaped),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_long_lines_are_cut_but_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
