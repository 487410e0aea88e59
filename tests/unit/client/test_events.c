/* SPDX-License-Identifier: Apache-2.0 */
#include "client/events.h"

#include "fake_api.h"
#include "test.h"

struct rig {
    struct sim *sim;
    struct loop *loop;
    struct fake *api;
    struct client *client;
    struct event_recorder *recorder;
};

static void begin(struct rig *r)
{
    *r = (struct rig){.sim = sim_new(1)};
    r->loop = sim_loop(r->sim, "l");
    r->api = fake_new(r->loop);
    r->client = fake_client(r->api);
    r->recorder = event_recorder_new(r->client, "tester", "host1");
    fake_put(r->api, &res_core_pods,
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"p\",\"uid\":\"u\"}}");
    fake_put(r->api, &res_core_nodes, "{\"metadata\":{\"name\":\"n\",\"uid\":\"w\"}}");
}

static void end(struct rig *r)
{
    event_recorder_free(r->recorder);
    client_free(r->client);
    sim_run_for(r->sim, 100);
    fake_free(r->api);
    sim_free(r->sim);
}

static void tell(struct rig *r, const char *reason, const char *text)
{
    struct event_target t = event_target_of(fake_find(r->api, &res_core_pods, "a", "p"));

    event_record(r->recorder, &t, "Normal", reason, "%s", text);
}

static const struct core_event *event(struct rig *r, size_t i)
{
    struct object *o = fake_nth(r->api, &res_core_events, i);

    assert_non_null(o);
    return OBJECT_AS(core_event, o);
}

static void an_event_says_it_all(void **state)
{
    struct rig r;
    const struct core_event *e;
    struct event_target node;

    (void)state;
    begin(&r);
    tell(&r, "Pulled", "pulled it");
    node = event_target_of(fake_find(r.api, &res_core_nodes, NULL, "n"));
    sim_run_for(r.sim, 100);
    e = event(&r, 0);
    assert_str_equal(e->metadata.namespace, "a");
    assert_true(str_has_prefix(e->metadata.name, STR("p.")));
    assert_str_equal(e->involved_object.kind, "Pod");
    assert_str_equal(e->involved_object.api_version, "v1");
    assert_str_equal(e->involved_object.name, "p");
    assert_str_equal(e->involved_object.uid, "u");
    assert_str_equal(e->reason, "Pulled");
    assert_str_equal(e->message, "pulled it");
    assert_str_equal(e->type, "Normal");
    assert_str_equal(e->source.component, "tester");
    assert_str_equal(e->source.host, "host1");
    assert_int_equal(e->count, 1);
    assert_true(e->first_timestamp.set && e->last_timestamp.set);
    event_record(r.recorder, &node, "Warning", "Lost", "gone");
    sim_run_for(r.sim, 100);
    assert_int_equal(fake_events(r.api, "Lost"), 1);
    assert_str_equal(event(&r, 1)->metadata.namespace, "default"); /* of a node */
    end(&r);
}

static void repeats_count_up(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    for (int i = 0; i < 5; i++) {
        tell(&r, "BackOff", "again");
        sim_run_for(r.sim, 10000);
    }
    assert_int_equal(fake_count(r.api, &res_core_events), 1);
    assert_int_equal(event(&r, 0)->count, 5);
    assert_int_equal(time_ns(event(&r, 0)->last_timestamp) - time_ns(event(&r, 0)->first_timestamp),
                     40000000000);
    /* The event expired meanwhile: it begins anew. */
    {
        auto_arena a = {0};

        fake_remove(r.api, &res_core_events, "a", str_dupz(&a, event(&r, 0)->metadata.name));
    }
    tell(&r, "BackOff", "again");
    sim_run_for(r.sim, 1000);
    assert_int_equal(fake_count(r.api, &res_core_events), 1);
    assert_int_equal(event(&r, 0)->count, 1);
    end(&r);
}

static void different_events_of_one_moment_are_all_told(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    tell(&r, "A", "one");
    tell(&r, "B", "two");
    tell(&r, "C", "three");
    sim_run_for(r.sim, 1000);
    assert_int_equal(fake_count(r.api, &res_core_events), 3);
    end(&r);
}

static void many_similar_ones_become_one(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    for (int i = 0; i < 15; i++) {
        auto_arena a = {0};

        tell(&r, "Failed", arena_printf(&a, "try %d", i));
        sim_run_for(r.sim, 1000);
    }
    assert_int_equal(fake_count(r.api, &res_core_events), 11);
    assert_string_equal(fake_event_text(r.api, "Failed"), "(combined from similar events): try 14");
    assert_int_equal(fake_events(r.api, "Failed"), 15);
    end(&r);
}

static void a_flood_is_cut(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    for (int i = 0; i < 40; i++) {
        tell(&r, "Flood", "same");
        sim_run_for(r.sim, 100);
    }
    assert_int_equal(fake_events(r.api, "Flood"), 25);
    sim_run_for(r.sim, 600000); /* one token every five minutes */
    for (int i = 0; i < 5; i++) {
        tell(&r, "Flood", "same");
        sim_run_for(r.sim, 100);
    }
    assert_int_equal(fake_events(r.api, "Flood"), 27);
    end(&r);
}

static void freeing_in_the_middle_is_clean(void **state)
{
    struct rig r;

    (void)state;
    begin(&r);
    for (int i = 0; i < 10; i++) {
        auto_arena a = {0};

        tell(&r, "R", arena_printf(&a, "%d", i));
        sim_run_for(r.sim, 1);
    }
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_says_it_all),
        cmocka_unit_test(repeats_count_up),
        cmocka_unit_test(different_events_of_one_moment_are_all_told),
        cmocka_unit_test(many_similar_ones_become_one),
        cmocka_unit_test(a_flood_is_cut),
        cmocka_unit_test(freeing_in_the_middle_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
