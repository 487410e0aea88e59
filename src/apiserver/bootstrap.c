/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap.c - writes what every cluster has, all in one transaction, and looks after it. */
#include "apiserver/bootstrap.h"
#include "apiserver/rbac_aggregate.h"
#include "apiserver/stages.h"
#include "base/log.h"
#include "schema/typed.h"

enum { CHECK_MS = 60000, RETRY_MS = 1000 };

struct bootstrap {
    struct apiserver *as;
    struct timer timer;
    struct rbac_aggregator *aggregator;
    bool done; /* once */
    bool writing, freed;
};

struct object *bootstrap_find(struct apiserver *as, struct system_write *w,
                              const struct resource *res, struct str ns, struct str name)
{
    return cache_find(store_cache(as->store, res),
                      resource_key(res, ns, name, system_write_arena(w)));
}

bool bootstrap_ensure(struct apiserver *as, struct system_write *w, const struct resource *res,
                      void *typed)
{
    const struct meta_object_meta *m =
        (const void *)((const char *)typed + res->type->metadata_offset);
    struct object *o = bootstrap_find(as, w, res, m->namespace, m->name);

    if (o) {
        object_unref(o);
        return false;
    }
    typed_default(res->type, typed, system_write_arena(w));
    system_write_put(w, res, typed, STORE_ABSENT);
    return true;
}

static void complete(struct bootstrap *b)
{
    if (!b->done) {
        b->done = true;
        b->aggregator = rbac_aggregator_new(b->as);
        atomic_store(&b->as->ready, true);
    }
    timer_start(&b->timer, CHECK_MS, 0);
}

static void on_written(void *arg, int code, const struct err *err)
{
    struct bootstrap *b = arg;

    b->writing = false;
    if (b->freed) {
        free(b);
        return;
    }
    if (code == 0) {
        complete(b);
        return;
    }
    /* Another server or a client was quicker with one of the objects: look again at once. */
    if (code == ERR_EXISTS || code == ERR_CONFLICT || code == ERR_NOT_FOUND) {
        timer_start(&b->timer, 1, 0);
        return;
    }
    LOG_WARN("apiserver", "the cluster's own objects are not written yet: %s", err->msg);
    timer_start(&b->timer, RETRY_MS, 0);
}

static void check(struct bootstrap *b)
{
    struct system_write *w = system_write_new(b->as);

    bootstrap_namespaces(b->as, w);
    bootstrap_service(b->as, w);
    bootstrap_flow(b->as, w);
    if (!b->done) {
        bootstrap_rbac(b->as, w);
        bootstrap_priorities(b->as, w);
        bootstrap_configmaps(b->as, w);
    }
    if (system_write_n(w) > 0) {
        b->writing = true;
        system_write_commit(w, on_written, b);
    } else {
        system_write_drop(w);
        complete(b);
    }
}

static void on_timer(struct timer *t)
{
    check(container_of(t, struct bootstrap, timer));
}

int bootstrap_start(struct apiserver *as, struct err *err)
{
    struct bootstrap *b = xnew(struct bootstrap);

    b->as = as;
    as->bootstrap = b;
    timer_init(&b->timer, as->loop, on_timer);
    timer_start(&b->timer, 0, 0);
    return 0;
}

void bootstrap_stop(struct apiserver *as)
{
    struct bootstrap *b = as->bootstrap;

    if (!b)
        return;
    as->bootstrap = NULL;
    timer_stop(&b->timer);
    b->aggregator = rbac_aggregator_free(b->aggregator);
    b->freed = true;
    if (!b->writing)
        free(b);
}

void bootstrap_free(struct apiserver *as)
{
    bootstrap_stop(as);
}
