/* SPDX-License-Identifier: Apache-2.0 */
/* validate_apps.c - the kinds of apps, and their ancestor ReplicationController. Layer: api. */
#include "api/validate_workloads.h"
#include "schema/format.h"
#include "schema/selector.h"
#include "schema/typed.h"

struct doc labels_doc(const struct string_map *m, struct arena *a)
{
    struct doc d = doc_object();

    for (size_t i = 0; i < m->n; i++)
        doc_add(a, &d, m->v[i].key, doc_string(m->v[i].value));
    return m->v ? d : doc_null();
}

struct doc value_doc(struct field_errors *errs, const struct type *type, const void *obj)
{
    return obj ? typed_to_doc(type, obj, errs->arena) : doc_null();
}

/* ---- what all have ---- */

struct workload {
    const struct meta_label_selector *selector;
    const struct core_pod_template_spec *template;
    const char *word;     /* "deployment": in the text about an empty selector */
    const char *deadline; /* the kind named where a deadline is refused */
};

static void check_workload_pods(struct field_errors *errs, const struct path *at,
                                const struct core_pod_template_spec *t, const char *kind)
{
    static const char *const always[] = {"Always", NULL};
    const struct path *spec = AT(at, "spec");

    check_template(errs, at, t);
    if (!str_eqz(t->spec.restart_policy, "Always"))
        err_not_supported(errs, AT(spec, "restartPolicy"), t->spec.restart_policy, always);
    if (t->spec.active_deadline_seconds)
        err_forbidden(errs, AT(spec, "activeDeadlineSeconds"),
                      "activeDeadlineSeconds in %s is not Supported", kind);
}

static void check_workload(struct field_errors *errs, const struct workload *w)
{
    const struct path *spec = AT(NULL, "spec"), *p = AT(spec, "selector");
    const struct path *template = AT(spec, "template");
    struct selector s;

    if (!w->selector) {
        err_required(errs, p, "");
    } else {
        check_selector(errs, p, w->selector);
        if (!w->selector->match_labels.n && !w->selector->match_expressions.n)
            err_invalid(errs, p, value_doc(errs, &type_meta_label_selector, w->selector),
                        "empty selector is invalid for %s", w->word);
    }
    if (w->selector && selector_from_label_selector(w->selector, errs->arena, &s, NULL) < 0) {
        err_invalid(errs, p, value_doc(errs, &type_meta_label_selector, w->selector),
                    "invalid label selector");
        return;
    }
    if (w->selector && s.n && !selector_match_map(&s, &w->template->metadata.labels))
        err_invalid(errs, AT(AT(template, "metadata"), "labels"),
                    labels_doc(&w->template->metadata.labels, errs->arena),
                    "`selector` does not match template `labels`");
    check_workload_pods(errs, template, w->template, w->deadline);
}

static bool same_selector(const struct meta_label_selector *x, const struct meta_label_selector *y)
{
    return x && y ? typed_equal(&type_meta_label_selector, x, y) : x == y;
}

static void check_same_selector(struct field_errors *errs, const struct meta_label_selector *now,
                                const struct meta_label_selector *was)
{
    check_same(errs, AT(AT(NULL, "spec"), "selector"), same_selector(now, was),
               value_doc(errs, &type_meta_label_selector, now));
}

/* @s: a spec; @old: the stored object of the same kind, or NULL. */
#define CHECK_SAME_SELECTOR(errs, s, old)                                                          \
    do {                                                                                           \
        if (old)                                                                                   \
            check_same_selector(errs, (s)->selector, (old)->spec.selector);                        \
    } while (0)

struct count { /* a number of a status */
    const char *name;
    int64_t v;
    bool at_most_replicas;
};

static void check_counts(struct field_errors *errs, const struct count *v, size_t n,
                         int64_t replicas)
{
    const struct path *status = AT(NULL, "status");

    for (size_t i = 0; i < n; i++)
        check_nonneg(errs, AT(status, v[i].name), v[i].v);
    for (size_t i = 0; i < n; i++) {
        if (v[i].at_most_replicas && v[i].v > replicas)
            err_invalid(errs, AT(status, v[i].name), doc_int(v[i].v),
                        "cannot be greater than status.replicas");
    }
}

static void check_available(struct field_errors *errs, int64_t available, int64_t ready)
{
    if (available > ready)
        err_invalid(errs, AT(AT(NULL, "status"), "availableReplicas"), doc_int(available),
                    "cannot be greater than readyReplicas");
}

