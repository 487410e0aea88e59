/* objects.h - maps of objects out of JSON texts, for tests of what reads such maps. */
#pragma once
#include "api/api.h"
#include "base/omap.h"
#include "schema/object.h"
#include "test.h"

/** Puts the object @json of @res, with ' for ", into @m; replaces one of the same name. */
static inline void objects_put(struct omap *m, const struct resource *res, const char *json)
{
    auto_arena a = {0};
    char *text = arena_strdup(&a, json);
    struct object *o;
    struct err err = {0};

    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    assert_ok(object_from_wire(res, str_from(text), &o, &err), &err);
    (void)omap_put(m, o);
    (void)object_unref(o);
}
