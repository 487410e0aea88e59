/* proxy.h - Services as kernel rules: the model from Services and EndpointSlices, one backend a
 * file. Layer: proxy. Threads: its loop. */
#pragma once
#include "client/client.h"

struct proxy;
struct proxy_opts {
    struct client *client;    /* as system:kube-proxy; borrowed */
    const char *node_name, *node_ip;
    const char *pod_cidr;     /* what comes from elsewhere to a Service, and what goes
                               * from pods elsewhere, is masqueraded */
    const char *backend;      /* "nftables" */
};
/** Starts. ERR_IO when the kernel refuses nftables. */
MUST_USE int proxy_new(const struct proxy_opts *opts, struct proxy **ret_p, struct err *err);
/** Stops; rules stay (connections go on) unless @cleanup. NULL ok; returns NULL. */
struct proxy *proxy_free(struct proxy *p, bool cleanup);
