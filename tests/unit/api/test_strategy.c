/* Tests of what the server itself writes into new and changed objects. */
#include "api/cron.h"
#include "api/pod_spec.h"
#include "api/pod_visit.h"
#include "validate_rig.h"

static void *created(const struct resource *res, const char *text, struct arena *a)
{
    void *obj = rig_object(res, text, a);

    res->strategy->prepare_create(obj, a);
    return obj;
}

static void test_pod_create(void **state)
{
    auto_arena a = {0};
    struct core_pod *pod =
        created(&res_core_pods,
                "{'metadata':{'name':'p','labels':{'a':'1'}},'spec':{'containers':[{'name':'c'}],"
                "'schedulingGates':[{'name':'x.io/g'}],'topologySpreadConstraints':[{'maxSkew':1,"
                "'topologyKey':'zone','whenUnsatisfiable':'DoNotSchedule','labelSelector':{},"
                "'matchLabelKeys':['a','b']}]},'status':{'phase':'Running','podIP':'1.1.1.1'}}",
                &a);
    const struct meta_label_selector *s = pod->spec.topology_spread_constraints.v[0].label_selector;

    (void)state;
    assert_int_equal(pod->metadata.generation, 1);
    assert_str_equal(pod->status.phase, "Pending");
    assert_str_equal(pod->status.pod_ip, "");
    assert_str_equal(pod->status.qos_class, "BestEffort");
    assert_int_equal(pod->status.conditions.n, 1);
    assert_str_equal(pod->status.conditions.v[0].reason, "SchedulingGated");
    assert_int_equal(s->match_expressions.n, 1);
    assert_str_equal(s->match_expressions.v[0].values.v[0], "1");
    res_core_pods.strategy->prepare_create(pod, &a); /* tried again */
    assert_int_equal(s->match_expressions.n, 1);
}

static void check_qos(const char *containers, const char *want)
{
    auto_arena a = {0};
    const struct core_pod *pod =
        rig_object(&res_core_pods, arena_printf(&a, "{'spec':{'containers':%s}}", containers), &a);

    assert_str_equal(pod_qos_class(&pod->spec), want);
}

static void test_qos(void **state)
{
    (void)state;
    check_qos("[{'name':'c'}]", "BestEffort");
    check_qos("[{'name':'c','resources':{'requests':{'cpu':'1'}}}]", "Burstable");
    check_qos("[{'name':'c','resources':{'limits':{'cpu':'1','memory':'1Gi'}}}]", "Guaranteed");
    check_qos("[{'name':'c','resources':{'limits':{'cpu':'1','memory':'1Gi'}}},{'name':'d'}]",
              "Burstable");
    check_qos("[{'name':'c','resources':{'limits':{'cpu':'2','memory':'1Gi'},"
              "'requests':{'cpu':'1','memory':'1Gi'}}}]",
              "Burstable");
    check_qos("[{'name':'c','resources':{'limits':{'cpu':'1'}}}]", "Burstable");
}

static void test_namespace(void **state)
{
    auto_arena a = {0};
    struct core_namespace *ns = created(
        &res_core_namespaces, "{'metadata':{'name':'n'},'spec':{'finalizers':['a/b']}}", &a);
    struct core_namespace *changed = rig_object(&res_core_namespaces, "{}", &a);

    (void)state;
    assert_str_equal(ns->status.phase, "Active");
    assert_int_equal(ns->spec.finalizers.n, 2);
    assert_str_equal(ns->spec.finalizers.v[1], "kubernetes");
    res_core_namespaces.strategy->prepare_update(changed, ns, &a);
    assert_int_equal(changed->spec.finalizers.n, 2);
}

static void test_storage(void **state)
{
    auto_arena a = {0};
    const struct core_persistent_volume *pv =
        created(&res_core_persistentvolumes,
                "{'metadata':{'creationTimestamp':'2024-01-01T00:00:00Z'}}", &a);
    const struct core_persistent_volume_claim *pvc =
        created(&res_core_persistentvolumeclaims,
                "{'spec':{'dataSource':{'kind':'PersistentVolumeClaim','name':'x'}},"
                "'status':{'phase':'Bound'}}",
                &a);

    (void)state;
    assert_str_equal(pv->status.phase, "Pending");
    assert_int_equal(pv->status.last_phase_transition_time.sec, 1704067200);
    assert_str_equal(pvc->status.phase, "Pending");
    assert_str_equal(pvc->spec.data_source_ref->name, "x");
}

static void test_secret_takes_string_data(void **state)
{
    auto_arena a = {0};
    const struct core_secret *s =
        created(&res_core_secrets, "{'data':{'a':'YQ=='},'stringData':{'a':'b','c':'d'}}", &a);

    (void)state;
    assert_int_equal(s->data.n, 2);
    assert_str_equal(s->data.v[0].value, "b");
    assert_str_equal(s->data.v[1].value, "d");
    assert_int_equal(s->string_data.n, 0);
}

