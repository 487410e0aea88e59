/* clock.c - the machine's clocks and the virtual one. */
#include "base/clock.h"
#include "base/mem.h"
#include <stdio.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    if (clock_gettime(id, &ts) < 0) {
        (void)fprintf(stderr, "skiff: no system clock %d\n", (int)id);
        abort();
    }
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t real_mono_ns(const struct clock *c)
{
    return (uint64_t)read_ns(CLOCK_MONOTONIC);
}

static int64_t real_wall_ns(const struct clock *c)
{
    return read_ns(CLOCK_REALTIME);
}

const struct clock *clock_real(void)
{
    static const struct clock real = {.mono_ns = real_mono_ns, .wall_ns = real_wall_ns};

    return &real;
}

static uint64_t virtual_mono_ns(const struct clock *c)
{
    return ((const struct clock_virtual *)c)->now_ns;
}

static int64_t virtual_wall_ns(const struct clock *c)
{
    const struct clock_virtual *v = (const struct clock_virtual *)c;

    return (int64_t)v->now_ns + v->wall_offset_ns;
}

void clock_virtual_init(struct clock_virtual *c, int64_t wall_start_ns)
{
    *c = (struct clock_virtual){
        .base = {.mono_ns = virtual_mono_ns, .wall_ns = virtual_wall_ns},
        .wall_offset_ns = wall_start_ns,
    };
}
