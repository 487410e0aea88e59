/* maintenance.c - status, hashes, alarms, defragmentation. */
#include "etcd/etcd_internal.h"
#include "store/crc32c.h"

#define NOTE_NOSPACE STR("etcd/alarm/nospace")

/* ---- the one alarm: no space ---- */

static int note_found(void *arg, struct str name, struct str value)
{
    (void)value;
    *(bool *)arg |= str_eq(name, NOTE_NOSPACE);
    return 0;
}

int alarm_active(struct etcd *e, struct raw *raw, bool *ret_active, struct err *err)
{
    bool active = false;
    int r = e->no_alarm ? 0 : raw_notes(raw, NOTE_NOSPACE, note_found, &active, err);

    if (r == 0) {
        *ret_active = active;
        e->no_alarm = !active;
    }
    return r;
}

int alarm_raise(struct etcd *e, struct raw *raw, struct err *err)
{
    e->no_alarm = false;
    return raw_note(raw, NOTE_NOSPACE, STR("1"), err);
}

static bool about_no_space(const struct call *c, const Etcdserverpb__AlarmRequest *rq)
{
    return (rq->alarm == ETCDSERVERPB__ALARM_TYPE__NOSPACE ||
            rq->alarm == ETCDSERVERPB__ALARM_TYPE__NONE) &&
           (!rq->memberid || rq->memberid == c->e->id.member);
}

static int alarm_run(struct raw *raw, struct call *c, struct err *err)
{
    const Etcdserverpb__AlarmRequest *rq = (const Etcdserverpb__AlarmRequest *)c->rq;
    struct arena *a = &c->arena;
    Etcdserverpb__AlarmResponse *rs =
        pb_new(a, Etcdserverpb__AlarmResponse, etcdserverpb__alarm_response__init);
    Etcdserverpb__AlarmMember *m =
        pb_new(a, Etcdserverpb__AlarmMember, etcdserverpb__alarm_member__init);
    bool listed = false;
    int r = alarm_active(c->e, raw, &listed, err);

    if (r == 0 && rq->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE) {
        listed = listed && about_no_space(c, rq); /* what is put off is listed */
        if (listed)
            r = raw_note(raw, NOTE_NOSPACE, STR_NULL, err);
    } else if (r == 0 && rq->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE &&
               rq->alarm == ETCDSERVERPB__ALARM_TYPE__NOSPACE) {
        listed = true;
        r = alarm_raise(c->e, raw, err);
    }
    m->memberid = c->e->id.member;
    m->alarm = ETCDSERVERPB__ALARM_TYPE__NOSPACE;
    rs->n_alarms = listed;
    rs->alarms = arena_box(a, m);
    rs->header = etcd_header(c->e, a, raw_revision(raw));
    c->rs = &rs->base;
    return r;
}

const struct unary unary_alarm = {.request = &etcdserverpb__alarm_request__descriptor,
                                  .run = alarm_run};

/* ---- status ---- */

/* There is no log of Raft: each revision stands for its entry. */
static int status_run(struct raw *raw, struct call *c, struct err *err)
{
    struct arena *a = &c->arena;
    Etcdserverpb__StatusResponse *rs =
        pb_new(a, Etcdserverpb__StatusResponse, etcdserverpb__status_response__init);
    bool active = false;
    int r = alarm_active(c->e, raw, &active, err);

    if (r < 0)
        return r;
    rs->header = etcd_header(c->e, a, raw_revision(raw));
    rs->version = (char *)(uintptr_t)ETCD_VERSION;
    rs->dbsize = (int64_t)raw_size_bytes(raw);
    rs->dbsizeinuse = (int64_t)raw_used_bytes(raw);
    rs->dbsizequota = (int64_t)c->e->config.quota_bytes;
    rs->leader = c->e->id.member;
    rs->raftterm = c->e->id.term;
    rs->raftindex = rs->raftappliedindex = (uint64_t)raw_revision(raw);
    if (active) {
        rs->n_errors = 1;
        rs->errors = arena_box(a, arena_printf(a, "memberID:%llu alarm:NOSPACE ",
                                               (unsigned long long)c->e->id.member));
    }
    c->rs = &rs->base;
    return 0;
}

