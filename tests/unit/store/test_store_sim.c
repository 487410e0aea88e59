/* The store on a simulated loop: clients, a watcher and failing commits under virtual time; the
 * same seed gives the same run. */
#include "stores.h"

enum { CLIENTS = 3, GOAL = 60, KEYS = 4 };

struct run;
struct client {
    struct run *run;
    struct loop *loop;
    struct timer timer;
    struct one one;
    int left;
    char name[8];
};
struct run {
    struct sim *sim;
    struct random_seeded random;
    struct faulty faulty;
    struct engine_ops ops;
    struct place place;
    struct store *st;
    struct loop *store_loop;
    struct client clients[CLIENTS];
    struct loop *watcher;
    struct watch_cursor w;
    struct omap mine; /* what the watcher knows */
    int64_t acked;    /* increments acknowledged */
    int64_t failed;   /* and those that were told to have failed */
    uint64_t trace;
};

static void trace(struct run *r, const char *what, int64_t a, int64_t b)
{
    char text[96];
    int n = snprintf(text, sizeof(text), "%llu %s %lld %lld %llu", (unsigned long long)r->trace,
                     what, (long long)a, (long long)b,
                     (unsigned long long)loop_now_ms(r->watcher));

    r->trace = str_hash((struct str){text, (size_t)n});
}

static void client_try(struct client *c);

static void client_done(struct store_txn *txn)
{
    struct client *c = txn->arg;

    trace(c->run, "done", txn->code, txn->revision);
    if (txn->code == 0) {
        c->run->acked++;
        c->left--;
    } else if (txn->code == ERR_IO) {
        c->run->failed++;
        assert_int_equal(txn->revision, 0);
    } else {
        assert_int_equal(txn->code, ERR_CONFLICT);
        assert_non_null(txn->current);
    }
    one_deinit(&c->one);
    if (c->left)
        timer_start(&c->timer, random_below(loop_random(c->loop), 20), 0);
}

static void client_try(struct client *c)
{
    struct object *o = find(c->run->st, c->name);
    char value[24];

    (void)snprintf(value, sizeof(value), "%d", o ? atoi(value_of(o)) + 1 : 1);
    one_init(&c->one, STORE_PUT, CONFIGMAPS, c->name, value, o ? o->revision : STORE_ABSENT);
    object_unref(o);
    c->one.txn.ops = &c->one.op;
    c->one.txn.loop = c->loop;
    c->one.txn.on_done = client_done;
    c->one.txn.arg = c;
    if (random_below(&c->run->random.base, 8) == 0)
        atomic_store(&c->run->faulty.fail_commits, 1 + (int)random_below(&c->run->random.base, 3));
    store_commit(c->run->st, &c->one.txn);
}

static void on_client_timer(struct timer *t)
{
    struct client *c = container_of(t, struct client, timer);

    (void)snprintf(c->name, sizeof(c->name), "k%d",
                   (int)random_below(&c->run->random.base, KEYS) * CLIENTS +
                       (int)(c - c->run->clients));
    client_try(c);
}

static void on_grown(void *arg)
{
    struct run *r = arg;
    struct event ev;
    struct err err = {0};
    int got;

    while ((got = watch_next(store_cache(r->st, CONFIGMAPS), &r->w, &ev, &err)) == 1) {
        trace(r, "event", ev.revision, ev.type);
        (void)omap_put(&r->mine, ev.object);
    }
    assert_int_equal(got, 0);
}

static int64_t sum_of(const struct omap *objects)
{
    struct omap_iter it;
    struct object *o;
    int64_t sum = 0;

    omap_seek(objects, STR_NULL, &it);
    while ((o = omap_next(&it)))
        sum += atoi(value_of(o));
    return sum;
}

static void check_end(struct run *r)
{
    struct snapshot *s = cache_snapshot(store_cache(r->st, CONFIGMAPS));
    auto_buf want = {0}, got = {0};

    assert_int_equal(r->acked, CLIENTS * GOAL);
    assert_true(r->failed > 0);
    assert_int_equal(store_revision(r->st), 1 + r->acked);
    assert_int_equal(sum_of(&s->objects), r->acked);
    print_objects(s, &want);
    print_objects(&(struct snapshot){.objects = r->mine}, &got);
    assert_string_equal(buf_cstr(&got), buf_cstr(&want));
    snapshot_unref(s);
}

