/* SPDX-License-Identifier: Apache-2.0 */
#include "kubectl/jsonpath_path.h"

#include "base/buf.h"
#include "codec/json.h"

struct path_parser {
    struct str rest;
    int depth; /* of filters */
    struct err *err;
};

static int bad(struct path_parser *p, const char *what)
{
    return err_new(p->err, ERR_BAD_REQUEST, "jsonpath: %s at \"%.*s\"", what, STR_ARG(p->rest));
}

struct str jsonpath_text(struct arena *a, const struct doc *d)
{
    return d->kind == DOC_STRING ? d->s : json_to_str(a, d);
}

static void push(struct jsonpath_nodes *out, const struct doc *d)
{
    if (out->v.n == JSONPATH_NODES_MAX)
        out->overflow = true;
    else
        vec_push(&out->v, d);
}

/* ---- text ---- */

/* Where @at goes on after what stands there: behind the quoted text or the escaped character. */
static size_t skip_one(struct str s, size_t at)
{
    char quote = s.p[at++];

    if (quote == '\\')
        return MIN(at + 1, s.len);
    if (quote != '"' && quote != '\'')
        return at;
    while (at < s.len && s.p[at] != quote)
        at += s.p[at] == '\\' ? 2 : 1;
    return MIN(at + 1, s.len);
}

long jsonpath_find_unquoted(struct str s, char c)
{
    for (size_t i = 0; i < s.len; i = skip_one(s, i)) {
        if (s.p[i] == c)
            return (long)i;
    }
    return -1;
}

static bool quoted(struct str s)
{
    return s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0];
}

/* The length of the bracket that @s begins with, both its ends counted; 0 without end. */
static size_t bracket_len(struct str s)
{
    int open = 0;

    for (size_t i = 0; i < s.len; i = skip_one(s, i)) {
        open += s.p[i] == '[' ? 1 : s.p[i] == ']' ? -1 : 0;
        if (open == 0)
            return i + 1;
    }
    return 0;
}

/* Takes a name off the front: up to "." or "[", with "\." for a dot of the name. */
static struct str take_name(struct str *rest, struct arena *a)
{
    auto_buf b = {0};
    size_t i = 0;

    for (; i < rest->len && rest->p[i] != '.' && rest->p[i] != '['; i++) {
        if (rest->p[i] == '\\' && i + 1 < rest->len)
            i++;
        buf_putc(&b, rest->p[i]);
    }
    *rest = str_sub(*rest, i, rest->len);
    return str_dup(a, buf_view(&b));
}

/* ---- steps: from every node of @in to those that it leads to ---- */

static void step_field(const struct jsonpath_nodes *in, struct str name, struct jsonpath_nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = doc_find(in->v.v[i], name);

        if (d)
            push(out, d);
    }
}

/* What stands in quotes within a bracket: a key as it is, or else a path of names. */
static void step_key(const struct jsonpath_nodes *in, struct str key, struct jsonpath_nodes *out)
{
    auto_arena a = {0};

    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = doc_find(in->v.v[i], key);
        struct str rest = key;

        if (!d) {
            d = in->v.v[i];
            if (str_has_prefix(rest, STR(".")))
                rest = str_sub(rest, 1, rest.len);
            while (d && rest.len > 0) {
                d = doc_find(d, take_name(&rest, &a));
                rest = str_sub(rest, 1, rest.len);
            }
        }
        if (d)
            push(out, d);
    }
}

static void step_all(const struct jsonpath_nodes *in, struct jsonpath_nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = in->v.v[i];

        for (uint32_t k = 0; d->kind == DOC_ARRAY && k < d->n; k++)
            push(out, &d->items[k]);
        for (uint32_t k = 0; d->kind == DOC_OBJECT && k < d->n; k++)
            push(out, &d->members[k].value);
    }
}

/* Every object and array that is not empty, those within after the one around them. */
static void step_recursive(const struct jsonpath_nodes *in, struct jsonpath_nodes *out)
{
    VEC(const struct doc *) open = {0};

    for (size_t i = in->v.n; i > 0; i--)
        vec_push(&open, in->v.v[i - 1]);
    while (open.n > 0) {
        const struct doc *d = open.v[--open.n];

        if ((d->kind != DOC_ARRAY && d->kind != DOC_OBJECT) || d->n == 0)
            continue;
        push(out, d);
        for (uint32_t k = d->n; k > 0; k--)
            vec_push(&open, d->kind == DOC_ARRAY ? &d->items[k - 1] : &d->members[k - 1].value);
    }
    vec_deinit(&open);
}

struct slice {
    int64_t from, to, step;
    bool has_from, has_to;
};

