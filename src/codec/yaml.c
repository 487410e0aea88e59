/* yaml.c - the YAML reader: libyaml's events, built into a document. */
#include "codec/yaml.h"
#include "codec/base64.h"
#include "codec/tree.h"
#include "codec/utf8.h"
#include "codec/yaml_scalar.h"
#include <math.h>
#include <yaml.h>

enum {
    ALIAS_NODES_MAX = 256 * 1024, /* values that aliases may stand for in one text */
    FLOW_DEPTH_MAX = 128          /* of [ and {: libyaml's work for each token grows with it */
};

struct anchor {
    struct doc value;
    size_t n_nodes;  /* values in it, itself included */
    unsigned height; /* containers on the longest way down */
    bool done;       /* false inside the anchored value itself */
};
struct yaml_frame { /* an open container, beside the tree's frame; [0] is the document */
    struct anchor *anchor;
    size_t nodes_before;
    unsigned height; /* of the children so far */
    bool object;
    bool flow;         /* written with [ or { */
    bool value_next;   /* a key was read */
    bool merge_next;   /* that key was << */
    struct doc merges; /* array of the mappings merged into this one */
};
struct yaml_reader {
    yaml_parser_t parser;
    struct tree tree;
    VEC(struct yaml_frame) frames;
    struct map anchors; /* name -> struct anchor, in the arena */
    size_t n_alias_nodes;
    unsigned n_flow; /* open containers of flow style */
    struct err *err;
};

/* Reports libyaml's error with the line that go-yaml would name. */
static int parser_error(struct yaml_reader *y)
{
    const yaml_parser_t *p = &y->parser;
    size_t line = 0;

    if (p->error == YAML_MEMORY_ERROR)
        abort();
    if (p->problem_mark.line != 0 && p->error != YAML_READER_ERROR)
        line = p->problem_mark.line + (p->error == YAML_SCANNER_ERROR);
    else if (p->context_mark.line != 0 && p->error != YAML_READER_ERROR)
        line = p->context_mark.line;
    if (line > 0)
        return err_new(y->err, ERR_PARSE, "yaml: line %zu: %s", line, p->problem);
    return err_new(y->err, ERR_PARSE, "yaml: %s",
                   p->problem ? p->problem : "unknown problem parsing YAML content");
}

static struct yaml_frame *innermost(struct yaml_reader *y)
{
    return &y->frames.v[y->frames.n - 1];
}

static struct str event_str(const yaml_char_t *p, size_t len)
{
    return (struct str){(const char *)p, len};
}

static const char *type_tag(enum yaml_type type)
{
    static const char *const tags[] = {
        [YAML_STRING] = YAML_STR_TAG,  [YAML_NULL] = YAML_NULL_TAG,
        [YAML_BOOL] = YAML_BOOL_TAG,   [YAML_INT] = YAML_INT_TAG,
        [YAML_FLOAT] = YAML_FLOAT_TAG, [YAML_TIMESTAMP] = YAML_TIMESTAMP_TAG,
    };

    return tags[type];
}

/* "tag:yaml.org,2002:int" -> "!!int" */
static const char *short_tag(const char *tag, char *buffer, size_t size)
{
    static const char prefix[] = "tag:yaml.org,2002:";

    (void)snprintf(buffer, size, "!!%s", tag + sizeof(prefix) - 1);
    return buffer;
}

static int read_binary(struct yaml_reader *y, struct str text, struct yaml_scalar *ret)
{
    auto_buf valid = {0};
    struct str bytes;

    if (base64_decode(text, y->tree.arena, &bytes, NULL) < 0)
        return err_new(y->err, ERR_PARSE, "yaml: !!binary value contains invalid base64 data");
    utf8_append_valid(&valid, bytes); /* JSON has no strings of bytes */
    bytes = str_dup(y->tree.arena, buf_view(&valid));
    *ret = (struct yaml_scalar){YAML_STRING, doc_string(bytes)};
    return 0;
}

/* The value of a scalar with an explicit @tag. */
static int read_tagged(struct yaml_reader *y, const char *tag, struct str text,
                       struct yaml_scalar *ret)
{
    struct yaml_scalar r = yaml_resolve(text);
    char got[32], want[32];

