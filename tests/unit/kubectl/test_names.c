/* SPDX-License-Identifier: Apache-2.0 */
#include "kubectl/kubectl.h" /* before cmocka and its fail() */

#include "test.h"

static void test_find_resource(void **state)
{
    static const struct {
        const char *word;
        const struct resource *want;
    } cases[] = {
        {"pods", &res_core_pods},
        {"pod", &res_core_pods},
        {"po", &res_core_pods},
        {"Pod", &res_core_pods},
        {"PODS", &res_core_pods},
        {"svc", &res_core_services},
        {"cm", &res_core_configmaps},
        {"ns", &res_core_namespaces},
        {"deploy", &res_apps_deployments},
        {"deployments.apps", &res_apps_deployments},
        {"deploy.apps", &res_apps_deployments},
        {"deployments.v1.apps", &res_apps_deployments},
        {"pods.v1", &res_core_pods},
        {"endpointslices.discovery.k8s.io", &res_discovery_endpointslices},
        {"endpointslices.v1.discovery.k8s.io", &res_discovery_endpointslices},
        {"deployments.core", NULL},
        {"deployments.v9.apps", NULL},
        {"pods.", NULL},
        {"pods.v9", NULL},
        {"pods.apps", NULL},
        {"podss", NULL},
        {"", NULL},
        {".apps", NULL},
        {"tokenreviews", NULL}, /* not to be got */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct resource *r = find_resource(str_from(cases[i].word));

        if (r != cases[i].want)
            fail_msg("\"%s\" is %s", cases[i].word, r ? r->plural : "unknown");
    }
}

static void test_parse_names(void **state)
{
    const char *two[] = {"pods", "a", "b"}, *slashes[] = {"pod/a", "svc/b"};
    const char *types[] = {"pods,svc"}, *all[] = {"all"};
    struct kubectl k = {.words = two, .n_words = 3};
    struct named *n;
    size_t count;

    (void)state;
    assert_true(parse_names(&k, &n, &count));
    assert_int_equal(count, 2);
    assert_ptr_equal(n[1].res, &res_core_pods);
    assert_str_equal(n[1].name, "b");
    k.words = slashes;
    k.n_words = 2;
    assert_true(parse_names(&k, &n, &count));
    assert_int_equal(count, 2);
    assert_ptr_equal(n[1].res, &res_core_services);
    assert_str_equal(n[1].name, "b");
    k.words = types;
    k.n_words = 1;
    assert_true(parse_names(&k, &n, &count));
    assert_int_equal(count, 2);
    assert_ptr_equal(n[1].res, &res_core_services);
    assert_int_equal(n[1].name.len, 0);
    k.words = all;
    assert_true(parse_names(&k, &n, &count));
    assert_true(count > 3);
    arena_deinit(&k.arena);
}

static void test_wrong_names_are_refused(void **state)
{
    const char *cases[][2] = {{"nonsense", NULL}, {"nonsense", "a"}, {"nonsense/a", NULL},
                              {"pods,nonsense", NULL}, {"pod/a", "b"}, {"pods", "svc/a"},
                              {"pod/", NULL}, {"pods", ""}, {NULL, NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kubectl k = {.words = cases[i]};
        struct named *n;
        size_t count;

        while (k.n_words < 2 && cases[i][k.n_words])
            k.n_words++;
        if (parse_names(&k, &n, &count))
            fail_msg("case %zu", i);
        arena_deinit(&k.arena);
    }
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_manifests_are_read(void **state)
{
    char folder[] = "/tmp/manifests.XXXXXX";
    const char *files[1];
    struct kubectl k = {.ns = "mine", .files = files, .n_files = 1};
    struct manifest *m;
    size_t n;
    const char *one, *two, *other;

    (void)state;
    files[0] = mkdtemp(folder);
    assert_non_null(files[0]);
    one = arena_printf(&k.arena, "%s/1.yaml", folder);
    two = arena_printf(&k.arena, "%s/2.json", folder);
    other = arena_printf(&k.arena, "%s/README.txt", folder);
    write_text(two, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\","
                    "\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"theirs\"}},"
                    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":"
                    "{\"name\":\"d\"}}]}");
    write_text(one, "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n---\n---\n"
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
    write_text(other, "{{{");
    assert_true(read_manifests(&k, &m, &n));
    assert_int_equal(n, 4);
    assert_ptr_equal(m[0].res, &res_core_namespaces);
    assert_int_equal(m[0].ns.len, 0);
    assert_ptr_equal(m[1].res, &res_core_configmaps);
    assert_str_equal(m[1].ns, "mine");
    assert_str_equal(m[2].ns, "theirs");
    assert_ptr_equal(m[3].res, &res_apps_deployments);
    assert_str_equal(m[3].name, "d");
    write_text(one, "apiVersion: v1\nkind: Nonsense\n");
    assert_false(read_manifests(&k, &m, &n));
    write_text(one, "kind: Pod\n");
    assert_false(read_manifests(&k, &m, &n));
    write_text(one, "a: [\n");
    assert_false(read_manifests(&k, &m, &n));
    assert_int_equal(unlink(one) | unlink(two) | unlink(other), 0);
    assert_false(read_manifests(&k, &m, &n)); /* an empty folder */
    assert_int_equal(rmdir(folder), 0);
    assert_false(read_manifests(&k, &m, &n));
    arena_deinit(&k.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_resource),
        cmocka_unit_test(test_parse_names),
        cmocka_unit_test(test_wrong_names_are_refused),
        cmocka_unit_test(test_manifests_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
