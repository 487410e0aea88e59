/* The same random requests to Debian's etcd and to ours: the answers are the same, but for the
 * numbers that name clusters, members and terms. A seed that fails is named. Skipped, and counted
 * as such, where no etcd is installed. */
#include "../store/etcd_proc.h"
#include "base/random.h"
#include "etcd_fixture.h"

enum { REQUESTS = 10000, SEEDS = 4, KEYS = 10, WATCHES = 12, WAIT_ROUNDS = 2000, LEASES = 6 };

struct watching { /* one watch on one side */
    struct loop *loop;
    struct grpc_call *call;
    struct buf events; /* packed, in order */
    size_t n;
    bool created, done, compacted;
};
struct run {
    struct loop *loop;
    struct ours ours;
    struct etcd_proc theirs;
    struct grpc_client *client[2]; /* ours, theirs */
    struct random_seeded random;
    struct arena arena; /* of the request being made */
    uint64_t seed;
    int at;
    int64_t revision, compacted;
    bool nested_deletions; /* in the transaction being made */
    struct watching watches[WATCHES][2];
    size_t n_watches;
};

static uint64_t below(struct run *r, uint64_t n)
{
    return random_below(&r->random.base, n);
}

static bool chance(struct run *r, uint64_t of)
{
    return below(r, of) == 0;
}

/* ---- a message as text, for when answers differ ---- */

static void dump(const ProtobufCMessage *m, struct buf *out);

static void dump_value(const ProtobufCFieldDescriptor *f, const void *p, struct buf *out)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        buf_puts(out, "{");
        if (*(ProtobufCMessage *const *)p)
            dump(*(ProtobufCMessage *const *)p, out);
        buf_puts(out, "}");
        break;
    case PROTOBUF_C_TYPE_BYTES:
        for (size_t i = 0; i < ((const ProtobufCBinaryData *)p)->len; i++)
            buf_printf(out, "%02x", ((const ProtobufCBinaryData *)p)->data[i]);
        break;
    case PROTOBUF_C_TYPE_STRING:
        buf_printf(out, "\"%s\"", *(char *const *)p);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        buf_i64(out, *(const int64_t *)p);
        break;
    default:
        buf_i64(out, *(const int32_t *)p);
        break;
    }
    buf_putc(out, ' ');
}

static void dump(const ProtobufCMessage *m, struct buf *out)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const char *at = (const char *)m + f->offset;

        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
            size_t size = f->type == PROTOBUF_C_TYPE_BYTES  ? sizeof(ProtobufCBinaryData)
                          : f->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int)
                                                            : sizeof(void *);
            const char *list = *(char *const *)(const void *)at;

            buf_printf(out, "%s[%zu]: ", f->name, n);
            for (size_t k = 0; k < n; k++)
                dump_value(f, list + k * size, out);
            continue;
        }
        if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            *(const int *)(const void *)((const char *)m + f->quantifier_offset) != (int)f->id)
            continue;
        buf_printf(out, "%s: ", f->name);
        dump_value(f, at, out);
    }
}

/* ---- random parts ---- */

static ProtobufCBinaryData some_key(struct run *r)
{
    static const char *const keys[KEYS] = {"a", "a/1",    "a/2", "a\xff", "a\xff\xff",
                                           "b", "b/\x01", "c",   "\xff",  "zz"};
    return bytes_of(keys[below(r, KEYS)]);
}

static ProtobufCBinaryData some_end(struct run *r, ProtobufCBinaryData key)
{
    switch (below(r, 8)) {
    case 0:
        return (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) ""}; /* \0: to the last */
    case 1:
        return some_key(r); /* may be before the key */
    case 2:
    case 3: {
        struct str end = str_prefix_end(&r->arena, (struct str){(char *)key.data, key.len});

        if (!end.p)
            return (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) ""};
        return (ProtobufCBinaryData){end.len, (uint8_t *)(uintptr_t)end.p};
    }
    default:
        return (ProtobufCBinaryData){0};
    }
}

