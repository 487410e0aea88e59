/* autoscaling_v1.c - HorizontalPodAutoscaler v1 as a view of the stored v2.
 *
 * v1 has one number for the CPU target. What it cannot say - other metrics, behavior, conditions -
 * travels in annotations, in the forms that upstream's clients know.
 */
#include "api/api.h"
#include "schema/typed.h"

#define METRICS_ANNOTATION         "autoscaling.alpha.kubernetes.io/metrics"
#define CURRENT_METRICS_ANNOTATION "autoscaling.alpha.kubernetes.io/current-metrics"
#define CONDITIONS_ANNOTATION      "autoscaling.alpha.kubernetes.io/conditions"
#define BEHAVIOR_ANNOTATION        "autoscaling.alpha.kubernetes.io/behavior"

/* ---- annotations ---- */

static struct string_map copy_map(const struct string_map *m, struct arena *a)
{
    struct string_map copy = {arena_calloc(a, m->n, sizeof(*m->v)), m->n};

    if (m->n)
        memcpy(copy.v, m->v, m->n * sizeof(*m->v));
    return copy;
}

static struct string_map without_ours(const struct string_map *m, struct arena *a)
{
    static const char *const keys[] = {METRICS_ANNOTATION, CURRENT_METRICS_ANNOTATION,
                                       CONDITIONS_ANNOTATION, BEHAVIOR_ANNOTATION};
    struct string_map copy = copy_map(m, a);

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        (void)string_map_remove(&copy, str_from(keys[i]));
    return copy;
}

/* Writes @n structs of @type as a JSON array; none leaves the annotation out. */
static void put_list(struct string_map *m, const char *key, const struct type *type, const void *v,
                     size_t n, struct arena *a)
{
    auto_buf json = {0};

    for (size_t i = 0; i < n; i++) {
        buf_putc(&json, i ? ',' : '[');
        typed_write_json(type, (const char *)v + i * type->size, &json);
    }
    if (n == 0)
        return;
    buf_putc(&json, ']');
    string_map_set(a, m, str_from(key), str_dup(a, buf_view(&json)));
}

/* Reads such an array; an annotation that is no such list counts as absent, as upstream has it. */
static void *get_list(const struct string_map *m, const char *key, const struct type *type,
                      size_t *ret_n, struct arena *a)
{
    struct str json = string_map_get(m, str_from(key));
    struct doc doc;
    char *v;

    *ret_n = 0;
    if (!json.p || json_parse(json, a, &doc, NULL, NULL) < 0 || doc.kind != DOC_ARRAY)
        return NULL;
    v = arena_calloc(a, doc.n, type->size);
    for (uint32_t i = 0; i < doc.n; i++)
        if (typed_from_doc(type, &doc.items[i], a, v + i * type->size, NULL) < 0)
            return NULL;
    *ret_n = doc.n;
    return v;
}

/* The members of behavior carry their Go names there: with a capital. */
static void rename_members(struct doc *d, bool capital, struct arena *a)
{
    for (uint32_t i = 0; d->kind == DOC_ARRAY && i < d->n; i++)
        rename_members(&d->items[i], capital, a);
    for (uint32_t i = 0; d->kind == DOC_OBJECT && i < d->n; i++) {
        char *key = str_dupz(a, d->members[i].key);

        if (key[0] >= 'a' && key[0] <= 'z' && capital)
            key[0] = (char)(key[0] - 'a' + 'A');
        else if (key[0] >= 'A' && key[0] <= 'Z' && !capital)
            key[0] = (char)(key[0] - 'A' + 'a');
        d->members[i].key.p = key;
        rename_members(&d->members[i].value, capital, a);
    }
}

static void put_behavior(struct string_map *m,
                         const struct autoscaling_v2_horizontal_pod_autoscaler_behavior *b,
                         struct arena *a)
{
    struct doc d;

    if (!b)
        return;
    d = typed_to_doc(&type_autoscaling_v2_horizontal_pod_autoscaler_behavior, b, a);
    rename_members(&d, true, a);
    string_map_set(a, m, STR(BEHAVIOR_ANNOTATION), json_to_str(a, &d));
}

