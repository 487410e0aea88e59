/* openapi.h - the OpenAPI documents of the API, written from the tables: version 2 (Swagger) as
 * JSON and in gnostic's protobuf, version 3 as JSON, one document per group and version.
 *
 * What clients read in them: kubectl explain (descriptions, types), apply, edit and diff (merge
 * keys and patch strategies), validation and --dry-run=server (parameters of the patch operation).
 *
 * One path and one definition at a time are made and written, so that the peak of memory is the
 * text itself. Writers give the same bytes for the same source.
 *
 * Layer: schema. Threads: any.
 */
#pragma once
#include "base/buf.h"
#include "schema/resource.h"

struct openapi_source {
    const struct resource *const *resources; /* what is served, custom resources too */
    size_t n;
    /* A type by group, version and kind, or NULL: lists, options and Status (group "meta.k8s.io")
     * are found by it; api_find_type() fits. A list kind that it does not know is written as the
     * usual {apiVersion, kind, metadata, items}. */
    const struct type *(*find_type)(struct str group, struct str version, struct str kind);
};

/** Appends the version 2 document as JSON. */
void openapi_v2(const struct openapi_source *src, struct buf *out);
/** Appends the version 2 document as openapi.v2.Document of gnostic. */
void openapi_v2_pb(const struct openapi_source *src, struct buf *out);
/** The documents of version 3 by their key in /openapi/v3 ("api", "api/v1", "apis", "apis/apps",
 *  "apis/apps/v1", "version", "openid/v1/jwks", ".well-known/openid-configuration"), sorted, in
 *  @a. */
struct string_list openapi_v3_keys(const struct openapi_source *src, struct arena *a);
/** Appends the version 3 document @key as JSON; false, and nothing, if there is no such document.
 */
MUST_USE bool openapi_v3(const struct openapi_source *src, struct str key, struct buf *out);
/** The name of the definition of @t: "io.k8s.api.apps.v1.Deployment"; of a custom resource's type
 * the reversed group: "com.example.stable.v1.CronTab". In @a. */
struct str openapi_name(const struct type *t, struct arena *a);
