/* test_websocket_frame.c - the frames of RFC 6455, among them its own examples (5.7). */
#include "net/websocket_frame.h"
#include "net/websocket_internal.h"
#include "test.h"

static long read_bytes(const void *bytes, size_t n, bool masked, struct arena *a,
                       struct websocket_frame *f)
{
    return websocket_frame_read(arena_memdupz(a, bytes, n), n, masked, f, NULL);
}

static void test_examples_of_the_standard(void **state)
{
    auto_arena a = {0};
    struct websocket_frame f;

    (void)state;
    assert_int_equal(read_bytes("\x81\x05Hello", 7, false, &a, &f), 7);
    assert_true(f.fin);
    assert_int_equal(f.op, WS_TEXT);
    assert_str_equal(f.payload, "Hello");
    assert_int_equal(read_bytes("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, true, &a, &f),
                     11);
    assert_str_equal(f.payload, "Hello");
    assert_int_equal(read_bytes("\x01\x03Hel\x80\x02lo", 9, false, &a, &f), 5);
    assert_false(f.fin);
    assert_str_equal(f.payload, "Hel");
    assert_int_equal(read_bytes("\x80\x02lo", 4, false, &a, &f), 4);
    assert_int_equal(f.op, WS_CONTINUATION);
}

static void test_partial_frames_wait(void **state)
{
    static const char frame[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    auto_arena a = {0};
    struct websocket_frame f;

    (void)state;
    for (size_t n = 0; n < 11; n++)
        assert_int_equal(read_bytes(frame, n, true, &a, &f), 0);
}

static void test_what_is_written_can_be_read(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, WS_FRAME_MAX};
    static const uint8_t mask[4] = {1, 2, 3, 250};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
        size_t n = sizes[i / 2];
        bool masked = i % 2;
        char *frame = xcalloc(1, n + WS_HEAD_MAX);
        size_t head = websocket_frame_head(frame, WS_BINARY, n, masked ? mask : NULL);
        struct websocket_frame f;

        memset(frame + head, 'x', n);
        if (masked) { /* in two pieces */
            websocket_mask(frame + head, n / 3, mask, 0);
            websocket_mask(frame + head + n / 3, n - n / 3, mask, n / 3);
        }
        assert_int_equal(websocket_frame_read(frame, head + n, masked, &f, NULL), head + n);
        assert_int_equal(f.payload.len, n);
        for (size_t k = 0; k < n; k++)
            assert_true(f.payload.p[k] == 'x');
        free(frame);
    }
}

static void test_bad_frames_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool masked;
        long want;
    } cases[] = {
        {"\x81\x05Hello", 7, true, ERR_PARSE},   /* the client must mask */
        {"\x81\x85\0\0\0\0Hello", 11, false, ERR_PARSE}, /* the server must not */
        {"\xc1\x00", 2, false, ERR_PARSE},       /* reserved bits */
        {"\x83\x00", 2, false, ERR_PARSE},       /* reserved codes */
        {"\x8b\x00", 2, false, ERR_PARSE},
        {"\x09\x00", 2, false, ERR_PARSE},       /* a ping in parts */
        {"\x89\x7e\x00\x7e", 4, false, ERR_PARSE}, /* a long ping */
        {"\x82\x7f\0\0\0\0\0\x10\0\x01", 10, false, ERR_TOO_LARGE},
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, false, ERR_TOO_LARGE},
        {"\x82\x7f\0\0\0\0\0\x10\0\0", 10, false, 0}, /* the most there may be */
    };
    struct websocket_frame f;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};

        assert_int_equal(read_bytes(cases[i].bytes, cases[i].n, cases[i].masked, &a, &f),
                         cases[i].want);
    }
}

static void test_accept_key_of_the_standard(void **state)
{
    char accept[29];

    (void)state;
    websocket_accept_key(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept); /* RFC 6455, 1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void test_tokens_are_trimmed(void **state)
{
    auto_arena a = {0};
    struct str *p;

    (void)state;
    assert_int_equal(websocket_tokens(STR(" a, b ,,c d,"), &a, &p), 3);
    assert_str_equal(p[0], "a");
    assert_str_equal(p[1], "b");
    assert_str_equal(p[2], "c d");
    assert_int_equal(websocket_tokens(STR(""), &a, &p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_standard),
        cmocka_unit_test(test_partial_frames_wait),
        cmocka_unit_test(test_what_is_written_can_be_read),
        cmocka_unit_test(test_bad_frames_are_refused),
        cmocka_unit_test(test_accept_key_of_the_standard),
        cmocka_unit_test(test_tokens_are_trimmed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