/* The type is four levels deep: what is deeper is not its form. */
static bool is_deeper(const struct doc *d, unsigned levels)
{
    for (uint32_t i = 0; i < d->n && (d->kind == DOC_ARRAY || d->kind == DOC_OBJECT); i++) {
        const struct doc *item = d->kind == DOC_ARRAY ? &d->items[i] : &d->members[i].value;

        if (levels == 0 || is_deeper(item, levels - 1))
            return true;
    }
    return false;
}

static struct autoscaling_v2_horizontal_pod_autoscaler_behavior *
get_behavior(const struct string_map *m, struct arena *a)
{
    const struct type *type = &type_autoscaling_v2_horizontal_pod_autoscaler_behavior;
    struct str json = string_map_get(m, STR(BEHAVIOR_ANNOTATION));
    struct doc doc;
    void *b;

    if (!json.p || json_parse(json, a, &doc, NULL, NULL) < 0 || is_deeper(&doc, 5))
        return NULL;
    rename_members(&doc, false, a);
    b = arena_alloc(a, type->size);
    return typed_from_doc(type, &doc, a, b, NULL) < 0 ? NULL : b;
}

/* ---- metrics ---- */

static struct quantity or_zero(struct quantity q)
{
    q.set = true;
    return q;
}

static struct autoscaling_cross_version_object_reference
ref_to_v1(const struct autoscaling_v2_cross_version_object_reference *r)
{
    return (struct autoscaling_cross_version_object_reference){
        .kind = r->kind, .name = r->name, .api_version = r->api_version};
}

static struct autoscaling_v2_cross_version_object_reference
ref_to_v2(const struct autoscaling_cross_version_object_reference *r)
{
    return (struct autoscaling_v2_cross_version_object_reference){
        .kind = r->kind, .name = r->name, .api_version = r->api_version};
}

static struct autoscaling_metric_spec metric_to_v1(const struct autoscaling_v2_metric_spec *m,
                                                   struct arena *a)
{
    struct autoscaling_metric_spec out = {.type = m->type};

    if (m->object) {
        out.object = arena_new(a, struct autoscaling_object_metric_source);
        out.object->target = ref_to_v1(&m->object->described_object);
        out.object->metric_name = m->object->metric.name;
        out.object->selector = m->object->metric.selector;
        out.object->target_value = or_zero(m->object->target.value);
        out.object->average_value = m->object->target.average_value;
    }
    if (m->pods) {
        out.pods = arena_new(a, struct autoscaling_pods_metric_source);
        out.pods->metric_name = m->pods->metric.name;
        out.pods->selector = m->pods->metric.selector;
        out.pods->target_average_value = or_zero(m->pods->target.average_value);
    }
    if (m->resource) {
        out.resource = arena_new(a, struct autoscaling_resource_metric_source);
        out.resource->name = m->resource->name;
        out.resource->target_average_utilization = m->resource->target.average_utilization;
        out.resource->target_average_value = m->resource->target.average_value;
    }
    if (m->container_resource) {
        out.container_resource = arena_new(a, struct autoscaling_container_resource_metric_source);
        out.container_resource->name = m->container_resource->name;
        out.container_resource->container = m->container_resource->container;
        out.container_resource->target_average_utilization =
            m->container_resource->target.average_utilization;
        out.container_resource->target_average_value = m->container_resource->target.average_value;
    }
    if (m->external) {
        out.external = arena_new(a, struct autoscaling_external_metric_source);
        out.external->metric_name = m->external->metric.name;
        out.external->metric_selector = m->external->metric.selector;
        out.external->target_value = m->external->target.value;
        out.external->target_average_value = m->external->target.average_value;
    }
    return out;
}

static struct autoscaling_v2_metric_target utilization_or_average(int32_t *utilization,
                                                                  struct quantity average)
{
    return (struct autoscaling_v2_metric_target){.type = utilization ? STR("Utilization")
                                                                     : STR("AverageValue"),
                                                 .average_utilization = utilization,
                                                 .average_value = average};
}

