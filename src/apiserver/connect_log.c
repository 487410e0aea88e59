/* SPDX-License-Identifier: Apache-2.0 */
/* connect_log.c - GET pods/<name>/log: the kubelet's answer, passed on as it comes. */
#include "apiserver/connect.h"

enum {
    LOG_BUFFERED_MAX = 256 * 1024, /* of the kubelet's answer before reading it is paused */
    LOG_ERROR_MAX = 4096,          /* of its error text */
};

struct log_stream {
    struct request *rq; /* NULL once its answer needs nothing more of us */
    struct loop *loop;
    struct http_client *client;
    struct http_call *call; /* NULL once it is done */
    struct buf buf;
    size_t read; /* of buf, by the source */
    int status;
    bool streaming, paused, waiting, failed;
    struct err err;
};

static void release(void *arg)
{
    struct log_stream *s = arg;

    s->client = http_client_free(s->client);
    buf_deinit(&s->buf);
    free(s);
}

/* Ends on the loop's next turn: the caller may be a callback of the client. */
static void let_go(struct log_stream *s)
{
    s->rq = NULL;
    if (s->call)
        http_call_cancel(s->call); /* on_done follows */
    else
        loop_post(s->loop, release, s);
}

static long on_read(void *arg, char *p, size_t cap)
{
    struct log_stream *s = arg;
    size_t n = MIN(cap, s->buf.len - s->read);

    if (n > 0) /* an empty buffer has no bytes to point at */
        memcpy(p, s->buf.p + s->read, n);
    s->read += n;
    if (s->read == s->buf.len) {
        buf_reset(&s->buf);
        s->read = 0;
    }
    if (s->paused && s->call && s->buf.len - s->read < LOG_BUFFERED_MAX / 2) {
        s->paused = false;
        http_call_pause(s->call, false);
    }
    if (n > 0)
        return (long)n;
    if (!s->call)
        return s->failed ? HTTP_READ_ERROR : HTTP_READ_END;
    s->waiting = true;
    return HTTP_READ_WAIT;
}

static void on_close(void *arg)
{
    let_go(arg);
}

static void wake(struct log_stream *s)
{
    if (s->waiting && s->rq && s->rq->http) {
        s->waiting = false;
        http_resume(s->rq->http);
    }
}

static void on_cancel(struct request *rq)
{
    struct log_stream *s = rq->state;

    if (s->call)
        http_call_cancel(s->call); /* its end resumes the request, or ends the stream */
}

static enum stage_result begin_stream(struct request *rq)
{
    struct log_stream *s = rq->state;

    rq->on_cancel = on_cancel;
    request_send_source(rq, 200, "text/plain", -1, (struct http_source){on_read, on_close, s});
    return STAGE_DONE;
}

static enum stage_result fail(struct request *rq)
{
    struct log_stream *s = rq->state;
    struct str text = str_dup(rq->arena, str_trim(buf_view(&s->buf)));
    enum stage_result r;

    if (s->failed || s->status == 0)
        r = request_failf(rq, ERR_INTERNAL, "%s", s->err.msg);
    else if (s->status == 404)
        r = request_failf(rq, ERR_NOT_FOUND, "%.*s", STR_ARG(text));
    else if (s->status < 500)
        r = request_failf(rq, ERR_BAD_REQUEST, "%.*s", STR_ARG(text));
    else
        r = request_failf(rq, ERR_INTERNAL, "%.*s", STR_ARG(text));
    let_go(s);
    return r;
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct log_stream *s = arg;

    s->status = status;
    if (status != 200 || !s->rq)
        return;
    if (s->rq->finished) /* nobody waits for it any more: on_done tidies up */
        return;
    s->streaming = true;
    request_resume(s->rq, begin_stream);
}

static void on_data(void *arg, struct str piece)
{
    struct log_stream *s = arg;

    if (!s->streaming) {
        if (s->buf.len < LOG_ERROR_MAX)
            buf_str(&s->buf, str_sub(piece, 0, LOG_ERROR_MAX - s->buf.len));
        return;
    }
    if (!s->rq)
        return;
    buf_str(&s->buf, piece);
    if (!s->paused && s->buf.len - s->read > LOG_BUFFERED_MAX) {
        s->paused = true;
        http_call_pause(s->call, true);
    }
    wake(s);
}

