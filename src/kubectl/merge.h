/* merge.h - the three-way merge of `kubectl apply`: what was applied before, what the file says
 * now, and what is there. Pure. Layer: kubectl. Threads: any. */
#pragma once
#include "schema/patch.h"

enum { MERGE_DEPTH_MAX = 64 };
/** Makes *@live be as @file says: what @last had and @file does not is taken away, lists with merge
 *  keys item by item, then @file is merged in as a strategic patch; what neither of them names
 *  stays. @last NULL: nothing is known of before, and nothing taken away. ERR_BAD_REQUEST. */
MUST_USE int merge_apply(struct arena *a, const struct type *type, const struct doc *last,
                         const struct doc *file, struct doc *live, struct err *err);