static int64_t from_end(int64_t at, bool given, int64_t otherwise, int64_t n)
{
    if (!given)
        return otherwise;
    at = at < 0 ? MAX(at, -n) + n : at;
    return MIN(at, n);
}

static void step_slice(const struct jsonpath_nodes *in, const struct slice *s,
                       struct jsonpath_nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = in->v.v[i];
        int64_t n = d->kind == DOC_ARRAY ? d->n : 0;
        int64_t to = from_end(s->to, s->has_to, n, n);

        for (int64_t k = from_end(s->from, s->has_from, 0, n); k < to; k += MIN(s->step, n))
            push(out, &d->items[k]);
    }
}

static void step_index(const struct jsonpath_nodes *in, int64_t at, struct jsonpath_nodes *out)
{
    for (size_t i = 0; i < in->v.n; i++) {
        const struct doc *d = in->v.v[i];
        int64_t index = d->kind == DOC_ARRAY && at < 0 ? (int64_t)d->n + at : at;

        if (d->kind == DOC_ARRAY && index >= 0 && index < (int64_t)d->n)
            push(out, &d->items[index]);
    }
}

/* "1:3", ":2", "-1:", "::2" */
static bool parse_slice(struct str s, struct slice *ret_s)
{
    struct str from, to, step;

    from = str_trim(str_cut(s, ':', &s));
    to = str_trim(str_cut(s, ':', &step));
    step = str_trim(step);
    *ret_s = (struct slice){.step = 1, .has_from = from.len > 0, .has_to = to.len > 0};
    return (from.len == 0 || str_to_i64(from, &ret_s->from)) &&
           (to.len == 0 || str_to_i64(to, &ret_s->to)) &&
           (step.len == 0 || (str_to_i64(step, &ret_s->step) && ret_s->step > 0));
}

/* ---- filters ---- */

static const char *const operators[] = {"==", "!=", "<=", ">=", "<", ">"};
enum operator_ { OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT, OP_EXISTS };

static enum operator_ find_operator(struct str filter, struct str *ret_left, struct str *ret_right)
{
    for (size_t i = 0, len; i < filter.len; i = len > 0 ? i + len : skip_one(filter, i)) {
        struct str here = str_sub(filter, i, filter.len);

        len = filter.p[i] == '[' ? bracket_len(here) : 0; /* signs within it are not ours */
        for (size_t op = 0; op < ARRAY_LEN(operators); op++) {
            struct str sign = str_from(operators[op]);

            if (!str_has_prefix(here, sign))
                continue;
            *ret_left = str_trim(str_sub(filter, 0, i));
            *ret_right = str_trim(str_sub(here, sign.len, here.len));
            return (enum operator_)op;
        }
    }
    *ret_left = filter;
    *ret_right = STR_NULL;
    return OP_EXISTS;
}

static bool number_of(const struct doc *d, double *ret_v)
{
    if (d->kind != DOC_INT && d->kind != DOC_DOUBLE)
        return false;
    *ret_v = d->kind == DOC_INT ? (double)d->i : d->d;
    return true;
}

static bool holds(const struct doc *l, enum operator_ op, const struct doc *r)
{
    auto_arena a = {0};
    double x, y;
    bool numbers = number_of(l, &x) && number_of(r, &y);
    int c = numbers ? (x > y) - (x < y) : str_cmp(jsonpath_text(&a, l), jsonpath_text(&a, r));

    switch (op) {
    case OP_EQ:
        return c == 0;
    case OP_NE:
        return c != 0;
    case OP_LE:
        return c <= 0;
    case OP_GE:
        return c >= 0;
    case OP_LT:
        return c < 0;
    case OP_GT:
        return c > 0;
    case OP_EXISTS:
        return true;
    }
    return false;
}

static int follow(struct path_parser p, const struct doc *start, struct jsonpath_nodes *ret_nodes);

/* One side of a comparison: the first node of a path from @item, or a literal; NULL: none. */
static int side(struct path_parser *p, struct str text, const struct doc *item, struct arena *a,
                const struct doc **ret_d)
{
    struct doc literal;
    struct err err = {0};
    struct jsonpath_nodes n;
    int r;

    if (str_has_prefix(text, STR("@"))) {
        r = follow((struct path_parser){text, p->depth + 1, p->err}, item, &n);
        *ret_d = n.v.n > 0 ? n.v.v[0] : NULL;
        vec_deinit(&n.v);
        return r;
    }
    if (quoted(text))
        literal = doc_string(str_sub(text, 1, text.len - 2));
    else if (json_parse(text, a, &literal, NULL, &err) < 0)
        return bad(p, "a filter compares @ paths, numbers and quoted text");
    *ret_d = arena_box(a, literal);
    return 0;
}

