/* store_internal.h - the store's own state, shared by its files.
 *
 *     store.c    open, close, the thread or loop, the queue of transactions
 *     batch.c    one batch: check, apply, commit, publish or roll back, answer
 *     cache.c    what readers see: snapshots, cursors, subscriptions
 *     raw.c      transactions on keys and values as bytes
 *     load.c     which resources there are, and loading them
 *     upkeep.c   lazy deadline, journal trimming, compaction: what is due when
 *     remote*.c  the same store over an external etcd: see remote.h
 *
 * Layer: store. Threads: the store's own (its thread or loop), but for members marked "any".
 */
#pragma once
#include "base/buf.h"
#include "base/queue.h"
#include "base/vec.h"
#include "store/journal.h"

enum {
    STORE_BATCH_TXNS = 1024,        /* transactions in one commit */
    STORE_BATCH_BYTES = 8 << 20,    /* and the JSON in it, unless one transaction alone is larger */
    STORE_LAZY_PENDING = 1024,      /* lazy writes that wait; engine.h has revisions for more */
    STORE_LAZY_BYTES = 8 << 20,     /* and their keys and values, but for one batch's */
    STORE_TABLE = 4096,             /* a power of two */
    STORE_RESOURCES_MAX = 2048,
    STORE_SAMPLES = 64,             /* of time, revision and bytes, for compaction */
    STORE_RETRY_MS = 1000,          /* after a failed commit or compaction that nobody waits for */
    STORE_HOLDS = 64,               /* of history, at once */
};

struct subscription {
    struct ref ref; /* the subscriber's, and that of a queued run */
    struct cache *cache;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    atomic_bool queued; /* any: a run is posted and has not started */
    bool ended;         /* its loop's */
};
struct cache {
    struct store *store;
    const struct resource *res;
    struct omap objects;  /* the working state: published, and the current batch's changes */
    struct journal journal; /* any, as journal.h says */
    struct cell *current; /* any: the published struct snapshot */
    VEC(struct event) pending; /* of the current batch */
    bool touched;              /* by the current batch */
    struct mutex *subs_mutex;  /* guards subs: subscribers come and go on their loops */
    VEC(struct subscription *) subs;
};
struct lazy_write { /* published, not yet in the engine; key and value follow it */
    int64_t revision;
    struct str key, value;
    bool deleted;
};
struct sample { /* when the store was at a revision, and what it had written until then */
    uint64_t at_ms, bytes;
    int64_t revision;
};
struct trouble { /* that operators hear of when it begins and when it ends */
    bool told;
    uint64_t last_ms; /* when it failed last */
};
struct batch {
    VEC(struct store_txn *) txns;
    VEC(struct cache *) touched;
    bool durable; /* goes to the engine; else it holds only lazy writes */
    bool sync;    /* the engine has an open batch */
    bool dirty;   /* it has changes that nobody may know of before the commit */
    int64_t compact_to; /* what raw transactions asked for; 0: nothing */
    bool defragment;    /* they asked for that: after the commit */
    int defragment_code; /* how it went */
    struct err defragment_err;
    int code;     /* 0, or why the whole batch fails */
    struct err err;
};
struct link { /* what queued callbacks hold: the store may be gone when they run */
    struct ref ref;
    struct store *st; /* NULL: gone */
    bool committed;   /* the commit under way has been made, its publication not yet */
};
struct raw_hold { /* history from revision on is not forgotten */
    struct ref ref; /* the holder's and the store's */
    int64_t revision;
    uint64_t until_ms;
    atomic_bool ended; /* any */
};
struct store {
    struct store_opts opts;
    struct engine *engine; /* NULL: remote */
    struct remote *remote; /* NULL: the embedded store */
    const struct clock *clock;
    struct queue *queue; /* any */
    struct thread *thread;
    VEC(struct cache *) caches;
    _Atomic(struct cache *) table[STORE_TABLE]; /* any: caches by res, open addressing */
    struct cache all;                           /* nothing but who wants to know of any change */
    struct cache gone;                          /* stands in places of table that were given up */
    int64_t revision;         /* last one given */
    /* The last one in commits that failed since one worked: a frame of theirs may be on disk. */
    int64_t failed_revision;
    atomic_int_fast64_t published; /* any */
    struct store_txn *taken[STORE_BATCH_TXNS]; /* off the queue; before taken_at: in a batch */
    size_t n_taken, taken_at;
    struct batch batch;
    VEC(struct raw_hold *) holds;
    VEC(struct lazy_write *) lazy;
    size_t lazy_bytes;    /* of their keys and values */
    uint64_t lazy_due_ms; /* 0: nothing pending */
    uint64_t trim_due_ms; /* 0: journals are empty */
    uint64_t written_bytes; /* keys and values, since it was opened */
    uint64_t rest_due_ms; /* 0: nothing was written since the engine's last rest */
    struct sample samples[STORE_SAMPLES]; /* oldest first */
    size_t n_samples;
    uint64_t compact_due_ms; /* 0: nothing to compact */
    int64_t compact_to;      /* under way while above compacted */
    struct trouble writing, compacting;
    atomic_uint_fast64_t failed_commits; /* any */
    atomic_uint_fast64_t commits, n_txns, n_lazy_txns, size_bytes; /* any */
    atomic_int_fast64_t compacted;                                 /* any */
    atomic_bool closing;
    /* On a loop: */
    struct timer timer;
    struct link *link;
    atomic_bool posted; /* any: a turn is queued */
    bool committing;    /* a commit is under way */
};

