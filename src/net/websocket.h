/* websocket.h - WebSocket (RFC 6455), server side on an exchange and client side on a connection.
 * Bounded: frames up to 1 MiB; the sender is told when the peer's buffer is full.
 * Layer: net. Threads: the exchange's loop. */
#pragma once
#include "net/http.h"
#include "net/http_client.h"

struct websocket;
struct websocket_handler {
    /* One message (binary or text). @data is borrowed. */
    void (*on_message)(void *arg, struct str data, bool binary);
    void (*on_drain)(void *arg);  /* the send buffer is below its mark again; may be NULL */
    void (*on_closed)(void *arg); /* exactly once, at the end; the websocket is gone after it */
    void *arg;
};
/** True if the request asks for an upgrade to WebSocket (HTTP/1.1). */
bool websocket_requested(const struct http_request *rq);
/** The sub-protocols offered, in order, in the exchange's arena. */
size_t websocket_protocols(const struct http_request *rq, struct arena *a, struct str **ret_p);
/** Accepts: answers 101 with @protocol (STR_NULL: none). The exchange is consumed. NULL if the peer
 *  has gone or it is no HTTP/1.1: nothing of @h is called then. */
struct websocket *websocket_accept(struct http_exchange *x, struct str protocol,
                                   const struct websocket_handler *h);
/** Queues a message. False when more than 1 MiB waits: stop until on_drain (it is queued all the
 *  same); false too once the end has begun. */
bool websocket_send(struct websocket *w, struct str data, bool binary);
/** Stops (true) or resumes reading: back-pressure. What has been read already is still
 *  delivered; a paused one does not see the peer's end. */
void websocket_pause(struct websocket *w, bool pause);
/** The peer may take nothing for @ms before it is cut, in place of a minute, also after
 *  websocket_close(): for streams whose reader may be a person. */
void websocket_patience(struct websocket *w, uint32_t ms);
/** Sends close with @code, then ends; on_closed follows. Idempotent. */
void websocket_close(struct websocket *w, int code);
/** Opens as a client: @on_open(@rq's arg, w or NULL, http status or 0, protocol, err) exactly once,
 *  never from inside this call. Of @rq count target, headers, timeouts and arg; @protocols is
 *  NULL-terminated or NULL. ERR_PARSE if what the server switched to is not this WebSocket. */
void websocket_connect(struct http_client *c, const struct http_client_request *rq,
                       const char *const *protocols, const struct websocket_handler *h,
                       void (*on_open)(void *arg, struct websocket *w, int status,
                                       struct str protocol, const struct err *err));
