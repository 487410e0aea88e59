/* Tests of the checks of pods: fields, texts and order of the errors. */
#include "validate_rig.h"

#define LABEL_TEXT                                                                                 \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

/* A pod with these members of its spec beside one good container. */
static void check_spec(const char *members, const char *want)
{
    auto_arena a = {0};

    rig_create(&res_core_pods,
               arena_printf(&a,
                            "{'metadata':{'name':'p','namespace':'n'},'spec':{'containers':"
                            "[{'name':'c','image':'i'}]%s%s}}",
                            *members ? "," : "", members),
               want);
}

/* A pod with one container that has these members, and a volume "v". */
static void check_container(const char *members, const char *want)
{
    auto_arena a = {0};

    rig_create(&res_core_pods,
               arena_printf(&a,
                            "{'metadata':{'name':'p'},'spec':{'volumes':[{'name':'v'}],"
                            "'containers':[{%s}]}}",
                            members),
               want);
}

static void test_good_and_empty(void **state)
{
    (void)state;
    check_spec("", "");
    rig_create(&res_core_pods, "{'metadata':{'name':'p'},'spec':{}}",
               "spec.containers: Required value");
    check_container("'name':'C_'", "spec.containers[0].name: Invalid value: \"C_\": " LABEL_TEXT
                                   "\nspec.containers[0].image: Required value");
    check_container("'name':'c','image':' i'",
                    "spec.containers[0].image: Invalid value: \" i\": must not have leading or "
                    "trailing whitespace");
    check_container("'name':'c','image':'i','imagePullPolicy':'X'",
                    "spec.containers[0].imagePullPolicy: Unsupported value: \"X\": supported "
                    "values: \"Always\", \"IfNotPresent\", \"Never\"");
}

static void test_names_are_unique(void **state)
{
    (void)state;
    check_spec("'initContainers':[{'name':'c','image':'i'}]",
               "spec.initContainers[0].name: Duplicate value: \"c\"");
    check_spec("'ephemeralContainers':[{'name':'c','image':'i','ports':[{'containerPort':1}],"
               "'targetContainerName':'no'}]",
               "spec.ephemeralContainers[0].targetContainerName: Not found: \"no\"\n"
               "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral "
               "Container\n"
               "spec.ephemeralContainers[0].name: Duplicate value: \"c\"\n"
               "spec.ephemeralContainers: Forbidden: cannot be set on create");
}

static void test_ports(void **state)
{
    (void)state;
    check_container("'name':'c','image':'i','ports':[{'containerPort':0},{'containerPort':70000,"
                    "'name':'-a'},{'containerPort':1,'hostPort':80},{'containerPort':2,'hostPort':"
                    "80,'protocol':'TCP'}]",
                    "spec.containers[0].ports[0].containerPort: Required value\n"
                    "spec.containers[0].ports[1].name: Invalid value: \"-a\": must not begin or "
                    "end with a hyphen\n"
                    "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be "
                    "between 1 and 65535, inclusive\n"
                    "spec.containers[0].ports[3].hostPort: Duplicate value: \"TCP//80\"");
}

static void test_environment(void **state)
{
    (void)state;
    check_container("'name':'c','image':'i','env':[{'name':''},{'name':'a=b'},{'name':'x',"
                    "'value':'v','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}},"
                    "{'name':'y','valueFrom':{}},{'name':'z','valueFrom':{'fieldRef':"
                    "{'fieldPath':'spec.foo'}}}]",
                    "spec.containers[0].env[0].name: Required value\n"
                    "spec.containers[0].env[1].name: Invalid value: \"a=b\": a valid environment "
                    "variable name must consist only of printable ASCII characters other than "
                    "'='\n"
                    "spec.containers[0].env[2].valueFrom: Invalid value: \"\": may not be "
                    "specified when `value` is not empty\n"
                    "spec.containers[0].env[3].valueFrom: Invalid value: \"\": must specify one "
                    "of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
                    "`fileKeyRef`\n"
                    "spec.containers[0].env[4].valueFrom.fieldRef.fieldPath: Invalid value: "
                    "\"spec.foo\": error converting fieldPath: field label not supported: "
                    "spec.foo");
    check_container("'name':'c','image':'i','envFrom':[{}]",
                    "spec.containers[0].envFrom[0]: Invalid value: \"\": must specify one of: "
                    "`configMapRef` or `secretRef`");
}

