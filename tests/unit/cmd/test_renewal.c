/* test_renewal.c - certificates are made anew in time, by a clock that the test moves. */
#include "base/buf.h"
#include "cmd/files.h"
#include "cmd/renewal.h"
#include "net/tls.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DAY_SEC ((int64_t)24 * 3600)
#define DAY_MS ((uint64_t)DAY_SEC * 1000)

static const char *const ips[] = {"127.0.0.1", "10.96.0.1", NULL};
static const char *const dns_names[] = {"localhost", "kubernetes", NULL};
static const struct pki_names names = {"n1", ips, dns_names};

struct state {
    struct arena arena;
    struct sim *sim;
    struct loop *loop;
    char dir[32];
    const char *kubeconfig;
    struct pki pki;
    struct renewal *renewal;
    unsigned renewed;
    struct pki last; /* as told */
};

static int64_t now_sec(const struct state *s)
{
    return loop_wall_ns(s->loop) / 1000000000;
}

static void on_renewed(void *arg, const struct pki *pki)
{
    struct state *s = arg;

    s->renewed++;
    s->last = *pki;
}

static int setup(void **state)
{
    struct state *s = xnew(struct state);
    struct err err = {0};

    snprintf(s->dir, sizeof(s->dir), "/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->sim = sim_new(1);
    s->loop = sim_loop(s->sim, "test");
    s->kubeconfig = arena_printf(&s->arena, "%s/admin.kubeconfig", s->dir);
    assert_ok(pki_load(s->dir, &names, now_sec(s), &s->arena, &s->pki, &err), &err);
    s->renewal = renewal_new(&(struct renewal_opts){.loop = s->loop,
                                                    .dir = s->dir,
                                                    .names = names,
                                                    .pki = &s->pki,
                                                    .kubeconfig = s->kubeconfig,
                                                    .url = "https://127.0.0.1:6443",
                                                    .on_renewed = on_renewed,
                                                    .arg = s});
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    auto_arena a = {0};

    s->renewal = renewal_free(s->renewal);
    s->sim = sim_free(s->sim);
    assert_int_equal(system(arena_printf(&a, "rm -r %s", s->dir)), 0);
    arena_deinit(&s->arena);
    free(s);
    return 0;
}

static int64_t end_of(struct str cert)
{
    struct err err = {0};
    int64_t end = 0;

    assert_ok(cert_not_after(cert, &end, &err), &err);
    return end;
}

static void assert_file_is(struct state *s, const char *name, struct str want)
{
    struct err err = {0};
    struct str text;

    assert_ok(file_read(arena_printf(&s->arena, "%s/%s", s->dir, name), &s->arena, &text, &err),
              &err);
    assert_true(str_eq(text, want));
}

static void test_renewed_with_a_third_left(void **state)
{
    struct state *s = *state;
    int64_t end = end_of(s->pki.server_cert), due = pki_due_sec(&s->pki);

    assert_int_equal(end - due, 365 * DAY_SEC / 3);
    sim_run_for(s->sim, (uint64_t)(due - now_sec(s) - 2) * 1000);
    assert_int_equal(s->renewed, 0);
    sim_run_for(s->sim, 4000);
    assert_int_equal(s->renewed, 1);
    /* New certificates, for the same keys, a year from now on; the CA is the same. */
    assert_in_range(end_of(s->last.server_cert), end + 240 * DAY_SEC, end + 245 * DAY_SEC);
    assert_true(end_of(s->last.kubelet_cert) > end);
    assert_true(end_of(s->last.kubelet_client_cert) > end);
    assert_true(end_of(s->last.admin_cert) > end);
    assert_true(str_eq(s->last.ca_cert, s->pki.ca_cert));
    assert_true(str_eq(s->last.server_key, s->pki.server_key));
    assert_true(cert_covers(s->last.server_cert, dns_names, ips));
    assert_file_is(s, "apiserver.crt", s->last.server_cert);
    assert_file_is(s, "kubelet.crt", s->last.kubelet_cert);
}

static void test_goes_on_for_years(void **state)
{
    struct state *s = *state;

    for (int day = 0; day < 3 * 365; day++) {
        const struct pki *p = s->renewed ? &s->last : &s->pki;

        sim_run_for(s->sim, DAY_MS);
        assert_true(end_of(p->server_cert) - now_sec(s) > 120 * DAY_SEC);
        assert_true(end_of(p->admin_cert) - now_sec(s) > 120 * DAY_SEC);
    }
    assert_int_equal(s->renewed, 4);
}

static void test_kubeconfig_has_the_new_certificate(void **state)
{
    struct state *s = *state;
    struct err err = {0};
    struct stat st;
    struct str before, after;

    sim_run_for(s->sim, 250 * DAY_MS);
    assert_int_equal(s->renewed, 1);
    assert_int_equal(stat(s->kubeconfig, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(file_read(s->kubeconfig, &s->arena, &after, &err), &err);
    assert_ok(admin_kubeconfig_write(s->kubeconfig, "https://127.0.0.1:6443", &s->pki, &err), &err);
    assert_ok(file_read(s->kubeconfig, &s->arena, &before, &err), &err);
    assert_false(str_eq(before, after));
    assert_ok(admin_kubeconfig_write(s->kubeconfig, "https://127.0.0.1:6443", &s->last, &err),
              &err);
    assert_file_is(s, "admin.kubeconfig", after);
}

static void test_failure_is_tried_again(void **state)
{
    struct state *s = *state;
    const char *path = arena_printf(&s->arena, "%s/kubelet.crt", s->dir);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* cannot be read, nor replaced */
    sim_run_for(s->sim, 245 * DAY_MS);
    assert_int_equal(s->renewed, 0);
    assert_int_equal(rmdir(path), 0);
    sim_run_for(s->sim, 61000);
    assert_int_equal(s->renewed, 1);
}

static void test_end_of_the_ca_is_spoken_of(void **state)
{
    struct state *s = *state;
    int64_t end = end_of(s->pki.ca_cert);
    const char *todo;
    bool ended = true;

    assert_null(pki_ca_warning(s->pki.ca_cert, "/d/pki", end - 365 * DAY_SEC, &s->arena, &ended));
    assert_false(ended);
    todo = pki_ca_warning(s->pki.ca_cert, "/d/pki", end - 365 * DAY_SEC + 1, &s->arena, &ended);
    assert_non_null(strstr(todo, "remove /d/pki/ca.crt and start it again"));
    assert_false(ended);
    todo = pki_ca_warning(s->pki.ca_cert, "/d/pki", end, &s->arena, &ended);
    assert_non_null(todo);
    assert_true(ended);
    todo = pki_ca_warning(STR("nonsense"), "/d/pki", 0, &s->arena, &ended);
    assert_non_null(strstr(todo, "/d/pki/ca.crt cannot be read"));
    assert_true(ended);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_renewed_with_a_third_left), T(test_goes_on_for_years),
        T(test_kubeconfig_has_the_new_certificate), T(test_failure_is_tried_again),
        T(test_end_of_the_ca_is_spoken_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
