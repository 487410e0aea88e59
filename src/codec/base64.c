/* base64.c - RFC 4648 base64. */
#include "codec/base64.h"

static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buf *out, struct str bytes, const char *alphabet, bool pad)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t left = bytes.len;
    size_t need = (bytes.len + 2) / 3 * 4;
    char *start = buf_reserve(out, need);
    char *q = start;

    if (!start)
        return;
    for (; left >= 3; left -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

        *q++ = alphabet[v >> 18];
        *q++ = alphabet[v >> 12 & 63];
        *q++ = alphabet[v >> 6 & 63];
        *q++ = alphabet[v & 63];
    }
    if (left > 0) {
        uint32_t v = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0);

        *q++ = alphabet[v >> 18];
        *q++ = alphabet[v >> 12 & 63];
        if (left > 1)
            *q++ = alphabet[v >> 6 & 63];
        for (size_t i = left; pad && i < 3; i++)
            *q++ = '=';
    }
    out->len += (size_t)(q - start);
}

void base64_write(struct buf *out, struct str bytes)
{
    encode(out, bytes, alphabet_std, true);
}

void base64url_write(struct buf *out, struct str bytes)
{
    encode(out, bytes, alphabet_url, false);
}

static int digit_value(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

static int illegal(struct err *err, size_t at)
{
    return err_new(err, ERR_INVALID, "illegal base64 data at input byte %zu", at);
}

static size_t skip_newlines(struct str text, size_t i)
{
    while (i < text.len && (text.p[i] == '\n' || text.p[i] == '\r'))
        i++;
    return i;
}

/* Checks that "=" or "==" ends the text at @i, the first '=', after @n digits of a group. */
static int check_padding(struct str text, size_t i, int n, struct err *err)
{
    if (n < 2)
        return illegal(err, i);
    if (n == 2) {
        i = skip_newlines(text, i + 1);
        if (i >= text.len)
            return illegal(err, text.len);
        if (text.p[i] != '=')
            return illegal(err, i - 1);
    }
    i = skip_newlines(text, i + 1);
    return i < text.len ? illegal(err, i) : 0;
}

static char *put_group(char *q, uint32_t v, int n)
{
    v <<= 6 * (4 - n);
    for (int k = 0; k < n - 1; k++)
        *q++ = (char)(uint8_t)(v >> (16 - 8 * k));
    return q;
}

static int decode(struct str text, bool url, struct arena *a, struct str *ret_bytes,
                  struct err *err)
{
    char *out = arena_alloc(a, text.len / 4 * 3 + 4);
    char *q = out;
    uint32_t v = 0;
    int n = 0; /* digits in the group so far */
    size_t i = 0;

    for (i = skip_newlines(text, 0); i < text.len; i = skip_newlines(text, i + 1)) {
        int digit = digit_value(text.p[i], url);

        if (digit < 0 && text.p[i] == '=' && !url) {
            int r = check_padding(text, i, n, err);

            if (r < 0)
                return r;
            q = put_group(q, v, n);
            *ret_bytes = (struct str){out, (size_t)(q - out)};
            return 0;
        }
        if (digit < 0)
            return illegal(err, i);
        v = v << 6 | (uint32_t)digit;
        if (++n == 4) {
            q = put_group(q, v, 4);
            v = 0;
            n = 0;
        }
    }
    if (n == 1 || (n > 0 && !url))
        return illegal(err, text.len - (size_t)n);
    if (n > 0)
        q = put_group(q, v, n);
    *ret_bytes = (struct str){out, (size_t)(q - out)};
    return 0;
}

int base64_decode(struct str text, struct arena *a, struct str *ret_bytes, struct err *err)
{
    return decode(text, false, a, ret_bytes, err);
}

int base64url_decode(struct str text, struct arena *a, struct str *ret_bytes, struct err *err)
{
    return decode(text, true, a, ret_bytes, err);
}
