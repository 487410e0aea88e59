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

void object_filter_init(struct object_filter *f, const struct resource *res,
                        const struct selector *labels, const struct selector *fields)
{
    *f = (struct object_filter){.res = res, .labels = labels, .fields = fields};
    f->must_be = selector_required(fields, STR("metadata.name"));
    if (f->must_be.p)
        f->must = MUST_NAME;
    for (unsigned i = 0; f->must == MUST_NOTHING && res->storage == res && i < res->n_selectable;
         i++) {
        f->must_be = selector_required(fields, str_from(res->selectable[i].name));
        f->must_at = i;
        if (f->must_be.p)
            f->must = MUST_FIELD;
    }
}

bool object_filter_match(const struct object_filter *f, struct object *o)
{
    struct object *other;
    bool match;

    if (f->must == MUST_NAME && !str_eq(o->name, f->must_be))
        return false;
    if (f->must == MUST_FIELD && !str_eq(o->fields[f->must_at], f->must_be))
        return false;
    if ((f->labels->n || f->labels->nothing) && !selector_match_labels(f->labels, o))
        return false;
    if (f->fields->n == (f->must != MUST_NOTHING) && !f->fields->nothing)
        return true;
    if (o->res == f->res || only_names(f->fields))
        return selector_match_fields(f->fields, o);
    other = object_as(o, f->res);
    match = selector_match_fields(f->fields, other);
    (void)object_unref(other);
    return match;
}

bool object_selected(const struct resource *res, const struct selector *labels,
                     const struct selector *fields, struct object *o)
{
    struct object_filter f;

    object_filter_init(&f, res, labels, fields);
    return object_filter_match(&f, o);
}

struct str select_prefix(const struct resource *res, struct str ns, struct arena *a)
{
    if (ns.len == 0 || !resource_namespaced(res))
        return str_from(res->storage->store_prefix);
    return str_printf(a, "%s%.*s/", res->storage->store_prefix, STR_ARG(ns));
}
