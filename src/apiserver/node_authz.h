/* node_authz.h - what a kubelet may do: its own objects, and what its pods refer to. An allow-list:
 * what it does not name is left to the other authorizers.
 *
 * Internal to apiserver/. Threads: any.
 */
#pragma once
#include "apiserver/stages.h"

/** The node that @user is ("system:node:<n>" in the group system:nodes), or STR_NULL. */
struct str node_of_user(const struct user_info *user);
/** True if @at is allowed for the node @node; else @ret_reason says why not (in @a; may be empty).
 */
bool node_allows(struct apiserver *as, struct arena *a, const struct authz_attributes *at,
                 struct str node, struct str *ret_reason);
