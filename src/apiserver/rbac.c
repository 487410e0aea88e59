/* SPDX-License-Identifier: Apache-2.0 */
/* rbac.c - the evaluator of roles and bindings. See rbac.h. */
#include "apiserver/rbac.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/vec.h"

enum { KIND_ROLE, KIND_CLUSTER_ROLE, KIND_BINDING, KIND_CLUSTER_BINDING, KIND__N };

struct bound { /* a subject's place in a binding */
    const struct bound *next;
    const struct object *binding;
    const struct rbac_role_ref *ref;
    const struct rbac_subject *subject;
    const struct object *role; /* NULL: there is none of that name */
};
struct bound_list {
    struct bound *first, *last;
};
struct rbac_state {
    struct ref ref;
    struct snapshot *snapshots[KIND__N];
    struct arena arena;
    struct map subjects; /* "<ns>/u<user>" or "<ns>/g<group>" -> struct bound_list */
};
struct rbac {
    struct cache *caches[KIND__N];
    struct cell *state;
};

static const struct resource *const kinds[KIND__N] = {
    [KIND_ROLE] = &res_rbac_roles,
    [KIND_CLUSTER_ROLE] = &res_rbac_clusterroles,
    [KIND_BINDING] = &res_rbac_rolebindings,
    [KIND_CLUSTER_BINDING] = &res_rbac_clusterrolebindings,
};

static void state_ref(void *p)
{
    ref_get(&((struct rbac_state *)p)->ref);
}

static void state_unref(void *p)
{
    struct rbac_state *s = p;

    if (!ref_put(&s->ref))
        return;
    for (unsigned i = 0; i < KIND__N; i++)
        s->snapshots[i] = snapshot_unref(s->snapshots[i]);
    map_deinit(&s->subjects);
    arena_deinit(&s->arena);
    free(s);
}

struct rbac *rbac_new(struct store *st)
{
    struct rbac *r = xnew(struct rbac);

    for (unsigned i = 0; i < KIND__N; i++)
        r->caches[i] = store_cache(st, kinds[i]);
    r->state = cell_new(state_ref, state_unref);
    return r;
}

struct rbac *rbac_delete(struct rbac *r)
{
    if (!r)
        return NULL;
    r->state = cell_free(r->state);
    free(r);
    return NULL;
}

struct rbac_state *rbac_state_unref(struct rbac_state *s)
{
    if (s)
        state_unref(s);
    return NULL;
}

static const struct object *find_role(const struct rbac_state *s, const struct rbac_role_ref *ref,
                                      struct str ns, struct arena *a)
{
    bool cluster = str_eqz(ref->kind, "ClusterRole");
    unsigned kind = cluster ? KIND_CLUSTER_ROLE : KIND_ROLE;

    if (str_empty(ref->name) || (!cluster && str_empty(ns)))
        return NULL;
    return omap_find(&s->snapshots[kind]->objects,
                     resource_key(kinds[kind], cluster ? STR("") : ns, ref->name, a));
}

/* The user or group that @subject means, as a key; STR_NULL for what is neither. */
static struct str subject_key(const struct rbac_subject *subject, struct str ns, struct arena *a)
{
    if (str_eqz(subject->kind, "User"))
        return str_printf(a, "%.*s/u%.*s", STR_ARG(ns), STR_ARG(subject->name));
    if (str_eqz(subject->kind, "Group"))
        return str_printf(a, "%.*s/g%.*s", STR_ARG(ns), STR_ARG(subject->name));
    if (str_eqz(subject->kind, "ServiceAccount")) {
        struct str of = str_empty(subject->namespace) ? ns : subject->namespace;

        if (str_empty(of))
            return STR_NULL;
        return str_printf(a, "%.*s/usystem:serviceaccount:%.*s:%.*s", STR_ARG(ns), STR_ARG(of),
                          STR_ARG(subject->name));
    }
    return STR_NULL;
}

static void add_binding(struct rbac_state *s, const struct object *o,
                        const struct rbac_subject *subjects, size_t n,
                        const struct rbac_role_ref *ref)
{
    auto_arena scratch = {0};
    const struct object *role = find_role(s, ref, o->ns, &scratch);

    for (size_t i = 0; i < n; i++) {
        struct str key = subject_key(&subjects[i], o->ns, &scratch);
        struct bound_list *list;
        struct bound *b;

        if (!key.p)
            continue;
        list = map_find(&s->subjects, key);
        if (!list) {
            list = arena_new(&s->arena, struct bound_list);
            map_set(&s->subjects, key, list);
        }
        b = arena_new(&s->arena, struct bound);
        *b = (struct bound){NULL, o, ref, &subjects[i], role};
        if (list->last)
            list->last->next = b;
        else
            list->first = b;
        list->last = b;
    }
}

