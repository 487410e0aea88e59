/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client_https.h"

#include "client/transport.h"
#include "codec/json.h"
#include "net/tls.h"
#include "schema/typed.h"

enum { ANSWER_BYTES_MAX = 256 * 1024 * 1024, EVENT_BYTES_MAX = 8 * 1024 * 1024 };

struct https_client {
    struct client base;
    struct http_client *http;
    struct tls_context *tls;
    char *authorization; /* "Bearer ..." or NULL */
    struct http_header headers[1];
    struct str prefix; /* path of the server URL, mostly empty */
    struct arena arena;
};
struct https_call { /* in the call's arena */
    struct transport_call *call;
    struct http_call *http;
    struct buf body;
    int status;
};
struct https_watch {
    struct client_watch base;
    const struct resource *res;
    struct watch_opts opts;
    struct arena arena;
    struct http_call *http;
    struct buf line; /* bytes of an event that is not whole yet */
    int status;
    int code; /* why it ends, when the server said so in an ERROR event */
    struct err err;
    bool freed, ended;
};

/* Appends "/api/v1/namespaces/ns/pods/name/sub". */
static void write_path(struct buf *b, const struct https_client *c, const struct resource *res,
                       struct str ns, struct str name, const char *sub)
{
    buf_str(b, c->prefix);
    if (res->group[0])
        buf_printf(b, "/apis/%s/%s", res->group, res->version);
    else
        buf_printf(b, "/api/%s", res->version);
    if (resource_namespaced(res) && ns.len > 0) {
        buf_puts(b, "/namespaces/");
        http_escape(b, ns);
    }
    buf_printf(b, "/%s", res->plural);
    if (name.len > 0) {
        buf_putc(b, '/');
        http_escape(b, name);
    }
    if (sub)
        buf_printf(b, "/%s", sub);
}

static void write_param(struct buf *b, char *sep, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(b, "%c%s=", *sep, name);
    http_escape(b, str_from(value));
    *sep = '&';
}

/* The code and text of an answer that is no success: from its Status. */
static int read_status(int http_status, struct str body, struct err *err, int32_t *ret_retry_sec)
{
    auto_arena a = {0};
    struct doc d;
    struct err parse = {0};
    struct str reason = STR_NULL, message = STR_NULL;

    if (json_parse(body, &a, &d, NULL, &parse) == 0) {
        reason = doc_path_str(&d, "reason");
        message = doc_path_str(&d, "message");
        *ret_retry_sec = (int32_t)doc_path_int(&d, "details.retryAfterSeconds", 0);
    }
    if (message.len == 0)
        message = str_sub(str_trim(body), 0, 200);
    return err_new(err, err_from_http(http_status, str_dupz(&a, reason)), "%.*s", STR_ARG(message));
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct https_call *hc = arg;

    (void)headers;
    (void)n;
    hc->status = status;
}

static void on_data(void *arg, struct str piece)
{
    struct https_call *hc = arg;

    buf_str(&hc->body, piece);
    if (hc->body.overflow)
        http_call_cancel(hc->http);
}

static struct object *object_of(const struct resource *res, struct str json)
{
    struct object *o = NULL;
    struct err err = {0};

    if (object_from_wire(res, json, &o, &err) < 0)
        return NULL;
    return o;
}

static int split_list(const struct resource *res, struct str json, struct client_result *r,
                      struct object ***ret_objects, struct err *err)
{
    auto_arena a = {0};
    struct doc d;
    const struct doc *items;
    int code = json_parse(json, &a, &d, NULL, err);

    if (code < 0)
        return err_wrap(err, code, "answer of the server");
    items = doc_find(&d, STR("items"));
    (void)str_to_i64(doc_path_str(&d, "metadata.resourceVersion"), &r->revision);
    if (!items || items->kind != DOC_ARRAY)
        return 0;
    *ret_objects = xcalloc(items->n + 1, sizeof(struct object *));
    for (uint32_t i = 0; i < items->n; i++) {
        struct object *o = object_of(res, json_to_str(&a, &items->items[i]));

        if (!o)
            return err_new(err, ERR_PARSE, "item %u of the list cannot be read", i);
        (*ret_objects)[r->n_objects++] = o;
    }
    return 0;
}

