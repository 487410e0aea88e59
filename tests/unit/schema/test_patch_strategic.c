/* test_patch_strategic.c - strategic merge patches on a small type with every kind of field. */
#include "codec/json.h"
#include "patch_types.h"
#include "schema/patch.h"
#include "test.h"

static struct doc parse(struct arena *a, const char *text)
{
    struct err err = {0};
    struct doc d;

    assert_ok(json_parse(str_from(text), a, &d, NULL, &err), &err);
    return d;
}

struct good {
    const char *object, *patch, *result;
};

static void check(const struct good *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = parse(&a, cases[i].object), patch = parse(&a, cases[i].patch);
        struct str before = json_to_str(&a, &patch);

        if (patch_strategic(&a, &thing_type, &d, &patch, &err) < 0)
            fail_msg("%s: %s", cases[i].patch, err.msg);
        assert_str_equal(json_to_str(&a, &d), cases[i].result);
        assert_true(str_eq(before, json_to_str(&a, &patch))); /* the patch stays as it was */
    }
}

static void test_objects_merge_and_null_deletes(void **state)
{
    static const struct good cases[] = {
        {"{\"n\":1}", "{}", "{\"n\":1}"},
        {"{\"n\":1}", "{\"n\":2}", "{\"n\":2}"},
        {"{\"n\":1}", "{\"n\":null,\"gone\":null}", "{}"},
        {"{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"labels\":{\"b\":null,\"c\":\"3\"}}",
         "{\"labels\":{\"a\":\"1\",\"c\":\"3\"}}"},
        {"{}", "{\"labels\":{\"a\":\"1\",\"b\":null}}", "{\"labels\":{\"a\":\"1\"}}"},
        {"{\"labels\":[]}", "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"a\":\"1\"}}"},
        {"{\"raw\":{\"x\":[1,2],\"y\":1}}", "{\"raw\":{\"x\":[3],\"z\":{}}}",
         "{\"raw\":{\"x\":[3],\"y\":1,\"z\":{}}}"},
        {"{\"byName\":{\"a\":{\"name\":\"x\",\"env\":[{\"name\":\"e\"}]}}}",
         "{\"byName\":{\"a\":{\"env\":[{\"name\":\"f\"}]}}}",
         "{\"byName\":{\"a\":{\"name\":\"x\",\"env\":[{\"name\":\"f\"},{\"name\":\"e\"}]}}}"},
    };

    check(cases, ARRAY_LEN(cases));
}

static void test_directives_on_objects(void **state)
{
    static const struct good cases[] = {
        {"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"replace\",\"b\":\"2\"}}",
         "{\"labels\":{\"b\":\"2\"}}"},
        {"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"delete\"}}", "{\"labels\":{}}"},
        {"{}", "{\"labels\":{\"$patch\":\"delete\"}}", "{}"},
        {"{\"n\":1}", "{\"$patch\":\"replace\",\"labels\":{}}", "{\"labels\":{}}"},
        {"{\"whole\":{\"type\":\"a\",\"rolling\":{\"x\":\"1\"}}}", "{\"whole\":{\"type\":\"b\"}}",
         "{\"whole\":{\"type\":\"b\"}}"},
        {"{\"strategy\":{\"type\":\"a\",\"rolling\":{\"x\":\"1\"}}}",
         "{\"strategy\":{\"$retainKeys\":[\"type\"],\"type\":\"b\"}}",
         "{\"strategy\":{\"type\":\"b\"}}"},
        {"{\"strategy\":{\"type\":\"a\",\"rolling\":{\"x\":\"1\"}}}",
         "{\"strategy\":{\"$retainKeys\":[\"rolling\"],\"type\":null}}",
         "{\"strategy\":{\"rolling\":{\"x\":\"1\"}}}"},
        {"{}", "{\"strategy\":{\"$retainKeys\":[\"type\"],\"type\":\"b\"}}",
         "{\"strategy\":{\"type\":\"b\"}}"},
    };

    check(cases, ARRAY_LEN(cases));
}

