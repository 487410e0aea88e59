/* selector.h - label and field selectors: parsed once, matched against packed labels.
 *
 * Layer: schema. Threads: any once parsed.
 */
#pragma once
#include "schema/object.h"

enum selector_op {
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_GT,
    SELECTOR_LT,
};
struct selector_term {
    struct str key;
    enum selector_op op;
    const struct str *values;
    size_t n;
    bool sorted; /* values are sorted: set by the parsers, so that long lists are searched fast */
};
struct selector { /* all terms must hold; none: everything matches */
    const struct selector_term *terms;
    size_t n;
    bool nothing; /* matches no object (a null LabelSelector) */
};
struct meta_label_selector;

/** Parses "a=b,c!=d,e in (f,g),!h"; terms sorted by key. ERR_BAD_REQUEST, "unable to parse
 *  requirement: ..." and others as upstream. */
MUST_USE int selector_parse_labels(struct str text, struct arena *a, struct selector *ret_s,
                                   struct err *err);
/** Parses "metadata.name=x,spec.nodeName!=y" for @res; unknown names are ERR_BAD_REQUEST. */
MUST_USE int selector_parse_fields(const struct resource *res, struct str text, struct arena *a,
                                   struct selector *ret_s, struct err *err);
/** From a LabelSelector: NULL matches nothing, an empty one everything. Views into it. ERR_INVALID.
 *  Defined in api/label_selector.c. */
MUST_USE int selector_from_label_selector(const struct meta_label_selector *ls, struct arena *a,
                                          struct selector *ret_s, struct err *err);
/** From a plain map (Service, ReplicationController selectors). */
struct selector selector_from_map(const struct string_map *m, struct arena *a);
/** True if the labels of @o match. */
bool selector_match_labels(const struct selector *s, const struct object *o);
/** True if the labels @m match. */
bool selector_match_map(const struct selector *s, const struct string_map *m);
/** True if the selectable fields of @o match. */
bool selector_match_fields(const struct selector *s, const struct object *o);
/** Appends the canonical text ("a=b,c in (d,e)"). */
void selector_write(const struct selector *s, struct buf *out);
/** The value required of @key by an "=" term, or STR_NULL. */
struct str selector_required(const struct selector *s, struct str key);
