/* fixture.c - see fixture.h. */
#include "fixture.h"
#include "net/websocket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#define YEAR_SEC (365 * 86400)

/* ---- certificates ---- */

static int64_t now_sec(void)
{
    return clock_real()->wall_ns(clock_real()) / 1000000000;
}

void pki_make(struct pki *p)
{
    static const char *const dns[] = {"localhost", NULL}, *const ips[] = {"127.0.0.1", NULL};
    static const char *const orgs[] = {"devs", "ops", NULL};
    int64_t from = now_sec() - 60;
    struct cert_request ca = {.common_name = "test-ca", .is_ca = true};
    struct cert_request server = {
        .common_name = "server", .server = true, .dns_names = dns, .ips = ips};
    struct cert_request client = {.common_name = "alice", .organizations = orgs, .client = true};
    struct err err = {0};
    struct arena *a = &p->arena;

    *p = (struct pki){0};
    ca.not_before_sec = server.not_before_sec = client.not_before_sec = from;
    ca.lifetime_sec = server.lifetime_sec = client.lifetime_sec = YEAR_SEC;
    assert_ok(cert_new_key(a, &p->ca_key, &err), &err);
    assert_ok(cert_issue(&ca, p->ca_key, STR_NULL, STR_NULL, a, &p->ca, &err), &err);
    assert_ok(cert_new_key(a, &p->key, &err), &err);
    assert_ok(cert_issue(&server, p->key, p->ca, p->ca_key, a, &p->cert, &err), &err);
    assert_ok(cert_new_key(a, &p->client_key, &err), &err);
    assert_ok(cert_issue(&client, p->client_key, p->ca, p->ca_key, a, &p->client_cert, &err), &err);
    assert_ok(cert_new_key(a, &p->stranger_key, &err), &err);
    assert_ok(cert_issue(&client, p->stranger_key, STR_NULL, STR_NULL, a, &p->stranger_cert, &err),
              &err);
}

void pki_deinit(struct pki *p)
{
    arena_deinit(&p->arena);
}

/* ---- the server ---- */

struct source {
    struct fixture *f;
    struct http_exchange *x;
    struct timer timer;
    size_t left;
    int step; /* of /wait and /watch */
    bool watch, error;
};

static long source_read(void *arg, char *p, size_t cap)
{
    struct source *s = arg;
    size_t n = MIN(cap, s->left);

    if (s->error)
        return HTTP_READ_ERROR;
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + (s->left - i) % 26);
    s->left -= n;
    return (long)n;
}

static long waiting_read(void *arg, char *p, size_t cap)
{
    struct source *s = arg;

    (void)cap;
    if (s->step == 0 || s->step == 2) {
        *p = s->step == 0 ? 'a' : 'b';
        s->step++;
        return 1;
    }
    return s->step == 3 ? HTTP_READ_END : HTTP_READ_WAIT;
}

static void source_close(void *arg)
{
    struct source *s = arg;

    timer_stop(&s->timer);
    atomic_fetch_add(&s->f->n_closed_sources, 1);
    free(s);
}

static void on_tick(struct timer *t)
{
    struct source *s = container_of(t, struct source, timer);

    s->step = 2;
    http_resume(s->x);
}

static void answer_source(struct fixture *f, struct http_exchange *x, int64_t length, size_t n,
                          bool error)
{
    struct source *s = xnew(struct source);
    struct http_source src = {.read = source_read, .close = source_close, .arg = s};

    s->f = f;
    s->left = n;
    s->error = error;
    http_respond_source(x, 200, "text/plain", length, src, NULL, 0);
}

static void answer_waiting(struct fixture *f, struct http_exchange *x, bool watch)
{
    struct source *s = xnew(struct source);
    struct http_source src = {.read = waiting_read, .close = source_close, .arg = s};

    s->f = f;
    s->x = x;
    timer_init(&s->timer, http_loop(x), on_tick);
    if (!watch)
        timer_start(&s->timer, 20, 0);
    http_respond_source(x, 200, "text/plain", -1, src, NULL, 0);
}

struct hanging {
    struct fixture *f;
    struct http_exchange *x;
};

static void on_abort(void *arg)
{
    struct hanging *h = arg;
    struct fixture *f = h->f;

    http_respond(h->x, 200, NULL, STR("too late"), NULL, 0); /* ends the exchange */
    atomic_fetch_add(&f->n_aborted, 1);
}

struct echo {
    struct fixture *f;
    struct websocket *w;
};

