/* remote.c - see remote.h: the life of a store over etcd, and what is due when. */
#include "store/remote.h"
#include <stdarg.h>
#include <stdio.h>

enum { OPEN_TIMEOUT_MS = 60000 };

uint64_t remote_now_ms(const struct remote *r)
{
    return loop_now_ms(r->loop) + 1;
}

int64_t remote_position(const struct remote *r)
{
    return r->st->revision;
}

void remote_tell(const struct remote *r, bool good, const char *fmt, ...)
{
    char text[600];
    va_list args;

    if (!r->tell)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* truncation is fine: it is for people */
    va_end(args);
    r->tell(r->tell_arg, good, text);
}

bool remote_healthy(const struct remote *r)
{
    return atomic_load(&r->healthy) && !atomic_load(&r->restored);
}

/* ---- what is due ---- */

static void on_pong(void *arg, const void *answer, enum grpc_status status, struct str text)
{
    const Etcdserverpb__RangeResponse *page = answer;
    struct remote *r = arg;
    struct err err = {0};

    (void)status; /* remote_call.c has noted how it went */
    (void)text;
    r->pinging = false;
    if (!page || remote_check_history(r, page->header->revision, r->pinged_at, &err) < 0)
        return;
    /* What the ping before this one was told of, the watch should have shown. */
    r->watch_late |= r->pong_revision > remote_position(r);
    r->pong_revision = page->header->revision;
}

void remote_ping(struct remote *r)
{
    if (r->pinging)
        return;
    r->pinging = true;
    r->pinged_at = remote_position(r);
    remote_ask(r, on_pong, r);
}

static void trim(struct remote *r)
{
    struct store *st = r->st;
    uint64_t now = store_now_ms(st);

    if (now < st->trim_due_ms)
        return;
    st->trim_due_ms = now + MAX(st->opts.history_ms / 16, 1u);
    if (now <= st->opts.history_ms)
        return;
    for (size_t i = 0; i < st->caches.n; i++)
        journal_trim(&st->caches.v[i]->journal, now - st->opts.history_ms);
}

static void on_tick(struct timer *t)
{
    struct remote *r = container_of(t, struct remote, tick);

    remote_commit_wake(r);
    remote_fresh_wake(r);
    if (r->watch_late && remote_now_ms(r) - r->watch_began_ms >= REMOTE_STUCK_MS) {
        remote_tell(r, false, "etcd's watch is late position=%lld endpoint=%s",
                    (long long)remote_position(r), r->endpoints[r->at].target);
        r->at = (r->at + 1) % r->n_endpoints; /* it answers, but who knows when it shows more */
        remote_watch_restart(r);
    }
    if (remote_now_ms(r) - r->answered_ms >= REMOTE_PING_MS)
        remote_ping(r);
    trim(r);
    remote_compact(r);
}

/* ---- open ---- */

static int take_endpoint(struct remote *r, struct remote_endpoint *e, const char *text,
                         struct err *err)
{
    struct str s = str_from(text);

    if (str_has_prefix(s, STR("https://"))) {
        e->tls = true;
        s = str_sub(s, 8, s.len);
    } else if (str_has_prefix(s, STR("http://"))) {
        s = str_sub(s, 7, s.len);
    }
    while (s.len > 0 && s.p[s.len - 1] == '/')
        s.len--;
    if (s.len == 0 || str_find_char(s, '/') >= 0 || str_rfind_char(s, ':') < 0)
        return err_new(err, ERR_BAD_REQUEST, "etcd: \"%s\" is no endpoint like https://host:2379",
                       text);
    if (e->tls && !r->tls)
        return err_new(err, ERR_BAD_REQUEST, "etcd: %s needs certificates", text);
    e->target = str_dupz(&r->arena, s);
    return 0;
}

static int take_opts(struct remote *r, const struct etcd_opts *o, struct err *err)
{
    struct str prefix = str_from(o->prefix ? o->prefix : "/registry");
    int code = 0;

    while (prefix.len > 0 && prefix.p[prefix.len - 1] == '/')
        prefix.len--;
    r->prefix = prefix.len == 0 || prefix.p[0] == '/'
                    ? str_dup(&r->arena, prefix)
                    : str_printf(&r->arena, "/%.*s", STR_ARG(prefix));
    r->tls = o->tls;
    r->compact_ms = o->compact_ms;
    r->tell = o->tell;
    r->tell_arg = o->arg;
    r->n_endpoints = o->n_endpoints;
    r->endpoints = arena_calloc(&r->arena, o->n_endpoints, sizeof(*r->endpoints));
    if (o->n_endpoints == 0)
        return err_new(err, ERR_BAD_REQUEST, "etcd: no endpoints");
    for (size_t i = 0; i < o->n_endpoints && code == 0; i++) {
        code = take_endpoint(r, &r->endpoints[i], o->endpoints[i], err);
        if (code == 0 && r->endpoints[i].tls != r->endpoints[0].tls) /* Secrets would go open */
            code = err_new(err, ERR_BAD_REQUEST, "etcd: %s and %s: all are https, or none is",
                           o->endpoints[0], o->endpoints[i]);
    }
    return code;
}

