/* Keys that are written over all the time: history ends by itself, and the file stays small.
 *
 * CHURN_WRITES and CHURN_HISTORY in the environment make it longer: 2000000 writes is what `make
 * bench` runs. */
#include "store/raw.h"
#include "stores.h"

enum {
    WRITES = 100000,
    KEYS = 1000,
    VALUE_BYTES = 1000,
    IN_FLIGHT = 256,
    HISTORY = 8192, /* revisions */
    LINE = 64,
};

/* The machine does not fail here, and what is measured is not the disk. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

struct churn;
struct writer {
    struct churn *churn;
    struct raw_txn txn;
    int key;
    uint64_t at_ns;
};
struct churn {
    struct fixture f;
    struct writer writers[IN_FLIGHT];
    int64_t next, left;
    char value[VALUE_BYTES];
    uint64_t file_max, wait_max_ns;
};

static uint64_t now_ns(void)
{
    return clock_real()->mono_ns(clock_real());
}

static int write_one(struct raw *raw, void *arg, struct err *err)
{
    struct writer *w = arg;
    char key[LINE];
    int n = snprintf(key, sizeof(key), "/churn/%06d", w->key);

    return raw_put(raw, (struct str){key, (size_t)n},
                   (struct str){w->churn->value, VALUE_BYTES}, 0, err);
}

static void write_next(struct writer *w)
{
    w->key = (int)(w->churn->next++ % KEYS);
    w->at_ns = now_ns();
    raw_commit(w->churn->f.st, &w->txn);
}

static void written(struct raw_txn *txn)
{
    struct writer *w = txn->arg;
    struct churn *c = w->churn;
    struct store_stats s;

    assert_ok(txn->code, txn->err);
    c->wait_max_ns = MAX(c->wait_max_ns, now_ns() - w->at_ns);
    store_stats(c->f.st, &s);
    c->file_max = MAX(c->file_max, s.size_bytes);
    c->left--;
    if (c->left >= IN_FLIGHT)
        write_next(w);
    else if (c->left == 0)
        loop_stop(txn->loop);
}

static int count_one(void *arg, const struct raw_kv *kv)
{
    assert_int_equal(kv->value.len, VALUE_BYTES);
    ++*(int64_t *)arg;
    return 0;
}

struct look {
    struct raw_txn txn;
    int64_t compacted, revision, changes;
    uint64_t used_bytes;
    bool done;
};

static int look_run(struct raw *raw, void *arg, struct err *err)
{
    struct look *l = arg;

    l->compacted = raw_compacted(raw);
    l->revision = raw_revision(raw);
    l->changes = 0;
    return raw_changes(raw, l->compacted + 1, l->revision, count_one, &l->changes, err);
}

static void look_done(struct raw_txn *txn)
{
    ((struct look *)txn->arg)->done = true;
    loop_stop(txn->loop);
}

static int used_run(struct raw *raw, void *arg, struct err *err)
{
    (void)err;
    ((struct look *)arg)->used_bytes = raw_used_bytes(raw);
    return 0;
}

static void look(struct fixture *f, struct look *l, int (*run)(struct raw *, void *, struct err *))
{
    l->done = false;
    l->txn = (struct raw_txn){
        .run = run, .on_done = look_done, .arg = l, .loop = f->loop};
    raw_commit(f->st, &l->txn);
    while (!l->done)
        loop_run(f->loop);
    assert_ok(l->txn.code, l->txn.err);
}

/* Bytes that keys and values of @n records have. */
static uint64_t bytes_of(int64_t n)
{
    return (uint64_t)n * (VALUE_BYTES + strlen("/churn/000000"));
}

/* As many revisions as history may have are there, and a few more. */
static void check_history(struct fixture *f, int64_t want)
{
    struct look l;

    look(f, &l, look_run);
    assert_int_equal(l.changes, l.revision - l.compacted);
    assert_in_range(l.changes, want, want + want / 4);
}

static void churn_start(struct churn *c, int64_t writes, int in_flight)
{
    memset(c->value, 'v', sizeof(c->value));
    c->left = writes;
    for (int i = 0; i < in_flight; i++) {
        struct writer *w = &c->writers[i];

        w->churn = c;
        w->txn = (struct raw_txn){.run = write_one,
                                  .on_done = written,
                                  .arg = w,
                                  .loop = c->f.loop,
                                  .bytes = VALUE_BYTES};
        write_next(w);
    }
}

static int64_t number_from(const char *name, int64_t otherwise)
{
    const char *s = getenv(name);

    return s ? strtoll(s, NULL, 10) : otherwise;
}

