/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/manager.h"

#include "base/log.h"
#include "base/vec.h"
#include "client/leader.h"
#include "controller/driver.h"

enum { NODE_MONITOR_GRACE_MS = 50000 };

struct controllers {
    struct controllers_opts opts;
    struct arena arena;
    struct client *watcher; /* whose informers all drivers share */
    struct informers *informers;
    struct leader *leader;
    struct timer turn;
    bool leading;
    VEC(struct client *) clients;
    VEC(struct driver *) drivers;
};

static const char *const no_groups[] = {NULL};
static const char *const account_groups[] = {"system:serviceaccounts",
                                             "system:serviceaccounts:kube-system", NULL};

static void start_all(struct controllers *c)
{
    c->informers = informers_new(c->watcher);
    for (size_t i = 0; controllers_table[i]; i++) {
        const struct controller *ctl = controllers_table[i];
        const char *user =
            arena_printf(&c->arena, "system:serviceaccount:kube-system:%s", ctl->identity);
        struct client *client = c->opts.client_for(c->opts.arg, c->opts.loop, user, account_groups);
        struct driver_opts opts = {
            .controller = ctl, .informers = c->informers, .client = client, .manager = &c->opts};

        vec_push(&c->clients, client);
        vec_push(&c->drivers, driver_new(&opts));
    }
}

static void stop_all(struct controllers *c)
{
    c->informers = informers_free(c->informers);
    for (size_t i = 0; i < c->drivers.n; i++)
        c->drivers.v[i] = driver_free(c->drivers.v[i]);
    for (size_t i = 0; i < c->clients.n; i++)
        c->clients.v[i] = client_free(c->clients.v[i]);
    vec_clear(&c->drivers);
    vec_clear(&c->clients);
}

/* From the loop: what is freed here may have led to the news. */
static void on_turn(struct timer *t)
{
    struct controllers *c = container_of(t, struct controllers, turn);

    if (c->leading && !c->informers)
        start_all(c);
    else if (!c->leading && c->informers)
        stop_all(c);
}

static void on_leading(void *arg)
{
    struct controllers *c = arg;

    c->leading = true;
    timer_start(&c->turn, 0, 0);
}

/* Another leads now. Writes under way may still land, so this process must not go on as if it led.
 */
static void on_lost(void *arg)
{
    struct controllers *c = arg;

    c->leading = false;
    for (size_t i = 0; i < c->clients.n; i++)
        client_cancel_all(c->clients.v[i]);
    timer_start(&c->turn, 0, 0);
    LOG_ERROR("controllers", "lost the lease kube-system/kube-controller-manager");
}

struct controllers *controllers_new(const struct controllers_opts *opts)
{
    struct controllers *c = xnew(struct controllers);

    c->opts = *opts;
    if (c->opts.node_monitor_grace_ms == 0)
        c->opts.node_monitor_grace_ms = NODE_MONITOR_GRACE_MS;
    c->watcher =
        opts->client_for(opts->arg, opts->loop, "system:kube-controller-manager", no_groups);
    timer_init(&c->turn, opts->loop, on_turn);
    if (opts->leader_elect) {
        struct leader_opts leader = {.ns = "kube-system",
                                     .name = "kube-controller-manager",
                                     .identity = opts->identity,
                                     .on_started = on_leading,
                                     .on_stopped = on_lost,
                                     .arg = c};

        c->leader = leader_new(c->watcher, &leader);
    } else {
        start_all(c);
    }
    return c;
}

struct controllers *controllers_free(struct controllers *c)
{
    if (!c)
        return NULL;
    c->leader = leader_free(c->leader);
    timer_stop(&c->turn);
    stop_all(c);
    c->watcher = client_free(c->watcher);
    vec_deinit(&c->drivers);
    vec_deinit(&c->clients);
    arena_deinit(&c->arena);
    free(c);
    return NULL;
}
