/* SPDX-License-Identifier: Apache-2.0 */
/* s3_xml.c - what S3 says in XML. Only elements and their texts: a document with a DOCTYPE is
 * refused, so there are no entities of its own; depth and lengths are bounded. */
#include "net/s3_internal.h"

#include <expat.h>

enum {
    DEPTH_MAX = 8,
    TEXT_BYTES_MAX = 3 * S3_KEY_BYTES_MAX + 16, /* a key, each byte as %XX */
    NAME_BYTES_MAX = 128,
    CODE_BYTES_MAX = 64,
    MESSAGE_BYTES_MAX = 200,
};
struct document {
    XML_Parser parser;
    struct arena *arena;
    struct buf path; /* "/ListBucketResult/Contents/Key" */
    struct buf text; /* of the innermost element so far */
    int depth, code;
    struct err *err;
    /* Called at the end of each element; not 0: stops. */
    int (*on_element)(struct document *d, struct str path, struct str text);
    struct s3_objects *objects;
    struct s3_object object; /* that is being read */
    struct s3_page page;
    bool url_encoded, is_list, is_fault;
    struct s3_fault fault;
};

static void fail(struct document *d, int code, const char *text)
{
    if (d->code == 0)
        d->code = err_new(d->err, code, "%s", text);
    (void)XML_StopParser(d->parser, XML_FALSE);
}

static void on_start(void *arg, const char *name, const char **attributes)
{
    struct document *d = arg;

    (void)attributes;
    if (++d->depth > DEPTH_MAX || strlen(name) > NAME_BYTES_MAX) {
        fail(d, ERR_PARSE, "an answer that is nested too deep");
        return;
    }
    buf_putc(&d->path, '/');
    buf_puts(&d->path, name);
    buf_reset(&d->text);
}

static void on_text(void *arg, const char *s, int len)
{
    struct document *d = arg;

    buf_append(&d->text, s, (size_t)len);
    if (d->text.overflow)
        fail(d, ERR_PARSE, "an answer with a text that is too long");
}

static void on_end(void *arg, const char *name)
{
    struct document *d = arg;
    int r = d->code;

    if (r == 0)
        r = d->on_element(d, buf_view(&d->path), buf_view(&d->text));
    if (r < 0) {
        d->code = r;
        (void)XML_StopParser(d->parser, XML_FALSE);
        return;
    }
    d->depth--;
    d->path.len -= strlen(name) + 1;
    buf_reset(&d->text);
}

static void on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
                       int has_internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)has_internal;
    fail(arg, ERR_PARSE, "an answer with a DOCTYPE");
}

