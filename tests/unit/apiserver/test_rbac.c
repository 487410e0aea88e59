/* test_rbac.c - who may do what: rules, bindings, nodes, escalation, and the texts of refusals. */
#include "apiserver/node_authz.h"
#include "apiserver/rbac.h"
#include "server.h"

#define RBAC "/apis/rbac.authorization.k8s.io/v1"

static struct string_list words(struct arena *a, const char *text)
{
    struct str rest = str_from(text);
    struct string_list l = {0};

    if (!*text)
        return l;
    l.v = arena_calloc(a, rest.len + 1, sizeof(*l.v));
    while (rest.p) {
        struct str w = str_cut(rest, ',', &rest);

        l.v[l.n++] = str_eqz(w, "core") ? STR("") : w;
    }
    return l;
}

static struct rbac_policy_rule rule(struct arena *a, const char *groups, const char *resources,
                                    const char *names, const char *verbs)
{
    return (struct rbac_policy_rule){.api_groups = words(a, groups),
                                     .resources = words(a, resources),
                                     .resource_names = words(a, names),
                                     .verbs = words(a, verbs)};
}

static void test_rule_matches(void **state)
{
    static const struct {
        const char *groups, *resources, *names, *verbs;   /* the rule */
        const char *group, *resource, *sub, *name, *verb; /* the question */
        bool allowed;
    } cases[] = {
        {"core", "pods", "", "get", "", "pods", "", "p", "get", true},
        {"core", "pods", "", "get", "", "pods", "", "p", "list", false},
        {"core", "pods", "", "*", "", "pods", "", "p", "list", true},
        {"core", "pods", "", "get", "apps", "pods", "", "p", "get", false},
        {"*", "pods", "", "get", "apps", "pods", "", "p", "get", true},
        {"core", "pods", "", "get", "", "pods", "log", "p", "get", false},
        {"core", "pods/log", "", "get", "", "pods", "log", "p", "get", true},
        {"core", "pods/log", "", "get", "", "pods", "", "p", "get", false},
        {"core", "*", "", "get", "", "pods", "log", "p", "get", true},
        {"core", "*/scale", "", "get", "", "pods", "scale", "p", "get", true},
        {"core", "*/scale", "", "get", "", "pods", "log", "p", "get", false},
        {"core", "*/scale", "", "get", "", "scale", "", "p", "get", false},
        {"core", "pods", "a,b", "get", "", "pods", "", "b", "get", true},
        {"core", "pods", "a,b", "get", "", "pods", "", "c", "get", false},
        {"core", "pods", "a,b", "create", "", "pods", "", "", "create", false},
    };
    auto_arena a = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rbac_policy_rule r =
            rule(&a, cases[i].groups, cases[i].resources, cases[i].names, cases[i].verbs);
        struct authz_attributes at = {.verb = str_from(cases[i].verb),
                                      .api_group = str_from(cases[i].group),
                                      .resource = str_from(cases[i].resource),
                                      .sub = str_from(cases[i].sub),
                                      .name = str_from(cases[i].name),
                                      .is_resource = true};

        if (rbac_rule_allows(&r, &at) != cases[i].allowed)
            fail_msg("case %zu", i);
    }
}

static void test_path_matches(void **state)
{
    static const struct {
        const char *rule, *path;
        bool allowed;
    } cases[] = {
        {"/healthz", "/healthz", true},
        {"/healthz", "/healthz/ping", false},
        {"/healthz/*", "/healthz/ping", true},
        {"/healthz/*", "/healthz", false},
        {"*", "/anything", true},
        {"/api", "/apis", false},
    };
    auto_arena a = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rbac_policy_rule r = {.verbs = words(&a, "get"),
                                     .non_resource_urls = words(&a, cases[i].rule)};
        struct authz_attributes at = {.verb = STR("get"), .path = str_from(cases[i].path)};

        if (rbac_rule_allows(&r, &at) != cases[i].allowed)
            fail_msg("case %zu", i);
    }
}

