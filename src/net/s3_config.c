/* SPDX-License-Identifier: Apache-2.0 */
/* s3_config.c - URLs of S3, endpoints, credentials files. */
#include "net/s3_internal.h"

#include <arpa/inet.h>

enum { BUCKET_MIN = 3, BUCKET_MAX = 63, HOST_BYTES_MAX = 253, CREDENTIAL_BYTES_MAX = 4096 };

static bool all_of(struct str s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!s.p[i] || !strchr(set, s.p[i]))
            return false;
    }
    return true;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool bucket_good(struct str s)
{
    return s.len >= BUCKET_MIN && s.len <= BUCKET_MAX && all_of(s, LOWER DIGITS "-.") &&
           all_of(str_sub(s, 0, 1), LOWER DIGITS) &&
           all_of(str_sub(s, s.len - 1, 1), LOWER DIGITS) && str_find(s, STR("..")) < 0;
}

bool s3_url_is(const char *s)
{
    return str_has_prefix(str_from(s), STR("s3://"));
}

static int check_key(struct str key, struct err *err)
{
    struct str rest = key;

    if (key.len > S3_KEY_BYTES_MAX / 2) /* the rest is for what is put behind it */
        return err_new(err, ERR_INVALID, "a key of more than %d bytes", S3_KEY_BYTES_MAX / 2);
    for (size_t i = 0; i < key.len; i++) {
        if ((uint8_t)key.p[i] < ' ' || key.p[i] == 127)
            return err_new(err, ERR_INVALID, "a key with control characters");
    }
    while (rest.len > 0) {
        struct str part = str_cut(rest, '/', &rest);

        if (str_empty(part) || str_eqz(part, ".") || str_eqz(part, ".."))
            return err_new(err, ERR_INVALID, "a key with an empty part, \".\" or \"..\"");
    }
    return 0;
}

int s3_url_parse(const char *s, struct arena *a, struct s3_url *ret_u, struct err *err)
{
    struct str rest = STR_NULL, bucket;
    int r;

    if (!s3_url_is(s))
        return err_new(err, ERR_INVALID, "no s3://BUCKET/KEY");
    bucket = str_cut(str_sub(str_from(s), 5, SIZE_MAX), '/', &rest);
    if (!bucket_good(bucket))
        return err_new(err, ERR_INVALID,
                       "\"%.*s\" is no bucket: %d to %d lower-case letters, digits, - and .",
                       (int)MIN(bucket.len, 80), bucket.p, BUCKET_MIN, BUCKET_MAX);
    if (str_has_suffix(rest, STR("/")))
        rest.len--;
    r = check_key(rest, err);
    if (r < 0)
        return r;
    ret_u->bucket = str_dupz(a, bucket);
    ret_u->key = str_dupz(a, rest);
    return 0;
}

/* ---- endpoints ---- */

static bool is_address(struct str host)
{
    char z[64], bytes[16];

    if (str_eqz(host, "localhost") || str_has_prefix(host, STR("[")))
        return true;
    if (host.len >= sizeof(z))
        return false;
    memcpy(z, host.p, host.len);
    z[host.len] = '\0';
    return inet_pton(AF_INET, z, bytes) == 1;
}

struct authority {
    struct str host; /* with brackets, if it is an IPv6 address */
    struct str port; /* "" if none is said */
};

static int split_authority(struct str s, struct authority *ret, struct err *err)
{
    bool v6 = str_has_prefix(s, STR("["));
    long colon = str_rfind_char(s, ':');
    uint64_t port = 0;

    if (v6 && str_find_char(s, ']') > colon)
        colon = -1;
    ret->host = colon < 0 ? s : str_sub(s, 0, (size_t)colon);
    ret->port = colon < 0 ? STR("") : str_sub(s, (size_t)colon + 1, s.len);
    if (colon >= 0 && (!str_to_u64(ret->port, &port) || port < 1 || port > 65535))
        return err_new(err, ERR_INVALID, "\"%.*s\" is no port", (int)MIN(ret->port.len, 40),
                       ret->port.p);
    if (str_empty(ret->host) || ret->host.len > HOST_BYTES_MAX ||
        !all_of(ret->host, v6 ? "[]:." DIGITS "abcdefABCDEF" : LOWER UPPER DIGITS "-._"))
        return err_new(err, ERR_INVALID, "an endpoint without a good host");
    return 0;
}

static int split_endpoint(const char *url, bool *ret_https, struct authority *ret_a,
                          struct err *err)
{
    struct str s = str_from(url);

