/* SPDX-License-Identifier: Apache-2.0 */
#include "objects.h"

#include "schema/typed.h"

static struct object *make(const struct resource *res, struct str json)
{
    auto_arena a = {0};
    void *obj = NULL;
    struct err err = {0};
    struct object *o;

    if (typed_from_json(res->type, json, &a, &obj, &err) < 0)
        abort();
    typed_default(res->type, obj, &a);
    o = object_new(res, obj);
    object_publish(o, 1, 1, 1);
    return o;
}

struct object *make_pod(const char *name, const char *spec)
{
    auto_arena a = {0};

    return make(&res_core_pods,
                str_printf(&a,
                           "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\",\"uid\":"
                           "\"u-%s\"},\"spec\":{%s}}",
                           name, name, spec));
}

struct object *make_node(const char *name, const char *labels, const char *spec)
{
    auto_arena a = {0};

    return make(&res_core_nodes,
                str_printf(&a,
                           "{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}},\"spec\":{%s},"
                           "\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\","
                           "\"pods\":\"10\",\"example.com/gpu\":\"2\"}}}",
                           name, labels, spec));
}

void add_node(struct cluster *c, const char *name, const char *labels, const char *spec)
{
    struct object *o = make_node(name, labels, spec);

    (void)cluster_put_node(c, o);
    object_unref(o);
}

void run_pod(struct cluster *c, const char *name, const char *node, const char *spec)
{
    auto_arena a = {0};
    struct object *o = make_pod(name, arena_printf(&a, "\"nodeName\":\"%s\",%s", node, spec));

    cluster_put_pod(c, o);
    object_unref(o);
}
