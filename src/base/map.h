/* map.h - hash map from strings to pointers; keys are copied.
 *
 * Open addressing with SipHash under a per-process key, so that a peer cannot choose
 * colliding keys. Order of iteration is unspecified. {0} is a valid empty map.
 *
 * Layer: base. Threads: owner only.
 */
#pragma once
#include "base/str.h"

struct map_entry;
struct map {
    struct map_entry *entries;
    size_t n, cap;
};
void map_deinit(struct map *m); /** Frees the keys and the table, not the values; idempotent. */
/** Sets @key to @value (not NULL); returns the former value or NULL. */
void *map_set(struct map *m, struct str key, void *value);
/** The value of @key, or NULL. */
void *map_find(const struct map *m, struct str key);
/** Removes @key; returns its value or NULL. */
void *map_remove(struct map *m, struct str key);
/** Iterates: start with *@it = 0; false at the end. The map must not change meanwhile,
 *  but for map_remove() of the entry just returned. */
bool map_next(const struct map *m, size_t *it, struct str *ret_key, void **ret_value);
/** Sets the process-wide hash key; call once at start, before any map is used. */
void map_seed(uint64_t k0, uint64_t k1);
