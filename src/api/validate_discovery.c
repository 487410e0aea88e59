/* SPDX-License-Identifier: Apache-2.0 */
/* validate_discovery.c - how EndpointSlices are checked. Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"
#include <arpa/inet.h>

enum {
    ENDPOINTS_MAX = 1000,
    ADDRESSES_MAX = 100,
    PORTS_MAX = 20000,
    HINTS_MAX = 8,
    TOPOLOGY_MAX = 16,
    IP_TEXT_MAX = 45
};

/* The bytes of an address that format_ip() found good. */
static bool ip_bytes(struct str s, int family, uint8_t bytes[16])
{
    char text[IP_TEXT_MAX + 1];

    if (s.len > IP_TEXT_MAX)
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = 0;
    return inet_pton(family, text, bytes) == 1;
}

static const char *special_v4(const uint8_t *b)
{
    if (b[0] == 127)
        return "may not be in the loopback range (127.0.0.0/8, ::1/128)";
    if (b[0] == 169 && b[1] == 254)
        return "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
    if (b[0] == 224 && b[1] == 0 && b[2] == 0)
        return "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
    return NULL;
}

static const char *special_v6(const uint8_t *b)
{
    static const uint8_t loopback[16] = {[15] = 1};

    if (memcmp(b, loopback, sizeof(loopback)) == 0)
        return "may not be in the loopback range (127.0.0.0/8, ::1/128)";
    if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        return "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
    if (b[0] == 0xff && (b[1] & 0x0f) == 0x02)
        return "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
    return NULL;
}

static void check_address(struct field_errors *errs, const struct path *p, struct str address,
                          int family)
{
    static const uint8_t unspecified[16] = {0};
    const char *why = format_ip(address);
    uint8_t bytes[16] = {0};

    if (why) {
        check_why(errs, p, address, why);
        return;
    }
    if (!ip_bytes(address, family, bytes)) {
        err_invalid(errs, p, doc_string(address), "must be an %s address",
                    family == AF_INET ? "IPv4" : "IPv6");
        return;
    }
    if (memcmp(bytes, unspecified, sizeof(bytes)) == 0)
        err_invalid(errs, p, doc_string(address), "may not be unspecified (%.*s)",
                    STR_ARG(address));
    check_why(errs, p, address, family == AF_INET ? special_v4(bytes) : special_v6(bytes));
}

static void check_fqdn(struct field_errors *errs, const struct path *p, struct str name)
{
    const char *why;
    struct str rest;

    if (str_empty(name)) {
        err_required(errs, p, "");
        return;
    }
    if (str_has_suffix(name, STR(".")))
        name.len--;
    why = format_dns_subdomain(name);
    if (why) {
        check_why(errs, p, name, why);
        return;
    }
    if (str_find_char(name, '.') < 0)
        err_invalid(errs, p, doc_string(name),
                    "should be a domain with at least two segments separated by dots");
    rest = name;
    do {
        struct str label = str_cut(rest, '.', &rest);

        check_why(errs, p, label, format_dns_label(label));
    } while (rest.p);
}

static void check_addresses(struct field_errors *errs, const struct path *p,
                            const struct string_list *v, struct str type)
{
    if (!v->n)
        err_required(errs, p, "must contain at least 1 address");
    else if (v->n > ADDRESSES_MAX)
        err_too_many(errs, p, v->n, ADDRESSES_MAX);
    for (size_t i = 0; i < v->n; i++) {
        const struct path *at = AT_INDEX(p, i);

        if (str_eqz(type, "IPv4"))
            check_address(errs, at, v->v[i], AF_INET);
        else if (str_eqz(type, "IPv6"))
            check_address(errs, at, v->v[i], AF_INET6);
        else if (str_eqz(type, "FQDN"))
            check_fqdn(errs, at, v->v[i]);
    }
}

static void check_zones(struct field_errors *errs, const struct path *p,
                        const struct discovery_for_zone *v, size_t n)
{
    auto_map seen = {0};

    if (n > HINTS_MAX) {
        err_too_many(errs, p, n, HINTS_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT(AT_INDEX(p, i), "name");

        check_unique(errs, &seen, at, v[i].name);
        check_why(errs, at, v[i].name, format_label_value(v[i].name));
    }
}

static void check_nodes(struct field_errors *errs, const struct path *p,
                        const struct discovery_for_node *v, size_t n)
{
    auto_map seen = {0};

    if (n > HINTS_MAX) {
        err_too_many(errs, p, n, HINTS_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT(AT_INDEX(p, i), "name");

        check_unique(errs, &seen, at, v[i].name);
        check_why(errs, at, v[i].name, format_dns_subdomain(v[i].name));
    }
}

static void check_endpoint(struct field_errors *errs, const struct path *p,
                           const struct discovery_endpoint *e, struct str type)
{
    const struct path *hints = AT(p, "hints");

    check_addresses(errs, AT(p, "addresses"), &e->addresses, type);
    if (e->node_name)
        check_why(errs, AT(p, "nodeName"), *e->node_name, format_dns_subdomain(*e->node_name));
    if (e->deprecated_topology.n > TOPOLOGY_MAX)
        err_too_many(errs, AT(p, "deprecatedTopology"), e->deprecated_topology.n, TOPOLOGY_MAX);
    check_labels(errs, AT(p, "deprecatedTopology"), &e->deprecated_topology);
    if (e->hostname)
        check_why(errs, AT(p, "hostname"), *e->hostname, format_dns_label(*e->hostname));
    if (!e->hints)
        return;
    check_zones(errs, AT(hints, "forZones"), e->hints->for_zones.v, e->hints->for_zones.n);
    check_nodes(errs, AT(hints, "forNodes"), e->hints->for_nodes.v, e->hints->for_nodes.n);
}

static void check_ports(struct field_errors *errs, const struct path *p,
                        const struct discovery_endpoint_port *v, size_t n)
{
    auto_map names = {0};

    if (n > PORTS_MAX) {
        err_too_many(errs, p, n, PORTS_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct path *at = AT_INDEX(p, i);
        struct str name = v[i].name ? *v[i].name : STR_NULL;

        check_if_set(errs, AT(at, "name"), name, format_dns_label);
        check_unique(errs, &names, AT(at, "name"), name);
        if (v[i].protocol)
            check_one_of(errs, AT(at, "protocol"), *v[i].protocol, protocols);
        else
            err_required(errs, AT(at, "protocol"), "");
        if (v[i].app_protocol)
            check_why(errs, AT(at, "appProtocol"), *v[i].app_protocol,
                      format_qualified_name(*v[i].app_protocol));
    }
}

static void validate_slice(const void *obj, const void *old_obj, struct field_errors *errs)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    const struct discovery_endpoint_slice *s = obj, *old = old_obj;
    const struct path *p = AT(NULL, "endpoints"), *type = AT(NULL, "addressType");

    check_one_of_given(errs, type, s->address_type, types);
    if (s->endpoints.n > ENDPOINTS_MAX)
        err_too_many(errs, p, s->endpoints.n, ENDPOINTS_MAX);
    for (size_t i = 0; s->endpoints.n <= ENDPOINTS_MAX && i < s->endpoints.n; i++)
        check_endpoint(errs, AT_INDEX(p, i), &s->endpoints.v[i], s->address_type);
    check_ports(errs, AT(NULL, "ports"), s->ports.v, s->ports.n);
    if (old)
        check_same(errs, type, str_eq(s->address_type, old->address_type),
                   doc_string(s->address_type));
}

const struct strategy strategy_endpointslices = {.validate = validate_slice};
