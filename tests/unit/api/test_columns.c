/* Tests of the cells of tables: each kind's row, for objects in the states that matter. */
#include "api/api.h"
#include "codec/json.h"
#include "schema/typed.h"
#include "test.h"

enum { NOW = 1700000000 }; /* 2023-11-14T22:13:20Z */
#define BORN                                                                                       \
    "\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\",\"creationTimestamp\":\"2023-11-14T22:08:"  \
    "15Z\"}"

/* The cells of one object as a JSON array. */
static struct str row(const struct resource *res, const char *json, struct arena *a)
{
    struct table_ctx ctx = {.now_sec = NOW, .arena = a};
    struct err err = {0};
    auto_buf b = {0};
    void *obj;

    assert_ok(typed_from_json(res->type, str_from(json), a, &obj, &err), &err);
    for (size_t i = 0; i < res->n_columns; i++) {
        const struct column *c = &res->columns[i];
        struct doc cell =
            c->cell ? c->cell(obj, &ctx) : doc_string(typed_path_text(res->type, obj, c->path, a));

        buf_putc(&b, i ? ',' : '[');
        if (cell.kind == DOC_STRING)
            json_go_quote(&b, cell.s); /* leaves "<none>" as it is */
        else
            json_write(&b, &cell);
    }
    buf_putc(&b, ']');
    return str_dup(a, buf_view(&b));
}

static void check_row(const struct resource *res, const char *json, const char *want)
{
    auto_arena a = {0};

    assert_str_equal(row(res, json, &a), want);
}

static void test_pods(void **state)
{
    (void)state;
    check_row(&res_core_pods,
              "{" BORN
              ",\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]},"
              "\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.0.0.1\"}],"
              "\"containerStatuses\":[{\"name\":\"a\",\"ready\":true,\"restartCount\":2,"
              "\"state\":{\"running\":{}},\"lastState\":{\"terminated\":{\"exitCode\":1,"
              "\"finishedAt\":\"2023-11-14T22:12:20Z\"}}},{\"name\":\"b\",\"restartCount\":0,"
              "\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}}",
              "[\"x\",\"1/2\",\"CrashLoopBackOff\",\"2 (60s "
              "ago)\",\"5m5s\",\"10.0.0.1\",\"n\",\"<none>\","
              "\"<none>\"]");
    check_row(
        &res_core_pods,
        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{}]},"
        "\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\","
        "\"status\":\"False\",\"reason\":\"SchedulingGated\"}]}}",
        "[\"p\",\"0/1\",\"SchedulingGated\",\"0\",\"<unknown>\",\"<none>\",\"<none>\",\"<none>\","
        "\"<none>\"]");
}

/* The status and the ready and restart cells of a pod whose status is @status. */
static void check_status(const char *spec, const char *status, const char *want)
{
    auto_arena a = {0};
    struct str all = row(
        &res_core_pods,
        arena_printf(&a, "{\"metadata\":{\"name\":\"p\"},\"spec\":%s,\"status\":%s}", spec, status),
        &a);
    struct doc cells;

    assert_ok(json_parse(all, &a, &cells, NULL, NULL), (&(struct err){0}));
    assert_str_equal(str_printf(&a, "%.*s %.*s %.*s", STR_ARG(cells.items[1].s),
                                STR_ARG(cells.items[2].s), STR_ARG(cells.items[3].s)),
                     want);
}

#define INIT2                                                                                      \
    "{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],\"containers\":[{\"name\":\"a\"}]}"
#define ONE "{\"containers\":[{\"name\":\"a\"}]}"
#define TWO "{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"

