/* test_map.c - the hash map, against a plain array of the same keys. */
#include "base/map.h"
#include "base/random.h"
#include "test.h"

#define KEYS 500

static struct str key_of(size_t i, char *text, size_t size)
{
    int n = snprintf(text, size, "%s%zu", i % 3 ? "default/" : "", i);

    return (struct str){text, (size_t)n};
}

static void test_empty(void **state)
{
    struct map m = {0};
    size_t it = 0;
    struct str key;
    void *value;

    assert_null(map_find(&m, STR("a")));
    assert_null(map_remove(&m, STR("a")));
    assert_false(map_next(&m, &it, &key, &value));
    map_deinit(&m);
    map_deinit(&m);
}

static void test_set_replaces(void **state)
{
    struct map m = {0};
    char text[] = "key";
    int a, b;

    assert_null(map_set(&m, str_from(text), &a));
    text[0] = 'x'; /* the key was copied */
    assert_ptr_equal(map_find(&m, STR("key")), &a);
    assert_ptr_equal(map_set(&m, STR("key"), &b), &a);
    assert_int_equal(m.n, 1);
    assert_null(map_set(&m, STR_NULL, &a)); /* the empty key is one like others */
    assert_ptr_equal(map_find(&m, STR("")), &a);
    assert_ptr_equal(map_remove(&m, STR("")), &a);
    assert_ptr_equal(map_remove(&m, STR("key")), &b);
    assert_null(map_remove(&m, STR("key")));
    assert_int_equal(m.n, 0);
    map_deinit(&m);
}

static void check_all(const struct map *m, void *const *model)
{
    bool seen[KEYS] = {0};
    size_t it = 0, n = 0;
    struct str key;
    void *value;
    char text[32];

    while (map_next(m, &it, &key, &value)) {
        size_t i = (uintptr_t)value - 1;

        assert_in_range(i, 0, KEYS - 1);
        assert_false(seen[i]);
        seen[i] = true;
        assert_ptr_equal(model[i], value);
        assert_true(str_eq(key, key_of(i, text, sizeof(text))));
        n++;
    }
    assert_int_equal(n, m->n);
    for (size_t i = 0; i < KEYS; i++)
        assert_ptr_equal(map_find(m, key_of(i, text, sizeof(text))), model[i]);
}

static void test_random_operations(void **state)
{
    void *model[KEYS] = {0};
    struct random_seeded r;
    struct map m = {0};
    char text[32];

    random_seeded_init(&r, 7);
    for (size_t op = 0; op < 50000; op++) {
        size_t i = random_below(&r.base, KEYS);
        void *value = (void *)(uintptr_t)(i + 1);

        if (random_below(&r.base, 2)) {
            assert_ptr_equal(map_set(&m, key_of(i, text, sizeof(text)), value), model[i]);
            model[i] = value;
        } else {
            assert_ptr_equal(map_remove(&m, key_of(i, text, sizeof(text))), model[i]);
            model[i] = NULL;
        }
        if (op % 500 == 0)
            check_all(&m, model);
    }
    map_deinit(&m);
}

/* Removing what the iteration just gave neither hides nor repeats another entry. */
static void test_remove_while_iterating(void **state)
{
    char text[32];

    for (size_t n = 1; n < KEYS; n += 7) {
        struct map m = {0};
        size_t it = 0, seen = 0, removed = 0;
        struct str key;
        void *value;

        for (size_t i = 0; i < n; i++)
            (void)map_set(&m, key_of(i, text, sizeof(text)), (void *)(uintptr_t)(i + 1));
        while (map_next(&m, &it, &key, &value)) {
            seen++;
            if (seen % 3 == 0)
                continue;
            assert_ptr_equal(map_remove(&m, key), value);
            removed++;
        }
        assert_int_equal(seen, n);
        assert_int_equal(m.n, n - removed);
        map_deinit(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_set_replaces),
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_remove_while_iterating),
    };

    map_seed(0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
