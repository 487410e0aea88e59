/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - the kubelet's HTTPS server: who may ask, and what is asked for.
 *
 * Callers prove themselves with a certificate of the cluster's authority. Members of system:masters
 * may do everything; for others the API server is asked, as for the node's subresource. */
#include "kubelet/server.h"

#include "base/log.h"
#include "codec/json.h"

enum { DRAIN_MS = 500, PATH_MAX_BYTES = 4096 };

struct kubelet_server {
    struct kubelet *kl; /* a reference */
    struct http_server *http;
};

void server_refuse(struct server_request *s, int status, const char *fmt, ...)
{
    va_list args;
    size_t len;
    char *text;

    va_start(args, fmt);
    text = arena_vprintf(http_arena(s->x), &len, fmt, args);
    va_end(args);
    http_respond(s->x, status, "text/plain; charset=utf-8", (struct str){text, len}, NULL, 0);
}

struct str server_param(const struct server_request *s, const char *name)
{
    for (size_t i = 0; i < s->n_params; i++) {
        if (str_eqz(s->params[i].name, name))
            return s->params[i].value;
    }
    return STR_NULL;
}

bool server_param_set(const struct server_request *s, const char *name)
{
    struct str v = server_param(s, name);

    return str_eq(v, STR("1")) || str_eq(v, STR("true"));
}

struct kcontainer *server_container(struct server_request *s)
{
    struct str name = s->segments[s->n_segments - 1];
    struct kpod *kp = kpod_find(s->kl, s->segments[1], s->segments[2]);
    struct kcontainer *kc;

    if (!kp || !kp->pod) {
        server_refuse(s, 404, "pod does not exist");
        return NULL;
    }
    kc = kpod_container(kp, name);
    if (!kc)
        server_refuse(s, 404, "container not found (\"%.*s\")", STR_ARG(name));
    return kc;
}

static void list_pods(struct server_request *s)
{
    auto_buf out = {0};
    struct informer_iter it;
    struct object *o;
    bool first = true;

    buf_puts(&out, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
    for (o = informer_first(s->kl->pods, STR(""), &it); o; o = informer_next(&it)) {
        if (!first)
            buf_putc(&out, ',');
        first = false;
        buf_str(&out, o->json);
    }
    buf_puts(&out, "]}");
    http_respond(s->x, 200, "application/json", buf_view(&out), NULL, 0);
}

static void healthz(struct server_request *s)
{
    http_respond(s->x, 200, "text/plain; charset=utf-8", STR("ok"), NULL, 0);
}

struct endpoint {
    const char *name;
    size_t segments_min, segments_max;
    bool writes;             /* needs the right to create */
    const char *subresource; /* of the node */
    void (*run)(struct server_request *s);
};
static const struct endpoint endpoints[] = {
    {"healthz", 1, 2, false, "healthz", healthz},
    {"pods", 1, 1, false, "pods", list_pods},
    {"containerLogs", 4, 4, false, "proxy", server_logs},
    {"exec", 4, 5, true, "proxy", server_stream},
    {"attach", 4, 5, true, "proxy", server_stream},
    {"portForward", 3, 4, true, "proxy", server_stream},
};

static const struct endpoint *find_endpoint(const struct server_request *s)
{
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        const struct endpoint *e = &endpoints[i];

        if (s->n_segments >= e->segments_min && s->n_segments <= e->segments_max &&
            str_eqz(s->segments[0], e->name))
            return e;
    }
    return NULL;
}

static void run(struct server_request *s, const struct endpoint *e)
{
    struct kubelet *kl = s->kl;

    if (kl->stopping)
        server_refuse(s, 503, "the kubelet is stopping");
    else
        e->run(s);
    kubelet_unref(kl);
}

static void on_review(void *arg, const struct client_result *r)
{
    struct server_request *s = arg;
    struct kubelet *kl = s->kl;
    struct doc d;
    struct err err = {0};

    if (r->code == 0 && json_parse(r->json, http_arena(s->x), &d, NULL, &err) == 0 &&
        doc_path_bool(&d, "status.allowed", false)) {
        run(s, find_endpoint(s));
        return;
    }
    if (r->code < 0)
        server_refuse(s, 500, "Authorization error: %s", r->err ? r->err->msg : "");
    else
        server_refuse(s, 403, "Forbidden (user=%.*s, resource=nodes)",
                      STR_ARG(s->rq->peer.common_name));
    kubelet_unref(kl);
}

