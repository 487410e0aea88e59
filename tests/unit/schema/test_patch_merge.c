/* test_patch_merge.c - JSON merge patches: the examples of RFC 7386 and some more. */
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

static void test_merge_patches(void **state)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{\"a\":1}", "{\"a\":{\"b\":{\"c\":2}}}", "{\"a\":{\"b\":{\"c\":2}}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = parse(&a, cases[i][0]), patch = parse(&a, cases[i][1]);

        assert_ok(patch_merge(&a, &d, &patch, &err), &err);
        assert_str_equal(json_to_str(&a, &d), cases[i][2]);
        assert_str_equal(json_to_str(&a, &patch), cases[i][1]); /* the patch stays as it was */
    }
}

static void test_patch_must_be_an_object(void **state)
{
    static const char *const cases[][2] = {
        {"[]", "array"}, {"\"x\"", "string"}, {"1", "number"}, {"1.5", "number"}, {"true", "bool"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = doc_object(), patch = parse(&a, cases[i][0]);
        struct str want =
            str_printf(&a,
                       "error decoding patch: json: cannot unmarshal %s into Go value "
                       "of type map[string]interface {}",
                       cases[i][1]);

        assert_int_equal(patch_merge(&a, &d, &patch, &err), ERR_BAD_REQUEST);
        assert_str_equal(want, err.msg);
    }
}

static void test_large_objects_take_no_time(void **state)
{
    auto_arena a = {0};
    auto_buf object = {0}, patch = {0};
    struct err err = {0};
    struct doc d, p;

    for (int i = 0; i < 50000; i++) {
        buf_printf(&object, "%s\"k%d\":1", i ? "," : "{", i);
        buf_printf(&patch, "%s\"k%d\":%s", i ? "," : "{", i + 25000, i % 2 ? "null" : "2");
    }
    buf_putc(&object, '}');
    buf_putc(&patch, '}');
    d = parse(&a, buf_cstr(&object));
    p = parse(&a, buf_cstr(&patch));
    assert_ok(patch_merge(&a, &d, &p, &err), &err);
    assert_int_equal(d.n, 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_patches),
        cmocka_unit_test(test_patch_must_be_an_object),
        cmocka_unit_test(test_large_objects_take_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
