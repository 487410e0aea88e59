/* SPDX-License-Identifier: Apache-2.0 */
/* validate_autoscaling.c - how HorizontalPodAutoscalers are checked, in both versions.
 * Layer: api. */
#include "api/validate_other.h"
#include "schema/format.h"

enum { WINDOW_MAX_SEC = 3600, PERIOD_MAX_SEC = 1800 };

#define WANTS_SOURCE "must populate information for the given metric source"

typedef struct autoscaling_v2_metric_target target;

static void check_reference(struct field_errors *errs, const struct path *p,
                            const struct autoscaling_v2_cross_version_object_reference *r)
{
    struct str rest;

    check_named(errs, AT(p, "kind"), r->kind, format_path_segment);
    check_named(errs, AT(p, "name"), r->name, format_path_segment);
    str_cut(r->api_version, '/', &rest);
    if (str_find_char(rest, '/') >= 0)
        err_invalid(errs, AT(p, "apiVersion"), doc_string(r->api_version),
                    "unexpected GroupVersion string: %.*s", STR_ARG(r->api_version));
}

static void check_metric(struct field_errors *errs, const struct path *p,
                         const struct autoscaling_v2_metric_identifier *m)
{
    if (str_empty(m->name))
        err_required(errs, AT(p, "name"), "must specify a metric name");
    else
        check_why(errs, AT(p, "name"), m->name, format_path_segment(m->name));
}

static void check_positive(struct field_errors *errs, const struct path *p, struct quantity q)
{
    if (q.set && quantity_sign(q) != 1)
        err_invalid(errs, p, quantity_doc(q, errs->arena), "must be positive");
}

static void check_target(struct field_errors *errs, const struct path *p, const target *t)
{
    static const char *const types[] = {"Utilization", "Value", "AverageValue", NULL};

    if (str_empty(t->type))
        err_required(errs, AT(p, "type"), "must specify a metric target type");
    if (!one_of(t->type, types))
        err_invalid(errs, AT(p, "type"), doc_string(t->type),
                    "must be either Utilization, Value, or AverageValue");
    check_positive(errs, AT(p, "value"), t->value);
    check_positive(errs, AT(p, "averageValue"), t->average_value);
    if (t->average_utilization && *t->average_utilization < 1)
        err_invalid(errs, AT(p, "averageUtilization"), doc_int(*t->average_utilization),
                    "must be greater than 0");
}

/* What resources of pods are measured by: a share of what was asked for, or an amount. */
static void check_resource_target(struct field_errors *errs, const struct path *p, const target *t)
{
    check_target(errs, p, t);
    if (!t->average_utilization && !t->average_value.set)
        err_required(errs, AT(p, "averageUtilization"),
                     "must set either a target raw value or a target utilization");
    if (t->average_utilization && t->average_value.set)
        err_forbidden(errs, AT(p, "averageValue"),
                      "may not set both a target raw value and a target utilization");
}

static void check_object(struct field_errors *errs, const struct path *p, const void *source)
{
    const struct autoscaling_v2_object_metric_source *s = source;
    const struct path *at = AT(p, "target");

    check_reference(errs, AT(p, "describedObject"), &s->described_object);
    check_metric(errs, AT(p, "metric"), &s->metric);
    check_target(errs, at, &s->target);
    if (!s->target.value.set && !s->target.average_value.set)
        err_required(errs, AT(at, "averageValue"),
                     "must set either a target value or averageValue");
}

static void check_external(struct field_errors *errs, const struct path *p, const void *source)
{
    const struct autoscaling_v2_external_metric_source *s = source;
    const struct path *at = AT(p, "target");

    check_metric(errs, AT(p, "metric"), &s->metric);
    check_target(errs, at, &s->target);
    if (!s->target.value.set && !s->target.average_value.set)
        err_required(errs, AT(at, "averageValue"),
                     "must set either a target value for metric or a per-pod target");
    if (s->target.value.set && s->target.average_value.set)
        err_forbidden(errs, AT(at, "value"),
                      "may not set both a target value for metric and a per-pod target");
}

static void check_pods(struct field_errors *errs, const struct path *p, const void *source)
{
    const struct autoscaling_v2_pods_metric_source *s = source;

    check_metric(errs, AT(p, "metric"), &s->metric);
    check_target(errs, AT(p, "target"), &s->target);
    if (!s->target.average_value.set)
        err_required(errs, AT(AT(p, "target"), "averageValue"),
                     "must specify a positive target averageValue");
}

static void check_resource(struct field_errors *errs, const struct path *p, const void *source)
{
    const struct autoscaling_v2_resource_metric_source *s = source;

    if (str_empty(s->name))
        err_required(errs, AT(p, "name"), "must specify a resource name");
    check_resource_target(errs, AT(p, "target"), &s->target);
}

static void check_container_resource(struct field_errors *errs, const struct path *p,
                                     const void *source)
{
    const struct autoscaling_v2_container_resource_metric_source *s = source;

    if (str_empty(s->name))
        err_required(errs, AT(p, "name"), "must specify a resource name");
    else
        check_container_resource_name(errs, AT(p, "name"), s->name);
    if (str_empty(s->container))
        err_required(errs, AT(p, "container"), "must specify a container");
    else
        check_why(errs, AT(p, "container"), s->container, format_dns_label(s->container));
    check_resource_target(errs, AT(p, "target"), &s->target);
}

