/* json.c - the JSON reader. */
#include "codec/json.h"
#include "codec/tree.h"
#include "codec/utf8.h"
#include <math.h>

struct json_reader {
    const char *p, *end;
    struct tree tree;
    struct err *err;
};
/* What a step of the reader leaves to be done. */
enum step { STEP_VALUE, STEP_AFTER_VALUE, STEP_DONE };

static int unexpected_end(struct json_reader *j)
{
    return err_new(j->err, ERR_PARSE, "unexpected end of JSON input");
}

/* Names the byte at @p the way Go does: as the character U+00xx in single quotes. */
static void quote_char(struct buf *b, uint8_t c)
{
    char text[UTF8_MAX];
    struct buf quoted = {0};

    if (c == '\'' || c == '"') {
        buf_puts(b, c == '"' ? "'\"'" : "'\\''");
        return;
    }
    json_go_quote(&quoted, (struct str){text, utf8_encode(c, text)});
    buf_putc(b, '\'');
    buf_append(b, quoted.p + 1, quoted.len - 2);
    buf_putc(b, '\'');
    buf_deinit(&quoted);
}

static int unexpected(struct json_reader *j, const char *p, const char *where)
{
    auto_buf b = {0};

    if (p >= j->end)
        return unexpected_end(j);
    quote_char(&b, (uint8_t)*p);
    return err_new(j->err, ERR_PARSE, "invalid character %s %s", buf_cstr(&b), where);
}

static void skip_space(struct json_reader *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
        j->p++;
}

