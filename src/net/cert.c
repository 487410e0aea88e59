/* cert.c - keys and certificates: ECDSA P-256, X.509 v3. */
#include "net/tls_internal.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <time.h>

#define SERIAL_BYTES 16
#define VERSION_3 2

static struct str bio_copy(BIO *bio, struct arena *a)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);

    return str_dup(a, (struct str){p, n > 0 ? (size_t)n : 0});
}

static BIO *bio_new(void)
{
    BIO *b = BIO_new(BIO_s_mem());

    if (!b)
        abort();
    return b;
}

int cert_new_key(struct arena *a, struct str *ret_key_pem, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *out;
    int r = 0;

    if (!key)
        return tls_error(err, ERR_INTERNAL, "make a key");
    out = bio_new();
    if (PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1)
        *ret_key_pem = bio_copy(out, a);
    else
        r = tls_error(err, ERR_INTERNAL, "make a key");
    BIO_free(out);
    EVP_PKEY_free(key);
    return r;
}

static X509 *read_cert(struct str pem)
{
    BIO *bio = tls_bio(pem);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, (char *)"");

    BIO_free(bio);
    return cert;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                      -1, 0) == 1;
}

static bool set_subject(X509 *cert, const struct cert_request *rq)
{
    X509_NAME *name = X509_get_subject_name(cert);

    for (size_t i = 0; rq->organizations && rq->organizations[i]; i++)
        if (!add_name(name, "O", rq->organizations[i]))
            return false;
    return !rq->common_name || add_name(name, "CN", rq->common_name);
}

/* 127 random bits: positive, and short enough for every reader. */
static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *n;
    bool ok;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f;
    bytes[SERIAL_BYTES - 1] |= 1; /* never zero */
    n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool set_times(X509 *cert, const struct cert_request *rq)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)rq->not_before_sec) &&
           ASN1_TIME_set(X509_getm_notAfter(cert),
                         (time_t)(rq->not_before_sec + rq->lifetime_sec));
}

static bool add_ext(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return ok;
}

static bool add_usage(X509 *cert, X509V3_CTX *ctx, const struct cert_request *rq)
{
    const char *extended = rq->server && rq->client ? "serverAuth,clientAuth"
                           : rq->server             ? "serverAuth"
                           : rq->client             ? "clientAuth"
                                                    : NULL;

    if (!add_ext(cert, ctx, NID_basic_constraints,
                 rq->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE"))
        return false;
    if (!add_ext(cert, ctx, NID_key_usage,
                 rq->is_ca ? "critical,digitalSignature,keyCertSign,cRLSign"
                           : "critical,digitalSignature"))
        return false;
    return !extended || add_ext(cert, ctx, NID_ext_key_usage, extended);
}

/* Makes the name @value (a DNS name or, with @ip, an address) and hands it to @names. Names are
 * set as values, not through OpenSSL's text form, so a comma in one is no second name. */
static bool push_name(GENERAL_NAMES *names, const char *value, bool ip)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s = NULL;

    if (!g)
        return false;
    if (ip) {
        s = a2i_IPADDRESS(value);
    } else {
        s = ASN1_IA5STRING_new();
        if (s && ASN1_STRING_set(s, value, -1) != 1) {
            ASN1_STRING_free(s);
            s = NULL;
        }
    }
    if (!s) {
        GENERAL_NAME_free(g);
        return false;
    }
    GENERAL_NAME_set0_value(g, ip ? GEN_IPADD : GEN_DNS, s);
    if (sk_GENERAL_NAME_push(names, g) > 0)
        return true;
    GENERAL_NAME_free(g);
    return false;
}

static bool add_alt_names(X509 *cert, const struct cert_request *rq)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL;

    for (size_t i = 0; ok && rq->dns_names && rq->dns_names[i]; i++)
        ok = push_name(names, rq->dns_names[i], false);
    for (size_t i = 0; ok && rq->ips && rq->ips[i]; i++)
        ok = push_name(names, rq->ips[i], true);
    if (ok && sk_GENERAL_NAME_num(names) > 0)
        ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool add_extensions(X509 *cert, X509 *ca, const struct cert_request *rq)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    return add_usage(cert, &ctx, rq) &&
           add_ext(cert, &ctx, NID_subject_key_identifier, "hash") &&
           add_ext(cert, &ctx, NID_authority_key_identifier, "keyid:always") &&
           add_alt_names(cert, rq);
}

