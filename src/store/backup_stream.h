/* backup_stream.h - everything that the store holds at one revision, as the bytes of a backup file
 * (backup_file.h), made in pieces while the store goes on being written.
 *
 * The store's thread makes a piece of bounded size in a raw transaction, each when the former has
 * been taken. While a stream is open, history from its revision on is not forgotten, for at most
 * BACKUP_STREAM_MAX_MS.
 *
 * Layer: store. Threads: all calls and callbacks on the stream's loop.
 */
#pragma once
#include "base/buf.h"
#include "store/store.h"

enum { BACKUP_STREAM_MAX_MS = 3600 * 1000 };

/* A piece is in the buffer (0), it is the last one (1), or the stream failed (negative, @err):
 * ERR_EXPIRED (it took too long), ERR_IO, ERR_TOO_MANY, ERR_UNAVAILABLE. */
typedef void (*backup_stream_fn)(void *arg, int r, const struct err *err);

struct backup_stream;
/** A stream of @st, which outlives it and is no store over an external etcd. Ends with
 *  backup_stream_close(). */
struct backup_stream *backup_stream_open(struct store *st, struct loop *loop);
/** Appends the next piece to @out, which the caller leaves alone until @fn(@arg) runs, later and
 *  once. Not again after the last piece or an error. */
void backup_stream_next(struct backup_stream *s, struct buf *out, backup_stream_fn fn, void *arg);
/** The revision whose state this is; known after the first piece. */
int64_t backup_stream_revision(const struct backup_stream *s);
/** Ends it, at any time: @fn does not run any more, and @out is the caller's again when this
 *  returns NULL. NULL is a no-op. */
struct backup_stream *backup_stream_close(struct backup_stream *s);
