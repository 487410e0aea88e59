/* kv.c - ranges, puts, deletions, compaction. */
#include "etcd/etcd_internal.h"

enum { AUTO_COMPACT_MS = 300000, AUTO_COMPACT_STEPS = 10, PHYSICAL_POLL_MS = 10, ENOUGH = 1 };

bool key_range_of(ProtobufCBinaryData key, ProtobufCBinaryData range_end, struct arena *a,
                  struct key_range *ret_range)
{
    struct str from = pb_str(key), end = pb_str(range_end);

    if (str_empty(end)) { /* one key: all up to the next possible one */
        char *next = arena_memdupz(a, from.p, from.len);

        end = (struct str){next, from.len + 1};
    } else if (end.len == 1 && end.p[0] == '\0') {
        *ret_range = (struct key_range){from, STR_NULL};
        return true;
    }
    *ret_range = (struct key_range){from, end};
    return str_cmp(from, end) < 0;
}

Mvccpb__KeyValue *kv_message(const struct raw_kv *kv, bool keys_only, struct arena *a)
{
    Mvccpb__KeyValue *m = pb_new(a, Mvccpb__KeyValue, mvccpb__key_value__init);

    m->key = pb_of(str_dup(a, kv->key));
    m->create_revision = kv->create_revision;
    m->mod_revision = kv->mod_revision;
    m->version = kv->version;
    m->lease = kv->lease;
    if (!keys_only)
        m->value = pb_of(str_dup(a, kv->value));
    return m;
}

/* ---- range ---- */

enum etcd_refusal range_check(const Etcdserverpb__RangeRequest *rq)
{
    if (!rq->key.len)
        return REFUSE_EMPTY_KEY;
    if ((unsigned)rq->sort_order > ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND ||
        (unsigned)rq->sort_target > ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE)
        return REFUSE_INVALID_SORT;
    return REFUSE_NONE;
}

struct range {
    const Etcdserverpb__RangeRequest *rq;
    struct arena *a;
    int64_t fetch_max; /* 0: all */
    int64_t count;     /* in the range */
    struct str rest;   /* what has not been read begins here */
    VEC(Mvccpb__KeyValue *) kvs;
};

static bool range_keeps(const Etcdserverpb__RangeRequest *rq, const struct raw_kv *kv)
{
    return (!rq->max_mod_revision || kv->mod_revision <= rq->max_mod_revision) &&
           (!rq->min_mod_revision || kv->mod_revision >= rq->min_mod_revision) &&
           (!rq->max_create_revision || kv->create_revision <= rq->max_create_revision) &&
           (!rq->min_create_revision || kv->create_revision >= rq->min_create_revision);
}

static int range_one(void *arg, const struct raw_kv *kv)
{
    struct range *r = arg;
    bool by_value = r->rq->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE;

    r->count++;
    if (range_keeps(r->rq, kv))
        vec_push(&r->kvs, kv_message(kv, r->rq->keys_only && !by_value, r->a));
    if (!r->fetch_max || r->count < r->fetch_max)
        return 0;
    r->rest = (struct str){arena_memdupz(r->a, kv->key.p, kv->key.len), kv->key.len + 1};
    return ENOUGH;
}

/* Reads what is answered, and counts what is not. */
static int range_read(struct raw *raw, const struct key_range *keys, struct range *r,
                      struct err *err)
{
    int64_t revision = MAX(r->rq->revision, 0), more;
    int code = ENOUGH;

    r->rest = keys->from;
    if (!r->rq->count_only)
        code = raw_range(raw, keys->from, keys->end, revision, range_one, r, err);
    if (code != ENOUGH)
        return code;
    code = raw_count(raw, r->rest, keys->end, revision, &more, err);
    if (code == 0)
        r->count += more;
    return code;
}

