/* lease.c - leases: a note in the store for each, its deadline in memory.
 *
 * That there is a lease is decided in the store's order, by its note. Deadlines are the loop's:
 * after a restart each lease has its whole time again, as with etcd.
 */
#include "base/random.h"
#include "etcd/etcd_internal.h"

enum { TICK_MS = 500, RETRY_MS = 1000, ID_DIGITS = 16, NAME_MAX_BYTES = 40 };

static struct str note_name(int64_t id, char buf[NAME_MAX_BYTES])
{
    int n = snprintf(buf, NAME_MAX_BYTES, NOTE_LEASE "%016llx", (unsigned long long)id);

    return (struct str){buf, (size_t)n};
}

bool lease_note_read(struct str name, struct str value, int64_t *ret_id, int64_t *ret_ttl_sec)
{
    struct str hex = str_sub(name, sizeof(NOTE_LEASE) - 1, name.len);
    uint64_t id = 0;

    if (hex.len != ID_DIGITS || !str_to_i64(value, ret_ttl_sec))
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, hex.p[i]);

        if (!d || !*d)
            return false;
        id = id << 4 | (uint64_t)(d - digits);
    }
    *ret_id = (int64_t)id;
    return true;
}

struct finding {
    struct str name;
    int64_t ttl_sec;
    bool found;
};

static int find_one(void *arg, struct str name, struct str value)
{
    struct finding *f = arg;
    int64_t id;

    f->found = str_eq(name, f->name) && lease_note_read(name, value, &id, &f->ttl_sec);
    return 0;
}

int lease_exists(struct raw *raw, int64_t id, int64_t *ret_ttl_sec, struct err *err)
{
    char buf[NAME_MAX_BYTES];
    struct finding f = {.name = note_name(id, buf)};
    int r = raw_notes(raw, f.name, find_one, &f, err);

    if (r < 0)
        return r;
    *ret_ttl_sec = f.ttl_sec;
    return f.found ? 0 : ERR_NOT_FOUND;
}

/* ---- deadlines ---- */

