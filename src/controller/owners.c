/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/owners.h"

#include "api/api.h"

enum { ENDED_MAX = 20000 };

const struct meta_object_meta *owners_meta(const struct object *o, struct arena *a)
{
    /* Most objects name no owner: their text says so faster than decoding them would. */
    if (str_find(o->json, STR("\"ownerReferences\":")) < 0 &&
        str_find(o->json, STR("\"deletionTimestamp\":")) < 0)
        return NULL;
    return object_meta_in(o, a);
}

static void add_dependent(struct owners *x, struct str uid, struct object *o)
{
    struct omap *m = map_find(&x->by_uid, uid);

    if (!m) {
        m = xnew(struct omap);
        omap_init(m, &object_omap_ops);
        (void)map_set(&x->by_uid, uid, m);
    }
    (void)omap_put(m, o);
}

static void remove_dependent(struct owners *x, struct str uid, const struct object *o)
{
    struct omap *m = map_find(&x->by_uid, uid);

    if (!m)
        return;
    (void)omap_remove(m, o->key);
    if (m->n > 0)
        return;
    (void)map_remove(&x->by_uid, uid);
    omap_deinit(m);
    free(m);
}

static void note_end(struct owners *x, struct str uid)
{
    if (x->ended.n >= ENDED_MAX)
        map_deinit(&x->ended); /* those that are asked for again are looked up in the API */
    (void)map_set(&x->ended, uid, x);
}

void owners_change(struct owners *x, struct object *old, struct object *o)
{
    auto_arena a = {0};
    const struct meta_object_meta *before = old ? owners_meta(old, &a) : NULL;
    const struct meta_object_meta *after = o ? owners_meta(o, &a) : NULL;

    /* The new ones first: an owner that stays must not lose its entry meanwhile. */
    for (size_t i = 0; after && i < after->owner_references.n; i++)
        add_dependent(x, after->owner_references.v[i].uid, o);
    for (size_t i = 0; before && i < before->owner_references.n; i++) {
        struct str uid = before->owner_references.v[i].uid;
        bool stays = false;

        for (size_t k = 0; after && k < after->owner_references.n; k++)
            stays |= str_eq(after->owner_references.v[k].uid, uid);
        if (!stays)
            remove_dependent(x, uid, old);
    }
    if (old && (!o || !str_eq(old->uid, o->uid)))
        note_end(x, old->uid);
}

const struct omap *owners_dependents(const struct owners *x, struct str uid)
{
    return map_find(&x->by_uid, uid);
}

bool owners_saw_end(const struct owners *x, struct str uid)
{
    return map_find(&x->ended, uid);
}

void owners_deinit(struct owners *x)
{
    struct str key;
    void *value;

    for (size_t it = 0; map_next(&x->by_uid, &it, &key, &value);) {
        omap_deinit(value);
        free(value);
    }
    map_deinit(&x->by_uid);
    map_deinit(&x->ended);
}
