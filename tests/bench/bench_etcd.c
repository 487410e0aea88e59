/* SPDX-License-Identifier: Apache-2.0 */
/* bench_etcd.c - load for an etcd: N clients over M connections, each with one call under way.
 *
 *     bench_etcd PORT put CONNS CLIENTS SECONDS VALUE_BYTES KEYS   random keys of a space of KEYS
 *     bench_etcd PORT fill CONNS CLIENTS COUNT VALUE_BYTES FIRST   the keys FIRST..., once each
 *     bench_etcd PORT get|sget CONNS CLIENTS SECONDS 0 KEYS        sget: serializable
 *     bench_etcd PORT watch CONNS                a watch each; ends with its standard input
 *     bench_etcd FILE sync COUNT BYTES           no etcd: writes and fdatasync, over old space
 *
 * As etcd's own benchmark does it: keys have 8 bytes, all values are the same random bytes. It has
 * the machine with the server, so it is made to cost little: HTTP/2 frames are written by hand, a
 * connection's answers and next calls are one read and one write, and the request's header block,
 * which is the same for ever once it is in the peer's table, is made twice.
 *
 * Layer: a tool. Threads: one.
 */
#include "base/buf.h"
#include "base/random.h"
#include "base/vec.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_HEAD = 9,
    GRPC_HEAD = 5,
    KEY_BYTES = 8,
    READ_BYTES = 256 << 10,
    WINDOW_START = 65535, /* RFC 9113, 6.9.2 */
    WINDOW_OURS = 1 << 30,
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RESET = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW = 8,
    FLAG_END = 1,
    FLAG_ACK = 1,
    FLAG_END_HEADERS = 4,
};

enum kind { PUT, FILL, GET, GET_LOCAL, WATCH };
struct client {
    uint32_t stream; /* 0: no call under way */
    uint64_t began_ns;
};
struct conn {
    int fd;
    nghttp2_hd_deflater *deflate;
    nghttp2_hd_inflater *inflate;
    struct buf in, out, head; /* head: the block that repeats */
    unsigned heads;           /* made */
    uint32_t next_stream;
    int64_t window; /* that the peer gives */
    size_t got;     /* of ours, not given back */
    struct client *clients;
    unsigned n_clients, n_waiting; /* for window */
    bool wants_write;
};
struct bench {
    enum kind kind;
    uint16_t port;
    char authority[32];
    const char *path;
    struct conn *conns;
    unsigned n_conns, n_clients, under_way;
    uint64_t until_ns; /* of what is timed */
    uint64_t left;     /* of what is counted */
    uint64_t keys, next_key, seed;
    struct buf message; /* a request with its gRPC head */
    size_t key_at;
    VEC(uint32_t) took_us;
    int epoll;
    char *read_buf;
};

