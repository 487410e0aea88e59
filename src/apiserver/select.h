/* select.h - which objects a list or watch means: the keys of its namespace, and its selectors.
 * Internal to apiserver/. Layer: apiserver. Threads: any. */
#pragma once
#include "schema/selector.h"

/** True if @o (of @res or of its storage) matches; field names are those of @res. */
bool object_selected(const struct resource *res, const struct selector *labels,
                     const struct selector *fields, struct object *o);
/** Where the keys of @ns (empty: all) begin: "/registry/pods/default/". In @a. */
struct str select_prefix(const struct resource *res, struct str ns, struct arena *a);
