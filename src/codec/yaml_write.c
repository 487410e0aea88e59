/* yaml_write.c - the YAML writer: a document as libyaml's events. */
#include "base/vec.h"
#include "codec/utf8.h"
#include "codec/yaml.h"
#include "codec/yaml_scalar.h"
#include <math.h>
#include <yaml.h>

struct write_frame { /* an open container */
    const struct doc *d;
    const struct doc_member **sorted; /* of an object; owned */
    uint32_t next;
    bool value_next; /* the key was written */
};
struct yaml_writer {
    yaml_emitter_t emitter;
    VEC(struct write_frame) frames;
};

static int append_output(void *data, unsigned char *p, size_t n)
{
    buf_append(data, p, n); /* past its limit the buffer notes the overflow itself */
    return 1;
}

/* libyaml fails on bad UTF-8 or events out of order, which do not happen, or without memory. */
static void must(int ok)
{
    if (!ok)
        abort();
}

static void emit(struct yaml_writer *w, yaml_event_t *e)
{
    must(yaml_emitter_emit(&w->emitter, e));
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t byte_at(struct str s, size_t i)
{
    return i < s.len ? (uint8_t)s.p[i] : 0;
}

/* Compares the digits that @a and @b have from @i on, where they differ: by value, then by
 * length. Zeros in front do not count, unless digits before @i make them part of a number. */
static int compare_numbers(struct str a, struct str b, size_t i)
{
    size_t na = i, nb = i, za = i, zb = i, before = i;
    int order = 0;

    while (before > 0 && byte_at(a, before - 1) == '0')
        before--;
    if (before == 0 || !is_digit(byte_at(a, before - 1))) {
        while (byte_at(a, za) == '0')
            za++;
        while (byte_at(b, zb) == '0')
            zb++;
    }
    for (na = za; is_digit(byte_at(a, na));)
        na++;
    for (nb = zb; is_digit(byte_at(b, nb));)
        nb++;
    if (na - za != nb - zb)
        return na - za < nb - zb ? -1 : 1;
    order = str_cmp(str_sub(a, za, na - za), str_sub(b, zb, nb - zb));
    if (order != 0)
        return order;
    return (na > nb) - (na < nb);
}

/* go-yaml's order: letters after all else, runs of digits by their value. */
static int compare_keys(struct str a, struct str b)
{
    size_t i = 0;
    bool letter_a, letter_b;
    int order = 0;

    while (i < a.len && i < b.len && a.p[i] == b.p[i])
        i++;
    if (i == a.len || i == b.len)
        return (a.len > b.len) - (a.len < b.len);
    letter_a = is_letter(byte_at(a, i));
    letter_b = is_letter(byte_at(b, i));
    if (letter_a != letter_b)
        return letter_a ? 1 : -1;
    if (!letter_a)
        order = compare_numbers(a, b, i);
    return order ? order : (int)byte_at(a, i) - byte_at(b, i);
}

static int compare_members(const void *x, const void *y)
{
    const struct doc_member *const *a = x;
    const struct doc_member *const *b = y;

    return compare_keys((*a)->key, (*b)->key);
}

static const struct doc_member **sort_members(const struct doc *d)
{
    const struct doc_member **sorted = xcalloc(d->n ? d->n : 1, sizeof(*sorted));

    for (uint32_t i = 0; i < d->n; i++)
        sorted[i] = &d->members[i];
    qsort(sorted, d->n, sizeof(*sorted), compare_members);
    return sorted;
}

static void write_scalar(struct yaml_writer *w, struct str text, yaml_scalar_style_t style)
{
    yaml_event_t e;

    must(yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)text.p, (int)text.len, 1,
                                      1, style));
    emit(w, &e);
}

static void write_string(struct yaml_writer *w, struct str s, bool key)
{
    yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    auto_buf clean = {0};

    if (!s.p)
        s = STR("");
    if (!utf8_valid(s)) {
        utf8_append_valid(&clean, s);
        s = buf_view(&clean);
    }
    if (str_find_char(s, '\n') >= 0)
        style = YAML_LITERAL_SCALAR_STYLE;
    else if (key && str_eqz(s, "<<"))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE; /* plain, it would merge */
    else if (yaml_resolve(s).type == YAML_STRING && !yaml_is_base60(s))
        style = YAML_PLAIN_SCALAR_STYLE;
    write_scalar(w, s, style);
}

