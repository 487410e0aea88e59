/* typed_pb_read.c - protobuf to C structs: fields in any order, unknown ones passed over.
 *
 * Lists and maps grow by doubling; maps are sorted when their message ends.
 */
#include "codec/pb.h"
#include "schema/typed_internal.h"
#include <math.h>

struct place { /* which of a type's fields a message holds: those under these inline numbers */
    uint16_t inline1, inline2;
};
struct pb_in {
    struct arena *arena;
    struct err *err;
    unsigned depth;
    size_t bytes; /* spent on elements */
};

static int read_message(struct pb_in *in, const struct type *type, struct str bytes,
                        struct place place, void *obj);

static int bad(struct pb_in *in, const char *type, const char *what)
{
    return err_new(in->err, ERR_PARSE, "proto: %s: %s", type, what);
}

/* Adds a zeroed element of @size bytes. Its room was doubled whenever n reached a power of two. */
static void *append(struct pb_in *in, struct any_list *list, size_t size)
{
    if ((list->n & (list->n - 1)) == 0) {
        list->v = arena_grow(in->arena, list->v, list->n, list->n ? list->n * 2 : 1, size);
        in->bytes += (list->n ? list->n * 2 : 1) * size;
    }
    return (char *)list->v + list->n++ * size;
}

/* The last field @number of @bytes (a small message of upstream's own: Quantity, Time, ...). */
static int find_part(struct pb_in *in, struct str bytes, uint32_t number, struct pb_field *ret_f)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field f;
    int rc;

    *ret_f = (struct pb_field){0};
    while ((rc = pb_next(&r, &f, in->err)) > 0)
        if (f.number == number)
            *ret_f = f;
    return rc;
}

static int read_quantity(struct pb_in *in, struct str bytes, struct quantity *dst)
{
    struct pb_field f;
    int rc = find_part(in, bytes, 1, &f);

    if (rc < 0)
        return rc;
    if (f.bytes.len && quantity_parse(f.bytes, dst, in->err) < 0)
        return ERR_PARSE;
    dst->set = true;
    return 0;
}

static int read_int_or_string(struct pb_in *in, struct str bytes, struct int_or_string *dst)
{
    struct pb_field kind, number, text;

    if (find_part(in, bytes, 1, &kind) < 0 || find_part(in, bytes, 2, &number) < 0 ||
        find_part(in, bytes, 3, &text) < 0)
        return ERR_PARSE;
    dst->kind = kind.varint == 1 ? INT_OR_STRING_STRING : INT_OR_STRING_INT;
    dst->i = (int32_t)number.varint;
    dst->s = text.bytes;
    if (dst->kind == INT_OR_STRING_STRING && !dst->s.p)
        dst->s = STR("");
    return 0;
}

static int read_time(struct pb_in *in, const struct field *f, struct str bytes,
                     struct time_value *dst)
{
    struct pb_field sec, nsec;
    struct time_value t = {0};

    if (bytes.len == 0) /* upstream's zero time */
        return 0;
    if (find_part(in, bytes, 1, &sec) < 0 || find_part(in, bytes, 2, &nsec) < 0)
        return ERR_PARSE;
    t.sec = (int64_t)sec.varint;
    if (t.sec < TIME_ZERO_SEC || t.sec > TIME_MAX_SEC || nsec.varint > 999999999)
        return bad(in, f->name.p, "time out of range");
    t.nsec = f->kind == FIELD_TIME ? 0 : (int32_t)nsec.varint / 1000 * 1000;
    t.set = t.sec != TIME_ZERO_SEC || t.nsec != 0;
    *dst = t.set ? t : (struct time_value){0};
    return 0;
}

/* ---- raw documents ---- */

static int read_schema(struct pb_in *in, const struct field *f, struct str bytes, struct doc *dst)
{
    void *props = arena_alloc(in->arena, f->type->size);
    int rc = read_message(in, f->type, bytes, (struct place){0}, props);

    if (rc == 0)
        *dst = typed_view_doc(f->type, props, in->arena);
    return rc;
}

