/* engine.h - what keeps revisions on disk: the interface that lmdb and memory implement.
 *
 * A multi-version key-value map with etcd's meaning of revision, create revision, mod revision and
 * version (https://etcd.io/docs/v3.5/learning/data_model/). An engine is driven by one thread (the
 * store's); it may block on the disk. Writes collect in an open batch until commit.
 *
 * Layer: store. Threads: the store thread.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    ENGINE_KEY_MAX = 511, /* bytes of a key; longer or empty ones are ERR_TOO_LARGE */
    /* So many revisions after the last committed one may be given out before the next commit: an
     * engine that ends without close() never reports a current revision below one of them. */
    ENGINE_REVISIONS_AHEAD = 4096,
};
struct engine;
struct engine_kv {
    struct str key, value; /* borrowed from the engine until the next call on it */
    int64_t mod_revision, create_revision, version;
    int64_t lease; /* the caller's number, kept as given; 0: none */
    uint32_t sub;  /* number of the change within its revision, from 0 */
    bool deleted; /* a tombstone; value is empty */
};
struct engine_ops {
    const char *name; /* "lmdb", "memory" */
    /* The last revision that may have been given out, and the oldest still readable. */
    void (*revisions)(struct engine *e, int64_t *ret_current, int64_t *ret_compacted);
    /* Calls @each for every live key in [@from, @end) in key order (empty @from: from the first;
     * empty @end: to the last; see str_prefix_end()); stops when it returns non-zero, returning
     * that. @revision 0: newest; ERR_EXPIRED when compacted away, ERR_TIMEOUT when in the future.
     * Sees the open batch. @each does not call the engine. */
    int (*range)(struct engine *e, struct str from, struct str end, int64_t revision,
                 int (*each)(void *arg, const struct engine_kv *kv), void *arg, struct err *err);
    /* How many range() would call for, without looking at their values. */
    int (*count)(struct engine *e, struct str from, struct str end, int64_t revision,
                 int64_t *ret_n, struct err *err);
    /* The newest live entry of @key: ERR_NOT_FOUND as an outcome. Sees the open batch. */
    int (*get)(struct engine *e, struct str key, struct engine_kv *ret_kv, struct err *err);
    /* Every change with mod revision in [from, to], in order. ERR_EXPIRED when compacted away. */
    int (*changes)(struct engine *e, int64_t from, int64_t to,
                   int (*each)(void *arg, const struct engine_kv *kv), void *arg, struct err *err);
    /* Adds to the open batch (opened at need). @revision rises from put to put, several keys may
     * share one. Deleting an absent key is ERR_NOT_FOUND; the batch goes on. After any other error
     * the batch can only be aborted. */
    int (*put)(struct engine *e, int64_t revision, struct str key, struct str value,
               int64_t lease, struct err *err);
    int (*remove)(struct engine *e, int64_t revision, struct str key, struct err *err);
    /* As put(), of a key that is not there, with create revision, mod revision, version and lease
     * as given; mod revisions in rising order. ERR_EXISTS: the key is there; ERR_BAD_REQUEST: such
     * revisions cannot be. The batch goes on after both. */
    int (*restore)(struct engine *e, const struct engine_kv *kv, struct err *err);
    /* Notes: values beside the keys, without revisions. Keeps @value under @name in the open batch
     * (opened at need); STR_NULL removes, also what is not there. ERR_TOO_LARGE: as of keys. */
    int (*note)(struct engine *e, struct str name, struct str value, struct err *err);
    /* Calls @each for the notes whose name has @prefix, in order; as range(). */
    int (*notes)(struct engine *e, struct str prefix,
                 int (*each)(void *arg, struct str name, struct str value), void *arg,
                 struct err *err);
    /* Makes the batch durable (one sync), or drops it whole and returns the error. Should the
     * process end before the next commit, the next open may find it all the same, whole. */
    int (*commit)(struct engine *e, struct err *err);
    void (*abort)(struct engine *e); /* drops the open batch */
    /* What fails behind commits that work, and is tried again with each: NULL, or why. Until the
     * next call on the engine. */
    const char *(*trouble)(struct engine *e);
    /* Forgets history before @revision: what was true at @revision, and every change since, stays
     * readable. Does a bounded amount of work a call: ret_more says whether to call again. Not
     * while a batch is open. ERR_TIMEOUT when in the future. */
    int (*compact)(struct engine *e, int64_t revision, bool *ret_more, struct err *err);
    /* Writes the file anew, without its free pages, and uses that; needs room for both meanwhile.
     * Not while a batch is open. ERR_IO, ERR_PARSE (damaged). After an error, or when the process
     * ends within, the old file is there or the new one, whole. */
    int (*defragment)(struct engine *e, struct err *err);
    /* Between batches, when their answers have gone: does what was put off for their sake. @idle:
     * nothing has been written for a while, memory that is kept for more is given back. @now_ms: of
     * a clock that never goes back. What fails is tried again. NULL: there never is anything. */
    void (*rest)(struct engine *e, uint64_t now_ms, bool idle);
    uint64_t (*size_bytes)(struct engine *e); /* on disk */
    uint64_t (*used_bytes)(struct engine *e); /* of them, holding data */
    void (*close)(struct engine *e);
};
struct engine {
    const struct engine_ops *ops;
}; /* first member of every implementation */

/** For implementations: ERR_BAD_REQUEST if no key can have the revisions of @kv. */
static inline int engine_restore_check(const struct engine_kv *kv, struct err *err)
{
    if (kv->create_revision >= 1 && kv->create_revision <= kv->mod_revision && kv->version >= 1)
        return 0;
    return err_new(err, ERR_BAD_REQUEST,
                   "%.*s cannot be at revision %lld, version %lld, since %lld", STR_ARG(kv->key),
                   (long long)kv->mod_revision, (long long)kv->version,
                   (long long)kv->create_revision);
}

/** Opens (makes) the LMDB environment in folder @dir. ERR_IO with the reason (locked, ...),
 *  ERR_PARSE (damaged). */
MUST_USE int engine_lmdb_open(const char *dir, struct engine **ret_e, struct err *err);
/** An engine in memory, with the same meaning; it dies with the process. */
struct engine *engine_memory_new(void);
