/* patch_internal.h - what the patch forms share. Internal to schema. Layer: schema. */
#pragma once
#include "base/buf.h"
#include "schema/type.h"

/** The kind of @d as Go's JSON reader names it: "bool", "number", ... Threads: any. */
const char *patch_go_kind(const struct doc *d);
/** Appends @d as Go's %v prints it: map[a:1 b:[x y]], keys sorted; deep values as "...".
 *  Threads: any. */
void patch_go_print(struct buf *out, const struct doc *d);
