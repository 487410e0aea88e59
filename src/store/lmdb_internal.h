/* lmdb_internal.h - the LMDB engine's tables, records and log, shared by its files.
 *
 *     engine_lmdb.c  reads, the open batch, commit
 *     lmdb_wal.c     the log that makes a batch durable
 *     lmdb_open.c    open, checkpoint, close
 *     lmdb_early.c   keeps the disk busy during a checkpoint
 *     lmdb_check.c   looks for damage before LMDB opens its file
 *     lmdb_record.c  what records look like
 *     lmdb_note.c    small values without revisions
 *     lmdb_compact.c forgets old history
 *     lmdb_defrag.c  writes the file anew
 *
 * and on disk, in tables of LMDB's:
 *
 *     rev    revision, sub (big-endian 8 + 4 bytes)  ->  record: header, key, value
 *     key    key  ->  entry: where its newest record is
 *     note   name  ->  checksum, value
 *     state  "state"  ->  what the engine knows of itself
 *
 * Records are appended and never changed; each names the record of the same key that it
 * replaces. Everything on disk is little-endian and guarded by a checksum. An entry of a key that
 * is there must agree with its record, too: those that older programs wrote have no checksum.
 *
 * Layer: store. Threads: the store thread.
 */
#pragma once
#include "base/buf.h"
#include "base/vec.h"
#include "base/mem.h"
#include "store/crc32c.h"
#include "store/engine.h"
#include <lmdb.h>

struct rev_at { /* a place in the rev table; revision 0: nowhere */
    int64_t revision;
    uint32_t sub;
};
struct record { /* decoded; key and value are views into the map */
    struct rev_at at, older;
    int64_t create, version, lease;
    bool deleted;
    struct str key, value;
};
struct entry {
    struct rev_at at;
    int64_t create, version;
    bool deleted;
};
struct engine_state {
    int64_t current;   /* at the last clean end */
    int64_t ceiling;   /* no revision above it has been given out */
    int64_t compacted; /* oldest readable revision */
    int64_t scanned;   /* as of the last checkpoint: see engine_lmdb.scanned */
    uint64_t salt;     /* of the log's frames since the last checkpoint */
    bool clean;
};
struct batch_op { /* to do again when LMDB's transaction was lost, or the map is too small */
    int64_t revision; /* 0: a note */
    int64_t lease;
    int64_t create, version; /* of a key that is restored; 0: what follows from what is there */
    size_t start, key_at, key_len, value_at, value_len; /* in the log */
    bool deleted;
};
struct engine_lmdb {
    struct engine base;
    MDB_env *env;
    MDB_dbi rev, key, note, meta;
    MDB_txn *read; /* reset while not in use */
    MDB_txn *txn;  /* what the log has, and the open batch; NULL: not begun, or lost */
    MDB_cursor *revs, *keys; /* of txn */
    struct rev_at last;      /* written by txn; revision 0: nothing yet */
    struct buf log;          /* as in its file: since the last checkpoint, then the open batch */
    VEC(struct batch_op) ops; /* in log */
    size_t log_done, ops_done; /* of these: committed */
    size_t checkpoint_bytes; /* the longest log that is not checkpointed at once, whatever data */
    uint64_t data_bytes;     /* in the trees, as of the last checkpoint for the log's length */
    uint64_t checkpoint_ms;  /* when the last one was for its length */
    uint64_t frames;         /* committed since the checkpoint */
    int64_t log_revision;    /* the last one in the log that was found at open; 0: none */
    int wal_fd;
    int direct_fd; /* of the same file, past the kernel's cache; -1: can't be */
    char *direct;  /* aligned memory for it */
    size_t direct_cap;
    size_t wal_bytes; /* of its file */
    int64_t current; /* committed */
    struct engine_state state; /* as of the last checkpoint, but for compacted */
    int64_t scanned; /* compaction has dealt with the records below it, within txn */
    size_t swept;    /* records that it has looked at since the checkpoint */
    size_t written;  /* changes in the last batch; 0 after a slice of compaction */
    bool lost;   /* the last batch failed or was given up: its revisions may be known outside */
    bool broken; /* LMDB refuses to go on: reopen before the next use */
    /* LMDB could not write its meta page: the disk may have the checkpoint that failed, with its
     * salt, or the one before. No frame is good for both: first another checkpoint. */
    bool unsure;
    struct err trouble; /* of the last checkpoint; code 0: it worked */
    bool renamed; /* data.mdb was, and the folder has not been synced since */
    char *dir;
    int lock_fd;
    uint64_t read_bytes; /* of values since the map was last released */
    struct crc32c crc;
};
enum {
    REV_KEY_BYTES = 12,
    RECORD_HEADER_BYTES = 48,
    ENTRY_BYTES = 36,
    STATE_BYTES = 52,
    /* A log is checkpointed when it is so long and the last such is CHECKPOINT_MS ago, or when it
     * is as long as a quarter of the data, within these limits: a checkpoint rewrites each page of
     * the key table that a change has touched, whether one has or fifty. */
    WAL_CHECKPOINT_BYTES = 1 << 20,
    WAL_CHECKPOINT_BUSY_BYTES = 2 << 20,
    WAL_CHECKPOINT_MAX_BYTES = 16 << 20,
    CHECKPOINT_MS = 2000,
};