static void by_number(const struct store_opts *opts, int64_t writes)
{
    struct churn *c = xnew(struct churn);
    uint64_t start = now_ns();

    fixture_init(&c->f, true, opts);
    churn_start(c, writes, IN_FLIGHT);
    while (c->left)
        loop_run(c->f.loop);
    print_message("churn: %lld writes of %d keys, %.0f a second, file at most %.1f MB, %.2f x live "
                  "and history, longest wait %.1f ms\n",
                  (long long)writes, KEYS, (double)writes * 1e9 / (double)(now_ns() - start),
                  (double)c->file_max / 1e6,
                  (double)c->file_max / (double)bytes_of(KEYS + HISTORY),
                  (double)c->wait_max_ns / 1e6);
    assert_true(c->file_max < 4 * bytes_of(KEYS + HISTORY));
    check_history(&c->f, HISTORY);
    fixture_deinit(&c->f);
    free(c);
}

static void test_history_is_bounded_by_revisions(void **state)
{
    struct store_opts opts = {.history_max = HISTORY};

    (void)state;
    by_number(&opts, number_from("CHURN_WRITES", WRITES));
}

static void test_history_is_bounded_by_bytes(void **state)
{
    struct store_opts opts = {.history_bytes = bytes_of(HISTORY)};

    (void)state;
    by_number(&opts, WRITES);
}

/* Under virtual time: ten writes at once, and again when they are done. */
static void test_history_is_bounded_by_time(void **state)
{
    enum { SPAN_MS = 4000, WINDOW_MS = 400, EACH = 10 };
    struct sim *sim = sim_new(1);
    struct churn *c = xnew(struct churn);
    struct store_opts opts = {.history_ms = WINDOW_MS};
    int64_t *revisions = xcalloc(SPAN_MS + 1, sizeof(*revisions)), window = 0; /* by time */
    struct look l;

    (void)state;
    c->f.loop = opts.loop = sim_loop(sim, "store");
    place_init(&c->f.place, true);
    fixture_open(&c->f, &opts);
    for (int ms = 0; ms <= SPAN_MS; ms++) {
        if (!c->left)
            churn_start(c, EACH, EACH);
        sim_run_for(sim, 1);
        revisions[ms] = store_revision(c->f.st);
        if (ms >= WINDOW_MS)
            window = MAX(window, revisions[ms] - revisions[ms - WINDOW_MS]);
    }
    assert_true(window > KEYS);
    assert_true(c->file_max < 4 * bytes_of(KEYS + window));
    while (c->left)
        sim_run_for(sim, 1);
    look(&c->f, &l, look_run);
    assert_int_equal(l.changes, l.revision - l.compacted);
    assert_in_range(l.compacted, revisions[SPAN_MS - WINDOW_MS * 5 / 4],
                    revisions[SPAN_MS - WINDOW_MS] + EACH);
    c->f.st = store_close(c->f.st);
    sim_run_for(sim, 10);
    sim_free(sim);
    place_deinit(&c->f.place);
    free(revisions);
    free(c);
}

static int compact_run(struct raw *raw, void *arg, struct err *err)
{
    (void)arg;
    return raw_compact(raw, raw_revision(raw), err);
}

/* A client of etcd's asks for it, all at once. Writers hardly notice, and none of them is needed
 * for it to end. */
static void test_long_history_is_compacted_beside_writes(void **state)
{
    int64_t history = number_from("CHURN_HISTORY", WRITES);
    struct store_opts opts = {.history_ms = UINT32_MAX};
    struct churn *c = xnew(struct churn);
    struct store_stats s;
    struct look l = {.txn = {.run = compact_run, .on_done = look_done, .arg = &l}};
    uint64_t wait, start;

    (void)state;
    fixture_init(&c->f, true, &opts);
    churn_start(c, history, IN_FLIGHT);
    while (c->left)
        loop_run(c->f.loop);
    store_stats(c->f.st, &s);
    assert_int_equal(s.compacted, 0);
    assert_true(s.size_bytes > bytes_of(history));
    wait = c->wait_max_ns;
    c->wait_max_ns = 0;
    start = now_ns();
    l.txn.loop = c->f.loop;
    raw_commit(c->f.st, &l.txn);
    churn_start(c, WRITES / 8, IN_FLIGHT);
    while (c->left || !l.done)
        loop_run(c->f.loop);
    assert_ok(l.txn.code, l.txn.err);
    do /* until its records are gone; the suite's timeout ends a hang */
        look(&c->f, &l, used_run);
    while (l.used_bytes > bytes_of(KEYS + WRITES / 8) * 3 / 2);
    print_message("churn: %lld revisions compacted within %.0f ms, longest wait %.1f ms, %.1f ms "
                  "before\n",
                  (long long)history, (double)(now_ns() - start) / 1e6,
                  (double)c->wait_max_ns / 1e6, (double)wait / 1e6);
    fixture_deinit(&c->f);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_is_bounded_by_revisions),
        cmocka_unit_test(test_history_is_bounded_by_bytes),
        cmocka_unit_test(test_history_is_bounded_by_time),
        cmocka_unit_test(test_long_history_is_compacted_beside_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
