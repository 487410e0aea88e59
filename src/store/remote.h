/* remote.h - the store over an external etcd: what its files share.
 *
 *     remote.c          open, close, the loop, what is due when
 *     remote_call.c     endpoints and calls: fail-over, errors
 *     remote_load.c     reads resources whole, page by page at one revision
 *     remote_watch.c    the one watch, over all keys; a new start when history is gone
 *     remote_adopt.c    reads a resource that comes while the store is open
 *     remote_feed.c     events into indexes and journals, and the published revision
 *     remote_commit.c   transactions; remote_txn.c makes and reads etcd's
 *     remote_fresh.c    waiting until the cache is not old
 *     remote_lease.c    leases for objects that end
 *     remote_compact.c  forgets old history, one API server for all
 *     remote_values.c   keys and values as upstream lays them out
 *     remote_older.c    values that older releases have left
 *
 * The watch is over ALL keys, not only over those below the prefix: every revision of etcd then has
 * an event in it, so the revision of the last event is etcd's revision as far as it is known here,
 * with no need to ask for progress (which etcd before 3.4.25 and 3.5.8 may answer too early).
 *
 * Layer: store, private to it. Threads: the loop of the remote, which has a thread of its own, but
 * for functions marked "any thread".
 */
#pragma once
#include "etcd.pb-c.h"
#include "net/grpc.h"
#include "net/http.h"
#include "store/store_internal.h"

enum {
    REMOTE_CALL_MS = 10000,     /* for a call's answer */
    REMOTE_STUCK_MS = 5000,     /* what the watch should have shown by now: it is started anew */
    REMOTE_WAIT_MS = 15000,     /* for the watch to show what was asked for */
    REMOTE_TICK_MS = 1000,
    REMOTE_PING_MS = 5000,      /* silence after which the etcd is asked for a sign of life */
    REMOTE_RETRY_MIN_MS = 100,  /* between attempts that nobody waits for; doubles */
    REMOTE_RETRY_MAX_MS = 1000,
    REMOTE_FRESH_TRIES = 60,    /* of a question that an endpoint did not answer ... */
    REMOTE_FRESH_RETRY_MS = 50, /* ... with this between them */
    REMOTE_PAGE_FIRST = 64,     /* keys read at first, */
    REMOTE_PAGE = 1000,         /* and at most at a time, ... */
    REMOTE_PAGE_BYTES = 8 << 20, /* ... while their values are of about this size */
    REMOTE_LEASES = 4,          /* different times to live */
    REMOTE_OPS_MAX = 64,        /* of one transaction: two of etcd's each, which takes 128 */
};
#define REMOTE_COMPACT_KEY   "compact_rev_key" /* upstream's */
#define REMOTE_OTHER_CLUSTER                                                                     \
    "it is of another cluster than what was read; if etcd was restored from a backup, this "     \
    "server must be restarted"

struct remote_endpoint {
    const char *target;
    bool tls;
    bool stale; /* did not answer in time: its connection is given up */
    bool known; /* it is of our cluster: it has told so, and not failed since */
    struct grpc_client *client;
};
struct remote_kept { /* a resource whose changes are followed */
    struct str prefix;
    struct cache *cache;
    int64_t since; /* it was read at this revision: older events are in it already */
};
struct remote_lease {
    struct remote *r;
    uint32_t ttl_sec; /* 0: this place is free */
    int64_t id;       /* 0: none yet */
    uint32_t n;       /* keys on it */
    uint64_t until_ms;
    bool asked;
};
struct commit;
struct fresh_wait;
struct remote_adopt;
struct remote {
    struct store *st;
    struct loop *loop;
    struct thread *thread;
    struct arena arena; /* the options */
    struct str prefix;  /* "/registry" */
    struct tls_context *tls;
    uint32_t compact_ms;
    void (*tell)(void *arg, bool good, const char *text);
    void *tell_arg;
    struct remote_endpoint *endpoints;
    size_t n_endpoints, at; /* at: the one in use */
    struct timer refresh;   /* replaces stale clients */
    struct timer tick;
    uint64_t answered_ms; /* the last answer of any kind */
    bool pinging;
    int64_t pinged_at;    /* the position then */
    int64_t pong_revision; /* what the last answer to a ping said */
    struct rpc *waiting;  /* until it is known of which cluster the endpoint is */
    bool checking;        /* that has been asked */
    bool ended;           /* closing: nothing new is begun */
    atomic_bool healthy;  /* any */
    atomic_size_t n_txns; /* any: not answered yet */

    VEC(struct remote_kept) kept; /* in order of prefix */
    bool following;           /* everything was read: the watch goes on from there */
    struct grpc_call *watch;
    uint64_t watch_began_ms;
    bool watch_late;          /* it has not shown in time what must be there */
    struct timer watch_retry;
    uint32_t watch_backoff_ms;
    VEC(Etcdserverpb__WatchResponse *) fragments; /* of one response, but its last */
    bool resyncing;
    struct remote_load *loads; /* under way */
    struct remote_adopt *adopts; /* under way */