static void test_mounts(void **state)
{
    (void)state;
    check_container("'name':'c','image':'i','volumeMounts':[{'name':'v','mountPath':'/a'},"
                    "{'name':'w','mountPath':'/a'},{'name':'v','mountPath':''}]",
                    "spec.containers[0].volumeMounts[1].name: Not found: \"w\"\n"
                    "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be "
                    "unique\n"
                    "spec.containers[0].volumeMounts[2].mountPath: Required value");
    check_spec("'volumes':[{'name':'v','emptyDir':{},'hostPath':{'path':'/'}},{'name':'v',"
               "'hostPath':{'path':'/a/../b','type':'X'}}]",
               "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type\n"
               "spec.volumes[1].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'\n"
               "spec.volumes[1].hostPath.type: Unsupported value: \"X\": supported values: \"\", "
               "\"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", "
               "\"FileOrCreate\", \"Socket\"\n"
               "spec.volumes[1].name: Duplicate value: \"v\"");
}

static void test_resources(void **state)
{
    (void)state;
    check_container("'name':'c','image':'i','resources':{'limits':{'cpu':'1'},'requests':{'cpu':"
                    "'2'}}",
                    "spec.containers[0].resources.requests: Invalid value: \"2\": must be less "
                    "than or equal to cpu limit of 1");
    check_container("'name':'c','image':'i','resources':{'limits':{'x.io/gpu':'1500m','foo':'1'}}",
                    "spec.containers[0].resources.limits[foo]: Invalid value: \"foo\": must be a "
                    "standard resource type or fully qualified\n"
                    "spec.containers[0].resources.limits[foo]: Invalid value: \"foo\": must be a "
                    "standard resource for containers\n"
                    "spec.containers[0].resources.limits[x.io/gpu]: Invalid value: \"1500m\": "
                    "must be an integer\n"
                    "spec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be "
                    "a standard resource type or fully qualified\n"
                    "spec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be "
                    "a standard resource for containers\n"
                    "spec.containers[0].resources.requests[x.io/gpu]: Invalid value: \"1500m\": "
                    "must be an integer");
}

static void test_probes(void **state)
{
    (void)state;
    check_container("'name':'c','image':'i','livenessProbe':{'successThreshold':2,'periodSeconds':"
                    "-1}",
                    "spec.containers[0].livenessProbe: Required value: must specify a handler "
                    "type\n"
                    "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be "
                    "greater than or equal to 0\n"
                    "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be "
                    "1");
    check_container("'name':'c','image':'i','readinessProbe':{'exec':{'command':['a']},'tcpSocket':"
                    "{'port':1}}",
                    "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more "
                    "than 1 handler type");
    check_spec("'initContainers':[{'name':'i','image':'i','lifecycle':{}}]",
               "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers "
               "without restartPolicy=Always");
}

