/* Tests that hold for every engine: etcd's meaning of revisions. Each runs on lmdb and memory. */
#include "base/buf.h"
#include "base/random.h"
#include "base/vec.h"
#include "engines.h"

/* "key=value@mod/create/version" or "key-@mod", separated by spaces */
static int each_to_buf(void *arg, const struct engine_kv *kv)
{
    struct buf *b = arg;

    if (kv->deleted)
        buf_printf(b, "%.*s-@%lld ", STR_ARG(kv->key), (long long)kv->mod_revision);
    else
        buf_printf(b, "%.*s=%.*s@%lld/%lld/%lld ", STR_ARG(kv->key), STR_ARG(kv->value),
                   (long long)kv->mod_revision, (long long)kv->create_revision,
                   (long long)kv->version);
    return 0;
}

static void check_range_from(struct engine *e, const char *prefix, const char *from,
                             int64_t revision, const char *want)
{
    struct err err = {0};
    auto_buf b = {0};

    auto_arena a = {0};
    struct str p = str_from(prefix), f = str_from(from);

    assert_ok(e->ops->range(e, str_cmp(f, p) > 0 ? f : p, str_prefix_end(&a, p), revision,
                            each_to_buf, &b, &err),
              &err);
    assert_string_equal(buf_cstr(&b), want);
}

static void check_range(struct engine *e, const char *prefix, int64_t revision, const char *want)
{
    check_range_from(e, prefix, NULL, revision, want);
}

static void check_changes(struct engine *e, int64_t from, int64_t to, const char *want)
{
    struct err err = {0};
    auto_buf b = {0};

    assert_ok(e->ops->changes(e, from, to, each_to_buf, &b, &err), &err);
    assert_string_equal(buf_cstr(&b), want);
}

static int range_code(struct engine *e, int64_t revision)
{
    struct err err = {0};
    auto_buf b = {0};

    return e->ops->range(e, STR(""), STR_NULL, revision, each_to_buf, &b, &err);
}

static int changes_code(struct engine *e, int64_t from)
{
    struct err err = {0};
    auto_buf b = {0};

    return e->ops->changes(e, from, INT64_MAX, each_to_buf, &b, &err);
}

static void check_get(struct engine *e, const char *key, const char *want)
{
    struct err err = {0};
    struct engine_kv kv;
    auto_buf b = {0};
    int r = e->ops->get(e, str_from(key), &kv, &err);

    if (!want) {
        assert_int_equal(r, ERR_NOT_FOUND);
        return;
    }
    assert_ok(r, &err);
    (void)each_to_buf(&b, &kv);
    assert_string_equal(buf_cstr(&b), want);
}

static void on_both(void (*test)(struct place *p))
{
    for (int lmdb = 0; lmdb < 2; lmdb++) {
        struct place p;

        place_init(&p, lmdb);
        place_open(&p);
        test(&p);
        place_deinit(&p);
    }
}

static void revisions(struct place *p)
{
    struct engine *e = p->e;

    assert_int_equal(current_of(e), 1);
    must_put(e, 2, "/a", "1");
    must_put(e, 2, "/b", "2");
    check_get(e, "/a", "/a=1@2/2/1 "); /* before the commit, too */
    assert_int_equal(current_of(e), 1);
    must_commit(e);
    assert_int_equal(current_of(e), 2);
    must_put(e, 3, "/a", "3");
    must_commit(e);
    must_remove(e, 4, "/a");
    must_put(e, 5, "/a", "5");
    must_put(e, 6, "/a", "");
    must_commit(e);
    check_get(e, "/a", "/a=@6/5/2 ");
    check_get(e, "/b", "/b=2@2/2/1 ");
    check_get(e, "/", NULL);
    check_range(e, "", 0, "/a=@6/5/2 /b=2@2/2/1 ");
    check_range(e, "", 1, "");
    check_range(e, "", 2, "/a=1@2/2/1 /b=2@2/2/1 ");
    check_range(e, "", 3, "/a=3@3/2/2 /b=2@2/2/1 ");
    check_range(e, "", 4, "/b=2@2/2/1 ");
    check_range(e, "", 5, "/a=5@5/5/1 /b=2@2/2/1 ");
    assert_int_equal(range_code(e, 7), ERR_TIMEOUT);
    check_changes(e, 1, 100, "/a=1@2/2/1 /b=2@2/2/1 /a=3@3/2/2 /a-@4 /a=5@5/5/1 /a=@6/5/2 ");
    check_changes(e, 3, 4, "/a=3@3/2/2 /a-@4 ");
    check_changes(e, 7, 100, "");
    assert_true(e->ops->size_bytes(e) > 0);
}

