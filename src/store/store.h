/* store.h - the cluster's state: transactions, group commit; per resource an index and a journal.
 *
 * What follows is of the embedded store. Over an external etcd (store_opts.etcd) that one gives the
 * revisions, and other API servers write to it, too: each transaction is one of etcd's, and index
 * and journal follow a watch over all of etcd's keys, so that the store's revision is etcd's. An
 * answer is given when the watch has shown what was written. Nothing is lazy there, and what was
 * read may be old: store_fresh() waits until it is not.
 *
 * One thread (or one simulated loop) owns the engine. It takes all transactions that arrived while
 * the last commit ran, checks their expectations in order, gives each a revision, writes them in
 * one batch with one sync, then publishes: journal and index of each resource, then the store's
 * revision, then the answers. Revisions are given and events published at this one place, in one
 * order. A commit that fails is answered with ERR_IO to all that were in it, and has had no effect;
 * the store goes on.
 *
 * Readers on any thread see immutable snapshots and never wait for a writer. A list at revision R
 * and a watch from R together miss nothing and repeat nothing.
 *
 * Lazy transactions (heartbeats) are published and answered at once and reach the disk with the
 * next batch, at the latest after lazy_max_ms. A crash may lose them and nothing else; revisions
 * given to them are never given again (a ceiling is persisted ahead).
 *
 * Layer: store. Threads: as each function says.
 */
#pragma once
#include "base/loop.h"
#include "base/omap.h"
#include "schema/object.h"
#include "store/engine.h"

struct store;
struct tls_context;
struct etcd_opts { /* an external etcd; copied, but for tls */
    const char *const *endpoints; /* "https://host:port", "http://host:port" or "host:port" */
    size_t n_endpoints;
    struct tls_context *tls;      /* for https; borrowed, outlives the store */
    const char *prefix;           /* of all keys; NULL: "/registry" */
    uint32_t compact_ms;          /* between compactions, by one of the API servers; 0: none */
    uint32_t open_timeout_ms;     /* how long store_open() waits for it; 0: 60000 */
    /* What operators should know: it fails, it answers again (@good). In store_open(), and on the
     * store's thread. May be NULL. */
    void (*tell)(void *arg, bool good, const char *text);
    void *arg;
};
struct store_opts {
    struct engine *engine; /* taken over: closed by store_close(), also when store_open() fails */
    const struct etcd_opts *etcd; /* instead of engine; loop must be NULL then */
    struct loop *loop; /* NULL: a thread of its own; else all runs on this loop (simulation) */
    const struct clock *clock; /* NULL: the loop's, or clock_real() */
    uint32_t lazy_max_ms;      /* 0: 5000 */
    uint32_t history_ms;       /* journal and engine history kept at least this long; 0: 300000;
                                  UINT32_MAX: until raw_compact(), and journal_max */
    /* Under a storm of writes history is shorter, unless history_ms is UINT32_MAX: */
    uint32_t journal_max;      /* events kept per resource at most; 0: 65536 */
    uint32_t history_max;      /* revisions that the engine keeps at most; 0: 65536 */
    uint64_t history_bytes;    /* and their keys and values; half of it is also what the events of
                                  a resource take at most, whatever history_ms is; 0: 256 MB */
    /* What operators should know: the disk fails, works again (@good). Of an embedded store; on its
     * thread or loop. May be NULL. */
    void (*tell)(void *arg, bool good, const char *text);
    void *tell_arg;
    uint32_t txns_max;         /* waiting transactions; 0: 4096; more are refused with TOO_MANY */
};
/** Opens: loads every object of @resources[n] into the indexes. ERR_IO, ERR_PARSE (damaged value,
 *  named; in etcd, such values are logged and not shown), ERR_UNAVAILABLE (no etcd answers). */
MUST_USE int store_open(const struct store_opts *opts, const struct resource *const *resources,
                        size_t n, struct store **ret_st, struct err *err);
/** Commits what is waiting, closes the engine, frees. Subscriptions must have ended; cursors,
 *  snapshots and objects may live on. NULL is a no-op; returns NULL. */
struct store *store_close(struct store *st);
/** The newest revision whose events are all published. Any thread. */
int64_t store_revision(const struct store *st);

enum store_op_kind {
    STORE_PUT,
    STORE_DELETE,
    STORE_CHECK,
    /* The only op of its transaction; for resources that come and go while the store is open: */
    STORE_ADOPT, /* loads @res and keeps it from now on, as if given to store_open() */
    STORE_DROP,  /* forgets @res, whose cache nobody uses any more; its objects stay on disk */
    STORE_RAW,   /* the store's: see raw.h */
};
/* expect_revision: anything goes; must not exist; n: must be at revision n */
enum { STORE_ANY = -1, STORE_ABSENT = 0 };
struct store_op {
    enum store_op_kind kind;
    const struct resource *res; /* a storage resource */
    struct object *object;      /* PUT: as object_new() made it; the store takes this reference */
    struct str key;             /* DELETE, CHECK; borrowed until on_done */
    int64_t expect_revision;
    uint32_t ttl_sec;           /* PUT: the object ends so long after (if store_has_ttl()); 0: no */
};
/* All ops or none; owned by the caller, untouched by it until on_done. An etcd takes 64 ops at a
 * time: longer transactions reach it in pieces, each all or none; only what may be done again in
 * whole (bootstrap) is so long. */
