/* log.c - one escaped line a call, written at once. */
#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#define LINE_MAX_BYTES 16384u
#define TEXT_ON_STACK  1024

static _Atomic int min_level = LOG_LEVEL_INFO; /* the one setting of the process */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
}

int log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

static void put_time(struct buf *line)
{
    int64_t ns = clock_real()->wall_ns(clock_real());
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm = {0};

    (void)gmtime_r(&s, &tm);
    buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ns / 1000000 % 1000));
}

/* Control characters are written as escapes: a peer's text can neither forge a line nor
 * drive a terminal. */
static void put_escaped(struct buf *line, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '\n')
            buf_puts(line, "\\n");
        else if (c == '\r')
            buf_puts(line, "\\r");
        else if (c == '\t')
            buf_puts(line, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(line, "\\x%02x", c);
        else
            buf_putc(line, (char)c);
    }
}

void log_write(enum log_level level, const char *component, const char *fmt, ...)
{
    char small[TEXT_ON_STACK] = "", *text = small;
    auto_buf line = {.limit_bytes = LINE_MAX_BYTES};
    auto_free char *large = NULL;
    va_list args, again;
    int n;

    assert(fmt);
    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (n >= (int)sizeof(small)) {
        size_t size = MIN((size_t)n + 1, (size_t)LINE_MAX_BYTES);

        text = large = xcalloc(1, size);
        (void)vsnprintf(large, size, fmt, again);
    }
    va_end(again);
    put_time(&line);
    buf_printf(&line, " %c %s ", "DIWE"[level], component);
    put_escaped(&line, text);
    line.limit_bytes = 0; /* a line cut at the limit still ends as a line */
    buf_putc(&line, '\n');
    /* Nowhere is left to report that standard error is gone. */
    if (write(STDERR_FILENO, line.p, line.len) < 0)
        return;
}
