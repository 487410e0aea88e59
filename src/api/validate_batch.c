/* SPDX-License-Identifier: Apache-2.0 */
/* validate_batch.c - jobs and cron jobs. Layer: api. */
#include "api/cron.h"
#include "api/validate_workloads.h"
#include "schema/format.h"
#include "schema/selector.h"
#include "schema/typed.h"

enum {
    RULES_MAX = 20,
    INDEXES_TEXT_MAX = 65536,
    PARALLELISM_MAX = 100000, /* of indexed jobs */
    FAILED_INDEXES_MAX = 100000,
    MANY_COMPLETIONS = 100000,
    MANY_LIMIT = 10000,
    CRON_NAME_MAX = 52,
};

static bool is_indexed(const struct batch_job_spec *s)
{
    return s->completion_mode && str_eqz(*s->completion_mode, "Indexed");
}

/* ---- policies ---- */

static void check_exit_codes(struct field_errors *errs, const struct path *at,
                             const struct batch_pod_failure_policy_on_exit_codes_requirement *r,
                             const struct core_pod_spec *pod)
{
    enum { VALUES_MAX = 255 };
    static const char *const operators[] = {"In", "NotIn", NULL};
    const struct path *values = AT(at, "values");
    bool found = !r->container_name;

    check_one_of_given(errs, AT(at, "operator"), r->operator, operators);
    for (size_t i = 0; i < pod->containers.n + pod->init_containers.n && !found; i++) {
        const struct core_container *c = i < pod->containers.n
                                             ? &pod->containers.v[i]
                                             : &pod->init_containers.v[i - pod->containers.n];

        found = str_eq(*r->container_name, c->name);
    }
    if (!found)
        check_why(errs, AT(at, "containerName"), *r->container_name,
                  "must be one of the container or initContainer names in the pod template");
    if (!r->values.n)
        err_invalid(errs, values, doc_array(), "at least one value is required");
    else if (r->values.n > VALUES_MAX)
        err_too_many(errs, values, r->values.n, VALUES_MAX);
    for (size_t i = 0; i < r->values.n && i < VALUES_MAX; i++) {
        int32_t v = r->values.v[i];

        if (str_eqz(r->operator, "In") && v == 0)
            err_invalid(errs, AT_INDEX(values, i), doc_int(v), "must not be 0 for the In operator");
        if (i && v == r->values.v[i - 1])
            err_duplicate(errs, AT_INDEX(values, i), doc_int(v));
        if (i && v < r->values.v[i - 1])
            err_invalid(errs, values, doc_array(), "must be ordered");
    }
}

static void check_failure_rule(struct field_errors *errs, const struct path *at,
                               const struct batch_pod_failure_policy_rule *r,
                               const struct batch_job_spec *s)
{
    static const char *const actions[] = {"Count", "FailIndex", "FailJob", "Ignore", NULL};
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    const struct path *conditions = AT(at, "onPodConditions");

    if (str_eqz(r->action, "FailIndex") && !s->backoff_limit_per_index)
        check_why(errs, AT(at, "action"), r->action, "requires the backoffLimitPerIndex to be set");
    else
        check_one_of_given(errs, AT(at, "action"), r->action, actions);
    if (r->on_exit_codes)
        check_exit_codes(errs, AT(at, "onExitCodes"), r->on_exit_codes, &s->template.spec);
    if (r->on_pod_conditions.n > RULES_MAX)
        err_too_many(errs, conditions, r->on_pod_conditions.n, RULES_MAX);
    for (size_t i = 0; i < r->on_pod_conditions.n; i++) {
        const struct path *p = AT_INDEX(conditions, i);

        check_why(errs, AT(p, "type"), r->on_pod_conditions.v[i].type,
                  format_qualified_name(r->on_pod_conditions.v[i].type));
        check_one_of_given(errs, AT(p, "status"), r->on_pod_conditions.v[i].status, statuses);
    }
    if (r->on_exit_codes && r->on_pod_conditions.n)
        err_invalid(errs, at, value_doc(errs, &type_batch_pod_failure_policy_rule, r),
                    "specifying both OnExitCodes and OnPodConditions is not supported");
    else if (!r->on_exit_codes && !r->on_pod_conditions.n)
        err_invalid(errs, at, value_doc(errs, &type_batch_pod_failure_policy_rule, r),
                    "specifying one of OnExitCodes and OnPodConditions is required");
}

