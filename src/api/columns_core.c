/* SPDX-License-Identifier: Apache-2.0 */
/* columns_core.c - cells of the core group's kinds, but pods and what makes them. Layer: api. */
#include "api/columns.h"

enum { SHOWN_MAX = 3 }; /* addresses, ports and hosts that one cell names */

/* ---- Service, Endpoints ---- */

struct doc cell_service_cluster_ip(const void *obj, const struct table_ctx *ctx)
{
    const struct core_service *s = obj;

    (void)ctx;
    return cell_text_or(s->spec.cluster_ips.n ? s->spec.cluster_ips.v[0] : STR_NULL, "<none>");
}

static struct str balancer_addresses(const struct core_service *s, const struct table_ctx *ctx)
{
    size_t n = s->status.load_balancer.ingress.n;
    struct str *all = arena_calloc(ctx->arena, n + 1, sizeof(*all));
    size_t n_all = 0;

    for (size_t i = 0; i < n; i++) {
        const struct core_load_balancer_ingress *in = &s->status.load_balancer.ingress.v[i];

        if (in->ip.len || in->hostname.len)
            all[n_all++] = in->ip.len ? in->ip : in->hostname;
    }
    return column_join_set(all, n_all, ctx);
}

struct doc cell_service_external_ip(const void *obj, const struct table_ctx *ctx)
{
    const struct core_service *s = obj;
    struct str own = column_join(s->spec.external_ips.v, s->spec.external_ips.n, ",", ctx);
    struct str balancer;

    if (str_eqz(s->spec.type, "ClusterIP") || str_eqz(s->spec.type, "NodePort"))
        return cell_text_or(own, "<none>");
    if (str_eqz(s->spec.type, "ExternalName"))
        return cell_text(s->spec.external_name);
    if (!str_eqz(s->spec.type, "LoadBalancer"))
        return cell_text(STR("<unknown>"));
    balancer = balancer_addresses(s, ctx);
    if (balancer.len && own.len)
        return cell_text(str_printf(ctx->arena, "%.*s,%.*s", STR_ARG(balancer), STR_ARG(own)));
    return cell_text_or(balancer.len ? balancer : own, "<pending>");
}

struct doc cell_service_ports(const void *obj, const struct table_ctx *ctx)
{
    const struct core_service *s = obj;
    auto_buf b = {0};

    if (!s->spec.ports.n)
        return cell_text(STR("<none>"));
    for (size_t i = 0; i < s->spec.ports.n; i++) {
        const struct core_service_port *p = &s->spec.ports.v[i];

        buf_printf(&b, "%s%d", i ? "," : "", p->port);
        if (p->node_port > 0)
            buf_printf(&b, ":%d", p->node_port);
        buf_printf(&b, "/%.*s", STR_ARG(p->protocol));
    }
    return cell_buf(&b, ctx);
}

struct doc cell_service_selector(const void *obj, const struct table_ctx *ctx)
{
    return cell_text(column_labels(&((const struct core_service *)obj)->spec.selector, ctx));
}

static void write_endpoint(struct buf *b, size_t *n, struct str ip, int32_t port)
{
    bool v6 = str_find_char(ip, ':') >= 0;

    if (++*n > SHOWN_MAX)
        return;
    buf_puts(b, *n > 1 ? "," : "");
    if (port)
        buf_printf(b, v6 ? "[%.*s]:%d" : "%.*s:%d", STR_ARG(ip), port);
    else
        buf_str(b, ip);
}

struct doc cell_endpoints(const void *obj, const struct table_ctx *ctx)
{
    const struct core_endpoints *e = obj;
    auto_buf b = {0};
    size_t n = 0;

    if (!e->subsets.n)
        return cell_text(STR("<none>"));
    for (size_t i = 0; i < e->subsets.n; i++) {
        const struct core_endpoint_subset *s = &e->subsets.v[i];

        for (size_t p = 0; p < s->ports.n; p++) {
            for (size_t k = 0; k < s->addresses.n; k++)
                write_endpoint(&b, &n, s->addresses.v[k].ip, s->ports.v[p].port);
        }
        for (size_t k = 0; !s->ports.n && k < s->addresses.n; k++)
            write_endpoint(&b, &n, s->addresses.v[k].ip, 0);
    }
    if (n > SHOWN_MAX)
        buf_printf(&b, " + %zu more...", n - SHOWN_MAX);
    return cell_buf(&b, ctx);
}

/* ---- Node ---- */

struct doc cell_node_status(const void *obj, const struct table_ctx *ctx)
{
    const struct core_node *n = obj;
    const char *word = "Unknown";

    for (size_t i = 0; i < n->status.conditions.n; i++) {
        if (str_eqz(n->status.conditions.v[i].type, "Ready"))
            word = str_eqz(n->status.conditions.v[i].status, "True") ? "Ready" : "NotReady";
    }
    return cell_text(
        str_printf(ctx->arena, "%s%s", word, n->spec.unschedulable ? ",SchedulingDisabled" : ""));
}

