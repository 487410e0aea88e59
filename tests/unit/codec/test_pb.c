/* Tests of the protobuf wire format. */
#include "codec/pb.h"
#include "test.h"

static struct pb_field read_one(struct pb_reader *r)
{
    struct pb_field f = {0};
    struct err err = {0};

    if (pb_next(r, &f, &err) != 1)
        fail_msg("%s", err.msg);
    return f;
}

static void test_written_fields_read_back(void **state)
{
    auto_buf b = {0};
    struct pb_reader r;
    struct pb_field f;
    struct err err = {0};

    pb_put_uint(&b, 1, 300);
    pb_put_uint(&b, 2, UINT64_MAX);
    pb_put_bytes(&b, 3, STR("abc"));
    pb_put_double(&b, 536870911, 1.5);
    r = pb_reader(buf_view(&b));
    f = read_one(&r);
    assert_int_equal(f.number, 1);
    assert_int_equal(f.wire, PB_VARINT);
    assert_int_equal(f.varint, 300);
    f = read_one(&r);
    assert_true(f.varint == UINT64_MAX);
    f = read_one(&r);
    assert_int_equal(f.wire, PB_BYTES);
    assert_str_equal(f.bytes, "abc");
    f = read_one(&r);
    assert_int_equal(f.number, 536870911);
    assert_true(f.varint == 0x3ff8000000000000u);
    assert_int_equal(pb_next(&r, &f, &err), 0);
}

static void test_nested_message_gets_its_length(void **state)
{
    auto_buf b = {0};
    size_t outer, inner;

    outer = pb_begin(&b, 1);
    inner = pb_begin(&b, 2);
    for (int i = 0; i < 100; i++)
        pb_put_uint(&b, 1, 1);
    pb_end(&b, inner);
    pb_end(&b, outer);
    assert_int_equal(b.len, 2 + 1 + 1 + 2 + 200);
    assert_memory_equal(b.p, "\x0a\xcb\x01\x12\xc8\x01\x08\x01", 8);
    buf_reset(&b);
    pb_end(&b, pb_begin(&b, 3));
    assert_int_equal(b.len, 2);
    assert_memory_equal(b.p, "\x1a\x00", 2);
}

static void test_full_buffer_overflows_quietly(void **state)
{
    auto_buf b = {.limit_bytes = 8};
    size_t mark = pb_begin(&b, 1);

    pb_put_bytes(&b, 2, STR("0123456789"));
    pb_end(&b, mark);
    assert_true(b.overflow);
}

static void test_bad_input_is_refused(void **state)
{
    static const struct {
        struct str bytes;
        const char *message;
    } cases[] = {
        {STR_INIT("\x08"), "proto: unexpected EOF"},
        {STR_INIT("\x08\x80"), "proto: unexpected EOF"},
        {STR_INIT("\x0a\x05xyz"), "proto: unexpected EOF"},
        {STR_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"), "proto: unexpected EOF"},
        {STR_INIT("\x0d\x01\x02\x03"), "proto: unexpected EOF"},
        {STR_INIT("\x09\x01"), "proto: unexpected EOF"},
        {STR_INIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "proto: integer overflow"},
        {STR_INIT("\x00\x01"), "proto: illegal tag 0 (wire type 0)"},
        {STR_INIT("\x80\x80\x80\x80\x10\x01"), "proto: illegal tag 536870912 (wire type 0)"},
        {STR_INIT("\x0b"), "proto: illegal wireType 3"},
        {STR_INIT("\x0c"), "proto: illegal wireType 4"},
        {STR_INIT("\x0e"), "proto: illegal wireType 6"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pb_reader r = pb_reader(cases[i].bytes);
        struct pb_field f;
        struct err err = {0};

        assert_int_equal(pb_next(&r, &f, &err), ERR_PARSE);
        assert_string_equal(err.msg, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_fields_read_back),
        cmocka_unit_test(test_nested_message_gets_its_length),
        cmocka_unit_test(test_full_buffer_overflows_quietly),
        cmocka_unit_test(test_bad_input_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
