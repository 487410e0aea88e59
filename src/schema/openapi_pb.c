/* openapi_pb.c - OpenAPI version 2 as messages of gnostic's openapi.v2.Document.
 *
 * Documents of a known shape are copied member by member; a member whose name begins "x-" becomes a
 * vendor extension, whose value is YAML text (JSON is YAML).
 *
 * Layer: schema.
 */
#include "codec/json.h"
#include "codec/pb.h"
#include "schema/openapi_internal.h"

/* How a member of a document becomes a field of a message. */
enum shape {
    SHAPE_STRING,
    SHAPE_BOOL,
    SHAPE_STRINGS,    /* repeated */
    SHAPE_ANY,        /* the value as YAML */
    SHAPE_ANYS,       /* repeated */
    SHAPE_SCHEMA,     /* one schema in the field itself */
    SHAPE_SCHEMA_IN,  /* in field 1 of a message */
    SHAPE_SCHEMAS,    /* repeated */
    SHAPE_TYPE,       /* a TypeItem */
    SHAPE_PROPERTIES, /* Properties */
    SHAPE_PARAMETERS, /* repeated ParametersItem */
    SHAPE_RESPONSES,
    SHAPE_OPERATION,
};
struct mapping {
    const char *key;
    uint32_t number;
    enum shape shape;
};
static const struct mapping schema_map[] = {
    {"$ref", 1, SHAPE_STRING},
    {"format", 2, SHAPE_STRING},
    {"title", 3, SHAPE_STRING},
    {"description", 4, SHAPE_STRING},
    {"default", 5, SHAPE_ANY},
    {"uniqueItems", 16, SHAPE_BOOL},
    {"required", 19, SHAPE_STRINGS},
    {"enum", 20, SHAPE_ANYS},
    {"additionalProperties", 21, SHAPE_SCHEMA_IN},
    {"type", 22, SHAPE_TYPE},
    {"items", 23, SHAPE_SCHEMA_IN},
    {"allOf", 24, SHAPE_SCHEMAS},
    {"properties", 25, SHAPE_PROPERTIES},
    {NULL, 31, SHAPE_ANY},
};
static const struct mapping operation_map[] = {
    {"tags", 1, SHAPE_STRINGS},
    {"description", 3, SHAPE_STRING},
    {"operationId", 5, SHAPE_STRING},
    {"produces", 6, SHAPE_STRINGS},
    {"consumes", 7, SHAPE_STRINGS},
    {"parameters", 8, SHAPE_PARAMETERS},
    {"responses", 9, SHAPE_RESPONSES},
    {"schemes", 10, SHAPE_STRINGS},
    {NULL, 13, SHAPE_ANY},
};
static const struct mapping path_map[] = {
    {"get", 2, SHAPE_OPERATION},     {"put", 3, SHAPE_OPERATION},
    {"post", 4, SHAPE_OPERATION},    {"delete", 5, SHAPE_OPERATION},
    {"options", 6, SHAPE_OPERATION}, {"head", 7, SHAPE_OPERATION},
    {"patch", 8, SHAPE_OPERATION},   {"parameters", 9, SHAPE_PARAMETERS},
    {NULL, 10, SHAPE_ANY},
};
static const struct mapping body_map[] = {
    {"description", 1, SHAPE_STRING}, {"name", 2, SHAPE_STRING},   {"in", 3, SHAPE_STRING},
    {"required", 4, SHAPE_BOOL},      {"schema", 5, SHAPE_SCHEMA}, {NULL, 6, SHAPE_ANY},
};
static const struct mapping query_map[] = {
    {"required", 1, SHAPE_BOOL}, {"in", 2, SHAPE_STRING},   {"description", 3, SHAPE_STRING},
    {"name", 4, SHAPE_STRING},   {"type", 6, SHAPE_STRING}, {"uniqueItems", 20, SHAPE_BOOL},
    {NULL, 23, SHAPE_ANY},
};
static const struct mapping path_param_map[] = {
    {"required", 1, SHAPE_BOOL}, {"in", 2, SHAPE_STRING},   {"description", 3, SHAPE_STRING},
    {"name", 4, SHAPE_STRING},   {"type", 5, SHAPE_STRING}, {"uniqueItems", 19, SHAPE_BOOL},
    {NULL, 22, SHAPE_ANY},
};
static const struct mapping response_map[] = {
    {"description", 1, SHAPE_STRING}, {"schema", 2, SHAPE_SCHEMA_IN}, {NULL, 5, SHAPE_ANY}};
