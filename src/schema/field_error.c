/* field_error.c - validation errors and the texts they become. Layer: schema. */
#include "schema/field_error.h"
#include "base/map.h"
#include "codec/json.h"

enum { PATH_DEPTH_MAX = 2048, ERRORS_CAP_FIRST = 8 };

static const struct {
    const char *reason, *text;
} error_types[] = {
    [FIELD_ERROR_REQUIRED] = {"FieldValueRequired", "Required value"},
    [FIELD_ERROR_INVALID] = {"FieldValueInvalid", "Invalid value"},
    [FIELD_ERROR_NOT_SUPPORTED] = {"FieldValueNotSupported", "Unsupported value"},
    [FIELD_ERROR_FORBIDDEN] = {"FieldValueForbidden", "Forbidden"},
    [FIELD_ERROR_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value"},
    [FIELD_ERROR_TOO_LONG] = {"FieldValueTooLong", "Too long"},
    [FIELD_ERROR_TOO_MANY] = {"FieldValueTooMany", "Too many"},
    [FIELD_ERROR_NOT_FOUND] = {"FieldValueNotFound", "Not found"},
    [FIELD_ERROR_TOO_SHORT] = {"FieldValueTooShort", "Too short"},
    [FIELD_ERROR_TOO_FEW] = {"FieldValueTooFew", "Too few"},
    [FIELD_ERROR_TYPE_INVALID] = {"FieldValueTypeInvalid", "Invalid value"},
    [FIELD_ERROR_INTERNAL] = {"InternalError", "Internal error"},
};

const char *field_error_reason(enum field_error_type type)
{
    return error_types[type].reason;
}

static void write_link(struct buf *out, const struct path *p)
{
    if (p->index >= 0) {
        buf_printf(out, "[%lld]", (long long)p->index);
    } else if (p->is_key) {
        buf_putc(out, '[');
        buf_str(out, p->name);
        buf_putc(out, ']');
    } else {
        if (p->parent)
            buf_putc(out, '.');
        buf_str(out, p->name);
    }
}

void path_write(struct buf *out, const struct path *p)
{
    const struct path *links[PATH_DEPTH_MAX];
    size_t n = 0;

    for (; p && n < PATH_DEPTH_MAX; p = p->parent)
        links[n++] = p;
    while (n > 0)
        write_link(out, links[--n]);
}

static struct str take_text(struct arena *a, const struct buf *b)
{
    return str_dup(a, buf_view(b));
}

/* Adds one error whose body is in @body; the path of nothing prints as Go prints nil. */
static void add(struct field_errors *e, enum field_error_type type, const struct path *p,
                const struct buf *body)
{
    auto_buf path = {0};
    struct field_error *at;

    if (e->n == FIELD_ERRORS_MAX)
        return;
    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : ERRORS_CAP_FIRST;

        e->v = arena_grow(e->arena, e->v, e->n, cap, sizeof(*e->v));
        e->cap = cap;
    }
    if (p)
        path_write(&path, p);
    else
        buf_puts(&path, "<nil>");
    at = &e->v[e->n++];
    at->type = type;
    at->field = take_text(e->arena, &path);
    at->body = take_text(e->arena, body);
}

static void write_detail(struct buf *body, const char *detail)
{
    if (detail && detail[0]) {
        buf_puts(body, ": ");
        buf_puts(body, detail);
    }
}

static void write_vdetail(struct buf *body, const char *fmt, va_list args)
{
    auto_arena a = {0};

    write_detail(body, arena_vprintf(&a, NULL, fmt, args));
}

static void write_value(struct buf *body, enum field_error_type type, struct doc value)
{
    buf_puts(body, error_types[type].text);
    buf_puts(body, ": ");
    if (value.kind == DOC_STRING)
        json_go_quote(body, value.s);
    else
        json_write(body, &value);
}

void err_required(struct field_errors *e, const struct path *p, const char *detail)
{
    auto_buf body = {0};

    buf_puts(&body, error_types[FIELD_ERROR_REQUIRED].text);
    write_detail(&body, detail);
    add(e, FIELD_ERROR_REQUIRED, p, &body);
}

