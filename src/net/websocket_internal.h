/* websocket_internal.h - a WebSocket on an open connection, for both sides of websocket.h.
 * Layer: net, private to it. Threads: the connection's loop. */
#pragma once
#include "net/conn.h"
#include "net/websocket.h"

/** Runs WebSocket frames on @c after the handshake; takes its handler over, so the owner of @c
 *  hears nothing more of it: @on_gone(@gone_arg) (may be NULL) is called when the connection has
 *  closed, after the handler's on_closed. @early: bytes that came behind the handshake (copied).
 *  @client: we mask, and the peer must not. No callback of @h runs from inside this call. */
struct websocket *websocket_start(struct conn *c, bool client, const struct websocket_handler *h,
                                  struct str early, void (*on_gone)(void *arg), void *gone_arg);
/** Sec-WebSocket-Accept for @key (RFC 6455 4.2.2): 28 characters and a NUL. */
void websocket_accept_key(struct str key, char ret_accept[29]);
/** Splits a header's value at commas, trims the parts and drops empty ones; in @a. */
size_t websocket_tokens(struct str value, struct arena *a, struct str **ret_p);
