/* openapi_paths.c - path items: what requests the API takes, from the resources' tables.
 *
 * Parameters that all operations of a path share stand at the path; some have a place of their own
 * in the document and are referred to. dryRun and fieldValidation always stand in the operation
 * itself where clients look for them.
 *
 * Layer: schema.
 */
#include "schema/openapi_internal.h"

enum form {                  /* of a path */
            FORM_ALL,        /* the resource in all namespaces */
            FORM_COLLECTION, /* in one namespace, or of the cluster */
            FORM_NAMED,
            FORM_SUB,
            FORM_SUB_REST, /* what follows a proxied name */
            FORM_WATCH_ALL,
            FORM_WATCH_COLLECTION,
            FORM_WATCH_NAMED,
            FORM_CORE_VERSIONS, /* /api/ */
            FORM_GROUPS,        /* /apis/ */
            FORM_GROUP,         /* /apis/apps/ */
            FORM_RESOURCES,     /* /apis/apps/v1/ */
            FORM_VERSION_INFO,  /* /version/ */
};

/* Every parameter, in the order of names. */
#define PARAMS(X)                                                                                  \
    X(ALLOW_WATCH_BOOKMARKS, "allowWatchBookmarks", "HC2hJt-J", "boolean",                         \
      "Asks a watch for events of type BOOKMARK.")                                                 \
    X(CONTINUE, "continue", "QfD61s0i", "string", "Continues a list where the last one ended.")    \
    X(DRY_RUN, "dryRun", NULL, "string", "All: does everything but store the result.")             \
    X(FIELD_MANAGER, "fieldManager", "Qy4HdaTW", "string", "Who makes the change.")                \
    X(FIELD_MANAGER_PATCH, "fieldManager", "7c6nTn1T", "string",                                   \
      "Who makes the change; required for apply.")                                                 \
    X(FIELD_SELECTOR, "fieldSelector", "xIcQKXFG", "string", "Restricts by fields.")               \
    X(FIELD_VALIDATION, "fieldValidation", NULL, "string",                                         \
      "What becomes of unknown and duplicate fields: Ignore, Warn or Strict.")                     \
    X(FORCE, "force", "tOGGb0Yi", "boolean", "Takes fields over from other managers on apply.")    \
    X(GRACE_PERIOD, "gracePeriodSeconds", "-K5HaBOS", "integer", "Seconds before the deletion.")   \
    X(IGNORE_READ_ERROR, "ignoreStoreReadErrorWithClusterBreakingPotential", "QbNkfIqj",           \
      "boolean", "Deletes an object that cannot be read.")                                         \
    X(LABEL_SELECTOR, "labelSelector", "5Zw57w4C", "string", "Restricts by labels.")               \
    X(LIMIT, "limit", "1NfNmdNH", "integer", "The most items in one answer.")                      \
    X(NAME, "name", NULL, "string", "The name of the object.")                                     \
    X(NAMESPACE, "namespace", "vgWSWtn3", "string", "The namespace of the object.")                \
    X(ORPHAN, "orphanDependents", "uRB25kX5", "boolean", "Deprecated: see propagationPolicy.")     \
    X(PATH, "path", "z6Ciiujn", "string", "The path behind the proxy.")                            \
    X(PRETTY, "pretty", "tJGM1-ng", "string", "true: indented output.")                            \
    X(PROPAGATION, "propagationPolicy", "6jk3prlO", "string",                                      \
      "What becomes of dependents: Orphan, Background or Foreground.")                             \
    X(RESOURCE_VERSION, "resourceVersion", "5WAnf1kx", "string", "How fresh the answer must be.")  \
    X(RESOURCE_VERSION_MATCH, "resourceVersionMatch", "t8XhRHeC", "string",                        \
      "How resourceVersion is meant: Exact or NotOlderThan.")                                      \
    X(SEND_INITIAL_EVENTS, "sendInitialEvents", "rLXlEK_k", "boolean",                             \
      "Begins a watch with the state as events.")                                                  \
    X(TIMEOUT, "timeoutSeconds", "yvYezaOC", "integer", "How long the call may last.")             \
    X(WATCH, "watch", "XNNPZGbK", "boolean", "Answers with changes as they happen.")