static void test_pod_init(void **state)
{
    (void)state;
    check_status(INIT2,
                 "{\"phase\":\"Pending\",\"initContainerStatuses\":["
                 "{\"name\":\"i\",\"restartCount\":1,\"state\":{\"terminated\":{\"exitCode\":0}}},"
                 "{\"name\":\"j\",\"restartCount\":2,\"state\":{\"running\":{}}}]}",
                 "0/1 Init:1/2 3");
    check_status(INIT2,
                 "{\"phase\":\"Pending\",\"initContainerStatuses\":["
                 "{\"name\":\"i\",\"state\":{\"terminated\":{\"exitCode\":3}}}]}",
                 "0/1 Init:ExitCode:3 0");
    check_status(INIT2,
                 "{\"phase\":\"Pending\",\"initContainerStatuses\":["
                 "{\"name\":\"i\",\"state\":{\"terminated\":{\"exitCode\":137,\"signal\":9}}}]}",
                 "0/1 Init:Signal:9 0");
    check_status(
        INIT2,
        "{\"phase\":\"Pending\",\"initContainerStatuses\":["
        "{\"name\":\"i\",\"state\":{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}}}]}",
        "0/1 Init:Error 0");
    check_status(INIT2,
                 "{\"phase\":\"Pending\",\"initContainerStatuses\":["
                 "{\"name\":\"i\",\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\"}}}]}",
                 "0/1 Init:ImagePullBackOff 0");
    check_status(INIT2,
                 "{\"phase\":\"Pending\",\"initContainerStatuses\":["
                 "{\"name\":\"i\",\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}]}",
                 "0/1 Init:0/2 0");
    check_status("{\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\"}],"
                 "\"containers\":[{\"name\":\"a\"}]}",
                 "{\"phase\":\"Running\",\"initContainerStatuses\":[{\"name\":\"i\",\"ready\":true,"
                 "\"started\":true,\"restartCount\":4,\"state\":{\"running\":{}}}],"
                 "\"containerStatuses\":[{\"name\":\"a\",\"ready\":true,\"restartCount\":1,"
                 "\"state\":{\"running\":{}}}]}",
                 "2/2 Running 5");
}

static void test_pod_ends(void **state)
{
    (void)state;
    check_status(ONE,
                 "{\"phase\":\"Succeeded\",\"containerStatuses\":[{\"name\":\"a\",\"state\":"
                 "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}}]}",
                 "0/1 Completed 0");
    check_status(ONE,
                 "{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"a\",\"state\":"
                 "{\"terminated\":{\"exitCode\":2}}}]}",
                 "0/1 ExitCode:2 0");
    check_status(TWO,
                 "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"state\":"
                 "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}},"
                 "{\"name\":\"b\",\"ready\":true,\"state\":{\"running\":{}}}]}",
                 "1/2 NotReady 0");
    check_status(TWO,
                 "{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
                 "\"containerStatuses\":[{\"name\":\"a\",\"state\":"
                 "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}},"
                 "{\"name\":\"b\",\"ready\":true,\"state\":{\"running\":{}}}]}",
                 "1/2 Running 0");
    check_status(TWO,
                 "{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"a\",\"state\":"
                 "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}},{\"name\":\"b\","
                 "\"state\":{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}}}]}",
                 "0/2 Error 0");
    check_status(ONE, "{\"phase\":\"Failed\",\"reason\":\"Evicted\"}", "0/1 Evicted 0");
}

static void test_pod_terminating(void **state)
{
    auto_arena a = {0};
    static const char form[] =
        "{\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":\"2023-11-14T22:00:00Z\"},"
        "\"status\":{\"phase\":\"%s\",\"reason\":\"%s\"}}";

    (void)state;
    assert_true(str_find(row(&res_core_pods, arena_printf(&a, form, "Running", ""), &a),
                         STR("\"Terminating\"")) > 0);
    assert_true(str_find(row(&res_core_pods, arena_printf(&a, form, "Running", "NodeLost"), &a),
                         STR("\"Unknown\"")) > 0);
    assert_true(str_find(row(&res_core_pods, arena_printf(&a, form, "Failed", ""), &a),
                         STR("\"Failed\"")) > 0);
}

#define TEMPLATE                                                                                   \
    "\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i:1\"},{\"name\":\"b\","  \
    "\"image\":\"j\"}]}}"

