/* The power fails while the store writes, again and again, at any of its calls to the disk. What
 * was not synced is lost in part: sectors keep what they held before, files their size and their
 * names, at random.
 * Afterwards: what was acknowledged is there, transactions are whole, no revision comes twice, and
 * watches go on without gap or repeat, or are told to begin anew.
 *
 * POWER_CUT_ROUNDS and POWER_CUT_SEED in the environment make it longer, or another one. */
#include "base/random.h"
#include "store/lmdb_internal.h"
#include "store/raw.h"
#include "stores.h"
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { ROUNDS = 200, SLOTS = 6, KEYS = 20, SECTOR = 512, FILES = 32, CALLS = 400 };
enum meta_fault { /* of the next synchronous write: LMDB's meta page's. It reports an error, ... */
    META_FINE,
    META_WRITTEN,      /* ... but has reached the disk */
    META_ONLY_IN_CACHE /* ... has reached the kernel's cache, where LMDB can't take it back */
};

/* ---- the disk ---- */

struct sector { /* written since the last sync, and what it held then */
    uint64_t at;
    char old[SECTOR];
};
struct file {
    ino_t ino;
    off_t synced_bytes;
    VEC(struct sector) lost;
};
struct disk {
    bool on;
    struct random *rnd;
    int calls_left;
    enum meta_fault meta;
    bool fail_next_sync, fail_next_write, lose_all;
    int fds[FILES]; /* one of each file, to write it back */
    struct file files[FILES];
    size_t n;
    char renamed[128], before[128]; /* since the folder's last sync: the name, and what had it */
};
static struct disk disk; /* the calls below have no argument for it; the child's, one thread */

static struct file *file_of(int fd)
{
    char path[32];
    struct stat st;
    struct file *f;

    if (fstat(fd, &st))
        _exit(20);
    if (!S_ISREG(st.st_mode))
        return NULL;
    for (size_t i = 0; i < disk.n; i++)
        if (disk.files[i].ino == st.st_ino)
            return &disk.files[i];
    if (disk.n == FILES)
        _exit(21);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    disk.fds[disk.n] = open(path, O_RDWR | O_CLOEXEC); /* LMDB's for its meta pages only writes */
    if (disk.fds[disk.n] < 0)
        _exit(24);
    f = &disk.files[disk.n++];
    f->ino = st.st_ino;
    f->synced_bytes = st.st_size;
    return f;
}

static void keep_old(int fd, off_t at, size_t n)
{
    struct file *f = file_of(fd);

    for (uint64_t i = (uint64_t)at / SECTOR; i <= ((uint64_t)at + n - 1) / SECTOR; i++) {
        struct sector s = {.at = i * SECTOR};
        bool known = false;

        for (size_t j = 0; j < f->lost.n && !known; j++)
            known = f->lost.v[j].at == s.at;
        if (known)
            continue;
        if (syscall(SYS_pread64, disk.fds[f - disk.files], s.old, SECTOR, s.at) < 0)
            _exit(25);
        vec_push(&f->lost, s);
    }
}

/* A synchronous write: its sectors are safe, and a file as long as that. */
static void written_safely(int fd, off_t at, size_t n)
{
    struct file *f = file_of(fd);
    uint64_t from = (uint64_t)at / SECTOR * SECTOR, end = (uint64_t)at + n;

    for (size_t i = f->lost.n; i-- > 0;)
        if (f->lost.v[i].at >= from && f->lost.v[i].at < end)
            vec_swap_remove(&f->lost, i);
    f->synced_bytes = MAX(f->synced_bytes, (off_t)end);
}

static void folder_synced(void)
{
    if (disk.before[0] && unlink(disk.before))
        _exit(27);
    disk.before[0] = '\0';
}

static void synced(int fd)
{
    struct file *f = file_of(fd);
    struct stat st;

    if (!f) {
        folder_synced();
        return;
    }
    if (fstat(fd, &st))
        _exit(22);
    f->synced_bytes = st.st_size;
    f->lost.n = 0;
}

/* The files become what a disk may hold after the power failed now. */
static void cut(void)
{
    for (size_t i = 0; i < disk.n; i++) {
        struct file *f = &disk.files[i];
        /* All, none, or sector by sector. */
        uint64_t keep = disk.lose_all ? 1 : random_below(disk.rnd, 4);

        for (size_t j = 0; j < f->lost.n; j++)
            if (keep == 1 || (keep > 1 && random_below(disk.rnd, 2)))
                (void)!syscall(SYS_pwrite64, disk.fds[i], f->lost.v[j].old, SECTOR,
                               f->lost.v[j].at);
        /* Without its new size, or the last sector not as long as it was written back. */
        if (!disk.lose_all && random_below(disk.rnd, 2) &&
            syscall(SYS_ftruncate, disk.fds[i], f->synced_bytes))
            _exit(23);
    }
    if (disk.before[0] &&
        (random_below(disk.rnd, 2) ? syscall(SYS_rename, disk.before, disk.renamed)
                                   : unlink(disk.before)))
        _exit(28);
    _exit(0);
}

