/* SPDX-License-Identifier: Apache-2.0 */
/* core_defaults.c - defaults of the core group that depend on other fields; constants are in the
 * schema. */
#include "api/api.h"
#include "api/map_fill.h"

/* The tag or digest decides: "latest", or none at all, is always pulled. */
static struct str pull_policy(struct str image)
{
    long slash = str_rfind_char(image, '/');
    struct str last = str_sub(image, (size_t)(slash + 1), image.len);
    long colon = str_rfind_char(last, ':');

    if (str_find_char(last, '@') >= 0)
        return STR("IfNotPresent");
    if (colon < 0 || str_eq(str_sub(last, (size_t)colon + 1, last.len), STR("latest")))
        return STR("Always");
    return STR("IfNotPresent");
}

void core_container_set_defaults(void *obj, struct arena *a)
{
    struct core_container *c = obj;

    (void)a;
    if (c->image_pull_policy.len == 0)
        c->image_pull_policy = pull_policy(c->image);
}

void core_ephemeral_container_set_defaults(void *obj, struct arena *a)
{
    struct core_ephemeral_container *c = obj;

    (void)a;
    if (c->image_pull_policy.len == 0)
        c->image_pull_policy = pull_policy(c->image);
}

void core_volume_set_defaults(void *obj, struct arena *a)
{
    struct core_volume *v = obj;

    if (v->image && v->image->reference.len > 0 && v->image->pull_policy.len == 0)
        v->image->pull_policy = pull_policy(v->image->reference);
    for (size_t i = 0; i < type_core_volume.n_fields; i++) {
        const struct field *f = &type_core_volume.fields[i];

        /* Every member but the name is a pointer to one kind of source. */
        if (f->card == CARD_PTR && *(void **)field_ptr(f, v))
            return;
    }
    v->empty_dir = arena_new(a, struct core_empty_dir_volume_source);
}

/* The old and the new name of one field: whichever is given counts for both. */
void core_pod_spec_set_defaults(void *obj, struct arena *a)
{
    struct core_pod_spec *s = obj;

    (void)a;
    if (s->service_account_name.len == 0)
        s->service_account_name = s->service_account;
    s->service_account = s->service_account_name;
}

static void default_container(struct core_pod_spec *spec, struct core_container *c, struct arena *a)
{
    quantity_map_fill(a, &c->resources.requests, &c->resources.limits);
    for (size_t i = 0; spec->host_network && i < c->ports.n; i++) {
        if (c->ports.v[i].host_port == 0)
            c->ports.v[i].host_port = c->ports.v[i].container_port;
    }
}

/* Of pods themselves, not of templates. */
void core_pod_set_defaults(void *obj, struct arena *a)
{
    struct core_pod *p = obj;

    if (!p->spec.enable_service_links)
        p->spec.enable_service_links = arena_box(a, (bool)true);
    for (size_t i = 0; i < p->spec.containers.n; i++)
        default_container(&p->spec, &p->spec.containers.v[i], a);
    for (size_t i = 0; i < p->spec.init_containers.n; i++)
        default_container(&p->spec, &p->spec.init_containers.v[i], a);
    if (p->spec.resources)
        quantity_map_fill(a, &p->spec.resources->requests, &p->spec.resources->limits);
}

static void default_affinity(struct core_service_spec *s, struct arena *a)
{
    struct core_client_ip_config *c;

    if (!str_eq(s->session_affinity, STR("ClientIP"))) {
        s->session_affinity_config = NULL;
        return;
    }
    if (!s->session_affinity_config)
        s->session_affinity_config = arena_new(a, struct core_session_affinity_config);
    if (!s->session_affinity_config->client_ip)
        s->session_affinity_config->client_ip = arena_new(a, struct core_client_ip_config);
    c = s->session_affinity_config->client_ip;
    if (!c->timeout_seconds)
        c->timeout_seconds = arena_box(a, (int32_t)10800);
}

