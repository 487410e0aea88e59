/* test_str.c - string views. */
#include "test.h"

static void test_compare(void **state)
{
    assert_true(str_eq(STR_NULL, STR("")));
    assert_true(str_eqz(STR("a"), "a"));
    assert_false(str_eqz(STR("a"), "ab"));
    assert_true(str_eqz(STR_NULL, NULL));
    assert_int_equal(str_cmp(STR("a"), STR("b")), -1);
    assert_int_equal(str_cmp(STR("ab"), STR("a")), 1);
    assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
    assert_int_equal(str_cmp(STR_NULL, STR("")), 0);
    assert_int_equal(str_cmp(STR("\xff"), STR("a")), 1); /* bytes are unsigned */
    assert_true(str_ieq(STR("Content-Type"), STR("content-TYPE")));
    assert_false(str_ieq(STR("a"), STR("ab")));
    assert_false(str_ieq(STR("@"), STR("`"))); /* differ by the case bit, not letters */
    assert_true(str_has_prefix(STR("kube-system"), STR("kube-")));
    assert_false(str_has_prefix(STR("kube"), STR("kube-")));
    assert_true(str_has_prefix(STR_NULL, STR_NULL));
    assert_true(str_has_suffix(STR("a.yaml"), STR(".yaml")));
    assert_false(str_has_suffix(STR("yaml"), STR(".yaml")));
    assert_true(str_has_suffix(STR("x"), STR_NULL));
}

static void test_find(void **state)
{
    assert_int_equal(str_find_char(STR("a/b/c"), '/'), 1);
    assert_int_equal(str_rfind_char(STR("a/b/c"), '/'), 3);
    assert_int_equal(str_find_char(STR_NULL, '/'), -1);
    assert_int_equal(str_rfind_char(STR("abc"), '/'), -1);
    assert_int_equal(str_find(STR("abcabd"), STR("abd")), 3);
    assert_int_equal(str_find(STR("abc"), STR("abcd")), -1);
    assert_int_equal(str_find(STR_NULL, STR("a")), -1);
    assert_int_equal(str_find(STR("abc"), STR("")), 0);
}

static void test_cut_and_trim(void **state)
{
    struct str rest = STR("a,b,");

    assert_str_equal(str_cut(rest, ',', &rest), "a");
    assert_str_equal(str_cut(rest, ',', &rest), "b");
    assert_non_null(rest.p); /* present, but empty */
    assert_int_equal(rest.len, 0);
    assert_str_equal(str_cut(rest, ',', &rest), "");
    assert_null(rest.p);
    assert_str_equal(str_trim(STR(" \t\r\n a b \v\f")), "a b");
    assert_str_equal(str_trim(STR("  ")), "");
    assert_str_equal(str_trim(STR_NULL), "");
    assert_str_equal(str_sub(STR("abc"), 1, SIZE_MAX), "bc");
    assert_str_equal(str_sub(STR("abc"), 9, 1), "");
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    int64_t i = 42;
    uint64_t u = 42;

    for (size_t k = 0; k < ARRAY_LEN(bad); k++)
        assert_false(str_to_i64(str_from(bad[k]), &i));
    assert_int_equal(i, 42);
    assert_true(str_to_i64(STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(str_to_i64(STR("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_true(str_to_i64(STR("-0"), &i));
    assert_int_equal(i, 0);
    assert_false(str_to_u64(STR("-1"), &u));
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_int_equal(u, 42);
    assert_true(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
}

static void test_decimals(void **state)
{
    static const int64_t v[] = {0, 7, -7, 10, 200, -1234567890, INT64_MAX, INT64_MIN};
    auto_arena a = {0};

    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct str s = str_i64(&a, v[i]);
        int64_t back;

        assert_true(str_to_i64(s, &back));
        assert_true(back == v[i]);
        assert_true(str_eq(s, str_printf(&a, "%lld", (long long)v[i])));
        assert_int_equal(s.p[s.len], '\0');
    }
}

static void test_copies(void **state)
{
    auto_arena a = {0};

    assert_null(str_dup(&a, STR_NULL).p);
    assert_non_null(str_dup(&a, STR("")).p);
    assert_string_equal(str_dup(&a, str_sub(STR("abc"), 0, 2)).p, "ab");
    assert_string_equal(str_dupz(&a, STR_NULL), "");
    assert_str_equal(str_printf(&a, "%s-%d", "web", 0), "web-0");
    assert_true(str_hash(STR("")) == 0xcbf29ce484222325u);
    assert_true(str_hash(STR("a")) == 0xaf63dc4c8601ec8cu);
    assert_true(str_hash(STR("foobar")) == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),      cmocka_unit_test(test_find),
        cmocka_unit_test(test_cut_and_trim), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
