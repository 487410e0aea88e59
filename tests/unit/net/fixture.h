/* fixture.h - a server on a thread of its own, and a blocking client to talk to it.
 *
 * The handler answers by the path:
 *   /hello     "hello", kept alive          /echo      the body; its headers say what was asked
 *   /stream/N  N bytes, length unknown      /sized/N   N bytes, length told
 *   /short     tells 10 bytes and has 5     /error     a source that fails
 *   /wait      "a", then "b" after 20 ms    /hang      nothing, until the peer goes
 *   /watch     "a", then waits for ever     /peer      who the peer is
 *   /ws        a WebSocket that echoes      /query     method, path and query, a line each
 *   /late      the body, taken 20 ms after the head if it streams; with the trailer x-n, its size
 */
#pragma once
#include "base/buf.h"
#include "base/loop.h"
#include "net/http.h"
#include "net/tls.h"
#include "test.h"
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

struct pki {
    struct arena arena;
    struct str ca, ca_key, cert, key;               /* of the server: localhost, 127.0.0.1 */
    struct str client_cert, client_key;             /* CN alice, O devs and ops */
    struct str stranger_cert, stranger_key;         /* signed by itself */
};
void pki_make(struct pki *p);                       /** Makes all keys and certificates. */
void pki_deinit(struct pki *p);                     /** Frees them. */

struct fixture {
    struct http_server_opts opts; /* set before fixture_start() */
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    uint16_t port;
    atomic_int n_requests, n_aborted, n_closed_sources, n_ws_closed;
    bool drained;
};
/** Starts the server on a free port of 127.0.0.1. @f zeroed, but for its opts. */
void fixture_start(struct fixture *f);
/** Drains with @grace_ms, stops and frees all. */
void fixture_stop(struct fixture *f, uint32_t grace_ms);
/** Waits up to 5 s until *@counter is @want. */
void wait_for(const atomic_int *counter, int want);

struct client { /* blocking, 5 s at most for a read */
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    struct buf in;
};
/** Connects; with @pki by TLS, offering @alpn (a wire list, "\x02h2") if not NULL, with the
 *  certificate @cert and @key if not empty. */
void client_open(struct client *c, const struct fixture *f, const struct pki *pki,
                 const char *alpn, struct str cert, struct str key);
void client_close(struct client *c); /** Closes and frees. */
void client_send(struct client *c, const void *p, size_t n); /** All of it; fails the test. */
void client_puts(struct client *c, const char *z);           /** A string. */
/** Reads some bytes more into c->in; false at the end. */
bool client_read(struct client *c);
/** Reads one response of HTTP/1 and takes it off c->in. Returns the status; @ret_head and
 *  @ret_body in @a. @head_only: as after HEAD. Dies of nonsense. */
int client_response(struct client *c, bool head_only, struct arena *a, struct str *ret_head,
                    struct str *ret_body);
/** True if the server closes within 5 s without another byte. */
bool client_sees_end(struct client *c);
/** The value of a header of @head (lower case), STR_NULL if absent. */
struct str head_value(struct str head, const char *name);
