/* SPDX-License-Identifier: Apache-2.0 */
/* s3.c - requests to S3, each tried again while it is worth it. */
#include "codec/timefmt.h"
#include "net/crypto.h"
#include "net/s3_curl.h"
#include "net/s3_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

enum {
    CONNECT_SEC = 15,
    RETRY_MS = 500, /* the first wait; doubles */
    WAIT_SLICE_MS = 100,
    PAGES_MAX = 2000,
};

struct s3 {
    struct arena arena;
    struct s3_opts opts; /* texts in the arena */
    struct s3_endpoint endpoint;
    struct s3_curl k;
    CURL *curl; /* keeps the connection between calls */
    char why[CURL_ERROR_SIZE];
};

struct transfer {
    struct s3 *s;
    const char *method, *path, *query;
    char sha256_hex[65];
    int fd;             /* of the body, or for it; -1: none */
    uint64_t bytes;     /* of the body that is sent */
    uint64_t bytes_max; /* of the body that is received into fd */
    uint64_t at;        /* how far that is */
    struct buf answer;  /* what does not go into fd */
    bool too_large;
    int io_errno;
    bool again; /* what failed may work in a while */
};

static bool cancelled(const struct s3 *s)
{
    return s->opts.cancel && atomic_load(s->opts.cancel);
}

/* ---- the client ---- */

static const char *dup_or_null(struct arena *a, const char *z)
{
    return z ? arena_strdup(a, z) : NULL;
}

int s3_new(const struct s3_opts *opts, struct s3 **ret_s, struct err *err)
{
    struct s3 *s = xnew(struct s3);
    struct arena *a = &s->arena;
    const struct s3_credentials *c = &opts->credentials;
    int r;

    s->opts = *opts;
    s->opts.endpoint = dup_or_null(a, opts->endpoint);
    s->opts.region = arena_strdup(a, opts->region ? opts->region : "us-east-1");
    s->opts.bucket = arena_strdup(a, opts->bucket);
    s->opts.ca_file = dup_or_null(a, opts->ca_file);
    s->opts.credentials =
        (struct s3_credentials){.access_key = dup_or_null(a, c->access_key),
                                .secret_key = dup_or_null(a, c->secret_key),
                                .session_token = dup_or_null(a, c->session_token)};
    if (opts->timeout_sec == 0)
        s->opts.timeout_sec = S3_TIMEOUT_DEFAULT_SEC;
    r = s3_endpoint_resolve(&s->opts, a, &s->endpoint, err);
    if (r == 0)
        r = s3_credentials_check(&s->opts.credentials, err);
    if (r == 0)
        r = s3_curl_load(&s->k, err);
    /* Counted by libcurl, and safe with threads since 7.84. */
    if (r == 0 && s->k.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        s->curl = s->k.easy_init();
    if (r == 0 && !s->curl)
        r = err_new(err, ERR_INTERNAL, "libcurl does not start");
    if (r == 0)
        *ret_s = s;
    else
        (void)s3_free(s);
    return r;
}

static void wipe(const char *z)
{
    if (z)
        crypto_wipe((char *)(uintptr_t)z, strlen(z));
}

struct s3 *s3_free(struct s3 *s)
{
    if (!s)
        return NULL;
    if (s->curl) {
        s->k.easy_cleanup(s->curl);
        s->k.global_cleanup();
    }
    wipe(s->opts.credentials.secret_key);
    wipe(s->opts.credentials.session_token);
    arena_deinit(&s->arena);
    free(s);
    return NULL;
}

/* ---- libcurl's callbacks ---- */

static size_t on_send(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t want = (size_t)MIN((uint64_t)(size * n), t->bytes - t->at);
    ssize_t got = want ? pread(t->fd, p, want, (off_t)t->at) : 0;

    if (got < 0 || (got == 0 && want)) {
        t->io_errno = got < 0 ? errno : EIO;
        return CURL_READFUNC_ABORT;
    }
    t->at += (uint64_t)got;
    return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->bytes)
        return CURL_SEEKFUNC_FAIL;
    t->at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static long status_of(const struct s3 *s)
{
    long status = 0;

    (void)s->k.easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* Anything but @size * @n ends the transfer. */
static size_t on_receive(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t left = size * n;

    if (t->fd < 0 || t->bytes_max == 0 || status_of(t->s) != 200) {
        buf_append(&t->answer, p, left);
        t->too_large = t->answer.overflow;
        return t->too_large ? 0 : left;
    }
    t->too_large = left > t->bytes_max - t->at;
    if (t->too_large)
        return 0;
    while (left > 0) {
        ssize_t put = write(t->fd, p, left);

        if (put < 0) {
            t->io_errno = errno;
            return 0;
        }
        p += put;
        left -= (size_t)put;
        t->at += (uint64_t)put;
    }
    return size * n;
}

static int on_progress(void *arg, curl_off_t down, curl_off_t now_down, curl_off_t up,
                       curl_off_t now_up)
{
    (void)down;
    (void)now_down;
    (void)up;
    (void)now_up;
    return cancelled(((struct transfer *)arg)->s);
}

/* ---- one request ---- */

static struct curl_slist *header(const struct s3_curl *k, struct curl_slist *list, struct buf *line,
                                 const char *name, const char *value)
{
    struct curl_slist *longer;

    buf_reset(line);
    buf_printf(line, "%s: %s", name, value);
    longer = k->slist_append(list, buf_cstr(line));
    return longer ? longer : list; /* without memory: S3 refuses what is not signed */
}

static struct curl_slist *headers(const struct transfer *t)
{
    const struct s3 *s = t->s;
    struct curl_slist *list = NULL;
    auto_buf date = {0}, authorization = {0}, line = {0};
    struct s3_signing signing = {.method = t->method,
                                 .host = s->endpoint.host,
                                 .path = t->path,
                                 .query = t->query,
                                 .sha256_hex = t->sha256_hex,
                                 .region = s->opts.region,
                                 .credentials = &s->opts.credentials};

    time_write_basic(&date, time_from_ns(s->opts.clock->wall_ns(s->opts.clock)));
    signing.date = buf_cstr(&date);
    s3_sign(&signing, &authorization);
    list = header(&s->k, list, &line, "Host", signing.host);
    list = header(&s->k, list, &line, "X-Amz-Date", signing.date);
    list = header(&s->k, list, &line, "X-Amz-Content-Sha256", t->sha256_hex);
    if (signing.credentials->session_token)
        list =
            header(&s->k, list, &line, "X-Amz-Security-Token", signing.credentials->session_token);
    list = header(&s->k, list, &line, "Authorization", buf_cstr(&authorization));
    crypto_wipe(line.p, line.cap);
    return list;
}

static void set_transport(const struct s3 *s)
{
    const struct s3_curl *k = &s->k;
    CURL *c = s->curl;

    (void)k->easy_setopt(c, CURLOPT_PROTOCOLS_STR, s->endpoint.https ? "https" : "http");
    (void)k->easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)k->easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)k->easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)k->easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    if (s->opts.ca_file) {
        (void)k->easy_setopt(c, CURLOPT_CAINFO, s->opts.ca_file);
        (void)k->easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    (void)k->easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    (void)k->easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)k->easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
                         (long)MIN(s->opts.timeout_sec, (uint32_t)CONNECT_SEC));
    (void)k->easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)k->easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)s->opts.timeout_sec);
}

