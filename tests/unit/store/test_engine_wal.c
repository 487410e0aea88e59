/* The log in front of LMDB: what is in it after an end without close, and when it is damaged. */
#include "base/buf.h"
#include "engines.h"
#include "store/lmdb_internal.h"
#include <sys/wait.h>

enum { BATCHES = 5, SECTOR = 512 };

static int each_to_buf(void *arg, const struct engine_kv *kv)
{
    buf_printf(arg, "%.*s=%.*s@%lld/%lld ", STR_ARG(kv->key), STR_ARG(kv->value),
               (long long)kv->mod_revision, (long long)kv->version);
    return 0;
}

static void check_range(struct engine *e, const char *want)
{
    auto_buf b = {0};
    struct err err = {0};

    assert_ok(e->ops->range(e, STR("/"), STR_NULL, 0, each_to_buf, &b, &err), &err);
    assert_string_equal(buf_cstr(&b), want);
}

/* Each batch is a frame of one sector: a put of its number, and of /b or its deletion. */
static void write_batches(struct engine *e, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        char value[16];

        (void)snprintf(value, sizeof(value), "%d", i);
        must_put(e, 10 * i, "/a", value);
        if (i % 2)
            must_put(e, 10 * i + 1, "/b", "odd");
        else
            must_remove(e, 10 * i + 1, "/b");
        must_commit(e);
    }
}

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

static void write_five(struct place *p)
{
    write_batches(p->e, 1, BATCHES);
}

static void write_around_a_checkpoint(struct place *p)
{
    struct err err = {0};

    write_batches(p->e, 1, 4);
    assert_ok(lmdb_checkpoint(lmdb_of(p->e), &lmdb_of(p->e)->state, &err), &err);
    write_batches(p->e, 5, 2); /* over the first frames: the third and fourth stay behind them */
}

static void flip(const struct place *p, off_t at)
{
    char path[128], c;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/wal", p->dir);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    (void)close(fd);
}

static void test_log_is_replayed(void **state)
{
    struct place p;

    (void)state;
    place_init(&p, true);
    in_dying_process(&p, write_five);
    place_open(&p);
    check_range(p.e, "/a=5@50/5 /b=odd@51/1 ");
    assert_true(current_of(p.e) >= 51 + ENGINE_REVISIONS_AHEAD);
    place_deinit(&p);
}

static void test_frames_of_before_a_checkpoint_are_not_taken(void **state)
{
    struct place p;

    (void)state;
    place_init(&p, true);
    in_dying_process(&p, write_around_a_checkpoint);
    place_open(&p);
    check_range(p.e, "/a=6@60/6 ");
    place_deinit(&p);
}

/* The last frame was being written when the end came: all of it is missing, and nothing else. */
static void test_torn_frame_at_the_end_is_dropped(void **state)
{
    static const off_t in_frame[] = {0, 4, 8, 16, 24, 32, 45, 60, 70};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(in_frame); i++) {
        struct place p;

        place_init(&p, true);
        in_dying_process(&p, write_five);
        flip(&p, (BATCHES - 1) * SECTOR + in_frame[i]);
        place_open(&p);
        check_range(p.e, "/a=4@40/4 ");
        write_batches(p.e, 1001, 1); /* and the log is used again */
        place_close(&p);
        place_open(&p);
        check_range(p.e, "/a=1001@10010/5 /b=odd@10011/1 ");
        place_deinit(&p);
    }
}

/* A frame in front of others was acknowledged: without it there is no going on. */
static void test_damaged_log_is_an_error(void **state)
{
    (void)state;
    for (int frame = 0; frame < BATCHES - 1; frame++) {
        struct place p;
        struct err err = {0};

        place_init(&p, true);
        in_dying_process(&p, write_five);
        flip(&p, frame * SECTOR + 50);
        assert_int_equal(engine_lmdb_open(p.dir, &p.e, &err), ERR_PARSE);
        assert_non_null(strstr(err.msg, p.dir));
        assert_non_null(strstr(err.msg, "its log is damaged"));
        p.e = NULL;
        flip(&p, frame * SECTOR + 50); /* mended: nothing was written over */
        place_open(&p);
        check_range(p.e, "/a=5@50/5 /b=odd@51/1 ");
        place_deinit(&p);
    }
}

/* Reads between commits, and after a batch that was given up, see what was committed. */
static void test_reads_see_what_the_log_has(void **state)
{
    struct place p;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    write_batches(p.e, 1, 3);
    check_range(p.e, "/a=3@30/3 /b=odd@31/1 ");
    must_put(p.e, 40, "/a", "given up");
    p.e->ops->abort(p.e);
    check_range(p.e, "/a=3@30/3 /b=odd@31/1 ");
    write_batches(p.e, 4, 1);
    check_range(p.e, "/a=4@40/4 ");
    must_compact(p.e, 40);
    check_range(p.e, "/a=4@40/4 ");
    place_deinit(&p);
}

static void must_restore(struct engine *e, const char *key, int64_t mod, int64_t version)
{
    struct err err = {0};

    assert_ok(e->ops->restore(e,
                              &(struct engine_kv){.key = str_from(key),
                                                  .value = STR("old"),
                                                  .mod_revision = mod,
                                                  .create_revision = 3,
                                                  .version = version,
                                                  .lease = 7},
                              &err),
              &err);
}