static void on_done(void *arg, const struct err *transport_err)
{
    struct https_call *hc = arg;
    struct transport_call *call = hc->call;
    struct client_result r = {.http_status = hc->status, .json = buf_view(&hc->body)};
    struct object **objects = NULL;
    struct buf body = hc->body; /* the call, and hc with it, is freed by transport_done() */
    struct err err = {0};

    r.err = &err;
    if (hc->body.overflow) {
        r.code =
            err_new(&err, ERR_TOO_LARGE, "the answer is larger than %d bytes", ANSWER_BYTES_MAX);
    } else if (transport_err) {
        r.code = err_new(&err, transport_err->code, "%s", transport_err->msg);
    } else if (hc->status >= 400) {
        r.code = read_status(hc->status, r.json, &err, &r.retry_after_sec);
    } else if (call->verb == VERB_LIST) {
        r.code = split_list(call->res, r.json, &r, &objects, &err);
    } else if (call->verb != VERB_DELETECOLLECTION && !call->opts.sub) {
        r.object = object_of(call->res, r.json); /* a delete may answer with a Status */
    } else if (call->opts.sub && strcmp(call->opts.sub, "status") == 0) {
        r.object = object_of(call->res, r.json);
    }
    r.objects = objects;
    transport_done(call, &r);
    object_unref(r.object);
    for (size_t i = 0; i < r.n_objects; i++)
        object_unref(objects[i]);
    free(objects);
    buf_deinit(&body);
}

static void write_query(struct buf *b, const struct transport_call *call)
{
    char sep = '?';

    write_param(b, &sep, "labelSelector", call->opts.label_selector);
    write_param(b, &sep, "fieldSelector", call->opts.field_selector);
    write_param(b, &sep, "resourceVersion", call->opts.resource_version);
}

/* DELETE carries its options in the body. */
static void write_delete_options(struct buf *b, const struct transport_call *call)
{
    const struct client_opts *o = &call->opts;

    buf_puts(b, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"");
    if (o->grace_sec_plus1 > 0)
        buf_printf(b, ",\"gracePeriodSeconds\":%lld", (long long)o->grace_sec_plus1 - 1);
    if (o->propagation)
        buf_printf(b, ",\"propagationPolicy\":\"%s\"", o->propagation);
    if (o->uid_precondition.len > 0 || o->rv_precondition.len > 0) {
        buf_puts(b, ",\"preconditions\":{");
        if (o->uid_precondition.len > 0) {
            buf_puts(b, "\"uid\":");
            json_write_string(b, o->uid_precondition);
        }
        if (o->rv_precondition.len > 0) {
            buf_puts(b, o->uid_precondition.len > 0 ? ",\"resourceVersion\":"
                                                    : "\"resourceVersion\":");
            json_write_string(b, o->rv_precondition);
        }
        buf_putc(b, '}');
    }
    buf_putc(b, '}');
}

static void write_typed_body(struct buf *b, const struct type *type, const void *obj)
{
    struct str json;
    auto_buf bare = {0};

    typed_write_json(type, obj, &bare);
    json = buf_view(&bare);
    buf_printf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\"", type->name, type->group,
               type->group[0] ? "/" : "", type->version);
    if (json.len > 2)
        buf_putc(b, ',');
    buf_str(b, str_sub(json, 1, json.len));
}

static void start(struct client *base, struct transport_call *call)
{
    static const char *const methods[VERB__N] = {
        [VERB_GET] = "GET",       [VERB_LIST] = "GET",
        [VERB_WATCH] = "GET",     [VERB_CREATE] = "POST",
        [VERB_UPDATE] = "PUT",    [VERB_PATCH] = "PATCH",
        [VERB_DELETE] = "DELETE", [VERB_DELETECOLLECTION] = "DELETE",
    };
    struct https_client *c = container_of(base, struct https_client, base);
    struct https_call *hc = arena_new(&call->arena, struct https_call);
    struct http_header headers[3] = {{STR("accept"), STR("application/json")}};
    size_t n = 1;
    auto_buf target = {0}, body = {0};
    struct http_client_request rq = {.method = methods[call->verb],
                                     .timeout_ms = call->opts.timeout_ms,
                                     .on_head = on_head,
                                     .on_data = on_data,
                                     .on_done = on_done,
                                     .arg = hc};

    hc->call = call;
    hc->body.limit_bytes = ANSWER_BYTES_MAX;
    write_path(&target, c, call->res, call->ns, call->name, call->opts.sub);
    write_query(&target, call);
    if (call->body)
        write_typed_body(&body, call->body_type, call->body);
    else if (call->patch_type)
        buf_str(&body, call->patch);
    else if (call->verb == VERB_DELETE || call->verb == VERB_DELETECOLLECTION)
        write_delete_options(&body, call);
    if (body.len > 0)
        headers[n++] =
            (struct http_header){STR("content-type"), call->patch_type ? str_from(call->patch_type)
                                                                       : STR("application/json")};
    if (c->authorization)
        headers[n++] = c->headers[0];
    rq.target = buf_view(&target);
    rq.headers = headers;
    rq.n_headers = n;
    rq.body = buf_view(&body);
    call->priv = hc;
    hc->http = http_client_send(c->http, &rq);
}