static struct rbac_state *compile(struct snapshot *const snapshots[KIND__N])
{
    struct rbac_state *s = xnew(struct rbac_state);
    struct omap_iter it;
    const struct object *o;

    ref_init(&s->ref);
    memcpy(s->snapshots, snapshots, sizeof(s->snapshots));
    omap_seek(&s->snapshots[KIND_CLUSTER_BINDING]->objects, STR_NULL, &it);
    while ((o = omap_next(&it))) {
        const struct rbac_cluster_role_binding *b = OBJECT_AS(rbac_cluster_role_binding, o);

        add_binding(s, o, b->subjects.v, b->subjects.n, &b->role_ref);
    }
    omap_seek(&s->snapshots[KIND_BINDING]->objects, STR_NULL, &it);
    while ((o = omap_next(&it))) {
        const struct rbac_role_binding *b = OBJECT_AS(rbac_role_binding, o);

        add_binding(s, o, b->subjects.v, b->subjects.n, &b->role_ref);
    }
    return s;
}

struct rbac_state *rbac_state_get(struct rbac *r)
{
    struct rbac_state *s = cell_get(r->state);
    struct snapshot *now[KIND__N];
    bool same = s != NULL;

    for (unsigned i = 0; i < KIND__N; i++) {
        now[i] = cache_snapshot(r->caches[i]);
        /* A map that changed has another root, since the state's snapshot holds the old one. */
        same = same && now[i]->objects.root == s->snapshots[i]->objects.root;
    }
    if (same) {
        for (unsigned i = 0; i < KIND__N; i++)
            snapshot_unref(now[i]);
        return s;
    }
    rbac_state_unref(s);
    s = compile(now);
    state_ref(s);
    cell_set(r->state, s);
    return s;
}

static bool list_has(const struct string_list *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i], s))
            return true;
    return false;
}

static bool list_allows(const struct string_list *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i], s) || str_eqz(l->v[i], "*"))
            return true;
    return false;
}

static bool resource_allowed(const struct string_list *l, struct str resource, struct str sub)
{
    for (size_t i = 0; i < l->n; i++) {
        struct str rest, head = str_cut(l->v[i], '/', &rest);

        if (str_eqz(l->v[i], "*"))
            return true;
        if (!str_eq(rest, sub))
            continue;
        if (str_eq(head, resource) || (!str_empty(sub) && str_eqz(head, "*")))
            return true;
    }
    return false;
}

static bool path_allowed(const struct string_list *l, struct str path)
{
    for (size_t i = 0; i < l->n; i++) {
        struct str p = l->v[i];

        if (str_eq(p, path) || str_eqz(p, "*"))
            return true;
        if (str_has_suffix(p, STR("*")) && str_has_prefix(path, str_sub(p, 0, p.len - 1)))
            return true;
    }
    return false;
}

bool rbac_rule_allows(const struct rbac_policy_rule *rule, const struct authz_attributes *at)
{
    if (!list_allows(&rule->verbs, at->verb))
        return false;
    if (!at->is_resource)
        return path_allowed(&rule->non_resource_urls, at->path);
    return list_allows(&rule->api_groups, at->api_group) &&
           resource_allowed(&rule->resources, at->resource, at->sub) &&
           (rule->resource_names.n == 0 || list_has(&rule->resource_names, at->name));
}

static void role_rules(const struct object *role, const struct rbac_policy_rule **ret_v,
                       size_t *ret_n)
{
    if (role->res == &res_rbac_clusterroles) {
        const struct rbac_cluster_role *r = OBJECT_AS(rbac_cluster_role, role);

        *ret_v = r->rules.v;
        *ret_n = r->rules.n;
    } else {
        const struct rbac_role *r = OBJECT_AS(rbac_role, role);

        *ret_v = r->rules.v;
        *ret_n = r->rules.n;
    }
}

static struct str describe(struct arena *a, const struct bound *b)
{
    auto_buf t = {0};
    const struct rbac_subject *s = b->subject;

