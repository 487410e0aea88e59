/* SPDX-License-Identifier: Apache-2.0 */
/* cron.c - parsing schedules of cron jobs. Layer: api. */
#include "api/cron.h"
#include "codec/json.h"
#include "codec/timefmt.h"

enum { FIELDS = 5 };

struct bounds {
    unsigned min, max;
    const char *const *names; /* of min, min + 1, ... ; NULL-terminated, or NULL */
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const struct bounds fields[FIELDS] = {
    {0, 59, NULL}, {0, 23, NULL}, {1, 31, NULL}, {1, 12, months}, {0, 6, weekdays}};

static int parse_number(struct str s, unsigned *ret_v, struct err *err)
{
    auto_buf quoted = {0};
    int64_t v;

    if (!str_to_i64(s, &v)) {
        json_go_quote(&quoted, s);
        return err_new(err, ERR_INVALID,
                       "failed to parse int from %.*s: strconv.Atoi: parsing %s: invalid syntax",
                       STR_ARG(s), buf_cstr(&quoted));
    }
    if (v < 0 || v > INT32_MAX)
        return err_new(err, ERR_INVALID, "negative number (%lld) not allowed: %.*s", (long long)v,
                       STR_ARG(s));
    *ret_v = (unsigned)v;
    return 0;
}

static int parse_value(const struct bounds *b, struct str s, unsigned *ret_v, struct err *err)
{
    for (unsigned i = 0; b->names && b->names[i]; i++) {
        if (str_ieq(s, str_from(b->names[i]))) {
            *ret_v = b->min + i;
            return 0;
        }
    }
    return parse_number(s, ret_v, err);
}

/* "*", "3", "1-5", each with "/2" behind it. */
static int parse_range(const struct bounds *b, struct str expr, uint64_t *mask, bool *any,
                       struct err *err)
{
    struct str step_text, range = str_cut(expr, '/', &step_text), high;
    struct str low = str_cut(range, '-', &high);
    unsigned start = b->min, end = b->max, step = 1;
    int r;

    if (str_eqz(low, "*") || str_eqz(low, "?")) {
        *any = !step_text.p || str_eqz(step_text, "1");
    } else {
        r = parse_value(b, low, &start, err);
        if (r == 0 && high.p && str_find_char(high, '-') >= 0)
            r = err_new(err, ERR_INVALID, "too many hyphens: %.*s", STR_ARG(expr));
        end = start;
        if (r == 0 && high.p)
            r = parse_value(b, high, &end, err);
        if (r < 0)
            return r;
    }
    if (step_text.p) {
        if (str_find_char(step_text, '/') >= 0)
            return err_new(err, ERR_INVALID, "too many slashes: %.*s", STR_ARG(expr));
        r = parse_number(step_text, &step, err);
        if (r < 0)
            return r;
        if (!high.p)
            end = b->max; /* "N/step": from N on */
    }
    if (start < b->min)
        return err_new(err, ERR_INVALID, "beginning of range (%u) below minimum (%u): %.*s", start,
                       b->min, STR_ARG(expr));
    if (end > b->max)
        return err_new(err, ERR_INVALID, "end of range (%u) above maximum (%u): %.*s", end, b->max,
                       STR_ARG(expr));
    if (start > end)
        return err_new(err, ERR_INVALID, "beginning of range (%u) beyond end of range (%u): %.*s",
                       start, end, STR_ARG(expr));
    if (step == 0)
        return err_new(err, ERR_INVALID, "step of range should be a positive number: %.*s",
                       STR_ARG(expr));
    for (uint64_t i = start; i <= end; i += step)
        *mask |= (uint64_t)1 << i;
    return 0;
}

static int parse_field(const struct bounds *b, struct str text, uint64_t *ret_mask, bool *ret_any,
                       struct err *err)
{
    *ret_mask = 0;
    *ret_any = false;
    do {
        struct str expr = str_cut(text, ',', &text);
        bool any = false;
        int r = parse_range(b, expr, ret_mask, &any, err);

        if (r < 0)
            return r;
        *ret_any = *ret_any || any;
    } while (text.p);
    return 0;
}

static int parse_descriptor(struct str text, struct cron_schedule *ret_s, struct err *err)
{
    static const struct {
        const char *name, *schedule;
    } known[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
                 {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
                 {"@hourly", "0 * * * *"}};
    static const struct str every = STR_INIT("@every ");
    struct err cause = {0};
    int64_t ns;

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eqz(text, known[i].name))
            return cron_parse(str_from(known[i].schedule), ret_s, err);
    }
    if (!str_has_prefix(text, every))
        return err_new(err, ERR_INVALID, "unrecognized descriptor: %.*s", STR_ARG(text));
    if (duration_parse(str_sub(text, every.len, text.len), &ns, &cause) < 0)
        return err_new(err, ERR_INVALID, "failed to parse duration %.*s: %s", STR_ARG(text),
                       cause.msg);
    *ret_s = (struct cron_schedule){.every_sec = MAX(ns / 1000000000, (int64_t)1)};
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

int cron_parse(struct str text, struct cron_schedule *ret_s, struct err *err)
{
    struct cron_schedule s = {0};
    uint64_t *const masks[FIELDS] = {&s.minute, &s.hour, &s.day, &s.month, &s.weekday};
    struct str words[FIELDS];
    bool any[FIELDS];
    size_t n = 0;

    if (str_empty(text))
        return err_new(err, ERR_INVALID, "empty spec string");
    if (text.p[0] == '@')
        return parse_descriptor(text, ret_s, err);
    for (size_t i = 0, from; i < text.len;) {
        while (i < text.len && is_space(text.p[i]))
            i++;
        from = i;
        while (i < text.len && !is_space(text.p[i]))
            i++;
        if (i == from)
            break;
        if (n < FIELDS)
            words[n] = str_sub(text, from, i - from);
        n++;
    }
    if (n != FIELDS)
        return err_new(err, ERR_INVALID, "expected exactly 5 fields, found %zu: [%.*s]", n,
                       STR_ARG(str_trim(text)));
    for (size_t i = 0; i < FIELDS; i++) {
        int r = parse_field(&fields[i], words[i], masks[i], &any[i], err);

        if (r < 0)
            return r;
    }
    s.any_day = any[2];
    s.any_weekday = any[4];
    *ret_s = s;
    return 0;
}