/* Whether @d nests deeper than @levels; looks no deeper than that. */
static bool is_deeper_doc(const struct doc *d, unsigned levels)
{
    bool array = d->kind == DOC_ARRAY, object = d->kind == DOC_OBJECT;

    if ((array || object) && levels == 0)
        return true;
    for (uint32_t i = 0; i < d->n && (array || object); i++)
        if (is_deeper_doc(array ? &d->items[i] : &d->members[i].value, levels - 1))
            return true;
    return false;
}

static int read_raw_json(struct pb_in *in, struct str bytes, struct doc **dst)
{
    struct pb_field f;
    struct doc *doc;
    int rc = find_part(in, bytes, 1, &f);

    if (rc < 0 || f.bytes.len == 0)
        return rc;
    doc = arena_new(in->arena, struct doc);
    rc = json_parse(f.bytes, in->arena, doc, NULL, in->err);
    if (rc < 0)
        return rc;
    if (is_deeper_doc(doc, TYPED_RAW_DEPTH_MAX))
        return err_new(in->err, ERR_TOO_LARGE, "proto: raw JSON exceeded max depth");
    *dst = doc;
    return 0;
}

/* One field of a JSONSchemaPropsOr... message. */
static int read_alternative(struct pb_in *in, const struct field *f, const struct pb_field *pb,
                            struct doc *doc)
{
    bool or_bool = f->raw_form == RAW_SCHEMA_OR_BOOL;
    struct doc item;
    int rc;

    if (or_bool && pb->number == 1) {
        if (doc->kind != DOC_OBJECT)
            *doc = doc_bool(pb->varint != 0);
        return 0;
    }
    if (pb->number > 2)
        return 0;
    if (pb->wire != PB_BYTES)
        return bad(in, f->name.p, "wrong wireType");
    if (or_bool || pb->number == 1)
        return read_schema(in, f, pb->bytes, doc);
    if (doc->kind == DOC_OBJECT)
        return 0;
    if (f->raw_form == RAW_SCHEMA_OR_STRINGS) {
        item = doc_string(pb->bytes);
    } else {
        rc = read_schema(in, f, pb->bytes, &item);
        if (rc < 0)
            return rc;
    }
    if (doc->kind == DOC_NULL)
        *doc = doc_array();
    doc_append(in->arena, doc, item);
    return 0;
}

static int read_raw(struct pb_in *in, const struct field *f, struct str bytes, struct doc **dst)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field pb;
    struct doc *doc;
    int rc;

    if (f->raw_form == RAW_JSON)
        return read_raw_json(in, bytes, dst);
    doc = arena_new(in->arena, struct doc);
    *dst = doc;
    if (f->raw_form == RAW_EMPTY) {
        *doc = doc_object();
        return 0;
    }
    *doc = f->raw_form == RAW_SCHEMA_OR_BOOL ? doc_bool(false) : doc_null();
    while ((rc = pb_next(&r, &pb, in->err)) > 0) {
        rc = read_alternative(in, f, &pb, doc);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* ---- values ---- */

static enum pb_wire wire_of(const struct field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
    case FIELD_INT32:
    case FIELD_INT64:
    case FIELD_UINT64:
        return PB_VARINT;
    case FIELD_DOUBLE:
        return PB_FIXED64;
    default:
        return PB_BYTES;
    }
}

static void read_number(const struct field *f, uint64_t v, void *dst)
{
    switch (f->kind) {
    case FIELD_BOOL:
        *(bool *)dst = v != 0;
        return;
    case FIELD_INT32:
        *(int32_t *)dst = (int32_t)v;
        return;
    default: /* 64-bit integers, and the bits of a double */
        memcpy(dst, &v, sizeof(v));
        return;
    }
}

