/* http_server.c - listening, connections and their protocols, exchanges, the drain. */
#include "net/http_server_internal.h"
#include "net/http1_parser.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define BACKLOG 1024
#define IDLE_TIMEOUT_MS 180000
#define HEAD_TIMEOUT_MS 30000
#define CONNECTIONS_MAX 10000

struct http_server {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct loop *loop;
    struct conn_env *env;
    struct http_server_opts opts;
    struct http_conn *conns; /* list */
    uint32_t n_conns;
    uint16_t port;
    bool draining, listener_closed;
    struct timer grace;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    int64_t date_sec;
    char date[HTTP_DATE_BYTES];
};

/* ---- exchanges ---- */

void http_exchange_init(struct http_exchange *x, struct http_conn *hc,
                        const struct http_exchange_ops *ops)
{
    x->ops = ops;
    x->hc = hc;
    x->loop = hc->server->loop;
    x->rq.peer = *conn_peer(hc->conn);
    x->body.limit_bytes = hc->server->opts.body_max;
}

void http_exchange_close_source(struct http_exchange *x)
{
    struct http_source src = x->src;

    x->src = (struct http_source){0};
    if (src.close)
        src.close(src.arg);
}

static void exchange_free(struct http_exchange *x)
{
    http_exchange_close_source(x);
    buf_deinit(&x->body);
    arena_deinit(&x->arena);
    free(x);
}

/* What the peer's record points to dies with the connection, but the handler may still look. */
static void keep_peer(struct http_exchange *x)
{
    struct http_peer *p = &x->rq.peer;
    struct str *o = arena_calloc(&x->arena, p->n_organizations, sizeof(*o));

    for (size_t i = 0; i < p->n_organizations; i++)
        o[i] = str_dup(&x->arena, p->organizations[i]);
    p->organizations = o;
    p->common_name = str_dup(&x->arena, p->common_name);
    p->sha256_hex = str_dup(&x->arena, p->sha256_hex);
    p->address = str_dup(&x->arena, p->address);
}

void http_exchange_hand_over(struct http_exchange *x)
{
    const struct http_handler *h = &x->hc->server->opts.handler;

    x->handed = true;
    x->body_end |= !x->streams;
    h->on_request(h->arg, x, &x->rq);
}

void http_exchange_body(struct http_exchange *x, const void *p, size_t n)
{
    if (x->on_body.on_data)
        x->on_body.on_data(x->on_body.arg, (struct str){p, n});
    else
        buf_append(&x->body, p, n);
}

void http_exchange_body_end(struct http_exchange *x)
{
    x->body_end = true;
    if (x->on_body.on_end)
        x->on_body.on_end(x->on_body.arg);
}

void http_on_body(struct http_exchange *x, const struct http_body_handler *h)
{
    struct buf early = x->body;

    x->on_body = *h;
    if (x->streams)
        x->body = (struct buf){0};
    if (early.len > 0)
        h->on_data(h->arg, buf_view(&early));
    if (x->body_end && h->on_end)
        h->on_end(h->arg);
    if (x->streams)
        buf_deinit(&early);
}

void http_body_taken(struct http_exchange *x, size_t n)
{
    if (!x->done && x->streams && x->ops->taken)
        x->ops->taken(x, n);
}

void http_set_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n)
{
    x->trailers = arena_calloc(&x->arena, n, sizeof(*trailers));
    x->n_trailers = 0;
    for (size_t i = 0; i < n; i++) {
        if (!http_header_sendable(&trailers[i]))
            continue;
        x->trailers[x->n_trailers++] = (struct http_header){
            str_dup(&x->arena, trailers[i].name), str_dup(&x->arena, trailers[i].value)};
    }
}

void http_exchange_done(struct http_exchange *x)
{
    x->done = true;
    exchange_free(x);
}

void http_exchange_abort(struct http_exchange *x)
{
    bool through = x->answered || !x->handed; /* with the handler */

    assert(!x->done);
    keep_peer(x);
    x->done = true;
    x->hc = NULL;
    if (x->on_abort)
        x->on_abort(x->abort_arg); /* it may answer: then @x is gone, unless it had before */
    if (through)
        exchange_free(x);
}