    if (strcmp(tag, YAML_DEFAULT_SCALAR_TAG) == 0) {
        *ret = (struct yaml_scalar){YAML_STRING, doc_string(text)};
        return 0;
    }
    if (strcmp(tag, "tag:yaml.org,2002:binary") == 0)
        return read_binary(y, text, ret);
    if (strcmp(tag, YAML_FLOAT_TAG) == 0 && r.type == YAML_INT) {
        *ret = (struct yaml_scalar){YAML_FLOAT, r.value};
        return 0;
    }
    for (int type = YAML_NULL; type <= YAML_TIMESTAMP; type++) {
        if (strcmp(tag, type_tag((enum yaml_type)type)) != 0)
            continue;
        if (r.type != (enum yaml_type)type)
            return err_new(y->err, ERR_PARSE, "yaml: cannot decode %s `%.*s` as a %s",
                           short_tag(type_tag(r.type), got, sizeof(got)), STR_ARG(text),
                           short_tag(tag, want, sizeof(want)));
        *ret = r;
        return 0;
    }
    *ret = (struct yaml_scalar){YAML_STRING, doc_string(text)}; /* a tag of the user's own */
    return 0;
}

/* The value of a scalar event; its text is copied into the arena. */
static int read_scalar(struct yaml_reader *y, const yaml_event_t *e, struct yaml_scalar *ret)
{
    struct str text = event_str(e->data.scalar.value, e->data.scalar.length);

    text = str_dup(y->tree.arena, text);
    if (e->data.scalar.tag)
        return read_tagged(y, (const char *)e->data.scalar.tag, text, ret);
    if (e->data.scalar.plain_implicit)
        *ret = yaml_resolve(text);
    else
        *ret = (struct yaml_scalar){YAML_STRING, doc_string(text)};
    return 0;
}

/* JSON's keys are strings: numbers and booleans are written out as sigs.k8s.io/yaml does. */
static int key_string(struct yaml_reader *y, const struct doc *key, struct str *ret_key)
{
    auto_buf b = {0};

    switch (key->kind) {
    case DOC_STRING:
        *ret_key = key->s;
        return 0;
    case DOC_BOOL:
        *ret_key = key->b ? STR("true") : STR("false");
        return 0;
    case DOC_INT:
        buf_i64(&b, key->i);
        break;
    case DOC_DOUBLE:
        yaml_write_float(&b, key->d, true);
        break;
    case DOC_NULL:
        return err_new(y->err, ERR_PARSE, "yaml: unsupported map key of type: null");
    default:
        return err_new(y->err, ERR_PARSE, "yaml: invalid map key of type: %s", doc_kind_name(key));
    }
    *ret_key = str_dup(y->tree.arena, buf_view(&b));
    return 0;
}

/* @v as JSON holds it; it has no infinities. */
static int json_value(struct yaml_reader *y, const struct yaml_scalar *s, struct doc *ret_v)
{
    if (s->value.kind != DOC_DOUBLE) {
        *ret_v = s->value;
        return 0;
    }
    if (!isfinite(s->value.d))
        return err_new(y->err, ERR_PARSE, "json: unsupported value: %s",
                       isnan(s->value.d) ? "NaN"
                       : s->value.d > 0  ? "+Inf"
                                         : "-Inf");
    *ret_v = yaml_float_to_doc(s->value.d);
    return 0;
}

/* Before a node that is a value: makes its slot. */
static int begin_value(struct yaml_reader *y)
{
    struct yaml_frame *f = innermost(y);

    if (y->frames.n == 1 || (f->object && !f->merge_next))
        return 0; /* the root's slot and a member's are there already */
    return tree_item(&y->tree, y->err);
}

static int merge_error(struct yaml_reader *y)
{
    return err_new(y->err, ERR_PARSE,
                   "yaml: map merge requires map or sequence of maps as the value");
}

/* Takes the value of << off the tree; it is merged when its mapping ends. */
static int take_merge(struct yaml_reader *y, struct yaml_frame *f)
{
    struct doc v = y->tree.slots.v[--y->tree.slots.n].value;

    f->merge_next = false;
    if (v.kind == DOC_OBJECT) {
        (void)doc_append(y->tree.arena, &f->merges, v);
        return 0;
    }
    if (v.kind != DOC_ARRAY)
        return merge_error(y);
    for (uint32_t i = 0; i < v.n; i++) {
        if (v.items[i].kind != DOC_OBJECT)
            return merge_error(y);
        (void)doc_append(y->tree.arena, &f->merges, v.items[i]);
    }
    return 0;
}

