/* backup.c - GET /skiff/v1/snapshot: all that the store holds at one revision, in the form of
 * store/backup_file.h. The connection empties a buffer before the next piece is made. */
#include "apiserver/stages.h"
#include "store/backup_stream.h"

struct answer {
    struct request *rq;
    struct backup_stream *stream;
    struct buf out;
    size_t sent;
    bool busy; /* a piece is being made */
    bool over; /* out has the last one */
    struct err err; /* of the first piece */
    bool failed, waiting;
};

static void wake(struct answer *s)
{
    if (s->waiting && s->rq->http) {
        s->waiting = false;
        http_resume(s->rq->http);
    }
}

static void on_piece(void *arg, int r, const struct err *err)
{
    struct answer *s = arg;

    (void)err; /* the head of the answer has been sent: all there is to do is to break off */
    s->busy = false;
    s->failed |= r < 0;
    s->over = r != 0;
    wake(s);
}

static long on_read(void *arg, char *p, size_t cap)
{
    struct answer *s = arg;
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
    if (s->over)
        return HTTP_READ_END;
    buf_reset(&s->out);
    s->sent = 0;
    s->waiting = s->busy = true;
    backup_stream_next(s->stream, &s->out, on_piece, s);
    return HTTP_READ_WAIT;
}

static void on_close(void *arg)
{
    struct answer *s = arg;

    s->stream = backup_stream_close(s->stream);
    buf_deinit(&s->out);
    free(s);
}

/* The server stops, or the peer is gone. */
static void on_cancel(struct request *rq)
{
    struct answer *s = rq->state;

    s->failed = true;
    wake(s);
}

static enum stage_result answer(struct request *rq)
{
    struct answer *s = rq->state;

    rq->on_cancel = on_cancel;
    request_send_source(rq, 200, "application/octet-stream", -1,
                        (struct http_source){on_read, on_close, s});
    return STAGE_DONE;
}

static enum stage_result refuse(struct request *rq)
{
    struct answer *s = rq->state;
    struct err err = s->err;

    on_close(s);
    return request_failf(rq, err.code, "%s", err.msg);
}

/* Only what the first piece says decides about the status. */
static void on_first(void *arg, int r, const struct err *err)
{
    struct answer *s = arg;

    if (r < 0)
        s->err = *err;
    s->over = r != 0;
    request_resume(s->rq, r < 0 ? refuse : answer);
}

enum stage_result stage_backup(struct request *rq)
{
    struct answer *s;

    if (rq->inproc || str_eq(rq->method, STR("HEAD")))
        return request_failf(rq, ERR_NOT_ALLOWED, "a snapshot is made by GET, over HTTPS");
    if (store_has_peers(rq->as->store))
        return request_failf(rq, ERR_NOT_ALLOWED,
                             "the state is in an external etcd: use etcdctl snapshot save");
    s = xnew(struct answer);
    s->rq = rq;
    s->stream = backup_stream_open(rq->as->store, rq->loop);
    rq->state = s;
    backup_stream_next(s->stream, &s->out, on_first, s);
    return STAGE_WAIT;
}
