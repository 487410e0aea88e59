/* http_common.c - what both protocols and both sides need: queries, escapes, headers, dates. */
#include "net/http_server_internal.h"
#include <stdio.h>

#define PARAMS_MAX 1000

struct str http_header_find(const struct http_request *rq, const char *name)
{
    struct str want = str_from(name);

    for (size_t i = 0; i < rq->n_headers; i++)
        if (str_eq(rq->headers[i].name, want))
            return rq->headers[i].value;
    return STR_NULL;
}

bool http_header_has(const struct http_request *rq, const char *name, struct str token)
{
    for (size_t i = 0; i < rq->n_headers; i++) {
        struct str rest = rq->headers[i].value;

        while (str_eqz(rq->headers[i].name, name) && rest.len > 0)
            if (str_ieq(str_trim(str_cut(rest, ',', &rest)), token))
                return true;
    }
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int unescape(struct str s, bool plus_is_space, struct arena *a, struct str *ret_s,
                    struct err *err)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int hi, lo;

        if (s.p[i] == '+' && plus_is_space) {
            out[n++] = ' ';
            continue;
        }
        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        hi = i + 2 < s.len ? hex_value(s.p[i + 1]) : -1;
        lo = hi >= 0 ? hex_value(s.p[i + 2]) : -1;
        if (lo < 0) {
            struct str shown = str_sub(s, i, 3);

            return err_new(err, ERR_BAD_REQUEST, "invalid URL escape \"%.*s\"", STR_ARG(shown));
        }
        out[n++] = (char)(hi << 4 | lo);
        i += 2;
    }
    *ret_s = (struct str){out, n};
    return 0;
}

int http_unescape(struct str s, struct arena *a, struct str *ret_s, struct err *err)
{
    return unescape(s, false, a, ret_s, err);
}

int http_query_parse(struct str query, struct arena *a, struct http_header **ret_params,
                     size_t *ret_n, struct err *err)
{
    struct http_header *params = NULL;
    size_t n = 0, cap = 0;

    while (query.len > 0) {
        struct str pair = str_cut(query, '&', &query), value = STR_NULL, name;
        struct http_header p;
        int r;

        if (pair.len == 0)
            continue;
        if (n == PARAMS_MAX)
            return err_new(err, ERR_BAD_REQUEST, "more than %d query parameters", PARAMS_MAX);
        name = str_cut(pair, '=', &value);
        r = unescape(name, true, a, &p.name, err);
        if (r == 0)
            r = unescape(value, true, a, &p.value, err);
        if (r < 0)
            return r;
        if (n == cap) {
            cap = cap ? cap * 2 : 8;
            params = arena_grow(a, params, n, cap, sizeof(*params));
        }
        params[n++] = p;
    }
    *ret_params = params;
    *ret_n = n;
    return 0;
}

void http_escape(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~') {
            buf_putc(out, (char)c);
        } else {
            char e[3] = {'%', hex[c >> 4], hex[c & 15]};

            buf_append(out, e, sizeof(e));
        }
    }
}

void http_date(int64_t unix_sec, char ret_date[HTTP_DATE_BYTES])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)unix_sec;
    struct tm tm = {0};

    (void)gmtime_r(&t, &tm); /* does not fail for the years that a clock shows */
    (void)snprintf(ret_date, HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                   days + 3 * (tm.tm_wday % 7), (unsigned)tm.tm_mday % 100,
                   months + 3 * (tm.tm_mon % 12), (unsigned)(tm.tm_year + 1900) % 10000,
                   (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
                   (unsigned)tm.tm_sec % 100);
}

bool http_header_sendable(const struct http_header *h)
{
    static const struct str ours[] = {
        STR_INIT("connection"), STR_INIT("content-length"),    STR_INIT("date"),
        STR_INIT("keep-alive"), STR_INIT("transfer-encoding"), STR_INIT("upgrade"),
    };

    if (h->name.len == 0)
        return false;
    for (size_t i = 0; i < h->name.len; i++)
        if (h->name.p[i] <= ' ' || h->name.p[i] == ':' || h->name.p[i] == 0x7f)
            return false;
    for (size_t i = 0; i < h->value.len; i++)
        if (h->value.p[i] == '\r' || h->value.p[i] == '\n' || h->value.p[i] == '\0')
            return false;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (str_ieq(h->name, ours[i]))
            return false;
    return true;
}

bool http_request_set_target(struct http_request *rq, struct str target)
{
    struct str rest = target, scheme_end = STR("://");
    long at;

    if (target.len == 0)
        return false;
    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.p[i] <= ' ' || target.p[i] == 0x7f)
            return false;
    if (target.p[0] != '/' && !str_eqz(target, "*")) { /* the form meant for proxies */
        at = str_find(target, scheme_end);
        if (at <= 0)
            return false;
        rest = str_sub(target, (size_t)at + scheme_end.len, target.len);
        at = str_find_char(rest, '/');
        if (at <= 0)
            return false;
        rq->host = str_sub(rest, 0, (size_t)at);
        rest = str_sub(rest, (size_t)at, rest.len);
    }
    rq->target = rest;
    rest = str_cut(rest, '#', &(struct str){0}); /* a fragment is not for servers */
    rq->path = str_cut(rest, '?', &rq->query);
    if (!rq->query.p)
        rq->query = STR("");
    return true;
}