static void ws_message(void *arg, struct str data, bool binary)
{
    struct echo *e = arg;

    if (str_eq(data, STR("close me")))
        websocket_close(e->w, 1001);
    else
        (void)websocket_send(e->w, data, binary);
}

static void ws_closed(void *arg)
{
    struct echo *e = arg;

    atomic_fetch_add(&e->f->n_ws_closed, 1);
    free(e);
}

static void answer_websocket(struct fixture *f, struct http_exchange *x,
                             const struct http_request *rq)
{
    struct echo *e;
    struct websocket_handler h = {.on_message = ws_message, .on_closed = ws_closed};
    struct str *protocols;
    size_t n;

    if (!websocket_requested(rq)) {
        http_respond(x, 400, NULL, STR("no websocket"), NULL, 0);
        return;
    }
    n = websocket_protocols(rq, http_arena(x), &protocols);
    e = xnew(struct echo);
    e->f = f;
    h.arg = e;
    e->w = websocket_accept(x, n ? protocols[n - 1] : STR_NULL, &h);
}

static void answer_peer(struct http_exchange *x, const struct http_request *rq)
{
    auto_buf out = {0};

    buf_printf(&out, "cert=%d bad=%d cn=%.*s", rq->peer.has_cert, rq->peer.bad_cert,
               STR_ARG(rq->peer.common_name));
    for (size_t i = 0; i < rq->peer.n_organizations; i++)
        buf_printf(&out, " o=%.*s", STR_ARG(rq->peer.organizations[i]));
    buf_printf(&out, " sha256=%.*s", STR_ARG(rq->peer.sha256_hex));
    http_respond(x, 200, "text/plain", buf_view(&out), NULL, 0);
}

struct late { /* /late: also the source of its answer */
    struct fixture *f;
    struct http_exchange *x;
    struct timer timer;
    struct buf body;
    size_t at;
};

static long late_read(void *arg, char *p, size_t cap)
{
    struct late *l = arg;
    size_t n = MIN(cap, l->body.len - l->at);
    char text[24];
    struct http_header trailer = {STR("x-n"), STR_NULL};

    if (n == 0) {
        (void)snprintf(text, sizeof(text), "%zu", l->body.len);
        trailer.value = str_from(text);
        http_set_trailers(l->x, &trailer, 1);
        return HTTP_READ_END;
    }
    memcpy(p, l->body.p + l->at, n);
    l->at += n;
    return (long)n;
}

static void late_close(void *arg)
{
    struct late *l = arg;

    timer_stop(&l->timer);
    buf_deinit(&l->body);
    atomic_fetch_add(&l->f->n_closed_sources, 1);
    free(l);
}

static void late_answer(struct late *l)
{
    struct http_source src = {.read = late_read, .close = late_close, .arg = l};

    http_respond_source(l->x, 200, NULL, -1, src, NULL, 0);
}

static void late_data(void *arg, struct str piece)
{
    struct late *l = arg;

    buf_str(&l->body, piece);
    http_body_taken(l->x, piece.len);
}

static void late_end(void *arg)
{
    struct late *l = arg;

    http_on_abort(l->x, NULL, NULL);
    late_answer(l);
}

static void late_abort(void *arg)
{
    struct late *l = arg;

    atomic_fetch_add(&l->f->n_aborted, 1);
    late_answer(l);
}

static void late_take(struct timer *t)
{
    struct late *l = container_of(t, struct late, timer);
    struct http_body_handler h = {.on_data = late_data, .on_end = late_end, .arg = l};

    http_on_body(l->x, &h);
}

static void answer_late(struct fixture *f, struct http_exchange *x)
{
    struct late *l = xnew(struct late);

    l->f = f;
    l->x = x;
    timer_init(&l->timer, http_loop(x), late_take);
    timer_start(&l->timer, 20, 0);
    http_on_abort(x, late_abort, l);
}

static bool wants_stream(void *arg, const struct http_request *rq)
{
    (void)arg;
    return str_eq(rq->path, STR("/late"));
}

static size_t number_behind(struct str path, struct str prefix)
{
    uint64_t n = 0;

    (void)str_to_u64(str_sub(path, prefix.len, path.len), &n);
    return (size_t)n;
}

