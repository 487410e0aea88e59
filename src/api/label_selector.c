/* label_selector.c - a LabelSelector of an object as a selector to match with. Layer: api. */
#include "api/types.h"
#include "codec/json.h"
#include "schema/format.h"
#include "schema/selector.h"

static int fail_value(struct err *err, const char *path, struct str value, const char *why)
{
    auto_buf quoted = {0};

    json_go_quote(&quoted, value);
    return err_new(err, ERR_INVALID, "%s: Invalid value: %s: %s", path, buf_cstr(&quoted), why);
}

static int check_term(const struct selector_term *t, struct err *err)
{
    const char *why = format_qualified_name(t->key);
    auto_buf path = {0};

    if (why)
        return fail_value(err, "key", t->key, why);
    if ((t->op == SELECTOR_IN || t->op == SELECTOR_NOT_IN) && !t->n)
        return err_new(
            err, ERR_INVALID,
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be "
            "empty");
    if ((t->op == SELECTOR_EXISTS || t->op == SELECTOR_NOT_EXISTS) && t->n)
        return fail_value(err, "values", t->values[0],
                          "values set must be empty for exists and does not exist");
    for (size_t i = 0; i < t->n; i++) {
        why = format_label_value(t->values[i]);
        if (!why)
            continue;
        buf_printf(&path, "values[%zu][%.*s]", i, STR_ARG(t->key));
        return fail_value(err, buf_cstr(&path), t->values[i], why);
    }
    return 0;
}

static int parse_operator(struct str s, enum selector_op *ret_op, struct err *err)
{
    static const struct {
        const char *name;
        enum selector_op op;
    } ops[] = {{"In", SELECTOR_IN},
               {"NotIn", SELECTOR_NOT_IN},
               {"Exists", SELECTOR_EXISTS},
               {"DoesNotExist", SELECTOR_NOT_EXISTS}};
    auto_buf quoted = {0};

    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (str_eqz(s, ops[i].name)) {
            *ret_op = ops[i].op;
            return 0;
        }
    }
    json_go_quote(&quoted, s);
    return err_new(err, ERR_INVALID, "%s is not a valid label selector operator",
                   buf_cstr(&quoted));
}

int selector_from_label_selector(const struct meta_label_selector *ls, struct arena *a,
                                 struct selector *ret_s, struct err *err)
{
    struct selector_term *terms;
    size_t n = 0;
    int r;

    if (!ls) {
        *ret_s = (struct selector){.nothing = true};
        return 0;
    }
    terms = arena_calloc(a, ls->match_labels.n + ls->match_expressions.n + 1, sizeof(*terms));
    for (size_t i = 0; i < ls->match_labels.n; i++)
        terms[n++] = (struct selector_term){ls->match_labels.v[i].key, SELECTOR_IN,
                                            &ls->match_labels.v[i].value, 1, true};
    for (size_t i = 0; i < ls->match_expressions.n; i++) {
        const struct meta_label_selector_requirement *e = &ls->match_expressions.v[i];

        terms[n] = (struct selector_term){.key = e->key, .values = e->values.v, .n = e->values.n};
        r = parse_operator(e->operator, & terms[n].op, err);
        if (r < 0)
            return r;
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        r = check_term(&terms[i], err);
        if (r < 0)
            return r;
    }
    *ret_s = (struct selector){.terms = terms, .n = n};
    return 0;
}
