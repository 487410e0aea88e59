/* SPDX-License-Identifier: Apache-2.0 */
/* authn_account.c - tokens of ServiceAccounts: what must hold beyond the signature. */
#include "apiserver/authn.h"
#include "codec/json.h"
#include "net/crypto.h"

enum { DELETED_LENIENCY_SEC = 60 };
#define EXTRA "authentication.kubernetes.io/"

struct claims {
    const struct doc *root, *kube; /* kube: the member "kubernetes.io" */
    struct str ns, name, uid, jti;
};

static struct str text(const struct doc *d, const char *key)
{
    const struct doc *m = doc_find(d, str_from(key));

    return m && m->kind == DOC_STRING ? m->s : STR_NULL;
}

static int64_t seconds(const struct doc *d, const char *key)
{
    const struct doc *m = doc_find(d, str_from(key));

    if (!m)
        return 0;
    if (m->kind == DOC_DOUBLE && m->d > 0 && m->d < 1e15)
        return (int64_t)m->d;
    return m->kind == DOC_INT ? m->i : 0;
}

static bool wanted(const struct string_list *audiences, struct str api, struct str aud)
{
    if (!audiences || audiences->n == 0)
        return str_eq(aud, api);
    for (size_t i = 0; i < audiences->n; i++)
        if (str_eq(audiences->v[i], aud))
            return true;
    return false;
}

/* Those of the token's audiences that are wanted; none is an error. */
static int check_audience(struct apiserver *as, struct arena *a, const struct claims *c,
                          const struct string_list *audiences, struct string_list *ret_l,
                          struct err *err)
{
    const struct doc *aud = doc_find(c->root, STR("aud"));
    struct str api = str_from(as->opts.token_issuer);
    const struct doc *items = aud;
    size_t n = 1;
    struct string_list l = {0};

    if (!aud)
        n = 0;
    else if (aud->kind == DOC_ARRAY) {
        items = aud->items;
        n = aud->n;
    }
    l.v = arena_calloc(a, n + 1, sizeof(*l.v));
    for (size_t i = 0; i < n; i++)
        if (items[i].kind == DOC_STRING && wanted(audiences, api, items[i].s))
            l.v[l.n++] = str_dup(a, items[i].s);
    if (l.n == 0)
        return err_new(err, ERR_UNAUTHORIZED, "token audiences are invalid for this server");
    if (ret_l)
        *ret_l = l;
    return 0;
}

/* A live object of that name and uid. */
static int check_object(struct apiserver *as, struct arena *a, const struct resource *res,
                        struct str ns, struct str name, struct str uid, int64_t now_sec,
                        struct err *err)
{
    struct object *o = cache_find(store_cache(as->store, res), resource_key(res, ns, name, a));
    const struct meta_object_meta *m;
    int r = 0;

    if (!o)
        return err_new(err, ERR_UNAUTHORIZED, "%s \"%.*s\" not found", res->singular,
                       STR_ARG(name));
    m = object_meta(o);
    if (!str_eq(o->uid, uid))
        r = err_new(err, ERR_UNAUTHORIZED, "%s UID (%.*s) does not match claim (%.*s)", res->kind,
                    STR_ARG(o->uid), STR_ARG(uid));
    else if (m->deletion_timestamp.set &&
             m->deletion_timestamp.sec + DELETED_LENIENCY_SEC < now_sec)
        r = err_new(err, ERR_UNAUTHORIZED, "%s %.*s/%.*s has been deleted", res->kind, STR_ARG(ns),
                    STR_ARG(name));
    object_unref(o);
    return r;
}

static void add_extra(struct user_info *u, struct arena *a, const char *key, struct str value)
{
    struct user_extra *x;

    u->extra = arena_grow(a, u->extra, u->n_extra, u->n_extra + 1, sizeof(*u->extra));
    x = &u->extra[u->n_extra++];
    x->key = str_from(key);
    x->values.v = arena_new(a, struct str);
    x->values.v[0] = str_dup(a, value);
    x->values.n = 1;
}