static void __attribute__((noreturn)) die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_etcd: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void put_be(uint8_t *p, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static uint32_t get_be(const uint8_t *p, int bytes)
{
    uint32_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void frame(struct buf *out, size_t n, int type, int flags, uint32_t stream)
{
    uint8_t *h = (uint8_t *)buf_reserve(out, FRAME_HEAD);

    put_be(h, (uint32_t)n, 3);
    h[3] = (uint8_t)type;
    h[4] = (uint8_t)flags;
    put_be(h + 5, stream, 4);
    out->len += FRAME_HEAD;
}

/* ---- requests ---- */

static void varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_putc(b, (char)(v | 0x80));
    buf_putc(b, (char)v);
}

/* The message of every call; only the key in it changes. */
static void make_message(struct bench *b, size_t value_bytes)
{
    struct buf *m = &b->message;
    uint8_t key[KEY_BYTES] = {0};

    buf_append(m, (const char[GRPC_HEAD]){0}, GRPC_HEAD);
    if (b->kind == WATCH) { /* create_request { key: "\0", range_end: "\0" }: everything */
        buf_append(m, "\x0a\x06\x0a\x01\x00\x12\x01\x00", 8);
    } else {
        varint(m, 1 << 3 | 2);
        varint(m, KEY_BYTES);
        b->key_at = m->len;
        buf_append(m, key, KEY_BYTES);
    }
    if (value_bytes) {
        varint(m, 2 << 3 | 2);
        varint(m, value_bytes);
        random_kernel()->fill(random_kernel(), buf_reserve(m, value_bytes), value_bytes);
        m->len += value_bytes;
    }
    if (b->kind == GET_LOCAL) {
        varint(m, 7 << 3);
        varint(m, 1);
    }
    put_be((uint8_t *)m->p + 1, (uint32_t)(m->len - GRPC_HEAD), 4);
}

static void next_key(struct bench *b)
{
    char text[24];
    uint64_t k;

    if (b->kind == WATCH)
        return;
    if (b->kind == FILL) {
        k = b->next_key++;
    } else { /* xorshift64 */
        b->seed ^= b->seed << 13;
        b->seed ^= b->seed >> 7;
        b->seed ^= b->seed << 17;
        k = b->seed % b->keys;
    }
    (void)snprintf(text, sizeof(text), "%08llu", (unsigned long long)k);
    memcpy(b->message.p + b->key_at, text, KEY_BYTES);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* The second block has all fields in the table, and so has every later one. */
static void make_head(const struct bench *b, struct conn *c)
{
    nghttp2_nv nv[] = {header(":method", "POST"),
                       header(":scheme", "http"),
                       header(":path", b->path),
                       header(":authority", b->authority),
                       header("te", "trailers"),
                       header("content-type", "application/grpc"),
                       header("user-agent", "grpc-go/1.26.0")};
    ssize_t n;

    if (c->heads == 2)
        return;
    c->heads++;
    buf_reset(&c->head);
    n = nghttp2_hd_deflate_hd(c->deflate, (uint8_t *)buf_reserve(&c->head, 1024), 1024, nv,
                              ARRAY_LEN(nv));
    if (n < 0)
        die("header", nghttp2_strerror((int)n));
    c->head.len = (size_t)n;
}

static bool may_start(const struct bench *b)
{
    return b->kind == FILL ? b->left > 0 : b->kind == WATCH || now_ns() < b->until_ns;
}

/* Starts the next call of @cl; or puts it off until there is window, or ends it. */
static void start(struct bench *b, struct conn *c, struct client *cl)
{
    bool ends = b->kind != WATCH;

    cl->stream = 0;
    if (!may_start(b))
        return;
    if (c->window < (int64_t)b->message.len) {
        c->n_waiting++;
        return;
    }
    if (b->kind == FILL)
        b->left--;
    next_key(b);
    make_head(b, c);
    cl->stream = c->next_stream;
    cl->began_ns = now_ns();
    c->next_stream += 2;
    c->window -= (int64_t)b->message.len;
    frame(&c->out, c->head.len, FRAME_HEADERS, FLAG_END_HEADERS, cl->stream);
    buf_str(&c->out, buf_view(&c->head));
    frame(&c->out, b->message.len, FRAME_DATA, ends ? FLAG_END : 0, cl->stream);
    buf_str(&c->out, buf_view(&b->message));
    b->under_way++;
}

/* ---- answers ---- */

static struct client *client_of(const struct conn *c, uint32_t stream)
{
    for (unsigned i = 0; i < c->n_clients; i++)
        if (c->clients[i].stream == stream)
            return &c->clients[i];
    die("answer", "of a stream that is not open");
}

static void inflate(struct conn *c, const uint8_t *p, size_t n)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(c->inflate, &nv, &flags, p, n, 1);

        if (used < 0)
            die("headers", nghttp2_strerror((int)used));
        p += used;
        n -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && nv.namelen == 11 &&
            memcmp(nv.name, "grpc-status", 11) == 0 && (nv.valuelen != 1 || nv.value[0] != '0'))
            die("grpc-status", (const char *)nv.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(c->inflate);
            return;
        }
    }
}