static void respond(struct http_exchange *x, const struct http_answer *answer,
                    struct http_source src)
{
    assert(!x->answered);
    x->answered = true;
    x->src = src;
    if (x->done)
        exchange_free(x);
    else
        x->ops->respond(x, answer);
}

struct memory_source {
    const char *p;
    size_t left;
};

static long memory_read(void *arg, char *p, size_t cap)
{
    struct memory_source *m = arg;
    size_t n = MIN(cap, m->left);

    memcpy(p, m->p, n);
    m->p += n;
    m->left -= n;
    return (long)n;
}

void http_respond(struct http_exchange *x, int status, const char *type, struct str body,
                  const struct http_header *extra, size_t n_extra)
{
    struct memory_source *m = arena_new(&x->arena, struct memory_source);
    struct http_source src = {.read = memory_read, .arg = m};
    struct http_answer answer = {.status = status,
                                 .type = type,
                                 .content_length = (int64_t)body.len,
                                 .extra = extra,
                                 .n_extra = n_extra};

    m->p = arena_memdupz(&x->arena, body.p, body.len);
    m->left = body.len;
    respond(x, &answer, src);
}

void http_respond_source(struct http_exchange *x, int status, const char *type,
                         int64_t content_length, struct http_source src,
                         const struct http_header *extra, size_t n_extra)
{
    struct http_answer answer = {.status = status,
                                 .type = type,
                                 .content_length = content_length,
                                 .extra = extra,
                                 .n_extra = n_extra};

    respond(x, &answer, src);
}

void http_exchange_too_large(struct http_exchange *x)
{
    char text[256];
    int n = snprintf(text, sizeof(text),
                     "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                     "\"status\":\"Failure\","
                     "\"message\":\"Request entity too large: limit is %zu\","
                     "\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n",
                     x->hc->server->opts.body_max);

    http_respond(x, 413, "application/json", (struct str){text, (size_t)n}, NULL, 0);
}

void http_resume(struct http_exchange *x)
{
    if (!x->done)
        x->ops->resume(x);
}

void http_on_abort(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
    x->on_abort = fn;
    x->abort_arg = arg;
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

/* ---- connections ---- */

const struct http_server_opts *http_server_options(const struct http_server *s)
{
    return &s->opts;
}

bool http_server_draining(const struct http_server *s)
{
    return s->draining;
}

struct str http_server_date(struct http_server *s)
{
    int64_t sec = loop_wall_ns(s->loop) / 1000000000;

    if (sec != s->date_sec || !s->date[0]) {
        s->date_sec = sec;
        http_date(sec, s->date);
    }
    return str_from(s->date);
}

static void closed_if_empty(struct http_server *s)
{
    if (!s->listener_closed || s->n_conns > 0)
        return;
    timer_stop(&s->grace);
    if (s->on_closed)
        s->on_closed(s->on_closed_arg);
    (void)conn_env_unref(s->env);
    free((void *)s->opts.address);
    free(s);
}

static void conn_unlink(struct http_conn *hc)
{
    struct http_server *s = hc->server;

    if (hc->prev)
        hc->prev->next = hc->next;
    else
        s->conns = hc->next;
    if (hc->next)
        hc->next->prev = hc->prev;
    s->n_conns--;
    buf_deinit(&hc->sniffed);
    free(hc);
    closed_if_empty(s);
}

void http_conn_gone(void *arg)
{
    conn_unlink(arg);
}

static void on_closed(void *arg, const struct err *err)
{
    struct http_conn *hc = arg;

    (void)err; /* peers come and go; a server has nothing to do about it */
    if (hc->ops)
        hc->ops->on_closed(hc->state);
    conn_unlink(hc);
}

static void choose(struct http_conn *hc, bool h2)
{
    hc->state = h2 ? http2_server_new(hc, &hc->ops) : http1_server_new(hc, &hc->ops);
    if (hc->server->draining)
        hc->ops->drain(hc->state);
}

static void on_open(void *arg)
{
    struct http_conn *hc = arg;

    if (hc->server->draining)
        conn_close(hc->conn);
    else if (hc->server->opts.tls)
        choose(hc, str_eq(conn_alpn(hc->conn), STR("h2")));
    else
        conn_deadline(hc->conn, hc->server->opts.head_timeout_ms);
}

/* A plain connection speaks HTTP/2 if it begins with the preface of RFC 9113, 3.4. */
static void sniff(struct http_conn *hc, const char *p, size_t n)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct str all;
    struct buf kept;
    bool same;

    buf_append(&hc->sniffed, p, n);
    all = buf_view(&hc->sniffed);
    same = memcmp(all.p, preface, MIN(all.len, sizeof(preface) - 1)) == 0;
    if (same && all.len < sizeof(preface) - 1)
        return;
    choose(hc, same);
    kept = hc->sniffed;
    hc->sniffed = (struct buf){0};
    if (conn_is_open(hc->conn))
        hc->ops->on_data(hc->state, kept.p, kept.len);
    buf_deinit(&kept);
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct http_conn *hc = arg;

    if (hc->ops)
        hc->ops->on_data(hc->state, p, n);
    else
        sniff(hc, p, n);
}

