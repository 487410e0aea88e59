/* over_etcd.h - a store over an etcd of the test's own. */
#pragma once
#include "etcd_proc.h"
#include "stores.h"

struct over {
    struct etcd_proc etcd;
    struct fixture f;
};

struct etcd_like { /* options of a test's store; all may be 0 */
    const char *prefix, *more_urls[2];
    struct tls_context *tls;
    uint32_t compact_ms;
};

static inline int try_open(const struct etcd_proc *e, const struct etcd_like *like,
                           uint32_t timeout_ms, struct store **ret_st, struct err *err)
{
    const char *endpoints[] = {e->client_url, like->more_urls[0], like->more_urls[1]};
    const struct resource *res[] = {CONFIGMAPS, SECRETS};
    struct etcd_opts etcd = {.endpoints = endpoints,
                             .n_endpoints = (size_t)1 + !!like->more_urls[0] + !!like->more_urls[1],
                             .prefix = like->prefix,
                             .tls = like->tls,
                             .compact_ms = like->compact_ms,
                             .open_timeout_ms = timeout_ms};
    struct store_opts opts = {.etcd = &etcd};

    return store_open(&opts, res, ARRAY_LEN(res), ret_st, err);
}

static inline struct store *open_at(const struct etcd_proc *e, const struct etcd_like *like)
{
    struct err err = {0};
    struct store *st;

    assert_ok(try_open(e, like ? like : &(struct etcd_like){0}, 0, &st, &err), &err);
    return st;
}

static inline void setup(struct over *o)
{
    *o = (struct over){0};
    etcd_proc_start(&o->etcd);
    o->f.loop = loop_new("test");
    loop_hold(o->f.loop, true);
    o->f.st = open_at(&o->etcd, NULL);
}

static inline void teardown(struct over *o)
{
    o->f.st = store_close(o->f.st);
    o->f.loop = loop_free(o->f.loop);
    etcd_proc_stop(&o->etcd);
}

static inline void fresh_done(void *arg, const struct err *err)
{
    int *code = arg;

    *code = err ? err->code : 1;
}

/* Waits until @st is fresh, and returns 1, or the error's code. */
static inline int fresh(struct store *st, struct loop *loop)
{
    int code = 0;

    store_fresh(st, loop, fresh_done, &code);
    for (int i = 0; i < 20000 && code == 0; i++) {
        struct timespec ms = {.tv_nsec = 1000000};

        loop_stop(loop);
        loop_run(loop);
        (void)nanosleep(&ms, NULL);
    }
    return code;
}
