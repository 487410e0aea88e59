/* lmdb_internal.h - the LMDB engine's tables and records, shared by its files.
 *
 *     rev    revision, sub (big-endian 8 + 4 bytes)  ->  record: header, key, value
 *     key    key  ->  entry: where its newest record is
 *     note   name  ->  checksum, value
 *     state  "state"  ->  what the engine knows of itself
 *
 * Records are appended and never changed; each names the record of the same key that it
 * replaces. Everything on disk is little-endian and guarded by a checksum: a record by its own, an
 * entry by the record that it must agree with.
 *
 * Layer: store. Threads: the store thread.
 */
#pragma once
#include "base/buf.h"
#include "base/vec.h"
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
    int64_t scanned;   /* compaction has dealt with the records below it */
    bool clean;
};
struct batch_op { /* to replay the open batch in a larger map */
    int64_t revision; /* 0: a note */
    int64_t lease;
    size_t key_at, key_len, value_at, value_len; /* in batch_bytes */
    bool deleted;
};
struct note_was { /* a note before the open batch changed it; to take a failed commit back */
    size_t name_at, name_len, value_at, value_len; /* in notes_bytes */
    bool absent;
};
struct engine_lmdb {
    struct engine base;
    MDB_env *env;
    MDB_dbi rev, key, note, meta;
    MDB_txn *read; /* reset while not in use */
    MDB_txn *txn;  /* the open batch, or NULL */
    MDB_cursor *revs, *keys; /* of txn */
    struct rev_at last;      /* written by the open batch; revision 0: nothing yet */
    VEC(struct batch_op) ops;
    struct buf batch_bytes;
    VEC(struct note_was) notes_were; /* of the open batch, or of the commit that failed last */
    struct buf notes_bytes;
    int64_t current; /* committed */
    struct engine_state state;
    bool lost;   /* the last batch failed or was given up: its revisions may be known outside */
    bool broken; /* LMDB refuses to go on: reopen before the next use */
    char *dir;
    int lock_fd;
    uint64_t read_bytes; /* of values since the map was last released */
    struct crc32c crc;
};
enum {
    REV_KEY_BYTES = 12,
    RECORD_HEADER_BYTES = 48,
    ENTRY_BYTES = 36,
    STATE_BYTES = 44,
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
/** Writes the state record within @txn. An LMDB code. */
int lmdb_state_write(struct engine_lmdb *e, MDB_txn *txn, const struct engine_state *s);
/** Makes the environment usable again after an error that LMDB does not survive: opens it anew, and
 *  takes back what reached the disk of commits that had reported an error. */
MUST_USE int lmdb_revive(struct engine_lmdb *e, struct err *err);
/** Opens folder @dir into the zeroed @e; on failure @e is freed. */
MUST_USE int lmdb_setup(struct engine_lmdb *e, const char *dir, struct err *err);
void lmdb_close(struct engine *base); /** engine_ops.close */
/* lmdb_note.c */
/** Does @op, a note's, within the open batch. An LMDB code. */
int note_apply(struct engine_lmdb *e, const struct batch_op *op);
/** Remembers what @op's note is, before it changes. An LMDB code. */
int note_remember(struct engine_lmdb *e, const struct batch_op *op);
void note_forget(struct engine_lmdb *e); /** Drops what note_remember() kept. */
/** Writes back within @txn what note_remember() kept, newest first. An LMDB code. */
int note_undo(struct engine_lmdb *e, MDB_txn *txn);
/** engine_ops.notes */
MUST_USE int lmdb_notes(struct engine *base, struct str prefix,
                        int (*each)(void *arg, struct str name, struct str value), void *arg,
                        struct err *err);
/** engine_ops.compact */
MUST_USE int lmdb_compact(struct engine *base, int64_t revision, bool *ret_more, struct err *err);

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
/** Encodes an entry of the key table. */
void entry_write(const struct entry *en, unsigned char ret_p[ENTRY_BYTES]);
/** Decodes; false when the bytes are none. */
bool entry_read(struct str bytes, struct entry *ret_en);
/** Encodes the state record. */
void state_write(const struct crc32c *crc, const struct engine_state *s,
                 unsigned char ret_p[STATE_BYTES]);
/** Decodes and verifies. ERR_PARSE (damaged, or of another format). */
MUST_USE int state_read(const struct crc32c *crc, struct str bytes, struct engine_state *ret_s,
                        struct err *err);
