/* doc.c - building, searching, copying and comparing document trees. */
#include "codec/doc.h"
#include "base/vec.h"
#include <assert.h>

enum { DOC_CAP_FIRST = 4 };

static bool is_container(const struct doc *d)
{
    return d->kind == DOC_ARRAY || d->kind == DOC_OBJECT;
}

static long find_index(const struct doc *d, struct str key)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (str_eq(d->members[i].key, key))
            return i;
    return -1;
}

struct doc *doc_find(const struct doc *d, struct str key)
{
    long i;

    if (!d || d->kind != DOC_OBJECT)
        return NULL;
    i = find_index(d, key);
    return i < 0 ? NULL : &d->members[i].value;
}

struct doc *doc_path(const struct doc *d, const char *path)
{
    struct str rest = str_from(path);
    struct doc *at = NULL;

    while (rest.p) {
        struct str key = str_cut(rest, '.', &rest);

        at = doc_find(d, key);
        if (!at)
            return NULL;
        d = at;
    }
    return at;
}

struct str doc_path_str(const struct doc *d, const char *path)
{
    const struct doc *v = doc_path(d, path);

    return v && v->kind == DOC_STRING ? v->s : STR_NULL;
}

int64_t doc_path_int(const struct doc *d, const char *path, int64_t otherwise)
{
    const struct doc *v = doc_path(d, path);

    return v && v->kind == DOC_INT ? v->i : otherwise;
}

bool doc_path_bool(const struct doc *d, const char *path, bool otherwise)
{
    const struct doc *v = doc_path(d, path);

    return v && v->kind == DOC_BOOL ? v->b : otherwise;
}

/* Doubling keeps appending linear; the arena keeps the old array until it is freed. */
static uint32_t next_cap(const struct doc *d)
{
    assert(d->cap <= UINT32_MAX / 2);
    return d->cap < DOC_CAP_FIRST ? DOC_CAP_FIRST : d->cap * 2;
}

struct doc *doc_add(struct arena *a, struct doc *d, struct str key, struct doc value)
{
    struct doc_member *m;

    assert(d->kind == DOC_OBJECT);
    if (d->n == d->cap) {
        uint32_t cap = next_cap(d);

        d->members = arena_grow(a, d->members, d->n, cap, sizeof(*d->members));
        d->cap = cap;
    }
    m = &d->members[d->n++];
    *m = (struct doc_member){key, value};
    return &m->value;
}

struct doc *doc_set(struct arena *a, struct doc *d, struct str key, struct doc value)
{
    struct doc *old;

    assert(d->kind == DOC_OBJECT);
    old = doc_find(d, key);
    if (!old)
        return doc_add(a, d, key, value);
    *old = value;
    return old;
}

struct doc *doc_make_object(struct arena *a, struct doc *d, struct str key)
{
    struct doc *old = doc_find(d, key);

    if (old && old->kind == DOC_OBJECT)
        return old;
    return doc_set(a, d, key, doc_object());
}

bool doc_remove(struct doc *d, struct str key)
{
    long i;

    if (!d || d->kind != DOC_OBJECT)
        return false;
    i = find_index(d, key);
    if (i < 0)
        return false;
    d->n--;
    memmove(&d->members[i], &d->members[i + 1], (d->n - (size_t)i) * sizeof(*d->members));
    return true;
}

struct doc *doc_append(struct arena *a, struct doc *d, struct doc value)
{
    return doc_insert(a, d, d->n, value);
}

struct doc *doc_insert(struct arena *a, struct doc *d, uint32_t at, struct doc value)
{
    assert(d->kind == DOC_ARRAY);
    assert(at <= d->n);
    if (d->n == d->cap) {
        uint32_t cap = next_cap(d);

        d->items = arena_grow(a, d->items, d->n, cap, sizeof(*d->items));
        d->cap = cap;
    }
    memmove(&d->items[at + 1], &d->items[at], (d->n - at) * sizeof(*d->items));
    d->items[at] = value;
    d->n++;
    return &d->items[at];
}

void doc_remove_at(struct doc *d, uint32_t at)
{
    assert(d->kind == DOC_ARRAY);
    assert(at < d->n);
    d->n--;
    memmove(&d->items[at], &d->items[at + 1], (d->n - at) * sizeof(*d->items));
}

/* Shallow copies of containers whose children are still to be copied. */
typedef VEC(struct doc *) doc_stack;

static void clone_string(struct arena *a, struct doc *d, bool copy_strings)
{
    if (copy_strings && d->kind == DOC_STRING)
        d->s = str_dup(a, d->s);
}