static ProtobufCBinaryData some_value(struct run *r)
{
    return bytes_of(arena_printf(&r->arena, "%.*s", (int)below(r, 4), "xyz"));
}

static int64_t some_revision(struct run *r)
{
    int64_t low = r->compacted - 2, span = r->revision - low + 3;
    int64_t revision = low + (int64_t)below(r, (uint64_t)span);

    return MAX(revision, 1);
}

static int64_t some_lease(struct run *r)
{
    return chance(r, 5) ? 1 + (int64_t)below(r, LEASES) : 0;
}

static Etcdserverpb__RangeRequest *some_range(struct run *r)
{
    Etcdserverpb__RangeRequest *rq = arena_new(&r->arena, Etcdserverpb__RangeRequest);

    etcdserverpb__range_request__init(rq);
    rq->key = some_key(r);
    if (chance(r, 100))
        rq->key.len = 0;
    rq->range_end = some_end(r, rq->key);
    if (chance(r, 3))
        rq->limit = (int64_t)below(r, 5);
    if (chance(r, 3))
        rq->revision = some_revision(r);
    if (chance(r, 2)) {
        rq->sort_order = (Etcdserverpb__RangeRequest__SortOrder)below(r, 3);
        rq->sort_target = (Etcdserverpb__RangeRequest__SortTarget)below(r, 5);
    }
    rq->keys_only = chance(r, 5);
    rq->count_only = chance(r, 8);
    rq->serializable = chance(r, 8);
    if (chance(r, 6))
        rq->min_mod_revision = some_revision(r);
    if (chance(r, 6))
        rq->max_mod_revision = some_revision(r);
    if (chance(r, 8))
        rq->min_create_revision = some_revision(r);
    if (chance(r, 8))
        rq->max_create_revision = some_revision(r);
    return rq;
}

static Etcdserverpb__PutRequest *some_put(struct run *r)
{
    Etcdserverpb__PutRequest *rq = arena_new(&r->arena, Etcdserverpb__PutRequest);

    etcdserverpb__put_request__init(rq);
    rq->key = some_key(r);
    if (chance(r, 100))
        rq->key.len = 0;
    rq->value = some_value(r);
    rq->lease = some_lease(r);
    rq->prev_kv = chance(r, 3);
    rq->ignore_value = chance(r, 12);
    rq->ignore_lease = chance(r, 12);
    if (rq->ignore_value && !chance(r, 4))
        rq->value.len = 0;
    if (rq->ignore_lease && !chance(r, 4))
        rq->lease = 0;
    return rq;
}

static Etcdserverpb__DeleteRangeRequest *some_delete(struct run *r)
{
    Etcdserverpb__DeleteRangeRequest *rq = arena_new(&r->arena, Etcdserverpb__DeleteRangeRequest);

    etcdserverpb__delete_range_request__init(rq);
    rq->key = some_key(r);
    rq->range_end = some_end(r, rq->key);
    rq->prev_kv = chance(r, 2);
    return rq;
}

static Etcdserverpb__Compare *some_compare(struct run *r)
{
    Etcdserverpb__Compare *c = arena_new(&r->arena, Etcdserverpb__Compare);

    etcdserverpb__compare__init(c);
    c->key = some_key(r);
    if (chance(r, 60))
        c->key.len = 0;
    c->range_end = chance(r, 3) ? some_end(r, c->key) : (ProtobufCBinaryData){0};
    c->result = (Etcdserverpb__Compare__CompareResult)below(r, 4);
    c->target = (Etcdserverpb__Compare__CompareTarget)below(r, 5);
    if (chance(r, 20))
        return c; /* compared with nothing */
    switch (c->target) {
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
        c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        c->version = (int64_t)below(r, 4);
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
        c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
        c->create_revision = chance(r, 2) ? 0 : some_revision(r);
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
        c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
        c->mod_revision = chance(r, 2) ? 0 : some_revision(r);
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE:
        c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
        c->lease = some_lease(r);
        break;
    default:
        c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        c->value = some_value(r);
        break;
    }
    return c;
}

