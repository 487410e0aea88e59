/* jsonpath_path.h - the paths of JSONPath: .a.b ['a.b'] [0] [-1] [0:2] [*] ['a','b'] ..a
 * [?(@.a=="b")], followed through a document. Layer: kubectl. Threads: any. */
#pragma once
#include "base/vec.h"
#include "codec/doc.h"

enum { JSONPATH_NODES_MAX = 4 * 1024 * 1024, JSONPATH_FILTERS_MAX = 4 /* one in another */ };
struct jsonpath_nodes { /* what a path has reached, borrowed from the document */
    VEC(const struct doc *) v;
    bool overflow; /* there were more than JSONPATH_NODES_MAX */
};
/** Follows @path from @start, which "$" and "@" stand for. @ret_nodes is set always; end it with
 *  vec_deinit(&ret_nodes->v). ERR_BAD_REQUEST, ERR_TOO_LARGE. */
MUST_USE int jsonpath_follow(struct str path, const struct doc *start,
                             struct jsonpath_nodes *ret_nodes, struct err *err);
/** A string as it is, everything else as JSON. In @a, or borrowed from @d. */
struct str jsonpath_text(struct arena *a, const struct doc *d);
/** The index of the first @c in @s that is in no quotes, or -1. */
long jsonpath_find_unquoted(struct str s, char c);