/* Gives the shallow copy @d arrays of its own and pushes those children that need the same. */
static void clone_children(struct arena *a, struct doc *d, bool copy_strings, doc_stack *todo)
{
    if (d->n == 0) {
        d->items = NULL;
    } else if (d->kind == DOC_ARRAY) {
        d->items = arena_grow(a, d->items, d->n, d->n, sizeof(*d->items));
        for (uint32_t i = 0; i < d->n; i++) {
            clone_string(a, &d->items[i], copy_strings);
            if (is_container(&d->items[i]))
                vec_push(todo, &d->items[i]);
        }
    } else {
        d->members = arena_grow(a, d->members, d->n, d->n, sizeof(*d->members));
        for (uint32_t i = 0; i < d->n; i++) {
            struct doc_member *m = &d->members[i];

            if (copy_strings)
                m->key = str_dup(a, m->key);
            clone_string(a, &m->value, copy_strings);
            if (is_container(&m->value))
                vec_push(todo, &m->value);
        }
    }
    d->cap = d->n;
}

struct doc doc_clone(struct arena *a, const struct doc *d, bool copy_strings)
{
    struct doc copy = *d;
    doc_stack todo = {0};

    clone_string(a, &copy, copy_strings);
    if (is_container(&copy))
        vec_push(&todo, &copy);
    while (todo.n > 0)
        clone_children(a, vec_pop(&todo), copy_strings, &todo);
    vec_deinit(&todo);
    return copy;
}

struct doc_pair {
    const struct doc *a, *b;
};
typedef VEC(struct doc_pair) pair_stack;

/* Compares two values without their children; containers go on @todo. */
static bool equal_shallow(const struct doc *a, const struct doc *b, pair_stack *todo)
{
    if (a->kind == DOC_INT && b->kind == DOC_DOUBLE)
        return (double)a->i == b->d;
    if (a->kind == DOC_DOUBLE && b->kind == DOC_INT)
        return a->d == (double)b->i;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case DOC_BOOL:
        return a->b == b->b;
    case DOC_INT:
        return a->i == b->i;
    case DOC_DOUBLE:
        return a->d == b->d;
    case DOC_STRING:
        return str_eq(a->s, b->s);
    case DOC_ARRAY:
    case DOC_OBJECT:
        if (a->n != b->n)
            return false;
        if (a->n > 0)
            vec_push(todo, ((struct doc_pair){a, b}));
        return true;
    default:
        return true;
    }
}

static int member_order(const void *x, const void *y)
{
    const struct doc_member *const *a = x;
    const struct doc_member *const *b = y;

    return str_cmp((*a)->key, (*b)->key);
}

static const struct doc_member **sorted_members(const struct doc *d, uint32_t from)
{
    size_t n = d->n - from;
    const struct doc_member **sorted = xcalloc(n, sizeof(*sorted));

    for (size_t i = 0; i < n; i++)
        sorted[i] = &d->members[from + i];
    qsort(sorted, n, sizeof(*sorted), member_order);
    return sorted;
}

/* Members in the same order are the common case; the rest is matched after sorting. */
static bool equal_members(const struct doc *a, const struct doc *b, pair_stack *todo)
{
    auto_free const struct doc_member **sa = NULL;
    auto_free const struct doc_member **sb = NULL;
    uint32_t i = 0;

    while (i < a->n && str_eq(a->members[i].key, b->members[i].key)) {
        if (!equal_shallow(&a->members[i].value, &b->members[i].value, todo))
            return false;
        i++;
    }
    if (i == a->n)
        return true;
    sa = sorted_members(a, i);
    sb = sorted_members(b, i);
    for (uint32_t k = 0; k < a->n - i; k++)
        if (!str_eq(sa[k]->key, sb[k]->key) || !equal_shallow(&sa[k]->value, &sb[k]->value, todo))
            return false;
    return true;
}

static bool equal_items(const struct doc *a, const struct doc *b, pair_stack *todo)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (!equal_shallow(&a->items[i], &b->items[i], todo))
            return false;
    return true;
}

bool doc_equal(const struct doc *a, const struct doc *b)
{
    pair_stack todo = {0};
    bool equal = equal_shallow(a, b, &todo);

    while (equal && todo.n > 0) {
        struct doc_pair p = vec_pop(&todo);

        if (p.a->kind == DOC_OBJECT)
            equal = equal_members(p.a, p.b, &todo);
        else
            equal = equal_items(p.a, p.b, &todo);
    }
    vec_deinit(&todo);
    return equal;
}

const char *doc_kind_name(const struct doc *d)
{
    static const char *const names[] = {
        [DOC_NULL] = "null",     [DOC_BOOL] = "boolean",  [DOC_INT] = "integer",
        [DOC_DOUBLE] = "number", [DOC_STRING] = "string", [DOC_ARRAY] = "array",
        [DOC_OBJECT] = "object",
    };

    assert(d->kind < ARRAY_LEN(names));
    return names[d->kind];
}