struct doc cell_node_roles(const void *obj, const struct table_ctx *ctx)
{
    static const struct str prefix = STR_INIT("node-role.kubernetes.io/");
    const struct string_map *labels = &((const struct core_node *)obj)->metadata.labels;
    struct str *roles = arena_calloc(ctx->arena, labels->n + 1, sizeof(*roles));
    size_t n = 0;

    for (size_t i = 0; i < labels->n; i++) {
        struct str key = labels->v[i].key;

        if (str_has_prefix(key, prefix) && key.len > prefix.len)
            roles[n++] = str_sub(key, prefix.len, key.len);
        else if (str_eqz(key, "kubernetes.io/role") && labels->v[i].value.len)
            roles[n++] = labels->v[i].value;
    }
    return cell_text_or(column_join_set(roles, n, ctx), "<none>");
}

static struct doc node_address(const struct core_node *n, const char *type)
{
    for (size_t i = 0; i < n->status.addresses.n; i++) {
        if (str_eqz(n->status.addresses.v[i].type, type))
            return cell_text(n->status.addresses.v[i].address);
    }
    return cell_text(STR("<none>"));
}

struct doc cell_node_internal_ip(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return node_address(obj, "InternalIP");
}

struct doc cell_node_external_ip(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return node_address(obj, "ExternalIP");
}

struct doc cell_node_os(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_text_or(((const struct core_node *)obj)->status.node_info.os_image, "<unknown>");
}

struct doc cell_node_kernel(const void *obj, const struct table_ctx *ctx)
{
    const struct core_node_system_info *info = &((const struct core_node *)obj)->status.node_info;
    struct str kernel = info->kernel_version.len ? info->kernel_version : STR("<unknown>");

    if (!info->architecture.len)
        return cell_text(kernel);
    return cell_text(
        str_printf(ctx->arena, "%.*s (%.*s)", STR_ARG(kernel), STR_ARG(info->architecture)));
}

struct doc cell_node_runtime(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_text_or(((const struct core_node *)obj)->status.node_info.container_runtime_version,
                        "<unknown>");
}

/* ---- Event ---- */

struct doc cell_event_first_seen(const void *obj, const struct table_ctx *ctx)
{
    const struct core_event *e = obj;

    return cell_text(column_age(e->first_timestamp.set ? e->first_timestamp : e->event_time, ctx));
}

struct doc cell_event_last_seen(const void *obj, const struct table_ctx *ctx)
{
    const struct core_event *e = obj;

    if (e->series)
        return cell_text(column_age(e->series->last_observed_time, ctx));
    return e->last_timestamp.set ? cell_text(column_age(e->last_timestamp, ctx))
                                 : cell_event_first_seen(obj, ctx);
}

struct doc cell_event_object(const void *obj, const struct table_ctx *ctx)
{
    const struct core_object_reference *r = &((const struct core_event *)obj)->involved_object;
    struct str kind = column_lower(r->kind, ctx);

    if (!r->name.len)
        return cell_text(kind);
    return cell_text(str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(kind), STR_ARG(r->name)));
}

struct doc cell_event_source(const void *obj, const struct table_ctx *ctx)
{
    const struct core_event *e = obj;
    struct str who = e->source.component.len ? e->source.component : e->reporting_component;
    struct str where = e->source.host.len ? e->source.host : e->reporting_instance;

    if (!where.len)
        return cell_text(who);
    return cell_text(str_printf(ctx->arena, "%.*s, %.*s", STR_ARG(who), STR_ARG(where)));
}

struct doc cell_event_message(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_text(str_trim(((const struct core_event *)obj)->message));
}

struct doc cell_event_count(const void *obj, const struct table_ctx *ctx)
{
    const struct core_event *e = obj;
    int32_t count = e->series ? e->series->count : e->count;

    (void)ctx;
    return doc_int(count ? count : 1);
}

/* Events of the newer group show the same, by way of the stored form. */
#define EVENTS_CELL(what)                                                                          \
    struct doc cell_events_event_##what(const void *obj, const struct table_ctx *ctx)              \
    {                                                                                              \
        struct core_event *e = arena_new(ctx->arena, struct core_event);                           \
                                                                                                   \
        events_event_to_core(obj, e, ctx->arena);                                                  \
        return cell_event_##what(e, ctx);                                                          \
    }
EVENTS_CELL(first_seen)
EVENTS_CELL(last_seen)
EVENTS_CELL(object)
EVENTS_CELL(source)
EVENTS_CELL(message)
EVENTS_CELL(count)

/* ---- ConfigMap, Secret, ResourceQuota, ComponentStatus ---- */

struct doc cell_configmap_data(const void *obj, const struct table_ctx *ctx)
{
    const struct core_config_map *c = obj;

    (void)ctx;
    return doc_int((int64_t)(c->data.n + c->binary_data.n));
}

struct doc cell_secret_data(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int((int64_t)((const struct core_secret *)obj)->data.n);
}

