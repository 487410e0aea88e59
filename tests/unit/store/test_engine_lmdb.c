/* Tests of what only an engine on disk has: ends of all kinds, damage, locks, growth. */
#include "base/buf.h"
#include "engines.h"
#include "store/lmdb_internal.h"
#include <sys/wait.h>

static void test_crc32c_known_values(void **state)
{
    struct crc32c c;
    char zeros[32] = {0};
    const char digits[] = "123456789";

    (void)state;
    crc32c_init(&c);
    assert_int_equal(crc32c_add(&c, 0, STR("")), 0);
    assert_int_equal(crc32c_add(&c, 0, STR("123456789")), 0xe3069283);
    assert_int_equal(crc32c_add(&c, 0, (struct str){zeros, 32}), 0x8a9136aa);
    for (size_t i = 0; i < 10; i++) /* in two pieces */
        assert_int_equal(crc32c_add(&c, crc32c_add(&c, 0, str_sub(STR("123456789"), 0, i)),
                                    str_sub((struct str){digits, 9}, i, 9)),
                         0xe3069283);
}

static void test_clean_end_goes_on_where_it_was(void **state)
{
    struct place p;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/a", "1");
    must_commit(p.e);
    place_close(&p);
    place_open(&p);
    assert_int_equal(current_of(p.e), 2);
    place_close(&p);
    place_open(&p);
    assert_int_equal(current_of(p.e), 2);
    place_deinit(&p);
}

/* Runs @child in a process of its own that ends without closing anything. */
static void in_dying_process(struct place *p, void (*child)(struct place *p))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        place_open(p);
        child(p);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void write_two(struct place *p)
{
    must_put(p->e, 2, "/a", "1");
    must_commit(p->e);
    must_put(p->e, 3, "/a", "2");
    must_commit(p->e);
    must_put(p->e, 4, "/a", "3");
}

static void write_far(struct place *p)
{
    /* Each commit leaves ENGINE_REVISIONS_AHEAD to give. */
    int64_t rev = current_of(p->e);

    for (int i = 0; i < 10; i++) {
        rev += ENGINE_REVISIONS_AHEAD;
        must_put(p->e, rev, "/far", "1");
        must_commit(p->e);
    }
}

static void test_unclean_end_skips_revisions_that_may_have_been_given(void **state)
{
    struct place p;
    struct engine_kv kv;
    struct err err = {0};
    int64_t first, second;

    (void)state;
    place_init(&p, true);
    in_dying_process(&p, write_two);
    place_open(&p);
    first = current_of(p.e);
    assert_true(first >= 3 + ENGINE_REVISIONS_AHEAD);
    assert_ok(p.e->ops->get(p.e, STR("/a"), &kv, &err), &err);
    assert_str_equal(kv.value, "2");
    assert_int_equal(kv.mod_revision, 3);
    place_close(&p);
    in_dying_process(&p, write_far);
    place_open(&p);
    second = current_of(p.e);
    assert_true(second >= first + 11 * ENGINE_REVISIONS_AHEAD);
    place_close(&p);
    place_open(&p);
    assert_int_equal(current_of(p.e), second); /* closed in order */
    place_deinit(&p);
}

/* Revisions of a batch that was given up may be known: lazy writes are shown before. */
static void test_end_after_a_given_up_batch_skips_revisions(void **state)
{
    (void)state;
    for (int aborted = 0; aborted < 2; aborted++) {
        struct place p;

        place_init(&p, true);
        place_open(&p);
        must_put(p.e, 2, "/a", "1");
        must_commit(p.e);
        must_put(p.e, 3, "/a", "2");
        if (aborted)
            p.e->ops->abort(p.e);
        place_close(&p);
        place_open(&p);
        assert_true(current_of(p.e) >= 2 + ENGINE_REVISIONS_AHEAD);
        place_deinit(&p);
    }
}

static void test_second_open_is_refused(void **state)
{
    struct place p;
    struct engine *other;
    struct err err = {0};

    (void)state;
    place_init(&p, true);
    place_open(&p);
    assert_int_equal(engine_lmdb_open(p.dir, &other, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "is in use by another process"));
    assert_non_null(strstr(err.msg, p.dir));
    place_deinit(&p);
}