static enum stage_result gone(struct request *rq)
{
    return STAGE_DONE; /* never runs: the request is finished */
}

static void on_done(void *arg, const struct err *err)
{
    struct log_stream *s = arg;
    struct request *rq = s->rq;

    s->call = NULL;
    if (err) {
        s->failed = true;
        s->err = *err;
    }
    if (!rq) {
        loop_post(s->loop, release, s);
    } else if (s->streaming) {
        wake(s);
    } else if (rq->finished) { /* timed out, or the peer went away */
        let_go(s);
        request_resume(rq, gone);
    } else {
        request_resume(rq, fail);
    }
}

static struct str log_target(struct request *rq, const struct connect_target *t)
{
    static const char *const params[] = {"follow",     "previous",  "sinceSeconds", "sinceTime",
                                         "timestamps", "tailLines", "limitBytes",   "stream"};
    auto_buf out = {0};
    char sep = '?';

    buf_puts(&out, "/containerLogs/");
    http_escape(&out, t->ns);
    buf_putc(&out, '/');
    http_escape(&out, t->pod);
    buf_putc(&out, '/');
    http_escape(&out, t->container);
    for (size_t i = 0; i < ARRAY_LEN(params); i++)
        connect_copy_param(rq, &out, &sep, params[i], params[i]);
    return str_dup(rq->arena, buf_view(&out));
}

static void check_number(struct request *rq, struct field_errors *errs, const char *name,
                         int64_t min)
{
    struct str text = request_param(rq, name);
    struct path at = path_field(NULL, name);
    int64_t v;

    if (!text.p)
        return;
    if (!str_to_i64(text, &v))
        err_invalid(errs, &at, doc_string(text), "must be an integer");
    else if (v < min)
        err_invalid(errs, &at, doc_int(v), "must be greater than or equal to %lld", (long long)min);
}

static enum stage_result check_params(struct request *rq)
{
    struct field_errors errs = {.arena = rq->arena};
    struct path time = path_field(NULL, "sinceTime");
    struct str since = request_param(rq, "sinceTime");
    struct time_value parsed;
    struct err err = {0};

    check_number(rq, &errs, "tailLines", 0);
    check_number(rq, &errs, "limitBytes", 1);
    check_number(rq, &errs, "sinceSeconds", 1);
    if (since.p && request_param(rq, "sinceSeconds").p)
        err_forbidden(&errs, &time,
                      "at most one of `sinceTime` or `sinceSeconds` may be specified");
    if (since.p && time_parse(since, &parsed, &err) < 0)
        err_invalid(&errs, &time, doc_string(since), "%s", err.msg);
    if (errs.n > 0)
        return request_fail_invalid(rq, "", "PodLogOptions", rq->name, &errs);
    return STAGE_NEXT;
}

enum stage_result stage_pod_log(struct request *rq)
{
    struct connect_target t;
    struct log_stream *s;
    struct http_client_request call = {
        .method = "GET", .on_head = on_head, .on_data = on_data, .on_done = on_done};
    enum stage_result r = check_params(rq);

    if (r == STAGE_NEXT)
        r = connect_find(rq, &t);
    if (r != STAGE_NEXT)
        return r;
    if (!rq->http)
        return request_failf(rq, ERR_BAD_REQUEST, "logs are not served to calls in the process");
    if (!t.host)
        return request_answer_bytes(rq, 200, "text/plain", STR(""));
    s = xnew(struct log_stream);
    s->rq = rq;
    s->loop = rq->loop;
    s->client = connect_client(rq, &t);
    call.target = log_target(rq, &t);
    call.arg = s;
    rq->state = s;
    rq->on_cancel = on_cancel;
    s->call = http_client_send(s->client, &call);
    return STAGE_WAIT;
}
