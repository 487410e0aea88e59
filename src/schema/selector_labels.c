/* selector_labels.c - the text form of label selectors: "a=b,c!=d,e in (f,g),!h".
 *
 * Tokens first, then one pass over them; the words "in" and "notin" are operators only where an
 * operator can stand. Error texts are those that clients of the API know.
 *
 * Layer: schema.
 */
#include "codec/json.h"
#include "schema/format.h"
#include "schema/selector.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_NOT,
    TOKEN_EQ,
    TOKEN_EQ_EQ,
    TOKEN_NOT_EQ,
    TOKEN_GT,
    TOKEN_LT,
};
struct token {
    enum token_kind kind;
    struct str text;
};
struct parser {
    struct str rest; /* not yet scanned */
    struct token next;
    struct arena *arena;
    struct err *err;
};
struct values { /* in any order until values_finish() */
    struct str *v;
    size_t n, cap;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_symbol(char c)
{
    return c && strchr("=!(),><", c);
}

static struct token scan(struct str *rest)
{
    static const struct {
        struct str text;
        enum token_kind kind;
    } symbols[] = {
        {STR_INIT("=="), TOKEN_EQ_EQ}, {STR_INIT("!="), TOKEN_NOT_EQ}, {STR_INIT("="), TOKEN_EQ},
        {STR_INIT("!"), TOKEN_NOT},    {STR_INIT("("), TOKEN_OPEN},    {STR_INIT(")"), TOKEN_CLOSE},
        {STR_INIT(","), TOKEN_COMMA},  {STR_INIT(">"), TOKEN_GT},      {STR_INIT("<"), TOKEN_LT},
    };
    struct token t = {TOKEN_END, STR("")};
    size_t n = 0;

    while (rest->len && is_space(rest->p[0]))
        *rest = str_sub(*rest, 1, SIZE_MAX);
    if (!rest->len)
        return t;
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        if (str_has_prefix(*rest, symbols[i].text)) {
            *rest = str_sub(*rest, symbols[i].text.len, SIZE_MAX);
            return (struct token){symbols[i].kind, symbols[i].text};
        }
    }
    while (n < rest->len && !is_space(rest->p[n]) && !is_symbol(rest->p[n]))
        n++;
    t = (struct token){TOKEN_WORD, str_sub(*rest, 0, n)};
    *rest = str_sub(*rest, n, SIZE_MAX);
    return t;
}

static struct token take(struct parser *p)
{
    struct token t = p->next;

    p->next = scan(&p->rest);
    return t;
}

static int fail_found(struct parser *p, struct token t, const char *expected)
{
    return err_new(p->err, ERR_BAD_REQUEST, "unable to parse requirement: found '%.*s', %s",
                   STR_ARG(t.text), expected);
}

static int fail_value(struct parser *p, const char *path, struct str value, const char *why)
{
    auto_buf quoted = {0};

    json_go_quote(&quoted, value);
    return err_new(p->err, ERR_BAD_REQUEST,
                   "unable to parse requirement: %s: Invalid value: %s: %s", path,
                   buf_cstr(&quoted), why);
}

static void values_add(struct parser *p, struct values *set, struct str value)
{
    if (set->n == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 4;

        set->v = arena_grow(p->arena, set->v, set->n, cap, sizeof(*set->v));
        set->cap = cap;
    }
    set->v[set->n++] = value;
}

