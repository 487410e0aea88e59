/* patch_order.c - the order of merged lists. Layer: schema. */
#include "schema/patch_order.h"
#include "base/buf.h"
#include "codec/json.h"

void places_deinit(struct places *p)
{
    map_deinit(&p->map);
}

/* What identifies an item: its merge key's value, or itself, with its kind. */
static void write_identity(const struct places *p, const struct doc *item, struct buf *out)
{
    static const struct doc absent = {.kind = DOC_NULL};
    const struct doc *d = item;

    if (p->key) {
        d = doc_find(item, str_from(p->key));
        d = d ? d : &absent;
    }
    json_write(out, d); /* a string is quoted: "1" and 1 differ */
}

void places_add(struct places *p, const struct doc *item, size_t at)
{
    auto_buf id = {0};

    write_identity(p, item, &id);
    if (!map_find(&p->map, buf_view(&id)))
        (void)map_set(&p->map, buf_view(&id), (void *)(at + 1)); /* a map holds no NULL */
}

void places_add_list(struct places *p, const struct doc *list)
{
    for (uint32_t i = 0; list && i < list->n; i++)
        places_add(p, &list->items[i], i);
}

long places_find(const struct places *p, const struct doc *item)
{
    auto_buf id = {0};

    write_identity(p, item, &id);
    return (long)(size_t)map_find(&p->map, buf_view(&id)) - 1;
}

struct ranked { /* an item of the merged list */
    struct doc item;
    long rank;        /* in the order it follows; -1: not there */
    long server_rank; /* in the server's */
    size_t at;        /* in the merged list, which keeps equal ones in order */
};

/* By rank; those that are not in the order come last, as they stood. */
static int cmp_ranked(const void *x, const void *y)
{
    const struct ranked *rx = x, *ry = y;

    if ((rx->rank < 0) != (ry->rank < 0))
        return rx->rank < 0 ? 1 : -1;
    if (rx->rank != ry->rank)
        return rx->rank < ry->rank ? -1 : 1;
    return (rx->at > ry->at) - (rx->at < ry->at);
}

/* Runs @left into @right: an item of @left goes first only where the server had it first. */
static struct doc interleave(struct arena *a, const struct ranked *left, size_t n_left,
                             const struct ranked *right, size_t n_right)
{
    struct doc out = doc_array();
    size_t i = 0, j = 0;

    while (i < n_left || j < n_right) {
        bool take_left =
            j == n_right || (i < n_left && left[i].server_rank >= 0 && right[j].server_rank >= 0 &&
                             left[i].server_rank < right[j].server_rank);

        (void)doc_append(a, &out, take_left ? left[i++].item : right[j++].item);
    }
    return out;
}

struct doc order_merged(struct arena *a, const char *key, const struct doc *merged,
                        const struct doc *patch_order, const struct doc *server_order)
{
    auto_places patch = {.key = key};
    auto_places server = {.key = key};
    struct ranked *theirs = arena_calloc(a, merged->n + 1u, sizeof(*theirs));
    struct ranked *ours = arena_calloc(a, merged->n + 1u, sizeof(*ours));
    size_t n_theirs = 0, n_ours = 0;

    places_add_list(&patch, patch_order);
    places_add_list(&server, server_order);
    for (uint32_t i = 0; i < merged->n; i++) {
        const struct doc *item = &merged->items[i];
        long rank = places_find(&patch, item), server_rank = places_find(&server, item);

        if (rank >= 0)
            theirs[n_theirs++] = (struct ranked){*item, rank, server_rank, i};
        else
            ours[n_ours++] = (struct ranked){*item, server_rank, server_rank, i};
    }
    qsort(theirs, n_theirs, sizeof(*theirs), cmp_ranked);
    qsort(ours, n_ours, sizeof(*ours), cmp_ranked);
    return interleave(a, ours, n_ours, theirs, n_theirs);
}
