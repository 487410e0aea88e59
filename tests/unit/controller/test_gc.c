/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

static const struct resource *const maps = &res_core_configmaps;

static void put_map(struct rig *r, const char *ns, const char *name, const char *uid,
                    const char *more)
{
    rig_put(r, maps, "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\"%s}}", ns,
            name, uid, more);
}

#define OWNED_BY(name, uid)                                                                        \
    ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"" name         \
    "\",\"uid\":\"" uid "\",\"blockOwnerDeletion\":true}]"
#define OWNED_BY_TWO(name, uid, name2, uid2)                                                       \
    ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"" name         \
    "\",\"uid\":\"" uid "\"},{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"" name2      \
    "\",\"uid\":\"" uid2 "\"}]"

static bool there(struct rig *r, const char *name)
{
    return fake_find(r->api, maps, "default", name);
}

static void an_owner_keeps_its_dependents(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 1);
    put_map(&r, "default", "owner", "u1", "");
    put_map(&r, "default", "child", "u2", OWNED_BY("owner", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 60000);
    assert_true(there(&r, "child"));
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void dependents_follow_their_owner_all_the_way_down(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2);
    put_map(&r, "default", "a", "u1", "");
    put_map(&r, "default", "b", "u2", OWNED_BY("a", "u1"));
    put_map(&r, "default", "c", "u3", OWNED_BY("b", "u2"));
    put_map(&r, "default", "other", "u4", "");
    rig_add(&r, &gc_controller);
    rig_run(&r, 1000);
    fake_remove(r.api, maps, "default", "a");
    rig_run(&r, 5000);
    assert_int_equal(fake_count(r.api, maps), 1);
    assert_true(there(&r, "other"));
    /* Their owners were seen to go: nobody had to ask for them. */
    assert_int_equal(fake_calls(r.api, "get "), 0);
    assert_int_equal(fake_calls(r.api, "delete configmaps default/b"), 1);
    assert_int_equal(fake_calls(r.api, "delete configmaps default/c"), 1);
    rig_deinit(&r);
}

static void an_owner_that_never_was_is_looked_for(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 3);
    put_map(&r, "default", "child", "u2", OWNED_BY("owner", "u1"));
    put_map(&r, "default", "again", "u5", "");
    put_map(&r, "default", "stale", "u6", OWNED_BY("again", "u4"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 5000);
    assert_false(there(&r, "child"));
    assert_false(there(&r, "stale"));
    assert_true(there(&r, "again"));
    assert_int_equal(fake_calls(r.api, "get configmaps default/owner"), 1);
    assert_int_equal(fake_calls(r.api, "get configmaps default/again"), 1);
    rig_deinit(&r);
}

static void an_owner_the_view_has_not_seen_yet_counts(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 4);
    rig_add(&r, &gc_controller);
    rig_add(&r, &serviceaccount_controller);
    rig_run(&r, 1000);
    /* The child's event arrives, the owner's - of another resource - does not for a while. */
    fake_hold_watches(r.api, true);
    rig_put(&r, &res_core_secrets,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"owner\","
            "\"uid\":\"u1\"}}");
    fake_hold_watches(r.api, false);
    put_map(&r, "default", "child", "u2",
            ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"name\":\"owner\","
            "\"uid\":\"u1\"}]");
    rig_run(&r, 10000);
    assert_true(there(&r, "child"));
    assert_int_equal(fake_calls(r.api, "delete "), 0);
    rig_deinit(&r);
}

static void errors_of_the_look_up_delete_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 5);
    fake_fail(r.api, VERB_GET, maps, 1000000, ERR_FORBIDDEN, "no");
    put_map(&r, "default", "child", "u2", OWNED_BY("owner", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 20000);
    assert_true(there(&r, "child"));
    assert_int_equal(fake_calls(r.api, "delete "), 0);
    rig_deinit(&r);
}

