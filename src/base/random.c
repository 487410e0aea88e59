/* random.c - the kernel's generator, xoshiro256**, and what is derived from them. */
#include "base/random.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static void kernel_fill(struct random *r, void *p, size_t n)
{
    char *to = p;

    while (n) {
        ssize_t got = getrandom(to, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            (void)fprintf(stderr, "skiff: getrandom: %s\n", strerror(errno));
            abort();
        }
        to += got;
        n -= (size_t)got;
    }
}

struct random *random_kernel(void)
{
    static struct random kernel = {.fill = kernel_fill}; /* never written: no state */

    return &kernel;
}

/* A draw that would not leave the pool useful goes to the kernel itself. */
static void pool_fill(struct random *base, void *to, size_t n)
{
    struct random_pool *p = container_of(base, struct random_pool, base);
    unsigned char *from;

    if (n > RANDOM_POOL_BYTES / 4) {
        kernel_fill(NULL, to, n);
        return;
    }
    if (n > p->left) {
        kernel_fill(NULL, p->bytes, sizeof(p->bytes));
        p->left = sizeof(p->bytes);
    }
    from = p->bytes + sizeof(p->bytes) - p->left;
    memcpy(to, from, n);
    explicit_bzero(from, n);
    p->left -= n;
}

void random_pool_init(struct random_pool *p)
{
    *p = (struct random_pool){.base = {.fill = pool_fill}};
}

void random_pool_deinit(struct random_pool *p)
{
    explicit_bzero(p->bytes, sizeof(p->bytes));
    p->left = 0;
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t seeded_next(struct random_seeded *r)
{
    uint64_t result = rotl(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return result;
}

static void seeded_fill(struct random *r, void *p, size_t n)
{
    char *to = p;

    while (n) {
        uint64_t bits = seeded_next((struct random_seeded *)r);
        size_t part = MIN(n, sizeof(bits));

        memcpy(to, &bits, part);
        to += part;
        n -= part;
    }
}

void random_seeded_init(struct random_seeded *r, uint64_t seed)
{
    *r = (struct random_seeded){.base = {.fill = seeded_fill}};
    for (size_t i = 0; i < ARRAY_LEN(r->s); i++) { /* splitmix64: no seed gives an all-zero state */
        uint64_t z = seed += 0x9e3779b97f4a7c15u;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->s[i] = z ^ (z >> 31);
    }
}

uint64_t random_u64(struct random *r)
{
    uint64_t v;

    r->fill(r, &v, sizeof(v));
    return v;
}

uint64_t random_below(struct random *r, uint64_t n)
{
    uint64_t v, skip;

    assert(n > 0);
    skip = (0 - n) % n; /* 2^64 mod n: so many values at the bottom would be one too many */
    do
        v = random_u64(r);
    while (v < skip);
    return v % n;
}

void random_uuid(struct random *r, char ret_uuid[37])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];
    char *to = ret_uuid;

    r->fill(r, b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[b[i] >> 4];
        *to++ = hex[b[i] & 15];
    }
    *to = '\0';
}
