/* utf8.c - UTF-8 decoding and encoding. */
#include "codec/utf8.h"

size_t utf8_decode(const char *p, const char *end, uint32_t *ret_cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *u = (const uint8_t *)p;
    uint32_t cp;
    size_t n;

    if (p >= end)
        return 0;
    if (u[0] < 0x80) {
        *ret_cp = u[0];
        return 1;
    }
    if (u[0] >= 0xc2 && u[0] < 0xe0)
        n = 2;
    else if (u[0] >= 0xe0 && u[0] < 0xf0)
        n = 3;
    else if (u[0] >= 0xf0 && u[0] < 0xf5)
        n = 4;
    else
        return 0;
    if ((size_t)(end - p) < n)
        return 0;
    cp = u[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (u[i] & 0x3f);
    }
    if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return 0;
    *ret_cp = cp;
    return n;
}

size_t utf8_encode(uint32_t cp, char *out)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(uint8_t)(0xc0 | cp >> 6);
        out[1] = (char)(uint8_t)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(uint8_t)(0xe0 | cp >> 12);
        out[1] = (char)(uint8_t)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(uint8_t)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(uint8_t)(0xf0 | cp >> 18);
    out[1] = (char)(uint8_t)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(uint8_t)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(uint8_t)(0x80 | (cp & 0x3f));
    return 4;
}

bool utf8_valid(struct str s)
{
    const char *p = s.p, *end = s.p + s.len;
    uint32_t cp;

    while (p < end) {
        size_t n = utf8_decode(p, end, &cp);

        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

void utf8_append_valid(struct buf *out, struct str s)
{
    const char *p = s.p, *end = s.p + s.len;
    uint32_t cp;

    while (p < end) {
        size_t n = utf8_decode(p, end, &cp);

        buf_append(out, n ? p : "\xef\xbf\xbd", n ? n : 3);
        p += n ? n : 1;
    }
}
