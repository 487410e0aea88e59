/* SPDX-License-Identifier: Apache-2.0 */
/* spdy.c - as much of SPDY/3.1 as a runtime's streaming server needs. */
#include "kubelet/spdy.h"

enum {
    HEAD_BYTES = 8,
    SYN_STREAM = 1,
    RST_STREAM = 3,
    PING = 6,
    GOAWAY = 7,
    FLAG_FIN = 1,
    PING_BYTES = 4,
    RST_BYTES = 8,
};

static void put_u32(struct buf *out, uint32_t v)
{
    const unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                (unsigned char)(v >> 8), (unsigned char)v};

    buf_append(out, b, sizeof(b));
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_control(struct buf *out, unsigned type, unsigned flags, size_t len)
{
    put_u32(out, UINT32_C(0x80030000) | type);
    put_u32(out, (uint32_t)flags << 24 | (uint32_t)len);
}

/* A deflate block that stores @s as it is. */
static void put_stored(struct buf *out, struct str s)
{
    const unsigned char head[5] = {0, (unsigned char)s.len, (unsigned char)(s.len >> 8),
                                   (unsigned char)~s.len, (unsigned char)(~s.len >> 8)};

    buf_append(out, head, sizeof(head));
    buf_str(out, s);
}

void spdy_open_stream(struct spdy_writer *w, uint32_t stream, struct str name, struct str value,
                      struct buf *out)
{
    static const unsigned char zlib_head[2] = {0x78, 0x01}; /* no dictionary */
    auto_buf pairs = {0}, block = {0};

    put_u32(&pairs, 1);
    put_u32(&pairs, (uint32_t)name.len);
    buf_str(&pairs, name);
    put_u32(&pairs, (uint32_t)value.len);
    buf_str(&pairs, value);
    if (!w->begun)
        buf_append(&block, zlib_head, sizeof(zlib_head));
    w->begun = true;
    put_stored(&block, buf_view(&pairs));
    put_stored(&block, STR("")); /* a flush */
    put_control(out, SYN_STREAM, 0, block.len + 10);
    put_u32(out, stream);
    put_u32(out, 0);
    buf_append(out, "\0\0", 2); /* priority, slot */
    buf_str(out, buf_view(&block));
}

void spdy_write_data(uint32_t stream, struct str data, bool end, struct buf *out)
{
    do {
        struct str piece = str_sub(data, 0, SPDY_DATA_MAX);

        data = str_sub(data, piece.len, data.len);
        put_u32(out, stream);
        put_u32(out, (end && data.len == 0 ? (uint32_t)FLAG_FIN << 24 : 0) | (uint32_t)piece.len);
        buf_str(out, piece);
    } while (data.len > 0);
}

static bool is_control(const struct spdy_reader *r)
{
    return r->head[0] & 0x80;
}

/* The whole frame is there, or all of it that matters. */
static void end_frame(struct spdy_reader *r, void (*on_event)(void *, const struct spdy_event *),
                      void *arg, struct buf *reply)
{
    unsigned type = (unsigned)r->head[2] << 8 | r->head[3];
    struct spdy_event e = {.end = true};

    if (!is_control(r)) {
        e.stream = get_u32(r->head);
        if (r->head[4] & FLAG_FIN)
            on_event(arg, &e);
    } else if (type == RST_STREAM && r->small_len >= RST_BYTES) {
        e.stream = get_u32(r->small) & INT32_MAX;
        on_event(arg, &e);
    } else if (type == GOAWAY) {
        on_event(arg, &e);
    } else if (type == PING && r->small_len >= PING_BYTES) {
        put_control(reply, PING, 0, PING_BYTES);
        buf_append(reply, r->small, PING_BYTES);
    } else if ((r->head[4] & FLAG_FIN) && r->small_len >= 4) { /* SYN_REPLY that ends at once */
        e.stream = get_u32(r->small) & INT32_MAX;
        on_event(arg, &e);
    }
    r->head_len = r->small_len = 0;
    r->in_frame = false;
}

bool spdy_read(struct spdy_reader *r, struct str bytes,
               void (*on_event)(void *arg, const struct spdy_event *e), void *arg,
               struct buf *reply)
{
    while (bytes.len > 0) {
        struct str piece;

        if (!r->in_frame) {
            r->head[r->head_len++] = (unsigned char)bytes.p[0];
            bytes = str_sub(bytes, 1, bytes.len);
            if (r->head_len < HEAD_BYTES)
                continue;
            if (is_control(r) && (r->head[0] != 0x80 || r->head[1] != 3))
                return false;
            r->left = get_u32(r->head + 4) & 0xffffff;
            r->in_frame = true;
        }
        piece = str_sub(bytes, 0, r->left);
        bytes = str_sub(bytes, piece.len, bytes.len);
        r->left -= (uint32_t)piece.len;
        if (is_control(r)) {
            size_t keep = MIN(piece.len, sizeof(r->small) - r->small_len);

            memcpy(r->small + r->small_len, piece.p, keep);
            r->small_len += keep;
        } else if (piece.len > 0) {
            on_event(arg, &(struct spdy_event){.stream = get_u32(r->head), .data = piece});
        }
        if (r->left == 0)
            end_frame(r, on_event, arg, reply);
    }
    return true;
}
