/* patch_strategic.c - strategic merge patch: objects merge, lists merge by the merge key that their
 * table entry names, and directives in the patch say what a merge cannot.
 *
 *     $patch: replace | delete           of this object, or of this item of a list
 *     $retainKeys: [...]                 the only members of this object that stay
 *     $deleteFromPrimitiveList/x: [...]  values to take out of the list x
 *     $setElementOrder/x: [...]          the order of the list x
 *
 * The patch is copied first and its parts are moved into the object. Recursion is bounded by
 * DOC_DEPTH_MAX.
 *
 * Layer: schema.
 */
#include "schema/members.h"
#include "schema/patch.h"
#include "schema/patch_internal.h"
#include "schema/patch_order.h"

static const struct str directive = STR_INIT("$patch");
static const struct str retain_keys = STR_INIT("$retainKeys");
static const struct str delete_list = STR_INIT("$deleteFromPrimitiveList");
static const struct str element_order = STR_INIT("$setElementOrder");

struct merge {
    struct arena *arena;
    struct err *err;
    unsigned depth;
};
struct shape { /* what is known of an object: its type, or the type of its values; both NULL:
                  nothing */
    const struct type *type;
    const struct type *values;
};

static int merge_object(struct merge *m, struct shape shape, struct doc *into, struct doc *patch);

static int fail_printed(struct merge *m, const char *before, const struct doc *d, const char *after)
{
    auto_buf text = {.limit_bytes = sizeof(m->err->msg)};

    patch_go_print(&text, d);
    return err_new(m->err, ERR_BAD_REQUEST, "%s%.*s%s", before, STR_ARG(buf_view(&text)), after);
}

static int fail_no_key(struct merge *m, const struct doc *item, const char *key)
{
    auto_buf after = {0};

    buf_printf(&after, " does not contain declared merge key: %s", key);
    return fail_printed(m, "map: ", item, buf_cstr(&after));
}

static const char *go_type(const struct doc *d)
{
    static const char *const names[] = {
        [DOC_NULL] = "%!s(<nil>)",
        [DOC_BOOL] = "bool",
        [DOC_INT] = "int64",
        [DOC_DOUBLE] = "float64",
        [DOC_STRING] = "string",
        [DOC_ARRAY] = "[]interface {}",
        [DOC_OBJECT] = "map[string]interface {}",
    };

    return names[d->kind];
}

static int fail_kind(struct merge *m, const char *expected, const struct doc *got)
{
    return err_new(m->err, ERR_BAD_REQUEST, "expected a %s, but received a %s", expected,
                   go_type(got));
}

static int fail_directive(struct merge *m, const struct doc *value, const struct doc *object)
{
    auto_buf before = {0};

    buf_puts(&before, "unknown patch type: ");
    patch_go_print(&before, value);
    buf_puts(&before, " in map: ");
    return fail_printed(m, buf_cstr(&before), object, "");
}

static bool is_string(const struct doc *d, const char *text)
{
    return d->kind == DOC_STRING && str_eqz(d->s, text);
}

static bool is_directive_key(struct str key)
{
    return str_eq(key, directive) || str_eq(key, retain_keys) ||
           str_has_prefix(key, STR("$deleteFromPrimitiveList/")) ||
           str_has_prefix(key, STR("$setElementOrder/"));
}

/* The name of the list that a directive "<prefix>/<name>" is about. */
static int directive_field(struct merge *m, struct str key, struct str prefix, const char *what,
                           struct str *ret_name)
{
    struct str name;

    if (!str_eq(str_cut(key, '/', &name), prefix) || !name.p)
        return err_new(m->err, ERR_BAD_REQUEST, "invalid patch format of %s", what);
    *ret_name = name;
    return 0;
}

/* Takes nulls, items that are directives, and directives out of a value that is new to the object;
 * false if it is one itself. */
static bool clean(struct doc *d)
{
    uint32_t n = 0;

    if (d->kind == DOC_ARRAY) {
        for (uint32_t i = 0; i < d->n; i++)
            if (clean(&d->items[i]))
                d->items[n++] = d->items[i];
        d->n = n;
    } else if (d->kind == DOC_OBJECT) {
        if (doc_find(d, directive))
            return false;
        for (uint32_t i = 0; i < d->n; i++) {
            struct doc_member *member = &d->members[i];

            if (member->value.kind != DOC_NULL && member->value.kind != DOC_GONE &&
                !is_directive_key(member->key) && clean(&member->value))
                d->members[n++] = *member;
        }
        d->n = n;
    }
    return true;
}

static const struct field *field_of(struct shape shape, struct str name)
{
    return shape.type ? type_field(shape.type, name) : NULL;
}

