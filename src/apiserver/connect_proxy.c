/* SPDX-License-Identifier: Apache-2.0 */
/* connect_proxy.c - pods/proxy, services/proxy and nodes/proxy: a request passed on to a pod or a
 * kubelet, and its answer as it comes. Redirects go to the client, never after them. WebSockets
 * go through, too. */
#include "apiserver/address.h"
#include "apiserver/authn.h"
#include "apiserver/connect.h"
#include "base/random.h"
#include "net/tls.h"
#include "net/tunnel.h"

enum { PROXY_BUFFERED_MAX = 256 * 1024, CONNECT_TIMEOUT_MS = 10000 };

struct proxy_name { /* "name", "name:port" or "scheme:name:port" */
    bool https;
    struct str name, port;
};
struct proxy {
    struct request *rq; /* NULL once its answer needs nothing more of us */
    struct loop *loop;
    struct http_client *client;
    struct tls_context *tls; /* its own, for https to a pod */
    struct http_call *call;  /* NULL once it is done */
    struct buf buf;
    size_t read;
    int status;
    const char *type;
    struct str prefix; /* of the URL, up to what is passed on */
    bool streaming, paused, waiting, failed;
    struct err err;
};

/* ---- the answer ---- */

static void release(void *arg)
{
    struct proxy *p = arg;

    p->client = http_client_free(p->client);
    p->tls = tls_context_free(p->tls);
    buf_deinit(&p->buf);
    free(p);
}

static void let_go(struct proxy *p)
{
    p->rq = NULL;
    if (p->call)
        http_call_cancel(p->call); /* on_done follows */
    else
        loop_post(p->loop, release, p);
}

static long on_read(void *arg, char *to, size_t cap)
{
    struct proxy *p = arg;
    size_t n = MIN(cap, p->buf.len - p->read);

    if (n > 0)
        memcpy(to, p->buf.p + p->read, n);
    p->read += n;
    if (p->read == p->buf.len) {
        buf_reset(&p->buf);
        p->read = 0;
    }
    if (p->paused && p->call && p->buf.len - p->read < PROXY_BUFFERED_MAX / 2) {
        p->paused = false;
        http_call_pause(p->call, false);
    }
    if (n > 0)
        return (long)n;
    if (!p->call)
        return p->failed ? HTTP_READ_ERROR : HTTP_READ_END;
    p->waiting = true;
    return HTTP_READ_WAIT;
}

static void on_close(void *arg)
{
    let_go(arg);
}

static void wake(struct proxy *p)
{
    if (p->waiting && p->rq && p->rq->http) {
        p->waiting = false;
        http_resume(p->rq->http);
    }
}

static void on_cancel(struct request *rq)
{
    struct proxy *p = rq->state;

    if (p->call)
        http_call_cancel(p->call);
}

static enum stage_result begin_stream(struct request *rq)
{
    struct proxy *p = rq->state;

    if (p->status == 204 || p->status == 304 || str_eqz(rq->method, "HEAD")) {
        request_send(rq, p->status, p->type, STR(""));
        let_go(p);
        return STAGE_DONE;
    }
    rq->on_cancel = on_cancel;
    request_send_source(rq, p->status, p->type, -1, (struct http_source){on_read, on_close, p});
    return STAGE_DONE;
}

static enum stage_result fail(struct request *rq)
{
    struct proxy *p = rq->state;
    enum stage_result r =
        request_failf(rq, ERR_UNAVAILABLE, "error trying to reach service: %s", p->err.msg);

    let_go(p);
    return r;
}

static enum stage_result gone(struct request *rq)
{
    return STAGE_DONE; /* never runs: the request is finished */
}

/* Headers that belong to one connection, or are ours to say. */
static bool is_private(struct str name)
{
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "proxy-authenticate",
                                        "proxy-authorization",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "content-length",
                                        "content-type",
                                        "audit-id",
                                        "cache-control",
                                        "date"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqz(name, names[i]))
            return true;
    return str_has_prefix(name, STR("access-control-"));
}

static void take_headers(struct proxy *p, const struct http_header *headers, size_t n)
{
    struct arena *a = p->rq->arena;

    for (size_t i = 0; i < n; i++) {
        struct http_header h = {str_dup(a, headers[i].name), str_dup(a, headers[i].value)};

        if (str_eqz(h.name, "content-type"))
            p->type = str_dupz(a, h.value);
        if (is_private(h.name))
            continue;
        if (str_eqz(h.name, "location") && str_has_prefix(h.value, STR("/")) &&
            !str_has_prefix(h.value, STR("//")))
            h.value = str_printf(a, "%.*s%.*s", STR_ARG(p->prefix), STR_ARG(h.value));
        vec_push(&p->rq->headers, h);
    }
}

