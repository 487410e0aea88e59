/* Tests of times and durations. */
#include "codec/timefmt.h"
#include "test.h"

static void test_times_parse_and_print(void **state)
{
    static const struct {
        const char *text;
        int64_t sec;
        int32_t nsec;
        const char *utc, *micro;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {"2008-01-01T01:01:01Z", 1199149261, 0, "2008-01-01T01:01:01Z",
         "2008-01-01T01:01:01.000000Z"},
        {"2024-02-29T23:59:59.123456789+05:30", 1709231399, 123456789, "2024-02-29T18:29:59Z",
         "2024-02-29T18:29:59.123456Z"},
        {"1969-12-31T16:00:00,5-08:00", 0, 500000000, "1970-01-01T00:00:00Z",
         "1970-01-01T00:00:00.500000Z"},
        {"0001-01-01T00:00:00Z", -62135596800, 0, "0001-01-01T00:00:00Z",
         "0001-01-01T00:00:00.000000Z"},
        {"9999-12-31T23:59:59Z", 253402300799, 0, "9999-12-31T23:59:59Z",
         "9999-12-31T23:59:59.000000Z"},
        {"2000-02-29T1:00:00Z", 951786000, 0, "2000-02-29T01:00:00Z",
         "2000-02-29T01:00:00.000000Z"},
        {"1960-03-01T00:00:00.0000000019Z", -310435200, 1, "1960-03-01T00:00:00Z",
         "1960-03-01T00:00:00.000000Z"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = {0};
        auto_buf b = {0};
        struct err err = {0};
        struct time_value t;

        assert_ok(time_parse(str_from(cases[i].text), &t, &err), &err);
        assert_true(t.set);
        assert_true(t.sec == cases[i].sec);
        assert_int_equal(t.nsec, cases[i].nsec);
        assert_str_equal(time_str(&a, t), cases[i].utc);
        time_write_micro(&b, t);
        assert_string_equal(buf_cstr(&b), cases[i].micro);
    }
}

static void test_bad_times_have_the_texts_of_go(void **state)
{
#define AS " as \"2006-01-02T15:04:05Z07:00\": cannot parse "
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "parsing time \"\"" AS "\"\" as \"2006\""},
        {"x", "parsing time \"x\"" AS "\"x\" as \"2006\""},
        {"2020", "parsing time \"2020\"" AS "\"\" as \"-\""},
        {"2020-1-01T00:00:00Z",
         "parsing time \"2020-1-01T00:00:00Z\"" AS "\"1-01T00:00:00Z\" as \"01\""},
        {"2020-01-01", "parsing time \"2020-01-01\"" AS "\"\" as \"T\""},
        {"2020-01-01 00:00:00Z",
         "parsing time \"2020-01-01 00:00:00Z\"" AS "\" 00:00:00Z\" as \"T\""},
        {"2020-01-01T00:00:00", "parsing time \"2020-01-01T00:00:00\"" AS "\"\" as \"Z07:00\""},
        {"2020-01-01T00:00:00+0100",
         "parsing time \"2020-01-01T00:00:00+0100\"" AS "\"+0100\" as \"Z07:00\""},
        {"2020-13-01T00:00:00Z", "parsing time \"2020-13-01T00:00:00Z\": month out of range"},
        {"2020-00-01T00:00:00Z", "parsing time \"2020-00-01T00:00:00Z\": month out of range"},
        {"2021-02-29T00:00:00Z", "parsing time \"2021-02-29T00:00:00Z\": day out of range"},
        {"2021-01-00T00:00:00Z", "parsing time \"2021-01-00T00:00:00Z\": day out of range"},
        {"2020-01-01T24:00:00Z", "parsing time \"2020-01-01T24:00:00Z\": hour out of range"},
        {"2020-01-01T00:60:00Z", "parsing time \"2020-01-01T00:60:00Z\": minute out of range"},
        {"2020-01-01T00:00:60Z", "parsing time \"2020-01-01T00:00:60Z\": second out of range"},
        {"2020-01-01T00:00:00+25:00",
         "parsing time \"2020-01-01T00:00:00+25:00\": time zone offset hour out of range"},
        {"2020-01-01T00:00:00Zx", "parsing time \"2020-01-01T00:00:00Zx\": extra text: \"x\""},
        {"\"\xc3\xa9", "parsing time \"\\\"\\xc3\\xa9\"" AS "\"\\\"\\xc3\\xa9\" as \"2006\""},
    };