/* Where @id is among the leases, or would be. */
static size_t lease_at(const struct etcd *e, int64_t id)
{
    size_t from = 0, to = e->leases.n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (e->leases.v[mid].id < id)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static struct lease *lease_find(struct etcd *e, int64_t id)
{
    size_t at = lease_at(e, id);

    return at < e->leases.n && e->leases.v[at].id == id ? &e->leases.v[at] : NULL;
}

static uint64_t now_ms(const struct etcd *e)
{
    return loop_now_ms(e->config.loop);
}

static void on_tick(struct timer *t);

void lease_add(struct etcd *e, int64_t id, int64_t ttl_sec)
{
    struct lease l = {.id = id, .ttl_sec = ttl_sec, .due_ms = now_ms(e) + (uint64_t)ttl_sec * 1000};
    size_t at = lease_at(e, id);

    if (at < e->leases.n && e->leases.v[at].id == id) {
        e->leases.v[at] = l;
        return;
    }
    vec_push(&e->leases, l);
    memmove(&e->leases.v[at + 1], &e->leases.v[at], (e->leases.n - 1 - at) * sizeof(l));
    e->leases.v[at] = l;
    if (!e->stopping && !timer_active(&e->lease_timer)) { /* a grant may be done only then */
        timer_init(&e->lease_timer, e->config.loop, on_tick);
        timer_start(&e->lease_timer, TICK_MS, TICK_MS);
    }
}

static void lease_forget(struct etcd *e, int64_t id)
{
    struct lease *l = lease_find(e, id);

    if (l)
        vec_remove(&e->leases, (size_t)(l - e->leases.v));
    if (!e->leases.n)
        timer_stop(&e->lease_timer);
}

void lease_stop(struct etcd *e)
{
    timer_stop(&e->lease_timer);
}

/* ---- the end of a lease: its keys go with it ---- */

static int lease_end(struct raw *raw, struct etcd *e, int64_t id, bool *ret_wrote, struct err *err)
{
    char buf[NAME_MAX_BYTES];
    int64_t ttl_sec, published = store_revision(e->config.store);
    struct str *keys;
    size_t n;
    auto_arena a = {0};
    int r = attached_sweep(e->attached, raw, published, err);

    if (r == 0)
        r = lease_exists(raw, id, &ttl_sec, err);
    if (r == 0)
        r = attached_keys(e->attached, raw, id, &a, &keys, &n, err);
    if (r < 0)
        return r;
    attached_end(e->attached, id, raw_revision(raw) + (n > 0));
    r = raw_note(raw, note_name(id, buf), STR_NULL, err);
    for (size_t i = 0; i < n && r == 0; i++)
        r = raw_delete(raw, keys[i], err);
    *ret_wrote = n > 0;
    return r;
}

struct expiry {
    struct raw_txn txn;
    struct etcd *e;
    int64_t id;
};

static int expiry_run(struct raw *raw, void *arg, struct err *err)
{
    struct expiry *x = arg;
    bool wrote;

    return lease_end(raw, x->e, x->id, &wrote, err);
}

static void expiry_done(struct raw_txn *txn)
{
    struct expiry *x = txn->arg;
    struct etcd *e = x->e;
    struct lease *l = lease_find(e, x->id);

    if (txn->code == 0 || txn->code == ERR_NOT_FOUND) {
        lease_forget(e, x->id);
    } else if (l) {
        l->revoking = false;
        l->due_ms = now_ms(e) + RETRY_MS;
    }
    free(x);
    etcd_idle(e);
}

static void expire(struct etcd *e, struct lease *l)
{
    struct expiry *x = xnew(struct expiry);

    l->revoking = true;
    *x = (struct expiry){.e = e, .id = l->id};
    x->txn = (struct raw_txn){
        .run = expiry_run, .loop = e->config.loop, .on_done = expiry_done, .arg = x};
    etcd_busy(e);
    raw_commit(e->config.store, &x->txn);
}

static void on_tick(struct timer *t)
{
    struct etcd *e = container_of(t, struct etcd, lease_timer);
    uint64_t now = now_ms(e);

    for (size_t i = 0; i < e->leases.n; i++)
        if (!e->leases.v[i].revoking && e->leases.v[i].due_ms <= now)
            expire(e, &e->leases.v[i]);
}

/* ---- the methods ---- */

static int grant_check(struct call *c)
{
    Etcdserverpb__LeaseGrantRequest *rq = (Etcdserverpb__LeaseGrantRequest *)c->rq;

    while (!rq->id)
        rq->id = (int64_t)(random_u64(loop_random(c->e->config.loop)) >> 1);
    rq->ttl = MAX(rq->ttl, ETCD_LEASE_MIN_SEC);
    return call_refuse(c, rq->ttl > ETCD_LEASE_TTL_MAX ? REFUSE_LEASE_TTL : REFUSE_NONE);
}

static int grant_run(struct raw *raw, struct call *c, struct err *err)
{
    const Etcdserverpb__LeaseGrantRequest *rq = (const Etcdserverpb__LeaseGrantRequest *)c->rq;
    Etcdserverpb__LeaseGrantResponse *rs = pb_new(&c->arena, Etcdserverpb__LeaseGrantResponse,
                                                  etcdserverpb__lease_grant_response__init);
    char buf[NAME_MAX_BYTES];
    int64_t ttl_sec;
    int r = quota_check(raw, c, err);

    if (r == 0)
        r = lease_exists(raw, rq->id, &ttl_sec, err);
    if (r == 0)
        return call_refuse(c, REFUSE_LEASE_EXIST);
    if (r != ERR_NOT_FOUND)
        return r;
    r = raw_note(raw, note_name(rq->id, buf), str_printf(&c->arena, "%lld", (long long)rq->ttl),
                 err);
    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw));
    rs->id = rq->id;
    rs->ttl = rq->ttl;
    c->rs = &rs->base;
    return r;
}

static void grant_done(struct call *c)
{
    const Etcdserverpb__LeaseGrantRequest *rq = (const Etcdserverpb__LeaseGrantRequest *)c->rq;

    lease_add(c->e, rq->id, rq->ttl);
}

const struct unary unary_lease_grant = {
    .request = &etcdserverpb__lease_grant_request__descriptor,
    .check = grant_check,
    .run = grant_run,
    .done = grant_done,
};

static int revoke_run(struct raw *raw, struct call *c, struct err *err)
{
    const Etcdserverpb__LeaseRevokeRequest *rq = (const Etcdserverpb__LeaseRevokeRequest *)c->rq;
    Etcdserverpb__LeaseRevokeResponse *rs = pb_new(&c->arena, Etcdserverpb__LeaseRevokeResponse,
                                                   etcdserverpb__lease_revoke_response__init);
    bool wrote = false;
    int r = lease_end(raw, c->e, rq->id, &wrote, err);

    if (r == ERR_NOT_FOUND)
        return call_refuse(c, REFUSE_LEASE_NOT_FOUND);
    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw) + (wrote ? 1 : 0));
    c->rs = &rs->base;
    return r;
}

static void revoke_done(struct call *c)
{
    lease_forget(c->e, ((const Etcdserverpb__LeaseRevokeRequest *)c->rq)->id);
}

const struct unary unary_lease_revoke = {
    .request = &etcdserverpb__lease_revoke_request__descriptor,
    .run = revoke_run,
    .done = revoke_done,
};

