/* A backup made in pieces is what was true at its revision, however slowly it is read, and whatever
 * is written and forgotten meanwhile. */
#include "store/backup_file.h"
#include "store/backup_stream.h"
#include "stores.h"

enum { KEYS = 60, VALUE_BYTES = 20000 }; /* several pieces */

struct reading {
    struct backup_stream *s;
    struct loop *loop;
    struct buf out;
    int r;
    bool done;
    struct err err;
};

static void on_piece(void *arg, int r, const struct err *err)
{
    struct reading *rd = arg;

    rd->r = r;
    rd->err = *err;
    rd->done = true;
    loop_stop(rd->loop);
}

static int next(struct reading *rd)
{
    rd->done = false;
    backup_stream_next(rd->s, &rd->out, on_piece, rd);
    assert_false(rd->done);
    while (!rd->done)
        loop_run(rd->loop);
    return rd->r;
}

static void reading_init(struct reading *rd, struct fixture *f)
{
    *rd = (struct reading){.loop = f->loop, .s = backup_stream_open(f->st, f->loop)};
}

static void reading_deinit(struct reading *rd)
{
    rd->s = backup_stream_close(rd->s);
    buf_deinit(&rd->out);
}

static int print_record(void *arg, const struct raw_kv *kv, uint64_t offset, struct err *err)
{
    (void)offset;
    (void)err;
    buf_printf(arg, "%.*s@%lld/%lld:%zu ", STR_ARG(kv->key), (long long)kv->mod_revision,
               (long long)kv->version, kv->value.len);
    return 0;
}

/* The records of a whole backup, and its revision. */
static int64_t decode(struct str file, struct buf *ret_records)
{
    struct backup_reader r = {.on_record = print_record, .arg = ret_records};
    struct err err = {0};
    int64_t revision;

    backup_reader_init(&r);
    assert_ok(backup_feed(&r, file, &err), &err);
    assert_ok(backup_finish(&r, &err), &err);
    revision = r.revision;
    backup_reader_deinit(&r);
    return revision;
}

static int64_t write_all(struct fixture *f, char fill, size_t bytes)
{
    char name[16], *value = xcalloc(1, bytes + 1);
    int64_t revision = 0;

    memset(value, fill, bytes);
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(name, sizeof(name), "k%02d", i);
        revision = put(f->st, f->loop, name, value);
        assert_true(revision > 0);
    }
    free(value);
    return revision;
}

static int64_t compacted(struct fixture *f)
{
    struct store_stats s;

    store_stats(f->st, &s);
    return s.compacted;
}

/* Writes until history has been forgotten up to @revision. */
static void wait_compacted(struct fixture *f, int64_t revision)
{
    uint64_t until = clock_real()->mono_ns(clock_real()) + 20ull * 1000000000;

    while (compacted(f) < revision) {
        assert_true(clock_real()->mono_ns(clock_real()) < until);
        assert_true(put(f->st, f->loop, "tick", "x") > 0);
    }
}

struct expired { /* whether everybody else may still read a revision */
    struct raw_txn txn;
    struct loop *loop;
    int64_t revision;
    bool done;
};

static int count_one(void *arg, const struct raw_kv *kv)
{
    (void)arg;
    (void)kv;
    return 0;
}

static int expired_run(struct raw *raw, void *arg, struct err *err)
{
    struct expired *e = arg;

    return raw_range(raw, STR("/"), STR_NULL, e->revision, count_one, NULL, err);
}

static void expired_done(struct raw_txn *txn)
{
    struct expired *e = txn->arg;

    e->done = true;
    loop_stop(e->loop);
}

static void wait_expired(struct fixture *f, int64_t revision)
{
    uint64_t until = clock_real()->mono_ns(clock_real()) + 20ull * 1000000000;
    struct expired e = {.loop = f->loop, .revision = revision};

    while (e.txn.code != ERR_EXPIRED) {
        assert_true(clock_real()->mono_ns(clock_real()) < until);
        assert_true(put(f->st, f->loop, "tick", "x") > 0);
        e.done = false;
        e.txn = (struct raw_txn){
            .run = expired_run, .loop = f->loop, .on_done = expired_done, .arg = &e};
        raw_commit(f->st, &e.txn);
        while (!e.done)
            loop_run(f->loop);
    }
}

