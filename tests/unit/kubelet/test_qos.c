/* SPDX-License-Identifier: Apache-2.0 */
/* test_qos.c - classes of service, shares, quotas, scores, cgroups of pods. */
#include "kubelet/pod_config.h"
#include "schema/typed.h"
#include "test.h"

static const struct core_pod *pod_of(struct arena *a, const char *spec)
{
    struct err err = {0};
    void *obj;

    assert_ok(typed_from_json(&type_core_pod,
                              str_from(arena_printf(a, "{\"metadata\":{\"name\":\"p\"},"
                                                       "\"spec\":{%s}}",
                                                    spec)),
                              a, &obj, &err),
              &err);
    return obj;
}
#define CONTAINER(resources) "\"containers\":[{\"name\":\"c\",\"resources\":{" resources "}}]"
#define LIMITS(cpu, mem) "\"limits\":{\"cpu\":\"" cpu "\",\"memory\":\"" mem "\"}"
#define REQUESTS(cpu, mem) "\"requests\":{\"cpu\":\"" cpu "\",\"memory\":\"" mem "\"}"

static void test_classes(void **state)
{
    static const char *const cases[][3] = {
        {CONTAINER(""), "BestEffort", "/skiff/kubepods/besteffort/podu"},
        {CONTAINER(LIMITS("1", "1Gi")), "Guaranteed", "/skiff/kubepods/podu"},
        {CONTAINER(LIMITS("1", "1Gi") "," REQUESTS("1000m", "1024Mi")), "Guaranteed",
         "/skiff/kubepods/podu"},
        {CONTAINER(LIMITS("1", "1Gi") "," REQUESTS("500m", "1Gi")), "Burstable",
         "/skiff/kubepods/burstable/podu"},
        {CONTAINER("\"requests\":{\"cpu\":\"1m\"}"), "Burstable", "/skiff/kubepods/burstable/podu"},
        {CONTAINER("\"limits\":{\"cpu\":\"1\"}"), "Burstable", "/skiff/kubepods/burstable/podu"},
        {CONTAINER("\"limits\":{\"ephemeral-storage\":\"1Gi\"}"), "BestEffort",
         "/skiff/kubepods/besteffort/podu"},
        {CONTAINER(LIMITS("1", "1Gi")) ",\"initContainers\":[{\"name\":\"i\"}]", "Burstable",
         "/skiff/kubepods/burstable/podu"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        const struct core_pod *pod = pod_of(&a, cases[i][0]);

        assert_string_equal(qos_class(pod), cases[i][1]);
        assert_string_equal(cgroup_pod_path(pod, "u", &a), cases[i][2]);
    }
}

static void test_shares_quota_and_weight(void **state)
{
    (void)state;
    assert_int_equal(cpu_shares(0), 2);
    assert_int_equal(cpu_shares(1), 2);
    assert_int_equal(cpu_shares(100), 102);
    assert_int_equal(cpu_shares(1000), 1024);
    assert_int_equal(cpu_shares(INT64_MAX), 262144);
    assert_int_equal(cpu_quota_us(0), 0);
    assert_int_equal(cpu_quota_us(1), 1000);
    assert_int_equal(cpu_quota_us(250), 25000);
    assert_int_equal(cpu_quota_us(2000), 200000);
    assert_int_equal(cpu_weight(2), 1);
    assert_int_equal(cpu_weight(262144), 10000);
    assert_int_equal(cpu_weight(1024), 100);
}

static int64_t score(const char *spec, bool init)
{
    auto_arena a = {0};
    const struct core_pod *pod = pod_of(&a, spec);

    return oom_score_adj(pod, init ? &pod->spec.init_containers.v[0] : &pod->spec.containers.v[0],
                         INT64_C(10) << 30);
}

static void test_oom_scores(void **state)
{
    (void)state;
    assert_int_equal(score(CONTAINER(""), false), 1000);
    assert_int_equal(score(CONTAINER(LIMITS("1", "1Gi")), false), -997);
    assert_int_equal(score(CONTAINER("") ",\"priority\":2000001000", false), -997);
    assert_int_equal(score(CONTAINER("\"requests\":{\"memory\":\"1Gi\"}"), false), 900);
    assert_int_equal(score(CONTAINER("\"requests\":{\"cpu\":\"1\"}"), false), 999);
    assert_int_equal(score(CONTAINER("\"requests\":{\"memory\":\"100Gi\"}"), false), 3);
    assert_int_equal(score(CONTAINER("\"requests\":{\"memory\":\"1Gi\"}")
                           ",\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}]",
                           true),
                     900);
}

static void test_pod_totals(void **state)
{
    auto_arena a = {0};
    struct pod_resources r = pod_resources_of(
        pod_of(&a, "\"containers\":[{\"name\":\"x\",\"resources\":{" LIMITS("500m", "1Gi") "}},"
                   "{\"name\":\"y\",\"resources\":{" LIMITS("1", "1Gi") "," REQUESTS("100m", "1Mi")
                   "}}],\"initContainers\":[{\"name\":\"i\",\"resources\":{" LIMITS("2", "1Mi")
                   "}}]"));

    (void)state;
    assert_int_equal(r.cpu_request_milli, 2000);
    assert_int_equal(r.cpu_limit_milli, 2000);
    assert_int_equal(r.memory_limit_bytes, INT64_C(2) << 30);
    r = pod_resources_of(pod_of(&a, "\"containers\":[{\"name\":\"x\",\"resources\":{"
                                    LIMITS("500m", "1Gi") "}},{\"name\":\"y\"}]"));
    assert_int_equal(r.cpu_request_milli, 500);
    assert_int_equal(r.cpu_limit_milli, 0); /* one container is unlimited: so is the pod */
    assert_int_equal(r.memory_limit_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_shares_quota_and_weight),
        cmocka_unit_test(test_oom_scores),
        cmocka_unit_test(test_pod_totals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
