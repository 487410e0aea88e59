/* txn.c - transactions: comparisons, then one of two lists of operations; nested.
 *
 * Nesting is bounded before a message is decoded, so that the walks here may follow it: every level
 * counts against the operations allowed, as with etcd.
 */
#include "etcd/etcd_internal.h"

typedef Etcdserverpb__TxnRequest txn_request;
typedef Etcdserverpb__RequestOp request_op;

/* ---- depth ---- */

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static bool read_varint(struct str s, size_t *at, uint64_t *ret_v)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && *at < s.len; shift += 7) {
        unsigned char c = (unsigned char)s.p[(*at)++];

        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret_v = v;
            return true;
        }
    }
    return false;
}

/* True if field @field of a message at level @level holds the next level: a TxnRequest has its
 * operations in fields 2 and 3, an operation a transaction in field 4. */
static bool leads_down(size_t level, uint64_t field)
{
    return level % 2 == 0 ? field == 2 || field == 3 : field == 4;
}

bool txn_depth_ok(struct str m, size_t max)
{
    size_t ends[2 * ETCD_TXN_DEPTH_MAX + 2], level = 0, at = 0;

    max = MIN(max, (size_t)ETCD_TXN_DEPTH_MAX);
    ends[0] = m.len;
    while (at < m.len) {
        uint64_t tag, n = 0;

        while (level > 0 && at >= ends[level])
            level--;
        if (!read_varint(m, &at, &tag))
            return true; /* damaged: the decoder says so, no deeper than here */
        switch (tag & 7) {
        case WIRE_VARINT:
            if (!read_varint(m, &at, &n))
                return true;
            continue;
        case WIRE_FIXED64:
            at += 8;
            continue;
        case WIRE_FIXED32:
            at += 4;
            continue;
        case WIRE_BYTES:
            break;
        default:
            return true;
        }
        if (!read_varint(m, &at, &n) || n > ends[level] - MIN(at, ends[level]))
            return true;
        if (!leads_down(level, tag >> 3)) {
            at += (size_t)n;
            continue;
        }
        if (level + 1 >= 2 * max + 1)
            return false;
        ends[++level] = at + (size_t)n;
    }
    return true;
}

/* ---- checks of the request ---- */

static enum etcd_refusal check_txn(const txn_request *rq, size_t ops_max);

static enum etcd_refusal check_op(const request_op *op, size_t ops_max)
{
    switch (op->request_case) {
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
        return range_check(op->request_range);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
        return put_check(op->request_put);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        return delete_check(op->request_delete_range);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
        return check_txn(op->request_txn, ops_max);
    default:
        return REFUSE_KEY_NOT_FOUND; /* an empty operation */
    }
}

static enum etcd_refusal check_txn(const txn_request *rq, size_t ops_max)
{
    size_t n = MAX(rq->n_compare, MAX(rq->n_success, rq->n_failure));
    enum etcd_refusal why = REFUSE_NONE;

    if (n > ops_max)
        return REFUSE_TOO_MANY_OPS;
    for (size_t i = 0; i < rq->n_compare; i++)
        if (!rq->compare[i]->key.len)
            return REFUSE_EMPTY_KEY;
    for (size_t i = 0; i < rq->n_success && !why; i++)
        why = check_op(rq->success[i], ops_max - n);
    for (size_t i = 0; i < rq->n_failure && !why; i++)
        why = check_op(rq->failure[i], ops_max - n);
    return why;
}

/* ---- no key is written twice ---- */

/* A put of from, or a deletion of [from, end), and which operation of the list does it. The two
 * lists of a nested transaction are one operation: only one of them is done. */
struct write {
    struct str from, end;
    size_t by;
};
#define BY_PUT      0 /* any put of the list itself: not by the same as any other */
#define BY_DELETION SIZE_MAX
struct writes { /* of a list of operations; what they point to is borrowed or in the arena */
    VEC(struct write) puts, dels;
};

static void writes_deinit(struct writes *w)
{
    vec_deinit(&w->puts);
    vec_deinit(&w->dels);
}

static int write_compare(const void *va, const void *vb)
{
    const struct write *a = va, *b = vb;
    int r = str_cmp(a->from, b->from);

    return r ? r : a->by < b->by ? -1 : a->by > b->by;
}

