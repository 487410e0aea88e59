/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.c - postStart and preStop: a command, a request or a pause. */
#include "kubelet/actions.h"

struct hook {
    struct kpod *pod; /* a reference */
    struct timer timer;
    struct action *action;
    kpod_done done;
    void *arg;
};

static void hook_end(struct hook *h, int code, const struct err *err)
{
    h->done(h->arg, code, err);
    timer_stop(&h->timer);
    kpod_unref(h->pod);
    free(h);
}

static void on_action(void *arg, enum action_verdict verdict, struct str output)
{
    struct hook *h = arg;
    struct err err = {0};
    int code = 0;

    if (verdict == ACTION_FAILURE || verdict == ACTION_ERROR)
        code = err_new(&err, ERR_INTERNAL, "%.*s", STR_ARG(output));
    hook_end(h, code, &err);
}

static void on_timer(struct timer *t)
{
    struct hook *h = container_of(t, struct hook, timer);
    struct err err = {0};
    int code = 0;

    if (h->action) {
        h->action = action_cancel(h->action);
        code = err_new(&err, ERR_TIMEOUT, "the hook did not end in time");
    }
    hook_end(h, code, &err);
}

static void fail_later(void *arg)
{
    struct hook *h = arg;
    struct err err = {0};

    hook_end(h, err_new(&err, ERR_INVALID, "invalid handler: none of its actions is supported"),
             &err);
}

void hooks_run(struct kcontainer *kc, const struct core_lifecycle_handler *handler,
               int64_t timeout_sec, kpod_done done, void *arg)
{
    struct hook *h = xnew(struct hook);
    struct action_target t = {.kc = kc};
    int64_t limit = MIN(MAX(timeout_sec, 0), UINT32_MAX / 1000), pause;

    h->pod = kpod_ref(kc->pod);
    h->done = done;
    h->arg = arg;
    t.timeout_ms = (uint32_t)limit * 1000;
    timer_init(&h->timer, kc->pod->kl->loop, on_timer);
    if (handler->sleep) {
        pause = MAX(handler->sleep->seconds, 0);
        if (limit > 0)
            pause = MIN(pause, limit);
        timer_start(&h->timer, (uint64_t)pause * 1000, 0);
        return;
    }
    if (handler->exec)
        h->action = action_exec(&t, &handler->exec->command, on_action, h);
    else if (handler->http_get)
        h->action = action_http(&t, handler->http_get, on_action, h);
    if (!h->action)
        loop_post(kc->pod->kl->loop, fail_later, h);
    else if (t.timeout_ms > 0)
        timer_start(&h->timer, t.timeout_ms, 0);
}