/* The shape of the object that is the value of @f (member @name of @parent), or of its items. */
static struct shape shape_below(struct shape parent, const struct field *f)
{
    if (parent.values)
        return (struct shape){.type = parent.values};
    if (!f || f->kind != FIELD_MESSAGE)
        return (struct shape){0};
    if (f->card == CARD_MAP || f->card == CARD_MAP_LIST)
        return (struct shape){.values = f->type};
    return (struct shape){.type = f->type};
}

static const char *merge_key(const struct field *f)
{
    return f && f->patch_key && f->patch_key[0] ? f->patch_key : NULL;
}

static int check_same_kind(struct merge *m, const struct doc *a, const struct doc *b,
                           uint8_t *ret_kind)
{
    const struct doc *lists[] = {a, b};
    int kind = -1;

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        for (uint32_t i = 0; i < lists[l]->n; i++) {
            const struct doc *item = &lists[l]->items[i];

            if (item->kind == DOC_ARRAY)
                return err_new(m->err, ERR_BAD_REQUEST, "lists of lists are not supported");
            if (kind < 0)
                kind = item->kind;
            else if (kind != item->kind)
                return err_new(
                    m->err, ERR_BAD_REQUEST, "list element types are not identical: [%s %s]",
                    doc_kind_name(&(struct doc){.kind = (uint8_t)kind}), doc_kind_name(item));
        }
    }
    *ret_kind = (uint8_t)kind;
    return 0;
}

static void delete_values(struct doc *list, const struct doc *values)
{
    auto_places gone = {0};
    uint32_t n = 0;

    places_add_list(&gone, values);
    for (uint32_t i = 0; i < list->n; i++)
        if (places_find(&gone, &list->items[i]) < 0)
            list->items[n++] = list->items[i];
    list->n = n;
}

/* Both lists of scalars, each value once. */
static struct doc unite_scalars(struct arena *a, const struct doc *x, const struct doc *y)
{
    const struct doc *lists[] = {x, y};
    auto_places seen = {0};
    struct doc out = doc_array();

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        for (uint32_t i = 0; i < lists[l]->n; i++) {
            const struct doc *item = &lists[l]->items[i];

            if (places_find(&seen, item) >= 0)
                continue;
            places_add(&seen, item, out.n);
            (void)doc_append(a, &out, *item);
        }
    }
    return out;
}

static int check_keys(struct merge *m, const struct doc *list, const char *key)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].kind != DOC_OBJECT)
            return fail_kind(m, "map[string]interface {}", &list->items[i]);
        if (!doc_find(&list->items[i], str_from(key)))
            return fail_no_key(m, &list->items[i], key);
    }
    return 0;
}

/* Carries out the items of @patch that are directives and takes them out of it. */
static int run_item_directives(struct merge *m, const char *key, struct doc *into,
                               struct doc *patch)
{
    auto_places gone = {.key = key};
    bool replace = false;
    uint32_t n = 0;

    for (uint32_t i = 0; i < patch->n; i++) {
        struct doc *item = &patch->items[i];
        const struct doc *what = doc_find(item, directive);

        if (!what) {
            patch->items[n++] = *item;
        } else if (is_string(what, "delete")) {
            if (!doc_find(item, str_from(key)))
                return fail_no_key(m, item, key);
            places_add(&gone, item, 0);
        } else if (is_string(what, "replace")) {
            replace = true;
        } else if (is_string(what, "merge")) {
            return err_new(m->err, ERR_BAD_REQUEST,
                           "merging lists cannot yet be specified in the patch");
        } else {
            return fail_directive(m, what, item);
        }
    }
    patch->n = n;
    if (replace) {
        (void)clean(patch);
        *into = *patch;
        *patch = doc_array();
        return 0;
    }
    n = 0;
    for (uint32_t i = 0; i < into->n; i++)
        if (places_find(&gone, &into->items[i]) < 0)
            into->items[n++] = into->items[i];
    into->n = n;
    return 0;
}

/* Merges items that are in both by their key and appends the others to *@ret_merged. */
static int merge_items(struct merge *m, struct shape shape, const char *key, struct doc *into,
                       struct doc *patch, struct doc *ret_merged)
{
    auto_places places = {.key = key};
    struct doc merged = doc_array();
    int r;

    places_add_list(&places, into);
    for (uint32_t i = 0; i < into->n; i++)
        (void)doc_append(m->arena, &merged, into->items[i]);
    for (uint32_t i = 0; i < patch->n; i++) {
        struct doc *item = &patch->items[i];
        long at;

        if (!doc_find(item, str_from(key)))
            return fail_no_key(m, item, key);
        at = places_find(&places, item);
        if (at >= 0) {
            r = merge_object(m, shape, &merged.items[at], item);
            if (r < 0)
                return r;
            continue;
        }
        places_add(&places, item, merged.n);
        if (clean(item))
            (void)doc_append(m->arena, &merged, *item);
    }
    *ret_merged = merged;
    return 0;
}