static int read_value(struct pb_in *in, const struct field *f, const struct pb_field *pb, void *dst)
{
    struct pb_field part;

    if (pb->wire != wire_of(f))
        return bad(in, f->name.p, "wrong wireType");
    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        *(struct str *)dst = pb->bytes.p ? pb->bytes : STR("");
        return 0;
    case FIELD_BOOL:
    case FIELD_INT32:
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DOUBLE:
        read_number(f, pb->varint, dst);
        if (f->kind == FIELD_DOUBLE && !isfinite(*(double *)dst))
            return bad(in, f->name.p, "not a finite number");
        return 0;
    case FIELD_QUANTITY:
        return read_quantity(in, pb->bytes, dst);
    case FIELD_INT_OR_STRING:
        return read_int_or_string(in, pb->bytes, dst);
    case FIELD_TIME:
    case FIELD_MICRO_TIME:
        return read_time(in, f, pb->bytes, dst);
    case FIELD_DURATION:
        if (find_part(in, pb->bytes, 1, &part) < 0)
            return ERR_PARSE;
        *(int64_t *)dst = (int64_t)part.varint;
        return 0;
    case FIELD_RAW:
        return read_raw(in, f, pb->bytes, dst);
    case FIELD_MESSAGE:
        return read_message(in, f->type, pb->bytes, (struct place){0}, dst);
    }
    return 0;
}

/* Numbers may come packed: many in one field of bytes. */
static int read_packed(struct pb_in *in, const struct field *f, struct str bytes,
                       struct any_list *list)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.len;

    while (p < end) {
        uint64_t v = 0;
        unsigned n = 0;

        if (f->kind == FIELD_DOUBLE) {
            if (end - p < 8)
                return bad(in, f->name.p, "unexpected EOF");
            for (; n < 8; n++)
                v |= (uint64_t)p[n] << (8 * n);
            p += 8;
        } else {
            do {
                if (p == end || n == 10)
                    return bad(in, f->name.p, "integer overflow");
                v |= (uint64_t)(*p & 0x7f) << (7 * n++);
            } while (*p++ & 0x80);
        }
        read_number(f, v, append(in, list, field_elem_size(f)));
        if (f->kind == FIELD_DOUBLE && !isfinite(((const double *)list->v)[list->n - 1]))
            return bad(in, f->name.p, "not a finite number");
    }
    return 0;
}

static int read_list(struct pb_in *in, const struct field *f, const struct pb_field *pb,
                     struct any_list *list)
{
    if (wire_of(f) != PB_BYTES && pb->wire == PB_BYTES)
        return read_packed(in, f, pb->bytes, list);
    return read_value(in, f, pb, append(in, list, field_elem_size(f)));
}

static int read_entry(struct pb_in *in, const struct field *f, const struct pb_field *pb,
                      struct any_list *map)
{
    char *entry = append(in, map, map_entry_size(f));
    struct pb_reader r = pb_reader(pb->bytes), inner;
    struct pb_field part;
    int rc;

    if (pb->wire != PB_BYTES)
        return bad(in, f->name.p, "wrong wireType");
    *(struct str *)(void *)entry = STR("");
    while ((rc = pb_next(&r, &part, in->err)) > 0) {
        if (part.number == 1 && part.wire == PB_BYTES) {
            *(struct str *)(void *)entry = part.bytes;
        } else if (part.number == 2 && f->card == CARD_MAP) {
            rc = read_value(in, f, &part, entry + MAP_VALUE_OFFSET);
        } else if (part.number == 2 && part.wire == PB_BYTES) {
            inner = pb_reader(part.bytes);
            while ((rc = pb_next(&inner, &part, in->err)) > 0 && part.number == 1) {
                rc = read_list(in, f, &part, (void *)(entry + MAP_VALUE_OFFSET));
                if (rc < 0)
                    return rc;
            }
        }
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_field(struct pb_in *in, const struct field *f, const struct pb_field *pb, void *obj)
{
    void *dst = field_ptr(f, obj);

    switch ((enum field_card)f->card) {
    case CARD_ONE:
        return read_value(in, f, pb, dst);
    case CARD_PTR:
        if (!*(void **)dst)
            *(void **)dst = arena_alloc(in->arena, field_elem_size(f));
        return read_value(in, f, pb, *(void **)dst);
    case CARD_LIST:
        return read_list(in, f, pb, dst);
    case CARD_MAP:
    case CARD_MAP_LIST:
        return read_entry(in, f, pb, dst);
    }
    return 0;
}

/* ---- messages ---- */

/* The number of @f, or of the embedded message that holds it, in the message at @place; 0: not
 * there. */
static uint16_t number_at(const struct field *f, struct place place)
{
    if (f->flags & (FIELD_NO_PROTO | FIELD_TYPE_META))
        return 0;
    if (place.inline1 == 0)
        return f->inline_number ? f->inline_number : f->number;
    if (f->inline_number != place.inline1)
        return 0;
    if (place.inline2 == 0)
        return f->inline_number2 ? f->inline_number2 : f->number;
    return f->inline_number2 == place.inline2 ? f->number : 0;
}

/* Whether @f lies deeper than @place: in an embedded message of it. */
static bool is_deeper(const struct field *f, struct place place)
{
    return place.inline1 == 0 ? f->inline_number != 0
                              : place.inline2 == 0 && f->inline_number2 != 0;
}

/* Fields mostly come in order: the search starts where the last one was found. */
static const struct field *find_number(const struct type *type, struct place place, uint32_t number,
                                       unsigned *hint)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        unsigned at = (*hint + i) % type->n_fields;
        const struct field *f = &type->fields[type->by_number[at]];

        if (number_at(f, place) == number) {
            *hint = at;
            return f;
        }
    }
    return NULL;
}

