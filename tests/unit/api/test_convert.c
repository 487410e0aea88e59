/* Tests of the views of stored kinds: events.k8s.io, and autoscaling/v1. */
#include "api/api.h"
#include "base/buf.h"
#include "schema/typed.h"
#include "test.h"

static void *decode(struct arena *a, const struct type *t, const char *json)
{
    struct err err = {0};
    void *obj;

    assert_ok(typed_from_json(t, str_from(json), a, &obj, &err), &err);
    return obj;
}

/* @stored shown by @res is @shown, and that is stored as @again. */
static void check(const struct resource *res, const char *stored, const char *shown,
                  const char *again)
{
    auto_arena a = {0};
    auto_buf out = {0};
    void *in = decode(&a, res->storage->type, stored);
    void *obj = arena_alloc(&a, res->type->size);
    void *back = arena_alloc(&a, res->storage->type->size);

    res->from_storage(in, obj, &a);
    typed_write_json(res->type, obj, &out);
    assert_str_equal(buf_view(&out), shown);
    res->to_storage(obj, back, &a);
    buf_reset(&out);
    typed_write_json(res->storage->type, back, &out);
    assert_str_equal(buf_view(&out), again);
}

static void test_event(void **state)
{
    static const char stored[] =
        "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\"},"
        "\"reason\":\"R\",\"message\":\"m\",\"source\":{\"component\":\"c\"},"
        "\"firstTimestamp\":\"2024-01-01T00:00:00Z\",\"lastTimestamp\":null,\"count\":3,"
        "\"type\":\"Normal\",\"eventTime\":null,\"series\":{\"count\":2,\"lastObservedTime\":"
        "\"2024-01-01T00:00:00.000001Z\"},\"reportingComponent\":\"rc\","
        "\"reportingInstance\":\"ri\"}";

    (void)state;
    check(&res_events_events, stored,
          "{\"metadata\":{\"name\":\"e\"},\"eventTime\":null,\"series\":{\"count\":2,"
          "\"lastObservedTime\":\"2024-01-01T00:00:00.000001Z\"},\"reportingController\":\"rc\","
          "\"reportingInstance\":\"ri\",\"reason\":\"R\",\"regarding\":{\"kind\":\"Pod\","
          "\"name\":\"p\"},\"note\":\"m\",\"type\":\"Normal\","
          "\"deprecatedSource\":{\"component\":\"c\"},"
          "\"deprecatedFirstTimestamp\":\"2024-01-01T00:00:00Z\",\"deprecatedLastTimestamp\":null,"
          "\"deprecatedCount\":3}",
          stored);
}

static void test_autoscaler_with_a_cpu_target(void **state)
{
    static const char stored[] =
        "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\","
        "\"name\":\"d\"},\"maxReplicas\":5,\"metrics\":[{\"type\":\"Resource\",\"resource\":{"
        "\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\",\"averageUtilization\":80}}}]},"
        "\"status\":{\"desiredReplicas\":2,\"currentMetrics\":null}}";

    (void)state;
    check(&res_autoscaling_horizontalpodautoscalers, stored,
          "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\","
          "\"name\":\"d\"},\"maxReplicas\":5,\"targetCPUUtilizationPercentage\":80},"
          "\"status\":{\"currentReplicas\":0,\"desiredReplicas\":2}}",
          "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\","
          "\"name\":\"d\"},\"maxReplicas\":5,\"metrics\":[{\"type\":\"Resource\",\"resource\":{"
          "\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\",\"averageUtilization\":80}}}]},"
          "\"status\":{\"desiredReplicas\":2,\"currentMetrics\":null}}");
}

