/* str.h - string views: pointer and length, borrowed, not NUL-terminated unless said.
 *
 * {NULL, 0} is "absent"; {"", 0} is an empty string; str_eq() takes them as equal.
 * Layer: base. Threads: any.
 */
#pragma once
#include "base/mem.h"
#include <stdbool.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};
#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define STR_INIT(lit) {"" lit, sizeof(lit) - 1} /* for static tables */
/* For printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_from(const char *z) /* NULL gives STR_NULL */
{
    return z ? (struct str){z, strlen(z)} : STR_NULL;
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
static inline bool str_eqz(struct str a, const char *z)
{
    return str_eq(a, str_from(z));
}
static inline bool str_empty(struct str s)
{
    return s.len == 0;
}
static inline struct str str_sub(struct str s, size_t from, size_t len) /* clamped */
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (struct str){s.p + from, len};
}
/** memcmp order, shorter first on a common prefix. */
int str_cmp(struct str a, struct str b);
/** ASCII case-insensitive equality. */
bool str_ieq(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix); /** True if @s starts with @prefix. */
/** The smallest string behind all those with @prefix, in @a; STR_NULL if there is none. */
struct str str_prefix_end(struct arena *a, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix); /** True if @s ends with @suffix. */
/** Index of the first @c in @s, or -1. */
long str_find_char(struct str s, char c);
/** Index of the last @c in @s, or -1. */
long str_rfind_char(struct str s, char c);
/** Index of the first @needle in @s, or -1. */
long str_find(struct str s, struct str needle);
/** Cuts @s at the first @c: the part before is returned, @rest (may be @s) is what follows
 *  (STR_NULL if @c is absent: then the whole of @s is returned). */
struct str str_cut(struct str s, char c, struct str *rest);
/** Without leading and trailing ASCII white space. */
struct str str_trim(struct str s);
/** Parses the whole of @s as a decimal; false on anything else or on overflow. */
bool str_to_i64(struct str s, int64_t *ret_v);
bool str_to_u64(struct str s, uint64_t *ret_v); /** As str_to_i64(), unsigned, no sign allowed. */
/** A NUL-terminated copy in @a. */
char *str_dupz(struct arena *a, struct str s);
/** A copy in @a (NUL-terminated too); STR_NULL stays STR_NULL. */
struct str str_dup(struct arena *a, struct str s);
/** @v in decimal, in @a. */
struct str str_i64(struct arena *a, int64_t v);
/** printf into @a. */
struct str str_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Stable 64-bit hash (FNV-1a), not for peer-driven tables: base/map.h keys its own. */
uint64_t str_hash(struct str s);
