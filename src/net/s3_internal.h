/* s3_internal.h - the parts of the S3 client. Layer: net, private. Threads: any. */
#pragma once
#include "net/s3.h"

/* ---- s3_sign.c ---- */

struct s3_signing { /* what AWS Signature Version 4 signs */
    const char *method;
    const char *host;       /* as in the Host header */
    const char *path;       /* encoded */
    const char *query;      /* encoded, in order of names; "" for none */
    const char *sha256_hex; /* of the body */
    const char *date;       /* "20130524T000000Z" */
    const char *region;
    const struct s3_credentials *credentials;
};
/** Appends the value of the Authorization header; the request has the headers Host,
 *  X-Amz-Content-Sha256, X-Amz-Date, and X-Amz-Security-Token if there is a session token. */
void s3_sign(const struct s3_signing *s, struct buf *out);
/** Appends @s with all but unreserved characters as %XX; slashes stay if @slashes. */
void s3_encode(struct buf *out, struct str s, bool slashes);
void s3_hex(struct buf *out, const uint8_t *p, size_t n); /** Appends lower-case digits. */

/* ---- s3_xml.c ---- */

struct s3_page {
    bool truncated;
    const char *token; /* of the next page, if truncated */
};
/** Reads a page of ListObjectsV2, and appends its objects to @objects. In @a. ERR_PARSE,
 *  ERR_TOO_LARGE. */
MUST_USE int s3_xml_list(struct str xml, struct arena *a, struct s3_objects *objects,
                         struct s3_page *ret_page, struct err *err);
struct s3_fault {
    const char *code, *message; /* "" if it says none; printable, of bounded length */
};
/** Reads an error's document. In @a. False if it is none. */
bool s3_xml_fault(struct str xml, struct arena *a, struct s3_fault *ret_f);

/* ---- s3_config.c ---- */

struct s3_endpoint {
    bool https;
    const char *host; /* of requests for the bucket, with the port if it is not the scheme's */
    const char *base; /* what paths begin with: "/", or "/bucket/" */
};
/** Where requests for @opts' bucket go. In @a. ERR_INVALID. */
MUST_USE int s3_endpoint_resolve(const struct s3_opts *opts, struct arena *a,
                                 struct s3_endpoint *ret_e, struct err *err);
/** Both keys are there, and nothing has characters that no key has. ERR_INVALID, without values. */
MUST_USE int s3_credentials_check(const struct s3_credentials *c, struct err *err);
