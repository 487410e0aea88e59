/* test_buf.c - growable buffers and their limit. */
#include "base/buf.h"
#include "test.h"

static void test_append(void **state)
{
    auto_buf b = {0};

    assert_str_equal(buf_view(&b), "");
    buf_puts(&b, "pods");
    buf_putc(&b, '/');
    buf_str(&b, STR("web"));
    buf_str(&b, STR_NULL);
    buf_append(&b, NULL, 0);
    buf_i64(&b, INT64_MIN);
    buf_putc(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_i64(&b, 0);
    assert_string_equal(buf_cstr(&b), "pods/web-9223372036854775808 184467440737095516150");
    assert_int_equal(b.len, strlen(buf_cstr(&b)));
    assert_false(b.overflow);
}

static void test_printf_of_any_length(void **state)
{
    auto_buf b = {0};

    for (int n = 0; n < 300; n++) {
        buf_reset(&b);
        buf_printf(&b, "%s%0*d", "", n, 0);
        assert_int_equal(b.len, n ? n : 1);
        buf_printf(&b, "%s", "");
        assert_int_equal(b.len, n ? n : 1);
        buf_printf(&b, "<%d>", n);
        assert_int_equal(buf_cstr(&b)[b.len - 1], '>');
    }
}

static void test_limit_drops_and_remembers(void **state)
{
    auto_buf b = {.limit_bytes = 5};

    buf_puts(&b, "abcd");
    assert_false(b.overflow);
    buf_puts(&b, "ef");
    assert_true(b.overflow);
    assert_str_equal(buf_view(&b), "abcd");
    buf_putc(&b, 'e'); /* fits: the limit is inclusive */
    assert_string_equal(buf_cstr(&b), "abcde");
    buf_printf(&b, "%d", 1);
    buf_i64(&b, 1);
    assert_string_equal(buf_cstr(&b), "abcde");
    assert_null(buf_reserve(&b, 1));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_reset(&b);
    assert_false(b.overflow);
    buf_printf(&b, "%d", 123456);
    assert_true(b.overflow);
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
    assert_int_equal(b.limit_bytes, 5);
}

static void test_reserve_and_consume(void **state)
{
    auto_buf b = {0};
    char *to = buf_reserve(&b, 1000);

    memset(to, 'x', 1000);
    assert_int_equal(b.len, 0);
    b.len += 1000;
    buf_puts(&b, "tail");
    buf_consume(&b, 0);
    buf_consume(&b, 1000);
    assert_str_equal(buf_view(&b), "tail");
    buf_consume(&b, 4);
    assert_int_equal(b.len, 0);
}

static void test_steal(void **state)
{
    struct buf b = {0};
    auto_free char *empty = NULL, *p = NULL;
    size_t len = 9;

    empty = buf_steal(&b, &len);
    assert_string_equal(empty, "");
    assert_int_equal(len, 0);
    buf_puts(&b, "abc");
    p = buf_steal(&b, NULL);
    assert_string_equal(p, "abc");
    assert_int_equal(b.len, 0);
    assert_null(b.p);
    buf_deinit(&b);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_printf_of_any_length),
        cmocka_unit_test(test_limit_drops_and_remembers),
        cmocka_unit_test(test_reserve_and_consume),
        cmocka_unit_test(test_steal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
