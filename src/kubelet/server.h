/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - what the files of the kubelet's HTTPS server share.
 * Layer: kubelet. Threads: its loop. */
#pragma once
#include "kubelet/kubelet_internal.h"
#include "net/http.h"

enum { SERVER_SEGMENTS_MAX = 6 };
struct server_request { /* in the exchange's arena */
    struct kubelet *kl; /* a reference, dropped when the request has been routed */
    struct http_exchange *x;
    const struct http_request *rq;
    struct str segments[SERVER_SEGMENTS_MAX]; /* of the path, decoded */
    size_t n_segments;
    struct http_header *params;
    size_t n_params;
};
/** The first parameter @name, or STR_NULL. */
struct str server_param(const struct server_request *s, const char *name);
/** "1" or "true". */
bool server_param_set(const struct server_request *s, const char *name);
/** Answers with @status and a line of text. */
void server_refuse(struct server_request *s, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** The container that segments 1, 2 and the last name; NULL: answered already. */
struct kcontainer *server_container(struct server_request *s);
/** GET /containerLogs/<ns>/<pod>/<container>. server_logs.c */
void server_logs(struct server_request *s);
/** GET or POST /exec, /attach, /portForward. server_stream.c */
void server_stream(struct server_request *s);
