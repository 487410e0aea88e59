/* Reading one object: its bytes in every form, and what happens when it is not there. */
#include "read_rig.h"
#include "schema/typed.h"

#define CM "{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"u1\"},\"data\":" \
    "{\"k\":\"<v>\"}}"
#define URL "/api/v1/namespaces/default/configmaps/a"

static struct rig *r;

static int setup(void **state)
{
    (void)state;
    r = rig_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(r);
    return 0;
}

static void test_json(void **state)
{
    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    rig_expect(r, URL, NULL, 200,
               "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\","
               "\"namespace\":\"default\",\"uid\":\"u1\",\"resourceVersion\":\"2\"},"
               "\"data\":{\"k\":\"\\u003cv\\u003e\"}}\n");
}

static void test_pretty(void **state)
{
    static const char *const curl[] = {"user-agent", "curl/8.0", NULL};
    struct http_exchange *x;

    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    rig_expect(r, URL "?pretty=true", NULL, 200,
               "{\n  \"kind\": \"ConfigMap\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {\n"
               "    \"name\": \"a\",\n    \"namespace\": \"default\",\n    \"uid\": \"u1\",\n"
               "    \"resourceVersion\": \"2\"\n  },\n  \"data\": {\n"
               "    \"k\": \"\\u003cv\\u003e\"\n  }\n}");
    x = rig_get(r, "/api/v1/configmaps?limit=1", curl);
    x->step = 3;
    rig_close(x);
    x = rig_get(r, "/api/v1/secrets", curl);
    assert_string_equal(rig_pull(x),
                        "{\n  \"kind\": \"SecretList\",\n  \"apiVersion\": \"v1\",\n"
                        "  \"metadata\": {\n    \"resourceVersion\": \"2\"\n  },\n"
                        "  \"items\": []\n}");
    rig_close(x);
}

static void test_yaml(void **state)
{
    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    rig_expect(r, URL, "application/yaml", 200,
               "apiVersion: v1\ndata:\n  k: <v>\nkind: ConfigMap\nmetadata:\n  name: a\n"
               "  namespace: default\n  resourceVersion: \"2\"\n  uid: u1\n");
}

static void test_protobuf(void **state)
{
    static const char *const accept[] = {"accept", "application/vnd.kubernetes.protobuf", NULL};
    struct core_config_map cm = {0};
    struct http_exchange *x;
    struct pb_envelope env;
    auto_arena a = {0};
    struct err err = {0};

    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    x = rig_get(r, URL, accept);
    (void)rig_pull(x);
    assert_int_equal(x->status, 200);
    assert_string_equal(x->type, "application/vnd.kubernetes.protobuf");
    assert_int_equal(x->length, x->body.len);
    assert_ok(pb_envelope_open(buf_view(&x->body), &env, &err), &err);
    assert_str_equal(env.kind, "ConfigMap");
    assert_str_equal(env.api_version, "v1");
    assert_ok(typed_from_pb(&type_core_config_map, env.raw, &a, &cm, &err), &err);
    assert_str_equal(cm.metadata.name, "a");
    assert_str_equal(cm.metadata.resource_version, "2");
    assert_str_equal(string_map_get((struct string_map *)(void *)&cm.data, STR("k")), "<v>");
    rig_close(x);
}

static void test_partial(void **state)
{
    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    rig_expect(r, URL,
               "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json", 200,
               "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
               "\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"u1\","
               "\"resourceVersion\":\"2\"}}\n");
}

