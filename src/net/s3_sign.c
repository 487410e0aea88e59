/* SPDX-License-Identifier: Apache-2.0 */
/* s3_sign.c - AWS Signature Version 4, as "Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk" of the S3 API reference has it. */
#include "net/crypto.h"
#include "net/s3_internal.h"

static const char unreserved[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

void s3_encode(struct buf *out, struct str s, bool slashes)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] && (strchr(unreserved, s.p[i]) || (slashes && s.p[i] == '/')))
            buf_putc(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned)(uint8_t)s.p[i]);
    }
}

void s3_hex(struct buf *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%02x", p[i]);
}

static void canonical_request(const struct s3_signing *s, const char *signed_headers,
                              struct buf *out)
{
    buf_printf(out, "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n", s->method,
               s->path, s->query, s->host, s->sha256_hex, s->date);
    if (s->credentials->session_token)
        buf_printf(out, "x-amz-security-token:%s\n", s->credentials->session_token);
    buf_printf(out, "\n%s\n%s", signed_headers, s->sha256_hex);
}

static struct str bytes32(const uint8_t p[32])
{
    return (struct str){(const char *)p, 32};
}

/* The key of one day, region and service. */
static void derive_key(const struct s3_signing *s, struct str day, uint8_t ret_key[32])
{
    auto_buf secret = {0};
    uint8_t k[32];

    buf_puts(&secret, "AWS4");
    buf_puts(&secret, s->credentials->secret_key);
    hmac_sha256(buf_view(&secret), day, k);
    hmac_sha256(bytes32(k), str_from(s->region), ret_key);
    hmac_sha256(bytes32(ret_key), STR("s3"), k);
    hmac_sha256(bytes32(k), STR("aws4_request"), ret_key);
    crypto_wipe(secret.p, secret.len);
    crypto_wipe(k, sizeof(k));
}

void s3_sign(const struct s3_signing *s, struct buf *out)
{
    const char *headers = s->credentials->session_token
                              ? "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
                              : "host;x-amz-content-sha256;x-amz-date";
    struct str day = str_sub(str_from(s->date), 0, 8);
    auto_buf request = {0}, text = {0};
    uint8_t sum[32], key[32];

    canonical_request(s, headers, &request);
    sha256(buf_view(&request), sum);
    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.*s/%s/s3/aws4_request\n", s->date, STR_ARG(day),
               s->region);
    s3_hex(&text, sum, sizeof(sum));
    derive_key(s, day, key);
    hmac_sha256(bytes32(key), buf_view(&text), sum);
    crypto_wipe(key, sizeof(key));
    buf_printf(out,
               "AWS4-HMAC-SHA256 Credential=%s/%.*s/%s/s3/aws4_request,SignedHeaders=%s,"
               "Signature=",
               s->credentials->access_key, STR_ARG(day), s->region, headers);
    s3_hex(out, sum, sizeof(sum));
}
