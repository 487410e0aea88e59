/* test_images.c - names of images and credentials for registries. */
#include "test.h"

#include "kubelet/pod_internal.h"

static void test_references_are_checked_and_completed(void **state)
{
    static const struct {
        const char *image, *full; /* NULL: malformed */
    } cases[] = {
        {"busybox", "busybox:latest"},
        {"busybox:1.36", "busybox:1.36"},
        {"registry.io:5000/a/b-c_d", "registry.io:5000/a/b-c_d:latest"},
        {"registry.io:5000/a:v1", "registry.io:5000/a:v1"},
        {"localhost/x:Tag.1", "localhost/x:Tag.1"},
        {"a/b@sha256:0123456789abcdef", "a/b@sha256:0123456789abcdef"},
        {"a:t@sha256:01", "a:t@sha256:01"},
        {"", NULL},
        {"UPPER", NULL},
        {"a//b", NULL},
        {"a/", NULL},
        {"/a", NULL},
        {"a b", NULL},
        {"a:", NULL},
        {"a:-x", NULL},
        {"-a", NULL},
        {"a@b", NULL},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
    };
    auto_arena a = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str full = STR_NULL;
        bool good = image_ref_parse(str_from(cases[i].image), &a, &full);

        if (good != (cases[i].full != NULL))
            fail_msg("%s", cases[i].image);
        if (good)
            assert_str_equal(full, cases[i].full);
    }
}

static void test_credentials_are_found_by_registry(void **state)
{
    static const char config[] =
        "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpwOnE=\"},"
        "\"r.io\":{\"username\":\"a\",\"password\":\"b\"},"
        "\"r.io/team\":{\"username\":\"t\",\"password\":\"s\"},"
        "\"token.io\":{\"registrytoken\":\"x\"},\"empty.io\":{}}}";
    static const struct {
        const char *image, *username, *password; /* NULL: none */
    } cases[] = {
        {"busybox:1", "u", "p:q"},
        {"library/busybox", "u", "p:q"},
        {"docker.io/x/y:1", "u", "p:q"},
        {"r.io/x:1", "a", "b"},
        {"r.io/team/x:1", "t", "s"},
        {"token.io/x", "", ""},
        {"empty.io/x", NULL, NULL},
        {"other.io/x", NULL, NULL},
    };
    auto_arena a = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct image_auth auth = {0};
        bool found =
            pull_secret_find(str_from(config), false, str_from(cases[i].image), &a, &auth);

        if (found != (cases[i].username != NULL))
            fail_msg("%s", cases[i].image);
        if (!found)
            continue;
        assert_str_equal(auth.username, cases[i].username);
        assert_str_equal(auth.password, cases[i].password);
    }
}

static void test_old_form_and_garbage(void **state)
{
    struct image_auth auth;
    auto_arena a = {0};

    (void)state;
    assert_true(pull_secret_find(STR("{\"r.io\":{\"username\":\"a\"}}"), true, STR("r.io/x"), &a,
                                 &auth));
    assert_false(pull_secret_find(STR("{\"r.io\":{\"username\":\"a\"}}"), false, STR("r.io/x"), &a,
                                  &auth));
    assert_false(pull_secret_find(STR("nonsense"), false, STR("r.io/x"), &a, &auth));
    assert_false(pull_secret_find(STR("{\"auths\":[]}"), false, STR("r.io/x"), &a, &auth));
    assert_false(pull_secret_find(STR("{\"auths\":{\"r.io\":{\"auth\":\"%%\"}}}"), false,
                                  STR("r.io/x"), &a, &auth));
    assert_false(
        pull_secret_find(STR("{\"auths\":{\"r.io\":7}}"), false, STR("r.io/x"), &a, &auth));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_are_checked_and_completed),
        cmocka_unit_test(test_credentials_are_found_by_registry),
        cmocka_unit_test(test_old_form_and_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