static int merge_list(struct merge *m, struct shape shape, const struct field *f, struct doc *into,
                      struct doc *patch)
{
    const char *key = merge_key(f);
    struct doc merged;
    uint8_t kind;
    int r;

    if (!into->n && !patch->n)
        return 0;
    r = check_same_kind(m, into, patch, &kind);
    if (r < 0)
        return r;
    if (kind != DOC_OBJECT) {
        merged = unite_scalars(m->arena, into, patch);
        *into = order_merged(m->arena, NULL, &merged, patch, into);
        return 0;
    }
    if (!key)
        return err_new(m->err, ERR_BAD_REQUEST, "cannot merge lists without merge key for %s",
                       shape.type ? shape.type->name : "this list");
    r = run_item_directives(m, key, into, patch);
    if (r < 0)
        return r;
    r = merge_items(m, shape, key, into, patch, &merged);
    if (r < 0)
        return r;
    r = check_keys(m, &merged, key);
    if (r < 0)
        return r;
    *into = order_merged(m->arena, key, &merged, patch, into);
    return 0;
}

/* Merges two lists by what the tables say of the field. */
static int merge_field_list(struct merge *m, struct shape shape, const struct field *f,
                            struct doc *into, struct doc *patch)
{
    if (f && (f->flags & FIELD_PATCH_MERGE))
        return merge_list(m, shape_below(shape, f), f, into, patch);
    (void)clean(patch);
    *into = *patch;
    return 0;
}

/* The patch's list must hold its items in the order that the directive gives, and no others. */
static int check_order(struct merge *m, const char *key, const struct doc *patch,
                       const struct doc *order)
{
    auto_places places = {.key = key};
    auto_buf lists = {.limit_bytes = sizeof(m->err->msg)};
    long last = -1;

    if (!patch || !patch->n || !order->n)
        return 0;
    places_add_list(&places, order);
    for (uint32_t i = 0; i < patch->n; i++) {
        const struct doc *item = &patch->items[i];
        long at;

        if (key && item->kind != DOC_OBJECT)
            return fail_kind(m, "map[string]interface {}", item);
        if (doc_find(item, directive))
            continue;
        if (key && !doc_find(item, str_from(key)))
            return fail_no_key(m, item, key);
        at = places_find(&places, item);
        if (at > last) {
            last = at;
            continue;
        }
        patch_go_print(&lists, patch);
        buf_puts(&lists, "\n doesn't match $setElementOrder list:\n");
        patch_go_print(&lists, order);
        return err_new(m->err, ERR_BAD_REQUEST, "the order in patch list:\n%.*s",
                       STR_ARG(buf_view(&lists)));
    }
    return 0;
}

/* Merges one list under its $setElementOrder. */
static int apply_order(struct merge *m, struct shape shape, struct members *into,
                       struct members *patch, struct str name, const struct doc *order)
{
    const struct field *f = field_of(shape, name);
    const char *key = merge_key(f);
    struct doc *ours = members_find(into, name), *theirs = members_find(patch, name);
    struct doc merged = doc_array(), server = doc_array();
    int r;

    if (ours && ours->kind != DOC_ARRAY)
        return fail_kind(m, "[]interface {}", ours);
    if (theirs && theirs->kind != DOC_ARRAY)
        return fail_kind(m, "[]interface {}", theirs);
    r = check_order(m, key, theirs, order);
    if (r < 0 || (!ours && !theirs))
        return r;
    if (ours) {
        server = doc_clone(m->arena, ours, false);
        merged = *ours;
    }
    if (ours && theirs) {
        r = merge_field_list(m, shape, f, &merged, theirs);
        if (r < 0)
            return r;
    } else if (theirs) {
        (void)clean(theirs);
        merged = *theirs;
    }
    if (key) {
        r = check_keys(m, &merged, key);
        if (r < 0)
            return r;
    }
    merged = order_merged(m->arena, key, &merged, order, &server);
    members_put(into, m->arena, name, merged);
    members_drop(patch, name);
    return 0;
}

static int apply_orders(struct merge *m, struct shape shape, struct members *into,
                        struct members *patch)
{
    for (uint32_t i = 0; i < patch->d->n; i++) {
        struct doc_member *member = &patch->d->members[i];
        struct doc order = member->value;
        struct str name;
        int r;

        if (!str_has_prefix(member->key, element_order) || order.kind == DOC_GONE)
            continue;
        members_drop(patch, member->key);
        if (order.kind != DOC_ARRAY)
            return fail_kind(m, "[]interface {}", &order);
        r = directive_field(m, member->key, element_order, "setElementOrder list", &name);
        if (r < 0)
            return r;
        r = apply_order(m, shape, into, patch, name, &order);
        if (r < 0)
            return r;
    }
    return 0;
}

