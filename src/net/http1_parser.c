/* http1_parser.c - HTTP/1 requests from bytes. */
#include "net/http1_parser.h"
#include "net/http_server_internal.h"

#define OVERHEAD_MAX (16 * 1024) /* bytes of chunk extensions and trailers */
#define CHUNK_DIGITS_MAX 15
#define IDLE_TEXT_BYTES 4096 /* kept for the next head */

enum step {
    STEP_HEAD,
    STEP_LENGTH,     /* a body of known length */
    STEP_SIZE,       /* hexadecimal digits */
    STEP_EXTENSION,  /* up to CR */
    STEP_SIZE_LF,
    STEP_CHUNK,
    STEP_CHUNK_CR,
    STEP_CHUNK_LF,
    STEP_TRAILER,    /* at the start of a line */
    STEP_TRAILER_LINE,
    STEP_TRAILER_LF,
    STEP_LAST_LF,
    STEP_DONE,
};

static struct http1_parser *of(struct http_parser *hp)
{
    return container_of(hp, struct http1_parser, hp);
}

static void span_begin(struct http1_parser *p)
{
    struct http1_span s = {(uint32_t)p->text.len, 0};

    vec_push(&p->spans, s);
}

static int on_url(struct http_parser *hp, const char *at, size_t n)
{
    struct http1_parser *p = of(hp);

    buf_append(&p->text, at, n);
    p->target.len += (uint32_t)n;
    return p->text.overflow;
}

static int on_field(struct http_parser *hp, const char *at, size_t n)
{
    struct http1_parser *p = of(hp);

    if (p->spans.n == 0 || p->in_value) {
        if (p->spans.n / 2 >= HTTP_HEADERS_MAX) {
            p->text.overflow = true;
            return 1;
        }
        span_begin(p);
        p->in_value = false;
    }
    buf_append(&p->text, at, n);
    p->spans.v[p->spans.n - 1].len += (uint32_t)n;
    return p->text.overflow;
}

static int on_value(struct http_parser *hp, const char *at, size_t n)
{
    struct http1_parser *p = of(hp);

    if (!p->in_value) {
        span_begin(p);
        p->in_value = true;
    }
    buf_append(&p->text, at, n);
    p->spans.v[p->spans.n - 1].len += (uint32_t)n;
    return p->text.overflow;
}

/* 2: http_parser shall not read a body; it stops behind the head. */
static int on_head(struct http_parser *hp)
{
    of(hp)->head_done = true;
    return 2;
}

static const struct http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
};

void http1_parser_init(struct http1_parser *p, size_t body_max)
{
    *p = (struct http1_parser){.body_max = body_max};
    p->text.limit_bytes = HTTP_HEAD_MAX;
}

void http1_parser_start(struct http1_parser *p, struct arena *a, struct http_request *rq,
                        struct buf *body)
{
    http_parser_init(&p->hp, HTTP_REQUEST);
    p->arena = a;
    p->rq = rq;
    p->body = body;
    p->step = STEP_HEAD;
    p->left = 0;
    p->overhead = 0;
    p->in_value = p->head_done = p->expect_continue = p->started = false;
    p->why = NULL;
    p->target = (struct http1_span){0};
    p->spans.n = 0;
    if (p->text.cap > IDLE_TEXT_BYTES) {
        buf_deinit(&p->text);
        vec_deinit(&p->spans);
    }
    buf_reset(&p->text);
}

void http1_parser_deinit(struct http1_parser *p)
{
    buf_deinit(&p->text);
    vec_deinit(&p->spans);
}

static enum http1_event bad(struct http1_parser *p, const char *why)
{
    p->why = why;
    return HTTP1_BAD;
}

/* ---- the head ---- */

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return s.len > 0;
}

static void lower(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] - 'A' + 'a');
}

