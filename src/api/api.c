/* api.c - lookups in the generated tables. Layer: api. */
#include "api/api.h"

static bool same_version(const struct resource *r, struct str group, struct str version)
{
    return str_eqz(group, r->group) && str_eqz(version, r->version);
}

const struct resource *api_find(struct str group, struct str version, struct str plural)
{
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *r = api_resources[i];

        if (str_eqz(plural, r->plural) && same_version(r, group, version))
            return r;
    }
    return NULL;
}

const struct resource *api_find_kind(struct str group, struct str version, struct str kind)
{
    for (size_t i = 0; i < api_n_resources; i++) {
        const struct resource *r = api_resources[i];

        if (str_eqz(kind, r->kind) && same_version(r, group, version))
            return r;
    }
    return NULL;
}

static int type_cmp(const struct type *t, struct str group, struct str version, struct str kind)
{
    int c = str_cmp(str_from(t->group), group);

    if (c == 0)
        c = str_cmp(str_from(t->version), version);
    return c != 0 ? c : str_cmp(str_from(t->name), kind);
}

static const struct type *find_type(struct str group, struct str version, struct str kind)
{
    size_t lo = 0, hi = api_n_types;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = type_cmp(api_types[mid], group, version, kind);

        if (c == 0)
            return api_types[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Status and its like are "v1"; the option types are of every group and version. */
static bool shared_in(struct str group, struct str kind)
{
    return str_empty(group) || str_eqz(group, "meta.k8s.io") ||
           str_has_suffix(kind, STR("Options"));
}

const struct type *api_find_type(struct str group, struct str version, struct str kind)
{
    const struct type *t = find_type(group, version, kind);

    if (!t && shared_in(group, kind))
        t = find_type(STR("meta.k8s.io"), STR("v1"), kind);
    return t && t->flags & TYPE_KIND ? t : NULL;
}

void api_split_version(struct str api_version, struct str *ret_group, struct str *ret_version)
{
    long slash = str_find_char(api_version, '/');

    if (slash < 0) {
        *ret_group = STR("");
        *ret_version = api_version;
        return;
    }
    *ret_group = str_sub(api_version, 0, (size_t)slash);
    *ret_version = str_sub(api_version, (size_t)slash + 1, api_version.len);
}