static void owners_of_unknown_kinds_are_left_alone(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 6);
    put_map(&r, "default", "child", "u2",
            ",\"ownerReferences\":[{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\","
            "\"name\":\"t\",\"uid\":\"u1\"}]");
    rig_add(&r, &gc_controller);
    rig_run(&r, 20000);
    assert_true(there(&r, "child"));
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void any_version_of_the_owner_and_cluster_scope_will_do(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 7);
    rig_put(&r, &res_core_nodes, "{\"metadata\":{\"name\":\"n1\",\"uid\":\"u1\"}}");
    put_map(&r, "default", "child", "u2",
            ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\","
            "\"uid\":\"u1\"}]");
    rig_put(&r, &res_apps_deployments,
            "{\"metadata\":{\"namespace\":\"default\",\"name\":\"d\",\"uid\":\"u3\"}}");
    put_map(&r, "default", "older", "u4",
            ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1beta1\",\"kind\":\"Deployment\","
            "\"name\":\"d\",\"uid\":\"u3\"}]");
    rig_add(&r, &gc_controller);
    rig_run(&r, 5000);
    assert_true(there(&r, "child"));
    assert_true(there(&r, "older"));
    fake_remove(r.api, &res_core_nodes, NULL, "n1");
    rig_run(&r, 5000);
    assert_false(there(&r, "child"));
    assert_true(there(&r, "older"));
    rig_deinit(&r);
}

static void an_owner_of_another_namespace_counts_as_absent(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 8);
    put_map(&r, "other", "owner", "u1", "");
    put_map(&r, "default", "child", "u2", OWNED_BY("owner", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 5000);
    assert_false(there(&r, "child"));
    assert_true(fake_find(r.api, maps, "other", "owner"));
    assert_int_equal(fake_events(r.api, "OwnerRefInvalidNamespace"), 1);
    assert_string_equal(fake_event_text(r.api, "OwnerRefInvalidNamespace"),
                        "ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: u1] does "
                        "not exist in namespace \"default\"");
    rig_deinit(&r);
}

static void a_solid_owner_keeps_and_dangling_references_go(void **state)
{
    struct rig r;
    const struct meta_object_meta *meta;

    (void)state;
    rig_init(&r, 9);
    put_map(&r, "default", "solid", "u1", "");
    put_map(&r, "default", "child", "u2", OWNED_BY_TWO("gone", "u9", "solid", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 5000);
    assert_true(there(&r, "child"));
    meta = object_meta(fake_find(r.api, maps, "default", "child"));
    assert_int_equal(meta->owner_references.n, 1);
    assert_str_equal(meta->owner_references.v[0].uid, "u1");
    assert_int_equal(fake_calls(r.api, "patch configmaps default/child"), 1);
    rig_deinit(&r);
}

static void delete_with(struct rig *r, const char *name, const char *finalizer)
{
    auto_arena a = {0};

    fake_edit(r->api, maps, "default", name,
              arena_printf(&a,
                           "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:01Z\","
                           "\"finalizers\":[\"%s\"]}}",
                           finalizer));
}

static void orphans_are_let_go(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 10);
    put_map(&r, "default", "owner", "u1", "");
    put_map(&r, "default", "b", "u2", OWNED_BY("owner", "u1"));
    put_map(&r, "default", "c", "u3", OWNED_BY("owner", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 1000);
    delete_with(&r, "owner", "orphan");
    rig_run(&r, 5000);
    assert_false(there(&r, "owner"));
    assert_true(there(&r, "b"));
    assert_true(there(&r, "c"));
    assert_int_equal(object_meta(fake_find(r.api, maps, "default", "b"))->owner_references.n, 0);
    assert_int_equal(fake_calls(r.api, "delete "), 0);
    rig_deinit(&r);
}

static void in_the_foreground_the_owner_goes_last(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 11);
    put_map(&r, "default", "owner", "u1", "");
    put_map(&r, "default", "b", "u2", OWNED_BY("owner", "u1"));
    put_map(&r, "default", "c", "u3", OWNED_BY("b", "u2"));
    put_map(&r, "default", "held", "u4", OWNED_BY("b", "u2") ",\"finalizers\":[\"x/y\"]");
    rig_add(&r, &gc_controller);
    rig_run(&r, 1000);
    delete_with(&r, "owner", "foregroundDeletion");
    rig_run(&r, 20000);
    assert_false(there(&r, "c"));
    assert_true(there(&r, "held")); /* someone else's finalizer holds the whole chain */
    assert_true(there(&r, "b"));
    assert_true(there(&r, "owner"));
    fake_edit(r.api, maps, "default", "held", "{\"metadata\":{\"finalizers\":null}}");
    rig_run(&r, 5000);
    assert_int_equal(fake_count(r.api, maps), 0);
    rig_deinit(&r);
}

