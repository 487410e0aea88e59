/* typed_default.c - declared defaults, gated fields, and values by path. Layer: schema. */
#include "schema/typed_internal.h"
#include <assert.h>

/* ---- walking what a struct holds ---- */

struct walk { /* what to do with each struct, parents first */
    void (*visit)(const struct type *type, void *obj, struct arena *a);
    struct arena *arena;
};

static void walk_message(const struct walk *w, const struct type *type, void *obj)
{
    w->visit(type, obj, w->arena);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];
        const struct any_list *list = field_ptr(f, obj);

        if (f->kind != FIELD_MESSAGE)
            continue;
        if (f->card == CARD_ONE)
            walk_message(w, f->type, field_ptr(f, obj));
        else if (f->card == CARD_PTR) {
            if (*(void **)field_ptr(f, obj))
                walk_message(w, f->type, *(void **)field_ptr(f, obj));
        } else if (f->card == CARD_LIST) {
            for (size_t k = 0; k < list->n; k++)
                walk_message(w, f->type, list_elem(f, list->v, k));
        } else if (f->card == CARD_MAP) {
            for (size_t k = 0; k < list->n; k++)
                walk_message(w, f->type, map_value(f, list->v, k));
        }
    }
}

/* The table's own text: a mistake in it is a mistake of the program. */
static void set_declared(const struct type *type, const struct field *f, void *obj, struct arena *a)
{
    struct doc outer = doc_object(), value;
    int r;

    r = json_parse(str_from(f->default_json), a, &value, NULL, NULL);
    assert(r == 0);
    doc_add(a, &outer, f->name, value);
    r = typed_from_doc(type, &outer, a, obj, NULL);
    assert(r == 0);
    (void)r;
}

/* Amounts of resources are never finer than a thousandth. */
static void round_amounts(const struct field *f, void *obj)
{
    const struct any_list *map = field_ptr(f, obj);

    for (size_t i = 0; i < map->n; i++) {
        struct quantity *q = map_value(f, map->v, i);

        *q = quantity_round_milli(*q);
    }
}

static void default_one(const struct type *type, void *obj, struct arena *a)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];

        if (f->default_json && typed_field_empty(f, obj))
            set_declared(type, f, obj, a);
        if (f->flags & FIELD_RESOURCE_LIST)
            round_amounts(f, obj);
    }
    if (type->set_defaults)
        type->set_defaults(obj, a);
}

void typed_default(const struct type *type, void *obj, struct arena *a)
{
    walk_message(&(struct walk){default_one, a}, type, obj);
}

static void drop_one(const struct type *type, void *obj, struct arena *a)
{
    (void)a;
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].flags & FIELD_GATED)
            field_clear(&type->fields[i], obj);
}

void typed_drop_gated(const struct type *type, void *obj)
{
    walk_message(&(struct walk){drop_one, NULL}, type, obj);
}

/* ---- values by path ---- */

static struct str scalar_text(const struct field *f, const void *p, struct arena *a)
{
    const struct int_or_string *ios;

    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
        return *(const struct str *)p;
    case FIELD_BOOL:
        return *(const bool *)p ? STR("true") : STR("false");
    case FIELD_INT32:
        return str_printf(a, "%d", *(const int32_t *)p);
    case FIELD_INT64:
        return str_printf(a, "%lld", (long long)*(const int64_t *)p);
    case FIELD_UINT64:
        return str_printf(a, "%llu", (unsigned long long)*(const uint64_t *)p);
    case FIELD_QUANTITY:
        return ((const struct quantity *)p)->set ? quantity_str(a, *(const struct quantity *)p)
                                                 : STR("");
    case FIELD_INT_OR_STRING:
        ios = p;
        if (ios->kind == INT_OR_STRING_INT)
            return str_printf(a, "%d", ios->i);
        return ios->s;
    case FIELD_TIME:
        return ((const struct time_value *)p)->set ? time_str(a, *(const struct time_value *)p)
                                                   : STR("");
    default:
        return STR("");
    }
}

static struct str map_text(const struct field *f, const struct any_list *map, struct str key,
                           struct arena *a)
{
    for (size_t i = 0; f->card == CARD_MAP && i < map->n; i++)
        if (str_eq(map_key(f, map->v, i), key))
            return scalar_text(f, map_value(f, map->v, i), a);
    return STR("");
}

/* Within a raw document (custom resources) the path goes on through its members. */
static struct str doc_text(const struct doc *d, struct str path, struct arena *a)
{
    while (d && path.p)
        d = doc_find(d, str_cut(path, '.', &path));
    if (!d)
        return STR("");
    switch ((enum doc_kind)d->kind) {
    case DOC_STRING:
        return d->s;
    case DOC_BOOL:
    case DOC_INT:
    case DOC_DOUBLE:
        return json_to_str(a, d);
    default:
        return STR("");
    }
}

struct str typed_path_text(const struct type *type, const void *obj, const char *path,
                           struct arena *a)
{
    struct str rest = str_from(path), text;

    for (;;) {
        struct str word = str_cut(rest, '.', &rest);
        const struct field *f = type_field(type, word);
        const void *p;

        if (!f)
            return STR("");
        p = field_ptr(f, obj);
        if (f->card == CARD_MAP || f->card == CARD_MAP_LIST)
            return map_text(f, p, rest, a);
        if (f->card == CARD_PTR)
            p = *(void *const *)p;
        if (!p || f->card == CARD_LIST)
            return STR("");
        if (f->kind == FIELD_RAW)
            return doc_text(*(struct doc *const *)p, rest, a);
        if (f->kind != FIELD_MESSAGE) {
            text = rest.p ? STR("") : scalar_text(f, p, a);
            return text.p ? text : STR("");
        }
        if (!rest.p)
            return STR("");
        type = f->type;
        obj = p;
    }
}
