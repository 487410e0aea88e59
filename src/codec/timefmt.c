/* timefmt.c - API times. */
#include "codec/timefmt.h"

enum { NS_PER_SEC = 1000000000, SEC_PER_DAY = 86400, DAYS_PER_ERA = 146097 };

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. Years are counted from
 * March, so that the leap day is a year's last; an era is 400 years. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + day_of_era - 719468;
}

struct date {
    int64_t year;
    int month, day;
};

static struct date date_from_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t doe = z - era * DAYS_PER_ERA;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / (DAYS_PER_ERA - 1)) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t month_from_march = (5 * doy + 2) / 153;
    struct date d;

    d.day = (int)(doy - (153 * month_from_march + 2) / 5 + 1);
    d.month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    d.year = yoe + era * 400 + (d.month <= 2);
    return d;
}

static int days_in_month(int64_t year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        return 29;
    return days[month - 1];
}

void time_quote(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.p[i];

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x80)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

struct time_reader {
    struct str whole, left;
    struct err *err;
};

/* The head of every error: parsing time "x". */
static void quote_whole(struct time_reader *r, struct buf *b)
{
    buf_puts(b, "parsing time ");
    time_quote(b, r->whole);
}

static int cannot_parse(struct time_reader *r, struct str at, const char *element)
{
    auto_buf b = {0};

    quote_whole(r, &b);
    buf_puts(&b, " as \"2006-01-02T15:04:05Z07:00\": cannot parse ");
    time_quote(&b, at);
    buf_printf(&b, " as \"%s\"", element);
    return err_new(r->err, ERR_INVALID, "%s", buf_cstr(&b));
}

static int out_of_range(struct time_reader *r, const char *what)
{
    auto_buf b = {0};

    quote_whole(r, &b);
    return err_new(r->err, ERR_INVALID, "%s: %s out of range", buf_cstr(&b), what);
}

static bool is_digit_at(struct str s, size_t i)
{
    return i < s.len && s.p[i] >= '0' && s.p[i] <= '9';
}

/* Reads @n_min to @n_max digits; false if there are fewer. */
static bool take_digits(struct str *s, size_t n_min, size_t n_max, int *ret_v)
{
    size_t n = 0;
    int v = 0;

    for (; n < n_max && is_digit_at(*s, n); n++)
        v = v * 10 + (s->p[n] - '0');
    if (n < n_min)
        return false;
    *s = str_sub(*s, n, s->len);
    *ret_v = v;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || s->p[0] != c)
        return false;
    *s = str_sub(*s, 1, s->len);
    return true;
}

/* ".123" or ",123" after the seconds, any number of digits, nine of which count. */
static int32_t take_fraction(struct str *s)
{
    int32_t ns = 0, unit = NS_PER_SEC;
    size_t i = 1;

    if (s->len < 2 || (s->p[0] != '.' && s->p[0] != ',') || !is_digit_at(*s, 1))
        return 0;
    for (; is_digit_at(*s, i); i++) {
        unit /= 10;
        ns += (s->p[i] - '0') * unit;
    }
    *s = str_sub(*s, i, s->len);
    return ns;
}

/* "Z", "+07:00" or "-07:00". */
static int take_zone(struct time_reader *r, int *ret_offset_sec)
{
    struct str at = r->left, s = r->left;
    int hours = 0, minutes = 0;

    if (take_char(&r->left, 'Z')) {
        *ret_offset_sec = 0;
        return 0;
    }
    if (s.len < 6 || (s.p[0] != '+' && s.p[0] != '-'))
        return cannot_parse(r, at, "Z07:00");
    s = str_sub(s, 1, s.len);
    if (!take_digits(&s, 2, 2, &hours) || !take_char(&s, ':') || !take_digits(&s, 2, 2, &minutes))
        return cannot_parse(r, at, "Z07:00");
    if (hours > 24)
        return out_of_range(r, "time zone offset hour");
    if (minutes > 60)
        return out_of_range(r, "time zone offset minute");
    r->left = s;
    *ret_offset_sec = (hours * 60 + minutes) * 60 * (at.p[0] == '-' ? -1 : 1);
    return 0;
}

struct time_element { /* one number of the layout and the character before it */
    char before;
    const char *before_text, *text;
    uint8_t n_min, n_max;
    uint8_t least;
    int16_t most;
    const char *range_name;
};
enum { AT_YEAR, AT_MONTH, AT_DAY, AT_HOUR, AT_MINUTE, AT_SECOND, AT__N };
static const struct time_element time_elements[AT__N] = {
    [AT_YEAR] = {0, "", "2006", 4, 4, 0, 9999, "year"},
    [AT_MONTH] = {'-', "-", "01", 2, 2, 1, 12, "month"},
    [AT_DAY] = {'-', "-", "02", 2, 2, 0, 99, "day"},
    /* Go takes an hour of one digit here. */
    [AT_HOUR] = {'T', "T", "15", 1, 2, 0, 23, "hour"},
    [AT_MINUTE] = {':', ":", "04", 2, 2, 0, 59, "minute"},
    [AT_SECOND] = {':', ":", "05", 2, 2, 0, 59, "second"},
};

