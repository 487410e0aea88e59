/* patch_order.h - the items of lists under strategic merge: which are the same, and in what order
 * the merged list comes out. Internal to schema. Layer: schema. */
#pragma once
#include "base/map.h"
#include "codec/doc.h"

/* Places of items in a list, by their merge key (key) or, for scalars (key NULL), by value.
 * {.key = k} starts one, places_deinit() ends it. */
struct places {
    const char *key;
    struct map map;
};
/** Frees @p; idempotent. Threads: owner. */
void places_deinit(struct places *p);
#define auto_places scope_cleanup(places_deinit) struct places
/** Notes that @item stands at @at, unless an equal one is noted. Threads: owner. */
void places_add(struct places *p, const struct doc *item, size_t at);
/** Notes all items of @list (may be NULL) at their indexes. Threads: owner. */
void places_add_list(struct places *p, const struct doc *list);
/** The place of the item equal to @item, or -1. Threads: owner. */
long places_find(const struct places *p, const struct doc *item);
/**
 * The list @merged (an array) in its final order, in @a: items that @patch_order holds follow it,
 * the others the order of @server_order (may be NULL), and the two run into each other as they
 * stood in @server_order. @key as in struct places. Threads: the arena's.
 */
struct doc order_merged(struct arena *a, const char *key, const struct doc *merged,
                        const struct doc *patch_order, const struct doc *server_order);
