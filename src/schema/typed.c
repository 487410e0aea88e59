/* typed.c - documents to C structs, by table.
 *
 * Errors name the place as Go's decoder does: the innermost struct's name, then the members from
 * the top, joined by dots, without indexes and map keys.
 */
#include "schema/typed.h"
#include "codec/base64.h"
#include "schema/typed_internal.h"

struct step { /* a member on the way to the value at hand */
    const struct step *up;
    const struct type *in;
    struct str name;
};
struct reader {
    struct arena *arena;
    struct err *err;
    bool own; /* raw documents are in form */
    unsigned depth;
    size_t bytes; /* spent on elements */
};

static int read_message(struct reader *r, const struct type *type, const struct doc *d, void *obj,
                        const struct step *at);

static const char *doc_go_kind(const struct doc *d)
{
    switch (d->kind) {
    case DOC_BOOL:
        return "bool";
    case DOC_INT:
    case DOC_DOUBLE:
        return "number";
    case DOC_STRING:
        return "string";
    case DOC_ARRAY:
        return "array";
    default:
        return "object";
    }
}

static void write_steps(struct buf *out, const struct step *s)
{
    const struct step *chain[TYPED_DEPTH_MAX + 1];
    size_t n = 0;

    for (; s && n < ARRAY_LEN(chain); s = s->up)
        chain[n++] = s;
    while (n-- > 0) {
        buf_putc(out, '.');
        buf_str(out, chain[n]->name);
    }
}

/* What Go calls one element of @f. */
static void write_go_elem(struct buf *out, const struct field *f, const struct step *at)
{
    static const char *const names[] = {
        [FIELD_STRING] = "string",
        [FIELD_BOOL] = "bool",
        [FIELD_INT32] = "int32",
        [FIELD_INT64] = "int64",
        [FIELD_UINT64] = "uint64",
        [FIELD_DOUBLE] = "float64",
        [FIELD_BYTES] = "[]uint8",
        [FIELD_QUANTITY] = "resource.Quantity",
        [FIELD_TIME] = "v1.Time",
        [FIELD_INT_OR_STRING] = "intstr.IntOrString",
        [FIELD_DURATION] = "v1.Duration",
        [FIELD_MICRO_TIME] = "v1.MicroTime",
        [FIELD_RAW] = "runtime.RawExtension",
    };

    if (f->kind == FIELD_MESSAGE)
        buf_printf(out, "%s.%s", f->type->version, f->type->name);
    else if (f->kind == FIELD_STRING && f->values && at)
        buf_printf(out, "%s.%s", at->in->version, f->values->name);
    else
        buf_puts(out, names[f->kind]);
}

enum go_shape { GO_ELEM, GO_WHOLE, GO_INNER_LIST };

/* "json: cannot unmarshal <what> into Go struct field <where> of type <type>". */
static int mismatch(struct reader *r, const struct field *f, enum go_shape shape, const char *what,
                    const struct step *at)
{
    auto_buf out = {0};

    buf_printf(&out, "json: cannot unmarshal %s into Go struct field %s", what, at->in->name);
    write_steps(&out, at);
    buf_puts(&out, " of type ");
    if (shape == GO_WHOLE && (f->card == CARD_MAP || f->card == CARD_MAP_LIST))
        buf_puts(&out, "map[string]");
    if ((shape == GO_WHOLE && (f->card == CARD_LIST || f->card == CARD_MAP_LIST)) ||
        shape == GO_INNER_LIST)
        buf_puts(&out, "[]");
    write_go_elem(&out, f, at);
    return err_new(r->err, ERR_BAD_REQUEST, "%s", buf_cstr(&out));
}

/* Go names the number itself only when an integer does not take it. */
static int bad_number(struct reader *r, const struct field *f, const struct doc *d,
                      const struct step *at)
{
    auto_buf out = {0};

    buf_puts(&out, "number ");
    json_write(&out, d);
    return mismatch(r, f, GO_ELEM, buf_cstr(&out), at);
}

