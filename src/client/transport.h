/* transport.h - for implementers of transports: client_https.c, client_inproc.c.
 * Layer: client. Threads: the client's loop. */
#pragma once
#include "client/client.h"

struct transport_call { /* one call as the transport sees it; lives until `done` has been called */
    struct client *client;
    enum verb verb;
    const struct resource *res;
    struct str ns, name;
    struct client_opts opts; /* strings copied into arena */
    const struct type *body_type;
    const void *body; /* copied into arena; NULL: none */
    const char *patch_type;
    struct str patch;
    struct arena arena;
    client_cb cb;
    void *arg;
    void *priv;                         /* the transport's */
    struct transport_call *prev, *next; /* the client's list of calls in flight */
};
struct transport_ops {
    void (*start)(struct client *c, struct transport_call *call);
    void (*cancel)(struct client *c, struct transport_call *call);
    struct client_watch *(*watch)(struct client *c, const struct resource *res,
                                  const struct watch_opts *opts);
    void (*watch_free)(struct client_watch *w);
    void (*destroy)(struct client *c); /* last: frees what the transport keeps and @c itself */
};
struct client { /* first member of every transport's struct */
    const struct transport_ops *ops;
    struct loop *loop;
    struct transport_call *calls;
    bool closing;
};
struct client_watch { /* first member of every transport's watch */
    struct client *client;
};
/** Runs the callback of @call with @r, takes it off the list, frees it. */
void transport_done(struct transport_call *call, const struct client_result *r);