/* Leaves each key once; false if one is put by two operations. */
static bool puts_distinct(struct writes *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->puts.n; i++) {
        struct write *last = n ? &w->puts.v[n - 1] : NULL, *put = &w->puts.v[i];

        if (!last || !str_eq(last->from, put->from))
            w->puts.v[n++] = *put;
        else if (last->by != put->by || put->by == BY_PUT)
            return false;
    }
    w->puts.n = n;
    return true;
}

static bool ends_later(const struct write *a, const struct write *b)
{
    return !str_empty(b->end) && (str_empty(a->end) || str_cmp(a->end, b->end) > 0);
}

/* Keeps in @reach the deletion that goes farthest, and the farthest one by another operation. */
static void reach_add(const struct write *reach[2], const struct write *del)
{
    if (!reach[0] || reach[0]->by == del->by) {
        if (!reach[0] || ends_later(del, reach[0]))
            reach[0] = del;
    } else if (ends_later(del, reach[0])) {
        reach[1] = reach[0];
        reach[0] = del;
    } else if (!reach[1] || ends_later(del, reach[1])) {
        reach[1] = del;
    }
}

/* False if a key is put by one operation and deleted by another. Both lists are sorted. */
static bool puts_kept(const struct writes *w)
{
    const struct write *reach[2] = {0};
    size_t n = 0;

    for (size_t i = 0; i < w->puts.n; i++) {
        const struct write *put = &w->puts.v[i];

        while (n < w->dels.n && str_cmp(w->dels.v[n].from, put->from) <= 0)
            reach_add(reach, &w->dels.v[n++]);
        for (size_t k = 0; k < ARRAY_LEN(reach); k++)
            if (reach[k] && reach[k]->by != put->by &&
                (str_empty(reach[k]->end) || str_cmp(put->from, reach[k]->end) < 0))
                return false;
    }
    return true;
}

static bool collect(request_op *const *ops, size_t n, struct arena *a, struct writes *w);

static bool collect_nested(request_op *const *ops, size_t n, struct arena *a, size_t by,
                           struct writes *w)
{
    struct writes own = {0};
    bool ok = collect(ops, n, a, &own);

    for (size_t i = 0; ok && i < own.puts.n; i++)
        vec_push(&w->puts, ((struct write){own.puts.v[i].from, STR_NULL, by}));
    for (size_t i = 0; ok && i < own.dels.n; i++)
        vec_push(&w->dels, ((struct write){own.dels.v[i].from, own.dels.v[i].end, by}));
    writes_deinit(&own);
    return ok;
}

/* Gathers what @ops[n] may write, sorted; false if a key could be written twice. */
static bool collect(request_op *const *ops, size_t n, struct arena *a, struct writes *w)
{
    bool ok = true;

    for (size_t i = 0; i < n && ok; i++) {
        const request_op *op = ops[i];
        struct key_range range;

        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            vec_push(&w->puts, ((struct write){pb_str(op->request_put->key), STR_NULL, BY_PUT}));
        else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            ok =
                collect_nested(op->request_txn->success, op->request_txn->n_success, a, i + 1, w) &&
                collect_nested(op->request_txn->failure, op->request_txn->n_failure, a, i + 1, w);
        else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE &&
                 key_range_of(op->request_delete_range->key, op->request_delete_range->range_end, a,
                              &range))
            vec_push(&w->dels, ((struct write){range.from, range.end, BY_DELETION}));
    }
    if (w->puts.n)
        qsort(w->puts.v, w->puts.n, sizeof(w->puts.v[0]), write_compare);
    if (w->dels.n)
        qsort(w->dels.v, w->dels.n, sizeof(w->dels.v[0]), write_compare);
    return ok && puts_distinct(w) && puts_kept(w);
}

static enum etcd_refusal check_distinct(const txn_request *rq, struct arena *a)
{
    struct writes yes = {0}, no = {0};
    bool ok =
        collect(rq->success, rq->n_success, a, &yes) && collect(rq->failure, rq->n_failure, a, &no);

