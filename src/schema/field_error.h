/* field_error.h - validation errors with field paths, and the Status they become.
 *
 * Paths are built on the stack while walking: struct path p = path_field(&parent, "ports");
 * texts and shapes are upstream's (k8s.io/apimachinery/pkg/util/validation/field).
 *
 * Layer: schema. Threads: the arena's.
 */
#pragma once
#include "base/buf.h"
#include "codec/doc.h"
#include "schema/type.h"

struct path { /* a link of a path; NULL parent: the root */
    const struct path *parent;
    struct str name; /* of a field, or of a map key when is_key */
    int64_t index;   /* >= 0: an index instead of a name */
    bool is_key;
};
static inline struct path path_field(const struct path *parent, const char *name)
{
    return (struct path){parent, str_from(name), -1, false};
}
static inline struct path path_index(const struct path *parent, size_t i)
{
    return (struct path){parent, STR_NULL, (int64_t)i, false};
}
static inline struct path path_key(const struct path *parent, struct str key)
{
    return (struct path){parent, key, -1, true};
}
/** Appends "a.b[0].c[key]"; nothing for NULL. */
void path_write(struct buf *out, const struct path *p);

enum field_error_type {
    FIELD_ERROR_REQUIRED,
    FIELD_ERROR_INVALID,
    FIELD_ERROR_NOT_SUPPORTED,
    FIELD_ERROR_FORBIDDEN,
    FIELD_ERROR_DUPLICATE,
    FIELD_ERROR_TOO_LONG,
    FIELD_ERROR_TOO_MANY,
    FIELD_ERROR_NOT_FOUND,
    FIELD_ERROR_TOO_SHORT,
    FIELD_ERROR_TOO_FEW,
    FIELD_ERROR_TYPE_INVALID,
    FIELD_ERROR_INTERNAL,
};
struct field_error {
    enum field_error_type type;
    struct str field; /* the path's text */
    struct str body;  /* "Invalid value: \"x\": must be ..." */
};
/* Collects at most FIELD_ERRORS_MAX errors; what comes later is dropped. {.arena = a} starts it. */
enum { FIELD_ERRORS_MAX = 256 };
struct field_errors {
    struct arena *arena;
    struct field_error *v;
    size_t n, cap;
};
/** Required value; @detail may be NULL or "". */
void err_required(struct field_errors *e, const struct path *p, const char *detail);
/** Invalid value @value (any document; strings are quoted as Go does), detail by printf. */
void err_invalid(struct field_errors *e, const struct path *p, struct doc value, const char *fmt,
                 ...) PRINTF_LIKE(4, 5);
/** Unsupported value with the supported ones, NULL-terminated; printed sorted. */
void err_not_supported(struct field_errors *e, const struct path *p, struct str value,
                       const char *const *supported);
/** Forbidden. */
void err_forbidden(struct field_errors *e, const struct path *p, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/** Duplicate value. */
void err_duplicate(struct field_errors *e, const struct path *p, struct doc value);
/** Not found. */
void err_not_found(struct field_errors *e, const struct path *p, struct doc value);
/** Too long: more than @max_bytes. */
void err_too_long(struct field_errors *e, const struct path *p, size_t max_bytes);
/** Too many: @n items where @max may be. */
void err_too_many(struct field_errors *e, const struct path *p, size_t n, size_t max);
/** Adds an error of any type with a ready body. */
void err_add(struct field_errors *e, enum field_error_type type, const struct path *p,
             const char *body_fmt, ...) PRINTF_LIKE(4, 5);
/** "FieldValueInvalid", ... as in a Status cause. */
const char *field_error_reason(enum field_error_type type);
/** "spec.x: Invalid value: ..." or "[e1, e2]"; equal texts once. In the errors' arena. */
struct str field_errors_message(const struct field_errors *e);
