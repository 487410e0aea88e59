/* members.c - objects under merging. Layer: schema. */
#include "schema/members.h"
#include <assert.h>

static void *place_of(size_t i)
{
    return (void *)(i + 1); /* a map holds no NULL */
}

struct members members_open(struct doc *d, size_t n_more)
{
    struct members m = {.d = d};

    assert(d->kind == DOC_OBJECT);
    m.hashed = d->n + n_more > MEMBERS_LINEAR_MAX;
    for (uint32_t i = 0; m.hashed && i < d->n; i++)
        (void)map_set(&m.places, d->members[i].key, place_of(i));
    return m;
}

void members_close(struct members *m)
{
    uint32_t n = 0;

    map_deinit(&m->places);
    m->hashed = false;
    if (m->d->kind != DOC_OBJECT) /* its owner put another value there */
        return;
    for (uint32_t i = 0; i < m->d->n; i++) {
        if (m->d->members[i].value.kind == DOC_GONE)
            continue;
        if (n != i)
            m->d->members[n] = m->d->members[i];
        n++;
    }
    m->d->n = n;
}

/* The slot of @key, dropped or not, or NULL. */
static struct doc *slot_of(const struct members *m, struct str key)
{
    if (m->hashed) {
        size_t place = (size_t)map_find(&m->places, key);

        return place ? &m->d->members[place - 1].value : NULL;
    }
    return doc_find(m->d, key);
}

struct doc *members_find(const struct members *m, struct str key)
{
    struct doc *slot = slot_of(m, key);

    return slot && slot->kind != DOC_GONE ? slot : NULL;
}

void members_put(struct members *m, struct arena *a, struct str key, struct doc value)
{
    struct doc *slot = slot_of(m, key);

    if (slot) {
        *slot = value;
        return;
    }
    (void)doc_add(a, m->d, key, value);
    if (m->hashed)
        (void)map_set(&m->places, key, place_of(m->d->n - 1));
}

void members_drop(struct members *m, struct str key)
{
    struct doc *slot = slot_of(m, key);

    if (slot)
        slot->kind = DOC_GONE;
}
