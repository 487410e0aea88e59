/* client_https.h - the transport over HTTPS, and kubeconfig files. Layer: client. */
#pragma once
#include "client/client.h"
#include "net/http_client.h"

struct kubeconfig { /* the current context of a kubeconfig, resolved */
    char *server;   /* "https://127.0.0.1:6443" */
    char *ca_pem, *cert_pem, *key_pem, *token, *tls_server_name, *namespace_, *context, *user,
        *cluster;
    bool insecure;
};
/** Parses kubeconfig YAML or JSON; files it names are read relative to @dir. @context NULL:
 * current-context. ERR_BAD_REQUEST, ERR_NOT_FOUND (no such context), ERR_IO. Ends with
 * kubeconfig_deinit(). */
MUST_USE int kubeconfig_parse(struct str text, const char *dir, const char *context,
                              struct kubeconfig *ret_k, struct err *err);
/** Reads and parses the file @path. */
MUST_USE int kubeconfig_load(const char *path, const char *context, struct kubeconfig *ret_k,
                             struct err *err);
void kubeconfig_deinit(struct kubeconfig *k); /** Frees the strings; idempotent. */
struct buf;
/** Appends a kubeconfig for one cluster, user and context, all named @name. */
void kubeconfig_write(struct buf *out, const char *name, const char *server, struct str ca_pem,
                      struct str cert_pem, struct str key_pem);

/** A client for @k on loop @l. ERR_PARSE for bad keys or certificates. */
MUST_USE int client_https_new(struct loop *l, const struct kubeconfig *k, struct client **ret_c,
                              struct err *err);
/** The HTTP client beneath, for requests that are no resource verb (logs, exec, discovery);
 * borrowed. Requests must carry client_https_headers(). */
struct http_client *client_https_http(struct client *c);
/** The Authorization header to send, n = 0 or 1. Borrowed. */
size_t client_https_headers(struct client *c, const struct http_header **ret_h);
