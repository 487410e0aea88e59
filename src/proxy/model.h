/* model.h - what the kernel has to know of Services: made from Services and EndpointSlices, for any
 * backend. Pure. Layer: proxy. Threads: any. */
#pragma once
#include "api/api.h"
#include "base/omap.h"
#include "schema/object.h"

struct endpoint {
    struct str ip;
    uint16_t port;
    bool local; /* on this node */
};
enum frontend_kind { FRONTEND_CLUSTER_IP, FRONTEND_EXTERNAL_IP, FRONTEND_NODE_PORT };
struct frontend { /* an address and port at which a Service port is reached */
    enum frontend_kind kind;
    struct str ip;   /* STR_NULL for node ports: any address of this machine */
    uint16_t port;
    bool local_only; /* only endpoints of this node, source address kept */
    bool load_balancer; /* the Service's source ranges count */
};
struct service_rules { /* one port of one Service */
    struct str id;       /* "ns/name:port/tcp/80", unique */
    const char *protocol; /* "tcp", "udp", "sctp" */
    struct frontend *frontends;
    size_t n_frontends;
    struct endpoint *endpoints; /* those that get new connections, sorted, without doubles */
    size_t n_endpoints;
    uint32_t affinity_sec; /* 0: none */
    struct str sources; /* networks that may use the load balancer, "a, b"; STR_NULL: all */
};
struct model {
    struct arena arena;
    struct service_rules *v;
    size_t n;
};
struct model_node { /* this one */
    const char *name, *ip;
};
/**
 * Builds the model: @services and @slices are maps of objects by key. A Service named in the label
 * service.kubernetes.io/service-proxy-name, headless and ExternalName ones are left out; only IPv4.
 * When no endpoint is ready, those that still serve while terminating are taken.
 * Where source ranges let this node in, the load balancer's own addresses are let in too: what the
 * node itself sends there may come back with that source.
 */
void model_build(const struct omap *services, const struct omap *slices,
                 const struct model_node *node, struct model *ret_m);
void model_deinit(struct model *m); /** Frees; idempotent. */
