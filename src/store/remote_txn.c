/* remote_txn.c - our transactions as etcd's: a comparison for each expectation; for each write two
 * operations, since a put does not tell what has become of its key; and, for when a comparison
 * fails, a look at every key. */
#include "store/remote.h"

static struct str op_key(const struct store_op *op)
{
    return op->kind == STORE_PUT ? op->object->key : op->key;
}

static Etcdserverpb__Compare *make_compare(const struct store_op *op, struct str key,
                                           struct arena *a)
{
    Etcdserverpb__Compare *c = arena_new(a, Etcdserverpb__Compare);
    bool any = op->expect_revision == STORE_ANY;

    if (any && op->kind != STORE_DELETE)
        return NULL;
    etcdserverpb__compare__init(c);
    c->key = pb_bytes(key);
    c->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
    c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
    c->result = any ? ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER /* whatever is deleted: is */
                    : ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
    c->mod_revision = any ? 0 : op->expect_revision; /* absent keys are at 0 */
    return c;
}

static Etcdserverpb__RequestOp *op_new(struct arena *a, Etcdserverpb__RequestOp__RequestCase kind)
{
    Etcdserverpb__RequestOp *op = arena_new(a, Etcdserverpb__RequestOp);

    etcdserverpb__request_op__init(op);
    op->request_case = kind;
    return op;
}

static Etcdserverpb__RequestOp *make_range(struct str key, bool keys_only, struct arena *a)
{
    Etcdserverpb__RequestOp *op = op_new(a, ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE);

    op->request_range = arena_new(a, Etcdserverpb__RangeRequest);
    etcdserverpb__range_request__init(op->request_range);
    op->request_range->key = pb_bytes(key);
    op->request_range->keys_only = keys_only;
    return op;
}

static Etcdserverpb__RequestOp *make_put(const struct store_op *op, struct str key, int64_t lease,
                                         struct arena *a)
{
    Etcdserverpb__RequestOp *rq = op_new(a, ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT);
    auto_buf value = {0};

    remote_value(op->object, &value);
    rq->request_put = arena_new(a, Etcdserverpb__PutRequest);
    etcdserverpb__put_request__init(rq->request_put);
    rq->request_put->key = pb_bytes(key);
    rq->request_put->value = pb_bytes(str_dup(a, buf_view(&value)));
    rq->request_put->lease = op->ttl_sec ? lease : 0;
    return rq;
}

static Etcdserverpb__RequestOp *make_delete(struct str key, struct arena *a)
{
    Etcdserverpb__RequestOp *rq =
        op_new(a, ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE);

    rq->request_delete_range = arena_new(a, Etcdserverpb__DeleteRangeRequest);
    etcdserverpb__delete_range_request__init(rq->request_delete_range);
    rq->request_delete_range->key = pb_bytes(key);
    rq->request_delete_range->prev_kv = true;
    return rq;
}

Etcdserverpb__TxnRequest *remote_txn_make(const struct remote *r, const struct store_op *ops,
                                          size_t n, int64_t lease, struct arena *a)
{
    Etcdserverpb__TxnRequest *t = arena_new(a, Etcdserverpb__TxnRequest);

    etcdserverpb__txn_request__init(t);
    t->compare = arena_calloc(a, n, sizeof(*t->compare));
    t->success = arena_calloc(a, 2 * n, sizeof(*t->success));
    t->failure = arena_calloc(a, n, sizeof(*t->failure));
    for (size_t i = 0; i < n; i++) {
        struct str key = remote_key(r, op_key(&ops[i]), a);
        Etcdserverpb__Compare *c = make_compare(&ops[i], key, a);

        if (c)
            t->compare[t->n_compare++] = c;
        t->failure[t->n_failure++] = make_range(key, false, a);
        if (ops[i].kind == STORE_PUT) {
            t->success[t->n_success++] = make_put(&ops[i], key, lease, a);
            t->success[t->n_success++] = make_range(key, true, a);
        } else if (ops[i].kind == STORE_DELETE) {
            t->success[t->n_success++] = make_delete(key, a);
        }
    }
    return t;
}