static void settings(struct conn *c, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 6 <= n; i += 6) {
        uint32_t id = get_be(p + i, 2), v = get_be(p + i + 2, 4);

        if ((id == 1 && v < 4096) || (id == 4 && v < WINDOW_START))
            die("SETTINGS", "a table or window smaller than HTTP/2's default");
    }
    frame(&c->out, 0, FRAME_SETTINGS, FLAG_ACK, 0);
}

static void ended(struct bench *b, struct conn *c, uint32_t stream)
{
    struct client *cl = client_of(c, stream);

    vec_push(&b->took_us, (uint32_t)((now_ns() - cl->began_ns + 500) / 1000));
    b->under_way--;
    start(b, c, cl);
}

static void window(struct bench *b, struct conn *c, uint32_t stream, uint32_t by)
{
    if (stream)
        return; /* a call's data is smaller than its first window */
    c->window += by;
    if (!c->n_waiting)
        return;
    c->n_waiting = 0;
    for (unsigned i = 0; i < c->n_clients; i++)
        if (!c->clients[i].stream)
            start(b, c, &c->clients[i]);
}

static void data(struct conn *c, size_t n)
{
    uint8_t by[4];

    c->got += n;
    if (c->got < WINDOW_OURS / 2)
        return;
    put_be(by, (uint32_t)c->got, 4);
    frame(&c->out, sizeof(by), FRAME_WINDOW, 0, 0);
    buf_append(&c->out, by, sizeof(by));
    c->got = 0;
}

static void take_frame(struct bench *b, struct conn *c, const uint8_t *h, const uint8_t *p,
                       size_t n)
{
    uint32_t stream = get_be(h + 5, 4);
    int flags = h[4];

    switch (h[3]) {
    case FRAME_DATA:
        data(c, n);
        if (flags & FLAG_END)
            die("answer", "without trailers");
        break;
    case FRAME_HEADERS:
        if (!(flags & FLAG_END_HEADERS))
            die("answer", "headers in pieces");
        inflate(c, p, n);
        if (flags & FLAG_END)
            ended(b, c, stream);
        break;
    case FRAME_SETTINGS:
        if (!(flags & FLAG_ACK))
            settings(c, p, n);
        break;
    case FRAME_PING:
        if (!(flags & FLAG_ACK)) {
            frame(&c->out, n, FRAME_PING, FLAG_ACK, 0);
            buf_append(&c->out, p, n);
        }
        break;
    case FRAME_WINDOW:
        window(b, c, stream, get_be(p, 4));
        break;
    case FRAME_RESET:
    case FRAME_GOAWAY:
        die("answer", "the server gives up");
    default:
        break;
    }
}

static void take(struct bench *b, struct conn *c)
{
    const uint8_t *p = (const uint8_t *)c->in.p;
    size_t at = 0;

    while (c->in.len - at >= FRAME_HEAD) {
        size_t n = get_be(p + at, 3);

        if (c->in.len - at - FRAME_HEAD < n)
            break;
        take_frame(b, c, p + at, p + at + FRAME_HEAD, n);
        at += FRAME_HEAD + n;
    }
    buf_consume(&c->in, at);
}

/* ---- sockets ---- */

static void watch_fd(struct bench *b, struct conn *c, int op)
{
    struct epoll_event ev = {.events = c->wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN,
                             .data.ptr = c};

    if (epoll_ctl(b->epoll, op, c->fd, &ev))
        die("epoll", strerror(errno));
}

static void flush(struct bench *b, struct conn *c)
{
    ssize_t n = 0;
    bool rest;

    if (c->out.len)
        n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("send", strerror(errno));
    buf_consume(&c->out, n > 0 ? (size_t)n : 0);
    rest = c->out.len > 0;
    if (rest == c->wants_write)
        return;
    c->wants_write = rest;
    watch_fd(b, c, EPOLL_CTL_MOD);
}

