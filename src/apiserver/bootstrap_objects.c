/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap_objects.c - namespaces, roles, priorities and configmaps of every cluster. */
#include "apiserver/bootstrap.h"
#include "apiserver/rbac_bootstrap.h"

void bootstrap_namespaces(struct apiserver *as, struct system_write *w)
{
    static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease", "default"};
    struct arena *a = system_write_arena(w);

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct core_namespace *ns = arena_new(a, struct core_namespace);

        ns->metadata.name = str_from(names[i]);
        string_map_set(a, &ns->metadata.labels, STR("kubernetes.io/metadata.name"),
                       ns->metadata.name);
        ns->spec.finalizers.v = arena_new(a, struct str);
        ns->spec.finalizers.v[0] = STR("kubernetes");
        ns->spec.finalizers.n = 1;
        ns->status.phase = STR("Active");
        bootstrap_ensure(as, w, &res_core_namespaces, ns);
    }
}

void bootstrap_priorities(struct apiserver *as, struct system_write *w)
{
    static const struct {
        const char *name, *description;
        int32_t value;
    } classes[] = {
        {"system-node-critical",
         "Used for system critical pods that must not be moved from their current node.",
         2000001000},
        {"system-cluster-critical",
         "Used for system critical pods that must run in the cluster, but can be moved to another "
         "node if necessary.",
         2000000000},
    };
    struct arena *a = system_write_arena(w);

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        struct scheduling_priority_class *c = arena_new(a, struct scheduling_priority_class);

        c->metadata.name = str_from(classes[i].name);
        c->metadata.generation = 1;
        c->value = classes[i].value;
        c->description = str_from(classes[i].description);
        c->preemption_policy = arena_new(a, struct str);
        *c->preemption_policy = STR("PreemptLowerPriority");
        bootstrap_ensure(as, w, &res_scheduling_priorityclasses, c);
    }
}

/* The authority that client certificates are checked against, for extension API servers. */
static void authentication_configmap(struct apiserver *as, struct system_write *w)
{
    struct arena *a = system_write_arena(w);
    struct str name = STR("extension-apiserver-authentication"), ns = STR("kube-system");
    struct object *o = bootstrap_find(as, w, &res_core_configmaps, ns, name);
    struct core_config_map *cm = arena_new(a, struct core_config_map);
    struct str key = STR("client-ca-file");

    if (o) {
        *cm = *OBJECT_AS(core_config_map, o);
        if (!str_eq(string_map_get(&cm->data, key), as->opts.ca_pem)) {
            struct string_map data = {0};

            for (size_t i = 0; i < cm->data.n; i++)
                string_map_set(a, &data, cm->data.v[i].key, cm->data.v[i].value);
            string_map_set(a, &data, key, as->opts.ca_pem);
            cm->data = data;
            system_write_put(w, &res_core_configmaps, cm, o->revision);
        }
        object_unref(o);
        return;
    }
    cm->metadata.name = name;
    cm->metadata.namespace = ns;
    string_map_set(a, &cm->data, key, as->opts.ca_pem);
    system_write_put(w, &res_core_configmaps, cm, STORE_ABSENT);
}

void bootstrap_configmaps(struct apiserver *as, struct system_write *w)
{
    struct arena *a = system_write_arena(w);
    struct core_config_map *cm = arena_new(a, struct core_config_map);
    struct str now = time_str(a, time_from_ns(loop_wall_ns(as->loop)));

    authentication_configmap(as, w);
    cm->metadata.name = STR("kube-apiserver-legacy-service-account-token-tracking");
    cm->metadata.namespace = STR("kube-system");
    string_map_set(a, &cm->data, STR("since"), str_sub(now, 0, sizeof("2006-01-02") - 1));
    bootstrap_ensure(as, w, &res_core_configmaps, cm);
}

static void ensure_role(struct apiserver *as, struct system_write *w,
                        const struct rbac_default_role *r)
{
    const struct resource *res = r->ns ? &res_rbac_roles : &res_rbac_clusterroles;
    struct arena *a = system_write_arena(w);
    struct object *o = bootstrap_find(as, w, res, str_from(r->ns), str_from(r->name));
    void *role = rbac_default_role_make(r, a);

    if (!o)
        system_write_put(w, res, role, STORE_ABSENT);
    else if (rbac_reconcile_role(res, object_typed(o), role, a))
        system_write_put(w, res, role, o->revision);
    object_unref(o);
}

static void ensure_binding(struct apiserver *as, struct system_write *w,
                           const struct rbac_default_binding *b)
{
    const struct resource *res = b->ns ? &res_rbac_rolebindings : &res_rbac_clusterrolebindings;
    struct arena *a = system_write_arena(w);
    struct object *o = bootstrap_find(as, w, res, str_from(b->ns), str_from(b->name));
    void *binding = rbac_default_binding_make(b, a);

    if (!o)
        system_write_put(w, res, binding, STORE_ABSENT);
    else if (rbac_reconcile_binding(res, object_typed(o), binding, a))
        system_write_put(w, res, binding, o->revision);
    object_unref(o);
}

void bootstrap_rbac(struct apiserver *as, struct system_write *w)
{
    for (const struct rbac_default_role *r = rbac_default_roles; r->name; r++)
        ensure_role(as, w, r);
    for (const struct rbac_default_binding *b = rbac_default_bindings; b->name; b++)
        ensure_binding(as, w, b);
    for (const struct rbac_default_role *r = rbac_controller_roles; r->name; r++) {
        struct rbac_default_binding b = rbac_controller_binding(r, system_write_arena(w));

        ensure_role(as, w, r);
        ensure_binding(as, w, &b);
    }
}