/* Makes the request's views out of the spans; false for a name that is none. */
static bool make_headers(struct http1_parser *p)
{
    char *text = arena_memdupz(p->arena, p->text.p ? p->text.p : "", p->text.len);
    size_t n = p->spans.n / 2;
    struct http_header *h = arena_calloc(p->arena, n, sizeof(*h));

    for (size_t i = 0; i < n; i++) {
        struct http1_span name = p->spans.v[2 * i], value = p->spans.v[2 * i + 1];

        lower(text + name.at, name.len);
        h[i].name = (struct str){text + name.at, name.len};
        h[i].value = str_trim((struct str){text + value.at, value.len});
        if (!is_token(h[i].name))
            return false;
    }
    p->rq->headers = h;
    p->rq->n_headers = n;
    p->rq->method = str_from(http_method_str((enum http_method)p->hp.method));
    p->rq->version = 11;
    return http_request_set_target(p->rq, (struct str){text + p->target.at, p->target.len});
}

static size_t count(const struct http_request *rq, const char *name)
{
    struct str want = str_from(name);
    size_t n = 0;

    for (size_t i = 0; i < rq->n_headers; i++)
        n += str_eq(rq->headers[i].name, want);
    return n;
}

/* How long is the body, by the rules of RFC 9112, 6.3? */
static enum http1_event frame_body(struct http1_parser *p)
{
    struct str coding = http_header_find(p->rq, "transfer-encoding");
    struct str length = http_header_find(p->rq, "content-length");
    size_t n_codings = count(p->rq, "transfer-encoding");
    size_t n_lengths = count(p->rq, "content-length");

    if (n_codings > 0) {
        if (n_lengths > 0)
            return bad(p, "both Content-Length and Transfer-Encoding");
        if (p->hp.http_minor == 0)
            return bad(p, "Transfer-Encoding in HTTP/1.0");
        if (n_codings > 1 || !str_ieq(coding, STR("chunked")))
            return HTTP1_CODING;
        p->step = STEP_SIZE;
        p->n_digits = 0;
        return HTTP1_HEAD;
    }
    if (n_lengths > 1)
        return bad(p, "more than one Content-Length");
    if (n_lengths == 1 && !str_to_u64(length, &p->left))
        return bad(p, "invalid Content-Length");
    if (p->left > p->body_max)
        return HTTP1_TOO_LARGE;
    p->step = p->left ? STEP_LENGTH : STEP_DONE;
    return p->left ? HTTP1_HEAD : HTTP1_REQUEST;
}

static enum http1_event finish_head(struct http1_parser *p)
{
    size_t n_hosts;

    if (p->hp.http_major != 1 || p->hp.http_minor > 1)
        return HTTP1_VERSION;
    if (p->spans.n % 2 != 0) /* a last name without a value */
        span_begin(p);
    if (!make_headers(p))
        return bad(p, "malformed request head");
    n_hosts = count(p->rq, "host");
    if (n_hosts > 1 || (n_hosts == 0 && p->hp.http_minor == 1))
        return bad(p, n_hosts ? "more than one Host header" : "missing required Host header");
    if (n_hosts == 1 && !p->rq->host.p)
        p->rq->host = http_header_find(p->rq, "host");
    if (p->hp.method == HTTP_CONNECT)
        return bad(p, "CONNECT is not served");
    p->keep_alive = http_should_keep_alive(&p->hp) != 0;
    p->expect_continue = p->hp.http_minor == 1 &&
                         str_ieq(http_header_find(p->rq, "expect"), STR("100-continue"));
    return frame_body(p);
}

static enum http1_event head_error(struct http1_parser *p)
{
    enum http_errno e = HTTP_PARSER_ERRNO(&p->hp);

    if (p->text.overflow || e == HPE_HEADER_OVERFLOW)
        return HTTP1_HEAD_TOO_LARGE;
    if (e == HPE_INVALID_VERSION)
        return HTTP1_VERSION;
    return bad(p, http_errno_description(e));
}

static enum http1_event parse_head(struct http1_parser *p, const char *data, size_t n,
                                   size_t *ret_used)
{
    *ret_used = http_parser_execute(&p->hp, &settings, data, n);
    p->started = p->started || *ret_used > 0;
    if (HTTP_PARSER_ERRNO(&p->hp) != HPE_OK)
        return head_error(p);
    return p->head_done && p->hp.upgrade ? finish_head(p) : HTTP1_MORE;
}

