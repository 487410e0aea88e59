/* check.c - unknown and duplicate members of bodies, and the constraints that tables declare.
 *
 * Recursion follows the type, and is as deep as the document, which its reader bounded.
 *
 * Layer: schema.
 */
#include "schema/check.h"
#include "codec/json.h"
#include "schema/format.h"
#include "schema/typed.h"
#include "schema/typed_internal.h"

enum { TEXTS_MAX = 100 };

struct texts {
    struct arena *arena;
    struct string_list *list;
    size_t cap;
};

static bool texts_full(const struct texts *t)
{
    return t->list->n >= TEXTS_MAX;
}

static void add_text(struct texts *t, const char *what, struct str path)
{
    auto_buf text = {0};

    if (texts_full(t))
        return;
    if (t->list->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 8;
        t->list->v = arena_grow(t->arena, t->list->v, t->list->n, t->cap, sizeof(*t->list->v));
    }
    buf_puts(&text, what);
    json_go_quote(&text, path);
    t->list->v[t->list->n++] = str_dup(t->arena, buf_view(&text));
}

/* A link of a path by name; also for keys of maps, which such paths show like fields. */
static struct path path_name(const struct path *parent, struct str name)
{
    return (struct path){parent, name, -1, false};
}

static void walk_object(struct texts *t, const struct type *type, const struct doc *d,
                        const struct path *at);

static void walk_list(struct texts *t, const struct type *type, const struct doc *list,
                      const struct path *at)
{
    for (uint32_t i = 0; list->kind == DOC_ARRAY && i < list->n && !texts_full(t); i++) {
        struct path p = path_index(at, i);

        walk_object(t, type, &list->items[i], &p);
    }
}

static void walk_field(struct texts *t, const struct field *f, const struct doc *value,
                       const struct path *at)
{
    if (f->kind != FIELD_MESSAGE)
        return;
    switch ((enum field_card)f->card) {
    case CARD_ONE:
    case CARD_PTR:
        walk_object(t, f->type, value, at);
        return;
    case CARD_LIST:
        walk_list(t, f->type, value, at);
        return;
    case CARD_MAP:
    case CARD_MAP_LIST:
        for (uint32_t i = 0; value->kind == DOC_OBJECT && i < value->n; i++) {
            struct path p = path_name(at, value->members[i].key);

            if (f->card == CARD_MAP)
                walk_object(t, f->type, &value->members[i].value, &p);
            else
                walk_list(t, f->type, &value->members[i].value, &p);
        }
        return;
    }
}

static void walk_object(struct texts *t, const struct type *type, const struct doc *d,
                        const struct path *at)
{
    for (uint32_t i = 0; d->kind == DOC_OBJECT && i < d->n && !texts_full(t); i++) {
        const struct doc_member *m = &d->members[i];
        const struct field *f = type_field(type, m->key);
        struct path p = path_name(at, m->key);
        auto_buf text = {0};

        if (f) {
            walk_field(t, f, &m->value, &p);
            continue;
        }
        path_write(&text, &p);
        add_text(t, "unknown field ", buf_view(&text));
    }
}

void check_fields(const struct type *type, const struct doc *doc, const struct json_dup *dups,
                  struct arena *a, struct string_list *ret_texts)
{
    struct texts t = {.arena = a, .list = ret_texts, .cap = ret_texts->n};

    walk_object(&t, type, doc, NULL);
    for (; dups; dups = dups->next)
        add_text(&t, "duplicate field ", str_from(dups->path));
}

/* One scalar of a field, wherever it lies, as the errors show it. */
static struct doc scalar_doc(const struct field *f, const void *v)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        return doc_string(*(const struct str *)v);
    case FIELD_BOOL:
        return doc_bool(*(const bool *)v);
    case FIELD_INT32:
        return doc_int(*(const int32_t *)v);
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DURATION:
        return doc_int(*(const int64_t *)v);
    case FIELD_DOUBLE:
        return doc_double(*(const double *)v);
    case FIELD_INT_OR_STRING: {
        const struct int_or_string *x = v;

        return x->kind == INT_OR_STRING_INT ? doc_int(x->i) : doc_string(x->s);
    }
    case FIELD_QUANTITY:
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
    case FIELD_RAW:
    case FIELD_MESSAGE:
        break; /* their constraints are rules of their own */
    }
    return doc_null();
}