static int read_embedded(struct pb_in *in, const struct type *type, const struct pb_field *pb,
                         struct place place, void *obj)
{
    if (pb->wire != PB_BYTES)
        return bad(in, type->name, "wrong wireType");
    if (place.inline1 == 0)
        place.inline1 = (uint16_t)pb->number;
    else
        place.inline2 = (uint16_t)pb->number;
    return read_message(in, type, pb->bytes, place, obj);
}

static void sort_maps(const struct type *type, void *obj)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];
        struct any_list *map = field_ptr(f, obj);

        if ((f->card == CARD_MAP || f->card == CARD_MAP_LIST) && map->n > 1)
            map->n = map_sort(f, map->v, map->n);
    }
}

static int read_message(struct pb_in *in, const struct type *type, struct str bytes,
                        struct place place, void *obj)
{
    struct pb_reader r = pb_reader(bytes);
    struct pb_field pb;
    unsigned hint = 0;
    int rc;

    if (++in->depth > TYPED_DEPTH_MAX)
        return bad(in, type->name, "exceeded max depth");
    while ((rc = pb_next(&r, &pb, in->err)) > 0) {
        const struct field *f = find_number(type, place, pb.number, &hint);

        if (in->bytes > TYPED_BYTES_MAX)
            return err_new(in->err, ERR_TOO_LARGE, "proto: %s: too many elements", type->name);
        if (f && is_deeper(f, place))
            rc = read_embedded(in, type, &pb, place, obj);
        else if (f)
            rc = read_field(in, f, &pb, obj);
        if (rc < 0)
            return rc;
    }
    if (rc < 0)
        return rc;
    if (place.inline1 == 0)
        sort_maps(type, obj);
    in->depth--;
    return 0;
}

int typed_from_pb(const struct type *type, struct str bytes, struct arena *a, void *obj,
                  struct err *err)
{
    struct pb_in in = {.arena = a, .err = err};

    return read_message(&in, type, bytes, (struct place){0}, obj);
}

int pb_envelope_open(struct str bytes, struct pb_envelope *ret_env, struct err *err)
{
    struct pb_envelope env = {0};
    struct pb_field f, part;
    struct pb_reader r, inner;
    int rc;

    if (bytes.len < 4 || memcmp(bytes.p, "k8s\0", 4) != 0)
        return err_new(err, ERR_PARSE,
                       "provided data does not appear to be a protobuf message, expected prefix "
                       "[107 56 115 0]");
    r = pb_reader(str_sub(bytes, 4, bytes.len));
    while ((rc = pb_next(&r, &f, err)) > 0) {
        if (f.wire != PB_BYTES)
            continue;
        if (f.number == 2)
            env.raw = f.bytes;
        else if (f.number == 3)
            env.content_encoding = f.bytes;
        else if (f.number == 4)
            env.content_type = f.bytes;
        if (f.number != 1)
            continue;
        inner = pb_reader(f.bytes);
        while ((rc = pb_next(&inner, &part, err)) > 0) {
            if (part.number == 1 && part.wire == PB_BYTES)
                env.api_version = part.bytes;
            else if (part.number == 2 && part.wire == PB_BYTES)
                env.kind = part.bytes;
        }
        if (rc < 0)
            return rc;
    }
    if (rc < 0)
        return rc;
    *ret_env = env;
    return 0;
}
