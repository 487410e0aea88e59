/* etcd.h - the embedded store served as etcd v3: gRPC, /health, /version, /metrics.
 *
 * One member that is always the leader. Requests become raw transactions (store/raw.h): what a
 * request answers was true at its place in the store's one order. Behaviour, texts and codes are
 * etcd's (https://etcd.io/docs/v3.5/learning/api/); what differs is in docs/etcd-server.md.
 *
 * Layer: etcd, on store and net. Threads: its loop; the parts of requests that read and write the
 * store run on the store's thread.
 */
#pragma once
#include "base/loop.h"
#include "net/http.h"
#include "store/store.h"

#define ETCD_VERSION "3.5.13" /* whose behaviour is followed */

struct etcd;
struct etcd_config {     /* copied, but for store and loop */
    struct store *store; /* embedded; outlives the server */
    struct loop *loop;
    const char *name;                                  /* of the member; NULL: "default" */
    const char *const *client_urls, *const *peer_urls; /* as the member list shows them */
    size_t n_client_urls, n_peer_urls;
    uint64_t quota_bytes;       /* of data; 0: 2 GiB */
    uint32_t request_max_bytes; /* 0: 1.5 MiB */
    uint32_t txn_ops_max;       /* 0: 128 */
    uint32_t progress_ms;       /* between progress notifications; 0: 600000 */
    /* History is forgotten by itself (etcd's --auto-compaction-mode): what is older than
     * compact_keep_ms, or all but the last compact_keep_revisions. Both 0: never. */
    uint64_t compact_keep_ms;
    int64_t compact_keep_revisions;
};
/** Reads who it is and which leases there are, then calls @on_ready(@arg, ...) on the loop, with
 *  an error when the store cannot be read. Requests are taken from then on. */
struct etcd *etcd_new(const struct etcd_config *config,
                      void (*on_ready)(void *arg, const struct err *err), void *arg);
/** What an http_server on the same loop is to be given; message bodies are bounded by the calls. */
struct http_handler etcd_handler(struct etcd *e);
/** The same for an http_server that is to answer only /metrics, /health and the like. */
struct http_handler etcd_metrics_handler(struct etcd *e);
/** Ends all calls and answers no more; @on_stopped(@arg) runs when nothing is under way, and then
 *  etcd_free() may be called, and the store closed. */
void etcd_stop(struct etcd *e, void (*on_stopped)(void *arg), void *arg);
/** Frees a server that has stopped. NULL is a no-op; returns NULL. */
struct etcd *etcd_free(struct etcd *e);