/* ?(@.path=="value"), another comparison, or a bare path: keeps the items for which it holds. */
static int step_filter(struct path_parser *p, const struct jsonpath_nodes *in, struct str filter,
                       struct jsonpath_nodes *out)
{
    auto_arena a = {0};
    struct jsonpath_nodes all = {0};
    struct str left, right;
    enum operator_ op = find_operator(filter, &left, &right);
    int r = 0;

    if (p->depth == JSONPATH_FILTERS_MAX)
        return bad(p, "filters nest too deep");
    if (!str_has_prefix(left, STR("@")))
        return bad(p, "a filter must begin with @");
    step_all(in, &all);
    for (size_t i = 0; r == 0 && i < all.v.n; i++) {
        const struct doc *l = NULL, *v = NULL;

        r = side(p, left, all.v.v[i], &a, &l);
        if (r == 0 && op != OP_EXISTS)
            r = side(p, right, all.v.v[i], &a, &v);
        if (r == 0 && l && (op == OP_EXISTS || (v && holds(l, op, v))))
            push(out, all.v.v[i]);
    }
    vec_deinit(&all.v);
    return r;
}

/* ---- the path ---- */

/* One of the things that a bracket names between commas. */
static int step_choice(struct path_parser *p, const struct jsonpath_nodes *in, struct str choice,
                       struct jsonpath_nodes *out)
{
    struct slice slice;
    int64_t index;

    if (str_eq(choice, STR("*")))
        step_all(in, out);
    else if (quoted(choice))
        step_key(in, str_sub(choice, 1, choice.len - 2), out);
    else if (str_to_i64(choice, &index))
        step_index(in, index, out);
    else if (str_find_char(choice, ':') >= 0 && parse_slice(choice, &slice))
        step_slice(in, &slice, out);
    else
        return bad(p, "bad index");
    return 0;
}

static int step_bracket(struct path_parser *p, const struct jsonpath_nodes *in,
                        struct jsonpath_nodes *out)
{
    size_t len = bracket_len(p->rest);
    struct str inner;
    int r = 0;

    if (len == 0)
        return bad(p, "bracket without end");
    inner = str_trim(str_sub(p->rest, 1, len - 2));
    p->rest = str_sub(p->rest, len, p->rest.len);
    if (str_has_prefix(inner, STR("?(")) && str_has_suffix(inner, STR(")")))
        return step_filter(p, in, str_trim(str_sub(inner, 2, inner.len - 3)), out);
    for (bool more = true; r == 0 && more;) {
        long comma = jsonpath_find_unquoted(inner, ',');
        struct str choice = comma < 0 ? inner : str_sub(inner, 0, (size_t)comma);

        more = comma >= 0;
        inner = str_sub(inner, (size_t)(comma + 1), inner.len);
        r = step_choice(p, in, str_trim(choice), out);
    }
    return r;
}

static int step(struct path_parser *p, const struct jsonpath_nodes *in, struct jsonpath_nodes *out)
{
    auto_arena a = {0};
    char first = p->rest.p[0];
    struct str name = STR_NULL;

    if (first == '[')
        return step_bracket(p, in, out);
    if (first != '.' && first != '$' && first != '@')
        return bad(p, "unexpected text");
    p->rest = str_sub(p->rest, 1, p->rest.len);
    if (first == '.' && str_has_prefix(p->rest, STR("."))) {
        step_recursive(in, out);
        return 0;
    }
    if (first == '.')
        name = take_name(&p->rest, &a);
    if (str_eq(name, STR("*")))
        step_all(in, out);
    else if (name.len > 0)
        step_field(in, name, out);
    else
        for (size_t i = 0; i < in->v.n; i++)
            push(out, in->v.v[i]);
    return 0;
}

static int follow(struct path_parser p, const struct doc *start, struct jsonpath_nodes *ret_nodes)
{
    struct jsonpath_nodes now = {0};
    int r = 0;

    push(&now, start);
    while (r == 0 && p.rest.len > 0) {
        struct jsonpath_nodes next = {0};

        r = step(&p, &now, &next);
        vec_deinit(&now.v);
        now = next;
        if (r == 0 && now.overflow)
            r = err_new(p.err, ERR_TOO_LARGE, "jsonpath: more than %d values",
                        JSONPATH_NODES_MAX);
    }
    *ret_nodes = now;
    return r;
}

int jsonpath_follow(struct str path, const struct doc *start, struct jsonpath_nodes *ret_nodes,
                    struct err *err)
{
    return follow((struct path_parser){path, 0, err}, start, ret_nodes);
}