static Etcdserverpb__TxnRequest *some_txn(struct run *r, int depth);

static Etcdserverpb__RequestOp *some_op(struct run *r, int depth, bool may_nest)
{
    Etcdserverpb__RequestOp *op = arena_new(&r->arena, Etcdserverpb__RequestOp);

    etcdserverpb__request_op__init(op);
    switch (below(r, may_nest ? 8 : 7)) {
    case 0:
    case 1:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op->request_range = some_range(r);
        if (chance(r, 2))
            op->request_range->revision = 0;
        break;
    case 2:
    case 3:
        if (depth && !r->nested_deletions)
            goto put;
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = some_delete(r);
        /* etcd takes "\0", to the last key, for an empty range when it looks for keys that are
         * written twice, and lets them pass; we do not. */
        if (op->request_delete_range->range_end.len == 1 &&
            !op->request_delete_range->range_end.data[0])
            op->request_delete_range->range_end.len = 0;
        break;
    case 4:
    case 5:
    case 6:
    put:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = some_put(r);
        break;
    default:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
        op->request_txn = some_txn(r, depth + 1);
        break;
    }
    return op;
}

static Etcdserverpb__TxnRequest *some_txn(struct run *r, int depth)
{
    Etcdserverpb__TxnRequest *rq = arena_new(&r->arena, Etcdserverpb__TxnRequest);

    /* etcd lets a key that one nested transaction has put be deleted by the next, if in this order,
     * and we do not: either no deletions in nested ones, or one of them in a list. */
    if (!depth)
        r->nested_deletions = chance(r, 2);
    etcdserverpb__txn_request__init(rq);
    rq->n_compare = below(r, 3);
    rq->n_success = chance(r, 200) ? 129 : below(r, 4);
    rq->n_failure = below(r, 4);
    rq->compare = arena_calloc(&r->arena, rq->n_compare + 1, sizeof(void *));
    rq->success = arena_calloc(&r->arena, rq->n_success + 1, sizeof(void *));
    rq->failure = arena_calloc(&r->arena, rq->n_failure + 1, sizeof(void *));
    for (size_t i = 0; i < rq->n_compare; i++)
        rq->compare[i] = some_compare(r);
    for (size_t i = 0; i < rq->n_success; i++)
        rq->success[i] =
            some_op(r, depth, depth < 3 && (!r->nested_deletions || i + 1 == rq->n_success));
    for (size_t i = 0; i < rq->n_failure; i++)
        rq->failure[i] =
            some_op(r, depth, depth < 3 && (!r->nested_deletions || i + 1 == rq->n_failure));
    return rq;
}

/* ---- a call to both ---- */

struct any_response {
    ProtobufCMessage base;
    Etcdserverpb__ResponseHeader *header;
};

static int by_bytes(const void *va, const void *vb)
{
    const ProtobufCBinaryData *a = va, *b = vb;

    return str_cmp((struct str){(char *)a->data, a->len}, (struct str){(char *)b->data, b->len});
}

static int by_id(const void *va, const void *vb)
{
    const Etcdserverpb__LeaseStatus *const *a = va, *const *b = vb;

    return (*a)->id < (*b)->id ? -1 : (*a)->id > (*b)->id;
}