/* True: the power fails at this call. */
static bool due(void)
{
    return disk.on && disk.calls_left-- <= 0;
}

static bool is_synchronous(int fd)
{
    return (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
}

static ssize_t meta_write_fails(int fd, const void *p, size_t n, off_t at)
{
    if (disk.meta == META_ONLY_IN_CACHE)
        keep_old(fd, at, n);
    if (syscall(SYS_pwrite64, fd, p, n, at) != (ssize_t)n)
        _exit(29);
    if (disk.meta == META_WRITTEN)
        written_safely(fd, at, n);
    disk.fail_next_write = disk.meta == META_ONLY_IN_CACHE;
    disk.meta = META_FINE;
    errno = EIO;
    return -1;
}

ssize_t io_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t io_pwrite(int fd, const void *p, size_t n, off_t at)
{
    bool now;
    ssize_t r;

    if (disk.meta && is_synchronous(fd))
        return meta_write_fails(fd, p, n, at);
    if (disk.fail_next_write) {
        disk.fail_next_write = false;
        errno = EIO;
        return -1;
    }
    now = due();
    if (disk.on && n && (now || !is_synchronous(fd)))
        keep_old(fd, at, n);
    r = syscall(SYS_pwrite64, fd, p, n, at);
    if (now)
        cut();
    if (disk.on && r > 0 && is_synchronous(fd))
        written_safely(fd, at, (size_t)r);
    return r;
}

ssize_t io_pwrite64(int fd, const void *p, size_t n, off_t at) __asm__("pwrite64");
ssize_t io_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return io_pwrite(fd, p, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    size_t bytes = 0;
    bool now;
    ssize_t r;

    if (!disk.on || at < 0)
        return syscall(SYS_writev, fd, v, n);
    now = due();
    for (int i = 0; i < n; i++)
        bytes += v[i].iov_len;
    keep_old(fd, at, bytes);
    r = syscall(SYS_writev, fd, v, n);
    if (now)
        cut();
    return r;
}

/* The file that had the name until now keeps another, until the folder is synced. */
int rename(const char *from, const char *to)
{
    if (due())
        cut();
    if (disk.on) {
        (void)snprintf(disk.renamed, sizeof(disk.renamed), "%s", to);
        (void)snprintf(disk.before, sizeof(disk.before), "%s.before", to);
        if (syscall(SYS_link, to, disk.before)) /* a name that is new */
            disk.before[0] = '\0';
    }
    return (int)syscall(SYS_rename, from, to);
}

/* LMDB's, for a copy; what is no file passes. */
ssize_t write(int fd, const void *p, size_t n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    bool now;
    ssize_t r;

    if (!disk.on || !file_of(fd))
        return syscall(SYS_write, fd, p, n);
    now = due();
    keep_old(fd, at, n);
    r = syscall(SYS_write, fd, p, n);
    if (now)
        cut();
    return r;
}

static int sync_call(long nr, int fd)
{
    int r;

    if (disk.fail_next_sync) {
        disk.fail_next_sync = false;
        disk.fail_next_write = true; /* what would take the frame back */
        errno = EIO;
        return -1;
    }
    if (due())
        cut();
    r = (int)syscall(nr, fd);
    if (disk.on && r == 0)
        synced(fd);
    return r;
}

int fdatasync(int fd)
{
    return sync_call(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_call(SYS_fsync, fd);
}

/* ---- the writer ---- */

struct ack {
    int64_t revision, value;
    int32_t key, lazy;
};
struct slot { /* a transaction that writes two objects */
    struct store_txn txn;
    struct store_op ops[2];
    struct ack ack;
};
struct child {
    struct fixture f;
    struct raw_txn defragment;
    int defragment_left; /* so many transactions until then; 0: not at all */
    struct slot slots[SLOTS];
    int64_t next_value;
    int pipe;
};

static void child_next(struct child *c, int slot);

static int defragment_run(struct raw *raw, void *arg, struct err *err)
{
    (void)arg;
    return raw_defragment(raw, err);
}

static void defragment_done(struct raw_txn *txn)
{
    struct child *c = txn->arg;

    if (txn->code)
        _exit(6);
    c->defragment_left = 10;
}

/* Now and then, among the others. */
static void child_defragment(struct child *c)
{
    if (!c->defragment_left || --c->defragment_left)
        return;
    c->defragment = (struct raw_txn){
        .run = defragment_run, .on_done = defragment_done, .loop = c->f.loop, .arg = c};
    raw_commit(c->f.st, &c->defragment);
}

static void child_done(struct store_txn *txn)
{
    struct child *c = txn->arg;
    int slot = (int)(container_of(txn, struct slot, txn) - c->slots);
    struct ack *a = &c->slots[slot].ack;

    if (txn->code)
        _exit(3);
    a->revision = txn->revision;
    if (write(c->pipe, a, sizeof(*a)) != sizeof(*a))
        _exit(4);
    child_defragment(c);
    child_next(c, slot);
}

static void child_next(struct child *c, int slot)
{
    struct slot *s = &c->slots[slot];
    char name[2][32], value[24];

    *s = (struct slot){.ack.value = c->next_value++};
    s->ack.lazy = s->ack.value % 5 == 0;
    s->ack.key = (int32_t)(s->ack.value % KEYS);
    (void)snprintf(name[0], 16, "%s%d", s->ack.lazy ? "lazy" : "key", s->ack.key);
    (void)snprintf(name[1], sizeof(name[1]), "%.16s-twin", name[0]);
    (void)snprintf(value, sizeof(value), "%lld", (long long)s->ack.value);
    for (int i = 0; i < 2; i++)
        s->ops[i] = (struct store_op){.kind = STORE_PUT,
                                      .res = CONFIGMAPS,
                                      .object = object_of(CONFIGMAPS, name[i], value),
                                      .expect_revision = STORE_ANY};
    s->txn = (struct store_txn){.ops = s->ops,
                                .n = 2,
                                .lazy = s->ack.lazy,
                                .loop = c->f.loop,
                                .on_done = child_done,
                                .arg = c};
    store_commit(c->f.st, &s->txn);
}

/* Few frames between checkpoints, and history that ends soon, in half of the rounds. */
static void child_open(struct child *c, struct random *rnd)
{
    struct store_opts opts = {.lazy_max_ms = 20};

    place_open(&c->f.place);
    if (random_below(rnd, 2))
        lmdb_of(c->f.place.e)->checkpoint_bytes = 4096 << random_below(rnd, 4);
    if (random_below(rnd, 2))
        opts.history_ms = 16;
    c->defragment_left = (int)random_below(rnd, 4) * 5;
    c->f.st = store_on(c->f.place.e, &opts);
}

static void child_main(const struct place *p, int64_t value, int fd, uint64_t seed)
{
    struct child *c = xnew(struct child);
    struct random_seeded rnd;

    random_seeded_init(&rnd, seed);
    disk = (struct disk){.on = true, .rnd = &rnd.base};
    disk.calls_left = (int)random_below(&rnd.base, random_below(&rnd.base, 4) ? CALLS : 30);
    c->pipe = fd;
    c->next_value = value;
    c->f.place = *p;
    c->f.loop = loop_new("child");
    loop_hold(c->f.loop, true);
    child_open(c, &rnd.base);
    for (int i = 0; i < SLOTS; i++)
        child_next(c, i);
    loop_run(c->f.loop);
    _exit(5);
}

/* ---- what is there afterwards ---- */

struct known {
    struct ack durable[KEYS]; /* the last acknowledged one of each key */
    VEC(struct ack) acks;     /* of this round */
    int64_t highest;          /* revision seen, lazy ones included */
    int64_t next_value;
    size_t n;
};

static void read_acks(struct known *k, int fd)
{
    struct ack a;
    ssize_t n;

    k->acks.n = 0;
    while ((n = read(fd, &a, sizeof(a))) == sizeof(a)) {
        k->n++;
        assert_true(a.revision > 1);
        k->highest = MAX(k->highest, a.revision);
        k->next_value = MAX(k->next_value, a.value + SLOTS + 1);
        if (a.lazy)
            continue;
        vec_push(&k->acks, a);
        if (a.revision > k->durable[a.key].revision)
            k->durable[a.key] = a;
    }
    assert_int_equal(n, 0);
}

static int each_count(void *arg, const struct engine_kv *kv)
{
    (void)kv;
    (*(int *)arg)++;
    return 0;
}

/* Every acknowledged revision has its two changes, or its history has been forgotten. */
static void check_history(const struct known *k, struct engine *e)
{
    for (size_t i = 0; i < k->acks.n; i++) {
        int64_t revision = k->acks.v[i].revision;
        struct err err = {0};
        int n = 0, r = e->ops->changes(e, revision, revision, each_count, &n, &err);

        if (r == ERR_EXPIRED)
            continue;
        assert_ok(r, &err);
        if (n != 2) { /* replaced before what is compacted: the newest only is kept */
            int64_t current, compacted;

            e->ops->revisions(e, &current, &compacted);
            assert_true(revision <= compacted);
        }
    }
}

static void check_key(const struct known *k, struct store *st, int i, bool lazy)
{
    char name[16], twin_name[32];
    struct object *o, *twin;
    const struct ack *a = &k->durable[i];

    (void)snprintf(name, sizeof(name), "%s%d", lazy ? "lazy" : "key", i);
    (void)snprintf(twin_name, sizeof(twin_name), "%s-twin", name);
    o = find(st, name);
    twin = find(st, twin_name);
    assert_int_equal(o != NULL, twin != NULL);
    if (!lazy && a->revision)
        assert_non_null(o);
    if (o) {
        assert_int_equal(o->revision, twin->revision);
        assert_string_equal(value_of(o), value_of(twin));
    }
    if (!lazy && a->revision) {
        assert_true(o->revision >= a->revision);
        if (o->revision == a->revision)
            assert_int_equal(atoll(value_of(o)), a->value);
        else /* written, but the cut came before the acknowledgement */
            assert_true(atoll(value_of(o)) > a->value);
    }
    object_unref(o);
    object_unref(twin);
}

static void expect_event(struct cache *c, struct watch_cursor *w, int64_t revision)
{
    struct err err = {0};
    struct event ev;

    assert_int_equal(watch_next(c, w, &ev, &err), 1);
    assert_int_equal(ev.revision, revision);
}

/* Who saw everything up to @from goes on there, or is told that it is too old; who lists anew
 * misses nothing. */
static void check_watches(struct fixture *f, int64_t from)
{
    struct cache *c = store_cache(f->st, CONFIGMAPS);
    struct watch_cursor old = {0}, w;
    struct err err = {0};
    struct event ev;
    int64_t at = store_revision(f->st), first, second;
    int r = watch_open(c, from, &old, &err);

    assert_true(r == 0 || r == ERR_EXPIRED);
    if (from < at) /* the journal does not reach back behind the open */
        assert_int_equal(r, ERR_EXPIRED);
    assert_ok(watch_open(c, at, &w, &err), &err);
    first = put(f->st, f->loop, "after", "1");
    second = put(f->st, f->loop, "after", "2");
    assert_true(first > from && first > at && second > first);
    expect_event(c, &w, first);
    expect_event(c, &w, second);
    assert_int_equal(watch_next(c, &w, &ev, &err), 0);
    if (r == 0) {
        expect_event(c, &old, first);
        expect_event(c, &old, second);
    }
    watch_close(&w);
    watch_close(&old);
}

static void check_store(struct known *k, const struct place *p)
{
    struct fixture f = {.place = *p};

    f.loop = loop_new("parent");
    loop_hold(f.loop, true);
    place_open(&f.place);
    check_history(k, f.place.e);
    f.st = store_on(f.place.e, NULL);
    assert_true(store_revision(f.st) >= k->highest);
    for (int i = 0; i < KEYS; i++) {
        check_key(k, f.st, i, false);
        check_key(k, f.st, i, true);
    }
    check_watches(&f, k->highest);
    k->highest = store_revision(f.st);
    f.st = store_close(f.st);
    loop_free(f.loop);
}

static void one_round(struct place *p, struct known *k, uint64_t seed)
{
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child_main(p, k->next_value, fds[1], seed);
    }
    (void)close(fds[1]);
    read_acks(k, fds[0]);
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    check_store(k, p);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s ? strtoull(s, NULL, 10) : otherwise;
}

/* A store that lives through all of the cuts. */
static void test_power_cuts_lose_nothing_acknowledged(void **state)
{
    uint64_t rounds = number_from("POWER_CUT_ROUNDS", ROUNDS);
    uint64_t seed = number_from("POWER_CUT_SEED", 1);
    struct known k = {.next_value = 1};
    struct place p;

    (void)state;
    place_init(&p, true);
    for (uint64_t i = 0; i < rounds; i++) {
        print_message("power cut %llu, seed %llu\n", (unsigned long long)i,
                      (unsigned long long)seed);
        one_round(&p, &k, seed * 1000003 + i);
    }
    assert_true(k.n > rounds * SLOTS);
    vec_deinit(&k.acks);
    place_deinit(&p);
}

/* While it is made: there is nothing to lose, but it must open again. */
static void test_power_cut_while_the_store_is_made(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            struct random_seeded rnd;
            struct place p;
            pid_t pid;
            int status;

            place_init(&p, true);
            pid = fork();
            assert_true(pid >= 0);
            if (pid == 0) {
                random_seeded_init(&rnd, seed * 1000 + (uint64_t)n);
                disk = (struct disk){.on = true, .rnd = &rnd.base, .calls_left = n};
                place_open(&p);
                _exit(0);
            }
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_int_equal(status, 0);
            print_message("cut at call %d, seed %llu\n", n, (unsigned long long)seed);
            place_open(&p);
            must_put(p.e, current_of(p.e) + 1, "/a", "1");
            must_commit(p.e);
            place_deinit(&p);
        }
}

