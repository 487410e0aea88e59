/* Tests of the JSON reader and writer. */
#include "codec/json.h"
#include "test.h"
#include <math.h>

static void test_values_read_and_write_back(void **state)
{
    static const struct {
        const char *text, *json; /* NULL: the same */
    } cases[] = {
        {"null", NULL},
        {" true ", "true"},
        {"[]", NULL},
        {" { } ", "{}"},
        {"\t[ 1 ,\r\n 2 ]", "[1,2]"},
        {"{\"a\":{\"b\":[{},[],\"\"]},\"c\":null}", NULL},
        {"-0", "0"},
        {"9223372036854775807", NULL},
        {"-9223372036854775808", NULL},
        {"9223372036854775808", "9223372036854776000"},
        {"123456789012345678901234567890", "1.2345678901234568e+29"},
        {"1e3", "1000"},
        {"1.50", "1.5"},
        {"0.1", NULL},
        {"1e-7", "1e-7"},
        {"1E-300", "1e-300"},
        {"0.000001", NULL},
        {"5e-324", NULL},
        {"1e21", "1e+21"},
        {"1e20", "100000000000000000000"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"-0.0", "-0"},
        {"2.2250738585072014e-308", NULL},
        {"\"plain and long enough for eight at once\"", NULL},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\"\\ud83d\"", "\"\xef\xbf\xbd\""},
        {"\"\\ud83dx\"", "\"\xef\xbf\xbdx\""},
        {"\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
                               "A\""},
        {"\"\\ude00\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\""},
        {"\"<a href='x'>&amp;\"", "\"\\u003ca href='x'\\u003e\\u0026amp;\""},
        {"\"\\u2028\\u2029\\u0001\x7f\"", "\"\\u2028\\u2029\\u0001\x7f\""},
        {"\"\\u0000\"", NULL},
        {"\"a\xff\xc3(\xed\xa0\x80\xc0\xaf\"",
         "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
         "\xef\xbf\xbd\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d;

        assert_ok(json_parse(str_from(cases[i].text), &a, &d, NULL, &err), &err);
        assert_str_equal(json_to_str(&a, &d), cases[i].json ? cases[i].json : cases[i].text);
    }
}

static void test_strings_without_escapes_are_views(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    const char text[] = "[\"view\",\"\\u0063opy\"]";
    struct doc d;

    assert_ok(json_parse(str_from(text), &a, &d, NULL, &err), &err);
    assert_ptr_equal(d.items[0].s.p, text + 2);
    assert_str_equal(d.items[1].s, "copy");
}

