/* server.h - the parts of `skiff server`, wired in server.c and node.c.
 * Layer: cmd. Threads: each part has its own loop and thread. */
#pragma once
#include "apiserver/apiserver.h"
#include "base/loop.h"
#include "cmd/pki.h"
#include "cmd/snapshot_schedule.h"

struct server_config { /* flags of `skiff server`, resolved */
    const char *data_dir, *run_dir;
    const char *bind_address, *advertise_address;
    int64_t secure_port, kubelet_port;
    const char *service_cidr, *pod_cidr, *service_ip, *dns_ip, *cluster_domain;
    const char *node_name, *node_ip;
    const char *disable; /* "kubelet,proxy,dns" */
    const char *cni_bridge; /* the interface that pods hang on */
    const char *runtime_endpoint, *token_file, *log_level, *resolv_conf;
    bool anonymous_auth;
    const char *etcd_servers, *etcd_prefix; /* NULL: the store is our own */
    const char *etcd_ca, *etcd_cert, *etcd_key;
    int64_t etcd_compact_ms;
    const char *etcd_listen; /* URLs where the embedded store is served; NULL: nowhere */
    struct snapshot_flags snapshots;
};
/** True unless @part is named in @c->disable. */
bool server_enabled(const struct server_config *c, const char *part);

/** store_opts.tell, etcd_opts.tell: logs it. Any thread. */
void store_log(void *arg, bool good, const char *text);

struct etcd_client_tls; /* what is shown to an etcd over https, and trusted of it */
/** Opens the store that the flags name: embedded, in the data folder, or an etcd. @ret_tls: NULL,
 *  or what the store borrows, to be freed after it; also set on failure. It looks at the files
 *  of certificate and key now and then, on @loop: new connections use what stands there. */
MUST_USE int server_open_store(const struct server_config *c, struct loop *loop, struct arena *a,
                               struct etcd_client_tls **ret_tls, struct store **ret_st,
                               struct err *err);
/** On the loop. NULL is a no-op; returns NULL. */
struct etcd_client_tls *etcd_client_tls_free(struct etcd_client_tls *t);

struct node; /* containerd, kubelet, proxy and DNS on a loop and thread of their own */
/** Starts the node's parts against @as. ERR_* with what is missing; nothing runs then. */
MUST_USE int node_start(const struct server_config *c, const struct pki *pki, struct apiserver *as,
                        struct node **ret_n, struct err *err);
/** Gives the kubelet the certificate of @pki for new connections. ERR_PARSE: it keeps the old. */
MUST_USE int node_renew(struct node *n, const struct pki *pki, struct err *err);
/** Stops the parts; containers go on running. NULL is a no-op; returns NULL. Blocks. */
struct node *node_stop(struct node *n);

struct control; /* controllers and scheduler on a loop and thread of their own */
struct control *control_start(const struct server_config *c, const struct pki *pki,
                              struct apiserver *as); /** Starts them. */
struct control *control_stop(struct control *c);     /** Blocks. NULL is a no-op; returns NULL. */

struct worker; /* a loop on its own thread */
/** Starts a thread that runs a loop until worker_stop(). @setup and @teardown run on it. */
struct worker *worker_start(const char *name, void (*setup)(struct loop *loop, void *arg),
                            void (*teardown)(void *arg), void *arg);
struct worker *worker_stop(struct worker *w); /** Runs teardown, ends the thread, frees. Blocks. */
