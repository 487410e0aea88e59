/* vec.c - growth of typed arrays. */
#include "base/vec.h"
#include <stdio.h>

void vec_grow_(void **v, size_t *cap, size_t n, size_t size)
{
    size_t want = MAX(MAX(*cap * 2, n), (size_t)8), bytes;

    if (__builtin_mul_overflow(want, size, &bytes)) {
        (void)fprintf(stderr, "skiff: an array of %zu x %zu bytes\n", want, size);
        abort();
    }
    *v = xrealloc(*v, bytes);
    *cap = want;
}