/** Tells that @what, of which @t is the state, failed now with @why, or with NULL worked: only when
 *  that is news. On a disk that is nearly full large writes fail and small ones do not: works again
 *  what has not failed for STORE_RETRY_MS. */
void store_tell(struct store *st, struct trouble *t, const char *what, const char *why);
/** The store's monotonic clock. */
uint64_t store_now_ms(const struct store *st);

/** Bytes of JSON that a journal holds at most. */
static inline uint64_t store_journal_bytes(const struct store *st)
{
    return st->opts.history_bytes / 2; /* of one resource; several may have a storm at once */
}

/** Frees @st and its caches; nothing of it runs any more. */
void store_free(struct store *st);

/* batch.c */
/** Starts the next batch with @txns[n]: checks and applies them in order. */
void batch_begin(struct store *st, struct store_txn *const *txns, size_t n);
/** Starts a batch of nothing but the lazy writes that wait. */
void batch_begin_lazy(struct store *st);
/** Opens the engine's batch and puts the lazy writes that wait there first; no-op when it is
 *  open. Errors are the batch's. */
void batch_open_engine(struct store *st);
/** Sends one change to where the batch goes. An error is the batch's, too. */
MUST_USE int batch_write(struct store *st, int64_t revision, struct str key, struct str value,
                         int64_t lease, bool deleted);
/** Puts @op's object, whose reference is taken on success; deletes @key, which is there. Errors as
 *  batch_write(). */
MUST_USE int batch_put(struct store *st, struct cache *c, struct store_op *op, int64_t revision,
                       int64_t lease);
MUST_USE int batch_delete(struct store *st, struct cache *c, struct store_txn *txn,
                          struct str key, int64_t revision); /** See batch_put(). */
/** True if the batch has work for the disk. */
bool batch_blocks(const struct store *st);
/** Does that work, if there is any: commits the engine's part; the outcome is kept in the batch. */
void batch_commit(struct store *st);
/** Publishes or rolls back, and answers every transaction. */
void batch_finish(struct store *st);
/** True if @txn adopts or drops a resource: then it is a batch of its own. */
bool txn_is_of_resource(const struct store_txn *txn);
/** Zeroes what @txn says of its outcome. */
void txn_reset(struct store_txn *txn);
/** Two writes to one key in one revision have no order: ERR_BAD_REQUEST if op @at makes such. */
MUST_USE int txn_check_distinct(const struct store_txn *txn, size_t at, struct err *err);
/** Drops what is left of the objects of @txn and posts its on_done. Any thread. */
void txn_answer(struct store_txn *txn);
/** Answers @txn with an error, without having looked at it. Any thread. */
void txn_refuse(struct store_txn *txn, int code, const char *why);

/* raw.c */
static inline bool txn_is_raw(const struct store_txn *txn)
{
    return txn->n == 1 && txn->ops[0].kind == STORE_RAW;
}
void raw_hold_unref(struct raw_hold *h); /** Any thread. */
/** Runs the raw transaction of which @txn is part. */
MUST_USE int raw_run(struct store *st, struct store_txn *txn);
/** About how many bytes it will write. */
size_t raw_bytes(const struct store_txn *txn);
/** True if it is told to write nothing, as far as can be known before it runs. */
bool raw_is_reader(const struct store_txn *txn);
/** True if it has only read, and nothing that a failed commit takes back. */
bool raw_stands(const struct store_txn *txn);
/** True if it has asked for the file to be written anew. */
bool raw_defragments(const struct store_txn *txn);
/** Takes up a compaction that a former run was told to do. */
MUST_USE int raw_resume(struct store *st, struct err *err);

/* cache.c */
/** Makes @c empty, knowing nothing of what came up to the store's revision. */
void cache_init(struct cache *c, struct store *st, const struct resource *res);
void cache_deinit(struct cache *c); /** Drops everything; subscriptions must be gone. */
/** Publishes the working state, whose newest event is at @revision. */
void cache_publish(struct cache *c, int64_t revision);
/** Back to the published state. */
void cache_rollback(struct cache *c);
void cache_wake(struct cache *c); /** Tells the subscribers. */
/** The cache of @res, or NULL. Any thread. */
struct cache *store_find_cache(const struct store *st, const struct resource *res);

/* load.c */
/** Makes the cache of @res and fills it from the engine, with the open batch; no-op when there is
 *  one. ERR_PARSE, ERR_IO, ERR_TOO_LARGE (too many resources). */
MUST_USE int store_adopt(struct store *st, const struct resource *res, struct err *err);
/** Shows the filled cache @c to store_find_cache(). */
void store_keep(struct store *st, struct cache *c);
/** Gives up the cache of @res, if there is one. */
void store_drop(struct store *st, const struct resource *res);

/* upkeep.c */
/** Notes that something was committed or published now. */
void upkeep_note(struct store *st);
/** From now on history before @revision is forgotten, in pieces. */
void upkeep_compact(struct store *st, int64_t revision);
/** Drops the holds that are over; returns the oldest revision that is held, INT64_MAX if none. */
int64_t upkeep_held(struct store *st, uint64_t now);
/** Does what is due, in bounded pieces. True when there is more to do at once. */
bool upkeep_run(struct store *st);
/** Milliseconds until something is due; -1: nothing is. */
int64_t upkeep_wait_ms(const struct store *st);
