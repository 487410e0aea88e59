/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - controllers and scheduler of `skiff server`: one loop, one thread. */
#include "base/mem.h"
#include "client/client_inproc.h"
#include "cmd/server.h"
#include "controller/manager.h"
#include "scheduler/scheduler.h"

struct control {
    const struct server_config *config;
    const struct pki *pki;
    struct apiserver *as;
    struct worker *worker;
    struct controllers *controllers;
    struct client *scheduler_client;
    struct scheduler *scheduler;
    struct timer beat; /* tells the API server that this loop turns */
};

static const char *const no_groups[] = {NULL};

static struct client *client_for(void *arg, struct loop *loop, const char *user,
                                 const char *const *groups)
{
    struct control *c = arg;

    return client_inproc_new(c->as, loop, user, groups);
}

static void on_beat(struct timer *t)
{
    struct control *c = container_of(t, struct control, beat);

    if (c->controllers)
        apiserver_component_beat(c->as, COMPONENT_CONTROLLER_MANAGER);
    if (c->scheduler)
        apiserver_component_beat(c->as, COMPONENT_SCHEDULER);
}

static void setup(struct loop *loop, void *arg)
{
    struct control *c = arg;
    struct controllers_opts opts = {.loop = loop,
                                    .client_for = client_for,
                                    .arg = c,
                                    .ca_pem = c->pki->ca_cert,
                                    .identity = c->config->node_name};

    if (server_enabled(c->config, "controller-manager"))
        c->controllers = controllers_new(&opts);
    if (server_enabled(c->config, "scheduler")) {
        c->scheduler_client = client_inproc_new(c->as, loop, "system:kube-scheduler", no_groups);
        c->scheduler = scheduler_new(c->scheduler_client);
    }
    timer_init(&c->beat, loop, on_beat);
    timer_start(&c->beat, 0, COMPONENT_BEAT_MS);
}

static void teardown(void *arg)
{
    struct control *c = arg;

    timer_stop(&c->beat);
    for (int i = 0; i < COMPONENT__N; i++)
        apiserver_component_ended(c->as, (enum component)i);
    c->scheduler = scheduler_free(c->scheduler);
    if (c->scheduler_client)
        c->scheduler_client = client_free(c->scheduler_client);
    c->controllers = controllers_free(c->controllers);
}

struct control *control_start(const struct server_config *config, const struct pki *pki,
                              struct apiserver *as)
{
    struct control *c = xnew(struct control);

    c->config = config;
    c->pki = pki;
    c->as = as;
    c->worker = worker_start("control", setup, teardown, c);
    return c;
}

struct control *control_stop(struct control *c)
{
    if (!c)
        return NULL;
    c->worker = worker_stop(c->worker);
    free(c);
    return NULL;
}
