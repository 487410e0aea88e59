/* typed_internal.h - what the walkers of C structs share. Internal to schema.
 *
 * The walkers recurse over types. Nesting that a peer drives - JSONSchemaProps is the one type that
 * holds itself - is refused beyond TYPED_DEPTH_MAX when a struct is decoded, so every later walk is
 * bounded too.
 *
 * Layer: schema. Threads: any.
 */
#pragma once
#include "schema/typed.h"

/* Lists of empty structs grow much when decoded: what one decode may spend on elements. */
enum { TYPED_DEPTH_MAX = 128, TYPED_BYTES_MAX = 128 * 1024 * 1024 };
/* Depth of raw JSON within protobuf: with it, what is written stays below DOC_DEPTH_MAX. */
enum { TYPED_RAW_DEPTH_MAX = 128 };

/* An entry of a map: the key, then the value; every value's alignment is at most the key's size. */
enum { MAP_VALUE_OFFSET = sizeof(struct str) };
static inline size_t map_entry_size(const struct field *f)
{
    size_t value = f->card == CARD_MAP_LIST ? sizeof(struct any_list) : field_elem_size(f);

    return MAP_VALUE_OFFSET + (value + 7) / 8 * 8;
}
static inline void *map_value(const struct field *f, const void *v, size_t i)
{
    return (char *)v + i * map_entry_size(f) + MAP_VALUE_OFFSET;
}
static inline struct str map_key(const struct field *f, const void *v, size_t i)
{
    return *(const struct str *)(const void *)((const char *)v + i * map_entry_size(f));
}
static inline void *list_elem(const struct field *f, const void *v, size_t i)
{
    return (char *)v + i * field_elem_size(f);
}
/* Whether the writers show field @f of @obj. */
static inline bool field_written(const struct field *f, const void *obj)
{
    return (f->flags & FIELD_ALWAYS) || !typed_field_empty(f, obj);
}
/* The first instant of year 1, upstream's zero time, counts as absent. */
#define TIME_ZERO_SEC (-62135596800LL)
#define TIME_MAX_SEC  253402300799LL

void field_clear(const struct field *f, void *obj); /** Makes the member of @f absent. */
/** Sorts the @n entries of a map of @f by key; of equal keys the last stays. How many stay. */
size_t map_sort(const struct field *f, void *v, size_t n);
/** As typed_to_doc(), but raw documents are shared with @obj: neither may be changed then. */
struct doc typed_view_doc(const struct type *type, const void *obj, struct arena *a);
/** As typed_from_doc() for documents that it or typed_from_pb() made: raw documents within are
 * taken as they are, not brought into form again. */
MUST_USE int typed_from_own_doc(const struct type *type, const struct doc *doc, struct arena *a,
                                void *obj);
/** A deep copy in one block, which the caller frees with free(); strings within @stable stay views
 *  of it. */
void *typed_pack(const struct type *type, const void *obj, struct str stable);
