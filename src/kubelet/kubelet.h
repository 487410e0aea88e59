/* kubelet.h - runs the pods of one node through a CRI runtime.
 * Layer: kubelet. Threads: its loop. */
#pragma once
#include "client/client.h"

struct kubelet;
struct tls_context;
struct kubelet_opts {
    struct client *client;         /* as system:node:<name>, group system:nodes; borrowed */
    const char *node_name;
    const char *node_ip;
    const char *root_dir;          /* "/var/lib/skiff/kubelet": volumes, state */
    const char *runtime_endpoint;  /* "unix:///run/skiff/containerd/containerd.sock" */
    const char *events_endpoint;   /* containerd's own API for events; NULL: poll only */
    const char *log_dir;           /* "/var/log/pods" */
    const char *containers_log_dir; /* "/var/log/containers" */
    struct tls_context *tls;       /* serving certificate, client CA; borrowed */
    const char *address;           /* to listen on */
    uint16_t port;                 /* 10250 */
    const char *cluster_dns;       /* "10.96.0.10" */
    const char *cluster_domain;    /* "cluster.local" */
    const char *resolv_conf;       /* of pods that use the node's DNS; NULL: /etc/resolv.conf, or
                                    * what it stands for behind a stub resolver */
    uint32_t max_pods;             /* 0: 110 */
    const char *pause_image;       /* name under which the built-in image is imported */
    bool no_oom_score_adj;         /* CAP_SYS_RESOURCE is missing: never lower a score */
    const char *ca_file;           /* cluster CA on disk, for client certificates of callers */
};
/** Starts: connects to the runtime (retrying), registers the node, adopts what runs.
 *  ERR_IO if it cannot listen. */
MUST_USE int kubelet_new(const struct kubelet_opts *opts, struct kubelet **ret_k, struct err *err);
/** Stops working on pods; containers go on running. NULL is a no-op; returns NULL. */
struct kubelet *kubelet_free(struct kubelet *k);