static int read_int(struct reader *r, const struct field *f, const struct doc *d, void *dst,
                    const struct step *at)
{
    if (d->kind != DOC_INT && d->kind != DOC_DOUBLE)
        return mismatch(r, f, GO_ELEM, doc_go_kind(d), at);
    if (f->kind == FIELD_DOUBLE) {
        *(double *)dst = d->kind == DOC_INT ? (double)d->i : d->d;
        return 0;
    }
    if (f->kind == FIELD_UINT64 && d->kind == DOC_DOUBLE && d->d >= 9223372036854775808.0 &&
        d->d < 18446744073709551616.0) {
        *(uint64_t *)dst = (uint64_t)d->d;
        return 0;
    }
    if (d->kind != DOC_INT || (f->kind == FIELD_UINT64 && d->i < 0) ||
        (f->kind == FIELD_INT32 && (d->i < INT32_MIN || d->i > INT32_MAX)))
        return bad_number(r, f, d, at);
    if (f->kind == FIELD_INT32)
        *(int32_t *)dst = (int32_t)d->i;
    else
        *(int64_t *)dst = d->i;
    return 0;
}

static int read_quantity(struct reader *r, const struct doc *d, void *dst)
{
    auto_buf text = {0};
    struct str s = d->s;

    if (d->kind != DOC_STRING) { /* a bare number is taken by its text */
        json_write(&text, d);
        s = buf_view(&text);
    }
    if (quantity_parse(s, dst, r->err) < 0)
        return ERR_BAD_REQUEST;
    ((struct quantity *)dst)->set = true;
    return 0;
}

static int read_int_or_string(struct reader *r, const struct doc *d, void *dst)
{
    struct int_or_string *v = dst;
    auto_buf what = {0};

    if (d->kind == DOC_STRING) {
        v->kind = INT_OR_STRING_STRING;
        v->s = d->s;
        return 0;
    }
    if (d->kind == DOC_INT && d->i >= INT32_MIN && d->i <= INT32_MAX) {
        v->kind = INT_OR_STRING_INT;
        v->i = (int32_t)d->i;
        return 0;
    }
    buf_puts(&what, doc_go_kind(d));
    if (d->kind == DOC_INT || d->kind == DOC_DOUBLE) {
        buf_putc(&what, ' ');
        json_write(&what, d);
    }
    return err_new(r->err, ERR_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type int32",
                   buf_cstr(&what));
}

