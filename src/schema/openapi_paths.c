/* openapi_paths.c - path items: what requests the API takes, from the resources' tables.
 *
 * Parameters that all operations of a path share stand at the path; some have a place of their own
 * in the document and are referred to. dryRun and fieldValidation always stand in the operation
 * itself where clients look for them.
 *
 * Layer: schema.
 */
#include "schema/openapi_internal.h"
#include "schema/openapi_params.h"

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

    switch (it->entry->form) {
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
    case FORM_OPENID_CONFIG:
        op.id = STR("getServiceAccountIssuerOpenIDConfiguration");
        break;
    case FORM_OPENID_KEYS:
        op.id = STR("getServiceAccountIssuerOpenIDKeyset");
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
    switch (it->entry->form) {
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
    static const char *const keys[] = {"application/jwk-set+json", NULL};
    static const char *const custom[] = {"application/json", "application/yaml", NULL};

    if (it->entry->form == FORM_OPENID_KEYS)
        return keys;
    if (it->entry->form == FORM_VERSION_INFO || it->entry->form == FORM_OPENID_CONFIG)
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

    switch (it->entry->form) {
    case FORM_CORE_VERSIONS:
        tag = STR("core");
        break;
    case FORM_GROUPS:
        tag = STR("apis");
        break;
    case FORM_VERSION_INFO:
        tag = STR("version");
        break;
    case FORM_OPENID_CONFIG:
        tag = STR("WellKnown");
        break;
    case FORM_OPENID_KEYS:
        tag = STR("openid");
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
    bool text = it->entry->form == FORM_OPENID_CONFIG || it->entry->form == FORM_OPENID_KEYS;

    if (v2 && !text)
        put(it, &d, "consumes", strings(it, consumes(it, op)));
    put(it, &d, "operationId", doc_string(op->id));
    if (op->body != BODY_NONE)
        put_body(it, op, &d, &list);
    openapi_add_params(it->w->version, op->params & ~shared, it->arena, &list);
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
    uint32_t shared;

    make_operations(&it);
    shared = it.operations.n ? UINT32_MAX : 0;
    for (size_t i = 0; i < it.operations.n; i++)
        shared &= it.operations.v[i].params;
    for (size_t i = 0; i < it.operations.n; i++)
        put(&it, &d, it.operations.v[i].method, operation_doc(&it, &it.operations.v[i], shared));
    openapi_add_params(w->version, shared, a, &list);
    openapi_add_query(w->version, it.query, a, &list);
    if (list.n)
        put(&it, &d, "parameters", list);
    vec_deinit(&it.operations);
    return d;
}
