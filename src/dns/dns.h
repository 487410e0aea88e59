/* dns.h - the cluster's DNS server: Services and pods, and forwarding of everything else.
 * Layer: dns. Threads: its loop. */
#pragma once
#include "client/client.h"

struct dns;
struct dns_opts {
    struct client *client;     /* as system:serviceaccount:kube-system:kube-dns; borrowed */
    const char *address;       /* to listen on, UDP and TCP */
    uint16_t port;
    const char *domain;        /* "cluster.local" */
    const char *resolv_conf;   /* upstream servers are read from it; NULL: /etc/resolv.conf */
};
/** Starts. ERR_IO if it cannot bind. */
MUST_USE int dns_new(const struct dns_opts *opts, struct dns **ret_d, struct err *err);
struct dns *dns_free(struct dns *d); /** NULL is a no-op; returns NULL. */
