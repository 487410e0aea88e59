/* apiserver.c - the server's handle: what it is made of, and its end. */
#include "apiserver/apiserver.h"
#include "apiserver/pipeline.h"
#include "base/queue.h"

enum {
    STOP_POLL_MS = 10,
    STOP_WAIT_MS = 5000, /* requests that have not ended by then end with their connections */
};

static const char *copy(struct arena *a, const char *z)
{
    return z ? arena_strdup(a, z) : NULL;
}

/* The options with defaults filled in, their texts in the server's arena. */
static void take_opts(struct apiserver *as, const struct apiserver_opts *opts)
{
    struct apiserver_opts *o = &as->opts;

    *o = *opts;
    o->advertise_address = copy(&as->arena, opts->advertise_address);
    o->service_cidr = copy(&as->arena, opts->service_cidr);
    o->token_issuer = copy(&as->arena, opts->token_issuer);
    o->ca_pem = str_dup(&as->arena, opts->ca_pem);
    o->static_tokens = str_dup(&as->arena, opts->static_tokens);
    if (!o->node_port_min) {
        o->node_port_min = 30000;
        o->node_port_max = 32767;
    }
    if (!o->request_timeout_ms)
        o->request_timeout_ms = REQUEST_TIMEOUT_MS;
    if (!o->inflight_max)
        o->inflight_max = INFLIGHT_MAX;
}

int apiserver_new(const struct apiserver_opts *opts, struct apiserver **ret_as, struct err *err)
{
    struct apiserver *as = xnew(struct apiserver);

    take_opts(as, opts);
    as->store = opts->store;
    as->loop = opts->loop;
    as->shards_lock = mutex_new();
    for (const struct apiserver_part *p = apiserver_parts; p->name; p++) {
        int r = p->start ? p->start(as, err) : 0;

        if (r < 0) {
            (void)err_wrap(err, r, "API server: %s", p->name);
            (void)apiserver_free(as);
            return r;
        }
    }
    *ret_as = as;
    return 0;
}

bool apiserver_ready(const struct apiserver *as)
{
    return atomic_load(&as->ready) && !atomic_load(&as->stopping);
}

static size_t count_parts(void)
{
    size_t n = 0;

    while (apiserver_parts[n].name)
        n++;
    return n;
}

static void on_stop_poll(struct timer *t)
{
    struct apiserver *as = container_of(t, struct apiserver, stop_poll);

    as->stop_waited_ms += STOP_POLL_MS;
    if (atomic_load(&as->n_live) && as->stop_waited_ms < STOP_WAIT_MS)
        return;
    timer_stop(t);
    as->on_stopped(as->on_stopped_arg);
}

void apiserver_stop(struct apiserver *as, void (*on_stopped)(void *arg), void *arg)
{
    loop_assert(as->loop);
    assert(!atomic_load(&as->stopping));
    atomic_store(&as->stopping, true);
    as->on_stopped = on_stopped;
    as->on_stopped_arg = arg;
    for (size_t i = count_parts(); i-- > 0;) {
        if (apiserver_parts[i].stop)
            apiserver_parts[i].stop(as);
    }
    pipeline_stop(as);
    timer_init(&as->stop_poll, as->loop, on_stop_poll);
    timer_start(&as->stop_poll, STOP_POLL_MS, STOP_POLL_MS);
}

struct apiserver *apiserver_free(struct apiserver *as)
{
    if (!as)
        return NULL;
    assert(atomic_load(&as->n_live) == 0);
    timer_stop(&as->stop_poll);
    for (size_t i = count_parts(); i-- > 0;) {
        if (apiserver_parts[i].free)
            apiserver_parts[i].free(as);
    }
    for (unsigned i = 0; i < atomic_load(&as->n_shards); i++)
        free(as->shards[i]);
    mutex_free(as->shards_lock);
    arena_deinit(&as->arena);
    free(as);
    return NULL;
}
