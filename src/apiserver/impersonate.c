/* SPDX-License-Identifier: Apache-2.0 */
/* impersonate.c - acting as another user, for those who may. */
#include "apiserver/authn.h"

#define ACCOUNT "system:serviceaccount:"
#define EXTRA   "impersonate-extra-"

static enum stage_result check(struct request *rq, struct authz_attributes at)
{
    struct str reason;

    at.user = &rq->user;
    at.verb = STR("impersonate");
    at.is_resource = true;
    if (authorize(rq->as, rq->arena, &at, &reason))
        return STAGE_NEXT;
    return authorize_forbid(rq, &at, reason);
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_memdupz(a, s.p, s.len);

    for (size_t i = 0; i < s.len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 'a' - 'A');
    return (struct str){p, s.len};
}

static void add_extra(struct request *rq, struct user_info *u, struct str key, struct str value)
{
    struct user_extra *x = NULL;

    for (size_t i = 0; i < u->n_extra; i++)
        if (str_eq(u->extra[i].key, key))
            x = &u->extra[i];
    if (!x) {
        u->extra = arena_grow(rq->arena, u->extra, u->n_extra, u->n_extra + 1, sizeof(*u->extra));
        x = &u->extra[u->n_extra++];
        *x = (struct user_extra){.key = key};
    }
    x->values.v =
        arena_grow(rq->arena, x->values.v, x->values.n, x->values.n + 1, sizeof(*x->values.v));
    x->values.v[x->values.n++] = value;
}

static enum stage_result check_user(struct request *rq, const struct user_info *u)
{
    struct str rest, ns, name;

    if (!str_has_prefix(u->name, STR(ACCOUNT)))
        return check(rq, (struct authz_attributes){.resource = STR("users"), .name = u->name});
    rest = str_sub(u->name, sizeof(ACCOUNT) - 1, u->name.len);
    ns = str_cut(rest, ':', &name);
    return check(
        rq, (struct authz_attributes){.resource = STR("serviceaccounts"), .ns = ns, .name = name});
}

static enum stage_result check_all(struct request *rq, const struct user_info *u)
{
    enum stage_result r = check_user(rq, u);

    for (size_t i = 0; i < u->groups.n && r == STAGE_NEXT; i++)
        r = check(rq, (struct authz_attributes){.resource = STR("groups"), .name = u->groups.v[i]});
    if (!str_empty(u->uid) && r == STAGE_NEXT)
        r = check(rq, (struct authz_attributes){.api_group = STR("authentication.k8s.io"),
                                                .resource = STR("uids"),
                                                .name = u->uid});
    for (size_t i = 0; i < u->n_extra && r == STAGE_NEXT; i++)
        for (size_t j = 0; j < u->extra[i].values.n && r == STAGE_NEXT; j++)
            r = check(rq, (struct authz_attributes){.api_group = STR("authentication.k8s.io"),
                                                    .resource = STR("userextras"),
                                                    .sub = u->extra[i].key,
                                                    .name = u->extra[i].values.v[j]});
    return r;
}

/* The groups that come without being asked for. */
static void add_groups(struct request *rq, struct user_info *u)
{
    bool given = u->groups.n > 0;

    if (!given && str_has_prefix(u->name, STR(ACCOUNT))) {
        struct str rest = str_sub(u->name, sizeof(ACCOUNT) - 1, u->name.len);
        struct str ns = str_cut(rest, ':', &rest);

        user_add_group(u, rq->arena, "system:serviceaccounts");
        user_add_group(u, rq->arena,
                       arena_printf(rq->arena, "system:serviceaccounts:%.*s", STR_ARG(ns)));
    }
    for (size_t i = 0; i < u->groups.n; i++)
        if (str_eqz(u->groups.v[i], "system:unauthenticated"))
            return;
    user_add_group(u, rq->arena,
                   str_eqz(u->name, "system:anonymous") ? "system:unauthenticated"
                                                        : "system:authenticated");
}

enum stage_result authn_impersonate(struct request *rq)
{
    struct user_info u = {0};
    enum stage_result r;
    bool asked = false;

    for (size_t i = 0; i < rq->head->n_headers; i++) {
        const struct http_header *h = &rq->head->headers[i];
        struct str key;

        if (!str_has_prefix(h->name, STR("impersonate-")))
            continue;
        asked = true;
        if (str_eqz(h->name, "impersonate-user"))
            u.name = h->value;
        else if (str_eqz(h->name, "impersonate-group"))
            user_add_group(&u, rq->arena, str_dupz(rq->arena, h->value));
        else if (str_eqz(h->name, "impersonate-uid"))
            u.uid = h->value;
        else if (str_has_prefix(h->name, STR(EXTRA)) &&
                 http_unescape(str_sub(h->name, sizeof(EXTRA) - 1, h->name.len), rq->arena, &key,
                               NULL) == 0)
            add_extra(rq, &u, lower(rq->arena, key), h->value);
    }
    if (!asked)
        return STAGE_NEXT;
    if (str_empty(u.name))
        return request_failf(rq, ERR_BAD_REQUEST,
                             "requested impersonation headers without impersonating a user");
    r = check_all(rq, &u);
    if (r != STAGE_NEXT)
        return r;
    add_groups(rq, &u);
    rq->user = u;
    return STAGE_NEXT;
}
