/* errors.c - codes and texts of refusals. */
#include "etcd/errors.h"
#include "base/mem.h"

static const struct {
    enum grpc_status status;
    const char *text;
} refusals[REFUSE__N] = {[REFUSE_NONE] = {GRPC_UNKNOWN, "etcdserver: unknown"},
#define X(name, code, what) [REFUSE_##name] = {GRPC_##code, "etcdserver: " what},
                         ETCD_REFUSALS(X)
#undef X
};

enum grpc_status etcd_refusal_status(enum etcd_refusal refusal)
{
    return refusals[refusal].status;
}

const char *etcd_refusal_text(enum etcd_refusal refusal)
{
    return refusals[refusal].text;
}
