/* yaml_scalar.c - what a plain YAML scalar means. */
#include "codec/yaml_scalar.h"
#include "codec/decimal.h"
#include "codec/timefmt.h"
#include <math.h>

enum { G_EXPONENT_MIN = 6 }; /* from 1e6 on, Go's shortest %g has an exponent */

/* Each word is one also with a capital or in capitals: no, No, NO. */
static const struct word {
    struct str text;
    enum yaml_type type;
    double number;
    bool truth;
} words[] = {
    {STR_INIT("y"), YAML_BOOL, 0, true},           {STR_INIT("n"), YAML_BOOL, 0, false},
    {STR_INIT("yes"), YAML_BOOL, 0, true},         {STR_INIT("no"), YAML_BOOL, 0, false},
    {STR_INIT("true"), YAML_BOOL, 0, true},        {STR_INIT("false"), YAML_BOOL, 0, false},
    {STR_INIT("on"), YAML_BOOL, 0, true},          {STR_INIT("off"), YAML_BOOL, 0, false},
    {STR_INIT("~"), YAML_NULL, 0, false},          {STR_INIT("null"), YAML_NULL, 0, false},
    {STR_INIT(".inf"), YAML_FLOAT, INFINITY, 0},   {STR_INIT("+.inf"), YAML_FLOAT, INFINITY, 0},
    {STR_INIT("-.inf"), YAML_FLOAT, -INFINITY, 0},
};

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* True if @s is @word, or @word with its first letter or all letters in capitals. */
static bool is_word(struct str s, struct str word)
{
    bool lower = true, capital = true, upper = true;
    bool first = true;

    if (s.len != word.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char up = to_upper(word.p[i]);
        bool letter = up != word.p[i];

        lower = lower && s.p[i] == word.p[i];
        upper = upper && s.p[i] == up;
        capital = capital && s.p[i] == (letter && first ? up : word.p[i]);
        first = first && !letter;
    }
    return lower || capital || upper;
}

static bool find_word(struct str s, struct yaml_scalar *ret)
{
    if (str_eqz(s, ".nan") || str_eqz(s, ".NaN") || str_eqz(s, ".NAN")) {
        *ret = (struct yaml_scalar){YAML_FLOAT, doc_double(NAN)};
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const struct word *w = &words[i];

        if (!is_word(s, w->text))
            continue;
        ret->type = w->type;
        ret->value = w->type == YAML_BOOL    ? doc_bool(w->truth)
                     : w->type == YAML_FLOAT ? doc_double(w->number)
                                             : doc_null();
        return true;
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct str s, size_t i)
{
    while (i < s.len && is_digit(s.p[i]))
        i++;
    return i;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_float(struct str s)
{
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');
    size_t whole = i, fraction;

    i = skip_digits(s, i);
    whole = i - whole;
    if (i < s.len && s.p[i] == '.') {
        fraction = i + 1;
        i = skip_digits(s, fraction);
        if (whole == 0 && i == fraction)
            return false;
    } else if (whole == 0) {
        return false;
    }
    if (i < s.len && (s.p[i] == 'e' || s.p[i] == 'E')) {
        size_t digits = i + 1;

        if (digits < s.len && (s.p[digits] == '-' || s.p[digits] == '+'))
            digits++;
        i = skip_digits(s, digits);
        if (i == digits)
            return false;
    }
    return i == s.len;
}

/* Takes the prefix of a base off @s, which has no sign; returns the base. */
static unsigned take_base(struct str *s)
{
    char c = s->len > 1 && s->p[0] == '0' ? to_upper(s->p[1]) : '\0';
    unsigned base = c == 'X' ? 16 : c == 'O' ? 8 : c == 'B' ? 2 : 0;

    if (base)
        *s = str_sub(*s, 2, s->len);
    else if (s->len > 1 && s->p[0] == '0')
        base = 8;
    return base ? base : 10;
}

static unsigned digit_value(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    c = to_upper(c);
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
}

struct integer {
    uint64_t v;
    double approx; /* of integers beyond 64 bits */
    bool big;
};

static bool read_integer(struct str s, struct integer *ret)
{
    unsigned base = take_base(&s);
    struct integer n = {0};

    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = digit_value(s.p[i]);

        if (digit >= base)
            return false;
        n.big = n.big || __builtin_mul_overflow(n.v, (uint64_t)base, &n.v) ||
                __builtin_add_overflow(n.v, (uint64_t)digit, &n.v);
        n.approx = n.approx * base + digit;
    }
    *ret = n;
    return s.len > 0;
}

/* Resolves @z, a number without underscores. */
static bool resolve_number(struct str plain, const char *z, struct yaml_scalar *ret)
{
    bool negative = z[0] == '-', sign = negative || z[0] == '+';
    struct integer n = {0};
    bool integer = read_integer(str_sub(plain, sign, plain.len), &n);
    double d = NAN;

    if (integer && !n.big && n.v <= (uint64_t)INT64_MAX + negative) {
        *ret = (struct yaml_scalar){YAML_INT, doc_int((int64_t)(negative ? 0 - n.v : n.v))};
        return true;
    }
    if (integer && !n.big && !sign) {
        *ret = (struct yaml_scalar){YAML_INT, doc_double((double)n.v)};
        return true;
    }
    if (looks_float(plain)) {
        d = strtod(z, NULL);
        *ret = (struct yaml_scalar){YAML_FLOAT, doc_double(d)};
    } else if (integer) {
        d = negative ? -n.approx : n.approx;
        *ret = (struct yaml_scalar){YAML_INT, doc_double(d)};
    }
    return isfinite(d);
}

static bool take_number(struct str *s, size_t n_max, int *ret_v)
{
    size_t n = 0;
    int v = 0;

    for (; n < n_max && n < s->len && is_digit(s->p[n]); n++)
        v = v * 10 + (s->p[n] - '0');
    *s = str_sub(*s, n, s->len);
    *ret_v = v;
    return n > 0;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || s->p[0] != c)
        return false;
    *s = str_sub(*s, 1, s->len);
    return true;
}

