/* subresources.c - which function serves a subresource that is no view of the object, and which
 * computes a resource that is never stored. */
#include "apiserver/stages.h"

#define GET    VERB_BIT(VERB_GET)
#define CREATE VERB_BIT(VERB_CREATE)
#define CHANGE (VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH))
#define PASS (GET | CREATE | CHANGE | VERB_BIT(VERB_DELETE))

const struct subresource_handler subresource_handlers[] = {
    {"", "nodes", "proxy", PASS, stage_proxy},
    {"", "pods", "attach", GET | CREATE, stage_pod_attach},
    {"", "pods", "binding", CREATE, stage_pod_binding},
    {"", "pods", "eviction", CREATE, stage_pod_eviction},
    {"", "pods", "exec", GET | CREATE, stage_pod_exec},
    {"", "pods", "log", GET, stage_pod_log},
    {"", "pods", "portforward", GET | CREATE, stage_pod_portforward},
    {"", "pods", "proxy", PASS, stage_proxy},
    {"", "replicationcontrollers", "scale", GET | CHANGE, stage_scale},
    {"", "serviceaccounts", "token", CREATE, stage_account_token},
    {"", "services", "proxy", PASS, stage_proxy},
    {"apps", "deployments", "scale", GET | CHANGE, stage_scale},
    {"apps", "replicasets", "scale", GET | CHANGE, stage_scale},
    {"apps", "statefulsets", "scale", GET | CHANGE, stage_scale},
    {NULL, NULL, NULL, 0, NULL},
};

const struct subresource_handler ephemeral_handlers[] = {
    {"", "bindings", "", CREATE, stage_pod_binding},
    {"", "componentstatuses", "", GET | VERB_BIT(VERB_LIST), stage_component_status},
    {"authentication.k8s.io", "selfsubjectreviews", "", CREATE, stage_self_subject_review},
    {"authentication.k8s.io", "tokenreviews", "", CREATE, stage_token_review},
    {"authorization.k8s.io", "localsubjectaccessreviews", "", CREATE,
     stage_local_subject_access_review},
    {"authorization.k8s.io", "selfsubjectaccessreviews", "", CREATE,
     stage_self_subject_access_review},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "", CREATE,
     stage_self_subject_rules_review},
    {"authorization.k8s.io", "subjectaccessreviews", "", CREATE, stage_subject_access_review},
    {NULL, NULL, NULL, 0, NULL},
};
