/* test_clock.c - real and virtual time. */
#include "base/clock.h"
#include "test.h"

static void test_real_clock_moves_forward(void **state)
{
    const struct clock *c = clock_real();
    uint64_t a = c->mono_ns(c), b = c->mono_ns(c);

    assert_true(a > 0);
    assert_true(b >= a);
    assert_true(c->wall_ns(c) > INT64_C(1577836800) * 1000000000); /* after 2020 */
}

static void test_virtual_clock_stands_until_moved(void **state)
{
    struct clock_virtual v;
    const struct clock *c = &v.base;

    clock_virtual_init(&v, 1000);
    assert_int_equal(c->mono_ns(c), 0);
    assert_int_equal(c->wall_ns(c), 1000);
    v.now_ns += 25;
    assert_int_equal(c->mono_ns(c), 25);
    assert_int_equal(c->wall_ns(c), 1025);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_clock_moves_forward),
        cmocka_unit_test(test_virtual_clock_stands_until_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
