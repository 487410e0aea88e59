/* discovery.c - what this server serves: /api, /apis and below, in the old form (a document a
 * version) and the aggregated one (all at once), and the paths of "/".
 *
 * The documents are made from the tables for each request, which takes a fraction of a millisecond;
 * nothing is kept.
 */
#include "apiserver/documents.h"
#include "apiserver/respond.h"
#include "net/crypto.h"
#include "schema/typed.h"

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

int discovery_start(struct apiserver *as, struct err *err)
{
    return documents_start(as, err);
}

void discovery_free(struct apiserver *as)
{
    documents_free(as);
}

/* ---- parts ---- */

static struct string_list verbs_of(unsigned bits, struct arena *a)
{
    static const enum verb order[] = {VERB_CREATE, VERB_DELETE, VERB_DELETECOLLECTION, VERB_GET,
                                      VERB_LIST,   VERB_PATCH,  VERB_UPDATE,           VERB_WATCH};
    struct string_list list = {arena_calloc(a, VERB__N, sizeof(struct str)), 0};

    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (bits & VERB_BIT(order[i]))
            list.v[list.n++] = str_from(verb_names[order[i]]);
    return list;
}

static struct string_list words(const char *text, struct arena *a)
{
    struct str rest = str_from(text);
    struct string_list list = {0};

    if (str_empty(rest))
        return list;
    list.v = arena_calloc(a, strlen(text) / 2 + 1, sizeof(struct str));
    while (rest.len)
        list.v[list.n++] = str_cut(rest, ',', &rest);
    return list;
}

static bool in_version(const struct resource *r, struct str group, struct str version)
{
    return str_eqz(group, r->group) && str_eqz(version, r->version);
}

static int by_plural(const void *x, const void *y)
{
    return strcmp((*(const struct resource *const *)x)->plural,
                  (*(const struct resource *const *)y)->plural);
}

/* The resources of one version, by name. */
static const struct resource **resources_of(struct str group, struct str version, struct arena *a,
                                            size_t *ret_n)
{
    const struct resource **list = arena_calloc(a, api_n_resources + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < api_n_resources; i++)
        if (in_version(api_resources[i], group, version))
            list[n++] = api_resources[i];
    qsort(list, n, sizeof(*list), by_plural);
    *ret_n = n;
    return list;
}

static const struct api_group *find_group(struct str name)
{
    for (size_t i = 0; i < api_n_groups; i++)
        if (str_eqz(name, api_groups[i].name))
            return &api_groups[i];
    return NULL;
}

static struct str join_version(const char *group, const char *version, struct arena *a)
{
    return group[0] ? str_printf(a, "%s/%s", group, version) : str_from(version);
}

/* ---- the old form ---- */

static struct meta_api_group *group_doc(const struct api_group *g, struct arena *a)
{
    struct meta_api_group *doc = arena_new(a, struct meta_api_group);
    size_t n = 0;

    while (g->versions[n])
        n++;
    doc->name = str_from(g->name);
    doc->versions.v = arena_calloc(a, n, sizeof(*doc->versions.v));
    doc->versions.n = n;
    for (size_t i = 0; i < n; i++) {
        doc->versions.v[i].version = str_from(g->versions[i]);
        doc->versions.v[i].group_version = join_version(g->name, g->versions[i], a);
    }
    if (n)
        doc->preferred_version = doc->versions.v[0];
    return doc;
}

static void resource_entries(const struct resource *r, struct meta_api_resource *e, size_t *n,
                             struct arena *a)
{
    e[(*n)++] = (struct meta_api_resource){
        .name = str_from(r->plural),
        .singular_name = str_from(r->singular),
        .namespaced = resource_namespaced(r),
        .kind = str_from(r->kind),
        .verbs = verbs_of(r->verbs, a),
        .short_names = words(r->short_names, a),
        .categories = words(r->categories, a),
        .storage_version_hash = str_from(r->version_hash),
    };
    for (unsigned i = 0; i < r->n_subresources; i++) {
        const struct subresource *s = &r->subresources[i];
        bool foreign = strcmp(s->kind_group, r->group) != 0 ||
                       strcmp(s->kind_version, r->version) != 0;

        e[(*n)++] = (struct meta_api_resource){
            .name = str_printf(a, "%s/%s", r->plural, s->name),
            .singular_name = STR(""),
            .namespaced = resource_namespaced(r),
            .group = foreign ? str_from(s->kind_group) : STR_NULL,
            .version = foreign ? str_from(s->kind_version) : STR_NULL,
            .kind = str_from(s->kind),
            .verbs = verbs_of(s->verbs, a),
        };
    }
}

static int by_name(const void *x, const void *y)
{
    return str_cmp(((const struct meta_api_resource *)x)->name,
                   ((const struct meta_api_resource *)y)->name);
}

