/* quantity.c - resource quantities. */
#include "codec/quantity.h"
#include <assert.h>

enum {
    NANO_DIGITS = 9,
    DIGITS_MAX = 160,      /* further digits cannot change the value but by rounding it up */
    CARRY_DIGITS_MAX = 24, /* what multiplying by 2^60 may put in front */
    EXPONENT_MAX = 10000   /* far beyond both ends of the range */
};
#define NANO     ((__int128)1000000000)
#define MILLI    ((__int128)1000000)
#define NANO_MAX ((__int128)(((unsigned __int128)1 << 127) - 1))

static const struct suffix {
    struct str text;
    uint8_t format;
    int8_t exponent; /* of ten, or of two for QUANTITY_BINARY_SI */
} suffixes[] = {
    {STR_INIT("n"), QUANTITY_DECIMAL_SI, -9}, {STR_INIT("u"), QUANTITY_DECIMAL_SI, -6},
    {STR_INIT("m"), QUANTITY_DECIMAL_SI, -3}, {STR_INIT(""), QUANTITY_DECIMAL_SI, 0},
    {STR_INIT("k"), QUANTITY_DECIMAL_SI, 3},  {STR_INIT("M"), QUANTITY_DECIMAL_SI, 6},
    {STR_INIT("G"), QUANTITY_DECIMAL_SI, 9},  {STR_INIT("T"), QUANTITY_DECIMAL_SI, 12},
    {STR_INIT("P"), QUANTITY_DECIMAL_SI, 15}, {STR_INIT("E"), QUANTITY_DECIMAL_SI, 18},
    {STR_INIT("Ki"), QUANTITY_BINARY_SI, 10}, {STR_INIT("Mi"), QUANTITY_BINARY_SI, 20},
    {STR_INIT("Gi"), QUANTITY_BINARY_SI, 30}, {STR_INIT("Ti"), QUANTITY_BINARY_SI, 40},
    {STR_INIT("Pi"), QUANTITY_BINARY_SI, 50}, {STR_INIT("Ei"), QUANTITY_BINARY_SI, 60},
};

/* Digits of a number without sign: 0.d1d2d3... * 10^point; no leading zero. */
struct digits {
    uint8_t d[CARRY_DIGITS_MAX + DIGITS_MAX];
    size_t from, to; /* the digits are d[from..to) */
    long point;
    bool more; /* digits other than 0 were left out at the end */
};

static void add_digit(struct digits *n, char c, bool fraction)
{
    if (n->from == n->to && c == '0') {
        n->point -= fraction;
        return;
    }
    if (n->to < ARRAY_LEN(n->d))
        n->d[n->to++] = (uint8_t)(c - '0');
    else
        n->more |= c != '0';
    n->point += !fraction;
}

static bool is_digit_at(struct str s, size_t i)
{
    return i < s.len && s.p[i] >= '0' && s.p[i] <= '9';
}

/* Reads the number at *@i. */
static void read_digits(struct str s, size_t *i, struct digits *n)
{
    for (; is_digit_at(s, *i); (*i)++)
        add_digit(n, s.p[*i], false);
    if (*i < s.len && s.p[*i] == '.')
        for ((*i)++; is_digit_at(s, *i); (*i)++)
            add_digit(n, s.p[*i], true);
}

/* The length of what looks like a suffix at the end of @s from @i on, or -1. */
static long suffix_len(struct str s, size_t i)
{
    size_t at = i;

    while (at < s.len && s.p[at] != '\0' && strchr("eEinumkKMGTP", s.p[at]))
        at++;
    if (at < s.len && (s.p[at] == '-' || s.p[at] == '+'))
        at++;
    while (is_digit_at(s, at))
        at++;
    return at == s.len ? (long)(at - i) : -1;
}

static bool read_exponent(struct str s, long *ret_exponent)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    long v = 0;
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');

    if (i == s.len)
        return false;
    for (; i < s.len; i++) {
        if (!is_digit_at(s, i))
            return false;
        if (v < EXPONENT_MAX)
            v = v * 10 + (s.p[i] - '0');
    }
    *ret_exponent = negative ? -v : v;
    return true;
}

static bool find_suffix(struct str s, enum quantity_format *ret_format, long *ret_exponent)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (str_eq(suffixes[i].text, s)) {
            *ret_format = suffixes[i].format;
            *ret_exponent = suffixes[i].exponent;
            return true;
        }
    *ret_format = QUANTITY_DECIMAL_EXPONENT;
    return (s.p[0] == 'e' || s.p[0] == 'E') && read_exponent(str_sub(s, 1, s.len), ret_exponent);
}

/* Multiplies by 1024, digit by digit from the right. */
static void times_1024(struct digits *n)
{
    unsigned carry = 0;

    for (size_t i = n->to; i-- > n->from;) {
        carry += n->d[i] * 1024u;
        n->d[i] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry > 0; carry /= 10) {
        assert(n->from > 0);
        n->d[--n->from] = (uint8_t)(carry % 10);
        n->point++;
    }
}

/* The value in nano units, rounded up; at most @max. */
static __int128 to_nano(const struct digits *n, __int128 max)
{
    long whole = n->point + NANO_DIGITS; /* digits in front of the point of the nano value */
    long len = (long)(n->to - n->from);
    __int128 v = 0;

    if (len == 0)
        return 0;
    for (long i = 0; i < whole; i++) {
        int digit = i < len ? n->d[n->from + (size_t)i] : 0;

        if (v > (max - digit) / 10)
            return max;
        v = v * 10 + digit;
    }
    for (long i = MAX(whole, 0); i < len; i++)
        if (n->d[n->from + (size_t)i] != 0)
            return MIN(v + 1, max);
    return n->more ? MIN(v + 1, max) : v;
}

