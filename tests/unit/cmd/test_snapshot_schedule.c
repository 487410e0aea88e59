/* SPDX-License-Identifier: Apache-2.0 */
/* When snapshots are made, and which stay, by clocks that are set. */
#include "test.h"

#include "base/vec.h"
#include "cmd/snapshot_schedule.h"
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };
#define DAY_NS (INT64_C(24) * 3600 * 1000000000)

struct rig {
    struct sim *sim;
    struct loop *loop, *store_loop;
    struct store *st;
    struct snapshot_flags flags;
    struct snapshot_schedule *schedule;
    char dir[32];
    struct snapshot_figures figures;
};

static void on_figures(void *arg, const struct snapshot_figures *f)
{
    *(struct snapshot_figures *)arg = *f;
}

static void rig_init(struct rig *g, int64_t retention)
{
    struct store_opts opts = {.engine = engine_memory_new()};
    struct err err = {0};

    *g = (struct rig){.sim = sim_new(1), .dir = "/tmp/skiff-schedule-XXXXXX"};
    assert_non_null(mkdtemp(g->dir));
    g->flags = (struct snapshot_flags)SNAPSHOT_FLAGS_DEFAULT;
    g->flags.interval_ms = HOUR_MS;
    g->flags.retention = retention;
    g->flags.to = g->dir;
    g->loop = sim_loop(g->sim, "server");
    opts.loop = g->store_loop = sim_loop(g->sim, "store");
    assert_ok(store_open(&opts, NULL, 0, &g->st, &err), &err);
}

static void start(struct rig *g)
{
    struct snapshot_schedule_opts o = {.loop = g->loop,
                                       .store = g->st,
                                       .flags = &g->flags,
                                       .data_dir = "/nonexistent",
                                       .on_figures = on_figures,
                                       .arg = &g->figures};

    g->schedule = snapshot_schedule_new(&o);
}

static void stop(struct rig *g)
{
    g->schedule = snapshot_schedule_free(g->schedule);
    sim_run_for(g->sim, 5000);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Checks which files are there: the times in their names, in order. */
static void check_times(const struct rig *g, const char *want)
{
    VEC(char *) names = {0};
    auto_buf found = {0};
    DIR *d = opendir(g->dir);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            vec_push(&names, xstrdup(e->d_name));
    (void)closedir(d);
    if (names.n)
        qsort(names.v, names.n, sizeof(names.v[0]), by_name);
    for (size_t i = 0; i < names.n; i++) {
        buf_printf(&found, "%.13s ", names.v[i] + strlen("skiff-"));
        free(names.v[i]);
    }
    vec_deinit(&names);
    assert_string_equal(buf_cstr(&found), want);
}

static void rig_deinit(struct rig *g)
{
    auto_arena a = {0};
    DIR *d = opendir(g->dir);
    struct dirent *e;

    stop(g);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            assert_int_equal(unlink(arena_printf(&a, "%s/%s", g->dir, e->d_name)), 0);
    (void)closedir(d);
    assert_int_equal(rmdir(g->dir), 0);
    g->st = store_close(g->st);
    sim_run_for(g->sim, 10);
    (void)sim_free(g->sim);
}

static void set_clock(struct rig *g, int64_t by_ns)
{
    struct clock_virtual *c = (struct clock_virtual *)(uintptr_t)loop_clock(g->loop);

    c->wall_offset_ns += by_ns;
}

static void put_file(const struct rig *g, const char *name)
{
    auto_arena a = {0};
    auto_fd fd = open(arena_printf(&a, "%s/%s", g->dir, name), O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
}

static void test_a_clock_set_back_stops_nothing(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 5);
    start(&g);
    sim_run_for(g.sim, 10 * MINUTE_MS);
    check_times(&g, "20260101T0000 ");
    set_clock(&g, -30 * DAY_NS);
    sim_run_for(g.sim, 62 * MINUTE_MS);
    check_times(&g, "20251202T0110 20260101T0000 ");
    sim_run_for(g.sim, HOUR_MS);
    check_times(&g, "20251202T0110 20251202T0210 20260101T0000 ");
    assert_int_equal(g.figures.failures, 0);
    rig_deinit(&g);
}

static void test_a_clock_set_forward_makes_one(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 5);
    start(&g);
    sim_run_for(g.sim, 10 * MINUTE_MS);
    set_clock(&g, 30 * DAY_NS);
    sim_run_for(g.sim, 2 * MINUTE_MS);
    check_times(&g, "20260101T0000 20260131T0010 ");
    rig_deinit(&g);
}

/* A server that is never up for a whole interval has snapshots, too. */
static void test_one_of_the_future_is_not_waited_for(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 5);
    put_file(&g, "skiff-20990101T000000Z-r7.snapshot");
    for (int i = 0; i < 3; i++) {
        start(&g);
        sim_run_for(g.sim, 35 * MINUTE_MS);
        stop(&g);
    }
    check_times(&g, "20260101T0000 20260101T0100 20990101T0000 ");
    rig_deinit(&g);
}

static void test_those_of_the_future_go_first(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, 3);
    put_file(&g, "skiff-20250101T000000Z-r1.snapshot");
    put_file(&g, "skiff-20990101T000000Z-r7.snapshot");
    put_file(&g, "skiff-20990102T000000Z-r8.snapshot");
    start(&g);
    sim_run_for(g.sim, MINUTE_MS);
    check_times(&g, "20250101T0000 20260101T0000 20990102T0000 ");
    sim_run_for(g.sim, HOUR_MS);
    check_times(&g, "20250101T0000 20260101T0000 20260101T0100 ");
    sim_run_for(g.sim, HOUR_MS);
    check_times(&g, "20260101T0000 20260101T0100 20260101T0200 ");
    rig_deinit(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clock_set_back_stops_nothing),
        cmocka_unit_test(test_a_clock_set_forward_makes_one),
        cmocka_unit_test(test_one_of_the_future_is_not_waited_for),
        cmocka_unit_test(test_those_of_the_future_go_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
