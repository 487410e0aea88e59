/* map_fill.h - maps completed and searched fast: clients choose how large they are.
 * Internal to api/. Layer: api. Threads: the arena's. */
#pragma once
#include "schema/type.h"

/** Adds the entries of @from whose keys @m lacks. The entries of @m move to a new array in @a. */
void quantity_map_fill(struct arena *a, struct quantity_map *m, const struct quantity_map *from);
/** Likewise; with @replace the values of @from win. */
void string_map_fill(struct arena *a, struct string_map *m, const struct string_map *from,
                     bool replace);
/** As quantity_map_get(), by halves: for maps as they are decoded, sorted by key. */
struct quantity quantity_map_find(const struct quantity_map *m, struct str key);
