/* typed_walk.c - what is done to C structs in place: empty, clear, sort, compare. Layer: schema. */
#include "schema/typed_internal.h"

static bool message_empty(const struct type *type, const void *obj)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        if (!typed_field_empty(&type->fields[i], obj))
            return false;
    return true;
}

static bool value_empty(const struct field *f, const void *p)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        return ((const struct str *)p)->len == 0;
    case FIELD_BOOL:
        return !*(const bool *)p;
    case FIELD_INT32:
        return *(const int32_t *)p == 0;
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DURATION:
        return *(const int64_t *)p == 0;
    case FIELD_DOUBLE:
        return *(const double *)p == 0;
    case FIELD_QUANTITY:
        return !((const struct quantity *)p)->set;
    case FIELD_INT_OR_STRING:
        return ((const struct int_or_string *)p)->kind == INT_OR_STRING_ABSENT;
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        return !((const struct time_value *)p)->set;
    case FIELD_RAW:
        return *(struct doc *const *)p == NULL;
    case FIELD_MESSAGE:
        return message_empty(f->type, p);
    }
    return true;
}

bool typed_field_empty(const struct field *f, const void *obj)
{
    const void *p = field_ptr(f, obj);

    if (f->card == CARD_PTR)
        return *(void *const *)p == NULL;
    if (f->card != CARD_ONE)
        return ((const struct any_list *)p)->n == 0;
    return value_empty(f, p);
}

/* Size in bytes of the member itself. */
static size_t member_size(const struct field *f)
{
    if (f->card == CARD_ONE)
        return field_elem_size(f);
    return f->card == CARD_PTR ? sizeof(void *) : sizeof(struct any_list);
}

void field_clear(const struct field *f, void *obj)
{
    memset(field_ptr(f, obj), 0, member_size(f));
}

void typed_clear(const struct type *type, void *obj, const char *name)
{
    const struct field *f = type_field(type, str_from(name));

    if (f)
        field_clear(f, obj);
}

static int entry_cmp(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

size_t map_sort(const struct field *f, void *v, size_t n)
{
    size_t size = map_entry_size(f), kept = 0;
    bool sorted = true;

    for (size_t i = 1; i < n && sorted; i++)
        sorted = str_cmp(map_key(f, v, i - 1), map_key(f, v, i)) < 0;
    if (sorted)
        return n;
    qsort(v, n, size, entry_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && str_eq(map_key(f, v, kept - 1), map_key(f, v, i)))
            kept--;
        if (kept != i)
            memcpy((char *)v + kept * size, (char *)v + i * size, size);
        kept++;
    }
    return kept;
}

/* ---- compare ---- */

static bool raw_equal(const struct doc *x, const struct doc *y)
{
    static const struct doc null = {.kind = DOC_NULL};

    return doc_equal(x ? x : &null, y ? y : &null);
}

static bool int_or_string_equal(const struct int_or_string *x, const struct int_or_string *y,
                                bool nullable)
{
    if (nullable && (x->kind == INT_OR_STRING_ABSENT) != (y->kind == INT_OR_STRING_ABSENT))
        return false;
    if (x->kind == INT_OR_STRING_STRING || y->kind == INT_OR_STRING_STRING)
        return x->kind == y->kind && str_eq(x->s, y->s);
    return x->i == y->i;
}

static bool value_equal(const struct field *f, const void *x, const void *y)
{
    const struct quantity *qx, *qy;
    bool nullable = f->flags & FIELD_NULLABLE;

    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        return str_eq(*(const struct str *)x, *(const struct str *)y);
    case FIELD_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case FIELD_INT32:
        return *(const int32_t *)x == *(const int32_t *)y;
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DURATION:
        return *(const int64_t *)x == *(const int64_t *)y;
    case FIELD_DOUBLE:
        return *(const double *)x == *(const double *)y;
    case FIELD_QUANTITY:
        qx = x;
        qy = y;
        return (!nullable || qx->set == qy->set) && quantity_cmp(*qx, *qy) == 0;
    case FIELD_INT_OR_STRING:
        return int_or_string_equal(x, y, nullable);
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        return time_cmp(*(const struct time_value *)x, *(const struct time_value *)y) == 0;
    case FIELD_RAW:
        return raw_equal(*(const struct doc *const *)x, *(const struct doc *const *)y);
    case FIELD_MESSAGE:
        return typed_equal(f->type, x, y);
    }
    return false;
}

static bool list_equal(const struct field *f, const struct any_list *x, const struct any_list *y)
{
    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!value_equal(f, list_elem(f, x->v, i), list_elem(f, y->v, i)))
            return false;
    return true;
}

static bool map_equal(const struct field *f, const struct any_list *x, const struct any_list *y)
{
    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++) {
        const void *vx = map_value(f, x->v, i), *vy = map_value(f, y->v, i);

        if (!str_eq(map_key(f, x->v, i), map_key(f, y->v, i)))
            return false;
        if (f->card == CARD_MAP ? !value_equal(f, vx, vy) : !list_equal(f, vx, vy))
            return false;
    }
    return true;
}

static bool field_equal(const struct field *f, const void *x, const void *y)
{
    const void *px, *py;

    switch ((enum field_card)f->card) {
    case CARD_ONE:
        return value_equal(f, x, y);
    case CARD_PTR:
        px = *(void *const *)x;
        py = *(void *const *)y;
        return !px || !py ? px == py : value_equal(f, px, py);
    case CARD_LIST:
        return list_equal(f, x, y);
    case CARD_MAP:
    case CARD_MAP_LIST:
        return map_equal(f, x, y);
    }
    return false;
}

bool typed_equal(const struct type *type, const void *x, const void *y)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];

        if (!field_equal(f, field_ptr(f, x), field_ptr(f, y)))
            return false;
    }
    return true;
}
