/* Watches over HTTP: what comes first, changes seen through selectors, bookmarks, ends. */
#include "apiserver/pipeline.h"
#include "apiserver/watcher.h"
#include "codec/pb.h"
#include "read_rig.h"
#include "schema/typed.h"

#define WATCH "/api/v1/namespaces/ns1/configmaps?watch=1"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":{\"kind\":\"ConfigMap\"," \
    "\"apiVersion\":\"v1\"," object "}}\n"
#define META(name, rv) "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns1\"," \
    "\"resourceVersion\":\"" rv "\"}"
#define LMETA(name, rv, labels) "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns1\"," \
    "\"resourceVersion\":\"" rv "\",\"labels\":{" labels "}}"
#define BOOKMARK(rv) EVENT("BOOKMARK", "\"metadata\":{\"resourceVersion\":\"" rv "\"}")

static struct rig *r;

static int setup(void **state)
{
    (void)state;
    r = rig_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(watch_count(r->as), 0);
    assert_int_equal(atomic_load(&r->as->n_live), 0);
    rig_free(r);
    return 0;
}

static int64_t put(const char *name, const char *ns, const char *labels)
{
    auto_arena a = {0};

    return rig_put(r, &res_core_configmaps,
                   arena_printf(&a, "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\"%s%s%s}}",
                                name, ns, labels ? ",\"labels\":{" : "", labels ? labels : "",
                                labels ? "}" : ""));
}

static void drop(const char *name)
{
    auto_arena a = {0};

    rig_remove(r, arena_printf(&a, "/registry/configmaps/ns1/%s", name));
}

static void test_state_then_changes(void **state)
{
    struct http_exchange *x;

    (void)state;
    put("a", "ns1", NULL);
    put("other", "ns2", NULL);
    x = rig_get(r, WATCH, NULL);
    assert_int_equal(x->status, 200);
    assert_string_equal(x->type, "application/json");
    assert_int_equal(x->length, -1);
    assert_string_equal(rig_pull(x), EVENT("ADDED", META("a", "2")));
    assert_true(x->waiting);
    put("b", "ns1", NULL);
    put("a", "ns1", NULL);
    drop("b");
    put("other", "ns2", NULL);
    assert_string_equal(rig_more(x, 1), EVENT("ADDED", META("b", "4"))
                                        EVENT("MODIFIED", META("a", "5"))
                                        EVENT("DELETED", META("b", "6")));
    assert_string_equal(rig_more(x, 1000), "");
    rig_close(x);
}

static void test_from_revision(void **state)
{
    struct http_exchange *x;

    (void)state;
    put("a", "ns1", NULL);
    put("b", "ns1", NULL);
    put("c", "ns1", NULL);
    x = rig_get(r, WATCH "&resourceVersion=3", NULL);
    x->step = 3;
    assert_string_equal(rig_pull(x), EVENT("ADDED", META("c", "4")));
    rig_close(x);
}

static void test_untouched_while_others_change(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, WATCH, NULL);
    assert_string_equal(rig_pull(x), "");
    put("x", "ns2", NULL);
    sim_run_for(r->sim, 10);
    assert_false(x->resumed); /* nothing for it: its connection is left alone */
    put("x", "ns1", NULL);
    sim_run_for(r->sim, 10);
    assert_true(x->resumed);
    rig_close(x);
}

static void test_selector_transitions(void **state)
{
    struct http_exchange *x;

    (void)state;
    put("a", "ns1", "\"app\":\"x\"");
    put("b", "ns1", NULL);
    x = rig_get(r, WATCH "&labelSelector=app%3Dx", NULL);
    assert_string_equal(rig_pull(x), EVENT("ADDED", LMETA("a", "2", "\"app\":\"x\"")));
    put("b", "ns1", "\"app\":\"x\"");             /* 4: begins to match */
    put("b", "ns1", "\"app\":\"x\",\"n\":\"1\""); /* 5 */
    put("b", "ns1", "\"app\":\"y\"");             /* 6: no longer; shown as it last matched */
    put("b", "ns1", "\"app\":\"z\"");             /* 7: not seen */
    drop("b");                                    /* 8: not seen */
    drop("a");                                    /* 9 */
    assert_string_equal(rig_more(x, 1),
                        EVENT("ADDED", LMETA("b", "4", "\"app\":\"x\""))
                        EVENT("MODIFIED", LMETA("b", "5", "\"app\":\"x\",\"n\":\"1\""))
                        EVENT("DELETED", LMETA("b", "6", "\"app\":\"x\",\"n\":\"1\""))
                        EVENT("DELETED", LMETA("a", "9", "\"app\":\"x\"")));
    rig_close(x);
}

static void test_one_name(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, WATCH "&fieldSelector=metadata.name%3Da", NULL);
    (void)rig_pull(x);
    put("b", "ns1", NULL);
    put("a", "ns1", NULL);
    assert_string_equal(rig_more(x, 1), EVENT("ADDED", META("a", "3")));
    rig_close(x);
}