static inline struct engine_lmdb *lmdb_of(struct engine *e)
{
    return (struct engine_lmdb *)(void *)e;
}
static inline MDB_val val_of(struct str s)
{
    return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.p};
}
static inline struct str val_str(const MDB_val *v)
{
    return (struct str){v->mv_data, v->mv_size};
}

/** ERR_IO that says what failed, with LMDB's reason @rc; notes when the environment is beyond
 *  use. */
int lmdb_fail(struct engine_lmdb *e, int rc, const char *what, struct err *err);
/** Doubles the map. No transaction may be open. */
int lmdb_grow(struct engine_lmdb *e, struct err *err);
/** Starts a read of the newest state, or of the open batch; ends with lmdb_read_end(). */
int lmdb_read_begin(struct engine_lmdb *e, MDB_txn **ret_txn, struct err *err);
void lmdb_read_end(struct engine_lmdb *e); /** What was read stays valid until the next call. */
/** Gives pages that were read back to the kernel's cache, now and then: mapped ones count as this
 *  process's memory. The next read maps them again. */
void lmdb_release_pages(struct engine_lmdb *e);
/** Writes the state record within @txn. An LMDB code. */
int lmdb_state_write(struct engine_lmdb *e, MDB_txn *txn, const struct engine_state *s);
/** Walks the trees of the file @name in @dir, to which nobody writes. ERR_PARSE (damaged: LMDB
 * might crash), ERR_IO. */
MUST_USE int lmdb_check(const char *dir, const char *name, struct err *err);
/** Makes the names of the files in @dir durable. ERR_IO. */
MUST_USE int lmdb_dir_sync(const char *dir, struct err *err);
/** Makes the environment usable again after an error that LMDB does not survive: opens it anew. */
MUST_USE int lmdb_revive(struct engine_lmdb *e, struct err *err);
/** Sees to it that the transaction has what the log has: makes it anew if it was lost. */
MUST_USE int lmdb_ready(struct engine_lmdb *e, struct err *err);
/** Drops the transaction; what the log has of it is done again when it is needed. */
void lmdb_txn_drop(struct engine_lmdb *e);
/** Sees to it that there is a transaction. */
MUST_USE int lmdb_txn_open(struct engine_lmdb *e, struct err *err);
/** Writes what the log has into LMDB's file, with the state @s and a new salt, and empties the log.
 *  No batch is open. On an error nothing is lost, and it can be tried again. */
