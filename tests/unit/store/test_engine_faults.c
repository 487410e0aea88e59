/* Every I/O call of the LMDB engine fails once: the n-th, for k calls, with or without having
 * had its effect. A commit that reports an error leaves nothing behind; later ones work. */
#include "base/buf.h"
#include "engines.h"
#include "store/lmdb_internal.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

struct fault {
    int after, times; /* calls that pass first; calls that fail then */
    int error;        /* FAULT_DIE: the process ends instead */
    bool effect; /* the first failing call does its work all the same */
    int hits;
};
enum { FAULT_DIE = -1 };
static struct fault fault; /* the calls below have no argument for it */

static bool fails(bool *ret_effect)
{
    if (fault.times == 0 || fault.after-- > 0)
        return false;
    if (fault.error == FAULT_DIE && !fault.effect)
        _exit(0);
    *ret_effect = fault.effect && fault.hits == 0;
    fault.hits++;
    fault.times--;
    fault.after = 0;
    return true;
}

static int failed(void)
{
    if (fault.error == FAULT_DIE)
        _exit(0);
    errno = fault.error;
    return -1;
}

/* These stand before libc's: LMDB calls the first, the log, with large files, the second. */
static bool meta_fails; /* the next synchronous write: LMDB's meta page's */
ssize_t io_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t io_pwrite(int fd, const void *p, size_t n, off_t at)
{
    bool effect;

    if (meta_fails && (fcntl(fd, F_GETFL) & O_DSYNC)) {
        meta_fails = false;
        return errno = EIO, -1;
    }
    if (!fails(&effect))
        return syscall(SYS_pwrite64, fd, p, n, at);
    if (effect)
        (void)!syscall(SYS_pwrite64, fd, p, n, at);
    return failed();
}

ssize_t io_pwrite64(int fd, const void *p, size_t n, off_t at) __asm__("pwrite64");
ssize_t io_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return io_pwrite(fd, p, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    bool effect;

    if (!fails(&effect))
        return syscall(SYS_writev, fd, v, n);
    return failed();
}

/* LMDB's for a copy, in a thread of its own that it waits for. */
ssize_t write(int fd, const void *p, size_t n)
{
    bool effect;

    if (fd <= STDERR_FILENO || !fails(&effect))
        return syscall(SYS_write, fd, p, n);
    if (effect)
        (void)!syscall(SYS_write, fd, p, n / 2);
    return failed();
}

/* The machine does not fail here: nothing need reach its disk. */
int fdatasync(int fd)
{
    bool effect;

    (void)fd;
    return fails(&effect) ? failed() : 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

int rename(const char *from, const char *to)
{
    bool effect;

    if (!fails(&effect))
        return (int)syscall(SYS_rename, from, to);
    if (effect)
        (void)!syscall(SYS_rename, from, to);
    return failed();
}

/* LMDB's map of its file. */
static bool no_maps;
void *io_mmap(void *at, size_t n, int prot, int flags, int fd, off_t from) __asm__("mmap");
void *io_mmap(void *at, size_t n, int prot, int flags, int fd, off_t from)
{
    if (no_maps && fd >= 0) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, from);
}

static int each_to_buf(void *arg, const struct engine_kv *kv)
{
    buf_printf(arg, "%.*s=%.*s@%lld/%lld/%lld ", STR_ARG(kv->key), STR_ARG(kv->value),
               (long long)kv->mod_revision, (long long)kv->create_revision,
               (long long)kv->version);
    return 0;
}

static void check_range(struct engine *e, int64_t revision, const char *want)
{
    auto_buf b = {0};
    struct err err = {0};
    int r = e->ops->range(e, STR("/"), STR_NULL, revision, each_to_buf, &b, &err);

    if (r == ERR_IO && fault.hits) /* not usable until the next write has mended it */
        return;
    assert_ok(r, &err);
    assert_string_equal(buf_cstr(&b), want);
}

static int note_to_buf(void *arg, struct str name, struct str value)
{
    buf_printf(arg, "%.*s=%.*s ", STR_ARG(name), STR_ARG(value));
    return 0;
}

static void check_notes(struct engine *e, const char *want)
{
    auto_buf b = {0};
    struct err err = {0};
    int r = e->ops->notes(e, STR("n/"), note_to_buf, &b, &err);

    if (r == ERR_IO && fault.hits)
        return;
    assert_ok(r, &err);
    assert_string_equal(buf_cstr(&b), want);
}

