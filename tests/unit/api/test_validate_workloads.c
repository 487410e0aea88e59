/* Tests of the checks of the kinds that make pods. */
#include "validate_rig.h"

#define TEMPLATE                                                                                   \
    "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}" \
    "}"
#define SELECTOR "'selector':{'matchLabels':{'a':'b'}}"
#define JOB_POD                                                                                    \
    "'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}"

static void check_deployment(const char *spec, const char *want)
{
    auto_arena a = {0};

    rig_create(&res_apps_deployments,
               arena_printf(&a, "{'metadata':{'name':'d'},'spec':{%s}}", spec), want);
}

static void test_deployment_selectors(void **state)
{
    (void)state;
    check_deployment(SELECTOR "," TEMPLATE, "");
    check_deployment(TEMPLATE, "spec.selector: Required value");
    check_deployment("'selector':{}," TEMPLATE,
                     "spec.selector: Invalid value: {}: empty selector is invalid for deployment");
    check_deployment("'selector':{'matchLabels':{'a':'c'}}," TEMPLATE,
                     "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does "
                     "not match template `labels`");
    check_deployment("'selector':{'matchExpressions':[{'key':'a','operator':'In'}]}," TEMPLATE,
                     "spec.selector.matchExpressions[0].values: Required value: must be specified "
                     "when `operator` is 'In' or 'NotIn'\n"
                     "spec.selector: Invalid value: {\"matchExpressions\":[{\"key\":\"a\","
                     "\"operator\":\"In\"}]}: invalid label selector");
}

static void test_deployment_strategy(void **state)
{
    (void)state;
    check_deployment(SELECTOR "," TEMPLATE ",'strategy':{'type':'Recreate','rollingUpdate':{}}",
                     "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy "
                     "`type` is 'Recreate'");
    check_deployment(SELECTOR "," TEMPLATE ",'strategy':{'type':'X'}",
                     "spec.strategy: Unsupported value: {\"type\":\"X\"}: supported values: "
                     "\"Recreate\", \"RollingUpdate\"");
    check_deployment(SELECTOR "," TEMPLATE
                              ",'strategy':{'rollingUpdate':{'maxSurge':0,'maxUnavailable':'0%'}}",
                     "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not "
                     "be 0 when `maxSurge` is 0");
    check_deployment(SELECTOR "," TEMPLATE ",'strategy':{'rollingUpdate':{'maxUnavailable':'101%',"
                              "'maxSurge':-1}}",
                     "spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater "
                     "than or equal to 0\n"
                     "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must "
                     "not be greater than 100%");
    check_deployment(SELECTOR "," TEMPLATE ",'replicas':-1,'progressDeadlineSeconds':5,"
                              "'minReadySeconds':5",
                     "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"
                     "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than "
                     "minReadySeconds");
}

static void test_templates(void **state)
{
    (void)state;
    check_deployment(SELECTOR ",'template':{'metadata':{'labels':{'a':'b'}},'spec':{"
                              "'restartPolicy':'Never','activeDeadlineSeconds':1,'containers':"
                              "[{'name':'c','image':'i'}],'ephemeralContainers':[{'name':'e',"
                              "'image':'i'}]}}",
                     "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not "
                     "allowed in pod template\n"
                     "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported "
                     "values: \"Always\"\n"
                     "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds "
                     "in ReplicaSet is not Supported");
}