static void on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct proxy *p = arg;

    p->status = status;
    if (!p->rq || p->rq->finished) /* nobody waits for it any more: on_done tidies up */
        return;
    take_headers(p, headers, n);
    p->streaming = true;
    request_resume(p->rq, begin_stream);
}

static void on_data(void *arg, struct str piece)
{
    struct proxy *p = arg;

    if (!p->rq || !p->streaming)
        return;
    buf_str(&p->buf, piece);
    if (!p->paused && p->buf.len - p->read > PROXY_BUFFERED_MAX) {
        p->paused = true;
        http_call_pause(p->call, true);
    }
    wake(p);
}

static void on_done(void *arg, const struct err *err)
{
    struct proxy *p = arg;
    struct request *rq = p->rq;

    p->call = NULL;
    p->failed = err != NULL;
    if (err)
        p->err = *err;
    if (!rq) {
        loop_post(p->loop, release, p);
    } else if (p->streaming) {
        wake(p);
    } else if (rq->finished) { /* the peer went away */
        let_go(p);
        request_resume(rq, gone);
    } else {
        request_resume(rq, fail);
    }
}

/* ---- the request ---- */

/* Splits the URL behind ".../proxy": what goes to the backend, still encoded, "" or "/...". */
static struct str backend_path(const struct request *rq, struct str *ret_prefix)
{
    struct str path = rq->head->path;
    unsigned slashes = str_eqz(rq->plural, "nodes") ? 6 : 8;

    for (size_t i = 0; i < path.len; i++)
        if (path.p[i] == '/' && --slashes == 0) {
            *ret_prefix = str_sub(path, 0, i);
            return str_sub(path, i, path.len);
        }
    *ret_prefix = path;
    return STR("");
}

/* The protocols of a WebSocket, but for the one that is the caller's token. */
static struct str without_token(struct request *rq, struct str value)
{
    auto_buf out = {0};

    while (value.len > 0) {
        struct str one = str_trim(str_cut(value, ',', &value));

        if (str_empty(one) || str_has_prefix(one, STR(WEBSOCKET_TOKEN_PREFIX)))
            continue;
        if (out.len > 0)
            buf_puts(&out, ", ");
        buf_str(&out, one);
    }
    return str_dup(rq->arena, buf_view(&out));
}

static struct http_header *backend_headers(struct request *rq, size_t *ret_n)
{
    static const char *const dropped[] = {"authorization", "host", "expect"};
    struct http_header *h = arena_calloc(rq->arena, rq->head->n_headers + 4, sizeof(*h));
    size_t n = 0;

    for (size_t i = 0; i < rq->head->n_headers; i++) {
        struct http_header in = rq->head->headers[i];
        bool drop = is_private(in.name) && !str_eqz(in.name, "content-type") &&
                    !str_eqz(in.name, "cache-control");

        for (size_t j = 0; j < ARRAY_LEN(dropped) && !drop; j++)
            drop = str_eqz(in.name, dropped[j]);
        if (str_eqz(in.name, "sec-websocket-protocol")) {
            in.value = without_token(rq, in.value);
            drop = str_empty(in.value);
        }
        if (!drop && !str_has_prefix(in.name, STR("impersonate-")) &&
            !str_has_prefix(in.name, STR("x-forwarded-")))
            h[n++] = in;
    }
    h[n++] = (struct http_header){STR("x-forwarded-uri"), rq->head->path};
    h[n++] = (struct http_header){STR("x-forwarded-host"), rq->head->host};
    h[n++] = (struct http_header){STR("x-forwarded-proto"), STR("https")};
    *ret_n = n;
    return h;
}

static enum stage_result redirect(struct request *rq)
{
    bool query = !str_empty(rq->head->query);
    struct http_header h = {STR("Location"),
                            str_printf(rq->arena, "%.*s/%s%.*s", STR_ARG(rq->head->path),
                                       query ? "?" : "", STR_ARG(rq->head->query))};

    vec_push(&rq->headers, h);
    return request_answer_bytes(rq, 301, NULL, STR(""));
}