static void test_workloads(void **state)
{
    (void)state;
    check_row(
        &res_apps_deployments,
        "{" BORN
        ",\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"b\":\"2\",\"a\":\"1\"},"
        "\"matchExpressions\":[{\"key\":\"aa\",\"operator\":\"NotIn\",\"values\":[\"y\",\"x\"]},"
        "{\"key\":\"c\",\"operator\":\"DoesNotExist\"}]}," TEMPLATE "},"
        "\"status\":{\"readyReplicas\":1,\"updatedReplicas\":2,\"availableReplicas\":1}}",
        "[\"x\",\"1/3\",2,1,\"5m5s\",\"a,b\",\"i:1,j\",\"a=1,aa notin (x,y),b=2,!c\"]");
    check_row(
        &res_apps_daemonsets, "{" BORN ",\"spec\":{" TEMPLATE "}}",
        "[\"x\",\"0\",\"0\",\"0\",\"0\",\"0\",\"<none>\",\"5m5s\",\"a,b\",\"i:1,j\",\"<none>\"]");
    check_row(&res_core_replicationcontrollers, "{" BORN ",\"spec\":{\"replicas\":1}}",
              "[\"x\",\"1\",\"0\",\"0\",\"5m5s\",\"\",\"\",\"<none>\"]");
    check_row(&res_batch_jobs,
              "{" BORN ",\"spec\":{\"completions\":3,\"parallelism\":2," TEMPLATE "},"
              "\"status\":{\"succeeded\":3,\"startTime\":\"2023-11-14T22:08:15Z\","
              "\"completionTime\":\"2023-11-14T22:09:45Z\","
              "\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]}}",
              "[\"x\",\"Complete\",\"3/3\",\"90s\",\"5m5s\",\"a,b\",\"i:1,j\",\"<none>\"]");
    check_row(&res_batch_jobs, "{" BORN ",\"spec\":{\"parallelism\":2," TEMPLATE "}}",
              "[\"x\",\"Running\",\"0/1 of 2\",\"\",\"5m5s\",\"a,b\",\"i:1,j\",\"<none>\"]");
    check_row(&res_batch_cronjobs,
              "{" BORN ",\"spec\":{\"schedule\":\"* * * * *\",\"suspend\":false,\"jobTemplate\":{"
              "\"spec\":{" TEMPLATE "}}}}",
              "[\"x\",\"* * * * "
              "*\",\"<none>\",\"False\",0,\"<none>\",\"5m5s\",\"a,b\",\"i:1,j\",\"<none>\"]");
    check_row(&res_apps_controllerrevisions,
              "{\"metadata\":{\"name\":\"r\",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","
              "\"kind\":\"DaemonSet\",\"name\":\"d\",\"uid\":\"u\",\"controller\":true}]},"
              "\"revision\":4}",
              "[\"r\",\"daemonset.apps/d\",4,\"<unknown>\"]");
}

static void test_autoscalers(void **state)
{
    static const char v2[] =
        "{" BORN ",\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"d\"},"
        "\"minReplicas\":2,\"maxReplicas\":5,\"metrics\":[{\"type\":\"Resource\",\"resource\":{"
        "\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\",\"averageUtilization\":80}}},"
        "{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"q\"},\"target\":{\"type\":"
        "\"AverageValue\","
        "\"averageValue\":\"10\"}}},{\"type\":\"External\",\"external\":{\"metric\":{\"name\":"
        "\"q\"},"
        "\"target\":{\"type\":\"Value\",\"value\":\"1\"}}}]},\"status\":{\"currentReplicas\":3,"
        "\"currentMetrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"current\":{"
        "\"averageUtilization\":40}}}]}}";

    (void)state;
    check_row(
        &res_autoscaling_v2_horizontalpodautoscalers, v2,
        "[\"x\",\"Deployment/d\",\"cpu: 40%/80%, <unknown>/10 + 1 more...\",\"2\",5,3,\"5m5s\"]");
    check_row(&res_autoscaling_horizontalpodautoscalers,
              "{" BORN ",\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"d\"},"
              "\"maxReplicas\":5,\"targetCPUUtilizationPercentage\":80}}",
              "[\"x\",\"Deployment/d\",\"cpu: <unknown>/80%\",\"<unset>\",5,0,\"5m5s\"]");
}

