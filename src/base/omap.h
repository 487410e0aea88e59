/* omap.h - persistent ordered map: string keys in byte order, reference-counted values.
 *
 * A copy-on-write B+tree. omap_snapshot() is O(1); a writer copies only the path it
 * changes, and only nodes that a snapshot still shares. A snapshot may be read and freed on
 * any thread while the owner goes on writing: node and value counts are atomic.
 *
 * Values are opaque; omap_ops says how to ref and unref them and where their key is, so
 * that keys are not stored twice.
 *
 * Layer: base. Threads: one writer; snapshots: any thread, each used by one at a time.
 */
#pragma once
#include "base/str.h"

struct omap_ops {
    void (*ref)(void *value);
    void (*unref)(void *value);
    struct str (*key)(const void *value); /* stable for the life of the value */
};
struct omap_node;
struct omap {
    const struct omap_ops *ops;
    struct omap_node *root;
    size_t n; /* entries */
};
void omap_init(struct omap *m, const struct omap_ops *ops); /** An empty map. */
void omap_deinit(struct omap *m); /** Drops all references; for maps and snapshots alike. */
/** A frozen copy that shares all nodes; ends with omap_deinit(). O(1). */
struct omap omap_snapshot(const struct omap *m);
/** Inserts or replaces by the key of @value; takes a reference. True if a value was replaced. */
bool omap_put(struct omap *m, void *value);
/** Removes @key; false if absent. */
bool omap_remove(struct omap *m, struct str key);
/** The value of @key, borrowed, or NULL. */
void *omap_find(const struct omap *m, struct str key);

struct omap_iter { /* a cursor over one map or snapshot that must not change meanwhile */
    const struct omap_node *path[16];
    uint16_t at[16];
    int depth; /* -1: at the end */
};
/** Stands on the first entry whose key is >= @from (STR_NULL: the first of all). */
void omap_seek(const struct omap *m, struct str from, struct omap_iter *ret_it);
/** The entry under the cursor (borrowed), moving past it; NULL at the end. */
void *omap_next(struct omap_iter *it);
/** How many entries have @prefix. O(log n). */
size_t omap_count_prefix(const struct omap *m, struct str prefix);