void core_service_set_defaults(void *obj, struct arena *a)
{
    struct core_service_spec *s = &((struct core_service *)obj)->spec;
    struct core_service_status *st = &((struct core_service *)obj)->status;
    /* The constant defaults of the spec come after this: an empty type means ClusterIP here. */
    bool cluster_ip = s->type.len == 0 || str_eq(s->type, STR("ClusterIP"));
    bool node_port = str_eq(s->type, STR("NodePort"));
    bool load_balancer = str_eq(s->type, STR("LoadBalancer"));

    default_affinity(s, a);
    for (size_t i = 0; i < s->ports.n; i++) {
        struct int_or_string *t = &s->ports.v[i].target_port;

        if (t->kind == INT_OR_STRING_ABSENT || (t->kind == INT_OR_STRING_INT && t->i == 0) ||
            (t->kind == INT_OR_STRING_STRING && t->s.len == 0))
            *t = (struct int_or_string){.kind = INT_OR_STRING_INT, .i = s->ports.v[i].port};
    }
    if ((node_port || load_balancer || (cluster_ip && s->external_ips.n > 0)) &&
        s->external_traffic_policy.len == 0)
        s->external_traffic_policy = STR("Cluster");
    if ((cluster_ip || node_port || load_balancer) && !s->internal_traffic_policy)
        s->internal_traffic_policy = arena_box(a, STR("Cluster"));
    if (!load_balancer)
        return;
    if (!s->allocate_load_balancer_node_ports)
        s->allocate_load_balancer_node_ports = arena_box(a, (bool)true);
    for (size_t i = 0; i < st->load_balancer.ingress.n; i++) {
        struct core_load_balancer_ingress *in = &st->load_balancer.ingress.v[i];

        if (in->ip.len > 0 && !in->ip_mode)
            in->ip_mode = arena_box(a, STR("VIP"));
    }
}

static struct string_map copied(const struct string_map *m, struct arena *a)
{
    struct string_map c = {arena_calloc(a, m->n + 1, sizeof(*m->v)), m->n};

    if (m->n > 0)
        memcpy(c.v, m->v, m->n * sizeof(*m->v));
    return c;
}

void core_replication_controller_set_defaults(void *obj, struct arena *a)
{
    struct core_replication_controller *rc = obj;
    const struct string_map *labels =
        rc->spec.template ? &rc->spec.template->metadata.labels : NULL;

    if (!labels || labels->n == 0)
        return;
    if (rc->spec.selector.n == 0)
        rc->spec.selector = copied(labels, a);
    if (rc->metadata.labels.n == 0)
        rc->metadata.labels = copied(labels, a);
}

void core_namespace_set_defaults(void *obj, struct arena *a)
{
    struct core_namespace *n = obj;

    if (n->metadata.name.len > 0)
        string_map_set(a, &n->metadata.labels, STR("kubernetes.io/metadata.name"),
                       n->metadata.name);
}

/* One network and the list of them say the same; of two that differ the one counts. */
static void join_networks(struct core_node_spec *s, struct arena *a)
{
    if (s->pod_cidr.len && (!s->pod_cidrs.n || !str_eq(s->pod_cidrs.v[0], s->pod_cidr))) {
        s->pod_cidrs.v = arena_box(a, s->pod_cidr);
        s->pod_cidrs.n = 1;
    } else if (s->pod_cidrs.n) {
        s->pod_cidr = s->pod_cidrs.v[0];
    }
}

void core_node_set_defaults(void *obj, struct arena *a)
{
    struct core_node *n = obj;

    join_networks(&n->spec, a);
    if (n->status.allocatable.n == 0)
        n->status.allocatable = n->status.capacity;
}

void core_limit_range_item_set_defaults(void *obj, struct arena *a)
{
    struct core_limit_range_item *l = obj;

    if (!str_eq(l->type, STR("Container")))
        return;
    quantity_map_fill(a, &l->default_, &l->max);
    quantity_map_fill(a, &l->default_request, &l->default_);
    quantity_map_fill(a, &l->default_request, &l->min);
}
