/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cmd/snapshot_name.h"

static void test_names_come_back(void **state)
{
    static const struct {
        const char *text;
        struct snapshot_name name;
    } cases[] = {
        {"skiff-20260102T030405Z-r123.snapshot", {1767323045, 123}},
        {"skiff-19700101T000000Z-r0.snapshot", {0, 0}},
        {"skiff-20240229T235959Z-r9223372036854775807.snapshot", {1709251199, INT64_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[SNAPSHOT_NAME_BYTES];
        struct snapshot_name n = {-1, -1};

        snapshot_name_write(cases[i].name, text);
        assert_string_equal(text, cases[i].text);
        assert_true(snapshot_name_parse(text, &n));
        assert_true(n.sec == cases[i].name.sec && n.revision == cases[i].name.revision);
    }
}

static void test_other_names_are_not_ours(void **state)
{
    static const char *const cases[] = {
        "",
        "skiff-",
        ".snapshot",
        "skiff-.snapshot",
        "skiff.snapshot",
        "skiff-20260102T030405Z-r123.snapshot.partial",
        "skiff-20260102T030405Z-r123.snapshot ",
        " skiff-20260102T030405Z-r123.snapshot",
        "x-skiff-20260102T030405Z-r123.snapshot",
        "Skiff-20260102T030405Z-r123.snapshot",
        "skiff-20260102T030405Z-r123.Snapshot",
        "skiff-20260102T030405Z-r0123.snapshot",
        "skiff-20260102T030405Z-r-1.snapshot",
        "skiff-20260102T030405Z-r+1.snapshot",
        "skiff-20260102T030405Z-r.snapshot",
        "skiff-20260102T030405Z-123.snapshot",
        "skiff-20260102T030405Z.snapshot",
        "skiff-20260102T030405Z-r9223372036854775808.snapshot",
        "skiff-20261302T030405Z-r1.snapshot",
        "skiff-20260230T030405Z-r1.snapshot",
        "skiff-20260102T240000Z-r1.snapshot",
        "skiff-20260102T030460Z-r1.snapshot",
        "skiff-20260102t030405z-r1.snapshot",
        "skiff-20260102T030405+-r1.snapshot",
        "skiff-2026-01-02T03:04:05Z-r1.snapshot",
        "skiff-20260102T030405Z-r1-r2.snapshot",
        "skiff-20260102T030405Z-r1/../x.snapshot",
        "skiff-20260102T030405Z-r111111111111111111111111111111111111111.snapshot",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct snapshot_name n;

        if (snapshot_name_parse(cases[i], &n))
            fail_msg("taken: %s", cases[i]);
    }
}

static void test_order_is_by_time_then_revision(void **state)
{
    struct snapshot_name a = {5, 9}, b = {6, 1}, c = {6, 2};

    (void)state;
    assert_true(snapshot_name_cmp(a, b) < 0 && snapshot_name_cmp(b, a) > 0);
    assert_true(snapshot_name_cmp(b, c) < 0 && snapshot_name_cmp(c, b) > 0);
    assert_int_equal(snapshot_name_cmp(b, b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_come_back),
        cmocka_unit_test(test_other_names_are_not_ours),
        cmocka_unit_test(test_order_is_by_time_then_revision),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
