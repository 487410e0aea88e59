/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_crd.c - how CustomResourceDefinitions are made and changed. Layer: api. */
#include "api/validate.h"
#include "schema/typed.h"

typedef struct apiextensions_custom_resource_definition crd;

/* Objects may lie in the store in every version that once was the one to store. */
static void note_stored_version(crd *c, struct arena *a)
{
    struct str name = STR_NULL;
    size_t n = c->status.stored_versions.n;
    struct str *list;

    for (size_t i = 0; i < c->spec.versions.n; i++) {
        if (c->spec.versions.v[i].storage)
            name = c->spec.versions.v[i].name;
    }
    if (str_empty(name))
        return;
    for (size_t i = 0; i < n; i++) {
        if (str_eq(c->status.stored_versions.v[i], name))
            return;
    }
    list = arena_grow(a, c->status.stored_versions.v, n, n + 1, sizeof(*list));
    list[n] = name;
    c->status.stored_versions.v = list;
    c->status.stored_versions.n = n + 1;
}

static void crd_prepare_create(void *obj, struct arena *a)
{
    crd *c = obj;

    c->status = (__typeof__(c->status)){0};
    note_stored_version(c, a);
}

static void crd_prepare_update(void *obj, const void *old, struct arena *a)
{
    (void)old;
    note_stored_version(obj, a);
}

const struct strategy strategy_customresourcedefinitions = {
    .prepare_create = crd_prepare_create,
    .prepare_update = crd_prepare_update,
};
