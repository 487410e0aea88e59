/* SPDX-License-Identifier: Apache-2.0 */
/* validate_service.c - services and endpoints. Layer: api. */
#include "api/validate_core.h"
#include "schema/format.h"
#include <arpa/inet.h>

static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort", NULL};

void check_endpoint_ip(struct field_errors *errs, const struct path *p, struct str ip)
{
    const char *why = format_ip(ip);
    struct in6_addr v6;
    struct in_addr v4;
    char text[64] = "";

    if (why) {
        check_why(errs, p, ip, why);
        return;
    }
    memcpy(text, ip.p, MIN(ip.len, sizeof(text) - 1));
    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t a = ntohl(v4.s_addr);

        if (a == 0)
            why = "may not be unspecified (0.0.0.0)";
        else if (a >> 24 == 127)
            why = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
        else if (a >> 16 == 0xa9fe)
            why = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        else if (a >> 8 == 0xe00000)
            why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        if (IN6_IS_ADDR_UNSPECIFIED(&v6))
            why = "may not be unspecified (::)";
        else if (IN6_IS_ADDR_LOOPBACK(&v6))
            why = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
        else if (IN6_IS_ADDR_LINKLOCAL(&v6))
            why = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        else if (IN6_IS_ADDR_MC_LINKLOCAL(&v6))
            why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
    }
    check_why(errs, p, ip, why);
}

/* ---- ports ---- */

static void check_service_port(struct field_errors *errs, const struct path *p,
                               const struct core_service_port *port, bool named, struct map *names)
{
    const char *why = port->name.len ? format_dns_label(port->name) : NULL;

    if (named && str_empty(port->name))
        err_required(errs, AT(p, "name"), "");
    else if (why)
        check_why(errs, AT(p, "name"), port->name, why);
    else if (port->name.len)
        check_unique(errs, names, AT(p, "name"), port->name);
    check_port(errs, AT(p, "port"), port->port);
    check_one_of_given(errs, AT(p, "protocol"), port->protocol, protocols);
    check_port_ref(errs, AT(p, "targetPort"), &port->target_port);
    if (port->app_protocol)
        check_why(errs, AT(p, "appProtocol"), *port->app_protocol,
                  format_qualified_name(*port->app_protocol));
}

static void check_ports_once(struct field_errors *errs, const struct path *at,
                             const struct core_service_spec *s)
{
    auto_map ports = {0}, node_ports = {0};

    for (size_t i = 0; i < s->ports.n; i++) {
        const struct core_service_port *p = &s->ports.v[i];
        struct doc value = doc_object();

        if (map_set(&ports, str_printf(errs->arena, "%.*s/%d", STR_ARG(p->protocol), p->port),
                    &ports)) {
            doc_add(errs->arena, &value, STR("protocol"), doc_string(p->protocol));
            doc_add(errs->arena, &value, STR("port"), doc_int(p->port));
            err_duplicate(errs, AT_INDEX(at, i), value);
        }
        if (p->node_port && str_eqz(s->type, "ClusterIP"))
            err_forbidden(errs, AT(AT_INDEX(at, i), "nodePort"),
                          "may not be used when `type` is 'ClusterIP'");
        if (p->node_port &&
            map_set(&node_ports,
                    str_printf(errs->arena, "%.*s/%d", STR_ARG(p->protocol), p->node_port),
                    &node_ports)) {
            value = doc_object();
            doc_add(errs->arena, &value, STR("protocol"), doc_string(p->protocol));
            doc_add(errs->arena, &value, STR("nodePort"), doc_int(p->node_port));
            err_duplicate(errs, AT(AT_INDEX(at, i), "nodePort"), value);
        }
    }
}

static bool is_headless(const struct core_service_spec *s)
{
    return str_eqz(s->cluster_ip, "None") ||
           (s->cluster_ips.n == 1 && str_eqz(s->cluster_ips.v[0], "None"));
}

static void check_ports(struct field_errors *errs, const struct path *at,
                        const struct core_service_spec *s)
{
    auto_map names = {0};

    if (!s->ports.n && !is_headless(s) && !str_eqz(s->type, "ExternalName"))
        err_required(errs, at, "");
    for (size_t i = 0; i < s->ports.n; i++)
        check_service_port(errs, AT_INDEX(at, i), &s->ports.v[i], s->ports.n > 1, &names);
    check_ports_once(errs, at, s);
}

/* ---- addresses ---- */

