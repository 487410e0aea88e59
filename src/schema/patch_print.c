/* patch_print.c - documents in error texts, as Go's %v prints them. Layer: schema. */
#include "codec/json.h"
#include "schema/patch_internal.h"

enum { PRINT_DEPTH_MAX = 8 };

static int cmp_members(const void *x, const void *y)
{
    const struct doc_member *const *mx = x, *const *my = y;

    return str_cmp((*mx)->key, (*my)->key);
}

static void print(struct buf *out, const struct doc *d, unsigned depth);

static void print_object(struct buf *out, const struct doc *d, unsigned depth)
{
    auto_arena a = {0};
    const struct doc_member **sorted =
        arena_calloc(&a, d->n + 1u, sizeof(const struct doc_member *));

    for (uint32_t i = 0; i < d->n; i++)
        sorted[i] = &d->members[i];
    qsort(sorted, d->n, sizeof(const struct doc_member *), cmp_members);
    buf_puts(out, "map[");
    for (uint32_t i = 0; i < d->n && !out->overflow; i++) {
        if (i)
            buf_putc(out, ' ');
        buf_str(out, sorted[i]->key);
        buf_putc(out, ':');
        print(out, &sorted[i]->value, depth + 1);
    }
    buf_putc(out, ']');
}

static void print(struct buf *out, const struct doc *d, unsigned depth)
{
    if (depth == PRINT_DEPTH_MAX) {
        buf_puts(out, "...");
    } else if (d->kind == DOC_OBJECT) {
        print_object(out, d, depth);
    } else if (d->kind == DOC_ARRAY) {
        buf_putc(out, '[');
        for (uint32_t i = 0; i < d->n && !out->overflow; i++) {
            if (i)
                buf_putc(out, ' ');
            print(out, &d->items[i], depth + 1);
        }
        buf_putc(out, ']');
    } else if (d->kind == DOC_STRING) {
        buf_str(out, d->s);
    } else if (d->kind == DOC_NULL) {
        buf_puts(out, "<nil>");
    } else {
        json_write(out, d);
    }
}

void patch_go_print(struct buf *out, const struct doc *d)
{
    print(out, d, 0);
}
