/* SPDX-License-Identifier: Apache-2.0 */
/* columns_other.c - cells of the kinds of the smaller groups. Layer: api. */
#include "api/columns.h"

enum { SHOWN_MAX = 3 }; /* addresses, ports and hosts that one cell names */

/* The name, marked where an annotation makes the object the default of its kind. */
static struct doc name_or_default(const void *obj, const char *annotation, const char *older,
                                  const struct table_ctx *ctx)
{
    const struct meta_object_meta *m = &((const struct any_kind *)obj)->metadata;
    bool marked = str_eqz(string_map_get(&m->annotations, str_from(annotation)), "true") ||
                  (older && str_eqz(string_map_get(&m->annotations, str_from(older)), "true"));

    if (!marked)
        return cell_text(m->name);
    return cell_text(str_printf(ctx->arena, "%.*s (default)", STR_ARG(m->name)));
}

static struct doc length(size_t n)
{
    return doc_int((int64_t)n);
}

/* ---- policy ---- */

static struct doc amount(const struct int_or_string *x, const struct table_ctx *ctx)
{
    if (x->kind == INT_OR_STRING_INT)
        return cell_text(str_printf(ctx->arena, "%d", x->i));
    return cell_text(x->kind == INT_OR_STRING_STRING ? x->s : STR("N/A"));
}

struct doc cell_pdb_min(const void *obj, const struct table_ctx *ctx)
{
    return amount(&((const struct policy_pod_disruption_budget *)obj)->spec.min_available, ctx);
}

struct doc cell_pdb_max(const void *obj, const struct table_ctx *ctx)
{
    return amount(&((const struct policy_pod_disruption_budget *)obj)->spec.max_unavailable, ctx);
}

/* ---- networking, discovery ---- */

struct doc cell_ingress_class(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_ptr_or(((const struct networking_ingress *)obj)->spec.ingress_class_name, "<none>");
}

struct doc cell_ingress_hosts(const void *obj, const struct table_ctx *ctx)
{
    const struct networking_ingress_spec *spec = &((const struct networking_ingress *)obj)->spec;
    bool more = false;
    auto_buf b = {0};
    size_t n = 0;

    for (size_t i = 0; i < spec->rules.n && !more; i++) {
        struct str host = spec->rules.v[i].host;

        more = n == SHOWN_MAX;
        if (more || !host.len)
            continue;
        buf_puts(&b, n++ ? "," : "");
        buf_str(&b, host);
    }
    if (!n)
        return cell_text(STR("*"));
    if (more)
        buf_printf(&b, " + %zu more...", spec->rules.n - SHOWN_MAX);
    return cell_buf(&b, ctx);
}

struct doc cell_ingress_address(const void *obj, const struct table_ctx *ctx)
{
    const struct networking_ingress_load_balancer_status *s =
        &((const struct networking_ingress *)obj)->status.load_balancer;
    struct str *all = arena_calloc(ctx->arena, s->ingress.n + 1, sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; i < s->ingress.n; i++) {
        struct str ip = s->ingress.v[i].ip, host = s->ingress.v[i].hostname;

        if (ip.len || host.len)
            all[n++] = ip.len ? ip : host;
    }
    return cell_text(column_join_set(all, n, ctx));
}

struct doc cell_ingress_ports(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_text(((const struct networking_ingress *)obj)->spec.tls.n ? STR("80, 443")
                                                                          : STR("80"));
}

struct doc cell_ingressclass_name(const void *obj, const struct table_ctx *ctx)
{
    return name_or_default(obj, "ingressclass.kubernetes.io/is-default-class", NULL, ctx);
}

struct doc cell_ingressclass_parameters(const void *obj, const struct table_ctx *ctx)
{
    const struct networking_ingress_class_parameters_reference *p =
        ((const struct networking_ingress_class *)obj)->spec.parameters;

    if (!p)
        return cell_text(STR("<none>"));
    if (!p->api_group)
        return cell_text(str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(p->kind), STR_ARG(p->name)));
    return cell_text(str_printf(ctx->arena, "%.*s.%.*s/%.*s", STR_ARG(p->kind),
                                STR_ARG(*p->api_group), STR_ARG(p->name)));
}

struct doc cell_networkpolicy_selector(const void *obj, const struct table_ctx *ctx)
{
    const struct networking_network_policy *p = obj;

    return cell_text(column_selector(&p->spec.pod_selector, "<none>", "<error>", ctx));
}

struct doc cell_servicecidr_cidrs(const void *obj, const struct table_ctx *ctx)
{
    const struct networking_service_cidr *s = obj;

    return cell_text(column_join(s->spec.cidrs.v, s->spec.cidrs.n, ",", ctx));
}

