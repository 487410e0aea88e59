/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/s3_flags.h"

#include "net/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 64 * 1024 };

/* Into @text, which the caller wipes. */
static int read_secret(const char *path, struct buf *text, struct err *err)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_new(err, ERR_IO, "open %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_new(err, ERR_BAD_REQUEST, "%s is no file", path);
    if (st.st_mode & 077)
        return err_new(err, ERR_BAD_REQUEST, "%s is open to others than its owner: chmod 600 it",
                       path);
    if (!buf_reserve(text, FILE_BYTES_MAX)) /* at once, so that no copy is left behind */
        return err_new(err, ERR_TOO_LARGE, "%s is too large", path);
    while (n > 0 && text->len < FILE_BYTES_MAX) {
        n = read(fd, text->p + text->len, FILE_BYTES_MAX - text->len);
        if (n < 0)
            return err_new(err, ERR_IO, "read %s: %s", path, strerror(errno));
        text->len += (size_t)n;
    }
    if (text->len == FILE_BYTES_MAX)
        return err_new(err, ERR_TOO_LARGE, "%s has more than %d bytes", path, FILE_BYTES_MAX - 1);
    return 0;
}

static const char *from_env(const char *name)
{
    const char *z = getenv(name);

    return z && *z ? z : NULL;
}

static void wipe(const char *z)
{
    if (z)
        crypto_wipe((char *)(uintptr_t)z, strlen(z));
}

static int open_with_file(const char *path, struct s3_opts *o, struct s3 **ret_s, struct err *err)
{
    auto_arena a = {0};
    auto_buf text = {0};
    int r = read_secret(path, &text, err);

    if (r == 0) {
        r = s3_credentials_parse(buf_view(&text), &a, &o->credentials, err);
        if (r < 0)
            r = err_wrap(err, r, "%s", path);
    }
    if (r == 0)
        r = s3_new(o, ret_s, err);
    if (text.p)
        crypto_wipe(text.p, text.cap);
    wipe(o->credentials.secret_key);
    wipe(o->credentials.session_token);
    return r;
}

int s3_flags_open(const struct s3_flags *f, const char *bucket, const atomic_bool *cancel,
                  struct s3 **ret_s, struct err *err)
{
    struct s3_opts o = {.endpoint = f->endpoint,
                        .region = f->region,
                        .bucket = bucket,
                        .path_style = f->path_style,
                        .ca_file = f->ca_file,
                        .clock = clock_real(),
                        .cancel = cancel};

    if (f->timeout_ms < 1000 || f->timeout_ms > 3600 * 1000)
        return err_new(err, ERR_BAD_REQUEST, "--s3-timeout: from 1s to 1h");
    o.timeout_sec = (uint32_t)(f->timeout_ms / 1000);
    if (!o.region)
        o.region = from_env("AWS_REGION");
    if (!o.region)
        o.region = from_env("AWS_DEFAULT_REGION");
    if (f->credentials_file) {
        int r = open_with_file(f->credentials_file, &o, ret_s, err);

        return r < 0 ? err_wrap(err, r, "--s3-credentials-file") : 0;
    }
    o.credentials = (struct s3_credentials){.access_key = from_env("AWS_ACCESS_KEY_ID"),
                                            .secret_key = from_env("AWS_SECRET_ACCESS_KEY"),
                                            .session_token = from_env("AWS_SESSION_TOKEN")};
    if (!o.credentials.access_key || !o.credentials.secret_key)
        return err_new(err, ERR_BAD_REQUEST,
                       "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                       "--s3-credentials-file");
    return s3_new(&o, ret_s, err);
}
