/* quantity.h - resource quantities ("250m", "1Gi", "1e3") with exact decimal arithmetic.
 *
 * A value is an unscaled integer times ten to a power, as k8s.io/apimachinery's resource.Quantity
 * defines it; the canonical text keeps the suffix family (binary, decimal, exponent) of the
 * input. Range: binary magnitudes are capped at 2^63-1 as upstream does, decimal ones at about
 * 1.7e29; below 1 nano they are rounded up.
 *
 * Layer: codec. Threads: any.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum quantity_format { QUANTITY_DECIMAL_SI, QUANTITY_BINARY_SI, QUANTITY_DECIMAL_EXPONENT };
struct quantity { /* {0} is zero, and is "absent" in structs */
    __int128 nano; /* the value in units of 1e-9: exact over the whole range */
    uint8_t format; /* enum quantity_format */
    bool set;
};

/** Parses the whole of @s, no white space around it. ERR_INVALID with upstream's text ("quantities
 *  must match the regular expression ...", "unable to parse quantity's suffix"). */
MUST_USE int quantity_parse(struct str s, struct quantity *ret_q, struct err *err);
/** Appends the canonical form. */
void quantity_write(struct buf *out, struct quantity q);
/** The canonical form in @a. */
struct str quantity_str(struct arena *a, struct quantity q);
int quantity_cmp(struct quantity a, struct quantity b); /** <0, 0, >0 by value. */
/** The sum, in the format of @a; of @b if @a is absent or zero. Saturates. */
struct quantity quantity_add(struct quantity a, struct quantity b);
struct quantity quantity_from_i64(int64_t v, enum quantity_format f); /** A whole number. */
/** The value rounded up to an integer, capped to int64 (upstream's Value()). */
int64_t quantity_value(struct quantity q);
/** The value in thousandths, rounded up, capped (upstream's MilliValue()). */
int64_t quantity_milli(struct quantity q);
/** Rounds up to thousandths, as defaulting of resource lists does. */
struct quantity quantity_round_milli(struct quantity q);
bool quantity_is_integer(struct quantity q); /** No fraction. */
int quantity_sign(struct quantity q);        /** -1, 0, 1. */
