/* loop_sim.c - simulated loops: one thread, virtual time, one seed.
 *
 * The seed decides which of the callbacks that could run now does run, and how long work
 * takes; inside one loop posts keep their order, and so do timers. */
#include "base/loop_internal.h"
#include <assert.h>
#include <stdio.h>

#define SIM_START_NS    (INT64_C(1767225600) * 1000000000) /* 2026-01-01T00:00:00Z */
#define SIM_WORK_MAX_MS 5u
#define NS_PER_MS       UINT64_C(1000000)

struct loop_sim;
struct sim {
    struct clock_virtual clock;
    struct random_seeded random;
    VEC(struct loop_sim *) loops;
    const struct loop_sim *current; /* whose callback runs; NULL outside of callbacks */
};
struct loop_sim {
    struct loop base;
    struct sim *sim;
    struct loop_posts posts;
    bool stopping;
};
struct work {
    struct timer timer;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static struct loop_sim *sim_of(const struct loop *l)
{
    return (struct loop_sim *)(void *)l;
}

static uint64_t sim_now_ms(const struct sim *s)
{
    return s->clock.now_ns / NS_PER_MS;
}

static void op_run(struct loop *l)
{
    struct loop_sim *x = sim_of(l);

    while (!x->stopping && sim_step(x->sim))
        ;
    x->stopping = false;
}

static void op_stop(struct loop *l)
{
    sim_of(l)->stopping = true;
}

static void op_hold(struct loop *l, bool hold)
{
    /* Nobody outside the simulation could post to an idle loop: there is nothing to wait for. */
}

static void op_assert_on(const struct loop *l)
{
    const struct loop_sim *current = sim_of(l)->sim->current;

    if (!current || &current->base == l)
        return;
    (void)fprintf(stderr, "skiff: loop %s used from a callback of loop %s\n", l->name,
                  current->base.name);
    abort();
}

static uint64_t op_now_ms(const struct loop *l)
{
    return sim_now_ms(sim_of(l)->sim);
}

static void op_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    (void)loop_posts_push(&sim_of(l)->posts, fn, arg);
}

static void on_work(struct timer *t)
{
    struct work *w = container_of(t, struct work, timer);

    w->work(w->arg);
    w->done(w->arg);
    free(w);
}

static void op_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct work *w = xnew(struct work);

    w->work = work;
    w->done = done;
    w->arg = arg;
    timer_init(&w->timer, l, on_work);
    timer_start(&w->timer, random_below(l->random, SIM_WORK_MAX_MS + 1), 0);
}

static void op_rearm(struct loop *l)
{
    /* sim_step() looks at the heaps. */
}

static struct uv_loop_s *op_uv(struct loop *l)
{
    return NULL;
}

static void op_destroy(struct loop *l)
{
    struct loop_sim *x = sim_of(l);
    struct sim *s = x->sim;
    struct timer gone = {0};

    for (size_t i = 0; i < s->loops.n; i++) {
        if (s->loops.v[i] == x) {
            vec_remove(&s->loops, i);
            break;
        }
    }
    for (size_t i = 0; i < l->heap.n; i++) { /* work that never ends now */
        struct timer *t = l->heap.v[i];

        if (t->on_timer == on_work) {
            l->heap.v[i] = &gone;
            free(container_of(t, struct work, timer));
        }
    }
    loop_drop_timers(l);
    loop_posts_drop(&x->posts);
    free(x);
}

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = xnew(struct sim);

    clock_virtual_init(&s->clock, SIM_START_NS);
    random_seeded_init(&s->random, seed);
    return s;
}

struct sim *sim_free(struct sim *s)
{
    if (!s)
        return NULL;
    assert(!s->current);
    while (s->loops.n)
        (void)loop_free(&s->loops.v[s->loops.n - 1]->base);
    vec_deinit(&s->loops);
    free(s);
    return NULL;
}

struct loop *sim_loop(struct sim *s, const char *name)
{
    static const struct loop_ops ops = {
        .run = op_run,
        .stop = op_stop,
        .hold = op_hold,
        .assert_on = op_assert_on,
        .now_ms = op_now_ms,
        .post = op_post,
        .work = op_work,
        .rearm = op_rearm,
        .uv = op_uv,
        .destroy = op_destroy,
    };
    struct loop_sim *x = xnew(struct loop_sim);

    x->base = (struct loop){
        .ops = &ops, .name = name, .clock = &s->clock.base, .random = &s->random.base};
    x->sim = s;
    vec_push(&s->loops, x);
    return &x->base;
}

static bool timer_due(const struct loop_sim *x, uint64_t now_ms)
{
    const struct timer *first = loop_first_timer(&x->base);

    return first && first->due_ms <= now_ms;
}

/* How many callbacks could run now: of each loop its oldest post and its earliest timer. */
static size_t count_due(const struct sim *s, uint64_t now_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < s->loops.n; i++)
        n += (size_t)(s->loops.v[i]->posts.head != NULL) + timer_due(s->loops.v[i], now_ms);
    return n;
}

/* Runs callback number @pick of those that count_due() counted. */
static void run_due(struct sim *s, uint64_t now_ms, uint64_t pick)
{
    for (size_t i = 0; i < s->loops.n; i++) {
        struct loop_sim *x = s->loops.v[i];
        bool post = x->posts.head != NULL, timer = timer_due(x, now_ms);

        if (pick >= (uint64_t)post + timer) {
            pick -= (uint64_t)post + timer;
            continue;
        }
        s->current = x;
        if (post && pick == 0)
            (void)loop_posts_run_one(&x->posts);
        else
            (void)loop_run_timer(&x->base, now_ms, UINT64_MAX);
        s->current = NULL;
        return;
    }
}

/* When the next callback is due; UINT64_MAX if there is none. */
static uint64_t next_due_ms(const struct sim *s)
{
    uint64_t due = UINT64_MAX;

    if (count_due(s, sim_now_ms(s)))
        return sim_now_ms(s);
    for (size_t i = 0; i < s->loops.n; i++) {
        const struct timer *first = loop_first_timer(&s->loops.v[i]->base);

        if (first)
            due = MIN(due, first->due_ms);
    }
    return due;
}

bool sim_step(struct sim *s)
{
    uint64_t due = next_due_ms(s);

    assert(!s->current); /* not from inside a callback */
    if (due >= UINT64_MAX / NS_PER_MS)
        return false;
    if (due > sim_now_ms(s))
        s->clock.now_ns = due * NS_PER_MS;
    run_due(s, due, random_below(&s->random.base, count_due(s, due)));
    return true;
}

void sim_run_for(struct sim *s, uint64_t ms)
{
    uint64_t end = sim_now_ms(s) + ms;

    while (next_due_ms(s) <= end && sim_step(s))
        ;
    s->clock.now_ns = end * NS_PER_MS;
}
