/* conn.h - one stream connection, accepted or dialled, TCP or Unix socket, with or without TLS.
 *
 * What HTTP, gRPC and WebSocket stand on. Bytes that arrive are handed to the owner at once;
 * bytes to send are gathered and leave together once in an iteration of the loop, in TLS records
 * of 16 KiB. The owner looks at conn_pending() and stops producing above CONN_PENDING_HIGH;
 * on_writable tells it when to go on. An idle connection holds no buffers: they belong to the
 * conn_env, one for each server or client.
 *
 * Life: conn_accept() or conn_connect() -> on_open -> on_data... -> on_eof -> conn_close() ->
 * on_closed, after which the connection is gone. on_closed always comes, exactly once and last,
 * unless the handler was taken off. No callback ever runs from inside a conn_*() call.
 *
 * The process must ignore SIGPIPE: a peer may go while we write.
 *
 * Layer: net, private to it. Threads: the loop of the conn_env.
 */
#pragma once
#include "net/http.h"

struct conn;
struct conn_env;
struct tls_context;
struct uv_stream_s;

enum {
    CONN_PENDING_HIGH = 256 * 1024, /* stop producing above */
    CONN_PENDING_LOW = 64 * 1024,   /* on_writable once below again */
    CONN_RESERVE_MAX = 32 * 1024,   /* most that conn_reserve() gives for sure */
    CONN_LINGER_MS = 1000,          /* how long a closed connection waits for the peer's end */
};

/** Buffers and the flushing of one server's or client's connections. The caller holds the first
 *  reference. NULL on a simulated loop, which has no sockets. */
struct conn_env *conn_env_new(struct loop *l);
/** Drops the owner's reference; connections hold their own. NULL is a no-op; returns NULL. */
struct conn_env *conn_env_unref(struct conn_env *env);

struct conn_handler { /* any may be NULL, but for on_data */
    /* Connected, and the TLS handshake done: conn_alpn() and conn_peer() are known. */
    void (*on_open)(void *arg);
    /* Bytes, decrypted, borrowed; all of them are taken. */
    void (*on_data)(void *arg, const char *p, size_t n);
    /* Less than CONN_PENDING_LOW waits again, or conn_wake() asked for it. */
    void (*on_writable)(void *arg);
    /* The peer sends no more. @clean: with TLS, it said so (close_notify). Not called for a peer
     * that vanished by error (on_closed). Usual answer: conn_close(). NULL: conn_close(). */
    void (*on_eof)(void *arg, bool clean);
    /* The deadline of conn_deadline() passed. NULL: the connection fails with ERR_TIMEOUT. */
    void (*on_timeout)(void *arg);
    /* The end. @err NULL: closed by conn_close() or conn_abort(); else why: ERR_IO, ERR_TIMEOUT,
     * ERR_UNAUTHORIZED (the server's certificate), ERR_EOF (ended before on_open), ERR_PARSE
     * (not TLS). The connection is gone when this returns. */
    void (*on_closed)(void *arg, const struct err *err);
    void *arg;
};

struct conn_accept_opts {
    struct tls_context *tls;   /* NULL: plain */
    uint32_t open_timeout_ms;  /* of the handshake; 0: 10000 */
    uint32_t write_timeout_ms; /* a peer that takes nothing for so long is cut; 0: never */
};
/** Takes the next connection of @listener. ERR_IO if there is none or no descriptor is left. */
MUST_USE int conn_accept(struct conn_env *env, struct uv_stream_s *listener,
                         const struct conn_accept_opts *opts, const struct conn_handler *h,
                         struct conn **ret_c, struct err *err);

struct conn_connect_opts { /* strings are copied */
    const char *host;          /* name or address (IPv6 without brackets), or a socket's path */
    uint16_t port;
    bool unix_socket;
    struct tls_context *tls;   /* NULL: plain; else borrowed until on_open or on_closed */
    const char *server_name;   /* name or address that the certificate must carry; NULL: host */
    const char *alpn;          /* protocol to offer, "h2"; NULL: "http/1.1" */
    uint32_t open_timeout_ms;  /* resolve, connect and handshake together; 0: 10000 */
    uint32_t write_timeout_ms; /* as above */
};
/** Starts to connect; every failure comes by on_closed. Addresses are tried in turn. */
struct conn *conn_connect(struct conn_env *env, const struct conn_connect_opts *opts,
                          const struct conn_handler *h);

/** Replaces the handler (copied), as an upgrade does. NULL: nobody is told anything any more, not
 *  even of the end; close the connection then. */
void conn_set_handler(struct conn *c, const struct conn_handler *h);
/** The protocol that ALPN chose ("h2"), or an empty string. */
struct str conn_alpn(const struct conn *c);
/** Who is at the other end; valid while @c is. The address of a Unix socket is "@". */
const struct http_peer *conn_peer(const struct conn *c);
/** The loop of @c. */
struct loop *conn_loop(const struct conn *c);
/** True once on_open has been called (or was due) and until the connection is closing. */
bool conn_is_open(const struct conn *c);

/** Queues @n bytes (copied). Never fails: what cannot be sent ends the connection later. Before
 *  on_open the bytes wait for it; after conn_close() they are dropped. */
void conn_write(struct conn *c, const void *p, size_t n);
/** Room for at least @n (at most CONN_RESERVE_MAX) bytes to be written in place; @ret_cap (may be
 *  NULL) gets all there is. Valid until the next call on @c but for conn_commit(). */
char *conn_reserve(struct conn *c, size_t n, size_t *ret_cap);
/** Queues the first @n bytes of what conn_reserve() gave. */
void conn_commit(struct conn *c, size_t n);
/** Bytes queued that the kernel has not taken. */
size_t conn_pending(const struct conn *c);
/** Sends what is queued now, without waiting for the end of the loop's iteration. */
void conn_flush(struct conn *c);
/** Asks for an on_writable in this iteration of the loop or, from within on_writable, in the next
 *  one; whatever is pending. Idempotent. The way to send long bodies in turns. */
void conn_wake(struct conn *c);
/** Calls on_data with no bytes in this iteration of the loop: for an owner that kept some. */
void conn_again(struct conn *c);
/** Stops (true) or resumes reading: back-pressure. A paused connection sees no end of the peer. */
void conn_pause(struct conn *c, bool pause);
/** Calls on_timeout @after_ms from now; replaces the former deadline; 0: none. Cheap: it may be
 *  moved with every request. Not during opening. */
void conn_deadline(struct conn *c, uint32_t after_ms);
/** From now on a peer may take nothing for @ms before it is cut, also while conn_close() still
 *  sends: for streams whose reader may be a person. */
void conn_patience(struct conn *c, uint32_t ms);

/** Sends what is queued, says goodbye, waits shortly for the peer's, then closes; on_closed
 *  follows, and nothing else before it. Idempotent. */
void conn_close(struct conn *c);
/** Closes at once, dropping what is queued; on_closed follows. Idempotent. */
void conn_abort(struct conn *c);