enum param {
#define X(id, name, ref, type, doc) PARAM_##id,
    PARAMS(X)
#undef X
        PARAM__N
};
static const struct {
    const char *name, *ref, *type, *doc;
} params[PARAM__N] = {
#define X(id, name, ref, type, doc) [PARAM_##id] = {name, ref, type, doc},
    PARAMS(X)
#undef X
};
#define P(id) (1u << PARAM_##id)
#define PARAMS_READ_LIST                                                                           \
    (P(CONTINUE) | P(FIELD_SELECTOR) | P(LABEL_SELECTOR) | P(LIMIT) | P(RESOURCE_VERSION) |        \
     P(RESOURCE_VERSION_MATCH) | P(SEND_INITIAL_EVENTS) | P(TIMEOUT))
#define PARAMS_LIST  (PARAMS_READ_LIST | P(ALLOW_WATCH_BOOKMARKS) | P(WATCH))
#define PARAMS_WRITE (P(DRY_RUN) | P(FIELD_MANAGER) | P(FIELD_VALIDATION))
#define PARAMS_DELETE                                                                              \
    (P(DRY_RUN) | P(GRACE_PERIOD) | P(IGNORE_READ_ERROR) | P(ORPHAN) | P(PROPAGATION))

enum body { BODY_NONE, BODY_OBJECT, BODY_OPTIONS, BODY_PATCH };
enum media { MEDIA_OBJECT, MEDIA_STREAMED, MEDIA_TEXT, MEDIA_ANY };
struct operation {
    const char *method, *action;
    struct str id;
    uint32_t params; /* P() bits */
    enum body body;
    enum media media;
    struct str body_name, answer; /* definitions; answer empty: a string */
    bool creates, accepts;        /* may answer 201, 202 */
    const char *gvk[3];           /* group, version, kind */
};
struct item { /* a path item being made */
    struct writer *w;
    struct arena *arena;
    const struct resource *res;
    const struct path_entry *entry;
    VEC(struct operation) operations;
    const struct type *query; /* the options of a stream, as parameters of the path */
};

static void put(struct item *it, struct doc *d, const char *key, struct doc v)
{
    (void)doc_add(it->arena, d, str_from(key), v);
}

static void put_text(struct item *it, struct doc *d, const char *key, const char *text)
{
    put(it, d, key, doc_string(str_from(text)));
}

/* "rbac.authorization.k8s.io" as RbacAuthorization; the core group as Core. */
static struct str group_word(const struct resource *r, bool capital, struct arena *a)
{
    struct str rest = r->group[0] ? str_from(r->group) : STR("core");
    auto_buf out = {0};
    bool upper = capital;

    if (str_has_suffix(rest, STR(".k8s.io")))
        rest.len -= strlen(".k8s.io");
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.p[i];

        if (c == '.' || c == '-') {
            upper = true;
            continue;
        }
        buf_putc(&out, upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        upper = false;
    }
    return str_dup(a, buf_view(&out));
}

static struct str capital(struct arena *a, const char *word)
{
    char *copy = arena_strdup(a, word);

    if (copy[0] >= 'a' && copy[0] <= 'z')
        copy[0] = (char)(copy[0] - 'a' + 'A');
    return str_from(copy);
}

/* <verb><Group><Version><what><Kind><suffix>. */
static struct str operation_id(struct item *it, const char *verb, const char *what,
                               const char *suffix)
{
    const struct resource *r = it->res;
    struct str group = group_word(r, true, it->arena), version = capital(it->arena, r->version);

    return str_printf(it->arena, "%s%.*s%.*s%s%s%s", verb, STR_ARG(group), STR_ARG(version), what,
                      r->kind, suffix);
}

static const char *scope_word(const struct item *it)
{
    return resource_namespaced(it->res) ? "Namespaced" : "";
}