static void check_failure_policy(struct field_errors *errs, const struct path *spec,
                                 const struct batch_job_spec *s)
{
    const struct path *rules = AT(AT(spec, "podFailurePolicy"), "rules");

    if (!s->pod_failure_policy)
        return;
    if (s->pod_failure_policy->rules.n > RULES_MAX)
        err_too_many(errs, rules, s->pod_failure_policy->rules.n, RULES_MAX);
    for (size_t i = 0; i < MIN(s->pod_failure_policy->rules.n, (size_t)RULES_MAX); i++)
        check_failure_rule(errs, AT_INDEX(rules, i), &s->pod_failure_policy->rules.v[i], s);
}

/* Counts the indexes of "0,2-4"; false unless they ascend within 0 and @n_indexes - 1. */
static bool count_indexes(struct str text, int64_t n_indexes, int64_t *ret_n)
{
    int64_t last = -1, from, to;

    *ret_n = 0;
    while (text.p) {
        struct str part = str_cut(text, ',', &text), high, low = str_cut(part, '-', &high);

        if (!str_to_i64(low, &from) || from <= last || from >= n_indexes)
            return false;
        to = from;
        if (high.p && (!str_to_i64(high, &to) || to <= from || to >= n_indexes))
            return false;
        *ret_n += to - from + 1;
        last = to;
    }
    return true;
}

static void check_success_rule(struct field_errors *errs, const struct path *at,
                               const struct batch_success_policy_rule *r,
                               const struct batch_job_spec *s)
{
    const struct path *indexes = AT(at, "succeededIndexes"), *count = AT(at, "succeededCount");
    int64_t completions = s->completions ? *s->completions : 0, listed = completions;

    if (!r->succeeded_indexes && !r->succeeded_count) {
        err_required(errs, at,
                     "at least one of succeededCount or succeededIndexes must be "
                     "specified");
        return;
    }
    check_nonneg_ptr(errs, count, r->succeeded_count);
    if (r->succeeded_indexes) {
        if (r->succeeded_indexes->len > INDEXES_TEXT_MAX)
            err_too_long(errs, indexes, INDEXES_TEXT_MAX);
        else if (!count_indexes(*r->succeeded_indexes, completions, &listed))
            err_invalid(errs, indexes, doc_string(*r->succeeded_indexes),
                        "error parsing succeededIndexes: must be ascending indexes and intervals "
                        "below the number of completions");
    }
    if (r->succeeded_count && *r->succeeded_count > completions)
        err_invalid(errs, count, doc_int(*r->succeeded_count),
                    "must be less than or equal to %lld (the number of specified completions)",
                    (long long)completions);
    else if (r->succeeded_count && *r->succeeded_count > listed)
        err_invalid(errs, count, doc_int(*r->succeeded_count),
                    "must be less than or equal to %lld (the number of indexes in the specified "
                    "succeededIndexes field)",
                    (long long)listed);
}

static void check_success_policy(struct field_errors *errs, const struct path *spec,
                                 const struct batch_job_spec *s)
{
    const struct path *at = AT(spec, "successPolicy"), *rules = AT(at, "rules");

    if (!s->success_policy)
        return;
    if (!is_indexed(s)) {
        err_invalid(errs, at, value_doc(errs, &type_batch_success_policy, s->success_policy),
                    "requires indexed completion mode");
        return;
    }
    if (!s->success_policy->rules.n)
        err_required(errs, rules,
                     "at least one rules must be specified when the successPolicy is "
                     "specified");
    if (s->success_policy->rules.n > RULES_MAX)
        err_too_many(errs, rules, s->success_policy->rules.n, RULES_MAX);
    for (size_t i = 0; i < s->success_policy->rules.n; i++)
        check_success_rule(errs, AT_INDEX(rules, i), &s->success_policy->rules.v[i], s);
}

/* ---- the spec ---- */

