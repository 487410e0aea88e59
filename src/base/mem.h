/* mem.h - scope cleanup, arenas, plain allocation.
 *
 * An arena owns every object of ONE request, decode or reconcile and frees them at once.
 * Allocation never returns NULL: sizes that a peer drives are bounded where the input
 * is read (body, depth, node limits), so running out of memory is fatal and aborts
 * with a message. Under ASan each allocation is its own block, so overflows are found.
 *
 * Layer: base. Threads: an arena belongs to one thread at a time.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define scope_cleanup(fn) __attribute__((cleanup(fn)))
/* Passes ownership out of a variable with a cleanup attribute. */
#define steal(p)                     \
    ({                               \
        __typeof__(p) kept_ = (p);   \
        (p) = NULL;                  \
        kept_;                       \
    })
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline void closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
static inline void freep(void *p)
{
    free(*(void **)p);
}
#define auto_fd scope_cleanup(closep) int /* always initialize: auto_fd fd = -1; */
#define auto_free scope_cleanup(freep)    /* auto_free char *s = NULL; */

/** calloc that aborts when memory is exhausted. The caller frees. */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2)));
/** realloc that aborts when memory is exhausted. New bytes are not zeroed. */
void *xrealloc(void *p, size_t size) __attribute__((alloc_size(2)));
/** strdup that aborts when memory is exhausted. The caller frees. */
char *xstrdup(const char *s) __attribute__((malloc));
/** Copies @len bytes and adds a NUL. The caller frees. */
char *xmemdupz(const void *p, size_t len) __attribute__((malloc));
/** @size bytes at a multiple of @align (a power of two), not zeroed; aborts when memory is
 *  exhausted. The caller frees. */
void *xaligned(size_t align, size_t size);
/** Gives free memory back to the kernel. Takes milliseconds; for quiet moments. Any thread. */
void mem_trim(void);
#define xnew(type) ((type *)xcalloc(1, sizeof(type)))
/** Bytes of this process that are in memory now, files that it maps too; 0: the kernel does not
 *  say. Any thread. */
size_t mem_resident_bytes(void);

struct arena_block;
struct arena { /* {0} is a valid empty arena */
    struct arena_block *head;
    void *room;        /* the block that is not the arena's own; see stack_arena() */
    size_t used_bytes; /* handed out so far */
};
/** Zeroed memory of @size bytes, aligned for any type; lives until arena_deinit(). Never NULL. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((alloc_size(2)));
/** @n elements of @size bytes, zeroed; aborts if the product overflows. */
void *arena_calloc(struct arena *a, size_t n, size_t size) __attribute__((alloc_size(2, 3)));
/** Copies @len bytes of @p and adds a NUL. */
char *arena_memdupz(struct arena *a, const void *p, size_t len);
/** Copies the C string @s. */
char *arena_strdup(struct arena *a, const char *s);
/** printf into the arena. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** As arena_printf(), with the length but for the NUL in @ret_len (may be NULL). */
char *arena_vprintf(struct arena *a, size_t *ret_len, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
/** Grows the array @old of @n_old elements of @size bytes to @n_new; @old stays allocated. */
void *arena_grow(struct arena *a, const void *old, size_t n_old, size_t n_new, size_t size);
/** Frees everything; idempotent; the arena is empty and usable again. */
void arena_deinit(struct arena *a);
#define auto_arena scope_cleanup(arena_deinit) struct arena /* auto_arena a = {0}; */
/** An empty arena that begins with the @size bytes at @room, which outlive it. */
struct arena arena_in(void *room, size_t size);
/* An auto_arena @name whose first bytes, somewhat less than @bytes, are on the stack: for what is
 * small and short-lived. */
#define stack_arena(name, bytes)                              \
    max_align_t name##_room[(bytes) / sizeof(max_align_t)];   \
    auto_arena name = arena_in(name##_room, sizeof(name##_room))
/* A copy of the value of an expression, for members that are pointers to a scalar or struct. */
#define arena_box(a, value)                                      \
    ({                                                           \
        __auto_type box_ = (value);                              \
        __builtin_memcpy(arena_alloc((a), sizeof(box_)), (const void *)&box_, sizeof(box_)); \
    })
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