static uint32_t scope_params(const struct item *it, bool named)
{
    return (resource_namespaced(it->res) ? P(NAMESPACE) : 0) | (named ? P(NAME) : 0) | P(PRETTY);
}

static const struct type *find(const struct item *it, const char *group, const char *version,
                               const char *kind)
{
    return it->w->src->find_type(str_from(group), str_from(version), str_from(kind));
}

static struct str need(struct item *it, const struct type *t)
{
    if (!t)
        return STR_NULL;
    openapi_need_type(it->w, t);
    return openapi_name(t, it->arena);
}

static struct str need_meta(struct item *it, const char *kind)
{
    return need(it, find(it, "meta.k8s.io", "v1", kind));
}

static struct str need_special(struct item *it, enum special s)
{
    openapi_need_special(it->w, s);
    return openapi_special_name(s);
}

static struct operation *add_operation(struct item *it, struct operation op)
{
    if (!op.gvk[2] && it->res) {
        op.gvk[0] = it->res->group;
        op.gvk[1] = it->res->version;
        op.gvk[2] = it->res->kind;
    }
    vec_push(&it->operations, op);
    return &it->operations.v[it->operations.n - 1];
}

static bool has(const struct item *it, enum verb v)
{
    return it->res->verbs & VERB_BIT(v);
}

static void add_list(struct item *it, const char *scope, const char *suffix, uint32_t scoped)
{
    add_operation(it, (struct operation){.method = "get",
                                         .action = "list",
                                         .id = operation_id(it, "list", scope, suffix),
                                         .params = PARAMS_LIST | scoped,
                                         .media = MEDIA_STREAMED,
                                         .answer = openapi_need_list(it->w, it->res)});
}

static void add_watch(struct item *it, const char *action, const char *scope, const char *suffix,
                      uint32_t scoped)
{
    add_operation(it, (struct operation){.method = "get",
                                         .action = action,
                                         .id = operation_id(it, "watch", scope, suffix),
                                         .params = PARAMS_LIST | scoped,
                                         .media = MEDIA_STREAMED,
                                         .answer = need_special(it, SPECIAL_WATCH_EVENT)});
}

static void collection_operations(struct item *it)
{
    uint32_t scoped = scope_params(it, false);
    struct str name = need(it, it->res->type);
    struct arena *a = it->arena;

    if (has(it, VERB_DELETECOLLECTION))
        add_operation(it,
                      (struct operation){
                          .method = "delete",
                          .action = "deletecollection",
                          .id = operation_id(it, "delete",
                                             arena_printf(a, "Collection%s", scope_word(it)), ""),
                          .params = PARAMS_READ_LIST | PARAMS_DELETE | scoped,
                          .body = BODY_OPTIONS,
                          .body_name = need_meta(it, "DeleteOptions"),
                          .answer = need_meta(it, "Status")});
    if (has(it, VERB_LIST))
        add_list(it, scope_word(it), "", scoped);
    if (has(it, VERB_CREATE))
        add_operation(it, (struct operation){.method = "post",
                                             .action = "post",
                                             .id = operation_id(it, "create", scope_word(it), ""),
                                             .params = PARAMS_WRITE | scoped,
                                             .body = BODY_OBJECT,
                                             .body_name = name,
                                             .answer = name,
                                             .creates = true,
                                             .accepts = true});
}

/* get, put and patch of an object or of a part of it. */
static void add_object_operation(struct item *it, enum verb v, const char *suffix,
                                 struct str body_name, struct str answer, const char *const gvk[3])
{
    static const struct {
        const char *method, *word;
        enum body body;
        uint32_t params;
    } forms[VERB__N] = {
        [VERB_GET] = {"get", "read", BODY_NONE, 0},
        [VERB_UPDATE] = {"put", "replace", BODY_OBJECT, PARAMS_WRITE},
        [VERB_PATCH] = {"patch", "patch", BODY_PATCH,
                        P(DRY_RUN) | P(FIELD_MANAGER_PATCH) | P(FIELD_VALIDATION) | P(FORCE)},
        [VERB_CREATE] = {"post", "create", BODY_OBJECT, PARAMS_WRITE},
    };