static int read_document(struct document *d, struct str xml, struct err *err)
{
    d->err = err;
    d->text.limit_bytes = TEXT_BYTES_MAX;
    d->parser = XML_ParserCreate("UTF-8");
    if (!d->parser)
        return err_new(err, ERR_NO_MEMORY, "no parser of XML");
    XML_SetUserData(d->parser, d);
    XML_SetElementHandler(d->parser, on_start, on_end);
    XML_SetCharacterDataHandler(d->parser, on_text);
    XML_SetStartDoctypeDeclHandler(d->parser, on_doctype);
    if (xml.len > S3_LIST_BYTES_MAX)
        d->code = err_new(err, ERR_TOO_LARGE, "an answer of more than %d bytes", S3_LIST_BYTES_MAX);
    else if (XML_Parse(d->parser, xml.p, (int)xml.len, 1) != XML_STATUS_OK && d->code == 0)
        d->code = err_new(err, ERR_PARSE, "an answer that is no XML: %s",
                          XML_ErrorString(XML_GetErrorCode(d->parser)));
    XML_ParserFree(d->parser);
    buf_deinit(&d->path);
    buf_deinit(&d->text);
    return d->code;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* Back from the form of URLs, where a plus is a blank. A %00 stays: behind a NUL, what is left of
 * the key would be the name of another. */
static const char *decode_key(struct document *d, struct str s)
{
    char *out = arena_alloc(d->arena, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (d->url_encoded && s.p[i] == '%' && i + 2 < s.len && digit(s.p[i + 1]) >= 0 &&
            digit(s.p[i + 2]) >= 0 && (s.p[i + 1] != '0' || s.p[i + 2] != '0')) {
            out[n++] = (char)(digit(s.p[i + 1]) << 4 | digit(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = d->url_encoded && s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return out;
}

static int take_object(struct document *d)
{
    struct s3_objects *o = d->objects;

    if (!d->object.key)
        return err_new(d->err, ERR_PARSE, "an answer with an object that has no key");
    if (o->n == S3_OBJECTS_MAX)
        return err_new(d->err, ERR_TOO_LARGE, "more than %d objects", S3_OBJECTS_MAX);
    if (o->n == o->cap) {
        o->cap = MAX(2 * o->cap, 64);
        o->v = arena_grow(d->arena, o->v, o->n, o->cap, sizeof(*o->v));
    }
    o->v[o->n++] = d->object;
    d->object = (struct s3_object){0};
    return 0;
}

/* Keys are decoded once it is known whether they are encoded: EncodingType may follow them. */
static int on_list_element(struct document *d, struct str path, struct str text)
{
    struct str rest = path;

    if (!str_has_prefix(path, STR("/ListBucketResult")))
        return err_new(d->err, ERR_PARSE, "an answer that is no list");
    rest = str_sub(path, STR("/ListBucketResult").len, path.len);
    if (str_empty(rest)) {
        d->is_list = true;
    } else if (str_eqz(rest, "/Contents/Key")) {
        d->object.key = str_dupz(d->arena, text);
    } else if (str_eqz(rest, "/Contents/Size")) {
        if (!str_to_u64(text, &d->object.bytes))
            return err_new(d->err, ERR_PARSE, "an answer with a size that is no number");
    } else if (str_eqz(rest, "/Contents")) {
        return take_object(d);
    } else if (str_eqz(rest, "/EncodingType")) {
        d->url_encoded = str_eqz(text, "url");
    } else if (str_eqz(rest, "/IsTruncated")) {
        d->page.truncated = str_eqz(text, "true");
    } else if (str_eqz(rest, "/NextContinuationToken")) {
        d->page.token = str_dupz(d->arena, text);
    }
    return 0;
}

int s3_xml_list(struct str xml, struct arena *a, struct s3_objects *objects,
                struct s3_page *ret_page, struct err *err)
{
    struct document d = {.arena = a, .on_element = on_list_element, .objects = objects};
    size_t first = objects->n;
    int r = read_document(&d, xml, err);

    if (r < 0)
        return r;
    if (d.page.truncated && (!d.page.token || !*d.page.token))
        return err_new(err, ERR_PARSE, "an answer that goes on, and does not say where");
    for (size_t i = first; i < objects->n; i++)
        objects->v[i].key = decode_key(&d, str_from(objects->v[i].key));
    *ret_page = d.page;
    return 0;
}

/* What a server says goes into logs: one line of printable characters. */
static const char *printable(struct arena *a, struct str s, size_t bytes_max)
{
    char *z = str_dupz(a, str_sub(s, 0, bytes_max));

    for (char *p = z; *p; p++) {
        if ((uint8_t)*p < ' ' || *p == 127)
            *p = ' ';
    }
    return z;
}

static int on_fault_element(struct document *d, struct str path, struct str text)
{
    if (str_eqz(path, "/Error"))
        d->is_fault = true;
    else if (str_eqz(path, "/Error/Code"))
        d->fault.code = printable(d->arena, text, CODE_BYTES_MAX);
    else if (str_eqz(path, "/Error/Message"))
        d->fault.message = printable(d->arena, text, MESSAGE_BYTES_MAX);
    return 0;
}

bool s3_xml_fault(struct str xml, struct arena *a, struct s3_fault *ret_f)
{
    struct document d = {.arena = a, .on_element = on_fault_element, .fault = {"", ""}};

    if (read_document(&d, xml, NULL) < 0 || !d.is_fault)
        return false;
    *ret_f = d.fault;
    return true;
}
