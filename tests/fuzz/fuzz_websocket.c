/* fuzz_websocket.c - WebSocket frames: what is read can be written, and reads the same again. */
#include "fuzz.h"
#include "net/websocket_frame.h"
#include <stdlib.h>

static void check_again(const struct websocket_frame *f)
{
    static const uint8_t mask[4] = {0x5a, 0, 0xff, 1};
    auto_buf out = {0};
    struct websocket_frame back;
    char head[WS_HEAD_MAX];
    size_t n = websocket_frame_head(head, f->op, f->payload.len, mask);

    buf_append(&out, head, n);
    buf_str(&out, f->payload);
    websocket_mask(out.p + n, f->payload.len, mask, 0);
    if (websocket_frame_read(out.p, out.len, true, &back, NULL) != (long)out.len)
        abort();
    if (back.op != f->op || !str_eq(back.payload, f->payload))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy;
    size_t at = 1;

    if (size == 0)
        return 0;
    copy = xmemdupz(data, size); /* frames are unmasked in place */
    while (at < size) {
        struct websocket_frame f;
        struct err err = {0};
        long n = websocket_frame_read(copy + at, size - at, data[0] & 1, &f, &err);

        if (n <= 0)
            break;
        if ((size_t)n > size - at || f.payload.len > WS_FRAME_MAX)
            abort();
        check_again(&f);
        at += (size_t)n;
    }
    free(copy);
    return 0;
}
