/* test_store_etcd_cluster.c - the store over etcds that fail one by one, and over TLS. Skipped
 * where etcd is not installed. */
#include "net/tls.h"
#include "over_etcd.h"

/* Writes until one write succeeds; its revision. */
static int64_t put_at_last(struct store *st, struct loop *loop, const char *name)
{
    int64_t r = -1;

    for (int i = 0; i < 300 && r < 0; i++) {
        r = put(st, loop, name, "1");
        if (r < 0)
            (void)usleep(50000);
    }
    assert_true(r > 0);
    return r;
}

static void wait_until_it_follows(const struct etcd_proc *m)
{
    char out[200] = "";

    for (int i = 0; i < 60 && strcmp(out, "0\n") != 0; i++)
        (void)etcdctl(m, "get --command-timeout=1s x >/dev/null 2>&1; echo $?", out, sizeof(out));
    assert_string_equal(out, "0\n");
}

static void test_a_cluster_of_three_outlives_its_members(void **state)
{
    struct etcd_proc m[3];
    struct etcd_like like;
    struct over o = {0};
    struct object *got;
    char name[16];

    (void)state;
    if (!etcd_installed())
        skip();
    etcd_start_cluster(m, 3);
    like = (struct etcd_like){.more_urls = {m[1].client_url, m[2].client_url}};
    o.f.loop = loop_new("test");
    loop_hold(o.f.loop, true);
    o.f.st = open_at(&m[0], &like);
    for (int i = 0; i < 3; i++)
        wait_until_it_follows(&m[i]);
    for (int i = 0; i < 3; i++) { /* each is killed once: the one in use and the leader, too */
        (void)snprintf(name, sizeof(name), "before%d", i);
        (void)put_at_last(o.f.st, o.f.loop, name);
        etcd_proc_kill(&m[i]);
        assert_int_equal(fresh(o.f.st, o.f.loop), 1); /* asked again of another: no failure */
        (void)snprintf(name, sizeof(name), "after%d", i);
        (void)put_at_last(o.f.st, o.f.loop, name);
        assert_int_equal(fresh(o.f.st, o.f.loop), 1);
        etcd_proc_run(&m[i]);
        wait_until_it_follows(&m[i]);
    }
    etcd_proc_kill(&m[0]);
    etcd_proc_kill(&m[2]); /* no quorum: nothing can be known */
    assert_true(put(o.f.st, o.f.loop, "lost", "1") < 0);
    assert_true(fresh(o.f.st, o.f.loop) < 0);
    for (int i = 0; i < 500 && store_healthy(o.f.st); i++)
        (void)usleep(10000); /* the last one alive takes a while to notice that it is alone */
    assert_false(store_healthy(o.f.st));
    etcd_proc_run(&m[2]);
    (void)put_at_last(o.f.st, o.f.loop, "quorum");
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "before%d", i);
        got = find(o.f.st, name);
        assert_non_null(got);
        object_unref(got);
    }
    o.f.st = store_close(o.f.st);
    o.f.loop = loop_free(o.f.loop);
    for (int i = 0; i < 3; i++)
        etcd_proc_stop(&m[i]);
}

/* It has its connections, but does not answer: a call waits for its deadline, then others do. */
static void test_a_member_that_hangs_is_left(void **state)
{
    struct etcd_proc m[3];
    struct etcd_like like;
    struct over o = {0};

    (void)state;
    if (!etcd_installed())
        skip();
    etcd_start_cluster(m, 3);
    like = (struct etcd_like){.more_urls = {m[1].client_url, m[2].client_url}};
    o.f.loop = loop_new("test");
    loop_hold(o.f.loop, true);
    o.f.st = open_at(&m[0], &like);
    (void)put_at_last(o.f.st, o.f.loop, "a");
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(m[i].pid, SIGSTOP), 0);
    assert_true(put(o.f.st, o.f.loop, "b", "1") < 0);
    assert_false(store_healthy(o.f.st));
    for (int i = 1; i < 3; i++)
        assert_int_equal(kill(m[i].pid, SIGCONT), 0);
    (void)put_at_last(o.f.st, o.f.loop, "c");
    assert_int_equal(fresh(o.f.st, o.f.loop), 1);
    o.f.st = store_close(o.f.st);
    o.f.loop = loop_free(o.f.loop);
    for (int i = 0; i < 3; i++)
        etcd_proc_stop(&m[i]);
}

static void write_file(const struct etcd_proc *e, const char *name, struct str text)
{
    char path[80];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", e->dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
}

static void new_cert(const char *name, bool ca, struct str ca_cert, struct str ca_key,
                     struct arena *a, struct str *ret_cert, struct str *ret_key)
{
    static const char *const ips[] = {"127.0.0.1", NULL};
    struct cert_request rq = {.common_name = name, .is_ca = ca, .server = !ca, .client = !ca,
                              .ips = ca ? NULL : ips, .lifetime_sec = 86400};
    struct err err = {0};

    rq.not_before_sec = clock_real()->wall_ns(clock_real()) / 1000000000 - 60;
    assert_ok(cert_new_key(a, ret_key, &err), &err);
    assert_ok(cert_issue(&rq, *ret_key, ca_cert, ca_key, a, ret_cert, &err), &err);
}

static void test_tls_with_certificates_of_both_sides(void **state)
{
    struct over o = {0};
    auto_arena a = {0};
    struct str ca, ca_key, cert, key;
    struct etcd_like like = {0};
    struct store *st;
    struct err err = {0};

    (void)state;
    if (!etcd_installed())
        skip();
    new_cert("ca", true, STR_NULL, STR_NULL, &a, &ca, &ca_key);
    new_cert("both", false, ca, ca_key, &a, &cert, &key);
    etcd_proc_prepare(&o.etcd, true);
    write_file(&o.etcd, "ca.pem", ca);
    write_file(&o.etcd, "server.pem", cert);
    write_file(&o.etcd, "server.key", key);
    etcd_proc_run(&o.etcd);
    o.f.loop = loop_new("test");
    loop_hold(o.f.loop, true);
    assert_ok(tls_client_context(ca, cert, key, false, &like.tls, &err), &err);
    o.f.st = open_at(&o.etcd, &like);
    assert_int_equal(put(o.f.st, o.f.loop, "a", "1"), 2);
    assert_int_equal(fresh(o.f.st, o.f.loop), 1);
    teardown(&o);
    tls_context_free(like.tls);
    new_cert("stranger", true, STR_NULL, STR_NULL, &a, &ca, &ca_key);
    etcd_proc_prepare(&o.etcd, true);
    write_file(&o.etcd, "ca.pem", ca);
    write_file(&o.etcd, "server.pem", cert);
    write_file(&o.etcd, "server.key", key);
    etcd_proc_run(&o.etcd);
    assert_ok(tls_client_context(ca, STR(""), STR(""), false, &like.tls, &err), &err);
    for (int i = 0; i < 20 && !strstr(err.msg, "TLS: "); i++) { /* until etcd has started */
        err = (struct err){0};
        assert_int_equal(try_open(&o.etcd, &like, 500, &st, &err), ERR_UNAVAILABLE);
    }
    assert_non_null(strstr(err.msg, "TLS: unable to get local issuer certificate"));
    tls_context_free(like.tls);
    etcd_proc_stop(&o.etcd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cluster_of_three_outlives_its_members),
        cmocka_unit_test(test_a_member_that_hangs_is_left),
        cmocka_unit_test(test_tls_with_certificates_of_both_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
