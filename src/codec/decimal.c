/* decimal.c - the shortest decimal digits of a binary floating-point number. */
#include "codec/decimal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool reads_back(const char *text, double d, bool single)
{
    return single ? strtof(text, NULL) == (float)d : strtod(text, NULL) == d;
}

/* The scientific form with the fewest digits that reads back. Returns its length. */
static int shortest(double d, bool single, char *text, size_t size)
{
    /* Fifteen digits find every shorter form of a normal double; the others have fewer. */
    int digits = single || fabs(d) < 0x1p-1022 ? 1 : 15;
    int n;

    do {
        n = snprintf(text, size, "%.*e", digits - 1, d);
    } while (++digits <= 17 && !reads_back(text, d, single));
    return n;
}

void decimal_from_double(double d, bool single, struct decimal *ret_dec)
{
    char text[40];
    int n = shortest(d, single, text, sizeof(text));
    int i;

    ret_dec->n = 0;
    ret_dec->negative = text[0] == '-';
    for (i = ret_dec->negative; i < n && text[i] != 'e'; i++)
        if (text[i] != '.')
            ret_dec->digits[ret_dec->n++] = text[i];
    ret_dec->point = (int)strtol(text + i + 1, NULL, 10) + 1;
    while (ret_dec->n > 1 && ret_dec->digits[ret_dec->n - 1] == '0')
        ret_dec->n--;
}
