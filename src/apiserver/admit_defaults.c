/* SPDX-License-Identifier: Apache-2.0 */
/* admit_defaults.c - plugins that fill in what the cluster has a default for. */
#include "apiserver/admit.h"
#include "schema/typed.h"

enum { TOLERATION_SEC = 300 };

static bool tolerates(const struct core_pod *pod, const char *key)
{
    for (size_t i = 0; i < pod->spec.tolerations.n; i++) {
        const struct core_toleration *t = &pod->spec.tolerations.v[i];

        if ((str_empty(t->key) || str_eqz(t->key, key)) &&
            (str_empty(t->effect) || str_eqz(t->effect, "NoExecute")))
            return true;
    }
    return false;
}

enum stage_result admit_tolerations(struct request *rq)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    struct core_pod *pod = rq->obj;

    if (!admit_is(rq, &res_core_pods))
        return STAGE_NEXT;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct core_toleration *t;

        if (tolerates(pod, keys[i]))
            continue;
        pod->spec.tolerations.v =
            arena_grow(rq->arena, pod->spec.tolerations.v, pod->spec.tolerations.n,
                       pod->spec.tolerations.n + 1, sizeof(*pod->spec.tolerations.v));
        t = &pod->spec.tolerations.v[pod->spec.tolerations.n++];
        *t = (struct core_toleration){
            .key = str_from(keys[i]), .operator= STR("Exists"), .effect = STR("NoExecute")};
        t->toleration_seconds = arena_new(rq->arena, int64_t);
        *t->toleration_seconds = TOLERATION_SEC;
    }
    return STAGE_NEXT;
}

enum stage_result admit_node_taint(struct request *rq)
{
    struct core_node *node = rq->obj;
    struct str key = STR("node.kubernetes.io/not-ready");
    struct core_taint *t;

    if (!admit_is(rq, &res_core_nodes))
        return STAGE_NEXT;
    for (size_t i = 0; i < node->spec.taints.n; i++)
        if (str_eq(node->spec.taints.v[i].key, key) &&
            str_eqz(node->spec.taints.v[i].effect, "NoSchedule"))
            return STAGE_NEXT;
    node->spec.taints.v = arena_grow(rq->arena, node->spec.taints.v, node->spec.taints.n,
                                     node->spec.taints.n + 1, sizeof(*node->spec.taints.v));
    t = &node->spec.taints.v[node->spec.taints.n++];
    *t = (struct core_taint){.key = key, .effect = STR("NoSchedule")};
    return STAGE_NEXT;
}

/* The object of @res whose annotation @mark is "true": of several the newest, then by name. */
static struct str default_of(struct request *rq, const struct resource *res, const char *mark)
{
    struct snapshot *s = cache_snapshot(store_cache(rq->as->store, res));
    struct time_value newest = {0};
    struct str name = STR_NULL;
    struct omap_iter it;
    const struct object *o;

    omap_seek(&s->objects, STR_NULL, &it);
    while ((o = omap_next(&it))) {
        const struct meta_object_meta *m = object_meta(o);

        if (!str_eqz(string_map_get(&m->annotations, str_from(mark)), "true"))
            continue;
        if (name.p && time_cmp(m->creation_timestamp, newest) <= 0)
            continue;
        newest = m->creation_timestamp;
        name = str_dup(rq->arena, o->name);
    }
    snapshot_unref(s);
    return name;
}

enum stage_result admit_storage_class(struct request *rq)
{
    struct core_persistent_volume_claim *pvc = rq->obj;
    struct str name;

    if (!admit_is(rq, &res_core_persistentvolumeclaims) || pvc->spec.storage_class_name ||
        string_map_get(&pvc->metadata.annotations, STR("volume.beta.kubernetes.io/storage-class"))
            .p)
        return STAGE_NEXT;
    name =
        default_of(rq, &res_storage_storageclasses, "storageclass.kubernetes.io/is-default-class");
    if (!name.p)
        return STAGE_NEXT;
    pvc->spec.storage_class_name = arena_new(rq->arena, struct str);
    *pvc->spec.storage_class_name = name;
    return STAGE_NEXT;
}

enum stage_result admit_ingress_class(struct request *rq)
{
    struct networking_ingress *ing = rq->obj;
    struct str name;

    if (!admit_is(rq, &res_networking_ingresses) || ing->spec.ingress_class_name ||
        string_map_get(&ing->metadata.annotations, STR("kubernetes.io/ingress.class")).p)
        return STAGE_NEXT;
    name = default_of(rq, &res_networking_ingressclasses,
                      "ingressclass.kubernetes.io/is-default-class");
    if (!name.p)
        return STAGE_NEXT;
    ing->spec.ingress_class_name = arena_new(rq->arena, struct str);
    *ing->spec.ingress_class_name = name;
    return STAGE_NEXT;
}

