/* conntrack.h - UDP flows that go on to an endpoint which is no more. The kernel keeps the address
 * that it chose for a flow's first packet as long as packets come: TCP ends by itself, UDP not.
 * Layer: proxy. Threads: a pool thread, one call at a time. */
#pragma once
#include "proxy/model.h"

struct udp_flow { /* of the kernel's table; addresses and ports in host order */
    uint32_t dst, answers;       /* where it was sent to, and who answers */
    uint16_t dst_port, answers_port;
};
struct udp_index; /* the UDP Services of a model, by address and port */
struct udp_index *udp_index_new(const struct model *m); /** Borrows from @m. */
struct udp_index *udp_index_free(struct udp_index *x);  /** NULL ok; returns NULL. */
/** What it says, as a number: equal for models whose UDP Services and endpoints are the same. */
uint64_t udp_index_hash(const struct udp_index *x);
/** True if @f goes to a Service of @x, but is answered by none of its endpoints. Pure. */
bool udp_flow_stale(const struct udp_index *x, const struct udp_flow *f);
/** Ends the kernel's stale flows, *@ret_n of them. Blocks. ERR_IO. */
MUST_USE int conntrack_end_stale(const struct udp_index *x, unsigned *ret_n, struct err *err);