static void check_collisions(struct field_errors *errs, const int32_t *now, const int32_t *was)
{
    const struct path *p = AT(AT(NULL, "status"), "collisionCount");
    int64_t v = now ? *now : 0;

    check_nonneg_ptr(errs, p, now);
    if (was && v < *was)
        err_invalid(errs, p, doc_int(v), "cannot be decremented");
}

/* @s: a status; @old: the stored object of the same kind, or NULL. */
#define CHECK_COLLISIONS(errs, s, old)                                                             \
    check_collisions(errs, (s)->collision_count, (old) ? (old)->status.collision_count : NULL)

static bool is_zero(const struct int_or_string *v)
{
    return v->kind == INT_OR_STRING_STRING ? amount_percent(v) == 0 : v->i == 0;
}

static void check_share(struct field_errors *errs, const struct path *p,
                        const struct int_or_string *v)
{
    if (amount_percent(v) > 100)
        err_invalid(errs, p, amount_doc(v), "must not be greater than 100%%");
}

/* ---- Deployment ---- */

static void check_rolling_deployment(struct field_errors *errs, const struct path *at,
                                     const struct apps_rolling_update_deployment *r)
{
    const struct path *unavailable = AT(at, "maxUnavailable"), *surge = AT(at, "maxSurge");

    check_amount(errs, unavailable, &r->max_unavailable);
    check_amount(errs, surge, &r->max_surge);
    if (is_zero(&r->max_unavailable) && is_zero(&r->max_surge))
        err_invalid(errs, unavailable, amount_doc(&r->max_unavailable),
                    "may not be 0 when `maxSurge` is 0");
    check_share(errs, unavailable, &r->max_unavailable);
}

static void check_strategy(struct field_errors *errs, const struct path *at,
                           const struct apps_deployment_strategy *s)
{
    const struct path *rolling = AT(at, "rollingUpdate");
    struct str all;
    struct doc d;

    if (str_eqz(s->type, "Recreate")) {
        if (s->rolling_update)
            err_forbidden(errs, rolling, "may not be specified when strategy `type` is 'Recreate'");
    } else if (str_eqz(s->type, "RollingUpdate")) {
        if (!s->rolling_update)
            err_required(errs, rolling, "this should be defaulted and never be nil");
        else
            check_rolling_deployment(errs, rolling, s->rolling_update);
    } else {
        d = value_doc(errs, &type_apps_deployment_strategy, s);
        all = json_to_str(errs->arena, &d);
        err_add(errs, FIELD_ERROR_NOT_SUPPORTED, at,
                "Unsupported value: %.*s: supported values: \"Recreate\", \"RollingUpdate\"",
                STR_ARG(all));
    }
}

void validate_deployment(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_deployment_spec *s = &((const struct apps_deployment *)obj)->spec;
    const struct path *spec = AT(NULL, "spec"), *deadline = AT(spec, "progressDeadlineSeconds");
    struct workload w = {s->selector, &s->template, "deployment", "ReplicaSet"};

    check_nonneg_ptr(errs, AT(spec, "replicas"), s->replicas);
    check_workload(errs, &w);
    check_strategy(errs, AT(spec, "strategy"), &s->strategy);
    check_nonneg(errs, AT(spec, "minReadySeconds"), s->min_ready_seconds);
    check_nonneg_ptr(errs, AT(spec, "revisionHistoryLimit"), s->revision_history_limit);
    check_nonneg_ptr(errs, deadline, s->progress_deadline_seconds);
    if (s->progress_deadline_seconds && *s->progress_deadline_seconds <= s->min_ready_seconds)
        err_invalid(errs, deadline, doc_int(*s->progress_deadline_seconds),
                    "must be greater than minReadySeconds");
    CHECK_SAME_SELECTOR(errs, s, (const struct apps_deployment *)old);
}

void validate_deployment_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_deployment_status *s = &((const struct apps_deployment *)obj)->status;
    const struct count counts[] = {
        {"observedGeneration", s->observed_generation, false},
        {"replicas", s->replicas, false},
        {"updatedReplicas", s->updated_replicas, true},
        {"readyReplicas", s->ready_replicas, true},
        {"availableReplicas", s->available_replicas, true},
        {"unavailableReplicas", s->unavailable_replicas, false},
        {"terminatingReplicas", s->terminating_replicas ? *s->terminating_replicas : 0, false},
    };

    check_counts(errs, counts, ARRAY_LEN(counts), s->replicas);
    check_available(errs, s->available_replicas, s->ready_replicas);
    CHECK_COLLISIONS(errs, s, (const struct apps_deployment *)old);
}

