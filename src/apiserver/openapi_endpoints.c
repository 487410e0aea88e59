/* openapi_endpoints.c - /openapi/v2, /openapi/v3 and the documents below it.
 *
 * A document of version 3 is found by its content: the index names each with its hash, and a URL
 * with the right hash may be kept for ever.
 */
#include "apiserver/documents.h"
#include "apiserver/respond.h"
#include "schema/openapi.h"

#define V2_PB "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#define V3_ROOT "/openapi/v3"

static struct openapi_source source(void)
{
    return (struct openapi_source){api_resources, api_n_resources, api_find_type};
}

/* ---- making; on the worker pool ---- */

static bool make_v2(struct apiserver *as, struct str key, struct buf *out)
{
    struct openapi_source src = source();

    (void)as;
    if (str_eqz(key, "v2.pb"))
        openapi_v2_pb(&src, out);
    else
        openapi_v2(&src, out);
    return true;
}

static bool make_v3(struct apiserver *as, struct str key, struct buf *out)
{
    struct openapi_source src = source();

    (void)as;
    return openapi_v3(&src, str_sub(key, strlen("v3/"), key.len), out);
}

/* Each document is made once to know its hash; only the hashes stay. */
static bool make_v3_index(struct apiserver *as, struct str key, struct buf *out)
{
    struct openapi_source src = source();
    auto_arena a = {0};
    struct string_list keys = openapi_v3_keys(&src, &a);

    (void)as;
    (void)key;
    buf_puts(out, "{\"paths\":{");
    for (size_t i = 0; i < keys.n; i++) {
        auto_buf body = {0};
        struct str etag;

        if (!openapi_v3(&src, keys.v[i], &body))
            continue;
        etag = document_etag(buf_view(&body), &a);
        if (i)
            buf_putc(out, ',');
        json_write_string(out, keys.v[i]);
        buf_printf(out, ":{\"serverRelativeURL\":\"" V3_ROOT "/%.*s?hash=%.*s\"}",
                   STR_ARG(keys.v[i]), STR_ARG(str_sub(etag, 1, etag.len - 2)));
    }
    buf_puts(out, "}}");
    return true;
}

/* ---- answering ---- */

static enum stage_result answer(struct request *rq, struct document *d, const char *type)
{
    struct str etag = str_from(d->etag);
    enum stage_result r = STAGE_DONE;

    vec_push(&rq->headers, ((struct http_header){STR("ETag"), str_dup(rq->arena, etag)}));
    vec_push(&rq->headers, ((struct http_header){STR("Vary"), STR("Accept")}));
    if (document_unchanged(rq, etag))
        request_send(rq, 304, NULL, STR_NULL);
    else
        r = respond_bytes(rq, 200, type, buf_view(&d->body));
    (void)document_unref(d);
    return r;
}

static enum stage_result not_found(struct request *rq)
{
    vec_push(&rq->headers, ((struct http_header){STR("X-Content-Type-Options"), STR("nosniff")}));
    return request_answer_bytes(rq, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
}

/* What Accept says: -1 nothing that is offered, 0 JSON, 1 @protobuf (a part of its name). */
static int negotiate(const struct request *rq, const char *protobuf)
{
    struct str rest = http_header_find(rq->head, "accept");

    if (str_empty(str_trim(rest)))
        return 0;
    while (rest.len) {
        struct str params, clause = str_cut(rest, ',', &rest);
        struct str type = str_trim(str_cut(clause, ';', &params));

        if (str_eqz(type, "*/*") || str_eqz(type, "application/*") ||
            str_ieq(type, STR("application/json")))
            return 0;
        if (protobuf && str_find(type, str_from(protobuf)) >= 0)
            return 1;
    }
    return -1;
}

static enum stage_result not_acceptable(struct request *rq)
{
    return request_answer_bytes(rq, 406, "text/plain; charset=utf-8", STR("Not Acceptable\n"));
}

static struct document *take_made(struct request *rq)
{
    struct document **at = rq->state;
    struct document *d = *at;

    *at = NULL;
    return d;
}

static enum stage_result v2_made(struct request *rq)
{
    return answer(rq, take_made(rq), "application/json");
}

static enum stage_result v2_pb_made(struct request *rq)
{
    return answer(rq, take_made(rq), V2_PB);
}

enum stage_result stage_openapi_v2(struct request *rq)
{
    int form = negotiate(rq, "com.github.proto-openapi.spec.v2");
    struct str key = form == 1 ? STR("v2.pb") : STR("v2");
    struct document *d;

    if (form < 0)
        return not_acceptable(rq);
    d = document_find(rq->as, key);
    if (d)
        return answer(rq, d, form == 1 ? V2_PB : "application/json");
    return document_make(rq, key, make_v2, form == 1 ? v2_pb_made : v2_made);
}

static enum stage_result v3_index_made(struct request *rq)
{
    return answer(rq, take_made(rq), "application/json");
}

/* @d is of the path that was asked for. */
static enum stage_result answer_v3(struct request *rq, struct document *d)
{
    struct str hash = request_param(rq, "hash"), etag = str_from(d->etag);
    struct str want = str_dup(rq->arena, str_sub(etag, 1, etag.len - 2));

    if (!hash.len)
        return answer(rq, d, "application/json");
    if (!str_eq(hash, want)) {
        (void)document_unref(d);
        vec_push(&rq->headers,
                 ((struct http_header){STR("Location"), str_printf(rq->arena, "%.*s?hash=%.*s",
                                                                   STR_ARG(rq->path),
                                                                   STR_ARG(want))}));
        request_send(rq, 301, NULL, STR_NULL);
        return STAGE_DONE;
    }
    vec_push(&rq->headers, ((struct http_header){STR("Cache-Control"), STR("public, immutable")}));
    return answer(rq, d, "application/json");
}

static enum stage_result v3_made(struct request *rq)
{
    struct document *d = take_made(rq);

    return d ? answer_v3(rq, d) : not_found(rq);
}

enum stage_result stage_openapi_v3(struct request *rq)
{
    struct str rest = str_sub(rq->path, strlen(V3_ROOT), rq->path.len), key;
    bool index = rest.len <= 1;
    struct document *d;

    if (negotiate(rq, NULL) < 0)
        return not_acceptable(rq);
    key = index ? STR("v3") : str_printf(rq->arena, "v3%.*s", STR_ARG(rest));
    d = document_find(rq->as, key);
    if (index)
        return d ? answer(rq, d, "application/json")
                 : document_make(rq, key, make_v3_index, v3_index_made);
    return d ? answer_v3(rq, d) : document_make(rq, key, make_v3, v3_made);
}