static int compare_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int kv_compare(const Mvccpb__KeyValue *a, const Mvccpb__KeyValue *b,
                      Etcdserverpb__RangeRequest__SortTarget by)
{
    switch (by) {
    case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION:
        return compare_i64(a->version, b->version);
    case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE:
        return compare_i64(a->create_revision, b->create_revision);
    case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD:
        return compare_i64(a->mod_revision, b->mod_revision);
    case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE:
        return str_cmp(pb_str(a->value), pb_str(b->value));
    default:
        return str_cmp(pb_str(a->key), pb_str(b->key));
    }
}

struct sort_item {
    Mvccpb__KeyValue *kv;
    size_t at;
    const Etcdserverpb__RangeRequest *rq;
};

/* What is equal stays in the order of keys. */
static int sort_compare(const void *va, const void *vb)
{
    const struct sort_item *a = va, *b = vb;
    int r = kv_compare(a->kv, b->kv, a->rq->sort_target);

    if (a->rq->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND)
        r = -r;
    return r ? r : a->at < b->at ? -1 : 1;
}

static void range_sort(struct range *r)
{
    struct sort_item *items;
    bool by_key = r->rq->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY;

    if (by_key && r->rq->sort_order != ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND)
        return; /* as they came */
    items = xcalloc(r->kvs.n + 1, sizeof(*items));
    for (size_t i = 0; i < r->kvs.n; i++)
        items[i] = (struct sort_item){r->kvs.v[i], i, r->rq};
    qsort(items, r->kvs.n, sizeof(*items), sort_compare);
    for (size_t i = 0; i < r->kvs.n; i++) {
        r->kvs.v[i] = items[i].kv;
        if (r->rq->keys_only)
            r->kvs.v[i]->value = (ProtobufCBinaryData){0};
    }
    free(items);
}

int range_run(struct raw *raw, const Etcdserverpb__RangeRequest *rq, int64_t revision,
              struct arena *a, Etcdserverpb__RangeResponse **ret_rs, struct err *err)
{
    Etcdserverpb__RangeResponse *rs =
        pb_new(a, Etcdserverpb__RangeResponse, etcdserverpb__range_response__init);
    struct range r = {.rq = rq, .a = a};
    struct key_range keys;
    bool some = key_range_of(rq->key, rq->range_end, a, &keys);
    size_t limit = rq->limit > 0 ? (size_t)rq->limit : 0;
    int code;

    /* What is sorted or filtered is limited afterwards; one more tells whether there are more. */
    if (limit && !rq->sort_order && !rq->min_mod_revision && !rq->max_mod_revision &&
        !rq->min_create_revision && !rq->max_create_revision)
        r.fetch_max = (int64_t)MIN(limit, (size_t)INT32_MAX) + 1;
    if (!some) /* for the revision's sake */
        keys = (struct key_range){keys.from, keys.from};
    code = range_read(raw, &keys, &r, err);
    if (code == 0) {
        range_sort(&r);
        rs->more = limit && r.kvs.n > limit;
        rs->n_kvs = rs->more ? limit : r.kvs.n;
        rs->kvs = arena_calloc(a, rs->n_kvs + 1, sizeof(rs->kvs[0]));
        if (rs->n_kvs)
            memcpy(rs->kvs, r.kvs.v, rs->n_kvs * sizeof(rs->kvs[0]));
        rs->count = r.count;
        rs->header = pb_new(a, Etcdserverpb__ResponseHeader, etcdserverpb__response_header__init);
        rs->header->revision = revision;
        *ret_rs = rs;
    }
    vec_deinit(&r.kvs);
    return code;
}

static int range_unary_check(struct call *c)
{
    return call_refuse(c, range_check((const Etcdserverpb__RangeRequest *)c->rq));
}

static int range_unary(struct raw *raw, struct call *c, struct err *err)
{
    Etcdserverpb__RangeResponse *rs;
    int r = range_run(raw, (const Etcdserverpb__RangeRequest *)c->rq, raw_revision(raw), &c->arena,
                      &rs, err);

    if (r == 0)
        c->rs = &rs->base;
    return r;
}

static void range_done(struct call *c)
{
    c->e->ranges++;
}

