/* duration.c - Go durations and the ages of tables. */
#include "codec/timefmt.h"

static const struct unit {
    struct str name;
    int64_t ns;
} units[] = {
    {STR_INIT("ns"), 1},           {STR_INIT("us"), 1000},
    {STR_INIT("\xc2\xb5s"), 1000}, /* U+00B5, the micro sign */
    {STR_INIT("\xce\xbcs"), 1000}, /* U+03BC, the Greek letter */
    {STR_INIT("ms"), 1000000},     {STR_INIT("s"), 1000000000},
    {STR_INIT("m"), 60000000000},  {STR_INIT("h"), 3600000000000},
};

static const struct unit *find_unit(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_eq(units[i].name, name))
            return &units[i];
    return NULL;
}

static int bad_duration(struct err *err, const char *what, struct str unit, struct str whole)
{
    auto_buf b = {0};

    buf_printf(&b, "time: %s ", what);
    if (unit.p) {
        time_quote(&b, unit);
        buf_puts(&b, " in duration ");
    }
    time_quote(&b, whole);
    return err_new(err, ERR_INVALID, "%s", buf_cstr(&b));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct amount { /* the number before a unit */
    uint64_t whole;
    uint64_t fraction, fraction_unit; /* fraction / fraction_unit */
};

/* Reads digits with at most one point; false if there is no digit or too large a number. */
static bool take_amount(struct str *s, struct amount *ret)
{
    struct amount v = {.fraction_unit = 1};
    size_t i = 0, n_digits = 0;

    for (; i < s->len && is_digit(s->p[i]); i++, n_digits++) {
        v.whole = v.whole * 10 + (uint64_t)(s->p[i] - '0');
        if (v.whole > (uint64_t)1 << 63)
            return false;
    }
    if (i < s->len && s->p[i] == '.') {
        for (i++; i < s->len && is_digit(s->p[i]); i++, n_digits++) {
            if (v.fraction_unit > (uint64_t)INT64_MAX / 100) /* finer than any unit */
                continue;
            v.fraction = v.fraction * 10 + (uint64_t)(s->p[i] - '0');
            v.fraction_unit *= 10;
        }
    }
    *s = str_sub(*s, i, s->len);
    *ret = v;
    return n_digits > 0;
}

/* Adds one amount of @unit to *@sum; false beyond 2^63. */
static bool add_amount(uint64_t *sum, const struct amount *v, const struct unit *unit)
{
    unsigned __int128 ns = (unsigned __int128)v->whole * (uint64_t)unit->ns;

    ns += (unsigned __int128)v->fraction * (uint64_t)unit->ns / v->fraction_unit;
    ns += *sum;
    if (ns > (unsigned __int128)1 << 63)
        return false;
    *sum = (uint64_t)ns;
    return true;
}

int duration_parse(struct str s, int64_t *ret_ns, struct err *err)
{
    struct str whole = s;
    bool negative = s.len > 0 && s.p[0] == '-';
    uint64_t sum = 0;

    if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_sub(s, 1, s.len);
    if (str_eqz(s, "0")) {
        *ret_ns = 0;
        return 0;
    }
    if (s.len == 0)
        return bad_duration(err, "invalid duration", STR_NULL, whole);
    while (s.len > 0) {
        const struct unit *unit;
        struct amount v;
        size_t n = 0;

        if (!take_amount(&s, &v))
            return bad_duration(err, "invalid duration", STR_NULL, whole);
        while (n < s.len && s.p[n] != '.' && !is_digit(s.p[n]))
            n++;
        if (n == 0)
            return bad_duration(err, "missing unit in duration", STR_NULL, whole);
        unit = find_unit(str_sub(s, 0, n));
        if (!unit)
            return bad_duration(err, "unknown unit", str_sub(s, 0, n), whole);
        s = str_sub(s, n, s.len);
        if (!add_amount(&sum, &v, unit))
            return bad_duration(err, "invalid duration", STR_NULL, whole);
    }
    if (!negative && sum > INT64_MAX)
        return bad_duration(err, "invalid duration", STR_NULL, whole);
    *ret_ns = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return 0;
}

/* @v / @unit with as many decimals as are not zero, then @suffix. */
static void write_fraction(struct buf *out, uint64_t v, uint64_t unit, const char *suffix)
{
    uint64_t rest = v % unit;

    buf_u64(out, v / unit);
    if (rest > 0)
        buf_putc(out, '.');
    for (; rest > 0; rest = rest % unit) {
        unit /= 10;
        buf_putc(out, (char)('0' + rest / unit));
    }
    buf_puts(out, suffix);
}

void duration_write(struct buf *out, int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    uint64_t minutes = u / 60000000000u;

    if (ns < 0)
        buf_putc(out, '-');
    if (u == 0) {
        buf_puts(out, "0s");
    } else if (u < 1000) {
        write_fraction(out, u, 1, "ns");
    } else if (u < 1000000) {
        write_fraction(out, u, 1000, "\xc2\xb5s");
    } else if (u < 1000000000) {
        write_fraction(out, u, 1000000, "ms");
    } else {
        if (minutes >= 60) {
            buf_u64(out, minutes / 60);
            buf_putc(out, 'h');
        }
        if (minutes > 0) {
            buf_u64(out, minutes % 60);
            buf_putc(out, 'm');
        }
        write_fraction(out, u % 60000000000u, 1000000000, "s");
    }
}

/* An age below @below_sec is shown in @unit, with the rest in @rest if that is not 0. */
static const struct age_form {
    int64_t below_sec;
    int64_t unit_sec, rest_sec;
    char unit, rest;
} age_forms[] = {
    {120, 1, 0, 's', 0},
    {600, 60, 1, 'm', 's'},
    {3 * 3600, 60, 0, 'm', 0},
    {8 * 3600, 3600, 60, 'h', 'm'},
    {48 * 3600, 3600, 0, 'h', 0},
    {8 * 86400, 86400, 3600, 'd', 'h'},
    {2 * 365 * 86400, 86400, 0, 'd', 0},
    {8 * 365 * 86400, 365 * 86400, 86400, 'y', 'd'},
    {INT64_MAX, 365 * 86400, 0, 'y', 0},
};

void duration_write_human(struct buf *out, int64_t seconds)
{
    const struct age_form *f = age_forms;
    int64_t rest;

    if (seconds < -1) { /* one second of skew between clocks is forgiven */
        buf_puts(out, "<invalid>");
        return;
    }
    if (seconds < 0)
        seconds = 0;
    while (seconds >= f->below_sec && f->below_sec < INT64_MAX)
        f++;
    rest = f->rest_sec ? seconds % f->unit_sec / f->rest_sec : 0;
    buf_i64(out, seconds / f->unit_sec);
    buf_putc(out, f->unit);
    if (rest > 0) {
        buf_i64(out, rest);
        buf_putc(out, f->rest);
    }
}
