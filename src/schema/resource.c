/* resource.c - names and keys of resources. Layer: schema. */
#include "schema/resource.h"

const char *const verb_names[VERB__N] = {
    [VERB_GET] = "get",
    [VERB_LIST] = "list",
    [VERB_WATCH] = "watch",
    [VERB_CREATE] = "create",
    [VERB_UPDATE] = "update",
    [VERB_PATCH] = "patch",
    [VERB_DELETE] = "delete",
    [VERB_DELETECOLLECTION] = "deletecollection",
};

const struct subresource *resource_subresource(const struct resource *r, struct str name)
{
    for (unsigned i = 0; i < r->n_subresources; i++)
        if (str_eqz(name, r->subresources[i].name))
            return &r->subresources[i];
    return NULL;
}

struct str resource_qualified(const struct resource *r, struct arena *a)
{
    if (!r->group[0])
        return str_from(r->plural);
    return str_printf(a, "%s.%s", r->plural, r->group);
}

struct str resource_api_version(const struct resource *r, struct arena *a)
{
    if (!r->group[0])
        return str_from(r->version);
    return str_printf(a, "%s/%s", r->group, r->version);
}

struct str resource_key(const struct resource *r, struct str ns, struct str name, struct arena *a)
{
    size_t prefix_len = strlen(r->store_prefix), len = prefix_len + name.len, at = prefix_len;
    char *p;

    if (ns.len)
        len += ns.len + 1;
    p = arena_alloc(a, len + 1); /* zeroed: ends in NUL */
    memcpy(p, r->store_prefix, prefix_len);
    if (ns.len) {
        memcpy(p + at, ns.p, ns.len);
        at += ns.len;
        p[at++] = '/';
    }
    if (name.len)
        memcpy(p + at, name.p, name.len);
    return (struct str){p, len};
}
