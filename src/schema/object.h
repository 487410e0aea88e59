/* object.h - the committed object: immutable, reference-counted, encoded once.
 *
 * What the store publishes, every list and watch event carries, and every informer caches: one
 * copy in the process. Its JSON holds metadata.resourceVersion but not kind and apiVersion, which
 * the frame around it writes. The C struct and the protobuf bytes are made when first asked for and
 * then kept; two threads may race to make them, one wins.
 *
 * Layer: schema. Threads: any; immutable after object_publish().
 */
#pragma once
#include "base/ref.h"
#include "schema/resource.h"

struct meta_object_meta;

struct object {
    struct ref ref;
    const struct resource *res;
    int64_t revision;        /* metadata.resourceVersion; the mod revision in the store */
    int64_t create_revision; /* 0 if unknown (remote objects) */
    int64_t version;         /* writes since create; 0 if unknown */
    struct str key;          /* store key; name and ns are views into it */
    struct str ns, name;
    struct str uid;
    struct str json;         /* {"metadata":{...},...} with resourceVersion */
    const struct string_pair *labels; /* sorted by key */
    uint32_t n_labels;
    bool outdated;           /* what the store has of it is not what would be written now */
    const struct str *fields; /* values of res->selectable, in its order */
    struct object_lazy *lazy; /* typed, protobuf: private to object.c */
};

/**
 * Makes an object from a C struct: encodes it (without resourceVersion), and keeps labels and
 * selectable fields. revision stays 0 until object_publish(). One reference, the caller's.
 */
struct object *object_new(const struct resource *res, const void *typed);
/** As object_new() from stored JSON (without resourceVersion). ERR_PARSE if it is damaged. */
MUST_USE int object_from_stored(const struct resource *res, struct str key, struct str json,
                                struct object **ret_o, struct err *err);
/** As object_new() from JSON that a server sent (with resourceVersion, kind and apiVersion). */
MUST_USE int object_from_wire(const struct resource *res, struct str json, struct object **ret_o,
                              struct err *err);
/** The JSON as it is stored: without resourceVersion. Before object_publish() only. */
struct str object_stored_json(const struct object *o);
/** Sets the revisions and writes resourceVersion into the JSON. Once, before it is shared. */
void object_publish(struct object *o, int64_t revision, int64_t create_revision, int64_t version);
/** A copy of the published @o whose JSON and revision say @revision: what a watch shows of a
 *  deletion. One reference, the caller's. */
struct object *object_with_revision(const struct object *o, int64_t revision);
struct object *object_ref(struct object *o);   /** One more reference; returns @o. */
struct object *object_unref(struct object *o); /** Drops one; NULL is a no-op; returns NULL. */
/** The C struct (res->type), with resourceVersion; decoded at first use; lives as long as @o. */
const void *object_typed(const struct object *o);
/** As object_typed(), but not kept: what was made before, or else a struct in @a, valid while both
 *  last. For those who look at many objects once. */
const void *object_typed_in(const struct object *o, struct arena *a);
/** The metadata of object_typed(). */
const struct meta_object_meta *object_meta(const struct object *o);
/** As object_meta(), but not kept, and without decoding the rest: for those who look at many
 *  objects once. Valid while @o and @a last. */
const struct meta_object_meta *object_meta_in(const struct object *o, struct arena *a);
/** The protobuf message (no envelope), made at first use; lives as long as @o. */
struct str object_pb(const struct object *o);
/** The value of label @key, or STR_NULL. */
struct str object_label(const struct object *o, struct str key);
/** The value of the selectable field @name, or STR_NULL. "metadata.name" and "metadata.namespace"
 *  work for every kind. */
struct str object_field(const struct object *o, struct str name);
/** Appends the full JSON document: {"kind":...,"apiVersion":..., and the rest. */
void object_write_json(const struct object *o, struct buf *out);
/* For omap: objects by key. */
struct omap_ops;
extern const struct omap_ops object_omap_ops;

/* const struct core_pod *pod = OBJECT_AS(core_pod, o); */
#define OBJECT_AS(name, o) ((const struct name *)object_typed(o))
