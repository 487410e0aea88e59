/* SPDX-License-Identifier: Apache-2.0 */
/* server_stream.c - exec, attach, port-forward: what is asked for, and where the runtime serves it.
 * See server_stream.h. */
#include "kubelet/server_stream.h"
#include "net/tunnel.h"
#include "net/websocket.h"

enum { COMMAND_MAX = 1024 };

struct ask {
    struct server_request *s;
    void (*done)(void *arg, const struct stream_address *at, const char *why);
    void *arg;
};

/* @url: "http://127.0.0.1:40000/exec/token". */
static bool parse_url(struct str url, struct arena *a, struct stream_address *ret_at)
{
    struct str host, path;
    int64_t port;
    long colon;

    if (!str_has_prefix(url, STR("http://")))
        return false;
    host = str_cut(str_sub(url, sizeof("http://") - 1, url.len), '/', &path);
    colon = str_rfind_char(host, ':');
    if (colon < 0 || !path.p ||
        !str_to_i64(str_sub(host, (size_t)(colon + 1), host.len), &port) || port < 1 ||
        port > UINT16_MAX)
        return false;
    host = str_sub(host, 0, (size_t)colon);
    if (host.len > 2 && host.p[0] == '[')
        host = str_sub(host, 1, host.len - 2);
    ret_at->host = str_dupz(a, host);
    ret_at->port = (uint16_t)port;
    ret_at->path = arena_printf(a, "/%.*s", STR_ARG(path));
    return true;
}

/* The answers of Exec, Attach and PortForward are alike: one address. */
static void on_answer(void *arg, enum grpc_status status, struct str text,
                      const ProtobufCMessage *response)
{
    struct ask *q = arg;
    struct arena *a = http_arena(q->s->x);
    struct stream_address at;

    if (status != GRPC_OK)
        q->done(q->arg, NULL, str_dupz(a, text));
    else if (!parse_url(str_from(((const Runtime__V1__ExecResponse *)(const void *)response)->url),
                        a, &at))
        q->done(q->arg, NULL, "the container runtime's streaming address is not supported");
    else
        q->done(q->arg, &at, NULL);
}

static void ask_exec(const struct stream_target *t, struct ask *q)
{
    Runtime__V1__ExecRequest rq = RUNTIME__V1__EXEC_REQUEST__INIT;
    struct server_request *s = q->s;
    struct arena *a = http_arena(s->x);

    rq.container_id = (char *)(uintptr_t)t->container_id;
    rq.stdin = t->in;
    rq.stdout = t->out;
    rq.stderr = t->err;
    rq.tty = t->tty;
    rq.cmd = arena_calloc(a, COMMAND_MAX, sizeof(*rq.cmd));
    for (size_t i = 0; i < s->n_params && rq.n_cmd < COMMAND_MAX; i++) {
        if (str_eq(s->params[i].name, STR("command")))
            rq.cmd[rq.n_cmd++] = str_dupz(a, s->params[i].value);
    }
    cri_call(s->kl->cri, CRI_EXEC, &rq.base, 0, on_answer, q);
}

static void ask_attach(const struct stream_target *t, struct ask *q)
{
    Runtime__V1__AttachRequest rq = RUNTIME__V1__ATTACH_REQUEST__INIT;

    rq.container_id = (char *)(uintptr_t)t->container_id;
    rq.stdin = t->in;
    rq.stdout = t->out;
    rq.stderr = t->err;
    rq.tty = t->tty;
    cri_call(q->s->kl->cri, CRI_ATTACH, &rq.base, 0, on_answer, q);
}

static void ask_port_forward(const struct stream_target *t, struct ask *q)
{
    Runtime__V1__PortForwardRequest rq = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;

    rq.pod_sandbox_id = t->pod->sandbox.id;
    cri_call(q->s->kl->cri, CRI_PORT_FORWARD, &rq.base, 0, on_answer, q);
}

void stream_ask(struct server_request *s, const struct stream_target *t,
                void (*done)(void *arg, const struct stream_address *at, const char *why),
                void *arg)
{
    struct ask *q = arena_new(http_arena(s->x), struct ask);

    *q = (struct ask){.s = s, .done = done, .arg = arg};
    if (!t->container_id)
        ask_port_forward(t, q);
    else if (t->attach)
        ask_attach(t, q);
    else
        ask_exec(t, q);
}

static bool find_target(struct server_request *s, struct stream_target *t)
{
    struct kcontainer *kc;

    if (str_eq(s->segments[0], STR("portForward"))) {
        t->pod = kpod_find(s->kl, s->segments[1], s->segments[2]);
        if (t->pod && t->pod->sandbox.id)
            return true;
        server_refuse(s, 404, "pod does not exist");
        return false;
    }
    kc = server_container(s);
    if (!kc)
        return false;
    if (!kc->cur.id || kc->cur.state != KRUN_RUNNING) {
        server_refuse(s, 500, "container not found (\"%s\")", kc->name);
        return false;
    }
    t->pod = kc->pod;
    t->container_id = kc->cur.id;
    t->attach = str_eq(s->segments[0], STR("attach"));
    t->tty = server_param_set(s, "tty");
    t->in = server_param_set(s, "input");
    t->out = server_param_set(s, "output");
    t->err = server_param_set(s, "error") && !t->tty; /* a terminal has one output */
    return true;
}

void server_stream(struct server_request *s)
{
    struct stream_target t = {0};

    if (!find_target(s, &t))
        return;
    if (websocket_requested(s->rq))
        server_stream_websocket(s, &t);
    else if (tunnel_requested(s->rq, STR("SPDY/3.1")))
        server_stream_spdy(s, &t);
    else
        server_refuse(s, 400, "Upgrade request required");
}