static struct doc quota_text(const struct core_resource_quota *q, bool limits,
                             const struct table_ctx *ctx)
{
    auto_buf b = {0};

    for (size_t i = 0; i < q->status.hard.n; i++) {
        struct str key = q->status.hard.v[i].key;

        if (str_has_prefix(key, STR("limits.")) != limits)
            continue;
        buf_printf(&b, "%s%.*s: ", b.len ? ", " : "", STR_ARG(key));
        quantity_write(&b, quantity_map_get(&q->status.used, key));
        buf_putc(&b, '/');
        quantity_write(&b, q->status.hard.v[i].value);
    }
    return cell_buf(&b, ctx);
}

struct doc cell_quota_request(const void *obj, const struct table_ctx *ctx)
{
    return quota_text(obj, false, ctx);
}

struct doc cell_quota_limit(const void *obj, const struct table_ctx *ctx)
{
    return quota_text(obj, true, ctx);
}

static const struct core_component_condition *health_of(const void *obj)
{
    const struct core_component_status *s = obj;

    for (size_t i = 0; i < s->conditions.n; i++) {
        if (str_eqz(s->conditions.v[i].type, "Healthy"))
            return &s->conditions.v[i];
    }
    return NULL;
}

struct doc cell_component_status(const void *obj, const struct table_ctx *ctx)
{
    const struct core_component_condition *c = health_of(obj);

    (void)ctx;
    if (!c)
        return cell_text(STR("Unknown"));
    return cell_text(str_eqz(c->status, "True") ? STR("Healthy") : STR("Unhealthy"));
}

struct doc cell_component_message(const void *obj, const struct table_ctx *ctx)
{
    const struct core_component_condition *c = health_of(obj);

    (void)ctx;
    return cell_text(c ? c->message : STR_NULL);
}

struct doc cell_component_error(const void *obj, const struct table_ctx *ctx)
{
    const struct core_component_condition *c = health_of(obj);

    (void)ctx;
    return cell_text(c ? c->error : STR_NULL);
}

/* ---- PersistentVolume, PersistentVolumeClaim ---- */

static struct doc storage_class(const struct meta_object_meta *m, struct str name)
{
    struct str old =
        string_map_get(&m->annotations, STR("volume.beta.kubernetes.io/storage-class"));

    return cell_text(old.p ? old : name);
}

static struct doc volume_phase(const struct meta_object_meta *m, struct str phase)
{
    return cell_text(m->deletion_timestamp.set ? STR("Terminating") : phase);
}

struct doc cell_pv_modes(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume *v = obj;

    return cell_text(column_modes(v->spec.access_modes.v, v->spec.access_modes.n, ctx));
}

struct doc cell_pv_status(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume *v = obj;

    (void)ctx;
    return volume_phase(&v->metadata, v->status.phase);
}

struct doc cell_pv_claim(const void *obj, const struct table_ctx *ctx)
{
    const struct core_object_reference *r =
        ((const struct core_persistent_volume *)obj)->spec.claim_ref;

    if (!r)
        return cell_text(STR(""));
    return cell_text(str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(r->namespace), STR_ARG(r->name)));
}

struct doc cell_pv_class(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume *v = obj;

    (void)ctx;
    return storage_class(&v->metadata, v->spec.storage_class_name);
}

struct doc cell_pv_attributes_class(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume *v = obj;

    (void)ctx;
    return cell_ptr_or(v->spec.volume_attributes_class_name, "<unset>");
}

struct doc cell_pv_mode(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_ptr_or(((const struct core_persistent_volume *)obj)->spec.volume_mode, "<unset>");
}

struct doc cell_pvc_status(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume_claim *c = obj;

    (void)ctx;
    return volume_phase(&c->metadata, c->status.phase);
}

struct doc cell_pvc_capacity(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume_claim *c = obj;

    if (!c->spec.volume_name.len)
        return cell_text(STR(""));
    return cell_text(
        quantity_str(ctx->arena, quantity_map_get(&c->status.capacity, STR("storage"))));
}

struct doc cell_pvc_modes(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume_claim *c = obj;

    if (!c->spec.volume_name.len)
        return cell_text(STR(""));
    return cell_text(column_modes(c->status.access_modes.v, c->status.access_modes.n, ctx));
}

struct doc cell_pvc_class(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume_claim *c = obj;

    (void)ctx;
    return storage_class(&c->metadata,
                         c->spec.storage_class_name ? *c->spec.storage_class_name : STR_NULL);
}

struct doc cell_pvc_attributes_class(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume_claim *c = obj;

    (void)ctx;
    return cell_ptr_or(c->spec.volume_attributes_class_name, "<unset>");
}

struct doc cell_pvc_mode(const void *obj, const struct table_ctx *ctx)
{
    const struct core_persistent_volume_claim *c = obj;

    (void)ctx;
    return cell_ptr_or(c->spec.volume_mode, "<unset>");
}