static int read_time(struct reader *r, const struct field *f, const struct doc *d, void *dst)
{
    struct time_value t;

    if (d->kind != DOC_STRING)
        return err_new(r->err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type string", doc_go_kind(d));
    if (f->kind == FIELD_DURATION)
        return duration_parse(d->s, dst, r->err) < 0 ? ERR_BAD_REQUEST : 0;
    if (time_parse(d->s, &t, r->err) < 0)
        return ERR_BAD_REQUEST;
    /* Only what is written out again is kept: whole seconds, or microseconds. */
    t.nsec = f->kind == FIELD_TIME ? 0 : t.nsec / 1000 * 1000;
    t.set = !(t.sec == TIME_ZERO_SEC && t.nsec == 0);
    *(struct time_value *)dst = t.set ? t : (struct time_value){0};
    return 0;
}

/* A JSONSchemaProps within a raw document is checked and brought into its own form. */
static int normalize_schema(struct reader *r, const struct field *f, const struct doc *d,
                            struct doc *ret, const struct step *at)
{
    void *props;
    int code;

    if (d->kind != DOC_OBJECT) {
        *ret = *d;
        return 0;
    }
    props = arena_alloc(r->arena, f->type->size);
    code = read_message(r, f->type, d, props, at);
    if (code == 0)
        *ret = typed_view_doc(f->type, props, r->arena);
    return code;
}

static int read_schema(struct reader *r, const struct field *f, struct doc *d,
                       const struct step *at)
{
    struct doc copy = doc_array();
    int code;

    if (d->kind == DOC_OBJECT)
        return normalize_schema(r, f, d, d, at);
    if (f->raw_form == RAW_SCHEMA_OR_BOOL)
        return d->kind == DOC_BOOL
                   ? 0
                   : err_new(r->err, ERR_BAD_REQUEST, "boolean or JSON schema expected");
    if (d->kind != DOC_ARRAY || d->n == 0) { /* upstream takes anything else for neither */
        *d = doc_null();
        return 0;
    }
    for (uint32_t i = 0; i < d->n; i++) {
        struct doc item;

        if (f->raw_form == RAW_SCHEMA_OR_STRINGS ? d->items[i].kind != DOC_STRING
                                                 : d->items[i].kind != DOC_OBJECT)
            return mismatch(r, f, GO_ELEM, doc_go_kind(&d->items[i]), at);
        code = normalize_schema(r, f, &d->items[i], &item, at);
        if (code < 0)
            return code;
        doc_append(r->arena, &copy, item);
    }
    *d = copy;
    return 0;
}

static int read_raw(struct reader *r, const struct field *f, const struct doc *d, void *dst,
                    const struct step *at)
{
    struct doc *copy;
    int code = 0;

    if (f->raw_form == RAW_EMPTY && d->kind != DOC_OBJECT)
        return mismatch(r, f, GO_ELEM, doc_go_kind(d), at);
    copy = arena_new(r->arena, struct doc);
    *copy = *d;
    if (f->raw_form == RAW_EMPTY)
        *copy = doc_object();
    else if (f->raw_form != RAW_JSON && !r->own)
        code = read_schema(r, f, copy, at);
    *(struct doc **)dst = copy;
    return code;
}

/* One element; null leaves it zero. */
static int read_value(struct reader *r, const struct field *f, const struct doc *d, void *dst,
                      const struct step *at)
{
    struct str bytes;

    if (d->kind == DOC_NULL)
        return 0;
    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
        if (d->kind != DOC_STRING)
            return mismatch(r, f, GO_ELEM, doc_go_kind(d), at);
        *(struct str *)dst = d->s;
        return 0;
    case FIELD_BOOL:
        if (d->kind != DOC_BOOL)
            return mismatch(r, f, GO_ELEM, doc_go_kind(d), at);
        *(bool *)dst = d->b;
        return 0;
    case FIELD_INT32:
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DOUBLE:
        return read_int(r, f, d, dst, at);
    case FIELD_BYTES:
        if (d->kind != DOC_STRING)
            return mismatch(r, f, GO_ELEM, doc_go_kind(d), at);
        if (base64_decode(d->s, r->arena, &bytes, r->err) < 0)
            return ERR_BAD_REQUEST;
        *(struct str *)dst = bytes.p ? bytes : STR("");
        return 0;
    case FIELD_QUANTITY:
        return read_quantity(r, d, dst);
    case FIELD_INT_OR_STRING:
        return read_int_or_string(r, d, dst);
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
    case FIELD_DURATION:
        return read_time(r, f, d, dst);
    case FIELD_RAW:
        return read_raw(r, f, d, dst, at);
    case FIELD_MESSAGE:
        if (d->kind != DOC_OBJECT)
            return mismatch(r, f, GO_ELEM, doc_go_kind(d), at);
        return read_message(r, f->type, d, dst, at);
    }
    return 0;
}

/* Room for @n elements. Never NULL: a list that is there but empty differs from an absent one. */
static int make_room(struct reader *r, struct any_list *dst, size_t n, size_t size)
{
    r->bytes += n * size;
    if (r->bytes > TYPED_BYTES_MAX)
        return err_new(r->err, ERR_TOO_LARGE, "json: too many elements");
    dst->v = arena_calloc(r->arena, n ? n : 1, size);
    dst->n = n;
    return 0;
}

static int read_list(struct reader *r, const struct field *f, const struct doc *d,
                     struct any_list *dst, enum go_shape shape, const struct step *at)
{
    size_t size = field_elem_size(f);
    int code;

