/* conn_internal.h - the insides of a connection, shared by conn.c (bytes in and out, life and
 * death), conn_open.c (accept, resolve, connect) and conn_tls.c (the TLS filter).
 * Layer: net, private to conn*.c. Threads: the connection's loop. */
#pragma once
#include "base/buf.h"
#include "net/conn.h"
#include <openssl/ssl.h>
#include <uv.h>

enum {
    CONN_IN_BYTES = 64 * 1024,
    CONN_BLOCK_BYTES = 66 * 1024,  /* four full TLS records fit */
    CONN_STAGED_BYTES = 64 * 1024, /* of plain text in one block: four TLS records */
    CONN_SPARE_BLOCKS = 4,
    CONN_OPEN_MS = 10000,
    CONN_FLUSH_MS = 30000, /* for what is queued at conn_close() */
};

struct conn_block {
    struct conn_block *next;
    size_t off, len; /* data[off, len) waits */
    char data[CONN_BLOCK_BYTES];
};
struct conn_blocks { /* FIFO; {0} is empty */
    struct conn_block *head, *tail;
    size_t bytes;
};
struct conn_env {
    struct loop *loop;
    unsigned n_refs;
    uv_prepare_t prepare; /* flushes before the loop waits */
    uv_idle_t idle;       /* runs while somebody wants another turn: the loop does not wait */
    unsigned n_handles;   /* of these two, still open */
    struct conn *awake_head, *awake_tail;
    struct conn_block *spare;
    unsigned n_spare;
    BIO_METHOD *bio_method;
    char in[CONN_IN_BYTES];       /* what the socket gave; lives for one callback */
    char plain[CONN_RESERVE_MAX]; /* what TLS made of it; the same */
};

enum conn_state {
    CONN_CONNECTING, /* resolve and connect */
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_CLOSING, /* sends the rest, then waits for the peer's end */
    CONN_CLOSED,  /* uv_close() has been called */
};
struct conn_dial { /* while connecting */
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct conn *conn;
    struct addrinfo *found;      /* to be freed */
    const struct addrinfo *next; /* still to be tried */
    bool unix_socket, redialing;
    char *host;
};
struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct conn_env *env;
    struct conn_handler h;
    enum conn_state state;
    unsigned n_holds; /* the uv handle, and what libuv has under way for us */
    bool paused, reading, eof, writing, shut;
    bool awake, in_turn;         /* in the list of the env; in its turn */
    bool announce, again, resume, wake; /* what the turn has to do */
    struct conn *awake_prev, *awake_next;

    SSL *ssl;             /* NULL: plain */
    const char *in;       /* what the TLS filter reads from, within a callback */
    size_t in_len;
    struct buf held;      /* what a pause left of it */
    struct conn_blocks staged, out; /* plain text gathered; bytes for the socket */
    uv_write_t write_req;
    size_t writing_bytes;
    uv_shutdown_t shutdown_req;

    struct timer timer;
    uint64_t deadline_ms, write_deadline_ms; /* loop time; 0: none */
    uint32_t write_timeout_ms;
    uint32_t flush_timeout_ms; /* for what is queued at conn_close(); 0: CONN_FLUSH_MS */
    struct conn_dial *dial;
    struct arena arena; /* of the peer */
    struct http_peer peer;
    struct err *err; /* why it failed; NULL: it did not */
};

/** A connection in @state without a uv handle yet; it holds @env. */
struct conn *conn_new(struct conn_env *env, enum conn_state state, const struct conn_handler *h);
/** Frees a connection whose uv handle was never made. Nothing is told. */
void conn_drop(struct conn *c);
/** Drops one of the holds; at the last one on_closed is called and @c is gone. */
void conn_release(struct conn *c);
/** Ends @c by an error: on_closed will tell the first one. */
void conn_fail(struct conn *c, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** Puts @c in the list of those whose turn comes before the loop waits. */
void conn_touch(struct conn *c);
/** Starts to read unless paused, ended or reading. */
void conn_read_start(struct conn *c);
/** The socket is connected: starts the handshake, or is open. */
void conn_connected(struct conn *c);
/** State is open now: on_open at @c's turn or, with @now, at once. */
void conn_opened(struct conn *c, bool now);
/** The peer has ended. */
void conn_ended(struct conn *c, bool clean);
/** Appends bytes for the socket. */
void conn_out(struct conn *c, const char *p, size_t n);
/** The first block of what is staged, with @n bytes, has been encrypted. */
void conn_block_done(struct conn *c, size_t n);
/** Keeps the owner's deadline and starts the timer for it. 0: none. */
void conn_set_deadline(struct conn *c, uint32_t after_ms);
/** Closes what the dialling of @c still holds; called when @c is closing. */
void conn_dial_cancel(struct conn *c);
/** Frees the dialling state; NULL in @c is a no-op. */
void conn_dial_free(struct conn *c);
/** Writes the address at the other end to the peer's record. */
void conn_note_address(struct conn *c);

/** The BIO through which OpenSSL reads c->in and writes conn_out(). Aborts if memory is out. */
BIO_METHOD *conn_tls_method(void);
/** Makes the TLS state: @server_name NULL for the accepting side. ERR_INTERNAL. */
MUST_USE int conn_tls_init(struct conn *c, struct tls_context *tls, const char *server_name,
                           const char *alpn, struct err *err);
/** Goes on with handshake or reading, with @n new bytes from the socket. */
void conn_tls_input(struct conn *c, const char *p, size_t n);
/** Encrypts what is staged. */
void conn_tls_encrypt(struct conn *c);
/** Queues close_notify. */
void conn_tls_goodbye(struct conn *c);
