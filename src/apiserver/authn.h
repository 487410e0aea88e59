/* authn.h - who a token speaks for. Internal to apiserver/. Threads: any. */
#pragma once
#include "apiserver/stages.h"

/* A sub-protocol that a WebSocket offers in place of an Authorization header; base64url follows. */
#define WEBSOCKET_TOKEN_PREFIX "base64url.bearer.authorization.k8s.io."

/**
 * Whose @token is: of the static file, or of a ServiceAccount. @audiences: who must be meant by it
 * (one of them); NULL or empty: the API server. *@ret_user and *@ret_audiences (may be NULL: those
 * of
 * @audiences that the token names) are in @a. The group system:authenticated is included.
 * ERR_UNAUTHORIZED with the reason, which is not for the bearer's eyes but in a TokenReview.
 */
MUST_USE int authn_token(struct apiserver *as, struct arena *a, struct str token,
                         const struct string_list *audiences, struct user_info *ret_user,
                         struct string_list *ret_audiences, struct err *err);
/** Checks of a ServiceAccount token beyond its signature: @claims (JSON) at the time @now_sec. Else
 * as authn_token(). */
MUST_USE int authn_account(struct apiserver *as, struct arena *a, struct str claims,
                           const struct string_list *audiences, int64_t now_sec,
                           struct user_info *ret_user, struct string_list *ret_audiences,
                           struct err *err);
/** Reads a token file (CSV: token,user,uid,"group1,group2"); lines that are none are ERR_INVALID.
 */
MUST_USE int authn_read_tokens(struct authn *n, struct str csv, struct err *err);
/** The user of the static token @token, or NULL. */
const struct user_info *authn_static(const struct authn *n, struct str token);
/** The wall clock, in seconds. */
int64_t authn_now_sec(const struct authn *n);
/** Replaces rq->user by the one that Impersonate-* headers ask for, if it may. 400, 403. */
enum stage_result authn_impersonate(struct request *rq);
/** Appends @group to the groups of @user unless it is there; in @a. */
void user_add_group(struct user_info *user, struct arena *a, const char *group);

/* authorize.c */
/** The answer to what has been denied: 403 with upstream's text and @reason behind it. */
enum stage_result authorize_forbid(struct request *rq, const struct authz_attributes *at,
                                   struct str reason);
