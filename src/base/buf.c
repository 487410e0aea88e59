/* buf.c - growable byte buffers. */
#include "base/buf.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_MIN_BYTES 64u

void buf_deinit(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.limit_bytes = b->limit_bytes};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
}

/* Room for @n more bytes and a NUL, whatever the limit. */
static void grow(struct buf *b, size_t n)
{
    size_t want, cap;

    if (n > SIZE_MAX / 4 - b->len) {
        (void)fprintf(stderr, "skiff: a buffer of %zu + %zu bytes\n", b->len, n);
        abort();
    }
    want = b->len + n + 1;
    if (want <= b->cap)
        return;
    cap = MAX(MAX(b->cap * 2, want), BUF_MIN_BYTES);
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->limit_bytes && (b->len > b->limit_bytes || n > b->limit_bytes - b->len)) {
        b->overflow = true;
        return NULL;
    }
    if (n >= b->cap - b->len)
        grow(b, n);
    return b->p + b->len;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
    char *to = buf_reserve(b, n);

    if (!to || n == 0)
        return;
    memcpy(to, p, n);
    b->len += n;
}

void buf_puts(struct buf *b, const char *z)
{
    buf_append(b, z, strlen(z));
}

void buf_str(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.len);
}

void buf_putc(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);

    if (!to)
        return;
    *to = c;
    b->len++;
}

static void put_decimal(struct buf *b, bool negative, uint64_t v)
{
    char digits[21];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    if (negative)
        digits[--at] = '-';
    buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_i64(struct buf *b, int64_t v)
{
    put_decimal(b, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_u64(struct buf *b, uint64_t v)
{
    put_decimal(b, false, v);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    size_t room = b->p ? b->cap - b->len : 0;
    va_list args, again;
    char *to;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(room ? b->p + b->len : NULL, room, fmt, args);
    va_end(args);
    to = n > 0 ? buf_reserve(b, (size_t)n) : NULL;
    if (to) {
        if ((size_t)n >= room)
            (void)vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (b->len && n)
        memmove(b->p, b->p + n, b->len);
}

const char *buf_cstr(struct buf *b)
{
    grow(b, 0);
    b->p[b->len] = '\0';
    return b->p;
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
    char *p;

    (void)buf_cstr(b); /* always NUL-terminated, never NULL */
    p = b->p;
    if (ret_len)
        *ret_len = b->len;
    *b = (struct buf){.limit_bytes = b->limit_bytes};
    return p;
}