/* ---- ReplicaSet, ReplicationController ---- */

void validate_replicaset(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_replica_set_spec *s = &((const struct apps_replica_set *)obj)->spec;
    const struct path *spec = AT(NULL, "spec");
    struct workload w = {s->selector, &s->template, "deployment", "ReplicaSet"};

    check_nonneg_ptr(errs, AT(spec, "replicas"), s->replicas);
    check_nonneg(errs, AT(spec, "minReadySeconds"), s->min_ready_seconds);
    check_workload(errs, &w);
    CHECK_SAME_SELECTOR(errs, s, (const struct apps_replica_set *)old);
}

/* The status of a ReplicaSet and of a ReplicationController: the same members. */
#define CHECK_REPLICA_STATUS(errs, s)                                                              \
    check_replica_status(errs, (s)->replicas, (s)->fully_labeled_replicas, (s)->ready_replicas,    \
                         (s)->available_replicas, (s)->observed_generation)

static void check_replica_status(struct field_errors *errs, int32_t replicas, int32_t labeled,
                                 int32_t ready, int32_t available, int64_t generation)
{
    const struct count counts[] = {
        {"replicas", replicas, false},         {"fullyLabeledReplicas", labeled, true},
        {"readyReplicas", ready, true},        {"availableReplicas", available, true},
        {"observedGeneration", generation, false},
    };

    check_counts(errs, counts, ARRAY_LEN(counts), replicas);
    check_available(errs, available, ready);
}

void validate_replicaset_status(const void *obj, const void *old, struct field_errors *errs)
{
    (void)old;
    CHECK_REPLICA_STATUS(errs, &((const struct apps_replica_set *)obj)->status);
}

void validate_rc(const void *obj, const void *old, struct field_errors *errs)
{
    const struct core_replication_controller_spec *s =
        &((const struct core_replication_controller *)obj)->spec;
    const struct path *spec = AT(NULL, "spec"), *template = AT(spec, "template");
    struct selector selector;

    (void)old;
    check_nonneg(errs, AT(spec, "minReadySeconds"), s->min_ready_seconds);
    if (!s->selector.n)
        err_required(errs, AT(spec, "selector"), "");
    if (!s->replicas)
        err_required(errs, AT(spec, "replicas"), "");
    check_nonneg_ptr(errs, AT(spec, "replicas"), s->replicas);
    if (!s->template) {
        err_required(errs, template, "");
        return;
    }
    selector = selector_from_map(&s->selector, errs->arena);
    if (s->selector.n && !selector_match_map(&selector, &s->template->metadata.labels))
        err_invalid(errs, AT(AT(template, "metadata"), "labels"),
                    labels_doc(&s->template->metadata.labels, errs->arena),
                    "`selector` does not match template `labels`");
    check_workload_pods(errs, template, s->template, "ReplicationController");
}

void validate_rc_status(const void *obj, const void *old, struct field_errors *errs)
{
    (void)old;
    CHECK_REPLICA_STATUS(errs, &((const struct core_replication_controller *)obj)->status);
}

/* ---- DaemonSet ---- */

static void check_rolling_daemons(struct field_errors *errs, const struct path *at,
                                  const struct apps_rolling_update_daemon_set *r)
{
    const struct path *unavailable = AT(at, "maxUnavailable"), *surge = AT(at, "maxSurge");
    bool none_unavailable = is_zero(&r->max_unavailable), no_surge = is_zero(&r->max_surge);

    check_amount(errs, unavailable, &r->max_unavailable);
    check_amount(errs, surge, &r->max_surge);
    check_share(errs, unavailable, &r->max_unavailable);
    check_share(errs, surge, &r->max_surge);
    if (!none_unavailable && !no_surge)
        err_invalid(errs, surge, amount_doc(&r->max_surge),
                    "may not be set when maxUnavailable is non-zero");
    if (none_unavailable && no_surge)
        err_required(errs, unavailable, "cannot be 0 when maxSurge is 0");
}

