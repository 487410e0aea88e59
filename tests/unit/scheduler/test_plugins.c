/* SPDX-License-Identifier: Apache-2.0 */
#include "objects.h"
#include "test.h"

#define ASKS(cpu, memory)                                                                          \
    "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"" cpu  \
    "\",\"memory\":\"" memory "\"}}}]"
#define PLAIN "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"

static const struct plugin *plugin(const char *name)
{
    for (const struct plugin *const *p = scheduler_plugins; *p; p++) {
        if (strcmp((*p)->name, name) == 0)
            return *p;
    }
    fail_msg("no plugin %s", name);
    return NULL;
}

/* The reason for which @name rejects a pod of @spec on the first node, or "". */
static const char *rejects(const char *name, const struct cluster *c, const char *spec,
                           enum filter_code *ret_code)
{
    auto_arena a = {0};
    struct object *o = make_pod("p", spec);
    struct pod_info *pod = pod_info_new(o);
    struct filter_result r = {.arena = &a};
    static char text[200]; /* of the last question */

    plugin(name)->filter(pod, c->nodes.v[0], &r);
    (void)memset(text, 0, sizeof(text));
    if (r.n > 0)
        memcpy(text, r.reasons[0], MIN(strlen(r.reasons[0]), sizeof(text) - 1));
    if (ret_code)
        *ret_code = r.code;
    pod_info_free(pod);
    object_unref(o);
    return text;
}

static int64_t scores(const char *name, const struct cluster *c, size_t node, const char *spec)
{
    struct object *o = make_pod("p", spec);
    struct pod_info *pod = pod_info_new(o);
    int64_t s = plugin(name)->score(pod, c->nodes.v[node], c->nodes.n);

    pod_info_free(pod);
    object_unref(o);
    return s;
}

