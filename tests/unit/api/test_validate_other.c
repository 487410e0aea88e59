/* Tests of how the kinds of the smaller groups are checked: policy, autoscaling, scheduling,
 * coordination, node, storage, certificates, admission, aggregation, flow control, events. */
#include "check_kind.h"

#define GOOD_RULE                                                                                  \
    "{\"operations\":[\"CREATE\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":["   \
    "\"pods\"]}"

static void test_disruption_budget(void **state)
{
    check_create(&res_policy_poddisruptionbudgets, "{\"spec\":{\"minAvailable\":\"50%\"}}", "");
    check_create(
        &res_policy_poddisruptionbudgets,
        "{\"spec\":{\"minAvailable\":1,\"maxUnavailable\":\"101%\",\"selector\":{}}}",
        "FieldValueInvalid spec: Invalid value: {\"MinAvailable\":1,\"Selector\":{},"
        "\"MaxUnavailable\":\"101%\",\"UnhealthyPodEvictionPolicy\":null}: minAvailable and "
        "maxUnavailable cannot be both set\n"
        "FieldValueInvalid spec.maxUnavailable: Invalid value: \"101%\": must not be greater "
        "than 100%");
    check_create(&res_policy_poddisruptionbudgets,
                 "{\"spec\":{\"minAvailable\":-1,\"unhealthyPodEvictionPolicy\":\"Never\"}}",
                 "FieldValueInvalid spec.minAvailable: Invalid value: -1: must be greater than or "
                 "equal to 0\n"
                 "FieldValueNotSupported spec.unhealthyPodEvictionPolicy: Unsupported value: "
                 "\"Never\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\"");
    check_status(
        &res_policy_poddisruptionbudgets, "{}",
        "{\"status\":{\"expectedPods\":-1,\"conditions\":[{\"type\":\"A\",\"status\":\"x\","
        "\"reason\":\"9\"}]}}",
        "FieldValueNotSupported status.conditions[0].status: Unsupported value: \"x\": "
        "supported values: \"False\", \"True\", \"Unknown\"\n"
        "FieldValueRequired status.conditions[0].lastTransitionTime: Required value: must be "
        "set\n"
        "FieldValueInvalid status.conditions[0].reason: Invalid value: \"9\": a condition "
        "reason must start with alphabetic character, optionally followed by a string of "
        "alphanumeric characters or '_,:', and must end with an alphanumeric character or "
        "'_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or "
        "'ReasonA:ReasonB', regex used for validation is "
        "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')\n"
        "FieldValueInvalid status.expectedPods: Invalid value: -1: must be greater than or "
        "equal to 0");
}

static void test_autoscaler_limits(void **state)
{
    check_create(&res_autoscaling_v2_horizontalpodautoscalers,
                 "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"a\"},"
                 "\"maxReplicas\":3}}",
                 "");
    check_create(
        &res_autoscaling_v2_horizontalpodautoscalers,
        "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"\",\"name\":\"a/b\",\"apiVersion\":"
        "\"a/b/c\"},\"minReplicas\":0,\"maxReplicas\":0}}",
        "FieldValueInvalid spec.minReplicas: Invalid value: 0: must be greater than or equal "
        "to 1\n"
        "FieldValueRequired spec.maxReplicas: Required value: must be set and greater than "
        "0\n"
        "FieldValueRequired spec.scaleTargetRef.kind: Required value\n"
        "FieldValueInvalid spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain "
        "'/'\n"
        "FieldValueInvalid spec.scaleTargetRef.apiVersion: Invalid value: \"a/b/c\": "
        "unexpected GroupVersion string: a/b/c");
    check_create(
        &res_autoscaling_horizontalpodautoscalers,
        "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"a\"},"
        "\"minReplicas\":4,\"maxReplicas\":3}}",
        "FieldValueInvalid spec.maxReplicas: Invalid value: 3: must be greater than or equal "
        "to `minReplicas`");
}

static void test_autoscaler_metrics_and_behavior(void **state)
{
    check_create(
        &res_autoscaling_v2_horizontalpodautoscalers,
        "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"a\"},"
        "\"maxReplicas\":3,\"metrics\":[{\"type\":\"Pods\",\"resource\":{\"name\":\"cpu\","
        "\"target\":{\"type\":\"Utilization\",\"averageUtilization\":0}}},{\"type\":"
        "\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"x\"}}}],"
        "\"behavior\":{\"scaleUp\":{\"stabilizationWindowSeconds\":3601,\"policies\":[{"
        "\"type\":\"x\",\"value\":0,\"periodSeconds\":1801}]}}}}",
        "FieldValueInvalid spec.metrics[0].resource.target.averageUtilization: Invalid "
        "value: 0: must be greater than 0\n"
        "FieldValueRequired spec.metrics[0].pods: Required value: must populate information "
        "for the given metric source\n"
        "FieldValueInvalid spec.metrics[1].resource.target.type: Invalid value: \"x\": must "
        "be either Utilization, Value, or AverageValue\n"
        "FieldValueRequired spec.metrics[1].resource.target.averageUtilization: Required "
        "value: must set either a target raw value or a target utilization\n"
        "FieldValueInvalid spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: "
        "3601: must be less than or equal to 3600\n"
        "FieldValueNotSupported spec.behavior.scaleUp.policies[0].type: Unsupported value: "
        "\"x\": supported values: \"Percent\", \"Pods\"\n"
        "FieldValueInvalid spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must "
        "be greater than zero\n"
        "FieldValueInvalid spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: "
        "1801: must be less than or equal to 1800");
}

static void test_priority_class(void **state)
{
    check_create(&res_scheduling_priorityclasses, "{\"metadata\":{\"name\":\"a\"},\"value\":9}",
                 "");
    check_create(&res_scheduling_priorityclasses,
                 "{\"metadata\":{\"name\":\"system-node-critical\"},\"value\":2000001000}", "");
    check_create(&res_scheduling_priorityclasses,
                 "{\"metadata\":{\"name\":\"a\"},\"value\":1000000001,\"preemptionPolicy\":\"x\"}",
                 "FieldValueForbidden value: Forbidden: maximum allowed value of a user defined "
                 "priority is 1000000000\n"
                 "FieldValueNotSupported preemptionPolicy: Unsupported value: \"x\": supported "
                 "values: \"Never\", \"PreemptLowerPriority\"");
    check_create(
        &res_scheduling_priorityclasses, "{\"metadata\":{\"name\":\"system-x\"}}",
        "FieldValueForbidden metadata.name: Forbidden: priority class names with 'system-' "
        "prefix are reserved for system use only. error: system-x is not a known system "
        "priority class");
    check_change(
        &res_scheduling_priorityclasses, "{\"value\":1}",
        "{\"value\":2,\"preemptionPolicy\":\"Never\"}",
        "FieldValueForbidden value: Forbidden: may not be changed in an update.\n"
        "FieldValueInvalid preemptionPolicy: Invalid value: \"Never\": field is immutable");
    check_change(&res_scheduling_priorityclasses, "{\"value\":1}",
                 "{\"value\":1,\"description\":\"d\"}", "");
}

static void test_lease_and_runtime_class(void **state)
{
    check_create(
        &res_coordination_leases, "{\"spec\":{\"leaseDurationSeconds\":0,\"leaseTransitions\":-1}}",
        "FieldValueInvalid spec.leaseDurationSeconds: Invalid value: 0: must be greater than "
        "0\n"
        "FieldValueInvalid spec.leaseTransitions: Invalid value: -1: must be greater than or "
        "equal to 0");
    check_create(&res_coordination_leases, "{\"spec\":{\"leaseDurationSeconds\":40}}", "");
    check_create(&res_node_runtimeclasses, "{\"handler\":\"a.b\"}",
                 "FieldValueInvalid handler: Invalid value: \"a.b\": must not contain dots");
    check_change(&res_node_runtimeclasses, "{\"handler\":\"a\"}", "{\"handler\":\"b\"}",
                 "FieldValueInvalid handler: Invalid value: \"b\": field is immutable");
}

static void test_storage_classes(void **state)
{
    const char *good = "{\"provisioner\":\"Example.com/x\",\"parameters\":{\"a\":\"b\"}}";

    check_create(&res_storage_storageclasses, good, "");
    check_create(
        &res_storage_storageclasses,
        "{\"reclaimPolicy\":\"Recycle\",\"volumeBindingMode\":\"x\",\"allowedTopologies\":[{"
        "\"matchLabelExpressions\":[{\"key\":\"a\",\"values\":[\"b\",\"b\"]},{\"key\":"
        "\"a\"}]}]}",
        "FieldValueRequired provisioner: Required value\n"
        "FieldValueNotSupported reclaimPolicy: Unsupported value: \"Recycle\": supported "
        "values: \"Delete\", \"Retain\"\n"
        "FieldValueNotSupported volumeBindingMode: Unsupported value: \"x\": supported "
        "values: \"Immediate\", \"WaitForFirstConsumer\"\n"
        "FieldValueDuplicate allowedTopologies[0].matchLabelExpressions[0].values[1]: "
        "Duplicate value: \"b\"\n"
        "FieldValueRequired allowedTopologies[0].matchLabelExpressions[1].values: Required "
        "value\n"
        "FieldValueDuplicate allowedTopologies[0].matchLabelExpressions[1].key: Duplicate "
        "value: \"a\"");
    check_change(&res_storage_storageclasses, good,
                 "{\"provisioner\":\"y\",\"reclaimPolicy\":\"Retain\"}",
                 "FieldValueForbidden parameters: Forbidden: updates to parameters are forbidden.\n"
                 "FieldValueInvalid provisioner: Invalid value: \"y\": field is immutable\n"
                 "FieldValueInvalid reclaimPolicy: Invalid value: \"Retain\": field is immutable");
    check_create(
        &res_storage_volumeattributesclasses, "{\"driverName\":\"d\"}",
        "FieldValueRequired parameters: Required value: must contain at least one key/value "
        "pair");
}

static void test_csi_kinds(void **state)
{
    check_create(&res_storage_csidrivers, "{\"metadata\":{\"name\":\"A.b\"},\"spec\":{}}", "");
    check_change(
        &res_storage_csidrivers, "{\"spec\":{}}",
        "{\"spec\":{\"attachRequired\":false,\"fsGroupPolicy\":\"x\",\"tokenRequests\":[{"
        "\"audience\":\"a\",\"expirationSeconds\":5},{\"audience\":\"a\"}]}}",
        "FieldValueNotSupported spec.fsGroupPolicy: Unsupported value: \"x\": supported "
        "values: \"File\", \"None\", \"ReadWriteOnceWithFSType\"\n"
        "FieldValueInvalid spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may "
        "not specify a duration less than 10 minutes\n"
        "FieldValueDuplicate spec.tokenRequests[1].audience: Duplicate value: \"a\"\n"
        "FieldValueInvalid spec.attachedRequired: Invalid value: false: field is immutable");
    check_change(
        &res_storage_csinodes,
        "{\"spec\":{\"drivers\":[{\"name\":\"d\",\"nodeID\":\"n\",\"topologyKeys\":null}]}}",
        "{\"spec\":{\"drivers\":[{\"name\":\"d\",\"nodeID\":\"m\",\"topologyKeys\":[\"k\"]}]}}",
        "FieldValueInvalid spec.drivers: Invalid value: {\"Name\":\"d\",\"NodeID\":\"m\","
        "\"TopologyKeys\":[\"k\"],\"Allocatable\":null}: field is immutable");
    check_create(&res_storage_csinodes,
                 "{\"spec\":{\"drivers\":[{\"name\":\"d\"},{\"name\":\"d\","
                 "\"nodeID\":\"n\"}]}}",
                 "FieldValueRequired spec.drivers[0].nodeID: Required value\n"
                 "FieldValueDuplicate spec.drivers[1].name: Duplicate value: \"d\"");
    check_create(
        &res_storage_csistoragecapacities, "{\"capacity\":\"-1\"}",
        "FieldValueRequired storageClassName: Required value\n"
        "FieldValueInvalid capacity: Invalid value: \"-1\": must be greater than or equal to "
        "0");
    check_change(
        &res_storage_volumeattachments,
        "{\"spec\":{\"attacher\":\"a\",\"nodeName\":\"n\",\"source\":{"
        "\"persistentVolumeName\":\"v\"}}}",
        "{\"spec\":{\"attacher\":\"a\",\"nodeName\":\"m\",\"source\":{"
        "\"persistentVolumeName\":\"v\"}}}",
        "FieldValueInvalid spec: Invalid value: {\"Attacher\":\"a\",\"Source\":{"
        "\"PersistentVolumeName\":\"v\",\"InlineVolumeSpec\":null},\"NodeName\":\"m\"}: field "
        "is immutable");
    check_create(&res_storage_volumeattachments,
                 "{\"spec\":{\"attacher\":\"a\",\"nodeName\":\"n\",\"source\":{}}}",
                 "FieldValueRequired spec.source: Required value: must specify exactly one of "
                 "inlineVolumeSpec and persistentVolumeName");
}

/* "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n" */
#define REQUEST                                                                                    \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUFBPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNU" \
    "LS0tLS0K"

static void test_signing_request(void **state)
{
    check_create(&res_certificates_certificatesigningrequests,
                 "{\"spec\":{\"request\":\"" REQUEST
                 "\",\"signerName\":\"example.com/x\",\"usages\":["
                 "\"client auth\"]}}",
                 "");
    check_create(
        &res_certificates_certificatesigningrequests,
        "{\"spec\":{\"request\":\"YQ==\",\"signerName\":\"x\",\"expirationSeconds\":5,"
        "\"usages\":[\"any\",\"any\"]}}",
        "FieldValueInvalid spec.request: Invalid value: \"YQ==\": PEM block type must be "
        "CERTIFICATE REQUEST\n"
        "FieldValueDuplicate spec.usages[1]: Duplicate value: \"any\"\n"
        "FieldValueInvalid spec.signerName: Invalid value: \"x\": must be a fully qualified "
        "domain and path of the form 'example.com/signer-name'\n"
        "FieldValueInvalid spec.expirationSeconds: Invalid value: 5: may not specify a "
        "duration less than 600 seconds (10 minutes)");
    check_create(
        &res_certificates_certificatesigningrequests,
        "{\"spec\":{\"request\":\"" REQUEST "\",\"signerName\":\"kubernetes.io/legacy-unknown\"}}",
        "FieldValueRequired spec.usages: Required value\n"
        "FieldValueInvalid spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": "
        "the legacy signerName is not allowed via this API version");
    check_status(
        &res_certificates_certificatesigningrequests,
        "{\"status\":{\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\"}],"
        "\"certificate\":\"YQ==\"}}",
        "{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"False\"},{\"type\":"
        "\"Denied\",\"status\":\"True\"}],\"certificate\":\"\"}}",
        "FieldValueNotSupported status.conditions[0].status: Unsupported value: \"False\": "
        "supported values: \"True\"\n"
        "FieldValueInvalid status.conditions: Invalid value: \"Denied\": Approved and Denied "
        "conditions are mutually exclusive\n"
        "FieldValueForbidden status.conditions: Forbidden: updates may not remove a "
        "condition of type \"Failed\"\n"
        "FieldValueForbidden status.conditions: Forbidden: updates may not add a condition of "
        "type \"Approved\"\n"
        "FieldValueForbidden status.conditions: Forbidden: updates may not add a condition of "
        "type \"Denied\"\n"
        "FieldValueForbidden status.certificate: Forbidden: updates may not modify existing "
        "certificate content");
}

static void test_webhooks(void **state)
{
    check_create(&res_admissionregistration_validatingwebhookconfigurations,
                 "{\"webhooks\":[{\"name\":\"a.b.c\",\"sideEffects\":\"None\","
                 "\"admissionReviewVersions\":[\"v1\"],\"clientConfig\":{\"url\":\"https://h/p\"},"
                 "\"rules\":[" GOOD_RULE "]}]}",
                 "");
    check_create(
        &res_admissionregistration_mutatingwebhookconfigurations,
        "{\"webhooks\":[{\"name\":\"a.b\",\"sideEffects\":\"Some\",\"timeoutSeconds\":31,"
        "\"reinvocationPolicy\":\"x\",\"clientConfig\":{\"url\":\"http://u@h?q\"},\"rules\":[{"
        "\"operations\":[\"*\",\"GET\"],\"apiGroups\":[\"\"],\"apiVersions\":[\"\"],"
        "\"resources\":[\"pods/*\",\"pods/log\"]}],\"matchConditions\":[{\"name\":\"a\","
        "\"expression\":\" \"}]}]}",
        "FieldValueInvalid webhooks[0].name: Invalid value: \"a.b\": should be a domain with "
        "at least three segments separated by dots\n"
        "FieldValueInvalid webhooks[0].rules[0].operations: Invalid value: [\"*\",\"GET\"]: "
        "if '*' is present, must not specify other operations\n"
        "FieldValueNotSupported webhooks[0].rules[0].operations[1]: Unsupported value: "
        "\"GET\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"DELETE\", \"UPDATE\"\n"
        "FieldValueRequired webhooks[0].rules[0].apiVersions[0]: Required value\n"
        "FieldValueInvalid webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": "
        "if 'pods/*' is present, must not specify pods/log\n"
        "FieldValueNotSupported webhooks[0].sideEffects: Unsupported value: \"Some\": "
        "supported values: \"None\", \"NoneOnDryRun\"\n"
        "FieldValueInvalid webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value "
        "must be between 1 and 30 seconds\n"
        "FieldValueNotSupported webhooks[0].reinvocationPolicy: Unsupported value: \"x\": "
        "supported values: \"IfNeeded\", \"Never\"\n"
        "FieldValueInvalid webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is "
        "the only allowed URL scheme; desired format: https://host[/path]\n"
        "FieldValueInvalid webhooks[0].clientConfig.url: Invalid value: \"u\": user "
        "information is not permitted in the URL\n"
        "FieldValueInvalid webhooks[0].clientConfig.url: Invalid value: \"q\": query "
        "parameters are not permitted in the URL\n"
        "FieldValueRequired webhooks[0].matchConditions[0].expression: Required value\n"
        "FieldValueRequired webhooks[0].admissionReviewVersions: Required value: must "
        "specify one of v1, v1beta1");
}

static void test_admission_policies(void **state)
{
    check_create(&res_admissionregistration_validatingadmissionpolicies,
                 "{\"spec\":{\"matchConstraints\":{\"resourceRules\":[" GOOD_RULE
                 "]},\"validations\":[{\"expression\":\"true\"}]}}",
                 "");
    check_create(
        &res_admissionregistration_validatingadmissionpolicies,
        "{\"spec\":{\"paramKind\":{\"apiVersion\":\"a/b/c\"},\"variables\":[{\"name\":\"1\"}]}}",
        "FieldValueInvalid spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected "
        "GroupVersion string: a/b/c\n"
        "FieldValueRequired spec.paramKind.kind: Required value\n"
        "FieldValueRequired spec.matchConstraints: Required value\n"
        "FieldValueInvalid spec.variables[0].name: Invalid value: \"1\": name is not a valid "
        "CEL identifier\n"
        "FieldValueRequired spec.variables[0].expression: Required value: expression is not "
        "specified\n"
        "FieldValueRequired spec.validations: Required value: validations or "
        "auditAnnotations must contain at least one item\n"
        "FieldValueRequired spec.auditAnnotations: Required value: validations or "
        "auditAnnotations must contain at least one item");
    check_create(
        &res_admissionregistration_validatingadmissionpolicybindings,
        "{\"spec\":{\"policyName\":\"p\",\"validationActions\":[\"Deny\",\"Warn\",\"x\"],"
        "\"paramRef\":{\"name\":\"n\"}}}",
        "FieldValueRequired spec.paramRef.parameterNotFoundAction: Required value\n"
        "FieldValueNotSupported spec.validationActions[2]: Unsupported value: \"x\": "
        "supported values: \"Audit\", \"Deny\", \"Warn\"\n"
        "FieldValueInvalid spec.validationActions: Invalid value: "
        "[\"Deny\",\"Warn\",\"x\"]: must not contain both Deny and Warn (repeating the same "
        "validation failure information in the API response and headers serves no purpose)");
    check_create(&res_admissionregistration_mutatingadmissionpolicybindings, "{\"spec\":{}}",
                 "FieldValueRequired spec.policyName: Required value");
}

static void test_api_service(void **state)
{
    check_create(
        &res_apiregistration_apiservices,
        "{\"metadata\":{\"name\":\"v1.a.b\"},\"spec\":{\"group\":\"a.b\",\"version\":\"v1\","
        "\"groupPriorityMinimum\":1,\"versionPriority\":1,\"service\":{\"name\":\"s\","
        "\"namespace\":\"n\"}}}",
        "");
    check_create(
        &res_apiregistration_apiservices,
        "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"group\":\"a\",\"version\":\"v1\","
        "\"versionPriority\":1001,\"insecureSkipTLSVerify\":true}}",
        "FieldValueInvalid metadata.name: Invalid value: \"x\": must be "
        "`spec.version+\".\"+spec.group`: \"v1.a\"\n"
        "FieldValueInvalid spec.groupPriorityMinimum: Invalid value: 0: must be positive and "
        "less than 20000\n"
        "FieldValueInvalid spec.versionPriority: Invalid value: 1001: must be positive and "
        "less than 1000\n"
        "FieldValueInvalid spec.insecureSkipTLSVerify: Invalid value: true: local "
        "APIServices may not have insecureSkipTLSVerify");
}

static void test_flow_control(void **state)
{
    check_create(
        &res_flowcontrol_flowschemas,
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"matchingPrecedence\":1,"
        "\"distinguisherMethod\":{\"type\":\"x\"},\"rules\":[{\"subjects\":[{\"kind\":"
        "\"User\",\"group\":{\"name\":\"g\"}}],\"resourceRules\":[{\"verbs\":[\"*\",\"get\"],"
        "\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]}]}}",
        "FieldValueInvalid spec.matchingPrecedence: Invalid value: 1: only the schema named "
        "'exempt' may have matchingPrecedence 1\n"
        "FieldValueNotSupported spec.distinguisherMethod.type: Unsupported value: \"x\": "
        "supported values: \"ByNamespace\", \"ByUser\"\n"
        "FieldValueRequired spec.priorityLevelConfiguration.name: Required value: must "
        "reference a priority level\n"
        "FieldValueRequired spec.rules[0].subjects[0].user: Required value: user is required "
        "when subject kind is 'User'\n"
        "FieldValueForbidden spec.rules[0].subjects[0].group: Forbidden: group is forbidden "
        "when subject kind is not 'Group'\n"
        "FieldValueInvalid spec.rules[0].resourceRules[0].verbs: Invalid value: "
        "[\"*\",\"get\"]: if '*' is present, must not specify other verbs\n"
        "FieldValueRequired spec.rules[0].resourceRules[0].namespaces: Required value: "
        "resource rules that are not cluster scoped must supply at least one namespace");
    check_create(
        &res_flowcontrol_prioritylevelconfigurations,
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"Limited\",\"limited\":{"
        "\"lendablePercent\":101,\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{"
        "\"queues\":128,\"handSize\":9}}}}}",
        "FieldValueInvalid spec.limited.limitResponse.queuing.handSize: Invalid value: 9: "
        "required entropy bits of deckSize 128 and handSize 9 should not be greater than 60\n"
        "FieldValueInvalid spec.limited.lendablePercent: Invalid value: 101: must be between "
        "0 and 100, inclusive");
    check_create(&res_flowcontrol_prioritylevelconfigurations,
                 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"Limited\",\"limited\":{"
                 "\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{}}}}}",
                 "");
}

static void test_event_of_its_own_group(void **state)
{
    check_create(&res_events_events, "{}", "FieldValueRequired eventTime: Required value");
    check_create(
        &res_events_events,
        "{\"metadata\":{\"namespace\":\"n\"},\"eventTime\":\"2024-01-01T00:00:00.000000Z\","
        "\"reportingController\":\"a\",\"reportingInstance\":\"i\",\"regarding\":{"
        "\"namespace\":\"n\"},\"action\":\"a\",\"series\":{\"count\":1,\"lastObservedTime\":"
        "\"2024-01-01T00:00:00.000000Z\"}}",
        "FieldValueRequired reason: Required value\n"
        "FieldValueInvalid series.count: Invalid value: 1: should be at least 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disruption_budget),
        cmocka_unit_test(test_autoscaler_limits),
        cmocka_unit_test(test_autoscaler_metrics_and_behavior),
        cmocka_unit_test(test_priority_class),
        cmocka_unit_test(test_lease_and_runtime_class),
        cmocka_unit_test(test_storage_classes),
        cmocka_unit_test(test_csi_kinds),
        cmocka_unit_test(test_signing_request),
        cmocka_unit_test(test_webhooks),
        cmocka_unit_test(test_admission_policies),
        cmocka_unit_test(test_api_service),
        cmocka_unit_test(test_flow_control),
        cmocka_unit_test(test_event_of_its_own_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
