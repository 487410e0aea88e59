/* openapi_internal.h - what the parts of the OpenAPI writer share. Internal to schema.
 *
 * A definition or a path is first a document in an arena of its own, then JSON or protobuf.
 *
 * Layer: schema. Threads: the arena's.
 */
#pragma once
#include "base/map.h"
#include "base/vec.h"
#include "codec/doc.h"
#include "schema/openapi.h"

enum openapi_version { OPENAPI_V2, OPENAPI_V3 };
enum special { /* definitions that no table describes */
               SPECIAL_QUANTITY,
               SPECIAL_INT_OR_STRING,
               SPECIAL_TIME,
               SPECIAL_MICRO_TIME,
               SPECIAL_DURATION,
               SPECIAL_RAW_EXTENSION,
               SPECIAL_FIELDS_V1,
               SPECIAL_JSON,
               SPECIAL_SCHEMA_OR_ARRAY,
               SPECIAL_SCHEMA_OR_BOOL,
               SPECIAL_SCHEMA_OR_STRINGS,
               SPECIAL_SUBRESOURCE_STATUS,
               SPECIAL_PATCH,
               SPECIAL_WATCH_EVENT,
               SPECIAL_VERSION_INFO,
               SPECIAL__N
};
struct definition { /* exactly one member is set, or special is meant */
    struct str name;
    const struct type *type;
    const struct resource *list_of; /* a list kind that has no table */
    enum special special;
};
typedef VEC(struct definition) definition_vec;
struct writer { /* one document being written */
    const struct openapi_source *src;
    enum openapi_version version;
    struct arena names; /* lives as long as the document */
    struct map seen;    /* names of definitions */
    definition_vec definitions;
};

/* openapi_schema.c */
/** Notes that the document needs @t and what it refers to. */
void openapi_need_type(struct writer *w, const struct type *t);
/** Notes that the document needs @s. */
void openapi_need_special(struct writer *w, enum special s);
/** Notes the list kind of @r. Returns its name. */
struct str openapi_need_list(struct writer *w, const struct resource *r);
/** A schema that refers to the definition @name: {"$ref": ...}. */
struct doc openapi_ref(const struct writer *w, struct arena *a, struct str name);
/** The name of the definition @s; static. */
struct str openapi_special_name(enum special s);
/** The schema of a definition, in @a. */
struct doc openapi_schema(const struct writer *w, const struct definition *d, struct arena *a);
/** True if @group is one of this API's own, not of a custom resource. */
bool openapi_builtin_group(const char *group);

/* openapi_list.c */
/* What a path is about, and so what its operations are. */
enum form {
    FORM_ALL,        /* the resource in all namespaces */
    FORM_COLLECTION, /* in one namespace, or of the cluster */
    FORM_NAMED,
    FORM_SUB,
    FORM_SUB_REST, /* what follows a proxied name */
    FORM_WATCH_ALL,
    FORM_WATCH_COLLECTION,
    FORM_WATCH_NAMED,
    FORM_CORE_VERSIONS, /* /api/ */
    FORM_GROUPS,        /* /apis/ */
    FORM_GROUP,         /* /apis/apps/ */
    FORM_RESOURCES,     /* /apis/apps/v1/ */
    FORM_VERSION_INFO,  /* /version/ */
    FORM_OPENID_CONFIG, /* /.well-known/openid-configuration/ */
    FORM_OPENID_KEYS,   /* /openid/v1/jwks/ */
};
struct path_list { /* paths of the document, sorted */
    VEC(struct path_entry) v;
};
struct path_entry {
    struct str path;
    const struct resource *res; /* NULL: a discovery document */
    const struct subresource *sub;
    enum form form;
};
/** Adds the paths of all resources and of discovery to @l, sorted; texts in @a. */
void openapi_paths(const struct openapi_source *src, struct arena *a, struct path_list *l);

/* openapi_paths.c, openapi_params.c */
/** The path item of @e, in @a; notes the definitions that it needs. */
struct doc openapi_path_item(struct writer *w, const struct path_entry *e, struct arena *a);
/** The parameters that operations of version 2 refer to, as an object by name. */
struct doc openapi_parameters(struct arena *a);

/* openapi_pb.c: the same documents as messages of gnostic's OpenAPIv2.proto. */
void openapi_pb_path(struct buf *out, struct str path,
                     const struct doc *item); /** A NamedPathItem. */
void openapi_pb_schema(struct buf *out, struct str name,
                       const struct doc *schema); /** A NamedSchema. */
/** The whole message but for paths and definitions, which come in @paths and @definitions. */
void openapi_pb_document(struct buf *out, const struct doc *head, struct str paths,
                         struct str definitions);