static const char *const notes_before = "n/gone=1 n/kept=1 ";
static const char *const notes_after = "n/kept=3 n/new= ";

/* Notes are part of a batch that may fail, and of none that follows it. */
static int try_notes(struct engine *e, struct err *err)
{
    int r = e->ops->note(e, STR("n/kept"), STR("2"), err);

    if (r == 0)
        r = e->ops->note(e, STR("n/new"), STR(""), err);
    if (r == 0)
        r = e->ops->note(e, STR("n/kept"), STR("3"), err);
    return r < 0 ? r : e->ops->note(e, STR("n/gone"), STR_NULL, err);
}

static int try_batch(struct engine *e, bool notes, struct err *err)
{
    int r = e->ops->put(e, 4, STR("/a"), STR("new"), 0, err);

    if (r == 0 && notes)
        r = try_notes(e, err);

    if (r == 0)
        r = e->ops->put(e, 5, STR("/c"), STR("new"), 0, err);
    if (r == 0)
        r = e->ops->remove(e, 6, STR("/b"), err);
    if (r == 0)
        r = e->ops->put(e, 7, STR("/a"), STR("newer"), 0, err);
    if (r == 0)
        return e->ops->commit(e, err);
    e->ops->abort(e);
    return r;
}

/* What the notes are afterwards. */
static const char *write_through(struct place *p)
{
    for (int tries = 0;; tries++) {
        struct err err = {0};
        int r = try_batch(p->e, tries == 0, &err);

        if (r == 0) {
            assert_int_equal(current_of(p->e), 7);
            return tries == 0 ? notes_after : notes_before;
        }
        assert_int_equal(r, ERR_IO);
        assert_true(err.msg[0] != '\0');
        assert_true(tries < 20);
        assert_int_equal(current_of(p->e), 3);
        check_range(p->e, 0, "/a=1@2/2/1 /b=1@3/3/1 ");
        check_notes(p->e, notes_before);
    }
}

static void compact_through(struct place *p)
{
    for (int tries = 0; tries < 20; tries++) {
        struct err err = {0};
        bool more;
        int r = p->e->ops->compact(p->e, 7, &more, &err);

        if (r == 0 && lmdb_checkpoint(lmdb_of(p->e), &lmdb_of(p->e)->state, &err) == 0)
            return;
    }
    fail_msg("compaction never works again");
}

static const char *const after = "/a=newer@7/2/3 /c=new@5/5/1 ";

/* True if the fault was reached. */
static bool one_case(struct fault f, size_t checkpoint_bytes)
{
    const char *notes;
    struct place p;
    bool hit;

    fault = (struct fault){0};
    place_init(&p, true);
    place_open(&p);
    lmdb_of(p.e)->checkpoint_bytes = checkpoint_bytes;
    must_put(p.e, 2, "/a", "1");
    must_put(p.e, 3, "/b", "1");
    must_note(p.e, "n/kept", "1");
    must_note(p.e, "n/gone", "1");
    must_commit(p.e);
    fault = f;
    notes = write_through(&p);
    hit = fault.hits > 0;
    check_range(p.e, 0, after);
    check_range(p.e, 3, "/a=1@2/2/1 /b=1@3/3/1 ");
    check_range(p.e, 4, "/a=new@4/2/2 /b=1@3/3/1 ");
    fault = (struct fault){0};
    place_close(&p);
    place_open(&p);
    assert_int_equal(current_of(p.e), 7);
    check_range(p.e, 0, after);
    check_notes(p.e, notes);
    fault = f;
    compact_through(&p);
    fault = (struct fault){0};
    check_range(p.e, 0, after);
    place_close(&p);
    place_open(&p);
    check_range(p.e, 0, after);
    place_deinit(&p);
    return hit;
}

/* With a checkpoint far away, and with one at each commit. */
static void sweep(int error, bool effect)
{
    for (int i = 0; i < 8; i++) {
        int n = 0;
        struct fault f = {.times = 1 + i / 2, .error = error, .effect = effect};

        do {
            f.after = n++;
        } while (one_case(f, i % 2 ? 1 : WAL_CHECKPOINT_BYTES));
        assert_true(n > (i % 2 ? 4 : 2)); /* the frame, its sync; pages, sync, meta page */
    }
}

static void test_full_disk(void **state)
{
    (void)state;
    sweep(ENOSPC, false);
}

static void test_io_errors(void **state)
{
    (void)state;
    sweep(EIO, false);
}

static void test_io_errors_of_writes_that_took_place(void **state)
{
    (void)state;
    sweep(EIO, true);
}

