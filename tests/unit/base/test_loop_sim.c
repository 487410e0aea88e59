/* test_loop_sim.c - simulated loops: virtual time, order, reproducibility. */
#include "aborts.h"
#include "base/loop.h"

struct trace {
    char text[256];
};
struct message {
    struct trace *trace;
    char name;
};

static void put(struct trace *t, char c)
{
    size_t n = strlen(t->text);

    assert_true(n + 1 < sizeof(t->text));
    t->text[n] = c;
}

static void on_message(void *arg)
{
    struct message *m = arg;

    put(m->trace, m->name);
}

struct probe {
    struct timer timer;
    struct message m;
    uint64_t fired_ms;
};

static void on_probe(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    p->fired_ms = loop_now_ms(t->loop);
    on_message(&p->m);
}

static void test_time_is_virtual(void **state)
{
    struct sim *s = sim_new(1);
    struct loop *l = sim_loop(s, "a");
    struct trace trace = {0};
    struct probe day = {.m = {&trace, 'd'}}, second = {.m = {&trace, 's'}};
    uint64_t start = loop_now_ms(l);

    assert_true(loop_wall_ns(l) == INT64_C(1767225600) * 1000000000);
    timer_init(&day.timer, l, on_probe);
    timer_init(&second.timer, l, on_probe);
    timer_start(&day.timer, 86400000, 0);
    timer_start(&second.timer, 1000, 0);
    while (sim_step(s))
        ;
    assert_string_equal(trace.text, "sd");
    assert_int_equal(second.fired_ms, start + 1000);
    assert_int_equal(day.fired_ms, start + 86400000);
    assert_true(loop_wall_ns(l) == (INT64_C(1767225600) + 86400) * 1000000000);
    assert_null(loop_uv(l));
    s = sim_free(s);
    assert_null(sim_free(NULL));
}

static void test_run_for_stops_at_its_end(void **state)
{
    struct sim *s = sim_new(1);
    struct loop *l = sim_loop(s, "a");
    struct trace trace = {0};
    struct probe p = {.m = {&trace, 'p'}};

    timer_init(&p.timer, l, on_probe);
    timer_start(&p.timer, 10, 10);
    sim_run_for(s, 35);
    assert_string_equal(trace.text, "ppp");
    assert_int_equal(loop_now_ms(l), 35);
    sim_run_for(s, 5); /* what is due at the end itself runs */
    assert_string_equal(trace.text, "pppp");
    timer_stop(&p.timer);
    sim_run_for(s, 1000);
    assert_int_equal(loop_now_ms(l), 1040);
    assert_false(sim_step(s));
    s = sim_free(s);
}

struct ordered { /* a timer that knows what must have fired before it */
    struct timer timer;
    uint64_t *last_due_ms, *last_start;
    size_t *n_fired;
};

static void on_ordered(struct timer *t)
{
    struct ordered *o = container_of(t, struct ordered, timer);

    assert_int_equal(loop_now_ms(t->loop), t->due_ms);
    assert_true(t->due_ms > *o->last_due_ms ||
                (t->due_ms == *o->last_due_ms && t->start > *o->last_start));
    *o->last_due_ms = t->due_ms;
    *o->last_start = t->start;
    ++*o->n_fired;
}

static void test_many_timers_fire_in_order(void **state)
{
    enum { N = 300 };
    struct sim *s = sim_new(1);
    struct loop *l = sim_loop(s, "a");
    struct ordered *o = xcalloc(N, sizeof(*o));
    uint64_t last_due_ms = 0, last_start = 0;
    size_t n_fired = 0, n_active = 0;
    struct random_seeded r;

    random_seeded_init(&r, 11);
    for (size_t i = 0; i < N; i++) {
        o[i] = (struct ordered){
            .last_due_ms = &last_due_ms, .last_start = &last_start, .n_fired = &n_fired};
        timer_init(&o[i].timer, l, on_ordered);
    }
    for (int op = 0; op < 20000; op++) {
        struct timer *t = &o[random_below(&r.base, N)].timer;

        if (random_below(&r.base, 3) == 0)
            timer_stop(t);
        else
            timer_start(t, 1 + random_below(&r.base, 60), 0);
    }
    for (size_t i = 0; i < N; i++)
        n_active += timer_active(&o[i].timer);
    assert_in_range(n_active, N / 2, N);
    while (sim_step(s))
        ;
    assert_int_equal(n_fired, n_active);
    free(o);
    s = sim_free(s);
}

/* One run: two loops with four posts and two timers due each. */
static void run_mixed(uint64_t seed, struct trace *trace)
{
    struct sim *s = sim_new(seed);
    struct loop *l[2] = {sim_loop(s, "a"), sim_loop(s, "b")};
    struct message m[2][4];
    struct probe p[2][2];

    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 4; k++) {
            m[i][k] = (struct message){trace, (char)((i ? 'a' : 'A') + (int)k)};
            loop_post(l[i], on_message, &m[i][k]);
        }
        for (size_t k = 0; k < 2; k++) {
            p[i][k] = (struct probe){.m = {trace, (char)((i ? 'y' : 'Y') + (int)k)}};
            timer_init(&p[i][k].timer, l[i], on_probe);
            timer_start(&p[i][k].timer, 0, 0);
        }
    }
    while (sim_step(s))
        ;
    s = sim_free(s);
}

