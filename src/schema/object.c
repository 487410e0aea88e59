/* object.c - the committed object.
 *
 * One allocation holds the object, its labels and selectable fields with their texts, its key, and
 * the JSON with some room before it: object_publish() makes place for resourceVersion by moving
 * only the few bytes in front of it. The C struct and the protobuf bytes are allocations of their
 * own, swapped in by whoever makes them first.
 */
#include "schema/object.h"
#include "base/omap.h"
#include "schema/typed_internal.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

/* Room for ,"resourceVersion":"<19 digits>" */
enum { VERSION_ROOM = 48 };
enum { JSON_START_BYTES = 1000 }; /* of a small object: one allocation */

struct lazy_pb {
    size_t len;
    char bytes[];
};
struct object_lazy {
    _Atomic(void *) typed;
    _Atomic(struct lazy_pb *) pb;
};
struct whole { /* the allocation's head */
    struct object o;
    struct object_lazy lazy;
};
struct parts { /* what an object is made of; all borrowed */
    const struct resource *res;
    struct str key, ns, name, uid, json;
    struct string_map labels;
    struct str *fields;
};

/* ---- building ---- */

static struct str put_text(char **at, struct str s)
{
    struct str copy = {*at, s.len};

    if (s.len)
        memcpy(*at, s.p, s.len);
    (*at)[s.len] = '\0';
    *at += s.len + 1;
    return copy;
}

static size_t text_size(const struct parts *p)
{
    size_t n = p->key.len + 1 + p->uid.len + 1 + VERSION_ROOM + p->json.len + 1;

    for (size_t i = 0; i < p->labels.n; i++)
        n += p->labels.v[i].key.len + p->labels.v[i].value.len + 2;
    for (unsigned i = 0; i < p->res->n_selectable; i++)
        n += p->fields[i].len + 1;
    return n;
}

/* The key ends in [namespace/]name; both become views of it. */
static void set_names(struct object *o, const struct parts *p)
{
    size_t end = o->key.len - p->name.len;

    o->name = str_sub(o->key, end, p->name.len);
    o->ns = p->ns.len ? str_sub(o->key, end - 1 - p->ns.len, p->ns.len) : STR("");
}

static struct object *build(const struct parts *p)
{
    size_t n_labels = p->labels.n, n_fields = p->res->n_selectable;
    size_t tables = n_labels * sizeof(struct string_pair) + n_fields * sizeof(struct str);
    struct whole *w = xcalloc(1, sizeof(*w) + tables + text_size(p));
    struct string_pair *labels = (void *)(w + 1);
    struct str *fields = (void *)(labels + n_labels);
    char *at = (char *)(fields + n_fields);

    ref_init(&w->o.ref);
    w->o.res = p->res;
    w->o.lazy = &w->lazy;
    w->o.key = put_text(&at, p->key);
    w->o.uid = put_text(&at, p->uid);
    set_names(&w->o, p);
    for (size_t i = 0; i < n_labels; i++) {
        labels[i].key = put_text(&at, p->labels.v[i].key);
        labels[i].value = put_text(&at, p->labels.v[i].value);
    }
    for (size_t i = 0; i < n_fields; i++)
        fields[i] = put_text(&at, p->fields[i]);
    w->o.labels = labels;
    w->o.n_labels = (uint32_t)n_labels;
    w->o.fields = fields;
    at += VERSION_ROOM;
    w->o.json = put_text(&at, p->json);
    return &w->o;
}

static struct str *meta_str(const struct type *meta, const void *m, struct str name)
{
    const struct field *f = type_field(meta, name);

    assert(f && f->kind == FIELD_STRING && f->card == CARD_ONE);
    return field_ptr(f, m);
}

static const struct type *meta_type(const struct resource *res)
{
    const struct field *f = type_field(res->type, STR("metadata"));

    assert(f && res->type->metadata_offset >= 0);
    return f->type;
}

/* Fills the parts that are found in the struct @obj. */
static void take_parts(struct parts *p, const struct resource *res, const void *obj,
                       struct arena *a)
{
    const struct type *meta = meta_type(res);
    const char *m = (const char *)obj + res->type->metadata_offset;
    const struct field *labels = type_field(meta, STR("labels"));

    p->res = res;
    p->name = *meta_str(meta, m, STR("name"));
    p->ns = *meta_str(meta, m, STR("namespace"));
    p->uid = *meta_str(meta, m, STR("uid"));
    p->labels = *(struct string_map *)field_ptr(labels, m);
    p->fields = arena_calloc(a, res->n_selectable, sizeof(*p->fields));
    for (unsigned i = 0; i < res->n_selectable; i++) {
        const struct selectable *s = &res->selectable[i];

        p->fields[i] = s->path ? typed_path_text(res->type, obj, s->path, a) : s->value(obj, a);
    }
}