/* After a value of @height is in its slot. */
static int end_value(struct yaml_reader *y, unsigned height)
{
    struct yaml_frame *f = innermost(y);

    f->height = MAX(f->height, height);
    f->value_next = false;
    return f->merge_next ? take_merge(y, f) : 0;
}

/* Adds the members of the merged mappings that the mapping does not have itself. */
static int apply_merges(struct yaml_reader *y, const struct yaml_frame *f)
{
    for (uint32_t i = 0; i < f->merges.n; i++) {
        const struct doc *from = &f->merges.items[i];

        for (uint32_t k = 0; k < from->n; k++) {
            const struct doc_member *m = &from->members[k];
            int r;

            if (tree_find(&y->tree, m->key))
                continue;
            r = tree_key(&y->tree, m->key, y->err);
            if (r < 0)
                return r;
            tree_put(&y->tree, m->value);
        }
    }
    return 0;
}

static struct anchor *add_anchor(struct yaml_reader *y, const yaml_char_t *name)
{
    struct anchor *a;

    if (!name)
        return NULL;
    a = arena_new(y->tree.arena, struct anchor);
    (void)map_set(&y->anchors, str_from((const char *)name), a);
    return a;
}

static void finish_anchor(struct anchor *a, struct doc value, size_t n_nodes, unsigned height)
{
    if (a)
        *a = (struct anchor){.value = value, .n_nodes = n_nodes, .height = height, .done = true};
}

static bool is_merge_key(const yaml_event_t *e)
{
    const char *tag = (const char *)e->data.scalar.tag;

    return str_eqz(event_str(e->data.scalar.value, e->data.scalar.length), "<<") &&
           (e->data.scalar.plain_implicit || (tag && !strcmp(tag, "tag:yaml.org,2002:merge")));
}

/* True if the next node of the innermost container is a key. */
static bool at_key(struct yaml_reader *y)
{
    return innermost(y)->object && !innermost(y)->value_next;
}

static int on_key(struct yaml_reader *y, const struct doc *value)
{
    struct str key;
    int r = key_string(y, value, &key);

    if (r == 0)
        r = tree_key(&y->tree, key, y->err);
    innermost(y)->value_next = true;
    return r;
}

static int on_scalar(struct yaml_reader *y, const yaml_event_t *e)
{
    struct anchor *anchor = add_anchor(y, e->data.scalar.anchor);
    struct yaml_scalar s;
    struct doc value;
    int r;

    if (at_key(y) && is_merge_key(e)) {
        innermost(y)->value_next = innermost(y)->merge_next = true;
        return 0;
    }
    r = read_scalar(y, e, &s);
    if (r < 0)
        return r;
    if (at_key(y)) {
        finish_anchor(anchor, s.value, 1, 0);
        return on_key(y, &s.value);
    }
    r = json_value(y, &s, &value);
    if (r == 0)
        r = begin_value(y);
    if (r < 0)
        return r;
    finish_anchor(anchor, value, 1, 0);
    tree_put(&y->tree, value);
    return end_value(y, 0);
}

static int on_alias(struct yaml_reader *y, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    const struct anchor *a = map_find(&y->anchors, str_from(name));
    int r;

    if (!a)
        return err_new(y->err, ERR_PARSE, "yaml: unknown anchor '%s' referenced", name);
    if (!a->done)
        return err_new(y->err, ERR_PARSE, "yaml: anchor '%s' value contains itself", name);
    if (at_key(y))
        return on_key(y, &a->value);
    y->n_alias_nodes += a->n_nodes;
    y->tree.n_nodes += a->n_nodes;
    if (y->n_alias_nodes > ALIAS_NODES_MAX || y->tree.n_nodes > DOC_NODES_MAX)
        return err_new(y->err, ERR_TOO_LARGE, "document contains excessive aliasing");
    if (tree_depth(&y->tree) + a->height > DOC_DEPTH_MAX)
        return err_new(y->err, ERR_TOO_LARGE, "exceeded max depth");
    r = begin_value(y);
    if (r < 0)
        return r;
    tree_put(&y->tree, doc_clone(y->tree.arena, &a->value, false));
    return end_value(y, a->height);
}

