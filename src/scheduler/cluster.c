/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/cluster.h"

#include "schema/typed.h"

static void count_in(struct node_info *n, const struct pod_info *p, int64_t sign)
{
    n->requested.milli_cpu += sign * p->request.milli_cpu;
    n->requested.memory += sign * p->request.memory;
    n->requested.ephemeral_storage += sign * p->request.ephemeral_storage;
    n->scoring_milli_cpu += sign * p->scoring_milli_cpu;
    n->scoring_memory += sign * p->scoring_memory;
}

/* Sums of other resources are made anew: their names are views into the pods that remain. */
static void count_others(struct node_info *n)
{
    vec_clear(&n->requested_others);
    for (size_t i = 0; i < n->pods.n; i++) {
        const struct resources *r = &n->pods.v[i]->request;

        for (size_t k = 0; k < r->n_others; k++) {
            size_t at = 0;

            while (at < n->requested_others.n &&
                   !str_eq(n->requested_others.v[at].name, r->others[k].name))
                at++;
            if (at < n->requested_others.n)
                n->requested_others.v[at].value += r->others[k].value;
            else
                vec_push(&n->requested_others, r->others[k]);
        }
    }
}

static void node_add_pod(struct node_info *n, struct pod_info *p)
{
    vec_push(&n->pods, p);
    count_in(n, p, 1);
    if (p->request.n_others > 0)
        count_others(n);
}

static void node_remove_pod(struct node_info *n, struct pod_info *p)
{
    for (size_t i = 0; i < n->pods.n; i++) {
        if (n->pods.v[i] != p)
            continue;
        vec_swap_remove(&n->pods, i);
        count_in(n, p, -1);
        if (p->request.n_others > 0)
            count_others(n);
        return;
    }
}

static void fill_node(struct node_info *n, struct object *o)
{
    const struct core_node *node;
    struct amount *others = NULL;

    object_unref(n->object);
    n->object = object_ref(o);
    arena_deinit(&n->arena);
    n->node = node = OBJECT_AS(core_node, o);
    n->allocatable = (struct resources){0};
    for (size_t i = 0; i < node->status.allocatable.n; i++) {
        struct str key = node->status.allocatable.v[i].key;
        struct quantity q = node->status.allocatable.v[i].value;

        if (str_eq(key, STR("cpu"))) {
            n->allocatable.milli_cpu = quantity_milli(q);
        } else if (str_eq(key, STR("memory"))) {
            n->allocatable.memory = quantity_value(q);
        } else if (str_eq(key, STR("ephemeral-storage"))) {
            n->allocatable.ephemeral_storage = quantity_value(q);
        } else if (str_eq(key, STR("pods"))) {
            n->allocatable.pods = quantity_value(q);
        } else {
            others = arena_grow(&n->arena, others, n->allocatable.n_others,
                                n->allocatable.n_others + 1, sizeof(*others));
            others[n->allocatable.n_others++] = (struct amount){key, quantity_value(q)};
        }
    }
    n->allocatable.others = others;
    n->n_images = 0;
    n->images = NULL;
    for (size_t i = 0; i < node->status.images.n; i++) {
        const struct core_container_image *image = &node->status.images.v[i];

        n->images = arena_grow(&n->arena, n->images, n->n_images, n->n_images + image->names.n,
                               sizeof(*n->images));
        for (size_t k = 0; k < image->names.n; k++)
            n->images[n->n_images++] = (struct node_image){image->names.v[k], image->size_bytes, 1};
    }
}

static unsigned changes_between(const struct core_node *a, const struct core_node *b)
{
    unsigned changes = 0;
    struct core_node_status x = {0}, y = {0}; /* with what is allocatable and nothing else */

    if (!typed_equal(&type_core_node_spec, &a->spec, &b->spec))
        changes |= CHANGE_NODE_TAINTS;
    if (a->metadata.labels.n != b->metadata.labels.n)
        changes |= CHANGE_NODE_LABELS;
    for (size_t i = 0; i < a->metadata.labels.n && !(changes & CHANGE_NODE_LABELS); i++) {
        const struct string_pair *p = &a->metadata.labels.v[i];

        if (!str_eq(string_map_get(&b->metadata.labels, p->key), p->value))
            changes |= CHANGE_NODE_LABELS;
    }
    x.allocatable.v = a->status.allocatable.v;
    x.allocatable.n = a->status.allocatable.n;
    y.allocatable.v = b->status.allocatable.v;
    y.allocatable.n = b->status.allocatable.n;
    if (!typed_equal(&type_core_node_status, &x, &y))
        changes |= CHANGE_NODE_ALLOCATABLE;
    return changes;
}