static void restore_two(struct place *p)
{
    must_restore(p->e, "/a", 10, 6);
    must_note(p->e, "n", "value");
    must_restore(p->e, "/b", 11, 7);
    must_commit(p->e);
    must_put(p->e, 12, "/a", "new");
    must_commit(p->e);
}

/* What was restored is so again when it is done again: after a batch that was given up, and after
 * an end without close. */
static void test_restored_keys_are_in_the_log(void **state)
{
    struct place p;
    struct engine_kv kv;
    struct err err = {0};

    (void)state;
    place_init(&p, true);
    in_dying_process(&p, restore_two);
    place_open(&p);
    check_range(p.e, "/a=new@12/7 /b=old@11/7 ");
    place_deinit(&p);

    place_init(&p, true);
    place_open(&p);
    restore_two(&p);
    must_restore(p.e, "/c", 13, 1);
    assert_int_equal(p.e->ops->restore(p.e,
                                       &(struct engine_kv){.key = STR("/a"), .mod_revision = 14,
                                                           .create_revision = 1, .version = 1},
                                       &err),
                     ERR_EXISTS);
    p.e->ops->abort(p.e);
    check_range(p.e, "/a=new@12/7 /b=old@11/7 ");
    assert_ok(p.e->ops->get(p.e, STR("/b"), &kv, &err), &err);
    assert_int_equal(kv.create_revision, 3);
    assert_int_equal(kv.lease, 7);
    assert_int_equal(current_of(p.e), 12);
    place_deinit(&p);
}

/* Writes @n values of 10,000 bytes, a batch each; rests after each if @rest. */
static void write_long(struct place *p, int64_t first, int n, bool rest)
{
    char value[10000];

    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < n; i++) {
        must_put(p->e, first + i, "/k", value);
        must_commit(p->e);
        if (rest)
            p->e->ops->rest(p->e, 1, false);
    }
}

static off_t log_bytes(const struct place *p)
{
    char path[128];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/wal", p->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    return st.st_size;
}

/* The log has a limit, whatever is written, and is short after the end. */
static void test_log_is_checkpointed(void **state)
{
    const int limit = 4 * WAL_CHECKPOINT_BYTES;
    struct place p;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    lmdb_of(p.e)->checkpoint_bytes = (size_t)limit;
    write_long(&p, 2, 1500, true); /* 15 MB */
    assert_in_range(log_bytes(&p), limit, 2 * limit);
    write_long(&p, 1502, 1500, false); /* nobody lets it rest: twice as long */
    assert_in_range(log_bytes(&p), 2 * limit, 4 * limit);
    place_close(&p);
    assert_int_equal(log_bytes(&p), WAL_CHECKPOINT_BYTES);
    place_open(&p);
    assert_int_equal(lmdb_of(p.e)->current, 3001);
    place_deinit(&p);
}

/* A log that has grown is kept while more may come, and gives its memory back when nothing does. */
static void test_log_rests(void **state)
{
    struct place p;
    const struct engine_lmdb *e;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    e = lmdb_of(p.e);
    write_long(&p, 2, 20, true);
    p.e->ops->rest(p.e, 1, true);
    assert_int_equal(e->ops_done, 20); /* not worth it */
    write_long(&p, 22, 80, true);
    assert_int_equal(e->ops_done, 100);
    p.e->ops->rest(p.e, 1, true);
    assert_int_equal(e->ops_done, 0);
    assert_int_equal(e->log.cap, 0);
    must_put(p.e, 200, "/b", "after");
    must_remove(p.e, 201, "/k");
    must_commit(p.e);
    check_range(p.e, "/b=after@200/1 ");
    place_deinit(&p);
}

/* Compaction works within the transaction; small batches do not leave it open for long. */
static void test_what_compaction_changed_does_not_stay_in_memory(void **state)
{
    struct place p;

    (void)state;
    place_init(&p, true);
    place_open(&p);
    for (int i = 0; i < 2000; i++) {
        must_put(p.e, 2 + i, "/k", "v");
        must_commit(p.e);
    }
    must_compact(p.e, 2001);
    assert_non_null(lmdb_of(p.e)->txn);
    must_put(p.e, 2002, "/k", "v");
    must_commit(p.e);
    p.e->ops->rest(p.e, 1, false);
    assert_null(lmdb_of(p.e)->txn);
    assert_int_equal(lmdb_of(p.e)->state.scanned, 2001);
    place_close(&p);
    place_open(&p);
    check_range(p.e, "/k=v@2002/2001 ");
    place_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_is_replayed),
        cmocka_unit_test(test_frames_of_before_a_checkpoint_are_not_taken),
        cmocka_unit_test(test_torn_frame_at_the_end_is_dropped),
        cmocka_unit_test(test_damaged_log_is_an_error),
        cmocka_unit_test(test_reads_see_what_the_log_has),
        cmocka_unit_test(test_restored_keys_are_in_the_log),
        cmocka_unit_test(test_log_is_checkpointed),
        cmocka_unit_test(test_what_compaction_changed_does_not_stay_in_memory),
        cmocka_unit_test(test_log_rests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
