/* SPDX-License-Identifier: Apache-2.0 */
/* validate_ingress.c - how Ingresses and IngressClasses are checked. Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"

enum { CONTROLLER_MAX = 250 };

#define CLASS_ANNOTATION "kubernetes.io/ingress.class"

static bool is_ip(struct str s)
{
    return format_ip(s) == NULL;
}

/* A host's name, which may begin with a wildcard. */
static void check_host(struct field_errors *errs, const struct path *p, struct str host)
{
    check_why(errs, p, host,
              str_find_char(host, '*') >= 0 ? format_wildcard_subdomain(host)
                                            : format_dns_subdomain(host));
}

static void check_service_backend(struct field_errors *errs, const struct path *p,
                                  const struct networking_ingress_service_backend *s)
{
    const struct path *at = AT(p, "service"), *port = AT(at, "port");

    check_named(errs, AT(at, "name"), s->name, format_dns_label);
    if (s->port.name.len && s->port.number)
        err_invalid(errs, p, doc_string(STR("")), "cannot set both port name & port number");
    else if (s->port.name.len)
        check_why(errs, AT(port, "name"), s->port.name, format_port_name(s->port.name));
    else if (s->port.number)
        check_port(errs, AT(port, "number"), s->port.number);
    else
        err_required(errs, p, "port name or number is required");
}

static void check_backend(struct field_errors *errs, const struct path *p,
                          const struct networking_ingress_backend *b)
{
    const struct path *at = AT(p, "resource");

    if (b->resource && b->service) {
        err_invalid(errs, p, doc_string(STR("")), "cannot set both resource and service backends");
    } else if (b->resource) {
        if (b->resource->api_group)
            check_why(errs, AT(at, "apiGroup"), *b->resource->api_group,
                      format_dns_subdomain(*b->resource->api_group));
        check_named(errs, AT(at, "kind"), b->resource->kind, format_path_segment);
        check_named(errs, AT(at, "name"), b->resource->name, format_path_segment);
    } else if (b->service) {
        check_service_backend(errs, p, b->service);
    } else {
        err_invalid(errs, p, doc_string(STR("")), "resource or service backend is required");
    }
}

static void check_absolute(struct field_errors *errs, const struct path *p, struct str path)
{
    if (!str_has_prefix(path, STR("/")))
        err_invalid(errs, p, doc_string(path), "must be an absolute path");
}

