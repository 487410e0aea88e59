/* SPDX-License-Identifier: Apache-2.0 */
/* node_authz.c - the authorizer of kubelets. See node_authz.h.
 *
 * Where upstream leaves writes to an admission plugin (NodeRestriction), this one looks at once: a
 * node changes its own Node and the pods bound to it. */
#include "apiserver/node_authz.h"
#include "apiserver/pod_refs.h"

#define NODE_PREFIX "system:node:"

struct ask {
    struct apiserver *as;
    struct arena *arena;
    const struct authz_attributes *at;
    struct str node;
    struct str *reason;
};

struct str node_of_user(const struct user_info *user)
{
    if (!str_has_prefix(user->name, STR(NODE_PREFIX)))
        return STR_NULL;
    for (size_t i = 0; i < user->groups.n; i++)
        if (str_eqz(user->groups.v[i], "system:nodes"))
            return str_sub(user->name, sizeof(NODE_PREFIX) - 1, user->name.len);
    return STR_NULL;
}

static bool deny(struct ask *q, const char *reason)
{
    *q->reason = str_from(reason);
    return false;
}

static bool verb_in(struct str verb, const char *verbs)
{
    struct str rest = str_from(verbs);

    while (rest.p) {
        struct str v = str_cut(rest, ' ', &rest);

        if (str_eq(v, verb))
            return true;
    }
    return false;
}

static bool verb_is(const struct ask *q, const char *verbs)
{
    return verb_in(q->at->verb, verbs);
}

/* What is asked of a pod that is bound to the node. */
typedef bool (*pod_test)(struct ask *q, const struct core_pod *pod, const void *arg);

static bool any_pod(struct ask *q, struct str ns, pod_test test, const void *arg)
{
    struct snapshot *s = cache_snapshot(store_cache(q->as->store, &res_core_pods));
    struct str prefix = resource_key(&res_core_pods, ns, STR(""), q->arena);
    struct omap_iter it;
    const struct object *o;
    bool found = false;

    omap_seek(&s->objects, prefix, &it);
    while (!found && (o = omap_next(&it)) && str_has_prefix(o->key, prefix))
        if (str_eq(object_field(o, STR("spec.nodeName")), q->node))
            found = test(q, OBJECT_AS(core_pod, o), arg);
    snapshot_unref(s);
    return found;
}

struct wanted_ref {
    unsigned kinds;
    struct str name;
};

static bool pod_has_ref(struct ask *q, const struct core_pod *pod, const void *arg)
{
    const struct wanted_ref *w = arg;

    return pod_refers_to(pod, w->kinds, w->name);
}

static bool same_secret(void *arg, enum pod_ref_kind kind, struct str ns, struct str name)
{
    const struct ask *q = arg;

    return kind == POD_REF_SECRET && str_eq(name, q->at->name) && str_eq(ns, q->at->ns);
}

/* Whether a pod of the node uses the claim that @pv is bound to. */
static bool volume_used(struct ask *q, const struct core_persistent_volume *pv)
{
    const struct core_object_reference *claim = pv->spec.claim_ref;

    return claim && any_pod(q, claim->namespace, pod_has_ref,
                            &(struct wanted_ref){POD_REF_CLAIM, claim->name});
}

/* Secrets that a volume needs to be mounted are named by the volume. */
static bool secret_of_volume(struct ask *q)
{
    struct snapshot *s = cache_snapshot(store_cache(q->as->store, &res_core_persistentvolumes));
    struct omap_iter it;
    const struct object *o;
    bool found = false;

    omap_seek(&s->objects, STR_NULL, &it);
    while (!found && (o = omap_next(&it))) {
        const struct core_persistent_volume *pv = OBJECT_AS(core_persistent_volume, o);

        found = pod_refs_visit(&type_core_persistent_volume_spec, &pv->spec, same_secret, q) &&
                volume_used(q, pv);
    }
    snapshot_unref(s);
    return found;
}

static bool unrelated(struct ask *q)
{
    *q->reason = str_printf(q->arena, "no relationship found between node '%.*s' and this object",
                            STR_ARG(q->node));
    return false;
}

static bool by_reference(struct ask *q, unsigned kinds, const char *verbs)
{
    if (!verb_is(q, verbs))
        return deny(q, strstr(verbs, "list") ? "can only read resources of this type"
                                             : "can only get individual resources of this type");
    if (!str_empty(q->at->sub))
        return deny(q, "cannot read subresource");
    if (str_empty(q->at->ns))
        return deny(q, "can only read namespaced object of this type");
    if (str_empty(q->at->name))
        return unrelated(q);
    if (any_pod(q, q->at->ns, pod_has_ref, &(struct wanted_ref){kinds, q->at->name}))
        return true;
    if ((kinds & POD_REF_SECRET) && secret_of_volume(q))
        return true;
    return unrelated(q);
}

static bool allow_secrets(struct ask *q)
{
    return by_reference(q, POD_REF_SECRET, "get list watch");
}

static bool allow_configmaps(struct ask *q)
{
    return by_reference(q, POD_REF_CONFIG_MAP, "get list watch");
}

