/* loop_uv.c - the production loop: libuv underneath.
 *
 * One uv_timer stands for the earliest timer of the heap; one uv_async, which does not keep
 * the loop alive, wakes it for posts and stops. */
#include "base/loop_internal.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <uv.h>

struct loop_uv {
    struct loop base;
    struct random_pool random;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_async_t wake;
    uv_mutex_t mutex; /* guards posts */
    struct loop_posts posts;
    atomic_bool stopping;
    atomic_bool running;
    pthread_t thread; /* while running */
    bool closing;     /* in loop_free(): timers do not fire any more */
};
struct work {
    uv_work_t req;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void must(int r, const char *what)
{
    if (r == 0)
        return;
    (void)fprintf(stderr, "skiff: %s: %s\n", what, uv_strerror(r));
    abort();
}

static struct loop_uv *uv_of(const struct loop *l)
{
    return (struct loop_uv *)(void *)l;
}

static void op_assert_on(const struct loop *l)
{
    const struct loop_uv *u = uv_of(l);

    if (!atomic_load(&u->running) || pthread_equal(u->thread, pthread_self()))
        return;
    (void)fprintf(stderr, "skiff: loop %s used from another thread\n", l->name);
    abort();
}

static uint64_t op_now_ms(const struct loop *l)
{
    struct loop_uv *u = uv_of(l);

    if (!atomic_load_explicit(&u->running, memory_order_relaxed))
        uv_update_time(&u->uv); /* nobody else moves it between runs */
    return uv_now(&u->uv);
}

/* Runs what has been posted so far; what these post runs in the next turn. */
static bool drain(struct loop_uv *u)
{
    struct loop_posts posts;
    bool any;

    uv_mutex_lock(&u->mutex);
    posts = u->posts;
    u->posts = (struct loop_posts){0};
    uv_mutex_unlock(&u->mutex);
    any = posts.head != NULL;
    while (loop_posts_run_one(&posts))
        ;
    return any;
}

static void on_wake(uv_async_t *a)
{
    struct loop_uv *u = container_of(a, struct loop_uv, wake);
    bool stopping = atomic_load(&u->stopping);

    (void)drain(u);
    if (stopping)
        uv_stop(&u->uv);
}

static void on_uv_timer(uv_timer_t *t);

static void op_rearm(struct loop *l)
{
    struct loop_uv *u = uv_of(l);
    const struct timer *first = loop_first_timer(l);
    uint64_t now;

    if (!first || u->closing) {
        must(uv_timer_stop(&u->timer), "timer");
        return;
    }
    now = op_now_ms(l);
    must(uv_timer_start(&u->timer, on_uv_timer, first->due_ms > now ? first->due_ms - now : 0, 0),
         "timer");
}

static void on_uv_timer(uv_timer_t *t)
{
    struct loop_uv *u = container_of(t, struct loop_uv, timer);
    uint64_t now = uv_now(&u->uv), end = u->base.n_started;

    while (loop_run_timer(&u->base, now, end))
        ;
    op_rearm(&u->base);
}

static void op_run(struct loop *l)
{
    struct loop_uv *u = uv_of(l);

    u->thread = pthread_self();
    atomic_store(&u->running, true);
    uv_update_time(&u->uv);
    while (!atomic_load(&u->stopping)) {
        (void)uv_run(&u->uv, UV_RUN_DEFAULT);
        if (!drain(u) && !uv_loop_alive(&u->uv))
            break;
    }
    (void)drain(u); /* what was posted before the stop */
    atomic_store(&u->stopping, false);
    atomic_store(&u->running, false);
}

static void op_stop(struct loop *l)
{
    struct loop_uv *u = uv_of(l);

    atomic_store(&u->stopping, true);
    must(uv_async_send(&u->wake), "wake");
}

static void op_hold(struct loop *l, bool hold)
{
    uv_handle_t *wake = (uv_handle_t *)&uv_of(l)->wake;

    if (hold)
        uv_ref(wake);
    else
        uv_unref(wake);
}

static void op_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct loop_uv *u = uv_of(l);

    uv_mutex_lock(&u->mutex);
    /* Woken under the lock, so that the loop cannot run the post, end and be freed before. */
    if (loop_posts_push(&u->posts, fn, arg))
        must(uv_async_send(&u->wake), "wake");
    uv_mutex_unlock(&u->mutex);
}

static void on_work(uv_work_t *req)
{
    struct work *w = container_of(req, struct work, req);

    w->work(w->arg);
}

static void on_work_done(uv_work_t *req, int status)
{
    struct work *w = container_of(req, struct work, req);

    must(status, "work"); /* nothing cancels it */
    w->done(w->arg);
    free(w);
}

static void op_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct work *w = xnew(struct work);

    w->work = work;
    w->done = done;
    w->arg = arg;
    must(uv_queue_work(&uv_of(l)->uv, &w->req, on_work, on_work_done), "work");
}

static struct uv_loop_s *op_uv(struct loop *l)
{
    return &uv_of(l)->uv;
}

static void check_closed(uv_handle_t *h, void *arg)
{
    const struct loop_uv *u = arg;

    if (uv_is_closing(h) || h == (const uv_handle_t *)&u->wake ||
        h == (const uv_handle_t *)&u->timer)
        return;
    (void)fprintf(stderr, "skiff: loop %s freed with a live %s handle\n", u->base.name,
                  uv_handle_type_name(h->type));
    abort();
}

static void op_destroy(struct loop *l)
{
    struct loop_uv *u = uv_of(l);

    u->closing = true;
    must(uv_timer_stop(&u->timer), "timer");
    do { /* what has been posted may close handles */
        (void)uv_run(&u->uv, UV_RUN_NOWAIT);
    } while (drain(u));
    uv_walk(&u->uv, check_closed, u);
    uv_unref((uv_handle_t *)&u->wake);
    do { /* handles finish closing, work ends */
        (void)uv_run(&u->uv, UV_RUN_DEFAULT);
    } while (drain(u));
    uv_close((uv_handle_t *)&u->timer, NULL);
    uv_close((uv_handle_t *)&u->wake, NULL);
    (void)uv_run(&u->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&u->uv), "loop close");
    loop_drop_timers(l);
    uv_mutex_destroy(&u->mutex);
    random_pool_deinit(&u->random);
    free(u);
}

struct loop *loop_new(const char *name)
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
    struct loop_uv *u = xnew(struct loop_uv);

    random_pool_init(&u->random);
    u->base = (struct loop){
        .ops = &ops, .name = name, .clock = clock_real(), .random = &u->random.base};
    must(uv_loop_init(&u->uv), "loop");
    must(uv_mutex_init(&u->mutex), "mutex");
    must(uv_timer_init(&u->uv, &u->timer), "timer");
    must(uv_async_init(&u->uv, &u->wake, on_wake), "wake");
    uv_unref((uv_handle_t *)&u->wake);
    return &u->base;
}
