/* SPDX-License-Identifier: Apache-2.0 */
/* connect_explain.c - why a stream cannot be: the kubelet's own words. A request without an
 * upgrade starts nothing there, and is refused with the reason. See connect.h. */
#include "apiserver/connect.h"

enum { REASON_BYTES_MAX = 16 * 1024, REASON_TIMEOUT_MS = 30000 };

struct explain {
    struct request *rq;
    struct loop *loop;
    struct http_client *client;
    struct http_call *call; /* NULL when it has ended */
    struct buf said;
    const char *type; /* in rq's arena */
    int status;
    struct err err;
};

static void release(void *arg)
{
    struct explain *x = arg;

    x->client = http_client_free(x->client);
    buf_deinit(&x->said);
    free(x);
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct explain *x = arg;

    x->status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eqz(headers[i].name, "content-type"))
            x->type = str_dupz(x->rq->arena, headers[i].value);
}

static void on_data(void *arg, struct str piece)
{
    struct explain *x = arg;

    if (x->said.len < REASON_BYTES_MAX)
        buf_str(&x->said, str_sub(piece, 0, MIN(piece.len, REASON_BYTES_MAX - x->said.len)));
}

static enum stage_result gone(struct request *rq)
{
    return STAGE_DONE; /* never runs: the request is finished */
}

static enum stage_result answer(struct request *rq)
{
    struct explain *x = rq->state;
    struct str said = str_dup(rq->arena, buf_view(&x->said));
    const char *type = x->type ? x->type : "text/plain; charset=utf-8";
    int status = x->status;
    const char *why = arena_printf(rq->arena, "error dialing backend: %s", x->err.msg);

    loop_post(x->loop, release, x);
    if (!status)
        return status_fail_plain(rq, 500, why);
    if (status < 400) /* it has nothing against a stream */
        return request_failf(rq, ERR_BAD_REQUEST, "Upgrade request required");
    return request_answer_bytes(rq, status, type, said);
}

static void on_done(void *arg, const struct err *err)
{
    struct explain *x = arg;
    struct request *rq = x->rq;

    x->call = NULL;
    if (err)
        x->err = *err;
    if (rq->finished) { /* the client is gone */
        loop_post(x->loop, release, x);
        request_resume(rq, gone);
        return;
    }
    request_resume(rq, answer);
}

static void on_cancel(struct request *rq)
{
    struct explain *x = rq->state;

    if (x->call)
        http_call_cancel(x->call);
}

enum stage_result connect_explain(struct request *rq, const struct connect_target *t,
                                  struct str target)
{
    struct explain *x = xnew(struct explain);
    struct http_client_request call = {.method = "GET",
                                       .target = target,
                                       .timeout_ms = REASON_TIMEOUT_MS,
                                       .on_head = on_head,
                                       .on_data = on_data,
                                       .on_done = on_done,
                                       .arg = x};

    x->rq = rq;
    x->loop = rq->loop;
    x->client = connect_client(rq, t);
    rq->state = x;
    rq->on_cancel = on_cancel;
    x->call = http_client_send(x->client, &call);
    return STAGE_WAIT;
}
