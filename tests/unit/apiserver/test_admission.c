/* test_admission.c - what plugins fill in and refuse. */
#include "apiserver/admission.h"
#include "server.h"

#define PODS      "/api/v1/namespaces/default/pods"
#define CONTAINER "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"

static struct reply *make_pod(struct server *s, const char *name, const char *spec)
{
    return server_post(
        s, PODS,
        arena_printf(&s->arena, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s}}", name, spec));
}

static struct str part(struct server *s, const struct reply *r, const char *path)
{
    struct doc d = reply_doc(s, r);
    const struct doc *m = doc_path(&d, path);

    return m ? json_to_str(&s->arena, m) : STR("absent");
}

static void test_plugins_are_in_upstreams_order(void **state)
{
    static const char *const order[] = {
        "NamespaceLifecycle",    "LimitRanger",  "ServiceAccount",           "NodeRestriction",
        "TaintNodesByCondition", "Priority",     "DefaultTolerationSeconds", "DefaultStorageClass",
        "RuntimeClass",          "Certificates", "DefaultIngressClass",      "PodTopologyLabels",
        "RBACEscalation"};
    size_t n = 0;

    for (; admission_plugins[n].name; n++)
        assert_string_equal(admission_plugins[n].name, order[n]);
    assert_int_equal(n, ARRAY_LEN(order));
}

static void test_namespace_must_live(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = server_post(&s, "/api/v1/namespaces/none/configmaps", "{\"metadata\":{\"name\":\"a\"}}");
    assert_int_equal(r->status, 404);
    assert_string_equal(reply_str(&s, r, "message"), "namespaces \"none\" not found");
    assert_int_equal(
        server_post(&s, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"dying\"}}")->status, 201);
    assert_int_equal(server_delete(&s, "/api/v1/namespaces/dying")->status, 200);
    r = server_post(&s, "/api/v1/namespaces/dying/configmaps", "{\"metadata\":{\"name\":\"a\"}}");
    assert_reply(
        r, 403,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"configmaps \\\"a\\\" is forbidden: unable to create new content in "
        "namespace dying because it is being terminated\",\"reason\":\"Forbidden\","
        "\"details\":{\"name\":\"a\",\"kind\":\"configmaps\",\"causes\":[{\"reason\":"
        "\"NamespaceTerminating\",\"message\":\"namespace dying is being terminated\","
        "\"field\":\"metadata.namespace\"}]},\"code\":403}\n");
    r = server_delete(&s, "/api/v1/namespaces/default");
    assert_int_equal(r->status, 403);
    assert_string_equal(reply_str(&s, r, "message"),
                        "namespaces \"default\" is forbidden: this namespace may not be deleted");
    server_stop(&s);
}

static void test_pod_gets_account_token_and_tolerations(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;
    const struct doc *volume, *mount;

    server_start(&s);
    r = make_pod(&s, "p", CONTAINER);
    assert_int_equal(r->status, 201);
    assert_string_equal(reply_str(&s, r, "spec.serviceAccountName"), "default");
    assert_string_equal(reply_str(&s, r, "spec.serviceAccount"), "default");
    assert_int_equal(reply_int(&s, r, "spec.priority"), 0);
    assert_string_equal(reply_str(&s, r, "spec.preemptionPolicy"), "PreemptLowerPriority");
    assert_str_equal(part(&s, r, "spec.tolerations"),
                     "[{\"key\":\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\","
                     "\"effect\":\"NoExecute\",\"tolerationSeconds\":300},"
                     "{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\","
                     "\"effect\":\"NoExecute\",\"tolerationSeconds\":300}]");
    d = reply_doc(&s, r);
    assert_int_equal(doc_path(&d, "spec.volumes")->n, 1);
    volume = &doc_path(&d, "spec.volumes")->items[0];
    assert_true(str_has_prefix(doc_path_str(volume, "name"), STR("kube-api-access-")));
    assert_int_equal(doc_path_str(volume, "name").len, sizeof("kube-api-access-") - 1 + 5);
    assert_str_equal(
        json_to_str(&s.arena, doc_path(volume, "projected")),
        "{\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,"
        "\"path\":\"token\"}},{\"configMap\":{\"name\":\"kube-root-ca.crt\",\"items\":["
        "{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},{\"downwardAPI\":{\"items\":["
        "{\"path\":\"namespace\",\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":"
        "\"metadata.namespace\"}}]}}],\"defaultMode\":420}");
    mount = &doc_path(&doc_path(&d, "spec.containers")->items[0], "volumeMounts")->items[0];
    assert_str_equal(doc_path_str(mount, "mountPath"),
                     "/var/run/secrets/kubernetes.io/serviceaccount");
    assert_true(doc_path_bool(mount, "readOnly", false));
    server_stop(&s);
}

static void test_pod_without_token(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = make_pod(&s, "p", CONTAINER ",\"automountServiceAccountToken\":false");
    assert_str_equal(part(&s, r, "spec.volumes"), "absent");
    r = make_pod(&s, "q", CONTAINER ",\"serviceAccountName\":\"none\"");
    assert_int_equal(r->status, 403);
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods \"q\" is forbidden: error looking up service account default/none: "
                        "serviceaccount \"none\" not found");
    server_stop(&s);
}

static void test_own_tolerations_stay_alone(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = make_pod(&s, "p", CONTAINER ",\"tolerations\":[{\"operator\":\"Exists\"}]");
    assert_str_equal(part(&s, r, "spec.tolerations"), "[{\"operator\":\"Exists\"}]");
    server_stop(&s);
}