static void set_request(struct transfer *t, const char *url, struct curl_slist *list)
{
    const struct s3_curl *k = &t->s->k;
    CURL *c = t->s->curl;

    (void)k->easy_setopt(c, CURLOPT_ERRORBUFFER, t->s->why);
    (void)k->easy_setopt(c, CURLOPT_URL, url);
    (void)k->easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    (void)k->easy_setopt(c, CURLOPT_HTTPHEADER, list);
    (void)k->easy_setopt(c, CURLOPT_WRITEFUNCTION, on_receive);
    (void)k->easy_setopt(c, CURLOPT_WRITEDATA, t);
    (void)k->easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    (void)k->easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)k->easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (strcmp(t->method, "PUT") == 0) {
        (void)k->easy_setopt(c, CURLOPT_UPLOAD, 1L);
        (void)k->easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->bytes);
        (void)k->easy_setopt(c, CURLOPT_READFUNCTION, on_send);
        (void)k->easy_setopt(c, CURLOPT_READDATA, t);
        (void)k->easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
        (void)k->easy_setopt(c, CURLOPT_SEEKDATA, t);
    } else if (strcmp(t->method, "GET") != 0) {
        (void)k->easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method);
    }
}

static bool may_pass(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_PARTIAL_FILE ||
           code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

static int code_of(long status)
{
    return status == 404                    ? ERR_NOT_FOUND
           : status == 401 || status == 403 ? ERR_FORBIDDEN
           : status == 413                  ? ERR_TOO_LARGE
           : status == 429 || status >= 500 ? ERR_UNAVAILABLE
                                            : ERR_IO;
}

static int refused(struct transfer *t, long status, struct err *err)
{
    auto_arena a = {0};
    struct s3_fault f = {"", ""};
    bool known = s3_xml_fault(buf_view(&t->answer), &a, &f);

    t->again = status == 429 || status >= 500 || strcmp(f.code, "RequestTimeout") == 0;
    if (status >= 300 && status < 400)
        return err_new(err, ERR_IO,
                       "S3 sends elsewhere (%ld %s); the region or the endpoint is another", status,
                       f.code);
    if (!known)
        return err_new(err, code_of(status), "S3 answers %ld", status);
    if (strcmp(f.code, "RequestTimeTooSkewed") == 0) {
        auto_buf now = {0};

        time_write_basic(&now, time_from_ns(t->s->opts.clock->wall_ns(t->s->opts.clock)));
        return err_new(err, code_of(status),
                       "S3 answers %ld %s: this machine's clock says %s; set it right", status,
                       f.code, buf_cstr(&now));
    }
    return err_new(err, code_of(status), "S3 answers %ld %s: %s", status, f.code, f.message);
}

static int judge(struct transfer *t, CURLcode code, struct err *err)
{
    long status = status_of(t->s);

    if (cancelled(t->s))
        return err_new(err, ERR_CANCELED, "stopped");
    if (t->too_large)
        return err_new(err, ERR_TOO_LARGE, "more than %llu bytes",
                       (unsigned long long)(t->bytes_max ? t->bytes_max : S3_LIST_BYTES_MAX));
    if (t->io_errno)
        return err_new(err, ERR_IO, "the file on this side: %s", strerror(t->io_errno));
    if (code != CURLE_OK) {
        t->again = may_pass(code);
        return err_new(err,
                       code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT
                       : t->again                       ? ERR_UNAVAILABLE
                                                        : ERR_IO,
                       "%.300s", t->s->why[0] ? t->s->why : t->s->k.easy_strerror(code));
    }
    return status >= 200 && status < 300 ? 0 : refused(t, status, err);
}

static int try_once(struct transfer *t, struct err *err)
{
    struct s3 *s = t->s;
    auto_buf url = {0};
    struct curl_slist *list = headers(t);
    CURLcode code;

    buf_printf(&url, "%s://%s%s%s%s", s->endpoint.https ? "https" : "http", s->endpoint.host,
               t->path, *t->query ? "?" : "", t->query);
    t->at = 0;
    t->again = t->too_large = false;
    s->why[0] = '\0';
    buf_reset(&t->answer);
    t->answer.overflow = false;
    if (t->bytes_max && (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)) {
        s->k.slist_free_all(list);
        return err_new(err, ERR_IO, "the file on this side: %s", strerror(errno));
    }
    s->k.easy_reset(s->curl);
    set_transport(s);
    set_request(t, buf_cstr(&url), list);
    code = s->k.easy_perform(s->curl);
    s->k.slist_free_all(list);
    return judge(t, code, err);
}

/* False: cancelled. */
static bool wait_ms(const struct s3 *s, int ms)
{
    for (; ms > 0 && !cancelled(s); ms -= WAIT_SLICE_MS)
        (void)poll(NULL, 0, MIN(ms, WAIT_SLICE_MS));
    return !cancelled(s);
}

static int perform(struct transfer *t, struct err *err)
{
    int tries = 0, r;

    t->answer.limit_bytes = S3_LIST_BYTES_MAX;
    do {
        r = try_once(t, err);
        tries++;
    } while (r < 0 && t->again && tries <= S3_RETRIES && wait_ms(t->s, RETRY_MS << (tries - 1)));
    if (r == 0)
        return 0;
    if (cancelled(t->s))
        r = err_new(err, ERR_CANCELED, "stopped");
    return err_wrap(err, r, tries > 1 ? "%s %s%.100s, %d times" : "%s %s%.100s", t->method,
                    t->s->endpoint.host, t->path, tries);
}

static void hash_nothing(struct transfer *t)
{
    auto_buf hex = {0};
    uint8_t sum[32];

    sha256(STR(""), sum);
    s3_hex(&hex, sum, sizeof(sum));
    memcpy(t->sha256_hex, buf_cstr(&hex), sizeof(t->sha256_hex));
}

/* With @fd: its hash and size. */
static int hash_file(struct transfer *t, struct err *err)
{
    struct digest *d = digest_new();
    auto_buf hex = {0};
    char piece[64 * 1024];
    uint8_t sum[32];
    ssize_t n;

    t->bytes = 0;
    while ((n = pread(t->fd, piece, sizeof(piece), (off_t)t->bytes)) > 0 && !cancelled(t->s)) {
        digest_add(d, (struct str){piece, (size_t)n});
        t->bytes += (uint64_t)n;
    }
    if (n < 0)
        (void)err_new(err, ERR_IO, "read: %s", strerror(errno));
    digest_sum(d, sum);
    (void)digest_free(d);
    s3_hex(&hex, sum, sizeof(sum));
    memcpy(t->sha256_hex, buf_cstr(&hex), sizeof(t->sha256_hex));
    if (n < 0)
        return ERR_IO;
    return cancelled(t->s) ? err_new(err, ERR_CANCELED, "stopped") : 0;
}

static const char *key_path(const struct s3 *s, const char *key, struct arena *a)
{
    auto_buf out = {0};

    buf_puts(&out, s->endpoint.base);
    s3_encode(&out, str_from(key), true);
    return arena_strdup(a, buf_cstr(&out));
}

int s3_put(struct s3 *s, const char *key, int fd, struct err *err)
{
    auto_arena a = {0};
    struct transfer t = {
        .s = s, .method = "PUT", .path = key_path(s, key, &a), .query = "", .fd = fd};
    int r = hash_file(&t, err);

    if (r == 0 && t.bytes > S3_PUT_BYTES_MAX)
        r = err_new(err, ERR_TOO_LARGE, "%llu bytes, and S3 takes %llu at once",
                    (unsigned long long)t.bytes, (unsigned long long)S3_PUT_BYTES_MAX);
    if (r == 0)
        r = perform(&t, err);
    buf_deinit(&t.answer);
    return r;
}

int s3_get(struct s3 *s, const char *key, int fd, uint64_t bytes_max, struct err *err)
{
    auto_arena a = {0};
    struct transfer t = {.s = s,
                         .method = "GET",
                         .path = key_path(s, key, &a),
                         .query = "",
                         .fd = fd,
                         .bytes_max = bytes_max};
    int r;

    hash_nothing(&t);
    r = perform(&t, err);
    buf_deinit(&t.answer);
    return r;
}

int s3_delete(struct s3 *s, const char *key, struct err *err)
{
    auto_arena a = {0};
    struct transfer t = {
        .s = s, .method = "DELETE", .path = key_path(s, key, &a), .query = "", .fd = -1};
    int r;

    hash_nothing(&t);
    r = perform(&t, err);
    buf_deinit(&t.answer);
    return r == ERR_NOT_FOUND ? 0 : r;
}

static const char *list_query(const char *prefix, const char *token, struct arena *a)
{
    auto_buf q = {0};

    if (token) {
        buf_puts(&q, "continuation-token=");
        s3_encode(&q, str_from(token), false);
        buf_putc(&q, '&');
    }
    buf_puts(&q, "delimiter=%2F&encoding-type=url&list-type=2&prefix=");
    s3_encode(&q, str_from(prefix), false);
    return arena_strdup(a, buf_cstr(&q));
}

int s3_list(struct s3 *s, const char *prefix, struct arena *a, struct s3_objects *ret,
            struct err *err)
{
    struct transfer t = {.s = s, .method = "GET", .path = s->endpoint.base, .fd = -1};
    struct s3_objects objects = {0};
    struct s3_page page = {.truncated = true};
    const char *before = NULL; /* the token that led to the page */
    int r = 0;

    hash_nothing(&t);
    for (int n = 0; r == 0 && page.truncated; n++) {
        if (n == PAGES_MAX) {
            r = err_new(err, ERR_TOO_LARGE, "a list of more than %d pages", PAGES_MAX);
            break;
        }
        before = page.token;
        t.query = list_query(prefix, before, a);
        r = perform(&t, err);
        if (r < 0)
            break;
        r = s3_xml_list(buf_view(&t.answer), a, &objects, &page, err);
        if (r == 0 && page.truncated && before && strcmp(before, page.token) == 0)
            r = err_new(err, ERR_PARSE, "an answer that goes on where it began");
        if (r < 0)
            r = err_wrap(err, r, "list of %s", s->endpoint.host);
    }
    buf_deinit(&t.answer);
    if (r == 0)
        *ret = objects;
    return r;
}
