/* Tests of base64. */
#include "codec/base64.h"
#include "test.h"

static const struct {
    const char *bytes, *std, *url;
} pairs[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void test_pairs_encode_and_decode(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        auto_arena a = {0};
        auto_buf b = {0};
        struct err err = {0};
        struct str bytes;

        base64_write(&b, str_from(pairs[i].bytes));
        assert_string_equal(buf_cstr(&b), pairs[i].std);
        buf_reset(&b);
        base64url_write(&b, str_from(pairs[i].bytes));
        assert_string_equal(buf_cstr(&b), pairs[i].url);
        assert_ok(base64_decode(str_from(pairs[i].std), &a, &bytes, &err), &err);
        assert_str_equal(bytes, pairs[i].bytes);
        assert_ok(base64url_decode(str_from(pairs[i].url), &a, &bytes, &err), &err);
        assert_str_equal(bytes, pairs[i].bytes);
    }
}

static void test_newlines_are_ignored(void **state)
{
    auto_arena a = {0};
    struct err err = {0};
    struct str bytes;

    assert_ok(base64_decode(STR("Zm9v\r\nYg=\n=\n"), &a, &bytes, &err), &err);
    assert_str_equal(bytes, "foob");
}

static void test_bad_text_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        bool url;
        const char *message;
    } cases[] = {
        {"Zg=", false, "illegal base64 data at input byte 3"},
        {"Zg", false, "illegal base64 data at input byte 0"},
        {"Zm9vZ", false, "illegal base64 data at input byte 4"},
        {"Z=g=", false, "illegal base64 data at input byte 1"},
        {"Zg==x", false, "illegal base64 data at input byte 4"},
        {"Zg=x", false, "illegal base64 data at input byte 2"},
        {"====", false, "illegal base64 data at input byte 0"},
        {"AAA=AAAA", false, "illegal base64 data at input byte 4"},
        {"AAAAAA=", false, "illegal base64 data at input byte 7"},
        {"YWJjZA=====", false, "illegal base64 data at input byte 8"},
        {"A!\n", false, "illegal base64 data at input byte 1"},
        {"Z!==", false, "illegal base64 data at input byte 1"},
        {"-__-", false, "illegal base64 data at input byte 0"},
        {"Zg==", true, "illegal base64 data at input byte 2"},
        {"+//+", true, "illegal base64 data at input byte 0"},
        {"Z", true, "illegal base64 data at input byte 0"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct str bytes, text = str_from(cases[i].text);
        int r = cases[i].url ? base64url_decode(text, &a, &bytes, &err)
                             : base64_decode(text, &a, &bytes, &err);

        assert_int_equal(r, ERR_INVALID);
        assert_string_equal(err.msg, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_encode_and_decode),
        cmocka_unit_test(test_newlines_are_ignored),
        cmocka_unit_test(test_bad_text_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
