/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/deployment.h"

#include "rig.h"

static void put_deployment(struct rig *r, int replicas, const char *strategy)
{
    rig_put(r, &res_apps_deployments,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\",\"uid\":\"dep\","
            "\"annotations\":{\"team\":\"a\",\"kubectl.kubernetes.io/last-applied-configuration\":"
            "\"{}\"}},\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},"
            "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{"
            "\"name\":\"c\",\"image\":\"v1\"}]}}%s}}",
            replicas, strategy);
}

static void set_image(struct rig *r, const char *image)
{
    auto_arena a = {0};

    fake_edit(r->api, &res_apps_deployments, "default", "web",
              arena_printf(&a,
                           "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\","
                           "\"image\":\"%s\"}]}}}}",
                           image));
}

static void set_replicas(struct rig *r, int n)
{
    auto_arena a = {0};

    fake_edit(r->api, &res_apps_deployments, "default", "web",
              arena_printf(&a, "{\"spec\":{\"replicas\":%d}}", n));
}

static const struct apps_deployment *deployment(struct rig *r)
{
    return OBJECT_AS(apps_deployment, fake_find(r->api, &res_apps_deployments, "default", "web"));
}

/* The set that runs @image, or NULL. */
static const struct apps_replica_set *set_of(struct rig *r, const char *image)
{
    struct object *o;

    for (size_t i = 0; (o = fake_nth(r->api, &res_apps_replicasets, i)); i++) {
        const struct apps_replica_set *s = OBJECT_AS(apps_replica_set, o);

        if (str_eqz(s->spec.template.spec.containers.v[0].image, image))
            return s;
    }
    return NULL;
}

static int size_of(struct rig *r, const char *image)
{
    const struct apps_replica_set *s = set_of(r, image);

    return s ? *s->spec.replicas : -1;
}

static const struct apps_deployment_condition *condition(struct rig *r, const char *type)
{
    const struct apps_deployment *d = deployment(r);

    for (size_t i = 0; i < d->status.conditions.n; i++) {
        if (str_eqz(d->status.conditions.v[i].type, type))
            return &d->status.conditions.v[i];
    }
    fail_msg("no condition %s", type);
    return NULL;
}

static void start(struct rig *r, uint64_t seed, int replicas, const char *strategy)
{
    rig_init(r, seed);
    put_deployment(r, replicas, strategy);
    rig_add(r, &deployment_controller);
    rig_add(r, &replicaset_controller);
}

static void settle(struct rig *r)
{
    for (int i = 0; i < 60; i++) {
        rig_run(r, 1000);
        rig_play_kubelet(r);
    }
    rig_run(r, 5000);
}

static void the_arithmetic_is_exact(void **state)
{
    (void)state;
    assert_int_equal(rolling_new_size(10, 3, 10, 0), 3);
    assert_int_equal(rolling_new_size(10, 3, 13, 3), 3);
    assert_int_equal(rolling_new_size(10, 3, 11, 3), 5);
    assert_int_equal(rolling_new_size(10, 5, 10, 8), 10);
    assert_int_equal(rolling_new_size(3, 1, 0, 0), 3);
    assert_int_equal(rolling_scale_down_max(13, 8, 3), 2);
    assert_int_equal(rolling_scale_down_max(10, 8, 0), 2);
    assert_int_equal(rolling_scale_down_max(10, 10, 3), 0);
}