static void test_services(void **state)
{
    (void)state;
    check_row(
        &res_core_services,
        "{" BORN ",\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":"
        "[\"10.0.0.1\"],\"ports\":[{\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"},"
        "{\"port\":53,\"protocol\":\"UDP\"}],\"selector\":{\"a\":\"b\"}}}",
        "[\"x\",\"NodePort\",\"10.0.0.1\",\"<none>\",\"80:30080/TCP,53/UDP\",\"5m5s\",\"a=b\"]");
    check_row(&res_core_services, "{" BORN ",\"spec\":{\"type\":\"LoadBalancer\"}}",
              "[\"x\",\"LoadBalancer\",\"<none>\",\"<pending>\",\"<none>\",\"5m5s\",\"<none>\"]");
    check_row(
        &res_core_services,
        "{" BORN ",\"spec\":{\"type\":\"LoadBalancer\",\"externalIPs\":[\"1.1.1.1\"]},"
        "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"9.9.9.9\"},{\"hostname\":\"h\"},"
        "{\"ip\":\"8.8.8.8\"},{\"ip\":\"9.9.9.9\"}]}}}",
        "[\"x\",\"LoadBalancer\",\"<none>\",\"8.8.8.8,9.9.9.9,h,1.1.1.1\",\"<none>\",\"5m5s\","
        "\"<none>\"]");
    check_row(&res_core_endpoints,
              "{" BORN ",\"subsets\":[{\"addresses\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"fd::1\"}],"
              "\"ports\":[{\"port\":80},{\"port\":81}]}]}",
              "[\"x\",\"1.1.1.1:80,[fd::1]:80,1.1.1.1:81 + 1 more...\",\"5m5s\"]");
    check_row(
        &res_discovery_endpointslices,
        "{" BORN ",\"addressType\":\"IPv4\",\"ports\":[{\"port\":80},{\"name\":\"n\"},{}],"
        "\"endpoints\":[{\"addresses\":[\"1.1.1.1\",\"1.1.1.2\"]},{\"addresses\":[\"1.1.1.3\","
        "\"1.1.1.4\"]}]}",
        "[\"x\",\"IPv4\",\"80,n,*\",\"1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...\",\"5m5s\"]");
    check_row(&res_networking_ingresses,
              "{" BORN
              ",\"spec\":{\"tls\":[{}],\"rules\":[{\"host\":\"a\"},{\"host\":\"b\"},{\"host\":"
              "\"c\"},{\"host\":\"d\"},{\"host\":\"e\"}]}}",
              "[\"x\",\"<none>\",\"a,b,c + 2 more...\",\"\",\"80, 443\",\"5m5s\"]");
}

static void test_nodes_and_events(void **state)
{
    (void)state;
    check_row(&res_core_nodes,
              "{\"metadata\":{\"name\":\"n\",\"labels\":{\"kubernetes.io/role\":\"z\","
              "\"node-role.kubernetes.io/control-plane\":\"\",\"node-role.kubernetes.io/a\":\"\"}},"
              "\"spec\":{\"unschedulable\":true},\"status\":{\"conditions\":[{\"type\":\"Ready\","
              "\"status\":\"Unknown\"}],\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"1.2."
              "3.4\"}],"
              "\"nodeInfo\":{\"kubeletVersion\":\"v1\",\"kernelVersion\":\"6.1\",\"architecture\":"
              "\"amd64\"}}}",
              "[\"n\",\"NotReady,SchedulingDisabled\",\"a,control-plane,z\",\"<unknown>\",\"v1\","
              "\"1.2.3.4\",\"<none>\",\"<unknown>\",\"6.1 (amd64)\",\"<unknown>\"]");
    check_row(
        &res_core_events,
        "{\"metadata\":{\"name\":\"e\"},\"type\":\"Normal\",\"reason\":\"R\",\"message\":\" "
        "hi\\n\","
        "\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\"},\"source\":{\"component\":\"k\","
        "\"host\":\"h\"},\"firstTimestamp\":\"2023-11-14T22:08:20Z\","
        "\"lastTimestamp\":\"2023-11-14T22:13:15Z\",\"count\":3}",
        "[\"5s\",\"Normal\",\"R\",\"pod/p\",\"\",\"k, h\",\"hi\",\"5m\",3,\"e\"]");
    check_row(&res_events_events,
              "{\"metadata\":{\"name\":\"e\"},\"type\":\"Normal\",\"reason\":\"R\",\"note\":\"m\","
              "\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\"},\"reportingController\":\"k\","
              "\"eventTime\":\"2023-11-14T22:13:10.000000Z\"}",
              "[\"10s\",\"Normal\",\"R\",\"pod/p\",\"\",\"k\",\"m\",\"10s\",1,\"e\"]");
}

