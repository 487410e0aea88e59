/* SPDX-License-Identifier: Apache-2.0 */
/* validate_rbac.c - how roles and bindings are checked. Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"

#define GROUP "rbac.authorization.k8s.io"

static const char *const groups[] = {GROUP, NULL};

static void check_rule(struct field_errors *errs, const struct path *p,
                       const struct rbac_policy_rule *r, bool namespaced)
{
    if (!r->verbs.n)
        err_required(errs, AT(p, "verbs"), "verbs must contain at least one value");
    if (r->non_resource_urls.n) {
        struct doc urls = strings_doc(&r->non_resource_urls, errs->arena);

        if (namespaced)
            err_invalid(errs, AT(p, "nonResourceURLs"), urls,
                        "namespaced rules cannot apply to non-resource URLs");
        if (r->api_groups.n || r->resources.n || r->resource_names.n)
            err_invalid(errs, AT(p, "nonResourceURLs"), urls,
                        "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!r->api_groups.n)
        err_required(errs, AT(p, "apiGroups"), "resource rules must supply at least one api group");
    if (!r->resources.n)
        err_required(errs, AT(p, "resources"), "resource rules must supply at least one resource");
}

static void validate_role(const void *obj, const void *old, struct field_errors *errs)
{
    const struct rbac_role *r = obj;

    (void)old;
    for (size_t i = 0; i < r->rules.n; i++)
        check_rule(errs, AT_INDEX(AT(NULL, "rules"), i), &r->rules.v[i], true);
}

static void validate_clusterrole(const void *obj, const void *old, struct field_errors *errs)
{
    const struct rbac_cluster_role *r = obj;
    const struct path *p = AT(AT(NULL, "aggregationRule"), "clusterRoleSelectors");

    (void)old;
    for (size_t i = 0; i < r->rules.n; i++)
        check_rule(errs, AT_INDEX(AT(NULL, "rules"), i), &r->rules.v[i], false);
    if (!r->aggregation_rule)
        return;
    if (!r->aggregation_rule->cluster_role_selectors.n)
        err_required(errs, p,
                     "at least one clusterRoleSelector required if aggregationRule is non-nil");
    for (size_t i = 0; i < r->aggregation_rule->cluster_role_selectors.n; i++)
        check_selector(errs, AT_INDEX(p, i), &r->aggregation_rule->cluster_role_selectors.v[i]);
}

static void check_subject(struct field_errors *errs, const struct path *p,
                          const struct rbac_subject *s, bool namespaced)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    static const char *const no_group[] = {"", NULL};

    check_given(errs, AT(p, "name"), s->name);
    if (str_eqz(s->kind, "ServiceAccount")) {
        check_if_set(errs, AT(p, "name"), s->name, format_dns_subdomain);
        check_one_of(errs, AT(p, "apiGroup"), s->api_group, no_group);
        if (!namespaced)
            check_given(errs, AT(p, "namespace"), s->namespace);
    } else if (str_eqz(s->kind, "User") || str_eqz(s->kind, "Group")) {
        check_one_of(errs, AT(p, "apiGroup"), s->api_group, groups);
    } else {
        err_not_supported(errs, AT(p, "kind"), s->kind, kinds);
    }
}

/* The reference in the form in which errors show it. */
static struct doc role_ref_doc(const struct rbac_role_ref *r, struct arena *a)
{
    struct doc d = doc_object();

    doc_add(a, &d, STR("APIGroup"), doc_string(r->api_group));
    doc_add(a, &d, STR("Kind"), doc_string(r->kind));
    doc_add(a, &d, STR("Name"), doc_string(r->name));
    return d;
}

static bool same_role(const struct rbac_role_ref *x, const struct rbac_role_ref *y)
{
    return str_eq(x->api_group, y->api_group) && str_eq(x->kind, y->kind) &&
           str_eq(x->name, y->name);
}

static void check_role_ref(struct field_errors *errs, const struct rbac_role_ref *r,
                           const char *const *kinds)
{
    const struct path *p = AT(NULL, "roleRef");

    check_one_of(errs, AT(p, "apiGroup"), r->api_group, groups);
    check_one_of(errs, AT(p, "kind"), r->kind, kinds);
    check_named(errs, AT(p, "name"), r->name, format_path_segment);
}

static void check_role_change(struct field_errors *errs, const struct rbac_role_ref *r,
                              const struct rbac_role_ref *old)
{
    if (!same_role(r, old))
        err_invalid(errs, AT(NULL, "roleRef"), role_ref_doc(r, errs->arena),
                    "cannot change roleRef");
}

static void validate_rolebinding(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const kinds[] = {"ClusterRole", "Role", NULL};
    const struct rbac_role_binding *b = obj;

    check_role_ref(errs, &b->role_ref, kinds);
    for (size_t i = 0; i < b->subjects.n; i++)
        check_subject(errs, AT_INDEX(AT(NULL, "subjects"), i), &b->subjects.v[i], true);
    if (old)
        check_role_change(errs, &b->role_ref, &((const struct rbac_role_binding *)old)->role_ref);
}

static void validate_clusterrolebinding(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const kinds[] = {"ClusterRole", NULL};
    const struct rbac_cluster_role_binding *b = obj;

    check_role_ref(errs, &b->role_ref, kinds);
    for (size_t i = 0; i < b->subjects.n; i++)
        check_subject(errs, AT_INDEX(AT(NULL, "subjects"), i), &b->subjects.v[i], false);
    if (old)
        check_role_change(errs, &b->role_ref,
                          &((const struct rbac_cluster_role_binding *)old)->role_ref);
}

const struct strategy strategy_roles = {
    .validate = validate_role,
    .name_format = "path-segment",
};
const struct strategy strategy_clusterroles = {
    .validate = validate_clusterrole,
    .name_format = "path-segment",
};
const struct strategy strategy_rolebindings = {
    .validate = validate_rolebinding,
    .name_format = "path-segment",
};
const struct strategy strategy_clusterrolebindings = {
    .validate = validate_clusterrolebinding,
    .name_format = "path-segment",
};
