/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces: what every one has, and how they go. */
#include "rig.h"

static void put_namespace(struct rig *r, const char *name)
{
    rig_put(r, &res_core_namespaces,
            "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"finalizers\":[\"kubernetes\"]},"
            "\"status\":{\"phase\":\"Active\"}}",
            name);
}

static void delete_namespace(struct rig *r, const char *name)
{
    fake_edit(r->api, &res_core_namespaces, NULL, name,
              "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:01Z\"},"
              "\"status\":{\"phase\":\"Terminating\"}}");
}

static const struct core_namespace_condition *condition(struct rig *r, const char *type)
{
    const struct core_namespace *n =
        OBJECT_AS(core_namespace, fake_find(r->api, &res_core_namespaces, NULL, "a"));

    for (size_t i = 0; i < n->status.conditions.n; i++) {
        if (str_eqz(n->status.conditions.v[i].type, type))
            return &n->status.conditions.v[i];
    }
    fail_msg("no condition %s", type);
    return NULL;
}

static void every_namespace_has_an_account_and_the_ca(void **state)
{
    struct rig r;
    const struct core_config_map *m;

    (void)state;
    rig_init(&r, 1);
    put_namespace(&r, "a");
    rig_add(&r, &serviceaccount_controller);
    rig_add(&r, &rootca_controller);
    rig_run(&r, 3000);
    put_namespace(&r, "b");
    rig_run(&r, 3000);
    assert_non_null(fake_find(r.api, &res_core_serviceaccounts, "a", "default"));
    assert_non_null(fake_find(r.api, &res_core_serviceaccounts, "b", "default"));
    assert_int_equal(fake_calls(r.api, "create"), 4);
    fake_remove(r.api, &res_core_serviceaccounts, "a", "default");
    fake_edit(r.api, &res_core_configmaps, "b", "kube-root-ca.crt",
              "{\"data\":{\"ca.crt\":\"forged\"}}");
    rig_run(&r, 3000);
    assert_non_null(fake_find(r.api, &res_core_serviceaccounts, "a", "default"));
    m = OBJECT_AS(core_config_map, fake_find(r.api, &res_core_configmaps, "b", "kube-root-ca.crt"));
    assert_str_equal(string_map_get(&m->data, STR("ca.crt")), "the CA");
    fake_forget_calls(r.api);
    delete_namespace(&r, "a");
    rig_run(&r, 100);
    fake_remove(r.api, &res_core_serviceaccounts, "a", "default");
    rig_run(&r, 3000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    rig_deinit(&r);
}

static void an_empty_namespace_goes_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2);
    put_namespace(&r, "a");
    put_namespace(&r, "b");
    rig_add(&r, &namespace_controller);
    rig_run(&r, 3000);
    assert_int_equal(fake_calls(r.api, ""), 0);
    delete_namespace(&r, "a");
    rig_run(&r, 3000);
    assert_null(fake_find(r.api, &res_core_namespaces, NULL, "a"));
    assert_non_null(fake_find(r.api, &res_core_namespaces, NULL, "b"));
    assert_int_equal(fake_calls(r.api, "update namespaces/finalize"), 1);
    rig_deinit(&r);
}

/* One cache is behind the others: the API is asked. */
static void what_the_cache_does_not_show_yet_counts(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 6);
    put_namespace(&r, "a");
    rig_add(&r, &namespace_controller);
    rig_run(&r, 3000);
    fake_hold_watches_of(r.api, &res_core_configmaps);
    rig_put(&r, &res_core_configmaps, "{\"metadata\":{\"namespace\":\"a\",\"name\":\"m\"}}");
    delete_namespace(&r, "a");
    rig_run(&r, 3000);
    assert_int_equal(fake_calls(r.api, "update namespaces/finalize"), 0);
    assert_non_null(fake_find(r.api, &res_core_configmaps, "a", "m"));
    fake_hold_watches_of(r.api, NULL);
    rig_run(&r, 20000);
    assert_null(fake_find(r.api, &res_core_configmaps, "a", "m"));
    assert_null(fake_find(r.api, &res_core_namespaces, NULL, "a"));
    rig_deinit(&r);
}