static void test_revisions_mean_what_etcd_says(void **state)
{
    (void)state;
    on_both(revisions);
}

static void prefixes(struct place *p)
{
    struct engine *e = p->e;
    int64_t rev = 2;

    const char *const keys[] = {"/p/b", "/p/a", "/pp/a", "/o", "/p/", "/p/c/d"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        must_put(e, rev++, keys[i], "v");
    must_commit(e);
    check_range(e, "/p/", 0, "/p/=v@6/6/1 /p/a=v@3/3/1 /p/b=v@2/2/1 /p/c/d=v@7/7/1 ");
    check_range_from(e, "/p/", "/p/b", 0, "/p/b=v@2/2/1 /p/c/d=v@7/7/1 ");
    check_range_from(e, "/p/", "/p/aa", 6, "/p/b=v@2/2/1 ");
    check_range_from(e, "/p/", "/q", 0, "");
    check_range_from(e, "/p/", "/a", 0, "/p/=v@6/6/1 /p/a=v@3/3/1 /p/b=v@2/2/1 /p/c/d=v@7/7/1 ");
    check_range(e, "/x", 0, "");
}

static void test_range_takes_a_prefix_and_a_start(void **state)
{
    (void)state;
    on_both(prefixes);
}

static int stop_at_second(void *arg, const struct engine_kv *kv)
{
    int *n = arg;

    (void)kv;
    return ++*n == 2 ? 77 : 0;
}

static void stops(struct place *p)
{
    struct err err = {0};
    int n = 0;

    must_put(p->e, 2, "/a", "1");
    must_put(p->e, 3, "/b", "1");
    must_put(p->e, 4, "/c", "1");
    assert_int_equal(p->e->ops->range(p->e, STR(""), STR_NULL, 0, stop_at_second, &n, &err), 77);
    assert_int_equal(n, 2);
    must_commit(p->e);
    n = 0;
    assert_int_equal(p->e->ops->changes(p->e, 1, 9, stop_at_second, &n, &err), 77);
    assert_int_equal(n, 2);
}

static void test_callback_ends_the_walk(void **state)
{
    (void)state;
    on_both(stops);
}

static void aborts(struct place *p)
{
    struct engine *e = p->e;
    struct err err = {0};

    must_put(e, 2, "/a", "1");
    must_commit(e);
    must_put(e, 3, "/a", "2");
    must_remove(e, 4, "/a");
    must_put(e, 5, "/b", "3");
    check_range(e, "", 0, "/b=3@5/5/1 ");
    e->ops->abort(e);
    assert_int_equal(current_of(e), 2);
    check_range(e, "", 0, "/a=1@2/2/1 ");
    check_changes(e, 1, 9, "/a=1@2/2/1 ");
    assert_int_equal(e->ops->remove(e, 3, STR("/b"), &err), ERR_NOT_FOUND);
    must_put(e, 3, "/b", "4"); /* a failed delete does not spoil the batch */
    must_commit(e);
    check_range(e, "", 0, "/a=1@2/2/1 /b=4@3/3/1 ");
    e->ops->abort(e); /* nothing open */
    must_commit(e);
    assert_int_equal(current_of(e), 3);
}

static void test_abort_drops_the_batch(void **state)
{
    (void)state;
    on_both(aborts);
}

static void refuses(struct place *p)
{
    struct engine *e = p->e;
    struct err err = {0};
    char key[ENGINE_KEY_MAX + 2];

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(e->ops->put(e, 2, STR(""), STR("v"), 0, &err), ERR_TOO_LARGE);
    assert_int_equal(e->ops->put(e, 2, str_from(key), STR("v"), 0, &err), ERR_TOO_LARGE);
    check_get(e, key, NULL);
    check_range(e, key, 0, "");
    key[ENGINE_KEY_MAX] = '\0';
    must_put(e, 2, key, "v");
    must_commit(e);
    assert_int_equal(e->ops->put(e, 2, STR("/a"), STR("v"), 0, &err), ERR_INTERNAL);
    assert_int_equal(e->ops->put(e, 1, STR("/a"), STR("v"), 0, &err), ERR_INTERNAL);
    e->ops->abort(e);
    assert_int_equal(current_of(e), 2);
}

static void test_bad_keys_and_revisions_are_refused(void **state)
{
    (void)state;
    on_both(refuses);
}

static void compacts(struct place *p)
{
    struct engine *e = p->e;
    struct err err = {0};
    bool more;

    must_put(e, 2, "/a", "1");
    must_put(e, 3, "/a", "2");
    must_put(e, 4, "/b", "1");
    must_remove(e, 5, "/b");
    must_put(e, 6, "/c", "1");
    must_remove(e, 7, "/c");
    must_put(e, 8, "/a", "3");
    must_put(e, 9, "/b", "2");
    must_commit(e);
    must_compact(e, 7);
    assert_int_equal(range_code(e, 6), ERR_EXPIRED);
    assert_int_equal(changes_code(e, 6), ERR_EXPIRED);
    check_range(e, "", 7, "/a=2@3/2/2 ");
    check_range(e, "", 8, "/a=3@8/2/3 ");
    check_changes(e, 7, 99, "/c-@7 /a=3@8/2/3 /b=2@9/9/1 ");
    must_compact(e, 9);
    check_range(e, "", 0, "/a=3@8/2/3 /b=2@9/9/1 ");
    check_changes(e, 9, 99, "/b=2@9/9/1 ");
    assert_int_equal(range_code(e, 8), ERR_EXPIRED);
    assert_int_equal(e->ops->compact(e, 10, &more, &err), ERR_TIMEOUT);
    must_compact(e, 3); /* of the past: nothing to do */
    must_put(e, 10, "/c", "9");
    must_commit(e);
    check_range(e, "", 0, "/a=3@8/2/3 /b=2@9/9/1 /c=9@10/10/1 ");
}

static void test_compaction_forgets_the_past_only(void **state)
{
    (void)state;
    on_both(compacts);
}

static void compacts_much(struct place *p)
{
    struct engine *e = p->e;
    struct err err = {0};
    bool more = true;
    int calls = 0;

    for (int64_t rev = 2; rev < 5002; rev++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "/k%03lld", (long long)(rev % 100));
        must_put(e, rev, key, "some value");
        if (rev % 50 == 0)
            must_commit(e);
    }
    must_commit(e);
    for (; more; calls++)
        assert_ok(e->ops->compact(e, 5000, &more, &err), &err);
    assert_true(calls >= 5 && calls <= 50);
    assert_int_equal(changes_code(e, 4999), ERR_EXPIRED);
    check_changes(e, 5000, 5001, "/k000=some value@5000/100/50 /k001=some value@5001/101/50 ");
}

