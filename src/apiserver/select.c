/* select.c - which objects a list or watch means. */
#include "apiserver/select.h"
#include "apiserver/frames.h"

static bool only_names(const struct selector *fields)
{
    for (size_t i = 0; i < fields->n; i++)
        if (!str_has_prefix(fields->terms[i].key, STR("metadata.")))
            return false;
    return true;
}

bool object_selected(const struct resource *res, const struct selector *labels,
                     const struct selector *fields, struct object *o)
{
    struct object *other;
    bool match;

    if ((labels->n || labels->nothing) && !selector_match_labels(labels, o))
        return false;
    if (!fields->n && !fields->nothing)
        return true;
    if (o->res == res || only_names(fields))
        return selector_match_fields(fields, o);
    other = object_as(o, res);
    match = selector_match_fields(fields, other);
    (void)object_unref(other);
    return match;
}

struct str select_prefix(const struct resource *res, struct str ns, struct arena *a)
{
    if (ns.len == 0 || !resource_namespaced(res))
        return str_from(res->storage->store_prefix);
    return str_printf(a, "%s%.*s/", res->storage->store_prefix, STR_ARG(ns));
}
