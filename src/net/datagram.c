/* SPDX-License-Identifier: Apache-2.0 */
#include "net/datagram.h"

#include "base/buf.h"
#include "net/conn.h"

#include <uv.h>

enum { BACKLOG = 128, MAX_CHOICES = 16 };

struct datagram_stream {
    struct datagram_socket *socket;
    struct datagram_stream *prev, *next;
    struct conn *conn;
    struct buf in;
    uint64_t id;
};
struct datagram_socket { /* freed when both handles have closed and no stream is left */
    struct loop *loop;
    uv_udp_t udp;
    uv_tcp_t tcp;
    struct conn_env *env; /* NULL: no streams */
    struct datagram_stream *streams;
    size_t n_streams;
    uint64_t n_ids;
    datagram_fn on_message;
    void *arg;
    unsigned holds; /* open handles and streams */
    bool closed;
    char buffer[DATAGRAM_MAX];
};
struct out { /* a datagram being sent */
    uv_udp_send_t req;
    char bytes[];
};

static void release(struct datagram_socket *s)
{
    if (--s->holds > 0)
        return;
    conn_env_unref(s->env);
    free(s);
}

static void on_udp_closed(uv_handle_t *h)
{
    release(container_of((uv_udp_t *)h, struct datagram_socket, udp));
}

static void on_tcp_closed(uv_handle_t *h)
{
    release(container_of((uv_tcp_t *)h, struct datagram_socket, tcp));
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret_buf)
{
    struct datagram_socket *s = container_of((uv_udp_t *)h, struct datagram_socket, udp);

    (void)suggested;
    *ret_buf = uv_buf_init(s->buffer, sizeof(s->buffer));
}

static socklen_t address_size(const struct sockaddr *a)
{
    return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void on_packet(uv_udp_t *h, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                      unsigned flags)
{
    struct datagram_socket *s = container_of(h, struct datagram_socket, udp);
    struct datagram_peer peer = {0};

    if (n <= 0 || !from || (flags & UV_UDP_PARTIAL) || s->closed)
        return;
    memcpy(peer.address, from, address_size(from));
    s->on_message(s->arg, &peer, (struct str){b->base, (size_t)n});
}

static void stream_unlink(struct datagram_stream *st)
{
    struct datagram_socket *s = st->socket;

    if (st->prev)
        st->prev->next = st->next;
    else
        s->streams = st->next;
    if (st->next)
        st->next->prev = st->prev;
    s->n_streams--;
}

static void on_stream_closed(void *arg, const struct err *err)
{
    struct datagram_stream *st = arg;
    struct datagram_socket *s = st->socket;

    (void)err;
    stream_unlink(st);
    buf_deinit(&st->in);
    free(st);
    release(s);
}

static void on_stream_data(void *arg, const char *p, size_t n)
{
    struct datagram_stream *st = arg;
    struct datagram_peer peer = {.stream = st, .stream_id = st->id};

    buf_append(&st->in, p, n);
    conn_deadline(st->conn, DATAGRAM_IDLE_MS);
    while (st->in.len >= 2 && !st->socket->closed) {
        const uint8_t *head = (const uint8_t *)st->in.p;
        size_t len = (size_t)head[0] << 8 | head[1];

        if (st->in.len < 2 + len)
            return;
        st->socket->on_message(st->socket->arg, &peer, (struct str){st->in.p + 2, len});
        buf_consume(&st->in, 2 + len);
    }
}

static void on_stream_open(void *arg)
{
    struct datagram_stream *st = arg;

    conn_deadline(st->conn, DATAGRAM_IDLE_MS);
}

static void on_stream_timeout(void *arg)
{
    struct datagram_stream *st = arg;

    conn_close(st->conn);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct datagram_socket *s = container_of((uv_tcp_t *)listener, struct datagram_socket, tcp);
    struct conn_accept_opts opts = {.write_timeout_ms = DATAGRAM_IDLE_MS};
    struct datagram_stream *st;
    struct conn_handler h = {.on_open = on_stream_open,
                             .on_data = on_stream_data,
                             .on_timeout = on_stream_timeout,
                             .on_closed = on_stream_closed};

    if (status < 0 || s->closed)
        return;
    st = xnew(struct datagram_stream);
    st->socket = s;
    st->id = ++s->n_ids;
    st->in.limit_bytes = 2 * (DATAGRAM_MAX + 2);
    h.arg = st;
    if (conn_accept(s->env, listener, &opts, &h, &st->conn, NULL) < 0) {
        free(st);
        return;
    }
    s->holds++;
    st->next = s->streams;
    if (s->streams)
        s->streams->prev = st;
    s->streams = st;
    if (++s->n_streams > DATAGRAM_STREAMS_MAX)
        conn_abort(st->conn);
}

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *ret_sa)
{
    if (uv_ip4_addr(address, port, (struct sockaddr_in *)ret_sa) == 0)
        return 0;
    return uv_ip6_addr(address, port, (struct sockaddr_in6 *)ret_sa);
}