struct doc cell_ipaddress_parent(const void *obj, const struct table_ctx *ctx)
{
    const struct networking_parent_reference *r =
        ((const struct networking_ip_address *)obj)->spec.parent_ref;
    auto_buf b = {0};

    if (!r)
        return cell_text(STR("<none>"));
    buf_printf(&b, "%.*s%s%.*s/", STR_ARG(r->resource), r->group.len ? "." : "", STR_ARG(r->group));
    if (r->namespace.len)
        buf_printf(&b, "%.*s/", STR_ARG(r->namespace));
    buf_str(&b, r->name);
    return cell_text(column_lower(buf_view(&b), ctx));
}

struct doc cell_endpointslice_ports(const void *obj, const struct table_ctx *ctx)
{
    const struct discovery_endpoint_slice *s = obj;
    auto_buf b = {0};

    if (!s->ports.n)
        return cell_text(STR("<unset>"));
    for (size_t i = 0; i < s->ports.n && i < SHOWN_MAX; i++) {
        const struct discovery_endpoint_port *p = &s->ports.v[i];

        buf_puts(&b, i ? "," : "");
        if (p->port)
            buf_i64(&b, *p->port);
        else
            buf_str(&b, p->name && p->name->len ? *p->name : STR("*"));
    }
    if (s->ports.n > SHOWN_MAX)
        buf_printf(&b, " + %zu more...", s->ports.n - SHOWN_MAX);
    return cell_buf(&b, ctx);
}

struct doc cell_endpointslice_endpoints(const void *obj, const struct table_ctx *ctx)
{
    const struct discovery_endpoint_slice *s = obj;
    auto_buf b = {0};
    size_t n = 0;

    for (size_t i = 0; i < s->endpoints.n; i++) {
        const struct discovery_endpoint *e = &s->endpoints.v[i];

        for (size_t k = 0; k < e->addresses.n; k++) {
            if (n++ >= SHOWN_MAX)
                continue;
            buf_puts(&b, n > 1 ? "," : "");
            buf_str(&b, e->addresses.v[k]);
        }
    }
    if (!n)
        return cell_text(STR("<unset>"));
    if (n > SHOWN_MAX)
        buf_printf(&b, " + %zu more...", n - SHOWN_MAX);
    return cell_buf(&b, ctx);
}

/* ---- rbac ---- */

static struct doc role_ref(const struct rbac_role_ref *r, const struct table_ctx *ctx)
{
    return cell_text(str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(r->kind), STR_ARG(r->name)));
}

static struct doc subjects(const struct rbac_subject *v, size_t n, const char *kind,
                           const struct table_ctx *ctx)
{
    bool account = strcmp(kind, "ServiceAccount") == 0;
    auto_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        if (!str_eqz(v[i].kind, kind))
            continue;
        buf_puts(&b, b.len ? ", " : "");
        if (account)
            buf_printf(&b, "%.*s/", STR_ARG(v[i].namespace));
        buf_str(&b, v[i].name);
    }
    return cell_buf(&b, ctx);
}

#define BINDING_CELLS(word, T)                                                                     \
    struct doc cell_##word##_role(const void *obj, const struct table_ctx *ctx)                    \
    {                                                                                              \
        return role_ref(&((const struct T *)obj)->role_ref, ctx);                                  \
    }                                                                                              \
    struct doc cell_##word##_users(const void *obj, const struct table_ctx *ctx)                   \
    {                                                                                              \
        const struct T *x = obj;                                                                   \
                                                                                                   \
        return subjects(x->subjects.v, x->subjects.n, "User", ctx);                                \
    }                                                                                              \
    struct doc cell_##word##_groups(const void *obj, const struct table_ctx *ctx)                  \
    {                                                                                              \
        const struct T *x = obj;                                                                   \
                                                                                                   \
        return subjects(x->subjects.v, x->subjects.n, "Group", ctx);                               \
    }                                                                                              \
    struct doc cell_##word##_accounts(const void *obj, const struct table_ctx *ctx)                \
    {                                                                                              \
        const struct T *x = obj;                                                                   \
                                                                                                   \
        return subjects(x->subjects.v, x->subjects.n, "ServiceAccount", ctx);                      \
    }
BINDING_CELLS(rolebinding, rbac_role_binding)
BINDING_CELLS(clusterrolebinding, rbac_cluster_role_binding)

/* ---- certificates ---- */

struct doc cell_csr_signer(const void *obj, const struct table_ctx *ctx)
{
    const struct certificates_certificate_signing_request *c = obj;

    (void)ctx;
    return cell_text_or(c->spec.signer_name, "<none>");
}

struct doc cell_csr_duration(const void *obj, const struct table_ctx *ctx)
{
    const struct certificates_certificate_signing_request *c = obj;

    return cell_text(c->spec.expiration_seconds ? column_duration(*c->spec.expiration_seconds, ctx)
                                                : STR("<none>"));
}

