/* SPDX-License-Identifier: Apache-2.0 */
/* connect_tunnel.c - a request's upgrade passed on to a kubelet or a pod: the bytes go both ways
 * as they are. What refuses it answers the client in its own words. See connect.h. */
#include "apiserver/connect.h"
#include "net/tls.h"
#include "net/tunnel.h"

struct passage {
    struct request *rq;
    struct loop *loop;
    struct http_client *client;
    struct tls_context *own_tls;
    struct tunnel *tunnel; /* NULL: refused, and then: */
    int status;            /* 0: no answer */
    const char *type;      /* in rq's arena, as the body */
    struct str body;
    struct err err;
};

static void release(void *arg)
{
    struct passage *p = arg;

    p->client = http_client_free(p->client);
    p->own_tls = tls_context_free(p->own_tls);
    free(p);
}

static enum stage_result join(struct request *rq)
{
    struct passage *p = rq->state;
    struct http_exchange *x = rq->http;

    loop_post(p->loop, release, p);
    request_mark_finished(rq, 101);
    (void)tunnel_join(p->tunnel, x); /* false: it has answered */
    return STAGE_DONE;
}

static enum stage_result refuse(struct request *rq)
{
    struct passage *p = rq->state;
    const char *type = p->type ? p->type : "text/plain; charset=utf-8";

    loop_post(p->loop, release, p);
    if (p->status)
        return request_answer_bytes(rq, p->status, type, p->body);
    return status_fail_plain(rq, 500,
                             arena_printf(rq->arena, "error dialing backend: %s", p->err.msg));
}

static enum stage_result gone(struct request *rq)
{
    return STAGE_DONE; /* never runs: the request is finished */
}

static void on_open(void *arg, struct tunnel *t, const struct tunnel_refusal *why)
{
    struct passage *p = arg;
    struct request *rq = p->rq;

    if (rq->finished) { /* the client is gone */
        tunnel_close(t);
        loop_post(p->loop, release, p);
        request_resume(rq, gone);
        return;
    }
    p->tunnel = t;
    if (why) {
        p->status = why->status;
        p->type = why->type ? arena_strdup(rq->arena, why->type) : NULL;
        p->body = str_dup(rq->arena, why->body);
        if (why->err)
            p->err = *why->err;
    }
    request_resume(rq, t ? join : refuse);
}

/* The dial ends at once: on_open() is told so from within. */
static void on_cancel(struct request *rq)
{
    struct passage *p = rq->state;

    p->client = http_client_free(p->client);
}

enum stage_result connect_tunnel(struct request *rq, struct http_client *client,
                                 struct tls_context *own_tls,
                                 const struct http_client_request *call, struct str protocol)
{
    struct passage *p = xnew(struct passage);
    struct http_client_request mine = *call;

    p->rq = rq;
    p->loop = rq->loop;
    p->client = client;
    p->own_tls = own_tls;
    mine.arg = p;
    rq->state = p;
    rq->on_cancel = on_cancel;
    tunnel_dial(client, &mine, protocol, on_open);
    return STAGE_WAIT;
}