struct object *object_new(const struct resource *res, const void *typed)
{
    const struct type *type = res->type;
    stack_arena(a, 2048);
    auto_buf json = {0};
    struct parts p;
    char *copy = arena_alloc(&a, type->size);

    (void)buf_reserve(&json, JSON_START_BYTES);
    memcpy(copy, typed, type->size);
    *meta_str(meta_type(res), copy + type->metadata_offset, STR("resourceVersion")) = STR_NULL;
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].flags & FIELD_TYPE_META)
            field_clear(&type->fields[i], copy);
    take_parts(&p, res, copy, &a);
    p.key = resource_key(res, p.ns, p.name, &a);
    typed_write_json(type, copy, &json);
    p.json = buf_view(&json);
    return build(&p);
}

/* @json without the members that the frame or object_publish() writes: usually a cut at the front.
 */
static struct str strip(struct str json, struct doc *doc, bool version, struct arena *a)
{
    struct str kind = doc_path_str(doc, "kind"), api_version = doc_path_str(doc, "apiVersion");
    struct doc *meta = doc_find(doc, STR("metadata"));
    bool changed = version && meta && doc_remove(meta, STR("resourceVersion"));
    auto_buf head = {0};
    char *copy;

    if (!doc_find(doc, STR("kind")) && !doc_find(doc, STR("apiVersion")) && !changed)
        return json;
    buf_puts(&head, "{\"kind\":");
    json_write_string(&head, kind);
    buf_puts(&head, ",\"apiVersion\":");
    json_write_string(&head, api_version);
    buf_putc(&head, ',');
    if (!changed && str_has_prefix(json, buf_view(&head))) {
        copy = arena_memdupz(a, json.p + head.len - 1, json.len - head.len + 1);
        copy[0] = '{';
        return (struct str){copy, json.len - head.len + 1};
    }
    doc_remove(doc, STR("kind"));
    doc_remove(doc, STR("apiVersion"));
    return json_to_str(a, doc);
}

/* Reads @json into a document and a C struct; strings are views into it. */
static int parse_object(const struct resource *res, struct str json, struct arena *a,
                        struct doc *ret_doc, void **ret_obj, struct err *err)
{
    void *obj = arena_alloc(a, res->type->size);
    struct doc doc;
    int r;

    r = json_parse(json, a, &doc, NULL, err);
    if (r < 0)
        return r;
    r = typed_from_doc(res->type, &doc, a, obj, err);
    if (r < 0)
        return err_wrap(err, ERR_PARSE, "%s", res->kind);
    *ret_doc = doc;
    *ret_obj = obj;
    return 0;
}

int object_from_stored(const struct resource *res, struct str key, struct str json,
                       struct object **ret_o, struct err *err)
{
    auto_arena a = {0};
    struct parts p;
    struct str want;
    struct doc doc;
    void *obj = NULL;
    int r;

    r = parse_object(res, json, &a, &doc, &obj, err);
    if (r < 0)
        return err_wrap(err, ERR_PARSE, "%.*s", STR_ARG(key));
    take_parts(&p, res, obj, &a);
    p.key = key;
    want = resource_key(res, p.ns, p.name, &a);
    if (!str_eq(key, want))
        return err_new(err, ERR_PARSE, "%.*s: holds the object of %.*s", STR_ARG(key),
                       STR_ARG(want));
    p.json = strip(json, &doc, true, &a);
    *ret_o = build(&p);
    return 0;
}

int object_from_wire(const struct resource *res, struct str json, struct object **ret_o,
                     struct err *err)
{
    auto_arena a = {0};
    struct object *o;
    struct parts p;
    struct doc doc;
    int64_t revision;
    void *obj = NULL;
    int r;

    r = parse_object(res, json, &a, &doc, &obj, err);
    if (r < 0)
        return err_wrap(err, ERR_PARSE, "%s", res->plural);
    take_parts(&p, res, obj, &a);
    p.key = resource_key(res, p.ns, p.name, &a);
    p.json = strip(json, &doc, false, &a);
    o = build(&p);
    /* A server is free to use versions that are no numbers: such an object has revision 0. */
    if (str_to_i64(doc_path_str(&doc, "metadata.resourceVersion"), &revision))
        o->revision = revision;
    *ret_o = o;
    return 0;
}

struct str object_stored_json(const struct object *o)
{
    assert(o->revision == 0);
    return o->json;
}

/* ---- resourceVersion ---- */

/* The index behind the string that starts at @at. The JSON is known to be valid. */
static size_t skip_string(struct str s, size_t at)
{
    for (at++; s.p[at] != '"'; at++)
        if (s.p[at] == '\\')
            at++;
    return at + 1;
}

