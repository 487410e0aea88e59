/* http_client.h - HTTP/1.1 client with keep-alive over TLS or plain sockets, for one server.
 *
 * Responses stream: head, then pieces, then the end. Redirects are never followed.
 * Layer: net. Threads: its loop. */
#pragma once
#include "net/http.h"

struct http_client;
struct http_client_opts {
    const char *host;        /* name or address; or a socket path with unix_socket */
    uint16_t port;
    bool unix_socket;
    struct tls_context *tls; /* borrowed, NULL: plain */
    const char *server_name; /* that the server's certificate must carry; NULL: host */
    uint32_t connect_timeout_ms; /* 0: 10000 */
    uint32_t connections_max;    /* 0: 64; more requests wait in line */
};
/** Prepares; connects at first use. The client copies @opts. */
struct http_client *http_client_new(struct loop *l, const struct http_client_opts *opts);
/** Cancels everything in flight (each on_done with ERR_CANCELED) and frees. Returns NULL. */
struct http_client *http_client_free(struct http_client *c);

struct http_call;
struct http_client_request { /* copied by http_client_send() */
    const char *method;
    struct str target; /* path and query */
    const struct http_header *headers;
    size_t n_headers;
    struct str body;
    uint32_t timeout_ms;      /* from send to the end; 0: none (watches) */
    uint32_t head_timeout_ms; /* from send to the head; 0: 30000 */
    /* Status and headers; may be NULL. */
    void (*on_head)(void *arg, int status, const struct http_header *headers, size_t n);
    void (*on_data)(void *arg, struct str piece); /* borrowed; may be NULL */
    /* Exactly once, last. @err NULL: the whole response arrived. */
    void (*on_done)(void *arg, const struct err *err);
    void *arg;
};
/** Sends. The handle is valid until on_done; it never runs inside this call. */
struct http_call *http_client_send(struct http_client *c, const struct http_client_request *rq);
/** Ends a call early: on_done with ERR_CANCELED follows, later. */
void http_call_cancel(struct http_call *call);
/** Stops (true) or resumes reading this response: back-pressure. */
void http_call_pause(struct http_call *call, bool pause);