const struct unary unary_range = {.request = &etcdserverpb__range_request__descriptor,
                                  .check = range_unary_check,
                                  .run = range_unary,
                                  .done = range_done};

/* ---- put ---- */

enum etcd_refusal put_check(const Etcdserverpb__PutRequest *rq)
{
    if (!rq->key.len)
        return REFUSE_EMPTY_KEY;
    if (rq->ignore_value && rq->value.len)
        return REFUSE_VALUE_PROVIDED;
    if (rq->ignore_lease && rq->lease)
        return REFUSE_LEASE_PROVIDED;
    return REFUSE_NONE;
}

static int put_check_lease(struct raw *raw, struct call *c, const Etcdserverpb__PutRequest *rq,
                           struct err *err)
{
    int64_t ttl_sec;
    int r;

    if (!rq->lease)
        return 0;
    r = lease_exists(raw, rq->lease, &ttl_sec, err);
    if (r == ERR_NOT_FOUND)
        return call_refuse(c, REFUSE_LEASE_NOT_FOUND);
    if (r == 0)
        r = attached_prune(c->e->attached, raw, rq->lease, store_revision(c->e->config.store), err);
    return r;
}

static int put_check_value(struct raw *raw, struct call *c, const Etcdserverpb__PutRequest *rq,
                           struct err *err)
{
    struct str value = pb_str(rq->value);
    struct raw_kv now = {0};
    int r;

    if (rq->ignore_value || rq->ignore_lease) {
        r = raw_get(raw, pb_str(rq->key), &now, err);
        if (r == ERR_NOT_FOUND)
            return call_refuse(c, REFUSE_KEY_NOT_FOUND);
        if (r < 0)
            return r;
        if (rq->ignore_value)
            value = str_dup(&c->arena, now.value);
    }
    return raw_may_put(raw, pb_str(rq->key), value, err);
}

int put_prepare(struct raw *raw, struct call *c, const Etcdserverpb__PutRequest *rq,
                struct err *err)
{
    bool alone = c->unary == &unary_put; /* etcd looks at the lease first then, else last */
    int r = alone ? put_check_lease(raw, c, rq, err) : 0;

    if (r == 0)
        r = put_check_value(raw, c, rq, err);
    return r < 0 || alone ? r : put_check_lease(raw, c, rq, err);
}

int put_run(struct raw *raw, struct call *c, const Etcdserverpb__PutRequest *rq,
            Etcdserverpb__PutResponse **ret_rs, struct err *err)
{
    struct arena *a = &c->arena;
    Etcdserverpb__PutResponse *rs =
        pb_new(a, Etcdserverpb__PutResponse, etcdserverpb__put_response__init);
    struct str key = pb_str(rq->key), value = pb_str(rq->value);
    int64_t lease = rq->lease;
    struct raw_kv now;
    int r = ERR_NOT_FOUND;

    if (rq->ignore_value || rq->ignore_lease || rq->prev_kv)
        r = raw_get(raw, key, &now, err);
    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    if (r == 0) {
        Mvccpb__KeyValue *was = kv_message(&now, false, a);

        if (rq->prev_kv)
            rs->prev_kv = was;
        if (rq->ignore_value)
            value = pb_str(was->value);
        if (rq->ignore_lease)
            lease = was->lease;
    }
    if (lease) /* before the write: to know too much is harmless */
        attached_add(c->e->attached, lease, key);
    r = raw_put(raw, key, value, lease, err);
    if (r < 0)
        return r;
    rs->header = pb_new(a, Etcdserverpb__ResponseHeader, etcdserverpb__response_header__init);
    rs->header->revision = raw_revision(raw) + 1;
    *ret_rs = rs;
    return 0;
}

int quota_check(struct raw *raw, struct call *c, struct err *err)
{
    bool active;
    int r = alarm_active(c->e, raw, &active, err);

    if (r < 0)
        return r;
    if (active)
        return call_refuse(c, REFUSE_NO_SPACE);
    if (raw_used_bytes(raw) + c->txn.bytes <= c->e->config.quota_bytes)
        return 0;
    c->number = 1; /* the alarm is to be raised, by a transaction that is not refused */
    return call_refuse(c, REFUSE_NO_SPACE);
}

