/* test_http_common.c - queries, escapes, dates, and what may be in a header. */
#include "net/http_server_internal.h"
#include "test.h"

static void test_query_gives_pairs_in_order(void **state)
{
    auto_arena a = {0};
    struct http_header *p;
    struct err err = {0};
    size_t n;

    (void)state;
    assert_ok(http_query_parse(STR("a=1&b=x%20y+z&&c&=d&a=%3D%26"), &a, &p, &n, &err), &err);
    assert_int_equal(n, 5);
    assert_str_equal(p[0].name, "a");
    assert_str_equal(p[0].value, "1");
    assert_str_equal(p[1].value, "x y z");
    assert_str_equal(p[2].name, "c");
    assert_str_equal(p[2].value, "");
    assert_str_equal(p[3].name, "");
    assert_str_equal(p[3].value, "d");
    assert_str_equal(p[4].value, "=&");
    assert_ok(http_query_parse(STR(""), &a, &p, &n, &err), &err);
    assert_int_equal(n, 0);
}

static void test_bad_escapes_are_refused(void **state)
{
    static const char *const bad[] = {"a=%", "a=%1", "a=%zz", "%g0=1", "a=%2"};
    auto_arena a = {0};
    struct http_header *p;
    struct str s;
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(http_query_parse(str_from(bad[i]), &a, &p, &n, NULL), ERR_BAD_REQUEST);
    assert_int_equal(http_unescape(STR("a%2"), &a, &s, NULL), ERR_BAD_REQUEST);
    assert_int_equal(http_unescape(STR("a%2f+b"), &a, &s, NULL), 0);
    assert_str_equal(s, "a/+b");
}

static void test_query_parameters_are_bounded(void **state)
{
    auto_arena a = {0};
    auto_buf text = {0};
    struct http_header *p;
    size_t n;

    (void)state;
    for (int i = 0; i < 1001; i++)
        buf_puts(&text, "a=b&");
    assert_int_equal(http_query_parse(buf_view(&text), &a, &p, &n, NULL), ERR_BAD_REQUEST);
}

static void test_escape_and_back_is_the_same(void **state)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct str s;
    char all[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    http_escape(&out, (struct str){all, sizeof(all)});
    assert_int_equal(http_unescape(buf_view(&out), &a, &s, NULL), 0);
    assert_int_equal(s.len, sizeof(all));
    assert_memory_equal(s.p, all, sizeof(all));
    buf_reset(&out);
    http_escape(&out, STR("aZ09-_.~ /\xc3\xa4"));
    assert_str_equal(buf_view(&out), "aZ09-_.~%20%2F%C3%A4");
}

static void test_date_has_the_fixed_form(void **state)
{
    char date[HTTP_DATE_BYTES];

    (void)state;
    http_date(784111777, date); /* the example of RFC 9110, 5.6.7 */
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date(0, date);
    assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date(1709164799, date);
    assert_string_equal(date, "Wed, 28 Feb 2024 23:59:59 GMT");
}

static void test_headers_cannot_break_their_line(void **state)
{
    static const struct {
        struct http_header h;
        bool ok;
    } cases[] = {
        {{STR_INIT("x-a"), STR_INIT("b c")}, true},
        {{STR_INIT("x-a"), STR_INIT("")}, true},
        {{STR_INIT("x-a"), STR_INIT("b\r\nc: d")}, false},
        {{STR_INIT("x-a"), STR_INIT("b\nc")}, false},
        {{STR_INIT("x-a"), STR_INIT("b\0c")}, false},
        {{STR_INIT("x a"), STR_INIT("b")}, false},
        {{STR_INIT("x:a"), STR_INIT("b")}, false},
        {{STR_INIT(""), STR_INIT("b")}, false},
        {{STR_INIT("Content-Length"), STR_INIT("5")}, false},
        {{STR_INIT("transfer-encoding"), STR_INIT("chunked")}, false},
        {{STR_INIT("Connection"), STR_INIT("close")}, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(http_header_sendable(&cases[i].h), cases[i].ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_gives_pairs_in_order),
        cmocka_unit_test(test_bad_escapes_are_refused),
        cmocka_unit_test(test_query_parameters_are_bounded),
        cmocka_unit_test(test_escape_and_back_is_the_same),
        cmocka_unit_test(test_date_has_the_fixed_form),
        cmocka_unit_test(test_headers_cannot_break_their_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
