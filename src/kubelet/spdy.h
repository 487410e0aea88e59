/* SPDX-License-Identifier: Apache-2.0 */
/* spdy.h - as much of SPDY/3.1 as a runtime's streaming server needs: streams opened by us, data
 * both ways, ends. Header blocks go out uncompressed (stored), and those that come in are passed
 * over.
 *
 * Layer: kubelet. Threads: the owner's. */
#pragma once
#include "base/buf.h"

enum {
    SPDY_DATA_MAX = 16 * 1024,          /* of one frame we send */
    SPDY_FRAME_MAX = 16 * 1024 * 1024,  /* the protocol's own limit */
};
struct spdy_event { /* borrowed by the callback */
    uint32_t stream;  /* 0: of the connection */
    struct str data;  /* bytes of the stream; pieces of a frame may come apart */
    bool end;         /* no more of this stream, or connection */
};
struct spdy_writer { /* {0} begins a connection */
    bool begun;
};
/** Appends a frame that opens @stream (odd, growing) with one header. */
void spdy_open_stream(struct spdy_writer *w, uint32_t stream, struct str name, struct str value,
                      struct buf *out);
/** Appends @data of @stream; with @end it is the last. */
void spdy_write_data(uint32_t stream, struct str data, bool end, struct buf *out);

struct spdy_reader { /* {0} begins a connection */
    unsigned char head[8];
    size_t head_len;
    uint32_t left; /* of the frame's payload */
    bool in_frame;
    unsigned char small[16]; /* payload of short control frames */
    size_t small_len;
};
/** Takes what has arrived, calls @on_event for what matters; answers to pings go to @reply.
 *  False if it is no SPDY. */
bool spdy_read(struct spdy_reader *r, struct str bytes,
               void (*on_event)(void *arg, const struct spdy_event *e), void *arg,
               struct buf *reply);
