/* warnings.c - Warning headers: what a request's answer tells people beside its result. */
#include "apiserver/pipeline.h"

void request_warn(struct request *rq, struct str text)
{
    if (rq->warnings.n == WARNINGS_MAX || str_empty(text))
        return;
    for (size_t i = 0; i < rq->warnings.n; i++) {
        if (str_eq(rq->warnings.v[i], text))
            return;
    }
    vec_push(&rq->warnings, str_dup(rq->arena, text));
}

static size_t count_runes(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

/* The first @max runes of @s. */
static struct str cut_runes(struct str s, size_t max)
{
    for (size_t i = 0, n = 0; i < s.len; i++) {
        if (((unsigned char)s.p[i] & 0xC0) == 0x80)
            continue;
        if (n++ == max)
            return str_sub(s, 0, i);
    }
    return s;
}

/* 299 - "text", with quotes and backslashes escaped and control characters left out. */
static struct str header_value(struct arena *a, struct str text)
{
    auto_buf b = {0};

    buf_puts(&b, "299 - \"");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];

        if (c == '"' || c == '\\')
            buf_putc(&b, '\\');
        if ((unsigned char)c < 0x20 || c == 0x7F)
            c = ' ';
        buf_putc(&b, c);
    }
    buf_putc(&b, '"');
    return str_dup(a, buf_view(&b));
}

size_t warning_headers(struct request *rq, struct http_header *h)
{
    size_t total = 0, n = 0, spent = 0;

    for (size_t i = 0; i < rq->warnings.n; i++)
        total += count_runes(rq->warnings.v[i]);
    for (size_t i = 0; i < rq->warnings.n; i++) {
        struct str text = rq->warnings.v[i];

        if (total > WARNING_RUNES_MAX)
            text = cut_runes(text, WARNING_RUNES_EACH);
        spent += count_runes(text);
        if (spent > WARNING_RUNES_MAX)
            break;
        h[n++] = (struct http_header){STR("Warning"), header_value(rq->arena, text)};
    }
    return n;
}