    if (d->kind != DOC_ARRAY)
        return mismatch(r, f, shape, doc_go_kind(d), at);
    code = make_room(r, dst, d->n, size);
    if (code < 0)
        return code;
    for (uint32_t i = 0; i < d->n; i++) {
        code = read_value(r, f, &d->items[i], (char *)dst->v + i * size, at);
        if (code < 0)
            return code;
    }
    return 0;
}

static int read_map(struct reader *r, const struct field *f, const struct doc *d,
                    struct any_list *dst, const struct step *at)
{
    size_t size = map_entry_size(f);
    int code;

    if (d->kind != DOC_OBJECT)
        return mismatch(r, f, GO_WHOLE, doc_go_kind(d), at);
    code = make_room(r, dst, d->n, size);
    if (code < 0)
        return code;
    for (uint32_t i = 0; i < d->n; i++) {
        const struct doc *value = &d->members[i].value;
        char *entry = (char *)dst->v + i * size;

        *(struct str *)(void *)entry = d->members[i].key;
        if (f->card == CARD_MAP)
            code = read_value(r, f, value, entry + MAP_VALUE_OFFSET, at);
        else if (value->kind == DOC_NULL)
            code = 0;
        else
            code = read_list(r, f, value, (void *)(entry + MAP_VALUE_OFFSET), GO_INNER_LIST, at);
        if (code < 0)
            return code;
    }
    dst->n = map_sort(f, dst->v, dst->n);
    return 0;
}

static int read_field(struct reader *r, const struct field *f, const struct doc *d, void *obj,
                      const struct step *at)
{
    void *dst = field_ptr(f, obj);

    if (d->kind == DOC_NULL)
        return 0;
    switch ((enum field_card)f->card) {
    case CARD_ONE:
        return read_value(r, f, d, dst, at);
    case CARD_PTR:
        *(void **)dst = arena_alloc(r->arena, field_elem_size(f));
        return read_value(r, f, d, *(void **)dst, at);
    case CARD_LIST:
        return read_list(r, f, d, dst, GO_WHOLE, at);
    case CARD_MAP:
    case CARD_MAP_LIST:
        return read_map(r, f, d, dst, at);
    }
    return 0;
}

static int read_message(struct reader *r, const struct type *type, const struct doc *d, void *obj,
                        const struct step *at)
{
    int code;

    if (++r->depth > TYPED_DEPTH_MAX)
        return err_new(r->err, ERR_BAD_REQUEST, "%s: exceeded max depth", type->name);
    for (uint32_t i = 0; i < d->n; i++) {
        const struct field *f = type_field(type, d->members[i].key);
        struct step here = {at, type, d->members[i].key};

        if (!f)
            continue;
        code = read_field(r, f, &d->members[i].value, obj, &here);
        if (code < 0)
            return code;
    }
    r->depth--;
    return 0;
}

int typed_from_doc(const struct type *type, const struct doc *doc, struct arena *a, void *obj,
                   struct err *err)
{
    struct reader r = {.arena = a, .err = err};

    if (doc->kind == DOC_NULL)
        return 0;
    if (doc->kind != DOC_OBJECT)
        return err_new(err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type %s.%s", doc_go_kind(doc),
                       type->version, type->name);
    return read_message(&r, type, doc, obj, NULL);
}

int typed_from_own_doc(const struct type *type, const struct doc *doc, struct arena *a, void *obj)
{
    struct reader r = {.arena = a, .own = true};

    return read_message(&r, type, doc, obj, NULL);
}

int typed_from_json(const struct type *type, struct str json, struct arena *a, void **ret_obj,
                    struct err *err)
{
    struct doc doc;
    void *obj;
    int r;

    r = json_parse(json, a, &doc, NULL, err);
    if (r < 0)
        return r;
    obj = arena_alloc(a, type->size);
    r = typed_from_doc(type, &doc, a, obj, err);
    if (r < 0)
        return r;
    *ret_obj = obj;
    return 0;
}