static void test_uncovered_parts_are_listed(void **state)
{
    auto_arena a = {0};
    auto_buf t = {0};
    struct rbac_policy_rule have = rule(&a, "core", "pods,secrets", "", "get");
    struct rbac_policy_rule want = rule(&a, "core", "pods,nodes", "", "get,list");
    const struct rbac_policy_rule *v[] = {&have};
    struct rbac_rules held = {v, 1, 1}, missing = {0};

    rbac_uncovered(&held, &want, &a, &missing);
    assert_int_equal(missing.n, 3);
    for (size_t i = 0; i < missing.n; i++)
        rbac_rule_write(missing.v[i], &t);
    assert_str_equal(buf_view(&t), "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\"]}"
                                   "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"
                                   "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"list\"]}");
    /* A named rule does not cover one without names; the other way round it does. */
    have = rule(&a, "core", "pods", "a", "get");
    want = rule(&a, "core", "pods", "", "get");
    missing.n = 0;
    rbac_uncovered(&held, &want, &a, &missing);
    assert_int_equal(missing.n, 1);
    have.resource_names.n = 0;
    want = rule(&a, "core", "pods", "a", "get");
    missing.n = 0;
    rbac_uncovered(&held, &want, &a, &missing);
    assert_int_equal(missing.n, 0);
}

static struct reply *get_as(struct server *s, const char *user, const char *target)
{
    return server_call(s, &(struct call){.method = "GET", .target = target, .as_user = user});
}

static struct reply *post_as(struct server *s, const char *user, const char *target,
                             const char *json)
{
    return server_call(s, &(struct call){.method = "POST",
                                         .target = target,
                                         .as_user = user,
                                         .type = "application/json",
                                         .body = json});
}

static void test_refusals_say_what_was_asked(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = get_as(&s, "jane", "/api/v1/namespaces/default/pods/web");
    assert_reply(
        r, 403,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"pods \\\"web\\\" is forbidden: User \\\"jane\\\" cannot get resource "
        "\\\"pods\\\" in API group \\\"\\\" in the namespace \\\"default\\\"\","
        "\"reason\":\"Forbidden\",\"details\":{\"name\":\"web\",\"kind\":\"pods\"},"
        "\"code\":403}\n");
    r = get_as(&s, "jane", "/apis/apps/v1/deployments");
    assert_string_equal(reply_str(&s, r, "message"),
                        "deployments.apps is forbidden: User \"jane\" cannot list resource "
                        "\"deployments\" in API group \"apps\" at the cluster scope");
    r = get_as(&s, "jane", "/api/v1/namespaces/default/pods/web/log");
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods \"web\" is forbidden: User \"jane\" cannot get resource \"pods/log\" "
                        "in API group \"\" in the namespace \"default\"");
    r = get_as(&s, "jane", "/metrics");
    assert_string_equal(reply_str(&s, r, "message"),
                        "forbidden: User \"jane\" cannot get path \"/metrics\"");
    r = get_as(&s, "jane", "/api/v1/namespaces/kube-system");
    assert_string_equal(reply_str(&s, r, "message"),
                        "namespaces \"kube-system\" is forbidden: User \"jane\" cannot get "
                        "resource \"namespaces\" in API group \"\" in the namespace "
                        "\"kube-system\"");
    server_stop(&s);
}

static void test_binding_gives_and_its_end_takes(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/default/pods")->status, 403);
    r = server_post(
        &s, RBAC "/namespaces/default/rolebindings",
        "{\"metadata\":{\"name\":\"b\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"jane\","
        "\"apiGroup\":\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"kind\":\"ClusterRole\","
        "\"name\":\"view\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}");
    assert_int_equal(r->status, 201);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/default/pods")->status, 200);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/kube-system/pods")->status, 403);
    assert_int_equal(get_as(&s, "jane", "/api/v1/pods")->status, 403);
    assert_int_equal(get_as(&s, "joe", "/api/v1/namespaces/default/pods")->status, 403);
    assert_int_equal(server_delete(&s, RBAC "/namespaces/default/rolebindings/b")->status, 200);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/default/pods")->status, 403);
    server_stop(&s);
}

