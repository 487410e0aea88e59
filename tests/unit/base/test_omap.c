/* test_omap.c - the ordered map, against a sorted array, with live snapshots. */
#include "base/omap.h"
#include "base/queue.h"
#include "base/random.h"
#include "base/ref.h"
#include "test.h"
#include <assert.h>

#define KEYS      3000
#define SNAPSHOTS 8

struct item {
    struct ref refs;
    uint32_t version;
    size_t len;
    char key[24];
};
static _Atomic long n_items;

static struct item *item_new(size_t i, uint32_t version)
{
    struct item *it = xnew(struct item);

    ref_init(&it->refs);
    it->version = version;
    it->len = (size_t)snprintf(it->key, sizeof(it->key), "/%c/%05zu", (int)('a' + i % 7), i);
    n_items++;
    return it;
}

static void item_ref(void *value)
{
    ref_get(&((struct item *)value)->refs);
}

static void item_unref(void *value)
{
    struct item *it = value;

    if (!ref_put(&it->refs))
        return;
    memset(it->key, '!', sizeof(it->key)); /* a key used after this is seen even without ASan */
    n_items--;
    free(it);
}

static struct str item_key(const void *value)
{
    const struct item *it = value;

    return (struct str){it->key, it->len};
}

static const struct omap_ops ops = {.ref = item_ref, .unref = item_unref, .key = item_key};

/* The model: version by key number, 0 for absent, and the numbers in the order of their keys. */
struct model {
    uint32_t version[KEYS];
    size_t n;
};
static size_t in_order[KEYS];

static int order_cmp(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    if (x % 7 != y % 7)
        return x % 7 < y % 7 ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int setup(void **state)
{
    for (size_t i = 0; i < KEYS; i++)
        in_order[i] = i;
    qsort(in_order, KEYS, sizeof(in_order[0]), order_cmp);
    return 0;
}

static struct str key_text(size_t i, char text[24])
{
    int n = snprintf(text, 24, "/%c/%05zu", (int)('a' + i % 7), i);

    return (struct str){text, (size_t)n};
}

static void put(struct omap *m, struct model *model, size_t i, uint32_t version)
{
    struct item *it = item_new(i, version);

    assert_int_equal(omap_put(m, it), model->version[i] != 0);
    item_unref(it);
    model->n += model->version[i] == 0;
    model->version[i] = version;
}

static void drop(struct omap *m, struct model *model, size_t i)
{
    char text[24];

    assert_int_equal(omap_remove(m, key_text(i, text)), model->version[i] != 0);
    model->n -= model->version[i] != 0;
    model->version[i] = 0;
}

/* Everything, in order; and from a random key on. */
static void check(const struct omap *m, const struct model *model, struct random *r)
{
    size_t from = random_below(r, KEYS), k;
    struct omap_iter it;
    const struct item *item;
    char text[24];

    assert_int_equal(m->n, model->n);
    omap_seek(m, STR_NULL, &it);
    for (k = 0; k < KEYS; k++) {
        if (!model->version[in_order[k]])
            continue;
        item = omap_next(&it);
        assert_non_null(item);
        if (item->version != model->version[in_order[k]] ||
            !str_eq(item_key(item), key_text(in_order[k], text)))
            fail_msg("found %s version %u instead of %s", item->key, item->version, text);
    }
    assert_null(omap_next(&it));
    assert_null(omap_next(&it));
    omap_seek(m, key_text(in_order[from], text), &it);
    for (k = from; k < KEYS && !model->version[in_order[k]]; k++)
        ;
    item = omap_next(&it);
    if (k == KEYS)
        assert_null(item);
    else
        assert_str_equal(item_key(item), key_text(in_order[k], text).p);
}

static void check_prefixes(const struct omap *m, const struct model *model)
{
    static const char *const prefixes[] = {"",         "/",  "/a", "/b/",      "/c/0",     "/d/012",
                                           "/g/02999", "/z", "0",  "/a/00000", "/a/000000"};
    char text[24];

    for (size_t p = 0; p < ARRAY_LEN(prefixes); p++) {
        size_t want = 0;

        for (size_t i = 0; i < KEYS; i++)
            want += model->version[i] && str_has_prefix(key_text(i, text), str_from(prefixes[p]));
        assert_int_equal(omap_count_prefix(m, str_from(prefixes[p])), want);
    }
}

struct pinned {
    struct omap map;
    struct model model;
    bool used;
};

static void run_random(uint64_t seed, size_t n_ops)
{
    static struct pinned pins[SNAPSHOTS];
    static struct model model;
    struct random_seeded r;
    struct omap m;
    char text[24];

    random_seeded_init(&r, seed);
    memset(pins, 0, sizeof(pins));
    memset(&model, 0, sizeof(model));
    omap_init(&m, &ops);
    for (size_t op = 1; op <= n_ops; op++) {
        /* Tides of growth and decay take the tree through all its shapes. */
        uint64_t put_of_8 = op / 6000 % 2 ? 2 : 6;
        size_t i = random_below(&r.base, KEYS);
        const struct item *found = omap_find(&m, key_text(i, text));

        assert_int_equal(found ? found->version : 0, model.version[i]);
        if (random_below(&r.base, 8) < put_of_8)
            put(&m, &model, i, (uint32_t)op);
        else
            drop(&m, &model, i);
        if (op % 997 == 0) {
            struct pinned *p = &pins[random_below(&r.base, SNAPSHOTS)];

            if (p->used) {
                check(&p->map, &p->model, &r.base); /* unchanged since it was taken */
                check_prefixes(&p->map, &p->model);
                omap_deinit(&p->map);
            }
            p->map = omap_snapshot(&m);
            p->model = model;
            p->used = true;
            check(&m, &model, &r.base);
            check_prefixes(&m, &model);
        }
    }
    for (size_t i = 0; i < KEYS; i++)
        if (model.version[i])
            drop(&m, &model, i);
    assert_int_equal(m.n, 0);
    omap_deinit(&m);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        if (!pins[i].used)
            continue;
        check(&pins[i].map, &pins[i].model, &r.base);
        omap_deinit(&pins[i].map);
    }
    assert_int_equal(n_items, 0);
}

