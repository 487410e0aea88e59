/* SPDX-License-Identifier: Apache-2.0 */
#include "client/workqueue.h"

#include "test.h"

struct rig {
    struct sim *sim;
    struct loop *loop;
    struct workqueue *wq;
    unsigned calls;
};

static void on_ready(void *arg)
{
    ((struct rig *)arg)->calls++;
}

static void begin(struct rig *r, uint32_t min_ms, uint32_t max_ms)
{
    struct workqueue_opts opts = {min_ms, max_ms, on_ready, r};

    *r = (struct rig){.sim = sim_new(1)};
    r->loop = sim_loop(r->sim, "l");
    r->wq = workqueue_new(r->loop, &opts);
}

static void end(struct rig *r)
{
    workqueue_free(r->wq);
    sim_free(r->sim);
}

static void keys_come_once_and_in_order(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0, 0);
    workqueue_add(r.wq, STR("a"), 0);
    workqueue_add(r.wq, STR("b"), 0);
    workqueue_add(r.wq, STR("a"), 0);
    assert_int_equal(r.calls, 0); /* from the loop, not from inside */
    sim_run_for(r.sim, 1);
    assert_int_equal(r.calls, 1);
    assert_int_equal(workqueue_len(r.wq), 2);
    assert_str_equal(workqueue_take(r.wq), "a");
    assert_str_equal(workqueue_take(r.wq), "b");
    assert_null(workqueue_take(r.wq).p);
    workqueue_done(r.wq, STR("a"), true);
    workqueue_done(r.wq, STR("b"), true);
    assert_int_equal(workqueue_len(r.wq), 0);
    end(&r);
}

static void a_key_at_work_comes_again(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0, 0);
    workqueue_add(r.wq, STR("a"), 0);
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_add(r.wq, STR("a"), 50);
    workqueue_add(r.wq, STR("a"), 0);
    assert_null(workqueue_take(r.wq).p); /* one worker a key */
    workqueue_done(r.wq, STR("a"), true);
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_done(r.wq, STR("a"), true);
    assert_null(workqueue_take(r.wq).p);
    end(&r);
}

static void the_earlier_due_time_wins(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0, 0);
    workqueue_add(r.wq, STR("a"), 100);
    workqueue_add(r.wq, STR("a"), 500);
    sim_run_for(r.sim, 99);
    assert_null(workqueue_take(r.wq).p);
    sim_run_for(r.sim, 2);
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_done(r.wq, STR("a"), true);
    workqueue_add(r.wq, STR("a"), 100);
    workqueue_add(r.wq, STR("a"), 10);
    sim_run_for(r.sim, 11);
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_done(r.wq, STR("a"), true);
    sim_run_for(r.sim, 1000);
    assert_null(workqueue_take(r.wq).p);
    end(&r);
}

static void failures_double_the_wait(void **state)
{
    struct rig r;
    static const unsigned waits[] = {5, 10, 20, 40, 40, 40};

    (void)state;
    begin(&r, 5, 40);
    workqueue_add(r.wq, STR("a"), 0);
    for (unsigned i = 0; i < ARRAY_LEN(waits); i++) {
        assert_str_equal(workqueue_take(r.wq), "a");
        assert_int_equal(workqueue_failures(r.wq, STR("a")), i);
        workqueue_done(r.wq, STR("a"), false);
        sim_run_for(r.sim, waits[i] - 1);
        assert_null(workqueue_take(r.wq).p);
        sim_run_for(r.sim, 1);
    }
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_done(r.wq, STR("a"), true);
    assert_int_equal(workqueue_failures(r.wq, STR("a")), 0);
    end(&r);
}

static void a_deferred_key_keeps_its_failures(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 5, 1000);
    workqueue_add(r.wq, STR("a"), 0);
    (void)workqueue_take(r.wq);
    workqueue_done(r.wq, STR("a"), false);
    sim_run_for(r.sim, 5);
    (void)workqueue_take(r.wq);
    workqueue_defer(r.wq, STR("a"), 100);
    assert_int_equal(workqueue_failures(r.wq, STR("a")), 1);
    sim_run_for(r.sim, 99);
    assert_null(workqueue_take(r.wq).p);
    sim_run_for(r.sim, 1);
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_defer(r.wq, STR("a"), 100);
    workqueue_add(r.wq, STR("a"), 0); /* something changed */
    assert_str_equal(workqueue_take(r.wq), "a");
    workqueue_done(r.wq, STR("a"), false);
    assert_int_equal(workqueue_failures(r.wq, STR("a")), 2);
    end(&r);
}

/* Against a model: no key is lost, none has two workers. */
static void random_walks_lose_nothing(void **state)
{
    enum { KEYS = 5 };

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random_seeded rnd;
        struct rig r;
        bool active[KEYS] = {0}, wanted[KEYS] = {0};

        random_seeded_init(&rnd, seed);
        begin(&r, 1, 8);
        for (int step = 0; step < 300; step++) {
            auto_arena a = {0};
            size_t k = random_below(&rnd.base, KEYS);
            struct str key = str_printf(&a, "k%zu", k), got;

            switch (random_below(&rnd.base, 4)) {
            case 0:
                workqueue_add(r.wq, key, random_below(&rnd.base, 10));
                wanted[k] = true;
                break;
            case 1:
                got = workqueue_take(r.wq);
                if (!got.p)
                    break;
                k = (size_t)(got.p[1] - '0');
                assert_false(active[k]);
                active[k] = true;
                wanted[k] = false;
                break;
            case 2:
                if (!active[k])
                    break;
                active[k] = false;
                if (random_below(&rnd.base, 2)) {
                    workqueue_done(r.wq, key, true);
                } else {
                    workqueue_done(r.wq, key, false);
                    wanted[k] = true;
                }
                break;
            default:
                sim_run_for(r.sim, random_below(&rnd.base, 5));
            }
        }
        for (size_t k = 0; k < KEYS; k++) {
            auto_arena a = {0};

            if (active[k])
                workqueue_done(r.wq, str_printf(&a, "k%zu", k), true);
        }
        sim_run_for(r.sim, 100);
        for (struct str got; (got = workqueue_take(r.wq)).p;)
            wanted[got.p[1] - '0'] = false;
        for (size_t k = 0; k < KEYS; k++)
            assert_false(wanted[k]);
        end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_once_and_in_order),
        cmocka_unit_test(a_key_at_work_comes_again),
        cmocka_unit_test(the_earlier_due_time_wins),
        cmocka_unit_test(failures_double_the_wait),
        cmocka_unit_test(a_deferred_key_keeps_its_failures),
        cmocka_unit_test(random_walks_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