static void check_numbers(struct field_errors *errs, const struct path *spec,
                          const struct batch_job_spec *s)
{
    check_nonneg_ptr(errs, AT(spec, "parallelism"), s->parallelism);
    check_nonneg_ptr(errs, AT(spec, "completions"), s->completions);
    if (s->active_deadline_seconds)
        check_nonneg(errs, AT(spec, "activeDeadlineSeconds"), *s->active_deadline_seconds);
    check_nonneg_ptr(errs, AT(spec, "backoffLimit"), s->backoff_limit);
    check_nonneg_ptr(errs, AT(spec, "ttlSecondsAfterFinished"), s->ttl_seconds_after_finished);
    check_nonneg_ptr(errs, AT(spec, "backoffLimitPerIndex"), s->backoff_limit_per_index);
    if (s->backoff_limit_per_index && !is_indexed(s))
        err_invalid(errs, AT(spec, "backoffLimitPerIndex"), doc_int(*s->backoff_limit_per_index),
                    "requires indexed completion mode");
}

static void check_at_most(struct field_errors *errs, const struct path *p, const int32_t *v,
                          int64_t max, const char *when)
{
    if (v && *v > max)
        err_invalid(errs, p, doc_int(*v), "must be less than or equal to %lld%s", (long long)max,
                    when);
}

