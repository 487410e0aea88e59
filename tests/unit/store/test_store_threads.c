/* Tests of the store under many threads: writers that compete, watchers and lists beside them. */
#include "base/queue.h"
#include "stores.h"

enum { WRITERS = 4, INCREMENTS = 150, COUNTERS = 3, WATCHERS = 3, LISTERS = 2 };

struct world {
    struct store *st;
    atomic_int writing; /* writers at work */
    int64_t last;       /* revision after the last write */
    atomic_int conflicts;
};
struct actor {
    struct world *world;
    struct thread *thread;
    struct loop *loop;
    int id, n;
    struct watch_cursor w;
    int64_t seen, until;
};

/* Adds one to a counter, again and again until nobody came in between. Returns the revision. */
static int64_t increment(struct actor *a, const char *name)
{
    for (;;) {
        struct object *o = find(a->world->st, name);
        char value[16];
        int64_t r;

        (void)snprintf(value, sizeof(value), "%d", atoi(value_of(o)) + 1);
        r = put_if(a->world->st, a->loop, name, value, o->revision);
        object_unref(o);
        if (r > 0)
            return r;
        assert_int_equal(r, ERR_CONFLICT);
        atomic_fetch_add(&a->world->conflicts, 1);
    }
}

static void writer_main(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < INCREMENTS; i++) {
        char name[8];
        int64_t r;

        (void)snprintf(name, sizeof(name), "c%d", (a->id + i) % COUNTERS);
        r = increment(a, name);
        assert_true(r > a->seen); /* own writes come in order */
        a->seen = r;
        if (i % 7 == 0)
            assert_true(put_lazy(a->world->st, a->loop, "beat", "1") > 0);
    }
    atomic_fetch_sub(&a->world->writing, 1);
}

static void watcher_check(void *arg)
{
    struct actor *a = arg;
    struct cache *c = store_cache(a->world->st, CONFIGMAPS);
    struct event ev;
    struct err err = {0};
    int r;

    while ((r = watch_next(c, &a->w, &ev, &err)) == 1) {
        assert_int_equal(ev.revision, a->seen + 1); /* every write is one event here */
        assert_int_equal(ev.object->revision, ev.revision);
        assert_true(!ev.prev || ev.prev->revision < ev.revision);
        assert_true(store_revision(a->world->st) >= ev.revision);
        a->seen = ev.revision;
        a->n++;
    }
    assert_int_equal(r, 0);
    if (a->until && a->seen >= a->until)
        loop_stop(a->loop);
}

static void watcher_main(void *arg)
{
    loop_run(((struct actor *)arg)->loop);
}

/* Looks without pause, to come between any two steps of a publication. */
static void poller_main(void *arg)
{
    struct actor *a = arg;
    struct err err = {0};

    assert_ok(watch_open(store_cache(a->world->st, CONFIGMAPS), a->seen, &a->w, &err), &err);
    while (atomic_load(&a->world->writing))
        watcher_check(a);
    watcher_check(a);
    assert_int_equal(a->seen, store_revision(a->world->st));
    watch_close(&a->w);
}

static void omap_apply(struct omap *m, const struct event *ev)
{
    if (ev->type == EVENT_DELETED)
        (void)omap_remove(m, ev->object->key);
    else
        (void)omap_put(m, ev->object);
}

/* A list, then a watch from there, gives what a later list shows. */
static void list_and_watch(struct cache *c)
{
    struct snapshot *s = cache_snapshot(c), *at;
    struct omap mine = omap_snapshot(&s->objects);
    struct watch_cursor w;
    struct event ev;
    struct err err = {0};
    auto_buf want = {0}, got = {0};
    int r = 0;

    assert_ok(watch_open(c, s->revision, &w, &err), &err);
    for (int i = 0; i < 20; i++) {
        while ((r = watch_next(c, &w, &ev, &err)) == 1)
            omap_apply(&mine, &ev);
        assert_int_equal(r, 0);
        (void)usleep(500);
    }
    while ((r = watch_next(c, &w, &ev, &err)) == 1)
        omap_apply(&mine, &ev);
    assert_ok(cache_snapshot_at(c, w.revision, &at, &err), &err);
    print_objects(at, &want);
    snapshot_unref(at);
    print_objects(&(struct snapshot){.objects = mine}, &got);
    assert_string_equal(buf_cstr(&got), buf_cstr(&want));
    watch_close(&w);
    omap_deinit(&mine);
    snapshot_unref(s);
}

static void lister_main(void *arg)
{
    struct actor *a = arg;

    while (atomic_load(&a->world->writing))
        list_and_watch(store_cache(a->world->st, CONFIGMAPS));
}

static void wake_watcher(void *arg)
{
    struct actor *a = arg;

    a->until = a->world->last;
    watcher_check(a);
}

