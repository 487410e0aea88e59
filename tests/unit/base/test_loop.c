/* test_loop.c - the production loop. */
#include "aborts.h"
#include "base/loop.h"
#include "base/queue.h"
#include "base/vec.h"
#include <assert.h>
#include <pthread.h>
#include <uv.h>

#define POSTERS 4
#define EACH    3000

struct probe { /* a timer that writes its name into a trace */
    struct timer timer;
    char name;
    char *trace;
    unsigned fires_left; /* then it stops itself; 0: only every_ms decides */
};

static void on_probe(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    p->trace[strlen(p->trace)] = p->name;
    if (p->fires_left && --p->fires_left == 0)
        timer_stop(t);
}

static void start_six(void *arg)
{
    static const uint64_t delay[] = {20, 5, 10, 5, 0, 10};
    struct probe *p = arg;

    for (size_t i = 0; i < ARRAY_LEN(delay); i++)
        timer_start(&p[i].timer, delay[i], 0);
    timer_stop(&p[2].timer);
    timer_stop(&p[2].timer);
    assert_false(timer_active(&p[2].timer));
    timer_start(&p[1].timer, 5, 0); /* now behind the other one that is due in 5 ms */
}

static void test_timers_fire_in_order(void **state)
{
    struct loop *l = loop_new("test");
    char trace[32] = "";
    struct probe p[6];

    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = (struct probe){.name = (char)('a' + i), .trace = trace};
        timer_init(&p[i].timer, l, on_probe);
    }
    loop_post(l, start_six, p); /* on the loop, where the time stands still meanwhile */
    loop_run(l);
    assert_string_equal(trace, "edbfa");
    l = loop_free(l);
    assert_null(loop_free(NULL));
}

static void test_periodic_timer(void **state)
{
    struct loop *l = loop_new("test");
    char trace[32] = "";
    struct probe p = {.name = 'p', .trace = trace, .fires_left = 4};
    uint64_t start = loop_now_ms(l);

    timer_init(&p.timer, l, on_probe);
    timer_start(&p.timer, 1, 5);
    loop_run(l);
    assert_string_equal(trace, "pppp");
    assert_true(loop_now_ms(l) - start >= 16);
    l = loop_free(l);
}

static void on_restart(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    if (--p->fires_left)
        timer_start(t, 0, 0);
}

/* A timer that starts itself anew without delay lets the loop turn. */
static void test_zero_delay_does_not_starve(void **state)
{
    struct loop *l = loop_new("test");
    struct probe p = {.fires_left = 1000};

    timer_init(&p.timer, l, on_restart);
    timer_start(&p.timer, 0, 0);
    loop_run(l);
    assert_int_equal(p.fires_left, 0);
    l = loop_free(l);
}

struct poster {
    struct loop *l;
    struct thread *thread;
    pthread_t *loop_thread;
    size_t numbers[EACH];
    size_t next; /* loop thread only */
    size_t *n_all;
};

struct message {
    struct poster *p;
    size_t number;
};

static void on_message(void *arg)
{
    struct message *m = arg;

    loop_assert(m->p->l);
    assert(m->number == m->p->next);
    m->p->next++;
    if (++*m->p->n_all == (size_t)POSTERS * EACH)
        loop_stop(m->p->l);
    free(m);
}

static void post_all(void *arg)
{
    struct poster *p = arg;

    for (size_t i = 0; i < EACH; i++) {
        struct message *m = xnew(struct message);

        *m = (struct message){p, i};
        loop_post(p->l, on_message, m);
    }
}

static void test_posts_of_many_threads_keep_their_order(void **state)
{
    struct loop *l = loop_new("test");
    struct poster *p = xcalloc(POSTERS, sizeof(*p));
    size_t n = 0;

    for (size_t i = 0; i < POSTERS; i++) {
        p[i].l = l;
        p[i].n_all = &n;
        p[i].thread = thread_start("poster", post_all, &p[i]);
    }
    loop_hold(l, true); /* nothing else keeps it until the first post arrives */
    loop_run(l);
    assert_int_equal(n, POSTERS * EACH);
    for (size_t i = 0; i < POSTERS; i++) {
        p[i].thread = thread_join(p[i].thread);
        assert_int_equal(p[i].next, EACH);
    }
    free(p);
    l = loop_free(l);
}

struct counter {
    struct loop *l;
    int n;
    pthread_t worker;
};

static void on_count(void *arg)
{
    ((struct counter *)arg)->n++;
}