/* ---- the answer ---- */

static int odd(struct err *err)
{
    return err_new(err, ERR_IO, "etcd: the answer does not fit the transaction");
}

/* The key that @op looked at; *@ret_kv NULL if absent. False: @op is no look. */
static bool looked(const Etcdserverpb__ResponseOp *op, const Mvccpb__KeyValue **ret_kv)
{
    if (op->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE)
        return false;
    *ret_kv = op->response_range->n_kvs > 0 ? op->response_range->kvs[0] : NULL;
    return true;
}

static int check(const struct store_op *op, const Mvccpb__KeyValue *now, struct err *err)
{
    struct str key = op_key(op);

    if (op->expect_revision == STORE_ABSENT && now)
        return err_new(err, ERR_EXISTS, "%.*s exists already", STR_ARG(key));
    if (!now && (op->expect_revision > 0 || op->kind == STORE_DELETE))
        return err_new(err, ERR_NOT_FOUND, "%.*s does not exist", STR_ARG(key));
    if (op->expect_revision > 0 && now->mod_revision != op->expect_revision)
        return err_new(err, ERR_CONFLICT, "%.*s is at revision %lld, not %lld", STR_ARG(key),
                       (long long)now->mod_revision, (long long)op->expect_revision);
    return 0;
}

static int read_failure(const struct remote *r, const struct store_op *ops, size_t n,
                        const Etcdserverpb__TxnResponse *answer, size_t *ret_failed,
                        struct object **ret_current, struct err *err)
{
    const Mvccpb__KeyValue *kv;

    if (answer->n_responses != n)
        return odd(err);
    for (size_t i = 0; i < n; i++) {
        struct err bad = {0};
        int code;

        if (!looked(answer->responses[i], &kv))
            return odd(err);
        code = check(&ops[i], kv, err);
        if (code == 0)
            continue;
        *ret_failed = i;
        if (kv && remote_object(r, remote_storage(ops[i].res), kv, ret_current, &bad) < 0)
            *ret_current = NULL; /* there, but not to be read */
        return code;
    }
    return odd(err);
}

static int read_delete(const struct remote *r, const struct store_op *op,
                       const Etcdserverpb__ResponseOp *response, int64_t revision,
                       struct object **ret_removed, struct err *err)
{
    const Etcdserverpb__DeleteRangeResponse *d = response->response_delete_range;
    struct object *victim;
    struct err bad = {0};

    if (response->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE ||
        d->n_prev_kvs != 1)
        return odd(err);
    (void)object_unref(*ret_removed);
    *ret_removed = NULL;
    if (remote_object(r, remote_storage(op->res), d->prev_kvs[0], &victim, &bad) < 0)
        return 0; /* it is gone for good */
    *ret_removed = object_with_revision(victim, revision);
    (void)object_unref(victim);
    return 0;
}

int remote_txn_read(const struct remote *r, const struct store_op *ops, size_t n,
                    const Etcdserverpb__TxnResponse *answer, struct commit_put *ret_puts,
                    struct object **ret_removed, size_t *ret_failed, struct object **ret_current,
                    struct err *err)
{
    size_t at = 0, want = 0;
    const Mvccpb__KeyValue *kv;
    int code = 0;

    if (!answer->succeeded)
        return read_failure(r, ops, n, answer, ret_failed, ret_current, err);
    for (size_t i = 0; i < n; i++)
        want += ops[i].kind == STORE_PUT ? 2 : ops[i].kind == STORE_DELETE ? 1 : 0;
    if (answer->n_responses != want)
        return odd(err);
    for (size_t i = 0; i < n && code == 0; i++) {
        if (ops[i].kind == STORE_PUT) {
            if (!looked(answer->responses[at + 1], &kv) || !kv)
                return odd(err);
            ret_puts[i] = (struct commit_put){kv->create_revision, kv->version};
            at += 2;
        } else if (ops[i].kind == STORE_DELETE) {
            code = read_delete(r, &ops[i], answer->responses[at++], answer->header->revision,
                               ret_removed, err);
        }
    }
    return code;
}
