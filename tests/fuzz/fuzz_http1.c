/* fuzz_http1.c - HTTP/1 requests: whatever comes, in one piece or in two, means the same. */
#include "fuzz.h"
#include "net/http1_parser.h"
#include <stdlib.h>

#define BODY_MAX 1000
#define REQUESTS_MAX 100

/* What was understood of a run of requests, to be compared. */
struct outcome {
    struct buf text;
    enum http1_event last;
};

/* What a handler does next with what came. */
static void read_target(struct outcome *o, const struct http_request *rq)
{
    auto_arena a = {0};
    struct http_header *params;
    struct str path;
    size_t n;

    if (http_unescape(rq->path, &a, &path, NULL) == 0)
        buf_str(&o->text, path);
    if (http_query_parse(rq->query, &a, &params, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        buf_printf(&o->text, "%.*s=%.*s&", STR_ARG(params[i].name), STR_ARG(params[i].value));
}

static void note_request(struct outcome *o, const struct http_request *rq)
{
    buf_printf(&o->text, "%.*s|%.*s|%.*s|%.*s|", STR_ARG(rq->method), STR_ARG(rq->path),
               STR_ARG(rq->query), STR_ARG(rq->host));
    for (size_t i = 0; i < rq->n_headers; i++)
        buf_printf(&o->text, "%.*s=%.*s|", STR_ARG(rq->headers[i].name),
                   STR_ARG(rq->headers[i].value));
    if (rq->body.len > BODY_MAX)
        abort();
    buf_str(&o->text, rq->body);
    read_target(o, rq);
    buf_putc(&o->text, '\n');
}

/* Reads one request from @in, of which only the first @limit bytes are there. Returns whether it
 * is whole; *@ret_used are gone. */
static enum http1_event read_request(struct http1_parser *p, struct str in, size_t *ret_used)
{
    enum http1_event e;
    size_t used;

    do {
        e = http1_parse(p, in.p + *ret_used, in.len - *ret_used, &used);
        if (used > in.len - *ret_used || (e == HTTP1_HEAD && used == 0))
            abort();
        *ret_used += used;
    } while (e == HTTP1_HEAD && *ret_used < in.len);
    return e == HTTP1_HEAD ? HTTP1_MORE : e;
}

static void run(struct str in, size_t split, struct outcome *o)
{
    struct http1_parser p;
    size_t used = 0;

    http1_parser_init(&p, BODY_MAX);
    o->last = HTTP1_REQUEST;
    for (int i = 0; i < REQUESTS_MAX && o->last == HTTP1_REQUEST && used < in.len; i++) {
        auto_arena a = {0};
        auto_buf body = {.limit_bytes = BODY_MAX};
        struct http_request rq = {0};

        http1_parser_start(&p, &a, &rq, &body);
        o->last = HTTP1_MORE;
        if (used < split)
            o->last = read_request(&p, str_sub(in, 0, split), &used);
        if (o->last == HTTP1_MORE && used < in.len)
            o->last = read_request(&p, in, &used);
        if (o->last == HTTP1_REQUEST)
            note_request(o, &rq);
    }
    http1_parser_deinit(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = {0}, parts = {0};
    struct str in = {(const char *)data + 1, size - 1};

    if (size == 0)
        return 0;
    run(in, in.len, &whole);
    run(in, in.len * data[0] / 256, &parts);
    if (whole.last != parts.last || !str_eq(buf_view(&whole.text), buf_view(&parts.text)))
        abort();
    buf_deinit(&whole.text);
    buf_deinit(&parts.text);
    return 0;
}
