/* containerd.h - skiff's own containerd: configured, started, adopted, supervised.
 *
 * Its root, state and socket are under skiff's folders. It and the containers outlive a killed
 * skiff; the next one finds it by its pid file and socket and adopts it.
 * Layer: kubelet. Threads: its loop. */
#pragma once
#include "base/loop.h"

struct containerd;
struct containerd_opts {
    struct loop *loop;
    const char *root_dir;   /* "/var/lib/skiff/containerd" */
    const char *state_dir;  /* "/run/skiff/containerd"; the socket is containerd.sock in it */
    const char *cni_conf_dir, *cni_bin_dir;
    const char *pause_image; /* sandbox image name */
    bool restrict_oom_score_adj;
    const char *log_file;
    /* The socket answers (again). */
    void (*on_ready)(void *arg);
    void *arg;
};
/** Writes the configuration, starts or adopts the daemon. ERR_NOT_FOUND (no containerd: what to
 *  install), ERR_IO. */
MUST_USE int containerd_start(const struct containerd_opts *opts, struct containerd **ret_c,
                              struct err *err);
/** "unix:///run/skiff/containerd/containerd.sock"; lives as long as @c. */
const char *containerd_endpoint(const struct containerd *c);
/** Forgets it; with @stop it is told to end (containers go on without it). NULL ok; returns
 *  NULL. */
struct containerd *containerd_free(struct containerd *c, bool stop);
/** Writes the CNI configuration (bridge, host-local, portmap) for @pod_cidr into @conf_dir. With
 *  @masquerade the plugin hides pods behind the node's address, a dozen runs of iptables for each
 *  pod; without, the proxy does it, by one rule for all. ERR_IO. */
MUST_USE int cni_write_config(const char *conf_dir, const char *bridge, const char *pod_cidr,
                              bool masquerade, struct err *err);
