/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/common.h"
#include "rig.h"

static void put_set(struct rig *r, int replicas)
{
    rig_put(r, &res_apps_replicasets,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\",\"uid\":\"rs\"},\"spec\":{"
            "\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{"
            "\"metadata\":{\"labels\":{\"app\":\"web\"},\"annotations\":{\"k\":\"v\"}},\"spec\":{"
            "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}",
            replicas);
}

static void scale(struct rig *r, int replicas)
{
    auto_arena a = {0};

    fake_edit(r->api, &res_apps_replicasets, "default", "web",
              arena_printf(&a, "{\"spec\":{\"replicas\":%d}}", replicas));
}

static const struct apps_replica_set *set(struct rig *r)
{
    return OBJECT_AS(apps_replica_set, fake_find(r->api, &res_apps_replicasets, "default", "web"));
}

/* A pod of the set. */
static void put_pod(struct rig *r, const char *name, const char *meta, const char *node,
                    const char *status)
{
    rig_put(r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\",\"labels\":{\"app\":\"web\"},"
            "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":"
            "\"web\",\"uid\":\"rs\",\"controller\":true}]%s},\"spec\":{\"nodeName\":\"%s\","
            "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]},\"status\":{%s}}",
            name, meta, node, status);
}

static void pods_are_made_and_counted(void **state)
{
    struct rig r;
    const struct meta_object_meta *m;
    const struct apps_replica_set_status *st;

    (void)state;
    rig_init(&r, 1);
    put_set(&r, 3);
    rig_add(&r, &replicaset_controller);
    rig_run(&r, 5000);
    assert_int_equal(fake_count(r.api, &res_core_pods), 3);
    assert_int_equal(fake_calls(r.api, "create pods"), 3);
    m = object_meta(fake_nth(r.api, &res_core_pods, 0));
    assert_str_equal(m->generate_name, "web-");
    assert_str_equal(string_map_get(&m->labels, STR("app")), "web");
    assert_str_equal(string_map_get(&m->annotations, STR("k")), "v");
    assert_int_equal(m->owner_references.n, 1);
    assert_str_equal(m->owner_references.v[0].api_version, "apps/v1");
    assert_str_equal(m->owner_references.v[0].kind, "ReplicaSet");
    assert_str_equal(m->owner_references.v[0].uid, "rs");
    assert_true(*m->owner_references.v[0].controller);
    assert_true(*m->owner_references.v[0].block_owner_deletion);
    assert_int_equal(fake_events(r.api, "SuccessfulCreate"), 3);
    assert_true(strncmp(fake_event_text(r.api, "SuccessfulCreate"), "Created pod: web-", 17) == 0);
    st = &set(&r)->status;
    assert_int_equal(st->replicas, 3);
    assert_int_equal(st->fully_labeled_replicas, 3);
    assert_int_equal(st->ready_replicas, 0);
    rig_play_kubelet(&r);
    rig_run(&r, 2000);
    st = &set(&r)->status;
    assert_int_equal(st->ready_replicas, 3);
    assert_int_equal(st->available_replicas, 3);
    assert_int_equal(st->observed_generation, 1);
    fake_forget_calls(r.api);
    rig_run(&r, 100000);
    assert_int_equal(fake_calls(r.api, ""), 0); /* at rest */
    rig_deinit(&r);
}

static void finished_and_deleted_pods_are_replaced(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2);
    put_set(&r, 2);
    put_pod(&r, "a", "", "n1", "\"phase\":\"Failed\"");
    put_pod(&r, "b",
            ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
            "\"deletionGracePeriodSeconds\":30",
            "n1", "\"phase\":\"Running\"");
    put_pod(&r, "c", "", "n1", "\"phase\":\"Running\"");
    rig_add(&r, &replicaset_controller);
    rig_run(&r, 5000);
    assert_int_equal(fake_calls(r.api, "create pods"), 1);
    assert_int_equal(set(&r)->status.replicas, 2);
    assert_int_equal(*set(&r)->status.terminating_replicas, 1);
    rig_deinit(&r);
}