/* Takes out what may differ: names, time, and orders that etcd does not promise. */
static void normalize(ProtobufCMessage *m)
{
    struct any_response *rs = (struct any_response *)(void *)m;

    if (rs->header)
        rs->header->cluster_id = rs->header->member_id = rs->header->raft_term = 0;
    if (m->descriptor == &etcdserverpb__lease_time_to_live_response__descriptor) {
        Etcdserverpb__LeaseTimeToLiveResponse *t = (Etcdserverpb__LeaseTimeToLiveResponse *)m;

        t->ttl = t->ttl > 0 ? 1 : t->ttl;
        if (t->n_keys)
            qsort(t->keys, t->n_keys, sizeof(t->keys[0]), by_bytes);
    }
    if (m->descriptor == &etcdserverpb__hash_kvresponse__descriptor) /* new in 3.5 */
        ((Etcdserverpb__HashKVResponse *)m)->hash_revision = 0;
    if (m->descriptor == &etcdserverpb__lease_leases_response__descriptor) {
        Etcdserverpb__LeaseLeasesResponse *l = (Etcdserverpb__LeaseLeasesResponse *)m;

        if (l->n_leases)
            qsort(l->leases, l->n_leases, sizeof(l->leases[0]), by_id);
    }
}

static void fail_differ(struct run *r, const char *method, const void *request, const char *ours,
                        const char *theirs)
{
    auto_buf rq = {0};

    dump(request, &rq);
    (void)fprintf(stderr, "seed %llu request %d %s\n%s\nours:   %s\ntheirs: %s\n",
                  (unsigned long long)r->seed, r->at, method, buf_cstr(&rq), ours, theirs);
    fail();
}

/* True if both did it. */
static bool both(struct run *r, const char *method, const void *request,
                 const ProtobufCMessageDescriptor *type)
{
    struct rpc rpc[2];
    struct buf text[2] = {0};
    bool ok;
    auto_buf b = {0};

    (void)pack(request, &b);
    for (int i = 0; i < 2; i++)
        rpc_start(&rpc[i], r->loop, r->client[i], method, buf_view(&b));
    for (int i = 0; i < 2; i++) {
        ProtobufCMessage *m;

        wait_for(r->loop, &rpc[i].done);
        buf_printf(&text[i], "%d %s ", rpc[i].status, rpc[i].text);
        if (rpc[i].status == GRPC_OK) {
            m = protobuf_c_message_unpack(type, NULL, rpc[i].answer.len,
                                          (const uint8_t *)rpc[i].answer.p);
            assert_non_null(m);
            normalize(m);
            if (i == 0 && ((struct any_response *)(void *)m)->header)
                r->revision =
                    MAX(r->revision, ((struct any_response *)(void *)m)->header->revision);
            dump(m, &text[i]);
            protobuf_c_message_free_unpacked(m, NULL);
        }
        buf_deinit(&rpc[i].answer);
    }
    ok = rpc[0].status == GRPC_OK;
    if (strcmp(buf_cstr(&text[0]), buf_cstr(&text[1])) != 0)
        fail_differ(r, method, request, buf_cstr(&text[0]), buf_cstr(&text[1]));
    buf_deinit(&text[0]);
    buf_deinit(&text[1]);
    return ok;
}

/* ---- watches ---- */

static void watch_message(void *arg, struct str message)
{
    struct watching *w = arg;
    Etcdserverpb__WatchResponse *rs =
        etcdserverpb__watch_response__unpack(NULL, message.len, (const uint8_t *)message.p);

    assert_non_null(rs);
    w->created |= rs->created;
    if (rs->created && rs->canceled)
        buf_printf(&w->events, "refused: %s", rs->cancel_reason);
    else if (rs->canceled)
        buf_printf(&w->events, "cancelled, compacted at %lld", (long long)rs->compact_revision);
    for (size_t i = 0; i < rs->n_events; i++) {
        buf_puts(&w->events, "event ");
        dump(&rs->events[i]->base, &w->events);
        buf_putc(&w->events, '\n');
    }
    w->n += rs->n_events;
    etcdserverpb__watch_response__free_unpacked(rs, NULL);
    loop_stop(w->loop);
}

static void watch_done(void *arg, enum grpc_status status, struct str text)
{
    struct watching *w = arg;

    (void)status;
    (void)text;
    w->done = true;
    loop_stop(w->loop);
}