static uint64_t run_seed(uint64_t seed)
{
    struct run r = {.sim = sim_new(seed)};
    struct store_opts opts = {.history_ms = 3600000};
    struct subscription *sub;
    struct err err = {0};

    random_seeded_init(&r.random, seed + 1000);
    place_init(&r.place, false);
    place_open(&r.place);
    faulty_init(&r.faulty, &r.ops, r.place.e);
    r.store_loop = sim_loop(r.sim, "store");
    r.watcher = sim_loop(r.sim, "watcher");
    opts.loop = r.store_loop;
    r.st = store_on(&r.faulty.base, &opts);
    omap_init(&r.mine, &object_omap_ops);
    assert_ok(watch_open(store_cache(r.st, CONFIGMAPS), 1, &r.w, &err), &err);
    sub = cache_subscribe(store_cache(r.st, CONFIGMAPS), r.watcher, on_grown, &r);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &r.clients[i];

        c->run = &r;
        c->left = GOAL;
        c->loop = sim_loop(r.sim, "client");
        timer_init(&c->timer, c->loop, on_client_timer);
        timer_start(&c->timer, 1, 0);
    }
    sim_run_for(r.sim, 60000);
    check_end(&r);
    watch_close(&r.w);
    sub = subscription_free(sub);
    r.st = store_close(r.st);
    omap_deinit(&r.mine);
    r.sim = sim_free(r.sim);
    place_deinit(&r.place);
    return r.trace;
}

static void test_seeds_run_and_replay(void **state)
{
    uint64_t first = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t t = run_seed(seed);

        assert_true(t == run_seed(seed));
        assert_true(t != first);
        first = t;
    }
}

struct late {
    struct store *st;
    int done;
};

static void late_done(struct store_txn *txn)
{
    ((struct late *)txn->arg)->done = txn->code ? -1 : 1;
}

/* Closing commits what waits, wherever it is just then. */
static void test_close_answers_what_is_under_way(void **state)
{
    (void)state;
    for (int steps = 0; steps < 6; steps++) {
        struct sim *sim = sim_new(9);
        struct loop *loop = sim_loop(sim, "store");
        struct store_opts opts = {.loop = loop};
        struct late late = {0};
        struct one o;

        late.st = store_on(engine_memory_new(), &opts);
        one_init(&o, STORE_PUT, CONFIGMAPS, "a", "1", STORE_ANY);
        o.txn.ops = &o.op;
        o.txn.loop = loop;
        o.txn.on_done = late_done;
        o.txn.arg = &late;
        store_commit(late.st, &o.txn);
        for (int i = 0; i < steps; i++)
            (void)sim_step(sim);
        late.st = store_close(late.st);
        sim_run_for(sim, 100);
        assert_int_equal(late.done, 1);
        sim_free(sim);
    }
}

/* Nothing to do: no timer, no turn. */
static void test_idle_store_sleeps(void **state)
{
    struct sim *sim = sim_new(3);
    struct loop *loop = sim_loop(sim, "store");
    struct store_opts opts = {.loop = loop, .history_ms = 1000};
    struct store *st = store_on(engine_memory_new(), &opts);
    struct store_stats s;
    int steps = 0;

    (void)state;
    assert_true(put_lazy(st, loop, "a", "1") == 2);
    while (sim_step(sim)) /* the lazy commit, trimming, compaction; then it ends */
        assert_true(++steps < 100);
    store_stats(st, &s);
    assert_int_equal(s.commits, 1);
    assert_int_equal(s.compacted, 2);
    st = store_close(st);
    sim_run_for(sim, 10);
    sim_free(sim);
}

struct resting { /* an engine that counts its rests */
    struct faulty faulty;
    int between, idle;
};

static void count_rest(struct engine *e, uint64_t now_ms, bool idle)
{
    struct resting *r = container_of(faulty_of(e), struct resting, faulty);

    assert_true(now_ms > 0);
    r->between += !idle;
    r->idle += idle;
}

/* The engine rests between batches, and once, idle, a second after the last write. */
static void test_engine_rests(void **state)
{
    struct sim *sim = sim_new(4);
    struct loop *loop = sim_loop(sim, "store");
    struct store_opts opts = {.loop = loop, .history_ms = UINT32_MAX};
    struct resting r = {0};
    struct engine *memory = engine_memory_new();
    struct engine_ops ops;
    struct store *st;

    (void)state;
    faulty_init(&r.faulty, &ops, memory);
    ops.rest = count_rest;
    st = store_on(&r.faulty.base, &opts);
    sim_run_for(sim, 10000);
    assert_int_equal(r.idle, 1); /* after the open */
    r.idle = 0;
    for (int i = 0; i < 3; i++) {
        int between = r.between;

        assert_true(put(st, loop, "a", "1") > 0);
        sim_run_for(sim, 900);
        assert_true(r.between > between);
        assert_int_equal(r.idle, 0);
    }
    sim_run_for(sim, 200);
    assert_int_equal(r.idle, 1);
    sim_run_for(sim, 10000);
    assert_int_equal(r.idle, 1);
    st = store_close(st);
    memory->ops->close(memory);
    sim_run_for(sim, 10);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_run_and_replay),
        cmocka_unit_test(test_close_answers_what_is_under_way),
        cmocka_unit_test(test_idle_store_sleeps),
        cmocka_unit_test(test_engine_rests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
