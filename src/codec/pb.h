/* pb.h - protobuf wire format primitives: a bounded reader and a back-to-front-free writer.
 *
 * Knows tags, varints and lengths, not messages: schema/protobuf.c walks types with it, and
 * the gRPC layers use protobuf-c. https://protobuf.dev/programming-guides/encoding/
 *
 * Layer: codec. Threads: any.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };
struct pb_reader {
    const uint8_t *p, *end;
};
struct pb_field { /* one decoded field; which member counts depends on wire */
    uint32_t number;
    enum pb_wire wire;
    uint64_t varint; /* also the fixed ones */
    struct str bytes; /* borrowed from the input */
};
static inline struct pb_reader pb_reader(struct str s)
{
    return (struct pb_reader){(const uint8_t *)s.p, (const uint8_t *)s.p + s.len};
}
/** Reads the next field. Returns 1, 0 at the end, or ERR_PARSE (truncated, overlong varint,
 *  field number 0, group wire types). */
MUST_USE int pb_next(struct pb_reader *r, struct pb_field *ret_f, struct err *err);

void pb_put_varint(struct buf *b, uint64_t v);                      /** A bare varint. */
void pb_put_uint(struct buf *b, uint32_t number, uint64_t v);       /** Tag and varint. */
void pb_put_bytes(struct buf *b, uint32_t number, struct str s);    /** Tag, length, bytes. */
void pb_put_double(struct buf *b, uint32_t number, double d);       /** Tag and fixed64. */
/** Opens a nested message: returns a mark for pb_end(). */
size_t pb_begin(struct buf *b, uint32_t number);
/** Closes it: inserts its length before its bytes. */
void pb_end(struct buf *b, size_t mark);
