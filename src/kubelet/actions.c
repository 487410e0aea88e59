/* SPDX-License-Identifier: Apache-2.0 */
/* actions.c - what probes and hooks do: a command in the container, a request, a connection. */
#include "kubelet/actions.h"

#include "net/conn.h"
#include "net/http_client.h"
#include "net/tls.h"

enum {
    OUTPUT_MAX = 10 * 1024,
    REDIRECTS_MAX = 10,
    EXEC_MARGIN_MS = 2000, /* the runtime ends a command that takes too long */
    HTTP_DEFAULT_TIMEOUT_MS = 30000,
    GRPC_MESSAGE_MAX = 4096,
    GRPC_SERVING = 1,
};

struct action {
    struct loop *loop;
    struct kubelet *kl;
    struct kpod *pod; /* a reference */
    struct arena arena;
    uint32_t timeout_ms;
    bool ended, released;
    action_done done; /* NULL: cancelled, or told */
    void *arg;
    struct buf output;
    /* HTTP */
    struct http_client *http;
    struct tls_context *tls;
    const char *host;
    uint16_t port;
    bool secure, probe;
    struct http_header *headers;
    size_t n_headers;
    int status;
    unsigned redirects;
    struct str location;
    /* TCP */
    struct conn_env *env;
    struct conn *conn;
    bool connected;
    /* gRPC */
    struct grpc_client *grpc;
    int64_t serving;
};

static void release(void *arg)
{
    struct action *a = arg;

    a->http = http_client_free(a->http);
    a->tls = tls_context_free(a->tls);
    a->grpc = grpc_client_free(a->grpc);
    a->env = conn_env_unref(a->env);
    buf_deinit(&a->output);
    arena_deinit(&a->arena);
    kpod_unref(a->pod);
    free(a);
}

/* Says how it went, and frees on the loop's next turn: the caller may be a client's callback. */
static void end(struct action *a, enum action_verdict verdict, struct str output)
{
    action_done done = a->done;

    if (a->ended)
        return;
    a->ended = true;
    a->done = NULL;
    if (done)
        done(a->arg, verdict, str_sub(output, 0, OUTPUT_MAX));
    if (!a->released)
        loop_post(a->loop, release, a);
    a->released = true;
}

struct action *action_cancel(struct action *a)
{
    if (!a)
        return NULL;
    a->done = NULL;
    if (a->http || a->grpc) { /* nothing else of it is under way but what goes with these */
        a->ended = true;
        if (!a->released)
            loop_post(a->loop, release, a);
        a->released = true;
    } else if (a->conn) {
        conn_abort(a->conn); /* its end ends the action */
    }
    return NULL;
}

static struct action *action_new(const struct action_target *t, action_done done, void *arg)
{
    struct action *a = xnew(struct action);

    a->pod = kpod_ref(t->kc->pod);
    a->kl = a->pod->kl;
    a->loop = a->kl->loop;
    a->timeout_ms = t->timeout_ms;
    a->probe = t->probe;
    a->output.limit_bytes = OUTPUT_MAX;
    a->done = done;
    a->arg = arg;
    return a;
}

static void end_early(void *arg)
{
    struct action *a = arg;

    end(a, ACTION_ERROR, buf_view(&a->output));
}

/* Cannot even begin: told later, as every end. */
static struct action *fail_later(struct action *a, const char *why)
{
    buf_reset(&a->output);
    buf_puts(&a->output, why);
    loop_post(a->loop, end_early, a);
    return a;
}

int action_port(const struct core_container *c, const struct int_or_string *port,
                uint16_t *ret_port, struct err *err)
{
    bool named = port->kind == INT_OR_STRING_STRING;
    int64_t n = named ? 0 : port->i;

    if (named && !str_to_i64(port->s, &n)) {
        for (size_t i = 0; c && i < c->ports.n; i++) {
            if (str_eq(c->ports.v[i].name, port->s))
                n = c->ports.v[i].container_port;
        }
        if (n == 0)
            return err_new(err, ERR_INVALID, "couldn't find port: %.*s", STR_ARG(port->s));
    }
    if (n < 1 || n > UINT16_MAX)
        return err_new(err, ERR_INVALID, "invalid port number: %lld", (long long)n);
    *ret_port = (uint16_t)n;
    return 0;
}

