/* selector.c - selectors as data: matching, and their canonical text. Layer: schema. */
#include "schema/selector.h"

static int cmp_values(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static bool values_have(const struct selector_term *t, struct str value)
{
    if (t->sorted)
        return bsearch(&value, t->values, t->n, sizeof(*t->values), cmp_values) != NULL;
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->values[i], value))
            return true;
    return false;
}

/* An order exists between integers only; anything else does not match. */
static bool compare_holds(const struct selector_term *t, struct str value)
{
    int64_t have, want;

    if (!str_to_i64(value, &have) || !str_to_i64(t->values[0], &want))
        return false;
    return t->op == SELECTOR_GT ? have > want : have < want;
}

static bool term_holds(const struct selector_term *t, bool present, struct str value)
{
    switch (t->op) {
    case SELECTOR_IN:
        return present && values_have(t, value);
    case SELECTOR_NOT_IN:
        return !present || !values_have(t, value);
    case SELECTOR_EXISTS:
        return present;
    case SELECTOR_NOT_EXISTS:
        return !present;
    case SELECTOR_GT:
    case SELECTOR_LT:
        return present && compare_holds(t, value);
    }
    return false;
}

/* The pair of @key in @pairs, sorted by key, or NULL. */
static const struct string_pair *find_pair(const struct string_pair *pairs, size_t n,
                                           struct str key)
{
    size_t low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;
        int r = str_cmp(pairs[mid].key, key);

        if (r == 0)
            return &pairs[mid];
        if (r < 0)
            low = mid + 1;
        else
            n = mid;
    }
    return NULL;
}

static bool match_pairs(const struct selector *s, const struct string_pair *pairs, size_t n)
{
    if (s->nothing)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        const struct string_pair *pair = find_pair(pairs, n, s->terms[i].key);

        if (!term_holds(&s->terms[i], pair != NULL, pair ? pair->value : STR_NULL))
            return false;
    }
    return true;
}

bool selector_match_labels(const struct selector *s, const struct object *o)
{
    return match_pairs(s, o->labels, o->n_labels);
}

bool selector_match_map(const struct selector *s, const struct string_map *m)
{
    return match_pairs(s, m->v, m->n);
}

bool selector_match_fields(const struct selector *s, const struct object *o)
{
    if (s->nothing)
        return false;
    for (size_t i = 0; i < s->n; i++) /* a field that is not set compares as "" */
        if (!term_holds(&s->terms[i], true, object_field(o, s->terms[i].key)))
            return false;
    return true;
}

struct selector selector_from_map(const struct string_map *m, struct arena *a)
{
    struct selector_term *terms;

    if (!m || !m->n)
        return (struct selector){0};
    terms = arena_calloc(a, m->n, sizeof(*terms));
    for (size_t i = 0; i < m->n; i++)
        terms[i] = (struct selector_term){m->v[i].key, SELECTOR_IN, &m->v[i].value, 1, true};
    return (struct selector){.terms = terms, .n = m->n};
}

static void write_term(const struct selector_term *t, struct buf *out)
{
    static const char *const one[] = {
        [SELECTOR_IN] = "=", [SELECTOR_NOT_IN] = "!=", [SELECTOR_GT] = ">", [SELECTOR_LT] = "<"};

    if (t->op == SELECTOR_NOT_EXISTS)
        buf_putc(out, '!');
    buf_str(out, t->key);
    if (t->op == SELECTOR_EXISTS || t->op == SELECTOR_NOT_EXISTS)
        return;
    if (t->n == 1) {
        buf_puts(out, one[t->op]);
        buf_str(out, t->values[0]);
        return;
    }
    buf_puts(out, t->op == SELECTOR_IN ? " in (" : " notin (");
    for (size_t i = 0; i < t->n; i++) {
        if (i)
            buf_putc(out, ',');
        buf_str(out, t->values[i]);
    }
    buf_putc(out, ')');
}

void selector_write(const struct selector *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i)
            buf_putc(out, ',');
        write_term(&s->terms[i], out);
    }
}

struct str selector_required(const struct selector *s, struct str key)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->terms[i].op == SELECTOR_IN && s->terms[i].n == 1 && str_eq(s->terms[i].key, key))
            return s->terms[i].values[0];
    return STR_NULL;
}
