/* SPDX-License-Identifier: Apache-2.0 */
#include "kubectl/merge.h"

static const struct doc *find_by_key(const struct doc *list, struct str key, const struct doc *want)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct doc *have = doc_find(&list->items[i], key);

        if (have && want && doc_equal(have, want))
            return &list->items[i];
    }
    return NULL;
}

static void prune(const struct type *type, const struct doc *last, const struct doc *now,
                  struct doc *live, int depth);

static bool has_item(const struct doc *list, const struct doc *item)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (doc_equal(&list->items[i], item))
            return true;
    }
    return false;
}

/* Plain values (finalizers) that were applied before and are not in the file any more. */
static void prune_values(const struct doc *last, const struct doc *now, struct doc *live)
{
    for (uint32_t i = live->n; i > 0; i--) {
        if (has_item(last, &live->items[i - 1]) && !has_item(now, &live->items[i - 1]))
            doc_remove_at(live, i - 1);
    }
}

/* Items that were applied before and are not in the file any more. */
static void prune_list(const struct field *f, const struct doc *last, const struct doc *now,
                       struct doc *live, int depth)
{
    struct str key = str_from(f->patch_key);

    if (!f->patch_key) {
        prune_values(last, now, live);
        return;
    }
    for (uint32_t i = 0; i < last->n; i++) {
        const struct doc *id = doc_find(&last->items[i], key);
        const struct doc *kept = id ? find_by_key(now, key, id) : NULL;

        for (uint32_t k = 0; id && k < live->n; k++) {
            struct doc *have = doc_find(&live->items[k], key);

            if (!have || !doc_equal(have, id))
                continue;
            if (kept)
                prune(f->type, &last->items[i], kept, &live->items[k], depth + 1);
            else
                doc_remove_at(live, k);
            break;
        }
    }
}

/* Takes out of @live what @last had and @now does not. @type NULL: plain maps. */
static void prune(const struct type *type, const struct doc *last, const struct doc *now,
                  struct doc *live, int depth)
{
    if (depth > MERGE_DEPTH_MAX || last->kind != DOC_OBJECT || now->kind != DOC_OBJECT ||
        live->kind != DOC_OBJECT)
        return;
    for (uint32_t i = 0; i < last->n; i++) {
        struct str key = last->members[i].key;
        const struct field *f = type ? type_field(type, key) : NULL;
        const struct doc *next = doc_find(now, key);
        struct doc *have = doc_find(live, key);

        if (!have)
            continue;
        if (!next || next->kind == DOC_NULL)
            (void)doc_remove(live, key);
        else if (next->kind == DOC_ARRAY && f && (f->flags & FIELD_PATCH_MERGE) &&
                 have->kind == DOC_ARRAY && last->members[i].value.kind == DOC_ARRAY)
            prune_list(f, &last->members[i].value, next, have, depth);
        else
            prune(f && f->card != CARD_MAP ? f->type : NULL, &last->members[i].value, next, have,
                  depth + 1);
    }
}

int merge_apply(struct arena *a, const struct type *type, const struct doc *last,
                const struct doc *file, struct doc *live, struct err *err)
{
    if (last)
        prune(type, last, file, live, 0);
    return patch_strategic(a, type, live, file, err);
}