static void what_a_pod_asks_is_summed_up(void **state)
{
    static const struct {
        const char *spec;
        int64_t cpu, memory;
    } rows[] = {
#define C(cpu) "{\"resources\":{\"requests\":{\"cpu\":\"" cpu "\",\"memory\":\"1Mi\"}}}"
#define SIDECAR(cpu)                                                                               \
    "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}}"
        {"\"containers\":[" C("100m") "," C("1") "]", 1100, 2},
        {"\"containers\":[" C("100m") "],\"initContainers\":[" C("2") "]", 2000, 1},
        {"\"containers\":[" C("1") "],\"initContainers\":[" C("500m") "," C("700m") "]", 1000, 1},
        {"\"containers\":[" C("1") "],\"initContainers\":[" SIDECAR("500m") "]", 1500, 1},
        {"\"containers\":[" C("1") "],\"initContainers\":[" SIDECAR("1") "," C("3") "]", 4000, 1},
        {"\"containers\":[" C("1") "],\"initContainers\":[" C("3") "," SIDECAR("1") "]", 3000, 1},
        {"\"containers\":[" C("1") "],\"overhead\":{\"cpu\":\"250m\"}", 1250, 1},
        {"\"containers\":[" C("1") "],\"resources\":{\"requests\":{\"cpu\":\"3\"}}", 3000, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct object *o = make_pod("p", rows[i].spec);
        struct pod_info *p = pod_info_new(o);

        assert_int_equal(p->request.milli_cpu, rows[i].cpu);
        assert_int_equal(p->request.memory, rows[i].memory << 20);
        pod_info_free(p);
        object_unref(o);
    }
}

static void resources_must_fit(void **state)
{
    struct cluster c = {0};
    enum filter_code code;

    (void)state;
    add_node(&c, "n", "", "");
    run_pod(&c, "a", "n", ASKS("3", "1Gi"));
    assert_string_equal(rejects("NodeResourcesFit", &c, ASKS("1", "1Gi"), &code), "");
    assert_int_equal(code, FILTER_OK);
    assert_string_equal(rejects("NodeResourcesFit", &c, ASKS("1001m", "1Gi"), &code),
                        "Insufficient cpu");
    assert_int_equal(code, FILTER_UNSCHEDULABLE);
    assert_string_equal(rejects("NodeResourcesFit", &c, ASKS("5", "1Gi"), &code),
                        "Insufficient cpu");
    assert_int_equal(code, FILTER_UNRESOLVABLE);
    assert_string_equal(rejects("NodeResourcesFit", &c, ASKS("1", "7169Mi"), &code),
                        "Insufficient memory");
    assert_string_equal(
        rejects("NodeResourcesFit", &c,
                "\"containers\":[{\"resources\":{\"requests\":{\"example.com/gpu\":\"3\"}}}]",
                &code),
        "Insufficient example.com/gpu");
    for (int i = 0; i < 9; i++) {
        auto_arena a = {0};

        run_pod(&c, arena_printf(&a, "b%d", i), "n", PLAIN);
    }
    assert_string_equal(rejects("NodeResourcesFit", &c, PLAIN, &code), "Too many pods");
    assert_true(cluster_remove_pod(&c, STR("u-a")));
    assert_string_equal(rejects("NodeResourcesFit", &c, ASKS("4", "1Gi"), &code), "");
    cluster_deinit(&c);
}

static void taints_must_be_tolerated(void **state)
{
    struct cluster c = {0};
    enum filter_code code;
    static const char *const text = "node(s) had untolerated taint(s)";

    (void)state;
    add_node(&c, "n", "",
             "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"},"
             "{\"key\":\"soft\",\"effect\":\"PreferNoSchedule\"}]");
    assert_string_equal(rejects("TaintToleration", &c, PLAIN, &code), text);
    assert_int_equal(code, FILTER_UNRESOLVABLE);
#define TOLERATES(t) PLAIN ",\"tolerations\":[{" t "}]"
    assert_string_equal(
        rejects("TaintToleration", &c, TOLERATES("\"key\":\"k\",\"value\":\"v\""), NULL), "");
    assert_string_equal(
        rejects("TaintToleration", &c, TOLERATES("\"key\":\"k\",\"value\":\"w\""), NULL), text);
    assert_string_equal(
        rejects("TaintToleration", &c, TOLERATES("\"key\":\"k\",\"operator\":\"Exists\""), NULL),
        "");
    assert_string_equal(rejects("TaintToleration", &c, TOLERATES("\"operator\":\"Exists\""), NULL),
                        "");
    assert_string_equal(rejects("TaintToleration", &c,
                                TOLERATES("\"operator\":\"Exists\",\"effect\":\"NoExecute\""),
                                NULL),
                        text);
    assert_int_equal(scores("TaintToleration", &c, 0, PLAIN), 1);
    assert_int_equal(scores("TaintToleration", &c, 0, TOLERATES("\"operator\":\"Exists\"")), 0);
    cluster_deinit(&c);
}

static void affinity_must_match(void **state)
{
    struct cluster c = {0};
    static const char *const text = "node(s) didn't match Pod's node affinity/selector";

    (void)state;
    add_node(&c, "n", "\"disk\":\"ssd\",\"cores\":\"8\"", "");
#define REQUIRES(e)                                                                                \
    PLAIN ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"  \
          "\"nodeSelectorTerms\":[{\"matchExpressions\":[{" e "}]}]}}}"
    assert_string_equal(
        rejects("NodeAffinity", &c, PLAIN ",\"nodeSelector\":{\"disk\":\"ssd\"}", NULL), "");
    assert_string_equal(
        rejects("NodeAffinity", &c, PLAIN ",\"nodeSelector\":{\"disk\":\"hdd\"}", NULL), text);
    assert_string_equal(
        rejects("NodeAffinity", &c,
                REQUIRES("\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"a\",\"ssd\"]"), NULL),
        "");
    assert_string_equal(
        rejects("NodeAffinity", &c,
                REQUIRES("\"key\":\"disk\",\"operator\":\"NotIn\",\"values\":[\"ssd\"]"), NULL),
        text);
    assert_string_equal(
        rejects("NodeAffinity", &c,
                REQUIRES("\"key\":\"none\",\"operator\":\"NotIn\",\"values\":[\"x\"]"), NULL),
        "");
    assert_string_equal(
        rejects("NodeAffinity", &c, REQUIRES("\"key\":\"none\",\"operator\":\"Exists\""), NULL),
        text);
    assert_string_equal(
        rejects("NodeAffinity", &c,
                REQUIRES("\"key\":\"cores\",\"operator\":\"Gt\",\"values\":[\"7\"]"), NULL),
        "");
    assert_string_equal(
        rejects("NodeAffinity", &c,
                REQUIRES("\"key\":\"cores\",\"operator\":\"Lt\",\"values\":[\"8\"]"), NULL),
        text);
    cluster_deinit(&c);
}

