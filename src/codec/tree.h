/* tree.h - what the readers share: building a document bottom up, with the limits of depth and
 * nodes and the search for duplicate members. Internal to codec.
 *
 * Values under construction lie on one stack of slots; a container takes its slots off the stack
 * when it is closed and copies them into the arena in their exact number. The root is slot 0.
 * So nothing recurses, and the arena holds no arrays that were outgrown.
 *
 * Layer: codec. Threads: the arena's.
 */
#pragma once
#include "base/map.h"
#include "base/vec.h"
#include "codec/doc.h"
#include "codec/json.h"

enum {
    TREE_DUPS_MAX = 100,      /* duplicates reported for one text, as upstream */
    TREE_LINEAR_KEYS_MAX = 32 /* an object with more members gets a hash map of its keys */
};

struct tree_frame { /* an open container */
    size_t base;    /* its first slot */
    bool object;
    bool dups;       /* a key came twice */
    struct map keys; /* key -> slot number from base, plus 1; only when large */
};
struct tree { /* {.arena = a} starts one; tree_deinit() ends it */
    struct arena *arena;
    VEC(struct doc_member) slots; /* items of arrays leave the key unused */
    VEC(struct tree_frame) frames;
    size_t n_nodes;
    struct json_dup *dups, **dups_tail;
    unsigned n_dups;
};
/** Readies @t for one text; the arena is borrowed. Threads: the arena's. */
void tree_init(struct tree *t, struct arena *a);
/** Frees the stacks, not the arena; idempotent. */
void tree_deinit(struct tree *t);
/** Opens an array or @object in the current slot. ERR_TOO_LARGE beyond DOC_DEPTH_MAX. */
MUST_USE int tree_open(struct tree *t, bool object, struct err *err);
/** Adds a slot for the next item of the open array. ERR_TOO_LARGE beyond DOC_NODES_MAX. */
MUST_USE int tree_item(struct tree *t, struct err *err);
/** Adds a slot for the member @key (borrowed) of the open object and notes a duplicate. Errors as
 *  tree_item(). */
MUST_USE int tree_key(struct tree *t, struct str key, struct err *err);
/** Puts @v into the current slot, the last one added. */
static inline void tree_put(struct tree *t, struct doc v)
{
    t->slots.v[t->slots.n - 1].value = v;
}
/** Closes the innermost container: its value is now in the slot it was opened in. */
void tree_close(struct tree *t);
/** The slot of the member @key of the innermost object, or NULL. Valid until the next slot. */
struct doc *tree_find(struct tree *t, struct str key);
static inline size_t tree_depth(const struct tree *t) /* open containers */
{
    return t->frames.n;
}
static inline struct doc tree_root(const struct tree *t) /* when all is closed */
{
    return t->slots.v[0].value;
}