static void test_bookmarks(void **state)
{
    struct http_exchange *x, *plain;

    (void)state;
    put("a", "ns1", NULL);
    x = rig_get(r, WATCH "&allowWatchBookmarks=true&resourceVersion=2&timeoutSeconds=100", NULL);
    plain = rig_get(r, WATCH "&resourceVersion=2&timeoutSeconds=100", NULL);
    assert_string_equal(rig_pull(x), "");
    assert_string_equal(rig_pull(plain), "");
    put("x", "ns2", NULL); /* 3: not of this watch, yet passed */
    assert_string_equal(rig_more(x, 59000), "");
    assert_string_equal(rig_more(x, 8000), BOOKMARK("3"));
    assert_string_equal(rig_more(x, 30000), "");
    assert_string_equal(rig_more(x, 2500), BOOKMARK("3")); /* before the end */
    assert_false(x->ended);
    assert_string_equal(rig_more(x, 2000), "");
    assert_true(x->ended); /* its time is over: no event */
    assert_string_equal(rig_more(plain, 1), "");
    assert_true(plain->ended);
    rig_close(x);
    rig_close(plain);
}

#define INITIAL WATCH "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
static void test_initial_events(void **state)
{
    struct http_exchange *x;

    (void)state;
    put("a", "ns1", NULL);
    put("b", "ns1", NULL);
    x = rig_get(r, INITIAL "&allowWatchBookmarks=true", NULL);
    assert_string_equal(rig_pull(x),
                        EVENT("ADDED", META("a", "2")) EVENT("ADDED", META("b", "3"))
                        EVENT("BOOKMARK", "\"metadata\":{\"resourceVersion\":\"3\",\"annotation"
                              "s\":{"
                              "\"k8s.io/initial-events-end\":\"true\"}}"));
    put("c", "ns1", NULL);
    assert_string_equal(rig_more(x, 1), EVENT("ADDED", META("c", "4")));
    rig_close(x);
    x = rig_get(r, INITIAL "&resourceVersion=2", NULL); /* a state at least as new */
    assert_string_equal(rig_pull(x), EVENT("ADDED", META("a", "2")) EVENT("ADDED", META("b", "3"))
                                         EVENT("ADDED", META("c", "4")));
    rig_close(x);
    x = rig_get(r, WATCH "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", NULL);
    assert_string_equal(rig_pull(x), "");
    put("d", "ns1", NULL);
    assert_string_equal(rig_more(x, 1), EVENT("ADDED", META("d", "5")));
    rig_close(x);
}

static void test_too_old(void **state)
{
    struct http_exchange *x;

    (void)state;
    put("a", "ns1", NULL);
    put("a", "ns1", NULL);
    sim_run_for(r->sim, 3600 * 1000);
    put("a", "ns1", NULL);
    x = rig_get(r, WATCH "&resourceVersion=1", NULL);
    assert_int_equal(x->status, 200);
    assert_string_equal(rig_pull(x),
                        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\","
                        "\"metadata\":{},\"status\":\"Failure\",\"message\":"
                        "\"too old resource version: 1 "
                        "(3)\",\"reason\":\"Expired\",\"code\":410}}\n");
    assert_true(x->ended);
    rig_close(x);
}

/* A peer that takes nothing holds up nobody: what it misses is gone, and it is told so. */
static void test_too_slow(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, WATCH, NULL);
    (void)rig_pull(x);
    put("a", "ns1", NULL); /* 2: waits for the peer */
    put("a", "ns1", NULL); /* 3: forgotten by then */
    sim_run_for(r->sim, 900 * 1000);
    put("a", "ns1", NULL);
    assert_string_equal(rig_pull(x),
                        EVENT("ADDED", META("a", "2"))
                        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\","
                        "\"metadata\":{},\"status\":\"Failure\",\"message\":"
                        "\"too old resource version: 2 "
                        "(3)\",\"reason\":\"Expired\",\"code\":410}}\n");
    assert_true(x->ended);
    rig_close(x);
}

static void test_partial_and_table(void **state)
{
    static const char *const partial[] = {
        "accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", NULL};
    static const char *const table[] = {"accept", "application/json;as=Table;g=meta.k8s.io;v=v1",
                                        NULL};
    struct http_exchange *x;
    const char *body;

    (void)state;
    put("a", "ns1", NULL);
    put("b", "ns1", NULL);
    x = rig_get(r, WATCH "&resourceVersion=2", partial);
    assert_string_equal(rig_pull(x),
                        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"PartialObjectMetadata\","
                        "\"apiVersion\":\"meta.k8s.io/v1\"," META("b", "3") "}}\n");
    rig_close(x);
    x = rig_get(r, WATCH "&resourceVersion=1", table);
    body = rig_pull(x);
    assert_non_null(strstr(body, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\",\"apiVersio"
                                 "n\":"
                                 "\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"2\"},"
                                 "\"columnDefinitions\":[{\"name\":\"Name\","));
    /* Only the first says what the columns are. */
    assert_non_null(strstr(body, "\"metadata\":{\"resourceVersion\":\"3\"},"
                                 "\"columnDefinitions\":null,\"rows\":[{\"cells\":[\"b\","));
    rig_close(x);
}

