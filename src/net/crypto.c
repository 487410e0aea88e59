/* crypto.c - digests and ES256 tokens. */
#include "net/crypto.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "net/tls_internal.h"
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#define TOKEN_MAX_BYTES (16 * 1024)
#define HALF_BYTES 32 /* of a P-256 signature or point: r and s, x and y */

struct jwt_key {
    EVP_PKEY *key;
    bool private;
    char *id;
    char *x, *y; /* base64url */
};

struct digest *digest_new(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;

    assert(ok); /* it fails without memory only */
    (void)ok;
    return (struct digest *)c;
}

void digest_add(struct digest *d, struct str bytes)
{
    int ok = EVP_DigestUpdate((EVP_MD_CTX *)d, bytes.p, bytes.len);

    assert(ok == 1);
    (void)ok;
}

void digest_sum(const struct digest *d, uint8_t ret_digest[32])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    int ok = copy && EVP_MD_CTX_copy_ex(copy, (const EVP_MD_CTX *)d) == 1 &&
             EVP_DigestFinal_ex(copy, ret_digest, NULL) == 1;

    assert(ok);
    (void)ok;
    EVP_MD_CTX_free(copy);
}

struct digest *digest_free(struct digest *d)
{
    EVP_MD_CTX_free((EVP_MD_CTX *)d);
    return NULL;
}

void sha256(struct str bytes, uint8_t ret_digest[32])
{
    (void)SHA256((const unsigned char *)(bytes.p ? bytes.p : ""), bytes.len, ret_digest);
}

void sha512(struct str bytes, uint8_t ret_digest[64])
{
    (void)SHA512((const unsigned char *)(bytes.p ? bytes.p : ""), bytes.len, ret_digest);
}

void hmac_sha256(struct str key, struct str bytes, uint8_t ret_mac[32])
{
    const unsigned char *p = (const unsigned char *)(bytes.p ? bytes.p : "");
    const unsigned char *ok =
        HMAC(EVP_sha256(), key.p ? key.p : "", (int)key.len, p, bytes.len, ret_mac, NULL);

    assert(ok); /* it fails without memory only */
    (void)ok;
}

void crypto_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

/* ---- keys ---- */

static char *b64(const void *p, size_t n)
{
    struct buf out = {0};

    base64url_write(&out, (struct str){p, n});
    return buf_steal(&out, NULL);
}

static char *coordinate(const EVP_PKEY *key, const char *name)
{
    unsigned char bytes[HALF_BYTES];
    BIGNUM *n = NULL;
    char *text = NULL;

    if (EVP_PKEY_get_bn_param(key, name, &n) == 1 && BN_bn2binpad(n, bytes, HALF_BYTES) > 0)
        text = b64(bytes, HALF_BYTES);
    BN_free(n);
    return text;
}

static char *key_id(const EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    uint8_t digest[32];

    if (n <= 0)
        return NULL;
    sha256((struct str){(const char *)der, (size_t)n}, digest);
    OPENSSL_free(der);
    return b64(digest, sizeof(digest));
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32] = "";

    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) &&
           (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

int jwt_key_load(struct str pem, struct jwt_key **ret_k, struct err *err)
{
    struct jwt_key *k = xnew(struct jwt_key);
    struct err unused = {0};

    if (tls_read_key(pem, &k->key, &unused) == 0) {
        k->private = true;
    } else {
        BIO *bio = tls_bio(pem);

        k->key = PEM_read_bio_PUBKEY(bio, NULL, NULL, (char *)"");
        BIO_free(bio);
    }
    if (!k->key || !is_p256(k->key)) {
        (void)tls_error(err, ERR_PARSE, "token key: not an ECDSA P-256 key");
        (void)jwt_key_free(k);
        return ERR_PARSE;
    }
    k->id = key_id(k->key);
    k->x = coordinate(k->key, OSSL_PKEY_PARAM_EC_PUB_X);
    k->y = coordinate(k->key, OSSL_PKEY_PARAM_EC_PUB_Y);
    if (!k->id || !k->x || !k->y) {
        (void)tls_error(err, ERR_PARSE, "token key");
        (void)jwt_key_free(k);
        return ERR_PARSE;
    }
    *ret_k = k;
    return 0;
}

struct jwt_key *jwt_key_free(struct jwt_key *k)
{
    if (!k)
        return NULL;
    EVP_PKEY_free(k->key);
    free(k->id);
    free(k->x);
    free(k->y);
    free(k);
    return NULL;
}

void jwt_key_jwk(const struct jwt_key *k, struct buf *out)
{
    buf_printf(out,
               "{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"P-256\","
               "\"alg\":\"ES256\",\"x\":\"%s\",\"y\":\"%s\"}",
               k->id, k->x, k->y);
}

/* ---- tokens ---- */

/* The DER form of a signature, which OpenSSL makes, as the 64 bytes that JWS wants. */
static bool der_to_raw(const unsigned char *der, size_t n, unsigned char raw[2 * HALF_BYTES])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, HALF_BYTES) > 0 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + HALF_BYTES, HALF_BYTES) > 0;

    ECDSA_SIG_free(sig);
    return ok;
}

