/* members.h - an object under merging: its members by key, without a search per key.
 *
 * Large objects get a hash map, so that merging two of n members costs O(n). A dropped member keeps
 * its place until members_close(). Internal to schema.
 *
 *     MEMBERS(m, d, 0);             open until the scope ends
 *     members_put(&m, a, key, v);
 *
 * Layer: schema. Threads: the arena's.
 */
#pragma once
#include "base/map.h"
#include "codec/doc.h"

enum { MEMBERS_LINEAR_MAX = 32, DOC_GONE = 0xff /* a doc kind: the member is dropped */ };
struct members {
    struct doc *d;
    struct map places; /* key -> index + 1; used when hashed */
    bool hashed;
};
/** Opens the object @d, borrowed until members_close(). @n_more: how many members may come. */
struct members members_open(struct doc *d, size_t n_more);
/** Frees the index and takes dropped members out of the object; idempotent. */
void members_close(struct members *m);
/** The value of @key, or NULL; valid until the next members_put(). */
struct doc *members_find(const struct members *m, struct str key);
/** Sets @key (view kept) to @value. Memory from @a. */
void members_put(struct members *m, struct arena *a, struct str key, struct doc value);
/** Drops @key if it is there. */
void members_drop(struct members *m, struct str key);
#define MEMBERS(name, d, n_more)                                                                   \
    scope_cleanup(members_close) struct members name = members_open((d), (n_more))
