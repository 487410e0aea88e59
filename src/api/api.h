/* api.h - the tables of the whole API, made by schemac from the .schema files of this folder.
 * Layer: api. Threads: immutable, any thread. */
#pragma once
#include "api/types.h" /* generated: the C structs, `extern const struct type type_core_pod` */
#include "schema/resource.h"

/* Every built-in resource, sorted by group priority as /apis lists them, then name. */
extern const struct resource *const api_resources[];
extern const size_t api_n_resources;
struct api_group { /* a group as discovery shows it */
    const char *name;
    const char *const *versions; /* preferred first, NULL-terminated */
};
extern const struct api_group api_groups[];
extern const size_t api_n_groups;
/* Each resource is also `extern const struct resource res_<group>_<plural>` (res_core_pods,
 * res_apps_deployments, res_autoscaling_v2_horizontalpodautoscalers) in api/types.h. */

/** The resource, or NULL. */
const struct resource *api_find(struct str group, struct str version, struct str plural);
/** The resource serving @kind of @group and @version, or NULL. */
const struct resource *api_find_kind(struct str group, struct str version, struct str kind);
/** The type @kind ("DeleteOptions" too) of @group and @version, or NULL. */
const struct type *api_find_type(struct str group, struct str version, struct str kind);
/** Splits "apps/v1" or "v1"; @ret_group is empty for the core group. */
void api_split_version(struct str api_version, struct str *ret_group, struct str *ret_version);