static void ports_are_held_once(void **state)
{
    struct cluster c = {0};
    static const char *const text = "node(s) didn't have free ports for the requested pod ports";

    (void)state;
#define PORT(p) "\"containers\":[{\"ports\":[{\"containerPort\":1," p "}]}]"
    add_node(&c, "n", "", "");
    run_pod(&c, "a", "n", PORT("\"hostPort\":80,\"hostIP\":\"10.0.0.1\""));
    run_pod(&c, "b", "n",
            PLAIN ",\"initContainers\":[{\"restartPolicy\":\"Always\",\"ports\":[{"
                  "\"containerPort\":1,\"hostPort\":90}]}]");
    assert_string_equal(rejects("NodePorts", &c, PORT("\"hostPort\":80"), NULL), text);
    assert_string_equal(
        rejects("NodePorts", &c, PORT("\"hostPort\":80,\"hostIP\":\"10.0.0.2\""), NULL), "");
    assert_string_equal(
        rejects("NodePorts", &c, PORT("\"hostPort\":80,\"protocol\":\"UDP\""), NULL), "");
    assert_string_equal(rejects("NodePorts", &c, PORT("\"hostPort\":90"), NULL), text);
    cluster_deinit(&c);
}

static void cordons_and_names_count(void **state)
{
    struct cluster c = {0};

    (void)state;
    add_node(&c, "n", "", "\"unschedulable\":true");
    assert_string_equal(rejects("NodeUnschedulable", &c, PLAIN, NULL),
                        "node(s) were unschedulable");
    assert_string_equal(rejects("NodeUnschedulable", &c,
                                TOLERATES("\"key\":\"node.kubernetes.io/unschedulable\","
                                          "\"operator\":\"Exists\""),
                                NULL),
                        "");
    assert_string_equal(rejects("NodeName", &c, PLAIN ",\"nodeName\":\"m\"", NULL),
                        "node(s) didn't match the requested node name");
    cluster_deinit(&c);
}

static void scores_are_exact(void **state)
{
    struct cluster c = {0};
    int64_t n[] = {2, 0, 5};

    (void)state;
    add_node(&c, "n", "", "");
    add_node(&c, "m", "", "");
    run_pod(&c, "a", "m", ASKS("2", "4Gi"));
    /* cpu (4000 - 1000) * 100 / 4000 = 75, memory (8 - 2) * 100 / 8 = 75 */
    assert_int_equal(scores("NodeResourcesFit", &c, 0, ASKS("1", "2Gi")), 75);
    assert_int_equal(scores("NodeResourcesFit", &c, 1, ASKS("1", "2Gi")), 25);
    /* a container that asks for nothing counts as 100m and 200Mi: (97 + 97) / 2 */
    assert_int_equal(scores("NodeResourcesFit", &c, 0, PLAIN), 97);
    /* even before and after: 50 + (50 + 100 - 100) / 2 */
    assert_int_equal(scores("NodeResourcesBalancedAllocation", &c, 0, ASKS("1", "2Gi")), 75);
    assert_int_equal(scores("NodeResourcesBalancedAllocation", &c, 0, PLAIN), 0);
    /* shares 0.5 and 0 afterwards: deviation 0.25, 75 instead of 100 */
    assert_int_equal(scores("NodeResourcesBalancedAllocation", &c, 0, ASKS("2", "0")), 62);
    normalize_by_max(n, 3, false);
    assert_int_equal(n[0], 40);
    assert_int_equal(n[2], 100);
    normalize_by_max(n, 3, true);
    assert_int_equal(n[0], 60);
    assert_int_equal(n[1], 100);
    cluster_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_pod_asks_is_summed_up),
        cmocka_unit_test(resources_must_fit),
        cmocka_unit_test(taints_must_be_tolerated),
        cmocka_unit_test(affinity_must_match),
        cmocka_unit_test(ports_are_held_once),
        cmocka_unit_test(cordons_and_names_count),
        cmocka_unit_test(scores_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
