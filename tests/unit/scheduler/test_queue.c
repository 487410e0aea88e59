/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/queue.h"

#include "objects.h"
#include "test.h"

struct rig {
    struct sim *sim;
    struct loop *loop;
    struct pod_queue *q;
    unsigned calls;
};

static void on_ready(void *arg)
{
    ((struct rig *)arg)->calls++;
}

static void begin(struct rig *r)
{
    *r = (struct rig){.sim = sim_new(1)};
    r->loop = sim_loop(r->sim, "l");
    r->q = pod_queue_new(r->loop, on_ready, r);
}

static void end(struct rig *r)
{
    pod_queue_free(r->q);
    sim_free(r->sim);
}

static void put(struct rig *r, const char *name, int priority)
{
    auto_arena a = {0};
    struct object *o =
        make_pod(name, arena_printf(&a, "\"priority\":%d,\"containers\":[]", priority));

    pod_queue_put(r->q, o);
    object_unref(o);
}

/* Takes the first pod, which must be @name (NULL: there must be none), and rejects it unless
 * @changes is -1. */
static void take(struct rig *r, const char *name, int changes)
{
    struct object *o = pod_queue_take(r->q);

    if (!name) {
        assert_null(o);
        return;
    }
    assert_non_null(o);
    assert_str_equal(o->name, name);
    if (changes >= 0)
        pod_queue_rejected(r->q, o, (unsigned)changes);
    object_unref(o);
}

static void by_priority_then_by_arrival(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    put(&r, "a", 0);
    put(&r, "b", 5);
    put(&r, "c", 0);
    put(&r, "d", 5);
    assert_int_equal(r.calls, 0);
    sim_run_for(r.sim, 1);
    assert_int_equal(r.calls, 1);
    put(&r, "c", 9); /* changed its mind */
    take(&r, "c", -1);
    take(&r, "b", -1);
    pod_queue_remove(r.q, STR("u-d"));
    pod_queue_remove(r.q, STR("u-nobody"));
    take(&r, "a", -1);
    take(&r, NULL, 0);
    end(&r);
}

static void a_rejected_pod_waits_for_what_may_help(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    put(&r, "a", 0);
    take(&r, "a", CHANGE_POD_GONE);
    sim_run_for(r.sim, 20000);
    pod_queue_changed(r.q, CHANGE_NODE_LABELS);
    take(&r, NULL, 0);
    pod_queue_changed(r.q, CHANGE_POD_GONE);
    take(&r, "a", CHANGE_POD_GONE);
    sim_run_for(r.sim, 299999);
    take(&r, NULL, 0);
    sim_run_for(r.sim, 2);
    take(&r, "a", CHANGE_POD_GONE); /* after five minutes anyway */
    end(&r);
}

static void the_back_off_doubles(void **state)
{
    static const unsigned waits[] = {1000, 2000, 4000, 8000, 10000, 10000};
    struct rig r;

    (void)state;
    begin(&r);
    put(&r, "a", 0);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        take(&r, "a", CHANGE_POD_GONE);
        pod_queue_changed(r.q, CHANGE_POD_GONE);
        sim_run_for(r.sim, waits[i] - 1);
        take(&r, NULL, 0);
        sim_run_for(r.sim, 1);
    }
    take(&r, "a", 0); /* an error: only the back-off */
    sim_run_for(r.sim, 10000);
    take(&r, "a", -1);
    end(&r);
}

static void a_change_during_the_cycle_is_not_missed(void **state)
{
    struct rig r;
    struct object *a, *b;

    (void)state;
    begin(&r);
    put(&r, "a", 0);
    put(&r, "b", 0);
    a = pod_queue_take(r.q);
    pod_queue_changed(r.q, CHANGE_POD_GONE);
    b = pod_queue_take(r.q); /* looks at the cluster after the change */
    pod_queue_rejected(r.q, a, CHANGE_POD_GONE);
    pod_queue_rejected(r.q, b, CHANGE_POD_GONE);
    sim_run_for(r.sim, 1000);
    take(&r, "a", -1);
    take(&r, NULL, 0);
    object_unref(a);
    object_unref(b);
    end(&r);
}

static void news_of_the_pod_itself(void **state)
{
    struct rig r;
    struct object *o;

    (void)state;
    begin(&r);
    put(&r, "a", 0);
    take(&r, "a", CHANGE_POD_SELF);
    sim_run_for(r.sim, 5000);
    o = make_pod("a", "\"containers\":[]");
    pod_queue_refresh(r.q, o); /* its status */
    take(&r, NULL, 0);
    put(&r, "a", 0);
    take(&r, "a", CHANGE_NODE_ADDED);
    sim_run_for(r.sim, 5000);
    put(&r, "a", 0); /* would not help */
    take(&r, NULL, 0);
    pod_queue_rejected(r.q, o, 0); /* not taken: of no effect */
    pod_queue_done(r.q, o->uid);
    pod_queue_changed(r.q, CHANGE_NODE_ADDED);
    take(&r, NULL, 0);
    object_unref(o);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_priority_then_by_arrival),
        cmocka_unit_test(a_rejected_pod_waits_for_what_may_help),
        cmocka_unit_test(the_back_off_doubles),
        cmocka_unit_test(a_change_during_the_cycle_is_not_missed),
        cmocka_unit_test(news_of_the_pod_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
