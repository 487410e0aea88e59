/* rbac.h - which roles bind a user: the evaluator over the stored roles and bindings.
 *
 * A state is compiled from one snapshot of each of the four kinds: an index of the bindings by
 * subject, which points at the roles. It is made anew when somebody asks and one of the snapshots
 * is no longer the newest. Rules are read from the objects themselves.
 *
 * Internal to apiserver/. Threads: any; a state is immutable.
 */
#pragma once
#include "apiserver/stages.h"

struct rbac_state;

/** The evaluator over the caches of @st, with no state yet. The caller frees it. */
struct rbac *rbac_new(struct store *st);
/** Frees @r; states in use live on. NULL is a no-op; returns NULL. */
struct rbac *rbac_delete(struct rbac *r);
/** A reference to the state of the newest roles and bindings; ends with rbac_state_unref(). */
struct rbac_state *rbac_state_get(struct rbac *r);
/** Drops a reference; NULL is a no-op; returns NULL. */
struct rbac_state *rbac_state_unref(struct rbac_state *s);

/** True if a rule allows @at; @ret_reason (in @a) says which binding, or which role was missing.
 *  The group system:masters plays no part here. */
bool rbac_allows(const struct rbac_state *s, struct arena *a, const struct authz_attributes *at,
                 struct str *ret_reason);
/** True if @rule allows @at. */
bool rbac_rule_allows(const struct rbac_policy_rule *rule, const struct authz_attributes *at);

struct rbac_rules { /* a list of rules; the same layout as in the roles */
    const struct rbac_policy_rule **v;
    size_t n, cap;
};
/** All rules that @user has in @ns (empty: those of the whole cluster only), in @a; they live as
 *  long as @s. */
struct rbac_rules rbac_rules_of(const struct rbac_state *s, struct arena *a,
                                const struct user_info *user, struct str ns);
/** Appends to *@ret_missing those parts of @rule, broken down, that none of @have covers. */
void rbac_uncovered(const struct rbac_rules *have, const struct rbac_policy_rule *rule,
                    struct arena *a, struct rbac_rules *ret_missing);
/** The rules of the role that @ref names (of @ns, for a Role); false if it is absent. */
bool rbac_role_rules(const struct rbac_state *s, const struct rbac_role_ref *ref, struct str ns,
                     struct arena *a, struct rbac_rules *ret_rules);
/** "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}", as upstream's messages show rules.
 */
void rbac_rule_write(const struct rbac_policy_rule *rule, struct buf *out);
