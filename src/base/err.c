/* err.c - error reports: text, HTTP statuses, reasons. */
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts an incomplete UTF-8 sequence off the end: messages travel inside JSON. */
static void trim_utf8(char *s, size_t len)
{
    size_t at = len, want;

    while (at > 0 && len - at < 3 && ((unsigned char)s[at - 1] & 0xC0) == 0x80)
        at--;
    if (at == 0)
        return;
    at--;
    if (((unsigned char)s[at] & 0xE0) == 0xC0)
        want = 2;
    else if (((unsigned char)s[at] & 0xF0) == 0xE0)
        want = 3;
    else if (((unsigned char)s[at] & 0xF8) == 0xF0)
        want = 4;
    else
        return;
    if (len - at < want)
        s[at] = '\0';
}

static void set_msg(struct err *err, const char *text, int full_len)
{
    size_t len = strnlen(text, sizeof(err->msg) - 1);

    memcpy(err->msg, text, len);
    err->msg[len] = '\0';
    if (full_len < 0 || (size_t)full_len > len)
        trim_utf8(err->msg, len);
}

int err_set(struct err *err, int code, const char *file, int line, const char *fmt, ...)
{
    char text[sizeof(err->msg)] = ""; /* the arguments may point into err->msg */
    va_list args;
    int n;

    if (!err)
        return code;
    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err->code = code;
    err->file = file;
    err->line = line;
    set_msg(err, text, n);
    return code;
}

int err_wrap(struct err *err, int code, const char *fmt, ...)
{
    char outer[sizeof(err->msg)] = "";
    char text[2 * sizeof(err->msg)];
    va_list args;
    int n;

    if (!err)
        return code;
    va_start(args, fmt);
    (void)vsnprintf(outer, sizeof(outer), fmt, args);
    va_end(args);
    n = snprintf(text, sizeof(text), "%s%s%s", outer, err->msg[0] ? ": " : "", err->msg);
    if (err->code == ERR_OK)
        err->code = code;
    set_msg(err, text, n);
    return code;
}

int err_http_status(int code)
{
    switch (code) {
#define X(name, num, http, reason) \
    case ERR_##name:               \
        return http;
        ERR_CODES(X)
#undef X
    default:
        return 500;
    }
}

const char *err_reason(int code)
{
    switch (code) {
#define X(name, num, http, reason) \
    case ERR_##name:               \
        return reason;
        ERR_CODES(X)
#undef X
    default:
        return "InternalError";
    }
}

int err_from_http(int http, const char *reason)
{
    static const struct {
        int code, http;
        const char *reason;
    } all[] = {
#define X(name, num, http, reason) {ERR_##name, http, reason},
        ERR_CODES(X)
#undef X
    };
    const size_t n = sizeof(all) / sizeof(all[0]);

    if (http == 500)
        return ERR_INTERNAL; /* the other codes with this status tell of causes on this side */
    for (size_t i = 0; i < n; i++)
        if (all[i].http == http && reason && strcmp(all[i].reason, reason) == 0)
            return all[i].code;
    for (size_t i = 0; i < n; i++)
        if (all[i].http == http)
            return all[i].code;
    return ERR_INTERNAL;
}