static void loaded(struct remote_load *l, const struct err *err)
{
    struct err *out = l->arg;

    if (err)
        *out = *err;
    loop_stop(l->r->loop);
}

static bool listed(const struct remote_load *l, const struct resource *res)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->of[i].res == res)
            return true;
    return false;
}

static void fill(struct remote *r, struct remote_load *l)
{
    struct store *st = r->st;

    st->revision = l->revision;
    atomic_store_explicit(&st->published, l->revision, memory_order_release);
    for (size_t i = 0; i < l->n; i++) {
        struct cache *c = xnew(struct cache);

        cache_init(c, st, l->of[i].res);
        omap_deinit(&c->objects);
        c->objects = l->of[i].objects;
        omap_init(&l->of[i].objects, &object_omap_ops);
        cache_publish(c, l->revision);
        store_keep(st, c);
        remote_keep(r, c, l->revision);
    }
}

/* Reads everything, running the loop on this thread until it is there. */
static int load_all(struct remote *r, const struct resource *const *resources, size_t n,
                    uint32_t timeout_ms, struct err *err)
{
    struct err why = {0};
    struct remote_load l = {.r = r, .done = loaded, .arg = &why};

    l.of = xcalloc(MAX(n, 1), sizeof(*l.of));
    for (size_t i = 0; i < n; i++) {
        const struct resource *res = remote_storage(resources[i]);

        if (!listed(&l, res)) /* several versions share one */
            l.of[l.n++].res = res;
    }
    l.until_ms = remote_now_ms(r) + timeout_ms;
    remote_load_start(&l);
    loop_run(r->loop);
    if (!why.code)
        fill(r, &l);
    remote_load_deinit(&l);
    free(l.of);
    if (!why.code)
        return 0;
    *err = why;
    return why.code;
}

static void remote_main(void *arg)
{
    struct remote *r = arg;

    loop_hold(r->loop, true);
    loop_run(r->loop);
}

static void remote_free(struct remote *r)
{
    for (size_t i = 0; i < r->n_endpoints; i++)
        (void)grpc_client_free(r->endpoints[i].client);
    timer_stop(&r->refresh);
    timer_stop(&r->watch_retry);
    loop_hold(r->loop, false);
    loop_run(r->loop); /* until the connections have closed */
    vec_deinit(&r->kept);
    store_free(r->st);
    r->loop = loop_free(r->loop);
    arena_deinit(&r->arena);
    free(r);
}

int remote_open(struct store *st, const struct etcd_opts *o,
                const struct resource *const *resources, size_t n, struct err *err)
{
    struct remote *r = xnew(struct remote);
    int code;

    assert(!st->opts.loop && !st->opts.engine);
    st->remote = r;
    st->clock = st->opts.clock ? st->opts.clock : clock_real();
    r->st = st;
    r->loop = loop_new("store");
    timer_init(&r->refresh, r->loop, remote_refresh);
    timer_init(&r->tick, r->loop, on_tick);
    timer_init(&r->watch_retry, r->loop, remote_watch_retry);
    timer_init(&r->fresh_retry, r->loop, remote_fresh_retry);
    atomic_init(&r->healthy, true);
    code = take_opts(r, o, err);
    if (code == 0)
        code = load_all(r, resources, n, o->open_timeout_ms ? o->open_timeout_ms : OPEN_TIMEOUT_MS,
                        err);
    if (code < 0) {
        r->ended = true;
        remote_free(r);
        return code;
    }
    r->answered_ms = remote_now_ms(r);
    r->compact_due_ms = r->answered_ms;
    remote_watch_start(r);
    timer_start(&r->tick, REMOTE_TICK_MS, REMOTE_TICK_MS);
    r->thread = thread_start("store", remote_main, r);
    return 0;
}

/* ---- close ---- */

static void stop(void *arg)
{
    struct remote *r = arg;

    r->ended = true;
    timer_stop(&r->tick);
    timer_stop(&r->refresh);
    remote_watch_stop(r);
    for (size_t i = 0; i < r->n_endpoints; i++)
        (void)grpc_client_free(steal(r->endpoints[i].client)); /* its calls end, unanswered */
    remote_load_end_all(r);
    remote_commit_end(r);
    remote_fresh_end(r);
    loop_stop(r->loop);
}

void remote_close(struct store *st)
{
    struct remote *r = st->remote;

    loop_post(r->loop, stop, r);
    r->thread = thread_join(r->thread);
    remote_free(r);
}
