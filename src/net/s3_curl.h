/* s3_curl.h - libcurl, loaded when it is first needed: with its two dozen libraries it would cost
 * every start of the program milliseconds, and every server memory. Layer: net, private.
 * Threads: any. */
#pragma once
#include "base/err.h"
#include <curl/curl.h>

#define S3_CURL_FUNCTIONS(X)                                                                      \
    X(global_init) X(global_cleanup) X(easy_init) X(easy_cleanup) X(easy_reset) X(easy_setopt)    \
    X(easy_perform) X(easy_getinfo) X(easy_strerror) X(slist_append) X(slist_free_all)
struct s3_curl { /* curl_NAME as NAME */
#define X(name) __typeof__(curl_##name) *name;
    S3_CURL_FUNCTIONS(X)
#undef X
};
/** Loads libcurl, which then stays. ERR_UNAVAILABLE: it is not installed, or too old. */
MUST_USE int s3_curl_load(struct s3_curl *ret_k, struct err *err);
