/* SPDX-License-Identifier: Apache-2.0 */
/* validate_networking.c - how NetworkPolicies, IPAddresses and ServiceCIDRs are checked.
 * Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"
#include "schema/typed.h"
#include <arpa/inet.h>

enum { CIDR_TEXT_MAX = 49, POLICY_TYPES_MAX = 2, CIDRS_MAX = 2 };

struct network {
    uint8_t bytes[16];
    int family, n_prefix;
};

/* Reads an address range that format_cidr() found good, or one that only has host bits set. */
static bool parse_network(struct str s, struct network *ret)
{
    struct network out = {.family = str_find_char(s, ':') < 0 ? AF_INET : AF_INET6};
    char text[CIDR_TEXT_MAX + 1];
    struct str rest, ip = str_cut(s, '/', &rest);
    int64_t n;

    if (s.len > CIDR_TEXT_MAX || !str_to_i64(rest, &n) || n < 0 ||
        n > (out.family == AF_INET ? 32 : 128))
        return false;
    memcpy(text, ip.p, ip.len);
    text[ip.len] = 0;
    if (inet_pton(out.family, text, out.bytes) != 1)
        return false;
    out.n_prefix = (int)n;
    *ret = out;
    return true;
}

/* True if @x lies in @net and is smaller. */
static bool is_strict_subset(const struct network *x, const struct network *net)
{
    if (x->family != net->family || x->n_prefix <= net->n_prefix)
        return false;
    for (int bit = 0; bit < net->n_prefix; bit++) {
        if ((x->bytes[bit / 8] ^ net->bytes[bit / 8]) & (0x80 >> (bit % 8)))
            return false;
    }
    return true;
}

/* ---- NetworkPolicy ---- */

static void check_policy_port(struct field_errors *errs, const struct path *p,
                              const struct networking_network_policy_port *port)
{
    const struct path *end = AT(p, "endPort");

    if (port->protocol)
        check_one_of(errs, AT(p, "protocol"), *port->protocol, protocols);
    if (port->port.kind == INT_OR_STRING_INT) {
        check_port(errs, AT(p, "port"), port->port.i);
        if (!port->end_port)
            return;
        if (*port->end_port < port->port.i)
            err_invalid(errs, end, doc_int(*port->end_port),
                        "must be greater than or equal to `port`");
        check_port(errs, end, *port->end_port);
    } else if (port->port.kind == INT_OR_STRING_STRING) {
        if (port->end_port)
            err_invalid(errs, end, doc_int(*port->end_port),
                        "may not be specified when `port` is non-numeric");
        check_why(errs, AT(p, "port"), port->port.s, format_port_name(port->port.s));
    } else if (port->end_port) {
        err_invalid(errs, end, doc_int(*port->end_port),
                    "may not be specified when `port` is not specified");
    }
}

static void check_ip_block(struct field_errors *errs, const struct path *p,
                           const struct networking_ip_block *b)
{
    struct network net, part;

    check_named(errs, AT(p, "cidr"), b->cidr, format_cidr);
    if (str_empty(b->cidr) || !parse_network(b->cidr, &net))
        return;
    for (size_t i = 0; i < b->except.n; i++) {
        const struct path *at = AT_INDEX(AT(p, "except"), i);
        struct str text = b->except.v[i];

        check_why(errs, at, text, format_cidr(text));
        if (parse_network(text, &part) && !is_strict_subset(&part, &net))
            err_invalid(errs, at, doc_string(text), "must be a strict subset of `cidr`");
    }
}

static void check_peer(struct field_errors *errs, const struct path *p,
                       const struct networking_network_policy_peer *peer)
{
    check_selector(errs, AT(p, "podSelector"), peer->pod_selector);
    check_selector(errs, AT(p, "namespaceSelector"), peer->namespace_selector);
    if (peer->ip_block)
        check_ip_block(errs, AT(p, "ipBlock"), peer->ip_block);
    if (!peer->pod_selector && !peer->namespace_selector && !peer->ip_block)
        err_required(errs, p, "must specify a peer");
    else if (peer->ip_block && (peer->pod_selector || peer->namespace_selector))
        err_forbidden(errs, p, "may not specify both ipBlock and another peer");
}

static void check_policy_types(struct field_errors *errs, const struct path *p,
                               const struct string_list *types)
{
    static const char *const known[] = {"Egress", "Ingress", NULL};

    if (types->n > POLICY_TYPES_MAX) {
        err_invalid(errs, p, strings_doc(types, errs->arena),
                    "may not specify more than two policyTypes");
        return;
    }
    for (size_t i = 0; i < types->n; i++)
        check_one_of(errs, AT_INDEX(p, i), types->v[i], known);
}