static struct autoscaling_v2_metric_target value_or_average(struct quantity value,
                                                            struct quantity average, bool by_value)
{
    return (struct autoscaling_v2_metric_target){.type =
                                                     by_value ? STR("Value") : STR("AverageValue"),
                                                 .value = value,
                                                 .average_value = average};
}

static struct autoscaling_v2_metric_spec metric_to_v2(const struct autoscaling_metric_spec *m,
                                                      struct arena *a)
{
    struct autoscaling_v2_metric_spec out = {.type = m->type};

    if (m->object) {
        out.object = arena_new(a, struct autoscaling_v2_object_metric_source);
        out.object->described_object = ref_to_v2(&m->object->target);
        out.object->metric.name = m->object->metric_name;
        out.object->metric.selector = m->object->selector;
        out.object->target = value_or_average(m->object->target_value, m->object->average_value,
                                              !m->object->average_value.set);
    }
    if (m->pods) {
        out.pods = arena_new(a, struct autoscaling_v2_pods_metric_source);
        out.pods->metric.name = m->pods->metric_name;
        out.pods->metric.selector = m->pods->selector;
        out.pods->target =
            value_or_average((struct quantity){0}, m->pods->target_average_value, false);
    }
    if (m->resource) {
        out.resource = arena_new(a, struct autoscaling_v2_resource_metric_source);
        out.resource->name = m->resource->name;
        out.resource->target = utilization_or_average(m->resource->target_average_utilization,
                                                      m->resource->target_average_value);
    }
    if (m->container_resource) {
        out.container_resource =
            arena_new(a, struct autoscaling_v2_container_resource_metric_source);
        out.container_resource->name = m->container_resource->name;
        out.container_resource->container = m->container_resource->container;
        out.container_resource->target =
            utilization_or_average(m->container_resource->target_average_utilization,
                                   m->container_resource->target_average_value);
    }
    if (m->external) {
        out.external = arena_new(a, struct autoscaling_v2_external_metric_source);
        out.external->metric.name = m->external->metric_name;
        out.external->metric.selector = m->external->metric_selector;
        out.external->target =
            value_or_average(m->external->target_value, m->external->target_average_value,
                             m->external->target_value.set);
    }
    return out;
}

static struct autoscaling_metric_status status_to_v1(const struct autoscaling_v2_metric_status *m,
                                                     struct arena *a)
{
    struct autoscaling_metric_status out = {.type = m->type};

    if (m->object) {
        out.object = arena_new(a, struct autoscaling_object_metric_status);
        out.object->target = ref_to_v1(&m->object->described_object);
        out.object->metric_name = m->object->metric.name;
        out.object->selector = m->object->metric.selector;
        out.object->current_value = or_zero(m->object->current.value);
        out.object->average_value = m->object->current.average_value;
    }
    if (m->pods) {
        out.pods = arena_new(a, struct autoscaling_pods_metric_status);
        out.pods->metric_name = m->pods->metric.name;
        out.pods->selector = m->pods->metric.selector;
        out.pods->current_average_value = or_zero(m->pods->current.average_value);
    }
    if (m->resource) {
        out.resource = arena_new(a, struct autoscaling_resource_metric_status);
        out.resource->name = m->resource->name;
        out.resource->current_average_utilization = m->resource->current.average_utilization;
        out.resource->current_average_value = or_zero(m->resource->current.average_value);
    }
    if (m->container_resource) {
        out.container_resource = arena_new(a, struct autoscaling_container_resource_metric_status);
        out.container_resource->name = m->container_resource->name;
        out.container_resource->container = m->container_resource->container;
        out.container_resource->current_average_utilization =
            m->container_resource->current.average_utilization;
        out.container_resource->current_average_value =
            or_zero(m->container_resource->current.average_value);
    }
    if (m->external) {
        out.external = arena_new(a, struct autoscaling_external_metric_status);
        out.external->metric_name = m->external->metric.name;
        out.external->metric_selector = m->external->metric.selector;
        out.external->current_value = or_zero(m->external->current.value);
        out.external->current_average_value = m->external->current.average_value;
    }
    return out;
}

