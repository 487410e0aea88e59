/* SPDX-License-Identifier: Apache-2.0 */
/* authorize.c - may this user do this? system:masters, then Node, then RBAC. */
#include "apiserver/authn.h"
#include "apiserver/inproc.h"
#include "apiserver/node_authz.h"
#include "apiserver/rbac.h"
#include "net/tunnel.h"
#include "net/websocket.h"

int rbac_start(struct apiserver *as, struct err *err)
{
    as->rbac = rbac_new(as->store);
    return 0;
}

void rbac_stop(struct apiserver *as)
{
    /* Nothing runs on its own: states are compiled when somebody asks. */
}

void rbac_free(struct apiserver *as)
{
    as->rbac = rbac_delete(as->rbac);
}

static bool in_group(const struct user_info *user, const char *group)
{
    for (size_t i = 0; i < user->groups.n; i++)
        if (str_eqz(user->groups.v[i], group))
            return true;
    return false;
}

bool authorize(struct apiserver *as, struct arena *a, const struct authz_attributes *at,
               struct str *ret_reason)
{
    struct str node_reason = STR(""), rbac_reason = STR(""), node;
    struct rbac_state *s;
    bool allowed;

    if (ret_reason)
        *ret_reason = STR("");
    if (in_group(at->user, "system:masters"))
        return true;
    if (in_group(at->user, "system:nodes") && str_has_prefix(at->user->name, STR("system:node:"))) {
        node = node_of_user(at->user);
        if (node_allows(as, a, at, node, &node_reason))
            return true;
    }
    s = rbac_state_get(as->rbac);
    allowed = rbac_allows(s, a, at, &rbac_reason);
    rbac_state_unref(s);
    if (!ret_reason)
        return allowed;
    if (allowed || str_empty(node_reason))
        *ret_reason = rbac_reason;
    else if (str_empty(rbac_reason))
        *ret_reason = node_reason;
    else
        *ret_reason = str_printf(a, "%.*s, %.*s", STR_ARG(node_reason), STR_ARG(rbac_reason));
    return allowed;
}

/* The selector's text, before the options have been looked at. */
static struct str field_selector_of(const struct request *rq)
{
    return rq->inproc ? rq->inproc->field_selector : request_param(rq, "fieldSelector");
}

static void fill_resource(struct request *rq, struct authz_attributes *at)
{
    struct selector sel;

    at->api_group = rq->api_group;
    at->api_version = rq->api_version;
    at->resource = rq->plural;
    at->sub = rq->sub;
    at->ns = rq->ns;
    at->name = rq->name;
    if (str_empty(at->ns) && str_empty(at->api_group) && str_eqz(at->resource, "namespaces"))
        at->ns = at->name;
    if (rq->verb != VERB_LIST && rq->verb != VERB_WATCH && rq->verb != VERB_DELETECOLLECTION)
        return;
    at->field_selector = field_selector_of(rq);
    if (!str_empty(at->name) || str_empty(at->field_selector) || !rq->res)
        return;
    if (selector_parse_fields(rq->res, at->field_selector, rq->arena, &sel, NULL) == 0)
        at->name = selector_required(&sel, STR("metadata.name"));
    /* A selector that does not parse is refused by a later stage; here it selects no name. */
}

static struct str refusal(struct request *rq, const struct authz_attributes *at, struct str reason)
{
    auto_buf t = {0};

    buf_puts(&t, "User ");
    json_go_quote(&t, at->user->name);
    buf_printf(&t, " cannot %.*s ", STR_ARG(at->verb));
    if (!at->is_resource) {
        buf_puts(&t, "path ");
        json_go_quote(&t, at->path);
    } else {
        bool has_sub = !str_empty(at->sub);

        buf_printf(&t, "resource \"%.*s%s%.*s\" in API group \"%.*s\"", STR_ARG(at->resource),
                   has_sub ? "/" : "", STR_ARG(at->sub), STR_ARG(at->api_group));
        if (str_empty(at->ns))
            buf_puts(&t, " at the cluster scope");
        else
            buf_printf(&t, " in the namespace \"%.*s\"", STR_ARG(at->ns));
    }
    if (!str_empty(reason)) {
        buf_puts(&t, ": ");
        buf_str(&t, reason);
    }
    return str_dup(rq->arena, buf_view(&t));
}

enum stage_result authorize_forbid(struct request *rq, const struct authz_attributes *at,
                                   struct str reason)
{
    struct str why = refusal(rq, at, reason);
    struct resource unknown;

    if (!at->is_resource)
        return request_failf(rq, ERR_FORBIDDEN, "forbidden: %.*s", STR_ARG(why));
    if (rq->res && str_eqz(at->resource, rq->res->plural) && str_eqz(at->api_group, rq->res->group))
        return request_fail_object(rq, ERR_FORBIDDEN, rq->res, at->name, "%.*s", STR_ARG(why));
    /* One that is not served (or no resource but "users") is refused by its name all the same. */
    unknown = (struct resource){.group = str_dupz(rq->arena, at->api_group),
                                .version = str_dupz(rq->arena, at->api_version),
                                .plural = str_dupz(rq->arena, at->resource),
                                .kind = "",
                                .singular = ""};
    return request_fail_object(rq, ERR_FORBIDDEN, &unknown, at->name, "%.*s", STR_ARG(why));
}

static bool is_stream(struct str sub)
{
    return str_eqz(sub, "exec") || str_eqz(sub, "attach") || str_eqz(sub, "portforward");
}

enum stage_result stage_authorize(struct request *rq)
{
    struct authz_attributes at = {.user = &rq->user, .is_resource = rq->is_resource};
    struct str reason;

    if (str_empty(rq->verb_name) && rq->is_resource)
        at.verb = str_from(verb_names[rq->verb]);
    else
        at.verb = rq->verb_name;
    if (rq->is_resource)
        fill_resource(rq, &at);
    else
        at.path = rq->path;
    if (!authorize(rq->as, rq->arena, &at, &reason))
        return authorize_forbid(rq, &at, reason);
    if (rq->head && rq->is_resource && is_stream(rq->sub) && str_eqz(at.verb, "get") &&
        (websocket_requested(rq->head) || tunnel_requested(rq->head, STR("SPDY/3.1")))) {
        at.verb = STR("create");
        if (!authorize(rq->as, rq->arena, &at, &reason))
            return authorize_forbid(rq, &at, reason);
    }
    return STAGE_NEXT;
}
