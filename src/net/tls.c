/* tls.c - TLS contexts.
 *
 * A context is a list of generations, the newest first. A reload puts a new one in front; the
 * older ones stay until the context is freed, since another thread may be about to use them.
 * That costs a few kilobytes for each renewal, and needs no lock. */
#include "base/buf.h"
#include "net/tls_internal.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

#define ALPN_MAX 16

struct generation {
    struct generation *older;
    SSL_CTX *ssl;
};
struct tls_context {
    _Atomic(struct generation *) newest;
    bool server, insecure;
    char *ca_pem;
    size_t ca_len;
    char *ciphers;     /* in OpenSSL's names; NULL: the usual */
    char *client_name; /* NULL: any */
    X509_CRL *client_crl;
    int version_min, version_max; /* 0: as usual */
};

BIO *tls_bio(struct str s)
{
    BIO *b = s.len <= INT32_MAX ? BIO_new_mem_buf(s.p ? s.p : "", (int)s.len) : NULL;

    if (!b)
        abort();
    return b;
}

int tls_error(struct err *err, int code, const char *what)
{
    unsigned long e = ERR_peek_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return err_new(err, code, "%s: %s", what, reason ? reason : "invalid");
}

int tls_read_key(struct str pem, EVP_PKEY **ret_key, struct err *err)
{
    BIO *bio = tls_bio(pem);
    /* An empty pass phrase, so that OpenSSL never asks at the terminal. */
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (char *)"");

    BIO_free(bio);
    if (!key)
        return tls_error(err, ERR_PARSE, "private key");
    *ret_key = key;
    return 0;
}

static int use_chain(SSL_CTX *ctx, struct str cert_pem, struct err *err)
{
    BIO *bio = tls_bio(cert_pem);
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, (char *)"");
    bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;

    X509_free(cert);
    while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, (char *)"")) != NULL) {
        ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
        if (!ok)
            X509_free(cert);
    }
    BIO_free(bio);
    if (!ok)
        return tls_error(err, ERR_PARSE, "certificate");
    ERR_clear_error(); /* the end of the PEM data is an error to OpenSSL */
    return 0;
}

static int use_pair(SSL_CTX *ctx, struct str cert_pem, struct str key_pem, struct err *err)
{
    EVP_PKEY *key;
    int r = use_chain(ctx, cert_pem, err);

    if (r < 0)
        return r;
    r = tls_read_key(key_pem, &key, err);
    if (r < 0)
        return r;
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        r = tls_error(err, ERR_PARSE, "the key does not fit the certificate");
    EVP_PKEY_free(key);
    return r;
}

static int trust(SSL_CTX *ctx, struct str ca_pem, bool announce, struct err *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = tls_bio(ca_pem);
    unsigned n = 0;
    bool ok = true;
    X509 *cert;

    while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, (char *)"")) != NULL) {
        ok = X509_STORE_add_cert(store, cert) == 1 &&
             (!announce || SSL_CTX_add_client_CA(ctx, cert) == 1);
        n++;
        X509_free(cert);
    }
    BIO_free(bio);
    if (!ok || n == 0)
        return tls_error(err, ERR_PARSE, "CA certificates");
    ERR_clear_error();
    return 0;
}

/* A client certificate that does not verify does not end the handshake: the request then says
 * so (bad_cert), and gets an answer. */
static int verify_and_note(X509_STORE_CTX *xs, void *arg)
{
    (void)arg;
    if (X509_verify_cert(xs) <= 0 && X509_STORE_CTX_get_error(xs) == X509_V_OK)
        X509_STORE_CTX_set_error(xs, X509_V_ERR_UNSPECIFIED);
    return 1;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)out, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *base_context(bool server)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

    if (!ctx)
        abort();
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        abort();
    /* No resumption: a full handshake is cheap with ECDSA, and looks at the certificate's dates
     * and the CA of today. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    return ctx;
}

static int set_up_server(SSL_CTX *ctx, const struct tls_context *c, struct str ca_pem,
                         struct err *err)
{
    if ((c->ciphers && SSL_CTX_set_cipher_list(ctx, c->ciphers) != 1) ||
        (c->version_min && SSL_CTX_set_min_proto_version(ctx, c->version_min) != 1) ||
        (c->version_max && SSL_CTX_set_max_proto_version(ctx, c->version_max) != 1))
        return tls_error(err, ERR_BAD_REQUEST, "cipher suites");
    (void)SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)c);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (ca_pem.len == 0)
        return 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify_and_note, NULL);
    return trust(ctx, ca_pem, true, err);
}

static int set_up_client(SSL_CTX *ctx, struct str ca_pem, bool insecure, struct err *err)
{
    SSL_CTX_set_verify(ctx, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (insecure)
        return 0;
    if (ca_pem.len > 0)
        return trust(ctx, ca_pem, false, err);
    if (SSL_CTX_set_default_verify_paths(ctx) != 1)
        return tls_error(err, ERR_PARSE, "the system's CA certificates");
    return 0;
}

static int generation_add(struct tls_context *c, struct str cert_pem, struct str key_pem,
                          struct err *err)
{
    struct str ca_pem = {c->ca_pem, c->ca_len};
    SSL_CTX *ctx = base_context(c->server);
    struct generation *g;
    int r;

    r = c->server ? set_up_server(ctx, c, ca_pem, err)
                  : set_up_client(ctx, ca_pem, c->insecure, err);
    if (r == 0 && (c->server || cert_pem.len > 0))
        r = use_pair(ctx, cert_pem, key_pem, err);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return r;
    }
    g = xnew(struct generation);
    g->ssl = ctx;
    g->older = atomic_load(&c->newest);
    while (!atomic_compare_exchange_weak(&c->newest, &g->older, g))
        ;
    return 0;
}

/* ---- what a server's context may be told ---- */

