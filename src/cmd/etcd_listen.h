/* etcd_listen.h - the addresses where an etcd server takes requests.
 * Layer: cmd. Threads: the server's loop. */
#pragma once
#include "etcd/etcd.h"

struct tls_context;
struct etcd_listen;
struct etcd_listen_opts {
    struct loop *loop;
    const char *urls; /* "http://127.0.0.1:2379,https://10.0.0.1:2379,unix:///run/etcd.sock" */
    const char *metrics_urls; /* where only /metrics, /health and the like are; NULL: nowhere */
    struct tls_context *tls; /* for https; borrowed; may be NULL */
    bool needs_cert;         /* over https: a certificate of the client CA */
    const char *needs_group; /* and of this organization; NULL: any */
    uint32_t streams_max;    /* calls at once of a connection; 0: 100 */
    bool plain_anywhere;     /* else http only on loopback addresses */
};
/** Splits @urls at commas into @a. ERR_BAD_REQUEST (empty, too many). */
MUST_USE int etcd_urls_split(const char *urls, struct arena *a, const char *const **ret_list,
                             size_t *ret_n, struct err *err);
/** Listens for @e on all of them, or on none. ERR_BAD_REQUEST (the URL), ERR_IO. */
MUST_USE int etcd_listen_open(const struct etcd_listen_opts *opts, struct etcd *e,
                              struct etcd_listen **ret_l, struct err *err);
/** Stops accepting and ends all connections, frees @l, then @on_closed(@arg). NULL @l: only
 *  that. */
void etcd_listen_close(struct etcd_listen *l, void (*on_closed)(void *arg), void *arg);
