/* decimal.h - the shortest decimal digits of a binary floating-point number. Internal to codec.
 * Layer: codec. Threads: any. */
#pragma once
#include <stdbool.h>

struct decimal { /* 0.d1d2d3... * 10^point */
    char digits[20];
    int n; /* digits, without trailing zeros, at least 1 */
    int point;
    bool negative;
};
/** The fewest digits that read back as @d, finite and not 0; as a float when @single.
 *  Threads: any. */
void decimal_from_double(double d, bool single, struct decimal *ret_dec);
