/* random.h - random numbers behind a seam: the kernel's, or a seeded reproducible stream.
 *
 * Keys and tokens come from the kernel in production; a simulation gives every consumer
 * the seeded source, so a run can be replayed. Layer: base.
 * Threads: random_kernel() any; a seeded source its owner only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct random {
    void (*fill)(struct random *r, void *p, size_t n);
};
/** The kernel's generator (getrandom); aborts if the kernel refuses. Static. */
struct random *random_kernel(void);

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
