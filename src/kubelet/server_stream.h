/* server_stream.h - what the streams of the kubelet's server share: exec, attach, port-forward.
 * Layer: kubelet. Threads: its loop. */
#pragma once
#include "kubelet/server.h"

struct stream_target { /* borrowed for the call */
    struct kpod *pod;
    const char *container_id; /* NULL: port-forward, to the pod's sandbox */
    bool attach;              /* to the container's own process; else exec */
    bool in, out, err, tty;
};
struct stream_address { /* of the runtime's streaming server; borrowed for the call */
    const char *host;
    uint16_t port;
    const char *path; /* "/exec/token" */
};
/** Asks the runtime where the stream @t of @s is served. @done exactly once, never from inside this
 *  call: with NULL and why not when there is none. @s must not be answered before that. */
void stream_ask(struct server_request *s, const struct stream_target *t,
                void (*done)(void *arg, const struct stream_address *at, const char *why),
                void *arg);
/** Streams over the WebSocket that @s asks for. stream_websocket.c */
void server_stream_websocket(struct server_request *s, const struct stream_target *t);
/** Streams over the SPDY that @s asks for. stream_spdy.c */
void server_stream_spdy(struct server_request *s, const struct stream_target *t);
