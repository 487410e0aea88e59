/* doc.h - the document tree: any JSON value, in an arena.
 *
 * What every encoding decodes into and encodes from: the one form in which an object is
 * defaulted, pruned, patched and validated. Strings are UTF-8 views into the arena or
 * into input that outlives it. Integers are kept exact. Members keep their order.
 *
 * Layer: codec. Threads: the arena's.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_INT, DOC_DOUBLE, DOC_STRING, DOC_ARRAY, DOC_OBJECT };

struct doc_member;
struct doc {
    uint8_t kind; /* enum doc_kind */
    uint32_t n;   /* items of an array, members of an object */
    uint32_t cap; /* room behind items or members */
    union {
        bool b;
        int64_t i;
        double d;
        struct str s;
        struct doc *items;
        struct doc_member *members;
    };
};
struct doc_member {
    struct str key;
    struct doc value;
};

/* Limits of every parser, from the API's own (3 MiB bodies) and from how real objects nest. */
enum { DOC_DEPTH_MAX = 512, DOC_NODES_MAX = 4 * 1024 * 1024 };

static inline struct doc doc_null(void) { return (struct doc){.kind = DOC_NULL}; }
static inline struct doc doc_bool(bool b) { return (struct doc){.kind = DOC_BOOL, .b = b}; }
static inline struct doc doc_int(int64_t i) { return (struct doc){.kind = DOC_INT, .i = i}; }
static inline struct doc doc_double(double d) { return (struct doc){.kind = DOC_DOUBLE, .d = d}; }
static inline struct doc doc_string(struct str s)
{
    return (struct doc){.kind = DOC_STRING, .s = s};
}
static inline struct doc doc_array(void) { return (struct doc){.kind = DOC_ARRAY}; }
static inline struct doc doc_object(void) { return (struct doc){.kind = DOC_OBJECT}; }

/** The member @key of @d, or NULL (also when @d is NULL or no object). Linear. */
struct doc *doc_find(const struct doc *d, struct str key);
/** Follows a path of keys separated by '.', e.g. "spec.template.metadata"; NULL if it ends early.
 *  For keys without dots, known at compile time. */
struct doc *doc_path(const struct doc *d, const char *path);
/** The string at @path, or STR_NULL if absent or no string. */
struct str doc_path_str(const struct doc *d, const char *path);
/** The integer at @path, or @otherwise. */
int64_t doc_path_int(const struct doc *d, const char *path, int64_t otherwise);
/** The boolean at @path, or @otherwise. */
bool doc_path_bool(const struct doc *d, const char *path, bool otherwise);
/** Sets member @key (view kept, not copied) to @value, replacing; returns the stored value,
 *  valid until the object grows. @d must be an object. */
struct doc *doc_set(struct arena *a, struct doc *d, struct str key, struct doc value);
/** The member @key, made as an empty object (replacing a non-object) if need be. */
struct doc *doc_make_object(struct arena *a, struct doc *d, struct str key);
/** Appends a member without looking for a duplicate. */
struct doc *doc_add(struct arena *a, struct doc *d, struct str key, struct doc value);

/** Removes member @key, keeping the order; false if absent. */
bool doc_remove(struct doc *d, struct str key);
/** Appends @value to an array; returns the stored item, valid until the array grows. */
struct doc *doc_append(struct arena *a, struct doc *d, struct doc value);
/** Inserts before index @at (0..n). */
struct doc *doc_insert(struct arena *a, struct doc *d, uint32_t at, struct doc value);
/** Removes item @at of an array. */
void doc_remove_at(struct doc *d, uint32_t at);
/** A deep copy in @a; strings are copied too when @copy_strings. Iterative. */
struct doc doc_clone(struct arena *a, const struct doc *d, bool copy_strings);
/** Deep equality: order of members does not matter, 1 equals 1.0. Iterative. */
bool doc_equal(const struct doc *a, const struct doc *b);
/** "null", "boolean", "integer", "number", "string", "array" or "object". */
const char *doc_kind_name(const struct doc *d);