static void pods_go_before_all_else(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 3);
    put_namespace(&r, "a");
    put_namespace(&r, "b");
    rig_put(&r, &res_core_pods,
            "{\"metadata\":{\"namespace\":\"a\",\"name\":\"p\"},\"spec\":{"
            "\"nodeName\":\"n1\",\"containers\":[]}}");
    rig_put(&r, &res_core_secrets, "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s\"}}");
    rig_put(&r, &res_core_secrets, "{\"metadata\":{\"namespace\":\"b\",\"name\":\"s\"}}");
    rig_add(&r, &namespace_controller);
    rig_run(&r, 1000);
    delete_namespace(&r, "a");
    rig_run(&r, 20000);
    assert_true(fake_calls(r.api, "deletecollection pods a/") > 0);
    assert_int_equal(fake_calls(r.api, "deletecollection secrets"), 0);
    assert_non_null(fake_find(r.api, &res_core_secrets, "a", "s"));
    assert_str_equal(condition(&r, "NamespaceContentRemaining")->status, "True");
    assert_str_equal(condition(&r, "NamespaceContentRemaining")->message,
                     "Some resources are remaining: pods. has 1 resource instances, secrets. has 1 "
                     "resource instances");
    assert_str_equal(condition(&r, "NamespaceDeletionContentFailure")->status, "False");
    fake_remove(r.api, &res_core_pods, "a", "p");
    rig_run(&r, 5000);
    assert_null(fake_find(r.api, &res_core_secrets, "a", "s"));
    assert_null(fake_find(r.api, &res_core_namespaces, NULL, "a"));
    assert_non_null(fake_find(r.api, &res_core_secrets, "b", "s"));
    rig_deinit(&r);
}

static void finalizers_are_told(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 4);
    put_namespace(&r, "a");
    rig_put(&r, &res_core_configmaps,
            "{\"metadata\":{\"namespace\":\"a\",\"name\":\"m\","
            "\"finalizers\":[\"x/y\"]}}");
    rig_add(&r, &namespace_controller);
    rig_run(&r, 1000);
    delete_namespace(&r, "a");
    rig_run(&r, 10000);
    assert_str_equal(condition(&r, "NamespaceFinalizersRemaining")->reason, "SomeFinalizersRemain");
    assert_str_equal(condition(&r, "NamespaceFinalizersRemaining")->message,
                     "Some content in the namespace has finalizers remaining: x/y in 1 resource "
                     "instances");
    fake_edit(r.api, &res_core_configmaps, "a", "m", "{\"metadata\":{\"finalizers\":null}}");
    rig_run(&r, 5000);
    assert_null(fake_find(r.api, &res_core_namespaces, NULL, "a"));
    rig_deinit(&r);
}

static void failures_are_told_and_tried_again(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 5);
    put_namespace(&r, "a");
    rig_put(&r, &res_core_secrets, "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s\"}}");
    fake_fail(r.api, VERB_DELETECOLLECTION, &res_core_secrets, 4, ERR_INTERNAL, "broken");
    rig_add(&r, &namespace_controller);
    rig_run(&r, 1000);
    delete_namespace(&r, "a");
    rig_run(&r, 70);
    assert_str_equal(condition(&r, "NamespaceDeletionContentFailure")->status, "True");
    assert_str_equal(condition(&r, "NamespaceDeletionContentFailure")->message,
                     "Failed to delete all resource types: broken");
    rig_run(&r, 10000);
    assert_null(fake_find(r.api, &res_core_namespaces, NULL, "a"));
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_namespace_has_an_account_and_the_ca),
        cmocka_unit_test(an_empty_namespace_goes_at_once),
        cmocka_unit_test(what_the_cache_does_not_show_yet_counts),
        cmocka_unit_test(pods_go_before_all_else),
        cmocka_unit_test(finalizers_are_told),
        cmocka_unit_test(failures_are_told_and_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