static bool watches_equal(struct run *r)
{
    for (size_t i = 0; i < r->n_watches; i++) {
        struct watching *w = r->watches[i];

        if (!w[0].created || !w[1].created ||
            !str_eq(buf_view(&w[0].events), buf_view(&w[1].events)))
            return false;
    }
    return true;
}

static void on_tick(struct timer *t)
{
    loop_stop(t->loop);
}

static void fail_watch(struct run *r, size_t i)
{
    struct watching *w = r->watches[i];

    (void)fprintf(stderr, "seed %llu request %d watch %zu\nours:\n%s\ntheirs:\n%s\n",
                  (unsigned long long)r->seed, r->at, i, buf_cstr(&w[0].events),
                  buf_cstr(&w[1].events));
    fail();
}

/* Waits until both sides have told the same. */
static void watches_check(struct run *r)
{
    struct timer tick;

    timer_init(&tick, r->loop, on_tick);
    timer_start(&tick, 5, 5);
    for (int i = 0; i < WAIT_ROUNDS && !watches_equal(r); i++)
        loop_run(r->loop);
    timer_stop(&tick);
    for (size_t i = 0; i < r->n_watches; i++) {
        struct watching *w = r->watches[i];

        if (!w[0].created || !w[1].created ||
            !str_eq(buf_view(&w[0].events), buf_view(&w[1].events)))
            fail_watch(r, i);
    }
}

static void watch_start_both(struct run *r, struct watching w[2],
                             Etcdserverpb__WatchCreateRequest *c)
{
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    auto_buf b = {0};

    rq.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    rq.create_request = c;
    (void)pack(&rq, &b);
    for (int i = 0; i < 2; i++) {
        struct grpc_call_opts opts = {.method = "/etcdserverpb.Watch/Watch",
                                      .request = buf_view(&b),
                                      .client_streams = true,
                                      .on_message = watch_message,
                                      .on_done = watch_done,
                                      .arg = &w[i]};

        w[i] = (struct watching){.loop = r->loop};
        w[i].call = grpc_call_start(r->client[i], &opts);
    }
}

static void watch_end_both(struct run *r, struct watching w[2])
{
    for (int i = 0; i < 2; i++) {
        if (!w[i].done)
            grpc_call_cancel(w[i].call);
        wait_for(r->loop, &w[i].done);
        buf_deinit(&w[i].events);
    }
}

static void watch_open_both(struct run *r)
{
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest__FilterType filter =
        (Etcdserverpb__WatchCreateRequest__FilterType)below(r, 2);

    if (r->n_watches == WATCHES)
        return;
    c.key = some_key(r);
    c.range_end = some_end(r, c.key);
    if (chance(r, 2))
        c.start_revision = some_revision(r);
    /* The compacted revision itself: etcd 3.4 has forgotten its deletions, later ones have not. */
    c.start_revision += c.start_revision == r->compacted;
    c.prev_kv = chance(r, 2);
    c.fragment = chance(r, 3);
    c.watch_id = (int64_t)below(r, 3);
    if (chance(r, 4)) {
        c.filters = &filter;
        c.n_filters = 1;
    }
    watch_start_both(r, r->watches[r->n_watches++], &c);
    watches_check(r); /* it begins at the same revision on both sides */
}

/* Sees to it that both sides have brought all watches up to date: then they have so with one that
 * is behind and was opened after the others. */
static void watches_settle(struct run *r)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    struct watching w[2];

    watches_check(r);
    put.key = c.key = bytes_of("probe");
    assert_true(both(r, "/etcdserverpb.KV/Put", &put, &etcdserverpb__put_response__descriptor));
    c.start_revision = r->revision;
    watch_start_both(r, w, &c);
    while (w[0].n < 1 || w[1].n < 1)
        loop_run(r->loop);
    watch_end_both(r, w);
    watches_check(r);
}

static void watches_close(struct run *r)
{
    for (size_t i = 0; i < r->n_watches; i++)
        watch_end_both(r, r->watches[i]);
    r->n_watches = 0;
}