static void on_event(struct bench *b, struct conn *c, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t n = recv(c->fd, b->read_buf, READ_BYTES, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN))
            die("recv", n ? strerror(errno) : "the server has closed the connection");
        if (n > 0) {
            buf_append(&c->in, b->read_buf, (size_t)n);
            take(b, c);
        }
    }
    flush(b, c);
}

static void conn_open(struct bench *b, struct conn *c)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(b->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    uint8_t by[4];
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK))
        die("connect", strerror(errno));
    if (nghttp2_hd_deflate_new(&c->deflate, 4096) || nghttp2_hd_inflate_new(&c->inflate))
        die("connect", "out of memory");
    c->next_stream = 1;
    c->window = WINDOW_START;
    buf_append(&c->out, preface, sizeof(preface) - 1);
    frame(&c->out, 0, FRAME_SETTINGS, 0, 0);
    put_be(by, WINDOW_OURS, 4);
    frame(&c->out, sizeof(by), FRAME_WINDOW, 0, 0);
    buf_append(&c->out, by, sizeof(by));
    watch_fd(b, c, EPOLL_CTL_ADD);
}

static void conn_close(struct conn *c)
{
    (void)close(c->fd);
    nghttp2_hd_deflate_del(c->deflate);
    nghttp2_hd_inflate_del(c->inflate);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    buf_deinit(&c->head);
    free(c->clients);
}

/* ---- the run ---- */

static void wait_and_handle(struct bench *b, int timeout_ms)
{
    struct epoll_event evs[128];
    int n = epoll_wait(b->epoll, evs, ARRAY_LEN(evs), timeout_ms);

    if (n < 0 && errno != EINTR)
        die("epoll", strerror(errno));
    for (int i = 0; i < n; i++)
        on_event(b, evs[i].data.ptr, evs[i].events);
}

static int compare_u32(const void *va, const void *vb)
{
    const uint32_t *a = va, *b = vb;

    return *a < *b ? -1 : *a > *b;
}