    add_operation(it,
                  (struct operation){.method = forms[v].method,
                                     .action = forms[v].method,
                                     .id = operation_id(it, forms[v].word, scope_word(it), suffix),
                                     .params = forms[v].params | scope_params(it, true),
                                     .body = forms[v].body,
                                     .body_name = v == VERB_PATCH ? need_special(it, SPECIAL_PATCH)
                                                                  : body_name,
                                     .answer = answer,
                                     .creates = v != VERB_GET,
                                     .accepts = v == VERB_CREATE,
                                     .gvk = {gvk[0], gvk[1], gvk[2]}});
}

static void named_operations(struct item *it)
{
    static const enum verb verbs[] = {VERB_GET, VERB_PATCH, VERB_UPDATE};
    const char *gvk[3] = {it->res->group, it->res->version, it->res->kind};
    struct str name = need(it, it->res->type);
    bool returns = it->res->flags & RESOURCE_RETURNS_DELETED;

    if (has(it, VERB_DELETE))
        add_operation(it, (struct operation){.method = "delete",
                                             .action = "delete",
                                             .id = operation_id(it, "delete", scope_word(it), ""),
                                             .params = PARAMS_DELETE | scope_params(it, true),
                                             .body = BODY_OPTIONS,
                                             .body_name = need_meta(it, "DeleteOptions"),
                                             .answer = returns ? name : need_meta(it, "Status"),
                                             .accepts = true});
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (has(it, verbs[i]))
            add_object_operation(it, verbs[i], "", name, name, gvk);
}

/* Streams take any method that their verbs allow and tell their options in the query. */
static void stream_operations(struct item *it, bool rest)
{
    static const char *const proxied[] = {"delete", "get",  "head", "options",
                                          "patch",  "post", "put"};
    static const char *const plain[] = {"get", "post"};
    const struct subresource *s = it->entry->sub;
    bool proxy = s->verbs & VERB_BIT(VERB_DELETE);
    size_t n = proxy ? ARRAY_LEN(proxied) : ARRAY_LEN(plain);
    struct str sub = capital(it->arena, s->name);

    it->query = find(it, s->kind_group, s->kind_version, s->kind);
    for (size_t i = 0; i < n; i++) {
        const char *method = proxy ? proxied[i] : plain[i];
        const char *what =
            arena_printf(it->arena, "%s%s", capital(it->arena, method).p, scope_word(it));
        const char *suffix =
            arena_printf(it->arena, "%.*s%s", STR_ARG(sub), rest ? "WithPath" : "");
        uint32_t scoped = scope_params(it, true) & ~P(PRETTY);

        add_operation(it, (struct operation){.method = method,
                                             .action = "connect",
                                             .id = operation_id(it, "connect", what, suffix),
                                             .params = scoped | (rest ? P(PATH) : 0),
                                             .media = MEDIA_ANY,
                                             .gvk = {s->kind_group, s->kind_version, s->kind}});
    }
}

static void sub_operations(struct item *it)
{
    static const enum verb verbs[] = {VERB_GET, VERB_PATCH, VERB_CREATE, VERB_UPDATE};
    const struct subresource *s = it->entry->sub;
    const char *gvk[3] = {s->kind_group, s->kind_version, s->kind};
    const char *suffix = capital(it->arena, s->name).p;
    const struct type *answer = find(it, s->kind_group, s->kind_version, s->kind);
    struct str name, answer_name;

    if (!s->type && strcmp(s->kind, it->res->kind) == 0) { /* a text of the object: its log */
        it->query = find(it, s->kind_group, s->kind_version,
                         arena_printf(it->arena, "%s%sOptions", s->kind, suffix));
        add_object_operation(it, VERB_GET, suffix, STR_NULL, STR_NULL, gvk);
        it->operations.v[it->operations.n - 1].media = MEDIA_TEXT;
        return;
    }
    if (!s->type) {
        stream_operations(it, false);
        return;
    }
    name = need(it, s->type);
    answer_name = need(it, answer ? answer : s->type);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (s->verbs & VERB_BIT(verbs[i]))
            add_object_operation(it, verbs[i], suffix, name, answer_name, gvk);
}