unsigned cluster_put_node(struct cluster *c, struct object *o)
{
    struct node_info *n = map_find(&c->by_name, o->name);
    unsigned changes = CHANGE_NODE_ADDED;
    struct str uid;
    void *value;

    if (n) {
        changes = changes_between(n->node, OBJECT_AS(core_node, o));
        fill_node(n, o);
        return changes;
    }
    n = xnew(struct node_info);
    fill_node(n, o);
    vec_push(&c->nodes, n);
    (void)map_set(&c->by_name, o->name, n);
    for (size_t it = 0; map_next(&c->pods, &it, &uid, &value);) {
        struct placed *p = value;

        if (str_eq(p->node, o->name))
            node_add_pod(n, p->pod);
    }
    return changes;
}

static void node_free(struct node_info *n)
{
    object_unref(n->object);
    vec_deinit(&n->pods);
    vec_deinit(&n->requested_others);
    arena_deinit(&n->arena);
    free(n);
}

void cluster_remove_node(struct cluster *c, struct str name)
{
    struct node_info *n = map_remove(&c->by_name, name);

    if (!n)
        return;
    for (size_t i = 0; i < c->nodes.n; i++) {
        if (c->nodes.v[i] == n) {
            vec_remove(&c->nodes, i);
            break;
        }
    }
    node_free(n);
}

static void place(struct cluster *c, struct pod_info *pod, struct str node, bool assumed)
{
    struct placed *p = xnew(struct placed);
    struct node_info *n = map_find(&c->by_name, node);

    p->pod = pod;
    p->assumed = assumed;
    p->node = (struct str){xmemdupz(node.p, node.len), node.len};
    (void)map_set(&c->pods, pod->object->uid, p);
    if (n)
        node_add_pod(n, pod);
}

bool cluster_remove_pod(struct cluster *c, struct str uid)
{
    struct placed *p = map_remove(&c->pods, uid);
    struct node_info *n;

    if (!p)
        return false;
    n = map_find(&c->by_name, p->node);
    if (n)
        node_remove_pod(n, p->pod);
    pod_info_free(p->pod);
    free((void *)p->node.p);
    free(p);
    return true;
}

void cluster_put_pod(struct cluster *c, struct object *o)
{
    (void)cluster_remove_pod(c, o->uid);
    place(c, pod_info_new(o), OBJECT_AS(core_pod, o)->spec.node_name, false);
}

void cluster_assume(struct cluster *c, struct pod_info *pod, struct str node)
{
    place(c, pod, node, true);
}

bool cluster_has_pod(const struct cluster *c, struct str uid)
{
    return map_find(&c->pods, uid) != NULL;
}

void cluster_count_images(struct cluster *c)
{
    map_deinit(&c->images);
    for (size_t i = 0; i < c->nodes.n; i++) {
        for (size_t k = 0; k < c->nodes.v[i]->n_images; k++) {
            struct str name = c->nodes.v[i]->images[k].name;
            uintptr_t n = (uintptr_t)map_find(&c->images, name);

            (void)map_set(&c->images, name, (void *)(n + 1));
        }
    }
    for (size_t i = 0; i < c->nodes.n; i++) {
        for (size_t k = 0; k < c->nodes.v[i]->n_images; k++) {
            struct node_image *image = &c->nodes.v[i]->images[k];

            image->n_nodes = (uint32_t)(uintptr_t)map_find(&c->images, image->name);
        }
    }
}

void cluster_deinit(struct cluster *c)
{
    struct str uid;
    void *value;

    for (size_t it = 0; map_next(&c->pods, &it, &uid, &value);) {
        struct placed *p = value;

        pod_info_free(p->pod);
        free((void *)p->node.p);
        free(p);
    }
    map_deinit(&c->pods);
    map_deinit(&c->by_name);
    map_deinit(&c->images);
    for (size_t i = 0; i < c->nodes.n; i++)
        node_free(c->nodes.v[i]);
    vec_deinit(&c->nodes);
}
