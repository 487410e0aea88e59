/* grpc.h - gRPC client over a Unix socket or TCP, plain or TLS (nghttp2): unary and streaming.
 *
 * Messages are bytes; protobuf-c is the caller's. It connects when a call needs it, and again after
 * a break, with back-off: until then calls fail at once with GRPC_UNAVAILABLE and the reason.
 *
 * Layer: net. Threads: its loop. */
#pragma once
#include "base/loop.h"
#include "base/str.h"

struct http_header;
struct tls_context;

enum grpc_status { /* https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
    GRPC_OK = 0, GRPC_CANCELLED = 1, GRPC_UNKNOWN = 2, GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4, GRPC_NOT_FOUND = 5, GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7, GRPC_RESOURCE_EXHAUSTED = 8, GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10, GRPC_OUT_OF_RANGE = 11, GRPC_UNIMPLEMENTED = 12, GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14, GRPC_DATA_LOSS = 15, GRPC_UNAUTHENTICATED = 16,
};
struct grpc_client;
/** @target: "unix:///run/x.sock" or "host:port". Connects at first use. Messages of up to
 *  @message_max bytes are taken. */
struct grpc_client *grpc_client_new(struct loop *l, const char *target, size_t message_max);
/** Ends all calls (on_done with GRPC_CANCELLED, before this returns); allowed in their callbacks,
 *  but they must not start new ones then. NULL is a no-op. Returns NULL. */
struct grpc_client *grpc_client_free(struct grpc_client *c);
/** As grpc_client_new(), for "host:port" over TLS: @tls is borrowed and must outlive the client;
 *  the server's certificate must carry @server_name (copied; NULL: the target's host). */
struct grpc_client *grpc_client_new_tls(struct loop *l, const char *target,
                                        struct tls_context *tls, const char *server_name,
                                        size_t message_max);
/** Waits at most @max_ms between attempts to connect, instead of 5 s. */
void grpc_client_set_backoff(struct grpc_client *c, uint32_t max_ms);
struct grpc_call;
struct grpc_call_opts {
    const char *method;   /* "/runtime.v1.RuntimeService/Version" */
    struct str request;   /* copied; the first message of a call that streams, or STR_NULL */
    bool client_streams;  /* more messages follow, until grpc_call_half_close() */
    uint32_t timeout_ms;  /* 0: none */
    const struct http_header *metadata; /* names in lower case; copied; may be NULL */
    size_t n_metadata;
    void (*on_message)(void *arg, struct str message); /* each response message, borrowed */
    /* Exactly once, last; @text borrowed. Never from inside grpc_call_start(). */
    void (*on_done)(void *arg, enum grpc_status status, struct str text);
    void *arg;
};
/** Starts a call; the handle is valid until its on_done. */
struct grpc_call *grpc_call_start(struct grpc_client *c, const struct grpc_call_opts *opts);
/** Ends a call early: on_done with GRPC_CANCELLED follows, later, and no message before it. */
void grpc_call_cancel(struct grpc_call *call);
/** Queues one more message (copied) of a call with client_streams; no-op once the call has ended,
 *  also before its on_done. Messages wait while the peer's window is closed. Not after
 *  grpc_call_half_close(). */
void grpc_call_send(struct grpc_call *call, struct str message);
/** Says that no more messages will be sent. Idempotent. */
void grpc_call_half_close(struct grpc_call *call);
