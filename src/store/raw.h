/* raw.h - the store's keys and values as bytes, with etcd's meaning: what an etcd server needs.
 *
 * A raw transaction is a function that the store runs in its one order of transactions, between
 * those on objects: it reads what is true there, and may write. All it writes has one revision, is
 * in one batch with what arrived beside it, and is durable before on_done runs. A write to a key of
 * a resource that the store keeps goes through that resource's cache and journal, as if the API
 * server had made it; bytes that are no such object are refused.
 *
 * Semantics: https://etcd.io/docs/v3.5/learning/data_model/ and .../api_guarantees/
 *
 * Layer: store. Threads: raw_commit() and raw_subscribe() any; what takes a struct raw only inside
 * run, on the store's thread.
 */
#pragma once
#include "store/store.h"

struct raw; /* what a running raw transaction sees */
struct raw_hold;
struct raw_txn { /* owned by the caller, untouched by it until on_done */
    /* Runs on the store's thread and must not block. 0, or an error, which code and err tell.
     * One after something was written (a damaged record was met) fails all of its batch: ERR_IO. */
    int (*run)(struct raw *raw, void *arg, struct err *err);
    struct loop *loop; /* where on_done runs */
    void (*on_done)(struct raw_txn *txn);
    void *arg;
    /* About how many it will write: a batch is not to grow without bounds. While the disk fails,
     * those with 0 run before the others of their batch. */
    size_t bytes;
    /* Set before on_done: */
    int code;         /* what run said; ERR_IO: the commit failed, nothing was written (what has
                         only read is answered all the same, if nothing was written before it);
                         ERR_TOO_MANY, ERR_UNAVAILABLE as in store.h */
    int64_t revision; /* of its writes, or of the store when it wrote nothing */
    const struct err *err; /* what code is about; in this structure */
    bool defragment;       /* the store's: it asked for that */
    bool stands;           /* the store's: what it saw is true even if the commit fails */
    struct store_txn base; /* the store's */
    struct store_op op;    /* the store's */
};
/** Queues @txn; not for a store over an external etcd. Any thread; on_done runs exactly once,
 *  later, on txn->loop. */
void raw_commit(struct store *st, struct raw_txn *txn);

struct raw_kv { /* borrowed until the next call on the struct raw */
    struct str key, value;
    int64_t create_revision, mod_revision, version, lease;
    uint32_t sub; /* number of the change within its revision, from 0 */
    bool deleted; /* a tombstone, in raw_changes() only: mod_revision is the deletion's */
};
/** The revision that holds before this transaction, the oldest still readable, and the bytes that
 *  the engine has on disk, and of them in use. */
int64_t raw_revision(const struct raw *raw);
int64_t raw_compacted(const struct raw *raw);      /** See raw_revision(). */
uint64_t raw_size_bytes(const struct raw *raw);    /** See raw_revision(). */
uint64_t raw_used_bytes(const struct raw *raw);    /** See raw_revision(). */
/** The newest entry of @key. ERR_NOT_FOUND as an outcome. Sees this transaction's writes. */
MUST_USE int raw_get(struct raw *raw, struct str key, struct raw_kv *ret_kv, struct err *err);
/** Calls @each for the live keys in [@from, @end) in key order (@end STR_NULL: no end) as of
 *  @revision (0: now, with this transaction's writes); stops when it returns non-zero, returning
 *  that. ERR_EXPIRED (compacted), ERR_TIMEOUT (future). @each does not call the store. */
MUST_USE int raw_range(struct raw *raw, struct str from, struct str end, int64_t revision,
                       int (*each)(void *arg, const struct raw_kv *kv), void *arg,
                       struct err *err);
/** How many keys that raw_range() would be called for; much quicker. Errors as there. */
MUST_USE int raw_count(struct raw *raw, struct str from, struct str end, int64_t revision,
                       int64_t *ret_n, struct err *err);
/** Holds history back: what is true at this transaction's revision stays readable through
 *  raw_range_held() for @max_ms, whatever is compacted meanwhile. Ends with raw_hold_end().
 *  ERR_TOO_MANY. */
MUST_USE int raw_hold(struct raw *raw, uint64_t max_ms, struct raw_hold **ret_h, struct err *err);
/** As raw_range() from @from on, as of what @h holds. ERR_EXPIRED (its time has passed). */
MUST_USE int raw_range_held(struct raw *raw, const struct raw_hold *h, struct str from,
                            int (*each)(void *arg, const struct raw_kv *kv), void *arg,
                            struct err *err);
/** Lets go, once the transaction has ended; the store may be gone. Any thread. NULL is a no-op;
 *  returns NULL. */
struct raw_hold *raw_hold_end(struct raw_hold *h);
/** Every committed change with a revision in [@from, @to], in order of revision and of writing.
 *  ERR_EXPIRED. */
MUST_USE int raw_changes(struct raw *raw, int64_t from, int64_t to,
                         int (*each)(void *arg, const struct raw_kv *kv), void *arg,
                         struct err *err);
/** Says what raw_put() of this would: ERR_TOO_LARGE (a key has 1 to 511 bytes), ERR_BAD_REQUEST (no
 *  object of the kind that lives there). To be asked for all puts before the first write. */
MUST_USE int raw_may_put(struct raw *raw, struct str key, struct str value, struct err *err);
/** Writes. A key is written once a transaction. As raw_may_put(), and ERR_BAD_REQUEST: written
 *  twice; after ERR_IO the batch fails as a whole. */
MUST_USE int raw_put(struct raw *raw, struct str key, struct str value, int64_t lease,
                     struct err *err);
/** Deletes; ERR_NOT_FOUND as an outcome; ERR_BAD_REQUEST (written twice), ERR_IO. */
MUST_USE int raw_delete(struct raw *raw, struct str key, struct err *err);
/** Forgets history before @revision, from now on and in pieces in the background. ERR_EXPIRED,
 *  ERR_TIMEOUT. */
MUST_USE int raw_compact(struct raw *raw, int64_t revision, struct err *err);

/** Has the engine's file written anew, without its free pages; nothing else of the store runs
 *  meanwhile. The only call of its transaction, and 0: it takes place after the batch has been
 *  committed, and txn->code and err say how it went (as engine_ops.defragment, in engine.h). */
MUST_USE int raw_defragment(struct raw *raw, struct err *err);

/* Notes: small durable facts beside the keys, without revisions (leases, identities). */
/** Keeps @value under @name; STR_NULL removes. Durable with the batch. Names that begin with
 *  "store/" are the store's own. ERR_TOO_LARGE (a name has 1 to 511 bytes), ERR_IO as raw_put(). */
MUST_USE int raw_note(struct raw *raw, struct str name, struct str value, struct err *err);
/** Calls @each for the notes whose name has @prefix, in order. */
MUST_USE int raw_notes(struct raw *raw, struct str prefix,
                       int (*each)(void *arg, struct str name, struct str value), void *arg,
                       struct err *err);

/** Runs @fn(@arg) on @loop after the store's revision has grown, at most once queued at a time.
 *  Ends with subscription_free(). Any thread. */
struct subscription *raw_subscribe(struct store *st, struct loop *loop, void (*fn)(void *arg),
                                   void *arg);