static void test_compaction_works_in_slices(void **state)
{
    (void)state;
    on_both(compacts_much);
}

static int note_to_buf(void *arg, struct str name, struct str value)
{
    buf_printf(arg, "%.*s=%.*s ", STR_ARG(name), STR_ARG(value));
    return 0;
}

static void check_notes(struct engine *e, const char *prefix, const char *want)
{
    struct err err = {0};
    auto_buf b = {0};

    assert_ok(e->ops->notes(e, str_from(prefix), note_to_buf, &b, &err), &err);
    assert_string_equal(buf_cstr(&b), want);
}

static void notes(struct place *p)
{
    struct engine *e = p->e;
    struct err err = {0};

    check_notes(e, "", "");
    must_note(e, "b/1", "one");
    must_note(e, "a/2", "");
    must_note(e, "b/2", "two");
    check_notes(e, "", "a/2= b/1=one b/2=two "); /* before the commit, too */
    must_commit(e);
    assert_int_equal(current_of(e), 1); /* they have no revision */
    must_note(e, "b/1", "uno");
    must_note(e, "b/2", NULL);
    must_note(e, "b/3", NULL); /* is not there */
    check_notes(e, "b/", "b/1=uno ");
    e->ops->abort(e);
    check_notes(e, "b/", "b/1=one b/2=two ");
    must_note(e, "b/2", NULL);
    must_put(e, 2, "/a", "1");
    must_commit(e);
    check_notes(e, "", "a/2= b/1=one ");
    assert_int_equal(e->ops->note(e, STR(""), STR("v"), &err), ERR_TOO_LARGE);
    if (!p->lmdb)
        return;
    place_close(p);
    place_open(p);
    check_notes(p->e, "", "a/2= b/1=one ");
}

static void test_notes_are_kept_beside_the_keys(void **state)
{
    (void)state;
    on_both(notes);
}

