/* Calls between real threads: each caller watches and reads while the store is written to. */
#include "apiserver/inproc.h"
#include "apiserver/watcher.h"
#include "base/queue.h"
#include "read_rig.h"
#include "schema/typed.h"

enum { CALLERS = 3, PUTS = 400, LISTS = 200 };

static struct apiserver *as;
static struct loop *api_loop;

struct caller {
    struct loop *loop;
    struct thread *thread;
    struct inproc_call watch, list;
    unsigned seen, lists;
    bool canceled, watch_done;
    int watch_code;
};

static void maybe_stop(struct caller *c)
{
    if (c->seen >= PUTS && c->lists == LISTS && !c->canceled) {
        c->canceled = true;
        inproc_cancel(as, &c->watch);
    }
    if (c->watch_done && c->lists == LISTS)
        loop_stop(c->loop);
}

static void on_events(struct inproc_call *call, struct inproc_event *events, size_t n)
{
    struct caller *c = call->arg;

    for (size_t i = 0; i < n; i++) {
        if (events[i].type == INPROC_ADDED) {
            const struct core_config_map *cm = OBJECT_AS(core_config_map, events[i].object);

            assert_str_equal(cm->metadata.namespace, "n"); /* decoded by one of the threads */
            c->seen++;
        }
        (void)object_unref(events[i].object);
    }
    maybe_stop(c);
}

static void on_watch_done(struct inproc_call *call)
{
    struct caller *c = call->arg;

    c->watch_code = call->code;
    c->watch_done = true;
    maybe_stop(c);
}

static void on_list_done(struct inproc_call *call)
{
    struct caller *c = call->arg;

    assert_int_equal(call->code, 0);
    for (size_t i = 0; i < call->n_objects; i++)
        (void)object_unref(call->objects[i]);
    free(call->objects);
    if (++c->lists < LISTS)
        inproc_start(as, call);
    else
        maybe_stop(c);
}

static struct inproc_call call_of(struct caller *c, enum verb verb)
{
    return (struct inproc_call){.verb = verb,
                                .res = &res_core_configmaps,
                                .sub = "",
                                .user = STR("system:tester"),
                                .revision = -1,
                                .grace_sec = -1,
                                .loop = c->loop,
                                .on_events = on_events,
                                .arg = c};
}

static void begin(void *arg)
{
    struct caller *c = arg;

    c->watch = call_of(c, VERB_WATCH);
    c->watch.send_initial_events = true;
    c->watch.on_done = on_watch_done;
    inproc_start(as, &c->watch);
    c->list = call_of(c, VERB_LIST);
    c->list.field_selector = STR("metadata.name=cm-1");
    c->list.ns = STR("n");
    c->list.on_done = on_list_done;
    inproc_start(as, &c->list);
}

static void run_loop(void *arg)
{
    loop_run(arg);
}

struct put {
    struct store_txn txn;
    struct store_op op;
};

static void on_put(struct store_txn *txn)
{
    assert_int_equal(txn->code, 0);
    (void)object_unref(txn->current);
    free(container_of(txn, struct put, txn));
}

static void put(struct store *st, int i)
{
    struct put *p = xnew(struct put);
    auto_arena a = {0};
    struct err err = {0};
    void *obj;

    assert_ok(typed_from_json(&type_core_config_map,
                              str_printf(&a, "{\"metadata\":{\"name\":\"cm-%d\",\"namespace\":\""
                                        "n\"}}", i),
                              &a, &obj, &err),
              &err);
    p->op = (struct store_op){.kind = STORE_PUT,
                              .res = &res_core_configmaps,
                              .object = object_new(&res_core_configmaps, obj),
                              .expect_revision = STORE_ABSENT};
    p->txn = (struct store_txn){
        .ops = &p->op, .n = 1, .loop = api_loop, .on_done = on_put};
    store_commit(st, &p->txn);
}

static void on_stopped(void *arg)
{
    loop_stop(arg);
}

static void stop_server(void *arg)
{
    (void)arg;
    apiserver_stop(as, on_stopped, api_loop);
}

static void test_threads(void **state)
{
    struct store_opts so = {.engine = engine_memory_new()};
    struct apiserver_opts ao = {.advertise_address = "10.0.0.1", .secure_port = 6443};
    struct caller callers[CALLERS] = {{0}};
    struct thread *api;
    struct store *st;
    struct err err = {0};

    (void)state;
    assert_ok(store_open(&so, api_resources, api_n_resources, &st, &err), &err);
    api_loop = loop_new("api");
    loop_hold(api_loop, true);
    ao.store = st;
    ao.loop = api_loop;
    assert_ok(apiserver_new(&ao, &as, &err), &err);
    api = thread_start("api", run_loop, api_loop);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].loop = loop_new("caller");
        loop_hold(callers[i].loop, true);
        loop_post(callers[i].loop, begin, &callers[i]);
        callers[i].thread = thread_start("caller", run_loop, callers[i].loop);
    }
    for (int i = 0; i < PUTS; i++)
        put(st, i);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].thread = thread_join(callers[i].thread);
        assert_int_equal(callers[i].seen, PUTS); /* each once */
        assert_int_equal(callers[i].watch_code, ERR_CANCELED);
    }
    loop_post(api_loop, stop_server, NULL);
    api = thread_join(api);
    as = apiserver_free(as);
    st = store_close(st);
    for (size_t i = 0; i < CALLERS; i++)
        callers[i].loop = loop_free(callers[i].loop);
    api_loop = loop_free(api_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