/* ---- exec ---- */

static void on_exec(void *arg, enum grpc_status status, struct str text,
                    const ProtobufCMessage *response)
{
    const Runtime__V1__ExecSyncResponse *rp = (const void *)response;
    struct action *a = arg;

    if (status == GRPC_OK) {
        buf_append(&a->output, rp->stdout.data, MIN(rp->stdout.len, OUTPUT_MAX));
        if (a->output.len < OUTPUT_MAX)
            buf_append(&a->output, rp->stderr.data,
                       MIN(rp->stderr.len, OUTPUT_MAX - a->output.len));
        end(a, rp->exit_code == 0 ? ACTION_SUCCESS : ACTION_FAILURE, buf_view(&a->output));
    } else if (status == GRPC_DEADLINE_EXCEEDED || str_find(text, STR("timeout")) >= 0 ||
               str_find(text, STR("deadline exceeded")) >= 0) {
        buf_printf(&a->output, "command timed out: %.*s", STR_ARG(text));
        end(a, ACTION_FAILURE, buf_view(&a->output));
    } else {
        end(a, ACTION_ERROR, text);
    }
}

struct action *action_exec(const struct action_target *t, const struct string_list *command,
                           action_done done, void *arg)
{
    struct action *a = action_new(t, done, arg);
    Runtime__V1__ExecSyncRequest rq = RUNTIME__V1__EXEC_SYNC_REQUEST__INIT;
    char **cmd = arena_calloc(&a->arena, command->n + 1, sizeof(*cmd));

    if (a->kl->stopping || !t->kc->cur.id)
        return fail_later(a, "the container is not running");
    for (size_t i = 0; i < command->n; i++)
        cmd[i] = str_dupz(&a->arena, command->v[i]);
    rq.container_id = t->kc->cur.id;
    rq.cmd = cmd;
    rq.n_cmd = command->n;
    rq.timeout = (t->timeout_ms + 999) / 1000;
    cri_call(a->kl->cri, CRI_EXEC_SYNC, &rq.base,
             t->timeout_ms ? t->timeout_ms + EXEC_MARGIN_MS : CRI_NO_TIMEOUT, on_exec, a);
    return a;
}

/* ---- HTTP ---- */

static void http_send(struct action *a, struct str target);

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct action *a = arg;

    a->status = status;
    a->location = STR_NULL;
    for (size_t i = 0; i < n; i++) {
        if (str_eq(headers[i].name, STR("location")))
            a->location = str_dup(&a->arena, headers[i].value);
    }
}

static void on_data(void *arg, struct str piece)
{
    struct action *a = arg;

    buf_str(&a->output, str_sub(piece, 0, OUTPUT_MAX - MIN(a->output.len, OUTPUT_MAX)));
}

/* Where a redirect leads on the same host; STR_NULL if it leads elsewhere. */
static struct str same_host_target(const struct action *a)
{
    struct str rest = a->location, authority, path;
    struct str scheme = a->secure ? STR("https://") : STR("http://");
    auto_arena t = {0};

    if (str_has_prefix(rest, STR("/")) && !str_has_prefix(rest, STR("//")))
        return rest;
    if (!str_has_prefix(rest, scheme))
        return STR_NULL;
    rest = str_sub(rest, scheme.len, rest.len);
    authority = str_cut(rest, '/', &path);
    if (!str_eqz(authority, arena_printf(&t, "%s:%u", a->host, a->port)) &&
        !str_eqz(authority, a->host))
        return STR_NULL;
    return path.p ? (struct str){path.p - 1, path.len + 1} : STR("/");
}

static void http_result(struct action *a)
{
    struct str target;
    auto_buf text = {0};

    if (a->status >= 300 && a->status < 400 && a->location.p) {
        target = same_host_target(a);
        if (!target.p) {
            buf_printf(&text, "Probe terminated redirects, Response body: %.*s",
                       STR_ARG(buf_view(&a->output)));
            end(a, ACTION_WARNING, buf_view(&text));
            return;
        }
        if (++a->redirects > REDIRECTS_MAX) {
            end(a, ACTION_FAILURE, STR("stopped after 10 redirects"));
            return;
        }
        http_send(a, target);
        return;
    }
    if (a->status >= 200 && a->status < 400) {
        end(a, ACTION_SUCCESS, buf_view(&a->output));
        return;
    }
    buf_printf(&text, "HTTP probe failed with statuscode: %d", a->status);
    end(a, ACTION_FAILURE, buf_view(&text));
}