int time_parse(struct str s, struct time_value *ret_t, struct err *err)
{
    struct time_reader r = {.whole = s, .left = s, .err = err};
    int v[AT__N] = {0};
    int offset_sec = 0, rc;
    int32_t nsec;
    int64_t sec;

    for (int i = 0; i < AT__N; i++) {
        const struct time_element *e = &time_elements[i];
        struct str at = r.left;

        if (e->before && !take_char(&r.left, e->before))
            return cannot_parse(&r, at, e->before_text);
        at = r.left;
        if (!take_digits(&r.left, e->n_min, e->n_max, &v[i]))
            return cannot_parse(&r, at, e->text);
        if (v[i] < e->least || v[i] > e->most)
            return out_of_range(&r, e->range_name);
    }
    nsec = take_fraction(&r.left);
    rc = take_zone(&r, &offset_sec);
    if (rc < 0)
        return rc;
    if (r.left.len > 0) {
        auto_buf b = {0};

        quote_whole(&r, &b);
        buf_puts(&b, ": extra text: ");
        time_quote(&b, r.left);
        return err_new(err, ERR_INVALID, "%s", buf_cstr(&b));
    }
    if (v[AT_DAY] < 1 || v[AT_DAY] > days_in_month(v[AT_YEAR], v[AT_MONTH]))
        return out_of_range(&r, "day");
    sec = days_from_date(v[AT_YEAR], v[AT_MONTH], v[AT_DAY]) * SEC_PER_DAY;
    sec += (v[AT_HOUR] * 60 + v[AT_MINUTE]) * 60 + v[AT_SECOND] - offset_sec;
    *ret_t = (struct time_value){.sec = sec, .nsec = nsec, .set = true};
    return 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* @n digits of @v, and @after. */
static char *put_digits(char *at, unsigned v, unsigned n, char after)
{
    for (unsigned i = n; i > 0; i--, v /= 10)
        at[i - 1] = (char)('0' + v % 10);
    at[n] = after;
    return at + n + 1;
}

/* Everything up to the seconds. */
static void write_seconds(struct buf *out, int64_t sec)
{
    int64_t days = floor_div(sec, SEC_PER_DAY);
    int rest = (int)(sec - days * SEC_PER_DAY);
    struct date d = date_from_days(days);
    char text[20], *at;

    if (d.year < 0 || d.year > 9999) {
        buf_printf(out, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)d.year, d.month, d.day,
                   rest / 3600, rest / 60 % 60, rest % 60);
        return;
    }
    at = put_digits(text, (unsigned)d.year, 4, '-');
    at = put_digits(at, (unsigned)d.month, 2, '-');
    at = put_digits(at, (unsigned)d.day, 2, 'T');
    at = put_digits(at, (unsigned)rest / 3600, 2, ':');
    at = put_digits(at, (unsigned)rest / 60 % 60, 2, ':');
    at = put_digits(at, (unsigned)rest % 60, 2, '\0');
    buf_append(out, text, (size_t)(at - text) - 1);
}

void time_write(struct buf *out, struct time_value t)
{
    write_seconds(out, t.sec);
    buf_putc(out, 'Z');
}

void time_write_basic(struct buf *out, struct time_value t)
{
    auto_buf b = {0};

    time_write(&b, t);
    for (size_t i = 0; i < b.len; i++) {
        if (b.p[i] != '-' && b.p[i] != ':')
            buf_putc(out, b.p[i]);
    }
}

void time_write_micro(struct buf *out, struct time_value t)
{
    write_seconds(out, t.sec);
    buf_printf(out, ".%06dZ", t.nsec / 1000);
}

struct str time_str(struct arena *a, struct time_value t)
{
    auto_buf b = {0};

    time_write(&b, t);
    return str_dup(a, buf_view(&b));
}

struct time_value time_from_ns(int64_t wall_ns)
{
    int64_t sec = floor_div(wall_ns, NS_PER_SEC);
    int32_t nsec = (int32_t)(wall_ns - sec * NS_PER_SEC);

    return (struct time_value){.sec = sec, .nsec = nsec, .set = true};
}

int64_t time_ns(struct time_value t)
{
    int64_t ns;

    if (__builtin_mul_overflow(t.sec, (int64_t)NS_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t.nsec, &ns))
        return t.sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

int time_cmp(struct time_value a, struct time_value b)
{
    if (!a.set || !b.set)
        return (int)a.set - (int)b.set;
    if (a.sec != b.sec)
        return a.sec < b.sec ? -1 : 1;
    return (a.nsec > b.nsec) - (a.nsec < b.nsec);
}