static void on_writable(void *arg)
{
    struct http_conn *hc = arg;

    if (hc->ops)
        hc->ops->on_writable(hc->state);
}

static void on_eof(void *arg, bool clean)
{
    struct http_conn *hc = arg;

    (void)clean;
    if (hc->ops)
        hc->ops->on_eof(hc->state);
    else
        conn_close(hc->conn);
}

static void on_timeout(void *arg)
{
    struct http_conn *hc = arg;

    if (hc->ops)
        hc->ops->on_timeout(hc->state);
    else
        conn_close(hc->conn);
}

static void on_connection(uv_stream_t *listener, int status)
{
    static const struct conn_handler handler = {
        .on_open = on_open,
        .on_data = on_data,
        .on_writable = on_writable,
        .on_eof = on_eof,
        .on_timeout = on_timeout,
        .on_closed = on_closed,
    };
    struct http_server *s = container_of((void *)listener, struct http_server, uv);
    struct conn_accept_opts opts = {.tls = s->opts.tls,
                                    .open_timeout_ms = s->opts.head_timeout_ms,
                                    .write_timeout_ms = HTTP_WRITE_TIMEOUT_MS};
    struct conn_handler h = handler;
    struct http_conn *hc;

    if (status < 0 || s->draining)
        return;
    hc = xnew(struct http_conn);
    hc->server = s;
    h.arg = hc;
    if (conn_accept(s->env, listener, &opts, &h, &hc->conn, NULL) < 0) {
        free(hc); /* the peer has gone already, or descriptors are short: it may come again */
        return;
    }
    hc->next = s->conns;
    if (s->conns)
        s->conns->prev = hc;
    s->conns = hc;
    if (++s->n_conns > s->opts.connections_max)
        conn_abort(hc->conn);
}

/* ---- the server ---- */

/* Removes the socket that a killed server has left at @path: one where nobody listens. */
static void remove_stale(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return; /* who binds says why */
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == ECONNREFUSED)
        (void)unlink(path);
    (void)close(fd);
}

