/* filters.c - indentation and gzip of response bodies. */
#include "apiserver/filters.h"
#include <assert.h>
#include <zlib.h>

enum { CHUNK_BYTES = 16 * 1024, DEPTH_MAX = 1024 };

/* ---- memory ---- */

struct mem_source {
    struct buf b;
    size_t at;
};

static long mem_read(void *arg, char *p, size_t cap)
{
    struct mem_source *m = arg;
    size_t n = MIN(cap, m->b.len - m->at);

    if (n == 0)
        return HTTP_READ_END;
    memcpy(p, m->b.p + m->at, n);
    m->at += n;
    return (long)n;
}

static void mem_close(void *arg)
{
    struct mem_source *m = arg;

    buf_deinit(&m->b);
    free(m);
}

struct http_source source_of_buf(struct buf *b)
{
    struct mem_source *m = xnew(struct mem_source);

    m->b = *b;
    *b = (struct buf){.limit_bytes = b->limit_bytes};
    return (struct http_source){.read = mem_read, .close = mem_close, .arg = m};
}

bool source_drain(struct http_source in, struct buf *out)
{
    char chunk[CHUNK_BYTES];
    long n;

    while ((n = in.read(in.arg, chunk, sizeof(chunk))) > 0)
        buf_append(out, chunk, (size_t)n);
    if (in.close)
        in.close(in.arg);
    return n == HTTP_READ_END;
}

/* ---- indentation ---- */

struct indent {
    struct http_source in;
    struct buf out; /* made and not yet taken, from `at` on */
    size_t at;
    unsigned depth;
    bool in_string, escaped; /* inside a string; the next character is escaped */
    bool opened;             /* behind a bracket: nothing of its content seen yet */
};

static void new_line(struct indent *f)
{
    buf_putc(&f->out, '\n');
    for (unsigned i = 0; i < f->depth; i++)
        buf_append(&f->out, "  ", 2);
}

static void indent_string(struct indent *f, char c)
{
    buf_putc(&f->out, c);
    if (f->escaped)
        f->escaped = false;
    else if (c == '\\')
        f->escaped = true;
    else if (c == '"')
        f->in_string = false;
}

static void indent_char(struct indent *f, char c)
{
    bool closing = c == '}' || c == ']';

    if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
        return;
    if (closing && f->depth > 0)
        f->depth--;
    if (f->opened != closing) /* in front of the first element, and behind the last */
        new_line(f);
    f->opened = false;
    buf_putc(&f->out, c);
    if (c == '{' || c == '[') {
        f->depth += f->depth < DEPTH_MAX;
        f->opened = true;
    } else if (c == ',') {
        new_line(f);
    } else if (c == ':') {
        buf_putc(&f->out, ' ');
    } else if (c == '"') {
        f->in_string = true;
    }
}

static long indent_read(void *arg, char *p, size_t cap)
{
    struct indent *f = arg;
    char chunk[CHUNK_BYTES / 4];
    size_t n;
    long got;

    while (f->at == f->out.len) {
        buf_reset(&f->out);
        f->at = 0;
        got = f->in.read(f->in.arg, chunk, sizeof(chunk));
        if (got <= 0)
            return got;
        for (long i = 0; i < got; i++) {
            if (f->in_string)
                indent_string(f, chunk[i]);
            else
                indent_char(f, chunk[i]);
        }
    }
    n = MIN(cap, f->out.len - f->at);
    memcpy(p, f->out.p + f->at, n);
    f->at += n;
    return (long)n;
}

static void indent_close(void *arg)
{
    struct indent *f = arg;

    if (f->in.close)
        f->in.close(f->in.arg);
    buf_deinit(&f->out);
    free(f);
}

struct http_source filter_indent(struct http_source in)
{
    struct indent *f = xnew(struct indent);

    f->in = in;
    return (struct http_source){.read = indent_read, .close = indent_close, .arg = f};
}

/* ---- gzip ---- */

struct gzip {
    struct http_source in;
    z_stream z;
    bool in_ended, ended;
    char chunk[CHUNK_BYTES];
};

/* Gives zlib the next chunk; 1, or what the source said instead. */
static long gzip_fill(struct gzip *g)
{
    long n = g->in.read(g->in.arg, g->chunk, sizeof(g->chunk));

    if (n == HTTP_READ_WAIT || n == HTTP_READ_ERROR)
        return n;
    g->in_ended = n == HTTP_READ_END;
    g->z.next_in = (Bytef *)g->chunk;
    g->z.avail_in = (uInt)n;
    return 1;
}

static long gzip_read(void *arg, char *p, size_t cap)
{
    struct gzip *g = arg;
    long got;
    int r;

    if (g->ended)
        return HTTP_READ_END;
    cap = MIN(cap, 1u << 20);
    g->z.next_out = (Bytef *)p;
    g->z.avail_out = (uInt)cap;
    while (g->z.avail_out > 0 && !g->ended) {
        if (g->z.avail_in == 0 && !g->in_ended) {
            got = gzip_fill(g);
            if (got < 0)
                return g->z.avail_out < cap ? (long)(cap - g->z.avail_out) : got;
        }
        r = deflate(&g->z, g->in_ended ? Z_FINISH : Z_NO_FLUSH);
        assert(r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR);
        g->ended = r == Z_STREAM_END;
    }
    return (long)(cap - g->z.avail_out);
}

static void gzip_close(void *arg)
{
    struct gzip *g = arg;

    if (g->in.close)
        g->in.close(g->in.arg);
    (void)deflateEnd(&g->z);
    free(g);
}

struct http_source filter_gzip(struct http_source in)
{
    struct gzip *g = xnew(struct gzip);
    int r;

    g->in = in;
    r = deflateInit2(&g->z, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
    assert(r == Z_OK); /* fails for want of memory only */
    (void)r;
    return (struct http_source){.read = gzip_read, .close = gzip_close, .arg = g};
}