static X509 *build(const struct cert_request *rq, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, VERSION_3) == 1 && set_serial(cert) &&
              set_subject(cert, rq) && set_times(cert, rq) && X509_set_pubkey(cert, key) == 1;

    ok = ok && X509_set_issuer_name(cert, X509_get_subject_name(ca ? ca : cert)) == 1 &&
         add_extensions(cert, ca ? ca : cert, rq) &&
         X509_sign(cert, ca_key ? ca_key : key, EVP_sha256()) > 0;
    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

static int issue(const struct cert_request *rq, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
                 struct arena *a, struct str *ret_cert_pem, struct err *err)
{
    X509 *cert;
    BIO *out;
    int r = 0;

    if (ca && X509_check_private_key(ca, ca_key) != 1)
        return tls_error(err, ERR_PARSE, "the CA's key does not fit its certificate");
    cert = build(rq, key, ca, ca_key);
    if (!cert)
        return tls_error(err, ERR_INVALID, "make a certificate");
    out = bio_new();
    if (PEM_write_bio_X509(out, cert) == 1)
        *ret_cert_pem = bio_copy(out, a);
    else
        r = tls_error(err, ERR_INTERNAL, "write a certificate");
    BIO_free(out);
    X509_free(cert);
    return r;
}

int cert_issue(const struct cert_request *rq, struct str key_pem, struct str ca_cert_pem,
               struct str ca_key_pem, struct arena *a, struct str *ret_cert_pem, struct err *err)
{
    EVP_PKEY *key = NULL, *ca_key = NULL;
    X509 *ca = NULL;
    int r = tls_read_key(key_pem, &key, err);

    if (r == 0 && ca_cert_pem.len > 0) {
        r = tls_read_key(ca_key_pem, &ca_key, err);
        if (r == 0) {
            ca = read_cert(ca_cert_pem);
            if (!ca)
                r = tls_error(err, ERR_PARSE, "CA certificate");
        }
    }
    if (r == 0)
        r = issue(rq, key, ca, ca_key, a, ret_cert_pem, err);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return r;
}

int cert_not_after(struct str cert_pem, int64_t *ret_sec, struct err *err)
{
    X509 *cert = read_cert(cert_pem);
    struct tm tm = {0};

    if (!cert)
        return tls_error(err, ERR_PARSE, "certificate");
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1) {
        X509_free(cert);
        return tls_error(err, ERR_PARSE, "certificate's end");
    }
    X509_free(cert);
    *ret_sec = timegm(&tm);
    return 0;
}

static bool has_dns(const GENERAL_NAMES *names, const char *want)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        struct str s;

        if (g->type != GEN_DNS)
            continue;
        s.p = (const char *)ASN1_STRING_get0_data(g->d.dNSName);
        s.len = (size_t)ASN1_STRING_length(g->d.dNSName);
        if (str_ieq(s, str_from(want)))
            return true;
    }
    return false;
}

bool cert_covers(struct str cert_pem, const char *const *dns_names, const char *const *ips)
{
    X509 *cert = read_cert(cert_pem);
    GENERAL_NAMES *names;
    bool ok = cert != NULL;

    if (!cert) {
        ERR_clear_error();
        return false;
    }
    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; ok && dns_names && dns_names[i]; i++)
        ok = names && has_dns(names, dns_names[i]);
    for (size_t i = 0; ok && ips && ips[i]; i++)
        ok = X509_check_ip_asc(cert, ips[i], 0) == 1;
    GENERAL_NAMES_free(names);
    X509_free(cert);
    ERR_clear_error();
    return ok;
}
