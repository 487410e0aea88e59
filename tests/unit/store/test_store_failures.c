/* Tests of the store on a disk that fails: what is told, what is kept, what goes on. */
#include "stores.h"

/* A store whose engine fails on demand; the place keeps the engine. */
static void faulty_fixture(struct fixture *f, struct faulty *faulty, struct engine_ops *ops,
                           const struct store_opts *opts)
{
    *f = (struct fixture){0};
    place_init(&f->place, true);
    place_open(&f->place);
    faulty_init(faulty, ops, f->place.e);
    f->loop = loop_new("test");
    loop_hold(f->loop, true);
    f->st = store_on(&faulty->base, opts);
}

static void keep_told(void *arg, bool good, const char *text)
{
    buf_printf(arg, "%s %s\n", good ? "+" : "-", text);
}

struct ticks { /* a clock that the test moves */
    struct clock base;
    atomic_uint_fast64_t ms;
};

static uint64_t ticks_mono(const struct clock *c)
{
    return atomic_load(&((const struct ticks *)(const void *)c)->ms) * 1000000;
}

/* Once when it begins, and once when it has ended. */
static void test_trouble_is_told_once(void **state)
{
    struct fixture f;
    struct engine_ops ops;
    struct faulty faulty;
    struct buf told = {0};
    struct ticks clock = {.base.mono_ns = ticks_mono};
    struct store_opts opts = {.tell = keep_told, .tell_arg = &told, .clock = &clock.base};
    struct store_stats s;

    (void)state;
    faulty_fixture(&f, &faulty, &ops, &opts);
    assert_int_equal(put(f.st, f.loop, "a", "1"), 2);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++) { /* in between, something works */
            atomic_store(&faulty.fail_commits, 1);
            assert_int_equal(put(f.st, f.loop, "a", "2"), ERR_IO);
            assert_true(put(f.st, f.loop, "a", "2") > 2);
        }
        atomic_fetch_add(&clock.ms, 1000);
        assert_true(put(f.st, f.loop, "a", "2") > 2);
        atomic_store(&faulty.trouble, 1); /* behind commits that work */
        assert_true(put(f.st, f.loop, "a", "2") > 2);
        atomic_store(&faulty.trouble, 0);
        atomic_fetch_add(&clock.ms, 1000);
        assert_true(put(f.st, f.loop, "a", "2") > 2);
    }
    store_stats(f.st, &s);
    assert_int_equal(s.failed_commits, 6);
    assert_int_equal(s.commits, 13);
    fixture_deinit(&f);
    assert_string_equal(buf_cstr(&told), "- writing to disk fails: input/output error\n"
                                         "+ writing to disk works again\n"
                                         "- writing to disk fails: no checkpoint\n"
                                         "+ writing to disk works again\n"
                                         "- writing to disk fails: input/output error\n"
                                         "+ writing to disk works again\n"
                                         "- writing to disk fails: no checkpoint\n"
                                         "+ writing to disk works again\n");
    buf_deinit(&told);
}

static void test_failed_commit_changes_nothing_and_is_told(void **state)
{
    struct fixture f;
    struct engine_ops ops;
    struct faulty faulty;
    struct watch_cursor w;
    struct event ev;
    struct one o;
    struct err err = {0};
    struct cache *c;

    (void)state;
    faulty_fixture(&f, &faulty, &ops, NULL);
    c = store_cache(f.st, CONFIGMAPS);
    assert_int_equal(put(f.st, f.loop, "a", "1"), 2);
    assert_ok(watch_open(c, 2, &w, &err), &err);
    for (int i = 0; i < 6; i++) {
        atomic_int *which = i % 2 ? &faulty.fail_puts : &faulty.fail_commits;

        atomic_store(which, 1);
        one_init(&o, i < 4 ? STORE_PUT : STORE_DELETE, CONFIGMAPS, "a", "2", STORE_ANY);
        assert_int_equal(one_run(&o, f.st, f.loop), ERR_IO);
        assert_non_null(strstr(o.txn.err.msg, i % 2 ? "no space left" : "input/output error"));
        assert_null(o.txn.removed);
        assert_int_equal(o.txn.revision, 0);
        assert_int_equal(store_revision(f.st), 2);
        assert_int_equal(watch_next(c, &w, &ev, &err), 0);
    }
    assert_int_equal(put_if(f.st, f.loop, "a", "3", 2), 3);
    assert_int_equal(watch_next(c, &w, &ev, &err), 1);
    assert_string_equal(value_of(ev.prev), "1");
    watch_close(&w);
    f.st = store_close(f.st);
    assert_int_equal(current_of(f.place.e), 3);
    fixture_deinit(&f);
}

