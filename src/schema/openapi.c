/* openapi.c - the documents as a whole. Layer: schema. */
#include "schema/openapi.h"
#include "codec/json.h"
#include "schema/openapi_internal.h"

static void writer_deinit(struct writer *w)
{
    map_deinit(&w->seen);
    vec_deinit(&w->definitions);
    arena_deinit(&w->names);
}

static int cmp_definitions(const void *x, const void *y)
{
    const struct definition *dx = x, *dy = y;

    return str_cmp(dx->name, dy->name);
}

static void sort_definitions(struct writer *w)
{
    if (w->definitions.n)
        qsort(w->definitions.v, w->definitions.n, sizeof(*w->definitions.v), cmp_definitions);
}

static void write_member(struct buf *out, bool *first, struct str key, const struct doc *value)
{
    if (!*first)
        buf_putc(out, ',');
    *first = false;
    json_write_string(out, key);
    buf_putc(out, ':');
    json_write(out, value);
}

/* The key of the document that @path stands in: "apis/apps/v1" of "/apis/apps/v1/deployments"; a
 * path that is of no resource has a document of its own. */
static struct str document_of(struct str path)
{
    struct str key = str_sub(path, 1, SIZE_MAX), at = key;
    unsigned n = str_has_prefix(key, STR("apis/")) ? 3 : str_has_prefix(key, STR("api/")) ? 2 : 0;

    for (unsigned i = 0; i < n; i++)
        (void)str_cut(at, '/', &at);
    if (n && at.p)
        key.len = (size_t)(at.p - key.p);
    while (key.len && key.p[key.len - 1] == '/')
        key.len--;
    return key;
}

static bool in_document(struct str path, struct str key)
{
    return str_eq(document_of(path), key);
}

/* Appends the members of "paths" that belong to the document @key (NULL: all). */
static void write_paths(struct writer *w, const struct path_list *l, struct str key,
                        struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < l->v.n; i++) {
        auto_arena a = {0};
        struct doc item;

        if (key.p && !in_document(l->v.v[i].path, key))
            continue;
        item = openapi_path_item(w, &l->v.v[i], &a);
        write_member(out, &first, l->v.v[i].path, &item);
    }
}

static void write_definitions(struct writer *w, struct buf *out)
{
    bool first = true;

    sort_definitions(w);
    for (size_t i = 0; i < w->definitions.n; i++) {
        auto_arena a = {0};
        struct doc schema = openapi_schema(w, &w->definitions.v[i], &a);

        write_member(out, &first, w->definitions.v[i].name, &schema);
    }
}

#define INFO "\"info\":{\"title\":\"Kubernetes\",\"version\":\"unversioned\"}"
#define SECURITY                                                                                   \
    "\"security\":[{\"BearerToken\":[]}],\"securityDefinitions\":{\"BearerToken\":{"               \
    "\"description\":\"Bearer Token "                                                              \
    "authentication\",\"in\":\"header\",\"name\":\"authorization\","                               \
    "\"type\":\"apiKey\"}}"

void openapi_v2(const struct openapi_source *src, struct buf *out)
{
    struct writer w = {.src = src, .version = OPENAPI_V2};
    struct path_list paths = {0};
    auto_arena a = {0};
    auto_buf text = {0};
    struct doc parameters;

    openapi_paths(src, &w.names, &paths);
    write_paths(&w, &paths, STR_NULL, &text);
    buf_puts(out, "{\"definitions\":{");
    write_definitions(&w, out);
    buf_puts(out, "}," INFO ",\"parameters\":");
    parameters = openapi_parameters(&a);
    json_write(out, &parameters);
    buf_puts(out, ",\"paths\":{");
    buf_str(out, buf_view(&text));
    buf_puts(out, "}," SECURITY ",\"swagger\":\"2.0\"}");
    vec_deinit(&paths.v);
    writer_deinit(&w);
}

void openapi_v2_pb(const struct openapi_source *src, struct buf *out)
{
    static const char head_json[] = "{" INFO "," SECURITY ",\"swagger\":\"2.0\"}";
    struct writer w = {.src = src, .version = OPENAPI_V2};
    struct path_list paths = {0};
    auto_arena a = {0};
    auto_buf path_bytes = {0};
    auto_buf definition_bytes = {0};
    struct doc head = doc_object();

    openapi_paths(src, &w.names, &paths);
    for (size_t i = 0; i < paths.v.n; i++) {
        auto_arena one = {0};
        struct doc item = openapi_path_item(&w, &paths.v.v[i], &one);

        openapi_pb_path(&path_bytes, paths.v.v[i].path, &item);
    }
    sort_definitions(&w);
    for (size_t i = 0; i < w.definitions.n; i++) {
        auto_arena one = {0};
        struct doc schema = openapi_schema(&w, &w.definitions.v[i], &one);

        openapi_pb_schema(&definition_bytes, w.definitions.v[i].name, &schema);
    }
    if (json_parse(str_from(head_json), &a, &head, NULL, NULL) == 0) /* our own text: it parses */
        (void)doc_add(&a, &head, STR("parameters"), openapi_parameters(&a));
    openapi_pb_document(out, &head, buf_view(&path_bytes), buf_view(&definition_bytes));
    vec_deinit(&paths.v);
    writer_deinit(&w);
}

static int cmp_strs(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

struct string_list openapi_v3_keys(const struct openapi_source *src, struct arena *a)
{
    struct path_list paths = {0};
    struct string_list keys = {0};
    size_t n;

    openapi_paths(src, a, &paths);
    keys.v = arena_calloc(a, paths.v.n, sizeof(*keys.v));
    for (size_t i = 0; i < paths.v.n; i++)
        keys.v[keys.n++] = document_of(paths.v.v[i].path);
    vec_deinit(&paths.v);
    qsort(keys.v, keys.n, sizeof(*keys.v), cmp_strs);
    n = keys.n;
    keys.n = 0;
    for (size_t i = 0; i < n; i++)
        if (!keys.n || !str_eq(keys.v[keys.n - 1], keys.v[i]))
            keys.v[keys.n++] = keys.v[i];
    return keys;
}

bool openapi_v3(const struct openapi_source *src, struct str key, struct buf *out)
{
    struct writer w = {.src = src, .version = OPENAPI_V3};
    struct path_list paths = {0};
    auto_buf text = {0};

    openapi_paths(src, &w.names, &paths);
    write_paths(&w, &paths, key, &text);
    if (text.len) {
        buf_puts(out, "{\"components\":{\"schemas\":{");
        write_definitions(&w, out);
        buf_puts(out, "},\"securitySchemes\":{\"BearerToken\":{\"description\":\"Bearer Token "
                      "authentication\",\"in\":\"header\",\"name\":\"authorization\",\"type\":"
                      "\"apiKey\"}}}," INFO ",\"openapi\":\"3.0.0\",\"paths\":{");
        buf_str(out, buf_view(&text));
        buf_puts(out, "},\"security\":[{\"BearerToken\":[]}]}");
    }
    vec_deinit(&paths.v);
    writer_deinit(&w);
    return text.len > 0;
}