struct doc cell_csr_condition(const void *obj, const struct table_ctx *ctx)
{
    const struct certificates_certificate_signing_request *c = obj;
    bool approved = false, denied = false, failed = false;

    for (size_t i = 0; i < c->status.conditions.n; i++) {
        struct str type = c->status.conditions.v[i].type;

        approved = approved || str_eqz(type, "Approved");
        denied = denied || str_eqz(type, "Denied");
        failed = failed || str_eqz(type, "Failed");
    }
    return cell_text(str_printf(ctx->arena, "%s%s%s",
                                denied     ? "Denied"
                                : approved ? "Approved"
                                           : "Pending",
                                failed ? ",Failed" : "",
                                c->status.certificate.len ? ",Issued" : ""));
}

/* ---- storage ---- */

struct doc cell_storageclass_name(const void *obj, const struct table_ctx *ctx)
{
    return name_or_default(obj, "storageclass.kubernetes.io/is-default-class",
                           "storageclass.beta.kubernetes.io/is-default-class", ctx);
}

struct doc cell_storageclass_reclaim(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_ptr_or(((const struct storage_storage_class *)obj)->reclaim_policy, "Delete");
}

struct doc cell_storageclass_binding(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_ptr_or(((const struct storage_storage_class *)obj)->volume_binding_mode,
                       "Immediate");
}

/* A boolean, although the column is one of strings: clients know it so. */
struct doc cell_storageclass_expansion(const void *obj, const struct table_ctx *ctx)
{
    const bool *allowed = ((const struct storage_storage_class *)obj)->allow_volume_expansion;

    (void)ctx;
    return doc_bool(allowed && *allowed);
}

struct doc cell_csinode_drivers(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return length(((const struct storage_csi_node *)obj)->spec.drivers.n);
}

struct doc cell_csidriver_attach(const void *obj, const struct table_ctx *ctx)
{
    const bool *required = ((const struct storage_csi_driver *)obj)->spec.attach_required;

    (void)ctx;
    return doc_bool(!required || *required);
}

struct doc cell_csidriver_tokens(const void *obj, const struct table_ctx *ctx)
{
    const struct storage_csi_driver_spec *s = &((const struct storage_csi_driver *)obj)->spec;
    struct str *all = arena_calloc(ctx->arena, s->token_requests.n + 1, sizeof(*all));

    if (!s->token_requests.v)
        return cell_text(STR("<unset>"));
    for (size_t i = 0; i < s->token_requests.n; i++)
        all[i] = s->token_requests.v[i].audience;
    return cell_text(column_join(all, s->token_requests.n, ",", ctx));
}

struct doc cell_csidriver_modes(const void *obj, const struct table_ctx *ctx)
{
    const struct string_list *m =
        (const void *)&((const struct storage_csi_driver *)obj)->spec.volume_lifecycle_modes;

    return cell_text_or(column_join(m->v, m->n, ",", ctx), "<none>");
}

/* ---- admissionregistration ---- */

#define WEBHOOKS_CELL(word, T)                                                                     \
    struct doc cell_##word##_webhooks(const void *obj, const struct table_ctx *ctx)                \
    {                                                                                              \
        (void)ctx;                                                                                 \
        return length(((const struct T *)obj)->webhooks.n);                                        \
    }
WEBHOOKS_CELL(mutating, admissionregistration_mutating_webhook_configuration)
WEBHOOKS_CELL(validating, admissionregistration_validating_webhook_configuration)

static struct doc param_kind(const struct admissionregistration_param_kind *k,
                             const struct table_ctx *ctx)
{
    if (!k)
        return cell_text(STR("<unset>"));
    if (!k->api_version.len)
        return cell_text(k->kind);
    return cell_text(
        str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(k->api_version), STR_ARG(k->kind)));
}

static struct doc param_ref(const struct admissionregistration_param_ref *r,
                            const struct table_ctx *ctx)
{
    if (!r)
        return cell_text(STR("<unset>"));
    if (r->name.len)
        return cell_text(str_printf(ctx->arena, "%.*s/%.*s",
                                    STR_ARG(r->namespace.len ? r->namespace : STR("*")),
                                    STR_ARG(r->name)));
    return cell_text(column_selector(r->selector, "<unset>", "<error>", ctx));
}

struct doc cell_vap_validations(const void *obj, const struct table_ctx *ctx)
{
    const struct admissionregistration_validating_admission_policy *p = obj;

    (void)ctx;
    return length(p->spec.validations.n);
}

struct doc cell_vap_param_kind(const void *obj, const struct table_ctx *ctx)
{
    const struct admissionregistration_validating_admission_policy *p = obj;

    return param_kind(p->spec.param_kind, ctx);
}

