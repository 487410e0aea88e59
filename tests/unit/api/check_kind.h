/* check_kind.h - what tests of validators share: an object, and the errors that it must give. */
#pragma once
#include "api/api.h"
#include "schema/typed.h"
#include "test.h"

/* What is wrong with @json of @res, given that @old (NULL: none) is stored, one error a line:
 * "FieldValueInvalid spec.x: Invalid value: ...". @status: of an update of the status. */
static inline struct str kind_errors(const struct resource *res, const char *json, const char *old,
                                     bool status, struct arena *a)
{
    struct field_errors errs = {.arena = a};
    void *obj, *was = NULL;
    struct err err = {0};
    auto_buf out = {0};

    assert_ok(typed_from_json(res->type, str_from(json), a, &obj, &err), &err);
    typed_default(res->type, obj, a);
    if (old) {
        assert_ok(typed_from_json(res->type, str_from(old), a, &was, &err), &err);
        typed_default(res->type, was, a);
    }
    if (status)
        res->strategy->validate_status(obj, was, &errs);
    else
        res->strategy->validate(obj, was, &errs);
    for (size_t i = 0; i < errs.n; i++)
        buf_printf(&out, "%s%s %.*s: %.*s", i ? "\n" : "", field_error_reason(errs.v[i].type),
                   STR_ARG(errs.v[i].field), STR_ARG(errs.v[i].body));
    return str_dup(a, buf_view(&out));
}

/* Makes of @json the errors @want ("" for none). */
static inline void check_create(const struct resource *res, const char *json, const char *want)
{
    auto_arena a = {0};

    assert_str_equal(kind_errors(res, json, NULL, false, &a), want);
}

/* Changing @old into @json gives the errors @want. */
static inline void check_change(const struct resource *res, const char *old, const char *json,
                                const char *want)
{
    auto_arena a = {0};

    assert_str_equal(kind_errors(res, json, old, false, &a), want);
}

/* Changing the status of @old into that of @json gives the errors @want. */
static inline void check_status(const struct resource *res, const char *old, const char *json,
                                const char *want)
{
    auto_arena a = {0};

    assert_str_equal(kind_errors(res, json, old, true, &a), want);
}