static int cmp_values(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

/* Makes a sorted set of what was added. */
static void values_finish(struct values *set)
{
    size_t n = 0;

    if (set->n > 1)
        qsort(set->v, set->n, sizeof(*set->v), cmp_values);
    for (size_t i = 0; i < set->n; i++)
        if (!n || !str_eq(set->v[n - 1], set->v[i]))
            set->v[n++] = set->v[i];
    set->n = n;
}

/* What stands between the parentheses of "in (...)"; an empty place is the value "". */
static int parse_list(struct parser *p, struct values *set)
{
    for (;;) {
        struct token t = take(p);

        if (t.kind == TOKEN_WORD) {
            values_add(p, set, t.text);
            if (p->next.kind == TOKEN_CLOSE)
                return 0;
            if (p->next.kind != TOKEN_COMMA)
                return fail_found(p, p->next, "expected: ',' or ')'");
        } else if (t.kind == TOKEN_COMMA) {
            if (set->n == 0)
                values_add(p, set, STR(""));
            if (p->next.kind == TOKEN_CLOSE) {
                values_add(p, set, STR(""));
                return 0;
            }
            if (p->next.kind == TOKEN_COMMA) {
                (void)take(p);
                values_add(p, set, STR(""));
            }
        } else {
            return fail_found(p, t, "expected: ',', or identifier");
        }
    }
}

static int parse_values(struct parser *p, struct values *set)
{
    struct token t = take(p), first = p->next;
    int r;

    if (t.kind != TOKEN_OPEN)
        return err_new(p->err, ERR_BAD_REQUEST,
                       "unable to parse requirement: found '%.*s' expected: '('", STR_ARG(t.text));
    if (first.kind == TOKEN_CLOSE) {
        (void)take(p);
        values_add(p, set, STR(""));
        return 0;
    }
    if (first.kind != TOKEN_WORD && first.kind != TOKEN_COMMA)
        return fail_found(p, first, "expected: ',', ')' or identifier");
    r = parse_list(p, set);
    if (r < 0)
        return r;
    if (take(p).kind != TOKEN_CLOSE)
        return fail_found(p, first, "expected: ')'");
    return 0;
}

static int parse_one_value(struct parser *p, struct values *set)
{
    struct token t = p->next;

    if (t.kind == TOKEN_END || t.kind == TOKEN_COMMA) {
        values_add(p, set, STR(""));
        return 0;
    }
    t = take(p);
    if (t.kind != TOKEN_WORD)
        return fail_found(p, t, "expected: identifier");
    values_add(p, set, t.text);
    return 0;
}

static int parse_operator(struct parser *p, enum selector_op *ret_op, bool *ret_list)
{
    struct token t = take(p);

    *ret_list = t.kind == TOKEN_WORD;
    switch (t.kind) {
    case TOKEN_EQ:
    case TOKEN_EQ_EQ:
        *ret_op = SELECTOR_IN;
        return 0;
    case TOKEN_NOT_EQ:
        *ret_op = SELECTOR_NOT_IN;
        return 0;
    case TOKEN_GT:
        *ret_op = SELECTOR_GT;
        return 0;
    case TOKEN_LT:
        *ret_op = SELECTOR_LT;
        return 0;
    case TOKEN_WORD:
        if (str_eqz(t.text, "in") || str_eqz(t.text, "notin")) {
            *ret_op = t.text.p[0] == 'i' ? SELECTOR_IN : SELECTOR_NOT_IN;
            return 0;
        }
        break;
    default:
        break;
    }
    return fail_found(p, t, "expected: in, notin, =, ==, !=, gt, lt");
}

static int check_values(struct parser *p, const struct selector_term *t)
{
    auto_buf path = {0};
    int64_t v;

    for (size_t i = 0; i < t->n; i++) {
        const char *why = format_label_value(t->values[i]);

        buf_reset(&path);
        buf_printf(&path, "values[%zu]", i);
        if ((t->op == SELECTOR_GT || t->op == SELECTOR_LT) && !str_to_i64(t->values[i], &v))
            return fail_value(p, buf_cstr(&path), t->values[i],
                              "for 'Gt', 'Lt' operators, the value must be an integer");
        if (why) {
            buf_printf(&path, "[%.*s]", STR_ARG(t->key));
            return fail_value(p, buf_cstr(&path), t->values[i], why);
        }
    }
    return 0;
}

static int parse_requirement(struct parser *p, struct selector_term *ret_t)
{
    struct token t = take(p);
    bool negated = t.kind == TOKEN_NOT, list;
    struct selector_term term = {.op = SELECTOR_EXISTS};
    struct values set = {0};
    const char *why;
    int r;

    if (negated)
        t = take(p);
    if (t.kind != TOKEN_WORD)
        return fail_found(p, t, "expected: identifier");
    why = format_qualified_name(t.text);
    if (why)
        return fail_value(p, "<nil>", t.text, why);
    term.key = t.text;
    if (negated) {
        term.op = SELECTOR_NOT_EXISTS;
    } else if (p->next.kind != TOKEN_END && p->next.kind != TOKEN_COMMA) {
        r = parse_operator(p, &term.op, &list);
        if (r < 0)
            return r;
        r = list ? parse_values(p, &set) : parse_one_value(p, &set);
        if (r < 0)
            return r;
        values_finish(&set);
        term.values = set.v;
        term.n = set.n;
        term.sorted = true;
    }
    r = check_values(p, &term);
    if (r < 0)
        return r;
    *ret_t = term;
    return 0;
}

/* By key; equal ones as they stand in the text, which all keys are views into. */
static int cmp_terms(const void *x, const void *y)
{
    const struct selector_term *tx = x, *ty = y;
    int r = str_cmp(tx->key, ty->key);

    return r ? r : (tx->key.p > ty->key.p) - (tx->key.p < ty->key.p);
}

static int parse_terms(struct parser *p, struct selector *ret_s)
{
    struct selector_term *terms = NULL;
    size_t n = 0, cap = 0;
    int r;

    while (p->next.kind != TOKEN_END) {
        struct token t;

        if (p->next.kind != TOKEN_WORD && p->next.kind != TOKEN_NOT)
            return err_new(p->err, ERR_BAD_REQUEST,
                           "found '%.*s', expected: !, identifier, or 'end of string'",
                           STR_ARG(p->next.text));
        if (n == cap) {
            cap = cap ? cap * 2 : 4;
            terms = arena_grow(p->arena, terms, n, cap, sizeof(*terms));
        }
        r = parse_requirement(p, &terms[n]);
        if (r < 0)
            return r;
        n++;
        t = take(p);
        if (t.kind == TOKEN_END)
            break;
        if (t.kind != TOKEN_COMMA)
            return err_new(p->err, ERR_BAD_REQUEST,
                           "found '%.*s', expected: ',' or 'end of string'", STR_ARG(t.text));
        if (p->next.kind != TOKEN_WORD && p->next.kind != TOKEN_NOT)
            return err_new(p->err, ERR_BAD_REQUEST, "found '%.*s', expected: identifier after ','",
                           STR_ARG(p->next.text));
    }
    if (n > 1)
        qsort(terms, n, sizeof(*terms), cmp_terms);
    *ret_s = (struct selector){.terms = terms, .n = n};
    return 0;
}

int selector_parse_labels(struct str text, struct arena *a, struct selector *ret_s, struct err *err)
{
    struct parser p = {.rest = str_dup(a, text), .arena = a, .err = err};

    p.next = scan(&p.rest);
    return parse_terms(&p, ret_s);
}