static void answer_plain(struct http_exchange *x, const struct http_request *rq)
{
    struct http_header extra[] = {
        {STR("X-Method"), rq->method},
        {STR("x-type"), http_header_find(rq, "content-type")},
        {STR("x-bad"), STR("a\r\nset-cookie: b")},
        {STR("Content-Length"), STR("3")},
    };
    auto_buf out = {0};

    if (str_eq(rq->path, STR("/hello"))) {
        http_respond(x, 200, "text/plain", STR("hello"), NULL, 0);
    } else if (str_eq(rq->path, STR("/echo"))) {
        http_respond(x, 200, NULL, rq->body, extra, ARRAY_LEN(extra));
    } else if (str_eq(rq->path, STR("/query"))) {
        buf_printf(&out, "%.*s\n%.*s\n%.*s\n%.*s\n", STR_ARG(rq->method), STR_ARG(rq->path),
                   STR_ARG(rq->query), STR_ARG(rq->host));
        http_respond(x, 200, NULL, buf_view(&out), NULL, 0);
    } else if (str_eq(rq->path, STR("/none"))) {
        http_respond(x, 204, NULL, STR(""), NULL, 0);
    } else {
        http_respond(x, 404, NULL, STR("not found"), NULL, 0);
    }
}

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct fixture *f = arg;
    struct hanging *h;

    atomic_fetch_add(&f->n_requests, 1);
    if (str_has_prefix(rq->path, STR("/stream/"))) {
        answer_source(f, x, -1, number_behind(rq->path, STR("/stream/")), false);
    } else if (str_has_prefix(rq->path, STR("/sized/"))) {
        size_t n = number_behind(rq->path, STR("/sized/"));

        answer_source(f, x, (int64_t)n, n, false);
    } else if (str_eq(rq->path, STR("/short"))) {
        answer_source(f, x, 10, 5, false);
    } else if (str_eq(rq->path, STR("/error"))) {
        answer_source(f, x, -1, 5, true);
    } else if (str_eq(rq->path, STR("/wait")) || str_eq(rq->path, STR("/watch"))) {
        answer_waiting(f, x, str_eq(rq->path, STR("/watch")));
    } else if (str_eq(rq->path, STR("/hang"))) {
        h = arena_new(http_arena(x), struct hanging);
        *h = (struct hanging){f, x};
        http_on_abort(x, on_abort, h);
    } else if (str_eq(rq->path, STR("/late"))) {
        answer_late(f, x);
    } else if (str_eq(rq->path, STR("/ws"))) {
        answer_websocket(f, x, rq);
    } else if (str_eq(rq->path, STR("/peer"))) {
        answer_peer(x, rq);
    } else {
        answer_plain(x, rq);
    }
}

static void *run(void *arg)
{
    loop_run(((struct fixture *)arg)->loop);
    return NULL;
}

void fixture_start(struct fixture *f)
{
    struct err err = {0};

    (void)signal(SIGPIPE, SIG_IGN); /* as every program with sockets does here */
    f->loop = loop_new("test");
    loop_hold(f->loop, true);
    if (!f->opts.address)
        f->opts.address = "127.0.0.1";
    f->opts.handler = (struct http_handler){on_request, f, wants_stream};
    assert_ok(http_server_new(f->loop, &f->opts, &f->server, &err), &err);
    f->port = http_server_port(f->server);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

struct stop {
    struct fixture *f;
    uint32_t grace_ms;
};

static void on_server_closed(void *arg)
{
    struct fixture *f = arg;

    f->drained = true;
    loop_stop(f->loop);
}

static void stop(void *arg)
{
    struct stop *s = arg;

    http_server_close(s->f->server, s->grace_ms, on_server_closed, s->f);
}

void fixture_stop(struct fixture *f, uint32_t grace_ms)
{
    struct stop s = {f, grace_ms};

    loop_post(f->loop, stop, &s);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    assert_true(f->drained);
    f->loop = loop_free(f->loop);
}

void wait_for(const atomic_int *counter, int want)
{
    struct timespec ms = {.tv_nsec = 1000000};

    for (int i = 0; i < 5000 && atomic_load(counter) < want; i++)
        (void)nanosleep(&ms, NULL);
    assert_int_equal(atomic_load(counter), want);
}

/* ---- the client ---- */

static void client_tls(struct client *c, const struct pki *pki, const char *alpn, struct str cert,
                       struct str key)
{
    BIO *bio = BIO_new_mem_buf(pki->ca.p, (int)pki->ca.len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *k;

    c->ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(c->ctx), x), 1);
    X509_free(x);
    BIO_free(bio);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    if (cert.len > 0) {
        bio = BIO_new_mem_buf(cert.p, (int)cert.len);
        x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        assert_int_equal(SSL_CTX_use_certificate(c->ctx, x), 1);
        X509_free(x);
        BIO_free(bio);
        bio = BIO_new_mem_buf(key.p, (int)key.len);
        k = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        assert_int_equal(SSL_CTX_use_PrivateKey(c->ctx, k), 1);
        EVP_PKEY_free(k);
        BIO_free(bio);
    }
    c->ssl = SSL_new(c->ctx);
    if (alpn)
        assert_int_equal(SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn,
                                             (unsigned)strlen(alpn)), 0);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
    assert_int_equal(SSL_set1_host(c->ssl, "localhost"), 1);
    assert_int_equal(SSL_connect(c->ssl), 1);
}

