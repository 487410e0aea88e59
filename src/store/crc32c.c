/* crc32c.c - eight bytes a step, from a table that its owner keeps. */
#include "store/crc32c.h"
#include <endian.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

void crc32c_init(struct crc32c *c)
{
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

uint32_t crc32c_add(const struct crc32c *c, uint32_t crc, struct str data)
{
    const unsigned char *p = (const unsigned char *)data.p;
    size_t n = data.len;

    crc = ~crc;
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
