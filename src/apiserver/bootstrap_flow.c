/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap_flow.c - the default FlowSchemas and PriorityLevelConfigurations. */
#include "apiserver/bootstrap.h"
#include "schema/typed.h"

static const struct level {
    const char *name;
    int32_t shares, lendable;     /* -1 lendable: an exempt level */
    int32_t queues, hand, length; /* queues 0: rejects at once */
} levels[] = {
    {"exempt", 0, -1, 0, 0, 0},
    {"catch-all", 5, 0, 0, 0, 0},
    {"system", 30, 33, 64, 6, 50},
    {"node-high", 40, 25, 64, 6, 50},
    {"leader-election", 10, 0, 16, 4, 50},
    {"workload-high", 40, 50, 128, 6, 50},
    {"workload-low", 100, 90, 128, 6, 50},
    {"global-default", 20, 50, 128, 6, 50},
};

/* What a schema's rules cover. */
enum what { EVERYTHING, PROBES, LEASES, NODES };
static const struct schema {
    const char *name, *level;
    int32_t precedence;
    const char *distinguisher; /* NULL: none */
    const char *subjects;      /* lines "User x", "Group x", "ServiceAccount ns/x" */
    enum what what;
} schemas[] = {
    {"exempt", "exempt", 1, NULL, "Group system:masters", EVERYTHING},
    {"probes", "exempt", 2, NULL, "Group system:unauthenticated\nGroup system:authenticated",
     PROBES},
    {"system-leader-election", "leader-election", 100, "ByUser",
     "User system:kube-controller-manager\nUser system:kube-scheduler\n"
     "ServiceAccount kube-system/*",
     LEASES},
    {"system-node-high", "node-high", 400, "ByUser", "Group system:nodes", NODES},
    {"system-nodes", "system", 500, "ByUser", "Group system:nodes", EVERYTHING},
    {"kube-controller-manager", "workload-high", 800, "ByNamespace",
     "User system:kube-controller-manager", EVERYTHING},
    {"kube-scheduler", "workload-high", 800, "ByNamespace", "User system:kube-scheduler",
     EVERYTHING},
    {"kube-system-service-accounts", "workload-high", 900, "ByNamespace",
     "ServiceAccount kube-system/*", EVERYTHING},
    {"service-accounts", "workload-low", 9000, "ByUser", "Group system:serviceaccounts",
     EVERYTHING},
    {"global-default", "global-default", 9900, "ByUser",
     "Group system:unauthenticated\nGroup system:authenticated", EVERYTHING},
    {"catch-all", "catch-all", 10000, "ByUser",
     "Group system:unauthenticated\nGroup system:authenticated", EVERYTHING},
};

static int32_t *number(struct arena *a, int32_t n)
{
    int32_t *p = arena_new(a, int32_t);

    *p = n;
    return p;
}

/* Splits "a b c". */
static struct string_list words(struct arena *a, const char *text)
{
    struct str rest = str_from(text);
    struct string_list l = {0};

    l.v = arena_calloc(a, rest.len / 2 + 1, sizeof(*l.v));
    while (rest.p)
        l.v[l.n++] = str_cut(rest, ' ', &rest);
    return l;
}

static void fill_metadata(struct meta_object_meta *m, const char *name, struct arena *a)
{
    m->name = str_from(name);
    m->generation = 1;
    string_map_set(a, &m->annotations, STR("apf.kubernetes.io/autoupdate-spec"), STR("true"));
}

static void ensure_level(struct apiserver *as, struct system_write *w, const struct level *l)
{
    struct arena *a = system_write_arena(w);
    struct flowcontrol_priority_level_configuration *c =
        arena_new(a, struct flowcontrol_priority_level_configuration);

    fill_metadata(&c->metadata, l->name, a);
    if (l->lendable < 0) {
        c->spec.type = STR("Exempt");
        c->spec.exempt = arena_new(a, struct flowcontrol_exempt_priority_level_configuration);
        c->spec.exempt->nominal_concurrency_shares = number(a, 0);
        c->spec.exempt->lendable_percent = number(a, 0);
    } else {
        c->spec.type = STR("Limited");
        c->spec.limited = arena_new(a, struct flowcontrol_limited_priority_level_configuration);
        c->spec.limited->nominal_concurrency_shares = number(a, l->shares);
        c->spec.limited->lendable_percent = number(a, l->lendable);
        c->spec.limited->limit_response.type = l->queues ? STR("Queue") : STR("Reject");
        if (l->queues) {
            struct flowcontrol_queuing_configuration *q =
                arena_new(a, struct flowcontrol_queuing_configuration);

            *q = (struct flowcontrol_queuing_configuration){l->queues, l->hand, l->length};
            c->spec.limited->limit_response.queuing = q;
        }
    }
    bootstrap_ensure(as, w, &res_flowcontrol_prioritylevelconfigurations, c);
}

