/* SPDX-License-Identifier: Apache-2.0 */
/* columns_workloads.c - cells of the kinds that make pods. Layer: api. */
#include "api/columns.h"

/* The cells that every kind with a pod template has. */
#define TEMPLATE_CELLS(kind, T, spec)                                                              \
    struct doc cell_##kind##_containers(const void *obj, const struct table_ctx *ctx)              \
    {                                                                                              \
        const struct T *x = obj;                                                                   \
                                                                                                   \
        return cell_text(column_containers(spec, ctx));                                            \
    }                                                                                              \
    struct doc cell_##kind##_images(const void *obj, const struct table_ctx *ctx)                  \
    {                                                                                              \
        const struct T *x = obj;                                                                   \
                                                                                                   \
        return cell_text(column_images(spec, ctx));                                                \
    }
#define SELECTOR_CELL(kind, T, selector, none, bad)                                                \
    struct doc cell_##kind##_selector(const void *obj, const struct table_ctx *ctx)                \
    {                                                                                              \
        const struct T *x = obj;                                                                   \
                                                                                                   \
        return cell_text(column_selector(selector, none, bad, ctx));                               \
    }

static const struct core_pod_spec no_spec;

TEMPLATE_CELLS(podtemplate, core_pod_template, &x->template.spec)
TEMPLATE_CELLS(rc, core_replication_controller,
               x->spec.template ? &x->spec.template->spec : &no_spec)
TEMPLATE_CELLS(replicaset, apps_replica_set, &x->spec.template.spec)
TEMPLATE_CELLS(daemonset, apps_daemon_set, &x->spec.template.spec)
TEMPLATE_CELLS(statefulset, apps_stateful_set, &x->spec.template.spec)
TEMPLATE_CELLS(deployment, apps_deployment, &x->spec.template.spec)
TEMPLATE_CELLS(job, batch_job, &x->spec.template.spec)
TEMPLATE_CELLS(cronjob, batch_cron_job, &x->spec.job_template.spec.template.spec)
SELECTOR_CELL(replicaset, apps_replica_set, x->spec.selector, "<none>", "<error>")
SELECTOR_CELL(daemonset, apps_daemon_set, x->spec.selector, "<none>", "<error>")
SELECTOR_CELL(deployment, apps_deployment, x->spec.selector, "", "<invalid>")
SELECTOR_CELL(job, batch_job, x->spec.selector, "<none>", "<error>")
SELECTOR_CELL(cronjob, batch_cron_job, x->spec.job_template.spec.selector, "<none>", "<error>")

struct doc cell_podtemplate_labels(const void *obj, const struct table_ctx *ctx)
{
    const struct core_pod_template *t = obj;

    return cell_text(column_labels(&t->template.metadata.labels, ctx));
}

struct doc cell_rc_selector(const void *obj, const struct table_ctx *ctx)
{
    return cell_text(
        column_labels(&((const struct core_replication_controller *)obj)->spec.selector, ctx));
}

static struct doc ready_of(int32_t ready, const int32_t *wanted, const struct table_ctx *ctx)
{
    return cell_text(str_printf(ctx->arena, "%d/%d", ready, wanted ? *wanted : 0));
}

struct doc cell_deployment_ready(const void *obj, const struct table_ctx *ctx)
{
    const struct apps_deployment *d = obj;

    return ready_of(d->status.ready_replicas, d->spec.replicas, ctx);
}

struct doc cell_deployment_updated(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int(((const struct apps_deployment *)obj)->status.updated_replicas);
}

struct doc cell_deployment_available(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int(((const struct apps_deployment *)obj)->status.available_replicas);
}

struct doc cell_statefulset_ready(const void *obj, const struct table_ctx *ctx)
{
    const struct apps_stateful_set *s = obj;

    return ready_of(s->status.ready_replicas, s->spec.replicas, ctx);
}

struct doc cell_daemonset_node_selector(const void *obj, const struct table_ctx *ctx)
{
    const struct apps_daemon_set *d = obj;

    return cell_text(column_labels(&d->spec.template.spec.node_selector, ctx));
}

/* "daemonset.apps/name" of the owner that controls the revision. */
struct doc cell_controllerrevision_controller(const void *obj, const struct table_ctx *ctx)
{
    const struct meta_object_meta *m = &((const struct any_kind *)obj)->metadata;
    struct str group, version, kind;

