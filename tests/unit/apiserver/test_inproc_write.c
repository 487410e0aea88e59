/* Writes of components in the process: structs in, shared records out. */
#include "server.h"

#include "apiserver/inproc.h"

static const char *const admins[] = {"system:masters", NULL};

static void on_done(struct inproc_call *call)
{
    *(bool *)call->arg = true;
}

/* Runs @call to its end on the server's own loop. */
static void run(struct server *s, struct inproc_call *call)
{
    bool done = false;

    call->user = STR("component");
    call->groups = admins;
    call->loop = s->loop;
    call->on_done = on_done;
    call->arg = &done;
    call->sub = call->sub ? call->sub : "";
    call->revision = -1;
    call->grace_sec = -1;
    inproc_start(s->as, call);
    for (int i = 0; i < 10000 && !done; i++)
        (void)sim_step(s->sim);
    assert_true(done);
}

static struct inproc_call call_of(enum verb verb, const char *name, const void *body)
{
    return (struct inproc_call){.verb = verb,
                                .res = &res_core_configmaps,
                                .ns = STR("default"),
                                .name = str_from(name),
                                .body_type = &type_core_config_map,
                                .body = body};
}

static struct object *make(struct server *s, const char *name)
{
    struct string_pair data = {STR("k"), STR("1")};
    struct core_config_map cm = {.metadata.name = str_from(name)};
    struct inproc_call c = call_of(VERB_CREATE, name, &cm);

    cm.data.v = &data;
    cm.data.n = 1;
    run(s, &c);
    assert_int_equal(c.code, 0);
    assert_int_equal(c.http_status, 201);
    assert_non_null(c.object);
    return c.object;
}

static void test_create_and_update(void **state)
{
    struct server s;
    struct object *o;
    struct string_pair data = {STR("k"), STR("2")};
    struct core_config_map cm;
    struct inproc_call c;

    (void)state;
    server_start(&s);
    o = make(&s, "a");
    assert_str_equal(o->name, "a");
    assert_int_equal(OBJECT_AS(core_config_map, o)->metadata.uid.len, 36);
    cm = *OBJECT_AS(core_config_map, o);
    cm.data.v = &data;
    c = call_of(VERB_UPDATE, "a", &cm);
    run(&s, &c);
    assert_int_equal(c.code, 0);
    assert_str_equal(OBJECT_AS(core_config_map, c.object)->data.v[0].value, "2");
    assert_true(c.object->revision > o->revision);
    object_unref(c.object);
    /* The struct still names the revision it was read at. */
    c = call_of(VERB_UPDATE, "a", &cm);
    run(&s, &c);
    assert_int_equal(c.code, ERR_CONFLICT);
    assert_int_equal(c.http_status, 409);
    assert_string_equal(c.err.msg,
                        "Operation cannot be fulfilled on configmaps \"a\": the object has been "
                        "modified; please apply your changes to the latest version and try again");
    assert_null(c.object);
    object_unref(o);
    server_stop(&s);
}

static void test_patch_and_delete(void **state)
{
    struct server s;
    struct object *o;
    struct inproc_call c;

    (void)state;
    server_start(&s);
    o = make(&s, "a");
    c = call_of(VERB_PATCH, "a", NULL);
    c.patch_type = STR("application/merge-patch+json");
    c.patch = STR("{\"data\":{\"k\":\"3\"}}");
    run(&s, &c);
    assert_int_equal(c.code, 0);
    assert_str_equal(OBJECT_AS(core_config_map, c.object)->data.v[0].value, "3");
    object_unref(c.object);
    c = call_of(VERB_PATCH, "a", NULL);
    c.patch_type = STR("application/unheard-of");
    c.patch = STR("{}");
    run(&s, &c);
    assert_int_equal(c.code, ERR_MEDIA_TYPE);

    c = call_of(VERB_DELETE, "a", NULL);
    c.uid_precondition = STR("other");
    run(&s, &c);
    assert_int_equal(c.code, ERR_CONFLICT);
    c = call_of(VERB_DELETE, "a", NULL);
    c.uid_precondition = o->uid;
    run(&s, &c);
    assert_int_equal(c.code, 0);
    object_unref(c.object);
    c = call_of(VERB_DELETE, "a", NULL);
    run(&s, &c);
    assert_int_equal(c.code, ERR_NOT_FOUND);
    object_unref(o);
    server_stop(&s);
}

static void test_what_is_invalid_changes_nothing(void **state)
{
    struct server s;
    struct core_config_map cm = {.metadata.name = STR("No_Good")};
    struct inproc_call c = call_of(VERB_CREATE, "No_Good", &cm);
    int64_t revision;

    (void)state;
    server_start(&s);
    revision = store_revision(s.store);
    run(&s, &c);
    assert_int_equal(c.code, ERR_INVALID);
    assert_int_equal(c.http_status, 422);
    assert_int_equal(store_revision(s.store), revision);
    assert_str_equal(cm.metadata.uid, ""); /* the caller's struct is only read */
    server_stop(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_update),
        cmocka_unit_test(test_patch_and_delete),
        cmocka_unit_test(test_what_is_invalid_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
