/* pb.c - protobuf wire format primitives. */
#include "codec/pb.h"
#include <assert.h>

enum { VARINT_MAX = 10 /* bytes of a 64-bit varint */ };

static int truncated(struct err *err)
{
    return err_new(err, ERR_PARSE, "proto: unexpected EOF");
}

static int read_varint(struct pb_reader *r, uint64_t *ret_v, struct err *err)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < VARINT_MAX; i++) {
        uint8_t byte;

        if (r->p == r->end)
            return truncated(err);
        byte = *r->p++;
        if (i == VARINT_MAX - 1 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret_v = v;
            return 0;
        }
    }
    return err_new(err, ERR_PARSE, "proto: integer overflow");
}

static int read_fixed(struct pb_reader *r, unsigned n_bytes, uint64_t *ret_v, struct err *err)
{
    uint64_t v = 0;

    if ((size_t)(r->end - r->p) < n_bytes)
        return truncated(err);
    for (unsigned i = 0; i < n_bytes; i++)
        v |= (uint64_t)r->p[i] << (8 * i);
    r->p += n_bytes;
    *ret_v = v;
    return 0;
}

static int read_bytes(struct pb_reader *r, struct str *ret_s, struct err *err)
{
    uint64_t len = 0;
    int rc = read_varint(r, &len, err);

    if (rc < 0)
        return rc;
    if (len > (uint64_t)(r->end - r->p))
        return truncated(err);
    *ret_s = (struct str){(const char *)r->p, (size_t)len};
    r->p += len;
    return 0;
}

int pb_next(struct pb_reader *r, struct pb_field *ret_f, struct err *err)
{
    struct pb_field f = {0};
    uint64_t tag = 0;
    int rc;

    if (r->p == r->end)
        return 0;
    rc = read_varint(r, &tag, err);
    if (rc < 0)
        return rc;
    /* Field numbers have 29 bits. */
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return err_new(err, ERR_PARSE, "proto: illegal tag %llu (wire type %u)",
                       (unsigned long long)(tag >> 3), (unsigned)(tag & 7));
    f.number = (uint32_t)(tag >> 3);
    f.wire = (enum pb_wire)(tag & 7);
    switch (f.wire) {
    case PB_VARINT:
        rc = read_varint(r, &f.varint, err);
        break;
    case PB_FIXED64:
        rc = read_fixed(r, 8, &f.varint, err);
        break;
    case PB_BYTES:
        rc = read_bytes(r, &f.bytes, err);
        break;
    case PB_FIXED32:
        rc = read_fixed(r, 4, &f.varint, err);
        break;
    default:
        rc = err_new(err, ERR_PARSE, "proto: illegal wireType %u", (unsigned)(tag & 7));
        break;
    }
    if (rc < 0)
        return rc;
    *ret_f = f;
    return 1;
}

static size_t format_varint(char *p, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        p[n++] = (char)(uint8_t)(v | 0x80);
    p[n++] = (char)(uint8_t)v;
    return n;
}

void pb_put_varint(struct buf *b, uint64_t v)
{
    char bytes[VARINT_MAX];

    buf_append(b, bytes, format_varint(bytes, v));
}

static void put_tag(struct buf *b, uint32_t number, enum pb_wire wire)
{
    assert(number > 0);
    pb_put_varint(b, (uint64_t)number << 3 | wire);
}

void pb_put_uint(struct buf *b, uint32_t number, uint64_t v)
{
    put_tag(b, number, PB_VARINT);
    pb_put_varint(b, v);
}

void pb_put_bytes(struct buf *b, uint32_t number, struct str s)
{
    put_tag(b, number, PB_BYTES);
    pb_put_varint(b, s.len);
    buf_str(b, s);
}

void pb_put_double(struct buf *b, uint32_t number, double d)
{
    uint64_t bits;
    char bytes[8];

    memcpy(&bits, &d, sizeof(bits));
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (char)(uint8_t)(bits >> (8 * i));
    put_tag(b, number, PB_FIXED64);
    buf_append(b, bytes, sizeof(bytes));
}

size_t pb_begin(struct buf *b, uint32_t number)
{
    put_tag(b, number, PB_BYTES);
    return b->len;
}

void pb_end(struct buf *b, size_t mark)
{
    char bytes[VARINT_MAX];
    size_t n, len;

    if (b->overflow || b->len < mark)
        return;
    len = b->len - mark;
    n = format_varint(bytes, len);
    if (!buf_reserve(b, n))
        return;
    memmove(b->p + mark + n, b->p + mark, len);
    memcpy(b->p + mark, bytes, n);
    b->len += n;
}
