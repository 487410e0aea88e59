/* SPDX-License-Identifier: Apache-2.0 */
/* serviceaccount.c - every active namespace has a ServiceAccount "default" and a ConfigMap with the
 * CA. */
#include "controller/common.h"

#define CA_CONFIG_MAP "kube-root-ca.crt"

static void namespace_key(const struct view *v, const struct object *o,
                          void (*add)(void *arg, struct str key), void *arg)
{
    (void)v;
    add(arg, o->res == &res_core_namespaces ? o->name : o->ns);
}

static bool active(const struct view *v, struct str name)
{
    const struct object *o = view_find(v, &res_core_namespaces, STR_NULL, name);

    return o && !object_meta(o)->deletion_timestamp.set;
}

static int plan_account(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    struct core_service_account *account = arena_new(v->arena, struct core_service_account);
    struct plan_op op = {.kind = PLAN_CREATE,
                         .res = &res_core_serviceaccounts,
                         .ns = key,
                         .obj = account,
                         .ignore_exists = true,
                         .ignore_missing = true};

    (void)err;
    if (!active(v, key) || view_find(v, &res_core_serviceaccounts, key, STR("default")))
        return 0;
    account->metadata.name = STR("default");
    account->metadata.namespace = key;
    plan_add(plan, &op);
    return 0;
}

static int plan_ca(const struct view *v, struct str key, struct plan *plan, struct err *err)
{
    static struct str description =
        STR_INIT("Contains a CA bundle that can be used to verify the kube-apiserver when using "
                 "internal endpoints such as the internal service IP or kubernetes.default.svc. "
                 "No other usage is guaranteed across distributions of Kubernetes clusters.");
    const struct object *have;
    struct core_config_map *map = arena_new(v->arena, struct core_config_map);
    struct plan_op op = {.kind = PLAN_CREATE,
                         .res = &res_core_configmaps,
                         .ns = key,
                         .obj = map,
                         .ignore_exists = true,
                         .ignore_missing = true};

    (void)err;
    if (!active(v, key))
        return 0;
    have = view_find(v, &res_core_configmaps, key, STR(CA_CONFIG_MAP));
    if (have) {
        *map = *OBJECT_AS(core_config_map, have);
        if (map->data.n == 1 && str_eq(string_map_get(&map->data, STR("ca.crt")), v->ca_pem))
            return 0;
        op.kind = PLAN_UPDATE;
        op.name = STR(CA_CONFIG_MAP);
    }
    map->metadata.name = STR(CA_CONFIG_MAP);
    map->metadata.namespace = key;
    map->data = (struct string_map){0};
    string_map_set(v->arena, &map->data, STR("ca.crt"), v->ca_pem);
    map->metadata.annotations = (struct string_map){0};
    string_map_set(v->arena, &map->metadata.annotations, STR("kubernetes.io/description"),
                   description);
    plan_add(plan, &op);
    return 0;
}

static const struct watch_rule account_watches[] = {
    {.res = &res_core_namespaces},
    {.res = &res_core_serviceaccounts, .keys = namespace_key},
    {0},
};
const struct controller serviceaccount_controller = {
    .name = "serviceaccount",
    .identity = "service-account-controller",
    .event_component = "service-account-controller",
    .watches = account_watches,
    .plan = plan_account,
};

static const struct watch_rule ca_watches[] = {
    {.res = &res_core_namespaces},
    {.res = &res_core_configmaps, .keys = namespace_key},
    {0},
};
const struct controller rootca_controller = {
    .name = "root-ca",
    .identity = "root-ca-cert-publisher",
    .event_component = "root-ca-cert-publisher",
    .watches = ca_watches,
    .plan = plan_ca,
};