/* The cheapest go first; each line of the table is cheaper to lose than the next. */
static void the_cheapest_pods_go_first(void **state)
{
    static const struct {
        const char *name, *meta, *node, *status;
    } pods[] = {
#define READY(since)                                                                               \
    "\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","               \
    "\"lastTransitionTime\":\"" since "\"}]"
        {"unassigned", "", "", "\"phase\":\"Pending\""},
        {"pending", "", "n1", "\"phase\":\"Pending\""},
        {"unknown", "", "n1", "\"phase\":\"Unknown\""},
        {"not-ready", "", "n1", "\"phase\":\"Running\""},
        {"cheap", ",\"annotations\":{\"controller.kubernetes.io/pod-deletion-cost\":\"-5\"}", "n1",
         READY("2025-12-01T00:00:00Z")},
        {"crowded", "", "n2", READY("2025-12-01T00:00:00Z")},
        {"just-ready", "", "n3", READY("2025-12-31T23:59:50Z")},
        {"restarted", "", "n4",
         READY("2025-12-01T00:00:00Z") ",\"containerStatuses\":[{\"name\":\"c\",\"image\":\"\","
                                       "\"imageID\":\"\",\"ready\":true,\"restartCount\":7}]"},
        {"young", ",\"creationTimestamp\":\"2025-12-31T00:00:00Z\"", "n5",
         READY("2025-12-01T00:00:00Z")},
        {"old", ",\"creationTimestamp\":\"2024-12-31T00:00:00Z\"", "n6",
         READY("2025-12-01T00:00:00Z")},
    };

    (void)state;
    for (size_t left = ARRAY_LEN(pods); left-- > 1;) {
        struct rig r;

        rig_init(&r, left);
        put_set(&r, (int)left + 2);
        for (size_t i = 0; i < ARRAY_LEN(pods); i++)
            put_pod(&r, pods[i].name, pods[i].meta, pods[i].node, pods[i].status);
        /* Company on n2, itself worth keeping by its cost. */
        for (int i = 0; i < 2; i++)
            put_pod(&r, i ? "dear0" : "dear1",
                    ",\"annotations\":{\"controller.kubernetes.io/pod-deletion-cost\":\"100\"}",
                    "n2", READY("2024-01-01T00:00:00Z"));
        rig_add(&r, &replicaset_controller);
        rig_run(&r, 5000);
        for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
            const struct object *o = fake_find(r.api, &res_core_pods, "default", pods[i].name);
            bool gone = !o || object_meta(o)->deletion_timestamp.set;

            if (gone != (i < ARRAY_LEN(pods) - left))
                fail_msg("with %zu left, %s is %s", left, pods[i].name, gone ? "gone" : "there");
        }
        rig_deinit(&r);
    }
}

static void orphans_are_adopted_and_strangers_released(void **state)
{
    struct rig r;
    const struct meta_object_meta *m;

    (void)state;
    rig_init(&r, 4);
    put_set(&r, 2);
    rig_put(&r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"orphan\","
            "\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[]}}");
    rig_put(&r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"other\",\"labels\":{\"app\":"
            "\"web\"},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"X\",\"name\":\"x\","
            "\"uid\":\"x\",\"controller\":true}]},\"spec\":{\"containers\":[]}}");
    put_pod(&r, "stranger", ",\"labels\":{\"app\":\"debug\"}", "n1", "\"phase\":\"Running\"");
    rig_add(&r, &replicaset_controller);
    rig_run(&r, 5000);
    m = object_meta(fake_find(r.api, &res_core_pods, "default", "orphan"));
    assert_int_equal(m->owner_references.n, 1);
    assert_str_equal(m->owner_references.v[0].uid, "rs");
    m = object_meta(fake_find(r.api, &res_core_pods, "default", "stranger"));
    assert_int_equal(m->owner_references.n, 0);
    m = object_meta(fake_find(r.api, &res_core_pods, "default", "other"));
    assert_str_equal(m->owner_references.v[0].uid, "x");
    assert_int_equal(fake_calls(r.api, "create pods"), 1);
    rig_deinit(&r);
}