/* As many entries as a body can have: neither time nor memory may grow by their square. */
static void test_large_maps(void **state)
{
    enum { N = 50000 };
    auto_arena a = {0};
    struct core_pod *pod = rig_object(&res_core_pods, "{'spec':{'containers':[{}]}}", &a);
    struct core_resource_requirements *r = &pod->spec.containers.v[0].resources;
    struct quantity_pair *limits = arena_calloc(&a, N, sizeof(*limits));

    (void)state;
    for (size_t i = 0; i < N; i++)
        limits[i] = (struct quantity_pair){str_printf(&a, "r%05zu", i),
                                           quantity_from_i64(1, QUANTITY_DECIMAL_SI)};
    r->limits.v = limits;
    r->limits.n = N;
    typed_default(&type_core_pod, pod, &a);
    assert_int_equal(r->requests.n, N);
    assert_str_equal(r->requests.v[N - 1].key, "r49999");
}

static void test_job(void **state)
{
    auto_arena a = {0};
    const struct batch_job *j =
        created(&res_batch_jobs, "{'metadata':{'name':'j','uid':'u'},'spec':{}}", &a);
    const struct string_map *l = &j->spec.template.metadata.labels;

    (void)state;
    assert_int_equal(l->n, 4);
    assert_str_equal(string_map_get(l, STR("job-name")), "j");
    assert_str_equal(string_map_get(l, STR("batch.kubernetes.io/controller-uid")), "u");
    assert_int_equal(j->spec.selector->match_labels.n, 1);
    j = created(&res_batch_jobs, "{'metadata':{'name':'j'},'spec':{'manualSelector':true}}", &a);
    assert_null(j->spec.selector);
}

static void test_daemonset_counts_templates(void **state)
{
    static const struct str key = STR_INIT("deprecated.daemonset.template.generation");
    auto_arena a = {0};
    struct apps_daemon_set *ds = created(&res_apps_daemonsets, "{'spec':{'template':{}}}", &a);
    struct apps_daemon_set *same = rig_object(&res_apps_daemonsets, "{'spec':{'template':{}}}", &a);
    struct apps_daemon_set *other =
        rig_object(&res_apps_daemonsets, "{'spec':{'template':{'spec':{'nodeName':'n'}}}}", &a);

    (void)state;
    assert_str_equal(string_map_get(&ds->metadata.annotations, key), "1");
    res_apps_daemonsets.strategy->prepare_update(same, ds, &a);
    assert_str_equal(string_map_get(&same->metadata.annotations, key), "1");
    res_apps_daemonsets.strategy->prepare_update(other, ds, &a);
    assert_str_equal(string_map_get(&other->metadata.annotations, key), "2");
}

static void test_visitor_sees_all_lists(void **state)
{
    auto_arena a = {0};
    const struct core_pod *pod =
        rig_object(&res_core_pods,
                   "{'spec':{'containers':[{'name':'a'},{'name':'b'}],'initContainers':[{'name':"
                   "'i'}],'ephemeralContainers':[{'name':'e','tty':true}]}}",
                   &a);
    struct pod_container c;
    auto_buf seen = {0};
    size_t it = 0;

    (void)state;
    while (pod_container_next(&pod->spec, &it, &c))
        buf_printf(&seen, "%s[%zu]=%.*s%s ", pod_container_lists[c.list], c.index,
                   STR_ARG(c.container->name), c.container->tty ? "!" : "");
    assert_string_equal(buf_cstr(&seen), "initContainers[0]=i containers[0]=a containers[1]=b "
                                         "ephemeralContainers[0]=e! ");
}

static void check_cron_fails(const char *text, const char *want)
{
    struct cron_schedule s;
    struct err err = {0};

    assert_int_equal(cron_parse(str_from(text), &s, &err), ERR_INVALID);
    assert_string_equal(err.msg, want);
}

static void test_cron(void **state)
{
    struct cron_schedule s;
    struct err err = {0};

    (void)state;
    assert_ok(cron_parse(STR("*/15 0,3 1-5/2 jan MON-fri"), &s, &err), &err);
    assert_int_equal(s.minute, 1 | 1ull << 15 | 1ull << 30 | 1ull << 45);
    assert_int_equal(s.hour, 1 | 1 << 3);
    assert_int_equal(s.day, 1 << 1 | 1 << 3 | 1 << 5);
    assert_int_equal(s.month, 1 << 1);
    assert_int_equal(s.weekday, 62);
    assert_false(s.any_day);
    assert_ok(cron_parse(STR("@daily"), &s, &err), &err);
    assert_int_equal(s.hour, 1);
    assert_true(s.any_day && s.any_weekday);
    assert_ok(cron_parse(STR("@every 1m30s"), &s, &err), &err);
    assert_int_equal(s.every_sec, 90);
    check_cron_fails("* * *", "expected exactly 5 fields, found 3: [* * *]");
    check_cron_fails("60 * * * *", "end of range (60) above maximum (59): 60");
    check_cron_fails("* * 0 * *", "beginning of range (0) below minimum (1): 0");
    check_cron_fails("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3");
    check_cron_fails("*/0 * * * *", "step of range should be a positive number: */0");
    check_cron_fails("x * * * *",
                     "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax");
    check_cron_fails("@often", "unrecognized descriptor: @often");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pod_create),
        cmocka_unit_test(test_qos),
        cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_storage),
        cmocka_unit_test(test_secret_takes_string_data),
        cmocka_unit_test(test_large_maps),
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_daemonset_counts_templates),
        cmocka_unit_test(test_visitor_sees_all_lists),
        cmocka_unit_test(test_cron),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
