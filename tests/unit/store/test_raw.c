/* Raw transactions: on both engines, beside transactions on objects, and on a simulated loop. */
#include "store/raw.h"
#include "stores.h"

struct act { /* what a raw transaction is told to do, and what it saw */
    struct raw_txn txn;
    int (*fn)(struct raw *raw, struct act *a, struct err *err);
    const char *key, *value;
    int64_t from, lease;
    size_t bytes;
    struct buf out;
    bool done;
};

static int act_run(struct raw *raw, void *arg, struct err *err)
{
    struct act *a = arg;

    return a->fn(raw, a, err);
}

static void act_done(struct raw_txn *txn)
{
    ((struct act *)txn->arg)->done = true;
    loop_stop(txn->loop);
}

static void act_start(struct act *a, struct store *st, struct loop *loop)
{
    a->txn = (struct raw_txn){
        .run = act_run, .loop = loop, .on_done = act_done, .arg = a, .bytes = a->bytes};
    raw_commit(st, &a->txn);
}

static int act_on(struct act *a, struct store *st, struct loop *loop)
{
    act_start(a, st, loop);
    while (!a->done)
        loop_run(loop);
    return a->txn.code;
}

static int kv_print(void *arg, const struct raw_kv *kv)
{
    if (kv->deleted)
        buf_printf(arg, "%.*s-@%lld ", STR_ARG(kv->key), (long long)kv->mod_revision);
    else
        buf_printf(arg, "%.*s=%.*s@%lld/%lld/%lld", STR_ARG(kv->key), STR_ARG(kv->value),
                   (long long)kv->mod_revision, (long long)kv->create_revision,
                   (long long)kv->version);
    if (kv->lease)
        buf_printf(arg, "+%lld", (long long)kv->lease);
    if (!kv->deleted)
        buf_putc(arg, ' ');
    return 0;
}

static int do_put(struct raw *raw, struct act *a, struct err *err)
{
    int r = raw_may_put(raw, str_from(a->key), str_from(a->value), err);

    return r < 0 ? r : raw_put(raw, str_from(a->key), str_from(a->value), a->lease, err);
}

static int do_delete(struct raw *raw, struct act *a, struct err *err)
{
    return raw_delete(raw, str_from(a->key), err);
}

static int do_range(struct raw *raw, struct act *a, struct err *err)
{
    return raw_range(raw, STR("/"), STR_NULL, a->from, kv_print, &a->out, err);
}

static int do_changes(struct raw *raw, struct act *a, struct err *err)
{
    return raw_changes(raw, a->from, INT64_MAX, kv_print, &a->out, err);
}

static int do_compact(struct raw *raw, struct act *a, struct err *err)
{
    return raw_compact(raw, a->from, err);
}

/* The revision of a successful write, or the code. */
static int64_t raw_put_now(struct fixture *f, const char *key, const char *value, int64_t lease)
{
    struct act a = {.fn = do_put, .key = key, .value = value, .lease = lease};
    int r = act_on(&a, f->st, f->loop);

    return r < 0 ? r : a.txn.revision;
}

static int64_t raw_delete_now(struct fixture *f, const char *key)
{
    struct act a = {.fn = do_delete, .key = key};
    int r = act_on(&a, f->st, f->loop);

    return r < 0 ? r : a.txn.revision;
}

static void check_print(struct fixture *f, int (*fn)(struct raw *, struct act *, struct err *),
                        int64_t from, const char *want)
{
    struct act a = {.fn = fn, .from = from};

    assert_ok(act_on(&a, f->st, f->loop), a.txn.err);
    assert_string_equal(buf_cstr(&a.out), want);
    buf_deinit(&a.out);
}

static int code_of(struct fixture *f, int (*fn)(struct raw *, struct act *, struct err *),
                   int64_t from)
{
    struct act a = {.fn = fn, .from = from};
    int r = act_on(&a, f->st, f->loop);

    buf_deinit(&a.out);
    return r;
}

static void on_both(void (*test)(struct fixture *f))
{
    for (int lmdb = 0; lmdb < 2; lmdb++) {
        struct store_opts opts = {.history_ms = UINT32_MAX, .lazy_max_ms = 3600000};
        struct fixture f;

        fixture_init(&f, lmdb, &opts);
        test(&f);
        fixture_deinit(&f);
    }
}