/* The forms of time that go-yaml knows, all of which begin with a year of four digits. They are
 * brought into the form of RFC 3339 and then checked as such. */
static bool is_timestamp(struct str s)
{
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    struct time_value t;
    bool blank = false;
    char text[64];
    int n;

    if (skip_digits(s, 0) != 4 || !take_number(&s, 4, &year) || !take_char(&s, '-'))
        return false;
    if (!take_number(&s, 2, &month) || !take_char(&s, '-') || !take_number(&s, 2, &day))
        return false;
    if (s.len == 0) {
        s = STR("Z");
    } else {
        blank = take_char(&s, ' ');
        if (!blank && !take_char(&s, 'T') && !take_char(&s, 't'))
            return false;
        if (!take_number(&s, 2, &hour) || !take_char(&s, ':') || !take_number(&s, 2, &minute) ||
            !take_char(&s, ':') || !take_number(&s, 2, &second))
            return false;
        if (s.len > 1 && s.p[0] == '.' && is_digit(s.p[1]))
            s = str_sub(s, skip_digits(s, 1), s.len);
        if (blank && s.len > 0)
            return false;
        if (blank)
            s = STR("Z");
    }
    if (s.len > 6)
        return false;
    n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d%.*s", year, month, day, hour,
                 minute, second, STR_ARG(s));
    return time_parse((struct str){text, (size_t)n}, &t, NULL) == 0;
}

static bool resolve_digits(struct str s, struct yaml_scalar *ret)
{
    auto_buf plain = {0};

    if (is_timestamp(s)) {
        *ret = (struct yaml_scalar){YAML_TIMESTAMP, doc_string(s)};
        return true;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '_')
            continue;
        if (!is_digit(s.p[i]) && !strchr("abcdefABCDEFxXoO+-.", s.p[i]))
            return false;
        buf_putc(&plain, s.p[i]);
    }
    return resolve_number(buf_view(&plain), buf_cstr(&plain), ret);
}

struct yaml_scalar yaml_resolve(struct str text)
{
    struct yaml_scalar r = {YAML_NULL, doc_null()};
    char c = text.len > 0 ? text.p[0] : '\0';

    if (text.len == 0 || find_word(text, &r))
        return r;
    if ((is_digit(c) || c == '+' || c == '-') && resolve_digits(text, &r))
        return r;
    /* A point in front takes no underscores. */
    if (c == '.' && str_find_char(text, '_') < 0 && looks_float(text) && resolve_digits(text, &r))
        return r;
    return (struct yaml_scalar){YAML_STRING, doc_string(text)};
}

/* [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
bool yaml_is_base60(struct str s)
{
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');
    bool colon = false;

    if (i == s.len || !is_digit(s.p[i]))
        return false;
    while (i < s.len && (is_digit(s.p[i]) || s.p[i] == '_'))
        i++;
    while (i < s.len && s.p[i] == ':') {
        size_t n = skip_digits(s, i + 1) - (i + 1);

        if (n == 0 || n > 2 || (n == 2 && s.p[i + 1] > '5'))
            return false;
        colon = true;
        i += n + 1;
    }
    if (i < s.len && s.p[i] == '.')
        for (i++; i < s.len && (is_digit(s.p[i]) || s.p[i] == '_');)
            i++;
    return colon && i == s.len;
}

struct doc yaml_float_to_doc(double d)
{
    if (d >= -0x1p63 && d < 0x1p63 && d == trunc(d))
        return doc_int((int64_t)d);
    return doc_double(d);
}

void yaml_write_float(struct buf *out, double d, bool single)
{
    struct decimal dec;

    if (!isfinite(d)) {
        buf_puts(out, isnan(d) ? ".nan" : d > 0 ? ".inf" : "-.inf");
        return;
    }
    if (d == 0) {
        buf_puts(out, signbit(d) ? "-0" : "0");
        return;
    }
    decimal_from_double(d, single, &dec);
    if (dec.negative)
        buf_putc(out, '-');
    if (dec.point - 1 < -4 || dec.point - 1 >= G_EXPONENT_MIN) {
        buf_putc(out, dec.digits[0]);
        if (dec.n > 1)
            buf_putc(out, '.');
        buf_append(out, dec.digits + 1, (size_t)dec.n - 1);
        buf_printf(out, "e%c%02d", dec.point > 0 ? '+' : '-', abs(dec.point - 1));
    } else if (dec.point <= 0) {
        buf_puts(out, "0.");
        for (int i = dec.point; i < 0; i++)
            buf_putc(out, '0');
        buf_append(out, dec.digits, (size_t)dec.n);
    } else {
        for (int i = 0; i < MAX(dec.n, dec.point); i++) {
            if (i == dec.point)
                buf_putc(out, '.');
            buf_putc(out, i < dec.n ? dec.digits[i] : '0');
        }
    }
}
