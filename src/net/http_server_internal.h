/* http_server_internal.h - what the server, its protocols and WebSocket share: exchanges and
 * connections. Layer: net, private to it. Threads: the server's loop.
 *
 * An exchange lives until both sides are through with it: the handler, which has answered, and
 * the connection, which has sent the answer or is gone. Whoever comes last frees it. */
#pragma once
#include "base/buf.h"
#include "net/conn.h"
#include "net/http.h"

enum {
    HTTP_HEAD_MAX = 1024 * 1024,       /* bytes of a request's head */
    HTTP_HEADERS_MAX = 512,            /* fields of a request's head */
    HTTP_BODY_MAX = 3 * 1024 * 1024,   /* default of body_max */
    HTTP_TURN_BYTES = 512 * 1024,      /* sent by one connection before others have their turn */
    HTTP_PIECE_BYTES = 16 * 1024,      /* asked of a source at once: a TLS record */
    HTTP_WRITE_TIMEOUT_MS = 60 * 1000, /* a peer that reads nothing for so long is cut */
    HTTP_DATE_BYTES = 30,              /* with the NUL */
};

struct http_conn;
struct http_answer { /* borrowed for the call */
    int status;
    const char *type;
    int64_t content_length; /* -1: unknown */
    const struct http_header *extra;
    size_t n_extra;
};
struct http_exchange_ops {
    /* Starts to send; the body is x->src. */
    void (*respond)(struct http_exchange *x, const struct http_answer *answer);
    void (*resume)(struct http_exchange *x);
    /* Sends @head, a whole response head, and gives the connection away; *@ret_early gets what
     * came behind the request. The caller ends the exchange. NULL: it cannot. */
    struct conn *(*upgrade)(struct http_exchange *x, struct str head, struct buf *ret_early);
    /* The handler is through with @n bytes of a streaming body. NULL: there are none. */
    void (*taken)(struct http_exchange *x, size_t n);
};
struct http_exchange { /* first field of the protocols' own */
    const struct http_exchange_ops *ops;
    struct http_conn *hc; /* NULL: the connection has no more to do with it */
    struct loop *loop;
    struct arena arena;
    struct http_request rq;
    struct buf body; /* of the request */
    struct http_source src;
    struct http_body_handler on_body;
    struct http_header *trailers;
    size_t n_trailers;
    bool streams;  /* handed over at its head */
    bool body_end; /* all of the request is there */
    bool handed;   /* to the handler */
    bool answered;
    bool done;     /* the answer has been sent, or never will be */
    void (*on_abort)(void *arg);
    void *abort_arg;
};
struct protocol_ops {
    void (*on_data)(void *state, const char *p, size_t n);
    void (*on_writable)(void *state);
    void (*on_eof)(void *state);
    void (*on_timeout)(void *state);
    void (*on_closed)(void *state); /* the connection is gone: ends its exchanges, frees @state */
    void (*drain)(void *state);     /* no new requests; closes when the open ones are answered */
};
struct http_conn {
    struct http_server *server;
    struct conn *conn;
    struct http_conn *prev, *next;
    const struct protocol_ops *ops; /* NULL: not known yet */
    void *state;
    bool upgraded;      /* given away: the server only counts it, and cuts it in the end */
    struct buf sniffed; /* first bytes of a plain connection */
};

/** Prepares @x (zeroed by its allocation) on @hc. */
void http_exchange_init(struct http_exchange *x, struct http_conn *hc,
                        const struct http_exchange_ops *ops);
/** The request is complete: gives it to the handler. @x may be gone when this returns. */
void http_exchange_hand_over(struct http_exchange *x);
/** A piece of the body of a request that streams. */
void http_exchange_body(struct http_exchange *x, const void *p, size_t n);
/** The end of that body. */
void http_exchange_body_end(struct http_exchange *x);
/** The answer has been sent whole. @x may be gone when this returns. */
void http_exchange_done(struct http_exchange *x);
/** The answer cannot be sent (any more). @x may be gone when this returns. */
void http_exchange_abort(struct http_exchange *x);
/** Closes the source, once. */
void http_exchange_close_source(struct http_exchange *x);
/** Answers with the Status of a request that is too large; not handed over before. */
void http_exchange_too_large(struct http_exchange *x);

/** Options of the server, all defaults filled in. */
const struct http_server_opts *http_server_options(const struct http_server *s);
/** True while the server drains. */
bool http_server_draining(const struct http_server *s);
/** The current date of the Date header; valid until the next call. */
struct str http_server_date(struct http_server *s);
/** The upgraded connection of @arg (a http_conn) has closed. */
void http_conn_gone(void *arg);

/** The protocols: each makes its state on an open connection. */
void *http1_server_new(struct http_conn *hc, const struct protocol_ops **ret_ops);
void *http2_server_new(struct http_conn *hc, const struct protocol_ops **ret_ops); /** The same. */

/** Writes an HTTP date (RFC 9110, 5.6.7) and a NUL. */
void http_date(int64_t unix_sec, char ret_date[HTTP_DATE_BYTES]);
/** True if a header of a handler may be sent: no field that the protocol writes itself, and
 *  nothing that would break out of its line. */
bool http_header_sendable(const struct http_header *h);
/** Sets target, path, query (and host, for an absolute target) of @rq; false if malformed. */
bool http_request_set_target(struct http_request *rq, struct str target);