static void test_seed_decides_and_order_within_a_loop_holds(void **state)
{
    struct trace first = {0}, again;
    size_t differ = 0;

    run_mixed(0, &first);
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct trace a = {0};

        again = (struct trace){0};
        run_mixed(seed, &a);
        run_mixed(seed, &again);
        assert_string_equal(a.text, again.text);
        assert_int_equal(strlen(a.text), 12);
        differ += strcmp(a.text, first.text) != 0;
        for (const char *pair = "ABBCCDabbccdYZyz"; *pair; pair += 2)
            assert_true(strchr(a.text, pair[0]) < strchr(a.text, pair[1]));
    }
    assert_in_range(differ, 45, 49);
}

struct job {
    struct loop *l;
    uint64_t worked_ms, done_ms;
};

static void do_work(void *arg)
{
    struct job *j = arg;

    j->worked_ms = loop_now_ms(j->l);
}

static void work_done(void *arg)
{
    struct job *j = arg;

    j->done_ms = loop_now_ms(j->l);
}

static void test_work_takes_virtual_time(void **state)
{
    struct sim *s = sim_new(9);
    struct loop *l = sim_loop(s, "a");
    bool seen[6] = {0};

    for (int i = 0; i < 200; i++) {
        struct job j = {.l = l};
        uint64_t start = loop_now_ms(l);

        loop_work(l, do_work, work_done, &j);
        assert_true(sim_step(s));
        assert_int_equal(j.worked_ms, j.done_ms);
        assert_in_range(j.done_ms - start, 0, 5);
        seen[j.done_ms - start] = true;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_true(seen[i]);
    s = sim_free(s);
}

static void on_stop(void *arg)
{
    loop_stop(arg);
}

static void test_loop_run_steps_the_sim(void **state)
{
    struct sim *s = sim_new(2);
    struct loop *a = sim_loop(s, "a"), *b = sim_loop(s, "b");
    struct trace trace = {0};
    struct probe p = {.m = {&trace, 'p'}};

    timer_init(&p.timer, b, on_probe);
    timer_start(&p.timer, 7, 0);
    loop_run(a);
    assert_string_equal(trace.text, "p");
    timer_start(&p.timer, 7, 0);
    loop_post(a, on_stop, a);
    loop_run(a);
    assert_string_equal(trace.text, "p");
    s = sim_free(s);
    assert_false(timer_active(&p.timer));
}

/* Freeing one loop is the crash of one component: nothing of it runs any more. */
static void test_freed_loop_is_silent(void **state)
{
    struct sim *s = sim_new(3);
    struct loop *a = sim_loop(s, "a"), *b = sim_loop(s, "b");
    struct trace trace = {0};
    struct probe pa = {.m = {&trace, 'a'}}, pb = {.m = {&trace, 'b'}};
    struct job j = {.l = a};

    timer_init(&pa.timer, a, on_probe);
    timer_init(&pb.timer, b, on_probe);
    timer_start(&pa.timer, 1, 0);
    timer_start(&pb.timer, 2, 0);
    loop_post(a, on_message, &pa.m);
    loop_work(a, do_work, work_done, &j);
    a = loop_free(a);
    assert_false(timer_active(&pa.timer));
    timer_stop(&pa.timer); /* still safe */
    while (sim_step(s))
        ;
    assert_string_equal(trace.text, "b");
    loop_work(b, do_work, work_done, &j); /* left behind */
    s = sim_free(s);
}

static void hold(void *arg)
{
    loop_hold(arg, true);
}

static void touch_other_loop(void *arg)
{
    struct sim *s = sim_new(4);
    struct loop *a = sim_loop(s, "a"), *b = sim_loop(s, "b");

    loop_hold(b, true); /* fine outside of callbacks */
    loop_post(a, hold, a);
    (void)sim_step(s); /* fine: its own */
    if (arg)
        loop_post(a, hold, b);
    (void)sim_step(s);
    s = sim_free(s);
}

/* State of one loop touched from a callback of another would be a race in production. */
static void test_touching_another_loop_aborts(void **state)
{
    assert_false(aborts(touch_other_loop, NULL));
    assert_true(aborts(touch_other_loop, "do it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_virtual),
        cmocka_unit_test(test_run_for_stops_at_its_end),
        cmocka_unit_test(test_many_timers_fire_in_order),
        cmocka_unit_test(test_seed_decides_and_order_within_a_loop_holds),
        cmocka_unit_test(test_work_takes_virtual_time),
        cmocka_unit_test(test_loop_run_steps_the_sim),
        cmocka_unit_test(test_freed_loop_is_silent),
        cmocka_unit_test(test_touching_another_loop_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
