/* SPDX-License-Identifier: Apache-2.0 */
/* admission.c - the table of admission plugins, in upstream's order. */
#include "apiserver/admit.h"
#include "base/random.h"

const struct admission admission_plugins[] = {
    {"NamespaceLifecycle", ADMIT_CREATE | ADMIT_UPDATE | ADMIT_DELETE, admit_namespace, NULL},
    {"LimitRanger", ADMIT_CREATE | ADMIT_UPDATE, admit_limit_defaults, admit_limits},
    {"ServiceAccount", ADMIT_CREATE, admit_account, NULL},
    {"NodeRestriction", ADMIT_CREATE | ADMIT_UPDATE, NULL, admit_node},
    {"TaintNodesByCondition", ADMIT_CREATE, admit_node_taint, NULL},
    {"Priority", ADMIT_CREATE | ADMIT_UPDATE, admit_priority, admit_priority_class},
    {"DefaultTolerationSeconds", ADMIT_CREATE | ADMIT_UPDATE, admit_tolerations, NULL},
    {"DefaultStorageClass", ADMIT_CREATE, admit_storage_class, NULL},
    {"RuntimeClass", ADMIT_CREATE, admit_runtime_class, NULL},
    {"Certificates", ADMIT_CREATE | ADMIT_UPDATE, NULL, admit_certificates},
    {"DefaultIngressClass", ADMIT_CREATE, admit_ingress_class, NULL},
    {"PodTopologyLabels", ADMIT_CREATE, admit_topology, NULL},
    {"RBACEscalation", ADMIT_CREATE | ADMIT_UPDATE, NULL, admit_rbac},
    {NULL, 0, NULL, NULL},
};

enum admission_op admission_op_of(const struct request *rq)
{
    static const char *const streams[] = {"exec", "attach", "portforward", "proxy", "log"};

    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        if (str_eqz(rq->sub, streams[i]))
            return ADMIT_CONNECT;
    switch (rq->verb) {
    case VERB_UPDATE:
    case VERB_PATCH:
        return rq->old ? ADMIT_UPDATE : ADMIT_CREATE; /* a PUT may create */
    case VERB_DELETE:
    case VERB_DELETECOLLECTION:
        return ADMIT_DELETE;
    default:
        return ADMIT_CREATE;
    }
}

static enum stage_result run(struct request *rq, bool mutate)
{
    enum admission_op op = admission_op_of(rq);

    for (const struct admission *p = admission_plugins; p->name; p++) {
        stage_fn fn = mutate ? p->mutate : p->validate;
        enum stage_result r;

        if (!fn || !(p->ops & op))
            continue;
        r = fn(rq);
        if (r != STAGE_NEXT)
            return r;
    }
    return STAGE_NEXT;
}

enum stage_result admission_mutate(struct request *rq)
{
    return run(rq, true);
}

enum stage_result admission_validate(struct request *rq)
{
    return run(rq, false);
}

struct str admit_name(const struct request *rq)
{
    const struct meta_object_meta *m;

    if (!str_empty(rq->name))
        return rq->name;
    if (!rq->obj || !rq->res || rq->res->type->metadata_offset < 0 || !str_empty(rq->sub))
        return STR("Unknown");
    m = (const void *)((const char *)rq->obj + rq->res->type->metadata_offset);
    if (!str_empty(m->name))
        return m->name;
    return str_empty(m->generate_name) ? STR("Unknown") : m->generate_name;
}

enum stage_result admit_forbid(struct request *rq, const char *why, ...)
{
    va_list args;
    const char *text;

    va_start(args, why);
    text = arena_vprintf(rq->arena, NULL, why, args);
    va_end(args);
    return request_fail_object(rq, ERR_FORBIDDEN, rq->res, admit_name(rq), "%s", text);
}

bool admit_is(const struct request *rq, const struct resource *res)
{
    return rq->res == res && str_empty(rq->sub);
}

struct str admit_suffix(struct request *rq)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char *p = arena_alloc(rq->arena, 6);

    for (size_t i = 0; i < 5; i++)
        p[i] = letters[random_below(loop_random(rq->loop), sizeof(letters) - 1)];
    return (struct str){p, 5};
}
