/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - controllers and scheduler of `skiff server`: one loop, one thread. */
#include "base/mem.h"
#include "client/client_inproc.h"
#include "client/leader.h"
#include "cmd/server.h"
#include "controller/manager.h"
#include "scheduler/scheduler.h"
#include <stdio.h>

struct control {
    const struct server_config *config;
    const struct pki *pki;
    struct apiserver *as;
    struct worker *worker;
    struct controllers *controllers;
    struct client *scheduler_client;
    struct scheduler *scheduler;
    struct client *leader_client;
    struct leader *leader; /* of the schedulers over one etcd */
    struct timer turn;
    bool leading;
    char *identity;
    struct timer beat; /* tells the API server that this loop turns */
};

#define SCHEDULER "system:kube-scheduler"

static const char *const no_groups[] = {NULL};

static struct client *client_for(void *arg, struct loop *loop, const char *user,
                                 const char *const *groups)
{
    struct control *c = arg;

    return client_inproc_new(c->as, loop, user, groups);
}

static void start_scheduler(struct control *c, struct loop *loop)
{
    c->scheduler_client = client_inproc_new(c->as, loop, SCHEDULER, no_groups);
    c->scheduler = scheduler_new(c->scheduler_client);
}

static void stop_scheduler(struct control *c)
{
    c->scheduler = scheduler_free(c->scheduler);
    if (c->scheduler_client)
        c->scheduler_client = client_free(c->scheduler_client);
}

/* From the loop: what is freed here may have led to the news. */
static void on_turn(struct timer *t)
{
    struct control *c = container_of(t, struct control, turn);

    if (c->leading && !c->scheduler)
        start_scheduler(c, t->loop);
    else if (!c->leading)
        stop_scheduler(c);
}

static void on_leading(void *arg)
{
    struct control *c = arg;

    c->leading = true;
    timer_start(&c->turn, 0, 0);
}

static void on_lost(void *arg)
{
    struct control *c = arg;

    c->leading = false;
    if (c->scheduler_client)
        client_cancel_all(c->scheduler_client);
    timer_start(&c->turn, 0, 0);
}

static void on_beat(struct timer *t)
{
    struct control *c = container_of(t, struct control, beat);

    if (c->controllers)
        apiserver_component_beat(c->as, COMPONENT_CONTROLLER_MANAGER);
    if (c->scheduler || c->leader)
        apiserver_component_beat(c->as, COMPONENT_SCHEDULER);
}

static void setup(struct loop *loop, void *arg)
{
    struct control *c = arg;
    bool peers = c->config->etcd_servers != NULL; /* other servers may do the same work */
    struct controllers_opts opts = {.loop = loop,
                                    .client_for = client_for,
                                    .arg = c,
                                    .ca_pem = c->pki->ca_cert,
                                    .leader_elect = peers,
                                    .identity = c->identity};
    struct leader_opts leader = {.ns = "kube-system",
                                 .name = "kube-scheduler",
                                 .identity = c->identity,
                                 .on_started = on_leading,
                                 .on_stopped = on_lost,
                                 .arg = c};

    timer_init(&c->turn, loop, on_turn);
    timer_init(&c->beat, loop, on_beat);
    timer_start(&c->beat, 0, COMPONENT_BEAT_MS);
    if (server_enabled(c->config, "controller-manager"))
        c->controllers = controllers_new(&opts);
    if (!server_enabled(c->config, "scheduler"))
        return;
    if (!peers) {
        start_scheduler(c, loop);
        return;
    }
    c->leader_client = client_inproc_new(c->as, loop, SCHEDULER, no_groups);
    c->leader = leader_new(c->leader_client, &leader);
}

static void teardown(void *arg)
{
    struct control *c = arg;

    timer_stop(&c->beat);
    for (int i = 0; i < COMPONENT__N; i++)
        apiserver_component_ended(c->as, (enum component)i);
    c->leader = leader_free(c->leader);
    timer_stop(&c->turn);
    stop_scheduler(c);
    if (c->leader_client)
        c->leader_client = client_free(c->leader_client);
    c->controllers = controllers_free(c->controllers);
}

struct control *control_start(const struct server_config *config, const struct pki *pki,
                              struct apiserver *as)
{
    struct control *c = xnew(struct control);
    int n;

    c->config = config;
    c->pki = pki;
    c->as = as;
    /* Of a server among several: the same again after a restart, which then goes on at once. */
    n = snprintf(NULL, 0, "%s_%lld", config->node_name, (long long)config->secure_port) + 1;
    c->identity = xcalloc(1, (size_t)n);
    (void)snprintf(c->identity, (size_t)n, "%s_%lld", config->node_name,
                   (long long)config->secure_port);
    c->worker = worker_start("control", setup, teardown, c);
    return c;
}

struct control *control_stop(struct control *c)
{
    if (!c)
        return NULL;
    c->worker = worker_stop(c->worker);
    free(c->identity);
    free(c);
    return NULL;
}