static enum stage_result pass_on(struct request *rq, const char *host, uint16_t port,
                                 struct tls_context *tls, struct tls_context *own_tls)
{
    struct proxy *p;
    struct http_client_opts opts = {
        .host = host, .port = port, .tls = tls, .connect_timeout_ms = CONNECT_TIMEOUT_MS};
    struct http_client_request call = {.method = str_dupz(rq->arena, rq->method),
                                       .body = rq->body,
                                       .on_head = on_head,
                                       .on_data = on_data,
                                       .on_done = on_done};
    struct str prefix, path = backend_path(rq, &prefix);
    bool query = !str_empty(rq->head->query);

    call.target = str_printf(rq->arena, "%.*s%s%.*s", STR_ARG(path), query ? "?" : "",
                             STR_ARG(rq->head->query));
    call.headers = backend_headers(rq, &call.n_headers);
    if (tunnel_requested(rq->head, STR("websocket")))
        return connect_tunnel(rq, http_client_new(rq->loop, &opts), own_tls, &call,
                              STR("websocket"));
    p = xnew(struct proxy);
    call.arg = p;
    p->rq = rq;
    p->loop = rq->loop;
    p->prefix = prefix;
    p->tls = own_tls;
    p->client = http_client_new(rq->loop, &opts);
    rq->state = p;
    rq->on_cancel = on_cancel;
    p->call = http_client_send(p->client, &call);
    return STAGE_WAIT;
}

/* ---- who is meant ---- */

static bool split_name(struct str s, struct proxy_name *ret_n)
{
    struct str rest, last, first = str_cut(s, ':', &rest);
    struct proxy_name n = {.name = first};

    if (rest.p) {
        struct str second = str_cut(rest, ':', &last);

        if (!last.p) {
            n.port = second;
        } else {
            if (!str_empty(first) && !str_eqz(first, "http") && !str_eqz(first, "https"))
                return false;
            n.https = str_eqz(first, "https");
            n.name = second;
            n.port = last;
        }
    }
    *ret_n = n;
    return !str_empty(n.name) && str_find_char(n.port, ':') < 0;
}

/* Addresses that stand for this machine, its links or a group of machines are nobody's pod. */
static bool address_allowed(struct str text)
{
    struct address a;

    if (!address_parse(text, &a))
        return false;
    if (a.v6)
        return a.n > 1 && (a.n >> 120) != 0xff && (a.n >> 118) != 0x3fa && (a.n >> 32) != 0xffff;
    return a.n != 0 && (a.n >> 24) != 127 && (a.n >> 16) != 0xa9fe && (a.n >> 28) < 14;
}

static enum stage_result to_address(struct request *rq, const struct proxy_name *n,
                                    struct str address, int64_t port)
{
    struct tls_context *tls = NULL;
    struct err err = {0};

    if (!address_allowed(address))
        return request_failf(rq, ERR_BAD_REQUEST, "address not allowed");
    if (port < 1 || port > UINT16_MAX)
        return request_failf(rq, ERR_BAD_REQUEST, "invalid port %lld", (long long)port);
    if (n->https && tls_client_context(STR(""), STR(""), STR(""), true, &tls, &err) < 0)
        return request_fail(rq, &err);
    return pass_on(rq, str_dupz(rq->arena, address), (uint16_t)port, tls, tls);
}

static enum stage_result proxy_pod(struct request *rq, const struct proxy_name *n)
{
    struct object *o = cache_find(store_cache(rq->as->store, &res_core_pods),
                                  resource_key(&res_core_pods, rq->ns, n->name, rq->arena));
    const struct core_pod *pod;
    struct str address;
    int64_t port = 80;

    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, &res_core_pods, n->name, NULL);
    pod = OBJECT_AS(core_pod, o);
    address = str_dup(rq->arena, pod->status.pod_ip);
    if (pod->spec.containers.n > 0 && pod->spec.containers.v[0].ports.n > 0)
        port = pod->spec.containers.v[0].ports.v[0].container_port;
    object_unref(o);
    if (!str_empty(n->port) && !str_to_i64(n->port, &port))
        return request_failf(rq, ERR_BAD_REQUEST, "invalid pod request \"%.*s\"",
                             STR_ARG(rq->name));
    return to_address(rq, n, address, port);
}

struct endpoint_pick {
    struct str address;
    int32_t port;
    uint64_t n_seen;
};

