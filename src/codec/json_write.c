/* json_write.c - the JSON writer. */
#include "base/vec.h"
#include "codec/decimal.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char hex_digits[] = "0123456789abcdef";

/* True for ASCII that a JSON string holds as it is, HTML's own characters left out. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void write_escape(struct buf *out, uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        buf_putc(out, '\\');
        buf_putc(out, (char)c);
        break;
    case '\b':
        buf_puts(out, "\\b");
        break;
    case '\f':
        buf_puts(out, "\\f");
        break;
    case '\n':
        buf_puts(out, "\\n");
        break;
    case '\r':
        buf_puts(out, "\\r");
        break;
    case '\t':
        buf_puts(out, "\\t");
        break;
    default:
        buf_puts(out, "\\u00");
        buf_putc(out, hex_digits[c >> 4]);
        buf_putc(out, hex_digits[c & 15]);
        break;
    }
}

/* The length of the plain bytes at the start of @p[n], or less, in steps of 16. */
static size_t plain_run(const char *p, size_t n)
{
    size_t at = 0;

#ifdef __SSE2__
    for (; n - at >= 16; at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        /* As signed bytes, control characters and all of 0x80 and above are below the blank. */
        __m128i special = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));

        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('<')));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('>')));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('&')));
        if (_mm_movemask_epi8(special))
            break;
    }
#endif
    return at;
}

void json_write_string(struct buf *out, struct str s)
{
    const char *p = s.p, *end = s.p + s.len, *run = p;
    uint32_t cp;

    buf_putc(out, '"');
    p += plain_run(p, s.len);
    while (p < end) {
        uint8_t c = (uint8_t)*p;
        size_t n = 1;

        if (is_plain(c)) {
            p++;
            continue;
        }
        if (c >= 0x80) {
            n = utf8_decode(p, end, &cp);
            if (n > 0 && cp != 0x2028 && cp != 0x2029) {
                p += n;
                continue;
            }
        }
        buf_append(out, run, (size_t)(p - run));
        if (c < 0x80)
            write_escape(out, c);
        else if (n == 0)
            buf_puts(out, "\\ufffd");
        else
            buf_puts(out, cp == 0x2028 ? "\\u2028" : "\\u2029");
        p += n ? n : 1;
        run = p;
        p += plain_run(p, (size_t)(end - p));
    }
    buf_append(out, run, (size_t)(end - run));
    buf_putc(out, '"');
}

static void write_exponent(struct buf *out, const struct decimal *dec)
{
    buf_putc(out, dec->digits[0]);
    if (dec->n > 1) {
        buf_putc(out, '.');
        buf_append(out, dec->digits + 1, (size_t)dec->n - 1);
    }
    buf_printf(out, "e%c%d", dec->point > 0 ? '+' : '-', abs(dec->point - 1));
}

static void write_plain(struct buf *out, const struct decimal *dec)
{
    if (dec->point <= 0) {
        buf_puts(out, "0.");
        for (int i = dec->point; i < 0; i++)
            buf_putc(out, '0');
        buf_append(out, dec->digits, (size_t)dec->n);
        return;
    }
    for (int i = 0; i < dec->n || i < dec->point; i++) {
        if (i == dec->point)
            buf_putc(out, '.');
        buf_putc(out, i < dec->n ? dec->digits[i] : '0');
    }
}

void json_write_double(struct buf *out, double d)
{
    struct decimal dec;

    if (!isfinite(d)) { /* no reader of ours makes one; JSON has no word for it */
        buf_puts(out, "null");
        return;
    }
    if (d == 0) {
        buf_puts(out, signbit(d) ? "-0" : "0");
        return;
    }
    decimal_from_double(d, false, &dec);
    if (dec.negative)
        buf_putc(out, '-');
    if (fabs(d) < 1e-6 || fabs(d) >= 1e21)
        write_exponent(out, &dec);
    else
        write_plain(out, &dec);
}

struct write_frame {
    const struct doc *d; /* a container with children */
    uint32_t next;
};

static void write_newline(struct buf *out, unsigned indent, size_t depth)
{
    if (indent == 0)
        return;
    buf_putc(out, '\n');
    for (size_t i = 0; i < depth * indent; i++)
        buf_putc(out, ' ');
}