/* A path that is compared part by part has no parts that another spelling could hide. */
static void check_exact_path(struct field_errors *errs, const struct path *p, struct str path)
{
    static const char *const inside[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const at_end[] = {"/..", "/."};

    check_absolute(errs, p, path);
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (str_find(path, str_from(inside[i])) >= 0)
            err_invalid(errs, p, doc_string(path), "must not contain '%s'", inside[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(at_end); i++) {
        if (str_has_suffix(path, str_from(at_end[i])))
            err_invalid(errs, p, doc_string(path), "cannot end with '%s'", at_end[i]);
    }
}

static void check_http_path(struct field_errors *errs, const struct path *p,
                            const struct networking_http_ingress_path *h)
{
    static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix", NULL};

    if (!h->path_type) {
        err_required(errs, AT(p, "pathType"), "pathType must be specified");
        return;
    }
    if (str_eqz(*h->path_type, "Exact") || str_eqz(*h->path_type, "Prefix")) {
        check_exact_path(errs, AT(p, "path"), h->path);
    } else if (str_eqz(*h->path_type, "ImplementationSpecific")) {
        if (h->path.len)
            check_absolute(errs, AT(p, "path"), h->path);
    } else {
        err_not_supported(errs, AT(p, "pathType"), *h->path_type, types);
    }
    check_backend(errs, AT(p, "backend"), &h->backend);
}

static void check_ingress_rule(struct field_errors *errs, const struct path *p,
                               const struct networking_ingress_rule *r)
{
    const struct path *paths = AT(AT(p, "http"), "paths");

    if (r->host.len) {
        if (is_ip(r->host))
            err_invalid(errs, AT(p, "host"), doc_string(r->host),
                        "must be a DNS name, not an IP address");
        check_host(errs, AT(p, "host"), r->host);
    }
    if (!r->http)
        return;
    if (!r->http->paths.n)
        err_required(errs, paths, "");
    for (size_t i = 0; i < r->http->paths.n; i++)
        check_http_path(errs, AT_INDEX(paths, i), &r->http->paths.v[i]);
}

static void check_tls(struct field_errors *errs, const struct path *p,
                      const struct networking_ingress_tls *t)
{
    for (size_t i = 0; i < t->hosts.n; i++)
        check_host(errs, AT_INDEX(AT(p, "hosts"), i), t->hosts.v[i]);
    check_if_set(errs, AT(p, "secretName"), t->secret_name, format_dns_subdomain);
}

static void validate_ingress(const void *obj, const void *old, struct field_errors *errs)
{
    const struct networking_ingress *o = obj;
    const struct networking_ingress_spec *s = &o->spec;
    const struct path *p = AT(NULL, "spec");
    struct str class = string_map_get(&o->metadata.annotations, STR(CLASS_ANNOTATION));

    if (!s->rules.n && !s->default_backend)
        err_invalid(errs, p, s->rules.v ? doc_array() : doc_null(),
                    "either `defaultBackend` or `rules` must be specified");
    if (s->default_backend)
        check_backend(errs, AT(p, "defaultBackend"), s->default_backend);
    for (size_t i = 0; i < s->rules.n; i++)
        check_ingress_rule(errs, AT_INDEX(AT(p, "rules"), i), &s->rules.v[i]);
    for (size_t i = 0; i < s->tls.n; i++)
        check_tls(errs, AT_INDEX(AT(p, "tls"), i), &s->tls.v[i]);
    if (s->ingress_class_name)
        check_why(errs, AT(p, "ingressClassName"), *s->ingress_class_name,
                  format_dns_subdomain(*s->ingress_class_name));
    if (!old && class.p && s->ingress_class_name && !str_eq(class, *s->ingress_class_name))
        err_invalid(errs, AT(AT(NULL, "annotations"), CLASS_ANNOTATION), doc_string(class),
                    "must match `ingressClassName` when both are specified");
}

static void validate_ingress_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct networking_ingress_load_balancer_status *s =
        &((const struct networking_ingress *)obj)->status.load_balancer;
    const struct path *p = AT(AT(AT(NULL, "status"), "loadBalancer"), "ingress");

    (void)old;
    for (size_t i = 0; i < s->ingress.n; i++) {
        const struct path *at = AT_INDEX(p, i);
        struct str hostname = s->ingress.v[i].hostname;

        check_if_set(errs, AT(at, "ip"), s->ingress.v[i].ip, format_ip);
        if (str_empty(hostname))
            continue;
        check_why(errs, AT(at, "hostname"), hostname, format_dns_subdomain(hostname));
        if (is_ip(hostname))
            err_invalid(errs, AT(at, "hostname"), doc_string(hostname),
                        "must be a DNS name, not an IP address");
    }
}

const struct strategy strategy_ingresses = {
    .validate = validate_ingress,
    .validate_status = validate_ingress_status,
};

/* ---- IngressClass ---- */

static void check_parameters_scope(struct field_errors *errs, const struct path *p,
                                   const struct networking_ingress_class_parameters_reference *r)
{
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    const struct path *ns = AT(p, "namespace");

    if (!r->scope) {
        err_required(errs, AT(p, "scope"), "");
    } else if (str_eqz(*r->scope, "Namespace")) {
        if (r->namespace)
            check_why(errs, ns, *r->namespace, format_dns_label(*r->namespace));
        else
            err_required(errs, ns, "`parameters.scope` is set to 'Namespace'");
    } else if (str_eqz(*r->scope, "Cluster")) {
        if (r->namespace)
            err_forbidden(errs, ns, "`parameters.scope` is set to 'Cluster'");
    } else {
        err_not_supported(errs, AT(p, "scope"), *r->scope, scopes);
    }
}

static void validate_ingressclass(const void *obj, const void *old_obj, struct field_errors *errs)
{
    const struct networking_ingress_class *c = obj, *old = old_obj;
    const struct networking_ingress_class_parameters_reference *r = c->spec.parameters;
    const struct path *p = AT(NULL, "spec"), *at = AT(p, "parameters");

    if (old)
        check_same(errs, AT(p, "controller"), str_eq(c->spec.controller, old->spec.controller),
                   doc_string(c->spec.controller));
    if (c->spec.controller.len > CONTROLLER_MAX)
        err_too_long(errs, AT(p, "controller"), CONTROLLER_MAX);
    check_domain_path(errs, AT(p, "controller"), c->spec.controller);
    if (!r)
        return;
    if (r->api_group)
        check_why(errs, AT(at, "apiGroup"), *r->api_group, format_dns_subdomain(*r->api_group));
    check_named(errs, AT(at, "kind"), r->kind, format_path_segment);
    check_named(errs, AT(at, "name"), r->name, format_path_segment);
    check_parameters_scope(errs, at, r);
}

const struct strategy strategy_ingressclasses = {.validate = validate_ingressclass};
