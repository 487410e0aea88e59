/* respond.c - answers of one object, one struct, a Status, or plain bytes. */
#include "apiserver/respond.h"
#include "apiserver/filters.h"
#include "apiserver/frames.h"
#include "apiserver/inproc_internal.h"
#include "apiserver/table.h"
#include "schema/typed.h"

/* ---- a body in pieces: the record's own bytes go out without another copy ---- */

struct piece_source {
    struct pieces pieces;
    struct buf scratch;
    struct object *object; /* a reference: the pieces are views into it */
};

static long piece_read(void *arg, char *p, size_t cap)
{
    struct piece_source *s = arg;

    return (long)pieces_copy(&s->pieces, p, cap);
}

static void piece_close(void *arg)
{
    struct piece_source *s = arg;

    buf_deinit(&s->scratch);
    (void)object_unref(s->object);
    free(s);
}

static enum stage_result send_encoded(struct request *rq, int status, const char *type,
                                      int64_t length, bool compress, struct http_source src)
{
    static const struct http_header gzip = {STR_INIT("Content-Encoding"), STR_INIT("gzip")};
    static const struct http_header vary = {STR_INIT("Vary"), STR_INIT("Accept-Encoding")};

    if (compress) {
        src = filter_gzip(src);
        length = -1;
        vec_push(&rq->headers, gzip);
        vec_push(&rq->headers, vary);
    }
    request_send_source(rq, status, type, length, src);
    return STAGE_DONE;
}

/* Sends @src, which gives @length bytes of JSON or what else is asked for, indented at need. */
static enum stage_result send_source(struct request *rq, int status, const char *type,
                                     int64_t length, struct http_source src)
{
    bool compress = length > GZIP_MIN_BYTES && negotiate_gzip(rq);

    if (rq->pretty && rq->out_media == MEDIA_JSON) {
        src = filter_indent(src);
        length = -1;
    }
    return send_encoded(rq, status, type, length, compress, src);
}

static enum stage_result send_yaml(struct request *rq, int status, struct str json)
{
    struct buf yaml = {0};
    int64_t length;

    frame_yaml(json, &yaml);
    length = (int64_t)yaml.len;
    return send_source(rq, status, "application/yaml", length, source_of_buf(&yaml));
}

/* Sends @o, an object of @v->res; takes over the reference. */
static enum stage_result send_object(struct request *rq, int status, struct view *v,
                                     struct object *o)
{
    struct piece_source *s = xnew(struct piece_source);
    enum stage_result r;
    auto_buf json = {0};

    s->object = o;
    view_object(v, o, &s->scratch, &s->pieces);
    if (v->media == MEDIA_YAML) {
        pieces_drain(&s->pieces, &json);
        r = send_yaml(rq, status, buf_view(&json));
        piece_close(s);
        return r;
    }
    return send_source(rq, status, view_content_type(v, false), (int64_t)pieces_len(&s->pieces),
                       (struct http_source){piece_read, piece_close, s});
}

enum stage_result respond_object(struct request *rq, int status, struct object *o)
{
    struct view v;

    if (rq->inproc) {
        inproc_answer_object(rq, status, object_as(o, rq->res));
        return STAGE_DONE;
    }
    view_init(&v, rq);
    return send_object(rq, status, &v, object_as(o, rq->res));
}

/* ---- structs ---- */

static void set_default(const struct type *type, void *obj, const char *name, struct str value)
{
    const struct field *f = type_field(type, str_from(name));
    struct str *s = f && f->flags & FIELD_TYPE_META ? field_ptr(f, obj) : NULL;

    if (s && s->len == 0)
        *s = value;
}

/* "v1", "apps/v1"; the types that all groups share are "v1" but for the transformed forms. */
static struct str type_api_version(const struct type *type, struct arena *a)
{
    bool shared = strcmp(type->group, "meta.k8s.io") == 0;

    if (shared && strncmp(type->name, "Table", 5) != 0 &&
        strncmp(type->name, "PartialObjectMetadata", 21) != 0)
        return str_from(type->version);
    if (!type->group[0])
        return str_from(type->version);
    return str_printf(a, "%s/%s", type->group, type->version);
}

static struct str type_meta_of(const struct type *type, const void *obj, const char *name)
{
    const struct field *f = type_field(type, str_from(name));

    return f && f->flags & FIELD_TYPE_META ? *(struct str *)field_ptr(f, obj) : STR_NULL;
}

/* An object that was not stored, as a record of its own, to be shown like one. */
static struct object *object_of_struct(const struct resource *res, const void *obj)
{
    const struct meta_object_meta *meta =
        (const void *)((const char *)obj + res->type->metadata_offset);
    struct object *o = object_new(res, obj);
    int64_t revision;