static int put_unary_check(struct call *c)
{
    return call_refuse(c, put_check((const Etcdserverpb__PutRequest *)c->rq));
}

static int put_unary(struct raw *raw, struct call *c, struct err *err)
{
    const Etcdserverpb__PutRequest *rq = (const Etcdserverpb__PutRequest *)c->rq;
    Etcdserverpb__PutResponse *rs;
    int r = quota_check(raw, c, err);

    if (r == 0)
        r = put_prepare(raw, c, rq, err);
    if (r == 0)
        r = put_run(raw, c, rq, &rs, err);
    if (r == 0)
        c->rs = &rs->base;
    return r;
}

static void put_done(struct call *c)
{
    c->e->puts++;
}

const struct unary unary_put = {.request = &etcdserverpb__put_request__descriptor,
                                .check = put_unary_check,
                                .run = put_unary,
                                .done = put_done,
                                .writes = true};

/* ---- delete ---- */

enum etcd_refusal delete_check(const Etcdserverpb__DeleteRangeRequest *rq)
{
    return rq->key.len ? REFUSE_NONE : REFUSE_EMPTY_KEY;
}

struct victims {
    struct arena *a;
    bool prev_kv;
    VEC(Mvccpb__KeyValue *) kvs;
};

static int victim_one(void *arg, const struct raw_kv *kv)
{
    struct victims *v = arg;

    vec_push(&v->kvs, kv_message(kv, !v->prev_kv, v->a));
    return 0;
}

int delete_run(struct raw *raw, const Etcdserverpb__DeleteRangeRequest *rq, struct arena *a,
               Etcdserverpb__DeleteRangeResponse **ret_rs, struct err *err)
{
    Etcdserverpb__DeleteRangeResponse *rs =
        pb_new(a, Etcdserverpb__DeleteRangeResponse, etcdserverpb__delete_range_response__init);
    struct victims v = {.a = a, .prev_kv = rq->prev_kv};
    struct key_range keys;
    int r = 0;

    if (key_range_of(rq->key, rq->range_end, a, &keys))
        r = raw_range(raw, keys.from, keys.end, 0, victim_one, &v, err);
    for (size_t i = 0; i < v.kvs.n && r == 0; i++)
        r = raw_delete(raw, pb_str(v.kvs.v[i]->key), err);
    if (r == 0) {
        rs->deleted = (int64_t)v.kvs.n;
        if (rq->prev_kv && v.kvs.n) {
            rs->n_prev_kvs = v.kvs.n;
            rs->prev_kvs = arena_calloc(a, v.kvs.n, sizeof(rs->prev_kvs[0]));
            memcpy(rs->prev_kvs, v.kvs.v, v.kvs.n * sizeof(rs->prev_kvs[0]));
        }
        rs->header = pb_new(a, Etcdserverpb__ResponseHeader, etcdserverpb__response_header__init);
        rs->header->revision = raw_revision(raw) + (v.kvs.n ? 1 : 0);
        *ret_rs = rs;
    }
    vec_deinit(&v.kvs);
    return r;
}

static int delete_unary_check(struct call *c)
{
    return call_refuse(c, delete_check((const Etcdserverpb__DeleteRangeRequest *)c->rq));
}

static int delete_unary(struct raw *raw, struct call *c, struct err *err)
{
    Etcdserverpb__DeleteRangeResponse *rs;
    int r = delete_run(raw, (const Etcdserverpb__DeleteRangeRequest *)c->rq, &c->arena, &rs, err);

    if (r == 0)
        c->rs = &rs->base;
    return r;
}

static void delete_done(struct call *c)
{
    c->e->deletes++;
}

const struct unary unary_delete = {.request = &etcdserverpb__delete_range_request__descriptor,
                                   .check = delete_unary_check,
                                   .run = delete_unary,
                                   .done = delete_done,
                                   .writes = true};