    buf_puts(&t, "RBAC: allowed by ");
    buf_puts(&t, str_empty(b->binding->ns) ? "ClusterRoleBinding " : "RoleBinding ");
    if (str_empty(b->binding->ns))
        json_go_quote(&t, b->binding->name);
    else
        json_go_quote(
            &t, str_printf(a, "%.*s/%.*s", STR_ARG(b->binding->name), STR_ARG(b->binding->ns)));
    buf_printf(&t, " of %.*s ", STR_ARG(b->ref->kind));
    json_go_quote(&t, b->ref->name);
    buf_printf(&t, " to %.*s ", STR_ARG(s->kind));
    if (str_eqz(s->kind, "ServiceAccount")) {
        struct str ns = str_empty(s->namespace) ? b->binding->ns : s->namespace;

        json_go_quote(&t, str_printf(a, "%.*s/%.*s", STR_ARG(s->name), STR_ARG(ns)));
    } else {
        json_go_quote(&t, s->name);
    }
    return str_dup(a, buf_view(&t));
}

/* Calls @visit for every binding of @user in @ns until it returns true. */
static bool each_bound(const struct rbac_state *s, struct arena *a, const struct user_info *user,
                       struct str ns, bool (*visit)(void *arg, const struct bound *b), void *arg)
{
    for (size_t i = 0; i <= user->groups.n; i++) {
        struct str name = i == 0 ? user->name : user->groups.v[i - 1];
        struct str key =
            str_printf(a, "%.*s/%c%.*s", STR_ARG(ns), i == 0 ? 'u' : 'g', STR_ARG(name));
        const struct bound_list *list = map_find(&s->subjects, key);

        for (const struct bound *b = list ? list->first : NULL; b; b = b->next)
            if (visit(arg, b))
                return true;
    }
    return false;
}

struct question {
    const struct authz_attributes *at;
    struct arena *arena;
    const struct bound *allowed;
    VEC(struct str) missing; /* names of roles that bindings name in vain */
};

static bool ask(void *arg, const struct bound *b)
{
    struct question *q = arg;
    const struct rbac_policy_rule *rules;
    size_t n;

    if (!b->role) {
        auto_buf t = {0};
        bool cluster = str_eqz(b->ref->kind, "ClusterRole");

        buf_puts(&t, cluster ? "clusterrole" : "role");
        buf_puts(&t, ".rbac.authorization.k8s.io ");
        json_go_quote(&t, b->ref->name);
        buf_puts(&t, " not found");
        vec_push(&q->missing, str_dup(q->arena, buf_view(&t)));
        return false;
    }
    role_rules(b->role, &rules, &n);
    for (size_t i = 0; i < n; i++)
        if (rbac_rule_allows(&rules[i], q->at)) {
            q->allowed = b;
            return true;
        }
    return false;
}

/* Upstream's aggregate: one text as it is, several in brackets, equal ones once. */
static struct str missing_text(struct question *q)
{
    auto_buf t = {0};
    size_t n = 0;

    for (size_t i = 0; i < q->missing.n; i++) {
        bool seen = false;

        for (size_t j = 0; j < i && !seen; j++)
            seen = str_eq(q->missing.v[i], q->missing.v[j]);
        if (seen)
            continue;
        if (n++ > 0)
            buf_puts(&t, ", ");
        buf_str(&t, q->missing.v[i]);
    }
    if (n == 0)
        return STR("");
    return str_printf(q->arena, n > 1 ? "RBAC: [%.*s]" : "RBAC: %.*s", STR_ARG(buf_view(&t)));
}

bool rbac_allows(const struct rbac_state *s, struct arena *a, const struct authz_attributes *at,
                 struct str *ret_reason)
{
    struct question q = {.at = at, .arena = a};
    bool allowed = each_bound(s, a, at->user, STR(""), ask, &q);

    if (!allowed && at->is_resource && !str_empty(at->ns))
        allowed = each_bound(s, a, at->user, at->ns, ask, &q);
    if (ret_reason)
        *ret_reason = allowed ? describe(a, q.allowed) : missing_text(&q);
    vec_deinit(&q.missing);
    return allowed;
}

static void rules_push(struct rbac_rules *l, struct arena *a, const struct rbac_policy_rule *rule)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;

        l->v = arena_grow(a, l->v, l->n, cap, sizeof(*l->v));
        l->cap = cap;
    }
    l->v[l->n++] = rule;
}

struct collect {
    struct rbac_rules rules;
    struct arena *arena;
};

static bool collect(void *arg, const struct bound *b)
{
    struct collect *c = arg;
    const struct rbac_policy_rule *rules;
    size_t n;

    if (!b->role)
        return false;
    role_rules(b->role, &rules, &n);
    for (size_t i = 0; i < n; i++)
        rules_push(&c->rules, c->arena, &rules[i]);
    return false;
}

