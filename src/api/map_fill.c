/* SPDX-License-Identifier: Apache-2.0 */
/* map_fill.c - maps, sorted by key, completed and searched fast. Layer: api. */
#include "api/map_fill.h"

void quantity_map_fill(struct arena *a, struct quantity_map *m, const struct quantity_map *from)
{
    struct quantity_map out = {0};
    size_t i = 0, k = 0;

    if (!from->n)
        return;
    out.v = arena_calloc(a, m->n + from->n, sizeof(*out.v));
    while (i < m->n || k < from->n) {
        int c = i == m->n ? 1 : k == from->n ? -1 : str_cmp(m->v[i].key, from->v[k].key);

        out.v[out.n++] = c <= 0 ? m->v[i] : from->v[k];
        i += c <= 0;
        k += c >= 0;
    }
    *m = out;
}

void string_map_fill(struct arena *a, struct string_map *m, const struct string_map *from,
                     bool replace)
{
    struct string_map out = {0};
    size_t i = 0, k = 0;

    if (!from->n)
        return;
    out.v = arena_calloc(a, m->n + from->n, sizeof(*out.v));
    while (i < m->n || k < from->n) {
        int c = i == m->n ? 1 : k == from->n ? -1 : str_cmp(m->v[i].key, from->v[k].key);

        out.v[out.n++] = c < 0 || (c == 0 && !replace) ? m->v[i] : from->v[k];
        i += c <= 0;
        k += c >= 0;
    }
    *m = out;
}

struct quantity quantity_map_find(const struct quantity_map *m, struct str key)
{
    size_t lo = 0, hi = m->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(m->v[mid].key, key);

        if (c == 0)
            return m->v[mid].value;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (struct quantity){0};
}
