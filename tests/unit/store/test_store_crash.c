/* The store is killed while it writes, again and again. Afterwards: what was acknowledged is there,
 * each key's versions are whole, and no revision that anybody saw is given again. */
#include "base/random.h"
#include "stores.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 10, SLOTS = 8, KEYS = 20 };

struct ack {
    int64_t revision;
    int32_t key;
    int32_t lazy;
    int64_t value;
};
struct child {
    struct fixture f;
    struct one slots[SLOTS];
    struct ack acks[SLOTS];
    int64_t next_value;
    int pipe;
};

static void child_next(struct child *c, int slot);

static void child_done(struct store_txn *txn)
{
    struct child *c = txn->arg;
    int slot = (int)(container_of(txn, struct one, txn) - c->slots);

    if (txn->code)
        _exit(3);
    c->acks[slot].revision = txn->revision;
    if (write(c->pipe, &c->acks[slot], sizeof(struct ack)) != sizeof(struct ack))
        _exit(4);
    child_next(c, slot);
}

static void child_next(struct child *c, int slot)
{
    struct one *o = &c->slots[slot];
    struct ack *a = &c->acks[slot];
    char name[16], value[24];

    *a = (struct ack){.value = c->next_value++};
    a->lazy = a->value % 3 == 0;
    a->key = (int32_t)(a->value % KEYS);
    (void)snprintf(name, sizeof(name), "%s%d", a->lazy ? "lazy" : "key", a->key);
    (void)snprintf(value, sizeof(value), "%lld", (long long)a->value);
    one_init(o, STORE_PUT, CONFIGMAPS, name, value, STORE_ANY);
    o->txn.ops = &o->op;
    o->txn.lazy = a->lazy;
    o->txn.loop = c->f.loop;
    o->txn.on_done = child_done;
    o->txn.arg = c;
    store_commit(c->f.st, &o->txn);
}

static void child_main(const struct place *p, int64_t value, int fd)
{
    struct child *c = xnew(struct child);
    struct store_opts opts = {.lazy_max_ms = 20};

    c->pipe = fd;
    c->next_value = value;
    c->f.place = *p;
    c->f.loop = loop_new("child");
    loop_hold(c->f.loop, true);
    fixture_open(&c->f, &opts);
    for (int i = 0; i < SLOTS; i++)
        child_next(c, i);
    loop_run(c->f.loop);
    _exit(5);
}

struct known { /* to the parent, from all acknowledgements so far */
    int64_t durable[KEYS]; /* last acknowledged revision of each key */
    int64_t values[KEYS];
    int64_t highest; /* revision seen, lazy ones included */
    int64_t next_value;
    int n;
};

static void read_acks(struct known *k, int fd)
{
    struct ack a;
    ssize_t n;

    while ((n = read(fd, &a, sizeof(a))) == sizeof(a)) {
        k->n++;
        k->highest = MAX(k->highest, a.revision);
        k->next_value = MAX(k->next_value, a.value + SLOTS + 1);
        if (a.lazy || a.revision < k->durable[a.key])
            continue;
        k->durable[a.key] = a.revision;
        k->values[a.key] = a.value;
    }
    assert_int_equal(n, 0);
}

static void check_store(const struct known *k, struct fixture *f)
{
    int64_t next;

    assert_true(store_revision(f->st) >= k->highest);
    for (int i = 0; i < KEYS; i++) {
        char name[16];
        struct object *o;

        (void)snprintf(name, sizeof(name), "key%d", i);
        o = find(f->st, name);
        if (!k->durable[i]) {
            object_unref(o);
            continue;
        }
        assert_non_null(o);
        assert_true(o->revision >= k->durable[i]);
        if (o->revision == k->durable[i])
            assert_int_equal(atoll(value_of(o)), k->values[i]);
        else /* written, but the kill came before the acknowledgement */
            assert_true(atoll(value_of(o)) > k->values[i]);
        object_unref(o);
    }
    next = put(f->st, f->loop, "after", "1");
    assert_true(next > k->highest);
}

static void one_round(struct place *p, struct known *k, struct random *rnd)
{
    int fds[2], status;
    struct fixture f = {.place = *p};
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child_main(p, k->next_value, fds[1]);
    }
    (void)close(fds[1]);
    (void)usleep((useconds_t)(40000 + random_below(rnd, 100000)));
    assert_int_equal(kill(pid, SIGKILL), 0);
    read_acks(k, fds[0]);
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    f.loop = loop_new("parent");
    loop_hold(f.loop, true);
    fixture_open(&f, NULL);
    check_store(k, &f);
    k->highest = store_revision(f.st);
    f.st = store_close(f.st);
    loop_free(f.loop);
}

static void test_killed_store_keeps_what_it_acknowledged(void **state)
{
    struct random_seeded rnd;
    struct known k = {.next_value = 1};
    struct place p;

    (void)state;
    random_seeded_init(&rnd, 42);
    place_init(&p, true);
    for (int i = 0; i < ROUNDS; i++)
        one_round(&p, &k, &rnd.base);
    assert_true(k.n > ROUNDS * SLOTS);
    place_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_store_keeps_what_it_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
