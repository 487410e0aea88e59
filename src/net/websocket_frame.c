/* websocket_frame.c - frames of RFC 6455, 5.2. */
#include "net/websocket_frame.h"

#define FIN 0x80
#define RESERVED 0x70
#define OP 0x0f
#define MASKED 0x80
#define LEN 0x7f
#define LEN_16 126
#define LEN_64 127

static bool known(unsigned op)
{
    return op <= WS_BINARY || (op >= WS_CLOSE && op <= WS_PONG);
}

void websocket_mask(char *p, size_t n, const uint8_t mask[4], size_t offset)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)((uint8_t)p[i] ^ mask[(offset + i) & 3]);
}

static int check_head(const uint8_t *b, bool masked, struct err *err)
{
    unsigned op = b[0] & OP;

    if ((b[0] & RESERVED) || !known(op))
        return err_new(err, ERR_PARSE, "a frame of an unknown kind");
    if (((b[1] & MASKED) != 0) != masked)
        return err_new(err, ERR_PARSE, masked ? "a frame without a mask" : "a masked frame");
    if (op >= WS_CLOSE && (!(b[0] & FIN) || (b[1] & LEN) > WS_CONTROL_MAX))
        return err_new(err, ERR_PARSE, "a control frame that is long or in parts");
    return 0;
}

long websocket_frame_read(char *p, size_t n, bool masked, struct websocket_frame *ret_f,
                          struct err *err)
{
    const uint8_t *b = (const uint8_t *)p;
    size_t head = 2, len_bytes;
    uint64_t len;
    int r;

    if (n < 2)
        return 0;
    r = check_head(b, masked, err);
    if (r < 0)
        return r;
    len = b[1] & LEN;
    len_bytes = len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0;
    if (n < head + len_bytes)
        return 0;
    if (len_bytes)
        len = 0;
    for (size_t i = 0; i < len_bytes; i++)
        len = len << 8 | b[head + i];
    head += len_bytes;
    if (len > WS_FRAME_MAX)
        return err_new(err, ERR_TOO_LARGE, "a frame of %llu bytes", (unsigned long long)len);
    head += masked ? 4 : 0;
    if (n < head || n - head < len)
        return 0;
    if (masked)
        websocket_mask(p + head, (size_t)len, b + head - 4, 0);
    *ret_f = (struct websocket_frame){.fin = (b[0] & FIN) != 0,
                                      .op = (enum websocket_op)(b[0] & OP),
                                      .payload = {p + head, (size_t)len}};
    return (long)(head + (size_t)len);
}

size_t websocket_frame_head(char *to, enum websocket_op op, size_t len, const uint8_t *mask)
{
    size_t n = 0, len_bytes = len < LEN_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    unsigned short_len = len_bytes == 0 ? (unsigned)len : len_bytes == 2 ? LEN_16 : LEN_64;

    to[n++] = (char)(FIN | (unsigned)op);
    to[n++] = (char)(short_len | (mask ? MASKED : 0));
    for (size_t i = len_bytes; i > 0; i--)
        to[n++] = (char)((uint64_t)len >> (8 * (i - 1)));
    if (mask) {
        memcpy(to + n, mask, 4);
        n += 4;
    }
    return n;
}