static size_t skip_space(struct str s, size_t at)
{
    while (at < s.len && strchr(" \t\r\n", s.p[at]) && s.p[at])
        at++;
    return at;
}

static size_t skip_value(struct str s, size_t at)
{
    size_t depth = 0;

    while (at < s.len) {
        char c = s.p[at];

        if (c == '"') {
            at = skip_string(s, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (c == ',' && depth == 0) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0 && c != '{' && c != '[')
            return at;
    }
    return at;
}

/* With @at on a member's key: where its value starts, and the key itself. */
static size_t member_value(struct str s, size_t at, struct str *ret_key)
{
    size_t end = skip_string(s, at);

    *ret_key = str_sub(s, at + 1, end - at - 2);
    return skip_space(s, skip_space(s, end) + 1);
}

/* Where the object starting at @at holds member @name: the index of its value, or 0. */
static size_t find_member(struct str s, size_t at, struct str name)
{
    at = skip_space(s, at + 1);
    while (s.p[at] == '"') {
        struct str key;
        size_t value = member_value(s, at, &key);

        if (str_eq(key, name))
            return value;
        at = skip_space(s, skip_value(s, value));
        if (s.p[at] == ',')
            at = skip_space(s, at + 1);
    }
    return 0;
}

/* The members of metadata that come before resourceVersion. */
static bool before_version(struct str key)
{
    return str_eqz(key, "name") || str_eqz(key, "generateName") || str_eqz(key, "namespace") ||
           str_eqz(key, "selfLink") || str_eqz(key, "uid");
}

/* Where resourceVersion goes; *@ret_first when it will be the first member of metadata. */
static size_t version_place(struct str s, bool *ret_first)
{
    size_t at = find_member(s, skip_space(s, 0), STR("metadata")), place;

    assert(at > 0 && s.p[at] == '{');
    place = at + 1;
    *ret_first = true;
    at = skip_space(s, at + 1);
    while (s.p[at] == '"') {
        struct str key;
        size_t value = member_value(s, at, &key);

        if (!before_version(key))
            break;
        place = skip_value(s, value);
        *ret_first = false;
        at = skip_space(s, place);
        if (s.p[at] == ',')
            at = skip_space(s, at + 1);
    }
    return place;
}

void object_publish(struct object *o, int64_t revision, int64_t create_revision, int64_t version)
{
    char text[VERSION_ROOM];
    bool first;
    size_t place, len;
    char *head;
    int n;

    assert(o->revision == 0 && revision > 0);
    free(atomic_exchange(&o->lazy->typed, NULL));
    free(atomic_exchange(&o->lazy->pb, NULL));
    place = version_place(o->json, &first);
    n = snprintf(text, sizeof(text), "%s\"resourceVersion\":\"%lld\"%s", first ? "" : ",",
                 (long long)revision,
                 first && o->json.p[skip_space(o->json, place)] != '}' ? "," : "");
    assert(n > 0 && n < (int)sizeof(text));
    len = (size_t)n;
    head = (char *)o->json.p - len;
    memmove(head, o->json.p, place);
    memcpy(head + place, text, len);
    o->json = (struct str){head, o->json.len + len};
    o->revision = revision;
    o->create_revision = create_revision;
    o->version = version;
}

/* @s without metadata.resourceVersion and the comma that goes with it. */
static struct str without_version(struct str s, struct arena *a)
{
    struct str name = STR("\"resourceVersion\"");
    size_t at =
        find_member(s, find_member(s, skip_space(s, 0), STR("metadata")), STR("resourceVersion"));
    size_t start = at, end;
    char *copy;

    if (at == 0)
        return s;
    while (!str_has_prefix(str_sub(s, start, s.len), name))
        start--;
    end = skip_space(s, skip_value(s, at));
    if (s.p[end] == ',') {
        end++;
    } else {
        while (s.p[start - 1] != ',' && s.p[start - 1] != '{')
            start--;
        start -= s.p[start - 1] == ',';
    }
    copy = arena_alloc(a, s.len);
    memcpy(copy, s.p, start);
    memcpy(copy + start, s.p + end, s.len - end);
    return (struct str){copy, s.len - (end - start)};
}

struct object *object_with_revision(const struct object *o, int64_t revision)
{
    auto_arena a = {0};
    struct parts p = {.res = o->res, .key = o->key, .ns = o->ns, .name = o->name, .uid = o->uid};
    struct object *copy;

    assert(o->revision > 0);
    p.json = without_version(o->json, &a);
    p.labels.n = o->n_labels;
    p.labels.v = (void *)(uintptr_t)o->labels; /* build() only reads them */
    p.fields = (void *)(uintptr_t)o->fields;
    copy = build(&p);
    object_publish(copy, revision, o->create_revision, o->version);
    return copy;
}

/* ---- use ---- */

struct object *object_ref(struct object *o)
{
    ref_get(&o->ref);
    return o;
}

struct object *object_unref(struct object *o)
{
    if (!o || !ref_put(&o->ref))
        return NULL;
    free(atomic_load(&o->lazy->typed));
    free(atomic_load(&o->lazy->pb));
    free(container_of(o, struct whole, o));
    return NULL;
}

const void *object_typed(const struct object *o)
{
    void *typed = atomic_load_explicit(&o->lazy->typed, memory_order_acquire), *was = NULL, *obj;
    auto_arena a = {0};
    struct doc doc;
    int r;

    if (typed)
        return typed;
    /* The JSON was made from such a struct, or read as one before: it fits. Its size is bounded by
     * what the server stores, its depth by what the readers let in. */
    r = parse_object(o->res, o->json, &a, &doc, &obj, NULL);
    assert(r == 0);
    (void)r;
    typed = typed_pack(o->res->type, obj, o->json);
    if (atomic_compare_exchange_strong(&o->lazy->typed, &was, typed))
        return typed;
    free(typed); /* another thread was faster */
    return was;
}

const void *object_typed_in(const struct object *o, struct arena *a)
{
    void *typed = atomic_load_explicit(&o->lazy->typed, memory_order_acquire), *obj = NULL;
    struct doc doc;
    int r;

    if (typed)
        return typed;
    r = parse_object(o->res, o->json, a, &doc, &obj, NULL);
    assert(r == 0); /* as in object_typed() */
    (void)r;
    return obj;
}

const struct meta_object_meta *object_meta(const struct object *o)
{
    return (const void *)((const char *)object_typed(o) + o->res->type->metadata_offset);
}

const struct meta_object_meta *object_meta_in(const struct object *o, struct arena *a)
{
    char *typed = atomic_load_explicit(&o->lazy->typed, memory_order_acquire);
    const struct type *type = meta_type(o->res);
    size_t at;
    struct doc doc;
    void *meta;
    int r;

    if (typed)
        return (const void *)(typed + o->res->type->metadata_offset);
    at = find_member(o->json, skip_space(o->json, 0), STR("metadata"));
    meta = arena_alloc(a, type->size);
    r = json_parse(str_sub(o->json, at, skip_value(o->json, at) - at), a, &doc, NULL, NULL);
    if (r == 0)
        r = typed_from_doc(type, &doc, a, meta, NULL);
    assert(r == 0); /* as in object_typed() */
    (void)r;
    return meta;
}

struct str object_pb(const struct object *o)
{
    struct lazy_pb *pb = atomic_load_explicit(&o->lazy->pb, memory_order_acquire), *was = NULL;
    auto_buf out = {0};
    auto_arena a = {0};

    if (!pb) {
        typed_write_pb(o->res->type, object_typed_in(o, &a), &out);
        pb = xcalloc(1, sizeof(*pb) + out.len);
        pb->len = out.len;
        memcpy(pb->bytes, buf_view(&out).p, out.len);
        if (!atomic_compare_exchange_strong(&o->lazy->pb, &was, pb)) {
            free(pb);
            pb = was;
        }
    }
    return (struct str){pb->bytes, pb->len};
}

struct str object_label(const struct object *o, struct str key)
{
    return string_map_get(&(struct string_map){(struct string_pair *)o->labels, o->n_labels}, key);
}

struct str object_field(const struct object *o, struct str name)
{
    if (str_eqz(name, "metadata.name"))
        return o->name;
    if (str_eqz(name, "metadata.namespace"))
        return o->ns;
    for (unsigned i = 0; i < o->res->n_selectable; i++)
        if (str_eqz(name, o->res->selectable[i].name))
            return o->fields[i];
    return STR_NULL;
}

void object_write_json(const struct object *o, struct buf *out)
{
    const struct resource *r = o->res;

    buf_puts(out, "{\"kind\":\"");
    buf_puts(out, r->kind);
    buf_puts(out, "\",\"apiVersion\":\"");
    if (r->group[0]) {
        buf_puts(out, r->group);
        buf_putc(out, '/');
    }
    buf_puts(out, r->version);
    buf_putc(out, '"');
    if (o->json.p[skip_space(o->json, 1)] != '}')
        buf_putc(out, ',');
    buf_str(out, str_sub(o->json, 1, o->json.len));
}

static void omap_ref(void *value)
{
    (void)object_ref(value);
}

static void omap_unref(void *value)
{
    (void)object_unref(value);
}

static struct str omap_key(const void *value)
{
    return ((const struct object *)value)->key;
}

const struct omap_ops object_omap_ops = {omap_ref, omap_unref, omap_key};