/* ---- requests ---- */

static void do_lease(struct run *r)
{
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    Etcdserverpb__LeaseTimeToLiveRequest ttl = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    Etcdserverpb__LeaseLeasesRequest list = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;

    grant.id = revoke.id = ttl.id = 1 + (int64_t)below(r, LEASES);
    grant.ttl = chance(r, 30) ? INT64_C(9000000001) : 5000 + (int64_t)below(r, 100);
    ttl.keys = chance(r, 2);
    switch (below(r, 6)) {
    case 0:
    case 1:
    case 2:
        (void)both(r, "/etcdserverpb.Lease/LeaseGrant", &grant,
                   &etcdserverpb__lease_grant_response__descriptor);
        break;
    case 3:
        (void)both(r, "/etcdserverpb.Lease/LeaseRevoke", &revoke,
                   &etcdserverpb__lease_revoke_response__descriptor);
        break;
    case 4:
        (void)both(r, "/etcdserverpb.Lease/LeaseTimeToLive", &ttl,
                   &etcdserverpb__lease_time_to_live_response__descriptor);
        break;
    default:
        (void)both(r, "/etcdserverpb.Lease/LeaseLeases", &list,
                   &etcdserverpb__lease_leases_response__descriptor);
        break;
    }
}

static void do_compact(struct run *r)
{
    Etcdserverpb__CompactionRequest rq = ETCDSERVERPB__COMPACTION_REQUEST__INIT;

    watches_settle(r); /* what was before is not told of any more */
    rq.revision = some_revision(r);
    rq.physical = true;
    if (both(r, "/etcdserverpb.KV/Compact", &rq, &etcdserverpb__compaction_response__descriptor))
        r->compacted = rq.revision;
}

static void do_hash(struct run *r)
{
    Etcdserverpb__HashKVRequest rq = ETCDSERVERPB__HASH_KVREQUEST__INIT;

    if (chance(r, 2))
        rq.revision = some_revision(r);
    rq.revision += rq.revision == r->compacted; /* 3.4 refuses it, 3.5 does not */
    (void)both(r, "/etcdserverpb.Maintenance/HashKV", &rq,
               &etcdserverpb__hash_kvresponse__descriptor);
}

static void do_defragment(struct run *r)
{
    Etcdserverpb__DefragmentRequest rq = ETCDSERVERPB__DEFRAGMENT_REQUEST__INIT;
    Etcdserverpb__DefragmentResponse *rs[2];

    for (int i = 0; i < 2; i++) { /* etcd answers without a header */
        struct rpc rpc;

        rs[i] =
            (void *)rpc_call(&rpc, r->loop, r->client[i], "/etcdserverpb.Maintenance/Defragment",
                             &rq, &etcdserverpb__defragment_response__descriptor);
        assert_int_equal(rpc.status, GRPC_OK);
        etcdserverpb__defragment_response__free_unpacked(rs[i], NULL);
    }
    do_hash(r);
}

/* A lease that ends by itself takes its keys with it, in one revision and in the same order. */
static void check_expiry(struct run *r)
{
    enum { LEASE = 100, TTL_SEC = 2, MINE = 3 };
    static const char *const keys[MINE + 1] = {"zz/3", "zz/1", "zz/2", "zz/other"};
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__LeaseTimeToLiveRequest ttl = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest c = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeRequest all = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct watching *w = r->watches[0];

    grant.id = ttl.id = LEASE;
    grant.ttl = TTL_SEC;
    ttl.keys = true;
    assert_true(both(r, "/etcdserverpb.Lease/LeaseGrant", &grant,
                     &etcdserverpb__lease_grant_response__descriptor));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        put.key = put.value = bytes_of(keys[i]);
        put.lease = LEASE;
        (void)both(r, "/etcdserverpb.KV/Put", &put, &etcdserverpb__put_response__descriptor);
    }
    put.lease = 0; /* the last one leaves the lease */
    (void)both(r, "/etcdserverpb.KV/Put", &put, &etcdserverpb__put_response__descriptor);
    c.key = all.key = bytes_of("zz/");
    c.range_end = all.range_end = bytes_of("zz0");
    c.start_revision = r->revision + 1;
    c.prev_kv = true;
    watch_start_both(r, w, &c);
    r->n_watches = 1;
    while (w[0].n < MINE || w[1].n < MINE)
        loop_run(r->loop);
    watches_check(r);
    assert_true(both(r, "/etcdserverpb.KV/Range", &all, &etcdserverpb__range_response__descriptor));
    (void)both(r, "/etcdserverpb.Lease/LeaseTimeToLive", &ttl,
               &etcdserverpb__lease_time_to_live_response__descriptor);
    do_hash(r);
    watches_close(r);
}