struct doc cell_map_mutations(const void *obj, const struct table_ctx *ctx)
{
    const struct admissionregistration_mutating_admission_policy *p = obj;

    (void)ctx;
    return length(p->spec.mutations.n);
}

struct doc cell_map_param_kind(const void *obj, const struct table_ctx *ctx)
{
    const struct admissionregistration_mutating_admission_policy *p = obj;

    return param_kind(p->spec.param_kind, ctx);
}

struct doc cell_vapb_param_ref(const void *obj, const struct table_ctx *ctx)
{
    const struct admissionregistration_validating_admission_policy_binding *b = obj;

    return param_ref(b->spec.param_ref, ctx);
}

struct doc cell_mapb_param_ref(const void *obj, const struct table_ctx *ctx)
{
    const struct admissionregistration_mutating_admission_policy_binding *b = obj;

    return param_ref(b->spec.param_ref, ctx);
}

/* ---- flowcontrol ---- */

struct doc cell_flowschema_precedence(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int(((const struct flowcontrol_flow_schema *)obj)->spec.matching_precedence);
}

struct doc cell_flowschema_method(const void *obj, const struct table_ctx *ctx)
{
    const struct flowcontrol_flow_schema *f = obj;

    (void)ctx;
    return cell_text(f->spec.distinguisher_method ? f->spec.distinguisher_method->type
                                                  : STR("<none>"));
}

struct doc cell_flowschema_missing(const void *obj, const struct table_ctx *ctx)
{
    const struct flowcontrol_flow_schema *f = obj;

    (void)ctx;
    for (size_t i = 0; i < f->status.conditions.n; i++) {
        if (str_eqz(f->status.conditions.v[i].type, "Dangling"))
            return cell_text(f->status.conditions.v[i].status);
    }
    return cell_text(STR("?"));
}

static const struct flowcontrol_queuing_configuration *queuing_of(const void *obj)
{
    const struct flowcontrol_priority_level_configuration *p = obj;

    return p->spec.limited ? p->spec.limited->limit_response.queuing : NULL;
}

struct doc cell_prioritylevel_shares(const void *obj, const struct table_ctx *ctx)
{
    const struct flowcontrol_priority_level_configuration *p = obj;

    (void)ctx;
    if (!p->spec.limited || !p->spec.limited->nominal_concurrency_shares)
        return cell_text(STR("<none>"));
    return doc_int(*p->spec.limited->nominal_concurrency_shares);
}

struct doc cell_prioritylevel_queues(const void *obj, const struct table_ctx *ctx)
{
    const struct flowcontrol_queuing_configuration *q = queuing_of(obj);

    (void)ctx;
    return q ? doc_int(q->queues) : cell_text(STR("<none>"));
}

struct doc cell_prioritylevel_hand(const void *obj, const struct table_ctx *ctx)
{
    const struct flowcontrol_queuing_configuration *q = queuing_of(obj);

    (void)ctx;
    return q ? doc_int(q->hand_size) : cell_text(STR("<none>"));
}

struct doc cell_prioritylevel_length(const void *obj, const struct table_ctx *ctx)
{
    const struct flowcontrol_queuing_configuration *q = queuing_of(obj);

    (void)ctx;
    return q ? doc_int(q->queue_length_limit) : cell_text(STR("<none>"));
}

/* ---- resource, apiregistration ---- */

struct doc cell_resourceclaim_state(const void *obj, const struct table_ctx *ctx)
{
    const struct resource_resource_claim *c = obj;
    bool deleted = c->metadata.deletion_timestamp.set, allocated = c->status.allocation != NULL;

    if (!allocated)
        return cell_text(deleted ? STR("deleted") : STR("pending"));
    return cell_text(str_printf(ctx->arena, "%sallocated%s", deleted ? "deleted," : "",
                                c->status.reserved_for.n ? ",reserved" : ""));
}

struct doc cell_apiservice_service(const void *obj, const struct table_ctx *ctx)
{
    const struct apiregistration_service_reference *s =
        ((const struct apiregistration_api_service *)obj)->spec.service;

    if (!s)
        return cell_text(STR("Local"));
    return cell_text(str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(s->namespace), STR_ARG(s->name)));
}

struct doc cell_apiservice_available(const void *obj, const struct table_ctx *ctx)
{
    const struct apiregistration_api_service *s = obj;

    for (size_t i = 0; i < s->status.conditions.n; i++) {
        const struct apiregistration_api_service_condition *c = &s->status.conditions.v[i];

        if (!str_eqz(c->type, "Available"))
            continue;
        if (str_eqz(c->status, "True") || !c->reason.len)
            return cell_text(c->status);
        return cell_text(
            str_printf(ctx->arena, "%.*s (%.*s)", STR_ARG(c->status), STR_ARG(c->reason)));
    }
    return cell_text(STR("Unknown"));
}
