/* check.h - what a body says beyond its type (unknown and duplicate fields), and the declarative
 * part of validation. Layer: schema. Threads: any. */
#pragma once
#include "codec/json.h"
#include "schema/field_error.h"

/** Appends to the list *@ret_texts (in @a) `unknown field "spec.foo"` for each member of @doc that
 *  @type lacks, then `duplicate field "spec.bar"` for each of @dups; at most 100. */
void check_fields(const struct type *type, const struct doc *doc, const struct json_dup *dups,
                  struct arena *a, struct string_list *ret_texts);
/** Checks the tables' constraints (required, enum, limits, formats, unions, immutable against @old,
 *  which may be NULL) of @obj and below. @root: the path of @obj, NULL at the top. FIELD_REQUIRED
 *  alone is documentation (a status has many such); with limits, a missing value is an error. Items
 *  of lists have an old one only where the list has map keys. */
void check_typed(const struct type *type, const void *obj, const void *old,
                 const struct path *root, struct field_errors *errs);
/** Adds NotSupported at @p unless @s is one of the values of @e. */
void check_enum(const struct enum_def *e, struct str s, const struct path *p,
                struct field_errors *errs);
