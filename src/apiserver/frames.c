/* frames.c - the bytes around committed objects. */
#include "apiserver/frames.h"
#include "apiserver/table.h"
#include "codec/pb.h"
#include "codec/yaml.h"
#include "schema/typed.h"

#define META_API_VERSION "meta.k8s.io/v1"
#define PARTIAL_HEAD                                                                      \
    "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"" META_API_VERSION "\",\"metadata\":"

/* ---- pieces ---- */

void pieces_add(struct pieces *p, struct str s)
{
    if (s.len == 0)
        return;
    assert(p->n < PIECES_MAX);
    p->v[p->n++] = s;
}

size_t pieces_copy(struct pieces *p, char *to, size_t cap)
{
    size_t done = 0;

    while (p->at < p->n && done < cap) {
        struct str *s = &p->v[p->at];
        size_t n = MIN(s->len, cap - done);

        memcpy(to + done, s->p, n);
        done += n;
        *s = (struct str){s->p + n, s->len - n};
        p->at += s->len == 0;
    }
    if (p->at == p->n)
        p->at = p->n = 0;
    return done;
}

size_t pieces_len(const struct pieces *p)
{
    size_t len = 0;

    for (unsigned i = p->at; i < p->n; i++)
        len += p->v[i].len;
    return len;
}

void pieces_drain(struct pieces *p, struct buf *out)
{
    for (; p->at < p->n; p->at++)
        buf_str(out, p->v[p->at]);
    p->at = p->n = 0;
}

/* ---- what is shown ---- */

void view_init(struct view *v, struct request *rq)
{
    const struct resource *res = rq->res;

    *v = (struct view){.res = res, .media = rq->out_media, .form = rq->as_form};
    v->include = rq->table_include;
    v->now_sec = loop_wall_ns(rq->loop) / 1000000000;
    v->api_version = resource_api_version(res, rq->arena);
    v->head = str_printf(rq->arena, "{\"kind\":\"%s\",\"apiVersion\":\"%.*s\",", res->kind,
                         STR_ARG(v->api_version));
    v->items_typed = res->index >= api_n_resources || api_resources[res->index] != res;
}

struct object *object_as(struct object *o, const struct resource *res)
{
    auto_arena a = {0};
    struct object *other;
    void *typed;
    int r;

    if (o->res == res)
        return object_ref(o);
    if (res->from_storage) {
        typed = arena_alloc(&a, res->type->size);
        res->from_storage(object_typed_in(o, &a), typed, &a);
    } else { /* the versions differ in nothing but their name */
        r = typed_from_json(res->type, o->json, &a, &typed, NULL);
        assert(r == 0);
        (void)r;
    }
    other = object_new(res, typed);
    object_publish(other, o->revision, o->create_revision, o->version);
    return other;
}

const char *view_content_type(const struct view *v, bool watch)
{
    switch (v->media) {
    case MEDIA_YAML:
        return "application/yaml";
    case MEDIA_PROTOBUF:
        return watch ? "application/vnd.kubernetes.protobuf;stream=watch"
                     : "application/vnd.kubernetes.protobuf";
    case MEDIA_JSON:
        break;
    }
    return "application/json";
}

