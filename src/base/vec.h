/* vec.h - typed growable arrays on the heap.
 *
 *     VEC(struct str) names = {0};
 *     vec_push(&names, STR("a"));
 *     for (size_t i = 0; i < names.n; i++) use(names.v[i]);
 *     vec_deinit(&names);
 *
 * Layer: base. Threads: owner only.
 */
#pragma once
#include "base/mem.h"
#include <assert.h>
#include <string.h>

#define VEC(T)       \
    struct {         \
        T *v;        \
        size_t n;    \
        size_t cap;  \
    }
/** Grows *@v (elements of @size bytes) so that @n fit; used by the macros. */
void vec_grow_(void **v, size_t *cap, size_t n, size_t size);
#define vec_reserve(vec, want)                                                             \
    do {                                                                                   \
        if ((want) > (vec)->cap)                                                           \
            vec_grow_((void **)&(vec)->v, &(vec)->cap, (want), sizeof(*(vec)->v));         \
    } while (0)
#define vec_push(vec, x)                   \
    do {                                   \
        vec_reserve(vec, (vec)->n + 1);    \
        (vec)->v[(vec)->n++] = (x);        \
    } while (0)
#define vec_pop(vec) (assert((vec)->n > 0), (vec)->v[--(vec)->n])
/* Removes element i by moving the last one into its place: order is lost. */
#define vec_swap_remove(vec, i) ((vec)->v[i] = (vec)->v[--(vec)->n])
#define vec_remove(vec, i)                                                              \
    do {                                                                                \
        size_t at_ = (i);                                                               \
        memmove(&(vec)->v[at_], &(vec)->v[at_ + 1], ((vec)->n - at_ - 1) * sizeof(*(vec)->v)); \
        (vec)->n--;                                                                     \
    } while (0)
#define vec_clear(vec) ((vec)->n = 0)
#define vec_deinit(vec)        \
    do {                       \
        free((vec)->v);        \
        (vec)->v = NULL;       \
        (vec)->n = (vec)->cap = 0; \
    } while (0)
