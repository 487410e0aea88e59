/* err.h - the one error convention: codes and caller-owned error reports.
 *
 * A function that can fail returns int: 0 on success, a negative enum err_code on
 * failure, and fills the caller's struct err. Outputs (ret_x) are written on success
 * only. A code that a function documents as an outcome (ERR_NOT_FOUND of a get) is
 * handled by the caller, not logged.
 *
 * Layer: base (libc only). Threads: any.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

#define ERR_CODES(X) /* name, stable number, HTTP status, reason in an API Status */ \
    X(BAD_REQUEST, 1, 400, "BadRequest")                                             \
    X(NOT_FOUND, 2, 404, "NotFound")                                                 \
    X(NOT_ALLOWED, 3, 405, "MethodNotAllowed")                                       \
    X(CONFLICT, 4, 409, "Conflict")                                                  \
    X(EXPIRED, 5, 410, "Expired")                                                    \
    X(TOO_LARGE, 6, 413, "RequestEntityTooLarge")                                    \
    X(NO_MEMORY, 7, 500, "InternalError")                                            \
    X(IO, 8, 500, "InternalError")                                                   \
    X(UNAUTHORIZED, 9, 401, "Unauthorized")                                          \
    X(FORBIDDEN, 10, 403, "Forbidden")                                               \
    X(EXISTS, 11, 409, "AlreadyExists")                                              \
    X(INVALID, 12, 422, "Invalid")                                                   \
    X(MEDIA_TYPE, 13, 415, "UnsupportedMediaType")                                   \
    X(NOT_ACCEPTABLE, 14, 406, "NotAcceptable")                                      \
    X(TOO_MANY, 15, 429, "TooManyRequests")                                          \
    X(INTERNAL, 16, 500, "InternalError")                                            \
    X(TIMEOUT, 17, 504, "Timeout")                                                   \
    X(UNAVAILABLE, 18, 503, "ServiceUnavailable")                                    \
    X(CANCELED, 19, 499, "Canceled")                                                 \
    X(PARSE, 20, 400, "BadRequest")                                                  \
    X(EOF, 21, 500, "InternalError")

enum err_code {
    ERR_OK = 0,
#define X(name, num, http, reason) ERR_##name = -(num),
    ERR_CODES(X)
#undef X
};

/* Lives on the caller's stack; never allocates. Start it as {0}. */
struct err {
    int code;         /* enum err_code of the origin */
    int line;         /* where the error was born, for the log */
    const char *file; /* static storage */
    char msg[480];    /* "outer: inner: cause", truncated, NUL-terminated */
};

/* Sets @err (NULL drops the text only) and returns @code, so that `return err_new(...)` works. */
#define err_new(err, code, ...) err_set((err), (code), __FILE__, __LINE__, __VA_ARGS__)
/** Implementation of err_new(). Any thread; never fails. */
int err_set(struct err *err, int code, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/** Puts "<fmt>: " before the message of @err; returns @code. @err may be NULL. */
int err_wrap(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** The HTTP status for @code; 500 for unknown codes. */
int err_http_status(int code);
/** The reason of an API Status for @code ("NotFound"); static; "InternalError" if unknown. */
const char *err_reason(int code);
/** The code of a peer's answer: with HTTP status @http and Status reason @reason (may be NULL),
 *  else the first with that status ("Gone" is ERR_EXPIRED); ERR_INTERNAL if none fits. */
int err_from_http(int http, const char *reason);
