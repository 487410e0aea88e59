/* grpc_internal.h - what the halves of the gRPC client share: grpc.c has clients, calls and their
 * messages; grpc_link.c has connections and HTTP/2.
 *
 * No callback of a caller runs while nghttp2 is on the stack: a call with news is put on the
 * client's ready list, and grpc_deliver() works that off afterwards. So a callback may start and
 * cancel calls and free the client.
 *
 * Layer: net, private to grpc*.c. Threads: the client's loop. */
#pragma once
#include "base/buf.h"
#include "base/vec.h"
#include "net/conn.h"
#include "net/grpc.h"
#include <nghttp2/nghttp2.h>

enum {
    GRPC_PREFIX_BYTES = 5,      /* a flag and the length, before each message */
    GRPC_TEXT_MAX = 8192,       /* bytes kept of grpc-message */
    GRPC_BACKOFF_MIN_MS = 100,  /* between attempts to connect; doubles */
    GRPC_BACKOFF_MAX_MS = 5000, /* unless the client says otherwise */
    GRPC_STREAM_WINDOW = 4 << 20, /* what a peer may send before we take it */
    GRPC_LINK_WINDOW = 16 << 20,
};

struct grpc_link { /* one HTTP/2 connection */
    struct grpc_client *client; /* NULL: the client is gone, only on_closed is waited for */
    struct grpc_link *next;     /* in the client's list */
    struct conn *conn;
    nghttp2_session *session;
    bool ready; /* the peer's SETTINGS came: it does speak HTTP/2 */
    char why[160]; /* what broke it, if we did */
};

struct grpc_client {
    struct loop *loop;
    struct conn_env *env; /* NULL on a simulated loop */
    char *target, *host;  /* host: name, address or path */
    const char *authority;
    uint16_t port;
    bool unix_socket;
    struct tls_context *tls; /* borrowed; NULL: plain */
    char *server_name;       /* of its certificate; NULL: host */
    size_t message_max;
    struct grpc_link *link;  /* the one for new calls, or NULL */
    struct grpc_link *links; /* all, also those that only finish their calls */
    struct grpc_call *calls;
    VEC(struct grpc_call *) ready;
    struct timer kick; /* runs grpc_deliver() from the loop */
    uint32_t backoff_ms, backoff_max_ms;
    uint64_t retry_at_ms;
    struct err last; /* why the last attempt to connect failed */
    bool delivering, freed;
};

struct grpc_call {
    struct grpc_client *client;
    struct grpc_call *prev, *next; /* in the client's list */
    struct grpc_link *link;        /* NULL: not under way */
    int32_t stream_id;
    struct arena arena; /* path and metadata */
    const char *path;
    struct http_header *metadata;
    size_t n_metadata;
    struct buf out; /* prefixes and messages */
    size_t out_at;
    bool half_closed; /* out is all there will be */
    bool waiting;     /* nghttp2 has sent all of out */
    void (*on_message)(void *arg, struct str message);
    void (*on_done)(void *arg, enum grpc_status status, struct str text);
    void *arg;
    struct timer deadline;
    uint64_t deadline_ms; /* absolute; 0: none */
    uint32_t timeout_ms;
    struct buf in; /* bytes of messages not delivered yet */
    /* The response, as far as it came. */
    int http_status, grpc_status; /* grpc_status -1: not seen */
    bool is_grpc;                 /* by its content type */
    struct buf message;           /* grpc-message, decoded */
    /* The end. */
    bool ready, answered, ended, retried;
    enum grpc_status status;
    struct buf text;
};

/** Ends @call with @status and text, resets its stream, and has it delivered. Idempotent: the
 *  first end counts. Allowed in nghttp2 callbacks. */
void grpc_call_end(struct grpc_call *call, enum grpc_status status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/** Ends @call by what the response said, at the end of its stream. */
void grpc_call_response_end(struct grpc_call *call);
/** Takes response bytes in; ends the call if a message is too large or compressed. */
void grpc_call_take(struct grpc_call *call, const uint8_t *p, size_t n);
/** Puts @call on the ready list; grpc_deliver() or the kick timer follows. */
void grpc_call_ready(struct grpc_call *call);
/** Runs the callbacks that are due. The client may be gone afterwards. */
void grpc_deliver(struct grpc_client *c);
/** Notes a header of the response. */
void grpc_call_header(struct grpc_call *call, struct str name, struct str value);

/** Sends @call over the client's connection, connecting first if need be; ends it with
 *  GRPC_UNAVAILABLE while the client backs off. */
void grpc_link_submit(struct grpc_call *call);
/** There is more to send for @call, or its end. */
void grpc_link_resume(struct grpc_call *call);
/** Takes @call off its connection, resetting its stream. */
void grpc_link_detach(struct grpc_call *call);
/** Cuts all connections of @c, whose calls are done. */
void grpc_link_drop_all(struct grpc_client *c);