#undef AS

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct time_value t;

        assert_int_equal(time_parse(str_from(cases[i].text), &t, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void test_every_day_of_eight_centuries_survives(void **state)
{
    for (int64_t day = -146097; day < 146097; day += 1) {
        auto_buf b = {0};
        struct err err = {0};
        struct time_value t = {.sec = day * 86400 + 86399, .set = true}, back;

        time_write(&b, t);
        assert_ok(time_parse(buf_view(&b), &back, &err), &err);
        assert_true(back.sec == t.sec);
    }
}

static void test_nanoseconds_and_order(void **state)
{
    struct time_value t = time_from_ns(-1), none = {0};

    assert_int_equal(t.sec, -1);
    assert_int_equal(t.nsec, 999999999);
    assert_int_equal(time_ns(t), -1);
    assert_true(time_ns((struct time_value){.sec = INT64_MAX / 2, .set = true}) == INT64_MAX);
    assert_true(time_ns((struct time_value){.sec = INT64_MIN / 2, .set = true}) == INT64_MIN);
    assert_true(time_cmp(none, t) < 0);
    assert_int_equal(time_cmp(none, none), 0);
    assert_true(time_cmp(time_from_ns(1), time_from_ns(2)) < 0);
    assert_true(time_cmp(time_from_ns(2000000000), time_from_ns(1999999999)) > 0);
}

static void test_durations_parse_and_print(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
        const char *printed;
    } cases[] = {
        {"0", 0, "0s"},
        {"-0", 0, "0s"},
        {"1h15m30.5s", 4530500000000, "1h15m30.5s"},
        {"90s", 90000000000, "1m30s"},
        {"1h", 3600000000000, "1h0m0s"},
        {"500ms", 500000000, "500ms"},
        {"1.5ms", 1500000, "1.5ms"},
        {"1us", 1000, "1\xc2\xb5s"},
        {"1\xc2\xb5s", 1000, "1\xc2\xb5s"},
        {"1\xce\xbcs", 1000, "1\xc2\xb5s"},
        {"+3ns", 3, "3ns"},
        {"-1.5h", -5400000000000, "-1h30m0s"},
        {".5s", 500000000, "500ms"},
        {"1.s", 1000000000, "1s"},
        {"0.33333333333333333333333s", 333333333, "333.333333ms"},
        {"-9223372036854775808ns", INT64_MIN, "-2562047h47m16.854775808s"},
        {"9223372036854775807ns", INT64_MAX, "2562047h47m16.854775807s"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_buf b = {0};
        struct err err = {0};
        int64_t ns;

        assert_ok(duration_parse(str_from(cases[i].text), &ns, &err), &err);
        assert_true(ns == cases[i].ns);
        duration_write(&b, ns);
        assert_string_equal(buf_cstr(&b), cases[i].printed);
    }
}

static void test_bad_durations_have_the_texts_of_go(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "time: invalid duration \"\""},
        {"-", "time: invalid duration \"-\""},
        {"3", "time: missing unit in duration \"3\""},
        {"1h2", "time: missing unit in duration \"1h2\""},
        {"5d", "time: unknown unit \"d\" in duration \"5d\""},
        {"s", "time: invalid duration \"s\""},
        {".s", "time: invalid duration \".s\""},
        {"1 s", "time: unknown unit \" s\" in duration \"1 s\""},
        {"9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""},
        {"3000000h", "time: invalid duration \"3000000h\""},
        {"99999999999999999999s", "time: invalid duration \"99999999999999999999s\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        int64_t ns;

        assert_int_equal(duration_parse(str_from(cases[i].text), &ns, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void test_ages_are_short(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {-2, "<invalid>"},     {-1, "0s"},        {0, "0s"},
        {119, "119s"},         {120, "2m"},       {200, "3m20s"},
        {599, "9m59s"},        {600, "10m"},      {10799, "179m"},
        {10800, "3h"},         {11000, "3h3m"},   {28799, "7h59m"},
        {28800, "8h"},         {172799, "47h"},   {172800, "2d"},
        {180000, "2d2h"},      {691199, "7d23h"}, {691200, "8d"},
        {63071999, "729d"},    {63072000, "2y"},  {64800000, "2y20d"},
        {252287999, "7y364d"}, {252288000, "8y"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_buf b = {0};

        duration_write_human(&b, cases[i].seconds);
        assert_string_equal(buf_cstr(&b), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_parse_and_print),
        cmocka_unit_test(test_bad_times_have_the_texts_of_go),
        cmocka_unit_test(test_every_day_of_eight_centuries_survives),
        cmocka_unit_test(test_nanoseconds_and_order),
        cmocka_unit_test(test_durations_parse_and_print),
        cmocka_unit_test(test_bad_durations_have_the_texts_of_go),
        cmocka_unit_test(test_ages_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
