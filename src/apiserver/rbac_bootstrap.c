/* SPDX-License-Identifier: Apache-2.0 */
/* rbac_bootstrap.c - makes the default roles and bindings, and brings stored ones up to date. */
#include "apiserver/rbac_bootstrap.h"
#include "apiserver/rbac.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"
#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"

static struct string_list split(struct str s, char by, struct arena *a)
{
    struct string_list l = {0};
    size_t n = 1;

    for (size_t i = 0; i < s.len; i++)
        n += s.p[i] == by;
    l.v = arena_calloc(a, n, sizeof(*l.v));
    do {
        l.v[l.n++] = str_cut(s, by, &s);
    } while (s.p);
    return l;
}

void rbac_rules_parse(const char *text, struct arena *a, struct rbac_policy_rule **ret_v,
                      size_t *ret_n)
{
    struct string_list lines = split(str_from(text), '\n', a);
    struct rbac_policy_rule *v = arena_calloc(a, lines.n, sizeof(*v));
    size_t n = 0;

    for (size_t i = 0; i < lines.n; i++) {
        struct string_list parts = split(lines.v[i], '|', a);
        struct rbac_policy_rule *r = &v[n];

        if (parts.n < 3)
            continue; /* what follows the last line */
        n++;
        r->verbs = split(parts.v[2], ',', a);
        if (str_eqz(parts.v[0], "url")) {
            r->non_resource_urls = split(parts.v[1], ',', a);
            continue;
        }
        r->api_groups = split(parts.v[0], ',', a);
        r->resources = split(parts.v[1], ',', a);
        if (parts.n > 3)
            r->resource_names = split(parts.v[3], ',', a);
    }
    *ret_v = v;
    *ret_n = n;
}

static void fill_metadata(struct meta_object_meta *m, const char *ns, const char *name,
                          struct arena *a)
{
    m->name = str_from(name);
    m->namespace = str_from(ns);
    string_map_set(a, &m->labels, STR("kubernetes.io/bootstrapping"), STR("rbac-defaults"));
    string_map_set(a, &m->annotations, STR(AUTOUPDATE), STR("true"));
}

static struct rbac_aggregation_rule *aggregation(const char *what, struct arena *a)
{
    struct rbac_aggregation_rule *g = arena_new(a, struct rbac_aggregation_rule);

    g->cluster_role_selectors.v = arena_new(a, struct meta_label_selector);
    g->cluster_role_selectors.n = 1;
    string_map_set(a, &g->cluster_role_selectors.v->match_labels,
                   str_printf(a, RBAC_GROUP "/aggregate-to-%s", what), STR("true"));
    return g;
}

void *rbac_default_role_make(const struct rbac_default_role *r, struct arena *a)
{
    struct rbac_cluster_role *c;

    if (r->ns) {
        struct rbac_role *role = arena_new(a, struct rbac_role);

        fill_metadata(&role->metadata, r->ns, r->name, a);
        rbac_rules_parse(r->rules, a, &role->rules.v, &role->rules.n);
        return role;
    }
    c = arena_new(a, struct rbac_cluster_role);
    fill_metadata(&c->metadata, NULL, r->name, a);
    rbac_rules_parse(r->rules, a, &c->rules.v, &c->rules.n);
    if (r->label)
        string_map_set(a, &c->metadata.labels,
                       str_printf(a, RBAC_GROUP "/aggregate-to-%s", r->label), STR("true"));
    if (r->aggregates)
        c->aggregation_rule = aggregation(r->aggregates, a);
    return c;
}

static void make_subject(struct rbac_subject *s, struct str line)
{
    s->kind = str_cut(line, ' ', &line);
    s->name = line;
    if (str_eqz(s->kind, "ServiceAccount"))
        s->namespace = str_cut(line, '/', &s->name);
    else
        s->api_group = STR(RBAC_GROUP);
}

void *rbac_default_binding_make(const struct rbac_default_binding *b, struct arena *a)
{
    struct string_list lines = split(str_from(b->subjects), '\n', a);
    struct rbac_subject *v = arena_calloc(a, lines.n, sizeof(*v));
    struct rbac_role_ref ref = {STR(RBAC_GROUP), b->ns ? STR("Role") : STR("ClusterRole"),
                                str_from(b->role)};
    size_t n = 0;

    for (size_t i = 0; i < lines.n; i++)
        if (!str_empty(lines.v[i]))
            make_subject(&v[n++], lines.v[i]);
    if (b->ns) {
        struct rbac_role_binding *r = arena_new(a, struct rbac_role_binding);

        fill_metadata(&r->metadata, b->ns, b->name, a);
        r->subjects.v = v;
        r->subjects.n = n;
        r->role_ref = ref;
        return r;
    } else {
        struct rbac_cluster_role_binding *c = arena_new(a, struct rbac_cluster_role_binding);

        fill_metadata(&c->metadata, NULL, b->name, a);
        c->subjects.v = v;
        c->subjects.n = n;
        c->role_ref = ref;
        return c;
    }
}

struct rbac_default_binding rbac_controller_binding(const struct rbac_default_role *r,
                                                    struct arena *a)
{
    return (struct rbac_default_binding){
        NULL, r->name, r->name,
        arena_printf(a, "ServiceAccount kube-system/%s", strrchr(r->name, ':') + 1)};
}

static bool updated_by_hand(const struct meta_object_meta *m)
{
    return str_eqz(string_map_get(&m->annotations, STR(AUTOUPDATE)), "false");
}

