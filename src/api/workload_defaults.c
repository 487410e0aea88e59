/* SPDX-License-Identifier: Apache-2.0 */
/* workload_defaults.c - defaults of the other groups that depend on other fields. */
#include "api/api.h"
#include "api/map_fill.h"

static struct int_or_string percent(struct str text)
{
    return (struct int_or_string){.kind = INT_OR_STRING_STRING, .s = text};
}

void apps_deployment_strategy_set_defaults(void *obj, struct arena *a)
{
    struct apps_deployment_strategy *s = obj;

    if (!str_eq(s->type, STR("RollingUpdate")))
        return;
    if (!s->rolling_update)
        s->rolling_update = arena_new(a, struct apps_rolling_update_deployment);
    if (s->rolling_update->max_unavailable.kind == INT_OR_STRING_ABSENT)
        s->rolling_update->max_unavailable = percent(STR("25%"));
    if (s->rolling_update->max_surge.kind == INT_OR_STRING_ABSENT)
        s->rolling_update->max_surge = percent(STR("25%"));
}

void apps_daemon_set_update_strategy_set_defaults(void *obj, struct arena *a)
{
    struct apps_daemon_set_update_strategy *s = obj;

    if (str_eq(s->type, STR("RollingUpdate")) && !s->rolling_update)
        s->rolling_update = arena_new(a, struct apps_rolling_update_daemon_set);
}

void apps_stateful_set_spec_set_defaults(void *obj, struct arena *a)
{
    struct apps_stateful_set_spec *s = obj;
    struct apps_stateful_set_persistent_volume_claim_retention_policy *p;

    if (s->update_strategy.type.len == 0) {
        s->update_strategy.type = STR("RollingUpdate");
        if (!s->update_strategy.rolling_update)
            s->update_strategy.rolling_update =
                arena_new(a, struct apps_rolling_update_stateful_set_strategy);
    }
    if (str_eq(s->update_strategy.type, STR("RollingUpdate")) &&
        s->update_strategy.rolling_update && !s->update_strategy.rolling_update->partition)
        s->update_strategy.rolling_update->partition = arena_box(a, (int32_t)0);
    p = s->persistent_volume_claim_retention_policy;
    if (!p)
        p = s->persistent_volume_claim_retention_policy = arena_new(
            a, struct apps_stateful_set_persistent_volume_claim_retention_policy);
    if (p->when_deleted.len == 0)
        p->when_deleted = STR("Retain");
    if (p->when_scaled.len == 0)
        p->when_scaled = STR("Retain");
    for (size_t i = 0; i < s->volume_claim_templates.n; i++) { /* protobuf does not keep them */
        s->volume_claim_templates.v[i].kind = STR("PersistentVolumeClaim");
        s->volume_claim_templates.v[i].api_version = STR("v1");
    }
}

void batch_job_set_defaults(void *obj, struct arena *a)
{
    struct batch_job *j = obj;
    struct batch_job_spec *s = &j->spec;
    const struct string_map *labels = &s->template.metadata.labels;

    if (!s->completions && !s->parallelism)
        s->completions = arena_box(a, (int32_t)1);
    if (!s->parallelism)
        s->parallelism = arena_box(a, (int32_t)1);
    if (!s->backoff_limit)
        s->backoff_limit = arena_box(a, (int32_t)(s->backoff_limit_per_index ? INT32_MAX : 6));
    if (j->metadata.labels.n == 0)
        string_map_fill(a, &j->metadata.labels, labels, false);
    if (!s->completion_mode)
        s->completion_mode = arena_box(a, STR("NonIndexed"));
    if (!s->suspend)
        s->suspend = arena_box(a, (bool)false);
    if (!s->manual_selector)
        s->manual_selector = arena_box(a, (bool)false);
    if (!s->pod_replacement_policy)
        s->pod_replacement_policy = arena_box(
            a, s->pod_failure_policy ? STR("Failed") : STR("TerminatingOrFailed"));
    for (size_t i = 0; s->pod_failure_policy && i < s->pod_failure_policy->rules.n; i++) {
        struct batch_pod_failure_policy_rule *r = &s->pod_failure_policy->rules.v[i];

        for (size_t k = 0; k < r->on_pod_conditions.n; k++) {
            if (r->on_pod_conditions.v[k].status.len == 0)
                r->on_pod_conditions.v[k].status = STR("True");
        }
    }
}

