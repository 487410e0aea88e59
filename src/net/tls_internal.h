/* tls_internal.h - sessions of a TLS context, and what cert.c and tls.c share.
 * Layer: net, private to it. Threads: any; a session its owner only. */
#pragma once
#include "net/http.h"
#include "net/tls.h"
#include <openssl/bio.h>
#include <openssl/ssl.h>

/** A session of the newest generation of @c; the caller frees it. NULL: out of memory. */
SSL *tls_session_new(struct tls_context *c);
/** For a client's session: checks the server's certificate for @name (a host name or an address)
 *  unless the context is insecure, and offers the protocol @alpn. ERR_INTERNAL. */
MUST_USE int tls_session_target(SSL *ssl, const char *name, const char *alpn, struct err *err);
/** After the handshake: fills in what the peer's certificate says, copied into @a. */
void tls_session_peer(SSL *ssl, struct arena *a, struct http_peer *peer);
/** A memory BIO that reads @s, which must stay; aborts if memory is out. The caller frees it. */
BIO *tls_bio(struct str s);
/** err_new() with OpenSSL's own reason behind @what; empties OpenSSL's error queue. */
int tls_error(struct err *err, int code, const char *what);
/** Reads the private key of @pem, of which the caller owns *@ret_key. ERR_PARSE. */
MUST_USE int tls_read_key(struct str pem, EVP_PKEY **ret_key, struct err *err);