/* The frames of @body, one after another: its type and object. */
static bool next_frame(struct str *body, struct str *ret_type, struct pb_envelope *ret_env)
{
    struct pb_reader outer, raw;
    struct pb_field f;
    struct err err = {0};
    const uint8_t *p = (const uint8_t *)body->p;
    size_t len;

    if (body->len < 4)
        return false;
    len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    assert_true(len <= body->len - 4);
    outer = pb_reader(str_sub(*body, 4, len));
    *body = str_sub(*body, 4 + len, body->len);
    assert_int_equal(pb_next(&outer, &f, &err), 1);
    assert_int_equal(f.number, 1);
    *ret_type = f.bytes;
    assert_int_equal(pb_next(&outer, &f, &err), 1);
    assert_int_equal(f.number, 2);
    raw = pb_reader(f.bytes);
    assert_int_equal(pb_next(&outer, &f, &err), 0);
    assert_int_equal(pb_next(&raw, &f, &err), 1);
    assert_int_equal(f.number, 1);
    assert_ok(pb_envelope_open(f.bytes, ret_env, &err), &err);
    return true;
}

static void test_protobuf(void **state)
{
    static const char *const accept[] = {"accept", "application/vnd.kubernetes.protobuf", NULL};
    struct core_config_map cm = {0};
    struct http_exchange *x;
    struct pb_envelope env;
    struct str body, type;
    auto_arena a = {0};
    struct err err = {0};

    (void)state;
    put("a", "ns1", NULL);
    x = rig_get(r, WATCH, accept);
    x->step = 2;
    (void)rig_pull(x);
    drop("a");
    sim_run_for(r->sim, 1);
    (void)rig_pull(x);
    assert_string_equal(x->type, "application/vnd.kubernetes.protobuf;stream=watch");
    body = buf_view(&x->body);
    assert_true(next_frame(&body, &type, &env));
    assert_str_equal(type, "ADDED");
    assert_str_equal(env.kind, "ConfigMap");
    assert_true(next_frame(&body, &type, &env));
    assert_str_equal(type, "DELETED");
    assert_ok(typed_from_pb(&type_core_config_map, env.raw, &a, &cm, &err), &err);
    assert_str_equal(cm.metadata.resource_version, "3");
    assert_false(next_frame(&body, &type, &env));
    rig_close(x);
}

static void test_many_watchers_share_a_feed(void **state)
{
    struct http_exchange *x[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        x[i] = rig_get(r, WATCH, NULL);
        (void)rig_pull(x[i]);
    }
    assert_int_equal(watch_count(r->as), ARRAY_LEN(x));
    put("a", "ns1", NULL);
    sim_run_for(r->sim, 1);
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        assert_string_equal(rig_pull(x[i]), EVENT("ADDED", META("a", "2")));
        rig_close(x[i]);
    }
}

static void test_server_stops(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, WATCH, NULL);
    (void)rig_pull(x);
    pipeline_stop(r->as);
    sim_run_for(r->sim, 10);
    assert_true(x->resumed);
    assert_string_equal(rig_pull(x), "");
    assert_true(x->ended);
    rig_close(x);
}

static void test_websocket(void **state)
{
    static const char *const json[] = {"upgrade", "websocket", NULL};
    static const char *const pb[] = {"upgrade", "websocket", "accept",
                                     "application/vnd.kubernetes.protobuf", NULL};
    struct http_exchange *x;

    (void)state;
    put("a", "ns1", NULL);
    x = rig_get(r, WATCH "&timeoutSeconds=5", json);
    assert_int_equal(x->status, 101);
    assert_string_equal(rig_pull(x), EVENT("ADDED", META("a", "2")));
    drop("a");
    sim_run_for(r->sim, 1); /* pushed, not pulled */
    assert_string_equal(rig_pull(x),
                        EVENT("ADDED", META("a", "2")) EVENT("DELETED", META("a", "3")));
    (void)rig_more(x, 6000);
    assert_true(x->ended);
    rig_close(x);
    put("b", "ns1", NULL);
    x = rig_get(r, WATCH, pb); /* the message itself: type = ADDED, object = ... k8s NUL ... */
    assert_memory_equal(rig_pull(x), "0a0541444445441", 15);
    assert_non_null(strstr(rig_pull(x), "6b387300"));
    rig_close(x); /* the peer closes */
    x = rig_get(r, WATCH, json);
    pipeline_stop(r->as);
    (void)rig_more(x, 10);
    assert_true(x->ended);
    rig_close(x);
}

static void test_bad_options(void **state)
{
    struct http_exchange *x;

    (void)state;
    x = rig_get(r, WATCH "&resourceVersion=abc", NULL);
    assert_int_equal(x->status, 422);
    rig_close(x);
    x = rig_get(r, WATCH, (const char *[]){"accept", "application/yaml", NULL});
    assert_int_equal(x->status, 406);
    rig_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_state_then_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_revision, setup, teardown),
        cmocka_unit_test_setup_teardown(test_untouched_while_others_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_selector_transitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bookmarks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_initial_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_slow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partial_and_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_protobuf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_watchers_share_a_feed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_websocket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_options, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
