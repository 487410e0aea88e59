/* s3_flags.h - the flags of commands that use S3, and the client they lead to.
 * Layer: cmd. Threads: any; blocks on a file. */
#pragma once
#include "cmd/flags.h"
#include "net/s3.h"

struct s3_flags {
    const char *endpoint, *region, *ca_file, *credentials_file;
    bool path_style;
    int64_t timeout_ms;
};
#define S3_FLAGS_DEFAULT {.timeout_ms = S3_TIMEOUT_DEFAULT_SEC * 1000}
/* Lines of a table of flags. */
#define S3_FLAGS(f)                                                                               \
    {"s3-endpoint", FLAG_STRING, &(f)->endpoint, "URL",                                           \
     "an S3 service: https://host[:port], or http; Amazon's of the region if unset"},             \
    {"s3-region", FLAG_STRING, &(f)->region, "REGION",                                            \
     "its region; $AWS_REGION, else us-east-1 if unset"},                                         \
    {"s3-path-style", FLAG_BOOL, &(f)->path_style, NULL,                                          \
     "the bucket stands in the path of requests, not in the host's name"},                        \
    {"s3-ca-file", FLAG_STRING, &(f)->ca_file, "FILE",                                            \
     "CA of its certificate; the system's if unset"},                                             \
    {"s3-credentials-file", FLAG_STRING, &(f)->credentials_file, "FILE",                          \
     "[default] of AWS's form, mode 0600; $AWS_ACCESS_KEY_ID and so on if unset"},                \
    {"s3-timeout", FLAG_DURATION, &(f)->timeout_ms, "TIME",                                       \
     "give a request up that makes no progress for so long; at least 1s"}

/** A client for @bucket; credentials are read anew. @cancel as in struct s3_opts. ERR_BAD_REQUEST,
 *  ERR_IO, and those of s3_new(). No text holds a secret. */
MUST_USE int s3_flags_open(const struct s3_flags *f, const char *bucket, const atomic_bool *cancel,
                           struct s3 **ret_s, struct err *err);