static void test_random_operations_with_snapshots(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_random(seed, 25000);
}

static void test_ascending_and_descending_loads(void **state)
{
    static struct model model;
    struct random_seeded r;
    struct omap m;

    random_seeded_init(&r, 3);
    for (int down = 0; down < 2; down++) {
        memset(&model, 0, sizeof(model));
        omap_init(&m, &ops);
        for (size_t k = 0; k < KEYS; k++)
            put(&m, &model, in_order[down ? KEYS - 1 - k : k], 1);
        check(&m, &model, &r.base);
        check_prefixes(&m, &model);
        for (size_t k = 0; k < KEYS; k++) {
            drop(&m, &model, in_order[down ? KEYS - 1 - k : k]);
            if (k % 500 == 0)
                check(&m, &model, &r.base);
        }
        assert_null(m.root);
        omap_deinit(&m);
    }
    assert_int_equal(n_items, 0);
}

static void test_empty(void **state)
{
    struct omap m, snapshot;
    struct omap_iter it;

    omap_init(&m, &ops);
    snapshot = omap_snapshot(&m);
    assert_null(omap_find(&m, STR("a")));
    assert_false(omap_remove(&m, STR("a")));
    assert_int_equal(omap_count_prefix(&m, STR("")), 0);
    omap_seek(&m, STR("a"), &it);
    assert_null(omap_next(&it));
    omap_deinit(&snapshot);
    omap_deinit(&m);
    omap_deinit(&m);
}

/* The key given to omap_remove() may be the one inside the value that it frees. */
static void test_remove_by_own_key(void **state)
{
    static struct model model;
    struct omap m;

    memset(&model, 0, sizeof(model));
    omap_init(&m, &ops);
    for (size_t i = 0; i < 200; i++)
        put(&m, &model, i, 1);
    while (m.n) {
        struct omap_iter it;

        omap_seek(&m, STR_NULL, &it);
        assert_true(omap_remove(&m, item_key(omap_next(&it))));
    }
    omap_deinit(&m);
    assert_int_equal(n_items, 0);
}

/* Keys that begin alike over many bytes, begin each other, hold zeros and 0xff. */
enum { SHAPES = 1500 };

static struct item *shaped_new(struct random *r)
{
    static const char letters[] = {'\0', 'a', 'a', 'b', '\xff'};
    struct item *it = item_new(0, 0);