struct rbac_rules rbac_rules_of(const struct rbac_state *s, struct arena *a,
                                const struct user_info *user, struct str ns)
{
    struct collect c = {.arena = a};

    each_bound(s, a, user, STR(""), collect, &c);
    if (!str_empty(ns))
        each_bound(s, a, user, ns, collect, &c);
    return c.rules;
}

bool rbac_role_rules(const struct rbac_state *s, const struct rbac_role_ref *ref, struct str ns,
                     struct arena *a, struct rbac_rules *ret_rules)
{
    const struct object *role = find_role(s, ref, ns, a);
    struct bound b = {.role = role, .ref = ref};
    struct collect c = {.arena = a};

    if (!role)
        return false;
    collect(&c, &b);
    *ret_rules = c.rules;
    return true;
}

/* Covers a rule with one verb and one resource, name or path. */
static bool covers(const struct rbac_policy_rule *have, const struct rbac_policy_rule *want)
{
    struct authz_attributes at = {.verb = want->verbs.v[0]};

    if (!list_allows(&have->verbs, at.verb))
        return false;
    if (want->non_resource_urls.n > 0)
        return path_allowed(&have->non_resource_urls, want->non_resource_urls.v[0]);
    if (!list_allows(&have->api_groups, want->api_groups.v[0]))
        return false;
    at.resource = str_cut(want->resources.v[0], '/', &at.sub);
    if (!resource_allowed(&have->resources, at.resource, at.sub))
        return false;
    if (have->resource_names.n == 0)
        return true;
    return want->resource_names.n > 0 && list_has(&have->resource_names, want->resource_names.v[0]);
}

static void require(const struct rbac_rules *have, struct rbac_policy_rule want, struct arena *a,
                    struct rbac_rules *missing)
{
    struct rbac_policy_rule *copy;

    for (size_t i = 0; i < have->n; i++)
        if (covers(have->v[i], &want))
            return;
    copy = arena_new(a, struct rbac_policy_rule);
    *copy = want;
    rules_push(missing, a, copy);
}

static struct string_list one(struct str *v)
{
    return (struct string_list){v, 1};
}

static void require_resource(const struct rbac_rules *have, const struct rbac_policy_rule *rule,
                             struct str *group, struct str *resource, struct arena *a,
                             struct rbac_rules *missing)
{
    struct rbac_policy_rule want = {.api_groups = one(group), .resources = one(resource)};
    size_t n_names = rule->resource_names.n;

    for (size_t v = 0; v < rule->verbs.n; v++) {
        want.verbs = one(&rule->verbs.v[v]);
        want.resource_names = (struct string_list){0};
        if (n_names == 0)
            require(have, want, a, missing);
        for (size_t i = 0; i < n_names; i++) {
            want.resource_names = one(&rule->resource_names.v[i]);
            require(have, want, a, missing);
        }
    }
}

void rbac_uncovered(const struct rbac_rules *have, const struct rbac_policy_rule *rule,
                    struct arena *a, struct rbac_rules *ret_missing)
{
    for (size_t g = 0; g < rule->api_groups.n; g++)
        for (size_t r = 0; r < rule->resources.n; r++)
            require_resource(have, rule, &rule->api_groups.v[g], &rule->resources.v[r], a,
                             ret_missing);
    for (size_t u = 0; u < rule->non_resource_urls.n; u++)
        for (size_t v = 0; v < rule->verbs.n; v++)
            require(
                have,
                (struct rbac_policy_rule){.verbs = one(&rule->verbs.v[v]),
                                          .non_resource_urls = one(&rule->non_resource_urls.v[u])},
                a, ret_missing);
}

void rbac_rule_write(const struct rbac_policy_rule *rule, struct buf *out)
{
    const struct {
        const char *name;
        const struct string_list *list;
    } parts[] = {{"APIGroups", &rule->api_groups},
                 {"Resources", &rule->resources},
                 {"ResourceNames", &rule->resource_names},
                 {"NonResourceURLs", &rule->non_resource_urls},
                 {"Verbs", &rule->verbs}};
    size_t n = 0;

    buf_putc(out, '{');
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].list->n == 0)
            continue;
        if (n++ > 0)
            buf_puts(out, ", ");
        buf_printf(out, "%s:[", parts[i].name);
        for (size_t j = 0; j < parts[i].list->n; j++) {
            if (j > 0)
                buf_puts(out, " ");
            json_go_quote(out, parts[i].list->v[j]);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, '}');
}