/* The first byte from @p on that is a quote, a backslash, a control or not ASCII. */
static const char *skip_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

    while (end - p >= 8) { /* eight bytes at a time: a high bit is left where a byte is special */
        uint64_t w, quote, slash, special;

        memcpy(&w, p, sizeof(w));
        quote = w ^ ones * '"';
        slash = w ^ ones * '\\';
        special = ((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & highs;
        if (special)
            break;
        p += 8;
    }
    while (p < end && (uint8_t)*p >= 0x20 && (uint8_t)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
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

/* Checks the escape at @p, a backslash; *@ret_next is what follows it. */
static int check_escape(struct json_reader *j, const char *p, const char **ret_next)
{
    p++;
    if (p >= j->end)
        return unexpected_end(j);
    if (*p != 'u') {
        if (!strchr("\"\\/bfnrt", *p) || *p == '\0')
            return unexpected(j, p, "in string escape code");
        *ret_next = p + 1;
        return 0;
    }
    p++;
    for (int i = 0; i < 4; i++, p++)
        if (p >= j->end || hex_value(*p) < 0)
            return unexpected(j, p, "in \\u hexadecimal character escape");
    *ret_next = p;
    return 0;
}

struct string_scan {         /* a string that was checked but not yet unescaped */
    const char *begin, *end; /* between the quotes */
    bool escaped;
    size_t n_bad; /* bytes that are no UTF-8: each grows to three */
};

static int scan_string(struct json_reader *j, struct string_scan *s)
{
    const char *p = j->p + 1;
    uint32_t cp;
    int r;

    *s = (struct string_scan){.begin = p};
    for (;;) {
        size_t n;

        p = skip_plain(p, j->end);
        if (p >= j->end)
            return unexpected_end(j);
        if (*p == '"')
            break;
        if (*p == '\\') {
            s->escaped = true;
            r = check_escape(j, p, &p);
            if (r < 0)
                return r;
            continue;
        }
        if ((uint8_t)*p < 0x20)
            return unexpected(j, p, "in string literal");
        n = utf8_decode(p, j->end, &cp);
        s->n_bad += n == 0;
        p += n ? n : 1;
    }
    s->end = p;
    j->p = p + 1;
    return 0;
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t)hex_value(p[i]);
    return v;
}

/* Decodes the \u escape at *@p, with its second half if it is a surrogate pair. */
static uint32_t unescape_u(const char **p, const char *end)
{
    uint32_t cp = hex4(*p + 2), low;

    *p += 6;
    if (cp < 0xd800 || cp >= 0xe000)
        return cp;
    if (cp < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        low = hex4(*p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return UTF8_REPLACEMENT;
}

static char unescape_char(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

static struct str unescape(struct arena *a, const struct string_scan *s)
{
    char *out = arena_alloc(a, (size_t)(s->end - s->begin) + 2 * s->n_bad + 1);
    char *q = out;
    const char *p = s->begin;
    uint32_t cp;

    while (p < s->end) {
        const char *plain = skip_plain(p, s->end);
        size_t n;

        memcpy(q, p, (size_t)(plain - p));
        q += plain - p;
        p = plain;
        if (p >= s->end)
            break;
        if (*p == '\\' && p[1] != 'u') {
            *q++ = unescape_char(p[1]);
            p += 2;
        } else if (*p == '\\') {
            q += utf8_encode(unescape_u(&p, s->end), q);
        } else {
            n = utf8_decode(p, s->end, &cp);
            q += utf8_encode(n ? cp : UTF8_REPLACEMENT, q);
            p += n ? n : 1;
        }
    }
    return (struct str){out, (size_t)(q - out)};
}

static int read_string(struct json_reader *j, struct str *ret_s)
{
    struct string_scan s;
    int r = scan_string(j, &s);

    if (r < 0)
        return r;
    if (s.escaped || s.n_bad > 0)
        *ret_s = unescape(j->tree.arena, &s);
    else
        *ret_s = (struct str){s.begin, (size_t)(s.end - s.begin)};
    return 0;
}

static bool at_digit(const struct json_reader *j, const char *p)
{
    return p < j->end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const struct json_reader *j, const char *p)
{
    while (at_digit(j, p))
        p++;
    return p;
}

static int put_double(struct json_reader *j, struct str text)
{
    char small[64];
    const char *z = small;
    double d;

    if (text.len < sizeof(small)) {
        memcpy(small, text.p, text.len);
        small[text.len] = '\0';
    } else {
        z = str_dupz(j->tree.arena, text);
    }
    d = strtod(z, NULL);
    if (!isfinite(d))
        return err_new(j->err, ERR_PARSE,
                       "json: cannot unmarshal number %.*s into Go value of type float64",
                       STR_ARG(text));
    tree_put(&j->tree, doc_double(d));
    return 0;
}

static int read_number(struct json_reader *j)
{
    const char *begin = j->p, *p = j->p;
    bool integer = true;
    struct str text;
    int64_t i;

    if (*p == '-')
        p++;
    if (!at_digit(j, p))
        return unexpected(j, p, "in numeric literal");
    p = *p == '0' ? p + 1 : skip_digits(j, p);
    if (p < j->end && *p == '.') {
        integer = false;
        if (!at_digit(j, ++p))
            return unexpected(j, p, "after decimal point in numeric literal");
        p = skip_digits(j, p);
    }
    if (p < j->end && (*p == 'e' || *p == 'E')) {
        integer = false;
        p++;
        if (p < j->end && (*p == '+' || *p == '-'))
            p++;
        if (!at_digit(j, p))
            return unexpected(j, p, "in exponent of numeric literal");
        p = skip_digits(j, p);
    }
    j->p = p;
    text = (struct str){begin, (size_t)(p - begin)};
    if (integer && str_to_i64(text, &i)) {
        tree_put(&j->tree, doc_int(i));
        return 0;
    }
    return put_double(j, text);
}

static int read_literal(struct json_reader *j, const char *word, struct doc value)
{
    for (size_t i = 0; word[i]; i++) {
        char where[48];

        if (j->p + i < j->end && j->p[i] == word[i])
            continue;
        (void)snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word, word[i]);
        return unexpected(j, j->p + i, where);
    }
    j->p += strlen(word);
    tree_put(&j->tree, value);
    return 0;
}

/* Reads a key and its colon. */
static int read_key(struct json_reader *j)
{
    struct str key;
    int r;

    if (j->p >= j->end || *j->p != '"')
        return unexpected(j, j->p, "looking for beginning of object key string");
    r = read_string(j, &key);
    if (r < 0)
        return r;
    skip_space(j);
    if (j->p >= j->end || *j->p != ':')
        return unexpected(j, j->p, "after object key");
    j->p++;
    return tree_key(&j->tree, key, j->err);
}

/* Opens the container at the reader. */
static int begin_container(struct json_reader *j, bool object)
{
    int r = tree_open(&j->tree, object, j->err);

    if (r < 0)
        return r;
    j->p++;
    skip_space(j);
    if (j->p < j->end && *j->p == (object ? '}' : ']')) {
        j->p++;
        tree_close(&j->tree);
        return STEP_AFTER_VALUE;
    }
    r = object ? read_key(j) : tree_item(&j->tree, j->err);
    return r < 0 ? r : STEP_VALUE;
}

/* Reads a scalar, or the beginning of a container, into the current slot. */
static int begin_value(struct json_reader *j)
{
    struct str s;
    int r;

    skip_space(j);
    if (j->p >= j->end)
        return unexpected_end(j);
    switch (*j->p) {
    case '{':
        return begin_container(j, true);
    case '[':
        return begin_container(j, false);
    case '"':
        r = read_string(j, &s);
        if (r == 0)
            tree_put(&j->tree, doc_string(s));
        break;
    case 't':
        r = read_literal(j, "true", doc_bool(true));
        break;
    case 'f':
        r = read_literal(j, "false", doc_bool(false));
        break;
    case 'n':
        r = read_literal(j, "null", doc_null());
        break;
    default:
        if (*j->p != '-' && !at_digit(j, j->p))
            return unexpected(j, j->p, "looking for beginning of value");
        r = read_number(j);
        break;
    }
    return r < 0 ? r : STEP_AFTER_VALUE;
}

/* Reads what may follow a value: a comma, the end of its container, or the end of the text. */
static int after_value(struct json_reader *j)
{
    bool object;
    int r;

    skip_space(j);
    if (tree_depth(&j->tree) == 0)
        return j->p < j->end ? unexpected(j, j->p, "after top-level value") : STEP_DONE;
    object = j->tree.frames.v[j->tree.frames.n - 1].object;
    if (j->p >= j->end)
        return unexpected_end(j);
    if (*j->p == ',') {
        j->p++;
        skip_space(j);
        r = object ? read_key(j) : tree_item(&j->tree, j->err);
        return r < 0 ? r : STEP_VALUE;
    }
    if (*j->p != (object ? '}' : ']'))
        return unexpected(j, j->p, object ? "after object key:value pair" : "after array element");
    j->p++;
    tree_close(&j->tree);
    return STEP_AFTER_VALUE;
}

int json_parse(struct str text, struct arena *a, struct doc *ret_doc, struct json_dup **ret_dups,
               struct err *err)
{
    struct json_reader j = {.p = text.p, .err = err};
    int step = STEP_VALUE;

    if (text.len == 0)
        return unexpected_end(&j);
    j.end = text.p + text.len;
    tree_init(&j.tree, a);
    while (step == STEP_VALUE || step == STEP_AFTER_VALUE)
        step = step == STEP_VALUE ? begin_value(&j) : after_value(&j);
    if (step == STEP_DONE) {
        *ret_doc = tree_root(&j.tree);
        if (ret_dups)
            *ret_dups = j.tree.dups;
        step = 0;
    }
    tree_deinit(&j.tree);
    return step;
}
