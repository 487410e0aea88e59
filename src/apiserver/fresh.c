/* fresh.c - waiting for a revision that is not there yet. */
#include "apiserver/fresh.h"

enum { POLL_MS = 20 };

struct fresh {
    struct request *rq;
    struct timer timer;
    uint64_t until_ms;
    int64_t revision;
    stage_fn again;
};

static enum stage_result too_large(struct request *rq)
{
    struct fresh *f = rq->state;
    struct meta_status_cause cause = {.reason = STR("ResourceVersionTooLarge"),
                                      .message = STR("Too large resource version")};
    struct meta_status_details details = {.causes = {&cause, 1}, .retry_after_seconds = 1};
    struct meta_status st = {.status = STR("Failure"), .reason = STR("Timeout"), .code = 504};

    st.details = &details;
    st.message = str_printf(rq->arena, "Timeout: Too large resource version: %lld, current: %lld",
                            (long long)f->revision, (long long)store_revision(rq->as->store));
    return status_send(rq, ERR_TIMEOUT, &st);
}

static void on_poll(struct timer *t)
{
    struct fresh *f = container_of(t, struct fresh, timer);
    struct request *rq = f->rq;

    if (store_revision(rq->as->store) < f->revision && loop_now_ms(rq->loop) < f->until_ms)
        return;
    timer_stop(t);
    request_resume(rq, store_revision(rq->as->store) >= f->revision ? f->again : too_large);
}

static void on_cancel(struct request *rq)
{
    struct fresh *f = rq->state;

    timer_stop(&f->timer);
    request_resume(rq, too_large);
}

enum stage_result fresh_wait(struct request *rq, int64_t revision, stage_fn again)
{
    struct fresh *f;

    if (revision <= store_revision(rq->as->store))
        return STAGE_NEXT;
    f = arena_new(rq->arena, struct fresh);
    f->rq = rq;
    f->revision = revision;
    f->again = again;
    f->until_ms = loop_now_ms(rq->loop) + FRESH_WAIT_MS;
    timer_init(&f->timer, rq->loop, on_poll);
    timer_start(&f->timer, POLL_MS, POLL_MS);
    rq->state = f;
    rq->on_cancel = on_cancel;
    return STAGE_WAIT;
}