static void expect_keys(struct str records, int64_t first_revision, unsigned version)
{
    auto_buf want = {0};
    size_t json = sizeof("{\"metadata\":{\"name\":\"k00\",\"namespace\":\"n\",\"labels\":{\"v\":"
                         "\"\"}}}") -
                  1 + VALUE_BYTES;

    for (int i = 0; i < KEYS; i++)
        buf_printf(&want, "/registry/configmaps/n/k%02d@%lld/%u:%zu ", i,
                   (long long)first_revision + i, version, json);
    assert_str_equal(records, buf_cstr(&want));
}

static void slow(bool lmdb)
{
    struct store_opts opts = {.history_ms = 20};
    struct reading a, b;
    struct fixture f;
    auto_buf records = {0};
    int64_t revision;
    int pieces = 2;

    fixture_init(&f, lmdb, &opts);
    revision = write_all(&f, 'a', VALUE_BYTES);
    reading_init(&a, &f);
    assert_int_equal(next(&a), 0);
    assert_int_equal(backup_stream_revision(a.s), revision);
    assert_int_equal(next(&a), 0);
    (void)write_all(&f, 'b', 3);
    reading_init(&b, &f);
    assert_int_equal(next(&b), 0);
    assert_int_equal(backup_stream_revision(b.s), revision + KEYS);
    for (int i = 0; i < KEYS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "k%02d", i);
        assert_true(delete_if(f.st, f.loop, name, STORE_ANY) > 0);
    }
    wait_expired(&f, revision + 2 * KEYS);
    assert_true(compacted(&f) <= revision);
    while (a.r == 0) {
        (void)next(&a);
        pieces++;
    }
    assert_int_equal(a.r, 1);
    assert_true(pieces > 4);
    assert_int_equal(decode(buf_view(&a.out), &records), revision);
    expect_keys(buf_view(&records), revision - KEYS + 1, 1);
    /* The first is over, and no longer holds anything; the second does. */
    wait_compacted(&f, revision + KEYS);
    assert_int_equal(compacted(&f), revision + KEYS);
    reading_deinit(&b);
    wait_compacted(&f, revision + 2 * KEYS);
    reading_deinit(&a);
    fixture_deinit(&f);
}

static void test_slow(void **state)
{
    (void)state;
    slow(false);
    slow(true);
}

struct noting {
    struct raw_txn txn;
    struct loop *loop;
    const char *value;
    bool done;
};

static int noting_run(struct raw *raw, void *arg, struct err *err)
{
    static const char *const names[] = {"etcd/alarm/nospace", "etcd/id/member", "etcd/lease/1",
                                        "etcd/lease/2", "store/compact"};
    struct noting *n = arg;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(names) && r == 0; i++)
        r = raw_note(raw, str_from(names[i]), n->value ? str_from(n->value) : STR_NULL, err);
    return r;
}

static void noting_done(struct raw_txn *txn)
{
    ((struct noting *)txn->arg)->done = true;
    loop_stop(txn->loop);
}

static void note_all(struct fixture *f, const char *value)
{
    struct noting n = {.loop = f->loop, .value = value};

    n.txn = (struct raw_txn){.run = noting_run, .loop = f->loop, .on_done = noting_done, .arg = &n};
    raw_commit(f->st, &n.txn);
    while (!n.done)
        loop_run(f->loop);
    assert_int_equal(n.txn.code, 0);
}

static int print_note(void *arg, struct str name, struct str value, uint64_t offset,
                      struct err *err)
{
    (void)offset;
    (void)err;
    buf_printf(arg, "%.*s=%.*s ", STR_ARG(name), STR_ARG(value));
    return 0;
}

