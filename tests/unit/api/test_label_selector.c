/* test_label_selector.c - LabelSelectors of objects as selectors. */
#include "api/types.h"
#include "schema/selector.h"
#include "test.h"

static void test_absent_selects_nothing_and_empty_everything(void **state)
{
    auto_arena a = {0};
    const struct meta_label_selector empty = {0};
    struct string_map none = {0};
    struct selector s;

    assert_int_equal(selector_from_label_selector(NULL, &a, &s, NULL), 0);
    assert_false(selector_match_map(&s, &none));
    assert_int_equal(selector_from_label_selector(&empty, &a, &s, NULL), 0);
    assert_true(selector_match_map(&s, &none));
}

static void test_labels_and_expressions_all_hold(void **state)
{
    auto_arena a = {0};
    auto_buf b = {0};
    struct err err = {0};
    struct str tiers[] = {STR("db"), STR("web")};
    struct string_pair labels[] = {{STR_INIT("app"), STR_INIT("x")}};
    struct meta_label_selector_requirement expressions[] = {
        {.key = STR("tier"), .operator= STR("In"), .values = {tiers, 2}},
        {.key = STR("zone"), .operator= STR("NotIn"), .values = {tiers, 1}},
        {.key = STR("env"), .operator= STR("Exists")},
        {.key = STR("old"), .operator= STR("DoesNotExist")},
    };
    struct meta_label_selector ls = {0};
    struct string_pair good[] = {{STR_INIT("app"), STR_INIT("x")},
                                 {STR_INIT("env"), STR_INIT("")},
                                 {STR_INIT("tier"), STR_INIT("web")}};
    struct string_map map = {good, ARRAY_LEN(good)};
    struct selector s;

    ls.match_labels.v = labels;
    ls.match_labels.n = 1;
    ls.match_expressions.v = expressions;
    ls.match_expressions.n = ARRAY_LEN(expressions);
    assert_ok(selector_from_label_selector(&ls, &a, &s, &err), &err);
    selector_write(&s, &b);
    assert_str_equal(buf_view(&b), "app=x,tier in (db,web),zone!=db,env,!old");
    assert_true(selector_match_map(&s, &map));
    good[2].value = STR("cache");
    assert_false(selector_match_map(&s, &map));
}

static void test_bad_requirements_say_why(void **state)
{
    struct str values[] = {STR("a b")};
    const struct {
        struct meta_label_selector_requirement requirement;
        const char *why;
    } cases[] = {
        {{.key = STR("a"), .operator= STR("in")}, "\"in\" is not a valid label selector operator"},
        {{.key = STR("a"), .operator= STR("In")},
         "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"},
        {{.key = STR("a"), .operator= STR("Exists"), .values = {values, 1}},
         "values: Invalid value: \"a b\": values set must be empty for exists and does not exist"},
        {{.key = STR("/"), .operator= STR("Exists")},
         "key: Invalid value: \"/\": prefix part must be non-empty"},
        {{.key = STR("a"), .operator= STR("In"), .values = {values, 1}},
         "values[0][a]: Invalid value: \"a b\": a valid label must be"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct meta_label_selector_requirement copy = cases[i].requirement;
        struct meta_label_selector ls = {0};
        struct selector s;

        ls.match_expressions.v = &copy;
        ls.match_expressions.n = 1;
        assert_int_equal(selector_from_label_selector(&ls, &a, &s, &err), ERR_INVALID);
        assert_memory_equal(err.msg, cases[i].why, strlen(cases[i].why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent_selects_nothing_and_empty_everything),
        cmocka_unit_test(test_labels_and_expressions_all_hold),
        cmocka_unit_test(test_bad_requirements_say_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
