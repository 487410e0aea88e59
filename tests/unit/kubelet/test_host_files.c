/* test_host_files.c - folders, links, last words, programs. */
#include "test.h"

#include "kubelet/pod_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct place {
    char dir[64];
    struct arena a;
};

static int setup(void **state)
{
    struct place *p = xnew(struct place);

    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/skiff-files-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    host_remove_tree(p->dir);
    assert_int_equal(access(p->dir, F_OK), -1);
    arena_deinit(&p->a);
    free(p);
    return 0;
}

static const char *in(struct place *p, const char *name)
{
    return arena_printf(&p->a, "%s/%s", p->dir, name);
}

static void put(const char *path, const char *content)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_folders_are_made_with_parents(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct stat st;

    assert_ok(host_mkdirs(in(p, "a/b/c"), 0755, &err), &err);
    assert_ok(host_mkdirs(in(p, "a/b/c"), 0755, &err), &err);
    assert_int_equal(stat(in(p, "a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    put(in(p, "f"), "");
    assert_int_equal(host_mkdirs(in(p, "f/x"), 0755, &err), ERR_IO);
}

static void test_links_are_replaced_and_trees_do_not_follow_them(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char target[64];
    ssize_t n;

    assert_ok(host_mkdirs(in(p, "keep"), 0755, &err), &err);
    assert_ok(host_mkdirs(in(p, "tree/deep"), 0755, &err), &err);
    put(in(p, "keep/file"), "x");
    put(in(p, "tree/deep/file"), "x");
    assert_ok(host_symlink("nowhere", in(p, "tree/link"), &err), &err);
    assert_ok(host_symlink(in(p, "keep"), in(p, "tree/link"), &err), &err);
    n = readlink(in(p, "tree/link"), target, sizeof(target));
    assert_true(n > 0);
    assert_true(str_eqz((struct str){target, (size_t)n}, in(p, "keep")));
    host_remove_tree(in(p, "tree"));
    assert_int_equal(access(in(p, "tree"), F_OK), -1);
    assert_int_equal(access(in(p, "keep/file"), F_OK), 0);
    host_remove_tree(in(p, "not there"));
}

static void test_reading_is_bounded_and_follows_no_link(void **state)
{
    struct place *p = *state;
    struct err err = {0};

    put(in(p, "f"), "0123456789");
    assert_str_equal(host_read(in(p, "f"), 4, false, &p->a), "0123");
    assert_str_equal(host_read(in(p, "f"), 4, true, &p->a), "6789");
    assert_str_equal(host_read(in(p, "f"), 100, true, &p->a), "0123456789");
    assert_ok(host_symlink(in(p, "f"), in(p, "l"), &err), &err);
    assert_str_equal(host_read(in(p, "l"), 4, false, &p->a), "");
    assert_str_equal(host_read(p->dir, 4, false, &p->a), "");
    assert_int_equal(mkfifo(in(p, "fifo"), 0600), 0);
    assert_str_equal(host_read(in(p, "fifo"), 4, false, &p->a), ""); /* does not wait either */
}

static void test_logs_go_with_what_they_were_rotated_into(void **state)
{
    struct place *p = *state;

    put(in(p, "1.log"), "");
    put(in(p, "1.log.20260101-000000"), "");
    put(in(p, "11.log"), "");
    host_unlink_log(in(p, "1.log"));
    assert_int_equal(access(in(p, "1.log"), F_OK), -1);
    assert_int_equal(access(in(p, "1.log.20260101-000000"), F_OK), -1);
    assert_int_equal(access(in(p, "11.log"), F_OK), 0);
}

static void test_programs_get_input_and_tell_their_last_words(void **state)
{
    struct place *p = *state;
    const char *good[] = {"cp", "/dev/stdin", in(p, "copy"), NULL};
    const char *bad[] = {"ls", in(p, "nothing"), NULL};
    const char *missing[] = {"skiff-no-such-program", NULL};
    struct err err = {0};

    assert_ok(host_run(good, STR("hello"), &err), &err);
    assert_str_equal(host_read(in(p, "copy"), 10, false, &p->a), "hello");
    assert_int_equal(host_run(bad, STR(""), &err), ERR_IO);
    assert_non_null(strstr(err.msg, "ls failed: "));
    assert_non_null(strstr(err.msg, "nothing"));
    assert_int_equal(host_run(missing, STR(""), &err), ERR_IO);
}

static void test_termination_message(void **state)
{
    struct place *p = *state;
    struct message_source src = {in(p, "m"), NULL, 5};

    assert_str_equal(termination_message(&src, &p->a), "");
    put(in(p, "m"), "last words");
    assert_str_equal(termination_message(&src, &p->a), "last ");
    put(in(p, "m"), "");
    put(in(p, "log"), "2026-01-01T00:00:00.1Z stdout P one \n"
                      "2026-01-01T00:00:00.2Z stderr F two\n"
                      "garbage\n"
                      "2026-01-01T00:00:00.3Z stdout F three\n");
    src.log = in(p, "log");
    assert_str_equal(termination_message(&src, &p->a), "one two\nthree\n");
}

static void test_log_message_is_the_end_of_a_long_log(void **state)
{
    struct place *p = *state;
    struct message_source src = {NULL, in(p, "log"), 4096};
    FILE *f = fopen(in(p, "log"), "we");
    struct str s;

    assert_non_null(f);
    for (int i = 0; i < 100; i++)
        assert_true(fprintf(f, "2026-01-01T00:00:00Z stdout F %03d\n", i) > 0);
    assert_int_equal(fclose(f), 0);
    s = termination_message(&src, &p->a);
    assert_int_equal(s.len, 80 * 4);
    assert_true(str_has_prefix(s, STR("020\n")));
    assert_true(str_has_suffix(s, STR("099\n")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_folders_are_made_with_parents),
        T(test_links_are_replaced_and_trees_do_not_follow_them),
        T(test_reading_is_bounded_and_follows_no_link),
        T(test_logs_go_with_what_they_were_rotated_into),
        T(test_programs_get_input_and_tell_their_last_words),
        T(test_termination_message),
        T(test_log_message_is_the_end_of_a_long_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
