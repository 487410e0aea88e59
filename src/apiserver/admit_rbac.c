/* SPDX-License-Identifier: Apache-2.0 */
/* admit_rbac.c - no escalation by roles and bindings: who writes them has the rights they give, or
 * the verbs escalate or bind. */
#include "apiserver/admit.h"
#include "apiserver/rbac.h"
#include "schema/typed.h"

#define RBAC_GROUP STR("rbac.authorization.k8s.io")

static bool is_master(const struct user_info *u)
{
    for (size_t i = 0; i < u->groups.n; i++)
        if (str_eqz(u->groups.v[i], "system:masters"))
            return true;
    return false;
}

static bool may(struct request *rq, const char *verb, const char *resource, struct str ns,
                struct str name)
{
    struct authz_attributes at = {.user = &rq->user,
                                  .verb = str_from(verb),
                                  .api_group = RBAC_GROUP,
                                  .resource = str_from(resource),
                                  .ns = ns,
                                  .name = name,
                                  .is_resource = true};

    return authorize(rq->as, rq->arena, &at, NULL);
}

static bool same_target(const struct rbac_policy_rule *x, const struct rbac_policy_rule *y)
{
    return x->resources.n == 1 && y->resources.n == 1 && x->resource_names.n == 0 &&
           y->resource_names.n == 0 && str_eq(x->resources.v[0], y->resources.v[0]) &&
           str_eq(x->api_groups.v[0], y->api_groups.v[0]);
}

/* Rules about the same resource, one a verb, become one rule. */
static void compact(struct rbac_rules *l, struct arena *a)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        struct rbac_policy_rule *into = NULL;

        for (size_t j = 0; j < n && !into; j++)
            if (same_target(l->v[j], l->v[i]))
                into = (struct rbac_policy_rule *)(uintptr_t)l->v[j];
        if (!into) {
            l->v[n++] = l->v[i];
            continue;
        }
        into->verbs.v =
            arena_grow(a, into->verbs.v, into->verbs.n, into->verbs.n + 1, sizeof(*into->verbs.v));
        into->verbs.v[into->verbs.n++] = l->v[i]->verbs.v[0];
    }
    l->n = n;
}