    writes_deinit(&yes);
    writes_deinit(&no);
    return ok ? REFUSE_NONE : REFUSE_DUPLICATE_KEY;
}

static int txn_check(struct call *c)
{
    const txn_request *rq = (const txn_request *)c->rq;
    enum etcd_refusal why = check_txn(rq, c->e->config.txn_ops_max);

    return call_refuse(c, why ? why : check_distinct(rq, &c->arena));
}

/* ---- comparisons ---- */

static int cmp_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static bool compare_kv(const Etcdserverpb__Compare *c, const struct raw_kv *kv)
{
    int r = 0;

    switch (c->target) {
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE:
        r = str_cmp(kv->value, c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE
                                   ? pb_str(c->value)
                                   : STR(""));
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
        r = cmp_i64(kv->create_revision,
                    c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION
                        ? c->create_revision
                        : 0);
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
        r = cmp_i64(kv->mod_revision,
                    c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION
                        ? c->mod_revision
                        : 0);
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
        r = cmp_i64(kv->version, c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION
                                     ? c->version
                                     : 0);
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE:
        r = cmp_i64(kv->lease, c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE
                                   ? c->lease
                                   : 0);
        break;
    default:
        break;
    }
    switch (c->result) {
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL:
        return r == 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL:
        return r != 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER:
        return r > 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS:
        return r < 0;
    default:
        return true;
    }
}

struct comparing {
    const Etcdserverpb__Compare *compare;
    bool any;
};
enum { COMPARE_FAILED = 1 };

static int compare_one(void *arg, const struct raw_kv *kv)
{
    struct comparing *c = arg;

    c->any = true;
    return compare_kv(c->compare, kv) ? 0 : COMPARE_FAILED;
}

/* 1: holds, 0: does not, or an error. */
static int compare_holds(struct raw *raw, const Etcdserverpb__Compare *cmp, struct arena *a,
                         struct err *err)
{
    struct comparing c = {.compare = cmp};
    struct key_range keys;
    int r = 0;

    if (key_range_of(cmp->key, cmp->range_end, a, &keys))
        r = raw_range(raw, keys.from, keys.end, 0, compare_one, &c, err);
    if (r < 0)
        return r;
    if (r == COMPARE_FAILED)
        return 0;
    if (c.any)
        return 1;
    /* A key that is not there has zeros, but no value that could be compared. */
    return cmp->target != ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE &&
           compare_kv(cmp, &(struct raw_kv){0});
}

/* ---- the path: which list each transaction takes, in the order they are met ---- */

struct txn_path {
    VEC(bool) taken;
    size_t at;
};

static int path_find(struct raw *raw, const txn_request *rq, struct arena *a, struct txn_path *p,
                     struct err *err)
{
    request_op *const *ops;
    size_t n;
    int r = 1;

    for (size_t i = 0; i < rq->n_compare && r == 1; i++)
        r = compare_holds(raw, rq->compare[i], a, err);
    if (r < 0)
        return r;
    vec_push(&p->taken, r == 1);
    ops = r ? rq->success : rq->failure;
    n = r ? rq->n_success : rq->n_failure;
    r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            r = path_find(raw, ops[i]->request_txn, a, p, err);
    return r;
}

/* ---- everything that could be refused, before anything is written ---- */

static int range_prepare(struct raw *raw, struct call *c, const Etcdserverpb__RangeRequest *rq)
{
    if (rq->revision > raw_revision(raw))
        return call_refuse(c, REFUSE_FUTURE_REV);
    if (rq->revision > 0 && rq->revision < raw_compacted(raw))
        return call_refuse(c, REFUSE_COMPACTED);
    return 0;
}

/* As etcd: all puts are looked at before all ranges. */
static int txn_prepare(struct raw *raw, struct call *c, const txn_request *rq, struct txn_path *p,
                       bool puts, struct err *err)
{
    bool yes = p->taken.v[p->at++];
    request_op *const *ops = yes ? rq->success : rq->failure;
    size_t n = yes ? rq->n_success : rq->n_failure;
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        if (!puts && ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE)
            r = range_prepare(raw, c, ops[i]->request_range);
        else if (puts && ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            r = put_prepare(raw, c, ops[i]->request_put, err);
        else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            r = txn_prepare(raw, c, ops[i]->request_txn, p, puts, err);
    }
    return r;
}