static void on_post_again(void *arg)
{
    struct counter *c = arg;

    if (++c->n < 100)
        loop_post(c->l, on_post_again, c);
}

static void test_run_ends_when_nothing_is_left(void **state)
{
    struct loop *l = loop_new("test");
    struct counter c = {.l = l};

    loop_run(l);
    loop_post(l, on_post_again, &c);
    loop_run(l);
    assert_int_equal(c.n, 100);
    l = loop_free(l);
}

static void test_free_runs_what_was_posted(void **state)
{
    struct loop *l = loop_new("test");
    struct counter c = {.l = l};
    struct probe never = {0};

    timer_init(&never.timer, l, on_probe);
    timer_start(&never.timer, 0, 0);
    loop_post(l, on_post_again, &c);
    l = loop_free(l);
    assert_int_equal(c.n, 100);
    assert_false(timer_active(&never.timer));
}

static void test_stop_before_run_and_after_posts(void **state)
{
    struct loop *l = loop_new("test");
    struct counter c = {.l = l};

    loop_hold(l, true);
    loop_post(l, on_count, &c);
    loop_stop(l);
    loop_run(l);
    assert_int_equal(c.n, 1);
    loop_post(l, on_count, &c);
    loop_hold(l, false);
    loop_run(l); /* the stop is used up */
    assert_int_equal(c.n, 2);
    l = loop_free(l);
}

static void do_work(void *arg)
{
    struct counter *c = arg;

    c->n++;
    c->worker = pthread_self();
}

static void work_done(void *arg)
{
    struct counter *c = arg;

    assert(!pthread_equal(c->worker, pthread_self()));
    loop_assert(c->l);
    if (c->n < 10)
        loop_work(c->l, do_work, work_done, c);
}

static void test_work_runs_elsewhere_and_comes_back(void **state)
{
    struct loop *l = loop_new("test");
    struct counter c = {.l = l};

    loop_work(l, do_work, work_done, &c);
    loop_run(l);
    assert_int_equal(c.n, 10);
    c.n = 9;
    loop_work(l, do_work, work_done, &c);
    l = loop_free(l); /* waits for it */
    assert_int_equal(c.n, 10);
}

static void on_idle(uv_idle_t *h)
{
    uv_close((uv_handle_t *)h, NULL);
}

static void test_uv_handles_keep_it_running(void **state)
{
    struct loop *l = loop_new("test");
    uv_idle_t idle;

    assert_non_null(loop_uv(l));
    assert_int_equal(uv_idle_init(loop_uv(l), &idle), 0);
    assert_int_equal(uv_idle_start(&idle, on_idle), 0);
    loop_run(l);
    assert_true(uv_is_closing((uv_handle_t *)&idle));
    l = loop_free(l);
}

static void hold(void *arg)
{
    loop_hold(arg, true);
}

static void on_foreign_thread(struct timer *t)
{
    struct thread *other = thread_start("other", hold, t->loop);

    other = thread_join(other);
}

static void run_with_foreign_call(void *arg)
{
    struct loop *l = loop_new("test");
    struct timer t;

    timer_init(&t, l, on_foreign_thread);
    timer_start(&t, 0, 0);
    loop_run(l);
}

static void free_with_live_handle(void *arg)
{
    struct loop *l = loop_new("test");
    uv_idle_t idle;

    if (uv_idle_init(loop_uv(l), &idle) == 0)
        (void)loop_free(l);
}

static void test_misuse_aborts(void **state)
{
    assert_true(aborts(run_with_foreign_call, NULL));
    assert_true(aborts(free_with_live_handle, NULL));
}

static void test_clock_and_random(void **state)
{
    struct loop *l = loop_new("test");

    assert_ptr_equal(loop_clock(l), clock_real());
    assert_true(random_u64(loop_random(l)) != random_u64(loop_random(l)));
    assert_true(loop_wall_ns(l) > 0);
    l = loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misuse_aborts), /* first: TSan forks only while there is one thread */
        cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_periodic_timer),
        cmocka_unit_test(test_zero_delay_does_not_starve),
        cmocka_unit_test(test_posts_of_many_threads_keep_their_order),
        cmocka_unit_test(test_run_ends_when_nothing_is_left),
        cmocka_unit_test(test_free_runs_what_was_posted),
        cmocka_unit_test(test_stop_before_run_and_after_posts),
        cmocka_unit_test(test_work_runs_elsewhere_and_comes_back),
        cmocka_unit_test(test_uv_handles_keep_it_running),
        cmocka_unit_test(test_clock_and_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