static struct autoscaling_v2_metric_status status_to_v2(const struct autoscaling_metric_status *m,
                                                        struct arena *a)
{
    struct autoscaling_v2_metric_status out = {.type = m->type};

    if (m->object) {
        out.object = arena_new(a, struct autoscaling_v2_object_metric_status);
        out.object->described_object = ref_to_v2(&m->object->target);
        out.object->metric.name = m->object->metric_name;
        out.object->metric.selector = m->object->selector;
        out.object->current.value = m->object->current_value;
        out.object->current.average_value = m->object->average_value;
    }
    if (m->pods) {
        out.pods = arena_new(a, struct autoscaling_v2_pods_metric_status);
        out.pods->metric.name = m->pods->metric_name;
        out.pods->metric.selector = m->pods->selector;
        out.pods->current.average_value = m->pods->current_average_value;
    }
    if (m->resource) {
        out.resource = arena_new(a, struct autoscaling_v2_resource_metric_status);
        out.resource->name = m->resource->name;
        out.resource->current.average_utilization = m->resource->current_average_utilization;
        out.resource->current.average_value = m->resource->current_average_value;
    }
    if (m->container_resource) {
        out.container_resource =
            arena_new(a, struct autoscaling_v2_container_resource_metric_status);
        out.container_resource->name = m->container_resource->name;
        out.container_resource->container = m->container_resource->container;
        out.container_resource->current.average_utilization =
            m->container_resource->current_average_utilization;
        out.container_resource->current.average_value =
            m->container_resource->current_average_value;
    }
    if (m->external) {
        out.external = arena_new(a, struct autoscaling_v2_external_metric_status);
        out.external->metric.name = m->external->metric_name;
        out.external->metric.selector = m->external->metric_selector;
        out.external->current.value = m->external->current_value;
        out.external->current.average_value = m->external->current_average_value;
    }
    return out;
}

/* ---- the object ---- */

static bool is_cpu_target(const struct autoscaling_v2_metric_spec *m)
{
    return str_eqz(m->type, "Resource") && m->resource && str_eqz(m->resource->name, "cpu") &&
           m->resource->target.average_utilization;
}

static void metrics_from_v2(const struct autoscaling_v2_horizontal_pod_autoscaler *in,
                            struct autoscaling_horizontal_pod_autoscaler *out, struct arena *a)
{
    struct autoscaling_metric_spec *others = arena_calloc(a, in->spec.metrics.n, sizeof(*others));
    struct autoscaling_metric_status *current =
        arena_calloc(a, in->status.current_metrics.n, sizeof(*current));
    size_t n_others = 0, n_current = in->status.current_metrics.n;

    for (size_t i = 0; i < in->spec.metrics.n; i++) {
        const struct autoscaling_v2_metric_spec *m = &in->spec.metrics.v[i];

        if (!is_cpu_target(m))
            others[n_others++] = metric_to_v1(m, a);
        else if (!out->spec.target_cpu_utilization_percentage)
            out->spec.target_cpu_utilization_percentage = m->resource->target.average_utilization;
    }
    for (size_t i = 0; i < n_current; i++) {
        const struct autoscaling_v2_metric_status *m = &in->status.current_metrics.v[i];

        current[i] = status_to_v1(m, a);
        if (m->resource && str_eqz(m->type, "Resource") && str_eqz(m->resource->name, "cpu") &&
            m->resource->current.average_utilization)
            out->status.current_cpu_utilization_percentage =
                m->resource->current.average_utilization;
    }
    put_list(&out->metadata.annotations, METRICS_ANNOTATION, &type_autoscaling_metric_spec, others,
             n_others, a);
    put_list(&out->metadata.annotations, CURRENT_METRICS_ANNOTATION,
             &type_autoscaling_metric_status, current, n_current, a);
}