void err_invalid(struct field_errors *e, const struct path *p, struct doc value, const char *fmt,
                 ...)
{
    auto_buf body = {0};
    va_list args;

    write_value(&body, FIELD_ERROR_INVALID, value);
    va_start(args, fmt);
    write_vdetail(&body, fmt, args);
    va_end(args);
    add(e, FIELD_ERROR_INVALID, p, &body);
}

static int cmp_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

void err_not_supported(struct field_errors *e, const struct path *p, struct str value,
                       const char *const *supported)
{
    auto_buf body = {0};
    auto_arena a = {0};
    const char **sorted;
    size_t n = 0;

    while (supported && supported[n])
        n++;
    write_value(&body, FIELD_ERROR_NOT_SUPPORTED, doc_string(value));
    if (n) {
        sorted = arena_calloc(&a, n, sizeof(*sorted));
        memcpy(sorted, supported, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), cmp_text);
        buf_puts(&body, ": supported values: ");
        for (size_t i = 0; i < n; i++) {
            if (i)
                buf_puts(&body, ", ");
            json_go_quote(&body, str_from(sorted[i]));
        }
    }
    add(e, FIELD_ERROR_NOT_SUPPORTED, p, &body);
}

void err_forbidden(struct field_errors *e, const struct path *p, const char *fmt, ...)
{
    auto_buf body = {0};
    va_list args;

    buf_puts(&body, error_types[FIELD_ERROR_FORBIDDEN].text);
    va_start(args, fmt);
    write_vdetail(&body, fmt, args);
    va_end(args);
    add(e, FIELD_ERROR_FORBIDDEN, p, &body);
}

void err_duplicate(struct field_errors *e, const struct path *p, struct doc value)
{
    auto_buf body = {0};

    write_value(&body, FIELD_ERROR_DUPLICATE, value);
    add(e, FIELD_ERROR_DUPLICATE, p, &body);
}

void err_not_found(struct field_errors *e, const struct path *p, struct doc value)
{
    auto_buf body = {0};

    write_value(&body, FIELD_ERROR_NOT_FOUND, value);
    add(e, FIELD_ERROR_NOT_FOUND, p, &body);
}

void err_too_long(struct field_errors *e, const struct path *p, size_t max_bytes)
{
    auto_buf body = {0};

    buf_printf(&body, "%s: may not be more than %zu %s", error_types[FIELD_ERROR_TOO_LONG].text,
               max_bytes, max_bytes == 1 ? "byte" : "bytes");
    add(e, FIELD_ERROR_TOO_LONG, p, &body);
}

void err_too_many(struct field_errors *e, const struct path *p, size_t n, size_t max)
{
    auto_buf body = {0};

    buf_printf(&body, "%s: %zu: must have at most %zu %s", error_types[FIELD_ERROR_TOO_MANY].text,
               n, max, max == 1 ? "item" : "items");
    add(e, FIELD_ERROR_TOO_MANY, p, &body);
}

void err_add(struct field_errors *e, enum field_error_type type, const struct path *p,
             const char *body_fmt, ...)
{
    auto_buf body = {0};
    auto_arena a = {0};
    va_list args;

    va_start(args, body_fmt);
    buf_puts(&body, arena_vprintf(&a, NULL, body_fmt, args));
    va_end(args);
    add(e, type, p, &body);
}

struct str field_errors_message(const struct field_errors *e)
{
    auto_buf list = {0};
    auto_buf text = {0};
    struct map seen = {0};
    struct str list_text;

    for (size_t i = 0; i < e->n; i++) {
        buf_reset(&text);
        buf_str(&text, e->v[i].field);
        buf_puts(&text, ": ");
        buf_str(&text, e->v[i].body);
        if (map_set(&seen, buf_view(&text), &e->v[i]))
            continue;
        if (list.len)
            buf_puts(&list, ", ");
        buf_str(&list, buf_view(&text));
    }
    list_text = buf_view(&list);
    if (seen.n > 1)
        list_text = str_printf(e->arena, "[%.*s]", STR_ARG(list_text));
    else
        list_text = str_dup(e->arena, list_text);
    map_deinit(&seen);
    return list_text;
}
