/* grpc_server.h - gRPC server on the HTTP server's HTTP/2: unary, server-streaming,
 * client-streaming and bidirectional calls
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 *
 * A table of methods answers an http_server's requests whose content type is application/grpc.
 * The http_server's handler sets wants_stream (grpc_server_is_call() does for it) and gives such
 * requests to grpc_server_request(). Over HTTP/1.1 they are refused with 505.
 *
 * A message is handed over as soon as it is whole, and the call's flow-control window is given back
 * as messages are taken. While more than GRPC_SERVER_PENDING_MAX bytes of answers wait for a call's
 * peer, no more of its messages are taken: a peer that does not read holds itself back and nobody
 * else. Answers are queued and pulled by the connection; grpc_server_pending() tells a producer
 * how much waits. Compressed messages are refused (UNIMPLEMENTED, and grpc-accept-encoding says
 * identity); a message larger than message_max ends its call with RESOURCE_EXHAUSTED;
 * grpc-timeout is kept.
 *
 * Layer: net. Threads: the http_server's loop.
 */
#pragma once
#include "net/grpc.h"
#include "net/http.h"

enum { GRPC_SERVER_PENDING_MAX = 1024 * 1024 };

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
     * deadline, or cut off. The handle is invalid afterwards. It may run inside
     * grpc_server_free(), but inside no other call. */
    void (*on_closed)(void *arg, struct grpc_server_call *call);
    void *arg;
};

struct grpc_server;
/** A dispatcher for @methods[n] (borrowed, must outlive it), with @service handed to on_start. */
struct grpc_server *grpc_server_new(const struct grpc_method *methods, size_t n, void *service,
                                    size_t message_max);
/** Ends all open calls with UNAVAILABLE; each on_closed runs before this returns. The http_server
 *  may outlive it, if it gets no more requests. Allowed in callbacks of calls. NULL is a no-op;
 *  returns NULL. */
struct grpc_server *grpc_server_free(struct grpc_server *s);
/** True if @rq is a gRPC request: to be given to grpc_server_request() instead of any other
 *  handler. */
bool grpc_server_is_call(const struct http_request *rq);
/** Takes the exchange over; unknown methods are answered UNIMPLEMENTED. on_start, and over a body
 *  that is there already the other handlers, run inside this call. */
void grpc_server_request(struct grpc_server *s, struct http_exchange *x,
                         const struct http_request *rq);

/** Sets (copies) the handlers, in on_start. A call without them must be ended there. */
void grpc_server_call_on(struct grpc_server_call *call, const struct grpc_call_handlers *h);
/** False when no peer takes a message of @bytes (2 GiB and more); the call ends then, with
 *  RESOURCE_EXHAUSTED. */
bool grpc_server_may_send(struct grpc_server_call *call, size_t bytes);
/** Queues one message (copied), as far as grpc_server_may_send(). No-op once the call has ended. */
void grpc_server_send(struct grpc_server_call *call, struct str message);
/** Bytes queued and not yet taken by the connection. */
size_t grpc_server_pending(const struct grpc_server_call *call);
/** Asks for @fn(@arg) once, from the loop, when pending is below @bytes. NULL @fn: no more. */
void grpc_server_on_drained(struct grpc_server_call *call, size_t bytes, void (*fn)(void *arg),
                            void *arg);
/** Ends the call: what is queued, then the trailers with @status and the text. Idempotent; no
 *  handler but on_closed runs afterwards. */
void grpc_server_call_end(struct grpc_server_call *call, enum grpc_status status,
                          const char *fmt, ...) PRINTF_LIKE(3, 4);