/* And back: the caller frees *@ret_der with OPENSSL_free(). Returns its length or 0. */
static size_t raw_to_der(struct str raw, unsigned char **ret_der)
{
    const unsigned char *p = (const unsigned char *)raw.p;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(p, HALF_BYTES, NULL), *s = BN_bin2bn(p + HALF_BYTES, HALF_BYTES, NULL);
    int n;

    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
        abort(); /* only for want of memory */
    n = i2d_ECDSA_SIG(sig, ret_der);
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

static bool sign_raw(EVP_PKEY *key, struct str text, unsigned char raw[2 * HALF_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char der[128];
    size_t n = sizeof(der);
    bool ok = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(md, der, &n, (const unsigned char *)text.p, text.len) == 1 &&
              der_to_raw(der, n, raw);

    EVP_MD_CTX_free(md);
    return ok;
}

int jwt_sign(const struct jwt_key *k, struct str claims_json, struct arena *a,
             struct str *ret_token, struct err *err)
{
    unsigned char raw[2 * HALF_BYTES];
    auto_buf head = {0}, out = {0};

    if (!k->private)
        return err_new(err, ERR_INTERNAL, "sign a token: the key is a public one");
    buf_printf(&head, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", k->id);
    base64url_write(&out, buf_view(&head));
    buf_putc(&out, '.');
    base64url_write(&out, claims_json);
    if (!sign_raw(k->key, buf_view(&out), raw))
        return tls_error(err, ERR_INTERNAL, "sign a token");
    buf_putc(&out, '.');
    base64url_write(&out, (struct str){(const char *)raw, sizeof(raw)});
    *ret_token = str_dup(a, buf_view(&out));
    return 0;
}

static bool verify_raw(EVP_PKEY *key, struct str text, struct str raw)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char *der = NULL;
    size_t n = raw_to_der(raw, &der);
    bool ok = md && n > 0 && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(md, der, n, (const unsigned char *)text.p, text.len) == 1;

    OPENSSL_free(der);
    EVP_MD_CTX_free(md);
    return ok;
}

static bool head_is_es256(struct str head_b64, struct arena *a)
{
    struct str json;
    struct doc head;

    if (base64url_decode(head_b64, a, &json, NULL) < 0 ||
        json_parse(json, a, &head, NULL, NULL) < 0)
        return false;
    return str_eqz(doc_path_str(&head, "alg"), "ES256");
}

int jwt_verify(const struct jwt_key *k, struct str token, struct arena *a,
               struct str *ret_claims_json, struct err *err)
{
    struct str rest, head, claims, sig, signed_part, raw, json;

    if (token.len > TOKEN_MAX_BYTES)
        return err_new(err, ERR_UNAUTHORIZED, "the token is too long");
    head = str_cut(token, '.', &rest);
    claims = str_cut(rest, '.', &sig);
    if (!rest.p || !sig.p || str_find_char(sig, '.') >= 0)
        return err_new(err, ERR_UNAUTHORIZED, "the token has not three parts");
    signed_part = str_sub(token, 0, head.len + 1 + claims.len);
    if (!head_is_es256(head, a))
        return err_new(err, ERR_UNAUTHORIZED, "the token is not signed by ES256");
    if (base64url_decode(sig, a, &raw, NULL) < 0 || raw.len != (size_t)2 * HALF_BYTES ||
        base64url_decode(claims, a, &json, NULL) < 0)
        return err_new(err, ERR_UNAUTHORIZED, "the token is malformed");
    if (!verify_raw(k->key, signed_part, raw))
        return tls_error(err, ERR_UNAUTHORIZED, "the token's signature");
    *ret_claims_json = json;
    return 0;
}
