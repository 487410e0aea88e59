/* test_patch_json.c - JSON patches: results, error texts and limits. */
#include "base/buf.h"
#include "codec/json.h"
#include "schema/patch.h"
#include "test.h"

static struct doc parse(struct arena *a, const char *text)
{
    struct err err = {0};
    struct doc d;

    assert_ok(json_parse(str_from(text), a, &d, NULL, &err), &err);
    return d;
}

#define OP(op, path, more) "[{\"op\":\"" op "\",\"path\":\"" path "\"" more "}]"
#define VALUE(v)           ",\"value\":" v
#define FROM(f)            ",\"from\":\"" f "\""

static void test_operations(void **state)
{
    static const char *const cases[][3] = {
        {"{\"a\":1}", "[]", "{\"a\":1}"},
        {"{\"a\":1}", OP("add", "/b", VALUE("{\"c\":2}")), "{\"a\":1,\"b\":{\"c\":2}}"},
        {"{\"a\":1}", OP("add", "/a", VALUE("2")), "{\"a\":2}"},
        {"{\"a\":1}", OP("add", "/b", ""), "{\"a\":1,\"b\":null}"},
        {"{\"l\":[1,2]}", OP("add", "/l/0", VALUE("0")), "{\"l\":[0,1,2]}"},
        {"{\"l\":[1,2]}", OP("add", "/l/2", VALUE("3")), "{\"l\":[1,2,3]}"},
        {"{\"l\":[1,2]}", OP("add", "/l/-", VALUE("3")), "{\"l\":[1,2,3]}"},
        {"{\"l\":[1,2]}", OP("add", "/l/-1", VALUE("3")), "{\"l\":[1,2,3]}"},
        {"{\"l\":[1,2]}", OP("add", "/l/-3", VALUE("3")), "{\"l\":[3,1,2]}"},
        {"{\"a/b\":{\"~\":1}}", OP("replace", "/a~1b/~0", VALUE("2")), "{\"a/b\":{\"~\":2}}"},
        {"{\"~1\":1}", OP("remove", "/~01", ""), "{}"},
        {"{\"\":1}", OP("replace", "/", VALUE("2")), "{\"\":2}"},
        {"{\"a\":1}", OP("remove", "/a", ""), "{}"},
        {"{\"l\":[1,2,3]}", OP("remove", "/l/1", ""), "{\"l\":[1,3]}"},
        {"{\"l\":[1,2,3]}", OP("remove", "/l/-1", ""), "{\"l\":[1,2]}"},
        {"{\"a\":1}", OP("replace", "/a", VALUE("\"x\"")), "{\"a\":\"x\"}"},
        {"{\"a\":1}", OP("replace", "/b", VALUE("2")), "{\"a\":1,\"b\":2}"},
        {"{\"a\":1}", OP("replace", "", VALUE("{\"z\":1}")), "{\"z\":1}"},
        {"{\"l\":[1,2]}", OP("replace", "/l/1", VALUE("{}")), "{\"l\":[1,{}]}"},
        {"{\"a\":{\"x\":1}}", OP("move", "/b", FROM("/a/x")), "{\"a\":{},\"b\":1}"},
        {"{\"l\":[1,2,3]}", OP("move", "/l/0", FROM("/l/2")), "{\"l\":[3,1,2]}"},
        {"{\"a\":{\"x\":1}}", OP("copy", "/b", FROM("/a")), "{\"a\":{\"x\":1},\"b\":{\"x\":1}}"},
        {"{\"a\":1}", OP("copy", "/b", FROM("/gone")), "{\"a\":1,\"b\":null}"},
        {"{\"a\":{\"x\":[1,2]}}", OP("test", "/a", VALUE("{\"x\":[1,2]}")),
         "{\"a\":{\"x\":[1,2]}}"},
        {"{\"a\":null}", OP("test", "/a", VALUE("null")), "{\"a\":null}"},
        {"{\"a\":1}", OP("test", "/b", VALUE("null")), "{\"a\":1}"},
        {"{\"a\":1}", OP("test", "/b", ""), "{\"a\":1}"},
        {"{\"a\":1}", OP("test", "", VALUE("{\"a\":1}")), "{\"a\":1}"},
        {"{\"a\":1}", OP("remove", "ignored/a", ""), "{}"},
        /* a copy shares nothing with its source */
        {"{\"a\":{\"x\":1}}",
         "[{\"op\":\"copy\",\"path\":\"/b\",\"from\":\"/a\"},"
         "{\"op\":\"add\",\"path\":\"/b/y\",\"value\":2},"
         "{\"op\":\"remove\",\"path\":\"/a/x\"}]",
         "{\"a\":{},\"b\":{\"x\":1,\"y\":2}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = parse(&a, cases[i][0]), patch = parse(&a, cases[i][1]);

        if (patch_json(&a, &d, &patch, &err) < 0)
            fail_msg("%s: %s", cases[i][1], err.msg);
        assert_str_equal(json_to_str(&a, &d), cases[i][2]);
        assert_str_equal(json_to_str(&a, &patch), cases[i][1]); /* the patch stays as it was */
    }
}

static void test_failures_say_why(void **state)
{
    static const char *const cases[][3] = {
        {"{}", OP("add", "", VALUE("1")),
         "add operation does not apply: doc is missing path: \"\": missing value"},
        {"{}", OP("add", "/a/b", VALUE("1")),
         "add operation does not apply: doc is missing path: \"/a/b\": missing value"},
        {"{\"a\":1}", OP("add", "/a/b", VALUE("1")),
         "add operation does not apply: doc is missing path: \"/a/b\": missing value"},
        {"{\"l\":[]}", OP("add", "/l/1", VALUE("1")),
         "error in add for path: '/l/1': Unable to access invalid index: 1: invalid index "
         "referenced"},
        {"{\"l\":[]}", OP("add", "/l/-2", VALUE("1")),
         "error in add for path: '/l/-2': Unable to access invalid index: -2: invalid index "
         "referenced"},
        {"{\"l\":[]}", OP("add", "/l/x", VALUE("1")),
         "error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: "
         "parsing \"x\": invalid syntax"},
        {"{\"l\":[]}", OP("remove", "/l/99999999999999999999", ""),
         "error in remove for path: '/l/99999999999999999999': strconv.Atoi: parsing "
         "\"99999999999999999999\": value out of range"},
        {"{\"l\":[1]}", OP("remove", "/l/1", ""),
         "error in remove for path: '/l/1': Unable to access invalid index: 1: invalid index "
         "referenced"},
        {"{}", OP("remove", "/a", ""),
         "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value"},
        {"{}", OP("remove", "/a/b", ""),
         "remove operation does not apply: doc is missing path: \"/a/b\": missing value"},
        {"{\"l\":[1]}", OP("replace", "/l/1", VALUE("1")),
         "replace operation does not apply: doc is missing key: /l/1: missing value"},
        {"{}", OP("replace", "/a/b", VALUE("1")),
         "replace operation does not apply: doc is missing path: /a/b: missing value"},
        {"{}", OP("replace", "", VALUE("1")), "replace operation value must be object or array"},
        {"{}", OP("move", "/b", FROM("/a")),
         "error in move for path: 'a': Unable to remove nonexistent key: a: missing value"},
        {"{}", OP("move", "/b", FROM("/a/c")),
         "move operation does not apply: doc is missing from path: /a/c: missing value"},
        {"{\"a\":{\"b\":1}}", OP("move", "/a/c", FROM("/a")),
         "move operation does not apply: doc is missing destination path: /a/c: missing value"},
        {"{}", OP("move", "/b", ""),
         "move operation failed to decode from: operation, missing from field: missing value"},
        {"{\"a\":1}", OP("copy", "/x/y", FROM("/a")),
         "copy operation does not apply: doc is missing destination path: /x/y: missing value"},
        {"{\"l\":[]}", OP("copy", "/b", FROM("/l/0")),
         "error in copy for from: '/l/0': Unable to access invalid index: 0: invalid index "
         "referenced"},
        {"{\"a\":1}", OP("test", "/a", VALUE("2")), "testing value /a failed: test failed"},
        {"{\"a\":1}", OP("test", "/a", ""), "testing value /a failed: test failed"},
        {"{\"a\":1}", OP("test", "/a/b", VALUE("2")),
         "test operation does not apply: is missing path: /a/b: missing value"},
        {"{\"l\":[]}", OP("test", "/l/0", VALUE("2")),
         "error in test for path: '/l/0': Unable to access invalid index: 0: invalid index "
         "referenced"},
        {"{}", OP("merge", "/a", ""), "Unexpected kind: merge"},
        {"{}", "[{\"path\":\"/a\"}]", "Unexpected kind: unknown"},
        {"{}", "[{\"op\":\"add\"}]", "add operation failed to decode path: missing value"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = parse(&a, cases[i][0]), patch = parse(&a, cases[i][1]);

        assert_int_equal(patch_json(&a, &d, &patch, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i][2]);
    }
}

static void test_malformed_patches_are_bad_requests(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
        {"[1]", "json: cannot unmarshal number into Go value of type jsonpatch.Operation"},
        {"[true]", "json: cannot unmarshal bool into Go value of type jsonpatch.Operation"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = doc_object(), patch = parse(&a, cases[i][0]);

        assert_int_equal(patch_json(&a, &d, &patch, &err), ERR_BAD_REQUEST);
        assert_string_equal(err.msg, cases[i][1]);
    }
}

static void repeat(struct buf *b, const char *op, int n)
{
    buf_reset(b);
    for (int i = 0; i < n; i++)
        buf_printf(b, "%c%s", i ? ',' : '[', op);
    buf_putc(b, ']');
}

static int run(const char *object, struct buf *patch_text, struct err *err)
{
    auto_arena a = {0};
    struct doc d = parse(&a, object), patch = parse(&a, buf_cstr(patch_text));

    return patch_json(&a, &d, &patch, err);
}

static void test_operations_are_counted(void **state)
{
    auto_buf b = {0};
    struct err err = {0};

    repeat(&b, "{\"op\":\"test\",\"path\":\"/a\",\"value\":1}", 10000);
    assert_ok(run("{\"a\":1}", &b, &err), &err);
    repeat(&b, "{\"op\":\"test\",\"path\":\"/a\",\"value\":1}", 10001);
    assert_int_equal(run("{\"a\":1}", &b, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "Request entity too large: The allowed maximum operations in a "
                                 "JSON patch is 10000, got 10001");
}

static void test_copies_may_not_grow_without_bound(void **state)
{
    auto_buf b = {0};
    struct err err = {0};

    repeat(&b, "{\"op\":\"copy\",\"path\":\"/l/-\",\"from\":\"/l\"}", 40);
    assert_int_equal(run("{\"l\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}", &b, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.msg, "exceeding the limit 3145728"));
}

static void test_nesting_is_bounded(void **state)
{
    auto_buf b = {0};
    struct err err = {0};

    /* each step puts the whole into itself: the depth doubles */
    repeat(&b, "{\"op\":\"copy\",\"path\":\"/a/a\",\"from\":\"/a\"}", 1);
    assert_ok(run("{\"a\":{\"a\":{}}}", &b, &err), &err);
    buf_reset(&b);
    buf_putc(&b, '[');
    for (int i = 0; i < 600; i++)
        buf_printf(&b,
                   "%s{\"op\":\"add\",\"path\":\"/n\",\"value\":{}},"
                   "{\"op\":\"move\",\"path\":\"/n/a\",\"from\":\"/a\"},"
                   "{\"op\":\"move\",\"path\":\"/a\",\"from\":\"/n\"}",
                   i ? "," : "");
    buf_putc(&b, ']');
    assert_int_equal(run("{\"a\":{}}", &b, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "Request entity too large: the patched object is too deep");
}

static void test_work_is_bounded(void **state)
{
    auto_buf object = {0}, b = {0};
    struct err err = {0};

    buf_puts(&object, "{\"l\":[0");
    for (int i = 0; i < 100000; i++)
        buf_puts(&object, ",0");
    buf_puts(&object, "]}");
    repeat(&b, "{\"op\":\"add\",\"path\":\"/l/0\",\"value\":1}", 10000);
    assert_int_equal(run(buf_cstr(&object), &b, &err), ERR_TOO_LARGE);
    assert_string_equal(err.msg, "Request entity too large: the JSON patch is too much work");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_failures_say_why),
        cmocka_unit_test(test_malformed_patches_are_bad_requests),
        cmocka_unit_test(test_operations_are_counted),
        cmocka_unit_test(test_copies_may_not_grow_without_bound),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_work_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