const struct unary unary_status = {.request = &etcdserverpb__status_request__descriptor,
                                   .run = status_run};

/* ---- hashes ---- */

struct hash {
    struct crc32c crc;
    uint32_t sum;
};

static void hash_one(void *arg, struct str key, struct str value)
{
    struct hash *h = arg;

    h->sum = crc32c_add(&h->crc, h->sum, key);
    h->sum = crc32c_add(&h->crc, h->sum, value);
}

static int hash_of(struct raw *raw, int64_t upto, uint32_t *ret_sum, struct err *err)
{
    struct hash h = {0};
    int r;

    crc32c_init(&h.crc);
    h.sum = crc32c_add(&h.crc, 0, STR("key"));
    r = history_walk(raw, upto, upto, hash_one, &h, err);
    if (r == 0)
        *ret_sum = h.sum;
    return r;
}

static int hash_kv_run(struct raw *raw, struct call *c, struct err *err)
{
    int64_t revision = ((const Etcdserverpb__HashKVRequest *)c->rq)->revision;
    Etcdserverpb__HashKVResponse *rs =
        pb_new(&c->arena, Etcdserverpb__HashKVResponse, etcdserverpb__hash_kvresponse__init);
    int r;

    if (revision > raw_revision(raw))
        return call_refuse(c, REFUSE_FUTURE_REV);
    if (revision > 0 && revision < raw_compacted(raw))
        return call_refuse(c, REFUSE_COMPACTED);
    if (revision <= 0)
        revision = raw_revision(raw);
    r = hash_of(raw, revision, &rs->hash, err);
    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw));
    rs->compact_revision = raw_compacted(raw) ? raw_compacted(raw) : -1;
    rs->hash_revision = revision;
    c->rs = &rs->base;
    return r;
}

const struct unary unary_hash_kv = {.request = &etcdserverpb__hash_kvrequest__descriptor,
                                    .run = hash_kv_run};

static int hash_run(struct raw *raw, struct call *c, struct err *err)
{
    Etcdserverpb__HashResponse *rs =
        pb_new(&c->arena, Etcdserverpb__HashResponse, etcdserverpb__hash_response__init);

    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw));
    c->rs = &rs->base;
    return hash_of(raw, raw_revision(raw), &rs->hash, err);
}

const struct unary unary_hash = {.request = &etcdserverpb__hash_request__descriptor,
                                 .run = hash_run};

/* ---- defragmentation ---- */

static int defragment_run(struct raw *raw, struct call *c, struct err *err)
{
    Etcdserverpb__DefragmentResponse *rs = pb_new(&c->arena, Etcdserverpb__DefragmentResponse,
                                                  etcdserverpb__defragment_response__init);

    rs->header = etcd_header(c->e, &c->arena, raw_revision(raw));
    c->rs = &rs->base;
    return raw_defragment(raw, err);
}

const struct unary unary_defragment = {.request = &etcdserverpb__defragment_request__descriptor,
                                       .run = defragment_run};

/* ---- what there is nothing to do about ---- */

static int move_leader_check(struct call *c)
{
    const Etcdserverpb__MoveLeaderRequest *rq = (const Etcdserverpb__MoveLeaderRequest *)c->rq;

    return call_refuse(c, rq->targetid == c->e->id.member ? REFUSE_NONE : REFUSE_BAD_LEADER);
}

static void move_leader_done(struct call *c)
{
    Etcdserverpb__MoveLeaderResponse *rs = pb_new(&c->arena, Etcdserverpb__MoveLeaderResponse,
                                                  etcdserverpb__move_leader_response__init);

    rs->header = etcd_header(c->e, &c->arena, store_revision(c->e->config.store));
    c->rs = &rs->base; /* it is the leader */
}

const struct unary unary_move_leader = {.request = &etcdserverpb__move_leader_request__descriptor,
                                        .check = move_leader_check,
                                        .done = move_leader_done};

static int downgrade_check(struct call *c)
{
    grpc_server_call_end(c->gc, GRPC_UNIMPLEMENTED,
                         "etcdserver: this store has no earlier version to go back to");
    return ERR_NOT_ALLOWED;
}

const struct unary unary_downgrade = {.request = &etcdserverpb__downgrade_request__descriptor,
                                      .check = downgrade_check};
