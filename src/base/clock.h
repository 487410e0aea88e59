/* clock.h - time behind a seam: the real clocks, or a virtual one that a simulation drives.
 *
 * Nothing above base/ asks libc for the time. Layer: base. Threads: any.
 */
#pragma once
#include <stdint.h>

struct clock {
    /* Monotonic nanoseconds since an arbitrary start. */
    uint64_t (*mono_ns)(const struct clock *c);
    /* Nanoseconds since 1970-01-01T00:00:00Z. */
    int64_t (*wall_ns)(const struct clock *c);
};
/** The machine's clocks. Static, never freed. */
const struct clock *clock_real(void);

struct clock_virtual { /* embeds as the first field; the owner moves now_ns */
    struct clock base;
    uint64_t now_ns;
    int64_t wall_offset_ns; /* wall = now_ns + this */
};
/** A clock that stands still until @c->now_ns is changed. */
void clock_virtual_init(struct clock_virtual *c, int64_t wall_start_ns);
