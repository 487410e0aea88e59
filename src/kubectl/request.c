/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - one request at a time: the loop runs until its answer is there. */
#include "kubectl/kubectl.h"

#include "codec/json.h"
#include "codec/timefmt.h"

#include <stdarg.h>

enum { BODY_MAX = 512 * 1024 * 1024, TIMEOUT_MS = 60000, HEADERS_MAX = 4 };

struct waiting {
    struct kubectl *k;
    struct buf body;
    int status;
    bool failed;
    void (*on_data)(void *arg, struct str piece);
    void *arg;
};

int fail(const char *fmt, ...)
{
    va_list args;

    (void)fflush(stdout);
    fputs("error: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct waiting *w = arg;

    w->status = status;
    for (size_t i = 0; i < n; i++) {
        struct str text = headers[i].value;
        long quote;

        if (!str_eq(headers[i].name, STR("warning")))
            continue;
        quote = str_find_char(text, '"');
        if (quote >= 0 && text.len > (size_t)quote + 2)
            text = str_sub(text, (size_t)quote + 1, text.len - (size_t)quote - 2);
        fprintf(stderr, "Warning: %.*s\n", STR_ARG(text));
    }
}

static void on_data(void *arg, struct str piece)
{
    struct waiting *w = arg;

    if (w->on_data && w->status == 200)
        w->on_data(w->arg, piece);
    else
        buf_str(&w->body, piece);
}

static void on_done(void *arg, const struct err *err)
{
    struct waiting *w = arg;

    w->failed = err != NULL;
    if (err)
        w->k->err = *err;
    loop_stop(w->k->loop);
}

static int run(struct kubectl *k, struct http_client_request *rq, struct waiting *w,
               struct answer *ret_a)
{
    w->k = k;
    w->body.limit_bytes = BODY_MAX;
    rq->on_head = on_head;
    rq->on_data = on_data;
    rq->on_done = on_done;
    rq->arg = w;
    (void)http_client_send(client_https_http(k->client), rq);
    loop_hold(k->loop, true);
    loop_run(k->loop);
    loop_hold(k->loop, false);
    ret_a->status = w->status;
    ret_a->body = str_dup(&k->arena, buf_view(&w->body));
    buf_deinit(&w->body);
    if (w->failed)
        return fail("%s", k->err.msg), ERR_IO;
    return 0;
}

static size_t fill_headers(struct kubectl *k, const char *accept, const char *type,
                           struct http_header *headers)
{
    const struct http_header *auth;
    size_t n = 0;

    headers[n++] = (struct http_header){STR("accept"),
                                        str_from(accept ? accept : "application/json")};
    headers[n++] = (struct http_header){STR("user-agent"), STR("kubectl/skiff")};
    if (type)
        headers[n++] = (struct http_header){STR("content-type"), str_from(type)};
    if (client_https_headers(k->client, &auth) > 0)
        headers[n++] = auth[0];
    return n;
}

int request(struct kubectl *k, const char *method, struct str target, const char *accept,
            const char *type, struct str body, struct answer *ret_a)
{
    struct http_header headers[HEADERS_MAX];
    struct http_client_request rq = {.method = method,
                                     .target = target,
                                     .headers = headers,
                                     .body = body,
                                     .timeout_ms = TIMEOUT_MS};
    struct waiting w = {0};

    rq.n_headers = fill_headers(k, accept, type, headers);
    return run(k, &rq, &w, ret_a);
}

int request_stream(struct kubectl *k, struct str target, const char *accept,
                   void (*on_piece)(void *arg, struct str piece), void *arg, struct answer *ret_a)
{
    struct http_header headers[HEADERS_MAX];
    struct http_client_request rq = {.method = "GET", .target = target, .headers = headers};
    struct waiting w = {.on_data = on_piece, .arg = arg};

    rq.n_headers = fill_headers(k, accept, NULL, headers);
    return run(k, &rq, &w, ret_a);
}

int print_status(const struct answer *a)
{
    auto_arena arena = {0};
    struct doc d;
    struct err err = {0};
    struct str message = STR_NULL, reason = STR_NULL;

    if (json_parse(a->body, &arena, &d, NULL, &err) == 0) {
        message = doc_path_str(&d, "message");
        reason = doc_path_str(&d, "reason");
    }
    if (message.len == 0)
        message = str_trim(a->body);
    (void)fflush(stdout);
    if (reason.len > 0)
        fprintf(stderr, "Error from server (%.*s): %.*s\n", STR_ARG(reason), STR_ARG(message));
    else
        fprintf(stderr, "Error from server: HTTP %d: %.*s\n", a->status, STR_ARG(message));
    return 1;
}

struct str effective_namespace(const struct kubectl *k)
{
    if (k->ns)
        return str_from(k->ns);
    return k->config.namespace_ ? str_from(k->config.namespace_) : STR("default");
}

struct str path_of(struct kubectl *k, const struct resource *res, struct str ns, struct str name)
{
    auto_buf b = {0};

    if (res->group[0])
        buf_printf(&b, "/apis/%s/%s", res->group, res->version);
    else
        buf_printf(&b, "/api/%s", res->version);
    if (resource_namespaced(res) && ns.len > 0) {
        buf_puts(&b, "/namespaces/");
        http_escape(&b, ns);
    }
    buf_printf(&b, "/%s", res->plural);
    if (name.len > 0) {
        buf_putc(&b, '/');
        http_escape(&b, name);
    }
    return str_dup(&k->arena, buf_view(&b));
}

struct str short_name(struct kubectl *k, const struct resource *res, struct str name)
{
    if (res->group[0])
        return str_printf(&k->arena, "%s.%s/%.*s", res->singular, res->group, STR_ARG(name));
    return str_printf(&k->arena, "%s/%.*s", res->singular, STR_ARG(name));
}

void add_param(struct buf *b, char *sep, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(b, "%c%s=", *sep, name);
    http_escape(b, str_from(value));
    *sep = '&';
}

int64_t parse_timeout(const char *text, int64_t otherwise)
{
    struct err err = {0};
    int64_t ns, plain;

    if (!text)
        return otherwise;
    if (str_to_i64(str_from(text), &plain))
        return plain * 1000;
    if (duration_parse(str_from(text), &ns, &err) < 0) {
        (void)fail("%s", err.msg);
        return -1;
    }
    return ns / 1000000;
}

static void on_pause(struct timer *t)
{
    loop_stop(t->loop);
}

void pause_ms(struct kubectl *k, uint64_t ms)
{
    struct timer t;

    timer_init(&t, k->loop, on_pause);
    timer_start(&t, ms, 0);
    loop_hold(k->loop, true);
    loop_run(k->loop);
    loop_hold(k->loop, false);
    timer_stop(&t);
}
