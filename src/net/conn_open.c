/* conn_open.c - how connections come about: accept, or resolve and connect. */
#include "net/conn_internal.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/un.h>

#define KEEPALIVE_SEC 15

/* ---- accept ---- */

static void note_address(struct conn *c, const struct sockaddr *sa)
{
    char ip[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in4 = (const void *)sa;
    const struct sockaddr_in6 *in6 = (const void *)sa;

    if (sa->sa_family == AF_INET && uv_ip4_name(in4, ip, sizeof(ip)) == 0)
        c->peer.address = str_printf(&c->arena, "%s:%u", ip, ntohs(in4->sin_port));
    else if (sa->sa_family == AF_INET6 && uv_ip6_name(in6, ip, sizeof(ip)) == 0)
        c->peer.address = str_printf(&c->arena, "[%s]:%u", ip, ntohs(in6->sin6_port));
}

void conn_note_address(struct conn *c)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof(sa);

    c->peer.address = STR("@");
    if (c->uv.handle.type == UV_TCP &&
        uv_tcp_getpeername(&c->uv.tcp, (struct sockaddr *)&sa, &len) == 0)
        note_address(c, (const struct sockaddr *)&sa);
}

static int handle_init(struct conn *c, bool unix_socket, struct err *err)
{
    uv_loop_t *uv = loop_uv(c->env->loop);
    int r = unix_socket ? uv_pipe_init(uv, &c->uv.pipe, 0) : uv_tcp_init(uv, &c->uv.tcp);

    if (r < 0)
        return err_new(err, ERR_IO, "socket: %s", uv_strerror(r));
    return 0;
}

/* Small answers leave at once, and a peer that vanished is noticed. */
static void tune(struct conn *c)
{
    if (c->uv.handle.type != UV_TCP)
        return;
    (void)uv_tcp_nodelay(&c->uv.tcp, 1);
    (void)uv_tcp_keepalive(&c->uv.tcp, 1, KEEPALIVE_SEC);
}

int conn_accept(struct conn_env *env, struct uv_stream_s *listener,
                const struct conn_accept_opts *opts, const struct conn_handler *h,
                struct conn **ret_c, struct err *err)
{
    struct conn *c = conn_new(env, opts->tls ? CONN_HANDSHAKE : CONN_OPEN, h);
    int r = handle_init(c, listener->type == UV_NAMED_PIPE, err);

    if (r < 0) {
        conn_drop(c);
        return r;
    }
    c->n_holds = 1;
    c->write_timeout_ms = opts->write_timeout_ms;
    r = uv_accept(listener, &c->uv.stream);
    if (r < 0) {
        conn_set_handler(c, NULL);
        conn_abort(c);
        return err_new(err, ERR_IO, "accept: %s", uv_strerror(r));
    }
    tune(c);
    conn_note_address(c);
    if (opts->tls) {
        r = conn_tls_init(c, opts->tls, NULL, NULL, err);
        if (r < 0) {
            conn_set_handler(c, NULL);
            conn_abort(c);
            return r;
        }
        conn_set_deadline(c, opts->open_timeout_ms ? opts->open_timeout_ms : CONN_OPEN_MS);
    } else {
        conn_opened(c, false);
    }
    conn_read_start(c);
    *ret_c = c;
    return 0;
}

/* ---- connect ---- */

static void dial_next(struct conn *c);

void conn_connected(struct conn *c)
{
    tune(c);
    conn_note_address(c);
    conn_dial_free(c);
    if (!c->ssl) {
        conn_opened(c, true);
        conn_read_start(c);
        return;
    }
    c->state = CONN_HANDSHAKE;
    conn_read_start(c);
    conn_tls_input(c, NULL, 0); /* says hello */
}

static void on_redial(uv_handle_t *h)
{
    struct conn *c = container_of((void *)h, struct conn, uv);
    struct err err = {0};

    c->dial->redialing = false;
    if (c->state == CONN_CLOSED) {
        conn_release(c);
        return;
    }
    if (handle_init(c, false, &err) < 0) {
        c->state = CONN_CLOSED; /* there is no handle to close */
        timer_stop(&c->timer);
        c->err = xnew(struct err);
        *c->err = err;
        conn_release(c);
        return;
    }
    dial_next(c);
}