static void check_cluster_ips(struct field_errors *errs, const struct path *spec,
                              const struct core_service_spec *s)
{
    const struct path *p = AT(spec, "clusterIPs");
    unsigned n_v6 = 0;

    if (s->cluster_ips.n && !str_eq(s->cluster_ips.v[0], s->cluster_ip))
        err_add(errs, FIELD_ERROR_INVALID, p,
                "Invalid value: [\"%.*s\"]: first value must match `clusterIP`",
                STR_ARG(s->cluster_ips.v[0]));
    for (size_t i = 0; i < s->cluster_ips.n; i++) {
        struct str ip = s->cluster_ips.v[i];

        n_v6 += str_find_char(ip, ':') >= 0;
        if (str_eqz(ip, "None")) {
            if (s->cluster_ips.n > 1)
                check_why(errs, AT_INDEX(p, i), ip, "'None' must be the first and only value");
        } else {
            check_why(errs, AT_INDEX(p, i), ip, format_ip(ip));
        }
    }
    if (s->cluster_ips.n > 2)
        err_add(errs, FIELD_ERROR_INVALID, p, "Invalid value: []: may only hold up to 2 values");
    else if (s->cluster_ips.n == 2 && n_v6 != 1)
        err_add(errs, FIELD_ERROR_INVALID, p,
                "Invalid value: [\"%.*s\",\"%.*s\"]: may specify no more than one IP for each IP "
                "family",
                STR_ARG(s->cluster_ips.v[0]), STR_ARG(s->cluster_ips.v[1]));
}

static void check_type(struct field_errors *errs, const struct path *spec,
                       const struct core_service_spec *s)
{
    struct str name = s->external_name;

    check_one_of_given(errs, AT(spec, "type"), s->type, types);
    if ((str_eqz(s->type, "NodePort") || str_eqz(s->type, "LoadBalancer")) && is_headless(s))
        err_invalid(errs, AT_INDEX(AT(spec, "clusterIPs"), 0), doc_string(STR("None")),
                    "may not be set to 'None' for %.*s services", STR_ARG(s->type));
    if (!str_eqz(s->type, "ExternalName"))
        return;
    if (s->cluster_ips.n)
        err_forbidden(errs, AT(spec, "clusterIPs"), "may not be set for ExternalName services");
    if (s->ip_families.n)
        err_forbidden(errs, AT(spec, "ipFamilies"), "may not be set for ExternalName services");
    if (s->ip_family_policy)
        err_forbidden(errs, AT(spec, "ipFamilyPolicy"), "may not be set for ExternalName services");
    if (name.len && name.p[name.len - 1] == '.')
        name.len--;
    if (str_empty(name))
        err_required(errs, AT(spec, "externalName"), "");
    else
        check_why(errs, AT(spec, "externalName"), s->external_name, format_dns_subdomain(name));
}

static void check_families(struct field_errors *errs, const struct path *spec,
                           const struct core_service_spec *s)
{
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    static const char *const policies[] = {"PreferDualStack", "RequireDualStack", "SingleStack",
                                           NULL};
    const struct path *p = AT(spec, "ipFamilies");
    auto_map seen = {0};

    for (size_t i = 0; i < s->ip_families.n; i++) {
        check_one_of(errs, AT_INDEX(p, i), s->ip_families.v[i], families);
        check_unique(errs, &seen, AT_INDEX(p, i), s->ip_families.v[i]);
    }
    if (s->ip_family_policy)
        check_one_of(errs, AT(spec, "ipFamilyPolicy"), *s->ip_family_policy, policies);
}

/* ---- policies ---- */

static void check_session(struct field_errors *errs, const struct path *spec,
                          const struct core_service_spec *s)
{
    enum { DAY_SEC = 86400 };
    static const char *const affinities[] = {"ClientIP", "None", NULL};
    const struct path *config = AT(spec, "sessionAffinityConfig");
    const struct path *timeout = AT(AT(config, "clientIP"), "timeoutSeconds");
    const struct core_session_affinity_config *c = s->session_affinity_config;

    check_one_of_given(errs, AT(spec, "sessionAffinity"), s->session_affinity, affinities);
    if (str_eqz(s->session_affinity, "None") && c)
        err_forbidden(errs, config, "must not be set when session affinity is None");
    if (!str_eqz(s->session_affinity, "ClientIP"))
        return;
    if (!c || !c->client_ip || !c->client_ip->timeout_seconds)
        err_required(errs, timeout, "");
    else if (*c->client_ip->timeout_seconds <= 0 || *c->client_ip->timeout_seconds > DAY_SEC)
        err_invalid(errs, timeout, doc_int(*c->client_ip->timeout_seconds),
                    "must be greater than 0 and less than 86400");
}

