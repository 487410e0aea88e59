/* test_patch_api.c - strategic merge patches and strict fields by the tables of the real API. */
#include "api/api.h"
#include "codec/json.h"
#include "schema/check.h"
#include "schema/patch.h"
#include "test.h"

static struct doc parse(struct arena *a, const char *text)
{
    struct err err = {0};
    struct doc d;

    assert_ok(json_parse(str_from(text), a, &d, NULL, &err), &err);
    return d;
}

#define SPEC(s) "{\"spec\":{\"template\":{\"spec\":" s "}}}"

static void test_patches_of_kinds(void **state)
{
    static const struct {
        const struct type *type;
        const char *object, *patch, *result;
    } cases[] = {
        {&type_apps_deployment,
         SPEC("{\"containers\":[{\"name\":\"a\",\"image\":\"a:1\"},{\"name\":\"b\",\"image\":"
              "\"b:1\"}]}"),
         SPEC("{\"containers\":[{\"name\":\"b\",\"image\":\"b:2\"}]}"),
         SPEC("{\"containers\":[{\"name\":\"a\",\"image\":\"a:1\"},{\"name\":\"b\",\"image\":"
              "\"b:2\"}]}")},
        /* what kubectl apply sends to add a variable */
        {&type_apps_deployment,
         SPEC("{\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"X\",\"value\":\"1\"}]},"
              "{\"name\":\"injected\"}]}"),
         SPEC("{\"$setElementOrder/containers\":[{\"name\":\"a\"}],\"containers\":[{\"name\":\"a\","
              "\"$setElementOrder/env\":[{\"name\":\"W\"},{\"name\":\"X\"}],"
              "\"env\":[{\"name\":\"W\",\"value\":\"0\"}]}]}"),
         SPEC("{\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"W\",\"value\":\"0\"},"
              "{\"name\":\"X\",\"value\":\"1\"}]},{\"name\":\"injected\"}]}")},
        /* merge keys that are numbers */
        {&type_core_service,
         "{\"spec\":{\"ports\":[{\"port\":80,\"nodePort\":30000},{\"port\":443}]}}",
         "{\"spec\":{\"$setElementOrder/ports\":[{\"port\":443},{\"port\":80}],"
         "\"ports\":[{\"port\":80,\"targetPort\":\"web\"}]}}",
         "{\"spec\":{\"ports\":[{\"port\":443},{\"port\":80,\"nodePort\":30000,\"targetPort\":"
         "\"web\"}]}}"},
        /* merge and retainKeys together: a volume changes its kind */
        {&type_core_pod, "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"$retainKeys\":[\"name\",\"hostPath\"],"
         "\"hostPath\":{\"path\":\"/x\"}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}}]}}"},
        {&type_apps_deployment,
         "{\"spec\":{\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":1}}}"
         "}",
         "{\"spec\":{\"strategy\":{\"$retainKeys\":[\"type\"],\"type\":\"Recreate\"}}}",
         "{\"spec\":{\"strategy\":{\"type\":\"Recreate\"}}}"},
        /* lists of strings: finalizers merge, arguments do not */
        {&type_core_pod,
         "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]},\"spec\":{\"containers\":[{\"name\":\"c\","
         "\"args\":[\"1\"]}]}}",
         "{\"metadata\":{\"$deleteFromPrimitiveList/"
         "finalizers\":[\"a\"]},\"spec\":{\"containers\":["
         "{\"name\":\"c\",\"args\":[\"2\"]}]}}",
         "{\"metadata\":{\"finalizers\":[\"b\"]},\"spec\":{\"containers\":[{\"name\":\"c\","
         "\"args\":[\"2\"]}]}}"},
        {&type_core_pod,
         "{\"metadata\":{\"labels\":{\"a\":\"1\"}},\"status\":{\"conditions\":[{\"type\":\"Ready\","
         "\"status\":\"False\"}]}}",
         "{\"metadata\":{\"labels\":{\"b\":\"2\"}},\"status\":{\"conditions\":[{\"type\":\"Ready\","
         "\"status\":\"True\"}]}}",
         "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},\"status\":{\"conditions\":[{"
         "\"type\":\"Ready\",\"status\":\"True\"}]}}"},
        {&type_core_pod, "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}",
         "{\"spec\":{\"tolerations\":[{\"key\":\"b\"}]}}",
         "{\"spec\":{\"tolerations\":[{\"key\":\"b\"}]}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct doc d = parse(&a, cases[i].object), patch = parse(&a, cases[i].patch);

        if (patch_strategic(&a, cases[i].type, &d, &patch, &err) < 0)
            fail_msg("%s: %s", cases[i].patch, err.msg);
        assert_str_equal(json_to_str(&a, &d), cases[i].result);
    }
}

static void test_unknown_fields_of_kinds(void **state)
{
    auto_arena a = {0};
    struct string_list texts = {0};
    struct doc d = parse(&a, "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{"
                             "\"labels\":{\"x\":\"y\"},\"nam\":\"d\"},\"spec\":{\"Replicas\":1,"
                             "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"foo\":1}],"
                             "\"volumes\":[{\"emptyDir\":{\"x\":1}}]}}}}");

    check_fields(&type_apps_deployment, &d, NULL, &a, &texts);
    assert_int_equal(texts.n, 4);
    assert_str_equal(texts.v[0], "unknown field \"metadata.nam\"");
    assert_str_equal(texts.v[1], "unknown field \"spec.Replicas\"");
    assert_str_equal(texts.v[2], "unknown field \"spec.template.spec.containers[0].foo\"");
    assert_str_equal(texts.v[3], "unknown field \"spec.template.spec.volumes[0].emptyDir.x\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches_of_kinds),
        cmocka_unit_test(test_unknown_fields_of_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
