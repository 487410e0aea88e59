/* backup_file.h - a file with all that the store holds at one revision: written and read in pieces.
 *
 *     "SKIFFBAK", format (2), 0              8 + 4 + 4 bytes
 *     blocks: length, checksum, payload      4 + 4 + length bytes
 *
 * All numbers are little-endian; a checksum is the CRC32C of the length's bytes and the payload.
 * The first byte of a payload says what it is:
 *
 *     1  head, the first block: revision, time (nanoseconds since 1970)         8 + 8
 *     4  note, in order of names: length of the name, name, value               4 + ...
 *     2  record, in order of keys: create revision, mod revision, version, lease,
 *        length of the key, key, value                                          4 * 8 + 4 + ...
 *     5  file of the folder pki/, in order of names: mode (0600 or 0644), length
 *        of the name, name, bytes                                               4 + 4 + ...
 *     3  end, the last block: count of the blocks after the head and before
 *        this one, SHA-256 of all bytes before it                               8 + 32
 *
 * They come in the order of this list. Nothing may follow the end. The reader calls nobody's bytes
 * good before that: what it hands to on_record and the others is checked by itself, the file as a
 * whole only when backup_finish() says so. Format 1, which is read, too, has neither notes nor
 * files.
 *
 * Not every note is of what the cluster holds: see backup_has_note().
 *
 * Layer: store. Threads: one at a time.
 */
#pragma once
#include "base/buf.h"
#include "store/crc32c.h"
#include "store/raw.h"

enum {
    BACKUP_BLOCK_MAX = 64 << 20,
    BACKUP_FILES_MAX = 256, /* of pki/ */
    BACKUP_FILE_NAME_MAX = 255,
    BACKUP_FILE_BYTES_MAX = 1 << 20,
};
struct digest; /* net/crypto.h */
struct backup_writer {
    struct crc32c crc;
    struct digest *sha;
    uint64_t blocks;
};
struct backup_pki_file { /* borrowed */
    struct str name;  /* below pki/: backup_name_check() */
    struct str bytes;
    uint32_t mode;    /* 0600, or 0644: for everybody to read */
};
/** True if the note @name belongs into a backup: it says something about the keys, as leases do.
 *  Others are about the one server that wrote them, and would be wrong in its successor: its
 *  identity (as after etcd's own restore), its full disk, a compaction that is under way. */
bool backup_has_note(struct str name);
/** True if @name is a relative path of plain names (letters, digits, - and _; dots, but not at the
 *  begin), at most BACKUP_FILE_NAME_MAX bytes. */
bool backup_name_check(struct str name);
/** Starts: appends the head to @out. Ends with backup_writer_deinit(). */
void backup_begin(struct backup_writer *w, int64_t revision, int64_t time_ns, struct buf *out);
/** Appends a note for which backup_has_note(), a record, a file: in the order of the format. */
void backup_note(struct backup_writer *w, struct str name, struct str value, struct buf *out);
void backup_record(struct backup_writer *w, const struct raw_kv *kv,
                   struct buf *out); /** See backup_note(). */
void backup_pki_file(struct backup_writer *w, const struct backup_pki_file *f,
                     struct buf *out);                     /** See backup_note(). */
void backup_end(struct backup_writer *w, struct buf *out); /** Appends the last block. */
void backup_writer_deinit(struct backup_writer *w);        /** Idempotent. */

struct backup_reader {
    /* Called for each record, note and file, which is at @offset of the file (borrowed); not 0:
     * stops. May be NULL. */
    int (*on_record)(void *arg, const struct raw_kv *kv, uint64_t offset, struct err *err);
    int (*on_note)(void *arg, struct str name, struct str value, uint64_t offset, struct err *err);
    int (*on_pki_file)(void *arg, const struct backup_pki_file *f, uint64_t offset,
                       struct err *err);
    void *arg;
    /* What is known so far: */
    uint32_t format;
    int64_t revision, time_ns;
    uint64_t records, notes, pki_files, bytes;
    uint8_t sha256[32]; /* after backup_finish() */
    /* The reader's own: */
    struct crc32c crc;
    struct digest *sha; /* of what is before the end */
    struct buf buf, last_name;
    uint64_t end_at;
    unsigned stage; /* how far it is in the order of blocks */
};
/** Prepares; callbacks and arg have been set, all else is zero. Ends with
 *  backup_reader_deinit(). */
void backup_reader_init(struct backup_reader *r);
/** Takes the next @piece. ERR_PARSE says what is wrong and at which byte. */
MUST_USE int backup_feed(struct backup_reader *r, struct str piece, struct err *err);
/** The file has ended: 0 when it is whole. ERR_PARSE. */
MUST_USE int backup_finish(const struct backup_reader *r, struct err *err);
void backup_reader_deinit(struct backup_reader *r); /** Idempotent. */
/** Goes on where a whole file, of format 2, has its end: @r has read and finished it, and is only
 *  to be deinitialized. What is appended now belongs at byte @ret_at. Ends with
 *  backup_writer_deinit(). */
void backup_continue(struct backup_writer *w, struct backup_reader *r, uint64_t *ret_at);
/** Decodes the block of a record (with length and checksum), as on_record was told its place: for a
 *  second look at a verified file. What it returns is borrowed from @block. ERR_PARSE. */
MUST_USE int backup_record_read(const struct crc32c *crc, struct str block, struct raw_kv *ret_kv,
                                struct err *err);
/** The same of a note. */
MUST_USE int backup_note_read(const struct crc32c *crc, struct str block, struct str *ret_name,
                              struct str *ret_value, struct err *err);
/** The same of a file. */
MUST_USE int backup_pki_file_read(const struct crc32c *crc, struct str block,
                                  struct backup_pki_file *ret_f, struct err *err);