static void add_subject(struct flowcontrol_subject *s, struct str line, struct arena *a)
{
    s->kind = str_cut(line, ' ', &line);
    if (str_eqz(s->kind, "User")) {
        s->user = arena_new(a, struct flowcontrol_user_subject);
        s->user->name = line;
    } else if (str_eqz(s->kind, "Group")) {
        s->group = arena_new(a, struct flowcontrol_group_subject);
        s->group->name = line;
    } else {
        s->service_account = arena_new(a, struct flowcontrol_service_account_subject);
        s->service_account->namespace = str_cut(line, '/', &s->service_account->name);
    }
}

static void add_resources(struct flowcontrol_policy_rules_with_subjects *r, struct arena *a,
                          const char *verbs, const char *groups, const char *resources,
                          bool cluster, bool namespaced)
{
    struct flowcontrol_resource_policy_rule *v = r->resource_rules.v;
    struct flowcontrol_resource_policy_rule *rule;

    if (!v)
        r->resource_rules.v = v = arena_calloc(a, 2, sizeof(*v));
    rule = &v[r->resource_rules.n++];
    rule->verbs = words(a, verbs);
    rule->api_groups = words(a, groups);
    rule->resources = words(a, resources);
    rule->cluster_scope = cluster;
    if (namespaced)
        rule->namespaces = words(a, "*");
}

static void add_paths(struct flowcontrol_policy_rules_with_subjects *r, struct arena *a,
                      const char *verbs, const char *paths)
{
    r->non_resource_rules.v = arena_new(a, struct flowcontrol_non_resource_policy_rule);
    r->non_resource_rules.n = 1;
    r->non_resource_rules.v->verbs = words(a, verbs);
    r->non_resource_rules.v->non_resource_urls = words(a, paths);
}

static void ensure_schema(struct apiserver *as, struct system_write *w, const struct schema *s)
{
    struct arena *a = system_write_arena(w);
    struct flowcontrol_flow_schema *f = arena_new(a, struct flowcontrol_flow_schema);
    struct flowcontrol_policy_rules_with_subjects *r =
        arena_new(a, struct flowcontrol_policy_rules_with_subjects);
    struct str lines = str_from(s->subjects);

    fill_metadata(&f->metadata, s->name, a);
    f->spec.priority_level_configuration.name = str_from(s->level);
    f->spec.matching_precedence = s->precedence;
    if (s->distinguisher) {
        f->spec.distinguisher_method = arena_new(a, struct flowcontrol_flow_distinguisher_method);
        f->spec.distinguisher_method->type = str_from(s->distinguisher);
    }
    r->subjects.v = arena_calloc(a, 3, sizeof(*r->subjects.v));
    while (lines.p)
        add_subject(&r->subjects.v[r->subjects.n++], str_cut(lines, '\n', &lines), a);
    switch (s->what) {
    case EVERYTHING:
        add_resources(r, a, "*", "*", "*", true, true);
        add_paths(r, a, "*", "*");
        break;
    case PROBES:
        add_paths(r, a, "get", "/healthz /readyz /livez");
        break;
    case LEASES:
        add_resources(r, a, "get create update", "coordination.k8s.io", "leases", false, true);
        break;
    case NODES:
        add_resources(r, a, "*", "", "nodes nodes/status", true, true);
        add_resources(r, a, "*", "coordination.k8s.io", "leases", false, true);
        break;
    }
    f->spec.rules.v = r;
    f->spec.rules.n = 1;
    bootstrap_ensure(as, w, &res_flowcontrol_flowschemas, f);
}

void bootstrap_flow(struct apiserver *as, struct system_write *w)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        ensure_level(as, w, &levels[i]);
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++)
        ensure_schema(as, w, &schemas[i]);
}
