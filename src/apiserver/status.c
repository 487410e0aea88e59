/* status.c - how requests end: the Status of every error, text for text as upstream makes it, and
 * the answers that succeed. */
#include "apiserver/respond.h"

enum { ERROR_RETRY_SEC = 1 };

enum stage_result status_send(struct request *rq, int code, struct meta_status *st)
{
    st->kind = STR("Status");
    st->api_version = STR("v1");
    if (st->details && st->details->retry_after_seconds > 0) {
        struct http_header h = {STR("Retry-After"),
                                str_printf(rq->arena, "%d", (int)st->details->retry_after_seconds)};

        vec_push(&rq->headers, h);
    }
    return respond_status(rq, code, st);
}

static struct meta_status failure(int code, struct str message)
{
    return (struct meta_status){.status = STR("Failure"),
                                .message = message,
                                .reason = str_from(err_reason(code)),
                                .code = err_http_status(code)};
}

static struct meta_status_details *add_details(struct request *rq, struct meta_status *st)
{
    st->details = arena_new(rq->arena, struct meta_status_details);
    return st->details;
}

/* Upstream's prefix for errors that are nobody's fault but the server's, with the text as cause. */
static enum stage_result fail_internal(struct request *rq, int code, struct str text)
{
    struct meta_status st =
        failure(code, str_printf(rq->arena, "Internal error occurred: %.*s", STR_ARG(text)));
    struct meta_status_details *d = add_details(rq, &st);

    d->causes.v = arena_new(rq->arena, struct meta_status_cause);
    d->causes.v->message = text;
    d->causes.n = 1;
    return status_send(rq, code, &st);
}

static enum stage_result fail_text(struct request *rq, int code, struct str text)
{
    struct meta_status st;

    if (err_http_status(code) == 500)
        return fail_internal(rq, code, text);
    if (code == ERR_TIMEOUT && !str_has_prefix(text, STR("Timeout: ")))
        text = str_printf(rq->arena, "Timeout: %.*s", STR_ARG(text));
    st = failure(code, text);
    if (code == ERR_TOO_MANY)
        add_details(rq, &st)->retry_after_seconds = ERROR_RETRY_SEC;
    else if (code == ERR_FORBIDDEN || code == ERR_TIMEOUT)
        add_details(rq, &st); /* empty, but there. A request that ran out of time may have been
                                 done: clients send again what comes with a Retry-After. */
    return status_send(rq, code, &st);
}

enum stage_result request_fail(struct request *rq, const struct err *err)
{
    return fail_text(rq, err->code, str_dup(rq->arena, str_from(err->msg)));
}

static struct str vtext(struct request *rq, const char *fmt, va_list args)
{
    struct str s;

    s.p = arena_vprintf(rq->arena, &s.len, fmt, args);
    return s;
}

enum stage_result request_failf(struct request *rq, int code, const char *fmt, ...)
{
    va_list args;
    struct str text;

    va_start(args, fmt);
    text = vtext(rq, fmt, args);
    va_end(args);
    return fail_text(rq, code, text);
}

/* "pods \"x\"": how the messages below begin. */
static struct str quoted(struct request *rq, const struct resource *res, struct str name)
{
    auto_buf b = {0};

    buf_str(&b, resource_qualified(res, rq->arena));
    buf_putc(&b, ' ');
    json_go_quote(&b, name);
    return str_dup(rq->arena, buf_view(&b));
}

static struct str object_message(struct request *rq, int code, const struct resource *res,
                                 struct str name, struct str why)
{
    struct arena *a = rq->arena;
    struct str what = quoted(rq, res, name);

    switch (code) {
    case ERR_NOT_FOUND:
        return str_printf(a, "%.*s not found", STR_ARG(what));
    case ERR_EXISTS:
        return str_printf(a, "%.*s already exists", STR_ARG(what));
    case ERR_CONFLICT:
        return str_printf(a, "Operation cannot be fulfilled on %.*s: %.*s", STR_ARG(what),
                          STR_ARG(why));
    case ERR_FORBIDDEN:
        if (str_empty(name))
            what = resource_qualified(res, a);
        return str_printf(a, "%.*s is forbidden: %.*s", STR_ARG(what), STR_ARG(why));
    case ERR_NOT_ALLOWED:
        return str_printf(a, "%.*s is not supported on resources of kind \"%.*s\"", STR_ARG(why),
                          STR_ARG(resource_qualified(res, a)));
    default:
        return why;
    }
}

