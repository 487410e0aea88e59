/* Tests of the document tree. */
#include "codec/doc.h"
#include "codec/json.h"
#include "test.h"

static struct doc parse(struct arena *a, const char *text)
{
    struct err err = {0};
    struct doc d = doc_null();

    assert_ok(json_parse(str_from(text), a, &d, NULL, &err), &err);
    return d;
}

static void assert_doc(struct arena *a, const struct doc *d, const char *json)
{
    assert_str_equal(json_to_str(a, d), json);
}

static void test_paths_find_values(void **state)
{
    auto_arena a = {0};
    struct doc d = parse(&a, "{\"a\":{\"b\":{\"s\":\"x\",\"i\":7,\"t\":true}},\"l\":[1]}");

    assert_str_equal(doc_path_str(&d, "a.b.s"), "x");
    assert_int_equal(doc_path_int(&d, "a.b.i", -1), 7);
    assert_true(doc_path_bool(&d, "a.b.t", false));
    assert_null(doc_path(&d, "a.c.s"));
    assert_null(doc_path(&d, "l.0"));
    assert_null(doc_path(NULL, "a"));
    assert_null(doc_path_str(&d, "a.b.i").p);
    assert_int_equal(doc_path_int(&d, "a.b.s", -1), -1);
    assert_true(doc_path_bool(&d, "a.b.s", true));
    assert_null(doc_find(NULL, STR("a")));
}

static void test_members_are_set_made_and_removed_in_order(void **state)
{
    auto_arena a = {0};
    struct doc d = doc_object();
    struct doc *o;

    for (int i = 0; i < 10; i++)
        (void)doc_set(&a, &d, str_printf(&a, "k%d", i), doc_int(i));
    (void)doc_set(&a, &d, STR("k3"), doc_string(STR("new")));
    assert_true(doc_remove(&d, STR("k0")));
    assert_false(doc_remove(&d, STR("k0")));
    assert_true(doc_remove(&d, STR("k9")));
    o = doc_make_object(&a, &d, STR("k4"));
    (void)doc_add(&a, o, STR("x"), doc_bool(false));
    o = doc_make_object(&a, &d, STR("k4"));
    (void)doc_add(&a, o, STR("y"), doc_null());
    (void)doc_make_object(&a, &d, STR("z"));
    assert_doc(&a, &d,
               "{\"k1\":1,\"k2\":2,\"k3\":\"new\",\"k4\":{\"x\":false,\"y\":null},\"k5\":5,"
               "\"k6\":6,\"k7\":7,\"k8\":8,\"z\":{}}");
}

static void test_items_are_inserted_and_removed(void **state)
{
    auto_arena a = {0};
    struct doc d = doc_array();

    for (int i = 0; i < 6; i++)
        (void)doc_append(&a, &d, doc_int(i));
    (void)doc_insert(&a, &d, 0, doc_int(-1));
    (void)doc_insert(&a, &d, 3, doc_int(9));
    doc_remove_at(&d, 1);
    doc_remove_at(&d, d.n - 1);
    assert_doc(&a, &d, "[-1,1,9,2,3,4]");
}

static void test_clone_shares_nothing(void **state)
{
    auto_arena a = {0}, b = {0};
    char text[] = "{\"a\":[{\"b\":\"str\"},[],{}],\"c\":\"x\"}";
    struct doc d = parse(&a, text);
    struct doc copy = doc_clone(&b, &d, true);

    memset(text, '#', sizeof(text) - 1);
    arena_deinit(&a);
    assert_doc(&b, &copy, "{\"a\":[{\"b\":\"str\"},[],{}],\"c\":\"x\"}");
    (void)doc_append(&b, &copy.members[0].value.items[1], doc_int(1));
    assert_doc(&b, &copy, "{\"a\":[{\"b\":\"str\"},[1],{}],\"c\":\"x\"}");
}

static void test_equal_compares_deeply(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", true},
        {"1", "1.0", true},
        {"1.0", "1", true},
        {"1", "1.5", false},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":{\"x\":[{}]}}", "{\"a\":{\"x\":[{\"y\":0}]}}", false},
        {"null", "false", false},
        {"\"a\"", "\"a\"", true},
        {"{}", "[]", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct doc x = parse(&a, cases[i].a), y = parse(&a, cases[i].b);

        assert_int_equal(doc_equal(&x, &y), cases[i].equal);
    }
}

/* Deeper than any parser makes them: what walks a document must not recurse. */
static void test_deep_documents_need_no_stack(void **state)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct doc d = doc_array(), copy;

    for (int i = 0; i < 200000; i++) {
        struct doc outer = doc_array();

        (void)doc_append(&a, &outer, d);
        d = outer;
    }
    copy = doc_clone(&a, &d, true);
    assert_true(doc_equal(&d, &copy));
    json_write(&out, &copy);
    assert_int_equal(out.len, 2 * 200001);
}

static void test_large_objects_in_other_order_compare_fast(void **state)
{
    enum { N = 100000 };
    auto_arena a = {0};
    struct doc x = doc_object(), y = doc_object();

    for (int i = 0; i < N; i++) {
        (void)doc_add(&a, &x, str_printf(&a, "key%d", i), doc_int(i));
        (void)doc_add(&a, &y, str_printf(&a, "key%d", N - 1 - i), doc_int(N - 1 - i));
    }
    assert_true(doc_equal(&x, &y));
    y.members[N / 2].value = doc_int(-1);
    assert_false(doc_equal(&x, &y));
}

static void test_kinds_have_names(void **state)
{
    auto_arena a = {0};
    struct doc d = parse(&a, "[null,true,1,1.5,\"\",[],{}]");
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};

    for (uint32_t i = 0; i < d.n; i++)
        assert_string_equal(doc_kind_name(&d.items[i]), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_find_values),
        cmocka_unit_test(test_members_are_set_made_and_removed_in_order),
        cmocka_unit_test(test_items_are_inserted_and_removed),
        cmocka_unit_test(test_clone_shares_nothing),
        cmocka_unit_test(test_equal_compares_deeply),
        cmocka_unit_test(test_deep_documents_need_no_stack),
        cmocka_unit_test(test_large_objects_in_other_order_compare_fast),
        cmocka_unit_test(test_kinds_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