int quantity_parse(struct str s, struct quantity *ret_q, struct err *err)
{
    struct digits n = {.from = CARRY_DIGITS_MAX, .to = CARRY_DIGITS_MAX};
    struct quantity q = {.set = true};
    enum quantity_format format = QUANTITY_DECIMAL_SI;
    __int128 max = NANO_MAX;
    long exponent = 0, len;
    size_t i;

    i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');
    read_digits(s, &i, &n);
    len = suffix_len(s, i);
    if (s.len == 0 || len < 0)
        return err_new(err, ERR_INVALID,
                       "quantities must match the regular expression "
                       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    if (!find_suffix((struct str){s.p + i, (size_t)len}, &format, &exponent))
        return err_new(err, ERR_INVALID, "unable to parse quantity's suffix");
    if (format == QUANTITY_BINARY_SI) {
        for (; exponent > 0; exponent -= 10)
            times_1024(&n);
        max = INT64_MAX * NANO;
    }
    n.point += exponent;
    q.nano = to_nano(&n, max);
    /* Below one, a binary suffix would have to round: such a value turns decimal. */
    if (format == QUANTITY_BINARY_SI && q.nano > 0 && q.nano < NANO)
        format = QUANTITY_DECIMAL_SI;
    if (s.p[0] == '-')
        q.nano = -q.nano;
    q.format = (uint8_t)format;
    *ret_q = q;
    return 0;
}

static void write_u128(struct buf *out, unsigned __int128 v)
{
    char text[40];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v > 0);
    buf_append(out, text + at, sizeof(text) - at);
}

static const struct suffix *suffix_of(enum quantity_format format, int exponent)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (suffixes[i].format == format && suffixes[i].exponent == exponent)
            return &suffixes[i];
    return NULL;
}

/* @v nano units with the largest power of 1000 that leaves no fraction. */
static void write_decimal(struct buf *out, unsigned __int128 v, enum quantity_format format)
{
    int exponent = -NANO_DIGITS;

    while (v % 1000 == 0 && (exponent < 18 || format == QUANTITY_DECIMAL_EXPONENT)) {
        v /= 1000;
        exponent += 3;
    }
    write_u128(out, v);
    if (format == QUANTITY_DECIMAL_SI)
        buf_str(out, suffix_of(QUANTITY_DECIMAL_SI, exponent)->text);
    else if (exponent != 0)
        buf_printf(out, "e%d", exponent);
}

static void write_binary(struct buf *out, unsigned __int128 v)
{
    int exponent = 0;

    while (v % 1024 == 0 && exponent < 60) {
        v /= 1024;
        exponent += 10;
    }
    write_u128(out, v);
    if (exponent > 0)
        buf_str(out, suffix_of(QUANTITY_BINARY_SI, exponent)->text);
}

void quantity_write(struct buf *out, struct quantity q)
{
    unsigned __int128 v = q.nano < 0 ? -(unsigned __int128)q.nano : (unsigned __int128)q.nano;

    if (v == 0) {
        buf_putc(out, '0');
        return;
    }
    if (q.nano < 0)
        buf_putc(out, '-');
    if (q.format != QUANTITY_BINARY_SI)
        write_decimal(out, v, q.format);
    else if (v < 1024 * (unsigned __int128)NANO || v % (unsigned __int128)NANO != 0)
        write_decimal(out, v, QUANTITY_DECIMAL_SI);
    else
        write_binary(out, v / (unsigned __int128)NANO);
}

struct str quantity_str(struct arena *a, struct quantity q)
{
    auto_buf b = {0};

    quantity_write(&b, q);
    return str_dup(a, buf_view(&b));
}

int quantity_cmp(struct quantity a, struct quantity b)
{
    return (a.nano > b.nano) - (a.nano < b.nano);
}

/* Zero has no family of its own: it takes the other's. */
static struct quantity sum_of(struct quantity a, struct quantity b, bool overflow, __int128 nano)
{
    struct quantity q = {.nano = nano, .set = a.set || b.set};

    if (overflow)
        q.nano = a.nano < 0 ? -NANO_MAX : NANO_MAX;
    q.format = (a.set && a.nano != 0) || !b.set ? a.format : b.format;
    return q;
}

struct quantity quantity_add(struct quantity a, struct quantity b)
{
    __int128 nano;
    bool overflow = __builtin_add_overflow(a.nano, b.nano, &nano);

    return sum_of(a, b, overflow, nano);
}

struct quantity quantity_from_i64(int64_t v, enum quantity_format f)
{
    return (struct quantity){.nano = v * NANO, .format = (uint8_t)f, .set = true};
}

/* @v / @unit, away from zero. */
static __int128 div_up(__int128 v, __int128 unit)
{
    __int128 whole = v / unit;

    if (v % unit != 0)
        whole += v > 0 ? 1 : -1;
    return whole;
}

static int64_t cap_i64(__int128 v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_value(struct quantity q)
{
    return cap_i64(div_up(q.nano, NANO));
}

int64_t quantity_milli(struct quantity q)
{
    return cap_i64(div_up(q.nano, MILLI));
}

struct quantity quantity_round_milli(struct quantity q)
{
    __int128 nano;

    if (!__builtin_mul_overflow(div_up(q.nano, MILLI), MILLI, &nano))
        q.nano = nano;
    return q;
}

bool quantity_is_integer(struct quantity q)
{
    return q.nano % NANO == 0;
}

int quantity_sign(struct quantity q)
{
    return (q.nano > 0) - (q.nano < 0);
}
