/* grpc_server.h - gRPC server on the HTTP server's HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
 * unary, server-streaming, client-streaming and bidirectional calls.
 *
 * A table of methods answers an http_server's requests whose content type is application/grpc. A
 * message is handed over as soon as it is whole; a call's flow-control window is given back as its
 * messages are taken, so a slow handler holds its own peer back and nobody else. Answers are
 * queued and pulled by the connection; grpc_server_pending() tells a producer how much waits.
 * Compressed messages are refused (UNIMPLEMENTED with grpc-accept-encoding: identity); a message
 * larger than message_max ends its call with RESOURCE_EXHAUSTED; grpc-timeout is kept.
 *
 * Layer: net. Threads: the http_server's loop.
 */
#pragma once
#include "net/grpc.h"
#include "net/http.h"

struct grpc_server_call;
struct grpc_method {
    const char *path; /* "/etcdserverpb.KV/Range" */
    /* A call has begun: its metadata is there, no message yet. Sets the call's handlers with
     * grpc_server_call_on() and may end it at once. */
    void (*on_start)(void *service, struct grpc_server_call *call);
};
struct grpc_call_handlers {
    /* A whole message, borrowed. Not called again after the call has ended. */
    void (*on_message)(void *arg, struct grpc_server_call *call, struct str message);
    /* The peer has sent its last message; the call goes on. May be NULL. */
    void (*on_half_close)(void *arg, struct grpc_server_call *call);
    /* Exactly once, last: ended by grpc_server_call_end() and sent, cancelled by the peer, past its
     * deadline, or cut off. The handle is invalid afterwards. */
    void (*on_closed)(void *arg, struct grpc_server_call *call);
    void *arg;
};

struct grpc_server;
/** A dispatcher for @methods[n] (borrowed, must outlive it), with @service handed to on_start. */
struct grpc_server *grpc_server_new(const struct grpc_method *methods, size_t n, void *service,
                                    size_t message_max);
/** Ends all open calls with UNAVAILABLE. NULL is a no-op; returns NULL. */
struct grpc_server *grpc_server_free(struct grpc_server *s);
/** True if @rq is a gRPC request: to be given to grpc_server_request() instead of any other
 *  handler. */
bool grpc_server_is_call(const struct http_request *rq);
/** Takes the exchange over; unknown methods are answered UNIMPLEMENTED. */
void grpc_server_request(struct grpc_server *s, struct http_exchange *x,
                         const struct http_request *rq);

void grpc_server_call_on(struct grpc_server_call *call, const struct grpc_call_handlers *h);
/** Queues one message (copied). No-op once the call has ended. */
void grpc_server_send(struct grpc_server_call *call, struct str message);
/** Bytes queued and not yet taken by the connection. */
size_t grpc_server_pending(const struct grpc_server_call *call);
/** Asks for @fn(@arg) once, when pending has fallen below @bytes. NULL @fn: no more. */
void grpc_server_on_drained(struct grpc_server_call *call, size_t bytes, void (*fn)(void *arg),
                            void *arg);
/** Ends the call: what is queued, then the trailers with @status and @text. Idempotent. */
void grpc_server_call_end(struct grpc_server_call *call, enum grpc_status status,
                          const char *fmt, ...) PRINTF_LIKE(3, 4);
/** The metadata @name (lower case), or STR_NULL. */
struct str grpc_server_metadata(const struct grpc_server_call *call, const char *name);
/** Who calls, from TLS. */
const struct http_peer *grpc_server_peer(const struct grpc_server_call *call);
struct loop *grpc_server_call_loop(const struct grpc_server_call *call); /** The call's loop. */
