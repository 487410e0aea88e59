/* remote_commit.c - transactions over etcd. One is answered when the watch has come to its
 * revision: then whoever asks next finds what was written. Its object goes into the index as it is,
 * if etcd's answer is there before the event. */
#include "store/remote.h"

struct commit {
    struct commit *prev, *next;
    struct remote *r;
    struct store_txn *txn;
    size_t at, n;           /* the piece under way: ops [at, at + n) */
    int64_t lease;
    bool released;          /* its first lease was gone */
    int64_t revision;       /* 0: etcd has not answered yet */
    uint64_t answered_ms;
    struct commit_put *puts; /* by op */
    int64_t *revisions;      /* by op */
};

static void commit_link(struct commit *c)
{
    struct remote *r = c->r;

    c->next = r->commits;
    if (r->commits)
        r->commits->prev = c;
    r->commits = c;
}

/* Answers, and frees @c. */
static void finish(struct commit *c)
{
    struct remote *r = c->r;
    struct store_txn *txn = c->txn;

    if (c->prev)
        c->prev->next = c->next;
    else
        r->commits = c->next;
    if (c->next)
        c->next->prev = c->prev;
    for (size_t i = 0; i < txn->n && txn->code == 0; i++) {
        struct object *o = txn->ops[i].kind == STORE_PUT ? txn->ops[i].object : NULL;

        if (o && o->revision == 0) /* the event has made another, or did not come in time */
            object_publish(o, c->revisions[i], c->puts[i].create_revision, c->puts[i].version);
    }
    if (txn->code < 0)
        txn->removed = object_unref(txn->removed);
    else
        txn->revision = c->revision;
    if (txn->code == 0)
        atomic_fetch_add_explicit(&r->st->n_txns, 1, memory_order_relaxed);
    atomic_fetch_sub(&r->n_txns, 1);
    txn_answer(txn);
    free(c->puts);
    free(c->revisions);
    free(c);
}

static void fail(struct commit *c, const struct err *err)
{
    c->txn->code = err->code;
    c->txn->err = *err;
    finish(c);
}

/* The outcome is known; it is told when the watch has come so far. */
static void wait(struct commit *c, int64_t revision)
{
    c->revision = revision;
    c->answered_ms = remote_now_ms(c->r);
    if (revision <= remote_position(c->r))
        finish(c);
}

static uint32_t ttl_of(const struct store_txn *txn)
{
    uint32_t ttl = 0;

    for (size_t i = 0; i < txn->n; i++)
        ttl = MAX(ttl, txn->ops[i].ttl_sec);
    return ttl;
}

/* True if @c can be sent; else its lease is waited for. */
static bool leased(struct commit *c)
{
    uint32_t ttl = ttl_of(c->txn);

    if (ttl > 0 && !c->lease)
        c->lease = remote_lease_get(c->r, ttl);
    return ttl == 0 || c->lease;
}

static void send_piece(struct commit *c);

static void on_answer(void *arg, const void *message, enum grpc_status status, struct str text)
{
    const Etcdserverpb__TxnResponse *answer = message;
    struct commit *c = arg;
    struct store_txn *txn = c->txn;
    struct err err = {0};

    if (!answer && status == GRPC_NOT_FOUND && c->lease && !c->released) {
        remote_lease_gone(c->r, c->lease); /* nothing was done: again, with another */
        c->lease = 0;
        c->released = true;
        c->n = 0;
        if (leased(c))
            send_piece(c);
        return;
    }
    if (!answer) {
        (void)remote_error(&err, status, text);
        fail(c, &err);
        return;
    }
    txn->code = remote_txn_read(c->r, txn->ops + c->at, c->n, answer, c->puts + c->at,
                                &txn->removed, &txn->failed_op, &txn->current, &txn->err);
    if (txn->code < 0) {
        txn->failed_op += c->at;
        wait(c, answer->header->revision);
        return;
    }
    for (size_t i = 0; i < c->n; i++)
        c->revisions[c->at + i] = answer->header->revision;
    c->at += c->n;
    if (c->at < txn->n)
        send_piece(c);
    else
        wait(c, answer->header->revision);
}

static void send_piece(struct commit *c)
{
    auto_arena a = {0};
    Etcdserverpb__TxnRequest *rq;

    c->n = MIN(c->txn->n - c->at, REMOTE_OPS_MAX);
    rq = remote_txn_make(c->r, c->txn->ops + c->at, c->n, c->lease, &a);
    remote_call(c->r, "/etcdserverpb.KV/Txn", &rq->base, &etcdserverpb__txn_response__descriptor,
                on_answer, c);
}

/* ---- before etcd is asked ---- */

