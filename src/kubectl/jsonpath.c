/* SPDX-License-Identifier: Apache-2.0 */
/* jsonpath.c - the JSONPath templates of kubectl: text, {path}, {"text\n"},
 * {range path}...{end}. */
#include "kubectl/kubectl.h"

#include "kubectl/jsonpath_path.h"

enum { NEST_MAX = 8 };

struct action { /* the next "{...}" of a template */
    struct str before, inner, rest; /* text up to it, what it has inside, what follows it */
};

/* False if no action is left; ret_a->before is all then. ERR_BAD_REQUEST by *@ret_r. */
static bool next_action(struct str t, struct action *ret_a, int *ret_r, struct err *err)
{
    long open = str_find_char(t, '{'), close;

    *ret_r = 0;
    *ret_a = (struct action){.before = t};
    if (open < 0)
        return false;
    ret_a->before = str_sub(t, 0, (size_t)open);
    t = str_sub(t, (size_t)open + 1, t.len);
    close = jsonpath_find_unquoted(t, '}');
    if (close < 0) {
        *ret_r = err_new(err, ERR_BAD_REQUEST, "jsonpath: { without }");
        return false;
    }
    ret_a->inner = str_trim(str_sub(t, 0, (size_t)close));
    ret_a->rest = str_sub(t, (size_t)close + 1, t.len);
    return true;
}

static int print_path(struct str path, const struct doc *d, struct buf *out, struct err *err)
{
    auto_arena a = {0};
    struct jsonpath_nodes n;
    int r = jsonpath_follow(path, d, &n, err);

    for (size_t i = 0; r == 0 && i < n.v.n; i++) {
        if (i > 0)
            buf_putc(out, ' ');
        buf_str(out, jsonpath_text(&a, n.v.v[i]));
    }
    vec_deinit(&n.v);
    return r;
}

static void print_quoted(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];

        if (c == '\\' && i + 1 < text.len) {
            c = text.p[++i];
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
        }
        buf_putc(out, c);
    }
}

/* The text between "{range ...}" and its "{end}"; @ret_rest is what follows. */
static int find_end(struct str text, struct str *ret_body, struct str *ret_rest, struct err *err)
{
    struct action a;
    struct str t = text;
    int depth = 1, r;

    for (; next_action(t, &a, &r, err); t = a.rest) {
        if (str_has_prefix(a.inner, STR("range ")))
            depth++;
        if (str_eq(a.inner, STR("end")) && --depth == 0) {
            *ret_body = str_sub(text, 0, (size_t)(a.before.p + a.before.len - text.p));
            *ret_rest = a.rest;
            return 0;
        }
    }
    return r < 0 ? r : err_new(err, ERR_BAD_REQUEST, "jsonpath: range without end");
}

static int print_template(struct str t, const struct doc *d, int depth, struct buf *out,
                          struct err *err);

static int print_range(struct str path, struct str body, const struct doc *d, int depth,
                       struct buf *out, struct err *err)
{
    struct jsonpath_nodes n;
    int r = jsonpath_follow(path, d, &n, err);

    for (size_t i = 0; r == 0 && i < n.v.n; i++)
        r = print_template(body, n.v.v[i], depth + 1, out, err);
    vec_deinit(&n.v);
    return r;
}

/* One action; *@rest is what follows it in the template, moved behind the end of a range. */
static int print_action(struct str e, struct str *rest, const struct doc *d, int depth,
                        struct buf *out, struct err *err)
{
    struct str body;
    int r;

    if (e.len >= 2 && (e.p[0] == '"' || e.p[0] == '\'')) {
        print_quoted(str_sub(e, 1, e.len - 2), out);
        return 0;
    }
    if (!str_has_prefix(e, STR("range ")))
        return print_path(e, d, out, err);
    r = find_end(*rest, &body, rest, err);
    if (r < 0)
        return r;
    return print_range(str_trim(str_sub(e, 6, e.len)), body, d, depth, out, err);
}

static int print_template(struct str t, const struct doc *d, int depth, struct buf *out,
                          struct err *err)
{
    struct action a;
    int r;

    if (depth > NEST_MAX)
        return err_new(err, ERR_BAD_REQUEST, "jsonpath: ranges nest too deep");
    for (; next_action(t, &a, &r, err); t = a.rest) {
        buf_str(out, a.before);
        r = print_action(a.inner, &a.rest, d, depth, out, err);
        if (r < 0)
            return r;
    }
    if (r == 0)
        buf_str(out, a.before);
    return r;
}

int jsonpath_print(struct str template_, const struct doc *d, struct buf *out, struct err *err)
{
    return print_template(template_, d, 0, out, err);
}
