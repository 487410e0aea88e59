/* buf.h - a growable byte buffer with a limit, set when it is made.
 *
 * Writing past the limit sets `overflow`, drops the bytes and keeps the buffer as it
 * was; callers check once at the end. {0} is a valid empty buffer without a limit.
 *
 * Layer: base. Threads: owner only.
 */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct buf {
    char *p; /* NUL-terminated after buf_cstr() only */
    size_t len, cap;
    size_t limit_bytes; /* 0: none */
    bool overflow;
};
#define auto_buf scope_cleanup(buf_deinit) struct buf

/** Frees the bytes; idempotent; the limit stays. */
void buf_deinit(struct buf *b);
/** Empties, keeps the memory. */
void buf_reset(struct buf *b);
/** Makes room for @n more bytes and returns where they go (not yet counted), NULL at the limit. */
char *buf_reserve(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *p, size_t n); /** Appends @n bytes. */
void buf_puts(struct buf *b, const char *z);             /** Appends a C string. */
void buf_str(struct buf *b, struct str s);               /** Appends a view. */
void buf_putc(struct buf *b, char c);                    /** Appends one byte. */
void buf_i64(struct buf *b, int64_t v);                  /** Appends in decimal. */
void buf_u64(struct buf *b, uint64_t v);                 /** Appends in decimal. */
/** Appends formatted text, all of it or, at the limit, nothing. */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Drops @n bytes at the front (memmove). */
void buf_consume(struct buf *b, size_t n);
/** NUL-terminates (the NUL is not counted) and returns the bytes, valid until the next write. */
const char *buf_cstr(struct buf *b);
/** Hands the bytes to the caller, who frees them; the buffer is empty. @ret_len may be NULL. */
char *buf_steal(struct buf *b, size_t *ret_len);
static inline struct str buf_view(const struct buf *b)
{
    return (struct str){b->p ? b->p : "", b->len};
}
