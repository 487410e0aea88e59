/* omap.c - a copy-on-write B+tree.
 *
 *     inner   item[] = children   min[] = first key below each   count[] = entries below each
 *       leaf  item[] = values
 *
 * All leaves are equally deep. min[i] points into the key of the first value below child i,
 * which that child keeps alive. A node with one reference, reached only through nodes with
 * one reference, belongs to the writer and is changed in place; any other is copied first.
 *
 * A full node is split in the middle, except at the right edge of the tree: there the left
 * one stays full, so that a map loaded in order is dense. A node below a quarter is
 * merged into a neighbour that has room.
 *
 * Keys lie all over memory, and looking at one costs a cache miss. So a node keeps of each slot's
 * key the eight bytes that follow what all its keys begin with, as a big-endian number: most
 * comparisons of a search end there.
 */
#include "base/omap.h"
#include "base/ref.h"
#include <endian.h>

#define FAN       32u
#define SMALL     (FAN / 4)
#define DEPTH_MAX ARRAY_LEN(((struct omap_iter *)0)->path)

struct omap_node {
    struct ref refs;
    uint16_t n;
    uint16_t height; /* 0: leaf */
    uint16_t skip;   /* so many first bytes all keys have in common */
    uint64_t tag[FAN]; /* of the key's bytes after them; zeros behind its end */
    void *item[FAN];
};
struct inner {
    struct omap_node node;
    struct str min[FAN];
    size_t count[FAN];
};

static struct inner *inner_of(const struct omap_node *x)
{
    assert(x->height > 0);
    return (struct inner *)(void *)x;
}

static struct omap_node *child_of(const struct omap_node *x, size_t i)
{
    return x->item[i];
}

static struct omap_node *node_new(unsigned height)
{
    struct omap_node *x = xcalloc(1, height ? sizeof(struct inner) : sizeof(struct omap_node));

    ref_init(&x->refs);
    x->height = (uint16_t)height;
    return x;
}

static void node_unref(const struct omap_ops *ops, struct omap_node *x)
{
    if (!x || !ref_put(&x->refs))
        return;
    for (size_t i = 0; i < x->n; i++) {
        if (x->height)
            node_unref(ops, child_of(x, i)); /* as deep as the tree is high */
        else
            ops->unref(x->item[i]);
    }
    free(x);
}

/* Copies @n slots of @from to the end of @to; the references go along or are doubled by the
 * caller, who also sees to the tags if the nodes skip differently. */
static void slots_append(struct omap_node *to, const struct omap_node *from, size_t at, size_t n)
{
    assert(to->n + n <= FAN && to->height == from->height);
    memcpy(&to->item[to->n], &from->item[at], n * sizeof(from->item[0]));
    memcpy(&to->tag[to->n], &from->tag[at], n * sizeof(from->tag[0]));
    if (to->height) {
        struct inner *ti = inner_of(to), *fi = inner_of(from);

        memcpy(&ti->min[to->n], &fi->min[at], n * sizeof(fi->min[0]));
        memcpy(&ti->count[to->n], &fi->count[at], n * sizeof(fi->count[0]));
    }
    to->n = (uint16_t)(to->n + n);
}

/* Opens (@by 1) or closes (@by -1) a slot at @at. */
static void slots_shift(struct omap_node *x, size_t at, int by)
{
    size_t from = by < 0 ? at + 1 : at, to = by < 0 ? at : at + 1, n = x->n - from;

    memmove(&x->item[to], &x->item[from], n * sizeof(x->item[0]));
    memmove(&x->tag[to], &x->tag[from], n * sizeof(x->tag[0]));
    if (x->height) {
        struct inner *in = inner_of(x);

        memmove(&in->min[to], &in->min[from], n * sizeof(in->min[0]));
        memmove(&in->count[to], &in->count[from], n * sizeof(in->count[0]));
    }
    x->n = (uint16_t)(x->n + by);
}

