/* random.h - random numbers behind a seam: the kernel's, or a seeded reproducible stream.
 *
 * Keys and tokens come from the kernel in production; a simulation gives every consumer
 * the seeded source, so a run can be replayed. Layer: base.
 * Threads: random_kernel() any; a pool and a seeded source their owner only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct random {
    void (*fill)(struct random *r, void *p, size_t n);
};
/** The kernel's generator (getrandom); aborts if the kernel refuses. Static. */
struct random *random_kernel(void);

enum { RANDOM_POOL_BYTES = 512 };
/* The kernel's, drawn in larger pieces; each byte is given out once and wiped. */
struct random_pool {
    struct random base;
    size_t left; /* at the end of bytes */
    unsigned char bytes[RANDOM_POOL_BYTES];
};
void random_pool_init(struct random_pool *p);   /** Empty: the first draw fills it. */
void random_pool_deinit(struct random_pool *p); /** Wipes what was not given out. */

struct random_seeded { /* xoshiro256**, https://prng.di.unimi.it/ */
    struct random base;
    uint64_t s[4];
};
void random_seeded_init(struct random_seeded *r, uint64_t seed); /** Starts the stream of @seed. */
uint64_t random_u64(struct random *r);                           /** 64 random bits. */
/** Uniform in [0, @n), @n > 0, without modulo bias. */
uint64_t random_below(struct random *r, uint64_t n);
/** Writes a version 4 UUID, 36 characters and a NUL. */
void random_uuid(struct random *r, char ret_uuid[37]);
