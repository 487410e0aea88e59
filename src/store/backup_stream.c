/* backup_stream.c - pieces of a backup, each made in a raw transaction.
 *
 * The first transaction learns the revision, reads the notes, which have no history, and holds
 * back that of the keys; what it sees is committed once it is done, so nothing of a batch that
 * failed can get in. The others read what was true then.
 *
 * The store's thread fills a buffer of the stream's own, so that the caller's is free when the
 * stream is closed while a piece is being made.
 */
#include "store/backup_stream.h"
#include "store/backup_file.h"

enum { PIECE_BYTES = 256 * 1024 };
struct backup_stream {
    struct store *st;
    struct loop *loop;
    struct raw_txn txn;
    struct raw_hold *hold;
    struct backup_writer writer;
    struct buf piece, from; /* from: the first key that has not been read */
    struct buf *out;        /* the caller's, while a piece is being made */
    backup_stream_fn fn;
    void *arg;
    int64_t revision, time_ns;
    bool busy;  /* txn is under way */
    bool begun; /* the first piece was given */
    bool more;  /* the last piece was cut short */
    bool over, closed;
};

struct backup_stream *backup_stream_open(struct store *st, struct loop *loop)
{
    struct backup_stream *s = xnew(struct backup_stream);

    s->st = st;
    s->loop = loop;
    return s;
}

static void stream_free(struct backup_stream *s)
{
    s->hold = raw_hold_end(s->hold);
    backup_writer_deinit(&s->writer);
    buf_deinit(&s->piece);
    buf_deinit(&s->from);
    free(s);
}

/* ---- on the store's thread ---- */

static int add_note(void *arg, struct str name, struct str value)
{
    struct backup_stream *s = arg;

    if (backup_has_note(name))
        backup_note(&s->writer, name, value, &s->piece);
    return 0;
}

static int make_first(struct raw *raw, void *arg, struct err *err)
{
    struct backup_stream *s = arg;
    int r;

    s->revision = raw_revision(raw);
    backup_begin(&s->writer, s->revision, s->time_ns, &s->piece);
    s->more = true;
    r = raw_notes(raw, STR_NULL, add_note, s, err);
    return r < 0 ? r : raw_hold(raw, BACKUP_STREAM_MAX_MS, &s->hold, err);
}

static int add_record(void *arg, const struct raw_kv *kv)
{
    struct backup_stream *s = arg;

    if (s->piece.len >= PIECE_BYTES) {
        s->more = true;
        return 1;
    }
    backup_record(&s->writer, kv, &s->piece);
    buf_reset(&s->from);
    buf_str(&s->from, kv->key);
    buf_putc(&s->from, '\0');
    return 0;
}

static int make_next(struct raw *raw, void *arg, struct err *err)
{
    struct backup_stream *s = arg;
    int r;

    s->more = false;
    r = raw_range_held(raw, s->hold, buf_view(&s->from), add_record, s, err);
    if (r < 0)
        return r;
    if (!s->more)
        backup_end(&s->writer, &s->piece);
    return 0;
}

/* ---- on the stream's loop ---- */

static void on_piece(struct raw_txn *txn)
{
    struct backup_stream *s = txn->arg;
    struct err err = *txn->err; /* fn may close the stream */

    s->busy = false;
    if (s->closed) {
        stream_free(s);
        return;
    }
    if (txn->code == 0)
        buf_str(s->out, buf_view(&s->piece));
    buf_reset(&s->piece);
    s->begun = true;
    s->over = txn->code < 0 || !s->more;
    if (s->over)
        s->hold = raw_hold_end(s->hold);
    s->fn(s->arg, txn->code < 0 ? txn->code : s->over, &err);
}

void backup_stream_next(struct backup_stream *s, struct buf *out, backup_stream_fn fn, void *arg)
{
    assert(!s->busy && !s->over);
    s->out = out;
    s->fn = fn;
    s->arg = arg;
    s->time_ns = loop_wall_ns(s->loop);
    s->busy = true;
    s->txn = (struct raw_txn){
        .run = s->begun ? make_next : make_first, .loop = s->loop, .on_done = on_piece, .arg = s};
    raw_commit(s->st, &s->txn);
}

int64_t backup_stream_revision(const struct backup_stream *s)
{
    return s->revision;
}

struct backup_stream *backup_stream_close(struct backup_stream *s)
{
    if (!s)
        return NULL;
    s->closed = true;
    if (!s->busy)
        stream_free(s);
    return NULL;
}