static void check_failed_indexes(struct field_errors *errs, const struct path *spec,
                                 const struct batch_job_spec *s)
{
    const struct path *p = AT(spec, "maxFailedIndexes");

    if (!s->max_failed_indexes)
        return;
    check_nonneg_ptr(errs, p, s->max_failed_indexes);
    if (!s->backoff_limit_per_index)
        err_required(errs, AT(spec, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    if (s->completions)
        check_at_most(errs, p, s->max_failed_indexes, *s->completions, "");
    if (!is_indexed(s))
        err_invalid(errs, p, doc_int(*s->max_failed_indexes), "requires indexed completion mode");
    check_at_most(errs, p, s->max_failed_indexes, FAILED_INDEXES_MAX, "");
}

static void check_completion_mode(struct field_errors *errs, const struct path *spec,
                                  const struct batch_job_spec *s)
{
    static const char *const modes[] = {"NonIndexed", "Indexed", NULL};

    if (!s->completion_mode)
        return;
    check_one_of(errs, AT(spec, "completionMode"), *s->completion_mode, modes);
    if (!is_indexed(s))
        return;
    if (!s->completions)
        err_required(errs, AT(spec, "completions"), "when completion mode is Indexed");
    check_at_most(errs, AT(spec, "parallelism"), s->parallelism, PARALLELISM_MAX,
                  " when completion mode is Indexed");
    if (!s->completions || *s->completions <= MANY_COMPLETIONS || !s->backoff_limit_per_index)
        return;
    if (!s->max_failed_indexes)
        err_required(errs, AT(spec, "maxFailedIndexes"),
                     "must be specified when completions is above 100000");
    check_at_most(errs, AT(spec, "parallelism"), s->parallelism, MANY_LIMIT,
                  " when completions are above 100000 and used with backoff limit per index");
    check_at_most(errs, AT(spec, "maxFailedIndexes"), s->max_failed_indexes, MANY_LIMIT,
                  " when completions are above 100000 and used with backoff limit per index");
}

static void check_job_pods(struct field_errors *errs, const struct path *spec,
                           const struct batch_job_spec *s)
{
    static const char *const policies[] = {"OnFailure", "Never", NULL};
    const struct path *p = AT(AT(AT(spec, "template"), "spec"), "restartPolicy");
    struct str policy = s->template.spec.restart_policy;

    check_template(errs, AT(spec, "template"), &s->template);
    if (str_empty(policy) || str_eqz(policy, "Always"))
        err_required(errs, p, "valid values: \"OnFailure\", \"Never\"");
    else if (!one_of(policy, policies))
        err_not_supported(errs, p, policy, policies);
    else if (s->pod_failure_policy && !str_eqz(policy, "Never"))
        check_why(errs, p, policy,
                  "only \"Never\" is supported when podFailurePolicy is specified");
}

static void check_job_spec(struct field_errors *errs, const struct path *spec,
                           const struct batch_job_spec *s)
{
    static const char *const replacement[] = {"Failed", "TerminatingOrFailed", NULL};
    static const char *const failed[] = {"Failed", NULL};

    check_numbers(errs, spec, s);
    check_failed_indexes(errs, spec, s);
    if (s->managed_by) {
        check_why(errs, AT(spec, "managedBy"), *s->managed_by,
                  str_find_char(*s->managed_by, '/') < 0
                      ? "must be a domain-prefixed path (such as \"acme.io/foo\")"
                      : format_dns_subdomain(str_sub(*s->managed_by, 0,
                                                     (size_t)str_find_char(*s->managed_by, '/'))));
        if (s->managed_by->len > 63)
            err_too_long(errs, AT(spec, "managedBy"), 63);
    }
    check_completion_mode(errs, spec, s);
    check_failure_policy(errs, spec, s);
    check_success_policy(errs, spec, s);
    if (s->pod_replacement_policy)
        check_one_of(errs, AT(spec, "podReplacementPolicy"), *s->pod_replacement_policy,
                     s->pod_failure_policy ? failed : replacement);
    check_job_pods(errs, spec, s);
}

/* ---- Job ---- */

static void check_generated_label(struct field_errors *errs, const struct path *at,
                                  const struct string_map *labels, const char *key, struct str want)
{
    if (!str_eq(string_map_get(labels, str_from(key)), want))
        err_required(errs, AT_KEY(at, str_from(key)),
                     str_printf(errs->arena, "must be '%.*s'", STR_ARG(want)).p);
}

static void check_job_selector(struct field_errors *errs, const struct batch_job *j)
{
    const struct path *spec = AT(NULL, "spec"), *p = AT(spec, "selector");
    const struct path *labels = AT(AT(AT(spec, "template"), "metadata"), "labels");
    const struct string_map *m = &j->spec.template.metadata.labels;
    struct selector s;

    if (!j->spec.selector)
        err_required(errs, p, "");
    else
        check_selector(errs, p, j->spec.selector);
    if (!j->spec.manual_selector || !*j->spec.manual_selector) {
        check_generated_label(errs, labels, m, "batch.kubernetes.io/controller-uid",
                              j->metadata.uid);
        check_generated_label(errs, labels, m, "batch.kubernetes.io/job-name", j->metadata.name);
        check_generated_label(errs, labels, m, "controller-uid", j->metadata.uid);
        check_generated_label(errs, labels, m, "job-name", j->metadata.name);
        if (j->spec.selector &&
            (j->spec.selector->match_expressions.n || j->spec.selector->match_labels.n != 1))
            err_invalid(errs, p, value_doc(errs, &type_meta_label_selector, j->spec.selector),
                        "`selector` not auto-generated");
    }
    if (j->spec.selector &&
        selector_from_label_selector(j->spec.selector, errs->arena, &s, NULL) == 0 && s.n &&
        !selector_match_map(&s, m))
        err_invalid(errs, labels, labels_doc(m, errs->arena),
                    "`selector` does not match template `labels`");
}

static bool same_number(const int32_t *x, const int32_t *y)
{
    return x && y ? *x == *y : x == y;
}

static void check_ptr_same(struct field_errors *errs, const struct path *p, const struct type *t,
                           const void *now, const void *was)
{
    check_same(errs, p, now && was ? typed_equal(t, now, was) : now == was,
               value_doc(errs, t, now));
}

static bool never_started(const struct batch_job *was)
{
    bool suspended = !was->status.start_time.set;

    for (size_t i = 0; i < was->status.conditions.n; i++)
        suspended = suspended || (str_eqz(was->status.conditions.v[i].type, "Suspended") &&
                                  str_eqz(was->status.conditions.v[i].status, "True"));
    return was->spec.suspend && *was->spec.suspend && !was->status.active && suspended;
}

static void check_job_template_update(struct field_errors *errs, const struct batch_job *j,
                                      const struct batch_job *was)
{
    struct core_pod_template_spec t = j->spec.template;
    const struct core_pod_template_spec *o = &was->spec.template;

    if (never_started(was)) {
        t.metadata.annotations = o->metadata.annotations;
        t.metadata.labels = o->metadata.labels;
        t.spec.node_selector = o->spec.node_selector;
        t.spec.tolerations = o->spec.tolerations;
        t.spec.scheduling_gates = o->spec.scheduling_gates;
        t.spec.affinity = o->spec.affinity;
        if (t.spec.containers.n == o->spec.containers.n) {
            t.spec.containers.v =
                arena_calloc(errs->arena, t.spec.containers.n + 1, sizeof(*t.spec.containers.v));
            for (size_t i = 0; i < t.spec.containers.n; i++) {
                t.spec.containers.v[i] = j->spec.template.spec.containers.v[i];
                t.spec.containers.v[i].resources = o->spec.containers.v[i].resources;
            }
        }
    }
    check_same(errs, AT(AT(NULL, "spec"), "template"),
               typed_equal(&type_core_pod_template_spec, &t, o),
               value_doc(errs, &type_core_pod_template_spec, &j->spec.template));
}

static void check_completions_update(struct field_errors *errs, const struct batch_job_spec *s,
                                     const struct batch_job_spec *was)
{
    const struct path *p = AT(AT(NULL, "spec"), "completions");
    struct doc v = s->completions ? doc_int(*s->completions) : doc_null();

    if (same_number(s->completions, was->completions))
        return;
    if (!is_indexed(s))
        err_invalid(errs, p, v, IMMUTABLE);
    else if (!same_number(s->completions, s->parallelism))
        err_invalid(errs, p, v, "can only be modified in tandem with spec.parallelism");
}

static void check_job_update(struct field_errors *errs, const struct batch_job *j,
                             const struct batch_job *old)
{
    const struct batch_job_spec *s = &j->spec, *was = &old->spec;
    const struct path *spec = AT(NULL, "spec");

    check_completions_update(errs, s, was);
    check_ptr_same(errs, AT(spec, "selector"), &type_meta_label_selector, s->selector,
                   was->selector);
    check_job_template_update(errs, j, old);
    check_same(errs, AT(spec, "completionMode"),
               s->completion_mode && was->completion_mode
                   ? str_eq(*s->completion_mode, *was->completion_mode)
                   : s->completion_mode == was->completion_mode,
               s->completion_mode ? doc_string(*s->completion_mode) : doc_null());
    check_ptr_same(errs, AT(spec, "podFailurePolicy"), &type_batch_pod_failure_policy,
                   s->pod_failure_policy, was->pod_failure_policy);
    check_same(errs, AT(spec, "backoffLimitPerIndex"),
               same_number(s->backoff_limit_per_index, was->backoff_limit_per_index),
               s->backoff_limit_per_index ? doc_int(*s->backoff_limit_per_index) : doc_null());
    check_same(errs, AT(spec, "managedBy"),
               s->managed_by && was->managed_by ? str_eq(*s->managed_by, *was->managed_by)
                                                : s->managed_by == was->managed_by,
               s->managed_by ? doc_string(*s->managed_by) : doc_null());
    check_ptr_same(errs, AT(spec, "successPolicy"), &type_batch_success_policy, s->success_policy,
                   was->success_policy);
}

void validate_job(const void *obj, const void *old, struct field_errors *errs)
{
    const struct batch_job *j = obj;

    if (!old && is_indexed(&j->spec) && j->spec.completions && *j->spec.completions > 0) {
        struct str pod =
            str_printf(errs->arena, "%.*s-%d", STR_ARG(j->metadata.name), *j->spec.completions - 1);
        const char *why = format_dns_label(pod);

        if (why)
            err_invalid(errs, AT(AT(NULL, "metadata"), "name"), doc_string(j->metadata.name),
                        "will not able to create pod with invalid DNS label: %.*s", STR_ARG(pod));
    }
    if (!old)
        check_job_selector(errs, j);
    check_job_spec(errs, AT(NULL, "spec"), &j->spec);
    if (old)
        check_job_update(errs, j, old);
}

static bool finished(const struct batch_job_status *s, const char *type)
{
    for (size_t i = 0; i < s->conditions.n; i++) {
        if (str_eqz(s->conditions.v[i].type, type))
            return str_eqz(s->conditions.v[i].status, "True");
    }
    return false;
}

void validate_job_status(const void *obj, const void *old, struct field_errors *errs)
{
    const struct batch_job_status *s = &((const struct batch_job *)obj)->status;
    const struct batch_job_status *was = old ? &((const struct batch_job *)old)->status : NULL;
    const struct path *at = AT(NULL, "status"), *conditions = AT(at, "conditions");
    bool complete = finished(s, "Complete"), failed = finished(s, "Failed");

    check_nonneg(errs, AT(at, "active"), s->active);
    check_nonneg(errs, AT(at, "succeeded"), s->succeeded);
    check_nonneg(errs, AT(at, "failed"), s->failed);
    check_nonneg_ptr(errs, AT(at, "ready"), s->ready);
    check_nonneg_ptr(errs, AT(at, "terminating"), s->terminating);
    if (s->ready && *s->ready > s->active)
        err_invalid(errs, AT(at, "ready"), doc_int(*s->ready),
                    "cannot set more ready pods than active");
    if (complete && failed)
        err_invalid(errs, conditions, doc_array(),
                    "cannot set Complete=True and Failed=true "
                    "conditions");
    if ((complete || failed) && s->active > 0)
        err_invalid(errs, AT(at, "active"), doc_int(s->active),
                    "active>0 is invalid for finished job");
    if ((complete || failed) && !s->start_time.set)
        err_required(errs, AT(at, "startTime"), "startTime is required for finished job");
    if (complete && !s->completion_time.set)
        err_required(errs, AT(at, "completionTime"),
                     "completionTime is required for Complete jobs");
    if (s->completion_time.set && !complete)
        err_invalid(errs, AT(at, "completionTime"),
                    doc_string(time_str(errs->arena, s->completion_time)),
                    "cannot set completionTime when there is no Complete=True condition");
    if (!was)
        return;
    if (s->failed < was->failed)
        err_invalid(errs, AT(at, "failed"), doc_int(s->failed),
                    "cannot decrease the failed counter");
    if (s->succeeded < was->succeeded && !is_indexed(&((const struct batch_job *)obj)->spec))
        err_invalid(errs, AT(at, "succeeded"), doc_int(s->succeeded),
                    "cannot decrease the succeeded counter");
    if ((finished(was, "Complete") && !complete) || (finished(was, "Failed") && !failed))
        err_invalid(errs, conditions, doc_array(), "cannot disable the terminal condition");
}

/* ---- CronJob ---- */

static void check_zone(struct field_errors *errs, const struct path *p, struct str zone)
{
    if (str_empty(zone))
        check_why(errs, p, zone, "timeZone must be nil or non-empty string");
    else if (str_ieq(zone, STR("Local")))
        check_why(errs, p, zone,
                  "timeZone must be an explicit time zone as defined in "
                  "https://www.iana.org/time-zones");
    else
        for (size_t i = 0; i < zone.len; i++) {
            char c = zone.p[i];

            if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                str_find_char(STR("/_-+"), c) >= 0)
                continue;
            err_invalid(errs, p, doc_string(zone), "unknown time zone %.*s", STR_ARG(zone));
            return;
        }
}

static void check_cron(struct field_errors *errs, const struct path *p, struct str schedule)
{
    struct cron_schedule s;
    struct err err = {0};

    if (str_empty(schedule))
        return;
    if (cron_parse(schedule, &s, &err) < 0)
        err_invalid(errs, p, doc_string(schedule), "%s", err.msg);
    if (str_find(schedule, STR("TZ")) >= 0)
        check_why(errs, p, schedule,
                  "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
}

void validate_cronjob(const void *obj, const void *old, struct field_errors *errs)
{
    static const char *const policies[] = {"Allow", "Forbid", "Replace", NULL};
    static const char *const manual[] = {"nil", "false", NULL};
    const struct batch_cron_job *c = obj;
    const struct path *spec = AT(NULL, "spec"), *job = AT(AT(spec, "jobTemplate"), "spec");
    const struct batch_job_spec *s = &c->spec.job_template.spec;

    if (!old && c->metadata.name.len > CRON_NAME_MAX)
        check_why(errs, AT(AT(NULL, "metadata"), "name"), c->metadata.name,
                  "must be no more than 52 characters");
    check_given(errs, AT(spec, "schedule"), c->spec.schedule);
    check_cron(errs, AT(spec, "schedule"), c->spec.schedule);
    if (c->spec.time_zone)
        check_zone(errs, AT(spec, "timeZone"), *c->spec.time_zone);
    if (c->spec.starting_deadline_seconds)
        check_nonneg(errs, AT(spec, "startingDeadlineSeconds"), *c->spec.starting_deadline_seconds);
    check_one_of_given(errs, AT(spec, "concurrencyPolicy"), c->spec.concurrency_policy, policies);
    check_job_spec(errs, job, s);
    if (s->selector)
        err_invalid(errs, AT(job, "selector"),
                    value_doc(errs, &type_meta_label_selector, s->selector),
                    "`selector` will be auto-generated");
    if (s->manual_selector && *s->manual_selector)
        err_not_supported(errs, AT(job, "manualSelector"), STR("true"), manual);
    check_nonneg_ptr(errs, AT(spec, "successfulJobsHistoryLimit"),
                     c->spec.successful_jobs_history_limit);
    check_nonneg_ptr(errs, AT(spec, "failedJobsHistoryLimit"), c->spec.failed_jobs_history_limit);
}
