/* crc32c.h - the checksum of stored values (Castagnoli, RFC 3720).
 * Layer: store. Threads: any; a table is immutable once made. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct crc32c { /* table[k][b]: byte b followed by k zero bytes */
    uint32_t table[8][256];
    bool hardware; /* the processor has the instruction */
};
void crc32c_init(struct crc32c *c); /** Fills the table. */
/** The checksum of what @crc covers (0: nothing yet) followed by @data. */
uint32_t crc32c_add(const struct crc32c *c, uint32_t crc, struct str data);
