/* typed_pb.c - C structs to protobuf, byte for byte as upstream's generated code writes them.
 *
 * That code is proto2 without presence for plain members: they are written also when zero. Fields
 * go by number; members that upstream holds in an embedded message lie in a message of their own
 * (inline_number, inline_number2), which is always there. Maps go by key.
 */
#include "codec/pb.h"
#include "schema/typed_internal.h"

static void put_message(struct buf *out, uint32_t number, const struct type *type, const void *obj)
{
    size_t mark = pb_begin(out, number);

    typed_write_pb(type, obj, out);
    pb_end(out, mark);
}

static void put_quantity(struct buf *out, uint32_t number, struct quantity q)
{
    auto_buf text = {0};
    size_t mark = pb_begin(out, number);

    quantity_write(&text, q);
    pb_put_bytes(out, 1, buf_view(&text));
    pb_end(out, mark);
}

static void put_int_or_string(struct buf *out, uint32_t number, const struct int_or_string *v)
{
    size_t mark = pb_begin(out, number);

    pb_put_uint(out, 1, v->kind == INT_OR_STRING_STRING);
    pb_put_uint(out, 2, (uint64_t)(int64_t)v->i);
    pb_put_bytes(out, 3, v->s);
    pb_end(out, mark);
}

static void put_time(struct buf *out, uint32_t number, const struct time_value *t)
{
    size_t mark = pb_begin(out, number);

    if (t->set) {
        pb_put_uint(out, 1, (uint64_t)t->sec);
        pb_put_uint(out, 2, (uint64_t)t->nsec);
    }
    pb_end(out, mark);
}

static void put_duration(struct buf *out, uint32_t number, int64_t ns)
{
    size_t mark = pb_begin(out, number);

    pb_put_uint(out, 1, (uint64_t)ns);
    pb_end(out, mark);
}

static void put_schema(struct buf *out, uint32_t number, const struct type *type,
                       const struct doc *doc)
{
    auto_arena a = {0};
    void *props = arena_alloc(&a, type->size);
    size_t mark = pb_begin(out, number);

    /* It was brought into form when it was decoded. */
    if (typed_from_own_doc(type, doc, &a, props) == 0)
        typed_write_pb(type, props, out);
    pb_end(out, mark);
}

static void put_raw_members(struct buf *out, const struct field *f, const struct doc *doc)
{
    auto_buf json = {0};

    switch ((enum raw_form)f->raw_form) {
    case RAW_EMPTY:
        return;
    case RAW_JSON:
        json_write(&json, doc);
        pb_put_bytes(out, 1, buf_view(&json));
        return;
    case RAW_SCHEMA_OR_BOOL:
        pb_put_uint(out, 1, doc->kind != DOC_BOOL || doc->b);
        if (doc->kind == DOC_OBJECT)
            put_schema(out, 2, f->type, doc);
        return;
    case RAW_SCHEMA_OR_ARRAY:
    case RAW_SCHEMA_OR_STRINGS:
        if (doc->kind == DOC_OBJECT)
            put_schema(out, 1, f->type, doc);
        for (uint32_t i = 0; doc->kind == DOC_ARRAY && i < doc->n; i++) {
            if (f->raw_form == RAW_SCHEMA_OR_ARRAY)
                put_schema(out, 2, f->type, &doc->items[i]);
            else
                pb_put_bytes(out, 2, doc->items[i].s);
        }
        return;
    }
}

static void put_raw(struct buf *out, uint32_t number, const struct field *f, const struct doc *doc)
{
    size_t mark = pb_begin(out, number);

    if (doc)
        put_raw_members(out, f, doc);
    pb_end(out, mark);
}

static void put_value(struct buf *out, uint32_t number, const struct field *f, const void *p)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        pb_put_bytes(out, number, *(const struct str *)p);
        return;
    case FIELD_BOOL:
        pb_put_uint(out, number, *(const bool *)p);
        return;
    case FIELD_INT32:
        pb_put_uint(out, number, (uint64_t)(int64_t) * (const int32_t *)p);
        return;
    case FIELD_INT64:
    case FIELD_UINT64:
        pb_put_uint(out, number, *(const uint64_t *)p);
        return;
    case FIELD_DOUBLE:
        pb_put_double(out, number, *(const double *)p);
        return;
    case FIELD_QUANTITY:
        put_quantity(out, number, *(const struct quantity *)p);
        return;
    case FIELD_INT_OR_STRING:
        put_int_or_string(out, number, p);
        return;
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        put_time(out, number, p);
        return;
    case FIELD_DURATION:
        put_duration(out, number, *(const int64_t *)p);
        return;
    case FIELD_RAW:
        put_raw(out, number, f, *(const struct doc *const *)p);
        return;
    case FIELD_MESSAGE:
        put_message(out, number, f->type, p);
        return;
    }
}