static void cancel(struct client *base, struct transport_call *call)
{
    struct https_call *hc = call->priv;

    (void)base;
    http_call_cancel(hc->http);
}

/* One line of a watch stream: {"type":"ADDED","object":{...}}. */
static void handle_event(struct https_watch *w, struct str line)
{
    static const struct {
        const char *name;
        enum watch_event_type type;
    } types[] = {{"ADDED", WATCH_ADDED},
                 {"MODIFIED", WATCH_MODIFIED},
                 {"DELETED", WATCH_DELETED},
                 {"BOOKMARK", WATCH_BOOKMARK}};
    auto_arena a = {0};
    struct doc d;
    const struct doc *object;
    struct watch_event ev = {0};
    struct str type;

    if (json_parse(line, &a, &d, NULL, &w->err) < 0) {
        w->code = ERR_PARSE;
        return;
    }
    type = doc_path_str(&d, "type");
    object = doc_find(&d, STR("object"));
    if (str_eq(type, STR("ERROR")) || !object) {
        int32_t retry;

        w->code = read_status((int)doc_path_int(object, "code", 500), json_to_str(&a, object),
                              &w->err, &retry);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eqz(type, types[i].name))
            ev.type = types[i].type;
    }
    (void)str_to_i64(doc_path_str(object, "metadata.resourceVersion"), &ev.revision);
    if (ev.type == WATCH_BOOKMARK) {
        const struct doc *notes = doc_path(object, "metadata.annotations");
        const struct doc *end = doc_find(notes, STR("k8s.io/initial-events-end"));

        ev.initial_end = end && end->kind == DOC_STRING && str_eq(end->s, STR("true"));
    } else {
        ev.object = object_of(w->res, json_to_str(&a, object));
        if (!ev.object) {
            w->code = err_new(&w->err, ERR_PARSE, "an object of the watch cannot be read");
            return;
        }
    }
    w->opts.on_event(w->opts.arg, &ev);
    object_unref(ev.object);
}

static void on_watch_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct https_watch *w = arg;

    (void)headers;
    (void)n;
    w->status = status;
}

static void on_watch_data(void *arg, struct str piece)
{
    struct https_watch *w = arg;
    size_t begin = 0;

    if (w->freed || w->code < 0)
        return;
    buf_str(&w->line, piece);
    if (w->line.overflow) {
        w->code =
            err_new(&w->err, ERR_TOO_LARGE, "an event is larger than %d bytes", EVENT_BYTES_MAX);
        http_call_cancel(w->http);
        return;
    }
    if (w->status != 200)
        return; /* a Status; read at the end */
    for (size_t i = w->line.len - piece.len; i < w->line.len && !w->freed && w->code == 0; i++) {
        if (w->line.p[i] != '\n')
            continue;
        handle_event(w, (struct str){w->line.p + begin, i - begin});
        begin = i + 1;
    }
    buf_consume(&w->line, begin);
    if (w->code < 0)
        http_call_cancel(w->http);
}

static void watch_release(struct https_watch *w)
{
    buf_deinit(&w->line);
    arena_deinit(&w->arena);
    free(w);
}

static void on_watch_done(void *arg, const struct err *transport_err)
{
    struct https_watch *w = arg;
    int32_t retry;

    w->ended = true;
    w->http = NULL;
    if (w->freed) {
        watch_release(w);
        return;
    }
    if (w->code == 0 && transport_err)
        w->code = err_new(&w->err, transport_err->code, "%s", transport_err->msg);
    else if (w->code == 0 && w->status != 200)
        w->code = read_status(w->status, buf_view(&w->line), &w->err, &retry);
    w->opts.on_end(w->opts.arg, w->code, &w->err);
}