static void check_range(const struct field_limits *l, struct doc value, const struct path *p,
                        struct field_errors *errs)
{
    if (value.kind != DOC_INT)
        return;
    if ((!l->has_min || value.i >= l->min) && (!l->has_max || value.i <= l->max))
        return;
    if (l->has_min && l->has_max)
        err_invalid(errs, p, value, "must be between %lld and %lld, inclusive", (long long)l->min,
                    (long long)l->max);
    else if (l->has_min)
        err_invalid(errs, p, value, "must be greater than or equal to %lld", (long long)l->min);
    else
        err_invalid(errs, p, value, "must be less than or equal to %lld", (long long)l->max);
}

static bool enum_has(const struct enum_def *e, struct str s)
{
    for (unsigned i = 0; i < e->n; i++)
        if (str_eqz(s, e->values[i]))
            return true;
    return false;
}

void check_enum(const struct enum_def *e, struct str s, const struct path *p,
                struct field_errors *errs)
{
    auto_arena a = {0};
    const char **names;

    if (enum_has(e, s))
        return;
    names = arena_calloc(&a, e->n + 1u, sizeof(*names)); /* ends in NULL */
    memcpy(names, e->values, e->n * sizeof(*names));
    err_not_supported(errs, p, s, names);
}

static void check_string(const struct field *f, struct str s, const struct path *p,
                         struct field_errors *errs)
{
    const struct field_limits *l = f->limits;
    const char *(*format)(struct str) = l->format ? format_find(l->format) : NULL;
    const char *why;

    if (l->closed_enum && f->values)
        check_enum(f->values, s, p, errs);
    if (l->max_length && s.len > l->max_length)
        err_too_long(errs, p, l->max_length);
    if (s.len < l->min_length)
        err_add(errs, FIELD_ERROR_TOO_SHORT, p, "Too short: must be at least %u characters",
                l->min_length);
    why = format ? format(s) : NULL;
    if (why)
        err_invalid(errs, p, doc_string(s), "%s", why);
}

static void check_scalar(const struct field *f, const void *v, const struct path *p,
                         struct field_errors *errs)
{
    struct doc value = scalar_doc(f, v);

    check_range(f->limits, value, p, errs);
    if (value.kind == DOC_STRING && f->kind != FIELD_BYTES)
        check_string(f, value.s, p, errs);
}

/* The value of @f in both structs is the same: compared as a struct of that one field. */
static bool same_value(const struct field *f, const void *x, const void *y)
{
    const struct type one = {.name = "", .fields = f, .n_fields = 1, .metadata_offset = -1};

    return typed_equal(&one, x, y);
}

/* The value of @f as a document, for an error. Views into @obj, memory from @a. */
static struct doc value_doc(const struct field *f, const void *obj, struct arena *a)
{
    const struct type one = {.name = "", .fields = f, .n_fields = 1, .metadata_offset = -1};
    struct doc d = typed_to_doc(&one, obj, a);

    return d.n ? d.members[0].value : doc_null();
}

/* The item of the old list with the keys of @item, or NULL: at its own place, or another. */
static const void *old_item(const struct field *f, const struct any_list *old, const void *item,
                            size_t at)
{
    size_t size = field_elem_size(f);

    for (size_t n = 0; n < old->n && f->map_keys; n++) {
        const void *other = (const char *)old->v + (at + n) % old->n * size;
        bool same = true;

        for (size_t k = 0; same && f->map_keys[k]; k++) {
            const struct field *key = type_field(f->type, str_from(f->map_keys[k]));

            same = key && same_value(key, item, other);
        }
        if (same)
            return other;
    }
    return NULL;
}

