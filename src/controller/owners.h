/* owners.h - who names whom as owner, kept from informer events; and which owners were seen to go.
 * Layer: controller. Threads: the driver's loop. */
#pragma once
#include "base/map.h"
#include "base/omap.h"
#include "schema/object.h"

struct owners {        /* {0} is a valid empty index */
    struct map by_uid; /* uid of the owner -> struct omap of its dependents */
    struct map ended;  /* uids of objects that were deleted; a bounded number of them */
};
/** Takes note that @old has become @o; @old NULL: a new object; @o NULL: @old is gone. */
void owners_change(struct owners *x, struct object *old, struct object *o);
/** The objects that name an owner of @uid, borrowed until the next change; NULL: none. */
const struct omap *owners_dependents(const struct owners *x, struct str uid);
/** True if the object of @uid was seen to go; false if it was not, or too long ago. */
bool owners_saw_end(const struct owners *x, struct str uid);
/** Frees all; idempotent. */
void owners_deinit(struct owners *x);
/** The metadata of @o with its owner references, made in @a without keeping the decoded object;
 *  NULL, cheaply, if it has neither references nor a deletion under way. */
const struct meta_object_meta *owners_meta(const struct object *o, struct arena *a);
