/* SPDX-License-Identifier: Apache-2.0 */
/* validate.c - the checks that the validators of this folder share. Layer: api. */
#include "api/validate.h"
#include "schema/format.h"
#include "schema/typed.h"

const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};

void check_why(struct field_errors *errs, const struct path *p, struct str value, const char *why)
{
    if (why)
        err_invalid(errs, p, doc_string(value), "%s", why);
}

void check_named(struct field_errors *errs, const struct path *p, struct str value,
                 const char *(*format)(struct str))
{
    if (str_empty(value))
        err_required(errs, p, "");
    else
        check_why(errs, p, value, format(value));
}

void check_if_set(struct field_errors *errs, const struct path *p, struct str value,
                  const char *(*format)(struct str))
{
    if (value.len)
        check_why(errs, p, value, format(value));
}

void check_given(struct field_errors *errs, const struct path *p, struct str value)
{
    if (str_empty(value))
        err_required(errs, p, "");
}

void check_nonneg(struct field_errors *errs, const struct path *p, int64_t v)
{
    if (v < 0)
        err_invalid(errs, p, doc_int(v), MUST_BE_NONNEG);
}

void check_nonneg_ptr(struct field_errors *errs, const struct path *p, const int32_t *v)
{
    if (v)
        check_nonneg(errs, p, *v);
}

void check_range_of(struct field_errors *errs, const struct path *p, int64_t v, int64_t min,
                    int64_t max)
{
    if (v < min || v > max)
        err_invalid(errs, p, doc_int(v), "must be between %lld and %lld, inclusive", (long long)min,
                    (long long)max);
}

void check_port(struct field_errors *errs, const struct path *p, int64_t v)
{
    check_range_of(errs, p, v, 1, 65535);
}

void check_port_ref(struct field_errors *errs, const struct path *p, const struct int_or_string *v)
{
    if (v->kind == INT_OR_STRING_STRING)
        check_why(errs, p, v->s, format_port_name(v->s));
    else
        check_port(errs, p, v->i);
}

bool one_of(struct str value, const char *const *list)
{
    for (; *list; list++) {
        if (str_eqz(value, *list))
            return true;
    }
    return false;
}

void check_one_of(struct field_errors *errs, const struct path *p, struct str value,
                  const char *const *supported)
{
    if (!one_of(value, supported))
        err_not_supported(errs, p, value, supported);
}

void check_one_of_given(struct field_errors *errs, const struct path *p, struct str value,
                        const char *const *supported)
{
    if (str_empty(value))
        err_required(errs, p, "");
    else
        check_one_of(errs, p, value, supported);
}

void check_unique(struct field_errors *errs, struct map *seen, const struct path *p, struct str key)
{
    if (map_set(seen, key, seen))
        err_duplicate(errs, p, doc_string(key));
}

void check_same(struct field_errors *errs, const struct path *p, bool same, struct doc value)
{
    if (!same)
        err_invalid(errs, p, value, IMMUTABLE);
}

static void check_requirement(struct field_errors *errs, const struct path *p,
                              const struct meta_label_selector_requirement *r)
{
    if (str_eqz(r->operator, "In") || str_eqz(r->operator, "NotIn")) {
        if (!r->values.n)
            err_required(errs, AT(p, "values"),
                         "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_eqz(r->operator, "Exists") || str_eqz(r->operator, "DoesNotExist")) {
        if (r->values.n)
            err_forbidden(errs, AT(p, "values"),
                          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        err_invalid(errs, AT(p, "operator"), doc_string(r->operator),
                    "not a valid selector operator");
    }
    check_why(errs, AT(p, "key"), r->key, format_qualified_name(r->key));
    for (size_t i = 0; i < r->values.n; i++)
        check_why(errs, AT_INDEX(AT(p, "values"), i), r->values.v[i],
                  format_label_value(r->values.v[i]));
}

void check_selector(struct field_errors *errs, const struct path *p,
                    const struct meta_label_selector *s)
{
    if (!s)
        return;
    check_labels(errs, AT(p, "matchLabels"), &s->match_labels);
    for (size_t i = 0; i < s->match_expressions.n; i++)
        check_requirement(errs, AT_INDEX(AT(p, "matchExpressions"), i), &s->match_expressions.v[i]);
}

void check_labels(struct field_errors *errs, const struct path *p, const struct string_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        check_why(errs, p, m->v[i].key, format_qualified_name(m->v[i].key));
        check_why(errs, p, m->v[i].value, format_label_value(m->v[i].value));
    }
}

static bool has_backstep(struct str path)
{
    do {
        if (str_eqz(str_cut(path, '/', &path), ".."))
            return true;
    } while (path.p);
    return false;
}

void check_no_backsteps(struct field_errors *errs, const struct path *p, struct str path)
{
    if (has_backstep(path))
        err_invalid(errs, p, doc_string(path), "must not contain '..'");
}

void check_descending(struct field_errors *errs, const struct path *p, struct str path)
{
    if (path.len && path.p[0] == '/')
        err_invalid(errs, p, doc_string(path), "must be a relative path");
    check_no_backsteps(errs, p, path);
}

void check_mode(struct field_errors *errs, const struct path *p, const int32_t *mode)
{
    if (mode && (*mode < 0 || *mode > 0777))
        err_invalid(errs, p, doc_int(*mode),
                    "must be a number between 0 and 0777 (octal), both inclusive");
}

struct doc amount_doc(const struct int_or_string *v)
{
    return v->kind == INT_OR_STRING_STRING ? doc_string(v->s) : doc_int(v->i);
}

void check_amount(struct field_errors *errs, const struct path *p, const struct int_or_string *v)
{
    if (v->kind == INT_OR_STRING_STRING)
        check_why(errs, p, v->s, format_percent(v->s));
    else
        check_nonneg(errs, p, v->i);
}

int64_t amount_percent(const struct int_or_string *v)
{
    int64_t n;

    if (v->kind != INT_OR_STRING_STRING || !str_has_suffix(v->s, STR("%")) ||
        !str_to_i64(str_sub(v->s, 0, v->s.len - 1), &n))
        return -1;
    return n;
}