static void test_storage(void **state)
{
    (void)state;
    check_row(
        &res_core_persistentvolumes,
        "{" BORN ",\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},\"accessModes\":[\"ReadWriteMany\","
        "\"ReadWriteOnce\",\"ReadWriteOnce\"],\"persistentVolumeReclaimPolicy\":\"Retain\","
        "\"claimRef\":{\"namespace\":\"a\",\"name\":\"b\"},\"storageClassName\":\"s\"},"
        "\"status\":{\"phase\":\"Bound\"}}",
        "[\"x\",\"1Gi\",\"RWO,RWX\",\"Retain\",\"Bound\",\"a/b\",\"s\",\"<unset>\",\"\",\"5m5s\","
        "\"<unset>\"]");
    check_row(&res_core_persistentvolumeclaims,
              "{" BORN
              ",\"spec\":{\"volumeMode\":\"Filesystem\"},\"status\":{\"phase\":\"Pending\","
              "\"capacity\":{\"storage\":\"1Gi\"}}}",
              "[\"x\",\"Pending\",\"\",\"\",\"\",\"\",\"<unset>\",\"5m5s\",\"Filesystem\"]");
    check_row(&res_storage_storageclasses,
              "{\"metadata\":{\"name\":\"s\",\"annotations\":{"
              "\"storageclass.kubernetes.io/is-default-class\":\"true\"}},\"provisioner\":\"p\"}",
              "[\"s (default)\",\"p\",\"Delete\",\"Immediate\",false,\"<unknown>\"]");
    check_row(&res_core_secrets,
              "{" BORN ",\"type\":\"Opaque\",\"data\":{\"a\":\"YQ==\",\"b\":\"\"}}",
              "[\"x\",\"Opaque\",2,\"5m5s\"]");
    check_row(&res_core_resourcequotas,
              "{" BORN ",\"status\":{\"hard\":{\"pods\":\"4\",\"limits.cpu\":\"2\",\"cpu\":\"1\"},"
              "\"used\":{\"pods\":\"1\"}}}",
              "[\"x\",\"cpu: 0/1, pods: 1/4\",\"limits.cpu: 0/2\",\"5m5s\"]");
}

static void test_others(void **state)
{
    (void)state;
    check_row(&res_rbac_clusterrolebindings,
              "{" BORN ",\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"r\"},\"subjects\":["
              "{\"kind\":\"User\",\"name\":\"a\"},{\"kind\":\"User\",\"name\":\"b\"},"
              "{\"kind\":\"ServiceAccount\",\"name\":\"c\",\"namespace\":\"n\"}]}",
              "[\"x\",\"ClusterRole/r\",\"5m5s\",\"a, b\",\"\",\"n/c\"]");
    check_row(&res_certificates_certificatesigningrequests,
              "{" BORN
              ",\"spec\":{\"signerName\":\"s\",\"username\":\"u\",\"expirationSeconds\":3600},"
              "\"status\":{\"certificate\":\"YQ==\",\"conditions\":[{\"type\":\"Approved\"}]}}",
              "[\"x\",\"5m5s\",\"s\",\"u\",\"60m\",\"Approved,Issued\"]");
    check_row(&res_policy_poddisruptionbudgets, "{" BORN ",\"spec\":{\"minAvailable\":\"50%\"}}",
              "[\"x\",\"50%\",\"N/A\",\"0\",\"5m5s\"]");
    check_row(&res_flowcontrol_prioritylevelconfigurations,
              "{" BORN
              ",\"spec\":{\"type\":\"Limited\",\"limited\":{\"nominalConcurrencyShares\":5,"
              "\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":64,\"handSize\":6,"
              "\"queueLengthLimit\":50}}}}}",
              "[\"x\",\"Limited\",5,64,6,50,\"5m5s\"]");
    check_row(&res_apiregistration_apiservices,
              "{" BORN ",\"spec\":{\"service\":{\"namespace\":\"a\",\"name\":\"b\"}},\"status\":{"
              "\"conditions\":[{\"type\":\"Available\",\"status\":\"False\",\"reason\":\"R\"}]}}",
              "[\"x\",\"a/b\",\"False (R)\",\"5m5s\"]");
    check_row(
        &res_networking_ipaddresses,
        "{\"metadata\":{\"name\":\"1.1.1.1\"},\"spec\":{\"parentRef\":{\"resource\":\"services\","
        "\"namespace\":\"n\",\"name\":\"s\"}}}",
        "[\"1.1.1.1\",\"services/n/s\"]");
}

/* The cell of the age takes the metadata from where every kind has it. */
static void test_metadata_is_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_n_resources; i++) {
        if (api_resources[i]->n_columns)
            assert_int_equal(api_resources[i]->type->metadata_offset,
                             offsetof(struct core_pod, metadata));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pods),
        cmocka_unit_test(test_pod_init),
        cmocka_unit_test(test_pod_ends),
        cmocka_unit_test(test_pod_terminating),
        cmocka_unit_test(test_workloads),
        cmocka_unit_test(test_autoscalers),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_nodes_and_events),
        cmocka_unit_test(test_storage),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_metadata_is_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