static enum stage_result answer_resources(struct request *rq, struct str group, struct str version)
{
    struct meta_api_resource_list doc = {0};
    size_t n = 0, n_entries = 0, max = 0;
    const struct resource **list = resources_of(group, version, rq->arena, &n);

    for (size_t i = 0; i < n; i++)
        max += 1u + list[i]->n_subresources;
    doc.resources.v = arena_calloc(rq->arena, max, sizeof(*doc.resources.v));
    for (size_t i = 0; i < n; i++)
        resource_entries(list[i], doc.resources.v, &n_entries, rq->arena);
    doc.resources.n = n_entries;
    qsort(doc.resources.v, n_entries, sizeof(*doc.resources.v), by_name);
    doc.group_version = group.len ? str_printf(rq->arena, "%.*s/%.*s", STR_ARG(group),
                                               STR_ARG(version))
                                  : version;
    return request_answer_typed(rq, 200, &type_meta_api_resource_list, &doc);
}

static enum stage_result not_found(struct request *rq)
{
    static const struct http_header nosniff = {STR_INIT("X-Content-Type-Options"),
                                               STR_INIT("nosniff")};

    vec_push(&rq->headers, nosniff);
    return request_answer_bytes(rq, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
}

static bool version_known(const struct api_group *g, struct str version)
{
    for (size_t i = 0; g && g->versions[i]; i++)
        if (str_eqz(version, g->versions[i]))
            return true;
    return false;
}

enum stage_result stage_api_resources(struct request *rq)
{
    struct str rest = str_sub(rq->path, 1, rq->path.len), group = STR(""), version = STR_NULL;
    struct str root = str_cut(rest, '/', &rest);
    const struct api_group *g;

    if (str_eqz(root, "apis"))
        group = str_cut(rest, '/', &rest);
    version = str_cut(rest, '/', &rest);
    g = find_group(group);
    if (!g || rest.len || (str_empty(group) && str_eqz(root, "apis")))
        return not_found(rq);
    if (str_empty(version) && group.len)
        return request_answer_typed(rq, 200, &type_meta_api_group, group_doc(g, rq->arena));
    if (!version_known(g, version))
        return not_found(rq);
    return answer_resources(rq, group, version);
}

/* ---- the aggregated form ---- */

static struct meta_group_version_kind *kind_of(const char *group, const char *version,
                                               const char *kind, const struct resource *r,
                                               struct arena *a)
{
    struct meta_group_version_kind *k = arena_new(a, struct meta_group_version_kind);
    bool foreign = strcmp(group, r->group) != 0 || strcmp(version, r->version) != 0;

    k->group = foreign ? str_from(group) : STR("");
    k->version = foreign ? str_from(version) : STR("");
    k->kind = str_from(kind);
    return k;
}

static int by_subresource(const void *x, const void *y)
{
    return str_cmp(((const struct apidiscovery_api_subresource_discovery *)x)->subresource,
                   ((const struct apidiscovery_api_subresource_discovery *)y)->subresource);
}

static void aggregate_resource(const struct resource *r,
                               struct apidiscovery_api_resource_discovery *d, struct arena *a)
{
    d->resource = str_from(r->plural);
    d->response_kind = kind_of(r->group, r->version, r->kind, r, a);
    d->scope = resource_namespaced(r) ? STR("Namespaced") : STR("Cluster");
    d->singular_resource = str_from(r->singular);
    d->verbs = verbs_of(r->verbs, a);
    d->short_names = words(r->short_names, a);
    d->categories = words(r->categories, a);
    d->subresources.n = r->n_subresources;
    d->subresources.v = arena_calloc(a, r->n_subresources, sizeof(*d->subresources.v));
    for (unsigned i = 0; i < r->n_subresources; i++) {
        const struct subresource *s = &r->subresources[i];

        d->subresources.v[i].subresource = str_from(s->name);
        d->subresources.v[i].response_kind = kind_of(s->kind_group, s->kind_version, s->kind, r, a);
        d->subresources.v[i].verbs = verbs_of(s->verbs, a);
    }
    qsort(d->subresources.v, d->subresources.n, sizeof(*d->subresources.v), by_subresource);
}

static void aggregate_group(const struct api_group *g, struct apidiscovery_api_group_discovery *d,
                            struct arena *a)
{
    size_t n_versions = 0, n;

