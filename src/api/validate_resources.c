/* SPDX-License-Identifier: Apache-2.0 */
/* validate_resources.c - names and amounts of resources. Layer: api. */
#include "api/map_fill.h"
#include "api/validate.h"
#include "schema/format.h"

static const char *const counted[] = {"pods",
                                      "services",
                                      "replicationcontrollers",
                                      "resourcequotas",
                                      "secrets",
                                      "configmaps",
                                      "persistentvolumeclaims",
                                      "services.nodeports",
                                      "services.loadbalancers",
                                      NULL};
static const char *const measured[] = {"cpu",
                                       "memory",
                                       "ephemeral-storage",
                                       "requests.cpu",
                                       "requests.memory",
                                       "requests.storage",
                                       "requests.ephemeral-storage",
                                       "limits.cpu",
                                       "limits.memory",
                                       "limits.ephemeral-storage",
                                       NULL};
static const char *const of_containers[] = {"cpu", "memory", "ephemeral-storage", NULL};

static bool is_huge(struct str name)
{
    return str_has_prefix(name, STR("hugepages-"));
}

static bool is_native(struct str name)
{
    return str_find_char(name, '/') < 0 || str_find(name, STR("kubernetes.io/")) >= 0;
}

bool resource_of_quotas(struct str name)
{
    return one_of(name, counted) || one_of(name, measured);
}

static bool is_standard(struct str name)
{
    return resource_of_quotas(name) || str_eqz(name, "storage");
}

bool resource_is_extended(struct str name)
{
    return !is_native(name) && !str_has_prefix(name, STR("requests."));
}

bool resource_overcommits(struct str name)
{
    return is_native(name) && !is_huge(name);
}

void check_container_resource_name(struct field_errors *errs, const struct path *p, struct str name)
{
    const char *why = format_qualified_name(name);

    if (why) {
        check_why(errs, p, name, why);
    } else if (str_find_char(name, '/') < 0) {
        if (!is_standard(name) && !is_huge(name))
            check_why(errs, p, name, "must be a standard resource type or fully qualified");
        if (!one_of(name, of_containers) && !is_huge(name))
            check_why(errs, p, name, "must be a standard resource for containers");
    } else if (!is_native(name) && !resource_is_extended(name)) {
        check_why(errs, p, name, "doesn't follow extended resource name standard");
    }
}

static struct doc quantity_doc(struct field_errors *errs, struct quantity q)
{
    return doc_string(quantity_str(errs->arena, q));
}

void check_quantity(struct field_errors *errs, const struct path *p, struct str name,
                    struct quantity q)
{
    if (quantity_sign(q) < 0)
        err_invalid(errs, p, quantity_doc(errs, q), MUST_BE_NONNEG);
    if ((one_of(name, counted) || resource_is_extended(name)) && !quantity_is_integer(q))
        err_invalid(errs, p, quantity_doc(errs, q), "must be an integer");
}

/* "hugepages-2Mi": amounts are whole pages. */
static void check_pages(struct field_errors *errs, const struct path *p, struct str name,
                        struct quantity q)
{
    struct quantity page;

    if (!is_huge(name) ||
        quantity_parse(str_sub(name, strlen("hugepages-"), name.len), &page, NULL) < 0)
        return;
    if (quantity_value(page) > 0 && quantity_value(q) % quantity_value(page) != 0)
        err_invalid(errs, p, quantity_doc(errs, q), "must be a multiple of the page size %.*s",
                    STR_ARG(quantity_str(errs->arena, page)));
}

static void check_amounts(struct field_errors *errs, const struct path *at,
                          const struct quantity_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct path *p = AT_KEY(at, m->v[i].key);

        check_container_resource_name(errs, p, m->v[i].key);
        check_quantity(errs, p, m->v[i].key, m->v[i].value);
        check_pages(errs, p, m->v[i].key, m->v[i].value);
    }
}

static void check_against_limit(struct field_errors *errs, const struct path *at,
                                const struct quantity_pair *request, struct quantity limit)
{
    bool shared = resource_overcommits(request->key);
    int c = quantity_cmp(request->value, limit);
    struct str text;

    if (!limit.set) {
        if (!shared)
            err_required(errs, AT(at, "limits"),
                         "Limit must be set for non overcommitable resources");
        return;
    }
    if (c == 0 || (shared && c < 0))
        return;
    text = quantity_str(errs->arena, limit);
    err_invalid(errs, AT(at, "requests"), quantity_doc(errs, request->value),
                shared ? "must be less than or equal to %.*s limit of %.*s"
                       : "must be equal to %.*s limit of %.*s",
                STR_ARG(request->key), STR_ARG(text));
}

static bool has_huge(const struct quantity_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (is_huge(m->v[i].key))
            return true;
    }
    return false;
}

static bool has_computing(const struct quantity_map *m)
{
    return quantity_map_get(m, STR("cpu")).set || quantity_map_get(m, STR("memory")).set;
}

void check_container_resources(struct field_errors *errs, const struct path *at,
                               const struct core_resource_requirements *r)
{
    check_amounts(errs, AT(at, "limits"), &r->limits);
    check_amounts(errs, AT(at, "requests"), &r->requests);
    for (size_t i = 0; i < r->requests.n; i++)
        check_against_limit(errs, at, &r->requests.v[i],
                            quantity_map_find(&r->limits, r->requests.v[i].key));
    if ((has_huge(&r->limits) || has_huge(&r->requests)) && !has_computing(&r->limits) &&
        !has_computing(&r->requests))
        err_forbidden(errs, at, "HugePages require cpu or memory");
}
