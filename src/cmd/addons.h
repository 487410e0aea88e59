/* addons.h - objects that stand for parts of this process: the Service of the cluster's DNS.
 * Layer: cmd. Threads: the client's loop. */
#pragma once
#include "client/client.h"

struct addons;
struct addons_opts {
    struct client *client; /* of a cluster administrator; borrowed */
    const char *dns_service_ip, *dns_address;
    uint16_t dns_port;
};
/** Makes Service, Endpoints and EndpointSlice kube-system/kube-dns be so; tries again until they
 * are. */
struct addons *addons_start(const struct addons_opts *opts);
struct addons *addons_stop(struct addons *a); /** NULL is a no-op; returns NULL. */
