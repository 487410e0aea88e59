/* rbac_aggregate.h - keeps the rules of ClusterRoles with an aggregationRule: the union of the
 * rules of those that its selectors match, in order of their names.
 *
 * Internal to apiserver/. Threads: the main API loop.
 */
#pragma once
#include "apiserver/apiserver_internal.h"

struct rbac_aggregator;
/** Starts: follows the ClusterRoles and reconciles, first soon. The caller ends it. */
struct rbac_aggregator *rbac_aggregator_new(struct apiserver *as);
/** Ends it; a write under way finds its own end. NULL is a no-op; returns NULL. */
struct rbac_aggregator *rbac_aggregator_free(struct rbac_aggregator *g);
/** The rules that @role shall have by its aggregationRule, from @roles (all ClusterRoles, by key),
 *  in @a. True if they differ from what it has; *@ret_role is then a copy of @role that has them.
 */
bool rbac_aggregate(const struct rbac_cluster_role *role, const struct omap *roles, struct arena *a,
                    struct rbac_cluster_role **ret_role);