/* The address just tried does not answer: another socket for the next one, or the end. */
static void dial_failed(struct conn *c, int status)
{
    struct conn_dial *d = c->dial;

    if (d->next) {
        d->redialing = true;
        uv_close(&c->uv.handle, on_redial);
        return;
    }
    conn_fail(c, ERR_IO, "connect to %s: %s", d->host, uv_strerror(status));
}

static void on_connect(uv_connect_t *req, int status)
{
    struct conn *c = container_of(req, struct conn_dial, connect)->conn;

    if (c->state == CONN_CLOSED)
        return;
    if (status < 0)
        dial_failed(c, status);
    else
        conn_connected(c);
}

static void dial_next(struct conn *c)
{
    struct conn_dial *d = c->dial;
    const struct addrinfo *ai = d->next;
    int r;

    d->next = ai->ai_next;
    r = uv_tcp_connect(&d->connect, &c->uv.tcp, ai->ai_addr, on_connect);
    if (r < 0)
        dial_failed(c, r);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct conn_dial *d = container_of(req, struct conn_dial, resolve);
    struct conn *c = d->conn;

    d->found = found;
    d->next = found;
    if (c->state == CONN_CONNECTING) {
        if (status < 0 || !found)
            conn_fail(c, ERR_IO, "resolve %s: %s", d->host,
                      status < 0 ? uv_strerror(status) : "no address");
        else
            dial_next(c);
    }
    conn_release(c);
}

static void dial_tcp(struct conn *c, uint16_t port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct sockaddr_storage sa = {0};
    struct conn_dial *d = c->dial;
    char service[8];
    int r;

    if (uv_ip4_addr(d->host, port, (struct sockaddr_in *)&sa) == 0 ||
        uv_ip6_addr(d->host, port, (struct sockaddr_in6 *)&sa) == 0) {
        r = uv_tcp_connect(&d->connect, &c->uv.tcp, (const struct sockaddr *)&sa, on_connect);
        if (r < 0)
            conn_fail(c, ERR_IO, "connect to %s: %s", d->host, uv_strerror(r));
        return;
    }
    (void)snprintf(service, sizeof(service), "%u", port);
    r = uv_getaddrinfo(loop_uv(c->env->loop), &d->resolve, on_resolved, d->host, service, &hints);
    if (r < 0)
        conn_fail(c, ERR_IO, "resolve %s: %s", d->host, uv_strerror(r));
    else
        c->n_holds++;
}

static void dial_unix(struct conn *c)
{
    struct conn_dial *d = c->dial;

    if (strlen(d->host) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        conn_fail(c, ERR_IO, "connect to %s: the path is too long", d->host);
    else
        uv_pipe_connect(&d->connect, &c->uv.pipe, d->host, on_connect);
}

struct conn *conn_connect(struct conn_env *env, const struct conn_connect_opts *opts,
                          const struct conn_handler *h)
{
    struct conn *c = conn_new(env, CONN_CONNECTING, h);
    const char *name = opts->server_name ? opts->server_name : opts->host;
    struct err err = {0};

    c->n_holds = 1;
    c->write_timeout_ms = opts->write_timeout_ms;
    c->dial = xnew(struct conn_dial);
    c->dial->conn = c;
    c->dial->unix_socket = opts->unix_socket;
    c->dial->host = xstrdup(opts->host);
    if (handle_init(c, opts->unix_socket, &err) < 0)
        abort(); /* neither a TCP handle without a socket nor a pipe's can fail */
    conn_set_deadline(c, opts->open_timeout_ms ? opts->open_timeout_ms : CONN_OPEN_MS);
    if (opts->tls && conn_tls_init(c, opts->tls, name, opts->alpn, &err) < 0)
        conn_fail(c, err.code, "%s", err.msg);
    else if (opts->unix_socket)
        dial_unix(c);
    else
        dial_tcp(c, opts->port);
    return c;
}

void conn_dial_cancel(struct conn *c)
{
    if (c->dial && c->n_holds > 1)
        (void)uv_cancel((uv_req_t *)&c->dial->resolve); /* busy: its callback comes later */
}

void conn_dial_free(struct conn *c)
{
    if (!c->dial)
        return;
    if (c->dial->found)
        uv_freeaddrinfo(c->dial->found);
    free(c->dial->host);
    free(c->dial);
    c->dial = NULL;
}