/* An end in the middle of trouble: nothing acknowledged is lost, nothing is half there, and no
 * revision comes twice. */
static void test_close_after_a_failed_commit_skips_revisions(void **state)
{
    (void)state;
    for (int n = 0; n < 4; n++) {
        struct place p;
        struct err err = {0};

        fault = (struct fault){0};
        place_init(&p, true);
        place_open(&p);
        must_put(p.e, 2, "/a", "1");
        must_put(p.e, 3, "/b", "1");
        must_commit(p.e);
        fault = (struct fault){.after = n, .times = 1000, .error = EIO};
        if (try_batch(p.e, false, &err) == 0) { /* n is behind the last call */
            fault = (struct fault){0};
            place_deinit(&p);
            assert_true(n >= 2);
            continue;
        }
        place_close(&p);
        fault = (struct fault){0};
        place_open(&p);
        assert_true(current_of(p.e) >= 3 + ENGINE_REVISIONS_AHEAD);
        /* Written, not synced, and from then on nothing could be written: it is found, whole. */
        check_range(p.e, 0, n == 1 ? after : "/a=1@2/2/1 /b=1@3/3/1 ");
        place_deinit(&p);
    }
}

static void expect_all_fail(struct engine *e)
{
    struct err err = {0};
    struct engine_kv kv;
    int64_t n;

    assert_int_equal(e->ops->count(e, STR(""), STR_NULL, 0, &n, &err), ERR_IO);
    assert_int_equal(e->ops->get(e, STR("/a"), &kv, &err), ERR_IO);
    assert_int_equal(e->ops->range(e, STR("/"), STR_NULL, 0, NULL, NULL, &err), ERR_IO);
    assert_int_equal(e->ops->put(e, 90, STR("/a"), STR("1"), 0, &err), ERR_IO);
    e->ops->abort(e);
    e->ops->rest(e, 100000, true);
    (void)e->ops->size_bytes(e);
    (void)e->ops->used_bytes(e);
}

/* No room for a larger map: LMDB has unmapped the old one then. */
static void test_map_that_cannot_grow(void **state)
{
    auto_buf value = {0};
    struct err err = {0};
    struct place p;
    int r = 0, n = 0;

    (void)state;
    fault = (struct fault){0};
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/a", "1");
    must_commit(p.e);
    while (value.len < 1 << 20)
        buf_str(&value, STR("0123456789abcdef"));
    no_maps = true;
    while (r == 0 && n++ < 100) /* more than the map at first */
        r = p.e->ops->put(p.e, 2 + n, STR("/big"), buf_view(&value), 0, &err);
    assert_int_equal(r, ERR_IO);
    assert_non_null(strstr(err.msg, "grow the map: Cannot allocate memory"));
    p.e->ops->abort(p.e);
    expect_all_fail(p.e);
    no_maps = false;
    check_range(p.e, 0, "/a=1@2/2/1 ");
    must_put(p.e, 3, "/a", "2");
    must_commit(p.e);
    check_range(p.e, 0, "/a=2@3/2/2 ");
    place_deinit(&p);
}

/* LMDB's meta page could not be written, so that it has to be opened anew, and that fails, too.
 * Much was read before: its pages wait to be given back. */
static void test_environment_that_cannot_be_opened_again(void **state)
{
    auto_buf value = {0};
    struct err err = {0};
    struct engine_kv kv;
    struct place p;

    (void)state;
    fault = (struct fault){0};
    place_init(&p, true);
    place_open(&p);
    while (value.len < 5 << 20)
        buf_str(&value, STR("0123456789abcdef"));
    must_put(p.e, 2, "/big", buf_cstr(&value));
    must_commit(p.e);
    assert_ok(p.e->ops->get(p.e, STR("/big"), &kv, &err), &err);
    meta_fails = no_maps = true;
    assert_int_equal(lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err), ERR_IO);
    assert_false(meta_fails);
    expect_all_fail(p.e);
    no_maps = false;
    assert_ok(p.e->ops->get(p.e, STR("/big"), &kv, &err), &err);
    assert_true(str_eq(kv.value, buf_view(&value)));
    must_put(p.e, 3, "/a", "1");
    must_commit(p.e);
    place_deinit(&p);
}