static int text_cmp(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static enum stage_result refuse(struct request *rq, struct rbac_rules *missing)
{
    auto_buf t = {0};
    struct str *lines = arena_calloc(rq->arena, missing->n + 1, sizeof(*lines));

    compact(missing, rq->arena);
    for (size_t i = 0; i < missing->n; i++) {
        auto_buf line = {0};

        rbac_rule_write(missing->v[i], &line);
        lines[i] = str_dup(rq->arena, buf_view(&line));
    }
    qsort(lines, missing->n, sizeof(*lines), text_cmp);
    buf_puts(&t, "user ");
    json_go_quote(&t, rq->user.name);
    buf_puts(&t, " (groups=[");
    for (size_t i = 0; i < rq->user.groups.n; i++) {
        if (i > 0)
            buf_putc(&t, ' ');
        json_go_quote(&t, rq->user.groups.v[i]);
    }
    buf_puts(&t, "]) is attempting to grant RBAC permissions not currently held:");
    for (size_t i = 0; i < missing->n; i++) {
        buf_putc(&t, '\n');
        buf_str(&t, lines[i]);
    }
    return admit_forbid(rq, "%s", buf_cstr(&t));
}

static enum stage_result confirm(struct request *rq, const struct rbac_state *s, struct str ns,
                                 const struct rbac_rules *wanted)
{
    struct rbac_rules have = rbac_rules_of(s, rq->arena, &rq->user, ns), missing = {0};

    for (size_t i = 0; i < wanted->n; i++)
        rbac_uncovered(&have, wanted->v[i], rq->arena, &missing);
    return missing.n > 0 ? refuse(rq, &missing) : STAGE_NEXT;
}

static struct rbac_rules list_of(struct arena *a, const struct rbac_policy_rule *v, size_t n)
{
    struct rbac_rules l = {.v = arena_calloc(a, n + 1, sizeof(*l.v)), .n = n, .cap = n + 1};

    for (size_t i = 0; i < n; i++)
        l.v[i] = &v[i];
    return l;
}

/* A role that takes its rules from others may come to give everything. */
static struct rbac_rules everything(struct arena *a)
{
    static struct str star[] = {STR_INIT("*")};
    struct rbac_policy_rule *v = arena_calloc(a, 2, sizeof(*v));
    struct string_list all = {star, 1};

    v[0] = (struct rbac_policy_rule){.verbs = all, .api_groups = all, .resources = all};
    v[1] = (struct rbac_policy_rule){.verbs = all, .non_resource_urls = all};
    return list_of(a, v, 2);
}

static enum stage_result check_role(struct request *rq, const struct rbac_state *s)
{
    bool cluster = rq->res == &res_rbac_clusterroles;
    const struct rbac_cluster_role *c = cluster ? rq->obj : NULL;
    const struct rbac_role *role = cluster ? NULL : rq->obj;
    struct str name = cluster ? c->metadata.name : role->metadata.name;
    struct rbac_rules rules, all;
    enum stage_result r;

    if (may(rq, "escalate", rq->res->plural, rq->ns, name))
        return STAGE_NEXT;
    if (!cluster) {
        const struct rbac_role *old = rq->old_typed;
        struct rbac_role copy = *role;

        if (old) {
            copy.metadata = old->metadata;
            if (typed_equal(&type_rbac_role, &copy, old))
                return STAGE_NEXT;
        }
        rules = list_of(rq->arena, role->rules.v, role->rules.n);
        return confirm(rq, s, rq->ns, &rules);
    }
    if (rq->old_typed) {
        const struct rbac_cluster_role *old = rq->old_typed;
        struct rbac_cluster_role copy = *c;

        copy.metadata = old->metadata;
        if (typed_equal(&type_rbac_cluster_role, &copy, old))
            return STAGE_NEXT;
    }
    rules = list_of(rq->arena, c->rules.v, c->rules.n);
    r = confirm(rq, s, STR(""), &rules);
    if (r != STAGE_NEXT || !c->aggregation_rule ||
        c->aggregation_rule->cluster_role_selectors.n == 0)
        return r;
    all = everything(rq->arena);
    return confirm(rq, s, STR(""), &all);
}

/* True if old and new binding say the same but for metadata. */
static bool binding_unchanged(const struct request *rq)
{
    if (!rq->old_typed)
        return false;
    if (rq->res == &res_rbac_rolebindings) {
        const struct rbac_role_binding *old = rq->old_typed;
        struct rbac_role_binding copy = *(const struct rbac_role_binding *)rq->obj;

        copy.metadata = old->metadata;
        return typed_equal(&type_rbac_role_binding, &copy, old);
    } else {
        const struct rbac_cluster_role_binding *old = rq->old_typed;
        struct rbac_cluster_role_binding copy = *(const struct rbac_cluster_role_binding *)rq->obj;

        copy.metadata = old->metadata;
        return typed_equal(&type_rbac_cluster_role_binding, &copy, old);
    }
}

static enum stage_result check_binding(struct request *rq, const struct rbac_state *s)
{
    const struct rbac_role_ref *ref =
        rq->res == &res_rbac_rolebindings
            ? &((const struct rbac_role_binding *)rq->obj)->role_ref
            : &((const struct rbac_cluster_role_binding *)rq->obj)->role_ref;
    bool cluster = str_eqz(ref->kind, "ClusterRole");
    struct rbac_rules rules;

    if (binding_unchanged(rq) ||
        may(rq, "bind", cluster ? "clusterroles" : "roles", rq->ns, ref->name))
        return STAGE_NEXT;
    if (!rbac_role_rules(s, ref, rq->ns, rq->arena, &rules))
        return request_fail_object(
            rq, ERR_NOT_FOUND, cluster ? &res_rbac_clusterroles : &res_rbac_roles, ref->name, NULL);
    return confirm(rq, s, rq->ns, &rules);
}

enum stage_result admit_rbac(struct request *rq)
{
    bool role = admit_is(rq, &res_rbac_roles) || admit_is(rq, &res_rbac_clusterroles);
    bool binding =
        admit_is(rq, &res_rbac_rolebindings) || admit_is(rq, &res_rbac_clusterrolebindings);
    struct rbac_state *s;
    enum stage_result r;

    if ((!role && !binding) || is_master(&rq->user))
        return STAGE_NEXT;
    s = rbac_state_get(rq->as->rbac);
    r = role ? check_role(rq, s) : check_binding(rq, s);
    rbac_state_unref(s);
    return r;
}