static void check_balancer(struct field_errors *errs, const struct path *spec,
                           const struct core_service_spec *s)
{
    static const char only[] = "may only be used when `type` is 'LoadBalancer'";
    bool balancer = str_eqz(s->type, "LoadBalancer");
    const struct path *ranges = AT(spec, "loadBalancerSourceRanges");

    if (s->load_balancer_source_ranges.n && !balancer)
        err_forbidden(errs, ranges, only);
    for (size_t i = 0; i < s->load_balancer_source_ranges.n; i++) {
        struct str cidr = str_trim(s->load_balancer_source_ranges.v[i]);

        check_why(errs, AT_INDEX(ranges, i), cidr, format_cidr(cidr));
    }
    if (balancer && !s->allocate_load_balancer_node_ports)
        err_required(errs, AT(spec, "allocateLoadBalancerNodePorts"), "");
    if (!balancer && s->allocate_load_balancer_node_ports)
        err_forbidden(errs, AT(spec, "allocateLoadBalancerNodePorts"), only);
    if (!s->load_balancer_class)
        return;
    if (!balancer)
        err_forbidden(errs, AT(spec, "loadBalancerClass"), only);
    check_why(errs, AT(spec, "loadBalancerClass"), *s->load_balancer_class,
              format_qualified_name(*s->load_balancer_class));
}

static bool is_external(const struct core_service_spec *s)
{
    return str_eqz(s->type, "LoadBalancer") || str_eqz(s->type, "NodePort") ||
           (str_eqz(s->type, "ClusterIP") && s->external_ips.n);
}

static void check_policies(struct field_errors *errs, const struct path *spec,
                           const struct core_service_spec *s)
{
    static const char *const policies[] = {"Cluster", "Local", NULL};
    static const char *const distributions[] = {"PreferClose", "PreferSameNode", "PreferSameZone",
                                                NULL};
    const struct path *external = AT(spec, "externalTrafficPolicy");
    const struct path *health = AT(spec, "healthCheckNodePort");
    bool local = str_eqz(s->external_traffic_policy, "Local");

    if (is_external(s))
        check_one_of_given(errs, external, s->external_traffic_policy, policies);
    else if (s->external_traffic_policy.len)
        check_why(errs, external, s->external_traffic_policy,
                  "may only be set for externally-accessible services");
    check_nonneg(errs, health, s->health_check_node_port);
    if (s->health_check_node_port && !(str_eqz(s->type, "LoadBalancer") && local))
        err_invalid(errs, health, doc_int(s->health_check_node_port),
                    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is "
                    "'Local'");
    if (s->internal_traffic_policy)
        check_one_of(errs, AT(spec, "internalTrafficPolicy"), *s->internal_traffic_policy,
                     policies);
    else if (!str_eqz(s->type, "ExternalName"))
        err_required(errs, AT(spec, "internalTrafficPolicy"), "");
    if (s->traffic_distribution)
        check_one_of(errs, AT(spec, "trafficDistribution"), *s->traffic_distribution,
                     distributions);
}

/* ---- updates ---- */

static void check_service_update(struct field_errors *errs, const struct path *spec,
                                 const struct core_service_spec *s,
                                 const struct core_service_spec *was)
{
    const struct path *ips = AT(spec, "clusterIPs"), *families = AT(spec, "ipFamilies");

    if (str_eqz(s->type, "ExternalName") || str_eqz(was->type, "ExternalName"))
        return;
    if (was->cluster_ips.n && !s->cluster_ips.n)
        err_add(errs, FIELD_ERROR_INVALID, AT_INDEX(ips, 0),
                "Invalid value: []: primary clusterIP can not be unset");
    for (size_t i = 0; i < was->cluster_ips.n && i < s->cluster_ips.n; i++) {
        if (!str_eq(was->cluster_ips.v[i], s->cluster_ips.v[i]))
            err_add(errs, FIELD_ERROR_INVALID, AT_INDEX(ips, i),
                    "Invalid value: [\"%.*s\"]: may not change once set",
                    STR_ARG(s->cluster_ips.v[i]));
    }
    if (was->ip_families.n && s->ip_families.n &&
        !str_eq(was->ip_families.v[0], s->ip_families.v[0]))
        err_add(errs, FIELD_ERROR_INVALID, AT_INDEX(families, 0),
                "Invalid value: [\"%.*s\"]: may not change once set", STR_ARG(s->ip_families.v[0]));
    if (str_eqz(was->type, "LoadBalancer") && str_eqz(s->type, "LoadBalancer")) {
        struct str now = s->load_balancer_class ? *s->load_balancer_class : STR_NULL;
        struct str before = was->load_balancer_class ? *was->load_balancer_class : STR_NULL;

        if (!str_eq(now, before))
            check_why(errs, AT(spec, "loadBalancerClass"), now, "may not change once set");
    }
}