static int check(struct remote *r, struct store_txn *txn)
{
    for (size_t i = 0; i < txn->n; i++) {
        const struct store_op *op = &txn->ops[i];
        struct str key = op->kind == STORE_PUT ? op->object->key : op->key;
        int code;

        txn->failed_op = i;
        if (op->kind > STORE_CHECK)
            return err_new(&txn->err, ERR_INTERNAL, "no such operation over an etcd");
        if (!store_find_cache(r->st, op->res))
            return err_new(&txn->err, ERR_INTERNAL, "the store does not keep %s",
                           op->res->plural);
        if (key.len == 0 || key.len > ENGINE_KEY_MAX)
            return err_new(&txn->err, ERR_TOO_LARGE, "a key has 1 to %d bytes, not %zu",
                           ENGINE_KEY_MAX, key.len);
        code = txn_check_distinct(txn, i, &txn->err);
        if (code < 0)
            return code;
    }
    txn->failed_op = 0;
    if (ttl_of(txn) > 0 && !remote_lease_known(r, ttl_of(txn)))
        return err_new(&txn->err, ERR_INTERNAL, "more than %d different times to live",
                       REMOTE_LEASES);
    return 0;
}

void remote_commit_leased(struct remote *r, uint32_t ttl_sec, const struct err *err)
{
    for (struct commit *c = r->commits, *next; c; c = next) {
        next = c->next;
        if (c->n > 0 || c->revision || ttl_of(c->txn) != ttl_sec)
            continue; /* sent, or a load, or it wants another */
        if (err)
            fail(c, err);
        else if (leased(c))
            send_piece(c);
    }
}

/* ---- resources that come and go ---- */

static void on_adopted(void *arg, int64_t revision, const struct err *err)
{
    struct commit *c = arg;

    if (err)
        fail(c, err);
    else
        wait(c, revision);
}

static void of_resource(struct commit *c)
{
    const struct store_op *op = &c->txn->ops[0];
    struct cache *have = store_find_cache(c->r->st, op->res);
    struct remote *r = c->r;

    c->n = 1;
    if (op->kind == STORE_DROP && have) {
        remote_unkeep(r, have);
        store_drop(r->st, op->res);
    }
    if (op->kind == STORE_DROP || have) {
        wait(c, remote_position(r));
        return;
    }
    remote_adopt(r, op->res, on_adopted, c);
}

/* ---- from any thread ---- */

static void begin(void *arg)
{
    struct commit *c = arg;
    struct remote *r = c->r;
    struct store_txn *txn = c->txn;

    commit_link(c);
    txn_reset(txn);
    if (r->ended)
        txn->code = err_new(&txn->err, ERR_UNAVAILABLE, "the store is closing");
    else if (atomic_load(&r->restored))
        txn->code = remote_check_history(r, 0, 0, &txn->err);
    else if (!txn_is_of_resource(txn))
        txn->code = check(r, txn);
    if (txn->code < 0) {
        finish(c);
        return;
    }
    if (txn_is_of_resource(txn)) {
        of_resource(c);
        return;
    }
    c->puts = xcalloc(MAX(txn->n, 1), sizeof(*c->puts));
    c->revisions = xcalloc(MAX(txn->n, 1), sizeof(*c->revisions));
    if (leased(c))
        send_piece(c);
}

void remote_commit(struct remote *r, struct store_txn *txn)
{
    struct commit *c;

    if (atomic_fetch_add(&r->n_txns, 1) >= r->st->opts.txns_max) {
        atomic_fetch_sub(&r->n_txns, 1);
        txn_refuse(txn, ERR_TOO_MANY, "too many writes are waiting for the store");
        return;
    }
    c = xnew(struct commit);
    c->r = r;
    c->txn = txn;
    loop_post(r->loop, begin, c);
}

/* ---- from the watch ---- */

struct object *remote_commit_take(struct remote *r, struct str key, int64_t revision)
{
    for (struct commit *c = r->commits; c; c = c->next) {
        if (!c->revision || c->txn->code < 0 || !c->revisions)
            continue;
        for (size_t i = 0; i < c->txn->n; i++) {
            struct store_op *op = &c->txn->ops[i];

            if (op->kind == STORE_PUT && c->revisions[i] == revision && op->object &&
                op->object->revision == 0 && str_eq(op->object->key, key))
                return steal(op->object);
        }
    }
    return NULL;
}

void remote_commit_wake(struct remote *r)
{
    uint64_t now = remote_now_ms(r);

    for (struct commit *c = r->commits, *next; c; c = next) {
        next = c->next;
        if (!c->revision)
            continue;
        /* It is certain all the same, and waiting on would not make it better. */
        if (c->revision <= remote_position(r) || now - c->answered_ms >= REMOTE_WAIT_MS)
            finish(c);
        else if (now - c->answered_ms >= REMOTE_STUCK_MS)
            r->watch_late = true;
    }
}

void remote_commit_end(struct remote *r)
{
    struct err err = {0};

    (void)err_new(&err, ERR_UNAVAILABLE, "the store is closing");
    while (r->commits) {
        if (r->commits->revision)
            finish(r->commits); /* its outcome is known */
        else
            fail(r->commits, &err);
    }
}