static void on_http_done(void *arg, const struct err *err)
{
    struct action *a = arg;
    auto_buf text = {0};

    if (a->ended)
        return;
    if (!err) {
        http_result(a);
        return;
    }
    buf_printf(&text, "Get \"%s://%s:%u\": %s", a->secure ? "https" : "http", a->host, a->port,
               err->msg);
    end(a, ACTION_FAILURE, buf_view(&text));
}

static void http_send(struct action *a, struct str target)
{
    uint32_t timeout = a->timeout_ms ? a->timeout_ms : HTTP_DEFAULT_TIMEOUT_MS;
    struct http_client_request rq = {.method = "GET",
                                     .target = target,
                                     .headers = a->headers,
                                     .n_headers = a->n_headers,
                                     .timeout_ms = timeout,
                                     .head_timeout_ms = timeout,
                                     .on_head = on_head,
                                     .on_data = on_data,
                                     .on_done = on_http_done,
                                     .arg = a};

    buf_reset(&a->output);
    (void)http_client_send(a->http, &rq);
}

static void set_headers(struct action *a, const struct core_http_get_action *get)
{
    enum { OWN = 4 };
    bool agent = false, accept = false, host = false;
    struct http_header *h = arena_calloc(&a->arena, get->http_headers.n + OWN, sizeof(*h));

    for (size_t i = 0; i < get->http_headers.n; i++) {
        h[i] = (struct http_header){str_dup(&a->arena, get->http_headers.v[i].name),
                                    str_dup(&a->arena, get->http_headers.v[i].value)};
        agent = agent || str_ieq(h[i].name, STR("user-agent"));
        accept = accept || str_ieq(h[i].name, STR("accept"));
        host = host || str_ieq(h[i].name, STR("host"));
    }
    a->headers = h;
    a->n_headers = get->http_headers.n;
    if (!agent)
        h[a->n_headers++] = (struct http_header){
            STR("User-Agent"), a->probe ? STR("kube-probe/1.36") : STR("kube-lifecycle/1.36")};
    if (!accept)
        h[a->n_headers++] = (struct http_header){STR("Accept"), STR("*/*")};
    if (!host)
        h[a->n_headers++] = (struct http_header){
            STR("Host"), str_printf(&a->arena, "%s:%u", a->host, a->port)};
    h[a->n_headers++] = (struct http_header){STR("Connection"), STR("close")};
}

struct action *action_http(const struct action_target *t, const struct core_http_get_action *get,
                           action_done done, void *arg)
{
    struct action *a = action_new(t, done, arg);
    const char *ip = kpod_ip(t->kc->pod);
    struct http_client_opts opts = {0};
    struct err err = {0};
    struct str target = str_empty(get->path) ? STR("/") : get->path;

    if (a->kl->stopping || (!ip && str_empty(get->host)))
        return fail_later(a, "the pod has no address");
    if (action_port(kcontainer_spec(t->kc), &get->port, &a->port, &err) < 0)
        return fail_later(a, err.msg);
    a->host = str_empty(get->host) ? arena_strdup(&a->arena, ip) : str_dupz(&a->arena, get->host);
    a->secure = str_ieq(get->scheme, STR("HTTPS"));
    if (a->secure && tls_client_context(STR(""), STR(""), STR(""), true, &a->tls, &err) < 0)
        return fail_later(a, err.msg);
    set_headers(a, get);
    opts.host = a->host;
    opts.port = a->port;
    opts.tls = a->tls;
    opts.connect_timeout_ms = t->timeout_ms;
    a->http = http_client_new(a->loop, &opts);
    if (target.p[0] != '/')
        target = str_printf(&a->arena, "/%.*s", STR_ARG(target));
    http_send(a, target);
    return a;
}

/* ---- TCP ---- */

static void on_tcp_open(void *arg)
{
    struct action *a = arg;

    a->connected = true;
    conn_abort(a->conn);
}