static void validate_networkpolicy(const void *obj, const void *old, struct field_errors *errs)
{
    const struct networking_network_policy_spec *s =
        &((const struct networking_network_policy *)obj)->spec;
    const struct path *p = AT(NULL, "spec");

    (void)old;
    check_selector(errs, AT(p, "podSelector"), &s->pod_selector);
    for (size_t i = 0; i < s->ingress.n; i++) {
        const struct path *at = AT_INDEX(AT(p, "ingress"), i);

        for (size_t k = 0; k < s->ingress.v[i].ports.n; k++)
            check_policy_port(errs, AT_INDEX(AT(at, "ports"), k), &s->ingress.v[i].ports.v[k]);
        for (size_t k = 0; k < s->ingress.v[i].from.n; k++)
            check_peer(errs, AT_INDEX(AT(at, "from"), k), &s->ingress.v[i].from.v[k]);
    }
    for (size_t i = 0; i < s->egress.n; i++) {
        const struct path *at = AT_INDEX(AT(p, "egress"), i);

        for (size_t k = 0; k < s->egress.v[i].ports.n; k++)
            check_policy_port(errs, AT_INDEX(AT(at, "ports"), k), &s->egress.v[i].ports.v[k]);
        for (size_t k = 0; k < s->egress.v[i].to.n; k++)
            check_peer(errs, AT_INDEX(AT(at, "to"), k), &s->egress.v[i].to.v[k]);
    }
    check_policy_types(errs, AT(p, "policyTypes"), &s->policy_types);
}

const struct strategy strategy_networkpolicies = {.validate = validate_networkpolicy};

/* ---- IPAddress ---- */

/* The reference in the form in which errors show it. */
static struct doc parent_doc(const struct networking_parent_reference *r, struct arena *a)
{
    struct doc d = doc_object();

    if (!r)
        return doc_null();
    doc_add(a, &d, STR("Group"), doc_string(r->group));
    doc_add(a, &d, STR("Resource"), doc_string(r->resource));
    doc_add(a, &d, STR("Namespace"), doc_string(r->namespace));
    doc_add(a, &d, STR("Name"), doc_string(r->name));
    return d;
}

static bool same_parent(const struct networking_parent_reference *x,
                        const struct networking_parent_reference *y)
{
    if (!x || !y)
        return !x && !y;
    return typed_equal(&type_networking_parent_reference, x, y);
}

static void validate_ipaddress(const void *obj, const void *old, struct field_errors *errs)
{
    const struct networking_parent_reference *r =
        ((const struct networking_ip_address *)obj)->spec.parent_ref;
    const struct path *p = AT(AT(NULL, "spec"), "parentRef");

    if (old) {
        check_same(errs, p,
                   same_parent(r, ((const struct networking_ip_address *)old)->spec.parent_ref),
                   parent_doc(r, errs->arena));
        return;
    }
    if (!r) {
        err_required(errs, p, "");
        return;
    }
    check_if_set(errs, AT(p, "group"), r->group, format_dns_subdomain);
    check_named(errs, AT(p, "resource"), r->resource, format_path_segment);
    check_named(errs, AT(p, "name"), r->name, format_path_segment);
    check_if_set(errs, AT(p, "namespace"), r->namespace, format_path_segment);
}

const struct strategy strategy_ipaddresses = {
    .validate = validate_ipaddress,
    .name_format = "ip",
};

/* ---- ServiceCIDR ---- */

static bool is_v6(struct str cidr)
{
    return str_find_char(cidr, ':') >= 0;
}

static void check_cidrs(struct field_errors *errs, const struct path *p,
                        const struct string_list *cidrs)
{
    bool good = true;

    if (!cidrs->n) {
        err_required(errs, p, "at least one CIDR required");
        return;
    }
    if (cidrs->n > CIDRS_MAX) {
        struct doc spec = doc_object();

        doc_add(errs->arena, &spec, STR("CIDRs"), strings_doc(cidrs, errs->arena));
        err_invalid(errs, p, spec, "may only hold up to 2 values");
        return;
    }
    for (size_t i = 0; i < cidrs->n; i++) {
        const char *why = format_cidr(cidrs->v[i]);

        check_why(errs, AT_INDEX(p, i), cidrs->v[i], why);
        good = good && !why;
    }
    if (good && cidrs->n == CIDRS_MAX && is_v6(cidrs->v[0]) == is_v6(cidrs->v[1]))
        err_invalid(errs, p, strings_doc(cidrs, errs->arena),
                    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
                    "2001:db8::/64");
}

static void validate_servicecidr(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct string_list *cidrs = &((const struct networking_service_cidr *)obj)->spec.cidrs;
    const struct path *p = AT(AT(NULL, "spec"), "cidrs");
    const struct string_list *old;

    if (!old_obj) {
        check_cidrs(errs, p, cidrs);
        return;
    }
    old = &((const struct networking_service_cidr *)old_obj)->spec.cidrs;
    if (cidrs->n != old->n && !(old->n == 1 && cidrs->n == CIDRS_MAX)) {
        err_invalid(errs, p, strings_doc(cidrs, errs->arena), IMMUTABLE);
        return;
    }
    for (size_t i = 0; i < old->n; i++)
        check_same(errs, AT_INDEX(p, i), str_eq(cidrs->v[i], old->v[i]), doc_string(cidrs->v[i]));
    if (cidrs->n > old->n) /* the second family joins */
        check_cidrs(errs, p, cidrs);
}

const struct strategy strategy_servicecidrs = {.validate = validate_servicecidr};
