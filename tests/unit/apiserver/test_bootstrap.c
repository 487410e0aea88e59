/* test_bootstrap.c - what a new cluster has, and what comes back when it was taken away. */
#include "apiserver/rbac_bootstrap.h"
#include "server.h"

static void test_namespaces_exist(void **state)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    struct server s;

    server_start(&s);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct reply *r = server_get(&s, arena_printf(&s.arena, "/api/v1/namespaces/%s", names[i]));

        assert_int_equal(r->status, 200);
        assert_string_equal(reply_str(&s, r, "status.phase"), "Active");
    }
    server_stop(&s);
}

static void test_namespace_comes_back_within_a_minute(void **state)
{
    struct server s;

    server_start(&s);
    assert_int_equal(server_delete(&s, "/api/v1/namespaces/kube-node-lease")->status, 200);
    assert_int_equal(server_put(&s, "/api/v1/namespaces/kube-node-lease/finalize",
                                "{\"metadata\":{\"name\":\"kube-node-lease\"},\"spec\":{}}")
                         ->status,
                     200);
    assert_int_equal(server_get(&s, "/api/v1/namespaces/kube-node-lease")->status, 404);
    sim_run_for(s.sim, 61000);
    assert_int_equal(server_get(&s, "/api/v1/namespaces/kube-node-lease")->status, 200);
    server_stop(&s);
}

static void test_service_and_endpoints_lead_to_the_server(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;

    server_start(&s);
    r = server_get(&s, "/api/v1/namespaces/default/services/kubernetes");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(&s, r, "spec.clusterIP"), "10.96.0.1");
    assert_string_equal(reply_str(&s, r, "spec.type"), "ClusterIP");
    r = server_get(&s, "/apis/networking.k8s.io/v1/ipaddresses/10.96.0.1");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_str(&s, r, "spec.parentRef.name"), "kubernetes");
    r = server_get(&s, "/api/v1/namespaces/default/endpoints/kubernetes");
    d = reply_doc(&s, r);
    assert_str_equal(json_to_str(&s.arena, doc_path(&d, "subsets")),
                     "[{\"addresses\":[{\"ip\":\"192.168.1.5\"}],"
                     "\"ports\":[{\"name\":\"https\",\"port\":6443,\"protocol\":\"TCP\"}]}]");
    r = server_get(&s, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes");
    d = reply_doc(&s, r);
    assert_str_equal(json_to_str(&s.arena, doc_path(&d, "endpoints")),
                     "[{\"addresses\":[\"192.168.1.5\"],\"conditions\":{\"ready\":true}}]");
    r = server_get(&s, "/apis/networking.k8s.io/v1/servicecidrs/kubernetes");
    d = reply_doc(&s, r);
    assert_str_equal(json_to_str(&s.arena, doc_path(&d, "spec")), "{\"cidrs\":[\"10.96.0.0/16\"]}");
    server_stop(&s);
}

static size_t count(struct server *s, const char *target)
{
    struct reply *r = server_get(s, target);
    struct doc d = reply_doc(s, r);
    const struct doc *items = doc_path(&d, "items");

    assert_int_equal(r->status, 200);
    return items->n;
}

