/* json.h - JSON (RFC 8259) reader and writer over the document tree.
 *
 * The reader is iterative and strict: UTF-8 checked, no comments, no trailing text; surrogate
 * escapes are paired, lone ones become U+FFFD as Go does; a number without fraction and
 * exponent that fits int64 is an integer, any other a double. Duplicate members: the
 * last one wins, and each is reported. Error texts follow Go's encoding/json, since
 * clients see them ("invalid character 'x' looking for beginning of value").
 *
 * Layer: codec. Threads: any, one per call.
 */
#pragma once
#include "base/buf.h"
#include "codec/doc.h"

struct json_dup { /* a duplicate member, in document order */
    struct json_dup *next;
    const char *path; /* "spec.containers[0].name" */
};
/**
 * Parses the whole of @text into @a. Strings without escapes are views into @text, which must
 * live as long as the document.
 * @ret_dups  optional: list of duplicate members, NULL if none.
 * Returns 0, ERR_PARSE (the text of Go) or ERR_TOO_LARGE (depth or node limit).
 */
MUST_USE int json_parse(struct str text, struct arena *a, struct doc *ret_doc,
                        struct json_dup **ret_dups, struct err *err);

/** Appends compact JSON; escapes <, > and & and U+2028/9 as Go's encoder does. */
void json_write(struct buf *out, const struct doc *d);
/** Appends JSON indented by 2 spaces a level, as ?pretty=1 shows it. */
void json_write_pretty(struct buf *out, const struct doc *d);
/** As json_write_pretty() with @n_spaces a level: `kubectl -o json` uses 4. */
void json_write_indent(struct buf *out, const struct doc *d, unsigned n_spaces);
/** Appends one quoted and escaped string. */
void json_write_string(struct buf *out, struct str s);
/** Appends a double the way Go's encoder does (shortest form that reads back). */
void json_write_double(struct buf *out, double d);
/** The document as compact JSON in @a. */
struct str json_to_str(struct arena *a, const struct doc *d);
/** Appends @s quoted like Go's %q. Used in error texts. */
void json_go_quote(struct buf *out, struct str s);
