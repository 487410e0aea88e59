/* tls.h - TLS contexts, keys and certificates (OpenSSL 3): TLS 1.2+, ECDSA P-256.
 * Layer: net. Threads: contexts are shared and immutable, but for tls_context_reload(), which
 * swaps inside. */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

struct tls_context;
/** For servers: PEM chain and key; @client_ca_pem (may be empty) verifies client certificates,
 *  which are optional: one that does not verify shows as bad_cert in the request's peer.
 *  ALPN offers h2 and http/1.1. ERR_PARSE. */
MUST_USE int tls_server_context(struct str cert_pem, struct str key_pem, struct str client_ca_pem,
                                struct tls_context **ret_c, struct err *err);
struct tls_server_opts { /* what else a server's context may be told; copied */
    struct str cert_pem, key_pem, client_ca_pem; /* as tls_server_context() */
    struct str client_crl;   /* PEM or DER; a client's certificate on it is a bad one */
    const char *client_name; /* a host name that clients' certificates must be for; NULL: any */
    const char *ciphers;     /* suites by their names in RFCs, by commas; NULL: the usual */
    int version_min, version_max; /* 2 is TLS 1.2, 3 TLS 1.3; 0: 1.2, and the newest */
};
/** As tls_server_context(). ERR_PARSE, ERR_BAD_REQUEST (a cipher suite or versions that are none).
 */
MUST_USE int tls_server_context_new(const struct tls_server_opts *opts, struct tls_context **ret_c,
                                    struct err *err);
/** For clients: trusts @ca_pem (empty: the system's roots); optional client certificate.
 *  @insecure skips verification. */
MUST_USE int tls_client_context(struct str ca_pem, struct str cert_pem, struct str key_pem,
                                bool insecure, struct tls_context **ret_c, struct err *err);
/** Replaces certificate and key for new connections (renewal while running). ERR_PARSE keeps the
 *  old. Any thread. */
MUST_USE int tls_context_reload(struct tls_context *c, struct str cert_pem, struct str key_pem,
                                struct err *err);
struct tls_context *tls_context_free(struct tls_context *c); /** NULL is a no-op; returns NULL. */

struct cert_request { /* what a certificate shall say */
    const char *common_name;
    const char *const *organizations; /* NULL-terminated or NULL */
    const char *const *dns_names;     /* NULL-terminated or NULL */
    const char *const *ips;           /* NULL-terminated or NULL */
    bool is_ca, server, client;
    int64_t not_before_sec; /* unix */
    int64_t lifetime_sec;
};
/** A new ECDSA P-256 private key, PEM (PKCS#8) in @a. */
MUST_USE int cert_new_key(struct arena *a, struct str *ret_key_pem, struct err *err);
/** A certificate for the public half of @key_pem, signed by the CA (@ca_cert_pem empty: by itself).
 *  ERR_PARSE, ERR_INVALID (a name or address that is none). */
MUST_USE int cert_issue(const struct cert_request *rq, struct str key_pem, struct str ca_cert_pem,
                        struct str ca_key_pem, struct arena *a, struct str *ret_cert_pem,
                        struct err *err);
/** When the first certificate of @cert_pem ends, unix seconds. ERR_PARSE. */
MUST_USE int cert_not_after(struct str cert_pem, int64_t *ret_sec, struct err *err);
/** True if the first certificate names all of @dns_names and @ips (NULL-terminated). */
bool cert_covers(struct str cert_pem, const char *const *dns_names, const char *const *ips);