    while (g->versions[n_versions])
        n_versions++;
    d->metadata.name = str_from(g->name);
    d->versions.n = n_versions;
    d->versions.v = arena_calloc(a, n_versions, sizeof(*d->versions.v));
    for (size_t i = 0; i < n_versions; i++) {
        struct apidiscovery_api_version_discovery *v = &d->versions.v[i];
        const struct resource **list =
            resources_of(str_from(g->name), str_from(g->versions[i]), a, &n);

        v->version = str_from(g->versions[i]);
        v->freshness = STR("Current");
        v->resources.n = n;
        v->resources.v = arena_calloc(a, n, sizeof(*v->resources.v));
        for (size_t k = 0; k < n; k++)
            aggregate_resource(list[k], &v->resources.v[k], a);
    }
}

/* Whether the first clause of Accept that this server can answer asks for the aggregated form. */
static bool wants_aggregated(const struct request *rq)
{
    struct str rest = http_header_find(rq->head, "accept");

    while (rest.len) {
        struct str clause = str_cut(rest, ',', &rest), params;
        struct str type = str_trim(str_cut(clause, ';', &params));
        bool as = str_find(params, STR("as=APIGroupDiscoveryList")) >= 0;

        if (!str_ieq(type, STR("application/json")) && !str_eqz(type, "*/*"))
            continue;
        if (as && str_find(params, STR("v=v2beta1")) < 0 && str_find(params, STR("v=v2")) >= 0)
            return true;
        if (str_find(params, STR("as=")) < 0)
            return false;
    }
    return false;
}

static enum stage_result answer_aggregated(struct request *rq, bool core)
{
    struct apidiscovery_api_group_discovery_list doc = {
        .kind = STR("APIGroupDiscoveryList"), .api_version = STR("apidiscovery.k8s.io/v2")};
    static const struct http_header cache = {STR_INIT("Cache-Control"), STR_INIT("public")};
    struct http_header etag = {STR("ETag"), STR_NULL};
    struct http_header vary = {STR("Vary"), STR("Accept")};
    auto_buf out = {0};

    doc.items.v = arena_calloc(rq->arena, api_n_groups, sizeof(*doc.items.v));
    for (size_t i = 0; i < api_n_groups; i++)
        if ((api_groups[i].name[0] == '\0') == core)
            aggregate_group(&api_groups[i], &doc.items.v[doc.items.n++], rq->arena);
    typed_write_json(&type_apidiscovery_api_group_discovery_list, &doc, &out);
    etag.value = document_etag(buf_view(&out), rq->arena);
    vec_push(&rq->headers, etag);
    vec_push(&rq->headers, vary);
    vec_push(&rq->headers, cache);
    if (document_unchanged(rq, etag.value)) {
        request_send(rq, 304, NULL, STR_NULL);
        return STAGE_DONE;
    }
    buf_putc(&out, '\n');
    return request_answer_bytes(rq, 200, AGGREGATED, buf_view(&out));
}

/* ---- entry points ---- */

enum stage_result stage_api_versions(struct request *rq)
{
    const struct apiserver_opts *o = &rq->as->opts;
    struct meta_server_address_by_client_cidr address = {.client_cidr = STR("0.0.0.0/0")};
    struct str v1 = STR("v1");
    struct meta_api_versions doc = {.versions = {&v1, 1},
                                    .server_address_by_client_cidrs = {&address, 1}};

    if (wants_aggregated(rq))
        return answer_aggregated(rq, true);
    address.server_address = str_printf(rq->arena, "%s:%u", o->advertise_address, o->secure_port);
    return request_answer_typed(rq, 200, &type_meta_api_versions, &doc);
}

enum stage_result stage_api_groups(struct request *rq)
{
    struct meta_api_group_list doc = {0};

    if (wants_aggregated(rq))
        return answer_aggregated(rq, false);
    doc.groups.v = arena_calloc(rq->arena, api_n_groups, sizeof(*doc.groups.v));
    for (size_t i = 0; i < api_n_groups; i++)
        if (api_groups[i].name[0])
            doc.groups.v[doc.groups.n++] = *group_doc(&api_groups[i], rq->arena);
    return request_answer_typed(rq, 200, &type_meta_api_group_list, &doc);
}

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

enum stage_result stage_root_paths(struct request *rq)
{
    struct arena *a = rq->arena;
    VEC(struct str) paths = {0};
    struct doc doc = doc_object(), list = doc_array();
    enum stage_result r;
    auto_buf out = {0};

    for (const struct endpoint *e = endpoints; e->path; e++)
        vec_push(&paths, str_from(e->path));
    for (size_t i = 0; i < api_n_groups; i++) {
        const struct api_group *g = &api_groups[i];

        if (g->name[0])
            vec_push(&paths, str_printf(a, "/apis/%s", g->name));
        for (size_t v = 0; g->versions[v]; v++)
            vec_push(&paths, g->name[0] ? str_printf(a, "/apis/%s/%s", g->name, g->versions[v])
                                        : str_printf(a, "/api/%s", g->versions[v]));
    }
    qsort(paths.v, paths.n, sizeof(*paths.v), by_text);
    for (size_t i = 0; i < paths.n; i++)
        if (!str_eqz(paths.v[i], "/") && (i == 0 || !str_eq(paths.v[i], paths.v[i - 1])))
            (void)doc_append(a, &list, doc_string(paths.v[i]));
    vec_deinit(&paths);
    (void)doc_set(a, &doc, STR("paths"), list);
    json_write_pretty(&out, &doc);
    r = request_answer_bytes(rq, 200, "application/json", buf_view(&out));
    return r;
}
