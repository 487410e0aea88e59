/* table.c - objects as rows of a Table, by the columns of their resource. */
#include "apiserver/table.h"
#include "codec/json.h"
#include "codec/timefmt.h"
#include "schema/typed.h"

/* What kinds without columns of their own show. */
static const struct column default_columns[] = {
    {.name = "Name", .type = "string", .format = "name", .path = "metadata.name",
     .doc = "Name of the object, unique among its kind within its namespace."},
    {.name = "Created At", .type = "date", .path = "metadata.creationTimestamp",
     .doc = "When the server made the object, RFC 3339 in UTC."},
};

static const struct column *columns_of(const struct resource *res, size_t *ret_n)
{
    *ret_n = res->n_columns ? res->n_columns : ARRAY_LEN(default_columns);
    return res->n_columns ? res->columns : default_columns;
}

static void write_columns(const struct resource *res, struct buf *out)
{
    size_t n;
    const struct column *columns = columns_of(res, &n);

    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        const struct column *c = &columns[i];

        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(out, str_from(c->name));
        buf_puts(out, ",\"type\":");
        json_write_string(out, str_from(c->type));
        buf_puts(out, ",\"format\":");
        json_write_string(out, str_from(c->format ? c->format : ""));
        buf_puts(out, ",\"description\":");
        json_write_string(out, str_from(c->doc ? c->doc : ""));
        buf_printf(out, ",\"priority\":%d}", (int)c->priority);
    }
    buf_putc(out, ']');
}

void table_head(const struct view *v, const struct list_meta *m, bool columns, struct buf *out)
{
    buf_puts(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{");
    if (m->revision > 0) /* what was computed has none, nor pages */
        buf_printf(out, "\"resourceVersion\":\"%lld\"", (long long)m->revision);
    if (m->next.len) {
        buf_puts(out, ",\"continue\":");
        json_write_string(out, m->next);
    }
    if (m->remaining >= 0)
        buf_printf(out, ",\"remainingItemCount\":%lld", (long long)m->remaining);
    buf_puts(out, "},\"columnDefinitions\":");
    if (columns)
        write_columns(v->res, out);
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"rows\":[");
}

void table_tail(struct buf *out)
{
    buf_puts(out, "]}");
}

/* The scalar at the path of @c, in the JSON type of the column. */
static struct doc path_cell(const struct column *c, const struct view *v, const void *obj,
                            struct arena *a)
{
    struct str text = typed_path_text(v->res->type, obj, c->path, a);
    bool own = c != default_columns && c != default_columns + 1;
    struct time_value t;
    auto_buf age = {0};
    int64_t i;

    if (strcmp(c->type, "integer") == 0)
        return str_to_i64(text, &i) ? doc_int(i) : doc_int(0);
    if (strcmp(c->type, "boolean") == 0)
        return doc_bool(str_eqz(text, "true"));
    if (own && strcmp(c->type, "date") == 0) {
        if (text.len == 0 || time_parse(text, &t, NULL) < 0)
            return doc_string(STR("<unknown>"));
        duration_write_human(&age, v->now_sec - t.sec);
        return doc_string(str_dup(a, buf_view(&age)));
    }
    return doc_string(text.p ? text : STR(""));
}

static void write_cells(const struct view *v, struct object *o, struct buf *out)
{
    auto_arena a = {0};
    struct table_ctx ctx = {.now_sec = v->now_sec, .arena = &a};
    size_t n;
    const struct column *columns = columns_of(v->res, &n);
    const void *obj = object_typed_in(o, &a);

    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        struct doc cell = columns[i].cell ? columns[i].cell(obj, &ctx)
                                          : path_cell(&columns[i], v, obj, &a);

        if (i)
            buf_putc(out, ',');
        json_write(out, &cell);
    }
    buf_putc(out, ']');
}

void table_row(const struct view *v, struct object *o, struct buf *out)
{
    buf_puts(out, "{\"cells\":");
    write_cells(v, o, out);
    buf_puts(out, ",\"object\":");
    switch (v->include) {
    case INCLUDE_NONE:
        buf_puts(out, "null");
        break;
    case INCLUDE_OBJECT:
        object_write_json(o, out);
        break;
    default:
        buf_puts(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                      "\"metadata\":");
        buf_str(out, json_member(o->json, "metadata"));
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

void table_single(const struct view *v, struct object *o, bool columns, struct buf *out)
{
    struct list_meta m = {.revision = o->revision, .remaining = -1};

    table_head(v, &m, columns, out);
    table_row(v, o, out);
    table_tail(out);
}
