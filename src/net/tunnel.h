/* tunnel.h - an upgrade passed on: a request that asks to switch protocols goes to a server behind
 * us with the same wish and, once that one has switched, bytes are handed both ways unread.
 *
 * Whoever cannot take more makes the other side wait. The end of either side is the end of both,
 * after what it sent has been handed on. A tunnel without bytes for four hours is closed.
 * Layer: net. Threads: the exchange's loop. */
#pragma once
#include "net/http.h"
#include "net/http_client.h"

enum {
    TUNNEL_IDLE_MS = 4 * 60 * 60 * 1000,
    TUNNEL_REFUSAL_MAX = 1024 * 1024, /* of an answer that is no switch; more is an error */
};
struct tunnel;
struct tunnel_refusal { /* borrowed for the call */
    int status;            /* of a whole answer; 0: there was none, see err */
    const char *type;      /* its content type, NULL: it named none */
    struct str body;
    const struct err *err; /* NULL with an answer; else as of http_client_send(), or ERR_PARSE (it
                            * switched to another protocol), ERR_TOO_LARGE */
};
/** True if @rq asks for an upgrade to @protocol ("SPDY/3.1", in any case of letters; HTTP/1.1). */
bool tunnel_requested(const struct http_request *rq, struct str protocol);
/** Asks the server of @c to switch to @protocol. Of @rq count method, target, headers (without
 *  Connection and Upgrade), timeouts and arg. @on_open(@rq's arg) exactly once, never from inside
 *  this call: with a tunnel, of which one of tunnel_join() and tunnel_close() must be called once,
 *  or with NULL and why not. Freeing @c before that ends it with ERR_CANCELED; @c may be freed any
 *  time after. */
void tunnel_dial(struct http_client *c, const struct http_client_request *rq, struct str protocol,
                 void (*on_open)(void *arg, struct tunnel *t, const struct tunnel_refusal *why));
/** Answers @x with the 101 that the server gave and hands bytes both ways until the end, which
 *  nobody is told. The exchange is consumed; so is @t. False if that cannot be: the peer has gone,
 *  the server has, or it is no HTTP/1.1. */
bool tunnel_join(struct tunnel *t, struct http_exchange *x);
/** Ends one that was not joined. NULL is a no-op. */
void tunnel_close(struct tunnel *t);
