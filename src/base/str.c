/* str.c - string views. */
#include "base/str.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int r = n ? memcmp(a.p, b.p, n) : 0;

    if (r)
        return r < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
    return prefix.len == 0 || (s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0);
}

struct str str_prefix_end(struct arena *a, struct str prefix)
{
    while (prefix.len && (unsigned char)prefix.p[prefix.len - 1] == 0xff)
        prefix.len--;
    if (!prefix.len)
        return STR_NULL;
    prefix.p = arena_memdupz(a, prefix.p, prefix.len);
    ((unsigned char *)(uintptr_t)prefix.p)[prefix.len - 1]++;
    return prefix;
}

bool str_has_suffix(struct str s, struct str suffix)
{
    return suffix.len == 0 ||
           (s.len >= suffix.len && memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

long str_find_char(struct str s, char c)
{
    const char *at = s.len ? memchr(s.p, c, s.len) : NULL;

    return at ? at - s.p : -1;
}

long str_rfind_char(struct str s, char c)
{
    const char *at = s.len ? memrchr(s.p, c, s.len) : NULL;

    return at ? at - s.p : -1;
}

long str_find(struct str s, struct str needle)
{
    const char *at;

    if (needle.len == 0)
        return 0;
    at = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
    return at ? at - s.p : -1;
}

struct str str_cut(struct str s, char c, struct str *rest)
{
    long at = str_find_char(s, c);

    if (at < 0) {
        *rest = STR_NULL;
        return s;
    }
    *rest = str_sub(s, (size_t)at + 1, SIZE_MAX);
    return str_sub(s, 0, (size_t)at);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len && is_space(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len && is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

bool str_to_u64(struct str s, uint64_t *ret_v)
{
    uint64_t v = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *ret_v = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret_v)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    uint64_t v;

    if (!str_to_u64(negative ? str_sub(s, 1, SIZE_MAX) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_v = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

char *str_dupz(struct arena *a, struct str s)
{
    return arena_memdupz(a, s.p, s.len);
}

struct str str_dup(struct arena *a, struct str s)
{
    return s.p ? (struct str){str_dupz(a, s), s.len} : STR_NULL;
}

struct str str_i64(struct arena *a, int64_t v)
{
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        digits[--at] = '-';
    return (struct str){arena_memdupz(a, digits + at, sizeof(digits) - at), sizeof(digits) - at};
}

struct str str_printf(struct arena *a, const char *fmt, ...)
{
    struct str s;
    va_list args;

    va_start(args, fmt);
    s.p = arena_vprintf(a, &s.len, fmt, args);
    va_end(args);
    return s;
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h;
}