static void review(struct server_request *s, const struct endpoint *e)
{
    const struct http_peer *peer = &s->rq->peer;
    struct arena *a = http_arena(s->x);
    struct str *groups = arena_calloc(a, peer->n_organizations + 1, sizeof(*groups));
    struct authorization_resource_attributes what = {
        .verb = e->writes || str_eq(s->rq->method, STR("POST")) ? STR("create") : STR("get"),
        .version = STR("v1"),
        .resource = STR("nodes"),
        .subresource = str_from(e->subresource),
        .name = str_from(s->kl->opts.node_name),
    };
    struct authorization_subject_access_review sar = {
        .spec = {.resource_attributes = &what, .user = peer->common_name}};

    for (size_t i = 0; i < peer->n_organizations; i++)
        groups[i] = peer->organizations[i];
    groups[peer->n_organizations] = STR("system:authenticated");
    sar.spec.groups.v = groups;
    sar.spec.groups.n = peer->n_organizations + 1;
    client_create(s->kl->client, &res_authorization_subjectaccessreviews, STR(""), STR(""), NULL,
                  &sar, NULL, on_review, s);
}

static bool is_master(const struct http_peer *peer)
{
    for (size_t i = 0; i < peer->n_organizations; i++) {
        if (str_eq(peer->organizations[i], STR("system:masters")))
            return true;
    }
    return false;
}

static bool parse(struct server_request *s)
{
    struct arena *a = http_arena(s->x);
    struct str path = s->rq->path, part;
    struct err err = {0};

    if (path.len > PATH_MAX_BYTES || path.len == 0)
        return false;
    path = str_sub(path, 1, path.len);
    while (path.p) {
        part = str_cut(path, '/', &path);
        if (str_empty(part) && !path.p)
            break; /* a slash at the end */
        if (s->n_segments == SERVER_SEGMENTS_MAX ||
            http_unescape(part, a, &s->segments[s->n_segments], &err) < 0)
            return false;
        s->n_segments++;
    }
    return http_query_parse(s->rq->query, a, &s->params, &s->n_params, &err) == 0;
}

static void on_request(void *arg, struct http_exchange *x, const struct http_request *rq)
{
    struct kubelet_server *server = arg;
    struct server_request *s = arena_new(http_arena(x), struct server_request);
    const struct endpoint *e;

    s->kl = server->kl;
    s->x = x;
    s->rq = rq;
    if (!rq->peer.has_cert) {
        server_refuse(s, 401, "Unauthorized");
        return;
    }
    if (!parse(s)) {
        server_refuse(s, 400, "bad request");
        return;
    }
    e = find_endpoint(s);
    if (!e) {
        server_refuse(s, 404, "404 page not found");
        return;
    }
    if (s->kl->stopping) {
        server_refuse(s, 503, "the kubelet is stopping");
        return;
    }
    kubelet_ref(s->kl);
    if (is_master(&rq->peer))
        run(s, e);
    else
        review(s, e);
}

int kubelet_server_start(struct kubelet *kl, struct err *err)
{
    struct kubelet_server *s = xnew(struct kubelet_server);
    struct http_server_opts opts = {.address = kl->opts.address,
                                    .port = kl->opts.port,
                                    .tls = kl->opts.tls,
                                    .handler = {on_request, s}};
    int r;

    s->kl = kl;
    r = http_server_new(kl->loop, &opts, &s->http, err);
    if (r < 0) {
        free(s);
        return r;
    }
    kubelet_ref(kl);
    kl->server = s;
    return 0;
}

static void on_closed(void *arg)
{
    struct kubelet_server *s = arg;

    kubelet_unref(s->kl);
    free(s);
}

void kubelet_server_stop(struct kubelet *kl)
{
    struct kubelet_server *s = kl->server;

    if (!s)
        return;
    kl->server = NULL;
    http_server_close(s->http, DRAIN_MS, on_closed, s);
}
