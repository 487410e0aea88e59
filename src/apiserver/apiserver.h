/* apiserver.h - the API server: the pipeline over a store, reached by HTTPS or in-process.
 * Layer: apiserver. Threads: as said. */
#pragma once
#include "base/loop.h"
#include "net/http.h"
#include "net/tls.h"
#include "store/store.h"

struct apiserver;
struct jwt_key;
struct apiserver_opts {
    struct store *store; /* borrowed */
    struct loop *loop;   /* the main API loop: in-process calls and post-start work run here */
    const char *advertise_address; /* of the kubernetes Endpoints; "192.168.1.5" */
    uint16_t secure_port;
    const char *service_cidr;              /* "10.96.0.0/16" */
    uint16_t node_port_min, node_port_max; /* 0: 30000, 32767 */
    struct jwt_key *token_key;             /* signs service account tokens; borrowed */
    const char *token_issuer;              /* "https://kubernetes.default.svc.cluster.local" */
    struct str ca_pem;                     /* cluster CA: published in kube-root-ca.crt */
    struct str static_tokens;              /* content of --token-auth-file, may be empty */
    bool anonymous_auth;
    struct tls_context *kubelet_client_tls; /* for logs and exec; borrowed, may be NULL */
    uint32_t request_timeout_ms;            /* 0: 60000 */
    uint32_t inflight_max;                  /* 0: 400; mutating: half */
};
/** Builds the server; bootstrap objects (namespaces, RBAC, services...) are written once the loop
 * runs. */
MUST_USE int apiserver_new(const struct apiserver_opts *opts, struct apiserver **ret_as,
                           struct err *err);
/** Handler for http_server_opts: any loop may own the listening server. */
struct http_handler apiserver_handler(struct apiserver *as);
/** True once bootstrap is complete: /readyz is ok. Any thread. */
bool apiserver_ready(const struct apiserver *as);
/* The parts of the control plane that run beside the API server, as ComponentStatus shows them. */
enum component { COMPONENT_CONTROLLER_MANAGER, COMPONENT_SCHEDULER, COMPONENT__N };
enum { COMPONENT_BEAT_MS = 5000, COMPONENT_SILENT_MS = 4 * COMPONENT_BEAT_MS };
/** @c runs in this process and its loop turns; to be said every COMPONENT_BEAT_MS, or it counts as
 *  unhealthy after COMPONENT_SILENT_MS. Any thread. */
void apiserver_component_beat(struct apiserver *as, enum component c);
void apiserver_component_ended(struct apiserver *as, enum component c); /** Any thread. */
struct apiserver_snapshots { /* of the store, made on a schedule */
    int64_t last_sec, revision; /* of the newest; 0: none */
    uint64_t bytes, failures;
};
/** From now on /metrics shows @s. Any thread. */
void apiserver_set_snapshots(struct apiserver *as, const struct apiserver_snapshots *s);
/** Refuses new requests, ends watches, then @on_stopped on the main loop. */
void apiserver_stop(struct apiserver *as, void (*on_stopped)(void *arg), void *arg);
/** After on_stopped. NULL is a no-op; returns NULL. */
struct apiserver *apiserver_free(struct apiserver *as);