/* All that shared the commit are told, whatever they wanted. */
static void test_failed_commit_fails_the_whole_batch(void **state)
{
    enum { N = 200 };
    struct fixture f;
    struct engine_ops ops;
    struct faulty faulty;
    struct one *o = xcalloc(N, sizeof(*o));
    int failed = 0, done = 0, conflicts = 0;

    (void)state;
    faulty_fixture(&f, &faulty, &ops, NULL);
    atomic_store(&faulty.fail_puts, 3);
    for (int i = 0; i < N; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "n%d", i / 2);
        one_init(&o[i], STORE_PUT, CONFIGMAPS, name, "1", STORE_ABSENT);
        o[i].txn.ops = &o[i].op;
        o[i].txn.loop = f.loop;
        o[i].txn.arg = &o[i];
        store_commit(f.st, &o[i].txn);
    }
    for (int i = 0; i < N; i++) {
        while (!o[i].done)
            loop_run(f.loop);
        failed += o[i].txn.code == ERR_IO;
        done += o[i].txn.code == 0;
        conflicts += o[i].txn.code == ERR_EXISTS;
        one_deinit(&o[i]);
    }
    assert_int_equal(failed + done + conflicts, N);
    assert_true(failed >= 3);
    assert_int_equal(store_revision(f.st), 1 + done);
    free(o);
    fixture_deinit(&f);
}

static void test_close_on_a_failing_disk_ends(void **state)
{
    struct fixture f;
    struct engine_ops ops;
    struct faulty faulty;
    struct store_opts opts = {.lazy_max_ms = 3600000};

    (void)state;
    faulty_fixture(&f, &faulty, &ops, &opts);
    assert_int_equal(put_lazy(f.st, f.loop, "beat", "1"), 2);
    atomic_store(&faulty.fail_commits, 1000);
    fixture_deinit(&f);
}

static void test_lazy_writes_survive_failed_commits(void **state)
{
    struct fixture f;
    struct engine_ops ops;
    struct faulty faulty;
    struct store_opts opts = {.lazy_max_ms = 3600000};
    struct engine_kv kv;
    struct object *o;
    struct err err = {0};

    (void)state;
    faulty_fixture(&f, &faulty, &ops, &opts);
    assert_int_equal(put_lazy(f.st, f.loop, "beat", "1"), 2);
    atomic_store(&faulty.fail_commits, 2);
    assert_int_equal(put(f.st, f.loop, "a", "1"), ERR_IO);
    assert_int_equal(put(f.st, f.loop, "a", "1"), ERR_IO);
    o = find(f.st, "beat");
    assert_int_equal(o->revision, 2);
    object_unref(o);
    assert_int_equal(put_lazy(f.st, f.loop, "beat", "2"), 4); /* 3 may be on disk */
    assert_int_equal(put(f.st, f.loop, "a", "1"), 5);
    assert_ok(f.place.e->ops->get(f.place.e, STR("/registry/configmaps/n/beat"), &kv, &err), &err);
    assert_int_equal(kv.mod_revision, 4);
    assert_int_equal(kv.version, 2);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trouble_is_told_once),
        cmocka_unit_test(test_failed_commit_changes_nothing_and_is_told),
        cmocka_unit_test(test_failed_commit_fails_the_whole_batch),
        cmocka_unit_test(test_close_on_a_failing_disk_ends),
        cmocka_unit_test(test_lazy_writes_survive_failed_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
