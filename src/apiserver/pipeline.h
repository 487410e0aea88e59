/* pipeline.h - what pipeline.c keeps of a request beside struct request, for apiserver.c. Internal
 * to apiserver/. Layer: apiserver. Threads: the request's loop. */
#pragma once
#include "apiserver/stages.h"

enum {
    CLIENT_CLOSED_REQUEST = 499, /* counted for a peer that went away; it never leaves */
    AUDIT_ID_MAX = 64,           /* bytes of one that a client chose */
};
struct live {
    struct request rq;
    struct arena arena;
    struct shard *shard;
    struct live *prev, *next;
    struct timer deadline;
    uint64_t began_ns;      /* monotonic */
    const stage_fn *stages; /* NULL-terminated */
    size_t at;              /* the stage that runs or waits */
    bool running, waiting;
    atomic_uint *counted;      /* the in-flight counter that holds this request */
    VEC(struct object *) kept; /* references of the request's life */
    bool source_open;          /* the body is still being sent from source */
    struct http_source source;
};
struct shard { /* the requests of one loop */
    struct apiserver *as;
    struct loop *loop;
    struct live *first;
};
/** Cancels what waits and streams, on all loops. Any thread. */
void pipeline_stop(struct apiserver *as);
/** Fills @h with a Warning header for each of rq->warnings; returns how many. warnings.c */
size_t warning_headers(struct request *rq, struct http_header *h);
