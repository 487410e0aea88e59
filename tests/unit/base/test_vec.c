/* test_vec.c - typed arrays. */
#include "base/vec.h"
#include "test.h"

static void test_push_pop_remove(void **state)
{
    VEC(int) v = {0};

    for (int i = 0; i < 1000; i++)
        vec_push(&v, i);
    assert_int_equal(v.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.v[i], i);
    assert_int_equal(vec_pop(&v), 999);
    vec_remove(&v, 0);
    assert_int_equal(v.v[0], 1);
    assert_int_equal(v.n, 998);
    vec_swap_remove(&v, 0);
    assert_int_equal(v.v[0], 998);
    assert_int_equal(v.v[1], 2);
    vec_remove(&v, v.n - 1);
    assert_int_equal(v.v[v.n - 1], 996);
    vec_clear(&v);
    assert_int_equal(v.n, 0);
    vec_deinit(&v);
    vec_deinit(&v);
}

static void test_reserve_keeps_elements(void **state)
{
    VEC(struct str) v = {0};

    vec_push(&v, STR("a"));
    vec_reserve(&v, 5000);
    assert_true(v.cap >= 5000);
    assert_str_equal(v.v[0], "a");
    vec_deinit(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_pop_remove),
        cmocka_unit_test(test_reserve_keeps_elements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