static void a_circle_in_the_foreground_ends(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 12);
    put_map(&r, "default", "a", "u1", OWNED_BY("b", "u2"));
    put_map(&r, "default", "b", "u2", OWNED_BY("a", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 1000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    delete_with(&r, "a", "foregroundDeletion");
    rig_run(&r, 20000);
    assert_int_equal(fake_count(r.api, maps), 0);
    rig_deinit(&r);
}

static void a_dependent_that_found_an_owner_meanwhile_stays(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 13);
    put_map(&r, "default", "a", "u1", "");
    put_map(&r, "default", "new", "u5", "");
    put_map(&r, "default", "b", "u2", OWNED_BY("a", "u1"));
    rig_add(&r, &gc_controller);
    rig_run(&r, 1000);
    fake_remove(r.api, maps, "default", "a");
    /* Before the collector acts, the child is adopted; its deletion fails on the revision. */
    fake_edit(r.api, maps, "default", "b",
              "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
              "\"name\":\"new\",\"uid\":\"u5\"}]}}");
    rig_run(&r, 10000);
    assert_true(there(&r, "b"));
    rig_deinit(&r);
}

static void many_forests_under_trouble(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig r;

        rig_init(&r, seed);
        for (int i = 0; i < 8; i++) {
            auto_arena a = {0};

            put_map(&r, "default", arena_printf(&a, "top%d", i), arena_printf(&a, "t%d", i), "");
            for (int k = 0; k < 4; k++)
                put_map(&r, "default", arena_printf(&a, "leaf%d-%d", i, k),
                        arena_printf(&a, "l%d-%d", i, k),
                        arena_printf(&a,
                                     ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
                                     "\"ConfigMap\",\"name\":\"top%d\",\"uid\":\"t%d\"}]",
                                     i, i));
        }
        fake_fail(r.api, VERB_DELETE, maps, 5, ERR_INTERNAL, "no luck");
        rig_add(&r, &gc_controller);
        rig_run(&r, seed * 7);
        for (int i = 0; i < 4; i++) {
            auto_arena a = {0};

            fake_remove(r.api, maps, "default", arena_printf(&a, "top%d", i));
            if (i == 2)
                fake_end_watches(r.api, ERR_EXPIRED);
        }
        rig_run(&r, 60000);
        assert_int_equal(fake_count(r.api, maps), 4 + 16);
        rig_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_keeps_its_dependents),
        cmocka_unit_test(dependents_follow_their_owner_all_the_way_down),
        cmocka_unit_test(an_owner_that_never_was_is_looked_for),
        cmocka_unit_test(an_owner_the_view_has_not_seen_yet_counts),
        cmocka_unit_test(errors_of_the_look_up_delete_nothing),
        cmocka_unit_test(owners_of_unknown_kinds_are_left_alone),
        cmocka_unit_test(any_version_of_the_owner_and_cluster_scope_will_do),
        cmocka_unit_test(an_owner_of_another_namespace_counts_as_absent),
        cmocka_unit_test(a_solid_owner_keeps_and_dangling_references_go),
        cmocka_unit_test(orphans_are_let_go),
        cmocka_unit_test(in_the_foreground_the_owner_goes_last),
        cmocka_unit_test(a_circle_in_the_foreground_ends),
        cmocka_unit_test(a_dependent_that_found_an_owner_meanwhile_stays),
        cmocka_unit_test(many_forests_under_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
