/* bench_store.c - writes a second of the store, beside bare LMDB with the same bytes.
 *
 *     bench_store <empty folder>
 *
 * Prints, for many in flight and for one at a time: value, yardstick, ratio. The yardstick writes
 * each object's JSON under its key, as many to a transaction as the store had in flight.
 */
#include "api/api.h"
#include "base/loop.h"
#include "store/store.h"
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MANY = 20000, IN_FLIGHT = 64, SINGLE = 1000, ROUNDS = 3, DATA_BYTES = 700 };

struct slot {
    struct store_txn txn;
    struct store_op op;
};
struct bench {
    const char *dir;
    struct store *st;
    struct loop *loop;
    struct slot slots[IN_FLIGHT];
    struct object *objects[MANY];
    struct str json; /* of the yardstick */
    int next, left, total, round;
};

static double now_s(void)
{
    return (double)clock_real()->mono_ns(clock_real()) / 1e9;
}

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(1);
}

static struct str key_of(struct arena *a, int round, int i)
{
    return str_printf(a, "/registry/configmaps/default/cm-%d-%06d", round, i);
}

static void make_objects(struct bench *b)
{
    char data[DATA_BYTES + 1] = {0};

    memset(data, 'x', DATA_BYTES);
    for (int i = 0; i < b->total; i++) {
        auto_arena a = {0};
        struct err err = {0};
        struct str json = str_printf(&a,
                                     "{\"metadata\":{\"name\":\"cm-%d-%06d\",\"namespace\":"
                                     "\"default\"},\"data\":{\"k\":\"%s\"}}",
                                     b->round, i, data);

        if (object_from_stored(&res_core_configmaps, key_of(&a, b->round, i), json,
                               &b->objects[i], &err) < 0)
            die("object", err.msg);
        if (!b->json.p)
            b->json = (struct str){xmemdupz(json.p, json.len), json.len};
    }
}

static void submit(struct bench *b, struct slot *s)
{
    s->op = (struct store_op){.kind = STORE_PUT,
                              .res = &res_core_configmaps,
                              .object = b->objects[b->next++],
                              .expect_revision = STORE_ABSENT};
    store_commit(b->st, &s->txn);
}

static void on_done(struct store_txn *txn)
{
    struct bench *b = txn->arg;

    if (txn->code)
        die("write", txn->err.msg);
    if (--b->left == 0)
        loop_stop(b->loop);
    else if (b->next < b->total)
        submit(b, container_of(txn, struct slot, txn));
}

/* Writes a second. */
static double run_store(struct bench *b, int total, int in_flight)
{
    double start;

    b->total = b->left = total;
    b->next = 0;
    b->round++;
    make_objects(b);
    start = now_s();
    for (int i = 0; i < in_flight; i++) {
        struct slot *s = &b->slots[i];

        s->txn = (struct store_txn){
            .ops = &s->op, .n = 1, .loop = b->loop, .on_done = on_done, .arg = b};
        submit(b, s);
    }
    loop_run(b->loop);
    return total / (now_s() - start);
}

static void must(int rc, const char *what)
{
    if (rc)
        die(what, mdb_strerror(rc));
}

static double run_lmdb(struct bench *b, int total, int per_txn)
{
    auto_arena a = {0};
    char *dir = arena_printf(&a, "%s/bare-%d", b->dir, b->round);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    double start, rate;

    if (mkdir(dir, 0700))
        die(dir, strerror(errno));
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_mapsize(env, (size_t)1 << 30), "map");
    must(mdb_env_open(env, dir, 0, 0600), "open");
    must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    must(mdb_dbi_open(txn, NULL, 0, &dbi), "table");
    must(mdb_txn_commit(txn), "commit");
    start = now_s();
    for (int i = 0; i < total;) {
        must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
        for (int k = 0; k < per_txn && i < total; k++, i++) {
            struct str key = key_of(&a, b->round, i);
            MDB_val mk = {key.len, (void *)(uintptr_t)key.p};
            MDB_val mv = {b->json.len, (void *)(uintptr_t)b->json.p};

            must(mdb_put(txn, dbi, &mk, &mv, 0), "put");
        }
        must(mdb_txn_commit(txn), "commit");
    }
    rate = total / (now_s() - start);
    mdb_env_close(env);
    return rate;
}

/* The best of some rounds of each, taken in turns. */
static void compare(struct bench *b, const char *name, int total, int in_flight)
{
    double store = 0, bare = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double s = run_store(b, total, in_flight), l = run_lmdb(b, total, in_flight);

        store = MAX(store, s);
        bare = MAX(bare, l);
    }
    (void)printf("%-28s %9.0f/s  bare LMDB %9.0f/s  ratio %.2f\n", name, store, bare,
                 store / bare);
}

int main(int argc, char **argv)
{
    const struct resource *res[] = {&res_core_configmaps};
    struct bench *b = xnew(struct bench);
    struct store_opts opts = {0};
    struct store_stats stats;
    struct err err = {0};
    auto_arena a = {0};

    if (argc != 2)
        die("usage", "bench_store <empty folder>");
    b->dir = argv[1];
    b->loop = loop_new("bench");
    loop_hold(b->loop, true);
    if (engine_lmdb_open(arena_printf(&a, "%s/store", b->dir), &opts.engine, &err) < 0 ||
        store_open(&opts, res, 1, &b->st, &err) < 0)
        die("open", err.msg);
    compare(b, "store, 64 writes in flight", MANY, IN_FLIGHT);
    compare(b, "store, one write at a time", SINGLE, 1);
    store_stats(b->st, &stats);
    (void)printf("%llu transactions in %llu commits, %llu bytes on disk\n",
                 (unsigned long long)stats.txns, (unsigned long long)stats.commits,
                 (unsigned long long)stats.size_bytes);
    b->st = store_close(b->st);
    b->loop = loop_free(b->loop);
    free((void *)(uintptr_t)b->json.p);
    free(b);
    return 0;
}