    struct commit *commits; /* all that are under way */
    struct fresh_wait *fresh_next, *fresh_asked, *fresh_known;
    struct timer fresh_retry; /* asks again */
    uint64_t cluster_id;  /* of the etcd that everything was read from */
    int64_t fresh_floor;  /* the position when etcd was asked */
    atomic_bool restored; /* any: etcd is behind what it had */

    struct remote_lease leases[REMOTE_LEASES];

    uint64_t compact_due_ms;
    int64_t compact_version, compact_revision; /* of REMOTE_COMPACT_KEY; what to forget next */
    int64_t compact_now; /* what is being forgotten */
    bool compacting;
};

/* remote.c */
/** Makes @st, prepared but empty, a store over @o. Frees @st on error. */
MUST_USE int remote_open(struct store *st, const struct etcd_opts *o,
                         const struct resource *const *resources, size_t n, struct err *err);
/** Ends it, answers what waits with ERR_UNAVAILABLE, frees @st. */
void remote_close(struct store *st);
/** Tells operators. */
void remote_tell(const struct remote *r, bool good, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool remote_healthy(const struct remote *r);    /** Any thread. */
uint64_t remote_now_ms(const struct remote *r); /** The loop's clock; never 0. */
/** The revision up to which everything is published. */
int64_t remote_position(const struct remote *r);

/* remote_call.c */
/* @answer NULL: failed, by @status and @text, which are borrowed as it is. */
typedef void (*remote_done)(void *arg, const void *answer, enum grpc_status status,
                            struct str text);
/** Calls @method of the endpoint in use; @fn always runs, later, once. */
void remote_call(struct remote *r, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *answer, remote_done fn, void *arg);
/** Reads etcd's revision, which its quorum confirms: a range response. */
void remote_ask(struct remote *r, remote_done fn, void *arg);
/** Asks for a sign of life, and whether the history is still the one that was read. */
void remote_ping(struct remote *r);
/** Notes that the endpoint @at answered with @h; whether it is of the cluster that was read. */
bool remote_same_cluster(struct remote *r, size_t at, const Etcdserverpb__ResponseHeader *h);
/** The client of the endpoint in use, and its number. */
struct grpc_client *remote_client(struct remote *r, size_t *ret_at);
/** The endpoint @at failed: the next one is used; @stuck: its connection is given up. */
void remote_endpoint_failed(struct remote *r, size_t at, bool stuck, struct str why);
void remote_answered(struct remote *r); /** It lives. */
void remote_refresh(struct timer *t);   /** Replaces stale clients. */
/** The code and text that readers and writers get. */
int remote_error(struct err *err, enum grpc_status status, struct str text);
static inline ProtobufCBinaryData pb_bytes(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.p};
}
static inline struct str pb_view(ProtobufCBinaryData b)
{
    return (struct str){(const char *)b.data, b.len};
}

static inline const struct resource *remote_storage(const struct resource *res)
{
    return res->storage ? res->storage : res;
}

/* remote_older.c; any thread */
struct remote_older;
/** The version @api_version of @res's kind that is served no more but can be read, or NULL. */
const struct remote_older *remote_older_find(const struct resource *res, struct str api_version);
/** What @raw is as protobuf of @res's own version, in @a or borrowed. ERR_PARSE. */
MUST_USE int remote_older_pb(const struct remote_older *older, struct str raw, struct arena *a,
                             struct str *ret_raw, struct err *err);
/** Changes the struct, decoded from that, to what it means now. */
void remote_older_fix(const struct remote_older *older, void *obj, struct arena *a);
/** Fills in what upstream's readers do besides defaults, of a struct of @res; in @a. */
void remote_fill(const struct resource *res, void *obj, struct arena *a);
/** Changes a document of that version to one of @res's; false: not known how. */
bool remote_older_doc(const struct remote_older *older, const struct resource *res, struct doc *d,
                      struct arena *a);
/* remote_values.c */
/** The key in etcd of the store's @key; in @a, or @key itself. */
struct str remote_key(const struct remote *r, struct str key, struct arena *a);
/** Appends what etcd keeps of @o, which is not published yet. */
void remote_value(const struct object *o, struct buf *out);
/** The object of @kv, which is of @res, published at the revisions of @kv. ERR_PARSE. */
MUST_USE int remote_object(const struct remote *r, const struct resource *res,
                           const Mvccpb__KeyValue *kv, struct object **ret_o, struct err *err);
/** The store's key of etcd's; STR_NULL if it is not below the prefix. In @a, or @key itself. */
struct str remote_store_key(const struct remote *r, struct str key, struct arena *a);

