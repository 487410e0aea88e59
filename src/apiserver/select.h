/* select.h - which objects a list or watch means: the keys of its namespace, and its selectors.
 * Internal to apiserver/. Layer: apiserver. Threads: any. */
#pragma once
#include "schema/selector.h"

struct object_filter {
    const struct resource *res;             /* whose field names the selectors use */
    const struct selector *labels, *fields; /* borrowed */
    /* A field that must have one value, looked at first: with many watches of one node's pods each,
     * nearly all events end there. */
    enum { MUST_NOTHING, MUST_NAME, MUST_FIELD } must;
    unsigned must_at; /* MUST_FIELD: place in res->selectable */
    struct str must_be;
};
/** Readies @f. The selectors live as long as it does. */
void object_filter_init(struct object_filter *f, const struct resource *res,
                        const struct selector *labels, const struct selector *fields);
/** True if the stored object @o (of res->storage) matches. */
bool object_filter_match(const struct object_filter *f, struct object *o);
/** One look by a filter that is made for it. */
bool object_selected(const struct resource *res, const struct selector *labels,
                     const struct selector *fields, struct object *o);
/** Where the keys of @ns (empty: all) begin: "/registry/pods/default/". In @a. */
struct str select_prefix(const struct resource *res, struct str ns, struct arena *a);