static void test_priority_follows_the_class(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = make_pod(&s, "p", CONTAINER ",\"priorityClassName\":\"system-node-critical\"");
    assert_int_equal(reply_int(&s, r, "spec.priority"), 2000001000);
    r = make_pod(&s, "q", CONTAINER ",\"priorityClassName\":\"none\"");
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods \"q\" is forbidden: no PriorityClass with name none was found");
    r = make_pod(&s, "q", CONTAINER ",\"priority\":5");
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods \"q\" is forbidden: the integer value of priority (5) must not be "
                        "provided in pod spec; priority admission controller computed 0 from the "
                        "given PriorityClass name");
    r = server_post(&s, "/apis/scheduling.k8s.io/v1/priorityclasses",
                    "{\"metadata\":{\"name\":\"usual\"},\"value\":10,\"globalDefault\":true}");
    assert_int_equal(r->status, 201);
    r = make_pod(&s, "q", CONTAINER);
    assert_int_equal(reply_int(&s, r, "spec.priority"), 10);
    assert_string_equal(reply_str(&s, r, "spec.priorityClassName"), "usual");
    r = server_post(&s, "/apis/scheduling.k8s.io/v1/priorityclasses",
                    "{\"metadata\":{\"name\":\"other\"},\"value\":9,\"globalDefault\":true}");
    assert_string_equal(reply_str(&s, r, "message"),
                        "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass "
                        "usual is already marked as default. Only one default can exist");
    server_stop(&s);
}

static void test_new_node_is_tainted(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = server_post(&s, "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}");
    assert_str_equal(part(&s, r, "spec.taints"),
                     "[{\"key\":\"node.kubernetes.io/not-ready\",\"effect\":\"NoSchedule\"}]");
    server_stop(&s);
}

static void limit(struct server *s, const char *item)
{
    struct reply *r = server_post(
        s, "/api/v1/namespaces/default/limitranges",
        arena_printf(&s->arena, "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[%s]}}",
                     item));

    assert_int_equal(r->status, 201);
}

static void test_limits_fill_in(void **state)
{
    struct server s;
    struct reply *r;
    struct doc d;

    server_start(&s);
    limit(&s, "{\"type\":\"Container\",\"default\":{\"cpu\":\"500m\"},\"defaultRequest\":"
              "{\"cpu\":\"100m\",\"memory\":\"64Mi\"}}");
    r = make_pod(&s, "p", CONTAINER);
    assert_int_equal(r->status, 201);
    d = reply_doc(&s, r);
    assert_str_equal(
        json_to_str(&s.arena, doc_path(&doc_path(&d, "spec.containers")->items[0], "resources")),
        "{\"limits\":{\"cpu\":\"500m\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}}");
    assert_str_equal(
        part(&s, r, "metadata.annotations"),
        "{\"kubernetes.io/limit-ranger\":\"LimitRanger plugin set: cpu, memory request "
        "for container c; cpu limit for container c\"}");
    server_stop(&s);
}

static void test_limits_bound(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    limit(&s, "{\"type\":\"Container\",\"min\":{\"cpu\":\"100m\"},\"max\":{\"cpu\":\"1\"},"
              "\"maxLimitRequestRatio\":{\"cpu\":\"4\"}}");
    r = make_pod(&s, "p",
                 "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":"
                 "{\"cpu\":\"2\"},\"requests\":{\"cpu\":\"50m\"}}}]");
    assert_int_equal(r->status, 403);
    assert_string_equal(
        reply_str(&s, r, "message"),
        "pods \"p\" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m, "
        "maximum cpu usage per Container is 1, but limit is 2, cpu max limit to request ratio per "
        "Container is 4, but provided ratio is 40.000000]");
    r = make_pod(&s, "p",
                 "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":"
                 "{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"250m\"}}}]");
    assert_int_equal(r->status, 201);
    server_stop(&s);
}

static void test_default_classes(void **state)
{
    struct server s;
    struct reply *r;

    server_start(&s);
    r = server_post(&s, "/apis/storage.k8s.io/v1/storageclasses",
                    "{\"metadata\":{\"name\":\"fast\",\"annotations\":{"
                    "\"storageclass.kubernetes.io/is-default-class\":\"true\"}},"
                    "\"provisioner\":\"x.io/y\"}");
    assert_int_equal(r->status, 201);
    r = server_post(&s, "/api/v1/namespaces/default/persistentvolumeclaims",
                    "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
                    "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}");
    assert_int_equal(r->status, 201);
    assert_string_equal(reply_str(&s, r, "spec.storageClassName"), "fast");
    r = make_pod(&s, "p", CONTAINER ",\"runtimeClassName\":\"none\"");
    assert_string_equal(reply_str(&s, r, "message"),
                        "pods \"p\" is forbidden: pod rejected: RuntimeClass \"none\" not found");
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugins_are_in_upstreams_order),
        cmocka_unit_test(test_namespace_must_live),
        cmocka_unit_test(test_pod_gets_account_token_and_tolerations),
        cmocka_unit_test(test_pod_without_token),
        cmocka_unit_test(test_own_tolerations_stay_alone),
        cmocka_unit_test(test_priority_follows_the_class),
        cmocka_unit_test(test_new_node_is_tainted),
        cmocka_unit_test(test_limits_fill_in),
        cmocka_unit_test(test_limits_bound),
        cmocka_unit_test(test_default_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