/* ---- the body ---- */

/* Takes bytes of the body proper; returns how many. */
static size_t take_body(struct http1_parser *p, const char *data, size_t n)
{
    size_t take = n < p->left ? n : (size_t)p->left;

    buf_append(p->body, data, take);
    p->left -= take;
    return take;
}

static enum http1_event size_digit(struct http1_parser *p, char c)
{
    int v = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : -1;

    if (v >= 0) {
        if (++p->n_digits > CHUNK_DIGITS_MAX)
            return bad(p, "invalid chunk size");
        p->left = p->left * 16 + (unsigned)v;
        return HTTP1_MORE;
    }
    if (p->n_digits == 0)
        return bad(p, "invalid chunk size");
    if (p->left > p->body_max - p->body->len)
        return HTTP1_TOO_LARGE;
    if (c == '\r')
        p->step = STEP_SIZE_LF;
    else if (c == ';' || c == ' ' || c == '\t')
        p->step = STEP_EXTENSION;
    else
        return bad(p, "invalid chunk size");
    return HTTP1_MORE;
}

/* Text that we skip: extensions and trailers. */
static enum http1_event skip(struct http1_parser *p, char c, enum step next)
{
    if (++p->overhead > OVERHEAD_MAX)
        return bad(p, "too much beside the chunks");
    if (c == '\r')
        p->step = next;
    else if ((unsigned char)c < ' ' && c != '\t')
        return bad(p, "invalid character beside a chunk");
    return HTTP1_MORE;
}

static enum http1_event expect(struct http1_parser *p, char c, char want, enum step next)
{
    if (c != want)
        return bad(p, "malformed chunk");
    p->step = (int)next;
    return HTTP1_MORE;
}

static enum http1_event chunk_byte(struct http1_parser *p, char c)
{
    switch ((enum step)p->step) {
    case STEP_SIZE:
        return size_digit(p, c);
    case STEP_EXTENSION:
        return skip(p, c, STEP_SIZE_LF);
    case STEP_SIZE_LF:
        return expect(p, c, '\n', p->left ? STEP_CHUNK : STEP_TRAILER);
    case STEP_CHUNK_CR:
        return expect(p, c, '\r', STEP_CHUNK_LF);
    case STEP_CHUNK_LF:
        p->n_digits = 0;
        return expect(p, c, '\n', STEP_SIZE);
    case STEP_TRAILER:
        p->step = STEP_TRAILER_LINE;
        return skip(p, c, STEP_LAST_LF);
    case STEP_TRAILER_LINE:
        return skip(p, c, STEP_TRAILER_LF);
    case STEP_TRAILER_LF:
        return expect(p, c, '\n', STEP_TRAILER);
    case STEP_LAST_LF:
        return expect(p, c, '\n', STEP_DONE);
    default:
        return bad(p, "request already complete");
    }
}

static enum http1_event parse_body(struct http1_parser *p, const char *data, size_t n,
                                   size_t *ret_used)
{
    size_t at = 0;

    while (at < n && p->step != STEP_DONE) {
        if (p->step == STEP_LENGTH || p->step == STEP_CHUNK) {
            at += take_body(p, data + at, n - at);
            if (p->left == 0)
                p->step = p->step == STEP_LENGTH ? STEP_DONE : STEP_CHUNK_CR;
        } else {
            enum http1_event e = chunk_byte(p, data[at++]);

            if (e != HTTP1_MORE) {
                *ret_used = at;
                return e;
            }
        }
    }
    *ret_used = at;
    if (p->step != STEP_DONE)
        return HTTP1_MORE;
    p->rq->body = buf_view(p->body);
    return HTTP1_REQUEST;
}

enum http1_event http1_parse(struct http1_parser *p, const char *data, size_t n, size_t *ret_used)
{
    *ret_used = 0;
    if (n == 0)
        return HTTP1_MORE;
    return p->step == STEP_HEAD ? parse_head(p, data, n, ret_used)
                                : parse_body(p, data, n, ret_used);
}