/* They are of the backup's revision; what is about one server is not there. */
static void test_notes(void **state)
{
    struct backup_reader r = {.on_note = print_note};
    struct reading rd;
    struct fixture f;
    struct err err = {0};
    auto_buf seen = {0};

    (void)state;
    fixture_init(&f, true, NULL);
    note_all(&f, "60");
    reading_init(&rd, &f);
    assert_int_equal(next(&rd), 0);
    note_all(&f, NULL);
    assert_int_equal(next(&rd), 1);
    r.arg = &seen;
    backup_reader_init(&r);
    assert_ok(backup_feed(&r, buf_view(&rd.out), &err), &err);
    assert_ok(backup_finish(&r, &err), &err);
    backup_reader_deinit(&r);
    assert_string_equal(buf_cstr(&seen), "etcd/lease/1=60 etcd/lease/2=60 ");
    reading_deinit(&rd);
    fixture_deinit(&f);
}

static void test_empty(void **state)
{
    struct reading rd;
    struct fixture f;
    auto_buf records = {0};

    (void)state;
    fixture_init(&f, false, NULL);
    reading_init(&rd, &f);
    assert_int_equal(next(&rd), 0);
    assert_int_equal(next(&rd), 1);
    assert_int_equal(decode(buf_view(&rd.out), &records), 1);
    assert_int_equal(records.len, 0);
    reading_deinit(&rd);
    fixture_deinit(&f);
}

/* The buffer is the caller's as soon as the stream is closed. */
static void test_closed_while_busy(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false, NULL);
    (void)write_all(&f, 'a', VALUE_BYTES);
    for (int pieces = 0; pieces < 3; pieces++) {
        struct reading rd;

        reading_init(&rd, &f);
        for (int i = 0; i < pieces; i++)
            assert_int_equal(next(&rd), 0);
        rd.done = false;
        backup_stream_next(rd.s, &rd.out, on_piece, &rd);
        reading_deinit(&rd);
        for (int i = 0; i < 3; i++)
            assert_true(put(f.st, f.loop, "tick", "x") > 0);
        assert_false(rd.done);
    }
    fixture_deinit(&f);
}

static void test_streams_are_counted(void **state)
{
    struct reading rd[65];
    struct fixture f;

    (void)state;
    fixture_init(&f, false, NULL);
    for (int i = 0; i < 65; i++) {
        reading_init(&rd[i], &f);
        assert_int_equal(next(&rd[i]), i < 64 ? 0 : ERR_TOO_MANY);
    }
    assert_non_null(strstr(rd[64].err.msg, "64 readers hold history back already"));
    reading_deinit(&rd[0]);
    reading_deinit(&rd[64]);
    reading_init(&rd[64], &f);
    assert_int_equal(next(&rd[64]), 0);
    for (int i = 1; i < 65; i++)
        reading_deinit(&rd[i]);
    fixture_deinit(&f);
}

struct hand_clock { /* the store's thread reads it */
    struct clock base;
    atomic_uint_fast64_t now_ns;
};

static uint64_t hand_mono(const struct clock *c)
{
    return atomic_load(&((const struct hand_clock *)(const void *)c)->now_ns);
}

static void test_too_slow(void **state)
{
    struct store_opts opts = {.history_ms = 60000};
    struct hand_clock clock = {.base.mono_ns = hand_mono};
    struct reading rd;
    struct fixture f;

    (void)state;
    opts.clock = &clock.base;
    fixture_init(&f, false, &opts);
    (void)write_all(&f, 'a', VALUE_BYTES);
    reading_init(&rd, &f);
    assert_int_equal(next(&rd), 0);
    atomic_fetch_add(&clock.now_ns, (BACKUP_STREAM_MAX_MS - 1) * 1000000ull);
    assert_int_equal(next(&rd), 0);
    atomic_fetch_add(&clock.now_ns, 1000000);
    assert_int_equal(next(&rd), ERR_EXPIRED);
    assert_string_equal(rd.err.msg, "history was held back for too long");
    reading_deinit(&rd);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_closed_while_busy),
        cmocka_unit_test(test_streams_are_counted),
        cmocka_unit_test(test_too_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
