/* s3.h - objects of one bucket of an S3 service: put, get, list, delete. Over libcurl; requests are
 * signed here (AWS Signature Version 4, with the SHA-256 of the body).
 *
 * Every call blocks, for as long as a transfer takes: for pool threads and for commands. What fails
 * for the moment (no connection, time-outs, 429, 5xx) is tried S3_RETRIES times more. TLS is always
 * verified; redirects are not followed. Error texts hold S3's Code and Message, and no secret.
 *
 * Layer: net. Threads: one at a time for a struct s3; the rest any.
 */
#pragma once
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include <stdatomic.h>

enum {
    S3_RETRIES = 3,
    S3_KEY_BYTES_MAX = 1024,
    S3_OBJECTS_MAX = 100000,       /* of one list */
    S3_LIST_BYTES_MAX = 8 << 20,   /* of one page of a list */
    S3_TIMEOUT_DEFAULT_SEC = 60,
};
#define S3_PUT_BYTES_MAX ((uint64_t)5 << 30) /* what S3 takes in one request */

struct s3_credentials { /* texts are the owner's; see s3_credentials_parse() */
    const char *access_key, *secret_key;
    const char *session_token; /* NULL: none */
};
/** Reads section [default] of AWS's credentials file @ini. In @a. ERR_INVALID names what is wrong,
 *  and nothing of a value. */
MUST_USE int s3_credentials_parse(struct str ini, struct arena *a, struct s3_credentials *ret_c,
                                  struct err *err);

struct s3_url {
    const char *bucket;
    const char *key; /* "" for the bucket itself; no slash at its ends */
};
/** True if @s begins like an URL of S3. */
bool s3_url_is(const char *s);
/** Takes s3://BUCKET[/KEY] apart. In @a. ERR_INVALID. */
MUST_USE int s3_url_parse(const char *s, struct arena *a, struct s3_url *ret_u, struct err *err);

struct s3_opts { /* texts are copied */
    const char *endpoint; /* "https://host[:port]", or http; NULL: AWS's of the region */
    const char *region;   /* NULL: us-east-1 */
    const char *bucket;
    bool path_style;     /* the bucket in the path, not in the host's name; always so where that
                          * cannot be: with addresses, and for buckets with dots */
    const char *ca_file; /* trusted instead of the system's; NULL: the system's */
    uint32_t timeout_sec; /* without progress; 0: S3_TIMEOUT_DEFAULT_SEC */
    struct s3_credentials credentials;
    const struct clock *clock;
    const atomic_bool *cancel; /* set by anyone: calls end within a second, ERR_CANCELED. Or NULL */
};
struct s3;
/** A client. ERR_INVALID, ERR_INTERNAL (libcurl does not start). Ends with s3_free(). */
MUST_USE int s3_new(const struct s3_opts *opts, struct s3 **ret_s, struct err *err);
struct s3 *s3_free(struct s3 *s); /** NULL is a no-op; returns NULL. */

/* Of all: ERR_NOT_FOUND, ERR_FORBIDDEN and others after the HTTP status, ERR_UNAVAILABLE,
 * ERR_TIMEOUT, ERR_CANCELED, ERR_IO, ERR_PARSE (no answer of S3). */

/** Stores all of the file @fd, from its start, as @key. ERR_TOO_LARGE. */
MUST_USE int s3_put(struct s3 *s, const char *key, int fd, struct err *err);
/** Writes the object @key into the empty file @fd. ERR_TOO_LARGE beyond @bytes_max. What is in the
 *  file after an error is of no use. */
MUST_USE int s3_get(struct s3 *s, const char *key, int fd, uint64_t bytes_max, struct err *err);
/** Deletes @key; that it is not there is no error. */
MUST_USE int s3_delete(struct s3 *s, const char *key, struct err *err);

struct s3_object {
    const char *key;
    uint64_t bytes;
};
struct s3_objects {
    struct s3_object *v;
    size_t n, cap; /* as VEC of base/vec.h; in an arena */
};
/** All objects that begin with @prefix, and have no further slash behind it. In @a. ERR_TOO_LARGE
 *  beyond S3_OBJECTS_MAX. */
MUST_USE int s3_list(struct s3 *s, const char *prefix, struct arena *a, struct s3_objects *ret,
                     struct err *err);
