/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/log.h"
#include "codec/timefmt.h"
#include "controller/common.h"

void rig_init(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.sim = sim_new(seed)};
    log_set_level(LOG_LEVEL_ERROR); /* failures are made on purpose */
    r->loop = sim_loop(r->sim, "controllers");
    r->api = fake_new(r->loop);
    r->watcher = fake_client(r->api);
    r->informers = informers_new(r->watcher);
    r->opts = (struct controllers_opts){
        .loop = r->loop, .ca_pem = STR("the CA"), .node_monitor_grace_ms = 50000};
}

void rig_add(struct rig *r, const struct controller *c)
{
    struct driver_opts opts;

    assert_true(r->n < RIG_CONTROLLERS_MAX);
    r->clients[r->n] = fake_client(r->api);
    opts = (struct driver_opts){.controller = c,
                                .informers = r->informers,
                                .client = r->clients[r->n],
                                .manager = &r->opts};
    r->drivers[r->n++] = driver_new(&opts);
}

void rig_run(struct rig *r, uint64_t ms)
{
    sim_run_for(r->sim, ms);
}

void rig_deinit(struct rig *r)
{
    r->informers = informers_free(r->informers);
    for (size_t i = 0; i < r->n; i++)
        r->drivers[i] = driver_free(r->drivers[i]);
    for (size_t i = 0; i < r->n; i++)
        r->clients[i] = client_free(r->clients[i]);
    r->watcher = client_free(r->watcher);
    sim_run_for(r->sim, 1000);
    fake_free(r->api);
    sim_free(r->sim);
}

void rig_put(struct rig *r, const struct resource *res, const char *fmt, ...)
{
    auto_arena a = {0};
    va_list args;

    va_start(args, fmt);
    fake_put(r->api, res, arena_vprintf(&a, NULL, fmt, args));
    va_end(args);
}

void rig_pod_status(struct rig *r, const char *name, const char *phase, bool ready)
{
    auto_arena a = {0};
    struct str now = time_str(&a, time_from_ns(loop_wall_ns(r->loop)));

    fake_edit(r->api, &res_core_pods, "default", name,
              arena_printf(&a,
                           "{\"status\":{\"phase\":\"%s\",\"conditions\":[{\"type\":\"Ready\","
                           "\"status\":\"%s\",\"lastTransitionTime\":\"%.*s\"}]}}",
                           phase, ready ? "True" : "False", STR_ARG(now)));
}

void rig_play_kubelet(struct rig *r)
{
    for (size_t i = fake_count(r->api, &res_core_pods); i-- > 0;) {
        auto_arena a = {0};
        struct object *o = fake_nth(r->api, &res_core_pods, i);
        char *name = str_dupz(&a, o->name);

        if (object_meta(o)->deletion_timestamp.set)
            fake_remove(r->api, &res_core_pods, str_dupz(&a, o->ns), name);
        else if (!pod_is_ready(OBJECT_AS(core_pod, o)))
            rig_pod_status(r, name, "Running", true);
    }
}