static int on_open(struct yaml_reader *y, bool object, bool flow, const yaml_char_t *anchor)
{
    struct yaml_frame f = {.object = object, .flow = flow, .merges = doc_array()};
    int r;

    if (at_key(y))
        return err_new(y->err, ERR_PARSE, "yaml: invalid map key of type: %s",
                       object ? "object" : "array");
    if (flow && ++y->n_flow > FLOW_DEPTH_MAX)
        return err_new(y->err, ERR_TOO_LARGE, "exceeded max depth");
    r = begin_value(y);
    if (r == 0)
        r = tree_open(&y->tree, object, y->err);
    if (r < 0)
        return r;
    f.anchor = add_anchor(y, anchor);
    f.nodes_before = y->tree.n_nodes;
    vec_push(&y->frames, f);
    return 0;
}

static int on_close(struct yaml_reader *y)
{
    struct yaml_frame f = *innermost(y);
    int r = apply_merges(y, &f);

    if (r < 0)
        return r;
    tree_close(&y->tree);
    y->n_flow -= f.flow;
    y->frames.n--;
    finish_anchor(f.anchor, y->tree.slots.v[y->tree.slots.n - 1].value,
                  y->tree.n_nodes - f.nodes_before + 1, f.height + 1);
    return end_value(y, f.height + 1);
}

static int on_event(struct yaml_reader *y, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(y, e);
    case YAML_ALIAS_EVENT:
        return on_alias(y, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(y, false, e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
                       e->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return on_open(y, true, e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
                       e->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(y);
    default:
        return 0; /* begin of the stream or of a document */
    }
}

/* Errors of the limits come from the tree, without a prefix. */
static int prefixed(struct yaml_reader *y, int r)
{
    return r == ERR_TOO_LARGE ? err_wrap(y->err, r, "yaml") : r;
}

static void begin_document(struct yaml_reader *y, struct arena *a)
{
    size_t n_nodes = y->tree.n_nodes;

    tree_deinit(&y->tree);
    tree_init(&y->tree, a);
    y->tree.n_nodes = n_nodes; /* the limit is one of the whole text */
    map_deinit(&y->anchors);
    y->frames.n = 0;
    vec_push(&y->frames, ((struct yaml_frame){.object = false}));
}

/* Reads the next document; 1, or 0 at the end of the stream. */
static int next_document(struct yaml_reader *y, struct arena *a)
{
    bool any = false;

    begin_document(y, a);
    for (;;) {
        yaml_event_t e;
        yaml_event_type_t type;
        int r;

        if (!yaml_parser_parse(&y->parser, &e))
            return parser_error(y);
        type = e.type;
        r = on_event(y, &e);
        yaml_event_delete(&e);
        if (r < 0)
            return prefixed(y, r);
        any = any || type == YAML_DOCUMENT_START_EVENT;
        if (type == YAML_DOCUMENT_END_EVENT)
            return 1;
        if (type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT)
            return any;
    }
}

static void reader_init(struct yaml_reader *y, struct str text, struct err *err)
{
    *y = (struct yaml_reader){.err = err};
    if (!yaml_parser_initialize(&y->parser))
        abort();
    yaml_parser_set_input_string(&y->parser, (const unsigned char *)(text.p ? text.p : ""),
                                 text.len);
}

static void reader_deinit(struct yaml_reader *y)
{
    yaml_parser_delete(&y->parser);
    tree_deinit(&y->tree);
    vec_deinit(&y->frames);
    map_deinit(&y->anchors);
}

int yaml_parse(struct str text, struct arena *a, struct doc *ret_doc, struct json_dup **ret_dups,
               struct err *err)
{
    struct yaml_reader y;
    int r;

    reader_init(&y, text, err);
    r = next_document(&y, a);
    if (r >= 0) {
        *ret_doc = tree_root(&y.tree);
        if (ret_dups)
            *ret_dups = y.tree.dups;
        r = 0;
    }
    reader_deinit(&y);
    return r;
}

int yaml_parse_all(struct str text, struct arena *a, struct doc *ret_docs, struct err *err)
{
    struct doc docs = doc_array();
    struct yaml_reader y;
    int r;

    reader_init(&y, text, err);
    for (r = next_document(&y, a); r > 0; r = next_document(&y, a))
        if (tree_root(&y.tree).kind != DOC_NULL)
            (void)doc_append(a, &docs, tree_root(&y.tree));
    if (r == 0)
        *ret_docs = docs;
    reader_deinit(&y);
    return r;
}
