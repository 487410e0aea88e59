/* typed.h - C structs of API types, by table: decode, encode, default, compare, clone.
 *
 * "@type, @obj": a struct as api/types.h declares it. All memory comes from the arena given.
 *
 * Layer: schema. Threads: any; nothing is shared.
 */
#pragma once
#include "base/buf.h"
#include "codec/json.h"
#include "schema/type.h"

/**
 * Fills *@obj (zeroed by the caller, type->size bytes) from @doc. Unknown members are passed over;
 * null is absent; a list or map that is present but empty has a non-NULL v. Strings are views into
 * the document. ERR_TOO_LARGE; ERR_BAD_REQUEST with Go's text: "json: cannot unmarshal string into
 * Go struct field DeploymentSpec.spec.replicas of type int32".
 */
MUST_USE int typed_from_doc(const struct type *type, const struct doc *doc, struct arena *a,
                            void *obj, struct err *err);
/** Makes the fields of features that are off by default absent, in @obj and below. */
void typed_drop_gated(const struct type *type, void *obj);
/** The struct as a document: empty fields left out as upstream does. Views into @obj. */
struct doc typed_to_doc(const struct type *type, const void *obj, struct arena *a);
/** Parses @json and fills a new struct in @a. Errors of json_parse() and typed_from_doc(). */
MUST_USE int typed_from_json(const struct type *type, struct str json, struct arena *a,
                             void **ret_obj, struct err *err);
/** Appends compact JSON; type-meta members are left out unless set in the struct. */
void typed_write_json(const struct type *type, const void *obj, struct buf *out);

/** Decodes a protobuf message (no envelope) into *@obj. Unknown fields are dropped. Strings are
 *  views into @bytes. ERR_PARSE, ERR_TOO_LARGE. */
MUST_USE int typed_from_pb(const struct type *type, struct str bytes, struct arena *a, void *obj,
                           struct err *err);
/** Appends the protobuf message, byte for byte as upstream writes it. */
void typed_write_pb(const struct type *type, const void *obj, struct buf *out);

struct pb_envelope { /* "k8s\0" + runtime.Unknown */
    struct str api_version, kind, raw, content_encoding, content_type;
};
/** Opens an envelope; views. ERR_PARSE "... does not appear to be a protobuf message, ...". */
MUST_USE int pb_envelope_open(struct str bytes, struct pb_envelope *ret_env, struct err *err);
/** Appends magic and envelope around @raw. */
void pb_envelope_write(struct buf *out, struct str api_version, struct str kind, struct str raw);

/** Sets the declared defaults of all absent fields, then runs each type's set_defaults(),
 *  parents first. @a holds what is added. */
void typed_default(const struct type *type, void *obj, struct arena *a);
/** A deep copy in one allocation of @a; strings are copied when @copy_strings. */
void *typed_clone(const struct type *type, const void *obj, struct arena *a, bool copy_strings);
/** Deep semantic equality: an empty list or map equals an absent one (upstream's DeepEqual of
 *  encoded objects). */
bool typed_equal(const struct type *type, const void *x, const void *y);
/** True if the C value of @f in @obj would not be written: zero, NULL, empty. */
bool typed_field_empty(const struct field *f, const void *obj);
/** Makes field @name of @obj absent. */
void typed_clear(const struct type *type, void *obj, const char *name);
/** The scalar at the dotted JSON path @path of @obj as text, as a field selector compares it:
 *  numbers in decimal, "true"/"false"; "" if absent. Views or @a. */
struct str typed_path_text(const struct type *type, const void *obj, const char *path,
                           struct arena *a);