static bool allow_claims(struct ask *q)
{
    struct wanted_ref w = {POD_REF_CLAIM, q->at->name};

    if (!str_eqz(q->at->sub, "status"))
        return by_reference(q, POD_REF_CLAIM, "get");
    if (!verb_is(q, "get update patch"))
        return deny(q, "can only get/update/patch this type");
    return any_pod(q, q->at->ns, pod_has_ref, &w) || unrelated(q);
}

static bool allow_volumes(struct ask *q)
{
    struct str key = resource_key(&res_core_persistentvolumes, STR(""), q->at->name, q->arena);
    struct object *o;
    bool used;

    if (!verb_is(q, "get") || str_empty(q->at->name) || !str_empty(q->at->sub))
        return deny(q, "can only get individual resources of this type");
    o = cache_find(store_cache(q->as->store, &res_core_persistentvolumes), key);
    used = o && volume_used(q, OBJECT_AS(core_persistent_volume, o));
    object_unref(o);
    return used || unrelated(q);
}

static bool allow_attachments(struct ask *q)
{
    const struct resource *res = &res_storage_volumeattachments;
    struct object *o;
    bool own;

    if (!verb_is(q, "get") || str_empty(q->at->name) || !str_empty(q->at->sub))
        return deny(q, "can only get individual resources of this type");
    o = cache_find(store_cache(q->as->store, res),
                   resource_key(res, STR(""), q->at->name, q->arena));
    own = o && str_eq(OBJECT_AS(storage_volume_attachment, o)->spec.node_name, q->node);
    object_unref(o);
    return own || unrelated(q);
}

static bool pod_claims(struct ask *q, const struct core_pod *pod, const void *arg)
{
    for (size_t i = 0; i < pod->spec.resource_claims.n; i++) {
        const struct str *n = pod->spec.resource_claims.v[i].resource_claim_name;

        if (n && str_eq(*n, q->at->name))
            return true;
    }
    for (size_t i = 0; i < pod->status.resource_claim_statuses.n; i++) {
        const struct str *n = pod->status.resource_claim_statuses.v[i].resource_claim_name;

        if (n && str_eq(*n, q->at->name))
            return true;
    }
    return pod->status.extended_resource_claim_status &&
           str_eq(pod->status.extended_resource_claim_status->resource_claim_name, q->at->name);
}

static bool allow_resource_claims(struct ask *q)
{
    if (!verb_is(q, "get") || str_empty(q->at->name) || !str_empty(q->at->sub))
        return deny(q, "can only get individual resources of this type");
    return any_pod(q, q->at->ns, pod_claims, NULL) || unrelated(q);
}

static bool pod_runs_as(struct ask *q, const struct core_pod *pod, const void *arg)
{
    return str_eq(pod->spec.service_account_name, q->at->name);
}

static bool allow_accounts(struct ask *q)
{
    bool token = str_eqz(q->at->sub, "token");

    if (token && (!verb_is(q, "create") || str_empty(q->at->name)))
        return deny(q, "can only create tokens for individual service accounts");
    if (!token && (!verb_is(q, "get") || str_empty(q->at->name) || !str_empty(q->at->sub)))
        return deny(q, "can only get individual resources of this type");
    return any_pod(q, q->at->ns, pod_runs_as, NULL) || unrelated(q);
}

static bool allow_nodes(struct ask *q)
{
    bool own = str_eq(q->at->name, q->node);

    if (str_eqz(q->at->sub, "status") && verb_is(q, "update patch"))
        return own;
    if (!str_empty(q->at->sub))
        return false;
    if (verb_is(q, "create"))
        return str_empty(q->at->name) || own;
    if (verb_is(q, "update patch"))
        return own;
    if (!verb_is(q, "get list watch"))
        return false;
    if (own)
        return true;
    if (str_empty(q->at->name))
        *q->reason =
            str_printf(q->arena, "node '%.*s' cannot read all nodes, only its own Node object",
                       STR_ARG(q->node));
    else
        *q->reason =
            str_printf(q->arena, "node '%.*s' cannot read '%.*s', only its own Node object",
                       STR_ARG(q->node), STR_ARG(q->at->name));
    return false;
}

static bool pod_named(struct ask *q, const struct core_pod *pod, const void *arg)
{
    return str_eq(pod->metadata.name, q->at->name);
}

/* True if the selector text demands that field @name is the node. */
static bool selects_node(struct ask *q, const struct resource *res, const char *name)
{
    struct selector sel;

    if (selector_parse_fields(res, q->at->field_selector, q->arena, &sel, NULL) < 0)
        return false;
    return str_eq(selector_required(&sel, str_from(name)), q->node);
}

