/* SPDX-License-Identifier: Apache-2.0 */
/* test_volumes.c - volumes as folders: written as a whole, replaced as a whole, removed. */
#include "kubelet/files.h"
#include "kubelet/pod_config.h"
#include "kubelet/volume_files.h"
#include "schema/typed.h"
#include "test.h"

#include <sys/stat.h>

struct fixture {
    char root[64];
    struct arena arena;
    unsigned stamps;
};

static int setup(void **state)
{
    struct fixture *f = xnew(struct fixture);

    (void)snprintf(f->root, sizeof(f->root), "/tmp/test_volumes.XXXXXX");
    assert_non_null(mkdtemp(f->root));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    assert_ok(volume_remove_all(f->root, &err), &err);
    assert_int_equal(access(f->root, F_OK), -1);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

static struct volume_work work(struct fixture *f, struct volume_file *files, size_t n)
{
    return (struct volume_work){
        .kind = VOLUME_FILES,
        .name = STR("v"),
        .path = arena_printf(&f->arena, "%s/volumes/kubernetes.io~configmap/v", f->root),
        .fs_group = VOLUME_ID_NONE,
        .files = files,
        .n_files = n,
        .stamp = arena_printf(&f->arena, "..2026_01_01_00_00_00.%u", ++f->stamps),
    };
}

static void assert_file(struct fixture *f, const struct volume_work *w, const char *name,
                        const char *content)
{
    struct err err = {0};
    struct str text;

    assert_ok(kfile_read(arena_printf(&f->arena, "%s/%s", w->path, name), 1000, &f->arena, &text,
                         &err),
              &err);
    assert_str_equal(text, content);
}

static void test_files_are_replaced_as_one(void **state)
{
    struct fixture *f = *state;
    struct volume_file files[] = {
        {STR_INIT("a"), STR_INIT("1"), 0644, VOLUME_ID_NONE},
        {STR_INIT("d/e/f"), STR_INIT("deep"), 0400, VOLUME_ID_NONE},
    };
    struct volume_file later[] = {{STR_INIT("b"), STR_INIT("2"), 0600, VOLUME_ID_NONE}};
    struct volume_work w = work(f, files, ARRAY_LEN(files)), next;
    struct err err = {0};
    struct stat st;
    char target[64] = "";

    assert_ok(volume_bring_about(&w, &err), &err);
    assert_file(f, &w, "a", "1");
    assert_file(f, &w, "d/e/f", "deep");
    assert_int_equal(stat(arena_printf(&f->arena, "%s/d/e/f", w.path), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_true(readlink(arena_printf(&f->arena, "%s/..data", w.path), target,
                         sizeof(target) - 1) > 0);
    assert_string_equal(target, "..2026_01_01_00_00_00.1");
    next = work(f, later, ARRAY_LEN(later));
    memcpy(next.digest, w.digest, sizeof(next.digest));
    next.written = true;
    assert_ok(volume_bring_about(&next, &err), &err);
    assert_file(f, &next, "b", "2");
    assert_int_equal(lstat(arena_printf(&f->arena, "%s/a", w.path), &st), -1);
    assert_int_equal(lstat(arena_printf(&f->arena, "%s/..2026_01_01_00_00_00.1", w.path), &st),
                     -1);
}

static void test_equal_files_are_not_written_again(void **state)
{
    struct fixture *f = *state;
    struct volume_file files[] = {{STR_INIT("a"), STR_INIT("1"), 0644, VOLUME_ID_NONE}};
    struct volume_work w = work(f, files, 1);
    struct err err = {0};
    char target[64] = "";

    assert_ok(volume_bring_about(&w, &err), &err);
    w.stamp = "..other";
    assert_ok(volume_bring_about(&w, &err), &err);
    assert_true(readlink(arena_printf(&f->arena, "%s/..data", w.path), target,
                         sizeof(target) - 1) > 0);
    assert_string_equal(target, "..2026_01_01_00_00_00.1");
}

static void test_paths_stay_inside(void **state)
{
    static const char *const bad[] = {"/etc/x", "../x", "a/../../x", "", "a//b", "."};
    struct fixture *f = *state;
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct volume_file file = {str_from(bad[i]), STR("x"), 0644, VOLUME_ID_NONE};
        struct volume_work w = work(f, &file, 1);

        assert_int_equal(volume_bring_about(&w, &err), ERR_INVALID);
    }
}

static void test_empty_dir_is_open_to_all(void **state)
{
    struct fixture *f = *state;
    struct volume_work w = work(f, NULL, 0);
    struct err err = {0};
    struct stat st;

    w.kind = VOLUME_EMPTY_DIR;
    assert_ok(volume_bring_about(&w, &err), &err);
    assert_int_equal(stat(w.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0777);
    assert_ok(volume_bring_about(&w, &err), &err); /* again: as it is */
}

static void test_host_path_types(void **state)
{
    struct fixture *f = *state;
    struct volume_work w = {.kind = VOLUME_HOST_PATH, .fs_group = VOLUME_ID_NONE};
    struct err err = {0};

    w.path = f->root;
    w.host_type = STR("Directory");
    assert_ok(volume_bring_about(&w, &err), &err);
    w.host_type = STR("File");
    assert_int_equal(volume_bring_about(&w, &err), ERR_INVALID);
    assert_string_equal(err.msg, arena_printf(&f->arena,
                                              "hostPath type check failed: %s is not a file",
                                              f->root));
    w.path = arena_printf(&f->arena, "%s/new/dir", f->root);
    w.host_type = STR("DirectoryOrCreate");
    assert_ok(volume_bring_about(&w, &err), &err);
    w.path = arena_printf(&f->arena, "%s/new/file", f->root);
    w.host_type = STR("FileOrCreate");
    assert_ok(volume_bring_about(&w, &err), &err);
    w.host_type = STR("Nonsense");
    assert_int_equal(volume_bring_about(&w, &err), ERR_INVALID);
}

static void test_hosts_file(void **state)
{
    struct fixture *f = *state;
    static const char *const ips[] = {"10.0.0.5"};
    struct err err = {0};
    void *pod;
    struct str text;

    assert_ok(typed_from_json(&type_core_pod,
                              STR("{\"spec\":{\"hostAliases\":[{\"ip\":\"1.2.3.4\",\"hostnames\":"
                                  "[\"x\",\"y\"]}]}}"),
                              &f->arena, &pod, &err),
              &err);
    text = hosts_text(pod, ips, 1, "h", "sub.ns.svc.cluster.local", NULL, &f->arena);
    assert_str_equal(text, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"
                           "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
                           "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\n"
                           "fe00::2\tip6-allrouters\n"
                           "10.0.0.5\th.sub.ns.svc.cluster.local\th\n"
                           "\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_files_are_replaced_as_one), T(test_equal_files_are_not_written_again),
        T(test_paths_stay_inside),         T(test_empty_dir_is_open_to_all),
        T(test_host_path_types),           T(test_hosts_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