/* Stored as v2; shown as v1. */
static void test_another_version(void **state)
{
    struct http_exchange *x;
    const char *body;

    (void)state;
    rig_put(r, &res_autoscaling_v2_horizontalpodautoscalers,
            "{\"metadata\":{\"name\":\"h\",\"namespace\":\"n\"},\"spec\":{\"scaleTargetRef\":{"
            "\"kind\":\"Deployment\",\"name\":\"d\"},\"maxReplicas\":5,\"metrics\":[{\"type\":"
            "\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\","
            "\"averageUtilization\":60}}}]}}");
    x = rig_get(r, "/apis/autoscaling/v1/namespaces/n/horizontalpodautoscalers/h", NULL);
    body = rig_pull(x);
    assert_int_equal(x->status, 200);
    assert_non_null(strstr(body, "{\"kind\":\"HorizontalPodAutoscaler\",\"apiVersion\":"
                                 "\"autoscaling/v1\",\"metadata\":{\"name\":\"h\",\"namespace\":"
                                 "\"n\",\"resourceVersion\":\"2\"}"));
    assert_non_null(strstr(body, "\"targetCPUUtilizationPercentage\":60"));
    rig_close(x);
    x = rig_get(r, "/apis/autoscaling/v2/horizontalpodautoscalers", NULL);
    assert_non_null(strstr(rig_pull(x), "\"averageUtilization\":60"));
    rig_close(x);
    x = rig_get(r, "/apis/autoscaling/v1/horizontalpodautoscalers?watch=1", NULL);
    assert_non_null(strstr(rig_pull(x), "\"targetCPUUtilizationPercentage\":60"));
    rig_close(x);
}

static void test_field_names_of_another_version(void **state)
{
    struct http_exchange *x;

    (void)state;
    rig_put(r, &res_core_events,
            "{\"metadata\":{\"name\":\"e\",\"namespace\":\"n\"},\"involvedObject\":{\"kind\":\"Po"
            "d\","
            "\"name\":\"p\"},\"reason\":\"Started\",\"message\":\"m\"}");
    x = rig_get(r, "/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dp", NULL);
    assert_non_null(strstr(rig_pull(x), "\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\"}"));
    assert_non_null(strstr(rig_pull(x), "\"note\":\"m\""));
    rig_close(x);
    x = rig_get(r, "/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dq", NULL);
    assert_non_null(strstr(rig_pull(x), "\"items\":[]"));
    rig_close(x);
    x = rig_get(r, "/api/v1/events?fieldSelector=involvedObject.name%3Dp", NULL);
    assert_non_null(strstr(rig_pull(x), "\"reason\":\"Started\""));
    rig_close(x);
}

static void test_missing(void **state)
{
    (void)state;
    rig_expect(r, URL, NULL, 404,
               "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
               "\"message\":\"configmaps \\\"a\\\" not found\",\"reason\":\"NotFound\","
               "\"details\":{\"name\":\"a\",\"kind\":\"configmaps\"},\"code\":404}\n");
}

static void test_headers(void **state)
{
    struct http_exchange *x;
    char *audit, *cache;

    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    x = rig_get(r, URL, NULL);
    audit = rig_header(x, "Audit-Id");
    cache = rig_header(x, "Cache-Control");
    assert_int_equal(strlen(audit), 36);
    assert_string_equal(cache, "no-cache, private");
    assert_string_equal(x->type, "application/json");
    free(audit);
    free(cache);
    rig_close(x);
}

static void test_future_revision(void **state)
{
    struct http_exchange *x;
    char *retry;

    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    x = rig_get(r, "/api/v1/configmaps?resourceVersion=99", NULL);
    assert_int_equal(x->status, 0);
    sim_run_for(r->sim, 2900);
    assert_int_equal(x->status, 0);
    sim_run_for(r->sim, 200);
    assert_int_equal(x->status, 504);
    retry = rig_header(x, "Retry-After");
    assert_string_equal(retry, "1");
    free(retry);
    assert_string_equal(
        rig_pull(x),
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"Timeout: Too large resource version: 99, current: 2\","
        "\"reason\":\"Timeout\",\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\","
        "\"message\":\"Too large resource version\"}],\"retryAfterSeconds\":1},\"code\":504}\n");
    rig_close(x);
}

static void test_revision_comes(void **state)
{
    struct http_exchange *x;

    (void)state;
    rig_put(r, &res_core_configmaps, CM);
    x = rig_get(r, "/api/v1/configmaps?resourceVersion=3", NULL);
    assert_int_equal(x->status, 0);
    rig_put(r, &res_core_configmaps, CM);
    sim_run_for(r->sim, 100);
    assert_int_equal(x->status, 200);
    rig_close(x);
}

static void test_peer_gone_while_waiting(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, "/api/v1/configmaps?resourceVersion=3", NULL);
    rig_close(x);
    assert_int_equal(atomic_load(&r->as->n_live), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pretty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_yaml, setup, teardown),
        cmocka_unit_test_setup_teardown(test_protobuf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partial, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_field_names_of_another_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_future_revision, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revision_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_gone_while_waiting, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
