/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client_https.h"
#include "test.h"

#define CONFIG                                                                                     \
    "apiVersion: v1\nkind: Config\ncurrent-context: main\n"                                        \
    "clusters:\n- name: c1\n  cluster:\n    server: https://one:6443\n"                            \
    "    certificate-authority-data: Y2EgcGVt\n"                                                   \
    "- name: c2\n  cluster:\n    server: https://two\n    insecure-skip-tls-verify: true\n"        \
    "contexts:\n- name: main\n  context:\n    cluster: c1\n    user: u1\n    namespace: apps\n"    \
    "- name: other\n  context:\n    cluster: c2\n    user: u2\n"                                   \
    "- name: broken\n  context:\n    cluster: nowhere\n    user: u1\n"                             \
    "users:\n- name: u1\n  user:\n    client-certificate-data: Y2VydA==\n"                         \
    "    client-key-data: a2V5\n- name: u2\n  user:\n    token: secret\n"

static void the_current_context_is_resolved(void **state)
{
    struct kubeconfig k;
    struct err err = {0};

    (void)state;
    assert_ok(kubeconfig_parse(STR(CONFIG), NULL, NULL, &k, &err), &err);
    assert_string_equal(k.server, "https://one:6443");
    assert_string_equal(k.ca_pem, "ca pem");
    assert_string_equal(k.cert_pem, "cert");
    assert_string_equal(k.key_pem, "key");
    assert_string_equal(k.namespace_, "apps");
    assert_string_equal(k.context, "main");
    assert_null(k.token);
    assert_false(k.insecure);
    kubeconfig_deinit(&k);
    kubeconfig_deinit(&k); /* again */
}

static void another_context_can_be_named(void **state)
{
    struct kubeconfig k;
    struct err err = {0};

    (void)state;
    assert_ok(kubeconfig_parse(STR(CONFIG), NULL, "other", &k, &err), &err);
    assert_string_equal(k.server, "https://two");
    assert_string_equal(k.token, "secret");
    assert_true(k.insecure);
    assert_null(k.ca_pem);
    assert_null(k.namespace_);
    kubeconfig_deinit(&k);
}

static void what_is_missing_is_named(void **state)
{
    struct kubeconfig k;
    struct err err = {0};

    (void)state;
    assert_int_equal(kubeconfig_parse(STR(CONFIG), NULL, "nope", &k, &err), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "context \"nope\" does not exist");
    assert_int_equal(kubeconfig_parse(STR(CONFIG), NULL, "broken", &k, &err), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "cluster \"nowhere\" does not exist");
    assert_true(kubeconfig_parse(STR("a: [b"), NULL, NULL, &k, &err) < 0);
    assert_true(kubeconfig_parse(STR(""), NULL, NULL, &k, &err) < 0);
    assert_int_equal(kubeconfig_load("/nonexistent/file", NULL, &k, &err), ERR_NOT_FOUND);
}

static void what_is_written_can_be_read(void **state)
{
    auto_buf b = {0};
    struct kubeconfig k;
    struct err err = {0};

    (void)state;
    kubeconfig_write(&b, "me", "https://here:6443", STR("the ca"), STR("the cert"), STR("the key"));
    assert_ok(kubeconfig_parse(buf_view(&b), NULL, NULL, &k, &err), &err);
    assert_string_equal(k.server, "https://here:6443");
    assert_string_equal(k.ca_pem, "the ca");
    assert_string_equal(k.cert_pem, "the cert");
    assert_string_equal(k.key_pem, "the key");
    kubeconfig_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_current_context_is_resolved),
        cmocka_unit_test(another_context_can_be_named),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(what_is_written_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
