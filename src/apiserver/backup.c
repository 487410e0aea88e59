/* backup.c - GET /skiff/v1/snapshot: all that the store holds at one revision, in the form of
 * store/backup_file.h.
 *
 * The store's thread fills a buffer in raw transactions, a bounded piece each; the connection
 * empties it before the next. The first transaction only learns the revision: what it sees is
 * committed once it is done, so nothing of a batch that failed can get in.
 */
#include "apiserver/stages.h"
#include "store/backup_file.h"

enum { PIECE_BYTES = 256 * 1024 };
struct stream {
    struct request *rq; /* NULL: closed */
    struct raw_txn txn;
    struct backup_writer writer;
    struct buf out, from; /* from: the first key that has not been read */
    size_t sent;
    int64_t revision;
    bool busy;    /* txn is under way */
    bool more;    /* the last piece was cut short */
    bool written; /* the end is in out */
    bool failed, waiting;
};

static void stream_free(struct stream *s)
{
    backup_writer_deinit(&s->writer);
    buf_deinit(&s->out);
    buf_deinit(&s->from);
    free(s);
}

static int add_record(void *arg, const struct raw_kv *kv)
{
    struct stream *s = arg;

    if (s->out.len >= PIECE_BYTES) {
        s->more = true;
        return 1;
    }
    backup_record(&s->writer, kv, &s->out);
    buf_reset(&s->from);
    buf_str(&s->from, kv->key);
    buf_putc(&s->from, '\0');
    return 0;
}

static int read_nothing(struct raw *raw, void *arg, struct err *err)
{
    (void)raw;
    (void)arg;
    (void)err;
    return 0;
}

static int read_piece(struct raw *raw, void *arg, struct err *err)
{
    struct stream *s = arg;
    int r;

    s->more = false;
    r = raw_range(raw, buf_view(&s->from), STR_NULL, s->revision, add_record, s, err);
    return MIN(r, 0);
}

static void wake(struct stream *s)
{
    if (s->waiting && s->rq->http) {
        s->waiting = false;
        http_resume(s->rq->http);
    }
}

static void on_piece(struct raw_txn *txn)
{
    struct stream *s = txn->arg;

    s->busy = false;
    if (!s->rq) {
        stream_free(s);
        return;
    }
    if (txn->code < 0) {
        s->failed = true;
    } else if (!s->more) {
        backup_end(&s->writer, &s->out);
        s->written = true;
    }
    wake(s);
}

static void start(struct stream *s, int (*run)(struct raw *, void *, struct err *),
                  void (*on_done)(struct raw_txn *))
{
    s->txn = (struct raw_txn){.run = run, .loop = s->rq->loop, .on_done = on_done, .arg = s};
    s->busy = true;
    raw_commit(s->rq->as->store, &s->txn);
}

static long on_read(void *arg, char *p, size_t cap)
{
    struct stream *s = arg;
    size_t n;

    if (s->failed)
        return HTTP_READ_ERROR;
    if (s->busy) {
        s->waiting = true;
        return HTTP_READ_WAIT;
    }
    n = MIN(cap, s->out.len - s->sent);
    if (n > 0) {
        memcpy(p, s->out.p + s->sent, n);
        s->sent += n;
        return (long)n;
    }
    if (s->written)
        return HTTP_READ_END;
    buf_reset(&s->out);
    s->sent = 0;
    s->waiting = true;
    start(s, read_piece, on_piece);
    return HTTP_READ_WAIT;
}

static void on_close(void *arg)
{
    struct stream *s = arg;

    s->rq = NULL;
    if (!s->busy)
        stream_free(s);
}

/* The server stops, or the peer is gone. */
static void on_cancel(struct request *rq)
{
    struct stream *s = rq->state;

    s->failed = true;
    wake(s);
}

static enum stage_result answer(struct request *rq)
{
    struct stream *s = rq->state;

    if (s->txn.code < 0) {
        struct err err = *s->txn.err;
        int code = s->txn.code;

        stream_free(s);
        return request_failf(rq, code, "%s", err.msg);
    }
    s->revision = s->txn.revision;
    backup_begin(&s->writer, s->revision, loop_wall_ns(rq->loop), &s->out);
    rq->on_cancel = on_cancel;
    request_send_source(rq, 200, "application/octet-stream", -1,
                        (struct http_source){on_read, on_close, s});
    return STAGE_DONE;
}

static void on_revision(struct raw_txn *txn)
{
    struct stream *s = txn->arg;

    s->busy = false;
    request_resume(s->rq, answer);
}

enum stage_result stage_backup(struct request *rq)
{
    struct stream *s;

    if (rq->inproc || str_eq(rq->method, STR("HEAD")))
        return request_failf(rq, ERR_NOT_ALLOWED, "a snapshot is made by GET, over HTTPS");
    if (store_has_peers(rq->as->store))
        return request_failf(rq, ERR_NOT_ALLOWED,
                             "the state is in an external etcd: use etcdctl snapshot save");
    s = xnew(struct stream);
    s->rq = rq;
    rq->state = s;
    start(s, read_nothing, on_revision);
    return STAGE_WAIT;
}