static void test_updates(void **state)
{
    (void)state;
    rig_update(&res_apps_deployments, "{'spec':{'selector':{'matchLabels':{'a':'x'}}}}",
               "{'spec':{" SELECTOR "," TEMPLATE "}}",
               "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: field is "
               "immutable");
    rig_update(&res_apps_statefulsets, "{'spec':{" SELECTOR "," TEMPLATE ",'serviceName':'a'}}",
               "{'spec':{" SELECTOR "," TEMPLATE ",'serviceName':'b','replicas':5}}",
               "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
               "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
               "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
    rig_update(&res_apps_statefulsets, "{'spec':{" SELECTOR "," TEMPLATE ",'serviceName':'a'}}",
               "{'spec':{" SELECTOR "," TEMPLATE ",'serviceName':'a','replicas':5}}", "");
}

static void test_other_sets(void **state)
{
    (void)state;
    rig_create(&res_apps_daemonsets,
               "{'spec':{" SELECTOR "," TEMPLATE ",'updateStrategy':{'rollingUpdate':{"
               "'maxUnavailable':0}}}}",
               "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 "
               "when maxSurge is 0");
    rig_create(&res_apps_daemonsets,
               "{'spec':{" SELECTOR "," TEMPLATE ",'updateStrategy':{'rollingUpdate':{"
               "'maxSurge':1}}}}",
               "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when "
               "maxUnavailable is non-zero");
    rig_create(&res_apps_statefulsets,
               "{'spec':{" SELECTOR "," TEMPLATE ",'podManagementPolicy':'X',"
               "'volumeClaimTemplates':[{'spec':{}}]}}",
               "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or "
               "'Parallel'\n"
               "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access "
               "mode is required\n"
               "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value");
    rig_create(&res_core_replicationcontrollers, "{'spec':{'selector':{'a':'c'}," TEMPLATE "}}",
               "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not "
               "match template `labels`");
    rig_create(&res_apps_controllerrevisions, "{'revision':-1}",
               "revision: Invalid value: -1: must be greater than or equal to 0\n"
               "data: Required value: data is mandatory");
}

static void test_statuses(void **state)
{
    (void)state;
    rig_status(&res_apps_deployments, "{'status':{'collisionCount':2}}",
               "{'status':{'replicas':1,'readyReplicas':2,'availableReplicas':3,'collisionCount':"
               "1}}",
               "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas\n"
               "status.availableReplicas: Invalid value: 3: cannot be greater than "
               "status.replicas\n"
               "status.availableReplicas: Invalid value: 3: cannot be greater than "
               "readyReplicas\n"
               "status.collisionCount: Invalid value: 1: cannot be decremented");
    rig_status(&res_batch_jobs, "{'status':{'failed':3}}",
               "{'status':{'failed':2,'active':1,'conditions':[{'type':'Complete','status':"
               "'True'}]}}",
               "status.active: Invalid value: 1: active>0 is invalid for finished job\n"
               "status.startTime: Required value: startTime is required for finished job\n"
               "status.completionTime: Required value: completionTime is required for Complete "
               "jobs\n"
               "status.failed: Invalid value: 2: cannot decrease the failed counter");
}

static void check_job(const char *spec, const char *want)
{
    auto_arena a = {0};
    void *job =
        rig_object(&res_batch_jobs,
                   arena_printf(&a, "{'metadata':{'name':'j','uid':'u'},'spec':{%s}}", spec), &a);

    res_batch_jobs.strategy->prepare_create(job, &a);
    assert_str_equal(rig_errors(&res_batch_jobs, job, NULL, false, &a), want);
}

static void test_jobs(void **state)
{
    (void)state;
    check_job(JOB_POD, "");
    check_job(TEMPLATE, "spec.template.spec.restartPolicy: Required value: valid values: "
                        "\"OnFailure\", \"Never\"");
    check_job(JOB_POD ",'completionMode':'Indexed','parallelism':1",
              "spec.completions: Required value: when completion mode is Indexed");
    check_job(JOB_POD ",'selector':{'matchLabels':{'a':'b'}}",
              "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\","
              "\"batch.kubernetes.io/controller-uid\":\"u\"}}: `selector` not auto-generated\n"
              "spec.template.metadata.labels: Invalid value: {\"batch.kubernetes.io/"
              "controller-uid\":\"u\",\"batch.kubernetes.io/job-name\":\"j\",\"controller-uid\":"
              "\"u\",\"job-name\":\"j\"}: `selector` does not match template `labels`");
    check_job(JOB_POD ",'completions':3,'completionMode':'Indexed','successPolicy':{'rules':["
                      "{'succeededIndexes':'0,2'},{'succeededIndexes':'2-1'},"
                      "{'succeededIndexes':'0','succeededCount':2}]}",
              "spec.successPolicy.rules[1].succeededIndexes: Invalid value: \"2-1\": error parsing "
              "succeededIndexes: must be ascending indexes and intervals below the number of "
              "completions\n"
              "spec.successPolicy.rules[2].succeededCount: Invalid value: 2: must be less than or "
              "equal to 1 (the number of indexes in the specified succeededIndexes field)");
    check_job(JOB_POD ",'podFailurePolicy':{'rules':[{'action':'FailJob','onExitCodes':"
                      "{'operator':'In','values':[0,1]}}]}",
              "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not "
              "be 0 for the In operator");
    rig_update(&res_batch_jobs, "{'spec':{'completions':3," JOB_POD "}}",
               "{'spec':{'completions':4," JOB_POD "}}",
               "spec.completions: Invalid value: 4: field is immutable");
}

static void test_cronjobs(void **state)
{
    (void)state;
    rig_create(&res_batch_cronjobs,
               "{'metadata':{'name':'c'},'spec':{'schedule':'* * * * *','jobTemplate':{'spec':"
               "{" JOB_POD "}}}}",
               "");
    rig_create(&res_batch_cronjobs,
               "{'metadata':{'name':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'},"
               "'spec':{'schedule':'x','timeZone':'','concurrencyPolicy':'X','jobTemplate':"
               "{'spec':{" JOB_POD "}}}}",
               "metadata.name: Invalid value: "
               "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": must be no more than "
               "52 characters\n"
               "spec.schedule: Invalid value: \"x\": expected exactly 5 fields, found 1: [x]\n"
               "spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string\n"
               "spec.concurrencyPolicy: Unsupported value: \"X\": supported values: \"Allow\", "
               "\"Forbid\", \"Replace\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deployment_selectors),
        cmocka_unit_test(test_deployment_strategy),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_other_sets),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_cronjobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
