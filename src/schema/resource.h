/* resource.h - what a resource of the API is: names, verbs, columns, strategy; made by schemac.
 * Layer: schema. Threads: immutable tables, any thread. */
#pragma once
#include "schema/field_error.h"
#include "schema/type.h"

enum verb {
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_PATCH,
    VERB_DELETE,
    VERB_DELETECOLLECTION,
    VERB__N
};
#define VERB_BIT(v) (1u << (v))
extern const char *const verb_names[VERB__N]; /* "get", ... */

struct subresource {
    const char *name;          /* "status" */
    const char *kind_group, *kind_version, *kind; /* what it returns, for discovery */
    const char *accepts_group, *accepts_version, *accepts; /* what it takes; NULL: as it returns */
    uint16_t verbs;            /* VERB_BIT()s */
    const struct type *type;   /* of the body it takes, or NULL (streams) */
};
struct table_ctx { /* what cells may depend on beside the object */
    int64_t now_sec;
    struct arena *arena;
};
struct column {
    const char *name, *type, *format, *doc; /* type "string", "integer", "boolean", "date" */
    int32_t priority;
    const char *path; /* dotted JSON path whose value is the cell; NULL: cell() makes it */
    struct doc (*cell)(const void *obj, const struct table_ctx *ctx);
};
struct selectable { /* a field that fieldSelector accepts */
    const char *name; /* "spec.nodeName" */
    const char *path; /* what is compared; NULL: value() makes it */
    struct str (*value)(const void *obj, struct arena *a);
};
enum resource_flag {
    RESOURCE_NAMESPACED = 1 << 0,
    RESOURCE_STATUS = 1 << 1,              /* a status subresource: main endpoint keeps status */
    RESOURCE_CREATE_ON_UPDATE = 1 << 2,    /* PUT to a missing name creates */
    RESOURCE_NEEDS_RESOURCE_VERSION = 1 << 3, /* no unconditional update */
    RESOURCE_RETURNS_DELETED = 1 << 4,     /* delete answers with the object, not a Status */
    RESOURCE_EPHEMERAL = 1 << 5,           /* reviews: computed, never stored */
    RESOURCE_LAZY = 1 << 6,                /* repeats are committed with the next batch */
    RESOURCE_DEFAULT_ORPHAN = 1 << 7,
};
/* How a kind's objects are made and changed; members may be NULL. @old is the stored object.
 * Objects are C structs of resource->type. Pure: no I/O. */
struct strategy {
    /* After decode, before admission: wipes what a client may not set, allocates nothing. */
    void (*prepare_create)(void *obj, struct arena *a);
    void (*prepare_update)(void *obj, const void *old, struct arena *a);
    void (*prepare_status)(void *obj, const void *old, struct arena *a);
    /* @old is NULL on create. */
    void (*validate)(const void *obj, const void *old, struct field_errors *errs);
    void (*validate_status)(const void *obj, const void *old, struct field_errors *errs);
    /* Warnings for the client, each put with warn(arg, text). */
    void (*warnings)(const void *obj, const void *old, void (*warn)(void *arg, struct str text),
                     void *arg, struct arena *a);
    const char *name_format; /* for schema/format.h; NULL: "dns-subdomain" */
};
struct resource {
    const char *group, *version, *plural, *singular, *kind;
    const char *short_names; /* comma separated, or "" */
    const char *categories;  /* likewise */
    const char *version_hash; /* discovery's storageVersionHash, or "" */
    const char *store_prefix; /* "/registry/pods/" ; the key is prefix + [namespace/] + name */
    uint16_t index;           /* place in api_resources */
    uint16_t verbs;           /* VERB_BIT()s */
    uint16_t flags;           /* enum resource_flag */
    uint16_t n_columns, n_selectable, n_subresources;
    uint8_t generation;       /* metadata.generation of a new object; 0: none */
    /* Dotted paths whose changes raise metadata.generation, ended by NULL; NULL: nothing does. */
    const char *const *generation_paths;
    const struct type *type;
    const struct column *columns;
    const struct selectable *selectable;
    const struct subresource *subresources;
    const struct strategy *strategy;
    /* Itself, or the resource whose objects it shows in another version. */
    const struct resource *storage;
    /* To and from the storage version's struct; NULL when storage is itself. */
    void (*from_storage)(const void *stored, void *obj, struct arena *a);
    void (*to_storage)(const void *obj, void *stored, struct arena *a);
};

/** The subresource @name, or NULL. */
const struct subresource *resource_subresource(const struct resource *r, struct str name);
/** "pods" or "deployments.apps": how messages name a resource. In @a. */
struct str resource_qualified(const struct resource *r, struct arena *a);
/** "v1" or "apps/v1". In @a. */
struct str resource_api_version(const struct resource *r, struct arena *a);
/** The store key of (@ns, @name). @ns empty for cluster-scoped ones. In @a. */
struct str resource_key(const struct resource *r, struct str ns, struct str name, struct arena *a);
static inline bool resource_namespaced(const struct resource *r)
{
    return r->flags & RESOURCE_NAMESPACED;
}
