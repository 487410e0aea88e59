/* leader.h - leader election on a Lease. Layer: client. Threads: the client's loop. */
#pragma once
#include "client/client.h"

struct leader;
struct leader_opts {
    const char *ns, *name;                 /* of the Lease; static */
    const char *identity;                  /* static */
    uint32_t lease_ms, renew_ms, retry_ms; /* 0: 15000, 10000, 2000 */
    void (*on_started)(void *arg);         /* we lead now */
    void (*on_stopped)(void *arg);         /* we do not any more */
    void *arg;
};
struct leader *leader_new(struct client *c, const struct leader_opts *opts); /** Begins to try. */
struct leader *
leader_free(struct leader *l); /** Releases the Lease if held (best effort). Returns NULL. */