static void discovery_operation(struct item *it)
{
    struct str group = it->res ? group_word(it->res, true, it->arena) : STR_NULL;
    struct str version = it->res ? capital(it->arena, it->res->version) : STR_NULL;
    struct operation op = {.method = "get"};

    switch ((enum form)it->entry->form) {
    case FORM_CORE_VERSIONS:
        op.id = STR("getCoreAPIVersions");
        op.answer = need_meta(it, "APIVersions");
        break;
    case FORM_GROUPS:
        op.id = STR("getAPIVersions");
        op.answer = need_meta(it, "APIGroupList");
        break;
    case FORM_GROUP:
        op.id = str_printf(it->arena, "get%.*sAPIGroup", STR_ARG(group));
        op.answer = need_meta(it, "APIGroup");
        break;
    case FORM_RESOURCES:
        op.id = str_printf(it->arena, "get%.*s%.*sAPIResources", STR_ARG(group), STR_ARG(version));
        op.answer = need_meta(it, "APIResourceList");
        break;
    default:
        op.id = STR("getCodeVersion");
        op.answer = need_special(it, SPECIAL_VERSION_INFO);
        break;
    }
    vec_push(&it->operations, op);
}

static void make_operations(struct item *it)
{
    switch ((enum form)it->entry->form) {
    case FORM_ALL:
        add_list(it, "", "ForAllNamespaces", P(PRETTY));
        return;
    case FORM_COLLECTION:
        collection_operations(it);
        return;
    case FORM_NAMED:
        named_operations(it);
        return;
    case FORM_SUB:
        sub_operations(it);
        return;
    case FORM_SUB_REST:
        stream_operations(it, true);
        return;
    case FORM_WATCH_ALL:
        add_watch(it, "watchlist", "", "ListForAllNamespaces", P(PRETTY));
        return;
    case FORM_WATCH_COLLECTION:
        add_watch(it, "watchlist", scope_word(it), "List", scope_params(it, false));
        return;
    case FORM_WATCH_NAMED:
        add_watch(it, "watch", scope_word(it), "", scope_params(it, true));
        return;
    default:
        discovery_operation(it);
        return;
    }
}

/* One parameter in full: with its type beside it, or in version 3 with its schema. */
static struct doc param_doc(struct arena *a, enum openapi_version version, const char *name,
                            const char *in, const char *type, const char *text)
{
    struct doc d = doc_object(), schema = doc_object(), *typed = &d;

    if (text && text[0])
        (void)doc_add(a, &d, STR("description"), doc_string(str_from(text)));
    (void)doc_add(a, &d, STR("in"), doc_string(str_from(in)));
    (void)doc_add(a, &d, STR("name"), doc_string(str_from(name)));
    if (strcmp(in, "path") == 0)
        (void)doc_add(a, &d, STR("required"), doc_bool(true));
    if (version == OPENAPI_V3)
        typed = &schema;
    (void)doc_add(a, typed, STR("type"), doc_string(str_from(type)));
    (void)doc_add(a, typed, STR("uniqueItems"), doc_bool(true));
    if (version == OPENAPI_V3)
        (void)doc_add(a, &d, STR("schema"), schema);
    return d;
}

static const char *param_in(enum param p)
{
    return p == PARAM_NAME || p == PARAM_NAMESPACE || p == PARAM_PATH ? "path" : "query";
}

static struct str param_ref(struct arena *a, enum param p)
{
    return str_printf(a, "%s-%s", params[p].name, params[p].ref);
}

struct doc openapi_parameters(struct arena *a)
{
    struct doc all = doc_object();

    for (unsigned p = 0; p < PARAM__N; p++)
        if (params[p].ref)
            (void)doc_add(a, &all, param_ref(a, p),
                          param_doc(a, OPENAPI_V2, params[p].name, param_in(p), params[p].type,
                                    params[p].doc));
    return all;
}