/* calls, seconds, mean, p50 and p99 in microseconds, CPU seconds of this client */
static void report(struct bench *b, double seconds)
{
    struct rusage u;
    double sum = 0;
    size_t n = b->took_us.n;

    if (!n)
        die("report", "no call ended");
    for (size_t i = 0; i < n; i++)
        sum += b->took_us.v[i];
    qsort(b->took_us.v, n, sizeof(b->took_us.v[0]), compare_u32);
    (void)getrusage(RUSAGE_SELF, &u);
    (void)printf("%zu %.4f %.1f %u %u %.3f\n", n, seconds, sum / (double)n, b->took_us.v[n / 2],
                 b->took_us.v[n * 99 / 100],
                 (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                     (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

static void run(struct bench *b, double seconds)
{
    uint64_t began;
    unsigned at = 0;

    for (unsigned i = 0; i < b->n_conns; i++) {
        struct conn *c = &b->conns[i];

        c->n_clients = b->n_clients / b->n_conns + (i < b->n_clients % b->n_conns);
        c->clients = xcalloc(c->n_clients, sizeof(*c->clients));
        conn_open(b, c);
        at += c->n_clients;
    }
    assert(at == b->n_clients);
    began = now_ns();
    b->until_ns = began + (uint64_t)(seconds * 1e9);
    for (unsigned i = 0; i < b->n_conns; i++) {
        for (unsigned k = 0; k < b->conns[i].n_clients; k++)
            start(b, &b->conns[i], &b->conns[i].clients[k]);
        flush(b, &b->conns[i]);
    }
    if (b->kind == WATCH) {
        char c;

        for (int i = 0; i < 20; i++)
            wait_and_handle(b, 10);
        (void)printf("open\n");
        (void)fflush(stdout);
        while (read(0, &c, 1) > 0)
            ;
        return;
    }
    while (b->under_way)
        wait_and_handle(b, -1);
    report(b, (double)(now_ns() - began) / 1e9);
}

/* What the disk itself does: @count times @bytes, each synced, over space written before. */
static void sync_loop(const char *path, unsigned count, size_t bytes)
{
    enum { SPACE = 64 << 20 };
    size_t at = 0, room = MAX((size_t)SPACE / bytes * bytes, bytes);
    char *p = xcalloc(1, MAX(bytes, (size_t)1 << 20));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint64_t began;
    double seconds;

    if (fd < 0)
        die(path, strerror(errno));
    memset(p, 'x', bytes);
    for (size_t done = 0; done < room; done += bytes)
        if (pwrite(fd, p, bytes, (off_t)done) != (ssize_t)bytes)
            die(path, strerror(errno));
    if (fsync(fd))
        die(path, strerror(errno));
    began = now_ns();
    for (unsigned i = 0; i < count; i++, at = (at + bytes) % room)
        if (pwrite(fd, p, bytes, (off_t)at) != (ssize_t)bytes || fdatasync(fd))
            die(path, strerror(errno));
    seconds = (double)(now_ns() - began) / 1e9;
    (void)printf("%u %.4f %.1f\n", count, seconds, seconds * 1e6 / count);
    (void)close(fd);
    free(p);
}

static unsigned number(const char *text)
{
    uint64_t v;

    if (!str_to_u64(str_from(text), &v) || !v || v > INT32_MAX)
        die(text, "not a number from 1");
    return (unsigned)v;
}

static void parse(struct bench *b, int argc, char **argv, double *ret_seconds)
{
    static const char *const kinds[] = {"put", "fill", "get", "sget", "watch"};
    size_t k = 0, value;

    while (k < ARRAY_LEN(kinds) && strcmp(argv[2], kinds[k]) != 0)
        k++;
    if (k == ARRAY_LEN(kinds) || argc != (k == WATCH ? 4 : 8))
        die("usage", "see the head of bench_etcd.c");
    b->kind = (enum kind)k;
    b->port = (uint16_t)number(argv[1]);
    b->n_conns = b->n_clients = number(argv[3]);
    b->path = "/etcdserverpb.Watch/Watch";
    if (b->kind == WATCH) {
        make_message(b, 0);
        return;
    }
    b->path = b->kind <= FILL ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range";
    b->n_clients = number(argv[4]);
    *ret_seconds = strtod(argv[5], NULL);
    b->left = (uint64_t)*ret_seconds;
    value = strtoul(argv[6], NULL, 10);
    b->keys = b->next_key = strtoul(argv[7], NULL, 10);
    if (b->kind != FILL && (!b->keys || b->keys > 100000000))
        die(argv[7], "not a number of keys");
    make_message(b, value);
}

int main(int argc, char **argv)
{
    struct bench b = {.seed = random_u64(random_kernel()) | 1};
    double seconds = 0;

    if (argc == 5 && strcmp(argv[2], "sync") == 0) {
        sync_loop(argv[1], number(argv[3]), number(argv[4]));
        return 0;
    }
    if (argc < 4)
        die("usage", "see the head of bench_etcd.c");
    parse(&b, argc, argv, &seconds);
    (void)snprintf(b.authority, sizeof(b.authority), "127.0.0.1:%u", b.port);
    b.conns = xcalloc(b.n_conns, sizeof(*b.conns));
    b.read_buf = xcalloc(1, READ_BYTES);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    run(&b, seconds);
    for (unsigned i = 0; i < b.n_conns; i++)
        conn_close(&b.conns[i]);
    (void)close(b.epoll);
    free(b.conns);
    free(b.read_buf);
    buf_deinit(&b.message);
    vec_deinit(&b.took_us);
    return 0;
}
