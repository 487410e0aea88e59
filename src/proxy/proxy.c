/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.c - watches Services and EndpointSlices, builds the model, has the backend apply it off the
 * loop; changes that come meanwhile are taken together in the next round. */
#include "proxy/proxy.h"

#include "base/log.h"
#include "client/informer.h"
#include "proxy/backend.h"

enum { RETRY_MS = 2000 };

struct proxy {
    struct proxy_opts opts;
    struct loop *loop;
    struct informers *informers;
    struct informer *services, *slices;
    struct backend *backend;
    struct timer sync;
    struct model model; /* being applied */
    int code;           /* of the last apply */
    struct err err;
    bool applying, dirty, synced, freed, cleanup, told;
};

static void release(struct proxy *p)
{
    struct err err = {0};

    if (p->applying)
        return;
    p->backend->ops->destroy(p->backend);
    if (p->cleanup && backend_nftables_cleanup(&err) < 0)
        LOG_WARN("proxy", "rules not removed: %s", err.msg);
    free(p);
}

/* On a pool thread: the model and the backend are this call's alone. */
static void apply(void *arg)
{
    struct proxy *p = arg;

    p->code = p->backend->ops->apply(p->backend, &p->model, &p->err);
}

static void on_applied(void *arg)
{
    struct proxy *p = arg;

    p->applying = false;
    if (p->code < 0)
        LOG_WARN("proxy", "rules not applied, trying again: %s", p->err.msg);
    else if (!p->told)
        LOG_INFO("proxy", "started backend=%s services=%zu", p->backend->ops->name, p->model.n);
    p->told |= p->code == 0;
    model_deinit(&p->model);
    if (p->freed) {
        release(p);
        return;
    }
    if (p->code < 0)
        timer_start(&p->sync, RETRY_MS, 0);
    else if (p->dirty)
        timer_start(&p->sync, 0, 0);
}

static void on_sync(struct timer *t)
{
    struct proxy *p = container_of(t, struct proxy, sync);
    struct model_node node = {p->opts.node_name, p->opts.node_ip};

    if (p->applying || !p->synced)
        return;
    p->dirty = false;
    p->applying = true;
    model_build(informer_objects(p->services), informer_objects(p->slices), &node, &p->model);
    loop_work(p->loop, apply, on_applied, p);
}

static void changed(struct proxy *p)
{
    p->dirty = true;
    if (!p->applying && p->synced && !timer_active(&p->sync))
        timer_start(&p->sync, 0, 0);
}

static void on_change(void *arg, struct object *o)
{
    (void)o;
    changed(arg);
}

static void on_update(void *arg, struct object *old, struct object *o)
{
    (void)old;
    (void)o;
    changed(arg);
}

static void on_synced(void *arg)
{
    struct proxy *p = arg;

    p->synced = true;
    changed(p);
}

int proxy_new(const struct proxy_opts *opts, struct proxy **ret_p, struct err *err)
{
    struct proxy *p;
    struct backend *backend;
    int r;

    if (strcmp(opts->backend, "nftables") != 0)
        return err_new(err, ERR_BAD_REQUEST, "proxy backend \"%s\" is unknown (nftables)",
                       opts->backend);
    r = backend_nftables_new(opts->pod_cidr, &backend, err);
    if (r < 0)
        return r;
    p = xnew(struct proxy);
    struct informer_handler h = {on_change, on_update, on_change, p};

    p->opts = *opts;
    p->backend = backend;
    p->loop = client_loop(opts->client);
    timer_init(&p->sync, p->loop, on_sync);
    p->informers = informers_new(opts->client);
    p->services = informers_get(p->informers, &res_core_services, STR_NULL, NULL, NULL);
    p->slices = informers_get(p->informers, &res_discovery_endpointslices, STR_NULL, NULL, NULL);
    informer_add_handler(p->services, &h);
    informer_add_handler(p->slices, &h);
    informers_on_synced(p->informers, on_synced, p);
    *ret_p = p;
    return 0;
}

struct proxy *proxy_free(struct proxy *p, bool cleanup)
{
    if (!p)
        return NULL;
    p->informers = informers_free(p->informers);
    timer_stop(&p->sync);
    p->freed = true;
    p->cleanup = cleanup;
    release(p);
    return NULL;
}