static void add_params(struct item *it, uint32_t set, struct doc *list)
{
    struct arena *a = it->arena;

    for (unsigned p = 0; p < PARAM__N; p++) {
        struct doc d = doc_object();

        if (!(set & (1u << p)))
            continue;
        if (params[p].ref && it->w->version == OPENAPI_V2)
            put(it, &d, "$ref",
                doc_string(str_printf(a, "#/parameters/%.*s", STR_ARG(param_ref(a, p)))));
        else
            d = param_doc(a, it->w->version, params[p].name, param_in(p), params[p].type,
                          params[p].doc);
        (void)doc_append(a, list, d);
    }
}

static const char *query_type(const struct field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_BOOL:
        return "boolean";
    case FIELD_INT32:
    case FIELD_INT64:
        return "integer";
    default:
        return "string";
    }
}

static void add_query(struct item *it, struct doc *list)
{
    const struct type *t = it->query;

    for (unsigned i = 0; t && i < t->n_fields; i++) {
        const struct field *f = &t->fields[t->by_name[i]];

        if (!(f->flags & FIELD_TYPE_META) && strcmp(f->name.p, "sinceTime") != 0)
            (void)doc_append(
                it->arena, list,
                param_doc(it->arena, it->w->version, f->name.p, "query", query_type(f), f->doc));
    }
}

static struct doc strings(struct item *it, const char *const *texts)
{
    struct doc list = doc_array();

    for (; *texts; texts++)
        (void)doc_append(it->arena, &list, doc_string(str_from(*texts)));
    return list;
}

static bool builtin(const struct item *it)
{
    return !it->res || openapi_builtin_group(it->res->group);
}

/* The media types of an answer. */
static const char *const *produces(const struct item *it, const struct operation *op)
{
    static const char *const object[] = {"application/json", "application/yaml",
                                         "application/vnd.kubernetes.protobuf", NULL};
    static const char *const streamed[] = {"application/json",
                                           "application/yaml",
                                           "application/vnd.kubernetes.protobuf",
                                           "application/json;stream=watch",
                                           "application/vnd.kubernetes.protobuf;stream=watch",
                                           NULL};
    static const char *const text[] = {"text/plain", "application/json", "application/yaml",
                                       "application/vnd.kubernetes.protobuf", NULL};
    static const char *const any[] = {"*/*", NULL};
    static const char *const json[] = {"application/json", NULL};
    static const char *const custom[] = {"application/json", "application/yaml", NULL};

    if (it->entry->form == FORM_VERSION_INFO)
        return json;
    if (!builtin(it))
        return custom;
    if (op->media == MEDIA_ANY)
        return any;
    if (op->media == MEDIA_TEXT)
        return text;
    return op->media == MEDIA_STREAMED ? streamed : object;
}

static const char *const *consumes(const struct item *it, const struct operation *op)
{
    static const char *const any[] = {"*/*", NULL};
    static const char *const patches[] = {
        "application/json-patch+json", "application/merge-patch+json",
        "application/strategic-merge-patch+json", "application/apply-patch+yaml", NULL};
    static const char *const custom_patches[] = {"application/json-patch+json",
                                                 "application/merge-patch+json",
                                                 "application/apply-patch+yaml", NULL};

    if (op->body == BODY_PATCH)
        return builtin(it) ? patches : custom_patches;
    return op->action ? any : produces(it, op);
}

static struct doc answer_schema(struct item *it, const struct operation *op)
{
    struct doc d = doc_object();

    if (op->answer.p)
        return openapi_ref(it->w, it->arena, op->answer);
    put_text(it, &d, "type", "string");
    return d;
}

/* {"<media type>": {"schema": ...}, ...} of version 3. */
static struct doc content(struct item *it, const char *const *media, struct doc schema)
{
    struct doc d = doc_object();

    for (; *media; media++) {
        struct doc one = doc_object();

        put(it, &one, "schema", doc_clone(it->arena, &schema, false));
        put(it, &d, *media, one);
    }
    return d;
}

