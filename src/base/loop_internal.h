/* loop_internal.h - what the two kinds of loop share: the timer heap, and the operations
 * by which they differ. Layer: base, private to loop*.c. Threads: as loop.h. */
#pragma once
#include "base/loop.h"
#include "base/vec.h"

struct loop_ops {
    void (*run)(struct loop *l);
    void (*stop)(struct loop *l); /* any thread */
    void (*hold)(struct loop *l, bool hold);
    void (*assert_on)(const struct loop *l);
    uint64_t (*now_ms)(const struct loop *l);
    void (*post)(struct loop *l, void (*fn)(void *arg), void *arg); /* any thread */
    void (*work)(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg);
    void (*rearm)(struct loop *l); /* the earliest timer is another one now */
    struct uv_loop_s *(*uv)(struct loop *l);
    void (*destroy)(struct loop *l); /* frees the loop; calls loop_drop_timers() */
};
struct loop { /* first field of every kind */
    const struct loop_ops *ops;
    const char *name;
    const struct clock *clock;
    struct random *random;
    VEC(struct timer *) heap; /* by due_ms, then by the order of starting */
    uint64_t n_started;       /* numbers the starts of timers */
};
struct loop_post { /* a message to a loop, in its list */
    struct loop_post *next;
    void (*fn)(void *arg);
    void *arg;
};
struct loop_posts { /* FIFO; {0} is empty */
    struct loop_post *head, *tail;
};

/** Appends a message to @list; true if the list was empty. The caller holds the list's lock. */
bool loop_posts_push(struct loop_posts *list, void (*fn)(void *arg), void *arg);
/** Takes the oldest message off @list, runs and frees it; false if there is none. */
bool loop_posts_run_one(struct loop_posts *list);
/** Frees the messages of @list without running them. */
void loop_posts_drop(struct loop_posts *list);
/** Stops all timers of @l and frees the heap. */
void loop_drop_timers(struct loop *l);
/** The earliest timer of @l, or NULL. */
struct timer *loop_first_timer(const struct loop *l);
/** Runs the earliest timer if it is due by @now_ms and its start's number is below @end;
 *  false if there is none. A timer that its own callback starts anew has a higher number. */
bool loop_run_timer(struct loop *l, uint64_t now_ms, uint64_t end);