/* Labels and annotations of @want that @have lacks are a change; what @have has itself stays. */
static bool merge_map(struct string_map *want, const struct string_map *have, struct arena *a)
{
    bool changed = false;

    for (size_t i = 0; i < want->n; i++)
        changed = changed || !string_map_get(have, want->v[i].key).p;
    for (size_t i = 0; i < have->n; i++)
        string_map_set(a, want, have->v[i].key, have->v[i].value);
    return changed;
}

/* @want becomes @have with the labels and annotations of both. */
static bool merge_metadata(struct meta_object_meta *want, const struct meta_object_meta *have,
                           struct arena *a)
{
    struct string_map labels = want->labels, annotations = want->annotations;
    bool changed = merge_map(&labels, &have->labels, a);

    changed = merge_map(&annotations, &have->annotations, a) || changed;
    *want = *have;
    want->labels = labels;
    want->annotations = annotations;
    return changed;
}

struct rule_list { /* of struct rbac_role and rbac_cluster_role */
    struct rbac_policy_rule *v;
    size_t n;
};

/* *@want becomes the rules of @have, and then those parts of *@want that they do not cover. */
static bool merge_rules(struct rule_list *want, const struct rule_list *have, struct arena *a)
{
    struct rbac_rules held = {0}, missing = {0};
    struct rbac_policy_rule *v;
    size_t n = have->n;

    held.v = arena_calloc(a, have->n + 1, sizeof(*held.v));
    for (size_t i = 0; i < have->n; i++)
        held.v[held.n++] = &have->v[i];
    v = arena_calloc(a, have->n + want->n + 1, sizeof(*v));
    if (have->n > 0)
        memcpy(v, have->v, have->n * sizeof(*v));
    for (size_t i = 0; i < want->n; i++) {
        missing.n = 0;
        rbac_uncovered(&held, &want->v[i], a, &missing);
        if (missing.n > 0)
            v[n++] = want->v[i];
    }
    *want = (struct rule_list){v, n};
    return n > have->n;
}

bool rbac_reconcile_role(const struct resource *res, const void *have, void *want, struct arena *a)
{
    bool changed;

    if (res == &res_rbac_roles) {
        const struct rbac_role *h = have;
        struct rbac_role *w = want;
        struct rule_list rules = {w->rules.v, w->rules.n};

        if (updated_by_hand(&h->metadata))
            return false;
        changed = merge_metadata(&w->metadata, &h->metadata, a);
        changed = merge_rules(&rules, &(struct rule_list){h->rules.v, h->rules.n}, a) || changed;
        w->rules.v = rules.v;
        w->rules.n = rules.n;
    } else {
        const struct rbac_cluster_role *h = have;
        struct rbac_cluster_role *w = want;
        struct rule_list rules = {w->rules.v, w->rules.n};

        if (updated_by_hand(&h->metadata))
            return false;
        changed = merge_metadata(&w->metadata, &h->metadata, a);
        changed = merge_rules(&rules, &(struct rule_list){h->rules.v, h->rules.n}, a) || changed;
        w->rules.v = rules.v;
        w->rules.n = rules.n;
        /* A selector is missing only as a whole: the defaults have one. */
        changed = changed || (w->aggregation_rule && !h->aggregation_rule);
        if (h->aggregation_rule)
            w->aggregation_rule = h->aggregation_rule;
    }
    return changed;
}

struct subject_list {
    struct rbac_subject *v;
    size_t n;
};

static bool merge_subjects(struct subject_list *want, const struct subject_list *have,
                           struct arena *a)
{
    struct rbac_subject *v = arena_calloc(a, want->n + have->n + 1, sizeof(*v));
    size_t n = have->n;

    if (n > 0)
        memcpy(v, have->v, n * sizeof(*v));
    for (size_t i = 0; i < want->n; i++) {
        bool found = false;

        for (size_t j = 0; j < have->n && !found; j++)
            found = str_eq(want->v[i].kind, have->v[j].kind) &&
                    str_eq(want->v[i].name, have->v[j].name) &&
                    str_eq(want->v[i].namespace, have->v[j].namespace);
        if (!found)
            v[n++] = want->v[i];
    }
    *want = (struct subject_list){v, n};
    return n > have->n;
}

static bool same_ref(const struct rbac_role_ref *x, const struct rbac_role_ref *y)
{
    return str_eq(x->kind, y->kind) && str_eq(x->name, y->name);
}

struct binding { /* what bindings of both kinds have: views of a struct */
    struct meta_object_meta *metadata;
    const struct rbac_role_ref *ref;
    struct rbac_subject **v;
    size_t *n;
};

#define BINDING_PARTS(b) {&(b)->metadata, &(b)->role_ref, &(b)->subjects.v, &(b)->subjects.n}

static struct binding binding_of(const struct resource *res, const void *obj)
{
    struct rbac_role_binding *b = (void *)(uintptr_t)obj;
    struct rbac_cluster_role_binding *c = (void *)(uintptr_t)obj;

    return res == &res_rbac_rolebindings ? (struct binding)BINDING_PARTS(b)
                                         : (struct binding)BINDING_PARTS(c);
}

bool rbac_reconcile_binding(const struct resource *res, const void *have, void *want,
                            struct arena *a)
{
    struct binding h = binding_of(res, have), w = binding_of(res, want);
    struct subject_list s = {*w.v, *w.n}, stored = {*h.v, *h.n};
    bool changed;

    if (updated_by_hand(h.metadata))
        return false;
    changed = merge_metadata(w.metadata, h.metadata, a);
    if (!same_ref(h.ref, w.ref))
        return true;
    changed = merge_subjects(&s, &stored, a) || changed;
    *w.v = s.v;
    *w.n = s.n;
    return changed;
}