static int bind_unix(struct http_server *s, const char *path, struct err *err)
{
    int r = uv_pipe_init(loop_uv(s->loop), &s->uv.pipe, 0);

    if (r == 0 && strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        r = UV_ENAMETOOLONG;
    if (r == 0)
        remove_stale(path);
    if (r == 0)
        r = uv_pipe_bind(&s->uv.pipe, path);
    return r < 0 ? err_new(err, ERR_IO, "listen on %s: %s", path, uv_strerror(r)) : 0;
}

static int set_reuse_port(struct http_server *s)
{
    uv_os_fd_t fd;
    int one = 1, r = uv_fileno(&s->uv.handle, &fd);

    if (r < 0)
        return r;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ? UV_EINVAL : 0;
}

static int bind_tcp(struct http_server *s, const char *address, uint16_t port, struct err *err)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof(sa), r;

    if (uv_ip4_addr(address, port, (struct sockaddr_in *)&sa) < 0 &&
        uv_ip6_addr(address, port, (struct sockaddr_in6 *)&sa) < 0) {
        (void)uv_tcp_init(loop_uv(s->loop), &s->uv.tcp);
        return err_new(err, ERR_IO, "listen on %s: not an address", address);
    }
    r = uv_tcp_init_ex(loop_uv(s->loop), &s->uv.tcp, sa.ss_family);
    if (r < 0)
        (void)uv_tcp_init(loop_uv(s->loop), &s->uv.tcp); /* no socket, but something to close */
    if (r == 0 && s->opts.reuse_port)
        r = set_reuse_port(s);
    if (r == 0)
        r = uv_tcp_bind(&s->uv.tcp, (const struct sockaddr *)&sa, 0);
    if (r == 0)
        r = uv_tcp_getsockname(&s->uv.tcp, (struct sockaddr *)&sa, &len);
    if (r < 0)
        return err_new(err, ERR_IO, "listen on %s:%u: %s", address, port, uv_strerror(r));
    s->port = ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                             : ((struct sockaddr_in *)&sa)->sin_port);
    return 0;
}

static void on_listener_closed(uv_handle_t *h)
{
    struct http_server *s = container_of((void *)h, struct http_server, uv);

    s->listener_closed = true;
    closed_if_empty(s);
}

static void cut_all(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, grace);

    for (struct http_conn *hc = s->conns; hc; hc = hc->next)
        conn_abort(hc->conn); /* the list changes later, in on_closed */
}

static void set_defaults(struct http_server_opts *o)
{
    o->body_max = o->body_max ? o->body_max : HTTP_BODY_MAX;
    o->idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : IDLE_TIMEOUT_MS;
    o->head_timeout_ms = o->head_timeout_ms ? o->head_timeout_ms : HEAD_TIMEOUT_MS;
    o->connections_max = o->connections_max ? o->connections_max : CONNECTIONS_MAX;
}

int http_server_new(struct loop *l, const struct http_server_opts *opts,
                    struct http_server **ret_s, struct err *err)
{
    struct http_server *s;
    int r;

    assert(opts->handler.on_request);
    if (!loop_uv(l))
        return err_new(err, ERR_IO, "listen on %s: a simulated loop has no sockets", opts->address);
    http_parser_set_max_header_size(HTTP_HEAD_MAX); /* the library's only setting, always this */
    s = xnew(struct http_server);
    s->loop = l;
    s->opts = *opts;
    s->opts.address = xstrdup(opts->address);
    set_defaults(&s->opts);
    s->env = conn_env_new(l);
    timer_init(&s->grace, l, cut_all);
    r = opts->unix_socket ? bind_unix(s, opts->address, err)
                          : bind_tcp(s, opts->address, opts->port, err);
    if (r == 0) {
        r = uv_listen(&s->uv.stream, BACKLOG, on_connection);
        if (r < 0)
            r = err_new(err, ERR_IO, "listen on %s:%u: %s", opts->address, opts->port,
                        uv_strerror(r));
    }
    if (r < 0) {
        s->draining = true;
        uv_close(&s->uv.handle, on_listener_closed); /* which frees the server */
        return r;
    }
    *ret_s = s;
    return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

struct loop *http_loop(struct http_exchange *x)
{
    return x->loop;
}

void http_server_close(struct http_server *s, uint32_t grace_ms, void (*closed)(void *arg),
                       void *arg)
{
    assert(!s->draining);
    s->draining = true;
    s->on_closed = closed;
    s->on_closed_arg = arg;
    uv_close(&s->uv.handle, on_listener_closed);
    timer_start(&s->grace, grace_ms, 0);
    for (struct http_conn *hc = s->conns; hc; hc = hc->next) {
        if (hc->ops)
            hc->ops->drain(hc->state);
        else if (!hc->upgraded)
            conn_close(hc->conn);
    }
}