/* Writes a scalar or an empty container; false if @d has children. */
static bool write_leaf(struct buf *out, const struct doc *d)
{
    switch (d->kind) {
    case DOC_NULL:
        buf_puts(out, "null");
        break;
    case DOC_BOOL:
        buf_puts(out, d->b ? "true" : "false");
        break;
    case DOC_INT:
        buf_i64(out, d->i);
        break;
    case DOC_DOUBLE:
        json_write_double(out, d->d);
        break;
    case DOC_STRING:
        json_write_string(out, d->s);
        break;
    default:
        if (d->n > 0)
            return false;
        buf_puts(out, d->kind == DOC_OBJECT ? "{}" : "[]");
        break;
    }
    return true;
}

static void write_doc(struct buf *out, const struct doc *d, unsigned indent)
{
    VEC(struct write_frame) stack = {0};

    if (!write_leaf(out, d))
        vec_push(&stack, ((struct write_frame){d, 0}));
    while (stack.n > 0) {
        struct write_frame *f = &stack.v[stack.n - 1];
        bool object = f->d->kind == DOC_OBJECT;
        const struct doc *child;

        if (f->next == f->d->n) {
            stack.n--;
            write_newline(out, indent, stack.n);
            buf_putc(out, object ? '}' : ']');
            continue;
        }
        buf_putc(out, f->next > 0 ? ',' : object ? '{' : '[');
        write_newline(out, indent, stack.n);
        if (object) {
            json_write_string(out, f->d->members[f->next].key);
            buf_puts(out, indent ? ": " : ":");
        }
        child = object ? &f->d->members[f->next].value : &f->d->items[f->next];
        f->next++;
        if (!write_leaf(out, child))
            vec_push(&stack, ((struct write_frame){child, 0}));
    }
    vec_deinit(&stack);
}

void json_write(struct buf *out, const struct doc *d)
{
    write_doc(out, d, 0);
}

void json_write_pretty(struct buf *out, const struct doc *d)
{
    json_write_indent(out, d, 2);
}

void json_write_indent(struct buf *out, const struct doc *d, unsigned n_spaces)
{
    write_doc(out, d, n_spaces);
}

struct str json_to_str(struct arena *a, const struct doc *d)
{
    auto_buf b = {0};

    json_write(&b, d);
    return str_dup(a, buf_view(&b));
}

/* What Go's %q escapes above ASCII: controls, formats, spaces, private use, non-characters. */
static bool is_printable(uint32_t cp)
{
    static const uint32_t ranges[][2] = {
        {0x7f, 0xa0},     {0xad, 0xad},       {0x600, 0x605},      {0x61c, 0x61c},
        {0x6dd, 0x6dd},   {0x70f, 0x70f},     {0x1680, 0x1680},    {0x180e, 0x180e},
        {0x2000, 0x200f}, {0x2028, 0x202f},   {0x205f, 0x206f},    {0x3000, 0x3000},
        {0xd800, 0xf8ff}, {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},    {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i][0] && cp <= ranges[i][1])
            return false;
    return cp >= 0x20;
}

static void write_go_escape(struct buf *out, uint32_t cp)
{
    static const char letters[] = "abtnvfr"; /* of U+0007 to U+000D */

    if (cp == '"' || cp == '\\')
        buf_printf(out, "\\%c", (int)cp);
    else if (cp >= 7 && cp <= 13)
        buf_printf(out, "\\%c", letters[cp - 7]);
    else if (cp < 0x80)
        buf_printf(out, "\\x%02x", cp);
    else
        buf_printf(out, cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
}

void json_go_quote(struct buf *out, struct str s)
{
    const char *p = s.p, *end = s.p + s.len;
    uint32_t cp;

    buf_putc(out, '"');
    while (p < end) {
        size_t n = utf8_decode(p, end, &cp);

        if (n == 0)
            buf_printf(out, "\\x%02x", (uint8_t)*p);
        else if (cp != '"' && cp != '\\' && is_printable(cp))
            buf_append(out, p, n);
        else
            write_go_escape(out, cp);
        p += n ? n : 1;
    }
    buf_putc(out, '"');
}
