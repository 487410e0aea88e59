/* SPDX-License-Identifier: Apache-2.0 */
/* rbac_aggregate.c - fills the rules of aggregated ClusterRoles. See rbac_aggregate.h. */
#include "apiserver/rbac_aggregate.h"
#include "apiserver/system_write.h"
#include "base/log.h"
#include "base/vec.h"
#include "schema/selector.h"
#include "schema/typed.h"

enum { RETRY_MS = 1000 };

struct rbac_aggregator {
    struct apiserver *as;
    struct subscription *subscription;
    struct timer retry;
    bool writing, dirty, freed;
};

static bool has_rule(const struct rbac_policy_rule *v, size_t n,
                     const struct rbac_policy_rule *rule)
{
    for (size_t i = 0; i < n; i++)
        if (typed_equal(&type_rbac_policy_rule, &v[i], rule))
            return true;
    return false;
}

bool rbac_aggregate(const struct rbac_cluster_role *role, const struct omap *roles, struct arena *a,
                    struct rbac_cluster_role **ret_role)
{
    const struct rbac_aggregation_rule *g = role->aggregation_rule;
    struct rbac_cluster_role *copy = arena_new(a, struct rbac_cluster_role);
    struct rbac_policy_rule *v = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < g->cluster_role_selectors.n; i++) {
        struct selector sel;
        struct omap_iter it;
        const struct object *o;

        if (selector_from_label_selector(&g->cluster_role_selectors.v[i], a, &sel, NULL) < 0)
            continue; /* refused by validation; an old object may still have one */
        omap_seek(roles, STR_NULL, &it);
        while ((o = omap_next(&it))) {
            const struct rbac_cluster_role *from;

            if (!selector_match_labels(&sel, o) || str_eq(o->name, role->metadata.name))
                continue;
            from = OBJECT_AS(rbac_cluster_role, o);
            for (size_t j = 0; j < from->rules.n; j++) {
                if (has_rule(v, n, &from->rules.v[j]))
                    continue;
                if (n == cap) {
                    v = arena_grow(a, v, n, cap ? 2 * cap : 32, sizeof(*v));
                    cap = cap ? 2 * cap : 32;
                }
                v[n++] = from->rules.v[j];
            }
        }
    }
    *copy = *role;
    copy->rules.v = v;
    copy->rules.n = n;
    if (typed_equal(&type_rbac_cluster_role, copy, role))
        return false;
    *ret_role = copy;
    return true;
}

static void reconcile(struct rbac_aggregator *g);

static void on_written(void *arg, int code, const struct err *err)
{
    struct rbac_aggregator *g = arg;

    g->writing = false;
    if (g->freed) {
        free(g);
        return;
    }
    if (code != 0 && code != ERR_CONFLICT && code != ERR_NOT_FOUND) {
        LOG_WARN("apiserver", "aggregated roles are not written: %s", err->msg);
        timer_start(&g->retry, RETRY_MS, 0);
        return;
    }
    if (code != 0 || g->dirty)
        reconcile(g);
}

static void reconcile(struct rbac_aggregator *g)
{
    struct cache *c = store_cache(g->as->store, &res_rbac_clusterroles);
    struct snapshot *s;
    struct system_write *w;
    struct omap_iter it;
    const struct object *o;

    if (g->writing) {
        g->dirty = true;
        return;
    }
    g->dirty = false;
    s = cache_snapshot(c);
    w = system_write_new(g->as);
    omap_seek(&s->objects, STR_NULL, &it);
    while ((o = omap_next(&it))) {
        const struct rbac_cluster_role *role = OBJECT_AS(rbac_cluster_role, o);
        struct rbac_cluster_role *now;

        if (role->aggregation_rule &&
            rbac_aggregate(role, &s->objects, system_write_arena(w), &now))
            system_write_put(w, &res_rbac_clusterroles, now, o->revision);
    }
    if (system_write_n(w) > 0) {
        g->writing = true;
        system_write_commit(w, on_written, g);
    } else {
        system_write_drop(w);
    }
    snapshot_unref(s);
}

static void on_roles(void *arg)
{
    reconcile(arg);
}

static void on_retry(struct timer *t)
{
    reconcile(container_of(t, struct rbac_aggregator, retry));
}

struct rbac_aggregator *rbac_aggregator_new(struct apiserver *as)
{
    struct rbac_aggregator *g = xnew(struct rbac_aggregator);

    g->as = as;
    timer_init(&g->retry, as->loop, on_retry);
    g->subscription =
        cache_subscribe(store_cache(as->store, &res_rbac_clusterroles), as->loop, on_roles, g);
    timer_start(&g->retry, 0, 0);
    return g;
}

struct rbac_aggregator *rbac_aggregator_free(struct rbac_aggregator *g)
{
    if (!g)
        return NULL;
    g->subscription = subscription_free(g->subscription);
    timer_stop(&g->retry);
    g->freed = true;
    if (!g->writing)
        free(g);
    return NULL;
}