static void a_refusal_meets_few_and_is_told(void **state)
{
    struct rig r;
    const struct apps_replica_set_status *st;

    (void)state;
    rig_init(&r, 5);
    put_set(&r, 100);
    fake_fail(r.api, VERB_CREATE, &res_core_pods, 1000, ERR_FORBIDDEN, "exceeded quota");
    rig_add(&r, &replicaset_controller);
    rig_run(&r, 60000);
    st = &set(&r)->status;
    assert_int_equal(st->replicas, 0);
    assert_int_equal(st->conditions.n, 1);
    assert_str_equal(st->conditions.v[0].type, "ReplicaFailure");
    assert_str_equal(st->conditions.v[0].reason, "FailedCreate");
    assert_str_equal(st->conditions.v[0].message, "exceeded quota");
    assert_string_equal(fake_event_text(r.api, "FailedCreate"), "Error creating: exceeded quota");
    assert_in_range(fake_calls(r.api, "create pods"), 8, 20); /* one for each try, backing off */
    rig_deinit(&r);
}

static void after_a_refusal_all_goes_well_again(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 6);
    put_set(&r, 20);
    fake_fail(r.api, VERB_CREATE, &res_core_pods, 3, ERR_FORBIDDEN, "exceeded quota");
    fake_fail(r.api, VERB_UPDATE, &res_apps_replicasets, 3, ERR_CONFLICT, "modified");
    rig_add(&r, &replicaset_controller);
    rig_run(&r, 30000);
    assert_int_equal(fake_count(r.api, &res_core_pods), 20);
    assert_int_equal(set(&r)->status.replicas, 20);
    assert_int_equal(set(&r)->status.conditions.n, 0);
    rig_deinit(&r);
}

static void min_ready_seconds_delay_availability(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 7);
    put_set(&r, 1);
    fake_edit(r.api, &res_apps_replicasets, "default", "web",
              "{\"spec\":{\"minReadySeconds\":30}}");
    rig_add(&r, &replicaset_controller);
    rig_run(&r, 2000);
    rig_play_kubelet(&r);
    rig_run(&r, 27000);
    assert_int_equal(set(&r)->status.ready_replicas, 1);
    assert_int_equal(set(&r)->status.available_replicas, 0);
    rig_run(&r, 5000);
    assert_int_equal(set(&r)->status.available_replicas, 1);
    rig_deinit(&r);
}

static void never_too_many_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;
        unsigned made;

        rig_init(&r, seed);
        put_set(&r, 7);
        rig_add(&r, &replicaset_controller);
        for (int i = 0; i < 10; i++) {
            rig_run(&r, seed * 3);
            if (i == 4)
                fake_end_watches(r.api, seed % 2 ? ERR_EXPIRED : 0);
            rig_play_kubelet(&r);
        }
        rig_run(&r, 60000);
        made = fake_calls(r.api, "create pods");
        assert_int_equal(made, 7); /* the cache lags, yet none is made twice */
        assert_int_equal(fake_calls(r.api, "delete pods"), 0);
        scale(&r, 2);
        rig_run(&r, 10000);
        rig_play_kubelet(&r);
        rig_run(&r, 10000);
        assert_int_equal(fake_calls(r.api, "delete pods"), 5);
        assert_int_equal(fake_count(r.api, &res_core_pods), 2);
        assert_int_equal(set(&r)->status.replicas, 2);
        rig_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_are_made_and_counted),
        cmocka_unit_test(finished_and_deleted_pods_are_replaced),
        cmocka_unit_test(the_cheapest_pods_go_first),
        cmocka_unit_test(orphans_are_adopted_and_strangers_released),
        cmocka_unit_test(a_refusal_meets_few_and_is_told),
        cmocka_unit_test(after_a_refusal_all_goes_well_again),
        cmocka_unit_test(min_ready_seconds_delay_availability),
        cmocka_unit_test(never_too_many_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