static void step(struct run *r)
{
    uint64_t what = below(r, 1000);

    if (what < 2)
        do_defragment(r);
    else if (what < 300)
        (void)both(r, "/etcdserverpb.KV/Range", some_range(r),
                   &etcdserverpb__range_response__descriptor);
    else if (what < 560)
        (void)both(r, "/etcdserverpb.KV/Put", some_put(r), &etcdserverpb__put_response__descriptor);
    else if (what < 660)
        (void)both(r, "/etcdserverpb.KV/DeleteRange", some_delete(r),
                   &etcdserverpb__delete_range_response__descriptor);
    else if (what < 900)
        (void)both(r, "/etcdserverpb.KV/Txn", some_txn(r, 0),
                   &etcdserverpb__txn_response__descriptor);
    else if (what < 970)
        do_lease(r);
    else if (what < 980)
        do_compact(r);
    else if (what < 988)
        do_hash(r);
    else if (what < 998)
        watch_open_both(r);
    else
        watches_close(r);
    arena_deinit(&r->arena);
}

static void wait_for_theirs(struct run *r)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct timer tick;

    rq.key = bytes_of("x");
    timer_init(&tick, r->loop, on_tick);
    for (int i = 0; i < 600; i++) {
        struct rpc rpc;
        ProtobufCMessage *m = rpc_call(&rpc, r->loop, r->client[1], "/etcdserverpb.KV/Range", &rq,
                                       &etcdserverpb__range_response__descriptor);

        if (m)
            protobuf_c_message_free_unpacked(m, NULL);
        if (m)
            return;
        timer_start(&tick, 50, 0);
        loop_run(r->loop);
    }
    fail_msg("etcd does not answer");
}

static void run_seed(uint64_t seed, int n)
{
    struct run r = {.seed = seed, .loop = loop_new("diff"), .revision = 1};

    random_seeded_init(&r.random, seed);
    loop_hold(r.loop, true);
    r.ours.loop = r.loop;
    place_init(&r.ours.place, true);
    ours_open(&r.ours, (struct etcd_config){0});
    etcd_proc_start(&r.theirs);
    r.client[0] = r.ours.client;
    r.client[1] = grpc_client_new(r.loop, r.theirs.client_url + strlen("http://"), 64 << 20);
    wait_for_theirs(&r);
    for (r.at = 0; r.at < n; r.at++)
        step(&r);
    watches_settle(&r);
    watches_close(&r);
    if (seed == 1) /* it takes its time */
        check_expiry(&r);
    r.client[1] = grpc_client_free(r.client[1]);
    etcd_proc_stop(&r.theirs);
    ours_close(&r.ours);
    loop_hold(r.loop, false);
    loop_run(r.loop);
    r.loop = loop_free(r.loop);
    place_deinit(&r.ours.place);
}

static void test_answers_are_those_of_etcd(void **state)
{
    const char *only = getenv("ETCD_DIFF_SEED");

    (void)state;
    if (!etcd_installed())
        skip();
    if (only) {
        run_seed(strtoull(only, NULL, 10), REQUESTS);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed, REQUESTS / SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers_are_those_of_etcd)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
