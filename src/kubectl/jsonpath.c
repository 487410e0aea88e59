/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath.c - the JSONPath templates of kubectl: text, {.a.b}, {.a[0]}, {.a[*].b}, {.a['x.y']},
 * {.a[?(@.type=="Ready")].status}, {range .items[*]}...{end}, {"\n"}. */
#include "kubectl/kubectl.h"

#include "base/vec.h"
#include "codec/json.h"

enum { NEST_MAX = 8 };

struct nodes { /* what an expression has reached */
    VEC(const struct doc *) v;
};
struct path_parser {
    struct str rest;
    struct err *err;
};

static int bad(struct path_parser *p, const char *what)
{
    return err_new(p->err, ERR_BAD_REQUEST, "jsonpath: %s at \"%.*s\"", what, STR_ARG(p->rest));
}

static void step_field(struct nodes *in, struct str name, struct nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = doc_find(in->v.v[i], name);

        if (d)
            vec_push(&out->v, d);
    }
}

static void step_all(struct nodes *in, struct nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = in->v.v[i];

        for (uint32_t k = 0; d->kind == DOC_ARRAY && k < d->n; k++)
            vec_push(&out->v, &d->items[k]);
        for (uint32_t k = 0; d->kind == DOC_OBJECT && k < d->n; k++)
            vec_push(&out->v, &d->members[k].value);
    }
}

static void step_index(struct nodes *in, int64_t at, struct nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = in->v.v[i];
        int64_t index = d->kind == DOC_ARRAY && at < 0 ? (int64_t)d->n + at : at;

        if (d->kind == DOC_ARRAY && index >= 0 && index < (int64_t)d->n)
            vec_push(&out->v, &d->items[index]);
    }
}

static struct str text_of(struct arena *a, const struct doc *d)
{
    return d->kind == DOC_STRING ? d->s : json_to_str(a, d);
}

/* ?(@.path=="value") or != or a bare path: keeps the items for which it holds. */
static int step_filter(struct path_parser *p, struct nodes *in, struct str filter,
                       struct nodes *out)
{
    auto_arena a = {0};
    struct nodes all = {0};
    long eq = str_find(filter, STR("==")), ne = str_find(filter, STR("!="));
    struct str path = filter, value = STR_NULL;
    bool equal = eq >= 0;

    if (eq >= 0 || ne >= 0) {
        size_t at = (size_t)(eq >= 0 ? eq : ne);

        path = str_trim(str_sub(filter, 0, at));
        value = str_trim(str_sub(filter, at + 2, filter.len));
        if (value.len >= 2 && (value.p[0] == '"' || value.p[0] == '\''))
            value = str_sub(value, 1, value.len - 2);
    }
    if (!str_has_prefix(path, STR("@.")))
        return bad(p, "a filter must begin with @.");
    path = str_sub(path, 2, path.len);
    step_all(in, &all);
    for (size_t i = 0; i < all.v.n; i++) {
        const struct doc *d = doc_path(all.v.v[i], str_dupz(&a, path));
        bool same = d && str_eq(text_of(&a, d), value);

        if (value.p ? d && same == equal : d != NULL)
            vec_push(&out->v, all.v.v[i]);
    }
    vec_deinit(&all.v);
    return 0;
}

static int step_bracket(struct path_parser *p, struct nodes *in, struct nodes *out)
{
    long end = str_find_char(p->rest, ']');
    struct str inner;
    int64_t index;

    if (str_has_prefix(p->rest, STR("[?("))) {
        end = str_find(p->rest, STR(")]"));
        if (end < 0)
            return bad(p, "filter without end");
        inner = str_sub(p->rest, 3, (size_t)end - 3);
        p->rest = str_sub(p->rest, (size_t)end + 2, p->rest.len);
        return step_filter(p, in, str_trim(inner), out);
    }
    if (end < 0)
        return bad(p, "bracket without end");
    inner = str_trim(str_sub(p->rest, 1, (size_t)end - 1));
    p->rest = str_sub(p->rest, (size_t)end + 1, p->rest.len);
    if (str_eq(inner, STR("*")))
        step_all(in, out);
    else if (inner.len >= 2 && (inner.p[0] == '\'' || inner.p[0] == '"'))
        step_field(in, str_sub(inner, 1, inner.len - 2), out);
    else if (str_to_i64(inner, &index))
        step_index(in, index, out);
    else
        return bad(p, "bad index");
    return 0;
}

static struct str take_name(struct path_parser *p, struct arena *a)
{
    auto_buf b = {0};
    size_t i = 0;

    for (; i < p->rest.len && p->rest.p[i] != '.' && p->rest.p[i] != '['; i++) {
        if (p->rest.p[i] == '\\' && i + 1 < p->rest.len)
            i++; /* "\." is a dot of the name */
        buf_putc(&b, p->rest.p[i]);
    }
    p->rest = str_sub(p->rest, i, p->rest.len);
    return str_dup(a, buf_view(&b));
}

