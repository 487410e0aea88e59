/* crc32c.c - eight bytes a step: by the processor's instruction, or from a table that its owner
 * keeps. */
#include "store/crc32c.h"
#include <endian.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

void crc32c_init(struct crc32c *c)
{
#if defined(__x86_64__)
    c->hardware = __builtin_cpu_supports("sse4.2") != 0;
#else
    c->hardware = false;
#endif
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t v = b;

        for (int bit = 0; bit < 8; bit++)
            v = (v >> 1) ^ ((v & 1) ? POLYNOMIAL : 0);
        c->table[0][b] = v;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t v = c->table[k - 1][b];

            c->table[k][b] = (v >> 8) ^ c->table[0][v & 0xff];
        }
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t add_sse42(uint32_t start,
                                                             const unsigned char *p, size_t n)
{
    uint64_t crc = start;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        crc = __builtin_ia32_crc32di(crc, w);
    }
    for (; n > 0; n--, p++)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *p);
    return (uint32_t)crc;
}
#endif

uint32_t crc32c_add(const struct crc32c *c, uint32_t crc, struct str data)
{
    const unsigned char *p = (const unsigned char *)data.p;
    size_t n = data.len;

    crc = ~crc;
#if defined(__x86_64__)
    if (c->hardware)
        return ~add_sse42(crc, p, n);
#endif
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        w = le64toh(w) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= c->table[7 - k][(w >> (8 * k)) & 0xff];
    }
    for (; n > 0; n--, p++)
        crc = (crc >> 8) ^ c->table[0][(crc ^ *p) & 0xff];
    return ~crc;
}
