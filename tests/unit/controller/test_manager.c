/* SPDX-License-Identifier: Apache-2.0 */
/* All controllers together, as the manager runs them. */
#include "controller/manager.h"

#include "base/log.h"
#include "controller/common.h"
#include "fake_api.h"
#include "test.h"

static struct client *client_for(void *arg, struct loop *loop, const char *user,
                                 const char *const *groups)
{
    (void)loop;
    (void)user;
    (void)groups;
    return fake_client(arg);
}

struct rig {
    struct sim *sim;
    struct fake *api;
    struct controllers *all;
};

static void begin(struct rig *r, uint64_t seed, bool elect)
{
    struct controllers_opts opts = {
        .client_for = client_for, .ca_pem = STR("the CA"), .leader_elect = elect, .identity = "me"};

    log_set_level(LOG_LEVEL_ERROR);
    r->sim = sim_new(seed);
    opts.loop = sim_loop(r->sim, "l");
    r->api = fake_new(opts.loop);
    opts.arg = r->api;
    fake_put(r->api, &res_core_namespaces,
             "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
    fake_put(r->api, &res_core_services,
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"web\"},\"spec\":{\"selector\":{"
             "\"app\":\"web\"},\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"port\":80}]}}");
    fake_put(r->api, &res_apps_deployments,
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"web\"},\"spec\":{\"replicas\":3,"
             "\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{"
             "\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
             "\"i\"}]}}}}");
    r->all = controllers_new(&opts);
}

static void end(struct rig *r)
{
    r->all = controllers_free(r->all);
    sim_run_for(r->sim, 1000);
    fake_free(r->api);
    sim_free(r->sim);
}

static void start_pods(struct rig *r)
{
    for (size_t i = 0; i < fake_count(r->api, &res_core_pods); i++) {
        auto_arena a = {0};
        struct object *o = fake_nth(r->api, &res_core_pods, i);

        fake_edit(r->api, &res_core_pods, "a", str_dupz(&a, o->name),
                  arena_printf(&a,
                               "{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.1.0.%zu\","
                               "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
                               i + 1));
    }
}

static void a_namespace_lives_and_goes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rig r;
        const struct apps_deployment *d;

        begin(&r, seed, seed % 2);
        sim_run_for(r.sim, 10000);
        assert_int_equal(fake_count(r.api, &res_core_pods), 3);
        start_pods(&r);
        sim_run_for(r.sim, 10000);
        d = OBJECT_AS(apps_deployment, fake_find(r.api, &res_apps_deployments, "a", "web"));
        assert_int_equal(d->status.available_replicas, 3);
        assert_int_equal(
            OBJECT_AS(discovery_endpoint_slice, fake_nth(r.api, &res_discovery_endpointslices, 0))
                ->endpoints.n,
            3);
        assert_non_null(fake_find(r.api, &res_core_serviceaccounts, "a", "default"));
        assert_non_null(fake_find(r.api, &res_core_configmaps, "a", "kube-root-ca.crt"));
        /* The Deployment goes; the collector takes all below it. */
        fake_remove(r.api, &res_apps_deployments, "a", "web");
        sim_run_for(r.sim, 10000);
        assert_int_equal(fake_count(r.api, &res_apps_replicasets), 0);
        assert_int_equal(fake_count(r.api, &res_core_pods), 0);
        fake_edit(r.api, &res_core_namespaces, NULL, "a",
                  "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:01Z\"}}");
        sim_run_for(r.sim, 60000);
        assert_null(fake_find(r.api, &res_core_namespaces, NULL, "a"));
        assert_int_equal(fake_count(r.api, &res_core_services), 0);
        assert_int_equal(fake_count(r.api, &res_discovery_endpointslices), 0);
        end(&r);
    }
}

static void stopping_at_any_time_is_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rig r;

        begin(&r, seed, seed % 2);
        sim_run_for(r.sim, seed * 9);
        end(&r);
    }
}

/* While another holds the lease nothing is done; when that one is silent, all goes on. */
static void a_lost_lease_stops_all_until_it_is_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rig r;

        begin(&r, seed, true);
        sim_run_for(r.sim, 10000);
        assert_int_equal(fake_count(r.api, &res_core_pods), 3);
        fake_edit(r.api, &res_coordination_leases, "kube-system", "kube-controller-manager",
                  "{\"spec\":{\"holderIdentity\":\"another\"}}");
        sim_run_for(r.sim, 5000); /* until it has noticed */
        fake_edit(r.api, &res_apps_deployments, "a", "web", "{\"spec\":{\"replicas\":5}}");
        sim_run_for(r.sim, 5000);
        assert_int_equal(fake_count(r.api, &res_core_pods), 3);
        sim_run_for(r.sim, 60000);
        assert_int_equal(fake_count(r.api, &res_core_pods), 5);
        end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_namespace_lives_and_goes),
        cmocka_unit_test(a_lost_lease_stops_all_until_it_is_back),
        cmocka_unit_test(stopping_at_any_time_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
