/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver promises every controller, shown by controllers made for it. */
#include "rig.h"

#include <stdio.h>

/* "copier": for each ConfigMap x there shall be a Secret x. */
static unsigned plans; /* how often plan() ran */
static struct str failed_with;
static char failed_text[64];

static int plan_copy(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct str ns, name;
    struct core_secret *secret = arena_new(v->arena, struct core_secret);
    const struct object *map;
    struct plan_op op = {.kind = PLAN_CREATE,
                         .res = &res_core_secrets,
                         .obj = secret,
                         .fail_reason = "CopyFailed",
                         .fail_text = "Cannot copy {name}: {error}",
                         .ok_reason = "Copied",
                         .ok_text = "Copied to {name}"};
    long slash = str_find_char(key, '/');

    plans++;
    ns = str_sub(key, 0, (size_t)slash);
    name = str_sub(key, (size_t)slash + 1, key.len);
    if (v->last_error.len > 0) {
        (void)snprintf(failed_text, sizeof(failed_text), "%.*s", STR_ARG(v->last_error));
        failed_with = str_from(failed_text);
    }
    map = view_find(v, &res_core_configmaps, ns, name);
    if (!map)
        return 0;
    if (str_eqz(name, "bad"))
        return err_new(err, ERR_INVALID, "this one cannot be planned");
    if (view_find(v, &res_core_secrets, ns, name))
        return 0;
    op.ns = ns;
    op.event_on = map;
    secret->metadata.name = map->name;
    secret->metadata.namespace = map->ns;
    plan_add(plan, &op);
    return 0;
}

static const struct watch_rule copy_watches[] = {
    {.res = &res_core_configmaps}, {.res = &res_core_secrets}, {0}};
static const struct controller copier = {.name = "copier",
                                         .identity = "copier",
                                         .event_component = "copier",
                                         .watches = copy_watches,
                                         .plan = plan_copy};

static void begin(struct rig *r, uint64_t seed)
{
    plans = 0;
    failed_with = STR_NULL;
    rig_init(r, seed);
}

static void put_map(struct rig *r, const char *name)
{
    rig_put(r, &res_core_configmaps, "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\"}}",
            name);
}

static void plans_wait_for_their_own_writes(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 1);
    rig_add(&r, &copier);
    rig_run(&r, 1000);
    put_map(&r, "a");
    rig_run(&r, 30);
    fake_hold_watches(r.api, true);
    assert_int_equal(fake_calls(r.api, "create"), 1);
    fake_hold_watches(r.api, false);
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, "create"), 1);
    /* The map changes again and again while the cache of secrets stands still. */
    fake_forget_calls(r.api);
    put_map(&r, "b");
    for (int i = 0; i < 100; i++) {
        auto_arena a = {0};

        rig_run(&r, 7);
        fake_edit(r.api, &res_core_configmaps, "default", "b",
                  arena_printf(&a, "{\"data\":{\"k\":\"%d\"}}", i));
    }
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, "create"), 1);
    assert_int_equal(fake_events(r.api, "Copied"), 2);
    assert_string_equal(fake_event_text(r.api, "Copied"), "Copied to b");
    rig_deinit(&r);
}

static void failures_back_off_and_are_told(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 2);
    fake_fail(r.api, VERB_CREATE, &res_core_secrets, 5, ERR_FORBIDDEN, "not you");
    put_map(&r, "a");
    rig_add(&r, &copier);
    rig_run(&r, 100);
    assert_in_range(fake_calls(r.api, "create"), 2, 5); /* 5, 10, 20, 40 ms between them */
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, "create"), 6);
    assert_str_equal(failed_with, "not you");
    assert_int_equal(fake_events(r.api, "CopyFailed"), 5);
    assert_int_equal(fake_count(r.api, &res_core_secrets), 1);
    rig_deinit(&r);
}

static void conflicts_are_no_news(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3);
    fake_fail(r.api, VERB_CREATE, &res_core_secrets, 3, ERR_CONFLICT, "modified");
    put_map(&r, "a");
    rig_add(&r, &copier);
    rig_run(&r, 5000);
    assert_int_equal(fake_count(r.api, &res_core_secrets), 1);
    assert_int_equal(failed_with.len, 0);
    rig_deinit(&r);
}