/* Follows a path from @start; @ret_out collects what it reaches. */
static int follow(struct str path, const struct doc *start, struct nodes *ret_out, struct err *err)
{
    auto_arena a = {0};
    struct path_parser p = {path, err};
    struct nodes now = {0};
    int r = 0;

    vec_push(&now.v, start);
    while (r == 0 && p.rest.len > 0) {
        struct nodes next = {0};

        if (p.rest.p[0] == '[') {
            r = step_bracket(&p, &now, &next);
        } else if (p.rest.p[0] == '.' || p.rest.p[0] == '$' || p.rest.p[0] == '@') {
            struct str name;

            p.rest = str_sub(p.rest, 1, p.rest.len);
            name = take_name(&p, &a);
            if (str_eq(name, STR("*")))
                step_all(&now, &next);
            else if (name.len > 0)
                step_field(&now, name, &next);
            else
                for (size_t i = 0; i < now.v.n; i++)
                    vec_push(&next.v, now.v.v[i]);
        } else {
            r = bad(&p, "unexpected text");
        }
        vec_deinit(&now.v);
        now = next;
    }
    *ret_out = now;
    return r;
}

static void print_nodes(const struct nodes *n, struct buf *out)
{
    auto_arena a = {0};

    for (size_t i = 0; i < n->v.n; i++) {
        if (i > 0)
            buf_putc(out, ' ');
        buf_str(out, text_of(&a, n->v.v[i]));
    }
}

static void print_quoted(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];

        if (c == '\\' && i + 1 < text.len) {
            c = text.p[++i];
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
        }
        buf_putc(out, c);
    }
}

/* The text between "{range ...}" and its "{end}"; @ret_rest is what follows. */
static bool find_end(struct str text, struct str *ret_body, struct str *ret_rest)
{
    int depth = 1;

    for (size_t i = 0; i < text.len; i++) {
        struct str here = str_sub(text, i, text.len);

        if (str_has_prefix(here, STR("{range ")))
            depth++;
        if (str_has_prefix(here, STR("{end}")) && --depth == 0) {
            *ret_body = str_sub(text, 0, i);
            *ret_rest = str_sub(text, i + 5, text.len);
            return true;
        }
    }
    return false;
}

static int print_template(struct str t, const struct doc *d, int depth, struct buf *out,
                          struct err *err);

static int print_range(struct str path, struct str body, const struct doc *d, int depth,
                       struct buf *out, struct err *err)
{
    struct nodes n = {0};
    int r = follow(path, d, &n, err);

    for (size_t i = 0; r == 0 && i < n.v.n; i++)
        r = print_template(body, n.v.v[i], depth + 1, out, err);
    vec_deinit(&n.v);
    return r;
}

/* One "{...}" without its braces; *@rest is what follows it in the template. */
static int print_expression(struct str e, struct str *rest, const struct doc *d, int depth,
                            struct buf *out, struct err *err)
{
    struct nodes n = {0};
    struct str body;
    int r;

    if (e.len >= 2 && (e.p[0] == '"' || e.p[0] == '\'')) {
        print_quoted(str_sub(e, 1, e.len - 2), out);
        return 0;
    }
    if (str_has_prefix(e, STR("range "))) {
        if (!find_end(*rest, &body, rest))
            return err_new(err, ERR_BAD_REQUEST, "jsonpath: range without end");
        return print_range(str_trim(str_sub(e, 6, e.len)), body, d, depth, out, err);
    }
    r = follow(e, d, &n, err);
    if (r == 0)
        print_nodes(&n, out);
    vec_deinit(&n.v);
    return r;
}

static int print_template(struct str t, const struct doc *d, int depth, struct buf *out,
                          struct err *err)
{
    if (depth > NEST_MAX)
        return err_new(err, ERR_BAD_REQUEST, "jsonpath: ranges nest too deep");
    while (t.len > 0) {
        long open = str_find_char(t, '{'), close;
        struct str e;
        int r;

        if (open < 0) {
            buf_str(out, t);
            return 0;
        }
        buf_str(out, str_sub(t, 0, (size_t)open));
        t = str_sub(t, (size_t)open + 1, t.len);
        close = str_find_char(t, '}');
        if (close < 0)
            return err_new(err, ERR_BAD_REQUEST, "jsonpath: { without }");
        e = str_trim(str_sub(t, 0, (size_t)close));
        t = str_sub(t, (size_t)close + 1, t.len);
        r = print_expression(e, &t, d, depth, out, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int jsonpath_print(struct str template_, const struct doc *d, struct buf *out, struct err *err)
{
    return print_template(template_, d, 0, out, err);
}
