/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop_signal.h"

#include "base/mem.h"

#include <assert.h>
#include <uv.h>

struct loop_signal {
    uv_signal_t handle; /* the memory must outlive on_closed() */
    void (*fn)(void *arg);
    void *arg;
};

static void on_signal(uv_signal_t *h, int signum)
{
    struct loop_signal *s = container_of(h, struct loop_signal, handle);

    (void)signum;
    s->fn(s->arg);
}

struct loop_signal *loop_signal_new(struct loop *l, int signum, void (*fn)(void *arg), void *arg)
{
    struct loop_signal *s = xnew(struct loop_signal);
    int r;

    s->fn = fn;
    s->arg = arg;
    r = uv_signal_init(loop_uv(l), &s->handle);
    assert(r == 0);
    r = uv_signal_start(&s->handle, on_signal, signum);
    assert(r == 0); /* only an invalid signal number fails */
    uv_unref((uv_handle_t *)&s->handle);
    return s;
}

static void on_closed(uv_handle_t *h)
{
    free(container_of((uv_signal_t *)h, struct loop_signal, handle));
}

struct loop_signal *loop_signal_free(struct loop_signal *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->handle, on_closed);
    return NULL;
}