    it->len = random_below(r, sizeof(it->key) + 1);
    for (size_t i = 0; i < it->len; i++) /* long common beginnings are likely */
        it->key[i] = i < it->len / 2 ? 'a' : letters[random_below(r, sizeof(letters))];
    return it;
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(item_key(*(struct item *const *)a), item_key(*(struct item *const *)b));
}

static void check_shapes(const struct omap *m, struct item *const *v, const bool *there,
                         struct random *r)
{
    struct str prefix = item_key(v[random_below(r, SHAPES)]);
    size_t with_prefix = 0;
    struct omap_iter it;

    prefix = str_sub(prefix, 0, random_below(r, prefix.len + 1));
    omap_seek(m, STR_NULL, &it);
    for (size_t i = 0; i < SHAPES; i++) {
        struct item *found = omap_find(m, item_key(v[i]));

        if (i && str_eq(item_key(v[i]), item_key(v[i - 1])))
            continue; /* the map has one of them */
        with_prefix += there[i] && str_has_prefix(item_key(v[i]), prefix);
        assert_int_equal(found != NULL, there[i]);
        if (found) {
            assert_true(str_eq(item_key(found), item_key(v[i])));
            assert_ptr_equal(omap_next(&it), found);
        }
    }
    assert_null(omap_next(&it));
    assert_int_equal(omap_count_prefix(m, prefix), with_prefix);
}

static void test_keys_of_all_shapes(void **state)
{
    static struct item *v[SHAPES];
    static bool there[SHAPES];
    struct random_seeded r;
    struct omap m;

    random_seeded_init(&r, 11);
    for (size_t i = 0; i < SHAPES; i++)
        v[i] = shaped_new(&r.base);
    qsort(v, SHAPES, sizeof(v[0]), by_key);
    omap_init(&m, &ops);
    for (size_t n = 0; n < 20 * SHAPES; n++) {
        size_t i = random_below(&r.base, SHAPES);

        while (i && str_eq(item_key(v[i]), item_key(v[i - 1])))
            i--;
        if (random_below(&r.base, 20 * SHAPES) >= n) /* it grows, then shrinks */
            assert_int_equal(omap_put(&m, v[i]), there[i]);
        else
            assert_int_equal(omap_remove(&m, item_key(v[i])), there[i]);
        there[i] = omap_find(&m, item_key(v[i])) != NULL;
        if (n % 500 == 0)
            check_shapes(&m, v, there, &r.base);
    }
    omap_deinit(&m);
    for (size_t i = 0; i < SHAPES; i++)
        item_unref(v[i]);
    assert_int_equal(n_items, 0);
}

/* Readers on other threads walk and drop snapshots while the owner goes on writing. */
static void read_snapshots(void *arg)
{
    struct queue *q = arg;
    struct omap *snapshot;

    while ((snapshot = queue_pop(q, -1))) {
        struct omap_iter it;
        size_t n = 0;

        omap_seek(snapshot, STR_NULL, &it);
        while (omap_next(&it))
            n++;
        assert(n == snapshot->n); /* cmocka's own assertions belong to the main thread */
        omap_deinit(snapshot);
        free(snapshot);
    }
}

static void test_snapshots_on_other_threads(void **state)
{
    static struct model model;
    struct queue *q = queue_new(100000);
    struct thread *readers[2];
    struct random_seeded r;
    struct omap m;

    random_seeded_init(&r, 5);
    memset(&model, 0, sizeof(model));
    omap_init(&m, &ops);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        readers[i] = thread_start("reader", read_snapshots, q);
    for (uint32_t op = 1; op <= 4000; op++) {
        size_t i = random_below(&r.base, 500);

        if (op % 3)
            put(&m, &model, i, op);
        else
            drop(&m, &model, i);
        if (op % 20 == 0) {
            struct omap *snapshot = xnew(struct omap);

            *snapshot = omap_snapshot(&m);
            assert_true(queue_push(q, snapshot));
        }
    }
    queue_close(q);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        readers[i] = thread_join(readers[i]);
    omap_deinit(&m);
    q = queue_free(q);
    assert_int_equal(n_items, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_ascending_and_descending_loads),
        cmocka_unit_test(test_remove_by_own_key),
        cmocka_unit_test(test_keys_of_all_shapes),
        cmocka_unit_test(test_random_operations_with_snapshots),
        cmocka_unit_test(test_snapshots_on_other_threads),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