static void test_missing_role_is_named(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = server_post(
        &s, RBAC "/clusterrolebindings",
        "{\"metadata\":{\"name\":\"b\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"jane\","
        "\"apiGroup\":\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"kind\":\"ClusterRole\","
        "\"name\":\"gone\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}");
    assert_int_equal(r->status, 201);
    r = get_as(&s, "jane", "/api/v1/nodes");
    assert_string_equal(reply_str(&s, r, "message"),
                        "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API "
                        "group \"\" at the cluster scope: RBAC: "
                        "clusterrole.rbac.authorization.k8s.io \"gone\" not found");
    server_stop(&s);
}

static void test_names_and_field_selectors(void **state)
{
    struct server s;

    server_start(&s);
    assert_int_equal(server_post(&s, RBAC "/namespaces/default/roles",
                                 "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],"
                                 "\"resources\":[\"secrets\"],\"resourceNames\":[\"s\"],"
                                 "\"verbs\":[\"get\",\"list\",\"create\"]}]}")
                         ->status,
                     201);
    assert_int_equal(
        server_post(
            &s, RBAC "/namespaces/default/rolebindings",
            "{\"metadata\":{\"name\":\"b\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"jane\","
            "\"apiGroup\":\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"kind\":\"Role\","
            "\"name\":\"r\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}")
            ->status,
        201);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/default/secrets/s")->status, 404);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/default/secrets/t")->status, 403);
    assert_int_equal(get_as(&s, "jane", "/api/v1/namespaces/default/secrets")->status, 403);
    assert_int_equal(
        get_as(&s, "jane", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Ds")
            ->status,
        200);
    assert_int_equal(
        post_as(&s, "jane", "/api/v1/namespaces/default/secrets", "{\"metadata\":{\"name\":\"s\"}}")
            ->status,
        403);
    server_stop(&s);
}

static void test_nobody_grants_what_he_lacks(void **state)
{
    struct server s;
    struct reply *r;
    const char *role = "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],"
                       "\"resources\":[\"nodes\"],\"verbs\":[\"get\",\"list\"]}]}";

    server_start(&s);
    assert_int_equal(
        server_post(&s, RBAC "/clusterroles",
                    "{\"metadata\":{\"name\":\"rbac-writer\"},\"rules\":[{\"apiGroups\":["
                    "\"rbac.authorization.k8s.io\"],\"resources\":[\"*\"],"
                    "\"verbs\":[\"create\",\"update\",\"get\"]}]}")
            ->status,
        201);
    assert_int_equal(
        server_post(
            &s, RBAC "/clusterrolebindings",
            "{\"metadata\":{\"name\":\"w\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"jane\","
            "\"apiGroup\":\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"kind\":\"ClusterRole\","
            "\"name\":\"rbac-writer\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}")
            ->status,
        201);
    r = post_as(&s, "jane", RBAC "/clusterroles", role);
    assert_int_equal(r->status, 403);
    assert_string_equal(
        reply_str(&s, r, "message"),
        "clusterroles.rbac.authorization.k8s.io \"r\" is forbidden: user \"jane\" "
        "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently "
        "held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}");
    r = post_as(
        &s, "jane", RBAC "/clusterrolebindings",
        "{\"metadata\":{\"name\":\"x\"},\"subjects\":[],\"roleRef\":{\"kind\":\"ClusterRole\","
        "\"name\":\"cluster-admin\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}");
    assert_int_equal(r->status, 403);
    /* What she has she may give: */
    r = post_as(
        &s, "jane", RBAC "/clusterrolebindings",
        "{\"metadata\":{\"name\":\"x\"},\"subjects\":[],\"roleRef\":{\"kind\":\"ClusterRole\","
        "\"name\":\"rbac-writer\",\"apiGroup\":\"rbac.authorization.k8s.io\"}}");
    assert_int_equal(r->status, 201);
    /* An administrator gives everything. */
    assert_int_equal(server_post(&s, RBAC "/clusterroles", role)->status, 201);
    server_stop(&s);
}

