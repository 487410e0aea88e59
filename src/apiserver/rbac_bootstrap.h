/* rbac_bootstrap.h - the roles and bindings that every cluster starts with, as text.
 *
 * Rules are lines "<groups>|<resources>|<verbs>" or "<groups>|<resources>|<verbs>|<names>", lists
 * separated by commas ("" first in a list of groups is the core group), or "url|<paths>|<verbs>".
 *
 * Internal to apiserver/. Threads: immutable tables, any thread.
 */
#pragma once
#include "api/api.h"

struct rbac_default_role {
    const char *ns; /* NULL: a ClusterRole */
    const char *name;
    const char *label; /* "admin": label rbac.authorization.k8s.io/aggregate-to-admin; or NULL */
    const char *aggregates; /* "admin": takes the rules of roles with that label; or NULL */
    const char *rules;
};
struct rbac_default_binding {
    const char *ns; /* NULL: a ClusterRoleBinding to a ClusterRole; else to a Role of ns */
    const char *name, *role;
    const char *subjects; /* lines "User <name>", "Group <name>", "ServiceAccount <ns>/<name>" */
};
/** Roles of users and components, then those of namespaces; ended by a NULL name. */
extern const struct rbac_default_role rbac_default_roles[];
/** ClusterRoles of controllers; each is bound to the ServiceAccount of kube-system that its name
 *  ends with. Ended by a NULL name. */
extern const struct rbac_default_role rbac_controller_roles[];
/** Bindings but for those of the controllers; ended by a NULL name. */
extern const struct rbac_default_binding rbac_default_bindings[];

/** The rules of @text, in @a; views into it. */
void rbac_rules_parse(const char *text, struct arena *a, struct rbac_policy_rule **ret_v,
                      size_t *ret_n);
/** The objects as the cluster shall have them, in @a: structs of rbac_role or rbac_cluster_role. */
void *rbac_default_role_make(const struct rbac_default_role *r, struct arena *a);
/** Likewise rbac_role_binding or rbac_cluster_role_binding. */
void *rbac_default_binding_make(const struct rbac_default_binding *b, struct arena *a);
/** The binding of a controller's role. */
struct rbac_default_binding rbac_controller_binding(const struct rbac_default_role *r,
                                                    struct arena *a);
/** Adds to @want (a struct as made above; changed in place) what @have, the stored object of the
 * same kind, has beyond it. False if nothing is to be written: @have lacks nothing, or its
 * annotation rbac.authorization.kubernetes.io/autoupdate is "false". */
bool rbac_reconcile_role(const struct resource *res, const void *have, void *want, struct arena *a);
/** Likewise for bindings. One to another role is replaced: role and subjects are then the
 * defaults'. */
bool rbac_reconcile_binding(const struct resource *res, const void *have, void *want,
                            struct arena *a);
