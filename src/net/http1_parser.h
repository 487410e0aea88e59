/* http1_parser.h - reads HTTP/1 requests: heads by http_parser, bodies by our own, stricter rules.
 *
 * No sockets and no clock here: bytes in, one event at a time out. What a front proxy could
 * understand otherwise is refused: two lengths, a length beside chunks, other codings than
 * "chunked", chunks that do not end as they must, names with spaces, a missing or double Host.
 *
 * Layer: net, private to it. Threads: owner only. */
#pragma once
#include "base/buf.h"
#include "base/vec.h"
#include "net/http.h"
#include <http_parser.h>

enum http1_event {
    HTTP1_MORE,      /* all bytes taken, more are needed */
    HTTP1_HEAD,      /* the head is complete, and a body will follow */
    HTTP1_REQUEST,   /* the request is complete */
    HTTP1_BAD,       /* 400 */
    HTTP1_HEAD_TOO_LARGE, /* 431 */
    HTTP1_TOO_LARGE, /* 413: the head is there, the body is not and will not be read */
    HTTP1_VERSION,   /* 505 */
    HTTP1_CODING,    /* 501: a transfer coding that we do not know */
};
struct http1_span {
    uint32_t at, len;
};
struct http1_parser {
    struct http_parser hp;
    struct arena *arena;
    struct http_request *rq;
    struct buf *body;
    size_t body_max;
    int step;            /* of the body; private */
    uint64_t left;       /* bytes of the body or of the chunk */
    size_t overhead;     /* bytes of chunk extensions and trailers so far */
    unsigned n_digits;
    bool in_value, head_done, bad_name;
    bool keep_alive;     /* after HTTP1_HEAD or HTTP1_REQUEST: the connection may go on */
    bool expect_continue;/* the client waits for 100 before it sends the body */
    bool started;        /* some byte of the request has come */
    const char *why;     /* static text for a bad one */
    struct buf text;     /* the head's target, names and values */
    struct http1_span target;
    VEC(struct http1_span) spans; /* name, value, name, value, ... */
};
/** Prepares @p; http1_parser_start() makes it ready. */
void http1_parser_init(struct http1_parser *p, size_t body_max);
/** Expects a new request: what is found goes to @a, @rq and @body, which stay the caller's. */
void http1_parser_start(struct http1_parser *p, struct arena *a, struct http_request *rq,
                        struct buf *body);
/** Takes up to @n bytes; *@ret_used of them were used when it returns an event. After an error the
 *  parser is of no more use. */
enum http1_event http1_parse(struct http1_parser *p, const char *data, size_t n, size_t *ret_used);
/** Frees what @p holds; idempotent. */
void http1_parser_deinit(struct http1_parser *p);
