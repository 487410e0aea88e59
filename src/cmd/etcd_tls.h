/* etcd_tls.h - the TLS of `skiff etcd`, by its flags; a changed certificate is taken while it runs.
 * Layer: cmd. Threads: the loop's; opening blocks on the disk. */
#pragma once
#include "base/loop.h"
#include "cmd/etcd_flags.h"
#include "net/tls.h"

struct etcd_tls;
/** Reads or makes what @f names; *@ret_t is NULL when it names nothing. @now_sec is unix time.
 *  ERR_BAD_REQUEST (flags that do not go together), and what the files say. */
MUST_USE int etcd_tls_open(const struct etcd_flags *f, int64_t now_sec, struct etcd_tls **ret_t,
                           struct err *err);
/** Looks at the files from now on, every few seconds. */
void etcd_tls_watch(struct etcd_tls *t, struct loop *loop);
struct tls_context *etcd_tls_context(const struct etcd_tls *t); /** NULL for NULL. */
/** Stops looking and frees. NULL is a no-op; returns NULL. */
struct etcd_tls *etcd_tls_free(struct etcd_tls *t);