    for (size_t i = 0; i < m->owner_references.n; i++) {
        const struct meta_owner_reference *o = &m->owner_references.v[i];

        if (!o->controller || !*o->controller)
            continue;
        api_split_version(o->api_version, &group, &version);
        kind = column_lower(o->kind, ctx);
        return cell_text(str_printf(ctx->arena, "%.*s%s%.*s/%.*s", STR_ARG(kind),
                                    group.len ? "." : "", STR_ARG(group), STR_ARG(o->name)));
    }
    return cell_text(STR("<none>"));
}

struct doc cell_controllerrevision_revision(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int(((const struct apps_controller_revision *)obj)->revision);
}

/* ---- batch ---- */

static bool job_condition_true(const struct batch_job *j, const char *type)
{
    for (size_t i = 0; i < j->status.conditions.n; i++) {
        if (str_eqz(j->status.conditions.v[i].type, type))
            return str_eqz(j->status.conditions.v[i].status, "True");
    }
    return false;
}

struct doc cell_job_status(const void *obj, const struct table_ctx *ctx)
{
    static const char *const later[] = {"Suspended", "FailureTarget", "SuccessCriteriaMet"};
    const struct batch_job *j = obj;

    (void)ctx;
    if (job_condition_true(j, "Complete"))
        return cell_text(STR("Complete"));
    if (job_condition_true(j, "Failed"))
        return cell_text(STR("Failed"));
    if (j->metadata.deletion_timestamp.set)
        return cell_text(STR("Terminating"));
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        if (job_condition_true(j, later[i]))
            return cell_text(str_from(later[i]));
    }
    return cell_text(STR("Running"));
}

struct doc cell_job_completions(const void *obj, const struct table_ctx *ctx)
{
    const struct batch_job *j = obj;
    int32_t parallelism = j->spec.parallelism ? *j->spec.parallelism : 0;

    if (j->spec.completions)
        return cell_text(
            str_printf(ctx->arena, "%d/%d", j->status.succeeded, *j->spec.completions));
    if (parallelism > 1)
        return cell_text(str_printf(ctx->arena, "%d/1 of %d", j->status.succeeded, parallelism));
    return cell_text(str_printf(ctx->arena, "%d/1", j->status.succeeded));
}

struct doc cell_job_duration(const void *obj, const struct table_ctx *ctx)
{
    const struct batch_job_status *s = &((const struct batch_job *)obj)->status;

    if (!s->start_time.set)
        return cell_text(STR(""));
    return cell_text(column_duration(
        (s->completion_time.set ? s->completion_time.sec : ctx->now_sec) - s->start_time.sec, ctx));
}

struct doc cell_cronjob_timezone(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return cell_ptr_or(((const struct batch_cron_job *)obj)->spec.time_zone, "<none>");
}

/* A word, although the column is a boolean one: clients know it so. */
struct doc cell_cronjob_suspend(const void *obj, const struct table_ctx *ctx)
{
    const bool *suspend = ((const struct batch_cron_job *)obj)->spec.suspend;

    (void)ctx;
    if (!suspend)
        return cell_text(STR("<unset>"));
    return cell_text(*suspend ? STR("True") : STR("False"));
}

struct doc cell_cronjob_active(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int((int64_t)((const struct batch_cron_job *)obj)->status.active.n);
}

struct doc cell_cronjob_last(const void *obj, const struct table_ctx *ctx)
{
    struct time_value t = ((const struct batch_cron_job *)obj)->status.last_schedule_time;

    return cell_text(t.set ? column_age(t, ctx) : STR("<none>"));
}

/* ---- autoscaling ---- */

typedef struct autoscaling_v2_horizontal_pod_autoscaler hpa;
typedef struct autoscaling_v2_metric_status metric_status;

static struct str quantity_or_unknown(struct quantity q, const struct table_ctx *ctx)
{
    return q.set ? quantity_str(ctx->arena, q) : STR("<unknown>");
}

/* "<current>/<target>", with "(avg)" when the target is one. */
static void write_value(struct buf *b, const struct autoscaling_v2_metric_target *t,
                        const struct autoscaling_v2_metric_value_status *now, bool mark_average,
                        const struct table_ctx *ctx)
{
    static const struct autoscaling_v2_metric_value_status none;
    bool average = t->average_value.set;
    struct str cur, want;

    now = now ? now : &none;
    cur = quantity_or_unknown(average ? now->average_value : now->value, ctx);
    want = quantity_str(ctx->arena, average ? t->average_value : t->value);
    buf_printf(b, "%.*s/%.*s%s", STR_ARG(cur), STR_ARG(want),
               average && mark_average ? " (avg)" : "");
}