/* Every ready address of a pod behind the port is as likely as the others. */
static void pick_from(struct request *rq, const struct discovery_endpoint_slice *s, struct str port,
                      struct endpoint_pick *pick)
{
    int32_t number = 0;

    for (size_t i = 0; i < s->ports.n; i++) {
        const struct discovery_endpoint_port *p = &s->ports.v[i];

        if (p->port && str_eq(p->name ? *p->name : STR(""), port))
            number = *p->port;
    }
    for (size_t i = 0; number && i < s->endpoints.n; i++) {
        const struct discovery_endpoint *e = &s->endpoints.v[i];

        if ((e->conditions.ready && !*e->conditions.ready) || e->addresses.n == 0 ||
            !e->target_ref || !str_eqz(e->target_ref->kind, "Pod"))
            continue;
        if (random_below(loop_random(rq->loop), ++pick->n_seen) == 0) {
            pick->address = str_dup(rq->arena, e->addresses.v[0]);
            pick->port = number;
        }
    }
}

static void pick_endpoint(struct request *rq, struct str service, struct str port,
                          struct endpoint_pick *pick)
{
    const struct resource *res = &res_discovery_endpointslices;
    struct snapshot *s = cache_snapshot(store_cache(rq->as->store, res));
    struct str prefix = resource_key(res, rq->ns, STR(""), rq->arena);
    struct omap_iter it;
    const struct object *o;

    omap_seek(&s->objects, prefix, &it);
    while ((o = omap_next(&it)) && str_has_prefix(o->key, prefix))
        if (str_eq(object_label(o, STR("kubernetes.io/service-name")), service))
            pick_from(rq, OBJECT_AS(discovery_endpoint_slice, o), port, pick);
    snapshot_unref(s);
}

static enum stage_result proxy_service(struct request *rq, const struct proxy_name *n)
{
    struct object *o = cache_find(store_cache(rq->as->store, &res_core_services),
                                  resource_key(&res_core_services, rq->ns, n->name, rq->arena));
    struct endpoint_pick pick = {0};
    struct str port = n->port;
    const struct core_service *s;
    int64_t number;
    bool known = true;

    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, &res_core_services, n->name, NULL);
    s = OBJECT_AS(core_service, o);
    if (str_to_i64(port, &number)) {
        known = false;
        for (size_t i = 0; i < s->spec.ports.n && !known; i++)
            if (s->spec.ports.v[i].port == number) {
                port = str_dup(rq->arena, s->spec.ports.v[i].name);
                known = true;
            }
    }
    object_unref(o);
    if (!known)
        return request_failf(rq, ERR_UNAVAILABLE, "no service port %lld found for service \"%.*s\"",
                             (long long)number, STR_ARG(n->name));
    pick_endpoint(rq, n->name, port, &pick);
    if (pick.n_seen == 0)
        return request_failf(rq, ERR_UNAVAILABLE, "no endpoints available for service \"%.*s\"",
                             STR_ARG(rq->name));
    return to_address(rq, n, pick.address, pick.port);
}

static enum stage_result proxy_node(struct request *rq, const struct proxy_name *n)
{
    struct connect_target t = {0};
    int64_t port;
    enum stage_result r = connect_find_node(rq, n->name, &t);

    if (r != STAGE_NEXT)
        return r;
    if (!str_empty(n->port) && (!str_to_i64(n->port, &port) || port != t.port))
        return request_failf(rq, ERR_BAD_REQUEST, "only the kubelet of node \"%.*s\" is served",
                             STR_ARG(n->name));
    return pass_on(rq, t.host, t.port, rq->as->opts.kubelet_client_tls, NULL);
}

enum stage_result stage_proxy(struct request *rq)
{
    const char *what = rq->res->singular;
    struct proxy_name n;
    struct str prefix;

    if (!rq->http)
        return request_failf(rq, ERR_BAD_REQUEST, "proxies do not serve calls in the process");
    if (!split_name(rq->name, &n))
        return request_failf(rq, ERR_BAD_REQUEST, "invalid %s request \"%.*s\"", what,
                             STR_ARG(rq->name));
    if (str_empty(backend_path(rq, &prefix)) &&
        (str_eqz(rq->method, "GET") || str_eqz(rq->method, "HEAD")))
        return redirect(rq);
    if (rq->res == &res_core_pods)
        return proxy_pod(rq, &n);
    if (rq->res == &res_core_services)
        return proxy_service(rq, &n);
    return proxy_node(rq, &n);
}