/* On the port that UDP has got, also when the kernel chose it. */
static int listen_stream(struct datagram_socket *s, struct sockaddr_storage *sa)
{
    int r;

    ((struct sockaddr_in *)sa)->sin_port = htons(datagram_port(s)); /* IPv6 has it there too */
    r = uv_tcp_bind(&s->tcp, (struct sockaddr *)sa, 0);

    return r < 0 ? r : uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
}

/* Closed again where it fails. Returns what uv says. */
static int open_at(struct datagram_socket *s, struct sockaddr_storage sa, bool streams)
{
    int r;

    s->holds = 1;
    (void)uv_udp_init(loop_uv(s->loop), &s->udp);
    r = uv_udp_bind(&s->udp, (struct sockaddr *)&sa, 0);
    if (r == 0)
        r = uv_udp_recv_start(&s->udp, on_alloc, on_packet);
    if (r == 0 && streams) {
        s->holds++;
        s->env = conn_env_new(s->loop);
        (void)uv_tcp_init(loop_uv(s->loop), &s->tcp);
        r = listen_stream(s, &sa);
    }
    if (r < 0)
        (void)datagram_close(s);
    return r;
}

int datagram_open(struct loop *l, const char *address, uint16_t port, bool streams,
                  datagram_fn on_message, void *arg, struct datagram_socket **ret_s,
                  struct err *err)
{
    struct sockaddr_storage sa = {0};
    struct datagram_socket *s = NULL;
    int r = parse_address(address ? address : "0.0.0.0", port, &sa);

    if (r < 0)
        return err_new(err, ERR_BAD_REQUEST, "\"%s\" is no address", address);
    /* A port that the kernel chose for UDP may be someone else's in TCP: it chooses again. */
    for (unsigned n = 0; n < MAX_CHOICES; n++) {
        s = xnew(struct datagram_socket);
        s->loop = l;
        s->on_message = on_message;
        s->arg = arg;
        r = open_at(s, sa, streams);
        if (port != 0 || r != UV_EADDRINUSE)
            break;
    }
    if (r < 0)
        return err_new(err, ERR_IO, "listen on %s:%u: %s", address ? address : "0.0.0.0", port,
                       uv_strerror(r));
    *ret_s = s;
    return 0;
}

uint16_t datagram_port(const struct datagram_socket *s)
{
    struct sockaddr_storage sa = {0};
    int len = sizeof(sa);

    (void)uv_udp_getsockname(&s->udp, (struct sockaddr *)&sa, &len); /* 0 if it is not bound */
    return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

static void on_sent(uv_udp_send_t *req, int status)
{
    (void)status;
    free(container_of(req, struct out, req));
}

static void send_stream(struct datagram_socket *s, const struct datagram_peer *peer,
                        struct str message)
{
    uint8_t head[2] = {(uint8_t)(message.len >> 8), (uint8_t)message.len};

    for (struct datagram_stream *st = s->streams; st; st = st->next) {
        if (st != peer->stream || st->id != peer->stream_id)
            continue;
        conn_write(st->conn, head, sizeof(head));
        conn_write(st->conn, message.p, message.len);
        return;
    }
}

void datagram_send(struct datagram_socket *s, const struct datagram_peer *peer, struct str message)
{
    struct out *o;
    uv_buf_t b;

    if (message.len > DATAGRAM_MAX || s->closed)
        return;
    if (peer->stream) {
        send_stream(s, peer, message);
        return;
    }
    o = xcalloc(1, sizeof(*o) + message.len);
    memcpy(o->bytes, message.p, message.len);
    b = uv_buf_init(o->bytes, (unsigned)message.len);
    if (uv_udp_send(&o->req, &s->udp, &b, 1, (const struct sockaddr *)(const void *)peer->address,
                    on_sent) < 0)
        free(o);
}

int datagram_peer(const char *address, uint16_t port, struct datagram_peer *ret_peer,
                  struct err *err)
{
    struct sockaddr_storage sa = {0};

    if (parse_address(address, port, &sa) < 0)
        return err_new(err, ERR_BAD_REQUEST, "\"%s\" is no address", address);
    *ret_peer = (struct datagram_peer){0};
    memcpy(ret_peer->address, &sa, address_size((struct sockaddr *)&sa));
    return 0;
}

bool datagram_peer_equal(const struct datagram_peer *a, const struct datagram_peer *b)
{
    const struct sockaddr_in *x = (const void *)a->address, *y = (const void *)b->address;
    const struct sockaddr_in6 *x6 = (const void *)a->address, *y6 = (const void *)b->address;

    if (x->sin_family != y->sin_family || x->sin_port != y->sin_port)
        return false;
    if (x->sin_family == AF_INET)
        return x->sin_addr.s_addr == y->sin_addr.s_addr;
    return memcmp(&x6->sin6_addr, &y6->sin6_addr, sizeof(x6->sin6_addr)) == 0;
}

struct datagram_socket *datagram_close(struct datagram_socket *s)
{
    if (!s)
        return NULL;
    s->closed = true;
    for (struct datagram_stream *st = s->streams; st; st = st->next)
        conn_abort(st->conn);
    if (s->env)
        uv_close((uv_handle_t *)&s->tcp, on_tcp_closed);
    uv_close((uv_handle_t *)&s->udp, on_udp_closed);
    return NULL;
}