static void check_items(const struct field *f, const void *obj, const void *old,
                        const struct path *at, struct field_errors *errs)
{
    const struct any_list *list = field_ptr(f, obj);
    size_t size = field_elem_size(f);

    if (f->limits && f->limits->max_items && list->n > f->limits->max_items)
        err_too_many(errs, at, list->n, f->limits->max_items);
    for (size_t i = 0; i < list->n && errs->n < FIELD_ERRORS_MAX; i++) {
        const void *item = (const char *)list->v + i * size;
        struct path p = path_index(at, i);

        if (f->kind == FIELD_MESSAGE)
            check_typed(f->type, item, old ? old_item(f, field_ptr(f, old), item, i) : NULL, &p,
                        errs);
        else if (f->limits)
            check_scalar(f, item, &p, errs);
    }
}

static void check_entries(const struct field *f, const void *obj, const struct path *at,
                          struct field_errors *errs)
{
    const struct any_list *map = field_ptr(f, obj);

    if (f->limits && f->limits->max_items && map->n > f->limits->max_items)
        err_too_many(errs, at, map->n, f->limits->max_items);
    for (size_t i = 0; i < map->n && errs->n < FIELD_ERRORS_MAX; i++) {
        const void *value = map_value(f, map->v, i);
        struct path p = path_key(at, map_key(f, map->v, i));

        if (f->kind == FIELD_MESSAGE)
            check_typed(f->type, value, NULL, &p, errs);
        else if (f->limits)
            check_scalar(f, value, &p, errs);
    }
}

static void check_one(const struct field *f, const void *obj, const void *old, const struct path *p,
                      struct field_errors *errs)
{
    const void *v = field_ptr(f, obj), *old_v = old ? field_ptr(f, old) : NULL;

    if (f->card == CARD_PTR) {
        v = *(const void *const *)v;
        old_v = old_v ? *(const void *const *)old_v : NULL;
    }
    if (f->kind == FIELD_MESSAGE)
        check_typed(f->type, v, old_v, p, errs);
    else if (f->limits)
        check_scalar(f, v, p, errs);
}

static void check_field(const struct field *f, const void *obj, const void *old,
                        const struct path *p, struct field_errors *errs)
{
    if (old && (f->flags & FIELD_IMMUTABLE) && !same_value(f, obj, old)) {
        auto_arena a = {0};

        err_invalid(errs, p, value_doc(f, obj, &a), "field is immutable");
    }
    if (typed_field_empty(f, obj)) {
        if (f->limits && (f->flags & FIELD_REQUIRED))
            err_required(errs, p, "");
        return;
    }
    switch ((enum field_card)f->card) {
    case CARD_ONE:
    case CARD_PTR:
        check_one(f, obj, old, p, errs);
        return;
    case CARD_LIST:
        check_items(f, obj, old, p, errs);
        return;
    case CARD_MAP:
        check_entries(f, obj, p, errs);
        return;
    case CARD_MAP_LIST:
        return; /* no table constrains one */
    }
}

/* Exactly one member of the group at @names, which "" ends, must be set. */
static void check_union(const struct type *type, const char *const *names, const void *obj,
                        const struct path *root, struct field_errors *errs)
{
    auto_buf all = {0};
    auto_buf set = {0};
    size_t n_set = 0;

    for (size_t i = 0; names[i][0]; i++) {
        const struct field *f = type_field(type, str_from(names[i]));

        buf_printf(&all, "%s`%s`", i ? ", " : "", names[i]);
        if (f && !typed_field_empty(f, obj))
            buf_printf(&set, "%s%s", n_set++ ? ", " : "{", names[i]);
    }
    if (n_set == 0) {
        err_invalid(errs, root, doc_string(STR("")), "must specify one of: %s", buf_cstr(&all));
    } else if (n_set > 1) {
        buf_putc(&set, '}');
        err_invalid(errs, root, doc_string(buf_view(&set)), "must specify exactly one of: %s",
                    buf_cstr(&all));
    }
}

void check_typed(const struct type *type, const void *obj, const void *old, const struct path *root,
                 struct field_errors *errs)
{
    const char *const *group = type->unions;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];
        struct path p = path_name(root, f->name);

        check_field(f, obj, old, &p, errs);
    }
    while (group && *group) {
        check_union(type, group, obj, root, errs);
        while ((*group)[0])
            group++;
        group++;
    }
}
