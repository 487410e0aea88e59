/* log.h - leveled, structured log lines on standard error: a text, then key=value pairs.
 *
 *     LOG_INFO("server", "listening port=%d dir=%s", port, dir);
 *
 * One line: RFC 3339 time, level letter, component, text. Library code (base..client) logs
 * at debug only; components log. Layer: base. Threads: any (one write(2) a line).
 */
#pragma once
#include <stdarg.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
/** Drops lines below @level from now on; the default is LOG_LEVEL_INFO. Any thread. */
void log_set_level(enum log_level level);
/** True if lines of @level are written: guards costly arguments. */
int log_enabled(enum log_level level);
/** Writes one line; use the macros. */
void log_write(enum log_level level, const char *component, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define LOG_AT(level, component, ...)                        \
    do {                                                     \
        if (log_enabled(level))                              \
            log_write((level), (component), __VA_ARGS__);    \
    } while (0)
#define LOG_DEBUG(component, ...) LOG_AT(LOG_LEVEL_DEBUG, component, __VA_ARGS__)
#define LOG_INFO(component, ...) LOG_AT(LOG_LEVEL_INFO, component, __VA_ARGS__)
#define LOG_WARN(component, ...) LOG_AT(LOG_LEVEL_WARN, component, __VA_ARGS__)
#define LOG_ERROR(component, ...) LOG_AT(LOG_LEVEL_ERROR, component, __VA_ARGS__)
