/* SPDX-License-Identifier: Apache-2.0 */
/* admit_namespace.c - NamespaceLifecycle: nothing is made in a namespace that is not there, or on
 * its way out; some namespaces stay for ever. */
#include "apiserver/admit.h"

static bool immortal(struct str name)
{
    return str_eqz(name, "default") || str_eqz(name, "kube-system") || str_eqz(name, "kube-public");
}

static enum stage_result refuse_terminating(struct request *rq, struct str ns)
{
    struct arena *a = rq->arena;
    struct meta_status st = {.status = STR("Failure"), .reason = STR("Forbidden"), .code = 403};
    struct meta_status_details *d = arena_new(a, struct meta_status_details);
    struct meta_status_cause *cause = arena_new(a, struct meta_status_cause);
    struct str name = admit_name(rq);

    *cause = (struct meta_status_cause){
        .reason = STR("NamespaceTerminating"),
        .message = str_printf(a, "namespace %.*s is being terminated", STR_ARG(ns)),
        .field = STR("metadata.namespace")};
    d->name = name;
    d->group = str_from(rq->res->group);
    d->kind = str_from(rq->res->plural);
    d->causes.v = cause;
    d->causes.n = 1;
    st.details = d;
    st.message = str_printf(a,
                            "%.*s \"%.*s\" is forbidden: unable to create new content in "
                            "namespace %.*s because it is being terminated",
                            STR_ARG(resource_qualified(rq->res, a)), STR_ARG(name), STR_ARG(ns));
    return status_send(rq, ERR_FORBIDDEN, &st);
}

enum stage_result admit_namespace(struct request *rq)
{
    enum admission_op op = admission_op_of(rq);
    const struct core_namespace *ns;
    struct object *o;
    enum stage_result r = STAGE_NEXT;

    if (rq->res == &res_core_namespaces) {
        if (op == ADMIT_DELETE && immortal(rq->name))
            return admit_forbid(rq, "this namespace may not be deleted");
        return STAGE_NEXT;
    }
    if (str_empty(rq->ns) || op == ADMIT_DELETE)
        return STAGE_NEXT;
    o = cache_find(store_cache(rq->as->store, &res_core_namespaces),
                   resource_key(&res_core_namespaces, STR(""), rq->ns, rq->arena));
    if (!o)
        return request_fail_object(rq, ERR_NOT_FOUND, &res_core_namespaces, rq->ns, NULL);
    ns = OBJECT_AS(core_namespace, o);
    if (op == ADMIT_CREATE &&
        (ns->metadata.deletion_timestamp.set || str_eqz(ns->status.phase, "Terminating")))
        r = refuse_terminating(rq, rq->ns);
    object_unref(o);
    return r;
}