static void check_daemon_update(struct field_errors *errs, const struct path *at,
                                const struct apps_daemon_set_update_strategy *s)
{
    static const char *const types[] = {"RollingUpdate", "OnDelete", NULL};

    if (str_eqz(s->type, "RollingUpdate")) {
        if (!s->rolling_update)
            err_required(errs, AT(at, "rollingUpdate"), "");
        else
            check_rolling_daemons(errs, AT(at, "rollingUpdate"), s->rolling_update);
    } else if (!str_eqz(s->type, "OnDelete")) {
        err_not_supported(errs, AT(at, "type"), s->type, types);
    }
}

void validate_daemonset(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_daemon_set_spec *s = &((const struct apps_daemon_set *)obj)->spec;
    const struct path *spec = AT(NULL, "spec");
    struct workload w = {s->selector, &s->template, "daemonset", "DaemonSet"};

    check_workload(errs, &w);
    check_nonneg(errs, AT(spec, "minReadySeconds"), s->min_ready_seconds);
    check_daemon_update(errs, AT(spec, "updateStrategy"), &s->update_strategy);
    check_nonneg_ptr(errs, AT(spec, "revisionHistoryLimit"), s->revision_history_limit);
    CHECK_SAME_SELECTOR(errs, s, (const struct apps_daemon_set *)old);
}

void validate_daemonset_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_daemon_set_status *s = &((const struct apps_daemon_set *)obj)->status;
    const struct count counts[] = {
        {"currentNumberScheduled", s->current_number_scheduled, false},
        {"numberMisscheduled", s->number_misscheduled, false},
        {"desiredNumberScheduled", s->desired_number_scheduled, false},
        {"numberReady", s->number_ready, false},
        {"observedGeneration", s->observed_generation, false},
        {"updatedNumberScheduled", s->updated_number_scheduled, false},
        {"numberAvailable", s->number_available, false},
        {"numberUnavailable", s->number_unavailable, false},
    };

    check_counts(errs, counts, ARRAY_LEN(counts), 0);
    CHECK_COLLISIONS(errs, s, (const struct apps_daemon_set *)old);
}

/* ---- StatefulSet ---- */

static void check_set_update(struct field_errors *errs, const struct path *at,
                             const struct apps_stateful_set_update_strategy *s)
{
    const struct path *rolling = AT(at, "rollingUpdate"), *p = AT(rolling, "maxUnavailable");
    const struct apps_rolling_update_stateful_set_strategy *r = s->rolling_update;

    if (str_empty(s->type)) {
        err_required(errs, at, "");
    } else if (str_eqz(s->type, "OnDelete")) {
        if (r)
            err_invalid(errs, rolling,
                        value_doc(errs, &type_apps_rolling_update_stateful_set_strategy, r),
                        "only allowed for updateStrategy 'RollingUpdate'");
    } else if (!str_eqz(s->type, "RollingUpdate")) {
        err_invalid(errs, at, value_doc(errs, &type_apps_stateful_set_update_strategy, s),
                    "must be 'RollingUpdate' or 'OnDelete'");
    } else if (r) {
        check_nonneg_ptr(errs, AT(rolling, "partition"), r->partition);
        if (r->max_unavailable.kind == INT_OR_STRING_ABSENT)
            return;
        check_amount(errs, p, &r->max_unavailable);
        if (is_zero(&r->max_unavailable))
            err_invalid(errs, p, amount_doc(&r->max_unavailable), "cannot be 0");
        check_share(errs, p, &r->max_unavailable);
    }
}

static void
check_retention(struct field_errors *errs, const struct path *at,
                const struct apps_stateful_set_persistent_volume_claim_retention_policy *p)
{
    static const char *const types[] = {"Delete", "Retain", NULL};

    if (!p)
        return;
    check_one_of(errs, AT(at, "whenDeleted"), p->when_deleted, types);
    check_one_of(errs, AT(at, "whenScaled"), p->when_scaled, types);
}

/* The templates of @s with kind and version as in @was: they say nothing, and not every stored set
 * has them. */
static void forget_kinds(struct apps_stateful_set_spec *s, const struct apps_stateful_set_spec *was,
                         struct arena *a)
{
    size_t n = s->volume_claim_templates.n;
    struct core_persistent_volume_claim *copy = arena_calloc(a, n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++) {
        copy[i] = s->volume_claim_templates.v[i];
        if (i < was->volume_claim_templates.n) {
            copy[i].kind = was->volume_claim_templates.v[i].kind;
            copy[i].api_version = was->volume_claim_templates.v[i].api_version;
        }
    }
    s->volume_claim_templates.v = copy;
}

