/* map.c - open addressing, linear probing, deletion by backward shift (no tombstones). */
#include "base/map.h"
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#define MAP_MIN_CAP 8u
#define IT_SHIFT    32 /* an iterator is (empty slot + 1) << 32 | slots visited below it */
static_assert(sizeof(size_t) == 8, "an iterator holds two 32-bit numbers");

struct map_entry {
    char *key; /* NULL: the slot is empty */
    size_t len;
    uint64_t hash;
    void *value;
};

static uint64_t seed[2]; /* set once at start, then only read */

void map_seed(uint64_t k0, uint64_t k1)
{
    seed[0] = k0;
    seed[1] = k1;
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3, https://www.aumasson.jp/siphash/siphash.pdf */
static uint64_t sip_hash(struct str s)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
                     seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
    size_t whole = s.len & ~(size_t)7;
    uint64_t word, last = (uint64_t)s.len << 56;

    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, s.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = whole; i < s.len; i++)
        last |= (uint64_t)(unsigned char)s.p[i] << (8 * (i - whole));
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_deinit(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        free(m->entries[i].key);
    free(m->entries);
    *m = (struct map){0};
}

/* The slot that holds @key, or the empty one where it belongs. The table is never full. */
static struct map_entry *slot_of(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[i];

        if (!e->key || (e->hash == hash && str_eq((struct str){e->key, e->len}, key)))
            return e;
    }
}

static void rehash(struct map *m, size_t cap)
{
    struct map old = *m;

    assert(cap <= UINT32_MAX);
    m->entries = xcalloc(cap, sizeof(*m->entries));
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        const struct map_entry *e = &old.entries[i];
        size_t at = e->hash & (cap - 1);

        if (!e->key)
            continue;
        while (m->entries[at].key)
            at = (at + 1) & (cap - 1);
        m->entries[at] = *e;
    }
    free(old.entries);
}

void *map_set(struct map *m, struct str key, void *value)
{
    uint64_t hash = sip_hash(key);
    struct map_entry *e;
    void *former;

    assert(value);
    if ((m->n + 1) * 4 > m->cap * 3) /* at most three quarters full */
        rehash(m, MAX(m->cap * 2, (size_t)MAP_MIN_CAP));
    e = slot_of(m, key, hash);
    former = e->value;
    if (!e->key) {
        *e = (struct map_entry){xmemdupz(key.p, key.len), key.len, hash, value};
        m->n++;
    }
    e->value = value;
    return former;
}

void *map_find(const struct map *m, struct str key)
{
    return m->n ? slot_of(m, key, sip_hash(key))->value : NULL;
}

void *map_remove(struct map *m, struct str key)
{
    size_t mask = m->cap - 1, hole, at;
    struct map_entry *e;
    void *value;

    if (m->n == 0)
        return NULL;
    e = slot_of(m, key, sip_hash(key));
    if (!e->key)
        return NULL;
    value = e->value;
    free(e->key);
    hole = at = (size_t)(e - m->entries);
    for (;;) { /* pull back whoever was pushed past the hole */
        size_t home;

        at = (at + 1) & mask;
        if (!m->entries[at].key)
            break;
        home = m->entries[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            m->entries[hole] = m->entries[at];
            hole = at;
        }
    }
    m->entries[hole] = (struct map_entry){0};
    m->n--;
    return value;
}

/* Goes down from an empty slot, around to just above it: map_remove() moves entries only
 * downwards and never across an empty slot, so those it moves have been visited already. */
bool map_next(const struct map *m, size_t *it, struct str *ret_key, void **ret_value)
{
    size_t empty, steps;

    if (m->n == 0)
        return false;
    if (*it == 0) {
        for (empty = 0; m->entries[empty].key; empty++)
            ;
        *it = (empty + 1) << IT_SHIFT;
    }
    empty = (*it >> IT_SHIFT) - 1;
    for (steps = *it & UINT32_MAX; steps + 1 < m->cap;) {
        const struct map_entry *e = &m->entries[(empty - ++steps) & (m->cap - 1)];

        if (!e->key)
            continue;
        *it = (empty + 1) << IT_SHIFT | steps;
        *ret_key = (struct str){e->key, e->len};
        *ret_value = e->value;
        return true;
    }
    return false;
}
