/* typed_clone.c - deep copies of C structs in one piece of memory.
 *
 * Two passes of the same walk: the first only counts bytes, the second copies into a block of just
 * that size. Cached structs are many, so nothing is wasted on them.
 */
#include "schema/typed_internal.h"

struct packer {
    char *at; /* NULL: count only */
    size_t need;
    bool strings; /* copy strings, but for those within stable */
    struct str stable;
};

static void pack_members(struct packer *p, const struct type *type, const void *src, void *dst);

static void *take(struct packer *p, const void *bytes, size_t size)
{
    size_t room = (size + 15) / 16 * 16;
    char *copy = p->at;

    p->need += room;
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, bytes, size);
    p->at += room;
    return copy;
}

/* In the walks below @dst is NULL while counting; else it holds the bytes of @src already, and what
 * they point to is replaced. */
static void pack_str(struct packer *p, const struct str *src, struct str *dst)
{
    const char *copy;

    if (!p->strings || !src->p || (src->p >= p->stable.p && src->p < p->stable.p + p->stable.len))
        return;
    if (src->len == 0) { /* empty, not absent */
        if (dst)
            dst->p = "";
        return;
    }
    copy = take(p, src->p, src->len);
    if (dst)
        dst->p = copy;
}

/* Documents are at most DOC_DEPTH_MAX deep. */
static void pack_doc(struct packer *p, const struct doc *src, struct doc *dst)
{
    struct doc_member *members;
    struct doc *items;

    if (dst)
        dst->cap = src->n;
    switch ((enum doc_kind)src->kind) {
    case DOC_STRING:
        pack_str(p, &src->s, dst ? &dst->s : NULL);
        return;
    case DOC_ARRAY:
        items = take(p, src->items, src->n * sizeof(*items));
        for (uint32_t i = 0; i < src->n; i++)
            pack_doc(p, &src->items[i], items ? &items[i] : NULL);
        if (dst)
            dst->items = items;
        return;
    case DOC_OBJECT:
        members = take(p, src->members, src->n * sizeof(*members));
        for (uint32_t i = 0; i < src->n; i++) {
            pack_str(p, &src->members[i].key, members ? &members[i].key : NULL);
            pack_doc(p, &src->members[i].value, members ? &members[i].value : NULL);
        }
        if (dst)
            dst->members = members;
        return;
    default:
        return;
    }
}

static void pack_value(struct packer *p, const struct field *f, const void *src, void *dst)
{
    const struct doc *raw;
    struct doc *copy;

    switch ((enum field_kind)f->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        pack_str(p, src, dst);
        return;
    case FIELD_INT_OR_STRING:
        pack_str(p, &((const struct int_or_string *)src)->s,
                 dst ? &((struct int_or_string *)dst)->s : NULL);
        return;
    case FIELD_RAW:
        raw = *(const struct doc *const *)src;
        if (!raw)
            return;
        copy = take(p, raw, sizeof(*raw));
        pack_doc(p, raw, copy);
        if (dst)
            *(struct doc **)dst = copy;
        return;
    case FIELD_MESSAGE:
        pack_members(p, f->type, src, dst);
        return;
    default:
        return;
    }
}

static void pack_list(struct packer *p, const struct field *f, const struct any_list *src,
                      struct any_list *dst)
{
    size_t size = field_elem_size(f);
    char *v;

    if (!src->v)
        return;
    v = take(p, src->v, src->n * size);
    for (size_t i = 0; i < src->n; i++)
        pack_value(p, f, list_elem(f, src->v, i), v ? v + i * size : NULL);
    if (dst)
        dst->v = v;
}

static void pack_map(struct packer *p, const struct field *f, const struct any_list *src,
                     struct any_list *dst)
{
    size_t size = map_entry_size(f);
    char *v;

    if (!src->v)
        return;
    v = take(p, src->v, src->n * size);
    for (size_t i = 0; i < src->n; i++) {
        const char *from = (const char *)src->v + i * size;
        char *to = v ? v + i * size : NULL, *value = to ? to + MAP_VALUE_OFFSET : NULL;

        pack_str(p, (const void *)from, (void *)to);
        if (f->card == CARD_MAP)
            pack_value(p, f, from + MAP_VALUE_OFFSET, value);
        else
            pack_list(p, f, (const void *)(from + MAP_VALUE_OFFSET), (void *)value);
    }
    if (dst)
        dst->v = v;
}

static void pack_members(struct packer *p, const struct type *type, const void *src, void *dst)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct field *f = &type->fields[i];
        const void *from = field_ptr(f, src);
        void *to = dst ? field_ptr(f, dst) : NULL, *copy;

        switch ((enum field_card)f->card) {
        case CARD_ONE:
            pack_value(p, f, from, to);
            break;
        case CARD_PTR:
            from = *(void *const *)from;
            if (!from)
                break;
            copy = take(p, from, field_elem_size(f));
            pack_value(p, f, from, copy);
            if (to)
                *(void **)to = copy;
            break;
        case CARD_LIST:
            pack_list(p, f, from, to);
            break;
        case CARD_MAP:
        case CARD_MAP_LIST:
            pack_map(p, f, from, to);
            break;
        }
    }
}

static void *pack(struct packer *p, const struct type *type, const void *obj)
{
    void *copy = take(p, obj, type->size);

    pack_members(p, type, obj, copy);
    return copy;
}

void *typed_clone(const struct type *type, const void *obj, struct arena *a, bool copy_strings)
{
    struct packer p = {.strings = copy_strings};

    (void)pack(&p, type, obj);
    p.at = arena_alloc(a, p.need);
    return pack(&p, type, obj);
}

void *typed_pack(const struct type *type, const void *obj, struct str stable)
{
    struct packer p = {.strings = true, .stable = stable};

    (void)pack(&p, type, obj);
    p.at = xcalloc(1, p.need);
    return pack(&p, type, obj);
}