static int apply_retain_keys(struct merge *m, struct members *into, struct members *patch)
{
    const struct doc *found = members_find(patch, retain_keys);
    auto_places kept = {0};
    struct doc list;

    if (!found)
        return 0;
    list = *found;
    members_drop(patch, retain_keys);
    if (list.kind != DOC_ARRAY)
        return err_new(m->err, ERR_BAD_REQUEST, "invalid patch format of retainKeys");
    places_add_list(&kept, &list);
    for (uint32_t i = 0; i < patch->d->n; i++) {
        const struct doc_member *member = &patch->d->members[i];
        const struct doc key = doc_string(member->key);

        if (member->value.kind == DOC_NULL || member->value.kind == DOC_GONE ||
            str_has_prefix(member->key, delete_list) || str_has_prefix(member->key, element_order))
            continue;
        if (places_find(&kept, &key) < 0)
            return err_new(m->err, ERR_BAD_REQUEST, "invalid patch format of retainKeys");
    }
    for (uint32_t i = 0; i < into->d->n; i++) {
        const struct doc key = doc_string(into->d->members[i].key);

        if (places_find(&kept, &key) < 0)
            members_drop(into, into->d->members[i].key);
    }
    return 0;
}

/* Merges the member @name, which is neither null nor a directive. */
static int merge_member(struct merge *m, struct shape shape, struct members *into, struct str name,
                        struct doc *value)
{
    const struct field *f = field_of(shape, name);
    struct doc *old = members_find(into, name);

    if (old && old->kind == DOC_OBJECT && value->kind == DOC_OBJECT) {
        if (!f || !(f->flags & FIELD_PATCH_REPLACE))
            return merge_object(m, shape_below(shape, f), old, value);
        *old = *value;
        return 0;
    }
    if (old && old->kind == DOC_ARRAY && value->kind == DOC_ARRAY)
        return merge_field_list(m, shape, f, old, value);
    if (clean(value))
        members_put(into, m->arena, name, *value);
    else
        members_drop(into, name);
    return 0;
}

/* $deleteFromPrimitiveList/<name>. */
static int delete_from_list(struct merge *m, struct members *into, struct str key,
                            const struct doc *values)
{
    struct doc *list;
    struct str name;
    uint8_t kind;
    int r = directive_field(m, key, delete_list, "primitive list", &name);

    if (r < 0)
        return r;
    list = members_find(into, name);
    if (values->kind == DOC_NULL)
        members_drop(into, name);
    if (!list || list->kind != DOC_ARRAY || values->kind != DOC_ARRAY)
        return 0;
    r = check_same_kind(m, list, values, &kind);
    if (r == 0)
        delete_values(list, values);
    return r;
}

static int merge_members(struct merge *m, struct shape shape, struct members *into,
                         struct members *patch)
{
    int r = apply_retain_keys(m, into, patch);

    if (r == 0)
        r = apply_orders(m, shape, into, patch);
    for (uint32_t i = 0; r == 0 && i < patch->d->n; i++) {
        struct doc_member *member = &patch->d->members[i];

        if (member->value.kind == DOC_GONE)
            continue;
        if (str_has_prefix(member->key, delete_list))
            r = delete_from_list(m, into, member->key, &member->value);
        else if (member->value.kind == DOC_NULL)
            members_drop(into, member->key);
        else
            r = merge_member(m, shape, into, member->key, &member->value);
    }
    return r;
}

static int merge_object(struct merge *m, struct shape shape, struct doc *into, struct doc *patch)
{
    const struct doc *what = doc_find(patch, directive);
    int r;

    if (what && is_string(what, "replace")) {
        (void)doc_remove(patch, directive);
        (void)clean(patch);
        *into = *patch;
        return 0;
    }
    if (what && is_string(what, "delete")) {
        *into = doc_object();
        return 0;
    }
    if (what)
        return fail_directive(m, what, patch);
    if (m->depth == DOC_DEPTH_MAX)
        return err_new(m->err, ERR_TOO_LARGE, "Request entity too large: the patch is too deep");
    m->depth++;
    {
        MEMBERS(ours, into, patch->n);
        MEMBERS(theirs, patch, 0);

        r = merge_members(m, shape, &ours, &theirs);
    }
    m->depth--;
    return r;
}

int patch_strategic(struct arena *a, const struct type *type, struct doc *d,
                    const struct doc *patch, struct err *err)
{
    struct merge m = {.arena = a, .err = err};
    struct doc copy;

    if (patch->kind != DOC_OBJECT || d->kind != DOC_OBJECT)
        return err_new(err, ERR_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "map[string]interface {}",
                       patch_go_kind(patch));
    copy = doc_clone(a, patch, false);
    return merge_object(&m, (struct shape){.type = type}, d, &copy);
}