static void test_errors_have_the_texts_of_go(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "unexpected end of JSON input"},
        {"  ", "unexpected end of JSON input"},
        {"[1,", "unexpected end of JSON input"},
        {"{\"a\"", "unexpected end of JSON input"},
        {"\"abc", "unexpected end of JSON input"},
        {"\"abc\\", "unexpected end of JSON input"},
        {"\"\\u12", "unexpected end of JSON input"},
        {"tru", "unexpected end of JSON input"},
        {"-", "unexpected end of JSON input"},
        {"1.", "unexpected end of JSON input"},
        {"1e+", "unexpected end of JSON input"},
        {"x", "invalid character 'x' looking for beginning of value"},
        {"[,]", "invalid character ',' looking for beginning of value"},
        {"[1,]", "invalid character ']' looking for beginning of value"},
        {"{'a':1}", "invalid character '\\'' looking for beginning of object key string"},
        {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
        {"{\"a\" 1}", "invalid character '1' after object key"},
        {"{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair"},
        {"[1 2]", "invalid character '2' after array element"},
        {"{}x", "invalid character 'x' after top-level value"},
        {"01", "invalid character '1' after top-level value"},
        {"1 // x", "invalid character '/' after top-level value"},
        {"\"a\nb\"", "invalid character '\\n' in string literal"},
        {"\"\\x\"", "invalid character 'x' in string escape code"},
        {"\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"},
        {"-x", "invalid character 'x' in numeric literal"},
        {"1.x", "invalid character 'x' after decimal point in numeric literal"},
        {"1ex", "invalid character 'x' in exponent of numeric literal"},
        {"trux", "invalid character 'x' in literal true (expecting 'e')"},
        {"nul]", "invalid character ']' in literal null (expecting 'l')"},
        {"\xff", "invalid character '\xc3\xbf' looking for beginning of value"},
        {"\x01", "invalid character '\\x01' looking for beginning of value"},
        {"[1e999]", "json: cannot unmarshal number 1e999 into Go value of type float64"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d;

        assert_int_equal(json_parse(str_from(cases[i].text), &a, &d, NULL, &err), ERR_PARSE);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static int parse_nested(const char *open, const char *close, int depth, struct err *err)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct doc d;

    for (int i = 0; i < depth; i++)
        buf_puts(&b, open);
    buf_putc(&b, '1');
    for (int i = 0; i < depth; i++)
        buf_puts(&b, close);
    return json_parse(buf_view(&b), &a, &d, NULL, err);
}

static void test_depth_is_limited(void **state)
{
    struct err err = {0};

    assert_ok(parse_nested("[", "]", DOC_DEPTH_MAX, &err), &err);
    assert_ok(parse_nested("{\"a\":", "}", DOC_DEPTH_MAX, &err), &err);
    assert_int_equal(parse_nested("[", "]", DOC_DEPTH_MAX + 1, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "exceeded max depth");
    assert_int_equal(parse_nested("{\"a\":[", "]}", 1000000, &err), ERR_TOO_LARGE);
}

static void test_nodes_are_limited(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct doc d;

    buf_putc(&b, '[');
    for (int i = 0; i < DOC_NODES_MAX; i++)
        buf_puts(&b, "0,");
    buf_puts(&b, "0]");
    assert_int_equal(json_parse(buf_view(&b), &a, &d, NULL, &err), ERR_TOO_LARGE);
}

static void test_duplicates_are_reported_and_the_last_wins(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct json_dup *dups = NULL;
    struct doc d;

    assert_ok(json_parse(STR("{\"kind\":1,\"spec\":{\"c\":[{\"n\":1},{\"n\":1,\"m\":0,\"n\":2,"
                             "\"n\":3}]},\"kind\":2,\"z\":0}"),
                         &a, &d, &dups, &err),
              &err);
    assert_str_equal(json_to_str(&a, &d),
                     "{\"kind\":2,\"spec\":{\"c\":[{\"n\":1},{\"n\":3,\"m\":0}]},\"z\":0}");
    assert_string_equal(dups->path, "spec.c[1].n");
    assert_string_equal(dups->next->path, "kind");
    assert_null(dups->next->next);
    assert_ok(json_parse(STR("{\"a\":1}"), &a, &d, &dups, &err), &err);
    assert_null(dups);
}

static void test_large_objects_find_duplicates_fast(void **state)
{
    enum { N = 200000 };
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct json_dup *dups = NULL;
    struct doc d;
    unsigned n_dups = 0;

    buf_putc(&b, '{');
    for (int i = 0; i < N; i++)
        buf_printf(&b, "\"key%d\":%d,", i, i);
    for (int i = 0; i < 500; i++)
        buf_printf(&b, "\"key%d\":%d,", i * 2, -i);
    buf_puts(&b, "\"last\":0}");
    assert_ok(json_parse(buf_view(&b), &a, &d, &dups, &err), &err);
    assert_int_equal(d.n, N + 1);
    assert_int_equal(d.members[2].value.i, -1);
    assert_int_equal(d.members[3].value.i, 3);
    assert_str_equal(d.members[N].key, "last");
    for (; dups; dups = dups->next)
        n_dups++;
    assert_int_equal(n_dups, 100);
}

static void test_pretty_is_indented(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct doc d;

    assert_ok(json_parse(STR("{\"a\":[1,{}],\"b\":{\"c\":[]}}"), &a, &d, NULL, &err), &err);
    json_write_pretty(&b, &d);
    assert_string_equal(buf_cstr(&b), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n"
                                      "    \"c\": []\n  }\n}");
    buf_reset(&b);
    json_write_indent(&b, &d.members[1].value, 4);
    assert_string_equal(buf_cstr(&b), "{\n    \"c\": []\n}");
}

/* Every written double reads back as itself. */
static void test_doubles_survive(void **state)
{
    uint64_t bits = 0x9e3779b97f4a7c15u;

    for (int i = 0; i < 20000; i++) {
        auto_buf b = {0};
        double d, back;

        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&d, &bits, sizeof(d));
        if (!isfinite(d))
            continue;
        json_write_double(&b, d);
        back = strtod(buf_cstr(&b), NULL);
        assert_memory_equal(&back, &d, sizeof(d));
    }
}

static void test_go_quote(void **state)
{
    auto_buf b = {0};

    json_go_quote(&b,
                  STR("a\"b\\\a\b\f\n\r\t\v\x01\x7f\xff\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80'<"));
    assert_string_equal(buf_cstr(&b), "\"a\\\"b\\\\\\a\\b\\f\\n\\r\\t\\v\\x01\\x7f\\xff\xc3\xa9"
                                      "\\u2028\xf0\x9f\x98\x80'<\"");
}

/* Each ASCII character at each place of a long string, beside the table of what is escaped. */
static void test_every_character_is_escaped_everywhere(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 0x80; c++) {
        char want[8];
        size_t n_want;

        (void)snprintf(want, sizeof(want), c < 0x20 || strchr("<>&", (int)c) ? "\\u%04x" : "%c", c);
        for (size_t i = 0; i < 7; i++)
            if (c == (unsigned)"\b\f\n\r\t\"\\"[i])
                (void)snprintf(want, sizeof(want), "\\%c", "bfnrt\"\\"[i]);
        n_want = strlen(want);
        for (size_t at = 0; at < 40; at++) {
            auto_buf out = {0};
            char text[40];

            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            json_write_string(&out, (struct str){text, sizeof(text)});
            assert_int_equal(out.len, sizeof(text) - 1 + n_want + 2);
            assert_memory_equal(out.p + 1 + at, want, n_want);
            assert_true(out.p[0] == '"' && out.p[out.len - 1] == '"');
            for (size_t i = 1; i + 1 < out.len; i++)
                assert_true((i > at && i <= at + n_want) || out.p[i] == 'x');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character_is_escaped_everywhere),
        cmocka_unit_test(test_values_read_and_write_back),
        cmocka_unit_test(test_strings_without_escapes_are_views),
        cmocka_unit_test(test_errors_have_the_texts_of_go),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_nodes_are_limited),
        cmocka_unit_test(test_duplicates_are_reported_and_the_last_wins),
        cmocka_unit_test(test_large_objects_find_duplicates_fast),
        cmocka_unit_test(test_pretty_is_indented),
        cmocka_unit_test(test_doubles_survive),
        cmocka_unit_test(test_go_quote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
