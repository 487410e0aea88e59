/* test_queue.c - queues, cells, mutexes and reference counts between threads. */
#include "base/clock.h"
#include "base/queue.h"
#include "base/ref.h"
#include "test.h"

#define PRODUCERS 4
#define EACH      5000

static void test_fifo_and_bound(void **state)
{
    struct queue *q = queue_new(20);
    int items[21];
    void *got[21];

    for (int round = 0; round < 5; round++) { /* the ring wraps */
        for (size_t i = 0; i < 20; i++)
            assert_true(queue_push(q, &items[i]));
        assert_false(queue_push(q, &items[20]));
        for (size_t i = 0; i < 13; i++)
            assert_ptr_equal(queue_pop(q, 0), &items[i]);
        assert_int_equal(queue_pop_many(q, got, 3), 3);
        assert_ptr_equal(got[2], &items[15]);
        assert_int_equal(queue_pop_many(q, got, 21), 4);
        assert_ptr_equal(got[3], &items[19]);
        assert_null(queue_pop(q, 0));
    }
    q = queue_free(q);
    assert_null(queue_free(NULL));
}

static void test_pop_waits_as_long_as_told(void **state)
{
    struct queue *q = queue_new(1);
    const struct clock *c = clock_real();
    uint64_t start = c->mono_ns(c);

    assert_null(queue_pop(q, 20));
    assert_true(c->mono_ns(c) - start >= 20000000);
    q = queue_free(q);
}

static void test_close(void **state)
{
    struct queue *q = queue_new(4);
    int a, b;

    assert_true(queue_push(q, &a));
    queue_close(q);
    assert_false(queue_push(q, &b));
    assert_ptr_equal(queue_pop(q, -1), &a); /* what was in it still comes out */
    assert_null(queue_pop(q, -1));
    q = queue_free(q);
}

struct producer {
    struct queue *q;
    struct thread *thread;
    size_t n; /* the last number pushed */
    size_t numbers[EACH];
    size_t next; /* of the consumer: what must come now */
};

static void produce(void *arg)
{
    struct producer *p = arg;

    while (p->n < EACH)
        if (queue_push(p->q, &p->numbers[p->n]))
            p->n++;
}

static void test_many_producers_keep_their_order(void **state)
{
    struct queue *q = queue_new(64);
    struct producer *p = xcalloc(PRODUCERS, sizeof(*p));

    for (size_t i = 0; i < PRODUCERS; i++) {
        p[i].q = q;
        p[i].thread = thread_start("producer-with-a-long-name", produce, &p[i]);
    }
    for (size_t n = 0; n < PRODUCERS * EACH; n++) {
        const size_t *item = queue_pop(q, -1);
        size_t who = 0;

        assert_non_null(item);
        while (item < p[who].numbers || item >= p[who].numbers + EACH)
            who++;
        assert_ptr_equal(item, &p[who].numbers[p[who].next]);
        p[who].next++;
    }
    for (size_t i = 0; i < PRODUCERS; i++)
        p[i].thread = thread_join(p[i].thread);
    free(p);
    q = queue_free(q);
    assert_null(thread_join(NULL));
}

struct value {
    struct ref refs;
    unsigned number, twice;
};

static void value_ref(void *v)
{
    ref_get(&((struct value *)v)->refs);
}

static void value_unref(void *v)
{
    if (ref_put(&((struct value *)v)->refs))
        free(v);
}

static struct value *value_new(unsigned number)
{
    struct value *v = xnew(struct value);

    ref_init(&v->refs);
    v->number = number;
    v->twice = 2 * number;
    return v;
}

static void read_cell(void *arg)
{
    struct cell *c = arg;
    unsigned last = 0;

    while (last < 5000) {
        struct value *v = cell_get(c);

        assert(v->twice == 2 * v->number && v->number >= last);
        last = v->number;
        value_unref(v);
    }
}

static void test_cell_is_read_while_it_changes(void **state)
{
    struct cell *c = cell_new(value_ref, value_unref);
    struct thread *readers[3];

    assert_null(cell_get(c));
    cell_set(c, value_new(0));
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        readers[i] = thread_start("reader", read_cell, c);
    for (unsigned n = 1; n <= 5000; n++)
        cell_set(c, value_new(n));
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        readers[i] = thread_join(readers[i]);
    cell_set(c, NULL);
    assert_null(cell_get(c));
    cell_set(c, value_new(1));
    c = cell_free(c);
    assert_null(cell_free(NULL));
}

struct counter {
    struct mutex *mutex;
    unsigned n;
};

static void count(void *arg)
{
    struct counter *c = arg;

    for (int i = 0; i < 5000; i++) {
        mutex_lock(c->mutex);
        c->n++;
        mutex_unlock(c->mutex);
    }
}

static void test_mutex(void **state)
{
    struct counter c = {.mutex = mutex_new()};
    struct thread *a = thread_start("a", count, &c), *b = thread_start("b", count, &c);

    a = thread_join(a);
    b = thread_join(b);
    assert_int_equal(c.n, 10000);
    c.mutex = mutex_free(c.mutex);
    assert_null(mutex_free(NULL));
}

static void test_ref(void **state)
{
    struct ref r;

    ref_init(&r);
    assert_true(ref_unique(&r));
    ref_get(&r);
    assert_false(ref_unique(&r));
    assert_false(ref_put(&r));
    assert_true(ref_put(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo_and_bound),
        cmocka_unit_test(test_pop_waits_as_long_as_told),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_many_producers_keep_their_order),
        cmocka_unit_test(test_cell_is_read_while_it_changes),
        cmocka_unit_test(test_mutex),
        cmocka_unit_test(test_ref),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
