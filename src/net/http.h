/* http.h - HTTP server: HTTP/1.1 (http_parser) and HTTP/2 (nghttp2) over TLS or plain sockets.
 *
 * One exchange = one request and its response, whichever protocol carries it. A request is handed
 * over when its head and whole body (bounded) are there; or over HTTP/2, if the handler wants it
 * so, at its head, and the body's pieces follow. A response body is PULLED from a source as the
 * connection can take it, so a list of any size or a watch needs no buffer of its own.
 *
 * Limits, all on by default: head 1 MiB, body as given (413 beyond), 100 streams a connection,
 * idle, header and handshake timeouts, and a peer that takes no bytes for a minute is cut.
 * Graceful drain: stops accepting, ends idle connections, GOAWAY.
 *
 * Layer: net. Threads: a server and all its exchanges belong to one loop.
 */
#pragma once
#include "base/loop.h"
#include "base/str.h"

struct http_server;
struct http_exchange;
struct tls_context;

struct http_header {
    struct str name, value;
};
struct http_peer { /* who is at the other end, from TLS */
    bool has_cert;         /* presented, and verified against the context's client CA */
    bool bad_cert;         /* presented one that does not verify: treat as unauthorized */
    struct str common_name;
    const struct str *organizations;
    size_t n_organizations;
    struct str sha256_hex; /* of the certificate */
    struct str address;    /* "127.0.0.1:40000" */
};
struct http_request { /* borrowed, valid until the exchange ends */
    struct str method;    /* "GET" */
    struct str target;    /* as sent: "/api/v1/pods?watch=1" */
    struct str path;      /* still percent-encoded, without query */
    struct str query;     /* without '?' */
    struct str host;
    const struct http_header *headers; /* names in lower case */
    size_t n_headers;
    struct str body;
    struct http_peer peer;
    int version;          /* 11 or 2 */
};
/** The first header @name (lower case), or STR_NULL. */
struct str http_header_find(const struct http_request *rq, const char *name);
/** True if a header @name (lower case) lists @token, in any case of letters, between its commas. */
bool http_header_has(const struct http_request *rq, const char *name, struct str token);

enum { HTTP_READ_WAIT = -1, HTTP_READ_END = 0, HTTP_READ_ERROR = -2 };
struct http_source { /* where a response body comes from */
    /* Writes up to @cap bytes to @p and returns how many; HTTP_READ_END; HTTP_READ_WAIT (call
     * http_resume() when there is more); HTTP_READ_ERROR resets the stream. */
    long (*read)(void *arg, char *p, size_t cap);
    void (*close)(void *arg); /* exactly once, also when the peer went away; may be NULL */
    void *arg;
};
struct http_handler {
    /* A complete request. Answer now or later, exactly once, with an http_respond*(). */
    void (*on_request)(void *arg, struct http_exchange *x, const struct http_request *rq);
    void *arg;
    /* Asked with the head of a request over HTTP/2. True: it goes to on_request at once, without
     * its body, whose pieces http_on_body() takes; such a request may stay open for as long as it
     * likes. May be NULL: never. */
    bool (*wants_stream)(void *arg, const struct http_request *rq);
};
struct http_body_handler {
    void (*on_data)(void *arg, struct str piece); /* borrowed */
    void (*on_end)(void *arg); /* the peer has sent all of it; not if it went away */
    void *arg;
};
struct http_server_opts {
    const char *address;      /* "0.0.0.0", "::", or a socket path if unix_socket */
    uint16_t port;            /* 0: any free one */
    bool unix_socket;
    struct tls_context *tls;  /* borrowed; NULL: plain HTTP (h2 by prior knowledge) */
    bool reuse_port;          /* several loops may listen on the same port */
    size_t body_max;          /* 0: 3 MiB */
    uint32_t idle_timeout_ms; /* 0: 180000 */
    uint32_t head_timeout_ms; /* 0: 30000 */
    uint32_t connections_max; /* 0: 10000 */
    uint32_t streams_max;     /* of an HTTP/2 connection, open at once; 0: 100 */
    /* HTTP/2 heads need not be well-formed beyond a method and a path: etcdctl 3.4 names a URL as
     * the authority. */
    bool lenient_heads;
    struct http_handler handler;
};
/** Binds and listens; at a socket path, in place of a socket where nobody listens any more. ERR_IO
 *  ("listen on 0.0.0.0:6443: address already in use"). */
MUST_USE int http_server_new(struct loop *l, const struct http_server_opts *opts,
                             struct http_server **ret_s, struct err *err);
uint16_t http_server_port(const struct http_server *s); /** The port bound. */
/** Stops accepting and drains: open exchanges have @grace_ms, then are cut; then @on_closed. */
void http_server_close(struct http_server *s, uint32_t grace_ms, void (*on_closed)(void *arg),
                       void *arg);

/** Answers with a body in memory (copied). @type NULL: no Content-Type. */
void http_respond(struct http_exchange *x, int status, const char *type, struct str body,
                  const struct http_header *extra, size_t n_extra);
/** Answers with a body from @src; @content_length -1 if unknown (chunked or h2 frames). */
void http_respond_source(struct http_exchange *x, int status, const char *type,
                         int64_t content_length, struct http_source src,
                         const struct http_header *extra, size_t n_extra);
/** Fields to follow the body of the answer (copied; names in lower case), which must come from a
 *  source of unknown length: to be called before the source says HTTP_READ_END, or while it does.
 *  HTTP/1.1 leaves them out. */
void http_set_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n);
/** Takes the request's body as it comes, until the exchange ends. What is there already, for a
 *  request that was handed over whole all of it and its end, is given from inside this call. The
 *  peer may be 1 MiB ahead of http_body_taken(). */
void http_on_body(struct http_exchange *x, const struct http_body_handler *h);
/** Lets the peer of a streaming request send @n more bytes: so many that on_data gave are through
 *  with. */
void http_body_taken(struct http_exchange *x, size_t n);
/** Says that a source which waited has bytes again. */
void http_resume(struct http_exchange *x);
/** Asks to be told when the peer goes away before the answer is complete. NULL @fn: no more. It is
 *  called once; a source under way is closed right after it. The exchange itself ends only when it
 *  has been answered: a handler that was going to answer still does (which then goes nowhere). */
void http_on_abort(struct http_exchange *x, void (*fn)(void *arg), void *arg);
struct arena *http_arena(struct http_exchange *x); /** Lives as long as the exchange. */
struct loop *http_loop(struct http_exchange *x);   /** The loop that owns it. */

/** Splits a query into decoded keys and values, in order, copied into @a ('+' is a space).
 *  ERR_BAD_REQUEST: a bad %xx, or more than 1000 of them. */
MUST_USE int http_query_parse(struct str query, struct arena *a, struct http_header **ret_params,
                              size_t *ret_n, struct err *err);
/** Percent-decodes a path segment into @a. ERR_BAD_REQUEST. */
MUST_USE int http_unescape(struct str s, struct arena *a, struct str *ret_s, struct err *err);
struct buf;
/** Appends @s percent-encoded for a query value or path segment. */
void http_escape(struct buf *out, struct str s);
