/* apiserver_internal.h - the server behind its handle, and the life of a request. Internal to
 * apiserver/.
 *
 * A request belongs to one loop: that of its HTTP exchange, or the main API loop for calls in the
 * process. Each loop has a shard, which knows the requests that live there, so that a stop reaches
 * all of them. What several loops read (the parts below) is immutable, atomic or kept in
 * cells; each part says so itself.
 *
 * Layer: apiserver. Threads: as said.
 */
#pragma once
#include "apiserver/apiserver.h"
#include "apiserver/request.h"
#include <stdatomic.h>

enum {
    SHARDS_MAX = 64,             /* loops that serve requests */
    REQUEST_TIMEOUT_MS = 60000,  /* default */
    INFLIGHT_MAX = 400,          /* default; requests that change something: half of it */
    WRITE_ATTEMPTS_MAX = 5,      /* patches and unconditional updates after a conflict */
    NAME_ATTEMPTS_MAX = 8,       /* names made from generateName */
    WARNINGS_MAX = 100,          /* of one request */
    WARNING_RUNES_MAX = 4096,    /* all warnings of one answer */
    WARNING_RUNES_EACH = 256,    /* of one, once all of them are too long */
    STORED_MAX = 3 * 512 * 1024, /* of a stored object */
};

struct rbac;          /* authorize.c */
struct authn;         /* authenticate.c */
struct bootstrap;     /* bootstrap.c */
struct service_alloc; /* service_alloc.c */
struct inproc_server; /* inproc.c */
struct metrics;       /* metrics.c */
struct documents;     /* documents.c: what discovery and OpenAPI keep */
struct connect_state; /* connect.c: the client of the nodes */
struct event_ttl;     /* event_ttl.c */
struct server_leases; /* server_leases.c */
struct watch_hubs;    /* watcher.c */
struct shard;         /* pipeline.c */

struct apiserver {
    struct apiserver_opts opts; /* defaults filled in; strings and bytes are copies in arena */
    struct arena arena;         /* of the server's life; written by apiserver_new() only */
    struct store *store;        /* = opts.store */
    struct loop *loop;          /* = opts.loop */

    /* Each is made, stopped and freed by its part in the table of parts.c; NULL before that. */
    struct authn *authn;
    struct rbac *rbac;
    struct documents *documents;
    struct watch_hubs *watch_hubs;
    struct inproc_server *inproc;
    struct metrics *metrics;
    struct service_alloc *service_alloc;
    struct bootstrap *bootstrap;
    struct event_ttl *event_ttl;
    struct server_leases *server_leases;
    struct connect_state *connect;

    struct shard *shards[SHARDS_MAX]; /* n_shards of them are published */
    atomic_uint n_shards;
    struct mutex *shards_lock;    /* held to add one: loops appear in any order */
    atomic_uint reading, writing; /* short requests in flight */
    atomic_uint n_live;           /* requests not yet freed, on all loops */
    atomic_uint_fast64_t component_beats[COMPONENT__N]; /* monotonic ms; 0: does not run here */
    atomic_bool ready;            /* set by bootstrap.c when all that must exist does */
    atomic_bool stopping;         /* new requests are refused, watches end */
    struct timer stop_poll;
    uint32_t stop_waited_ms;
    void (*on_stopped)(void *arg);
    void *on_stopped_arg;
};

/* A part of the server that has state of its own. Any member may be NULL. */
struct apiserver_part {
    const char *name;
    /* Makes the part (sets its pointer in @as). The loop does not run yet: a part that works
     * after start posts to as->loop. In the order of the table. */
    int (*start)(struct apiserver *as, struct err *err);
    /* On the main loop, when apiserver_stop() was called: ends background work, refuses more. Calls
     * that wait end with ERR_UNAVAILABLE or ERR_CANCELED. Reverse order. */
    void (*stop)(struct apiserver *as);
    /* Frees what start made; also after a start that failed or never came. Reverse order. */
    void (*free)(struct apiserver *as);
};
/** The parts in the order of their start, ended by a NULL name. parts.c */
extern const struct apiserver_part apiserver_parts[];

/**
 * A new request of @as on @loop, with an arena of its own; zeroed but for the options' "unset"
 * values (-1). It is linked into the shard of its loop. The caller fills what the stages before
 * the one it starts at would have filled. On @loop.
 */
struct request *request_new(struct apiserver *as, struct loop *loop);
/** Runs @rq from authorization on, as calls in the process do. On its loop; may end and free it. */
void request_start_inproc(struct request *rq);
/** Starts (or with 0 stops) the deadline of @rq; when it passes, the request is answered with
 *  504. */
void request_deadline(struct request *rq, uint32_t after_ms);
/** Keeps @o (takes over the caller's reference) until @rq is freed; returns @o. NULL is a no-op. */
struct object *request_keep(struct request *rq, struct object *o);
/** True for watches, proxies, log, exec, attach and port-forward: no deadline, not counted in
 * flight. */
bool request_long_running(const struct request *rq);

/* How an HTTP answer leaves: with the headers that every answer carries (Audit-Id, Cache-Control,
 * Warning) and rq->headers. Each marks @rq finished; it is freed when the stage returns
 * STAGE_DONE, or when the source has been closed. Only respond.c, status.c and connect.c call
 * them. Both do nothing but let go of their arguments when @rq is finished already (timed out,
 * peer gone). */
/** Sends @body (copied), with Content-Type @type (NULL: none). */
void request_send(struct request *rq, int status, const char *type, struct str body);
/** Sends what @src gives; @length -1 when unknown. @src may use @rq and its arena until its
 *  close. */
void request_send_source(struct request *rq, int status, const char *type, int64_t length,
                         struct http_source src);
/** Marks a call in the process answered, or an exchange that connect.c is about to take over:
 * nothing is sent for it, and rq->http is let go. */
void request_mark_finished(struct request *rq, int status);