void client_open(struct client *c, const struct fixture *f, const struct pki *pki,
                 const char *alpn, struct str cert, struct str key)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    struct timeval limit = {.tv_sec = 5};
    int one = 1;

    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(c->fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    if (pki)
        client_tls(c, pki, alpn, cert, key);
}

void client_close(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    if (c->fd >= 0)
        assert_int_equal(close(c->fd), 0);
    buf_deinit(&c->in);
    *c = (struct client){.fd = -1};
}

void client_send(struct client *c, const void *p, size_t n)
{
    const char *from = p;

    while (n > 0) {
        ssize_t r = c->ssl ? SSL_write(c->ssl, from, (int)n) : send(c->fd, from, n, MSG_NOSIGNAL);

        assert_true(r > 0);
        from += r;
        n -= (size_t)r;
    }
}

void client_puts(struct client *c, const char *z)
{
    client_send(c, z, strlen(z));
}

bool client_read(struct client *c)
{
    char *to = buf_reserve(&c->in, 65536);
    ssize_t n = c->ssl ? SSL_read(c->ssl, to, 65536) : recv(c->fd, to, 65536, 0);

    if (n <= 0)
        return false;
    c->in.len += (size_t)n;
    return true;
}

bool client_sees_end(struct client *c)
{
    errno = 0;
    return !client_read(c) && errno != EAGAIN; /* which is the time limit */
}

struct str head_value(struct str head, const char *name)
{
    struct str line, rest = head;

    while (rest.len > 0) {
        line = str_cut(rest, '\n', &rest);
        if (str_ieq(str_cut(line, ':', &line), str_from(name)))
            return str_trim(line);
    }
    return STR_NULL;
}

static void need(struct client *c, size_t n)
{
    while (c->in.len < n)
        assert_true(client_read(c));
}

static size_t find_line_end(struct client *c, size_t from)
{
    long at;

    for (;;) {
        at = str_find(str_sub(buf_view(&c->in), from, c->in.len), STR("\r\n"));
        if (at >= 0)
            return from + (size_t)at;
        assert_true(client_read(c));
    }
}

/* Reads a chunked body that starts at @at; returns where it ends. */
static size_t read_chunks(struct client *c, size_t at, struct buf *out)
{
    for (;;) {
        size_t end = find_line_end(c, at);
        size_t n = strtoul(buf_cstr(&c->in) + at, NULL, 16);

        need(c, end + 2 + n + 2);
        buf_append(out, c->in.p + end + 2, n);
        assert_memory_equal(c->in.p + end + 2 + n, "\r\n", 2);
        at = end + 2 + n + 2;
        if (n == 0)
            return at;
    }
}

int client_response(struct client *c, bool head_only, struct arena *a, struct str *ret_head,
                    struct str *ret_body)
{
    auto_buf body = {0};
    struct str head, length;
    uint64_t n = 0;
    long at;
    size_t end;

    while ((at = str_find(buf_view(&c->in), STR("\r\n\r\n"))) < 0)
        assert_true(client_read(c));
    end = (size_t)at + 4;
    head = str_dup(a, (struct str){c->in.p, (size_t)at + 2});
    length = head_value(head, "content-length");
    if (head_only) {
        n = 0;
    } else if (str_eq(head_value(head, "transfer-encoding"), STR("chunked"))) {
        end = read_chunks(c, end, &body);
    } else if (length.p) {
        assert_true(str_to_u64(length, &n));
        need(c, end + n);
        buf_append(&body, c->in.p + end, n);
        end += n;
    } else if (str_eq(head_value(head, "connection"), STR("close"))) {
        while (client_read(c))
            ;
        buf_append(&body, c->in.p + end, c->in.len - end);
        end = c->in.len;
    }
    buf_consume(&c->in, end);
    if (ret_head)
        *ret_head = head;
    if (ret_body)
        *ret_body = str_dup(a, buf_view(&body));
    assert_memory_equal(head.p, "HTTP/1.1 ", 9);
    return atoi(head.p + 9);
}
