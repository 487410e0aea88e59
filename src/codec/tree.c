/* tree.c - building a document bottom up on a stack of slots. */
#include "codec/tree.h"
#include <assert.h>

enum { NO_SLOT = -1 };

static void push_slot(struct tree *t, struct str key)
{
    vec_push(&t->slots, ((struct doc_member){key, doc_null()}));
}

void tree_init(struct tree *t, struct arena *a)
{
    *t = (struct tree){.arena = a};
    t->dups_tail = &t->dups;
    push_slot(t, STR_NULL);
}

void tree_deinit(struct tree *t)
{
    for (size_t i = 0; i < t->frames.n; i++)
        map_deinit(&t->frames.v[i].keys);
    vec_deinit(&t->frames);
    vec_deinit(&t->slots);
}

static int count_node(struct tree *t, struct err *err)
{
    if (t->n_nodes >= DOC_NODES_MAX)
        return err_new(err, ERR_TOO_LARGE, "exceeded max number of values (%d)", DOC_NODES_MAX);
    t->n_nodes++;
    return 0;
}

int tree_open(struct tree *t, bool object, struct err *err)
{
    if (t->frames.n >= DOC_DEPTH_MAX)
        return err_new(err, ERR_TOO_LARGE, "exceeded max depth");
    vec_push(&t->frames, ((struct tree_frame){.base = t->slots.n, .object = object}));
    return 0;
}

int tree_item(struct tree *t, struct err *err)
{
    int r = count_node(t, err);

    if (r == 0)
        push_slot(t, STR_NULL);
    return r;
}

static struct tree_frame *innermost(struct tree *t)
{
    assert(t->frames.n > 0);
    return &t->frames.v[t->frames.n - 1];
}

/* The first slot, counted from the frame's base, with @key; among the first @n. */
static long find_slot(const struct tree *t, const struct tree_frame *f, struct str key, size_t n)
{
    const struct doc_member *m = &t->slots.v[f->base];

    if (f->keys.n > 0)
        return (long)(uintptr_t)map_find(&f->keys, key) - 1;
    for (size_t i = 0; i < n; i++)
        if (str_eq(m[i].key, key))
            return (long)i;
    return NO_SLOT;
}

static void index_key(struct tree_frame *f, struct str key, size_t at)
{
    (void)map_set(&f->keys, key, (void *)(uintptr_t)(at + 1));
}

/* "spec.containers[0].name" for the slot just added. */
static const char *slot_path(const struct tree *t)
{
    struct buf b = {0};
    const char *path;

    for (size_t i = 0; i < t->frames.n; i++) {
        const struct tree_frame *f = &t->frames.v[i];
        size_t next = i + 1 < t->frames.n ? t->frames.v[i + 1].base : t->slots.n;

        if (!f->object) {
            buf_printf(&b, "[%zu]", next - 1 - f->base);
            continue;
        }
        if (b.len > 0)
            buf_putc(&b, '.');
        buf_str(&b, t->slots.v[next - 1].key);
    }
    path = arena_memdupz(t->arena, buf_view(&b).p, b.len);
    buf_deinit(&b);
    return path;
}

static void report_dup(struct tree *t)
{
    struct json_dup *dup;
    const char *path;

    if (t->n_dups >= TREE_DUPS_MAX)
        return;
    path = slot_path(t);
    for (dup = t->dups; dup; dup = dup->next)
        if (str_eq(str_from(dup->path), str_from(path)))
            return;
    dup = arena_new(t->arena, struct json_dup);
    dup->path = path;
    *t->dups_tail = dup;
    t->dups_tail = &dup->next;
    t->n_dups++;
}

int tree_key(struct tree *t, struct str key, struct err *err)
{
    struct tree_frame *f = innermost(t);
    size_t n = t->slots.n - f->base;
    long first = find_slot(t, f, key, n);
    int r = count_node(t, err);

    if (r < 0)
        return r;
    push_slot(t, key);
    if (first != NO_SLOT) {
        f->dups = true;
        report_dup(t);
    } else if (f->keys.n > 0) {
        index_key(f, key, n);
    } else if (n + 1 > TREE_LINEAR_KEYS_MAX) {
        const struct doc_member *m = &t->slots.v[f->base];

        for (size_t i = n + 1; i-- > 0;) /* backwards: the first of a key stays */
            index_key(f, m[i].key, i);
    }
    return 0;
}

/* The last value of a key wins, in the place of its first. Returns the members left. */
static size_t drop_dups(struct tree *t, const struct tree_frame *f)
{
    struct doc_member *m = &t->slots.v[f->base];
    size_t n = t->slots.n - f->base;
    auto_free bool *dropped = xcalloc(n, sizeof(*dropped));
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        long first = find_slot(t, f, m[i].key, i);

        if (first == NO_SLOT || (size_t)first == i)
            continue;
        m[first].value = m[i].value;
        dropped[i] = true;
    }
    for (size_t i = 0; i < n; i++)
        if (!dropped[i])
            m[kept++] = m[i];
    return kept;
}

void tree_close(struct tree *t)
{
    struct tree_frame *f = innermost(t);
    const struct doc_member *m = &t->slots.v[f->base];
    size_t n = t->slots.n - f->base;
    struct doc d = f->object ? doc_object() : doc_array();

    if (f->dups)
        n = drop_dups(t, f);
    d.n = d.cap = (uint32_t)n;
    if (f->object && n > 0) {
        d.members = arena_calloc(t->arena, n, sizeof(*d.members));
        memcpy(d.members, m, n * sizeof(*d.members));
    } else if (n > 0) {
        d.items = arena_calloc(t->arena, n, sizeof(*d.items));
        for (size_t i = 0; i < n; i++)
            d.items[i] = m[i].value;
    }
    t->slots.n = f->base;
    map_deinit(&f->keys);
    t->frames.n--;
    tree_put(t, d);
}

struct doc *tree_find(struct tree *t, struct str key)
{
    struct tree_frame *f = innermost(t);
    long at = find_slot(t, f, key, t->slots.n - f->base);

    return at == NO_SLOT ? NULL : &t->slots.v[f->base + (size_t)at].value;
}
