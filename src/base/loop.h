/* loop.h - an event loop: timers, messages from other threads, work off the loop.
 *
 * State belongs to a loop: every callback of a loop runs on its thread, one after
 * another, and never blocks. Two kinds behind one interface: a libuv loop for production,
 * and a simulated loop that runs many logical loops on one thread under virtual time.
 * Code above base/ and net/ sees only this header, so it runs on both.
 *
 * Layer: base. Threads: loop thread only (asserted), except loop_post() and loop_stop().
 */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include <stddef.h>

struct loop;
struct uv_loop_s;

/** A production loop over libuv. @name appears in logs (borrowed). */
struct loop *loop_new(const char *name);
/** Frees a loop that does not run and has no live uv handles; NULL is a no-op. Returns NULL.
 *  Started timers are stopped; posts and work still under way run to their end first (on a
 *  simulated loop, which this takes out of its sim, they are dropped, as by a crash). */
struct loop *loop_free(struct loop *l);
/** Runs until loop_stop(), or until no timer, post, work or uv handle is left; see loop_hold().
 *  On a simulated loop: steps its sim. */
void loop_run(struct loop *l);
/** Makes loop_run() return soon, after what has been posted before; stops the next run at once
 *  if the loop does not run yet. Any thread. */
void loop_stop(struct loop *l);
/** With @hold, loop_run() goes on until loop_stop(), even while there is nothing but posts of
 *  other threads to wait for; a new loop is not held. */
void loop_hold(struct loop *l, bool hold);
/** Asserts that the caller is on the thread of @l; while @l does not run, any thread is. */
void loop_assert(const struct loop *l);
/** The libuv loop, for net/ and the runtime glue; NULL on a simulated loop. */
struct uv_loop_s *loop_uv(struct loop *l);

/** Monotonic milliseconds of the loop's clock, cached for one iteration. */
uint64_t loop_now_ms(const struct loop *l);
/** Wall clock, nanoseconds since 1970. */
int64_t loop_wall_ns(const struct loop *l);
const struct clock *loop_clock(const struct loop *l); /** The loop's clock. */
struct random *loop_random(struct loop *l);           /** The loop's random source. */

/** Runs @fn(@arg) on @l's thread, in order of the posts. Any thread. Never fails. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

/** Runs @work(@arg) on the worker pool, then @done(@arg) on the loop. On a simulated loop both
 *  run on the loop, at a virtual time of the simulation's choice. */
void loop_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* A timer, embedded in its owner; it keeps loop_run() going while started. Timers that are due
 * at the same time fire in the order of their starts. */
struct timer {
    struct loop *loop;
    void (*on_timer)(struct timer *t);
    uint64_t due_ms;   /* absolute, loop time */
    uint64_t every_ms; /* 0: once */
    uint64_t start;    /* number of the start, which orders equal due times */
    uint32_t at;       /* place in the loop's heap, 1-based; 0: stopped */
};
/** Prepares @t; nothing is started. The memory may be freed as soon as the timer is stopped. */
void timer_init(struct timer *t, struct loop *l, void (*on_timer)(struct timer *t));
/** (Re)starts @t: first after @delay_ms, then every @every_ms (0: once). O(log n). */
void timer_start(struct timer *t, uint64_t delay_ms, uint64_t every_ms);
/** Stops @t; idempotent; safe on a zeroed timer. */
void timer_stop(struct timer *t);
static inline int timer_active(const struct timer *t)
{
    return t->at != 0;
}

/* Simulation: one sim owns virtual time and a seeded random source; its loops take turns. */
struct sim;
struct sim *sim_new(uint64_t seed);      /** Virtual time starts at 2026-01-01T00:00:00Z. */
struct sim *sim_free(struct sim *s);     /** Frees the sim and its loops. Returns NULL. */
struct loop *sim_loop(struct sim *s, const char *name); /** A logical loop of @s, owned by it. */
/** Runs the next due callback (posts in random order between loops, in order within one);
 *  advances virtual time when nothing is due. False when nothing is left. */
bool sim_step(struct sim *s);
/** Steps until virtual time reaches now + @ms. */
void sim_run_for(struct sim *s, uint64_t ms);