static void test_open_makes_a_private_folder(void **state)
{
    struct place p;
    struct stat st;
    char file[128];

    (void)state;
    place_init(&p, true);
    assert_int_equal(rmdir(p.dir), 0);
    place_open(&p);
    assert_int_equal(stat(p.dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(file, sizeof(file), "%s/data.mdb", p.dir);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    place_deinit(&p);
}

static void test_open_says_why_not(void **state)
{
    struct engine *e;
    struct err err = {0};

    (void)state;
    assert_int_equal(engine_lmdb_open("/proc/skiff", &e, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "/proc/skiff"));
    assert_int_equal(engine_lmdb_open("/dev/null", &e, &err), ERR_IO);
}

/* Changes one byte of the first @needle in the data file. */
static void damage(const struct place *p, const char *needle)
{
    char path[128], *bytes, *at;
    struct stat st;
    int fd, hits = 0;

    (void)snprintf(path, sizeof(path), "%s/data.mdb", p->dir);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = xcalloc(1, (size_t)st.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    at = bytes;
    while ((at = memmem(at, (size_t)(st.st_size - (at - bytes)), needle, strlen(needle)))) {
        *at ^= 1;
        hits++;
    }
    assert_true(hits > 0);
    assert_int_equal(pwrite(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    (void)close(fd);
    free(bytes);
}

static int each_nothing(void *arg, const struct engine_kv *kv)
{
    (void)kv;
    ++*(int *)arg;
    return 0;
}

static void test_damaged_value_is_named_and_never_served(void **state)
{
    struct place p;
    struct engine_kv kv;
    struct err err = {0};
    int n = 0;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/good", "fine");
    must_put(p.e, 3, "/victim", "precious-value");
    must_commit(p.e);
    place_close(&p);
    damage(&p, "precious-value");
    place_open(&p);
    assert_int_equal(p.e->ops->get(p.e, STR("/victim"), &kv, &err), ERR_PARSE);
    assert_non_null(strstr(err.msg, "/victim"));
    assert_ok(p.e->ops->get(p.e, STR("/good"), &kv, &err), &err);
    assert_int_equal(p.e->ops->range(p.e, STR(""), STR_NULL, 0, each_nothing, &n, &err),
                     ERR_PARSE);
    assert_int_equal(n, 1);
    assert_int_equal(p.e->ops->changes(p.e, 1, 99, each_nothing, &n, &err), ERR_PARSE);
    must_compact(p.e, 3);
    place_deinit(&p);
}

static void test_damaged_key_is_noticed(void **state)
{
    struct place p;
    struct err err = {0};
    int n = 0;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/the-victim", "fine");
    must_commit(p.e);
    place_close(&p);
    damage(&p, "the-victim");
    place_open(&p);
    assert_int_equal(p.e->ops->range(p.e, STR(""), STR_NULL, 0, each_nothing, &n, &err),
                     ERR_PARSE);
    assert_int_equal(n, 0);
    place_deinit(&p);
}

static void test_every_flipped_bit_of_a_record_is_found(void **state)
{
    struct crc32c crc;
    struct record r = {.at = {7, 1},
                       .older = {5, 0},
                       .create = 3,
                       .version = 9,
                       .key = STR("/registry/pods/a/b"),
                       .value = STR("{\"metadata\":{\"name\":\"b\"}}")},
                  got;
    size_t size = record_size(&r);
    unsigned char *p = xcalloc(1, size);
    struct str bytes = {(const char *)p, size};
    struct err err = {0};

    (void)state;
    crc32c_init(&crc);
    record_write(&crc, &r, p);
    assert_ok(record_read(&crc, r.at, bytes, &got, &err), &err);
    assert_str_equal(got.key, "/registry/pods/a/b");
    assert_int_equal(got.version, 9);
    assert_int_equal(got.older.revision, 5);
    assert_int_equal(record_read(&crc, (struct rev_at){7, 2}, bytes, &got, &err), ERR_PARSE);
    for (size_t bit = 0; bit < size * 8; bit++) {
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(record_read(&crc, r.at, bytes, &got, &err), ERR_PARSE);
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t len = 0; len < size; len++)
        assert_int_equal(record_read(&crc, r.at, str_sub(bytes, 0, len), &got, &err), ERR_PARSE);
    free(p);
}

static void test_every_flipped_bit_of_the_state_is_found(void **state)
{
    struct crc32c crc;
    struct engine_state s = {7, 100, 3, 4, 99, true}, got;
    unsigned char p[STATE_BYTES];
    struct str bytes = {(const char *)p, sizeof(p)};
    struct err err = {0};

    (void)state;
    crc32c_init(&crc);
    state_write(&crc, &s, p);
    assert_ok(state_read(&crc, bytes, &got, &err), &err);
    assert_int_equal(got.ceiling, 100);
    assert_true(got.clean);
    assert_int_equal(got.salt, 99);
    for (size_t bit = 0; bit < sizeof(p) * 8; bit++) {
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(state_read(&crc, bytes, &got, &err), ERR_PARSE);
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(state_read(&crc, str_sub(bytes, 0, 20), &got, &err), ERR_PARSE);
}

static void set_format(const struct crc32c *crc, unsigned char p[STATE_BYTES], unsigned char format)
{
    uint32_t sum;

    p[4] = format;
    sum = crc32c_add(crc, 0, (struct str){(const char *)p + 4, STATE_BYTES - 4});
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(sum >> (8 * i));
}

/* Stores of the format before leases are refused, with what to do; so are newer ones. */
static void test_a_store_of_another_format_is_refused(void **state)
{
    struct crc32c crc;
    struct engine_state s = {7, 100, 3, 4, 5, true}, got;
    unsigned char p[STATE_BYTES];
    struct str bytes = {(const char *)p, sizeof(p)};
    struct err err = {0};

    (void)state;
    crc32c_init(&crc);
    state_write(&crc, &s, p);
    assert_int_equal(p[4], 3);
    set_format(&crc, p, 1);
    assert_int_equal(state_read(&crc, bytes, &got, &err), ERR_PARSE);
    assert_string_equal(err.msg,
                        "its format is 1, this program's is 3: get the objects with the program "
                        "that wrote them, move the folder away, and apply them again");
    set_format(&crc, p, 4);
    assert_int_equal(state_read(&crc, bytes, &got, &err), ERR_PARSE);
    set_format(&crc, p, 2); /* before a restored key could be in the log */
    assert_ok(state_read(&crc, bytes, &got, &err), &err);
    assert_int_equal(got.scanned, 4);
    assert_true(got.clean);
}

static void put_entry(struct engine_lmdb *e, struct str key, struct str bytes)
{
    MDB_val k = val_of(key), v = val_of(bytes);
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(e->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, e->key, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void test_every_flipped_bit_of_an_entry_is_found(void **state)
{
    struct entry en = {.at = {7, 1}, .create = 3, .version = 9}, got;
    unsigned char p[ENTRY_BYTES];
    struct str bytes = {(const char *)p, sizeof(p)};
    struct crc32c crc;

    (void)state;
    crc32c_init(&crc);
    entry_write(&crc, STR("/a"), &en, p);
    assert_true(entry_read(&crc, STR("/a"), bytes, &got));
    assert_int_equal(got.at.revision, 7);
    assert_int_equal(got.version, 9);
    assert_false(got.deleted);
    assert_false(entry_read(&crc, STR("/b"), bytes, &got));
    for (size_t bit = 0; bit < sizeof(p) * 8; bit++) {
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(entry_read(&crc, STR("/a"), bytes, &got));
        p[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    memset(p + ENTRY_BYTES - 4, 0, 4); /* as it was written before there was a sum */
    assert_true(entry_read(&crc, STR("/a"), bytes, &got));
    assert_int_equal(got.create, 3);
}

/* An object does not vanish because a bit says that it was deleted, nor does a damaged version go
 * into the next record. */
static void test_damaged_entry_is_named_by_every_call(void **state)
{
    enum { VERSION_AT = 20, FLAGS_AT = 28 };
    static const size_t places[] = {FLAGS_AT, VERSION_AT};
    struct place p;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/a", "1");
    must_commit(p.e);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct engine_lmdb *e = lmdb_of(p.e);
        struct entry en = {.at = {2, 0}, .create = 2, .version = 1};
        unsigned char bytes[ENTRY_BYTES];
        struct err err = {0};
        struct engine_kv kv;
        int64_t n;
        int64_t next = current_of(p.e) + 1;
        int calls = 0;

        assert_ok(lmdb_checkpoint(e, &e->state, &err), &err);
        entry_write(&e->crc, STR("/a"), &en, bytes);
        bytes[places[i]] ^= 1;
        put_entry(e, STR("/a"), (struct str){(const char *)bytes, sizeof(bytes)});
        assert_int_equal(p.e->ops->get(p.e, STR("/a"), &kv, &err), ERR_PARSE);
        assert_string_equal(err.msg, "damaged entry of /a");
        assert_int_equal(p.e->ops->range(p.e, STR(""), STR_NULL, 0, each_nothing, &calls, &err),
                         ERR_PARSE);
        assert_int_equal(calls, 0);
        assert_int_equal(p.e->ops->count(p.e, STR(""), STR_NULL, 0, &n, &err), ERR_PARSE);
        err = (struct err){0};
        assert_int_equal(p.e->ops->put(p.e, next, STR("/a"), STR("2"), 0, &err), ERR_PARSE);
        assert_string_equal(err.msg, "damaged entry of /a");
        p.e->ops->abort(p.e);
        must_put(p.e, next, "/b", "1"); /* others go on */
        must_commit(p.e);
    }
    place_deinit(&p);
}

/* Even an entry that is whole must agree with its record in everything. */
static void test_changed_entry_is_found(void **state)
{
    struct place p;
    struct engine_kv kv;
    struct err err = {0};

    (void)state;
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/a", "1");
    must_put(p.e, 3, "/b", "1");
    must_commit(p.e);
    assert_ok(lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err), &err);
    for (int i = 0; i < 4; i++) {
        struct engine_lmdb *e = lmdb_of(p.e);
        struct entry en = {.at = {2, 0}, .create = 2, .version = 1};
        unsigned char bytes[ENTRY_BYTES];
        struct str entry = {(const char *)bytes, sizeof(bytes)};

        if (i == 0)
            en.at.revision = 3; /* another key's */
        else if (i == 1)
            en.at.revision = 9; /* nobody's */
        else if (i == 2)
            en.version = 2;
        else
            entry.len--;
        entry_write(&e->crc, STR("/a"), &en, bytes);
        put_entry(e, STR("/a"), entry);
        assert_int_equal(p.e->ops->get(p.e, STR("/a"), &kv, &err), ERR_PARSE);
        assert_non_null(strstr(err.msg, "damaged entry of /a"));
        assert_ok(p.e->ops->get(p.e, STR("/b"), &kv, &err), &err);
    }
    place_deinit(&p);
}

static void test_file_cut_short_is_an_error(void **state)
{
    (void)state;
    for (off_t cut = 1; cut < 12; cut++) {
        struct place p;
        struct engine *e;
        struct err err = {0};
        char path[128];
        int n = 0, r;

        place_init(&p, true);
        place_open(&p);
        for (int i = 0; i < 50; i++) {
            char key[16], value[3000];

            memset(value, 'v', sizeof(value));
            value[sizeof(value) - 1] = '\0';
            (void)snprintf(key, sizeof(key), "/k%d", i);
            must_put(p.e, 2 + i, key, value);
        }
        must_commit(p.e);
        place_close(&p);
        (void)snprintf(path, sizeof(path), "%s/data.mdb", p.dir);
        assert_int_equal(truncate(path, cut * 4096 * 2 - 100), 0);
        r = engine_lmdb_open(p.dir, &e, &err);
        if (r == 0) {
            r = e->ops->range(e, STR(""), STR_NULL, 0, each_nothing, &n, &err);
            e->ops->close(e);
        }
        assert_true(r == ERR_IO || r == ERR_PARSE);
        place_deinit(&p);
    }
}

/* The map has room for just so many pages more: every place that allocates one meets its end. */
static void test_map_may_end_anywhere(void **state)
{
    (void)state;
    for (size_t room = 0; room < 40; room++) {
        struct place p;
        struct err err = {0};
        struct engine_kv kv;
        MDB_envinfo info;
        MDB_env *env;

        place_init(&p, true);
        place_open(&p);
        for (int i = 0; i < 200; i++)
            must_put(p.e, 2 + i, (const char *[]){"/a", "/b", "/c"}[i % 3], "some value");
        must_commit(p.e);
        assert_ok(lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err), &err);
        env = lmdb_of(p.e)->env;
        assert_int_equal(mdb_env_info(env, &info), 0);
        assert_int_equal(mdb_env_set_mapsize(env, (info.me_last_pgno + 1 + room) * 4096), 0);
        if (room % 2) {
            must_compact(p.e, 201);
            assert_ok(lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err), &err);
            assert_int_equal(mdb_env_info(env, &info), 0);
            assert_int_equal(mdb_env_set_mapsize(env, (info.me_last_pgno + 1) * 4096), 0);
        }
        for (int i = 0; i < 60; i++)
            must_put(p.e, 300 + i, (const char *[]){"/a", "/b", "/d"}[i % 3], "another value");
        must_commit(p.e);
        if (room % 3 == 0)
            assert_ok(lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err), &err);
        assert_ok(p.e->ops->get(p.e, STR("/d"), &kv, &err), &err);
        assert_int_equal(kv.version, 20);
        place_close(&p);
        place_open(&p);
        assert_int_equal(current_of(p.e), 359);
        assert_ok(p.e->ops->get(p.e, STR("/a"), &kv, &err), &err);
        assert_int_equal(kv.version, 87);
        place_deinit(&p);
    }
}

static char *big_value(size_t size, int seed)
{
    char *v = xcalloc(1, size + 1);

    for (size_t i = 0; i < size; i++)
        v[i] = (char)('a' + (i * 7 + (size_t)seed) % 26);
    return v;
}

/* Four times the first map, in one batch; then in many. */
static void test_map_grows_in_the_middle_of_a_batch(void **state)
{
    enum { SIZE = 1 << 20, N = 100 };
    struct place p;
    char key[32];

    (void)state;
    place_init(&p, true);
    place_open(&p);
    for (int i = 0; i < N; i++) {
        char *v = big_value(SIZE, i);

        (void)snprintf(key, sizeof(key), "/big%d", i);
        must_put(p.e, 2 + i, key, v);
        free(v);
    }
    must_commit(p.e);
    place_close(&p);
    place_open(&p);
    assert_int_equal(current_of(p.e), 1 + N);
    for (int i = 0; i < N; i++) {
        char *v = big_value(SIZE, i);
        struct engine_kv kv;
        struct err err = {0};

        (void)snprintf(key, sizeof(key), "/big%d", i);
        assert_ok(p.e->ops->get(p.e, str_from(key), &kv, &err), &err);
        assert_true(str_eq(kv.value, str_from(v)));
        free(v);
    }
    place_deinit(&p);
}

static void test_compacted_space_is_used_again(void **state)
{
    struct place p;
    uint64_t size = 0;
    char *v = big_value(20000, 1);
    int64_t rev = 1;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++)
            must_put(p.e, ++rev, "/k", v);
        must_commit(p.e);
        must_compact(p.e, rev);
        p.e->ops->rest(p.e, 1, false);
        if (round == 4)
            size = p.e->ops->size_bytes(p.e);
    }
    assert_true(p.e->ops->size_bytes(p.e) <= size + (1 << 20));
    free(v);
    place_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_known_values),
        cmocka_unit_test(test_clean_end_goes_on_where_it_was),
        cmocka_unit_test(test_unclean_end_skips_revisions_that_may_have_been_given),
        cmocka_unit_test(test_end_after_a_given_up_batch_skips_revisions),
        cmocka_unit_test(test_second_open_is_refused),
        cmocka_unit_test(test_open_makes_a_private_folder),
        cmocka_unit_test(test_open_says_why_not),
        cmocka_unit_test(test_damaged_value_is_named_and_never_served),
        cmocka_unit_test(test_damaged_key_is_noticed),
        cmocka_unit_test(test_every_flipped_bit_of_a_record_is_found),
        cmocka_unit_test(test_every_flipped_bit_of_the_state_is_found),
        cmocka_unit_test(test_a_store_of_another_format_is_refused),
        cmocka_unit_test(test_every_flipped_bit_of_an_entry_is_found),
        cmocka_unit_test(test_damaged_entry_is_named_by_every_call),
        cmocka_unit_test(test_changed_entry_is_found),
        cmocka_unit_test(test_file_cut_short_is_an_error),
        cmocka_unit_test(test_map_may_end_anywhere),
        cmocka_unit_test(test_map_grows_in_the_middle_of_a_batch),
        cmocka_unit_test(test_compacted_space_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