static void child_with_meta_fault(const struct place *at, enum meta_fault fault, int commits)
{
    struct place p = *at;
    struct err err = {0};

    place_open(&p);
    disk = (struct disk){.on = true, .calls_left = 1000, .lose_all = true};
    must_put(p.e, current_of(p.e) + 1, "/before", "1");
    must_commit(p.e);
    disk.meta = fault;
    if (lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err) == 0)
        _exit(40);
    for (int i = 0; i < commits; i++) {
        must_put(p.e, current_of(p.e) + 1, "/after", i ? "2" : "1");
        must_commit(p.e);
    }
    cut();
}

static void must_have(struct engine *e, struct str key, const char *want)
{
    struct err err = {0};
    struct engine_kv kv;

    assert_ok(e->ops->get(e, key, &kv, &err), &err);
    assert_str_equal(kv.value, want);
}

/* Whatever the disk has of a checkpoint that failed: what is acknowledged after it is not lost. */
static void test_power_cut_after_a_checkpoint_that_failed(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        enum meta_fault fault = i % 2 ? META_WRITTEN : META_ONLY_IN_CACHE;
        int status, commits = 1 + i / 2;
        struct place p;
        pid_t pid;

        place_init(&p, true);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child_with_meta_fault(&p, fault, commits);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        place_open(&p);
        must_have(p.e, STR("/before"), "1");
        must_have(p.e, STR("/after"), commits == 2 ? "2" : "1");
        place_deinit(&p);
    }
}

