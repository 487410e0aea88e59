/* etcd_internal.h - the server's own state, and what its services share.
 *
 *     server.c       start, stop, the tables of methods, unary calls
 *     kv.c txn.c     ranges, puts, deletions, transactions, compaction
 *     lease.c        leases: notes in the store, deadlines in memory
 *     attach.c       which keys may have which lease
 *     watch.c feed.c watches of a stream; reading changes for all of them
 *     maintenance.c snapshot.c bolt.c cluster.c auth.c health.c http.c
 *
 * A unary call is decoded and checked on the loop, run as a raw transaction on the store's thread,
 * and answered on the loop again.
 *
 * Layer: etcd. Threads: the loop, but for run() of calls and what says so.
 */
#pragma once
#include "base/buf.h"
#include "base/vec.h"
#include "etcd/errors.h"
#include "etcd/etcd.h"
#include "net/grpc_server.h"
#include "store/etcd.pb-c.h"
#include "store/raw.h"

enum {
    ETCD_REQUEST_OVERHEAD = 512 * 1024, /* a message may be so much larger than a request */
    ETCD_LEASE_MIN_SEC = 2,             /* as etcd's with its default election timeout */
    ETCD_TXN_DEPTH_MAX = 256,           /* nested transactions, whatever --max-txn-ops says */
    ETCD_WATCHES_MAX = 100000,          /* of a stream */
};
#define ETCD_LEASE_TTL_MAX INT64_C(9000000000)
#define NOTE_LEASE "etcd/lease/"

struct etcd_identity { /* read by the first transaction, constant from then on */
    uint64_t cluster, member, term;
};
struct lease {
    int64_t id, ttl_sec;
    uint64_t due_ms;
    bool revoking; /* an expiry is under way */
};
struct attached; /* attach.c: the store's thread */
struct watch;
struct feed;
struct etcd {
    struct etcd_config config;
    struct arena arena; /* of config */
    struct etcd_identity id;
    struct grpc_server *grpc;
    void (*on_ready)(void *arg, const struct err *err);
    void *ready_arg;
    void (*on_stopped)(void *arg);
    void *stopped_arg;
    bool stopping;
    size_t busy;               /* raw transactions under way, and what else must end */
    VEC(struct lease) leases;  /* by id */
    VEC(struct lease) loaded;  /* by the first transaction */
    struct timer lease_timer;
    struct attached *attached; /* the store's thread */
    bool no_alarm;             /* the store's thread: the last look found none, and none was set */
    struct feed *feed;
    struct timer compact_timer;
    VEC(struct etcd_sample) samples; /* of time and revision, oldest first */
    uint64_t began_ms, calls, puts, ranges, txns, deletes, watch_events; /* for /metrics */
    size_t watchers, streams, snapshots; /* under way */
};
struct etcd_sample {
    uint64_t at_ms;
    int64_t revision;
};

struct call;
struct unary { /* a method with one request and one answer */
    const ProtobufCMessageDescriptor *request;
    /* On the loop, may be NULL: looks at c->rq and may refuse. */
    int (*check)(struct call *c);
    /* In a raw transaction; NULL: none. Sets c->rs; or returns what call_refuse() does, or an error
     * of the store. */
    int (*run)(struct raw *raw, struct call *c, struct err *err);
    /* On the loop, when run() was right, or instead of it; may be NULL. Sets c->rs; or holds the
     * answer back (c->held) and calls call_answer() later. */
    void (*done)(struct call *c);
    bool writes; /* counts against the limit of requests */
};
struct call {
    struct etcd *e;
    struct grpc_server_call *gc; /* NULL: the peer has gone */
    const struct unary *unary;
    struct raw_txn txn;
    struct arena arena; /* of request and answer */
    ProtobufCMessage *rq, *rs;
    enum etcd_refusal refusal;
    bool running, held;
    int64_t number;     /* for whoever needs to remember one */
    struct timer timer; /* while held */
};
/** Refuses @c: for check() and run(). Returns ERR_BAD_REQUEST; 0 for REFUSE_NONE. */
int call_refuse(struct call *c, enum etcd_refusal why);
/** Answers what was held back. */
void call_answer(struct call *c);
/** A header with the server's identity and @revision, in @a. */
Etcdserverpb__ResponseHeader *etcd_header(const struct etcd *e, struct arena *a,
                                          int64_t revision);