static void put_list(struct buf *out, uint32_t number, const struct field *f,
                     const struct any_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        put_value(out, number, f, list_elem(f, list->v, i));
}

static void put_map(struct buf *out, const struct field *f, const struct any_list *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const void *value = map_value(f, map->v, i);
        size_t mark = pb_begin(out, f->number), inner;

        pb_put_bytes(out, 1, map_key(f, map->v, i));
        if (f->card == CARD_MAP_LIST) {
            inner = pb_begin(out, 2);
            put_list(out, 1, f, value);
            pb_end(out, inner);
        } else if (f->kind != FIELD_BYTES || ((const struct str *)value)->p) {
            put_value(out, 2, f, value);
        }
        pb_end(out, mark);
    }
}

/* Whether upstream's member is nil: only then it writes nothing. */
static bool absent(const struct field *f, const void *p)
{
    if (f->kind == FIELD_BYTES)
        return ((const struct str *)p)->p == NULL;
    if (!(f->flags & FIELD_NULLABLE))
        return false;
    switch (f->kind) {
    case FIELD_QUANTITY:
        return !((const struct quantity *)p)->set;
    case FIELD_INT_OR_STRING:
        return ((const struct int_or_string *)p)->kind == INT_OR_STRING_ABSENT;
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        return !((const struct time_value *)p)->set;
    case FIELD_RAW:
        return *(struct doc *const *)p == NULL;
    default:
        return false;
    }
}

static void put_field(struct buf *out, const struct field *f, const void *p)
{
    switch ((enum field_card)f->card) {
    case CARD_ONE:
        if (!absent(f, p))
            put_value(out, f->number, f, p);
        return;
    case CARD_PTR:
        if (*(void *const *)p)
            put_value(out, f->number, f, *(void *const *)p);
        return;
    case CARD_LIST:
        put_list(out, f->number, f, p);
        return;
    case CARD_MAP:
    case CARD_MAP_LIST:
        put_map(out, f, p);
        return;
    }
}

/* The message that holds @f at @level: 1 or 2 levels below its own type's; 0 if none. */
static uint16_t holder(const struct field *f, unsigned level)
{
    return level == 1 ? f->inline_number : f->inline_number2;
}

void typed_write_pb(const struct type *type, const void *obj, struct buf *out)
{
    uint16_t open[3] = {0}; /* numbers of the embedded messages that are open */
    size_t marks[3] = {0};

    for (unsigned i = 0; i <= type->n_fields; i++) {
        const struct field *f = i < type->n_fields ? &type->fields[type->by_number[i]] : NULL;
        unsigned keep = 0;

        if (f && f->flags & (FIELD_NO_PROTO | FIELD_TYPE_META))
            continue;
        while (f && keep < 2 && open[keep + 1] && open[keep + 1] == holder(f, keep + 1))
            keep++;
        for (unsigned level = 2; level > keep; level--) {
            if (open[level])
                pb_end(out, marks[level]);
            open[level] = 0;
        }
        for (unsigned level = keep + 1; f && level <= 2 && holder(f, level); level++) {
            open[level] = holder(f, level);
            marks[level] = pb_begin(out, open[level]);
        }
        if (f)
            put_field(out, f, field_ptr(f, obj));
    }
}

void pb_envelope_write(struct buf *out, struct str api_version, struct str kind, struct str raw)
{
    size_t mark;

    buf_append(out, "k8s\0", 4);
    mark = pb_begin(out, 1);
    pb_put_bytes(out, 1, api_version);
    pb_put_bytes(out, 2, kind);
    pb_end(out, mark);
    pb_put_bytes(out, 2, raw);
    pb_put_bytes(out, 3, STR(""));
    pb_put_bytes(out, 4, STR(""));
}