static void test_open_reports_errors(void **state)
{
    struct place p;
    struct engine *e;
    int n = 0;

    (void)state;
    place_init(&p, true);
    for (;; n++) {
        struct err err = {0};
        int r;

        fault = (struct fault){.after = n, .times = 1000, .error = EIO};
        r = engine_lmdb_open(p.dir, &e, &err);
        fault = (struct fault){0};
        if (r == 0)
            break;
        assert_int_equal(r, ERR_IO);
        assert_true(n < 100);
    }
    assert_true(n > 2);
    e->ops->close(e);
    place_open(&p);
    assert_int_equal(p.e->ops->get(p.e, STR("/a"), NULL, NULL), ERR_NOT_FOUND);
    place_deinit(&p);
}

/* The log takes what LMDB's file does not: that is known at once, not when the log is full. */
static void test_failed_checkpoint_is_trouble_until_one_works(void **state)
{
    struct place p;

    (void)state;
    fault = (struct fault){0};
    place_init(&p, true);
    place_open(&p);
    must_put(p.e, 2, "/a", "1");
    must_commit(p.e);
    assert_null(p.e->ops->trouble(p.e));
    lmdb_of(p.e)->checkpoint_bytes = 2048;
    for (int i = 3; i < 7; i++) { /* a frame each: after the fourth of them it is time */
        fault = (struct fault){.after = 2, .times = 1000, .error = ENOSPC};
        must_put(p.e, i, "/a", "1");
        must_commit(p.e);
        p.e->ops->rest(p.e, 1, false);
        fault = (struct fault){0};
        if (i < 5)
            assert_null(p.e->ops->trouble(p.e));
        else
            assert_non_null(strstr(p.e->ops->trouble(p.e), "checkpoint: No space left"));
    }
    must_put(p.e, 7, "/a", "1");
    must_commit(p.e);
    p.e->ops->rest(p.e, CHECKPOINT_MS, false); /* too early for another try */
    assert_non_null(p.e->ops->trouble(p.e));
    p.e->ops->rest(p.e, CHECKPOINT_MS + 1, false);
    assert_null(p.e->ops->trouble(p.e));
    place_deinit(&p);
}

/* ---- defragmentation ---- */

enum { FAT_KEYS = 20, FAT_ROUNDS = 8 };

/* Much was written over and forgotten; something in the log, which LMDB's file has not got yet. */
static void make_fat(struct place *p)
{
    char key[16], value[4096];
    struct err err = {0};

    fault = (struct fault){0};
    place_init(p, true);
    place_open(p);
    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < FAT_KEYS * FAT_ROUNDS; i++) {
        (void)snprintf(key, sizeof(key), "/%d", i % FAT_KEYS);
        (void)snprintf(value, 8, "%d", i);
        value[strlen(value)] = ' ';
        must_put(p->e, 2 + i, key, value);
    }
    must_note(p->e, "n/kept", "1");
    must_commit(p->e);
    assert_ok(lmdb_checkpoint(lmdb_of(p->e), &lmdb_of(p->e)->state, &err), &err);
    must_compact(p->e, FAT_KEYS * FAT_ROUNDS + 1);
    assert_ok(lmdb_checkpoint(lmdb_of(p->e), &lmdb_of(p->e)->state, &err), &err);
    must_put(p->e, 1000, "/0", "last");
    must_put(p->e, 1001, "/new", "last");
    must_commit(p->e);
}

static void print_fat(struct engine *e, struct buf *out)
{
    struct err err = {0};

    assert_ok(e->ops->range(e, STR("/"), STR_NULL, 0, each_to_buf, out, &err), &err);
    assert_ok(e->ops->range(e, STR("/"), STR_NULL, 1000, each_to_buf, out, &err), &err);
    assert_ok(e->ops->changes(e, FAT_KEYS * FAT_ROUNDS + 1, INT64_MAX, each_to_buf, out, &err),
              &err);
    assert_ok(e->ops->notes(e, STR("n/"), note_to_buf, out, &err), &err);
}

static void check_fat(struct engine *e, const struct buf *want)
{
    auto_buf b = {0};

    print_fat(e, &b);
    assert_int_equal(b.len, want->len);
    assert_memory_equal(b.p, want->p, want->len);
}

/* Writing goes on, into the file that is there. */
static void write_more(struct engine *e, int64_t revision, struct buf *ret_want)
{
    struct err err = {0};

    must_put(e, revision, "/more", "more");
    must_commit(e);
    assert_ok(lmdb_checkpoint(lmdb_of(e), &lmdb_of(e)->state, &err), &err);
    must_put(e, revision + 1, "/more", "most");
    must_commit(e);
    ret_want->len = 0;
    print_fat(e, ret_want);
}