/* remote_load.c */
struct remote_load_one {
    const struct resource *res;
    struct omap objects; /* what was read */
    struct omap was;     /* a snapshot: objects that need not be decoded again; or zeroed */
};
struct remote_load {
    struct remote *r;
    struct remote_load *next; /* in r->loads */
    struct remote_load_one *of;
    size_t n, at;
    int64_t revision; /* of all that was read */
    struct buf from;  /* the next key */
    struct timer retry;
    uint32_t backoff_ms;
    uint64_t until_ms; /* 0: tries for ever */
    uint32_t page;
    /* @err NULL: all is there. */
    void (*done)(struct remote_load *l, const struct err *err);
    void *arg;
};
/** Reads @l->of[n] whole, at one revision. */
void remote_load_start(struct remote_load *l);
void remote_load_deinit(struct remote_load *l); /** Drops what was read. */
void remote_load_end_all(struct remote *r);     /** Ends those under way: ERR_UNAVAILABLE. */

/* remote_adopt.c */
typedef void (*remote_adopted)(void *arg, int64_t revision, const struct err *err);
/** Reads @res and keeps it from then on, if it is not kept already; @fn runs once, later, @err
 *  NULL: it is there, at @revision or later. */
void remote_adopt(struct remote *r, const struct resource *res, remote_adopted fn, void *arg);
/** An event of @key, for resources that are being read. */
void remote_adopt_feed(struct remote *r, struct str key, const Mvccpb__Event *ev);
/** No events came up to @revision: what is being read must not be older. */
void remote_adopt_gap(struct remote *r, int64_t revision);

/* remote_watch.c */
void remote_watch_start(struct remote *r);   /** Follows etcd from behind the position on. */
void remote_watch_restart(struct remote *r); /** Begins anew, soon. */
void remote_watch_retry(struct timer *t);
void remote_watch_stop(struct remote *r); /** Ends it for good. */

/* remote_feed.c */
/** Keeps @c, read at @since, from now on. */
void remote_keep(struct remote *r, struct cache *c, int64_t since);
/** No more of it. */
void remote_unkeep(struct remote *r, struct cache *c);
/** Applies @kv's change to index and pending events. */
void remote_feed(struct remote *r, const Mvccpb__Event *ev);
/** Publishes what was fed; everything up to @revision is known. */
void remote_feed_publish(struct remote *r, int64_t revision);
/** Goes over to what @l has read. What happened before is forgotten: who watches begins anew. */
void remote_feed_load(struct remote *r, struct remote_load *l);
/** Whether @l has all that is kept and not newer. */
bool remote_feed_covers(const struct remote *r, struct remote_load *l);

/* remote_commit.c */
void remote_commit(struct remote *r, struct store_txn *txn); /** Any thread. */
/** The object that a transaction of ours put at @key with @revision, taken from it, or NULL. */
struct object *remote_commit_take(struct remote *r, struct str key, int64_t revision);
/** Answers what has been waiting for the position, or for too long. */
void remote_commit_wake(struct remote *r);
/** A lease for @ttl_sec came, or none. */
void remote_commit_leased(struct remote *r, uint32_t ttl_sec, const struct err *err);
void remote_commit_end(struct remote *r); /** Answers all with ERR_UNAVAILABLE. */

/* remote_txn.c */
struct commit_put {
    int64_t create_revision, version;
};
/** Etcd's transaction for @ops[n]; in @a. */
Etcdserverpb__TxnRequest *remote_txn_make(const struct remote *r, const struct store_op *ops,
                                          size_t n, int64_t lease, struct arena *a);
/** What @answer to it says. Fails as struct store_txn says, then with *@ret_failed and
 *  *@ret_current (a reference, or NULL); else @ret_puts[n] and *@ret_removed (a reference to the
 *  last victim, or unchanged). */
MUST_USE int remote_txn_read(const struct remote *r, const struct store_op *ops, size_t n,
                             const Etcdserverpb__TxnResponse *answer, struct commit_put *ret_puts,
                             struct object **ret_removed, size_t *ret_failed,
                             struct object **ret_current, struct err *err);

/* remote_fresh.c */
/** See store_fresh(). Any thread. */
void remote_fresh(struct remote *r, struct loop *loop,
                  void (*fn)(void *arg, const struct err *err), void *arg);
/** What etcd had when the position was @floor, it cannot have lost, unless its data were replaced:
 *  what stands in the indexes is of another history then. From then on, for good: ERR_INTERNAL. */
MUST_USE int remote_check_history(struct remote *r, int64_t revision, int64_t floor,
                                  struct err *err);
void remote_fresh_retry(struct timer *t); /** Asks again. */
void remote_fresh_wake(struct remote *r); /** Answers what the position satisfies, or too late. */
void remote_fresh_end(struct remote *r);  /** Answers all with ERR_UNAVAILABLE. */

/* remote_lease.c */
/** False if there are too many different times already. */
bool remote_lease_known(struct remote *r, uint32_t ttl_sec);
/** A lease for one more key that ends in @ttl_sec; 0: remote_commit_leased() follows. */
int64_t remote_lease_get(struct remote *r, uint32_t ttl_sec);
/** Etcd does not have the lease @id any more: it was revoked, or ended before its time. */
void remote_lease_gone(struct remote *r, int64_t id);

/* remote_compact.c */
void remote_compact(struct remote *r); /** Does what is due. */