static void check_metric_spec(struct field_errors *errs, const struct path *p,
                              const struct autoscaling_v2_metric_spec *m)
{
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods",
                                        "Resource",          NULL};
    const struct {
        const char *type, *field;
        const void *source;
        void (*check)(struct field_errors *errs, const struct path *p, const void *source);
    } sources[] = {
        {"Object", "object", m->object, check_object},
        {"External", "external", m->external, check_external},
        {"Pods", "pods", m->pods, check_pods},
        {"Resource", "resource", m->resource, check_resource},
        {"ContainerResource", "containerResource", m->container_resource, check_container_resource},
    };
    size_t n_set = 0;

    if (str_empty(m->type))
        err_required(errs, AT(p, "type"), "must specify a metric source type");
    check_one_of(errs, AT(p, "type"), m->type, types);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (sources[i].source && n_set++ == 0)
            sources[i].check(errs, AT(p, sources[i].field), sources[i].source);
    }
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (str_eqz(m->type, sources[i].type) && !sources[i].source)
            err_required(errs, AT(p, sources[i].field), WANTS_SOURCE);
    }
    for (size_t i = 0; n_set > 1 && i < ARRAY_LEN(sources); i++) {
        if (sources[i].source && !str_eqz(m->type, sources[i].type))
            err_forbidden(errs, AT(p, sources[i].field),
                          "must populate the given metric source only");
    }
}

static void check_above_zero(struct field_errors *errs, const struct path *p, int32_t v)
{
    if (v <= 0)
        err_invalid(errs, p, doc_int(v), "must be greater than zero");
}

static void check_scaling(struct field_errors *errs, const struct path *p,
                          const struct autoscaling_v2_hpa_scaling_rules *r)
{
    static const char *const selections[] = {"Disabled", "Max", "Min", NULL};
    static const char *const types[] = {"Percent", "Pods", NULL};
    const int32_t *window = r ? r->stabilization_window_seconds : NULL;

    if (!r)
        return;
    if (window && *window < 0)
        err_invalid(errs, AT(p, "stabilizationWindowSeconds"), doc_int(*window),
                    "must be greater than or equal to zero");
    if (window && *window > WINDOW_MAX_SEC)
        err_invalid(errs, AT(p, "stabilizationWindowSeconds"), doc_int(*window),
                    "must be less than or equal to %d", WINDOW_MAX_SEC);
    if (r->select_policy)
        check_one_of(errs, AT(p, "selectPolicy"), *r->select_policy, selections);
    if (!r->policies.n)
        err_required(errs, AT(p, "policies"), "must specify at least one Policy");
    for (size_t i = 0; i < r->policies.n; i++) {
        const struct path *at = AT_INDEX(AT(p, "policies"), i);
        const struct autoscaling_v2_hpa_scaling_policy *policy = &r->policies.v[i];

        check_one_of(errs, AT(at, "type"), policy->type, types);
        check_above_zero(errs, AT(at, "value"), policy->value);
        check_above_zero(errs, AT(at, "periodSeconds"), policy->period_seconds);
        if (policy->period_seconds > PERIOD_MAX_SEC)
            err_invalid(errs, AT(at, "periodSeconds"), doc_int(policy->period_seconds),
                        "must be less than or equal to %d", PERIOD_MAX_SEC);
    }
}

static void validate_hpa(const void *obj, const void *old, struct field_errors *errs)
{
    const struct autoscaling_v2_horizontal_pod_autoscaler_spec *s =
        &((const struct autoscaling_v2_horizontal_pod_autoscaler *)obj)->spec;
    const struct path *p = AT(NULL, "spec"), *behavior = AT(p, "behavior");

    (void)old;
    if (s->min_replicas && *s->min_replicas < 1)
        err_invalid(errs, AT(p, "minReplicas"), doc_int(*s->min_replicas),
                    "must be greater than or equal to 1");
    if (s->max_replicas < 1)
        err_required(errs, AT(p, "maxReplicas"), "must be set and greater than 0");
    if (s->min_replicas && s->max_replicas < *s->min_replicas)
        err_invalid(errs, AT(p, "maxReplicas"), doc_int(s->max_replicas),
                    "must be greater than or equal to `minReplicas`");
    check_reference(errs, AT(p, "scaleTargetRef"), &s->scale_target_ref);
    for (size_t i = 0; i < s->metrics.n; i++)
        check_metric_spec(errs, AT_INDEX(AT(p, "metrics"), i), &s->metrics.v[i]);
    if (!s->behavior)
        return;
    check_scaling(errs, AT(behavior, "scaleUp"), s->behavior->scale_up);
    check_scaling(errs, AT(behavior, "scaleDown"), s->behavior->scale_down);
}

static void validate_hpa_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct autoscaling_v2_horizontal_pod_autoscaler *h = obj;
    const struct path *p = AT(NULL, "status");

    (void)old;
    check_nonneg(errs, AT(p, "currentReplicas"), h->status.current_replicas);
    check_nonneg(errs, AT(p, "desiredReplicas"), h->status.desired_replicas);
}

const struct strategy strategy_horizontalpodautoscalers = {
    .validate = validate_hpa,
    .validate_status = validate_hpa_status,
};

/* What is shown in version 1 is checked as it will be stored. */
static void validate_hpa_v1(const void *obj, const void *old, struct field_errors *errs)
{
    struct autoscaling_v2_horizontal_pod_autoscaler stored = {0};

    (void)old;
    autoscaling_hpa_to_v2(obj, &stored, errs->arena);
    validate_hpa(&stored, NULL, errs);
}

static void validate_hpa_v1_status(const void *obj, const void *old, struct field_errors *errs)
{
    struct autoscaling_v2_horizontal_pod_autoscaler stored = {0};

    (void)old;
    autoscaling_hpa_to_v2(obj, &stored, errs->arena);
    validate_hpa_status(&stored, NULL, errs);
}

const struct strategy strategy_horizontalpodautoscalers_v1 = {
    .validate = validate_hpa_v1,
    .validate_status = validate_hpa_v1_status,
};
