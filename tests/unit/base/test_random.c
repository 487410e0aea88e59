/* test_random.c - the seeded stream, bounds, UUIDs. */
#include "base/random.h"
#include "test.h"

static void test_seed_decides_the_stream(void **state)
{
    struct random_seeded a, b, c;
    unsigned char x[100], y[100];

    random_seeded_init(&a, 1);
    random_seeded_init(&b, 1);
    random_seeded_init(&c, 2);
    a.base.fill(&a.base, x, sizeof(x));
    b.base.fill(&b.base, y, sizeof(y));
    assert_memory_equal(x, y, sizeof(x));
    c.base.fill(&c.base, y, sizeof(y));
    assert_memory_not_equal(x, y, sizeof(x));
}

/* The first outputs of the published generator from the state {1, 2, 3, 4}. */
static void test_known_answers(void **state)
{
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};
    struct random_seeded r;

    random_seeded_init(&r, 0);
    for (size_t i = 0; i < 4; i++)
        r.s[i] = i + 1;
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_true(random_u64(&r.base) == want[i]);
}

/* A pool gives each of its bytes once, and keeps none that it gave. */
static void test_pool_repeats_nothing(void **state)
{
    enum { DRAWS = 1000, BYTES = 16 };
    static unsigned char seen[DRAWS][BYTES];
    static const unsigned char zero[RANDOM_POOL_BYTES];
    unsigned char large[RANDOM_POOL_BYTES] = {0};
    struct random_pool p;

    random_pool_init(&p);
    for (int i = 0; i < DRAWS; i++) {
        p.base.fill(&p.base, seen[i], BYTES);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(seen[i], seen[k], BYTES);
        assert_memory_equal(p.bytes, zero, RANDOM_POOL_BYTES - p.left);
    }
    p.base.fill(&p.base, large, sizeof(large));
    assert_memory_not_equal(large, zero, sizeof(large));
    random_pool_deinit(&p);
    assert_memory_equal(p.bytes, zero, sizeof(zero));
}

static void test_below_is_uniform(void **state)
{
    struct random_seeded r;
    size_t seen[10] = {0};

    random_seeded_init(&r, 4);
    for (int i = 0; i < 100000; i++)
        seen[random_below(&r.base, 10)]++;
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_in_range(seen[i], 9500, 10500);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(random_below(&r.base, 1), 0);
        assert_true(random_below(&r.base, UINT64_MAX) < UINT64_MAX);
    }
}

static void test_uuid_form(void **state)
{
    char a[37], b[37];

    random_uuid(random_kernel(), a);
    random_uuid(random_kernel(), b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        assert_true(dash ? a[i] == '-' : strchr("0123456789abcdef", a[i]) != NULL);
    }
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_decides_the_stream),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_pool_repeats_nothing),
        cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_uuid_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
