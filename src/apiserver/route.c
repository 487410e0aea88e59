/* route.c - what a request asks for, read from its method, path and query alone. */
#include "apiserver/stages.h"
#include "codec/utf8.h"

enum { PATH_MAX_BYTES = 16 * 1024, PATH_PARTS_MAX = 128 };

struct parts { /* of the path, between slashes */
    struct str v[PATH_PARTS_MAX];
    size_t n;
    struct str rest[PATH_PARTS_MAX]; /* rest[i]: the path from v[i] on */
};

struct str request_param(const struct request *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_params; i++) {
        if (str_eqz(rq->params[i].name, name))
            return rq->params[i].value.p ? rq->params[i].value : STR("");
    }
    return STR_NULL;
}

/* Go's reading of a boolean parameter: given, and neither "false" nor "0". */
static bool param_true(const struct request *rq, const char *name)
{
    struct str v = request_param(rq, name);

    return v.p && !str_ieq(v, STR("false")) && !str_eqz(v, "0");
}

static bool split_path(struct str path, struct parts *p)
{
    p->n = 0;
    while (path.len && path.p[0] == '/')
        path = str_sub(path, 1, path.len);
    while (path.len && path.p[path.len - 1] == '/')
        path.len--;
    while (path.len) {
        struct str rest;

        if (p->n == PATH_PARTS_MAX)
            return false;
        p->rest[p->n] = path;
        p->v[p->n++] = str_cut(path, '/', &rest);
        path = rest;
    }
    return true;
}

static void drop_parts(struct parts *p, size_t n)
{
    p->n -= n;
    memmove(p->v, p->v + n, p->n * sizeof(*p->v));
    memmove(p->rest, p->rest + n, p->n * sizeof(*p->rest));
}

static struct str part(const struct parts *p, size_t i)
{
    return i < p->n ? p->v[i] : STR("");
}

static struct str lower(struct arena *a, struct str s)
{
    char *z = str_dupz(a, s);

    for (size_t i = 0; i < s.len; i++) {
        if (z[i] >= 'A' && z[i] <= 'Z')
            z[i] = (char)(z[i] - 'A' + 'a');
    }
    return (struct str){z, s.len};
}

/* VERB__N: a method that no resource has. */
static enum verb method_verb(struct str method)
{
    static const struct {
        const char *method;
        enum verb verb;
    } verbs[] = {{"GET", VERB_GET},    {"HEAD", VERB_GET},    {"POST", VERB_CREATE},
                 {"PUT", VERB_UPDATE}, {"PATCH", VERB_PATCH}, {"DELETE", VERB_DELETE}};

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (str_eqz(method, verbs[i].method))
            return verbs[i].verb;
    }
    return VERB__N;
}

/* The name that fieldSelector asks for, so that rights on one name suffice. */
static struct str selected_name(struct request *rq)
{
    struct str terms = request_param(rq, "fieldSelector");

    while (terms.len) {
        struct str term = str_cut(terms, ',', &terms);

        if (str_has_prefix(term, STR("metadata.name="))) {
            term = str_sub(term, sizeof("metadata.name=") - 1, term.len);
            return term.len && term.p[0] == '=' ? str_sub(term, 1, term.len) : term;
        }
    }
    return STR("");
}

static void collection_verb(struct request *rq)
{
    if (rq->verb == VERB_GET)
        rq->verb = param_true(rq, "watch") ? VERB_WATCH : VERB_LIST;
    else if (rq->verb == VERB_DELETE)
        rq->verb = VERB_DELETECOLLECTION;
    if (rq->verb == VERB_LIST || rq->verb == VERB_WATCH || rq->verb == VERB_DELETECOLLECTION)
        rq->name = selected_name(rq);
}

/* "namespaces/x/pods/...": moves past the namespace, unless the namespace itself is meant. */
static void take_namespace(struct request *rq, struct parts *p)
{
    if (!str_eqz(part(p, 0), "namespaces") || p->n < 2)
        return;
    rq->ns = p->v[1];
    if (p->n > 2 && !str_eqz(p->v[2], "status") && !str_eqz(p->v[2], "finalize"))
        drop_parts(p, 2);
}

/* The parts behind group and version. */
static void route_resource(struct request *rq, struct parts *p)
{
    bool watch = str_eqz(part(p, 0), "watch") && p->n > 1;

    rq->is_resource = true;
    rq->verb = method_verb(rq->method);
    if (watch)
        drop_parts(p, 1);
    take_namespace(rq, p);
    rq->plural = part(p, 0);
    rq->name = part(p, 1);
    if (!watch) {
        rq->sub = part(p, 2);
        if (p->n > 3)
            rq->sub_path = p->rest[3];
    }
    if (watch && rq->verb == VERB_GET)
        rq->verb = VERB_WATCH;
    else if (str_empty(rq->name))
        collection_verb(rq);
    if (rq->verb == VERB__N)
        return; /* no later stage sees it */
    rq->verb_name = str_from(verb_names[rq->verb]);
    rq->res = api_find(rq->api_group, rq->api_version, rq->plural);
    if (rq->res && rq->sub.len)
        rq->subres = resource_subresource(rq->res, rq->sub);
}

static void route_path(struct request *rq, struct parts *p)
{
    rq->verb_name = lower(rq->arena, rq->method);
    if (str_eqz(part(p, 0), "api") && p->n >= 3) {
        rq->api_group = STR("");
        rq->api_version = p->v[1];
        drop_parts(p, 2);
        route_resource(rq, p);
    } else if (str_eqz(part(p, 0), "apis") && p->n >= 4) {
        rq->api_group = p->v[1];
        rq->api_version = p->v[2];
        drop_parts(p, 3);
        route_resource(rq, p);
    }
}

enum stage_result stage_route(struct request *rq)
{
    const struct http_request *h = rq->head;
    struct parts *p = arena_new(rq->arena, struct parts);
    struct err err = {0};

    if (h->path.len > PATH_MAX_BYTES)
        return request_failf(rq, ERR_BAD_REQUEST, "the request path is too long");
    if (http_unescape(h->path, rq->arena, &rq->path, &err) < 0)
        return request_fail(rq, &err);
    if (str_find_char(rq->path, '\0') >= 0 || !utf8_valid(rq->path))
        return request_failf(rq, ERR_BAD_REQUEST, "the request path is not valid text");
    if (http_query_parse(h->query, rq->arena, &rq->params, &rq->n_params, &err) < 0)
        return request_fail(rq, &err);
    if (!split_path(rq->path, p))
        return request_failf(rq, ERR_BAD_REQUEST, "the request path has too many parts");
    route_path(rq, p);
    if (rq->is_resource && rq->verb == VERB__N)
        return status_fail_unrouted(rq, 405);
    return STAGE_NEXT;
}