static bool same_quantities(const struct quantity_map *x, const struct quantity_map *y)
{
    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!str_eq(x->v[i].key, y->v[i].key) || quantity_cmp(x->v[i].value, y->v[i].value) != 0)
            return false;
    return true;
}

static enum stage_result take_scheduling(struct request *rq, struct core_pod *pod,
                                         const struct node_scheduling *s)
{
    for (size_t i = 0; i < s->node_selector.n; i++) {
        struct str key = s->node_selector.v[i].key, value = s->node_selector.v[i].value;
        struct str has = string_map_get(&pod->spec.node_selector, key);

        if (has.p && !str_eq(has, value))
            return admit_forbid(rq,
                                "conflict: runtimeClass.scheduling.nodeSelector[%.*s] = %.*s; "
                                "pod.spec.nodeSelector[%.*s] = %.*s",
                                STR_ARG(key), STR_ARG(value), STR_ARG(key), STR_ARG(has));
        string_map_set(rq->arena, &pod->spec.node_selector, str_dup(rq->arena, key),
                       str_dup(rq->arena, value));
    }
    for (size_t i = 0; i < s->tolerations.n; i++) {
        const struct core_toleration *t = &s->tolerations.v[i];
        bool found = false;

        for (size_t j = 0; j < pod->spec.tolerations.n && !found; j++)
            found = typed_equal(&type_core_toleration, &pod->spec.tolerations.v[j], t);
        if (found)
            continue;
        pod->spec.tolerations.v =
            arena_grow(rq->arena, pod->spec.tolerations.v, pod->spec.tolerations.n,
                       pod->spec.tolerations.n + 1, sizeof(*pod->spec.tolerations.v));
        pod->spec.tolerations.v[pod->spec.tolerations.n++] =
            *(struct core_toleration *)typed_clone(&type_core_toleration, t, rq->arena, true);
    }
    return STAGE_NEXT;
}

static enum stage_result take_overhead(struct request *rq, struct core_pod *pod,
                                       const struct node_overhead *overhead)
{
    static const struct quantity_map none;
    const struct quantity_map *want = overhead ? (const void *)&overhead->pod_fixed : &none;
    struct quantity_map *has = (void *)&pod->spec.overhead;
    struct node_overhead *copy;

    if (has->n > 0 && !overhead)
        return admit_forbid(rq, "pod rejected: Pod Overhead set without corresponding RuntimeClass "
                                "defined Overhead");
    if (has->n > 0 && !same_quantities(has, want))
        return admit_forbid(rq, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined "
                                "Overhead");
    if (!overhead)
        return STAGE_NEXT;
    copy = typed_clone(&type_node_overhead, overhead, rq->arena, true);
    memcpy(has, &copy->pod_fixed, sizeof(*has));
    return STAGE_NEXT;
}

enum stage_result admit_runtime_class(struct request *rq)
{
    const struct resource *res = &res_node_runtimeclasses;
    struct core_pod *pod = rq->obj;
    const struct node_runtime_class *c;
    struct object *o;
    enum stage_result r;

    if (!admit_is(rq, &res_core_pods))
        return STAGE_NEXT;
    if (!pod->spec.runtime_class_name)
        return take_overhead(rq, pod, NULL);
    o = cache_find(store_cache(rq->as->store, res),
                   resource_key(res, STR(""), *pod->spec.runtime_class_name, rq->arena));
    if (!o)
        return admit_forbid(rq, "pod rejected: RuntimeClass \"%.*s\" not found",
                            STR_ARG(*pod->spec.runtime_class_name));
    c = OBJECT_AS(node_runtime_class, o);
    r = take_overhead(rq, pod, c->overhead);
    if (r == STAGE_NEXT && c->scheduling)
        r = take_scheduling(rq, pod, c->scheduling);
    object_unref(o);
    return r;
}

void admit_copy_topology(struct request *rq, struct core_pod *pod)
{
    static const char *const keys[] = {"topology.kubernetes.io/zone",
                                       "topology.kubernetes.io/region"};
    struct object *o =
        cache_find(store_cache(rq->as->store, &res_core_nodes),
                   resource_key(&res_core_nodes, STR(""), pod->spec.node_name, rq->arena));

    for (size_t i = 0; o && i < ARRAY_LEN(keys); i++) {
        struct str v = object_label(o, str_from(keys[i]));

        if (v.p)
            string_map_set(rq->arena, &pod->metadata.labels, str_from(keys[i]),
                           str_dup(rq->arena, v));
    }
    object_unref(o);
}

enum stage_result admit_topology(struct request *rq)
{
    struct core_pod *pod = rq->obj;

    if (admit_is(rq, &res_core_pods) && !str_empty(pod->spec.node_name))
        admit_copy_topology(rq, pod);
    return STAGE_NEXT;
}