/* Appends what OpenSSL calls the suite @name; false: it knows none. Those of TLS 1.3 are always
 * there. */
static bool add_cipher(SSL_CTX *all, struct str name, struct buf *list)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(all);

    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(ciphers, i);
        struct str standard = str_from(SSL_CIPHER_standard_name(c));

        /* Go leaves out the end of some. */
        if (!str_eq(standard, name) &&
            !(str_has_prefix(standard, name) &&
              str_eqz(str_sub(standard, name.len, standard.len), "_SHA256")))
            continue;
        if (strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") != 0)
            buf_printf(list, "%s%s", list->len ? ":" : "", SSL_CIPHER_get_name(c));
        return true;
    }
    return false;
}

static int choose_ciphers(struct tls_context *c, const char *names, struct err *err)
{
    SSL_CTX *all = base_context(true);
    struct str rest = str_from(names);
    auto_buf list = {0};
    int r = 0;

    if (SSL_CTX_set_cipher_list(all, "ALL:!aNULL:!eNULL") != 1)
        abort();
    while (r == 0 && rest.len > 0) {
        struct str name = str_trim(str_cut(rest, ',', &rest));

        if (name.len && !add_cipher(all, name, &list))
            r = err_new(err, ERR_BAD_REQUEST, "unknown cipher suite \"%.*s\"", STR_ARG(name));
    }
    SSL_CTX_free(all);
    if (r == 0 && list.len)
        c->ciphers = xmemdupz(list.p, list.len);
    else if (r == 0) /* only those of TLS 1.3 */
        c->version_min = TLS1_3_VERSION;
    return r;
}

static int read_crl(struct tls_context *c, struct str text, struct err *err)
{
    BIO *bio = tls_bio(text);

    c->client_crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (!c->client_crl) {
        const unsigned char *p = (const unsigned char *)text.p;

        ERR_clear_error();
        c->client_crl = d2i_X509_CRL(NULL, &p, (long)text.len);
    }
    return c->client_crl ? 0 : tls_error(err, ERR_PARSE, "list of revoked certificates");
}

static int version_of(int v)
{
    return v == 3 ? TLS1_3_VERSION : v == 2 ? TLS1_2_VERSION : 0;
}

int tls_server_context_new(const struct tls_server_opts *opts, struct tls_context **ret_c,
                           struct err *err)
{
    struct tls_context *c = xnew(struct tls_context);
    int r = 0;

    c->server = true;
    c->ca_pem = xmemdupz(opts->client_ca_pem.p, opts->client_ca_pem.len);
    c->ca_len = opts->client_ca_pem.len;
    c->client_name = opts->client_name ? xstrdup(opts->client_name) : NULL;
    c->version_min = version_of(opts->version_min);
    c->version_max = version_of(opts->version_max);
    if (c->version_max && c->version_min > c->version_max)
        r = err_new(err, ERR_BAD_REQUEST, "the lowest version of TLS is above the highest");
    if (r == 0 && opts->ciphers)
        r = choose_ciphers(c, opts->ciphers, err);
    if (r == 0 && opts->client_crl.len)
        r = read_crl(c, opts->client_crl, err);
    if (r == 0)
        r = generation_add(c, opts->cert_pem, opts->key_pem, err);
    if (r < 0)
        c = tls_context_free(c);
    else
        *ret_c = c;
    return r;
}

static int context_new(bool server, bool insecure, struct str ca_pem, struct str cert_pem,
                       struct str key_pem, struct tls_context **ret_c, struct err *err)
{
    struct tls_context *c = xnew(struct tls_context);
    int r;

