/* backend.h - how a model becomes kernel rules: one implementation a file.
 * Layer: proxy. Threads: apply() runs on a pool thread, one call at a time. */
#pragma once
#include "base/err.h"
#include "proxy/model.h"

struct backend;
struct backend_ops {
    const char *name;
    /* Makes the kernel's rules be those of @m: all or nothing, without a gap. Blocks. */
    int (*apply)(struct backend *b, const struct model *m, struct err *err);
    void (*destroy)(struct backend *b); /* rules stay */
};
struct backend {
    const struct backend_ops *ops;
};
/** The nftables backend; traffic from outside @pod_cidr to Services is masqueraded. ERR_IO. */
MUST_USE int backend_nftables_new(const char *pod_cidr, struct backend **ret_b, struct err *err);
/** Deletes the nftables table. ERR_IO. */
MUST_USE int backend_nftables_cleanup(struct err *err);
