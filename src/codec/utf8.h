/* utf8.h - UTF-8 as the readers and writers of text need it. Layer: codec. Threads: any. */
#pragma once
#include "base/buf.h"

enum { UTF8_REPLACEMENT = 0xfffd, UTF8_MAX = 4 };

/** The length (1..4) of the well-formed sequence at @p, which ends before @end, and its code
 *  point in *@ret_cp; 0 if it is malformed (truncated, overlong, surrogate, above U+10FFFF)
 *  or if @p is @end. Threads: any. */
size_t utf8_decode(const char *p, const char *end, uint32_t *ret_cp);
/** Writes the sequence of @cp, at most UTF8_MAX bytes, to @out; returns its length.
 *  @cp must be a scalar value. Threads: any. */
size_t utf8_encode(uint32_t cp, char *out);
/** True if all of @s is well-formed. Threads: any. */
bool utf8_valid(struct str s);
/** Appends @s with U+FFFD for each byte that is no part of a well-formed sequence.
 *  Threads: any. */
void utf8_append_valid(struct buf *out, struct str s);