/** Packs @m and sends it. */
void etcd_send(struct grpc_server_call *gc, const ProtobufCMessage *m);
/** Ends @gc with what the store's @code and @err mean. */
void etcd_end(struct grpc_server_call *gc, int code, const struct err *err);
/** Notes that something begins or ends that must end before the server has stopped. */
void etcd_busy(struct etcd *e);
void etcd_idle(struct etcd *e); /** See etcd_busy(). */

static inline struct str pb_str(ProtobufCBinaryData d)
{
    return (struct str){d.data ? (const char *)d.data : "", d.len};
}
static inline ProtobufCBinaryData pb_of(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.p};
}
/* A message of type @T (as protobuf-c names it), initialized by @init, in arena @a. */
#define pb_new(a, T, init)            \
    ({                                \
        T *m_ = arena_new((a), T);    \
        init(m_);                     \
        m_;                           \
    })

/* kv.c; all that take a raw run on the store's thread. */
struct key_range { /* [from, end); end empty: no end */
    struct str from, end;
};
/** What @key and @range_end of a request mean; the single key's end is made in @a. False: nothing
 *  is in it. */
bool key_range_of(ProtobufCBinaryData key, ProtobufCBinaryData range_end, struct arena *a,
                  struct key_range *ret_range);
/** A copy of @kv as a message in @a; without the value if @keys_only. */
Mvccpb__KeyValue *kv_message(const struct raw_kv *kv, bool keys_only, struct arena *a);
enum etcd_refusal range_check(const Etcdserverpb__RangeRequest *rq); /** REFUSE_NONE: fine. */
enum etcd_refusal put_check(const Etcdserverpb__PutRequest *rq);     /** See range_check(). */
enum etcd_refusal delete_check(const Etcdserverpb__DeleteRangeRequest *rq); /** See there. */
/** Does a range; @revision is what its header says. */
int range_run(struct raw *raw, const Etcdserverpb__RangeRequest *rq, int64_t revision,
              struct arena *a, Etcdserverpb__RangeResponse **ret_rs, struct err *err);
/** Refuses a put that cannot be done, before anything is written: 0, or as unary.run. */
int put_prepare(struct raw *raw, struct call *c, const Etcdserverpb__PutRequest *rq,
                struct err *err);
int put_run(struct raw *raw, struct call *c, const Etcdserverpb__PutRequest *rq,
            Etcdserverpb__PutResponse **ret_rs, struct err *err); /** Does it. */
/** Deletes; says how many. */
int delete_run(struct raw *raw, const Etcdserverpb__DeleteRangeRequest *rq, struct arena *a,
               Etcdserverpb__DeleteRangeResponse **ret_rs, struct err *err);
/** Refuses when the data is larger than the quota, and raises the alarm. */
int quota_check(struct raw *raw, struct call *c, struct err *err);
extern const struct unary unary_range, unary_put, unary_delete, unary_compact;
/** Starts forgetting history by itself, if the configuration says so. */
void etcd_compaction_start(struct etcd *e);

/* txn.c */
extern const struct unary unary_txn;
/** False when @message, a TxnRequest, nests transactions deeper than @max: it must not be
 *  decoded. */
bool txn_depth_ok(struct str message, size_t max);

/* lease.c */
extern const struct unary unary_lease_grant, unary_lease_revoke, unary_lease_ttl,
    unary_lease_list;
void lease_keep_alive(void *service, struct grpc_server_call *gc); /** The method. */
/** True if there is lease @id. In a raw transaction. */
MUST_USE int lease_exists(struct raw *raw, int64_t id, int64_t *ret_ttl_sec, struct err *err);
/** Takes a lease that the store knows; its time begins now. On the loop. */
void lease_add(struct etcd *e, int64_t id, int64_t ttl_sec);
void lease_stop(struct etcd *e); /** Ends what is timed. */
/** Reads a lease from its note; false when it is none. */
bool lease_note_read(struct str name, struct str value, int64_t *ret_id, int64_t *ret_ttl_sec);

/* attach.c: the store's thread. What it says may be too much, never too little. */
struct attached *attached_new(void);
struct attached *attached_free(struct attached *at); /** NULL is a no-op; returns NULL. */
/** Notes that @key may have @lease. */
void attached_add(struct attached *at, int64_t lease, struct str key);
/** The keys that have @lease now, sorted, in @a. */
int attached_keys(struct attached *at, struct raw *raw, int64_t lease, struct arena *a,
                  struct str **ret_keys, size_t *ret_n, struct err *err);