static void name_object(struct meta_status_details *d, const struct resource *res, struct str name)
{
    d->name = name;
    d->group = str_from(res->group);
    d->kind = str_from(res->plural);
}

enum stage_result request_fail_object(struct request *rq, int code, const struct resource *res,
                                      struct str name, const char *why, ...)
{
    struct str text = STR_NULL;
    struct meta_status st;
    va_list args;

    if (why) {
        va_start(args, why);
        text = vtext(rq, why, args);
        va_end(args);
    }
    st = failure(code, object_message(rq, code, res, name, text));
    name_object(add_details(rq, &st), res, code == ERR_NOT_ALLOWED ? STR_NULL : name);
    return status_send(rq, code, &st);
}

enum stage_result status_fail_generated(struct request *rq, struct str name)
{
    struct str what = quoted(rq, rq->res, name);
    struct meta_status st =
        failure(ERR_EXISTS, str_printf(rq->arena,
                                       "%.*s already exists, the server was not able to generate "
                                       "a unique name for the object",
                                       STR_ARG(what)));
    struct meta_status_details *d = add_details(rq, &st);

    name_object(d, rq->res, name);
    d->retry_after_seconds = ERROR_RETRY_SEC;
    return status_send(rq, ERR_EXISTS, &st);
}

enum stage_result status_fail_plain(struct request *rq, int http, const char *text)
{
    struct meta_status st = {
        .status = STR("Failure"), .message = str_dup(rq->arena, str_from(text)), .code = http};

    return status_send(rq, err_from_http(http, NULL), &st);
}

enum stage_result status_fail_unrouted(struct request *rq, int http)
{
    bool missing = http == 404;
    int code = missing ? ERR_NOT_FOUND : ERR_NOT_ALLOWED;
    struct meta_status st =
        failure(code, missing ? STR("the server could not find the requested resource")
                              : STR("the server does not allow this method on the requested "
                                    "resource"));

    add_details(rq, &st);
    return status_send(rq, code, &st);
}

enum stage_result request_fail_invalid(struct request *rq, const char *group, const char *kind,
                                       struct str name, const struct field_errors *errs)
{
    struct meta_status st = failure(ERR_INVALID, STR_NULL);
    struct meta_status_details *d = add_details(rq, &st);
    struct str text = field_errors_message(errs);
    auto_buf b = {0};

    assert(errs->n > 0);
    buf_puts(&b, kind);
    if (group[0])
        buf_printf(&b, ".%s", group);
    buf_putc(&b, ' ');
    json_go_quote(&b, name);
    buf_puts(&b, " is invalid: ");
    buf_str(&b, text);
    st.message = str_dup(rq->arena, buf_view(&b));
    d->name = name;
    d->group = str_from(group);
    d->kind = str_from(kind);
    d->causes.v = arena_calloc(rq->arena, errs->n, sizeof(*d->causes.v));
    d->causes.n = errs->n;
    for (size_t i = 0; i < errs->n; i++) {
        const struct field_error *e = &errs->v[i];

        d->causes.v[i] = (struct meta_status_cause){
            .reason = str_from(field_error_reason(e->type)), .message = e->body, .field = e->field};
    }
    return status_send(rq, ERR_INVALID, &st);
}

enum stage_result request_answer_object(struct request *rq, int status, struct object *o)
{
    return respond_object(rq, status, o);
}

enum stage_result request_answer_typed(struct request *rq, int status, const struct type *type,
                                       const void *obj)
{
    return respond_typed(rq, status, type, obj);
}

enum stage_result request_answer_deleted(struct request *rq, const struct object *o)
{
    struct meta_status st = {.status = STR("Success")};
    struct meta_status_details *d = add_details(rq, &st);

    name_object(d, rq->res, o->name);
    d->uid = o->uid;
    return status_send(rq, 0, &st);
}

enum stage_result request_answer_bytes(struct request *rq, int status, const char *type,
                                       struct str body)
{
    return respond_bytes(rq, status, type, body);
}