static void check_folder(const struct place *p)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/new.mdb", p->dir);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_defragmented_file_is_small_and_has_it_all(void **state)
{
    struct place p;
    struct err err = {0};
    auto_buf want = {0};
    uint64_t before, used;

    (void)state;
    make_fat(&p);
    print_fat(p.e, &want);
    before = p.e->ops->size_bytes(p.e) - lmdb_of(p.e)->wal_bytes;
    used = p.e->ops->used_bytes(p.e);
    assert_true(before > 5 * used);
    for (int i = 0; i < 3; i++) {
        assert_ok(p.e->ops->defragment(p.e, &err), &err);
        assert_in_range(p.e->ops->size_bytes(p.e) - lmdb_of(p.e)->wal_bytes, used / 2,
                        used + used / 4);
        check_folder(&p);
        check_fat(p.e, &want);
        write_more(p.e, 2000 + 10 * i, &want);
    }
    place_close(&p);
    place_open(&p);
    check_fat(p.e, &want);
    place_deinit(&p);
}

/* True if the fault was reached. */
static bool defragment_through(struct fault f)
{
    struct place p;
    struct err err = {0};
    auto_buf want = {0};
    bool hit;
    int r;

    make_fat(&p);
    print_fat(p.e, &want);
    fault = f;
    r = p.e->ops->defragment(p.e, &err);
    hit = fault.hits > 0;
    fault = (struct fault){0};
    assert_true(hit || r == 0);
    if (r < 0) {
        assert_int_equal(r, ERR_IO);
        assert_true(err.msg[0] != '\0');
    }
    check_folder(&p);
    check_fat(p.e, &want);
    write_more(p.e, 2000, &want);
    check_fat(p.e, &want);
    assert_ok(p.e->ops->defragment(p.e, &err), &err);
    place_close(&p);
    place_open(&p);
    check_fat(p.e, &want);
    place_deinit(&p);
    return hit;
}

static void test_defragmentation_that_fails_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fault f = {.times = i % 2 ? 1 : 3, .error = i % 2 ? EIO : ENOSPC, .effect = i >= 2};
        int n = 0;

        do {
            f.after = n++;
        } while (defragment_through(f));
        assert_true(n > 6); /* checkpoint, copy, its sync, rename, the folder's sync */
    }
}

/* The process ends at the n-th call; before it, or when it is done. */
static bool die_within(int n, bool effect)
{
    struct place p;
    auto_buf want = {0};
    pid_t pid;
    int status;

    make_fat(&p);
    print_fat(p.e, &want);
    place_close(&p);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        place_open(&p);
        must_put(p.e, 3000, "/0", "in the log");
        must_commit(p.e);
        fault = (struct fault){.after = n, .times = 1, .error = FAULT_DIE, .effect = effect};
        _exit(p.e->ops->defragment(p.e, NULL) == 0 ? 1 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    place_open(&p);
    must_put(p.e, current_of(p.e) + 1, "/0", "last"); /* as before, but for its revision */
    must_commit(p.e);
    check_folder(&p);
    write_more(p.e, current_of(p.e) + 1, &want);
    assert_non_null(strstr(buf_cstr(&want), "/0=in the log@3000/"));
    assert_non_null(strstr(buf_cstr(&want), "/19=159 v"));
    assert_non_null(strstr(buf_cstr(&want), "n/kept=1 "));
    place_close(&p);
    place_open(&p);
    check_fat(p.e, &want);
    place_deinit(&p);
    return WEXITSTATUS(status) == 0;
}

static void test_end_within_a_defragmentation_loses_nothing(void **state)
{
    (void)state;
    for (int effect = 0; effect < 2; effect++) {
        int n = 0;

        while (die_within(n, effect))
            n++;
        assert_true(n > 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_io_errors),
        cmocka_unit_test(test_io_errors_of_writes_that_took_place),
        cmocka_unit_test(test_close_after_a_failed_commit_skips_revisions),
        cmocka_unit_test(test_map_that_cannot_grow),
        cmocka_unit_test(test_environment_that_cannot_be_opened_again),
        cmocka_unit_test(test_open_reports_errors),
        cmocka_unit_test(test_failed_checkpoint_is_trouble_until_one_works),
        cmocka_unit_test(test_defragmented_file_is_small_and_has_it_all),
        cmocka_unit_test(test_defragmentation_that_fails_changes_nothing),
        cmocka_unit_test(test_end_within_a_defragmentation_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
