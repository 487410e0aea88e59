/* crypto.h - digests and JSON Web Tokens (ES256), over OpenSSL. Layer: net. Threads: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

void sha256(struct str bytes, uint8_t ret_digest[32]); /** SHA-256. */
void sha512(struct str bytes, uint8_t ret_digest[64]); /** SHA-512. */
void hmac_sha256(struct str key, struct str bytes, uint8_t ret_mac[32]); /** HMAC of RFC 2104. */
/** Overwrites what is secret, so that it does not stay in freed memory. */
void crypto_wipe(void *p, size_t n);
struct digest; /* a SHA-256 of bytes that come in pieces */
struct digest *digest_new(void);                     /** Of nothing yet. */
void digest_add(struct digest *d, struct str bytes); /** Adds @bytes. */
void digest_sum(const struct digest *d, uint8_t ret_digest[32]); /** Of what was added so far. */
struct digest *digest_free(struct digest *d);        /** NULL is a no-op; returns NULL. */

struct jwt_key; /* an ECDSA P-256 key pair or public key, with its key id */
/** Reads a private or public key, PEM. ERR_PARSE. */
MUST_USE int jwt_key_load(struct str pem, struct jwt_key **ret_k, struct err *err);
struct jwt_key *jwt_key_free(struct jwt_key *k);  /** NULL is a no-op; returns NULL. */
void jwt_key_jwk(const struct jwt_key *k, struct buf *out); /** Appends the public JWK as JSON. */
/** Signs @claims_json: header.claims.signature in @a. */
MUST_USE int jwt_sign(const struct jwt_key *k, struct str claims_json, struct arena *a,
                      struct str *ret_token, struct err *err);
/** Checks form and signature (alg must be ES256) and returns the claims' JSON; nothing else is
 *  checked. ERR_UNAUTHORIZED. Tokens over 16 KiB are refused. */
MUST_USE int jwt_verify(const struct jwt_key *k, struct str token, struct arena *a,
                        struct str *ret_claims_json, struct err *err);