static void slots_ref(const struct omap_ops *ops, const struct omap_node *x)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->height)
            ref_get(&child_of(x, i)->refs);
        else
            ops->ref(x->item[i]);
    }
}

/* @x if it is the writer's alone, else a copy in exchange for the reference to @x. */
static struct omap_node *node_own(const struct omap_ops *ops, struct omap_node *x)
{
    struct omap_node *copy;

    if (ref_unique(&x->refs))
        return x;
    copy = node_new(x->height);
    copy->skip = x->skip;
    slots_append(copy, x, 0, x->n);
    slots_ref(ops, copy);
    node_unref(ops, x);
    return copy;
}

static struct str slot_key(const struct omap_ops *ops, const struct omap_node *x, size_t i)
{
    return x->height ? inner_of(x)->min[i] : ops->key(x->item[i]);
}

static uint64_t tag_of(struct str key, size_t skip)
{
    uint64_t tag = 0;

    if (key.len > skip)
        memcpy(&tag, key.p + skip, MIN(key.len - skip, sizeof(tag)));
    return be64toh(tag);
}

/* How many first bytes @a and @b have in common, as far as a node can tell. */
static size_t common(struct str a, struct str b)
{
    size_t n = MIN(MIN(a.len, b.len), (size_t)UINT16_MAX), i = 0;

    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

static void tags_make(const struct omap_ops *ops, struct omap_node *x)
{
    if (x->n == 0)
        return;
    x->skip = (uint16_t)common(slot_key(ops, x, 0), slot_key(ops, x, x->n - 1u));
    for (size_t i = 0; i < x->n; i++)
        x->tag[i] = tag_of(slot_key(ops, x, i), x->skip);
}

/* Slot @i has a key that the node did not have before. */
static void tag_set(const struct omap_ops *ops, struct omap_node *x, size_t i)
{
    struct str key = slot_key(ops, x, i);
    size_t other = i ? i - 1 : i + 1;

    if (other < x->n && key.len >= x->skip &&
        memcmp(key.p, slot_key(ops, x, other).p, x->skip) == 0)
        x->tag[i] = tag_of(key, x->skip);
    else
        tags_make(ops, x);
}

/* Makes slot @i of the inner node @x tell the truth about its child again. */
static void slot_refresh(const struct omap_ops *ops, struct omap_node *x, size_t i)
{
    const struct omap_node *child = child_of(x, i);
    struct inner *in = inner_of(x);
    struct str first = slot_key(ops, child, 0);
    size_t count = child->height ? 0 : child->n;

    if (child->height)
        for (size_t k = 0; k < child->n; k++)
            count += inner_of(child)->count[k];
    in->count[i] = count;
    if (in->min[i].p == first.p)
        return;
    in->min[i] = first;
    tag_set(ops, x, i);
}

/* True if @key stands before the bound: below @at, or, with @past, also starting with it. */
static bool before(struct str key, struct str at, bool past)
{
    return str_cmp(key, at) < 0 || (past && str_has_prefix(key, at));
}

/* How many slots of @x have a (first) key before the bound. */
static size_t slots_before(const struct omap_ops *ops, const struct omap_node *x, struct str at,
                           bool past)
{
    size_t lo = 0, hi = x->n, n = MIN(at.len, (size_t)x->skip);
    uint64_t tag;
    int c = hi && n ? memcmp(at.p, slot_key(ops, x, 0).p, n) : 0;

    if (c)
        return c < 0 ? 0 : hi;
    if (at.len < x->skip) /* all keys start with it */
        return past ? hi : 0;
    tag = tag_of(at, x->skip);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        bool is;

        if (x->tag[mid] == tag || past)
            is = before(slot_key(ops, x, mid), at, past);
        else
            is = x->tag[mid] < tag;
        if (is)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* True if slot @i of @x is there, and its (first) key is @key. */
static bool slot_is(const struct omap_ops *ops, const struct omap_node *x, size_t i,
                    struct str key)
{
    return i < x->n && key.len >= x->skip && x->tag[i] == tag_of(key, x->skip) &&
           str_eq(slot_key(ops, x, i), key);
}

/* The child of @x below which @key is, or would be. */
static size_t child_for(const struct omap_ops *ops, const struct omap_node *x, struct str key)
{
    size_t i = slots_before(ops, x, key, false);

    if (slot_is(ops, x, i, key))
        return i;
    return i ? i - 1 : 0;
}

void omap_init(struct omap *m, const struct omap_ops *ops)
{
    *m = (struct omap){.ops = ops};
}

void omap_deinit(struct omap *m)
{
    node_unref(m->ops, m->root);
    m->root = NULL;
    m->n = 0;
}

struct omap omap_snapshot(const struct omap *m)
{
    if (m->root)
        ref_get(&m->root->refs);
    return *m;
}

/* Puts @item into slot @at of @x, which is owned. If @x is full, its upper part goes to a
 * new right neighbour, which is returned. */
static struct omap_node *slot_insert(const struct omap_ops *ops, struct omap_node *x, size_t at,
                                     void *item)
{
    struct omap_node *right = NULL, *to = x;

    if (x->n == FAN) {
        size_t keep = at == FAN ? FAN : FAN / 2;

        right = node_new(x->height);
        slots_append(right, x, keep, FAN - keep);
        x->n = (uint16_t)keep;
        tags_make(ops, x);
        tags_make(ops, right);
        if (at > keep || keep == FAN) {
            to = right;
            at -= keep;
        }
    }
    slots_shift(to, at, 1);
    to->item[at] = item;
    if (to->height) {
        inner_of(to)->min[at] = STR_NULL;
        slot_refresh(ops, to, at);
    } else {
        tag_set(ops, to, at);
    }
    return right;
}

/* Puts @value below *@px; returns the right neighbour of *@px if it had to be split. */
static struct omap_node *put_below(const struct omap_ops *ops, struct omap_node **px,
                                   struct str key, void *value, bool *ret_replaced)
{
    struct omap_node *x = *px = node_own(ops, *px), *right;
    size_t i;

    if (x->height == 0) {
        i = slots_before(ops, x, key, false);
        if (!slot_is(ops, x, i, key))
            return slot_insert(ops, x, i, value);
        ops->unref(x->item[i]);
        x->item[i] = value;
        *ret_replaced = true;
        return NULL;
    }
    i = child_for(ops, x, key);
    right = put_below(ops, (struct omap_node **)&x->item[i], key, value, ret_replaced);
    slot_refresh(ops, x, i);
    return right ? slot_insert(ops, x, i + 1, right) : NULL;
}

bool omap_put(struct omap *m, void *value)
{
    struct omap_node *right, *root;
    bool replaced = false;

    m->ops->ref(value);
    if (!m->root)
        m->root = node_new(0);
    right = put_below(m->ops, &m->root, m->ops->key(value), value, &replaced);
    if (right) {
        root = node_new(m->root->height + 1u);
        assert(root->height < DEPTH_MAX);
        root->item[0] = m->root;
        root->n = 1;
        slot_refresh(m->ops, root, 0);
        (void)slot_insert(m->ops, root, 1, right);
        m->root = root;
    }
    m->n += !replaced;
    return replaced;
}

/* Moves what child @i + 1 of @x holds into child @i, if both fit there. */
static bool merge_right(const struct omap_ops *ops, struct omap_node *x, size_t i)
{
    struct omap_node *left = child_of(x, i), *right = child_of(x, i + 1);

    if (left->n + right->n > FAN)
        return false;
    left = x->item[i] = node_own(ops, left);
    right = node_own(ops, right);
    slots_append(left, right, 0, right->n);
    tags_make(ops, left);
    free(right); /* its references live on in left */
    slots_shift(x, i + 1, -1);
    slot_refresh(ops, x, i);
    return true;
}

/* Removes @key, which is there, from below *@px. The node may be left empty. */
static void remove_below(const struct omap_ops *ops, struct omap_node **px, struct str key)
{
    struct omap_node *x = *px = node_own(ops, *px), *child;
    size_t i;

    if (x->height == 0) {
        void *value;

        i = slots_before(ops, x, key, false);
        value = x->item[i];
        slots_shift(x, i, -1);
        ops->unref(value); /* @key may end with it */
        return;
    }
    i = child_for(ops, x, key);
    remove_below(ops, (struct omap_node **)&x->item[i], key);
    child = child_of(x, i);
    if (child->n == 0) {
        node_unref(ops, child);
        slots_shift(x, i, -1);
        return;
    }
    slot_refresh(ops, x, i);
    if (child->n >= SMALL)
        return;
    if (i + 1u < x->n && merge_right(ops, x, i))
        return;
    if (i > 0)
        (void)merge_right(ops, x, i - 1);
}

bool omap_remove(struct omap *m, struct str key)
{
    struct omap_node *root;

    if (!omap_find(m, key))
        return false;
    remove_below(m->ops, &m->root, key);
    m->n--;
    while (m->root && (m->root->n == 0 || (m->root->height && m->root->n == 1))) {
        root = m->root->n ? child_of(m->root, 0) : NULL;
        free(m->root); /* owned since the removal went through it; its reference is taken over */
        m->root = root;
        if (root && !ref_unique(&root->refs))
            break; /* shared nodes below are collapsed when they are next owned */
    }
    return true;
}

void *omap_find(const struct omap *m, struct str key)
{
    const struct omap_node *x = m->root;
    size_t i;

    if (!x)
        return NULL;
    while (x->height)
        x = child_of(x, child_for(m->ops, x, key));
    i = slots_before(m->ops, x, key, false);
    return slot_is(m->ops, x, i, key) ? x->item[i] : NULL;
}

/* Moves a cursor that may stand past the end of a leaf to where an entry is. */
static void iter_settle(struct omap_iter *it)
{
    int leaf = it->depth, d = leaf;

    while (d >= 0 && it->at[d] >= it->path[d]->n) {
        d--;
        if (d >= 0)
            it->at[d]++;
    }
    if (d < 0) {
        it->depth = -1;
        return;
    }
    for (; d < leaf; d++) {
        it->path[d + 1] = child_of(it->path[d], it->at[d]);
        it->at[d + 1] = 0;
    }
}

void omap_seek(const struct omap *m, struct str from, struct omap_iter *ret_it)
{
    const struct omap_node *x = m->root;

    *ret_it = (struct omap_iter){.depth = -1};
    for (; x; x = x->height ? child_of(x, ret_it->at[ret_it->depth]) : NULL) {
        ret_it->path[++ret_it->depth] = x;
        ret_it->at[ret_it->depth] = (uint16_t)(x->height ? child_for(m->ops, x, from)
                                                         : slots_before(m->ops, x, from, false));
    }
    iter_settle(ret_it);
}

void *omap_next(struct omap_iter *it)
{
    void *value;

    if (it->depth < 0)
        return NULL;
    value = it->path[it->depth]->item[it->at[it->depth]++];
    iter_settle(it);
    return value;
}

/* How many entries stand before the bound. */
static size_t rank(const struct omap *m, struct str at, bool past)
{
    const struct omap_node *x = m->root;
    size_t n = 0;

    while (x && x->height) {
        size_t i = slots_before(m->ops, x, at, past);

        if (i == 0)
            return n; /* even the first key below stands past the bound */
        for (size_t k = 0; k + 1 < i; k++)
            n += inner_of(x)->count[k];
        x = child_of(x, i - 1);
    }
    return x ? n + slots_before(m->ops, x, at, past) : 0;
}

size_t omap_count_prefix(const struct omap *m, struct str prefix)
{
    return rank(m, prefix, true) - rank(m, prefix, false);
}