static struct doc response(struct item *it, const struct operation *op, const char *text)
{
    struct doc d = doc_object();

    put_text(it, &d, "description", text);
    if (!op)
        return d;
    if (it->w->version == OPENAPI_V2)
        put(it, &d, "schema", answer_schema(it, op));
    else
        put(it, &d, "content", content(it, produces(it, op), answer_schema(it, op)));
    return d;
}

static struct doc responses(struct item *it, const struct operation *op)
{
    struct doc d = doc_object();

    put(it, &d, "200", response(it, op, "OK"));
    if (op->creates)
        put(it, &d, "201", response(it, op, "Created"));
    if (op->accepts)
        put(it, &d, "202", response(it, op, "Accepted"));
    put(it, &d, "401", response(it, NULL, "Unauthorized"));
    return d;
}

static void put_body(struct item *it, const struct operation *op, struct doc *d, struct doc *list)
{
    static const char *const any[] = {"*/*", NULL};
    struct doc body = doc_object(), schema = openapi_ref(it->w, it->arena, op->body_name);
    bool required = op->body != BODY_OPTIONS;

    if (it->w->version == OPENAPI_V3) {
        put(it, &body, "content",
            content(it, op->body == BODY_PATCH ? consumes(it, op) : any, schema));
        if (required)
            put(it, &body, "required", doc_bool(true));
        put(it, d, "requestBody", body);
        return;
    }
    put_text(it, &body, "in", "body");
    put_text(it, &body, "name", "body");
    if (required)
        put(it, &body, "required", doc_bool(true));
    put(it, &body, "schema", schema);
    (void)doc_append(it->arena, list, body);
}

static struct doc tags(struct item *it)
{
    struct doc list = doc_array();
    struct str group, tag;

    switch ((enum form)it->entry->form) {
    case FORM_CORE_VERSIONS:
        tag = STR("core");
        break;
    case FORM_GROUPS:
        tag = STR("apis");
        break;
    case FORM_VERSION_INFO:
        tag = STR("version");
        break;
    default:
        group = group_word(it->res, false, it->arena);
        tag = it->entry->form == FORM_GROUP
                  ? group
                  : str_printf(it->arena, "%.*s_%s", STR_ARG(group), it->res->version);
    }
    (void)doc_append(it->arena, &list, doc_string(tag));
    return list;
}

static void put_kind(struct item *it, const struct operation *op, struct doc *d)
{
    static const char *const keys[] = {"group", "version", "kind"};
    struct doc gvk = doc_object();

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        put_text(it, &gvk, keys[i], op->gvk[i]);
    put_text(it, d, "x-kubernetes-action", op->action);
    put(it, d, "x-kubernetes-group-version-kind", gvk);
}

static struct doc operation_doc(struct item *it, const struct operation *op, uint32_t shared)
{
    static const char *const https[] = {"https", NULL};
    struct doc d = doc_object(), list = doc_array();
    bool v2 = it->w->version == OPENAPI_V2;

    if (v2)
        put(it, &d, "consumes", strings(it, consumes(it, op)));
    put(it, &d, "operationId", doc_string(op->id));
    if (op->body != BODY_NONE)
        put_body(it, op, &d, &list);
    add_params(it, op->params & ~shared, &list);
    if (list.n)
        put(it, &d, "parameters", list);
    if (v2)
        put(it, &d, "produces", strings(it, produces(it, op)));
    put(it, &d, "responses", responses(it, op));
    if (v2)
        put(it, &d, "schemes", strings(it, https));
    put(it, &d, "tags", tags(it));
    if (op->action)
        put_kind(it, op, &d);
    return d;
}

struct doc openapi_path_item(struct writer *w, const struct path_entry *e, struct arena *a)
{
    struct item it = {.w = w, .arena = a, .res = e->res, .entry = e};
    struct doc d = doc_object(), list = doc_array();
    uint32_t shared = UINT32_MAX;