static struct reply *node_call(struct server *s, const char *method, const char *target,
                               const char *json)
{
    return server_call(s, &(struct call){.method = method,
                                         .target = target,
                                         .as_user = "system:node:n1",
                                         .as_groups = {"system:nodes"},
                                         .type = json ? "application/json" : NULL,
                                         .body = json});
}

static void start_pod(struct server *s)
{
    assert_int_equal(
        server_post(s, "/api/v1/namespaces/default/pods",
                    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\","
                    "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"envFrom\":["
                    "{\"secretRef\":{\"name\":\"used\"}}]}],\"volumes\":[{\"name\":\"v\","
                    "\"configMap\":{\"name\":\"cm\"}}]}}")
            ->status,
        201);
}

static void test_node_reads_what_its_pods_use(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    start_pod(&s);
    assert_int_equal(node_call(&s, "GET", "/api/v1/namespaces/default/secrets/used", NULL)->status,
                     404);
    assert_int_equal(node_call(&s, "GET", "/api/v1/namespaces/default/configmaps/cm", NULL)->status,
                     404);
    r = node_call(&s, "GET", "/api/v1/namespaces/default/secrets/other", NULL);
    assert_string_equal(reply_str(&s, r, "message"),
                        "secrets \"other\" is forbidden: User \"system:node:n1\" cannot get "
                        "resource \"secrets\" in API group \"\" in the namespace \"default\": no "
                        "relationship found between node 'n1' and this object");
    assert_int_equal(
        node_call(&s, "GET", "/api/v1/namespaces/kube-system/secrets/used", NULL)->status, 403);
    assert_int_equal(node_call(&s, "GET", "/api/v1/namespaces/default/secrets", NULL)->status, 403);
    assert_int_equal(
        node_call(&s, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", NULL)->status, 200);
    r = node_call(&s, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", NULL);
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods is forbidden: User \"system:node:n1\" cannot list resource \"pods\" "
                        "in API group \"\" at the cluster scope: can only list/watch pods with "
                        "spec.nodeName field selector");
    server_stop(&s);
}

static void test_node_touches_only_itself(void **state)
{
    struct server s;
    struct reply *r;
    const char *lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

    server_start(&s);
    assert_int_equal(
        node_call(&s, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}")->status, 201);
    assert_int_equal(node_call(&s, "GET", "/api/v1/nodes/n1", NULL)->status, 200);
    r = node_call(&s, "GET", "/api/v1/nodes/n2", NULL);
    assert_string_equal(reply_str(&s, r, "message"),
                        "nodes \"n2\" is forbidden: User \"system:node:n1\" cannot get resource "
                        "\"nodes\" in API group \"\" at the cluster scope: node 'n1' cannot read "
                        "'n2', only its own Node object");
    assert_int_equal(node_call(&s, "DELETE", "/api/v1/nodes/n1", NULL)->status, 403);
    assert_int_equal(node_call(&s, "GET", "/api/v1/nodes", NULL)->status, 403);
    assert_int_equal(node_call(&s, "POST", lease, "{\"metadata\":{\"name\":\"n1\"}}")->status, 201);
    assert_int_equal(node_call(&s, "GET",
                               "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2",
                               NULL)
                         ->status,
                     403);
    assert_int_equal(node_call(&s, "POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
                               "{\"metadata\":{\"name\":\"n1\"}}")
                         ->status,
                     403);
    assert_int_equal(node_call(&s, "GET", "/api/v1/services", NULL)->status, 200);
    assert_int_equal(node_call(&s, "GET", "/apis/apps/v1/deployments", NULL)->status, 403);
    server_stop(&s);
}

static void test_node_creates_only_its_own(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = node_call(&s, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}");
    assert_string_equal(reply_str(&s, r, "message"),
                        "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node "
                        "\"n2\"");
    r = node_call(&s, "POST", "/api/v1/nodes",
                  "{\"metadata\":{\"name\":\"n1\",\"labels\":{"
                  "\"node-restriction.kubernetes.io/a\":\"b\"}}}");
    assert_int_equal(r->status, 403);
    r = node_call(&s, "POST", "/api/v1/namespaces/default/pods",
                  "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\","
                  "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods \"p\" is forbidden: pod does not have "
                        "\"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create "
                        "mirror pods");
    r = node_call(&s, "POST", "/api/v1/namespaces/default/pods",
                  "{\"metadata\":{\"name\":\"p\",\"annotations\":{"
                  "\"kubernetes.io/config.mirror\":\"h\"}},\"spec\":{\"nodeName\":\"n2\","
                  "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
    assert_int_equal(r->status, 403);
    r = node_call(&s, "POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                  "{\"metadata\":{\"name\":\"n2\"}}");
    assert_int_equal(r->status, 403);
    server_stop(&s);
}

static void test_access_reviews(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;

    server_start(&s);
    r = server_post(&s, "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                    "{\"spec\":{\"user\":\"system:kube-scheduler\",\"resourceAttributes\":{"
                    "\"verb\":\"create\",\"resource\":\"bindings\",\"namespace\":\"default\"}}}");
    assert_int_equal(r->status, 201);
    d = reply_doc(&s, r);
    assert_str_equal(
        json_to_str(&s.arena, doc_path(&d, "status")),
        "{\"allowed\":true,\"reason\":\"RBAC: allowed by ClusterRoleBinding "
        "\\\"system:kube-scheduler\\\" of ClusterRole \\\"system:kube-scheduler\\\" to "
        "User \\\"system:kube-scheduler\\\"\"}");
    r = post_as(&s, "jane", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                "{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}");
    d = reply_doc(&s, r);
    assert_str_equal(json_to_str(&s.arena, doc_path(&d, "status")), "{\"allowed\":false}");
    r = post_as(&s, "jane", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                "{\"spec\":{\"nonResourceAttributes\":{\"verb\":\"get\",\"path\":\"/version\"}}}");
    d = reply_doc(&s, r);
    assert_true(doc_path_bool(&d, "status.allowed", false));
    r = post_as(&s, "jane", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}");
    assert_int_equal(r->status, 422);
    r = post_as(&s, "jane", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                "{\"spec\":{\"user\":\"x\",\"nonResourceAttributes\":{\"path\":\"/\"}}}");
    assert_int_equal(r->status, 403);
    r = post_as(&s, "jane", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                "{\"spec\":{\"namespace\":\"default\"}}");
    assert_int_equal(r->status, 201);
    d = reply_doc(&s, r);
    assert_int_equal(doc_path(&d, "status.resourceRules")->n, 2);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_matches),
        cmocka_unit_test(test_path_matches),
        cmocka_unit_test(test_uncovered_parts_are_listed),
        cmocka_unit_test(test_refusals_say_what_was_asked),
        cmocka_unit_test(test_binding_gives_and_its_end_takes),
        cmocka_unit_test(test_missing_role_is_named),
        cmocka_unit_test(test_names_and_field_selectors),
        cmocka_unit_test(test_nobody_grants_what_he_lacks),
        cmocka_unit_test(test_node_reads_what_its_pods_use),
        cmocka_unit_test(test_node_touches_only_itself),
        cmocka_unit_test(test_node_creates_only_its_own),
        cmocka_unit_test(test_access_reviews),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