/** Notes that @lease ends with @revision. */
void attached_end(struct attached *at, int64_t lease, int64_t revision);
/** Forgets the leases whose end is committed: up to @published. */
MUST_USE int attached_sweep(struct attached *at, struct raw *raw, int64_t published,
                            struct err *err);
/** Forgets, now and then, keys that have not @lease any more. Before the transaction writes. */
MUST_USE int attached_prune(struct attached *at, struct raw *raw, int64_t lease,
                            int64_t published, struct err *err);

/* watch.c */
void watch_start(void *service, struct grpc_server_call *gc); /** The method. */
struct watch { /* of a stream; the loop's */
    struct watch_stream *stream;
    int64_t id, next; /* everything before revision next has been sent */
    struct key_range keys; /* in bytes */
    size_t place; /* feed.c: among its watches */
    bool no_puts, no_deletes, prev_kv, fragment, progress, quiet;
    char bytes[];
};
struct feed_event {
    int64_t revision;
    struct str key;
    bool deleted;
    Mvccpb__Event *plain, *with_prev; /* with_prev NULL: nobody asked */
};
/** True while @w can take events. */
bool watch_open_for_more(const struct watch *w);
/** Sends those of @events[n] that @w wants; everything up to @upto has been sent then. */
void watch_give(struct watch *w, const struct feed_event *events, size_t n, int64_t upto);
/** Ends @w, since what it should send next is compacted. It leaves the feed. */
void watch_compacted(struct watch *w, int64_t compacted);
/** After a reading: answers requests for progress. */
void watch_after(struct watch *w);
/* feed.c */
struct feed *feed_new(struct etcd *e);
struct feed *feed_free(struct feed *f); /** NULL is a no-op; returns NULL. */
void feed_stop(struct feed *f);         /** Reads no more. */
void feed_add(struct feed *f, struct watch *w);    /** Gives @w events from w->next on. */
void feed_remove(struct feed *f, struct watch *w); /** No more. */
void feed_wake(struct feed *f);         /** Some watch may want more. */

/* history.c; all run on the store's thread. */
enum { REV_BYTES = 18 };
/** What the key of a change is in etcd's own files: revision, number, and a mark of deletions. */
struct str rev_bytes(int64_t revision, uint32_t sub, bool deleted, char buf[REV_BYTES]);
/** The bytes etcd keeps for @kv, in @a: an mvccpb.KeyValue. */
struct str kv_bytes(const struct raw_kv *kv, struct arena *a);
/** Calls @each, in the order of writing, for what is compacted but alive at revision @alive_at (if
 *  nothing at all is alive then: at the compacted one, which is what etcd's hash does), and for all
 *  changes since, up to revision @upto; @key as rev_bytes(), @value as kv_bytes(),
 *  borrowed. */
int history_walk(struct raw *raw, int64_t alive_at, int64_t upto,
                 void (*each)(void *arg, struct str key, struct str value), void *arg,
                 struct err *err);
/* bolt.c */
struct bolt;
/** Starts a bolt database that grows in memory. */
struct bolt *bolt_new(void);
/** Starts the next bucket; their names rise. */
void bolt_bucket(struct bolt *b, const char *name);
/** Adds to the bucket; keys rise. Copies. */
void bolt_put(struct bolt *b, struct str key, struct str value);
/** Ends it; the whole file is in @ret_file, which is the caller's. Frees @b. */
void bolt_finish(struct bolt *b, struct buf *ret_file);

/* maintenance.c, snapshot.c, cluster.c, auth.c, health.c, http.c */
extern const struct unary unary_status, unary_hash, unary_hash_kv, unary_alarm, unary_defragment,
    unary_move_leader, unary_downgrade;
/** Whether the alarm for want of space is on. In a raw transaction. */
MUST_USE int alarm_active(struct etcd *e, struct raw *raw, bool *ret_active, struct err *err);
/** Raises it. In a raw transaction. */
MUST_USE int alarm_raise(struct etcd *e, struct raw *raw, struct err *err);
void snapshot_start(void *service, struct grpc_server_call *gc); /** The method. */
extern const struct unary unary_member_list, unary_member_add, unary_member_remove,
    unary_member_update, unary_member_promote;
extern const struct unary unary_auth_status, unary_auth_enable, unary_auth_disable,
    unary_authenticate;
void health_check(void *service, struct grpc_server_call *gc); /** The methods of gRPC's health. */
void health_watch(void *service, struct grpc_server_call *gc); /** See there. */
/** Answers what is no gRPC call: /health, /version, /metrics. */
void etcd_http(struct etcd *e, struct http_exchange *x, const struct http_request *rq);
