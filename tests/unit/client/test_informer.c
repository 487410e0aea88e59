/* SPDX-License-Identifier: Apache-2.0 */
#include "client/informer.h"

#include "fake_api.h"
#include "test.h"

struct rig {
    struct sim *sim;
    struct loop *loop;
    struct fake *api;
    struct client *client;
    struct informers *all;
    struct informer *maps;
    unsigned added, updated, deleted, synced;
};

static void on_add(void *arg, struct object *o)
{
    (void)o;
    ((struct rig *)arg)->added++;
}

static void on_update(void *arg, struct object *old, struct object *o)
{
    assert_true(str_eq(old->name, o->name));
    assert_true(old->revision < o->revision);
    ((struct rig *)arg)->updated++;
}

static void on_delete(void *arg, struct object *o)
{
    struct rig *r = arg;

    assert_null(informer_find(r->maps, o->ns, o->name));
    r->deleted++;
}

static void on_synced(void *arg)
{
    ((struct rig *)arg)->synced++;
}

static void put(struct rig *r, const char *ns, const char *name)
{
    auto_arena a = {0};

    fake_put(r->api, &res_core_configmaps,
             arena_printf(&a, "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\"}}", ns, name));
}

static void begin(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.sim = sim_new(seed)};
    r->loop = sim_loop(r->sim, "l");
    r->api = fake_new(r->loop);
    r->client = fake_client(r->api);
    put(r, "a", "one");
    put(r, "a", "two");
    put(r, "ab", "three");
    r->all = informers_new(r->client);
    r->maps = informers_get(r->all, &res_core_configmaps, STR_NULL, NULL, NULL);
    struct informer_handler h = {on_add, on_update, on_delete, r};
    informer_add_handler(r->maps, &h);
    informers_on_synced(r->all, on_synced, r);
}

static void end(struct rig *r)
{
    informers_free(r->all);
    client_free(r->client);
    sim_run_for(r->sim, 100);
    fake_free(r->api);
    sim_free(r->sim);
}

static size_t count(struct rig *r, struct str ns)
{
    struct informer_iter it;
    size_t n = 0;

    for (struct object *o = informer_first(r->maps, ns, &it); o; o = informer_next(&it))
        n++;
    return n;
}

static void the_first_state_then_every_change(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 1);
    assert_false(informers_synced(r.all));
    sim_run_for(r.sim, 100);
    assert_true(informers_synced(r.all));
    assert_int_equal(r.synced, 1);
    assert_int_equal(r.added, 3);
    assert_int_equal(count(&r, STR_NULL), 3);
    assert_int_equal(count(&r, STR("a")), 2); /* not those of "ab" */
    assert_int_equal(count(&r, STR("ab")), 1);
    assert_int_equal(count(&r, STR("b")), 0);
    assert_non_null(informer_find(r.maps, STR("a"), STR("one")));
    fake_edit(r.api, &res_core_configmaps, "a", "one", "{\"data\":{\"k\":\"v\"}}");
    fake_remove(r.api, &res_core_configmaps, "a", "two");
    put(&r, "b", "four");
    sim_run_for(r.sim, 100);
    assert_int_equal(r.added, 4);
    assert_int_equal(r.updated, 1);
    assert_int_equal(r.deleted, 1);
    assert_int_equal(count(&r, STR_NULL), 3);
    assert_int_equal(informer_revision(r.maps),
                     fake_find(r.api, &res_core_configmaps, "b", "four")->revision);
    end(&r);
}

static void a_late_handler_is_told_of_all(void **state)
{
    struct rig r, late = {0};
    struct informer_handler h = {on_add, on_update, on_delete, &late};

    (void)state;
    begin(&r, 2);
    sim_run_for(r.sim, 100);
    late.maps = r.maps;
    informer_add_handler(r.maps, &h);
    assert_int_equal(late.added, 0); /* from the loop */
    sim_run_for(r.sim, 10);
    assert_int_equal(late.added, 3);
    assert_int_equal(r.added, 3);
    fake_remove(r.api, &res_core_configmaps, "a", "two");
    sim_run_for(r.sim, 100);
    assert_int_equal(late.deleted, 1);
    assert_ptr_equal(informers_get(r.all, &res_core_configmaps, STR_NULL, NULL, NULL), r.maps);
    end(&r);
}

static void an_expired_watch_starts_over_without_noise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;

        begin(&r, seed);
        sim_run_for(r.sim, 100);
        fake_hold_watches(r.api, true);
        fake_remove(r.api, &res_core_configmaps, "a", "two");
        put(&r, "b", "four");
        fake_edit(r.api, &res_core_configmaps, "a", "one", "{\"data\":{\"k\":\"v\"}}");
        informers_free(r.all);
        r.all = informers_new(r.client);
        fake_hold_watches(r.api, false);
        r.added = r.synced = 0;
        r.maps = informers_get(r.all, &res_core_configmaps, STR_NULL, NULL, NULL);
        struct informer_handler h = {on_add, on_update, on_delete, &r};
        informer_add_handler(r.maps, &h);
        sim_run_for(r.sim, seed);
        fake_end_watches(r.api, ERR_EXPIRED);
        fake_remove(r.api, &res_core_configmaps, "ab", "three");
        sim_run_for(r.sim, 1000);
        assert_int_equal(count(&r, STR_NULL), 2);
        assert_int_equal(r.added - r.deleted, 2);
        assert_true(informers_synced(r.all));
        end(&r);
    }
}

static int64_t told; /* the revision that was claimed while objects were missing */

static void claims(void *arg, struct object *o)
{
    struct rig *r = arg;

    (void)o;
    if (count(r, STR_NULL) < fake_count(r->api, &res_core_configmaps))
        told = MAX(told, informer_revision(r->maps));
}

static void it_is_not_ahead_of_what_it_has(void **state)
{
    struct rig r;
    struct informer_handler h = {.on_add = claims, .arg = &r};

    (void)state;
    told = 0;
    begin(&r, 4);
    informer_add_handler(r.maps, &h);
    fake_edit(r.api, &res_core_configmaps, "a", "one", "{\"data\":{\"k\":\"v\"}}"); /* the newest */
    sim_run_for(r.sim, 100);
    assert_int_equal(told, 0);
    assert_true(informer_revision(r.maps) > 0);
    end(&r);
}

static void errors_are_tried_again_more_and_more_slowly(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 5);
    sim_run_for(r.sim, 100);
    for (int i = 0; i < 5; i++) {
        fake_end_watches(r.api, ERR_UNAVAILABLE);
        sim_run_for(r.sim, 3000);
    }
    put(&r, "c", "five");
    sim_run_for(r.sim, 5000);
    assert_non_null(informer_find(r.maps, STR("c"), STR("five")));
    assert_int_equal(r.added, 4);
    assert_int_equal(r.deleted, 0);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_state_then_every_change),
        cmocka_unit_test(a_late_handler_is_told_of_all),
        cmocka_unit_test(an_expired_watch_starts_over_without_noise),
        cmocka_unit_test(it_is_not_ahead_of_what_it_has),
        cmocka_unit_test(errors_are_tried_again_more_and_more_slowly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