static void meaning(struct fixture *f)
{
    assert_int_equal(raw_put_now(f, "/a", "1", 0), 2);
    assert_int_equal(raw_put_now(f, "/b", "1", 77), 3);
    assert_int_equal(raw_put_now(f, "/a", "2", 0), 4);
    assert_int_equal(raw_delete_now(f, "/b"), 5);
    assert_int_equal(raw_delete_now(f, "/b"), ERR_NOT_FOUND);
    check_print(f, do_range, 0, "/a=2@4/2/2 ");
    check_print(f, do_range, 3, "/a=1@2/2/1 /b=1@3/3/1+77 ");
    check_print(f, do_changes, 1, "/a=1@2/2/1 /b=1@3/3/1+77 /a=2@4/2/2 /b-@5 ");
    assert_int_equal(code_of(f, do_range, 6), ERR_TIMEOUT);
    assert_int_equal(store_revision(f->st), 5);
}

static void test_writes_and_reads_mean_what_etcd_says(void **state)
{
    (void)state;
    on_both(meaning);
}

static int do_many(struct raw *raw, struct act *a, struct err *err)
{
    struct raw_kv kv;
    struct err inner = {0};

    assert_int_equal(raw_revision(raw), 2);
    assert_ok(raw_put(raw, STR("/x"), STR("1"), 0, err), err);
    assert_ok(raw_delete(raw, STR("/a"), err), err);
    assert_ok(raw_get(raw, STR("/x"), &kv, err), err); /* it sees its own */
    assert_int_equal(kv.mod_revision, 3);
    assert_int_equal(raw_get(raw, STR("/a"), &kv, &inner), ERR_NOT_FOUND);
    assert_int_equal(raw_put(raw, STR("/x"), STR("2"), 0, &inner), ERR_BAD_REQUEST);
    assert_int_equal(raw_put(raw, STR("/a"), STR("2"), 0, &inner), ERR_BAD_REQUEST);
    assert_int_equal(raw_delete(raw, STR("/x"), &inner), ERR_BAD_REQUEST);
    assert_ok(raw_note(raw, STR("n/1"), STR("kept"), err), err);
    return raw_range(raw, STR("/"), STR_NULL, 0, kv_print, &a->out, err);
}

static void many(struct fixture *f)
{
    struct act a = {.fn = do_many};

    assert_int_equal(raw_put_now(f, "/a", "1", 0), 2);
    assert_ok(act_on(&a, f->st, f->loop), a.txn.err);
    assert_int_equal(a.txn.revision, 3);
    assert_string_equal(buf_cstr(&a.out), "/x=1@3/3/1 ");
    buf_deinit(&a.out);
    check_print(f, do_changes, 3, "/x=1@3/3/1 /a-@3 ");
}

static void test_a_transaction_has_one_revision_and_writes_a_key_once(void **state)
{
    (void)state;
    on_both(many);
}

static void refusals(struct fixture *f)
{
    char key[ENGINE_KEY_MAX + 2] = {0};

    memset(key, 'k', ENGINE_KEY_MAX + 1);
    assert_int_equal(raw_put_now(f, key, "v", 0), ERR_TOO_LARGE);
    assert_int_equal(raw_put_now(f, "", "v", 0), ERR_TOO_LARGE);
    assert_int_equal(raw_put_now(f, "/registry/configmaps/n/c", "no object", 0), ERR_BAD_REQUEST);
    assert_int_equal(store_revision(f->st), 1);
    key[ENGINE_KEY_MAX] = '\0';
    assert_int_equal(raw_put_now(f, key, "v", 0), 2);
}

static void test_bad_writes_are_refused_before_anything_is_written(void **state)
{
    (void)state;
    on_both(refusals);
}

/* What is written raw under a resource's prefix is in its cache and journal, and the reverse. */
static int do_half(struct raw *raw, struct act *a, struct err *err)
{
    assert_ok(do_put(raw, a, err), err);
    return err_new(err, ERR_PARSE, "damaged entry of /b");
}