static void write_watch_target(struct buf *b, const struct https_client *c, struct https_watch *w)
{
    const struct watch_opts *o = &w->opts;
    char sep = '&';

    write_path(b, c, w->res, o->ns, STR_NULL, NULL);
    buf_puts(b, "?watch=true&allowWatchBookmarks=true");
    if (o->initial_events)
        buf_puts(b, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    else
        buf_printf(b, "&resourceVersion=%lld", (long long)o->revision);
    write_param(b, &sep, "labelSelector", o->label_selector);
    write_param(b, &sep, "fieldSelector", o->field_selector);
}

static struct client_watch *watch(struct client *base, const struct resource *res,
                                  const struct watch_opts *opts)
{
    struct https_client *c = container_of(base, struct https_client, base);
    struct https_watch *w = xnew(struct https_watch);
    struct http_header headers[2] = {{STR("accept"), STR("application/json")}};
    auto_buf target = {0};
    struct http_client_request rq = {.method = "GET",
                                     .headers = headers,
                                     .n_headers = 1,
                                     .on_head = on_watch_head,
                                     .on_data = on_watch_data,
                                     .on_done = on_watch_done,
                                     .arg = w};

    w->base.client = base;
    w->res = res;
    w->opts = *opts;
    w->opts.ns = str_dup(&w->arena, opts->ns);
    w->line.limit_bytes = EVENT_BYTES_MAX;
    write_watch_target(&target, c, w);
    rq.target = buf_view(&target);
    if (c->authorization)
        headers[rq.n_headers++] = c->headers[0];
    w->http = http_client_send(c->http, &rq);
    return &w->base;
}

static void watch_free(struct client_watch *base)
{
    struct https_watch *w = container_of(base, struct https_watch, base);

    w->freed = true;
    if (w->ended)
        watch_release(w);
    else
        http_call_cancel(w->http);
}

static void destroy(struct client *base)
{
    struct https_client *c = container_of(base, struct https_client, base);

    c->http = http_client_free(c->http);
    c->tls = tls_context_free(c->tls);
    free(c->authorization);
    arena_deinit(&c->arena);
    free(c);
}

static const struct transport_ops https_ops = {
    .start = start,
    .cancel = cancel,
    .watch = watch,
    .watch_free = watch_free,
    .destroy = destroy,
};

/* Splits "https://host:port/prefix"; IPv6 addresses stand in brackets. */
static int split_url(struct str url, struct arena *a, struct http_client_opts *opts, bool *ret_tls,
                     struct str *ret_prefix, struct err *err)
{
    struct str rest, authority, port = STR_NULL, host;
    int64_t number;

    *ret_tls = str_has_prefix(url, STR("https://"));
    if (!*ret_tls && !str_has_prefix(url, STR("http://")))
        return err_new(err, ERR_BAD_REQUEST, "server \"%.*s\" is no http or https URL",
                       STR_ARG(url));
    rest = str_sub(url, *ret_tls ? 8 : 7, url.len);
    authority = str_sub(rest, 0,
                        str_find_char(rest, '/') < 0 ? rest.len : (size_t)str_find_char(rest, '/'));
    *ret_prefix = str_sub(rest, authority.len, rest.len);
    while (ret_prefix->len > 0 && ret_prefix->p[ret_prefix->len - 1] == '/')
        ret_prefix->len--;
    if (authority.len > 0 && authority.p[0] == '[') {
        host = str_cut(str_sub(authority, 1, authority.len), ']', &port);
        port = port.len > 0 ? str_sub(port, 1, port.len) : STR_NULL;
    } else {
        host = str_cut(authority, ':', &port);
    }
    number = *ret_tls ? 443 : 80;
    if (port.len > 0 && (!str_to_i64(port, &number) || number < 1 || number > 65535))
        return err_new(err, ERR_BAD_REQUEST, "server \"%.*s\" has no valid port", STR_ARG(url));
    opts->host = str_dupz(a, host);
    opts->port = (uint16_t)number;
    return 0;
}

int client_https_new(struct loop *l, const struct kubeconfig *k, struct client **ret_c,
                     struct err *err)
{
    struct https_client *c = xnew(struct https_client);
    struct http_client_opts opts = {.server_name = k->tls_server_name};
    struct str prefix;
    bool tls;
    int r = split_url(str_from(k->server ? k->server : ""), &c->arena, &opts, &tls, &prefix, err);

    c->base.ops = &https_ops;
    c->base.loop = l;
    if (r == 0 && tls)
        r = tls_client_context(str_from(k->ca_pem), str_from(k->cert_pem), str_from(k->key_pem),
                               k->insecure, &c->tls, err);
    if (r < 0) {
        arena_deinit(&c->arena);
        free(c);
        return r;
    }
    c->prefix = str_dup(&c->arena, prefix);
    opts.tls = c->tls;
    c->http = http_client_new(l, &opts);
    if (k->token) {
        auto_buf b = {0};

        buf_printf(&b, "Bearer %s", k->token);
        c->authorization = xmemdupz(b.p, b.len);
        c->headers[0] = (struct http_header){STR("authorization"), str_from(c->authorization)};
    }
    *ret_c = &c->base;
    return 0;
}

struct http_client *client_https_http(struct client *c)
{
    return container_of(c, struct https_client, base)->http;
}

size_t client_https_headers(struct client *base, const struct http_header **ret_h)
{
    struct https_client *c = container_of(base, struct https_client, base);

    *ret_h = c->headers;
    return c->authorization ? 1 : 0;
}