int lmdb_checkpoint(struct engine_lmdb *e, const struct engine_state *s, struct err *err);
/** Opens folder @dir into the zeroed @e; on failure @e is freed. */
MUST_USE int lmdb_setup(struct engine_lmdb *e, const char *dir, struct err *err);
void lmdb_close(struct engine *base); /** engine_ops.close */
/* lmdb_note.c */
/** Does @op, a note's, within the open batch. An LMDB code. */
int note_apply(struct engine_lmdb *e, const struct batch_op *op);
/** engine_ops.notes */
MUST_USE int lmdb_notes(struct engine *base, struct str prefix,
                        int (*each)(void *arg, struct str name, struct str value), void *arg,
                        struct err *err);
/** engine_ops.compact */
MUST_USE int lmdb_compact(struct engine *base, int64_t revision, bool *ret_more, struct err *err);
/** engine_ops.defragment */
MUST_USE int lmdb_defragment(struct engine *base, struct err *err);

/* The log: lmdb_wal.c */
/** Opens the log and takes what it has since the checkpoint of e->state: its operations, the last
 *  revision and the ceiling. ERR_IO, ERR_PARSE (damaged). */
MUST_USE int wal_open(struct engine_lmdb *e, struct err *err);
void wal_close(struct engine_lmdb *e); /** Idempotent. */
/** Adds a change (revision, key, value, lease, deleted of @r; revision 0: a note; with create and
 *  version: restored) to the open batch's frame. */
void wal_op_add(struct engine_lmdb *e, const struct record *r, struct batch_op *ret_op);
/** Takes the last change, not yet in ops, back. */
void wal_op_drop(struct engine_lmdb *e, const struct batch_op *op);
/** Makes the open batch durable, with @ceiling. ERR_IO: it is still open. */
MUST_USE int wal_commit(struct engine_lmdb *e, int64_t ceiling, struct err *err);
void wal_batch_drop(struct engine_lmdb *e); /** Forgets the open batch. */
void wal_reset(struct engine_lmdb *e);      /** Forgets everything: it is in LMDB's file. */
void wal_release(struct engine_lmdb *e);    /** Gives the memory of an empty log back. */
void wal_shorten(struct engine_lmdb *e);    /** Cuts the file of an empty log, if it is long. */
uint64_t wal_new_salt(void);                /** A salt that nobody can guess. */

/* lmdb_early.c */
struct early;
/** Starts to write to the disk what LMDB's commit, which follows, gives to the kernel. NULL: it is
 *  not done. */
struct early *early_start(struct engine_lmdb *e);
struct early *early_end(struct early *w); /** Ends that. NULL is a no-op; returns NULL. */

/* Records: lmdb_record.c */
/** The rev table's key of @at. */
void rev_key_write(struct rev_at at, unsigned char ret_key[REV_KEY_BYTES]);
/** Back from the bytes; false when they are none. */
bool rev_key_read(struct str bytes, struct rev_at *ret_at);
/** Bytes that record_write() needs for @r. */
size_t record_size(const struct record *r);
/** Encodes @r to @p, of record_size() bytes. */
void record_write(const struct crc32c *crc, const struct record *r, unsigned char *p);
/** Decodes and verifies; ERR_PARSE names the key as far as it can be read. */
MUST_USE int record_read(const struct crc32c *crc, struct rev_at at, struct str bytes,
                         struct record *ret_r, struct err *err);
/** Finds and decodes the record at @at. ERR_NOT_FOUND as an outcome. */
MUST_USE int record_load(struct engine_lmdb *e, MDB_txn *txn, struct rev_at at,
                         struct record *ret_r, struct err *err);
/** Encodes the entry of @key in the key table. */
void entry_write(const struct crc32c *crc, struct str key, const struct entry *en,
                 unsigned char ret_p[ENTRY_BYTES]);
/** Decodes and verifies; false when the bytes are no entry of @key. */
bool entry_read(const struct crc32c *crc, struct str key, struct str bytes, struct entry *ret_en);
/** Encodes the state record. */
void state_write(const struct crc32c *crc, const struct engine_state *s,
                 unsigned char ret_p[STATE_BYTES]);
/** Decodes and verifies. ERR_PARSE (damaged, or of another format). */
MUST_USE int state_read(const struct crc32c *crc, struct str bytes, struct engine_state *ret_s,
                        struct err *err);