static void write_number(struct yaml_writer *w, const struct doc *d)
{
    auto_buf b = {0};

    if (d->kind == DOC_INT)
        buf_i64(&b, d->i);
    else if (!isfinite(d->d))
        buf_puts(&b, "null"); /* as in JSON */
    else if (d->d == trunc(d->d) && fabs(d->d) < 0x1p63)
        buf_i64(&b, (int64_t)d->d);
    else if (d->d == trunc(d->d) && d->d > 0 && d->d < 0x1p64)
        buf_u64(&b, (uint64_t)d->d);
    else
        yaml_write_float(&b, d->d, false);
    write_scalar(w, buf_view(&b), YAML_PLAIN_SCALAR_STYLE);
}

static void open_container(struct yaml_writer *w, const struct doc *d)
{
    struct write_frame f = {.d = d};
    yaml_event_t e;

    if (d->kind == DOC_OBJECT) {
        f.sorted = sort_members(d);
        must(yaml_mapping_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    } else {
        must(yaml_sequence_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
    }
    emit(w, &e);
    vec_push(&w->frames, f);
}

static void close_container(struct yaml_writer *w)
{
    struct write_frame f = vec_pop(&w->frames);
    yaml_event_t e;

    if (f.d->kind == DOC_OBJECT)
        must(yaml_mapping_end_event_initialize(&e));
    else
        must(yaml_sequence_end_event_initialize(&e));
    emit(w, &e);
    free(f.sorted);
}

/* Writes a scalar or opens a container. */
static void write_value(struct yaml_writer *w, const struct doc *d)
{
    switch (d->kind) {
    case DOC_NULL:
        write_scalar(w, STR("null"), YAML_PLAIN_SCALAR_STYLE);
        break;
    case DOC_BOOL:
        write_scalar(w, d->b ? STR("true") : STR("false"), YAML_PLAIN_SCALAR_STYLE);
        break;
    case DOC_INT:
    case DOC_DOUBLE:
        write_number(w, d);
        break;
    case DOC_STRING:
        write_string(w, d->s, false);
        break;
    default:
        open_container(w, d);
        break;
    }
}

/* Takes one step in the innermost container: a key, a value, or its end. */
static void write_next(struct yaml_writer *w)
{
    struct write_frame *f = &w->frames.v[w->frames.n - 1];

    if (f->next == f->d->n) {
        close_container(w);
    } else if (f->d->kind == DOC_ARRAY) {
        write_value(w, &f->d->items[f->next++]);
    } else if (!f->value_next) {
        f->value_next = true;
        write_string(w, f->sorted[f->next]->key, true);
    } else {
        f->value_next = false;
        write_value(w, &f->sorted[f->next++]->value);
    }
}

/* libyaml ends a text whose last scalar keeps its empty lines with "...", go-yaml does not. */
static void drop_document_end(struct buf *out, size_t from)
{
    static const char mark[] = "\n...\n";
    size_t n = sizeof(mark) - 1;

    if (out->len - from >= n && memcmp(out->p + out->len - n, mark, n) == 0)
        out->len -= n - 1;
}

void yaml_write(struct buf *out, const struct doc *d)
{
    struct yaml_writer w = {0};
    size_t from = out->len;
    yaml_event_t e;

    must(yaml_emitter_initialize(&w.emitter));
    yaml_emitter_set_output(&w.emitter, append_output, out);
    yaml_emitter_set_unicode(&w.emitter, 1);
    must(yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING));
    emit(&w, &e);
    must(yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1));
    emit(&w, &e);
    write_value(&w, d);
    while (w.frames.n > 0)
        write_next(&w);
    must(yaml_document_end_event_initialize(&e, 1));
    emit(&w, &e);
    must(yaml_stream_end_event_initialize(&e));
    emit(&w, &e);
    yaml_emitter_delete(&w.emitter);
    vec_deinit(&w.frames);
    drop_document_end(out, from);
}
