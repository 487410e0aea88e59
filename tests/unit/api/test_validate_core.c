/* Tests of the checks of the core group's kinds, but pods. */
#include "validate_rig.h"

#define CONFIG_KEY                                                                                 \
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "           \
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

static void check_service(const char *spec, const char *want)
{
    auto_arena a = {0};

    rig_create(&res_core_services, arena_printf(&a, "{'metadata':{'name':'s'},'spec':{%s}}", spec),
               want);
}

static void test_service_ports(void **state)
{
    (void)state;
    check_service("'ports':[{'port':80}]", "");
    check_service("", "spec.ports: Required value");
    check_service("'clusterIP':'None','clusterIPs':['None']", "");
    check_service("'ports':[{'port':80},{'port':80,'name':'a'}]",
                  "spec.ports[0].name: Required value\n"
                  "spec.ports[1]: Duplicate value: {\"protocol\":\"TCP\",\"port\":80}");
    check_service("'ports':[{'port':0,'protocol':'X','targetPort':'A'}]",
                  "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive\n"
                  "spec.ports[0].protocol: Unsupported value: \"X\": supported values: \"SCTP\", "
                  "\"TCP\", \"UDP\"\n"
                  "spec.ports[0].targetPort: Invalid value: \"A\": must contain only "
                  "alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    check_service("'ports':[{'port':80,'nodePort':30000}]",
                  "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'");
}

static void test_service_types(void **state)
{
    (void)state;
    check_service("'type':'X','ports':[{'port':80}],'internalTrafficPolicy':'Cluster'",
                  "spec.type: Unsupported value: \"X\": supported values: \"ClusterIP\", "
                  "\"ExternalName\", \"LoadBalancer\", \"NodePort\"");
    check_service("'type':'ExternalName'", "spec.externalName: Required value");
    check_service("'type':'ExternalName','externalName':'a.example.'", "");
    check_service("'type':'NodePort','clusterIP':'None','clusterIPs':['None'],'ports':[{'port':1}]",
                  "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for "
                  "NodePort services");
    check_service("'ports':[{'port':1}],'externalTrafficPolicy':'Local'",
                  "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for "
                  "externally-accessible services");
    check_service("'ports':[{'port':1}],'loadBalancerSourceRanges':['1.2.3.4/33']",
                  "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is "
                  "'LoadBalancer'\n"
                  "spec.loadBalancerSourceRanges[0]: Invalid value: \"1.2.3.4/33\": must be a "
                  "valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    check_service("'ports':[{'port':1}],'externalIPs':['127.0.0.1'],'externalTrafficPolicy':"
                  "'Cluster'",
                  "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback "
                  "range (127.0.0.0/8, ::1/128)");
    check_service("'ports':[{'port':1}],'sessionAffinity':'ClientIP','sessionAffinityConfig':"
                  "{'clientIP':{'timeoutSeconds':86401}}",
                  "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must "
                  "be greater than 0 and less than 86400");
}

static void test_service_updates(void **state)
{
    auto_arena a = {0};
    struct core_service *now = rig_object(
        &res_core_services, "{'spec':{'type':'ClusterIP','externalTrafficPolicy':'Cluster'}}", &a);
    const struct core_service *was =
        rig_object(&res_core_services, "{'spec':{'type':'NodePort'}}", &a);

    (void)state;
    rig_update(&res_core_services,
               "{'spec':{'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1'],'ports':[{'port':1}]}}",
               "{'spec':{'clusterIP':'10.0.0.2','clusterIPs':['10.0.0.2'],'ports':[{'port':1}]}}",
               "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set");
    res_core_services.strategy->prepare_update(now, was, &a);
    assert_str_equal(now->spec.external_traffic_policy, "");
    rig_status(&res_core_services, "{}",
               "{'spec':{'type':'NodePort'},'status':{'loadBalancer':{'ingress':[{'ip':'1.1.1.1'},"
               "{'hostname':'1.1.1.1'}]}}}",
               "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "
               "LoadBalancer\n"
               "status.loadBalancer.ingress[0].ipMode: Required value: must be specified when "
               "`ip` is set\n"
               "status.loadBalancer.ingress[1].hostname: Invalid value: \"1.1.1.1\": must be a "
               "DNS name, not an IP address");
}