static void actors_start(struct actor *a, int n, struct world *w, void (*fn)(void *arg))
{
    for (int i = 0; i < n; i++) {
        a[i] = (struct actor){.world = w, .id = i, .loop = loop_new("actor")};
        loop_hold(a[i].loop, true);
        a[i].seen = store_revision(w->st);
        a[i].thread = thread_start("actor", fn, &a[i]);
    }
}

static void actors_join(struct actor *a, int n)
{
    for (int i = 0; i < n; i++) {
        a[i].thread = thread_join(a[i].thread);
        a[i].loop = loop_free(a[i].loop);
    }
}

static void check_sum(struct store *st)
{
    int sum = 0;

    for (int i = 0; i < COUNTERS; i++) {
        char name[8];
        struct object *o;

        (void)snprintf(name, sizeof(name), "c%d", i);
        o = find(st, name);
        sum += atoi(value_of(o));
        object_unref(o);
    }
    assert_int_equal(sum, WRITERS * INCREMENTS);
}

static void compete(bool lmdb)
{
    struct fixture f;
    struct world w = {0};
    struct actor writers[WRITERS], watchers[WATCHERS], listers[LISTERS], poller[1];
    struct subscription *subs[WATCHERS];
    struct store_stats stats;
    int64_t first;

    fixture_init(&f, lmdb, NULL);
    w.st = f.st;
    for (int i = 0; i < COUNTERS; i++)
        put(f.st, f.loop, (const char *[]){"c0", "c1", "c2"}[i], "0");
    first = store_revision(f.st);
    atomic_init(&w.writing, WRITERS);
    for (int i = 0; i < WATCHERS; i++) {
        struct err err = {0};

        watchers[i] = (struct actor){.world = &w, .loop = loop_new("watcher"), .seen = first};
        loop_hold(watchers[i].loop, true);
        assert_ok(watch_open(store_cache(f.st, CONFIGMAPS), first, &watchers[i].w, &err), &err);
        subs[i] = cache_subscribe(store_cache(f.st, CONFIGMAPS), watchers[i].loop, watcher_check,
                                  &watchers[i]);
        watchers[i].thread = thread_start("watcher", watcher_main, &watchers[i]);
    }
    actors_start(poller, 1, &w, poller_main);
    actors_start(writers, WRITERS, &w, writer_main);
    actors_start(listers, LISTERS, &w, lister_main);
    actors_join(writers, WRITERS);
    actors_join(poller, 1);
    actors_join(listers, LISTERS);
    w.last = store_revision(f.st);
    for (int i = 0; i < WATCHERS; i++) {
        loop_post(watchers[i].loop, wake_watcher, &watchers[i]);
        watchers[i].thread = thread_join(watchers[i].thread);
        subs[i] = subscription_free(subs[i]);
        assert_int_equal(watchers[i].n, w.last - first);
        watch_close(&watchers[i].w);
    }
    store_stats(f.st, &stats);
    assert_int_equal(stats.txns, w.last - 1);
    check_sum(f.st);
    f.st = store_close(f.st);
    for (int i = 0; i < WATCHERS; i++)
        loop_free(watchers[i].loop);
    if (lmdb) {
        fixture_open(&f, NULL);
        assert_int_equal(store_revision(f.st), w.last);
        check_sum(f.st);
    }
    fixture_deinit(&f);
}

static void test_competing_writers_lose_nothing_on_disk(void **state)
{
    (void)state;
    compete(true);
}

static void test_competing_writers_lose_nothing_in_memory(void **state)
{
    (void)state;
    compete(false);
}

struct flood {
    int left;
    struct loop *loop;
};

static void flood_done(struct store_txn *txn)
{
    struct flood *fl = txn->arg;

    assert_int_equal(txn->code, 0);
    if (--fl->left == 0)
        loop_stop(fl->loop);
}

/* What waits while a commit runs goes into the next one together. */
static void test_waiting_transactions_share_commits(void **state)
{
    enum { N = 500 };
    struct fixture f;
    struct one *o = xcalloc(N, sizeof(*o));
    struct flood fl = {.left = N};
    struct store_stats s;

    (void)state;
    fixture_init(&f, true, NULL);
    fl.loop = f.loop;
    for (int i = 0; i < N; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "n%03d", i);
        one_init(&o[i], STORE_PUT, CONFIGMAPS, name, "1", STORE_ABSENT);
    }
    for (int i = 0; i < N; i++) {
        o[i].txn.ops = &o[i].op;
        o[i].txn.loop = f.loop;
        o[i].txn.on_done = flood_done;
        o[i].txn.arg = &fl;
        store_commit(f.st, &o[i].txn);
    }
    loop_run(f.loop);
    store_stats(f.st, &s);
    assert_int_equal(s.txns, N);
    assert_true(s.commits < N / 4);
    free(o);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_competing_writers_lose_nothing_on_disk),
        cmocka_unit_test(test_competing_writers_lose_nothing_in_memory),
        cmocka_unit_test(test_waiting_transactions_share_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