/* ---- compaction ---- */

static int compact_unary(struct raw *raw, struct call *c, struct err *err)
{
    const Etcdserverpb__CompactionRequest *rq = (const Etcdserverpb__CompactionRequest *)c->rq;
    Etcdserverpb__CompactionResponse *rs = pb_new(&c->arena, Etcdserverpb__CompactionResponse,
                                                  etcdserverpb__compaction_response__init);
    int r = raw_compact(raw, rq->revision, err);

    if (r < 0)
        return r;
    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw));
    c->rs = &rs->base;
    return 0;
}

static bool compact_begun(struct call *c)
{
    struct store_stats s;

    store_stats(c->e->config.store, &s);
    return s.compacted >= ((const Etcdserverpb__CompactionRequest *)c->rq)->revision;
}

static void on_compact_poll(struct timer *t)
{
    struct call *c = container_of(t, struct call, timer);

    if (!compact_begun(c) && c->gc && !c->e->stopping)
        return;
    timer_stop(t);
    call_answer(c);
}

/* With physical, the answer waits until the engine itself holds to it. */
static void compact_done(struct call *c)
{
    const Etcdserverpb__CompactionRequest *rq = (const Etcdserverpb__CompactionRequest *)c->rq;

    if (!rq->physical || compact_begun(c))
        return;
    c->held = true;
    timer_init(&c->timer, c->e->config.loop, on_compact_poll);
    timer_start(&c->timer, PHYSICAL_POLL_MS, PHYSICAL_POLL_MS);
}

const struct unary unary_compact = {.request = &etcdserverpb__compaction_request__descriptor,
                                    .run = compact_unary,
                                    .done = compact_done};

struct auto_compact {
    struct raw_txn txn;
    struct etcd *e;
    int64_t revision;
};

static int auto_compact_run(struct raw *raw, void *arg, struct err *err)
{
    struct auto_compact *ac = arg;

    return ac->revision > raw_compacted(raw) ? raw_compact(raw, ac->revision, err) : 0;
}

static void auto_compact_done(struct raw_txn *txn) /* a failure is tried again with the next */
{
    struct auto_compact *ac = txn->arg;

    etcd_idle(ac->e);
    free(ac);
}

static void auto_compact_to(struct etcd *e, int64_t revision)
{
    struct auto_compact *ac = xnew(struct auto_compact);

    *ac = (struct auto_compact){.e = e, .revision = revision};
    ac->txn = (struct raw_txn){
        .run = auto_compact_run, .loop = e->config.loop, .on_done = auto_compact_done, .arg = ac};
    etcd_busy(e);
    raw_commit(e->config.store, &ac->txn);
}

static void on_auto_compact(struct timer *t)
{
    struct etcd *e = container_of(t, struct etcd, compact_timer);
    struct etcd_sample now = {loop_now_ms(e->config.loop), store_revision(e->config.store)};
    int64_t to = 0;
    size_t n = 0;

    if (e->config.compact_keep_revisions) {
        to = now.revision - e->config.compact_keep_revisions;
    } else {
        while (n < e->samples.n && e->samples.v[n].at_ms + e->config.compact_keep_ms <= now.at_ms)
            to = e->samples.v[n++].revision;
        for (size_t i = n; i < e->samples.n; i++)
            e->samples.v[i - n] = e->samples.v[i];
        e->samples.n -= n;
        vec_push(&e->samples, now);
    }
    if (to > 0)
        auto_compact_to(e, to);
}

void etcd_compaction_start(struct etcd *e)
{
    uint64_t every = AUTO_COMPACT_MS;

    if (!e->config.compact_keep_ms && !e->config.compact_keep_revisions)
        return;
    if (!e->config.compact_keep_revisions)
        every = MAX(MIN(every, e->config.compact_keep_ms / AUTO_COMPACT_STEPS), (uint64_t)1);
    timer_init(&e->compact_timer, e->config.loop, on_auto_compact);
    timer_start(&e->compact_timer, every, every);
}
