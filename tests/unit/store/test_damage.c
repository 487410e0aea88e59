/* Bits flip in a store's files. What was written is served, or the damage is named; nothing else is
 * served, and the process lives.
 *
 * DAMAGE_FLIPS and DAMAGE_SEED in the environment make it longer, or another one. */
#include "base/random.h"
#include "base/vec.h"
#include "store/lmdb_internal.h"
#include "engines.h"
#include <errno.h>
#include <sys/wait.h>

enum { FLIPS = 200, KEYS = 120, ROUNDS = 4, BIG = 9000 };
enum { FRAME = 512 }; /* the log's first holds the note, its second and last the newest key */
enum { SERVED = 0, NAMED = 10, WRONG = 11 };

static size_t value_bytes(int key)
{
    return key % 10 == 0 ? BIG : 100;
}

static int64_t write_round(struct engine *e, int64_t revision, int round)
{
    auto_buf value = {0};

    for (int i = 0; i < KEYS; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "/registry/things/key%04d", i);
        value.len = 0;
        buf_printf(&value, "%d/%d/", i, round);
        while (value.len < value_bytes(i))
            buf_str(&value, STR("."));
        must_put(e, ++revision, key, buf_cstr(&value));
    }
    must_commit(e);
    return revision;
}

/* Tables of more than one level, big values, free pages, and frames in the log; not closed. */
static void write_store(const struct place *like, bool unused)
{
    struct place p = *like;
    struct err err = {0};
    int64_t revision = 1;

    place_open(&p);
    for (int i = 0; i < ROUNDS; i++) {
        revision = write_round(p.e, revision, i);
        assert_ok(lmdb_checkpoint(lmdb_of(p.e), &lmdb_of(p.e)->state, &err), &err);
    }
    must_compact(p.e, revision - KEYS - 10);
    assert_ok(p.e->ops->note(p.e, STR("name"), STR("what it says"), &err), &err);
    must_commit(p.e);
    must_put(p.e, revision + 1, "/registry/things/last", "last/0/");
    must_commit(p.e);
    _exit(0);
}

struct count {
    int n;
    bool wrong;
};

static int each_check(void *arg, const struct engine_kv *kv)
{
    struct count *c = arg;
    char want[32];
    bool last = c->n == KEYS;

    (void)snprintf(want, sizeof(want), last ? "last/0/" : "%d/%d/", c->n, ROUNDS - 1);
    c->wrong |= !str_has_prefix(kv->value, str_from(want));
    c->wrong |= kv->value.len != (last ? strlen(want) : value_bytes(c->n));
    c->n++;
    return 0;
}

static int each_any(void *arg, const struct engine_kv *kv)
{
    *(uint64_t *)arg += kv->key.len + kv->value.len;
    return 0;
}

static int each_note(void *arg, struct str name, struct str value)
{
    struct count *c = arg;

    c->n++;
    c->wrong |= !str_eq(name, STR("name")) || !str_eq(value, STR("what it says"));
    return 0;
}

/* Reads all there is, then writes, compacts and reads again. */
static int use(struct engine *e, bool last_may_miss)
{
    struct count c = {0}, notes = {0};
    struct err err = {0};
    int64_t current, compacted;
    uint64_t bytes = 0;
    bool more = true;
    int r = e->ops->range(e, STR("/"), STR_NULL, 0, each_check, &c, &err);

    if (r == 0)
        r = e->ops->notes(e, STR_NULL, each_note, &notes, &err);
    c.n += c.n == KEYS && last_may_miss;
    if (r == 0 && (c.wrong || c.n != KEYS + 1 || notes.wrong || notes.n != 1))
        return WRONG;
    e->ops->revisions(e, &current, &compacted);
    if (r == 0)
        r = e->ops->changes(e, compacted, current, each_any, &bytes, &err);
    for (int i = 0; i < 20 && r == 0; i++) {
        r = e->ops->put(e, current + 1 + i, STR("/registry/things/key0000"), STR("0/3/"), 0, &err);
        if (r == 0)
            r = e->ops->commit(e, &err);
        if (r == 0)
            r = lmdb_checkpoint(lmdb_of(e), &lmdb_of(e)->state, &err);
    }
    while (r == 0 && more)
        r = e->ops->compact(e, current + 10, &more, &err);
    if (r < 0 && !err.msg[0])
        return WRONG;
    return r < 0 ? NAMED : SERVED;
}

static void use_damaged(const struct place *p, bool last_may_miss)
{
    struct err err = {0};
    struct engine *e;
    int r = engine_lmdb_open(p->dir, &e, &err);

    if (r < 0)
        _exit(err.msg[0] ? NAMED : WRONG);
    _exit(use(e, last_may_miss));
}

static int in_child(const struct place *p, void (*fn)(const struct place *p, bool arg), bool arg)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        fn(p, arg);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void file_read(const char *dir, const char *name, struct buf *out)
{
    char path[128];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    while ((n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
        out->len += (size_t)n;
    assert_int_equal(n, 0);
    (void)close(fd);
}

static void file_write(const char *dir, const char *name, const struct buf *b)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, b->p, b->len), (ssize_t)b->len);
    (void)close(fd);
}

/* Of the first so many bytes of every other page, and of the log, more often than of the rest:
 * that is where what LMDB goes by lies. */
static size_t choose(struct random *rnd, size_t bytes)
{
    size_t at = (size_t)random_below(rnd, bytes);

    return random_below(rnd, 2) ? at : MIN(at / 4096 * 4096 + at % 160, bytes - 1);
}

static void test_flipped_bits_are_named_or_harmless(void **state)
{
    const char *flips = getenv("DAMAGE_FLIPS"), *seed = getenv("DAMAGE_SEED");
    int n = flips ? atoi(flips) : FLIPS, named = 0;
    auto_buf data = {0}, wal = {0};
    struct random_seeded rnd;
    struct place p;

    (void)state;
    random_seeded_init(&rnd, seed ? strtoull(seed, NULL, 10) : 7);
    place_init(&p, true);
    assert_int_equal(in_child(&p, write_store, false), 0);
    file_read(p.dir, "data.mdb", &data);
    file_read(p.dir, "wal", &wal);
    for (int i = -1; i < n; i++) { /* the first: nothing is damaged */
        struct buf *b = random_below(&rnd.base, 8) ? &data : &wal;
        size_t at = choose(&rnd.base, b == &wal ? 2 * FRAME : b->len);
        unsigned bit = (unsigned)random_below(&rnd.base, 8);
        int status;

        b->p[at] ^= (char)(i >= 0 ? 1u << bit : 0);
        file_write(p.dir, "data.mdb", &data);
        file_write(p.dir, "wal", &wal);
        b->p[at] ^= (char)(i >= 0 ? 1u << bit : 0);
        /* A damaged last frame cannot be told from one that was being written at the end. */
        status = in_child(&p, use_damaged, b == &wal && at >= FRAME);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != SERVED && WEXITSTATUS(status) != NAMED))
            print_message("%d: bit %u of byte %zu of %s: status %#x\n", i, bit, at,
                          b == &wal ? "wal" : "data.mdb", (unsigned)status);
        if (i < 0)
            assert_int_equal(status, 0);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == SERVED || WEXITSTATUS(status) == NAMED);
        named += WEXITSTATUS(status) == NAMED;
    }
    print_message("%d of %d flips were named\n", named, n);
    assert_true(named > n / 10);
    place_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bits_are_named_or_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