static void half(struct fixture *f)
{
    struct act a = {.fn = do_half, .key = "/a", .value = "2"};

    assert_int_equal(raw_put_now(f, "/a", "1", 0), 2);
    assert_int_equal(act_on(&a, f->st, f->loop), ERR_IO);
    assert_string_equal(a.txn.err->msg, "damaged entry of /b");
    assert_int_equal(store_revision(f->st), 2);
    check_print(f, do_range, 0, "/a=1@2/2/1 ");
    assert_int_equal(raw_put_now(f, "/a", "3", 0), 3);
    check_print(f, do_changes, 1, "/a=1@2/2/1 /a=3@3/2/2 ");
}

static void test_a_transaction_that_fails_half_way_leaves_nothing(void **state)
{
    (void)state;
    on_both(half);
}

static void objects(struct fixture *f)
{
    static const char json[] = "{\"metadata\":{\"name\":\"c\",\"namespace\":\"n\"},"
                               "\"data\":{\"v\":\"raw\"}}";
    struct cache *c = store_cache(f->st, CONFIGMAPS);
    struct watch_cursor w;
    struct event ev;
    struct object *o;
    struct err err = {0};

    assert_ok(watch_open(c, 1, &w, &err), &err);
    assert_int_equal(raw_put_now(f, "/registry/configmaps/n/c", json, 0), 2);
    o = find(f->st, "c");
    assert_non_null(o);
    assert_int_equal(o->revision, 2);
    object_unref(o);
    assert_int_equal(put_lazy(f->st, f->loop, "lazy", "x"), 3);
    assert_int_equal(raw_delete_now(f, "/registry/configmaps/n/lazy"), 4); /* though it waited */
    assert_int_equal(raw_delete_now(f, "/registry/configmaps/n/c"), 5);
    assert_null(find(f->st, "c"));
    for (int64_t revision = 2; revision <= 5; revision++) {
        assert_int_equal(watch_next(c, &w, &ev, &err), 1);
        assert_int_equal(ev.revision, revision);
        assert_int_equal(ev.type, revision <= 3 ? EVENT_ADDED : EVENT_DELETED);
    }
    watch_close(&w);
    assert_int_equal(put(f->st, f->loop, "d", "1"), 6);
    assert_int_equal(code_of(f, do_range, 0), 0);
    assert_int_equal(delete_if(f->st, f->loop, "d", 6), 7);
}

static void test_objects_and_bytes_are_one_store(void **state)
{
    (void)state;
    on_both(objects);
}

static void compaction(struct fixture *f)
{
    struct store_stats s;

    for (int i = 0; i < 8; i++)
        assert_int_equal(raw_put_now(f, "/a", "v", 0), 2 + i);
    assert_int_equal(code_of(f, do_compact, 10), ERR_TIMEOUT);
    assert_int_equal(code_of(f, do_compact, 7), 0);
    assert_int_equal(code_of(f, do_range, 6), ERR_EXPIRED); /* at once */
    assert_int_equal(code_of(f, do_changes, 6), ERR_EXPIRED);
    check_print(f, do_changes, 7, "/a=v@7/2/6 /a=v@8/2/7 /a=v@9/2/8 ");
    assert_int_equal(code_of(f, do_compact, 7), ERR_EXPIRED);
    do
        store_stats(f->st, &s);
    while (s.compacted != 7); /* in the background; the suite's timeout ends a hang */
}

static void test_compaction_holds_at_once(void **state)
{
    (void)state;
    on_both(compaction);
}

static int do_defragment(struct raw *raw, struct act *a, struct err *err)
{
    (void)a;
    return raw_defragment(raw, err);
}

/* Beside others in its batch, with lazy writes that wait, and alone. */
static void defragmentation(struct fixture *f)
{
    struct act a[] = {{.fn = do_put, .key = "/a", .value = "1"},
                      {.fn = do_defragment},
                      {.fn = do_put, .key = "/b", .value = "1"},
                      {.fn = do_defragment}};
    struct store_stats s;

    assert_int_equal(put_lazy(f->st, f->loop, "lazy", "x"), 2);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        act_start(&a[i], f->st, f->loop);
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        while (!a[i].done)
            loop_run(f->loop);
        assert_ok(a[i].txn.code, a[i].txn.err);
    }
    assert_int_equal(code_of(f, do_defragment, 0), 0);
    store_stats(f->st, &s);
    assert_int_equal(s.revision, 4);
    check_print(f, do_changes, 3, "/a=1@3/3/1 /b=1@4/4/1 ");
}

static void test_defragmentation_waits_for_its_batch(void **state)
{
    (void)state;
    on_both(defragmentation);
}

