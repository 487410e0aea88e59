/* typed_doc.c - C structs to documents; the same fields as typed_json.c writes. Layer: schema. */
#include "codec/base64.h"
#include "schema/typed_internal.h"

struct target { /* where a document is made */
    struct arena *arena;
    bool share; /* raw documents, instead of copying their tree */
};

static struct doc message_doc(const struct type *type, const void *obj, const struct target *to);

static struct doc text_doc(struct arena *a, struct buf *text)
{
    return doc_string(str_dup(a, buf_view(text)));
}

static struct doc time_doc(const struct field *f, const struct time_value *t, struct arena *a)
{
    auto_buf text = {0};

    if (!t->set)
        return doc_null();
    if (f->kind == FIELD_TIME)
        time_write(&text, *t);
    else
        time_write_micro(&text, *t);
    return text_doc(a, &text);
}

static struct doc bytes_doc(struct str s, struct arena *a)
{
    auto_buf text = {0};

    if (!s.p)
        return doc_null();
    base64_write(&text, s);
    return text_doc(a, &text);
}

static struct doc duration_doc(int64_t ns, struct arena *a)
{
    auto_buf text = {0};

    duration_write(&text, ns);
    return text_doc(a, &text);
}

static struct doc string_doc(struct str s)
{
    return doc_string(s.p ? s : STR(""));
}

static struct doc uint_doc(uint64_t v)
{
    return v <= INT64_MAX ? doc_int((int64_t)v) : doc_double((double)v);
}

static struct doc raw_doc(const struct doc *raw, const struct target *to)
{
    if (!raw)
        return doc_null();
    return to->share ? *raw : doc_clone(to->arena, raw, false);
}

static struct doc value_doc(const struct field *f, const void *p, const struct target *to)
{
    struct arena *a = to->arena;
    const struct int_or_string *ios;

    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
        return string_doc(*(const struct str *)p);
    case FIELD_BOOL:
        return doc_bool(*(const bool *)p);
    case FIELD_INT32:
        return doc_int(*(const int32_t *)p);
    case FIELD_INT64:
        return doc_int(*(const int64_t *)p);
    case FIELD_UINT64:
        return uint_doc(*(const uint64_t *)p);
    case FIELD_DOUBLE:
        return doc_double(*(const double *)p);
    case FIELD_BYTES:
        return bytes_doc(*(const struct str *)p, a);
    case FIELD_QUANTITY:
        return doc_string(quantity_str(a, *(const struct quantity *)p));
    case FIELD_INT_OR_STRING:
        ios = p;
        return ios->kind == INT_OR_STRING_STRING ? string_doc(ios->s) : doc_int(ios->i);
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        return time_doc(f, p, a);
    case FIELD_DURATION:
        return duration_doc(*(const int64_t *)p, a);
    case FIELD_RAW:
        return raw_doc(*(const struct doc *const *)p, to);
    case FIELD_MESSAGE:
        return message_doc(f->type, p, to);
    }
    return doc_null();
}

static struct doc list_doc(const struct field *f, const struct any_list *list,
                           const struct target *to)
{
    struct doc d = doc_array();

    if (!list->v)
        return doc_null();
    if (list->n == 0)
        return d;
    d.items = arena_calloc(to->arena, list->n, sizeof(*d.items));
    d.n = d.cap = (uint32_t)list->n;
    for (size_t i = 0; i < list->n; i++)
        d.items[i] = value_doc(f, list_elem(f, list->v, i), to);
    return d;
}

static struct doc map_doc(const struct field *f, const struct any_list *map,
                          const struct target *to)
{
    struct doc d = doc_object();

    if (!map->v)
        return doc_null();
    if (map->n == 0)
        return d;
    d.members = arena_calloc(to->arena, map->n, sizeof(*d.members));
    d.n = d.cap = (uint32_t)map->n;
    for (size_t i = 0; i < map->n; i++) {
        const void *value = map_value(f, map->v, i);

        d.members[i].key = map_key(f, map->v, i);
        d.members[i].value = f->card == CARD_MAP ? value_doc(f, value, to) : list_doc(f, value, to);
    }
    return d;
}

static struct doc field_doc(const struct field *f, const void *p, const struct target *to)
{
    switch ((enum field_card)f->card) {
    case CARD_ONE:
        if ((f->flags & FIELD_NULLABLE) &&
            ((f->kind == FIELD_QUANTITY && !((const struct quantity *)p)->set) ||
             (f->kind == FIELD_INT_OR_STRING &&
              ((const struct int_or_string *)p)->kind == INT_OR_STRING_ABSENT)))
            return doc_null();
        return value_doc(f, p, to);
    case CARD_PTR:
        return *(void *const *)p ? value_doc(f, *(void *const *)p, to) : doc_null();
    case CARD_LIST:
        return list_doc(f, p, to);
    case CARD_MAP:
    case CARD_MAP_LIST:
        return map_doc(f, p, to);
    }
    return doc_null();
}

static struct doc message_doc(const struct type *type, const void *obj, const struct target *to)
{
    struct doc d = doc_object();
    unsigned n = 0;

    for (unsigned i = 0; i < type->n_fields; i++)
        n += field_written(&type->fields[i], obj);
    if (n == 0)
        return d;
    d.members = arena_calloc(to->arena, n, sizeof(*d.members));
    d.cap = n;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];

        if (!field_written(f, obj))
            continue;
        d.members[d.n].key = f->name;
        d.members[d.n++].value = field_doc(f, field_ptr(f, obj), to);
    }
    return d;
}

struct doc typed_to_doc(const struct type *type, const void *obj, struct arena *a)
{
    return message_doc(type, obj, &(struct target){a, false});
}

struct doc typed_view_doc(const struct type *type, const void *obj, struct arena *a)
{
    return message_doc(type, obj, &(struct target){a, true});
}