static const struct mapping info_map[] = {
    {"title", 1, SHAPE_STRING}, {"version", 2, SHAPE_STRING}, {NULL, 7, SHAPE_ANY}};
static const struct mapping key_security_map[] = {{"type", 1, SHAPE_STRING},
                                                  {"name", 2, SHAPE_STRING},
                                                  {"in", 3, SHAPE_STRING},
                                                  {"description", 4, SHAPE_STRING},
                                                  {NULL, 5, SHAPE_ANY}};

static void write_message(struct buf *out, const struct mapping *map, const struct doc *d);

/* Any {yaml = 2} in field @number. */
static void write_any(struct buf *out, uint32_t number, const struct doc *d)
{
    size_t mark = pb_begin(out, number);
    auto_buf text = {0};

    json_write(&text, d);
    buf_putc(&text, '\n');
    pb_put_bytes(out, 2, buf_view(&text));
    pb_end(out, mark);
}

static void write_in(struct buf *out, uint32_t number, const struct mapping *map,
                     const struct doc *d)
{
    size_t mark = pb_begin(out, number);

    write_message(out, map, d);
    pb_end(out, mark);
}

/* {name = 1, value = 2} with the message of @d as value. */
static void write_named(struct buf *out, uint32_t number, struct str name,
                        const struct mapping *map, const struct doc *d)
{
    size_t mark = pb_begin(out, number);

    pb_put_bytes(out, 1, name);
    write_in(out, 2, map, d);
    pb_end(out, mark);
}

/* The Parameter of @d: of the body, of the path or of the query. */
static void write_parameter(struct buf *out, uint32_t number, const struct doc *d)
{
    size_t mark = pb_begin(out, number), inner;
    struct str in = doc_path_str(d, "in");

    if (str_eqz(in, "body")) {
        write_in(out, 1, body_map, d);
    } else {
        inner = pb_begin(out, 2);
        if (str_eqz(in, "path"))
            write_in(out, 4, path_param_map, d);
        else
            write_in(out, 3, query_map, d);
        pb_end(out, inner);
    }
    pb_end(out, mark);
}

static void write_parameters(struct buf *out, uint32_t number, const struct doc *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct doc *ref = doc_find(&list->items[i], STR("$ref"));
        size_t mark = pb_begin(out, number), inner;

        if (ref) {
            inner = pb_begin(out, 2);
            pb_put_bytes(out, 1, ref->s);
            pb_end(out, inner);
        } else {
            write_parameter(out, 1, &list->items[i]);
        }
        pb_end(out, mark);
    }
}

static void write_responses(struct buf *out, uint32_t number, const struct doc *d)
{
    size_t mark = pb_begin(out, number);

    for (uint32_t i = 0; i < d->n; i++) {
        size_t named = pb_begin(out, 1), value;

        pb_put_bytes(out, 1, d->members[i].key);
        value = pb_begin(out, 2);
        write_in(out, 1, response_map, &d->members[i].value);
        pb_end(out, value);
        pb_end(out, named);
    }
    pb_end(out, mark);
}

static void write_type(struct buf *out, uint32_t number, const struct doc *d)
{
    size_t mark = pb_begin(out, number);

    pb_put_bytes(out, 1, d->s);
    pb_end(out, mark);
}

static void write_properties(struct buf *out, uint32_t number, const struct doc *d)
{
    size_t mark = pb_begin(out, number);

    for (uint32_t i = 0; i < d->n; i++)
        write_named(out, 1, d->members[i].key, schema_map, &d->members[i].value);
    pb_end(out, mark);
}

static void write_schema_in(struct buf *out, uint32_t number, const struct doc *d)
{
    size_t mark = pb_begin(out, number);

    write_in(out, 1, schema_map, d);
    pb_end(out, mark);
}

static void write_list(struct buf *out, const struct mapping *m, const struct doc *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        if (m->shape == SHAPE_STRINGS)
            pb_put_bytes(out, m->number, d->items[i].s);
        else if (m->shape == SHAPE_ANYS)
            write_any(out, m->number, &d->items[i]);
        else
            write_in(out, m->number, schema_map, &d->items[i]);
    }
}

