/* Tests of how roles and bindings are checked. */
#include "check_kind.h"

#define RESOURCE_RULE "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}"
#define ROLE_REF(kind, name)                                                                       \
    "\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"" kind                     \
    "\",\"name\":\"" name "\"}"

static void test_a_good_role_has_no_errors(void **state)
{
    check_create(&res_rbac_roles, "{\"rules\":[" RESOURCE_RULE "]}", "");
    check_create(&res_rbac_roles, "{}", "");
    check_create(
        &res_rbac_clusterroles,
        "{\"rules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"/healthz\"]}],"
        "\"aggregationRule\":{\"clusterRoleSelectors\":[{\"matchLabels\":{\"a\":\"b\"}}]}}",
        "");
}

static void test_rules_name_verbs_groups_and_resources(void **state)
{
    check_create(
        &res_rbac_roles, "{\"rules\":[" RESOURCE_RULE ",{}]}",
        "FieldValueRequired rules[1].verbs: Required value: verbs must contain at least one "
        "value\n"
        "FieldValueRequired rules[1].apiGroups: Required value: resource rules must supply "
        "at least one api group\n"
        "FieldValueRequired rules[1].resources: Required value: resource rules must supply "
        "at least one resource");
}

static void test_urls_are_for_cluster_roles_and_stand_alone(void **state)
{
    const char *rules = "{\"rules\":[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a\",\"/b\"],"
                        "\"resources\":[\"pods\"]}]}";

    check_create(
        &res_rbac_roles, rules,
        "FieldValueInvalid rules[0].nonResourceURLs: Invalid value: [\"/a\",\"/b\"]: "
        "namespaced rules cannot apply to non-resource URLs\n"
        "FieldValueInvalid rules[0].nonResourceURLs: Invalid value: [\"/a\",\"/b\"]: rules "
        "cannot apply to both regular resources and non-resource URLs");
    check_create(
        &res_rbac_clusterroles, rules,
        "FieldValueInvalid rules[0].nonResourceURLs: Invalid value: [\"/a\",\"/b\"]: rules "
        "cannot apply to both regular resources and non-resource URLs");
}

static void test_aggregation_needs_good_selectors(void **state)
{
    check_create(
        &res_rbac_clusterroles, "{\"aggregationRule\":{}}",
        "FieldValueRequired aggregationRule.clusterRoleSelectors: Required value: at least "
        "one clusterRoleSelector required if aggregationRule is non-nil");
    check_create(&res_rbac_clusterroles,
                 "{\"aggregationRule\":{\"clusterRoleSelectors\":[{\"matchExpressions\":[{\"key\":"
                 "\"a\",\"operator\":\"In\"}]}]}}",
                 "FieldValueRequired aggregationRule.clusterRoleSelectors[0].matchExpressions[0]."
                 "values: Required value: must be specified when `operator` is 'In' or 'NotIn'");
}

static void test_bindings_refer_to_roles(void **state)
{
    check_create(&res_rbac_rolebindings, "{" ROLE_REF("ClusterRole", "view") "}", "");
    check_create(
        &res_rbac_rolebindings,
        "{\"roleRef\":{\"apiGroup\":\"x\",\"kind\":\"Pod\",\"name\":\"a/b\"}}",
        "FieldValueNotSupported roleRef.apiGroup: Unsupported value: \"x\": supported "
        "values: \"rbac.authorization.k8s.io\"\n"
        "FieldValueNotSupported roleRef.kind: Unsupported value: \"Pod\": supported values: "
        "\"ClusterRole\", \"Role\"\n"
        "FieldValueInvalid roleRef.name: Invalid value: \"a/b\": may not contain '/'");
    check_create(&res_rbac_clusterrolebindings, "{" ROLE_REF("Role", "") "}",
                 "FieldValueNotSupported roleRef.kind: Unsupported value: \"Role\": supported "
                 "values: \"ClusterRole\"\n"
                 "FieldValueRequired roleRef.name: Required value");
}

static void test_subjects_are_of_known_kinds(void **state)
{
    check_create(
        &res_rbac_clusterrolebindings,
        "{" ROLE_REF("ClusterRole",
                     "view") ",\"subjects\":["
                             "{\"kind\":\"User\",\"name\":\"ann\"},"
                             "{\"kind\":\"Robot\",\"name\":\"r\"},"
                             "{\"kind\":\"ServiceAccount\",\"name\":\"Up\",\"apiGroup\":\"x\"},"
                             "{\"kind\":\"Group\",\"apiGroup\":\"y\"}]}",
        "FieldValueNotSupported subjects[1].kind: Unsupported value: \"Robot\": supported "
        "values: \"Group\", \"ServiceAccount\", \"User\"\n"
        "FieldValueInvalid subjects[2].name: Invalid value: \"Up\": a lowercase RFC 1123 "
        "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'example.com', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
        "FieldValueNotSupported subjects[2].apiGroup: Unsupported value: \"x\": supported "
        "values: \"\"\n"
        "FieldValueRequired subjects[2].namespace: Required value\n"
        "FieldValueRequired subjects[3].name: Required value\n"
        "FieldValueNotSupported subjects[3].apiGroup: Unsupported value: \"y\": supported "
        "values: \"rbac.authorization.k8s.io\"");
    check_create(&res_rbac_rolebindings,
                 "{" ROLE_REF("Role", "r") ",\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":"
                                           "\"sa\"}]}",
                 "");
}

static void test_the_role_of_a_binding_stays(void **state)
{
    const char *want =
        "FieldValueInvalid roleRef: Invalid value: {\"APIGroup\":"
        "\"rbac.authorization.k8s.io\",\"Kind\":\"ClusterRole\",\"Name\":\"admin\"}: "
        "cannot change roleRef";

    check_change(&res_rbac_rolebindings, "{" ROLE_REF("Role", "r") "}",
                 "{" ROLE_REF("ClusterRole", "admin") "}", want);
    check_change(&res_rbac_clusterrolebindings, "{" ROLE_REF("ClusterRole", "view") "}",
                 "{" ROLE_REF("ClusterRole", "admin") "}", want);
    check_change(
        &res_rbac_clusterrolebindings, "{" ROLE_REF("ClusterRole", "view") "}",
        "{" ROLE_REF("ClusterRole", "view") ",\"subjects\":[{\"kind\":\"Group\",\"name\":\"g\"}]}",
        "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_role_has_no_errors),
        cmocka_unit_test(test_rules_name_verbs_groups_and_resources),
        cmocka_unit_test(test_urls_are_for_cluster_roles_and_stand_alone),
        cmocka_unit_test(test_aggregation_needs_good_selectors),
        cmocka_unit_test(test_bindings_refer_to_roles),
        cmocka_unit_test(test_subjects_are_of_known_kinds),
        cmocka_unit_test(test_the_role_of_a_binding_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