void validate_service(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_service_spec *s = &((const struct core_service *)obj)->spec;
    const struct path *spec = AT(NULL, "spec");

    if (old)
        check_service_update(errs, spec, s, &((const struct core_service *)old)->spec);
    check_type(errs, spec, s);
    check_ports(errs, AT(spec, "ports"), s);
    check_labels(errs, AT(spec, "selector"), &s->selector);
    check_session(errs, spec, s);
    check_cluster_ips(errs, spec, s);
    check_families(errs, spec, s);
    for (size_t i = 0; i < s->external_ips.n; i++)
        check_endpoint_ip(errs, AT_INDEX(AT(spec, "externalIPs"), i), s->external_ips.v[i]);
    check_balancer(errs, spec, s);
    check_policies(errs, spec, s);
}

void validate_service_status(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const modes[] = {"Proxy", "VIP", NULL};
    const struct core_service *s = obj;
    const struct path *at = AT(AT(NULL, "status"), "loadBalancer"), *list = AT(at, "ingress");

    (void)old;
    if (s->status.load_balancer.ingress.n && !str_eqz(s->spec.type, "LoadBalancer"))
        err_forbidden(errs, list, "may only be used when `spec.type` is LoadBalancer");
    for (size_t i = 0; i < s->status.load_balancer.ingress.n; i++) {
        const struct core_load_balancer_ingress *in = &s->status.load_balancer.ingress.v[i];
        const struct path *p = AT_INDEX(list, i);

        check_if_set(errs, AT(p, "ip"), in->ip, format_ip);
        if (in->ip.len && !in->ip_mode)
            err_required(errs, AT(p, "ipMode"), "must be specified when `ip` is set");
        if (in->ip_mode && !in->ip.len)
            err_forbidden(errs, AT(p, "ipMode"), "may not be specified when `ip` is not set");
        if (in->ip_mode)
            check_one_of(errs, AT(p, "ipMode"), *in->ip_mode, modes);
        check_if_set(errs, AT(p, "hostname"), in->hostname, format_dns_subdomain);
        if (in->hostname.len && !format_ip(in->hostname))
            check_why(errs, AT(p, "hostname"), in->hostname,
                      "must be a DNS name, not an IP address");
    }
}

/* ---- Endpoints ---- */

static void check_addresses(struct field_errors *errs, const struct path *at,
                            const struct core_endpoint_address *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct path *p = AT_INDEX(at, i);

        check_endpoint_ip(errs, AT(p, "ip"), v[i].ip);
        check_if_set(errs, AT(p, "hostname"), v[i].hostname, format_dns_label);
        if (v[i].node_name)
            check_why(errs, AT(p, "nodeName"), *v[i].node_name,
                      format_dns_subdomain(*v[i].node_name));
    }
}

void validate_endpoints(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_endpoints *e = obj;

    (void)old;
    for (size_t i = 0; i < e->subsets.n; i++) {
        const struct core_endpoint_subset *s = &e->subsets.v[i];
        const struct path *at = AT_INDEX(AT(NULL, "subsets"), i);

        if (!s->addresses.n && !s->not_ready_addresses.n)
            err_required(errs, at, "must specify `addresses` or `notReadyAddresses`");
        check_addresses(errs, AT(at, "addresses"), s->addresses.v, s->addresses.n);
        check_addresses(errs, AT(at, "notReadyAddresses"), s->not_ready_addresses.v,
                        s->not_ready_addresses.n);
        for (size_t k = 0; k < s->ports.n; k++) {
            const struct path *p = AT_INDEX(AT(at, "ports"), k);

            if (s->ports.n > 1 && str_empty(s->ports.v[k].name))
                err_required(errs, AT(p, "name"), "");
            check_if_set(errs, AT(p, "name"), s->ports.v[k].name, format_dns_label);
            check_port(errs, AT(p, "port"), s->ports.v[k].port);
            check_one_of_given(errs, AT(p, "protocol"), s->ports.v[k].protocol, protocols);
            if (s->ports.v[k].app_protocol)
                check_why(errs, AT(p, "appProtocol"), *s->ports.v[k].app_protocol,
                          format_qualified_name(*s->ports.v[k].app_protocol));
        }
    }
}
