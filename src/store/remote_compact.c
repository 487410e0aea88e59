/* remote_compact.c - history in etcd ends some time after it was made. As upstream, so that servers
 * of both kinds may share an etcd: the one that moves the key's version on, from what all of them
 * saw the last time, forgets what came before that time. */
#include "store/remote.h"
#include <stdio.h>

static void on_compacted(void *arg, const void *message, enum grpc_status status, struct str text)
{
    struct remote *r = arg;

    r->compacting = false;
    if (message)
        atomic_store_explicit(&r->st->compacted, r->compact_now, memory_order_relaxed);
    else if (status != GRPC_OUT_OF_RANGE) /* someone has done it already */
        remote_tell(r, false, "etcd not compacted error=\"%.*s\"", STR_ARG(text));
}

static void forget(struct remote *r, int64_t revision)
{
    Etcdserverpb__CompactionRequest rq = ETCDSERVERPB__COMPACTION_REQUEST__INIT;

    r->compact_now = rq.revision = revision;
    remote_call(r, "/etcdserverpb.KV/Compact", &rq.base,
                &etcdserverpb__compaction_response__descriptor, on_compacted, r);
}

static void on_elected(void *arg, const void *message, enum grpc_status status, struct str text)
{
    const Etcdserverpb__TxnResponse *answer = message;
    struct remote *r = arg;
    int64_t revision = r->compact_revision;
    const Etcdserverpb__ResponseOp *op;

    if (!answer) {
        r->compacting = false;
        remote_tell(r, false, "etcd not compacted error=\"%.*s\"", STR_ARG(text));
        return;
    }
    op = answer->n_responses > 0 ? answer->responses[0] : NULL;
    r->compact_revision = answer->header->revision;
    if (answer->succeeded) {
        r->compact_version++;
        if (revision > 0)
            forget(r, revision);
        else
            r->compacting = false;
        return;
    }
    r->compacting = false;
    if (op && op->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE &&
        op->response_range->n_kvs > 0)
        r->compact_version = op->response_range->kvs[0]->version;
}

static void elect(struct remote *r)
{
    Etcdserverpb__TxnRequest rq = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__Compare same = ETCDSERVERPB__COMPARE__INIT, *compare = &same;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp then = ETCDSERVERPB__REQUEST_OP__INIT, *success = &then;
    Etcdserverpb__RequestOp otherwise = ETCDSERVERPB__REQUEST_OP__INIT, *failure = &otherwise;
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)r->compact_revision);
    same.key = put.key = get.key = pb_bytes(STR(REMOTE_COMPACT_KEY));
    same.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
    same.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    same.version = r->compact_version;
    put.value = pb_bytes(str_from(text));
    then.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    then.request_put = &put;
    otherwise.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    otherwise.request_range = &get;
    rq.compare = &compare;
    rq.success = &success;
    rq.failure = &failure;
    rq.n_compare = rq.n_success = rq.n_failure = 1;
    remote_call(r, "/etcdserverpb.KV/Txn", &rq.base, &etcdserverpb__txn_response__descriptor,
                on_elected, r);
}

void remote_compact(struct remote *r)
{
    uint64_t now = remote_now_ms(r);

    if (r->compact_ms == 0 || r->compacting || now < r->compact_due_ms)
        return;
    r->compact_due_ms = now + r->compact_ms;
    r->compacting = true;
    elect(r);
}
