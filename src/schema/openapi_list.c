/* openapi_list.c - which paths the API has. Layer: schema. */
#include "schema/openapi_internal.h"

static int cmp_entries(const void *x, const void *y)
{
    const struct path_entry *ex = x, *ey = y;

    return str_cmp(ex->path, ey->path);
}

static void add_path(struct path_list *l, struct str path, const struct resource *r,
                     const struct subresource *sub, enum form form)
{
    vec_push(&l->v, ((struct path_entry){path, r, sub, form}));
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
    add_once(l, &seen, STR("/.well-known/openid-configuration/"), NULL, FORM_OPENID_CONFIG);
    add_once(l, &seen, STR("/openid/v1/jwks/"), NULL, FORM_OPENID_KEYS);
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