static void test_endpoints(void **state)
{
    (void)state;
    rig_create(&res_core_endpoints,
               "{'subsets':[{},{'addresses':[{'ip':'169.254.1.1'}],'ports':[{'port':0}]}]}",
               "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`\n"
               "subsets[1].addresses[0].ip: Invalid value: \"169.254.1.1\": may not be in the "
               "link-local range (169.254.0.0/16, fe80::/10)\n"
               "subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, "
               "inclusive");
}

static void test_configmaps(void **state)
{
    (void)state;
    rig_create(&res_core_configmaps, "{'data':{'a':'','b/c':''},'binaryData':{'a':''}}",
               "data[a]: Invalid value: \"a\": duplicate of key present in binaryData\n"
               "data[b/c]: Invalid value: \"b/c\": " CONFIG_KEY);
    rig_update(&res_core_configmaps, "{'immutable':true,'data':{'a':'1'}}", "{'data':{'a':'2'}}",
               "immutable: Forbidden: field is immutable when `immutable` is set\n"
               "data: Forbidden: field is immutable when `immutable` is set");
}

static void test_configmap_size(void **state)
{
    auto_arena a = {0};
    struct core_config_map *c = rig_object(&res_core_configmaps, "{'data':{'a':''}}", &a);
    enum { LARGEST = 1024 * 1024 };

    (void)state;
    c->data.v[0].value = (struct str){arena_alloc(&a, LARGEST + 1), LARGEST};
    assert_str_equal(rig_errors(&res_core_configmaps, c, NULL, false, &a), "");
    c->data.v[0].value.len++;
    assert_str_equal(rig_errors(&res_core_configmaps, c, NULL, false, &a),
                     ": Too long: may not be more than 1048576 bytes");
}

static void test_secrets(void **state)
{
    (void)state;
    rig_create(&res_core_secrets, "{'type':'kubernetes.io/tls','data':{'tls.crt':''}}",
               "data[tls.key]: Required value");
    rig_create(&res_core_secrets,
               "{'type':'kubernetes.io/dockerconfigjson','data':"
               "{'.dockerconfigjson':'eA=='}}",
               "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid "
               "character or structure in JSON");
    rig_create(&res_core_secrets, "{'type':'kubernetes.io/service-account-token'}",
               "metadata.annotations[kubernetes.io/service-account.name]: Required value");
    rig_create(&res_core_secrets, "{'type':'kubernetes.io/basic-auth','data':{'password':''}}", "");
    rig_update(&res_core_secrets, "{'type':'a'}", "{'type':'b'}",
               "type: Invalid value: \"b\": field is immutable");
}

static void test_namespaces_and_nodes(void **state)
{
    (void)state;
    rig_create(&res_core_namespaces, "{'spec':{'finalizers':['foo','kubernetes','a.b/c']}}",
               "spec.finalizers[0]: Invalid value: \"foo\": name is neither a standard finalizer "
               "name nor is it fully qualified");
    rig_status(&res_core_namespaces, "{}", "{'status':{'phase':'Terminating'}}",
               "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if "
               "`deletionTimestamp` is empty");
    rig_create(&res_core_nodes,
               "{'spec':{'taints':[{'key':'a','effect':'NoSchedule'},{'key':'a','effect':"
               "'NoSchedule'},{'key':'b'}]}}",
               "spec.taints[1]: Duplicate value: {\"key\":\"a\",\"effect\":\"NoSchedule\"}: "
               "taints must be unique by key and effect pair\n"
               "spec.taints[2].effect: Required value");
    rig_update(&res_core_nodes, "{'spec':{'podCIDRs':['10.0.0.0/24']}}",
               "{'spec':{'podCIDRs':['10.0.1.0/24']}}",
               "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to "
               "valid");
}

