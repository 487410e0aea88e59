/* websocket_frame.h - frames of RFC 6455: an incremental reader and a writer.
 * Layer: net, private to it. Threads: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum { WS_FRAME_MAX = 1024 * 1024, WS_CONTROL_MAX = 125, WS_HEAD_MAX = 14 };
enum websocket_op {
    WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10,
};
struct websocket_frame {
    bool fin;
    enum websocket_op op;
    struct str payload; /* unmasked; borrowed from the input */
};
/** Reads one frame at the start of @p (which is unmasked in place). Returns the bytes it took, 0 if
 *  it is not all there yet, or: ERR_TOO_LARGE (payload over WS_FRAME_MAX), ERR_PARSE (reserved
 *  bits or codes, a control frame that is long or fragmented, masking other than @masked). */
long websocket_frame_read(char *p, size_t n, bool masked, struct websocket_frame *ret_f,
                          struct err *err);
/** Writes the head of a final frame with @len bytes of payload to @to (WS_HEAD_MAX bytes) and
 *  returns its length; @mask (4 bytes) NULL: not masked. */
size_t websocket_frame_head(char *to, enum websocket_op op, size_t len, const uint8_t *mask);
/** Masks or unmasks @n bytes that start at @offset of the payload. */
void websocket_mask(char *p, size_t n, const uint8_t mask[4], size_t offset);
