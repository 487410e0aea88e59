/* ref.h - atomic reference counts, for immutable objects shared by caches and watches.
 * Layer: base. Threads: any. */
#pragma once
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ref {
    atomic_uint n;
};
static inline void ref_init(struct ref *r) /* one reference, the caller's */
{
    atomic_init(&r->n, 1);
}
static inline void ref_get(struct ref *r)
{
    unsigned was = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
    assert(was > 0);
    (void)was;
}
/* True when the last reference is gone: the caller then frees the object. */
static inline bool ref_put(struct ref *r)
{
    unsigned was = atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel);
    assert(was > 0);
    return was == 1;
}
/* True if the caller holds the only reference, so that it may change the object. */
static inline bool ref_unique(const struct ref *r)
{
    return atomic_load_explicit(&r->n, memory_order_acquire) == 1;
}