    if (str_to_i64(meta->resource_version, &revision) && revision > 0)
        object_publish(o, revision, 0, 0);
    return o;
}

enum stage_result respond_typed(struct request *rq, int status, const struct type *type,
                                const void *obj)
{
    void *copy = arena_alloc(rq->arena, type->size);
    struct buf out = {0};
    struct view v;
    int64_t length;

    if (!rq->inproc && rq->as_form != AS_OBJECT && rq->res && type == rq->res->type &&
        type->metadata_offset >= 0) {
        view_init(&v, rq);
        return send_object(rq, status, &v, object_of_struct(rq->res, obj));
    }
    memcpy(copy, obj, type->size);
    set_default(type, copy, "kind", str_from(type->name));
    if (type != &type_meta_api_versions) /* which shows none upstream */
        set_default(type, copy, "apiVersion", type_api_version(type, rq->arena));
    if (!rq->inproc && rq->out_media == MEDIA_PROTOBUF) {
        auto_buf raw = {0};

        typed_write_pb(type, copy, &raw);
        pb_envelope_write(&out, type_meta_of(type, copy, "apiVersion"),
                          type_meta_of(type, copy, "kind"), buf_view(&raw));
        length = (int64_t)out.len;
        return send_source(rq, status, "application/vnd.kubernetes.protobuf", length,
                           source_of_buf(&out));
    }
    typed_write_json(type, copy, &out);
    if (rq->inproc) {
        inproc_answer_json(rq, status, buf_view(&out));
        buf_deinit(&out);
        return STAGE_DONE;
    }
    if (rq->out_media == MEDIA_YAML) {
        enum stage_result r = send_yaml(rq, status, buf_view(&out));

        buf_deinit(&out);
        return r;
    }
    buf_putc(&out, '\n');
    length = (int64_t)out.len;
    return send_source(rq, status, "application/json", length, source_of_buf(&out));
}

enum stage_result respond_status(struct request *rq, int code, const struct meta_status *st)
{
    int status = st->code ? st->code : code ? err_http_status(code) : 200;

    if (rq->inproc) {
        inproc_answer_status(rq, status, code, st);
        return STAGE_DONE;
    }
    rq->as_form = AS_OBJECT;
    return respond_typed(rq, status, &type_meta_status, st);
}

enum stage_result respond_bytes(struct request *rq, int status, const char *type, struct str body)
{
    struct buf copy = {0};
    static const struct http_header gzip = {STR_INIT("Content-Encoding"), STR_INIT("gzip")};

    if (rq->inproc) {
        inproc_answer_json(rq, status, body);
        return STAGE_DONE;
    }
    if (body.len > GZIP_MIN_BYTES && negotiate_gzip(rq)) {
        buf_str(&copy, body);
        vec_push(&rq->headers, gzip);
        request_send_source(rq, status, type, -1, filter_gzip(source_of_buf(&copy)));
        return STAGE_DONE;
    }
    request_send(rq, status, type, body);
    return STAGE_DONE;
}

/* ---- bodies of unknown length ---- */

struct joined { /* bytes read ahead, then the rest of where they came from */
    struct buf head;
    size_t at;
    struct http_source rest;
};

static long joined_read(void *arg, char *p, size_t cap)
{
    struct joined *j = arg;
    size_t n = MIN(cap, j->head.len - j->at);

    if (n == 0)
        return j->rest.read(j->rest.arg, p, cap);
    memcpy(p, j->head.p + j->at, n);
    j->at += n;
    if (j->at == j->head.len) {
        buf_deinit(&j->head);
        j->at = 0;
    }
    return (long)n;
}

static void joined_close(void *arg)
{
    struct joined *j = arg;

    if (j->rest.close)
        j->rest.close(j->rest.arg);
    buf_deinit(&j->head);
    free(j);
}

enum stage_result respond_stream(struct request *rq, const char *type, struct http_source src)
{
    struct joined *j = xnew(struct joined);
    enum { STEP = 16 * 1024 };
    long n = 1;

    j->rest = src;
    while (n > 0 && j->head.len <= GZIP_MIN_BYTES) {
        n = src.read(src.arg, buf_reserve(&j->head, STEP), STEP);
        j->head.len += n > 0 ? (size_t)n : 0;
    }
    if (n > 0 || n == HTTP_READ_WAIT)
        return send_encoded(rq, 200, type, -1, negotiate_gzip(rq),
                            (struct http_source){joined_read, joined_close, j});
    if (n == HTTP_READ_ERROR)
        return send_encoded(rq, 200, type, -1, false,
                            (struct http_source){joined_read, joined_close, j});
    return send_encoded(rq, 200, type, (int64_t)j->head.len, false,
                        (struct http_source){joined_read, joined_close, j});
}