static void test_a_failed_defragmentation_is_told_to_who_asked(void **state)
{
    struct sim *sim = sim_new(8);
    struct loop *loop = sim_loop(sim, "store");
    struct store_opts opts = {.loop = loop};
    struct place place;
    struct engine_ops ops;
    struct faulty faulty;
    struct fixture f = {.loop = loop};
    struct act a = {.fn = do_defragment}, b = {.fn = do_range};

    (void)state;
    place_init(&place, false);
    place_open(&place);
    faulty_init(&faulty, &ops, place.e);
    f.st = store_on(&faulty.base, &opts);
    assert_int_equal(raw_put_now(&f, "/a", "1", 0), 2);
    atomic_store(&faulty.fail_puts, 1);
    act_start(&b, f.st, loop);
    act_start(&a, f.st, loop);
    while (!a.done || !b.done)
        loop_run(loop);
    assert_int_equal(a.txn.code, ERR_IO);
    assert_string_equal(a.txn.err->msg, "no space left on device");
    assert_int_equal(b.txn.code, 0);
    buf_deinit(&b.out);
    assert_int_equal(code_of(&f, do_defragment, 0), 0);
    assert_int_equal(raw_put_now(&f, "/a", "2", 0), 3);
    f.st = store_close(f.st);
    sim_run_for(sim, 10);
    sim_free(sim);
    place_deinit(&place);
}

static void test_nothing_is_compacted_by_itself(void **state)
{
    struct sim *sim = sim_new(5);
    struct loop *loop = sim_loop(sim, "store");
    struct store_opts opts = {.loop = loop, .history_ms = UINT32_MAX};
    struct fixture f = {.st = store_on(engine_memory_new(), &opts), .loop = loop};

    (void)state;
    assert_int_equal(raw_put_now(&f, "/a", "1", 0), 2);
    assert_int_equal(raw_put_now(&f, "/a", "2", 0), 3);
    sim_run_for(sim, UINT64_C(100) * 24 * 3600 * 1000);
    check_print(&f, do_range, 2, "/a=1@2/2/1 ");
    f.st = store_close(f.st);
    sim_run_for(sim, 10);
    sim_free(sim);
}

static void test_a_failed_commit_takes_raw_writes_back(void **state)
{
    struct sim *sim = sim_new(6);
    struct loop *loop = sim_loop(sim, "store");
    struct store_opts opts = {.loop = loop, .history_ms = UINT32_MAX};
    struct place place;
    struct engine_ops ops;
    struct faulty faulty;
    struct fixture f = {.loop = loop};

    (void)state;
    place_init(&place, false);
    place_open(&place);
    faulty_init(&faulty, &ops, place.e);
    f.st = store_on(&faulty.base, &opts);
    assert_int_equal(raw_put_now(&f, "/a", "1", 0), 2);
    atomic_store(&faulty.fail_commits, 1);
    assert_int_equal(raw_put_now(&f, "/a", "2", 0), ERR_IO);
    atomic_store(&faulty.fail_puts, 1);
    assert_int_equal(raw_put_now(&f, "/a", "3", 0), ERR_IO);
    check_print(&f, do_changes, 1, "/a=1@2/2/1 ");
    assert_int_equal(raw_put_now(&f, "/a", "4", 0), 3);
    f.st = store_close(f.st);
    sim_run_for(sim, 10);
    sim_free(sim);
    place_deinit(&place);
}

static int do_put_and_note(struct raw *raw, struct act *a, struct err *err)
{
    int r = raw_note(raw, STR("n"), str_from(a->value), err);

    return r < 0 ? r : do_put(raw, a, err);
}

/* One batch, in this order: a read, a note with a put, a read, which see no more than @want. */
static void batch_that_fails(struct fixture *f, const char *want, int last)
{
    struct act a[] = {
        {.fn = do_range},
        {.fn = do_put_and_note, .key = "/a", .value = "no", .bytes = 10},
        {.fn = do_range},
    };

    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        act_start(&a[i], f->st, f->loop);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        while (!a[i].done)
            loop_run(f->loop);
    assert_ok(a[0].txn.code, a[0].txn.err);
    assert_string_equal(buf_cstr(&a[0].out), want);
    assert_int_equal(a[1].txn.code, ERR_IO);
    assert_int_equal(a[2].txn.code, last);
    if (last == 0) {
        assert_string_equal(buf_cstr(&a[2].out), want);
        assert_int_equal(a[2].txn.revision, store_revision(f->st));
    }
    buf_deinit(&a[0].out);
    buf_deinit(&a[2].out);
}

