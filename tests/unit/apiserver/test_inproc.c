/* Calls from another loop of the process: answers, watches in batches, cancels amid all that. */
#include "apiserver/inproc.h"
#include "apiserver/watcher.h"
#include "read_rig.h"

static struct rig *r;
static struct loop *caller;

struct call { /* a call and what came of it */
    struct inproc_call c;
    bool done;
    unsigned n_batches;
    struct buf log;      /* "+a@2 ~a@3 -a@4 |5 |6! " */
    bool cancel_in_batch;
};

static int setup(void **state)
{
    (void)state;
    r = rig_new();
    caller = sim_loop(r->sim, "caller");
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

static int64_t put(const char *name)
{
    auto_arena a = {0};

    return rig_put(r, &res_core_configmaps,
                   arena_printf(&a, "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\"}}", name));
}

static void on_done(struct inproc_call *c)
{
    struct call *call = c->arg;

    assert_false(call->done);
    call->done = true;
}

static void on_events(struct inproc_call *c, struct inproc_event *events, size_t n)
{
    static const char marks[] = {
        [INPROC_ADDED] = '+', [INPROC_MODIFIED] = '~', [INPROC_DELETED] = '-'};
    struct call *call = c->arg;

    assert_false(call->done);
    assert_true(n > 0 && n <= INPROC_EVENTS_MAX);
    call->n_batches++;
    for (size_t i = 0; i < n; i++) {
        const struct inproc_event *e = &events[i];

        if (e->type == INPROC_BOOKMARK) {
            assert_null(e->object);
            buf_printf(&call->log, "|%lld%s ", (long long)e->revision, e->initial_end ? "!" : "");
            continue;
        }
        assert_int_equal(e->object->revision, e->revision);
        buf_printf(&call->log, "%c%.*s@%lld ", marks[e->type], STR_ARG(e->object->name),
                   (long long)e->revision);
        (void)object_unref(e->object);
    }
    if (call->cancel_in_batch)
        inproc_cancel(r->as, c);
}

static struct call *new_call(enum verb verb, const char *name)
{
    struct call *call = xnew(struct call);

    call->c = (struct inproc_call){.verb = verb,
                                   .res = &res_core_configmaps,
                                   .sub = "",
                                   .ns = STR("n"),
                                   .name = str_from(name),
                                   .user = STR("system:tester"),
                                   .revision = -1,
                                   .grace_sec = -1,
                                   .loop = caller,
                                   .on_events = on_events,
                                   .on_done = on_done,
                                   .arg = call};
    return call;
}

static void post_start(void *arg)
{
    inproc_start(r->as, arg);
}

static void post_cancel(void *arg)
{
    inproc_cancel(r->as, arg);
}

static void start(struct call *call)
{
    loop_post(caller, post_start, &call->c);
    sim_run_for(r->sim, 10);
}

static void end(struct call *call)
{
    assert_true(call->done);
    buf_deinit(&call->log);
    free(call);
}

static void test_get(void **state)
{
    struct call *call = new_call(VERB_GET, "a");

    (void)state;
    put("a");
    start(call);
    assert_true(call->done);
    assert_int_equal(call->c.code, 0);
    assert_int_equal(call->c.http_status, 200);
    assert_int_equal(call->c.object->revision, 2);
    assert_ptr_equal(call->c.object->res, &res_core_configmaps);
    (void)object_unref(call->c.object);
    end(call);
}

static void test_get_missing(void **state)
{
    struct call *call = new_call(VERB_GET, "zz");

    (void)state;
    start(call);
    assert_int_equal(call->c.code, ERR_NOT_FOUND);
    assert_int_equal(call->c.http_status, 404);
    assert_string_equal(call->c.err.msg, "configmaps \"zz\" not found");
    assert_null(call->c.object);
    end(call);
}

static void test_refused(void **state)
{
    struct call *call = new_call(VERB_GET, "a");

    (void)state;
    call->c.user = STR("nobody");
    start(call);
    assert_int_equal(call->c.code, ERR_FORBIDDEN);
    assert_int_equal(call->c.http_status, 403);
    end(call);
    call = new_call(VERB_LIST, NULL);
    call->c.label_selector = STR("a in");
    start(call);
    assert_int_equal(call->c.code, ERR_BAD_REQUEST);
    end(call);
}

static void test_list(void **state)
{
    struct call *call = new_call(VERB_LIST, NULL);

    (void)state;
    put("b");
    put("a");
    start(call);
    assert_int_equal(call->c.code, 0);
    assert_int_equal(call->c.n_objects, 2);
    assert_int_equal(call->c.list_revision, 3);
    assert_str_equal(call->c.objects[0]->name, "a");
    assert_str_equal(call->c.objects[1]->name, "b");
    for (size_t i = 0; i < 2; i++)
        (void)object_unref(call->c.objects[i]);
    free(call->c.objects);
    end(call);
}

static void test_watch(void **state)
{
    struct call *call = new_call(VERB_WATCH, NULL);

    (void)state;
    put("a");
    put("b");
    call->c.send_initial_events = true;
    start(call);
    assert_string_equal(buf_cstr(&call->log), "+a@2 +b@3 |3! ");
    assert_int_equal(call->n_batches, 1);
    put("a");
    rig_remove(r, "/registry/configmaps/n/b");
    sim_run_for(r->sim, 10);
    assert_string_equal(buf_cstr(&call->log), "+a@2 +b@3 |3! ~a@4 -b@5 ");
    sim_run_for(r->sim, 3 * 3600 * 1000); /* no end of its own */
    assert_false(call->done);
    loop_post(caller, post_cancel, &call->c);
    sim_run_for(r->sim, 10);
    assert_true(call->done);
    assert_int_equal(call->c.code, ERR_CANCELED);
    end(call);
}

static void test_watch_from_revision(void **state)
{
    struct call *call = new_call(VERB_WATCH, NULL);

    (void)state;
    put("a");
    put("b");
    call->c.revision = 2;
    call->c.field_selector = STR("metadata.name=b");
    start(call);
    assert_string_equal(buf_cstr(&call->log), "+b@3 ");
    loop_post(caller, post_cancel, &call->c);
    sim_run_for(r->sim, 10);
    end(call);
}

static void test_watch_expired(void **state)
{
    struct call *call = new_call(VERB_WATCH, NULL);

    (void)state;
    put("a");
    put("a");
    sim_run_for(r->sim, 3600 * 1000);
    put("a");
    call->c.revision = 1;
    start(call);
    assert_true(call->done);
    assert_int_equal(call->c.code, ERR_EXPIRED);
    assert_int_equal(call->c.http_status, 410);
    assert_string_equal(call->c.err.msg, "too old resource version: 1 (3)");
    end(call);
}

static void test_batches_wait_for_each_other(void **state)
{
    struct call *call = new_call(VERB_WATCH, NULL);

    (void)state;
    for (int i = 0; i < 600; i++) {
        auto_arena a = {0};

        put(arena_printf(&a, "n%03d", i));
    }
    call->c.send_initial_events = true;
    call->cancel_in_batch = true; /* with the first batch: those behind it never leave */
    start(call);
    assert_true(call->done);
    assert_int_equal(call->n_batches, 1);
    assert_int_equal(call->c.code, ERR_CANCELED);
    end(call);
    call = new_call(VERB_WATCH, NULL);
    call->c.send_initial_events = true;
    start(call);
    assert_int_equal(call->n_batches, 3); /* 256 + 256 + 88 and the bookmark */
    loop_post(caller, post_cancel, &call->c);
    sim_run_for(r->sim, 10);
    end(call);
}

static void test_cancel_crosses_the_answer(void **state)
{
    (void)state;
    put("a");
    for (int i = 0; i < 30; i++) { /* the simulation draws the order of posts */
        struct call *call = new_call(i % 2 ? VERB_GET : VERB_WATCH, i % 2 ? "a" : NULL);

        loop_post(caller, post_start, &call->c);
        for (int k = 0; k < i / 2 && !call->done; k++)
            (void)sim_step(r->sim);
        if (!call->done && call->c.priv)
            inproc_cancel(r->as, &call->c);
        sim_run_for(r->sim, 10);
        if (!call->done) {
            inproc_cancel(r->as, &call->c);
            sim_run_for(r->sim, 10);
        }
        (void)object_unref(call->c.object);
        end(call);
    }
}

static void test_cancel_while_waiting(void **state)
{
    struct call *call = new_call(VERB_LIST, NULL);

    (void)state;
    call->c.revision = 99;
    start(call);
    assert_false(call->done);
    loop_post(caller, post_cancel, &call->c);
    sim_run_for(r->sim, 10);
    assert_int_equal(call->c.code, ERR_CANCELED);
    end(call);
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

static void test_server_stops(void **state)
{
    struct call *watch = new_call(VERB_WATCH, NULL), *late = new_call(VERB_GET, "a");
    bool stopped = false;

    (void)state;
    start(watch);
    apiserver_stop(r->as, on_stopped, &stopped);
    start(late);
    sim_run_for(r->sim, 1000);
    assert_true(stopped);
    assert_int_equal(watch->c.code, ERR_UNAVAILABLE);
    assert_int_equal(late->c.code, ERR_UNAVAILABLE);
    end(watch);
    end(late);
    r->as = apiserver_free(r->as);
    r->store = store_close(r->store);
    r->sim = sim_free(r->sim);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_from_revision, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batches_wait_for_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_crosses_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_while_waiting, setup, teardown),
        cmocka_unit_test_setup(test_server_stops, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
