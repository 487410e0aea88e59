/* yaml_scalar.h - what a plain YAML scalar means, as go-yaml v2 resolves it. Internal to codec.
 * Layer: codec. Threads: any. */
#pragma once
#include "base/buf.h"
#include "codec/doc.h"

enum yaml_type {
    YAML_STRING,
    YAML_NULL,
    YAML_BOOL,
    YAML_INT,
    YAML_FLOAT,
    YAML_TIMESTAMP /* its value is a string: JSON has no other form for it */
};
struct yaml_scalar {
    enum yaml_type type;
    struct doc value; /* DOC_DOUBLE for integers beyond int64, and for every YAML_FLOAT */
};
/** The type and the value of the plain scalar @text; a string value is @text itself. Threads: any.
 */
struct yaml_scalar yaml_resolve(struct str text);
/** True if another reader could take @text for a number of base 60 ("12:30:45"). Threads: any. */
bool yaml_is_base60(struct str text);
/** @d as a JSON document holds it: a whole number that fits int64 becomes an integer.
 *  Threads: any. */
struct doc yaml_float_to_doc(double d);
/** Appends @d in Go's %g form (".inf", "-.inf", ".nan" if not finite), as a float when @single.
 *  Threads: any. */
void yaml_write_float(struct buf *out, double d, bool single);
