/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_workloads.c - how the kinds of apps and batch are made and changed. Layer: api. */
#include "api/validate_workloads.h"
#include "schema/typed.h"

/* ---- apps ---- */

/* Upstream's old counter of template changes, which its clients still see as an annotation. */
#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

static void daemonset_prepare_create(void *obj, struct arena *a)
{
    struct apps_daemon_set *ds = obj;

    string_map_set(a, &ds->metadata.annotations, STR(TEMPLATE_GENERATION), STR("1"));
}

static void daemonset_prepare_update(void *obj, const void *old, struct arena *a)
{
    struct apps_daemon_set *ds = obj;
    const struct apps_daemon_set *was = old;
    int64_t generation;

    if (!str_to_i64(string_map_get(&was->metadata.annotations, STR(TEMPLATE_GENERATION)),
                    &generation) ||
        generation < 1 || generation == INT64_MAX)
        generation = 1;
    if (!typed_equal(&type_core_pod_template_spec, &ds->spec.template, &was->spec.template))
        generation++;
    string_map_set(a, &ds->metadata.annotations, STR(TEMPLATE_GENERATION),
                   str_printf(a, "%lld", (long long)generation));
}

const struct strategy strategy_daemonsets = {
    .prepare_create = daemonset_prepare_create,
    .prepare_update = daemonset_prepare_update,
    .validate = validate_daemonset,
    .validate_status = validate_daemonset_status,
};

const struct strategy strategy_statefulsets = {
    .validate = validate_statefulset,
    .validate_status = validate_statefulset_status,
    .name_format = "dns-label",
};
const struct strategy strategy_replicasets = {
    .validate = validate_replicaset,
    .validate_status = validate_replicaset_status,
};
const struct strategy strategy_replicationcontrollers = {
    .validate = validate_rc,
    .validate_status = validate_rc_status,
};
const struct strategy strategy_controllerrevisions = {.validate = validate_controllerrevision};

/* A status write does not change the labels. */
static void deployment_prepare_status(void *obj, const void *old, struct arena *a)
{
    struct apps_deployment *d = obj;

    (void)a;
    d->metadata.labels = ((const struct apps_deployment *)old)->metadata.labels;
}

const struct strategy strategy_deployments = {
    .prepare_status = deployment_prepare_status,
    .validate = validate_deployment,
    .validate_status = validate_deployment_status,
};

/* ---- batch ---- */

static void label_if_absent(struct arena *a, struct string_map *labels, struct str key,
                            struct str value)
{
    if (!string_map_get(labels, key).p)
        string_map_set(a, labels, key, value);
}

/* The pods of a job carry its name and uid, and it selects them by the uid. */
static void job_prepare_create(void *obj, struct arena *a)
{
    struct batch_job *j = obj;
    struct string_map *labels = &j->spec.template.metadata.labels;
    struct str name = j->metadata.name, uid = j->metadata.uid;

    j->metadata.generation = 1;
    if (j->spec.manual_selector && *j->spec.manual_selector)
        return;
    label_if_absent(a, labels, STR("job-name"), name);
    label_if_absent(a, labels, STR("batch.kubernetes.io/job-name"), name);
    label_if_absent(a, labels, STR("controller-uid"), uid);
    label_if_absent(a, labels, STR("batch.kubernetes.io/controller-uid"), uid);
    if (!j->spec.selector)
        j->spec.selector = arena_new(a, struct meta_label_selector);
    label_if_absent(a, &j->spec.selector->match_labels, STR("batch.kubernetes.io/controller-uid"),
                    uid);
}

const struct strategy strategy_jobs = {
    .prepare_create = job_prepare_create,
    .validate = validate_job,
    .validate_status = validate_job_status,
};
const struct strategy strategy_cronjobs = {.validate = validate_cronjob};