void networking_network_policy_spec_set_defaults(void *obj, struct arena *a)
{
    struct networking_network_policy_spec *s = obj;

    if (s->policy_types.n > 0)
        return;
    s->policy_types.v = arena_calloc(a, 2, sizeof(struct str));
    s->policy_types.v[s->policy_types.n++] = STR("Ingress");
    if (s->egress.n > 0)
        s->policy_types.v[s->policy_types.n++] = STR("Egress");
}

void rbac_subject_set_defaults(void *obj, struct arena *a)
{
    struct rbac_subject *s = obj;

    (void)a;
    if (s->api_group.len == 0 && (str_eq(s->kind, STR("User")) || str_eq(s->kind, STR("Group"))))
        s->api_group = STR("rbac.authorization.k8s.io");
}

static void default_rules(struct autoscaling_v2_hpa_scaling_rules *r, bool up, struct arena *a)
{
    if (up && !r->stabilization_window_seconds)
        r->stabilization_window_seconds = arena_box(a, (int32_t)0);
    if (!r->select_policy)
        r->select_policy = arena_box(a, STR("Max"));
    if (r->policies.n > 0)
        return;
    r->policies.v = arena_calloc(a, 2, sizeof(*r->policies.v));
    if (up)
        r->policies.v[r->policies.n++] =
            (struct autoscaling_v2_hpa_scaling_policy){STR("Pods"), 4, 15};
    r->policies.v[r->policies.n++] =
        (struct autoscaling_v2_hpa_scaling_policy){STR("Percent"), 100, 15};
}

void autoscaling_v2_horizontal_pod_autoscaler_spec_set_defaults(void *obj, struct arena *a)
{
    struct autoscaling_v2_horizontal_pod_autoscaler_spec *s = obj;

    if (s->metrics.n == 0) {
        struct autoscaling_v2_resource_metric_source *cpu =
            arena_new(a, struct autoscaling_v2_resource_metric_source);

        cpu->name = STR("cpu");
        cpu->target.type = STR("Utilization");
        cpu->target.average_utilization = arena_box(a, (int32_t)80);
        s->metrics.v = arena_calloc(a, 1, sizeof(*s->metrics.v));
        s->metrics.v[s->metrics.n++] =
            (struct autoscaling_v2_metric_spec){.type = STR("Resource"), .resource = cpu};
    }
    if (!s->behavior)
        return;
    if (!s->behavior->scale_up)
        s->behavior->scale_up = arena_new(a, struct autoscaling_v2_hpa_scaling_rules);
    if (!s->behavior->scale_down)
        s->behavior->scale_down = arena_new(a, struct autoscaling_v2_hpa_scaling_rules);
    default_rules(s->behavior->scale_up, true, a);
    default_rules(s->behavior->scale_down, false, a);
}

void apiextensions_custom_resource_definition_set_defaults(void *obj, struct arena *a)
{
    struct apiextensions_custom_resource_definition *crd = obj;
    struct apiextensions_custom_resource_definition_names *n = &crd->spec.names;

    if (n->singular.len == 0 && n->kind.len > 0) {
        char *lower = str_dupz(a, n->kind);

        for (char *p = lower; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
        n->singular = str_from(lower);
    }
    if (n->list_kind.len == 0 && n->kind.len > 0)
        n->list_kind = str_printf(a, "%.*sList", STR_ARG(n->kind));
    if (!crd->spec.conversion) {
        crd->spec.conversion = arena_new(a, struct apiextensions_custom_resource_conversion);
        crd->spec.conversion->strategy = STR("None");
    }
    if (crd->status.stored_versions.n > 0)
        return;
    for (size_t i = 0; i < crd->spec.versions.n; i++) {
        if (!crd->spec.versions.v[i].storage)
            continue;
        crd->status.stored_versions.v = arena_box(a, crd->spec.versions.v[i].name);
        crd->status.stored_versions.n = 1;
    }
}