static void write_utilization(struct buf *b, struct str name,
                              const struct autoscaling_v2_metric_target *t,
                              const struct autoscaling_v2_metric_value_status *now,
                              const struct table_ctx *ctx)
{
    buf_printf(b, "%.*s: ", STR_ARG(name));
    if (t->average_value.set) {
        write_value(b, t, now, false, ctx);
        return;
    }
    if (now && now->average_utilization)
        buf_printf(b, "%d%%/", *now->average_utilization);
    else
        buf_puts(b, "<unknown>/");
    if (t->average_utilization)
        buf_printf(b, "%d%%", *t->average_utilization);
    else
        buf_puts(b, "<auto>");
}

static void write_metric(struct buf *b, const struct autoscaling_v2_metric_spec *m,
                         const metric_status *now, const struct table_ctx *ctx)
{
    if (str_eqz(m->type, "External") && m->external)
        write_value(b, &m->external->target, now && now->external ? &now->external->current : NULL,
                    true, ctx);
    else if (str_eqz(m->type, "Object") && m->object)
        write_value(b, &m->object->target, now && now->object ? &now->object->current : NULL, true,
                    ctx);
    else if (str_eqz(m->type, "Pods") && m->pods)
        write_value(b, &m->pods->target, now && now->pods ? &now->pods->current : NULL, false, ctx);
    else if (str_eqz(m->type, "Resource") && m->resource)
        write_utilization(b, m->resource->name, &m->resource->target,
                          now && now->resource ? &now->resource->current : NULL, ctx);
    else if (str_eqz(m->type, "ContainerResource") && m->container_resource)
        write_utilization(b, m->container_resource->name, &m->container_resource->target,
                          now && now->container_resource ? &now->container_resource->current : NULL,
                          ctx);
    else
        buf_puts(b, "<unknown type>");
}

struct doc cell_hpa_reference(const void *obj, const struct table_ctx *ctx)
{
    const struct autoscaling_v2_cross_version_object_reference *r =
        &((const hpa *)obj)->spec.scale_target_ref;

    return cell_text(str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(r->kind), STR_ARG(r->name)));
}

struct doc cell_hpa_targets(const void *obj, const struct table_ctx *ctx)
{
    enum { SHOWN_MAX = 2 };
    const hpa *h = obj;
    size_t n = h->spec.metrics.n;
    auto_buf b = {0};

    if (!n)
        return cell_text(STR("<none>"));
    for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
        buf_puts(&b, i ? ", " : "");
        write_metric(&b, &h->spec.metrics.v[i],
                     i < h->status.current_metrics.n ? &h->status.current_metrics.v[i] : NULL, ctx);
    }
    if (n > SHOWN_MAX)
        buf_printf(&b, " + %zu more...", n - SHOWN_MAX);
    return cell_buf(&b, ctx);
}

struct doc cell_hpa_min(const void *obj, const struct table_ctx *ctx)
{
    const int32_t *min = ((const hpa *)obj)->spec.min_replicas;

    return cell_text(min ? str_printf(ctx->arena, "%d", *min) : STR("<unset>"));
}

struct doc cell_hpa_max(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int(((const hpa *)obj)->spec.max_replicas);
}

struct doc cell_hpa_replicas(const void *obj, const struct table_ctx *ctx)
{
    (void)ctx;
    return doc_int(((const hpa *)obj)->status.current_replicas);
}

/* The older version shows the same, by way of the newer one. */
#define HPA_V1_CELL(what)                                                                          \
    struct doc cell_hpa_v1_##what(const void *obj, const struct table_ctx *ctx)                    \
    {                                                                                              \
        hpa *v2 = arena_new(ctx->arena, hpa);                                                      \
                                                                                                   \
        autoscaling_hpa_to_v2(obj, v2, ctx->arena);                                                \
        return cell_hpa_##what(v2, ctx);                                                           \
    }
HPA_V1_CELL(reference)
HPA_V1_CELL(targets)
HPA_V1_CELL(min)
HPA_V1_CELL(max)
HPA_V1_CELL(replicas)
