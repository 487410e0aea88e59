/* http_client_internal.h - what the parts of the HTTP client share: http_client.c has the pool, the
 * line of waiting calls and their timeouts; http_client_link.c has a connection and its parser;
 * websocket_client.c takes connections over.
 *
 * A call ends by http_call_end() (which any callback may cause) and is told and freed later, by
 * http_client_deliver(), when no parser is on the stack above data of it.
 *
 * Layer: net, private to it. Threads: the client's loop. */
#pragma once
#include "base/buf.h"
#include "base/vec.h"
#include "net/conn.h"
#include "net/http_client.h"
#include <http_parser.h>

enum {
    HTTP_CLIENT_IDLE_MS = 60000,        /* kept-alive connections are closed after it */
    HTTP_CLIENT_HEAD_TIMEOUT_MS = 30000,
    HTTP_CLIENT_CONNECTIONS_MAX = 64,
    HTTP_CLIENT_HEADERS_MAX = 1000,     /* of a response; their bytes: http_parser's 80 KiB */
};

/* Gets a connection that a server switched to another protocol, with the bytes that came behind
 * the head; its handler must be replaced. The call is over: its on_done does not run. */
typedef void (*http_upgraded)(void *arg, struct conn *conn, struct str early,
                              const struct http_header *headers, size_t n);

struct http_link;
struct http_call {
    struct http_client *client;
    struct http_call *prev, *next; /* in the client's line, or its list of calls under way */
    struct http_link *link;        /* NULL: waiting, or over */
    struct buf out;                /* the request as it goes out */
    bool idempotent, head_only;    /* head_only: HEAD */
    bool retried, waiting, paused, ended, got_head;
    struct timer total, head;
    uint32_t total_ms, head_ms;
    void (*on_head)(void *arg, int status, const struct http_header *headers, size_t n);
    void (*on_data)(void *arg, struct str piece);
    void (*on_done)(void *arg, const struct err *err);
    http_upgraded on_upgraded;
    void *arg;
    struct err err; /* code 0: the whole response arrived */
};
struct http_calls {
    struct http_call *head, *tail;
};

struct http_link { /* one connection */
    struct http_client *client; /* NULL: only on_closed is waited for */
    struct conn *conn;
    struct http_call *call; /* NULL: idle */
    http_parser parser;
    struct timer resume;  /* gives held bytes again */
    struct buf held;      /* bytes that came while the call was paused */
    struct arena arena;   /* the head */
    struct buf head;      /* names and values, back to back */
    VEC(size_t) ends;     /* where each ends in it: name, value, name... */
    struct http_header *headers;
    size_t n_headers;
    unsigned n_served;
    bool in_value, interim, got_bytes, complete, keep;
    bool eof, eof_clean; /* the server's end, seen while bytes were held */
};

struct http_client {
    struct loop *loop;
    struct conn_env *env;
    char *host, *server_name;
    uint16_t port;
    bool unix_socket;
    struct tls_context *tls;
    uint32_t connect_timeout_ms, connections_max;
    struct http_calls line;   /* waiting for a connection */
    struct http_calls active; /* on one */
    struct http_calls over;   /* ended, not told */
    VEC(struct http_link *) idle;
    VEC(struct http_link *) links; /* all of the pool */
    struct timer kick;
    bool delivering, freed;
};

/** As http_client_send(); a 101 answer hands the connection to @on_upgraded instead of on_done. */
struct http_call *http_client_upgrade(struct http_client *c, const struct http_client_request *rq,
                                      http_upgraded on_upgraded);
/** Ends @call; @err NULL: well. It is off its connection, which is cut unless the response was
 *  complete. Told by http_client_deliver(). Idempotent: the first end counts. */
void http_call_end(struct http_call *call, const struct err *err);
/** Tells the calls that are over and gives connections to those that wait. @c may be gone then. */
void http_client_deliver(struct http_client *c);
/** Puts @call back at the front of the line, for a fresh connection. */
void http_client_retry(struct http_call *call);
/** Frees @call without telling, after an upgrade. */
void http_call_drop(struct http_call *call);

/** A connection to the server of @c, in its pool; sends nothing yet. */
struct http_link *http_link_open(struct http_client *c);
/** Sends the request of @call over the idle or new @link. */
void http_link_send(struct http_link *link, struct http_call *call);
/** Takes @link out of the pool and ends its connection; its memory lives until on_closed. */
void http_link_drop(struct http_link *link);
/** Stops or goes on reading for the call of @link. */
void http_link_pause(struct http_link *link, bool pause);