static void on_tcp_data(void *arg, const char *p, size_t n)
{
    (void)arg, (void)p, (void)n; /* a server that speaks first: it is there, which is enough */
}

static void on_tcp_closed(void *arg, const struct err *err)
{
    struct action *a = arg;

    a->conn = NULL;
    end(a, a->connected ? ACTION_SUCCESS : ACTION_FAILURE,
        err && !a->connected ? str_from(err->msg) : STR(""));
}

struct action *action_tcp(const struct action_target *t, const struct core_tcp_socket_action *tcp,
                          action_done done, void *arg)
{
    struct action *a = action_new(t, done, arg);
    struct conn_handler h = {
        .on_open = on_tcp_open, .on_data = on_tcp_data, .on_closed = on_tcp_closed, .arg = a};
    const char *ip = kpod_ip(t->kc->pod);
    struct conn_connect_opts opts = {.open_timeout_ms = t->timeout_ms};
    struct err err = {0};

    if (a->kl->stopping || (!ip && str_empty(tcp->host)))
        return fail_later(a, "the pod has no address");
    if (action_port(kcontainer_spec(t->kc), &tcp->port, &opts.port, &err) < 0)
        return fail_later(a, err.msg);
    opts.host = str_empty(tcp->host) ? ip : str_dupz(&a->arena, tcp->host);
    a->env = conn_env_new(a->loop);
    if (!a->env)
        return fail_later(a, "this loop has no sockets");
    a->conn = conn_connect(a->env, &opts, &h);
    return a;
}

/* ---- gRPC: grpc.health.v1.Health/Check, written out: one text, one number ---- */

static void on_health(void *arg, struct str m)
{
    struct action *a = arg;

    if (m.len >= 2 && (unsigned char)m.p[0] == 0x08)
        a->serving = (unsigned char)m.p[1];
}

static void on_health_done(void *arg, enum grpc_status status, struct str text)
{
    struct action *a = arg;
    auto_buf b = {0};

    if (a->ended)
        return;
    if (status == GRPC_OK && a->serving == GRPC_SERVING) {
        end(a, ACTION_SUCCESS, STR("service healthy"));
        return;
    }
    if (status == GRPC_OK)
        buf_printf(&b, "service unhealthy (responded with \"%s\")",
                   a->serving == 2   ? "NOT_SERVING"
                   : a->serving == 3 ? "SERVICE_UNKNOWN"
                                     : "UNKNOWN");
    else if (status == GRPC_UNIMPLEMENTED)
        buf_puts(&b, "error: this server does not implement the grpc health protocol "
                     "(grpc.health.v1.Health)");
    else if (status == GRPC_DEADLINE_EXCEEDED)
        buf_printf(&b, "timeout: health rpc did not complete within %ums", a->timeout_ms);
    else
        buf_printf(&b, "error: health rpc probe failed: %.*s", STR_ARG(text));
    end(a, ACTION_FAILURE, buf_view(&b));
}

struct action *action_grpc(const struct action_target *t, const struct core_grpc_action *g,
                           action_done done, void *arg)
{
    enum { SERVICE_MAX = 127 }; /* its length is one byte */
    struct action *a = action_new(t, done, arg);
    struct str service = g->service ? *g->service : STR("");
    struct grpc_call_opts opts = {.method = "/grpc.health.v1.Health/Check",
                                  .timeout_ms = t->timeout_ms,
                                  .on_message = on_health,
                                  .on_done = on_health_done,
                                  .arg = a};
    const char *ip = kpod_ip(t->kc->pod);
    auto_buf request = {0};

    if (a->kl->stopping || !ip)
        return fail_later(a, "the pod has no address");
    if (service.len > SERVICE_MAX)
        return fail_later(a, "the service's name is too long");
    if (service.len > 0) {
        buf_putc(&request, 0x0a);
        buf_putc(&request, (char)service.len);
        buf_str(&request, service);
    }
    opts.request = buf_view(&request);
    a->grpc = grpc_client_new(a->loop, arena_printf(&a->arena, "%s:%d", ip, g->port),
                              GRPC_MESSAGE_MAX);
    (void)grpc_call_start(a->grpc, &opts);
    return a;
}