    make_operations(&it);
    for (size_t i = 0; i < it.operations.n; i++)
        shared &= it.operations.v[i].params;
    for (size_t i = 0; i < it.operations.n; i++)
        put(&it, &d, it.operations.v[i].method, operation_doc(&it, &it.operations.v[i], shared));
    add_params(&it, shared, &list);
    add_query(&it, &list);
    if (list.n)
        put(&it, &d, "parameters", list);
    vec_deinit(&it.operations);
    return d;
}

static int cmp_entries(const void *x, const void *y)
{
    const struct path_entry *ex = x, *ey = y;

    return str_cmp(ex->path, ey->path);
}

static void add_path(struct path_list *l, struct str path, const struct resource *r,
                     const struct subresource *sub, enum form form)
{
    vec_push(&l->v, ((struct path_entry){path, r, sub, (uint8_t)form}));
}

/* The paths of @r below @base: those of requests, or those of the old form of watches. */
static void add_resource(struct path_list *l, struct arena *a, const struct resource *r,
                         const char *base, bool watch)
{
    const char *in = resource_namespaced(r) ? "namespaces/{namespace}/" : "";
    struct str all = str_printf(a, "%s/%s", base, r->plural);
    struct str collection = str_printf(a, "%s/%s%s", base, in, r->plural);
    struct str named = str_printf(a, "%.*s/{name}", STR_ARG(collection));
    const uint16_t of_objects =
        VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH) | VERB_BIT(VERB_DELETE);

    if (resource_namespaced(r) && (r->verbs & VERB_BIT(VERB_LIST)))
        add_path(l, all, r, NULL, watch ? FORM_WATCH_ALL : FORM_ALL);
    if (r->verbs & (VERB_BIT(VERB_LIST) | VERB_BIT(VERB_CREATE) | VERB_BIT(VERB_DELETECOLLECTION)))
        add_path(l, collection, r, NULL, watch ? FORM_WATCH_COLLECTION : FORM_COLLECTION);
    if (r->verbs & of_objects)
        add_path(l, named, r, NULL, watch ? FORM_WATCH_NAMED : FORM_NAMED);
    for (unsigned i = 0; !watch && i < r->n_subresources; i++) {
        const struct subresource *s = &r->subresources[i];
        struct str path = str_printf(a, "%.*s/%s", STR_ARG(named), s->name);

        add_path(l, path, r, s, FORM_SUB);
        if (!s->type && (s->verbs & VERB_BIT(VERB_DELETE)))
            add_path(l, str_printf(a, "%.*s/{path}", STR_ARG(path)), r, s, FORM_SUB_REST);
    }
}

static void add_once(struct path_list *l, struct map *seen, struct str path,
                     const struct resource *r, enum form form)
{
    if (!map_set(seen, path, l))
        add_path(l, path, r, NULL, form);
}

void openapi_paths(const struct openapi_source *src, struct arena *a, struct path_list *l)
{
    struct map seen = {0};

    add_once(l, &seen, STR("/api/"), NULL, FORM_CORE_VERSIONS);
    add_once(l, &seen, STR("/apis/"), NULL, FORM_GROUPS);
    add_once(l, &seen, STR("/version/"), NULL, FORM_VERSION_INFO);
    for (size_t i = 0; i < src->n; i++) {
        const struct resource *r = src->resources[i];
        const char *base = r->group[0] ? arena_printf(a, "/apis/%s/%s", r->group, r->version)
                                       : arena_printf(a, "/api/%s", r->version);

        add_resource(l, a, r, base, false);
        if ((r->verbs & VERB_BIT(VERB_WATCH)) && openapi_builtin_group(r->group))
            add_resource(l, a, r, arena_printf(a, "%s/watch", base), true);
        add_once(l, &seen, str_printf(a, "%s/", base), r, FORM_RESOURCES);
        if (r->group[0])
            add_once(l, &seen, str_printf(a, "/apis/%s/", r->group), r, FORM_GROUP);
    }
    map_deinit(&seen);
    qsort(l->v.v, l->v.n, sizeof(*l->v.v), cmp_entries);
}