void autoscaling_hpa_from_v2(const void *stored, void *obj, struct arena *a)
{
    const struct autoscaling_v2_horizontal_pod_autoscaler *in = stored;
    struct autoscaling_horizontal_pod_autoscaler *out = obj;

    out->metadata = in->metadata;
    out->metadata.annotations = without_ours(&in->metadata.annotations, a);
    out->spec.scale_target_ref = ref_to_v1(&in->spec.scale_target_ref);
    out->spec.min_replicas = in->spec.min_replicas;
    out->spec.max_replicas = in->spec.max_replicas;
    out->status.observed_generation = in->status.observed_generation;
    out->status.last_scale_time = in->status.last_scale_time;
    out->status.current_replicas = in->status.current_replicas;
    out->status.desired_replicas = in->status.desired_replicas;
    metrics_from_v2(in, out, a);
    put_behavior(&out->metadata.annotations, in->spec.behavior, a);
    /* A condition is the same struct in both versions but for its name. */
    put_list(&out->metadata.annotations, CONDITIONS_ANNOTATION,
             &type_autoscaling_v2_horizontal_pod_autoscaler_condition, in->status.conditions.v,
             in->status.conditions.n, a);
}

static void metrics_to_v2(const struct autoscaling_horizontal_pod_autoscaler *in,
                          struct autoscaling_v2_horizontal_pod_autoscaler *out, struct arena *a)
{
    const struct string_map *annotations = &in->metadata.annotations;
    const struct autoscaling_metric_spec *others;
    const struct autoscaling_metric_status *current;
    struct autoscaling_v2_metric_spec *cpu;
    size_t n, n_current;

    others = get_list(annotations, METRICS_ANNOTATION, &type_autoscaling_metric_spec, &n, a);
    out->spec.metrics.v = arena_calloc(a, n + 1, sizeof(*out->spec.metrics.v));
    for (size_t i = 0; i < n; i++)
        out->spec.metrics.v[out->spec.metrics.n++] = metric_to_v2(&others[i], a);
    if (in->spec.target_cpu_utilization_percentage) {
        cpu = &out->spec.metrics.v[out->spec.metrics.n++];
        cpu->type = STR("Resource");
        cpu->resource = arena_new(a, struct autoscaling_v2_resource_metric_source);
        cpu->resource->name = STR("cpu");
        cpu->resource->target = utilization_or_average(in->spec.target_cpu_utilization_percentage,
                                                       (struct quantity){0});
    }
    current = get_list(annotations, CURRENT_METRICS_ANNOTATION, &type_autoscaling_metric_status,
                       &n_current, a);
    if (!current && in->status.current_cpu_utilization_percentage) {
        struct autoscaling_metric_status *one = arena_new(a, struct autoscaling_metric_status);

        one->type = STR("Resource");
        one->resource = arena_new(a, struct autoscaling_resource_metric_status);
        one->resource->name = STR("cpu");
        one->resource->current_average_utilization = in->status.current_cpu_utilization_percentage;
        current = one;
        n_current = 1;
    }
    if (n_current)
        out->status.current_metrics.v =
            arena_calloc(a, n_current, sizeof(*out->status.current_metrics.v));
    for (size_t i = 0; i < n_current; i++)
        out->status.current_metrics.v[out->status.current_metrics.n++] =
            status_to_v2(&current[i], a);
}

void autoscaling_hpa_to_v2(const void *obj, void *stored, struct arena *a)
{
    const struct autoscaling_horizontal_pod_autoscaler *in = obj;
    struct autoscaling_v2_horizontal_pod_autoscaler *out = stored;

    out->metadata = in->metadata;
    out->metadata.annotations = without_ours(&in->metadata.annotations, a);
    out->spec.scale_target_ref = ref_to_v2(&in->spec.scale_target_ref);
    out->spec.min_replicas = in->spec.min_replicas;
    out->spec.max_replicas = in->spec.max_replicas;
    out->spec.behavior = get_behavior(&in->metadata.annotations, a);
    out->status.observed_generation = in->status.observed_generation;
    out->status.last_scale_time = in->status.last_scale_time;
    out->status.current_replicas = in->status.current_replicas;
    out->status.desired_replicas = in->status.desired_replicas;
    out->status.conditions.v = get_list(&in->metadata.annotations, CONDITIONS_ANNOTATION,
                                        &type_autoscaling_v2_horizontal_pod_autoscaler_condition,
                                        &out->status.conditions.n, a);
    metrics_to_v2(in, out, a);
}