static void a_key_that_fails_does_not_hold_up_others(void **state)
{
    struct rig r;
    unsigned before;

    (void)state;
    begin(&r, 4);
    put_map(&r, "bad");
    put_map(&r, "good");
    rig_add(&r, &copier);
    rig_run(&r, 1000);
    assert_non_null(fake_find(r.api, &res_core_secrets, "default", "good"));
    before = plans;
    assert_in_range(before, 6, 12);
    rig_run(&r, 1000);
    assert_in_range(plans, before, before + 1); /* it backs off */
    rig_deinit(&r);
}

static void thousands_of_keys_need_no_deep_stack(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 5);
    for (int i = 0; i < 3000; i++) {
        auto_arena a = {0};
        const char *name = arena_printf(&a, "m%04d", i);

        put_map(&r, name);
        rig_put(&r, &res_core_secrets, "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\"}}",
                name);
    }
    rig_add(&r, &copier);
    rig_run(&r, 10000);
    assert_int_equal(plans, 3000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void stopping_in_the_middle_is_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rig r;

        begin(&r, seed);
        for (int i = 0; i < 40; i++) {
            auto_arena a = {0};

            put_map(&r, arena_printf(&a, "m%d", i));
        }
        rig_add(&r, &copier);
        rig_run(&r, seed);
        rig_deinit(&r);
    }
}

static void lost_watches_lose_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig r;

        begin(&r, seed);
        rig_add(&r, &copier);
        for (int i = 0; i < 30; i++) {
            auto_arena a = {0};

            put_map(&r, arena_printf(&a, "m%d", i));
            rig_run(&r, seed * 2);
            if (i % 7 == 3)
                fake_end_watches(r.api, i % 2 ? ERR_EXPIRED : ERR_UNAVAILABLE);
        }
        rig_run(&r, 60000);
        assert_int_equal(fake_count(r.api, &res_core_secrets), 30);
        assert_int_equal(fake_calls(r.api, "create"), 30); /* none twice */
        rig_deinit(&r);
    }
}

/* "stepper": three batches; the second must not start before the first has ended. */
static int plan_steps(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct plan_op op = {.kind = PLAN_CREATE, .res = &res_core_secrets, .ns = STR("default")};

    (void)err;
    if (!str_eqz(key, "default/go") || view_find(v, &res_core_secrets, STR("default"), STR("s0")))
        return 0;
    for (int i = 0; i < 15; i++) {
        struct core_secret *s = arena_new(v->arena, struct core_secret);

        s->metadata.name = str_printf(v->arena, "s%d", i);
        op.obj = s;
        plan_add(plan, &op);
        if (i == 9)
            plan_barrier(plan);
    }
    return 0;
}
static const struct controller stepper = {.name = "stepper",
                                          .identity = "stepper",
                                          .event_component = "stepper",
                                          .watches = copy_watches,
                                          .plan = plan_steps};

static void a_failed_batch_ends_the_plan(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 6);
    fake_fail(r.api, VERB_CREATE, &res_core_secrets, 1000, ERR_FORBIDDEN, "no");
    put_map(&r, "go");
    rig_add(&r, &stepper);
    rig_run(&r, 24);
    assert_in_range(fake_calls(r.api, "create"), 1, 3); /* one for each try, not ten */
    rig_deinit(&r);
    begin(&r, 7);
    put_map(&r, "go");
    rig_add(&r, &stepper);
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, "create"), 15);
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_wait_for_their_own_writes),
        cmocka_unit_test(failures_back_off_and_are_told),
        cmocka_unit_test(conflicts_are_no_news),
        cmocka_unit_test(a_key_that_fails_does_not_hold_up_others),
        cmocka_unit_test(thousands_of_keys_need_no_deep_stack),
        cmocka_unit_test(stopping_in_the_middle_is_clean),
        cmocka_unit_test(lost_watches_lose_nothing),
        cmocka_unit_test(a_failed_batch_ends_the_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