static void write_field(struct buf *out, const struct mapping *m, const struct doc *d)
{
    switch (m->shape) {
    case SHAPE_STRING:
        pb_put_bytes(out, m->number, d->s);
        return;
    case SHAPE_BOOL:
        if (d->b)
            pb_put_uint(out, m->number, 1);
        return;
    case SHAPE_STRINGS:
    case SHAPE_ANYS:
    case SHAPE_SCHEMAS:
        write_list(out, m, d);
        return;
    case SHAPE_ANY:
        write_any(out, m->number, d);
        return;
    case SHAPE_SCHEMA:
        write_in(out, m->number, schema_map, d);
        return;
    case SHAPE_SCHEMA_IN:
        write_schema_in(out, m->number, d);
        return;
    case SHAPE_TYPE:
        write_type(out, m->number, d);
        return;
    case SHAPE_PROPERTIES:
        write_properties(out, m->number, d);
        return;
    case SHAPE_PARAMETERS:
        write_parameters(out, m->number, d);
        return;
    case SHAPE_RESPONSES:
        write_responses(out, m->number, d);
        return;
    case SHAPE_OPERATION:
        write_in(out, m->number, operation_map, d);
        return;
    }
}

/* The fields of @map that @d has, in their order; then the extensions, in the field of the entry
 * that ends the map. */
static void write_message(struct buf *out, const struct mapping *map, const struct doc *d)
{
    for (; map->key; map++) {
        const struct doc *value = doc_find(d, str_from(map->key));

        if (value)
            write_field(out, map, value);
    }
    for (uint32_t i = 0; i < d->n; i++) {
        size_t mark;

        if (!str_has_prefix(d->members[i].key, STR("x-")))
            continue;
        mark = pb_begin(out, map->number);
        pb_put_bytes(out, 1, d->members[i].key);
        write_any(out, 2, &d->members[i].value);
        pb_end(out, mark);
    }
}

void openapi_pb_path(struct buf *out, struct str path, const struct doc *item)
{
    write_named(out, 2, path, path_map, item);
}

void openapi_pb_schema(struct buf *out, struct str name, const struct doc *schema)
{
    write_named(out, 1, name, schema_map, schema);
}

static void write_security(struct buf *out, const struct doc *head)
{
    const struct doc *needs = doc_find(head, STR("security"));
    const struct doc *kinds = doc_find(head, STR("securityDefinitions"));
    size_t mark, named, value;

    for (uint32_t i = 0; needs && i < needs->n; i++) {
        mark = pb_begin(out, 12);
        named = pb_begin(out, 1);
        pb_put_bytes(out, 1, needs->items[i].members[0].key);
        pb_end(out, pb_begin(out, 2)); /* no scopes */
        pb_end(out, named);
        pb_end(out, mark);
    }
    mark = pb_begin(out, 13);
    for (uint32_t i = 0; kinds && i < kinds->n; i++) {
        named = pb_begin(out, 1);
        pb_put_bytes(out, 1, kinds->members[i].key);
        value = pb_begin(out, 2);
        write_in(out, 2, key_security_map, &kinds->members[i].value);
        pb_end(out, value);
        pb_end(out, named);
    }
    pb_end(out, mark);
}

void openapi_pb_document(struct buf *out, const struct doc *head, struct str paths,
                         struct str definitions)
{
    const struct doc *parameters = doc_find(head, STR("parameters"));
    const struct doc *info = doc_find(head, STR("info"));
    size_t mark;

    pb_put_bytes(out, 1, doc_path_str(head, "swagger"));
    if (info)
        write_in(out, 2, info_map, info);
    pb_put_bytes(out, 8, paths);
    pb_put_bytes(out, 9, definitions);
    mark = pb_begin(out, 10);
    for (uint32_t i = 0; parameters && i < parameters->n; i++) {
        size_t named = pb_begin(out, 1);

        pb_put_bytes(out, 1, parameters->members[i].key);
        write_parameter(out, 2, &parameters->members[i].value);
        pb_end(out, named);
    }
    pb_end(out, mark);
    write_security(out, head);
}
