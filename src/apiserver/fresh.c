/* fresh.c - waiting for what is not there yet: a revision, or the newest one where other servers
 * write, too. */
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

/* ---- the newest ---- */

struct newest {
    struct request *rq;
    struct err err;
};

/* Whether @rq wants to see the newest state: all that writes or decides by it, and what reads
 * without saying which version would do. */
static bool wants_newest(const struct request *rq)
{
    if (!rq->is_resource || !rq->res)
        return false;
    if (rq->verb != VERB_GET && rq->verb != VERB_LIST && rq->verb != VERB_WATCH)
        return true;
    return rq->list.revision < 0 && rq->list.continue_token.len == 0;
}

static enum stage_result is_new(struct request *rq)
{
    (void)rq;
    return STAGE_NEXT;
}

static enum stage_result is_unknown(struct request *rq)
{
    struct newest *n = rq->state;

    return request_fail(rq, &n->err);
}

static void on_newest(void *arg, const struct err *err)
{
    struct newest *n = arg;

    if (err)
        n->err = *err;
    request_resume(n->rq, err ? is_unknown : is_new);
}

enum stage_result stage_fresh(struct request *rq)
{
    struct newest *n;

    if (!store_has_peers(rq->as->store) || !wants_newest(rq))
        return STAGE_NEXT;
    n = arena_new(rq->arena, struct newest);
    n->rq = rq;
    rq->state = n;
    store_fresh(rq->as->store, rq->loop, on_newest, n);
    return STAGE_WAIT; /* not for long: the store's answer has a time limit */
}