static void test_security_fails_closed(void **state)
{
    (void)state;
    check_container("'name':'c','image':'i','securityContext':{'privileged':true,"
                    "'allowPrivilegeEscalation':false,'seccompProfile':{'type':'Localhost',"
                    "'localhostProfile':''}}",
                    "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required "
                    "value: must be set when seccomp type is Localhost\n"
                    "spec.containers[0].securityContext: Invalid value: null: cannot set "
                    "`allowPrivilegeEscalation` to false and `privileged` to true");
    check_spec("'securityContext':{'runAsUser':-1,'seccompProfile':{'type':'X'}}",
               "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and "
               "2147483647, inclusive\n"
               "spec.securityContext.seccompProfile.type: Unsupported value: \"X\": supported "
               "values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"");
}

static void test_placement(void **state)
{
    (void)state;
    check_spec("'tolerations':[{'operator':'Equal'},{'key':'a','operator':'Exists','value':'b'}],"
               "'affinity':{'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{}],"
               "'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':101,"
               "'podAffinityTerm':{'topologyKey':'z'}}]}}",
               "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
               "topologyKey: Required value: can not be empty\n"
               "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
               "weight: Invalid value: 101: must be in the range 1-100\n"
               "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists "
               "when `key` is empty, which means \"match all values and all keys\"\n"
               "spec.tolerations[1].operator: Invalid value: \"b\": value must be empty when "
               "`operator` is 'Exists'");
    check_spec("'nodeName':'n','schedulingGates':[{'name':'a'},{'name':'a'}]",
               "spec.schedulingGates[1]: Duplicate value: \"a\"\n"
               "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been "
               "cleared");
    check_spec("'dnsPolicy':'None','restartPolicy':'Sometimes'",
               "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: "
               "\"Always\", \"Never\", \"OnFailure\"\n"
               "spec.dnsConfig.nameservers: Required value: must provide at least one DNS "
               "nameserver when `dnsPolicy` is None");
}

#define POD(members)                                                                               \
    "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i'}]," members "}}"
#define REFUSED                                                                                    \
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"    \
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "        \
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set " \
    "to 1 if it was previously negative)"

static void test_updates(void **state)
{
    (void)state;
    rig_update(&res_core_pods, POD("'nodeName':'n'"), POD("'nodeName':'m'"), REFUSED);
    rig_update(&res_core_pods, POD("'nodeName':'n'"),
               "{'metadata':{'name':'p'},'spec':{'nodeName':'n','containers':[{'name':'c',"
               "'image':'j','imagePullPolicy':'Always'}],'activeDeadlineSeconds':5,'tolerations':"
               "[{'operator':'Exists'}]}}",
               "");
    rig_update(&res_core_pods, POD("'activeDeadlineSeconds':5"), POD("'activeDeadlineSeconds':6"),
               "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to "
               "previous value");
    rig_update(&res_core_pods, POD("'tolerations':[{'key':'a','operator':'Exists'}]"),
               POD("'nodeName':''"),
               "spec.tolerations: Forbidden: existing toleration can not be modified except its "
               "tolerationSeconds");
    rig_update(&res_core_pods, POD("'schedulingGates':[{'name':'a'}]"),
               POD("'schedulingGates':[{'name':'b'}]"),
               "spec.schedulingGates: Forbidden: only deletion is allowed, but found new "
               "scheduling gate 'b'");
    rig_update(&res_core_pods, POD("'schedulingGates':[{'name':'a'}]"),
               POD("'nodeSelector':{'x':'y'}"), "");
    rig_update(&res_core_pods, POD("'nodeName':''"),
               POD("'initContainers':[{'name':'i','image':'i'}]"),
               "spec.initContainers: Forbidden: pod updates may not add or remove containers");
}

static void test_status(void **state)
{
    (void)state;
    rig_status(&res_core_pods,
               "{'spec':{'restartPolicy':'Never'},'status':{'qosClass':'BestEffort',"
               "'containerStatuses':[{'name':'c','state':{'terminated':{'exitCode':1}}}]}}",
               "{'spec':{'restartPolicy':'Never','nodeName':'n'},'status':{'qosClass':'Burstable',"
               "'containerStatuses':[{'name':'c','state':{'running':{}}}]}}",
               "spec.nodeName: Forbidden: may not be changed directly\n"
               "status.containerStatuses[0].state: Forbidden: may not be transitioned to "
               "non-terminated state\n"
               "status.qosClass: Invalid value: \"Burstable\": field is immutable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_and_empty), cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_ports),          cmocka_unit_test(test_environment),
        cmocka_unit_test(test_mounts),         cmocka_unit_test(test_resources),
        cmocka_unit_test(test_probes),         cmocka_unit_test(test_security_fails_closed),
        cmocka_unit_test(test_placement),      cmocka_unit_test(test_updates),
        cmocka_unit_test(test_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
