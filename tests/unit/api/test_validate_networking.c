/* Tests of how Ingresses, NetworkPolicies, IPAddresses and ServiceCIDRs are checked. */
#include "check_kind.h"

#define SERVICE "{\"service\":{\"name\":\"web\",\"port\":{\"number\":80}}}"

/* An Ingress with one path. */
#define PATH_OF(type, path)                                                                        \
    "{\"spec\":{\"rules\":[{\"http\":{\"paths\":[{\"pathType\":\"" type "\",\"path\":\"" path      \
    "\",\"backend\":" SERVICE "}]}}]}}"
#define AT_PATH "spec.rules[0].http.paths[0]"

static void test_ingress_routes_somewhere(void **state)
{
    check_create(&res_networking_ingresses, "{\"spec\":{\"defaultBackend\":" SERVICE "}}", "");
    check_create(&res_networking_ingresses, "{\"spec\":{}}",
                 "FieldValueInvalid spec: Invalid value: null: either `defaultBackend` or `rules` "
                 "must be specified");
}

static void test_ingress_paths(void **state)
{
    check_create(&res_networking_ingresses, PATH_OF("Prefix", "/"), "");
    check_create(&res_networking_ingresses, PATH_OF("ImplementationSpecific", ""), "");
    check_create(&res_networking_ingresses, PATH_OF("Exact", "a//b/.."),
                 "FieldValueInvalid " AT_PATH
                 ".path: Invalid value: \"a//b/..\": must be an absolute "
                 "path\n"
                 "FieldValueInvalid " AT_PATH ".path: Invalid value: \"a//b/..\": must not contain "
                 "'//'\n"
                 "FieldValueInvalid " AT_PATH ".path: Invalid value: \"a//b/..\": cannot end with "
                 "'/..'");
    check_create(&res_networking_ingresses, PATH_OF("Regex", "/"),
                 "FieldValueNotSupported " AT_PATH ".pathType: Unsupported value: \"Regex\": "
                 "supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\"");
    check_create(&res_networking_ingresses,
                 "{\"spec\":{\"rules\":[{\"http\":{\"paths\":[{}]}},{\"http\":{}}]}}",
                 "FieldValueRequired " AT_PATH ".pathType: Required value: pathType must be "
                 "specified\n"
                 "FieldValueRequired spec.rules[1].http.paths: Required value");
}

static void test_ingress_backends(void **state)
{
    check_create(&res_networking_ingresses, "{\"spec\":{\"defaultBackend\":{}}}",
                 "FieldValueInvalid spec.defaultBackend: Invalid value: \"\": resource or service "
                 "backend is required");
    check_create(
        &res_networking_ingresses,
        "{\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"a\"},\"resource\":{\"kind\":"
        "\"K\",\"name\":\"n\"}}}}",
        "FieldValueInvalid spec.defaultBackend: Invalid value: \"\": cannot set both "
        "resource and service backends");
    check_create(&res_networking_ingresses,
                 "{\"spec\":{\"defaultBackend\":{\"service\":{\"port\":{}}}}}",
                 "FieldValueRequired spec.defaultBackend.service.name: Required value\n"
                 "FieldValueRequired spec.defaultBackend: Required value: port name or number is "
                 "required");
    check_create(&res_networking_ingresses,
                 "{\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"a\",\"port\":{\"number\":"
                 "70000}}}}}",
                 "FieldValueInvalid spec.defaultBackend.service.port.number: Invalid value: 70000: "
                 "must be between 1 and 65535, inclusive");
    check_create(
        &res_networking_ingresses,
        "{\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"a\",\"port\":{\"number\":1,"
        "\"name\":\"x\"}}}}}",
        "FieldValueInvalid spec.defaultBackend: Invalid value: \"\": cannot set both port "
        "name & port number");
}