static void test_lists_merge_by_key(void **state)
{
    static const struct good cases[] = {
        /* in both: merged in place; new: after what the patch holds, before the rest */
        {"{\"boxes\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"1\"}]}",
         "{\"boxes\":[{\"name\":\"b\",\"image\":\"2\"}]}",
         "{\"boxes\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"2\"}]}"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[{\"name\":\"b\"}]}",
         "{\"boxes\":[{\"name\":\"b\"},{\"name\":\"a\"}]}"},
        {"{\"boxes\":[{\"name\":\"a\",\"env\":[{\"name\":\"x\",\"value\":\"1\"}]}]}",
         "{\"boxes\":[{\"name\":\"a\",\"env\":[{\"name\":\"x\",\"value\":\"2\"}],\"args\":[\"q\"]}]"
         "}",
         "{\"boxes\":[{\"name\":\"a\",\"env\":[{\"name\":\"x\",\"value\":\"2\"}],"
         "\"args\":[\"q\"]}]}"},
        /* deleting, replacing */
        {"{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}",
         "{\"boxes\":[{\"name\":\"b\",\"$patch\":\"delete\"},{\"name\":\"z\",\"$patch\":"
         "\"delete\"}]}",
         "{\"boxes\":[{\"name\":\"a\"},{\"name\":\"c\"}]}"},
        {"{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"boxes\":[{\"name\":\"c\"},{\"$patch\":\"replace\"}]}",
         "{\"boxes\":[{\"name\":\"c\"}]}"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[{\"$patch\":\"replace\"}]}",
         "{\"boxes\":[]}"},
        {"{}",
         "{\"boxes\":[{\"name\":\"a\",\"image\":null},{\"name\":\"b\",\"$patch\":"
         "\"delete\"}]}",
         "{\"boxes\":[{\"name\":\"a\"}]}"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":null}", "{}"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[]}", "{\"boxes\":[{\"name\":\"a\"}]}"},
        /* without a merge strategy the list is replaced */
        {"{\"atoms\":[{\"name\":\"a\"}]}", "{\"atoms\":[{\"name\":\"b\"}]}",
         "{\"atoms\":[{\"name\":\"b\"}]}"},
    };

    check(cases, ARRAY_LEN(cases));
}

static void test_lists_of_scalars(void **state)
{
    static const struct good cases[] = {
        {"{\"set\":[\"a\",\"b\"]}", "{\"set\":[\"c\",\"a\"]}", "{\"set\":[\"c\",\"a\",\"b\"]}"},
        {"{\"set\":[\"a\",\"b\"]}", "{\"$deleteFromPrimitiveList/set\":[\"b\",\"z\"]}",
         "{\"set\":[\"a\"]}"},
        {"{}", "{\"$deleteFromPrimitiveList/set\":[\"b\"]}", "{}"},
        {"{\"set\":[\"a\",\"b\"]}", "{\"$deleteFromPrimitiveList/set\":[\"a\"],\"set\":[\"c\"]}",
         "{\"set\":[\"c\",\"b\"]}"},
        {"{\"set\":[\"a\",\"b\",\"c\"]}",
         "{\"$setElementOrder/set\":[\"c\",\"d\",\"a\"],\"set\":[\"d\"]}",
         "{\"set\":[\"b\",\"c\",\"d\",\"a\"]}"},
    };

    check(cases, ARRAY_LEN(cases));
}

static void test_set_element_order(void **state)
{
    static const struct good cases[] = {
        {"{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}",
         "{\"$setElementOrder/boxes\":[{\"name\":\"c\"},{\"name\":\"b\"},{\"name\":\"a\"}]}",
         "{\"boxes\":[{\"name\":\"c\"},{\"name\":\"b\"},{\"name\":\"a\"}]}"},
        {"{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"$setElementOrder/boxes\":[{\"name\":\"b\"},{\"name\":\"x\"}],"
         "\"boxes\":[{\"name\":\"x\",\"image\":\"i\"}]}",
         "{\"boxes\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"x\",\"image\":\"i\"}]}"},
        {"{}",
         "{\"$setElementOrder/boxes\":[{\"name\":\"b\"},{\"name\":\"a\"}],"
         "\"boxes\":[{\"name\":\"b\"},{\"name\":\"a\"}]}",
         "{\"boxes\":[{\"name\":\"b\"},{\"name\":\"a\"}]}"},
        {"{}", "{\"$setElementOrder/boxes\":[{\"name\":\"b\"}]}", "{}"},
        /* the server's own item keeps its place before what it stood before */
        {"{\"boxes\":[{\"name\":\"s\"},{\"name\":\"a\"}]}",
         "{\"$setElementOrder/boxes\":[{\"name\":\"a\"},{\"name\":\"b\"}],"
         "\"boxes\":[{\"name\":\"b\"},{\"name\":\"z\",\"$patch\":\"delete\"}]}",
         "{\"boxes\":[{\"name\":\"s\"},{\"name\":\"a\"},{\"name\":\"b\"}]}"},
        /* directives inside what is new leave no trace */
        {"{}",
         "{\"byName\":{\"a\":{\"$setElementOrder/env\":[{\"name\":\"e\"}],"
         "\"env\":[{\"name\":\"e\"}]}}}",
         "{\"byName\":{\"a\":{\"env\":[{\"name\":\"e\"}]}}}"},
    };

    check(cases, ARRAY_LEN(cases));
}

static void test_bad_patches_say_why(void **state)
{
    static const struct {
        const char *object, *patch, *why;
    } cases[] = {
        {"{}", "[]",
         "error decoding patch: json: cannot unmarshal array into Go value of type "
         "map[string]interface {}"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[{\"image\":\"x\",\"args\":[\"p\",\"q\"]}]}",
         "map: map[args:[p q] image:x] does not contain declared merge key: name"},
        {"{\"boxes\":[{\"image\":\"i\"}]}", "{\"boxes\":[{\"name\":\"a\"}]}",
         "map: map[image:i] does not contain declared merge key: name"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[{\"$patch\":\"delete\"}]}",
         "map: map[$patch:delete] does not contain declared merge key: name"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[{\"name\":\"a\",\"$patch\":\"merge\"}]}",
         "merging lists cannot yet be specified in the patch"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[{\"name\":\"a\",\"$patch\":\"x\"}]}",
         "unknown patch type: x in map: map[$patch:x name:a]"},
        {"{\"labels\":{}}", "{\"labels\":{\"$patch\":\"merge\"}}",
         "unknown patch type: merge in map: map[$patch:merge]"},
        {"{\"boxes\":[{\"name\":\"a\"}]}", "{\"boxes\":[\"a\"]}",
         "list element types are not identical: [object string]"},
        {"{\"set\":[\"a\"]}", "{\"set\":[[\"a\"]]}", "lists of lists are not supported"},
        {"{\"keyless\":[{\"name\":\"a\"}]}", "{\"keyless\":[{\"name\":\"b\"}]}",
         "cannot merge lists without merge key for Env"},
        {"{\"strategy\":{}}", "{\"strategy\":{\"$retainKeys\":[\"x\"],\"type\":\"b\"}}",
         "invalid patch format of retainKeys"},
        {"{\"strategy\":{}}", "{\"strategy\":{\"$retainKeys\":1}}",
         "invalid patch format of retainKeys"},
        {"{\"set\":[\"a\"]}", "{\"$deleteFromPrimitiveList\":[\"a\"]}",
         "invalid patch format of primitive list"},
        {"{\"set\":[\"a\"]}", "{\"$setElementOrder\":[\"a\"]}",
         "invalid patch format of setElementOrder list"},
        {"{\"set\":[\"a\"]}", "{\"$setElementOrder/set\":{}}",
         "expected a []interface {}, but received a map[string]interface {}"},
        {"{\"set\":[]}", "{\"$setElementOrder/set\":[\"a\",\"b\"],\"set\":[\"b\",\"a\"]}",
         "the order in patch list:\n[b a]\n doesn't match $setElementOrder list:\n[a b]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = parse(&a, cases[i].object), patch = parse(&a, cases[i].patch);

        assert_int_equal(patch_strategic(&a, &thing_type, &d, &patch, &err), ERR_BAD_REQUEST);
        assert_string_equal(err.msg, cases[i].why);
    }
}

static void test_large_lists_take_no_time(void **state)
{
    auto_arena a = {0};
    auto_buf object = {0}, patch = {0};
    struct err err = {0};
    struct doc d, p;

    buf_puts(&object, "{\"boxes\":[");
    buf_puts(&patch, "{\"boxes\":[");
    for (int i = 0; i < 20000; i++) {
        buf_printf(&object, "%s{\"name\":\"a%d\"}", i ? "," : "", i);
        buf_printf(&patch, "%s{\"name\":\"a%d\",\"image\":\"x\"}", i ? "," : "", 30000 - i);
    }
    buf_puts(&object, "]}");
    buf_puts(&patch, "]}");
    d = parse(&a, buf_cstr(&object));
    p = parse(&a, buf_cstr(&patch));
    assert_ok(patch_strategic(&a, &thing_type, &d, &p, &err), &err);
    assert_int_equal(d.members[0].value.n, 30001);
}

static void nest(struct buf *b, const char *open, const char *inner, int n)
{
    buf_reset(b);
    for (int i = 0; i < n; i++)
        buf_puts(b, open);
    buf_puts(b, inner);
    for (int i = 0; i < n; i++)
        buf_putc(b, '}');
}

static void test_deep_objects_merge(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct doc d, p, want;

    nest(&b, "{\"raw\":", "{\"x\":1}", DOC_DEPTH_MAX - 1);
    d = parse(&a, arena_strdup(&a, buf_cstr(&b)));
    nest(&b, "{\"raw\":", "{\"y\":{}}", DOC_DEPTH_MAX - 2);
    p = parse(&a, arena_strdup(&a, buf_cstr(&b)));
    nest(&b, "{\"raw\":", "{\"raw\":{\"x\":1},\"y\":{}}", DOC_DEPTH_MAX - 2);
    want = parse(&a, arena_strdup(&a, buf_cstr(&b)));
    assert_ok(patch_strategic(&a, &thing_type, &d, &p, &err), &err);
    assert_true(doc_equal(&d, &want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_merge_and_null_deletes),
        cmocka_unit_test(test_directives_on_objects),
        cmocka_unit_test(test_lists_merge_by_key),
        cmocka_unit_test(test_lists_of_scalars),
        cmocka_unit_test(test_set_element_order),
        cmocka_unit_test(test_bad_patches_say_why),
        cmocka_unit_test(test_large_lists_take_no_time),
        cmocka_unit_test(test_deep_objects_merge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