static int ttl_run(struct raw *raw, struct call *c, struct err *err)
{
    const Etcdserverpb__LeaseTimeToLiveRequest *rq =
        (const Etcdserverpb__LeaseTimeToLiveRequest *)c->rq;
    Etcdserverpb__LeaseTimeToLiveResponse *rs =
        pb_new(&c->arena, Etcdserverpb__LeaseTimeToLiveResponse,
               etcdserverpb__lease_time_to_live_response__init);
    int64_t ttl_sec;
    struct str *keys;
    size_t n = 0;
    int r = lease_exists(raw, rq->id, &ttl_sec, err);

    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw));
    rs->id = rq->id;
    c->rs = &rs->base;
    if (r == ERR_NOT_FOUND) {
        rs->ttl = -1;
        return 0;
    }
    if (r == 0 && rq->keys)
        r = attached_keys(c->e->attached, raw, rq->id, &c->arena, &keys, &n, err);
    if (r < 0)
        return r;
    rs->grantedttl = ttl_sec;
    rs->keys = arena_calloc(&c->arena, n + 1, sizeof(rs->keys[0]));
    for (rs->n_keys = 0; rs->n_keys < n; rs->n_keys++)
        rs->keys[rs->n_keys] = pb_of(keys[rs->n_keys]);
    return 0;
}

/* The rest of its time is the loop's to tell. */
static void ttl_done(struct call *c)
{
    Etcdserverpb__LeaseTimeToLiveResponse *rs = (Etcdserverpb__LeaseTimeToLiveResponse *)c->rs;
    const struct lease *l = lease_find(c->e, rs->id);
    uint64_t now = now_ms(c->e);

    if (rs->ttl >= 0 && l)
        rs->ttl = l->due_ms > now ? (int64_t)((l->due_ms - now) / 1000) : 0;
}

const struct unary unary_lease_ttl = {
    .request = &etcdserverpb__lease_time_to_live_request__descriptor,
    .run = ttl_run,
    .done = ttl_done,
};

static int by_due(const void *va, const void *vb)
{
    const struct lease *a = va, *b = vb;

    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void list_done(struct call *c)
{
    struct etcd *e = c->e;
    Etcdserverpb__LeaseLeasesResponse *rs = pb_new(&c->arena, Etcdserverpb__LeaseLeasesResponse,
                                                   etcdserverpb__lease_leases_response__init);
    struct lease *sorted = arena_calloc(&c->arena, e->leases.n + 1, sizeof(*sorted));

    if (e->leases.n)
        memcpy(sorted, e->leases.v, e->leases.n * sizeof(*sorted));
    qsort(sorted, e->leases.n, sizeof(*sorted), by_due);
    rs->header = etcd_header(e, &c->arena, store_revision(e->config.store));
    rs->n_leases = e->leases.n;
    rs->leases = arena_calloc(&c->arena, e->leases.n + 1, sizeof(rs->leases[0]));
    for (size_t i = 0; i < e->leases.n; i++) {
        rs->leases[i] =
            pb_new(&c->arena, Etcdserverpb__LeaseStatus, etcdserverpb__lease_status__init);
        rs->leases[i]->id = sorted[i].id;
    }
    c->rs = &rs->base;
}

const struct unary unary_lease_list = {
    .request = &etcdserverpb__lease_leases_request__descriptor,
    .done = list_done,
};

/* ---- keep alive: a stream; only the loop's business ---- */

static void keep_one(void *arg, struct grpc_server_call *gc, struct str message)
{
    struct etcd *e = arg;
    Etcdserverpb__LeaseKeepAliveResponse rs = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    Etcdserverpb__LeaseKeepAliveRequest *rq = etcdserverpb__lease_keep_alive_request__unpack(
        NULL, message.len, (const uint8_t *)message.p);
    struct lease *l;
    auto_arena a = {0};

    if (!rq) {
        grpc_server_call_end(gc, GRPC_INTERNAL, "grpc: failed to unmarshal the received message");
        return;
    }
    rs.id = rq->id;
    etcdserverpb__lease_keep_alive_request__free_unpacked(rq, NULL);
    l = lease_find(e, rs.id);
    if (l && !l->revoking) {
        l->due_ms = now_ms(e) + (uint64_t)l->ttl_sec * 1000;
        rs.ttl = l->ttl_sec;
    }
    rs.header = etcd_header(e, &a, store_revision(e->config.store));
    etcd_send(gc, &rs.base);
}

static void keep_half_closed(void *arg, struct grpc_server_call *gc)
{
    (void)arg;
    grpc_server_call_end(gc, GRPC_OK, "%s", "");
}

static void keep_closed(void *arg, struct grpc_server_call *gc)
{
    (void)arg;
    (void)gc;
}

void lease_keep_alive(void *service, struct grpc_server_call *gc)
{
    struct grpc_call_handlers h = {.on_message = keep_one,
                                   .on_half_close = keep_half_closed,
                                   .on_closed = keep_closed,
                                   .arg = service};

    grpc_server_call_on(gc, &h);
}
