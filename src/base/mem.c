/* mem.c - arenas and allocation that never fails. */
#include "base/mem.h"
#include <assert.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Under ASan every allocation is a block of its own, so that it sees overflows. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_BLOCK_EACH true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_BLOCK_EACH true
#endif
#endif
#ifndef ARENA_BLOCK_EACH
#define ARENA_BLOCK_EACH false
#endif

/* The first is of those that malloc keeps at hand for each thread; the largest, with both headers,
 * is just below a number of pages, so that malloc wastes none. */
#define BLOCK_MIN_BYTES 1000u
#define BLOCK_MAX_BYTES 65504u

struct arena_block {
    struct arena_block *next;
    size_t cap, used; /* bytes of data[] */
    max_align_t data[];
};

static void __attribute__((noreturn)) out_of_memory(size_t n, size_t size)
{
    (void)fprintf(stderr, "skiff: out of memory (%zu x %zu bytes)\n", n, size);
    abort();
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory(n, size);
    return p;
}

void *xrealloc(void *p, size_t size)
{
    p = realloc(p, size ? size : 1);
    if (!p)
        out_of_memory(1, size);
    return p;
}

void mem_trim(void)
{
    (void)malloc_trim(0);
}

void *xaligned(size_t align, size_t size)
{
    void *p = NULL;

    if (posix_memalign(&p, align, size))
        out_of_memory(1, size);
    return p;
}

char *xmemdupz(const void *p, size_t len)
{
    char *copy;

    if (len == SIZE_MAX)
        out_of_memory(1, len);
    copy = xrealloc(NULL, len + 1);
    if (len)
        memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

char *xstrdup(const char *s)
{
    return xmemdupz(s, strlen(s));
}

size_t mem_resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long total, resident = 0;

    if (f && fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (f)
        (void)fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *b;

    if (cap > SIZE_MAX / 2)
        out_of_memory(1, cap);
    b = xrealloc(NULL, sizeof(*b) + cap);
    *b = (struct arena_block){.cap = cap};
    return b;
}

struct arena arena_in(void *room, size_t size)
{
    struct arena_block *b = room;

    if (ARENA_BLOCK_EACH)
        return (struct arena){0};
    assert(size > sizeof(*b));
    *b = (struct arena_block){.cap = size - sizeof(*b)};
    return (struct arena){.head = b, .room = b};
}

/* A block for @size bytes at least. What is large stands alone behind the head, so that
 * the room left in the head goes on being used. */
static struct arena_block *block_add(struct arena *a, size_t size)
{
    struct arena_block *b;
    size_t cap = MIN(MAX(a->used_bytes, BLOCK_MIN_BYTES), BLOCK_MAX_BYTES);
    bool alone = ARENA_BLOCK_EACH || size > cap / 2;

    b = block_new(alone ? size : cap);
    if (alone && a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

/* Not zeroed: most blocks are never used up. */
static void *bump(struct arena *a, size_t size, size_t align)
{
    struct arena_block *b = a->head;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;

    if (ARENA_BLOCK_EACH || !b || at > b->cap || size > b->cap - at) {
        b = block_add(a, size);
        at = 0;
    }
    b->used = at + size;
    a->used_bytes += size;
    return (char *)b->data + at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return memset(bump(a, size, _Alignof(max_align_t)), 0, size);
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        out_of_memory(n, size);
    return arena_alloc(a, bytes);
}

char *arena_memdupz(struct arena *a, const void *p, size_t len)
{
    char *copy;

    if (len == SIZE_MAX)
        out_of_memory(1, len);
    copy = bump(a, len + 1, 1);
    if (len)
        memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_memdupz(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, size_t *ret_len, const char *fmt, va_list args)
{
    char *text, small[128];
    va_list again;
    int n;

    assert(fmt);
    va_copy(again, args);
    n = vsnprintf(small, sizeof(small), fmt, args);
    if (n < 0)
        n = 0; /* only an invalid wide character can do this: an empty text */
    text = bump(a, (size_t)n + 1, 1);
    if ((size_t)n < sizeof(small)) {
        memcpy(text, small, (size_t)n);
        text[n] = '\0';
    } else {
        (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (ret_len)
        *ret_len = (size_t)n;
    return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = arena_vprintf(a, NULL, fmt, args);
    va_end(args);
    return text;
}

void *arena_grow(struct arena *a, const void *old, size_t n_old, size_t n_new, size_t size)
{
    void *p = arena_calloc(a, n_new, size);
    size_t n = MIN(n_old, n_new);

    if (n && size)
        memcpy(p, old, n * size);
    return p;
}

void arena_deinit(struct arena *a)
{
    struct arena_block *b = a->head, *next;

    for (; b; b = next) {
        next = b->next;
        if (b != a->room)
            free(b);
    }
    *a = (struct arena){0};
}
