/* backup_file.h - a file with all that the store holds at one revision: written and read in pieces.
 *
 *     "SKIFFBAK", format (1), 0              8 + 4 + 4 bytes
 *     blocks: length, checksum, payload      4 + 4 + length bytes
 *
 * All numbers are little-endian; a checksum is the CRC32C of the length's bytes and the payload.
 * The first byte of a payload says what it is:
 *
 *     1  head, the first block: revision, time (nanoseconds since 1970)         8 + 8
 *     2  record, in order of keys: create revision, mod revision, version, lease,
 *        length of the key, key, value                                          4 * 8 + 4 + ...
 *     3  end, the last block: count of records, SHA-256 of all bytes before it  8 + 32
 *
 * Nothing may follow the end. The reader calls nobody's bytes good before that: what it hands to
 * on_record is checked by itself, the file as a whole only when backup_finish() says so.
 *
 * Layer: store. Threads: one at a time.
 */
#pragma once
#include "base/buf.h"
#include "store/crc32c.h"
#include "store/raw.h"

enum { BACKUP_BLOCK_MAX = 64 << 20 };
struct digest; /* net/crypto.h */
struct backup_writer {
    struct crc32c crc;
    struct digest *sha;
    uint64_t records;
};
/** Starts: appends the head to @out. Ends with backup_writer_deinit(). */
void backup_begin(struct backup_writer *w, int64_t revision, int64_t time_ns, struct buf *out);
/** Appends a record. */
void backup_record(struct backup_writer *w, const struct raw_kv *kv, struct buf *out);
void backup_end(struct backup_writer *w, struct buf *out);  /** Appends the last block. */
void backup_writer_deinit(struct backup_writer *w);         /** Idempotent. */

struct backup_reader {
    /* Called for each record, which is at @offset of the file (borrowed); not 0: stops. May be
     * NULL. */
    int (*on_record)(void *arg, const struct raw_kv *kv, uint64_t offset, struct err *err);
    void *arg;
    /* What is known so far: */
    int64_t revision, time_ns;
    uint64_t records, bytes;
    uint8_t sha256[32]; /* after backup_finish() */
    /* The reader's own: */
    struct crc32c crc;
    struct digest *sha;
    struct buf buf, last_key;
    bool magic, head, end;
};
/** Prepares; on_record and arg have been set, all else is zero. Ends with
 *  backup_reader_deinit(). */
void backup_reader_init(struct backup_reader *r);
/** Takes the next @piece. ERR_PARSE says what is wrong and at which byte. */
MUST_USE int backup_feed(struct backup_reader *r, struct str piece, struct err *err);
/** The file has ended: 0 when it is whole. ERR_PARSE. */
MUST_USE int backup_finish(const struct backup_reader *r, struct err *err);
void backup_reader_deinit(struct backup_reader *r); /** Idempotent. */
/** Decodes the block of a record (with length and checksum), as on_record was told its place: for a
 *  second look at a verified file. @ret_kv is borrowed from @block. ERR_PARSE. */
MUST_USE int backup_record_read(const struct crc32c *crc, struct str block, struct raw_kv *ret_kv,
                                struct err *err);