/* ---- doing it ---- */

struct doing {
    struct raw *raw;
    struct call *c;
    struct txn_path *path;
    bool wrote;
};

static int txn_apply(struct doing *d, const txn_request *rq, Etcdserverpb__TxnResponse **ret_rs,
                     struct err *err);

static int op_apply(struct doing *d, const request_op *op, Etcdserverpb__ResponseOp *rs,
                    struct err *err)
{
    struct arena *a = &d->c->arena;
    int64_t revision = raw_revision(d->raw) + (d->wrote ? 1 : 0);
    int r;

    switch (op->request_case) {
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
        rs->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
        return range_run(d->raw, op->request_range, revision, a, &rs->response_range, err);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
        rs->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        d->wrote = true;
        return put_run(d->raw, d->c, op->request_put, &rs->response_put, err);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        rs->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
        r = delete_run(d->raw, op->request_delete_range, a, &rs->response_delete_range, err);
        if (r < 0)
            return r;
        d->wrote |= rs->response_delete_range->deleted > 0;
        rs->response_delete_range->header->revision = raw_revision(d->raw) + (d->wrote ? 1 : 0);
        return 0;
    default:
        rs->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN;
        return txn_apply(d, op->request_txn, &rs->response_txn, err);
    }
}

static int txn_apply(struct doing *d, const txn_request *rq, Etcdserverpb__TxnResponse **ret_rs,
                     struct err *err)
{
    struct arena *a = &d->c->arena;
    Etcdserverpb__TxnResponse *rs =
        pb_new(a, Etcdserverpb__TxnResponse, etcdserverpb__txn_response__init);
    bool yes = d->path->taken.v[d->path->at++];
    request_op *const *ops = yes ? rq->success : rq->failure;
    int r = 0;

    rs->succeeded = yes;
    rs->n_responses = yes ? rq->n_success : rq->n_failure;
    rs->responses = arena_calloc(a, rs->n_responses + 1, sizeof(rs->responses[0]));
    rs->header = pb_new(a, Etcdserverpb__ResponseHeader, etcdserverpb__response_header__init);
    for (size_t i = 0; i < rs->n_responses && r == 0; i++) {
        rs->responses[i] = pb_new(a, Etcdserverpb__ResponseOp, etcdserverpb__response_op__init);
        r = op_apply(d, ops[i], rs->responses[i], err);
    }
    *ret_rs = rs;
    return r;
}

static bool puts_in(const txn_request *rq, struct txn_path *p)
{
    bool yes = p->taken.v[p->at++];
    request_op *const *ops = yes ? rq->success : rq->failure;
    size_t n = yes ? rq->n_success : rq->n_failure;

    for (size_t i = 0; i < n; i++) {
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            return true;
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN &&
            puts_in(ops[i]->request_txn, p))
            return true;
    }
    return false;
}

static int txn_unary(struct raw *raw, struct call *c, struct err *err)
{
    const txn_request *rq = (const txn_request *)c->rq;
    struct txn_path path = {0};
    struct doing d = {.raw = raw, .c = c, .path = &path};
    Etcdserverpb__TxnResponse *rs;
    int r = path_find(raw, rq, &c->arena, &path, err);

    if (r == 0 && puts_in(rq, &path))
        r = quota_check(raw, c, err);
    for (int puts = 1; puts >= 0 && r == 0; puts--) {
        path.at = 0;
        r = txn_prepare(raw, c, rq, &path, puts, err);
    }
    path.at = 0;
    if (r == 0)
        r = txn_apply(&d, rq, &rs, err);
    if (r == 0) {
        rs->header->revision = raw_revision(raw) + (d.wrote ? 1 : 0);
        c->rs = &rs->base;
    }
    vec_deinit(&path.taken);
    return r;
}

static void txn_done(struct call *c)
{
    c->e->txns++;
}

const struct unary unary_txn = {.request = &etcdserverpb__txn_request__descriptor,
                                .check = txn_check,
                                .run = txn_unary,
                                .done = txn_done,
                                .writes = true};