static void check_set_changes(struct field_errors *errs, const struct apps_stateful_set_spec *s,
                              const struct apps_stateful_set_spec *was)
{
    struct apps_stateful_set_spec x = *s;

    x.replicas = was->replicas;
    x.ordinals = was->ordinals;
    x.template = was->template;
    x.update_strategy = was->update_strategy;
    x.min_ready_seconds = was->min_ready_seconds;
    x.revision_history_limit = was->revision_history_limit;
    x.persistent_volume_claim_retention_policy = was->persistent_volume_claim_retention_policy;
    forget_kinds(&x, was, errs->arena);
    if (!typed_equal(&type_apps_stateful_set_spec, &x, was))
        err_forbidden(errs, AT(NULL, "spec"),
                      "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                      "'template', 'updateStrategy', 'revisionHistoryLimit', "
                      "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

void validate_statefulset(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_stateful_set_spec *s = &((const struct apps_stateful_set *)obj)->spec;
    const struct path *spec = AT(NULL, "spec");
    struct workload w = {s->selector, &s->template, "statefulset", "StatefulSet"};

    if (str_empty(s->pod_management_policy))
        err_required(errs, AT(spec, "podManagementPolicy"), "");
    else if (!str_eqz(s->pod_management_policy, "OrderedReady") &&
             !str_eqz(s->pod_management_policy, "Parallel"))
        check_why(errs, AT(spec, "podManagementPolicy"), s->pod_management_policy,
                  "must be 'OrderedReady' or 'Parallel'");
    check_set_update(errs, AT(spec, "updateStrategy"), &s->update_strategy);
    check_retention(errs, AT(spec, "persistentVolumeClaimRetentionPolicy"),
                    s->persistent_volume_claim_retention_policy);
    check_nonneg_ptr(errs, AT(spec, "replicas"), s->replicas);
    check_nonneg(errs, AT(spec, "minReadySeconds"), s->min_ready_seconds);
    if (s->ordinals)
        check_nonneg(errs, AT(AT(spec, "ordinals"), "start"), s->ordinals->start);
    if (!old)
        check_if_set(errs, AT(spec, "serviceName"), s->service_name, format_dns_label);
    check_workload(errs, &w);
    for (size_t i = 0; !old && i < s->volume_claim_templates.n; i++)
        check_claim_spec(errs, AT(AT_INDEX(AT(spec, "volumeClaimTemplates"), i), "spec"),
                         &s->volume_claim_templates.v[i].spec);
    if (old)
        check_set_changes(errs, s, &((const struct apps_stateful_set *)old)->spec);
}

void validate_statefulset_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_stateful_set_status *s = &((const struct apps_stateful_set *)obj)->status;
    const struct count counts[] = {
        {"replicas", s->replicas, false},
        {"readyReplicas", s->ready_replicas, true},
        {"currentReplicas", s->current_replicas, true},
        {"updatedReplicas", s->updated_replicas, true},
        {"availableReplicas", s->available_replicas, true},
        {"observedGeneration", s->observed_generation, false},
    };

    check_counts(errs, counts, ARRAY_LEN(counts), s->replicas);
    check_available(errs, s->available_replicas, s->ready_replicas);
    CHECK_COLLISIONS(errs, s, (const struct apps_stateful_set *)old);
}

/* ---- ControllerRevision ---- */

void validate_controllerrevision(const void *obj, const void *old, struct field_errors *errs)
{
    const struct apps_controller_revision *r = obj, *was = old;
    const struct path *p = AT(NULL, "data");
    const struct field *f = type_field(&type_apps_controller_revision, STR("data"));
    const struct type only_data = {.name = "", .fields = f, .n_fields = 1, .metadata_offset = -1};

    check_nonneg(errs, AT(NULL, "revision"), r->revision);
    if (!r->data)
        err_required(errs, p, "data is mandatory");
    else if (r->data->kind != DOC_OBJECT)
        err_invalid(errs, p, *r->data, "data must be a valid JSON object");
    if (was && !typed_equal(&only_data, r, was))
        err_invalid(errs, p, r->data ? *r->data : doc_null(), IMMUTABLE);
}
