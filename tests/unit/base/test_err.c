/* test_err.c - error reports. */
#include "test.h"

static void test_new_and_wrap(void **state)
{
    struct err err = {0};

    assert_int_equal(err_new(&err, ERR_NOT_FOUND, "no %s", "pod"), ERR_NOT_FOUND);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.msg, "no pod");
    assert_non_null(strstr(err.file, "test_err.c"));
    assert_int_equal(err_wrap(&err, ERR_INTERNAL, "sync %d", 3), ERR_INTERNAL);
    assert_string_equal(err.msg, "sync 3: no pod");
    assert_int_equal(err.code, ERR_NOT_FOUND); /* the origin's */
    assert_int_equal(err_new(NULL, ERR_IO, "dropped"), ERR_IO);
    assert_int_equal(err_wrap(NULL, ERR_IO, "dropped"), ERR_IO);
}

static void test_wrap_of_nothing(void **state)
{
    struct err err = {0};

    assert_int_equal(err_wrap(&err, ERR_IO, "read"), ERR_IO);
    assert_string_equal(err.msg, "read");
    assert_int_equal(err.code, ERR_IO);
}

static void test_message_may_quote_itself(void **state)
{
    struct err err = {0};

    (void)err_new(&err, ERR_IO, "disk");
    (void)err_new(&err, ERR_IO, "first %s then %s", err.msg, err.msg);
    assert_string_equal(err.msg, "first disk then disk");
    (void)err_wrap(&err, ERR_IO, "(%s)", err.msg);
    assert_string_equal(err.msg, "(first disk then disk): first disk then disk");
}

static void test_truncation_keeps_utf8_whole(void **state)
{
    static const char *const letters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    struct err err = {0};
    char text[700];

    for (size_t k = 0; k < ARRAY_LEN(letters); k++) {
        size_t width = strlen(letters[k]);

        for (size_t shift = 0; shift < 4; shift++) {
            size_t at = shift, kept;

            memset(text, 'x', shift);
            for (; at + width < sizeof(text); at += width)
                memcpy(text + at, letters[k], width);
            text[at] = '\0';
            (void)err_new(&err, ERR_IO, "%s", text);
            kept = shift + (sizeof(err.msg) - 1 - shift) / width * width;
            assert_int_equal(strlen(err.msg), kept);
            (void)err_wrap(&err, ERR_IO, "%s", "w");
            assert_true(strlen(err.msg) > sizeof(err.msg) - 1 - width);
        }
    }
}

static void test_http(void **state)
{
    assert_int_equal(err_http_status(ERR_CONFLICT), 409);
    assert_int_equal(err_http_status(12345), 500);
    assert_string_equal(err_reason(ERR_EXISTS), "AlreadyExists");
    assert_string_equal(err_reason(1), "InternalError");
    assert_int_equal(err_from_http(409, "AlreadyExists"), ERR_EXISTS);
    assert_int_equal(err_from_http(409, "Conflict"), ERR_CONFLICT);
    assert_int_equal(err_from_http(404, "NotFound"), ERR_NOT_FOUND);
    assert_int_equal(err_from_http(404, NULL), ERR_NOT_FOUND);
    assert_int_equal(err_from_http(410, "Gone"), ERR_EXPIRED);
    assert_int_equal(err_from_http(400, "BadRequest"), ERR_BAD_REQUEST);
    assert_int_equal(err_from_http(500, "InternalError"), ERR_INTERNAL);
    assert_int_equal(err_from_http(418, "Teapot"), ERR_INTERNAL);
#define X(name, num, http, reason)                                                                 \
    assert_int_equal(ERR_##name, -(num));                                                          \
    assert_int_equal(err_http_status(ERR_##name), (http));                                         \
    assert_string_equal(err_reason(ERR_##name), (reason));
    ERR_CODES(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_and_wrap),
        cmocka_unit_test(test_wrap_of_nothing),
        cmocka_unit_test(test_message_may_quote_itself),
        cmocka_unit_test(test_truncation_keeps_utf8_whole),
        cmocka_unit_test(test_http),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