static void bounds_round_as_promised(void **state)
{
    static const struct {
        const char *surge, *unavailable;
        int replicas, want_surge, want_unavailable;
    } rows[] = {
        {"\"25%\"", "\"25%\"", 10, 3, 2}, {"\"25%\"", "\"25%\"", 1, 1, 0},
        {"\"25%\"", "\"25%\"", 3, 1, 0},  {"0", "0", 5, 0, 1},
        {"0", "\"10%\"", 5, 0, 1},        {"2", "10", 5, 2, 5},
        {"\"100%\"", "0", 4, 4, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        auto_arena a = {0};
        int32_t surge, unavailable;

        rig_init(&r, 1);
        put_deployment(&r, rows[i].replicas,
                       arena_printf(&a,
                                    ",\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{"
                                    "\"maxSurge\":%s,\"maxUnavailable\":%s}}",
                                    rows[i].surge, rows[i].unavailable));
        rolling_bounds(deployment(&r), rows[i].replicas, &surge, &unavailable);
        assert_int_equal(surge, rows[i].want_surge);
        assert_int_equal(unavailable, rows[i].want_unavailable);
        rig_deinit(&r);
    }
}

static void templates_are_compared_without_the_hash(void **state)
{
    struct core_pod_template_spec x = {0}, y = {0};
    auto_arena a = {0};

    (void)state;
    string_map_set(&a, &x.metadata.labels, STR("app"), STR("web"));
    string_map_set(&a, &y.metadata.labels, STR("app"), STR("web"));
    string_map_set(&a, &y.metadata.labels, STR("pod-template-hash"), STR("bcd"));
    assert_true(template_equal(&x, &y, &a));
    assert_int_equal(y.metadata.labels.n, 2); /* as it was */
    y.spec.node_name = STR("n");
    assert_false(template_equal(&x, &y, &a));
    assert_str_equal(template_hash(&x, 0, &a), str_dupz(&a, template_hash(&x, 0, &a)));
    assert_false(str_eq(template_hash(&x, 0, &a), template_hash(&x, 1, &a)));
    assert_false(str_eq(template_hash(&x, 0, &a), template_hash(&y, 0, &a)));
}

static void the_first_set_carries_all_it_should(void **state)
{
    struct rig r;
    const struct apps_replica_set *s;
    struct str hash;
    auto_arena a = {0};

    (void)state;
    start(&r, 2, 4, "");
    rig_run(&r, 3000);
    s = set_of(&r, "v1");
    assert_non_null(s);
    assert_int_equal(*s->spec.replicas, 4);
    hash = string_map_get(&s->metadata.labels, STR("pod-template-hash"));
    assert_true(hash.len > 0);
    assert_str_equal(s->metadata.name, str_dupz(&a, str_printf(&a, "web-%.*s", STR_ARG(hash))));
    assert_true(
        str_eq(hash, string_map_get(&s->spec.selector->match_labels, STR("pod-template-hash"))));
    assert_true(
        str_eq(hash, string_map_get(&s->spec.template.metadata.labels, STR("pod-template-hash"))));
    assert_str_equal(s->metadata.owner_references.v[0].uid, "dep");
    assert_str_equal(string_map_get(&s->metadata.annotations, STR(ANN_REVISION)), "1");
    assert_str_equal(string_map_get(&s->metadata.annotations, STR(ANN_DESIRED)), "4");
    assert_str_equal(string_map_get(&s->metadata.annotations, STR(ANN_MAX)), "5");
    assert_str_equal(string_map_get(&s->metadata.annotations, STR("team")), "a");
    assert_int_equal(s->metadata.annotations.n, 4);
    assert_str_equal(string_map_get(&deployment(&r)->metadata.annotations, STR(ANN_REVISION)), "1");
    assert_str_equal(condition(&r, "Available")->status, "False");
    settle(&r);
    assert_int_equal(deployment(&r)->status.available_replicas, 4);
    assert_int_equal(deployment(&r)->status.updated_replicas, 4);
    assert_int_equal(deployment(&r)->status.unavailable_replicas, 0);
    assert_str_equal(condition(&r, "Available")->reason, "MinimumReplicasAvailable");
    assert_str_equal(condition(&r, "Progressing")->reason, "NewReplicaSetAvailable");
    assert_str_equal(condition(&r, "Progressing")->status, "True");
    assert_int_equal(fake_events(r.api, "ScalingReplicaSet"), 1);
    assert_true(strncmp(fake_event_text(r.api, "ScalingReplicaSet"), "Scaled up replica set web-",
                        26) == 0);
    fake_forget_calls(r.api);
    rig_run(&r, 700000); /* past the progress deadline */
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

/* What a rolling update promises, at every moment. */
static void check_promises(struct rig *r, int most, int least)
{
    struct object *o;
    int live = 0, ready = 0;

    for (size_t i = 0; (o = fake_nth(r->api, &res_core_pods, i)); i++) {
        const struct core_pod *p = OBJECT_AS(core_pod, o);

        live += pod_is_active(p);
        ready += pod_is_active(p) && pod_is_ready(p);
    }
    assert_true(live <= most);
    assert_true(ready >= least);
}

static void a_rollout_keeps_its_promises(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig r;
        bool done = false;

        start(&r, seed, 10, "");
        settle(&r);
        set_image(&r, "v2");
        for (int i = 0; i < 4000 && !done; i++) {
            rig_run(&r, 10);
            check_promises(&r, 13, 8);
            if (i % 40 == 39)
                rig_play_kubelet(&r);
            done = size_of(&r, "v2") == 10 && size_of(&r, "v1") == 0;
        }
        assert_true(done);
        settle(&r);
        assert_int_equal(fake_count(r.api, &res_core_pods), 10);
        assert_str_equal(string_map_get(&deployment(&r)->metadata.annotations, STR(ANN_REVISION)),
                         "2");
        assert_str_equal(condition(&r, "Progressing")->reason, "NewReplicaSetAvailable");
        assert_int_equal(deployment(&r)->status.updated_replicas, 10);
        rig_deinit(&r);
    }
}

static void a_rollback_makes_the_old_set_the_newest(void **state)
{
    struct rig r;
    const struct apps_replica_set *s;

    (void)state;
    start(&r, 3, 3, "");
    settle(&r);
    set_image(&r, "v2");
    settle(&r);
    set_image(&r, "v1");
    settle(&r);
    assert_int_equal(fake_count(r.api, &res_apps_replicasets), 2);
    assert_int_equal(size_of(&r, "v1"), 3);
    assert_int_equal(size_of(&r, "v2"), 0);
    s = set_of(&r, "v1");
    assert_str_equal(string_map_get(&s->metadata.annotations, STR(ANN_REVISION)), "3");
    assert_str_equal(string_map_get(&s->metadata.annotations, STR(ANN_HISTORY)), "1");
    assert_str_equal(string_map_get(&deployment(&r)->metadata.annotations, STR(ANN_REVISION)), "3");
    rig_deinit(&r);
}

static void a_stuck_rollout_passes_its_deadline(void **state)
{
    struct rig r;
    auto_arena a = {0};
    struct str name;

    (void)state;
    start(&r, 4, 4, ",\"progressDeadlineSeconds\":60");
    settle(&r);
    set_image(&r, "broken");
    rig_run(&r, 50000);
    assert_str_equal(condition(&r, "Progressing")->status, "True");
    assert_int_equal(size_of(&r, "v1"), 3); /* one may be unavailable: 25% of 4 */
    assert_int_equal(size_of(&r, "broken"), 2);
    rig_run(&r, 30000);
    assert_str_equal(condition(&r, "Progressing")->status, "False");
    assert_str_equal(condition(&r, "Progressing")->reason, "ProgressDeadlineExceeded");
    name = set_of(&r, "broken")->metadata.name;
    assert_str_equal(
        condition(&r, "Progressing")->message,
        arena_printf(&a, "ReplicaSet \"%.*s\" has timed out progressing.", STR_ARG(name)));
    settle(&r); /* the kubelets find the image after all */
    assert_str_equal(condition(&r, "Progressing")->reason, "NewReplicaSetAvailable");
    rig_deinit(&r);
}

static void recreate_waits_for_the_last_old_pod(void **state)
{
    struct rig r;

    (void)state;
    start(&r, 5, 3, ",\"strategy\":{\"type\":\"Recreate\"}");
    settle(&r);
    for (size_t i = 0; i < 3; i++) {
        auto_arena a = {0};

        fake_edit(r.api, &res_core_pods, "default",
                  str_dupz(&a, fake_nth(r.api, &res_core_pods, i)->name),
                  "{\"spec\":{\"nodeName\":\"n1\"}}");
    }
    set_image(&r, "v2");
    rig_run(&r, 20000);
    assert_int_equal(size_of(&r, "v1"), 0);
    assert_int_equal(size_of(&r, "v2"), -1);
    assert_int_equal(fake_count(r.api, &res_core_pods), 3); /* terminating */
    rig_play_kubelet(&r);
    rig_run(&r, 5000);
    assert_int_equal(size_of(&r, "v2"), 3);
    settle(&r);
    assert_int_equal(deployment(&r)->status.available_replicas, 3);
    rig_deinit(&r);
}

static void scaling_in_a_rollout_is_shared(void **state)
{
    struct rig r;

    (void)state;
    start(&r, 6, 10, "");
    settle(&r);
    set_image(&r, "v2");
    rig_run(&r, 5000); /* nothing new becomes ready */
    assert_int_equal(size_of(&r, "v1"), 8);
    assert_int_equal(size_of(&r, "v2"), 5);
    set_replicas(&r, 20);
    rig_run(&r, 5000);
    /* 13 become 25: v1 8 * 25 / 13 = 15, v2 5 * 25 / 13 = 10. */
    assert_int_equal(size_of(&r, "v1"), 15);
    assert_int_equal(size_of(&r, "v2"), 10);
    assert_str_equal(string_map_get(&set_of(&r, "v1")->metadata.annotations, STR(ANN_DESIRED)),
                     "20");
    assert_str_equal(string_map_get(&set_of(&r, "v1")->metadata.annotations, STR(ANN_MAX)), "25");
    rig_deinit(&r);
}

static void a_paused_deployment_scales_but_does_not_roll(void **state)
{
    struct rig r;

    (void)state;
    start(&r, 7, 3, "");
    settle(&r);
    fake_edit(r.api, &res_apps_deployments, "default", "web", "{\"spec\":{\"paused\":true}}");
    set_image(&r, "v2");
    set_replicas(&r, 5);
    settle(&r);
    assert_int_equal(size_of(&r, "v2"), -1);
    assert_int_equal(size_of(&r, "v1"), 5);
    assert_str_equal(condition(&r, "Progressing")->reason, "DeploymentPaused");
    fake_edit(r.api, &res_apps_deployments, "default", "web", "{\"spec\":{\"paused\":null}}");
    settle(&r);
    assert_int_equal(size_of(&r, "v2"), 5);
    assert_str_equal(condition(&r, "Progressing")->reason, "NewReplicaSetAvailable");
    rig_deinit(&r);
}

static void history_is_kept_to_its_limit(void **state)
{
    struct rig r;

    (void)state;
    start(&r, 8, 1, ",\"revisionHistoryLimit\":1");
    for (int i = 1; i <= 4; i++) {
        auto_arena a = {0};

        set_image(&r, arena_printf(&a, "v%d", i));
        settle(&r);
    }
    assert_int_equal(fake_count(r.api, &res_apps_replicasets), 2);
    assert_int_equal(size_of(&r, "v3"), 0);
    assert_int_equal(size_of(&r, "v4"), 1);
    rig_deinit(&r);
}

static void a_taken_name_turns_the_hash(void **state)
{
    struct rig r;
    struct str name;
    auto_arena a = {0};

    (void)state;
    start(&r, 9, 1, "");
    rig_run(&r, 3000);
    name = str_dup(&a, set_of(&r, "v1")->metadata.name);
    rig_deinit(&r);
    rig_init(&r, 9);
    put_deployment(&r, 1, "");
    rig_put(&r, &res_apps_replicasets,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%.*s\"},\"spec\":{\"replicas\":0,"
            "\"selector\":{\"matchLabels\":{\"x\":\"y\"}},\"template\":{\"spec\":{\"containers\":["
            "{\"name\":\"c\",\"image\":\"other\"}]}}}}",
            STR_ARG(name));
    rig_add(&r, &deployment_controller);
    rig_run(&r, 10000);
    assert_non_null(set_of(&r, "v1"));
    assert_int_equal(*deployment(&r)->status.collision_count, 1);
    assert_int_equal(fake_count(r.api, &res_apps_replicasets), 2);
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_arithmetic_is_exact),
        cmocka_unit_test(bounds_round_as_promised),
        cmocka_unit_test(templates_are_compared_without_the_hash),
        cmocka_unit_test(the_first_set_carries_all_it_should),
        cmocka_unit_test(a_rollout_keeps_its_promises),
        cmocka_unit_test(a_rollback_makes_the_old_set_the_newest),
        cmocka_unit_test(a_stuck_rollout_passes_its_deadline),
        cmocka_unit_test(recreate_waits_for_the_last_old_pod),
        cmocka_unit_test(scaling_in_a_rollout_is_shared),
        cmocka_unit_test(a_paused_deployment_scales_but_does_not_roll),
        cmocka_unit_test(history_is_kept_to_its_limit),
        cmocka_unit_test(a_taken_name_turns_the_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
