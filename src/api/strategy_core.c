/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_core.c - how the kinds of the core group, but pods, are made and changed. Layer: api. */
#include "api/map_fill.h"
#include "api/validate_core.h"
#include "schema/typed.h"

/* ---- Namespace ---- */

static void namespace_prepare_create(void *obj, struct arena *a)
{
    struct core_namespace *ns = obj;
    size_t n = ns->spec.finalizers.n;

    ns->status = (struct core_namespace_status){.phase = STR("Active")};
    for (size_t i = 0; i < n; i++) {
        if (str_eqz(ns->spec.finalizers.v[i], "kubernetes"))
            return;
    }
    ns->spec.finalizers.v =
        arena_grow(a, ns->spec.finalizers.v, n, n + 1, sizeof(*ns->spec.finalizers.v));
    ns->spec.finalizers.v[n] = STR("kubernetes");
    ns->spec.finalizers.n = n + 1;
}

/* Finalizers are changed through /finalize only. */
static void namespace_prepare_update(void *obj, const void *old, struct arena *a)
{
    struct core_namespace *ns = obj;

    (void)a;
    ns->spec.finalizers = ((const struct core_namespace *)old)->spec.finalizers;
}

const struct strategy strategy_namespaces = {
    .prepare_create = namespace_prepare_create,
    .prepare_update = namespace_prepare_update,
    .validate = validate_namespace,
    .validate_status = validate_namespace_status,
    .name_format = "dns-label",
};

/* ---- PersistentVolume, PersistentVolumeClaim ---- */

static void volume_prepare_create(void *obj, struct arena *a)
{
    struct core_persistent_volume *pv = obj;

    (void)a;
    pv->status = (struct core_persistent_volume_status){
        .phase = STR("Pending"),
        .last_phase_transition_time = pv->metadata.creation_timestamp,
    };
}

const struct strategy strategy_persistentvolumes = {
    .prepare_create = volume_prepare_create,
    .validate = validate_volume,
};

static bool is_claim_source(struct str group, struct str kind)
{
    return (str_empty(group) && str_eqz(kind, "PersistentVolumeClaim")) ||
           (str_eqz(group, "snapshot.storage.k8s.io") && str_eqz(kind, "VolumeSnapshot"));
}

/* The old and the new name of one field: what is given counts for both. */
static void share_data_source(struct core_persistent_volume_claim_spec *s, struct arena *a)
{
    static const struct str none = {0};
    const struct core_typed_object_reference *ref = s->data_source_ref;
    const struct core_typed_local_object_reference *src = s->data_source;

    if (src && !ref) {
        if (!is_claim_source(src->api_group ? *src->api_group : none, src->kind))
            return;
        s->data_source_ref = arena_new(a, struct core_typed_object_reference);
        s->data_source_ref->api_group = src->api_group;
        s->data_source_ref->kind = src->kind;
        s->data_source_ref->name = src->name;
    } else if (ref && !src) {
        if ((ref->namespace && ref->namespace->len) ||
            !is_claim_source(ref->api_group ? *ref->api_group : none, ref->kind))
            return;
        s->data_source = arena_new(a, struct core_typed_local_object_reference);
        s->data_source->api_group = ref->api_group;
        s->data_source->kind = ref->kind;
        s->data_source->name = ref->name;
    }
}

static void claim_prepare_create(void *obj, struct arena *a)
{
    struct core_persistent_volume_claim *pvc = obj;

    pvc->status = (struct core_persistent_volume_claim_status){.phase = STR("Pending")};
    share_data_source(&pvc->spec, a);
}

static void claim_prepare_update(void *obj, const void *old, struct arena *a)
{
    (void)old;
    share_data_source(&((struct core_persistent_volume_claim *)obj)->spec, a);
}

const struct strategy strategy_persistentvolumeclaims = {
    .prepare_create = claim_prepare_create,
    .prepare_update = claim_prepare_update,
    .validate = validate_claim,
};

/* ---- Secret, ConfigMap, ServiceAccount, Service and the rest ---- */

/* stringData is for writing only: it becomes data. */
static void move_string_data(struct core_secret *s, struct arena *a)
{
    struct string_map *data = (void *)&s->data; /* bytes and strings lie alike */

    string_map_fill(a, data, &s->string_data, true);
    s->string_data = (struct string_map){0};
}

static void secret_prepare_create(void *obj, struct arena *a)
{
    move_string_data(obj, a);
}

static void secret_prepare_update(void *obj, const void *old, struct arena *a)
{
    (void)old;
    move_string_data(obj, a);
}

const struct strategy strategy_secrets = {
    .prepare_create = secret_prepare_create,
    .prepare_update = secret_prepare_update,
    .validate = validate_secret,
};

/* Of the secrets of an account only the names count. */
static void account_prepare_create(void *obj, struct arena *a)
{
    struct core_service_account *sa = obj;

    (void)a;
    for (size_t i = 0; i < sa->secrets.n; i++)
        sa->secrets.v[i] = (struct core_object_reference){.name = sa->secrets.v[i].name};
}

static void account_prepare_update(void *obj, const void *old, struct arena *a)
{
    (void)old;
    account_prepare_create(obj, a);
}

const struct strategy strategy_serviceaccounts = {
    .prepare_create = account_prepare_create,
    .prepare_update = account_prepare_update,
};

static bool takes_outside_traffic(const struct core_service_spec *s)
{
    return str_eqz(s->type, "NodePort") || str_eqz(s->type, "LoadBalancer") ||
           (str_eqz(s->type, "ClusterIP") && s->external_ips.n);
}

/* What only the former type could have, and the client did not change, goes with that type. (Its
 * addresses and ports go where they are allocated.) */
static void service_prepare_update(void *obj, const void *old, struct arena *a)
{
    struct core_service_spec *s = &((struct core_service *)obj)->spec;
    const struct core_service_spec *was = &((const struct core_service *)old)->spec;
    const bool *allocate = was->allocate_load_balancer_node_ports;

    (void)a;
    if (takes_outside_traffic(was) && !takes_outside_traffic(s) &&
        str_eq(s->external_traffic_policy, was->external_traffic_policy))
        s->external_traffic_policy = STR_NULL;
    if (!str_eqz(was->type, "LoadBalancer") || str_eqz(s->type, "LoadBalancer"))
        return;
    if (s->allocate_load_balancer_node_ports && allocate &&
        *s->allocate_load_balancer_node_ports == *allocate)
        s->allocate_load_balancer_node_ports = NULL;
    if (s->load_balancer_class && was->load_balancer_class &&
        str_eq(*s->load_balancer_class, *was->load_balancer_class))
        s->load_balancer_class = NULL;
}

const struct strategy strategy_services = {
    .prepare_update = service_prepare_update,
    .validate = validate_service,
    .validate_status = validate_service_status,
    .name_format = "dns-label",
};
const struct strategy strategy_events = {
    .validate = validate_event,
    .name_format = "path-segment",
};
const struct strategy strategy_configmaps = {.validate = validate_configmap};
const struct strategy strategy_endpoints = {.validate = validate_endpoints};
const struct strategy strategy_nodes = {
    .validate = validate_node,
    .validate_status = validate_node,
};
const struct strategy strategy_limitranges = {.validate = validate_limitrange};
const struct strategy strategy_resourcequotas = {.validate = validate_quota};
