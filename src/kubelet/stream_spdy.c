/* SPDX-License-Identifier: Apache-2.0 */
/* stream_spdy.c - exec, attach, port-forward of clients that speak SPDY, as the runtime's streaming
 * server does: their request goes there, and then the bytes both ways. See server_stream.h. */
#include "kubelet/server_stream.h"
#include "net/tunnel.h"

enum { VERSIONS_MAX = 16, OPEN_TIMEOUT_MS = 10000 };

struct passage {
    struct kubelet *kl;       /* a reference */
    struct server_request *s; /* in the exchange's arena, which lives until it is answered */
    struct http_client *client;
    bool gone; /* the caller went away */
};

static void release(void *arg)
{
    struct passage *p = arg;

    p->client = http_client_free(p->client);
    kubelet_unref(p->kl);
    free(p);
}

static void refuse(struct passage *p, int status, const char *why)
{
    http_on_abort(p->s->x, NULL, NULL);
    server_refuse(p->s, status, "%s", why);
    loop_post(p->kl->loop, release, p);
}

static void on_open(void *arg, struct tunnel *t, const struct tunnel_refusal *why)
{
    struct passage *p = arg;
    struct http_exchange *x = p->s->x;

    if (p->gone || p->kl->stopping) {
        tunnel_close(t);
        refuse(p, 503, "the kubelet is stopping");
    } else if (t) {
        http_on_abort(x, NULL, NULL);
        (void)tunnel_join(t, x); /* false: it has answered */
        loop_post(p->kl->loop, release, p);
    } else if (why->status) {
        http_on_abort(x, NULL, NULL);
        http_respond(x, why->status, why->type, why->body, NULL, 0);
        loop_post(p->kl->loop, release, p);
    } else {
        refuse(p, 500, why->err->msg);
    }
}

/* The versions that the client offers go along: the runtime chooses. */
static void on_address(void *arg, const struct stream_address *at, const char *why)
{
    struct passage *p = arg;
    const struct http_request *rq = p->s->rq;
    struct http_header versions[VERSIONS_MAX];
    struct http_client_request call = {
        .method = "POST", .headers = versions, .head_timeout_ms = OPEN_TIMEOUT_MS, .arg = p};
    struct http_client_opts opts;

    if (p->gone || p->kl->stopping) {
        refuse(p, 503, "the kubelet is stopping");
        return;
    }
    if (!at) {
        refuse(p, 500, why);
        return;
    }
    opts = (struct http_client_opts){
        .host = at->host, .port = at->port, .connect_timeout_ms = OPEN_TIMEOUT_MS};
    for (size_t i = 0; i < rq->n_headers && call.n_headers < VERSIONS_MAX; i++)
        if (str_eqz(rq->headers[i].name, "x-stream-protocol-version"))
            versions[call.n_headers++] = rq->headers[i];
    call.target = str_from(at->path);
    p->client = http_client_new(p->kl->loop, &opts);
    tunnel_dial(p->client, &call, STR("SPDY/3.1"), on_open);
}

static void on_abort(void *arg)
{
    struct passage *p = arg;

    p->gone = true;
}

void server_stream_spdy(struct server_request *s, const struct stream_target *t)
{
    struct passage *p = xnew(struct passage);

    p->kl = kubelet_ref(s->kl);
    p->s = s;
    http_on_abort(s->x, on_abort, p);
    stream_ask(s, t, on_address, p);
}