static void test_every_default_object_is_there(void **state)
{
    struct server s;
    size_t roles = 0, bindings = 0, controllers = 0;

    for (size_t i = 0; rbac_default_roles[i].name; i++)
        roles += rbac_default_roles[i].ns == NULL;
    for (size_t i = 0; rbac_default_bindings[i].name; i++)
        bindings += rbac_default_bindings[i].ns == NULL;
    while (rbac_controller_roles[controllers].name)
        controllers++;
    server_start(&s);
    assert_int_equal(count(&s, "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
                     roles + controllers);
    assert_int_equal(count(&s, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
                     bindings + controllers);
    assert_int_equal(count(&s, "/apis/rbac.authorization.k8s.io/v1/roles"), 7);
    assert_int_equal(count(&s, "/apis/rbac.authorization.k8s.io/v1/rolebindings"), 7);
    assert_int_equal(count(&s, "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"), 11);
    assert_int_equal(count(&s, "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"),
                     8);
    assert_int_equal(count(&s, "/apis/scheduling.k8s.io/v1/priorityclasses"), 2);
    server_stop(&s);
}

static void test_aggregated_roles_collect_rules(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;
    const struct doc *rules;
    size_t n;

    server_start(&s);
    sim_run_for(s.sim, 100);
    r = server_get(&s, "/apis/rbac.authorization.k8s.io/v1/clusterroles/view");
    d = reply_doc(&s, r);
    n = doc_path(&d, "rules")->n;
    assert_int_equal(n, 12);
    r = server_post(&s, "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                    "{\"metadata\":{\"name\":\"more\",\"labels\":{"
                    "\"rbac.authorization.k8s.io/aggregate-to-view\":\"true\"}},"
                    "\"rules\":[{\"apiGroups\":[\"x.io\"],\"resources\":[\"things\"],"
                    "\"verbs\":[\"get\"]}]}");
    assert_int_equal(r->status, 201);
    sim_run_for(s.sim, 100);
    r = server_get(&s, "/apis/rbac.authorization.k8s.io/v1/clusterroles/view");
    d = reply_doc(&s, r);
    rules = doc_path(&d, "rules");
    assert_int_equal(rules->n, n + 1);
    /* In order of the names of the roles: "more" comes before "system:aggregate-to-view". */
    assert_str_equal(json_to_str(&s.arena, &rules->items[0]),
                     "{\"verbs\":[\"get\"],\"apiGroups\":[\"x.io\"],\"resources\":[\"things\"]}");
    server_stop(&s);
}

static void test_reconcile_adds_what_a_role_lacks(void **state)
{
    auto_arena a = {0};
    struct rbac_default_role def = {NULL, "r", NULL, NULL, "|pods|get,list\n|nodes|get\n"};
    struct rbac_cluster_role *have = rbac_default_role_make(&def, &a), *want;

    want = rbac_default_role_make(&def, &a);
    assert_false(rbac_reconcile_role(&res_rbac_clusterroles, have, want, &a));
    have->rules.n = 1;
    want = rbac_default_role_make(&def, &a);
    assert_true(rbac_reconcile_role(&res_rbac_clusterroles, have, want, &a));
    assert_int_equal(want->rules.n, 2);
    assert_str_equal(want->rules.v[1].resources.v[0], "nodes");
    /* One rule that covers both is enough, whatever its form. */
    def.rules = "*|*|*\n";
    have = rbac_default_role_make(&def, &a);
    def.rules = "|pods|get,list\n|nodes|get\n";
    want = rbac_default_role_make(&def, &a);
    assert_false(rbac_reconcile_role(&res_rbac_clusterroles, have, want, &a));
    /* Left alone by wish. */
    have->rules.n = 0;
    string_map_set(&a, &have->metadata.annotations,
                   STR("rbac.authorization.kubernetes.io/autoupdate"), STR("false"));
    want = rbac_default_role_make(&def, &a);
    assert_false(rbac_reconcile_role(&res_rbac_clusterroles, have, want, &a));
}

static void test_reconcile_binding(void **state)
{
    auto_arena a = {0};
    struct rbac_default_binding def = {NULL, "b", "r", "User u\nServiceAccount kube-system/s\n"};
    struct rbac_cluster_role_binding *have = rbac_default_binding_make(&def, &a), *want;

    want = rbac_default_binding_make(&def, &a);
    assert_false(rbac_reconcile_binding(&res_rbac_clusterrolebindings, have, want, &a));
    have->subjects.n = 1;
    assert_true(rbac_reconcile_binding(&res_rbac_clusterrolebindings, have, want, &a));
    assert_int_equal(want->subjects.n, 2);
    assert_str_equal(want->subjects.v[1].namespace, "kube-system");
    /* Another role: role and subjects are the defaults' again. */
    have->role_ref.name = STR("else");
    have->metadata.uid = STR("kept");
    want = rbac_default_binding_make(&def, &a);
    assert_true(rbac_reconcile_binding(&res_rbac_clusterrolebindings, have, want, &a));
    assert_str_equal(want->role_ref.name, "r");
    assert_str_equal(want->metadata.uid, "kept");
    assert_int_equal(want->subjects.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces_exist),
        cmocka_unit_test(test_namespace_comes_back_within_a_minute),
        cmocka_unit_test(test_service_and_endpoints_lead_to_the_server),
        cmocka_unit_test(test_every_default_object_is_there),
        cmocka_unit_test(test_aggregated_roles_collect_rules),
        cmocka_unit_test(test_reconcile_adds_what_a_role_lacks),
        cmocka_unit_test(test_reconcile_binding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