static void leases(struct place *p)
{
    struct engine *e = p->e;
    struct engine_kv kv;
    struct err err = {0};

    assert_ok(e->ops->put(e, 2, STR("/a"), STR("1"), 0x7fffffffffffffff, &err), &err);
    must_put(e, 2, "/b", "1");
    must_commit(e);
    assert_ok(e->ops->get(e, STR("/a"), &kv, &err), &err);
    assert_true(kv.lease == 0x7fffffffffffffff);
    assert_ok(e->ops->get(e, STR("/b"), &kv, &err), &err);
    assert_int_equal(kv.lease, 0);
    must_put(e, 3, "/a", "2"); /* without: it has none any more */
    assert_ok(e->ops->get(e, STR("/a"), &kv, &err), &err);
    assert_int_equal(kv.lease, 0);
}

static void test_a_put_keeps_its_lease(void **state)
{
    (void)state;
    on_both(leases);
}

/* A plain model: every change ever made, read the slow way. */
struct change {
    int64_t revision;
    int key;
    bool deleted;
    int value;
};
struct model {
    VEC(struct change) changes;
    size_t committed;
    int64_t compacted;
};

static void model_range(const struct model *m, int64_t revision, struct buf *out)
{
    for (int key = 0; key < 10; key++) {
        int64_t create = 0, version = 0;
        const struct change *now = NULL;

        for (size_t i = 0; i < m->changes.n && m->changes.v[i].revision <= revision; i++) {
            if (m->changes.v[i].key != key)
                continue;
            now = &m->changes.v[i];
            version = now->deleted ? 0 : version + 1;
            create = version == 1 ? now->revision : create;
        }
        if (now && !now->deleted)
            buf_printf(out, "/k%d=%d@%lld/%lld/%lld ", key, now->value, (long long)now->revision,
                       (long long)create, (long long)version);
    }
}

static void model_check(const struct model *m, struct engine *e, int64_t last)
{
    for (int64_t rev = MAX(m->compacted, 1); rev <= last; rev++) {
        auto_buf want = {0};

        model_range(m, rev, &want);
        check_range(e, "/k", rev, buf_cstr(&want));
    }
    if (m->compacted > 1)
        assert_int_equal(range_code(e, m->compacted - 1), ERR_EXPIRED);
}

static bool model_live(const struct model *m, int key)
{
    for (size_t i = m->changes.n; i > 0; i--)
        if (m->changes.v[i - 1].key == key)
            return !m->changes.v[i - 1].deleted;
    return false;
}

static int64_t model_step(struct model *m, struct engine *e, struct random *rnd, int64_t rev)
{
    struct change c = {.revision = rev + 1,
                       .key = (int)random_below(rnd, 10),
                       .value = (int)random_below(rnd, 1000)};
    char key[8], value[16];
    struct err err = {0};

    (void)snprintf(key, sizeof(key), "/k%d", c.key);
    (void)snprintf(value, sizeof(value), "%d", c.value);
    c.deleted = random_below(rnd, 3) == 0;
    if (c.deleted && !model_live(m, c.key)) {
        assert_int_equal(e->ops->remove(e, c.revision, str_from(key), &err), ERR_NOT_FOUND);
        return rev;
    }
    if (c.deleted)
        must_remove(e, c.revision, key);
    else
        must_put(e, c.revision, key, value);
    vec_push(&m->changes, c);
    return c.revision;
}

static void random_run(struct place *p, uint64_t seed)
{
    struct random_seeded rnd;
    struct model m = {0};
    int64_t rev = 1, committed = 1;

    random_seeded_init(&rnd, seed);
    for (int i = 0; i < 300; i++) {
        uint64_t what = random_below(&rnd.base, 20);

        if (what < 13) {
            rev = model_step(&m, p->e, &rnd.base, rev);
            continue;
        }
        if (what < 15) {
            p->e->ops->abort(p->e);
            m.changes.n = m.committed;
            rev = committed;
            continue;
        }
        must_commit(p->e);
        m.committed = m.changes.n;
        committed = rev;
        assert_int_equal(current_of(p->e), MAX(rev, 1));
        if (what == 15) {
            m.compacted += (int64_t)random_below(&rnd.base, (uint64_t)(rev - m.compacted) + 1);
            must_compact(p->e, m.compacted);
        }
        if (what == 16 && p->lmdb) {
            rev = committed = rev + 1; /* after an abort, only a commit makes the end clean again */
            must_put(p->e, rev, "/other", "");
            must_commit(p->e);
            place_close(p);
            place_open(p);
            assert_int_equal(current_of(p->e), rev);
        }
        model_check(&m, p->e, rev);
    }
    vec_deinit(&m.changes);
}

