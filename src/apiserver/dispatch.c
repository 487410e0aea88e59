/* dispatch.c - hands an authorized request to what serves it. */
#include "apiserver/stages.h"

static const stage_fn verb_stages[] = {
    [VERB_GET] = stage_get,       [VERB_LIST] = stage_list,
    [VERB_WATCH] = stage_watch,   [VERB_CREATE] = stage_create,
    [VERB_UPDATE] = stage_update, [VERB_PATCH] = stage_patch,
    [VERB_DELETE] = stage_delete, [VERB_DELETECOLLECTION] = stage_deletecollection,
};
static_assert(ARRAY_LEN(verb_stages) == VERB__N, "a verb has no stage");

/* True if @path is @e's, or below it for those that serve what is below. */
static bool endpoint_matches(const struct endpoint *e, struct str path)
{
    struct str own = str_from(e->path);

    while (path.len > 1 && path.p[path.len - 1] == '/')
        path.len--;
    if (str_eq(path, own))
        return true;
    return e->below && str_has_prefix(path, own) && path.p[own.len] == '/';
}

static enum stage_result not_found_page(struct request *rq)
{
    struct http_header h = {STR("X-Content-Type-Options"), STR("nosniff")};

    vec_push(&rq->headers, h);
    return request_answer_bytes(rq, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
}

static enum stage_result serve_path(struct request *rq)
{
    for (const struct endpoint *e = endpoints; e->path; e++) {
        if (!endpoint_matches(e, rq->path))
            continue;
        if (str_eqz(rq->method, "GET") || str_eqz(rq->method, "HEAD"))
            return e->get(rq);
        return status_fail_unrouted(rq, 405);
    }
    return not_found_page(rq);
}

static bool version_served(struct str group, struct str version)
{
    for (size_t i = 0; i < api_n_groups; i++) {
        if (!str_eqz(group, api_groups[i].name))
            continue;
        for (const char *const *v = api_groups[i].versions; *v; v++) {
            if (str_eqz(version, *v))
                return true;
        }
    }
    return false;
}

static const struct subresource_handler *handler_find(const struct subresource_handler *table,
                                                      const struct resource *res, struct str sub)
{
    for (const struct subresource_handler *h = table; h->plural; h++) {
        if (strcmp(h->plural, res->plural) == 0 && strcmp(h->group, res->group) == 0 &&
            str_eqz(sub, h->sub))
            return h;
    }
    return NULL;
}

/* What may never become part of a store key. NULL: good. */
static const char *segment_error(struct str s)
{
    if (str_eqz(s, "."))
        return "may not be '.'";
    if (str_eqz(s, ".."))
        return "may not be '..'";
    if (str_find_char(s, '/') >= 0)
        return "may not contain '/'";
    if (str_find_char(s, '%') >= 0)
        return "may not contain '%'";
    return NULL;
}

static enum stage_result check_segment(struct request *rq, const char *what, struct str s)
{
    const char *msg = segment_error(s);
    auto_buf b = {0};

    if (!msg)
        return STAGE_NEXT;
    json_go_quote(&b, s);
    return request_failf(rq, ERR_BAD_REQUEST, "%s parameter invalid: %s: %s", what, buf_cstr(&b),
                         msg);
}

/* Whether the path's shape (namespace, name) fits the resource and the verb. 0, 404 or 405. */
static int shape_error(const struct request *rq)
{
    bool namespaced = resource_namespaced(rq->res);
    bool collection =
        rq->verb == VERB_LIST || rq->verb == VERB_WATCH || rq->verb == VERB_DELETECOLLECTION;
    bool is_namespace = rq->res == &res_core_namespaces;

    if (!namespaced && rq->ns.len && !is_namespace)
        return 404;
    if (namespaced && str_empty(rq->ns)) {
        if (rq->verb == VERB_LIST || rq->verb == VERB_WATCH)
            return 0;
        return collection || (rq->verb == VERB_CREATE && str_empty(rq->name)) ? 405 : 404;
    }
    if (str_empty(rq->sub) && !collection) {
        bool create = rq->verb == VERB_CREATE;

        if (create && rq->inproc)
            return 0; /* a call may repeat the name that its body has */
        if (create != str_empty(rq->name))
            return 405;
    }
    return 0;
}

static enum stage_result serve_subresource(struct request *rq)
{
    const struct subresource_handler *h;

    if (!rq->subres)
        return status_fail_unrouted(rq, 404);
    if (!(rq->subres->verbs & VERB_BIT(rq->verb)))
        return status_fail_unrouted(rq, 405);
    h = handler_find(subresource_handlers, rq->res, rq->sub);
    if (h)
        return h->verbs & VERB_BIT(rq->verb) ? h->fn(rq) : status_fail_unrouted(rq, 405);
    /* Streams and proxies need a handler; the rest are views of the object. */
    if (rq->subres->type != rq->res->type)
        return status_fail_unrouted(rq, 404);
    return verb_stages[rq->verb](rq);
}

/* Kinds that upstream wants nobody to use any more. */
static void warn_deprecated(struct request *rq)
{
    if (rq->res == &res_core_endpoints)
        request_warn(rq, STR("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 "
                             "EndpointSlice"));
    else if (rq->res == &res_core_componentstatuses)
        request_warn(rq, STR("v1 ComponentStatus is deprecated in v1.19+"));
}

static enum stage_result serve_resource(struct request *rq)
{
    const struct subresource_handler *h;
    int http;

    if (!rq->res) {
        if (version_served(rq->api_group, rq->api_version))
            return status_fail_unrouted(rq, 404);
        return not_found_page(rq);
    }
    http = shape_error(rq);
    if (http)
        return status_fail_unrouted(rq, http);
    if (check_segment(rq, "Namespace", rq->ns) != STAGE_NEXT ||
        check_segment(rq, "Name", rq->name) != STAGE_NEXT)
        return STAGE_DONE;
    warn_deprecated(rq);
    if (rq->sub.len)
        return serve_subresource(rq);
    if (!(rq->res->verbs & VERB_BIT(rq->verb)))
        return status_fail_unrouted(rq, 405);
    if (rq->res->flags & RESOURCE_EPHEMERAL) {
        h = handler_find(ephemeral_handlers, rq->res, STR(""));
        return h ? h->fn(rq) : status_fail_unrouted(rq, 405);
    }
    return verb_stages[rq->verb](rq);
}

enum stage_result stage_dispatch(struct request *rq)
{
    return rq->is_resource ? serve_resource(rq) : serve_path(rq);
}