/* What v1 cannot say goes through annotations and comes back unchanged. */
static void test_autoscaler_round_trip(void **state)
{
    static const char stored[] =
        "{\"metadata\":{\"name\":\"h\",\"annotations\":{\"mine\":\"1\"}},\"spec\":{"
        "\"scaleTargetRef\":{\"kind\":\"D\",\"name\":\"d\"},\"minReplicas\":1,\"maxReplicas\":5,"
        "\"metrics\":["
        "{\"type\":\"Object\",\"object\":{\"describedObject\":{\"kind\":\"I\",\"name\":\"i\"},"
        "\"target\":{\"type\":\"Value\",\"value\":\"10\"},\"metric\":{\"name\":\"rps\"}}},"
        "{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"q\",\"selector\":{\"matchLabels\":{"
        "\"a\":\"b\"}}},\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"1k\"}}},"
        "{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"target\":{\"type\":"
        "\"AverageValue\",\"averageValue\":\"1Gi\"}}},"
        "{\"type\":\"ContainerResource\",\"containerResource\":{\"name\":\"cpu\",\"target\":{"
        "\"type\":\"Utilization\",\"averageUtilization\":60},\"container\":\"app\"}},"
        "{\"type\":\"External\",\"external\":{\"metric\":{\"name\":\"x\"},\"target\":{\"type\":"
        "\"Value\",\"value\":\"3\"}}},"
        "{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":"
        "\"Utilization\",\"averageUtilization\":80}}}],"
        "\"behavior\":{\"scaleDown\":{\"stabilizationWindowSeconds\":300,\"selectPolicy\":\"Max\","
        "\"policies\":[{\"type\":\"Pods\",\"value\":4,\"periodSeconds\":60}]}}},"
        "\"status\":{\"currentReplicas\":1,\"desiredReplicas\":2,\"currentMetrics\":["
        "{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"current\":{\"averageValue\":"
        "\"5m\",\"averageUtilization\":7}}}],\"conditions\":[{\"type\":\"AbleToScale\","
        "\"status\":\"True\",\"lastTransitionTime\":\"2024-01-01T00:00:00Z\",\"reason\":\"r\"}]}}";
    const struct resource *v1 = &res_autoscaling_horizontalpodautoscalers;
    auto_arena a = {0};
    struct autoscaling_horizontal_pod_autoscaler obj = {0};
    struct autoscaling_v2_horizontal_pod_autoscaler back = {0};
    void *in = decode(&a, v1->storage->type, stored);

    (void)state;
    v1->from_storage(in, &obj, &a);
    assert_int_equal(obj.metadata.annotations.n, 5);
    assert_str_equal(string_map_get(&obj.metadata.annotations,
                                    STR("autoscaling.alpha.kubernetes.io/behavior")),
                     "{\"ScaleDown\":{\"StabilizationWindowSeconds\":300,\"SelectPolicy\":\"Max\","
                     "\"Policies\":[{\"Type\":\"Pods\",\"Value\":4,\"PeriodSeconds\":60}]}}");
    assert_int_equal(*obj.spec.target_cpu_utilization_percentage, 80);
    assert_int_equal(*obj.status.current_cpu_utilization_percentage, 7);
    v1->to_storage(&obj, &back, &a);
    assert_true(typed_equal(v1->storage->type, in, &back));
}

static void test_bad_annotations_count_as_absent(void **state)
{
    auto_arena a = {0};
    struct autoscaling_v2_horizontal_pod_autoscaler out = {0};
    void *in = decode(&a, &type_autoscaling_horizontal_pod_autoscaler,
                      "{\"metadata\":{\"annotations\":{"
                      "\"autoscaling.alpha.kubernetes.io/metrics\":\"[1]\","
                      "\"autoscaling.alpha.kubernetes.io/conditions\":\"{\","
                      "\"autoscaling.alpha.kubernetes.io/current-metrics\":\"{}\","
                      "\"autoscaling.alpha.kubernetes.io/behavior\":\"[[[[[[[[1]]]]]]]]\"}}}");

    (void)state;
    res_autoscaling_horizontalpodautoscalers.to_storage(in, &out, &a);
    assert_int_equal(out.spec.metrics.n, 0);
    assert_int_equal(out.status.conditions.n, 0);
    assert_int_equal(out.status.current_metrics.n, 0);
    assert_null(out.spec.behavior);
    assert_int_equal(out.metadata.annotations.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_autoscaler_with_a_cpu_target),
        cmocka_unit_test(test_autoscaler_round_trip),
        cmocka_unit_test(test_bad_annotations_count_as_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
