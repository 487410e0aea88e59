/* type.c - lookups in a type's table; string maps. Layer: schema. */
#include "schema/type.h"

const struct field *type_field(const struct type *t, struct str name)
{
    size_t lo = 0, hi = t->n_fields;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct field *f = &t->fields[t->by_name[mid]];
        int c = str_cmp(f->name, name);

        if (c == 0)
            return f;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

size_t field_elem_size(const struct field *f)
{
    static const uint8_t sizes[] = {
        [FIELD_STRING] = sizeof(struct str),
        [FIELD_BOOL] = sizeof(bool),
        [FIELD_INT32] = sizeof(int32_t),
        [FIELD_INT64] = sizeof(int64_t),
        [FIELD_UINT64] = sizeof(uint64_t),
        [FIELD_DOUBLE] = sizeof(double),
        [FIELD_BYTES] = sizeof(struct str),
        [FIELD_QUANTITY] = sizeof(struct quantity),
        [FIELD_INT_OR_STRING] = sizeof(struct int_or_string),
        [FIELD_TIME] = sizeof(struct time_value),
        [FIELD_MICRO_TIME] = sizeof(struct time_value),
        [FIELD_DURATION] = sizeof(int64_t),
        [FIELD_RAW] = sizeof(struct doc *),
    };

    return f->kind == FIELD_MESSAGE ? f->type->size : sizes[f->kind];
}

/* The index of the first pair whose key is not below @key. */
static size_t map_lower_bound(const struct string_map *m, struct str key)
{
    size_t lo = 0, hi = m->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (str_cmp(m->v[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct str string_map_get(const struct string_map *m, struct str key)
{
    size_t at = map_lower_bound(m, key);

    if (at == m->n || !str_eq(m->v[at].key, key))
        return STR_NULL;
    /* A key with an empty value is present: never STR_NULL. */
    return m->v[at].value.p ? m->v[at].value : STR("");
}

void string_map_set(struct arena *a, struct string_map *m, struct str key, struct str value)
{
    size_t at = map_lower_bound(m, key);

    if (at < m->n && str_eq(m->v[at].key, key)) {
        m->v[at].value = value;
        return;
    }
    m->v = arena_grow(a, m->v, m->n, m->n + 1, sizeof(*m->v));
    memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(*m->v));
    m->v[at] = (struct string_pair){key, value};
    m->n++;
}

bool string_map_remove(struct string_map *m, struct str key)
{
    size_t at = map_lower_bound(m, key);

    if (at == m->n || !str_eq(m->v[at].key, key))
        return false;
    m->n--;
    memmove(&m->v[at], &m->v[at + 1], (m->n - at) * sizeof(*m->v));
    return true;
}

struct quantity quantity_map_get(const struct quantity_map *m, struct str key)
{
    for (size_t i = 0; i < m->n; i++) {
        if (str_eq(m->v[i].key, key))
            return m->v[i].value;
    }
    return (struct quantity){0};
}

void quantity_map_set(struct arena *a, struct quantity_map *m, struct str key,
                      struct quantity value)
{
    size_t at = 0;

    while (at < m->n && str_cmp(m->v[at].key, key) < 0)
        at++;
    if (at < m->n && str_eq(m->v[at].key, key)) {
        m->v[at].value = value;
        return;
    }
    m->v = arena_grow(a, m->v, m->n, m->n + 1, sizeof(*m->v));
    memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(*m->v));
    m->v[at] = (struct quantity_pair){key, value};
    m->n++;
}
