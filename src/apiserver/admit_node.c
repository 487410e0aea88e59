/* SPDX-License-Identifier: Apache-2.0 */
/* admit_node.c - NodeRestriction: what a kubelet creates is its own: mirror pods, its Node, its
 * Lease, its CSINode; labels kept for administrators it may not set. The authorizer has seen to the
 * rest, but does not know what a new object is called. */
#include "apiserver/admit.h"
#include "apiserver/node_authz.h"

static enum stage_result check_pod(struct request *rq, const struct core_pod *pod, struct str node)
{
    if (!string_map_get(&pod->metadata.annotations, STR("kubernetes.io/config.mirror")).p)
        return admit_forbid(rq,
                            "pod does not have \"kubernetes.io/config.mirror\" annotation, node "
                            "\"%.*s\" can only create mirror pods",
                            STR_ARG(node));
    if (!str_eq(pod->spec.node_name, node))
        return admit_forbid(rq,
                            "node \"%.*s\" can only create pods with spec.nodeName set to itself",
                            STR_ARG(node));
    return STAGE_NEXT;
}

/* "x.node-restriction.kubernetes.io/y" and "node-restriction.kubernetes.io/y". */
static bool is_restricted(struct str key)
{
    struct str domain = str_cut(key, '/', &key);

    return str_eqz(domain, "node-restriction.kubernetes.io") ||
           str_has_suffix(domain, STR(".node-restriction.kubernetes.io"));
}

static bool same_restricted(const struct string_map *x, const struct string_map *y)
{
    for (size_t i = 0; i < x->n; i++)
        if (is_restricted(x->v[i].key) && !str_eq(string_map_get(y, x->v[i].key), x->v[i].value))
            return false;
    return true;
}

static enum stage_result check_node(struct request *rq, const struct core_node *now,
                                    struct str node)
{
    static const struct string_map none;
    const struct core_node *old = rq->old_typed;
    const struct string_map *was = old ? &old->metadata.labels : &none;

    if (!str_eq(now->metadata.name, node))
        return admit_forbid(rq, "node \"%.*s\" is not allowed to modify node \"%.*s\"",
                            STR_ARG(node), STR_ARG(now->metadata.name));
    if (!same_restricted(&now->metadata.labels, was) ||
        !same_restricted(was, &now->metadata.labels))
        return admit_forbid(rq, "is not allowed to modify labels of the "
                                "node-restriction.kubernetes.io domain");
    return STAGE_NEXT;
}

enum stage_result admit_node(struct request *rq)
{
    struct str node = node_of_user(&rq->user);
    bool create = admission_op_of(rq) == ADMIT_CREATE;

    if (!node.p)
        return STAGE_NEXT;
    if (rq->res == &res_core_nodes)
        return check_node(rq, rq->obj, node);
    if (!create || !str_empty(rq->sub))
        return STAGE_NEXT;
    if (rq->res == &res_core_pods)
        return check_pod(rq, rq->obj, node);
    if (rq->res == &res_coordination_leases &&
        !str_eq(((const struct coordination_lease *)rq->obj)->metadata.name, node))
        return admit_forbid(rq, "can only access node lease with the same name as the requesting "
                                "node");
    if (rq->res == &res_storage_csinodes &&
        !str_eq(((const struct storage_csi_node *)rq->obj)->metadata.name, node))
        return admit_forbid(rq,
                            "can only access CSINode with the same name as the requesting node");
    return STAGE_NEXT;
}