    *ret_https = str_has_prefix(s, STR("https://"));
    if (!*ret_https && !str_has_prefix(s, STR("http://")))
        return err_new(err, ERR_INVALID, "the endpoint begins with neither https:// nor http://");
    s = str_sub(s, *ret_https ? 8 : 7, s.len);
    if (str_has_suffix(s, STR("/")))
        s.len--;
    if (str_find_char(s, '@') >= 0)
        return err_new(err, ERR_INVALID, "the endpoint must not hold a user");
    if (str_find_char(s, '/') >= 0)
        return err_new(err, ERR_INVALID, "the endpoint must not have a path");
    return split_authority(s, ret_a, err);
}

int s3_endpoint_resolve(const struct s3_opts *opts, struct arena *a, struct s3_endpoint *ret_e,
                        struct err *err)
{
    const char *region = opts->region ? opts->region : "us-east-1";
    const char *url = opts->endpoint;
    struct str bucket = str_from(opts->bucket);
    struct authority at;
    bool in_path, port;
    int r;

    if (!*region || strlen(region) > 63 || !all_of(str_from(region), LOWER DIGITS "-_" UPPER))
        return err_new(err, ERR_INVALID, "\"%.70s\" is no region", region);
    if (!url)
        url = arena_printf(a, "https://s3.%s.amazonaws.com", region);
    r = split_endpoint(url, &ret_e->https, &at, err);
    if (r < 0)
        return r;
    if (!bucket_good(bucket))
        return err_new(err, ERR_INVALID, "a bad name of a bucket");
    in_path = opts->path_style || is_address(at.host) || str_find_char(bucket, '.') >= 0;
    port = at.port.len > 0 && !str_eqz(at.port, ret_e->https ? "443" : "80");
    ret_e->host = arena_printf(a, "%s%s%.*s%s%.*s", in_path ? "" : opts->bucket,
                               in_path ? "" : ".", STR_ARG(at.host), port ? ":" : "",
                               port ? (int)at.port.len : 0, at.port.p);
    ret_e->base = in_path ? arena_printf(a, "/%s/", opts->bucket) : "/";
    return 0;
}

/* ---- credentials ---- */

static bool credential_good(struct str s)
{
    if (s.len < 1 || s.len > CREDENTIAL_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}

int s3_credentials_check(const struct s3_credentials *c, struct err *err)
{
    if (!c->access_key || !c->secret_key)
        return err_new(err, ERR_INVALID, "no credentials of S3");
    if (!credential_good(str_from(c->access_key)) || !credential_good(str_from(c->secret_key)) ||
        (c->session_token && !credential_good(str_from(c->session_token))))
        return err_new(err, ERR_INVALID,
                       "a credential of S3 is empty or has characters that no key has");
    return 0;
}

static int take_credential(struct str name, struct str value, struct arena *a,
                           struct s3_credentials *c, struct err *err)
{
    const char **to = str_eqz(name, "aws_access_key_id")       ? &c->access_key
                      : str_eqz(name, "aws_secret_access_key") ? &c->secret_key
                      : str_eqz(name, "aws_session_token")     ? &c->session_token
                                                               : NULL;

    if (!to)
        return 0; /* region and the like */
    if (!credential_good(value))
        return err_new(err, ERR_INVALID, "%.*s is empty or has characters that no key has",
                       STR_ARG(name));
    *to = str_dupz(a, value);
    return 0;
}

int s3_credentials_parse(struct str ini, struct arena *a, struct s3_credentials *ret_c,
                         struct err *err)
{
    struct s3_credentials c = {0};
    bool ours = false;
    int r = 0;

    while (ini.len > 0 && r == 0) {
        struct str value = STR_NULL, name, line = str_trim(str_cut(ini, '\n', &ini));

        if (str_empty(line) || line.p[0] == '#' || line.p[0] == ';')
            continue;
        if (line.p[0] == '[') {
            ours = str_has_suffix(line, STR("]")) &&
                   str_eqz(str_trim(str_sub(line, 1, line.len - 2)), "default");
            continue;
        }
        name = str_trim(str_cut(line, '=', &value));
        if (ours && value.p)
            r = take_credential(name, str_trim(value), a, &c, err);
    }
    if (r < 0)
        return r;
    if (!c.access_key || !c.secret_key)
        return err_new(err, ERR_INVALID,
                       "section [default] has no aws_access_key_id or no aws_secret_access_key");
    *ret_c = c;
    return 0;
}
