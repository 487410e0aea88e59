/* test_field_error.c - texts of validation errors and of their paths. */
#include "schema/field_error.h"
#include "test.h"

static void test_path_write_shows_fields_indexes_and_keys(void **state)
{
    auto_buf b = {0};
    struct path spec = path_field(NULL, "spec"), list = path_field(&spec, "containers");
    struct path item = path_index(&list, 2), map = path_field(&item, "limits");
    struct path key = path_key(&map, STR("cpu"));
    struct path index = path_index(NULL, 0), below = path_field(&index, "x");

    path_write(&b, &key);
    assert_str_equal(buf_view(&b), "spec.containers[2].limits[cpu]");
    buf_reset(&b);
    path_write(&b, &below);
    assert_str_equal(buf_view(&b), "[0].x");
    buf_reset(&b);
    path_write(&b, NULL);
    assert_int_equal(b.len, 0);
}

static void test_bodies_follow_upstream(void **state)
{
    static const char *const modes[] = {"b", "c", "a", NULL};
    static const char *const bodies[] = {
        "Required value",
        "Required value: name or generateName is required",
        "Invalid value: \"a\\\"b\": must be 7",
        "Invalid value: 0: must be greater than zero",
        "Invalid value: true: x",
        "Invalid value: {\"a\":1}: x",
        "Invalid value: null: x",
        "Unsupported value: \"d\": supported values: \"a\", \"b\", \"c\"",
        "Unsupported value: \"d\"",
        "Forbidden: may not 1",
        "Duplicate value: \"x\"",
        "Not found: \"y\"",
        "Too long: may not be more than 253 bytes",
        "Too many: 5: must have at most 3 items",
        "Too many: 2: must have at most 1 item",
        "Too few: 0: must have at least 1 items",
    };
    auto_arena a = {0};
    struct field_errors e = {.arena = &a};
    struct path p = path_field(NULL, "f");
    struct doc object = doc_object();

    (void)doc_set(&a, &object, STR("a"), doc_int(1));
    err_required(&e, &p, NULL);
    err_required(&e, &p, "name or generateName is required");
    err_invalid(&e, &p, doc_string(STR("a\"b")), "must be %d", 7);
    err_invalid(&e, &p, doc_int(0), "must be greater than zero");
    err_invalid(&e, &p, doc_bool(true), "x");
    err_invalid(&e, &p, object, "x");
    err_invalid(&e, &p, doc_null(), "x");
    err_not_supported(&e, &p, STR("d"), modes);
    err_not_supported(&e, &p, STR("d"), NULL);
    err_forbidden(&e, &p, "may not %d", 1);
    err_duplicate(&e, &p, doc_string(STR("x")));
    err_not_found(&e, &p, doc_string(STR("y")));
    err_too_long(&e, &p, 253);
    err_too_many(&e, &p, 5, 3);
    err_too_many(&e, &p, 2, 1);
    err_add(&e, FIELD_ERROR_TOO_FEW, &p, "Too few: %d: must have at least %d items", 0, 1);
    assert_int_equal(e.n, ARRAY_LEN(bodies));
    for (size_t i = 0; i < e.n; i++) {
        assert_str_equal(e.v[i].field, "f");
        assert_str_equal(e.v[i].body, bodies[i]);
    }
    assert_string_equal(field_error_reason(e.v[0].type), "FieldValueRequired");
    assert_string_equal(field_error_reason(FIELD_ERROR_TYPE_INVALID), "FieldValueTypeInvalid");
    assert_string_equal(field_error_reason(FIELD_ERROR_INTERNAL), "InternalError");
}

static void test_message_joins_and_drops_equal_texts(void **state)
{
    auto_arena a = {0};
    struct field_errors none = {.arena = &a}, one = {.arena = &a}, two = {.arena = &a};
    struct path p = path_field(NULL, "p"), q = path_field(NULL, "q");

    assert_str_equal(field_errors_message(&none), "");
    err_required(&one, &p, "");
    err_required(&one, &p, "");
    assert_int_equal(one.n, 2);
    assert_str_equal(field_errors_message(&one), "p: Required value");
    err_required(&two, &p, "");
    err_required(&two, &q, "x");
    err_required(&two, &p, "");
    assert_str_equal(field_errors_message(&two), "[p: Required value, q: Required value: x]");
    err_required(&none, NULL, "");
    assert_str_equal(field_errors_message(&none), "<nil>: Required value");
}

static void test_errors_stop_at_their_limit(void **state)
{
    auto_arena a = {0};
    struct field_errors e = {.arena = &a};

    for (int i = 0; i < FIELD_ERRORS_MAX + 10; i++)
        err_required(&e, NULL, "");
    assert_int_equal(e.n, FIELD_ERRORS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_write_shows_fields_indexes_and_keys),
        cmocka_unit_test(test_bodies_follow_upstream),
        cmocka_unit_test(test_message_joins_and_drops_equal_texts),
        cmocka_unit_test(test_errors_stop_at_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
