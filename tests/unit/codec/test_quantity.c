/* Tests of quantities: forms, canonical texts and arithmetic as in the API's documentation. */
#include "codec/quantity.h"
#include "test.h"

static struct quantity parse(const char *text)
{
    struct err err = {0};
    struct quantity q = {0};

    assert_ok(quantity_parse(str_from(text), &q, &err), &err);
    return q;
}

static const struct {
    const char *text, *canonical;
} canonical_cases[] = {
    {"0", "0"},
    {"0Ki", "0"},
    {"-0", "0"},
    {"0e3", "0"},
    {"-", "0"},
    {".", "0"},
    {"00", "0"},
    {"0.000", "0"},
    {"1", "1"},
    {"+5", "5"},
    {"-5", "-5"},
    {"007", "7"},
    {"100m", "100m"},
    {"1000m", "1"},
    {"1500m", "1500m"},
    {"1.5", "1500m"},
    {"0.1", "100m"},
    {".5", "500m"},
    {"5.", "5"},
    {"1.0", "1"},
    {"1000", "1k"},
    {"1000000", "1M"},
    {"1001", "1001"},
    {"123456", "123456"},
    {"1E", "1E"},
    {"1000E", "1000E"},
    {"1000k", "1M"},
    {"0.5k", "500"},
    {"1n", "1n"},
    {"1000n", "1u"},
    {"1000u", "1m"},
    {"0.0001m", "100n"},
    {"0.1n", "1n"},
    {"1.1n", "2n"},
    {"-0.1n", "-1n"},
    {"-1.1n", "-2n"},
    {"1Ki", "1Ki"},
    {"1024", "1024"},
    {"1024Ki", "1Mi"},
    {"1023Ki", "1023Ki"},
    {"0.5Gi", "512Mi"},
    {"1.5Gi", "1536Mi"},
    {"1.5Ki", "1536"},
    {"0.5Ki", "512"},
    {"0.5Mi", "512Ki"},
    {"1.1Ki", "1126400m"},
    {"0.0001Ki", "102400u"},
    {"100.035k", "100035"},
    {"10000Ki", "10000Ki"},
    {"1e3", "1e3"},
    {"1E3", "1e3"},
    {"1e4", "10e3"},
    {"12e6", "12e6"},
    {"1e-3", "1e-3"},
    {"100e-2", "1"},
    {"1e0", "1"},
    {"1e+3", "1e3"},
    {"15e-1", "1500e-3"},
    {"1e-20", "1e-9"},
    {"1e-999999999", "1e-9"},
    {"-1e-10", "-1e-9"},
    {"8Ei", "9223372036854775807"},
    {"-8Ei", "-9223372036854775807"},
    {"100Ei", "9223372036854775807"},
    {"7Ei", "7Ei"},
    {"9223372036854775807", "9223372036854775807"},
    {"0.00000000000000000000000000000000000000000000001Ki", "1n"},
    {"1.000000000000000000000000000000000000000000000000000000001", "1000000001n"},
};

static void test_canonical_forms(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(canonical_cases); i++) {
        auto_arena a = {0};
        struct str text = quantity_str(&a, parse(canonical_cases[i].text));
        char *got = str_dupz(&a, text);

        if (strcmp(got, canonical_cases[i].canonical) != 0)
            fail_msg("%s gives %s, not %s", canonical_cases[i].text, got,
                     canonical_cases[i].canonical);
        /* A canonical text is its own canonical text. */
        assert_str_equal(quantity_str(&a, parse(got)), got);
    }
}

static void test_bad_texts_are_refused(void **state)
{
    static const char format_message[] = "quantities must match the regular expression "
                                         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    static const char suffix_message[] = "unable to parse quantity's suffix";
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", format_message},       {"1.1.M", format_message},
        {"1+1.0M", format_message}, {"0.1am", format_message},
        {"aoeu", format_message},   {" 1", format_message},
        {"1 ", format_message},     {"1x", format_message},
        {"--1", suffix_message},    {"0.1mi", suffix_message},
        {".5i", suffix_message},    {"1i", suffix_message},
        {"-3.01i", suffix_message}, {"-3.01e-", suffix_message},
        {"1K", suffix_message},     {"1ki", suffix_message},
        {"1e", suffix_message},     {"1mm", suffix_message},
        {"1Ki1", suffix_message},   {"1+3", suffix_message},
        {"1e+", suffix_message},    {"Mi", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quantity q;
        struct err err = {0};
        int r = quantity_parse(str_from(cases[i].text), &q, &err);

        if (!cases[i].message) {
            assert_int_equal(r, 0);
            continue;
        }
        assert_int_equal(r, ERR_INVALID);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void test_values_round_away_from_zero(void **state)
{
    static const struct {
        const char *text;
        int64_t value, milli;
    } cases[] = {
        {"1", 1, 1000},
        {"1500m", 2, 1500},
        {"1n", 1, 1},
        {"-1n", -1, -1},
        {"-1500m", -2, -1500},
        {"1Ki", 1024, 1024000},
        {"1000001u", 2, 1001},
        {"1e30", INT64_MAX, INT64_MAX},
        {"-1e30", INT64_MIN, INT64_MIN},
        {"9223372036854775807", INT64_MAX, INT64_MAX},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(quantity_value(parse(cases[i].text)) == cases[i].value);
        assert_true(quantity_milli(parse(cases[i].text)) == cases[i].milli);
    }
}

static void assert_quantity(struct quantity q, const char *text)
{
    auto_arena a = {0};

    assert_str_equal(quantity_str(&a, q), text);
}

static void test_arithmetic_keeps_the_first_format(void **state)
{
    struct quantity none = {0};

    assert_quantity(quantity_add(parse("1Gi"), parse("1k")), "1073742824");
    assert_quantity(quantity_add(parse("1Gi"), parse("1Gi")), "2Gi");
    assert_quantity(quantity_add(none, parse("1Gi")), "1Gi");
    assert_quantity(quantity_add(parse("0"), parse("1Gi")), "1Gi");
    assert_true(quantity_add(none, parse("1")).set);
    assert_false(quantity_add(none, none).set);
    assert_int_equal(quantity_cmp(parse("1000m"), parse("1")), 0);
    assert_true(quantity_cmp(parse("1023"), parse("1Ki")) < 0);
    assert_true(quantity_cmp(parse("1G"), parse("-1Gi")) > 0);
    assert_int_equal(quantity_sign(parse("-1m")), -1);
    assert_int_equal(quantity_sign(none), 0);
    assert_true(quantity_is_integer(parse("1000m")));
    assert_false(quantity_is_integer(parse("1m")));
    assert_quantity(quantity_round_milli(parse("1100u")), "2m");
    assert_quantity(quantity_round_milli(parse("-1100u")), "-2m");
    assert_quantity(quantity_from_i64(-2048, QUANTITY_BINARY_SI), "-2Ki");
}

static void test_sums_saturate(void **state)
{
    struct quantity q = parse("1e40");

    assert_true(quantity_add(q, q).nano == q.nano);
    assert_true(quantity_value(quantity_round_milli(q)) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_forms),
        cmocka_unit_test(test_bad_texts_are_refused),
        cmocka_unit_test(test_values_round_away_from_zero),
        cmocka_unit_test(test_arithmetic_keeps_the_first_format),
        cmocka_unit_test(test_sums_saturate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