/* The index of the quote that ends the string whose opening quote is at @at. */
static size_t closing_quote(struct str s, size_t at)
{
    for (;;) {
        const char *q = memchr(s.p + at + 1, '"', s.len - at - 1);
        size_t end, slashes = 0;

        assert(q); /* records are valid JSON */
        end = (size_t)(q - s.p);
        while (s.p[end - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return end;
        at = end;
    }
}

/* The index behind the JSON value that starts at @at. */
static size_t value_end(struct str s, size_t at)
{
    size_t depth = 0;

    for (; at < s.len; at++) {
        char c = s.p[at];

        if (c == '"') {
            at = closing_quote(s, at);
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            depth--;
        } else if (c == ',' && depth == 0) {
            return at;
        }
    }
    return at;
}

static size_t past_space(struct str s, size_t at)
{
    while (at < s.len && (s.p[at] == ' ' || s.p[at] == '\n' || s.p[at] == '\t' || s.p[at] == '\r'))
        at++;
    return at;
}

struct str json_member(struct str json, const char *name)
{
    size_t at = past_space(json, past_space(json, 0) + 1), len = strlen(name), end;

    while (at < json.len && json.p[at] == '"') {
        bool same = json.len - at > len + 1 && memcmp(json.p + at + 1, name, len) == 0 &&
                    json.p[at + 1 + len] == '"';

        at = closing_quote(json, at);
        at = past_space(json, past_space(json, at + 1) + 1);
        end = value_end(json, at);
        if (same)
            return str_trim(str_sub(json, at, end - at));
        at = past_space(json, end + 1);
    }
    return STR_NULL;
}

/* The JSON of one object in its form, but for Tables. */
static void json_pieces(struct view *v, struct object *o, struct pieces *out)
{
    if (v->form == AS_PARTIAL) {
        pieces_add(out, STR(PARTIAL_HEAD));
        pieces_add(out, json_member(o->json, "metadata"));
        pieces_add(out, STR("}"));
        return;
    }
    pieces_add(out, v->head);
    pieces_add(out, str_sub(o->json, 1, o->json.len));
}

static void write_pb_meta(const struct object *o, struct buf *out)
{
    auto_arena a = {0};
    const char *typed = object_typed_in(o, &a);
    size_t mark = pb_begin(out, 1);

    typed_write_pb(&type_meta_object_meta, typed + o->res->type->metadata_offset, out);
    pb_end(out, mark);
}

/* An enveloped object. Tables have no protobuf form; negotiation does not offer it. */
static void write_pb(struct view *v, struct object *o, struct buf *out)
{
    auto_buf raw = {0};

    if (v->form != AS_PARTIAL) {
        pb_envelope_write(out, v->api_version, str_from(v->res->kind), object_pb(o));
        return;
    }
    write_pb_meta(o, &raw);
    pb_envelope_write(out, STR(META_API_VERSION), STR("PartialObjectMetadata"), buf_view(&raw));
}

void view_object(struct view *v, struct object *o, struct buf *scratch, struct pieces *out)
{
    buf_reset(scratch);
    if (v->media == MEDIA_PROTOBUF) {
        write_pb(v, o, scratch);
        pieces_add(out, buf_view(scratch));
        return;
    }
    if (v->form == AS_TABLE) {
        table_single(v, o, true, scratch);
        pieces_add(out, buf_view(scratch));
    } else {
        json_pieces(v, o, out);
    }
    pieces_add(out, STR("\n"));
}

static void pb_item_pieces(struct view *v, struct object *o, struct buf *scratch,
                           struct pieces *out)
{
    size_t item;

    if (v->form == AS_PARTIAL) {
        item = pb_begin(scratch, 2);
        write_pb_meta(o, scratch);
        pb_end(scratch, item);
        pieces_add(out, buf_view(scratch));
        return;
    }
    pb_put_varint(scratch, 2 << 3 | PB_BYTES);
    pb_put_varint(scratch, object_pb(o).len);
    pieces_add(out, buf_view(scratch));
    pieces_add(out, object_pb(o));
}

void view_item(struct view *v, struct object *o, struct buf *scratch, struct pieces *out)
{
    buf_reset(scratch);
    if (v->media == MEDIA_PROTOBUF) {
        pb_item_pieces(v, o, scratch, out);
        return;
    }
    if (v->form == AS_TABLE) {
        table_row(v, o, scratch);
        pieces_add(out, buf_view(scratch));
    } else if (v->form == AS_PARTIAL || v->items_typed) {
        json_pieces(v, o, out);
    } else {
        pieces_add(out, o->json);
    }
}

size_t view_pb_item_len(struct view *v, struct object *o)
{
    auto_buf scratch = {0};
    struct pieces p = {0};

    view_item(v, o, &scratch, &p);
    return pieces_len(&p);
}

/* ---- watch ---- */

void frame_pb_event(const char *type, struct str raw, struct buf *out)
{
    auto_buf event = {0};
    size_t mark;

    pb_put_bytes(&event, 1, str_from(type));
    mark = pb_begin(&event, 2);
    pb_put_bytes(&event, 1, raw);
    pb_end(&event, mark);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_putc(out, (char)(event.len >> shift & 0xff));
    buf_str(out, buf_view(&event));
}

static void json_event_head(const char *type, struct pieces *out)
{
    static const struct {
        const char *type;
        struct str head;
    } heads[] = {
        {"ADDED", STR_INIT("{\"type\":\"ADDED\",\"object\":")},
        {"MODIFIED", STR_INIT("{\"type\":\"MODIFIED\",\"object\":")},
        {"DELETED", STR_INIT("{\"type\":\"DELETED\",\"object\":")},
        {"BOOKMARK", STR_INIT("{\"type\":\"BOOKMARK\",\"object\":")},
        {"ERROR", STR_INIT("{\"type\":\"ERROR\",\"object\":")},
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        if (strcmp(heads[i].type, type) == 0)
            pieces_add(out, heads[i].head);
}

void view_event(struct view *v, const char *type, struct object *o, struct buf *scratch,
                struct pieces *out)
{
    buf_reset(scratch);
    if (v->media == MEDIA_PROTOBUF) {
        auto_buf raw = {0};

        write_pb(v, o, &raw);
        frame_pb_event(type, buf_view(&raw), scratch);
        pieces_add(out, buf_view(scratch));
        return;
    }
    json_event_head(type, out);
    if (v->form == AS_TABLE) {
        table_single(v, o, !v->columns_sent, scratch);
        v->columns_sent = true;
        pieces_add(out, buf_view(scratch));
    } else {
        json_pieces(v, o, out);
    }
    pieces_add(out, STR("}\n"));
}

void view_error(struct view *v, int code, const char *text, struct buf *scratch,
                struct pieces *out)
{
    struct meta_status st = {
        .kind = STR("Status"), .api_version = STR("v1"), .status = STR("Failure"),
        .message = str_from(text), .reason = str_from(err_reason(code)),
        .code = err_http_status(code),
    };

    buf_reset(scratch);
    if (v->media == MEDIA_PROTOBUF) {
        auto_buf raw = {0}, object = {0};

        typed_write_pb(&type_meta_status, &st, &raw);
        pb_envelope_write(&object, st.api_version, st.kind, buf_view(&raw));
        frame_pb_event("ERROR", buf_view(&object), scratch);
        pieces_add(out, buf_view(scratch));
        return;
    }
    typed_write_json(&type_meta_status, &st, scratch);
    json_event_head("ERROR", out);
    pieces_add(out, buf_view(scratch));
    pieces_add(out, STR("}\n"));
}

/* ---- lists ---- */

static void fill_meta(struct meta_list_meta *lm, const struct list_meta *m, char *text,
                      size_t text_size, int64_t *remaining)
{
    int n = snprintf(text, text_size, "%lld", (long long)m->revision);

    if (m->revision > 0) /* what was computed has none */
        lm->resource_version = (struct str){text, (size_t)n};
    lm->continue_ = m->next;
    *remaining = m->remaining;
    if (m->remaining >= 0)
        lm->remaining_item_count = remaining;
}

void view_list_head(struct view *v, const struct list_meta *m, struct buf *out)
{
    struct meta_list_meta lm = {0};
    int64_t remaining;
    char text[24];

    if (v->form == AS_TABLE) {
        table_head(v, m, true, out);
        return;
    }
    fill_meta(&lm, m, text, sizeof(text), &remaining);
    if (v->form == AS_PARTIAL)
        buf_puts(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"" META_API_VERSION
                      "\",\"metadata\":");
    else
        buf_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%.*s\",\"metadata\":", v->res->kind,
                   STR_ARG(v->api_version));
    typed_write_json(&type_meta_list_meta, &lm, out);
    buf_puts(out, ",\"items\":[");
}

void view_list_tail(struct view *v, struct buf *out)
{
    if (v->form == AS_TABLE)
        table_tail(out);
    else
        buf_puts(out, "]}");
    buf_putc(out, '\n');
}

/* runtime.Unknown ends with two empty strings: contentEncoding and contentType. */
struct str view_pb_tail(void)
{
    return STR("\x1a\0\x22\0");
}

void view_pb_head(struct view *v, const struct list_meta *m, size_t items_len, struct buf *out)
{
    struct meta_list_meta lm = {0};
    auto_buf raw = {0}, kind = {0};
    bool partial = v->form == AS_PARTIAL;
    int64_t remaining;
    char text[24];
    size_t mark;

    fill_meta(&lm, m, text, sizeof(text), &remaining);
    mark = pb_begin(&raw, 1);
    typed_write_pb(&type_meta_list_meta, &lm, &raw);
    pb_end(&raw, mark);
    buf_printf(&kind, "%sList", partial ? "PartialObjectMetadata" : v->res->kind);
    buf_append(out, "k8s\0", 4);
    mark = pb_begin(out, 1);
    pb_put_bytes(out, 1, partial ? STR(META_API_VERSION) : v->api_version);
    pb_put_bytes(out, 2, buf_view(&kind));
    pb_end(out, mark);
    pb_put_varint(out, 2 << 3 | PB_BYTES);
    pb_put_varint(out, raw.len + items_len);
    buf_str(out, buf_view(&raw));
}

void frame_yaml(struct str text, struct buf *out)
{
    auto_arena a = {0};
    struct doc doc;
    int r = json_parse(text, &a, &doc, NULL, NULL);

    assert(r == 0); /* we wrote it */
    (void)r;
    yaml_write(out, &doc);
}
