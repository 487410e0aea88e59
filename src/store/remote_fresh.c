/* remote_fresh.c - is the cache old? Etcd is asked for its revision, by a read that its quorum
 * confirms; when the watch has come to it, everything written before the question is there.
 * Questions that come while one is under way share the next. As upstream, what an endpoint did not
 * answer is asked again, of the others, too: a read has no effect. */
#include "store/remote.h"

struct fresh_wait {
    struct fresh_wait *next;
    struct remote *r;
    struct loop *loop;
    void (*fn)(void *arg, const struct err *err);
    void *arg;
    int64_t revision;
    uint64_t since_ms;
    uint32_t tries;
    struct err err; /* code 0: fresh */
};

static void run(void *arg)
{
    struct fresh_wait *w = arg;

    w->fn(w->arg, w->err.code ? &w->err : NULL);
    free(w);
}

static void answer(struct fresh_wait *w)
{
    loop_post(w->loop, run, w);
}

static void fail_all(struct fresh_wait **list, const struct err *err)
{
    while (*list) {
        struct fresh_wait *w = *list;

        *list = w->next;
        w->err = *err;
        answer(w);
    }
}

static void ask(struct remote *r);

void remote_fresh_retry(struct timer *t)
{
    ask(container_of(t, struct remote, fresh_retry));
}

/* Those that may still ask again do so, soon. */
static void not_answered(struct remote *r, enum grpc_status status, const struct err *err)
{
    struct fresh_wait *list = steal(r->fresh_asked);
    uint64_t now = remote_now_ms(r);

    while (list) {
        struct fresh_wait *w = list;

        list = w->next;
        if ((status == GRPC_UNAVAILABLE || status == GRPC_CANCELLED) && !r->ended &&
            ++w->tries < REMOTE_FRESH_TRIES && now - w->since_ms < REMOTE_CALL_MS) {
            w->next = r->fresh_next;
            r->fresh_next = w;
        } else {
            w->err = *err;
            answer(w);
        }
    }
    if (r->fresh_next && !r->ended)
        timer_start(&r->fresh_retry, REMOTE_FRESH_RETRY_MS, 0);
}

int remote_check_history(struct remote *r, int64_t revision, int64_t floor, struct err *err)
{
    if (revision >= floor && !atomic_load(&r->restored))
        return 0;
    if (!atomic_exchange(&r->restored, true)) {
        remote_tell(r, false, "etcd was restored revision=%lld, it had revision=%lld",
                    (long long)revision, (long long)floor);
        r->following = false;
        remote_watch_restart(r); /* ends it: what it would show is of the other history */
    }
    return err_new(err, ERR_INTERNAL,
                   "etcd: it was restored from a backup; this server must be restarted");
}

static void on_answer(void *arg, const void *message, enum grpc_status status, struct str text)
{
    const Etcdserverpb__RangeResponse *page = message;
    struct remote *r = arg;
    struct err err = {0};

    if (!page) {
        (void)remote_error(&err, status, text);
        not_answered(r, status, &err);
        return;
    }
    if (remote_check_history(r, page->header->revision, r->fresh_floor, &err) < 0)
        fail_all(&r->fresh_asked, &err);
    while (r->fresh_asked) {
        struct fresh_wait *w = r->fresh_asked;

        r->fresh_asked = w->next;
        w->revision = page->header->revision;
        w->next = r->fresh_known;
        r->fresh_known = w;
    }
    remote_fresh_wake(r);
    ask(r);
}

static void ask(struct remote *r)
{
    if (r->fresh_asked || !r->fresh_next || r->ended || timer_active(&r->fresh_retry))
        return;
    r->fresh_asked = steal(r->fresh_next);
    r->fresh_floor = remote_position(r);
    remote_ask(r, on_answer, r);
}

static void begin(void *arg)
{
    struct fresh_wait *w = arg;
    struct remote *r = w->r;

    if (r->ended) {
        (void)err_new(&w->err, ERR_UNAVAILABLE, "the store is closing");
        answer(w);
        return;
    }
    w->since_ms = remote_now_ms(r);
    w->next = r->fresh_next;
    r->fresh_next = w;
    ask(r);
}

void remote_fresh(struct remote *r, struct loop *loop,
                  void (*fn)(void *arg, const struct err *err), void *arg)
{
    struct fresh_wait *w = xnew(struct fresh_wait);

    w->r = r;
    w->loop = loop;
    w->fn = fn;
    w->arg = arg;
    loop_post(r->loop, begin, w);
}

void remote_fresh_wake(struct remote *r)
{
    struct fresh_wait **at = &r->fresh_known;
    uint64_t now = remote_now_ms(r);

    while (*at) {
        struct fresh_wait *w = *at;
        bool late = now - w->since_ms >= REMOTE_WAIT_MS;

        if (w->revision > remote_position(r) && !late) {
            r->watch_late |= now - w->since_ms >= REMOTE_STUCK_MS;
            at = &w->next;
            continue;
        }
        *at = w->next;
        if (w->revision > remote_position(r))
            (void)err_new(&w->err, ERR_TIMEOUT, "etcd: its watch is late");
        answer(w);
    }
}

void remote_fresh_end(struct remote *r)
{
    struct err err = {0};

    (void)err_new(&err, ERR_UNAVAILABLE, "the store is closing");
    timer_stop(&r->fresh_retry);
    fail_all(&r->fresh_next, &err);
    fail_all(&r->fresh_asked, &err);
    fail_all(&r->fresh_known, &err);
}