static bool allow_pods(struct ask *q)
{
    if (str_empty(q->at->sub) && verb_is(q, "list watch")) {
        if (selects_node(q, &res_core_pods, "spec.nodeName"))
            return true;
        return deny(q, "can only list/watch pods with spec.nodeName field selector");
    }
    if (str_empty(q->at->sub) && verb_is(q, "create"))
        return true; /* its mirror pods: admission lets nothing else through */
    if ((str_empty(q->at->sub) && verb_is(q, "get delete")) ||
        (str_eqz(q->at->sub, "status") && verb_is(q, "get update patch")) ||
        (str_eqz(q->at->sub, "eviction") && verb_is(q, "create")))
        return any_pod(q, q->at->ns, pod_named, NULL) || unrelated(q);
    return false;
}

static bool allow_leases(struct ask *q)
{
    if (!str_empty(q->at->sub))
        return deny(q, "cannot access subresource");
    if (!verb_is(q, "get create update patch delete"))
        return deny(q, "can only get, create, update, patch, or delete a node lease");
    if (!str_eqz(q->at->ns, "kube-node-lease"))
        return deny(q, "can only access leases in the \"kube-node-lease\" system namespace");
    if (!verb_is(q, "create") && !str_eq(q->at->name, q->node))
        return deny(q, "can only access node lease with the same name as the requesting node");
    return true;
}

static bool allow_csinodes(struct ask *q)
{
    if (!str_empty(q->at->sub))
        return deny(q, "cannot access subresource");
    if (!verb_is(q, "get create update patch delete"))
        return deny(q, "can only get, create, update, patch, or delete a CSINode");
    if (!verb_is(q, "create") && !str_eq(q->at->name, q->node))
        return deny(q, "can only access CSINode with the same name as the requesting node");
    return true;
}

static bool allow_slices(struct ask *q)
{
    const struct resource *res = &res_resource_resourceslices;
    struct object *o;
    const struct resource_resource_slice *s;
    bool own;

    if (!str_empty(q->at->sub))
        return deny(q, "cannot access subresource");
    if (verb_is(q, "create"))
        return true;
    if (verb_is(q, "list watch deletecollection"))
        return selects_node(q, res, "spec.nodeName") ||
               deny(q, "can only list/watch/deletecollection resourceslices with nodeName field "
                       "selector");
    if (!verb_is(q, "get update patch delete"))
        return false;
    o = cache_find(store_cache(q->as->store, res),
                   resource_key(res, STR(""), q->at->name, q->arena));
    s = o ? OBJECT_AS(resource_resource_slice, o) : NULL;
    own = s && s->spec.node_name && str_eq(*s->spec.node_name, q->node);
    object_unref(o);
    return own || unrelated(q);
}

static const struct node_rule {
    const char *group, *resource;
    bool (*allow)(struct ask *q); /* NULL: by verbs, on the resource or on sub */
    const char *sub, *verbs;
} node_rules[] = {
    {"", "secrets", allow_secrets, NULL, NULL},
    {"", "configmaps", allow_configmaps, NULL, NULL},
    {"", "persistentvolumeclaims", allow_claims, NULL, NULL},
    {"", "persistentvolumes", allow_volumes, NULL, NULL},
    {"", "serviceaccounts", allow_accounts, NULL, NULL},
    {"", "nodes", allow_nodes, NULL, NULL},
    {"", "pods", allow_pods, NULL, NULL},
    {"storage.k8s.io", "volumeattachments", allow_attachments, NULL, NULL},
    {"storage.k8s.io", "csinodes", allow_csinodes, NULL, NULL},
    {"coordination.k8s.io", "leases", allow_leases, NULL, NULL},
    {"resource.k8s.io", "resourceclaims", allow_resource_claims, NULL, NULL},
    {"resource.k8s.io", "resourceslices", allow_slices, NULL, NULL},
    {"", "services", NULL, "", "get list watch"},
    {"", "endpoints", NULL, "", "get"},
    {"", "events", NULL, "", "create patch update"},
    {"events.k8s.io", "events", NULL, "", "create patch update"},
    {"authentication.k8s.io", "tokenreviews", NULL, "", "create"},
    {"authorization.k8s.io", "subjectaccessreviews", NULL, "", "create"},
    {"authorization.k8s.io", "localsubjectaccessreviews", NULL, "", "create"},
    {"certificates.k8s.io", "certificatesigningrequests", NULL, "", "create get list watch"},
    {"storage.k8s.io", "csidrivers", NULL, "", "get list watch"},
    {"node.k8s.io", "runtimeclasses", NULL, "", "get list watch"},
};

bool node_allows(struct apiserver *as, struct arena *a, const struct authz_attributes *at,
                 struct str node, struct str *ret_reason)
{
    struct ask q = {as, a, at, node, ret_reason};

    *ret_reason = STR("");
    if (!at->is_resource)
        return false;
    if (str_empty(node)) {
        *ret_reason = str_printf(a, "unknown node for user \"%.*s\"", STR_ARG(at->user->name));
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(node_rules); i++) {
        const struct node_rule *r = &node_rules[i];

        if (!str_eqz(at->api_group, r->group) || !str_eqz(at->resource, r->resource))
            continue;
        if (r->allow)
            return r->allow(&q);
        return str_eqz(at->sub, r->sub) && verb_in(at->verb, r->verbs);
    }
    return false;
}