static void test_ingress_hosts_and_class(void **state)
{
    check_create(&res_networking_ingresses,
                 "{\"spec\":{\"defaultBackend\":" SERVICE ",\"rules\":[{\"host\":\"10.0.0.1\"},"
                 "{\"host\":\"*.a.b\"}],\"tls\":[{\"hosts\":[\"*.a.b\",\"a.b\"],\"secretName\":"
                 "\"s\"}]}}",
                 "FieldValueInvalid spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS "
                 "name, not an IP address");
    check_create(&res_networking_ingresses,
                 "{\"metadata\":{\"annotations\":{\"kubernetes.io/ingress.class\":\"a\"}},"
                 "\"spec\":{\"defaultBackend\":" SERVICE ",\"ingressClassName\":\"b\"}}",
                 "FieldValueInvalid annotations.kubernetes.io/ingress.class: Invalid value: \"a\": "
                 "must match `ingressClassName` when both are specified");
    check_status(
        &res_networking_ingresses, "{}",
        "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"x\"},{\"ip\":\"1.2.3.4\"}]}}}",
        "FieldValueInvalid status.loadBalancer.ingress[0].ip: Invalid value: \"x\": must be "
        "a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

static void test_ingress_class(void **state)
{
    const char *good = "{\"spec\":{\"controller\":\"acme.io/foo\"}}";

    check_create(&res_networking_ingressclasses, good, "");
    check_create(
        &res_networking_ingressclasses,
        "{\"spec\":{\"controller\":\"foo\",\"parameters\":{\"kind\":\"K\",\"name\":\"n\","
        "\"scope\":\"Namespace\"}}}",
        "FieldValueInvalid spec.controller: Invalid value: \"foo\": must be a "
        "domain-prefixed path (such as \"acme.io/foo\")\n"
        "FieldValueRequired spec.parameters.namespace: Required value: `parameters.scope` is "
        "set to 'Namespace'");
    check_change(&res_networking_ingressclasses, good,
                 "{\"spec\":{\"controller\":\"acme.io/b%ar\"}}",
                 "FieldValueInvalid spec.controller: Invalid value: \"acme.io/b%ar\": field is "
                 "immutable");
    check_create(&res_networking_ingressclasses, "{\"spec\":{\"controller\":\"acme.io/a b\"}}",
                 "FieldValueInvalid spec.controller: Invalid value: \"a b\": Invalid path (regex "
                 "used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
}

static void test_network_policy_ports_and_peers(void **state)
{
    check_create(
        &res_networking_networkpolicies,
        "{\"spec\":{\"ingress\":[{\"ports\":[{\"port\":80,\"endPort\":90},{\"port\":\"web\"}],"
        "\"from\":[{\"podSelector\":{}},{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":["
        "\"10.1.0.0/16\"]}}]}]}}",
        "");
    check_create(
        &res_networking_networkpolicies,
        "{\"spec\":{\"egress\":[{\"ports\":[{\"port\":80,\"endPort\":79},{\"endPort\":5},"
        "{\"port\":\"web\",\"endPort\":1,\"protocol\":\"ICMP\"}],\"to\":[{},{\"podSelector\":"
        "{},\"ipBlock\":{\"cidr\":\"10.0.0.0/8\",\"except\":[\"11.0.0.0/16\"]}}]}],"
        "\"policyTypes\":[\"Both\"]}}",
        "FieldValueInvalid spec.egress[0].ports[0].endPort: Invalid value: 79: must be "
        "greater than or equal to `port`\n"
        "FieldValueInvalid spec.egress[0].ports[1].endPort: Invalid value: 5: may not be "
        "specified when `port` is not specified\n"
        "FieldValueNotSupported spec.egress[0].ports[2].protocol: Unsupported value: "
        "\"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"\n"
        "FieldValueInvalid spec.egress[0].ports[2].endPort: Invalid value: 1: may not be "
        "specified when `port` is non-numeric\n"
        "FieldValueRequired spec.egress[0].to[0]: Required value: must specify a peer\n"
        "FieldValueInvalid spec.egress[0].to[1].ipBlock.except[0]: Invalid value: "
        "\"11.0.0.0/16\": must be a strict subset of `cidr`\n"
        "FieldValueForbidden spec.egress[0].to[1]: Forbidden: may not specify both ipBlock "
        "and another peer\n"
        "FieldValueNotSupported spec.policyTypes[0]: Unsupported value: \"Both\": supported "
        "values: \"Egress\", \"Ingress\"");
}

static void test_ip_address_keeps_its_parent(void **state)
{
    const char *good = "{\"spec\":{\"parentRef\":{\"resource\":\"services\",\"name\":\"a\"}}}";

    check_create(&res_networking_ipaddresses, good, "");
    check_create(&res_networking_ipaddresses, "{\"spec\":{}}",
                 "FieldValueRequired spec.parentRef: Required value");
    check_create(&res_networking_ipaddresses, "{\"spec\":{\"parentRef\":{}}}",
                 "FieldValueRequired spec.parentRef.resource: Required value\n"
                 "FieldValueRequired spec.parentRef.name: Required value");
    check_change(&res_networking_ipaddresses, good,
                 "{\"spec\":{\"parentRef\":{\"resource\":\"services\",\"name\":\"b\"}}}",
                 "FieldValueInvalid spec.parentRef: Invalid value: {\"Group\":\"\",\"Resource\":"
                 "\"services\",\"Namespace\":\"\",\"Name\":\"b\"}: field is immutable");
}

static void test_service_cidr_only_gains_a_family(void **state)
{
    const char *one = "{\"spec\":{\"cidrs\":[\"10.0.0.0/16\"]}}";

    check_create(&res_networking_servicecidrs, one, "");
    check_create(&res_networking_servicecidrs, "{\"spec\":{}}",
                 "FieldValueRequired spec.cidrs: Required value: at least one CIDR required");
    check_create(&res_networking_servicecidrs,
                 "{\"spec\":{\"cidrs\":[\"10.0.0.0/16\",\"10.1.0.0/16\"]}}",
                 "FieldValueInvalid spec.cidrs: Invalid value: [\"10.0.0.0/16\",\"10.1.0.0/16\"]: "
                 "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
                 "2001:db8::/64");
    check_change(&res_networking_servicecidrs, one,
                 "{\"spec\":{\"cidrs\":[\"10.0.0.0/16\",\"fd00::/112\"]}}", "");
    check_change(&res_networking_servicecidrs, one, "{\"spec\":{\"cidrs\":[\"10.9.0.0/16\"]}}",
                 "FieldValueInvalid spec.cidrs[0]: Invalid value: \"10.9.0.0/16\": field is "
                 "immutable");
    check_change(&res_networking_servicecidrs, one, "{\"spec\":{}}",
                 "FieldValueInvalid spec.cidrs: Invalid value: []: field is immutable");
}

static void test_endpoint_slice(void **state)
{
    const char *good = "{\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}],"
                       "\"ports\":[{\"name\":\"a\",\"port\":80}]}";

    check_create(&res_discovery_endpointslices, good, "");
    check_create(&res_discovery_endpointslices, "{\"endpoints\":[]}",
                 "FieldValueRequired addressType: Required value");
    check_create(
        &res_discovery_endpointslices,
        "{\"addressType\":\"IPv4\",\"endpoints\":[{},{\"addresses\":[\"127.0.0.1\",\"::1\","
        "\"169.254.1.1\",\"0.0.0.0\"],\"hostname\":\"a.b\"}],\"ports\":[{\"name\":\"a\"},"
        "{\"name\":\"a\",\"protocol\":\"X\"}]}",
        "FieldValueRequired endpoints[0].addresses: Required value: must contain at least 1 "
        "address\n"
        "FieldValueInvalid endpoints[1].addresses[0]: Invalid value: \"127.0.0.1\": may not "
        "be in the loopback range (127.0.0.0/8, ::1/128)\n"
        "FieldValueInvalid endpoints[1].addresses[1]: Invalid value: \"::1\": must be an "
        "IPv4 address\n"
        "FieldValueInvalid endpoints[1].addresses[2]: Invalid value: \"169.254.1.1\": may "
        "not be in the link-local range (169.254.0.0/16, fe80::/10)\n"
        "FieldValueInvalid endpoints[1].addresses[3]: Invalid value: \"0.0.0.0\": may not "
        "be unspecified (0.0.0.0)\n"
        "FieldValueInvalid endpoints[1].hostname: Invalid value: \"a.b\": must not contain "
        "dots\n"
        "FieldValueDuplicate ports[1].name: Duplicate value: \"a\"\n"
        "FieldValueNotSupported ports[1].protocol: Unsupported value: \"X\": supported "
        "values: \"SCTP\", \"TCP\", \"UDP\"");
    check_change(&res_discovery_endpointslices, good, "{\"addressType\":\"FQDN\"}",
                 "FieldValueInvalid addressType: Invalid value: \"FQDN\": field is immutable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingress_routes_somewhere),
        cmocka_unit_test(test_ingress_paths),
        cmocka_unit_test(test_ingress_backends),
        cmocka_unit_test(test_ingress_hosts_and_class),
        cmocka_unit_test(test_ingress_class),
        cmocka_unit_test(test_network_policy_ports_and_peers),
        cmocka_unit_test(test_ip_address_keeps_its_parent),
        cmocka_unit_test(test_service_cidr_only_gains_a_family),
        cmocka_unit_test(test_endpoint_slice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