    c->server = server;
    c->insecure = insecure;
    c->ca_pem = xmemdupz(ca_pem.p, ca_pem.len);
    c->ca_len = ca_pem.len;
    r = generation_add(c, cert_pem, key_pem, err);
    if (r < 0)
        c = tls_context_free(c);
    else
        *ret_c = c;
    return r;
}

int tls_server_context(struct str cert_pem, struct str key_pem, struct str client_ca_pem,
                       struct tls_context **ret_c, struct err *err)
{
    return context_new(true, false, client_ca_pem, cert_pem, key_pem, ret_c, err);
}

int tls_client_context(struct str ca_pem, struct str cert_pem, struct str key_pem, bool insecure,
                       struct tls_context **ret_c, struct err *err)
{
    return context_new(false, insecure, ca_pem, cert_pem, key_pem, ret_c, err);
}

int tls_context_reload(struct tls_context *c, struct str cert_pem, struct str key_pem,
                       struct err *err)
{
    return generation_add(c, cert_pem, key_pem, err);
}

struct tls_context *tls_context_free(struct tls_context *c)
{
    struct generation *g, *older;

    if (!c)
        return NULL;
    for (g = atomic_load(&c->newest); g; g = older) {
        older = g->older;
        SSL_CTX_free(g->ssl);
        free(g);
    }
    X509_CRL_free(c->client_crl);
    free(c->ciphers);
    free(c->client_name);
    free(c->ca_pem);
    free(c);
    return NULL;
}

/* ---- sessions ---- */

SSL *tls_session_new(struct tls_context *c)
{
    return SSL_new(atomic_load(&c->newest)->ssl);
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

int tls_session_target(SSL *ssl, const char *name, const char *alpn, struct err *err)
{
    unsigned char list[ALPN_MAX + 1];
    size_t n = strlen(alpn);
    bool ok;

    if (n == 0 || n > ALPN_MAX)
        return err_new(err, ERR_INTERNAL, "no such protocol: %s", alpn);
    list[0] = (unsigned char)n;
    memcpy(list + 1, alpn, n);
    ok = SSL_set_alpn_protos(ssl, list, (unsigned)n + 1) == 0;
    if (is_address(name)) {
        ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        ok = ok && SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
    }
    return ok ? 0 : tls_error(err, ERR_INTERNAL, "TLS session");
}

/* Copies the text of a name's entry as UTF-8; false if it has a NUL inside, which would read
 * differently to different readers. */
static bool entry_text(X509_NAME_ENTRY *e, struct arena *a, struct str *ret_s)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e));
    bool ok = n >= 0 && !memchr(utf8, '\0', (size_t)n);

    if (ok)
        *ret_s = str_dup(a, (struct str){(const char *)utf8, (size_t)n});
    OPENSSL_free(utf8);
    return ok;
}

static bool read_subject(X509 *cert, struct arena *a, struct http_peer *peer)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int n = X509_NAME_entry_count(subject);
    struct str *organizations = arena_calloc(a, (size_t)MAX(n, 0), sizeof(*organizations));

    for (int i = 0; i < n; i++) {
        X509_NAME_ENTRY *e = X509_NAME_get_entry(subject, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(e));
        struct str text = STR_NULL;

        if (nid != NID_commonName && nid != NID_organizationName)
            continue;
        if (!entry_text(e, a, &text))
            return false;
        if (nid == NID_commonName)
            peer->common_name = text;
        else
            organizations[peer->n_organizations++] = text;
    }
    peer->organizations = organizations;
    return true;
}

static bool read_digest(X509 *cert, struct arena *a, struct http_peer *peer)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char *text;

    if (X509_digest(cert, EVP_sha256(), md, &n) != 1)
        return false;
    text = arena_alloc(a, (size_t)n * 2 + 1);
    for (unsigned i = 0; i < n; i++) {
        text[2 * i] = hex[md[i] >> 4];
        text[2 * i + 1] = hex[md[i] & 15];
    }
    peer->sha256_hex = (struct str){text, (size_t)n * 2};
    return true;
}

/* What the context asks of a client beside a certificate of the CA. */
static bool welcome(SSL *ssl, X509 *cert)
{
    const struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509_REVOKED *revoked;

    if (c && c->client_crl && X509_CRL_get0_by_cert(c->client_crl, &revoked, cert) == 1)
        return false;
    return !c || !c->client_name ||
           X509_check_host(cert, c->client_name, strlen(c->client_name),
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

void tls_session_peer(SSL *ssl, struct arena *a, struct http_peer *peer)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);

    if (!cert)
        return;
    if (SSL_get_verify_result(ssl) == X509_V_OK && welcome(ssl, cert) &&
        read_subject(cert, a, peer) && read_digest(cert, a, peer)) {
        peer->has_cert = true;
        return;
    }
    *peer = (struct http_peer){.bad_cert = true, .address = peer->address};
}
