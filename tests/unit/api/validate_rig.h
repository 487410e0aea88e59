/* validate_rig.h - what the tests of strategies share: objects from JSON as the server has them. */
#pragma once
#include "api/api.h"
#include "schema/check.h"
#include "schema/typed.h"
#include "test.h"

/* A struct of @res from JSON in which ' stands for ", with defaults. */
static inline void *rig_object(const struct resource *res, const char *text, struct arena *a)
{
    char *json = arena_strdup(a, text);
    struct err err = {0};
    void *obj = NULL;

    for (char *p = json; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    assert_ok(typed_from_json(res->type, str_from(json), a, &obj, &err), &err);
    typed_default(res->type, obj, a);
    return obj;
}

/* The errors as "field: body" lines; those of the status if @status. */
static inline struct str rig_errors(const struct resource *res, const void *obj, const void *old,
                                    bool status, struct arena *a)
{
    struct field_errors errs = {.arena = a};
    auto_buf b = {0};

    assert_non_null(res->strategy);
    if (status) {
        res->strategy->validate_status(obj, old, &errs);
    } else {
        check_typed(res->type, obj, old, NULL, &errs);
        res->strategy->validate(obj, old, &errs);
    }
    for (size_t i = 0; i < errs.n; i++) {
        buf_puts(&b, i ? "\n" : "");
        buf_str(&b, errs.v[i].field);
        buf_puts(&b, ": ");
        buf_str(&b, errs.v[i].body);
    }
    return str_dup(a, buf_view(&b));
}

/* Creating @text gives exactly the errors @want; "" for none. */
static inline void rig_create(const struct resource *res, const char *text, const char *want)
{
    auto_arena a = {0};

    assert_str_equal(rig_errors(res, rig_object(res, text, &a), NULL, false, &a), want);
}

/* Changing @old into @text gives exactly the errors @want. */
static inline void rig_update(const struct resource *res, const char *old, const char *text,
                              const char *want)
{
    auto_arena a = {0};

    assert_str_equal(
        rig_errors(res, rig_object(res, text, &a), rig_object(res, old, &a), false, &a), want);
}

/* Likewise of the status. */
static inline void rig_status(const struct resource *res, const char *old, const char *text,
                              const char *want)
{
    auto_arena a = {0};

    assert_str_equal(rig_errors(res, rig_object(res, text, &a), rig_object(res, old, &a), true, &a),
                     want);
}