static void test_events(void **state)
{
    (void)state;
    rig_create(&res_core_events,
               "{'metadata':{'namespace':'a'},'involvedObject':{'namespace':'b'}}",
               "involvedObject.namespace: Invalid value: \"b\": does not match event.namespace");
    rig_create(&res_core_events, "{'metadata':{'namespace':'default'},'involvedObject':{}}", "");
    rig_create(&res_core_events,
               "{'metadata':{'namespace':'a'},'involvedObject':{'namespace':'a'},'eventTime':"
               "'2024-01-01T00:00:00.000000Z','action':'x','reason':'y'}",
               "reportingController: Required value\n"
               "reportingInstance: Required value");
}

#define PV "'capacity':{'storage':'1Gi'},'accessModes':['ReadWriteOnce']"

static void test_volumes(void **state)
{
    (void)state;
    rig_create(&res_core_persistentvolumes, "{'spec':{" PV ",'hostPath':{'path':'/x'}}}", "");
    rig_create(&res_core_persistentvolumes, "{'spec':{}}",
               "spec.accessModes: Required value\n"
               "spec.capacity: Required value\n"
               "spec: Required value: must specify a volume type");
    rig_create(&res_core_persistentvolumes, "{'spec':{" PV ",'local':{'path':'/x'}}}",
               "spec.nodeAffinity: Required value: Local volume requires node affinity");
    rig_update(&res_core_persistentvolumes, "{'spec':{" PV ",'hostPath':{'path':'/x'}}}",
               "{'spec':{" PV ",'hostPath':{'path':'/y'}}}",
               "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable "
               "after creation");
}

#define CLAIM(size)                                                                                \
    "{'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'" size "'}}}"

static void test_claims(void **state)
{
    (void)state;
    rig_create(&res_core_persistentvolumeclaims, CLAIM("1Gi") "}", "");
    rig_create(&res_core_persistentvolumeclaims, CLAIM("0") "}",
               "spec.resources[storage]: Invalid value: \"0\": must be greater than zero");
    rig_update(&res_core_persistentvolumeclaims, CLAIM("1Gi") ",'status':{'phase':'Bound'}}",
               CLAIM("2Gi") "}", "");
    rig_update(&res_core_persistentvolumeclaims, CLAIM("1Gi") "}", CLAIM("2Gi") "}",
               "spec: Forbidden: spec is immutable after creation except resources.requests and "
               "volumeAttributesClassName for bound claims");
    rig_update(&res_core_persistentvolumeclaims,
               CLAIM("2Gi") ",'status':{'phase':'Bound','capacity':{'storage':'2Gi'}}}",
               CLAIM("1Gi") "}",
               "spec.resources.requests.storage: Forbidden: field can not be less than "
               "status.capacity");
}

static void test_limits_and_quotas(void **state)
{
    (void)state;
    rig_create(&res_core_limitranges,
               "{'spec':{'limits':[{'type':'Pod','default':{'cpu':'1'}},{'type':'Container',"
               "'min':{'cpu':'2'},'max':{'cpu':'1'}}]}}",
               "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'\n"
               "spec.limits[1].min[cpu]: Invalid value: \"2\": min value 2 is greater than max "
               "value 1\n"
               "spec.limits[1].defaultRequest[cpu]: Invalid value: \"2\": min value 2 is greater "
               "than default request value 1\n"
               "spec.limits[1].default[cpu]: Invalid value: \"2\": min value 2 is greater than "
               "default value 1");
    rig_create(&res_core_resourcequotas,
               "{'spec':{'hard':{'foo':'1','pods':'1500m','count/x.y':'1'},'scopes':["
               "'BestEffort','NotBestEffort']}}",
               "spec.hard[foo]: Invalid value: \"foo\": must be a standard resource for quota\n"
               "spec.hard[pods]: Invalid value: \"1500m\": must be an integer\n"
               "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting "
               "scopes");
    rig_update(&res_core_resourcequotas, "{'spec':{'scopes':['Terminating']}}", "{'spec':{}}",
               "spec.scopes: Invalid value: []: field is immutable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_ports),   cmocka_unit_test(test_service_types),
        cmocka_unit_test(test_service_updates), cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_configmaps),      cmocka_unit_test(test_configmap_size),
        cmocka_unit_test(test_secrets),         cmocka_unit_test(test_namespaces_and_nodes),
        cmocka_unit_test(test_events),          cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_claims),          cmocka_unit_test(test_limits_and_quotas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