static int restore_code(struct engine *e, const char *key, int64_t mod, int64_t create,
                        int64_t version)
{
    struct err err = {0};

    return e->ops->restore(e,
                           &(struct engine_kv){.key = str_from(key),
                                               .value = STR("old"),
                                               .mod_revision = mod,
                                               .create_revision = create,
                                               .version = version,
                                               .lease = 77},
                           &err);
}

static void restores(struct place *p)
{
    struct engine *e = p->e;
    struct err err = {0};
    struct engine_kv kv;

    assert_int_equal(restore_code(e, "/a", 9, 3, 4), 0);
    assert_int_equal(restore_code(e, "/b", 9, 9, 1), 0); /* of one transaction */
    must_put(e, 10, "/c", "new");
    assert_int_equal(restore_code(e, "/a", 10, 3, 4), ERR_EXISTS);
    assert_int_equal(restore_code(e, "/c", 10, 3, 4), ERR_EXISTS);
    assert_int_equal(restore_code(e, "/d", 10, 0, 1), ERR_BAD_REQUEST);
    assert_int_equal(restore_code(e, "/d", 10, 11, 1), ERR_BAD_REQUEST);
    assert_int_equal(restore_code(e, "/d", 10, 10, 0), ERR_BAD_REQUEST);
    check_range(e, "", 0, "/a=old@9/3/4 /b=old@9/9/1 /c=new@10/10/1 ");
    must_commit(e);
    assert_int_equal(current_of(e), 10);
    assert_int_equal(restore_code(e, "/d", 10, 3, 4), ERR_INTERNAL);
    e->ops->abort(e);
    assert_int_equal(restore_code(e, "/d", 12, 11, 2), 0);
    must_commit(e);
    check_changes(e, 9, 12, "/a=old@9/3/4 /b=old@9/9/1 /c=new@10/10/1 /d=old@12/11/2 ");
    if (p->lmdb) {
        place_close(p);
        place_open(p);
        e = p->e;
    }
    assert_ok(e->ops->get(e, STR("/d"), &kv, &err), &err);
    assert_int_equal(kv.lease, 77);
    check_range(e, "", 10, "/a=old@9/3/4 /b=old@9/9/1 /c=new@10/10/1 ");
    /* From there on they are like others: changed, deleted, put, restored again, forgotten. */
    must_put(e, 20, "/a", "new");
    must_remove(e, 21, "/b");
    must_remove(e, 22, "/d");
    must_commit(e);
    must_put(e, 23, "/b", "again");
    assert_int_equal(restore_code(e, "/d", 24, 12, 6), 0);
    must_commit(e);
    must_compact(e, 24);
    check_range(e, "", 0, "/a=new@20/3/5 /b=again@23/23/1 /c=new@10/10/1 /d=old@24/12/6 ");
    must_remove(e, 25, "/a");
    must_remove(e, 26, "/d");
    must_commit(e);
    must_compact(e, 26);
    check_range(e, "", 0, "/b=again@23/23/1 /c=new@10/10/1 ");
}

static void test_restored_keys_are_as_they_were(void **state)
{
    (void)state;
    on_both(restores);
}

static void test_random_runs_equal_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        for (int lmdb = 0; lmdb < 2; lmdb++) {
            struct place p;

            place_init(&p, lmdb);
            place_open(&p);
            random_run(&p, seed);
            place_deinit(&p);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revisions_mean_what_etcd_says),
        cmocka_unit_test(test_range_takes_a_prefix_and_a_start),
        cmocka_unit_test(test_callback_ends_the_walk),
        cmocka_unit_test(test_abort_drops_the_batch),
        cmocka_unit_test(test_bad_keys_and_revisions_are_refused),
        cmocka_unit_test(test_compaction_forgets_the_past_only),
        cmocka_unit_test(test_compaction_works_in_slices),
        cmocka_unit_test(test_notes_are_kept_beside_the_keys),
        cmocka_unit_test(test_a_put_keeps_its_lease),
        cmocka_unit_test(test_restored_keys_are_as_they_were),
        cmocka_unit_test(test_random_runs_equal_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
