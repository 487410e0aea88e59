/* conn_tls.c - the TLS filter of a connection: OpenSSL between two in-memory ends.
 *
 * OpenSSL reads straight from the socket's buffer (c->in) and writes records straight to the
 * queue of output blocks, so records are gathered and leave by one system call. */
#include "net/conn_internal.h"
#include "net/tls_internal.h"
#include <openssl/err.h>

static int bio_write(BIO *bio, const char *p, int n)
{
    if (n <= 0)
        return 0;
    conn_out(BIO_get_data(bio), p, (size_t)n);
    return n;
}

static int bio_read(BIO *bio, char *to, int cap)
{
    struct conn *c = BIO_get_data(bio);
    size_t n = cap > 0 ? MIN((size_t)cap, c->in_len) : 0;

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, c->in, n);
    c->in += n;
    c->in_len -= n;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *arg)
{
    (void)bio;
    (void)num;
    (void)arg;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *conn_tls_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "conn");

    if (!m)
        abort();
    if (!BIO_meth_set_write(m, bio_write) || !BIO_meth_set_read(m, bio_read) ||
        !BIO_meth_set_ctrl(m, bio_ctrl))
        abort();
    return m;
}

int conn_tls_init(struct conn *c, struct tls_context *tls, const char *server_name,
                  const char *alpn, struct err *err)
{
    BIO *bio;

    c->ssl = tls_session_new(tls);
    bio = c->ssl ? BIO_new(c->env->bio_method) : NULL;
    if (!bio)
        return err_new(err, ERR_INTERNAL, "no TLS session");
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    SSL_set_bio(c->ssl, bio, bio);
    if (!server_name) {
        SSL_set_accept_state(c->ssl);
        return 0;
    }
    SSL_set_connect_state(c->ssl);
    return tls_session_target(c->ssl, server_name, alpn ? alpn : "http/1.1", err);
}

static void fail_tls(struct conn *c, const char *doing)
{
    long verify = SSL_get_verify_result(c->ssl);
    unsigned long e = ERR_peek_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    conn_flush(c); /* the alert */
    if (!SSL_is_server(c->ssl) && verify != X509_V_OK)
        conn_fail(c, ERR_UNAUTHORIZED, "TLS: %s", X509_verify_cert_error_string(verify));
    else
        conn_fail(c, ERR_PARSE, "TLS %s: %s", doing, reason ? reason : "protocol error");
    ERR_clear_error();
}

static void handshake(struct conn *c)
{
    int r, e;

    ERR_clear_error();
    r = SSL_do_handshake(c->ssl);
    if (r != 1) {
        e = SSL_get_error(c->ssl, r);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            fail_tls(c, "handshake");
        return;
    }
    tls_session_peer(c->ssl, &c->arena, &c->peer);
    conn_opened(c, true);
}

static void decrypt(struct conn *c)
{
    struct conn_env *env = c->env;
    int n, e;

    while (c->state == CONN_OPEN && !c->paused && !c->eof) {
        ERR_clear_error();
        n = SSL_read(c->ssl, env->plain, sizeof(env->plain));
        if (n > 0) {
            if (c->h.on_data)
                c->h.on_data(c->h.arg, env->plain, (size_t)n);
            continue;
        }
        e = SSL_get_error(c->ssl, n);
        if (e == SSL_ERROR_ZERO_RETURN)
            conn_ended(c, true);
        else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            fail_tls(c, "read");
        return;
    }
}

void conn_tls_input(struct conn *c, const char *p, size_t n)
{
    struct buf held = c->held; /* from before a pause; comes first */

    c->held = (struct buf){0};
    if (held.len > 0) {
        buf_append(&held, p, n);
        p = held.p;
        n = held.len;
    }
    c->in = p;
    c->in_len = n;
    if (c->state == CONN_HANDSHAKE)
        handshake(c);
    if (c->state == CONN_OPEN)
        decrypt(c);
    if (c->in_len > 0 && c->state == CONN_OPEN && !c->eof)
        buf_append(&c->held, c->in, c->in_len); /* paused: at most one read's bytes */
    c->in = NULL;
    c->in_len = 0;
    buf_deinit(&held);
}

void conn_tls_encrypt(struct conn *c)
{
    struct conn_blocks *list = &c->staged;

    while (list->head && c->state == CONN_OPEN) {
        struct conn_block *b = list->head;
        size_t written = 0;

        ERR_clear_error();
        if (b->len > 0 && SSL_write_ex(c->ssl, b->data, b->len, &written) != 1) {
            fail_tls(c, "write");
            return;
        }
        conn_block_done(c, b->len);
    }
}

void conn_tls_goodbye(struct conn *c)
{
    ERR_clear_error();
    (void)SSL_shutdown(c->ssl); /* 0: sent, the peer's is not awaited */
    ERR_clear_error();
}
