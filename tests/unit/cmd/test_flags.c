/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cmd/flags.h"

struct values {
    const char *dir;
    bool wait, quiet;
    int64_t count, timeout_ms;
};
struct fixture {
    struct values v;
    struct flag flags[6];
    int words;
    struct err err;
};

static void init(struct fixture *f)
{
    *f = (struct fixture){.v = {.dir = "/var", .quiet = true, .count = 3, .timeout_ms = 1500},
                          .words = -1};
    f->flags[0] = (struct flag){"dir", FLAG_STRING, &f->v.dir, "DIR", "where"};
    f->flags[1] = (struct flag){"wait", FLAG_BOOL, &f->v.wait, NULL, "wait for it"};
    f->flags[2] = (struct flag){"quiet", FLAG_BOOL, &f->v.quiet, NULL, "say less"};
    f->flags[3] = (struct flag){"count", FLAG_INT, &f->v.count, "N", "how many"};
    f->flags[4] = (struct flag){"a-rather-long-name-of-a-flag-indeed", FLAG_DURATION,
                                &f->v.timeout_ms, "TIME", "how long"};
}

/* Parses up to 8 arguments; the words that are left stand in @argv from 1 on. */
static int parse(struct fixture *f, char **argv)
{
    int argc = 1;

    init(f);
    while (argv[argc])
        argc++;
    return flags_parse(f->flags, argc, argv, &f->words, &f->err);
}
#define PARSE(f, ...) parse((f), argv = (char *[]){"skiff", __VA_ARGS__, NULL})

static void test_values_of_every_kind(void **state)
{
    struct fixture f;
    char **argv;

    (void)state;
    assert_int_equal(PARSE(&f, "--dir=/a=b", "--wait", "--quiet=false", "--count", "-7",
                           "--a-rather-long-name-of-a-flag-indeed=1m30s"), 0);
    assert_string_equal(f.v.dir, "/a=b");
    assert_true(f.v.wait);
    assert_false(f.v.quiet);
    assert_int_equal(f.v.count, -7);
    assert_int_equal(f.v.timeout_ms, 90000);
    assert_int_equal(f.words, 0);
    assert_int_equal(PARSE(&f, "--dir=", "--wait=1", "--quiet=0"), 0);
    assert_string_equal(f.v.dir, "");
    assert_true(f.v.wait);
    assert_false(f.v.quiet);
    assert_int_equal(PARSE(&f, "--dir", "--wait"), 0); /* a value may look like a flag */
    assert_string_equal(f.v.dir, "--wait");
    assert_false(f.v.wait);
    assert_int_equal(PARSE(&f, "--count=1", "--count=2"), 0); /* the last one counts */
    assert_int_equal(f.v.count, 2);
}

static void test_words_are_moved_to_the_front(void **state)
{
    struct fixture f;
    char **argv;

    (void)state;
    assert_int_equal(PARSE(&f, "one", "--count", "5", "two", "--wait", "three", "-"), 0);
    assert_int_equal(f.words, 4);
    assert_string_equal(argv[1], "one");
    assert_string_equal(argv[2], "two");
    assert_string_equal(argv[3], "three");
    assert_string_equal(argv[4], "-");
    assert_int_equal(f.v.count, 5);
    assert_int_equal(PARSE(&f, "--wait", "--", "--count", "--", "--help"), 0);
    assert_int_equal(f.words, 3);
    assert_string_equal(argv[1], "--count");
    assert_string_equal(argv[2], "--");
    assert_string_equal(argv[3], "--help");
    assert_int_equal(PARSE(&f, "wait", "true"), 0); /* a boolean takes no word */
    assert_int_equal(f.words, 2);
}

static void test_help_is_told_from_errors(void **state)
{
    struct fixture f;
    char **argv;

    (void)state;
    assert_int_equal(PARSE(&f, "--help"), FLAGS_HELP);
    assert_int_equal(PARSE(&f, "word", "-h", "--nonsense"), FLAGS_HELP);
    assert_int_equal(PARSE(&f, "--nonsense", "--help"), ERR_BAD_REQUEST);
}

static void test_errors_name_the_flag(void **state)
{
    static const struct {
        const char *arg, *value, *want;
    } cases[] = {
        {"--nonsense", NULL, "unknown flag --nonsense; see --help"},
        {"--nonsense=x", NULL, "unknown flag --nonsense; see --help"},
        {"--di", "x", "unknown flag --di; see --help"},
        {"-x", NULL, "unknown flag -x; see --help"},
        {"-dir", "x", "unknown flag -dir; see --help"},
        {"--=x", NULL, "unknown flag --; see --help"},
        {"--dir", NULL, "--dir needs a value; see --help"},
        {"--wait=yes", NULL, "--wait: \"yes\" is neither true nor false"},
        {"--wait=", NULL, "--wait: \"\" is neither true nor false"},
        {"--count=1x", NULL, "--count: \"1x\" is no whole number"},
        {"--count=", NULL, "--count: \"\" is no whole number"},
        {"--count", "99999999999999999999", "--count: \"99999999999999999999\" is no whole number"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *argv[] = {"skiff", (char *)cases[i].arg, (char *)cases[i].value, NULL};
        struct fixture f;

        assert_int_equal(parse(&f, argv), ERR_BAD_REQUEST);
        assert_string_equal(f.err.msg, cases[i].want);
        assert_int_equal(f.words, -1);
    }
}

static void test_bad_durations_are_refused(void **state)
{
    static const char *const bad[] = {"", "5", "s", "5 s", "-5s", "1h-1m", "9999999999h"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *argv[] = {"skiff", "--a-rather-long-name-of-a-flag-indeed", (char *)bad[i], NULL};
        struct fixture f;

        if (parse(&f, argv) != ERR_BAD_REQUEST)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(f.v.timeout_ms, 1500);
    }
}

static void test_help_lists_flags_and_defaults(void **state)
{
    struct fixture f;
    char text[1024] = {0};
    FILE *out = fmemopen(text, sizeof(text) - 1, "w");

    (void)state;
    init(&f);
    flags_help(f.flags, "usage: x", out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text,
                        "usage: x\n\nFlags:\n"
                        "  --dir=DIR                           where (default /var)\n"
                        "  --wait                              wait for it\n"
                        "  --quiet                             say less (default true)\n"
                        "  --count=N                           how many (default 3)\n"
                        "  --a-rather-long-name-of-a-flag-indeed=TIME  how long"
                        " (default 1500ms)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_every_kind),
        cmocka_unit_test(test_words_are_moved_to_the_front),
        cmocka_unit_test(test_help_is_told_from_errors),
        cmocka_unit_test(test_errors_name_the_flag),
        cmocka_unit_test(test_bad_durations_are_refused),
        cmocka_unit_test(test_help_lists_flags_and_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
