/* typed_json.c - C structs to JSON bytes, without a document in between. Layer: schema. */
#include "codec/base64.h"
#include "schema/typed_internal.h"

static void write_message(const struct type *type, const void *obj, struct buf *out);

static void write_time(const struct field *f, const struct time_value *t, struct buf *out)
{
    if (!t->set) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '"');
    if (f->kind == FIELD_TIME)
        time_write(out, *t);
    else
        time_write_micro(out, *t);
    buf_putc(out, '"');
}

static void write_bytes(struct str s, struct buf *out)
{
    if (!s.p) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '"');
    base64_write(out, s);
    buf_putc(out, '"');
}

static void write_int_or_string(const struct int_or_string *v, struct buf *out)
{
    if (v->kind == INT_OR_STRING_STRING)
        json_write_string(out, v->s);
    else
        buf_i64(out, v->i);
}

static void write_quantity(struct quantity q, struct buf *out)
{
    buf_putc(out, '"');
    quantity_write(out, q);
    buf_putc(out, '"');
}

static void write_duration(int64_t ns, struct buf *out)
{
    buf_putc(out, '"');
    duration_write(out, ns);
    buf_putc(out, '"');
}

static void write_value(const struct field *f, const void *p, struct buf *out)
{
    const struct doc *doc;

    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
        json_write_string(out, *(const struct str *)p);
        return;
    case FIELD_BOOL:
        buf_puts(out, *(const bool *)p ? "true" : "false");
        return;
    case FIELD_INT32:
        buf_i64(out, *(const int32_t *)p);
        return;
    case FIELD_INT64:
        buf_i64(out, *(const int64_t *)p);
        return;
    case FIELD_UINT64:
        buf_u64(out, *(const uint64_t *)p);
        return;
    case FIELD_DOUBLE:
        json_write_double(out, *(const double *)p);
        return;
    case FIELD_BYTES:
        write_bytes(*(const struct str *)p, out);
        return;
    case FIELD_QUANTITY:
        write_quantity(*(const struct quantity *)p, out);
        return;
    case FIELD_INT_OR_STRING:
        write_int_or_string(p, out);
        return;
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        write_time(f, p, out);
        return;
    case FIELD_DURATION:
        write_duration(*(const int64_t *)p, out);
        return;
    case FIELD_RAW:
        doc = *(const struct doc *const *)p;
        if (doc)
            json_write(out, doc);
        else
            buf_puts(out, "null");
        return;
    case FIELD_MESSAGE:
        write_message(f->type, p, out);
        return;
    }
}

static void write_list(const struct field *f, const struct any_list *list, struct buf *out)
{
    if (!list->v) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            buf_putc(out, ',');
        write_value(f, list_elem(f, list->v, i), out);
    }
    buf_putc(out, ']');
}

static void write_map(const struct field *f, const struct any_list *map, struct buf *out)
{
    if (!map->v) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '{');
    for (size_t i = 0; i < map->n; i++) {
        if (i)
            buf_putc(out, ',');
        json_write_string(out, map_key(f, map->v, i));
        buf_putc(out, ':');
        if (f->card == CARD_MAP)
            write_value(f, map_value(f, map->v, i), out);
        else
            write_list(f, map_value(f, map->v, i), out);
    }
    buf_putc(out, '}');
}

static void write_field(const struct field *f, const void *p, struct buf *out)
{
    switch ((enum field_card)f->card) {
    case CARD_ONE:
        /* Where upstream has a pointer, absent is null; elsewhere it is the zero value. */
        if ((f->kind == FIELD_QUANTITY && (f->flags & FIELD_NULLABLE) &&
             !((const struct quantity *)p)->set) ||
            (f->kind == FIELD_INT_OR_STRING && (f->flags & FIELD_NULLABLE) &&
             ((const struct int_or_string *)p)->kind == INT_OR_STRING_ABSENT))
            buf_puts(out, "null");
        else
            write_value(f, p, out);
        return;
    case CARD_PTR:
        if (*(void *const *)p)
            write_value(f, *(void *const *)p, out);
        else
            buf_puts(out, "null");
        return;
    case CARD_LIST:
        write_list(f, p, out);
        return;
    case CARD_MAP:
    case CARD_MAP_LIST:
        write_map(f, p, out);
        return;
    }
}

/* Appends [,]"name": - names are plain ASCII, so they need no escapes. */
static void write_name(struct str name, bool first, struct buf *out)
{
    char *p = buf_reserve(out, name.len + 4);

    if (!p)
        return;
    if (!first)
        *p++ = ',';
    *p++ = '"';
    memcpy(p, name.p, name.len);
    p[name.len] = '"';
    p[name.len + 1] = ':';
    out->len += name.len + 3 + !first;
}

static void write_message(const struct type *type, const void *obj, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];

        if (!field_written(f, obj))
            continue;
        write_name(f->name, first, out);
        write_field(f, field_ptr(f, obj), out);
        first = false;
    }
    buf_putc(out, '}');
}

void typed_write_json(const struct type *type, const void *obj, struct buf *out)
{
    write_message(type, obj, out);
}
