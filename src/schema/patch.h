/* patch.h - the three patch forms over documents. Limits: 10,000 JSON patch operations, copy growth
 * of 3 MiB, and bounded work; what comes out obeys DOC_DEPTH_MAX and DOC_NODES_MAX. The patch is
 * not changed. After an error *@d is partly patched: of no use.
 * Layer: schema. Threads: any. */
#pragma once
#include "schema/type.h"

/** RFC 6902 on *@d in place. ERR_BAD_REQUEST (malformed), ERR_INVALID (failing test, missing path),
 *  ERR_TOO_LARGE. */
MUST_USE int patch_json(struct arena *a, struct doc *d, const struct doc *patch, struct err *err);
/** RFC 7386 on *@d in place. ERR_BAD_REQUEST if @patch is no object. */
MUST_USE int patch_merge(struct arena *a, struct doc *d, const struct doc *patch, struct err *err);
/** Strategic merge patch by the tables of @type: merge keys, $patch, $retainKeys,
 *  $deleteFromPrimitiveList, $setElementOrder. ERR_BAD_REQUEST. */
MUST_USE int patch_strategic(struct arena *a, const struct type *type, struct doc *d,
                             const struct doc *patch, struct err *err);
