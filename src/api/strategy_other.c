/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_other.c - how the kinds of the smaller groups are made and changed. Layer: api. */
#include "api/validate.h"
#include "schema/typed.h"

/* ---- rbac ---- */

const struct strategy strategy_roles = {.name_format = "path-segment"};
const struct strategy strategy_clusterroles = {.name_format = "path-segment"};
const struct strategy strategy_rolebindings = {.name_format = "path-segment"};
const struct strategy strategy_clusterrolebindings = {.name_format = "path-segment"};

/* ---- scheduling, storage, networking ---- */

/* Its generation never changes: all but its description is immutable. */
static void priority_prepare_create(void *obj, struct arena *a)
{
    (void)a;
    ((struct scheduling_priority_class *)obj)->metadata.generation = 1;
}

const struct strategy strategy_priorityclasses = {.prepare_create = priority_prepare_create};
const struct strategy strategy_ipaddresses = {.name_format = "ip"};
/* As a subdomain, but capitals are allowed: the name is the driver's own. */
const struct strategy strategy_csidrivers = {.name_format = "path-segment"};

/* ---- certificates ---- */

typedef struct certificates_certificate_signing_request csr;
typedef __typeof__(((csr *)0)->status.conditions) csr_conditions;

/* What was asked for stays, and the answer has endpoints of its own. */
static void csr_prepare_update(void *obj, const void *old, struct arena *a)
{
    csr *c = obj;

    (void)a;
    c->spec = ((const csr *)old)->spec;
    c->status = ((const csr *)old)->status;
}

static bool is_verdict(struct str type)
{
    return str_eqz(type, "Approved") || str_eqz(type, "Denied");
}

/* Verdicts are given through /approval only. */
static void csr_prepare_status(void *obj, const void *old, struct arena *a)
{
    csr *c = obj;
    const csr_conditions *was = &((const csr *)old)->status.conditions;
    csr_conditions given = c->status.conditions, all = {0};

    all.v = arena_calloc(a, given.n + was->n + 1, sizeof(*all.v));
    for (size_t i = 0; i < was->n; i++) {
        if (is_verdict(was->v[i].type))
            all.v[all.n++] = was->v[i];
    }
    for (size_t i = 0; i < given.n; i++) {
        if (!is_verdict(given.v[i].type))
            all.v[all.n++] = given.v[i];
    }
    c->status.conditions = all;
}

const struct strategy strategy_certificatesigningrequests = {
    .prepare_update = csr_prepare_update,
    .prepare_status = csr_prepare_status,
};

/* ---- apiextensions, apiregistration ---- */

typedef struct apiextensions_custom_resource_definition crd;

/* Objects may lie in the store in every version that once was the one to store. */
static void note_stored_version(crd *c, struct arena *a)
{
    struct str name = STR_NULL;
    size_t n = c->status.stored_versions.n;
    struct str *list;

    for (size_t i = 0; i < c->spec.versions.n; i++) {
        if (c->spec.versions.v[i].storage)
            name = c->spec.versions.v[i].name;
    }
    if (str_empty(name))
        return;
    for (size_t i = 0; i < n; i++) {
        if (str_eq(c->status.stored_versions.v[i], name))
            return;
    }
    list = arena_grow(a, c->status.stored_versions.v, n, n + 1, sizeof(*list));
    list[n] = name;
    c->status.stored_versions.v = list;
    c->status.stored_versions.n = n + 1;
}

static void crd_prepare_create(void *obj, struct arena *a)
{
    crd *c = obj;

    c->status = (__typeof__(c->status)){0};
    note_stored_version(c, a);
}

static void crd_prepare_update(void *obj, const void *old, struct arena *a)
{
    (void)old;
    note_stored_version(obj, a);
}

const struct strategy strategy_customresourcedefinitions = {
    .prepare_create = crd_prepare_create,
    .prepare_update = crd_prepare_update,
};

/* What this server itself serves is available from the first moment. */
static void apiservice_prepare_create(void *obj, struct arena *a)
{
    struct apiregistration_api_service *s = obj;
    struct apiregistration_api_service_condition *c;

    if (s->spec.service)
        return;
    c = arena_new(a, struct apiregistration_api_service_condition);
    c->type = STR("Available");
    c->status = STR("True");
    c->last_transition_time = s->metadata.creation_timestamp;
    c->reason = STR("Local");
    c->message = STR("Local APIServices are always available");
    s->status.conditions.v = c;
    s->status.conditions.n = 1;
}

const struct strategy strategy_apiservices = {
    .prepare_create = apiservice_prepare_create,
    .name_format = "path-segment",
};

/* ---- kinds that are as any other ---- */

const struct strategy strategy_ingressclasses = {0};
const struct strategy strategy_ingresses = {0};
const struct strategy strategy_networkpolicies = {0};
const struct strategy strategy_servicecidrs = {0};
const struct strategy strategy_poddisruptionbudgets = {0};
const struct strategy strategy_horizontalpodautoscalers = {0};
const struct strategy strategy_horizontalpodautoscalers_v1 = {0};
const struct strategy strategy_leases = {0};
const struct strategy strategy_endpointslices = {0};
const struct strategy strategy_storageclasses = {0};
const struct strategy strategy_csinodes = {0};
const struct strategy strategy_csistoragecapacities = {0};
const struct strategy strategy_volumeattachments = {0};
const struct strategy strategy_volumeattributesclasses = {0};
const struct strategy strategy_runtimeclasses = {0};
const struct strategy strategy_mutatingadmissionpolicies = {0};
const struct strategy strategy_mutatingadmissionpolicybindings = {0};
const struct strategy strategy_mutatingwebhookconfigurations = {0};
const struct strategy strategy_validatingadmissionpolicies = {0};
const struct strategy strategy_validatingadmissionpolicybindings = {0};
const struct strategy strategy_validatingwebhookconfigurations = {0};
const struct strategy strategy_flowschemas = {0};
const struct strategy strategy_prioritylevelconfigurations = {0};
const struct strategy strategy_events_events = {0};
