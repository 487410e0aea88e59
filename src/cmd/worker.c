/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/queue.h"
#include "cmd/server.h"

struct worker {
    struct loop *loop;
    struct thread *thread;
    void (*setup)(struct loop *loop, void *arg);
    void (*teardown)(void *arg);
    void *arg;
};

static void run(void *arg)
{
    struct worker *w = arg;

    loop_run(w->loop);
}

static void begin(void *arg)
{
    struct worker *w = arg;

    loop_hold(w->loop, true); /* an idle loop would end; messages may yet come */
    w->setup(w->loop, w->arg);
}

/* The loop ends by itself when the parts have closed what they held. */
static void end(void *arg)
{
    struct worker *w = arg;

    w->teardown(w->arg);
    loop_hold(w->loop, false);
}

struct worker *worker_start(const char *name, void (*setup)(struct loop *loop, void *arg),
                            void (*teardown)(void *arg), void *arg)
{
    struct worker *w = xnew(struct worker);

    w->loop = loop_new(name);
    w->setup = setup;
    w->teardown = teardown;
    w->arg = arg;
    loop_post(w->loop, begin, w);
    w->thread = thread_start(name, run, w);
    return w;
}

struct worker *worker_stop(struct worker *w)
{
    if (!w)
        return NULL;
    loop_post(w->loop, end, w);
    w->thread = thread_join(w->thread);
    w->loop = loop_free(w->loop);
    free(w);
    return NULL;
}