/* Reads are answered while writes fail, also those that wait behind a write; what they see is
 * committed, or a lazy write that all see. */
static void test_reads_go_on_while_commits_fail(void **state)
{
    struct sim *sim = sim_new(6);
    struct loop *loop = sim_loop(sim, "store");
    struct store_opts opts = {.loop = loop, .lazy_max_ms = 3600000};
    struct fixture f = {.loop = loop};
    struct engine_ops ops;
    struct faulty faulty;

    (void)state;
    place_init(&f.place, true);
    place_open(&f.place);
    faulty_init(&faulty, &ops, f.place.e);
    f.st = store_on(&faulty.base, &opts);
    assert_int_equal(raw_put_now(&f, "/a", "1", 0), 2);
    atomic_store(&faulty.fail_commits, 1000);
    batch_that_fails(&f, "/a=1@2/2/1 ", ERR_IO); /* it may have seen what was taken back */
    batch_that_fails(&f, "/a=1@2/2/1 ", 0);      /* now the disk is known to fail */
    assert_int_equal(raw_put_now(&f, "/b", "1", 0), ERR_IO);
    assert_int_equal(put_lazy(f.st, f.loop, "l", "x"), 4); /* 3 has failed */
    batch_that_fails(&f,
                     "/a=1@2/2/1 /registry/configmaps/n/l={\"metadata\":{\"name\":\"l\","
                     "\"namespace\":\"n\",\"labels\":{\"v\":\"x\"}}}@4/4/1 ",
                     0);
    atomic_store(&faulty.fail_commits, 0);
    assert_int_equal(raw_put_now(&f, "/a", "2", 0), 5);
    f.st = store_close(f.st);
    sim_run_for(sim, 10);
    sim_free(sim);
    place_deinit(&f.place);
}

static void count_news(void *arg)
{
    ++*(int *)arg;
}

static void test_subscribers_hear_of_any_change(void **state)
{
    struct sim *sim = sim_new(7);
    struct loop *loop = sim_loop(sim, "store"), *mine = sim_loop(sim, "mine");
    struct store_opts opts = {.loop = loop};
    struct fixture f = {.st = store_on(engine_memory_new(), &opts), .loop = loop};
    struct subscription *sub;
    int news = 0;

    (void)state;
    sub = raw_subscribe(f.st, mine, count_news, &news);
    assert_int_equal(raw_put_now(&f, "/a", "1", 0), 2);
    sim_run_for(sim, 1);
    assert_int_equal(news, 1);
    assert_int_equal(put(f.st, loop, "c", "1"), 3);
    sim_run_for(sim, 1);
    assert_int_equal(news, 2);
    assert_int_equal(code_of(&f, do_range, 0), 0); /* a read is no news */
    sim_run_for(sim, 1);
    assert_int_equal(news, 2);
    sub = subscription_free(sub);
    assert_int_equal(raw_put_now(&f, "/a", "2", 0), 4);
    sim_run_for(sim, 1);
    assert_int_equal(news, 2);
    f.st = store_close(f.st);
    sim_run_for(sim, 10);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_and_reads_mean_what_etcd_says),
        cmocka_unit_test(test_a_transaction_has_one_revision_and_writes_a_key_once),
        cmocka_unit_test(test_bad_writes_are_refused_before_anything_is_written),
        cmocka_unit_test(test_a_transaction_that_fails_half_way_leaves_nothing),
        cmocka_unit_test(test_objects_and_bytes_are_one_store),
        cmocka_unit_test(test_compaction_holds_at_once),
        cmocka_unit_test(test_defragmentation_waits_for_its_batch),
        cmocka_unit_test(test_a_failed_defragmentation_is_told_to_who_asked),
        cmocka_unit_test(test_nothing_is_compacted_by_itself),
        cmocka_unit_test(test_a_failed_commit_takes_raw_writes_back),
        cmocka_unit_test(test_reads_go_on_while_commits_fail),
        cmocka_unit_test(test_subscribers_hear_of_any_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