static int check_bound(struct apiserver *as, struct arena *a, const struct claims *c,
                       int64_t now_sec, struct user_info *u, struct err *err)
{
    const struct doc *pod = doc_find(c->kube, STR("pod"));
    const struct doc *secret = doc_find(c->kube, STR("secret"));
    const struct doc *node = doc_find(c->kube, STR("node"));
    int r = 0;

    if (pod) {
        r = check_object(as, a, &res_core_pods, c->ns, text(pod, "name"), text(pod, "uid"), now_sec,
                         err);
        add_extra(u, a, EXTRA "pod-name", text(pod, "name"));
        add_extra(u, a, EXTRA "pod-uid", text(pod, "uid"));
    } else if (secret) {
        r = check_object(as, a, &res_core_secrets, c->ns, text(secret, "name"), text(secret, "uid"),
                         now_sec, err);
    } else if (node) {
        r = check_object(as, a, &res_core_nodes, STR(""), text(node, "name"), text(node, "uid"),
                         now_sec, err);
    }
    if (node) {
        add_extra(u, a, EXTRA "node-name", text(node, "name"));
        if (!str_empty(text(node, "uid")))
            add_extra(u, a, EXTRA "node-uid", text(node, "uid"));
    }
    return r;
}

static void name_user(const struct claims *c, struct arena *a, struct user_info *u)
{
    u->name = str_printf(a, "system:serviceaccount:%.*s:%.*s", STR_ARG(c->ns), STR_ARG(c->name));
    u->uid = str_dup(a, c->uid);
    user_add_group(u, a, "system:serviceaccounts");
    user_add_group(u, a, arena_printf(a, "system:serviceaccounts:%.*s", STR_ARG(c->ns)));
    user_add_group(u, a, "system:authenticated");
    if (!str_empty(c->jti))
        add_extra(u, a, EXTRA "credential-id", str_printf(a, "JTI=%.*s", STR_ARG(c->jti)));
}

int authn_account(struct apiserver *as, struct arena *a, struct str json,
                  const struct string_list *audiences, int64_t now_sec, struct user_info *ret_user,
                  struct string_list *ret_audiences, struct err *err)
{
    struct doc *root = arena_new(a, struct doc);
    struct user_info u = {0};
    struct claims c = {.root = root};
    const struct doc *account;
    int r;

    if (json_parse(json, a, root, NULL, NULL) < 0 || root->kind != DOC_OBJECT)
        return err_new(err, ERR_UNAUTHORIZED, "the token's claims are no JSON object");
    if (!str_eqz(text(root, "iss"), as->opts.token_issuer))
        return err_new(err, ERR_UNAUTHORIZED, "the token is of another issuer");
    c.kube = doc_find(root, STR("kubernetes.io"));
    account = doc_find(c.kube, STR("serviceaccount"));
    c.ns = text(c.kube, "namespace");
    c.name = text(account, "name");
    c.uid = text(account, "uid");
    c.jti = text(root, "jti");
    if (str_empty(c.ns) || str_empty(c.name) || str_empty(c.uid))
        return err_new(err, ERR_UNAUTHORIZED, "the token names no service account");
    if (seconds(root, "exp") <= now_sec)
        return err_new(err, ERR_UNAUTHORIZED, "service account token has expired");
    if (seconds(root, "nbf") > now_sec)
        return err_new(err, ERR_UNAUTHORIZED, "service account token is not valid yet");
    r = check_audience(as, a, &c, audiences, ret_audiences, err);
    if (r == 0)
        r = check_object(as, a, &res_core_serviceaccounts, c.ns, c.name, c.uid, now_sec, err);
    if (r < 0)
        return r;
    name_user(&c, a, &u);
    r = check_bound(as, a, &c, now_sec, &u, err);
    if (r == 0)
        *ret_user = u;
    return r;
}

int authn_token(struct apiserver *as, struct arena *a, struct str token,
                const struct string_list *audiences, struct user_info *ret_user,
                struct string_list *ret_audiences, struct err *err)
{
    const struct user_info *fixed = authn_static(as->authn, token);
    struct str claims;
    int r;

    if (fixed) {
        if (ret_audiences)
            *ret_audiences = audiences ? *audiences : (struct string_list){0};
        *ret_user = *fixed;
        return 0;
    }
    if (!as->opts.token_key)
        return err_new(err, ERR_UNAUTHORIZED, "invalid bearer token");
    r = jwt_verify(as->opts.token_key, token, a, &claims, err);
    if (r < 0)
        return r;
    return authn_account(as, a, claims, audiences, authn_now_sec(as->authn), ret_user,
                         ret_audiences, err);
}
