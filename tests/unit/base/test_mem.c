/* test_mem.c - arenas and plain allocation. */
#include "aborts.h"

static void test_arena_gives_zeroed_aligned_memory(void **state)
{
    auto_arena a = {0};

    for (size_t size = 0; size < 300; size++) {
        unsigned char *p = arena_alloc(&a, size);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xA5, size); /* the next one must not see it */
    }
    assert_int_equal(a.used_bytes, 299 * 300 / 2);
}

static void test_arena_objects_do_not_overlap(void **state)
{
    static const size_t sizes[] = {1, 17, 4000, 64, 100000, 3, 65504, 2000, 5};
    auto_arena a = {0};
    unsigned char *p[200];

    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = arena_alloc(&a, sizes[i % ARRAY_LEN(sizes)]);
        memset(p[i], (int)i, sizes[i % ARRAY_LEN(sizes)]);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        for (size_t k = 0; k < sizes[i % ARRAY_LEN(sizes)]; k++)
            assert_int_equal(p[i][k], (unsigned char)i);
}

static void test_arena_texts(void **state)
{
    auto_arena a = {0};
    struct str s;

    assert_string_equal(arena_strdup(&a, "pod"), "pod");
    assert_string_equal(arena_memdupz(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_memdupz(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%s/%d", "ns", 7), "ns/7");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    for (int n = 120; n < 136; n++) /* around the room that the first attempt has */
        assert_int_equal(strlen(arena_printf(&a, "%0*d", n, 0)), n);
    s.p = arena_printf(&a, "%05000d", 0);
    assert_int_equal(strlen(s.p), 5000);
    assert_int_equal((uintptr_t)arena_alloc(&a, 8) % _Alignof(max_align_t), 0);
}

static void test_arena_grow_copies_and_zeroes(void **state)
{
    auto_arena a = {0};
    int *v = arena_calloc(&a, 3, sizeof(*v)), *w;

    for (int i = 0; i < 3; i++)
        v[i] = i + 1;
    w = arena_grow(&a, v, 3, 6, sizeof(*v));
    for (int i = 0; i < 6; i++)
        assert_int_equal(w[i], i < 3 ? i + 1 : 0);
    assert_int_equal(v[0], 1);
    w = arena_grow(&a, NULL, 0, 2, sizeof(*v));
    assert_int_equal(w[0] + w[1], 0);
}

static void test_arena_is_usable_after_deinit(void **state)
{
    struct arena a = {0};

    arena_deinit(&a);
    assert_string_equal(arena_strdup(&a, "x"), "x");
    arena_deinit(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_string_equal(arena_strdup(&a, "y"), "y");
    arena_deinit(&a);
    arena_deinit(&a);
}

static void test_arena_begins_on_the_stack(void **state)
{
    stack_arena(a, 256);
    char *p[50];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(p); i++) { /* more than fits there */
        p[i] = arena_printf(&a, "text %zu", i);
        assert_int_equal(arena_new(&a, struct arena)->used_bytes, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        char want[16];

        (void)snprintf(want, sizeof(want), "text %zu", i);
        assert_string_equal(p[i], want);
    }
    arena_deinit(&a);
    assert_string_equal(arena_strdup(&a, "again"), "again");
}

static void test_plain_allocation(void **state)
{
    auto_free char *z = xstrdup("name");
    auto_free char *part = xmemdupz("a\0b", 3);
    auto_free int *none = xcalloc(0, 0);
    auto_free char *p = xrealloc(NULL, 0);
    char *kept;

    assert_string_equal(z, "name");
    assert_memory_equal(part, "a\0b", 4);
    assert_non_null(none);
    assert_non_null(p);
    kept = steal(z);
    assert_null(z);
    free(kept);
}

static void calloc_overflow(void *arg)
{
    struct arena a = {0};

    (void)arena_calloc(&a, *(volatile size_t *)arg / 2, 3);
}

static void alloc_too_much(void *arg)
{
    struct arena a = {0};

    (void)arena_alloc(&a, *(volatile size_t *)arg - 8);
}

static void copy_too_much(void *arg)
{
    (void)xmemdupz("", *(volatile size_t *)arg);
}

static void test_impossible_sizes_abort(void **state)
{
    size_t huge = SIZE_MAX; /* read as volatile: a constant would not compile */

    assert_true(aborts(calloc_overflow, &huge));
    assert_true(aborts(alloc_too_much, &huge));
    assert_true(aborts(copy_too_much, &huge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(test_arena_objects_do_not_overlap),
        cmocka_unit_test(test_arena_texts),
        cmocka_unit_test(test_arena_grow_copies_and_zeroes),
        cmocka_unit_test(test_arena_is_usable_after_deinit),
        cmocka_unit_test(test_arena_begins_on_the_stack),
        cmocka_unit_test(test_plain_allocation),
        cmocka_unit_test(test_impossible_sizes_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
