/* columns.h - the texts that cells of tables are made of. Internal to api/. Results are views of
 * the object or lie in the table's arena. Layer: api. Threads: any; all are pure. */
#pragma once
#include "api/api.h"

/* How every kind with columns begins. */
struct any_kind {
    struct str kind, api_version;
    struct meta_object_meta metadata;
};

/** A string cell; absent is "". */
struct doc cell_text(struct str s);
/** A string cell of @s, or of @otherwise if @s is empty. */
struct doc cell_text_or(struct str s, const char *otherwise);
/** A string cell of *@s, or of @otherwise if @s is NULL. */
struct doc cell_ptr_or(const struct str *s, const char *otherwise);
/** A string cell with a copy of @b. */
struct doc cell_buf(const struct buf *b, const struct table_ctx *ctx);
/** How long ago @t was, in short; "<unknown>" if absent. */
struct str column_age(struct time_value t, const struct table_ctx *ctx);
/** A duration of @seconds, in short. */
struct str column_duration(int64_t seconds, const struct table_ctx *ctx);
/** The text of a label selector, requirements sorted by key; @none if it has none or is NULL, @bad
 * if it cannot be one. */
struct str column_selector(const struct meta_label_selector *s, const char *none, const char *bad,
                           const struct table_ctx *ctx);
/** "k=v,k2=v2", or "<none>". */
struct str column_labels(const struct string_map *m, const struct table_ctx *ctx);
/** The strings of @v joined by @sep. */
struct str column_join(const struct str *v, size_t n, const char *sep, const struct table_ctx *ctx);
/** As column_join(), sorted and each once. */
struct str column_join_set(const struct str *v, size_t n, const struct table_ctx *ctx);
/** The names of the containers of a pod's spec. */
struct str column_containers(const struct core_pod_spec *spec, const struct table_ctx *ctx);
/** Their images. */
struct str column_images(const struct core_pod_spec *spec, const struct table_ctx *ctx);
/** "RWO,ROX": access modes of a volume in their fixed order, each once. */
struct str column_modes(const struct str *v, size_t n, const struct table_ctx *ctx);
/** @s in lower case (ASCII). */
struct str column_lower(struct str s, const struct table_ctx *ctx);