struct store_txn {
    struct store_op *ops;
    size_t n;
    bool lazy;
    struct loop *loop; /* where on_done runs */
    void (*on_done)(struct store_txn *txn);
    void *arg;
    /* Set before on_done: */
    int code; /* 0; ERR_CONFLICT, ERR_NOT_FOUND, ERR_EXISTS, ERR_TOO_LARGE (key), ERR_BAD_REQUEST (a
                 key written twice): failed_op says which; ERR_IO; ERR_TOO_MANY: try later;
                 ERR_UNAVAILABLE: closing; of an etcd also ERR_UNAVAILABLE, ERR_TIMEOUT: it does
                 not answer, and may or may not have done it */
    size_t failed_op;
    struct object *current; /* of failed_op: a reference to what is there, or NULL; caller unrefs */
    struct object *removed; /* the last DELETE's victim, with the revision of its deletion in
                               revision and in its JSON; caller unrefs */
    int64_t revision;       /* of the commit */
    struct err err;
    void *next; /* the store's */
};
/** Queues @txn. Any thread; never blocks; on_done runs exactly once, later, on txn->loop. */
void store_commit(struct store *st, struct store_txn *txn);

/** True if others may write to what is below this store: then what is read here may be old. */
bool store_has_peers(const struct store *st);
/** Sees to it that what is read from now on holds everything that anyone had written when this was
 *  called: @fn(@arg) runs once on @loop when it does, @err NULL; or with why that cannot be known:
 *  ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_INTERNAL (etcd was restored from a backup). Only with peers.
 *  Any thread. */
void store_fresh(struct store *st, struct loop *loop, void (*fn)(void *arg, const struct err *err),
                 void *arg);
/** True if objects end by their ttl_sec: then nobody else need remove them. */
bool store_has_ttl(const struct store *st);
/** False while no etcd answers. Any thread. */
bool store_healthy(const struct store *st);

/* What is known of one resource. Any thread. */
struct cache;
/** The cache of @res (or of its storage resource); NULL if the store does not keep it. Any
 *  thread. */
struct cache *store_cache(struct store *st, const struct resource *res);
/** A reference to the newest object of @key, or NULL. */
struct object *cache_find(struct cache *c, struct str key);

struct snapshot { /* all objects of a resource at one revision; immutable */
    struct ref ref;
    struct omap objects;
    int64_t revision;
};
/** A snapshot of @objects, which it shares. */
struct snapshot *snapshot_new(const struct omap *objects, int64_t revision);
/** The newest state, with the revision a list of it reports. Ends with snapshot_unref(). */
struct snapshot *cache_snapshot(struct cache *c);
/** The state exactly at @revision, made by undoing the journal. ERR_EXPIRED (older than the
 *  journal), ERR_TIMEOUT (in the future). */
MUST_USE int cache_snapshot_at(struct cache *c, int64_t revision, struct snapshot **ret_s,
                               struct err *err);
struct snapshot *snapshot_unref(struct snapshot *s); /** NULL is a no-op; returns NULL. */

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };
struct event {
    enum event_type type;
    int64_t revision;
    struct object *object; /* DELETED: the last state, with revision set to the deletion's */
    struct object *prev;   /* MODIFIED, DELETED: the state before; else NULL */
};
/* A cursor into the journal: costs a few words, holds at most a chunk of events back. One thread at
 * a time. */
struct watch_cursor {
    struct journal_chunk *chunk;
    uint32_t at;
    int64_t revision; /* everything up to here has been returned */
};
/** Stands behind @from_revision. ERR_EXPIRED: "too old resource version: N (M)". */
MUST_USE int watch_open(struct cache *c, int64_t from_revision, struct watch_cursor *ret_w,
                        struct err *err);
/** The next event (borrowed until the next call on this cursor). 1, 0 when there is none yet (then
 *  w->revision is the store's revision up to which this resource had none), or ERR_EXPIRED when it
 *  fell off the tail. */
MUST_USE int watch_next(struct cache *c, struct watch_cursor *w, struct event *ret_ev,
                        struct err *err);
void watch_close(struct watch_cursor *w); /** Idempotent. */

struct subscription; /* a loop's wish to be told that a journal grew */
/** Runs @fn(@arg) on @loop after events were published, at most once queued at a time. Any
 *  thread. */
struct subscription *cache_subscribe(struct cache *c, struct loop *loop, void (*fn)(void *arg),
                                     void *arg);
/** Ends it: @fn does not run any more. On its loop. Returns NULL. */
struct subscription *subscription_free(struct subscription *s);

struct store_stats {
    uint64_t commits, failed_commits, txns, lazy_txns, size_bytes;
    int64_t revision, compacted;
};
void store_stats(struct store *st, struct store_stats *ret_s); /** Any thread. */