static void child_with_sync_fault(const struct place *at, int fd)
{
    struct fixture f = {.place = *at};
    struct store_opts opts = {.lazy_max_ms = 3600000};
    int64_t revision;

    f.loop = loop_new("child");
    loop_hold(f.loop, true);
    fixture_open(&f, &opts);
    if (put(f.st, f.loop, "a", "1") < 0)
        _exit(50);
    disk = (struct disk){.on = true, .calls_left = 1000, .fail_next_sync = true};
    if (put(f.st, f.loop, "failed", "1") != ERR_IO || disk.fail_next_write)
        _exit(51);
    revision = put_lazy(f.st, f.loop, "seen", "1");
    if (write(fd, &revision, sizeof(revision)) != sizeof(revision))
        _exit(52);
    _exit(0);
}

static int each_not_failed(void *arg, const struct engine_kv *kv)
{
    (void)arg;
    assert_false(str_has_suffix(kv->key, STR("/failed")));
    return 0;
}

/* A write that failed turns up after a crash, as it may: not at a revision that was seen as that of
 * another, or who watches from there would never hear of it. */
static void test_a_failed_write_does_not_come_back_as_what_was_seen(void **state)
{
    struct err err = {0};
    struct engine_kv kv;
    int64_t revision = 0;
    int fds[2], status;
    struct place p;
    pid_t pid;

    (void)state;
    place_init(&p, true);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_with_sync_fault(&p, fds[1]);
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &revision, sizeof(revision)), sizeof(revision));
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    place_open(&p);
    assert_ok(p.e->ops->get(p.e, STR("/registry/configmaps/n/failed"), &kv, &err), &err);
    assert_true(current_of(p.e) >= revision);
    assert_ok(p.e->ops->changes(p.e, revision, INT64_MAX, each_not_failed, NULL, &err), &err);
    place_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut_after_a_checkpoint_that_failed),
        cmocka_unit_test(test_a_failed_write_does_not_come_back_as_what_was_seen),
        cmocka_unit_test(test_power_cuts_lose_nothing_acknowledged),
        cmocka_unit_test(test_power_cut_while_the_store_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
