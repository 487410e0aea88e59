/* SPDX-License-Identifier: Apache-2.0 */
#include "client/leader.h"

#include "fake_api.h"
#include "test.h"

enum { CANDIDATES = 3 };
struct candidate {
    struct client *client;
    struct leader *leader;
    bool leads;
    unsigned terms;
};
struct rig {
    struct sim *sim;
    struct loop *loop;
    struct fake *api;
    struct candidate all[CANDIDATES];
};

static void on_started(void *arg)
{
    struct candidate *c = arg;

    assert_false(c->leads);
    c->leads = true;
    c->terms++;
}

static void on_stopped(void *arg)
{
    struct candidate *c = arg;

    assert_true(c->leads);
    c->leads = false;
}

static void join(struct rig *r, int i)
{
    static const char *const names[] = {"x", "y", "z"};
    struct leader_opts opts = {.ns = "kube-system",
                               .name = "l",
                               .identity = names[i],
                               .on_started = on_started,
                               .on_stopped = on_stopped,
                               .arg = &r->all[i]};

    r->all[i].client = fake_client(r->api);
    r->all[i].leader = leader_new(r->all[i].client, &opts);
}

static void leave(struct rig *r, int i)
{
    r->all[i].leader = leader_free(r->all[i].leader);
    sim_run_for(r->sim, 100);
    r->all[i].client = client_free(r->all[i].client);
    r->all[i].leads = false;
}

static void begin(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.sim = sim_new(seed)};
    r->loop = sim_loop(r->sim, "l");
    r->api = fake_new(r->loop);
}

static void end(struct rig *r)
{
    for (int i = 0; i < CANDIDATES; i++) {
        if (r->all[i].client)
            leave(r, i);
    }
    sim_run_for(r->sim, 1000);
    fake_free(r->api);
    sim_free(r->sim);
}

static unsigned leaders(const struct rig *r)
{
    unsigned n = 0;

    for (int i = 0; i < CANDIDATES; i++)
        n += r->all[i].leads;
    return n;
}

static const struct coordination_lease_spec *lease(struct rig *r)
{
    return &OBJECT_AS(coordination_lease,
                      fake_find(r->api, &res_coordination_leases, "kube-system", "l"))
                ->spec;
}

static void one_leads_and_goes_on_leading(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 1);
    for (int i = 0; i < CANDIDATES; i++)
        join(&r, i);
    for (int i = 0; i < 600; i++) {
        sim_run_for(r.sim, 100);
        assert_true(leaders(&r) <= 1);
    }
    assert_int_equal(leaders(&r), 1);
    assert_int_equal(r.all[0].terms + r.all[1].terms + r.all[2].terms, 1);
    assert_int_equal(*lease(&r)->lease_duration_seconds, 15);
    assert_int_equal(*lease(&r)->lease_transitions, 0);
    end(&r);
}

static void who_leaves_hands_over_at_once(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 2);
    join(&r, 0);
    sim_run_for(r.sim, 5000);
    assert_true(r.all[0].leads);
    join(&r, 1);
    sim_run_for(r.sim, 30000);
    assert_false(r.all[1].leads);
    leave(&r, 0);
    sim_run_for(r.sim, 2500);
    assert_true(r.all[1].leads);
    assert_str_equal(*lease(&r)->holder_identity, "y");
    assert_int_equal(*lease(&r)->lease_transitions, 1);
    end(&r);
}

static void who_dies_is_replaced_after_the_lease(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3);
    fake_put(r.api, &res_coordination_leases,
             "{\"metadata\":{\"namespace\":\"kube-system\",\"name\":\"l\"},\"spec\":{"
             "\"holderIdentity\":\"dead\",\"leaseDurationSeconds\":15,\"renewTime\":"
             "\"2030-01-01T00:00:00.000000Z\"}}");
    join(&r, 0);
    sim_run_for(r.sim, 14000);
    assert_false(r.all[0].leads); /* by its own clock: the one in the Lease may be wrong */
    sim_run_for(r.sim, 4000);
    assert_true(r.all[0].leads);
    end(&r);
}

/* A stock component beside ours may have been told to take more time. */
static void the_duration_is_that_of_who_holds_it(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 5);
    fake_put(r.api, &res_coordination_leases,
             "{\"metadata\":{\"namespace\":\"kube-system\",\"name\":\"l\"},\"spec\":{"
             "\"holderIdentity\":\"slow\",\"leaseDurationSeconds\":60}}");
    join(&r, 0);
    sim_run_for(r.sim, 59000);
    assert_false(r.all[0].leads);
    sim_run_for(r.sim, 5000);
    assert_true(r.all[0].leads);
    assert_int_equal(*lease(&r)->lease_duration_seconds, 15);
    end(&r);
}

static void who_cannot_renew_steps_down_before_others_step_up(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 4);
    join(&r, 0);
    sim_run_for(r.sim, 5000);
    assert_true(r.all[0].leads);
    fake_stall(r.api, true); /* calls hang */
    sim_run_for(r.sim, 7000);
    assert_true(r.all[0].leads);
    sim_run_for(r.sim, 4000);
    assert_false(r.all[0].leads);
    fake_stall(r.api, false);
    sim_run_for(r.sim, 5000);
    assert_true(r.all[0].leads);
    assert_int_equal(r.all[0].terms, 2);
    fake_fail(r.api, VERB_UPDATE, &res_coordination_leases, 1000, ERR_UNAVAILABLE, "down");
    sim_run_for(r.sim, 13000);
    assert_false(r.all[0].leads);
    end(&r);
}

static void never_two_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random_seeded rnd;
        struct rig r;

        random_seeded_init(&rnd, seed);
        begin(&r, seed);
        for (int i = 0; i < CANDIDATES; i++)
            join(&r, i);
        for (int i = 0; i < 400; i++) {
            if (random_below(&rnd.base, 20) == 0)
                fake_fail(r.api, VERB_UPDATE, &res_coordination_leases,
                          (unsigned)random_below(&rnd.base, 20), ERR_UNAVAILABLE, "down");
            if (random_below(&rnd.base, 30) == 0)
                fake_stall(r.api, random_below(&rnd.base, 2));
            sim_run_for(r.sim, random_below(&rnd.base, 1000));
            assert_true(leaders(&r) <= 1);
        }
        fake_stall(r.api, false);
        sim_run_for(r.sim, 600000);
        assert_int_equal(leaders(&r), 1);
        end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_leads_and_goes_on_leading),
        cmocka_unit_test(who_leaves_hands_over_at_once),
        cmocka_unit_test(who_dies_is_replaced_after_the_lease),
        cmocka_unit_test(the_duration_is_that_of_who_holds_it),
        cmocka_unit_test(who_cannot_renew_steps_down_before_others_step_up),
        cmocka_unit_test(never_two_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
